/* SPDX-License-Identifier: MIT */
/* db.h - the LMDB file: one sub-database "records", and beside it in the main
 * database "summary" (record.h), renewed by every transaction. */
#ifndef STORE_DB_H
#define STORE_DB_H

#include <lmdb.h>

#include "store/record.h"

struct db_place {
	const char *path;
	size_t map_size;
};

/* env is NULL while closed. */
struct db {
	const char *path; /* lent; for messages */
	MDB_env *env;
	MDB_dbi main;
	MDB_dbi records;
	struct hasher hasher;
	struct summary now; /* of the last committed transaction */
};

/* Open an existing file; flags: MDB_RDONLY, MDB_NOLOCK. db is written only on
 * success. Errors: STORE, CHECKSUM, NOMEM. */
MPP_MUSTCHECK mpp_err db_open(struct db *db, const struct db_place *at,
			      unsigned flags, struct store_error *err);

/* Make an empty store in a new file, on disk when this returns. Errors:
 * STORE, NOMEM; the file may be left half made. */
MPP_MUSTCHECK mpp_err db_create(const struct db_place *at,
				struct store_error *err);

/* Give every record, having checked it, and compare the whole with the
 * summary. Errors: CHECKSUM, STORE, or what fn returned. */
MPP_MUSTCHECK mpp_err db_walk(struct db *db, store_record_fn *fn, void *arg,
			      struct store_error *err);

/* Apply well-formed batches as one durable transaction, or nothing. After a
 * failure to write, the file is closed and opened again, since LMDB may refuse
 * further work otherwise; db->env can be NULL then. Errors: STORE. */
MPP_MUSTCHECK mpp_err db_commit(struct db *db, const struct db_place *at,
				const mpp_bytes *batches, size_t n,
				struct store_error *err);

/* The first half of opening and of making: db->env and db->hasher. On failure
 * db_close() is still due. */
MPP_MUSTCHECK mpp_err db_open_env(struct db *db, const struct db_place *at,
				  unsigned flags, struct store_error *err);

/* Harmless on a zeroed struct. */
void db_close(struct db *db);

#endif
