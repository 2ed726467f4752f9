/* SPDX-License-Identifier: MIT */
/* client_resolve.c - names that the service resolves (docs/protocol.md section
 * 17). Unlike other requests several are under way at a time, because one name
 * may take long and must not keep the others waiting. */
#include "role/client.h"

#include "base/mem.h"

enum {
	DNS_HEADER = 12,
	QUERY_BLOCK = 128,          /* padded so (RFC 8467) */
	RESOLVE_LIFE_US = 15000000, /* it is given up */
	FULL_PAUSE_US = 100000,     /* the application takes no events */
};

static mpp_time earlier(mpp_time a, mpp_time b)
{
	return a.us < b.us ? a : b;
}

static void free_slot(struct resolve_slot *r)
{
	mem_wipe(r, sizeof(*r));
}

/* ---- asking ---- */

static struct resolve_slot *find_number(struct mpp_client *c, uint32_t number)
{
	unsigned i;

	for (i = 0; i < RESOLVES; i++) {
		if (c->resolves[i].number == number)
			return &c->resolves[i];
	}
	return NULL;
}

mpp_err mpp_client_resolve(mpp_client *c, mpp_bytes query, mpp_instant now,
			   uint32_t *request)
{
	struct resolve_slot *r = find_number(c, 0);

	if (c->state == CLIENT_DONE || c->state == CLIENT_IDLE)
		return MPP_ERR_STATE;
	if (query.len < DNS_HEADER)
		return MPP_ERR_INVALID;
	if (query.len > MPP_DNS_QUERY_MAX)
		return MPP_ERR_NOSPACE;
	if (r == NULL)
		return MPP_ERR_AGAIN;
	memset(r, 0, sizeof(*r));
	memcpy(r->query, query.p, query.len);
	r->len = (uint16_t)query.len;
	r->ends = time_plus(now.mono, RESOLVE_LIFE_US);
	r->number = ++c->numbers;
	*request = r->number;
	return MPP_OK;
}

static mpp_time slot_at(const struct mpp_client *c,
			const struct resolve_slot *r)
{
	if (r->number == 0)
		return MPP_TIME_NEVER;
	if (r->serial == 0)
		return r->at;
	return time_plus(r->sent, rtt_backoff_us(&c->links[c->cur].rtt,
						 r->tries - 1, 0));
}

mpp_time client_resolve_at(const struct mpp_client *c)
{
	mpp_time at = MPP_TIME_NEVER;
	unsigned i;

	for (i = 0; i < RESOLVES; i++)
		at = earlier(at, slot_at(c, &c->resolves[i]));
	return at;
}

/* The message, behind an empty extension list; padded so that its length says
 * little of the name. */
static mpp_err put_question(const struct mpp_client *c,
			    const struct resolve_slot *r, uint8_t *p, size_t *n)
{
	mpp_json_writer w;
	mpp_err err;
	size_t padded;

	p[0] = EXT_END;
	mpp_json_writer_init(&w, MPP_JSON_B, p + 1, PACKET_PLAIN_MAX - 1);
	msg_begin(&w, MSG_RESOLVE_REQUEST);
	mpp_json_data(&w, "DnsRequest", (mpp_bytes){r->query, r->len});
	mpp_json_uint(&w, "Serial", r->serial);
	mpp_json_uint(&w, "Acknowledge", c->held);
	msg_end(&w);
	err = mpp_json_finish(&w);
	if (err != MPP_OK)
		return err;
	*n = 1 + w.n;
	padded = (*n + QUERY_BLOCK - 1) / QUERY_BLOCK * QUERY_BLOCK;
	memset(p + *n, 0, padded - *n);
	*n = padded;
	return MPP_OK;
}

mpp_err client_resolve_send(struct mpp_client *c, mpp_instant now, mpp_buf *out)
{
	struct link *l = link_cur(c);
	struct resolve_slot *r = c->resolves;
	size_t n;
	mpp_err err;

	while (!time_due(slot_at(c, r), now.mono))
		r++;
	if (r->serial == 0) {
		r->serial = ++l->serial;
		r->tries = 0;
		r->first = now.mono;
	}
	r->tries++;
	r->sent = now.mono;
	r->index = (uint32_t)l->tx_next;
	err = put_question(c, r, out->p + PACKET_HEAD, &n);
	return err == MPP_OK ? client_send_resolve(c, now.mono, n, out) : err;
}

void client_resolve_again(struct mpp_client *c)
{
	unsigned i;

	for (i = 0; i < RESOLVES; i++)
		c->resolves[i].serial = 0;
}

/* ---- answers ---- */

static struct resolve_slot *find_serial(struct mpp_client *c, uint64_t serial)
{
	unsigned i;

	for (i = 0; i < RESOLVES; i++) {
		struct resolve_slot *r = &c->resolves[i];

		if (r->number != 0 && r->serial != 0 && r->serial == serial)
			return r;
	}
	return NULL;
}

/* Not now: ask again then, as something new. */
static void put_off(struct resolve_slot *r, uint64_t ms, mpp_time now)
{
	r->serial = 0;
	r->at = time_plus(now, (ms > RETRY_MAX_MS ? RETRY_MAX_MS : ms) * 1000);
}

bool client_resolve_take(struct mpp_client *c, mpp_bytes message, mpp_time now)
{
	struct resolve_slot *r = find_serial(c, c->msg.acknowledge);
	const uint64_t retry_ms = client_retry_after(c);
	struct event_slot *e;

	if (r == NULL ||
	    (c->msg.type != MSG_RESOLVE_RESPONSE &&
	     c->msg.type != MSG_INVALID_SERIAL && c->msg.type != MSG_ERROR))
		return false;
	keepalive_alive(&c->keepalive, now);
	if (c->msg.type == MSG_INVALID_SERIAL) {
		link_cur(c)->serial = (uint32_t)c->msg.serial;
		put_off(r, 0, now);
		return true;
	}
	if (retry_ms != 0 && (c->msg.status == MPP_STATUS_TOO_MANY ||
			      c->msg.status == MPP_STATUS_OVERLOADED)) {
		put_off(r, retry_ms, now);
		return true;
	}
	e = client_event(c, MPP_EV_RESPONSE, true);
	if (e != NULL) {
		client_event_message(c, e, message);
		e->ev.request = r->number;
	}
	free_slot(r);
	return true;
}

void client_resolve_acked(struct mpp_client *c, uint32_t index, mpp_time now)
{
	unsigned i;

	for (i = 0; i < RESOLVES; i++) {
		const struct resolve_slot *r = &c->resolves[i];

		if (r->number != 0 && r->serial != 0 && r->index == index)
			rtt_sample(&link_cur(c)->rtt, now.us - r->sent.us);
	}
}

mpp_err mpp_client_dns(const mpp_client_event *ev, mpp_buf *dns)
{
	struct msg m;
	mpp_bytes rest;

	if (ev->message.len == 0 ||
	    msg_decode(ev->message, &m, &rest) != MPP_OK ||
	    m.type != MSG_RESOLVE_RESPONSE || !msg_has(&m, FIELD_DNS_RESPONSE))
		return MPP_ERR_NOTFOUND;
	return msg_blob(&m.dns_response, dns);
}

/* ---- time ---- */

mpp_time client_resolve_ends(const struct mpp_client *c)
{
	mpp_time at = MPP_TIME_NEVER;
	unsigned i;

	for (i = 0; i < RESOLVES; i++) {
		if (c->resolves[i].number != 0)
			at = earlier(at, c->resolves[i].ends);
	}
	return at;
}

static void give_up(struct mpp_client *c, struct resolve_slot *r, mpp_time now)
{
	static const char why[] = "no answer in time";
	struct event_slot *e = client_event(c, MPP_EV_RESPONSE, true);

	if (e == NULL) {
		r->ends = time_plus(now, FULL_PAUSE_US);
		return;
	}
	e->ev.request = r->number;
	e->ev.status = MPP_STATUS_TIMEOUT;
	memcpy(e->text, why, sizeof(why) - 1);
	e->ev.text = (mpp_bytes){e->text, sizeof(why) - 1};
	free_slot(r);
}

void client_resolve_tick(struct mpp_client *c, mpp_time now)
{
	unsigned i;

	for (i = 0; i < RESOLVES; i++) {
		struct resolve_slot *r = &c->resolves[i];

		if (r->number != 0 && time_due(r->ends, now))
			give_up(c, r, now);
	}
}

/* A name may take its time, but the service acknowledges what is asked again.
 */
bool client_resolve_unheard(const struct mpp_client *c, mpp_time now)
{
	const struct link *l = &c->links[c->cur];
	unsigned i;

	for (i = 0; i < RESOLVES; i++) {
		const struct resolve_slot *r = &c->resolves[i];

		if (!c->web.on && r->number != 0 && r->serial != 0 &&
		    r->tries >= LOST_TRIES && l->heard.us < r->first.us &&
		    time_due(time_plus(r->first, LOST_AFTER_US), now))
			return true;
	}
	return false;
}
