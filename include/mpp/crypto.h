/* SPDX-License-Identifier: MIT */
/** @file mpp/crypto.h  The cryptography that the core is given.
 *
 * The core calls no library: everything goes through one const table of
 * primitives. mpp_crypto_new() gives the one that programs use (OpenSSL, with
 * libsodium for SHA-512 and, where that is available, for AES-256-GCM; single
 * AES blocks by the processor where it can); tests use one whose randomness is
 * fixed.
 *
 * Threads: one mpp_crypto belongs to one thread at a time. */
#ifndef MPP_CRYPTO_H
#define MPP_CRYPTO_H

#include <mpp/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	MPP_SUITE_25519 = 1, /**< X25519, AES-256-GCM, SHA-512 */
	MPP_SUITE_448 = 2,   /**< X448, AES-256-GCM, SHA-512 */
	MPP_DH_MAX = 56,     /**< longest raw key (X448, RFC 7748) */
	MPP_HASH_LEN = 64,   /**< SHA-512 */
	MPP_KEY_LEN = 32,    /**< AES-256-GCM key */
	MPP_NONCE_LEN = 12,
	MPP_TAG_LEN = 16,
};

/** Every function returns MPP_OK, or MPP_ERR_CRYPTO when the library under
 * it failed, unless said otherwise. Inputs are borrowed. */
typedef struct mpp_crypto_ops {
	const char *name;      /**< for the status, such as "openssl" */
	const char *aead_name; /**< which library seals: "libsodium", "openssl" */

	/** Fill with random bytes. @retval MPP_ERR_RANDOM none: give up */
	mpp_err (*random)(void *ctx, uint8_t *out, size_t len);

	/** SHA-512 over the concatenation of n parts. */
	mpp_err (*sha512)(void *ctx, const mpp_bytes *parts, size_t n,
			  uint8_t out[64]);

	/** HMAC-SHA-512 (RFC 2104) over the concatenation of n parts. */
	mpp_err (*hmac)(void *ctx, mpp_bytes key, const mpp_bytes *parts,
			size_t n, uint8_t out[64]);

	/** Public key of a private key (RFC 7748); lengths are those of the
	 * suite (32 or 56). @retval MPP_ERR_UNSUPPORTED unknown suite */
	mpp_err (*dh_public)(void *ctx, int suite, const uint8_t *secret,
			     uint8_t *pub);

	/** Diffie-Hellman. @retval MPP_ERR_AUTH the result is all zero:
	 * drop what carried @p pub. @retval MPP_ERR_UNSUPPORTED suite */
	mpp_err (*dh)(void *ctx, int suite, const uint8_t *secret,
		      const uint8_t *pub, uint8_t *out);

	/** AES-256-GCM; out gets in.len + 16 bytes; out may be in.p. */
	mpp_err (*seal)(void *ctx, const uint8_t key[32],
			const uint8_t nonce[12], mpp_bytes ad, mpp_bytes in,
			uint8_t *out);

	/** AES-256-GCM; in ends with its tag; out gets in.len - 16 bytes; out
	 * may be in.p. @retval MPP_ERR_AUTH the tag is wrong (out is then
	 * undefined but never longer). @retval MPP_ERR_TRUNCATED under 16 */
	mpp_err (*open)(void *ctx, const uint8_t key[32],
			const uint8_t nonce[12], mpp_bytes ad, mpp_bytes in,
			uint8_t *out);

	/** One block of AES-128; in and out may be the same. */
	mpp_err (*aes_encrypt)(void *ctx, const uint8_t key[16],
			       const uint8_t in[16], uint8_t out[16]);
	mpp_err (*aes_decrypt)(void *ctx, const uint8_t key[16],
			       const uint8_t in[16], uint8_t out[16]);
} mpp_crypto_ops;

typedef struct mpp_crypto {
	const mpp_crypto_ops *ops;
	void *ctx;
} mpp_crypto;

/** Length of a raw key of a suite: 32 or 56; 0 for an unknown suite. */
static inline size_t mpp_dh_len(int suite)
{
	return suite == MPP_SUITE_25519 ? 32u
	       : suite == MPP_SUITE_448 ? 56u
					: 0u;
}

/** Make the programs' cryptography. Not part of the core (uses the heap).
 * @param[out] out  given; end with mpp_crypto_free()
 * @retval MPP_ERR_NOMEM, MPP_ERR_CRYPTO  the library cannot be used */
MPP_MUSTCHECK mpp_err mpp_crypto_new(mpp_crypto *out);

/** Wipe and free; harmless on a zeroed struct. */
void mpp_crypto_free(mpp_crypto *crypto);

#ifdef __cplusplus
}
#endif
#endif
