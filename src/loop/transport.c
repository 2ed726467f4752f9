/* SPDX-License-Identifier: MIT */
/* transport.c - following the client. Contract: transport.h. */
#include "loop/transport.h"

#include "loop/loop.h"
#include "loop/socket.h"

enum {
	STUCK_MS = 3000, /* no address to talk to, and there is HTTP */
	TURN_MS = 30000, /* for one address */
};

static mpp_time later(mpp_instant now, uint64_t ms)
{
	return (mpp_time){now.mono.us + ms * 1000};
}

static void drop_resolve(mpp_loop *l)
{
	struct loop_transport *t = &l->transport;

	if (t->resolve == NULL)
		return;
	loop_unwatch(l, loop_resolve_fd(t->resolve));
	loop_resolve_drop(t->resolve);
	t->resolve = NULL;
}

void loop_transport_close(mpp_loop *l)
{
	drop_resolve(l);
	loop_web_close(l);
}

/* Whoever has no socket cannot even fail: the name may be resolved by
 * datagrams, too. */
static bool see_if_stuck(mpp_loop *l, mpp_instant now)
{
	struct loop_transport *t = &l->transport;

	if (l->socket >= 0 || l->attempt.phase == LOOP_WEB) {
		t->stuck.us = 0;
		return false;
	}
	if (t->stuck.us == 0)
		t->stuck = now.mono;
	if (now.mono.us < t->stuck.us + STUCK_MS * 1000)
		return false;
	t->stuck.us = 0;
	mpp_client_unreachable(l->client, now);
	return loop_web_serves(l);
}

/* ---- an address to try ---- */

static void ask_names(mpp_loop *l)
{
	struct loop_transport *t = &l->transport;

	if (t->resolve != NULL ||
	    loop_resolve_start(l->state.endpoints, l->state.n_endpoints,
			       &t->resolve) != MPP_OK)
		return;
	if (loop_watch(l, loop_resolve_fd(t->resolve)) != MPP_OK) {
		loop_resolve_drop(t->resolve);
		t->resolve = NULL;
	}
}

/* The next address's turn. One that is in use already stays. */
static void next_address(mpp_loop *l, mpp_instant now)
{
	const struct loop_addresses *all = &l->attempt.addresses;
	struct loop_transport *t = &l->transport;
	const struct loop_address *next;
	int fd;

	t->turn = later(now, TURN_MS);
	if (all->n == 0) {
		ask_names(l);
		return;
	}
	next = &all->list[t->place++ % all->n];
	if (l->socket >= 0 && loop_address_same(next, &l->attempt.current))
		return;
	fd = loop_socket_open(next);
	if (fd < 0)
		return; /* no route: the next one, in a while */
	l->attempt.current = *next;
	loop_use_socket(l, fd);
}

static bool take_names(mpp_loop *l, mpp_instant now)
{
	struct loop_transport *t = &l->transport;

	if (t->resolve == NULL ||
	    !loop_resolve_take(t->resolve, &l->attempt.addresses))
		return false;
	drop_resolve(l);
	l->attempt.at = 0;
	if (l->attempt.addresses.n != 0)
		next_address(l, now);
	return true;
}

static void enter_web(mpp_loop *l, mpp_instant now)
{
	struct loop_transport *t = &l->transport;

	loop_attempt_web(l);
	t->place = 0;
	t->turn = later(now, TURN_MS);
	if (l->socket < 0)
		next_address(l, now);
}

static mpp_client_transport_info info_of(const mpp_loop *l)
{
	mpp_client_transport_info info;

	mpp_client_transport_info_get(l->client, &info);
	return info;
}

/* UDP is in force again: with the connection, or because HTTP failed, too. */
static void leave_web(mpp_loop *l, mpp_instant now)
{
	drop_resolve(l);
	if (info_of(l).serving && l->socket >= 0)
		loop_attempt_held(l, now);
	else
		loop_attempt_begin(l, now);
}

bool loop_transport_step(mpp_loop *l, mpp_instant now)
{
	const bool web = loop_web_serves(l);

	if (l->web.n == 0 || l->attempt.phase == LOOP_OVER)
		return false;
	if (web != (l->attempt.phase == LOOP_WEB)) {
		if (web)
			enter_web(l, now);
		else
			leave_web(l, now);
		return true;
	}
	if (!web)
		return see_if_stuck(l, now);
	if (take_names(l, now))
		return true;
	if (info_of(l).allowed == MPP_TRANSPORT_AUTO &&
	    now.mono.us >= l->transport.turn.us) {
		next_address(l, now);
		return true;
	}
	return false;
}

mpp_time loop_transport_due(const mpp_loop *l)
{
	const struct loop_transport *t = &l->transport;

	if (l->web.n == 0 || l->attempt.phase == LOOP_OVER)
		return MPP_TIME_NEVER;
	if (l->attempt.phase == LOOP_WEB)
		return t->turn;
	return t->stuck.us == 0 ? MPP_TIME_NEVER
				: (mpp_time){t->stuck.us + STUCK_MS * 1000};
}

void loop_transport_connected(mpp_loop *l, mpp_instant now)
{
	if (loop_web_serves(l))
		l->give_up = MPP_TIME_NEVER;
	else
		loop_attempt_held(l, now);
}
