/* SPDX-License-Identifier: MIT */
/* storearg.c - a store's new state as an argument. Contract: storearg.h. */
#include "host/storearg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "jsonbcd/utf8.h"

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_digest(const char *text, struct store_arg *s)
{
	size_t i;

	for (i = 0; text[2 * i] != '\0' && i < MPP_DIGEST_MAX; i++) {
		const int high = digit(text[2 * i]);
		const int low = high < 0 ? -1 : digit(text[2 * i + 1]);

		if (low < 0)
			return false;
		s->digest[i] = (uint8_t)(high << 4 | low);
	}
	s->digest_len = i;
	return i > 0 && text[2 * i] == '\0';
}

static bool is_utf8(const char *text)
{
	struct utf8 u = {0, 0, 0};

	for (; *text != '\0'; text++) {
		if (!utf8_feed(&u, (uint8_t)*text))
			return false;
	}
	return u.more == 0;
}

bool store_arg_read(const char *text, struct store_arg *out)
{
	const char *equals = strrchr(text, '=');
	char *end;

	memset(out, 0, sizeof(*out));
	if (equals == NULL || equals == text || equals - text > MPP_STORE_MAX ||
	    equals[1] < '0' || equals[1] > '9')
		return false;
	memcpy(out->name, text, (size_t)(equals - text));
	errno = 0;
	out->index = strtoull(equals + 1, &end, 10);
	if (errno != 0 || out->index >= UINT64_C(1) << 53 ||
	    !is_utf8(out->name))
		return false;
	return *end == '\0' || (*end == ':' && read_digest(end + 1, out));
}
