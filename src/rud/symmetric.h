/* SPDX-License-Identifier: MIT */
/* symmetric.h - the symmetric half of a Noise handshake: section 5 of the
 * Noise Protocol Framework rev 34, with AESGCM and SHA512. In the patterns
 * that are built nothing is encrypted before the first MixKey(), so the state
 * without a key that section 5 provides for does not occur. */
#ifndef RUD_SYMMETRIC_H
#define RUD_SYMMETRIC_H

#include <mpp/crypto.h>

enum { SYMMETRIC_PARTS_MAX = 7 };

struct symmetric {
	const mpp_crypto *crypto; /* lent */
	uint64_t n;               /* nonce counter of k */
	uint8_t h[MPP_HASH_LEN];
	uint8_t ck[MPP_HASH_LEN];
	uint8_t k[MPP_KEY_LEN];
};

/* InitializeSymmetric(name) for names of at most MPP_HASH_LEN octets. */
void symmetric_init(struct symmetric *s, const mpp_crypto *crypto,
		    mpp_bytes name);

/* MixHash() of the concatenation of n parts, at most SYMMETRIC_PARTS_MAX.
 * Here and below the error is CRYPTO; what failed cannot be gone on with. */
MPP_MUSTCHECK mpp_err symmetric_mix_hash(struct symmetric *s,
					 const mpp_bytes *parts, size_t n);
/* MixKey(ikm). */
MPP_MUSTCHECK mpp_err symmetric_mix_key(struct symmetric *s, mpp_bytes ikm);
/* MixKeyAndHash(ikm). */
MPP_MUSTCHECK mpp_err symmetric_mix_key_and_hash(struct symmetric *s,
						 mpp_bytes ikm);
/* EncryptAndHash(in): out gets in.len + 16 bytes; out may be in.p. */
MPP_MUSTCHECK mpp_err symmetric_encrypt(struct symmetric *s, mpp_bytes in,
					uint8_t *out);
/* DecryptAndHash(in): out gets in.len - 16 bytes; out may be in.p.
 * Errors: AUTH, CRYPTO. */
MPP_MUSTCHECK mpp_err symmetric_decrypt(struct symmetric *s, mpp_bytes in,
					uint8_t *out);
/* Split(): both keys lose what is beyond 32 bytes. */
MPP_MUSTCHECK mpp_err symmetric_split(struct symmetric *s, uint8_t k1[32],
				      uint8_t k2[32]);

#endif
