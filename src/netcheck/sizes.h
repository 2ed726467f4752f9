/* SPDX-License-Identifier: MIT */
/* sizes.h - which sizes of datagrams are tried, up to the largest that this
 * protocol sends. */
#ifndef NETCHECK_SIZES_H
#define NETCHECK_SIZES_H

#include "netcheck/report.h"

enum {
	SIZES = 11,
	SIZES_NEEDED = 1200, /* first datagrams are as long (RUD) */
};

/* Octets of UDP payload, rising, multiples of 4 as STUN wants. */
extern const uint16_t sizes_payload[SIZES];

/* The IP packet around a payload. */
unsigned sizes_packet(uint8_t family, size_t payload);

#endif
