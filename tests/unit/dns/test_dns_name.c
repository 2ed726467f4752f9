/* SPDX-License-Identifier: MIT */
/* test_dns_name.c - names in messages: pointers, lengths, loops; and text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dns/name.h"

// clang-format off
#define MESSAGE(text) {(const uint8_t *)(text), sizeof(text) - 1}
// clang-format on

static void pointers_are_followed_backwards(void **state)
{
	/* RFC 1035 section 4.1.4, moved to the front. */
	const mpp_bytes m = MESSAGE("\1F\3ISI\4ARPA\0\3FOO\xc0\0\xc0\6\0");
	struct dns_name name;
	char text[DNS_NAME_TEXT];
	size_t at = 0;

	(void)state;
	assert_int_equal(dns_name_read(m, &at, &name), MPP_OK);
	assert_int_equal(at, 12);
	dns_name_text(&name, text);
	assert_string_equal(text, "F.ISI.ARPA.");
	assert_int_equal(dns_name_read(m, &at, &name), MPP_OK);
	assert_int_equal(at, 18);
	dns_name_text(&name, text);
	assert_string_equal(text, "FOO.F.ISI.ARPA.");
	assert_int_equal(dns_name_read(m, &at, &name), MPP_OK);
	assert_int_equal(at, 20);
	dns_name_text(&name, text);
	assert_string_equal(text, "ARPA.");
	assert_int_equal(dns_name_read(m, &at, &name), MPP_OK);
	dns_name_text(&name, text);
	assert_string_equal(text, ".");
	assert_int_equal(at, m.len);
}

static const struct bad {
	const char *sentence;
	mpp_bytes message;
	size_t at;
	mpp_err err;
} bad[] = {
	{"nothing", {(const uint8_t *)"", 0}, 0, MPP_ERR_TRUNCATED},
	{"no end", MESSAGE("\1a"), 0, MPP_ERR_TRUNCATED},
	{"a label that is longer than the message", MESSAGE("\5abc\0"), 0,
	 MPP_ERR_TRUNCATED},
	{"half a pointer", MESSAGE("\0\xc0"), 1, MPP_ERR_TRUNCATED},
	{"a pointer to itself", MESSAGE("\xc0\0"), 0, MPP_ERR_SYNTAX},
	{"a pointer to the label before it", MESSAGE("\1a\xc0\0"), 0,
	 MPP_ERR_SYNTAX},
	{"two pointers in a circle", MESSAGE("\xc0\2\xc0\0"), 2,
	 MPP_ERR_SYNTAX},
	{"a circle below the pointer that leads into it",
	 MESSAGE("\xc0\2\xc0\0\xc0\2"), 4, MPP_ERR_SYNTAX},
	{"a pointer forwards", MESSAGE("\xc0\2\0"), 0, MPP_ERR_SYNTAX},
	{"a pointer behind the end", MESSAGE("\0\xff\xff"), 1, MPP_ERR_SYNTAX},
	{"labels of the kinds 01 and 10", MESSAGE("\x41x\0"), 0,
	 MPP_ERR_SYNTAX},
	{"labels of the kind 10", MESSAGE("\x80x\0"), 0, MPP_ERR_SYNTAX},
};

static void bad_names_change_nothing(void **state)
{
	struct dns_name name, before;
	size_t i, at;

	(void)state;
	memset(&before, 0x5a, sizeof(before));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		at = bad[i].at;
		name = before;
		if (dns_name_read(bad[i].message, &at, &name) != bad[i].err)
			fail_msg("%s", bad[i].sentence);
		assert_int_equal(at, bad[i].at);
		assert_memory_equal(&name, &before, sizeof(name));
	}
}

/* 4 labels: 63, 63, 63 and `last`. */
static size_t long_name(uint8_t room[300], uint8_t last)
{
	size_t n = 0, i;

	for (i = 0; i < 4; i++) {
		room[n] = i < 3 ? 63 : last;
		memset(room + n + 1, 'x', room[n]);
		n += (size_t)room[n] + 1;
	}
	room[n++] = 0;
	return n;
}

static void at_most_255_octets(void **state)
{
	struct dns_name name;
	uint8_t room[300];
	size_t n = long_name(room, 61), at = 0;

	(void)state;
	assert_int_equal(n, 255);
	assert_int_equal(dns_name_read((mpp_bytes){room, n}, &at, &name),
			 MPP_OK);
	assert_int_equal(name.len, 255);
	n = long_name(room, 62);
	at = 0;
	assert_int_equal(dns_name_read((mpp_bytes){room, n}, &at, &name),
			 MPP_ERR_RANGE);
}

/* Each pointer adds a label: the name is too long long before the chain of
 * 8000 is at its end. */
static void a_long_chain_of_pointers(void **state)
{
	static uint8_t m[4 * 4000 + 1];
	struct dns_name name;
	size_t i, at;

	(void)state;
	for (i = 0; i < 4000; i++) {
		uint8_t *p = m + 1 + 4 * i;
		const size_t target = i == 0 ? 0 : 1 + 4 * (i - 1);

		p[0] = 1;
		p[1] = 'a';
		p[2] = (uint8_t)(0xc0 | target >> 8);
		p[3] = (uint8_t)target;
	}
	at = 1 + 4 * 126;
	assert_int_equal(dns_name_read((mpp_bytes){m, sizeof(m)}, &at, &name),
			 MPP_OK);
	assert_int_equal(name.len, 255);
	at = 1 + 4 * 3999;
	assert_int_equal(dns_name_read((mpp_bytes){m, sizeof(m)}, &at, &name),
			 MPP_ERR_RANGE);
}

static struct dns_name parsed(const char *text)
{
	struct dns_name name = {.len = 0};

	assert_true(dns_name_parse(text, &name));
	return name;
}

static void zones(void **state)
{
	static const struct {
		const char *name, *zone;
		bool in;
	} rows[] = {
		{"a.example.com", "example.com", true},
		{"A.EXAMPLE.com", "example.COM.", true},
		{"example.com", "example.com", true},
		{"badexample.com", "example.com", false},
		{"com", "example.com", false},
		{"example.org", "example.com", false},
		{"example.com", ".", true},
		{".", ".", true},
		{".", "com", false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct dns_name name = parsed(rows[i].name);
		const struct dns_name zone = parsed(rows[i].zone);

		if (dns_name_in(&name, &zone) != rows[i].in)
			fail_msg("%s in %s", rows[i].name, rows[i].zone);
	}
}

/* What libunbound is asked for is text, in which nothing may be lost. */
static void text_keeps_every_octet(void **state)
{
	const mpp_bytes m = MESSAGE("\5a.\\\0\xff\1*\0");
	struct dns_name name;
	char text[DNS_NAME_TEXT];
	size_t at = 0;

	(void)state;
	assert_int_equal(dns_name_read(m, &at, &name), MPP_OK);
	dns_name_text(&name, text);
	assert_string_equal(text, "a\\046\\092\\000\\255.*.");
}

static void text_that_is_no_name(void **state)
{
	static const char *const wrong[] = {"", "..", ".a", "a..b",
					    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
					    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
					    "x"};
	struct dns_name name;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(dns_name_parse(wrong[i], &name));
	assert_true(dns_name_parse(wrong[4] + 1, &name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pointers_are_followed_backwards),
		cmocka_unit_test(bad_names_change_nothing),
		cmocka_unit_test(at_most_255_octets),
		cmocka_unit_test(a_long_chain_of_pointers),
		cmocka_unit_test(zones),
		cmocka_unit_test(text_keeps_every_octet),
		cmocka_unit_test(text_that_is_no_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
