/* SPDX-License-Identifier: MIT */
/* found.h - what is answered of what the resolver found. */
#ifndef DNS_FOUND_H
#define DNS_FOUND_H

#include "dns/config.h"
#include "dns/dns.h"
#include "dns/reply.h"

/* What the resolver says of it. */
struct dns_found {
	enum dns_rcode rcode; /* SERVFAIL: there is nothing */
	bool secure, bogus;
	const char *why;  /* it is bogus */
	mpp_bytes packet; /* a whole message; borrowed */
};

/* Judge it and write the answer, which is within q->size.
 * @param out  of DNS_ANSWER_MAX octets */
void dns_found_answer(const struct dns_config *c, const struct dns_query *q,
		      const struct dns_found *found, mpp_buf *out,
		      struct dns_counters *count);

/* An answer without records. */
void dns_verdict_answer(const struct dns_query *q, struct dns_verdict v,
			mpp_buf *out);

#endif
