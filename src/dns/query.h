/* SPDX-License-Identifier: MIT */
/* query.h - reading what a device asks: one question, RFC 1035 section 4.1,
 * with EDNS (RFC 6891). */
#ifndef DNS_QUERY_H
#define DNS_QUERY_H

#include "dns/name.h"

enum {
	DNS_HEADER = 12,
	DNS_SIZE_MIN = 512,
	DNS_SIZE_OURS = 16384, /* largest answer, and what our OPT says */
};

enum dns_flag {
	DNS_QR = 0x8000,
	DNS_OPCODE = 0x7800,
	DNS_AA = 0x0400,
	DNS_TC = 0x0200,
	DNS_RD = 0x0100,
	DNS_RA = 0x0080,
	DNS_AD = 0x0020,
	DNS_CD = 0x0010,
	DNS_RCODE = 0x000f,
};

enum dns_rcode {
	DNS_NOERROR = 0,
	DNS_FORMERR = 1,
	DNS_SERVFAIL = 2,
	DNS_NXDOMAIN = 3,
	DNS_NOTIMP = 4,
	DNS_REFUSED = 5,
	DNS_BADVERS = 16,
};

/* RFC 8914; DNS_EDE_NONE is ours. */
enum dns_ede {
	DNS_EDE_NONE = -1,
	DNS_EDE_OTHER = 0,
	DNS_EDE_BOGUS = 6,
	DNS_EDE_EXPIRED = 7,
	DNS_EDE_NOT_YET_VALID = 8,
	DNS_EDE_DNSKEY_MISSING = 9,
	DNS_EDE_RRSIGS_MISSING = 10,
	DNS_EDE_NSEC_MISSING = 12,
	DNS_EDE_BLOCKED = 15,
	DNS_EDE_NOT_AUTHORITATIVE = 20,
	DNS_EDE_NOT_SUPPORTED = 21,
	DNS_EDE_UNREACHABLE = 22,
};

enum dns_type {
	DNS_A = 1,
	DNS_NS = 2,
	DNS_CNAME = 5,
	DNS_SOA = 6,
	DNS_PTR = 12,
	DNS_AAAA = 28,
	DNS_OPT = 41,
	DNS_RRSIG = 46,
	DNS_SVCB = 64,
	DNS_HTTPS = 65,
	DNS_META = 128, /* this to 255 are no types of records */
	DNS_META_END = 256,
};

enum { DNS_IN = 1 };

/* What was read. May be copied. */
struct dns_query {
	uint16_t id;
	uint16_t flags; /* as they came */
	uint16_t type, class;
	uint16_t size;     /* largest answer that may be sent */
	bool has_question; /* name, type and class were read */
	bool has_edns;
	bool dnssec_ok;
	struct dns_name name;
};

/* Why it is not resolved: rcode 0 is "it is". text is for people. */
struct dns_verdict {
	enum dns_rcode rcode;
	enum dns_ede ede;
	const char *text;
};

/* Read and judge. *out is always filled in, as far as it could be read, so
 * that there is an answer to everything. */
struct dns_verdict dns_query_read(mpp_bytes in, struct dns_query *out);

#endif
