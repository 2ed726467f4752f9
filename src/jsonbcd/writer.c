/* SPDX-License-Identifier: MIT */
/* writer.c - writing documents. Contract: mpp/jsonbcd.h.
 *
 * Every value is: separator, name, value. What differs between the encodings
 * is in the functions that begin with put_. */
#include <mpp/jsonbcd.h>

#include "base/wr.h"
#include "jsonbcd/base64.h"
#include "jsonbcd/tags.h"

/* What the last value in JSON-B was. */
enum prev {
	PREV_TEXT = 1,
	PREV_BINARY,
	PREV_CLOSE,
};

static void fail(mpp_json_writer *w, mpp_err err)
{
	if (w->err == MPP_OK)
		w->err = err;
}

static void put(mpp_json_writer *w, const void *p, size_t n)
{
	struct wr o = {w->p, w->cap, w->n, w->err};

	wr_raw(&o, p, n);
	w->n = o.n;
	w->err = o.err;
}

static void put_octet(mpp_json_writer *w, unsigned octet)
{
	const uint8_t c = (uint8_t)octet;

	put(w, &c, 1);
}

/* The low n octets in network order. */
static void put_be(mpp_json_writer *w, uint64_t v, size_t n)
{
	struct wr o = {w->p, w->cap, w->n, w->err};

	wr_be(&o, v, n);
	w->n = o.n;
	w->err = o.err;
}

static mpp_bytes bytes_of(const char *s)
{
	const char *end = s;

	while (*end != '\0')
		end++;
	return (mpp_bytes){(const uint8_t *)s, (size_t)(end - s)};
}

/* The shortest of four tags that stand side by side: 1, 2, 4, 8 octets. */
static void put_head(mpp_json_writer *w, unsigned tag, uint64_t v)
{
	unsigned size = 0;

	while (size < 3 && v >> (8u << size) != 0)
		size++;
	put_octet(w, tag + size);
	put_be(w, v, (size_t)1 << size);
}

static void put_counted(mpp_json_writer *w, unsigned tag, mpp_bytes bytes)
{
	put_head(w, tag, bytes.len);
	put(w, bytes.p, bytes.len);
}

/* The letter of a short escape, 'u' for a long one, 0 for none. */
static char escape_of(uint8_t c)
{
	switch (c) {
	case '"':
	case '\\':
		return (char)c;
	case '\b':
		return 'b';
	case '\f':
		return 'f';
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	default:
		return c < 0x20 ? 'u' : '\0';
	}
}

static void put_escape(mpp_json_writer *w, char letter, uint8_t c)
{
	put_octet(w, '\\');
	put_octet(w, (uint8_t)letter);
	if (letter != 'u')
		return;
	put(w, c < 0x10 ? "000" : "001", 3);
	put_octet(w, (uint8_t) "0123456789abcdef"[c & 0xf]);
}

static void put_quoted(mpp_json_writer *w, mpp_bytes text)
{
	size_t from = 0;
	size_t i;
	char letter;

	put_octet(w, '"');
	for (i = 0; i < text.len; i++) {
		letter = escape_of(text.p[i]);
		if (letter == '\0')
			continue;
		put(w, text.p + from, i - from);
		put_escape(w, letter, text.p[i]);
		from = i + 1;
	}
	if (from < text.len)
		put(w, text.p + from, text.len - from);
	put_octet(w, '"');
}

static void put_base64(mpp_json_writer *w, mpp_bytes data)
{
	char group[4];
	size_t n;

	put_octet(w, '"');
	for (; data.len > 0; data.p += n, data.len -= n) {
		n = data.len < 3 ? data.len : 3;
		put(w, group, base64_group(group, data.p, n));
	}
	put_octet(w, '"');
}

/* The digits of a magnitude. */
static void put_decimal(mpp_json_writer *w, uint64_t v)
{
	uint8_t digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (uint8_t)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	put(w, digits + at, sizeof(digits) - at);
}

static void put_line(mpp_json_writer *w)
{
	unsigned i;

	put_octet(w, '\n');
	for (i = 0; i < w->depth; i++)
		put(w, "  ", 2);
}

static bool in_array(const mpp_json_writer *w)
{
	return (w->arrays >> w->depth & 1u) != 0;
}

/* Does JSON-B need a comma here? Only between two values of which neither is
 * binary: text, and objects or arrays before anything binary was written. */
static bool needs_comma(const mpp_json_writer *w, bool binary)
{
	if (w->encoding != MPP_JSON_B)
		return true;
	if (binary || w->prev == PREV_BINARY)
		return false;
	return w->prev == PREV_TEXT || !w->binary_seen;
}

/* What stands between two items. @param binary what comes next is */
static void put_separator(mpp_json_writer *w, bool binary)
{
	if (!w->fresh && needs_comma(w, binary))
		put_octet(w, ',');
	if (w->encoding == MPP_JSON_PRETTY && w->depth > 0)
		put_line(w);
}

void mpp_json_name(mpp_json_writer *w, mpp_bytes name)
{
	if (w->depth == 0 || in_array(w) || w->named) {
		fail(w, MPP_ERR_STATE);
		return;
	}
	put_separator(w, true);
	w->named = true;
	if (w->encoding == MPP_JSON_B) {
		put_counted(w, JSON_OCTET_STRING_8, name);
		w->binary_seen = true;
		return;
	}
	put_quoted(w, name);
	put(w, ": ", w->encoding == MPP_JSON_PRETTY ? 2 : 1);
}

/* Before a value without a name: is one allowed here? */
static void begin_unnamed(mpp_json_writer *w, bool binary)
{
	const bool outermost = w->depth == 0 && w->fresh;

	if (!w->named && !in_array(w) && !outermost)
		fail(w, MPP_ERR_STATE);
	if (!w->named)
		put_separator(w, binary);
}

/* Before every value. */
static void begin(mpp_json_writer *w, const char *name, bool binary)
{
	if (name != NULL)
		mpp_json_name(w, bytes_of(name));
	else
		begin_unnamed(w, binary);
}

/* After every value. */
static void end(mpp_json_writer *w, enum prev prev)
{
	w->named = false;
	w->fresh = false;
	w->prev = (uint8_t)prev;
	if (prev == PREV_BINARY)
		w->binary_seen = true;
}

/* Before and after values that JSON-B writes in binary. */
static void begin_atom(mpp_json_writer *w, const char *name)
{
	begin(w, name, w->encoding == MPP_JSON_B);
}

static void end_atom(mpp_json_writer *w)
{
	end(w, w->encoding == MPP_JSON_B ? PREV_BINARY : PREV_TEXT);
}

void mpp_json_writer_init(mpp_json_writer *w, mpp_json_encoding encoding,
			  uint8_t *p, size_t cap)
{
	*w = (mpp_json_writer){
		.p = p,
		.cap = p == NULL ? SIZE_MAX : cap,
		.encoding = (uint8_t)encoding,
		.fresh = true,
		.prev = PREV_TEXT,
	};
}

static void open(mpp_json_writer *w, const char *name, bool array)
{
	begin(w, name, false);
	if (w->depth == MPP_JSON_DEPTH_MAX)
		fail(w, MPP_ERR_DEPTH);
	if (w->err != MPP_OK)
		return;
	put_octet(w, array ? '[' : '{');
	w->depth++;
	w->arrays &= ~(UINT32_C(1) << w->depth);
	w->arrays |= (uint32_t)array << w->depth;
	w->named = false;
	w->fresh = true;
}

void mpp_json_object(mpp_json_writer *w, const char *name)
{
	open(w, name, false);
}

void mpp_json_array(mpp_json_writer *w, const char *name)
{
	open(w, name, true);
}

void mpp_json_close(mpp_json_writer *w)
{
	const bool array = in_array(w);

	if (w->depth == 0 || w->named)
		fail(w, MPP_ERR_STATE);
	if (w->err != MPP_OK)
		return;
	w->depth--;
	if (w->encoding == MPP_JSON_PRETTY && !w->fresh)
		put_line(w);
	put_octet(w, array ? ']' : '}');
	end(w, PREV_CLOSE);
}

void mpp_json_string(mpp_json_writer *w, const char *name, mpp_bytes text)
{
	begin_atom(w, name);
	if (w->encoding == MPP_JSON_B)
		put_counted(w, JSON_OCTET_STRING_8, text);
	else
		put_quoted(w, text);
	end_atom(w);
}

void mpp_json_cstring(mpp_json_writer *w, const char *name, const char *text)
{
	mpp_json_string(w, name, bytes_of(text));
}

void mpp_json_data(mpp_json_writer *w, const char *name, mpp_bytes data)
{
	begin_atom(w, name);
	if (w->encoding == MPP_JSON_B)
		put_counted(w, JSON_OCTET_DATA_8, data);
	else
		put_base64(w, data);
	end_atom(w);
}

static void write_integer(mpp_json_writer *w, const char *name, bool negative,
			  uint64_t magnitude)
{
	begin_atom(w, name);
	if (w->encoding == MPP_JSON_B) {
		put_head(w,
			 negative ? JSON_OCTET_NEGATIVE_8
				  : JSON_OCTET_POSITIVE_8,
			 magnitude);
	} else {
		put(w, "-", negative ? 1 : 0);
		put_decimal(w, magnitude);
	}
	end_atom(w);
}

void mpp_json_uint(mpp_json_writer *w, const char *name, uint64_t value)
{
	write_integer(w, name, false, value);
}

void mpp_json_int(mpp_json_writer *w, const char *name, int64_t value)
{
	const uint64_t v = (uint64_t)value;

	write_integer(w, name, value < 0, value < 0 ? 0 - v : v);
}

/* true, false, null. */
static void write_word(mpp_json_writer *w, const char *name, unsigned tag,
		       const char *word)
{
	const mpp_bytes letters = bytes_of(word);

	begin_atom(w, name);
	if (w->encoding == MPP_JSON_B)
		put_octet(w, tag);
	else
		put(w, letters.p, letters.len);
	end_atom(w);
}

void mpp_json_bool(mpp_json_writer *w, const char *name, bool value)
{
	if (value)
		write_word(w, name, JSON_OCTET_TRUE, "true");
	else
		write_word(w, name, JSON_OCTET_FALSE, "false");
}

void mpp_json_null(mpp_json_writer *w, const char *name)
{
	write_word(w, name, JSON_OCTET_NULL, "null");
}

void mpp_json_literal(mpp_json_writer *w, const char *name, mpp_bytes text)
{
	begin(w, name, false);
	put(w, text.p, text.len);
	end(w, PREV_TEXT);
}

mpp_err mpp_json_finish(const mpp_json_writer *w)
{
	if (w->err != MPP_OK)
		return w->err;
	return w->depth > 0 || w->fresh ? MPP_ERR_STATE : MPP_OK;
}
