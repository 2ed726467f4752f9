/* SPDX-License-Identifier: MIT */
/* resolve.c - devices ask for names, and a resolver beside the service answers:
 * soon, late, at length, or never. Whatever the network does, every question of
 * a device ends exactly once, in time, and with its own answer. */
#include <stdlib.h>
#include <string.h>

#include "mppsim/sim.h"

enum {
	HEADER = 12,
	TOKEN_AT = HEADER, /* the number of the question, 8 octets */
	QUERY_LEAST = HEADER + 8,
	SHORT_MOST = 600,
	LIFE_US = 15000000, /* of a question, by the client */
	LATE_US = 1000000,  /* its timers may be so late */
	ASKED = 8,          /* of a device, at a time */
	PENDING = 4096,     /* at the resolver */
};

struct question {
	uint32_t request; /* 0: free */
	uint64_t token, at;
};

struct names {
	struct rng rng;
	uint64_t tokens;
	struct question (*of)[ASKED]; /* by device */
	struct pending {
		bool on;
		uint32_t id;
		uint64_t token, due;
	} pending[PENDING];
};

static struct names *names_of(struct sim *s)
{
	if (s->names != NULL || s->p.resolve == 0)
		return s->names;
	s->names = calloc(1, sizeof(*s->names));
	if (s->names != NULL)
		s->names->of = calloc(s->p.devices, sizeof(*s->names->of));
	if (s->names == NULL || s->names->of == NULL) {
		sim_violation(s, "no memory for names");
		return NULL;
	}
	s->names->rng = rng_stream(s->seed, 9);
	return s->names;
}

void resolve_free(struct sim *s)
{
	if (s->names != NULL)
		free(s->names->of);
	free(s->names);
	s->names = NULL;
}

/* ---- what is said: both sides know it from the number alone ---- */

static size_t query_of(uint64_t token, uint8_t p[MPP_DNS_QUERY_MAX])
{
	struct rng r = {token};
	const size_t n = rng_between(&r, QUERY_LEAST, MPP_DNS_QUERY_MAX);
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = (uint8_t)rng_next(&r);
	memcpy(p + TOKEN_AT, &token, sizeof(token));
	return n;
}

static size_t answer_of(const struct sim *s, uint64_t token,
			uint8_t p[MPP_DNS_ANSWER_MAX])
{
	struct rng r = {~token};
	const size_t most = rng_chance(&r, s->p.resolve_long)
				    ? MPP_DNS_ANSWER_MAX
				    : SHORT_MOST;
	const size_t n = rng_between(&r, QUERY_LEAST, most);
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = (uint8_t)rng_next(&r);
	return n;
}

/* ---- devices ---- */

void resolve_arm(struct sim *s, const struct sim_device *d)
{
	struct names *n = names_of(s);

	if (n != NULL)
		queue_set(&s->queue, sim_timer(d->number, DEVICE_RESOLVE),
			  s->now + rng_wait(&n->rng, s->p.resolve));
}

void resolve_ask(struct sim *s, struct sim_device *d)
{
	uint8_t p[MPP_DNS_QUERY_MAX];
	struct names *n = names_of(s);
	struct question *q = n->of[d->number];
	unsigned i = 0;
	size_t len;

	if (s->phase == PHASE_RUN)
		resolve_arm(s, d);
	while (i < ASKED && q[i].request != 0)
		i++;
	if (i == ASKED || d->client == NULL || s->phase != PHASE_RUN)
		return;
	q[i].token = ++n->tokens;
	q[i].at = s->now;
	len = query_of(q[i].token, p);
	if (mpp_client_resolve(d->client, (mpp_bytes){p, len},
			       device_instant(s, d), &q[i].request) != MPP_OK) {
		q[i].request = 0;
		return;
	}
	s->n.asked++;
	device_settle(s, d);
}

/* The device starts anew, and waits for nothing. */
void resolve_forget(struct sim *s, const struct sim_device *d)
{
	if (s->names != NULL)
		memset(s->names->of[d->number], 0,
		       sizeof(s->names->of[d->number]));
}

static void check_answer(struct sim *s, const struct sim_device *d,
			 const struct question *q, const mpp_client_event *ev)
{
	static uint8_t got[MPP_DNS_ANSWER_MAX], want[MPP_DNS_ANSWER_MAX];
	mpp_buf dns = {got, sizeof(got), 0};
	const mpp_err err = mpp_client_dns(ev, &dns);

	if (s->now - q->at > LIFE_US + LATE_US)
		sim_violation(s, "device %u waited too long for a name",
			      d->number);
	else if (err == MPP_OK && (dns.len != answer_of(s, q->token, want) ||
				   memcmp(got, want, dns.len) != 0))
		sim_violation(s, "device %u got another's answer", d->number);
	else if (err != MPP_OK && ev->status != MPP_STATUS_TIMEOUT)
		sim_violation(s, "device %u: a name ended with %d", d->number,
			      ev->status);
	s->n.resolved += err == MPP_OK;
	s->n.unresolved += err != MPP_OK;
}

bool resolve_answered(struct sim *s, struct sim_device *d,
		      const mpp_client_event *ev)
{
	unsigned i;

	for (i = 0; s->names != NULL && i < ASKED; i++) {
		struct question *q = &s->names->of[d->number][i];

		if (q->request == 0 || q->request != ev->request)
			continue;
		check_answer(s, d, q, ev);
		q->request = 0;
		return true;
	}
	return false;
}

void resolve_check(struct sim *s, const struct sim_device *d)
{
	unsigned i;

	for (i = 0; s->names != NULL && d->client != NULL && i < ASKED; i++) {
		const struct question *q = &s->names->of[d->number][i];

		if (q->request != 0 && s->now - q->at > LIFE_US + LATE_US)
			sim_violation(s, "a question of device %u never ended",
				      d->number);
	}
}

/* ---- the resolver ---- */

static void set_timer(struct sim *s)
{
	uint64_t at = SIM_NEVER;
	size_t i;

	for (i = 0; i < PENDING; i++) {
		const struct pending *p = &s->names->pending[i];

		if (p->on && p->due < at)
			at = p->due;
	}
	queue_set(&s->queue, TIMER_RESOLVER, at);
}

static void take(struct sim *s, const mpp_resolve *r)
{
	struct names *n = s->names;
	uint8_t p[MPP_DNS_QUERY_MAX];
	uint64_t token;
	size_t i = 0;

	memcpy(&token, r->query.p + TOKEN_AT, sizeof(token));
	if (query_of(token, p) != r->query.len ||
	    memcmp(p, r->query.p, r->query.len) != 0) {
		sim_violation(s, "a query that nobody asked");
		return;
	}
	while (i < PENDING && n->pending[i].on)
		i++;
	if (i == PENDING || rng_chance(&n->rng, s->p.resolve_lost))
		return; /* it says nothing, ever */
	n->pending[i] = (struct pending){true, r->id, token,
					 s->now + rng_below(&n->rng,
							    s->p.resolver + 1)};
}

void resolve_settle(struct sim *s)
{
	mpp_resolve r;

	if (names_of(s) == NULL)
		return;
	while (mpp_service_next_resolve(s->service, &r))
		take(s, &r);
	set_timer(s);
}

void resolve_due(struct sim *s)
{
	static uint8_t p[MPP_DNS_ANSWER_MAX];
	size_t i;

	for (i = 0; i < PENDING && s->service != NULL; i++) {
		struct pending *q = &s->names->pending[i];

		if (!q->on || q->due > s->now)
			continue;
		q->on = false;
		mpp_service_resolved(s->service, q->id,
				     (mpp_bytes){p, answer_of(s, q->token, p)},
				     sim_instant(s), &s->out);
		net_from_service(s, false);
	}
	host_settle(s);
}

/* What was on its way is for nobody. */
void resolve_crashed(struct sim *s)
{
	if (s->names == NULL)
		return;
	memset(s->names->pending, 0, sizeof(s->names->pending));
	queue_set(&s->queue, TIMER_RESOLVER, SIM_NEVER);
}
