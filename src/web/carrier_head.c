/* SPDX-License-Identifier: MIT */
/* carrier_head.c - see carrier_head.h. */
#include "web/carrier_head.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "host/addr.h"

enum { WAIT_MAX_S = 86400, FORWARDED = 60 };

static const char blanks[] = " \t";

/* A slice of text without the blanks around it. */
struct piece {
	const char *p;
	size_t n;
};

static struct piece trimmed(const char *p, size_t n)
{
	while (n > 0 && strchr(blanks, p[n - 1]) != NULL)
		n--;
	for (; n > 0 && strchr(blanks, *p) != NULL; p++)
		n--;
	return (struct piece){p, n};
}

/* Where this one ends: at a separator that does not stand in a string. */
static size_t length_to(const char *p, char separator)
{
	bool quoted = false;
	size_t n;

	for (n = 0; p[n] != '\0'; n++) {
		if (p[n] == '\\' && quoted && p[n + 1] != '\0')
			n++;
		else if (p[n] == '"')
			quoted = !quoted;
		else if (p[n] == separator && !quoted)
			break;
	}
	return n;
}

static bool is_word(struct piece t, const char *word)
{
	return t.n == strlen(word) && strncasecmp(t.p, word, t.n) == 0;
}

static uint32_t seconds(struct piece t)
{
	uint32_t s = 0;
	size_t i;

	if (t.n >= 2 && t.p[0] == '"' && t.p[t.n - 1] == '"')
		t = (struct piece){t.p + 1, t.n - 2};
	for (i = 0; i < t.n; i++) {
		if (t.p[i] < '0' || t.p[i] > '9')
			return 0;
		s = s * 10 + (uint32_t)(t.p[i] - '0');
		if (s > WAIT_MAX_S)
			s = WAIT_MAX_S;
	}
	return s;
}

/* The first that says it counts. */
uint32_t head_wait_ms(const char *prefer)
{
	while (*prefer != '\0') {
		const size_t n = length_to(prefer, ',');
		const size_t first = length_to(prefer, ';');
		const size_t end = first < n ? first : n;
		const size_t equals = length_to(prefer, '=');

		if (equals < end && is_word(trimmed(prefer, equals), "wait"))
			return seconds(trimmed(prefer + equals + 1,
					       end - equals - 1)) *
			       1000;
		prefer += n + (prefer[n] == ',');
	}
	return 0;
}

bool head_is_rud(const char *content_type)
{
	return is_word(trimmed(content_type, length_to(content_type, ';')),
		       "application/rud");
}

bool head_forwarded(const char *line, mpp_addr *out)
{
	const char *comma = strrchr(line, ',');
	const char *last = comma != NULL ? comma + 1 : line;
	const struct piece t = trimmed(last, strlen(last));
	char text[FORWARDED];
	mpp_addr a;

	if (t.n == 0 || t.n + 3 > sizeof(text) || memchr(t.p, '[', t.n) != NULL)
		return false;
	(void)snprintf(text, sizeof(text),
		       memchr(t.p, ':', t.n) != NULL ? "[%.*s]" : "%.*s",
		       (int)t.n, t.p);
	if (addr_wrong(text, &a) != NULL)
		return false;
	a.port = 0;
	*out = a;
	return true;
}
