/* SPDX-License-Identifier: MIT */
/* statedir.c - see statedir.h. The lock is on the directory itself, so that it
 * is taken before anything in there is touched. */
#include "mppd/statedir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

enum { DIR_MODE = 0700 };

static mpp_err fail(struct fault *f, const char *what, const char *path)
{
	const int e = errno;

	return fault_set(f, MPP_ERR_IO,
			 e == ENOSPC || e == EIO || e == EDQUOT ? EX_IOERR
								: EX_CANTCREAT,
			 "cannot %s the state directory %s: %s%s", what, path,
			 strerror(e),
			 e == ENOENT    ? "; make the directory above it"
			 : e == ENOTDIR ? "; choose another [service] state"
			 : e == EACCES  ? "; it must belong to the user that "
					  "runs mppd"
					: "");
}

static mpp_err check(int fd, const char *path, struct fault *f)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return fail(f, "look at", path);
	if ((st.st_mode & 022) != 0)
		return fault_set(f, MPP_ERR_AUTH, EX_NOPERM,
				 "others may write into the state directory "
				 "%s (mode %04o): do chmod 0700 on it",
				 path, (unsigned)(st.st_mode & 07777));
	if (faccessat(fd, ".", R_OK | W_OK | X_OK, AT_EACCESS) != 0)
		return fail(f, "write into", path);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return MPP_OK;
	if (errno != EWOULDBLOCK)
		return fail(f, "lock", path);
	return fault_set(f, MPP_ERR_EXISTS, EX_OSERR,
			 "another mppd uses the state directory %s: stop it, "
			 "or choose another [service] state",
			 path);
}

/* What is in a directory is safe only when its own name is: else the first
 * power cut may take all of it. A directory that was there already may have
 * been made by a start that ended just here, so it is tried as well; but then
 * the one above may be none that we may read. */
static mpp_err sync_name(int fd, bool made, const char *path, struct fault *f)
{
	const int above = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool done;
	int e;

	if (above < 0)
		return made ? fail(f, "look above", path) : MPP_OK;
	done = fsync(above) == 0;
	e = errno;
	(void)close(above);
	errno = e;
	return done || !made ? MPP_OK : fail(f, "sync the name of", path);
}

/* Names in it that a start made which was killed before it synced them are
 * taken for safe from here on, so they are made so. */
static mpp_err sync_all(int fd, bool made, const char *path, struct fault *f)
{
	const mpp_err err = sync_name(fd, made, path, f);

	if (err != MPP_OK)
		return err;
	return fsync(fd) == 0 ? MPP_OK : fail(f, "sync", path);
}

mpp_err statedir_take(const char *path, int *fd, struct fault *f)
{
	const bool made = mkdir(path, DIR_MODE) == 0;
	mpp_err err;
	int got;

	if (!made && errno != EEXIST)
		return fail(f, "make", path);
	got = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (got < 0)
		return fail(f, "open", path);
	if ((err = check(got, path, f)) != MPP_OK ||
	    (err = sync_all(got, made, path, f)) != MPP_OK) {
		(void)close(got);
		return err;
	}
	*fd = got;
	return MPP_OK;
}
