/* SPDX-License-Identifier: MIT */
/* Every single write and sync of a commit fails once, in several ways: the
 * commit either counts or leaves everything as it was, at once and for a
 * process that opens the file later.
 *
 * The functions below stand before those of the C library, also for LMDB; they
 * call the kernel, unless the next failure is due. */
#include "unit/store/place.h"

#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>

enum how {
	BEFORE = 1, /* fails and writes nothing */
	SHORT,      /* writes half and says so */
	AFTER,      /* writes, and reports failure */
	LAST,       /* the same, and from then on nothing is written */
};

static struct {
	int countdown; /* 0: off; 1: the next call fails */
	bool go_on;    /* and all later ones */
	enum how how;
	int error;
	int reached;
	bool no_room; /* on the disk */
} fault;

/* What was written and synced since the last look: 'w' a write, 's' a sync of
 * data, 'm' a write that is a sync itself, 'd' a sync of a directory. */
static struct {
	char order[64];
	size_t n;
} seen;

static void note(char what)
{
	if (seen.n < sizeof(seen.order) - 1)
		seen.order[seen.n++] = what;
}

static void note_write(int fd)
{
	note(fcntl(fd, F_GETFL) & O_DSYNC ? 'm' : 'w');
}

static bool due(void)
{
	if (fault.countdown == 0 || --fault.countdown > 0)
		return false;
	fault.reached++;
	fault.countdown = fault.go_on ? 1 : 0;
	return true;
}

/* Does the failing call write all the same? */
static bool writes_first(void)
{
	return fault.how == AFTER || (fault.how == LAST && fault.reached == 1);
}

#define FRONT __attribute__((visibility("default")))

FRONT ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	ssize_t done;

	note_write(fd);
	if (!due())
		return syscall(SYS_pwrite64, fd, p, n, at);
	if (fault.how == SHORT)
		return syscall(SYS_pwrite64, fd, p, n / 2, at);
	if (writes_first()) {
		done = syscall(SYS_pwrite64, fd, p, n, at);
		(void)done;
	}
	errno = fault.error;
	return -1;
}

FRONT ssize_t writev(int fd, const struct iovec *v, int n)
{
	ssize_t done;

	note_write(fd);
	if (!due())
		return syscall(SYS_writev, fd, v, n);
	if (fault.how == SHORT)
		return syscall(SYS_writev, fd, v, n > 1 ? n / 2 : 1);
	if (writes_first()) {
		done = syscall(SYS_writev, fd, v, n);
		(void)done;
	}
	errno = fault.error;
	return -1;
}

FRONT int fdatasync(int fd)
{
	note('s');
	if (fault.how == LAST || !due())
		return (int)syscall(SYS_fdatasync, fd);
	errno = fault.error;
	return -1;
}

FRONT int fsync(int fd)
{
	struct stat st;

	note(fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) ? 'd' : 's');
	return (int)syscall(SYS_fsync, fd);
}

FRONT int statvfs(const char *path, struct statvfs *v)
{
	(void)path;
	*v = (struct statvfs){.f_frsize = 4096,
			      .f_bavail = fault.no_room ? 0 : 1000000};
	return 0;
}

static void must_commit_both(struct store *s, struct store *model,
			     struct octets *b)
{
	struct octets same = {0};

	octets_add(&same, b->p, b->len);
	must_commit(model, &same);
	must_commit(s, b);
}

static void prepare(struct store *s, struct store *model)
{
	struct octets b = {0};
	uint64_t seed = 11;
	int i;

	for (i = 0; i < 6; i++) {
		random_batch(&seed, &b);
		must_commit_both(s, model, &b);
	}
}

static void add_change(struct octets *b, uint64_t seed)
{
	while (b->len == 0)
		random_batch(&seed, b);
	batch_put(b, text("the change"), text("is there"));
}

struct run {
	int n; /* which call fails */
	enum how how;
	int error;
	bool go_on;
};

/* The commit with its failure; the model gets it when it counts. */
static mpp_err commit_failing(struct store *s, struct store *model,
			      const struct run *r)
{
	struct store_error err;
	struct octets b = {0};
	mpp_err rc;

	add_change(&b, 77);
	fault.countdown = r->n;
	fault.go_on = r->go_on;
	fault.how = r->how;
	fault.error = r->error;
	fault.reached = 0;
	rc = commit_octets(s, &b, &err);
	fault.countdown = 0;
	if (rc == MPP_OK) {
		must_commit(model, &b);
	} else {
		assert_int_equal(rc, MPP_ERR_STORE);
		assert_true(strlen(err.text) > 20);
		assert_null(strchr(err.text, '\n'));
		octets_free(&b);
	}
	return rc;
}

/* One failure; then either the same store goes on, or another process comes.
 * False when the commit has fewer than n calls. */
static bool run_one(struct place *p, const struct run *r, bool go_on)
{
	struct store *s, *model = NULL;
	struct octets b = {0};
	bool reached;
	mpp_err rc;

	unlink(p->path);
	assert_int_equal(store_mem_open(&model), MPP_OK);
	s = must_open(p->path, MAP_SIZE);
	prepare(s, model);
	rc = commit_failing(s, model, r);
	reached = fault.reached > 0;
	if (!reached)
		assert_int_equal(rc, MPP_OK);
	assert_same(s, model);
	if (go_on) {
		add_change(&b, 78);
		must_commit_both(s, model, &b);
		assert_same(s, model);
	}
	s->ops->close(s);
	s = must_open(p->path, MAP_SIZE);
	assert_same(s, model);
	s->ops->close(s);
	model->ops->close(model);
	return reached;
}

static const struct {
	const char *what;
	enum how how;
	int error;
	bool go_on;
} ways[] = {
	{"one call finds the disk full", BEFORE, ENOSPC, false},
	{"one call finds the disk broken", BEFORE, EIO, false},
	{"one call writes half", SHORT, EIO, false},
	{"one call writes and says that it failed", AFTER, EIO, false},
	{"the disk is full from that call on", BEFORE, ENOSPC, true},
	{"the disk is broken from that call on", BEFORE, EIO, true},
	/* Then the meta page cannot be repaired, so the commit counts. */
	{"one call writes and fails, no later one writes", LAST, EIO, true},
	{"over quota from that call on", BEFORE, EDQUOT, true},
};

static void every_call_fails_once(void **state)
{
	struct place *p = *state;
	struct run r;
	size_t i;
	int calls, before = 0;

	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		r = (struct run){1, ways[i].how, ways[i].error, ways[i].go_on};
		while (run_one(p, &r, false)) {
			assert_true(run_one(p, &r, true));
			assert_true(++r.n < 100);
		}
		print_message("%s: %d calls\n", ways[i].what, r.n - 1);
		/* Pages, one sync, one meta page. */
		calls = r.n - 1 + (ways[i].how == LAST);
		assert_true(calls >= 3);
		assert_true(i == 0 || calls == before);
		before = calls;
	}
}

/* Pages, then a sync, then the meta page as a write that syncs itself: in any
 * other order a power cut could leave a new root without its pages. */
static void commit_syncs_in_order(void **state)
{
	struct place *p = *state;
	struct store *s = must_open(p->path, MAP_SIZE);
	size_t n;

	memset(&seen, 0, sizeof(seen));
	must_put(s, "k", "v");
	n = seen.n;
	assert_true(n >= 3);
	assert_string_equal(seen.order + n - 2, "sm");
	assert_int_equal(strspn(seen.order, "w"), n - 2);
	s->ops->close(s);
}

/* A new store is there under its name only when all of it is on disk. */
static void creation_syncs_directory(void **state)
{
	struct place *p = *state;
	struct store *s;

	memset(&seen, 0, sizeof(seen));
	s = must_open(p->path, MAP_SIZE);
	assert_non_null(strstr(seen.order, "sm"));
	assert_non_null(strchr(strstr(seen.order, "sm"), 'd'));
	s->ops->close(s);
	memset(&seen, 0, sizeof(seen));
	s = must_open(p->path, MAP_SIZE);
	/* The control: nothing is made, so nothing needs a sync. */
	assert_null(strchr(seen.order, 'd'));
	s->ops->close(s);
}

static void assert_says(struct store *s, struct octets *b, enum how how,
			int error, const char *words)
{
	struct store_error err;

	fault.countdown = 1;
	fault.go_on = false;
	fault.how = how;
	fault.error = error;
	assert_int_equal(commit_octets(s, b, &err), MPP_ERR_STORE);
	fault.countdown = 0;
	if (strstr(err.text, words) == NULL)
		fail_msg("\"%s\" not in \"%s\"", words, err.text);
}

/* A disk that becomes full cuts a write short, which LMDB calls an i/o error:
 * it is told apart by the room that is left. */
static void full_and_broken_are_told_apart(void **state)
{
	struct place *p = *state;
	struct store *s = must_open(p->path, MAP_SIZE);
	struct octets b = {0};

	add_change(&b, 1);
	assert_says(s, &b, BEFORE, ENOSPC, "disk is full");
	assert_says(s, &b, BEFORE, EDQUOT, "disk is full");
	assert_says(s, &b, BEFORE, EIO, "input/output error");
	assert_says(s, &b, SHORT, 0, "input/output error");
	fault.no_room = true;
	assert_says(s, &b, SHORT, 0, "disk is full");
	fault.no_room = false;
	must_commit(s, &b);
	s->ops->close(s);
}

#define FAST(fn) \
	cmocka_unit_test_setup_teardown(fn, place_setup_fast, place_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAST(every_call_fails_once),
		FAST(full_and_broken_are_told_apart),
		FAST(commit_syncs_in_order),
		FAST(creation_syncs_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
