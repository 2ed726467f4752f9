/* SPDX-License-Identifier: MIT */
/* reply.c - the answer that a device gets. Contract: reply.h. */
#include "dns/reply.h"

#include <string.h>

#include "base/rd.h"
#include "base/wr.h"

enum {
	SUFFIXES = 256,       /* that names written later may point to */
	POINTER_MAX = 0x3fff, /* where a pointer can lead */
	OPT_SIZE = 11,
	OPTION_HEAD = 4,
	EDE = 15,
};

/* A name that stands in the answer already, and how long it is whole. */
struct suffix {
	uint16_t at;
	uint8_t len;
};

struct writing {
	struct wr w;
	struct suffix suffixes[SUFFIXES];
	size_t n_suffixes;
};

/* ---- names ---- */

/* Compare with a name that stands in the answer; its pointers are ours. */
static bool stands_at(const struct writing *o, size_t at, const uint8_t *name)
{
	for (;;) {
		const uint8_t n = o->w.p[at];

		if (n >= 0xc0) {
			at = (size_t)(n & 0x3f) << 8 | o->w.p[at + 1];
			continue;
		}
		if (!dns_octets_equal(o->w.p + at, name, (size_t)n + 1))
			return false;
		if (n == 0)
			return true;
		at += (size_t)n + 1;
		name += (size_t)n + 1;
	}
}

static const struct suffix *find_suffix(const struct writing *o,
					const uint8_t *name, size_t len)
{
	size_t i;

	for (i = 0; i < o->n_suffixes; i++) {
		if (o->suffixes[i].len == len &&
		    stands_at(o, o->suffixes[i].at, name))
			return &o->suffixes[i];
	}
	return NULL;
}

static void note_suffix(struct writing *o, size_t len)
{
	if (o->w.err == MPP_OK && o->n_suffixes < SUFFIXES &&
	    o->w.n <= POINTER_MAX)
		o->suffixes[o->n_suffixes++] =
			(struct suffix){(uint16_t)o->w.n, (uint8_t)len};
}

static void put_name(struct writing *o, const struct dns_name *name,
		     bool compress)
{
	const struct suffix *known = NULL;
	size_t noted = o->n_suffixes, at = 0;

	while (name->p[at] != 0) {
		const size_t n = (size_t)name->p[at] + 1;

		if (compress)
			known = find_suffix(o, name->p + at, name->len - at);
		if (known != NULL)
			break;
		note_suffix(o, name->len - at);
		wr_raw(&o->w, name->p + at, n);
		at += n;
	}
	if (known != NULL)
		wr_u16(&o->w, 0xc000 | known->at);
	else
		wr_u8(&o->w, 0);
	if (o->w.err != MPP_OK) /* they do not stand there whole */
		o->n_suffixes = noted;
}

/* ---- records ---- */

/* Rdata with names: each field by the layout of its type. */
struct rdata {
	mpp_bytes in; /* the message up to the end of the rdata */
	size_t at;
	bool compress;
};

static mpp_err put_octets(struct writing *o, struct rdata *r, size_t n)
{
	if (r->in.len - r->at < n)
		return MPP_ERR_TRUNCATED;
	wr_raw(&o->w, r->in.p + r->at, n);
	r->at += n;
	return MPP_OK;
}

static mpp_err put_field(struct writing *o, struct rdata *r, char kind)
{
	struct dns_name name;
	mpp_err err;

	if (kind == 's')
		return r->at < r->in.len
			       ? put_octets(o, r, (size_t)r->in.p[r->at] + 1)
			       : MPP_ERR_TRUNCATED;
	if (kind != 'n')
		return put_octets(o, r, (size_t)(kind - '0'));
	err = dns_name_read(r->in, &r->at, &name);
	if (err == MPP_OK)
		put_name(o, &name, r->compress);
	return err;
}

static mpp_err put_rdata(struct writing *o, mpp_bytes message,
			 const struct dns_record *record)
{
	struct rdata r = {{message.p, record->rdata + record->rdlen},
			  record->rdata,
			  dns_may_compress(record->type)};
	const char *layout = dns_layout(record->type);
	const size_t start = o->w.n;
	mpp_err err;

	wr_u16(&o->w, 0);
	/* A record without data stands for itself (updates have such). */
	for (; *layout != '\0' && record->rdlen > 0; layout++) {
		if ((err = put_field(o, &r, *layout)) != MPP_OK)
			return err;
	}
	wr_raw(&o->w, r.in.p + r.at, r.in.len - r.at);
	if (o->w.err == MPP_OK) {
		const size_t n = o->w.n - start - 2;

		o->w.p[start] = (uint8_t)(n >> 8);
		o->w.p[start + 1] = (uint8_t)n;
	}
	return MPP_OK;
}

static mpp_err put_record(struct writing *o, mpp_bytes message,
			  const struct dns_record *record)
{
	put_name(o, &record->owner, true);
	wr_u16(&o->w, record->type);
	wr_u16(&o->w, record->class);
	wr_u32(&o->w, record->ttl);
	return put_rdata(o, message, record);
}

/* ---- sections ---- */

enum section { ANSWER, AUTHORITY, ADDITIONAL, SECTIONS };

/* Going through the sections of what was found. */
struct copying {
	const struct dns_query *q;
	mpp_bytes found;
	size_t at;
	struct dns_record set; /* the first of the set that is being written */
	bool in_set;
	struct wr before; /* the answer without the set */
	uint16_t n_before, n;
	uint16_t written[SECTIONS];
	bool full; /* a set did not fit */
	bool cut;  /* … and it was not of the additional section */
};

static bool is_wanted(const struct copying *c, enum section s, uint16_t type)
{
	if (type == DNS_OPT)
		return false;
	return c->q->dnssec_ok || !dns_is_dnssec(type) ||
	       (s == ANSWER && type == c->q->type);
}

static bool is_of_set(const struct copying *c, const struct dns_record *record)
{
	const uint16_t type = record->type == DNS_RRSIG
				      ? dns_covered(c->found, record)
				      : record->type;

	return c->in_set && type == c->set.type &&
	       dns_name_equal(&record->owner, &c->set.owner);
}

/* It is the last that is written: nothing will point into it. */
static void drop_set(struct copying *c, struct writing *o, enum section s)
{
	o->w = c->before;
	c->n = c->n_before;
	c->full = true;
	c->cut = c->cut || s != ADDITIONAL;
}

static mpp_err copy_record(struct copying *c, struct writing *o, enum section s)
{
	struct dns_record record;
	mpp_err err = dns_record_read(c->found, &c->at, &record);

	if (err != MPP_OK)
		return err;
	if (c->full || !is_wanted(c, s, record.type))
		return MPP_OK;
	if (!is_of_set(c, &record)) {
		c->set = record;
		c->in_set = true;
		c->before = o->w;
		c->n_before = c->n;
	}
	err = put_record(o, c->found, &record);
	c->n++;
	if (err == MPP_OK && o->w.err != MPP_OK)
		drop_set(c, o, s);
	return err;
}

static mpp_err copy_section(struct copying *c, struct writing *o,
			    enum section s, size_t n)
{
	mpp_err err = MPP_OK;

	c->n = 0;
	c->in_set = false;
	while (err == MPP_OK && n-- > 0)
		err = copy_record(c, o, s);
	c->written[s] = c->n;
	return err;
}

static mpp_err copy_found(struct copying *c, struct writing *o)
{
	struct rd r = rd_init(c->found);
	uint16_t n[SECTIONS];
	size_t questions, s;
	struct dns_name name;
	mpp_err err;

	(void)rd_u32(&r);
	questions = rd_u16(&r);
	for (s = 0; s < SECTIONS; s++)
		n[s] = rd_u16(&r);
	if (r.err != MPP_OK || questions != 1)
		return MPP_ERR_SYNTAX;
	c->at = DNS_HEADER;
	if ((err = dns_name_read(c->found, &c->at, &name)) != MPP_OK)
		return err;
	if (c->found.len - c->at < 4)
		return MPP_ERR_TRUNCATED;
	c->at += 4;
	for (s = 0; s < SECTIONS && err == MPP_OK; s++)
		err = copy_section(c, o, (enum section)s, n[s]);
	return err != MPP_OK           ? err
	       : c->at == c->found.len ? MPP_OK
				       : MPP_ERR_TRAILING;
}

/* ---- the whole ---- */

/* Texts come from the resolver and name what strangers wrote. */
static size_t clean(const char *why, uint8_t out[DNS_WHY_MAX])
{
	size_t n = 0;

	while (n < DNS_WHY_MAX && why[n] != '\0') {
		out[n] = why[n] >= ' ' && why[n] <= '~' ? (uint8_t)why[n] : '?';
		n++;
	}
	return n;
}

static void put_opt(struct wr *w, const struct dns_query *q,
		    const struct dns_says *says)
{
	uint8_t why[DNS_WHY_MAX];
	const size_t n = says->ede == DNS_EDE_NONE ? 0 : clean(says->why, why);

	wr_u8(w, 0);
	wr_u16(w, DNS_OPT);
	wr_u16(w, DNS_SIZE_OURS);
	wr_u8(w, (uint8_t)(says->rcode >> 4));
	wr_u8(w, 0); /* version */
	wr_u16(w, q->dnssec_ok ? 0x8000 : 0);
	if (says->ede == DNS_EDE_NONE) {
		wr_u16(w, 0);
		return;
	}
	wr_be(w, OPTION_HEAD + 2 + n, 2);
	wr_u16(w, EDE);
	wr_be(w, 2 + n, 2);
	wr_be(w, (uint64_t)says->ede, 2);
	wr_raw(w, why, n);
}

static void put_header(struct wr *w, const struct dns_query *q,
		       const struct dns_says *says, const struct copying *c)
{
	const bool asks_ad = (q->flags & DNS_AD) != 0 || q->dnssec_ok;
	uint16_t flags = q->flags & (DNS_OPCODE | DNS_RD | DNS_CD);

	flags |= DNS_QR | DNS_RA | ((uint16_t)says->rcode & DNS_RCODE);
	if (says->secure && asks_ad)
		flags |= DNS_AD;
	if (c->cut)
		flags |= DNS_TC;
	wr_u16(w, q->id);
	wr_u16(w, flags);
	wr_u16(w, q->has_question ? 1 : 0);
	wr_u16(w, c->written[ANSWER]);
	wr_u16(w, c->written[AUTHORITY]);
	wr_be(w, c->written[ADDITIONAL] + (q->has_edns ? 1u : 0u), 2);
}

mpp_err dns_reply_write(const struct dns_query *q, const struct dns_says *says,
			mpp_bytes found, mpp_buf *out)
{
	struct writing o = {.w = wr_init(out->p, q->size), .n_suffixes = 0};
	struct copying c = {.q = q, .found = found};
	struct wr opt = wr_init(NULL, 0), header;
	mpp_err err = MPP_OK;

	if (q->has_edns)
		put_opt(&opt, q, says);
	o.w.cap -= opt.n;
	wr_zero(&o.w, DNS_HEADER);
	if (q->has_question) {
		put_name(&o, &q->name, true);
		wr_u16(&o.w, q->type);
		wr_u16(&o.w, q->class);
	}
	if (found.len > 0)
		err = copy_found(&c, &o);
	if (err != MPP_OK)
		return err;
	o.w.cap += opt.n;
	if (q->has_edns)
		put_opt(&o.w, q, says);
	header = wr_init(out->p, DNS_HEADER);
	put_header(&header, q, says, &c);
	out->len = o.w.n;
	return MPP_OK;
}
