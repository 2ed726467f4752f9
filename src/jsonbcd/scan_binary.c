/* SPDX-License-Identifier: MIT */
/* scan_binary.c - binary items of JSON-B. Contract: scan.h. The table of
 * tags.def says what an octet begins. */
#include "jsonbcd/scan.h"

#include "jsonbcd/tags.h"
#include "jsonbcd/utf8.h"

/* A length of `octets` octets, then that many. */
static mpp_bytes scan_counted(struct rd *c, uint8_t octets)
{
	uint64_t n = rd_be(c, octets);

	if (n > c->left)
		rd_fail(c, MPP_ERR_TRUNCATED);
	return rd_slice(c, (size_t)n);
}

bool scan_part(struct rd *c, mpp_bytes *content)
{
	const struct json_tag tag = json_tag_of(rd_u8(c));

	*content = scan_counted(c, tag.octets);
	return tag.class != JSON_CLASS_STRING_CHUNK &&
	       tag.class != JSON_CLASS_DATA_CHUNK;
}

static void check_utf8(struct rd *c, struct utf8 *u, mpp_bytes part)
{
	size_t i;

	for (i = 0; i < part.len; i++) {
		if (!utf8_feed(u, part.p[i])) {
			rd_fail(c, MPP_ERR_UTF8);
			return;
		}
	}
}

/* The kind that the next head belongs to; nothing is taken. */
static uint8_t peek_class(const struct rd *c)
{
	const int octet = scan_peek(c);

	return json_tag_of(octet < 0 ? 0 : (uint8_t)octet).class;
}

/* Chunks of one class and a term of another; UTF-8 is checked over all. */
static void scan_run(struct rd *c, uint8_t chunk, uint8_t term,
		     mpp_json_text *out)
{
	const struct rd start = *c;
	struct utf8 u = {0, 0, 0};
	mpp_bytes part;
	bool last;

	do {
		if (peek_class(c) != chunk && peek_class(c) != term)
			scan_fail(c);
		last = scan_part(c, &part);
		if (term != JSON_CLASS_DATA)
			check_utf8(c, &u, part);
		out->chunked = out->chunked || !last;
	} while (c->err == MPP_OK && !last);
	if (u.more > 0)
		rd_fail(c, MPP_ERR_UTF8);
	if (out->chunked)
		part = (mpp_bytes){start.p, start.left - c->left};
	out->raw = part;
}

void scan_binary_name(struct rd *c, mpp_json_text *out)
{
	switch (peek_class(c)) {
	case JSON_CLASS_NAME:
		scan_run(c, JSON_CLASS_NAME, JSON_CLASS_NAME, out);
		return;
	case JSON_CLASS_CODE:
		rd_fail(c, MPP_ERR_UNSUPPORTED);
		return;
	default:
		scan_run(c, JSON_CLASS_STRING_CHUNK, JSON_CLASS_STRING, out);
	}
}

static void scan_integer(struct rd *c, struct json_tag tag, mpp_json_item *it)
{
	it->kind = MPP_JSON_INTEGER;
	it->integer = rd_be(c, tag.octets);
	it->negative = tag.class == JSON_CLASS_NEGATIVE && it->integer != 0;
}

/* Items whose tag is taken already: they are of fixed size. */
static void scan_fixed(struct rd *c, struct json_tag tag, mpp_json_item *it)
{
	switch (tag.class) {
	case JSON_CLASS_POSITIVE:
	case JSON_CLASS_NEGATIVE:
		scan_integer(c, tag, it);
		return;
	case JSON_CLASS_BINARY64:
		it->kind = MPP_JSON_NUMBER;
		it->text.raw = rd_slice(c, tag.octets);
		return;
	case JSON_CLASS_TRUE:
	case JSON_CLASS_FALSE:
		it->kind = MPP_JSON_BOOLEAN;
		it->boolean = tag.class == JSON_CLASS_TRUE;
		return;
	case JSON_CLASS_NULL:
		it->kind = MPP_JSON_NULL;
		return;
	case JSON_CLASS_WIDE:
	case JSON_CLASS_CODE:
		rd_fail(c, MPP_ERR_UNSUPPORTED);
		return;
	default:
		rd_fail(c, MPP_ERR_SYNTAX);
	}
}

void scan_binary_value(struct rd *c, mpp_json_item *it)
{
	switch (peek_class(c)) {
	case JSON_CLASS_STRING:
	case JSON_CLASS_STRING_CHUNK:
		it->kind = MPP_JSON_STRING;
		scan_run(c, JSON_CLASS_STRING_CHUNK, JSON_CLASS_STRING,
			 &it->text);
		return;
	case JSON_CLASS_DATA:
	case JSON_CLASS_DATA_CHUNK:
		it->kind = MPP_JSON_DATA;
		scan_run(c, JSON_CLASS_DATA_CHUNK, JSON_CLASS_DATA, &it->text);
		return;
	default:
		scan_fixed(c, json_tag_of(rd_u8(c)), it);
	}
}
