/* SPDX-License-Identifier: MIT */
/* lock.c - see lock.h. The process number in the file is for people: the lock
 * itself is flock(2). */
#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/error.h"

enum {
	PID_TEXT = 24,
};

static mpp_err fail_held(int fd, const char *path, struct store_error *err)
{
	char text[PID_TEXT + 1] = "";
	ssize_t n = pread(fd, text, PID_TEXT, 0);
	long pid = n > 0 ? strtol(text, NULL, 10) : 0;

	if (pid <= 0)
		return store_fail(err, MPP_ERR_STORE,
				  "the store %.300s is in use by another "
				  "process; stop that one first",
				  path);
	return store_fail(err, MPP_ERR_STORE,
			  "the store %.300s is in use by process %ld; stop "
			  "that one first",
			  path, pid);
}

/* On a full disk the number stays away, and only the message is poorer. */
static void note_pid(int fd)
{
	char text[PID_TEXT];
	int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

	if (ftruncate(fd, 0) == 0 && n > 0 &&
	    pwrite(fd, text, (size_t)n, 0) != n)
		(void)!ftruncate(fd, 0);
}

static mpp_err lock_file(int fd, const char *path, const char *name,
			 struct store_error *err)
{
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno == EWOULDBLOCK)
			return fail_held(fd, path, err);
		return store_fail_rc(err, name, "lock", errno);
	}
	if (fchmod(fd, 0600) != 0)
		return store_fail_rc(err, name, "set the mode of", errno);
	note_pid(fd);
	return MPP_OK;
}

mpp_err lock_take(const char *path, int *fd, struct store_error *err)
{
	char name[PATH_MAX + sizeof(".lock")];
	mpp_err rc;
	int got;

	snprintf(name, sizeof(name), "%s.lock", path);
	got = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (got < 0)
		return store_fail_rc(err, name, "open", errno);
	if ((rc = lock_file(got, path, name, err)) != MPP_OK) {
		close(got);
		return rc;
	}
	*fd = got;
	return MPP_OK;
}
