/* SPDX-License-Identifier: MIT */
/* service_resolve.c - names that the host resolves for devices (docs/protocol.md
 * section 17).
 *
 * A request becomes a record beside its binding until the host has answered or
 * its time is over. Nothing is kept of an answer but what one that does not fit
 * a packet needs while it is on its way: a device that did not get it asks
 * again, and the host still knows it. */
#include "role/service.h"

#include "base/bucket.h"
#include "base/mem.h"

enum {
	DNS_HEADER = 12,
	DNS_ANSWER_MOST = 16384,
	DNS_BLOCK = 468,    /* answers are padded so (RFC 8467) */
	INDEX_BITS = 14,    /* of an id; above it counts the uses */
	WHEN_MANY_MS = 250, /* to come again: a place is free soon, */
	WHEN_FULL_MS = 1000 /* and when many want it */
};

static_assert(RESOLVES_MOST <= 1 << INDEX_BITS, "an index fits an id");

void service_resolve_init(struct mpp_service *s)
{
	const struct hash *h = &s->state.by_binding;

	memset(h->bucket, 0xff, ((size_t)h->mask + 1) * sizeof(*h->bucket));
	s->resolve_first = NONE;
	s->resolve_last = NONE;
	s->resolve_fresh = NONE;
}

/* ---- records ---- */

static uint32_t *bucket_of(const struct mpp_service *s, uint32_t slot)
{
	return &s->state.by_binding.bucket[slot & s->state.by_binding.mask];
}

static void append(struct mpp_service *s, uint32_t i)
{
	struct resolve *r = resolve_at(&s->state, i);
	uint32_t *head = bucket_of(s, r->binding);

	r->hash_next = *head;
	*head = i;
	r->next = NONE;
	r->prev = s->resolve_last;
	if (r->prev != NONE)
		resolve_at(&s->state, r->prev)->next = i;
	else
		s->resolve_first = i;
	s->resolve_last = i;
	if (s->resolve_fresh == NONE)
		s->resolve_fresh = i;
}

static void unlink_hash(struct mpp_service *s, uint32_t i)
{
	const struct resolve *r = resolve_at(&s->state, i);
	uint32_t *at = bucket_of(s, r->binding);

	while (*at != i)
		at = &resolve_at(&s->state, *at)->hash_next;
	*at = r->hash_next;
}

static void forget(struct mpp_service *s, uint32_t i)
{
	struct resolve *r = resolve_at(&s->state, i);

	unlink_hash(s, i);
	if (r->prev != NONE)
		resolve_at(&s->state, r->prev)->next = r->next;
	else
		s->resolve_first = r->next;
	if (r->next != NONE)
		resolve_at(&s->state, r->next)->prev = r->prev;
	else
		s->resolve_last = r->prev;
	if (s->resolve_fresh == i)
		s->resolve_fresh = r->next;
	mem_wipe(r, sizeof(*r));
	pool_give(&s->state.resolves, i);
}

/* Those of a binding: how many, and which one has this serial. */
static unsigned count(const struct mpp_service *s, uint32_t slot)
{
	unsigned n = 0;
	uint32_t i = *bucket_of(s, slot);

	for (; i != NONE; i = resolve_at(&s->state, i)->hash_next)
		n += resolve_at(&s->state, i)->binding == slot;
	return n;
}

static bool is_under_way(const struct mpp_service *s, uint32_t slot,
			 uint64_t serial)
{
	uint32_t i = *bucket_of(s, slot);

	for (; i != NONE; i = resolve_at(&s->state, i)->hash_next) {
		const struct resolve *r = resolve_at(&s->state, i);

		if (r->binding == slot && r->serial == serial)
			return true;
	}
	return false;
}

void service_resolve_end(struct mpp_service *s, uint32_t slot)
{
	uint32_t i = *bucket_of(s, slot), next;

	for (; i != NONE; i = next) {
		next = resolve_at(&s->state, i)->hash_next;
		if (resolve_at(&s->state, i)->binding == slot)
			forget(s, i);
	}
}

/* ---- requests ---- */

/* 0, or the status of a query that is not even handed to the host. */
static unsigned read_query(const struct request *q, struct resolve *r)
{
	mpp_buf to = {r->query, sizeof(r->query), 0};
	mpp_err err;

	if (!msg_has(q->m, FIELD_DNS_REQUEST))
		return MPP_STATUS_MALFORMED;
	err = msg_blob(&q->m->dns_request, &to);
	if (err == MPP_ERR_NOSPACE)
		return MPP_STATUS_TOO_LARGE;
	if (err != MPP_OK || to.len < DNS_HEADER)
		return MPP_STATUS_MALFORMED;
	r->len = (uint16_t)to.len;
	return 0;
}

/* How many names are being resolved for the device, in all instances. */
static unsigned of_device(const struct mpp_service *s, const struct binding *b)
{
	const struct device *d = device_at(&s->state, b->device);
	unsigned n = 0, k;

	for (k = 0; k < INSTANCES; k++) {
		if (d->instances[k].binding != NONE)
			n += count(s, d->instances[k].binding);
	}
	return n;
}

/* How long the device has to wait; 0: it may ask, and that is counted. */
static uint32_t wait_ms(const struct mpp_service *s, const struct request *q)
{
	const struct binding *b = binding_at(&s->state, q->in.slot);
	const uint32_t each = 1000 / s->config.resolves_per_s;
	const struct bucket rate = {each, 2 * each * s->config.resolves_per_s};
	struct device *d = device_at(&s->state, b->device);
	const uint32_t now = ms_of(q->in.now.mono);
	const uint32_t wait = bucket_wait(&rate, d->resolves_ms, now);

	if (wait != 0)
		return wait;
	if (of_device(s, b) >= s->config.resolves_per_device)
		return WHEN_MANY_MS;
	(void)bucket_take(&rate, &d->resolves_ms, now);
	return 0;
}

/* A record was taken, and the query stands in it. */
static void begin(struct mpp_service *s, const struct request *q, uint32_t i)
{
	struct resolve *r = resolve_at(&s->state, i);

	if (++s->resolve_uses >> (32 - INDEX_BITS) != 0)
		s->resolve_uses = 1;
	r->id = s->resolve_uses << INDEX_BITS | i;
	r->binding = q->in.slot;
	r->serial = (uint32_t)q->m->serial;
	r->due_us = q->in.now.mono.us + (uint64_t)s->config.resolve_ms * 1000;
	r->from = *q->in.from;
	r->json = q->m->json;
	append(s, i);
	s->count.resolves++;
}

static void take(struct mpp_service *s, struct request *q)
{
	const uint32_t i = pool_take(&s->state.resolves);
	unsigned status;
	uint32_t wait;

	if (i == NONE) {
		s->count.resolves_full++;
		service_answer_status(s, q, MPP_STATUS_OVERLOADED,
				      "too many names are being resolved",
				      WHEN_FULL_MS);
		return;
	}
	status = read_query(q, resolve_at(&s->state, i));
	wait = status == 0 ? wait_ms(s, q) : 0;
	if (status == 0 && wait == 0) {
		begin(s, q, i);
		(void)(service_by_web(s) &&
		       service_web_hold(s, q, HELD_RESOLVE)); /* has room */
		return;
	}
	mem_wipe(resolve_at(&s->state, i), sizeof(struct resolve));
	pool_give(&s->state.resolves, i);
	s->count.malformed += status != 0;
	s->count.resolves_limited += wait != 0;
	if (status == MPP_STATUS_TOO_LARGE)
		service_answer_status(s, q, status,
				      "DnsRequest has more than 512 octets", 0);
	else if (status != 0)
		service_answer_status(s, q, status, "DnsRequest is no query",
				      0);
	else
		service_answer_status(s, q, MPP_STATUS_TOO_MANY,
				      "too many names for this device", wait);
}

/* It is under way. By HTTP the newest repetition gets the answer. */
static void repeated(struct mpp_service *s, struct request *q)
{
	if (!service_by_web(s) || !service_web_hold(s, q, HELD_RESOLVE))
		service_answer_ack(s, q);
}

void service_resolve(struct mpp_service *s, struct request *q)
{
	const struct binding *b = binding_at(&s->state, q->in.slot);

	if (s->state.resolves.limit == 0)
		service_answer_status(s, q, MPP_STATUS_FORBIDDEN,
				      "this service does not resolve names", 0);
	else if (service_by_web(s) && !service_web_room(s))
		service_answer_status(s, q, MPP_STATUS_OVERLOADED,
				      "too many requests wait here",
				      WHEN_FULL_MS);
	else if (!service_by_web(s) &&
		 service_large_answers(s, b, q->m->serial))
		s->count.requests++; /* what is missing goes out again */
	else if (is_under_way(s, q->in.slot, q->m->serial))
		repeated(s, q);
	else
		take(s, q);
}

bool mpp_service_next_resolve(mpp_service *s, mpp_resolve *out)
{
	const struct resolve *r;

	if (s->resolve_fresh == NONE)
		return false;
	r = resolve_at(&s->state, s->resolve_fresh);
	s->resolve_fresh = r->next;
	out->id = r->id;
	out->query = (mpp_bytes){r->query, r->len};
	return true;
}

/* ---- answers ---- */

static const char no_room_why[] = "no room for a long answer; ask again";
static const char too_long_why[] = "the answer does not fit 16 packets";

/* What an answer to an earlier request says, without the packet around it. */
struct reply {
	const struct resolve *r;
	mpp_bytes dns; /* empty: none */
	struct msg_common common;
	uint32_t retry_ms;
};

static void put_message(mpp_json_writer *w, const struct reply *p)
{
	msg_begin(w, MSG_RESOLVE_RESPONSE);
	if (p->dns.len != 0)
		mpp_json_data(w, "DnsResponse", p->dns);
	msg_put_common(w, &p->common);
	msg_end(w);
}

/* Several packets go to the proved path only, and never take the place of a
 * publication or of another answer. */
static bool may_be_large(const struct binding *b, const mpp_addr *to)
{
	return service_path_is(b, to) && b->snapshot == NONE &&
	       (b->flags & BIND_IN_FLIGHT) == 0;
}

static mpp_err send_large(struct mpp_service *s, const struct reply *p,
			  struct outgoing *o, mpp_instant now, mpp_outbox *out)
{
	const uint32_t slot = p->r->binding;
	const mpp_json_writer before = o->w;
	mpp_err err;

	if (!may_be_large(binding_at(&s->state, slot), p->common.endpoint) ||
	    !service_large_begin(s, slot, o, &before))
		return MPP_ERR_LIMIT;
	put_message(&o->w, p);
	err = service_large_finish(s, slot, o, NULL, p->r->serial);
	if (err == MPP_OK) {
		service_large_send(s, slot, now, out);
		service_arm(s, slot, now.mono);
	}
	return err;
}

/* Errors: LIMIT, it needs several packets and cannot have them now; NOSPACE, it
 * does not fit them; CRYPTO. */
static mpp_err send_reply(struct mpp_service *s, const struct reply *p,
			  mpp_instant now, mpp_outbox *out)
{
	const struct resolve *r = p->r;
	mpp_json_writer before;
	struct outgoing o;

	if (!service_begin(s, r->binding, out, r->json, &o))
		return MPP_OK; /* a loss: the device asks again */
	o.quantum = DNS_BLOCK;
	if (p->retry_ms != 0)
		service_list_retry(&o, r->json, p->retry_ms);
	before = o.w;
	put_message(&o.w, p);
	s->count.requests++;
	if (mpp_json_finish(&o.w) == MPP_ERR_NOSPACE) {
		o.w = before;
		return send_large(s, p, &o, now, out);
	}
	if (service_finish(s, r->binding, &o, p->common.endpoint, 0, NULL,
			   out) != MPP_OK)
		s->count.send_errors++;
	return MPP_OK;
}

/* Instead of an answer that could not be sent as it is. */
static void set_status(struct reply *p, unsigned status, const char *why,
		       uint32_t retry_ms)
{
	p->dns.len = 0;
	p->common.status = status;
	p->common.description = why;
	p->retry_ms = retry_ms;
}

/* It was asked by HTTP: what is to be said stands ready there until the host
 * takes it. False: it was not, or nobody waits for it any more. */
static bool reply_by_web(struct mpp_service *s, const struct reply *p)
{
	struct resolved a = {
		.snapshot = NONE,
		.status = (uint16_t)p->common.status,
		.why = p->common.description,
		.retry_ms = p->retry_ms,
	};

	if (!service_web_waits(s, p->r->binding, p->r->serial))
		return false;
	if (p->dns.len != 0)
		a.snapshot = pool_take(&s->state.snapshots);
	if (a.snapshot != NONE) {
		a.len = (uint16_t)p->dns.len;
		memcpy(snapshot_at(&s->state, a.snapshot)->plain, p->dns.p,
		       a.len);
	} else if (p->dns.len != 0) {
		s->count.no_snapshot++;
		a.status = MPP_STATUS_OVERLOADED;
		a.why = no_room_why;
		a.retry_ms = WHEN_MANY_MS;
	}
	service_web_resolved(s, p->r->binding, p->r->serial, &a);
	return true;
}

static void put_held(const struct held *h, struct outgoing *o,
		     const struct reply *p)
{
	o->quantum = DNS_BLOCK;
	if (p->retry_ms != 0)
		service_list_retry(o, h->json, p->retry_ms);
	put_message(&o->w, p);
}

void service_resolve_held(struct mpp_service *s, const struct held *h,
			  const struct incoming *ack)
{
	const struct binding *b = binding_at(&s->state, h->slot);
	const struct resolved *a = &h->u.resolved;
	struct reply p = {.retry_ms = a->retry_ms};
	struct outgoing o;

	p.common = service_common(s, service_has_path(b) ? &b->path : NULL,
				  ack->now.wall, h->request);
	p.common.status = a->status;
	p.common.description = a->why;
	if (a->snapshot != NONE)
		p.dns = (mpp_bytes){snapshot_at(&s->state, a->snapshot)->plain,
				    a->len};
	if (!service_begin(s, h->slot, NULL, h->json, &o))
		return;
	put_held(h, &o, &p);
	if (mpp_json_finish(&o.w) == MPP_ERR_NOSPACE) {
		set_status(&p, MPP_STATUS_TOO_LARGE, too_long_why, 0);
		if (!service_begin(s, h->slot, NULL, h->json, &o))
			return;
		put_held(h, &o, &p);
	}
	s->count.requests++;
	if (service_finish(s, h->slot, &o, NULL, 0, ack, NULL) != MPP_OK)
		s->count.send_errors++;
}

/* Is there an address to answer? Who came by HTTP alone has none. */
static bool has_address(const struct mpp_service *s, const struct reply *p)
{
	const struct binding *b = binding_at(&s->state, p->r->binding);

	return service_has_path(b) || service_path_tries(s, b, &p->r->from);
}

/* One ends, whatever becomes of its answer. */
static void reply(struct mpp_service *s, uint32_t i, struct reply *p,
		  mpp_instant now, mpp_outbox *out)
{
	const struct resolve *r = resolve_at(&s->state, i);
	const struct binding *b = binding_at(&s->state, r->binding);
	mpp_err err;

	p->r = r;
	p->common.endpoint = service_answer_to(s, b, &r->from);
	/* A device that is being removed hears of that alone. */
	if ((b->flags & BIND_ENDING) == 0 && !reply_by_web(s, p) &&
	    has_address(s, p)) {
		err = send_reply(s, p, now, out);
		if (err == MPP_ERR_NOSPACE)
			set_status(p, MPP_STATUS_TOO_LARGE, too_long_why, 0);
		else if (err != MPP_OK)
			set_status(p, MPP_STATUS_OVERLOADED, no_room_why,
				   WHEN_MANY_MS);
		if (err != MPP_OK && send_reply(s, p, now, out) != MPP_OK)
			s->count.send_errors++;
	}
	forget(s, i);
}

static struct reply reply_to(const struct mpp_service *s, uint32_t i,
			     mpp_instant now)
{
	const struct resolve *r = resolve_at(&s->state, i);

	return (struct reply){
		.r = r,
		.common = service_common(s, NULL, now.wall, r->serial),
	};
}

void mpp_service_resolved(mpp_service *s, uint32_t id, mpp_bytes answer,
			  mpp_instant now, mpp_outbox *out)
{
	const uint32_t i = id & ((1u << INDEX_BITS) - 1);
	struct reply p;

	if (id == 0 || i >= s->state.resolves.fresh ||
	    resolve_at(&s->state, i)->id != id)
		return;
	p = reply_to(s, i, now);
	p.dns = answer;
	if (answer.len < DNS_HEADER || answer.len > DNS_ANSWER_MOST)
		set_status(&p, MPP_STATUS_OVERLOADED,
			   "no name can be resolved now; ask again",
			   WHEN_FULL_MS);
	s->count.resolves_answered++;
	reply(s, i, &p, now, out);
}

void service_resolve_due(struct mpp_service *s, mpp_instant now,
			 mpp_outbox *out)
{
	struct reply p;

	while (out->n < out->cap &&
	       service_resolve_deadline(s) <= now.mono.us) {
		p = reply_to(s, s->resolve_first, now);
		set_status(&p, MPP_STATUS_TIMEOUT,
			   "the name was not resolved in time", 0);
		s->count.resolves_late++;
		reply(s, s->resolve_first, &p, now, out);
	}
}

uint64_t service_resolve_deadline(const struct mpp_service *s)
{
	return s->resolve_first == NONE
		       ? UINT64_MAX
		       : resolve_at(&s->state, s->resolve_first)->due_us;
}
