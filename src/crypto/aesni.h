/* SPDX-License-Identifier: MIT */
/* aesni.h - one block of AES-128 (FIPS 197) with the processor's own
 * instructions. A data packet needs three such blocks, each under a key that
 * was not used just before, and OpenSSL takes ten times as long to be given a
 * key as the block takes. Constant time; nothing of the key stays behind. */
#ifndef CRYPTO_AESNI_H
#define CRYPTO_AESNI_H

#include <mpp/base.h>

/* Does this processor have them? Without them the functions below must not be
 * called. Ask after sodium_init(). */
bool aesni_available(void);

/* in and out may be the same. */
void aesni_encrypt(const uint8_t key[16], const uint8_t in[16],
		   uint8_t out[16]);
void aesni_decrypt(const uint8_t key[16], const uint8_t in[16],
		   uint8_t out[16]);

#endif
