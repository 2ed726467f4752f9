/* SPDX-License-Identifier: MIT */
/* tokenkey.c - see tokenkey.h. */
#include "conf/tokenkey.h"

#include <string.h>

#include "presence/pattern.h"

enum { DAY_MS = 86400000 };

static const char prefix[] = "token-key";

const char *const token_key_items[TOKEN_KEY_ITEMS] = {
	[TOKEN_KEY_FILE] = "file",
	[TOKEN_KEY_ACCOUNTS] = "accounts",
	[TOKEN_KEY_RIGHTS] = "rights",
	[TOKEN_KEY_LIFE] = "life",
};

/* MPP_RIGHT_... in this order. */
static const char *const rights[] = {"subscribe", "publish", "reset"};

enum { RIGHTS = sizeof(rights) / sizeof(rights[0]) };

const char *token_key_section(const char *section)
{
	const size_t n = sizeof(prefix) - 1;

	if (strncmp(section, prefix, n) != 0)
		return NULL;
	if (section[n] == '\0')
		return section + n;
	return section[n] == ' ' ? section + n + 1 : NULL;
}

/* ---- keys ---- */

static bool is_name(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "0123456789_.-";
	const size_t n = strlen(name);

	return n > 0 && n <= CONF_KEY_NAME && strspn(name, letters) == n &&
	       name[0] != '-' && strcmp(name, CONF_OWN_KEY) != 0;
}

int token_key_open(struct conf *c, const char *name, char why[CONF_WHY])
{
	struct conf_token_key *k;
	size_t i;

	if (!is_name(name)) {
		(void)snprintf(why, CONF_WHY,
			       "[token-key NAME] with a name of at most %d "
			       "small letters, digits, '_', '.' and '-' is "
			       "allowed, but not \"" CONF_OWN_KEY "\"",
			       CONF_KEY_NAME);
		return -1;
	}
	for (i = 0; i < c->n_token_keys; i++) {
		if (strcmp(c->token_keys[i].name, name) == 0)
			return (int)i;
	}
	if (i == MPP_TOKEN_MINTERS_MAX) {
		(void)snprintf(why, CONF_WHY,
			       "more than %d token keys; fewer are allowed",
			       MPP_TOKEN_MINTERS_MAX);
		return -1;
	}
	k = &c->token_keys[c->n_token_keys++];
	memset(k, 0, sizeof(*k));
	memcpy(k->name, name, strlen(name));
	k->rights = MPP_RIGHT_SUBSCRIBE;
	k->life_ms = DAY_MS;
	return (int)i;
}

/* ---- items ---- */

/* A row for what is read and printed as other items are. */
static struct conf_row row_of(int key, enum token_key_item item)
{
	const size_t at = offsetof(struct conf, token_keys) +
			  (size_t)key * sizeof(struct conf_token_key);

	if (item == TOKEN_KEY_LIFE)
		return (struct conf_row){
			.kind = CONF_KIND_DURATION,
			.offset = at + offsetof(struct conf_token_key, life_ms),
			.low = 1000,
			.high = UINT64_C(365) * DAY_MS,
		};
	return (struct conf_row){
		.kind = CONF_KIND_PATH,
		.offset = at + offsetof(struct conf_token_key, file),
		.standard = "/etc/mppd/mesh.key",
		.high = 180,
	};
}

/* Cut the next word off. Empty: there is none. */
static mpp_bytes next_word(const char **at)
{
	mpp_bytes word;

	*at += strspn(*at, " \t");
	word = (mpp_bytes){(const uint8_t *)*at, strcspn(*at, " \t")};
	*at += word.len;
	return word;
}

static bool set_accounts(struct conf_token_key *k, const char *text,
			 char why[CONF_WHY])
{
	char all[sizeof(k->accounts)];
	size_t n = strlen(k->accounts);
	mpp_bytes word;

	memcpy(all, k->accounts, sizeof(all));
	while ((word = next_word(&text)).len != 0) {
		if (!pattern_possible(word)) {
			(void)snprintf(why, CONF_WHY,
				       "%.*s: names of accounts, and *@DOMAIN "
				       "for all of a domain, are allowed, with "
				       "spaces between",
				       (int)word.len, (const char *)word.p);
			return false;
		}
		if (n + 1 + word.len > CONF_ACCOUNTS) {
			(void)snprintf(why, CONF_WHY,
				       "at most %d octets of accounts are "
				       "allowed; give *@DOMAIN",
				       CONF_ACCOUNTS);
			return false;
		}
		if (n != 0)
			all[n++] = ' ';
		memcpy(all + n, word.p, word.len);
		n += word.len;
	}
	memcpy(k->accounts, all, sizeof(all));
	return true;
}

static uint64_t right_of(mpp_bytes word)
{
	unsigned i;

	for (i = 0; i < RIGHTS; i++) {
		if (strlen(rights[i]) == word.len &&
		    memcmp(rights[i], word.p, word.len) == 0)
			return UINT64_C(1) << i;
	}
	return 0;
}

static bool set_rights(struct conf_token_key *k, const char *text,
		       char why[CONF_WHY])
{
	uint64_t all = 0, one;
	mpp_bytes word;

	while ((word = next_word(&text)).len != 0) {
		one = right_of(word);
		if (one == 0 || (all & one) != 0) {
			(void)snprintf(why, CONF_WHY,
				       "%.*s: subscribe, publish and reset are "
				       "allowed, each once",
				       (int)word.len, (const char *)word.p);
			return false;
		}
		all |= one;
	}
	k->rights = all;
	return true;
}

bool token_key_set(struct conf *c, int key, enum token_key_item item,
		   const char *text, char why[CONF_WHY])
{
	struct conf_token_key *k = &c->token_keys[key];
	const struct conf_row row = row_of(key, item);

	switch (item) {
	case TOKEN_KEY_ACCOUNTS:
		return set_accounts(k, text, why);
	case TOKEN_KEY_RIGHTS:
		return set_rights(k, text, why);
	case TOKEN_KEY_FILE:
	case TOKEN_KEY_LIFE:
	case TOKEN_KEY_ITEMS:
		break;
	}
	return conf_value_set(c, &row, text, why);
}

/* ---- printing ---- */

/* One to a line, because a line is not long. */
static void print_accounts(const struct conf_token_key *k, FILE *to)
{
	mpp_bytes list = {(const uint8_t *)k->accounts, strlen(k->accounts)};
	mpp_bytes one;

	if (list.len == 0)
		(void)fputs("# accounts = \n", to);
	while ((one = pattern_next(&list)).len != 0)
		(void)fprintf(to, "accounts = %.*s\n", (int)one.len,
			      (const char *)one.p);
}

void token_key_print(const struct conf_token_key *k, FILE *to)
{
	const struct conf_row life = {
		.kind = CONF_KIND_DURATION,
		.offset = offsetof(struct conf_token_key, life_ms),
	};
	char value[CONF_VALUE];
	unsigned i;

	(void)fprintf(to, "\n[%s %s]\nfile = %s\n", prefix, k->name, k->file.s);
	print_accounts(k, to);
	(void)fputs("rights =", to);
	for (i = 0; i < RIGHTS; i++) {
		if ((k->rights >> i & 1) != 0)
			(void)fprintf(to, " %s", rights[i]);
	}
	conf_value_text((const void *)k, &life, value);
	(void)fprintf(to, "\nlife = %s\n", value);
}
