/* SPDX-License-Identifier: MIT */
/* service_stun.c - Binding requests of STUN (docs/protocol.md section 16).
 *
 * A request is answered from what it says, and forgotten. Whoever forges the
 * address of a request has its answer sent there, so answers are hardly longer
 * than requests and counted for the address and its prefix; beyond that there
 * is silence, which costs STUN at that address, and nothing else there.
 *
 * With four sockets (RFC 5780), CHANGE-REQUEST chooses the one that answers,
 * but not whom: an answer goes to the host that the request came from. */
#include "role/service.h"

#include "base/bucket.h"
#include "stun/form.h"
#include "stun/stun.h"

enum {
	TICKS = 1000000, /* a second, for the buckets: microseconds */
	PORT_MIN = 1024, /* RESPONSE-PORT: nobody's server */
	PREFIX_V4 = 3,   /* octets */
	PREFIX_V6 = 7,
	ANSWER_MAX = 124, /* with all but PADDING */
	ATTRIBUTE_HEAD = 4,
};

/* ---- how many ---- */

/* AES under a key that nobody knows: no two addresses can be found that share
 * a bucket. */
static mpp_err place(const struct mpp_service *s, const mpp_addr *a,
		     unsigned octets, uint32_t *out)
{
	uint8_t block[16] = {0};
	struct rd r = rd_init((mpp_bytes){block, sizeof(block)});
	mpp_err err;

	memcpy(block, a->ip, octets);
	block[15] ^= a->family;
	err = s->crypto.ops->aes_encrypt(s->crypto.ctx, s->stun_key, block,
					 block);
	*out = rd_u32(&r);
	return err;
}

static struct bucket per_second(uint32_t n)
{
	return (struct bucket){TICKS / n, TICKS};
}

/* One of the address and one of its prefix, or none. Errors: LIMIT, CRYPTO. */
static mpp_err take_turn(struct mpp_service *s, const mpp_addr *from,
			 mpp_time now)
{
	const struct bucket one = per_second(s->config.stun_address);
	const struct bucket all = per_second(s->config.stun_prefix);
	const uint32_t t = (uint32_t)now.us;
	uint32_t i, k;
	mpp_err err = place(s, from, 16, &i);

	if (err == MPP_OK)
		err = place(s, from, from->family == 4 ? PREFIX_V4 : PREFIX_V6,
			    &k);
	if (err != MPP_OK)
		return err;
	i %= STUN_ADDRESSES;
	k %= STUN_PREFIXES;
	if (bucket_wait(&one, s->stun_spent[i], t) != 0 ||
	    !bucket_take(&all, &s->stun_prefix_spent[k], t))
		return MPP_ERR_LIMIT;
	(void)bucket_take(&one, &s->stun_spent[i], t);
	return MPP_OK;
}

/* ---- the four sockets ---- */

static bool same_host(const mpp_addr *a, const mpp_addr *b)
{
	return memcmp(a->ip, b->ip, 16) == 0;
}

mpp_err mpp_service_stun_four(mpp_service *s, const mpp_addr at[4])
{
	struct stun_four *f = &s->stun_fours[at[0].family == 6];
	unsigned i;

	for (i = 0; i < 4; i++) {
		if ((at[i].family != 4 && at[i].family != 6) ||
		    at[i].family != at[0].family || at[i].port == 0 ||
		    at[i].port != at[i & 1].port ||
		    !same_host(&at[i], &at[i & 2]))
			return MPP_ERR_INVALID;
	}
	if (f->at[0].family != 0 || same_host(&at[0], &at[3]) ||
	    at[0].port == at[3].port)
		return MPP_ERR_INVALID;
	memcpy(f->at, at, sizeof(f->at));
	return MPP_OK;
}

/* Which of the four was asked; -1: none of them. */
static int asked(const struct stun_four *f, const mpp_addr *from)
{
	int i;

	for (i = 0; i < 4; i++) {
		if (f->at[i].family != 0 && f->at[i].socket == from->socket)
			return i;
	}
	return -1;
}

/* ---- answers ---- */

/* A request being answered. */
struct stun_question {
	const struct stun *m;
	const mpp_addr *from;
	const struct stun_four *four;
	int i; /* of them; -1: without RFC 5780 */
};

/* What there is without the four sockets: attributes of RFC 5780 are as
 * unknown as any other (6.1: 420). */
static void forget_attributes(struct stun *m)
{
	static const struct {
		unsigned has;
		uint16_t type;
	} of[] = {
		{STUN_HAS_CHANGE, STUN_CHANGE_REQUEST},
		{STUN_HAS_PADDING, STUN_PADDING},
		{STUN_HAS_RESPONSE_PORT, STUN_RESPONSE_PORT},
	};
	unsigned i;

	for (i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		if ((m->has & of[i].has) != 0 &&
		    m->n_unknown < STUN_UNKNOWN_MAX)
			m->unknown[m->n_unknown++] = of[i].type;
	}
}

static unsigned judge(const struct stun_question *q)
{
	const unsigned has = q->m->has;

	if (q->m->n_unknown != 0)
		return STUN_UNKNOWN_ATTRIBUTE;
	if ((has & STUN_HAS_RESPONSE_PORT) != 0 &&
	    ((has & STUN_HAS_PADDING) != 0 || q->m->response_port < PORT_MIN))
		return STUN_BAD_REQUEST;
	return 0;
}

/* Never more than was asked with, so that it makes nothing longer. */
static size_t padding_for(size_t asked_with)
{
	const size_t most =
		sizeof(((mpp_datagram *)0)->data) - ANSWER_MAX - ATTRIBUTE_HEAD;

	return (asked_with < most ? asked_with : most) / 4 * 4;
}

/* RFC 5780 6.1: where the answer comes from, and what else it says. */
static void put_behaviour(const struct stun_question *q, struct stun_answer *a,
			  mpp_addr *to)
{
	const unsigned change = q->m->change;
	const int i = q->i ^ ((change & STUN_CHANGE_PORT) != 0 ? 1 : 0) ^
		      ((change & STUN_CHANGE_IP) != 0 ? 2 : 0);

	a->plain = *q->from;
	a->origin = q->four->at[i];
	a->other = q->four->at[q->i ^ 3];
	a->padding = padding_for(q->m->padding);
	to->socket = q->four->at[i].socket;
	if ((q->m->has & STUN_HAS_RESPONSE_PORT) != 0)
		to->port = q->m->response_port;
}

static mpp_err answer(struct mpp_service *s, const struct stun_question *q,
		      mpp_outbox *out)
{
	mpp_datagram *d = &out->slots[out->n];
	mpp_buf room = {d->data, sizeof(d->data), 0};
	struct stun_answer a = {
		.id = q->m->id,
		.error = judge(q),
		.request = q->m,
		.fingerprint = (q->m->has & STUN_HAS_FINGERPRINT) != 0,
	};
	mpp_err err;

	d->to = *q->from;
	if (a.error == 0)
		a.mapped = *q->from;
	if (a.error == 0 && q->i >= 0)
		put_behaviour(q, &a, &d->to);
	if ((err = stun_answer(&a, &room)) != MPP_OK)
		return err;
	d->len = (uint16_t)room.len;
	out->n++;
	s->count.sent++;
	s->count.stun++;
	if (a.error != 0)
		s->count.stun_errors++;
	return MPP_OK;
}

/* RFC 8489 6.3: what is wrong is dropped without a word. So are answers and
 * indications, so that two servers cannot be made to talk to each other. */
static mpp_err read_request(const struct mpp_service *s, mpp_bytes in,
			    struct stun *m)
{
	const mpp_err err = stun_decode(in, m);

	if (err != MPP_OK)
		return err;
	if (s->config.stun_off || m->class != STUN_REQUEST ||
	    m->method != STUN_BINDING)
		return MPP_ERR_UNSUPPORTED;
	return MPP_OK;
}

mpp_err service_stun(struct mpp_service *s, mpp_bytes in, const mpp_addr *from,
		     mpp_time now, mpp_outbox *out)
{
	struct stun m;
	struct stun_question q = {
		.m = &m,
		.from = from,
		.four = &s->stun_fours[from->family == 6],
	};
	mpp_err err = read_request(s, in, &m);

	if (err != MPP_OK) {
		s->count.drop_stun++;
		return err;
	}
	if (out->n == out->cap) {
		s->count.no_room++;
		return MPP_ERR_NOSPACE;
	}
	err = take_turn(s, from, now);
	if (err == MPP_OK) {
		q.i = asked(q.four, from);
		if (q.i < 0)
			forget_attributes(&m);
		err = answer(s, &q, out);
	}
	if (err == MPP_ERR_LIMIT)
		s->count.stun_limited++;
	else if (err != MPP_OK)
		s->count.send_errors++;
	return err;
}
