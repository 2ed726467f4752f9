/* SPDX-License-Identifier: MIT */
/* pool.h - fixed numbers of records, taken and given back by index. A free
 * record's first 32 bits link it to the next free one; records that were
 * never taken are not touched, so memory fills as it is used. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <mpp/base.h>

#define POOL_NONE UINT32_MAX

struct pool {
	uint8_t *base; /* lent */
	size_t stride;
	uint32_t limit;
	uint32_t fresh; /* records from here on were never taken */
	uint32_t free;  /* head of the list, or POOL_NONE */
	uint32_t used;
};

static inline void pool_init(struct pool *p, void *base, size_t stride,
			     uint32_t limit)
{
	*p = (struct pool){base, stride, limit, 0, POOL_NONE, 0};
}

static inline void *pool_at(const struct pool *p, uint32_t i)
{
	return p->base + (size_t)i * p->stride;
}

/* An index, or POOL_NONE when all are in use. The record keeps what it held,
 * but for its first 32 bits. */
static inline uint32_t pool_take(struct pool *p)
{
	uint32_t i = p->free;

	if (i != POOL_NONE)
		p->free = *(uint32_t *)pool_at(p, i);
	else if (p->fresh < p->limit)
		i = p->fresh++;
	else
		return POOL_NONE;
	p->used++;
	return i;
}

static inline void pool_give(struct pool *p, uint32_t i)
{
	*(uint32_t *)pool_at(p, i) = p->free;
	p->free = i;
	p->used--;
}

#endif
