/* SPDX-License-Identifier: MIT */
/* lmdb.c - the store in an LMDB file: who may open it, and when it is safe.
 *
 *   <path>        the file; made under the name <path>.new, so that it is
 *                 there whole or not at all
 *   <path>.lock   ours (lock.h)
 *   <path>-lock   LMDB's table of readers
 *
 * Commits go to disk by write(2), never through the mapping: then a full disk
 * is an error, not a SIGBUS. The table of readers is written through a mapping
 * and so gets its blocks beforehand. */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/batch.h"
#include "store/check.h"
#include "store/db.h"
#include "store/error.h"
#include "store/lock.h"

enum {
	FILE_MODE = 0600,
	MAP_MIN = 65536,
	READERS_LEN = 8192, /* LMDB's table with its 126 readers */
	PATH_ROOM = PATH_MAX,
	SUFFIX_ROOM = 8,
};

struct lmdb {
	struct store store;
	struct db db;
	struct db_place at;
	int lock_fd; /* -1: not held */
	char path[PATH_ROOM];
	char dir[PATH_ROOM];
};

static mpp_err check_arguments(const char *path, size_t map_size,
			       struct store_error *err)
{
	size_t len = strlen(path);

	if (len == 0 || len > PATH_ROOM - SUFFIX_ROOM)
		return store_fail(err, MPP_ERR_STORE,
				  "the path of the store is %s",
				  len == 0 ? "empty" : "too long");
	if (map_size < MAP_MIN)
		return store_fail(err, MPP_ERR_STORE,
				  "the largest size of the store is %zu "
				  "octets; at least %d are needed",
				  map_size, MAP_MIN);
	return MPP_OK;
}

static mpp_err check_directory(const struct lmdb *l, struct store_error *err)
{
	struct stat st;

	if (stat(l->dir, &st) != 0)
		return store_fail_rc(err, l->dir, "use the state directory",
				     errno);
	if (!S_ISDIR(st.st_mode))
		return store_fail_rc(err, l->dir, "use the state directory",
				     ENOTDIR);
	if (faccessat(AT_FDCWD, l->dir, W_OK | X_OK, AT_EACCESS) != 0)
		return store_fail_rc(err, l->dir,
				     "write in the state directory", errno);
	return MPP_OK;
}

/* A new name is safe only when its directory is on disk. */
static mpp_err sync_directory(const struct lmdb *l, struct store_error *err)
{
	int fd = open(l->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int e = 0;

	if (fd < 0 || fsync(fd) != 0)
		e = errno;
	if (fd >= 0)
		close(fd);
	return e == 0 ? MPP_OK : store_fail_rc(err, l->dir, "sync", e);
}

static mpp_err make_under(struct lmdb *l, const char *name,
			  struct store_error *err)
{
	struct db_place at = {name, l->at.map_size};
	mpp_err rc;

	/* Left over from a start that was cut short. */
	if (unlink(name) != 0 && errno != ENOENT)
		return store_fail_rc(err, name, "remove", errno);
	if ((rc = db_create(&at, err)) != MPP_OK)
		return rc;
	if (chmod(name, FILE_MODE) != 0)
		return store_fail_rc(err, name, "set the mode of", errno);
	if (rename(name, l->path) != 0)
		return store_fail_rc(err, name, "rename", errno);
	return sync_directory(l, err);
}

static mpp_err make(struct lmdb *l, struct store_error *err)
{
	char name[PATH_ROOM + SUFFIX_ROOM];
	mpp_err rc;

	snprintf(name, sizeof(name), "%s.new", l->path);
	if ((rc = make_under(l, name, err)) != MPP_OK)
		unlink(name);
	return rc;
}

static mpp_err examine(struct lmdb *l, const struct stat *st,
		       struct store_error *err)
{
	mpp_err rc;

	/* A link would get a lock of its own beside it. */
	if (!S_ISREG(st->st_mode))
		return store_fail(err, MPP_ERR_STORE,
				  "the store %.300s is not a regular file",
				  l->path);
	if (faccessat(AT_FDCWD, l->path, R_OK | W_OK, AT_EACCESS) != 0)
		return store_fail_rc(err, l->path, "open", errno);
	if ((rc = check_store(&l->at, err)) != MPP_OK)
		return rc;
	if ((st->st_mode & 07777) != FILE_MODE &&
	    chmod(l->path, FILE_MODE) != 0)
		return store_fail_rc(err, l->path, "set the mode of", errno);
	return MPP_OK;
}

static mpp_err make_or_examine(struct lmdb *l, struct store_error *err)
{
	struct stat st;

	if (lstat(l->path, &st) == 0)
		return examine(l, &st, err);
	if (errno != ENOENT)
		return store_fail_rc(err, l->path, "open", errno);
	return make(l, err);
}

static mpp_err reserve_readers(const struct lmdb *l, struct store_error *err)
{
	char name[PATH_ROOM + SUFFIX_ROOM];
	int e = 0;
	int fd;

	snprintf(name, sizeof(name), "%s-lock", l->path);
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	if (fd < 0)
		return store_fail_rc(err, name, "open", errno);
	if (fchmod(fd, FILE_MODE) != 0)
		e = errno;
	else
		e = posix_fallocate(fd, 0, READERS_LEN);
	close(fd);
	return e == 0 ? MPP_OK : store_fail_rc(err, name, "make", e);
}

static mpp_err open_all(struct lmdb *l, struct store_error *err)
{
	mpp_err rc;

	if ((rc = check_directory(l, err)) != MPP_OK ||
	    (rc = lock_take(l->path, &l->lock_fd, err)) != MPP_OK ||
	    (rc = make_or_examine(l, err)) != MPP_OK ||
	    (rc = reserve_readers(l, err)) != MPP_OK)
		return rc;
	return db_open(&l->db, &l->at, 0, err);
}

static mpp_err lmdb_load(struct store *s, store_record_fn *fn, void *arg,
			 struct store_error *err)
{
	struct lmdb *l = (struct lmdb *)s;
	mpp_err rc;

	if (l->db.env == NULL &&
	    (rc = db_open(&l->db, &l->at, 0, err)) != MPP_OK)
		return rc;
	return db_walk(&l->db, fn, arg, err);
}

static mpp_err lmdb_commit(struct store *s, const mpp_bytes *batches, size_t n,
			   struct store_error *err)
{
	struct lmdb *l = (struct lmdb *)s;
	size_t ops = 0;
	mpp_err rc;

	if ((rc = batch_check(batches, n, &ops, err)) != MPP_OK)
		return rc;
	if (ops == 0)
		return MPP_OK;
	return db_commit(&l->db, &l->at, batches, n, err);
}

/* The lock goes last, when nothing can be written any more. */
static void lmdb_close(struct store *s)
{
	struct lmdb *l = (struct lmdb *)s;

	db_close(&l->db);
	if (l->lock_fd >= 0)
		close(l->lock_fd);
	free(l);
}

static const struct store_ops lmdb_ops = {
	.name = "lmdb",
	.load = lmdb_load,
	.commit = lmdb_commit,
	.close = lmdb_close,
};

static void set_dir(struct lmdb *l, const char *path)
{
	const char *dir;

	snprintf(l->dir, sizeof(l->dir), "%s", path);
	dir = dirname(l->dir); /* inside l->dir, or a text of its own */
	memmove(l->dir, dir, strlen(dir) + 1);
}

mpp_err store_lmdb_open(const char *path, size_t map_size, struct store **out,
			struct store_error *err)
{
	struct lmdb *l;
	mpp_err rc;

	if ((rc = check_arguments(path, map_size, err)) != MPP_OK)
		return rc;
	if ((l = calloc(1, sizeof(*l))) == NULL)
		return store_fail(err, MPP_ERR_NOMEM, "out of memory");
	l->store.ops = &lmdb_ops;
	l->lock_fd = -1;
	snprintf(l->path, sizeof(l->path), "%s", path);
	set_dir(l, path);
	l->at = (struct db_place){l->path, map_size};
	if ((rc = open_all(l, err)) != MPP_OK) {
		lmdb_close(&l->store);
		return rc;
	}
	*out = &l->store;
	return MPP_OK;
}
