/* SPDX-License-Identifier: MIT */
/* digest.c - content digests and their text. Contract: mpp/udf.h. */
#include <string.h>

#include <mpp/udf.h>

#include "udf/base32.h"

enum {
	TYPE_SHA2 = 96, /* letter M */
	DIGIT_BITS = 5,
	GROUP = 4, /* digits between hyphens */
	BITS_MIN = 20,
	BITS_MAX = 8 * MPP_UDF_LEN,
	DIGITS_MAX = BITS_MAX / DIGIT_BITS,
	SPKI_HEAD = 12,
};

static mpp_bytes bytes_of(const char *s)
{
	const char *end = s;

	while (*end != '\0')
		end++;
	return (mpp_bytes){(const uint8_t *)s, (size_t)(end - s)};
}

static unsigned trailing_zero_bits(const uint8_t digest[MPP_HASH_LEN])
{
	unsigned n = 0;

	while (n < 8 * MPP_HASH_LEN &&
	       (digest[MPP_HASH_LEN - 1 - n / 8] >> n % 8 & 1) == 0)
		n++;
	return n;
}

/* Steps at 20, 30, 40 and 50 zero bits. The digest itself keeps its zeros: so
 * the published vectors have it, whatever the draft says of leaving out. */
static uint8_t type_of(const uint8_t digest[MPP_HASH_LEN])
{
	const unsigned zeros = trailing_zero_bits(digest);

	if (zeros < 20)
		return TYPE_SHA2;
	return (uint8_t)(TYPE_SHA2 + (zeros >= 50 ? 4 : zeros / 10 - 1));
}

mpp_err mpp_udf_digest(const mpp_crypto *crypto, const char *content_type,
		       mpp_bytes data, uint8_t out[MPP_UDF_LEN])
{
	uint8_t inner[MPP_HASH_LEN];
	uint8_t outer[MPP_HASH_LEN];
	const mpp_bytes parts[] = {
		bytes_of(content_type),
		{(const uint8_t *)":", 1},
		{inner, sizeof(inner)},
	};
	mpp_err err;

	err = crypto->ops->sha512(crypto->ctx, &data, 1, inner);
	if (err != MPP_OK)
		return err;
	err = crypto->ops->sha512(crypto->ctx, parts, 3, outer);
	if (err != MPP_OK)
		return err;
	out[0] = type_of(outer);
	memcpy(out + 1, outer, sizeof(outer));
	return MPP_OK;
}

/* RFC 8410 section 4: SEQUENCE { SEQUENCE { OID }, BIT STRING } up to the
 * key's first octet. */
static const uint8_t *spki_head(int suite)
{
	static const uint8_t x25519[SPKI_HEAD] = {
		0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
		0x2b, 0x65, 0x6e, 0x03, 0x21, 0x00,
	};
	static const uint8_t x448[SPKI_HEAD] = {
		0x30, 0x42, 0x30, 0x05, 0x06, 0x03,
		0x2b, 0x65, 0x6f, 0x03, 0x39, 0x00,
	};

	return suite == MPP_SUITE_25519 ? x25519 : x448;
}

size_t mpp_spki(int suite, const uint8_t *raw, uint8_t *out)
{
	const size_t len = mpp_dh_len(suite);

	if (len == 0)
		return 0;
	memcpy(out, spki_head(suite), SPKI_HEAD);
	memcpy(out + SPKI_HEAD, raw, len);
	return SPKI_HEAD + len;
}

mpp_err mpp_udf_key(const mpp_crypto *crypto, int suite, const uint8_t *raw,
		    uint8_t out[MPP_UDF_LEN])
{
	uint8_t spki[MPP_SPKI_MAX];
	const size_t len = mpp_spki(suite, raw, spki);

	if (len == 0)
		return MPP_ERR_UNSUPPORTED;
	return mpp_udf_digest(crypto, "application/pkix-keyinfo",
			      (mpp_bytes){spki, len}, out);
}

/* The value of digit i of the whole text form. */
static unsigned digit_of(const uint8_t udf[MPP_UDF_LEN], size_t i)
{
	const size_t bit = i * DIGIT_BITS;
	const unsigned high = udf[bit / 8];
	const unsigned low = bit / 8 + 1 < MPP_UDF_LEN ? udf[bit / 8 + 1] : 0;

	return (high << 8 | low) >> (16 - DIGIT_BITS - bit % 8) & 31;
}

size_t mpp_udf_text(const uint8_t udf[MPP_UDF_LEN], unsigned bits,
		    char out[MPP_UDF_TEXT_MAX])
{
	size_t digits;
	size_t n = 0;
	size_t i;

	if (bits < BITS_MIN || bits > BITS_MAX)
		return 0;
	digits = (bits + DIGIT_BITS - 1) / DIGIT_BITS;
	for (i = 0; i < digits; i++) {
		if (i > 0 && i % GROUP == 0)
			out[n++] = '-';
		out[n++] = base32_digit(digit_of(udf, i));
	}
	out[n] = '\0';
	return n;
}

/* The digits of a text; false when it has others or too many. */
static bool parse_digits(mpp_bytes text, uint8_t digits[DIGITS_MAX],
			 size_t *count)
{
	size_t n = 0;
	size_t i;
	uint8_t v;

	for (i = 0; i < text.len; i++) {
		v = base32_value(text.p[i]);
		if (v == BASE32_NO_DIGIT && base32_is_gap(text.p[i]))
			continue;
		if (v == BASE32_NO_DIGIT || n == DIGITS_MAX)
			return false;
		digits[n++] = v;
	}
	*count = n;
	return n > 0;
}

mpp_err mpp_udf_match(const uint8_t udf[MPP_UDF_LEN], mpp_bytes text,
		      unsigned min_bits)
{
	uint8_t digits[DIGITS_MAX];
	unsigned diff = 0;
	size_t n;
	size_t i;

	if (!parse_digits(text, digits, &n))
		return MPP_ERR_SYNTAX;
	if (n * DIGIT_BITS < min_bits)
		return MPP_ERR_RANGE;
	for (i = 0; i < n; i++)
		diff |= digits[i] ^ digit_of(udf, i);
	return diff == 0 ? MPP_OK : MPP_ERR_AUTH;
}
