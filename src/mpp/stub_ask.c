/* SPDX-License-Identifier: MIT */
/* stub_ask.c - questions on their way, and their answers. Contract: stub.h. */
#include <string.h>
#include <sys/random.h>

#include "mpp/stub.h"

/* ---- answering ---- */

static void send_udp(const struct stub *s, const struct asker *a, size_t n)
{
	/* Who cannot be reached asks again. */
	(void)sendto(s->listeners[a->listener].udp, s->out + 2, n,
		     MSG_DONTWAIT | MSG_NOSIGNAL,
		     (const struct sockaddr *)&a->peer, a->peer_len);
}

static void send_answer(struct stub *s, const struct asker *a, size_t n)
{
	if (a->connection < 0)
		send_udp(s, a, n);
	else
		stub_tcp_answer(s, a, n);
}

static void refuse(struct stub *s, mpp_bytes query, const struct dnsmsg *shape,
		   const struct asker *a, unsigned rcode, int ede)
{
	send_answer(s, a, dnsmsg_error(query, shape, rcode, ede, s->out + 2));
}

static mpp_bytes query_of(const struct question *q)
{
	return (mpp_bytes){q->query, q->len};
}

static void end(struct stub *s, struct question *q)
{
	if (q->asker.connection >= 0)
		stub_tcp_done(s, &q->asker);
	memset(q, 0, sizeof(*q));
}

static void fail(struct stub *s, struct question *q, unsigned rcode, int ede)
{
	refuse(s, query_of(q), &q->shape, &q->asker, rcode, ede);
	end(s, q);
}

/* ---- questions ---- */

static bool same_asker(const struct asker *a, const struct asker *b)
{
	if (a->connection != b->connection)
		return false;
	if (a->connection >= 0)
		return a->use == b->use;
	return a->listener == b->listener && a->peer_len == b->peer_len &&
	       memcmp(&a->peer, &b->peer, a->peer_len) == 0;
}

/* Programs repeat what they asked by UDP. */
static bool is_asked(const struct stub *s, mpp_bytes query,
		     const struct asker *a)
{
	size_t i;

	for (i = 0; i < STUB_QUESTIONS; i++) {
		const struct question *q = &s->questions[i];

		if (q->on && q->len == query.len && same_asker(&q->asker, a) &&
		    memcmp(q->query, query.p, query.len) == 0)
			return true;
	}
	return false;
}

static struct question *free_question(struct stub *s)
{
	size_t i;

	for (i = 0; i < STUB_QUESTIONS; i++) {
		if (!s->questions[i].on)
			return &s->questions[i];
	}
	return NULL;
}

static void keep(struct stub *s, struct question *q, mpp_bytes query,
		 const struct dnsmsg *shape, const struct asker *a)
{
	*q = (struct question){
		.on = true,
		.number = ++s->numbers,
		.ends_us = s->now_us + (s->here ? STUB_LIFE_MS : STUB_AWAY_MS) *
					       UINT64_C(1000),
		.asker = *a,
		.shape = *shape,
		.len = query.len,
	};
	memcpy(q->query, query.p, query.len);
	if (a->connection >= 0)
		s->connections[a->connection].waiting++;
}

bool stub_query(struct stub *s, mpp_bytes query, const struct asker *a)
{
	struct question *q;
	struct dnsmsg shape;
	const bool good = dnsmsg_read(query, &shape);

	/* An answer must never be answered. */
	if (query.len < DNSMSG_HEADER || shape.response)
		return false;
	if (shape.opcode != 0) {
		refuse(s, query, &shape, a, DNSMSG_NOTIMP, DNSMSG_NO_ERROR);
	} else if (!good || shape.end != query.len) {
		refuse(s, query, &shape, a, DNSMSG_FORMERR, DNSMSG_NO_ERROR);
	} else if (query.len > DNSMSG_QUERY_MAX) {
		refuse(s, query, &shape, a, DNSMSG_REFUSED, DNSMSG_EDE_OTHER);
	} else if (!is_asked(s, query, a)) {
		q = free_question(s);
		if (q == NULL)
			refuse(s, query, &shape, a, DNSMSG_SERVFAIL,
			       DNSMSG_EDE_NOT_READY);
		else
			keep(s, q, query, &shape, a);
	}
	return true;
}

/* ---- asking the service ---- */

static struct question *oldest_unasked(struct stub *s)
{
	struct question *found = NULL;
	size_t i;

	for (i = 0; i < STUB_QUESTIONS; i++) {
		struct question *q = &s->questions[i];

		if (q->on && q->request == 0 &&
		    (found == NULL || q->number < found->number))
			found = q;
	}
	return found;
}

static mpp_err ask_one(struct stub *s, struct question *q)
{
	uint8_t p[DNSMSG_QUERY_MAX];
	size_t n;

	/* The asker's id says nothing outside of this machine. */
	if (getrandom(&q->id, sizeof(q->id), 0) != (ssize_t)sizeof(q->id))
		return MPP_ERR_RANDOM;
	n = dnsmsg_ask(query_of(q), &q->shape, q->id, p);
	if (n == 0)
		return MPP_ERR_NOSPACE;
	return mpp_client_resolve(mpp_loop_client(s->loop), (mpp_bytes){p, n},
				  mpp_loop_now(s->loop), &q->request);
}

bool stub_ask(struct stub *s)
{
	struct question *q;
	bool any = false;
	mpp_err err;

	while ((q = oldest_unasked(s)) != NULL) {
		err = ask_one(s, q);
		if (err == MPP_ERR_AGAIN)
			break;
		if (err != MPP_OK)
			fail(s, q, DNSMSG_SERVFAIL, DNSMSG_EDE_OTHER);
		any = any || err == MPP_OK;
	}
	return any;
}

/* ---- what it says ---- */

static struct question *find_request(struct stub *s, uint32_t request)
{
	size_t i;

	for (i = 0; i < STUB_QUESTIONS; i++) {
		if (s->questions[i].on && s->questions[i].request == request)
			return &s->questions[i];
	}
	return NULL;
}

static size_t limit_of(const struct question *q)
{
	if (q->asker.connection >= 0)
		return DNSMSG_OUT_MAX;
	if (q->shape.udp_size < DNSMSG_UDP_LEAST)
		return DNSMSG_UDP_LEAST;
	return q->shape.udp_size < DNSMSG_OUT_MAX ? q->shape.udp_size
						  : DNSMSG_OUT_MAX;
}

static void pass_on(struct stub *s, struct question *q, mpp_bytes answer)
{
	struct dnsmsg a;

	if (!dnsmsg_read(answer, &a) ||
	    !dnsmsg_answers(query_of(q), &q->shape, q->id, answer, &a)) {
		fail(s, q, DNSMSG_SERVFAIL, DNSMSG_EDE_OTHER);
		return;
	}
	send_answer(s, &q->asker,
		    dnsmsg_fit(answer, &a, &q->shape, limit_of(q), s->out + 2));
	end(s, q);
}

void stub_answered(struct stub *s, const mpp_client_event *ev)
{
	struct question *q = find_request(s, ev->request);
	mpp_buf dns = {s->room, sizeof(s->room), 0};

	if (ev->request == 0 || q == NULL)
		return; /* nobody waits for it any more */
	if (ev->status == MPP_STATUS_FORBIDDEN)
		fail(s, q, DNSMSG_REFUSED, DNSMSG_EDE_NOT_SUPPORTED);
	else if (mpp_client_dns(ev, &dns) != MPP_OK)
		fail(s, q, DNSMSG_SERVFAIL, DNSMSG_EDE_NETWORK);
	else
		pass_on(s, q, (mpp_bytes){dns.p, dns.len});
}

/* ---- time ---- */

void stub_away(struct stub *s)
{
	const uint64_t most = s->now_us + STUB_AWAY_MS * UINT64_C(1000);
	size_t i;

	for (i = 0; i < STUB_QUESTIONS; i++) {
		if (s->questions[i].on && s->questions[i].ends_us > most)
			s->questions[i].ends_us = most;
	}
}

void stub_expire(struct stub *s)
{
	size_t i;

	for (i = 0; i < STUB_QUESTIONS; i++) {
		struct question *q = &s->questions[i];

		if (q->on && q->ends_us <= s->now_us)
			fail(s, q, DNSMSG_SERVFAIL, DNSMSG_EDE_NETWORK);
	}
}

uint64_t stub_due(const struct stub *s)
{
	uint64_t at = UINT64_MAX;
	size_t i;

	for (i = 0; i < STUB_QUESTIONS; i++) {
		if (s->questions[i].on && s->questions[i].ends_us < at)
			at = s->questions[i].ends_us;
	}
	return at;
}
