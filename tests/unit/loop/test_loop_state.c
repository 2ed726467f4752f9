/* SPDX-License-Identifier: MIT */
/* test_loop_state.c - the state of a device on disk: what is read, what is
 * refused, and what a crash, a full disk or a second process cannot do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "loop/state.h"

#define K1 "MBGX-GGXI-QTM3-RBA3-HMKJ-FPAE-FJME-NLMJ-USJI-N2DU-2T6P-RKLT-NCXC"
#define DEVICE_KEY "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA" /* 1..32 */
#define KEY_448                                                               \
	"AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8wMTI" \
	"zNDU2Nzg" /* 1..56 */
#define WEB "https://web.example.com:443/.well-known/mmmpresence"
#define SERVICE_KEY "QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8" /* 64..95 */
#define NETWORK_KEY "gIGCg4SFhoeIiYqLjI2Oj5CRkpOUlZaXmJmam5ydnp8" /* 128.. */

/* Written by hand; the binary values by Python's base64. */
static const char whole[] =
	"{\"Version\":1,\"Account\":\"alice@example.com\",\"Suite\":1,"
	"\"DeviceKey\":\"" DEVICE_KEY "\",\"Instance\":\"oKGio6Slpqc\","
	"\"Timestamp\":1767225600123,"
	"\"Endpoints\":[\"p.example.com:15099\",\"[::1]:7\"],"
	"\"Fingerprints\":[\"" K1 "\"],"
	"\"Web\":[\"" WEB "\",\"https://[::2]:8443/mpp\"],"
	"\"ServiceKey\":{\"Suite\":1,\"Key\":\"" SERVICE_KEY "\"},"
	"\"Invitation\":\"AAECAwQFBgcICQoLDA0ODw\","
	"\"Keepalive\":{\"Key\":\"" NETWORK_KEY "\",\"Learnt\":["
	"{\"Network\":\"sLGys7S1trc\",\"Low\":56000,\"High\":61068},"
	"{\"Network\":\"wMHCw8TFxsc\",\"Low\":450000}]}}\n";

enum { FIRST_TIMESTAMP = 1000 };

static mpp_bytes bytes(const char *s)
{
	return (mpp_bytes){(const uint8_t *)s, strlen(s)};
}

static char root[64]; /* a directory of this run, removed at the end */
static char dir[96];  /* DIR of one case */

static const char *in_dir(const char *name)
{
	static char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static int make_root(void **state)
{
	(void)state;
	(void)snprintf(root, sizeof(root), "/tmp/mpp-state-XXXXXX");
	return mkdtemp(root) == NULL ? -1 : 0;
}

static int remove_root(void **state)
{
	char command[96];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

/* Each case has a directory of its own, not made yet. */
static int next_dir(void **state)
{
	static int number;

	(void)state;
	(void)snprintf(dir, sizeof(dir), "%s/%d", root, number++);
	return 0;
}

static void write_file(const char *name, const char *text, size_t len,
		       mode_t mode)
{
	const int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	(void)close(fd);
}

static size_t read_file(const char *name, char *out, size_t cap)
{
	const int fd = open(in_dir(name), O_RDONLY);
	ssize_t n;

	assert_true(fd >= 0);
	n = read(fd, out, cap);
	assert_true(n >= 0);
	(void)close(fd);
	return (size_t)n;
}

static struct loop_state sample(void)
{
	struct loop_state s;
	const char *wrong;

	assert_int_equal(loop_state_decode(bytes(whole), &s, &wrong), MPP_OK);
	s.timestamp_ms = FIRST_TIMESTAMP;
	return s;
}

static void put_sample(void)
{
	const struct loop_state s = sample();
	mpp_loop_error e = {.text = ""};

	if (loop_state_put(dir, &s, &e) != MPP_OK)
		fail_msg("%s", e.text);
}

static uint64_t stored_timestamp(void)
{
	struct loop_state s;
	mpp_loop_error e = {.text = ""};

	if (loop_state_load(dir, &s, &e) != MPP_OK)
		fail_msg("%s", e.text);
	return s.timestamp_ms;
}

static mpp_err raise_to(uint64_t timestamp_ms, mpp_loop_error *e)
{
	static const uint8_t instance[] = {0xa0, 0xa1, 0xa2, 0xa3,
					   0xa4, 0xa5, 0xa6, 0xa7};
	const struct loop_raise raise = {.timestamp_ms = timestamp_ms};

	return loop_state_raise(dir, instance, &raise, e);
}

/* --- the document --- */

static void a_document_gives_its_members(void **state)
{
	struct loop_state s;
	const char *wrong;
	size_t i;

	(void)state;
	assert_int_equal(loop_state_decode(bytes(whole), &s, &wrong), MPP_OK);
	assert_string_equal(s.account, "alice@example.com");
	assert_int_equal(s.suite, MPP_SUITE_25519);
	for (i = 0; i < 32; i++) {
		assert_int_equal(s.device_secret[i], i + 1);
		assert_int_equal(s.service_key[i], 64 + i);
	}
	for (i = 0; i < 8; i++)
		assert_int_equal(s.instance[i], 0xa0 + i);
	assert_true(s.timestamp_ms == UINT64_C(1767225600123));
	assert_int_equal(s.n_endpoints, 2);
	assert_string_equal(s.endpoints[0].host, "p.example.com");
	assert_int_equal(s.endpoints[0].port, 15099);
	assert_string_equal(s.endpoints[1].host, "::1");
	assert_int_equal(s.endpoints[1].port, 7);
	assert_int_equal(s.n_pins, 1);
	assert_string_equal(s.pins[0], K1);
	assert_int_equal(s.n_webs, 2);
	assert_string_equal(s.webs[0], WEB);
	assert_string_equal(s.webs[1], "https://[::2]:8443/mpp");
	assert_int_equal(s.service_suite, MPP_SUITE_25519);
	assert_true(s.pending);
	for (i = 0; i < 16; i++)
		assert_int_equal(s.invitation[i], i);
	for (i = 0; i < LOOP_NETWORK_KEY_LEN; i++)
		assert_int_equal(s.network_key[i], 128 + i);
	for (i = 0; i < MPP_NETWORK_LEN; i++) {
		assert_int_equal(s.learnt[0].network[i], 0xb0 + i);
		assert_int_equal(s.learnt[1].network[i], 0xc0 + i);
	}
	assert_int_equal(s.learnt[0].low_ms, 56000);
	assert_int_equal(s.learnt[0].high_ms, 61068);
	assert_int_equal(s.learnt[1].low_ms, 450000);
	assert_int_equal(s.learnt[1].high_ms, 0);
	for (i = 0; i < MPP_NETWORK_LEN; i++)
		assert_int_equal(s.learnt[2].network[i], 0);
}

/* A file of before that was kept: all as it was, nothing learnt. */
static void a_document_may_know_no_networks(void **state)
{
	const char *at = strstr(whole, ",\"Keepalive\"");
	struct loop_state s;
	const char *wrong;
	char text[2048];

	(void)state;
	(void)snprintf(text, sizeof(text), "%.*s}", (int)(at - whole), whole);
	assert_int_equal(loop_state_decode(bytes(text), &s, &wrong), MPP_OK);
	assert_string_equal(s.account, "alice@example.com");
	assert_int_equal(s.learnt[0].low_ms, 0);
}

static void a_document_is_written_as_it_was_read(void **state)
{
	uint8_t room[LOOP_STATE_MAX];
	mpp_buf buf = {room, sizeof(room), 0};
	struct loop_state s, again;
	const char *wrong;
	char compact[sizeof(whole)];
	size_t i, n = 0;

	(void)state;
	assert_int_equal(loop_state_decode(bytes(whole), &s, &wrong), MPP_OK);
	assert_int_equal(loop_state_encode(&s, &buf), MPP_OK);
	assert_int_equal(loop_state_decode((mpp_bytes){buf.p, buf.len}, &again,
					   &wrong),
			 MPP_OK);
	assert_memory_equal(&s, &again, sizeof(s));
	/* But for white space, which no value here holds, it is the same. */
	for (i = 0; i < buf.len; i++) {
		if (room[i] != ' ' && room[i] != '\n') {
			assert_true(n < sizeof(compact) - 2);
			compact[n++] = (char)room[i];
		}
	}
	assert_int_equal(n, sizeof(whole) - 2);
	assert_memory_equal(compact, whole, n);
}

static const char by_name[] =
	"{\"Version\":1,\"Account\":\"alice@example.com\",\"Suite\":1,"
	"\"DeviceKey\":\"" DEVICE_KEY "\",\"Instance\":\"oKGio6Slpqc\","
	"\"Timestamp\":1767225600123,\"Endpoints\":[],"
	"\"Fingerprints\":[\"MBGX-GGXI-QTM3-RBA3-HMKJ-FPAE-FJME\"],"
	"\"Domain\":\"example.com\","
	"\"Discovered\":[\"a.example.com:15099\",\"b.example.com:7\"]}";

static void a_domain_may_stand_in_the_place_of_endpoints(void **state)
{
	uint8_t room[LOOP_STATE_MAX];
	mpp_buf buf = {room, sizeof(room), 0};
	struct loop_state s, again;
	const char *wrong;

	(void)state;
	assert_int_equal(loop_state_decode(bytes(by_name), &s, &wrong), MPP_OK);
	assert_string_equal(s.domain, "example.com");
	assert_int_equal(s.n_found, 2);
	assert_string_equal(s.found[0].host, "a.example.com");
	assert_int_equal(s.found[1].port, 7);
	assert_int_equal(s.n_endpoints, 0);
	assert_int_equal(loop_state_encode(&s, &buf), MPP_OK);
	assert_int_equal(loop_state_decode((mpp_bytes){buf.p, buf.len}, &again,
					   &wrong),
			 MPP_OK);
	assert_memory_equal(&s, &again, sizeof(s));
	s.domain[0] = '\0';
	s.n_found = 0;
	buf.len = 0;
	assert_int_equal(loop_state_encode(&s, &buf), MPP_OK);
	assert_int_equal(loop_state_decode((mpp_bytes){buf.p, buf.len}, &again,
					   &wrong),
			 MPP_ERR_SYNTAX);
	assert_string_equal(wrong, "it names no endpoint");
}

/* What is kept: the rest of the file may be another process's. */
static void what_a_domain_says_is_raised_alone(void **state)
{
	struct loop_state said = sample(), s;
	const struct loop_raise raise = {.discovered = &said};
	mpp_loop_error e = {.text = ""};

	(void)state;
	put_sample();
	memset(said.account, 0, sizeof(said.account));
	said.n_found = 1;
	(void)snprintf(said.found[0].host, sizeof(said.found[0].host), "new");
	said.found[0].port = 9;
	said.n_webs = 0;
	s = sample();
	(void)snprintf(s.domain, sizeof(s.domain), "example.com");
	assert_int_equal(loop_state_put(dir, &s, &e), MPP_OK);
	assert_int_equal(loop_state_raise(dir, s.instance, &raise, &e), MPP_OK);
	assert_int_equal(loop_state_load(dir, &s, &e), MPP_OK);
	assert_string_equal(s.account, "alice@example.com");
	assert_int_equal(s.n_found, 1);
	assert_string_equal(s.found[0].host, "new");
	assert_int_equal(s.n_webs, 2); /* without URLs they stay */
	said.n_webs = 1;
	assert_int_equal(loop_state_raise(dir, s.instance, &raise, &e), MPP_OK);
	assert_int_equal(loop_state_load(dir, &s, &e), MPP_OK);
	assert_int_equal(s.n_webs, 1);
}

static void the_biggest_document_can_be_written_and_read(void **state)
{
	uint8_t room[LOOP_STATE_MAX];
	mpp_buf buf = {room, sizeof(room), 0};
	struct loop_state s = sample(), again;
	const char *wrong;
	size_t i, j;

	(void)state;
	memset(s.account, '"', MPP_ACCOUNT_MAX);
	s.account[MPP_ACCOUNT_MAX] = '\0';
	s.timestamp_ms = UINT64_MAX;
	s.n_endpoints = LOOP_ENDPOINTS_MAX;
	for (i = 0; i < LOOP_ENDPOINTS_MAX; i++) {
		memset(&s.endpoints[i], 0, sizeof(s.endpoints[i]));
		for (j = 0; j < LOOP_HOST_MAX; j++)
			s.endpoints[i].host[j] = j % 64 == 63 ? '.' : 'a';
		s.endpoints[i].port = 65535;
	}
	memcpy(s.domain, s.endpoints[0].host,
	       LOOP_HOST_MAX - strlen("_mmmpresence._udp."));
	s.n_found = ZONE_TARGETS_MAX;
	for (i = 0; i < ZONE_TARGETS_MAX; i++)
		s.found[i] = s.endpoints[0];
	s.n_webs = LOOP_WEBS_MAX;
	memset(s.webs, 0, sizeof(s.webs));
	for (i = 0; i < LOOP_WEBS_MAX; i++) {
		j = (size_t)snprintf(s.webs[i], LOOP_WEB_TEXT,
				     "https://%s:65535/", s.endpoints[0].host);
		memset(s.webs[i] + j, 'a', LOOP_WEB_PATH_MAX - 1);
	}
	s.n_pins = MPP_PINS_MAX;
	for (i = 0; i < MPP_PINS_MAX; i++) {
		memset(s.pins[i], 0, sizeof(s.pins[i]));
		memset(s.pins[i], 'M', 104);
	}
	for (i = 0; i < MPP_NETWORKS_MAX; i++) {
		memset(&s.learnt[i], 0xff, sizeof(s.learnt[i]));
		s.learnt[i].network[0] = (uint8_t)i;
	}
	assert_int_equal(loop_state_encode(&s, &buf), MPP_OK);
	assert_int_equal(loop_state_decode((mpp_bytes){buf.p, buf.len}, &again,
					   &wrong),
			 MPP_OK);
	assert_memory_equal(&s, &again, sizeof(s));
}

/* The whole document with one passage replaced. */
struct row {
	const char *sentence;
	const char *from, *to;
	const char *wrong; /* a part of what is said */
};

#define N "{\"Network\":\"sLGys7S1trc\",\"Low\":1},"

static const struct row malformed[] = {
	{"version 2", "\"Version\":1", "\"Version\":2", "Version is not 1"},
	{"version as text", "\"Version\":1", "\"Version\":\"1\"",
	 "Version is not 1"},
	{"no version", "\"Version\":1,", "", "a member is missing"},
	{"no account", "\"Account\":\"alice@example.com\",", "",
	 "a member is missing"},
	{"an empty account", "alice@example.com", "", "account is missing"},
	{"an account that is a number", "\"alice@example.com\"", "7",
	 "Account is not"},
	{"a NUL in the account", "alice@", "alice\\u0000@", "Account is not"},
	{"a line end in the account", "alice@", "alice\\n@",
	 "control character"},
	{"half a surrogate", "alice@", "alice\\ud800@", "not JSON"},
	{"Latin-1", "alice@", "alic\xe9@", "not JSON"},
	{"suite 3", "\"Suite\":1,\"Dev", "\"Suite\":3,\"Dev", "Suite is not"},
	{"suite -1", "\"Suite\":1,\"Dev", "\"Suite\":-1,\"Dev", "Suite is not"},
	{"suite 1.0", "\"Suite\":1,\"Dev", "\"Suite\":1.0,\"Dev",
	 "Suite is not"},
	{"the other suite", "\"Suite\":1,\"Dev", "\"Suite\":2,\"Dev",
	 "does not fit Suite"},
	{"a key of the other suite", DEVICE_KEY, KEY_448, "does not fit Suite"},
	{"a key cut by an octet", "GRobHB0eHyA\",\"Ins", "GRobHB0eHw\",\"Ins",
	 "does not fit Suite"},
	{"an empty key", DEVICE_KEY, "", "DeviceKey is not a key"},
	{"a key of zeros", DEVICE_KEY,
	 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	 "DeviceKey is not a key"},
	{"a key beyond 56 octets", DEVICE_KEY, KEY_448 "AAAA",
	 "DeviceKey is not a key"},
	{"a key that is not base64url", DEVICE_KEY, "!" DEVICE_KEY,
	 "DeviceKey is not a key"},
	{"a key that is null", "\"" DEVICE_KEY "\"", "null",
	 "DeviceKey is not a key"},
	{"a key as list", "\"" DEVICE_KEY "\"", "[1]",
	 "DeviceKey is not a key"},
	{"an instance of 7 octets", "oKGio6Slpqc", "oKGio6Slpg",
	 "Instance is not"},
	{"an instance of 9 octets", "oKGio6Slpqc", "oKGio6SlpqcA",
	 "Instance is not"},
	{"a negative timestamp", "1767225600123", "-1", "Timestamp is not"},
	{"a timestamp beyond 64 bits", "1767225600123", "18446744073709551616",
	 "Timestamp is not"},
	{"a timestamp with a fraction", "1767225600123", "1.5",
	 "Timestamp is not"},
	{"no endpoint", "\"p.example.com:15099\",\"[::1]:7\"", "",
	 "names no endpoint"},
	{"an endpoint that is none", "p.example.com:15099", "p.example.com:0",
	 "Endpoints is not"},
	{"an endpoint that is a number", "\"p.example.com:15099\"", "15099",
	 "Endpoints is not"},
	{"endpoints within endpoints", "\"p.example.com:15099\"", "[\"h\"]",
	 "Endpoints is not"},
	{"endpoints as text", "[\"p.example.com:15099\",\"[::1]:7\"]", "\"h\"",
	 "Endpoints is not"},
	{"nine endpoints", "\"[::1]:7\"",
	 "\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\"", "Endpoints is not"},
	{"a fingerprint cut short", "E-FJME-NLMJ-USJI-N2DU-2T6P-RKLT-NCXC", "",
	 "Fingerprints is not"},
	{"five fingerprints", "[\"" K1 "\"]",
	 "[\"" K1 "\",\"" K1 "\",\"" K1 "\",\"" K1 "\",\"" K1 "\"]",
	 "Fingerprints is not"},
	{"fingerprints as object", "[\"" K1 "\"]", "{}", "Fingerprints is not"},
	{"no fingerprints", "\"Fingerprints\":[\"" K1 "\"],", "",
	 "a member is missing"},
	{"an address as domain", "\"Web\":[", "\"Domain\":\"::1\",\"Web\":[",
	 "Domain is not"},
	{"a domain with a port", "\"Web\":[", "\"Domain\":\"a.b:1\",\"Web\":[",
	 "Domain is not"},
	{"discovered without a domain", "\"Web\":[",
	 "\"Discovered\":[\"a:1\"],\"Web\":[", "without Domain"},
	{"discovered as text", "\"Web\":[",
	 "\"Domain\":\"a.b\",\"Discovered\":\"a:1\",\"Web\":[",
	 "Discovered is not"},
	{"discovered in vain", "\"Web\":[",
	 "\"Domain\":\"a.b\",\"Discovered\":[\"a:0\"],\"Web\":[",
	 "Discovered is not"},
	{"a URL without https", "https://[::2]", "http://[::2]", "Web is not"},
	{"five URLs", "\"" WEB "\"",
	 "\"" WEB "\",\"" WEB "\",\"" WEB "\",\"" WEB "\"", "Web is not"},
	{"URLs as text", "[\"" WEB "\",\"https://[::2]:8443/mpp\"]", "\"x\"",
	 "Web is not"},
	{"a service key without its suite", "\"Suite\":1,\"Key\"", "\"Key\"",
	 "a member is missing"},
	{"a service key without key", ",\"Key\":\"" SERVICE_KEY "\"", "",
	 "a member is missing"},
	{"a service key of the other suite", "\"Suite\":1,\"Key\"",
	 "\"Suite\":2,\"Key\"", "does not fit its Suite"},
	{"a service key as text", "{\"Suite\":1,\"Key\":\"" SERVICE_KEY "\"}",
	 "\"x\"", "not an object"},
	{"an invitation of 15 octets", "AAECAwQFBgcICQoLDA0ODw",
	 "AAECAwQFBgcICQoLDA0O", "Invitation is not"},
	{"networks as text", "{\"Key\":\"" NETWORK_KEY "\",", "7,\"x\":{",
	 "Keepalive is not"},
	{"a network key of 31 octets", NETWORK_KEY,
	 "gIGCg4SFhoeIiYqLjI2Oj5CRkpOUlZaXmJmam5ydng", "Keepalive.Key is not"},
	{"a network key of zeros", NETWORK_KEY,
	 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "Keepalive.Key is not"},
	{"no network key", "\"Key\":\"" NETWORK_KEY "\",", "",
	 "a member is missing"},
	{"a network of 7 octets", "sLGys7S1trc", "sLGys7S1tg",
	 "Keepalive.Learnt.Network is not"},
	{"a network of zeros", "sLGys7S1trc", "AAAAAAAAAAA",
	 "Keepalive.Learnt.Network is not"},
	{"a network without name", "\"Network\":\"sLGys7S1trc\",", "",
	 "a member is missing"},
	{"a network without a time", "\"Low\":56000,", "",
	 "a member is missing"},
	{"a negative silence", "56000", "-1", "Keepalive.Learnt.Low is not"},
	{"a silence beyond 32 bits", "61068", "4294967296",
	 "Keepalive.Learnt.High is not"},
	{"a list of numbers",
	 "[{\"Network\":\"sLGys7S1trc\",\"Low\":56000,"
	 "\"High\":61068},",
	 "[5,", "Keepalive.Learnt is not"},
	{"nine networks",
	 "[{\"Network\":\"sLGys7S1trc\",\"Low\":56000,"
	 "\"High\":61068},",
	 "[" N N N N N N N N, "Keepalive.Learnt is not"},
	{"a member twice", "\"Version\":1", "\"Version\":1,\"Version\":1",
	 "twice"},
	{"a member of a later version", "\"Version\":1",
	 "\"Version\":1,\"Lease\":5", "not known here"},
	{"a member in small letters", "\"Account\"", "\"account\"",
	 "not known here"},
	{"something behind it", "}\n", "}x", "follows behind"},
	{"a NUL behind it", "}\n", "}\x01", "follows behind"},
	{"two documents", "}\n", "}{}", "follows behind"},
	{"a comma too many", "\"Version\":1", "\"Version\":1,", "not JSON"},
	{"a list", "{\"Version\"", "[{\"Version\"", "not an object"},
	{"a binary boolean", "\"Suite\":1,\"Dev", "\"Suite\":\xa0\x01,\"Dev",
	 "not JSON text"},
};

static void replace(const struct row *r, char *out, size_t cap)
{
	const char *at = strstr(whole, r->from);

	assert_non_null(at);
	assert_true(strlen(whole) + strlen(r->to) < cap);
	(void)snprintf(out, cap, "%.*s%s%s", (int)(at - whole), whole, r->to,
		       at + strlen(r->from));
}

static void a_malformed_document_is_refused(void **state)
{
	struct loop_state before, s;
	char text[2048];
	const char *wrong;
	size_t i;

	(void)state;
	memset(&before, 0xa5, sizeof(before));
	for (i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		s = before;
		replace(&malformed[i], text, sizeof(text));
		if (loop_state_decode(bytes(text), &s, &wrong) !=
			    MPP_ERR_SYNTAX ||
		    strstr(wrong, malformed[i].wrong) == NULL)
			fail_msg("%s: said \"%s\"", malformed[i].sentence,
				 wrong == NULL ? "nothing" : wrong);
		assert_memory_equal(&s, &before, sizeof(s));
	}
}

static void no_part_of_a_document_is_a_document(void **state)
{
	struct loop_state s;
	const char *wrong;
	size_t n;

	(void)state;
	for (n = 0; n < sizeof(whole) - 2; n++)
		assert_int_equal(
			loop_state_decode((mpp_bytes){bytes(whole).p, n}, &s,
					  &wrong),
			MPP_ERR_SYNTAX);
	/* Only the line end may be missing. */
	assert_int_equal(loop_state_decode((mpp_bytes){bytes(whole).p, n}, &s,
					   &wrong),
			 MPP_OK);
}

/* --- the file --- */

static void a_file_is_private_and_its_directory_too(void **state)
{
	char deep[128];
	struct stat st;
	mpp_loop_error e;
	const struct loop_state s = sample();
	const mode_t before = umask(0);

	(void)state;
	(void)snprintf(deep, sizeof(deep), "%s/a/b", dir);
	assert_int_equal(loop_state_put(deep, &s, &e), MPP_OK);
	(void)umask(before);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(deep, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(in_dir("a/b/device.json"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(access(in_dir("a/b/device.json.new"), F_OK), -1);
}

static void without_a_file_the_device_is_not_enrolled(void **state)
{
	struct loop_state s;
	mpp_loop_error e;

	(void)state;
	assert_int_equal(loop_state_load(dir, &s, &e), MPP_ERR_NOTFOUND);
	assert_int_equal(e.exit_code, EX_NOINPUT);
	assert_int_equal(raise_to(5000, &e), MPP_ERR_NOTFOUND);
	assert_int_equal(access(dir, F_OK), -1);
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(loop_state_load(dir, &s, &e), MPP_ERR_NOTFOUND);
	assert_int_equal(raise_to(5000, &e), MPP_ERR_NOTFOUND);
	assert_int_equal(access(in_dir("device.json"), F_OK), -1);
	put_sample();
	assert_int_equal(loop_state_load(dir, &s, &e), MPP_OK);
}

/* Whatever is refused stands there afterwards as before. */
static void assert_refused(const char *sentence, int exit_code)
{
	char before[LOOP_STATE_MAX + 8], after[LOOP_STATE_MAX + 8];
	const size_t n = read_file("device.json", before, sizeof(before));
	const struct loop_state ours = sample();
	struct loop_state s;
	mpp_loop_error e = {.text = ""};

	if (loop_state_load(dir, &s, &e) != MPP_ERR_SYNTAX ||
	    e.exit_code != exit_code)
		fail_msg("%s: load said %d \"%s\"", sentence, e.exit_code,
			 e.text);
	if (raise_to(9000, &e) != MPP_ERR_SYNTAX)
		fail_msg("%s: raise said \"%s\"", sentence, e.text);
	if (loop_state_put(dir, &ours, &e) != MPP_ERR_SYNTAX)
		fail_msg("%s: put said \"%s\"", sentence, e.text);
	assert_int_equal(read_file("device.json", after, sizeof(after)), n);
	assert_memory_equal(before, after, n);
}

static void a_damaged_file_is_refused_and_left_as_it_is(void **state)
{
	static char big[LOOP_STATE_MAX + 1];
	char text[2048];
	size_t i;

	(void)state;
	assert_int_equal(mkdir(dir, 0700), 0);
	for (i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		replace(&malformed[i], text, sizeof(text));
		write_file("device.json", text, strlen(text), 0600);
		assert_refused(malformed[i].sentence, EX_DATAERR);
	}
	write_file("device.json", "", 0, 0600);
	assert_refused("an empty file", EX_DATAERR);
	memset(big, ' ', sizeof(big));
	memcpy(big, whole, strlen(whole));
	write_file("device.json", big, sizeof(big), 0600);
	assert_refused("a file that is too big", EX_NOPERM);
	write_file("device.json", big, sizeof(big) - 1, 0600);
	assert_true(stored_timestamp() == UINT64_C(1767225600123));
}

static void a_file_open_to_others_is_refused(void **state)
{
	static const mode_t modes[] = {0640, 0604, 0620, 0602, 0610, 0666};
	char sentence[32];
	size_t i;

	(void)state;
	put_sample();
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		assert_int_equal(chmod(in_dir("device.json"), modes[i]), 0);
		(void)snprintf(sentence, sizeof(sentence), "mode %04o",
			       modes[i]);
		assert_refused(sentence, EX_NOPERM);
	}
	assert_int_equal(chmod(in_dir("device.json"), 0600), 0);
	assert_true(stored_timestamp() == FIRST_TIMESTAMP);
}

static void a_file_of_another_user_is_refused(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	put_sample();
	assert_int_equal(chown(in_dir("device.json"), 65534, 65534), 0);
	assert_refused("another's file", EX_NOPERM);
	assert_int_equal(chown(in_dir("device.json"), 0, 0), 0);
	assert_true(stored_timestamp() == FIRST_TIMESTAMP);
}

static void what_is_not_a_plain_file_is_refused(void **state)
{
	struct loop_state s;
	char other[256];
	mpp_loop_error e;

	(void)state;
	put_sample();
	(void)snprintf(other, sizeof(other), "%s", in_dir("other"));
	assert_int_equal(rename(in_dir("device.json"), other), 0);
	assert_int_equal(symlink(other, in_dir("device.json")), 0);
	assert_refused("a symbolic link", EX_NOPERM);
	assert_int_equal(unlink(in_dir("device.json")), 0);
	assert_int_equal(mkfifo(in_dir("device.json"), 0600), 0);
	assert_int_equal(loop_state_load(dir, &s, &e), MPP_ERR_SYNTAX);
	assert_int_equal(unlink(in_dir("device.json")), 0);
	assert_int_equal(mkdir(in_dir("device.json"), 0700), 0);
	assert_int_equal(loop_state_load(dir, &s, &e), MPP_ERR_SYNTAX);
}

static void raising_changes_only_what_it_names(void **state)
{
	static const uint8_t key[32] = {7, 7, 7};
	struct loop_state before = sample(), after;
	struct loop_raise raise = {.timestamp_ms = 2000};
	mpp_loop_error e;

	(void)state;
	put_sample();
	assert_int_equal(loop_state_raise(dir, before.instance, &raise, &e),
			 MPP_OK);
	before.timestamp_ms = 2000;
	assert_int_equal(loop_state_load(dir, &after, &e), MPP_OK);
	assert_memory_equal(&before, &after, sizeof(before));

	raise = (struct loop_raise){.timestamp_ms = 1500,
				    .service_suite = MPP_SUITE_25519,
				    .service_key = key};
	assert_int_equal(loop_state_raise(dir, before.instance, &raise, &e),
			 MPP_OK);
	memcpy(before.service_key, key, sizeof(key));
	assert_int_equal(loop_state_load(dir, &after, &e), MPP_OK);
	assert_memory_equal(&before, &after, sizeof(before));

	memset(before.learnt, 0, sizeof(before.learnt));
	before.learnt[0] = (mpp_client_learnt){{1}, 28000, 30000};
	before.network_key[0] = 1;
	raise = (struct loop_raise){.learnt = before.learnt,
				    .network_key = before.network_key};
	assert_int_equal(loop_state_raise(dir, before.instance, &raise, &e),
			 MPP_OK);
	assert_int_equal(loop_state_load(dir, &after, &e), MPP_OK);
	assert_memory_equal(&before, &after, sizeof(before));

	/* Whoever writes all of it wrote what it knew long ago. */
	put_sample();
	assert_int_equal(loop_state_load(dir, &after, &e), MPP_OK);
	assert_memory_equal(before.learnt, after.learnt, sizeof(after.learnt));
	assert_int_equal(after.network_key[0], 1);
}

static void the_file_of_another_enrolment_is_left_alone(void **state)
{
	struct loop_state other = sample();
	mpp_loop_error e;

	(void)state;
	other.instance[0] ^= 1;
	assert_int_equal(loop_state_put(dir, &other, &e), MPP_OK);
	assert_int_equal(raise_to(9000, &e), MPP_ERR_EXISTS);
	other.instance[0] ^= 1;
	assert_int_equal(loop_state_put(dir, &other, &e), MPP_ERR_EXISTS);
	assert_true(stored_timestamp() == FIRST_TIMESTAMP);
}

static void putting_never_lowers_the_timestamp(void **state)
{
	mpp_loop_error e;

	(void)state;
	put_sample();
	assert_int_equal(raise_to(7000, &e), MPP_OK);
	put_sample();
	assert_true(stored_timestamp() == 7000);
}

static void what_a_killed_process_left_is_no_obstacle(void **state)
{
	mpp_loop_error e;

	(void)state;
	put_sample();
	write_file("device.json.new", "half a docu", 11, 0666);
	assert_int_equal(raise_to(2000, &e), MPP_OK);
	assert_true(stored_timestamp() == 2000);
	assert_int_equal(access(in_dir("device.json.new"), F_OK), -1);
}

static void a_lock_that_is_held_is_an_error_in_the_end(void **state)
{
	mpp_loop_error e;
	int fd;

	(void)state;
	put_sample();
	fd = open(in_dir("device.lock"), O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(raise_to(2000, &e), MPP_ERR_IO);
	assert_int_equal(e.exit_code, EX_TEMPFAIL);
	assert_true(stored_timestamp() == FIRST_TIMESTAMP);
	assert_int_equal(close(fd), 0);
	assert_int_equal(raise_to(2000, &e), MPP_OK);
}

/* --- crashes --- */

/* Save ever higher timestamps and tell each that is saved, until killed. */
static void save_for_ever(int out, uint64_t timestamp_ms)
{
	mpp_loop_error e;

	for (;;) {
		timestamp_ms++;
		if (raise_to(timestamp_ms, &e) != MPP_OK)
			_exit(1);
		if (write(out, &timestamp_ms, sizeof(timestamp_ms)) !=
		    sizeof(timestamp_ms))
			_exit(2);
	}
}

/* The last timestamp that a killed child told. */
static uint64_t last_told(int in, uint64_t before)
{
	uint64_t told = before, value;

	while (read(in, &value, sizeof(value)) == sizeof(value))
		told = value;
	return told;
}

static void a_process_killed_while_saving_loses_nothing(void **state)
{
	uint64_t least = FIRST_TIMESTAMP, stored;
	int pipes[2], status, i;
	pid_t child;

	(void)state;
	put_sample();
	for (i = 0; i < 40; i++) {
		const struct timespec time = {0, (5 + i % 20) * 1000000 +
							 i * 7919};

		assert_int_equal(pipe(pipes), 0);
		child = fork();
		assert_true(child >= 0);
		if (child == 0)
			save_for_ever(pipes[1], stored_timestamp());
		(void)close(pipes[1]);
		/* However slow the machine is, it is in the midst of it. */
		assert_int_equal(read(pipes[0], &least, sizeof(least)),
				 sizeof(least));
		(void)nanosleep(&time, NULL);
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		least = last_told(pipes[0], least);
		(void)close(pipes[0]);
		stored = stored_timestamp();
		assert_true(stored >= least);
		least = stored;
	}
	/* The control: it did save in every round. */
	assert_true(least >= FIRST_TIMESTAMP + 40);
}

/* --- two processes --- */

static void raise_all(uint64_t from, uint64_t to, uint64_t step)
{
	mpp_loop_error e;

	for (; from <= to; from += step) {
		if (raise_to(from, &e) != MPP_OK)
			_exit(1);
	}
	_exit(0);
}

static void two_processes_at_once_end_with_the_highest(void **state)
{
	enum { LAST = FIRST_TIMESTAMP + 400 };
	pid_t up, twice;
	int status;

	(void)state;
	put_sample();
	up = fork();
	if (up == 0)
		raise_all(FIRST_TIMESTAMP + 1, LAST, 1);
	twice = fork();
	if (twice == 0)
		raise_all(FIRST_TIMESTAMP + 2, LAST - 300, 1);
	assert_int_equal(waitpid(up, &status, 0), up);
	assert_int_equal(status, 0);
	assert_int_equal(waitpid(twice, &status, 0), twice);
	assert_int_equal(status, 0);
	assert_true(stored_timestamp() == LAST);
}

static void two_processes_keep_what_the_other_wrote(void **state)
{
	static const uint8_t key[32] = {9, 9, 9};
	const struct loop_raise raise = {.timestamp_ms = 1,
					 .service_suite = MPP_SUITE_25519,
					 .service_key = key};
	struct loop_state s;
	mpp_loop_error e;
	pid_t child;
	int status, i;

	(void)state;
	put_sample();
	child = fork();
	if (child == 0)
		raise_all(FIRST_TIMESTAMP + 1, FIRST_TIMESTAMP + 200, 1);
	for (i = 0; i < 200; i++)
		assert_int_equal(loop_state_raise(dir, sample().instance,
						  &raise, &e),
				 MPP_OK);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(loop_state_load(dir, &s, &e), MPP_OK);
	assert_true(s.timestamp_ms == FIRST_TIMESTAMP + 200);
	assert_memory_equal(s.service_key, key, sizeof(key));
}

/* --- a full disk --- */

enum { SKIPPED = 77 };

/* Inside a child: 0, or the number of what went wrong. */
static int fill_the_disk(void)
{
	static char block[4096];
	mpp_loop_error e = {.text = ""};
	int fd;

	if (unshare(CLONE_NEWNS) != 0 || mkdir(dir, 0700) != 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", dir, "tmpfs", 0, "size=16k,mode=0700") != 0)
		return SKIPPED;
	put_sample();
	fd = open(in_dir("ballast"), O_WRONLY | O_CREAT, 0600);
	while (write(fd, block, sizeof(block)) > 0)
		continue;
	if (errno != ENOSPC)
		return 1;
	if (raise_to(2000, &e) != MPP_ERR_IO || e.exit_code != EX_IOERR)
		return 2;
	if (strstr(e.text, "No space left") == NULL ||
	    strstr(e.text, "nothing was changed") == NULL)
		return 3;
	if (stored_timestamp() != FIRST_TIMESTAMP)
		return 4;
	if (access(in_dir("device.json.new"), F_OK) == 0)
		return 5;
	if (unlink(in_dir("ballast")) != 0 || close(fd) != 0)
		return 6;
	return raise_to(2000, &e) == MPP_OK && stored_timestamp() == 2000 ? 0
									  : 7;
}

static void a_full_disk_is_an_error_and_loses_nothing(void **state)
{
	int status;
	pid_t child = fork();

	(void)state;
	if (child == 0)
		_exit(fill_the_disk());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == SKIPPED)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* The same wherever mounting is not allowed: a limit on the size of files. */
static void a_write_cut_in_the_middle_loses_nothing(void **state)
{
	struct rlimit before, tight;
	mpp_loop_error e = {.text = ""};
	mpp_err err;

	(void)state;
	put_sample();
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	tight = (struct rlimit){300, before.rlim_max};
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	err = raise_to(2000, &e);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	(void)signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(err, MPP_ERR_IO);
	assert_int_equal(e.exit_code, EX_IOERR);
	assert_true(stored_timestamp() == FIRST_TIMESTAMP);
	assert_int_equal(access(in_dir("device.json.new"), F_OK), -1);
	assert_int_equal(raise_to(2000, &e), MPP_OK);
}

static void a_place_that_cannot_be_made_is_an_error(void **state)
{
	const struct loop_state s = sample();
	mpp_loop_error e;

	(void)state;
	assert_int_equal(loop_state_put("/dev/null/x", &s, &e), MPP_ERR_IO);
	assert_int_equal(e.exit_code, EX_CANTCREAT);
	assert_int_equal(loop_state_put("", &s, &e), MPP_ERR_IO);
	assert_int_equal(e.exit_code, EX_CANTCREAT);
}

#define CASE(f) cmocka_unit_test_setup(f, next_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_document_gives_its_members),
		CASE(a_document_may_know_no_networks),
		CASE(a_document_is_written_as_it_was_read),
		CASE(the_biggest_document_can_be_written_and_read),
		CASE(a_domain_may_stand_in_the_place_of_endpoints),
		CASE(what_a_domain_says_is_raised_alone),
		CASE(a_malformed_document_is_refused),
		CASE(no_part_of_a_document_is_a_document),
		CASE(a_file_is_private_and_its_directory_too),
		CASE(without_a_file_the_device_is_not_enrolled),
		CASE(a_damaged_file_is_refused_and_left_as_it_is),
		CASE(a_file_open_to_others_is_refused),
		CASE(a_file_of_another_user_is_refused),
		CASE(what_is_not_a_plain_file_is_refused),
		CASE(raising_changes_only_what_it_names),
		CASE(the_file_of_another_enrolment_is_left_alone),
		CASE(putting_never_lowers_the_timestamp),
		CASE(what_a_killed_process_left_is_no_obstacle),
		CASE(a_lock_that_is_held_is_an_error_in_the_end),
		CASE(a_process_killed_while_saving_loses_nothing),
		CASE(two_processes_at_once_end_with_the_highest),
		CASE(two_processes_keep_what_the_other_wrote),
		CASE(a_full_disk_is_an_error_and_loses_nothing),
		CASE(a_write_cut_in_the_middle_loses_nothing),
		CASE(a_place_that_cannot_be_made_is_an_error),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
