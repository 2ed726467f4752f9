/* SPDX-License-Identifier: MIT */
/* gateway.c - see gateway.h. */
#include "loop/gateway.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum {
	LINE_MAX_LEN = 512,
	LINES_MAX = 4096,     /* a router's table is not searched for ever */
	ROUTE_UP = 0x1,       /* RTF_UP of linux/route.h, which clashes with */
	ROUTE_REJECT = 0x200, /* other headers; RTF_REJECT */
	ARP_COMPLETE = 0x2,   /* ATF_COM */
};

/* A default route of one line. @return false: the line is none */
typedef bool route_fn(const char *line, struct loop_gateway *g,
		      uint64_t *metric);

static FILE *open_table(const char *root, const char *name)
{
	char path[512];
	const int n =
		snprintf(path, sizeof(path), "%s/proc/net/%s", root, name);

	return n > 0 && (size_t)n < sizeof(path) ? fopen(path, "re") : NULL;
}

static bool is_usable(uint32_t flags)
{
	return (flags & ROUTE_UP) != 0 && (flags & ROUTE_REJECT) == 0;
}

static bool read_v4(const char *line, struct loop_gateway *g, uint64_t *metric)
{
	uint32_t to, via, flags, mask;

	if (sscanf(line,
		   "%15s %8" SCNx32 " %8" SCNx32 " %8" SCNx32
		   " %*u %*u %10" SCNu64 " %8" SCNx32,
		   g->device, &to, &via, &flags, metric, &mask) != 6 ||
	    to != 0 || mask != 0 || !is_usable(flags))
		return false;
	/* The kernel prints the octets in network order as one number. */
	memcpy(g->address, &via, sizeof(via));
	return true;
}

/* 32 hexadecimal digits. */
static bool read_octets(const char *hex, uint8_t out[16])
{
	unsigned i, octet;

	if (strspn(hex, "0123456789abcdefABCDEF") != 32 || hex[32] != '\0')
		return false;
	for (i = 0; i < 16; i++) {
		if (sscanf(hex + 2 * (size_t)i, "%2x", &octet) != 1)
			return false;
		out[i] = (uint8_t)octet;
	}
	return true;
}

static bool read_v6(const char *line, struct loop_gateway *g, uint64_t *metric)
{
	char to[33], from[33], via[33];
	uint8_t net[16], source[16];
	uint32_t bits, from_bits, flags;

	if (sscanf(line,
		   "%32s %2" SCNx32 " %32s %2" SCNx32 " %32s %8" SCNx64
		   " %*x %*x %8" SCNx32 " %15s",
		   to, &bits, from, &from_bits, via, metric, &flags,
		   g->device) != 8 ||
	    bits != 0 || from_bits != 0 || !is_usable(flags))
		return false;
	return read_octets(to, net) && read_octets(from, source) &&
	       read_octets(via, g->address) && mem_is_zero(net, sizeof(net)) &&
	       strcmp(g->device, "lo") != 0;
}

/* The best route of a table. */
static bool find_route(FILE *table, route_fn *read, struct loop_gateway *out)
{
	char line[LINE_MAX_LEN];
	struct loop_gateway g;
	uint64_t metric, best = 0;
	bool found = false;
	int i;

	for (i = 0; i < LINES_MAX && fgets(line, sizeof(line), table) != NULL;
	     i++) {
		memset(&g, 0, sizeof(g));
		if (!read(line, &g, &metric) || (found && metric >= best))
			continue;
		best = metric;
		*out = g;
		found = true;
	}
	return found;
}

static bool is_neighbour(const char *line, const struct loop_gateway *g,
			 char mac[GATEWAY_MAC_MAX])
{
	char address[INET_ADDRSTRLEN], device[GATEWAY_DEVICE_MAX];
	uint8_t ip[4];
	uint32_t flags;

	return sscanf(line, "%15s %*s %10" SCNx32 " %63s %*s %15s", address,
		      &flags, mac, device) == 4 &&
	       (flags & ARP_COMPLETE) != 0 &&
	       inet_pton(AF_INET, address, ip) == 1 &&
	       memcmp(ip, g->address, sizeof(ip)) == 0 &&
	       strcmp(device, g->device) == 0;
}

static void find_mac(const char *root, struct loop_gateway *g)
{
	char line[LINE_MAX_LEN], mac[GATEWAY_MAC_MAX];
	FILE *table = open_table(root, "arp");
	int i;

	if (table == NULL)
		return;
	for (i = 0; i < LINES_MAX && fgets(line, sizeof(line), table) != NULL;
	     i++) {
		memset(mac, 0, sizeof(mac));
		if (!is_neighbour(line, g, mac))
			continue;
		memcpy(g->mac, mac, sizeof(mac));
		break;
	}
	(void)fclose(table);
}

bool loop_gateway_find(const char *root, int family, struct loop_gateway *out)
{
	FILE *table = open_table(root, family == 6 ? "ipv6_route" : "route");
	bool found;

	memset(out, 0, sizeof(*out));
	if (table == NULL)
		return false;
	found = find_route(table, family == 6 ? read_v6 : read_v4, out);
	(void)fclose(table);
	if (!found)
		return false;
	out->family = family;
	if (loop_gateway_incomplete(out))
		find_mac(root, out);
	return true;
}

bool loop_gateway_incomplete(const struct loop_gateway *g)
{
	return g->family == 4 && g->mac[0] == '\0' &&
	       !mem_is_zero(g->address, sizeof(g->address));
}

mpp_err loop_gateway_print(const struct loop_gateway *g,
			   const mpp_crypto *crypto, mpp_bytes key,
			   uint8_t out[MPP_NETWORK_LEN])
{
	const uint8_t family = (uint8_t)g->family;
	const mpp_bytes parts[] = {
		{&family, 1},
		{(const uint8_t *)g->device, sizeof(g->device)},
		{g->address, sizeof(g->address)},
		{(const uint8_t *)g->mac, sizeof(g->mac)},
	};
	uint8_t mac[64];
	const mpp_err err = crypto->ops->hmac(crypto->ctx, key, parts, 4, mac);

	if (err == MPP_OK)
		memcpy(out, mac, MPP_NETWORK_LEN);
	mem_wipe(mac, sizeof(mac));
	return err;
}
