/* SPDX-License-Identifier: MIT */
/* record.h - resource records of a message, RFC 1035 section 4.1.3. */
#ifndef DNS_RECORD_H
#define DNS_RECORD_H

#include "dns/query.h"

struct dns_record {
	struct dns_name owner;
	uint16_t type, class;
	uint32_t ttl;
	size_t rdata; /* where it is in the message */
	uint16_t rdlen;
};

/* Read the record at *at and move *at behind it.
 * Errors: those of dns_name_read(); *at and *out are then untouched. */
MPP_MUSTCHECK mpp_err dns_record_read(mpp_bytes message, size_t *at,
				      struct dns_record *out);

/* How rdata with names in it is made: a digit is so many octets, 's' is a
 * string with its length, 'n' a name; the rest is octets. The types whose
 * names a sender may compress, and those where a receiver should expect it
 * (RFC 3597 section 4). @return "": octets only */
const char *dns_layout(uint16_t type);

/* May names in it be written compressed? Only in types of RFC 1035. */
bool dns_may_compress(uint16_t type);

/* Does it speak of DNSSEC only? Not sent to those who do not ask for it. */
bool dns_is_dnssec(uint16_t type);

/* The type that a signature covers; 0: it is cut short. */
uint16_t dns_covered(mpp_bytes message, const struct dns_record *rrsig);

#endif
