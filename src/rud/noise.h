/* SPDX-License-Identifier: MIT */
/* noise.h - Noise handshakes of two messages (Noise Protocol Framework rev
 * 34) with DH by suite (25519 or 448), AESGCM and SHA512.
 *
 *   IK:                     NNpsk0:             IKpsk2:
 *     <- s                                        <- s
 *     ...                                         ...
 *     -> e, es, s, ss         -> psk, e           -> e, es, s, ss
 *     <- e, ee, se            <- e, ee            <- e, ee, se, psk
 *
 * Core: no heap, no I/O. A handshake is a value; copying it is how a caller
 * tries a message without spoiling the attempt. Wipe it at the end.
 *
 * Each step can be taken once, in the order of the picture and by the side
 * that it is for; otherwise it fails with STATE. A step that fails with
 * NOSPACE, TRUNCATED or INVALID has changed nothing and may be tried again;
 * after any other failure the handshake is spoiled and every step fails with
 * STATE. The lengths of outputs are as they were after every failure. */
#ifndef RUD_NOISE_H
#define RUD_NOISE_H

#include <mpp/crypto.h>

#include "rud/symmetric.h"

enum {
	NOISE_PROLOGUE_PARTS = SYMMETRIC_PARTS_MAX,
	NOISE_PSK_LEN = 32,
};

enum noise_pattern {
	NOISE_IK = 1,
	NOISE_NNPSK0 = 2,
	NOISE_IKPSK2 = 3,
};

struct noise {
	struct symmetric sym; /* sym.h ends as the handshake hash */
	uint8_t pattern;
	uint8_t suite;
	bool initiator;
	uint8_t step; /* what comes next; 0 is "spoiled" */
	uint8_t at;   /* tokens of a half read message that are done */
	uint8_t psk[NOISE_PSK_LEN];
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

/* What a handshake begins with; borrowed. A key that the pattern does not use
 * is NULL: */
struct noise_setup {
	enum noise_pattern pattern;
	int suite;
	bool initiator;
	const struct noise_static *s; /* both sides of IK and IKpsk2 */
	const uint8_t *rs;  /* their initiator: the responder's public key */
	const uint8_t *psk; /* both sides of NNpsk0 and IKpsk2 */
};

/* Start; every key is copied.
 * Errors: UNSUPPORTED (pattern or suite), INVALID (a key that the pattern
 * needs is NULL, or one that it does not use is not); hs is then untouched. */
MPP_MUSTCHECK mpp_err noise_init(struct noise *hs, const mpp_crypto *crypto,
				 const struct noise_setup *setup);
/* Mix the prologue in, the concatenation of n parts; call exactly once, right
 * after init, before the first message. (It also mixes what the pattern has
 * before the first message.)
 * Errors: INVALID (over NOISE_PROLOGUE_PARTS), STATE, CRYPTO. */
MPP_MUSTCHECK mpp_err noise_prologue(struct noise *hs, const mpp_bytes *parts,
				     size_t n);
/* Bytes that the next message adds to its payload; 0 when there is none. */
size_t noise_overhead(const struct noise *hs);

/* The side whose turn it is: the next message, with a fresh ephemeral by
 * random(). out gets noise_overhead() + payload.len bytes appended.
 * Errors: NOSPACE, STATE, CRYPTO, RANDOM, AUTH (zero DH result). */
MPP_MUSTCHECK mpp_err noise_write(struct noise *hs, mpp_bytes payload,
				  mpp_buf *out);
/* The other side: reads it. out gets msg.len - noise_overhead() bytes
 * appended.
 * Errors: TRUNCATED, NOSPACE, STATE, AUTH, CRYPTO. */
MPP_MUSTCHECK mpp_err noise_read(struct noise *hs, mpp_bytes msg, mpp_buf *out);
/* Or in two halves, where the message carries a static key. The first goes up
 * to and with that key: after MPP_OK hs->rs is what the writer says to be its
 * own, not yet proven. *rest is what is left, inside msg.
 * Errors: TRUNCATED, STATE, AUTH, CRYPTO. */
MPP_MUSTCHECK mpp_err noise_read_static(struct noise *hs, mpp_bytes msg,
					mpp_bytes *rest);
/* The second half. Errors as noise_read(). */
MPP_MUSTCHECK mpp_err noise_read_payload(struct noise *hs, mpp_bytes rest,
					 mpp_buf *out);

/* The two keys after the handshake: to_responder is what the initiator sends
 * with. Errors: STATE, CRYPTO. */
MPP_MUSTCHECK mpp_err noise_split(struct noise *hs, uint8_t to_responder[32],
				  uint8_t to_initiator[32]);

/* Forget everything, secrets first of all; every step then fails with STATE.
 * Harmless on a zeroed struct. */
void noise_wipe(struct noise *hs);

/* --- IK by the names of its messages --- */

struct noise_ik {
	struct noise noise;
	uint8_t rs[MPP_DH_MAX]; /* the other side's static public key */
};

/* rs: the responder's static public key for the initiator; NULL for the
 * responder. Errors: UNSUPPORTED (suite). */
MPP_MUSTCHECK mpp_err noise_ik_init(struct noise_ik *hs,
				    const mpp_crypto *crypto, int suite,
				    const struct noise_static *s,
				    const uint8_t *rs);
/* As noise_prologue(). */
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

/* Initiator: -> e, es, s, ss, payload. As noise_write(). */
MPP_MUSTCHECK mpp_err noise_ik_write1(struct noise_ik *hs, mpp_bytes payload,
				      mpp_buf *out);

/* Responder, first half: e, es, s. One Diffie-Hellman. After MPP_OK hs->rs is
 * the initiator's static key, not yet proven. As noise_read_static(). */
MPP_MUSTCHECK mpp_err noise_ik_read1_static(struct noise_ik *hs, mpp_bytes msg,
					    mpp_bytes *rest);
/* Responder, second half: ss, payload. As noise_read_payload(). */
MPP_MUSTCHECK mpp_err noise_ik_read1_payload(struct noise_ik *hs,
					     mpp_bytes rest, mpp_buf *out);

/* Responder: <- e, ee, se, payload. As noise_write(). */
MPP_MUSTCHECK mpp_err noise_ik_write2(struct noise_ik *hs, mpp_bytes payload,
				      mpp_buf *out);
/* Initiator: reads it. As noise_read(). */
MPP_MUSTCHECK mpp_err noise_ik_read2(struct noise_ik *hs, mpp_bytes msg,
				     mpp_buf *out);

/* As noise_split(). */
MPP_MUSTCHECK mpp_err noise_ik_split(struct noise_ik *hs,
				     uint8_t to_responder[32],
				     uint8_t to_initiator[32]);

/* As noise_wipe(). */
void noise_ik_wipe(struct noise_ik *hs);

/* HKDF-Expand (RFC 5869, SHA-512) of at most 64 bytes; label is an ASCII
 * string whose terminator is not used.
 * Errors: INVALID (len), CRYPTO; out is then untouched. */
MPP_MUSTCHECK mpp_err hkdf_expand(const mpp_crypto *crypto, mpp_bytes prk,
				  const char *label, uint8_t *out, size_t len);

#endif
