/* SPDX-License-Identifier: MIT */
/* asker.h - the devices ask for names: plan->window questions are always on
 * their way, each of another device, and who got an answer is followed by the
 * next. With the service they are sealed requests of the real clients, with
 * another resolver plain DNS by UDP from the same addresses. */
#ifndef MPPBENCH_ASKER_H
#define MPPBENCH_ASKER_H

#include "mppbench/load.h"

struct asked {
	uint64_t at; /* us */
	uint32_t name;
	uint32_t request; /* of the client */
	uint16_t id;
	bool waits;
};

struct asker {
	struct load *load;
	struct asked *of; /* of each device */
	uint32_t in_flight, at, name;
	uint16_t id;
	bool plain;      /* not the service is asked */
	uint64_t looked; /* for what is to be repeated, us */
	uint64_t heard;  /* the newest answer, us */
};

/* @param load  connected. Error: NOMEM. */
MPP_MUSTCHECK mpp_err asker_open(struct asker *a, struct load *load,
				 struct fault *f);
void asker_close(struct asker *a);

/* Ask for so many seconds, and for each name at least once; then wait for the
 * last answers. load->seen says what came of it.
 * @param port   of the other resolver; 0: the service
 * Errors: TIMEOUT, there are no answers; SYNTAX, one was wrong; IO. */
MPP_MUSTCHECK mpp_err asker_run(struct asker *a, uint16_t port, double seconds,
				struct fault *f);

#endif
