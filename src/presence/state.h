/* SPDX-License-Identifier: MIT */
/* state.h - what the presence service knows, in index-based memory without
 * pointers between records: accounts with their status vectors, devices with
 * their instances, bindings (connected instances), half-open connections,
 * datagrams of several packets on their way.
 *
 *   account -> devices (list) -> instances (4) -> binding
 *           -> stores (list, oldest change first)
 *           -> pending changes (list, oldest first): not durable yet
 *
 * Contents of a status vector are sent only from `stores`, which holds what
 * is durable. */
#ifndef PRESENCE_STATE_H
#define PRESENCE_STATE_H

#include <assert.h>

#include <mpp/rud.h>
#include <mpp/token.h>

#include "base/heap.h"
#include "base/pool.h"
#include "rud/datagram.h"
#include "rud/rtt.h"

#define NONE POOL_NONE

enum {
	INSTANCES = 4, /* per device */
	STORE_NUMBERS = 128,
	TOKEN_KEYS = 16,         /* number 0 is the service's own */
	HASH_LOAD = 2,           /* buckets per record, at least 1 */
	RESOLVE_QUERY_MAX = 512, /* octets of a DnsRequest */
};

/* An account's store, or a change of one that waits for the disk. */
struct entry {
	uint32_t link; /* pool */
	uint32_t prev, next;
	uint64_t serial; /* of its last change; 0: only asked for so far */
	uint64_t index;
	uint64_t batch; /* pending: the commit it waits for */
	uint8_t number; /* 0..127 within the account: the filter's bit */
	uint8_t name_len;
	uint8_t digest_len;
	uint8_t name[MPP_STORE_MAX];
	uint8_t digest[MPP_DIGEST_MAX];
};

struct entry_list {
	uint32_t head, tail;
};

/* A removed account, some records of which are still on disk. */
#define ACCOUNT_GONE UINT64_MAX

struct account {
	uint32_t link;
	uint32_t hash_next;
	uint64_t serial;   /* newest that is durable */
	uint64_t assigned; /* newest given out, or named by a device */
	uint32_t devices;  /* list by device.next */
	uint32_t n_devices;
	uint32_t enrolling; /* devices on their way to the disk */
	uint16_t n_stores;  /* durable or only asked for */
	bool leaving;       /* deletions of it are on their way to the disk */
	uint8_t held;       /* Status requests that wait by HTTP */
	struct entry_list stores;
	struct entry_list pending;
	uint64_t batch;      /* not 0: waits for this commit to exist, or
			   ACCOUNT_GONE */
	uint64_t revoked_ms; /* tokens issued until then are dead */
	uint64_t enrol_ms;   /* and until then they enrol nobody: a device was
			   removed */
	uint32_t half_open;  /* list of those that enrol with a token */
	uint8_t name_len;
	uint8_t name[MPP_ACCOUNT_MAX];
};

struct instance {
	uint8_t id[MPP_INSTANCE_LEN];
	uint64_t timestamp; /* newest confirmed; 0: free slot */
	uint32_t binding;
	uint32_t used; /* rises with each confirmation: oldest goes */
	/* Not durable, low bits of monotonic ms: */
	uint32_t confirms_ms;    /* bucket of its connections */
	uint32_t replaced_ms[2]; /* the last two from another address */
	uint8_t replaced;        /* of these two */
	uint8_t penalty;         /* how often it had to wait for them */
};

struct device {
	uint32_t link;
	uint32_t hash_next;
	uint32_t next; /* in its account */
	uint32_t account;
	uint32_t half_open; /* list by half_open.next */
	uint8_t suite;
	uint8_t rights;
	uint8_t alarms;       /* bits of mpp_alarm_kind */
	uint32_t opened_ms;   /* bucket of unconfirmed handshakes, */
	uint32_t requests_ms; /* and of requests, */
	uint32_t resolves_ms; /* and of names to be resolved */
	uint8_t key[MPP_DH_MAX];
	uint64_t udf_head;   /* first digits of its UDF; 0: not computed */
	uint64_t revoked_ms; /* tokens issued until then are dead */
	struct instance instances[INSTANCES];
};

struct invitation {
	uint32_t link;
	uint32_t hash_next;
	uint32_t account;
	uint32_t half_open; /* list of those that enrol with it */
	uint64_t expires;   /* wall, us */
	uint64_t batch;     /* not 0: waits for this commit to exist */
	uint8_t rights;
	uint8_t used_suite; /* not 0: used by used_key */
	uint8_t used_key[MPP_DH_MAX];
	uint8_t hash[32];
};

/* Names are for logs and the status. Zero is no state. */
enum binding_state {
	BINDING_FREE = 0,
	BINDING_INITIAL, /* unconfirmed: has a half_open record */
	BINDING_CONNECTED,
	BINDING_OVERDUE1, /* lease over, probe sent */
	BINDING_OVERDUE2, /* W later, probe sent */
	BINDING_OVERDUE3, /* 2 W later, last probe sent */
	BINDING_CLOSED,   /* offline to others; an authentic packet revives */
	BINDING_STATES,
};

enum binding_flag {
	BIND_SUBSCRIBED = 1,
	BIND_DUE = 2,          /* something newer than acked may be there */
	BIND_IN_FLIGHT = 4,    /* a publication waits for acknowledgement */
	BIND_HEADER_ACKED = 8, /* its datagram arrived, its serial did not */
	BIND_REPLACED = 16,    /* a second one went out within this PTO */
	BIND_JSON = 32,        /* publications as JSON text */
	BIND_ENDING = 64,      /* its device is gone: say Close, then free */
	BIND_REFILL = 128,     /* it named an identifier: it gets fresh ones */
};

/* binding.token; the number of the token's key is above */
enum token_flag {
	TOKEN_TICKETED = 1, /* came by a token */
	TOKEN_DUE = 2,      /* is to get one */
	TOKEN_SENT = 4,     /* the newest publication carries one */
	TOKEN_REVOKED = 8,  /* with BIND_ENDING: that is why */
	TOKEN_KEY_SHIFT = 4,
};

static_assert(TOKEN_KEYS << TOKEN_KEY_SHIFT <= UINT8_MAX + 1,
	      "the number of a token key fits");

/* binding.packets: how large those of a datagram of several may be. */
enum packet_size {
	PACKETS_SMALL = 0, /* 1200 octets: the device reads no larger ones */
	PACKETS_ASK,       /* it reads 1452; whether they arrive is not known */
	PACKETS_ASKED,     /* one went to see, or larger ones did not arrive */
	PACKETS_LARGE,     /* 1452: one has arrived on this path */
};

/* A connected instance: everything that is there all the time. */
struct binding {
	uint32_t side; /* pool link; INITIAL: its half_open record, else its
			  trial or NONE */
	uint32_t generation;
	struct rud_keys rx, tx;
	uint8_t client_id[16]; /* stream id towards the client */
	mpp_addr path;         /* where publications go */
	uint32_t device;       /* NONE while it enrols */
	uint64_t tx_next;      /* next datagram index */
	uint64_t rx_top;
	uint64_t rx_bits[2];
	uint64_t acked;     /* publication serial that the device holds */
	uint64_t filter[2]; /* by store number; all ones: also later ones */
	struct rtt_pair rtt;
	uint32_t probe;      /* record of a probe that waits, or NONE */
	uint32_t sent_us;    /* low bits: when the newest publication went */
	uint32_t sent_index; /* low bits of its datagram index */
	uint32_t seen_ms;    /* last authentic packet */
	uint32_t lease_ms;
	uint32_t request; /* highest request serial */
	uint8_t state;
	uint8_t flags;
	uint8_t tries;        /* repetitions of the publication in flight */
	uint8_t instance : 2; /* of the device */
	uint8_t packets : 2;  /* enum packet_size */
	uint8_t quantum_log;  /* 2^this: padding asked for; 0: default */
	uint8_t made;         /* when its keys were, see service_hour() */
	uint8_t rights;       /* what its token allows; all ones without */
	uint8_t token;
	uint32_t proven_s; /* wall: when the device key was last proved */
	uint32_t snapshot; /* datagram of several packets under way, or NONE */
};

static_assert(sizeof(struct binding) <= 256,
	      "a connected device costs at most 256 bytes");

/* Beside a binding until its first data packet: what the first message asked,
 * which takes effect only then. */
struct half_open {
	uint32_t link;
	uint32_t next; /* of the same device, invitation or account */
	uint32_t binding;
	uint32_t account;
	uint32_t invitation; /* NONE: the device is known, or has a token */
	uint8_t suite;
	bool subscribe;
	bool waiting; /* its enrolment is on its way to the disk */
	uint8_t key[MPP_DH_MAX];
	uint8_t instance[MPP_INSTANCE_LEN];
	uint64_t timestamp;
	uint64_t expires_us; /* monotonic */
	uint64_t acked;
	uint64_t filter[2];
	uint64_t batch;
	uint64_t enrolled_ms; /* waiting: its revoked_ms */
};

enum { CHALLENGE_LEN = 8 };

/* Beside a binding while a new address is being proved. */
struct trial {
	uint32_t link;
	mpp_addr to;
	uint8_t client_id[16]; /* towards there */
	uint8_t to_new[CHALLENGE_LEN], to_old[CHALLENGE_LEN];
	uint64_t next_us; /* monotonic: the challenges go again */
	uint32_t in, out; /* octets from there, and to there */
	uint8_t tries;
};

/* Beside a binding while a datagram of several packets, or a large packet that
 * asks whether it arrives, is on its way: what stands in it stays as it is. */
struct snapshot {
	uint32_t link;
	uint32_t sent_us;   /* low bits: when the newest packet went */
	uint32_t request;   /* serial of what it answers; 0: nothing */
	uint32_t ack_index; /* of the datagram that it acknowledges, */
	bool ack;           /* if it does */
	struct datagram_out d;
	uint8_t plain[DATAGRAM_MAX];
};

/* Beside a binding whose device is silent to see how long its path lasts: the
 * answer that it waits for. */
struct waiting_probe {
	uint32_t link;
	uint32_t serial; /* of the request */
	uint64_t index;  /* of its datagram */
	uint64_t due_us; /* monotonic */
	uint8_t tries;   /* answers sent */
	bool json;
};

/* Beside a binding while the host resolves a name for its device. */
struct resolve {
	uint32_t link;
	uint32_t hash_next;
	uint32_t prev, next; /* by deadline */
	uint32_t id;         /* the host's name for it; 0: free */
	uint32_t binding;
	uint32_t serial; /* of the request */
	uint64_t due_us; /* monotonic: it is given up */
	mpp_addr from;   /* where the request came from */
	bool json;
	uint16_t len; /* of the query */
	uint8_t query[RESOLVE_QUERY_MAX];
};

/* A token key that this service opens with: what is durable of it. */
struct token_mark {
	bool on;
	uint8_t id[MPP_TOKEN_KEY_ID_LEN];
	uint64_t revoked_ms; /* its tokens issued until then are dead */
};

struct hash {
	uint32_t *bucket; /* lent */
	uint32_t mask;
};

struct presence {
	struct pool accounts, devices, entries, invitations, bindings, halves;
	struct pool trials, snapshots, probes, resolves;
	struct hash by_name, by_key, by_secret;
	struct hash by_binding; /* resolves */
	struct heap due;        /* bindings by deadline */
	uint32_t hash_seed;
	uint32_t uses;      /* counts confirmations, for instance.used */
	uint32_t enrolling; /* in all accounts */
	uint32_t gone;      /* accounts that are ACCOUNT_GONE */
	uint32_t devices_per_account;
	uint32_t stores_per_account;
	uint64_t floor;    /* the highest serial of removed accounts */
	uint64_t floor_ms; /* when the newest was removed: tokens issued until
			      then enrol nobody */
	struct token_mark token_marks[TOKEN_KEYS];
};

static inline struct account *account_at(const struct presence *p, uint32_t i)
{
	return pool_at(&p->accounts, i);
}
static inline struct device *device_at(const struct presence *p, uint32_t i)
{
	return pool_at(&p->devices, i);
}
static inline struct entry *entry_at(const struct presence *p, uint32_t i)
{
	return pool_at(&p->entries, i);
}
static inline struct binding *binding_at(const struct presence *p, uint32_t i)
{
	return pool_at(&p->bindings, i);
}
static inline struct half_open *half_at(const struct presence *p, uint32_t i)
{
	return pool_at(&p->halves, i);
}
static inline struct trial *trial_at(const struct presence *p, uint32_t i)
{
	return pool_at(&p->trials, i);
}
static inline struct snapshot *snapshot_at(const struct presence *p, uint32_t i)
{
	return pool_at(&p->snapshots, i);
}
static inline struct waiting_probe *probe_at(const struct presence *p,
					     uint32_t i)
{
	return pool_at(&p->probes, i);
}
static inline struct resolve *resolve_at(const struct presence *p, uint32_t i)
{
	return pool_at(&p->resolves, i);
}
static inline struct invitation *invitation_at(const struct presence *p,
					       uint32_t i)
{
	return pool_at(&p->invitations, i);
}

static inline mpp_bytes account_name(const struct account *a)
{
	return (mpp_bytes){a->name, a->name_len};
}
static inline mpp_bytes entry_name(const struct entry *e)
{
	return (mpp_bytes){e->name, e->name_len};
}
static inline mpp_bytes entry_digest(const struct entry *e)
{
	return (mpp_bytes){e->digest, e->digest_len};
}

uint32_t presence_hash(const struct presence *p, mpp_bytes bytes);

#endif
