/* SPDX-License-Identifier: MIT */
/* queue.c - see queue.h. */
#include "mppsim/queue.h"

#include <stdlib.h>
#include <string.h>

mpp_err queue_reserve(struct queue *q, uint32_t ids)
{
	struct queue_entry *e;
	uint32_t *where;
	uint32_t cap = q->ids == 0 ? 64 : q->ids;

	if (ids <= q->ids)
		return MPP_OK;
	while (cap < ids)
		cap *= 2;
	e = realloc(q->e, cap * sizeof(*e));
	if (e == NULL)
		return MPP_ERR_NOMEM;
	q->e = e;
	where = realloc(q->where, cap * sizeof(*where));
	if (where == NULL)
		return MPP_ERR_NOMEM;
	memset(where + q->ids, 0, (cap - q->ids) * sizeof(*where));
	q->where = where;
	q->ids = cap;
	return MPP_OK;
}

static bool before(const struct queue_entry *a, const struct queue_entry *b)
{
	return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void place(struct queue *q, uint32_t i, struct queue_entry e)
{
	q->e[i] = e;
	q->where[e.id] = i + 1;
}

static void sift(struct queue *q, uint32_t i, struct queue_entry e)
{
	uint32_t child;

	while (i > 0 && before(&e, &q->e[(i - 1) / 2])) {
		place(q, i, q->e[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	while ((child = 2 * i + 1) < q->n) {
		if (child + 1 < q->n && before(&q->e[child + 1], &q->e[child]))
			child++;
		if (!before(&q->e[child], &e))
			break;
		place(q, i, q->e[child]);
		i = child;
	}
	place(q, i, e);
}

static void take_out(struct queue *q, uint32_t id)
{
	const uint32_t i = q->where[id] - 1;

	q->where[id] = 0;
	q->n--;
	if (i < q->n)
		sift(q, i, q->e[q->n]);
}

void queue_set(struct queue *q, uint32_t id, uint64_t at)
{
	uint32_t i = q->where[id];

	if (i != 0 && q->e[i - 1].at == at)
		return;
	if (at == UINT64_MAX) {
		if (i != 0)
			take_out(q, id);
		return;
	}
	if (i == 0)
		i = ++q->n;
	sift(q, i - 1, (struct queue_entry){at, q->order++, id});
}

bool queue_first(const struct queue *q, uint64_t *at, uint32_t *id)
{
	if (q->n == 0)
		return false;
	*at = q->e[0].at;
	*id = q->e[0].id;
	return true;
}

void queue_free(struct queue *q)
{
	free(q->e);
	free(q->where);
	memset(q, 0, sizeof(*q));
}
