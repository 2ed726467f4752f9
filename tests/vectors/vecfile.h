/* SPDX-License-Identifier: MIT */
/* vecfile.h - reading files of test vectors with the project's own reader of
 * JSON. An object is read flat: its members by name; an array among them is
 * entered by going on from where the member stood. */
#ifndef VECTORS_VECFILE_H
#define VECTORS_VECFILE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mpp/jsonbcd.h>

enum { VEC_FIELDS = 24 };

struct vec_field {
	mpp_json_item item;
	mpp_json_reader inside; /* behind the item's first token */
};

struct vec {
	struct vec_field field[VEC_FIELDS];
	size_t n;
};

/* The whole file, with a NUL behind it; given, end with free((void *)p). */
static inline mpp_bytes vec_load(const char *name)
{
	char path[1024];
	uint8_t *p;
	FILE *f;
	long len;

	snprintf(path, sizeof(path), "%s/vectors/%s", MPP_TESTS_DIR, name);
	f = fopen(path, "rb");
	if (f == NULL)
		fail_msg("cannot open %s", path);
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	len = ftell(f);
	assert_true(len > 0);
	rewind(f);
	p = malloc((size_t)len + 1);
	assert_non_null(p);
	assert_int_equal(fread(p, 1, (size_t)len, f), len);
	p[len] = '\0';
	fclose(f);
	return (mpp_bytes){p, (size_t)len};
}

static inline void vec_unload(mpp_bytes file)
{
	free((void *)file.p);
}

/* How often a text stands in the file: a count that no reader is part of. */
static inline size_t vec_count(mpp_bytes file, const char *text)
{
	const char *at = (const char *)file.p;
	size_t n = 0;

	while ((at = strstr(at, text)) != NULL) {
		at += strlen(text);
		n++;
	}
	return n;
}

static inline mpp_json_reader vec_reader(mpp_bytes file)
{
	mpp_json_reader r;

	mpp_json_reader_init(&r, file);
	return r;
}

static inline mpp_json_item vec_next(mpp_json_reader *r)
{
	mpp_json_item item;

	assert_int_equal(mpp_json_next(r, &item), MPP_OK);
	return item;
}

/* Go on to the next array of this name, and into it; false at the end. */
static inline bool vec_enter(mpp_json_reader *r, const char *name)
{
	mpp_json_item item;

	do {
		item = vec_next(r);
		if (item.kind == MPP_JSON_END)
			return false;
	} while (item.kind != MPP_JSON_ARRAY || !item.has_name ||
		 !mpp_json_text_is(&item.name, name));
	return true;
}

/* The next object of the array that the reader is in; false at its end. */
static inline bool vec_object(mpp_json_reader *r, struct vec *v)
{
	mpp_json_item item = vec_next(r);
	unsigned depth = item.depth;

	if (item.kind == MPP_JSON_CLOSE)
		return false;
	assert_int_equal(item.kind, MPP_JSON_OBJECT);
	v->n = 0;
	for (;;) {
		item = vec_next(r);
		if (item.kind == MPP_JSON_CLOSE && item.depth == depth)
			return true;
		assert_true(v->n < VEC_FIELDS);
		v->field[v->n].item = item;
		v->field[v->n++].inside = *r;
		assert_int_equal(mpp_json_skip(r, &item), MPP_OK);
	}
}

static inline const struct vec_field *vec_find(const struct vec *v,
					       const char *name)
{
	size_t i;

	for (i = 0; i < v->n; i++)
		if (mpp_json_text_is(&v->field[i].item.name, name))
			return &v->field[i];
	return NULL;
}

static inline const struct vec_field *vec_get(const struct vec *v,
					      const char *name)
{
	const struct vec_field *field = vec_find(v, name);

	if (field == NULL)
		fail_msg("the vector has no %s", name);
	return field;
}

static inline bool vec_is(const struct vec *v, const char *name,
			  const char *text)
{
	return mpp_json_text_is(&vec_get(v, name)->item.text, text);
}

static inline uint64_t vec_uint(const struct vec *v, const char *name)
{
	const mpp_json_item *item = &vec_get(v, name)->item;

	assert_int_equal(item->kind, MPP_JSON_INTEGER);
	assert_false(item->negative);
	return item->integer;
}

static inline unsigned vec_digit(uint8_t c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c == 0 ? NULL : strchr(digits, c);

	if (at == NULL)
		fail_msg("0x%02x is no hexadecimal digit", c);
	return (unsigned)(at - digits);
}

/* The octets of a member of hexadecimal digits; null counts as none. */
static inline mpp_bytes vec_hex(const struct vec *v, const char *name,
				uint8_t *p, size_t cap)
{
	const mpp_json_item *item = &vec_get(v, name)->item;
	mpp_bytes raw = item->text.raw;
	size_t i;

	if (item->kind == MPP_JSON_NULL)
		return (mpp_bytes){p, 0};
	assert_int_equal(item->kind, MPP_JSON_STRING);
	assert_int_equal(raw.len % 2, 0);
	assert_true(raw.len / 2 <= cap);
	for (i = 0; i < raw.len / 2; i++)
		p[i] = (uint8_t)(vec_digit(raw.p[2 * i]) << 4 |
				 vec_digit(raw.p[2 * i + 1]));
	return (mpp_bytes){p, raw.len / 2};
}

#endif
