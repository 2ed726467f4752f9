/* SPDX-License-Identifier: MIT */
/* sim.h - a simulated world: one service and many devices, made of the same
 * objects as the programs; only sockets, clocks, store and randomness differ.
 *
 *   sim.c      life: set up, run, calm down, judge
 *   net.c      links: delay, loss, copies, reordering, broken bits
 *   host.c     the service's host: commits, crashes, restarts
 *   device.c   a device's host: saved state, application, restarts, moves
 *   publish.c  who publishes what
 *   stranger.c replays, forged addresses, noise
 *   truth.c    what is durable, and what a device must therefore hold
 *   check.c    the invariants; the first broken one ends the run
 *
 * Everything depends on the seed alone. Time is virtual: it jumps to whatever
 * is due next. */
#ifndef MPPSIM_SIM_H
#define MPPSIM_SIM_H

#include <mpp/client.h>
#include <mpp/service.h>

#include "mppsim/params.h"
#include "mppsim/queue.h"
#include "mppsim/random.h"
#include "store/store.h"

#define SIM_EPOCH UINT64_C(1700000000000000) /* us, wall time at 0 */
#define SIM_NEVER UINT64_MAX
#define SIM_NO_SLOT UINT32_MAX

enum {
	SIM_STORES = 40,
	SIM_OUTBOX = 256,
	SIM_PUBLISHING = 64, /* at most on their way */
	SIM_RECORDED = 1024, /* datagrams kept by the replayer */
	SIM_ACCEPTED = 1 << 18,
	SIM_LATENCY = 64 * 16, /* buckets: 16 for each power of two */
	SIM_GUARD = 64,
	SIM_SHAPES = 8,
};

/* Faults planted in the world, to see that the invariants notice. */
enum plant {
	PLANT_NONE,
	PLANT_LOSE_COMMIT, /* the store says yes and keeps nothing */
	PLANT_DEAF,        /* a device hears nothing though its network is up */
	PLANT_AMPLIFY,     /* every answer goes out sixteen times */
	PLANT_OVERRUN,     /* a byte behind the service's memory changes */
};

/* Timers: a few for the world, three for each device, then the datagrams. */
enum timer {
	TIMER_SERVICE,
	TIMER_COMMIT,
	TIMER_CRASH, /* or, while it is down, the restart */
	TIMER_PUBLISH,
	TIMER_GARBAGE,
	TIMER_END,
	TIMERS,
};
enum device_timer {
	DEVICE_CLIENT,
	DEVICE_FAULT,
	DEVICE_CHECK,
	DEVICE_TIMERS,
};

struct datagram {
	uint32_t next; /* of the free ones */
	uint32_t device;
	bool to_service;
	bool foreign;   /* not sent by whom it seems: replayed or sent on */
	bool broken;    /* a bit was changed on the way */
	bool copy;      /* not the first of its kind on the way */
	bool handshake; /* a connection datagram, or the answer to one */
	uint16_t len;
	uint64_t origin; /* number of the sending; copies have the same */
	mpp_addr addr;   /* it comes from, or goes to */
	uint8_t data[MPP_PACKET_MAX];
};

/* A change of a store that is durable. */
struct change {
	uint64_t serial, index, at;
};

struct truth {
	struct change *c; /* rising serials */
	size_t n, cap;
	uint64_t next_index; /* given to publishers */
};

struct sim_account {
	char name[24];
	uint64_t serial;   /* newest durable one seen */
	uint64_t answered; /* newest that a publisher was told */
	uint32_t first, n; /* devices: first, first + accounts, ... */
	struct truth store[SIM_STORES];
};

/* One direction of a link. */
struct sim_burst {
	bool bad;
	uint64_t until;
};

struct sim_device {
	uint32_t number, account;
	mpp_client *client; /* NULL: switched off */
	mpp_client_config config;
	mpp_addr addr;
	uint16_t moves;
	bool up; /* its network */
	bool connected, ever;
	struct sim_burst burst[2]; /* from the service, to it */
	uint64_t delay, skew;
	uint64_t fault_at[3]; /* outage (or its end), move, restart */
	/* Durable: */
	uint64_t saved_ms;
	bool have_key;
	uint8_t key[MPP_DH_MAX];
	/* The application's: */
	int filter; /* the only store it asks for; -1: all */
	uint64_t held;
	uint64_t index[SIM_STORES];
	uint32_t asked; /* publish under way: number; 0: none */
	uint32_t asked_store;
	uint64_t asked_index;
	/* What it must come to hold: */
	uint64_t target;      /* serial; 0: nothing is missing */
	uint64_t since;       /* when it began to be missing */
	uint64_t reach;       /* it can be reached since then */
	bool gone;            /* is the service to notice that it is silent? */
	uint64_t taken;       /* its newest packet that the service took */
	mpp_addr answered_at; /* where its newest handshake was answered */
	uint8_t udf[MPP_UDF_LEN];
};

/* What the service sent to and got from an address since its start. */
struct account_of_bytes {
	mpp_addr addr; /* family 0: free */
	uint64_t in, out;
	bool authentic; /* a packet from there was taken */
	bool proved;    /* a handshake was answered there, and confirmed */
};

struct publishing {
	bool on;
	uint32_t account;
	uint32_t store;
	uint64_t index;
};

struct sim_counts {
	uint64_t datagrams, bytes, lost, duplicated, reordered, corrupted;
	uint64_t unreachable; /* no network, old address, service down */
	uint64_t replayed, hijacked, garbage;
	uint64_t published, refused, unknown, by_device;
	uint64_t heard; /* publications that applications took */
	uint64_t crashes, restarts, outages, moves;
	uint64_t connects, losts, refusals;
	uint64_t checked; /* deadlines of convergence that were looked at */
	uint64_t copies_tried; /* second and later copies of what was taken */
	uint64_t offline_checked;
	uint64_t commits, commit_failures;
};

enum phase { PHASE_SETUP, PHASE_RUN, PHASE_CALM, PHASE_DONE };

struct sim {
	struct params p;
	uint64_t seed;
	enum plant plant;
	FILE *trace; /* NULL: none */
	enum phase phase;
	uint64_t now;
	struct queue queue;
	struct rng net, fault, publisher, stranger;
	uint64_t digest; /* of everything that happened */
	uint64_t steps;
	unsigned spins; /* steps without time passing */
	bool failed;
	char why[256];
	bool setup_done;   /* the change of the set-up was answered, */
	mpp_err setup_err; /* with this */

	mpp_crypto service_crypto, device_crypto;
	mpp_service_config config;
	mpp_service_secrets secrets;
	struct store *store;
	mpp_service *service; /* NULL: down */
	uint8_t *memory;
	size_t memory_len;
	uint64_t up_since, started;
	mpp_datagram slots[SIM_OUTBOX];
	mpp_outbox out;
	uint64_t commit_id; /* 0: none at the store */
	uint8_t *batch;
	size_t batch_len;
	mpp_service_counters total; /* of the services that crashed */

	struct sim_device *d;
	struct sim_account *a;
	struct datagram *g;
	uint32_t g_n, g_cap, g_free;
	uint64_t origin;
	uint64_t *accepted; /* by origin: taken by its receiver */

	struct datagram *recorded;
	uint32_t n_recorded;
	struct account_of_bytes *bytes;
	uint32_t bytes_cap, bytes_n;
	struct publishing publishing[SIM_PUBLISHING];

	struct sim_counts n;
	uint64_t calm_at, took; /* until everybody had everything */
	uint64_t latency[SIM_LATENCY];
	uint64_t latency_n, latency_max;
	uint64_t missing_max; /* longest that one who could be reached lacked */
};

/* ---- sim.c ---- */
/* @param out given; sim_free() also after an error. Error: NOMEM, CRYPTO */
MPP_MUSTCHECK mpp_err sim_new(const struct params *p, uint64_t seed,
			      enum plant plant, FILE *trace, struct sim **out);
/* All of it. True: every invariant held. */
bool sim_run(struct sim *s);
void sim_free(struct sim *s);
/* Let happen what is due next. False: nothing is, or an invariant broke. */
bool sim_step(struct sim *s);

static inline uint32_t sim_timer(uint32_t device, enum device_timer t)
{
	return TIMERS + device * DEVICE_TIMERS + (uint32_t)t;
}
static inline mpp_instant sim_instant(const struct sim *s)
{
	return (mpp_instant){{s->now}, {s->now + SIM_EPOCH}};
}
void sim_trace(struct sim *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Into the digest: two runs of one seed must have the same. */
void sim_digest(struct sim *s, uint64_t value);

/* ---- net.c ---- */
mpp_addr net_device_addr(const struct sim_device *d);
/* Put a datagram on its way. */
void net_from_device(struct sim *s, struct sim_device *d, mpp_bytes data);
/* handshake: these are answers to a connection datagram. */
void net_from_service(struct sim *s, bool handshake);
/* A datagram to the service as if from `from`, later by `after`. */
void net_inject(struct sim *s, const struct datagram *g, const mpp_addr *from,
		uint64_t after);
/* Its time has come. */
void net_arrive(struct sim *s, uint32_t slot);

/* ---- host.c ---- */
void host_start(struct sim *s);
void host_crash(struct sim *s);
void host_receive(struct sim *s, struct datagram *g);
/* Take a commit, poll, send, look at results; after every call of the
 * service. */
void host_settle(struct sim *s);
void host_committed(struct sim *s);

/* ---- device.c ---- */
void device_init(struct sim *s, uint32_t number);
void device_start(struct sim *s, struct sim_device *d);
void device_receive(struct sim *s, struct sim_device *d, struct datagram *g);
/* Tick, take events, send; after every call of the client. */
void device_settle(struct sim *s, struct sim_device *d);
void device_fault(struct sim *s, struct sim_device *d);
void device_arm_faults(struct sim *s, struct sim_device *d);
void device_calm(struct sim *s, struct sim_device *d);
mpp_instant device_instant(const struct sim *s, const struct sim_device *d);

/* ---- publish.c ---- */
void publish_due(struct sim *s);
void publish_result(struct sim *s, const mpp_result *r);
/* The answer to what a device asked. */
void publish_answered(struct sim *s, struct sim_device *d, int status);
/* The service crashed: who waits will not be answered. */
void publish_crashed(struct sim *s);
void publish_store_name(uint32_t store, char name[16]);

/* ---- stranger.c ---- */
void stranger_garbage(struct sim *s);
/* A datagram to the service passes: record it, perhaps replay one. */
void stranger_sees(struct sim *s, const struct datagram *g);
mpp_addr stranger_addr(struct sim *s);

/* ---- truth.c ---- */
/* After a commit and after a restart: what became durable. */
void truth_scan(struct sim *s, uint32_t account);
void truth_scan_all(struct sim *s);
/* Index of a store with this serial; 0: none yet. */
uint64_t truth_index_at(const struct truth *t, uint64_t serial);
/* Serial of the newest change that this device asks for. */
uint64_t truth_newest_for(const struct sim *s, const struct sim_device *d);

/* ---- check.c ---- */
void sim_violation(struct sim *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The application of a device is told a publication. */
void check_event(struct sim *s, struct sim_device *d,
		 const mpp_client_event *ev);
/* A change became durable that this device asks for. */
void check_missing(struct sim *s, struct sim_device *d, uint64_t serial);
/* It can be reached again, from now on; or began to hold nothing. */
void check_reachable(struct sim *s, struct sim_device *d);
void check_forgot(struct sim *s, struct sim_device *d);
void check_due(struct sim *s, struct sim_device *d);
/* The network of a device went away. */
void check_gone(struct sim *s, struct sim_device *d);
/* A receiver said what it did with a datagram. */
void check_taken(struct sim *s, const struct datagram *g, mpp_err result);
void check_bytes_in(struct sim *s, const mpp_addr *from, size_t len,
		    bool authentic);
void check_bytes_out(struct sim *s, const mpp_addr *to, size_t len);
/* This datagram confirmed a connection: whoever sent it has read what was
 * sent to where the handshake came from, wherever it seems to come from. */
void check_confirmed(struct sim *s, const struct datagram *g);
void check_memory(struct sim *s);
/* Everything is over: does everybody hold everything? */
bool check_converged(struct sim *s);
void check_end(struct sim *s);

#endif
