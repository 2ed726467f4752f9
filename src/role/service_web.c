/* SPDX-License-Identifier: MIT */
/* service_web.c - the Web Service transport (docs/protocol.md section 15).
 *
 * HTTP carries one packet each way; it is opened, judged and answered by the
 * same code as a datagram, but the answer is written where the HTTP response
 * is made from, and what HTTP says nothing of stays as it is: the path, its
 * round-trip time, and what is under way there. An answer may be as long as a
 * datagram of 16 packets.
 *
 * A Status request may wait for news, and what waits for the store waits here
 * for its answer. Each is a record of its own, found by its binding and by the
 * host's number. One that is ready is due at once; mpp_service_next_web() makes
 * the answer from the state of that moment, so nothing is kept. Only the Close
 * of a connection is sealed before, because its keys are gone then. */
#include "role/service.h"

#include "base/mem.h"

enum { WEB_SOCKET = UINT8_MAX };

static struct held *held_at(const struct mpp_service *s, uint32_t i)
{
	return pool_at(&s->held.pool, i);
}

static uint32_t *slot_bucket(const struct mpp_service *s, uint32_t slot)
{
	return &s->held.by_slot.bucket[slot & s->held.by_slot.mask];
}

static uint32_t *number_bucket(const struct mpp_service *s, uint64_t number)
{
	const struct hash *h = &s->held.by_number;

	return &h->bucket[(uint32_t)number & h->mask];
}

static void set_due(struct mpp_service *s, uint32_t i, uint64_t at)
{
	heap_set(&s->held.due, i, at);
}

/* ---- records ---- */

/* It counts in its account no more. */
static void leave_account(const struct mpp_service *s, struct held *h)
{
	if (h->account != NONE)
		account_at(&s->state, h->account)->held--;
	h->account = NONE;
}

static void leave_slot(const struct mpp_service *s, uint32_t i)
{
	struct held *h = held_at(s, i);
	uint32_t *at;

	if (h->slot == NONE)
		return;
	at = slot_bucket(s, h->slot);
	while (*at != i)
		at = &held_at(s, *at)->next_slot;
	*at = h->next_slot;
	h->slot = NONE;
}

/* What stands ready for it is not needed any more. */
static void drop_answer(struct mpp_service *s, struct held *h)
{
	struct snapshot *n;

	if (h->kind != HELD_RESOLVED || h->u.resolved.snapshot == NONE)
		return;
	n = snapshot_at(&s->state, h->u.resolved.snapshot);
	mem_wipe(n->plain, h->u.resolved.len);
	pool_give(&s->state.snapshots, h->u.resolved.snapshot);
	h->u.resolved.snapshot = NONE;
}

static void release(struct mpp_service *s, uint32_t i)
{
	struct held *h = held_at(s, i);
	uint32_t *at = number_bucket(s, h->number);

	drop_answer(s, h);
	leave_account(s, h);
	leave_slot(s, i);
	while (*at != i)
		at = &held_at(s, *at)->next_number;
	*at = h->next_number;
	set_due(s, i, UINT64_MAX);
	pool_give(&s->held.pool, i);
}

/* The next one of a binding from here on, of a kind (0: any). */
static uint32_t of_slot(const struct mpp_service *s, uint32_t i, uint32_t slot,
			unsigned kind)
{
	while (i != NONE && (held_at(s, i)->slot != slot ||
			     (kind != 0 && held_at(s, i)->kind != kind)))
		i = held_at(s, i)->next_slot;
	return i;
}

static uint32_t find(const struct mpp_service *s, uint32_t slot, unsigned kind)
{
	return of_slot(s, *slot_bucket(s, slot), slot, kind);
}

static uint32_t find_request(const struct mpp_service *s, uint32_t slot,
			     enum held_kind kind, uint32_t request)
{
	uint32_t i = find(s, slot, kind);

	while (i != NONE && held_at(s, i)->request != request)
		i = of_slot(s, held_at(s, i)->next_slot, slot, kind);
	return i;
}

bool service_web_room(const struct mpp_service *s)
{
	return s->held.pool.used < s->held.pool.limit;
}

static void fill(struct mpp_service *s, struct held *h, const struct request *q,
		 enum held_kind kind)
{
	const uint8_t *stream = s->web.stream;

	h->slot = q->in.slot;
	h->account = NONE;
	h->request = (uint32_t)q->m->serial;
	h->number = s->web.number;
	h->index = q->in.index;
	h->since = 0;
	h->kind = (uint8_t)kind;
	h->json = q->m->json;
	h->named = stream != NULL;
	if (h->named)
		memcpy(h->stream, stream, STREAM_ID_LEN);
}

/* The same was asked again: that one gets the answer. */
static void give_up(struct mpp_service *s, uint32_t older)
{
	if (older == NONE)
		return;
	held_at(s, older)->kind = HELD_GONE;
	set_due(s, older, 0);
}

bool service_web_hold(struct mpp_service *s, const struct request *q,
		      enum held_kind kind)
{
	const uint32_t i = pool_take(&s->held.pool);
	struct held *h;

	if (i == NONE)
		return false;
	if (kind == HELD_CHANGE || kind == HELD_RESOLVE)
		give_up(s, find_request(s, q->in.slot, kind,
					(uint32_t)q->m->serial));
	h = held_at(s, i);
	fill(s, h, q, kind);
	h->next_slot = *slot_bucket(s, h->slot);
	*slot_bucket(s, h->slot) = i;
	h->next_number = *number_bucket(s, h->number);
	*number_bucket(s, h->number) = i;
	s->web.held = true;
	s->count.web_waited++;
	return true;
}

/* ---- waiting for news ---- */

static const uint64_t *filter_of(const struct binding *b)
{
	static const uint64_t all[2] = {UINT64_MAX, UINT64_MAX};

	return (b->flags & BIND_SUBSCRIBED) != 0 ? b->filter : all;
}

static bool news(const struct mpp_service *s, uint32_t slot, uint64_t since)
{
	const struct binding *b = binding_at(&s->state, slot);

	return account_newer(&s->state, account_of(s, b), filter_of(b),
			     since) != NONE;
}

/* Not so long that the lease ends: the next request is to renew it. */
static uint64_t wait_us(const struct mpp_service *s, const struct binding *b)
{
	const uint64_t most = (uint64_t)b->lease_ms * 3 / 4;
	uint64_t ms = s->web.wait_ms;

	ms = ms < MPP_WEB_WAIT_MAX_MS ? ms : MPP_WEB_WAIT_MAX_MS;
	return (ms < most ? ms : most) * 1000;
}

bool service_web_wait(struct mpp_service *s, const struct request *q,
		      uint64_t since)
{
	const struct binding *b = binding_at(&s->state, q->in.slot);
	const uint32_t account = device_at(&s->state, b->device)->account;
	const uint32_t older = find(s, q->in.slot, HELD_STATUS);
	struct account *a = account_at(&s->state, account);
	uint32_t i;

	if (older != NONE) {
		leave_account(s, held_at(s, older));
		set_due(s, older, 0);
	}
	if (news(s, q->in.slot, since) || a->held >= HELD_PER_ACCOUNT ||
	    !service_web_hold(s, q, HELD_STATUS))
		return false;
	i = *slot_bucket(s, q->in.slot);
	held_at(s, i)->since = since;
	held_at(s, i)->account = account;
	a->held++;
	set_due(s, i, q->in.now.mono.us + wait_us(s, b));
	return true;
}

void service_web_news(struct mpp_service *s, uint32_t slot)
{
	const uint32_t i = find(s, slot, HELD_STATUS);

	if (i == NONE || !news(s, slot, held_at(s, i)->since))
		return;
	s->count.web_news++;
	set_due(s, i, 0);
}

void service_web_wake(struct mpp_service *s, uint32_t slot)
{
	const uint32_t i = find(s, slot, HELD_STATUS);

	if (i != NONE)
		set_due(s, i, 0);
}

bool service_web_changed(struct mpp_service *s, const struct change *c)
{
	const uint32_t i = find_request(s, c->index, HELD_CHANGE, c->request);

	if (i == NONE ||
	    binding_at(&s->state, c->index)->generation != c->generation)
		return false;
	held_at(s, i)->kind = HELD_CHANGED;
	held_at(s, i)->u.change = *c;
	set_due(s, i, 0);
	return true;
}

bool service_web_waits(const struct mpp_service *s, uint32_t slot,
		       uint32_t request)
{
	return find_request(s, slot, HELD_RESOLVE, request) != NONE;
}

void service_web_resolved(struct mpp_service *s, uint32_t slot,
			  uint32_t request, const struct resolved *r)
{
	const uint32_t i = find_request(s, slot, HELD_RESOLVE, request);

	held_at(s, i)->kind = HELD_RESOLVED;
	held_at(s, i)->u.resolved = *r;
	set_due(s, i, 0);
}

/* ---- a connection that ends ---- */

void service_web_leave(struct mpp_service *s, uint32_t slot)
{
	uint32_t i = find(s, slot, HELD_STATUS);

	/* From now on there is no vector; a Close will follow. */
	for (; i != NONE;
	     i = of_slot(s, held_at(s, i)->next_slot, slot, HELD_STATUS)) {
		leave_account(s, held_at(s, i));
		set_due(s, i, UINT64_MAX);
	}
}

static void answer_to(struct mpp_service *s, const struct held *h, mpp_buf *out)
{
	s->web = (struct web){
		.out = out,
		.number = h->number,
		.stream = h->named ? h->stream : NULL,
	};
}

static void end_answer(struct mpp_service *s)
{
	s->web = (struct web){.out = NULL};
}

void service_web_close(struct mpp_service *s, uint32_t slot, unsigned code,
		       const char *why)
{
	const uint32_t i = find(s, slot, HELD_STATUS);
	const struct web before = s->web;
	struct held *h;
	mpp_buf out;

	if (i == NONE)
		return;
	h = held_at(s, i);
	out = (mpp_buf){h->u.close.packet, HELD_CLOSE_MAX, 0};
	answer_to(s, h, &out);
	if (service_say_close(s, slot, code, why, NULL) == MPP_OK) {
		h->kind = HELD_CLOSED;
		h->u.close.len = (uint16_t)out.len;
	}
	s->web = before;
}

void service_web_forget(struct mpp_service *s, uint32_t slot)
{
	uint32_t i;

	while ((i = find(s, slot, 0)) != NONE) {
		struct held *h = held_at(s, i);

		leave_account(s, h);
		leave_slot(s, i);
		drop_answer(s, h);
		if (h->kind != HELD_CLOSED)
			h->kind = HELD_GONE;
		set_due(s, i, 0);
	}
}

/* ---- late answers ---- */

static void answer_status(struct mpp_service *s, const struct held *h,
			  const struct incoming *ack)
{
	struct binding *b = binding_at(&s->state, h->slot);
	const mpp_addr *endpoint = service_has_path(b) ? &b->path : NULL;
	struct msg_common common =
		service_common(s, endpoint, ack->now.wall, h->request);
	struct vector v = {filter_of(b), h->since, 0, true, 0, false};
	struct outgoing o;

	if (!service_begin(s, h->slot, NULL, h->json, &o))
		return;
	v.room = o.w.cap - service_stream_len(s, b, NULL);
	msg_begin(&o.w, MSG_STATUS);
	msg_put_common(&o.w, &common);
	service_put_state(s, h->slot, &o, &v, false);
	s->count.requests++;
	if (service_finish(s, h->slot, &o, NULL, 0, ack, NULL) != MPP_OK)
		s->count.send_errors++;
}

static void answer_held(struct mpp_service *s, const struct held *h,
			mpp_instant now, mpp_buf *out)
{
	static const mpp_addr nowhere;
	const struct incoming ack = {.from = &nowhere,
				     .now = now,
				     .slot = h->slot,
				     .index = h->index};

	answer_to(s, h, out);
	switch ((enum held_kind)h->kind) {
	case HELD_STATUS:
		answer_status(s, h, &ack);
		break;
	case HELD_CHANGED:
		service_answer_held(s, &h->u.change, &ack);
		break;
	case HELD_RESOLVED:
		service_resolve_held(s, h, &ack);
		break;
	case HELD_CLOSED:
		memcpy(out->p, h->u.close.packet, h->u.close.len);
		out->len = h->u.close.len;
		break;
	case HELD_CHANGE:
	case HELD_RESOLVE:
	case HELD_GONE:
		break;
	}
	end_answer(s);
}

bool mpp_service_next_web(mpp_service *s, mpp_instant now, uint64_t *held,
			  mpp_buf *out)
{
	uint32_t i;

	if (heap_first(&s->held.due) > now.mono.us ||
	    out->cap < MPP_WEB_ANSWER_MAX)
		return false;
	i = s->held.due.e[0].id;
	*held = held_at(s, i)->number;
	out->len = 0;
	answer_held(s, held_at(s, i), now, out);
	release(s, i);
	return true;
}

void mpp_service_web_gone(mpp_service *s, uint64_t held)
{
	uint32_t i = *number_bucket(s, held);

	while (i != NONE && held_at(s, i)->number != held)
		i = held_at(s, i)->next_number;
	if (i == NONE)
		return;
	s->count.web_gone++;
	release(s, i);
}

/* ---- a packet ---- */

/* A first packet: its answer is never longer than a datagram. */
static mpp_err take_first(struct mpp_service *s, mpp_bytes in,
			  const mpp_addr *from, mpp_instant now)
{
	mpp_outbox one = {&s->web_first, 1, 0};
	mpp_err err = service_connect(s, in, from, now, &one);

	if (one.n == 0)
		return err != MPP_OK ? err : MPP_ERR_NOSPACE;
	memcpy(s->web.out->p, s->web_first.data, s->web_first.len);
	s->web.out->len = s->web_first.len;
	return MPP_OK;
}

static mpp_err take_data(struct mpp_service *s, mpp_buf in,
			 const mpp_addr *from, mpp_instant now)
{
	mpp_outbox none = {NULL, 0, 0};
	mpp_err err = service_data(s, in, from, now, &none);

	if (s->web.held)
		return MPP_ERR_AGAIN;
	if (err == MPP_ERR_STRANGER)
		return s->web.out->len != 0 ? err : MPP_ERR_TYPE;
	if (s->web.out->len != 0)
		return MPP_OK;
	return err == MPP_ERR_AGAIN ? MPP_ERR_STATE : err;
}

static bool is_first(mpp_buf in)
{
	static const uint8_t zero[16];

	return in.len >= sizeof(zero) && memcmp(in.p, zero, sizeof(zero)) == 0;
}

mpp_err mpp_service_web(mpp_service *s, mpp_buf in, const mpp_addr *from,
			uint64_t held, uint32_t wait_ms, mpp_instant now,
			mpp_buf *out)
{
	mpp_outbox none = {NULL, 0, 0};
	mpp_addr peer = *from;
	const bool first = is_first(in);
	mpp_err err;

	if (out->cap < MPP_WEB_ANSWER_MAX)
		return MPP_ERR_NOSPACE;
	service_note_time(s, now, &none);
	s->count.received++;
	s->count.web++;
	if ((!first && in.len < PACKET_OVERHEAD) ||
	    in.len > MPP_WEB_PACKET_MAX) {
		s->count.drop_short++;
		return MPP_ERR_RANGE;
	}
	/* Each request may come by a TCP connection of its own. What it proves
	 * is nothing for UDP, and the other way round. */
	peer.port = 0;
	peer.socket = WEB_SOCKET;
	out->len = 0;
	s->web = (struct web){out, held, wait_ms, NULL, false};
	err = first ? take_first(s, (mpp_bytes){in.p, in.len}, &peer, now)
		    : take_data(s, in, &peer, now);
	end_answer(s);
	return err;
}
