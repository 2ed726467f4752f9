/* SPDX-License-Identifier: MIT */
/* rewrite.h - write again what was read, and compare two documents item by
 * item; for the unit tests and the fuzz target. */
#ifndef UNIT_JSONBCD_REWRITE_H
#define UNIT_JSONBCD_REWRITE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mpp/jsonbcd.h>

enum { REWRITE_BINARY64 = 0x92 };

/* One item with its text resolved. */
struct resolved {
	mpp_json_item it;
	mpp_buf name;
	mpp_buf text;
};

static inline void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "does not hold: %s\n", what);
	abort();
}

static inline void resolved_init(struct resolved *r, size_t cap)
{
	*r = (struct resolved){.name = {malloc(cap + 1), cap, 0},
			       .text = {malloc(cap + 1), cap, 0}};
	must(r->name.p != NULL && r->text.p != NULL, "memory");
}

static inline void resolved_free(struct resolved *r)
{
	free(r->name.p);
	free(r->text.p);
}

/* The next item; texts never grow when they are resolved. */
static inline mpp_err resolved_next(struct resolved *r, mpp_json_reader *in)
{
	mpp_err err = mpp_json_next(in, &r->it);

	r->name.len = 0;
	r->text.len = 0;
	if (err != MPP_OK)
		return err;
	must(mpp_json_text_copy(&r->it.name, &r->name) == MPP_OK, "name fits");
	must(mpp_json_text_copy(&r->it.text, &r->text) == MPP_OK, "text fits");
	return MPP_OK;
}

static inline mpp_bytes view(const mpp_buf *buf)
{
	return (mpp_bytes){buf->p, buf->len};
}

/* A number that is no 64-bit integer; binary64 only where it can stand. */
static inline mpp_err rewrite_number(const struct resolved *r,
				     mpp_json_writer *w)
{
	uint8_t tagged[9] = {REWRITE_BINARY64};

	if (r->it.text.quoted) {
		mpp_json_literal(w, NULL, view(&r->text));
		return MPP_OK;
	}
	if (w->encoding != MPP_JSON_B)
		return MPP_ERR_UNSUPPORTED;
	must(r->text.len == 8, "binary64 has 8 octets");
	memcpy(tagged + 1, r->text.p, 8);
	mpp_json_literal(w, NULL, (mpp_bytes){tagged, sizeof(tagged)});
	return MPP_OK;
}

static inline void rewrite_integer(const mpp_json_item *it, mpp_json_writer *w)
{
	char text[32];
	int n;

	if (!it->negative) {
		mpp_json_uint(w, NULL, it->integer);
	} else if (it->integer <= UINT64_C(1) << 63) {
		mpp_json_int(w, NULL, (int64_t)(0 - it->integer));
	} else {
		n = snprintf(text, sizeof(text), "-%llu",
			     (unsigned long long)it->integer);
		mpp_json_literal(w, NULL,
				 (mpp_bytes){(uint8_t *)text, (size_t)n});
	}
}

static inline mpp_err rewrite_item(const struct resolved *r, mpp_json_writer *w)
{
	if (r->it.has_name)
		mpp_json_name(w, view(&r->name));
	switch (r->it.kind) {
	case MPP_JSON_OBJECT:
		mpp_json_object(w, NULL);
		break;
	case MPP_JSON_ARRAY:
		mpp_json_array(w, NULL);
		break;
	case MPP_JSON_CLOSE:
		mpp_json_close(w);
		break;
	case MPP_JSON_STRING:
		mpp_json_string(w, NULL, view(&r->text));
		break;
	case MPP_JSON_DATA:
		mpp_json_data(w, NULL, view(&r->text));
		break;
	case MPP_JSON_INTEGER:
		rewrite_integer(&r->it, w);
		break;
	case MPP_JSON_NUMBER:
		return rewrite_number(r, w);
	case MPP_JSON_BOOLEAN:
		mpp_json_bool(w, NULL, r->it.boolean);
		break;
	case MPP_JSON_NULL:
		mpp_json_null(w, NULL);
		break;
	case MPP_JSON_END:
		break;
	}
	return MPP_OK;
}

/* Read `in`, write it to w. */
static inline mpp_err rewrite(mpp_bytes in, mpp_json_writer *w)
{
	struct resolved r;
	mpp_json_reader reader;
	mpp_err err;

	resolved_init(&r, in.len);
	mpp_json_reader_init(&reader, in);
	do {
		err = resolved_next(&r, &reader);
		if (err == MPP_OK)
			err = rewrite_item(&r, w);
	} while (err == MPP_OK && r.it.kind != MPP_JSON_END);
	resolved_free(&r);
	return err != MPP_OK ? err : mpp_json_finish(w);
}

/* Rewritten in room of exactly the counted size; free p. */
static inline mpp_err rewrite_new(mpp_bytes in, mpp_json_encoding encoding,
				  mpp_bytes *out)
{
	mpp_json_writer w;
	mpp_err err;
	size_t n;
	uint8_t *p;

	mpp_json_writer_init(&w, encoding, NULL, 0);
	err = rewrite(in, &w);
	if (err != MPP_OK)
		return err;
	n = w.n;
	p = malloc(n);
	must(p != NULL, "memory");
	mpp_json_writer_init(&w, encoding, p, n);
	must(rewrite(in, &w) == MPP_OK, "what was counted can be written");
	must(w.n == n, "the count is what is written");
	*out = (mpp_bytes){p, n};
	return MPP_OK;
}

static inline bool same_octets(mpp_bytes a, mpp_bytes b)
{
	return a.len == b.len && (a.len == 0 || !memcmp(a.p, b.p, a.len));
}

/* Data that went through JSON text is a string of base64url. */
static inline bool same_text(struct resolved *a, struct resolved *b)
{
	if (a->it.kind == MPP_JSON_DATA && b->it.kind == MPP_JSON_STRING) {
		b->text.len = 0;
		if (mpp_json_data_copy(&b->it, &b->text) != MPP_OK)
			return false;
	} else if (a->it.kind != b->it.kind) {
		return false;
	}
	return same_octets(view(&a->text), view(&b->text));
}

static inline bool same_item(struct resolved *a, struct resolved *b)
{
	const mpp_json_item *x = &a->it;
	const mpp_json_item *y = &b->it;

	return x->depth == y->depth && x->has_name == y->has_name &&
	       x->negative == y->negative && x->boolean == y->boolean &&
	       x->integer == y->integer &&
	       same_octets(view(&a->name), view(&b->name)) && same_text(a, b);
}

/* Do two documents hold the same items? */
static inline bool same_document(mpp_bytes a, mpp_bytes b)
{
	struct resolved x;
	struct resolved y;
	mpp_json_reader rx;
	mpp_json_reader ry;
	bool same;

	resolved_init(&x, a.len + b.len);
	resolved_init(&y, a.len + b.len);
	mpp_json_reader_init(&rx, a);
	mpp_json_reader_init(&ry, b);
	do {
		same = resolved_next(&x, &rx) == MPP_OK &&
		       resolved_next(&y, &ry) == MPP_OK && same_item(&x, &y);
	} while (same && x.it.kind != MPP_JSON_END);
	resolved_free(&x);
	resolved_free(&y);
	return same;
}

/* Everything that must hold for any input: what can be read can be written,
 * and reads the same again. @return what the reader said */
static inline mpp_err check_document(mpp_bytes in)
{
	static const mpp_json_encoding encodings[] = {MPP_JSON_B, MPP_JSON_TEXT,
						      MPP_JSON_PRETTY};
	mpp_bytes once;
	mpp_bytes twice;
	mpp_err err;
	size_t i;

	for (i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++) {
		err = rewrite_new(in, encodings[i], &once);
		if (err != MPP_OK)
			return i > 0 && err == MPP_ERR_UNSUPPORTED ? MPP_OK
								   : err;
		must(same_document(in, once), "reads the same again");
		must(rewrite_new(once, encodings[i], &twice) == MPP_OK,
		     "can be rewritten again");
		must(same_octets(once, twice), "the writer is stable");
		free((void *)(uintptr_t)once.p);
		free((void *)(uintptr_t)twice.p);
	}
	return MPP_OK;
}

#endif
