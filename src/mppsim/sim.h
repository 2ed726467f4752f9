/* SPDX-License-Identifier: MIT */
/* sim.h - a simulated world: one service and many devices, made of the same
 * objects as the programs; only sockets, clocks, store and randomness differ.
 *
 *   sim.c      life: set up, run, calm down, judge
 *   net.c      links: delay, loss, copies, reordering, broken bits
 *   nat.c      a NAT in front of each device
 *   keepalive.c  do devices find out how long it lasts?
 *   host.c     the service's host: commits, crashes, restarts
 *   device.c   a device's host: saved state, application
 *   fault.c    restarts, moves, outages, partitions, wrong clocks
 *   publish.c  who publishes what
 *   stranger.c replays, forged addresses, noise
 *   hostile.c  on the way: holds back, forges answers, takes a path over
 *   flood.c    first packets from many addresses
 *   thief.c    one who has stolen the service's key
 *   token.c    tokens: kept, used once, minted by another, revoked
 *   resolve.c  names that devices ask for, and their resolver
 *   truth.c    what is durable, and what a device must therefore hold
 *   check.c    the invariants; the first broken one ends the run
 *   forgery.c  of them, what replays, forgeries and first packets may not do
 *   address.c  and octets to addresses that are not proved
 *   linked.c   and whether two networks of a device can be joined
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
	SIM_STORES = 128,
	SIM_OUTBOX = 256,
	SIM_PUBLISHING = 64, /* at most on their way */
	SIM_RECORDED = 1024, /* datagrams kept by the replayer */
	SIM_ACCEPTED = 1 << 18,
	SIM_LATENCY = 64 * 16, /* buckets: 16 for each power of two */
	SIM_GUARD = 64,
	SIM_SHAPES = 8,
	SIM_UNPROVED = 4,   /* addresses on their way to be proved */
	SIM_OVERHEARD = 64, /* first packets that the flooder saw */
	SIM_USED = 8,       /* addresses that a device had lately */
	SIM_STEPS = 5,      /* lives of mappings, with nat-steps */
	SIM_SPENT = 64,     /* tokens that a device has used */
	SIM_TOKEN_KEYS = 2, /* the service's own, and a minter's */
	SIM_OP_REVOKE = 500,
};

/* Faults planted in the world, to see that the invariants notice. */
enum plant {
	PLANT_NONE,
	PLANT_LOSE_COMMIT, /* the store says yes and keeps nothing */
	PLANT_DEAF,        /* a device hears nothing though its network is up */
	PLANT_AMPLIFY,     /* every answer goes out sixteen times */
	PLANT_OVERRUN,     /* a byte behind the service's memory changes */
	PLANT_WALL,        /* the NAT of a device lets nothing in */
	PLANT_UNTOLD,      /* a client is not told of a move that is known */
};

/* Timers: a few for the world, three for each device, then the datagrams. */
enum timer {
	TIMER_SERVICE,
	TIMER_COMMIT,
	TIMER_CRASH, /* or, while it is down, the restart */
	TIMER_PUBLISH,
	TIMER_GARBAGE,
	TIMER_PARTITION, /* its begin or its end */
	TIMER_CLOCK,     /* the service's wall clock jumps */
	TIMER_FLOOD,
	TIMER_THIEF,
	TIMER_REVOKE,
	TIMER_RESOLVER,
	TIMER_END,
	TIMERS,
};
enum device_timer {
	DEVICE_CLIENT,
	DEVICE_FAULT,
	DEVICE_CHECK,
	DEVICE_RESOLVE,
	DEVICE_TIMERS,
};

/* Faults of a device, each with its time. */
enum fault {
	FAULT_OUTAGE, /* or its end */
	FAULT_MOVE,
	FAULT_RESTART,
	FAULT_REBIND,
	FAULT_ELSEWHERE, /* its socket talks to somebody else */
	FAULT_CLOCK,
	FAULT_DETOUR, /* its path is taken over, or given back */
	FAULTS,
};

/* Behaviours of a NAT, as in RFC 4787 but with the names that people use. */
enum nat_kind {
	NAT_NONE,
	NAT_FULL,      /* one mapping; anybody may answer */
	NAT_ADDRESS,   /* one mapping; hosts that were sent to */
	NAT_PORT,      /* one mapping; hosts and ports that were sent to */
	NAT_SYMMETRIC, /* a mapping for each of these */
	NAT_RANDOM,    /* one of the above for each network */
};

/* Ends outside of the NATs. */
enum remote {
	REMOTE_SERVICE,
	REMOTE_PORT,  /* another port of the service's host */
	REMOTE_OTHER, /* another host */
	REMOTES,
};

struct nat_map {
	uint16_t port;   /* outside */
	uint8_t outside; /* which of its addresses */
	uint8_t sent_to; /* bits: remotes */
	uint64_t until;
};

struct nat {
	enum nat_kind kind;
	uint64_t timeout;
	bool preserves; /* the port */
	bool incoming;  /* refresh a mapping too */
	uint8_t outside;
	uint16_t next; /* port */
	struct nat_map map[REMOTES];
};

struct datagram {
	uint32_t next; /* of the free ones */
	uint32_t device;
	bool to_service;
	bool foreign;       /* not sent by whom it seems: replayed or sent on */
	bool broken;        /* a bit was changed on the way */
	bool copy;          /* not the first of its kind on the way */
	bool handshake;     /* a connection datagram, or the answer to one */
	bool forged;        /* made by somebody on the way */
	enum remote remote; /* to a device: from where, for its NAT */
	uint16_t len;
	uint64_t sent;   /* when its true sender sent it */
	uint64_t origin; /* number of the sending; copies have the same */
	mpp_addr addr;   /* it comes from, or goes to */
	mpp_addr at;     /* to a device: where the service sent it */
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
	uint32_t network; /* moves that it knows of */
	struct {
		mpp_addr addr; /* as seen outside */
		uint32_t network;
	} used[SIM_USED]; /* newest first */
	struct nat nat;
	bool up;      /* its network */
	bool narrow;  /* it loses packets of more than 1200 octets */
	bool cut;     /* by a partition */
	bool detour;  /* somebody sends its packets on, from elsewhere */
	bool returns; /* he sends on what is answered there, too */
	bool connected, ever;
	struct sim_burst burst[2]; /* from the service, to it */
	uint64_t delay, skew;
	uint64_t fault_at[FAULTS];
	/* Durable: */
	uint64_t saved_ms, saved_before;
	bool have_key;
	uint8_t key[MPP_DH_MAX];
	uint8_t token[MPP_TOKEN_MAX], token_secret[MPP_TOKEN_SECRET_LEN];
	size_t token_len; /* 0: none */
	/* Hashes of those that it has used, and of the one in use. */
	uint64_t token_spent[SIM_SPENT], n_token_spent, token_now;
	/* The application's: */
	int filter; /* the only store it asks for; -1: all */
	uint64_t held;
	uint64_t index[SIM_STORES];
	uint64_t newest[SIM_STORES]; /* newest index it ever heard of */
	uint32_t asked;              /* publish under way: number; 0: none */
	uint32_t asked_store;
	uint64_t asked_index;
	/* What it must come to hold: */
	uint64_t target; /* serial; 0: nothing is missing */
	uint64_t since;  /* when it began to be missing */
	uint64_t lacks;  /* since when it did not hold everything */
	uint64_t reach;  /* it can be reached since then */
	bool gone;       /* is the service to notice that it is silent? */
	uint64_t taken;  /* its newest packet that the service took */
	uint8_t udf[MPP_UDF_LEN];
	uint64_t clock_max, stamps; /* newest own time, Timestamps used */
	uint8_t stream[16];         /* towards it, as seen on the way */
	struct {
		mpp_addr addr; /* something arrived here, */
		uint64_t at;   /* for the first time then */
	} unproved[SIM_UNPROVED];
	uint32_t n_unproved;
	uint64_t lost_at;       /* its connection; 0: not, or it is back */
	uint64_t spoke;         /* newest datagram of it */
	uint64_t settled_at;    /* it knows how long its NAT lasts; 0: not */
	uint64_t heard_settled; /* publications since then, */
	uint64_t lost; /* of them, those that came only when it spoke */
};

/* What devices behind NATs of one kind found out. */
struct sim_step {
	uint64_t devices, least_ms, most_ms, probes, restarted;
	uint64_t settled; /* the last one, at that time */
	uint64_t heard, lost;
};

/* What the service sent to and got from an address since its start. */
struct account_of_bytes {
	mpp_addr addr; /* family 0: free */
	uint64_t in, out;
	bool authentic; /* a packet from there was taken */
	bool proved;    /* what was sent there arrived, and its receiver
			   has sent since */
};

/* Made when they are first needed. */
struct flood;
struct thief;
struct names;
struct linked;

struct publishing {
	bool on;
	uint32_t account;
	uint32_t store;
	uint64_t index;
};

struct sim_counts {
	uint64_t datagrams, bytes, lost, duplicated, reordered, corrupted;
	uint64_t unreachable; /* no network, old address, service down */
	uint64_t replayed, hijacked, garbage, stun;
	uint64_t published, refused, unknown, by_device;
	uint64_t heard; /* publications that applications took */
	uint64_t crashes, restarts, outages, moves, moves_known;
	uint64_t connects, losts, refusals;
	uint64_t checked; /* deadlines of convergence that were looked at */
	uint64_t copies_tried; /* second and later copies of what was taken */
	uint64_t offline_checked;
	uint64_t commits, commit_failures;
	uint64_t mappings, rebinds, filtered, unmapped; /* NATs */
	uint64_t partitions, clock_steps, power_losses;
	uint64_t withheld, forged, detours, returned, flooded, thefts;
	uint64_t forged_read; /* by a device, as an answer to something */
	uint64_t handshakes_checked; /* that nothing took effect yet */
	uint64_t minted, revocations;
	uint64_t asked, resolved, unresolved; /* names */
	uint64_t tickets_sent, dead_tried;    /* with a token; a revoked one */
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
	struct rng net, fault, publisher, stranger, nat, hostile, clock, token;
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
	mpp_token_key minter;
	uint64_t revoking_ms[SIM_TOKEN_KEYS]; /* 0: not now */
	uint64_t dead_ms[SIM_TOKEN_KEYS];     /* tokens issued until then */
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
	struct linked *linked;
	struct flood *flood;
	struct thief *thief;
	struct names *names;
	bool partition;
	uint64_t skew; /* of the service's wall clock */
	uint8_t service_key[MPP_DH_MAX];
	void (*progress)(const struct sim *s); /* NULL: none */
	struct publishing publishing[SIM_PUBLISHING];

	struct sim_counts n;
	uint64_t back_second, back_n; /* devices that came back in it */
	uint64_t back_peak, back_max; /* most in a second; longest wait */
	uint64_t calm_at, took;       /* until everybody had everything */
	uint64_t latency[SIM_LATENCY];
	uint64_t latency_n, latency_max;
	uint64_t whole[SIM_LATENCY]; /* until a device held everything */
	uint64_t whole_n;
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
	return (mpp_instant){{s->now}, {s->now + SIM_EPOCH + s->skew}};
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
/* A datagram to its device, `after` from now. */
void net_forge(struct sim *s, const struct datagram *g, uint64_t after);
/* Its time has come. */
void net_arrive(struct sim *s, uint32_t slot);
static inline bool net_up(const struct sim_device *d)
{
	return d->up && !d->cut;
}

/* ---- nat.c ---- */
/* Another network, and so another NAT. */
void nat_new(struct sim *s, struct sim_device *d);
/* The device sends: where it comes from, as seen outside. */
mpp_addr nat_out(struct sim *s, struct sim_device *d, enum remote to);
/* Something comes to an outside address: does it pass? */
bool nat_in(struct sim *s, struct sim_device *d, const mpp_addr *to,
	    enum remote from);
/* Every mapping is lost. */
void nat_rebind(struct sim *s, struct sim_device *d);
/* The outside address that was used last; a device without NAT has one. */
mpp_addr nat_seen(const struct sim_device *d);

/* ---- keepalive.c ---- */
/* How long its mappings live, with nat-steps. */
uint64_t keepalive_life(const struct sim_device *d);
unsigned keepalive_step(const struct sim_device *d);
/* After every call of the client. */
void keepalive_look(struct sim *s, struct sim_device *d);
/* It hears for the first time of what is durable since `at`. */
void keepalive_heard(struct sim *s, struct sim_device *d, uint64_t at);
/* At the end. */
void keepalive_check(struct sim *s, const struct sim_device *d);
/* to: SIM_STEPS of them. */
void keepalive_add(struct sim_step *to, const struct sim *s);
void keepalive_print(const struct sim_step *steps, FILE *to);
void keepalive_json(const struct sim_step *steps, FILE *to);

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
void device_stop(struct sim_device *d);
mpp_instant device_instant(const struct sim *s, const struct sim_device *d);

/* ---- fault.c ---- */
void fault_due(struct sim *s, struct sim_device *d);
void fault_arm(struct sim *s, struct sim_device *d);
void fault_calm(struct sim *s, struct sim_device *d);
/* The same for the world: partitions and the service's clock. */
void fault_arm_world(struct sim *s);
void fault_partition(struct sim *s);
void fault_service_clock(struct sim *s);

/* ---- publish.c ---- */
void publish_due(struct sim *s);
/* Once to every account. */
void publish_all(struct sim *s);
void publish_result(struct sim *s, const mpp_result *r);
/* The answer to what a device asked. */
void publish_answered(struct sim *s, struct sim_device *d, int status);
/* The service crashed: who waits will not be answered. */
void publish_crashed(struct sim *s);
void publish_store_name(uint32_t store, char name[16]);
/* The digest that a store has with this index. */
mpp_bytes publish_digest(const struct sim *s, uint32_t store, uint64_t index,
			 uint8_t room[MPP_DIGEST_MAX]);

/* ---- stranger.c ---- */
void stranger_garbage(struct sim *s);
/* A datagram to the service passes: record it, perhaps replay one. */
void stranger_sees(struct sim *s, const struct datagram *g);
mpp_addr stranger_addr(struct sim *s);

/* ---- hostile.c ---- */
/* A datagram of a device passes him. True: it does not go on. */
bool hostile_sees(struct sim *s, struct sim_device *d, struct datagram *g);
/* A packet to a device passes him: he may send a changed copy, too. */
void hostile_copies(struct sim *s, const struct sim_device *d,
		    const struct datagram *g);
/* His address for a device, and the device that has it. NULL: none. */
mpp_addr hostile_addr(const struct sim_device *d);
struct sim_device *hostile_returns(struct sim *s, const mpp_addr *a);

/* ---- flood.c ---- */
void flood_due(struct sim *s);
/* A first packet passes the flooder. */
void flood_overhears(struct sim *s, const struct datagram *g);
void flood_free(struct sim *s);

/* ---- thief.c ---- */
void thief_due(struct sim *s);
void thief_free(struct sim *s);

/* ---- token.c ---- */
void token_init(struct sim *s);
/* The service starts. */
MPP_MUSTCHECK mpp_err token_start(struct sim *s);
void token_saved(struct sim_device *d, const mpp_client_event *ev);
/* The device starts again; its minter may give it a token. */
void token_restart(struct sim *s, struct sim_device *d);
/* A device sends this. */
void token_sent(struct sim *s, struct sim_device *d, mpp_bytes data);
void token_revoke_due(struct sim *s);
/* True: it was the answer to a revocation. */
bool token_result(struct sim *s, const mpp_result *r);
void token_crashed(struct sim *s);
/* Around a datagram to the service: a revoked token lets nobody in. */
struct token_before {
	bool dead;
	uint64_t tickets;
};
struct token_before token_before(const struct sim *s, const struct datagram *g);
void token_after(struct sim *s, const struct datagram *g,
		 const struct token_before *b);

/* ---- resolve.c ---- */
void resolve_free(struct sim *s);
/* A device asks for a name from time to time. */
void resolve_arm(struct sim *s, const struct sim_device *d);
void resolve_ask(struct sim *s, struct sim_device *d);
void resolve_forget(struct sim *s, const struct sim_device *d);
/* False: the answer is to something else. */
bool resolve_answered(struct sim *s, struct sim_device *d,
		      const mpp_client_event *ev);
/* Nothing that it asked goes on for ever. */
void resolve_check(struct sim *s, const struct sim_device *d);
/* The resolver: take questions, answer those that are due. */
void resolve_settle(struct sim *s);
void resolve_due(struct sim *s);
void resolve_crashed(struct sim *s);

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
/* The service's connection of a device. False: it has none. */
bool check_connection(const struct sim *s, const struct sim_device *d,
		      mpp_connection_info *out);
void check_memory(struct sim *s);
/* Everything is over: does everybody hold everything? */
bool check_converged(struct sim *s);
void check_end(struct sim *s);

/* ---- forgery.c ---- */
/* A receiver said what it did with a datagram. */
void check_taken(struct sim *s, const struct datagram *g, mpp_err result);
/* A device saves a Timestamp. */
void check_saved(struct sim *s, struct sim_device *d,
		 const mpp_client_event *ev);
/* A forged datagram had this consequence. */
void check_forged(struct sim *s, const struct sim_device *d,
		  const mpp_client_event *ev);
/* What the service says of a device's connection, around a first packet. */
struct before {
	bool any;
	mpp_connection_info c;
};
struct before check_before(const struct sim *s, const struct datagram *g);
void check_nothing_happened(struct sim *s, const struct datagram *g,
			    const struct before *before);

/* ---- linked.c ---- */
MPP_MUSTCHECK mpp_err check_linked_init(struct sim *s);
void check_linked_free(struct sim *s);
/* A device sends, as seen outside of its NAT; the service sends. */
void check_sent(struct sim *s, struct sim_device *d, const struct datagram *g);
void check_answered(struct sim *s, const mpp_datagram *m);

/* ---- address.c ---- */
void check_bytes_in(struct sim *s, const mpp_addr *from, size_t len,
		    bool authentic);
void check_bytes_out(struct sim *s, const mpp_addr *to, size_t len);
/* What the service says by STUN answers this datagram, and is hardly longer. */
void check_stun(struct sim *s, const struct datagram *g);
/* The service began anew, and knows nobody. */
void check_bytes_forget(struct sim *s);
/* Something from the service reached a device at this address. */
void check_delivered(struct sim *s, struct sim_device *d, const mpp_addr *at);
/* The service took what a device had sent at that time. */
void check_proved_by(struct sim *s, struct sim_device *d, uint64_t sent);

#endif
