/* SPDX-License-Identifier: MIT */
/* test_dns_private.c - private addresses in every spelling, and special
 * names. Ranges are those of the registries of IANA for special purposes. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dns/private.h"

static const struct {
	const char *text;
	bool is_private;
} addresses[] = {
	{"0.0.0.0", true},
	{"0.255.255.255", true},
	{"1.0.0.0", false},
	{"9.255.255.255", false},
	{"10.0.0.0", true},
	{"10.255.255.255", true},
	{"11.0.0.0", false},
	{"100.63.255.255", false},
	{"100.64.0.0", true},
	{"100.127.255.255", true},
	{"100.128.0.0", false},
	{"126.255.255.255", false},
	{"127.0.0.1", true},
	{"127.255.255.255", true},
	{"128.0.0.0", false},
	{"169.253.255.255", false},
	{"169.254.169.254", true},
	{"169.255.0.0", false},
	{"172.15.255.255", false},
	{"172.16.0.0", true},
	{"172.31.255.255", true},
	{"172.32.0.0", false},
	{"192.0.0.170", false}, /* ipv4only.arpa */
	{"192.0.2.1", false},
	{"192.167.255.255", false},
	{"192.168.0.0", true},
	{"192.168.255.255", true},
	{"192.169.0.0", false},
	{"198.17.255.255", false},
	{"198.18.0.0", true},
	{"198.19.255.255", true},
	{"198.20.0.0", false},
	{"255.255.255.254", false},
	{"255.255.255.255", true},
	{"::", true},
	{"::1", true},
	{"::ffff:10.1.2.3", true},
	{"::ffff:8.8.8.8", false},
	{"::ffff:0:10.1.2.3", true},
	{"::10.1.2.3", true},
	{"::8.8.8.8", false},
	{"2002:0a01:0203::1", true},
	{"2002:0808:0808::1", false},
	{"64:ff9b::192.168.1.1", true},
	{"64:ff9b::8.8.8.8", false},
	{"64:ff9b::127.0.0.1", true},
	{"64:ff9b:1::8.8.8.8", true},
	{"64:ff9b:2::10.0.0.1", false},
	{"2001:0:4136:e378:8000:63bf:f5fe:fdfc", true}, /* 10.1.2.3 */
	{"2001:0:4136:e378:8000:63bf:f7f7:f7f7", false},
	{"2001:db8::5efe:192.168.0.1", true},
	{"2001:db8::200:5efe:192.168.0.1", true},
	{"2001:db8::5efe:8.8.8.8", false},
	{"fbff::1", false},
	{"fc00::1", true},
	{"fdff:ffff::1", true},
	{"fe00::1", false},
	{"fe80::1", true},
	{"febf::1", true},
	{"fec0::1", true},
	{"2001:db8::1", false},
	{"2606:4700::1111", false},
};

static void addresses_in_every_spelling(void **state)
{
	uint8_t ip[16];
	bool is = false;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		const char *text = addresses[i].text;

		if (inet_pton(AF_INET, text, ip) == 1)
			is = dns_private4(ip);
		else if (inet_pton(AF_INET6, text, ip) == 1)
			is = dns_private6(ip);
		else
			fail_msg("%s", text);
		if (is != addresses[i].is_private)
			fail_msg("%s", text);
	}
}

static const struct {
	struct {
		uint16_t type;
		const char *rdata;
		size_t n;
	} r;
	enum dns_sight sight;
	const char *sentence;
} records[] = {
	{{DNS_A, "\x0a\0\0\1", 4}, DNS_SIGHT_PRIVATE, "A of 10.0.0.1"},
	{{DNS_A, "\x08\0\0\1", 4}, DNS_SIGHT_PUBLIC, "A of 8.0.0.1"},
	{{DNS_A, "\x08\0\0", 3}, DNS_SIGHT_BROKEN, "A of 3 octets"},
	{{DNS_AAAA, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16},
	 DNS_SIGHT_PRIVATE,
	 "AAAA of ::1"},
	{{DNS_AAAA, "\x0a\0\0\1", 4}, DNS_SIGHT_BROKEN, "AAAA of 4 octets"},
	{{16, "\x04\x0a\0\0\1", 5}, DNS_SIGHT_PUBLIC, "TXT with such octets"},
	{{DNS_HTTPS, "\0\1\0\0\4\0\4\x08\0\0\1", 11},
	 DNS_SIGHT_PUBLIC,
	 "HTTPS with ipv4hint 8.0.0.1"},
	{{DNS_HTTPS, "\0\1\0\0\4\0\4\x0a\0\0\1", 11},
	 DNS_SIGHT_PRIVATE,
	 "HTTPS with ipv4hint 10.0.0.1"},
	{{DNS_HTTPS, "\0\1\0\0\4\0\x08\x08\0\0\1\x7f\0\0\1", 15},
	 DNS_SIGHT_PRIVATE,
	 "HTTPS whose second ipv4hint is 127.0.0.1"},
	{{DNS_SVCB,
	  "\0\1\1a\0\0\1\0\3\2h2\0\6\0\x10"
	  "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\1",
	  32},
	 DNS_SIGHT_PRIVATE,
	 "SVCB with a target, alpn and ipv6hint fe80::1"},
	{{DNS_HTTPS, "\0\0\0", 3}, DNS_SIGHT_PUBLIC, "HTTPS as an alias"},
	{{DNS_HTTPS, "\0", 1}, DNS_SIGHT_BROKEN, "HTTPS of an octet"},
	{{DNS_HTTPS, "\0\1\1x\xc0\0\0\4\0\4\x08\0\0\1", 14},
	 DNS_SIGHT_BROKEN,
	 "HTTPS whose target has a pointer"},
	{{DNS_HTTPS, "\0\1\0\0\4\0\5\x08\0\0\1\0", 12},
	 DNS_SIGHT_BROKEN,
	 "ipv4hint of 5 octets"},
	{{DNS_HTTPS, "\0\1\0\0\4\0\0", 7}, DNS_SIGHT_BROKEN, "empty ipv4hint"},
	{{DNS_HTTPS, "\0\1\0\0\4\0\x08\x08\0\0\1", 11},
	 DNS_SIGHT_BROKEN,
	 "ipv4hint that is longer than the record"},
	{{DNS_HTTPS, "\0\1\0\0\4", 5}, DNS_SIGHT_BROKEN, "half a key"},
};

/* Behind it lie octets that do not belong to it. */
static void addresses_in_records(void **state)
{
	struct dns_record record = {.class = DNS_IN, .rdata = 3};
	uint8_t m[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		memset(m, 0xee, sizeof(m));
		memcpy(m + 3, records[i].r.rdata, records[i].r.n);
		record.type = records[i].r.type;
		record.rdlen = (uint16_t)records[i].r.n;
		if (dns_record_sight((mpp_bytes){m, sizeof(m)}, &record) !=
		    records[i].sight)
			fail_msg("%s", records[i].sentence);
	}
}

static const struct {
	const char *name;
	bool special;
} names[] = {
	{"localhost", true},
	{"LocalHost", true},
	{"a.localhost", true},
	{"notlocalhost", false},
	{"localhost.example", false},
	{"printer.local", true},
	{"abc.onion", true},
	{"x.invalid", true},
	{"x.test", true},
	{"x.alt", true},
	{"x.home.arpa", true},
	{"arpa", false},
	{"x.arpa", false},
	{"1.2.3.10.in-addr.arpa", true},
	{"10.in-addr.arpa", true},
	{"1.10.in-addr.arpa", true},
	{"in-addr.arpa", false},
	{"172.in-addr.arpa", false},
	{"15.172.in-addr.arpa", false},
	{"16.172.in-addr.arpa", true},
	{"31.172.in-addr.arpa", true},
	{"32.172.in-addr.arpa", false},
	{"a.10.in-addr.arpa", true},
	{"a.1.8.in-addr.arpa", false},
	{"256.in-addr.arpa", false},
	{"64.100.in-addr.arpa", true},
	{"1.1.168.192.in-addr.arpa", true},
	{"8.8.8.8.in-addr.arpa", false},
	{"ip6.arpa", false},
	{"d.f.ip6.arpa", true},
	{"c.f.ip6.arpa", true},
	{"f.ip6.arpa", false},
	{"8.e.f.ip6.arpa", true},
	{"7.e.f.ip6.arpa", false},
	{"8.b.d.0.1.0.0.2.ip6.arpa", false},
	{"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6."
	 "arpa",
	 true},
	{"3.0.2.0.1.0.a.0.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6."
	 "arpa",
	 true},
	{"www.example.com", false},
	{".", false},
};

static void special_names(void **state)
{
	struct dns_name name;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_true(dns_name_parse(names[i].name, &name));
		if (dns_name_is_special(&name) != names[i].special)
			fail_msg("%s", names[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_in_every_spelling),
		cmocka_unit_test(addresses_in_records),
		cmocka_unit_test(special_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
