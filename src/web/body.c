/* SPDX-License-Identifier: MIT */
/* body.c - see body.h. */
#include "web/body.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool body_fail(struct body *b, const char *format, ...)
{
	va_list args;

	if (b->failed)
		return false;
	b->failed = true;
	va_start(args, format);
	(void)vsnprintf(b->wrong, sizeof(b->wrong), format, args);
	va_end(args);
	return false;
}

/* The reader also takes the binary forms of JSON-B; this API does not. */
static bool next(struct body *b, mpp_json_item *item)
{
	mpp_err err;

	if (b->failed)
		return false;
	err = mpp_json_next(&b->reader, item);
	if (err == MPP_OK && !b->reader.binary_seen)
		return true;
	return body_fail(b, "the body is not JSON (RFC 8259): %s",
			 err != MPP_OK ? mpp_err_text(err)
				       : "it holds binary items");
}

void body_begin(struct body *b, mpp_bytes in)
{
	mpp_json_item item;

	b->failed = false;
	b->wrong[0] = '\0';
	mpp_json_reader_init(&b->reader, in);
	if (next(b, &item) && item.kind != MPP_JSON_OBJECT)
		(void)body_fail(b, "the body is not a JSON object");
}

static void list_names(const char *const *names, char *out, size_t cap)
{
	size_t i, n = 0;

	out[0] = '\0';
	for (i = 0; names[i] != NULL && n < cap; i++)
		n += (size_t)snprintf(out + n, cap - n, "%s\"%s\"",
				      i == 0 ? "" : ", ", names[i]);
}

/* Member names may be escaped, so they are compared resolved. */
static int find_name(const struct members *m, const mpp_json_text *name)
{
	uint8_t room[32];
	mpp_buf text = {room, sizeof(room), 0};
	int i;

	if (mpp_json_text_copy(name, &text) != MPP_OK)
		return -1;
	for (i = 0; m->names[i] != NULL; i++) {
		if (strlen(m->names[i]) == text.len &&
		    memcmp(m->names[i], room, text.len) == 0)
			return i;
	}
	return -1;
}

int body_member(struct body *b, struct members *m, mpp_json_item *item)
{
	char names[128];
	int i;

	if (!next(b, item) || item->kind == MPP_JSON_CLOSE)
		return -1;
	i = find_name(m, &item->name);
	if (i < 0) {
		list_names(m->names, names, sizeof(names));
		(void)body_fail(b, "unknown member; allowed are %s", names);
		return -1;
	}
	if ((m->seen >> i & 1) != 0) {
		(void)body_fail(b, "\"%s\" stands there twice", m->names[i]);
		return -1;
	}
	m->seen |= 1u << i;
	return i;
}

bool body_item(struct body *b, mpp_json_item *item)
{
	return next(b, item) && item->kind != MPP_JSON_CLOSE;
}

bool body_end(struct body *b)
{
	mpp_json_item item;
	mpp_bytes rest;
	size_t i;

	if (!next(b, &item))
		return false;
	if (item.kind != MPP_JSON_END)
		return body_fail(b, "the body does not end where it should");
	rest = mpp_json_rest(&b->reader);
	for (i = 0; i < rest.len; i++) {
		if (memchr(" \t\r\n", rest.p[i], 4) == NULL)
			return body_fail(b, "the body goes on behind its "
					    "object");
	}
	return true;
}

bool body_text(struct body *b, const mpp_json_item *item, const char *name,
	       size_t max, mpp_buf *out)
{
	const size_t before = out->len;

	if (item->kind == MPP_JSON_STRING &&
	    mpp_json_text_copy(&item->text, out) == MPP_OK &&
	    out->len - before <= max)
		return true;
	out->len = before;
	return body_fail(b, "\"%s\" must be a string of at most %zu octets",
			 name, max);
}

bool body_uint(struct body *b, const mpp_json_item *item, const char *name,
	       const uint64_t range[2], uint64_t *out)
{
	if (item->kind == MPP_JSON_INTEGER && !item->negative &&
	    item->integer >= range[0] && item->integer <= range[1]) {
		*out = item->integer;
		return true;
	}
	return body_fail(b, "\"%s\" must be an integer from %llu to %llu", name,
			 (unsigned long long)range[0],
			 (unsigned long long)range[1]);
}
