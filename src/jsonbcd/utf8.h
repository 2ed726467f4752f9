/* SPDX-License-Identifier: MIT */
/* utf8.h - UTF-8 checked octet by octet (RFC 3629 section 4), so that a
 * character may be split between chunks. Zero is the start. */
#ifndef JSONBCD_UTF8_H
#define JSONBCD_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct utf8 {
	uint8_t more; /* continuation octets to come; 0 is between characters */
	uint8_t low;  /* the next one is low..high */
	uint8_t high;
};

static inline bool utf8_continue(struct utf8 *u, uint8_t c)
{
	if (c < u->low || c > u->high)
		return false;
	u->more--;
	u->low = 0x80;
	u->high = 0xbf;
	return true;
}

/* One octet more. The ranges of the second octet keep out overlong forms (E0,
 * F0), surrogates (ED) and what is beyond 10FFFF (F4). */
static inline bool utf8_feed(struct utf8 *u, uint8_t c)
{
	if (u->more > 0)
		return utf8_continue(u, c);
	if (c < 0x80)
		return true;
	if (c < 0xc2 || c > 0xf4)
		return false;
	u->more = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
	u->low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	u->high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	return true;
}

/* Write a code point up to 10FFFF; return its length, 1 to 4. */
static inline size_t utf8_put(uint8_t out[4], uint32_t point)
{
	size_t n = point < 0x80      ? 1
		   : point < 0x800   ? 2
		   : point < 0x10000 ? 3
				     : 4;
	size_t i;

	for (i = n; i-- > 1; point >>= 6)
		out[i] = (uint8_t)(0x80 | (point & 0x3f));
	out[0] = (uint8_t)(n == 1 ? point : (0xf00u >> n & 0xffu) | point);
	return n;
}

#endif
