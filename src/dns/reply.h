/* SPDX-License-Identifier: MIT */
/* reply.h - the answer that a device gets: made anew from what it asked and
 * what the resolver found, never passed through. */
#ifndef DNS_REPLY_H
#define DNS_REPLY_H

#include "dns/record.h"

enum { DNS_WHY_MAX = 200 /* octets of the text of an extended error */ };

/* What it says beside the records. */
struct dns_says {
	enum dns_rcode rcode; /* up to 15, or BADVERS */
	bool secure;          /* all of it was validated */
	enum dns_ede ede;
	const char *why; /* for ede; cut and cleaned here */
};

/* Write the answer to q.
 *   - Its id, opcode, RD and CD come back; QR and RA are set, AD when it is
 *     secure and q asked for it by AD or DO; AA never.
 *   - Records of `found` (a whole message; empty: none) follow with their
 *     names decompressed and compressed anew. Those that speak of DNSSEC only
 *     are left out unless q has DO or asks for their type.
 *   - OPT only when q had it, with the extended error in it.
 *   - What is longer than q->size ends before the set of records that does
 *     not fit, with TC; of the additional section, without.
 * @param out  of at least q->size octets
 * Errors: those of dns_record_read(), TRAILING: `found` is malformed;
 * out->len is then untouched. */
MPP_MUSTCHECK mpp_err dns_reply_write(const struct dns_query *q,
				      const struct dns_says *says,
				      mpp_bytes found, mpp_buf *out);

#endif
