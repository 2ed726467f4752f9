/* SPDX-License-Identifier: MIT */
/* token.c - devices keep tokens and come back with them; another minter hands
 * out some, and at times all tokens of a key are revoked.
 *
 * What must hold: a token is not kept any more when it is sent, and none is
 * sent again after another was, or after a restart; a revoked one, by what it
 * claims, lets nobody in. */
#include <string.h>

#include "base/rd.h"
#include "mppsim/sim.h"

enum {
	MINTER_LIFE_S = 3600,
	LEEWAY_MS = 60000, /* a minter's tokens are dead so much longer */
	HALF = 500000,
	TICKET = 5,
	TAG_TOKEN = 128 + 6,
};

static const char accounts[] = "*@example.com";

static uint64_t real_ms(const struct sim *s)
{
	return (SIM_EPOCH + s->now) / 1000;
}

static uint64_t wall_ms(const struct sim *s)
{
	return sim_instant(s).wall.us / 1000;
}

/* ---- keys ---- */

static void random_octets(struct rng *r, uint8_t *p, size_t n)
{
	while (n-- > 0)
		p[n] = (uint8_t)rng_next(r);
}

void token_init(struct sim *s)
{
	s->token = rng_stream(s->seed, 8);
	if (s->p.tokens == 0)
		return;
	random_octets(&s->token, s->secrets.token.key, MPP_TOKEN_KEY_LEN);
	random_octets(&s->token, s->minter.key, MPP_TOKEN_KEY_LEN);
	memcpy(s->secrets.token.id, "own", 4);
	memcpy(s->minter.id, "mint", MPP_TOKEN_KEY_ID_LEN);
}

mpp_err token_start(struct sim *s)
{
	const mpp_token_minter m = {
		.key = s->minter,
		.accounts = {(const uint8_t *)accounts, sizeof(accounts) - 1},
		.rights = MPP_RIGHT_SUBSCRIBE | MPP_RIGHT_PUBLISH,
		.life_s = MINTER_LIFE_S,
	};

	return s->p.tokens == 0 ? MPP_OK
				: mpp_service_minter_add(s->service, &m);
}

static const mpp_token_key *key_of(const struct sim *s, unsigned number)
{
	return number == 0 ? &s->secrets.token : &s->minter;
}

/* ---- what a device keeps ---- */

void token_saved(struct sim_device *d, const mpp_client_event *ev)
{
	if (!ev->have_token)
		return;
	d->token_len = ev->token.len;
	if (ev->token.len == 0)
		return;
	memcpy(d->token, ev->token.p, ev->token.len);
	memcpy(d->token_secret, ev->token_secret, sizeof(d->token_secret));
}

/* Its minter has another one for it. */
static void hand_out(struct sim *s, struct sim_device *d)
{
	char text[MPP_UDF_TEXT_MAX];
	mpp_buf token = {d->token, sizeof(d->token), 0};
	mpp_token_claims k = {
		.account = d->config.account,
		.rights = MPP_RIGHT_SUBSCRIBE | MPP_RIGHT_PUBLISH,
		.issued_ms = real_ms(s),
		.expires_ms = real_ms(s) + MINTER_LIFE_S * 1000,
	};

	k.device = (mpp_bytes){(const uint8_t *)text,
			       mpp_udf_text(d->udf, MPP_UDF_BITS, text)};
	if (rng_chance(&s->token, HALF))
		k.proven_ms = k.issued_ms;
	if (mpp_token_mint(&s->device_crypto, &s->minter, &k, &token,
			   d->token_secret) != MPP_OK) {
		sim_violation(s, "a token cannot be minted");
		return;
	}
	d->token_len = token.len;
	s->n.minted++;
}

void token_restart(struct sim *s, struct sim_device *d)
{
	if (d->token_now != 0)
		d->token_spent[d->n_token_spent++ % SIM_SPENT] = d->token_now;
	d->token_now = 0;
	if (s->p.tokens != 0 && rng_chance(&s->token, s->p.minted))
		hand_out(s, d);
}

/* ---- used once ---- */

static uint64_t hash_of(mpp_bytes token)
{
	uint64_t h = UINT64_C(14695981039346656037);
	size_t i;

	for (i = 0; i < token.len; i++)
		h = (h ^ token.p[i]) * UINT64_C(1099511628211);
	return h | 1;
}

/* The token of a Ticket, as docs/protocol.md section 5.3 has it; empty: it is
 * none. */
static mpp_bytes token_of(mpp_bytes data)
{
	static const uint8_t head[17] = {[16] = TICKET};
	struct rd r = rd_init(data);
	const uint8_t *first = rd_take(&r, sizeof(head));
	mpp_bytes value = {NULL, 0};
	uint8_t tag = 0;

	if (first == NULL || memcmp(first, head, sizeof(head)) != 0)
		return value;
	(void)rd_int(&r); /* version */
	(void)rd_int(&r); /* suite */
	(void)rd_bytes(&r);
	while (r.err == MPP_OK && tag != TAG_TOKEN) {
		tag = rd_u8(&r);
		value = rd_bytes(&r);
	}
	return r.err == MPP_OK ? value : (mpp_bytes){NULL, 0};
}

static bool is_spent(const struct sim_device *d, uint64_t token)
{
	size_t i;

	for (i = 0; i < SIM_SPENT; i++) {
		if (d->token_spent[i] == token)
			return true;
	}
	return false;
}

void token_sent(struct sim *s, struct sim_device *d, mpp_bytes data)
{
	const mpp_bytes token = token_of(data);
	uint64_t now;

	if (token.len == 0)
		return;
	s->n.tickets_sent++;
	now = hash_of(token);
	if (d->token_len == token.len &&
	    memcmp(d->token, token.p, token.len) == 0)
		sim_violation(s, "device %u still keeps the token that it uses",
			      d->number);
	if (is_spent(d, now))
		sim_violation(s, "device %u uses a token twice", d->number);
	if (d->token_now != 0 && d->token_now != now)
		d->token_spent[d->n_token_spent++ % SIM_SPENT] = d->token_now;
	d->token_now = now;
}

/* ---- revoked ---- */

/* All tokens of a key, by the operator. */
void token_revoke_due(struct sim *s)
{
	const unsigned number = (unsigned)rng_below(&s->token, 2);

	queue_set(&s->queue, TIMER_REVOKE,
		  s->now + rng_wait(&s->token, s->p.revoke));
	if (s->service == NULL || s->revoking_ms[number] != 0)
		return;
	if (mpp_service_minter_revoke(s->service, key_of(s, number)->id,
				      SIM_OP_REVOKE + number,
				      sim_instant(s).wall) != MPP_OK)
		return;
	s->revoking_ms[number] = wall_ms(s);
	sim_trace(s, "tokens of key %u are being revoked", number);
	host_settle(s);
}

/* True: it was the answer to that. */
bool token_result(struct sim *s, const mpp_result *r)
{
	const uint64_t number = r->op - SIM_OP_REVOKE;
	uint64_t dead;

	if (r->op < SIM_OP_REVOKE || number >= SIM_TOKEN_KEYS)
		return false;
	dead = s->revoking_ms[number] + (number != 0 ? LEEWAY_MS : 0);
	if (r->err == MPP_OK && dead > s->dead_ms[number])
		s->dead_ms[number] = dead;
	s->n.revocations += r->err == MPP_OK;
	s->revoking_ms[number] = 0;
	sim_trace(s, "revoked tokens of key %u: %s", (unsigned)number,
		  mpp_err_name(r->err));
	return true;
}

/* What it was asked may be on disk or not. */
void token_crashed(struct sim *s)
{
	memset(s->revoking_ms, 0, sizeof(s->revoking_ms));
}

/* Is it, by what it claims, one that was revoked? */
static bool is_dead(const struct sim *s, mpp_bytes token)
{
	unsigned number;
	mpp_token t;

	for (number = 0; number < SIM_TOKEN_KEYS; number++) {
		if (mpp_token_open(&s->device_crypto, key_of(s, number), token,
				   &t) == MPP_OK)
			return t.claims.issued_ms <= s->dead_ms[number];
	}
	return false;
}

/* Around a datagram to the service. */
struct token_before token_before(const struct sim *s, const struct datagram *g)
{
	struct token_before b = {false, mpp_service_count(s->service)->tickets};
	mpp_bytes token;

	if (!g->handshake || s->p.tokens == 0)
		return b;
	token = token_of((mpp_bytes){g->data, g->len});
	b.dead = token.len != 0 && is_dead(s, token);
	return b;
}

void token_after(struct sim *s, const struct datagram *g,
		 const struct token_before *b)
{
	s->n.dead_tried += b->dead;
	if (b->dead && mpp_service_count(s->service)->tickets != b->tickets)
		sim_violation(s, "a revoked token of device %u was let in",
			      g->device);
}
