/* SPDX-License-Identifier: MIT */
/* value.c - values of each kind as text. Contract: items.h. */
#include <stdio.h>
#include <string.h>

#include "conf/resolver.h"

struct unit {
	const char *name;
	uint64_t factor;
};

/* The largest first, for printing; what is behind the factor of 1 is only
 * read. */
static const struct unit times[] = {{"h", 3600000},  {"m", 60000},
				    {"s", 1000},     {"ms", 1},
				    {"d", 86400000}, {NULL, 0}};
static const struct unit sizes[] = {{"G", 1u << 30},
				    {"M", 1u << 20},
				    {"k", 1u << 10},
				    {"", 1},
				    {NULL, 0}};
static const struct unit none[] = {{"", 1}, {NULL, 0}};

static const struct unit *units_of(enum conf_kind kind)
{
	return kind == CONF_KIND_DURATION ? times
	       : kind == CONF_KIND_SIZE   ? sizes
					  : none;
}

static void number_text(const struct unit *u, uint64_t v, char *out, size_t cap)
{
	while (v % u->factor != 0 || (v == 0 && u->factor != 1))
		u++;
	(void)snprintf(out, cap, "%llu%s", (unsigned long long)(v / u->factor),
		       u->name);
}

static const struct unit *unit_find(const struct unit *u, const char *name)
{
	while (u->name != NULL && strcmp(u->name, name) != 0)
		u++;
	return u->name != NULL ? u : NULL;
}

/* Digits and a unit. The number is compared before it is multiplied, so that
 * nothing wraps round into the range. */
static bool number_read(const struct conf_row *row, const char *text,
			uint64_t *out)
{
	const size_t digits = strspn(text, "0123456789");
	const struct unit *u = unit_find(units_of(row->kind), text + digits);
	uint64_t v = 0;
	size_t i;

	if (digits == 0 || digits > 13 || u == NULL)
		return false;
	for (i = 0; i < digits; i++)
		v = v * 10 + (uint64_t)(text[i] - '0');
	if (v > row->high / u->factor || v * u->factor < row->low)
		return false;
	*out = v * u->factor;
	return true;
}

static bool set_number(struct conf *c, const struct conf_row *row,
		       const char *text, char why[CONF_WHY])
{
	uint64_t *at = (void *)((char *)c + row->offset);
	const struct unit *u = units_of(row->kind);
	char low[32], high[32];

	if (number_read(row, text, at))
		return true;
	number_text(u, row->low, low, sizeof(low));
	number_text(u, row->high, high, sizeof(high));
	(void)snprintf(why, CONF_WHY, "%s from %s to %s is allowed",
		       u == times
			       ? "a duration such as 250ms, 10s, 5m, 1h or 1d"
		       : u == sizes ? "a size such as 64k, 16M or 1G"
				    : "a number",
		       low, high);
	return false;
}

/* A word of a list with NULL behind the last. */
static bool set_choice(const char *const *names, const char *text,
		       uint64_t *out)
{
	uint64_t i;

	for (i = 0; names[i] != NULL; i++) {
		if (strcmp(names[i], text) == 0) {
			*out = i;
			return true;
		}
	}
	return false;
}

static const char *const no_yes[] = {"no", "yes", NULL};

static bool set_bool(struct conf *c, const struct conf_row *row,
		     const char *text, char why[CONF_WHY])
{
	uint64_t *at = (void *)((char *)c + row->offset);

	if (set_choice(no_yes, text, at))
		return true;
	(void)snprintf(why, CONF_WHY, "yes or no is allowed");
	return false;
}

static bool set_level(struct conf *c, const struct conf_row *row,
		      const char *text, char why[CONF_WHY])
{
	uint64_t *at = (void *)((char *)c + row->offset);
	uint64_t i;

	if (set_choice(log_level_names, text, &i)) {
		*at = i + LOG_LEVEL_ERROR;
		return true;
	}
	(void)snprintf(why, CONF_WHY, "error, warn, info or debug is allowed");
	return false;
}

static bool set_path(struct conf *c, const struct conf_row *row,
		     const char *text, char why[CONF_WHY])
{
	struct conf_text *at = (void *)((char *)c + row->offset);
	const size_t n = strlen(text);
	const char *such = row->standard[0] != '\0' ? row->standard
						    : "/etc/mppd/cert.pem";

	if (text[0] == '/' && n > 1 && n <= row->high && text[n - 1] != '/') {
		memcpy(at->s, text, n + 1);
		return true;
	}
	(void)snprintf(why, CONF_WHY,
		       "a path from the root of at most %llu octets is "
		       "allowed, such as %s",
		       (unsigned long long)row->high, such);
	return false;
}

static bool set_word(struct conf *c, const struct conf_row *row,
		     const char *text, char why[CONF_WHY])
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				      "_.-";
	struct conf_text *at = (void *)((char *)c + row->offset);
	const size_t n = strlen(text);

	if (n <= row->high && strspn(text, letters) == n && text[0] != '-') {
		memcpy(at->s, text, n + 1);
		return true;
	}
	(void)snprintf(why, CONF_WHY,
		       "a name of at most %llu letters, digits, '_', '.' and "
		       "'-' is allowed",
		       (unsigned long long)row->high);
	return false;
}

/* Cut the next word off a list. @return its length, 0 at the end */
static size_t next_word(const char **at, char word[CONF_LINE + 1])
{
	size_t n;

	*at += strspn(*at, " \t");
	n = strcspn(*at, " \t");
	if (n > CONF_LINE)
		n = CONF_LINE;
	memcpy(word, *at, n);
	word[n] = '\0';
	*at += n;
	return n;
}

static bool is_known(const struct conf_addresses *list, const mpp_addr *a)
{
	size_t i;

	for (i = 0; i < list->n; i++) {
		if (memcmp(&list->at[i], a, sizeof(*a)) == 0)
			return true;
	}
	return false;
}

static const char *add_address(struct conf_addresses *list, const char *word)
{
	mpp_addr a;
	const char *wrong = addr_wrong(word, &a);

	if (wrong == NULL && is_known(list, &a))
		wrong = "it stands there twice";
	if (wrong == NULL && list->n == UDP_SOCKETS_MAX)
		wrong = "more than 16 addresses";
	if (wrong == NULL)
		list->at[list->n++] = a;
	return wrong;
}

static const char *add_endpoint(struct conf_endpoints *list, const char *word)
{
	char text[ADDR_ENDPOINT] = "";
	const char *wrong = addr_endpoint_wrong(word, text);

	if (wrong == NULL && list->n == CONF_ENDPOINTS_MAX)
		wrong = "more than 8 endpoints";
	if (wrong == NULL)
		memcpy(list->at[list->n++], text, sizeof(text));
	return wrong;
}

static bool set_addresses(struct conf *c, const struct conf_row *row,
			  const char *text, char why[CONF_WHY])
{
	struct conf_addresses list = {.n = 0};
	char word[CONF_LINE + 1];
	const char *wrong;

	while (next_word(&text, word) > 0) {
		if ((wrong = add_address(&list, word)) == NULL)
			continue;
		(void)snprintf(why, CONF_WHY,
			       "%.80s: %s; a list of ADDRESS:PORT with spaces "
			       "between is allowed, IPv6 addresses in brackets",
			       word, wrong);
		return false;
	}
	memcpy((char *)c + row->offset, &list, sizeof(list));
	return true;
}

static bool set_endpoints(struct conf *c, const struct conf_row *row,
			  const char *text, char why[CONF_WHY])
{
	struct conf_endpoints list = {.n = 0};
	char word[CONF_LINE + 1];
	const char *wrong;

	while (next_word(&text, word) > 0) {
		if ((wrong = add_endpoint(&list, word)) == NULL)
			continue;
		(void)snprintf(why, CONF_WHY,
			       "%.80s: %s; a list of HOST:PORT with spaces "
			       "between is allowed, IPv6 addresses in brackets",
			       word, wrong);
		return false;
	}
	memcpy((char *)c + row->offset, &list, sizeof(list));
	return true;
}

/* An IP address alone; one of IPv6 has no brackets. */
static const char *add_host(struct conf_addresses *list, const char *word)
{
	char text[CONF_LINE + 4];
	const char *wrong;
	mpp_addr a;

	if (strpbrk(word, "[]") != NULL)
		return "brackets";
	(void)snprintf(text, sizeof(text),
		       strchr(word, ':') != NULL ? "[%s]:1" : "%s:1", word);
	wrong = addr_wrong(text, &a);
	if (wrong != NULL)
		return wrong;
	a.port = 0;
	if (is_known(list, &a))
		return "it stands there twice";
	if (list->n == UDP_SOCKETS_MAX)
		return "more than 16 addresses";
	list->at[list->n++] = a;
	return NULL;
}

static bool set_hosts(struct conf *c, const struct conf_row *row,
		      const char *text, char why[CONF_WHY])
{
	struct conf_addresses list = {.n = 0};
	char word[CONF_LINE + 1];
	const char *wrong;

	while (next_word(&text, word) > 0) {
		if ((wrong = add_host(&list, word)) == NULL)
			continue;
		(void)snprintf(why, CONF_WHY,
			       "%.80s: %s; a list of IP addresses with spaces "
			       "between is allowed",
			       word, wrong);
		return false;
	}
	memcpy((char *)c + row->offset, &list, sizeof(list));
	return true;
}

/* "https://HOST[:PORT][/PATH]", of what needs no escapes anywhere. */
static const char *add_url(struct conf_urls *list, const char *word)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				      "-._~/";
	char host[CONF_LINE + 1], endpoint[ADDR_ENDPOINT];
	const char *rest = word + 8, *wrong;
	size_t n;

	if (strncmp(word, "https://", 8) != 0)
		return "not https://";
	if (strlen(word) > CONF_URL)
		return "more than 160 octets";
	n = strcspn(rest, "/");
	(void)snprintf(host, sizeof(host), "%.*s", (int)n, rest);
	if ((wrong = addr_endpoint_wrong(host, endpoint)) != NULL)
		return wrong;
	if (rest[n + strspn(rest + n, letters)] != '\0')
		return "the path has other characters than letters, digits "
		       "and -._~/";
	if (list->n == CONF_URLS_MAX)
		return "more than 4 URLs";
	(void)snprintf(list->at[list->n++], CONF_URL + 1, "%s", word);
	return NULL;
}

static bool set_urls(struct conf *c, const struct conf_row *row,
		     const char *text, char why[CONF_WHY])
{
	struct conf_urls list = {.n = 0};
	char word[CONF_LINE + 1];
	const char *wrong;

	while (next_word(&text, word) > 0) {
		if ((wrong = add_url(&list, word)) == NULL)
			continue;
		(void)snprintf(why, CONF_WHY,
			       "%.60s: %s; a list of https://HOST[:PORT] with "
			       "spaces between is allowed",
			       word, wrong);
		return false;
	}
	memcpy((char *)c + row->offset, &list, sizeof(list));
	return true;
}

bool conf_value_set(struct conf *c, const struct conf_row *row,
		    const char *text, char why[CONF_WHY])
{
	switch (row->kind) {
	case CONF_KIND_ADDRESSES:
		return set_addresses(c, row, text, why);
	case CONF_KIND_ENDPOINTS:
		return set_endpoints(c, row, text, why);
	case CONF_KIND_HOSTS:
		return set_hosts(c, row, text, why);
	case CONF_KIND_URLS:
		return set_urls(c, row, text, why);
	case CONF_KIND_PATH:
		return set_path(c, row, text, why);
	case CONF_KIND_WORD:
		return set_word(c, row, text, why);
	case CONF_KIND_BOOL:
		return set_bool(c, row, text, why);
	case CONF_KIND_LEVEL:
		return set_level(c, row, text, why);
	case CONF_KIND_SERVERS:
	case CONF_KIND_STUBS:
	case CONF_KIND_ZONES:
		return resolver_set(c, row, text, why);
	case CONF_KIND_DURATION:
	case CONF_KIND_NUMBER:
	case CONF_KIND_SIZE:
		break;
	}
	return set_number(c, row, text, why);
}

static void addresses_text(const struct conf_addresses *list,
			   char out[CONF_VALUE])
{
	char *at = out;
	size_t i;

	for (i = 0; i < list->n; i++) {
		if (i > 0)
			*at++ = ' ';
		addr_text(&list->at[i], at);
		at += strlen(at);
	}
}

static void endpoints_text(const struct conf_endpoints *list,
			   char out[CONF_VALUE])
{
	char *at = out;
	size_t i;

	for (i = 0; i < list->n; i++) {
		if (i > 0)
			*at++ = ' ';
		at = stpcpy(at, list->at[i]);
	}
}

static void hosts_text(const struct conf_addresses *list, char out[CONF_VALUE])
{
	char *at = out;
	size_t i;

	for (i = 0; i < list->n; i++) {
		char text[ADDR_TEXT], *host = text;

		addr_text(&list->at[i], text);
		*strrchr(text, ':') = '\0';
		if (host[0] == '[') {
			host++;
			host[strlen(host) - 1] = '\0';
		}
		if (i > 0)
			*at++ = ' ';
		at = stpcpy(at, host);
	}
}

static void urls_text(const struct conf_urls *list, char out[CONF_VALUE])
{
	char *at = out;
	size_t i;

	for (i = 0; i < list->n; i++) {
		if (i > 0)
			*at++ = ' ';
		at = stpcpy(at, list->at[i]);
	}
}

void conf_value_text(const struct conf *c, const struct conf_row *row,
		     char out[CONF_VALUE])
{
	const void *at = (const char *)c + row->offset;
	const uint64_t *n = at;
	const struct conf_text *text = at;

	out[0] = '\0';
	switch (row->kind) {
	case CONF_KIND_ADDRESSES:
		addresses_text(at, out);
		break;
	case CONF_KIND_ENDPOINTS:
		endpoints_text(at, out);
		break;
	case CONF_KIND_HOSTS:
		hosts_text(at, out);
		break;
	case CONF_KIND_URLS:
		urls_text(at, out);
		break;
	case CONF_KIND_PATH:
	case CONF_KIND_WORD:
		(void)stpcpy(out, text->s);
		break;
	case CONF_KIND_BOOL:
		(void)stpcpy(out, no_yes[*n]);
		break;
	case CONF_KIND_LEVEL:
		(void)stpcpy(out, log_level_names[*n - LOG_LEVEL_ERROR]);
		break;
	case CONF_KIND_SERVERS:
	case CONF_KIND_STUBS:
	case CONF_KIND_ZONES:
		resolver_text(c, row, out);
		break;
	case CONF_KIND_DURATION:
	case CONF_KIND_NUMBER:
	case CONF_KIND_SIZE:
		number_text(units_of(row->kind), *n, out, CONF_VALUE);
		break;
	}
}
