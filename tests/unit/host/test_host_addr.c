/* SPDX-License-Identifier: MIT */
/* test_host_addr.c - addresses and endpoints as text and as the kernel has
 * them. Expected octets were written down from RFC 4291 and by hand. */
#include "head.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "host/addr.h"

#define L63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg"

static const struct good {
	const char *text;
	mpp_addr addr;
	const char *back;
} good[] = {
	{"192.0.2.1:5", {{192, 0, 2, 1}, 5, 4, 0}, "192.0.2.1:5"},
	{"192.0.2.1", {{192, 0, 2, 1}, 15099, 4, 0}, "192.0.2.1:15099"},
	{"0.0.0.0:65535", {{0}, 65535, 4, 0}, "0.0.0.0:65535"},
	{"[::1]:5", {{[15] = 1}, 5, 6, 0}, "[::1]:5"},
	{"[::]", {{0}, 15099, 6, 0}, "[::]:15099"},
	{"[2001:DB8:0:0::a:1]:1",
	 {{0x20, 0x01, 0x0d, 0xb8, [13] = 0x0a, [15] = 1}, 1, 6, 0},
	 "[2001:db8::a:1]:1"},
};

static void test_good_addresses(void **state)
{
	char back[ADDR_TEXT];
	mpp_addr a;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		memset(&a, 0xee, sizeof(a));
		assert_null(addr_wrong(good[i].text, &a));
		assert_memory_equal(&a, &good[i].addr, sizeof(a));
		addr_text(&a, back);
		assert_string_equal(back, good[i].back);
	}
}

static const struct bad {
	const char *sentence;
	const char *text;
	const char *wrong; /* a part of it */
} bad[] = {
	{"nothing", "", "host is missing"},
	{"no host but a port", ":5", "host is missing"},
	{"empty brackets", "[]:5", "host is missing"},
	{"a name", "localhost:5", "not an IP address"},
	{"three parts", "1.2.3:5", "not an IP address"},
	{"an octet too large", "1.2.3.256:5", "not an IP address"},
	{"a leading zero, octal to some", "01.2.3.4", "not an IP address"},
	{"IPv6 without brackets", "::1", "brackets"},
	{"IPv6 and port without brackets", "2001:db8::1:5", "brackets"},
	{"no closing bracket", "[::1", "closing bracket"},
	{"IPv4 in brackets", "[1.2.3.4]:5", "not an IPv6 address"},
	{"IPv4 dressed as IPv6", "[::ffff:1.2.3.4]:5", "IPv4 address"},
	{"a zone", "[fe80::1%lo]:5", "not an IPv6 address"},
	{"port 0", "1.2.3.4:0", "1 to 65535"},
	{"port 65536", "1.2.3.4:65536", "1 to 65535"},
	{"six digits", "1.2.3.4:000005", "1 to 65535"},
	{"no port behind the colon", "1.2.3.4:", "1 to 65535"},
	{"a port in words", "[::1]:http", "1 to 65535"},
	{"text behind the bracket", "[::1]x", "1 to 65535"},
	{"a negative port", "1.2.3.4:-1", "1 to 65535"},
};

static void test_bad_addresses_change_nothing(void **state)
{
	const mpp_addr before = {{9}, 9, 9, 9};
	mpp_addr a;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *wrong;

		a = before;
		wrong = addr_wrong(bad[i].text, &a);
		if (wrong == NULL || strstr(wrong, bad[i].wrong) == NULL)
			fail_msg("%s: %s", bad[i].sentence,
				 wrong != NULL ? wrong : "accepted");
		assert_memory_equal(&a, &before, sizeof(a));
	}
}

static const struct endpoint {
	const char *text;
	const char *back; /* NULL: refused */
} endpoints[] = {
	{"presence.example.com", "presence.example.com:15099"},
	{"h:1", "h:1"},
	{"a_b-c.example:65535", "a_b-c.example:65535"},
	{"192.0.2.1", "192.0.2.1:15099"},
	{"[2001:db8::1]", "[2001:db8::1]:15099"},
	{"[2001:db8::1]:7", "[2001:db8::1]:7"},
	{L63 ".example:1", L63 ".example:1"},
	{"x" L63 ".example:1", NULL},
	{"host.:1", NULL},
	{".host", NULL},
	{"a..b", NULL},
	{"-a.example", NULL},
	{"a-.example", NULL},
	{"a b", NULL},
	{"h\xc3\xa4user", NULL},
	{"1.2", NULL},
	{"127.1:5", NULL},
	{"0x7f000001:5", NULL},
	{"0X7F000001", NULL},
	{"0x", NULL},
	{"127.0x1", NULL},
	{"017700000001", NULL},
	{"0.0.0.0:5", NULL},
	{"[::]:5", NULL},
	{"[0:0::0]", NULL},
	{"[::ffff:0:1]", NULL},
	{"0xample.example", "0xample.example:15099"},
	{"host.0xyz:1", "host.0xyz:1"},
	{"[::1]", "[::1]:15099"},
	{"127.0.0.1", "127.0.0.1:15099"},
	{"host/path", NULL},
	{"user@host", NULL},
	{"[host]:1", NULL},
	{"", NULL},
	{L63 "." L63 "." L63 "." L63 ".e", NULL},
};

static void test_endpoints(void **state)
{
	char out[ADDR_ENDPOINT];
	const char *wrong;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
		(void)strcpy(out, "untouched");
		wrong = addr_endpoint_wrong(endpoints[i].text, out);
		if ((wrong == NULL) != (endpoints[i].back != NULL))
			fail_msg("%s: %s", endpoints[i].text,
				 wrong != NULL ? wrong : "accepted");
		assert_string_equal(out, wrong == NULL ? endpoints[i].back
						       : "untouched");
	}
}

static void test_wildcards(void **state)
{
	mpp_addr a;

	(void)state;
	assert_null(addr_wrong("0.0.0.0:1", &a));
	assert_true(addr_is_wildcard(&a));
	assert_null(addr_wrong("[::]:1", &a));
	assert_true(addr_is_wildcard(&a));
	assert_null(addr_wrong("[::1]:1", &a));
	assert_false(addr_is_wildcard(&a));
	assert_null(addr_wrong("127.0.0.1:1", &a));
	assert_false(addr_is_wildcard(&a));
}

static void test_sockaddr_both_ways(void **state)
{
	struct sockaddr_storage sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	mpp_addr a, back;

	(void)state;
	memset(&sa, 0, sizeof(sa));
	assert_null(addr_wrong("192.0.2.9:258", &a));
	assert_int_equal(addr_to_sockaddr(&a, &sa), sizeof(v4));
	memcpy(&v4, &sa, sizeof(v4));
	assert_int_equal(v4.sin_family, AF_INET);
	assert_int_equal(v4.sin_port, htons(258));
	assert_int_equal(v4.sin_addr.s_addr, htonl(0xc0000209));
	assert_true(addr_from_sockaddr(&sa, &back));
	assert_memory_equal(&back, &a, sizeof(a));

	assert_null(addr_wrong("[::1]:258", &a));
	assert_int_equal(addr_to_sockaddr(&a, &sa), sizeof(v6));
	memcpy(&v6, &sa, sizeof(v6));
	assert_int_equal(v6.sin6_family, AF_INET6);
	assert_int_equal(v6.sin6_port, htons(258));
	assert_memory_equal(&v6.sin6_addr, &in6addr_loopback, 16);
	assert_true(addr_from_sockaddr(&sa, &back));
	assert_memory_equal(&back, &a, sizeof(a));

	sa.ss_family = AF_UNIX;
	assert_false(addr_from_sockaddr(&sa, &back));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_addresses),
		cmocka_unit_test(test_bad_addresses_change_nothing),
		cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_wildcards),
		cmocka_unit_test(test_sockaddr_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
