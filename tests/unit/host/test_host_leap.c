/* SPDX-License-Identifier: MIT */
/* The leap-seconds file: what holds now, until when, and everything that is
 * not such a file. Times: `date -u -d @N`; the file's are 2208988800 s later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/leap.h"

/* 2012-07-01, 2015-07-01, 2017-01-01; expires 2026-12-28. */
#define ENTRIES                                            \
	"# a comment\n#\t\n3550089600\t35\t# 1 Jul 2012\n" \
	"3644697600 36 # 1 Jul 2015\n3692217600\t37\t# 1 Jan 2017\n"
#define EXPIRES "#@\t4007404800\n"

static const struct {
	const char *what;
	const char *text;
	uint64_t now_s;
	mpp_err err;
	unsigned offset;
	uint64_t until_s;
} rows[] = {
	{"today", EXPIRES ENTRIES, 1795536000, MPP_OK, 37, 1798416000},
	{"the last second of 2016: until the next leap", EXPIRES ENTRIES,
	 1483228799, MPP_OK, 36, 1483228800},
	{"the first of 2017", EXPIRES ENTRIES, 1483228800, MPP_OK, 37,
	 1798416000},
	{"lines end like on other systems",
	 "#@ 4007404800\r\n3692217600 37\r\n", 1795536000, MPP_OK, 37,
	 1798416000},
	{"no line end at the end", "#@ 4007404800\n3692217600 37", 1795536000,
	 MPP_OK, 37, 1798416000},
	{"expired", EXPIRES ENTRIES, 1798416000, MPP_ERR_REPLAY, 0, 0},
	{"before the first entry", EXPIRES ENTRIES, 1000000000, MPP_ERR_MISSING,
	 0, 0},
	{"no expiry", ENTRIES, 1795536000, MPP_ERR_MISSING, 0, 0},
	{"no entry", EXPIRES, 1795536000, MPP_ERR_MISSING, 0, 0},
	{"nothing", "", 1795536000, MPP_ERR_MISSING, 0, 0},
	{"a word", EXPIRES "hello\n", 1795536000, MPP_ERR_SYNTAX, 0, 0},
	{"one number", EXPIRES "3692217600\n", 1795536000, MPP_ERR_SYNTAX, 0,
	 0},
	{"three numbers", EXPIRES "3692217600 37 38\n", 1795536000,
	 MPP_ERR_SYNTAX, 0, 0},
	{"a number that is too long", EXPIRES "3692217600000 37\n", 1795536000,
	 MPP_ERR_SYNTAX, 0, 0},
	{"an offset of nothing", EXPIRES "3692217600 0\n", 1795536000,
	 MPP_ERR_SYNTAX, 0, 0},
	{"an offset that cannot be", EXPIRES "3692217600 10001\n", 1795536000,
	 MPP_ERR_SYNTAX, 0, 0},
	{"a negative offset", EXPIRES "3692217600 -37\n", 1795536000,
	 MPP_ERR_SYNTAX, 0, 0},
	{"an expiry without number", "#@\n" ENTRIES, 1795536000, MPP_ERR_SYNTAX,
	 0, 0},
};

static void test_files(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const mpp_bytes text = {(const uint8_t *)rows[i].text,
					strlen(rows[i].text)};
		unsigned offset = 0;
		mpp_wall until = {0};

		print_message("%s\n", rows[i].what);
		assert_int_equal(leap_parse(text,
					    (mpp_wall){rows[i].now_s * 1000000},
					    &offset, &until),
				 rows[i].err);
		assert_int_equal(offset, rows[i].offset);
		assert_int_equal(until.us / 1000000, rows[i].until_s);
	}
}

static void test_from_disk(void **state)
{
	char path[] = "/tmp/mpp-leap-XXXXXX";
	const int fd = mkstemp(path);
	unsigned offset = 0;
	mpp_wall until, now = {UINT64_C(1795536000000000)};

	(void)state;
	assert_true(fd >= 0);
	assert_true(write(fd, EXPIRES ENTRIES, strlen(EXPIRES ENTRIES)) > 0);
	assert_int_equal(leap_read(path, now, &offset, &until), MPP_OK);
	assert_int_equal(offset, 37);
	assert_int_equal(ftruncate(fd, 70000), 0);
	assert_int_equal(leap_read(path, now, &offset, &until), MPP_ERR_IO);
	(void)close(fd);
	(void)unlink(path);
	assert_int_equal(leap_read(path, now, &offset, &until),
			 MPP_ERR_NOTFOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_from_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
