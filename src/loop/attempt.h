/* SPDX-License-Identifier: MIT */
/* attempt.h - which address is talked to, and for how long without an answer.
 *
 *             all resolved          answered
 *   RESOLVE ---------------> TRY -------------> HOLD
 *    ^  ^                    | ^ |               |
 *    |  |        no answer,  +-+ | the last      | lost,
 *    |  |        refused: next   | one           | silent
 *    |  +---- time ---- PAUSE <--+               |
 *    +-------------------------------------------+
 *
 * OVER: refused for good, or closed; nothing is tried any more.
 * WEB: the Web Service is in force instead, from any of the others
 * (transport.h).
 *
 * In TRY the other addresses are asked beside it (race.h); the first that
 * answers takes the place of the one in use. */
#ifndef LOOP_ATTEMPT_H
#define LOOP_ATTEMPT_H

#include "loop/resolve.h"
#include "loop/weburl.h"

enum loop_phase {
	LOOP_RESOLVE = 1,
	LOOP_TRY,
	LOOP_HOLD,
	LOOP_PAUSE,
	LOOP_WEB,
	LOOP_OVER,
};

struct loop_attempt {
	enum loop_phase phase;
	struct loop_resolve *resolve; /* only in RESOLVE */
	struct loop_addresses addresses;
	bool is_fresh; /* the domain was just asked: state.found is its word */
	/* What the domain says; it is believed once it led to the service. */
	struct loop_endpoint said[ZONE_TARGETS_MAX];
	size_t n_said; /* 0: nothing new */
	char webs[LOOP_WEBS_MAX][LOOP_WEB_TEXT];
	size_t n_webs;
	size_t at;                   /* the next to be tried */
	struct loop_address current; /* of the socket; len 0: none */
	struct loop_address good;    /* that held last; len 0: none */
	mpp_time deadline;
	mpp_time latest;      /* deadline is not moved beyond */
	uint32_t patience_ms; /* with one address */
	uint32_t hold_ms;     /* silence that is no loss yet */
	uint32_t pause_ms;    /* the last one's length */
	int refusal;          /* errno of the last address, or 0 */
};

/* Tell what happened; none of these waits. */
void loop_attempt_begin(mpp_loop *l, mpp_instant now);
void loop_attempt_heard(mpp_loop *l, mpp_instant now); /* a packet was good */
void loop_attempt_held(mpp_loop *l, mpp_instant now);  /* connected */
void loop_attempt_lost(mpp_loop *l, mpp_instant now);
/* This address answered first; fd is given. */
void loop_attempt_won(mpp_loop *l, int fd, const struct loop_address *address,
		      mpp_instant now);
void loop_attempt_refused(mpp_loop *l, int number, mpp_instant now);
void loop_attempt_wait(mpp_loop *l, uint32_t ms, mpp_instant now);
void loop_attempt_pause(mpp_loop *l, mpp_instant now);
void loop_attempt_over(mpp_loop *l);
/* No address is talked to; the socket stays. */
void loop_attempt_web(mpp_loop *l);

/* Go on where names were resolved or time has come.
 * @return whether anything was done */
bool loop_attempt_step(mpp_loop *l, mpp_instant now);

#endif
