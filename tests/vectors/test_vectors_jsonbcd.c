/* SPDX-License-Identifier: MIT */
/* test_vectors_jsonbcd.c - the vectors of jsonb.json (examples of the draft),
 * jsonbcd.json (the same, whole objects that the author's code wrote, and
 * what that code writes) and presence-jsonb-derived.json (presence messages
 * in JSON-B, JSON text and as datagrams). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mpp/jsonbcd.h>

#include "vectors/json_file.h"

enum { ROOM = 8192, NAME_8 = 0xb4, STRING_8 = 0x80, DATAGRAM = 1024 };

/* Room for one vector. */
struct room {
	uint8_t octets[ROOM];
	mpp_buf buf;
};

static mpp_buf *fresh(struct room *room)
{
	room->buf = (mpp_buf){room->octets, ROOM - 1, 0};
	return &room->buf;
}

/* Is the object that r just opened {"$binary_hex": ...} or {"$datetime":
 * ...}? Then give its text and step behind it. */
static bool marked(mpp_json_reader *r, const char *mark, mpp_buf *text)
{
	mpp_json_reader ahead = *r;
	mpp_json_item it;

	if (mpp_json_next(&ahead, &it) != MPP_OK || !it.has_name ||
	    !mpp_json_text_is(&it.name, mark))
		return false;
	text->len = 0;
	assert_int_equal(mpp_json_text_copy(&it.text, text), MPP_OK);
	assert_int_equal(mpp_json_next(&ahead, &it), MPP_OK);
	assert_int_equal(it.kind, MPP_JSON_CLOSE);
	*r = ahead;
	return true;
}

static void assert_octets(mpp_bytes got, mpp_bytes want)
{
	assert_int_equal(got.len, want.len);
	if (want.len > 0)
		assert_memory_equal(got.p, want.p, want.len);
}

static void assert_data(const mpp_json_item *got, mpp_bytes want)
{
	static struct room room;
	mpp_buf *out = fresh(&room);

	assert_int_equal(mpp_json_data_copy(got, out), MPP_OK);
	assert_octets((mpp_bytes){out->p, out->len}, want);
}

static void assert_text(const mpp_json_text *got, const mpp_json_text *want)
{
	static struct room a;
	static struct room b;
	mpp_buf *x = fresh(&a);
	mpp_buf *y = fresh(&b);

	assert_int_equal(mpp_json_text_copy(got, x), MPP_OK);
	assert_int_equal(mpp_json_text_copy(want, y), MPP_OK);
	assert_octets((mpp_bytes){x->p, x->len}, (mpp_bytes){y->p, y->len});
}

/* binary64 against the text of a number. */
static void assert_number(const mpp_json_text *got, const mpp_json_text *want)
{
	char text[64] = {0};
	uint64_t bits = 0;
	double value;
	size_t i;

	assert_false(got->quoted);
	assert_true(want->quoted);
	assert_int_equal(got->raw.len, 8);
	assert_true(want->raw.len < sizeof(text));
	memcpy(text, want->raw.p, want->raw.len);
	for (i = 0; i < 8; i++)
		bits = bits << 8 | got->raw.p[i];
	memcpy(&value, &bits, 8);
	assert_true(value >= strtod(text, NULL) && value <= strtod(text, NULL));
}

static void assert_same(const mpp_json_item *got, const mpp_json_item *want)
{
	assert_int_equal(got->kind, want->kind);
	assert_int_equal(got->negative, want->negative);
	assert_int_equal(got->integer, want->integer);
	assert_int_equal(got->boolean, want->boolean);
	if (got->kind == MPP_JSON_STRING)
		assert_text(&got->text, &want->text);
	if (got->kind == MPP_JSON_NUMBER)
		assert_number(&got->text, &want->text);
}

/* One item of an encoding against the value in the file; true at the end. */
static bool step(mpp_json_reader *got_from, mpp_json_reader *want_from)
{
	static struct room room;
	mpp_buf *text = fresh(&room);
	mpp_json_item got;
	mpp_json_item want;

	assert_int_equal(mpp_json_next(got_from, &got), MPP_OK);
	assert_int_equal(mpp_json_next(want_from, &want), MPP_OK);
	assert_int_equal(got.depth, want.depth);
	assert_int_equal(got.has_name, want.has_name);
	assert_text(&got.name, &want.name);
	if (want.kind == MPP_JSON_OBJECT &&
	    marked(want_from, "$binary_hex", text)) {
		assert_data(&got, json_unhex(text));
	} else if (want.kind == MPP_JSON_OBJECT &&
		   marked(want_from, "$datetime", text)) {
		text->p[text->len] = '\0';
		assert_int_equal(got.kind, MPP_JSON_STRING);
		assert_true(got.text.quoted);
		assert_true(mpp_json_text_is(&got.text, (char *)text->p));
	} else {
		assert_same(&got, &want);
	}
	return want.kind == MPP_JSON_END;
}

/* Does the encoding hold the value, and nothing behind? */
static void assert_holds(mpp_bytes encoding, mpp_bytes value)
{
	mpp_json_reader got;
	mpp_json_reader want;

	mpp_json_reader_init(&got, encoding);
	mpp_json_reader_init(&want, value);
	while (!step(&got, &want))
		;
	assert_int_equal(mpp_json_rest(&got).len, 0);
}

static mpp_err read_error(mpp_bytes doc)
{
	mpp_json_reader r;
	mpp_json_item it;
	mpp_err err;

	mpp_json_reader_init(&r, doc);
	do
		err = mpp_json_next(&r, &it);
	while (err == MPP_OK && it.kind != MPP_JSON_END);
	return err;
}

/* The author's code writes times as quoted text also in JSON-B. */
static void write_quoted(mpp_json_writer *w, const mpp_buf *text)
{
	char quoted[128];
	int n = snprintf(quoted, sizeof(quoted), "\"%.*s\"", (int)text->len,
			 (const char *)text->p);

	assert_in_range(n, 2, sizeof(quoted) - 1);
	mpp_json_literal(w, NULL, (mpp_bytes){(uint8_t *)quoted, (size_t)n});
}

static void write_text(mpp_json_writer *w, const mpp_json_item *it)
{
	static struct room room;
	mpp_buf *text = fresh(&room);

	assert_int_equal(mpp_json_text_copy(&it->text, text), MPP_OK);
	mpp_json_string(w, NULL, (mpp_bytes){text->p, text->len});
}

static void write_object(mpp_json_writer *w, mpp_json_reader *value)
{
	static struct room room;
	mpp_buf *text = fresh(&room);

	if (marked(value, "$binary_hex", text))
		mpp_json_data(w, NULL, json_unhex(text));
	else if (marked(value, "$datetime", text))
		write_quoted(w, text);
	else
		mpp_json_object(w, NULL);
}

static void write_item(mpp_json_writer *w, mpp_json_reader *value,
		       const mpp_json_item *it)
{
	if (it->has_name)
		mpp_json_name(w, it->name.raw);
	if (it->kind == MPP_JSON_OBJECT)
		write_object(w, value);
	else if (it->kind == MPP_JSON_ARRAY)
		mpp_json_array(w, NULL);
	else if (it->kind == MPP_JSON_CLOSE)
		mpp_json_close(w);
	else if (it->kind == MPP_JSON_INTEGER && it->negative)
		mpp_json_int(w, NULL, -(int64_t)it->integer);
	else if (it->kind == MPP_JSON_INTEGER)
		mpp_json_uint(w, NULL, it->integer);
	else if (it->kind == MPP_JSON_BOOLEAN)
		mpp_json_bool(w, NULL, it->boolean);
	else if (it->kind == MPP_JSON_STRING)
		write_text(w, it);
	else
		assert_int_equal(it->kind, MPP_JSON_END);
}

/* Write the value of a vector; the names in the files have no escapes. */
static mpp_bytes write_value(mpp_bytes value, mpp_json_encoding encoding,
			     mpp_buf *out)
{
	mpp_json_writer w;
	mpp_json_reader r;
	mpp_json_item it;

	mpp_json_writer_init(&w, encoding, out->p, out->cap);
	mpp_json_reader_init(&r, value);
	do {
		assert_int_equal(mpp_json_next(&r, &it), MPP_OK);
		assert_false(it.name.escaped);
		write_item(&w, &r, &it);
	} while (it.kind != MPP_JSON_END);
	assert_int_equal(mpp_json_finish(&w), MPP_OK);
	return (mpp_bytes){w.p, w.n};
}

/* The author's code writes names with 0xB4, we as the draft has it with 0x80:
 * apart from that octet all must be the same. */
static void names_as_the_draft_has_them(mpp_buf *doc)
{
	mpp_json_reader r;
	mpp_json_item it;
	uint8_t *head;

	mpp_json_reader_init(&r, (mpp_bytes){doc->p, doc->len});
	do {
		assert_int_equal(mpp_json_next(&r, &it), MPP_OK);
		if (!it.has_name)
			continue;
		head = doc->p + (it.name.raw.p - doc->p) - 2;
		assert_int_equal(*head, NAME_8);
		*head = STRING_8;
	} while (it.kind != MPP_JSON_END);
}

static void assert_written(mpp_bytes value, mpp_buf *encoding)
{
	static struct room room;

	names_as_the_draft_has_them(encoding);
	assert_octets(write_value(value, MPP_JSON_B, fresh(&room)),
		      (mpp_bytes){encoding->p, encoding->len});
}

/* How the vectors of a list went. */
struct tally {
	size_t positive;
	size_t refused;
	size_t wrong_in_source;
};

/* One example of the draft. JSON-C is refused as such; the example of a big
 * number is an error of its source (0x42 is 66, and A5 is no big number). */
static void run_example(mpp_bytes v, const char *member, struct tally *t)
{
	static struct room room;
	static struct room kind;
	const mpp_bytes encoding = json_hex(v, member, fresh(&room));

	(void)json_text(v, "kind", fresh(&kind));
	if (strncmp((char *)kind.octets, "JSON-C", 6) == 0) {
		assert_int_equal(read_error(encoding), MPP_ERR_UNSUPPORTED);
		t->refused++;
	} else if (strcmp((char *)kind.octets, "p-bignum16") == 0) {
		assert_int_equal(read_error(encoding), MPP_ERR_UNSUPPORTED);
		t->wrong_in_source++;
	} else {
		assert_holds(encoding, json_get(v, "value"));
		t->positive++;
	}
}

static void run_examples(const char *file, const char *list, const char *member)
{
	mpp_buf buf = json_file_load(file);
	struct json_list l = json_list_of(&buf, list);
	struct tally t = {0, 0, 0};
	mpp_bytes v;

	while (json_each(&l, &v))
		run_example(v, member, &t);
	assert_int_equal(t.positive, 14);
	assert_int_equal(t.refused, 5);
	assert_int_equal(t.wrong_in_source, 1);
	assert_int_equal(t.positive + t.refused + t.wrong_in_source,
			 json_file_count(&buf, list));
	free(buf.p);
}

static void examples_of_the_draft(void **state)
{
	(void)state;
	run_examples("jsonbcd.json", "draft_examples", "encoding_hex");
}

static void examples_of_the_draft_as_first_collected(void **state)
{
	(void)state;
	run_examples("jsonb.json", "vectors", "encoding");
}

static void objects_that_the_author_wrote(void **state)
{
	static struct room room;
	mpp_buf buf = json_file_load("jsonbcd.json");
	struct json_list l = json_list_of(&buf, "reference_objects");
	mpp_bytes v;
	size_t run = 0;

	(void)state;
	for (; json_each(&l, &v); run++) {
		assert_holds(json_hex(v, "encoding_hex", fresh(&room)),
			     json_get(v, "value"));
		assert_written(json_get(v, "value"), &room.buf);
	}
	assert_int_equal(run, json_file_count(&buf, "reference_objects"));
	assert_int_equal(run, 6);
	free(buf.p);
}

/* Frames belong to no object: each prefix is refused where a value stands. */
static void frames_are_no_items(void **state)
{
	static const char *const members[] = {"prefix_hex", "frame_prefix_hex",
					      "record_prefix_hex"};
	static struct room room;
	mpp_buf buf = json_file_load("jsonbcd.json");
	struct json_list l = json_list_of(&buf, "frames");
	mpp_bytes v;
	mpp_bytes value;
	size_t run = 0;
	size_t prefixes = 0;
	size_t i;

	(void)state;
	for (; json_each(&l, &v); run++) {
		for (i = 0; i < 3; i++) {
			if (!json_find(v, members[i], &value))
				continue;
			prefixes++;
			assert_int_equal(read_error(json_hex(v, members[i],
							     fresh(&room))),
					 MPP_ERR_SYNTAX);
		}
	}
	assert_int_equal(run, json_file_count(&buf, "frames"));
	assert_int_equal(run, 8);
	assert_int_equal(prefixes, 2 + 2 * 6);
	free(buf.p);
}

/* Binary given in hexadecimal beside the encoding. */
static void run_derived_data(mpp_bytes v)
{
	static struct room room;
	static struct room want;
	static struct room ours;
	const mpp_bytes encoding = json_hex(v, "encoding_hex", fresh(&room));
	const mpp_bytes data = json_hex(v, "value_hex", fresh(&want));
	mpp_json_writer w;
	mpp_json_reader r;
	mpp_json_item it;

	mpp_json_reader_init(&r, encoding);
	assert_int_equal(mpp_json_next(&r, &it), MPP_OK);
	assert_int_equal(it.kind, MPP_JSON_DATA);
	assert_data(&it, data);
	mpp_json_writer_init(&w, MPP_JSON_B, fresh(&ours)->p, ROOM);
	mpp_json_data(&w, NULL, data);
	assert_int_equal(mpp_json_finish(&w), MPP_OK);
	assert_octets((mpp_bytes){w.p, w.n}, encoding);
}

/* The author's code counts UTF-16 units where octets are meant. */
static void run_derived_bug(mpp_bytes v)
{
	static struct room room;

	assert_holds(json_hex(v, "encoding_hex_correct", fresh(&room)),
		     json_get(v, "value"));
	assert_written(json_get(v, "value"), &room.buf);
	assert_int_equal(read_error(json_hex(v, "encoding_hex_reference_bug",
					     fresh(&room))),
			 MPP_ERR_UTF8);
}

/* A time is quoted text there; we write it as the string that it is. */
static void run_derived_value(mpp_bytes v)
{
	static struct room room;
	static struct room what;

	assert_holds(json_hex(v, "encoding_hex", fresh(&room)),
		     json_get(v, "value"));
	(void)json_text(v, "what", fresh(&what));
	if (strncmp((char *)what.octets, "DateTime", 8) == 0)
		assert_octets(write_value(json_get(v, "value"), MPP_JSON_TEXT,
					  fresh(&what)),
			      (mpp_bytes){room.octets, room.buf.len});
	else
		assert_written(json_get(v, "value"), &room.buf);
}

static void what_the_author_writes(void **state)
{
	mpp_buf buf = json_file_load("jsonbcd.json");
	struct json_list l = json_list_of(&buf, "derived");
	mpp_bytes v;
	mpp_bytes value;
	size_t run = 0;

	(void)state;
	for (; json_each(&l, &v); run++) {
		if (json_find(v, "value_hex", &value))
			run_derived_data(v);
		else if (json_find(v, "encoding_hex_correct", &value))
			run_derived_bug(v);
		else
			run_derived_value(v);
	}
	assert_int_equal(run, json_file_count(&buf, "derived"));
	assert_int_equal(run, 24);
	free(buf.p);
}

/* Token (of a client's), message, zeros to 1024. */
static void run_datagram(mpp_bytes v, mpp_bytes message)
{
	static struct room room;
	static struct room token;
	static uint8_t datagram[DATAGRAM];
	const mpp_bytes used = json_hex(v, "used_octets_hex", fresh(&room));
	mpp_bytes value;
	size_t skip = 0;
	mpp_json_reader r;
	mpp_json_item it;

	if (json_find(v, "token_hex", &value)) {
		skip = json_hex(v, "token_hex", fresh(&token)).len;
		assert_memory_equal(used.p, token.octets, skip);
	}
	assert_int_equal(json_integer(v, "datagram_length"), DATAGRAM);
	memset(datagram, 0, sizeof(datagram));
	memcpy(datagram, used.p, used.len);
	assert_octets((mpp_bytes){used.p + skip, used.len - skip}, message);
	mpp_json_reader_init(&r, (mpp_bytes){datagram + skip, DATAGRAM - skip});
	do
		assert_int_equal(mpp_json_next(&r, &it), MPP_OK);
	while (it.kind != MPP_JSON_END);
	assert_int_equal(mpp_json_rest(&r).len, DATAGRAM - used.len);
}

static void run_presence(mpp_bytes v)
{
	static struct room binary;
	static struct room compact;
	static struct room ours;
	const mpp_bytes value = json_get(v, "value");
	mpp_bytes datagram;

	(void)json_hex(v, "jsonb_hex", fresh(&binary));
	assert_int_equal(binary.buf.len, json_integer(v, "length"));
	assert_holds((mpp_bytes){binary.octets, binary.buf.len}, value);
	if (json_find(v, "datagram", &datagram))
		run_datagram(datagram,
			     (mpp_bytes){binary.octets, binary.buf.len});
	(void)json_text(v, "json_compact", fresh(&compact));
	assert_holds((mpp_bytes){compact.octets, compact.buf.len}, value);
	assert_octets(write_value(value, MPP_JSON_TEXT, fresh(&ours)),
		      (mpp_bytes){compact.octets, compact.buf.len});
	assert_holds(write_value(value, MPP_JSON_PRETTY, fresh(&ours)), value);
	assert_written(value, &binary.buf);
}

static void presence_messages(void **state)
{
	mpp_buf buf = json_file_load("presence-jsonb-derived.json");
	struct json_list l = json_list_of(&buf, "vectors");
	mpp_bytes v;
	size_t run = 0;

	(void)state;
	for (; json_each(&l, &v); run++)
		run_presence(v);
	assert_int_equal(run, json_file_count(&buf, "vectors"));
	assert_int_equal(run, 19);
	free(buf.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples_of_the_draft),
		cmocka_unit_test(examples_of_the_draft_as_first_collected),
		cmocka_unit_test(objects_that_the_author_wrote),
		cmocka_unit_test(frames_are_no_items),
		cmocka_unit_test(what_the_author_writes),
		cmocka_unit_test(presence_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
