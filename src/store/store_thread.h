/* SPDX-License-Identifier: MIT */
/* store_thread.h - one thread that commits batches for an event loop.
 *
 * The loop submits batches with rising ids; the thread takes everything that
 * waits as one transaction (group commit) and reports each id with its
 * result, in order. An eventfd becomes readable when there are results. The
 * queue is bounded: submit refuses when it is full. */
#ifndef STORE_STORE_THREAD_H
#define STORE_STORE_THREAD_H

#include "store/store.h"

struct store_thread;

struct store_result {
	uint64_t id;
	mpp_err err;
	struct store_error text; /* valid when err != MPP_OK */
};

/* store: lent until store_thread_stop(). Errors: NOMEM, IO. */
MPP_MUSTCHECK mpp_err store_thread_start(struct store *store,
					 struct store_thread **out);
/* Readable when store_thread_next() has something. */
int store_thread_fd(const struct store_thread *t);
/* batch: copied. Errors: LIMIT (queue full: take results, keep it and retry),
 * NOMEM. Full is 1024 batches whose result was not taken, or 64 MiB of batches
 * not yet committed; a longer batch is accepted when nothing else waits. */
MPP_MUSTCHECK mpp_err store_thread_submit(struct store_thread *t, uint64_t id,
					  mpp_bytes batch);
/* The next result in order of submission; false when there is none now. */
bool store_thread_next(struct store_thread *t, struct store_result *out);
/* Commit what waits, join, free. The store stays open. Results that were not
 * taken before are lost, so drain first when they matter. */
void store_thread_stop(struct store_thread *t);

#endif
