/* SPDX-License-Identifier: MIT */
/* json_file.h - files of vectors, read with the reader under test; the number
 * of vectors comes from a scan of lines, or of marks, that knows nothing of
 * that reader, so that an error in it cannot hide any. */
#ifndef VECTORS_JSON_FILE_H
#define VECTORS_JSON_FILE_H

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mpp/jsonbcd.h>

static inline void json_must(bool ok, const char *what)
{
	if (!ok)
		fail_msg("vector file: %s", what);
}

/* The whole file and a NUL behind it; free p. */
static inline mpp_buf json_file_load(const char *name)
{
	char path[512];
	mpp_buf buf = {NULL, 0, 0};
	FILE *f;
	long size;

	snprintf(path, sizeof(path), "%s/vectors/%s", MPP_TESTS_DIR, name);
	f = fopen(path, "rb");
	json_must(f != NULL && fseek(f, 0, SEEK_END) == 0, path);
	size = ftell(f);
	json_must(size > 0, path);
	rewind(f);
	buf.cap = (size_t)size + 1;
	buf.p = malloc(buf.cap);
	json_must(buf.p != NULL, path);
	buf.len = fread(buf.p, 1, buf.cap, f);
	json_must(buf.len == (size_t)size && ferror(f) == 0, path);
	fclose(f);
	buf.p[buf.len] = '\0';
	return buf;
}

/* How often a mark stands in the file. */
static inline size_t json_file_marks(const mpp_buf *file, const char *mark)
{
	const char *at = (const char *)file->p;
	size_t n = 0;

	while ((at = strstr(at, mark)) != NULL) {
		at += strlen(mark);
		n++;
	}
	return n;
}

/* How many objects the outermost list `list` has: the files are indented by
 * one space a level, so each begins with a line of "  {" alone. */
static inline size_t json_file_count(const mpp_buf *file, const char *list)
{
	char head[64];
	const char *line;
	size_t n = 0;

	snprintf(head, sizeof(head), "\n \"%s\": [\n", list);
	line = strstr((const char *)file->p, head);
	json_must(line != NULL, "no such list");
	for (line++; strncmp(line, " ]", 2) != 0; line++) {
		n += strncmp(line, "  {\n", 4) == 0;
		line = strchr(line, '\n');
		json_must(line != NULL, "the list has no end");
	}
	return n;
}

/* Where the value of a member of JSON text begins: behind the quote of its
 * name, white space and the colon. */
static inline const uint8_t *json_value_start(const mpp_json_item *it)
{
	const uint8_t *p = it->name.raw.p + it->name.raw.len + 1;

	while (isspace(*p) || *p == ':')
		p++;
	return p;
}

/* The slice of a member's value; false when there is none of that name. */
static inline bool json_find(mpp_bytes object, const char *name, mpp_bytes *out)
{
	mpp_json_reader r;
	mpp_json_item it;

	mpp_json_reader_init(&r, object);
	json_must(mpp_json_next(&r, &it) == MPP_OK &&
			  it.kind == MPP_JSON_OBJECT,
		  "not an object");
	for (;;) {
		json_must(mpp_json_next(&r, &it) == MPP_OK, "broken object");
		if (it.kind == MPP_JSON_CLOSE)
			return false;
		json_must(mpp_json_skip(&r, &it) == MPP_OK, "broken member");
		if (mpp_json_text_is(&it.name, name))
			break;
	}
	out->p = json_value_start(&it);
	out->len = (size_t)(r.p - out->p);
	return true;
}

static inline mpp_bytes json_get(mpp_bytes object, const char *name)
{
	mpp_bytes out = {NULL, 0};

	json_must(json_find(object, name, &out), name);
	return out;
}

/* The elements of a list of objects, one after the other. */
struct json_list {
	mpp_json_reader r;
};

static inline struct json_list json_list_in(mpp_bytes object, const char *list)
{
	struct json_list l;
	mpp_json_item it;

	mpp_json_reader_init(&l.r, json_get(object, list));
	json_must(mpp_json_next(&l.r, &it) == MPP_OK &&
			  it.kind == MPP_JSON_ARRAY,
		  "not a list");
	return l;
}

static inline struct json_list json_list_of(const mpp_buf *file,
					    const char *list)
{
	return json_list_in((mpp_bytes){file->p, file->len}, list);
}

static inline bool json_each(struct json_list *l, mpp_bytes *out)
{
	mpp_json_item it;

	json_must(mpp_json_next(&l->r, &it) == MPP_OK, "broken list");
	if (it.kind == MPP_JSON_CLOSE)
		return false;
	json_must(it.kind == MPP_JSON_OBJECT, "not a list of objects");
	out->p = l->r.p - 1;
	json_must(mpp_json_skip(&l->r, &it) == MPP_OK, "broken element");
	out->len = (size_t)(l->r.p - out->p);
	return true;
}

/* A string member with its escapes resolved and a NUL behind; into out. */
static inline mpp_bytes json_text(mpp_bytes object, const char *name,
				  mpp_buf *out)
{
	mpp_json_reader r;
	mpp_json_item it;

	mpp_json_reader_init(&r, json_get(object, name));
	json_must(mpp_json_next(&r, &it) == MPP_OK &&
			  it.kind == MPP_JSON_STRING,
		  name);
	out->len = 0;
	json_must(mpp_json_text_copy(&it.text, out) == MPP_OK &&
			  out->len < out->cap,
		  name);
	out->p[out->len] = '\0';
	return (mpp_bytes){out->p, out->len};
}

static inline bool json_text_is(mpp_bytes object, const char *name,
				const char *want)
{
	mpp_json_reader r;
	mpp_json_item it;

	mpp_json_reader_init(&r, json_get(object, name));
	return mpp_json_next(&r, &it) == MPP_OK && it.kind == MPP_JSON_STRING &&
	       mpp_json_text_is(&it.text, want);
}

static inline uint64_t json_integer(mpp_bytes object, const char *name)
{
	mpp_json_reader r;
	mpp_json_item it;

	mpp_json_reader_init(&r, json_get(object, name));
	json_must(mpp_json_next(&r, &it) == MPP_OK &&
			  it.kind == MPP_JSON_INTEGER && !it.negative,
		  name);
	return it.integer;
}

static inline uint8_t json_hex_digit(uint8_t c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	json_must(at != NULL, "not hexadecimal");
	return (uint8_t)(at - digits);
}

/* Decode hexadecimal text in place. */
static inline mpp_bytes json_unhex(mpp_buf *text)
{
	size_t i;

	json_must(text->len % 2 == 0, "odd hexadecimal");
	for (i = 0; i < text->len / 2; i++)
		text->p[i] = (uint8_t)(json_hex_digit(text->p[2 * i]) << 4 |
				       json_hex_digit(text->p[2 * i + 1]));
	text->len /= 2;
	return (mpp_bytes){text->p, text->len};
}

static inline mpp_bytes json_hex(mpp_bytes object, const char *name,
				 mpp_buf *out)
{
	(void)json_text(object, name, out);
	return json_unhex(out);
}

/* Octets from hexadecimal digits as they stand in the file. */
static inline mpp_bytes json_item_octets(const mpp_json_item *it, uint8_t *p,
					 size_t cap)
{
	const mpp_bytes raw = it->text.raw;
	size_t i;

	json_must(it->kind == MPP_JSON_STRING && raw.len % 2 == 0 &&
			  raw.len / 2 <= cap,
		  "not the octets that were expected");
	for (i = 0; i < raw.len / 2; i++)
		p[i] = (uint8_t)(json_hex_digit(raw.p[2 * i]) << 4 |
				 json_hex_digit(raw.p[2 * i + 1]));
	return (mpp_bytes){p, raw.len / 2};
}

/* json_hex() into room for the octets alone; null counts as none. */
static inline mpp_bytes json_octets(mpp_bytes object, const char *name,
				    uint8_t *p, size_t cap)
{
	mpp_json_reader r;
	mpp_json_item it;

	mpp_json_reader_init(&r, json_get(object, name));
	json_must(mpp_json_next(&r, &it) == MPP_OK, name);
	if (it.kind == MPP_JSON_NULL)
		return (mpp_bytes){p, 0};
	return json_item_octets(&it, p, cap);
}

/* The same of the only element of a list. */
static inline mpp_bytes json_only_octets(mpp_bytes object, const char *list,
					 uint8_t *p, size_t cap)
{
	struct json_list l = json_list_in(object, list);
	mpp_json_item it;
	mpp_bytes out;

	json_must(mpp_json_next(&l.r, &it) == MPP_OK, list);
	out = json_item_octets(&it, p, cap);
	json_must(mpp_json_next(&l.r, &it) == MPP_OK &&
			  it.kind == MPP_JSON_CLOSE,
		  list);
	return out;
}

#endif
