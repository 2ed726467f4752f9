/* SPDX-License-Identifier: MIT */
/* service_send.c - packets and publications (docs/protocol.md sections 6, 7).
 *
 * The service sends state, not a log: what a device lacks is written anew
 * from the account's vector each time, into a new datagram, so nothing is
 * kept for repetition and every acknowledgement is a clean sample. Only what
 * does not fit one packet is kept while it is on its way (service_large.c). */
#include "role/service.h"

enum {
	/* Bitmask, Serial, More and the closing braces, in either encoding. */
	TAIL_ROOM = 80,
};

struct wr service_list(const struct outgoing *o)
{
	return wr_init(o->packet + PACKET_HEAD, o->cap);
}

void service_list_end(struct outgoing *o, struct wr *w)
{
	ext_put_end(w);
	o->w.p = w->p + w->n;
	o->w.cap = w->cap - w->n;
}

void service_list_retry(struct outgoing *o, bool json, uint32_t ms)
{
	struct wr list = service_list(o);

	list.n = service_list_len(o) - 1; /* in place of the end */
	ext_put_int(&list, EXT_RETRY_AFTER, ms);
	ext_put_end(&list);
	mpp_json_writer_init(&o->w, json ? MPP_JSON_TEXT : MPP_JSON_B,
			     list.p + list.n, o->cap - list.n);
}

size_t service_list_len(const struct outgoing *o)
{
	return (size_t)(o->w.p - o->packet) - PACKET_HEAD;
}

/* Where the next packet is written. */
static bool take_room(struct mpp_service *s, mpp_outbox *out,
		      struct outgoing *o)
{
	*o = (struct outgoing){.cap = PACKET_PLAIN_MAX};
	if (service_by_web(s)) {
		o->packet = s->web.out->p;
		o->cap = s->web.out->cap < MPP_WEB_ANSWER_MAX
				 ? s->web.out->cap
				 : MPP_WEB_ANSWER_MAX;
		o->cap -= PACKET_OVERHEAD;
		return true;
	}
	if (out->n == out->cap) {
		s->count.no_room++;
		return false;
	}
	o->d = &out->slots[out->n];
	o->packet = o->d->data;
	return true;
}

bool service_begin(struct mpp_service *s, uint32_t slot, mpp_outbox *out,
		   bool json, struct outgoing *o)
{
	struct wr list;

	if (!take_room(s, out, o))
		return false;
	list = service_list(o);
	if (service_renew_due(s, binding_at(&s->state, slot)))
		ext_put(&list, EXT_RENEW, NULL, 0);
	ext_put_end(&list);
	mpp_json_writer_init(&o->w, json ? MPP_JSON_TEXT : MPP_JSON_B,
			     list.p + list.n, o->cap - list.n);
	return true;
}

unsigned service_quantum(const struct binding *b, const struct outgoing *o)
{
	const unsigned asked = b->quantum_log != 0 ? 1u << b->quantum_log : 0;

	return asked > o->quantum ? asked : o->quantum;
}

/* How long it may become. */
static size_t room_of(const struct mpp_service *s, const struct binding *b,
		      const struct outgoing *o, const mpp_addr *to,
		      const struct incoming *ack)
{
	return o->d != NULL ? service_room(s, b, to, ack)
			    : o->cap + PACKET_OVERHEAD;
}

/* The identifier that it names. By HTTP it is the one that the device says
 * there, so that nobody can put that together with its datagrams. */
static const uint8_t *id_of(const struct mpp_service *s,
			    const struct binding *b, const struct outgoing *o,
			    const mpp_addr *to, const struct incoming *ack)
{
	if (o->d != NULL)
		return service_path_id(s, b, to, ack);
	return s->web.stream != NULL ? s->web.stream : b->client_id;
}

static void note_packet(struct mpp_service *s, const struct binding *b,
			const struct outgoing *o, const mpp_addr *to,
			mpp_outbox *out)
{
	s->count.sent++;
	if (o->d == NULL)
		return;
	o->d->to = *to;
	out->n++;
	service_path_sent(s, b, to, o->d->len);
}

mpp_err service_finish(struct mpp_service *s, uint32_t slot, struct outgoing *o,
		       const mpp_addr *to, uint8_t flags,
		       const struct incoming *ack, mpp_outbox *out)
{
	struct binding *b = binding_at(&s->state, slot);
	struct rud_header h = {.index = b->tx_next, .count = 1};
	uint8_t *plain = o->packet + PACKET_HEAD;
	size_t len = (size_t)(o->w.p - plain) + o->w.n;
	size_t padded;
	/* Nothing written is a datagram without a message. */
	mpp_err err = o->w.n == 0 ? MPP_OK : mpp_json_finish(&o->w);

	if (err == MPP_OK)
		err = service_stream_put(s, slot, to, o, &len);
	if (err != MPP_OK)
		return err;
	padded = packet_padded_to(len, service_quantum(b, o), o->cap);
	h.flags = (uint8_t)(FLAG_FINAL | flags);
	if (ack != NULL) {
		h.flags |= FLAG_ACK;
		h.ack_index = (uint32_t)ack->index;
		h.ack_bits = 1;
	}
	if (padded + PACKET_OVERHEAD > room_of(s, b, o, to, ack))
		return MPP_ERR_LIMIT;
	memset(plain + len, 0, padded - len);
	/* Counted before it is used: an index never serves twice. */
	b->tx_next++;
	err = packet_seal(&s->crypto, &b->tx, id_of(s, b, o, to, ack), &h,
			  o->packet, padded);
	if (err != MPP_OK)
		return err;
	if (o->d != NULL)
		o->d->len = (uint16_t)(padded + PACKET_OVERHEAD);
	else
		s->web.out->len = padded + PACKET_OVERHEAD;
	note_packet(s, b, o, to, out);
	return MPP_OK;
}

/* Bits of everything newer than `since`, and whether there is anything. */
static bool collect_bits(const struct mpp_service *s, uint32_t first,
			 const struct vector *v, uint8_t bits[4])
{
	uint32_t i;
	unsigned bit;

	memset(bits, 0, 4);
	for (i = first; i != NONE; i = entry_at(&s->state, i)->next) {
		const struct entry *e = entry_at(&s->state, i);

		if (!filter_has(v->filter, e->number))
			continue;
		bit = msg_store_bit(entry_name(e));
		bits[bit >> 3] |= (uint8_t)(1u << (bit & 7));
	}
	return first != NONE;
}

/* One entry, taken back when it leaves no room for the tail. */
static bool put_entry(mpp_json_writer *w, const struct entry *e, size_t room)
{
	mpp_store_status st = {entry_name(e), e->index, entry_digest(e)};
	mpp_json_writer before = *w;

	msg_put_store(w, &st);
	if (w->err == MPP_OK && w->n + TAIL_ROOM <= room)
		return true;
	*w = before;
	return false;
}

static void put_entries(const struct mpp_service *s, mpp_json_writer *w,
			uint32_t first, struct vector *v)
{
	uint32_t i;

	mpp_json_array(w, "StoreStatus");
	for (i = first; i != NONE && !v->more;
	     i = entry_at(&s->state, i)->next) {
		const struct entry *e = entry_at(&s->state, i);

		if (!filter_has(v->filter, e->number))
			continue;
		v->more = !put_entry(w, e, v->room);
		if (!v->more)
			v->last = e->serial;
	}
	mpp_json_close(w);
}

void service_put_vector(const struct mpp_service *s, mpp_json_writer *w,
			const struct account *a, struct vector *v)
{
	uint32_t first = account_newer(&s->state, a, v->filter, v->since);
	uint8_t bits[4];

	v->more = false;
	v->last = v->since;
	if (collect_bits(s, first, v, bits)) {
		put_entries(s, w, first, v);
		mpp_json_data(w, "Bitmask", (mpp_bytes){bits, sizeof(bits)});
	}
	if (!v->more && a->serial > v->last)
		v->last = a->serial;
	if (v->serial)
		mpp_json_uint(w, "Serial", v->last);
	if (v->more)
		mpp_json_bool(w, "More", true);
}

void service_put_state(struct mpp_service *s, uint32_t slot, struct outgoing *o,
		       struct vector *v, bool large)
{
	const struct account *a = account_of(s, binding_at(&s->state, slot));
	const mpp_json_writer before = o->w;

	service_put_vector(s, &o->w, a, v);
	if (v->more && large && service_large_begin(s, slot, o, &before)) {
		v->room = o->w.cap;
		service_put_vector(s, &o->w, a, v);
	}
	msg_end(&o->w);
}

bool service_behind(const struct mpp_service *s, const struct binding *b)
{
	if ((b->flags & BIND_SUBSCRIBED) == 0)
		return false;
	return (b->token & TOKEN_DUE) != 0 ||
	       account_newer(&s->state, account_of(s, b), b->filter,
			     b->acked) != NONE;
}

bool service_replaces(const struct binding *b)
{
	return (b->flags & BIND_SUBSCRIBED) != 0 &&
	       (b->flags & BIND_DUE) != 0 &&
	       ((b->flags & BIND_IN_FLIGHT) == 0 ||
		(b->flags & BIND_REPLACED) == 0);
}

static void note_sent(struct mpp_service *s, struct binding *b, mpp_instant now)
{
	bool repeated = (b->flags & BIND_DUE) == 0;

	s->count.notifies++;
	if ((b->flags & BIND_IN_FLIGHT) != 0) {
		s->count.repeats += repeated;
		if (repeated && b->tries < UINT8_MAX)
			b->tries++;
		if (repeated)
			b->flags &= (uint8_t)~BIND_REPLACED;
		else
			b->flags |= BIND_REPLACED;
	}
	/* Something new: the timer is at one PTO again. */
	if (!repeated)
		b->tries = 0;
	b->flags &= (uint8_t) ~(BIND_DUE | BIND_HEADER_ACKED);
	b->flags |= BIND_IN_FLIGHT;
	b->sent_us = (uint32_t)now.mono.us;
	b->sent_index = (uint32_t)(b->tx_next - 1);
}

uint64_t service_sent_ago(const struct binding *b, uint32_t back,
			  const struct incoming *in)
{
	const uint64_t now = in->now.mono.us;
	uint64_t ago = (uint32_t)((uint32_t)now - b->sent_us);
	const struct rtt r =
		rtt_of(&b->rtt, service_wakes(in->seen_ms, (now - ago) / 1000));
	uint32_t i;

	for (i = 1; i <= back; i++)
		ago += rtt_backoff_us(&r, b->tries - i, FLAT_TRIES);
	return ago;
}

static mpp_err send_notify(struct mpp_service *s, uint32_t slot,
			   mpp_instant now, mpp_outbox *out)
{
	struct binding *b = binding_at(&s->state, slot);
	struct msg_common common = service_common(s, &b->path, now.wall, 0);
	struct vector v = {b->filter, b->acked, 0, true, 0, false};
	struct outgoing o;
	bool token;
	mpp_err err;

	if (!service_begin(s, slot, out, (b->flags & BIND_JSON) != 0, &o))
		return MPP_ERR_NOSPACE;
	v.room = o.w.cap - service_stream_len(s, b, &b->path);
	msg_begin(&o.w, MSG_NOTIFY);
	msg_put_common(&o.w, &common);
	token = service_token_put(s, &o.w, b, now.wall);
	service_put_state(s, slot, &o, &v, true);
	if (o.large)
		err = service_large_finish(s, slot, &o, NULL, 0);
	else
		err = service_finish(s, slot, &o, &b->path, FLAG_ACK_WANTED,
				     NULL, out);
	b->token &= (uint8_t)~TOKEN_SENT;
	if (token && err == MPP_OK)
		b->token |= TOKEN_SENT;
	return err;
}

void service_publish_to(struct mpp_service *s, uint32_t slot, mpp_instant now,
			mpp_outbox *out)
{
	struct binding *b = binding_at(&s->state, slot);
	const struct account *a = account_of(s, b);
	mpp_err err;

	if (b->snapshot != NONE && !service_replaces(b) &&
	    service_large_due(s, slot, now, out))
		return;
	service_large_end(s, b);
	if ((b->flags & BIND_SUBSCRIBED) == 0)
		return; /* it was an answer: the device asks again */
	if (!service_behind(s, b)) {
		/* Nothing of the filter lies between. */
		if (b->acked < a->serial)
			b->acked = a->serial;
		b->flags &= (uint8_t) ~(BIND_DUE | BIND_IN_FLIGHT |
					BIND_HEADER_ACKED | BIND_REPLACED);
		b->tries = 0;
		return;
	}
	err = send_notify(s, slot, now, out);
	if (err == MPP_ERR_NOSPACE && out->n == out->cap)
		return; /* the deadline stays: the host comes again */
	/* When cryptography fails, the timer paces the next try. */
	note_sent(s, b, now);
	if (b->snapshot != NONE)
		service_large_send(s, slot, now, out);
}

void service_probe(struct mpp_service *s, uint32_t slot, mpp_outbox *out)
{
	struct binding *b = binding_at(&s->state, slot);
	struct outgoing o;

	if (!service_has_path(b) || !service_begin(s, slot, out, false, &o))
		return;
	if (service_finish(s, slot, &o, &b->path, FLAG_ACK_WANTED, NULL, out) !=
	    MPP_OK)
		s->count.send_errors++;
}
