/* SPDX-License-Identifier: MIT */
/* fixed.h - the deterministic twin of mpp_crypto_new(): the same real
 * primitives, but randomness from a seed, or first from a script of bytes
 * (for published vectors with fixed ephemeral keys). Tests only. */
#ifndef CRYPTO_FIXED_H
#define CRYPTO_FIXED_H

#include <mpp/crypto.h>

/* @param out given; end with mpp_crypto_free() */
MPP_MUSTCHECK mpp_err crypto_fixed_new(uint64_t seed, mpp_crypto *out);

/* The next bytes that random() returns; when used up, the seed goes on.
 * @param script lent until used up or replaced */
void crypto_fixed_script(mpp_crypto *crypto, mpp_bytes script);

#endif
