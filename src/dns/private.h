/* SPDX-License-Identifier: MIT */
/* private.h - addresses that a public name must not have, because a device
 * (or a page in its browser) would be led to machines of its own network, and
 * names that are nobody's in the public DNS. */
#ifndef DNS_PRIVATE_H
#define DNS_PRIVATE_H

#include "dns/record.h"

/* This host, private and link-local networks, carrier-grade NAT, benchmarks:
 * 0/8 10/8 100.64/10 127/8 169.254/16 172.16/12 192.168/16 198.18/15
 * 255.255.255.255. */
bool dns_private4(const uint8_t ip[4]);

/* :: ::1 fc00::/7 fe80::/10 fec0::/10 64:ff9b:1::/48, and those in which a
 * private IPv4 address is written: mapped, compatible, 6to4, NAT64, Teredo,
 * ISATAP. */
bool dns_private6(const uint8_t ip[16]);

enum dns_sight {
	DNS_SIGHT_PUBLIC = 1,
	DNS_SIGHT_PRIVATE,
	DNS_SIGHT_BROKEN, /* cannot be read, so nothing is known of it */
};

/* Addresses in a record: A, AAAA, and hints of SVCB and HTTPS. */
enum dns_sight dns_record_sight(mpp_bytes message, const struct dns_record *r);

/* Is it special by RFC 6303, 6761, 6762, 7686, 8375 or 9476: localhost,
 * onion, reverse names of private addresses, …? */
bool dns_name_is_special(const struct dns_name *name);

#endif
