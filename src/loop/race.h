/* SPDX-License-Identifier: MIT */
/* race.h - who answers first? While the address in use is silent, the others
 * are asked, one more every quarter of a second (RFC 8305), by a Hello of its
 * own to each: that tells nobody who the device is, and the service keeps
 * nothing of it. */
#ifndef LOOP_RACE_H
#define LOOP_RACE_H

#include <mpp/loop.h>

#include "loop/resolve.h"

enum { LOOP_RACE_STEP_MS = 250 };

struct loop_race {
	struct {
		int fd;
		size_t place; /* of attempt.addresses */
	} lanes[LOOP_ADDRESSES_MAX];
	size_t n;
	size_t asked; /* of those whose turn is still to come */
	uint32_t won; /* places: once a round, whatever became of it */
	mpp_time at;  /* when the next is asked */
};

/* The address in use is a new one. */
void loop_race_begin(mpp_loop *l, mpp_instant now);
/* No more; closes their sockets. */
void loop_race_end(mpp_loop *l);

/* Take an answer, or ask the next. @return whether anything was done */
bool loop_race_step(mpp_loop *l, mpp_instant now);

#endif
