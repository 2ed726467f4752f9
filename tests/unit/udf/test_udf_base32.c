/* SPDX-License-Identifier: MIT */
/* test_udf_base32.c - Base32 without padding, both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mpp/udf.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define DOC(text)                                         \
	{                                                 \
		(const uint8_t *)(text), sizeof(text) - 1 \
	}
#define TEXT(text) ((mpp_bytes){(const uint8_t *)(text), strlen(text)})

/* RFC 4648 section 10 without the padding; the last three by Python. */
static const struct pair {
	mpp_bytes octets;
	const char *text;
} pairs[] = {
	{DOC("f"), "MY"},
	{DOC("fo"), "MZXQ"},
	{DOC("foo"), "MZXW6"},
	{DOC("foob"), "MZXW6YQ"},
	{DOC("fooba"), "MZXW6YTB"},
	{DOC("foobar"), "MZXW6YTBOI"},
	{DOC("\0\0\0\0\0"), "AAAAAAAA"},
	{DOC("\xff\xff\xff\xff\xff"), "77777777"},
	{DOC("\x00\x44\x32\x14\xc7\x42\x54\xb6\x35\xcf\x84\x65\x3a\x56\xd7"
	     "\xc6\x75\xbe\x77\xdf"),
	 "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"},
};

static void octets_are_encoded(void **state)
{
	char *out;
	size_t need;
	size_t cap;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(pairs); i++) {
		need = strlen(pairs[i].text) + 1;
		for (cap = 0; cap <= need + 1; cap++) {
			out = malloc(cap + (cap == 0));
			assert_non_null(out);
			out[0] = '#';
			assert_int_equal(mpp_base32(pairs[i].octets, out, cap),
					 cap < need ? 0 : need - 1);
			if (cap < need)
				assert_int_equal(out[0], '#');
			else
				assert_string_equal(out, pairs[i].text);
			free(out);
		}
	}
}

static void nothing_gives_nothing(void **state)
{
	char out[8] = "#";
	uint8_t octets[8];
	mpp_buf buf = {octets, sizeof(octets), 3};

	(void)state;
	assert_int_equal(mpp_base32((mpp_bytes){NULL, 0}, out, sizeof(out)), 0);
	assert_int_equal(out[0], '#');
	assert_int_equal(mpp_base32_decode((mpp_bytes){NULL, 0}, &buf), MPP_OK);
	assert_int_equal(mpp_base32_decode(TEXT("- -"), &buf), MPP_OK);
	assert_int_equal(buf.len, 3);
}

/* Lengths that no room has are refused before anything is read. */
static void absurd_lengths_are_refused(void **state)
{
	char out[16] = "#";

	(void)state;
	assert_int_equal(mpp_base32((mpp_bytes){(const uint8_t *)"a", SIZE_MAX},
				    out, sizeof(out)),
			 0);
	assert_int_equal(
		mpp_base32((mpp_bytes){(const uint8_t *)"a", SIZE_MAX / 8 + 1},
			   out, sizeof(out)),
		0);
	assert_int_equal(out[0], '#');
	assert_int_equal(mpp_base32(pairs[0].octets, out, sizeof(out)), 2);
}

/* Behind what is there already; in room of every size up to what is needed. */
static void check_decode(const char *text, mpp_bytes want)
{
	const size_t need = want.len + 1;
	mpp_buf out = {malloc(need), 1, 0};

	assert_non_null(out.p);
	for (; out.cap <= need; out.cap++) {
		out.p[0] = '#';
		out.len = 1;
		assert_int_equal(mpp_base32_decode(TEXT(text), &out),
				 out.cap < need ? MPP_ERR_NOSPACE : MPP_OK);
		assert_int_equal(out.len, out.cap < need ? 1 : need);
		assert_int_equal(out.p[0], '#');
	}
	assert_memory_equal(out.p + 1, want.p, want.len);
	free(out.p);
}

static void text_is_decoded(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(pairs); i++)
		check_decode(pairs[i].text, pairs[i].octets);
}

static void case_hyphens_and_spaces_do_not_matter(void **state)
{
	static const char *const forms[] = {"mzxw6ytboi", "MZXW-6YTB-OI",
					    "MzXw 6yTb oI", " -MZXW6YTBOI- ",
					    "M-Z-X-W-6-Y-T-B-O-I"};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(forms); i++)
		check_decode(forms[i], (mpp_bytes)DOC("foobar"));
}

static const struct {
	const char *sentence;
	const char *text;
} wrong[] = {
	{"one digit", "A"},
	{"three digits", "AAA"},
	{"six digits", "AAAAAA"},
	{"nine digits", "AAAAAAAAA"},
	{"bits left over after two digits", "MZ"},
	{"bits left over after four digits", "MZXR"},
	{"bits left over after five digits", "MZXW7"},
	{"bits left over after seven digits", "MZXW6YR"},
	{"a zero", "M0"},
	{"a one", "M1"},
	{"an eight", "M8"},
	{"a nine", "M9"},
	{"padding", "MY======"},
	{"a line end", "MY\n"},
	{"an underscore", "MZ_XQ"},
	{"the character before A", "@Y"},
	{"the character after Z", "[Y"},
	{"the character before a", "`y"},
	{"the character after z", "{y"},
	{"an octet beyond ASCII", "\xcdY"},
	{"a control character", "\x0dY"},
};

static void other_text_is_refused(void **state)
{
	uint8_t octets[16];
	mpp_buf out = {octets, sizeof(octets), 2};
	mpp_err err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(wrong); i++) {
		err = mpp_base32_decode(TEXT(wrong[i].text), &out);
		if (err != MPP_ERR_SYNTAX)
			fail_msg("%s: %s", wrong[i].sentence,
				 mpp_err_name(err));
		assert_int_equal(out.len, 2);
	}
}

/* A NUL is a character like any other that is no digit. */
static void a_nul_is_refused(void **state)
{
	uint8_t octets[4];
	mpp_buf out = {octets, sizeof(octets), 0};

	(void)state;
	assert_int_equal(mpp_base32_decode((mpp_bytes)DOC("MY\0"), &out),
			 MPP_ERR_SYNTAX);
	assert_int_equal(mpp_base32_decode((mpp_bytes)DOC("MY"), &out), MPP_OK);
}

static void all_octets_come_back(void **state)
{
	uint8_t in[40];
	uint8_t back[40];
	char text[80];
	mpp_buf out;
	size_t len;
	unsigned i;
	unsigned seed;

	(void)state;
	for (seed = 0; seed < 256; seed++) {
		for (i = 0; i < sizeof(in); i++)
			in[i] = (uint8_t)(seed + i * 37);
		for (len = 1; len <= sizeof(in); len++) {
			out = (mpp_buf){back, sizeof(back), 0};
			assert_int_equal(mpp_base32((mpp_bytes){in, len}, text,
						    sizeof(text)),
					 (len * 8 + 4) / 5);
			assert_int_equal(mpp_base32_decode(TEXT(text), &out),
					 MPP_OK);
			assert_int_equal(out.len, len);
			assert_memory_equal(back, in, len);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(octets_are_encoded),
		cmocka_unit_test(nothing_gives_nothing),
		cmocka_unit_test(absurd_lengths_are_refused),
		cmocka_unit_test(text_is_decoded),
		cmocka_unit_test(case_hyphens_and_spaces_do_not_matter),
		cmocka_unit_test(other_text_is_refused),
		cmocka_unit_test(a_nul_is_refused),
		cmocka_unit_test(all_octets_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
