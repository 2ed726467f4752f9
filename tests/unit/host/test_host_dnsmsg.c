/* SPDX-License-Identifier: MIT */
/* DNS messages from outside, octet by octet; expected ones are written by hand
 * from RFC 1035 and 6891. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/dnsmsg.h"

/* "a.b" A, id 0x1234, RD. */
#define HEAD(flags, an, ar) \
	0x12, 0x34, (flags) >> 8, (flags)&255, 0, 1, 0, (an), 0, 0, 0, (ar)
#define QUESTION 1, 'a', 1, 'b', 0, 0, 1, 0, 1
#define OPT(size) 0, 0, 41, (size) >> 8, (size)&255, 0, 0, 0, 0, 0, 0
#define RECORD 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1

static const uint8_t query[] = {HEAD(0x0100, 0, 0), QUESTION};
static const uint8_t query_edns[] = {HEAD(0x0100, 0, 1), QUESTION, OPT(1232)};
static const uint8_t answer[] = {HEAD(0x8180, 1, 1), QUESTION, RECORD,
				 OPT(16384)};
enum { Q_END = 12 + 9 };

#define BYTES(a) ((mpp_bytes){(a), sizeof(a)})

static uint8_t out[DNSMSG_OUT_MAX];

static void test_read(void **state)
{
	struct dnsmsg d;

	(void)state;
	assert_true(dnsmsg_read(BYTES(query), &d));
	assert_int_equal(d.id, 0x1234);
	assert_false(d.response);
	assert_int_equal(d.question_end, Q_END);
	assert_int_equal(d.opt, 0);
	assert_int_equal(d.udp_size, 512);
	assert_int_equal(d.end, sizeof(query));
	assert_true(dnsmsg_read(BYTES(answer), &d));
	assert_true(d.response);
	assert_int_equal(d.opt, Q_END + 16);
	assert_int_equal(d.opt_end, sizeof(answer));
	assert_int_equal(d.udp_size, 16384);
}

/* However it is cut, and wherever a length lies, it is refused. */
static void test_bad(void **state)
{
	static const uint8_t loop[] = {HEAD(0x0100, 1, 0), QUESTION, 0xc0};
	static const uint8_t label[] = {
		HEAD(0x0100, 0, 0), 64, 'a', 0, 0, 1, 0, 1};
	static const uint8_t lies[] = {HEAD(0x8180, 1, 0),
				       QUESTION,
				       0xc0,
				       12,
				       0,
				       1,
				       0,
				       1,
				       0,
				       0,
				       0,
				       60,
				       0xff,
				       0xff,
				       1};
	static const uint8_t two[] = {HEAD(0x0100, 0, 2), QUESTION, OPT(512),
				      OPT(512)};
	static const uint8_t named[] = {HEAD(0x0100, 0, 1),
					QUESTION,
					0xc0,
					12,
					0,
					41,
					2,
					0,
					0,
					0,
					0,
					0,
					0,
					0};
	static const uint8_t none[] = {0x12, 0x34, 1, 0, 0, 0,
				       0,    0,    0, 0, 0, 0};
	/* 64 octets of label are none, even where they are there. */
	static const uint8_t longest[12 + 65 + 5] = {HEAD(0x0100, 0, 0),
						     64, [78] = 1, [80] = 1};
	struct dnsmsg d;
	size_t n;

	(void)state;
	assert_false(dnsmsg_read(BYTES(longest), &d));
	for (n = 0; n < sizeof(answer); n++)
		assert_false(dnsmsg_read((mpp_bytes){answer, n}, &d));
	assert_false(dnsmsg_read(BYTES(loop), &d));
	assert_false(dnsmsg_read(BYTES(label), &d));
	assert_false(dnsmsg_read(BYTES(lies), &d));
	assert_false(dnsmsg_read(BYTES(two), &d));
	assert_false(dnsmsg_read(BYTES(named), &d));
	assert_false(dnsmsg_read(BYTES(none), &d));
	assert_int_equal(d.id, 0x1234);
}

static void test_ask(void **state)
{
	static const uint8_t asked[] = {
		0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, QUESTION, OPT(16384)};
	struct dnsmsg d;

	(void)state;
	assert_true(dnsmsg_read(BYTES(query), &d));
	assert_int_equal(dnsmsg_ask(BYTES(query), &d, 0xabcd, out),
			 sizeof(asked));
	assert_memory_equal(out, asked, sizeof(asked));
	assert_true(dnsmsg_read(BYTES(query_edns), &d));
	assert_int_equal(dnsmsg_ask(BYTES(query_edns), &d, 0xabcd, out),
			 sizeof(asked));
	assert_memory_equal(out, asked, sizeof(asked));
}

static void test_answers(void **state)
{
	uint8_t other[sizeof(answer)];
	struct dnsmsg q, a;

	(void)state;
	assert_true(dnsmsg_read(BYTES(query), &q));
	assert_true(dnsmsg_read(BYTES(answer), &a));
	assert_true(
		dnsmsg_answers(BYTES(query), &q, 0x1234, BYTES(answer), &a));
	assert_false(
		dnsmsg_answers(BYTES(query), &q, 0x1235, BYTES(answer), &a));
	memcpy(other, answer, sizeof(other));
	other[13] = 'A';
	assert_true(dnsmsg_answers(BYTES(query), &q, 0x1234, BYTES(other), &a));
	other[13] = 'c';
	assert_false(
		dnsmsg_answers(BYTES(query), &q, 0x1234, BYTES(other), &a));
	/* A question is no answer. */
	assert_false(
		dnsmsg_answers(BYTES(query), &q, 0x1234, BYTES(query), &q));
}

static void test_fit(void **state)
{
	static const uint8_t bare[] = {HEAD(0x8180, 1, 0), QUESTION, RECORD};
	static const uint8_t cut[] = {HEAD(0x8380, 0, 1), QUESTION, OPT(16384)};
	static const uint8_t cut_bare[] = {HEAD(0x8380, 0, 0), QUESTION};
	struct dnsmsg q, e, a;

	(void)state;
	assert_true(dnsmsg_read(BYTES(query), &q));
	assert_true(dnsmsg_read(BYTES(query_edns), &e));
	assert_true(dnsmsg_read(BYTES(answer), &a));
	assert_int_equal(dnsmsg_fit(BYTES(answer), &a, &e, 512, out),
			 sizeof(answer));
	assert_memory_equal(out, answer, sizeof(answer));
	assert_int_equal(dnsmsg_fit(BYTES(answer), &a, &q, 512, out),
			 sizeof(bare));
	assert_memory_equal(out, bare, sizeof(bare));
	assert_int_equal(dnsmsg_fit(BYTES(answer), &a, &e, sizeof(answer) - 1,
				    out),
			 sizeof(cut));
	assert_memory_equal(out, cut, sizeof(cut));
	assert_int_equal(dnsmsg_fit(BYTES(answer), &a, &q, sizeof(bare) - 1,
				    out),
			 sizeof(cut_bare));
	assert_memory_equal(out, cut_bare, sizeof(cut_bare));
	q.id = 0x5678;
	(void)dnsmsg_fit(BYTES(answer), &a, &q, 512, out);
	assert_int_equal(out[0] << 8 | out[1], 0x5678);
}

static void test_error(void **state)
{
	static const uint8_t fail[] = {HEAD(0x8182, 0, 1),
				       QUESTION,
				       0,
				       0,
				       41,
				       0x04,
				       0xd0,
				       0,
				       0,
				       0,
				       0,
				       0,
				       6,
				       0,
				       15,
				       0,
				       2,
				       0,
				       23};
	static const uint8_t bare[] = {HEAD(0x8185, 0, 0), QUESTION};
	struct dnsmsg d;

	(void)state;
	assert_true(dnsmsg_read(BYTES(query_edns), &d));
	assert_int_equal(dnsmsg_error(BYTES(query_edns), &d, DNSMSG_SERVFAIL,
				      DNSMSG_EDE_NETWORK, out),
			 sizeof(fail));
	assert_memory_equal(out, fail, sizeof(fail));
	assert_true(dnsmsg_read(BYTES(query), &d));
	assert_int_equal(dnsmsg_error(BYTES(query), &d, DNSMSG_REFUSED,
				      DNSMSG_EDE_NETWORK, out),
			 sizeof(bare));
	assert_memory_equal(out, bare, sizeof(bare));
	/* Nothing but its header could be read. */
	assert_false(dnsmsg_read((mpp_bytes){query, 12}, &d));
	assert_int_equal(dnsmsg_error((mpp_bytes){query, 12}, &d,
				      DNSMSG_FORMERR, DNSMSG_NO_ERROR, out),
			 12);
	assert_int_equal(out[3] & 15, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read), cmocka_unit_test(test_bad),
		cmocka_unit_test(test_ask),  cmocka_unit_test(test_answers),
		cmocka_unit_test(test_fit),  cmocka_unit_test(test_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
