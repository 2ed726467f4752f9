/* SPDX-License-Identifier: MIT */
/* decode.c - mpp decode: JSON-BCD from stdin as JSON.
 *
 * Read whole, written in two passes: the first counts. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <mpp/jsonbcd.h>

#include "mpp/commands.h"
#include "mpp/complain.h"

enum {
	INPUT_MAX = 16 * 1024 * 1024,
	NUMBER_MAX = 32,
	TAG_BINARY64 = 0x92,
};

struct document {
	uint8_t *text; /* INPUT_MAX + 1 octets */
	size_t len;
	uint8_t *scratch; /* as many: for texts without their escapes */
};

struct pass {
	const struct document *d;
	mpp_json_reader r;
	mpp_json_writer w;
	const char *why; /* when it is no fault of the syntax */
};

static size_t offset(const struct pass *p)
{
	return p->d->len - mpp_json_rest(&p->r).len;
}

static mpp_bytes resolved(struct pass *p, const mpp_json_text *text,
			  mpp_err *err)
{
	mpp_buf out = {p->d->scratch, p->d->len, 0};

	*err = mpp_json_text_copy(text, &out);
	return (mpp_bytes){out.p, out.len};
}

/* Where the value's first octet stands: behind its name, or behind what was
 * read before; separators in between. */
static const uint8_t *value_at(const uint8_t *before, const mpp_json_item *it)
{
	const uint8_t *at = before;

	if (it->has_name)
		at = it->name.raw.p + it->name.raw.len + it->name.quoted;
	while (*at != 0 && strchr(" \t\r\n:,", *at) != NULL)
		at++;
	return at;
}

/* As short as it reads back the same, but 10.0 rather than 1e+01; always to
 * be seen as what it is, so that -0.0 keeps its sign. */
static mpp_err write_binary64(struct pass *p, mpp_bytes raw)
{
	uint64_t bits = 0;
	char text[NUMBER_MAX];
	double value;
	int digits;
	size_t i;

	for (i = 0; i < raw.len; i++)
		bits = bits << 8 | raw.p[i];
	memcpy(&value, &bits, sizeof(value));
	if (!isfinite(value)) {
		p->why = "infinity and NaN have no form in JSON";
		return MPP_ERR_RANGE;
	}
	for (digits = 15; digits <= 17; digits++) {
		(void)snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	if (strspn(text, "-0123456789") == strlen(text))
		memcpy(text + strlen(text), ".0", sizeof(".0"));
	mpp_json_literal(&p->w, NULL,
			 (mpp_bytes){(const uint8_t *)text, strlen(text)});
	return MPP_OK;
}

static void write_integer(struct pass *p, const mpp_json_item *it)
{
	char text[NUMBER_MAX];
	const int n = snprintf(text, sizeof(text), "%s%llu",
			       it->negative ? "-" : "",
			       (unsigned long long)it->integer);

	mpp_json_literal(&p->w, NULL,
			 (mpp_bytes){(const uint8_t *)text, (size_t)n});
}

static mpp_err write_text(struct pass *p, const mpp_json_item *it)
{
	mpp_err err;
	const mpp_bytes text = resolved(p, &it->text, &err);

	if (err != MPP_OK)
		return err;
	if (it->kind == MPP_JSON_DATA)
		mpp_json_data(&p->w, NULL, text);
	else
		mpp_json_string(&p->w, NULL, text);
	return MPP_OK;
}

static mpp_err write_number(struct pass *p, const mpp_json_item *it,
			    const uint8_t *before)
{
	if (*value_at(before, it) == TAG_BINARY64)
		return write_binary64(p, it->text.raw);
	mpp_json_literal(&p->w, NULL, it->text.raw);
	return MPP_OK;
}

static mpp_err write_value(struct pass *p, const mpp_json_item *it,
			   const uint8_t *before)
{
	switch (it->kind) {
	case MPP_JSON_OBJECT:
		mpp_json_object(&p->w, NULL);
		return MPP_OK;
	case MPP_JSON_ARRAY:
		mpp_json_array(&p->w, NULL);
		return MPP_OK;
	case MPP_JSON_CLOSE:
		mpp_json_close(&p->w);
		return MPP_OK;
	case MPP_JSON_STRING:
	case MPP_JSON_DATA:
		return write_text(p, it);
	case MPP_JSON_INTEGER:
		write_integer(p, it);
		return MPP_OK;
	case MPP_JSON_NUMBER:
		return write_number(p, it, before);
	case MPP_JSON_BOOLEAN:
		mpp_json_bool(&p->w, NULL, it->boolean);
		return MPP_OK;
	case MPP_JSON_NULL:
		mpp_json_null(&p->w, NULL);
		return MPP_OK;
	case MPP_JSON_END:
		break;
	}
	return MPP_OK;
}

static mpp_err write_item(struct pass *p, const mpp_json_item *it,
			  const uint8_t *before)
{
	mpp_err err;

	if (it->has_name) {
		const mpp_bytes name = resolved(p, &it->name, &err);

		if (err != MPP_OK)
			return err;
		mpp_json_name(&p->w, name);
	}
	return write_value(p, it, before);
}

/* Padding is zeros, as in a datagram; text may end in white space. */
static mpp_err check_rest(struct pass *p)
{
	const mpp_bytes rest = mpp_json_rest(&p->r);
	size_t i = 0;

	while (i < rest.len && rest.p[i] != 0 &&
	       strchr(" \t\r\n", rest.p[i]) != NULL)
		i++;
	while (i < rest.len && rest.p[i] == 0)
		i++;
	if (i == rest.len)
		return MPP_OK;
	p->why = "something other than zeros follows behind the end";
	return MPP_ERR_TRAILING;
}

static mpp_err walk(struct pass *p, uint8_t *out, size_t cap)
{
	mpp_json_item it;
	const uint8_t *before;
	mpp_err err;

	mpp_json_reader_init(&p->r, (mpp_bytes){p->d->text, p->d->len});
	mpp_json_writer_init(&p->w, MPP_JSON_PRETTY, out, cap);
	for (;;) {
		before = mpp_json_rest(&p->r).p;
		if ((err = mpp_json_next(&p->r, &it)) != MPP_OK)
			return err;
		if (it.kind == MPP_JSON_END)
			break;
		if ((err = write_item(p, &it, before)) != MPP_OK)
			return err;
	}
	if ((err = check_rest(p)) != MPP_OK)
		return err;
	return mpp_json_finish(&p->w);
}

static int decode(const struct document *d)
{
	struct pass p = {.d = d, .why = NULL};
	mpp_err err = walk(&p, NULL, 0);
	const size_t len = p.w.n;
	uint8_t *out;

	if (err != MPP_OK)
		return complain(EX_DATAERR, "at byte %zu: %s", offset(&p),
				p.why != NULL ? p.why : mpp_err_text(err));
	out = malloc(len + 1);
	if (out == NULL)
		return complain(EX_OSERR, "out of memory");
	err = walk(&p, out, len);
	if (err == MPP_OK) {
		out[len] = '\n';
		(void)fwrite(out, 1, len + 1, stdout);
	}
	free(out);
	return err == MPP_OK ? complain_stdout()
			     : complain(EX_SOFTWARE, "%s", mpp_err_text(err));
}

static int read_and_decode(struct document *d)
{
	d->len = fread(d->text, 1, INPUT_MAX + 1, stdin);
	if (ferror(stdin))
		return complain(EX_IOERR, "cannot read stdin: %s",
				strerror(errno));
	if (d->len > INPUT_MAX)
		return complain(EX_DATAERR, "more than 16 MiB on stdin");
	if (d->len == 0)
		return complain(EX_DATAERR, "nothing on stdin");
	d->scratch = malloc(d->len);
	if (d->scratch == NULL)
		return complain(EX_OSERR, "out of memory");
	return decode(d);
}

int command_decode(const struct options *o)
{
	struct document d = {.text = malloc(INPUT_MAX + 1)};
	int code;

	(void)o; /* --json is what it does anyway */
	if (d.text == NULL)
		return complain(EX_OSERR, "out of memory");
	code = read_and_decode(&d);
	free(d.scratch);
	free(d.text);
	return code;
}
