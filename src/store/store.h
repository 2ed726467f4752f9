/* SPDX-License-Identifier: MIT */
/* store.h - the durable store: a sorted set of records that changes in
 * batches. Everything is loaded once at start; after that it is only written.
 *
 * A batch is a sequence of operations in this form (integers in network
 * order), written by the core (presence/records.h):
 *
 *   u8 op (1 put, 2 delete) | u16 key length | key | u32 value length | value
 *   (a delete has value length 0)
 *
 * Keys are 1..511 bytes, values at most 65,535. A batch is applied whole or
 * not at all, and is on disk when the call returns (group commit is the
 * business of the store thread: store_thread.h). Deleting what is not there
 * is not an error.
 *
 * Backends: mem (the naive twin for tests) and lmdb. One conformance suite
 * runs on all. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <mpp/base.h>

struct store;

/* What went wrong, for people: one line that says what to do. */
struct store_error {
	char text[512];
};

/* Called for every record in key order (memcmp, shorter first). Key and value
 * are borrowed. Anything but MPP_OK stops the load and is returned. */
typedef mpp_err store_record_fn(void *arg, mpp_bytes key, mpp_bytes value);

struct store_ops {
	const char *name;
	/* Give every record. Errors: CHECKSUM (damage; err says where), STORE,
	 * or what fn returned. */
	mpp_err (*load)(struct store *s, store_record_fn *fn, void *arg,
			struct store_error *err);
	/* Apply n batches as one transaction, durably. Errors: SYNTAX (not a
	 * batch: nothing applied), STORE (disk full, i/o: nothing applied). */
	mpp_err (*commit)(struct store *s, const mpp_bytes *batches, size_t n,
			  struct store_error *err);
	void (*close)(struct store *s);
};

struct store {
	const struct store_ops *ops;
};

/* In memory. Error: NOMEM. */
MPP_MUSTCHECK mpp_err store_mem_open(struct store **out);

/* LMDB in the file `path` (with MDB_NOSUBDIR; path-lock beside it), mode
 * 0600, created when missing (as path.new, then renamed), map_size the most it
 * may grow to. Held under an exclusive lock (flock on path.lock, a file of its
 * own) until close: a second opener gets STORE with a clear text. Before the
 * file is mapped by this process, a forked child opens it read-only and checks
 * every page, and every record: key, version and checksum, and that none is
 * missing; if the child dies by a signal or finds damage, the result is
 * CHECKSUM, err says what and what to do, and nothing was changed on disk. Call
 * it before the process has other threads, because of the fork. Not noticed: a
 * whole file, or its newest meta page, that is put back as it was before the
 * last commits. Errors: STORE, CHECKSUM, NOMEM. */
MPP_MUSTCHECK mpp_err store_lmdb_open(const char *path, size_t map_size,
				      struct store **out,
				      struct store_error *err);

#endif
