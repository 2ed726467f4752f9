/* SPDX-License-Identifier: MIT */
/* spy.h - the primitives of a world, watched: how often each was used, under
 * which key and nonce something was sealed, and a thief who has the service's
 * private key. */
#ifndef UNIT_ROLE_SPY_H
#define UNIT_ROLE_SPY_H

#include "world.h"

enum { SPY_SEALS = 16384, SPY_KEY = 32 };

struct spy_seal {
	uint8_t key[MPP_KEY_LEN], nonce[MPP_NONCE_LEN];
};

struct spy_work {
	unsigned random, sha512, hmac, dh, seal, open, aes;
};

struct spy {
	const mpp_crypto_ops *real;
	struct spy_work work;
	struct spy_seal seals[SPY_SEALS];
	size_t n_seals;
	unsigned twice;   /* a key and a nonce that had been used before */
	uint8_t word[32]; /* counted in what is sealed */
	size_t word_len, words;
	/* The thief: what he computes with, in the victim's place. */
	bool thief;
	uint8_t stand_in[SPY_KEY], victim[SPY_KEY];
	uint8_t stolen[SPY_KEY], service[SPY_KEY];
};

static struct spy spy;

static inline mpp_err spy_random(void *ctx, uint8_t *out, size_t len)
{
	spy.work.random++;
	return spy.real->random(ctx, out, len);
}

static inline mpp_err spy_sha512(void *ctx, const mpp_bytes *parts, size_t n,
				 uint8_t out[64])
{
	spy.work.sha512++;
	return spy.real->sha512(ctx, parts, n, out);
}

static inline mpp_err spy_hmac(void *ctx, mpp_bytes key, const mpp_bytes *parts,
			       size_t n, uint8_t out[64])
{
	spy.work.hmac++;
	return spy.real->hmac(ctx, key, parts, n, out);
}

static inline mpp_err spy_dh_public(void *ctx, int suite, const uint8_t *secret,
				    uint8_t *pub)
{
	if (!spy.thief || memcmp(secret, spy.stand_in, SPY_KEY) != 0)
		return spy.real->dh_public(ctx, suite, secret, pub);
	memcpy(pub, spy.victim, SPY_KEY);
	return MPP_OK;
}

/* ss can be computed from either side; se cannot. */
static inline mpp_err spy_dh(void *ctx, int suite, const uint8_t *secret,
			     const uint8_t *pub, uint8_t *out)
{
	const bool ss = spy.thief &&
			memcmp(secret, spy.stand_in, SPY_KEY) == 0 &&
			memcmp(pub, spy.service, SPY_KEY) == 0;

	spy.work.dh++;
	return spy.real->dh(ctx, suite, ss ? spy.stolen : secret,
			    ss ? spy.victim : pub, out);
}

static inline size_t spy_find(mpp_bytes in, const uint8_t *what, size_t len)
{
	size_t i, n = 0;

	for (i = 0; len != 0 && i + len <= in.len; i++)
		n += memcmp(in.p + i, what, len) == 0;
	return n;
}

static inline void spy_note(const uint8_t *key, const uint8_t *nonce)
{
	struct spy_seal *s;
	size_t i;

	for (i = 0; i < spy.n_seals; i++) {
		s = &spy.seals[i];
		spy.twice += memcmp(s->nonce, nonce, MPP_NONCE_LEN) == 0 &&
			     memcmp(s->key, key, MPP_KEY_LEN) == 0;
	}
	assert_true(spy.n_seals < SPY_SEALS);
	s = &spy.seals[spy.n_seals++];
	memcpy(s->key, key, MPP_KEY_LEN);
	memcpy(s->nonce, nonce, MPP_NONCE_LEN);
}

static inline mpp_err spy_seal(void *ctx, const uint8_t key[32],
			       const uint8_t nonce[12], mpp_bytes ad,
			       mpp_bytes in, uint8_t *out)
{
	spy.work.seal++;
	spy_note(key, nonce);
	spy.words += spy_find(in, spy.word, spy.word_len);
	return spy.real->seal(ctx, key, nonce, ad, in, out);
}

static inline mpp_err spy_open(void *ctx, const uint8_t key[32],
			       const uint8_t nonce[12], mpp_bytes ad,
			       mpp_bytes in, uint8_t *out)
{
	spy.work.open++;
	return spy.real->open(ctx, key, nonce, ad, in, out);
}

static inline mpp_err spy_encrypt(void *ctx, const uint8_t key[16],
				  const uint8_t in[16], uint8_t out[16])
{
	spy.work.aes++;
	return spy.real->aes_encrypt(ctx, key, in, out);
}

static inline mpp_err spy_decrypt(void *ctx, const uint8_t key[16],
				  const uint8_t in[16], uint8_t out[16])
{
	spy.work.aes++;
	return spy.real->aes_decrypt(ctx, key, in, out);
}

static const mpp_crypto_ops spy_ops = {
	.name = "spy",
	.aead_name = "spy",
	.random = spy_random,
	.sha512 = spy_sha512,
	.hmac = spy_hmac,
	.dh_public = spy_dh_public,
	.dh = spy_dh,
	.seal = spy_seal,
	.open = spy_open,
	.aes_encrypt = spy_encrypt,
	.aes_decrypt = spy_decrypt,
};

/* Everything in this world is watched from now on. */
static inline void spy_begin(struct world *w)
{
	memset(&spy, 0, sizeof(spy));
	spy.real = w->crypto.ops;
	world_stop_service(w);
	w->crypto.ops = &spy_ops;
	world_start_service(w);
}

#endif
