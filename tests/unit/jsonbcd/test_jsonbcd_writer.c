/* SPDX-License-Identifier: MIT */
/* test_jsonbcd_writer.c - what the writer writes in its three encodings, and
 * that the reader gives back what was written. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mpp/jsonbcd.h>

#include "unit/jsonbcd/rewrite.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define BYTES(text) ((mpp_bytes){(const uint8_t *)(text), sizeof(text) - 1})
#define DOC(text)                                         \
	{                                                 \
		(const uint8_t *)(text), sizeof(text) - 1 \
	}

typedef void write_fn(mpp_json_writer *w);

static void write_empty_object(mpp_json_writer *w)
{
	mpp_json_object(w, NULL);
	mpp_json_close(w);
}

static void write_empty_array(mpp_json_writer *w)
{
	mpp_json_array(w, NULL);
	mpp_json_close(w);
}

static void write_message(mpp_json_writer *w)
{
	mpp_json_object(w, NULL);
	mpp_json_object(w, "Status");
	mpp_json_data(w, "Id", BYTES("\xc0\x00\x02\x21"));
	mpp_json_uint(w, "Port", 49152);
	mpp_json_string(w, "Now", BYTES("12:00"));
	mpp_json_bool(w, "Up", true);
	mpp_json_bool(w, "Down", false);
	mpp_json_null(w, "None");
	mpp_json_close(w);
	mpp_json_close(w);
}

static void write_array(mpp_json_writer *w)
{
	mpp_json_array(w, NULL);
	mpp_json_uint(w, NULL, 1);
	mpp_json_cstring(w, NULL, "a");
	mpp_json_bool(w, NULL, true);
	mpp_json_close(w);
}

static void write_nested(mpp_json_writer *w)
{
	mpp_json_object(w, NULL);
	mpp_json_object(w, "A");
	mpp_json_uint(w, "B", 1);
	mpp_json_close(w);
	mpp_json_array(w, "C");
	mpp_json_close(w);
	mpp_json_close(w);
}

static void write_arrays_without_binary(mpp_json_writer *w)
{
	mpp_json_array(w, NULL);
	mpp_json_array(w, NULL);
	mpp_json_close(w);
	mpp_json_object(w, NULL);
	mpp_json_close(w);
	mpp_json_literal(w, NULL, BYTES("1.5"));
	mpp_json_literal(w, NULL, BYTES("2.5"));
	mpp_json_array(w, NULL);
	mpp_json_close(w);
	mpp_json_uint(w, NULL, 3);
	mpp_json_array(w, NULL);
	mpp_json_close(w);
	mpp_json_object(w, NULL);
	mpp_json_close(w);
	mpp_json_literal(w, NULL, BYTES("4.5"));
	mpp_json_array(w, NULL);
	mpp_json_close(w);
	mpp_json_close(w);
}

static void write_escapes(mpp_json_writer *w)
{
	mpp_json_object(w, NULL);
	mpp_json_string(w, "\"\\",
			BYTES("\"\\/\b\f\n\r\t\0\x01\x1f\x7f\xe2\x82\xac"));
	mpp_json_close(w);
}

static void write_integers(mpp_json_writer *w)
{
	static const int64_t v[] = {0,     1,     127,       128,      255,
				    256,   -1,    -128,      -255,     -256,
				    65535, 65536, INT64_MAX, INT64_MIN};
	size_t i;

	mpp_json_array(w, NULL);
	for (i = 0; i < COUNT(v); i++)
		mpp_json_int(w, NULL, v[i]);
	mpp_json_uint(w, NULL, UINT32_MAX);
	mpp_json_uint(w, NULL, UINT32_MAX + UINT64_C(1));
	mpp_json_uint(w, NULL, UINT64_MAX);
	mpp_json_close(w);
}

static void write_base64(mpp_json_writer *w)
{
	mpp_json_array(w, NULL);
	mpp_json_data(w, NULL, (mpp_bytes){NULL, 0});
	mpp_json_data(w, NULL, BYTES("f"));
	mpp_json_data(w, NULL, BYTES("fo"));
	mpp_json_data(w, NULL, BYTES("foo"));
	mpp_json_data(w, NULL, BYTES("foob"));
	mpp_json_data(w, NULL, BYTES("\xfb\xff\xbf"));
	mpp_json_close(w);
}

static void write_names(mpp_json_writer *w)
{
	mpp_json_object(w, NULL);
	mpp_json_name(w, BYTES("a"));
	mpp_json_uint(w, NULL, 1);
	mpp_json_name(w, (mpp_bytes){NULL, 0});
	mpp_json_array(w, NULL);
	mpp_json_close(w);
	mpp_json_name(w, BYTES("n"));
	mpp_json_literal(w, NULL, BYTES("1e9"));
	mpp_json_literal(w, "m", BYTES("-0.5"));
	mpp_json_close(w);
}

static void write_lone_string(mpp_json_writer *w)
{
	mpp_json_cstring(w, NULL, "a");
}

static void write_lone_null(mpp_json_writer *w)
{
	mpp_json_null(w, NULL);
}

/* clang-format off */
static const struct written {
	const char *sentence;
	write_fn *write;
	mpp_bytes text;
	mpp_bytes binary;
	mpp_bytes pretty;
} written[] = {
	{"an empty object", write_empty_object, DOC("{}"), DOC("{}"),
	 DOC("{}")},
	{"an empty array", write_empty_array, DOC("[]"), DOC("[]"),
	 DOC("[]")},
	{"a lone string", write_lone_string, DOC("\"a\""), DOC("\x80\x01" "a"),
	 DOC("\"a\"")},
	{"a lone null", write_lone_null, DOC("null"), DOC("\xb2"),
	 DOC("null")},
	{"a message with a member of each kind", write_message,
	 DOC("{\"Status\":{\"Id\":\"wAACIQ\",\"Port\":49152,"
	     "\"Now\":\"12:00\",\"Up\":true,\"Down\":false,\"None\":null}}"),
	 DOC("{\x80\x06Status{\x80\x02Id\x88\x04\xc0\x00\x02\x21"
	     "\x80\x04Port\xa1\xc0\x00\x80\x03Now\x80\x05" "12:00"
	     "\x80\x02Up\xb0\x80\x04" "Down\xb1\x80\x04None\xb2}}"),
	 DOC("{\n"
	     "  \"Status\": {\n"
	     "    \"Id\": \"wAACIQ\",\n"
	     "    \"Port\": 49152,\n"
	     "    \"Now\": \"12:00\",\n"
	     "    \"Up\": true,\n"
	     "    \"Down\": false,\n"
	     "    \"None\": null\n"
	     "  }\n"
	     "}")},
	{"an array", write_array, DOC("[1,\"a\",true]"),
	 DOC("[\xa0\x01\x80\x01" "a\xb0]"),
	 DOC("[\n  1,\n  \"a\",\n  true\n]")},
	{"an empty array behind an object", write_nested,
	 DOC("{\"A\":{\"B\":1},\"C\":[]}"),
	 DOC("{\x80\x01" "A{\x80\x01" "B\xa0\x01}\x80\x01" "C[]}"),
	 DOC("{\n  \"A\": {\n    \"B\": 1\n  },\n  \"C\": []\n}")},
	{"commas of JSON-B stand where neither side is binary",
	 write_arrays_without_binary,
	 DOC("[[],{},1.5,2.5,[],3,[],{},4.5,[]]"),
	 DOC("[[],{},1.5,2.5,[]\xa0\x03[]{}4.5,[]]"),
	 DOC("[\n  [],\n  {},\n  1.5,\n  2.5,\n  [],\n  3,\n  [],\n  {},\n"
	     "  4.5,\n  []\n]")},
	{"escapes, in names too", write_escapes,
	 DOC("{\"\\\"\\\\\":\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u0001\\u001f"
	     "\x7f\xe2\x82\xac\"}"),
	 DOC("{\x80\x02\"\\\x80\x0f\"\\/\b\f\n\r\t\0\x01\x1f\x7f\xe2\x82\xac}"),
	 DOC("{\n  \"\\\"\\\\\": \"\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u0001"
	     "\\u001f\x7f\xe2\x82\xac\"\n}")},
	{"integers in the shortest form", write_integers,
	 DOC("[0,1,127,128,255,256,-1,-128,-255,-256,65535,65536,"
	     "9223372036854775807,-9223372036854775808,4294967295,"
	     "4294967296,18446744073709551615]"),
	 DOC("[\xa0\x00\xa0\x01\xa0\x7f\xa0\x80\xa0\xff\xa1\x01\x00\xa8\x01"
	     "\xa8\x80\xa8\xff\xa9\x01\x00\xa1\xff\xff\xa2\x00\x01\x00\x00"
	     "\xa3\x7f\xff\xff\xff\xff\xff\xff\xff"
	     "\xab\x80\x00\x00\x00\x00\x00\x00\x00\xa2\xff\xff\xff\xff"
	     "\xa3\x00\x00\x00\x01\x00\x00\x00\x00"
	     "\xa3\xff\xff\xff\xff\xff\xff\xff\xff]"),
	 DOC("[\n  0,\n  1,\n  127,\n  128,\n  255,\n  256,\n  -1,\n  -128,\n"
	     "  -255,\n  -256,\n  65535,\n  65536,\n  9223372036854775807,\n"
	     "  -9223372036854775808,\n  4294967295,\n  4294967296,\n"
	     "  18446744073709551615\n]")},
	{"data as base64url", write_base64,
	 DOC("[\"\",\"Zg\",\"Zm8\",\"Zm9v\",\"Zm9vYg\",\"-_-_\"]"),
	 DOC("[\x88\x00\x88\x01" "f\x88\x02" "fo\x88\x03" "foo\x88\x04" "foob"
	     "\x88\x03\xfb\xff\xbf]"),
	 DOC("[\n  \"\",\n  \"Zg\",\n  \"Zm8\",\n  \"Zm9v\",\n  \"Zm9vYg\",\n"
	     "  \"-_-_\"\n]")},
	{"names that are slices, and literals", write_names,
	 DOC("{\"a\":1,\"\":[],\"n\":1e9,\"m\":-0.5}"),
	 DOC("{\x80\x01" "a\xa0\x01\x80\x00[]\x80\x01n1e9\x80\x01m-0.5}"),
	 DOC("{\n  \"a\": 1,\n  \"\": [],\n  \"n\": 1e9,\n  \"m\": -0.5\n}")},
};
/* clang-format on */

static mpp_bytes expected(const struct written *row, mpp_json_encoding encoding)
{
	if (encoding == MPP_JSON_B)
		return row->binary;
	return encoding == MPP_JSON_TEXT ? row->text : row->pretty;
}

/* Counting, exact room, and every room that is too small. */
static void check_written(const struct written *row, mpp_json_encoding encoding)
{
	const mpp_bytes want = expected(row, encoding);
	mpp_json_writer w;
	uint8_t *p;
	size_t cap;

	mpp_json_writer_init(&w, encoding, NULL, 0);
	row->write(&w);
	assert_int_equal(mpp_json_finish(&w), MPP_OK);
	if (w.n != want.len)
		fail_msg("%s: counted %zu", row->sentence, w.n);
	for (cap = 0; cap <= want.len; cap++) {
		p = malloc(cap + (cap == 0));
		assert_non_null(p);
		mpp_json_writer_init(&w, encoding, p, cap);
		row->write(&w);
		assert_int_equal(mpp_json_finish(&w),
				 cap < want.len ? MPP_ERR_NOSPACE : MPP_OK);
		assert_true(w.n <= cap);
		if (w.n > 0 && memcmp(p, want.p, w.n) != 0)
			fail_msg("%s: %.*s", row->sentence, (int)w.n, p);
		free(p);
	}
}

static void documents_are_written_octet_by_octet(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(written); i++) {
		check_written(&written[i], MPP_JSON_TEXT);
		check_written(&written[i], MPP_JSON_B);
		check_written(&written[i], MPP_JSON_PRETTY);
	}
}

static void what_was_written_can_be_read(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(written); i++) {
		assert_true(same_document(written[i].binary, written[i].text));
		assert_true(
			same_document(written[i].binary, written[i].pretty));
	}
}

static void misuse_name_in_array(mpp_json_writer *w)
{
	mpp_json_array(w, NULL);
	mpp_json_uint(w, "a", 1);
	mpp_json_close(w);
}

static void misuse_no_name_in_object(mpp_json_writer *w)
{
	mpp_json_object(w, NULL);
	mpp_json_uint(w, NULL, 1);
	mpp_json_close(w);
}

static void misuse_outermost_name(mpp_json_writer *w)
{
	mpp_json_uint(w, "a", 1);
}

static void misuse_two_values(mpp_json_writer *w)
{
	mpp_json_uint(w, NULL, 1);
	mpp_json_uint(w, NULL, 2);
}

static void misuse_value_after_object(mpp_json_writer *w)
{
	write_empty_object(w);
	mpp_json_object(w, NULL);
	mpp_json_close(w);
}

static void misuse_two_names(mpp_json_writer *w)
{
	mpp_json_object(w, NULL);
	mpp_json_name(w, BYTES("a"));
	mpp_json_name(w, BYTES("b"));
	mpp_json_uint(w, NULL, 1);
	mpp_json_close(w);
}

static void misuse_name_and_name(mpp_json_writer *w)
{
	mpp_json_object(w, NULL);
	mpp_json_name(w, BYTES("a"));
	mpp_json_uint(w, "b", 1);
	mpp_json_close(w);
}

static void misuse_slice_in_array(mpp_json_writer *w)
{
	mpp_json_array(w, NULL);
	mpp_json_name(w, BYTES("a"));
	mpp_json_uint(w, NULL, 1);
	mpp_json_close(w);
}

static void misuse_name_before_close(mpp_json_writer *w)
{
	mpp_json_object(w, NULL);
	mpp_json_name(w, BYTES("a"));
	mpp_json_close(w);
}

static void misuse_close_first(mpp_json_writer *w)
{
	mpp_json_close(w);
}

static void misuse_close_twice(mpp_json_writer *w)
{
	write_empty_array(w);
	mpp_json_close(w);
}

static void misuse_nothing(mpp_json_writer *w)
{
	(void)w;
}

static void misuse_open(mpp_json_writer *w)
{
	mpp_json_object(w, NULL);
}

static void misuse_name_only(mpp_json_writer *w)
{
	mpp_json_object(w, NULL);
	mpp_json_name(w, BYTES("a"));
}

static void nest(mpp_json_writer *w, unsigned depth)
{
	unsigned i;

	for (i = 0; i < depth; i++) {
		if (i % 2 == 0)
			mpp_json_object(w, NULL);
		else
			mpp_json_array(w, "a");
	}
	for (i = 0; i < depth; i++)
		mpp_json_close(w);
}

static void misuse_17_levels(mpp_json_writer *w)
{
	nest(w, 17);
}

static const struct misuse {
	const char *sentence;
	write_fn *write;
	mpp_err err;
} misuses[] = {
	{"a name in an array", misuse_name_in_array, MPP_ERR_STATE},
	{"no name in an object", misuse_no_name_in_object, MPP_ERR_STATE},
	{"a name outermost", misuse_outermost_name, MPP_ERR_STATE},
	{"two outermost values", misuse_two_values, MPP_ERR_STATE},
	{"a value after the object", misuse_value_after_object, MPP_ERR_STATE},
	{"two names for a value", misuse_two_names, MPP_ERR_STATE},
	{"a name twice over", misuse_name_and_name, MPP_ERR_STATE},
	{"a slice as name in an array", misuse_slice_in_array, MPP_ERR_STATE},
	{"a name without value", misuse_name_before_close, MPP_ERR_STATE},
	{"a closer first", misuse_close_first, MPP_ERR_STATE},
	{"a closer too many", misuse_close_twice, MPP_ERR_STATE},
	{"nothing written", misuse_nothing, MPP_ERR_STATE},
	{"an object left open", misuse_open, MPP_ERR_STATE},
	{"a name left over", misuse_name_only, MPP_ERR_STATE},
	{"17 levels", misuse_17_levels, MPP_ERR_DEPTH},
};

static void wrong_calls_stick(void **state)
{
	uint8_t room[256];
	mpp_json_writer w;
	mpp_err err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(misuses); i++) {
		mpp_json_writer_init(&w, MPP_JSON_TEXT, room, sizeof(room));
		misuses[i].write(&w);
		err = mpp_json_finish(&w);
		if (err != misuses[i].err)
			fail_msg("%s: %s", misuses[i].sentence,
				 mpp_err_name(err));
	}
}

static void sixteen_levels_can_be_written(void **state)
{
	uint8_t room[256];
	mpp_json_writer w;

	(void)state;
	mpp_json_writer_init(&w, MPP_JSON_B, room, sizeof(room));
	nest(&w, 16);
	assert_int_equal(mpp_json_finish(&w), MPP_OK);
	assert_int_equal(check_document((mpp_bytes){room, w.n}), MPP_OK);
}

/* The head grows with the length: at each border, the octets of the head. */
static void heads_are_the_shortest(void **state)
{
	static const struct {
		size_t len;
		mpp_bytes string;
		mpp_bytes data;
	} borders[] = {
		{255, DOC("\x80\xff"), DOC("\x88\xff")},
		{256, DOC("\x81\x01\x00"), DOC("\x89\x01\x00")},
		{65535, DOC("\x81\xff\xff"), DOC("\x89\xff\xff")},
		{65536, DOC("\x82\x00\x01\x00\x00"),
		 DOC("\x8a\x00\x01\x00\x00")},
	};
	enum { ROOM = 65536 + 8 };
	uint8_t *in = calloc(1, ROOM);
	uint8_t *out = malloc(ROOM);
	mpp_json_writer w;
	size_t i;

	(void)state;
	assert_non_null(in);
	assert_non_null(out);
	for (i = 0; i < COUNT(borders); i++) {
		mpp_json_writer_init(&w, MPP_JSON_B, out, ROOM);
		mpp_json_string(&w, NULL, (mpp_bytes){in, borders[i].len});
		assert_int_equal(w.n, borders[i].string.len + borders[i].len);
		assert_memory_equal(out, borders[i].string.p,
				    borders[i].string.len);
		mpp_json_writer_init(&w, MPP_JSON_B, out, ROOM);
		mpp_json_data(&w, NULL, (mpp_bytes){in, borders[i].len});
		assert_int_equal(w.n, borders[i].data.len + borders[i].len);
		assert_memory_equal(out, borders[i].data.p,
				    borders[i].data.len);
	}
	free(in);
	free(out);
}

/* Random documents. What was meant is kept beside, so that the reader is
 * compared with it and not with another run of the reader. */
enum { EVENTS_MAX = 80, TEXT_MAX = 300 };

struct event {
	mpp_json_kind kind;
	uint8_t depth;
	bool has_name;
	bool negative;
	bool boolean;
	uint64_t integer;
	size_t name_len;
	size_t text_len;
	uint8_t name[TEXT_MAX];
	uint8_t text[TEXT_MAX];
};

struct plan {
	struct event events[EVENTS_MAX + MPP_JSON_DEPTH_MAX];
	size_t n;
	uint8_t depth;
	bool object[MPP_JSON_DEPTH_MAX + 1];
	uint64_t x; /* splitmix64 */
};

static uint64_t draw(struct plan *p)
{
	uint64_t z = p->x += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static size_t below(struct plan *p, size_t n)
{
	return (size_t)(draw(p) % n);
}

/* Characters of every kind that needs care somewhere. */
static size_t plan_text(struct plan *p, uint8_t *out)
{
	static const char *const characters[] = {"a",
						 "Z",
						 "0",
						 "\"",
						 "\\",
						 "/",
						 "\n",
						 "\x01",
						 "\x1f",
						 "\x7f",
						 ",",
						 "{",
						 "\xc2\x80",
						 "\xdf\xbf",
						 "\xe2\x82\xac",
						 "\xed\x9f\xbf",
						 "\xf0\x9f\x98\x80",
						 "\xf4\x8f\xbf\xbf"};
	size_t left = below(p, 40) == 0 ? 200 + below(p, 60) : below(p, 12);
	size_t n = 0;
	const char *c;

	for (; left > 0 && n + 4 < TEXT_MAX; left--) {
		c = characters[below(p, COUNT(characters))];
		memcpy(out + n, c, strlen(c));
		n += strlen(c);
		if (below(p, 30) == 0)
			out[n++] = '\0';
	}
	return n;
}

static size_t plan_data(struct plan *p, uint8_t *out)
{
	size_t n = below(p, 40) == 0 ? 250 + below(p, 20) : below(p, 12);
	size_t i;

	for (i = 0; i < n; i++)
		out[i] = (uint8_t)draw(p);
	return n;
}

static void plan_scalar(struct plan *p, struct event *e)
{
	static const char *const numbers[] = {"1.5", "-2e10", "0.0", "1E+2",
					      "18446744073709551616"};
	const char *number = numbers[below(p, COUNT(numbers))];

	switch (below(p, 6)) {
	case 0:
		e->kind = MPP_JSON_STRING;
		e->text_len = plan_text(p, e->text);
		return;
	case 1:
		e->kind = MPP_JSON_DATA;
		e->text_len = plan_data(p, e->text);
		return;
	case 2:
		e->kind = MPP_JSON_INTEGER;
		e->integer = draw(p) >> below(p, 64);
		e->negative = e->integer >> 63 == 0 && e->integer != 0 &&
			      below(p, 2) == 0;
		return;
	case 3:
		e->kind = MPP_JSON_NUMBER;
		e->text_len = strlen(number);
		memcpy(e->text, number, e->text_len);
		return;
	case 4:
		e->kind = MPP_JSON_BOOLEAN;
		e->boolean = below(p, 2) == 0;
		return;
	default:
		e->kind = MPP_JSON_NULL;
	}
}

static void plan_close(struct plan *p)
{
	struct event *e = &p->events[p->n++];

	*e = (struct event){.kind = MPP_JSON_CLOSE, .depth = --p->depth};
}

static void plan_value(struct plan *p)
{
	struct event *e = &p->events[p->n++];

	memset(e, 0, sizeof(*e));
	e->depth = p->depth;
	e->has_name = p->depth > 0 && p->object[p->depth];
	if (e->has_name)
		e->name_len = plan_text(p, e->name);
	if (p->depth == MPP_JSON_DEPTH_MAX || below(p, 5) > 1) {
		plan_scalar(p, e);
		return;
	}
	p->depth++;
	p->object[p->depth] = below(p, 2) == 0;
	e->kind = p->object[p->depth] ? MPP_JSON_OBJECT : MPP_JSON_ARRAY;
}

static void plan_document(struct plan *p, uint64_t seed)
{
	p->x = seed;
	p->n = 0;
	p->depth = 0;
	do {
		if (p->depth > 0 && below(p, 5) == 0)
			plan_close(p);
		else
			plan_value(p);
	} while (p->depth > 0 && p->n < EVENTS_MAX);
	while (p->depth > 0)
		plan_close(p);
}

static void write_event(const struct event *e, mpp_json_writer *w)
{
	const mpp_bytes text = {e->text, e->text_len};

	if (e->has_name)
		mpp_json_name(w, (mpp_bytes){e->name, e->name_len});
	if (e->kind == MPP_JSON_OBJECT)
		mpp_json_object(w, NULL);
	else if (e->kind == MPP_JSON_ARRAY)
		mpp_json_array(w, NULL);
	else if (e->kind == MPP_JSON_CLOSE)
		mpp_json_close(w);
	else if (e->kind == MPP_JSON_STRING)
		mpp_json_string(w, NULL, text);
	else if (e->kind == MPP_JSON_DATA)
		mpp_json_data(w, NULL, text);
	else if (e->kind == MPP_JSON_INTEGER && e->negative)
		mpp_json_int(w, NULL, -(int64_t)e->integer);
	else if (e->kind == MPP_JSON_INTEGER)
		mpp_json_uint(w, NULL, e->integer);
	else if (e->kind == MPP_JSON_NUMBER)
		mpp_json_literal(w, NULL, text);
	else if (e->kind == MPP_JSON_BOOLEAN)
		mpp_json_bool(w, NULL, e->boolean);
	else
		mpp_json_null(w, NULL);
}

/* The value as it was meant; data is a quoted string in JSON text. */
static bool value_is(const struct event *e, const mpp_json_item *it)
{
	uint8_t octets[TEXT_MAX];
	mpp_buf got = {octets, sizeof(octets), 0};
	mpp_err err = mpp_json_text_copy(&it->text, &got);

	if (e->kind == MPP_JSON_DATA && it->kind == MPP_JSON_STRING) {
		got.len = 0;
		err = mpp_json_data_copy(it, &got);
	} else if (it->kind != e->kind) {
		return false;
	}
	return err == MPP_OK && got.len == e->text_len &&
	       memcmp(octets, e->text, got.len) == 0 &&
	       it->integer == e->integer && it->negative == e->negative &&
	       it->boolean == e->boolean;
}

static bool event_is(const struct event *e, const mpp_json_item *it)
{
	uint8_t octets[TEXT_MAX];
	mpp_buf name = {octets, sizeof(octets), 0};

	return it->depth == e->depth && it->has_name == e->has_name &&
	       mpp_json_text_copy(&it->name, &name) == MPP_OK &&
	       name.len == e->name_len &&
	       memcmp(octets, e->name, name.len) == 0 && value_is(e, it);
}

static bool reads_as_planned(const struct plan *p, mpp_bytes in)
{
	mpp_json_reader r;
	mpp_json_item it;
	size_t i;

	mpp_json_reader_init(&r, in);
	for (i = 0; i < p->n; i++) {
		if (mpp_json_next(&r, &it) != MPP_OK ||
		    !event_is(&p->events[i], &it))
			return false;
	}
	return mpp_json_next(&r, &it) == MPP_OK && it.kind == MPP_JSON_END &&
	       mpp_json_rest(&r).len == 0;
}

static void random_documents_are_read_as_meant(void **state)
{
	static const mpp_json_encoding encodings[] = {MPP_JSON_TEXT, MPP_JSON_B,
						      MPP_JSON_PRETTY};
	static struct plan plan;
	static uint8_t room[1 << 17];
	mpp_json_writer w;
	uint64_t seed;
	size_t longest = 0;
	size_t i;
	size_t k;

	(void)state;
	for (seed = 1; seed <= 20000; seed++) {
		plan_document(&plan, seed);
		longest = plan.n > longest ? plan.n : longest;
		for (i = 0; i < COUNT(encodings); i++) {
			mpp_json_writer_init(&w, encodings[i], room,
					     sizeof(room));
			for (k = 0; k < plan.n; k++)
				write_event(&plan.events[k], &w);
			if (mpp_json_finish(&w) != MPP_OK ||
			    !reads_as_planned(&plan, (mpp_bytes){room, w.n}))
				fail_msg("seed %" PRIu64 ", encoding %zu", seed,
					 i);
		}
	}
	assert_true(longest >= EVENTS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents_are_written_octet_by_octet),
		cmocka_unit_test(what_was_written_can_be_read),
		cmocka_unit_test(wrong_calls_stick),
		cmocka_unit_test(sixteen_levels_can_be_written),
		cmocka_unit_test(heads_are_the_shortest),
		cmocka_unit_test(random_documents_are_read_as_meant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
