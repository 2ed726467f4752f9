/* SPDX-License-Identifier: MIT */
/* race.c - who answers first? Contract: race.h. */
#include "loop/race.h"

#include <unistd.h>

#include "loop/loop.h"
#include "loop/socket.h"

static void leave(struct loop_race *r, size_t lane)
{
	(void)close(r->lanes[lane].fd);
	r->lanes[lane] = r->lanes[--r->n];
}

void loop_race_end(mpp_loop *l)
{
	while (l->race.n > 0)
		leave(&l->race, 0);
	l->race.at = MPP_TIME_NEVER;
}

static void set_next(struct loop_race *r, mpp_instant now)
{
	r->at.us = now.mono.us + LOOP_RACE_STEP_MS * 1000;
}

void loop_race_begin(mpp_loop *l, mpp_instant now)
{
	loop_race_end(l);
	l->race.asked = 0;
	if (l->attempt.addresses.n > 1)
		set_next(&l->race, now);
}

/* @return whether it is under way */
static bool ask(mpp_loop *l, size_t place)
{
	struct loop_race *r = &l->race;
	uint8_t room[MPP_PACKET_MAX];
	mpp_buf out = {room, sizeof(room), 0};
	const int fd = loop_socket_open(&l->attempt.addresses.list[place]);

	if (fd < 0)
		return false;
	if (mpp_client_probe(l->client, &out) != MPP_OK ||
	    loop_socket_send(fd, (mpp_bytes){out.p, out.len}) ==
		    LOOP_SOCKET_REFUSED ||
	    loop_watch(l, fd) != MPP_OK) {
		(void)close(fd);
		return false;
	}
	r->lanes[r->n].fd = fd;
	r->lanes[r->n++].place = place;
	return true;
}

static void ask_next(mpp_loop *l, mpp_instant now)
{
	const size_t n = l->attempt.addresses.n;
	struct loop_race *r = &l->race;
	size_t place;

	while (l->attempt.at + r->asked < n) {
		place = l->attempt.at + r->asked++;
		if ((r->won >> place & 1) == 0 && ask(l, place)) {
			set_next(r, now);
			return;
		}
	}
	r->at = MPP_TIME_NEVER;
}

/* It is the address in use now. An answer to Hello is no connection yet:
 * another race in this round does without it, so that one that always fails
 * later does not always win. */
static void win(mpp_loop *l, size_t lane, mpp_instant now)
{
	struct loop_race *r = &l->race;
	const int fd = r->lanes[lane].fd;
	const size_t place = r->lanes[lane].place;

	r->won |= UINT32_C(1) << place;
	r->lanes[lane] = r->lanes[--r->n];
	loop_unwatch(l, fd);
	loop_attempt_won(l, fd, &l->attempt.addresses.list[place], now);
}

/* @return whether anything came */
static bool receive(mpp_loop *l, size_t lane, mpp_instant now)
{
	uint8_t room[MPP_PACKET_MAX];
	mpp_buf in = {room, sizeof(room), 0};
	const enum loop_socket_result result =
		loop_socket_receive(l->race.lanes[lane].fd, &in);

	if (result == LOOP_SOCKET_OK &&
	    mpp_client_receive(l->client, in, now) == MPP_OK)
		win(l, lane, now);
	if (result == LOOP_SOCKET_REFUSED) {
		leave(&l->race, lane);
		if (l->race.at.us != MPP_TIME_NEVER.us)
			l->race.at = now.mono; /* nobody is there */
	}
	return result != LOOP_SOCKET_NOTHING;
}

bool loop_race_step(mpp_loop *l, mpp_instant now)
{
	size_t i;

	for (i = 0; i < l->race.n; i++) {
		if (receive(l, i, now))
			return true;
	}
	if (now.mono.us < l->race.at.us)
		return false;
	ask_next(l, now);
	return true;
}
