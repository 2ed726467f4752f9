/* SPDX-License-Identifier: MIT */
/* symmetric.c - the symmetric half of a handshake. Contract: symmetric.h.
 * The numbered sections are those of the Noise Protocol Framework, rev 34. */
#include "rud/symmetric.h"

#include "base/mem.h"
#include "base/wr.h"

enum { OUTPUTS_MAX = 3 };

void symmetric_init(struct symmetric *s, const mpp_crypto *crypto,
		    mpp_bytes name)
{
	memset(s, 0, sizeof(*s));
	s->crypto = crypto;
	memcpy(s->h, name.p, name.len);
	memcpy(s->ck, s->h, sizeof(s->ck));
}

mpp_err symmetric_mix_hash(struct symmetric *s, const mpp_bytes *parts,
			   size_t n)
{
	const mpp_crypto *c = s->crypto;
	mpp_bytes all[1 + SYMMETRIC_PARTS_MAX] = {{s->h, sizeof(s->h)}};

	if (n != 0)
		memcpy(all + 1, parts, n * sizeof(*parts));
	return c->ops->sha512(c->ctx, all, 1 + n, s->h);
}

/* Section 4.3: HKDF(chaining_key, input_key_material, n). */
static mpp_err hkdf(const struct symmetric *s, mpp_bytes ikm,
		    uint8_t (*out)[MPP_HASH_LEN], uint8_t n)
{
	const mpp_crypto *c = s->crypto;
	uint8_t temp[MPP_HASH_LEN];
	const mpp_bytes key = {temp, sizeof(temp)};
	mpp_bytes parts[2] = {{NULL, 0}, {NULL, 1}};
	uint8_t i;
	mpp_err err;

	err = c->ops->hmac(c->ctx, (mpp_bytes){s->ck, sizeof(s->ck)}, &ikm, 1,
			   temp);
	for (i = 1; err == MPP_OK && i <= n; i++) {
		parts[1].p = &i;
		err = c->ops->hmac(c->ctx, key, parts, 2, out[i - 1]);
		parts[0] = (mpp_bytes){out[i - 1], MPP_HASH_LEN};
	}
	mem_wipe(temp, sizeof(temp));
	return err;
}

/* InitializeKey() with what an output has beyond 32 bytes cut off. */
static void set_key(struct symmetric *s, const uint8_t temp_k[MPP_HASH_LEN])
{
	memcpy(s->k, temp_k, sizeof(s->k));
	s->n = 0;
}

mpp_err symmetric_mix_key(struct symmetric *s, mpp_bytes ikm)
{
	uint8_t out[2][MPP_HASH_LEN]; /* ck, temp_k */
	mpp_err err = hkdf(s, ikm, out, 2);

	if (err == MPP_OK) {
		memcpy(s->ck, out[0], sizeof(s->ck));
		set_key(s, out[1]);
	}
	mem_wipe(out, sizeof(out));
	return err;
}

mpp_err symmetric_mix_key_and_hash(struct symmetric *s, mpp_bytes ikm)
{
	uint8_t out[OUTPUTS_MAX][MPP_HASH_LEN]; /* ck, temp_h, temp_k */
	const mpp_bytes temp_h = {out[1], sizeof(out[1])};
	mpp_err err = hkdf(s, ikm, out, OUTPUTS_MAX);

	if (err == MPP_OK)
		err = symmetric_mix_hash(s, &temp_h, 1);
	if (err == MPP_OK) {
		memcpy(s->ck, out[0], sizeof(s->ck));
		set_key(s, out[2]);
	}
	mem_wipe(out, sizeof(out));
	return err;
}

/* Section 12.4: 32 bits of zeros, then n in network order. */
static void make_nonce(uint64_t n, uint8_t nonce[MPP_NONCE_LEN])
{
	struct wr w = wr_init(nonce, MPP_NONCE_LEN);

	wr_zero(&w, 4);
	wr_u64(&w, n);
}

mpp_err symmetric_encrypt(struct symmetric *s, mpp_bytes in, uint8_t *out)
{
	const mpp_crypto *c = s->crypto;
	const mpp_bytes sealed = {out, in.len + MPP_TAG_LEN};
	uint8_t nonce[MPP_NONCE_LEN];
	mpp_err err;

	make_nonce(s->n, nonce);
	err = c->ops->seal(c->ctx, s->k, nonce, (mpp_bytes){s->h, sizeof(s->h)},
			   in, out);
	if (err != MPP_OK)
		return err;
	s->n++;
	return symmetric_mix_hash(s, &sealed, 1);
}

/* The next h is computed first, so that out may be in.p. */
mpp_err symmetric_decrypt(struct symmetric *s, mpp_bytes in, uint8_t *out)
{
	const mpp_crypto *c = s->crypto;
	const mpp_bytes parts[] = {{s->h, sizeof(s->h)}, in};
	uint8_t next[MPP_HASH_LEN];
	uint8_t nonce[MPP_NONCE_LEN];
	mpp_err err;

	make_nonce(s->n, nonce);
	err = c->ops->sha512(c->ctx, parts, 2, next);
	if (err == MPP_OK)
		err = c->ops->open(c->ctx, s->k, nonce, parts[0], in, out);
	if (err != MPP_OK)
		return err;
	s->n++;
	memcpy(s->h, next, sizeof(s->h));
	return MPP_OK;
}

mpp_err symmetric_split(struct symmetric *s, uint8_t k1[32], uint8_t k2[32])
{
	uint8_t out[2][MPP_HASH_LEN];
	mpp_err err = hkdf(s, (mpp_bytes){NULL, 0}, out, 2);

	if (err == MPP_OK) {
		memcpy(k1, out[0], MPP_KEY_LEN);
		memcpy(k2, out[1], MPP_KEY_LEN);
	}
	mem_wipe(out, sizeof(out));
	return err;
}
