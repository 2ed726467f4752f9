/* SPDX-License-Identifier: MIT */
/* client_connect.c - how a device connects (docs/protocol.md section 5).
 *
 *   service key unknown: Hello -> Challenge -> Complete -> ResponderComplete
 *   a token is there:    Ticket -> ResponderComplete
 *                        Ticket -> Challenge -> Ticket -> ...
 *   known:               Exchange -> ResponderComplete
 *                        Exchange -> Challenge -> Complete -> ...
 *
 * Every answer is tried on a copy, so a forged one leaves the attempt as it
 * was. Nothing that came in the clear changes what is pinned or stored. */
#include "role/client.h"

#include "base/mem.h"
#include "rud/streamid.h"

/* ---- sending ---- */

static const uint8_t *key_to_use(const struct mpp_client *c)
{
	if (c->have_key)
		return c->service_key;
	return c->offered ? c->offered_key : NULL;
}

static bool cookie_good(const struct mpp_client *c, mpp_time now)
{
	return c->cookie_len != 0 &&
	       !time_due(time_plus(c->cookie_at, COOKIE_LIFE_US), now);
}

static mpp_err fresh_id(struct mpp_client *c, uint8_t id[STREAM_ID_LEN])
{
	mpp_err err;

	do {
		err = c->crypto.ops->random(c->crypto.ctx, id, STREAM_ID_LEN);
	} while (err == MPP_OK && !streamid_usable(id));
	return err;
}

static void put_first_message(struct mpp_client *c, mpp_json_writer *w)
{
	enum msg_type type = c->mode == MPP_MODE_STATUS ? MSG_STATUS_REQUEST
			     : c->mode == MPP_MODE_ENDPOINT
				     ? MSG_ENDPOINT_REQUEST
				     : MSG_CONNECT_REQUEST;

	client_put_request(c, w, type, (mpp_bytes){NULL, 0}, 1);
}

/* The initiator's payload into c->plain. */
static mpp_err build_payload(struct mpp_client *c, const struct attempt *a,
			     size_t *len)
{
	static const char service[] = "mmmpresence";
	struct params p = {.has_instance = true, .packet_size = MPP_PACKET_MAX};
	struct wr w = wr_init(c->plain, PACKET_PLAIN_MAX);
	mpp_json_writer j;
	mpp_err err = MPP_OK;

	memcpy(p.instance, c->instance, MPP_INSTANCE_LEN);
	if (c->have_invitation)
		ext_put(&w, EXT_TOKEN, c->invitation, MPP_INVITATION_LEN);
	ext_put(&w, EXT_STREAM_ID, a->client_id, 16);
	ext_put(&w, EXT_SERVICE, service, sizeof(service) - 1);
	ext_put(&w, EXT_CLAIM, c->account, c->account_len);
	if (a->type == RUD_INIT_TICKET)
		client_ticket_credential(c, &w);
	ext_put_int(&w, EXT_TIMESTAMP, c->timestamp_ms);
	params_write(&w, &p);
	ext_put_end(&w);
	*len = w.n;
	if (w.err != MPP_OK || c->mode == MPP_MODE_ENROLL ||
	    c->mode == MPP_MODE_ASK || c->mode == MPP_MODE_KEEP)
		return w.err;
	mpp_json_writer_init(&j, MPP_JSON_B, c->plain + w.n, w.cap - w.n);
	put_first_message(c, &j);
	*len = w.n + j.n;
	err = mpp_json_finish(&j);
	return err;
}

static mpp_err put_noise(struct mpp_client *c, struct attempt *a, struct wr *w)
{
	mpp_bytes prologue[2] = {{(const uint8_t *)"RUD/1", 5}, {w->p, w->n}};
	size_t len = 0;
	mpp_buf noise;
	mpp_err err = build_payload(c, a, &len);

	if (err == MPP_OK && a->type == RUD_INIT_TICKET)
		err = client_ticket_start(c, &a->hs.noise);
	else if (err == MPP_OK)
		err = noise_ik_init(&a->hs, &c->crypto, c->suite, &c->device,
				    key_to_use(c));
	if (err == MPP_OK)
		err = noise_ik_prologue(&a->hs, prologue, 2);
	if (err != MPP_OK)
		return err;
	wr_int(w, len + noise_overhead(&a->hs.noise));
	noise = (mpp_buf){w->p, w->cap, w->n};
	err = noise_ik_write1(&a->hs, (mpp_bytes){c->plain, len}, &noise);
	w->n = noise.len;
	return err;
}

/* KeyId and, when there is one, the answer to a Challenge. */
static mpp_err put_keyed(struct mpp_client *c, struct attempt *a, struct wr *w)
{
	uint8_t udf[MPP_UDF_LEN];
	mpp_err err = mpp_udf_key(&c->crypto, c->suite, key_to_use(c), udf);

	if (err != MPP_OK)
		return err;
	connect_begin_initiator(w, a->type, (unsigned)c->suite, a->reply_id);
	ext_put(w, EXT_KEY_ID, mpp_udf_key_id(udf), MPP_UDF_KEY_ID_LEN);
	if (a->type == RUD_INIT_COMPLETE)
		ext_put(w, EXT_CHALLENGE, c->cookie, c->cookie_len);
	ext_put_end(w);
	return put_noise(c, a, w);
}

static mpp_err put_ticket(struct mpp_client *c, struct attempt *a, struct wr *w)
{
	connect_begin_initiator(w, a->type, (unsigned)c->suite, a->reply_id);
	client_ticket_put(c, w);
	ext_put_end(w);
	return put_noise(c, a, w);
}

static void put_hello(const struct mpp_client *c,
		      const uint8_t reply_id[REPLY_ID_LEN], struct wr *w)
{
	uint8_t suite = (uint8_t)c->suite;

	connect_begin_initiator(w, RUD_INIT_HELLO, 0, reply_id);
	ext_put(w, EXT_SUITES, &suite, 1);
	ext_put_end(w);
	wr_int(w, 0);
}

static mpp_err write_attempt(struct mpp_client *c, uint8_t type,
			     mpp_instant now, mpp_buf *out)
{
	struct attempt *a;
	struct wr w = wr_init(out->p, MPP_PACKET_MAX);
	mpp_err err;

	c->newest = (c->newest + 1) % ATTEMPTS;
	a = &c->attempts[c->newest];
	mem_wipe(a, sizeof(*a));
	err = fresh_id(c, a->reply_id);
	if (err == MPP_OK)
		err = fresh_id(c, a->client_id);
	a->type = type;
	a->sent = now.mono;
	if (err == MPP_OK && type == RUD_INIT_HELLO)
		put_hello(c, a->reply_id, &w);
	else if (err == MPP_OK && type == RUD_INIT_TICKET)
		err = put_ticket(c, a, &w);
	else if (err == MPP_OK)
		err = put_keyed(c, a, &w);
	connect_pad(&w);
	if (err == MPP_OK)
		err = w.err;
	if (err == MPP_OK)
		out->len = w.n;
	else
		mem_wipe(a, sizeof(*a));
	return err;
}

/* The wait grows from 1 s to 10 s, or to 60 s where an old connection serves,
 * with up to a quarter more at random, so
 * that devices which lost one service do not come back in step. */
static mpp_time next_attempt(struct mpp_client *c, mpp_time now)
{
	const uint64_t most = c->renewing ? RENEW_WAIT_US : ATTEMPT_MAX_US;
	uint64_t wait = ATTEMPT_FIRST_US;
	unsigned i;
	uint8_t jitter = 0;

	for (i = 0; i < c->failures && wait < most; i++)
		wait *= 2;
	if (wait > most)
		wait = most;
	c->failures++;
	if (c->crypto.ops->random(c->crypto.ctx, &jitter, 1) != MPP_OK)
		jitter = 0;
	return time_plus(now, wait + wait / 4 * jitter / 256);
}

/* A Timestamp is durable before it is sent. */
static bool stamp(struct mpp_client *c, mpp_wall now)
{
	uint64_t ms = now.us / 1000;

	if (c->stamp_ready && !c->saving && !c->want_save)
		return true;
	if (!c->stamp_ready) {
		c->timestamp_ms = ms > c->timestamp_ms ? ms
						       : c->timestamp_ms + 1;
		c->stamp_ready = true;
		c->want_save = true;
	}
	return false;
}

/* What goes out next. Fresh keys need the device key: no token. */
static uint8_t attempt_type(struct mpp_client *c)
{
	if (!c->renewing && client_ticket(c))
		return RUD_INIT_TICKET;
	if (key_to_use(c) == NULL)
		return RUD_INIT_HELLO;
	return c->cookie_len != 0 ? RUD_INIT_COMPLETE : RUD_INIT_EXCHANGE;
}

/* It is on its way. */
static void attempted(struct mpp_client *c, uint8_t type)
{
	if (type != RUD_INIT_HELLO)
		c->stamp_ready = false;
	if (type == RUD_INIT_TICKET)
		c->ticket_tries++;
}

mpp_err client_attempt(struct mpp_client *c, mpp_instant now, mpp_buf *out)
{
	uint8_t type;
	mpp_err err;

	if (c->state != CLIENT_CONNECTING || !time_due(c->attempt_at, now.mono))
		return MPP_ERR_AGAIN;
	if (!cookie_good(c, now.mono))
		c->cookie_len = 0;
	if (c->cookie_len == 0)
		c->offered = false;
	type = attempt_type(c);
	if (type != RUD_INIT_HELLO && !stamp(c, now.wall))
		return MPP_ERR_AGAIN;
	err = write_attempt(c, type, now, out);
	if (err == MPP_ERR_NOSPACE && type == RUD_INIT_TICKET) {
		/* Too much to ask beside a token. */
		client_ticket_drop(c);
		return MPP_ERR_AGAIN;
	}
	if (err == MPP_OK)
		attempted(c, type);
	c->attempt_at = next_attempt(c, now.mono);
	return err;
}

mpp_time client_attempt_deadline(const struct mpp_client *c)
{
	if (c->state != CLIENT_CONNECTING || c->saving || c->want_save)
		return MPP_TIME_NEVER;
	return c->attempt_at;
}

/* ---- Challenge ---- */

static bool pinned(const struct mpp_client *c, const uint8_t udf[MPP_UDF_LEN])
{
	bool found = c->n_pins == 0;
	size_t i;

	for (i = 0; i < c->n_pins; i++) {
		if (mpp_udf_match(udf, (mpp_bytes){c->pins[i], c->pin_len[i]},
				  MPP_UDF_BITS) == MPP_OK)
			found = true;
	}
	return found;
}

/* Another key than the pinned one: shown, once, and never used. */
static mpp_err key_changed(struct mpp_client *c, const uint8_t udf[MPP_UDF_LEN])
{
	struct event_slot *e;

	if (!c->told_key) {
		e = client_event(c, MPP_EV_KEY_CHANGED, true);
		if (e != NULL) {
			memcpy(e->ev.udf, udf, MPP_UDF_LEN);
			c->told_key = true;
		}
	}
	return MPP_ERR_KEY_CHANGED;
}

static bool key_expected(const struct mpp_client *c, const uint8_t *key,
			 const uint8_t udf[MPP_UDF_LEN])
{
	return c->have_key
		       ? memcmp(key, c->service_key, mpp_dh_len(c->suite)) == 0
		       : pinned(c, udf);
}

static mpp_err check_key(struct mpp_client *c, const uint8_t *key, bool probe)
{
	uint8_t udf[MPP_UDF_LEN];
	mpp_err err = mpp_udf_key(&c->crypto, c->suite, key, udf);

	if (err != MPP_OK || key_expected(c, key, udf))
		return err;
	/* That one of several addresses is wrong is told when it is the turn
	 * of this one: the others may be right. */
	return probe ? MPP_ERR_KEY_CHANGED : key_changed(c, udf);
}

static mpp_err read_challenge(const struct mpp_client *c,
			      const struct connect *in, const uint8_t **key)
{
	const struct ext *e = &in->ext;
	struct rd r = rd_init(e->v[EXT_PUBLIC_KEY]);
	uint64_t suite = rd_int(&r);
	mpp_bytes raw = rd_rest(&r);

	if (!ext_has(e, EXT_PUBLIC_KEY) || !ext_has(e, EXT_CHALLENGE) ||
	    !ext_has(e, EXT_SUITES))
		return MPP_ERR_MISSING;
	if (r.err != MPP_OK || suite != (uint64_t)c->suite ||
	    in->suite != suite || raw.len != mpp_dh_len(c->suite))
		return MPP_ERR_UNSUPPORTED;
	if (e->v[EXT_CHALLENGE].len == 0)
		return MPP_ERR_RANGE;
	*key = raw.p;
	return MPP_OK;
}

/* type: of what it answers. */
static mpp_err take_challenge(struct mpp_client *c, uint8_t type, bool probe,
			      mpp_instant now)
{
	const struct ext *e = &c->in.ext;
	const uint8_t *key = NULL;
	mpp_err err = read_challenge(c, &c->in, &key);

	if (err == MPP_OK)
		err = check_key(c, key, probe);
	if (err == MPP_OK && type == RUD_INIT_TICKET &&
	    c->token_state != CLIENT_TOKEN_USED)
		err = MPP_ERR_STATE; /* not used any more */
	if (err != MPP_OK)
		return err;
	c->n_probes = 0; /* one address has answered */
	c->cookie_ticket = type == RUD_INIT_TICKET;
	if (!c->have_key && !c->cookie_ticket) {
		memcpy(c->offered_key, key, mpp_dh_len(c->suite));
		c->offered = true;
	}
	c->cookie_len = e->v[EXT_CHALLENGE].len;
	memcpy(c->cookie, e->v[EXT_CHALLENGE].p, c->cookie_len);
	c->cookie_at = now.mono;
	c->suites_len = e->v[EXT_SUITES].len;
	memcpy(c->suites, e->v[EXT_SUITES].p, c->suites_len);
	/* One Challenge asks for one attempt at once; repeated ones wait. */
	if (type == RUD_INIT_COMPLETE ||
	    (c->cookie_ticket && c->ticket_challenged))
		return MPP_OK;
	c->ticket_challenged = c->cookie_ticket;
	c->attempt_at = now.mono;
	return MPP_OK;
}

/* ---- ResponderComplete ---- */

/* A Challenge that offered less than the service really has was forged. */
static bool downgraded(const struct mpp_client *c, mpp_bytes suites)
{
	return c->suites_len != 0 &&
	       !bytes_eq(suites, (mpp_bytes){c->suites, c->suites_len});
}

static mpp_err read_payload(struct mpp_client *c, mpp_bytes payload,
			    struct ext *e, mpp_bytes *message)
{
	struct rd r = rd_init(payload);
	mpp_bytes rest = {NULL, 0};
	mpp_err err = ext_read(&r, e);

	memset(&c->msg, 0, sizeof(c->msg));
	*message = rd_rest(&r);
	if (err == MPP_OK && !ext_has(e, EXT_SUITES))
		return MPP_ERR_MISSING;
	if (err == MPP_OK && downgraded(c, e->v[EXT_SUITES]))
		return MPP_ERR_AUTH;
	if (err == MPP_OK && message->len != 0)
		err = msg_decode(*message, &c->msg, &rest);
	if (err == MPP_OK && rest.len != 0)
		return MPP_ERR_TRAILING;
	return err;
}

uint64_t client_retry_after(const struct mpp_client *c)
{
	uint64_t ms = 0;

	if (!ext_has(&c->in.ext, EXT_RETRY_AFTER) ||
	    ext_get_int(c->in.ext.v[EXT_RETRY_AFTER], &ms) != MPP_OK)
		return 0;
	return ms;
}

/* What came in the clear delays the next attempt by no more than a minute,
 * whoever says it how often, and does not end the wait for the answer. */
static void take_hint(struct mpp_client *c, const struct attempt *a)
{
	uint64_t ms = client_retry_after(c);
	mpp_time at;

	if (ms > HINT_MAX_MS)
		ms = HINT_MAX_MS;
	at = time_plus(a->sent, ms * 1000);
	if (ms != 0 && c->attempt_at.us < at.us)
		c->attempt_at = at;
	if (ms != 0)
		client_web_heard(c, c->attempt_at);
}

/* How long the service, authentically, wants us to wait; `otherwise`: it does
 * not say. */
static uint64_t retry_wait_us(const struct mpp_client *c, uint64_t otherwise)
{
	uint64_t ms = client_retry_after(c);

	if (ms == 0)
		return otherwise;
	if (ms < RETRY_MIN_MS)
		ms = RETRY_MIN_MS;
	return (ms > RETRY_MAX_MS ? RETRY_MAX_MS : ms) * 1000;
}

static bool retry_later(uint64_t status)
{
	return status == MPP_STATUS_OVERLOADED || status == MPP_STATUS_TOO_MANY;
}

/* The Timestamp was lost or the clock is behind: go on from what the service
 * knows. An older one answers a copy of an earlier attempt: nothing to do. */
static mpp_err go_on_from(struct mpp_client *c, uint64_t newest, mpp_time now)
{
	if (newest < c->timestamp_ms)
		return MPP_ERR_REPLAY;
	c->timestamp_ms = newest;
	c->stamp_ready = false;
	c->attempt_at = now;
	return MPP_OK;
}

/* The service refused, authentically. */
static mpp_err refused(struct mpp_client *c, const struct attempt *a,
		       mpp_bytes message, mpp_instant now)
{
	struct event_slot *e;
	uint64_t wait;

	if (c->msg.status == MPP_STATUS_UNAUTHENTIC &&
	    msg_has(&c->msg, FIELD_NEWEST))
		return go_on_from(c, c->msg.newest, now.mono);
	if (a->type == RUD_INIT_TICKET && !retry_later(c->msg.status)) {
		/* The device key may do what the token may not. */
		client_ticket_drop(c);
		c->attempt_at = now.mono;
		return MPP_OK;
	}
	if (c->renewing && retry_later(c->msg.status)) {
		c->attempt_at =
			time_plus(now.mono, retry_wait_us(c, RENEW_WAIT_US));
		return MPP_OK; /* the old connection serves */
	}
	e = client_event(c, MPP_EV_REFUSED, true);
	if (e != NULL)
		client_event_message(c, e, message);
	if (retry_later(c->msg.status)) {
		wait = retry_wait_us(c, ATTEMPT_MAX_US);
		if (e != NULL)
			e->ev.retry_ms = (uint32_t)(wait / 1000);
		c->attempt_at = time_plus(now.mono, wait);
		client_web_heard(c, c->attempt_at);
		return MPP_OK;
	}
	client_done(c);
	return MPP_ERR_REFUSED;
}

/* When its keys are to be replaced: a little earlier at random, so that devices
 * which connected together do not come together. Counted from before the
 * service can have made them. */
static void set_ages(struct mpp_client *c, struct link *l, mpp_time made)
{
	const uint64_t life = (uint64_t)c->renew_s * 1000000;
	uint8_t jitter = 0;

	if (c->crypto.ops->random(c->crypto.ctx, &jitter, 1) != MPP_OK)
		jitter = 0;
	l->renew = MPP_TIME_NEVER;
	if (client_renewable(c))
		l->renew = time_plus(made,
				     life - life / RENEW_SPREAD * jitter / 256);
	l->ends = time_plus(made, 2 * life);
}

/* What the service asks for the time when it is gone. */
static uint32_t read_spread(const struct ext *e)
{
	uint64_t ms;

	if (!ext_has(e, EXT_RETRY_AFTER) ||
	    ext_get_int(e->v[EXT_RETRY_AFTER], &ms) != MPP_OK)
		return 0;
	return ms < COME_BACK_MAX_MS ? (uint32_t)ms : COME_BACK_MAX_MS;
}

static mpp_err make_link(struct mpp_client *c, const struct attempt *a,
			 const struct ext *e, mpp_instant now)
{
	struct link *l = link_next(c);
	uint8_t to_service[32], to_us[32];
	mpp_err err;

	if (!ext_has(e, EXT_STREAM_ID) ||
	    e->v[EXT_RESET_TOKEN].len != RESET_TOKEN_LEN ||
	    (e->v[EXT_STREAM_ID].len != 16 && e->v[EXT_STREAM_ID].len != 32))
		return MPP_ERR_MISSING;
	mem_wipe(l, sizeof(*l));
	err = noise_ik_split(&c->scratch, to_service, to_us);
	if (err == MPP_OK)
		err = rud_keys_derive(&c->crypto, to_service, &l->tx);
	if (err == MPP_OK)
		err = rud_keys_derive(&c->crypto, to_us, &l->rx);
	mem_wipe(to_service, sizeof(to_service));
	mem_wipe(to_us, sizeof(to_us));
	if (err != MPP_OK)
		return err;
	rud_keys_tell(&c->key_log, true, a->client_id, &l->tx);
	rud_keys_tell(&c->key_log, false, a->client_id, &l->rx);
	client_stream_begin(c, l, a->client_id, e->v[EXT_STREAM_ID]);
	memcpy(l->reset_token, e->v[EXT_RESET_TOKEN].p, RESET_TOKEN_LEN);
	l->on = true;
	set_ages(c, l, a->sent);
	l->number = ++c->made;
	l->made = l->heard = now.mono;
	l->serial = 1;
	l->endpoint = c->msg.endpoint;
	l->lease_ms = (uint32_t)c->msg.connection_timeout_ms;
	l->spread_ms = read_spread(e);
	rtt_sample(&l->rtt, now.mono.us - a->sent.us);
	return MPP_OK;
}

/* The key that this handshake proved is the service's from now on; not the one
 * that was offered last, which anybody may have done meanwhile. */
static void learn_key(struct mpp_client *c)
{
	if (c->have_key)
		return;
	c->have_key = true;
	memcpy(c->service_key, c->scratch.rs, MPP_DH_MAX);
	c->want_save = true;
}

/* What was asked once is answered: no need for a connection. */
static bool answered_once(struct mpp_client *c, mpp_bytes message)
{
	struct event_slot *e;

	if (c->mode != MPP_MODE_STATUS && c->mode != MPP_MODE_ENDPOINT)
		return false;
	e = client_event(c, MPP_EV_RESPONSE, true);
	if (e != NULL)
		client_event_message(c, e, message);
	if (c->msg.more) {
		/* The rest comes to a subscriber. */
		c->held = c->msg.serial;
		(void)client_queue(c, MSG_CONNECT_REQUEST);
		return false;
	}
	client_done(c);
	return true;
}

/* The answer is kept until the connection is confirmed; only then does the
 * application hear of it and hold its serial. */
static void take_first(struct mpp_client *c, mpp_bytes message)
{
	c->first_len = 0;
	c->first_serial = 0;
	if (c->msg.type != MSG_CONNECT_RESPONSE)
		return;
	c->first_len = message.len;
	bytes_copy(c->first, message);
	if (c->msg.reset || c->msg.serial > c->held)
		c->first_serial = c->msg.serial;
}

static mpp_err take_complete(struct mpp_client *c, struct attempt *a,
			     mpp_instant now)
{
	mpp_buf plain = {c->plain, sizeof(c->plain), 0};
	struct ext *e = &c->in.ext;
	mpp_bytes message;
	mpp_err err;

	if (a->type == RUD_INIT_HELLO || c->in.ext.present != 0 ||
	    c->in.suite != (uint64_t)c->suite)
		return MPP_ERR_TYPE;
	c->scratch = a->hs; /* a copy: a forged answer spoils nothing */
	err = noise_ik_read2(&c->scratch, c->in.noise, &plain); /* e, ee, se */
	if (err == MPP_OK)
		err = read_payload(c, (mpp_bytes){c->plain, plain.len}, e,
				   &message);
	if (err != MPP_OK)
		return err;
	if (a->type != RUD_INIT_TICKET) /* which proves no key */
		learn_key(c);
	if (c->msg.status >= 300)
		return refused(c, a, message, now);
	err = make_link(c, a, e, now);
	if (err == MPP_OK)
		client_ticket_connected(c);
	if (err != MPP_OK || answered_once(c, message))
		return err;
	client_web_udp_made(c, now.mono);
	take_first(c, message);
	mem_wipe(c->attempts, sizeof(c->attempts));
	c->n_probes = 0;
	c->state = CLIENT_CONFIRMING;
	return MPP_OK;
}

mpp_err client_answer(struct mpp_client *c, struct attempt *a, mpp_bytes in,
		      mpp_instant now)
{
	mpp_err err = connect_read_responder(in, &c->in);

	if (c->state != CLIENT_CONNECTING)
		return MPP_ERR_STATE;
	if (err != MPP_OK)
		return err;
	switch (c->in.type) {
	case RUD_RESP_ERROR:
		client_ticket_error(c, a, now.mono);
		take_hint(c, a);
		return MPP_OK; /* a hint; the real answer is waited for */
	case RUD_RESP_CHALLENGE:
		if (c->web.on != c->web.here)
			return MPP_ERR_STATE; /* it is good for UDP alone */
		err = take_challenge(c, a->type, false, now);
		if (err == MPP_OK)
			take_hint(c, a);
		client_web_heard(c, c->attempt_at);
		return err;
	case RUD_RESP_COMPLETE:
		err = take_complete(c, a, now);
		mem_wipe(&c->scratch, sizeof(c->scratch));
		return err;
	default:
		return MPP_ERR_TYPE;
	}
}

/* ---- other addresses ---- */

mpp_err mpp_client_probe(mpp_client *c, mpp_buf *out)
{
	uint8_t *id = c->probes[c->n_probes % PROBES];
	struct wr w = wr_init(out->p, MPP_PACKET_MAX);
	mpp_err err;

	if (out->cap < MPP_PACKET_MAX)
		return MPP_ERR_NOSPACE;
	out->len = 0;
	if (c->state != CLIENT_CONNECTING || c->renewing)
		return MPP_ERR_STATE;
	err = fresh_id(c, id);
	put_hello(c, id, &w);
	connect_pad(&w);
	if (err == MPP_OK)
		err = w.err;
	if (err != MPP_OK)
		return err;
	c->n_probes++;
	out->len = w.n;
	return MPP_OK;
}

bool client_probe_find(const struct mpp_client *c, mpp_bytes in)
{
	const unsigned n = c->n_probes < PROBES ? c->n_probes : PROBES;
	unsigned i = 0;

	while (i < n && memcmp(c->probes[i], in.p, REPLY_ID_LEN) != 0)
		i++;
	return i < n;
}

/* The attempts that are under way went to another address: what may still come
 * from there does not count, because the cookie is good only here. */
mpp_err client_probe_answer(struct mpp_client *c, mpp_bytes in, mpp_instant now)
{
	mpp_err err = connect_read_responder(in, &c->in);

	if (c->state != CLIENT_CONNECTING)
		return MPP_ERR_STATE;
	if (err == MPP_OK && c->in.type != RUD_RESP_CHALLENGE)
		err = MPP_ERR_TYPE;
	if (err == MPP_OK)
		err = take_challenge(c, RUD_INIT_HELLO, true, now);
	if (err != MPP_OK)
		return err;
	mem_wipe(c->attempts, sizeof(c->attempts));
	c->failures = 0;
	return MPP_OK;
}
