/* SPDX-License-Identifier: MIT */
/* base64.c - base64url. Contract: base64.h. */
#include "jsonbcd/base64.h"

enum { NO_DIGIT = 64 };

static uint8_t digit_value(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return (uint8_t)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (uint8_t)(c - 'a' + 26);
	if (c >= '0' && c <= '9')
		return (uint8_t)(c - '0' + 52);
	return c == '-' ? 62 : c == '_' ? 63 : NO_DIGIT;
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool base64_feed(struct base64 *d, uint8_t c)
{
	const uint8_t v = digit_value(c);

	if (is_space(c))
		return true;
	d->padded = d->padded || c == '=';
	if (v == NO_DIGIT || d->padded)
		return c == '=';
	d->acc = d->acc << 6 | v;
	d->held = (uint8_t)(d->held + 6);
	if (d->held < 8)
		return true;
	d->held = (uint8_t)(d->held - 8);
	if (d->out != NULL)
		d->out[d->n] = (uint8_t)(d->acc >> d->held);
	d->n++;
	d->acc &= (1u << d->held) - 1;
	return true;
}

bool base64_done(const struct base64 *d)
{
	return d->held != 6 && d->acc == 0;
}

size_t base64_group(char out[4], const uint8_t *in, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz"
				     "0123456789-_";
	uint32_t v = 0;
	size_t i;

	for (i = 0; i < 3; i++)
		v = v << 8 | (i < n ? in[i] : 0u);
	for (i = 0; i <= n; i++)
		out[i] = digits[v >> (18 - 6 * i) & 63];
	return n + 1;
}
