/* SPDX-License-Identifier: MIT */
/* found.c - what is answered of what was found. Contract: found.h. */
#include "dns/found.h"

#include <stdlib.h>
#include <string.h>

#include "base/rd.h"
#include "dns/private.h"

void dns_verdict_answer(const struct dns_query *q, struct dns_verdict v,
			mpp_buf *out)
{
	const struct dns_says says = {v.rcode, false, v.ede, v.text};

	if (dns_reply_write(q, &says, (mpp_bytes){NULL, 0}, out) != MPP_OK)
		abort(); /* only what was found can be wrong */
}

/* libunbound gives its reason as a sentence; its daemon would give a code. The
 * most telling words first. */
static enum dns_ede class_of(const char *why)
{
	static const struct {
		const char *words;
		enum dns_ede ede;
	} rows[] = {
		{"signature expired", DNS_EDE_EXPIRED},
		{"signature before inception", DNS_EDE_NOT_YET_VALID},
		{"no signatures", DNS_EDE_RRSIGS_MISSING},
		{"No DNSKEY record", DNS_EDE_DNSKEY_MISSING},
		{"Missing DNSKEY", DNS_EDE_DNSKEY_MISSING},
		{"no DNSKEY", DNS_EDE_DNSKEY_MISSING},
		{"DS hash mismatches key", DNS_EDE_DNSKEY_MISSING},
		{"no DNSSEC records", DNS_EDE_NSEC_MISSING},
		{"no NSEC", DNS_EDE_NSEC_MISSING},
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strstr(why, rows[i].words) != NULL)
			return rows[i].ede;
	}
	return DNS_EDE_BOGUS;
}

/* Look at every record. A private address is only for those who asked for a
 * name of a zone that may have some, and found it in such a zone. */
static enum dns_sight look(const struct dns_config *c,
			   const struct dns_query *q, mpp_bytes packet)
{
	const bool asked_ok = dns_zones_have(&c->private_ok, &q->name);
	enum dns_sight worst = DNS_SIGHT_PUBLIC;
	struct dns_record record;
	struct dns_name name;
	size_t at = DNS_HEADER;

	if (packet.len < DNS_HEADER ||
	    dns_name_read(packet, &at, &name) != MPP_OK || packet.len - at < 4)
		return DNS_SIGHT_BROKEN;
	at += 4;
	while (at < packet.len) {
		enum dns_sight sight;

		if (dns_record_read(packet, &at, &record) != MPP_OK)
			return DNS_SIGHT_BROKEN;
		sight = dns_record_sight(packet, &record);
		if (sight == DNS_SIGHT_PRIVATE && asked_ok &&
		    dns_zones_have(&c->private_ok, &record.owner))
			sight = DNS_SIGHT_PUBLIC;
		if (sight > worst)
			worst = sight;
	}
	return worst;
}

static void refuse(const struct dns_query *q, struct dns_verdict v,
		   mpp_buf *out, uint64_t *counter)
{
	(*counter)++;
	dns_verdict_answer(q, v, out);
}

static bool is_truncated(const mpp_buf *out)
{
	return (out->p[2] & (DNS_TC >> 8)) != 0;
}

static const struct dns_verdict broken = {
	DNS_SERVFAIL, DNS_EDE_OTHER, "the answer that was found is malformed"};

static void give(const struct dns_query *q, const struct dns_found *found,
		 mpp_buf *out, struct dns_counters *count)
{
	const struct dns_says says = {
		found->rcode, found->secure && !found->bogus, DNS_EDE_NONE, ""};

	if (dns_reply_write(q, &says, found->packet, out) != MPP_OK) {
		refuse(q, broken, out, &count->broken);
		return;
	}
	count->resolved++;
	count->secure += says.secure ? 1 : 0;
	count->unchecked += found->bogus ? 1 : 0;
	count->truncated += is_truncated(out) ? 1 : 0;
}

void dns_found_answer(const struct dns_config *c, const struct dns_query *q,
		      const struct dns_found *found, mpp_buf *out,
		      struct dns_counters *count)
{
	const bool unchecked = (q->flags & DNS_CD) != 0;
	enum dns_sight sight;

	if (found->bogus && !unchecked) {
		refuse(q,
		       (struct dns_verdict){DNS_SERVFAIL, class_of(found->why),
					    found->why},
		       out, &count->bogus);
		return;
	}
	if (found->rcode == DNS_SERVFAIL || found->packet.len == 0) {
		refuse(q,
		       (struct dns_verdict){DNS_SERVFAIL, DNS_EDE_UNREACHABLE,
					    "no server had an answer"},
		       out, &count->failed);
		return;
	}
	sight = look(c, q, found->packet);
	if (sight == DNS_SIGHT_BROKEN)
		refuse(q, broken, out, &count->broken);
	else if (sight == DNS_SIGHT_PRIVATE)
		refuse(q,
		       (struct dns_verdict){DNS_REFUSED, DNS_EDE_BLOCKED,
					    "a private address for a public "
					    "name"},
		       out, &count->blocked);
	else
		give(q, found, out, count);
}
