/* SPDX-License-Identifier: MIT */
/* load.h - the devices: one real mpp_client each, all behind one socket. They
 * work in bursts of plan->window operations (link.h says why). */
#ifndef MPPBENCH_LOAD_H
#define MPPBENCH_LOAD_H

#include <mpp/client.h>

#include "mppbench/link.h"
#include "mppbench/plan.h"
#include "mppbench/wire.h"

enum { LATENCY_MAX_US = 200000 };

/* What the devices saw in an interval. */
struct seen {
	uint64_t done;         /* operations */
	uint64_t extra;        /* datagrams beyond one a operation */
	uint64_t refused;      /* datagrams that a client did not take */
	uint64_t again;        /* bursts that had to be repeated in part */
	uint64_t began, ended; /* us */
	struct wire_sizes sent, received;
	uint32_t latency[LATENCY_MAX_US + 1]; /* how many took so many us */
};

struct load {
	const struct plan *plan;
	struct link *link;
	mpp_crypto crypto;
	uint8_t service_key[MPP_DH_MAX];
	uint16_t port[2]; /* of the floor, of the service */
	uint8_t *memory;  /* of the clients */
	size_t each;
	uint64_t *burst_of; /* device -> the burst in which it was done */
	uint32_t *order;
	uint32_t at;                  /* in order: the first of this burst */
	uint64_t skew;                /* us that the devices' clock is ahead */
	uint64_t burst;               /* its number */
	uint32_t done;                /* devices of this burst */
	uint64_t asked;               /* when this burst began, us */
	uint32_t pending[WIRE_BATCH]; /* have something to acknowledge */
	uint32_t n_pending;
	enum work kind;
	struct wire wire;
	struct seen seen;
	void *asker; /* of load->responded */
	void (*responded)(struct load *l, uint32_t device,
			  const mpp_client_event *ev); /* NULL: nobody waits */
	mpp_err err; /* a device lost its connection; fault says which */
	struct fault fault;
};

/* Devices that are not connected yet. Errors: NOMEM, CRYPTO, IO. */
MPP_MUSTCHECK mpp_err load_open(struct load *l, const struct plan *plan,
				struct link *link, struct fault *f);
void load_close(struct load *l);

/* Enrol and subscribe all of them. Error: TIMEOUT, or what the service says. */
MPP_MUSTCHECK mpp_err load_connect(struct load *l, struct fault *f);

/* Work for so many seconds; l->seen says what came of it.
 * @param request_len  of the floor's datagrams; else unused
 * Errors: TIMEOUT (answers are missing), IO. */
MPP_MUSTCHECK mpp_err load_run(struct load *l, enum work kind, double seconds,
			       size_t request_len, struct fault *f);

#endif
