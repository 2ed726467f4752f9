/* SPDX-License-Identifier: MIT */
/* world.h - a service and some devices in memory: the real core and the real
 * cryptography, virtual time, a network that delays, loses, duplicates and
 * reorders by a seed, and a store that takes its time. For tests. */
#ifndef TESTS_WORLD_H
#define TESTS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mpp/client.h>
#include <mpp/service.h>

#include "crypto/fixed.h"
#include "store/store.h"

enum {
	WORLD_DEVICES = 8,
	WORLD_FLIGHT = 1024,
	WORLD_EVENTS = 256,
};

struct flying {
	uint64_t at;
	int device; /* to this one, or from it */
	bool to_service;
	size_t len;
	mpp_addr from;
	uint8_t data[MPP_PACKET_MAX];
};

struct told {
	mpp_client_event_kind kind;
	uint64_t serial;
	uint64_t at;
	int status;
	bool more;
	uint16_t n_stores;
	char store[8][MPP_STORE_MAX + 1];
	uint64_t index[8];
	char text[129];
	uint32_t request;
	mpp_addr endpoint;
	size_t dns_len; /* of the answer of a resolver */
	uint64_t dns_sum;
};

struct world_device {
	mpp_client *c;
	mpp_client_config config;
	mpp_addr addr;
	uint64_t saved_ms;
	bool have_key;
	uint8_t key[MPP_DH_MAX];
	uint8_t token[MPP_TOKEN_MAX], token_secret[MPP_TOKEN_SECRET_LEN];
	size_t token_len;
	unsigned n_tokens; /* saved */
	unsigned n_learnt; /* so often; it is kept in config */
	struct told told[WORLD_EVENTS];
	size_t n_told;
	bool deaf; /* takes no events */
};

struct world {
	mpp_crypto crypto;
	mpp_service *s;
	void *mem;
	mpp_service_config config;
	mpp_service_secrets secrets;
	mpp_token_minter minters[4];
	unsigned n_minters;
	struct store *store;
	uint64_t now; /* us, monotonic; the wall is this plus an epoch */
	uint64_t epoch;
	uint64_t rng;
	unsigned loss_pct, dup_pct, delay_us, jitter_us;
	struct flying fly[WORLD_FLIGHT];
	size_t n_fly;
	uint64_t commit_id, commit_at, commit_us;
	uint8_t commit_copy[1 << 20];
	size_t commit_len;
	mpp_err commit_result; /* what the store says next */
	bool store_stalls;
	uint64_t sent, lost, duplicated, reordered;
	uint64_t to_service_bytes, to_device_bytes;
	bool service_down;
	/* Called when the service may have names to resolve, and at that time;
	 * or NULL. */
	void (*resolver)(struct world *w, mpp_outbox *out);
	uint64_t resolver_at;
	int (*drop)(struct world *w, const struct flying *f); /* or NULL */
	void (*answers)(
		struct world *w); /* takes what waited by HTTP, or NULL */
	struct world_device d[WORLD_DEVICES];
};

static inline uint64_t world_random(struct world *w)
{
	uint64_t z = (w->rng += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static inline mpp_instant world_now(const struct world *w)
{
	return (mpp_instant){{w->now}, {w->now + w->epoch}};
}

static inline mpp_bytes bytes_of(const char *s)
{
	return (mpp_bytes){(const uint8_t *)s, strlen(s)};
}

static inline mpp_err world_load(void *arg, mpp_bytes key, mpp_bytes value)
{
	return mpp_service_load(arg, key, value);
}

static inline void world_start_service(struct world *w)
{
	struct store_error e;
	size_t n = mpp_service_size(&w->config);
	unsigned i;

	assert_true(n > 0);
	w->mem = calloc(1, n);
	assert_non_null(w->mem);
	assert_int_equal(mpp_service_init(w->mem, n, &w->config, &w->secrets,
					  &w->crypto, &w->s),
			 MPP_OK);
	for (i = 0; i < w->n_minters; i++)
		assert_int_equal(mpp_service_minter_add(w->s, &w->minters[i]),
				 MPP_OK);
	assert_int_equal(w->store->ops->load(w->store, world_load, w->s, &e),
			 MPP_OK);
	w->commit_id = 0;
	w->service_down = false;
}

static inline void world_stop_service(struct world *w)
{
	mpp_service_wipe(w->s);
	free(w->mem);
	w->mem = NULL;
	w->s = NULL;
	w->commit_id = 0;
	w->service_down = true;
}

static inline void world_init(struct world *w, uint64_t seed)
{
	unsigned i;

	memset(w, 0, sizeof(*w));
	assert_int_equal(crypto_fixed_new(seed, &w->crypto), MPP_OK);
	assert_int_equal(store_mem_open(&w->store), MPP_OK);
	w->rng = seed;
	w->now = 1000000;
	w->epoch = UINT64_C(1700000000000000);
	w->delay_us = 20000;
	w->commit_us = 1000;
	w->commit_result = MPP_OK;
	/* Tests connect and ask again and again; those of limits set them. */
	w->config.handshakes = 10000;
	w->config.requests_per_s = 1000;
	w->config.request_burst = 100000;
	for (i = 0; i < 32; i++)
		w->secrets.x25519[i] = (uint8_t)world_random(w);
	for (i = 0; i < 56; i++)
		w->secrets.x448[i] = (uint8_t)world_random(w);
	for (i = 0; i < 16; i++)
		w->secrets.sid_key[i] = (uint8_t)world_random(w);
	for (i = 0; i < 32; i++)
		w->secrets.reset_key[i] = (uint8_t)world_random(w);
	world_start_service(w);
}

static inline void world_end(struct world *w)
{
	unsigned i;

	for (i = 0; i < WORLD_DEVICES; i++)
		free(w->d[i].c);
	if (w->s != NULL)
		world_stop_service(w);
	w->store->ops->close(w->store);
	mpp_crypto_free(&w->crypto);
}

/* A device with a key of its own at 10.0.0.(i+1). */
static inline struct world_device *
world_device(struct world *w, int i, const char *account, mpp_client_mode mode)
{
	struct world_device *d = &w->d[i];
	unsigned k;

	free(d->c);
	memset(d, 0, sizeof(*d));
	d->config.mode = mode;
	d->config.account = bytes_of(account);
	d->config.suite = MPP_SUITE_25519;
	for (k = 0; k < MPP_DH_MAX; k++)
		d->config.device_secret[k] = (uint8_t)world_random(w);
	for (k = 0; k < MPP_INSTANCE_LEN; k++)
		d->config.instance[k] = (uint8_t)world_random(w);
	d->addr = (mpp_addr){{10, 0, 0, (uint8_t)(i + 1)}, 40000, 4, 0};
	return d;
}

static inline void world_connect(struct world *w, int i)
{
	struct world_device *d = &w->d[i];

	free(d->c);
	d->c = calloc(1, mpp_client_size());
	assert_non_null(d->c);
	d->config.timestamp_ms = d->saved_ms;
	d->config.have_service_key = d->have_key;
	memcpy(d->config.service_key, d->key, MPP_DH_MAX);
	d->config.token = (mpp_bytes){d->token, d->token_len};
	memcpy(d->config.token_secret, d->token_secret,
	       sizeof(d->token_secret));
	assert_int_equal(mpp_client_init(d->c, mpp_client_size(), &d->config,
					 &w->crypto, &d->c),
			 MPP_OK);
	mpp_client_connect(d->c, world_now(w));
}

static inline uint64_t world_sum(const uint8_t *p, size_t n)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	while (n-- > 0)
		h = (h ^ *p++) * UINT64_C(0x100000001b3);
	return h;
}

static inline void world_tell_dns(struct told *t, const mpp_client_event *ev)
{
	static uint8_t room[MPP_DNS_ANSWER_MAX];
	mpp_buf dns = {room, sizeof(room), 0};

	if (ev->kind != MPP_EV_RESPONSE || mpp_client_dns(ev, &dns) != MPP_OK)
		return;
	t->dns_len = dns.len;
	t->dns_sum = world_sum(dns.p, dns.len);
}

static inline void world_tell(struct world_device *d,
			      const mpp_client_event *ev, uint64_t now)
{
	uint8_t room[MPP_STORE_MAX + MPP_DIGEST_MAX];
	mpp_buf scratch = {room, sizeof(room), 0};
	struct told *t = &d->told[d->n_told % WORLD_EVENTS];
	mpp_store_status st;
	size_t cursor = 0, n = 0;

	d->n_told++;
	memset(t, 0, sizeof(*t));
	t->kind = ev->kind;
	t->serial = ev->serial;
	t->status = ev->status;
	t->more = ev->more;
	t->n_stores = ev->n_stores;
	t->request = ev->request;
	t->endpoint = ev->endpoint;
	t->at = now;
	world_tell_dns(t, ev);
	if (ev->text.len != 0)
		memcpy(t->text, ev->text.p, ev->text.len);
	while (n < 8 && mpp_client_store_next(ev, &cursor, &scratch, &st)) {
		memcpy(t->store[n], st.store.p, st.store.len);
		t->index[n++] = st.index;
	}
}

static inline void world_save(struct world_device *d,
			      const mpp_client_event *ev)
{
	d->saved_ms = ev->timestamp_ms;
	d->have_key = ev->have_service_key;
	memcpy(d->key, ev->service_key, MPP_DH_MAX);
	if (ev->have_learnt) {
		memcpy(d->config.learnt, ev->learnt, sizeof(d->config.learnt));
		d->n_learnt++;
	}
	if (!ev->have_token)
		return;
	d->token_len = ev->token.len;
	d->n_tokens += ev->token.len != 0;
	if (ev->token.len != 0)
		memcpy(d->token, ev->token.p, ev->token.len);
	memcpy(d->token_secret, ev->token_secret, sizeof(d->token_secret));
}

static inline void world_events(struct world *w, struct world_device *d)
{
	mpp_client_event ev;

	while (!d->deaf && mpp_client_next_event(d->c, &ev) == MPP_OK) {
		if (ev.kind == MPP_EV_SAVE) {
			world_save(d, &ev);
			mpp_client_saved(d->c);
		} else {
			world_tell(d, &ev, w->now);
		}
	}
}

static inline struct flying *world_fly(struct world *w, const uint8_t *data,
				       size_t len)
{
	struct flying *f;

	assert_true(w->n_fly < WORLD_FLIGHT);
	f = &w->fly[w->n_fly++];
	memset(f, 0, offsetof(struct flying, data));
	f->at = w->now + w->delay_us;
	if (w->jitter_us != 0)
		f->at += world_random(w) % w->jitter_us;
	f->len = len;
	memcpy(f->data, data, len);
	return f;
}

/* Put a datagram on the way; the network may do to it what it does. */
static inline void world_carry(struct world *w, bool to_service, int device,
			       const uint8_t *data, size_t len)
{
	unsigned copies = 1, i;
	struct flying *f;

	w->sent++;
	if (to_service)
		w->to_service_bytes += len;
	else
		w->to_device_bytes += len;
	if (world_random(w) % 100 < w->loss_pct) {
		w->lost++;
		return;
	}
	if (world_random(w) % 100 < w->dup_pct) {
		w->duplicated++;
		copies = 2;
	}
	for (i = 0; i < copies; i++) {
		f = world_fly(w, data, len);
		f->to_service = to_service;
		f->device = device;
		f->from = w->d[device].addr;
		if (w->drop != NULL && w->drop(w, f)) {
			w->n_fly--;
			w->lost++;
		}
	}
}

static inline int world_find(const struct world *w, const mpp_addr *a)
{
	int i;

	for (i = 0; i < WORLD_DEVICES; i++) {
		if (w->d[i].addr.port == a->port &&
		    memcmp(w->d[i].addr.ip, a->ip, 16) == 0)
			return i;
	}
	return -1;
}

static inline void world_outbox(struct world *w, const mpp_outbox *out)
{
	size_t i;
	int to;

	for (i = 0; i < out->n; i++) {
		to = world_find(w, &out->slots[i].to);
		if (to >= 0)
			world_carry(w, false, to, out->slots[i].data,
				    out->slots[i].len);
	}
}

/* The store: one batch at a time, answered after commit_us. */
static inline void world_commits(struct world *w)
{
	struct store_error e;
	mpp_commit c;
	mpp_bytes batch;
	mpp_err err = w->commit_result;

	if (w->commit_id != 0 && w->commit_at <= w->now && !w->store_stalls) {
		batch = (mpp_bytes){w->commit_copy, w->commit_len};
		if (err == MPP_OK)
			err = w->store->ops->commit(w->store, &batch, 1, &e);
		mpp_service_committed(w->s, w->commit_id, err, world_now(w));
		w->commit_id = 0;
	}
	if (w->commit_id == 0 && mpp_service_commit(w->s, &c)) {
		w->commit_id = c.id;
		w->commit_at = w->now + w->commit_us;
		w->commit_len = c.batch.len;
		memcpy(w->commit_copy, c.batch.p, c.batch.len);
	}
}

static inline void world_service(struct world *w)
{
	static mpp_datagram slots[64];
	mpp_outbox out = {slots, 64, 0};

	if (w->service_down)
		return;
	world_commits(w);
	if (w->resolver != NULL) {
		w->resolver(w, &out);
		world_outbox(w, &out);
	}
	do {
		out.n = 0;
		mpp_service_poll(w->s, world_now(w), &out);
		world_outbox(w, &out);
		if (w->answers != NULL)
			w->answers(w);
	} while (mpp_service_deadline(w->s).us <= w->now);
}

static inline void world_client(struct world *w, int i)
{
	struct world_device *d = &w->d[i];
	uint8_t p[MPP_PACKET_MAX];
	mpp_buf out = {p, sizeof(p), 0};
	unsigned n = 0;

	if (d->c == NULL)
		return;
	mpp_client_tick(d->c, world_now(w));
	world_events(w, d);
	while (mpp_client_send(d->c, world_now(w), &out) == MPP_OK) {
		assert_true(n++ < 100);
		world_carry(w, true, i, out.p, out.len);
		world_events(w, d);
	}
	world_events(w, d);
	while (mpp_client_send(d->c, world_now(w), &out) == MPP_OK) {
		assert_true(n++ < 100);
		world_carry(w, true, i, out.p, out.len);
	}
}

static inline void world_deliver(struct world *w)
{
	static mpp_datagram slots[64];
	mpp_outbox out = {slots, 64, 0};
	struct flying f;
	size_t i;

	for (i = 0; i < w->n_fly;) {
		if (w->fly[i].at > w->now) {
			i++;
			continue;
		}
		f = w->fly[i];
		w->fly[i] = w->fly[--w->n_fly];
		if (i != w->n_fly)
			w->reordered++;
		if (f.to_service && !w->service_down) {
			out.n = 0;
			(void)mpp_service_receive(
				w->s, (mpp_buf){f.data, f.len, f.len}, &f.from,
				world_now(w), &out);
			world_outbox(w, &out);
			world_service(w);
		} else if (!f.to_service && w->d[f.device].c != NULL) {
			(void)mpp_client_receive(
				w->d[f.device].c,
				(mpp_buf){f.data, f.len, f.len}, world_now(w));
			world_client(w, f.device);
		}
	}
}

static inline uint64_t world_next(const struct world *w)
{
	uint64_t at = UINT64_MAX, t;
	size_t i;

	for (i = 0; i < w->n_fly; i++)
		at = w->fly[i].at < at ? w->fly[i].at : at;
	if (!w->service_down) {
		t = mpp_service_deadline(w->s).us;
		at = t < at ? t : at;
		if (w->resolver != NULL && w->resolver_at < at)
			at = w->resolver_at;
		if (w->commit_id != 0 && !w->store_stalls)
			at = w->commit_at < at ? w->commit_at : at;
	}
	for (i = 0; i < WORLD_DEVICES; i++) {
		if (w->d[i].c == NULL)
			continue;
		t = mpp_client_deadline(w->d[i].c).us;
		at = t < at ? t : at;
	}
	return at;
}

/* Everything that is due now. */
static inline void world_settle(struct world *w)
{
	int i;

	world_deliver(w);
	world_service(w);
	for (i = 0; i < WORLD_DEVICES; i++)
		world_client(w, i);
	if (!w->service_down)
		world_commits(w);
}

/* Let virtual time pass. */
static inline void world_run(struct world *w, uint64_t us)
{
	uint64_t end = w->now + us, at;
	unsigned idle = 0;

	world_settle(w);
	while ((at = world_next(w)) <= end) {
		/* A deadline in the past that nothing moves is a bug. */
		if (at <= w->now)
			assert_true(idle++ < 1000);
		else
			idle = 0;
		w->now = at > w->now ? at : w->now;
		world_settle(w);
	}
	w->now = end;
	world_settle(w);
}

/* ---- what tests ask of it ---- */

static inline mpp_result world_result(struct world *w, uint64_t op)
{
	mpp_result r = {0, MPP_ERR_AGAIN, 0};
	unsigned i;

	for (i = 0; i < 1000; i++) {
		if (mpp_service_next_result(w->s, &r)) {
			assert_int_equal(r.op, op);
			return r;
		}
		world_run(w, 100);
	}
	fail_msg("no result for change %u", (unsigned)op);
	return r;
}

static inline void world_account(struct world *w, const char *name)
{
	assert_int_equal(mpp_service_account_add(w->s, bytes_of(name), 7),
			 MPP_OK);
	assert_int_equal(world_result(w, 7).err, MPP_OK);
}

static inline void world_invite(struct world *w, int i, const char *account,
				unsigned rights)
{
	struct world_device *d = &w->d[i];
	mpp_wall until = {w->now + w->epoch + UINT64_C(900000000)};
	unsigned k;

	for (k = 0; k < MPP_INVITATION_LEN; k++)
		d->config.invitation[k] = (uint8_t)world_random(w);
	d->config.have_invitation = true;
	assert_int_equal(mpp_service_invite(w->s, bytes_of(account),
					    d->config.invitation, rights, until,
					    8, world_now(w).wall),
			 MPP_OK);
	assert_int_equal(world_result(w, 8).err, MPP_OK);
}

static inline uint64_t world_publish(struct world *w, const char *account,
				     const char *store, uint64_t index)
{
	mpp_store_status st = {bytes_of(store), index, {NULL, 0}};
	mpp_published done;

	assert_int_equal(mpp_service_publish(w->s, bytes_of(account), &st, 1,
					     false, 9, world_now(w).wall,
					     &done),
			 MPP_OK);
	if (done.waiting)
		assert_int_equal(world_result(w, 9).err, MPP_OK);
	return done.serial;
}

/* How often a device was told this kind of event. */
static inline size_t world_count(const struct world_device *d,
				 mpp_client_event_kind kind)
{
	size_t i, n = 0;

	for (i = 0; i < d->n_told && i < WORLD_EVENTS; i++)
		n += d->told[i].kind == kind;
	return n;
}

static inline const struct told *world_last(const struct world_device *d,
					    mpp_client_event_kind kind)
{
	size_t i = d->n_told < WORLD_EVENTS ? d->n_told : WORLD_EVENTS;

	while (i-- > 0) {
		if (d->told[i].kind == kind)
			return &d->told[i];
	}
	return NULL;
}

/* The serial that the service knows device number k of an account to hold. */
static inline uint64_t world_acknowledged(const struct world *w,
					  const char *account)
{
	mpp_account_info a;
	mpp_device_info d;
	mpp_connection_info c;
	uint32_t cursor = 0, k;
	uint64_t least = UINT64_MAX;

	if (!mpp_service_account_find(w->s, bytes_of(account), &a))
		return 0;
	while (mpp_service_device_next(w->s, &a, &cursor, &d)) {
		k = 0;
		if (!mpp_service_connection_next(w->s, &d, &k, world_now(w),
						 &c))
			return 0;
		least = c.acknowledged < least ? c.acknowledged : least;
	}
	return least;
}

/* An account with n devices, enrolled and subscribed. */
static inline void world_subscribed(struct world *w, const char *account,
				    int first, int n)
{
	int i;

	world_account(w, account);
	for (i = first; i < first + n; i++) {
		world_device(w, i, account, MPP_MODE_SUBSCRIBE);
		world_invite(w, i, account, MPP_RIGHT_SUBSCRIBE);
		world_connect(w, i);
	}
	world_run(w, 3000000);
	for (i = first; i < first + n; i++)
		assert_int_equal(world_count(&w->d[i], MPP_EV_CONNECTED), 1);
}

#endif
