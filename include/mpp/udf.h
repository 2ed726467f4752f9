/* SPDX-License-Identifier: MIT */
/** @file mpp/udf.h  Uniform Data Fingerprints (draft-hallambaker-mesh-udf).
 *
 * Content digests with SHA-2-512 and their text form, as used for device ids
 * and service fingerprints: the digest of a key's SubjectPublicKeyInfo (RFC
 * 8410) with content type application/pkix-keyinfo. */
#ifndef MPP_UDF_H
#define MPP_UDF_H

#include <mpp/crypto.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	MPP_UDF_LEN = 65,        /**< type octet and 64 octets of digest */
	MPP_UDF_BITS = 140,      /**< usual precision of a device id */
	MPP_UDF_PIN_BITS = 260,  /**< precision of a pinned service key */
	MPP_UDF_TEXT_MAX = 136,  /**< longest text form, with NUL */
	MPP_UDF_KEY_ID_LEN = 16, /**< KeyId of the RUD handshake */
	MPP_SPKI_MAX = 68,
};

/** Binary content digest: type octet (96 plus the compression steps for
 * trailing zero bits) followed by H(content_type ":" H(data)).
 * @retval MPP_ERR_CRYPTO */
MPP_MUSTCHECK mpp_err mpp_udf_digest(const mpp_crypto *crypto,
				     const char *content_type, mpp_bytes data,
				     uint8_t out[MPP_UDF_LEN]);

/** SubjectPublicKeyInfo of a raw X25519 or X448 key (RFC 8410); out has room
 * for MPP_SPKI_MAX. @return its length, 0 for an unknown suite */
size_t mpp_spki(int suite, const uint8_t *raw, uint8_t *out);

/** UDF of a raw key: the digest of its SPKI with application/pkix-keyinfo.
 * @retval MPP_ERR_UNSUPPORTED unknown suite  @retval MPP_ERR_CRYPTO */
MPP_MUSTCHECK mpp_err mpp_udf_key(const mpp_crypto *crypto, int suite,
				  const uint8_t *raw, uint8_t out[MPP_UDF_LEN]);

/** KeyId = the first 16 octets of the digest inside a UDF. */
static inline const uint8_t *mpp_udf_key_id(const uint8_t udf[MPP_UDF_LEN])
{
	return udf + 1;
}

/** Base32 text in groups of four, `bits` rounded up to whole characters of 5
 * (20..520). @return length without the NUL, 0 when bits is out of range */
size_t mpp_udf_text(const uint8_t udf[MPP_UDF_LEN], unsigned bits,
		    char out[MPP_UDF_TEXT_MAX]);

/** Does a fingerprint in text form (any case; hyphens and spaces skipped)
 * name this UDF? Compared as a prefix of at least min_bits bits, in constant
 * time over its length.
 * @retval MPP_ERR_SYNTAX not Base32, or too long  @retval MPP_ERR_RANGE fewer
 * than min_bits  @retval MPP_ERR_AUTH another key */
MPP_MUSTCHECK mpp_err mpp_udf_match(const uint8_t udf[MPP_UDF_LEN],
				    mpp_bytes text, unsigned min_bits);

/** RFC 4648 Base32 without padding, upper case; out gets NUL.
 * @return length without NUL, 0 when cap is too small (or in is empty) */
size_t mpp_base32(mpp_bytes in, char *out, size_t cap);

/** The reverse: any case, hyphens and spaces skipped; left over bits must be
 * zero. Appends to out.
 * @retval MPP_ERR_SYNTAX  @retval MPP_ERR_NOSPACE  nothing was appended */
MPP_MUSTCHECK mpp_err mpp_base32_decode(mpp_bytes text, mpp_buf *out);

#ifdef __cplusplus
}
#endif
#endif
