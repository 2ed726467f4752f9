/* SPDX-License-Identifier: MIT */
/* question.c - Binding requests that are under way. Contract: question.h. */
#include "netcheck/question.h"

#include <string.h>

#include "base/wr.h"

enum {
	GAPS_GROW = 2, /* doubled so often at most */
	LAST_GAPS = 2, /* first intervals that the last sending is awaited */
	/* Comprehension-optional and not assigned: servers skip it. */
	ATTR_FILLER = 0xfffe,
	ATTR_HEAD = 4,
	LENGTH_AT = 2,
	ID_AT = 8,
};

bool addr_same_ip(const mpp_addr *a, const mpp_addr *b)
{
	return a->family == b->family &&
	       memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

bool addr_same(const mpp_addr *a, const mpp_addr *b)
{
	return addr_same_ip(a, b) && a->port == b->port;
}

void questions_init(struct questions *qs, const mpp_crypto *crypto)
{
	memset(qs, 0, sizeof(*qs));
	qs->crypto = crypto;
	qs->rto_ms = QUESTION_RTO_MS;
}

struct question *questions_add(struct questions *qs,
			       enum question_purpose purpose, unsigned index,
			       uint8_t socket, const mpp_addr *to)
{
	/* The last place is never among those that are looked at. */
	struct question *q = &qs->list[qs->n];
	mpp_err err = MPP_OK;

	memset(q, 0, sizeof(*q));
	if (qs->n == QUESTIONS_MAX - 1)
		err = MPP_ERR_LIMIT;
	else
		err = qs->crypto->ops->random(qs->crypto->ctx, q->id,
					      sizeof(q->id));
	if (err != MPP_OK && qs->err == MPP_OK)
		qs->err = err;
	qs->n += err == MPP_OK;
	q->purpose = purpose;
	q->index = index;
	q->state = QUESTION_WAITING;
	q->from = q->at = socket;
	q->to = q->expect = *to;
	q->sends_max = QUESTION_SENDS;
	return q;
}

static uint64_t gap_us(const struct questions *qs, const struct question *q)
{
	const uint64_t rto_us = qs->rto_ms * UINT64_C(1000);
	const unsigned doubled = q->sends - 1;

	if (q->sends == q->sends_max)
		return LAST_GAPS * rto_us;
	return rto_us << (doubled < GAPS_GROW ? doubled : GAPS_GROW);
}

static void sent(struct questions *qs, struct question *q, mpp_time now)
{
	if (q->sends++ == 0)
		q->first = now;
	q->last = now;
	q->next.us = now.us + gap_us(qs, q);
	qs->quiet_until.us = now.us + QUESTION_PACE_US;
}

struct question *questions_due(struct questions *qs, mpp_time now)
{
	struct question *best = NULL;
	size_t i;

	for (i = 0; i < qs->n; i++) {
		struct question *q = &qs->list[i];

		if (q->state != QUESTION_WAITING || q->next.us > now.us)
			continue;
		if (q->sends >= q->sends_max)
			q->state = QUESTION_SILENT;
		else if (best == NULL || q->next.us < best->next.us)
			best = q;
	}
	if (best == NULL || now.us < qs->quiet_until.us)
		return NULL;
	sent(qs, best, now);
	return best;
}

mpp_time questions_deadline(const struct questions *qs)
{
	mpp_time at = MPP_TIME_NEVER;
	size_t i;

	for (i = 0; i < qs->n; i++) {
		const struct question *q = &qs->list[i];
		uint64_t due = q->next.us;

		if (q->state != QUESTION_WAITING)
			continue;
		if (q->sends < q->sends_max && due < qs->quiet_until.us)
			due = qs->quiet_until.us;
		if (due < at.us)
			at.us = due;
	}
	return at;
}

/* The attribute that makes the datagram as long as it should be. */
static mpp_err fill(size_t length, mpp_buf *out)
{
	struct wr w = wr_init(out->p, out->cap);
	struct wr at = wr_init(out->p + LENGTH_AT, 2);

	if (length > out->cap)
		return MPP_ERR_NOSPACE;
	w.n = out->len;
	wr_u16(&w, ATTR_FILLER);
	wr_u16(&w, (uint16_t)(length - out->len - ATTR_HEAD));
	wr_zero(&w, length - out->len - ATTR_HEAD);
	wr_u16(&at, (uint16_t)(length - STUN_HEADER_LEN));
	out->len = length;
	return w.err;
}

mpp_err question_write(const struct question *q, mpp_buf *out)
{
	const struct stun_ask ask = {
		.id = q->id,
		.has = q->has,
		.change = q->change,
		.response_port = q->response_port,
		.padding = q->padding,
	};
	const mpp_err err = stun_request(&ask, out);

	if (err != MPP_OK || q->length < out->len + ATTR_HEAD)
		return err;
	return fill(q->length, out);
}

/* The waiting question with this id. A server that does not do what was asked
 * answers to the socket that asked. */
static struct question *named(struct questions *qs, uint8_t socket,
			      const uint8_t *id)
{
	size_t i;

	for (i = 0; i < qs->n; i++) {
		struct question *q = &qs->list[i];

		if (q->state == QUESTION_WAITING && q->sends > 0 &&
		    (q->at == socket || q->from == socket) &&
		    memcmp(q->id, id, STUN_ID_LEN) == 0)
			return q;
	}
	return NULL;
}

static struct question *answered(struct question *q, size_t len, mpp_time now)
{
	q->state = QUESTION_ANSWERED;
	q->answered = now;
	q->answer_len = len;
	return q;
}

struct question *questions_receive(struct questions *qs, uint8_t socket,
				   const mpp_addr *from, mpp_bytes in,
				   mpp_time now)
{
	struct stun s;
	struct question *q;

	if (!stun_is(in) || stun_decode(in, &s) != MPP_OK ||
	    s.method != STUN_BINDING)
		return NULL;
	q = named(qs, socket, s.id);
	if (q == NULL)
		return NULL;
	if (q->purpose == FOR_HAIRPIN) /* our own request comes back */
		return s.class == STUN_REQUEST && q->at == socket
			       ? answered(q, in.len, now)
			       : NULL;
	if (s.class != STUN_SUCCESS && s.class != STUN_ERROR)
		return NULL;
	if (!addr_same(from, &q->expect) && !addr_same(from, &q->to))
		return NULL;
	if (s.class == STUN_SUCCESS && s.mapped.family != q->to.family)
		return NULL; /* says nothing */
	q->misplaced = socket != q->at || !addr_same(from, &q->expect);
	q->error = s.class == STUN_ERROR ? s.error : 0;
	if (s.class == STUN_ERROR && q->error == 0)
		return NULL;
	q->mapped = s.mapped;
	q->other = s.other;
	return answered(q, in.len, now);
}

const struct question *questions_find(const struct questions *qs,
				      enum question_purpose purpose,
				      unsigned index)
{
	size_t i;

	for (i = 0; i < qs->n; i++) {
		if (qs->list[i].purpose == purpose &&
		    qs->list[i].index == index)
			return &qs->list[i];
	}
	return NULL;
}

bool questions_waiting(const struct questions *qs,
		       enum question_purpose purpose)
{
	size_t i;

	for (i = 0; i < qs->n; i++) {
		if (qs->list[i].purpose == purpose &&
		    qs->list[i].state == QUESTION_WAITING)
			return true;
	}
	return false;
}

bool question_ok(const struct question *q)
{
	return q != NULL && q->state == QUESTION_ANSWERED && q->error == 0 &&
	       !q->misplaced;
}
