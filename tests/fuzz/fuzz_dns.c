/* SPDX-License-Identifier: MIT */
/* fuzz_dns.c - any octets as a query, and any as what was found for it:
 *
 *   1 octet of flags, 2 octets: length of the query, the query, the found
 *
 * Whatever they are, there is an answer; it can be read, is within the size
 * that was asked for, and holds nothing of a bogus message and no private
 * address. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/found.h"
#include "dns/private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BOGUS = 1, SECURE = 2, PRIVATE_OK = 4, NO_ANSWER = 8 };

static void must(bool what, const char *sentence)
{
	if (what)
		return;
	(void)fprintf(stderr, "broken: %s\n", sentence);
	abort();
}

static unsigned number(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* Read all of an answer. @return records but OPT */
static unsigned read_all(mpp_bytes answer, bool private_ok)
{
	unsigned left = number(answer.p + 6) + number(answer.p + 8) +
			number(answer.p + 10);
	struct dns_record r;
	struct dns_name name;
	size_t at = DNS_HEADER;
	unsigned n = 0;

	if (number(answer.p + 4) == 1) {
		must(dns_name_read(answer, &at, &name) == MPP_OK, "question");
		at += 4;
	}
	for (; left > 0; left--) {
		must(dns_record_read(answer, &at, &r) == MPP_OK, "record");
		must(private_ok ||
			     dns_record_sight(answer, &r) == DNS_SIGHT_PUBLIC,
		     "no private address");
		n += r.type != DNS_OPT ? 1 : 0;
	}
	must(at == answer.len, "nothing behind the records");
	return n;
}

static void check(const struct dns_query *q, const struct dns_found *found,
		  const mpp_buf *out, bool private_ok)
{
	const unsigned flags = number(out->p + 2);
	const unsigned n = read_all((mpp_bytes){out->p, out->len}, private_ok);

	must(out->len <= q->size, "size");
	must(number(out->p) == q->id, "id");
	must((flags & DNS_QR) != 0 && (flags & DNS_RA) != 0, "QR and RA");
	must((flags & DNS_AD) == 0 || (found->secure && !found->bogus), "AD");
	must(!found->bogus || (q->flags & DNS_CD) != 0 ||
		     (n == 0 && (flags & DNS_RCODE) == DNS_SERVFAIL),
	     "nothing of what is bogus");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dns_config c;
	static uint8_t room[DNS_ANSWER_MAX];
	static struct dns_counters count;
	mpp_buf out = {room, sizeof(room), 0};
	struct dns_found found = {.why = "because"};
	struct dns_verdict v;
	struct dns_query q;
	size_t n;

	if (size < 3)
		return 0;
	n = number(data + 1) < size - 3 ? number(data + 1) : size - 3;
	c.private_ok.n = (data[0] & PRIVATE_OK) != 0 ? 1 : 0;
	must(dns_name_parse(".", &c.private_ok.at[0]), "the root");
	v = dns_query_read((mpp_bytes){data + 3, n}, &q);
	found.bogus = (data[0] & BOGUS) != 0;
	found.secure = (data[0] & SECURE) != 0;
	found.rcode = (data[0] & NO_ANSWER) != 0 ? DNS_SERVFAIL : DNS_NOERROR;
	found.packet = (mpp_bytes){data + 3 + n, size - 3 - n};
	if (v.rcode != DNS_NOERROR) {
		dns_verdict_answer(&q, v, &out);
		must(read_all((mpp_bytes){out.p, out.len}, false) == 0,
		     "no records for what is no query");
		return 0;
	}
	dns_found_answer(&c, &q, &found, &out, &count);
	check(&q, &found, &out, c.private_ok.n > 0);
	return 0;
}
