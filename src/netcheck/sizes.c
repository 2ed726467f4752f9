/* SPDX-License-Identifier: MIT */
/* sizes.c - the sizes that are tried. Contract: sizes.h.
 *
 * With IPv4 they are packets of 1228, 1260, 1280, 1340, 1380, 1400, 1420,
 * 1440, 1460, 1472 and 1480 octets, with IPv6 20 more: links and tunnels have
 * such limits (1280: RFC 8200; 1420, 1440: WireGuard; 1460 to 1492: PPPoE,
 * GRE and others in 1500). */
#include "netcheck/sizes.h"

#include <mpp/rud.h>

enum { IPV4_UDP = 28, IPV6_UDP = 48 };

const uint16_t sizes_payload[SIZES] = {
	SIZES_NEEDED, 1232, 1252, 1312, 1352,           1372,
	1392,         1412, 1432, 1444, MPP_PACKET_MAX,
};

unsigned sizes_packet(uint8_t family, size_t payload)
{
	return (unsigned)payload + (family == 6 ? IPV6_UDP : IPV4_UDP);
}
