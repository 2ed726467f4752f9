/* SPDX-License-Identifier: MIT */
/* db_commit.c - writing: see db.h.
 *
 * A transaction N of LMDB writes its pages, syncs, and then writes meta page
 * N % 2. When that last write fails, LMDB leaves a mixture of old and new in
 * the meta page and refuses further work until the file is opened again. The
 * mixture is harmless to LMDB but looks like damage to the check at start, so
 * the page is put back as it was. */
#include "store/db.h"

#include <errno.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/batch.h"
#include "store/error.h"
#include "store/tree.h"

enum {
	META_LEN = 256, /* more than header and meta data, less than a page */
};

struct change {
	struct db *db;
	MDB_txn *txn;
	struct summary next;
	struct store_error *err;
	uint8_t record[RECORD_MAX];
};

struct meta_copy {
	uint8_t bytes[META_LEN];
	off_t at;
	int fd;
};

static MDB_val val_of(mpp_bytes b)
{
	return (MDB_val){b.len, (void *)(uintptr_t)b.p};
}

static mpp_err fail(struct change *c, const char *what, int rc)
{
	/* Whatever the reason, damage included: it could not be stored. */
	store_fail_rc(c->err, c->db->path, what, rc);
	return MPP_ERR_STORE;
}

static mpp_err fail_record(struct change *c, mpp_err why)
{
	return store_fail(c->err, MPP_ERR_STORE,
			  "cannot write %.300s: %s; nothing was stored",
			  c->db->path, mpp_err_text(why));
}

/* Take what stands under key out of the tally. */
static mpp_err count_out(struct change *c, MDB_val *key, bool *there)
{
	MDB_val old;
	mpp_err rc;
	int e = mdb_get(c->txn, c->db->records, key, &old);

	*there = e == 0;
	if (e == MDB_NOTFOUND)
		return MPP_OK;
	if (e != 0)
		return fail(c, "write", e);
	rc = tally_sub(&c->next.tally, (mpp_bytes){old.mv_data, old.mv_size});
	return rc == MPP_OK ? MPP_OK : fail_record(c, rc);
}

static mpp_err put(struct change *c, const struct batch_op *op)
{
	mpp_buf out = {c->record, sizeof(c->record), 0};
	MDB_val key = val_of(op->key);
	MDB_val data;
	bool there;
	mpp_err rc;
	int e;

	if ((rc = count_out(c, &key, &there)) != MPP_OK)
		return rc;
	rc = record_seal(&c->db->hasher, op->key, op->value, &out);
	if (rc == MPP_OK)
		rc = tally_add(&c->next.tally, (mpp_bytes){out.p, out.len});
	if (rc != MPP_OK)
		return fail_record(c, rc);
	data = (MDB_val){out.len, out.p};
	e = mdb_put(c->txn, c->db->records, &key, &data, 0);
	return e == 0 ? MPP_OK : fail(c, "write", e);
}

static mpp_err drop(struct change *c, const struct batch_op *op)
{
	MDB_val key = val_of(op->key);
	bool there;
	mpp_err rc;
	int e;

	rc = count_out(c, &key, &there);
	if (rc != MPP_OK || !there)
		return rc;
	e = mdb_del(c->txn, c->db->records, &key, NULL);
	return e == 0 ? MPP_OK : fail(c, "write", e);
}

static mpp_err apply(struct change *c, mpp_bytes batch)
{
	struct rd r = rd_init(batch);
	struct batch_op op;
	mpp_err rc = MPP_OK;

	while (rc == MPP_OK && batch_next(&r, &op))
		rc = op.kind == BATCH_PUT ? put(c, &op) : drop(c, &op);
	return rc;
}

static mpp_err write_summary(struct change *c)
{
	uint8_t sealed[SUMMARY_LEN];
	MDB_val key = {strlen(TREE_SUMMARY), (void *)(uintptr_t)TREE_SUMMARY};
	MDB_val data = {sizeof(sealed), sealed};
	mpp_err rc;
	int e;

	c->next.txn = mdb_txn_id(c->txn);
	rc = summary_seal(&c->db->hasher, &c->next, sealed);
	if (rc != MPP_OK)
		return fail_record(c, rc);
	e = mdb_put(c->txn, c->db->main, &key, &data, 0);
	return e == 0 ? MPP_OK : fail(c, "write", e);
}

/* Remember the meta page that the coming transaction will overwrite. */
static int meta_save(struct db *db, MDB_txn *txn, struct meta_copy *m)
{
	MDB_stat st;
	ssize_t n;
	int e;

	if ((e = mdb_env_get_fd(db->env, &m->fd)) != 0 ||
	    (e = mdb_env_stat(db->env, &st)) != 0)
		return e;
	m->at = (off_t)((mdb_txn_id(txn) & 1) * st.ms_psize);
	n = pread(m->fd, m->bytes, META_LEN, m->at);
	return n == META_LEN ? 0 : n < 0 ? errno : EIO;
}

/* If this fails as well, the next transaction that succeeds repairs it. */
static void meta_restore(const struct meta_copy *m)
{
	uint8_t now[META_LEN];
	ssize_t n = pread(m->fd, now, META_LEN, m->at);

	if (n == META_LEN && memcmp(now, m->bytes, META_LEN) != 0)
		n = pwrite(m->fd, m->bytes, META_LEN, m->at);
	(void)n;
}

static mpp_err fill(struct change *c, const mpp_bytes *batches, size_t n)
{
	mpp_err rc = MPP_OK;
	size_t i;

	for (i = 0; rc == MPP_OK && i < n; i++)
		rc = apply(c, batches[i]);
	return rc == MPP_OK ? write_summary(c) : rc;
}

/* Start afresh from what is on disk. The text of the first error stays. */
static void reopen(struct db *db, const struct db_place *at)
{
	struct store_error ignored;

	db_close(db);
	if (db_open(db, at, 0, &ignored) != MPP_OK)
		*db = (struct db){.path = at->path};
}

/* Either committed, or as before. When even the repair of the meta page
 * fails, the transaction may stand there after all: then it counts. */
static mpp_err finish(struct change *c, const struct db_place *at,
		      const struct meta_copy *m)
{
	struct db *db = c->db;
	mpp_err rc;
	int e = mdb_txn_commit(c->txn);

	if (e == 0) {
		db->now = c->next;
		return MPP_OK;
	}
	rc = fail(c, "write", e);
	meta_restore(m);
	reopen(db, at);
	if (db->env != NULL && db->now.txn == c->next.txn &&
	    mdb_env_sync(db->env, 1) == 0)
		return MPP_OK;
	return rc;
}

static mpp_err run(struct change *c, const struct db_place *at,
		   const mpp_bytes *batches, size_t n)
{
	struct meta_copy m;
	mpp_err rc;
	int e;

	if ((e = mdb_txn_begin(c->db->env, NULL, 0, &c->txn)) != 0)
		return fail(c, "write", e);
	rc = fill(c, batches, n);
	if (rc == MPP_OK && (e = meta_save(c->db, c->txn, &m)) != 0)
		rc = fail(c, "read", e);
	if (rc != MPP_OK) {
		mdb_txn_abort(c->txn);
		return rc;
	}
	return finish(c, at, &m);
}

mpp_err db_commit(struct db *db, const struct db_place *at,
		  const mpp_bytes *batches, size_t n, struct store_error *err)
{
	struct change c = {.db = db, .next = db->now, .err = err};

	if (db->env == NULL && db_open(db, at, 0, err) != MPP_OK)
		return MPP_ERR_STORE;
	c.next = db->now;
	return run(&c, at, batches, n);
}

static mpp_err make_trees(struct change *c)
{
	struct db *db = c->db;
	int e;

	if ((e = mdb_dbi_open(c->txn, NULL, 0, &db->main)) != 0 ||
	    (e = mdb_dbi_open(c->txn, TREE_RECORDS, MDB_CREATE,
			      &db->records)) != 0)
		return fail(c, "create", e);
	return write_summary(c);
}

static mpp_err create(struct db *db, const struct db_place *at,
		      struct store_error *err)
{
	struct change c = {.db = db, .err = err};
	mpp_err rc;
	int e;

	/* Nobody else knows this file yet, so no lock is needed. */
	if ((rc = db_open_env(db, at, MDB_NOLOCK, err)) != MPP_OK)
		return rc;
	if ((e = mdb_txn_begin(db->env, NULL, 0, &c.txn)) != 0)
		return fail(&c, "create", e);
	if ((rc = make_trees(&c)) != MPP_OK) {
		mdb_txn_abort(c.txn);
		return rc;
	}
	if ((e = mdb_txn_commit(c.txn)) != 0 ||
	    (e = mdb_env_sync(db->env, 1)) != 0)
		return fail(&c, "create", e);
	return MPP_OK;
}

mpp_err db_create(const struct db_place *at, struct store_error *err)
{
	struct db db = {.path = at->path};
	mpp_err rc = create(&db, at, err);

	db_close(&db);
	return rc;
}
