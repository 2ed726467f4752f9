/* SPDX-License-Identifier: MIT */
/* noise.h - the Noise IK handshake (Noise Protocol Framework rev 34) with
 * DH by suite (25519 or 448), AESGCM and SHA512.
 *
 *   IK:
 *     <- s
 *     ...
 *     -> e, es, s, ss
 *     <- e, ee, se
 *
 * Core: no heap, no I/O. A noise_ik is a value; copying it is how a caller
 * tries a message without spoiling the attempt. Wipe with noise_ik_wipe().
 *
 * Each step can be taken once, in the order of the picture and by the side
 * that it is for; otherwise it fails with STATE. A step that fails with
 * NOSPACE, TRUNCATED or INVALID has changed nothing and may be tried again;
 * after any other failure the noise_ik is spoiled and every step fails with
 * STATE. The lengths of outputs are as they were after every failure. */
#ifndef RUD_NOISE_H
#define RUD_NOISE_H

#include <mpp/crypto.h>

enum { NOISE_PROLOGUE_PARTS = 7 };

struct noise_ik {
	const mpp_crypto *crypto; /* lent */
	uint64_t n;               /* nonce counter of k */
	uint8_t suite;
	bool initiator;
	uint8_t step; /* what comes next; 0 is "spoiled" */
	uint8_t h[64];
	uint8_t ck[64];
	uint8_t k[32];
	uint8_t s[MPP_DH_MAX]; /* own static private key */
	uint8_t s_pub[MPP_DH_MAX];
	uint8_t e[MPP_DH_MAX]; /* own ephemeral private key */
	uint8_t e_pub[MPP_DH_MAX];
	uint8_t rs[MPP_DH_MAX]; /* remote static public key */
	uint8_t re[MPP_DH_MAX]; /* remote ephemeral public key */
};

struct noise_static {
	uint8_t secret[MPP_DH_MAX];
	uint8_t pub[MPP_DH_MAX];
};

/* Start. s: copied. rs: the responder's static public key, copied, for the
 * initiator; NULL for the responder.
 * Errors: UNSUPPORTED (suite). */
MPP_MUSTCHECK mpp_err noise_ik_init(struct noise_ik *hs,
				    const mpp_crypto *crypto, int suite,
				    const struct noise_static *s,
				    const uint8_t *rs);
/* Mix the prologue in, the concatenation of n parts; call exactly once, right
 * after init, before the first message. (It also mixes the responder's static
 * key: the pre-message.)
 * Errors: INVALID (over NOISE_PROLOGUE_PARTS), STATE, CRYPTO. */
MPP_MUSTCHECK mpp_err noise_ik_prologue(struct noise_ik *hs,
					const mpp_bytes *parts, size_t n);

/* Bytes a message adds to its payload. */
static inline size_t noise_ik_overhead1(int suite)
{
	return 2 * mpp_dh_len(suite) + 2 * MPP_TAG_LEN;
}
static inline size_t noise_ik_overhead2(int suite)
{
	return mpp_dh_len(suite) + MPP_TAG_LEN;
}

/* Initiator: -> e, es, s, ss, payload. Makes a fresh ephemeral by random().
 * out gets noise_ik_overhead1() + payload.len bytes appended.
 * Errors: NOSPACE, STATE, CRYPTO, RANDOM, AUTH (zero DH result). */
MPP_MUSTCHECK mpp_err noise_ik_write1(struct noise_ik *hs, mpp_bytes payload,
				      mpp_buf *out);

/* Responder, first half: e, es, s. One Diffie-Hellman. After MPP_OK hs->rs is
 * the initiator's static key, not yet proven. *rest is the sealed payload,
 * inside msg.
 * Errors: TRUNCATED, STATE, AUTH, CRYPTO. */
MPP_MUSTCHECK mpp_err noise_ik_read1_static(struct noise_ik *hs, mpp_bytes msg,
					    mpp_bytes *rest);
/* Responder, second half: ss, payload. out gets rest.len - 16 bytes appended.
 * Errors: TRUNCATED, NOSPACE, STATE, AUTH, CRYPTO. */
MPP_MUSTCHECK mpp_err noise_ik_read1_payload(struct noise_ik *hs,
					     mpp_bytes rest, mpp_buf *out);

/* Responder: <- e, ee, se, payload. Errors as noise_ik_write1(). */
MPP_MUSTCHECK mpp_err noise_ik_write2(struct noise_ik *hs, mpp_bytes payload,
				      mpp_buf *out);
/* Initiator: reads it. out gets msg.len - noise_ik_overhead2() bytes appended.
 * Errors: TRUNCATED, NOSPACE, STATE, AUTH, CRYPTO. */
MPP_MUSTCHECK mpp_err noise_ik_read2(struct noise_ik *hs, mpp_bytes msg,
				     mpp_buf *out);

/* The two keys after the handshake: to_responder is what the initiator sends
 * with. hs->h is the handshake hash. Errors: STATE, CRYPTO. */
MPP_MUSTCHECK mpp_err noise_ik_split(struct noise_ik *hs,
				     uint8_t to_responder[32],
				     uint8_t to_initiator[32]);

/* Forget everything, secrets first of all; every step then fails with STATE.
 * Harmless on a zeroed struct. */
void noise_ik_wipe(struct noise_ik *hs);

/* HKDF-Expand (RFC 5869, SHA-512) of at most 64 bytes; label is an ASCII
 * string whose terminator is not used.
 * Errors: INVALID (len), CRYPTO; out is then untouched. */
MPP_MUSTCHECK mpp_err hkdf_expand(const mpp_crypto *crypto, mpp_bytes prk,
				  const char *label, uint8_t *out, size_t len);

#endif
