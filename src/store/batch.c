/* SPDX-License-Identifier: MIT */
/* batch.c - see batch.h. */
#include "store/batch.h"

#include "store/error.h"

static mpp_err check(const struct batch_op *op, uint8_t kind)
{
	if (kind != BATCH_PUT && kind != BATCH_DELETE)
		return MPP_ERR_SYNTAX;
	if (op->key.len == 0 || op->key.len > BATCH_KEY_MAX)
		return MPP_ERR_SYNTAX;
	if (op->value.len > BATCH_VALUE_MAX)
		return MPP_ERR_SYNTAX;
	if (kind == BATCH_DELETE && op->value.len != 0)
		return MPP_ERR_SYNTAX;
	return MPP_OK;
}

bool batch_next(struct rd *r, struct batch_op *op)
{
	struct batch_op got = {.kind = BATCH_PUT};
	uint8_t kind;
	mpp_err err;

	if (r->err != MPP_OK || r->left == 0)
		return false;
	kind = rd_u8(r);
	got.key = rd_slice(r, rd_u16(r));
	got.value = rd_slice(r, rd_u32(r));
	if (r->err != MPP_OK)
		return false;
	if ((err = check(&got, kind)) != MPP_OK) {
		rd_fail(r, err);
		return false;
	}
	got.kind = (enum batch_kind)kind;
	*op = got;
	return true;
}

/* Where the first malformed operation begins, or the length of the batch. */
static size_t well_formed(mpp_bytes batch, size_t *ops)
{
	struct rd r = rd_init(batch);
	struct batch_op op;
	size_t done = 0;

	while (batch_next(&r, &op)) {
		done = batch.len - r.left;
		++*ops;
	}
	return done;
}

mpp_err batch_check(const mpp_bytes *batches, size_t n, size_t *ops,
		    struct store_error *err)
{
	size_t count = 0;
	size_t at;
	size_t i;

	for (i = 0; i < n; i++) {
		at = well_formed(batches[i], &count);
		if (at != batches[i].len)
			return store_fail(err, MPP_ERR_SYNTAX,
					  "batch %zu of %zu is malformed at "
					  "octet %zu of %zu: nothing was "
					  "stored; this is a fault of the "
					  "program",
					  i + 1, n, at, batches[i].len);
	}
	*ops = count;
	return MPP_OK;
}
