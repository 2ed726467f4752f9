/* SPDX-License-Identifier: MIT */
/* lifetime.h - for how long a NAT or a firewall remembers a socket that is
 * silent. Every span is tried on a socket of its own, all at the same time, so
 * that the search takes as long as the longest of them (RFC 5780 4.6 tries one
 * after the other). */
#ifndef NETCHECK_LIFETIME_H
#define NETCHECK_LIFETIME_H

#include "netcheck/report.h"

enum {
	LIFETIME_SPANS = 16,   /* the first is 0: does the method work? */
	LIFETIME_GONE_MAX = 2, /* after so many in a row nothing longer is
				tried: one may have been lost */
};

enum span_state {
	SPAN_OPEN = 1, /* no result yet */
	SPAN_ALIVE,
	SPAN_GONE,
	SPAN_FAILED, /* could not be tried */
};

struct lifetime {
	enum span_state state[LIFETIME_SPANS];
	uint32_t silent_ms[LIFETIME_SPANS]; /* what it really was */
};

extern const uint32_t lifetime_spans_ms[LIFETIME_SPANS];

void lifetime_init(struct lifetime *l);
void lifetime_result(struct lifetime *l, unsigned span, enum span_state state,
		     uint32_t silent_ms);
/* Is the result known without what is still open? */
bool lifetime_done(const struct lifetime *l);
/* Fills in at_least_ms and less_than_ms. What was found gone by a span that is
 * shorter than one that was alive had only lost its datagrams. */
void lifetime_report(const struct lifetime *l, struct lifetime_report *out);

#endif
