/* SPDX-License-Identifier: MIT */
/* test_ext.c - extension lists: what is read, what is refused, what is
 * written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rud/ext.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define OCTETS(text) (const uint8_t *)(text), sizeof(text) - 1
#define BIT(n) (UINT32_C(1) << (n))

/* 16, 17 and 15 octets of nothing in particular. */
#define SIXTEEN "0123456789abcdef"
#define LONG15 "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"

static const struct row {
	const char *what;
	const uint8_t *p;
	size_t len;
	mpp_err err;
	uint32_t present;
	size_t left; /* behind the end */
} rows[] = {
	// clang-format off
	{"nothing but the end", OCTETS("\xff"), MPP_OK, 0, 0},
	{"what stands behind the end is not the list's", OCTETS("\xff\x00\x01"),
	 MPP_OK, 0, 2},
	{"one extension", OCTETS("\x81\x01\x01\xff"), MPP_OK, BIT(1), 0},
	{"one of no octets", OCTETS("\x90\x00\xff"), MPP_OK, BIT(16), 0},
	{"three, ascending", OCTETS("\x81\x01\x01\x83\x00\x8c\x01\x05\xff"),
	 MPP_OK, BIT(1) | BIT(3) | BIT(12), 0},
	{"the same in any order", OCTETS("\x8c\x01\x05\x81\x01\x01\x83\x00\xff"),
	 MPP_OK, BIT(1) | BIT(3) | BIT(12), 0},
	{"255 in a value is no end", OCTETS("\x81\x03\xff\xff\xff\xff"), MPP_OK,
	 BIT(1), 0},
	{"a length in two octets", OCTETS("\x81\x40\x01\x01\xff"), MPP_OK,
	 BIT(1), 0},
	{"a length in eight",
	 OCTETS("\x81\xc0\x00\x00\x00\x00\x00\x00\x01\x01\xff"), MPP_OK,
	 BIT(1), 0},
	{"the longest that Suites may be", OCTETS("\x81\x10" SIXTEEN "\xff"),
	 MPP_OK, BIT(1), 0},
	{"Suites of one octet more", OCTETS("\x81\x11" SIXTEEN "g\xff"),
	 MPP_ERR_RANGE, 0, 0},
	{"Renew says nothing", OCTETS("\x90\x01\x00\xff"), MPP_ERR_RANGE, 0, 0},
	{"ResetToken, the last number that is known",
	 OCTETS("\x94\x10" SIXTEEN "\xff"), MPP_OK, BIT(20), 0},
	{"ResetToken of one octet more", OCTETS("\x94\x11" SIXTEEN "g\xff"),
	 MPP_ERR_RANGE, 0, 0},
	{"an unknown number is skipped", OCTETS("\x95\x11" SIXTEEN "g\xff"),
	 MPP_OK, 0, 0},
	{"the highest number is unknown", OCTETS("\xfe\x02\xff\xff\xff"),
	 MPP_OK, 0, 0},
	{"a reserved number may be as long as it likes",
	 OCTETS("\x85\x11" SIXTEEN "g\xff"), MPP_OK, BIT(5), 0},
	{"a known one behind an unknown one",
	 OCTETS("\xa0\x01\x00\x81\x01\x01\xff"), MPP_OK, BIT(1), 0},
	{"a known tag twice", OCTETS("\x81\x01\x01\x81\x01\x01\xff"),
	 MPP_ERR_DUPLICATE, 0, 0},
	{"twice with another between",
	 OCTETS("\x81\x01\x01\x83\x00\x81\x01\x02\xff"), MPP_ERR_DUPLICATE, 0,
	 0},
	{"an unknown tag twice", OCTETS("\xfe\x00\xfe\x00\xff"),
	 MPP_ERR_DUPLICATE, 0, 0},
	{"an unknown one in the lower word", OCTETS("\xa0\x00\xa0\x00\xff"),
	 MPP_ERR_DUPLICATE, 0, 0},
	{"numbers 64 apart are not the same", OCTETS("\x81\x00\xc1\x00\xff"),
	 MPP_OK, BIT(1), 0},
	{"no list", OCTETS(""), MPP_ERR_TRUNCATED, 0, 0},
	{"no end", OCTETS("\x81\x01\x01"), MPP_ERR_TRUNCATED, 0, 0},
	{"a tag and no length", OCTETS("\x81"), MPP_ERR_TRUNCATED, 0, 0},
	{"half a length", OCTETS("\x81\x40"), MPP_ERR_TRUNCATED, 0, 0},
	{"a length past the end of everything", OCTETS("\x81\x02\x01"),
	 MPP_ERR_TRUNCATED, 0, 0},
	{"a length that swallows the end", OCTETS("\x81\x02\x01\xff"),
	 MPP_ERR_TRUNCATED, 0, 0},
	{"the longest length that can be said",
	 OCTETS("\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01\xff"),
	 MPP_ERR_TRUNCATED, 0, 0},
	{"a length of 2^32 + 1",
	 OCTETS("\x81\xc0\x00\x00\x01\x00\x00\x00\x01\x01\xff"),
	 MPP_ERR_TRUNCATED, 0, 0},
	{"an unknown one with a length past the end", OCTETS("\xfe\x02\xff"),
	 MPP_ERR_TRUNCATED, 0, 0},
	{"a longer tag is skipped", OCTETS("\x01\x80\x01\xff\xff"), MPP_OK, 0,
	 0},
	{"one that is all zeros but the last", OCTETS("\x00\x00\x80\x00\xff"),
	 MPP_OK, 0, 0},
	{"one whose last octet is 255", OCTETS("\x01\xff\x00\xff"), MPP_OK, 0,
	 0},
	{"of 16 octets, the most", OCTETS(LONG15 "\x80\x00\xff"), MPP_OK, 0, 0},
	{"of 17 octets", OCTETS(LONG15 "\x10\x80\x00\xff"), MPP_ERR_SYNTAX, 0,
	 0},
	{"one without end, as zero padding would be",
	 OCTETS("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), MPP_ERR_SYNTAX,
	 0, 0},
	{"one that the input ends in", OCTETS("\x01"), MPP_ERR_TRUNCATED, 0, 0},
	{"at its 15th octet", OCTETS(LONG15), MPP_ERR_TRUNCATED, 0, 0},
	{"one without length", OCTETS("\x01\x80"), MPP_ERR_TRUNCATED, 0, 0},
	{"one with a length past the end", OCTETS("\x01\x80\x02\xff"),
	 MPP_ERR_TRUNCATED, 0, 0},
	{"a longer tag twice", OCTETS("\x01\x80\x00\x01\x80\x00\xff"),
	 MPP_ERR_DUPLICATE, 0, 0},
	{"two that differ in the first octet",
	 OCTETS("\x01\x80\x00\x02\x80\x00\xff"), MPP_OK, 0, 0},
	{"two that differ in the last", OCTETS("\x01\x80\x00\x01\x81\x00\xff"),
	 MPP_OK, 0, 0},
	{"one that begins as another ends",
	 OCTETS("\x01\x80\x00\x01\x01\x80\x00\xff"), MPP_OK, 0, 0},
	{"the beginning of one that is there, and then the end of the input",
	 OCTETS("\x01\x80\x00\x01"), MPP_ERR_TRUNCATED, 0, 0},
	{"one that ends as a short tag looks", OCTETS("\x01\x81\x00\x81\x00\xff"),
	 MPP_OK, BIT(1), 0},
	{"eight of them, the most",
	 OCTETS("\x01\x80\x00\x02\x80\x00\x03\x80\x00\x04\x80\x00\x05\x80\x00"
		"\x06\x80\x00\x07\x80\x00\x08\x80\x00\xff"), MPP_OK, 0, 0},
	{"nine of them",
	 OCTETS("\x01\x80\x00\x02\x80\x00\x03\x80\x00\x04\x80\x00\x05\x80\x00"
		"\x06\x80\x00\x07\x80\x00\x08\x80\x00\x09\x80\x00\xff"),
	 MPP_ERR_SYNTAX, 0, 0},
	// clang-format on
};

/* A copy with nothing behind it, so that reading on is noticed. */
static uint8_t *copy_of(const uint8_t *p, size_t len)
{
	uint8_t *copy = malloc(len);

	assert_true(copy != NULL || len == 0);
	if (len != 0)
		memcpy(copy, p, len);
	return copy;
}

static void lists_are_judged(void **state)
{
	struct ext e;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		const struct row *row = &rows[i];
		uint8_t *p = copy_of(row->p, row->len);
		struct rd r = rd_init((mpp_bytes){p, row->len});
		mpp_err err = ext_read(&r, &e);

		if (err != row->err || r.err != row->err ||
		    r.left != row->left ||
		    (err == MPP_OK && e.present != row->present))
			fail_msg("%s: %s", row->what, mpp_err_name(err));
		free(p);
	}
}

/* Values are slices of the input; what is absent is empty. */
static void values_point_into_the_input(void **state)
{
	static const uint8_t list[] = {0x81, 2,   1,    2,    1,   0x80,
				       1,    9,   0x8c, 0x40, 3,   'a',
				       'b',  'c', 0x90, 0,    0xff};
	struct rd r = rd_init((mpp_bytes){list, sizeof(list)});
	struct ext e;

	(void)state;
	assert_int_equal(ext_read(&r, &e), MPP_OK);
	assert_true(ext_has(&e, EXT_SUITES));
	assert_ptr_equal(e.v[EXT_SUITES].p, list + 2);
	assert_int_equal(e.v[EXT_SUITES].len, 2);
	assert_true(ext_has(&e, EXT_TIMESTAMP));
	assert_ptr_equal(e.v[EXT_TIMESTAMP].p, list + 11);
	assert_int_equal(e.v[EXT_TIMESTAMP].len, 3);
	assert_true(ext_has(&e, EXT_RENEW));
	assert_int_equal(e.v[EXT_RENEW].len, 0);
	assert_false(ext_has(&e, EXT_KEY_ID));
	assert_int_equal(e.v[EXT_KEY_ID].len, 0);
}

/* What was wrong before stays what is wrong. */
static void an_error_before_sticks(void **state)
{
	static const uint8_t list[] = {0x81, 1, 1, 0xff};
	struct rd r = rd_init((mpp_bytes){list, sizeof(list)});
	struct ext e;

	(void)state;
	rd_fail(&r, MPP_ERR_VERSION);
	assert_int_equal(ext_read(&r, &e), MPP_ERR_VERSION);
	assert_int_equal(e.present, 0);
}

/* Every known number: its name, the longest value, and one octet more. */
static const struct {
	unsigned number;
	const char *name;
	size_t longest;
} known[] = {
	{1, "Suites", 16},       {2, "KeyId", 16},    {3, "PublicKey", 64},
	{4, "Challenge", 128},   {6, "Token", 512},   {7, "StreamId", 32},
	{9, "Service", 64},      {10, "Claim", 255},  {11, "Credential", 1100},
	{12, "Timestamp", 8},    {13, "Params", 128}, {14, "PathChallenge", 8},
	{15, "PathResponse", 8}, {16, "Renew", 0},    {17, "Close", 264},
	{18, "RetryAfter", 8},   {19, "PathLost", 8}, {20, "ResetToken", 16},
};

static mpp_err read_one(unsigned number, size_t len)
{
	static const uint8_t value[1200];
	uint8_t list[1400];
	struct wr w = wr_init(list, sizeof(list));
	struct rd r;
	struct ext e;
	mpp_err err;

	ext_put(&w, (enum ext_number)number, value, len);
	ext_put_end(&w);
	assert_int_equal(w.err, MPP_OK);
	r = rd_init((mpp_bytes){list, w.n});
	err = ext_read(&r, &e);
	if (err == MPP_OK)
		assert_int_equal(e.v[number].len, len);
	return err;
}

static void known_numbers_have_a_name_and_a_limit(void **state)
{
	size_t i, names = 0;
	unsigned n;

	(void)state;
	for (i = 0; i < COUNT(known); i++) {
		assert_string_equal(ext_name(known[i].number), known[i].name);
		assert_int_equal(read_one(known[i].number, known[i].longest),
				 MPP_OK);
		assert_int_equal(read_one(known[i].number,
					  known[i].longest + 1),
				 MPP_ERR_RANGE);
	}
	for (n = 0; n < 128; n++)
		names += ext_name(n)[0] != '?';
	assert_int_equal(names, COUNT(known));
}

static void lists_are_written(void **state)
{
	static const uint8_t want[] = {0x87, 2,    'a',  'b',  0x8c, 4,   0x80,
				       0xff, 0xff, 0xff, 0x90, 0,    0xff};
	uint8_t out[sizeof(want)];
	struct wr w = wr_init(out, sizeof(out));

	(void)state;
	ext_put(&w, EXT_STREAM_ID, "ab", 2);
	ext_put_int(&w, EXT_TIMESTAMP, 0xffffff);
	ext_put(&w, EXT_RENEW, NULL, 0);
	ext_put_end(&w);
	assert_int_equal(w.err, MPP_OK);
	assert_int_equal(w.n, sizeof(want));
	assert_memory_equal(out, want, sizeof(want));
}

static void a_value_of_one_int(void **state)
{
	static const struct {
		const char *what;
		const uint8_t *p;
		size_t len;
		mpp_err err;
		uint64_t value;
	} ints[] = {
		// clang-format off
		{"one octet", OCTETS("\x25"), MPP_OK, 37},
		{"not the shortest", OCTETS("\x40\x25"), MPP_OK, 37},
		{"eight octets", OCTETS("\xff\xff\xff\xff\xff\xff\xff\xff"),
		 MPP_OK, UINT64_C(4611686018427387903)},
		{"nothing", OCTETS(""), MPP_ERR_TRUNCATED, 5},
		{"half of it", OCTETS("\x40"), MPP_ERR_TRUNCATED, 5},
		{"something behind it", OCTETS("\x25\x00"), MPP_ERR_TRAILING,
		 5},
		// clang-format on
	};
	uint64_t value;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(ints); i++) {
		value = 5; /* untouched by what is refused */
		if (ext_get_int((mpp_bytes){ints[i].p, ints[i].len}, &value) !=
			    ints[i].err ||
		    value != ints[i].value)
			fail_msg("%s", ints[i].what);
	}
}

/* --- Params --- */

static const struct params none = {0, 0, 0, false, {0}};

static const struct {
	const char *what;
	const uint8_t *p;
	size_t len;
	mpp_err err;
	struct params want;
} params[] = {
	// clang-format off
	{"nothing is said", OCTETS("\xff"), MPP_OK, {0, 0, 0, false, {0}}},
	{"everything",
	 OCTETS("\x81\x02\x45\xac\x83\x04\x80\x00\x75\x30\x84\x01\x20"
		"\x85\x08" "12345678\xff"), MPP_OK,
	 {1452, 30000, 32, true, "1234567"}},
	{"a packet of 1200, the least", OCTETS("\x81\x02\x44\xb0\xff"), MPP_OK,
	 {1200, 0, 0, false, {0}}},
	{"a packet of 1199", OCTETS("\x81\x02\x44\xaf\xff"), MPP_ERR_RANGE,
	 {0}},
	{"a packet of nothing", OCTETS("\x81\x01\x00\xff"), MPP_ERR_RANGE, {0}},
	{"a packet of 1200 in eight octets",
	 OCTETS("\x81\x08\xc0\x00\x00\x00\x00\x00\x04\xb0\xff"), MPP_OK,
	 {1200, 0, 0, false, {0}}},
	{"no idle time", OCTETS("\x83\x01\x00\xff"), MPP_ERR_RANGE, {0}},
	{"a quantum of 16, the least", OCTETS("\x84\x01\x10\xff"), MPP_OK,
	 {0, 0, 16, false, {0}}},
	{"a quantum of 8", OCTETS("\x84\x01\x08\xff"), MPP_ERR_RANGE, {0}},
	{"a quantum of 15", OCTETS("\x84\x01\x0f\xff"), MPP_ERR_RANGE, {0}},
	{"a quantum of 17", OCTETS("\x84\x01\x11\xff"), MPP_ERR_RANGE, {0}},
	{"a quantum of 48", OCTETS("\x84\x01\x30\xff"), MPP_ERR_RANGE, {0}},
	{"a quantum of 1024, the most", OCTETS("\x84\x02\x44\x00\xff"), MPP_OK,
	 {0, 0, 1024, false, {0}}},
	{"a quantum of 1152, a full packet, is no power of two",
	 OCTETS("\x84\x02\x44\x80\xff"), MPP_ERR_RANGE, {0}},
	{"a quantum of 2048", OCTETS("\x84\x02\x48\x00\xff"), MPP_ERR_RANGE,
	 {0}},
	{"a quantum of 0", OCTETS("\x84\x01\x00\xff"), MPP_ERR_RANGE, {0}},
	{"a quantum of 2^32",
	 OCTETS("\x84\x08\xc0\x00\x00\x01\x00\x00\x00\x00\xff"), MPP_ERR_RANGE,
	 {0}},
	{"an instance of 7 octets", OCTETS("\x85\x07" "1234567\xff"),
	 MPP_ERR_RANGE, {0}},
	{"an instance of 9 octets", OCTETS("\x85\x09" "123456789\xff"),
	 MPP_ERR_RANGE, {0}},
	{"an instance of none", OCTETS("\x85\x00\xff"), MPP_ERR_RANGE, {0}},
	{"an unknown parameter is skipped", OCTETS("\x86\x01\x00\xff"), MPP_OK,
	 {0, 0, 0, false, {0}}},
	{"also where extensions have a limit under the same number",
	 OCTETS("\x82\x11" SIXTEEN "g\xff"), MPP_OK, {0, 0, 0, false, {0}}},
	{"a parameter twice", OCTETS("\x83\x01\x05\x83\x01\x05\xff"),
	 MPP_ERR_DUPLICATE, {0}},
	{"two ints in one", OCTETS("\x83\x02\x05\x05\xff"), MPP_ERR_TRAILING,
	 {0}},
	{"half an int", OCTETS("\x83\x01\x40\xff"), MPP_ERR_TRUNCATED, {0}},
	{"no int", OCTETS("\x83\x00\xff"), MPP_ERR_TRUNCATED, {0}},
	{"no end", OCTETS("\x83\x01\x05"), MPP_ERR_TRUNCATED, {0}},
	{"something behind the end", OCTETS("\xff\x00"), MPP_ERR_TRAILING, {0}},
	// clang-format on
};

static void assert_params(const struct params *got, const struct params *want,
			  const char *what)
{
	if (got->packet_size != want->packet_size ||
	    got->idle_ms != want->idle_ms || got->quantum != want->quantum ||
	    got->has_instance != want->has_instance ||
	    memcmp(got->instance, want->instance, 7) != 0)
		fail_msg("%s: other values", what);
}

static void params_are_judged(void **state)
{
	const struct params before = {1, 2, 3, true, "before"};
	struct params p;
	mpp_err err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(params); i++) {
		uint8_t *copy = copy_of(params[i].p, params[i].len);

		p = before;
		err = params_read((mpp_bytes){copy, params[i].len}, &p);
		if (err != params[i].err)
			fail_msg("%s: %s", params[i].what, mpp_err_name(err));
		assert_params(&p, err == MPP_OK ? &params[i].want : &before,
			      params[i].what);
		free(copy);
	}
}

static void params_are_written(void **state)
{
	static const uint8_t want[] = {0x8d, 24,   0x81, 2,    0x45, 0xac, 0x83,
				       4,    0x80, 0,    0x75, 0x30, 0x84, 1,
				       0x20, 0x85, 8,    'a',  'b',  'c',  'd',
				       'e',  'f',  'g',  'h',  0xff};
	const struct params all = {1452,
				   30000,
				   32,
				   true,
				   {'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'}};
	uint8_t out[sizeof(want)];
	struct wr w = wr_init(out, sizeof(out));

	(void)state;
	params_write(&w, &all);
	assert_int_equal(w.err, MPP_OK);
	assert_int_equal(w.n, sizeof(want));
	assert_memory_equal(out, want, sizeof(want));
	w = wr_init(out, sizeof(out));
	params_write(&w, &none);
	assert_int_equal(w.n, 3);
	assert_memory_equal(out, "\x8d\x01\xff", 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_judged),
		cmocka_unit_test(values_point_into_the_input),
		cmocka_unit_test(an_error_before_sticks),
		cmocka_unit_test(known_numbers_have_a_name_and_a_limit),
		cmocka_unit_test(lists_are_written),
		cmocka_unit_test(a_value_of_one_int),
		cmocka_unit_test(params_are_judged),
		cmocka_unit_test(params_are_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
