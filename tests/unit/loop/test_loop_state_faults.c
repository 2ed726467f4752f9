/* SPDX-License-Identifier: MIT */
/* test_loop_state_faults.c - every single call by which a device's state is
 * read or written fails once, in several ways: then there is a clear line, the
 * file is the old or the new version and whole, and the next try goes well. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <cmocka.h>

#include "loop/state.h"
#include "unit/upset.h"

enum { OLD_MS = 1000, NEW_MS = 2000 };

static char dir[64];
static mpp_loop_error error;

static const char *in_dir(const char *name)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static int setup(void **state)
{
	(void)state;
	(void)strcpy(dir, "/tmp/mpp-statefault-XXXXXX");
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int teardown(void **state)
{
	static const char *const names[] = {"device.json", "device.json.new",
					    "device.lock"};
	size_t i;

	(void)state;
	upset_disarm();
	for (i = 0; i < 3; i++)
		(void)unlink(in_dir(names[i]));
	return rmdir(dir);
}

static struct loop_state sample(uint64_t timestamp_ms)
{
	struct loop_state s;

	memset(&s, 0, sizeof(s));
	(void)strcpy(s.account, "alice@example.com");
	s.suite = 1;
	memset(s.device_secret, 7, 32);
	memset(s.instance, 9, sizeof(s.instance));
	s.timestamp_ms = timestamp_ms;
	s.n_endpoints = 1;
	(void)strcpy(s.endpoints[0].host, "127.0.0.1");
	s.endpoints[0].port = 15099;
	s.n_pins = 1;
	(void)strcpy(s.pins[0], "MBGX-GGXI-QTM3-RBA3-HMKJ-FPAE-FJME-NLMJ-USJI-"
				"N2DU-2T6P-RKLT-NCXC");
	return s;
}

static const struct {
	const char *what;
	int error;
	bool go_on;
} ways[] = {
	{"the disk is full once", ENOSPC, false},
	{"the disk is full from then on", ENOSPC, true},
	{"the disk is broken once", EIO, false},
	{"over quota from then on", EDQUOT, true},
	{"no descriptor is left", EMFILE, false},
	{"it becomes read-only", EROFS, true},
	{"a signal comes", EINTR, false},
	{"half is written", UPSET_SHORT, false},
};

/* What is asked of the state: the same twice, with and without a failure. */
typedef mpp_err work_fn(void);

static mpp_err put_new(void)
{
	const struct loop_state s = sample(NEW_MS);

	return loop_state_put(dir, &s, &error);
}

static mpp_err raise_new(void)
{
	const struct loop_state s = sample(0);
	const struct loop_raise raise = {.timestamp_ms = NEW_MS};

	return loop_state_raise(dir, s.instance, &raise, &error);
}

static uint64_t timestamp(void)
{
	struct loop_state s;
	mpp_loop_error e;

	if (loop_state_load(dir, &s, &e) != MPP_OK)
		fail_msg("cannot be read: %s", e.text);
	assert_string_equal(s.account, "alice@example.com");
	return s.timestamp_ms;
}

static mpp_err load_old(void)
{
	struct loop_state s;
	const mpp_err err = loop_state_load(dir, &s, &error);

	if (err == MPP_OK)
		assert_int_equal(s.timestamp_ms, OLD_MS);
	return err;
}

static void begin(void)
{
	const struct loop_state old = sample(OLD_MS);

	(void)unlink(in_dir("device.json"));
	assert_int_equal(loop_state_put(dir, &old, &error), MPP_OK);
	memset(&error, 0, sizeof(error));
}

static void assert_said(const char *what)
{
	/* A disk that is full or broken is told apart from the rest. */
	const bool disk = upset.error == ENOSPC || upset.error == EIO ||
			  upset.error == EDQUOT;

	if (strstr(error.text, dir) == NULL || error.exit_code < EX__BASE ||
	    (disk && error.exit_code != EX_IOERR &&
	     error.exit_code != EX_CANTCREAT) ||
	    strchr(error.text, '\n') != NULL)
		fail_msg("%s, %s: %d \"%s\"", what, upset.last, error.exit_code,
			 error.text);
}

/* @return whether there was an n-th call */
static bool run_one(size_t way, int n, work_fn *work)
{
	mpp_err err;
	uint64_t ms;

	begin();
	upset_arm(n, ways[way].error, ways[way].go_on);
	err = work();
	upset_disarm();
	if (upset.reached == 0 || ways[way].error == UPSET_SHORT)
		assert_int_equal(err, MPP_OK);
	/* A signal does not end a read or a write. */
	if (ways[way].error == EINTR && (strcmp(upset.last, "read") == 0 ||
					 strcmp(upset.last, "write") == 0))
		assert_int_equal(err, MPP_OK);
	if (err != MPP_OK)
		assert_said(ways[way].what);
	assert_int_equal(access(in_dir("device.json.new"), F_OK), -1);
	ms = timestamp();
	if (work != load_old)
		assert_true(err == MPP_OK ? ms == NEW_MS
					  : ms == OLD_MS || ms == NEW_MS);
	if (work != load_old || ms == OLD_MS)
		assert_int_equal(work(), MPP_OK);
	return upset.reached > 0;
}

static void every_call_fails_once(work_fn *work, int calls_min)
{
	size_t way;
	int n, failed = 0;

	for (way = 0; way < sizeof(ways) / sizeof(ways[0]); way++) {
		for (n = 1; run_one(way, n, work); n++) {
			failed++;
			assert_true(n < 100);
		}
		print_message("%s: %d calls\n", ways[way].what, n - 1);
		assert_true(n - 1 >= calls_min);
	}
	assert_true(failed > 0);
}

static void test_putting(void **state)
{
	(void)state;
	every_call_fails_once(put_new, 10);
}

static void test_raising(void **state)
{
	(void)state;
	every_call_fails_once(raise_new, 10);
}

static void test_loading(void **state)
{
	(void)state;
	every_call_fails_once(load_old, 4);
}

/* The control: each of these calls must succeed, or the work does not; and
 * until the new file has its name the old one stays. */
static void test_a_failing_call_is_failing_work(void **state)
{
	static const char *const must[] = {"open",  "openat", "read",
					   "write", "fsync",  "renameat"};
	unsigned seen = 0;
	size_t i;
	int n, syncs = 0;

	(void)state;
	for (n = 1; n < 100; n++) {
		begin();
		upset_arm(n, EIO, false);
		if (raise_new() == MPP_OK)
			upset.last = "";
		upset_disarm();
		for (i = 0; i < sizeof(must) / sizeof(must[0]); i++) {
			if (strcmp(upset.last, must[i]) == 0)
				seen |= 1u << i;
		}
		syncs += strcmp(upset.last, "fsync") == 0;
		if (strcmp(upset.last, "renameat") == 0)
			assert_int_equal(timestamp(), OLD_MS);
		if (upset.reached == 0)
			break;
	}
	assert_int_equal(seen, 63);
	assert_int_equal(syncs, 2); /* of the file and of its name */
	assert_int_equal(timestamp(), NEW_MS);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_putting),
		CASE(test_raising),
		CASE(test_loading),
		CASE(test_a_failing_call_is_failing_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
