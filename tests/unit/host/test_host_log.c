/* SPDX-License-Identifier: MIT */
/* test_host_log.c - lines of the log, byte for byte but for the time. */
#include "head.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/log.h"

static int ends[2];
static char line[2 * LOG_LINE];

static int open_pipe(void **state)
{
	(void)state;
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	log_setup(ends[1], LOG_LEVEL_INFO);
	return 0;
}

static int close_pipe(void **state)
{
	(void)state;
	log_setup(STDERR_FILENO, LOG_LEVEL_INFO);
	return close(ends[0]) | close(ends[1]);
}

/* What was written since the last look. */
static const char *written(void)
{
	const ssize_t n = read(ends[0], line, sizeof(line) - 1);

	line[n > 0 ? n : 0] = '\0';
	return line;
}

/* The same without "time=... ". */
static const char *behind_time(void)
{
	const char *p = written();

	assert_memory_equal(p, "time=20", 7);
	p = strchr(p, ' ');
	assert_non_null(p);
	return p + 1;
}

static const struct row {
	const char *sentence;
	const char *value;
	const char *as;
} rows[] = {
	{"a word stays bare", "word", "v=word"},
	{"an address stays bare", "[::1]:15099", "v=[::1]:15099"},
	{"UTF-8 stays bare", "gr\xc3\xbc\xc3\x9f", "v=gr\xc3\xbc\xc3\x9f"},
	{"nothing is quoted", "", "v=\"\""},
	{"a space is quoted", "a b", "v=\"a b\""},
	{"an equals sign is quoted", "a=b", "v=\"a=b\""},
	{"a quote is escaped", "a\"b", "v=\"a\\\"b\""},
	{"a backslash is escaped", "a\\b", "v=\"a\\\\b\""},
	{"a line end cannot make a line", "a\nlevel=error",
	 "v=\"a\\nlevel=error\""},
	{"CR and tab", "\r\t", "v=\"\\r\\t\""},
	{"an escape sequence of terminals", "\x1b[31m", "v=\"\\u001b[31m\""},
	{"DEL", "\x7f", "v=\"\\u007f\""},
	{"a C1 control (CSI)", "\xc2\x9b", "v=\"\\u009b\""},
	{"not UTF-8",
	 "a\xff"
	 "b",
	 "v=\"a\\ufffdb\""},
	{"UTF-8 cut at the end", "\xe2\x82", "v=\"\\ufffd\\ufffd\""},
	{"an overlong form", "\xc0\xaf", "v=\"\\ufffd\\ufffd\""},
};

static void test_values(void **state)
{
	char expected[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		(void)snprintf(expected, sizeof(expected),
			       "level=info msg=m %s\n", rows[i].as);
		log_write(LOG_LEVEL_INFO, "m", "v", rows[i].value, NULL);
		assert_string_equal(behind_time(), expected);
	}
}

static void test_message_and_pairs(void **state)
{
	char n[LOG_NUMBER];

	(void)state;
	log_write(LOG_LEVEL_ERROR, "store failed", "why", "disk full", "n",
		  log_number(n, UINT64_MAX), NULL);
	assert_string_equal(behind_time(),
			    "level=error msg=\"store failed\" "
			    "why=\"disk full\" n=18446744073709551615\n");
	log_write(LOG_LEVEL_WARN, "alone", NULL);
	assert_string_equal(behind_time(), "level=warn msg=alone\n");
	log_write_bytes(LOG_LEVEL_INFO, "m", "v",
			(mpp_bytes){(const uint8_t *)"a\0b", 3});
	assert_string_equal(behind_time(),
			    "level=info msg=m v=\"a\\u0000b\"\n");
}

static void test_levels(void **state)
{
	(void)state;
	log_write(LOG_LEVEL_DEBUG, "hidden", NULL);
	log_write_bytes(LOG_LEVEL_DEBUG, "hidden", "v",
			(mpp_bytes){(const uint8_t *)"x", 1});
	assert_string_equal(written(), "");
	log_setup(ends[1], LOG_LEVEL_DEBUG);
	log_write(LOG_LEVEL_DEBUG, "shown", NULL);
	assert_string_equal(behind_time(), "level=debug msg=shown\n");
	log_setup(ends[1], LOG_LEVEL_ERROR);
	log_write(LOG_LEVEL_WARN, "hidden", NULL);
	assert_string_equal(written(), "");
	log_write(LOG_LEVEL_ERROR, "shown", NULL);
	assert_string_equal(behind_time(), "level=error msg=shown\n");
	log_setup(ends[1], LOG_LEVEL_INFO);
}

/* What does not fit is left out whole, and that is said. */
static void test_long_lines_end_early(void **state)
{
	static char big[LOG_LINE];
	const char *p;

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	log_write(LOG_LEVEL_INFO, "m", "a", "1", "b", big, "c", "3", NULL);
	assert_string_equal(behind_time(),
			    "level=info msg=m a=1 truncated=yes\n");
	memset(big, '\n', sizeof(big) - 1); /* each becomes two */
	log_write(LOG_LEVEL_INFO, "m", "b", big, NULL);
	assert_string_equal(behind_time(), "level=info msg=m truncated=yes\n");
	memset(big, 0, sizeof(big));
	memset(big, 'y', LOG_LINE - 100);
	log_write(LOG_LEVEL_INFO, "m", "b", big, NULL);
	p = written();
	assert_true(strlen(p) > LOG_LINE - 100 && strlen(p) <= LOG_LINE);
	assert_null(strstr(p, "truncated"));
}

static void test_time_has_the_local_offset(void **state)
{
	const mpp_wall at = {UINT64_C(1777629600123456)};
	char text[64];

	(void)state;
	/* 2026-05-01T10:00:00Z, by date(1) -d @1777629600. */
	assert_int_equal(setenv("TZ", "ABC-02:30", 1), 0);
	tzset();
	assert_int_equal(log_time(at, text, sizeof(text)), 29);
	assert_string_equal(text, "2026-05-01T12:30:00.123+02:30");
	assert_int_equal(setenv("TZ", "ABC+03", 1), 0);
	tzset();
	assert_int_equal(log_time(at, text, sizeof(text)), 29);
	assert_string_equal(text, "2026-05-01T07:00:00.123-03:00");
	assert_int_equal(log_time(at, text, 29), 0);
	assert_int_equal(unsetenv("TZ"), 0);
	tzset();
}

static void test_clock(void **state)
{
	const mpp_time now = {1000000};
	const mpp_instant a = clock_now();
	const struct timespec pause = {0, 20000000};
	mpp_instant b;

	(void)state;
	assert_int_equal(nanosleep(&pause, NULL), 0);
	b = clock_now();
	assert_true(b.mono.us - a.mono.us >= 20000);
	assert_true(b.mono.us - a.mono.us < 20000000);
	assert_true(a.wall.us / 1000000 - (uint64_t)time(NULL) + 30 < 60);
	assert_int_equal(clock_wait_ms(now, now, 99), 0);
	assert_int_equal(clock_wait_ms(now, (mpp_time){1}, 99), 0);
	assert_int_equal(clock_wait_ms(now, (mpp_time){1000001}, 99), 1);
	assert_int_equal(clock_wait_ms(now, (mpp_time){1001000}, 99), 1);
	assert_int_equal(clock_wait_ms(now, (mpp_time){1001001}, 99), 2);
	assert_int_equal(clock_wait_ms(now, MPP_TIME_NEVER, 99), 99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_message_and_pairs),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_long_lines_end_early),
		cmocka_unit_test(test_time_has_the_local_offset),
		cmocka_unit_test(test_clock),
	};

	return cmocka_run_group_tests(tests, open_pipe, close_pipe);
}
