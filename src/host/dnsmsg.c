/* SPDX-License-Identifier: MIT */
/* dnsmsg.c - DNS messages from outside. Contract: dnsmsg.h. */
#include "host/dnsmsg.h"

#include <string.h>

enum {
	NAME_MAX_OCTETS = 255,
	RECORD_FIXED = 10, /* type, class, TTL, length */
	TYPE_OPT = 41,
	OPT_LEAST = 11, /* the root, and no option */
	OPT_EDE = 15,
	/* Octet 2 and octet 3 of the header. */
	QR = 0x80,
	OPCODE = 0x78,
	TC = 0x02,
	RD = 0x01,
	RA = 0x80,
	CD = 0x10,
};

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* ---- reading ---- */

/* Behind a name; 0: it does not end. A pointer ends it. */
static size_t skip_name(mpp_bytes m, size_t at)
{
	const size_t begin = at;

	while (at < m.len && at - begin < NAME_MAX_OCTETS) {
		const unsigned c = m.p[at];

		if (c == 0)
			return at + 1;
		if (c >= 0xc0)
			return at + 2 <= m.len ? at + 2 : 0;
		if (c > 63)
			return 0;
		at += c + 1;
	}
	return 0;
}

static size_t skip_question(mpp_bytes m, size_t at)
{
	at = skip_name(m, at);
	return at != 0 && m.len - at >= 4 ? at + 4 : 0;
}

/* Behind a record; *type is what it is. */
static size_t skip_record(mpp_bytes m, size_t at, unsigned *type)
{
	size_t len;

	at = skip_name(m, at);
	if (at == 0 || m.len - at < RECORD_FIXED)
		return 0;
	*type = get16(m.p + at);
	len = get16(m.p + at + RECORD_FIXED - 2);
	at += RECORD_FIXED;
	return m.len - at >= len ? at + len : 0;
}

static size_t skip_records(mpp_bytes m, size_t at, unsigned n)
{
	unsigned type;

	while (n-- > 0 && at != 0)
		at = skip_record(m, at, &type);
	return at;
}

/* The additional records, of which one may be OPT. */
static bool read_additional(mpp_bytes m, size_t at, unsigned n,
			    struct dnsmsg *out)
{
	unsigned i, type;
	size_t end;

	for (i = 0; i < n; i++, at = end) {
		end = skip_record(m, at, &type);
		if (end == 0 || (type == TYPE_OPT && out->opt != 0))
			return false;
		if (type != TYPE_OPT)
			continue;
		if (m.p[at] != 0)
			return false; /* it belongs to the root */
		out->opt = at;
		out->opt_end = end;
		out->before_opt = (uint16_t)i;
		out->udp_size = (uint16_t)get16(m.p + at + 3);
	}
	out->end = at;
	return true;
}

bool dnsmsg_read(mpp_bytes m, struct dnsmsg *out)
{
	size_t at;

	memset(out, 0, sizeof(*out));
	out->udp_size = DNSMSG_UDP_LEAST;
	if (m.len < DNSMSG_HEADER)
		return false;
	out->id = (uint16_t)get16(m.p);
	out->response = (m.p[2] & QR) != 0;
	out->opcode = (m.p[2] & OPCODE) >> 3;
	out->rcode = m.p[3] & 15;
	if (get16(m.p + 4) != 1)
		return false;
	at = skip_question(m, DNSMSG_HEADER);
	out->question_end = at;
	at = at == 0 ? 0 : skip_records(m, at, get16(m.p + 6));
	at = at == 0 ? 0 : skip_records(m, at, get16(m.p + 8));
	return at != 0 && read_additional(m, at, get16(m.p + 10), out);
}

/* ---- writing ---- */

size_t dnsmsg_ask(mpp_bytes query, const struct dnsmsg *q, uint16_t id,
		  uint8_t *out)
{
	static const uint8_t opt[OPT_LEAST] = {0, 0, TYPE_OPT};
	size_t n = q->end;

	if (n + (q->opt == 0 ? OPT_LEAST : 0) > DNSMSG_QUERY_MAX)
		return 0;
	memcpy(out, query.p, n);
	put16(out, id);
	if (q->opt != 0) {
		put16(out + q->opt + 3, DNSMSG_OUT_MAX);
		return n;
	}
	memcpy(out + n, opt, OPT_LEAST);
	put16(out + n + 3, DNSMSG_OUT_MAX);
	put16(out + 10, get16(out + 10) + 1);
	return n + OPT_LEAST;
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

bool dnsmsg_answers(mpp_bytes query, const struct dnsmsg *q, uint16_t id,
		    mpp_bytes answer, const struct dnsmsg *a)
{
	size_t i;

	if (!a->response || a->id != id || a->question_end != q->question_end)
		return false;
	for (i = DNSMSG_HEADER; i < q->question_end; i++) {
		if (lower(query.p[i]) != lower(answer.p[i]))
			return false;
	}
	return true;
}

/* Header and question, and nothing behind it. */
static size_t put_question(mpp_bytes m, const struct dnsmsg *d, uint8_t *out)
{
	memcpy(out, m.p, d->question_end);
	memset(out + 6, 0, 6);
	return d->question_end;
}

static size_t cut(mpp_bytes answer, const struct dnsmsg *a, bool opt,
		  size_t limit, uint8_t *out)
{
	size_t n = put_question(answer, a, out);
	const size_t more = a->opt_end - a->opt;

	out[2] |= TC;
	if (!opt || a->opt == 0 || n + more > limit)
		return n;
	memcpy(out + n, answer.p + a->opt, more);
	put16(out + 10, 1);
	return n + more;
}

/* Who sent no OPT record gets none; nor what stands behind it, because names
 * there may point to each other. */
static size_t without_opt(mpp_bytes answer, const struct dnsmsg *a,
			  uint8_t *out)
{
	memcpy(out, answer.p, a->opt);
	put16(out + 10, a->before_opt);
	return a->opt;
}

size_t dnsmsg_fit(mpp_bytes answer, const struct dnsmsg *a,
		  const struct dnsmsg *q, size_t limit, uint8_t *out)
{
	size_t n;

	if (a->opt != 0 && q->opt == 0) {
		n = without_opt(answer, a, out);
	} else {
		n = a->end;
		memcpy(out, answer.p, n);
	}
	if (n > limit)
		n = cut(answer, a, q->opt != 0, limit, out);
	put16(out, q->id);
	return n;
}

size_t dnsmsg_error(mpp_bytes query, const struct dnsmsg *q, unsigned rcode,
		    int ede, uint8_t *out)
{
	static const uint8_t opt[OPT_LEAST] = {0, 0, TYPE_OPT, 0x04, 0xd0};
	size_t n = DNSMSG_HEADER;

	if (q->question_end != 0 && q->question_end <= DNSMSG_QUERY_MAX - 32) {
		n = put_question(query, q, out);
	} else {
		memset(out, 0, DNSMSG_HEADER);
		memcpy(out, query.p, 4);
	}
	out[2] = (uint8_t)(QR | (query.p[2] & (OPCODE | RD)));
	out[3] = (uint8_t)(RA | (query.p[3] & CD) | rcode);
	if (q->opt == 0)
		return n;
	memcpy(out + n, opt, OPT_LEAST);
	put16(out + 10, 1);
	n += OPT_LEAST;
	if (ede == DNSMSG_NO_ERROR)
		return n;
	put16(out + n - 2, 6);
	put16(out + n, OPT_EDE);
	put16(out + n + 2, 2);
	put16(out + n + 4, (unsigned)ede);
	return n + 6;
}
