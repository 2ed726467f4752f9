/* SPDX-License-Identifier: MIT */
/* record.c - resource records. Contract: record.h. */
#include "dns/record.h"

#include "base/rd.h"

static mpp_bytes behind(mpp_bytes message, size_t at)
{
	return (mpp_bytes){message.p + at, message.len - at};
}

mpp_err dns_record_read(mpp_bytes message, size_t *at, struct dns_record *out)
{
	struct dns_record record = {.owner = {.len = 0}};
	size_t pos = *at;
	mpp_err err = dns_name_read(message, &pos, &record.owner);
	struct rd r;

	if (err != MPP_OK)
		return err;
	r = rd_init(behind(message, pos));
	record.type = rd_u16(&r);
	record.class = rd_u16(&r);
	record.ttl = rd_u32(&r);
	record.rdlen = rd_u16(&r);
	record.rdata = message.len - r.left;
	(void)rd_slice(&r, record.rdlen);
	if (r.err != MPP_OK)
		return r.err;
	*at = record.rdata + record.rdlen;
	*out = record;
	return MPP_OK;
}

/* Numbers of types of which nothing but the layout is of interest. */
enum {
	MD = 3,
	MF = 4,
	MB = 7,
	MG = 8,
	MR = 9,
	MINFO = 14,
	MX = 15,
	RP = 17,
	AFSDB = 18,
	RT = 21,
	SIG = 24,
	KEY = 25,
	PX = 26,
	NXT = 30,
	SRV = 33,
	NAPTR = 35,
	KX = 36,
	DNAME = 39,
	DS = 43,
	NSEC = 47,
	DNSKEY = 48,
	NSEC3 = 50,
	NSEC3PARAM = 51,
};

const char *dns_layout(uint16_t type)
{
	switch (type) {
	case DNS_NS:
	case MD:
	case MF:
	case DNS_CNAME:
	case MB:
	case MG:
	case MR:
	case DNS_PTR:
	case DNAME:
	case NXT:
		return "n";
	case DNS_SOA:
	case MINFO:
	case RP:
		return "nn";
	case MX:
	case AFSDB:
	case RT:
	case KX:
		return "2n";
	case PX:
		return "2nn";
	case SRV:
		return "6n";
	case NAPTR:
		return "4sssn";
	case SIG:
		return "99n"; /* 18 octets */
	default:
		return "";
	}
}

bool dns_may_compress(uint16_t type)
{
	switch (type) {
	case DNS_NS:
	case MD:
	case MF:
	case DNS_CNAME:
	case DNS_SOA:
	case MB:
	case MG:
	case MR:
	case DNS_PTR:
	case MINFO:
	case MX:
		return true;
	default:
		return false;
	}
}

bool dns_is_dnssec(uint16_t type)
{
	switch (type) {
	case SIG:
	case KEY:
	case NXT:
	case DS:
	case DNS_RRSIG:
	case NSEC:
	case DNSKEY:
	case NSEC3:
	case NSEC3PARAM:
		return true;
	default:
		return false;
	}
}

uint16_t dns_covered(mpp_bytes message, const struct dns_record *rrsig)
{
	struct rd r = rd_init(behind(message, rrsig->rdata));

	return rrsig->rdlen < 2 ? 0 : rd_u16(&r);
}
