/* SPDX-License-Identifier: MIT */
/* state.c - the state file and its lock. Contract: state.h.
 *
 * A new version is written to device.json.new, made durable, and renamed over
 * the old one; the directory is made durable too. What a killed process left
 * behind under that name is removed by the next one. */
#include "loop/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "loop/fail.h"

enum {
	LOCK_TRIES = 500, /* with 10 ms between them */
	LOCK_PAUSE_NS = 10 * 1000 * 1000,
};

static const char file_name[] = "device.json";
static const char new_name[] = "device.json.new";
static const char lock_name[] = "device.lock";
static const char keep_name[] = "keep.lock";
static const char turn_name[] = "ask.lock";
static const char hold_name[] = "subscribe.lock";

/* An open state directory; lock is -1 unless held. */
struct place {
	const char *path;
	int dir;
	int lock;
	mpp_loop_error *e;
};

static mpp_err fail_in(const struct place *p, int number, const char *what,
		       const char *name)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/%s", p->path, name);
	return loop_fail_errno(p->e, number, what, path);
}

static mpp_err not_enrolled(const struct place *p)
{
	return loop_fail(p->e, MPP_ERR_NOTFOUND, EX_NOINPUT,
			 "%s: this device is not enrolled yet: ask the "
			 "operator for an invitation and run: mpp enroll URI",
			 p->path);
}

static mpp_err place_open(struct place *p)
{
	p->lock = -1;
	p->dir = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->dir >= 0)
		return MPP_OK;
	if (errno == ENOENT)
		return not_enrolled(p);
	return loop_fail_errno(p->e, errno, "cannot open", p->path);
}

static void place_close(struct place *p)
{
	if (p->lock >= 0)
		(void)close(p->lock); /* which unlocks it */
	if (p->dir >= 0)
		(void)close(p->dir);
}

/* Only for moments; whoever holds it longer was stopped in between. */
static mpp_err place_lock(struct place *p)
{
	const struct timespec pause = {0, LOCK_PAUSE_NS};
	int i;

	p->lock = openat(p->dir, lock_name,
			 O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (p->lock < 0)
		return fail_in(p, errno, "cannot open", lock_name);
	for (i = 0; i < LOCK_TRIES; i++) {
		if (flock(p->lock, LOCK_EX | LOCK_NB) == 0)
			return MPP_OK;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return fail_in(p, errno, "cannot lock", lock_name);
		(void)nanosleep(&pause, NULL);
	}
	return loop_fail(p->e, MPP_ERR_IO, EX_TEMPFAIL,
			 "%s/%s: another program holds the lock: end it, or "
			 "try again",
			 p->path, lock_name);
}

/* A private regular file of our own, of a sensible size? */
static mpp_err check_file(const struct place *p, const struct stat *st)
{
	const char *why = NULL;

	if (!S_ISREG(st->st_mode))
		why = "is not a file";
	else if (st->st_uid != geteuid())
		why = "belongs to another user: run this as its owner";
	else if ((st->st_mode & 077) != 0)
		why = "holds a secret key but others may open it: if nobody "
		      "did, run: chmod 600";
	else if (st->st_size > LOOP_STATE_MAX)
		why = "is too big to be a device's state";
	if (why == NULL)
		return MPP_OK;
	return loop_fail(p->e, MPP_ERR_SYNTAX, EX_NOPERM, "%s/%s %s", p->path,
			 file_name, why);
}

/* Read to the end, or until cap. @return octets or -1 with errno */
static ssize_t read_whole(int fd, uint8_t *out, size_t cap)
{
	size_t n = 0;
	ssize_t got;

	while (n < cap) {
		got = read(fd, out + n, cap - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

static mpp_err damaged(const struct place *p, const char *wrong)
{
	return loop_fail(p->e, MPP_ERR_SYNTAX, EX_DATAERR,
			 "%s/%s is damaged: %s. Restore it from a copy, or "
			 "move it away and enrol this device anew",
			 p->path, file_name, wrong);
}

static mpp_err decode_file(const struct place *p, int fd,
			   struct loop_state *out)
{
	uint8_t text[LOOP_STATE_MAX + 1];
	const ssize_t n = read_whole(fd, text, sizeof(text));
	const char *wrong = "it is too big";
	mpp_err err = MPP_ERR_SYNTAX;

	if (n < 0)
		return fail_in(p, errno, "cannot read", file_name);
	if (n <= LOOP_STATE_MAX)
		err = loop_state_decode((mpp_bytes){text, (size_t)n}, out,
					&wrong);
	mem_wipe(text, sizeof(text));
	return err == MPP_OK ? MPP_OK : damaged(p, wrong);
}

static mpp_err place_read(const struct place *p, struct loop_state *out)
{
	struct stat st;
	mpp_err err;
	/* Not blocking, lest a FIFO of that name holds us up. */
	const int fd = openat(p->dir, file_name,
			      O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK |
				      O_NOCTTY);

	if (fd < 0 && errno == ENOENT)
		return not_enrolled(p);
	if (fd < 0 && errno == ELOOP)
		return loop_fail(p->e, MPP_ERR_SYNTAX, EX_NOPERM,
				 "%s/%s is a symbolic link", p->path,
				 file_name);
	if (fd < 0)
		return fail_in(p, errno, "cannot open", file_name);
	if (fstat(fd, &st) != 0)
		err = fail_in(p, errno, "cannot look at", file_name);
	else
		err = check_file(p, &st);
	if (err == MPP_OK)
		err = decode_file(p, fd, out);
	(void)close(fd);
	return err;
}

static int write_whole(int fd, mpp_bytes in)
{
	ssize_t n;

	while (in.len > 0) {
		n = write(fd, in.p, in.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? errno : EIO;
		in.p += n;
		in.len -= (size_t)n;
	}
	return 0;
}

/* Make a durable new_name. @return 0 or errno */
static int write_new(const struct place *p, mpp_bytes text)
{
	int number, fd;

	if (unlinkat(p->dir, new_name, 0) != 0 && errno != ENOENT)
		return errno;
	fd = openat(p->dir, new_name,
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return errno;
	number = write_whole(fd, text);
	if (number == 0 && fsync(fd) != 0)
		number = errno;
	if (close(fd) != 0 && number == 0)
		number = errno;
	return number;
}

/* With the lock held. */
static mpp_err place_write(const struct place *p, const struct loop_state *s)
{
	uint8_t text[LOOP_STATE_MAX];
	mpp_buf buf = {text, sizeof(text), 0};
	mpp_err err = loop_state_encode(s, &buf);
	int number;

	if (err != MPP_OK)
		return loop_fail(p->e, err, EX_SOFTWARE, "%s/%s: %s", p->path,
				 file_name, mpp_err_text(err));
	number = write_new(p, (mpp_bytes){text, buf.len});
	mem_wipe(text, sizeof(text));
	if (number == 0 && renameat(p->dir, new_name, p->dir, file_name) != 0)
		number = errno;
	if (number != 0)
		(void)unlinkat(p->dir, new_name, 0);
	if (number == 0 && fsync(p->dir) != 0)
		number = errno;
	return number == 0 ? MPP_OK
			   : fail_in(p, number, "cannot write", file_name);
}

/* Make one directory durable in its parent. @return 0 or errno */
static int make_one(char *path)
{
	char *slash = strrchr(path, '/');
	int parent, number = 0;

	if (mkdir(path, 0700) != 0)
		return errno == EEXIST ? 0 : errno;
	if (slash != NULL)
		*slash = '\0';
	parent = open(slash == NULL   ? "."
		      : *path == '\0' ? "/"
				      : path,
		      O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (slash != NULL)
		*slash = '/';
	if (parent < 0)
		return errno;
	if (fsync(parent) != 0)
		number = errno;
	(void)close(parent);
	return number;
}

/* A directory with its parents, each 0700 when made here. */
static mpp_err make_directory(const char *dir, mpp_loop_error *e)
{
	char path[4096];
	int number = 0;
	char *at;

	if (dir[0] == '\0' || strlen(dir) >= sizeof(path))
		return loop_fail_errno(e, ENAMETOOLONG, "cannot make", dir);
	memcpy(path, dir, strlen(dir) + 1);
	for (at = path + 1; number == 0 && *at != '\0'; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		number = make_one(path);
		*at = '/';
	}
	if (number == 0 && path[strlen(path) - 1] != '/')
		number = make_one(path);
	return number == 0 ? MPP_OK
			   : loop_fail_errno(e, number, "cannot make", dir);
}

mpp_err loop_state_load(const char *dir, struct loop_state *out,
			mpp_loop_error *e)
{
	struct place p = {.path = dir, .e = e};
	mpp_err err = place_open(&p);

	if (err != MPP_OK)
		return err;
	err = place_read(&p, out);
	place_close(&p);
	return err;
}

static mpp_err check_instance(const struct place *p,
			      const struct loop_state *held,
			      const uint8_t instance[MPP_INSTANCE_LEN])
{
	if (memcmp(held->instance, instance, MPP_INSTANCE_LEN) == 0)
		return MPP_OK;
	return loop_fail(p->e, MPP_ERR_EXISTS, EX_CANTCREAT,
			 "%s/%s belongs to another enrolment: it was left as "
			 "it is",
			 p->path, file_name);
}

/* Merge with what is there, then write; with the lock held. */
static mpp_err replace(const struct place *p, struct loop_state *s)
{
	struct loop_state held;
	mpp_err err = place_read(p, &held);

	if (err == MPP_ERR_NOTFOUND)
		return place_write(p, s);
	if (err != MPP_OK)
		return err;
	if (held.timestamp_ms > s->timestamp_ms)
		s->timestamp_ms = held.timestamp_ms;
	/* Its token may have been used since s was read. */
	s->token_len = held.token_len;
	memcpy(s->token, held.token, sizeof(s->token));
	memcpy(s->token_secret, held.token_secret, sizeof(s->token_secret));
	memcpy(s->network_key, held.network_key, sizeof(s->network_key));
	memcpy(s->learnt, held.learnt, sizeof(s->learnt));
	err = check_instance(p, &held, s->instance);
	mem_wipe(&held, sizeof(held));
	return err == MPP_OK ? place_write(p, s) : err;
}

mpp_err loop_state_put(const char *dir, const struct loop_state *s,
		       mpp_loop_error *e)
{
	struct place p = {.path = dir, .e = e};
	struct loop_state copy = *s;
	mpp_err err = make_directory(dir, e);

	if (err == MPP_OK)
		err = place_open(&p);
	if (err != MPP_OK)
		return err;
	err = place_lock(&p);
	if (err == MPP_OK)
		err = replace(&p, &copy);
	place_close(&p);
	mem_wipe(&copy, sizeof(copy));
	return err;
}

static void set_token(struct loop_state *held, const struct loop_raise *raise)
{
	mem_wipe(held->token, sizeof(held->token));
	mem_wipe(held->token_secret, sizeof(held->token_secret));
	held->token_len = raise->token.len;
	if (raise->token.len == 0)
		return;
	memcpy(held->token, raise->token.p, raise->token.len);
	memcpy(held->token_secret, raise->token_secret,
	       sizeof(held->token_secret));
}

static void set_discovered(struct loop_state *held, const struct loop_state *s)
{
	memcpy(held->found, s->found, sizeof(held->found));
	held->n_found = s->n_found;
	if (s->n_webs == 0)
		return;
	memcpy(held->webs, s->webs, sizeof(held->webs));
	held->n_webs = s->n_webs;
}

void loop_state_first(struct loop_state *s, const struct loop_endpoint *ep)
{
	const struct loop_endpoint first = *ep;
	size_t i = 0;

	while (i < s->n_endpoints &&
	       (s->endpoints[i].port != first.port ||
		strcmp(s->endpoints[i].host, first.host) != 0))
		i++;
	if (i == s->n_endpoints)
		return;
	memmove(&s->endpoints[1], s->endpoints, i * sizeof(first));
	s->endpoints[0] = first;
}

static mpp_err raise_held(const struct place *p,
			  const uint8_t instance[MPP_INSTANCE_LEN],
			  const struct loop_raise *raise,
			  struct loop_state *held)
{
	mpp_err err = place_read(p, held);

	if (err == MPP_OK)
		err = check_instance(p, held, instance);
	if (err != MPP_OK)
		return err;
	if (raise->timestamp_ms > held->timestamp_ms)
		held->timestamp_ms = raise->timestamp_ms;
	if (raise->service_suite != 0) {
		held->service_suite = raise->service_suite;
		memset(held->service_key, 0, sizeof(held->service_key));
		memcpy(held->service_key, raise->service_key,
		       mpp_dh_len(raise->service_suite));
	}
	if (raise->first != NULL)
		loop_state_first(held, raise->first);
	if (raise->discovered != NULL)
		set_discovered(held, raise->discovered);
	if (raise->has_token)
		set_token(held, raise);
	if (raise->learnt != NULL) {
		memcpy(held->network_key, raise->network_key,
		       sizeof(held->network_key));
		memcpy(held->learnt, raise->learnt, sizeof(held->learnt));
	}
	return place_write(p, held);
}

mpp_err loop_state_raise(const char *dir,
			 const uint8_t instance[MPP_INSTANCE_LEN],
			 const struct loop_raise *raise, mpp_loop_error *e)
{
	struct place p = {.path = dir, .e = e};
	struct loop_state held;
	mpp_err err = place_open(&p);

	if (err != MPP_OK)
		return err;
	memset(&held, 0, sizeof(held));
	err = place_lock(&p);
	if (err == MPP_OK)
		err = raise_held(&p, instance, raise, &held);
	place_close(&p);
	mem_wipe(&held, sizeof(held));
	return err;
}

/* Lock a file of the directory. Errors: STATE (another one has it), NOTFOUND,
 * IO. */
static mpp_err lock_file(const char *dir, const char *name, int *fd,
			 mpp_loop_error *e)
{
	struct place p = {.path = dir, .e = e};
	mpp_err err = place_open(&p);
	int hold;

	if (err != MPP_OK)
		return err;
	hold = openat(p.dir, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
		      0600);
	if (hold < 0)
		err = fail_in(&p, errno, "cannot open", name);
	else if (flock(hold, LOCK_EX | LOCK_NB) != 0)
		err = MPP_ERR_STATE;
	place_close(&p);
	if (err == MPP_OK)
		*fd = hold;
	else if (hold >= 0)
		(void)close(hold);
	return err;
}

mpp_err loop_state_hold(const char *dir, int *fd, mpp_loop_error *e)
{
	const mpp_err err = lock_file(dir, hold_name, fd, e);

	if (err != MPP_ERR_STATE)
		return err;
	return loop_fail(e, err, EX_TEMPFAIL,
			 "%s: this device is subscribed already: end the other "
			 "program, or enrol this one with a state directory of "
			 "its own",
			 dir);
}

mpp_err loop_state_keep(const char *dir, int *fd, mpp_loop_error *e)
{
	const mpp_err err = lock_file(dir, keep_name, fd, e);

	if (err != MPP_ERR_STATE)
		return err;
	return loop_fail(
		e, err, EX_TEMPFAIL,
		"%s: another program of this device keeps a connection "
		"to ask by: end it, or enrol this one with a state "
		"directory of its own",
		dir);
}

mpp_err loop_state_turn(const char *dir, int *fd, mpp_loop_error *e)
{
	const mpp_err err = lock_file(dir, turn_name, fd, e);

	if (err != MPP_ERR_STATE)
		return err;
	return loop_fail(e, err, EX_TEMPFAIL,
			 "%s: other programs of this device are asking the "
			 "service: try again",
			 dir);
}
