/* SPDX-License-Identifier: MIT */
/* openssl.h - the context behind mpp_crypto_new(), for those who must choose
 * the library that seals (tests) or put their own fields behind the context
 * (the deterministic twin). */
#ifndef CRYPTO_OPENSSL_H
#define CRYPTO_OPENSSL_H

#include <openssl/evp.h>

#include <mpp/crypto.h>

#include "crypto/pool.h"

/* Everything is fetched once, so that a packet allocates nothing. */
struct openssl {
	size_t size;          /* of the allocation this is at the head of */
	EVP_CIPHER_CTX *gcm;  /* AES-256-GCM, both directions */
	bool aesni;           /* blocks without OpenSSL */
	EVP_CIPHER_CTX *enc;  /* AES-128 block, encrypting */
	EVP_CIPHER_CTX *dec;  /* AES-128 block, decrypting */
	EVP_PKEY_CTX *x25519; /* makes keys from raw bytes */
	EVP_PKEY_CTX *x448;
	struct pool pool;
};

/* With libsodium sealing, or OpenSSL.
 * @param out given; end with mpp_crypto_free()
 * Errors: UNSUPPORTED (libsodium cannot seal on this processor), NOMEM,
 * CRYPTO. */
MPP_MUSTCHECK mpp_err crypto_openssl_new(bool use_sodium, mpp_crypto *out);

/* The same with room behind the context: out->ctx points to size zeroed
 * bytes, whose head is a struct openssl. mpp_crypto_free() wipes them all. */
MPP_MUSTCHECK mpp_err crypto_openssl_sized(size_t size, bool use_sodium,
					   mpp_crypto *out);

#endif
