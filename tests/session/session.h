/* SPDX-License-Identifier: MIT */
/* session.h - a live service, its store, three devices and what is on the way
 * between them, all of it driven step by step (steps.h) by a program of
 * octets. check.h holds what must be true after each step; any broken rule
 * ends the process. Time is virtual. */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mpp/client.h>
#include <mpp/service.h>

#include "quick.h"
#include "role/client.h"
#include "role/service.h"
#include "store/store.h"

enum {
	DEVICES = 3,
	ADDRESSES = 4, /* of each device, and as many of strangers */
	ACCOUNTS = 2,
	FLIGHT = 48,
	HISTORY = 16,
	DELAY_US = 20000,
	COMMIT_US = 1000,
	STEPS_MAX = 64,
	PACKETS_MAX = 8192,
	ROUNDS_MAX = 800,          /* of time, in one program */
	SESSION_US_MAX = 200000000 /* likewise */
};
#define EPOCH_US UINT64_C(1700000000000000)

struct packet {
	uint64_t at;
	uint8_t device;
	bool to_service;
	bool forged;   /* no one who has the keys made these octets */
	uint16_t id;   /* of these octets: copies have the same */
	mpp_addr peer; /* the device's side of it */
	uint16_t len;
	uint8_t data[MPP_PACKET_MAX];
};

/* What the state file of a device holds. */
struct kept {
	uint64_t timestamp_ms;
	bool have_key;
	uint8_t key[MPP_DH_MAX];
	size_t token_len;
	uint8_t token[MPP_TOKEN_MAX], token_secret[MPP_TOKEN_SECRET_LEN];
};

struct session_device {
	mpp_client *c;
	bool on;
	struct kept kept[3]; /* by suite */
	int suite;
	unsigned address; /* which of its own */
	bool cut;         /* nothing gets through */
	bool deaf;        /* takes no events */
	bool no_disk;     /* cannot save */
	bool odd;         /* was told odd things by one who has the keys */
	unsigned types;   /* of initiator datagrams since it was connected */
	uint8_t last_type;
	unsigned tickets;
	uint64_t held;
};

enum session_mode {
	SESSION_FIRST_CONTACT = 0,
	SESSION_IMMEDIATE,
	SESSION_DEFERRED,
	SESSION_TICKETED,
	SESSION_TICKETED_CHALLENGED,
	SESSION_MODES,
};

/* What all programs so far have reached. */
struct session_reached {
	uint64_t programs, steps;
	uint64_t binding[BINDING_STATES];
	uint64_t client[CLIENT_DONE + 1];
	uint64_t mode[SESSION_MODES][3]; /* by suite */
	uint64_t event[MPP_EV_KEEPALIVE + 1];
	uint64_t op[256];
	uint64_t forged_to_client, forged_to_service, replayed;
	mpp_service_counters count;
};

struct traffic {
	uint64_t in, out;
	bool proved; /* some connection has or had its path there */
};

struct session {
	mpp_crypto crypto;
	mpp_service *s;
	struct store *store;
	mpp_service_config config;
	mpp_service_secrets secrets;
	uint64_t now, epoch, ends;
	unsigned rounds;
	bool over; /* what one program may use is used up */
	struct session_device d[DEVICES];
	struct packet fly[FLIGHT], history[HISTORY];
	unsigned n_fly, n_history, n_packets;
	uint8_t arrived[PACKETS_MAX / 8]; /* by packet.id */
	uint64_t commit_id, commit_at;
	size_t commit_len;
	mpp_err commit_result;
	bool store_stalls;
	uint64_t durable[ACCOUNTS];  /* highest serial seen */
	uint64_t promised[ACCOUNTS]; /* and acknowledged to a publisher */
	uint64_t index[ACCOUNTS];    /* last published */
	uint64_t op;
	struct traffic traffic[DEVICES + 1][ADDRESSES];
};

static struct session_reached session_reached;

/* Rooms that are too large to clear for each program. */
static struct {
	void *service, *client[DEVICES];
	size_t service_len;
	uint8_t commit[65536];
} session_room;

static inline void session_need(bool ok, const char *rule)
{
	if (ok)
		return;
	(void)fprintf(stderr, "broken rule: %s\n", rule);
	abort();
}

static inline mpp_instant session_now(const struct session *x)
{
	return (mpp_instant){{x->now}, {x->now + x->epoch}};
}

static inline mpp_bytes session_account(unsigned n)
{
	static const char *const name[ACCOUNTS] = {"alice@example.com", "@bob"};

	n %= ACCOUNTS;
	return (mpp_bytes){(const uint8_t *)name[n], strlen(name[n])};
}

/* 10.0.device.address:port; device DEVICES is somebody else. */
static inline mpp_addr session_address(unsigned device, unsigned n)
{
	n %= ADDRESSES;
	return (mpp_addr){{10, 0, (uint8_t)device, (uint8_t)(n / 2 + 1)},
			  (uint16_t)(40000 + n % 2),
			  4,
			  0};
}

static inline struct traffic *session_traffic(struct session *x,
					      const mpp_addr *a)
{
	unsigned device = a->ip[2] % (DEVICES + 1);
	unsigned n = ((a->ip[3] - 1u) * 2 + (a->port & 1)) % ADDRESSES;

	return &x->traffic[device][n];
}

/* ---- the service ---- */

static mpp_err session_load(void *arg, mpp_bytes key, mpp_bytes value)
{
	return mpp_service_load(arg, key, value);
}

static inline void session_start(struct session *x)
{
	struct store_error e;
	size_t n = mpp_service_size(&x->config);

	session_need(n != 0, "the limits are possible");
	if (n > session_room.service_len) {
		free(session_room.service);
		session_room.service = malloc(n);
		session_room.service_len = n;
	}
	session_need(session_room.service != NULL, "memory");
	memset(session_room.service, 0, n);
	session_need(mpp_service_init(session_room.service, n, &x->config,
				      &x->secrets, &x->crypto, &x->s) == MPP_OK,
		     "a service starts");
	session_need(x->store->ops->load(x->store, session_load, x->s, &e) ==
			     MPP_OK,
		     "the service loads what it has stored");
	x->commit_id = 0;
}

static inline void session_count(struct session *x)
{
	const mpp_service_counters *from = mpp_service_count(x->s);
	mpp_service_counters *to = &session_reached.count;

#define ADD(name, text) to->name += from->name;
	MPP_SERVICE_COUNTERS(ADD)
#undef ADD
}

static inline void session_stop(struct session *x)
{
	session_count(x);
	mpp_service_wipe(x->s);
	x->commit_id = 0;
}

/* One batch at a time, answered after COMMIT_US. */
static inline void session_commits(struct session *x)
{
	mpp_bytes batch = {session_room.commit, x->commit_len};
	mpp_err err = x->commit_result;
	struct store_error e;
	mpp_commit k;

	if (x->commit_id != 0 && x->commit_at <= x->now && !x->store_stalls) {
		if (err == MPP_OK)
			err = x->store->ops->commit(x->store, &batch, 1, &e);
		mpp_service_committed(x->s, x->commit_id, err, session_now(x));
		x->commit_id = 0;
	}
	if (x->commit_id != 0 || !mpp_service_commit(x->s, &k))
		return;
	session_need(k.batch.len <= sizeof(session_room.commit),
		     "a batch is no longer than it may be");
	x->commit_id = k.id;
	x->commit_at = x->now + COMMIT_US;
	x->commit_len = k.batch.len;
	memcpy(session_room.commit, k.batch.p, k.batch.len);
}

/* ---- the network ---- */

static inline struct packet *session_fly(struct session *x)
{
	struct packet *p;

	if (x->n_fly == FLIGHT || x->n_packets == PACKETS_MAX)
		return NULL;
	p = &x->fly[x->n_fly++];
	memset(p, 0, offsetof(struct packet, data));
	p->at = x->now + DELAY_US;
	p->id = (uint16_t)x->n_packets++;
	return p;
}

/* Did these octets come once already? They have now. */
static inline bool session_arrived(struct session *x, const struct packet *p)
{
	const uint8_t bit = (uint8_t)(1u << p->id % 8);
	const bool before = (x->arrived[p->id / 8] & bit) != 0;

	if (p->forged)
		return false;
	x->arrived[p->id / 8] |= bit;
	session_reached.replayed += before;
	return before;
}

static inline void session_remember(struct session *x, const struct packet *p)
{
	x->history[x->n_history++ % HISTORY] = *p;
}

static inline int session_find(const struct session *x, const mpp_addr *a)
{
	mpp_addr own;
	int i;

	for (i = 0; i < DEVICES; i++) {
		own = session_address((unsigned)i, x->d[i].address);
		if (memcmp(&own, a, sizeof(own)) == 0)
			return i;
	}
	return -1;
}

static inline void session_outbox(struct session *x, const mpp_outbox *out)
{
	struct packet *p;
	size_t i;
	int to;

	for (i = 0; i < out->n; i++) {
		const mpp_datagram *d = &out->slots[i];

		session_traffic(x, &d->to)->out += d->len;
		to = session_find(x, &d->to);
		if (to < 0 || (p = session_fly(x)) == NULL)
			continue;
		p->device = (uint8_t)to;
		p->peer = d->to;
		p->len = d->len;
		memcpy(p->data, d->data, d->len);
		session_remember(x, p);
	}
}

static inline void session_service(struct session *x)
{
	static mpp_datagram slots[16];
	mpp_outbox out = {slots, 16, 0};
	unsigned n = 0;

	session_commits(x);
	do {
		out.n = 0;
		mpp_service_poll(x->s, session_now(x), &out);
		session_outbox(x, &out);
		session_need(n++ < 1000, "what is due gets done");
	} while (mpp_service_deadline(x->s).us <= x->now);
}

static inline void session_sent(struct session_device *d, const uint8_t *p,
				size_t len)
{
	static const uint8_t zero[16];

	if (len <= 16 || memcmp(p, zero, 16) != 0)
		return;
	d->last_type = p[16];
	d->types |= 1u << (p[16] & 31);
	d->tickets += p[16] == RUD_INIT_TICKET;
}

static inline void session_connected(struct session_device *d)
{
	enum session_mode mode = SESSION_IMMEDIATE;

	if (d->last_type == RUD_INIT_TICKET)
		mode = d->c->cookie_ticket ? SESSION_TICKETED_CHALLENGED
					   : SESSION_TICKETED;
	else if (d->last_type == RUD_INIT_COMPLETE)
		mode = (d->types & 1u << RUD_INIT_HELLO) != 0
			       ? SESSION_FIRST_CONTACT
			       : SESSION_DEFERRED;
	session_reached.mode[mode][d->suite]++;
	d->types = 0;
	d->tickets = 0;
}

static inline void session_keep(struct session_device *d,
				const mpp_client_event *ev)
{
	struct kept *k = &d->kept[d->suite];

	k->timestamp_ms = ev->timestamp_ms;
	k->have_key = ev->have_service_key;
	memcpy(k->key, ev->service_key, MPP_DH_MAX);
	if (!ev->have_token)
		return;
	k->token_len = ev->token.len;
	if (ev->token.len != 0)
		memcpy(k->token, ev->token.p, ev->token.len);
	memcpy(k->token_secret, ev->token_secret, sizeof(k->token_secret));
}

/* Walk what an event brings, as an application does. */
static inline void session_read(const mpp_client_event *ev)
{
	uint8_t room[MPP_STORE_MAX + MPP_DIGEST_MAX];
	mpp_buf scratch = {room, sizeof(room), 0};
	mpp_store_status st;
	mpp_bytes name;
	size_t cursor = 0;

	while (mpp_client_store_next(ev, &cursor, &scratch, &st))
		;
	cursor = 0;
	scratch.len = 0;
	while (mpp_client_skipped_next(ev, &cursor, &scratch, &name))
		;
}

static inline void session_events(struct session_device *d)
{
	mpp_client_event ev;

	while (!d->deaf && mpp_client_next_event(d->c, &ev) == MPP_OK) {
		session_need(ev.kind >= MPP_EV_SAVE &&
				     ev.kind <= MPP_EV_KEEPALIVE,
			     "an event is of a kind that there is");
		session_reached.event[ev.kind]++;
		if (ev.kind == MPP_EV_SAVE && !d->no_disk) {
			session_keep(d, &ev);
			mpp_client_saved(d->c);
		} else if (ev.kind == MPP_EV_CONNECTED) {
			session_connected(d);
		}
		if (ev.kind == MPP_EV_PUBLICATION || ev.kind == MPP_EV_RESPONSE)
			session_read(&ev);
	}
}

static inline void session_client(struct session *x, unsigned i)
{
	static uint8_t room[MPP_PACKET_MAX];
	struct session_device *d = &x->d[i];
	mpp_buf out = {room, sizeof(room), 0};
	struct packet *p;
	unsigned n = 0;

	if (!d->on)
		return;
	mpp_client_tick(d->c, session_now(x));
	session_events(d);
	while (mpp_client_send(d->c, session_now(x), &out) == MPP_OK) {
		session_need(n++ < 100, "a client stops sending");
		session_sent(d, out.p, out.len);
		session_events(d);
		if (d->cut || (p = session_fly(x)) == NULL)
			continue;
		p->device = (uint8_t)i;
		p->to_service = true;
		p->peer = session_address(i, d->address);
		p->len = (uint16_t)out.len;
		memcpy(p->data, out.p, out.len);
		session_remember(x, p);
	}
	session_events(d);
}

/* What a client knows that octets without its keys may not change. Compared
 * as octets: nothing in it is padding. */
struct believed {
	uint64_t state, on[2], have_key;
	uint8_t key[MPP_DH_MAX];
	uint64_t timestamp_ms, held, heard[2];
	uint64_t events;
};

static inline struct believed session_belief(const mpp_client *c)
{
	struct believed b;

	memset(&b, 0, sizeof(b));
	b.state = (uint64_t)c->state;
	b.have_key = c->have_key;
	memcpy(b.key, c->service_key, MPP_DH_MAX);
	b.timestamp_ms = c->timestamp_ms;
	b.held = c->held;
	b.on[0] = c->links[0].on;
	b.on[1] = c->links[1].on;
	b.heard[0] = c->links[0].heard.us;
	b.heard[1] = c->links[1].heard.us;
	b.events = c->event_n;
	return b;
}

static inline void session_client_forged(const mpp_client *c,
					 const struct believed *before)
{
	struct believed now = session_belief(c);
	const struct event_slot *last;

	session_reached.forged_to_client++;
	if (now.events > before->events) {
		last = &c->events[(c->event_head + c->event_n - 1) % EVENTS];
		session_need(now.events == before->events + 1 &&
				     last->ev.kind == MPP_EV_KEY_CHANGED,
			     "forged octets tell the application nothing but "
			     "that a key is another one");
		now.events--;
	}
	session_need(memcmp(&now, before, sizeof(now)) == 0,
		     "forged octets change nothing at a client");
}

/* What makes a reset is its last octets alone. */
static inline bool session_is_reset(const mpp_client *c, const struct packet *p)
{
	const uint8_t *end = p->data + p->len - RESET_TOKEN_LEN;
	unsigned i;

	for (i = 0; i < 2 && p->len >= RESET_MIN; i++) {
		if (c->links[i].on &&
		    memcmp(c->links[i].reset_token, end, RESET_TOKEN_LEN) == 0)
			return true;
	}
	return false;
}

static inline void session_to_client(struct session *x, struct packet *p)
{
	struct session_device *d = &x->d[p->device];
	mpp_addr here = session_address(p->device, d->address);
	struct believed before;
	bool again;
	mpp_err err;

	if (!d->on || d->cut || memcmp(&here, &p->peer, sizeof(here)) != 0)
		return;
	before = session_belief(d->c);
	again = session_arrived(x, p);
	if (session_is_reset(d->c, p))
		p->forged = false;
	err = mpp_client_receive(d->c, (mpp_buf){p->data, p->len, p->len},
				 session_now(x));
	if (p->forged)
		session_client_forged(d->c, &before);
	session_need(!again || err != MPP_OK ||
			     before.state != CLIENT_CONNECTED,
		     "a connected client opens no packet twice");
	session_client(x, p->device);
}

/* The service's counters that only authentic octets move; no padding either. */
struct counted {
	uint64_t handshakes, refused, confirmed, moved, closed, requests;
	uint64_t acknowledged, malformed;
	uint64_t halves, trials, bindings;
};

static inline struct counted session_counted(const mpp_service *s)
{
	const mpp_service_counters *k = mpp_service_count(s);
	struct counted c;

	memset(&c, 0, sizeof(c));
	c.handshakes = k->handshakes;
	c.refused = k->refused;
	c.confirmed = k->confirmed;
	c.moved = k->moved;
	c.closed = k->closed;
	c.requests = k->requests;
	c.acknowledged = k->acknowledged;
	c.malformed = k->malformed;
	c.halves = s->state.halves.used;
	c.trials = s->state.trials.used;
	c.bindings = s->state.bindings.used;
	return c;
}

static inline bool session_is_data(const struct packet *p)
{
	static const uint8_t zero[16];

	return p->len >= 16 && memcmp(p->data, zero, 16) != 0;
}

static inline void session_to_service(struct session *x, struct packet *p)
{
	static mpp_datagram slots[16];
	mpp_outbox out = {slots, 16, 0};
	struct counted before = session_counted(x->s), after;
	bool again = session_arrived(x, p);
	mpp_err err;

	session_traffic(x, &p->peer)->in += p->len;
	err = mpp_service_receive(x->s, (mpp_buf){p->data, p->len, p->len},
				  &p->peer, session_now(x), &out);
	session_outbox(x, &out);
	after = session_counted(x->s);
	session_need(!p->forged || memcmp(&before, &after, sizeof(after)) == 0,
		     "forged octets change nothing at the service");
	session_need(!again || !session_is_data(p) || err != MPP_OK,
		     "the service opens no data packet twice");
	session_reached.forged_to_service += p->forged;
	session_service(x);
}

/* Deliver number k of those on the way, now. */
static inline void session_deliver(struct session *x, unsigned k)
{
	static struct packet p;

	p = x->fly[k];
	x->fly[k] = x->fly[--x->n_fly];
	if (p.to_service)
		session_to_service(x, &p);
	else
		session_to_client(x, &p);
}

/* ---- time ---- */

static inline uint64_t session_next(const struct session *x)
{
	uint64_t at = mpp_service_deadline(x->s).us, t;
	unsigned i;

	for (i = 0; i < x->n_fly; i++)
		at = x->fly[i].at < at ? x->fly[i].at : at;
	if (x->commit_id != 0 && !x->store_stalls)
		at = x->commit_at < at ? x->commit_at : at;
	for (i = 0; i < DEVICES; i++) {
		t = x->d[i].on ? mpp_client_deadline(x->d[i].c).us : UINT64_MAX;
		at = t < at ? t : at;
	}
	return at;
}

static inline void session_settle(struct session *x)
{
	unsigned i;

	for (i = 0; i < x->n_fly;) {
		if (x->fly[i].at <= x->now) {
			session_deliver(x, i);
			i = 0;
		} else {
			i++;
		}
	}
	session_service(x);
	for (i = 0; i < DEVICES; i++)
		session_client(x, i);
	session_commits(x);
}

/* Let virtual time pass, as far as a program may. */
static inline void session_pass(struct session *x, uint64_t us)
{
	uint64_t end = x->now + us, at;
	unsigned idle = 0;

	session_settle(x);
	while ((at = session_next(x)) <= end) {
		idle = at <= x->now ? idle + 1 : 0;
		session_need(idle < 1000, "a deadline that came is seen to");
		x->now = at > x->now ? at : x->now;
		session_settle(x);
		if (++x->rounds > ROUNDS_MAX || x->now > x->ends) {
			x->over = true;
			return;
		}
	}
	x->now = end;
	session_settle(x);
}

#endif
