/* SPDX-License-Identifier: MIT */
/* client_web.c - the Web Service, where UDP does not get through
 * (docs/protocol.md section 15).
 *
 *          no answer: 3 s while connecting,
 *          or when the connection would be lost
 *     UDP -----------------------------------------> WEB
 *      ^   a packet over UDP says that our address    |  a Status waits at the
 *      +-- is proved, or HTTP does not answer either -+  service; UDP is tried
 *                                                        after 5, 10 .. 40 s
 *
 * The connection, its keys and what is held are the same both ways, so nothing
 * is lost or told twice by a change. At most two posts are under way: the
 * Status that waits, and one of all else. */
#include "role/client.h"

#include "base/mem.h"

enum {
	FALL_US = 3000000, /* UDP has so long to answer who connects */
	ANSWER_US =
		10000000, /* HTTP has, beside the time it was told to wait */
	AGAIN_FIRST_US = 250000, /* after a failure, doubling to */
	AGAIN_MAX_US = 30000000,
	FAILURES_LOST = 5, /* and over so long: the connection is lost; */
	FAILURES_US = 3000000,
	FAILURES_BACK = 3,   /* who connects tries UDP again */
	REPEAT_US = 1000000, /* an answer came, but to something else */
	WAIT_MAX_S = 50,     /* proxies give up after a minute */
	PAUSE_US = 10000000, /* after a Status that could not wait */
	TRY_FIRST_S = 5,
	TRY_MAX_S = 40,
	TRY_PAUSE_US = 1000000,
	FLAPS_US = 60000000, /* UDP that lasts less is tried later and later */
	HTTP_OK = 200,
	HTTP_NOTHING = 204,
	HTTP_CONFLICT = 409,
	HTTP_GONE = 410,
};

static const mpp_time at_once = {0};

void client_web_init(struct mpp_client *c, const mpp_client_config *k)
{
	c->web.allowed = k->web ? MPP_TRANSPORT_AUTO : MPP_TRANSPORT_UDP;
	c->web.told = MPP_TRANSPORT_UDP;
	c->web.try_at = MPP_TIME_NEVER;
	c->web.try_s = TRY_FIRST_S;
}

static mpp_transport in_force(const struct mpp_client *c)
{
	return c->web.on ? MPP_TRANSPORT_WEB : MPP_TRANSPORT_UDP;
}

void mpp_client_transport_info_get(const mpp_client *c,
				   mpp_client_transport_info *out)
{
	*out = (mpp_client_transport_info){
		.allowed = c->web.allowed,
		.now = in_force(c),
		.serving = client_serving(c),
		.changes = c->web.changes,
		.tries = c->web.tries,
	};
}

/* The application hears of it when something goes that way. */
static void tell(struct mpp_client *c)
{
	if (client_serving(c) && c->web.told != in_force(c) &&
	    client_event(c, MPP_EV_TRANSPORT, true) != NULL)
		c->web.told = in_force(c);
}

static mpp_time latest(mpp_time a, mpp_time b)
{
	return a.us > b.us ? a : b;
}

static mpp_time earliest(mpp_time a, mpp_time b)
{
	return a.us < b.us ? a : b;
}

/* ---- changes ---- */

/* Nothing that is under way counts any more. */
static void begin(struct mpp_client *c)
{
	struct client_web *w = &c->web;

	memset(w->posts, 0, sizeof(w->posts));
	w->fall_at.us = w->again.us = w->poll_at.us = w->tried.us = 0;
	w->poll_serial = 0;
	w->failures = 0;
	w->changes++;
}

/* The request under way is asked over the other transport, at once. */
static void ask_again(struct mpp_client *c, mpp_time now)
{
	struct request_slot *r = &c->requests[0];
	struct link *l = link_cur(c);

	client_resolve_again(c);
	l->rtt = (struct rtt){0, 0};
	l->n_challenges = 0;
	l->elsewhere.us = 0;
	if (c->web.on && r->type == MSG_HEARTBEAT && r->number == 0 &&
	    client_web_polls(c))
		client_dequeue(c); /* the Status does for it */
	if (!c->web.on && r->type == MSG_NONE)
		(void)client_queue(c, MSG_HEARTBEAT);
	r->probe_ms = 0; /* to be answered at once */
	r->tries = 0;
	r->first = now;
	l->announce = r->type != MSG_NONE;
}

/* Attempts begin anew there: a Challenge is good for one address. What the
 * service has asked for is waited for all the same. */
static void connect_again(struct mpp_client *c, mpp_time now)
{
	const mpp_time soon =
		time_plus(now, ATTEMPT_MAX_US + ATTEMPT_MAX_US / 4);

	if (c->state != CLIENT_CONNECTING || c->renewing)
		return;
	c->failures = 0;
	c->cookie_len = 0;
	if (c->attempt_at.us <= soon.us)
		c->attempt_at = latest(now, c->not_before);
}

static void to_web(struct mpp_client *c, mpp_time now)
{
	struct client_web *w = &c->web;
	const bool flaps = w->udp_since.us != 0 &&
			   !time_due(time_plus(w->udp_since, FLAPS_US), now);

	begin(c);
	w->on = true;
	if (!flaps)
		w->try_s = TRY_FIRST_S;
	w->try_at = time_plus(now, (uint64_t)w->try_s * 1000000);
	keepalive_stop(&c->keepalive);
	if (client_serving(c))
		ask_again(c, now);
	connect_again(c, now);
	tell(c);
}

static uint32_t longer(uint32_t s)
{
	return s * 2 < TRY_MAX_S ? s * 2 : TRY_MAX_S;
}

static void to_udp(struct mpp_client *c, mpp_time now)
{
	struct client_web *w = &c->web;

	begin(c);
	w->on = false;
	w->try_at = MPP_TIME_NEVER;
	w->udp_since = now;
	if (client_serving(c))
		ask_again(c, now);
	connect_again(c, now);
	client_web_restarted(c, now);
	tell(c);
}

void mpp_client_transport(mpp_client *c, mpp_transport allowed, mpp_instant now)
{
	if (allowed < MPP_TRANSPORT_UDP || allowed > MPP_TRANSPORT_AUTO)
		return;
	c->web.allowed = allowed;
	if (c->state == CLIENT_IDLE)
		c->web.on = allowed == MPP_TRANSPORT_WEB;
	else if (allowed == MPP_TRANSPORT_WEB && !c->web.on)
		to_web(c, now.mono);
	else if (allowed == MPP_TRANSPORT_UDP && c->web.on)
		to_udp(c, now.mono);
	client_web_restarted(c, now.mono);
}

void mpp_client_unreachable(mpp_client *c, mpp_instant now)
{
	if (c->web.allowed != MPP_TRANSPORT_AUTO || c->web.on)
		return;
	if (c->state == CLIENT_IDLE)
		client_restart(c, now.mono);
	if (c->state == CLIENT_CONNECTING && !c->renewing)
		to_web(c, now.mono);
}

/* ---- what happens to the connection ---- */

void client_web_restarted(struct mpp_client *c, mpp_time now)
{
	struct client_web *w = &c->web;

	w->posts[POST_ASK] = 0;
	if (w->allowed != MPP_TRANSPORT_AUTO || w->on)
		w->fall_at.us = 0;
	else if (w->fall_at.us == 0 && c->state == CLIENT_CONNECTING &&
		 !c->renewing)
		w->fall_at = time_plus(latest(now, c->not_before), FALL_US);
}

void client_web_begun(struct mpp_client *c, mpp_time now)
{
	if (c->web.on && c->web.allowed == MPP_TRANSPORT_AUTO)
		to_udp(c, now);
}

void client_web_connected(struct mpp_client *c)
{
	struct client_web *w = &c->web;

	w->posts[POST_POLL] = 0; /* of the old connection */
	w->fall_at.us = w->poll_at.us = 0;
	w->poll_serial = 0;
	tell(c);
}

void client_web_heard(struct mpp_client *c, mpp_time at)
{
	struct client_web *w = &c->web;

	if (w->fall_at.us != 0 && !w->here)
		w->fall_at = latest(w->fall_at, time_plus(at, FALL_US));
}

/* Our identifier is told until identifiers of the service come under it, which
 * it sends to a proved address only: so these say that UDP goes both ways. */
void client_web_udp_heard(struct mpp_client *c, mpp_time now)
{
	struct client_web *w = &c->web;

	if (!w->on || w->allowed != MPP_TRANSPORT_AUTO || !client_serving(c))
		return;
	if (w->tried.us != 0 && !link_cur(c)->tell)
		to_udp(c, now);
	else
		w->try_at = earliest(w->try_at,
				     latest(now,
					    time_plus(w->tried, TRY_PAUSE_US)));
}

void client_web_udp_made(struct mpp_client *c, mpp_time now)
{
	if (c->web.on && !c->web.here && c->web.allowed == MPP_TRANSPORT_AUTO)
		to_udp(c, now);
}

void client_web_moved(struct mpp_client *c, bool along, mpp_time now)
{
	struct client_web *w = &c->web;

	w->udp_since.us = 0; /* the new one may be open */
	w->fall_at.us = 0;
	if (w->on && w->allowed == MPP_TRANSPORT_AUTO && !along) {
		to_udp(c, now);
	} else if (w->on) {
		begin(c);
		w->changes--;
		w->try_s = TRY_FIRST_S;
		w->try_at = now;
	}
	client_web_restarted(c, now);
}

bool client_web_takes(struct mpp_client *c, mpp_time now)
{
	if (c->web.allowed != MPP_TRANSPORT_AUTO)
		return false;
	if (!c->web.on) {
		to_web(c, now);
		return true;
	}
	/* Neither goes: to be connected anew, by UDP first. */
	begin(c);
	c->web.on = false;
	return false;
}

/* ---- the Status that waits ---- */

bool client_web_polls(const struct mpp_client *c)
{
	return c->web.on && client_serving(c) && !c->links[c->cur].quiet &&
	       (c->mode == MPP_MODE_SUBSCRIBE || c->mode == MPP_MODE_STATUS);
}

/* Below the lease, which each answer renews. */
static uint32_t wait_s(const struct mpp_client *c)
{
	const uint32_t s = c->links[c->cur].lease_ms / 4 * 3 / 1000;

	if (s > WAIT_MAX_S)
		return WAIT_MAX_S;
	return s == 0 ? 1 : s;
}

/* It came back without news. Sooner than it was asked to: whoever answers so
 * cannot wait, and is not asked all the time. */
static void came_empty(struct mpp_client *c, mpp_time now)
{
	struct client_web *w = &c->web;
	const mpp_time waited =
		time_plus(w->polled, (uint64_t)w->wait_s * 1000000);

	w->poll_at = time_due(waited, now) ? now : time_plus(now, PAUSE_US);
}

static void denied(struct mpp_client *c, struct link *l, mpp_time now)
{
	const uint64_t ms = client_retry_after(c);

	if (c->msg.status == MPP_STATUS_FORBIDDEN)
		l->quiet = true;
	c->web.poll_at = time_plus(
		now, ms == 0 ? PAUSE_US
			     : (ms > RETRY_MAX_MS ? RETRY_MAX_MS : ms) * 1000);
}

bool client_web_polled(struct mpp_client *c, struct link *l, mpp_time now)
{
	struct client_web *w = &c->web;

	if (w->poll_serial == 0 || c->msg.type == MSG_NONE ||
	    c->msg.type == MSG_NOTIFY || c->msg.acknowledge != w->poll_serial)
		return false;
	w->poll_serial = 0;
	if (c->msg.type == MSG_INVALID_SERIAL) {
		if (c->msg.serial > l->serial && c->msg.serial < UINT32_MAX)
			l->serial = (uint32_t)c->msg.serial;
		w->poll_at = now;
	} else if (c->msg.status >= 300) {
		denied(c, l, now);
	} else {
		came_empty(c, now);
	}
	return true;
}

void client_web_news(struct mpp_client *c)
{
	c->web.poll_at.us = 0;
}

/* ---- answers ---- */

static void failed(struct mpp_client *c, mpp_time now)
{
	struct client_web *w = &c->web;
	uint64_t wait = AGAIN_FIRST_US;
	uint8_t jitter = 0;
	unsigned i;

	if (w->failures++ == 0)
		w->failed = now;
	for (i = 1; i < w->failures && wait < AGAIN_MAX_US; i++)
		wait *= 2;
	if (wait > AGAIN_MAX_US)
		wait = AGAIN_MAX_US;
	if (c->crypto.ops->random(c->crypto.ctx, &jitter, 1) != MPP_OK)
		jitter = 0;
	w->again = time_plus(now, wait + wait / 4 * jitter / 256);
	if (client_serving(c)) {
		if (w->failures >= FAILURES_LOST &&
		    time_due(time_plus(w->failed, FAILURES_US), now)) {
			(void)client_web_takes(c, now);
			client_lose(c, now);
		}
	} else if (w->failures >= FAILURES_BACK &&
		   w->allowed == MPP_TRANSPORT_AUTO) {
		to_udp(c, now);
	}
}

/* What it is worth. */
static mpp_err take(struct mpp_client *c, int http_status, mpp_buf body,
		    mpp_instant now)
{
	mpp_err err;

	if (http_status == 0)
		return MPP_ERR_TIMEOUT;
	if (http_status == HTTP_CONFLICT)
		return MPP_ERR_REPLAY;
	if (http_status == HTTP_NOTHING)
		return MPP_OK; /* it was taken, and there is nothing to say */
	if (http_status != HTTP_OK && http_status != HTTP_GONE)
		return MPP_ERR_UNSUPPORTED;
	c->web.here = true;
	err = client_receive(c, body, now);
	c->web.here = false;
	if (err == MPP_OK && http_status == HTTP_GONE)
		return MPP_ERR_UNSUPPORTED;
	/* A reset that is real, another key and a refusal are answers. */
	return err == MPP_ERR_CLOSED || err == MPP_ERR_KEY_CHANGED ||
			       err == MPP_ERR_REFUSED
		       ? MPP_OK
		       : err;
}

mpp_err mpp_client_web_answer(mpp_client *c, uint32_t tag, int http_status,
			      mpp_buf body, mpp_instant now)
{
	struct client_web *w = &c->web;
	unsigned i = 0;
	mpp_err err;

	while (i < POSTS && (tag == 0 || w->posts[i] != tag))
		i++;
	if (i == POSTS)
		return MPP_ERR_STATE;
	w->posts[i] = 0;
	if (c->state == CLIENT_DONE)
		return MPP_OK;
	err = take(c, http_status, body, now);
	if (err != MPP_OK) {
		failed(c, now.mono);
		return err;
	}
	w->failures = 0;
	w->again.us = 0;
	if (i == POST_POLL && w->poll_serial != 0) {
		w->poll_serial = 0; /* it was answered by something else */
		came_empty(c, now.mono);
	}
	return MPP_OK;
}

bool mpp_client_web_waits(const mpp_client *c, uint32_t tag)
{
	return tag != 0 && (c->web.posts[POST_ASK] == tag ||
			    c->web.posts[POST_POLL] == tag);
}

/* ---- timers ---- */

void client_web_tick(struct mpp_client *c, mpp_time now)
{
	struct client_web *w = &c->web;
	unsigned i;

	if (!w->on && w->fall_at.us != 0 && c->state == CLIENT_CONNECTING &&
	    !c->renewing && time_due(w->fall_at, now))
		to_web(c, now);
	for (i = 0; i < POSTS; i++) {
		if (w->posts[i] != 0 && time_due(w->posts_until[i], now)) {
			w->posts[i] = 0;
			failed(c, now);
		}
	}
	if (!client_serving(c))
		w->posts[POST_POLL] = 0;
	tell(c);
}

static mpp_time request_at(const struct mpp_client *c)
{
	const struct request_slot *r = &c->requests[0];

	if (r->type == MSG_NONE || !client_serving(c))
		return MPP_TIME_NEVER;
	if (c->links[c->cur].announce)
		return c->web.again;
	return latest(r->serial == 0 ? r->at : time_plus(r->sent, REPEAT_US),
		      c->web.again);
}

static mpp_time confirm_at(const struct mpp_client *c)
{
	const struct link *l = &c->links[c->cur ^ 1u];

	if (c->state != CLIENT_CONFIRMING)
		return MPP_TIME_NEVER;
	return latest(l->tries == 0 ? at_once : time_plus(l->sent, REPEAT_US),
		      c->web.again);
}

/* What is held is said by the next Status, where one is to come. */
static mpp_time held_at(const struct mpp_client *c)
{
	const struct link *l = &c->links[c->cur];

	if (!client_serving(c) || client_web_polls(c) ||
	    (!l->ack_due && l->ack_at.us == 0))
		return MPP_TIME_NEVER;
	return latest(l->ack_due ? at_once : l->ack_at, c->web.again);
}

/* Names are asked one after the other here. */
static mpp_time resolve_at(const struct mpp_client *c)
{
	const mpp_time at = client_resolve_at(c);

	return at.us == MPP_TIME_NEVER.us || !client_serving(c)
		       ? MPP_TIME_NEVER
		       : latest(at, c->web.again);
}

static mpp_time attempt_at(const struct mpp_client *c)
{
	const mpp_time at = client_attempt_deadline(c);

	return at.us == MPP_TIME_NEVER.us ? at : latest(at, c->web.again);
}

static mpp_time poll_at(const struct mpp_client *c)
{
	if (!client_web_polls(c))
		return MPP_TIME_NEVER;
	return latest(c->web.poll_at, c->web.again);
}

static mpp_time try_at(const struct mpp_client *c)
{
	if (c->web.allowed == MPP_TRANSPORT_WEB || !client_serving(c))
		return MPP_TIME_NEVER;
	return c->links[c->cur].n_challenges != 0 ? at_once : c->web.try_at;
}

static mpp_time link_at(const struct mpp_client *c)
{
	const struct link *l = &c->links[c->cur];
	mpp_time at = l->on ? l->ends : MPP_TIME_NEVER;

	if (c->state == CLIENT_CONNECTED)
		at = earliest(at, l->renew);
	if (client_serving(c) && !client_web_polls(c) &&
	    c->requests[0].type == MSG_NONE)
		at = earliest(at, keepalive_deadline(&c->keepalive, l->spoke));
	if (c->state == CLIENT_CONFIRMING)
		at = earliest(at, time_plus(c->links[c->cur ^ 1u].made,
					    CONFIRM_LIFE_US));
	return at;
}

mpp_time client_web_deadline(const struct mpp_client *c)
{
	const struct client_web *w = &c->web;
	mpp_time at = MPP_TIME_NEVER;

	if (!w->on)
		return w->fall_at.us != 0 && c->state == CLIENT_CONNECTING
			       ? w->fall_at
			       : at;
	if (c->state == CLIENT_IDLE || c->state == CLIENT_DONE)
		return at;
	at = earliest(link_at(c), try_at(c));
	if (w->posts[POST_POLL] != 0)
		at = earliest(at, w->posts_until[POST_POLL]);
	else
		at = earliest(at, poll_at(c));
	if (w->posts[POST_ASK] != 0)
		return earliest(at, w->posts_until[POST_ASK]);
	at = earliest(at, earliest(attempt_at(c), confirm_at(c)));
	at = earliest(at, resolve_at(c));
	return earliest(at, earliest(request_at(c), held_at(c)));
}

/* ---- sending ---- */

static mpp_err ask(struct mpp_client *c, mpp_instant now, mpp_buf *out)
{
	if (c->closing)
		return client_send_close(c, out);
	if (time_due(confirm_at(c), now.mono))
		return client_send_confirm(c, now.mono, out);
	if (time_due(request_at(c), now.mono))
		return client_send_request(c, now.mono, out);
	if (time_due(held_at(c), now.mono))
		return client_send_held(c, out);
	if (time_due(resolve_at(c), now.mono))
		return client_resolve_send(c, now, out);
	return time_due(attempt_at(c), now.mono) ? client_attempt(c, now, out)
						 : MPP_ERR_AGAIN;
}

static mpp_err poll(struct mpp_client *c, mpp_time now, mpp_buf *out)
{
	struct client_web *w = &c->web;
	mpp_err err;

	if (!time_due(poll_at(c), now))
		return MPP_ERR_AGAIN;
	err = client_send_poll(c, out);
	if (err != MPP_OK)
		return err;
	w->poll_serial = link_cur(c)->serial;
	w->polled = link_cur(c)->spoke = now;
	w->wait_s = wait_s(c);
	return MPP_OK;
}

/* The next tag, and until when its answer is waited for. */
static uint32_t post(struct mpp_client *c, enum web_post i, uint32_t wait,
		     mpp_time now)
{
	struct client_web *w = &c->web;

	if (++w->tags == 0)
		w->tags = 1;
	w->posts[i] = w->tags;
	w->posts_until[i] =
		time_plus(now, (uint64_t)wait * 1000000 + ANSWER_US);
	return w->tags;
}

mpp_err mpp_client_web_send(mpp_client *c, mpp_instant now, mpp_buf *out,
			    mpp_client_post *p)
{
	struct client_web *w = &c->web;
	mpp_err err = MPP_ERR_AGAIN;

	if (out->cap < MPP_PACKET_MAX)
		return MPP_ERR_NOSPACE;
	out->len = 0;
	mpp_client_tick(c, now);
	if (!w->on || c->state == CLIENT_DONE || c->state == CLIENT_IDLE)
		return MPP_ERR_AGAIN;
	w->here = true;
	if (w->posts[POST_ASK] == 0 || c->closing) {
		err = ask(c, now, out);
		if (err == MPP_OK)
			*p = (mpp_client_post){post(c, POST_ASK, 0, now.mono),
					       0};
	}
	if (err == MPP_ERR_AGAIN && w->posts[POST_POLL] == 0) {
		err = poll(c, now.mono, out);
		if (err == MPP_OK)
			*p = (mpp_client_post){post(c, POST_POLL, w->wait_s,
						    now.mono),
					       w->wait_s};
	}
	w->here = false;
	return err;
}

mpp_err client_web_try(struct mpp_client *c, mpp_time now, mpp_buf *out)
{
	struct client_web *w = &c->web;
	struct link *l = link_cur(c);

	if (!time_due(try_at(c), now))
		return MPP_ERR_AGAIN;
	if (client_stream_spent(c, l)) {
		/* Every packet needs an identifier: a new connection. */
		l->n_challenges = 0;
		client_renew(c, now);
		w->try_at = time_plus(now, TRY_MAX_S * UINT64_C(1000000));
		return MPP_ERR_AGAIN;
	}
	if (l->n_challenges != 0)
		return client_send_response(c, now, out);
	w->tries++;
	w->tried = now;
	w->try_s = longer(w->try_s);
	w->try_at = time_plus(now, (uint64_t)w->try_s * 1000000);
	l->tell = true;
	return client_send_held(c, out);
}
