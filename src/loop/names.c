/* SPDX-License-Identifier: MIT */
/* names.c - account names and fingerprints. Contract: names.h. */
#include "loop/names.h"

#include <string.h>

#include <mpp/rud.h>
#include <mpp/udf.h>

#include "jsonbcd/utf8.h"

enum {
	BASE32_BITS = 5,
	DIGEST_BITS = MPP_UDF_LEN * 8,
};

const char *loop_account_wrong(mpp_bytes account)
{
	struct utf8 u = {0, 0, 0};
	size_t i;

	if (account.len == 0)
		return "the account is missing";
	if (account.len > MPP_ACCOUNT_MAX)
		return "the account has more than 255 octets";
	for (i = 0; i < account.len; i++) {
		if (account.p[i] < 0x20 || account.p[i] == 0x7f)
			return "the account holds a control character";
		if (!utf8_feed(&u, account.p[i]))
			return "the account is not UTF-8";
	}
	return u.more == 0 ? NULL : "the account is not UTF-8";
}

static bool is_base32(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '2' && c <= '7');
}

/* Gives the number of bits when nothing is wrong but, perhaps, that. */
static const char *digits_wrong(mpp_bytes pin, unsigned *bits)
{
	size_t i;

	*bits = 0;
	/* The type octets 96.. of content digests with SHA-2-512 begin so. */
	if (pin.len == 0 || (pin.p[0] != 'M' && pin.p[0] != 'm'))
		return "the fingerprint does not begin with M";
	if (pin.len >= MPP_UDF_TEXT_MAX)
		return "the fingerprint is too long";
	for (i = 0; i < pin.len; i++) {
		if (is_base32(pin.p[i]))
			*bits += BASE32_BITS;
		else if (pin.p[i] != '-')
			return "the fingerprint is not Base32";
	}
	return *bits <= DIGEST_BITS ? NULL : "the fingerprint is too long";
}

const char *loop_pin_wrong(mpp_bytes pin)
{
	unsigned bits;
	const char *wrong = digits_wrong(pin, &bits);

	if (wrong == NULL && bits < MPP_UDF_PIN_BITS)
		return "the fingerprint is cut short (less than 260 bits)";
	return wrong;
}

const char *loop_fingerprint_wrong(mpp_bytes pin)
{
	unsigned bits;
	const char *wrong = digits_wrong(pin, &bits);

	if (wrong == NULL && bits < MPP_UDF_BITS)
		return "the fingerprint is cut short (less than 140 bits)";
	return wrong;
}

/* Length of the printable character at the head, 0 when it is none. C1
 * controls (U+0080..U+009F) steer terminals too. */
static size_t printable_len(const uint8_t *p, size_t left)
{
	struct utf8 u = {0, 0, 0};
	size_t n = 0;

	if (p[0] < 0x20 || p[0] == 0x7f)
		return 0;
	do {
		if (n == left || !utf8_feed(&u, p[n++]))
			return 0;
	} while (u.more > 0);
	return n == 2 && p[0] == 0xc2 && p[1] < 0xa0 ? 0 : n;
}

void loop_printable(mpp_bytes text, char *out, size_t cap)
{
	size_t at = 0, used = 0, n;

	while (at < text.len) {
		n = printable_len(text.p + at, text.len - at);
		if (used + (n == 0 ? 1 : n) >= cap)
			break;
		if (n == 0)
			out[used++] = '?';
		else
			memcpy(out + used, text.p + at, n);
		used += n;
		at += n == 0 ? 1 : n;
	}
	out[used] = '\0';
}
