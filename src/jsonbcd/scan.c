/* SPDX-License-Identifier: MIT */
/* scan.c - tokens of JSON text (RFC 8259). Contract: scan.h. */
#include "jsonbcd/scan.h"

#include "jsonbcd/utf8.h"

static bool is_digit(int octet)
{
	return octet >= '0' && octet <= '9';
}

/* Raw line ends and tabs are let through: the author's writer wraps base64
 * inside strings. */
static bool is_control(uint8_t octet)
{
	return octet < 0x20 && !scan_is_space(octet);
}

static void check_character(struct rd *c, uint8_t octet, mpp_json_text *out)
{
	if (octet == '\\') {
		out->escaped = true;
		(void)scan_escape(c);
	} else if (is_control(octet)) {
		rd_fail(c, MPP_ERR_SYNTAX);
	}
}

void scan_quoted(struct rd *c, mpp_json_text *out)
{
	struct utf8 u = {0, 0, 0};
	const uint8_t *start;
	size_t before;
	uint8_t octet;

	if (!scan_eat(c, '"')) {
		scan_fail(c);
		return;
	}
	start = c->p;
	before = c->left;
	out->quoted = true;
	do {
		octet = rd_u8(c);
		if (!utf8_feed(&u, octet))
			rd_fail(c, MPP_ERR_UTF8);
		check_character(c, octet, out);
	} while (c->err == MPP_OK && octet != '"');
	if (c->err == MPP_OK)
		out->raw = (mpp_bytes){start, before - c->left - 1};
}

static uint32_t hex_value(uint8_t octet)
{
	if (is_digit(octet))
		return octet - (uint32_t)'0';
	octet |= 0x20;
	return octet >= 'a' && octet <= 'f' ? octet - (uint32_t)'a' + 10 : 16;
}

static uint32_t scan_hex4(struct rd *c)
{
	uint32_t v = 0;
	uint32_t digit;
	int i;

	for (i = 0; i < 4; i++) {
		digit = hex_value(rd_u8(c));
		if (digit > 15)
			rd_fail(c, MPP_ERR_SYNTAX);
		v = v << 4 | (digit & 0xf);
	}
	return v;
}

/* Behind \u: one code unit, or two that are a surrogate pair. */
static uint32_t scan_unicode(struct rd *c)
{
	uint32_t unit = scan_hex4(c);
	uint32_t low;

	if (unit < 0xd800 || unit > 0xdfff)
		return unit;
	if (unit >= 0xdc00 || rd_u8(c) != '\\' || rd_u8(c) != 'u')
		rd_fail(c, MPP_ERR_UTF8);
	low = scan_hex4(c);
	if (low < 0xdc00 || low > 0xdfff)
		rd_fail(c, MPP_ERR_UTF8);
	return 0x10000 + ((unit & 0x3ff) << 10 | (low & 0x3ff));
}

uint32_t scan_escape(struct rd *c)
{
	uint8_t octet = rd_u8(c);

	switch (octet) {
	case '"':
	case '\\':
	case '/':
		return octet;
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	case 'u':
		return scan_unicode(c);
	default:
		rd_fail(c, MPP_ERR_SYNTAX);
		return 0;
	}
}

struct magnitude {
	uint64_t v;
	bool over; /* more than 64 bits, or not whole */
};

static void add_digit(struct magnitude *m, uint8_t digit)
{
	if (m->v > (UINT64_MAX - digit) / 10)
		m->over = true;
	else
		m->v = m->v * 10 + digit;
}

/* At least one digit. */
static void scan_digits(struct rd *c, struct magnitude *m)
{
	if (!is_digit(scan_peek(c)))
		scan_fail(c);
	while (is_digit(scan_peek(c)))
		add_digit(m, (uint8_t)(rd_u8(c) - '0'));
}

static void scan_whole(struct rd *c, struct magnitude *m)
{
	if (!scan_eat(c, '0'))
		scan_digits(c, m);
	else if (is_digit(scan_peek(c)))
		rd_fail(c, MPP_ERR_SYNTAX);
}

static void scan_fraction(struct rd *c, struct magnitude *m)
{
	if (scan_eat(c, '.')) {
		scan_digits(c, m);
		m->over = true;
	}
	if (scan_eat(c, 'e') || scan_eat(c, 'E')) {
		if (!scan_eat(c, '+'))
			(void)scan_eat(c, '-');
		scan_digits(c, m);
		m->over = true;
	}
}

void scan_number(struct rd *c, mpp_json_item *it)
{
	const struct rd start = *c;
	struct magnitude m = {0, false};
	bool minus = scan_eat(c, '-');

	scan_whole(c, &m);
	scan_fraction(c, &m);
	if (m.over) {
		it->kind = MPP_JSON_NUMBER;
		it->text.quoted = true;
		it->text.raw = (mpp_bytes){start.p, start.left - c->left};
		return;
	}
	it->kind = MPP_JSON_INTEGER;
	it->negative = minus && m.v != 0;
	it->integer = m.v;
}

static void scan_letters(struct rd *c, const char *word, size_t n)
{
	while (n-- > 0) {
		if (rd_u8(c) != (uint8_t)*word++)
			rd_fail(c, MPP_ERR_SYNTAX);
	}
}

void scan_word(struct rd *c, mpp_json_item *it)
{
	switch (scan_peek(c)) {
	case 't':
		scan_letters(c, "true", 4);
		it->kind = MPP_JSON_BOOLEAN;
		it->boolean = true;
		return;
	case 'f':
		scan_letters(c, "false", 5);
		it->kind = MPP_JSON_BOOLEAN;
		return;
	default:
		scan_letters(c, "null", 4);
		it->kind = MPP_JSON_NULL;
	}
}
