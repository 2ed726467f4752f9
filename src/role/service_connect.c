/* SPDX-License-Identifier: MIT */
/* service_connect.c - connection datagrams (docs/protocol.md section 5).
 *
 * The order of work is cheap before costly: length, version, KeyId, challenge
 * response, budget, one Diffie-Hellman (es), look-up of the static key, the
 * second one (ss). Until a message of a known key or a valid invitation has been
 * opened nothing is allocated, and no answer is longer than its question. */
#include "role/service.h"

#include "base/mem.h"
#include "rud/cookie.h"
#include "rud/streamid.h"

/* A connection datagram being answered. */
struct question {
	const struct connect *c;
	const mpp_addr *from;
	mpp_instant now;
	mpp_outbox *out;
};

static mpp_datagram *answer_to(struct mpp_service *s, const struct question *q)
{
	mpp_datagram *d;

	if (q->out->n == q->out->cap) {
		s->count.no_room++;
		return NULL;
	}
	d = &q->out->slots[q->out->n];
	d->to = *q->from;
	return d;
}

/* What the device is told that its address is: none, by HTTP. */
static const mpp_addr *endpoint_of(const struct mpp_service *s,
				   const struct question *q)
{
	return service_by_web(s) ? NULL : q->from;
}

static mpp_err answer_send(struct mpp_service *s, const struct question *q,
			   const struct wr *w)
{
	if (w->err != MPP_OK)
		return w->err;
	q->out->slots[q->out->n].len = (uint16_t)w->n;
	q->out->n++;
	s->count.sent++;
	return MPP_OK;
}

void service_put_suites(const struct mpp_service *s, struct wr *w)
{
	uint8_t list[SUITES];
	size_t n = 0;
	unsigned i;

	for (i = 0; i < SUITES; i++) {
		if (s->suites[i].on)
			list[n++] = (uint8_t)(i + 1);
	}
	ext_put(w, EXT_SUITES, list, n);
}

/* An error in the clear: a hint, never more. The version field says which
 * version is spoken here. */
NOINLINE static mpp_err send_error(struct mpp_service *s,
				   const struct question *q, unsigned code,
				   const char *text)
{
	mpp_datagram *d = answer_to(s, q);
	struct wr w, v;
	uint8_t value[64];
	size_t n = 0;

	if (d == NULL)
		return MPP_ERR_NOSPACE;
	while (text[n] != '\0')
		n++;
	v = wr_init(value, sizeof(value));
	wr_int(&v, code);
	wr_bytes(&v, text, n);
	w = wr_init(d->data, MPP_PACKET_SIZE);
	connect_begin_responder(&w, RUD_RESP_ERROR, 0, q->c->reply_id.p);
	ext_put(&w, EXT_CLOSE, value, v.n);
	ext_put_end(&w);
	wr_int(&w, 0);
	s->count.errors_clear++;
	return answer_send(s, q, &w);
}

/* What answers a Challenge to a Ticket is a Ticket, and to anything else a
 * Complete; neither passes for the other. */
static const uint8_t *cookie_secret(const struct mpp_service *s,
				    const struct question *q)
{
	return q->c->type == RUD_INIT_TICKET ? s->ticket_cookie_secret
					     : s->cookie_secret;
}

static bool challenge_answered(const struct mpp_service *s,
			       const struct question *q)
{
	const struct ext *e = &q->c->ext;

	return ext_has(e, EXT_CHALLENGE) &&
	       cookie_check(&s->crypto, cookie_secret(s, q), q->from,
			    q->now.mono, e->v[EXT_CHALLENGE]) == MPP_OK;
}

NOINLINE static mpp_err send_challenge(struct mpp_service *s,
				       const struct question *q, unsigned suite)
{
	mpp_datagram *d = answer_to(s, q);
	uint8_t cookie[COOKIE_LEN];
	size_t len = mpp_dh_len((int)suite);
	struct wr w;
	mpp_err err;

	if (d == NULL)
		return MPP_ERR_NOSPACE;
	err = cookie_make(&s->crypto, cookie_secret(s, q), q->from, q->now.mono,
			  cookie);
	if (err != MPP_OK)
		return err;
	w = wr_init(d->data, MPP_PACKET_SIZE);
	connect_begin_responder(&w, RUD_RESP_CHALLENGE, suite,
				q->c->reply_id.p);
	service_put_suites(s, &w);
	wr_u8(&w, 128 + EXT_PUBLIC_KEY);
	wr_int(&w, 1 + len);
	wr_int(&w, suite);
	wr_raw(&w, s->suites[suite - 1].key.pub, len);
	ext_put(&w, EXT_CHALLENGE, cookie, sizeof(cookie));
	ext_put_end(&w);
	wr_int(&w, 0);
	s->count.challenges++;
	return answer_send(s, q, &w);
}

static bool suite_on(const struct mpp_service *s, uint64_t suite)
{
	return suite >= 1 && suite <= SUITES && s->suites[suite - 1].on;
}

/* The first of the initiator's suites that is on here, or 0. */
static unsigned choose_suite(const struct mpp_service *s, mpp_bytes suites)
{
	struct rd r = rd_init(suites);
	uint64_t suite;

	while (r.left != 0) {
		suite = rd_int(&r);
		if (r.err == MPP_OK && suite_on(s, suite))
			return (unsigned)suite;
	}
	return 0;
}

static mpp_err answer_hello(struct mpp_service *s, const struct question *q)
{
	unsigned suite = 0;

	if (ext_has(&q->c->ext, EXT_SUITES))
		suite = choose_suite(s, q->c->ext.v[EXT_SUITES]);
	if (suite == 0)
		return send_error(s, q, MPP_STATUS_MALFORMED,
				  "no suite in common");
	return send_challenge(s, q, suite);
}

/* Any suite that is on: for one who named none that is. */
static unsigned some_suite(const struct mpp_service *s)
{
	return s->suites[0].on ? 1 : 2;
}

static bool key_is_ours(const struct mpp_service *s, const struct question *q)
{
	mpp_bytes id = q->c->ext.v[EXT_KEY_ID];
	const uint8_t *udf = s->suites[q->c->suite - 1].udf;

	return id.len == MPP_UDF_KEY_ID_LEN &&
	       memcmp(id.p, mpp_udf_key_id(udf), id.len) == 0;
}

/* ---- ResponderComplete ---- */

/* The answer to the first message. */
static void put_answer(struct mpp_service *s, const struct admission *ad,
		       const struct question *q, mpp_json_writer *w)
{
	const struct account *a = account_at(&s->state, ad->account);
	struct msg_common common = service_common(s, endpoint_of(s, q),
						  q->now.wall, s->msg.serial);
	struct vector v = {ad->filter, 0, w->cap, true, 0, false};

	msg_begin(w, msg_response_type(s->msg.type));
	if (s->msg.type == MSG_CONNECT_REQUEST) {
		mpp_json_uint(w, "ConnectionTimeout",
			      service_lease(s, s->msg.timeout_ms));
		v.since = s->msg.acknowledge;
		if (v.since > a->assigned &&
		    v.since > q->now.wall.us + DAY_US) {
			mpp_json_bool(w, "Reset", true);
			v.since = 0;
		}
	}
	msg_put_common(w, &common);
	if (s->msg.type != MSG_ENDPOINT_REQUEST) {
		v.serial = s->msg.type != MSG_STATUS_REQUEST ||
			   !msg_has(&s->msg, FIELD_STORES);
		service_put_vector(s, w, a, &v);
	}
	msg_end(w);
}

static void put_refusal(struct mpp_service *s, const struct admission *ad,
			const struct question *q, mpp_json_writer *w)
{
	struct msg_common common = service_common(s, endpoint_of(s, q),
						  q->now.wall, s->msg.serial);

	common.status = ad->status;
	common.description = ad->why;

	msg_begin(w, msg_response_type(s->msg.type));
	if (ad->newest != 0)
		mpp_json_uint(w, "Newest", ad->newest);
	msg_put_common(w, &common);
	msg_end(w);
}

/* For how long devices spread their return when they lose the service. */
static uint64_t spread_ms(const struct mpp_service *s)
{
	const uint64_t ms = (uint64_t)s->state.bindings.used * 1000 /
			    s->config.reconnect_rate;

	return ms < SPREAD_MAX_MS ? ms : SPREAD_MAX_MS;
}

/* What a client needs to talk to its binding. */
static mpp_err put_streams(struct mpp_service *s, struct wr *w, uint32_t slot)
{
	struct stream st = {slot, binding_at(&s->state, slot)->generation};
	uint8_t token[RESET_TOKEN_LEN], ids[STREAM_IDS_LEN];
	const uint64_t spread = spread_ms(s);
	mpp_err err = service_stream_issue(s, slot, ids);

	if (err == MPP_OK)
		err = service_reset_token(s, st, token);
	ext_put(w, EXT_STREAM_ID, ids, sizeof(ids));
	if (spread != 0)
		ext_put_int(w, EXT_RETRY_AFTER, spread);
	ext_put(w, EXT_RESET_TOKEN, token, sizeof(token));
	return err;
}

/* The payload into s->plain. slot: NONE for a refusal. */
NOINLINE static mpp_err build_payload(struct mpp_service *s,
				      const struct admission *ad,
				      const struct question *q, uint32_t slot,
				      size_t *len)
{
	size_t cap = MPP_PACKET_SIZE - (16 + 3 + 1 + 2) -
		     noise_ik_overhead2((int)q->c->suite);
	struct wr w = wr_init(s->plain, cap);
	mpp_json_writer j;
	mpp_err err = MPP_OK;

	service_put_suites(s, &w);
	if (slot != NONE)
		err = put_streams(s, &w, slot);
	else if (ad->retry_ms != 0)
		ext_put_int(&w, EXT_RETRY_AFTER, ad->retry_ms);
	ext_put_end(&w);
	if (err != MPP_OK || w.err != MPP_OK)
		return err != MPP_OK ? err : w.err;
	*len = w.n;
	if (slot != NONE && !ad->has_message)
		return MPP_OK;
	mpp_json_writer_init(&j, s->msg.json ? MPP_JSON_TEXT : MPP_JSON_B,
			     s->plain + w.n, cap - w.n);
	if (slot == NONE)
		put_refusal(s, ad, q, &j);
	else
		put_answer(s, ad, q, &j);
	*len = w.n + j.n;
	return mpp_json_finish(&j);
}

/* Noise: <- e, ee, se, payload. */
NOINLINE static mpp_err send_complete(struct mpp_service *s,
				      const struct question *q,
				      mpp_bytes payload)
{
	mpp_datagram *d = answer_to(s, q);
	mpp_buf noise;
	struct wr w;
	mpp_err err;

	if (d == NULL)
		return MPP_ERR_NOSPACE;
	w = wr_init(d->data, MPP_PACKET_SIZE);
	connect_begin_responder(&w, RUD_RESP_COMPLETE, (unsigned)q->c->suite,
				q->c->reply_id.p);
	ext_put_end(&w);
	wr_int(&w, payload.len + noise_ik_overhead2((int)q->c->suite));
	if (w.err != MPP_OK)
		return w.err;
	noise = (mpp_buf){d->data, MPP_PACKET_SIZE, w.n};
	err = noise_ik_write2(&s->hs, payload, &noise);
	if (err != MPP_OK)
		return err;
	w.n = noise.len;
	return answer_send(s, q, &w);
}

static mpp_err derive_keys(struct mpp_service *s, struct binding *b)
{
	uint8_t to_us[32], to_client[32];
	mpp_err err = noise_ik_split(&s->hs, to_us, to_client);

	if (err == MPP_OK)
		err = rud_keys_derive(&s->crypto, to_us, &b->rx);
	if (err == MPP_OK)
		err = rud_keys_derive(&s->crypto, to_client, &b->tx);
	mem_wipe(to_us, sizeof(to_us));
	mem_wipe(to_client, sizeof(to_client));
	if (err != MPP_OK)
		return err;
	rud_keys_tell(&s->config.key_log, true, b->client_id, &b->rx);
	rud_keys_tell(&s->config.key_log, false, b->client_id, &b->tx);
	return MPP_OK;
}

static mpp_err refuse(struct mpp_service *s, const struct admission *ad,
		      const struct question *q)
{
	size_t len = 0;
	mpp_err err = build_payload(s, ad, q, NONE, &len);

	s->count.refused++;
	if (err == MPP_OK)
		err = send_complete(s, q, (mpp_bytes){s->plain, len});
	return err == MPP_OK ? MPP_ERR_REFUSED : err;
}

static mpp_err accept(struct mpp_service *s, struct admission *ad,
		      const struct question *q)
{
	uint32_t slot = service_half_open(s, ad, q->now);
	struct binding *b;
	size_t len = 0;
	mpp_err err;

	if (slot == NONE) {
		ad->status = MPP_STATUS_OVERLOADED;
		ad->why = "no room for another connection; try again later";
		ad->retry_ms = OVERLOAD_RETRY_MS;
		return refuse(s, ad, q);
	}
	b = binding_at(&s->state, slot);
	if (!service_by_web(s))
		b->path = *q->from;
	while (ad->params.quantum >> (b->quantum_log + 1) != 0)
		b->quantum_log++;
	if (ad->params.packet_size >= MPP_PACKET_MAX)
		b->packets = PACKETS_ASK;
	b->made = (uint8_t)s->hours;
	if (ad->device != NONE)
		service_handshake_opened(s, device_at(&s->state, ad->device),
					 q->now.mono);
	service_token_begin(s, b, q->now.wall);
	memcpy(b->client_id, ad->ext.v[EXT_STREAM_ID].p, 16);
	err = build_payload(s, ad, q, slot, &len);
	if (err == MPP_OK)
		err = send_complete(s, q, (mpp_bytes){s->plain, len});
	if (err == MPP_OK)
		err = derive_keys(s, b);
	b->sent_us = (uint32_t)q->now.mono.us;
	if (err != MPP_OK)
		service_free(s, slot);
	return err;
}

/* ---- InitiatorExchange and InitiatorComplete ---- */

static mpp_err open_static(struct mpp_service *s, const struct question *q,
			   mpp_bytes *rest)
{
	const struct connect *c = q->c;
	const struct service_suite *u = &s->suites[c->suite - 1];
	mpp_bytes prologue[2] = {{(const uint8_t *)"RUD/1", 5}, c->prologue};
	mpp_err err =
		noise_ik_init(&s->hs, &s->crypto, (int)c->suite, &u->key, NULL);

	if (err == MPP_OK)
		err = noise_ik_prologue(&s->hs, prologue, 2);
	if (err == MPP_OK) /* e, es, s */
		err = noise_ik_read1_static(&s->hs, c->noise, rest);
	return err;
}

/* What Noise said about a first message. */
static mpp_err check_opened(struct mpp_service *s, const struct question *q,
			    mpp_err err)
{
	if (err != MPP_OK) {
		s->count.drop_auth++;
		return err;
	}
	if (!mem_is_zero(q->c->padding.p, q->c->padding.len)) {
		s->count.drop_padding++;
		return MPP_ERR_PADDING;
	}
	s->count.handshakes++;
	return MPP_OK;
}

static mpp_err answer_opened(struct mpp_service *s, const struct question *q)
{
	struct admission *ad = &s->admission;

	return ad->status != 0 ? refuse(s, ad, q) : accept(s, ad, q);
}

NOINLINE static mpp_err answer_first(struct mpp_service *s,
				     const struct question *q, bool proved)
{
	struct device_key key = {(int)q->c->suite, {0}};
	mpp_buf plain = {s->plain, sizeof(s->plain), 0};
	mpp_bytes rest;
	mpp_err err;

	if (!proved)
		service_dh_charge(s, q->c->suite, DH_OF_STATIC, q->now.mono);
	err = open_static(s, q, &rest);
	if (err != MPP_OK) {
		s->count.drop_auth++;
		return err;
	}
	memcpy(key.raw, s->hs.rs, mpp_dh_len(key.suite));
	if (!proved && !device_known(&s->state, &key))
		return send_challenge(s, q, (unsigned)q->c->suite);
	if (!proved)
		service_dh_charge(s, q->c->suite,
				  DH_OF_HANDSHAKE - DH_OF_STATIC, q->now.mono);
	err = noise_ik_read1_payload(&s->hs, rest, &plain); /* ss */
	err = check_opened(s, q, err);
	if (err != MPP_OK)
		return err;
	service_admit(s, (mpp_bytes){plain.p, plain.len}, &key, q->from,
		      q->now);
	return answer_opened(s, q);
}

static mpp_err answer_exchange(struct mpp_service *s, const struct question *q)
{
	bool proved = false;
	mpp_err err;

	if (!suite_on(s, q->c->suite))
		return send_challenge(s, q, some_suite(s));
	if (!key_is_ours(s, q))
		return send_challenge(s, q, (unsigned)q->c->suite);
	if (q->c->type == RUD_INIT_COMPLETE) {
		proved = challenge_answered(s, q);
		if (!proved)
			return send_challenge(s, q, (unsigned)q->c->suite);
	} else if (s->config.always_challenge ||
		   service_defer(s, q->c->suite, DH_OF_HANDSHAKE, q->from,
				 q->now.mono)) {
		return send_challenge(s, q, (unsigned)q->c->suite);
	}
	err = answer_first(s, q, proved);
	noise_ik_wipe(&s->hs);
	mem_wipe(s->plain, sizeof(s->plain));
	return err;
}

/* ---- InitiatorTicket ---- */

/* Noise NNpsk0: -> psk, e, payload. No Diffie-Hellman before it has opened. */
NOINLINE static mpp_err open_ticket(struct mpp_service *s,
				    const struct question *q, mpp_buf *plain)
{
	const struct noise_setup setup = {
		.pattern = NOISE_NNPSK0,
		.suite = (int)q->c->suite,
		.psk = s->ticket.token.secret,
	};
	const mpp_bytes prologue[2] = {{(const uint8_t *)"RUD/1", 5},
				       q->c->prologue};
	mpp_err err = noise_init(&s->hs.noise, &s->crypto, &setup);

	if (err == MPP_OK)
		err = noise_prologue(&s->hs.noise, prologue, 2);
	if (err == MPP_OK)
		err = noise_read(&s->hs.noise, q->c->noise, plain);
	return check_opened(s, q, err);
}

NOINLINE static mpp_err answer_holder(struct mpp_service *s,
				      const struct question *q, bool proved)
{
	mpp_buf plain = {s->plain, sizeof(s->plain), 0};
	struct device_key key;
	mpp_err err = open_ticket(s, q, &plain);

	if (err != MPP_OK)
		return err;
	if (!proved)
		service_dh_charge(s, q->c->suite, DH_OF_TICKET, q->now.mono);
	s->count.tickets++;
	service_ticket_key(s, &key);
	service_admit(s, (mpp_bytes){plain.p, plain.len}, &key, q->from,
		      q->now);
	return answer_opened(s, q);
}

static const char *ticket_why(unsigned status)
{
	switch (status) {
	case MPP_STATUS_EXPIRED:
		return "the token has expired";
	case MPP_STATUS_FORBIDDEN:
		return "the token says more than its key may";
	default:
		return "the token is not known here";
	}
}

static mpp_err judge_ticket(struct mpp_service *s, const struct question *q)
{
	const struct ext *e = &q->c->ext;
	unsigned status = service_ticket_open(s, e->v[EXT_TOKEN], q->now.wall);
	bool proved;

	if (status != 0)
		return send_error(s, q, status, ticket_why(status));
	proved = challenge_answered(s, q);
	if (!proved &&
	    (ext_has(e, EXT_CHALLENGE) || s->config.always_challenge ||
	     service_defer(s, q->c->suite, DH_OF_TICKET, q->from, q->now.mono)))
		return send_challenge(s, q, (unsigned)q->c->suite);
	return answer_holder(s, q, proved);
}

static mpp_err answer_ticket(struct mpp_service *s, const struct question *q)
{
	mpp_err err;

	if (!suite_on(s, q->c->suite))
		return send_challenge(s, q, some_suite(s));
	err = judge_ticket(s, q);
	noise_ik_wipe(&s->hs);
	service_ticket_wipe(s);
	mem_wipe(s->plain, sizeof(s->plain));
	return err;
}

mpp_err service_connect(struct mpp_service *s, mpp_bytes in,
			const mpp_addr *from, mpp_instant now, mpp_outbox *out)
{
	struct connect *c = &s->connect;
	struct question q = {c, from, now, out};
	mpp_err err = service_by_web(s) ? connect_read_carried(in, c)
					: connect_read_initiator(in, c);

	if (err != MPP_OK && err != MPP_ERR_VERSION) {
		s->count.drop_malformed++;
		return err;
	}
	if (c->type == RUD_INIT_ERROR || !streamid_usable(c->reply_id.p)) {
		s->count.drop_type++;
		return MPP_ERR_TYPE;
	}
	if (err == MPP_ERR_VERSION)
		return send_error(s, &q, MPP_STATUS_MALFORMED,
				  "version 1 is spoken here");
	switch (c->type) {
	case RUD_INIT_HELLO:
		return answer_hello(s, &q);
	case RUD_INIT_EXCHANGE:
	case RUD_INIT_COMPLETE:
		return answer_exchange(s, &q);
	case RUD_INIT_TICKET:
		return answer_ticket(s, &q);
	default:
		s->count.drop_type++;
		return MPP_ERR_TYPE;
	}
}
