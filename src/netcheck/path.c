/* SPDX-License-Identifier: MIT */
/* path.c - the check of one address family. Contract: path.h. */
#include "netcheck/path.h"

#include <string.h>

#include "netcheck/sizes.h"
#include "netcheck/trips.h"

enum {
	REACH_SENDS = 6,    /* nothing else says that UDP is blocked */
	REACH_GAP_MS = 250, /* from one address of the service to the next */
	HAIRPIN_SENDS = 3,
	RTO_OF_RTT = 2,
	PADDING_TRIED = 64,
};

static mpp_time after_ms(mpp_time at, uint64_t ms)
{
	return (mpp_time){at.us + ms * 1000};
}

static struct question *ask(struct path *p, enum question_purpose purpose,
			    unsigned index, enum path_socket socket,
			    const mpp_addr *to)
{
	return questions_add(&p->qs, purpose, index, (uint8_t)socket, to);
}

void path_start(struct path *p, const struct path_config *c,
		const mpp_crypto *crypto, mpp_time now)
{
	struct question *q;
	size_t i;

	memset(p, 0, sizeof(*p));
	p->c = *c;
	p->stage = PATH_REACHING;
	p->started = now;
	p->life_method = METHOD_NOT_TESTED;
	lifetime_init(&p->life);
	questions_init(&p->qs, crypto);
	for (i = 0; i < c->n_servers; i++) {
		q = ask(p, FOR_REACH, (unsigned)i, PATH_MAIN, &c->servers[i]);
		q->next = after_ms(now, i * REACH_GAP_MS);
		q->sends_max = REACH_SENDS;
	}
}

static void ask_mapping(struct path *p)
{
	const mpp_addr places[] = {
		[ALTERNATE_A2P1] = p->other,
		[ALTERNATE_A2P2] = p->other,
		[ALTERNATE_A1P2] = p->primary,
	};
	const uint16_t ports[] = {p->primary.port, p->other.port,
				  p->other.port};
	unsigned i;

	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		mpp_addr to = places[i];

		to.port = ports[i];
		(void)ask(p, FOR_MAPPING, i, PATH_MAIN, &to);
	}
}

static void ask_filtering(struct path *p)
{
	struct question *q =
		ask(p, FOR_FILTERING, FILTER_PLAIN, PATH_FILTER, &p->primary);

	if (p->other.family == 0)
		return;
	q = ask(p, FOR_FILTERING, FILTER_BOTH, PATH_FILTER, &p->primary);
	q->has = STUN_HAS_CHANGE;
	q->change = STUN_CHANGE_IP | STUN_CHANGE_PORT;
	q->expect = p->other;
	q = ask(p, FOR_FILTERING, FILTER_PORT, PATH_FILTER, &p->primary);
	q->has = STUN_HAS_CHANGE;
	q->change = STUN_CHANGE_PORT;
	q->expect.port = p->other.port;
}

static void ask_trips(struct path *p, mpp_time now)
{
	struct question *q;
	unsigned i;

	for (i = 0; i < TRIPS_MAX; i++) {
		q = ask(p, FOR_TRIP, i, PATH_TRIPS, &p->primary);
		q->sends_max = 1;
		q->next = after_ms(now, (uint64_t)i * TRIPS_GAP_MS);
	}
}

/* After the round trips, which large datagrams would hold up. The largest
 * first: what passes makes the smaller ones needless. */
static void ask_sizes(struct path *p)
{
	struct question *q = ask(p, FOR_PADDING, 0, PATH_SIZES, &p->primary);
	unsigned i;

	q->has = STUN_HAS_PADDING;
	q->padding = PADDING_TRIED;
	for (i = SIZES; i-- > 0;) {
		q = ask(p, FOR_UP, i, PATH_SIZES, &p->primary);
		q->next = p->sizes_at;
		q->length = sizes_payload[i];
	}
}

/* The server pads its answers (RFC 5780 7.6): as long as is asked, so that
 * each size can be had; or all to one size, then that is all there is. */
static void ask_sizes_down(struct path *p, const struct question *padded)
{
	const size_t rest = padded->answer_len - PADDING_TRIED;
	struct question *q;
	unsigned i;

	if (!question_ok(padded) ||
	    padded->answer_len < STUN_HEADER_LEN + PADDING_TRIED ||
	    rest > SIZES_NEEDED - PADDING_TRIED)
		return;
	for (i = SIZES; i-- > 0;) {
		q = ask(p, FOR_DOWN, i, PATH_SIZES, &p->primary);
		q->next = p->sizes_at;
		q->has = STUN_HAS_PADDING;
		q->padding = (sizes_payload[i] - rest) / 4 * 4;
	}
}

static void ask_lifetimes(struct path *p)
{
	unsigned i;

	for (i = 0; i < LIFETIME_SPANS; i++)
		(void)ask(p, FOR_LIFE_OPEN, i, PATH_LIFE + i, &p->primary);
}

/* An alternate address as RFC 5780 7.4 has it: another address and another
 * port of the same family. */
static mpp_addr alternate_of(const struct question *q)
{
	if (q->other.family != q->to.family || q->other.port == 0 ||
	    q->other.port == q->to.port || addr_same_ip(&q->other, &q->to))
		return (mpp_addr){.family = 0};
	return q->other;
}

static void begin_checks(struct path *p, const struct question *q, mpp_time now)
{
	const uint64_t rtt_ms = (now.us - q->last.us) / 1000;

	p->stage = PATH_CHECKING;
	p->primary = q->to;
	p->other = alternate_of(q);
	if (q->sends == 1 && rtt_ms * RTO_OF_RTT > QUESTION_RTO_MS)
		p->qs.rto_ms = (uint32_t)(rtt_ms * RTO_OF_RTT);
	if (p->other.family != 0)
		ask_mapping(p);
	ask_filtering(p);
	ask_trips(p, now);
	p->sizes_at = after_ms(now, TRIPS_MAX * TRIPS_GAP_MS);
	ask_sizes(p);
	if (p->c.lifetime)
		ask_lifetimes(p);
}

/* Is the socket seen as another address than its own? */
static bool translated(const struct path *p, const struct question *q)
{
	return !addr_same(&q->mapped, &p->c.local[q->from]);
}

const struct question *path_reached(const struct path *p)
{
	size_t i;

	for (i = 0; i < p->qs.n; i++) {
		const struct question *q = &p->qs.list[i];

		if (q->purpose == FOR_REACH && question_ok(q) &&
		    addr_same(&q->to, &p->primary))
			return q;
	}
	return NULL;
}

/* Two sockets behind one NAT send to each other's address outside, each
 * opening the way for the other one; one that arrives is enough. */
static void ask_hairpin(struct path *p)
{
	const struct question *here = path_reached(p);
	const struct question *there =
		questions_find(&p->qs, FOR_FILTERING, FILTER_PLAIN);
	struct question *q;

	if (p->hairpin_asked || here == NULL || !question_ok(there) ||
	    !translated(p, here))
		return;
	p->hairpin_asked = true;
	q = ask(p, FOR_HAIRPIN, 0, PATH_MAIN, &there->mapped);
	q->at = PATH_FILTER;
	q->sends_max = HAIRPIN_SENDS;
	q = ask(p, FOR_HAIRPIN, 1, PATH_FILTER, &here->mapped);
	q->at = PATH_MAIN;
	q->sends_max = HAIRPIN_SENDS;
}

/* What passed in a large datagram passes in a smaller one. */
static void drop_smaller(struct path *p, const struct question *than)
{
	size_t i;

	for (i = 0; i < p->qs.n; i++) {
		struct question *q = &p->qs.list[i];

		if (q->purpose == than->purpose && q->index < than->index &&
		    q->state == QUESTION_WAITING)
			q->state = QUESTION_DROPPED;
	}
}

/* By RESPONSE-PORT another socket has the server send to the silent one; or
 * the silent one speaks itself, and is seen under the same address or not. */
static void ask_life(struct path *p, unsigned span, const struct question *open)
{
	const bool self = p->life_method == METHOD_NEW_MAPPING;
	struct question *q = ask(p, FOR_LIFE_ASK, span,
				 self ? PATH_LIFE + span : (unsigned)PATH_TRIPS,
				 &p->primary);

	q->at = (uint8_t)(PATH_LIFE + span);
	if (self)
		return;
	q->has = STUN_HAS_RESPONSE_PORT;
	q->response_port = open->mapped.port;
}

static uint32_t silent_ms(const struct question *open,
			  const struct question *asked)
{
	return (uint32_t)((asked->first.us - open->answered.us) / 1000);
}

/* Without RESPONSE-PORT, only a NAT that takes new ports can be measured. */
static enum method without_response_port(const struct path *p)
{
	const struct question *q = questions_find(&p->qs, FOR_LIFE_OPEN, 0);

	return q->mapped.port == p->c.local[q->from].port ? METHOD_IMPOSSIBLE
							  : METHOD_NEW_MAPPING;
}

/* The first span is none: it shows whether RESPONSE-PORT works. */
static void step_method(struct path *p)
{
	const struct question *open = questions_find(&p->qs, FOR_LIFE_OPEN, 0);
	const struct question *asked = questions_find(&p->qs, FOR_LIFE_ASK, 0);

	if (p->life_method != METHOD_NOT_TESTED)
		return;
	if (asked == NULL && question_ok(open))
		ask_life(p, 0, open);
	else if (question_ok(asked))
		p->life_method = METHOD_RESPONSE_PORT;
	else if (asked != NULL && asked->state != QUESTION_WAITING)
		p->life_method = without_response_port(p);
}

static void step_span(struct path *p, unsigned i, mpp_time now)
{
	const struct question *open = questions_find(&p->qs, FOR_LIFE_OPEN, i);
	const struct question *asked = questions_find(&p->qs, FOR_LIFE_ASK, i);
	bool alive;

	if (p->life.state[i] != SPAN_OPEN || open->state == QUESTION_WAITING)
		return;
	if (!question_ok(open)) {
		lifetime_result(&p->life, i, SPAN_FAILED, 0);
		return;
	}
	if (asked == NULL) {
		if (now.us >= after_ms(open->answered, lifetime_spans_ms[i]).us)
			ask_life(p, i, open);
		return;
	}
	if (asked->state == QUESTION_WAITING)
		return;
	alive = question_ok(asked) &&
		(p->life_method != METHOD_NEW_MAPPING ||
		 addr_same(&asked->mapped, &open->mapped));
	lifetime_result(&p->life, i, alive ? SPAN_ALIVE : SPAN_GONE,
			silent_ms(open, asked));
}

static bool life_over(const struct path *p)
{
	const struct question *open = questions_find(&p->qs, FOR_LIFE_OPEN, 0);

	if (p->life_method == METHOD_IMPOSSIBLE ||
	    (open->state != QUESTION_WAITING && !question_ok(open)))
		return true;
	return p->life_method != METHOD_NOT_TESTED && lifetime_done(&p->life);
}

static void step_lifetime(struct path *p, mpp_time now)
{
	unsigned i;

	step_method(p);
	if (p->life_method == METHOD_NOT_TESTED)
		return;
	for (i = 1; i < LIFETIME_SPANS && !life_over(p); i++)
		step_span(p, i, now);
}

/* Nothing that is still asked can change the result. */
static bool checks_over(const struct path *p)
{
	size_t i;

	for (i = 0; i < p->qs.n; i++) {
		const struct question *q = &p->qs.list[i];

		if (q->state == QUESTION_WAITING &&
		    q->purpose != FOR_LIFE_OPEN && q->purpose != FOR_LIFE_ASK)
			return false;
	}
	return true;
}

static void step(struct path *p, mpp_time now)
{
	const mpp_time end = after_ms(p->started, p->c.timeout_ms);

	if (p->stage == PATH_REACHING &&
	    (now.us >= end.us || !questions_waiting(&p->qs, FOR_REACH)))
		p->stage = PATH_DONE;
	if (p->stage != PATH_CHECKING)
		return;
	ask_hairpin(p);
	if (p->c.lifetime && !life_over(p))
		step_lifetime(p, now);
	if (checks_over(p) && (!p->c.lifetime || life_over(p)))
		p->stage = PATH_DONE;
}

mpp_err path_send(struct path *p, mpp_time now, struct path_datagram *out)
{
	mpp_buf buf = {out->data, sizeof(out->data), 0};
	struct question *q = NULL;
	mpp_err err;

	if (p->stage != PATH_DONE)
		q = questions_due(&p->qs, now);
	step(p, now);
	if (q == NULL && p->stage != PATH_DONE) /* what step() asks */
		q = questions_due(&p->qs, now);
	if (p->qs.err != MPP_OK)
		return p->qs.err;
	if (q == NULL || p->stage == PATH_DONE)
		return MPP_ERR_AGAIN;
	if ((err = question_write(q, &buf)) != MPP_OK)
		return err;
	p->sent = q;
	out->socket = (enum path_socket)q->from;
	out->to = q->to;
	out->len = buf.len;
	return MPP_OK;
}

void path_too_long(struct path *p)
{
	p->sent->state = QUESTION_SILENT;
}

void path_unreachable(struct path *p, const mpp_addr *to)
{
	size_t i;

	for (i = 0; i < p->c.n_servers; i++)
		p->refused |= addr_same(&p->c.servers[i], to);
}

void path_receive(struct path *p, enum path_socket socket, const mpp_addr *from,
		  mpp_bytes in, mpp_time now)
{
	struct question *q;

	if (p->stage == PATH_DONE)
		return;
	q = questions_receive(&p->qs, (uint8_t)socket, from, in, now);
	if (q == NULL)
		return;
	if (q->purpose == FOR_REACH && p->stage == PATH_REACHING &&
	    question_ok(q))
		begin_checks(p, q, now);
	if (q->purpose == FOR_PADDING)
		ask_sizes_down(p, q);
	if (q->purpose == FOR_UP || q->purpose == FOR_DOWN)
		drop_smaller(p, q);
	step(p, now);
}

/* When the next span of silence is over. */
static mpp_time life_deadline(const struct path *p)
{
	mpp_time at = MPP_TIME_NEVER;
	unsigned i;

	if (!p->c.lifetime || p->life_method == METHOD_NOT_TESTED ||
	    life_over(p))
		return at;
	for (i = 1; i < LIFETIME_SPANS; i++) {
		const struct question *open =
			questions_find(&p->qs, FOR_LIFE_OPEN, i);
		mpp_time due;

		if (p->life.state[i] != SPAN_OPEN || !question_ok(open) ||
		    questions_find(&p->qs, FOR_LIFE_ASK, i) != NULL)
			continue;
		due = after_ms(open->answered, lifetime_spans_ms[i]);
		if (due.us < at.us)
			at = due;
	}
	return at;
}

mpp_time path_deadline(const struct path *p)
{
	const mpp_time end = after_ms(p->started, p->c.timeout_ms);
	mpp_time at;

	if (p->stage == PATH_DONE)
		return MPP_TIME_NEVER;
	at = questions_deadline(&p->qs);
	if (p->stage == PATH_REACHING)
		return at.us < end.us ? at : end;
	if (life_deadline(p).us < at.us)
		at = life_deadline(p);
	return at;
}

bool path_done(const struct path *p)
{
	return p->stage == PATH_DONE;
}
