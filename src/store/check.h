/* SPDX-License-Identifier: MIT */
/* check.h - looking at a file that may kill who looks. */
#ifndef STORE_CHECK_H
#define STORE_CHECK_H

#include "store/db.h"

typedef mpp_err check_fn(void *arg, struct store_error *err);

/* Run fn in a forked child and give its result: MPP_OK, CHECKSUM, STORE or
 * NOMEM, with its text. A child that crashes (SIGBUS and its kind) means
 * CHECKSUM, one that is killed from outside STORE. path is for the text. */
MPP_MUSTCHECK mpp_err check_forked(check_fn *fn, void *arg, const char *path,
				   struct store_error *err);

/* Every page, every record, and the summary of a store that nobody has open;
 * in a forked child, reading only. Errors: CHECKSUM, STORE, NOMEM. */
MPP_MUSTCHECK mpp_err check_store(const struct db_place *at,
				  struct store_error *err);

#endif
