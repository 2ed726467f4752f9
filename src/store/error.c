/* SPDX-License-Identifier: MIT */
/* error.c - see error.h. */
#include "store/error.h"

#include <errno.h>
#include <lmdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
	WHERE_MAX = 200, /* leaves room for the path and the advice */
	NEARLY_FULL_KIB = 64,
};

mpp_err store_fail(struct store_error *err, mpp_err code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return code;
}

mpp_err store_damaged(struct store_error *err, const char *path,
		      const char *fmt, ...)
{
	char where[WHERE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(where, sizeof(where), fmt, ap);
	va_end(ap);
	return store_fail(err, MPP_ERR_CHECKSUM,
			  "the store %.180s is damaged: %s; nothing was "
			  "changed: put back a copy, or move the file away to "
			  "start empty",
			  path, where);
}

/* Free room for this user beside path; false when it cannot be told. */
static bool free_kib(const char *path, unsigned long long *kib)
{
	struct statvfs v;

	if (statvfs(path, &v) != 0)
		return false;
	*kib = (unsigned long long)v.f_bavail * v.f_frsize / 1024;
	return true;
}

static mpp_err fail_full(struct store_error *err, const char *path,
			 const char *what)
{
	return store_fail(err, MPP_ERR_STORE,
			  "cannot %s %.300s: the disk is full; free some "
			  "space and try again, what was stored is intact",
			  what, path);
}

/* LMDB calls a short write, which is what a disk that has just become full
 * does, an i/o error: look at the disk before blaming it. */
static mpp_err fail_io(struct store_error *err, const char *path,
		       const char *what)
{
	unsigned long long kib;

	if (free_kib(path, &kib) && kib < NEARLY_FULL_KIB)
		return fail_full(err, path, what);
	return store_fail(err, MPP_ERR_STORE,
			  "cannot %s %.300s: input/output error; look at the "
			  "disk and the kernel's log",
			  what, path);
}

static bool is_damage(int rc)
{
	return rc == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND ||
	       rc == MDB_INVALID || rc == MDB_VERSION_MISMATCH ||
	       rc == MDB_NOTFOUND || rc == MDB_INCOMPATIBLE;
}

mpp_err store_fail_rc(struct store_error *err, const char *path,
		      const char *what, int rc)
{
	if (is_damage(rc))
		return store_damaged(err, path, "%s", mdb_strerror(rc));
	switch (rc) {
	case ENOSPC:
	case EDQUOT:
		return fail_full(err, path, what);
	case EIO:
		return fail_io(err, path, what);
	case ENOMEM:
		return store_fail(err, MPP_ERR_NOMEM,
				  "cannot %s %.300s: out of memory", what,
				  path);
	case EACCES:
	case EPERM:
		return store_fail(err, MPP_ERR_STORE,
				  "cannot %s %.300s: permission denied; it "
				  "must belong to the user that runs this "
				  "(uid %ld)",
				  what, path, (long)geteuid());
	case MDB_MAP_FULL:
		return store_fail(err, MPP_ERR_STORE,
				  "cannot %s %.300s: the store has reached "
				  "its largest allowed size; allow it more, "
				  "what was stored is intact",
				  what, path);
	default:
		return store_fail(err, MPP_ERR_STORE, "cannot %s %.300s: %s",
				  what, path, mdb_strerror(rc));
	}
}
