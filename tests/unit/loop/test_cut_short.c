/* SPDX-License-Identifier: MIT */
/* Parsers of text whose input ends anywhere and has any octet anywhere: each
 * gets a copy of exactly its length on the heap, so that a read behind the end
 * does not go unseen by the sanitizers of the build. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mpp/jsonbcd.h>
#include <mpp/udf.h>

#include "conf/conf.h"
#include "host/addr.h"
#include "loop/uri.h"

static bool reads_conf(const char *text, size_t len)
{
	static struct conf c;
	struct fault f;

	return conf_parse((mpp_bytes){(const uint8_t *)text, len}, "x.conf", &c,
			  &f) == MPP_OK;
}

static bool reads_uri(const char *text, size_t len)
{
	static struct loop_invitation v;
	mpp_loop_error e;

	(void)len;
	return loop_uri_parse(text, &v, &e) == MPP_OK;
}

static bool reads_address(const char *text, size_t len)
{
	mpp_addr a;

	(void)len;
	return addr_wrong(text, &a) == NULL;
}

static bool reads_endpoint(const char *text, size_t len)
{
	char out[ADDR_ENDPOINT];

	(void)len;
	return addr_endpoint_wrong(text, out) == NULL;
}

static bool reads_fingerprint(const char *text, size_t len)
{
	static const uint8_t udf[MPP_UDF_LEN] = {96};

	return mpp_udf_match(udf, (mpp_bytes){(const uint8_t *)text, len},
			     100) == MPP_OK;
}

static bool reads_base32(const char *text, size_t len)
{
	uint8_t room[64];
	mpp_buf out = {room, sizeof(room), 0};

	return mpp_base32_decode((mpp_bytes){(const uint8_t *)text, len},
				 &out) == MPP_OK;
}

#define K1 "MBGX-GGXI-QTM3-RBA3-HMKJ-FPAE-FJME-NLMJ-USJI-N2DU-2T6P-RKLT-NCXC"

/* prefixes: how many of all prefixes, the whole included, are good too. */
static const struct parser {
	const char *what;
	bool (*reads)(const char *text, size_t len);
	bool terminated; /* a string, with a NUL that belongs to it */
	const char *text;
	size_t prefixes;
} parsers[] = {
	{"a configuration", reads_conf, false,
	 "# of a test\n[service]\nlisten = 127.0.0.1:5 [::1]\n"
	 "endpoint = presence.example.com:15099\nalways-challenge = yes\n"
	 "lease = 30s\n\n[limits]\naccounts = 12\nstore-size = 2G\n"
	 "[log]\nlevel = warn\n",
	 0},
	{"an invitation", reads_uri, true,
	 "mpp://[2001:db8::1]:15099/al%69ce@example.com?k=" K1
	 "&e=host.example:7#AAAQEAYEAUDAOCAJBIFQYDIOB4",
	 1},
	{"an IPv6 address", reads_address, true, "[2001:db8::a:1]:15099", 0},
	{"an endpoint", reads_endpoint, true, "presence.example.com:15099", 0},
	{"a fingerprint", reads_fingerprint, false,
	 "MAAA-AAAA-AAAA-AAAA-AAAA-AAAA-AAAA", 0},
	{"Base32", reads_base32, false, "AAAQEAYEAUDAOCAJBIFQYDIOB4", 0},
};

enum { PARSERS = sizeof(parsers) / sizeof(parsers[0]) };

static bool reads_copy(const struct parser *p, const char *text, size_t len)
{
	char *copy = malloc(len + p->terminated + (len == 0));
	bool good;

	assert_non_null(copy);
	memcpy(copy, text, len);
	if (p->terminated)
		copy[len] = '\0';
	good = p->reads(copy, len);
	free(copy);
	return good;
}

/* Whatever it ends with: nothing is read behind it, and only the whole is what
 * it is, where a part of it is nothing else. */
static void text_that_ends_anywhere(void **state)
{
	size_t i, n, good;

	(void)state;
	for (i = 0; i < PARSERS; i++) {
		const struct parser *p = &parsers[i];
		const size_t len = strlen(p->text);

		for (n = good = 0; n <= len; n++)
			good += reads_copy(p, p->text, n);
		if (!reads_copy(p, p->text, len))
			fail_msg("%s is refused whole", p->what);
		if (good >= len || (p->prefixes != 0 && good != p->prefixes))
			fail_msg("%s: %zu prefixes are good", p->what, good);
	}
}

static void any_octet_anywhere(void **state)
{
	char text[512];
	size_t i, n, refused;
	unsigned octet;

	(void)state;
	for (i = 0; i < PARSERS; i++) {
		const struct parser *p = &parsers[i];
		const size_t len = strlen(p->text);

		assert_true(len < sizeof(text));
		for (n = refused = 0; n < len; n++) {
			for (octet = 1; octet < 256; octet++) {
				memcpy(text, p->text, len);
				text[n] = (char)octet;
				refused += !reads_copy(p, text, len);
			}
		}
		if (refused < 20 * len)
			fail_msg("%s: only %zu are refused", p->what, refused);
	}
}

/* ---- JSON and JSON-B ---- */

/* Strings whose length, and numbers whose digits, lie behind the end. */
static const struct announced {
	const char *what;
	uint8_t p[16];
	size_t len;
} announced[] = {
	// clang-format off
	{"a string of 5, of which 4 are there", {0x80, 5, 'a', 'b', 'c', 'd'}, 6},
	{"a string of 65535", {0x81, 0xff, 0xff, 'a'}, 4},
	{"a string of 2^32 - 1", {0x82, 255, 255, 255, 255, 'a'}, 6},
	{"a string of 2^64 - 1",
	 {0x83, 255, 255, 255, 255, 255, 255, 255, 255, 'a'}, 10},
	{"data of 2^64 - 1",
	 {0x8b, 255, 255, 255, 255, 255, 255, 255, 255, 'a'}, 10},
	{"a length that is cut", {0x82, 0, 0}, 3},
	{"a number of 8 octets, of which 7 are there",
	 {0xa3, 1, 2, 3, 4, 5, 6, 7}, 8},
	{"a text without an end", {'"', 'a', 'b'}, 3},
	{"an escape without its end", {'"', 'a', '\\'}, 3},
	{"half of a \\u", {'"', '\\', 'u', '0', '0'}, 5},
	{"half a character", {'"', 0xc3}, 2},
	{"a minus alone", {'-'}, 1},
	// clang-format on
};

static mpp_err read_value(const uint8_t *p, size_t len)
{
	uint8_t *copy = malloc(len);
	mpp_json_reader r;
	mpp_json_item item;
	mpp_err err = MPP_OK;

	assert_non_null(copy);
	memcpy(copy, p, len);
	mpp_json_reader_init(&r, (mpp_bytes){copy, len});
	do {
		err = mpp_json_next(&r, &item);
	} while (err == MPP_OK && item.kind != MPP_JSON_END);
	free(copy);
	return err;
}

static void lengths_behind_the_end(void **state)
{
	static const uint8_t good[] = {0x80, 4, 'a', 'b', 'c', 'd'};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(announced) / sizeof(announced[0]); i++) {
		if (read_value(announced[i].p, announced[i].len) == MPP_OK)
			fail_msg("%s", announced[i].what);
	}
	assert_int_equal(read_value(good, sizeof(good)), MPP_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_that_ends_anywhere),
		cmocka_unit_test(any_octet_anywhere),
		cmocka_unit_test(lengths_behind_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
