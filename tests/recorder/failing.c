/* SPDX-License-Identifier: MIT */
/* failing.c - put before a program with LD_PRELOAD, it lets the n-th call of
 * one kind fail. Which, when and how stands in a file of struct control,
 * MPP_FAIL_CONTROL, which a test may change while the program runs; there it
 * also reads how many calls there were and how many failed.
 *
 * Of files only those below MPP_FAIL_DIR count, so that the program's log and
 * the libraries it loads do not. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FRONT __attribute__((visibility("default")))

enum kind {
	ALLOCATION = 1,
	SEND,
	RECEIVE,
	WAIT,
	OPEN,
	WRITE,
	SYNC,
	RENAME,
	KINDS
};

struct control {
	int32_t kind;
	int32_t error;     /* 0: done by half, for those that can be */
	int64_t countdown; /* 0: off; 1: the next call fails */
	int64_t failed;
	int64_t calls[KINDS];
};

static struct control *control;
static bool is_set_up;

__attribute__((constructor)) static void set_up(void)
{
	const char *path = getenv("MPP_FAIL_CONTROL");
	void *p;
	int fd;

	is_set_up = true;
	if (path == NULL)
		return;
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
	p = fd < 0 ? MAP_FAILED
		   : mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE,
			  MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		_exit(125);
	(void)syscall(SYS_close, fd);
	control = p;
}

/* Count it. @return whether it is the one that fails; then errno is set */
static bool due(enum kind kind)
{
	struct control *c = control;

	if (c == NULL)
		return false;
	(void)__atomic_add_fetch(&c->calls[kind], 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&c->kind, __ATOMIC_SEQ_CST) != (int32_t)kind ||
	    __atomic_load_n(&c->countdown, __ATOMIC_SEQ_CST) <= 0 ||
	    __atomic_sub_fetch(&c->countdown, 1, __ATOMIC_SEQ_CST) != 0)
		return false;
	(void)__atomic_add_fetch(&c->failed, 1, __ATOMIC_SEQ_CST);
	errno = c->error;
	return true;
}

/* ---- allocations ---- */

/* Where a sanitizer is, its functions stand next. Until this library is set
 * up, and while those are looked up, memory comes from here and is never given
 * back. */
static char early[1 << 18];
static size_t early_used;

static void *take_early(size_t n)
{
	void *p = early + early_used;

	n = (n + 15) / 16 * 16;
	if (n > sizeof(early) - early_used)
		_exit(125);
	early_used += n;
	return p;
}

static bool is_early(const void *p)
{
	return (const char *)p >= early &&
	       (const char *)p < early + sizeof(early);
}

/* How much there may be at p at most: all up to the end of what was taken. */
static size_t early_len(const void *p)
{
	return (size_t)(early + early_used - (const char *)p);
}

/* The function that this one stands before, or NULL while that is unknown. */
static void *next(const char *name, void **kept)
{
	static __thread bool looking;

	if (*kept == NULL && is_set_up && !looking) {
		looking = true;
		*kept = dlsym(RTLD_NEXT, name);
		looking = false;
	}
	return *kept;
}

/* ISO C knows no way from an object's address to a function's. */
#define NEXT(type, name)                 \
	static void *kept;               \
	type *real;                      \
	void *found = next(name, &kept); \
	memcpy(&real, &found, sizeof(real))

typedef void *malloc_fn(size_t n);
typedef void *calloc_fn(size_t n, size_t each);
typedef void *realloc_fn(void *p, size_t n);
typedef int memalign_fn(void **out, size_t align, size_t n);
typedef void *aligned_fn(size_t align, size_t n);
typedef void free_fn(void *p);

FRONT void *malloc(size_t n)
{
	NEXT(malloc_fn, "malloc");
	if (real == NULL)
		return take_early(n);
	return due(ALLOCATION) ? NULL : real(n);
}

FRONT void *calloc(size_t n, size_t each)
{
	NEXT(calloc_fn, "calloc");
	if (real == NULL)
		return take_early(n * each);
	return due(ALLOCATION) ? NULL : real(n, each);
}

/* What is moved out of the early memory takes along what may be its own. */
static void *move_early(void *p, size_t n, malloc_fn *real)
{
	const size_t had = p == NULL ? 0 : early_len(p);
	void *to = real == NULL ? take_early(n) : real(n);

	if (to != NULL && p != NULL)
		memcpy(to, p, n < had ? n : had);
	return to;
}

FRONT void *realloc(void *p, size_t n)
{
	NEXT(realloc_fn, "realloc");
	if (real == NULL)
		return move_early(p, n, NULL);
	if (due(ALLOCATION))
		return NULL;
	return is_early(p) ? move_early(p, n, malloc) : real(p, n);
}

FRONT int posix_memalign(void **out, size_t align, size_t n)
{
	NEXT(memalign_fn, "posix_memalign");
	if (real == NULL)
		_exit(125);
	return due(ALLOCATION) ? ENOMEM : real(out, align, n);
}

FRONT void *aligned_alloc(size_t align, size_t n)
{
	NEXT(aligned_fn, "aligned_alloc");
	if (real == NULL)
		_exit(125);
	return due(ALLOCATION) ? NULL : real(align, n);
}

static void free_later(void *p)
{
	NEXT(free_fn, "free");
	if (real != NULL)
		real(p);
}

FRONT void free(void *p)
{
	if (p != NULL && !is_early(p))
		free_later(p);
}

/* ---- the network ---- */

FRONT int sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags)
{
	if (due(SEND)) {
		if (errno != 0)
			return -1;
		n = n > 1 ? n / 2 : n;
	}
	return (int)syscall(SYS_sendmmsg, fd, m, n, flags);
}

FRONT int recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags,
		   struct timespec *wait)
{
	if (due(RECEIVE)) {
		if (errno != 0)
			return -1;
		n = 1;
	}
	return (int)syscall(SYS_recvmmsg, fd, m, n, flags, wait);
}

FRONT int epoll_wait(int fd, struct epoll_event *e, int n, int ms)
{
	if (due(WAIT)) {
		if (errno != 0)
			return -1;
		n = 1;
	}
	return (int)syscall(SYS_epoll_pwait, fd, e, n, ms, NULL, 8);
}

/* ---- files ---- */

static bool is_ours(const char *path)
{
	const char *dir = getenv("MPP_FAIL_DIR");

	return dir != NULL && strncmp(path, dir, strlen(dir)) == 0;
}

static bool is_ours_at(int dir, const char *path)
{
	char link[64], target[4096];
	ssize_t n;

	if (path != NULL && path[0] == '/')
		return is_ours(path);
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
	n = readlink(link, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	return is_ours(target);
}

static int open_any(int dir, const char *path, int flags, mode_t mode)
{
	if (is_ours_at(dir, path) && due(OPEN))
		return -1;
	return (int)syscall(SYS_openat, dir, path, flags, mode);
}

FRONT int open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
	va_end(args);
	return open_any(AT_FDCWD, path, flags, mode);
}

FRONT int openat(int dir, const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
	va_end(args);
	return open_any(dir, path, flags, mode);
}

FRONT ssize_t write(int fd, const void *p, size_t n)
{
	if (fd > STDERR_FILENO && is_ours_at(fd, NULL) && due(WRITE)) {
		if (errno != 0)
			return -1;
		n = n > 1 ? n / 2 : n;
	}
	return syscall(SYS_write, fd, p, n);
}

FRONT ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	if (is_ours_at(fd, NULL) && due(WRITE)) {
		if (errno != 0)
			return -1;
		n = n > 1 ? n / 2 : n;
	}
	return syscall(SYS_pwrite64, fd, p, n, at);
}

FRONT ssize_t writev(int fd, const struct iovec *v, int n)
{
	if (is_ours_at(fd, NULL) && due(WRITE)) {
		if (errno != 0)
			return -1;
		n = n > 1 ? n / 2 : n;
	}
	return syscall(SYS_writev, fd, v, n);
}

FRONT int fsync(int fd)
{
	if (is_ours_at(fd, NULL) && due(SYNC))
		return -1;
	return (int)syscall(SYS_fsync, fd);
}

FRONT int fdatasync(int fd)
{
	if (is_ours_at(fd, NULL) && due(SYNC))
		return -1;
	return (int)syscall(SYS_fdatasync, fd);
}

FRONT int rename(const char *from, const char *to)
{
	if (is_ours_at(AT_FDCWD, from) && due(RENAME))
		return -1;
	return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

FRONT int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	if (is_ours_at(from_dir, from) && due(RENAME))
		return -1;
	return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
}
