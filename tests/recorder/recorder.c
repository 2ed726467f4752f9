/* SPDX-License-Identifier: MIT */
/* recorder.c - put before a program with LD_PRELOAD, it notes everything that
 * the program does to the files of one directory and when that is safe, so
 * that a test can build what a power cut would have left at any moment.
 *
 *   MPP_RECORD_DIR  the directory, an absolute path, with all in it; of the
 *                   directory above it only syncs are noted
 *   MPP_RECORD_LOG  where to note it, outside of that directory
 *   MPP_RECORD_KILL after so many notes the process kills itself; 0: never
 *
 * A note is a struct note, then the path, the second path and the octets. It
 * is written when the call has returned; a lock makes each call and its note
 * one step, so that the notes are in the order in which things happened.
 *
 * The calls go to the kernel directly: there is nothing to look up, so all
 * works before any constructor has run. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FRONT __attribute__((visibility("default")))

enum { FDS = 65536, LOG_FD_MIN = 500 };

/* The reader knows them by these letters. */
enum kind {
	OPENED = 'o',
	CLOSED = 'c',
	WROTE = 'w',
	TRUNCATED = 't',
	SYNCED = 's',
	RENAMED = 'r',
	LINKED = 'l',
	UNLINKED = 'u',
	DIR_MADE = 'd',
	MAPPED = 'm', /* for writing: what is written this way is not seen */
	STRANGE = 'x' /* a call that changes files in a way not known here */
};

struct note {
	uint32_t kind;
	int32_t pid;
	int32_t fd;
	uint32_t flags; /* of open(); of the descriptor for a write */
	uint64_t time;  /* CLOCK_MONOTONIC, nanoseconds */
	uint64_t at;    /* where in the file; the size for TRUNCATED */
	uint32_t path_len;
	uint32_t other_len;
	uint64_t data_len;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool followed[FDS];
static int log_fd = -1;
static unsigned long notes, kill_at;

/* ---- notes ---- */

static bool is_followed(int fd)
{
	return fd >= 0 && fd < FDS && followed[fd];
}

static void open_log(void)
{
	const char *path = getenv("MPP_RECORD_LOG");
	int fd;

	if (log_fd >= 0)
		return;
	if (path == NULL)
		abort();
	if (getenv("MPP_RECORD_KILL") != NULL)
		kill_at = strtoul(getenv("MPP_RECORD_KILL"), NULL, 10);
	fd = (int)syscall(SYS_openat, AT_FDCWD, path,
			  O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	/* Out of the way: descriptors have the numbers they always have. */
	log_fd = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, LOG_FD_MIN);
	if (fd < 0 || log_fd < 0)
		abort();
	(void)syscall(SYS_close, fd);
}

/* One write for all: what was noted by a child stands between whole notes. */
static void put(struct note *n, const char *path, const char *other,
		const struct iovec *data, int count)
{
	struct iovec v[3 + IOV_MAX];
	struct timespec now;
	const int e = errno;
	size_t sum = sizeof(*n);
	int i;

	open_log();
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	n->time = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	n->pid = (int32_t)getpid();
	n->path_len = path == NULL ? 0 : (uint32_t)strlen(path);
	n->other_len = other == NULL ? 0 : (uint32_t)strlen(other);
	v[0] = (struct iovec){n, sizeof(*n)};
	v[1] = (struct iovec){(void *)(uintptr_t)path, n->path_len};
	v[2] = (struct iovec){(void *)(uintptr_t)other, n->other_len};
	for (i = 0; i < count; i++)
		v[3 + i] = data[i];
	sum += n->path_len + n->other_len + n->data_len;
	if (syscall(SYS_writev, log_fd, v, 3 + count) != (long)sum)
		abort();
	if (++notes == kill_at)
		(void)kill(getpid(), SIGKILL);
	errno = e;
}

static void put_fd(enum kind kind, int fd, uint64_t at)
{
	struct note n = {.kind = kind, .fd = fd, .at = at};

	put(&n, NULL, NULL, NULL, 0);
}

static void put_path(enum kind kind, const char *path, const char *other)
{
	struct note n = {.kind = kind, .fd = -1};

	put(&n, path, other, NULL, 0);
}

/* ---- paths ---- */

/* An absolute path without a slash or /.. at its end, or "" when there is
 * none. */
static void resolve(int dir, const char *path, char out[PATH_MAX])
{
	char link[64];
	ssize_t n = 0;
	size_t len;

	out[0] = '\0';
	if (path[0] != '/' && dir == AT_FDCWD)
		n = getcwd(out, PATH_MAX) == NULL ? -1 : (ssize_t)strlen(out);
	else if (path[0] != '/') {
		(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
		n = readlink(link, out, PATH_MAX - 1);
	}
	if (n < 0)
		n = 0;
	len = (size_t)n;
	(void)snprintf(out + len, PATH_MAX - len, "%s%s",
		       path[0] == '/' ? "" : "/", path);
	len = strlen(out);
	while (len > 1 && out[len - 1] == '/')
		out[--len] = '\0';
	if (len > 3 && strcmp(out + len - 3, "/..") == 0) {
		out[len - 3] = '\0';
		*strrchr(out, '/') = '\0';
	}
}

static bool is_ours(const char *path)
{
	const char *dir = getenv("MPP_RECORD_DIR");
	const size_t n = dir == NULL ? 0 : strlen(dir);

	return n > 0 && strncmp(path, dir, n) == 0 &&
	       (path[n] == '\0' || path[n] == '/');
}

static bool is_above(const char *path)
{
	const char *dir = getenv("MPP_RECORD_DIR");
	const char *slash = dir == NULL ? NULL : strrchr(dir, '/');

	return slash != NULL && strlen(path) == (size_t)(slash - dir) &&
	       strncmp(path, dir, strlen(path)) == 0;
}

/* ---- opening and closing ---- */

static int open_any(int dir, const char *path, int flags, mode_t mode)
{
	char whole[PATH_MAX];
	int fd;

	resolve(dir, path, whole);
	if (!is_ours(whole) && !is_above(whole))
		return (int)syscall(SYS_openat, dir, path, flags, mode);
	pthread_mutex_lock(&lock);
	fd = (int)syscall(SYS_openat, dir, path, flags, mode);
	if (fd >= FDS)
		abort();
	if (fd >= 0) {
		struct note n = {
			.kind = OPENED, .fd = fd, .flags = (uint32_t)flags};

		followed[fd] = true;
		put(&n, whole, NULL, NULL, 0);
	}
	pthread_mutex_unlock(&lock);
	return fd;
}

static mode_t mode_of(int flags, va_list args)
{
	return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;
}

#define OPEN(name)                                            \
	FRONT int name(const char *path, int flags, ...)      \
	{                                                     \
		va_list args;                                 \
		mode_t mode;                                  \
                                                              \
		va_start(args, flags);                        \
		mode = mode_of(flags, args);                  \
		va_end(args);                                 \
		return open_any(AT_FDCWD, path, flags, mode); \
	}                                                     \
	struct needs_semicolon

#define OPENAT(name)                                              \
	FRONT int name(int dir, const char *path, int flags, ...) \
	{                                                         \
		va_list args;                                     \
		mode_t mode;                                      \
                                                                  \
		va_start(args, flags);                            \
		mode = mode_of(flags, args);                      \
		va_end(args);                                     \
		return open_any(dir, path, flags, mode);          \
	}                                                         \
	struct needs_semicolon

OPEN(open);
OPEN(open64);
OPENAT(openat);
OPENAT(openat64);

FRONT int creat(const char *path, mode_t mode)
{
	return open_any(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

/* What fortified programs call when no mode is given. */
FRONT int __open_2(const char *path, int flags)
{
	return open_any(AT_FDCWD, path, flags, 0);
}

FRONT int __open64_2(const char *path, int flags)
{
	return open_any(AT_FDCWD, path, flags, 0);
}

FRONT int __openat_2(int dir, const char *path, int flags)
{
	return open_any(dir, path, flags, 0);
}

FRONT int __openat64_2(int dir, const char *path, int flags)
{
	return open_any(dir, path, flags, 0);
}

FRONT int close(int fd)
{
	int done;

	if (!is_followed(fd))
		return (int)syscall(SYS_close, fd);
	pthread_mutex_lock(&lock);
	put_fd(CLOSED, fd, 0);
	followed[fd] = false;
	done = (int)syscall(SYS_close, fd);
	pthread_mutex_unlock(&lock);
	return done;
}

/* ---- writing ---- */

static void put_write(int fd, const struct iovec *v, int count, uint64_t at,
		      size_t len)
{
	struct note n = {.kind = WROTE,
			 .fd = fd,
			 .flags = (uint32_t)syscall(SYS_fcntl, fd, F_GETFL),
			 .at = at,
			 .data_len = len};
	struct iovec cut[IOV_MAX];
	int i;

	for (i = 0; i < count && len > 0; i++) {
		cut[i] = v[i];
		if (cut[i].iov_len > len)
			cut[i].iov_len = len;
		len -= cut[i].iov_len;
	}
	put(&n, NULL, NULL, cut, i);
}

/* at < 0: at the file's own place, and behind what is there for O_APPEND */
static ssize_t write_any(int fd, const struct iovec *v, int count, off_t at)
{
	ssize_t done;
	off_t end;

	if (!is_followed(fd))
		return at < 0 ? syscall(SYS_writev, fd, v, count)
			      : syscall(SYS_pwritev, fd, v, count, at, 0);
	pthread_mutex_lock(&lock);
	done = at < 0 ? syscall(SYS_writev, fd, v, count)
		      : syscall(SYS_pwritev, fd, v, count, at, 0);
	if (done > 0) {
		const int e = errno;

		end = at < 0 ? syscall(SYS_lseek, fd, 0, SEEK_CUR) : at + done;
		put_write(fd, v, count, (uint64_t)(end - done), (size_t)done);
		errno = e;
	}
	pthread_mutex_unlock(&lock);
	return done;
}

static ssize_t write_one(int fd, const void *p, size_t n, off_t at)
{
	const struct iovec v = {(void *)(uintptr_t)p, n};

	return write_any(fd, &v, 1, at);
}

FRONT ssize_t write(int fd, const void *p, size_t n)
{
	return write_one(fd, p, n, -1);
}

FRONT ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	return write_one(fd, p, n, at);
}

FRONT ssize_t pwrite64(int fd, const void *p, size_t n, off_t at)
{
	return write_one(fd, p, n, at);
}

FRONT ssize_t writev(int fd, const struct iovec *v, int count)
{
	return write_any(fd, v, count, -1);
}

FRONT ssize_t pwritev(int fd, const struct iovec *v, int count, off_t at)
{
	return write_any(fd, v, count, at);
}

FRONT ssize_t pwritev64(int fd, const struct iovec *v, int count, off_t at)
{
	return write_any(fd, v, count, at);
}

static int truncate_any(int fd, off_t len)
{
	int done;

	pthread_mutex_lock(&lock);
	done = (int)syscall(SYS_ftruncate, fd, len);
	if (done == 0 && is_followed(fd))
		put_fd(TRUNCATED, fd, (uint64_t)len);
	pthread_mutex_unlock(&lock);
	return done;
}

FRONT int ftruncate(int fd, off_t len)
{
	return truncate_any(fd, len);
}

FRONT int ftruncate64(int fd, off_t len)
{
	return truncate_any(fd, len);
}

/* It makes the file longer, or leaves it as it is. */
FRONT int posix_fallocate(int fd, off_t at, off_t len)
{
	int done = 0;
	const int e = errno;

	pthread_mutex_lock(&lock);
	if (syscall(SYS_fallocate, fd, 0, at, len) != 0)
		done = errno;
	else if (is_followed(fd))
		put_fd(TRUNCATED, fd,
		       (uint64_t)syscall(SYS_lseek, fd, 0, SEEK_END));
	pthread_mutex_unlock(&lock);
	errno = e;
	return done;
}

/* ---- syncing ---- */

static int sync_any(long call, int fd)
{
	int done;

	pthread_mutex_lock(&lock);
	done = (int)syscall(call, fd);
	if (done == 0 && is_followed(fd))
		put_fd(SYNCED, fd, 0);
	pthread_mutex_unlock(&lock);
	return done;
}

FRONT int fsync(int fd)
{
	return sync_any(SYS_fsync, fd);
}

FRONT int fdatasync(int fd)
{
	return sync_any(SYS_fdatasync, fd);
}

/* ---- names ---- */

static int name_any(enum kind kind, long call, int dir, const char *path,
		    long argument)
{
	char whole[PATH_MAX];
	int done;

	resolve(dir, path, whole);
	pthread_mutex_lock(&lock);
	done = (int)syscall(call, dir, path, argument);
	if (done == 0 && is_ours(whole))
		put_path(kind, whole, NULL);
	pthread_mutex_unlock(&lock);
	return done;
}

FRONT int unlink(const char *path)
{
	return name_any(UNLINKED, SYS_unlinkat, AT_FDCWD, path, 0);
}

FRONT int unlinkat(int dir, const char *path, int flags)
{
	return name_any(UNLINKED, SYS_unlinkat, dir, path, flags);
}

FRONT int mkdir(const char *path, mode_t mode)
{
	return name_any(DIR_MADE, SYS_mkdirat, AT_FDCWD, path, (long)mode);
}

FRONT int mkdirat(int dir, const char *path, mode_t mode)
{
	return name_any(DIR_MADE, SYS_mkdirat, dir, path, (long)mode);
}

struct two {
	int from_dir;
	const char *from;
	int to_dir;
	const char *to;
};

static int move_any(enum kind kind, long call, const struct two *t, long flags)
{
	char from[PATH_MAX], to[PATH_MAX];
	int done;

	resolve(t->from_dir, t->from, from);
	resolve(t->to_dir, t->to, to);
	pthread_mutex_lock(&lock);
	done = (int)syscall(call, t->from_dir, t->from, t->to_dir, t->to,
			    flags);
	if (done == 0 && (is_ours(from) || is_ours(to)))
		put_path(kind, from, to);
	pthread_mutex_unlock(&lock);
	return done;
}

FRONT int rename(const char *from, const char *to)
{
	const struct two t = {AT_FDCWD, from, AT_FDCWD, to};

	return move_any(RENAMED, SYS_renameat2, &t, 0);
}

FRONT int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	const struct two t = {from_dir, from, to_dir, to};

	return move_any(RENAMED, SYS_renameat2, &t, 0);
}

FRONT int link(const char *from, const char *to)
{
	const struct two t = {AT_FDCWD, from, AT_FDCWD, to};

	return move_any(LINKED, SYS_linkat, &t, 0);
}

FRONT int linkat(int from_dir, const char *from, int to_dir, const char *to,
		 int flags)
{
	const struct two t = {from_dir, from, to_dir, to};

	return move_any(LINKED, SYS_linkat, &t, flags);
}

/* ---- what is not understood ---- */

static void *map_any(void *p, size_t n, int prot, int flags, int fd, off_t at)
{
	void *got = (void *)syscall(SYS_mmap, p, n, prot, flags, fd, at);

	if (got != MAP_FAILED && is_followed(fd) && (flags & MAP_SHARED) != 0 &&
	    (prot & PROT_WRITE) != 0) {
		pthread_mutex_lock(&lock);
		put_fd(MAPPED, fd, 0);
		pthread_mutex_unlock(&lock);
	}
	return got;
}

FRONT void *mmap(void *p, size_t n, int prot, int flags, int fd, off_t at)
{
	return map_any(p, n, prot, flags, fd, at);
}

FRONT void *mmap64(void *p, size_t n, int prot, int flags, int fd, off_t at)
{
	return map_any(p, n, prot, flags, fd, at);
}

static void strange(int fd)
{
	pthread_mutex_lock(&lock);
	if (is_followed(fd))
		put_fd(STRANGE, fd, 0);
	pthread_mutex_unlock(&lock);
}

FRONT int fallocate(int fd, int mode, off_t at, off_t len)
{
	strange(fd);
	return (int)syscall(SYS_fallocate, fd, mode, at, len);
}

FRONT ssize_t copy_file_range(int in, off_t *at, int fd, off_t *to, size_t n,
			      unsigned flags)
{
	strange(fd);
	return syscall(SYS_copy_file_range, in, at, fd, to, n, flags);
}
