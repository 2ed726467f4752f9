/* SPDX-License-Identifier: MIT */
/* compare.h - the scenario dns: the DNS proxy and plain unbound in turn. */
#ifndef MPPBENCH_COMPARE_H
#define MPPBENCH_COMPARE_H

#include "mppbench/measure.h"

/* What is compared; one array of rounds each. */
enum figure {
	FIGURE_CPU,     /* us of the server process, an answer */
	FIGURE_ANSWERS, /* a second */
	FIGURE_P50,     /* us */
	FIGURE_P99,     /* us */
	FIGURES,
};

/* One of both. */
struct side {
	double value[FIGURES][ROUNDS_MAX];
	uint64_t answers, extra;
	size_t octets_in, octets_out; /* mean datagrams of the last round */
};

struct comparison {
	size_t rounds;
	struct side proxy, unbound;
};

/* The median, least and greatest of one side; of the ratios of the rounds,
 * proxy to unbound. */
struct middle compare_side(const struct comparison *c, const struct side *s,
			   enum figure which);
struct middle compare_ratio(const struct comparison *c, enum figure which);

/* Start the peers, fork the server, connect, measure. Errors: NOTFOUND, a peer
 * is not installed; TIMEOUT, SYNTAX, STATE: no answers, wrong ones, or what
 * was counted does not go together; IO, NOMEM. */
MPP_MUSTCHECK mpp_err compare(struct plan *plan, struct comparison *out,
			      struct fault *f);

/* Some lines of text, or one line of JSON, to stdout. */
void compare_print(const struct plan *plan, const struct comparison *c);

#endif
