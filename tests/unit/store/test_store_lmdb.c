/* SPDX-License-Identifier: MIT */
/* The durable store and the world: locks, permissions, full disks, kill -9. */
#include "unit/store/place.h"

#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

enum {
	NOBODY = 65534,
};

/* Opening gives STORE, and one line with this in it. */
static void assert_refused(const char *path, const char *words)
{
	struct store_error err;

	assert_int_equal(try_open(path, &err), MPP_ERR_STORE);
	assert_null(strchr(err.text, '\n'));
	if (strstr(err.text, words) == NULL)
		fail_msg("\"%s\" not in \"%s\"", words, err.text);
}

/* Run fn in a process of its own; assertions in it count. */
static void in_child(void (*fn)(struct place *p), struct place *p)
{
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		fn(p);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Assertions of cmocka would jump into the parent's copy of the runner. */
static void want(bool ok, const char *what, const char *text_is)
{
	if (ok)
		return;
	fprintf(stderr, "child: not %s: %s\n", what, text_is);
	_exit(1);
}

/* ---- locks, modes, permissions ---- */

static void refused_while_open(struct place *p)
{
	struct store_error err;
	char pid[32];

	snprintf(pid, sizeof(pid), "process %ld;", (long)getppid());
	want(try_open(p->path, &err) == MPP_ERR_STORE, "refused", err.text);
	want(strstr(err.text, "in use by") != NULL, "in use", err.text);
	want(strstr(err.text, pid) != NULL, "naming us", err.text);
}

static void opens(struct place *p)
{
	struct store_error err;

	want(try_open(p->path, &err) == MPP_OK, "opened", err.text);
}

static void second_opener_is_refused(void **state)
{
	struct place *p = *state;
	struct store *s = must_open(p->path, MAP_SIZE);

	in_child(refused_while_open, p);
	/* Also in one process: flock(2) belongs to the open file. */
	assert_refused(p->path, "in use by");
	must_put(s, "still", "works");
	s->ops->close(s);
	in_child(opens, p);
}

static mode_t mode_of(const char *path, const char *suffix)
{
	char name[128];
	struct stat st;

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	assert_int_equal(stat(name, &st), 0);
	return st.st_mode & 07777;
}

static void assert_modes(const char *path)
{
	assert_int_equal(mode_of(path, ""), 0600);
	assert_int_equal(mode_of(path, ".lock"), 0600);
	assert_int_equal(mode_of(path, "-lock"), 0600);
}

static void modes_whatever_the_umask(void **state)
{
	static const mode_t masks[] = {0, 022, 077, 0177, 0777};
	struct place *p = *state;
	struct store *s;
	char path[128];
	mode_t before;
	size_t i;

	for (i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		snprintf(path, sizeof(path), "%s%zu", p->path, i);
		before = umask(masks[i]);
		s = must_open(path, MAP_SIZE);
		umask(before);
		assert_modes(path);
		s->ops->close(s);
	}
	/* One that was opened up is closed again. */
	assert_int_equal(chmod(path, 0644), 0);
	s = must_open(path, MAP_SIZE);
	assert_modes(path);
	s->ops->close(s);
}

static void become_nobody(void)
{
	want(setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 &&
		     setuid(NOBODY) == 0,
	     "nobody", strerror(errno));
}

static void denied_as_nobody(struct place *p)
{
	struct store_error err;

	become_nobody();
	want(try_open(p->path, &err) == MPP_ERR_STORE, "refused", err.text);
	want(strstr(err.text, "permission denied") != NULL, "denied", err.text);
	want(strstr(err.text, "uid 65534") != NULL, "naming the user",
	     err.text);
	want(strstr(err.text, p->dir) != NULL, "naming the place", err.text);
}

static void opens_as_nobody(struct place *p)
{
	become_nobody();
	opens(p);
}

static void permission_denied(void **state)
{
	struct place *p = *state;
	struct store_error err;

	if (geteuid() != 0)
		skip();
	/* A directory that others may read but not write in. */
	assert_int_equal(chmod(p->dir, 0755), 0);
	in_child(denied_as_nobody, p);
	/* One that nobody else may even enter. */
	assert_int_equal(chmod(p->dir, 0700), 0);
	in_child(denied_as_nobody, p);
	/* Their directory, but somebody else's store in it. */
	assert_int_equal(try_open(p->path, &err), MPP_OK);
	assert_int_equal(chown(p->dir, NOBODY, NOBODY), 0);
	in_child(denied_as_nobody, p);
	/* The control: all theirs. */
	remove_dir(p->dir);
	assert_int_equal(mkdir(p->dir, 0700), 0);
	assert_int_equal(chown(p->dir, NOBODY, NOBODY), 0);
	in_child(opens_as_nobody, p);
}

static void unusable_places(void **state)
{
	struct place *p = *state;
	struct store_error err;
	struct store *s = NULL;
	char longest[5000];
	char path[128];

	snprintf(path, sizeof(path), "%s/missing/store", p->dir);
	assert_refused(path, "No such file or directory");
	snprintf(path, sizeof(path), "%s/directory", p->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_refused(path, "not a regular file");
	assert_int_equal(try_open(p->path, &err), MPP_OK);
	snprintf(path, sizeof(path), "%s/link", p->dir);
	assert_int_equal(symlink(p->path, path), 0);
	assert_refused(path, "not a regular file");
	snprintf(path, sizeof(path), "%s/sub", p->path);
	assert_refused(path, "Not a directory");
	assert_refused("", "is empty");
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_refused(longest, "too long");
	assert_int_equal(store_lmdb_open(p->path, 4096, &s, &err),
			 MPP_ERR_STORE);
	assert_non_null(strstr(err.text, "largest size"));
}

/* A start that was cut short leaves <path>.new, which is not a store. */
static void half_made_store_is_made_anew(void **state)
{
	struct place *p = *state;
	struct octets junk = {0};
	char name[128];

	octets_add(&junk, "half", 4);
	snprintf(name, sizeof(name), "%s.new", p->path);
	write_file(name, &junk);
	octets_free(&junk);
	put_and_close(p->path);
	assert_int_equal(access(name, F_OK), -1);
}

/* ---- full ---- */

static mpp_err put_block(struct store *s, int i, struct store_error *err)
{
	static const uint8_t block[4000];
	struct octets b = {0};
	char key[16];
	mpp_err rc;

	snprintf(key, sizeof(key), "block %04d", i);
	batch_put(&b, text(key), (mpp_bytes){block, sizeof(block)});
	rc = commit_octets(s, &b, err);
	octets_free(&b);
	return rc;
}

/* Put blocks until it fails: how many went in. */
static int fill(struct store *s, int from, const char *words)
{
	struct store_error err;
	int n = from;
	int i;

	while (put_block(s, n, &err) == MPP_OK)
		assert_true(++n < 10000);
	/* The first failure is often a short write, the next one is not. */
	for (i = 0; i < 2; i++) {
		if (strstr(err.text, words) == NULL)
			fail_msg("\"%s\" not in \"%s\"", words, err.text);
		assert_int_equal(put_block(s, n, &err), MPP_ERR_STORE);
	}
	return n;
}

static void assert_blocks(struct store *s, int n)
{
	struct dump d = must_dump(s);

	assert_int_equal(d.records, n);
	dump_free(&d);
}

static void largest_size_reached(void **state)
{
	struct place *p = *state;
	struct store *s = must_open(p->path, 512 * 1024);
	struct octets b = {0};
	int n = fill(s, 0, "largest allowed size");

	assert_in_range(n, 20, 128);
	assert_blocks(s, n);
	batch_delete(&b, text("block 0000"));
	batch_delete(&b, text("block 0001"));
	must_commit(s, &b);
	assert_blocks(s, n - 2);
	s->ops->close(s);
	s = must_open(p->path, 1024 * 1024);
	assert_blocks(s, n - 2);
	assert_true(fill(s, n, "largest allowed size") > n + 20);
	s->ops->close(s);
	/* Allowed less than it has by now: still all there. */
	s = must_open(p->path, 512 * 1024);
	s->ops->close(s);
}

static void make_filler(const char *dir, const char *name, size_t len)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	(void)!posix_fallocate(fd, 0, (off_t)len);
	close(fd);
}

static void remove_filler(const char *dir, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(unlink(path), 0);
}

/* Take all that is left, page by page. */
static void fill_disk(const char *dir, const char *name)
{
	char path[128];
	char page[4096] = "";
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	assert_true(fd >= 0);
	while (write(fd, page, sizeof(page)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	close(fd);
}

static void disk_fills_up(struct place *p)
{
	struct store *s = must_open(p->path, MAP_SIZE);
	int n = fill(s, 0, "disk is full");

	assert_in_range(n, 50, 200);
	assert_blocks(s, n);
	s->ops->close(s);
	s = must_open(p->path, MAP_SIZE);
	assert_blocks(s, n);
	fill(s, n, "disk is full");
	remove_filler(p->dir, "filler");
	/* The same store, without being opened again. */
	assert_true(fill(s, n, "disk is full") > n + 30);
	s->ops->close(s);
}

/* No room from the first moment on. */
static void disk_full_at_start(struct place *p)
{
	char name[128];

	fill_disk(p->dir, "rest");
	assert_refused(p->path, "disk is full");
	assert_int_equal(access(p->path, F_OK), -1);
	snprintf(name, sizeof(name), "%s.new", p->path);
	assert_int_equal(access(name, F_OK), -1);
	remove_filler(p->dir, "rest");
}

/* The table of readers is mapped: without blocks it would be a SIGBUS. */
static void disk_full_at_restart(struct place *p)
{
	struct store *s;
	char name[128];

	put_and_close(p->path);
	snprintf(name, sizeof(name), "%s-lock", p->path);
	assert_int_equal(unlink(name), 0);
	fill_disk(p->dir, "rest");
	assert_refused(p->path, "disk is full");
	remove_filler(p->dir, "rest");
	s = must_open(p->path, MAP_SIZE);
	assert_blocks(s, 1);
	s->ops->close(s);
}

static void on_small_disk(struct place *p, void (*fn)(struct place *p))
{
	if (mount("mpp-test", p->dir, "tmpfs", 0, "size=1m") != 0)
		skip();
	make_filler(p->dir, "filler", 256 * 1024);
	in_child(fn, p);
	assert_int_equal(umount2(p->dir, MNT_DETACH), 0);
}

static void full_disk(void **state)
{
	on_small_disk(*state, disk_fills_up);
}

static void full_disk_at_start(void **state)
{
	on_small_disk(*state, disk_full_at_start);
}

static void full_disk_at_restart(void **state)
{
	on_small_disk(*state, disk_full_at_restart);
}

/* ---- kill -9 ---- */

enum {
	PARTS = 5,
};

static size_t part(uint32_t i, int k, uint8_t value[3000])
{
	uint64_t seed = (uint64_t)i << 8 | (uint64_t)k;
	size_t len = 1 + rnd_below(&seed, 2999);

	random_value(&seed, value, len);
	return len;
}

/* Batch i: five new records, one that says i, and the parts of batch i - 20
 * go. */
static void numbered_batch(uint32_t i, struct octets *b)
{
	uint8_t value[3000];
	char key[32];
	int k;

	for (k = 0; k < PARTS; k++) {
		snprintf(key, sizeof(key), "part %08u/%d", i, k);
		batch_put(b, text(key), (mpp_bytes){value, part(i, k, value)});
		snprintf(key, sizeof(key), "part %08u/%d", i - 20, k);
		if (i > 20)
			batch_delete(b, text(key));
	}
	snprintf(key, sizeof(key), "%08u", i);
	batch_put(b, text("last"), text(key));
}

static _Noreturn void commit_until_killed(const char *path, uint32_t from,
					  int out)
{
	struct store_error err;
	struct store *s = NULL;
	struct octets b = {0};
	uint32_t i;

	want(store_lmdb_open(path, MAP_SIZE, &s, &err) == MPP_OK, "opened",
	     err.text);
	for (i = from;; i++) {
		b.len = 0;
		numbered_batch(i, &b);
		want(commit_octets(s, &b, &err) == MPP_OK, "committed",
		     err.text);
		want(write(out, &i, sizeof(i)) == sizeof(i), "reported", "");
	}
}

/* The last batch that the child reported before it was killed. */
static uint32_t run_and_kill(const char *path, uint32_t from, uint64_t *seed)
{
	uint32_t got = from - 1;
	int status, fd[2];
	struct pollfd pfd;
	uint32_t i;
	pid_t pid;

	assert_int_equal(pipe(fd), 0);
	if ((pid = fork()) == 0)
		commit_until_killed(path, from, fd[1]);
	assert_true(pid > 0);
	close(fd[1]);
	pfd = (struct pollfd){.fd = fd[0], .events = POLLIN};
	assert_int_equal(poll(&pfd, 1, 20000), 1);
	usleep((useconds_t)rnd_below(seed, 60000));
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	while (read(fd[0], &i, sizeof(i)) == sizeof(i))
		got = i;
	close(fd[0]);
	assert_true(got >= from);
	return got;
}

static mpp_err note_last(void *arg, mpp_bytes key, mpp_bytes value)
{
	char number[9] = "";

	if (key.len == 4 && memcmp(key.p, "last", 4) == 0) {
		assert_int_equal(value.len, 8);
		memcpy(number, value.p, 8);
		*(uint32_t *)arg = (uint32_t)strtoul(number, NULL, 10);
	}
	return MPP_OK;
}

/* Exactly what batches 1..last make, so none is there in part. */
static void assert_numbered(struct store *s, uint32_t last)
{
	struct store *m = NULL;
	struct octets b = {0};
	uint32_t i;

	assert_int_equal(store_mem_open(&m), MPP_OK);
	/* The first of these are taken away again by the later ones. */
	for (i = last > 25 ? last - 25 : 1; i <= last; i++) {
		numbered_batch(i, &b);
		must_commit(m, &b);
	}
	assert_same(s, m);
	m->ops->close(m);
}

static void killed_while_committing(void **state)
{
	enum { ROUNDS = 25 };
	struct place *p = *state;
	uint64_t seed = first_seed(1009);
	struct store_error err;
	uint32_t reported, last = 0;
	struct store *s;
	int i, unreported = 0;

	for (i = 0; i < ROUNDS; i++) {
		reported = run_and_kill(p->path, last + 1, &seed);
		s = must_open(p->path, MAP_SIZE);
		assert_int_equal(s->ops->load(s, note_last, &last, &err),
				 MPP_OK);
		/* One more may have reached the disk before its report. */
		assert_in_range(last, reported, reported + 1);
		unreported += last != reported;
		assert_numbered(s, last);
		s->ops->close(s);
	}
	print_message("%u batches, %d not reported\n", last, unreported);
	assert_true(last > ROUNDS);
}

#define CASE(fn) \
	cmocka_unit_test_setup_teardown(fn, place_setup, place_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(second_opener_is_refused),
		CASE(modes_whatever_the_umask),
		CASE(permission_denied),
		CASE(unusable_places),
		CASE(half_made_store_is_made_anew),
		CASE(largest_size_reached),
		CASE(full_disk),
		CASE(full_disk_at_start),
		CASE(full_disk_at_restart),
		CASE(killed_while_committing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
