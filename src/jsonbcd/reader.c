/* SPDX-License-Identifier: MIT */
/* reader.c - a document item by item. Contract: mpp/jsonbcd.h.
 *
 *            { [            item            item
 *     START -----> FIRST ---------> NEXT <-------+
 *       |            |              | |          |
 *       | scalar     | } ]          | +-- , -----+
 *       v            v              |
 *      DONE <--------+<---- } ] ----+    (to NEXT while something is open)
 *
 * In NEXT a comma is due, unless one of its neighbours is binary. Inside an
 * object an item is a name, a colon and a value. The open braces and brackets
 * stand in a stack of fixed size, so there is no recursion. */
#include <mpp/jsonbcd.h>

#include "jsonbcd/scan.h"

enum state {
	STATE_START = 1,
	STATE_FIRST,
	STATE_NEXT,
	STATE_DONE,
};

/* What the last value was. */
enum prev {
	PREV_NONE = 1,
	PREV_TEXT,
	PREV_BINARY,
	PREV_CLOSE,
};

void mpp_json_reader_init(mpp_json_reader *r, mpp_bytes in)
{
	*r = (mpp_json_reader){
		.p = in.p,
		.left = in.len,
		.state = STATE_START,
		.prev = PREV_NONE,
	};
}

static void leave_value(mpp_json_reader *r, enum prev prev)
{
	r->prev = (uint8_t)prev;
	r->state = r->depth == 0 ? STATE_DONE : STATE_NEXT;
}

static void read_open(mpp_json_reader *r, struct rd *c, mpp_json_item *it)
{
	if (r->depth == MPP_JSON_DEPTH_MAX) {
		rd_fail(c, MPP_ERR_DEPTH);
		return;
	}
	r->stack[r->depth] = rd_u8(c);
	it->kind = r->stack[r->depth] == '{' ? MPP_JSON_OBJECT : MPP_JSON_ARRAY;
	r->depth++;
	r->state = STATE_FIRST;
}

static bool in_object(const mpp_json_reader *r)
{
	return r->depth > 0 && r->stack[r->depth - 1] == '{';
}

static void read_close(mpp_json_reader *r, struct rd *c, mpp_json_item *it)
{
	if ((rd_u8(c) == '}') != in_object(r)) {
		rd_fail(c, MPP_ERR_SYNTAX);
		return;
	}
	r->depth--;
	it->kind = MPP_JSON_CLOSE;
	it->depth = r->depth;
	leave_value(r, PREV_CLOSE);
}

/* May what comes next follow without a comma? An object or array needs one by
 * the draft's grammar, but not in what its author's code writes. */
static bool comma_may_miss(const mpp_json_reader *r, int next)
{
	return scan_is_binary(next) || r->prev == PREV_BINARY ||
	       (r->prev == PREV_CLOSE && r->binary_seen);
}

static void read_comma(mpp_json_reader *r, struct rd *c)
{
	if (scan_eat(c, ','))
		scan_space(c);
	else if (!comma_may_miss(r, scan_peek(c)))
		scan_fail(c);
}

static void read_name(mpp_json_reader *r, struct rd *c, mpp_json_item *it)
{
	const bool binary = scan_is_binary(scan_peek(c));

	if (binary)
		scan_binary_name(c, &it->name);
	else
		scan_quoted(c, &it->name);
	r->binary_seen = r->binary_seen || binary;
	scan_space(c);
	if (!scan_eat(c, ':') && !binary)
		scan_fail(c);
	scan_space(c);
	it->has_name = true;
}

static void read_text(mpp_json_reader *r, struct rd *c, mpp_json_item *it)
{
	switch (scan_peek(c)) {
	case '"':
		it->kind = MPP_JSON_STRING;
		scan_quoted(c, &it->text);
		break;
	case 't':
	case 'f':
	case 'n':
		scan_word(c, it);
		break;
	default:
		scan_number(c, it);
	}
	leave_value(r, PREV_TEXT);
}

static void read_value(mpp_json_reader *r, struct rd *c, mpp_json_item *it)
{
	const int octet = scan_peek(c);

	if (octet == '{' || octet == '[') {
		read_open(r, c, it);
	} else if (scan_is_binary(octet)) {
		scan_binary_value(c, it);
		r->binary_seen = true;
		leave_value(r, PREV_BINARY);
	} else {
		read_text(r, c, it);
	}
}

static void read_item(mpp_json_reader *r, struct rd *c, mpp_json_item *it)
{
	int octet;

	scan_space(c);
	octet = scan_peek(c);
	if ((octet == '}' || octet == ']') && r->state != STATE_START) {
		read_close(r, c, it);
		return;
	}
	if (r->state == STATE_NEXT)
		read_comma(r, c);
	if (in_object(r))
		read_name(r, c, it);
	read_value(r, c, it);
}

mpp_err mpp_json_next(mpp_json_reader *r, mpp_json_item *item)
{
	struct rd c = {r->p, r->left, r->err};
	mpp_json_reader after = *r;
	mpp_json_item it = {.kind = MPP_JSON_END, .depth = r->depth};

	if (r->err != MPP_OK)
		return r->err;
	if (r->state != STATE_DONE)
		read_item(&after, &c, &it);
	if (c.err != MPP_OK) {
		r->err = c.err;
		return c.err;
	}

	/* Commit: nothing above wrote to *r or *item. */
	after.p = c.p;
	after.left = c.left;
	*r = after;
	*item = it;
	return MPP_OK;
}

mpp_err mpp_json_skip(mpp_json_reader *r, const mpp_json_item *item)
{
	const bool open = item->kind == MPP_JSON_OBJECT ||
			  item->kind == MPP_JSON_ARRAY;
	mpp_json_item skipped;
	mpp_err err = r->err;

	while (err == MPP_OK && open && r->depth > item->depth)
		err = mpp_json_next(r, &skipped);
	return err;
}

mpp_bytes mpp_json_rest(const mpp_json_reader *r)
{
	return (mpp_bytes){r->p, r->left};
}
