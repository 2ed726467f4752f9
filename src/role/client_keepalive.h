/* SPDX-License-Identifier: MIT */
/* client_keepalive.h - how long a device may be silent before the path to it
 * dies (docs/protocol.md section 8).
 *
 *             heartbeat with Probe          acknowledged
 *      REST ------------------------> ASKED ------------> SILENT
 *       ^ ^    answered at once, or     |                  | | |
 *       | |    something else was sent  |   something else | | | no answer
 *       | +-----------------------------+   was sent       | | v
 *       +--------------------------------------------------+ | MISSED
 *       ^                 answered so late: proved           |   |
 *       +----------------------------------------------------+   |
 *       +------ the next request is answered: the path was dead -+
 *
 * The interval between heartbeats is the longest silence that was proved. It
 * rises by an answer that came so late and by nothing else: most NATs give a
 * lost mapping the same port again, so nothing else shows that one dies.
 *
 * Call keepalive_tick() when keepalive_deadline() has come. */
#ifndef ROLE_CLIENT_KEEPALIVE_H
#define ROLE_CLIENT_KEEPALIVE_H

#include <mpp/base.h>

enum {
	/* Just below 15 s, the shortest life of a mapping that is common. */
	KEEPALIVE_START_MS = 14000,
};

enum keepalive_state {
	KEEPALIVE_REST = 1,
	KEEPALIVE_ASKED,
	KEEPALIVE_SILENT,
	KEEPALIVE_MISSED,
};

struct keepalive {
	enum keepalive_state state;
	uint32_t fixed_ms;      /* what the user says; 0: it is searched for */
	uint32_t limit_ms;      /* what the lease allows; 0: there is none */
	uint32_t low_ms;        /* the path has lasted this silence */
	uint32_t high_ms;       /* and did not last this one; 0: none known */
	uint32_t remembered_ms; /* once proved on this network; 0: none */
	uint32_t probe_ms;      /* under way, unless REST */
	uint32_t serial;        /* of its request */
	bool broken;            /* ASKED: something else was sent since */
	mpp_time asked;         /* its newest datagram was sent */
	mpp_time late;          /* SILENT: no answer comes any more */
	mpp_time rest;          /* settled: no probe before */
	uint32_t answered;      /* how often that proved something, */
	uint32_t missed;        /* or the path was dead, */
	uint32_t restarted;     /* or something else was sent meanwhile */
};

/* fixed_ms: what the user says; 0: search. */
void keepalive_init(struct keepalive *k, uint32_t fixed_ms);

/* Another network; low_ms and high_ms are what was learnt there; 0: nothing. */
void keepalive_network(struct keepalive *k, uint32_t low_ms, uint32_t high_ms);

/* The connection is lost or given up: a probe on it tells nothing. */
void keepalive_stop(struct keepalive *k);
/* A connection is there, with this lease; 0: it has none. */
void keepalive_connected(struct keepalive *k, uint32_t lease_ms);

/* The device speaks after so much silence. */
uint32_t keepalive_interval_ms(const struct keepalive *k);

/* Is nothing left to find out? */
bool keepalive_settled(const struct keepalive *k);

/* The Probe of a heartbeat that is sent now; 0: none. */
uint32_t keepalive_probe(const struct keepalive *k, mpp_time now);

/* Call after a heartbeat with a Probe was sent, each time. */
void keepalive_asked(struct keepalive *k, uint32_t probe_ms, uint32_t serial,
		     mpp_time now);
/* Call after anything else was sent. */
void keepalive_spoke(struct keepalive *k);

/* The service has the probe; its answer is at most grace_us later than due. */
void keepalive_waits(struct keepalive *k, uint64_t grace_us);

/* An answer with this request serial came. True: it was that of a probe. */
bool keepalive_answered(struct keepalive *k, uint64_t serial, mpp_time now);

/* Another request was answered: the service is there. */
void keepalive_alive(struct keepalive *k, mpp_time now);

/* PathLost: after this silence a publication had no answer. */
void keepalive_path_lost(struct keepalive *k, uint64_t ms);

/* When the device has to speak, if it spoke last at `spoke`. */
mpp_time keepalive_deadline(const struct keepalive *k, mpp_time spoke);
void keepalive_tick(struct keepalive *k, mpp_time now);

#endif
