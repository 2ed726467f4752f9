/* SPDX-License-Identifier: MIT */
/* fixed.c - cryptography whose randomness is known. Contract: crypto/fixed.h.
 *
 * The seed's bytes are SHA-512(seed || 0), SHA-512(seed || 1), ... with both
 * numbers as 8 octets in network order: one stream, however it is cut. */
#include "crypto/fixed.h"

#include "base/mem.h"
#include "base/wr.h"
#include "crypto/openssl.h"

struct fixed {
	struct openssl real; /* first: the real functions are given this */
	mpp_crypto_ops ops;  /* the real ones but for random() */
	mpp_crypto crypto;   /* the real ones */
	mpp_bytes script;
	uint64_t seed;
	uint64_t blocks; /* made so far */
	size_t left;     /* of block, at its end */
	uint8_t block[MPP_HASH_LEN];
};

static mpp_err next_block(struct fixed *f)
{
	uint8_t in[16];
	struct wr w = wr_init(in, sizeof(in));
	mpp_bytes part = {in, sizeof(in)};
	mpp_err err;

	wr_u64(&w, f->seed);
	wr_u64(&w, f->blocks);
	err = f->crypto.ops->sha512(f->crypto.ctx, &part, 1, f->block);
	if (err != MPP_OK)
		return err;
	f->blocks++;
	f->left = sizeof(f->block);
	return MPP_OK;
}

static size_t take(uint8_t *out, size_t len, const uint8_t *from, size_t left)
{
	size_t n = len < left ? len : left;

	if (n != 0)
		memcpy(out, from, n);
	return n;
}

static mpp_err fixed_random(void *ctx, uint8_t *out, size_t len)
{
	struct fixed *f = ctx;
	size_t done = take(out, len, f->script.p, f->script.len);
	size_t n;

	if (done != 0)
		f->script.p += done;
	f->script.len -= done;
	for (; done < len; done += n) {
		if (f->left == 0 && next_block(f) != MPP_OK)
			return MPP_ERR_RANDOM;
		n = take(out + done, len - done,
			 f->block + sizeof(f->block) - f->left, f->left);
		f->left -= n;
	}
	return MPP_OK;
}

mpp_err crypto_fixed_new(uint64_t seed, mpp_crypto *out)
{
	mpp_crypto real;
	struct fixed *f;
	mpp_err err;

	err = crypto_openssl_sized(sizeof(*f), true, &real);
	if (err == MPP_ERR_UNSUPPORTED)
		err = crypto_openssl_sized(sizeof(*f), false, &real);
	if (err != MPP_OK)
		return err;
	f = real.ctx;
	f->crypto = real;
	f->ops = *real.ops;
	f->ops.random = fixed_random;
	f->seed = seed;
	*out = (mpp_crypto){&f->ops, f};
	return MPP_OK;
}

void crypto_fixed_script(mpp_crypto *crypto, mpp_bytes script)
{
	struct fixed *f = crypto->ctx;

	f->script = script;
}
