/* SPDX-License-Identifier: MIT */
/* client.c - a device: memory, events, timers. Contract: mpp/client.h.
 *
 *   IDLE -connect-> CONNECTING -ResponderComplete-> CONFIRMING
 *                     ^   ^                             | packet
 *                     |   +------- 10 s without --------+
 *                     |                                 v
 *                     +---- no answer, moved ------ CONNECTED
 *   any -refused, closed, asked once-> DONE
 *
 * While it reconnects the old connection still receives; it ends when the new
 * one is confirmed. When only fresh keys are wanted (`renewing`), it also sends
 * until then. */
#include "role/client.h"

#include "base/mem.h"

/* Buffers for datagrams stand behind the client. */
size_t mpp_client_size_for(unsigned datagrams)
{
	if (datagrams < 1)
		datagrams = 1;
	if (datagrams > ASSEMBLY_BUFFERS)
		datagrams = ASSEMBLY_BUFFERS;
	return sizeof(struct mpp_client) + (size_t)datagrams * DATAGRAM_MAX;
}

size_t mpp_client_size(void)
{
	return mpp_client_size_for(MPP_CLIENT_DATAGRAMS);
}

/* ---- start ---- */

static mpp_err copy_pins(struct mpp_client *c, const mpp_client_config *k)
{
	size_t i;

	if (k->n_pins > MPP_PINS_MAX)
		return MPP_ERR_INVALID;
	for (i = 0; i < k->n_pins; i++) {
		if (k->pins[i].len == 0 || k->pins[i].len > PIN_TEXT_MAX)
			return MPP_ERR_INVALID;
		memcpy(c->pins[i], k->pins[i].p, k->pins[i].len);
		c->pin_len[i] = k->pins[i].len;
	}
	c->n_pins = k->n_pins;
	return MPP_OK;
}

static mpp_err copy_stores(struct mpp_client *c, const mpp_client_config *k)
{
	size_t i;

	if (k->n_stores > MPP_FILTER_MAX)
		return MPP_ERR_INVALID;
	for (i = 0; i < k->n_stores; i++) {
		if (k->stores[i].len == 0 || k->stores[i].len > MPP_STORE_MAX)
			return MPP_ERR_INVALID;
		memcpy(c->stores[i], k->stores[i].p, k->stores[i].len);
		c->store_len[i] = (uint8_t)k->stores[i].len;
	}
	c->n_stores = k->n_stores;
	return MPP_OK;
}

static mpp_err copy_keys(struct mpp_client *c, const mpp_client_config *k)
{
	size_t len = mpp_dh_len(k->suite);
	mpp_err err;

	if (len == 0 || mem_is_zero(k->device_secret, len))
		return MPP_ERR_INVALID;
	c->suite = k->suite;
	memcpy(c->device.secret, k->device_secret, len);
	err = c->crypto.ops->dh_public(c->crypto.ctx, k->suite,
				       c->device.secret, c->device.pub);
	if (err == MPP_OK)
		err = mpp_udf_key(&c->crypto, k->suite, c->device.pub, c->udf);
	c->have_key = k->have_service_key;
	memcpy(c->service_key, k->service_key, MPP_DH_MAX);
	return err;
}

static mpp_err init(struct mpp_client *c, const mpp_client_config *k)
{
	mpp_err err;

	if (k->mode < MPP_MODE_SUBSCRIBE || k->mode > MPP_MODE_KEEP ||
	    k->account.len == 0 || k->account.len > MPP_ACCOUNT_MAX)
		return MPP_ERR_INVALID;
	c->mode = k->mode;
	c->state = CLIENT_IDLE;
	c->account_len = k->account.len;
	memcpy(c->account, k->account.p, k->account.len);
	memcpy(c->instance, k->instance, MPP_INSTANCE_LEN);
	/* Whoever only asks connects as an instance of its own, so that it
	 * never displaces a subscription; and who goes on asking neither. */
	if (k->mode == MPP_MODE_STATUS || k->mode == MPP_MODE_ENDPOINT ||
	    k->mode == MPP_MODE_ASK)
		c->instance[MPP_INSTANCE_LEN - 1] ^= 1;
	else if (k->mode == MPP_MODE_KEEP)
		c->instance[MPP_INSTANCE_LEN - 1] ^= 2;
	c->timestamp_ms = k->timestamp_ms;
	c->have_invitation = k->have_invitation;
	memcpy(c->invitation, k->invitation, MPP_INVITATION_LEN);
	c->held = k->acknowledge;
	c->ask_lease_ms = k->lease_ms;
	keepalive_init(&c->keepalive, k->keepalive_ms);
	client_network_init(c, k);
	client_web_init(c, k);
	c->renew_s = k->renew_s != 0 ? k->renew_s : RENEW_S;
	c->renew_packets = k->renew_packets != 0 ? k->renew_packets
						 : RENEW_PACKETS;
	if (c->renew_s < RENEW_MIN_S || c->renew_s > RENEW_MAX_S)
		return MPP_ERR_INVALID;
	c->unlinkable = k->unlinkable;
	c->key_log = k->key_log;
	c->attempt_at = MPP_TIME_NEVER;
	err = copy_pins(c, k);
	if (err == MPP_OK)
		err = copy_stores(c, k);
	if (err == MPP_OK)
		err = client_ticket_init(c, k);
	return err == MPP_OK ? copy_keys(c, k) : err;
}

mpp_err mpp_client_init(void *mem, size_t len, const mpp_client_config *config,
			const mpp_crypto *crypto, mpp_client **out)
{
	struct mpp_client *c = mem;
	unsigned n = ASSEMBLY_BUFFERS;
	mpp_err err;

	if (len < mpp_client_size_for(1))
		return MPP_ERR_NOSPACE;
	while (len < mpp_client_size_for(n))
		n--;
	memset(c, 0, sizeof(*c));
	c->assemblies.room = (uint8_t *)mem + sizeof(*c);
	c->assemblies.buffers = (uint8_t)n;
	c->reading = ASSEMBLY_NONE;
	c->crypto = *crypto;
	err = init(c, config);
	if (err != MPP_OK) {
		mpp_client_wipe(c);
		return err;
	}
	*out = c;
	return MPP_OK;
}

void mpp_client_wipe(mpp_client *c)
{
	assembly_wipe(&c->assemblies);
	mem_wipe(c, sizeof(*c));
}

void mpp_client_udf(const mpp_client *c, uint8_t udf[MPP_UDF_LEN])
{
	memcpy(udf, c->udf, MPP_UDF_LEN);
}

void mpp_client_keepalive(const mpp_client *c, mpp_client_keepalive_info *out)
{
	const struct keepalive *k = &c->keepalive;

	*out = (mpp_client_keepalive_info){
		.interval_ms = keepalive_interval_ms(k),
		.low_ms = k->low_ms,
		.high_ms = k->high_ms,
		.settled = keepalive_settled(k),
		.proved = k->answered,
		.missed = k->missed,
		.restarted = k->restarted,
	};
}

/* ---- events ---- */

struct event_slot *client_event(struct mpp_client *c,
				mpp_client_event_kind kind, bool spare)
{
	unsigned room = spare ? EVENTS : EVENTS - EVENTS_SPARE;
	struct event_slot *e;

	if (c->event_n >= room)
		return NULL;
	e = &c->events[(c->event_head + c->event_n++) % EVENTS];
	memset(&e->ev, 0, sizeof(e->ev));
	e->buffer = ASSEMBLY_NONE;
	e->ev.kind = kind;
	e->ev.rtt_us = link_cur(c)->rtt.smooth_us;
	e->ev.keepalive_ms = keepalive_interval_ms(&c->keepalive);
	e->ev.transport = c->web.on ? MPP_TRANSPORT_WEB : MPP_TRANSPORT_UDP;
	return e;
}

void client_event_message(struct mpp_client *c, struct event_slot *e,
			  mpp_bytes message)
{
	const struct msg *m = &c->msg;
	mpp_buf text = {e->text, sizeof(e->text), 0};

	if (message.len > sizeof(e->message)) {
		/* It stays where it was put together. */
		e->buffer = c->reading;
		assembly_hold(&c->assemblies, e->buffer);
		e->ev.message = message;
	} else {
		memcpy(e->message, message.p, message.len);
		e->ev.message = (mpp_bytes){e->message, message.len};
	}
	e->ev.status = (int)m->status;
	if (msg_has(m, FIELD_DESCRIPTION) &&
	    mpp_json_text_copy(&m->description, &text) == MPP_OK)
		e->ev.text = (mpp_bytes){e->text, text.len};
	e->ev.endpoint = m->endpoint;
	e->ev.now_s = m->now_s;
	e->ev.serial = msg_has(m, FIELD_SERIAL) ? m->serial : 0;
	e->ev.more = m->more;
	e->ev.reset = m->reset;
	e->ev.n_stores = m->store_status.n;
}

static void fill_save(struct mpp_client *c, mpp_client_event *ev)
{
	memset(ev, 0, sizeof(*ev));
	ev->kind = MPP_EV_SAVE;
	ev->timestamp_ms = c->timestamp_ms;
	ev->have_service_key = c->have_key;
	ev->suite = c->suite;
	memcpy(ev->service_key, c->service_key, MPP_DH_MAX);
	client_ticket_save(c, ev);
	client_network_save(c, ev);
}

mpp_err mpp_client_next_event(mpp_client *c, mpp_client_event *ev)
{
	if (c->event_out) {
		assembly_release(&c->assemblies,
				 c->events[c->event_head].buffer);
		c->event_head = (c->event_head + 1) % EVENTS;
		c->event_n--;
		c->event_out = false;
	}
	if (c->want_save) {
		c->want_save = false;
		c->saving = true;
		fill_save(c, ev);
		return MPP_OK;
	}
	if (c->event_n == 0)
		return MPP_ERR_AGAIN;
	*ev = c->events[c->event_head].ev;
	c->event_out = true;
	return MPP_OK;
}

void mpp_client_saved(mpp_client *c)
{
	c->saving = false;
}

bool mpp_client_store_next(const mpp_client_event *ev, size_t *cursor,
			   mpp_buf *scratch, mpp_store_status *out)
{
	return scratch->cap >= MPP_STORE_MAX + MPP_DIGEST_MAX &&
	       ev->n_stores != 0 &&
	       msg_store_at(ev->message, cursor, scratch, out);
}

bool mpp_client_skipped_next(const mpp_client_event *ev, size_t *cursor,
			     mpp_buf *scratch, mpp_bytes *name)
{
	struct msg m;
	mpp_bytes rest;
	size_t i;

	if (scratch->cap < MPP_STORE_MAX ||
	    msg_decode(ev->message, &m, &rest) != MPP_OK)
		return false;
	for (i = 0; i <= *cursor; i++) {
		if (!msg_next_name(&m.skipped, scratch, name))
			return false;
	}
	++*cursor;
	return true;
}

/* ---- states ---- */

void client_restart(struct mpp_client *c, mpp_time now)
{
	c->state = CLIENT_CONNECTING;
	c->renewing = false;
	keepalive_stop(&c->keepalive);
	mem_wipe(c->attempts, sizeof(c->attempts));
	c->n_probes = 0;
	mem_wipe(link_next(c), sizeof(struct link));
	c->failures = 0;
	c->cookie_len = 0;
	c->offered = false;
	c->suites_len = 0;
	c->attempt_at = time_due(c->not_before, now) ? now : c->not_before;
	client_web_restarted(c, now);
}

void client_restart_next(struct mpp_client *c, mpp_time now)
{
	const bool renewing = c->renewing;

	client_restart(c, now);
	c->renewing = renewing;
}

bool client_stays(const struct mpp_client *c)
{
	return c->mode == MPP_MODE_SUBSCRIBE || c->mode == MPP_MODE_KEEP;
}

bool client_renewable(const struct mpp_client *c)
{
	return client_stays(c) || c->mode == MPP_MODE_ASK;
}

void client_renew(struct mpp_client *c, mpp_time now)
{
	if (c->state != CLIENT_CONNECTED || !client_renewable(c))
		return;
	client_restart(c, now);
	c->renewing = true;
}

bool client_serving(const struct mpp_client *c)
{
	return c->state == CLIENT_CONNECTED ||
	       (c->renewing && (c->state == CLIENT_CONNECTING ||
				c->state == CLIENT_CONFIRMING));
}

void client_done(struct mpp_client *c)
{
	c->state = CLIENT_DONE;
	c->closing = false;
	memset(c->web.posts, 0, sizeof(c->web.posts));
	mem_wipe(c->attempts, sizeof(c->attempts));
	mem_wipe(c->links, sizeof(c->links));
	mem_wipe(c->resolves, sizeof(c->resolves));
	c->attempt_at = MPP_TIME_NEVER;
}

void mpp_client_connect(mpp_client *c, mpp_instant now)
{
	if (c->state == CLIENT_DONE)
		return;
	client_restart(c, now.mono);
	client_web_begun(c, now.mono);
}

/* ---- ends of connections ---- */

/* Whatever took the service away took it from all of its devices. They come
 * back in the time that it has asked for, each at random. */
static uint64_t draw_wait(struct mpp_client *c)
{
	const uint64_t most = (uint64_t)link_cur(c)->spread_ms * 1000;
	uint8_t r[4];
	struct rd in = rd_init((mpp_bytes){r, sizeof(r)});

	if (c->crypto.ops->random(c->crypto.ctx, r, sizeof(r)) != MPP_OK)
		return 0;
	return most * rd_u32(&in) >> 32;
}

void client_lose(struct mpp_client *c, mpp_time now)
{
	const uint64_t wait = draw_wait(c);
	struct event_slot *e = c->lost ? NULL
				       : client_event(c, MPP_EV_LOST, true);

	if (e != NULL) {
		e->ev.retry_ms = (uint32_t)(wait / 1000);
		c->lost = true;
	}
	c->not_before = time_plus(now, wait);
	client_restart(c, now);
}

/* The service has no such connection any more: no need to wait for what will
 * not be answered. */
static mpp_err take_reset(struct mpp_client *c, mpp_buf in, mpp_time now)
{
	const uint8_t *token = in.p + in.len - RESET_TOKEN_LEN;
	unsigned i = 0;

	while (i < 2 && !(c->links[i].on && mem_eq_ct(c->links[i].reset_token,
						      token, RESET_TOKEN_LEN)))
		i++;
	if (i == 2)
		return MPP_ERR_STRANGER;
	if (i == c->cur && c->state == CLIENT_CONFIRMING)
		c->renewing = false;
	else if (i == c->cur && client_serving(c))
		client_lose(c, now);
	else if (i != c->cur && c->state == CLIENT_CONFIRMING)
		client_restart_next(c, now);
	mem_wipe(&c->links[i], sizeof(c->links[i]));
	return MPP_ERR_CLOSED;
}

/* Keys that are too old end, whether there are others or not. */
static void end_keys(struct mpp_client *c, mpp_time now)
{
	struct link *l = link_cur(c);

	if (!l->on || !time_due(l->ends, now))
		return;
	mem_wipe(l, sizeof(*l));
	if (c->state == CLIENT_CONFIRMING)
		c->renewing = false;
	else if (client_serving(c))
		client_lose(c, now);
}

static void age_keys(struct mpp_client *c, mpp_time now)
{
	const struct link *l = link_cur(c);

	end_keys(c, now);
	if (c->state == CLIENT_CONNECTED &&
	    (time_due(l->renew, now) || l->tx_next >= c->renew_packets ||
	     l->rx_top >= c->renew_packets))
		client_renew(c, now);
}

/* HTTP carries what a path would carry in several packets as one. */
static size_t largest(const struct mpp_client *c)
{
	return c->web.here ? (size_t)DATAGRAM_MAX + PACKET_OVERHEAD
			   : MPP_PACKET_MAX;
}

mpp_err client_receive(struct mpp_client *c, mpp_buf in, mpp_instant now)
{
	unsigned i;

	end_keys(c, now.mono);
	if (in.len < REPLY_ID_LEN || in.len > largest(c))
		return MPP_ERR_RANGE;
	/* First, because an Error may be as short as a reset. */
	for (i = 0; i < ATTEMPTS; i++) {
		if (c->attempts[i].type != 0 &&
		    memcmp(c->attempts[i].reply_id, in.p, REPLY_ID_LEN) == 0)
			return client_answer(c, &c->attempts[i],
					     (mpp_bytes){in.p, in.len}, now);
	}
	if (client_probe_find(c, (mpp_bytes){in.p, in.len}))
		return client_probe_answer(c, (mpp_bytes){in.p, in.len}, now);
	if (in.len >= RESET_MIN && in.len <= RESET_MAX)
		return take_reset(c, in, now.mono);
	if (in.len < PACKET_OVERHEAD)
		return MPP_ERR_RANGE;
	for (i = 0; i < 2; i++) {
		if (c->links[i].on &&
		    client_stream_find(&c->links[i], in.p) != CLIENT_IDS)
			return client_data(c, &c->links[i], in, now);
	}
	return MPP_ERR_STRANGER;
}

mpp_err mpp_client_receive(mpp_client *c, mpp_buf in, mpp_instant now)
{
	return client_receive(c, in, now);
}

/* ---- timers ---- */

static bool unanswered(const struct mpp_client *c, mpp_time now)
{
	const struct request_slot *r = &c->requests[0];

	return r->type != MSG_NONE && r->serial != 0 &&
	       r->tries >= LOST_TRIES &&
	       time_due(time_plus(r->first, LOST_AFTER_US), now);
}

void mpp_client_tick(mpp_client *c, mpp_instant now)
{
	if (c->state == CLIENT_CONFIRMING &&
	    time_due(time_plus(link_next(c)->made, CONFIRM_LIFE_US), now.mono))
		client_restart_next(c, now.mono);
	age_keys(c, now.mono);
	client_web_tick(c, now.mono);
	client_resolve_tick(c, now.mono);
	if (!client_serving(c))
		return;
	if (unanswered(c, now.mono) || client_resolve_unheard(c, now.mono)) {
		if (!client_web_takes(c, now.mono))
			client_lose(c, now.mono);
		return;
	}
	keepalive_tick(&c->keepalive, now.mono);
	if (c->requests[0].type == MSG_NONE && !client_web_polls(c) &&
	    time_due(keepalive_deadline(&c->keepalive, link_cur(c)->spoke),
		     now.mono))
		client_heartbeat(c, now.mono);
}

mpp_time mpp_client_deadline(const mpp_client *c)
{
	mpp_time at = client_attempt_deadline(c);
	mpp_time data = client_send_deadline(c);

	mpp_time web = client_web_deadline(c);
	const mpp_time names = client_resolve_ends(c);

	if (c->closing)
		return (mpp_time){0};
	if (c->web.on)
		return names.us < web.us ? names : web;
	if (data.us < at.us)
		at = data;
	return web.us < at.us ? web : at;
}

mpp_err mpp_client_send(mpp_client *c, mpp_instant now, mpp_buf *out)
{
	mpp_err err;

	if (out->cap < MPP_PACKET_MAX)
		return MPP_ERR_NOSPACE;
	out->len = 0;
	mpp_client_tick(c, now);
	if (c->state == CLIENT_DONE || c->state == CLIENT_IDLE)
		return MPP_ERR_AGAIN;
	if (c->web.on)
		return client_web_try(c, now.mono, out);
	err = client_send_data(c, now, out);
	if (err == MPP_ERR_AGAIN)
		err = client_attempt(c, now, out);
	return err;
}

/* ---- what the application asks ---- */

static mpp_err ask(struct mpp_client *c, enum msg_type type, uint32_t *request)
{
	struct request_slot *r;

	if (c->state == CLIENT_DONE || c->state == CLIENT_IDLE)
		return MPP_ERR_STATE;
	r = client_queue(c, type);
	if (r == NULL)
		return MPP_ERR_AGAIN;
	r->number = ++c->numbers;
	*request = r->number;
	return MPP_OK;
}

mpp_err mpp_client_status(mpp_client *c, mpp_instant now, uint32_t *request)
{
	(void)now;
	return ask(c, MSG_STATUS_REQUEST, request);
}

mpp_err mpp_client_endpoint(mpp_client *c, mpp_instant now, uint32_t *request)
{
	(void)now;
	return ask(c, MSG_ENDPOINT_REQUEST, request);
}

mpp_err mpp_client_unsubscribe(mpp_client *c, mpp_instant now,
			       uint32_t *request)
{
	(void)now;
	return ask(c, MSG_DISCONNECT_REQUEST, request);
}

enum { PUBLISH_HEAD = 96 }; /* StreamId, type, Serial, Acknowledge, braces */

mpp_err mpp_client_publish(mpp_client *c, const mpp_store_status *stores,
			   size_t n, mpp_instant now, uint32_t *request)
{
	struct request_slot *r;
	mpp_json_writer w;
	size_t i;
	mpp_err err;

	(void)now;
	if (n == 0 || n > MSG_STORES_MAX)
		return MPP_ERR_INVALID;
	mpp_json_writer_init(&w, MPP_JSON_B, c->plain,
			     PACKET_PLAIN_MAX - PUBLISH_HEAD);
	mpp_json_array(&w, NULL);
	for (i = 0; i < n; i++)
		msg_put_store(&w, &stores[i]);
	mpp_json_close(&w);
	err = mpp_json_finish(&w);
	if (err == MPP_OK)
		err = ask(c, MSG_PUBLISH_REQUEST, request);
	if (err != MPP_OK)
		return err;
	for (r = c->requests; r->number != *request; r++)
		;
	memcpy(r->body, c->plain, w.n);
	r->len = (uint16_t)w.n;
	return MPP_OK;
}

void mpp_client_close(mpp_client *c, mpp_instant now)
{
	(void)now;
	if (c->state == CLIENT_DONE)
		return;
	if (link_cur(c)->on) {
		c->closing = true;
		return;
	}
	(void)client_event(c, MPP_EV_CLOSED, true);
	client_done(c);
}
