/* SPDX-License-Identifier: MIT */
/* service_data.c - data packets from devices (docs/protocol.md 6, 7, 11).
 *
 * Stream id -> slot -> header -> replay window -> open -> only then is
 * anything changed. Answers go to where the request came from; publications
 * stay on the proven path. */
#include "role/service.h"

#include "base/mem.h"
#include "rud/replay.h"

/* ---- finding and opening ---- */

/* The binding of a stream: NONE when there is none. */
static uint32_t find_slot(const struct mpp_service *s, struct stream st)
{
	const struct binding *b;

	if (st.slot >= s->state.bindings.fresh)
		return NONE;
	b = binding_at(&s->state, st.slot);
	if (b->state == BINDING_FREE || (b->flags & BIND_ENDING) != 0 ||
	    b->generation != st.generation)
		return NONE;
	return st.slot;
}

static mpp_err open_packet(struct mpp_service *s, struct binding *b, mpp_buf in,
			   struct rud_header *h)
{
	struct replay window = {b->rx_top, b->rx_bits, 2};
	mpp_err err = packet_header(&s->crypto, &b->rx, in.p, h);

	if (err != MPP_OK || h->count != 1 || h->sequence != 0) {
		s->count.drop_header++;
		return err != MPP_OK ? err : MPP_ERR_RANGE;
	}
	if (!replay_fresh(&window, h->index)) {
		s->count.drop_replay++;
		return MPP_ERR_REPLAY;
	}
	err = packet_open(&s->crypto, &b->rx, h, in.p, in.len);
	if (err != MPP_OK) {
		s->count.drop_auth++;
		return err;
	}
	replay_mark(&window, h->index);
	b->rx_top = window.top;
	return MPP_OK;
}

/* ---- acknowledgements ---- */

/* An acknowledgement of the newest publication, or of one `back` before it,
 * which said the same. When it is not the newest, the device needed longer than
 * a PTO. A repetition that is answered itself finds the device awake. */
static void sample(struct binding *b, uint32_t back, const struct incoming *in)
{
	const uint64_t took = service_sent_ago(b, back, in);
	const bool awake = back == 0 && b->tries != 0;

	rtt_pair_sample(&b->rtt,
			awake ? RTT_AWAKE
			      : service_wakes(in->seen_ms,
					      (in->now.mono.us - took) / 1000),
			took);
}

/* The header tells that the newest publication arrived: a sample. */
static void take_header_ack(struct mpp_service *s, struct binding *b,
			    const struct rud_header *h,
			    const struct incoming *in)
{
	const uint32_t back = b->sent_index - h->ack_index;
	bool large = (h->flags & FLAG_ACK) != 0 &&
		     service_large_names(s, b, h->ack_index);

	if (large && !service_large_acked(s, b, h->ack_bits, in))
		return;
	if ((h->flags & FLAG_ACK) == 0 || h->ack_bits == 0 ||
	    (b->flags & BIND_IN_FLIGHT) == 0 ||
	    (b->flags & BIND_HEADER_ACKED) != 0 ||
	    (back != 0 && (large || b->snapshot != NONE || back > b->tries)))
		return;
	if (!large)
		sample(b, back, in);
	if (back != 0)
		return;
	b->tries = 0;
	b->flags |= BIND_HEADER_ACKED;
	b->flags &= (uint8_t)~BIND_REPLACED;
	service_token_acked(s, b);
}

/* The member Acknowledge moves the serial that the device holds. */
static void take_acknowledge(struct mpp_service *s, struct binding *b,
			     const struct msg *m)
{
	const struct account *a = account_of(s, b);

	if (!msg_has(m, FIELD_ACKNOWLEDGE) || m->acknowledge <= b->acked ||
	    m->acknowledge > a->assigned)
		return;
	b->acked = m->acknowledge;
	s->count.acknowledged++;
	if (!service_behind(s, b)) {
		if ((b->flags & BIND_IN_FLIGHT) != 0 &&
		    service_large_names(s, b, b->sent_index))
			service_large_end(s, b);
		b->flags &= (uint8_t) ~(BIND_DUE | BIND_IN_FLIGHT |
					BIND_HEADER_ACKED | BIND_REPLACED);
		b->tries = 0;
	} else if ((b->flags & BIND_HEADER_ACKED) != 0) {
		/* The next part. */
		b->flags &= (uint8_t) ~(BIND_IN_FLIGHT | BIND_HEADER_ACKED);
		b->flags |= BIND_DUE;
	}
}

/* Any authentic packet from a device that is behind has the state sent, when
 * nothing is under way that may still be acknowledged. */
static void heal(struct mpp_service *s, uint32_t slot, mpp_instant now)
{
	struct binding *b = binding_at(&s->state, slot);
	uint32_t since = (uint32_t)now.mono.us - b->sent_us;

	if (b->snapshot != NONE)
		service_large_heal(s, b, now);
	else if (service_behind(s, b) && ((b->flags & BIND_IN_FLIGHT) == 0 ||
					  since >= service_pto(b))) {
		b->flags |= BIND_DUE;
		b->flags &= (uint8_t)~BIND_REPLACED;
	}
	service_arm(s, slot, now.mono);
}

/* ---- answers ---- */

static bool begin_answer(struct mpp_service *s, struct request *q,
			 enum msg_type type)
{
	if (!service_begin(s, q->in.slot, q->in.out, q->m->json, &q->o))
		return false;
	if (q->lost_ms != 0) {
		service_put_lost(s, q);
		s->count.path_lost++;
	}
	msg_begin(&q->o.w, type);
	return true;
}

static void end_answer(struct mpp_service *s, struct request *q)
{
	msg_put_common(&q->o.w, &q->common);
	msg_end(&q->o.w);
	s->count.requests++;
	if (service_finish(s, q->in.slot, &q->o, q->in.from, 0, &q->in,
			   q->in.out) != MPP_OK)
		s->count.send_errors++;
}

static void answer_error(struct mpp_service *s, struct request *q,
			 unsigned status, const char *why)
{
	q->common.status = status;
	q->common.description = why;
	if (begin_answer(s, q, msg_response_type(q->m->type)))
		end_answer(s, q);
}

void service_answer_status(struct mpp_service *s, struct request *q,
			   unsigned status, const char *why, uint32_t retry_ms)
{
	q->common.status = status;
	q->common.description = why;
	if (!service_begin(s, q->in.slot, q->in.out, q->m->json, &q->o))
		return;
	if (retry_ms != 0)
		service_list_retry(&q->o, q->m->json, retry_ms);
	msg_begin(&q->o.w, msg_response_type(q->m->type));
	end_answer(s, q);
}

static void answer_plain(struct mpp_service *s, struct request *q)
{
	if (begin_answer(s, q, msg_response_type(q->m->type)))
		end_answer(s, q);
}

/* An answer that brings state counts as a publication under way: when it is
 * lost, the timer repeats the state. By HTTP the device asks again. */
static void note_state_sent(const struct mpp_service *s, struct binding *b,
			    const struct vector *v, mpp_instant now)
{
	if (service_by_web(s) || (b->flags & BIND_SUBSCRIBED) == 0 ||
	    v->last <= b->acked)
		return;
	b->flags &= (uint8_t) ~(BIND_DUE | BIND_HEADER_ACKED | BIND_REPLACED);
	b->flags |= BIND_IN_FLIGHT;
	b->token &= (uint8_t)~TOKEN_SENT;
	b->tries = 0;
	b->sent_us = (uint32_t)now.mono.us;
	b->sent_index = (uint32_t)(b->tx_next - 1);
}

/* How long the message may be so that, padded, it keeps to the limit. */
static size_t vector_room(const struct mpp_service *s, const struct request *q)
{
	const struct binding *b = binding_at(&s->state, q->in.slot);
	const size_t quantum = 64;
	const size_t list =
		service_list_len(&q->o) + service_stream_len(s, b, q->in.from);
	size_t room = service_by_web(s)
			      ? q->o.cap + PACKET_OVERHEAD
			      : service_room(s, b, q->in.from, &q->in);

	room = room > PACKET_OVERHEAD ? room - PACKET_OVERHEAD : 0;
	room = room / quantum * quantum;
	return room > list ? room - list : 0;
}

/* Several packets go to the proved path only. What says no serial must not
 * take the place of a publication. */
static bool may_be_large(const struct mpp_service *s, const struct request *q,
			 const struct vector *v)
{
	const struct binding *b = binding_at(&s->state, q->in.slot);

	return !service_by_web(s) &&
	       memcmp(q->in.from, &b->path, sizeof(b->path)) == 0 &&
	       (v->serial || (b->flags & BIND_IN_FLIGHT) == 0);
}

static mpp_err finish_vector(struct mpp_service *s, struct request *q,
			     const struct vector *v)
{
	struct binding *b = binding_at(&s->state, q->in.slot);

	if (q->o.large)
		return service_large_finish(s, q->in.slot, &q->o, &q->in,
					    (uint32_t)q->m->serial);
	/* A later part of the state takes the place of what is under way. */
	if (v->serial && (b->flags & BIND_SUBSCRIBED) != 0 &&
	    !service_by_web(s))
		service_large_end(s, b);
	return service_finish(s, q->in.slot, &q->o, q->in.from, 0, &q->in,
			      q->in.out);
}

/* An answer with the vector from `since` on. */
static void answer_vector(struct mpp_service *s, struct request *q,
			  struct vector *v)
{
	struct binding *b = binding_at(&s->state, q->in.slot);

	v->room = vector_room(s, q);
	msg_put_common(&q->o.w, &q->common);
	service_put_state(s, q->in.slot, &q->o, v, may_be_large(s, q, v));
	s->count.requests++;
	if (finish_vector(s, q, v) != MPP_OK)
		s->count.send_errors++;
	else if (v->serial)
		note_state_sent(s, b, v, q->in.now);
	if (q->o.large && b->snapshot != NONE)
		service_large_send(s, q->in.slot, q->in.now, q->in.out);
}

static bool may(const struct mpp_service *s, const struct binding *b,
		unsigned right)
{
	return (device_at(&s->state, b->device)->rights & b->rights & right) !=
	       0;
}

static void subscribe(struct mpp_service *s, struct request *q)
{
	struct binding *b = binding_at(&s->state, q->in.slot);
	struct account *a =
		account_at(&s->state, device_at(&s->state, b->device)->account);
	uint64_t filter[2], held = q->m->acknowledge;
	struct vector v = {b->filter, 0, 0, true, 0, false};
	bool reset = held > a->assigned && held > q->in.now.wall.us + DAY_US;

	if (!may(s, b, MPP_RIGHT_SUBSCRIBE)) {
		answer_error(s, q, MPP_STATUS_FORBIDDEN,
			     "this device may not subscribe");
		return;
	}
	if (service_filter(s, a, q->m, filter) != MPP_OK) {
		answer_error(s, q, MPP_STATUS_TOO_LARGE,
			     "no room for more stores in this account");
		return;
	}
	if (reset)
		held = 0;
	if (held > a->assigned)
		a->assigned = held;
	memcpy(b->filter, filter, sizeof(filter));
	b->lease_ms = service_lease(s, q->m->timeout_ms);
	b->acked = held;
	b->flags |= BIND_SUBSCRIBED;
	v.since = held;
	if (!begin_answer(s, q, MSG_CONNECT_RESPONSE))
		return;
	mpp_json_uint(&q->o.w, "ConnectionTimeout", b->lease_ms);
	if (reset)
		mpp_json_bool(&q->o.w, "Reset", true);
	answer_vector(s, q, &v);
}

static void unsubscribe(struct mpp_service *s, struct request *q)
{
	struct binding *b = binding_at(&s->state, q->in.slot);

	b->flags &= (uint8_t) ~(BIND_SUBSCRIBED | BIND_DUE | BIND_IN_FLIGHT |
				BIND_HEADER_ACKED | BIND_REPLACED);
	service_large_end(s, b);
	service_web_wake(s, q->in.slot);
	answer_plain(s, q);
}

/* The serial that a device says it holds; 0 if that cannot be. */
static uint64_t held_by_device(const struct msg *m, const struct account *a)
{
	return msg_has(m, FIELD_ACKNOWLEDGE) && m->acknowledge <= a->assigned
		       ? m->acknowledge
		       : 0;
}

/* The whole current vector of the filter, or of the stores named; to one that
 * would wait by HTTP, what it lacks. */
static void status(struct mpp_service *s, struct request *q)
{
	struct binding *b = binding_at(&s->state, q->in.slot);
	struct account *a =
		account_at(&s->state, device_at(&s->state, b->device)->account);
	uint64_t filter[2];
	struct vector v = {filter, 0, 0, true, 0, false};

	if (!may(s, b, MPP_RIGHT_SUBSCRIBE)) {
		answer_error(s, q, MPP_STATUS_FORBIDDEN,
			     "this device may not see the status");
		return;
	}
	if (service_filter(s, a, q->m, filter) != MPP_OK) {
		answer_error(s, q, MPP_STATUS_TOO_LARGE,
			     "no room for more stores in this account");
		return;
	}
	v.serial = !msg_has(q->m, FIELD_STORES);
	if (v.serial && (b->flags & BIND_SUBSCRIBED) != 0)
		memcpy(filter, b->filter, sizeof(filter));
	if (v.serial && service_by_web(s) && s->web.wait_ms != 0) {
		v.since = held_by_device(q->m, a);
		if (service_web_wait(s, q, v.since))
			return;
	}
	if (!begin_answer(s, q, MSG_STATUS))
		return;
	answer_vector(s, q, &v);
	/* The next parts follow as publications, from where this one ended. */
	if (v.serial && v.more && (b->flags & BIND_SUBSCRIBED) != 0 &&
	    !service_by_web(s)) {
		b->acked = 0;
		note_state_sent(s, b, &v, q->in.now);
	}
}

void service_answer_ack(struct mpp_service *s, struct request *q)
{
	struct outgoing o;

	if (!service_begin(s, q->in.slot, q->in.out, false, &o))
		return;
	if (service_finish(s, q->in.slot, &o, q->in.from, 0, &q->in,
			   q->in.out) != MPP_OK)
		s->count.send_errors++;
}

static void heartbeat(struct mpp_service *s, struct request *q)
{
	struct binding *b = binding_at(&s->state, q->in.slot);
	struct vector v = {b->filter, b->acked, 0, true, 0, false};

	/* What is under way in several packets need not begin again. */
	if (!service_behind(s, b) ||
	    (b->snapshot != NONE && !service_by_web(s))) {
		if (b->snapshot == NONE && !service_by_web(s) &&
		    service_probe_wait(s, q))
			service_answer_ack(s, q);
		else
			answer_plain(s, q);
		return;
	}
	if (begin_answer(s, q, MSG_STATUS))
		answer_vector(s, q, &v);
}

/* ---- publish by a device ---- */

static bool publish_waits(const struct mpp_service *s, const struct request *q)
{
	const struct binding *b = binding_at(&s->state, q->in.slot);
	uint32_t i;

	for (i = 0; i < s->waiting.n; i++) {
		const struct change *c = &s->waiting.at[(s->waiting.head + i) %
							s->config.operations];

		if (c->by_device && c->index == q->in.slot &&
		    c->generation == b->generation &&
		    c->request == q->m->serial)
			return true;
	}
	return false;
}

/* Names of the stores that were skipped, by their numbers. */
static void put_skipped(const struct mpp_service *s, mpp_json_writer *w,
			const struct account *a, const uint64_t skipped[2])
{
	uint32_t i;

	if ((skipped[0] | skipped[1]) == 0)
		return;
	mpp_json_array(w, "Skipped");
	for (i = a->stores.head; i != NONE; i = entry_at(&s->state, i)->next) {
		const struct entry *e = entry_at(&s->state, i);

		if (filter_has(skipped, e->number))
			mpp_json_string(w, NULL, entry_name(e));
	}
	mpp_json_close(w);
}

/* By HTTP a device is told where its datagrams came from, if any did. */
static const mpp_addr *endpoint_by_web(const struct binding *b)
{
	return service_has_path(b) ? &b->path : NULL;
}

/* A device's publish is durable, or failed. ack: the request, or NULL when it
 * came earlier. */
static void answer_change(struct mpp_service *s, const struct change *c,
			  const struct incoming *in, const struct incoming *ack)
{
	const struct binding *b = binding_at(&s->state, c->index);
	const mpp_addr *to = ack != NULL ? in->from
					 : service_answer_to(s, b, in->from);
	struct msg_common common =
		service_common(s, service_by_web(s) ? endpoint_by_web(b) : to,
			       in->now.wall, c->request);
	struct outgoing o;

	if (b->state == BINDING_FREE || b->generation != c->generation ||
	    (!service_by_web(s) && to->family == 0) ||
	    !service_begin(s, c->index, in->out, (b->flags & BIND_JSON) != 0,
			   &o))
		return;
	if (c->err == MPP_ERR_NOTFOUND) {
		common.status = MPP_STATUS_FORBIDDEN;
		common.description = "this account was removed";
	} else if (c->err != MPP_OK) {
		common.status = MPP_STATUS_OVERLOADED;
		common.description = "the store failed; try again";
	}
	msg_begin(&o.w, MSG_PUBLISH_RESPONSE);
	if (c->err == MPP_OK) {
		mpp_json_uint(&o.w, "Serial", c->serial);
		put_skipped(s, &o.w, account_at(&s->state, c->account),
			    c->skipped);
	}
	msg_put_common(&o.w, &common);
	msg_end(&o.w);
	s->count.requests++;
	if (service_finish(s, c->index, &o, to, 0, ack, in->out) != MPP_OK)
		s->count.send_errors++;
}

/* The entries as values; their text lies in s->plain. */
static size_t take_stores(struct mpp_service *s, const struct msg *m,
			  mpp_store_status *out)
{
	struct msg_list list = m->store_status;
	mpp_buf scratch = {s->plain, MPP_STORE_MAX + MPP_DIGEST_MAX, 0};
	size_t n = 0;

	if (list.n > PUBLISH_STORES)
		return 0;
	while (msg_next_store(&list, &scratch, &out[n])) {
		n++;
		scratch.p += MPP_STORE_MAX + MPP_DIGEST_MAX;
	}
	return n;
}

static void publish_verdict(struct mpp_service *s, struct request *q,
			    mpp_err err)
{
	if (err == MPP_ERR_LIMIT || err == MPP_ERR_STATE)
		answer_error(s, q, MPP_STATUS_OVERLOADED,
			     "no room for this change now; try again");
	else
		answer_error(s, q, MPP_STATUS_MALFORMED,
			     "StoreStatus is missing or not possible");
}

/* Account, when it is said, must be the device's own. */
static bool names_own_account(struct mpp_service *s, const struct msg *m,
			      const struct account *a)
{
	uint8_t *name = s->plain + MPP_ACCOUNT_MAX;
	mpp_buf text = {s->plain, MPP_ACCOUNT_MAX, 0};

	if (!msg_has(m, FIELD_ACCOUNT))
		return true;
	return mpp_json_text_copy(&m->account, &text) == MPP_OK &&
	       account_canonical((mpp_bytes){text.p, text.len}, name) ==
		       MPP_OK &&
	       bytes_eq((mpp_bytes){name, text.len}, account_name(a));
}

/* Over UDP the answer needs nobody who waits for it. */
static void wait_for_store(struct mpp_service *s, const struct request *q)
{
	if (service_by_web(s))
		(void)service_web_hold(s, q, HELD_CHANGE);
}

NOINLINE static void publish(struct mpp_service *s, struct request *q)
{
	struct binding *b = binding_at(&s->state, q->in.slot);
	const struct device *d = device_at(&s->state, b->device);
	struct change c = {.kind = CHANGE_PUBLISH, .by_device = true};
	mpp_store_status *stores = s->stores;
	mpp_published done;
	size_t n;
	mpp_err err;

	if (!may(s, b, MPP_RIGHT_PUBLISH) ||
	    (q->m->reset && !may(s, b, MPP_RIGHT_RESET)) ||
	    !names_own_account(s, q->m, account_at(&s->state, d->account))) {
		answer_error(s, q, MPP_STATUS_FORBIDDEN,
			     "this device may not publish so");
		return;
	}
	if (service_by_web(s) && !service_web_room(s)) {
		publish_verdict(s, q, MPP_ERR_LIMIT);
		return;
	}
	if (publish_waits(s, q)) {
		wait_for_store(s, q);
		return;
	}
	n = take_stores(s, q->m, stores);
	c.account = d->account;
	c.index = q->in.slot;
	c.generation = b->generation;
	c.request = (uint32_t)q->m->serial;
	c.from = *q->in.from;
	err = service_publish(s, &c, stores, n, q->m->reset, q->in.now.wall,
			      &done);
	if (err != MPP_OK)
		publish_verdict(s, q, err);
	else if (!done.waiting)
		answer_change(s, &c, &q->in, &q->in);
	else
		wait_for_store(s, q);
}

void service_answer_held(struct mpp_service *s, const struct change *c,
			 const struct incoming *ack)
{
	answer_change(s, c, ack, ack);
}

void service_answer(struct mpp_service *s, mpp_instant now, mpp_outbox *out)
{
	struct incoming in = {.now = now, .out = out};

	while (s->answers.n != 0 && out->n < out->cap) {
		const struct change *c = &s->answers.at[s->answers.head];

		in.from = &c->from;
		if (!service_web_changed(s, c))
			answer_change(s, c, &in, NULL);
		s->answers.head = (s->answers.head + 1) % s->config.operations;
		s->answers.n--;
	}
}

/* ---- requests ---- */

static void answer_invalid_serial(struct mpp_service *s, struct request *q)
{
	const struct binding *b = binding_at(&s->state, q->in.slot);

	if (!begin_answer(s, q, MSG_INVALID_SERIAL))
		return;
	mpp_json_uint(&q->o.w, "Serial", b->request);
	end_answer(s, q);
}

static void dispatch(struct mpp_service *s, struct request *q)
{
	switch (q->m->type) {
	case MSG_CONNECT_REQUEST:
		subscribe(s, q);
		return;
	case MSG_DISCONNECT_REQUEST:
		unsubscribe(s, q);
		return;
	case MSG_STATUS_REQUEST:
		status(s, q);
		return;
	case MSG_HEARTBEAT:
		heartbeat(s, q);
		return;
	case MSG_ENDPOINT_REQUEST:
		answer_plain(s, q);
		return;
	case MSG_PUBLISH_REQUEST:
		publish(s, q);
		return;
	case MSG_NONE:
	case MSG_ACKNOWLEDGE:
	case MSG_CONNECT_RESPONSE:
	case MSG_DISCONNECT_RESPONSE:
	case MSG_STATUS:
	case MSG_ENDPOINT_RESPONSE:
	case MSG_PUBLISH_RESPONSE:
	case MSG_RESOLVE_REQUEST: /* taken before */
	case MSG_RESOLVE_RESPONSE:
	case MSG_NOTIFY:
	case MSG_INVALID_SERIAL:
	case MSG_ERROR:
	case MSG_UNKNOWN:
	case MSG_TYPES:
		break;
	}
	s->count.malformed++;
	answer_error(s, q, MPP_STATUS_MALFORMED, "no such request");
}

static void take_request(struct mpp_service *s, struct request *q)
{
	struct binding *b = binding_at(&s->state, q->in.slot);
	uint64_t serial = q->m->serial;
	const uint32_t wait = service_request_wait(
		s, device_at(&s->state, b->device), q->in.now.mono);

	q->common.acknowledge = serial;
	if (wait != 0) {
		s->count.too_many++;
		service_answer_status(s, q, MPP_STATUS_TOO_MANY,
				      "too many requests of this device", wait);
	} else if (serial == 0 || serial > UINT32_MAX) {
		s->count.malformed++;
		answer_error(s, q, MPP_STATUS_MALFORMED,
			     "a request needs a Serial of 1 or more");
	} else if (q->m->type == MSG_RESOLVE_REQUEST) {
		/* They overtake each other: their serials have no order. */
		service_resolve(s, q);
	} else if (serial < b->request) {
		answer_invalid_serial(s, q);
	} else if (!service_by_web(s) && service_large_answers(s, b, serial)) {
		s->count.requests++; /* what is missing goes out again */
	} else {
		b->request = (uint32_t)serial;
		/* Publications use the encoding of the last request. */
		b->flags = (uint8_t)((b->flags & ~BIND_JSON) |
				     (q->m->json ? BIND_JSON : 0));
		dispatch(s, q);
	}
}

/* What stands in an opened datagram: extensions, then the message. Errors: the
 * datagram was malformed; it is answered so. */
static mpp_err read_plain(struct mpp_service *s, mpp_bytes plain,
			  const uint8_t **stream)
{
	struct ext *e = &s->connect.ext;
	struct rd r = rd_init(plain);
	mpp_bytes rest;
	mpp_err err = ext_read(&r, e);

	memset(&s->msg, 0, sizeof(s->msg));
	if (err != MPP_OK)
		e->present = 0;
	else
		err = service_stream_read(e, stream);
	rest = rd_rest(&r);
	if (err == MPP_OK && rest.len != 0 && rest.p[0] != 0)
		err = msg_decode(rest, &s->msg, &rest);
	if (err == MPP_OK && !mem_is_zero(rest.p, rest.len))
		err = MPP_ERR_PADDING;
	return err;
}

static void take_datagram(struct mpp_service *s, struct incoming *in,
			  const struct rud_header *h, mpp_err readable)
{
	const struct binding *b = binding_at(&s->state, in->slot);
	const bool web = service_by_web(s);
	struct request *q = &s->request;

	*q = (struct request){.in = *in, .m = &s->msg};
	if (!web)
		q->lost_ms = service_path_lost(b, in);
	q->common = service_common(s, web ? endpoint_by_web(b) : in->from,
				   in->now.wall, 0);
	if (readable != MPP_OK) {
		s->count.malformed++;
		s->msg.type = MSG_NONE;
		answer_error(s, q, MPP_STATUS_MALFORMED,
			     "message not understood");
	} else if (s->msg.type == MSG_NONE || s->msg.type == MSG_ACKNOWLEDGE) {
		if (web || (h->flags & FLAG_ACK_WANTED) != 0)
			service_answer_ack(s, q);
	} else {
		take_request(s, q);
	}
}

static mpp_err take_opened(struct mpp_service *s, struct incoming *in,
			   const struct rud_header *h, mpp_bytes plain)
{
	struct binding *b = binding_at(&s->state, in->slot);
	const struct ext *e = &s->connect.ext;
	mpp_bytes response = {NULL, 0};
	const uint8_t *stream = NULL;
	mpp_err readable = read_plain(s, plain, &stream);

	if (readable == MPP_OK && ext_has(e, EXT_PATH_RESPONSE))
		response = e->v[EXT_PATH_RESPONSE];
	in->stream = readable == MPP_OK ? stream : NULL;
	if (service_by_web(s))
		s->web.stream = in->stream;
	in->seen_ms = b->seen_ms;
	if (ext_has(e, EXT_CLOSE)) {
		s->count.closed++;
		service_enter(s, in->slot, EVENT_CLOSE, in->now, in->out);
		return MPP_OK;
	}
	if (b->state == BINDING_INITIAL) {
		if (!service_confirm(
			    s, in, readable == MPP_OK ? s->msg.acknowledge : 0))
			return MPP_ERR_AGAIN;
	} else {
		b->seen_ms = ms_of(in->now.mono);
		service_enter(s, in->slot, EVENT_PACKET, in->now, in->out);
	}
	/* HTTP says nothing of the path. */
	if (!service_by_web(s)) {
		service_probe_packet(s, b, in->index);
		service_path_packet(s, in, response,
				    s->msg.type != MSG_ENDPOINT_REQUEST);
		take_header_ack(s, b, h, in);
	}
	if (readable == MPP_OK)
		take_acknowledge(s, b, &s->msg);
	take_datagram(s, in, h, readable);
	if (service_by_web(s))
		service_arm(s, in->slot, in->now.mono);
	else
		heal(s, in->slot, in->now);
	return readable;
}

mpp_err service_data(struct mpp_service *s, mpp_buf in, const mpp_addr *from,
		     mpp_instant now, mpp_outbox *out)
{
	struct incoming i = {from, now, out, NONE, 0, in.len, NULL, 0};
	struct rud_header h;
	struct stream st;
	mpp_err err = streamid_open(&s->crypto, s->sid_key, in.p, &st);

	if (err != MPP_OK)
		return err;
	i.slot = find_slot(s, st);
	if (i.slot != NONE && service_keys_ended(s, i.slot)) {
		service_end_keys(s, i.slot, now, out);
		i.slot = NONE;
	}
	if (i.slot == NONE) {
		s->count.drop_stranger++;
		service_reset(s, st, in.len, from, now.mono, out);
		return MPP_ERR_STRANGER;
	}
	err = open_packet(s, binding_at(&s->state, i.slot), in, &h);
	if (err != MPP_OK)
		return err;
	i.index = h.index;
	return take_opened(s, &i, &h,
			   (mpp_bytes){in.p + PACKET_HEAD,
				       in.len - PACKET_OVERHEAD});
}
