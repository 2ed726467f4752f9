/* SPDX-License-Identifier: MIT */
/* text.c - what a text or data item holds, piece by piece: a run of plain
 * octets, one resolved escape, or one chunk. Contract: mpp/jsonbcd.h. */
#include <string.h>

#include <mpp/jsonbcd.h>

#include "jsonbcd/base64.h"
#include "jsonbcd/scan.h"
#include "jsonbcd/utf8.h"

struct pieces {
	struct rd in;
	bool escaped;
	bool chunked;
	uint8_t point[4]; /* where a resolved escape stands */
};

static struct pieces pieces_of(const mpp_json_text *text)
{
	return (struct pieces){
		.in = rd_init(text->raw),
		.escaped = text->escaped,
		.chunked = text->chunked,
	};
}

static mpp_bytes resolve_escape(struct pieces *s)
{
	(void)rd_u8(&s->in);
	return (mpp_bytes){s->point, utf8_put(s->point, scan_escape(&s->in))};
}

static mpp_bytes plain_run(struct pieces *s)
{
	size_t n = 0;

	while (n < s->in.left && (!s->escaped || s->in.p[n] != '\\'))
		n++;
	return rd_slice(&s->in, n);
}

/* The next piece; false at the end. */
static bool next_piece(struct pieces *s, mpp_bytes *out)
{
	if (s->in.left == 0)
		return false;
	if (s->chunked)
		(void)scan_part(&s->in, out);
	else if (s->escaped && scan_peek(&s->in) == '\\')
		*out = resolve_escape(s);
	else
		*out = plain_run(s);
	return s->in.err == MPP_OK;
}

static bool eat_prefix(const char **s, mpp_bytes piece)
{
	size_t i;

	for (i = 0; i < piece.len; i++) {
		if (**s == '\0' || (uint8_t) * *s != piece.p[i])
			return false;
		++*s;
	}
	return true;
}

bool mpp_json_text_is(const mpp_json_text *text, const char *s)
{
	struct pieces pieces = pieces_of(text);
	mpp_bytes piece;

	while (next_piece(&pieces, &piece)) {
		if (!eat_prefix(&s, piece))
			return false;
	}
	return *s == '\0';
}

static size_t text_length(const mpp_json_text *text)
{
	struct pieces pieces = pieces_of(text);
	mpp_bytes piece;
	size_t n = 0;

	while (next_piece(&pieces, &piece))
		n += piece.len;
	return n;
}

mpp_err mpp_json_text_copy(const mpp_json_text *text, mpp_buf *out)
{
	struct pieces pieces = pieces_of(text);
	mpp_bytes piece;

	if (out->cap - out->len < text_length(text))
		return MPP_ERR_NOSPACE;
	while (next_piece(&pieces, &piece)) {
		if (piece.len != 0)
			memcpy(out->p + out->len, piece.p, piece.len);
		out->len += piece.len;
	}
	return MPP_OK;
}

static bool feed_piece(struct base64 *d, mpp_bytes piece)
{
	size_t i;

	for (i = 0; i < piece.len; i++) {
		if (!base64_feed(d, piece.p[i]))
			return false;
	}
	return true;
}

/* Decode to out, or count when it is NULL; false when not base64url. */
static bool decode_base64(const mpp_json_text *text, uint8_t *out, size_t *n)
{
	struct pieces pieces = pieces_of(text);
	struct base64 d = {.out = out};
	mpp_bytes piece;

	while (next_piece(&pieces, &piece)) {
		if (!feed_piece(&d, piece))
			return false;
	}
	*n = d.n;
	return base64_done(&d);
}

static mpp_err copy_base64(const mpp_json_text *text, mpp_buf *out)
{
	size_t n;

	if (!decode_base64(text, NULL, &n))
		return MPP_ERR_SYNTAX;
	if (out->cap - out->len < n)
		return MPP_ERR_NOSPACE;
	if (n != 0)
		(void)decode_base64(text, out->p + out->len, &n);
	out->len += n;
	return MPP_OK;
}

mpp_err mpp_json_data_copy(const mpp_json_item *item, mpp_buf *out)
{
	if (item->kind == MPP_JSON_DATA)
		return mpp_json_text_copy(&item->text, out);
	if (item->kind == MPP_JSON_STRING && item->text.quoted)
		return copy_base64(&item->text, out);
	return MPP_ERR_TYPE;
}
