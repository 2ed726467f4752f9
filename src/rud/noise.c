/* SPDX-License-Identifier: MIT */
/* noise.c - the Noise IK handshake. Contract: rud/noise.h.
 *
 *   initiator                          responder
 *   STARTED   prologue                 STARTED   prologue
 *   MESSAGE_1 -- e, es, s, ss -------> MESSAGE_1 e, es, s
 *                                      HALF_READ ss
 *   MESSAGE_2 <- e, ee, se ----------- MESSAGE_2
 *   SPLIT                              SPLIT
 *
 * The numbered sections are those of the Noise Protocol Framework, revision
 * 34. In IK nothing is encrypted before the first MixKey(), so the states
 * without a key that section 5 provides for do not occur. */
#include "rud/noise.h"

#include "base/mem.h"
#include "base/rd.h"
#include "base/wr.h"

enum step {
	SPOILED = 0,
	STARTED,
	MESSAGE_1,
	HALF_READ,
	MESSAGE_2,
	SPLIT,
};

/* Section 4.3: HKDF(chaining_key, input_key_material, 2). out1 may be ck. */
static mpp_err hkdf2(const mpp_crypto *c, const uint8_t ck[64], mpp_bytes ikm,
		     uint8_t out1[64], uint8_t out2[64])
{
	const uint8_t number[] = {1, 2};
	uint8_t temp[MPP_HASH_LEN];
	const mpp_bytes key = {temp, sizeof(temp)};
	const mpp_bytes first = {&number[0], 1};
	const mpp_bytes second[] = {{out1, MPP_HASH_LEN}, {&number[1], 1}};
	mpp_err err;

	err = c->ops->hmac(c->ctx, (mpp_bytes){ck, MPP_HASH_LEN}, &ikm, 1,
			   temp);
	if (err == MPP_OK)
		err = c->ops->hmac(c->ctx, key, &first, 1, out1);
	if (err == MPP_OK)
		err = c->ops->hmac(c->ctx, key, second, 2, out2);
	mem_wipe(temp, sizeof(temp));
	return err;
}

/* Section 5.2, MixHash(data): h = HASH(h || data). */
static mpp_err mix_hash(struct noise_ik *hs, const uint8_t *p, size_t len)
{
	const mpp_bytes parts[] = {{hs->h, sizeof(hs->h)}, {p, len}};

	return hs->crypto->ops->sha512(hs->crypto->ctx, parts, 2, hs->h);
}

/* Section 5.2, MixKey(DH(secret, pub)). */
static mpp_err mix_dh(struct noise_ik *hs, const uint8_t *secret,
		      const uint8_t *pub)
{
	const mpp_crypto *c = hs->crypto;
	uint8_t shared[MPP_DH_MAX];
	uint8_t temp_k[MPP_HASH_LEN];
	mpp_err err;

	err = c->ops->dh(c->ctx, hs->suite, secret, pub, shared);
	if (err == MPP_OK)
		err = hkdf2(c, hs->ck,
			    (mpp_bytes){shared, mpp_dh_len(hs->suite)}, hs->ck,
			    temp_k);
	if (err == MPP_OK) {
		memcpy(hs->k, temp_k, sizeof(hs->k));
		hs->n = 0;
	}
	mem_wipe(shared, sizeof(shared));
	mem_wipe(temp_k, sizeof(temp_k));
	return err;
}

/* Section 12.4: 32 bits of zeros, then n in network order. */
static void make_nonce(uint64_t n, uint8_t nonce[MPP_NONCE_LEN])
{
	struct wr w = wr_init(nonce, MPP_NONCE_LEN);

	wr_zero(&w, 4);
	wr_u64(&w, n);
}

/* Section 5.2, EncryptAndHash(plaintext). */
static mpp_err encrypt_and_hash(struct noise_ik *hs, mpp_bytes in, struct wr *w)
{
	const mpp_crypto *c = hs->crypto;
	uint8_t *out = wr_room(w, in.len + MPP_TAG_LEN);
	uint8_t nonce[MPP_NONCE_LEN];
	mpp_err err;

	if (out == NULL)
		return MPP_ERR_NOSPACE;
	make_nonce(hs->n, nonce);
	err = c->ops->seal(c->ctx, hs->k, nonce,
			   (mpp_bytes){hs->h, sizeof(hs->h)}, in, out);
	if (err != MPP_OK)
		return err;
	hs->n++;
	return mix_hash(hs, out, in.len + MPP_TAG_LEN);
}

/* Section 5.2, DecryptAndHash(ciphertext). The next h is computed first, so
 * that out may be in.p. */
static mpp_err decrypt_and_hash(struct noise_ik *hs, mpp_bytes in, uint8_t *out)
{
	const mpp_crypto *c = hs->crypto;
	const mpp_bytes parts[] = {{hs->h, sizeof(hs->h)}, in};
	uint8_t next[MPP_HASH_LEN];
	uint8_t nonce[MPP_NONCE_LEN];
	mpp_err err;

	make_nonce(hs->n, nonce);
	err = c->ops->sha512(c->ctx, parts, 2, next);
	if (err == MPP_OK)
		err = c->ops->open(c->ctx, hs->k, nonce, parts[0], in, out);
	if (err != MPP_OK)
		return err;
	hs->n++;
	memcpy(hs->h, next, sizeof(hs->h));
	return MPP_OK;
}

/* Token e of a message that is written. */
static mpp_err write_e(struct noise_ik *hs, struct wr *w)
{
	const mpp_crypto *c = hs->crypto;
	size_t len = mpp_dh_len(hs->suite);
	mpp_err err;

	if ((err = c->ops->random(c->ctx, hs->e, len)) != MPP_OK ||
	    (err = c->ops->dh_public(c->ctx, hs->suite, hs->e, hs->e_pub)) !=
		    MPP_OK)
		return err;
	wr_raw(w, hs->e_pub, len);
	return mix_hash(hs, hs->e_pub, len);
}

/* Token e of a message that is read. */
static mpp_err read_e(struct noise_ik *hs, mpp_bytes e)
{
	memcpy(hs->re, e.p, e.len);
	return mix_hash(hs, hs->re, e.len);
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

static struct wr writer(const mpp_buf *out)
{
	return wr_init(end_of(out), out->cap - out->len);
}

static bool is_next(const struct noise_ik *hs, enum step step, bool initiator)
{
	return hs->step == step && hs->initiator == initiator;
}

/* Section 5.2, InitializeSymmetric(): these names are shorter than a hash,
 * so that h is the name and zeros. */
static void set_name(struct noise_ik *hs)
{
	static const char name_25519[] = "Noise_IK_25519_AESGCM_SHA512";
	static const char name_448[] = "Noise_IK_448_AESGCM_SHA512";

	if (hs->suite == MPP_SUITE_25519)
		memcpy(hs->h, name_25519, sizeof(name_25519) - 1);
	else
		memcpy(hs->h, name_448, sizeof(name_448) - 1);
	memcpy(hs->ck, hs->h, sizeof(hs->ck));
}

mpp_err noise_ik_init(struct noise_ik *hs, const mpp_crypto *crypto, int suite,
		      const struct noise_static *s, const uint8_t *rs)
{
	size_t len = mpp_dh_len(suite);

	if (len == 0)
		return MPP_ERR_UNSUPPORTED;
	memset(hs, 0, sizeof(*hs));
	hs->crypto = crypto;
	hs->suite = (uint8_t)suite;
	hs->initiator = rs != NULL;
	memcpy(hs->s, s->secret, len);
	memcpy(hs->s_pub, s->pub, len);
	if (rs != NULL)
		memcpy(hs->rs, rs, len);
	set_name(hs);
	hs->step = STARTED;
	return MPP_OK;
}

mpp_err noise_ik_prologue(struct noise_ik *hs, const mpp_bytes *parts, size_t n)
{
	const mpp_crypto *c = hs->crypto;
	mpp_bytes all[1 + NOISE_PROLOGUE_PARTS] = {{hs->h, sizeof(hs->h)}};
	mpp_err err;

	if (hs->step != STARTED)
		return MPP_ERR_STATE;
	if (n > NOISE_PROLOGUE_PARTS)
		return MPP_ERR_INVALID;
	if (n != 0)
		memcpy(all + 1, parts, n * sizeof(*parts));
	hs->step = SPOILED;
	if ((err = c->ops->sha512(c->ctx, all, 1 + n, hs->h)) != MPP_OK ||
	    (err = mix_hash(hs, hs->initiator ? hs->rs : hs->s_pub, /* <- s */
			    mpp_dh_len(hs->suite))) != MPP_OK)
		return err;
	hs->step = MESSAGE_1;
	return MPP_OK;
}

mpp_err noise_ik_write1(struct noise_ik *hs, mpp_bytes payload, mpp_buf *out)
{
	const mpp_bytes s_pub = {hs->s_pub, mpp_dh_len(hs->suite)};
	struct wr w;
	mpp_err err;

	if (!is_next(hs, MESSAGE_1, true))
		return MPP_ERR_STATE;
	if (!has_room(out, noise_ik_overhead1(hs->suite), payload.len))
		return MPP_ERR_NOSPACE;
	hs->step = SPOILED;
	w = writer(out);
	if ((err = write_e(hs, &w)) != MPP_OK ||                 /* e */
	    (err = mix_dh(hs, hs->e, hs->rs)) != MPP_OK ||       /* es */
	    (err = encrypt_and_hash(hs, s_pub, &w)) != MPP_OK || /* s */
	    (err = mix_dh(hs, hs->s, hs->rs)) != MPP_OK ||       /* ss */
	    (err = encrypt_and_hash(hs, payload, &w)) != MPP_OK)
		return err;
	out->len += w.n;
	hs->step = MESSAGE_2;
	return MPP_OK;
}

mpp_err noise_ik_read1_static(struct noise_ik *hs, mpp_bytes msg,
			      mpp_bytes *rest)
{
	size_t len = mpp_dh_len(hs->suite);
	struct rd r = rd_init(msg);
	const mpp_bytes e = rd_slice(&r, len);
	const mpp_bytes s = rd_slice(&r, len + MPP_TAG_LEN);
	const mpp_bytes sealed = rd_rest(&r);
	mpp_err err;

	if (!is_next(hs, MESSAGE_1, false))
		return MPP_ERR_STATE;
	if (r.err != MPP_OK || sealed.len < MPP_TAG_LEN)
		return MPP_ERR_TRUNCATED;
	hs->step = SPOILED;
	if ((err = read_e(hs, e)) != MPP_OK ||                 /* e */
	    (err = mix_dh(hs, hs->s, hs->re)) != MPP_OK ||     /* es */
	    (err = decrypt_and_hash(hs, s, hs->rs)) != MPP_OK) /* s */
		return err;
	*rest = sealed;
	hs->step = HALF_READ;
	return MPP_OK;
}

/* The payload that ends a message; the checks come before any change. */
static mpp_err read_payload(struct noise_ik *hs, mpp_bytes sealed, mpp_buf *out,
			    enum step next)
{
	mpp_err err = decrypt_and_hash(hs, sealed, end_of(out));

	if (err != MPP_OK)
		return err;
	out->len += sealed.len - MPP_TAG_LEN;
	hs->step = (uint8_t)next;
	return MPP_OK;
}

mpp_err noise_ik_read1_payload(struct noise_ik *hs, mpp_bytes rest,
			       mpp_buf *out)
{
	mpp_err err;

	if (!is_next(hs, HALF_READ, false))
		return MPP_ERR_STATE;
	if (rest.len < MPP_TAG_LEN)
		return MPP_ERR_TRUNCATED;
	if (!has_room(out, 0, rest.len - MPP_TAG_LEN))
		return MPP_ERR_NOSPACE;
	hs->step = SPOILED;
	if ((err = mix_dh(hs, hs->s, hs->rs)) != MPP_OK) /* ss */
		return err;
	return read_payload(hs, rest, out, MESSAGE_2);
}

mpp_err noise_ik_write2(struct noise_ik *hs, mpp_bytes payload, mpp_buf *out)
{
	struct wr w;
	mpp_err err;

	if (!is_next(hs, MESSAGE_2, false))
		return MPP_ERR_STATE;
	if (!has_room(out, noise_ik_overhead2(hs->suite), payload.len))
		return MPP_ERR_NOSPACE;
	hs->step = SPOILED;
	w = writer(out);
	if ((err = write_e(hs, &w)) != MPP_OK ||           /* e */
	    (err = mix_dh(hs, hs->e, hs->re)) != MPP_OK || /* ee */
	    (err = mix_dh(hs, hs->e, hs->rs)) != MPP_OK || /* se */
	    (err = encrypt_and_hash(hs, payload, &w)) != MPP_OK)
		return err;
	out->len += w.n;
	hs->step = SPLIT;
	return MPP_OK;
}

mpp_err noise_ik_read2(struct noise_ik *hs, mpp_bytes msg, mpp_buf *out)
{
	struct rd r = rd_init(msg);
	const mpp_bytes e = rd_slice(&r, mpp_dh_len(hs->suite));
	const mpp_bytes sealed = rd_rest(&r);
	mpp_err err;

	if (!is_next(hs, MESSAGE_2, true))
		return MPP_ERR_STATE;
	if (r.err != MPP_OK || sealed.len < MPP_TAG_LEN)
		return MPP_ERR_TRUNCATED;
	if (!has_room(out, 0, sealed.len - MPP_TAG_LEN))
		return MPP_ERR_NOSPACE;
	hs->step = SPOILED;
	if ((err = read_e(hs, e)) != MPP_OK ||             /* e */
	    (err = mix_dh(hs, hs->e, hs->re)) != MPP_OK || /* ee */
	    (err = mix_dh(hs, hs->s, hs->re)) != MPP_OK)   /* se */
		return err;
	return read_payload(hs, sealed, out, SPLIT);
}

/* Section 5.2, Split(): both keys lose what is beyond 32 bytes. */
mpp_err noise_ik_split(struct noise_ik *hs, uint8_t to_responder[32],
		       uint8_t to_initiator[32])
{
	uint8_t temp_k1[MPP_HASH_LEN];
	uint8_t temp_k2[MPP_HASH_LEN];
	mpp_err err;

	if (hs->step != SPLIT)
		return MPP_ERR_STATE;
	hs->step = SPOILED;
	err = hkdf2(hs->crypto, hs->ck, (mpp_bytes){NULL, 0}, temp_k1, temp_k2);
	if (err == MPP_OK) {
		memcpy(to_responder, temp_k1, MPP_KEY_LEN);
		memcpy(to_initiator, temp_k2, MPP_KEY_LEN);
	}
	mem_wipe(temp_k1, sizeof(temp_k1));
	mem_wipe(temp_k2, sizeof(temp_k2));
	return err;
}

void noise_ik_wipe(struct noise_ik *hs)
{
	mem_wipe(hs, sizeof(*hs));
}
