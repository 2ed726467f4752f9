/* SPDX-License-Identifier: MIT */
/* db.c - see db.h. Opening, making and reading; writing is in db_commit.c. */
#include "store/db.h"

#include <stdio.h>

#include "base/wr.h"
#include "store/error.h"
#include "store/tree.h"

enum {
	FILE_MODE = 0600,
	KEY_SHOWN = 32, /* octets of a key in a message */
};

static MDB_val name_of(const char *name)
{
	return (MDB_val){strlen(name), (void *)(uintptr_t)name};
}

static mpp_bytes bytes_of(const MDB_val *v)
{
	return (mpp_bytes){v->mv_data, v->mv_size};
}

static mpp_err fail(const struct db *db, const char *what, int rc,
		    struct store_error *err)
{
	return store_fail_rc(err, db->path, what, rc);
}

static mpp_err fail_key(const struct db *db, mpp_bytes key, mpp_err why,
			struct store_error *err)
{
	char hex[2 * KEY_SHOWN + 1] = "";
	size_t i;

	for (i = 0; i < key.len && i < KEY_SHOWN; i++)
		snprintf(hex + 2 * i, 3, "%02x", key.p[i]);
	if (why == MPP_ERR_CHECKSUM)
		return store_damaged(err, db->path, "record 0x%s%s: %s", hex,
				     key.len > KEY_SHOWN ? "..." : "",
				     mpp_err_text(why));
	return store_fail(err, MPP_ERR_STORE,
			  "cannot read record 0x%s of %.300s: %s%s", hex,
			  db->path, mpp_err_text(why),
			  why == MPP_ERR_VERSION
				  ? "; it was written by a newer version"
				  : "");
}

mpp_err db_open_env(struct db *db, const struct db_place *at, unsigned flags,
		    struct store_error *err)
{
	mpp_err rc;
	int e;

	db->path = at->path;
	if ((rc = hasher_init(&db->hasher)) != MPP_OK)
		return store_fail(err, MPP_ERR_STORE, "cannot use SHA-512: %s",
				  mpp_err_text(rc));
	if ((e = mdb_env_create(&db->env)) != 0)
		return fail(db, "open", e, err);
	if ((e = mdb_env_set_maxdbs(db->env, 1)) != 0 ||
	    (e = mdb_env_set_mapsize(db->env, at->map_size)) != 0 ||
	    (e = mdb_env_open(db->env, at->path,
			      flags | MDB_NOSUBDIR | MDB_NOTLS, FILE_MODE)) !=
		    0)
		return fail(db, "open", e, err);
	return MPP_OK;
}

/* The summary must be that of the very transaction that is seen: an older
 * state brought back by a damaged page would show here. */
static mpp_err read_summary(struct db *db, MDB_txn *txn,
			    struct store_error *err)
{
	MDB_val key = name_of(TREE_SUMMARY);
	MDB_val data;
	mpp_err rc;
	int e;

	if ((e = mdb_get(txn, db->main, &key, &data)) != 0)
		return fail(db, "read", e, err);
	rc = summary_open(&db->hasher, bytes_of(&data), &db->now);
	if (rc == MPP_ERR_VERSION)
		return store_fail(err, MPP_ERR_STORE,
				  "cannot read %.300s: it was written by a "
				  "newer version",
				  db->path);
	if (rc != MPP_OK || db->now.txn != mdb_txn_id(txn))
		return store_damaged(err, db->path,
				     "the summary of transaction %zu does not "
				     "match",
				     mdb_txn_id(txn));
	return MPP_OK;
}

static mpp_err open_trees(struct db *db, MDB_txn *txn, struct store_error *err)
{
	unsigned flags = 0;
	int e;

	if ((e = mdb_dbi_open(txn, NULL, 0, &db->main)) != 0 ||
	    (e = mdb_dbi_open(txn, TREE_RECORDS, 0, &db->records)) != 0 ||
	    (e = mdb_dbi_flags(txn, db->records, &flags)) != 0)
		return fail(db, "open", e, err);
	if (flags != 0)
		return store_damaged(err, db->path, "unknown flags 0x%x",
				     flags);
	return read_summary(db, txn, err);
}

static mpp_err open_all(struct db *db, const struct db_place *at,
			unsigned flags, struct store_error *err)
{
	MDB_txn *txn;
	mpp_err rc;
	int e;

	if ((rc = db_open_env(db, at, flags, err)) != MPP_OK)
		return rc;
	if ((e = mdb_txn_begin(db->env, NULL, MDB_RDONLY, &txn)) != 0)
		return fail(db, "open", e, err);
	if ((rc = open_trees(db, txn, err)) != MPP_OK) {
		mdb_txn_abort(txn);
		return rc;
	}
	/* Committing, even a reader, is what makes the handles stay. */
	e = mdb_txn_commit(txn);
	return e == 0 ? MPP_OK : fail(db, "open", e, err);
}

mpp_err db_open(struct db *db, const struct db_place *at, unsigned flags,
		struct store_error *err)
{
	struct db made = {.path = at->path};
	mpp_err rc;

	if ((rc = open_all(&made, at, flags, err)) != MPP_OK) {
		db_close(&made);
		return rc;
	}
	*db = made;
	return MPP_OK;
}

static mpp_err give(struct db *db, const MDB_val *k, const MDB_val *v,
		    struct tally *seen, mpp_bytes *value)
{
	mpp_err rc = record_open(&db->hasher, bytes_of(k), bytes_of(v), value);

	return rc == MPP_OK ? tally_add(seen, bytes_of(v)) : rc;
}

static mpp_err walk(struct db *db, MDB_cursor *cur, store_record_fn *fn,
		    void *arg, struct store_error *err)
{
	struct tally seen = {0};
	mpp_bytes value;
	MDB_val k, v;
	mpp_err rc;
	int e;

	while ((e = mdb_cursor_get(cur, &k, &v, MDB_NEXT)) == 0) {
		rc = give(db, &k, &v, &seen, &value);
		if (rc != MPP_OK)
			return fail_key(db, bytes_of(&k), rc, err);
		if ((rc = fn(arg, bytes_of(&k), value)) != MPP_OK)
			return store_fail(err, rc, "the load was stopped: %s",
					  mpp_err_text(rc));
	}
	if (e != MDB_NOTFOUND)
		return fail(db, "read", e, err);
	if (!tally_eq(&seen, &db->now.tally))
		return store_damaged(err, db->path,
				     "%llu records stand there where %llu "
				     "belong",
				     (unsigned long long)seen.count,
				     (unsigned long long)db->now.tally.count);
	return MPP_OK;
}

mpp_err db_walk(struct db *db, store_record_fn *fn, void *arg,
		struct store_error *err)
{
	MDB_cursor *cur;
	MDB_txn *txn;
	mpp_err rc;
	int e;

	if ((e = mdb_txn_begin(db->env, NULL, MDB_RDONLY, &txn)) != 0)
		return fail(db, "read", e, err);
	if ((e = mdb_cursor_open(txn, db->records, &cur)) != 0) {
		mdb_txn_abort(txn);
		return fail(db, "read", e, err);
	}
	rc = walk(db, cur, fn, arg, err);
	mdb_cursor_close(cur);
	mdb_txn_abort(txn);
	return rc;
}

void db_close(struct db *db)
{
	if (db->env != NULL)
		mdb_env_close(db->env);
	hasher_free(&db->hasher);
	db->env = NULL;
}
