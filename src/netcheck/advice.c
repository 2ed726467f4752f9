/* SPDX-License-Identifier: MIT */
/* advice.c - what to do about it. Contract: advice.h. */
#include "netcheck/advice.h"

#include "netcheck/sizes.h"

enum {
	LIFETIME_SHORT_MS = 30000,
	LOSS_PERCENT = 5,
	CLOCK_WRONG_MS = 5000,
};

#define WORD(name, word, text) \
	case name:             \
		return word;
#define TEXT(name, word, text) \
	case name:             \
		return text;

const char *advice_word(enum advice a)
{
	switch ((int)a) {
		NETCHECK_ADVICE(WORD)
	default:
		return "unknown";
	}
}

const char *advice_text(enum advice a)
{
	switch ((int)a) {
		NETCHECK_ADVICE(TEXT)
	default:
		return "unknown";
	}
}

struct advices {
	enum advice *out;
	size_t n;
};

static void add_if(struct advices *list, bool when, enum advice a)
{
	if (when)
		list->out[list->n++] = a;
}

static bool dead(const struct path_report *p)
{
	return p->tested && !p->answered;
}

/* Nothing was answered by STUN: why? */
static void unreached(const struct report *r, struct advices *list)
{
	const bool way = r->v4.have_local || r->v6.have_local;
	const bool refused = r->v4.refused || r->v6.refused;

	add_if(list, !way, ADVICE_NO_ROUTE);
	if (!way)
		return;
	add_if(list, r->connection == CONNECTION_WORKS, ADVICE_NO_STUN);
	if (r->connection == CONNECTION_WORKS)
		return;
	add_if(list, r->web == WEB_WORKS, ADVICE_WEB_USED);
	if (r->web == WEB_WORKS)
		return;
	add_if(list, refused, ADVICE_NOBODY_THERE);
	add_if(list, !refused, ADVICE_UDP_BLOCKED);
}

static bool symmetric(const struct path_report *p)
{
	return p->mapping == MAPPING_ADDRESS ||
	       p->mapping == MAPPING_ADDRESS_PORT ||
	       p->mapping == MAPPING_DEPENDENT;
}

static bool short_lived(const struct path_report *p)
{
	return p->lifetime.less_than_ms != 0 &&
	       p->lifetime.less_than_ms <= LIFETIME_SHORT_MS;
}

static bool small_up(const struct path_report *p)
{
	return p->answered && p->up.passes == 0 && p->up.fails != 0;
}

static bool small_down(const struct path_report *p)
{
	return p->answered && p->down.passes == 0 && p->down.fails != 0;
}

static bool lossy(const struct path_report *p)
{
	return p->trips.lost * 100 > p->trips.sent * LOSS_PERCENT;
}

size_t advice_of(const struct report *r, enum advice out[ADVICE_MAX])
{
	const struct path_report *v4 = &r->v4, *v6 = &r->v6;
	struct advices list = {out, 0};

	if (!v4->answered && !v6->answered)
		unreached(r, &list);
	else
		add_if(&list, r->connection == CONNECTION_FAILS,
		       ADVICE_NO_CONNECTION);
	add_if(&list, r->web == WEB_FAILS, ADVICE_WEB_DEAD);
	add_if(&list, v6->answered && dead(v4), ADVICE_IPV4_DEAD);
	add_if(&list, v4->answered && dead(v6) && v6->have_local,
	       ADVICE_IPV6_DEAD);
	add_if(&list, small_up(v4) || small_up(v6), ADVICE_SIZE_UP);
	add_if(&list, small_down(v4) || small_down(v6), ADVICE_SIZE_DOWN);
	add_if(&list, lossy(v4) || lossy(v6), ADVICE_LOSS);
	add_if(&list, short_lived(v4) || short_lived(v6), ADVICE_LIFETIME);
	add_if(&list, symmetric(v4) || symmetric(v6), ADVICE_SYMMETRIC);
	add_if(&list,
	       r->have_clock && (r->clock_ms > CLOCK_WRONG_MS ||
				 r->clock_ms < -CLOCK_WRONG_MS),
	       ADVICE_CLOCK);
	return list.n;
}
