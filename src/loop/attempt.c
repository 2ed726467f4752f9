/* SPDX-License-Identifier: MIT */
/* attempt.c - which address is talked to. Contract: attempt.h. */
#include "loop/attempt.h"

#include <errno.h>
#include <string.h>

#include "loop/loop.h"
#include "loop/socket.h"

enum {
	PATIENCE_MS = 2000, /* in the first round; each further one doubles */
	PATIENCE_MAX_MS = 10000,
	ROUNDS_HEARD = 3, /* what is heard without connecting buys this much */
	HOLD_EXTRA_MS = 30000,
	PAUSE_MS = 1000,
	PAUSE_MAX_MS = 15000,
	EARLY_MS = 5000,     /* for a domain; then addresses that are known */
	DISCOVER_MS = 15000, /* and then without it */
};

static mpp_time later(mpp_instant now, uint64_t ms)
{
	return (mpp_time){now.mono.us + ms * 1000};
}

static uint32_t doubled(uint32_t value, uint32_t first, uint32_t most)
{
	if (value == 0)
		return first;
	return value >= most / 2 ? most : value * 2;
}

static void drop_resolve(mpp_loop *l)
{
	struct loop_attempt *a = &l->attempt;

	if (a->resolve == NULL)
		return;
	loop_unwatch(l, loop_resolve_fd(a->resolve));
	loop_resolve_drop(a->resolve);
	a->resolve = NULL;
}

/* The one place where the phase changes. */
static void enter(mpp_loop *l, enum loop_phase phase, mpp_time deadline)
{
	drop_resolve(l);
	loop_race_end(l);
	l->attempt.phase = phase;
	l->attempt.deadline = deadline;
}

void loop_attempt_pause(mpp_loop *l, mpp_instant now)
{
	struct loop_attempt *a = &l->attempt;

	loop_use_socket(l, -1);
	a->current.len = 0;
	a->pause_ms = doubled(a->pause_ms, PAUSE_MS, PAUSE_MAX_MS);
	a->patience_ms = doubled(a->patience_ms, PATIENCE_MS, PATIENCE_MAX_MS);
	enter(l, LOOP_PAUSE, later(now, a->pause_ms));
}

/* Begin to resolve; the socket in use stays until there is an answer. Asking
 * the domain may take long: it gets so much time. */
static void resolve(mpp_loop *l, bool ask, mpp_instant now)
{
	const struct loop_state *s = &l->state;
	struct discover_question question;
	struct loop_wanted w = {.known = s->found,
				.n_known = s->n_found,
				.also = s->endpoints,
				.n_also = s->n_endpoints};
	struct loop_resolve *r;

	if (ask && s->domain[0] != '\0' &&
	    discover_prepare(&question, s->domain, DISCOVER_PLACES,
			     &l->crypto) == MPP_OK)
		w.discover = &question;
	if (loop_resolve_wanted(&w, &r) != MPP_OK) {
		loop_attempt_pause(l, now);
		return;
	}
	if (loop_watch(l, loop_resolve_fd(r)) != MPP_OK) {
		loop_resolve_drop(r);
		loop_attempt_pause(l, now);
		return;
	}
	enter(l, LOOP_RESOLVE,
	      w.discover != NULL ? later(now, EARLY_MS) : MPP_TIME_NEVER);
	l->attempt.latest = later(now, DISCOVER_MS);
	l->attempt.resolve = r;
}

void loop_attempt_begin(mpp_loop *l, mpp_instant now)
{
	l->attempt.patience_ms = PATIENCE_MS;
	l->attempt.pause_ms = 0;
	resolve(l, !l->attempt.is_fresh, now);
	l->attempt.is_fresh = false;
}

/* What is heard meanwhile lengthens it. */
static void try_for(mpp_loop *l, uint64_t ms, mpp_instant now)
{
	l->attempt.latest =
		later(now, (uint64_t)l->attempt.patience_ms * ROUNDS_HEARD);
	enter(l, LOOP_TRY, later(now, ms));
}

/* Talk to the next address that has a socket, or pause. */
static void try_next(mpp_loop *l, mpp_instant now)
{
	struct loop_attempt *a = &l->attempt;
	mpp_time due;
	int fd = -1;

	l->race.asked = 0;
	while (fd < 0 && a->at < a->addresses.n) {
		a->current = a->addresses.list[a->at++];
		fd = loop_socket_open(&a->current);
		if (fd < 0)
			a->refusal = errno;
	}
	if (fd < 0) {
		loop_attempt_pause(l, now);
		return;
	}
	loop_use_socket(l, fd);
	mpp_client_connect(l->client, now);
	/* Patience begins with the first attempt, which may have to wait so
	 * that not all devices come back at once. */
	due = mpp_client_deadline(l->client);
	if (due.us != MPP_TIME_NEVER.us && due.us > now.mono.us)
		now.mono = due;
	/* The last that is asked beside it has as long to answer. */
	try_for(l, a->patience_ms + (a->addresses.n - 1) * LOOP_RACE_STEP_MS,
		now);
	loop_race_begin(l, now);
}

void loop_attempt_won(mpp_loop *l, int fd, const struct loop_address *address,
		      mpp_instant now)
{
	l->attempt.current = *address;
	loop_use_socket(l, fd);
	try_for(l, l->attempt.patience_ms, now);
}

/* What is not written is no harm: it is found again. */
static void write_raise(mpp_loop *l, const struct loop_raise *raise)
{
	mpp_loop_error ignored;

	if (l->saves_key)
		(void)!loop_state_raise(l->dir, l->state.instance, raise,
					&ignored);
}

static bool has_endpoint(const struct loop_state *s,
			 const struct loop_endpoint *ep)
{
	size_t i;

	for (i = 0; i < s->n_found; i++) {
		if (s->found[i].port == ep->port &&
		    strcmp(s->found[i].host, ep->host) == 0)
			return true;
	}
	return false;
}

static bool has_web(const struct loop_state *s, const char *url)
{
	size_t i;

	for (i = 0; i < s->n_webs; i++) {
		if (strcmp(s->webs[i], url) == 0)
			return true;
	}
	return false;
}

/* Another order alone, which is drawn each time, is nothing new. */
static bool is_known(const struct loop_attempt *a, const struct loop_state *s)
{
	size_t i;

	if (a->n_said != s->n_found ||
	    (a->n_webs != 0 && a->n_webs != s->n_webs))
		return false;
	for (i = 0; i < a->n_said; i++) {
		if (!has_endpoint(s, &a->said[i]))
			return false;
	}
	for (i = 0; i < a->n_webs; i++) {
		if (!has_web(s, a->webs[i]))
			return false;
	}
	return true;
}

/* What the domain says led to the service, which has shown its key: it is what
 * is known from now on. */
static void remember_domain(mpp_loop *l)
{
	struct loop_attempt *a = &l->attempt;
	struct loop_state *s = &l->state;
	const struct loop_raise raise = {.discovered = s};
	const bool is_new = a->n_said > 0 && !is_known(a, s);

	if (is_new) {
		memset(s->found, 0, sizeof(s->found));
		memcpy(s->found, a->said, a->n_said * sizeof(a->said[0]));
		s->n_found = a->n_said;
	}
	if (is_new && a->n_webs > 0) {
		memcpy(s->webs, a->webs, sizeof(s->webs));
		s->n_webs = a->n_webs;
	}
	if (is_new)
		write_raise(l, &raise);
	a->n_said = 0;
}

/* The endpoint of the address that holds stands first from now on, also for
 * the next process; those of a domain stand in the domain's order. */
static void remember(mpp_loop *l)
{
	struct loop_attempt *a = &l->attempt;
	struct loop_state *s = &l->state;
	const size_t n_domain = a->addresses.n_domain;
	const size_t place = a->current.endpoint - n_domain;
	const struct loop_raise raise = {.first = s->endpoints};

	if (a->current.endpoint < n_domain) {
		remember_domain(l);
		return;
	}
	if (place == 0 || place >= s->n_endpoints)
		return;
	loop_state_first(s, &s->endpoints[place]);
	a->current.endpoint = n_domain;
	write_raise(l, &raise);
}

void loop_attempt_heard(mpp_loop *l, mpp_instant now)
{
	struct loop_attempt *a = &l->attempt;
	mpp_time deadline = later(now, a->patience_ms);

	if (a->phase == LOOP_HOLD)
		a->deadline = later(now, (uint64_t)a->hold_ms + HOLD_EXTRA_MS);
	if (a->phase != LOOP_TRY)
		return;
	loop_race_end(l);
	if (a->deadline.us > deadline.us)
		return;
	a->deadline = deadline.us < a->latest.us ? deadline : a->latest;
}

void loop_attempt_held(mpp_loop *l, mpp_instant now)
{
	struct loop_attempt *a = &l->attempt;

	remember(l);
	a->good = a->current;
	a->patience_ms = PATIENCE_MS;
	a->pause_ms = 0;
	a->refusal = 0;
	l->give_up = MPP_TIME_NEVER;
	enter(l, LOOP_HOLD, later(now, (uint64_t)a->hold_ms + HOLD_EXTRA_MS));
}

void loop_attempt_lost(mpp_loop *l, mpp_instant now)
{
	if (l->attempt.phase == LOOP_HOLD)
		loop_attempt_begin(l, now);
}

/* A connection that holds is not given up for what the network says: that may
 * be forged, or over in a moment. */
void loop_attempt_refused(mpp_loop *l, int number, mpp_instant now)
{
	if (l->attempt.phase != LOOP_TRY)
		return;
	l->attempt.refusal = number;
	try_next(l, now);
}

/* The service asked for so much time; then it is the same address's turn. */
void loop_attempt_wait(mpp_loop *l, uint32_t ms, mpp_instant now)
{
	struct loop_attempt *a = &l->attempt;

	if (a->phase == LOOP_OVER || a->phase == LOOP_PAUSE)
		return;
	a->latest = later(now, (uint64_t)ms +
				       (uint64_t)a->patience_ms * ROUNDS_HEARD);
	enter(l, LOOP_TRY, later(now, (uint64_t)ms + a->patience_ms));
}

void loop_attempt_web(mpp_loop *l)
{
	enter(l, LOOP_WEB, MPP_TIME_NEVER);
}

void loop_attempt_over(mpp_loop *l)
{
	enter(l, LOOP_OVER, MPP_TIME_NEVER);
}

static void take_said(struct loop_attempt *a, const struct loop_discovery *d)
{
	size_t i;

	a->n_said = 0;
	if (d == NULL || d->udp.result != DISCOVER_FOUND)
		return;
	for (i = 0; i < d->udp.n; i++)
		a->said[i] = d->udp.targets[i].at;
	a->n_said = d->udp.n;
	a->n_webs = discover_webs(d, a->webs);
}

static void use_resolved(mpp_loop *l, mpp_instant now)
{
	struct loop_attempt *a = &l->attempt;

	loop_addresses_order(&a->addresses, &a->good);
	a->at = 0;
	l->race.won = 0;
	a->refusal = 0;
	try_next(l, now);
}

static bool take_resolved(mpp_loop *l, mpp_instant now)
{
	struct loop_attempt *a = &l->attempt;

	if (!loop_resolve_take(a->resolve, &a->addresses))
		return false;
	take_said(a, loop_resolve_discovery(a->resolve));
	use_resolved(l, now);
	return true;
}

/* The domain does not answer: what is known must do. */
static void go_on_without(mpp_loop *l, mpp_instant now)
{
	struct loop_attempt *a = &l->attempt;

	a->n_said = 0;
	if (loop_resolve_early(a->resolve, &a->addresses))
		use_resolved(l, now);
	else if (now.mono.us < a->latest.us)
		a->deadline = a->latest;
	else
		resolve(l, false, now);
}

bool loop_attempt_step(mpp_loop *l, mpp_instant now)
{
	struct loop_attempt *a = &l->attempt;

	if (a->phase == LOOP_RESOLVE && take_resolved(l, now))
		return true;
	if (now.mono.us < a->deadline.us)
		return false;
	if (a->phase == LOOP_HOLD)
		loop_attempt_begin(l, now);
	else if (a->phase == LOOP_PAUSE)
		resolve(l, true, now);
	else if (a->phase == LOOP_RESOLVE)
		go_on_without(l, now);
	else
		try_next(l, now);
	return true;
}
