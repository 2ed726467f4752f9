/* SPDX-License-Identifier: MIT */
/* service.c - the presence service: memory, start, timers.
 * Contract: mpp/service.h; map of the files: service.h. */
#include "role/service.h"

#include "base/mem.h"
#include "stun/stun.h"

enum { ALIGN = 64 };

/* ---- memory: one block, cut into pools ---- */

struct cut {
	uint8_t *base; /* NULL: only count */
	size_t n;
};

static void *cut(struct cut *c, size_t each, size_t n)
{
	void *at = c->base != NULL ? c->base + c->n : NULL;

	c->n += (each * n + ALIGN - 1) / ALIGN * ALIGN;
	return at;
}

static void cut_pool(struct cut *c, struct pool *p, size_t each, uint32_t n)
{
	pool_init(p, cut(c, each, n), each, n);
}

static void cut_hash(struct cut *c, struct hash *h, uint32_t n)
{
	uint32_t buckets = 16;

	while (buckets < n)
		buckets *= 2;
	h->bucket = cut(c, sizeof(*h->bucket), buckets);
	h->mask = buckets - 1;
}

static void cut_all(struct cut *c, struct mpp_service *s,
		    const mpp_service_config *k)
{
	struct presence *p = &s->state;

	cut_pool(c, &p->accounts, sizeof(struct account), k->accounts);
	cut_pool(c, &p->devices, sizeof(struct device), k->devices);
	cut_pool(c, &p->entries, sizeof(struct entry), k->stores);
	cut_pool(c, &p->invitations, sizeof(struct invitation), k->invitations);
	cut_pool(c, &p->bindings, sizeof(struct binding), k->bindings);
	cut_pool(c, &p->halves, sizeof(struct half_open), k->half_open);
	cut_pool(c, &p->trials, sizeof(struct trial), k->paths);
	cut_pool(c, &p->snapshots, sizeof(struct snapshot), k->snapshots);
	cut_pool(c, &p->probes, sizeof(struct waiting_probe), k->probes);
	cut_pool(c, &p->resolves, sizeof(struct resolve), k->resolves);
	cut_hash(c, &p->by_name, k->accounts);
	cut_hash(c, &p->by_key, k->devices);
	cut_hash(c, &p->by_secret, k->invitations);
	cut_hash(c, &p->by_binding, k->resolves);
	p->due.e = cut(c, sizeof(*p->due.e), k->bindings);
	p->due.where = cut(c, sizeof(*p->due.where), k->bindings);
	s->waiting.at = cut(c, sizeof(struct change), k->operations);
	s->done.at = cut(c, sizeof(struct change), k->operations);
	s->answers.at = cut(c, sizeof(struct change), k->operations);
	cut_pool(c, &s->held.pool, sizeof(struct held), k->held);
	cut_hash(c, &s->held.by_slot, k->held);
	cut_hash(c, &s->held.by_number, k->held);
	s->held.due.e = cut(c, sizeof(*p->due.e), k->held);
	s->held.due.where = cut(c, sizeof(*p->due.where), k->held);
	s->stun_spent = cut(c, sizeof(*s->stun_spent), STUN_ADDRESSES);
	s->stun_prefix_spent =
		cut(c, sizeof(*s->stun_prefix_spent), STUN_PREFIXES);
	s->buffers[0] = cut(c, 1, k->commit_bytes);
	s->buffers[1] = cut(c, 1, k->commit_bytes);
}

static void set_default(uint32_t *v, uint32_t standard)
{
	if (*v == 0)
		*v = standard;
}

static mpp_service_config effective(const mpp_service_config *config)
{
	mpp_service_config k = *config;

	set_default(&k.bindings, 1024);
	set_default(&k.half_open, 256);
	set_default(&k.paths, 256);
	set_default(&k.snapshots, 64);
	if (k.snapshots == MPP_NO_SNAPSHOTS)
		k.snapshots = 0;
	set_default(&k.probes, 256);
	set_default(&k.held, 256);
	set_default(&k.devices, 1024);
	set_default(&k.accounts, 256);
	set_default(&k.stores, 4096);
	set_default(&k.invitations, 256);
	set_default(&k.operations, 1024);
	set_default(&k.commit_bytes, 262144);
	set_default(&k.devices_per_account, 64);
	set_default(&k.stores_per_account, STORE_NUMBERS);
	set_default(&k.lease_ms, 60000);
	set_default(&k.lease_min_ms, 10000);
	set_default(&k.lease_max_ms, 3600000);
	set_default(&k.idle_ms, 3600000);
	set_default(&k.token_life_s, 2592000);
	set_default(&k.reconnect_rate, 2000);
	set_default(&k.renew_s, 86400);
	set_default(&k.dh25519_us, 40);
	set_default(&k.dh448_us, 200);
	set_default(&k.dh_percent, 10);
	set_default(&k.handshakes, 6);
	set_default(&k.requests_per_s, 20);
	set_default(&k.request_burst, 40);
	set_default(&k.resolves, 256);
	if (k.resolves == MPP_NO_RESOLVES)
		k.resolves = 0;
	set_default(&k.resolve_ms, 6000);
	set_default(&k.resolves_per_device, 8);
	set_default(&k.resolves_per_s, 10);
	set_default(&k.instances_allowed, 1);
	set_default(&k.stun_address, 50);
	set_default(&k.stun_prefix, 5000);
	set_default(&k.renew_packets, 1u << 23);
	return k;
}

static bool possible(const mpp_service_config *k)
{
	return k->bindings < (1u << 28) && k->half_open < (1u << 28) &&
	       k->paths < (1u << 28) && k->snapshots < (1u << 20) &&
	       k->probes < (1u << 28) && k->held < (1u << 24) &&
	       k->devices < (1u << 28) && k->accounts < (1u << 28) &&
	       k->stores < (1u << 28) && k->invitations < (1u << 28) &&
	       k->operations < (1u << 20) && k->commit_bytes >= 32768 &&
	       k->commit_bytes <= (1u << 30) &&
	       k->stores_per_account <= STORE_NUMBERS &&
	       k->lease_min_ms >= 1000 && k->lease_min_ms <= k->lease_max_ms &&
	       k->lease_ms >= k->lease_min_ms &&
	       k->lease_ms <= k->lease_max_ms && k->lease_max_ms <= 86400000 &&
	       k->idle_ms <= 604800000 && k->token_life_s <= 31536000 &&
	       k->renew_s >= 10 && k->renew_s <= 604800 &&
	       k->renew_packets <= (1u << 30) && k->dh25519_us <= 1000000 &&
	       k->dh448_us <= 1000000 && k->dh_percent <= 100 &&
	       k->handshakes <= 10000 && k->requests_per_s <= 1000 &&
	       k->request_burst <= 100000 && k->resolves <= RESOLVES_MOST &&
	       k->resolve_ms <= 61000 && k->resolves_per_device <= 64 &&
	       k->resolves_per_s <= 1000 && k->instances_allowed <= INSTANCES &&
	       k->stun_address <= 100000 && k->stun_prefix <= 1000000;
}

/* The layout, with the service itself in front. Counting needs somewhere to
 * put the addresses, and a struct mpp_service is too large for a stack: only
 * its pool heads are used. */
size_t mpp_service_size(const mpp_service_config *config)
{
	mpp_service_config k = effective(config);
	struct cut c = {NULL, 0};
	uint32_t buckets[] = {k.accounts, k.devices, k.invitations,
			      k.held,     k.held,    k.resolves};
	struct hash h;
	unsigned i;

	if (!possible(&k))
		return 0;
	cut(&c, sizeof(struct mpp_service), 1);
	cut(&c, sizeof(struct account), k.accounts);
	cut(&c, sizeof(struct device), k.devices);
	cut(&c, sizeof(struct entry), k.stores);
	cut(&c, sizeof(struct invitation), k.invitations);
	cut(&c, sizeof(struct binding), k.bindings);
	cut(&c, sizeof(struct half_open), k.half_open);
	cut(&c, sizeof(struct trial), k.paths);
	cut(&c, sizeof(struct snapshot), k.snapshots);
	cut(&c, sizeof(struct waiting_probe), k.probes);
	cut(&c, sizeof(struct resolve), k.resolves);
	for (i = 0; i < sizeof(buckets) / sizeof(buckets[0]); i++)
		cut_hash(&c, &h, buckets[i]);
	cut(&c, sizeof(struct heap_entry), k.bindings);
	cut(&c, sizeof(uint32_t), k.bindings);
	cut(&c, sizeof(struct held), k.held);
	cut(&c, sizeof(struct heap_entry), k.held);
	cut(&c, sizeof(uint32_t), k.held);
	for (i = 0; i < 3; i++)
		cut(&c, sizeof(struct change), k.operations);
	cut(&c, sizeof(uint32_t), STUN_ADDRESSES);
	cut(&c, sizeof(uint32_t), STUN_PREFIXES);
	cut(&c, 1, k.commit_bytes);
	cut(&c, 1, k.commit_bytes);
	return c.n;
}

/* ---- start ---- */

static mpp_err init_suite(struct mpp_service *s, int suite,
			  const uint8_t *secret)
{
	struct service_suite *u = &s->suites[suite - 1];
	size_t len = mpp_dh_len(suite);
	mpp_err err;

	if (mem_is_zero(secret, len))
		return MPP_OK;
	memcpy(u->key.secret, secret, len);
	err = s->crypto.ops->dh_public(s->crypto.ctx, suite, secret,
				       u->key.pub);
	if (err == MPP_OK)
		err = mpp_udf_key(&s->crypto, suite, u->key.pub, u->udf);
	u->on = err == MPP_OK;
	return err;
}

static void init_hash(struct hash *h)
{
	memset(h->bucket, 0xff, ((size_t)h->mask + 1) * sizeof(*h->bucket));
}

/* As secret as cookies, and of no use for making any. */
static mpp_err init_stun(struct mpp_service *s)
{
	static const uint8_t label[] = {'s', 't', 'u', 'n'};
	const mpp_bytes part = {label, sizeof(label)};
	const mpp_bytes key = {s->cookie_secret, sizeof(s->cookie_secret)};
	uint8_t mac[64];
	const mpp_err err =
		s->crypto.ops->hmac(s->crypto.ctx, key, &part, 1, mac);

	memcpy(s->stun_key, mac, sizeof(s->stun_key));
	mem_wipe(mac, sizeof(mac));
	return err;
}

static mpp_err init_random(struct mpp_service *s)
{
	uint8_t r[8];
	struct rd in = rd_init((mpp_bytes){r, sizeof(r)});
	mpp_err err = s->crypto.ops->random(s->crypto.ctx, s->cookie_secret,
					    sizeof(s->cookie_secret));

	if (err == MPP_OK)
		err = s->crypto.ops->random(s->crypto.ctx, r, sizeof(r));
	if (err == MPP_OK) {
		s->generation = rd_u32(&in);
		s->state.hash_seed = rd_u32(&in);
		err = s->crypto.ops->random(s->crypto.ctx,
					    s->ticket_cookie_secret,
					    sizeof(s->ticket_cookie_secret));
	}
	return err == MPP_OK ? init_stun(s) : err;
}

static mpp_err init_secrets(struct mpp_service *s,
			    const mpp_service_secrets *secrets)
{
	mpp_err err = init_suite(s, MPP_SUITE_25519, secrets->x25519);

	if (err == MPP_OK)
		err = init_suite(s, MPP_SUITE_448, secrets->x448);
	if (err == MPP_OK && !s->suites[0].on && !s->suites[1].on)
		err = MPP_ERR_INVALID;
	memcpy(s->sid_key, secrets->sid_key, sizeof(s->sid_key));
	memcpy(s->reset_key, secrets->reset_key, sizeof(s->reset_key));
	service_minter_own(s, &secrets->token);
	return err == MPP_OK ? init_random(s) : err;
}

mpp_err mpp_service_init(void *mem, size_t len,
			 const mpp_service_config *config,
			 const mpp_service_secrets *secrets,
			 const mpp_crypto *crypto, mpp_service **out)
{
	size_t need = mpp_service_size(config);
	struct cut c = {mem, 0};
	struct mpp_service *s;
	mpp_err err;

	if (need == 0)
		return MPP_ERR_INVALID;
	if (len < need)
		return MPP_ERR_NOSPACE;
	s = cut(&c, sizeof(*s), 1);
	memset(s, 0, sizeof(*s));
	s->crypto = *crypto;
	s->config = effective(config);
	cut_all(&c, s, &s->config);
	s->state.devices_per_account = s->config.devices_per_account;
	s->state.stores_per_account = s->config.stores_per_account;
	init_hash(&s->state.by_name);
	init_hash(&s->state.by_key);
	init_hash(&s->state.by_secret);
	init_hash(&s->held.by_slot);
	init_hash(&s->held.by_number);
	service_resolve_init(s);
	s->fill = wr_init(s->buffers[0], s->config.commit_bytes);
	s->fill_id = 1;
	s->hour_us = (uint64_t)s->config.renew_s * 1000000 / RENEW_HOURS;
	err = init_secrets(s, secrets);
	if (err != MPP_OK) {
		mpp_service_wipe(s);
		return err;
	}
	*out = s;
	return MPP_OK;
}

void mpp_service_wipe(mpp_service *s)
{
	const struct pool *b = &s->state.bindings, *n = &s->state.snapshots;
	const struct pool *r = &s->state.resolves;

	mem_wipe(b->base, (size_t)b->fresh * b->stride);
	mem_wipe(n->base, (size_t)n->fresh * n->stride);
	mem_wipe(r->base, (size_t)r->fresh * r->stride);
	mem_wipe(s, sizeof(*s));
}

void mpp_service_leap_seconds(mpp_service *s, unsigned tai_utc, mpp_wall until)
{
	s->leap_seconds = tai_utc;
	s->leap_until = until;
}

mpp_err mpp_service_load(mpp_service *s, mpp_bytes key, mpp_bytes value)
{
	s->loaded = true;
	return record_load(&s->state, key, value, service_fill(s));
}

/* ---- timers ---- */

static uint64_t since_ms(uint32_t then, mpp_time now)
{
	return now.us - (uint64_t)(uint32_t)(ms_of(now) - then) * 1000 -
	       now.us % 1000;
}

static uint64_t wait_unit(const struct binding *b)
{
	uint64_t pto = service_pto(b);

	return pto > W_MIN_US ? pto : W_MIN_US;
}

/* When the lease, or what comes after it, runs out. */
static uint64_t lease_deadline(const struct mpp_service *s,
			       const struct binding *b, mpp_time now)
{
	uint64_t at = since_ms(b->seen_ms, now);
	uint64_t lease = (uint64_t)b->lease_ms * 1000;
	uint64_t idle = (uint64_t)s->config.idle_ms * 1000;

	if (b->state == BINDING_CONNECTED)
		return at + lease;
	if (b->state == BINDING_CLOSED)
		return at + (idle > 2 * lease ? idle : 2 * lease);
	return at + lease +
	       (uint64_t)(b->state - BINDING_CONNECTED) * wait_unit(b);
}

/* When the publication must be sent, or sent again. */
static uint64_t publish_deadline(const struct mpp_service *s,
				 const struct binding *b, mpp_time now)
{
	uint64_t sent = now.us - (uint32_t)((uint32_t)now.us - b->sent_us);
	struct rtt r;

	if (b->state == BINDING_CLOSED || !service_has_path(b))
		return UINT64_MAX;
	if (service_replaces(b))
		return 0;
	if (b->snapshot != NONE)
		return service_large_deadline(s, b, now);
	if ((b->flags & BIND_SUBSCRIBED) == 0 ||
	    (b->flags & BIND_IN_FLIGHT) == 0)
		return UINT64_MAX;
	if ((b->flags & BIND_HEADER_ACKED) != 0)
		return sent + 1000000 + 2 * service_pto(b);
	r = rtt_of(&b->rtt, service_wakes(b->seen_ms, sent / 1000));
	return sent + rtt_backoff_us(&r, b->tries, FLAT_TRIES);
}

/* When its keys are too old: the first of KEYS_HOURS that it did not see whole.
 */
static uint64_t keys_deadline(const struct mpp_service *s,
			      const struct binding *b)
{
	return (s->hours - service_age(s, b) + KEYS_HOURS) * s->hour_us;
}

static uint64_t trial_deadline(const struct mpp_service *s,
			       const struct binding *b)
{
	if (b->state == BINDING_INITIAL || b->side == NONE)
		return UINT64_MAX;
	return trial_at(&s->state, b->side)->next_us;
}

void service_arm(struct mpp_service *s, uint32_t slot, mpp_time now)
{
	const struct binding *b = binding_at(&s->state, slot);
	const struct half_open *h;
	uint64_t at, other;

	if (b->state == BINDING_INITIAL) {
		h = half_at(&s->state, b->side);
		/* One that waits for the disk ends when the disk has said. */
		at = h->waiting ? UINT64_MAX : h->expires_us;
	} else if ((b->flags & BIND_ENDING) != 0) {
		at = 0;
	} else {
		at = lease_deadline(s, b, now);
		other = publish_deadline(s, b, now);
		at = other < at ? other : at;
		other = trial_deadline(s, b);
		at = other < at ? other : at;
		other = keys_deadline(s, b);
		at = other < at ? other : at;
		other = service_probe_deadline(s, b);
		at = other < at ? other : at;
	}
	heap_set(&s->state.due, slot, at);
}

void service_enter(struct mpp_service *s, uint32_t slot,
		   enum binding_event event, mpp_instant now, mpp_outbox *out)
{
	struct binding *b = binding_at(&s->state, slot);
	const struct binding_rule *r = binding_rule(b->state, event);

	/* An enrolment on its way to the disk cannot be taken back. */
	if (b->state == BINDING_INITIAL && (r->action & ACT_FREE) != 0 &&
	    half_at(&s->state, b->side)->waiting)
		return;
	if ((r->action & ACT_OFFLINE) != 0) {
		s->count.offline++;
		service_large_end(s, b);
	}
	if ((r->action & ACT_FREE) != 0) {
		service_free(s, slot);
		return;
	}
	if ((r->action & ACT_ONLINE) != 0)
		b->flags |= BIND_DUE;
	b->state = r->next;
	if ((r->action & ACT_PROBE) != 0)
		service_probe(s, slot, out);
	service_arm(s, slot, now.mono);
}

/* ---- age of keys ---- */

bool service_renew_due(const struct mpp_service *s, const struct binding *b)
{
	return service_age(s, b) >= RENEW_HOURS ||
	       b->tx_next >= s->config.renew_packets ||
	       b->rx_top >= s->config.renew_packets;
}

bool service_keys_ended(const struct mpp_service *s, uint32_t slot)
{
	const struct binding *b = binding_at(&s->state, slot);

	return b->state != BINDING_FREE && b->state != BINDING_INITIAL &&
	       service_age(s, b) >= KEYS_HOURS;
}

void service_end_keys(struct mpp_service *s, uint32_t slot, mpp_instant now,
		      mpp_outbox *out)
{
	s->count.keys_ended++;
	service_enter(s, slot, EVENT_CLOSE, now, out);
}

/* An age is one octet: when the host slept for longer than that can tell, all
 * keys are too old. */
void service_note_time(struct mpp_service *s, mpp_instant now, mpp_outbox *out)
{
	const uint64_t before = s->hours;
	uint32_t i;

	s->hours = now.mono.us / s->hour_us;
	if (s->hours - before < UINT8_MAX - KEYS_HOURS)
		return;
	for (i = 0; i < s->state.bindings.fresh; i++) {
		const struct binding *b = binding_at(&s->state, i);

		if (b->state != BINDING_FREE && b->state != BINDING_INITIAL)
			service_end_keys(s, i, now, out);
	}
}

/* A device whose token was revoked comes back with its key. */
static void end_binding(struct mpp_service *s, uint32_t slot, mpp_outbox *out)
{
	if ((binding_at(&s->state, slot)->token & TOKEN_REVOKED) != 0)
		service_end(s, slot, MPP_STATUS_UNAUTHENTIC,
			    "the token of this connection was revoked", out);
	else
		service_end(s, slot, MPP_STATUS_FORBIDDEN,
			    "this device was removed from its account", out);
}

/* One binding whose deadline has come. */
static void run_due(struct mpp_service *s, uint32_t slot, mpp_instant now,
		    mpp_outbox *out)
{
	struct binding *b = binding_at(&s->state, slot);

	if ((b->flags & BIND_ENDING) != 0) {
		end_binding(s, slot, out);
	} else if (service_keys_ended(s, slot)) {
		service_end_keys(s, slot, now, out);
	} else if (trial_deadline(s, b) <= now.mono.us) {
		service_path_due(s, slot, now, out);
		service_arm(s, slot, now.mono);
	} else if (b->state != BINDING_INITIAL &&
		   service_probe_deadline(s, b) <= now.mono.us) {
		service_probe_due(s, slot, now, out);
		service_arm(s, slot, now.mono);
	} else if (b->state != BINDING_INITIAL &&
		   publish_deadline(s, b, now.mono) <= now.mono.us) {
		service_publish_to(s, slot, now, out);
		service_arm(s, slot, now.mono);
	} else if (b->state == BINDING_INITIAL ||
		   lease_deadline(s, b, now.mono) <= now.mono.us) {
		service_enter(s, slot, EVENT_DEADLINE, now, out);
	} else {
		service_arm(s, slot, now.mono);
	}
}

void mpp_service_poll(mpp_service *s, mpp_instant now, mpp_outbox *out)
{
	service_note_time(s, now, out);
	service_answer(s, now, out);
	service_resolve_due(s, now, out);
	while (out->n < out->cap && heap_first(&s->state.due) <= now.mono.us)
		run_due(s, s->state.due.e[0].id, now, out);
}

mpp_time mpp_service_deadline(const mpp_service *s)
{
	const uint64_t held = heap_first(&s->held.due);
	const uint64_t names = service_resolve_deadline(s);
	uint64_t due = heap_first(&s->state.due);

	if (s->answers.n != 0)
		return (mpp_time){0};
	due = held < due ? held : due;
	return (mpp_time){names < due ? names : due};
}

mpp_err mpp_service_receive(mpp_service *s, mpp_buf in, const mpp_addr *from,
			    mpp_instant now, mpp_outbox *out)
{
	static const uint8_t zero[16];

	service_note_time(s, now, out);
	s->count.received++;
	if (stun_is((mpp_bytes){in.p, in.len}))
		return service_stun(s, (mpp_bytes){in.p, in.len}, from,
				    now.mono, out);
	if (in.len < PACKET_OVERHEAD || in.len > MPP_PACKET_MAX) {
		s->count.drop_short++;
		return MPP_ERR_RANGE;
	}
	if (memcmp(in.p, zero, sizeof(zero)) == 0)
		return service_connect(s, (mpp_bytes){in.p, in.len}, from, now,
				       out);
	return service_data(s, in, from, now, out);
}
