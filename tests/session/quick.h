/* SPDX-License-Identifier: MIT */
/* quick.h - the real cryptography, made quick and repeatable for fuzzing:
 * randomness comes from a counter, and each Diffie-Hellman is computed once
 * and remembered. Ephemeral keys come round after QUICK_KEYS of them, so that
 * few pairs ever meet; one program makes fewer handshakes than that. */
#ifndef SESSION_QUICK_H
#define SESSION_QUICK_H

#include <stdlib.h>
#include <string.h>

#include "crypto/fixed.h"

enum { QUICK_KEYS = 64, QUICK_MEMORY = 1 << 13 };

struct quick_dh {
	int suite; /* 0: free */
	uint8_t secret[MPP_DH_MAX], pub[MPP_DH_MAX], out[MPP_DH_MAX];
};

struct quick {
	mpp_crypto real;
	mpp_crypto_ops ops;
	uint64_t random;
	uint64_t keys; /* handed out */
	struct quick_dh dh[QUICK_MEMORY];
};

static struct quick quick;

static inline uint64_t quick_mix(uint64_t z)
{
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static inline void quick_fill(uint64_t from, uint8_t *out, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (i % 8 == 0)
			from += UINT64_C(0x9e3779b97f4a7c15);
		out[i] = (uint8_t)(quick_mix(from) >> (i % 8 * 8));
	}
}

static mpp_err quick_random(void *ctx, uint8_t *out, size_t len)
{
	(void)ctx;
	if (len == mpp_dh_len(MPP_SUITE_25519) ||
	    len == mpp_dh_len(MPP_SUITE_448)) {
		quick_fill(quick.keys++ % QUICK_KEYS << 32, out, len);
		return MPP_OK;
	}
	quick_fill(quick.random, out, len);
	quick.random += (len + 7) / 8 * UINT64_C(0x9e3779b97f4a7c15);
	return MPP_OK;
}

/* Where the answer for these is kept, or would be. */
static inline struct quick_dh *quick_at(int suite, const uint8_t *secret,
					const uint8_t *pub, bool *known)
{
	size_t len = mpp_dh_len(suite);
	uint64_t h = (uint64_t)suite;
	struct quick_dh *m;
	size_t i;

	for (i = 0; i < len; i++)
		h = (h ^ secret[i] ^ (uint64_t)pub[i] << 8) *
		    UINT64_C(0x100000001b3);
	m = &quick.dh[quick_mix(h) % QUICK_MEMORY];
	*known = m->suite == suite && memcmp(m->secret, secret, len) == 0 &&
		 memcmp(m->pub, pub, len) == 0;
	return m;
}

static inline void quick_keep(struct quick_dh *m, int suite,
			      const uint8_t *secret, const uint8_t *pub,
			      const uint8_t *out)
{
	size_t len = mpp_dh_len(suite);

	m->suite = suite;
	memcpy(m->secret, secret, len);
	memcpy(m->pub, pub, len);
	memcpy(m->out, out, len);
}

static mpp_err quick_dh(void *ctx, int suite, const uint8_t *secret,
			const uint8_t *pub, uint8_t *out)
{
	bool known = false;
	struct quick_dh *m = quick_at(suite, secret, pub, &known);
	mpp_err err = MPP_OK;

	if (known)
		memcpy(out, m->out, mpp_dh_len(suite));
	else
		err = quick.real.ops->dh(ctx, suite, secret, pub, out);
	if (err == MPP_OK && !known)
		quick_keep(m, suite, secret, pub, out);
	return err;
}

/* Kept as the product with a public key that nobody has: all zero. */
static mpp_err quick_public(void *ctx, int suite, const uint8_t *secret,
			    uint8_t *pub)
{
	static const uint8_t none[MPP_DH_MAX];
	bool known = false;
	struct quick_dh *m = quick_at(suite, secret, none, &known);
	mpp_err err = MPP_OK;

	if (known)
		memcpy(pub, m->out, mpp_dh_len(suite));
	else
		err = quick.real.ops->dh_public(ctx, suite, secret, pub);
	if (err == MPP_OK && !known)
		quick_keep(m, suite, secret, none, pub);
	return err;
}

/* From the beginning: the same program draws the same numbers. */
static inline mpp_crypto quick_crypto(void)
{
	if (quick.real.ops == NULL) {
		if (crypto_fixed_new(1, &quick.real) != MPP_OK)
			abort();
		quick.ops = *quick.real.ops;
		quick.ops.random = quick_random;
		quick.ops.dh = quick_dh;
		quick.ops.dh_public = quick_public;
	}
	quick.random = 1;
	quick.keys = 0;
	return (mpp_crypto){&quick.ops, quick.real.ctx};
}

#endif
