/* SPDX-License-Identifier: MIT */
/* faulty.h - the real primitives, of which the n-th call fails. */
#ifndef UNIT_RUD_FAULTY_H
#define UNIT_RUD_FAULTY_H

#include <mpp/crypto.h>

struct faulty {
	mpp_crypto real;
	unsigned fail_in; /* from now; 0: none */
};

static inline bool fails(struct faulty *f)
{
	return f->fail_in != 0 && --f->fail_in == 0;
}

static inline mpp_err f_random(void *ctx, uint8_t *out, size_t len)
{
	struct faulty *f = ctx;

	return fails(f) ? MPP_ERR_RANDOM
			: f->real.ops->random(f->real.ctx, out, len);
}

static inline mpp_err f_sha512(void *ctx, const mpp_bytes *parts, size_t n,
			       uint8_t out[64])
{
	struct faulty *f = ctx;

	return fails(f) ? MPP_ERR_CRYPTO
			: f->real.ops->sha512(f->real.ctx, parts, n, out);
}

static inline mpp_err f_hmac(void *ctx, mpp_bytes key, const mpp_bytes *parts,
			     size_t n, uint8_t out[64])
{
	struct faulty *f = ctx;

	return fails(f) ? MPP_ERR_CRYPTO
			: f->real.ops->hmac(f->real.ctx, key, parts, n, out);
}

static inline mpp_err f_dh_public(void *ctx, int suite, const uint8_t *secret,
				  uint8_t *pub)
{
	struct faulty *f = ctx;

	return fails(f) ? MPP_ERR_CRYPTO
			: f->real.ops->dh_public(f->real.ctx, suite, secret,
						 pub);
}

static inline mpp_err f_dh(void *ctx, int suite, const uint8_t *secret,
			   const uint8_t *pub, uint8_t *out)
{
	struct faulty *f = ctx;

	return fails(f) ? MPP_ERR_CRYPTO
			: f->real.ops->dh(f->real.ctx, suite, secret, pub, out);
}

static inline mpp_err f_seal(void *ctx, const uint8_t key[32],
			     const uint8_t nonce[12], mpp_bytes ad,
			     mpp_bytes in, uint8_t *out)
{
	struct faulty *f = ctx;

	return fails(f) ? MPP_ERR_CRYPTO
			: f->real.ops->seal(f->real.ctx, key, nonce, ad, in,
					    out);
}

static inline mpp_err f_open(void *ctx, const uint8_t key[32],
			     const uint8_t nonce[12], mpp_bytes ad,
			     mpp_bytes in, uint8_t *out)
{
	struct faulty *f = ctx;

	return fails(f) ? MPP_ERR_CRYPTO
			: f->real.ops->open(f->real.ctx, key, nonce, ad, in,
					    out);
}

static inline mpp_err f_aes_encrypt(void *ctx, const uint8_t key[16],
				    const uint8_t in[16], uint8_t out[16])
{
	struct faulty *f = ctx;

	return fails(f) ? MPP_ERR_CRYPTO
			: f->real.ops->aes_encrypt(f->real.ctx, key, in, out);
}

static inline mpp_err f_aes_decrypt(void *ctx, const uint8_t key[16],
				    const uint8_t in[16], uint8_t out[16])
{
	struct faulty *f = ctx;

	return fails(f) ? MPP_ERR_CRYPTO
			: f->real.ops->aes_decrypt(f->real.ctx, key, in, out);
}

static const mpp_crypto_ops faulty_ops = {
	.name = "faulty",
	.random = f_random,
	.sha512 = f_sha512,
	.hmac = f_hmac,
	.dh_public = f_dh_public,
	.dh = f_dh,
	.seal = f_seal,
	.open = f_open,
	.aes_encrypt = f_aes_encrypt,
	.aes_decrypt = f_aes_decrypt,
};

#endif
