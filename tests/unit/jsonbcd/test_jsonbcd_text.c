/* SPDX-License-Identifier: MIT */
/* test_jsonbcd_text.c - resolving escapes, joining chunks, base64url. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mpp/jsonbcd.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define DOC(text)                                         \
	{                                                 \
		(const uint8_t *)(text), sizeof(text) - 1 \
	}

struct row {
	const char *sentence;
	mpp_bytes doc; /* one value */
	mpp_bytes want;
	mpp_err err;
};

static mpp_json_item read_one(mpp_bytes doc)
{
	mpp_json_reader r;
	mpp_json_item it;

	mpp_json_reader_init(&r, doc);
	assert_int_equal(mpp_json_next(&r, &it), MPP_OK);
	return it;
}

static mpp_err copy_text(const mpp_json_item *it, mpp_buf *out)
{
	return mpp_json_text_copy(&it->text, out);
}

/* Copy in room of exactly the size needed and in every smaller room; behind
 * something that was there before. */
static void check_row(const struct row *row,
		      mpp_err (*copy)(const mpp_json_item *, mpp_buf *))
{
	const mpp_json_item it = read_one(row->doc);
	const size_t need = row->want.len + 1;
	mpp_buf out;
	mpp_err want;

	out.p = malloc(need);
	assert_non_null(out.p);
	for (out.cap = 1; out.cap <= need; out.cap++) {
		out.p[0] = '#';
		out.len = 1;
		want = row->err;
		if (want == MPP_OK && out.cap < need)
			want = MPP_ERR_NOSPACE;
		if (copy(&it, &out) != want)
			fail_msg("%s, room %zu", row->sentence, out.cap);
		assert_int_equal(out.p[0], '#');
		if (want != MPP_OK)
			assert_int_equal(out.len, 1);
	}
	if (row->err == MPP_OK) {
		if (out.len != need)
			fail_msg("%s: %zu", row->sentence, out.len - 1);
		if (memcmp(out.p + 1, row->want.p, row->want.len) != 0)
			fail_msg("%s: other octets", row->sentence);
	}
	free(out.p);
}

/* clang-format off */
static const struct row texts[] = {
	{"an empty string", DOC("\"\""), DOC(""), MPP_OK},
	{"plain text", DOC("\"abc\""), DOC("abc"), MPP_OK},
	{"one escape alone", DOC("\"\\n\""), DOC("\n"), MPP_OK},
	{"an escape first", DOC("\"\\tab\""), DOC("\tab"), MPP_OK},
	{"an escape last", DOC("\"ab\\r\""), DOC("ab\r"), MPP_OK},
	{"an escape in the middle", DOC("\"a\\/b\""), DOC("a/b"), MPP_OK},
	{"all short escapes", DOC("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
	 DOC("\"\\/\x08\x0c\x0a\x0d\x09"), MPP_OK},
	{"an escaped backslash before a letter", DOC("\"\\\\n\""),
	 DOC("\\n"), MPP_OK},
	{"an escaped NUL", DOC("\"a\\u0000b\""), DOC("a\0b"), MPP_OK},
	{"the last of one octet", DOC("\"\\u007f\""), DOC("\x7f"), MPP_OK},
	{"the first of two octets", DOC("\"\\u0080\""), DOC("\xc2\x80"),
	 MPP_OK},
	{"the last of two octets", DOC("\"\\u07FF\""), DOC("\xdf\xbf"),
	 MPP_OK},
	{"the first of three octets", DOC("\"\\u0800\""),
	 DOC("\xe0\xa0\x80"), MPP_OK},
	{"the last of three octets", DOC("\"\\uffff\""), DOC("\xef\xbf\xbf"),
	 MPP_OK},
	{"the first pair", DOC("\"\\ud800\\udc00\""),
	 DOC("\xf0\x90\x80\x80"), MPP_OK},
	{"the last pair", DOC("\"\\udbff\\udfff\""), DOC("\xf4\x8f\xbf\xbf"),
	 MPP_OK},
	{"a pair between text", DOC("\"a\\uD83D\\uDE00b\""),
	 DOC("a\xf0\x9f\x98\x80" "b"), MPP_OK},
	{"a b-string", DOC("\x80\x03" "a\\n"), DOC("a\\n"), MPP_OK},
	{"a string in chunks with empty ones",
	 DOC("\x84\x00\x85\x00\x02" "ab\x84\x00\x80\x01" "c"), DOC("abc"),
	 MPP_OK},
	{"a string in chunks that is empty", DOC("\x84\x00\x80\x00"),
	 DOC(""), MPP_OK},
	{"data in chunks", DOC("\x8c\x02\x80\x00\x88\x01\x88"),
	 DOC("\x80\x00\x88"), MPP_OK},
	{"the digits of a number", DOC("-1.50e+3"), DOC("-1.50e+3"), MPP_OK},
};

/* Those with a comment are of RFC 4648 section 10, without padding. */
static const struct row datas[] = {
	{"nothing", DOC("\"\""), DOC(""), MPP_OK},
	{"one octet", DOC("\"Zg\""), DOC("f"), MPP_OK}, /* RFC 4648 */
	{"two octets", DOC("\"Zm8\""), DOC("fo"), MPP_OK}, /* RFC 4648 */
	{"three octets", DOC("\"Zm9v\""), DOC("foo"), MPP_OK}, /* RFC 4648 */
	{"four octets", DOC("\"Zm9vYg\""), DOC("foob"), MPP_OK}, /* RFC 4648 */
	{"five octets", DOC("\"Zm9vYmE\""), DOC("fooba"),
	 MPP_OK}, /* RFC 4648 */
	{"six octets", DOC("\"Zm9vYmFy\""), DOC("foobar"),
	 MPP_OK}, /* RFC 4648 */
	{"one octet with padding", DOC("\"Zg==\""), DOC("f"), MPP_OK},
	{"two octets with padding", DOC("\"Zm8=\""), DOC("fo"), MPP_OK},
	{"the digits of base64url", DOC("\"-_-_\""), DOC("\xfb\xff\xbf"),
	 MPP_OK},
	{"white space of every kind", DOC("\" Zm\n\t9v\r\n  YmFy \""),
	 DOC("foobar"), MPP_OK},
	{"padding and then white space", DOC("\"Zg==\n  \""), DOC("f"),
	 MPP_OK},
	{"escaped line ends", DOC("\"Zm9v\\nYmFy\""), DOC("foobar"), MPP_OK},
	{"b-data as it is", DOC("\x88\x03" "Zg="), DOC("Zg="), MPP_OK},
	{"b-data in chunks", DOC("\x8c\x01\xff\x89\x00\x01\x00"),
	 DOC("\xff\x00"), MPP_OK},
	{"a lone digit", DOC("\"Z\""), DOC(""), MPP_ERR_SYNTAX},
	{"a lone digit that is zero", DOC("\"A\""), DOC(""), MPP_ERR_SYNTAX},
	{"five digits", DOC("\"Zm9vA\""), DOC(""), MPP_ERR_SYNTAX},
	{"bits left over in the second digit", DOC("\"Zh\""), DOC(""),
	 MPP_ERR_SYNTAX},
	{"bits left over in the third digit", DOC("\"Zm9\""), DOC(""),
	 MPP_ERR_SYNTAX},
	{"a digit behind padding", DOC("\"Zg==Zg\""), DOC(""),
	 MPP_ERR_SYNTAX},
	{"the plus of plain base64", DOC("\"+v8A\""), DOC(""),
	 MPP_ERR_SYNTAX},
	{"the slash of plain base64", DOC("\"Zm/v\""), DOC(""),
	 MPP_ERR_SYNTAX},
	{"a dot", DOC("\"Zm.v\""), DOC(""), MPP_ERR_SYNTAX},
	{"a letter beyond ASCII", DOC("\"Zm\xc3\xa9v\""), DOC(""),
	 MPP_ERR_SYNTAX},
	{"an escaped NUL", DOC("\"Zm9v\\u0000\""), DOC(""), MPP_ERR_SYNTAX},
	{"a b-string", DOC("\x80\x02Zg"), DOC(""), MPP_ERR_TYPE},
	{"a number", DOC("1.5"), DOC(""), MPP_ERR_TYPE},
	{"an integer", DOC("15"), DOC(""), MPP_ERR_TYPE},
	{"binary64", DOC("\x92\0\0\0\0\0\0\0\0"), DOC(""), MPP_ERR_TYPE},
	{"null", DOC("null"), DOC(""), MPP_ERR_TYPE},
	{"an array", DOC("[]"), DOC(""), MPP_ERR_TYPE},
};
/* clang-format on */

static void texts_are_copied_resolved(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(texts); i++)
		check_row(&texts[i], copy_text);
}

static void binary_values_are_copied_decoded(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(datas); i++)
		check_row(&datas[i], mpp_json_data_copy);
}

/* Every octet that is not a digit, "=" or white space is refused, and every
 * digit has its own value. */
static void each_digit_of_base64url_has_its_value(void **state)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmn"
				     "opqrstuvwxyz0123456789-_";
	mpp_json_item it = {.kind = MPP_JSON_STRING, .text = {.quoted = true}};
	uint8_t text[4] = {'A', 'A', 'A', 0};
	uint8_t octets[3];
	mpp_buf out;
	unsigned c;
	const char *digit;

	(void)state;
	it.text.raw = (mpp_bytes){text, sizeof(text)};
	for (c = 1; c < 256; c++) {
		text[3] = (uint8_t)c;
		out = (mpp_buf){octets, sizeof(octets), 0};
		digit = strchr(digits, (int)c);
		if (digit == NULL && strchr("= \t\r\n", (int)c) == NULL) {
			assert_int_equal(mpp_json_data_copy(&it, &out),
					 MPP_ERR_SYNTAX);
			continue;
		}
		assert_int_equal(mpp_json_data_copy(&it, &out), MPP_OK);
		if (digit != NULL)
			assert_int_equal(octets[2], digit - digits);
	}
}

/* clang-format off */
static const struct {
	const char *sentence;
	mpp_bytes doc;
	const char *text;
	bool same;
} equals[] = {
	{"the same plain text", DOC("\"Serial\""), "Serial", true},
	{"another letter", DOC("\"Serial\""), "SeriaL", false},
	{"one letter less", DOC("\"Seria\""), "Serial", false},
	{"one letter more", DOC("\"Serial2\""), "Serial", false},
	{"both empty", DOC("\"\""), "", true},
	{"only the item empty", DOC("\"\""), "a", false},
	{"only the other empty", DOC("\"a\""), "", false},
	{"an escape that gives the letter", DOC("\"S\\u0065rial\""),
	 "Serial", true},
	{"an escape that gives another letter", DOC("\"S\\u0066rial\""),
	 "Serial", false},
	{"an escape is not its own text", DOC("\"\\n\""), "\\n", false},
	{"a NUL is not the end", DOC("\"a\\u0000\""), "a", false},
	{"a NUL in a b-string is not the end", DOC("\x80\x02" "a\0"), "a",
	 false},
	{"a b-string", DOC("\x80\x06Serial"), "Serial", true},
	{"a backslash in a b-string", DOC("\x80\x02\\n"), "\\n", true},
	{"chunks", DOC("\x84\x03Ser\x80\x03ial"), "Serial", true},
	{"chunks that differ in the second", DOC("\x84\x03Ser\x80\x03iaL"),
	 "Serial", false},
	{"chunks that are too short", DOC("\x84\x03Ser\x80\x02ia"), "Serial",
	 false},
	{"UTF-8 from an escape", DOC("\"\\u20ac\""), "\xe2\x82\xac", true},
};
/* clang-format on */

static void text_is_compares_what_is_meant(void **state)
{
	mpp_json_item it;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(equals); i++) {
		it = read_one(equals[i].doc);
		if (mpp_json_text_is(&it.text, equals[i].text) !=
		    equals[i].same)
			fail_msg("%s", equals[i].sentence);
	}
}

static void no_text_is_the_empty_text(void **state)
{
	const mpp_json_text none = {.raw = {NULL, 0}};
	mpp_buf out = {NULL, 0, 0};

	(void)state;
	assert_true(mpp_json_text_is(&none, ""));
	assert_false(mpp_json_text_is(&none, "a"));
	assert_int_equal(mpp_json_text_copy(&none, &out), MPP_OK);
	assert_int_equal(out.len, 0);
}

/* Texts that no reader gave: nothing is read beyond them. */
static void made_up_texts_end_where_they_end(void **state)
{
	static const mpp_json_text texts_made_up[] = {
		{.raw = DOC("\x80\x05"
			    "ab"),
		 .chunked = true},
		{.raw = DOC("\x83\xff\xff\xff\xff\xff\xff\xff\xff"),
		 .chunked = true},
		{.raw = DOC("\x81"), .chunked = true},
		{.raw = DOC("a\\"), .escaped = true},
		{.raw = DOC("a\\u12"), .escaped = true},
		{.raw = DOC("a\\ud83d\\u"), .escaped = true},
	};
	uint8_t octets[32];
	mpp_buf out;
	mpp_json_text text;
	uint8_t *p;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(texts_made_up); i++) {
		text = texts_made_up[i];
		p = malloc(text.raw.len);
		assert_non_null(p);
		memcpy(p, text.raw.p, text.raw.len);
		text.raw.p = p;
		out = (mpp_buf){octets, sizeof(octets), 0};
		assert_int_equal(mpp_json_text_copy(&text, &out), MPP_OK);
		assert_true(out.len <= 1);
		assert_false(mpp_json_text_is(&text, "ab"));
		free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_copied_resolved),
		cmocka_unit_test(binary_values_are_copied_decoded),
		cmocka_unit_test(each_digit_of_base64url_has_its_value),
		cmocka_unit_test(text_is_compares_what_is_meant),
		cmocka_unit_test(no_text_is_the_empty_text),
		cmocka_unit_test(made_up_texts_end_where_they_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
