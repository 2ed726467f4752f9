/* SPDX-License-Identifier: MIT */
/* test_dns_query.c - what devices may ask, and what they are told of the
 * rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dns/reply.h"

// clang-format off
#define MESSAGE(text) {(const uint8_t *)(text), sizeof(text) - 1}
// clang-format on
#define NAME "\3www\7example\0"
#define OPT "\0\0\x29\x10\0\0\0\x80\0\0\0"

/* As dig writes it: RD, AD, and OPT with 4096, DO and a cookie. */
static void a_query_of_dig(void **state)
{
	const mpp_bytes m = MESSAGE("\x12\x34\x01\x20\0\1\0\0\0\0\0\1" NAME
				    "\0\x1c\0\1"
				    "\0\0\x29\x10\0\0\0\x80\0\0\x0c\0\x0a\0\x08"
				    "abcdefgh");
	struct dns_query q;
	char text[DNS_NAME_TEXT];

	(void)state;
	assert_int_equal(dns_query_read(m, &q).rcode, DNS_NOERROR);
	dns_name_text(&q.name, text);
	assert_string_equal(text, "www.example.");
	assert_int_equal(q.id, 0x1234);
	assert_int_equal(q.flags, DNS_RD | DNS_AD);
	assert_int_equal(q.type, DNS_AAAA);
	assert_int_equal(q.size, 4096);
	assert_true(q.has_question && q.has_edns && q.dnssec_ok);
}

static const struct row {
	const char *sentence;
	mpp_bytes m;
	enum dns_rcode rcode;
	enum dns_ede ede;
	bool question; /* it comes back */
} rows[] = {
	{"nothing", {(const uint8_t *)"", 0}, DNS_FORMERR, DNS_EDE_NONE, false},
	{"an id", MESSAGE("\1\2"), DNS_FORMERR, DNS_EDE_NONE, false},
	{"11 octets", MESSAGE("\1\2\1\0\0\1\0\0\0\0\0"), DNS_FORMERR,
	 DNS_EDE_NONE, false},
	{"a header alone", MESSAGE("\1\2\1\0\0\1\0\0\0\0\0\0"), DNS_FORMERR,
	 DNS_EDE_NONE, false},
	{"no question", MESSAGE("\1\2\1\0\0\0\0\0\0\0\0\0"), DNS_FORMERR,
	 DNS_EDE_NONE, false},
	{"two questions",
	 MESSAGE("\1\2\1\0\0\2\0\0\0\0\0\0" NAME "\0\1\0\1" NAME "\0\1\0\1"),
	 DNS_FORMERR, DNS_EDE_NONE, false},
	{"an answer", MESSAGE("\1\2\x81\x80\0\1\0\0\0\0\0\0" NAME "\0\1\0\1"),
	 DNS_FORMERR, DNS_EDE_NONE, false},
	{"an update", MESSAGE("\1\2\x29\0\0\1\0\0\0\0\0\0" NAME "\0\6\0\1"),
	 DNS_NOTIMP, DNS_EDE_NOT_SUPPORTED, false},
	{"a name that does not end", MESSAGE("\1\2\1\0\0\1\0\0\0\0\0\0\3www"),
	 DNS_FORMERR, DNS_EDE_NONE, false},
	{"a name that points to itself",
	 MESSAGE("\1\2\1\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1"), DNS_FORMERR,
	 DNS_EDE_NONE, false},
	{"a name that points into the header",
	 MESSAGE("\1\2\1\0\0\1\0\0\0\0\0\0\xc0\4\0\1\0\1"), DNS_FORMERR,
	 DNS_EDE_NONE, false},
	{"a question without a class",
	 MESSAGE("\1\2\1\0\0\1\0\0\0\0\0\0" NAME "\0\1\0"), DNS_FORMERR,
	 DNS_EDE_NONE, false},
	{"octets behind the question",
	 MESSAGE("\1\2\1\0\0\1\0\0\0\0\0\0" NAME "\0\1\0\1x"), DNS_FORMERR,
	 DNS_EDE_NONE, true},
	{"a record among the answers",
	 MESSAGE("\1\2\1\0\0\1\0\1\0\0\0\0" NAME "\0\1\0\1\0\0\1\0\1\0\0\0\0"
		 "\0\4abcd"),
	 DNS_FORMERR, DNS_EDE_NONE, true},
	{"two OPT", MESSAGE("\1\2\1\0\0\1\0\0\0\0\0\2" NAME "\0\1\0\1" OPT OPT),
	 DNS_FORMERR, DNS_EDE_NONE, true},
	{"OPT of a name",
	 MESSAGE("\1\2\1\0\0\1\0\0\0\0\0\1" NAME "\0\1\0\1\1a" OPT),
	 DNS_FORMERR, DNS_EDE_NONE, true},
	{"TSIG",
	 MESSAGE("\1\2\1\0\0\1\0\0\0\0\0\1" NAME "\0\1\0\1"
		 "\0\0\xfa\0\xff\0\0\0\0\0\0"),
	 DNS_FORMERR, DNS_EDE_NONE, true},
	{"OPT with an option that is longer than it",
	 MESSAGE("\1\2\1\0\0\1\0\0\0\0\0\1" NAME "\0\1\0\1"
		 "\0\0\x29\x10\0\0\0\0\0\0\4\0\x0a\0\1"),
	 DNS_FORMERR, DNS_EDE_NONE, true},
	{"OPT that is longer than the message",
	 MESSAGE("\1\2\1\0\0\1\0\0\0\0\0\1" NAME "\0\1\0\1"
		 "\0\0\x29\x10\0\0\0\0\0\0\4\0"),
	 DNS_FORMERR, DNS_EDE_NONE, true},
	{"EDNS 1",
	 MESSAGE("\1\2\1\0\0\1\0\0\0\0\0\1" NAME "\0\1\0\1"
		 "\0\0\x29\x10\0\0\1\0\0\0\0"),
	 DNS_BADVERS, DNS_EDE_NONE, true},
	{"class CH", MESSAGE("\1\2\1\0\0\1\0\0\0\0\0\0" NAME "\0\x10\0\3"),
	 DNS_REFUSED, DNS_EDE_NOT_SUPPORTED, true},
	{"no RD", MESSAGE("\1\2\0\0\0\1\0\0\0\0\0\0" NAME "\0\1\0\1"),
	 DNS_REFUSED, DNS_EDE_NOT_AUTHORITATIVE, true},
	{"type 0", MESSAGE("\1\2\1\0\0\1\0\0\0\0\0\0" NAME "\0\0\0\1"),
	 DNS_FORMERR, DNS_EDE_NONE, true},
	{"type OPT", MESSAGE("\1\2\1\0\0\1\0\0\0\0\0\0" NAME "\0\x29\0\1"),
	 DNS_FORMERR, DNS_EDE_NONE, true},
	{"AXFR", MESSAGE("\1\2\1\0\0\1\0\0\0\0\0\0" NAME "\0\xfc\0\1"),
	 DNS_NOTIMP, DNS_EDE_NOT_SUPPORTED, true},
	{"IXFR", MESSAGE("\1\2\1\0\0\1\0\0\0\0\0\0" NAME "\0\xfb\0\1"),
	 DNS_NOTIMP, DNS_EDE_NOT_SUPPORTED, true},
	{"ANY", MESSAGE("\1\2\1\0\0\1\0\0\0\0\0\0" NAME "\0\xff\0\1"),
	 DNS_NOTIMP, DNS_EDE_NOT_SUPPORTED, true},
	{"a type that nobody knows",
	 MESSAGE("\1\2\1\0\0\1\0\0\0\0\0\0" NAME "\xff\1\0\1"), DNS_NOERROR,
	 DNS_EDE_NONE, true},
	{"the root", MESSAGE("\1\2\1\0\0\1\0\0\0\0\0\0\0\0\2\0\1"), DNS_NOERROR,
	 DNS_EDE_NONE, true},
};

/* Everything is answered: by its id, and the question when it was read. */
static void check_answer(const struct row *row, const struct dns_query *q,
			 struct dns_verdict v)
{
	const struct dns_says says = {v.rcode, false, v.ede, v.text};
	uint8_t room[DNS_SIZE_OURS];
	mpp_buf out = {room, sizeof(room), 0};

	assert_int_equal(dns_reply_write(q, &says, (mpp_bytes){NULL, 0}, &out),
			 MPP_OK);
	assert_true(out.len >= DNS_HEADER && out.len <= DNS_SIZE_MIN);
	if (row->m.len >= 2)
		assert_memory_equal(room, row->m.p, 2);
	assert_int_equal(room[2] & 0x80, 0x80);
	assert_int_equal(room[3] & 0x0f, (int)v.rcode & 0x0f);
	assert_int_equal(room[5], row->question ? 1 : 0);
}

static void each_kind_has_its_answer(void **state)
{
	struct dns_verdict v;
	struct dns_query q;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		v = dns_query_read(rows[i].m, &q);
		if (v.rcode != rows[i].rcode || v.ede != rows[i].ede ||
		    q.has_question != rows[i].question)
			fail_msg("%s: rcode %d, error %d, question %d",
				 rows[i].sentence, v.rcode, v.ede,
				 q.has_question);
		check_answer(&rows[i], &q, v);
	}
}

static void sizes_are_within_bounds(void **state)
{
	uint8_t m[] = "\1\2\1\0\0\1\0\0\0\0\0\1" NAME "\0\1\0\1" OPT;
	static const struct {
		uint16_t said, is;
	} sizes[] = {{0, 512},      {511, 512},     {512, 512},
		     {1232, 1232},  {16384, 16384}, {16385, 16384},
		     {65535, 16384}};
	struct dns_query q;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		m[32] = (uint8_t)(sizes[i].said >> 8);
		m[33] = (uint8_t)sizes[i].said;
		assert_int_equal(
			dns_query_read((mpp_bytes){m, sizeof(m) - 1}, &q).rcode,
			DNS_NOERROR);
		assert_int_equal(q.size, sizes[i].is);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_query_of_dig),
		cmocka_unit_test(each_kind_has_its_answer),
		cmocka_unit_test(sizes_are_within_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
