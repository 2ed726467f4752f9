/* SPDX-License-Identifier: MIT */
/* test_conf.c - configurations, good and bad. Each bad one is refused on the
 * right line, says what is allowed, and changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/alternate.h"
#include "conf/items.h"

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
	{"a Web Service without TLS",
	 "[web]\nlisten = 127.0.0.1:8 192.0.2.1:8\n", 2,
	 "beyond this machine without TLS; say certificate and key, or "
	 "behind-proxy = yes"},
	{"the same of IPv6", "[web]\nlisten = [2001:db8::1]:8\n", 2,
	 "without TLS"},
	{"a certificate without its key", "[web]\ncertificate = /a\n", 2,
	 "certificate and key go together"},
	{"a key without its certificate", "[web]\n\nkey = /a\n", 3,
	 "certificate and key go together"},
	{"a relative certificate", "[web]\ncertificate = a\n", 2,
	 "such as /etc/mppd/cert.pem"},
	{"a proxy with a port", "[web]\ntrust-forwarded = 127.0.0.1:80\n", 2,
	 "a list of IP addresses"},
	{"a proxy with brackets", "[web]\ntrust-forwarded = [::1]\n", 2,
	 "brackets"},
	{"a proxy by its name", "[web]\ntrust-forwarded = ::1 proxy\n", 2,
	 "proxy: "},
	{"a proxy twice", "[web]\ntrust-forwarded = ::1 0::1\n", 2, "twice"},
	{"a URL that is none", "[web]\nurl = h.example\n", 2, "not https://"},
	{"a URL without a host", "[web]\nurl = https:///a\n", 2, "https:///a"},
	{"a URL with a query", "[web]\nurl = https://h.example/a?b\n", 2,
	 "other characters"},
	{"a URL with a user", "[web]\nurl = https://u@h.example\n", 2,
	 "neither a name nor"},
	{"five URLs",
	 "[web]\nurl = https://a https://b https://c https://d "
	 "https://e\n",
	 2, "more than 4"},
	{"an unknown section", "[service]\n[servcie]\n", 2,
	 "unknown section [servcie]; [service], [web], [limits], "},
	{"a section in capitals", "[Service]\n", 1, "unknown section"},
	{"an empty section", "[]\n", 1, "unknown section"},
	{"a section with blanks", "[ log ]\n", 1, "unknown section"},
	{"a section that does not end", "[service\n", 1, "[name]"},
	{"text behind a section", "[log] level = info\n", 1, "[name]"},
	{"a comment behind a section", "[log] ; that\n", 1, "[name]"},
	{"one bracket", "[\n", 1, "[name]"},
	{"a bracket in a section", "[a]b]\n", 1, "unknown section"},
	{"an item before any section", "\n\nlevel = info\n", 3,
	 "before any section"},
	{"an unknown item", "[service]\nlisten = 1.2.3.4\nlistn = 1.2.3.4\n", 3,
	 "unknown item listn in [service]; allowed are listen, endpoint"},
	{"an item of another section", "[log]\naccounts = 5\n", 2,
	 "accounts stands in [log]; it belongs into [limits]"},
	{"an item twice", "[limits]\naccounts = 5\n\naccounts = 6\n", 4,
	 "stands on line 2 already"},
	{"an item twice in two sections of one name",
	 "[log]\nlevel = info\n[limits]\n[log]\nlevel = info\n", 5,
	 "stands on line 2 already"},
	{"no '='", "[log]\nlevel\n", 2, "no '=' in \"level\""},
	{"a colon for '='", "[log]\nlevel: info\n", 2, "no '='"},
	{"a colon before '='", "[log]\nlevel: x = info\n", 2, "unknown item"},
	{"no name", "[log]\n= info\n", 2, "no name before '='"},
	{"no value", "[log]\nlevel =\n", 2, "nothing behind '='"},
	{"a value of blanks", "[log]\nlevel = \t \n", 2, "nothing behind '='"},
	{"a comment behind a value", "[log]\nlevel = info ; really\n", 2,
	 "a comment needs a line of its own"},
	{"another comment behind a value", "[log]\nlevel = info\t# really\n", 2,
	 "a comment needs a line of its own"},
	{"a comment for a value, at once",
	 "[token-key mesh]\nfile = /a\naccounts =;alice\n", 3,
	 "a comment needs a line of its own"},
	{"a comment for a value", "[log]\nlevel = ; info\n", 2,
	 "a comment needs a line of its own"},
	{"a value that goes on, indented",
	 "[service]\nlisten = 1.2.3.4\n  5.6.7.8\n", 3, "no '='"},
	{"an address that goes on, indented",
	 "[service]\nlisten = 1.2.3.4\n  [::1]:5\n", 3, "[name]"},
	{"a line of 191 octets",
	 "[service]\n# " X100 X10 X10 X10 X10 X10 X10 X10 X10 "xxxxxxxxx\n", 2,
	 "a line of 191 octets; at most 190"},
	{"a very long value", "[service]\nstate = /" X100 X100 X100 "\n", 2,
	 "a line of 309 octets"},
	{"not UTF-8", "[service]\n\n# caf\xe9\n", 3, "not UTF-8"},
	{"UTF-8 cut at the end of a line", "[service]\n# \xe2\x82\n", 2,
	 "not UTF-8"},
	{"a surrogate", "# \xed\xa0\x80\n", 1, "not UTF-8"},
	{"a byte order mark", "\xef\xbb\xbf[service]\n", 1, "byte order mark"},
	{"a control character",
	 "[log]\nlevel = in\x01"
	 "fo\n",
	 2, "control character 0x01"},
	{"an escape in a comment", "# \x1b[31m\n", 1, "control character 0x1b"},
	{"DEL", "# \x7f\n", 1, "control character 0x7f"},
	{"CR within a line", "[log]\rlevel = info\n", 1,
	 "control character 0x0d"},
	{"a level that is none", "[log]\nlevel = verbose\n", 2,
	 "level = verbose; error, warn, info or debug"},
	{"a level in capitals", "[log]\nlevel = INFO\n", 2,
	 "error, warn, info or debug"},
	{"true for yes", "[service]\nalways-challenge = true\n", 2,
	 "yes or no"},
	{"a duration without a unit", "[service]\nlease = 60\n", 2,
	 "lease = 60; a duration such as 250ms, 10s, 5m, 1h or 1d from 1s to "
	 "24h"},
	{"a duration in weeks", "[service]\nlease = 1w\n", 2, "a duration"},
	{"too many days", "[service]\nlease = 2d\n", 2, "to 24h"},
	{"a duration with a blank", "[service]\nlease = 60 s\n", 2,
	 "a duration"},
	{"a negative duration", "[service]\nlease = -60s\n", 2, "a duration"},
	{"a duration with a point", "[service]\nlease = 1.5m\n", 2,
	 "a duration"},
	{"a duration below the range", "[service]\nlease = 999ms\n", 2,
	 "from 1s"},
	{"a duration above the range", "[service]\nlease = 25h\n", 2, "to 24h"},
	{"a duration that wraps round", "[service]\nidle = 5124095576031h\n", 2,
	 "from 1s to 168h"},
	{"a duration of many digits", "[service]\nidle = 00000000000001h\n", 2,
	 "from 1s to 168h"},
	{"a lease below the shortest", "[service]\nlease = 5s\n", 2,
	 "lease-min <= lease <= lease-max"},
	{"a shortest lease above the lease",
	 "[service]\nlease = 20s\nlease-max = 30s\nlease-min = 25s\n[log]\n", 4,
	 "lease is 20s with lease-min 25s and lease-max 30s"},
	{"a longest lease below the default lease",
	 "[service]\nlease-max = 30s\n", 2, "lease is 60s"},
	{"a number with a unit", "[limits]\naccounts = 1k\n", 2,
	 "accounts = 1k; a number from 1 to 268435455"},
	{"a hexadecimal number", "[limits]\naccounts = 0x10\n", 2, "a number"},
	{"zero of something", "[limits]\naccounts = 0\n", 2, "from 1"},
	{"one too many", "[limits]\noperations = 1048576\n", 2, "to 1048575"},
	{"too many stores of an account",
	 "[limits]\nstores-per-account = 129\n", 2, "to 128"},
	{"a size too small", "[limits]\nstore-size = 1023k\n", 2,
	 "a size such as 64k, 16M or 1G from 1M to 1024G"},
	{"a size too large", "[limits]\nstore-size = 1025G\n", 2, "to 1024G"},
	{"a size in small letters", "[limits]\nstore-size = 1g\n", 2, "a size"},
	{"a size that wraps round", "[limits]\nstore-size = 9999999999999G\n",
	 2, "to 1024G"},
	{"a relative path", "[service]\nstate = var/mppd\n", 2,
	 "a path from the root"},
	{"the root", "[service]\nstate = /\n", 2, "a path from the root"},
	{"a path that ends in '/'", "[service]\nstate = /var/mppd/\n", 2,
	 "a path from the root"},
	{"a socket's path of 108 octets",
	 "[service]\ncontrol = /" X100 "1234567\n", 2, "at most 107 octets"},
	{"a group with a colon", "[service]\ncontrol-group = a:b\n", 2,
	 "letters, digits"},
	{"a group that looks like an option", "[service]\ncontrol-group = -x\n",
	 2, "letters, digits"},
	{"a name to listen on", "[service]\nlisten = localhost:5\n", 2,
	 "localhost:5: not an IP address; a list of ADDRESS:PORT"},
	{"the second of two addresses is wrong",
	 "[service]\nlisten = 127.0.0.1:5 127.0.0.1:0\n", 2,
	 "127.0.0.1:0: a port is a number"},
	{"addresses with a comma", "[service]\nlisten = 1.2.3.4:5, 1.2.3.5\n",
	 2, "1 to 65535"},
	{"an address twice", "[service]\nlisten = [::1] [0::1]:15099\n", 2,
	 "[0::1]:15099: it stands there twice"},
	{"17 addresses",
	 "[service]\nlisten = 1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4 1.1.1.5 "
	 "1.1.1.6 1.1.1.7 1.1.1.8 1.1.1.9 1.1.1.10 1.1.1.11 1.1.1.12 "
	 "1.1.1.13 1.1.1.14 1.1.1.15 1.1.1.16 1.1.1.17\n",
	 2, "1.1.1.17: more than 16 addresses"},
	{"an endpoint with a path", "[service]\nendpoint = h:5/x\n", 2,
	 "h:5/x: a port is a number"},
	{"an endpoint that is none", "[service]\nendpoint = a..b\n", 2,
	 "neither a name nor an IP address"},
	{"9 endpoints", "[service]\nendpoint = a b c d e f g h i\n", 2,
	 "i: more than 8 endpoints"},
	{"an alternate on the same address",
	 "[service]\nlisten = 192.0.2.1:5 [2001:db8::1]:5\n[stun]\nalternate = "
	 "192.0.2.1:6\n",
	 4, "alternate 192.0.2.1:6: the address that [service] listen has"},
	{"an alternate on the same port",
	 "[service]\nlisten = 192.0.2.1:5 [2001:db8::1]:5\n[stun]\nalternate = "
	 "192.0.2.2:5\n",
	 4, "the port that [service] listen has"},
	{"two alternates of a family",
	 "[service]\nlisten = 192.0.2.1:5 [2001:db8::1]:5\n[stun]\nalternate = "
	 "192.0.2.2:6 192.0.2.3:6\n",
	 4, "alternate 192.0.2.3:6: a second one of its family"},
	{"a wildcard as alternate",
	 "[service]\nlisten = 192.0.2.1:5 [2001:db8::1]:5\n[stun]\nalternate = "
	 "[2001:db8::2]:6 0.0.0.0:6\n",
	 4, "alternate 0.0.0.0:6: a wildcard"},
	{"an alternate that is no address",
	 "[service]\nlisten = 192.0.2.1:5 [2001:db8::1]:5\n[stun]\nalternate = "
	 "example.com:6\n",
	 4, "not an IP address"},
	{"no rate",
	 "[service]\nlisten = 192.0.2.1:5 "
	 "[2001:db8::1]:5\n[stun]\naddress-rate = 0\n",
	 4, "a number from 1 to 100000"},
	{"STUN half on",
	 "[service]\nlisten = 192.0.2.1:5 [2001:db8::1]:5\n[stun]\nenabled = "
	 "maybe\n",
	 4, "yes or no"},
	{"an alternate beside a wildcard", "[stun]\nalternate = 192.0.2.2:6\n",
	 2, "[service] listen has a wildcard"},
	{"an alternate of another family",
	 "[stun]\nalternate = [::1]:6\n[service]\nlisten = 127.0.0.1:5\n", 2,
	 "has no address of this family"},
	{"a socket of the alternate that is listened on",
	 "[service]\nlisten = 192.0.2.1:5 192.0.2.2:5\n[stun]\n"
	 "alternate = 192.0.2.2:6\n",
	 4, "leave them out in [service] listen"},
	{"an alternate beside fourteen addresses",
	 "[service]\nlisten = 1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4 1.1.1.5 "
	 "1.1.1.6 1.1.1.7 1.1.1.8 1.1.1.9 1.1.1.10 1.1.1.11 1.1.1.12 "
	 "1.1.1.13 1.1.1.14\n[stun]\nalternate = 1.2.1.1:6\n",
	 4, "more than there can be"},
	{"a resolver by its name", "[dns]\nforward = dns.example\n", 2,
	 "dns.example: not an IP address; a list such as"},
	{"a resolver in brackets", "[dns]\nforward = [2001:db8::1]@53\n", 2,
	 "not an IP address"},
	{"a resolver at no port", "[dns]\nforward = 192.0.2.1@0\n", 2,
	 "no port from 1 to 65535"},
	{"a resolver at a port and more", "[dns]\nforward = 192.0.2.1@53x\n", 2,
	 "no port from 1 to 65535"},
	{"a resolver with a name that is none",
	 "[dns]\ntls = yes\nforward = 192.0.2.1#a..b\n", 3,
	 "no host name behind '#'"},
	{"a resolver with an empty name",
	 "[dns]\ntls = yes\nforward = 192.0.2.1#\n", 3,
	 "no host name behind '#'"},
	{"5 resolvers",
	 "[dns]\nforward = 1.1.1.1, 1.1.1.2,1.1.1.3 1.1.1.4 1.1.1.5\n", 2,
	 "1.1.1.5: more than 4 resolvers"},
	{"a resolver twice", "[dns]\nforward = ::1@53, 0::1@53\n", 2,
	 "0::1@53: it stands there twice"},
	{"TLS without resolvers", "[dns]\ntls = yes\n", 2,
	 "tls = yes needs forward"},
	{"TLS without a name", "[dns]\nforward = 192.0.2.1\ntls = yes\n", 2,
	 "needs the #NAME"},
	{"a name without TLS", "[dns]\nforward = 192.0.2.1#a.example\n", 2,
	 "a #NAME in forward needs tls = yes"},
	{"a stub without a zone", "[dns]\nstub = 192.0.2.1\n", 2,
	 "no zone before '='"},
	{"a stub without a server", "[dns]\nstub = corp.example=\n", 2,
	 "not an IP address"},
	{"a stub with a name", "[dns]\nstub = a.example=192.0.2.1#b\n", 2,
	 "without TLS, so no '#'"},
	{"a zone that is none", "[dns]\nprivate-ok = a..b\n", 2,
	 "a..b: not the name of a zone"},
	{"a zone with a quote", "[dns]\ninsecure = a\"b\n", 2,
	 "not the name of a zone"},
	{"17 zones", "[dns]\ninsecure = a b c d e f g h i j k l m n o p q\n", 2,
	 "q: more than 16 zones"},
	{"a deadline of no time", "[dns]\ndeadline = 99ms\n", 2, "from 100ms"},
	{"the first of two mistakes is said",
	 "[log]\nlevel = loud\nlisten = x\n", 2, "level = loud"},
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
	assert_true(i >= 40);
}

static void test_a_nul_is_refused(void **state)
{
	static const uint8_t text[] = "[log]\nlevel = info\0\n";
	struct conf c;

	(void)state;
	assert_int_equal(conf_parse((mpp_bytes){text, sizeof(text) - 1},
				    "x.conf", &c, &fault),
			 MPP_ERR_SYNTAX);
	assert_non_null(strstr(fault.text, "x.conf:2: control character"));
}

static void test_defaults(void **state)
{
	char room[CONF_VALUE];
	struct conf c;

	(void)state;
	assert_int_equal(parse("", &c), MPP_OK);
	conf_value_text(&c, &conf_rows[CONF_listen], room);
	assert_string_equal(room, "0.0.0.0:15099 [::]:15099");
	assert_int_equal(c.endpoint.n, 0);
	assert_string_equal(c.state.s, "/var/lib/mppd");
	assert_string_equal(c.control.s, "/run/mppd/control.sock");
	assert_string_equal(c.control_group.s, "");
	assert_int_equal(c.always_challenge, 0);
	assert_int_equal(c.lease_ms, 60000);
	assert_int_equal(c.lease_min_ms, 10000);
	assert_int_equal(c.lease_max_ms, 3600000);
	assert_int_equal(c.idle_ms, 3600000);
	assert_int_equal(c.bindings, 1024);
	assert_int_equal(c.stores_per_account, 128);
	assert_int_equal(c.store_size, 1073741824);
	assert_int_equal(c.log_level, LOG_LEVEL_INFO);
	assert_int_equal(c.token_life_ms, UINT64_C(2592000000));
	assert_int_equal(c.line[CONF_lease_ms], 0);
	assert_int_equal(c.n_token_keys, 0);
	assert_int_equal(parse("[service]\ntoken-life = 2d\n", &c), MPP_OK);
	assert_int_equal(c.token_life_ms, 172800000);
}

static void test_the_four_sockets(void **state)
{
	static const mpp_addr want[2][4] = {
		{{{192, 0, 2, 1}, 5, 4, 0},
		 {{192, 0, 2, 1}, 6, 4, 0},
		 {{192, 0, 2, 2}, 5, 4, 0},
		 {{192, 0, 2, 2}, 6, 4, 0}},
		{{{0x20, 1, 0xd, 0xb8, [15] = 1}, 15099, 6, 0},
		 {{0x20, 1, 0xd, 0xb8, [15] = 1}, 7, 6, 0},
		 {{0x20, 1, 0xd, 0xb8, [15] = 2}, 15099, 6, 0},
		 {{0x20, 1, 0xd, 0xb8, [15] = 2}, 7, 6, 0}},
	};
	struct conf_four four;
	struct conf c;
	size_t i;

	(void)state;
	if (parse("[stun]\nalternate = 192.0.2.2:6 [2001:db8::2]:7\n[service]\n"
		  "listen = 192.0.2.1:5 192.0.2.9:9 [2001:db8::1]\n",
		  &c) != MPP_OK)
		fail_msg("%s", fault.text);
	for (i = 0; i < 2; i++) {
		assert_null(conf_four_wrong(&c, i, &four));
		assert_memory_equal(four.at, want[i], sizeof(four.at));
		assert_int_equal(four.listen, 2 * i);
	}
}

static const char whole[] =
	"# all of it, in an odd order and dress\r\n"
	"; another comment = [x]\n"
	"[log]\n"
	"level=debug\n"
	"\n"
	"[service]\n"
	"  listen  =  192.0.2.1:5\t[2001:db8::1]  \n"
	"endpoint = presence.example.com [2001:db8::1]:7 192.0.2.1\n"
	"state = /srv/mppd state; with odd=name\n"
	"control = /run/x.sock\n"
	"control-group = adm\n"
	"always-challenge = yes\r\n"
	"lease = 1500ms\n"
	"lease-min = 1s\n"
	"lease-max = 2m\n"
	"idle = 168h\n"
	"[limits]\n"
	"bindings = 1\n"
	"store-size = 64M\n"
	"[service]"; /* again, and without a line end */

static void check_whole(const struct conf *c)
{
	static const mpp_addr at[2] = {
		{{192, 0, 2, 1}, 5, 4, 0},
		{{0x20, 0x01, 0x0d, 0xb8, [15] = 1}, 15099, 6, 0},
	};

	assert_int_equal(c->listen.n, 2);
	assert_memory_equal(c->listen.at, at, sizeof(at));
	assert_int_equal(c->endpoint.n, 3);
	assert_string_equal(c->endpoint.at[0], "presence.example.com:15099");
	assert_string_equal(c->endpoint.at[1], "[2001:db8::1]:7");
	assert_string_equal(c->endpoint.at[2], "192.0.2.1:15099");
	assert_string_equal(c->state.s, "/srv/mppd state; with odd=name");
	assert_string_equal(c->control.s, "/run/x.sock");
	assert_string_equal(c->control_group.s, "adm");
	assert_int_equal(c->always_challenge, 1);
	assert_int_equal(c->lease_ms, 1500);
	assert_int_equal(c->lease_max_ms, 120000);
	assert_int_equal(c->idle_ms, 604800000);
	assert_int_equal(c->bindings, 1);
	assert_int_equal(c->accounts, 256);
	assert_int_equal(c->store_size, 67108864);
	assert_int_equal(c->log_level, LOG_LEVEL_DEBUG);
}

static void test_a_whole_one(void **state)
{
	struct conf c;

	(void)state;
	if (parse(whole, &c) != MPP_OK)
		fail_msg("%s", fault.text);
	check_whole(&c);
	assert_int_equal(c.line[CONF_log_level], 4);
	assert_int_equal(c.line[CONF_store_size], 19);
}

/* What dns_open() is told, also after printing and reading it again. */
static void test_resolvers_and_zones(void **state)
{
	static const char text[] =
		"[dns]\nforward = 192.0.2.1#a.example,2001:db8::1@8853#b\n"
		"tls = yes\nstub = corp.example=10.0.0.1@5353, "
		"corp.example.=::1\n"
		"insecure = corp.example\nprivate-ok = . , home.arpa\n"
		"deadline = 2s\n";
	struct dns_config d;
	struct conf c;
	char *printed = NULL;
	size_t n = 0;
	FILE *to = open_memstream(&printed, &n);

	(void)state;
	assert_non_null(to);
	assert_int_equal(parse(text, &c), MPP_OK);
	conf_print(&c, to);
	assert_int_equal(fclose(to), 0);
	assert_non_null(strstr(printed, "\nforward = 192.0.2.1#a.example "
					"2001:db8::1@8853#b\n"));
	assert_non_null(strstr(printed, "\nstub = corp.example=10.0.0.1@5353 "
					"corp.example=::1\n"));
	assert_int_equal(parse(printed, &c), MPP_OK);
	conf_dns(&c, &d);
	assert_int_equal(d.forward.n, 2);
	assert_int_equal(d.forward.at[0].addr.port, 0);
	assert_string_equal(d.forward.at[0].name, "a.example");
	assert_int_equal(d.forward.at[1].addr.port, 8853);
	assert_int_equal(d.forward.at[1].addr.family, 6);
	assert_true(d.tls);
	assert_int_equal(d.stub.n, 2);
	assert_int_equal(d.stub.at[0].server.addr.port, 5353);
	assert_int_equal(d.insecure.n, 1);
	assert_int_equal(d.private_ok.n, 2);
	assert_int_equal(d.private_ok.at[0].len, 1);
	assert_int_equal(d.deadline_ms, 2000);
	assert_int_equal(d.outstanding, 10000);
	assert_string_equal(d.trust_anchor, "/usr/share/dns/root.key");
	free(printed);
}

static void test_what_is_printed_is_read_again(void **state)
{
	struct conf c, again;
	char *text = NULL;
	size_t n = 0;
	FILE *to = open_memstream(&text, &n);

	(void)state;
	assert_non_null(to);
	assert_int_equal(parse(whole, &c), MPP_OK);
	conf_print(&c, to);
	assert_int_equal(fclose(to), 0);
	if (parse(text, &again) != MPP_OK)
		fail_msg("%s in\n%s", fault.text, text);
	check_whole(&again);
	assert_non_null(strstr(text, "\nlease = 1500ms\n"));
	assert_non_null(strstr(text, "\nlease-max = 2m\n"));
	assert_non_null(strstr(text, "\nstore-size = 64M\n"));
	free(text);
}

/* The longest line there may be is still read whole. */
static void test_the_longest_line(void **state)
{
	static const char text[] =
		"[service]\nstate = /" X100 X10 X10 X10 X10 X10 X10 X10
		"xxxxxxxxx\n";
	struct conf c;

	(void)state;
	assert_int_equal(parse(text, &c), MPP_OK);
	assert_int_equal(strlen(c.state.s), 180);
	assert_int_equal(
		parse("[service]\n# " X100 X10 X10 X10 X10 X10 X10 X10 X10
		      "xxxxxxxx\n",
		      &c),
		MPP_OK);
}

static char path[] = "/tmp/mpp-conf-XXXXXX";

static void write_file(const char *text, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void test_files(void **state)
{
	static char large[CONF_FILE + 1];
	const int fd = mkstemp(path);
	struct conf c;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
	write_file(whole, sizeof(whole) - 1);
	assert_int_equal(conf_load(path, &c, &fault), MPP_OK);
	check_whole(&c);

	memset(large, '\n', sizeof(large));
	write_file(large, CONF_FILE);
	assert_int_equal(conf_load(path, &c, &fault), MPP_OK);
	write_file(large, CONF_FILE + 1);
	assert_int_equal(conf_load(path, &c, &fault), MPP_ERR_SYNTAX);
	assert_non_null(strstr(fault.text, "longer than 65536"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(conf_load(path, &c, &fault), MPP_ERR_NOTFOUND);
	assert_int_equal(fault.exit_code, EX_CONFIG);
	assert_int_equal(conf_load("/tmp", &c, &fault), MPP_ERR_IO);
	assert_non_null(strstr(fault.text, "directory"));
}

static void test_the_group_must_exist(void **state)
{
	struct conf c;

	(void)state;
	assert_int_equal(parse("[service]\ncontrol-group = root\n", &c),
			 MPP_OK);
	assert_int_equal(conf_check_machine(&c, "x.conf", &fault), MPP_OK);
	assert_int_equal(parse("[service]\n\ncontrol-group = nosuchgroup\n",
			       &c),
			 MPP_OK);
	assert_int_equal(conf_check_machine(&c, "x.conf", &fault),
			 MPP_ERR_NOTFOUND);
	assert_non_null(strstr(fault.text, "x.conf:3: control-group = nosuch"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_ones_change_nothing),
		cmocka_unit_test(test_a_nul_is_refused),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_the_four_sockets),
		cmocka_unit_test(test_a_whole_one),
		cmocka_unit_test(test_resolvers_and_zones),
		cmocka_unit_test(test_what_is_printed_is_read_again),
		cmocka_unit_test(test_the_longest_line),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_the_group_must_exist),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
