/* SPDX-License-Identifier: MIT */
/* The forked child: whatever kills it, the parent lives and says so. */
#include "unit/store/place.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "store/check.h"
#include "store/error.h"

/* Read a mapping beyond the end of its file: a real SIGBUS. */
static mpp_err read_beyond_end(void *arg, struct store_error *err)
{
	const struct place *p = arg;
	int fd = open(p->path, O_RDWR | O_CREAT, 0600);
	volatile char *map;

	(void)err;
	if (fd < 0 || ftruncate(fd, 8192) != 0)
		return MPP_ERR_STORE;
	map = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
	if ((void *)map == MAP_FAILED || ftruncate(fd, 4096) != 0)
		return MPP_ERR_STORE;
	return map[5000] == 0 ? MPP_OK : MPP_ERR_STORE;
}

static mpp_err die_of(void *arg, struct store_error *err)
{
	(void)err;
	raise(*(const int *)arg);
	return MPP_OK;
}

static mpp_err leave(void *arg, struct store_error *err)
{
	(void)err;
	_exit(*(const int *)arg);
}

struct answer {
	mpp_err err;
	const char *text;
};

static mpp_err answer(void *arg, struct store_error *err)
{
	const struct answer *a = arg;

	if (a->err != MPP_OK)
		return store_fail(err, a->err, "%s", a->text);
	return MPP_OK;
}

static void sigbus_in_child(void **state)
{
	struct place *p = *state;
	struct store_error err = {""};

	assert_int_equal(check_forked(read_beyond_end, p, p->path, &err),
			 MPP_ERR_CHECKSUM);
	assert_non_null(strstr(err.text, "Bus error"));
	assert_non_null(strstr(err.text, p->path));
	assert_non_null(strstr(err.text, "is damaged"));
}

static void handler(int sig)
{
	(void)sig;
	_exit(0); /* would look like success */
}

static const struct {
	int sig;
	mpp_err err;
	const char *words;
} deaths[] = {
	{SIGBUS, MPP_ERR_CHECKSUM, "Bus error"},
	{SIGSEGV, MPP_ERR_CHECKSUM, "Segmentation fault"},
	{SIGABRT, MPP_ERR_CHECKSUM, "Aborted"},
	{SIGFPE, MPP_ERR_CHECKSUM, "Floating"},
	{SIGILL, MPP_ERR_CHECKSUM, "Illegal"},
	/* From outside: that says nothing about the file. */
	{SIGKILL, MPP_ERR_STORE, "was killed (Killed)"},
	{SIGTERM, MPP_ERR_STORE, "was killed (Terminated)"},
};

/* Also when the parent has handlers for them, or blocks them. */
static void every_death_is_told_apart(void **state)
{
	struct place *p = *state;
	sigset_t all, before_mask;
	struct store_error err;
	void (*before)(int);
	size_t i;
	int sig;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before_mask);
	for (i = 0; i < sizeof(deaths) / sizeof(deaths[0]); i++) {
		sig = deaths[i].sig;
		before = sig == SIGKILL ? SIG_DFL : signal(sig, handler);
		assert_int_equal(check_forked(die_of, &sig, p->path, &err),
				 deaths[i].err);
		if (strstr(err.text, deaths[i].words) == NULL)
			fail_msg("%s: %s", deaths[i].words, err.text);
		if (sig != SIGKILL)
			signal(sig, before);
	}
	sigprocmask(SIG_SETMASK, &before_mask, NULL);
}

static void silence_is_not_success(void **state)
{
	struct place *p = *state;
	struct store_error err;
	int status;

	for (status = 0; status < 3; status++) {
		assert_int_equal(check_forked(leave, &status, p->path, &err),
				 MPP_ERR_CHECKSUM);
		assert_non_null(strstr(err.text, "ended with status"));
	}
}

static void answers_come_through(void **state)
{
	static char longest[sizeof(struct store_error)];
	struct place *p = *state;
	struct answer a[] = {{MPP_ERR_CHECKSUM, "record 7"},
			     {MPP_ERR_STORE, "permission"},
			     {MPP_ERR_NOMEM, ""},
			     {MPP_ERR_STORE, longest}};
	struct store_error err;
	size_t i;

	memset(longest, 'x', sizeof(longest) - 1);
	for (i = 0; i < 4; i++) {
		assert_int_equal(check_forked(answer, &a[i], p->path, &err),
				 a[i].err);
		assert_string_equal(err.text, a[i].text);
	}
	a[0] = (struct answer){MPP_OK, ""};
	assert_int_equal(check_forked(answer, &a[0], p->path, &err), MPP_OK);
}

/* Where SIGCHLD is ignored there is no wait status: the pipe decides. */
static void without_wait_status(void **state)
{
	struct place *p = *state;
	void (*before)(int) = signal(SIGCHLD, SIG_IGN);
	struct answer good = {MPP_OK, ""};
	struct answer bad = {MPP_ERR_CHECKSUM, "bad"};
	struct store_error err;
	int sig = SIGBUS;

	assert_int_equal(check_forked(answer, &good, p->path, &err), MPP_OK);
	assert_int_equal(check_forked(answer, &bad, p->path, &err),
			 MPP_ERR_CHECKSUM);
	assert_int_equal(check_forked(die_of, &sig, p->path, &err),
			 MPP_ERR_CHECKSUM);
	signal(SIGCHLD, before);
}

static int open_files(void)
{
	int fd, n = 0;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void no_descriptor_is_left(void **state)
{
	struct place *p = *state;
	struct answer good = {MPP_OK, ""};
	struct store_error err;
	int before = open_files();

	assert_int_equal(check_forked(answer, &good, p->path, &err), MPP_OK);
	assert_int_equal(open_files(), before);
	assert_int_equal(try_open(p->path, &err), MPP_OK);
	assert_int_equal(try_open(p->path, &err), MPP_OK);
	assert_int_equal(open_files(), before);
}

/* The check of a good store says so and leaves the file as it is; the same
 * of one with a wrong bit. */
static void good_and_bad_store(void **state)
{
	struct place *p = *state;
	struct db_place at = {p->path, MAP_SIZE};
	struct store *s = must_open(p->path, MAP_SIZE);
	struct store_error err;
	struct octets file;
	uint8_t *word;

	must_put(s, "key", "a word to look for");
	s->ops->close(s);
	file = read_file(p->path);
	assert_int_equal(check_store(&at, &err), MPP_OK);
	assert_true(file_is(p->path, &file));
	word = memmem(file.p, file.len, "a word to", 9);
	assert_non_null(word);
	word[0] ^= 1;
	write_file(p->path, &file);
	assert_int_equal(check_store(&at, &err), MPP_ERR_CHECKSUM);
	assert_true(file_is(p->path, &file));
	octets_free(&file);
}

#define CASE(fn) \
	cmocka_unit_test_setup_teardown(fn, place_setup, place_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(sigbus_in_child),        CASE(every_death_is_told_apart),
		CASE(silence_is_not_success), CASE(answers_come_through),
		CASE(without_wait_status),    CASE(no_descriptor_is_left),
		CASE(good_and_bad_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
