/* SPDX-License-Identifier: MIT */
/* ask.h - one question to the service, and its answer. */
#ifndef MPP_ASK_H
#define MPP_ASK_H

#include <mpp/loop.h>

#include "mpp/options.h"

struct ask {
	const struct options *o;
	mpp_loop *loop;
	int turn; /* other programs of this device wait; -1: they need not */
	uint32_t request; /* whose answer is waited for; 0: of the connection */
	bool connected;
	mpp_time since; /* when it was */
};

/* Wait for the turn of this program, as long as for the service, until *fd is
 * closed; what else is wrong with the directory is left to who opens it, and
 * *fd is -1. @return 0, or an exit code having complained */
int ask_turn(const struct options *o, int *fd);

/* Begin to connect. @return 0, or an exit code having complained */
int ask_open(struct ask *a, const struct options *o, mpp_client_mode mode);

/* Wait until it is connected: before any request.
 * @return 0, or an exit code having complained */
int ask_connect(struct ask *a);

/* Wait for the answer; ev is good until ask_close().
 * @return 0, or an exit code having complained: also where it says no, with
 * @p forbidden where that is because this device may not */
int ask_wait(struct ask *a, const char *forbidden, mpp_client_event *ev);

void ask_close(struct ask *a);

#endif
