/* SPDX-License-Identifier: MIT */
/* service.h - the inside of mpp_service, shared by its files:
 *
 *   service.c          memory, start, timers, the poll loop
 *   service_connect.c  connection datagrams: who may come in
 *   service_limits.c   how much work for whom
 *   service_clone.c    two programs with one device key
 *   service_admit.c    what the first message may do
 *   service_confirm.c  unconfirmed connections, confirmation, closing
 *   service_data.c     data packets: requests and acknowledgements
 *   service_send.c     building and sending packets and publications
 *   service_large.c    datagrams of several packets
 *   service_change.c   changes that wait for the store
 *   service_remove.c   removing devices and accounts
 *   service_path.c     where a device is, and proving it
 *   service_stream.c   stream identifiers of a running connection
 *   service_keepalive.c  for how long its path lasts
 *   service_ticket.c   tokens: opening them, giving new ones
 *   service_minter.c   token keys, and what their tokens may say
 *   service_resolve.c  names that the host resolves for devices
 *   service_reset.c    telling a client that its connection is gone
 *   service_web.c      packets that HTTP carried, requests that wait
 *   service_stun.c     Binding requests of STUN
 *   service_info.c     looking at the state
 *
 * Contract for the outside: mpp/service.h. */
#ifndef ROLE_SERVICE_H
#define ROLE_SERVICE_H

#include <mpp/service.h>

#include "presence/account.h"
#include "presence/device.h"
#include "presence/message.h"
#include "presence/records.h"
#include "rud/connect.h"
#include "rud/noise.h"
#include "rud/streamid.h"

enum {
	SUITES = 2,                /* 1 and 2, at index suite - 1 */
	UNCONFIRMED_US = 10000000, /* a half-open connection lives */
	HALVES_PER_INSTANCE = 2,
	HALVES_PER_DEVICE = 8,
	W_MIN_US = 1000000,
	FLAT_TRIES = 3, /* repetitions at one PTO */
	OVERLOAD_RETRY_MS = 10000,
	UNPROVED_FACTOR = 3,    /* times what came from an unproved path */
	LEAST_PACKET = 112,     /* the shortest packet with a message */
	RIGHTS_REMOVING = 0x80, /* of a device whose removal is on its way */
	PUBLISH_STORES = MSG_STORES_MAX, /* entries in one packet */
	RENEW_HOURS = 24,                /* a device is asked for fresh keys */
	KEYS_HOURS = 48,                 /* older ones are not used */
	HALVES_PER_ACCOUNT = 64,         /* that enrol with a token */
	TOKEN_LEEWAY_MS = 60000,         /* a minter's clock may be ahead */
	SPREAD_MAX_MS = 60000,           /* of devices that come back */
	PREFIX_BUCKETS = 1024,
	ALARMS = 8, /* kept for the host */
	HELD_PER_ACCOUNT = 64,
	HELD_CLOSE_MAX = 256, /* a packet that says Close */
	/* Buckets of STUN: however many addresses are forged, few share one. */
	STUN_ADDRESSES = 32768,
	STUN_PREFIXES = 8192,
	RESOLVES_MOST = 10000,
	/* Diffie-Hellman operations: es, ss; ephemeral key, ee, se. */
	DH_OF_STATIC = 1,
	DH_OF_HANDSHAKE = 5,
	DH_OF_TICKET = 2,
};
#define DAY_US UINT64_C(86400000000)

static_assert(PUBLISH_STORES * (MPP_STORE_MAX + MPP_DIGEST_MAX) >=
		      MPP_PACKET_MAX,
	      "a whole payload fits where names and digests do");

struct service_suite {
	bool on;
	struct noise_static key;
	uint8_t udf[MPP_UDF_LEN];
};

enum change_kind {
	CHANGE_ACCOUNT = 1,
	CHANGE_INVITATION,
	CHANGE_PUBLISH,
	CHANGE_REMOVE,
	CHANGE_ENROLL,
	CHANGE_REMOVE_ACCOUNT,
	CHANGE_CLEAN,
	CHANGE_REVOKE,
	CHANGE_REVOKE_KEY,
};

/* A change on its way to the disk. */
struct change {
	uint8_t kind;
	bool by_device; /* a publish request: answer over its binding */
	mpp_err err;    /* when done */
	uint64_t op;
	uint64_t batch;
	uint64_t serial;
	uint32_t account;
	/* Invitation, device, half-open, binding, token key, or how many
	 * records of a removed account are deleted (NONE: all that it had). */
	uint32_t index;
	uint32_t generation;
	uint32_t request;
	uint64_t skipped[2]; /* by_device: entries skipped, by store number */
	mpp_addr from;
};

/* A ring of changes. */
struct changes {
	struct change *at; /* lent: limit of them */
	uint32_t head, n;
};

/* The opened first payload of a connection, taken apart and judged. */
struct admission {
	struct ext ext;
	struct params params;
	bool has_message;
	unsigned status;   /* 0: come in */
	uint32_t retry_ms; /* with 429 and 503: when to try again; 0: unsaid */
	const char *why;
	uint64_t newest; /* with 401 */
	uint64_t timestamp;
	struct device_key key;
	uint32_t account, device, invitation;
	bool enrols; /* by its token, which names a key that is not here */
	uint64_t filter[2];
};

/* The token of the Ticket being answered; all of it wiped when there is none.
 */
struct ticket {
	bool on;
	unsigned key;             /* its number */
	uint32_t account, device; /* that it names; NONE: not here */
	mpp_token token;
};

/* A packet being answered. */
struct incoming {
	const mpp_addr *from;
	mpp_instant now;
	mpp_outbox *out;
	uint32_t slot;         /* binding */
	uint64_t index;        /* of the datagram */
	size_t len;            /* of the datagram */
	const uint8_t *stream; /* its StreamId, or NULL */
	uint32_t seen_ms;      /* when the device was heard before */
};

/* A packet being written, straight into the outbox, or where the answer to an
 * HTTP request goes. */
struct outgoing {
	struct mpp_datagram *d; /* NULL: it goes by HTTP */
	uint8_t *packet;
	size_t cap;        /* of its plaintext */
	mpp_json_writer w; /* the message, behind an extension list */
	bool large;        /* it stands in the binding's snapshot instead */
	unsigned quantum;  /* padded to a multiple of this at least; 0: no */
};
/* A request being answered. */
struct request {
	struct incoming in;
	const struct msg *m;
	struct outgoing o;
	struct msg_common common;
	uint32_t lost_ms; /* PathLost of the answer; 0: none */
};

/* A packet that HTTP carried, while it or one that waited is answered. */
struct web {
	mpp_buf *out; /* where the answer goes; NULL: not by HTTP */
	uint64_t number;
	uint32_t wait_ms;
	const uint8_t *stream; /* that the answer names, or NULL */
	bool held;             /* it waits: no answer yet */
};

enum held_kind {
	HELD_STATUS = 1, /* for something newer than `since` */
	HELD_CHANGE,     /* for the store */
	HELD_CHANGED,    /* the store has said: `change` */
	HELD_CLOSED,     /* the connection has ended: `close` */
	HELD_RESOLVE,    /* for a name */
	HELD_RESOLVED,   /* it was resolved, or not: `resolved` */
	HELD_GONE,       /* and there is nothing to say */
};

/* What becomes of a name, as its answer says it. */
struct resolved {
	uint32_t snapshot; /* where the DNS message stands, or NONE */
	uint16_t len;      /* of it */
	uint16_t status;
	uint32_t retry_ms; /* 0: unsaid */
	const char *why;
};

/* A request by HTTP that waits for its answer. */
struct held {
	uint32_t link;
	uint32_t next_slot, next_number; /* in their buckets */
	uint32_t slot;                   /* binding; NONE: it is gone */
	uint32_t account; /* where it counts; NONE: nowhere (any more) */
	uint32_t request; /* its Serial */
	uint64_t number;  /* the host's name for it */
	uint64_t index;   /* of its datagram */
	uint64_t since;
	uint8_t kind;
	bool json;
	bool named; /* the answer goes to this StreamId: */
	uint8_t stream[STREAM_ID_LEN];
	union {
		struct change change;
		struct {
			uint16_t len;
			uint8_t packet[HELD_CLOSE_MAX];
		} close;
		struct resolved resolved;
	} u;
};

/* All of them, by binding and by number, and when each is over. */
struct helds {
	struct pool pool;
	struct hash by_slot, by_number;
	struct heap due;
};

/* Sockets of one family for RFC 5780: the lowest bit of the index is the port,
 * the next one the address. A family of 0: there are none. */
struct stun_four {
	mpp_addr at[4];
};

struct mpp_service {
	mpp_crypto crypto;
	mpp_service_config config;
	struct presence state;
	struct service_suite suites[SUITES];
	uint8_t sid_key[16];
	uint8_t reset_key[32];
	uint8_t cookie_secret[32];
	uint8_t ticket_cookie_secret[32];     /* of Challenges to Tickets */
	mpp_token_minter minters[TOKEN_KEYS]; /* 0 is ourselves */
	bool loaded;                          /* records were */
	uint32_t generation;                  /* of a slot's first use */
	uint64_t hour_us;                     /* a 24th of config.renew_s */
	uint64_t hours;                       /* of them, at the newest call */
	uint32_t evict; /* where the search for a closed one goes on */
	mpp_service_counters count;
	uint32_t reset_spent_ms[PREFIX_BUCKETS]; /* by prefix */
	uint32_t first_spent_ms[PREFIX_BUCKETS]; /* the same */
	uint8_t stun_key[16];                    /* for the places in these: */
	uint32_t *stun_spent;                    /* of an address; lent */
	uint32_t *stun_prefix_spent;
	struct stun_four stun_fours[2]; /* IPv4, IPv6 */
	mpp_alarm alarms[ALARMS];
	unsigned alarm_first, alarm_n;
	uint64_t dh_spent_us;  /* moment up to which it is used up */
	unsigned leap_seconds; /* TAI - UTC; 0: unknown */
	mpp_wall leap_until;
	struct changes waiting; /* for the store, oldest first */
	struct changes done;    /* for mpp_service_next_result() */
	struct changes answers; /* to devices, for mpp_service_poll() */
	struct wr fill;         /* the batch that gathers */
	uint64_t fill_id;
	uint64_t flight_id; /* the batch at the store; 0: none */
	uint64_t issued_ms; /* of the newest token */
	bool clean_rests;   /* the store failed: what is left can wait */
	uint32_t resolve_first, resolve_last; /* by deadline; NONE */
	uint32_t resolve_fresh; /* of them, the first that the host has not */
	uint32_t resolve_uses;
	uint8_t *buffers[2];
	struct helds held;
	struct web web;
	mpp_datagram web_first; /* the answer to a first packet by HTTP */
	/* Room for one operation at a time; too large for the stack. */
	struct connect connect;
	struct admission admission;
	struct ticket ticket;
	struct noise_ik hs;
	struct msg msg;
	struct request request;
	mpp_store_status stores[PUBLISH_STORES];
	uint64_t merged[2]; /* publish: which entries change something */
	uint8_t plain[PUBLISH_STORES * (MPP_STORE_MAX + MPP_DIGEST_MAX)];
};

/* ---- service.c ---- */
static inline uint32_t ms_of(mpp_time t)
{
	return (uint32_t)(t.us / 1000);
}
/* How old a binding's keys are, in hours; at most one off. */
static inline unsigned service_age(const struct mpp_service *s,
				   const struct binding *b)
{
	return (uint8_t)(s->hours - b->made);
}
/* What every answer says. acknowledge: request serial, 0 for none. */
static inline struct msg_common service_common(const struct mpp_service *s,
					       const mpp_addr *endpoint,
					       mpp_wall now,
					       uint64_t acknowledge)
{
	unsigned leap = now.us < s->leap_until.us ? s->leap_seconds : 0;

	return (struct msg_common){0, NULL, endpoint, now, acknowledge, leap};
}
/* Was a device that was heard last at `seen` (ms) silent for so long at `ms`
 * that it had to wake? */
static inline enum rtt_which service_wakes(uint32_t seen, uint64_t ms)
{
	const uint32_t silent = (uint32_t)ms - seen;

	return silent >= RTT_WAKE_MS && silent <= INT32_MAX ? RTT_WAKE
							    : RTT_AWAKE;
}
/* Is what is being answered carried by HTTP? */
static inline bool service_by_web(const struct mpp_service *s)
{
	return s->web.out != NULL;
}
/* A connection that was made by HTTP has no path until one is proved. */
static inline bool service_has_path(const struct binding *b)
{
	return b->path.family != 0;
}
static inline uint64_t service_pto(const struct binding *b)
{
	const struct rtt r = rtt_of(&b->rtt, RTT_AWAKE);

	return rtt_pto_us(&r);
}
static inline const struct account *account_of(const struct mpp_service *s,
					       const struct binding *b)
{
	return account_at(&s->state, device_at(&s->state, b->device)->account);
}
/* Compute the binding's next deadline again; after every change of it. */
void service_arm(struct mpp_service *s, uint32_t slot, mpp_time now);
/* Is the device to make fresh keys? */
bool service_renew_due(const struct mpp_service *s, const struct binding *b);
/* Are a binding's keys too old to be used? Then it ends, without a word that
 * would need them: its device learns it by a reset. */
bool service_keys_ended(const struct mpp_service *s, uint32_t slot);
void service_end_keys(struct mpp_service *s, uint32_t slot, mpp_instant now,
		      mpp_outbox *out);
/* Every call that gets the time begins with it. */
void service_note_time(struct mpp_service *s, mpp_instant now, mpp_outbox *out);
/* The one place where a binding's state changes. */
void service_enter(struct mpp_service *s, uint32_t slot,
		   enum binding_event event, mpp_instant now, mpp_outbox *out);

/* ---- service_connect.c ---- */
mpp_err service_connect(struct mpp_service *s, mpp_bytes in,
			const mpp_addr *from, mpp_instant now, mpp_outbox *out);
/* The Suites that this service has, best first. */
void service_put_suites(const struct mpp_service *s, struct wr *w);

/* ---- service_limits.c ---- */
/* Where an address counts with its prefix. */
unsigned service_prefix(const struct mpp_service *s, const mpp_addr *a);
/* Is a first packet, which can cost n operations, from an address that is not
 * proved too much? */
bool service_defer(struct mpp_service *s, uint64_t suite, unsigned n,
		   const mpp_addr *from, mpp_time now);
/* n operations were done, or are about to be, for such an address. */
void service_dh_charge(struct mpp_service *s, uint64_t suite, unsigned n,
		       mpp_time now);

/* How long a device has to wait with a handshake that was opened, in ms; 0: it
 * may come in. */
uint32_t service_handshake_wait(const struct mpp_service *s,
				const struct admission *ad,
				const mpp_addr *from, mpp_time now);
/* It came in: counted until it is confirmed, then as a connection. */
void service_handshake_opened(const struct mpp_service *s, struct device *d,
			      mpp_time now);
void service_handshake_confirmed(const struct mpp_service *s, struct device *d,
				 struct instance *in, mpp_time now);
/* Count a request. How long its device has to wait with it; 0: answer it. */
uint32_t service_request_wait(const struct mpp_service *s, struct device *d,
			      mpp_time now);

/* ---- service_clone.c ---- */
/* A binding is the one of its instance now, */
void service_clone_confirmed(struct mpp_service *s, const struct binding *b);
/* and takes the place of this one. */
void service_clone_replaced(struct mpp_service *s, const struct binding *b,
			    const struct binding *old, mpp_time now);
/* A binding of the device is gone. */
void service_clone_gone(struct mpp_service *s, struct device *d);
/* How long the instance has to wait, in ms. */
uint32_t service_clone_wait(const struct mpp_service *s,
			    const struct instance *in, mpp_time now);

/* ---- service_admit.c ---- */
/* payload: s->plain; key: proven by the handshake. Fills s->admission and
 * s->msg. */
void service_admit(struct mpp_service *s, mpp_bytes payload,
		   const struct device_key *key, const mpp_addr *from,
		   mpp_instant now);
/* The filter of a subscription. Error: LIMIT. */
MPP_MUSTCHECK mpp_err service_filter(struct mpp_service *s, struct account *a,
				     const struct msg *m, uint64_t filter[2]);
/* The lease for what a device asks (0: nothing). */
uint32_t service_lease(const struct mpp_service *s, uint64_t asked_ms);

/* ---- service_confirm.c ---- */
/* A binding with its half-open record. Returns the slot or NONE. */
uint32_t service_half_open(struct mpp_service *s, const struct admission *ad,
			   mpp_instant now);
/* The first data packet came. False: not yet (an enrolment waits). */
bool service_confirm(struct mpp_service *s, const struct incoming *in,
		     uint64_t acked);
/* The enrolment of a half-open connection is on disk, or failed. */
void service_enrolled(struct mpp_service *s, uint32_t half, mpp_err result,
		      mpp_instant now);
/* Forget a binding and everything of it. */
void service_free(struct mpp_service *s, uint32_t slot);
/* Tell a device that its connection ends, and forget it. */
void service_end(struct mpp_service *s, uint32_t slot, unsigned code,
		 const char *why, mpp_outbox *out);

/* ---- service_data.c ---- */
mpp_err service_data(struct mpp_service *s, mpp_buf in, const mpp_addr *from,
		     mpp_instant now, mpp_outbox *out);

/* Answer a request with a Status; retry_ms: when to ask again, 0: unsaid. */
void service_answer_status(struct mpp_service *s, struct request *q,
			   unsigned status, const char *why, uint32_t retry_ms);
/* An acknowledgement of its packet alone. */
void service_answer_ack(struct mpp_service *s, struct request *q);

/* ---- service_resolve.c ---- */
void service_resolve_init(struct mpp_service *s);
/* A request whose Serial is possible. */
void service_resolve(struct mpp_service *s, struct request *q);
/* The answers that nobody gave in time; and when that is. */
void service_resolve_due(struct mpp_service *s, mpp_instant now,
			 mpp_outbox *out);
uint64_t service_resolve_deadline(const struct mpp_service *s);
/* Answer one that came by HTTP: s->web says where to. */
void service_resolve_held(struct mpp_service *s, const struct held *h,
			  const struct incoming *ack);
/* Forget those of a binding. */
void service_resolve_end(struct mpp_service *s, uint32_t slot);

/* ---- service_send.c ---- */
/* A packet to a binding; its extension list asks for fresh keys when they are
 * due. False: no room in the outbox. */
bool service_begin(struct mpp_service *s, uint32_t slot, mpp_outbox *out,
		   bool json, struct outgoing *o);
/* The extension list to be written instead, and the end of that. */
struct wr service_list(const struct outgoing *o);
void service_list_end(struct outgoing *o, struct wr *w);
/* Says in it when to try again; before the message is begun. */
void service_list_retry(struct outgoing *o, bool json, uint32_t ms);
/* How long it is. */
size_t service_list_len(const struct outgoing *o);
/* To a multiple of what it is padded; 0: as usual. */
unsigned service_quantum(const struct binding *b, const struct outgoing *o);
/* Seal and put into the outbox. ack: the packet being answered, or NULL.
 * Errors: those of the writer, CRYPTO; nothing is sent then. */
MPP_MUSTCHECK mpp_err service_finish(struct mpp_service *s, uint32_t slot,
				     struct outgoing *o, const mpp_addr *to,
				     uint8_t flags, const struct incoming *ack,
				     mpp_outbox *out);
/* What is newer than `since` in rising order, cut where `room` octets of the
 * message end; then Bitmask, Serial, More. Returns whether anything was. */
struct vector {
	const uint64_t *filter;
	uint64_t since;
	size_t room;
	bool serial;   /* say Serial and More */
	uint64_t last; /* result: Serial */
	bool more;     /* result */
};
void service_put_vector(const struct mpp_service *s, mpp_json_writer *w,
			const struct account *a, struct vector *v);
/* The same, and the end of the message. What does not fit one packet goes
 * into a snapshot if `large` allows it and one is free. */
void service_put_state(struct mpp_service *s, uint32_t slot, struct outgoing *o,
		       struct vector *v, bool large);
/* Is something new to take the place of what is under way? Not twice before
 * that has arrived, or was given up. */
bool service_replaces(const struct binding *b);
/* Send what the device lacks, or note that it lacks nothing. */
void service_publish_to(struct mpp_service *s, uint32_t slot, mpp_instant now,
			mpp_outbox *out);
/* How long ago, in us, the newest publication was sent, or the one that was sent
 * `back` times before it with the same state. Nothing is kept of those, but the
 * timer tells when they went. in: a packet that came since. */
uint64_t service_sent_ago(const struct binding *b, uint32_t back,
			  const struct incoming *in);
/* An empty datagram that asks for an acknowledgement. */
void service_probe(struct mpp_service *s, uint32_t slot, mpp_outbox *out);
/* Is there anything that the device has not acknowledged? */
bool service_behind(const struct mpp_service *s, const struct binding *b);

/* ---- service_large.c ---- */
/* Write on in a snapshot of the binding, behind what stands in `from`; one that
 * was under way is abandoned. False: there is none to be had now. */
bool service_large_begin(struct mpp_service *s, uint32_t slot,
			 struct outgoing *o, const mpp_json_writer *from);
/* It is written. ack: the packet being answered, or NULL; request: the serial
 * of what it answers. Errors: those of the writer; it is abandoned then. */
MPP_MUSTCHECK mpp_err service_large_finish(struct mpp_service *s, uint32_t slot,
					   const struct outgoing *o,
					   const struct incoming *ack,
					   uint32_t request);
/* The following are for a binding that has a snapshot. Send what may be sent
 * now; the rest is due at once. */
void service_large_send(struct mpp_service *s, uint32_t slot, mpp_instant now,
			mpp_outbox *out);
uint64_t service_large_deadline(const struct mpp_service *s,
				const struct binding *b, mpp_time now);
/* The deadline has come. False: it leads nowhere and was abandoned. */
bool service_large_due(struct mpp_service *s, uint32_t slot, mpp_instant now,
		       mpp_outbox *out);
/* These packets of it came, says this packet. True: all have, and the snapshot
 * is gone. */
bool service_large_acked(struct mpp_service *s, struct binding *b,
			 uint16_t bits, const struct incoming *in);
/* The device was heard: do not wait long for what is missing. */
void service_large_heal(struct mpp_service *s, struct binding *b,
			mpp_instant now);
/* Has the binding one with this datagram index, or that answers this? */
bool service_large_names(const struct mpp_service *s, const struct binding *b,
			 uint32_t index);
bool service_large_answers(const struct mpp_service *s, const struct binding *b,
			   uint64_t request);
/* Abandon it, if there is one. */
void service_large_end(struct mpp_service *s, struct binding *b);

/* ---- service_change.c ---- */
static inline struct wr *service_fill(struct mpp_service *s)
{
	return &s->fill;
}
/* Note a change of the batch that gathers. Error: LIMIT. */
MPP_MUSTCHECK mpp_err service_wait(struct mpp_service *s,
				   const struct change *c);
/* An account that is there, by any spelling. Errors: NOTFOUND, STATE (its
 * removal is on its way). */
MPP_MUSTCHECK mpp_err service_find_account(const struct mpp_service *s,
					   mpp_bytes name, uint32_t *account);
/* Publish; c says for whom. */
MPP_MUSTCHECK mpp_err service_publish(struct mpp_service *s, struct change *c,
				      const mpp_store_status *stores, size_t n,
				      bool reset, mpp_wall now,
				      mpp_published *out);
/* Answer publish requests of devices that are durable now. */
void service_answer(struct mpp_service *s, mpp_instant now, mpp_outbox *out);
/* One of them, whose request waited by HTTP. ack: that. */
void service_answer_held(struct mpp_service *s, const struct change *c,
			 const struct incoming *ack);

/* ---- service_path.c ---- */
/* How many octets the next packet to this address may have. in: what it
 * answers, or NULL. */
size_t service_room(const struct mpp_service *s, const struct binding *b,
		    const mpp_addr *to, const struct incoming *in);
void service_path_sent(struct mpp_service *s, const struct binding *b,
		       const mpp_addr *to, size_t len);
/* A packet was opened. response: its PathResponse, or empty. moves: it may
 * start a trial. Before anything else is sent to where it came from. */
void service_path_packet(struct mpp_service *s, const struct incoming *in,
			 mpp_bytes response, bool moves);
/* The deadline of the trial has come. */
void service_path_due(struct mpp_service *s, uint32_t slot, mpp_instant now,
		      mpp_outbox *out);
/* End the trial, if there is one. */
void service_path_end(struct mpp_service *s, struct binding *b);
/* Is this the path? Or, if not, the address that is being proved? */
bool service_path_is(const struct binding *b, const mpp_addr *a);
bool service_path_tries(const struct mpp_service *s, const struct binding *b,
			const mpp_addr *a);
/* Where the answer to an earlier request goes: the device may have left. */
const mpp_addr *service_answer_to(const struct mpp_service *s,
				  const struct binding *b,
				  const mpp_addr *from);
/* The identifier of a packet to this address. in: what it answers, or NULL. */
const uint8_t *service_path_id(const struct mpp_service *s,
			       const struct binding *b, const mpp_addr *to,
			       const struct incoming *in);

/* ---- service_stream.c ---- */
enum { STREAM_IDS_LEN = 2 * STREAM_ID_LEN };
/* Two fresh identifiers of a binding. */
MPP_MUSTCHECK mpp_err service_stream_issue(const struct mpp_service *s,
					   uint32_t slot,
					   uint8_t ids[STREAM_IDS_LEN]);
/* The StreamId of a data packet, or NULL. Error: RANGE, it is none. */
MPP_MUSTCHECK mpp_err service_stream_read(const struct ext *e,
					  const uint8_t **id);
/* How many octets the identifiers take that a packet to this address is to
 * bring; 0: none. */
size_t service_stream_len(const struct mpp_service *s, const struct binding *b,
			  const mpp_addr *to);
/* Put them before the *len octets of this packet's plaintext, if they are due
 * and there is room. One that gets lost is asked for again. */
MPP_MUSTCHECK mpp_err service_stream_put(struct mpp_service *s, uint32_t slot,
					 const mpp_addr *to,
					 const struct outgoing *o, size_t *len);

/* ---- service_keepalive.c ---- */
/* A heartbeat asks for a late answer. False: it is to be answered now. */
bool service_probe_wait(struct mpp_service *s, const struct request *q);
/* A packet with this index was opened: who speaks is not silent any more. */
void service_probe_packet(struct mpp_service *s, struct binding *b,
			  uint64_t index);
/* When the late answer is due, or UINT64_MAX. */
uint64_t service_probe_deadline(const struct mpp_service *s,
				const struct binding *b);
void service_probe_due(struct mpp_service *s, uint32_t slot, mpp_instant now,
		       mpp_outbox *out);
/* Forget the probe, if there is one. */
void service_probe_end(struct mpp_service *s, struct binding *b);
/* The silence after which a publication was sent in vain, when the device has
 * just spoken; 0: it was not. */
uint32_t service_path_lost(const struct binding *b, const struct incoming *in);
/* Put PathLost before the answer that is about to be written. */
void service_put_lost(const struct mpp_service *s, struct request *q);

/* ---- service_minter.c ---- */
/* Is there a token key of this number? */
bool service_minter_on(const struct mpp_service *s, unsigned number);
void service_minter_own(struct mpp_service *s, const mpp_token_key *key);
/* The number of the key that a token names; TOKEN_KEYS: not known. */
unsigned service_minter_find(const struct mpp_service *s, mpp_bytes token);
/* May tokens of this key say this? */
bool service_minter_allows(const struct mpp_service *s, unsigned number,
			   const mpp_token_claims *k, mpp_wall now);
/* The store has said about CHANGE_REVOKE_KEY. */
void service_minter_revoked(struct mpp_service *s, const struct change *c);

/* ---- service_ticket.c ---- */
/* Open a token into s->ticket, which the caller wipes. 0, or the status of
 * the Error to answer with. */
unsigned service_ticket_open(struct mpp_service *s, mpp_bytes token,
			     mpp_wall now);
/* The key of the device that it names; all zero when it is not here. */
void service_ticket_key(const struct mpp_service *s, struct device_key *key);
void service_ticket_wipe(struct mpp_service *s);
/* May it enrol the key that it names? */
bool service_ticket_enrols(const struct mpp_service *s);
/* The device of an account whose key has this fingerprint, or NONE. */
uint32_t service_token_device(struct mpp_service *s, uint32_t account,
			      mpp_bytes id);
/* Issued of a new token of a key. device: NONE when it is not here. */
uint64_t service_token_issue(struct mpp_service *s, uint32_t account,
			     uint32_t device, unsigned key, mpp_wall now);
/* A mark that no token which is out comes after, whatever was done to the
 * clock. */
uint64_t service_new_mark(const struct mpp_service *s, uint64_t old,
			  mpp_wall now);
/* Unconfirmed handshakes that would enrol a device. */
void service_forget_enrolling(struct mpp_service *s, const struct account *a);
/* Did it come by a token of this key? */
bool service_token_is_of(const struct binding *b, unsigned number);
/* A confirmed connection whose token was revoked: say Close, then free. */
void service_token_end(struct mpp_service *s, uint32_t slot);
/* What a new binding may do by the handshake being answered. */
void service_token_begin(const struct mpp_service *s, struct binding *b,
			 mpp_wall now);
/* It is confirmed: a token is due, if it may have one. */
void service_token_want(const struct mpp_service *s, struct binding *b,
			mpp_wall now);
/* Put a new token into a publication, if one is due. */
bool service_token_put(struct mpp_service *s, mpp_json_writer *w,
		       const struct binding *b, mpp_wall now);
/* The newest publication arrived. */
void service_token_acked(const struct mpp_service *s, struct binding *b);
/* The store has said about CHANGE_REVOKE. */
void service_revoked(struct mpp_service *s, const struct change *c,
		     mpp_instant now);

/* ---- service_reset.c ---- */
MPP_MUSTCHECK mpp_err service_reset_token(const struct mpp_service *s,
					  struct stream st,
					  uint8_t out[RESET_TOKEN_LEN]);
/* A packet of len octets named this stream, which is not there. */
void service_reset(struct mpp_service *s, struct stream st, size_t len,
		   const mpp_addr *to, mpp_time now, mpp_outbox *out);

/* ---- service_web.c ---- */
/* Let the request being answered wait; a change, or a name, takes the place of
 * the same one that was asked before. False: there is no room. */
bool service_web_hold(struct mpp_service *s, const struct request *q,
		      enum held_kind kind);
/* A Status request that waits until something is newer than this; an older one
 * of its binding is answered now. False: so is this one. */
bool service_web_wait(struct mpp_service *s, const struct request *q,
		      uint64_t since);
/* Is there room for one more? */
bool service_web_room(const struct mpp_service *s);
/* Does anybody wait here for a name? It was resolved, or not. */
bool service_web_waits(const struct mpp_service *s, uint32_t slot,
		       uint32_t request);
void service_web_resolved(struct mpp_service *s, uint32_t slot,
			  uint32_t request, const struct resolved *r);
/* The store has said about a change. False: nobody waits for it here. */
bool service_web_changed(struct mpp_service *s, const struct change *c);
/* A binding's vector has changed. */
void service_web_news(struct mpp_service *s, uint32_t slot);
/* The Status request of a binding, if one waits, is answered now. */
void service_web_wake(struct mpp_service *s, uint32_t slot);
/* A binding is about to say Close, or to be forgotten, or to leave its account.
 */
void service_web_close(struct mpp_service *s, uint32_t slot, unsigned code,
		       const char *why);
void service_web_forget(struct mpp_service *s, uint32_t slot);
void service_web_leave(struct mpp_service *s, uint32_t slot);
/* A packet that says Close. Error: those of service_finish(), NOSPACE. */
MPP_MUSTCHECK mpp_err service_say_close(struct mpp_service *s, uint32_t slot,
					unsigned code, const char *why,
					mpp_outbox *out);
/* ---- service_stun.c ---- */
/* A datagram that looks like STUN. Errors: those of stun_decode(), UNSUPPORTED,
 * LIMIT, NOSPACE, CRYPTO; each is counted. */
mpp_err service_stun(struct mpp_service *s, mpp_bytes in, const mpp_addr *from,
		     mpp_time now, mpp_outbox *out);

/* ---- service_remove.c ---- */
/* The device of an account whose UDF begins with this text. Errors: NOTFOUND,
 * SYNTAX, CRYPTO. */
MPP_MUSTCHECK mpp_err service_find_device(const struct mpp_service *s,
					  uint32_t account, mpp_bytes id,
					  uint32_t *device);
/* Its record, or its account's, is about to go: nothing may write it back. */
bool service_leaving(const struct mpp_service *s, const struct device *d);
/* The store has said about CHANGE_REMOVE, _REMOVE_ACCOUNT, or _CLEAN. */
void service_removed(struct mpp_service *s, const struct change *c);
/* Put deletions of what is left of removed accounts into the batch. */
void service_clean(struct mpp_service *s);

#endif
