/* SPDX-License-Identifier: MIT */
/* carrier_inside.h - shared by the files of the carrier:
 *
 *   carrier.c          listeners, connections, time
 *   carrier_request.c  a request from its head to its response
 *   carrier_head.c     what stands in heads */
#ifndef WEB_CARRIER_INSIDE_H
#define WEB_CARRIER_INSIDE_H

#include <microhttpd.h>

#include "web/carrier.h"

#define NOBODY UINT32_MAX

enum { CARRIER_BUCKETS = 1024 };

enum caller_state {
	CALLER_IDLE = 0, /* no request */
	CALLER_READING,
	CALLER_WAITING, /* the connection sleeps */
	CALLER_ANSWERED,
};

/* A connection and the request on it, of which there is one at a time. Its
 * place in the table is the service's name for a request that waits. */
struct caller {
	struct carrier *carrier;
	struct MHD_Connection *connection; /* NULL: a free place */
	int fd;
	uint32_t next;  /* in its bucket, or among the free places */
	mpp_addr from;  /* TCP's */
	bool known;     /* a packet of it was authentic */
	mpp_time since; /* its newest request was over, or it began */
	enum caller_state state;
	bool half; /* its peer says no more, since then: */
	mpp_time half_at;
	bool cut; /* shut down already */

	uint8_t *body; /* NULL until some of it came */
	size_t cap, len;
	unsigned status;
	uint8_t *answer; /* NULL: none */
	size_t answer_len;
};

struct carrier {
	struct carrier_config config;
	struct MHD_Daemon *daemons[CARRIER_LISTEN_MAX];
	size_t n;
	int epoll; /* of all below */
	int left;  /* epoll of all connections: their peers' leaving */
	mpp_instant now;
	mpp_time swept;
	bool draining;
	struct caller *callers; /* config.connections of them */
	uint32_t open, free;    /* how many are taken; the first free one */
	uint32_t seed;
	uint32_t bucket[CARRIER_BUCKETS]; /* by address */
	size_t busy;                      /* that have a request */
	struct carrier_counters count;
	uint8_t room[MPP_WEB_ANSWER_MAX];
};

/* ---- carrier.c ---- */
bool carrier_trusts(const struct carrier *c, const mpp_addr *a);

/* ---- carrier_request.c ---- */
/* What libmicrohttpd calls for a request, and when it is over. */
enum MHD_Result carrier_handle(void *cls, struct MHD_Connection *connection,
			       const char *url, const char *method,
			       const char *version, const char *data,
			       size_t *len, void **slot);
void carrier_completed(void *cls, struct MHD_Connection *connection,
		       void **slot, enum MHD_RequestTerminationCode how);
/* Answer the sleeping request with this packet; empty: it is gone. */
void carrier_wake(struct caller *q, mpp_bytes packet);
/* Its peer has left. */
void carrier_leave(struct caller *q);
/* Answer it with a status alone. */
void carrier_wake_status(struct caller *q, unsigned status);
/* Forget what belongs to the request. */
void caller_reset(struct caller *q);

#endif
