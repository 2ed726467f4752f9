/* SPDX-License-Identifier: MIT */
/* lifetime.c - the search for a lifetime. Contract: lifetime.h. */
#include "netcheck/lifetime.h"

const uint32_t lifetime_spans_ms[LIFETIME_SPANS] = {
	0,     2000,  4000,  6000,  10000,  15000,  20000,  30000,
	45000, 60000, 75000, 90000, 120000, 180000, 240000, 300000,
};

void lifetime_init(struct lifetime *l)
{
	unsigned i;

	for (i = 0; i < LIFETIME_SPANS; i++) {
		l->state[i] = SPAN_OPEN;
		l->silent_ms[i] = 0;
	}
}

void lifetime_result(struct lifetime *l, unsigned span, enum span_state state,
		     uint32_t silent_ms)
{
	l->state[span] = state;
	l->silent_ms[span] = silent_ms;
}

bool lifetime_done(const struct lifetime *l)
{
	unsigned i, gone = 0, open = 0;

	for (i = 1; i < LIFETIME_SPANS; i++) {
		if (l->state[i] == SPAN_GONE)
			gone++;
		else if (l->state[i] != SPAN_FAILED)
			gone = 0;
		open += l->state[i] == SPAN_OPEN;
		if (gone == LIFETIME_GONE_MAX)
			return true;
	}
	return open == 0;
}

void lifetime_report(const struct lifetime *l, struct lifetime_report *out)
{
	unsigned i;

	out->at_least_ms = 0;
	out->less_than_ms = 0;
	for (i = 1; i < LIFETIME_SPANS; i++) {
		if (l->state[i] == SPAN_ALIVE &&
		    l->silent_ms[i] > out->at_least_ms)
			out->at_least_ms = l->silent_ms[i];
	}
	for (i = 1; i < LIFETIME_SPANS; i++) {
		if (l->state[i] == SPAN_GONE &&
		    l->silent_ms[i] > out->at_least_ms &&
		    (out->less_than_ms == 0 ||
		     l->silent_ms[i] < out->less_than_ms))
			out->less_than_ms = l->silent_ms[i];
	}
}
