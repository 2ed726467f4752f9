/* SPDX-License-Identifier: MIT */
/* noise.c - Noise handshakes, interpreted from a table of patterns.
 * Contract: rud/noise.h.
 *
 *   initiator                        responder
 *   STARTED   prologue               STARTED   prologue
 *   MESSAGE_1 -- write -------> read MESSAGE_1 (or read_static, read_payload)
 *   MESSAGE_2 read <------- write -- MESSAGE_2
 *   SPLIT                            SPLIT
 *
 * The numbered sections are those of the Noise Protocol Framework, revision
 * 34. */
#include "rud/noise.h"

#include "base/mem.h"
#include "base/rd.h"
#include "base/wr.h"

enum step {
	SPOILED = 0,
	STARTED,
	MESSAGE_1,
	MESSAGE_2,
	SPLIT,
};

/* A Diffie-Hellman names the initiator's key, then the responder's: each that
 * is static sets its bit. */
enum token {
	END = 0,
	E = 1,
	S = 2,
	PSK = 3,
	EE = 4,
	ES = EE | 1,
	SE = EE | 2,
	SS = EE | 1 | 2,
	RESPONDER_STATIC = 1,
	INITIATOR_STATIC = 2,
};

enum { MESSAGES = 2, TOKENS_MAX = 5, NAME_MAX = 6 };

/* A row must not have s before a token that makes a key; see symmetric.h. */
struct pattern {
	char name[NAME_MAX];
	uint8_t name_len;
	bool pre_message; /* <- s, so that both sides have a static key */
	bool psk;         /* section 9: e is then mixed into the key as well */
	uint8_t message[MESSAGES][TOKENS_MAX]; /* END behind the last */
};

static const struct pattern patterns[] = {
	[NOISE_IK] = {"IK", 2, true, false, {{E, ES, S, SS}, {E, EE, SE}}},
	[NOISE_NNPSK0] = {"NNpsk0", 6, false, true, {{PSK, E}, {E, EE}}},
	[NOISE_IKPSK2] =
		{"IKpsk2", 6, true, true, {{E, ES, S, SS}, {E, EE, SE, PSK}}},
};

/* Section 8. */
static void set_name(struct noise *hs, const mpp_crypto *crypto)
{
	const struct pattern *p = &patterns[hs->pattern];
	uint8_t name[MPP_HASH_LEN];
	struct wr w = wr_init(name, sizeof(name));

	wr_raw(&w, "Noise_", 6);
	wr_raw(&w, p->name, p->name_len);
	if (hs->suite == MPP_SUITE_25519)
		wr_raw(&w, "_25519", 6);
	else
		wr_raw(&w, "_448", 4);
	wr_raw(&w, "_AESGCM_SHA512", 14);
	symmetric_init(&hs->sym, crypto, (mpp_bytes){name, w.n});
}

static bool keys_fit(const struct pattern *p, const struct noise_setup *setup)
{
	return (setup->s != NULL) == p->pre_message &&
	       (setup->rs != NULL) == (p->pre_message && setup->initiator) &&
	       (setup->psk != NULL) == p->psk;
}

mpp_err noise_init(struct noise *hs, const mpp_crypto *crypto,
		   const struct noise_setup *setup)
{
	size_t len = mpp_dh_len(setup->suite);

	if (len == 0 || setup->pattern < NOISE_IK ||
	    setup->pattern > NOISE_IKPSK2)
		return MPP_ERR_UNSUPPORTED;
	if (!keys_fit(&patterns[setup->pattern], setup))
		return MPP_ERR_INVALID;
	memset(hs, 0, sizeof(*hs));
	hs->pattern = (uint8_t)setup->pattern;
	hs->suite = (uint8_t)setup->suite;
	hs->initiator = setup->initiator;
	if (setup->s != NULL) {
		memcpy(hs->s, setup->s->secret, len);
		memcpy(hs->s_pub, setup->s->pub, len);
	}
	if (setup->rs != NULL)
		memcpy(hs->rs, setup->rs, len);
	if (setup->psk != NULL)
		memcpy(hs->psk, setup->psk, sizeof(hs->psk));
	set_name(hs, crypto);
	hs->step = STARTED;
	return MPP_OK;
}

mpp_err noise_prologue(struct noise *hs, const mpp_bytes *parts, size_t n)
{
	const mpp_bytes s = {hs->initiator ? hs->rs : hs->s_pub,
			     mpp_dh_len(hs->suite)};
	mpp_err err;

	if (hs->step != STARTED)
		return MPP_ERR_STATE;
	if (n > NOISE_PROLOGUE_PARTS)
		return MPP_ERR_INVALID;
	hs->step = SPOILED;
	err = symmetric_mix_hash(&hs->sym, parts, n);
	if (err == MPP_OK && patterns[hs->pattern].pre_message)
		err = symmetric_mix_hash(&hs->sym, &s, 1); /* <- s */
	if (err == MPP_OK)
		hs->step = MESSAGE_1;
	return err;
}

static bool has_message(const struct noise *hs)
{
	return hs->step == MESSAGE_1 || hs->step == MESSAGE_2;
}

/* Is the next step of this side to write a message, or else to read one? */
static bool is_next(const struct noise *hs, bool writing)
{
	return has_message(hs) &&
	       (hs->initiator == (hs->step == MESSAGE_1)) == writing;
}

/* Of the message that comes next. */
static const uint8_t *tokens_of(const struct noise *hs)
{
	return patterns[hs->pattern].message[hs->step - MESSAGE_1];
}

size_t noise_overhead(const struct noise *hs)
{
	size_t len = mpp_dh_len(hs->suite);
	size_t n = MPP_TAG_LEN;
	const uint8_t *token;

	if (!has_message(hs))
		return 0;
	for (token = tokens_of(hs) + hs->at; *token != END; token++) {
		if (*token == E)
			n += len;
		else if (*token == S)
			n += len + MPP_TAG_LEN;
	}
	return n;
}

/* Section 5.3, token e, once its bytes are there; section 9.2 for psk. */
static mpp_err mix_e(struct noise *hs, const uint8_t *pub)
{
	const mpp_bytes e = {pub, mpp_dh_len(hs->suite)};
	mpp_err err = symmetric_mix_hash(&hs->sym, &e, 1);

	if (err == MPP_OK && patterns[hs->pattern].psk)
		err = symmetric_mix_key(&hs->sym, e);
	return err;
}

static mpp_err write_e(struct noise *hs, struct wr *w)
{
	const mpp_crypto *c = hs->sym.crypto;
	size_t len = mpp_dh_len(hs->suite);
	mpp_err err;

	if ((err = c->ops->random(c->ctx, hs->e, len)) != MPP_OK ||
	    (err = c->ops->dh_public(c->ctx, hs->suite, hs->e, hs->e_pub)) !=
		    MPP_OK)
		return err;
	wr_raw(w, hs->e_pub, len);
	return mix_e(hs, hs->e_pub);
}

static mpp_err read_e(struct noise *hs, struct rd *r)
{
	rd_copy(r, hs->re, mpp_dh_len(hs->suite));
	return r->err != MPP_OK ? r->err : mix_e(hs, hs->re);
}

static mpp_err write_sealed(struct noise *hs, mpp_bytes in, struct wr *w)
{
	uint8_t *out = wr_room(w, in.len + MPP_TAG_LEN);

	return out == NULL ? MPP_ERR_NOSPACE
			   : symmetric_encrypt(&hs->sym, in, out);
}

static mpp_err read_s(struct noise *hs, struct rd *r)
{
	const mpp_bytes s = rd_slice(r, mpp_dh_len(hs->suite) + MPP_TAG_LEN);

	return r->err != MPP_OK ? r->err
				: symmetric_decrypt(&hs->sym, s, hs->rs);
}

/* Tokens ee, es, se, ss. */
static mpp_err mix_dh(struct noise *hs, uint8_t token)
{
	const mpp_crypto *c = hs->sym.crypto;
	const bool i_static = (token & INITIATOR_STATIC) != 0;
	const bool r_static = (token & RESPONDER_STATIC) != 0;
	const bool own = hs->initiator ? i_static : r_static;
	const bool peer = hs->initiator ? r_static : i_static;
	uint8_t shared[MPP_DH_MAX];
	mpp_err err = c->ops->dh(c->ctx, hs->suite, own ? hs->s : hs->e,
				 peer ? hs->rs : hs->re, shared);

	if (err == MPP_OK)
		err = symmetric_mix_key(
			&hs->sym, (mpp_bytes){shared, mpp_dh_len(hs->suite)});
	mem_wipe(shared, sizeof(shared));
	return err;
}

/* Tokens that carry nothing are the same for both sides. */
static mpp_err mix_silent(struct noise *hs, uint8_t token)
{
	if (token == PSK)
		return symmetric_mix_key_and_hash(
			&hs->sym, (mpp_bytes){hs->psk, sizeof(hs->psk)});
	return mix_dh(hs, token);
}

static mpp_err write_token(struct noise *hs, uint8_t token, struct wr *w)
{
	const mpp_bytes s_pub = {hs->s_pub, mpp_dh_len(hs->suite)};

	if (token == E)
		return write_e(hs, w);
	if (token == S)
		return write_sealed(hs, s_pub, w);
	return mix_silent(hs, token);
}

static mpp_err read_token(struct noise *hs, uint8_t token, struct rd *r)
{
	if (token == E)
		return read_e(hs, r);
	if (token == S)
		return read_s(hs, r);
	return mix_silent(hs, token);
}

static bool has_room(const mpp_buf *out, size_t overhead, size_t len)
{
	size_t room = out->cap - out->len;

	return room >= overhead && room - overhead >= len;
}

/* Where out goes on; it may be an empty buffer at NULL. */
static uint8_t *end_of(const mpp_buf *out)
{
	return out->len == 0 ? out->p : out->p + out->len;
}

/* A message is done: the next step, and its first token. */
static void go_on(struct noise *hs, unsigned step)
{
	hs->step = (uint8_t)(step + 1);
	hs->at = 0;
}

mpp_err noise_write(struct noise *hs, mpp_bytes payload, mpp_buf *out)
{
	const unsigned step = hs->step;
	const uint8_t *token;
	struct wr w;
	mpp_err err = MPP_OK;

	if (!is_next(hs, true))
		return MPP_ERR_STATE;
	if (!has_room(out, noise_overhead(hs), payload.len))
		return MPP_ERR_NOSPACE;
	token = tokens_of(hs);
	hs->step = SPOILED;
	w = wr_init(end_of(out), out->cap - out->len);
	for (; err == MPP_OK && *token != END; token++)
		err = write_token(hs, *token, &w);
	if (err == MPP_OK)
		err = write_sealed(hs, payload, &w);
	if (err != MPP_OK)
		return err;
	out->len += w.n;
	go_on(hs, step);
	return MPP_OK;
}

/* The tokens that are left and the payload; the checks come before any
 * change. */
static mpp_err read_rest(struct noise *hs, mpp_bytes msg, mpp_buf *out)
{
	const unsigned step = hs->step;
	const size_t overhead = noise_overhead(hs);
	const uint8_t *token = tokens_of(hs) + hs->at;
	struct rd r = rd_init(msg);
	mpp_bytes sealed;
	mpp_err err = MPP_OK;

	if (msg.len < overhead)
		return MPP_ERR_TRUNCATED;
	if (!has_room(out, 0, msg.len - overhead))
		return MPP_ERR_NOSPACE;
	hs->step = SPOILED;
	for (; err == MPP_OK && *token != END; token++)
		err = read_token(hs, *token, &r);
	sealed = rd_rest(&r);
	if (err == MPP_OK)
		err = symmetric_decrypt(&hs->sym, sealed, end_of(out));
	if (err != MPP_OK)
		return err;
	out->len += msg.len - overhead;
	go_on(hs, step);
	return MPP_OK;
}

mpp_err noise_read(struct noise *hs, mpp_bytes msg, mpp_buf *out)
{
	if (!is_next(hs, false) || hs->at != 0)
		return MPP_ERR_STATE;
	return read_rest(hs, msg, out);
}

mpp_err noise_read_payload(struct noise *hs, mpp_bytes rest, mpp_buf *out)
{
	if (!is_next(hs, false) || hs->at == 0)
		return MPP_ERR_STATE;
	return read_rest(hs, rest, out);
}

/* How many tokens go up to and with s; 0 when there is none. */
static uint8_t tokens_to_static(const uint8_t *token)
{
	uint8_t n = 0;

	while (token[n] != END) {
		if (token[n++] == S)
			return n;
	}
	return 0;
}

mpp_err noise_read_static(struct noise *hs, mpp_bytes msg, mpp_bytes *rest)
{
	const uint8_t step = hs->step;
	struct rd r = rd_init(msg);
	const uint8_t *token;
	uint8_t n, i;
	mpp_err err = MPP_OK;

	if (!is_next(hs, false) || hs->at != 0)
		return MPP_ERR_STATE;
	token = tokens_of(hs);
	n = tokens_to_static(token);
	if (n == 0)
		return MPP_ERR_STATE;
	if (msg.len < noise_overhead(hs))
		return MPP_ERR_TRUNCATED;
	hs->step = SPOILED;
	for (i = 0; err == MPP_OK && i < n; i++)
		err = read_token(hs, token[i], &r);
	if (err != MPP_OK)
		return err;
	*rest = rd_rest(&r);
	hs->at = n;
	hs->step = step;
	return MPP_OK;
}

mpp_err noise_split(struct noise *hs, uint8_t to_responder[32],
		    uint8_t to_initiator[32])
{
	if (hs->step != SPLIT)
		return MPP_ERR_STATE;
	hs->step = SPOILED;
	return symmetric_split(&hs->sym, to_responder, to_initiator);
}

void noise_wipe(struct noise *hs)
{
	mem_wipe(hs, sizeof(*hs));
}
