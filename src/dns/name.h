/* SPDX-License-Identifier: MIT */
/* name.h - names of the DNS (RFC 1035 section 3.1) as whole wire format:
 * labels with their lengths, the root at the end, no compression. */
#ifndef DNS_NAME_H
#define DNS_NAME_H

#include <mpp/base.h>

enum {
	DNS_NAME = 255,
	DNS_NAME_TEXT = 1012, /* each octet as \DDD, dots, and NUL */
};

/* len is at least 1: the root. May be copied. */
struct dns_name {
	uint8_t p[DNS_NAME];
	uint8_t len;
};

/* Read the name at *at of a message and move *at behind it. A pointer leads
 * only to what is before everything that was read of this name, so that every
 * chain of them ends.
 * Errors: TRUNCATED, SYNTAX (a pointer forwards or to itself, an unknown kind
 * of label), RANGE (longer than 255). *at and *out are then untouched. */
MPP_MUSTCHECK mpp_err dns_name_read(mpp_bytes message, size_t *at,
				    struct dns_name *out);

/* As people write it, with or without the dot at the end; no escapes.
 * @return false: it is none */
bool dns_name_parse(const char *text, struct dns_name *out);

/* With a dot at the end; what is no letter of a host name is \DDD. */
void dns_name_text(const struct dns_name *name, char out[DNS_NAME_TEXT]);

/* Small and capital letters are the same. */
bool dns_octets_equal(const uint8_t *a, const uint8_t *b, size_t n);
bool dns_name_equal(const struct dns_name *a, const struct dns_name *b);

/* Is it the zone's name or below it? */
bool dns_name_in(const struct dns_name *name, const struct dns_name *zone);

#endif
