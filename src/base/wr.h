/* SPDX-License-Identifier: MIT */
/* wr.h - the writing cursor: carries its capacity and a sticky error.
 * With p == NULL it only counts. */
#ifndef BASE_WR_H
#define BASE_WR_H

#include <string.h>

#include <mpp/base.h>

struct wr {
	uint8_t *p; /* start of the room, or NULL to count only */
	size_t cap;
	size_t n; /* written, or counted */
	mpp_err err;
};

static inline struct wr wr_init(uint8_t *p, size_t cap)
{
	return (struct wr){p, p == NULL ? SIZE_MAX : cap, 0, MPP_OK};
}

/* Make room for n bytes: where they go, or NULL when counting or full. */
static inline uint8_t *wr_room(struct wr *w, size_t n)
{
	uint8_t *at = NULL;

	if (w->err != MPP_OK)
		return NULL;
	if (w->cap - w->n < n) {
		w->err = MPP_ERR_NOSPACE;
		return NULL;
	}
	if (w->p != NULL)
		at = w->p + w->n;
	w->n += n;
	return at;
}

static inline void wr_raw(struct wr *w, const void *p, size_t n)
{
	uint8_t *at = wr_room(w, n);

	if (at != NULL && n != 0)
		memcpy(at, p, n);
}

static inline void wr_zero(struct wr *w, size_t n)
{
	uint8_t *at = wr_room(w, n);

	if (at != NULL && n != 0)
		memset(at, 0, n);
}

/* The low n octets (1..8) of v in network order. */
static inline void wr_be(struct wr *w, uint64_t v, size_t n)
{
	uint8_t *at = wr_room(w, n);

	while (at != NULL && n-- > 0) {
		at[n] = (uint8_t)v;
		v >>= 8;
	}
}

static inline void wr_u8(struct wr *w, uint8_t v)
{
	wr_be(w, v, 1);
}

static inline void wr_u16(struct wr *w, uint16_t v)
{
	wr_be(w, v, 2);
}

static inline void wr_u32(struct wr *w, uint32_t v)
{
	wr_be(w, v, 4);
}

static inline void wr_u64(struct wr *w, uint64_t v)
{
	wr_be(w, v, 8);
}

/* A QUIC variable-length integer in its shortest form; below 2^62. */
static inline void wr_int(struct wr *w, uint64_t v)
{
	if (v < 0x40)
		wr_be(w, v, 1);
	else if (v < 0x4000)
		wr_be(w, v | 0x4000, 2);
	else if (v < 0x40000000)
		wr_be(w, v | 0x80000000, 4);
	else if (v < UINT64_C(0x4000000000000000))
		wr_be(w, v | UINT64_C(0xc000000000000000), 8);
	else if (w->err == MPP_OK)
		w->err = MPP_ERR_RANGE;
}

static inline void wr_bytes(struct wr *w, const void *p, size_t n)
{
	wr_int(w, n);
	wr_raw(w, p, n);
}

#endif
