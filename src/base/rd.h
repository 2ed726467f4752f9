/* SPDX-License-Identifier: MIT */
/* rd.h - the reading cursor: straight-line decoding with a sticky error.
 * Lengths are compared as numbers, never as pointers past the end. */
#ifndef BASE_RD_H
#define BASE_RD_H

#include <string.h>

#include <mpp/base.h>

struct rd {
	const uint8_t *p;
	size_t left;
	mpp_err err;
};

static inline struct rd rd_init(mpp_bytes in)
{
	return (struct rd){in.p, in.len, MPP_OK};
}

static inline void rd_fail(struct rd *r, mpp_err err)
{
	if (r->err == MPP_OK)
		r->err = err;
	r->left = 0;
}

/* Take n bytes, or give NULL and stick when fewer are left. */
static inline const uint8_t *rd_take(struct rd *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->err != MPP_OK)
		return NULL;
	if (r->left < n) {
		rd_fail(r, MPP_ERR_TRUNCATED);
		return NULL;
	}
	if (n != 0)
		r->p += n;
	r->left -= n;
	return p;
}

/* n bytes as a slice of the input; empty after an error. */
static inline mpp_bytes rd_slice(struct rd *r, size_t n)
{
	const uint8_t *p = rd_take(r, n);

	return r->err == MPP_OK ? (mpp_bytes){p, n} : (mpp_bytes){NULL, 0};
}

/* n octets into dst; nothing after an error. */
static inline void rd_copy(struct rd *r, void *dst, size_t n)
{
	const uint8_t *p = rd_take(r, n);

	if (p != NULL && n != 0)
		memcpy(dst, p, n);
}

static inline mpp_bytes rd_rest(struct rd *r)
{
	return rd_slice(r, r->left);
}

/* A number of n octets (1..8) in network order. */
static inline uint64_t rd_be(struct rd *r, size_t n)
{
	const uint8_t *p = rd_take(r, n);
	uint64_t v = 0;
	size_t i;

	for (i = 0; p != NULL && i < n; i++)
		v = v << 8 | p[i];
	return v;
}

static inline uint8_t rd_u8(struct rd *r)
{
	return (uint8_t)rd_be(r, 1);
}

static inline uint16_t rd_u16(struct rd *r)
{
	return (uint16_t)rd_be(r, 2);
}

static inline uint32_t rd_u32(struct rd *r)
{
	return (uint32_t)rd_be(r, 4);
}

static inline uint64_t rd_u64(struct rd *r)
{
	return rd_be(r, 8);
}

/* A QUIC variable-length integer, RFC 9000 section 16; any length is read. */
static inline uint64_t rd_int(struct rd *r)
{
	uint8_t first = rd_u8(r);
	uint64_t v = first & 0x3f;
	size_t more = ((size_t)1 << (first >> 6)) - 1;

	if (more == 0)
		return v;
	return v << (8 * more) | rd_be(r, more);
}

/* int length, then that many bytes. */
static inline mpp_bytes rd_bytes(struct rd *r)
{
	uint64_t n = rd_int(r);

	if (r->err == MPP_OK && n > r->left)
		rd_fail(r, MPP_ERR_TRUNCATED);
	return rd_slice(r, (size_t)n);
}

/* End of message: the sticky error, or TRAILING when bytes are left over. */
static inline mpp_err rd_finish(const struct rd *r)
{
	if (r->err != MPP_OK)
		return r->err;
	return r->left == 0 ? MPP_OK : MPP_ERR_TRAILING;
}

#endif
