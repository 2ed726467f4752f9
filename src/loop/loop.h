/* SPDX-License-Identifier: MIT */
/* loop.h - what the files of the loop share: the loop itself. */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <mpp/loop.h>

#include "loop/attempt.h"
#include "loop/network.h"
#include "loop/race.h"
#include "loop/state.h"
#include "loop/transport.h"
#include "loop/web.h"

struct mpp_loop {
	char *dir;
	struct loop_state state;
	mpp_crypto crypto;
	void *memory; /* the client's */
	mpp_client *client;
	int epoll; /* holds the other two, what resolves names, the network */
	int timer;
	int socket; /* -1: none, then the client sleeps */
	int hold;   /* the subscription's lock, or -1 */
	mpp_client_mode mode;
	bool saves_key; /* write the service's key as soon as known */
	bool closing;   /* by us */
	int timeout_ms;
	uint32_t keepalive_ms;
	mpp_time give_up;
	mpp_time ticked; /* when the client was last ticked */
	struct loop_attempt attempt;
	struct loop_race race;
	struct loop_network network;
	struct loop_web web;
	struct loop_transport transport;
	mpp_err failed; /* sticky */
	mpp_loop_error error;
};

/* A loop without state, client or socket. Errors: NOMEM, CRYPTO, IO. */
MPP_MUSTCHECK mpp_err loop_new(const char *dir, mpp_loop **out,
			       mpp_loop_error *e);

/* Make the client from l->state and begin to connect. Errors: INVALID, NOMEM,
 * CRYPTO; l->error says why. */
MPP_MUSTCHECK mpp_err loop_start(mpp_loop *l, const mpp_loop_config *config);

/* Put another socket in place of the one in use; -1: none. */
void loop_use_socket(mpp_loop *l, int fd);

/* Is it to come back by itself, for as long as the application wants? */
bool loop_stays(const mpp_loop *l);

/* Watch a descriptor for reading, or no more. */
mpp_err loop_watch(mpp_loop *l, int fd);
void loop_unwatch(mpp_loop *l, int fd);

#endif
