/* SPDX-License-Identifier: MIT */
/* base32.c - Base32 of RFC 4648 without padding. Contract: mpp/udf.h. */
#include "udf/base32.h"

#include <mpp/udf.h>

/* Eight digits for five octets; 2, 4, 5, 7 for 1 to 4 that remain. */
static size_t encoded_length(size_t octets)
{
	return octets / 5 * 8 + (octets % 5 * 8 + 4) / 5;
}

size_t mpp_base32(mpp_bytes in, char *out, size_t cap)
{
	uint32_t acc = 0;
	unsigned held = 0;
	size_t n = 0;
	size_t i;

	if (in.len == 0 || in.len >= cap || encoded_length(in.len) >= cap)
		return 0;
	for (i = 0; i < in.len; i++) {
		acc = acc << 8 | in.p[i];
		for (held += 8; held >= 5; held -= 5)
			out[n++] = base32_digit(acc >> (held - 5));
	}
	if (held > 0)
		out[n++] = base32_digit(acc << (5 - held));
	out[n] = '\0';
	return n;
}

/* Decoding state: bits that do not make an octet yet. */
struct decode {
	uint8_t *out; /* NULL: count only */
	size_t n;
	uint32_t acc;
	unsigned held;
};

static bool feed(struct decode *d, uint8_t c)
{
	const uint8_t v = base32_value(c);

	if (v == BASE32_NO_DIGIT)
		return base32_is_gap(c);
	d->acc = d->acc << 5 | v;
	d->held += 5;
	if (d->held < 8)
		return true;
	d->held -= 8;
	if (d->out != NULL)
		d->out[d->n] = (uint8_t)(d->acc >> d->held);
	d->n++;
	d->acc &= (1u << d->held) - 1;
	return true;
}

/* Decode to out, or count when it is NULL; false when not Base32. Five bits
 * or more left over would be a digit that says nothing. */
static bool decode(mpp_bytes text, uint8_t *out, size_t *n)
{
	struct decode d = {.out = out};
	size_t i;

	for (i = 0; i < text.len; i++) {
		if (!feed(&d, text.p[i]))
			return false;
	}
	*n = d.n;
	return d.held < 5 && d.acc == 0;
}

mpp_err mpp_base32_decode(mpp_bytes text, mpp_buf *out)
{
	size_t n;

	if (!decode(text, NULL, &n))
		return MPP_ERR_SYNTAX;
	if (out->cap - out->len < n)
		return MPP_ERR_NOSPACE;
	if (n != 0)
		(void)decode(text, out->p + out->len, &n);
	out->len += n;
	return MPP_OK;
}
