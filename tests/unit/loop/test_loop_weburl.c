/* SPDX-License-Identifier: MIT */
/* test_loop_weburl.c - where a Web Service is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "loop/weburl.h"

#define WELL_KNOWN "/.well-known/mmmpresence"
#define P50 "/aaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee"

static mpp_bytes bytes(const char *s)
{
	return (mpp_bytes){(const uint8_t *)s, strlen(s)};
}

static void a_right_url_is_completed(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"https://h.example", "https://h.example:443" WELL_KNOWN},
		{"https://h.example/", "https://h.example:443" WELL_KNOWN},
		{"HTTPS://h.example:8443", "https://h.example:8443" WELL_KNOWN},
		{"https://192.0.2.1", "https://192.0.2.1:443" WELL_KNOWN},
		{"https://[2001:db8::1]",
		 "https://[2001:db8::1]:443" WELL_KNOWN},
		{"https://[2001:db8::1]:9/",
		 "https://[2001:db8::1]:9" WELL_KNOWN},
		{"https://h/a/b-c_d.e~1", "https://h:443/a/b-c_d.e~1"},
		{"https://h:15099", "https://h:15099" WELL_KNOWN},
		{"http://127.0.0.1:80/x", "http://127.0.0.1:80/x"},
		{"http://127.9.8.7", "http://127.9.8.7:80" WELL_KNOWN},
		{"http://[::1]", "http://[::1]:80" WELL_KNOWN},
		{"http://localhost", "http://localhost:80" WELL_KNOWN},
		{"https://h" P50 P50, "https://h:443" P50 P50},
	};
	char out[LOOP_WEB_TEXT];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *wrong =
			loop_weburl_wrong(bytes(rows[i].in), false, out);

		if (wrong != NULL)
			fail_msg("%s: said \"%s\"", rows[i].in, wrong);
		assert_string_equal(out, rows[i].out);
		/* What is kept is read again as it is. */
		assert_null(loop_weburl_wrong(bytes(rows[i].out), false, out));
		assert_string_equal(out, rows[i].out);
	}
}

static void a_wrong_url_says_why(void **state)
{
	static const struct {
		const char *in, *why;
	} rows[] = {
		{"", "begin with https://"},
		{"h.example", "begin with https://"},
		{"ftp://h.example", "begin with https://"},
		{"https:/h", "begin with https://"},
		{"https://", "host is missing"},
		{"https:///x", "host is missing"},
		{"https://u@h", "not a name"},
		{"https://u:p@h", "port is not"},
		{"https://h:0", "1 to 65535"},
		{"https://h:65536/x", "1 to 65535"},
		{"https://[::1", "closing bracket"},
		{"https://2001:db8::1", "in brackets"},
		{"https://0.0.0.0", "nobody's address"},
		{"https://h/a?b=c", "may hold"},
		{"https://h?b=c", "not a name"},
		{"https://h/a#b", "may hold"},
		{"https://h/a%20b", "may hold"},
		{"https://h/a b", "may hold"},
		{"https://h/a\r\nHost: x", "may hold"},
		{"https://h/a/../b", "must not hold"},
		{"https://h/" P50 P50, "too long"},
		{"http://h.example", "must begin with https://"},
		{"http://192.0.2.1", "must begin with https://"},
		{"http://127.example", "must begin with https://"},
		{"http://[2001:db8::1]", "must begin with https://"},
		{"http://localhost.example", "must begin with https://"},
	};
	char out[LOOP_WEB_TEXT] = "untouched";
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *wrong =
			loop_weburl_wrong(bytes(rows[i].in), false, out);

		if (wrong == NULL || strstr(wrong, rows[i].why) == NULL)
			fail_msg("%s: said \"%s\"", rows[i].in,
				 wrong == NULL ? "(nothing)" : wrong);
		assert_string_equal(out, "untouched");
	}
}

static void a_nul_is_no_part_of_a_url(void **state)
{
	static const uint8_t in[] = "https://h/a\0b";
	char out[LOOP_WEB_TEXT];

	(void)state;
	assert_non_null(
		loop_weburl_wrong((mpp_bytes){in, sizeof(in) - 1}, false, out));
	assert_null(loop_weburl_wrong((mpp_bytes){in, 11}, false, out));
}

static void whoever_insists_gets_http_to_any_host(void **state)
{
	char out[LOOP_WEB_TEXT];

	(void)state;
	assert_null(
		loop_weburl_wrong(bytes("http://192.0.2.1:8080"), true, out));
	assert_string_equal(out, "http://192.0.2.1:8080" WELL_KNOWN);
	assert_non_null(
		loop_weburl_wrong(bytes("http://192.0.2.1:8080"), false, out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_right_url_is_completed),
		cmocka_unit_test(a_wrong_url_says_why),
		cmocka_unit_test(a_nul_is_no_part_of_a_url),
		cmocka_unit_test(whoever_insists_gets_http_to_any_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
