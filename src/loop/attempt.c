/* SPDX-License-Identifier: MIT */
/* attempt.c - which address is talked to. Contract: attempt.h. */
#include "loop/attempt.h"

#include <errno.h>

#include "loop/loop.h"
#include "loop/socket.h"

enum {
	PATIENCE_MS = 2000, /* in the first round; each further one doubles */
	PATIENCE_MAX_MS = 10000,
	ROUNDS_HEARD = 3, /* what is heard without connecting buys this much */
	HOLD_EXTRA_MS = 30000,
	PAUSE_MS = 1000,
	PAUSE_MAX_MS = 15000,
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

/* Begin to resolve; the socket in use stays until there is an answer. */
static void resolve(mpp_loop *l, mpp_instant now)
{
	struct loop_resolve *r;

	if (loop_resolve_start(l->state.endpoints, l->state.n_endpoints, &r) !=
	    MPP_OK) {
		loop_attempt_pause(l, now);
		return;
	}
	if (loop_watch(l, loop_resolve_fd(r)) != MPP_OK) {
		loop_resolve_drop(r);
		loop_attempt_pause(l, now);
		return;
	}
	enter(l, LOOP_RESOLVE, MPP_TIME_NEVER);
	l->attempt.resolve = r;
}

void loop_attempt_begin(mpp_loop *l, mpp_instant now)
{
	l->attempt.patience_ms = PATIENCE_MS;
	l->attempt.pause_ms = 0;
	resolve(l, now);
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

/* The endpoint of the address that holds stands first from now on, also for
 * the next process. What is not written is no harm: it is found again. */
static void remember(mpp_loop *l)
{
	struct loop_state *s = &l->state;
	const size_t place = l->attempt.current.endpoint;
	struct loop_raise raise = {.first = s->endpoints};
	mpp_loop_error ignored;

	if (place == 0 || place >= s->n_endpoints)
		return;
	loop_state_first(s, &s->endpoints[place]);
	l->attempt.current.endpoint = 0;
	if (l->saves_key)
		(void)!loop_state_raise(l->dir, s->instance, &raise, &ignored);
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

void loop_attempt_over(mpp_loop *l)
{
	enter(l, LOOP_OVER, MPP_TIME_NEVER);
}

static bool take_resolved(mpp_loop *l, mpp_instant now)
{
	struct loop_attempt *a = &l->attempt;

	if (!loop_resolve_take(a->resolve, &a->addresses))
		return false;
	loop_addresses_order(&a->addresses, &a->good);
	a->at = 0;
	l->race.won = 0;
	a->refusal = 0;
	try_next(l, now);
	return true;
}

bool loop_attempt_step(mpp_loop *l, mpp_instant now)
{
	struct loop_attempt *a = &l->attempt;

	if (a->phase == LOOP_RESOLVE)
		return take_resolved(l, now);
	if (now.mono.us < a->deadline.us)
		return false;
	if (a->phase == LOOP_HOLD)
		loop_attempt_begin(l, now);
	else if (a->phase == LOOP_PAUSE)
		resolve(l, now);
	else
		try_next(l, now);
	return true;
}
