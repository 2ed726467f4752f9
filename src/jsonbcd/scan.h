/* SPDX-License-Identifier: MIT */
/* scan.h - the tokens of a document: straight-line decoding from a cursor,
 * whose sticky error says what was wrong. */
#ifndef JSONBCD_SCAN_H
#define JSONBCD_SCAN_H

#include <mpp/jsonbcd.h>

#include "base/rd.h"

enum { SCAN_END = -1 };

/* The next octet without taking it, or SCAN_END. */
static inline int scan_peek(const struct rd *c)
{
	return c->left > 0 ? *c->p : SCAN_END;
}

static inline bool scan_is_binary(int octet)
{
	return octet >= 0x80;
}

/* Something else was expected here: which error that is. */
static inline void scan_fail(struct rd *c)
{
	rd_fail(c, c->left == 0 ? MPP_ERR_TRUNCATED : MPP_ERR_SYNTAX);
}

/* Take the octet if it comes next. */
static inline bool scan_eat(struct rd *c, char octet)
{
	if (scan_peek(c) != octet)
		return false;
	(void)rd_u8(c);
	return true;
}

static inline bool scan_is_space(int octet)
{
	return octet == ' ' || octet == '\t' || octet == '\n' || octet == '\r';
}

static inline void scan_space(struct rd *c)
{
	while (scan_is_space(scan_peek(c)))
		(void)rd_u8(c);
}

/* A string of JSON text, from its opening to its closing quote. */
void scan_quoted(struct rd *c, mpp_json_text *out);

/* What follows a backslash: its code point. */
uint32_t scan_escape(struct rd *c);

/* A number of JSON text. */
void scan_number(struct rd *c, mpp_json_item *it);

/* true, false or null. */
void scan_word(struct rd *c, mpp_json_item *it);

/* A binary name; a binary value. */
void scan_binary_name(struct rd *c, mpp_json_text *out);
void scan_binary_value(struct rd *c, mpp_json_item *it);

/* One string, data or name head with its content; is it the last part? The
 * content is empty after an error. */
bool scan_part(struct rd *c, mpp_bytes *content);

#endif
