/* SPDX-License-Identifier: MIT */
/* test_cursor.c - the cursors that read and write: rd.h and wr.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rd.h"
#include "base/wr.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* The examples of RFC 9000 appendix A.1, then both sides of each length. */
static const struct {
	const char *what;
	uint8_t octets[8];
	size_t len;
	uint64_t value;
	bool shortest;
} ints[] = {
	// clang-format off
	{"A.1: eight octets", {0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c},
	 8, UINT64_C(151288809941952652), true},
	{"A.1: four octets", {0x9d, 0x7f, 0x3e, 0x7d}, 4, 494878333, true},
	{"A.1: two octets", {0x7b, 0xbd}, 2, 15293, true},
	{"A.1: one octet", {0x25}, 1, 37, true},
	{"A.1: the same in two octets", {0x40, 0x25}, 2, 37, false},
	{"the least", {0}, 1, 0, true},
	{"the most in one octet", {0x3f}, 1, 63, true},
	{"the least in two", {0x40, 0x40}, 2, 64, true},
	{"the most in two", {0x7f, 0xff}, 2, 16383, true},
	{"the least in four", {0x80, 0, 0x40, 0}, 4, 16384, true},
	{"the most in four", {0xbf, 0xff, 0xff, 0xff}, 4, 1073741823, true},
	{"the least in eight", {0xc0, 0, 0, 0, 0x40, 0, 0, 0}, 8, 1073741824,
	 true},
	{"the most of all", {255, 255, 255, 255, 255, 255, 255, 255}, 8,
	 UINT64_C(4611686018427387903), true},
	{"zero in four octets", {0x80, 0, 0, 0}, 4, 0, false},
	{"zero in eight octets", {0xc0}, 8, 0, false},
	// clang-format on
};

static void ints_are_read(void **state)
{
	struct rd r;
	uint64_t value;
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT(ints); i++) {
		r = rd_init((mpp_bytes){ints[i].octets, ints[i].len});
		value = rd_int(&r);
		if (value != ints[i].value || rd_finish(&r) != MPP_OK)
			fail_msg("%s", ints[i].what);
		/* Every prefix ends too early. */
		for (n = 0; n < ints[i].len; n++) {
			r = rd_init((mpp_bytes){ints[i].octets, n});
			(void)rd_int(&r);
			if (rd_finish(&r) != MPP_ERR_TRUNCATED)
				fail_msg("%s cut to %zu", ints[i].what, n);
		}
	}
}

static void ints_are_written_shortest(void **state)
{
	uint8_t out[9];
	struct wr w;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(ints); i++) {
		if (!ints[i].shortest)
			continue;
		w = wr_init(out, sizeof(out));
		wr_int(&w, ints[i].value);
		if (w.err != MPP_OK || w.n != ints[i].len ||
		    memcmp(out, ints[i].octets, w.n) != 0)
			fail_msg("%s", ints[i].what);
		w = wr_init(out, ints[i].len - 1); /* one octet short */
		wr_int(&w, ints[i].value);
		assert_int_equal(w.err, MPP_ERR_NOSPACE);
		assert_int_equal(w.n, 0);
	}
}

static void ints_beyond_the_range_are_refused(void **state)
{
	uint8_t out[9] = {0};
	struct wr w = wr_init(out, sizeof(out));

	(void)state;
	wr_int(&w, UINT64_C(1) << 62);
	assert_int_equal(w.err, MPP_ERR_RANGE);
	wr_int(&w, 1); /* and it sticks */
	assert_int_equal(w.err, MPP_ERR_RANGE);
	assert_int_equal(w.n, 0);
	assert_true(mem_is_zero(out, sizeof(out)));
	w = wr_init(out, 0);
	wr_u8(&w, 1);
	wr_int(&w, UINT64_MAX); /* the first error stays */
	assert_int_equal(w.err, MPP_ERR_NOSPACE);
}

static void numbers_are_in_network_order(void **state)
{
	static const uint8_t octets[] = {1,    2,    3,    4,    5,    6,
					 7,    8,    9,    10,   11,   12,
					 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff};
	struct rd r = rd_init((mpp_bytes){octets, sizeof(octets)});
	uint8_t out[sizeof(octets)];
	struct wr w = wr_init(out, sizeof(out));

	(void)state;
	assert_int_equal(rd_u8(&r), 1);
	assert_int_equal(rd_u16(&r), 0x0203);
	assert_int_equal(rd_u32(&r), 0x04050607);
	assert_true(rd_be(&r, 3) == 0x08090a);
	assert_true(rd_u64(&r) == UINT64_C(0x0b0cfafbfcfdfeff));
	assert_int_equal(rd_finish(&r), MPP_OK);
	wr_u8(&w, 1);
	wr_u16(&w, 0x0203);
	wr_u32(&w, 0x04050607);
	wr_be(&w, 0xffffff08090a, 3); /* the low octets of it */
	wr_u64(&w, UINT64_C(0x0b0cfafbfcfdfeff));
	assert_int_equal(w.n, sizeof(octets));
	assert_memory_equal(out, octets, sizeof(octets));
}

/* bytes: what the length says, never more than there is. */
static void bytes_are_bounded(void **state)
{
	static const struct {
		const char *what;
		uint8_t octets[12];
		size_t len;
		size_t begin, n; /* where the slice is */
		mpp_err err;
	} rows[] = {
		// clang-format off
		{"three octets", {3, 'a', 'b', 'c'}, 4, 1, 3, MPP_OK},
		{"none", {0}, 1, 1, 0, MPP_OK},
		{"a length in two octets", {0x40, 1, 'a'}, 3, 2, 1, MPP_OK},
		{"one is left over", {1, 'a', 'b'}, 3, 1, 1, MPP_ERR_TRAILING},
		{"one is missing", {3, 'a', 'b'}, 3, 0, 0, MPP_ERR_TRUNCATED},
		{"no length", {0}, 0, 0, 0, MPP_ERR_TRUNCATED},
		{"half a length", {0x40}, 1, 0, 0, MPP_ERR_TRUNCATED},
		{"the longest length that can be said",
		 {255, 255, 255, 255, 255, 255, 255, 255, 'a'}, 9, 0, 0,
		 MPP_ERR_TRUNCATED},
		{"2^32 and one, of which 32 bits would be 1",
		 {0xc0, 0, 0, 1, 0, 0, 0, 1, 'a'}, 9, 0, 0, MPP_ERR_TRUNCATED},
		// clang-format on
	};
	struct rd r;
	mpp_bytes got;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		r = rd_init((mpp_bytes){rows[i].octets, rows[i].len});
		got = rd_bytes(&r);
		if (rd_finish(&r) != rows[i].err || got.len != rows[i].n)
			fail_msg("%s", rows[i].what);
		if (r.err == MPP_OK)
			assert_ptr_equal(got.p, rows[i].octets + rows[i].begin);
	}
}

static void errors_of_reading_stick(void **state)
{
	static const uint8_t octets[] = {1, 2, 3};
	struct rd r = rd_init((mpp_bytes){octets, sizeof(octets)});

	(void)state;
	assert_int_equal(rd_u8(&r), 1);
	assert_null(rd_take(&r, 3)); /* two are left */
	assert_int_equal(r.err, MPP_ERR_TRUNCATED);
	assert_int_equal(rd_u8(&r), 0);
	assert_true(rd_u64(&r) == 0);
	assert_true(rd_int(&r) == 0);
	assert_int_equal(rd_rest(&r).len, 0);
	assert_null(rd_slice(&r, 0).p);
	rd_fail(&r, MPP_ERR_SYNTAX); /* the first error stays */
	assert_int_equal(rd_finish(&r), MPP_ERR_TRUNCATED);
	r = rd_init((mpp_bytes){octets, sizeof(octets)});
	rd_fail(&r, MPP_ERR_SYNTAX);
	assert_int_equal(rd_u8(&r), 0);
	assert_int_equal(rd_finish(&r), MPP_ERR_SYNTAX);
}

static void rest_is_what_is_left(void **state)
{
	static const uint8_t octets[] = {1, 2, 3};
	struct rd r = rd_init((mpp_bytes){octets, sizeof(octets)});
	mpp_bytes rest;

	(void)state;
	assert_int_equal(rd_u8(&r), 1);
	assert_int_equal(rd_finish(&r), MPP_ERR_TRAILING);
	rest = rd_rest(&r);
	assert_ptr_equal(rest.p, octets + 1);
	assert_int_equal(rest.len, 2);
	assert_int_equal(rd_finish(&r), MPP_OK);
	assert_int_equal(rd_rest(&r).len, 0);
	/* Nothing at NULL is an input as well. */
	r = rd_init((mpp_bytes){NULL, 0});
	assert_int_equal(rd_rest(&r).len, 0);
	assert_int_equal(rd_finish(&r), MPP_OK);
	assert_null(rd_take(&r, 1));
	assert_int_equal(rd_finish(&r), MPP_ERR_TRUNCATED);
}

/* Everything that writes, one after the other: 5 + 3 + 2 + 4 octets. */
static void write_all(struct wr *w)
{
	wr_u8(w, 0xaa);
	wr_u32(w, 0xbbbbbbbb);
	wr_zero(w, 3);
	wr_raw(w, "cd", 2);
	wr_raw(w, NULL, 0);
	wr_bytes(w, "efg", 3);
}

enum { ALL_LEN = 14 };

static void counting_promises_what_writing_keeps(void **state)
{
	static const uint8_t want[ALL_LEN] = {0xaa, 0xbb, 0xbb, 0xbb, 0xbb,
					      0,    0,    0,    'c',  'd',
					      3,    'e',  'f',  'g'};
	uint8_t out[ALL_LEN];
	struct wr count = wr_init(NULL, 0);
	struct wr w = wr_init(out, sizeof(out));

	(void)state;
	memset(out, 0x11, sizeof(out));
	write_all(&count);
	assert_int_equal(count.err, MPP_OK);
	assert_int_equal(count.n, ALL_LEN);
	write_all(&w);
	assert_int_equal(w.err, MPP_OK);
	assert_int_equal(w.n, ALL_LEN);
	assert_memory_equal(out, want, ALL_LEN);
}

/* Whatever the room: nothing is written behind it, and what comes after the
 * first that did not fit is not written even where it would. */
static void errors_of_writing_stick(void **state)
{
	static const size_t fits[ALL_LEN + 1] = {0, 1, 1,  1,  1,  5,  5, 5,
						 8, 8, 10, 11, 11, 11, 14};
	uint8_t out[ALL_LEN + 1];
	struct wr w;
	size_t cap;

	(void)state;
	for (cap = 0; cap <= ALL_LEN; cap++) {
		memset(out, 0x11, sizeof(out));
		w = wr_init(out, cap);
		write_all(&w);
		assert_int_equal(w.err,
				 cap < ALL_LEN ? MPP_ERR_NOSPACE : MPP_OK);
		assert_int_equal(w.n, fits[cap]);
		assert_int_equal(out[fits[cap]], 0x11);
		assert_int_equal(out[cap], 0x11);
	}
}

static void comparing_and_wiping(void **state)
{
	uint8_t a[20] = {0}, b[20] = {0};
	size_t i;

	(void)state;
	assert_true(mem_eq_ct(a, b, 20));
	assert_true(mem_is_zero(a, 20));
	for (i = 0; i < 160; i++) {
		a[i / 8] = (uint8_t)(1u << i % 8);
		assert_false(mem_eq_ct(a, b, 20));
		assert_false(mem_is_zero(a, 20));
		assert_true(mem_eq_ct(a, b, i / 8)); /* only n octets count */
		mem_wipe(a, 20);
		assert_true(mem_is_zero(a, 20));
	}
	assert_true(bytes_eq((mpp_bytes){a, 3}, (mpp_bytes){b, 3}));
	assert_false(bytes_eq((mpp_bytes){a, 3}, (mpp_bytes){b, 2}));
	b[2] = 1;
	assert_false(bytes_eq((mpp_bytes){a, 3}, (mpp_bytes){b, 3}));
	assert_true(bytes_eq((mpp_bytes){NULL, 0}, (mpp_bytes){b, 0}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ints_are_read),
		cmocka_unit_test(ints_are_written_shortest),
		cmocka_unit_test(ints_beyond_the_range_are_refused),
		cmocka_unit_test(numbers_are_in_network_order),
		cmocka_unit_test(bytes_are_bounded),
		cmocka_unit_test(errors_of_reading_stick),
		cmocka_unit_test(rest_is_what_is_left),
		cmocka_unit_test(counting_promises_what_writing_keeps),
		cmocka_unit_test(errors_of_writing_stick),
		cmocka_unit_test(comparing_and_wiping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
