/* SPDX-License-Identifier: MIT */
/* base64.h - base64url of RFC 4648 section 5. */
#ifndef JSONBCD_BASE64_H
#define JSONBCD_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decoding, a character at a time. Zero, with `out` set, is the start. */
struct base64 {
	uint8_t *out; /* NULL: count only */
	size_t n;     /* octets decoded */
	uint32_t acc; /* bits that wait for more */
	uint8_t held; /* how many: 0, 2, 4 or 6 */
	bool padded;  /* "=" was seen: no digit may follow */
};

/* Is the character allowed here? White space and "=" are skipped. */
bool base64_feed(struct base64 *d, uint8_t c);

/* Does it end well: no lone digit, and zero in the bits left over? */
bool base64_done(const struct base64 *d);

/* Encode 1 to 3 octets as 2 to 4 characters; return how many. */
size_t base64_group(char out[4], const uint8_t *in, size_t n);

#endif
