/* SPDX-License-Identifier: MIT */
/* test_conf_token_key.c - sections of token keys: what they may say, and that
 * what they do not say is nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <cmocka.h>

#include "conf/conf.h"

#define X10 "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10

static struct fault fault;

static mpp_err parse(const char *text, struct conf *out)
{
	return conf_parse((mpp_bytes){(const uint8_t *)text, strlen(text)},
			  "x.conf", out, &fault);
}

static const struct bad {
	const char *sentence;
	const char *text;
	unsigned line;
	const char *wrong; /* a part of the message */
} bad[] = {
	{"no name", "[token-key]\n", 1, "a name of at most 24"},
	{"a name of a blank", "[token-key ]\n", 1, "a name of at most 24"},
	{"two names", "[token-key a b]\n", 1, "a name of at most 24"},
	{"a capital letter", "[token-key Mesh]\n", 1, "small letters"},
	{"a slash", "[token-key a/b]\n", 1, "small letters"},
	{"a name like an option", "[token-key -a]\n", 1, "small letters"},
	{"a long name", "[token-key " X10 X10 "xxxxx]\n", 1, "at most 24"},
	{"the service's own", "[token-key own]\nfile = /x\n", 1, "own"},
	{"another section", "[token-keys]\n", 1, "and [token-key NAME]"},
	{"no file", "\n[token-key a]\n[token-key b]\nfile = /b\n", 2,
	 "[token-key a] has no file"},
	{"items, but no file", "[token-key a]\nlife = 1d\n", 1, "no file"},
	{"a file twice", "[token-key a]\nfile = /a\nfile = /b\n", 3,
	 "stands on line 2 already"},
	{"a file in two keys",
	 "[token-key a]\nfile = /a\n[token-key b]\nfile = /a\n", 3,
	 "has the file of [token-key a]"},
	{"a relative file", "[token-key a]\nfile = a\n", 2,
	 "a path from the root"},
	{"an item of another section", "[token-key a]\nlisten = 1.2.3.4\n", 2,
	 "unknown item listen in [token-key a]; allowed are file, accounts"},
	{"its item in another section", "[service]\naccounts = a\n", 2,
	 "belongs into [limits]"},
	{"no accounts", "[token-key a]\naccounts =\n", 2, "nothing behind"},
	{"a star for all", "[token-key a]\naccounts = *\n", 2,
	 "*: names of accounts, and *@DOMAIN"},
	{"a star in a domain", "[token-key a]\naccounts = b *@*.com\n", 2,
	 "*@*.com: names"},
	{"a comma", "[token-key a]\naccounts = *@a.com,*@b.com\n", 2, "names"},
	{"admin", "[token-key a]\nrights = subscribe admin\n", 2,
	 "admin: subscribe, publish and reset are allowed"},
	{"a right twice", "[token-key a]\nrights = reset reset\n", 2, "once"},
	{"a begin of a right", "[token-key a]\nrights = sub\n", 2, "sub:"},
	{"rights twice", "[token-key a]\nrights = reset\nrights = publish\n", 3,
	 "already"},
	{"no life", "[token-key a]\nlife = 0s\n", 2, "from 1s to 8760h"},
	{"too long a life", "[token-key a]\nlife = 366d\n", 2, "to 8760h"},
	{"a life without unit", "[token-key a]\nlife = 1\n", 2, "a duration"},
};

static void test_bad_ones_change_nothing(void **state)
{
	struct conf before, c;
	char place[32];
	size_t i;

	(void)state;
	conf_defaults(&before);
	before.accounts = 4711;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		c = before;
		if (parse(bad[i].text, &c) != MPP_ERR_SYNTAX)
			fail_msg("accepted: %s", bad[i].sentence);
		(void)snprintf(place, sizeof(place),
			       "x.conf:%u: ", bad[i].line);
		if (strncmp(fault.text, place, strlen(place)) != 0 ||
		    strstr(fault.text, bad[i].wrong) == NULL)
			fail_msg("%s: %s", bad[i].sentence, fault.text);
		assert_int_equal(fault.exit_code, EX_CONFIG);
		assert_memory_equal(&c, &before, sizeof(c));
	}
}

/* Nobody is named who was not written down. */
static void test_defaults(void **state)
{
	struct conf c;

	(void)state;
	assert_int_equal(parse("[token-key a]\nfile = /a\n", &c), MPP_OK);
	assert_int_equal(c.n_token_keys, 1);
	assert_string_equal(c.token_keys[0].name, "a");
	assert_string_equal(c.token_keys[0].file.s, "/a");
	assert_string_equal(c.token_keys[0].accounts, "");
	assert_int_equal(c.token_keys[0].rights, MPP_RIGHT_SUBSCRIBE);
	assert_int_equal(c.token_keys[0].life_ms, 86400000);
}

static const char whole[] = "[token-key mesh.1]\n"
			    "accounts = alice@example.com\t @bob\n"
			    "rights = publish  subscribe\n"
			    "[log]\n"
			    "level = warn\n"
			    "[token-key b_2]\n"
			    "file = /b 2.key\n"
			    "[token-key mesh.1]\n"
			    "life = 36h\n"
			    "accounts = *@Example.org\n"
			    "file = /mesh.key\n";

static void check_whole(const struct conf *c)
{
	const struct conf_token_key *k = c->token_keys;

	assert_int_equal(c->n_token_keys, 2);
	assert_string_equal(k[0].name, "mesh.1");
	assert_string_equal(k[0].file.s, "/mesh.key");
	assert_string_equal(k[0].accounts,
			    "alice@example.com @bob *@Example.org");
	assert_int_equal(k[0].rights, MPP_RIGHT_SUBSCRIBE | MPP_RIGHT_PUBLISH);
	assert_int_equal(k[0].life_ms, 129600000);
	assert_string_equal(k[1].name, "b_2");
	assert_string_equal(k[1].file.s, "/b 2.key");
	assert_int_equal(c->log_level, LOG_LEVEL_WARN);
}

static void test_what_is_printed_is_read_again(void **state)
{
	struct conf c, again;
	char *text = NULL;
	size_t n = 0;
	FILE *to = open_memstream(&text, &n);

	(void)state;
	assert_non_null(to);
	if (parse(whole, &c) != MPP_OK)
		fail_msg("%s", fault.text);
	check_whole(&c);
	conf_print(&c, to);
	assert_int_equal(fclose(to), 0);
	if (parse(text, &again) != MPP_OK)
		fail_msg("%s in\n%s", fault.text, text);
	check_whole(&again);
	assert_non_null(strstr(text, "\n[token-key mesh.1]\n"
				     "file = /mesh.key\n"
				     "accounts = alice@example.com\n"
				     "accounts = @bob\n"
				     "accounts = *@Example.org\n"
				     "rights = subscribe publish\n"
				     "life = 36h\n"));
	assert_non_null(strstr(text, "\n[token-key b_2]\n"
				     "file = /b 2.key\n"
				     "# accounts = \n"
				     "rights = subscribe\n"
				     "life = 24h\n"));
	free(text);
}

/* 15 keys, and so many accounts of one. */
static void test_limits(void **state)
{
	char text[8192];
	struct conf c;
	size_t n = 0;
	int i;

	(void)state;
	for (i = 0; i < 15; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      "[token-key k%d]\nfile = /%d\n", i, i);
	assert_int_equal(parse(text, &c), MPP_OK);
	assert_int_equal(c.n_token_keys, 15);
	(void)snprintf(text + n, sizeof(text) - n, "[token-key k15]\n");
	assert_int_equal(parse(text, &c), MPP_ERR_SYNTAX);
	assert_non_null(strstr(fault.text, "x.conf:31: "));
	assert_non_null(strstr(fault.text, "more than 15 token keys"));
	n = (size_t)snprintf(text, sizeof(text), "[token-key a]\nfile = /a\n");
	for (i = 0; i < 20; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      "accounts = " X100 "x\n");
	assert_int_equal(parse(text, &c), MPP_OK);
	assert_int_equal(strlen(c.token_keys[0].accounts), 20 * 102 - 1);
	(void)snprintf(text + n, sizeof(text) - n, "accounts = " X10 "\n");
	assert_int_equal(parse(text, &c), MPP_ERR_SYNTAX);
	assert_non_null(strstr(fault.text, "at most 2048 octets"));
	(void)snprintf(text + n, sizeof(text) - n, "accounts = 12345678\n");
	assert_int_equal(parse(text, &c), MPP_OK);
	assert_int_equal(strlen(c.token_keys[0].accounts), 2048);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_ones_change_nothing),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_what_is_printed_is_read_again),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
