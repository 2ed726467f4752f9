/* SPDX-License-Identifier: MIT */
/* test_jsonbcd_reader.c - what the reader takes and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mpp/jsonbcd.h>

#include "unit/jsonbcd/documents.h"
#include "unit/jsonbcd/rewrite.h"
#include "unit/jsonbcd/trace.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* A copy of exactly its size, so that a step too far is seen. */
static mpp_bytes exact(mpp_bytes in)
{
	uint8_t *p = malloc(in.len);

	assert_true(p != NULL || in.len == 0);
	if (in.len > 0)
		memcpy(p, in.p, in.len);
	return (mpp_bytes){p, in.len};
}

static void drop(mpp_bytes copy)
{
	free((void *)(uintptr_t)copy.p);
}

static void items_are_as_written(void **state)
{
	struct trace t;
	mpp_bytes in;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(good); i++) {
		in = exact(good[i].doc);
		trace_document(&t, in);
		if (strcmp(t.text, good[i].trace) != 0)
			fail_msg("%s: %s", good[i].sentence, t.text);
		drop(in);
	}
}

/* What good documents hold survives every encoding. */
static void good_documents_can_be_rewritten(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(good); i++)
		assert_int_equal(check_document(good[i].doc), MPP_OK);
}

/* Read to the error or the end; on error, see what a refusal leaves. */
static mpp_err read_all(mpp_bytes in)
{
	mpp_json_reader r;
	mpp_json_reader before;
	mpp_json_item it;
	mpp_json_item kept;
	mpp_err err;

	memset(&it, 0xee, sizeof(it));
	mpp_json_reader_init(&r, in);
	do {
		kept = it;
		before = r;
		err = mpp_json_next(&r, &it);
	} while (err == MPP_OK && it.kind != MPP_JSON_END);
	if (err == MPP_OK)
		return MPP_OK;
	assert_memory_equal(&it, &kept, sizeof(it));
	assert_ptr_equal(r.p, before.p);
	assert_int_equal(r.left, before.left);
	assert_int_equal(mpp_json_next(&r, &it), err);
	assert_memory_equal(&it, &kept, sizeof(it));
	assert_int_equal(mpp_json_skip(&r, &it), err);
	return err;
}

static void bad_documents_are_refused(void **state)
{
	mpp_bytes in;
	mpp_err err;
	size_t i;

	(void)state;
	assert_true(COUNT(bad) >= 60);
	for (i = 0; i < COUNT(bad); i++) {
		in = exact(bad[i].doc);
		err = read_all(in);
		if (err != bad[i].err)
			fail_msg("%s: %s", bad[i].sentence, mpp_err_name(err));
		drop(in);
	}
}

/* Every proper beginning of a whole document is cut short, and nothing else
 * is wrong with it. */
static void beginnings_are_truncated(void **state)
{
	mpp_bytes in;
	mpp_err err;
	size_t i;
	size_t n;

	(void)state;
	for (i = 0; i < COUNT(whole); i++) {
		assert_int_equal(read_all(whole[i]), MPP_OK);
		for (n = 0; n < whole[i].len; n++) {
			in = exact((mpp_bytes){whole[i].p, n});
			err = read_all(in);
			if (err != MPP_ERR_TRUNCATED)
				fail_msg("document %zu cut at %zu: %s", i, n,
					 mpp_err_name(err));
			drop(in);
		}
	}
}

/* What each octet means as the beginning of a value, written down from the
 * tables of the draft and not from tags.def. */
static mpp_err meaning(unsigned octet)
{
	if (octet >= 0x80 && octet <= 0x8f)
		return MPP_OK;
	if (octet == 0x92 || (octet >= 0xa0 && octet <= 0xa3) ||
	    (octet >= 0xa8 && octet <= 0xab) ||
	    (octet >= 0xb0 && octet <= 0xb2))
		return MPP_OK;
	if (octet == 0x90 || octet == 0x91 || (octet >= 0x94 && octet <= 0x98))
		return MPP_ERR_UNSUPPORTED;
	if ((octet >= 0xa4 && octet <= 0xa7) || octet == 0xac || octet == 0xaf)
		return MPP_ERR_UNSUPPORTED;
	if (octet >= 0xc0 && octet <= 0xce && octet % 4 != 3)
		return MPP_ERR_UNSUPPORTED;
	if (octet == 0xd0)
		return MPP_ERR_UNSUPPORTED;
	return MPP_ERR_SYNTAX;
}

static void every_binary_octet_means_what_the_draft_says(void **state)
{
	uint8_t doc[24];
	unsigned octet;
	mpp_err err;

	(void)state;
	for (octet = 0x80; octet <= 0xff; octet++) {
		memset(doc, 0, sizeof(doc));
		doc[0] = (uint8_t)octet;
		if (octet >= 0x84 && octet <= 0x87)
			doc[1 + (1u << (octet - 0x84))] = 0x80;
		if (octet >= 0x8c && octet <= 0x8f)
			doc[1 + (1u << (octet - 0x8c))] = 0x88;
		err = read_all((mpp_bytes){doc, sizeof(doc)});
		if (err != meaning(octet))
			fail_msg("octet %02x: %s", octet, mpp_err_name(err));
	}
}

static void every_text_octet_begins_only_json(void **state)
{
	uint8_t doc[2] = {0, ']'};
	unsigned octet;
	mpp_err err;
	mpp_err want;

	(void)state;
	for (octet = 0; octet < 0x80; octet++) {
		doc[0] = (uint8_t)octet;
		want = MPP_ERR_SYNTAX;
		if (octet == '[' || (octet >= '0' && octet <= '9'))
			want = MPP_OK;
		if (octet == '"')
			want = MPP_ERR_TRUNCATED;
		err = read_all((mpp_bytes){doc, sizeof(doc)});
		if (err != want)
			fail_msg("octet %02x: %s", octet, mpp_err_name(err));
	}
}

static size_t nest(uint8_t *out, unsigned depth, bool object)
{
	const char *open = object ? "{\"a\":" : "[";
	size_t n = 0;
	unsigned i;

	for (i = 0; i < depth; i++) {
		memcpy(out + n, open, strlen(open));
		n += strlen(open);
	}
	out[n++] = '1';
	memset(out + n, object ? '}' : ']', depth);
	return n + depth;
}

static void sixteen_levels_are_read_and_seventeen_are_not(void **state)
{
	uint8_t doc[128];
	mpp_json_reader r;
	mpp_json_item it;
	unsigned i;

	(void)state;
	for (i = 0; i < 2; i++) {
		assert_int_equal(read_all((mpp_bytes){doc, nest(doc, 16, i)}),
				 MPP_OK);
		assert_int_equal(read_all((mpp_bytes){doc, nest(doc, 17, i)}),
				 MPP_ERR_DEPTH);
	}
	mpp_json_reader_init(&r, (mpp_bytes){doc, nest(doc, 16, false)});
	for (i = 0; i < 17; i++) {
		assert_int_equal(mpp_json_next(&r, &it), MPP_OK);
		assert_int_equal(it.depth, i);
	}
	assert_int_equal(it.kind, MPP_JSON_INTEGER);
}

static void the_end_repeats_and_the_rest_stays(void **state)
{
	static const mpp_bytes doc = DOC("{\x80\x01"
					 "a\xa0\x01}\0\0\0");
	mpp_json_reader r;
	mpp_json_item it;
	int i;

	(void)state;
	mpp_json_reader_init(&r, doc);
	assert_int_equal(mpp_json_rest(&r).len, doc.len);
	for (i = 0; i < 3; i++)
		assert_int_equal(mpp_json_next(&r, &it), MPP_OK);
	assert_int_equal(it.kind, MPP_JSON_CLOSE);
	for (i = 0; i < 3; i++) {
		assert_int_equal(mpp_json_next(&r, &it), MPP_OK);
		assert_int_equal(it.kind, MPP_JSON_END);
		assert_int_equal(it.depth, 0);
		assert_int_equal(mpp_json_rest(&r).len, 3);
		assert_ptr_equal(mpp_json_rest(&r).p, doc.p + doc.len - 3);
	}
}

static void texts_say_how_they_stood(void **state)
{
	static const mpp_bytes doc = DOC("[\"a\\n\",\x80\x01"
					 "b\x84\x01"
					 "c\x80\x00"
					 "1.5]");
	mpp_json_reader r;
	mpp_json_item it;

	(void)state;
	mpp_json_reader_init(&r, doc);
	assert_int_equal(mpp_json_next(&r, &it), MPP_OK);
	assert_int_equal(mpp_json_next(&r, &it), MPP_OK);
	assert_true(it.text.quoted && it.text.escaped && !it.text.chunked);
	assert_int_equal(it.text.raw.len, 3);
	assert_ptr_equal(it.text.raw.p, doc.p + 2);
	assert_int_equal(mpp_json_next(&r, &it), MPP_OK);
	assert_true(!it.text.quoted && !it.text.escaped && !it.text.chunked);
	assert_int_equal(it.text.raw.len, 1);
	assert_int_equal(it.text.raw.p[0], 'b');
	assert_int_equal(mpp_json_next(&r, &it), MPP_OK);
	assert_true(!it.text.quoted && !it.text.escaped && it.text.chunked);
	assert_int_equal(it.text.raw.len, 5);
	assert_int_equal(mpp_json_next(&r, &it), MPP_OK);
	assert_int_equal(it.kind, MPP_JSON_NUMBER);
	assert_true(it.text.quoted && !it.text.escaped && !it.text.chunked);
}

/* Skip what the n-th item opened; what comes after is as given. */
static void check_skip(mpp_bytes doc, int n, const char *after)
{
	mpp_json_reader r;
	mpp_json_item it;
	struct trace t = {.n = 0};

	mpp_json_reader_init(&r, doc);
	while (n-- > 0)
		assert_int_equal(mpp_json_next(&r, &it), MPP_OK);
	assert_int_equal(mpp_json_skip(&r, &it), MPP_OK);
	do {
		assert_int_equal(mpp_json_next(&r, &it), MPP_OK);
		trace_item(&t, &it);
	} while (it.kind != MPP_JSON_END);
	assert_string_equal(t.text, after);
}

static void skip_goes_behind_the_closer(void **state)
{
	static const mpp_bytes doc =
		DOC("[{\"a\":[[],{}],\"b\":{}},[1,[2]],3]");

	(void)state;
	check_skip(doc, 1, "0.");
	check_skip(doc, 2, "1[ 2i1 2[ 3i2 2^ 1^ 1i3 0^ 0.");
	check_skip(doc, 3, "2'b'{ 2^ 1^ 1[ 2i1 2[ 3i2 2^ 1^ 1i3 0^ 0.");
	check_skip(doc, 4,
		   "3{ 3^ 2^ 2'b'{ 2^ 1^ 1[ 2i1 2[ 3i2 2^ 1^ 1i3 0^ 0.");
	check_skip((mpp_bytes)DOC("[1,2]"), 2, "1i2 0^ 0.");
}

static void skip_finds_what_is_wrong_inside(void **state)
{
	static const mpp_bytes doc = DOC("[[1,[2,,3]],4]");
	mpp_json_reader r;
	mpp_json_item it;

	(void)state;
	mpp_json_reader_init(&r, doc);
	assert_int_equal(mpp_json_next(&r, &it), MPP_OK);
	assert_int_equal(mpp_json_skip(&r, &it), MPP_ERR_SYNTAX);
	assert_int_equal(mpp_json_next(&r, &it), MPP_ERR_SYNTAX);
}

/* Mutations: xorshift64*, so that every run is the same. */
struct chance {
	uint64_t x;
};

static uint32_t draw(struct chance *c, size_t below)
{
	c->x ^= c->x >> 12;
	c->x ^= c->x << 25;
	c->x ^= c->x >> 27;
	return (uint32_t)((c->x * UINT64_C(2685821657736338717) >> 33) % below);
}

enum { MUTANT_MAX = 256 };

static uint8_t likely_octet(struct chance *c)
{
	static const uint8_t likely[] = "{}[],:\"\\u0189-.eE tfn\n\x80\x81\x83"
					"\x84\x88\x8c\x92\xa0\xa3\xa8\xb0\xb4"
					"\xc0\xe2\xff";

	if (draw(c, 4) == 0)
		return (uint8_t)draw(c, 256);
	return likely[draw(c, sizeof(likely) - 1)];
}

static size_t mutate(uint8_t *p, size_t n, struct chance *c)
{
	const size_t at = draw(c, n);

	switch (draw(c, 4)) {
	case 0: /* change */
		p[at] = likely_octet(c);
		return n;
	case 1: /* flip a bit */
		p[at] = (uint8_t)(p[at] ^ 1u << draw(c, 8));
		return n;
	case 2: /* take out */
		memmove(p + at, p + at + 1, n - at - 1);
		return n > 1 ? n - 1 : n;
	default: /* put in */
		memmove(p + at + 1, p + at, n - at);
		p[at] = likely_octet(c);
		return n + 1;
	}
}

static bool lies_inside(mpp_bytes part, mpp_bytes in)
{
	if (part.len == 0)
		return true;
	return part.p >= in.p && part.len <= in.len &&
	       (size_t)(part.p - in.p) <= in.len - part.len;
}

/* Every item takes at least one octet: so it ends, after in.len items. */
static mpp_err check_progress(mpp_bytes in)
{
	mpp_json_reader r;
	mpp_json_item it;
	size_t left;
	mpp_err err;

	mpp_json_reader_init(&r, in);
	for (;;) {
		left = r.left;
		err = mpp_json_next(&r, &it);
		if (err != MPP_OK || it.kind == MPP_JSON_END)
			return err;
		assert_true(r.left < left);
		assert_true(lies_inside(it.name.raw, in));
		assert_true(lies_inside(it.text.raw, in));
	}
}

static void mutations_never_break_the_reader(void **state)
{
	struct chance c = {UINT64_C(0x6d6573682d707265)};
	uint8_t doc[MUTANT_MAX];
	unsigned taken = 0;
	unsigned i;
	mpp_bytes in;
	mpp_bytes seed;
	size_t n;
	unsigned k;
	mpp_err err;

	(void)state;
	for (i = 0; i < 200000; i++) {
		seed = i % 2 == 0 ? whole[draw(&c, COUNT(whole))]
				  : good[draw(&c, COUNT(good))].doc;
		memcpy(doc, seed.p, n = seed.len);
		for (k = draw(&c, 4) + 1; k > 0; k--)
			n = mutate(doc, n, &c);
		in = exact((mpp_bytes){doc, n});
		err = check_progress(in);
		assert_int_equal(check_document(in), err);
		taken += err == MPP_OK;
		drop(in);
	}
	/* Both roads were walked. */
	assert_in_range(taken, 10000, 190000);
}

/* No work is done twice: twice the chunks, twice the steps. The worst known
 * shapes, of a size that would take hours if it were quadratic. */
static void long_documents_are_read_in_linear_time(void **state)
{
	enum { LEN = 4 << 20 };
	uint8_t *p = malloc(LEN);
	size_t i;

	(void)state;
	assert_non_null(p);
	for (i = 0; i < LEN; i += 2)
		memcpy(p + i, "\x84", 2);
	assert_int_equal(check_progress((mpp_bytes){p, LEN}),
			 MPP_ERR_TRUNCATED);
	memset(p, '\\', LEN);
	p[0] = '"';
	p[LEN - 1] = '"';
	assert_int_equal(check_progress((mpp_bytes){p, LEN}), MPP_OK);
	memset(p, ' ', LEN);
	assert_int_equal(check_progress((mpp_bytes){p, LEN}),
			 MPP_ERR_TRUNCATED);
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_are_as_written),
		cmocka_unit_test(good_documents_can_be_rewritten),
		cmocka_unit_test(bad_documents_are_refused),
		cmocka_unit_test(beginnings_are_truncated),
		cmocka_unit_test(every_binary_octet_means_what_the_draft_says),
		cmocka_unit_test(every_text_octet_begins_only_json),
		cmocka_unit_test(sixteen_levels_are_read_and_seventeen_are_not),
		cmocka_unit_test(the_end_repeats_and_the_rest_stays),
		cmocka_unit_test(texts_say_how_they_stood),
		cmocka_unit_test(skip_goes_behind_the_closer),
		cmocka_unit_test(skip_finds_what_is_wrong_inside),
		cmocka_unit_test(mutations_never_break_the_reader),
		cmocka_unit_test(long_documents_are_read_in_linear_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
