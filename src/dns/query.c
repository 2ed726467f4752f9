/* SPDX-License-Identifier: MIT */
/* query.c - what a device asks. Contract: query.h. */
#include "dns/query.h"

#include "base/rd.h"

static const struct dns_verdict good = {DNS_NOERROR, DNS_EDE_NONE, ""};
static const struct dns_verdict bad_form = {DNS_FORMERR, DNS_EDE_NONE, ""};

/* Numbers of records that the header announces. */
struct counts {
	uint16_t question, answer, authority, additional;
};

/* EDNS options: only their lengths are looked at, none changes an answer. */
static bool options_are_whole(mpp_bytes options)
{
	struct rd r = rd_init(options);

	while (r.left > 0) {
		(void)rd_u16(&r);
		(void)rd_slice(&r, rd_u16(&r));
	}
	return r.err == MPP_OK;
}

static uint16_t clamp_size(uint16_t size)
{
	return size < DNS_SIZE_MIN    ? DNS_SIZE_MIN
	       : size > DNS_SIZE_OURS ? DNS_SIZE_OURS
				      : size;
}

/* The one record that may follow a question: OPT. */
static struct dns_verdict read_opt(struct rd *r, struct dns_query *q)
{
	const uint8_t root = rd_u8(r);
	const uint16_t type = rd_u16(r);
	const uint16_t size = rd_u16(r);
	const uint16_t version = rd_u16(r) & 0xff;
	const uint16_t flags = rd_u16(r);
	const mpp_bytes options = rd_slice(r, rd_u16(r));

	if (r->err != MPP_OK || root != 0 || type != DNS_OPT)
		return bad_form;
	q->has_edns = true;
	q->dnssec_ok = (flags & 0x8000) != 0;
	q->size = clamp_size(size);
	if (version > 0)
		return (struct dns_verdict){DNS_BADVERS, DNS_EDE_NONE, ""};
	return options_are_whole(options) ? good : bad_form;
}

static bool read_question(struct rd *r, struct dns_query *q)
{
	const mpp_bytes rest = {r->p, r->left};
	struct dns_name name;
	size_t at = 0;

	/* Nothing is before the name that a pointer could mean: within `rest`
	 * each one leads forwards or to itself. */
	if (dns_name_read(rest, &at, &name) != MPP_OK)
		return false;
	(void)rd_slice(r, at);
	q->type = rd_u16(r);
	q->class = rd_u16(r);
	if (r->err != MPP_OK)
		return false;
	q->name = name;
	q->has_question = true;
	return true;
}

static struct dns_verdict judge_question(const struct dns_query *q)
{
	if ((q->flags & DNS_RD) == 0)
		return (struct dns_verdict){DNS_REFUSED,
					    DNS_EDE_NOT_AUTHORITATIVE,
					    "only recursive questions"};
	if (q->class != DNS_IN)
		return (struct dns_verdict){DNS_REFUSED, DNS_EDE_NOT_SUPPORTED,
					    "only class IN"};
	if (q->type == 0 || q->type == DNS_OPT)
		return bad_form;
	if (q->type >= DNS_META && q->type < DNS_META_END)
		return (struct dns_verdict){DNS_NOTIMP, DNS_EDE_NOT_SUPPORTED,
					    "no transfers, no ANY"};
	return good;
}

static struct dns_verdict read_sections(struct rd *r, struct counts n,
					struct dns_query *q)
{
	struct dns_verdict v = good;

	if (n.question != 1 || !read_question(r, q))
		return bad_form;
	if (n.answer != 0 || n.authority != 0 || n.additional > 1)
		return bad_form;
	if (n.additional == 1)
		v = read_opt(r, q);
	if (v.rcode != DNS_NOERROR)
		return v;
	return rd_finish(r) == MPP_OK ? judge_question(q) : bad_form;
}

struct dns_verdict dns_query_read(mpp_bytes in, struct dns_query *out)
{
	struct rd r = rd_init(in);
	struct counts n;

	*out = (struct dns_query){.size = DNS_SIZE_MIN, .name = {.len = 1}};
	out->id = rd_u16(&r);
	out->flags = rd_u16(&r);
	n.question = rd_u16(&r);
	n.answer = rd_u16(&r);
	n.authority = rd_u16(&r);
	n.additional = rd_u16(&r);
	if (r.err != MPP_OK || (out->flags & DNS_QR) != 0)
		return bad_form;
	if ((out->flags & DNS_OPCODE) != 0)
		return (struct dns_verdict){DNS_NOTIMP, DNS_EDE_NOT_SUPPORTED,
					    "only opcode QUERY"};
	return read_sections(&r, n, out);
}
