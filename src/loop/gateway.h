/* SPDX-License-Identifier: MIT */
/* gateway.h - through what the way to the rest of the world leaves this
 * machine: by that a network is known again. From the text files in /proc/net
 * (proc(5)); what is malformed there is as if it were missing. */
#ifndef LOOP_GATEWAY_H
#define LOOP_GATEWAY_H

#include <mpp/client.h>

enum {
	GATEWAY_DEVICE_MAX = 16, /* with its NUL, as all texts here */
	GATEWAY_MAC_MAX = 64,
};

struct loop_gateway {
	int family;                      /* 4 or 6 */
	char device[GATEWAY_DEVICE_MAX]; /* the network interface */
	uint8_t address[16]; /* IPv4: the first four; zeros: directly there */
	char mac[GATEWAY_MAC_MAX]; /* as the kernel writes it; empty: unknown */
};

/* The default route of the least metric.
 * @param root where proc/net is found; "" for this machine
 * @param family 4 or 6
 * @return false: there is none, *out is zeros */
bool loop_gateway_find(const char *root, int family, struct loop_gateway *out);

/* Is there a gateway whose hardware address must be in the table of neighbours
 * as soon as something was sent there? (That of IPv6 is not in /proc.) */
bool loop_gateway_incomplete(const struct loop_gateway *g);

/* Eight octets that tell networks apart, and tell nothing without the key. */
MPP_MUSTCHECK mpp_err loop_gateway_print(const struct loop_gateway *g,
					 const mpp_crypto *crypto,
					 mpp_bytes key,
					 uint8_t out[MPP_NETWORK_LEN]);

#endif
