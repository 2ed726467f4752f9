/* SPDX-License-Identifier: MIT */
/* error.h - filling struct store_error: one line that says what to do. */
#ifndef STORE_ERROR_H
#define STORE_ERROR_H

#include "store/store.h"

/* Write the text and return code, so that a caller can return both. */
__attribute__((format(printf, 3, 4))) mpp_err
store_fail(struct store_error *err, mpp_err code, const char *fmt, ...);

/* The store in file path is damaged: CHECKSUM. fmt says where and how. */
__attribute__((format(printf, 3, 4))) mpp_err
store_damaged(struct store_error *err, const char *path, const char *fmt, ...);

/* "cannot <what> <path>": rc is an errno or an LMDB number. Gives STORE,
 * NOMEM, or CHECKSUM when LMDB itself says that the file is damaged. */
mpp_err store_fail_rc(struct store_error *err, const char *path,
		      const char *what, int rc);

#endif
