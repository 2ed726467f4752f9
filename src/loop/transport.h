/* SPDX-License-Identifier: MIT */
/* transport.h - following the client to the Web Service and back.
 *
 * While the Web Service is in force (LOOP_WEB) there is a socket for the
 * packets by which the client finds out if UDP is back: now for this address,
 * now for that. */
#ifndef LOOP_TRANSPORT_H
#define LOOP_TRANSPORT_H

#include <mpp/loop.h>

struct loop_resolve;

struct loop_transport {
	mpp_time stuck; /* no socket since then; 0: there is one */
	mpp_time turn;  /* the next address's */
	size_t place;   /* of it */
	struct loop_resolve *resolve; /* no address is known; NULL: not asked */
};

/* @return whether anything was done */
bool loop_transport_step(mpp_loop *l, mpp_instant now);

/* When it is to be called, or MPP_TIME_NEVER. */
mpp_time loop_transport_due(const mpp_loop *l);

/* It has connected, over what is in force. */
void loop_transport_connected(mpp_loop *l, mpp_instant now);

void loop_transport_close(mpp_loop *l);

#endif
