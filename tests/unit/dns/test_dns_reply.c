/* SPDX-License-Identifier: MIT */
/* test_dns_reply.c - answers made of what was found: sections, compression,
 * cuts between sets, malformed messages. Expected octets are written by hand
 * from RFC 1035, 4034 and 8914. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dns/found.h"

// clang-format off
#define MESSAGE(text) {(const uint8_t *)(text), sizeof(text) - 1}
// clang-format on
#define QUESTION "\1a\2ex\0\0\1\0\1"
#define HEAD(an, ns, ar) "\0\0\x81\x80\0\1\0" an "\0" ns "\0" ar QUESTION
/* Records of a.ex, whose name is at 12. */
#define ADDRESS(last) "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc6\x33\x64" last
#define SIGNED(type)                                \
	"\xc0\x0c\0\x2e\0\1\0\0\0\x3c\0\x17\0" type \
	"\x0f\2\0\0\0\x3c\0\0\0\2\0\0\0\1\0\7\0\1\2\3\4"

static uint8_t room[DNS_SIZE_OURS];
static mpp_buf out;

static struct dns_query asked(uint16_t type, uint16_t size, bool dnssec_ok)
{
	struct dns_query q = {.id = 0x1234,
			      .flags = DNS_RD,
			      .type = type,
			      .class = DNS_IN,
			      .size = size,
			      .has_question = true,
			      .has_edns = dnssec_ok,
			      .dnssec_ok = dnssec_ok};

	assert_true(dns_name_parse("a.ex", &q.name));
	return q;
}

static mpp_err answered(const struct dns_query *q, mpp_bytes found)
{
	const struct dns_says says = {DNS_NOERROR, true, DNS_EDE_NONE, ""};

	memset(room, 0xee, sizeof(room));
	out = (mpp_buf){room, sizeof(room), 0};
	return dns_reply_write(q, &says, found, &out);
}

static void check(const char *text, size_t n)
{
	if (out.len != n || memcmp(room, text, n) != 0)
		fail_msg("%zu octets for %zu", out.len, n);
}

#define IS(text) check(text, sizeof(text) - 1)

static void an_address(void **state)
{
	const mpp_bytes found = MESSAGE(HEAD("\1", "\0", "\0") ADDRESS("\7"));
	struct dns_query q = asked(DNS_A, 512, false);

	(void)state;
	assert_int_equal(answered(&q, found), MPP_OK);
	IS("\x12\x34\x81\x80\0\1\0\1\0\0\0\0" QUESTION ADDRESS("\7"));
	q.flags |= DNS_AD | DNS_CD;
	assert_int_equal(answered(&q, found), MPP_OK);
	IS("\x12\x34\x81\xb0\0\1\0\1\0\0\0\0" QUESTION ADDRESS("\7"));
}

static void signatures_only_for_those_who_ask(void **state)
{
	const mpp_bytes found =
		MESSAGE(HEAD("\2", "\0", "\0") ADDRESS("\7") SIGNED("\1"));
	struct dns_query q = asked(DNS_A, 512, false);

	(void)state;
	assert_int_equal(answered(&q, found), MPP_OK);
	IS("\x12\x34\x81\x80\0\1\0\1\0\0\0\0" QUESTION ADDRESS("\7"));
	q = asked(DNS_RRSIG, 512, false);
	assert_int_equal(answered(&q, found), MPP_OK);
	assert_int_equal(room[7], 2);
	q = asked(DNS_A, 512, true);
	assert_int_equal(answered(&q, found), MPP_OK);
	IS("\x12\x34\x81\xa0\0\1\0\2\0\0\0\1" QUESTION ADDRESS("\7")
		   SIGNED("\1") "\0\0\x29\x40\0\0\0\x80\0\0\0");
}

/* MX whose rdata has a name that was compressed, and SRV, where it may not be
 * (RFC 2782). */
static void names_in_rdata(void **state)
{
	const mpp_bytes found = MESSAGE(
		HEAD("\2", "\0",
		     "\0") "\xc0\x0c\0\x0f\0\1\0\0\0\x3c\0\6\0\x0a\1m\xc0\x0e"
			   "\xc0\x0c\0\x21\0\1\0\0\0\x3c\0\x0a\0\0\0\0\0\x35\1m"
			   "\xc0\x0e");
	struct dns_query q = asked(DNS_A, 512, false);

	(void)state;
	assert_int_equal(answered(&q, found), MPP_OK);
	IS("\x12\x34\x81\x80\0\1\0\2\0\0\0\0" QUESTION
	   "\xc0\x0c\0\x0f\0\1\0\0\0\x3c\0\6\0\x0a\1m\xc0\x0e"
	   "\xc0\x0c\0\x21\0\1\0\0\0\x3c\0\x0c\0\0\0\0\0\x35\1m\2ex\0");
}

/* A set of 30 addresses with its signature, then another set. */
static size_t many(uint8_t *m, uint8_t n)
{
	static const uint8_t head[] = HEAD("\0", "\0", "\0");
	static const uint8_t one[] = ADDRESS("\7");
	static const uint8_t sig[] = SIGNED("\1");
	static const uint8_t text[] = "\xc0\x0e\0\x10\0\1\0\0\0\x3c\0\4\3abc";
	size_t at = sizeof(head) - 1, i;

	memcpy(m, head, at);
	m[7] = (uint8_t)(n + 2);
	for (i = 0; i < n; i++, at += sizeof(one) - 1)
		memcpy(m + at, one, sizeof(one) - 1);
	memcpy(m + at, sig, sizeof(sig) - 1);
	at += sizeof(sig) - 1;
	memcpy(m + at, text, sizeof(text) - 1);
	return at + sizeof(text) - 1;
}

static void cut_between_sets(void **state)
{
	static uint8_t m[2048];
	const size_t n = many(m, 40);
	const mpp_bytes found = {m, n};
	/* Both sets with OPT; the first alone. */
	const size_t whole = n + 11, first = whole - 16;
	struct dns_query q = asked(DNS_A, (uint16_t)whole, true);

	(void)state;
	assert_int_equal(answered(&q, found), MPP_OK);
	assert_int_equal(out.len, whole);
	assert_int_equal(room[7], 42);
	assert_int_equal(room[2] & 2, 0);
	for (q.size = (uint16_t)first; q.size < whole; q.size++) {
		assert_int_equal(answered(&q, found), MPP_OK);
		assert_int_equal(out.len, first);
		assert_int_equal(room[7], 41);
		assert_int_equal(room[2] & 2, 2);
	}
	/* Not an address without its signature. */
	for (q.size = (uint16_t)(first - 1); q.size >= 512; q.size--) {
		assert_int_equal(answered(&q, found), MPP_OK);
		assert_int_equal(room[7], 0);
		assert_int_equal(room[2] & 2, 2);
		assert_int_equal(out.len, 12 + 10 + 11);
	}
}

/* A short one of another section neither. */
static void nothing_follows_a_set_that_was_cut(void **state)
{
	static uint8_t m[1024];
	static const uint8_t head[] = HEAD("\1", "\0", "\1");
	/* b.long…, 500 octets of TXT; then an address of the same name. */
	static const uint8_t name[] = "\1b\4long\0";
	struct dns_query q = asked(DNS_A, 512, false);
	size_t at = sizeof(head) - 1;

	(void)state;
	memcpy(m, head, at);
	memcpy(m + at, name, 8);
	memcpy(m + at + 8, "\0\x10\0\1\0\0\0\x3c\1\xf4", 10);
	memset(m + at + 18, 1, 500);
	memcpy(m + at + 518, name, 8);
	memcpy(m + at + 526, "\0\1\0\1\0\0\0\x3c\0\4\xc6\x33\x64\1", 14);
	assert_int_equal(answered(&q, (mpp_bytes){m, at + 540}), MPP_OK);
	IS("\x12\x34\x83\x80\0\1\0\0\0\0\0\0" QUESTION);
}

static void what_does_not_fit_of_the_rest_is_no_cut(void **state)
{
	static uint8_t m[1024];
	static const uint8_t head[] = HEAD("\0", "\0", "\1");
	struct dns_query q = asked(DNS_A, 512, false);
	const size_t at = sizeof(head) - 1;

	(void)state;
	memcpy(m, head, at);
	memcpy(m + at, "\xc0\x0c\0\x10\0\1\0\0\0\x3c\1\xf4", 12);
	memset(m + at + 12, 1, 500);
	assert_int_equal(answered(&q, (mpp_bytes){m, at + 512}), MPP_OK);
	IS("\x12\x34\x81\x80\0\1\0\0\0\0\0\0" QUESTION);
}

static const struct {
	const char *sentence;
	mpp_bytes found;
	mpp_err err;
} bad[] = {
	{"half a header", MESSAGE("\0\0\x81\x80\0\1\0\1"), MPP_ERR_SYNTAX},
	{"no question", MESSAGE("\0\0\x81\x80\0\0\0\0\0\0\0\0"),
	 MPP_ERR_SYNTAX},
	{"a record that is not there", MESSAGE(HEAD("\1", "\0", "\0")),
	 MPP_ERR_TRUNCATED},
	{"a record that nobody announced",
	 MESSAGE(HEAD("\0", "\0", "\0") ADDRESS("\7")), MPP_ERR_TRAILING},
	{"rdata behind the end",
	 MESSAGE(HEAD("\1", "\0", "\0") "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\5\1\2\3"
					"\4"),
	 MPP_ERR_TRUNCATED},
	{"a name that points to itself",
	 MESSAGE(HEAD("\1", "\0", "\0") "\xc0\x16\0\1\0\1\0\0\0\x3c\0\0"),
	 MPP_ERR_SYNTAX},
	{"MX without a name",
	 MESSAGE(HEAD("\1", "\0", "\0") "\xc0\x0c\0\x0f\0\1\0\0\0\x3c\0\2\0"
					"\1"),
	 MPP_ERR_TRUNCATED},
	{"MX of an octet, and more behind it",
	 MESSAGE(HEAD("\1", "\0", "\0") "\xc0\x0c\0\x0f\0\1\0\0\0\x3c\0\1\0"),
	 MPP_ERR_TRUNCATED},
	{"NAPTR whose string is longer than it",
	 MESSAGE(HEAD("\1", "\0", "\0") "\xc0\x0c\0\x23\0\1\0\0\0\x3c\0\6\0\1"
					"\0\1\5a"),
	 MPP_ERR_TRUNCATED},
};

static void malformed_ones_are_noticed(void **state)
{
	struct dns_query q = asked(DNS_A, 512, true);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (answered(&q, bad[i].found) != bad[i].err)
			fail_msg("%s", bad[i].sentence);
		assert_int_equal(out.len, 0);
	}
}

/* And answered, and counted. */
static void malformed_ones_are_servfail(void **state)
{
	static const struct dns_config c = {.outstanding = 1};
	const struct dns_query q = asked(DNS_A, 512, true);
	struct dns_counters count = {0};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct dns_found found = {DNS_NOERROR, true, false, "",
						bad[i].found};

		out = (mpp_buf){room, sizeof(room), 0};
		dns_found_answer(&c, &q, &found, &out, &count);
		assert_int_equal(room[3] & 0x0f, DNS_SERVFAIL);
		assert_int_equal(room[3] & 0x20, 0);
		assert_int_equal(room[7], 0);
		assert_int_equal(count.broken, i + 1);
	}
	assert_int_equal(count.resolved, 0);
}

/* Strangers have a part in the text of an error. */
static void texts_are_cleaned_and_cut(void **state)
{
	char why[1001];
	const struct dns_says says = {DNS_SERVFAIL, false, DNS_EDE_BOGUS, why};
	struct dns_query q = asked(DNS_A, 512, true);

	(void)state;
	memset(why, 'x', sizeof(why));
	memcpy(why, "a\x1b[31m\xff\n", 8);
	why[1000] = '\0';
	out = (mpp_buf){room, sizeof(room), 0};
	assert_int_equal(dns_reply_write(&q, &says, (mpp_bytes){NULL, 0}, &out),
			 MPP_OK);
	assert_int_equal(out.len, 12 + 10 + 11 + 6 + DNS_WHY_MAX);
	assert_memory_equal(room + 22,
			    "\0\0\x29\x40\0\0\0\x80\0\0\xce\0\x0f\0\xca\0\6"
			    "a?[31m??xx",
			    27);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address),
		cmocka_unit_test(signatures_only_for_those_who_ask),
		cmocka_unit_test(names_in_rdata),
		cmocka_unit_test(cut_between_sets),
		cmocka_unit_test(nothing_follows_a_set_that_was_cut),
		cmocka_unit_test(what_does_not_fit_of_the_rest_is_no_cut),
		cmocka_unit_test(malformed_ones_are_noticed),
		cmocka_unit_test(malformed_ones_are_servfail),
		cmocka_unit_test(texts_are_cleaned_and_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
