/* SPDX-License-Identifier: MIT */
/* trace.h - the items of a document as one line, to be compared with what a
 * person wrote down:
 *
 *   depth  then 'name'  then the kind:
 *   {  [  ^ (a closer)  s'text'  x<hex> (data)  i<integer>  n'1.5' (number of
 *   text)  f<hex> (binary64)  T  F  N  . (end)  !NAME (error)
 *
 * such as  0{ 1'a'i5 0^ 0.  */
#ifndef UNIT_JSONBCD_TRACE_H
#define UNIT_JSONBCD_TRACE_H

#include <stdarg.h>
#include <stdio.h>

#include <mpp/jsonbcd.h>

struct trace {
	char text[4096];
	size_t n;
};

__attribute__((format(printf, 2, 3))) static inline void
trace_add(struct trace *t, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(t->text + t->n, sizeof(t->text) - t->n, format, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < sizeof(t->text) - t->n)
		t->n += (size_t)n;
}

static inline void trace_hex(struct trace *t, const mpp_json_text *text)
{
	uint8_t octets[1024];
	mpp_buf buf = {octets, sizeof(octets), 0};
	size_t i;

	if (mpp_json_text_copy(text, &buf) != MPP_OK)
		trace_add(t, "?");
	for (i = 0; i < buf.len; i++)
		trace_add(t, "%02x", octets[i]);
}

static inline void trace_text(struct trace *t, const mpp_json_text *text)
{
	uint8_t octets[1024];
	mpp_buf buf = {octets, sizeof(octets), 0};

	if (mpp_json_text_copy(text, &buf) != MPP_OK)
		trace_add(t, "?");
	trace_add(t, "'%.*s'", (int)buf.len, (const char *)octets);
}

static inline void trace_number(struct trace *t, const mpp_json_text *text)
{
	trace_add(t, text->quoted ? "n" : "f");
	if (text->quoted)
		trace_text(t, text);
	else
		trace_hex(t, text);
}

static inline void trace_kind(struct trace *t, const mpp_json_item *it)
{
	switch (it->kind) {
	case MPP_JSON_END:
		trace_add(t, ".");
		return;
	case MPP_JSON_OBJECT:
		trace_add(t, "{");
		return;
	case MPP_JSON_ARRAY:
		trace_add(t, "[");
		return;
	case MPP_JSON_CLOSE:
		trace_add(t, "^");
		return;
	case MPP_JSON_STRING:
		trace_add(t, "s");
		trace_text(t, &it->text);
		return;
	case MPP_JSON_DATA:
		trace_add(t, "x");
		trace_hex(t, &it->text);
		return;
	case MPP_JSON_INTEGER:
		trace_add(t, "i%s%llu", it->negative ? "-" : "",
			  (unsigned long long)it->integer);
		return;
	case MPP_JSON_NUMBER:
		trace_number(t, &it->text);
		return;
	case MPP_JSON_BOOLEAN:
		trace_add(t, it->boolean ? "T" : "F");
		return;
	case MPP_JSON_NULL:
		trace_add(t, "N");
		return;
	}
	trace_add(t, "kind %d?", (int)it->kind);
}

static inline void trace_item(struct trace *t, const mpp_json_item *it)
{
	trace_add(t, "%s%u", t->n > 0 ? " " : "", it->depth);
	if (it->has_name)
		trace_text(t, &it->name);
	trace_kind(t, it);
}

/* The whole document. */
static inline void trace_document(struct trace *t, mpp_bytes in)
{
	mpp_json_reader r;
	mpp_json_item it;
	mpp_err err;

	t->n = 0;
	mpp_json_reader_init(&r, in);
	do {
		err = mpp_json_next(&r, &it);
		if (err == MPP_OK)
			trace_item(t, &it);
		else
			trace_add(t, " !%s", mpp_err_name(err));
	} while (err == MPP_OK && it.kind != MPP_JSON_END);
}

#endif
