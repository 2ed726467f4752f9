/* SPDX-License-Identifier: MIT */
/* By what a network is known again: the kernel's tables, as they are and as
 * they should not be. The tables were taken from Linux 6.1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/mem.h"
#include "loop/gateway.h"

#define V4_HEAD                                                              \
	"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\t" \
	"MTU\tWindow\tIRTT                                                 \n"
#define V4_WLAN                                                               \
	"wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0      " \
	"\n"
#define V4_ETH "eth0\t00000000\t010011AC\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
#define V4_LINK "eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
#define ARP_HEAD                                                          \
	"IP address       HW type     Flags       HW address            " \
	"Mask     Device\n"
#define ARP_ETH                                                                \
	"172.17.0.1       0x1         0x2         02:42:5e:11:22:33     *    " \
	"    eth0\n"
#define ZERO "00000000000000000000000000000000"
#define V6_LINK                                                 \
	"fe800000000000000000000000000000 40 " ZERO " 00 " ZERO \
	" 00000100 00000002 00000000 00000001     eth0\n"
#define V6_ETH                                                            \
	ZERO " 00 " ZERO " 00 fe8000000000000000000000000000a1 00000400 " \
	     "00000002 00000000 00000003     eth0\n"
#define V6_LO                        \
	ZERO " 00 " ZERO " 00 " ZERO \
	     " ffffffff 00000001 00000000 00200200       lo\n"

static char root[64];

static void put(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/proc/net/%s", root, name);
	(void)remove(path);
	if (text == NULL)
		return;
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int make_root(void **state)
{
	char path[128];

	(void)state;
	(void)snprintf(root, sizeof(root), "/tmp/mpp-gateway-XXXXXX");
	if (mkdtemp(root) == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/proc", root);
	if (mkdir(path, 0700) != 0)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/proc/net", root);
	return mkdir(path, 0700);
}

static int remove_root(void **state)
{
	char command[96];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

static int setup(void **state)
{
	(void)state;
	put("route", V4_HEAD V4_WLAN V4_ETH V4_LINK);
	put("ipv6_route", V6_LINK V6_ETH V6_LO);
	put("arp", ARP_HEAD ARP_ETH);
	return 0;
}

static struct loop_gateway found(int family)
{
	struct loop_gateway g;

	assert_true(loop_gateway_find(root, family, &g));
	return g;
}

static void the_best_default_route_counts(void **state)
{
	static const uint8_t v4[16] = {172, 17, 0, 1};
	static const uint8_t v6[16] = {0xfe, 0x80, [15] = 0xa1};
	struct loop_gateway g = found(4);

	(void)state;
	assert_int_equal(g.family, 4);
	assert_string_equal(g.device, "eth0");
	assert_memory_equal(g.address, v4, sizeof(v4));
	assert_string_equal(g.mac, "02:42:5e:11:22:33");
	assert_false(loop_gateway_incomplete(&g));
	put("route", V4_ETH V4_WLAN); /* wherever it stands */
	assert_string_equal(found(4).device, "eth0");
	g = found(6);
	assert_int_equal(g.family, 6);
	assert_string_equal(g.device, "eth0");
	assert_memory_equal(g.address, v6, sizeof(v6));
	assert_false(loop_gateway_incomplete(&g));
}

struct row {
	const char *sentence;
	int family;
	const char *text;
};

static const struct row none[] = {
	{"no file", 4, NULL},
	{"an empty file", 4, ""},
	{"only the head", 4, V4_HEAD},
	{"no default route", 4, V4_HEAD V4_LINK},
	{"half of the addresses", 4,
	 "eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000080\t0\t0\t0\n"},
	{"a route that is down", 4,
	 "eth0\t00000000\t010011AC\t0002\t0\t0\t0\t00000000\t0\t0\t0\n"},
	{"a route that refuses", 4,
	 "*\t00000000\t00000000\t0201\t0\t0\t0\t00000000\t0\t0\t0\n"},
	{"cut short", 4, "eth0\t00000000\t010011AC\t0003\t0\t0\t0\t"},
	{"an address too long", 4,
	 "eth0\t00000000\t010011AC0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"},
	{"no hexadecimal number", 4,
	 "eth0\t00000000\t0100xxAC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"},
	{"a device of too long a name", 4,
	 "eth0123456789abcdef\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\n"},
	{"octets", 4, "\xff\xfe\x01\xff\n\xff"},
	{"no file", 6, NULL},
	{"no default route", 6, V6_LINK},
	{"only the route that refuses", 6, V6_LINK V6_LO},
	{"a subnet", 6,
	 ZERO " 01 " ZERO " 00 fe8000000000000000000000000000a1 00000400 "
	      "00000002 00000000 00000003     eth0\n"},
	{"for one source", 6,
	 ZERO " 00 " ZERO " 40 fe8000000000000000000000000000a1 00000400 "
	      "00000002 00000000 00000003     eth0\n"},
	{"a short address", 6,
	 ZERO " 00 " ZERO " 00 fe80 00000400 00000002 00000000 00000003 "
	      "eth0\n"},
	{"no hexadecimal address", 6,
	 ZERO " 00 " ZERO " 00 fe80000000000000000000000000g0a1 00000400 "
	      "00000002 00000000 00000003     eth0\n"},
	{"cut short", 6, ZERO " 00 " ZERO " 00 fe80"},
};

static void what_is_malformed_is_not_there(void **state)
{
	static const struct loop_gateway zero;
	struct loop_gateway g;
	size_t i;

	for (i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		setup(state);
		put(none[i].family == 6 ? "ipv6_route" : "route", none[i].text);
		memset(&g, 0xa5, sizeof(g));
		if (loop_gateway_find(root, none[i].family, &g))
			fail_msg("%s: found %s", none[i].sentence, g.device);
		assert_memory_equal(&g, &zero, sizeof(g));
		/* The other one is there as before. */
		(void)found(none[i].family ^ 2);
	}
	/* What is sound behind it counts. */
	put("route", V4_HEAD "eth9\t0\nrubbish\n" V4_ETH);
	assert_string_equal(found(4).device, "eth0");
	assert_false(loop_gateway_find("/nonexistent", 4, &g));
}

static void a_gateway_may_not_be_a_neighbour_yet(void **state)
{
	static const char *const without[] = {
		NULL,
		"",
		ARP_HEAD,
		/* not answered yet */
		ARP_HEAD "172.17.0.1 0x1 0x0 00:00:00:00:00:00 * eth0\n",
		/* behind another device, and another one */
		ARP_HEAD "172.17.0.1 0x1 0x2 02:42:5e:11:22:33 * eth1\n",
		ARP_HEAD "172.17.0.2 0x1 0x2 02:42:5e:11:22:33 * eth0\n",
		ARP_HEAD "172.17.0.1 0x1 0x2 02:42:5e:11:22:33 *\n",
		ARP_HEAD "172.17.0.999 0x1 0x2 02:42:5e:11:22:33 * eth0\n",
	};
	struct loop_gateway g;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(without) / sizeof(without[0]); i++) {
		put("arp", without[i]);
		g = found(4);
		assert_true(loop_gateway_incomplete(&g));
		assert_string_equal(g.mac, "");
	}
	/* Directly there, as through a modem: nobody to ask. */
	put("route",
	    "ppp0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n");
	g = found(4);
	assert_string_equal(g.device, "ppp0");
	assert_false(loop_gateway_incomplete(&g));
}

static void print(const struct loop_gateway *g, uint8_t key_octet,
		  uint8_t out[MPP_NETWORK_LEN])
{
	const uint8_t key[32] = {key_octet};
	mpp_crypto crypto;

	assert_int_equal(mpp_crypto_new(&crypto), MPP_OK);
	assert_int_equal(loop_gateway_print(g, &crypto,
					    (mpp_bytes){key, sizeof(key)}, out),
			 MPP_OK);
	mpp_crypto_free(&crypto);
}

/* Each part of it makes it another network, and so does the key. */
static void a_fingerprint_tells_networks_apart(void **state)
{
	uint8_t fp[8][MPP_NETWORK_LEN];
	struct loop_gateway g = found(4);
	size_t i, j;

	(void)state;
	print(&g, 1, fp[0]);
	print(&g, 1, fp[7]);
	assert_memory_equal(fp[0], fp[7], MPP_NETWORK_LEN);
	print(&g, 2, fp[1]);
	g.mac[0] = '1';
	print(&g, 1, fp[2]);
	g = found(4);
	g.address[3] = 2;
	print(&g, 1, fp[3]);
	g = found(4);
	g.device[3] = '1';
	print(&g, 1, fp[4]);
	g = found(4);
	g.family = 6;
	print(&g, 1, fp[5]);
	for (i = 0; i < 6; i++) {
		assert_false(mem_is_zero(fp[i], MPP_NETWORK_LEN));
		for (j = 0; j < i; j++)
			assert_memory_not_equal(fp[i], fp[j], MPP_NETWORK_LEN);
	}
}

/* Of HMAC-SHA-512 by Python's hmac, over the octets as gateway.h says. */
static void a_fingerprint_is_as_computed_elsewhere(void **state)
{
	static const uint8_t expected[MPP_NETWORK_LEN] = {
		0x57, 0x20, 0x5a, 0xa0, 0xb3, 0x0a, 0x1a, 0x7e};
	const struct loop_gateway g = found(4);
	uint8_t fp[MPP_NETWORK_LEN];

	(void)state;
	print(&g, 1, fp);
	assert_memory_equal(fp, expected, sizeof(expected));
}

#define CASE(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_best_default_route_counts),
		CASE(what_is_malformed_is_not_there),
		CASE(a_gateway_may_not_be_a_neighbour_yet),
		CASE(a_fingerprint_tells_networks_apart),
		CASE(a_fingerprint_is_as_computed_elsewhere),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
