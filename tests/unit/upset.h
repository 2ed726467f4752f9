/* SPDX-License-Identifier: MIT */
/* upset.h - while it is armed, the n-th call that opens, writes, syncs, renames
 * or closes a file fails. These functions stand before those of the C library;
 * they call the kernel, unless the failure is due. A write may also be cut
 * short, which is no failure.
 *
 * For one source of a test program: it defines functions. */
#ifndef TESTS_UNIT_UPSET_H
#define TESTS_UNIT_UPSET_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { UPSET_SHORT = -1 }; /* as an error: half is written */

static struct {
	int countdown; /* 0: off; 1: the next call fails */
	bool go_on;    /* and all later ones */
	int error;
	int reached;
	const char *last; /* the call that failed first */
} upset;

static inline void upset_arm(int n, int error, bool go_on)
{
	upset.countdown = n;
	upset.error = error;
	upset.go_on = go_on;
	upset.reached = 0;
	upset.last = "";
}

static inline void upset_disarm(void)
{
	upset.countdown = 0;
}

static bool upset_due(const char *name)
{
	if (upset.countdown == 0 || --upset.countdown > 0)
		return false;
	if (upset.reached++ == 0)
		upset.last = name;
	upset.countdown = upset.go_on ? 1 : 0;
	errno = upset.error;
	return true;
}

/* Only a write can be cut short; all else then goes well. */
static bool upset_fails(const char *name)
{
	return upset_due(name) && upset.error != UPSET_SHORT;
}

#define UPSET_FRONT __attribute__((visibility("default")))

UPSET_FRONT int open(const char *path, int flags, ...)
{
	va_list args;
	unsigned mode;

	va_start(args, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(args, unsigned) : 0;
	va_end(args);
	if (upset_fails("open"))
		return -1;
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

UPSET_FRONT int openat(int dir, const char *path, int flags, ...)
{
	va_list args;
	unsigned mode;

	va_start(args, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(args, unsigned) : 0;
	va_end(args);
	if (upset_fails("openat"))
		return -1;
	return (int)syscall(SYS_openat, dir, path, flags, mode);
}

UPSET_FRONT ssize_t write(int fd, const void *p, size_t n)
{
	if (upset_due("write")) {
		if (upset.error != UPSET_SHORT)
			return -1;
		n = n > 1 ? n / 2 : n;
	}
	return syscall(SYS_write, fd, p, n);
}

UPSET_FRONT ssize_t read(int fd, void *p, size_t n)
{
	if (upset_due("read")) {
		if (upset.error != UPSET_SHORT)
			return -1;
		n = n > 1 ? n / 2 : n;
	}
	return syscall(SYS_read, fd, p, n);
}

UPSET_FRONT int fsync(int fd)
{
	return upset_fails("fsync") ? -1 : (int)syscall(SYS_fsync, fd);
}

UPSET_FRONT int fchmod(int fd, mode_t mode)
{
	return upset_fails("fchmod") ? -1 : (int)syscall(SYS_fchmod, fd, mode);
}

UPSET_FRONT int rename(const char *from, const char *to)
{
	return upset_fails("rename") ? -1
				     : (int)syscall(SYS_renameat2, AT_FDCWD,
						    from, AT_FDCWD, to, 0);
}

UPSET_FRONT int renameat(int from_dir, const char *from, int to_dir,
			 const char *to)
{
	return upset_fails("renameat") ? -1
				       : (int)syscall(SYS_renameat2, from_dir,
						      from, to_dir, to, 0);
}

/* A failing close() has closed all the same. */
UPSET_FRONT int close(int fd)
{
	const bool fails = upset_fails("close");
	const int done = (int)syscall(SYS_close, fd);

	if (fails)
		errno = upset.error;
	return fails ? -1 : done;
}

#endif
