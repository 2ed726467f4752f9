/* SPDX-License-Identifier: MIT */
/* queue.h - what happens when: a heap of numbered timers, each at most once
 * in it. Equal times come in the order in which they were set. */
#ifndef MPPSIM_QUEUE_H
#define MPPSIM_QUEUE_H

#include <mpp/base.h>

struct queue_entry {
	uint64_t at;
	uint64_t order;
	uint32_t id;
};

struct queue {
	struct queue_entry *e; /* heap */
	uint32_t *where;       /* by id: place in e, plus 1; 0: not there */
	uint32_t n, cap, ids;
	uint64_t order;
};

/* Error: NOMEM; the queue is as it was. ids: at least this many can be used
 * afterwards. */
MPP_MUSTCHECK mpp_err queue_reserve(struct queue *q, uint32_t ids);

/* Set or move a timer; at UINT64_MAX: take it out. */
void queue_set(struct queue *q, uint32_t id, uint64_t at);

/* The earliest. False: there is none. */
bool queue_first(const struct queue *q, uint64_t *at, uint32_t *id);

void queue_free(struct queue *q);

#endif
