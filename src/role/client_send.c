/* SPDX-License-Identifier: MIT */
/* client_send.c - data packets to the service (docs/protocol.md 6, 7).
 *
 * One request is under way at a time; it is repeated in a new datagram with
 * the same Serial at PTO, 2 PTO, 4 PTO ... until it is answered. */
#include "role/client.h"

#include "base/mem.h"

enum { LIST_LEN = 1 }; /* an empty extension list */

/* ---- requests ---- */

struct request_slot *client_queue(struct mpp_client *c, enum msg_type type)
{
	unsigned i = 0;

	while (i < REQUESTS && c->requests[i].type != MSG_NONE)
		i++;
	if (i == REQUESTS)
		return NULL;
	memset(&c->requests[i], 0, sizeof(c->requests[i]));
	c->requests[i].type = type;
	return &c->requests[i];
}

void client_dequeue(struct mpp_client *c)
{
	memmove(&c->requests[0], &c->requests[1],
		(REQUESTS - 1) * sizeof(c->requests[0]));
	memset(&c->requests[REQUESTS - 1], 0, sizeof(c->requests[0]));
}

void client_heartbeat(struct mpp_client *c, mpp_time now)
{
	struct request_slot *r = client_queue(c, MSG_HEARTBEAT);

	if (r != NULL && client_stays(c) && !c->web.on)
		r->probe_ms = keepalive_probe(&c->keepalive, now);
}

static void put_filter(const struct mpp_client *c, mpp_json_writer *w)
{
	size_t i;

	if (c->n_stores == 0)
		return;
	mpp_json_array(w, "Stores");
	for (i = 0; i < c->n_stores; i++)
		mpp_json_string(w, NULL,
				(mpp_bytes){c->stores[i], c->store_len[i]});
	mpp_json_close(w);
}

void client_put_request(const struct mpp_client *c, mpp_json_writer *w,
			enum msg_type type, mpp_bytes body, uint32_t serial)
{
	msg_begin(w, type);
	if (type == MSG_CONNECT_REQUEST) {
		put_filter(c, w);
		if (c->ask_lease_ms != 0)
			mpp_json_uint(w, "Timeout", c->ask_lease_ms);
	}
	if (type == MSG_PUBLISH_REQUEST)
		mpp_json_literal(w, "StoreStatus", body);
	if (type == MSG_HEARTBEAT && c->requests[0].probe_ms != 0)
		mpp_json_uint(w, "Probe", c->requests[0].probe_ms);
	if (serial != 0)
		mpp_json_uint(w, "Serial", serial);
	mpp_json_uint(w, "Acknowledge", c->held);
	msg_end(w);
}

/* ---- packets ---- */

/* Seal what stands at out->p + PACKET_HEAD, n octets. */
static mpp_err finish(struct mpp_client *c, struct link *l, size_t n,
		      uint8_t flags, mpp_buf *out)
{
	struct rud_header h = {.index = l->tx_next, .count = 1};
	mpp_err err = client_stream_put(c, l, out->p + PACKET_HEAD, &n);
	size_t padded = l->full ? PACKET_PLAIN_MAX : packet_padded(n, 0);

	if (err != MPP_OK)
		return err;
	h.flags = (uint8_t)(FLAG_FINAL | flags);
	if (l->ack_header) {
		h.flags |= FLAG_ACK;
		h.ack_index = l->ack_index;
		h.ack_bits = l->ack_bits;
	}
	memset(out->p + PACKET_HEAD + n, 0, padded - n);
	/* Counted before it is used: an index never serves twice. */
	l->tx_next++;
	err = packet_seal(&c->crypto, &l->tx, l->service_id, &h, out->p,
			  padded);
	if (err != MPP_OK)
		return err;
	out->len = padded + PACKET_OVERHEAD;
	l->ack_due = false;
	l->ack_header = false;
	l->ack_at.us = 0;
	return MPP_OK;
}

static mpp_err send_message(struct mpp_client *c, struct link *l,
			    const struct request_slot *r, uint8_t flags,
			    mpp_buf *out)
{
	mpp_json_writer w;
	mpp_err err;

	out->p[PACKET_HEAD] = EXT_END;
	mpp_json_writer_init(&w, MPP_JSON_B, out->p + PACKET_HEAD + LIST_LEN,
			     PACKET_PLAIN_MAX - LIST_LEN);
	client_put_request(c, &w, r->type, (mpp_bytes){r->body, r->len},
			   r->serial);
	err = mpp_json_finish(&w);
	return err == MPP_OK ? finish(c, l, LIST_LEN + w.n, flags, out) : err;
}

static void put_acknowledge(mpp_json_writer *w, uint64_t serial)
{
	msg_begin(w, MSG_ACKNOWLEDGE);
	mpp_json_uint(w, "Acknowledge", serial);
	msg_end(w);
}

static mpp_err send_acknowledge(struct mpp_client *c, struct link *l,
				uint64_t serial, uint8_t flags, mpp_buf *out)
{
	mpp_json_writer w;
	mpp_err err;

	out->p[PACKET_HEAD] = EXT_END;
	mpp_json_writer_init(&w, MPP_JSON_B, out->p + PACKET_HEAD + LIST_LEN,
			     PACKET_PLAIN_MAX - LIST_LEN);
	put_acknowledge(&w, serial);
	err = mpp_json_finish(&w);
	return err == MPP_OK ? finish(c, l, LIST_LEN + w.n, flags, out) : err;
}

mpp_err client_send_held(struct mpp_client *c, mpp_buf *out)
{
	return send_acknowledge(c, link_cur(c), c->held, FLAG_ACK_WANTED, out);
}

mpp_err client_send_poll(struct mpp_client *c, mpp_buf *out)
{
	struct link *l = link_cur(c);
	mpp_json_writer w;
	mpp_err err;

	out->p[PACKET_HEAD] = EXT_END;
	mpp_json_writer_init(&w, MPP_JSON_B, out->p + PACKET_HEAD + LIST_LEN,
			     PACKET_PLAIN_MAX - LIST_LEN);
	client_put_request(c, &w, MSG_STATUS_REQUEST, (mpp_bytes){NULL, 0},
			   ++l->serial);
	err = mpp_json_finish(&w);
	return err == MPP_OK ? finish(c, l, LIST_LEN + w.n, 0, out) : err;
}

mpp_err client_send_close(struct mpp_client *c, mpp_buf *out)
{
	struct link *l = link_cur(c);
	struct wr w = wr_init(out->p + PACKET_HEAD, PACKET_PLAIN_MAX);
	static const uint8_t normal[2] = {0, 0}; /* code 0, empty text */
	mpp_err err = MPP_ERR_AGAIN; /* then the service notices by itself */

	ext_put(&w, EXT_CLOSE, normal, sizeof(normal));
	ext_put_end(&w);
	if (c->web.here || !client_stream_spent(c, l))
		err = finish(c, l, w.n, 0, out);
	(void)client_event(c, MPP_EV_CLOSED, true);
	client_done(c);
	return err;
}

/* Answer the newest challenge of the path; with the acknowledgement that is
 * due, if one is. After a move the service is asked to say that it took it. */
static mpp_err send_response(struct mpp_client *c, struct link *l, mpp_buf *out)
{
	struct wr w = wr_init(out->p + PACKET_HEAD, PACKET_PLAIN_MAX);
	mpp_json_writer j;
	mpp_err err;

	ext_put(&w, EXT_PATH_RESPONSE, l->challenges[--l->n_challenges],
		sizeof(l->challenges[0]));
	ext_put_end(&w);
	if (!l->ack_due && l->ack_at.us == 0 && !l->tell)
		return finish(c, l, w.n, 0, out);
	mpp_json_writer_init(&j, MPP_JSON_B, out->p + PACKET_HEAD + w.n,
			     PACKET_PLAIN_MAX - w.n);
	put_acknowledge(&j, c->held);
	err = mpp_json_finish(&j);
	return err == MPP_OK ? finish(c, l, w.n + j.n,
				      l->tell ? FLAG_ACK_WANTED : 0, out)
			     : err;
}

/* The confirming packet asks for an acknowledgement and is repeated until a
 * packet under the new keys comes. */
static mpp_time confirm_at(const struct mpp_client *c)
{
	const struct link *l = &c->links[c->cur ^ 1u];

	if (l->tries == 0)
		return (mpp_time){0};
	return time_plus(l->sent, rtt_backoff_us(&l->rtt, l->tries - 1, 3));
}

mpp_err client_send_confirm(struct mpp_client *c, mpp_time now, mpp_buf *out)
{
	struct link *l = link_next(c);

	l->tries++;
	l->sent = l->spoke = now;
	return send_acknowledge(
		c, l, c->first_serial != 0 ? c->first_serial : c->held,
		FLAG_ACK_WANTED, out);
}

static mpp_time request_at(const struct mpp_client *c)
{
	const struct request_slot *r = &c->requests[0];

	if (r->type == MSG_NONE)
		return MPP_TIME_NEVER;
	if (r->serial == 0)
		return r->at;
	if (c->links[c->cur].announce)
		return (mpp_time){0};
	return time_plus(r->sent, rtt_backoff_us(&c->links[c->cur].rtt,
						 r->tries - 1, 0));
}

mpp_err client_send_request(struct mpp_client *c, mpp_time now, mpp_buf *out)
{
	struct request_slot *r = &c->requests[0];
	struct link *l = link_cur(c);

	if (r->serial == 0) {
		r->serial = ++l->serial;
		r->tries = 0;
		r->first = now;
	}
	l->announce = false;
	r->tries++;
	r->sent = l->spoke = now;
	r->index = (uint32_t)l->tx_next;
	if (r->probe_ms != 0)
		keepalive_asked(&c->keepalive, r->probe_ms, r->serial, now);
	else
		keepalive_spoke(&c->keepalive);
	return send_message(c, l, r, 0, out);
}

mpp_err client_send_resolve(struct mpp_client *c, mpp_time now, size_t n,
			    mpp_buf *out)
{
	struct link *l = link_cur(c);

	l->announce = false;
	l->spoke = now;
	keepalive_spoke(&c->keepalive);
	return finish(c, l, n, 0, out);
}

/* When an acknowledgement must go out, if nothing else does before. */
static mpp_time ack_at(const struct link *l)
{
	if (l->ack_due)
		return (mpp_time){0};
	return l->ack_at.us != 0 ? l->ack_at : MPP_TIME_NEVER;
}

/* Has anything to be sent on the established connection? */
static bool speaks(const struct mpp_client *c, mpp_time now)
{
	const struct link *l = &c->links[c->cur];

	return l->n_challenges != 0 || time_due(ack_at(l), now) ||
	       (client_serving(c) && (time_due(request_at(c), now) ||
				      time_due(client_resolve_at(c), now)));
}

/* No identifier is left, so a new connection is made for new ones. */
static mpp_err spent(struct mpp_client *c, mpp_time now)
{
	if (c->state == CLIENT_CONFIRMING)
		c->renewing = false; /* `next` brings them */
	else if (client_serving(c))
		client_restart(c, now);
	return MPP_ERR_AGAIN;
}

/* The same for `next`; not at once, because this is not the first try. */
static mpp_err spent_next(struct mpp_client *c, mpp_time now)
{
	client_restart_next(c, now);
	c->attempt_at = time_plus(now, ATTEMPT_FIRST_US);
	return MPP_ERR_AGAIN;
}

/* What is no request goes out, and keeps the path alive as well. */
static void spoke(struct mpp_client *c, mpp_time now)
{
	link_cur(c)->spoke = now;
	keepalive_spoke(&c->keepalive);
}

mpp_err client_send_response(struct mpp_client *c, mpp_time now, mpp_buf *out)
{
	spoke(c, now);
	return send_response(c, link_cur(c), out);
}

mpp_err client_send_data(struct mpp_client *c, mpp_instant now, mpp_buf *out)
{
	struct link *l = link_cur(c);

	if (c->closing)
		return client_send_close(c, out);
	if (c->state == CLIENT_CONFIRMING && time_due(confirm_at(c), now.mono))
		return client_stream_spent(c, link_next(c))
			       ? spent_next(c, now.mono)
			       : client_send_confirm(c, now.mono, out);
	if (!l->on || !speaks(c, now.mono))
		return MPP_ERR_AGAIN;
	if (client_stream_spent(c, l))
		return spent(c, now.mono);
	if (l->n_challenges != 0)
		return client_send_response(c, now.mono, out);
	if (client_serving(c) && time_due(request_at(c), now.mono))
		return client_send_request(c, now.mono, out);
	if (client_serving(c) && time_due(client_resolve_at(c), now.mono))
		return client_resolve_send(c, now, out);
	spoke(c, now.mono);
	return send_acknowledge(c, l, c->held, 0, out);
}

static mpp_time earlier(mpp_time a, mpp_time b)
{
	return a.us < b.us ? a : b;
}

/* Of the connection over which requests go. */
static mpp_time serving_deadline(const struct mpp_client *c)
{
	const struct link *l = &c->links[c->cur];
	mpp_time at;

	if (c->requests[0].type != MSG_NONE)
		at = request_at(c);
	else
		at = keepalive_deadline(&c->keepalive, l->spoke);
	at = earlier(at, client_resolve_at(c));
	return c->state == CLIENT_CONNECTED ? earlier(at, l->renew) : at;
}

static mpp_time answer_at(const struct link *l)
{
	if (l->n_challenges != 0)
		return (mpp_time){0};
	return ack_at(l);
}

mpp_time client_send_deadline(const struct mpp_client *c)
{
	const struct link *l = &c->links[c->cur];
	mpp_time at = l->on ? l->ends : MPP_TIME_NEVER;

	if (l->on && (client_serving(c) || !client_stream_spent(c, l)))
		at = earlier(at, answer_at(l));
	if (c->state == CLIENT_CONFIRMING) {
		at = earlier(at, confirm_at(c));
		at = earlier(at, time_plus(c->links[c->cur ^ 1u].made,
					   CONFIRM_LIFE_US));
	}
	if (client_serving(c))
		at = earlier(at, serving_deadline(c));
	return earlier(at, client_resolve_ends(c));
}
