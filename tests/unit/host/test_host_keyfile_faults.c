/* SPDX-License-Identifier: MIT */
/* test_host_keyfile_faults.c - every single call by which the service key is
 * made or read fails once, in several ways: then there is a clear line, the
 * key is there whole or not at all, and the next start goes well. */
#include "head.h"

#include <sysexits.h>

#include "crypto/fixed.h"
#include "host/keyfile.h"
#include "unit/upset.h"

static char dir[64], path[96], temp[104];
static mpp_crypto crypto;
static struct fault fault;
static mpp_service_secrets secrets, before;
static bool created;

static int setup(void **state)
{
	(void)state;
	(void)strcpy(dir, "/tmp/mpp-keyfault-XXXXXX");
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/service.key", dir);
	(void)snprintf(temp, sizeof(temp), "%s.new", path);
	return crypto_fixed_new(1, &crypto);
}

static int teardown(void **state)
{
	(void)state;
	upset_disarm();
	mpp_crypto_free(&crypto);
	(void)unlink(path);
	(void)unlink(temp);
	return rmdir(dir);
}

static const struct {
	const char *what;
	int error;
	bool go_on;
	int code; /* the exit code, when it fails */
} ways[] = {
	{"the disk is full once", ENOSPC, false, EX_IOERR},
	{"the disk is full from then on", ENOSPC, true, EX_IOERR},
	{"the disk is broken once", EIO, false, EX_IOERR},
	{"over quota from then on", EDQUOT, true, EX_IOERR},
	{"no descriptor is left", EMFILE, false, EX_CANTCREAT},
	{"it becomes read-only", EROFS, true, EX_CANTCREAT},
	{"it is not permitted", EACCES, true, EX_NOPERM},
	{"a signal comes", EINTR, false, EX_CANTCREAT},
	{"half is written", UPSET_SHORT, false, 0},
};

static mpp_err load(void)
{
	memset(&secrets, 0xee, sizeof(secrets));
	memset(&fault, 0, sizeof(fault));
	return keyfile_load(path, &crypto, &secrets, &created, &fault);
}

static void assert_said(const char *what, int code)
{
	mpp_service_secrets untouched;

	memset(&untouched, 0xee, sizeof(untouched));
	assert_memory_equal(&secrets, &untouched, sizeof(secrets));
	if (fault.exit_code != code || strstr(fault.text, path) == NULL ||
	    strchr(fault.text, '\n') != NULL)
		fail_msg("%s, %s: %d \"%s\"", what, upset.last, fault.exit_code,
			 fault.text);
}

/* After the failure: no half file under either name, and the next start. */
static void assert_next_start_goes_well(bool was_there)
{
	mpp_service_secrets first;

	if (access(path, F_OK) == 0) {
		assert_int_equal(load(), MPP_OK);
		assert_false(created);
		if (was_there)
			assert_memory_equal(&secrets, &before, sizeof(before));
	}
	assert_int_equal(load(), MPP_OK);
	first = secrets;
	assert_int_equal(load(), MPP_OK);
	assert_false(created);
	assert_memory_equal(&secrets, &first, sizeof(first));
	assert_int_equal(access(temp, F_OK), -1);
}

/* What is there before. */
enum before { NOTHING, OLDER, WHOLE };

/* The file of version 1 with the keys of `before`. */
static void put_older(void)
{
	char text[1024], *end;
	FILE *f = fopen(path, "r");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	assert_int_equal(fclose(f), 0);
	text[n] = '\0';
	text[strcspn(text, "\n") - 1] = '1';
	end = strstr(text, "token-id ");
	assert_non_null(end);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, (size_t)(end - text), f), end - text);
	assert_int_equal(fclose(f), 0);
}

/* The keys that an older file has are those of the completed one. */
static void assert_keys_kept(void)
{
	assert_int_equal(load(), MPP_OK);
	assert_false(created);
	assert_memory_equal(&secrets, &before,
			    offsetof(mpp_service_secrets, token));
}

/* @return whether there was an n-th call */
static bool run_one(size_t way, int n, enum before there)
{
	const bool was_there = there == WHOLE;
	mpp_err err;

	(void)unlink(path);
	if (there != NOTHING) {
		assert_int_equal(load(), MPP_OK);
		before = secrets;
	}
	if (there == OLDER)
		put_older();
	upset_arm(n, ways[way].error, ways[way].go_on);
	err = load();
	upset_disarm();
	if (upset.reached == 0)
		assert_int_equal(err, MPP_OK);
	/* A signal does not end a read or a write. */
	if (ways[way].error == EINTR && (strcmp(upset.last, "read") == 0 ||
					 strcmp(upset.last, "write") == 0))
		assert_int_equal(err, MPP_OK);
	if (err != MPP_OK)
		assert_said(ways[way].what, ways[way].code);
	if (ways[way].code == 0)
		assert_int_equal(err, MPP_OK);
	assert_int_equal(access(temp, F_OK), -1);
	if (there == OLDER)
		assert_keys_kept();
	assert_next_start_goes_well(was_there);
	return upset.reached > 0;
}

static void every_call_fails_once(enum before there, int calls_min)
{
	size_t way;
	int n, failed = 0;

	for (way = 0; way < sizeof(ways) / sizeof(ways[0]); way++) {
		for (n = 1; run_one(way, n, there); n++) {
			failed++;
			assert_true(n < 100);
		}
		print_message("%s: %d calls\n", ways[way].what, n - 1);
		assert_true(n - 1 >= calls_min);
	}
	assert_true(failed > 0);
}

/* open, open, fchmod, write, fsync, close, rename, open, fsync, close */
static void test_making_it(void **state)
{
	(void)state;
	every_call_fails_once(NOTHING, 10);
}

/* open, read to the end, close */
static void test_reading_it(void **state)
{
	(void)state;
	every_call_fails_once(WHOLE, 4);
}

/* Both, one after the other */
static void test_completing_it(void **state)
{
	(void)state;
	every_call_fails_once(OLDER, 13);
}

/* The control: a call that must succeed does make a difference. */
static void test_a_failing_call_is_a_failing_load(void **state)
{
	static const char *const must[] = {"open", "fchmod", "write", "fsync",
					   "rename"};
	unsigned seen = 0;
	size_t i;
	int n, syncs = 0;

	(void)state;
	for (n = 1; n < 100; n++) {
		(void)unlink(path);
		upset_arm(n, EIO, false);
		if (load() == MPP_OK)
			upset.last = "";
		upset_disarm();
		for (i = 0; i < sizeof(must) / sizeof(must[0]); i++) {
			if (strcmp(upset.last, must[i]) == 0)
				seen |= 1u << i;
		}
		syncs += strcmp(upset.last, "fsync") == 0;
		if (upset.reached == 0)
			break;
	}
	assert_int_equal(seen, 31);
	assert_int_equal(syncs, 2); /* of the file and of its name */
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_making_it),
		CASE(test_reading_it),
		CASE(test_completing_it),
		CASE(test_a_failing_call_is_a_failing_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
