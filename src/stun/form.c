/* SPDX-License-Identifier: MIT */
/* form.c - see form.h. */
#include "stun/form.h"

#include "base/wr.h"
#include "stun/stun.h"

/* CRC-32 as in RFC 8489 14.7 (ITU V.42), four bits at a time. */
static uint32_t crc32(mpp_bytes in)
{
	static const uint32_t of[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
		0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	uint32_t c = 0xffffffff;
	size_t i;

	for (i = 0; i < in.len; i++) {
		c ^= in.p[i];
		c = c >> 4 ^ of[c & 15];
		c = c >> 4 ^ of[c & 15];
	}
	return ~c;
}

uint32_t stun_fingerprint(mpp_bytes before)
{
	return crc32(before) ^ UINT32_C(0x5354554e); /* "STUN" */
}

void stun_xor(mpp_addr *a, const uint8_t *id)
{
	const unsigned n = a->family == 4 ? 4 : 16;
	uint8_t mask[4 + STUN_ID_LEN];
	struct wr w = wr_init(mask, sizeof(mask));
	unsigned i;

	wr_u32(&w, STUN_COOKIE);
	wr_raw(&w, id, STUN_ID_LEN);
	for (i = 0; i < n; i++)
		a->ip[i] ^= mask[i];
	a->port ^= (uint16_t)(STUN_COOKIE >> 16);
}
