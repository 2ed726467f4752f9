/* SPDX-License-Identifier: MIT */
/* link.h - between the load (parent) and the server (child), beside the UDP
 * that is measured: orders and reports, and the bell.
 *
 * Load and server take turns: the load sends a burst and rings, the server
 * takes the whole burst in one turn and says that it is done. So every batch
 * is as large as the burst, with floor and scenario alike, however fast the
 * load is; and nobody sleeps, because to be woken can cost more than a whole
 * burst. A server at its limit has full batches and does not sleep either. */
#ifndef MPPBENCH_LINK_H
#define MPPBENCH_LINK_H

#include <stdatomic.h>
#include <sys/types.h>

#include <mpp/service.h>

#include "host/fault.h"
#include "host/udp.h"

/* What a turn of the server does. */
enum work {
	WORK_FLOOR = 1, /* echo */
	WORK_CONNECT,   /* the service, not measured */
	WORK_HEARTBEAT,
	WORK_PUBLISH, /* the service, and then publish */
	WORK_STUN,
	WORK_DNS, /* the service and its resolver, which sleep and are woken */
};

enum order {
	ORDER_REPORT = 1, /* only say how things are */
	ORDER_BEGIN,      /* an interval of `work` */
	ORDER_STOP,
};

struct command {
	enum order order;
	enum work work;
	uint16_t answer_len; /* of the echo */
};

struct report {
	bool failed; /* fault says why */
	struct fault fault;
	uint16_t port[2]; /* of the floor, of the service */
	uint64_t cpu_ns;  /* of the server process, in its turns */
	uint64_t rss;     /* octets that accounts and devices made it grow */
	uint64_t batches; /* calls of recvmmsg() that brought something */
	struct udp_counters floor, udp;
	mpp_service_counters count;
};

/* One page that both see. */
struct shared {
	_Atomic uint64_t rung;      /* turns that the load asked for */
	_Atomic uint64_t turns;     /* of these, finished by the server */
	_Atomic uint64_t published; /* us, CLOCK_BOOTTIME: the newest */
	_Atomic uint64_t done;      /* counter of acknowledgements */
	_Atomic bool last;          /* receive, but publish no more */
};

struct link {
	struct shared *shared;
	int orders; /* this process's end of a socket pair */
	int other;  /* the other end, until the fork */
	pid_t server;
};

MPP_MUSTCHECK mpp_err link_open(struct link *l, struct fault *f);
/* Child: the parent's end is not wanted here. */
void link_keep_child(struct link *l);
void link_keep_parent(struct link *l, pid_t server);

/* Parent: give an order and wait for the report. Errors: IO (the server does
 * not answer), or what the server met. */
MPP_MUSTCHECK mpp_err link_ask(struct link *l, const struct command *c,
			       struct report *r, struct fault *f);
/* Parent: let the server have a turn and wait for its end. Error: TIMEOUT. */
MPP_MUSTCHECK mpp_err link_turn(struct link *l, struct fault *f);

/* Parent: end the server, whatever state it is in. */
void link_close(struct link *l);

#endif
