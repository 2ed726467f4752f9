/* SPDX-License-Identifier: MIT */
/* name.c - names of the DNS. Contract: name.h. */
#include "dns/name.h"

#include <stdio.h>
#include <string.h>

enum { POINTER = 0xc0, LABEL_MAX = 63 };

/* Where reading stands. */
struct reading {
	mpp_bytes in;
	size_t pos;
	size_t lowest; /* a pointer must lead below it */
	size_t end;    /* behind the name where it began; 0: not known yet */
	struct dns_name *name;
};

static mpp_err follow(struct reading *r)
{
	size_t target;

	if (r->in.len - r->pos < 2)
		return MPP_ERR_TRUNCATED;
	target = (size_t)(r->in.p[r->pos] & 0x3f) << 8 | r->in.p[r->pos + 1];
	if (target >= r->lowest)
		return MPP_ERR_SYNTAX;
	if (r->end == 0)
		r->end = r->pos + 2;
	r->lowest = target;
	r->pos = target;
	return MPP_OK;
}

static mpp_err take_label(struct reading *r, size_t n)
{
	if (r->in.len - r->pos < n + 1)
		return MPP_ERR_TRUNCATED;
	/* The root needs its octet too. */
	if (r->name->len + n + 1 + (n > 0 ? 1 : 0) > DNS_NAME)
		return MPP_ERR_RANGE;
	memcpy(r->name->p + r->name->len, r->in.p + r->pos, n + 1);
	r->name->len = (uint8_t)(r->name->len + n + 1);
	r->pos += n + 1;
	return MPP_OK;
}

static mpp_err read_label(struct reading *r, bool *more)
{
	const uint8_t n = r->pos < r->in.len ? r->in.p[r->pos] : 0;

	if (r->pos >= r->in.len)
		return MPP_ERR_TRUNCATED;
	if ((n & POINTER) == POINTER)
		return follow(r);
	if (n > LABEL_MAX)
		return MPP_ERR_SYNTAX;
	*more = n > 0;
	return take_label(r, n);
}

mpp_err dns_name_read(mpp_bytes message, size_t *at, struct dns_name *out)
{
	struct dns_name name = {.len = 0};
	struct reading r = {message, *at, *at, 0, &name};
	bool more = true;
	mpp_err err;

	while (more) {
		if ((err = read_label(&r, &more)) != MPP_OK)
			return err;
	}
	*at = r.end != 0 ? r.end : r.pos;
	*out = name;
	return MPP_OK;
}

bool dns_name_parse(const char *text, struct dns_name *out)
{
	struct dns_name name = {.len = 0};
	size_t n;

	if (strcmp(text, ".") == 0)
		text = "";
	else if (text[0] == '\0')
		return false;
	while (*text != '\0') {
		n = strcspn(text, ".");
		if (n == 0 || n > LABEL_MAX || name.len + n + 2 > DNS_NAME)
			return false;
		name.p[name.len++] = (uint8_t)n;
		memcpy(name.p + name.len, text, n);
		name.len = (uint8_t)(name.len + n);
		text += n + (text[n] == '.' ? 1 : 0);
	}
	name.p[name.len++] = 0;
	*out = name;
	return true;
}

static bool is_plain(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '*';
}

void dns_name_text(const struct dns_name *name, char out[DNS_NAME_TEXT])
{
	size_t at = 0, left = 0, n = 0;

	for (at = 0; at + 1 < name->len; at++) {
		const uint8_t c = name->p[at];

		if (left == 0) {
			left = c;
			if (at > 0)
				out[n++] = '.';
		} else {
			left--;
			n += (size_t)snprintf(out + n, 5,
					      is_plain(c) ? "%c" : "\\%03u", c);
		}
	}
	out[n++] = '.';
	out[n] = '\0';
}

static uint8_t small(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

/* Lengths of labels are below 'A', so that whole names can be compared. */
bool dns_octets_equal(const uint8_t *a, const uint8_t *b, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (small(a[i]) != small(b[i]))
			return false;
	}
	return true;
}

bool dns_name_equal(const struct dns_name *a, const struct dns_name *b)
{
	return a->len == b->len && dns_octets_equal(a->p, b->p, a->len);
}

bool dns_name_in(const struct dns_name *name, const struct dns_name *zone)
{
	size_t at = 0;

	while (name->len - at > zone->len)
		at += (size_t)name->p[at] + 1;
	return name->len - at == zone->len &&
	       dns_octets_equal(name->p + at, zone->p, zone->len);
}
