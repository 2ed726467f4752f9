/* SPDX-License-Identifier: MIT */
/* heap.h - deadlines of numbered things: a binary heap that knows where each
 * number is, so that a deadline can be moved or taken out. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <mpp/base.h>

struct heap_entry {
	uint64_t at;
	uint32_t id;
};

struct heap {
	struct heap_entry *e; /* lent: limit entries */
	uint32_t *where;      /* lent: limit positions + 1, 0 is "not in" */
	uint32_t n;
};

/* Set, move, or (at == UINT64_MAX) take out the deadline of id. */
void heap_set(struct heap *h, uint32_t id, uint64_t at);

/* The earliest deadline, UINT64_MAX when there is none. */
static inline uint64_t heap_first(const struct heap *h)
{
	return h->n != 0 ? h->e[0].at : UINT64_MAX;
}

#endif
