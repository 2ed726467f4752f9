/* SPDX-License-Identifier: MIT */
/* test_loop_uri.c - invitations, endpoints and names. The fingerprints and
 * the secret below were computed with Python's hashlib and base64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <cmocka.h>

#include "loop/endpoint.h"
#include "loop/names.h"
#include "loop/uri.h"

#define K1 "MBGX-GGXI-QTM3-RBA3-HMKJ-FPAE-FJME-NLMJ-USJI-N2DU-2T6P-RKLT-NCXC"
#define K2 "MCPX-GXK2-ERHZ-XNQI-VZYE-VYNJ-OMCM-AIZA-R7ZO-6IAS-PNQC-L7J4-ZTQJ"
#define SECRET "AAAQEAYEAUDAOCAJBIFQYDIOB4" /* octets 0 to 15 */
#define TAIL "?k=" K1 "#" SECRET
#define A63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg"
#define A250 A63 A63 A63 A63 /* 252 */

static mpp_bytes bytes(const char *s)
{
	return (mpp_bytes){(const uint8_t *)s, strlen(s)};
}

struct row {
	const char *sentence;
	const char *uri;
	const char *wrong; /* a part of the error */
};

static const struct row refused[] = {
	{"nothing", "", "does not begin with mpp://"},
	{"another scheme", "https://h/a" TAIL, "does not begin with mpp://"},
	{"one slash", "mpp:/h/a" TAIL, "does not begin with mpp://"},
	{"only the scheme", "mpp://", "the host is missing"},
	{"a space in front", " mpp://h/a" TAIL, "space or control"},
	{"a space inside", "mpp://h/a b" TAIL, "space or control"},
	{"a line end behind", "mpp://h/a" TAIL "\n", "space or control"},
	{"a DEL", "mpp://h/a\x7f" TAIL, "space or control"},
	{"an unescaped umlaut", "mpp://h/\xc3\xa4" TAIL, "%XX"},
	{"no host", "mpp:///a" TAIL, "the host is missing"},
	{"no host but a port", "mpp://:15099/a" TAIL, "the host is missing"},
	{"a user before the host", "mpp://a@h/b" TAIL, "behind the host"},
	{"port 0", "mpp://h:0/a" TAIL, "1 to 65535"},
	{"port 65536", "mpp://h:65536/a" TAIL, "1 to 65535"},
	{"port of six digits", "mpp://h:000001/a" TAIL, "1 to 65535"},
	{"no port behind the colon", "mpp://h:/a" TAIL, "1 to 65535"},
	{"a port in words", "mpp://h:http/a" TAIL, "1 to 65535"},
	{"a negative port", "mpp://h:-1/a" TAIL, "1 to 65535"},
	{"IPv6 without brackets", "mpp://2001:db8::1/a" TAIL, "in brackets"},
	{"IPv6 cut", "mpp://[2001:db8::1/a" TAIL, "closing bracket"},
	{"a name in brackets", "mpp://[h]/a" TAIL, "not an IPv6 address"},
	{"IPv6 with a zone", "mpp://[fe80::1%25eth0]/a" TAIL,
	 "not an IPv6 address"},
	{"text behind the bracket", "mpp://[::1]x/a" TAIL, "only :PORT"},
	{"IPv4 of three numbers", "mpp://127.0.1/a" TAIL,
	 "not an IPv4 address"},
	{"IPv4 beyond 255", "mpp://127.0.0.256/a" TAIL, "not an IPv4 address"},
	{"IPv4 as one hexadecimal number", "mpp://0x7f000001/a" TAIL,
	 "not an IPv4 address"},
	{"IPv4 that ends in a hexadecimal number", "mpp://127.0.0.0X1/a" TAIL,
	 "not an IPv4 address"},
	{"IPv4 as one octal number", "mpp://017700000001/a" TAIL,
	 "not an IPv4 address"},
	{"IPv4 of two numbers and a dot", "mpp://127.1./a" TAIL,
	 "not an IPv4 address"},
	{"IPv4 with a leading zero", "mpp://0177.0.0.1/a" TAIL,
	 "not an IPv4 address"},
	{"IPv4 dressed as IPv6", "mpp://[::ffff:127.0.0.1]/a" TAIL,
	 "as an IPv4 address"},
	{"the address of all addresses", "mpp://0.0.0.0/a" TAIL,
	 "nobody's address"},
	{"the same of IPv6", "mpp://[0::0]:5/a" TAIL, "nobody's address"},
	{"a label that begins with -", "mpp://-h/a" TAIL, "not a name"},
	{"an empty label", "mpp://a..b/a" TAIL, "not a name"},
	{"a label of 64", "mpp://" A63 "x/a" TAIL, "not a name"},
	{"a host of 254", "mpp://" A63 "." A63 "." A63 "." A63 "/a" TAIL,
	 "too long"},
	{"no account", "mpp://h" TAIL, "account is missing"},
	{"an empty account", "mpp://h/" TAIL, "account is missing"},
	{"an account of two parts", "mpp://h/a/b" TAIL, "%2F"},
	{"an account of 256 octets", "mpp://h/" A250 "wxyz" TAIL,
	 "more than 255"},
	{"a NUL in the account", "mpp://h/a%00b" TAIL, "control character"},
	{"a line end in the account", "mpp://h/a%0ab" TAIL,
	 "control character"},
	{"Latin-1 in the account", "mpp://h/%e4" TAIL, "not UTF-8"},
	{"half a character", "mpp://h/a%c3" TAIL, "not UTF-8"},
	{"a % without digits", "mpp://h/a%" TAIL, "hexadecimal"},
	{"a % with one digit", "mpp://h/a%4" TAIL, "hexadecimal"},
	{"a % with a wrong digit", "mpp://h/a%4g" TAIL, "hexadecimal"},
	{"no fingerprint, as a shell cuts at &", "mpp://h/a#" SECRET,
	 "quote the whole URI"},
	{"an empty fingerprint", "mpp://h/a?k=#" SECRET, "begin with M"},
	{"k without a value", "mpp://h/a?k#" SECRET, "begin with M"},
	{"another kind of UDF", "mpp://h/a?k=N" K1 "#" SECRET, "begin with M"},
	{"a fingerprint of 255 bits",
	 "mpp://h/a?k=MBGX-GGXI-QTM3-RBA3-HMKJ-FPAE-FJME-NLMJ-USJI-N2DU-2T6P-"
	 "RKLT-NCX#" SECRET,
	 "cut short"},
	{"a fingerprint that is not Base32", "mpp://h/a?k=M0" K1 "#" SECRET,
	 "not Base32"},
	{"a fingerprint beyond 520 bits", "mpp://h/a?k=" K1 K2 "AAAA#" SECRET,
	 "too long"},
	{"five fingerprints",
	 "mpp://h/a?k=" K1 "&k=" K2 "&k=" K1 "&k=" K2 "&k=" K1 "#" SECRET,
	 "more than 4"},
	{"a wrong second endpoint", "mpp://h/a?e=x:y&k=" K1 "#" SECRET,
	 "1 to 65535"},
	{"nine endpoints",
	 "mpp://h/a?e=1.1.1.1&e=1.1.1.2&e=1.1.1.3&e=1.1.1.4&e=1.1.1.5"
	 "&e=1.1.1.6&e=1.1.1.7&e=1.1.1.8&k=" K1 "#" SECRET,
	 "more than 8"},
	{"a Web Service without https", "mpp://h/a?w=http://h&k=" K1 "#" SECRET,
	 "must begin with https://"},
	{"a Web Service that is a host", "mpp://h/a?w=h&k=" K1 "#" SECRET,
	 "begin with https://"},
	{"a Web Service with a query",
	 "mpp://h/a?w=https://h/%3Fa&k=" K1 "#" SECRET, "may hold"},
	{"five Web Services",
	 "mpp://h/a?w=https://a&w=https://b&w=https://c&w=https://d"
	 "&w=https://e&k=" K1 "#" SECRET,
	 "more than 4 URLs"},
	{"no secret", "mpp://h/a?k=" K1, "secret behind # is missing"},
	{"an empty secret", "mpp://h/a?k=" K1 "#", "is missing"},
	{"a secret of 15 octets", "mpp://h/a?k=" K1 "#AAAQEAYEAUDAOCAJBIFQYDIO",
	 "cut short"},
	{"a secret of 20 octets",
	 "mpp://h/a?k=" K1 "#AAAQEAYEAUDAOCAJBIFQYDIOB4AAAAAA", "too long"},
	{"a secret that is not Base32",
	 "mpp://h/a?k=" K1 "#AAAQEAYEAUDAOCAJBIFQYDIO!4", "mistyped"},
	{"a secret whose last digit says too much",
	 "mpp://h/a?k=" K1 "#AAAQEAYEAUDAOCAJBIFQYDIOB5", "mistyped"},
};

static void a_wrong_uri_is_refused_and_says_why(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		const struct row *r = &refused[i];
		struct loop_invitation out, before;
		mpp_loop_error e = {.text = ""};

		memset(&before, 0xa5, sizeof(before));
		out = before;
		if (loop_uri_parse(r->uri, &out, &e) != MPP_ERR_INVALID ||
		    strstr(e.text, r->wrong) == NULL)
			fail_msg("%s: said \"%s\"", r->sentence, e.text);
		assert_int_equal(e.exit_code, EX_DATAERR);
		assert_null(strstr(e.text, SECRET));
		assert_memory_equal(&out, &before, sizeof(out));
	}
}

static void a_uri_that_is_too_long_is_refused(void **state)
{
	char *uri = malloc(20001);
	struct loop_invitation out;
	mpp_loop_error e;

	(void)state;
	memset(uri, 'a', 20000);
	memcpy(uri, "mpp://", 6);
	uri[20000] = '\0';
	assert_int_equal(loop_uri_parse(uri, &out, &e), MPP_ERR_INVALID);
	assert_non_null(strstr(e.text, "too long"));
	free(uri);
}

struct good {
	const char *sentence;
	const char *uri;
	const char *account;
	const char *endpoints[3]; /* as text */
	size_t n_pins;
};

static const struct good accepted[] = {
	{"the plain form",
	 "mpp://presence.example.com:15099/alice@example.com" TAIL,
	 "alice@example.com",
	 {"presence.example.com:15099"},
	 1},
	{"no port", "mpp://h/a" TAIL, "a", {"h:15099"}, 1},
	{"a scheme in capitals", "MPP://h/a" TAIL, "a", {"h:15099"}, 1},
	{"IPv4", "mpp://192.0.2.1:1/a" TAIL, "a", {"192.0.2.1:1"}, 1},
	{"IPv6",
	 "mpp://[2001:db8::1]:65535/a" TAIL,
	 "a",
	 {"[2001:db8::1]:65535"},
	 1},
	{"IPv6 without a port", "mpp://[::1]/a" TAIL, "a", {"[::1]:15099"}, 1},
	{"a name with a final dot",
	 "mpp://h.example./a" TAIL,
	 "a",
	 {"h.example.:15099"},
	 1},
	{"more endpoints, escaped or not",
	 "mpp://h/a?e=[::1]:7&k=" K1 "&e=%5B::2%5D%3A8#" SECRET,
	 "a",
	 {"h:15099", "[::1]:7", "[::2]:8"},
	 1},
	{"two keys", "mpp://h/a?k=" K1 "&k=" K2 "#" SECRET, "a", {"h:15099"}, 2},
	{"an escaped account",
	 "mpp://h/%C3%A4%2fb%25" TAIL,
	 "\xc3\xa4/b%",
	 {"h:15099"},
	 1},
	{"parameters not known here",
	 "mpp://h/a?x=1&&y&kk=2&k=" K1 "#" SECRET,
	 "a",
	 {"h:15099"},
	 1},
	{"an account of 255 octets",
	 "mpp://h/" A250 "xyz" TAIL,
	 A250 "xyz",
	 {"h:15099"},
	 1},
};

static void a_right_uri_gives_its_parts(void **state)
{
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
		const struct good *g = &accepted[i];
		struct loop_invitation out;
		mpp_loop_error e = {.text = ""};
		char text[LOOP_ENDPOINT_TEXT];

		if (loop_uri_parse(g->uri, &out, &e) != MPP_OK)
			fail_msg("%s: said \"%s\"", g->sentence, e.text);
		assert_string_equal(out.account, g->account);
		for (j = 0; j < out.n_endpoints; j++) {
			assert_true(j < 3 && g->endpoints[j] != NULL);
			loop_endpoint_text(&out.endpoints[j], text);
			assert_string_equal(text, g->endpoints[j]);
		}
		assert_true(j == 3 || g->endpoints[j] == NULL);
		assert_int_equal(out.n_pins, g->n_pins);
		assert_string_equal(out.pins[0], K1);
		if (out.n_pins == 2)
			assert_string_equal(out.pins[1], K2);
		for (j = 0; j < sizeof(out.secret); j++)
			assert_int_equal(out.secret[j], j);
	}
}

static void a_uri_may_name_web_services(void **state)
{
	struct loop_invitation out;
	mpp_loop_error e;

	(void)state;
	assert_int_equal(
		loop_uri_parse("mpp://h/a?w=https%3A%2F%2Fweb.example&k=" K1
			       "&w=https://[::2]:8443/mpp#" SECRET,
			       &out, &e),
		MPP_OK);
	assert_int_equal(out.n_webs, 2);
	assert_string_equal(out.webs[0],
			    "https://web.example:443/.well-known/mmmpresence");
	assert_string_equal(out.webs[1], "https://[::2]:8443/mpp");
	assert_int_equal(loop_uri_parse("mpp://h/a" TAIL, &out, &e), MPP_OK);
	assert_int_equal(out.n_webs, 0);
}

static void a_secret_in_small_letters_with_hyphens_is_the_same(void **state)
{
	struct loop_invitation out;
	mpp_loop_error e;
	size_t j;

	(void)state;
	assert_int_equal(loop_uri_parse("mpp://h/a?k=" K1 "#aaaq-eaye-audaocaj"
					"bifqydiob4",
					&out, &e),
			 MPP_OK);
	for (j = 0; j < sizeof(out.secret); j++)
		assert_int_equal(out.secret[j], j);
}

static void addresses_are_written_as_people_read_them(void **state)
{
	const mpp_addr v4 = {{192, 0, 2, 7}, 80, 4, 0};
	const mpp_addr v6 = {{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0,
			      0, 0, 1},
			     15099,
			     6,
			     0};
	const mpp_addr none = {{0}, 0, 0, 0};
	char text[LOOP_ENDPOINT_TEXT];

	(void)state;
	loop_addr_text(&v4, text);
	assert_string_equal(text, "192.0.2.7:80");
	loop_addr_text(&v6, text);
	assert_string_equal(text, "[2001:db8::1]:15099");
	loop_addr_text(&none, text);
	assert_string_equal(text, "");
}

static void text_of_the_peer_cannot_steer_a_terminal(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"plain", "plain"},
		{"", ""},
		{"a\033[31mb\n\x7f", "a?[31mb??"},
		{"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
		 "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"},
		{"c1 \xc2\x9b"
		 "31m",
		 "c1 ?"
		 "?31m"},
		{"lone \xff and \xc3", "lone ? and ?"},
	};
	char out[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		loop_printable(bytes(rows[i].in), out, sizeof(out));
		assert_string_equal(out, rows[i].out);
	}
	/* Cut between characters, never inside. */
	loop_printable(bytes("ab\xe2\x82\xac"), out, 5);
	assert_string_equal(out, "ab");
	loop_printable(bytes("ab\xe2\x82\xac"), out, 6);
	assert_string_equal(out, "ab\xe2\x82\xac");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wrong_uri_is_refused_and_says_why),
		cmocka_unit_test(a_uri_that_is_too_long_is_refused),
		cmocka_unit_test(a_right_uri_gives_its_parts),
		cmocka_unit_test(a_uri_may_name_web_services),
		cmocka_unit_test(
			a_secret_in_small_letters_with_hyphens_is_the_same),
		cmocka_unit_test(addresses_are_written_as_people_read_them),
		cmocka_unit_test(text_of_the_peer_cannot_steer_a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
