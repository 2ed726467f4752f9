/* SPDX-License-Identifier: MIT */
/* client_data.c - data packets from the service (docs/protocol.md 6, 7). */
#include "role/client.h"

#include "base/mem.h"
#include "rud/replay.h"

/* Does Serial say "with this you have everything up to here"? Not in the
 * answer to a publish: what others changed before it is still to come. */
static bool brings_state(const struct msg *m)
{
	return msg_has(m, FIELD_SERIAL) &&
	       (m->type == MSG_NOTIFY || m->type == MSG_STATUS ||
		m->type == MSG_CONNECT_RESPONSE);
}

/* A message with a publication serial: is the application to hear of it? */
static bool take_serial(struct mpp_client *c)
{
	const struct msg *m = &c->msg;

	if (!brings_state(m))
		return false;
	if (m->reset || m->serial > c->held) {
		c->held = m->serial;
		return true;
	}
	return false; /* nothing newer than what is held: never goes back */
}

/* ---- opening ---- */

static mpp_err open_packet(struct mpp_client *c, struct link *l, mpp_buf in,
			   struct rud_header *h, struct assembled *out)
{
	struct replay window = {l->rx_top, l->rx_bits, WINDOW_WORDS};
	const struct arrival a = {l->number, &window, h};
	uint8_t buffer = ASSEMBLY_NONE;
	mpp_bytes plain = {in.p + PACKET_HEAD, in.len - PACKET_OVERHEAD};
	mpp_err err = packet_header(&c->crypto, &l->rx, in.p, h);

	if (err == MPP_OK)
		err = assembly_check(&c->assemblies, &a, plain.len);
	if (err == MPP_OK)
		err = packet_open(&c->crypto, &l->rx, h, in.p, in.len);
	if (err == MPP_OK && plain.len > PACKET_PLAIN_LARGEST)
		err = assembly_place(&c->assemblies, h, &plain, &buffer);
	if (err != MPP_OK)
		return err;
	*out = assembly_take(&c->assemblies, &a, plain);
	if (buffer != ASSEMBLY_NONE)
		out->buffer = buffer;
	l->rx_top = window.top;
	return MPP_OK;
}

static mpp_err read_plain(struct mpp_client *c, mpp_bytes plain,
			  mpp_bytes *message)
{
	struct rd r = rd_init(plain);
	mpp_bytes rest, start;
	mpp_err err = ext_read(&r, &c->in.ext);

	memset(&c->msg, 0, sizeof(c->msg));
	start = rest = rd_rest(&r);
	*message = (mpp_bytes){start.p, 0};
	if (err == MPP_OK && rest.len != 0 && rest.p[0] != 0)
		err = msg_decode(start, &c->msg, &rest);
	if (err == MPP_OK && !mem_is_zero(rest.p, rest.len))
		err = MPP_ERR_PADDING;
	if (err == MPP_OK)
		message->len = start.len - rest.len;
	return err;
}

/* ---- messages ---- */

static void take_close(struct mpp_client *c, mpp_time now)
{
	struct rd r = rd_init(c->in.ext.v[EXT_CLOSE]);
	uint64_t code = rd_int(&r);
	mpp_bytes text = rd_bytes(&r);
	struct event_slot *e = client_event(c, MPP_EV_CLOSED, true);

	if (e != NULL) {
		e->ev.status = (int)code;
		e->ev.text = (mpp_bytes){e->text, 0};
		if (r.err == MPP_OK && text.len <= sizeof(e->text)) {
			memcpy(e->text, text.p, text.len);
			e->ev.text.len = text.len;
		}
	}
	if (code == MPP_STATUS_UNAUTHENTIC)
		client_ticket_revoked(c);
	if (code == MPP_STATUS_FORBIDDEN || !client_stays(c)) {
		client_done(c);
		return;
	}
	mem_wipe(link_cur(c), sizeof(struct link));
	client_restart(c, now);
}

static void give_publication(struct mpp_client *c, mpp_bytes message)
{
	struct event_slot *e;

	if (c->msg.store_status.n == 0)
		return;
	e = client_event(c, MPP_EV_PUBLICATION, false);
	if (e != NULL)
		client_event_message(c, e, message);
}

/* The service challenges the path: the answer goes out with the next packet.
 * Only the newest two are kept. */
static void take_challenge(struct mpp_client *c, struct link *l, mpp_time now)
{
	const mpp_bytes v = c->in.ext.v[EXT_PATH_CHALLENGE];
	unsigned i;

	if (!ext_has(&c->in.ext, EXT_PATH_CHALLENGE) || c->web.here ||
	    v.len != sizeof(l->challenges[0]))
		return;
	l->challenged = now;
	for (i = 0; i < l->n_challenges; i++) {
		if (memcmp(l->challenges[i], v.p, v.len) == 0)
			return;
	}
	if (l->n_challenges == CHALLENGES)
		memcpy(l->challenges[0], l->challenges[1], v.len);
	else
		l->n_challenges++;
	memcpy(l->challenges[l->n_challenges - 1], v.p, v.len);
}

static void take_path_lost(struct mpp_client *c)
{
	uint64_t ms;

	if (ext_has(&c->in.ext, EXT_PATH_LOST) &&
	    ext_get_int(c->in.ext.v[EXT_PATH_LOST], &ms) == MPP_OK)
		keepalive_path_lost(&c->keepalive, ms);
}

static bool same_endpoint(const mpp_addr *a, const mpp_addr *b)
{
	return a->port == b->port && a->family == b->family &&
	       memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

/* The service sees us elsewhere than before. When it challenges that, the
 * connection moves along; when it does not, the path that it has proved is
 * not ours any more, so make a new connection. */
static void notice_move(struct mpp_client *c, mpp_time now)
{
	struct link *l = link_cur(c);
	const mpp_addr *a = &c->msg.endpoint;

	if (c->state != CLIENT_CONNECTED || c->web.on || a->family == 0 ||
	    l->endpoint.family == 0)
		return;
	if (same_endpoint(a, &l->endpoint)) {
		l->elsewhere.us = 0;
		return;
	}
	if (l->elsewhere.us == 0)
		l->elsewhere = now;
	if (l->challenged.us != 0 &&
	    time_plus(l->challenged, MOVE_WAIT_US).us >= l->elsewhere.us) {
		l->endpoint = *a;
		l->elsewhere.us = 0;
		return;
	}
	if (!time_due(time_plus(l->elsewhere, MOVE_WAIT_US), now) ||
	    (c->moved.us != 0 &&
	     !time_due(time_plus(c->moved, MOVE_PAUSE_US), now)))
		return;
	c->moved = now;
	client_restart(c, now);
}

static bool answers_request(const struct mpp_client *c)
{
	const struct request_slot *r = &c->requests[0];

	return r->type != MSG_NONE && r->serial != 0 &&
	       c->msg.acknowledge == r->serial;
}

/* Too many: the request under way is asked again, later. */
static bool told_to_wait(struct mpp_client *c, mpp_time now)
{
	struct request_slot *r = &c->requests[0];
	uint64_t ms = client_retry_after(c);

	if (c->msg.status != MPP_STATUS_TOO_MANY || ms == 0)
		return false;
	r->serial = 0;
	r->at = time_plus(now, (ms > RETRY_MAX_MS ? RETRY_MAX_MS : ms) * 1000);
	return true;
}

/* An answer to the request under way. */
static void take_answer(struct mpp_client *c, mpp_bytes message, mpp_time now)
{
	struct request_slot *r = &c->requests[0];
	bool status = r->type == MSG_STATUS_REQUEST;
	struct event_slot *e;

	/* A vector in parts begins anew: the rest follows what this holds. */
	if (status && c->msg.more && brings_state(&c->msg))
		c->held = c->msg.serial;
	else if (take_serial(c) && !status)
		give_publication(c, message);
	if (r->number != 0) {
		e = client_event(c, MPP_EV_RESPONSE, true);
		if (e != NULL) {
			client_event_message(c, e, message);
			e->ev.request = r->number;
		}
	}
	if (r->probe_ms != 0)
		(void)keepalive_answered(&c->keepalive, r->serial, now);
	else
		keepalive_alive(&c->keepalive, now);
	if (r->type == MSG_DISCONNECT_REQUEST || r->type == MSG_CONNECT_REQUEST)
		link_cur(c)->quiet = r->type == MSG_DISCONNECT_REQUEST;
	client_dequeue(c);
}

/* The service has the heartbeat with a Probe, and answers it in time: it is
 * the device's turn to be silent. */
static void take_probe_ack(struct mpp_client *c, const struct link *l,
			   const struct rud_header *h)
{
	const struct request_slot *r = &c->requests[0];

	if (c->msg.type != MSG_NONE || (h->flags & FLAG_ACK) == 0 ||
	    r->type == MSG_NONE || r->serial == 0 || r->probe_ms == 0 ||
	    r->index != h->ack_index)
		return;
	keepalive_waits(&c->keepalive,
			4 * (uint64_t)rtt_pto_us(&l->rtt) + PROBE_GRACE_US);
	client_dequeue(c);
}

/* The late answer to a probe. While there is more to find out, the next one
 * goes out in place of its acknowledgement. */
static void take_late(struct mpp_client *c, mpp_time now)
{
	if (c->msg.type == MSG_STATUS &&
	    keepalive_answered(&c->keepalive, c->msg.acknowledge, now) &&
	    c->requests[0].type == MSG_NONE &&
	    keepalive_probe(&c->keepalive, now) != 0)
		client_heartbeat(c, now);
}

/* Answers that are not to the request under way: to the Status that waits by
 * HTTP, whose next one acknowledges what it brought, and to names. */
static bool take_other(struct mpp_client *c, struct link *l, mpp_bytes message,
		       mpp_time now)
{
	if (l != link_cur(c))
		return false;
	if (!client_web_polled(c, l, now))
		return client_resolve_take(c, message, now);
	client_ticket_keep(c);
	if (c->msg.status < 300 && take_serial(c)) {
		client_web_news(c);
		give_publication(c, message);
	}
	return true;
}

static void take_message(struct mpp_client *c, struct link *l,
			 mpp_bytes message, mpp_instant now)
{
	uint64_t held = c->held;

	if (take_other(c, l, message, now.mono))
		return;
	switch (c->msg.type) {
	case MSG_NOTIFY:
		if (l == link_cur(c))
			client_ticket_keep(c);
		if (take_serial(c))
			give_publication(c, message);
		break;
	case MSG_INVALID_SERIAL:
		/* Our number was too low: ask again with a higher one. */
		if (answers_request(c)) {
			l->serial = (uint32_t)c->msg.serial;
			c->requests[0].serial = 0;
		}
		break;
	case MSG_CONNECT_RESPONSE:
	case MSG_DISCONNECT_RESPONSE:
	case MSG_STATUS:
	case MSG_ENDPOINT_RESPONSE:
	case MSG_PUBLISH_RESPONSE:
	case MSG_RESOLVE_RESPONSE:
	case MSG_ERROR:
		if (answers_request(c)) {
			if (!told_to_wait(c, now.mono))
				take_answer(c, message, now.mono);
		} else if (l == link_cur(c)) {
			take_late(c, now.mono);
		}
		notice_move(c, now.mono);
		break;
	case MSG_NONE:
	case MSG_CONNECT_REQUEST:
	case MSG_DISCONNECT_REQUEST:
	case MSG_STATUS_REQUEST:
	case MSG_HEARTBEAT:
	case MSG_ENDPOINT_REQUEST:
	case MSG_PUBLISH_REQUEST:
	case MSG_RESOLVE_REQUEST:
	case MSG_ACKNOWLEDGE:
	case MSG_UNKNOWN:
	case MSG_TYPES:
		break;
	}
	/* What an answer brought is acknowledged like a publication. */
	if (c->held != held)
		l->ack_due = true;
}

static void sample(struct mpp_client *c, struct link *l,
		   const struct rud_header *h, mpp_time now)
{
	struct request_slot *r = &c->requests[0];

	if (c->web.on)
		return; /* the time that HTTP takes is not the path's */
	if ((h->flags & FLAG_ACK) != 0 && r->type != MSG_NONE &&
	    r->serial != 0 && r->index == h->ack_index)
		rtt_sample(&l->rtt, now.us - r->sent.us);
	else if ((h->flags & FLAG_ACK) != 0 && l == link_cur(c))
		client_resolve_acked(c, h->ack_index, now);
}

void client_confirmed(struct mpp_client *c, mpp_instant now)
{
	struct event_slot *e;
	mpp_bytes rest, first = {c->first, c->first_len};
	unsigned i;

	mem_wipe(link_cur(c), sizeof(struct link));
	c->cur ^= 1u;
	c->state = CLIENT_CONNECTED;
	c->renewing = false;
	c->lost = false;
	client_web_connected(c);
	c->have_invitation = false;
	link_cur(c)->spoke = now.mono;
	keepalive_connected(&c->keepalive, link_cur(c)->lease_ms);
	c->told_keepalive_ms = keepalive_interval_ms(&c->keepalive);
	/* Requests that were under way start again here. */
	for (i = 0; i < REQUESTS; i++)
		c->requests[i].serial = 0;
	client_resolve_again(c);
	memset(&c->msg, 0, sizeof(c->msg));
	if (first.len != 0 && msg_decode(first, &c->msg, &rest) != MPP_OK)
		memset(&c->msg, 0, sizeof(c->msg));
	e = client_event(c, MPP_EV_CONNECTED, true);
	if (e != NULL) {
		e->ev.endpoint = c->msg.endpoint;
		e->ev.now_s = c->msg.now_s;
		e->ev.serial = c->msg.serial;
		e->ev.lease_ms = link_cur(c)->lease_ms;
	}
	if (c->msg.type == MSG_CONNECT_RESPONSE && take_serial(c))
		give_publication(c, first);
	c->first_len = 0;
	c->first_serial = 0;
}

/* The application hears of another interval, when there is room. */
static void tell_keepalive(struct mpp_client *c)
{
	const uint32_t ms = keepalive_interval_ms(&c->keepalive);

	if (ms != c->told_keepalive_ms &&
	    client_event(c, MPP_EV_KEEPALIVE, false) != NULL)
		c->told_keepalive_ms = ms;
}

/* A message needs a place in the queue of events; without one the packet
 * counts as lost, and the service says it again later. */
static bool no_room(const struct mpp_client *c)
{
	if (c->msg.type == MSG_NONE)
		return false;
	return c->event_n >=
	       (c->msg.store_status.n != 0 ? EVENTS - EVENTS_SPARE : EVENTS);
}

/* What came in a packet. */
struct came {
	struct rud_header h;
	struct assembled got;
	unsigned place; /* of the identifier it named */
};

/* The newest datagram that asks is acknowledged; without one, the first that
 * came. A datagram of which more is to come may wait a little. */
static void note_ack(struct link *l, const struct came *in, mpp_time now)
{
	const bool asked = (in->h.flags & FLAG_ACK_WANTED) != 0;

	if (!asked && l->ack_header)
		return;
	l->ack_header = true;
	l->ack_index = (uint32_t)in->h.index;
	l->ack_bits = in->got.got;
	if (asked && in->got.prompt)
		l->ack_due = true;
	else if (asked && l->ack_at.us == 0)
		l->ack_at = time_plus(now, ACK_DELAY_US);
}

/* A datagram has come, all of it. */
static mpp_err take_datagram(struct mpp_client *c, struct link *l,
			     const struct came *in, mpp_instant now)
{
	mpp_bytes message;
	mpp_err err = read_plain(c, in->got.plain, &message);

	if (err != MPP_OK)
		return err;
	if (ext_has(&c->in.ext, EXT_CLOSE)) {
		take_close(c, now.mono);
		return MPP_OK;
	}
	if (ext_has(&c->in.ext, EXT_RENEW) && l == link_cur(c) &&
	    time_due(time_plus(l->made, RENEW_PAUSE_US), now.mono))
		client_renew(c, now.mono);
	client_stream_heard(l, in->place, c->in.ext.v[EXT_STREAM_ID]);
	take_challenge(c, l, now.mono);
	if (no_room(c))
		return MPP_ERR_LIMIT;
	note_ack(l, in, now.mono);
	if (l == link_cur(c)) {
		take_probe_ack(c, l, &in->h);
		take_path_lost(c);
	}
	take_message(c, l, message, now);
	tell_keepalive(c);
	client_network_note(c);
	return MPP_OK;
}

mpp_err client_data(struct mpp_client *c, struct link *l, mpp_buf in,
		    mpp_instant now)
{
	struct came came = {.place = client_stream_find(l, in.p)};
	const bool tell = l->tell;
	mpp_err err = open_packet(c, l, in, &came.h, &came.got);

	if (err != MPP_OK)
		return err;
	l->heard = now.mono;
	if (l == link_next(c) && c->state == CLIENT_CONFIRMING)
		client_confirmed(c, now);
	sample(c, l, &came.h, now.mono);
	if (!came.got.whole) {
		client_stream_heard(l, came.place, (mpp_bytes){NULL, 0});
		note_ack(l, &came, now.mono);
		return MPP_OK;
	}
	c->reading = came.got.buffer;
	err = take_datagram(c, l, &came, now);
	c->reading = ASSEMBLY_NONE;
	assembly_release(&c->assemblies, came.got.buffer);
	if (c->web.here)
		l->tell = tell; /* it proves no address */
	else if (l == link_cur(c))
		client_web_udp_heard(c, now.mono);
	return err;
}
