/* SPDX-License-Identifier: MIT */
/* batch.h - reading a batch (its form is in store.h). */
#ifndef STORE_BATCH_H
#define STORE_BATCH_H

#include "base/rd.h"
#include "store/store.h"

enum {
	BATCH_KEY_MAX = 511,
	BATCH_VALUE_MAX = 65535,
};

enum batch_kind {
	BATCH_PUT = 1,
	BATCH_DELETE = 2,
};

/* Points into the batch. */
struct batch_op {
	enum batch_kind kind;
	mpp_bytes key;
	mpp_bytes value; /* empty for a delete */
};

/* The next operation; false at the end, or with r->err set at what is not an
 * operation. Start with rd_init(batch). */
bool batch_next(struct rd *r, struct batch_op *op);

/* Are all n whole batches of well-formed operations? Counts the operations.
 * Error: SYNTAX, with the text saying which batch and where. */
MPP_MUSTCHECK mpp_err batch_check(const mpp_bytes *batches, size_t n,
				  size_t *ops, struct store_error *err);

#endif
