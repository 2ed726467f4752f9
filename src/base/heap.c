/* SPDX-License-Identifier: MIT */
/* heap.c - deadlines. Contract: heap.h. */
#include "base/heap.h"

static void place(struct heap *h, uint32_t pos, struct heap_entry e)
{
	h->e[pos] = e;
	h->where[e.id] = pos + 1;
}

static uint32_t sift_up(struct heap *h, uint32_t pos, struct heap_entry e)
{
	while (pos > 0 && h->e[(pos - 1) / 2].at > e.at) {
		place(h, pos, h->e[(pos - 1) / 2]);
		pos = (pos - 1) / 2;
	}
	return pos;
}

static uint32_t sift_down(struct heap *h, uint32_t pos, struct heap_entry e)
{
	uint32_t child;

	while ((child = 2 * pos + 1) < h->n) {
		if (child + 1 < h->n && h->e[child + 1].at < h->e[child].at)
			child++;
		if (h->e[child].at >= e.at)
			break;
		place(h, pos, h->e[child]);
		pos = child;
	}
	return pos;
}

static void settle(struct heap *h, uint32_t pos, struct heap_entry e)
{
	uint32_t up = sift_up(h, pos, e);

	place(h, up == pos ? sift_down(h, pos, e) : up, e);
}

void heap_set(struct heap *h, uint32_t id, uint64_t at)
{
	uint32_t pos = h->where[id];

	if (at == UINT64_MAX) {
		if (pos == 0)
			return;
		h->where[id] = 0;
		h->n--;
		if (pos - 1 != h->n)
			settle(h, pos - 1, h->e[h->n]);
		return;
	}
	if (pos == 0)
		pos = ++h->n;
	settle(h, pos - 1, (struct heap_entry){at, id});
}
