/* SPDX-License-Identifier: MIT */
/* Names that the service resolves for devices (docs/protocol.md section 17):
 * the real service and the real clients; the resolver is this test's. */
#include "world.h"

#include "presence/message.h"
#include "role/client.h"
#include "role/service.h"

static const char alice[] = "alice@example.com";

static struct world w;

/* ---- a resolver ---- */

enum { ASKED = 256, QUERY = 40 };

static struct asked {
	uint32_t id;
	uint64_t at;
	size_t len;
	uint8_t query[RESOLVE_QUERY_MAX];
	bool answered;
} asked[ASKED];
static unsigned n_asked;
static uint64_t takes_us;   /* for each question; UINT64_MAX: it is silent */
static bool newest_first;   /* it answers in the other order */
static size_t answer_len;   /* of its answers */
static unsigned lose_first; /* so many of its answers get lost */
static unsigned answers;    /* sent by mpp_service_resolved() */

/* What it answers: the question, and octets that only this one has. */
static mpp_bytes answer_to(const struct asked *a)
{
	static uint8_t p[MPP_DNS_ANSWER_MAX + 1];
	size_t i;

	for (i = 0; i < sizeof(p); i++)
		p[i] = (uint8_t)(a->query[a->len - 1] + i * 7 + i / 251);
	memcpy(p, a->query, a->len < answer_len ? a->len : answer_len);
	return (mpp_bytes){p, answer_len};
}

static void answer_due(mpp_outbox *out)
{
	unsigned i, k;

	for (i = 0; i < n_asked; i++) {
		k = newest_first ? n_asked - 1 - i : i;
		if (asked[k].answered || takes_us == UINT64_MAX ||
		    asked[k].at + takes_us > w.now)
			continue;
		asked[k].answered = true;
		mpp_service_resolved(w.s, asked[k].id, answer_to(&asked[k]),
				     world_now(&w), out);
		answers += out->n != 0;
		if (lose_first != 0 && out->n != 0) {
			lose_first--;
			out->n = 0;
		}
		world_outbox(&w, out);
		out->n = 0;
	}
}

static void resolver(struct world *world, mpp_outbox *out)
{
	mpp_resolve r;
	unsigned i;

	while (mpp_service_next_resolve(world->s, &r)) {
		struct asked *a = &asked[n_asked++];

		assert_true(n_asked < ASKED && r.id != 0);
		assert_true(r.query.len <= RESOLVE_QUERY_MAX);
		*a = (struct asked){.id = r.id, .at = world->now};
		a->len = r.query.len;
		memcpy(a->query, r.query.p, r.query.len);
	}
	answer_due(out);
	world->resolver_at = UINT64_MAX;
	for (i = 0; i < n_asked && takes_us != UINT64_MAX; i++) {
		if (!asked[i].answered &&
		    asked[i].at + takes_us < world->resolver_at)
			world->resolver_at = asked[i].at + takes_us;
	}
}

/* ---- the world ---- */

static int setup(void **state)
{
	(void)state;
	world_init(&w, 7);
	w.resolver = resolver;
	w.resolver_at = UINT64_MAX;
	n_asked = answers = lose_first = 0;
	takes_us = 30000;
	newest_first = false;
	answer_len = 100;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_end(&w);
	return 0;
}

static const mpp_service_counters *counters(void)
{
	return mpp_service_count(w.s);
}

static uint32_t used(const char *pool)
{
	mpp_pool_info p;
	unsigned i;

	for (i = 0; mpp_service_pool(w.s, i, &p); i++) {
		if (strcmp(p.name, pool) == 0)
			return p.used;
	}
	fail_msg("no pool %s", pool);
	return 0;
}

/* Start the service anew with what w.config says now. */
static void configured(void)
{
	world_stop_service(&w);
	world_start_service(&w);
}

/* Query number k: `len` octets of which the last one is k. */
static mpp_bytes query(uint8_t k, size_t len)
{
	static uint8_t p[1024];

	memset(p, 0, sizeof(p));
	p[1] = k;
	p[2] = 1;
	p[len - 1] = k;
	return (mpp_bytes){p, len};
}

static uint32_t resolve(int device, uint8_t k)
{
	uint32_t request = 0;

	assert_int_equal(mpp_client_resolve(w.d[device].c, query(k, QUERY),
					    world_now(&w), &request),
			 MPP_OK);
	return request;
}

/* The only answer to a request. */
static const struct told *told_of(int device, uint32_t request)
{
	const struct world_device *d = &w.d[device];
	const struct told *found = NULL;
	size_t i;

	for (i = 0; i < d->n_told; i++) {
		if (d->told[i].kind != MPP_EV_RESPONSE ||
		    d->told[i].request != request)
			continue;
		assert_null(found);
		found = &d->told[i];
	}
	return found;
}

/* It was answered with what the resolver says to query k. */
static void expect_answer(int device, uint32_t request, uint8_t k)
{
	const struct told *t = told_of(device, request);
	struct asked a = {.len = QUERY};
	mpp_bytes dns;

	assert_non_null(t);
	assert_int_equal(t->status, 0);
	memcpy(a.query, query(k, QUERY).p, QUERY);
	dns = answer_to(&a);
	assert_int_equal(t->dns_len, dns.len);
	assert_true(t->dns_sum == world_sum(dns.p, dns.len));
}

/* ---- one question ---- */

static void test_question_and_answer(void **state)
{
	uint32_t request;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	request = resolve(0, 9);
	world_run(&w, 1000000);
	assert_int_equal(n_asked, 1);
	assert_int_equal(asked[0].len, QUERY);
	assert_memory_equal(asked[0].query, query(9, QUERY).p, QUERY);
	expect_answer(0, request, 9);
	assert_int_equal(counters()->resolves, 1);
	assert_int_equal(counters()->resolves_answered, 1);
	assert_int_equal(used("resolves"), 0);
	assert_int_equal(world_count(&w.d[0], MPP_EV_LOST), 0);
}

/* A device whose clock is years off gets names resolved all the same. */
static void test_wrong_clock(void **state)
{
	mpp_instant off = world_now(&w);
	uint8_t p[MPP_PACKET_MAX];
	mpp_buf out = {p, sizeof(p), 0};
	uint32_t request;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	off = world_now(&w);
	off.wall.us = 0;
	assert_int_equal(mpp_client_resolve(w.d[0].c, query(9, QUERY), off,
					    &request),
			 MPP_OK);
	while (mpp_client_send(w.d[0].c, off, &out) == MPP_OK)
		world_carry(&w, true, 0, out.p, out.len);
	world_run(&w, 1000000);
	expect_answer(0, request, 9);
}

/* Eight at a time, answered in the other order: each has its own answer. */
static void test_several_at_a_time(void **state)
{
	uint32_t request[8], more;
	unsigned i;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	newest_first = true;
	takes_us = 700000;
	for (i = 0; i < 8; i++)
		request[i] = resolve(0, (uint8_t)(20 + i));
	assert_int_equal(mpp_client_resolve(w.d[0].c, query(1, QUERY),
					    world_now(&w), &more),
			 MPP_ERR_AGAIN);
	world_run(&w, 600000);
	assert_int_equal(used("resolves"), 8);
	world_run(&w, 2000000);
	for (i = 0; i < 8; i++)
		expect_answer(0, request[i], (uint8_t)(20 + i));
	assert_int_equal(n_asked, 8);
	(void)resolve(0, 1); /* there is room again */
}

/* Other requests go on meanwhile, and their serials have nothing to do with
 * those of names. */
static void test_beside_other_requests(void **state)
{
	uint32_t name, status;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	takes_us = 1900000;
	name = resolve(0, 5);
	world_run(&w, 1000);
	assert_int_equal(mpp_client_status(w.d[0].c, world_now(&w), &status),
			 MPP_OK);
	world_run(&w, 500000);
	assert_non_null(told_of(0, status));
	assert_null(told_of(0, name));
	world_run(&w, 3000000);
	expect_answer(0, name, 5);
	assert_int_equal(n_asked, 1);
}

static void test_client_refuses(void **state)
{
	mpp_client_event ev = {.kind = MPP_EV_RESPONSE};
	uint8_t room[64];
	mpp_buf dns = {room, sizeof(room), 0};
	uint32_t request = 77;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	assert_int_equal(mpp_client_resolve(w.d[0].c, query(1, 11),
					    world_now(&w), &request),
			 MPP_ERR_INVALID);
	assert_int_equal(mpp_client_resolve(w.d[0].c, query(1, 513),
					    world_now(&w), &request),
			 MPP_ERR_NOSPACE);
	assert_int_equal(request, 77);
	assert_int_equal(mpp_client_dns(&ev, &dns), MPP_ERR_NOTFOUND);
	assert_int_equal(mpp_client_resolve(w.d[0].c, query(1, 12),
					    world_now(&w), &request),
			 MPP_OK);
	assert_int_equal(mpp_client_resolve(w.d[0].c, query(2, 512),
					    world_now(&w), &request),
			 MPP_OK);
	world_run(&w, 1000000);
	assert_int_equal(n_asked, 2);
	assert_int_equal(asked[0].len + asked[1].len, 524);
	mpp_client_close(w.d[0].c, world_now(&w));
	world_run(&w, 1000000);
	assert_int_equal(mpp_client_resolve(w.d[0].c, query(1, 12),
					    world_now(&w), &request),
			 MPP_ERR_STATE);
}

/* ---- losses ---- */

/* While a name is being resolved its request is repeated, acknowledged, and
 * not asked again. */
static void test_repeats_ask_once(void **state)
{
	uint32_t request;
	uint64_t sent;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	takes_us = 4000000;
	request = resolve(0, 3);
	sent = counters()->received;
	world_run(&w, 3500000);
	assert_true(counters()->received >= sent + 4);
	assert_int_equal(n_asked, 1);
	assert_null(told_of(0, request));
	world_run(&w, 2000000);
	expect_answer(0, request, 3);
	assert_int_equal(n_asked, 1);
	assert_int_equal(counters()->resolves_answered, 1);
	assert_int_equal(world_count(&w.d[0], MPP_EV_LOST), 0);
}

/* An answer that got lost is asked for again. */
static void test_answer_lost(void **state)
{
	uint32_t request;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	lose_first = 2;
	request = resolve(0, 3);
	world_run(&w, 3000000);
	assert_int_equal(lose_first, 0);
	expect_answer(0, request, 3);
	assert_int_equal(n_asked, 3);
}

/* Every question ends once, with its own answer, on a bad network. */
static void test_bad_network(void **state)
{
	uint32_t request[60];
	unsigned i;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	w.loss_pct = 20;
	w.dup_pct = 10;
	w.jitter_us = 30000;
	for (i = 0; i < 60; i++) {
		answer_len = 100;
		takes_us = world_random(&w) % 300000;
		request[i] = resolve(0, (uint8_t)(i + 1));
		world_run(&w, 900000);
	}
	w.loss_pct = 0;
	world_run(&w, 16000000);
	for (i = 0; i < 60; i++)
		expect_answer(0, request[i], (uint8_t)(i + 1));
	assert_int_equal(used("resolves"), 0);
}

/* The service is there but its resolver is silent: told so in time, and what
 * comes later is for nobody. */
static void test_resolver_silent(void **state)
{
	mpp_datagram slots[4];
	mpp_outbox out = {slots, 4, 0};
	const struct told *t;
	uint64_t begin;
	uint32_t request;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	takes_us = UINT64_MAX;
	begin = w.now;
	request = resolve(0, 3);
	world_run(&w, 5900000);
	assert_null(told_of(0, request));
	world_run(&w, 1000000);
	t = told_of(0, request);
	assert_non_null(t);
	assert_int_equal(t->status, MPP_STATUS_TIMEOUT);
	assert_string_equal(t->text, "the name was not resolved in time");
	assert_true(t->at - begin >= 6000000 && t->at - begin < 6200000);
	assert_int_equal(counters()->resolves_late, 1);
	assert_int_equal(used("resolves"), 0);
	mpp_service_resolved(w.s, asked[0].id, answer_to(&asked[0]),
			     world_now(&w), &out);
	assert_int_equal(out.n, 0);
	assert_int_equal(counters()->resolves_answered, 0);
}

/* Without any service the device gives up by itself. */
static void test_service_silent(void **state)
{
	const struct told *t;
	uint32_t request;
	uint64_t begin;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	w.service_down = true;
	begin = w.now;
	request = resolve(0, 3);
	world_run(&w, 14900000);
	assert_null(told_of(0, request));
	assert_int_equal(world_count(&w.d[0], MPP_EV_LOST), 1);
	world_run(&w, 200000);
	t = told_of(0, request);
	assert_non_null(t);
	assert_int_equal(t->status, MPP_STATUS_TIMEOUT);
	assert_int_equal(t->at - begin, 15000000);
}

/* A service that began anew knows nothing of the question: it is asked again
 * on the new connection. */
static void test_service_restarts(void **state)
{
	uint32_t request;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	takes_us = UINT64_MAX;
	request = resolve(0, 3);
	world_run(&w, 100000);
	assert_int_equal(n_asked, 1);
	configured();
	n_asked = 0;
	takes_us = 30000;
	world_run(&w, 10000000);
	expect_answer(0, request, 3);
	assert_true(world_count(&w.d[0], MPP_EV_CONNECTED) >= 2);
}

/* When the application takes no events, nothing is lost but time. */
static void test_deaf_application(void **state)
{
	uint32_t request;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	w.service_down = true;
	request = resolve(0, 3);
	world_run(&w, 8000000);
	w.d[0].deaf = true;
	world_run(&w, 20000000);
	assert_null(told_of(0, request));
	w.d[0].deaf = false;
	world_run(&w, 1000000);
	assert_non_null(told_of(0, request));
}

/* ---- limits ---- */

/* More than twenty at once, or than ten in a second: later. */
static void test_rate(void **state)
{
	uint32_t request[30];
	unsigned i;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	takes_us = 0;
	for (i = 0; i < 30; i++) {
		request[i] = resolve(0, (uint8_t)(i + 1));
		world_run(&w, 50000);
	}
	assert_true(counters()->resolves_limited == 0);
	world_run(&w, 5000000);
	for (i = 0; i < 8; i++)
		request[i] = resolve(0, (uint8_t)(i + 1));
	world_run(&w, 50000);
	for (i = 8; i < 16; i++)
		request[i] = resolve(0, (uint8_t)(i + 1));
	world_run(&w, 50000);
	for (i = 16; i < 24; i++)
		request[i] = resolve(0, (uint8_t)(i + 1));
	world_run(&w, 30000);
	assert_int_equal(counters()->resolves_limited, 3);
	assert_int_equal(n_asked, 30 + 21);
	world_run(&w, 3000000);
	for (i = 0; i < 24; i++)
		expect_answer(0, request[i], (uint8_t)(i + 1));
}

/* Eight of a device at a time, whichever instance asks. */
static void test_outstanding(void **state)
{
	uint32_t request[8], other;
	unsigned i;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	/* The same device, another instance. */
	world_device(&w, 1, alice, MPP_MODE_ASK);
	memcpy(w.d[1].config.device_secret, w.d[0].config.device_secret,
	       MPP_DH_MAX);
	world_connect(&w, 1);
	world_run(&w, 1000000);
	assert_int_equal(world_count(&w.d[1], MPP_EV_CONNECTED), 1);
	takes_us = 1500000;
	for (i = 0; i < 8; i++)
		request[i] = resolve(0, (uint8_t)(i + 1));
	world_run(&w, 100000);
	other = resolve(1, 99);
	world_run(&w, 500000);
	assert_int_equal(n_asked, 8);
	assert_true(counters()->resolves_limited > 0);
	world_run(&w, 4000000);
	for (i = 0; i < 8; i++)
		expect_answer(0, request[i], (uint8_t)(i + 1));
	expect_answer(1, other, 99);
}

/* All places are taken: the others wait, and nobody is forgotten. */
static void test_full(void **state)
{
	uint32_t request[3];
	int i;

	(void)state;
	w.config.resolves = 2;
	configured();
	world_subscribed(&w, alice, 0, 3);
	takes_us = 1000000;
	for (i = 0; i < 3; i++) {
		request[i] = resolve(i, (uint8_t)(i + 1));
		world_run(&w, 100000);
	}
	assert_int_equal(used("resolves"), 2);
	assert_true(counters()->resolves_full >= 1);
	assert_int_equal(n_asked, 2);
	world_run(&w, 5000000);
	for (i = 0; i < 3; i++)
		expect_answer(i, request[i], (uint8_t)(i + 1));
}

static void test_off(void **state)
{
	const struct told *t;
	uint32_t request;

	(void)state;
	w.config.resolves = MPP_NO_RESOLVES;
	configured();
	world_subscribed(&w, alice, 0, 1);
	request = resolve(0, 1);
	world_run(&w, 1000000);
	t = told_of(0, request);
	assert_non_null(t);
	assert_int_equal(t->status, MPP_STATUS_FORBIDDEN);
	assert_int_equal(n_asked, 0);
	assert_int_equal(counters()->resolves, 0);
}

static void test_impossible_limits(void **state)
{
	mpp_service_config k = w.config;

	(void)state;
	k.resolves = 10000;
	assert_true(mpp_service_size(&k) != 0);
	k.resolves = 10001;
	assert_int_equal(mpp_service_size(&k), 0);
	k = w.config;
	k.resolves_per_device = 65;
	assert_int_equal(mpp_service_size(&k), 0);
	k = w.config;
	k.resolves_per_s = 1001;
	assert_int_equal(mpp_service_size(&k), 0);
	k = w.config;
	k.resolve_ms = 61001;
	assert_int_equal(mpp_service_size(&k), 0);
}

/* ---- ends ---- */

static void test_connection_ends(void **state)
{
	mpp_datagram slots[4];
	mpp_outbox out = {slots, 4, 0};

	(void)state;
	world_subscribed(&w, alice, 0, 2);
	takes_us = UINT64_MAX;
	(void)resolve(0, 1);
	(void)resolve(1, 2);
	world_run(&w, 100000);
	assert_int_equal(used("resolves"), 2);
	mpp_client_close(w.d[0].c, world_now(&w));
	world_run(&w, 100000);
	assert_int_equal(used("resolves"), 1);
	mpp_service_resolved(w.s, asked[0].id, answer_to(&asked[0]),
			     world_now(&w), &out);
	assert_int_equal(out.n, 0);
	mpp_service_resolved(w.s, asked[1].id, answer_to(&asked[1]),
			     world_now(&w), &out);
	assert_int_equal(out.n, 1);
	assert_int_equal(used("resolves"), 0);
}

/* A device on its way out gets no name. */
static void test_device_removed(void **state)
{
	mpp_datagram slots[4];
	mpp_outbox out = {slots, 4, 0};
	char udf[MPP_UDF_TEXT_MAX];
	uint8_t id[MPP_UDF_LEN];
	mpp_commit c;
	size_t n;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	takes_us = UINT64_MAX;
	(void)resolve(0, 1);
	world_run(&w, 100000);
	mpp_client_udf(w.d[0].c, id);
	n = mpp_udf_text(id, MPP_UDF_BITS, udf);
	assert_int_equal(
		mpp_service_device_remove(w.s, bytes_of(alice),
					  (mpp_bytes){(uint8_t *)udf, n}, 5,
					  world_now(&w).wall),
		MPP_OK);
	assert_true(mpp_service_commit(w.s, &c));
	mpp_service_committed(w.s, c.id, MPP_OK, world_now(&w));
	mpp_service_resolved(w.s, asked[0].id, answer_to(&asked[0]),
			     world_now(&w), &out);
	assert_int_equal(out.n, 0);
	assert_int_equal(used("resolves"), 0);
}

/* The place of a question is used again: what comes late for the old one is
 * not taken for the new one. */
static void test_late_answer_of_another(void **state)
{
	mpp_datagram slots[4];
	mpp_outbox out = {slots, 4, 0};
	uint32_t request;

	(void)state;
	w.config.resolves = 1;
	configured();
	world_subscribed(&w, alice, 0, 1);
	takes_us = UINT64_MAX;
	(void)resolve(0, 1);
	world_run(&w, 6500000);
	request = resolve(0, 2);
	world_run(&w, 100000);
	assert_int_equal(n_asked, 2);
	mpp_service_resolved(w.s, asked[0].id, answer_to(&asked[0]),
			     world_now(&w), &out);
	mpp_service_resolved(w.s, 0, answer_to(&asked[0]), world_now(&w), &out);
	mpp_service_resolved(w.s, UINT32_MAX, answer_to(&asked[0]),
			     world_now(&w), &out);
	assert_int_equal(out.n, 0);
	takes_us = 0;
	asked[0].answered = true;
	world_run(&w, 100000);
	expect_answer(0, request, 2);
}

/* The host could not ask: the device asks again, and may have more luck. */
static void test_no_answer_to_give(void **state)
{
	static const size_t wrong[] = {0, 11, 16385};
	uint32_t request;
	unsigned i;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	for (i = 0; i < 3; i++) {
		answer_len = wrong[i];
		n_asked = 0;
		request = resolve(0, 7);
		world_run(&w, 500000);
		assert_int_equal(n_asked, 1);
		assert_null(told_of(0, request));
		answer_len = 12;
		world_run(&w, 2000000);
		expect_answer(0, request, 7);
		assert_int_equal(n_asked, 2);
	}
}

/* ---- lengths ---- */

static uint16_t lengths[512];
static unsigned n_lengths;
static bool watch_up;

static int watch(struct world *world, const struct flying *f)
{
	(void)world;
	if (f->to_service == watch_up && n_lengths < 512)
		lengths[n_lengths++] = (uint16_t)(f->len - PACKET_OVERHEAD);
	return 0;
}

/* What is seen of an answer is a multiple of 468, or whole packets. */
static void test_answers_are_padded(void **state)
{
	static const struct {
		size_t dns;
		unsigned packets;
		size_t plain;
	} rows[] = {
		{12, 1, 468},    {300, 1, 468},      {400, 1, 936},
		{700, 1, 936},   {900, 1, 1152},     {1100, 2, 1404},
		{1400, 2, 1872}, {16384, 15, 16848},
	};
	uint32_t request;
	size_t r, sum;
	unsigned i;

	(void)state;
	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_ASK);
	world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE);
	world_connect(&w, 0);
	world_run(&w, 1000000);
	for (r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		answer_len = rows[r].dns;
		request = resolve(0, 7);
		n_lengths = 0;
		watch_up = false;
		w.drop = watch;
		world_run(&w, 400000);
		w.drop = NULL;
		expect_answer(0, request, 7);
		for (i = 0, sum = 0; i < rows[r].packets; i++)
			sum += lengths[i];
		assert_int_equal(sum, rows[r].plain);
		world_run(&w, 1000000);
	}
	assert_int_equal(used("snapshots"), 0);
}

/* And of a question a multiple of 128. */
static void test_questions_are_padded(void **state)
{
	static const size_t rows[][2] = {
		{12, 128}, {30, 128}, {80, 256}, {200, 384}, {512, 640}};
	uint32_t request;
	size_t r;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	for (r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		n_lengths = 0;
		watch_up = true;
		w.drop = watch;
		assert_int_equal(mpp_client_resolve(w.d[0].c,
						    query(1, rows[r][0]),
						    world_now(&w), &request),
				 MPP_OK);
		world_run(&w, 1);
		w.drop = NULL;
		assert_int_equal(n_lengths, 1);
		assert_int_equal(lengths[0], rows[r][1]);
		world_run(&w, 1000000);
	}
}

/* ---- answers of several packets ---- */

static void test_large_answers_on_a_bad_network(void **state)
{
	uint32_t request[10];
	unsigned i;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	w.loss_pct = 10;
	answer_len = 9000;
	for (i = 0; i < 10; i++) {
		request[i] = resolve(0, (uint8_t)(i + 1));
		world_run(&w, 4000000);
	}
	for (i = 0; i < 10; i++)
		expect_answer(0, request[i], (uint8_t)(i + 1));
	assert_int_equal(used("snapshots"), 0);
	assert_true(counters()->packets_again > 0);
}

/* One large answer at a time: the others are told to ask again. */
static void test_large_answers_take_turns(void **state)
{
	uint32_t request[4];
	unsigned i;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	answer_len = 9000;
	for (i = 0; i < 4; i++)
		request[i] = resolve(0, (uint8_t)(i + 1));
	world_run(&w, 10000000);
	for (i = 0; i < 4; i++)
		expect_answer(0, request[i], (uint8_t)(i + 1));
	assert_true(n_asked > 4);
}

/* Without snapshots a long answer is not possible; a short one is. */
static void test_no_snapshot(void **state)
{
	const struct told *t;
	uint32_t request;

	(void)state;
	w.config.snapshots = MPP_NO_SNAPSHOTS;
	configured();
	world_subscribed(&w, alice, 0, 1);
	answer_len = 2000;
	request = resolve(0, 1);
	world_run(&w, 16000000);
	t = told_of(0, request);
	assert_non_null(t);
	assert_int_equal(t->status, MPP_STATUS_TIMEOUT);
	answer_len = 1000;
	request = resolve(0, 2);
	world_run(&w, 1000000);
	expect_answer(0, request, 2);
}

static int stop_acks(struct world *world, const struct flying *f)
{
	(void)world;
	return f->to_service && f->len <= 64 + PACKET_OVERHEAD;
}

/* What is published takes the place of a long answer, not the other way
 * round; in the end the device has both. */
static void test_publications_come_first(void **state)
{
	uint64_t serial;
	uint32_t request;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	answer_len = 9000;
	takes_us = 50000;
	w.drop = stop_acks;
	request = resolve(0, 1);
	world_run(&w, 30000);
	/* Its acknowledgement is lost, and the question spoke before. */
	serial = world_publish(&w, alice, "mmm_Inbound", 3);
	world_run(&w, 45000);
	assert_int_equal(counters()->resolves_answered, 1);
	assert_true(n_asked >= 1);
	assert_int_equal(counters()->large, 0);
	assert_int_equal(used("snapshots"), 0);
	w.drop = NULL;
	world_run(&w, 8000000);
	expect_answer(0, request, 1);
	assert_true(counters()->large > 0);
	assert_int_equal(world_acknowledged(&w, alice), serial);
	request = resolve(0, 2);
	world_run(&w, 71000);
	serial = world_publish(&w, alice, "mmm_Inbound", 4);
	world_run(&w, 8000000);
	expect_answer(0, request, 2);
	assert_int_equal(world_acknowledged(&w, alice), serial);
}

/* ---- octet by octet ---- */

static mpp_datagram slots[64];
static mpp_outbox out;
static struct msg answer;
static mpp_bytes answer_text;
static struct rud_header head;

static void send_json(const char *json, const mpp_addr *from)
{
	struct link *l = link_cur(w.d[0].c);
	struct rud_header h = {.index = l->tx_next++, .count = 1};
	uint8_t p[MPP_PACKET_MAX] = {0};
	const size_t n = strlen(json) + 1;
	const size_t padded = packet_padded(n, 0);

	h.flags = FLAG_FINAL;
	p[PACKET_HEAD] = EXT_END;
	memcpy(p + PACKET_HEAD + 1, json, n - 1);
	assert_int_equal(packet_seal(&w.crypto, &l->tx, l->service_id, &h, p,
				     padded),
			 MPP_OK);
	out = (mpp_outbox){slots, 64, 0};
	(void)mpp_service_receive(
		w.s, (mpp_buf){p, sizeof(p), padded + PACKET_OVERHEAD}, from,
		world_now(&w), &out);
}

static void ask(const char *json)
{
	send_json(json, &w.d[0].addr);
}

static void read_answer(size_t i)
{
	struct link *l = link_cur(w.d[0].c);
	mpp_datagram *d = &slots[i];
	mpp_bytes rest;
	size_t list;

	assert_true(i < out.n);
	assert_int_equal(packet_header(&w.crypto, &l->rx, d->data, &head),
			 MPP_OK);
	assert_int_equal(packet_open(&w.crypto, &l->rx, &head, d->data, d->len),
			 MPP_OK);
	for (list = 0; d->data[PACKET_HEAD + list] != EXT_END; list++)
		;
	answer_text = (mpp_bytes){d->data + PACKET_HEAD + list + 1,
				  d->len - PACKET_OVERHEAD - list - 1};
	memset(&answer, 0, sizeof(answer));
	if (answer_text.len != 0 && answer_text.p[0] != 0)
		assert_int_equal(msg_decode(answer_text, &answer, &rest),
				 MPP_OK);
}

static bool text_has(const char *s)
{
	return memmem(answer_text.p, answer_text.len, s, strlen(s)) != NULL;
}

/* Sixteen octets are "AAAA…" in base64url. */
#define ZEROS_12 "AAAAAAAAAAAAAAAA"

static void test_bad_requests(void **state)
{
	static char long_one[1000];
	const struct {
		const char *json;
		enum msg_type type;
		unsigned status;
	} rows[] = {
		{"{\"PresenceResolveRequest\":{\"Serial\":100}}",
		 MSG_RESOLVE_RESPONSE, 400},
		{"{\"PresenceResolveRequest\":{\"DnsRequest\":\"" ZEROS_12
		 "\"}}",
		 MSG_RESOLVE_RESPONSE, 400},
		{"{\"PresenceResolveRequest\":{\"DnsRequest\":\"AAAAAAAAAAAAAAA"
		 "\",\"Serial\":101}}",
		 MSG_RESOLVE_RESPONSE, 400},
		{"{\"PresenceResolveRequest\":{\"DnsRequest\":\"\",\"Serial\":"
		 "102}}",
		 MSG_RESOLVE_RESPONSE, 400},
		{"{\"PresenceResolveRequest\":{\"DnsRequest\":\"*"
		 "AAAAAAAAAAAAAAA"
		 "AAAA\",\"Serial\":103}}",
		 MSG_RESOLVE_RESPONSE, 400},
		{"{\"PresenceResolveRequest\":{\"DnsRequest\":7,\"Serial\":104}"
		 "}",
		 MSG_ERROR, 400},
		{"{\"PresenceResolveRequest\":{\"DnsRequest\":{},\"Serial\":"
		 "105}}",
		 MSG_ERROR, 400},
		{"{\"PresenceResolveRequest\":{\"DnsRequest\":\"" ZEROS_12
		 "\",\"DnsRequest\":\"" ZEROS_12 "\",\"Serial\":106}}",
		 MSG_ERROR, 400},
		{"{\"PresenceResolveRequest\":{\"DnsRequest\":\"" ZEROS_12
		 "\",\"Serial\":4294967296}}",
		 MSG_RESOLVE_RESPONSE, 400},
		{long_one, MSG_RESOLVE_RESPONSE, 413},
		{"{\"PresenceResolveResponse\":{\"DnsResponse\":\"" ZEROS_12
		 "\",\"Serial\":107}}",
		 MSG_ERROR, 400},
	};
	uint64_t malformed;
	size_t i, n;

	(void)state;
	n = (size_t)snprintf(long_one, sizeof(long_one),
			     "{\"PresenceResolveRequest\":{\"Serial\":108,"
			     "\"DnsRequest\":\"");
	memset(long_one + n, 'A', 684); /* 513 octets */
	strcpy(long_one + n + 684, "\"}}");
	world_subscribed(&w, alice, 0, 1);
	malformed = counters()->malformed;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ask(rows[i].json);
		assert_int_equal(out.n, 1);
		read_answer(0);
		if (answer.type != rows[i].type ||
		    answer.status != rows[i].status)
			fail_msg("%s: %s %u", rows[i].json,
				 msg_type_name(answer.type),
				 (unsigned)answer.status);
		assert_int_equal(counters()->malformed, ++malformed);
	}
	assert_int_equal(counters()->resolves, 0);
	assert_int_equal(used("resolves"), 0);
}

/* 512 octets are not too many. In JSON the answer is JSON. */
static void test_in_json(void **state)
{
	char json[1000];
	mpp_resolve r;
	size_t n;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	n = (size_t)snprintf(json, sizeof(json),
			     "{\"PresenceResolveRequest\":{\"Serial\":108,"
			     "\"DnsRequest\":\"");
	memset(json + n, 'A', 683); /* 512 octets */
	strcpy(json + n + 683, "\"}}");
	w.resolver = NULL;
	ask(json);
	assert_int_equal(out.n, 0);
	assert_true(mpp_service_next_resolve(w.s, &r));
	assert_int_equal(r.query.len, 512);
	assert_false(mpp_service_next_resolve(w.s, &r));
	mpp_service_resolved(w.s, r.id,
			     (mpp_bytes){(const uint8_t *)"abcdefghijkl", 12},
			     world_now(&w), &out);
	assert_int_equal(out.n, 1);
	read_answer(0);
	assert_true(answer.json);
	assert_int_equal(answer.type, MSG_RESOLVE_RESPONSE);
	assert_int_equal(answer.acknowledge, 108);
	assert_int_equal(answer.status, 0);
	assert_true(text_has("\"DnsResponse\":\"YWJjZGVmZ2hpamts\""));
	assert_true(text_has("\"Now\":"));
}

/* As JSON an answer can be too long for 16 packets. */
static void test_too_long_in_json(void **state)
{
	static uint8_t dns[MPP_DNS_ANSWER_MAX];
	mpp_resolve r;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	w.resolver = NULL;
	ask("{\"PresenceResolveRequest\":{\"DnsRequest\":\"" ZEROS_12
	    "\",\"Serial\":200}}");
	assert_true(mpp_service_next_resolve(w.s, &r));
	mpp_service_resolved(w.s, r.id, (mpp_bytes){dns, sizeof(dns)},
			     world_now(&w), &out);
	assert_int_equal(out.n, 1);
	read_answer(0);
	assert_int_equal(answer.type, MSG_RESOLVE_RESPONSE);
	assert_int_equal(answer.status, MPP_STATUS_TOO_LARGE);
	assert_int_equal(used("snapshots"), 0);
}

/* The serial of a name is no later one's, nor an earlier one's, rival. */
static void test_serials(void **state)
{
	mpp_resolve r;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	w.resolver = NULL;
	ask("{\"PresenceHeartbeat\":{\"Serial\":500}}");
	ask("{\"PresenceResolveRequest\":{\"DnsRequest\":\"" ZEROS_12
	    "\",\"Serial\":400}}");
	assert_int_equal(out.n, 0);
	assert_true(mpp_service_next_resolve(w.s, &r));
	ask("{\"PresenceResolveRequest\":{\"DnsRequest\":\"" ZEROS_12
	    "\",\"Serial\":900}}");
	assert_true(mpp_service_next_resolve(w.s, &r));
	ask("{\"PresenceHeartbeat\":{\"Serial\":501}}");
	read_answer(0);
	assert_int_equal(answer.type, MSG_STATUS);
	/* A repetition is acknowledged, and no more. */
	ask("{\"PresenceResolveRequest\":{\"DnsRequest\":\"" ZEROS_12
	    "\",\"Serial\":400}}");
	assert_int_equal(out.n, 1);
	read_answer(0);
	assert_int_equal(answer.type, MSG_NONE);
	assert_true((head.flags & FLAG_ACK) != 0);
	assert_false(mpp_service_next_resolve(w.s, &r));
}

/* The answer goes where the request came from, and the path stays. */
static void test_answer_goes_back(void **state)
{
	const mpp_addr elsewhere = {{10, 0, 9, 9}, 4444, 4, 0};
	char json[500];
	mpp_resolve r;
	size_t i, n, there = 0;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	w.resolver = NULL;
	/* Long enough to be answered at an address that is not proved. */
	n = (size_t)snprintf(json, sizeof(json),
			     "{\"PresenceResolveRequest\":{\"Serial\":400,"
			     "\"DnsRequest\":\"");
	memset(json + n, 'A', 300);
	strcpy(json + n + 300, "\"}}");
	send_json(json, &elsewhere);
	assert_true(mpp_service_next_resolve(w.s, &r));
	out.n = 0;
	mpp_service_resolved(w.s, r.id, (mpp_bytes){query(1, 30).p, 30},
			     world_now(&w), &out);
	for (i = 0; i < out.n; i++)
		there += out.slots[i].to.port == 4444;
	assert_int_equal(out.n, 1);
	assert_int_equal(there, 1);
	/* Not proved: publications still go to the old address. */
	(void)world_publish(&w, alice, "mmm_Inbound", 3);
	world_run(&w, 1000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
}

/* ---- strangers ---- */

/* Who is not connected has nothing resolved, and costs nothing: not with the
 * first message, not with a packet that does not authenticate. */
static void test_strangers(void **state)
{
	struct link *l;
	uint8_t p[MPP_PACKET_MAX] = {0};
	mpp_resolve r;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	w.resolver = NULL;
	l = link_cur(w.d[0].c);
	memcpy(p, l->service_id, STREAM_ID_LEN);
	out = (mpp_outbox){slots, 64, 0};
	(void)mpp_service_receive(w.s, (mpp_buf){p, sizeof(p), 300},
				  &w.d[0].addr, world_now(&w), &out);
	assert_int_equal(counters()->drop_auth + counters()->drop_header, 1);
	assert_int_equal(used("resolves"), 0);
	/* The control. */
	ask("{\"PresenceResolveRequest\":{\"DnsRequest\":\"" ZEROS_12
	    "\",\"Serial\":400}}");
	assert_int_equal(used("resolves"), 1);
	assert_true(mpp_service_next_resolve(w.s, &r));
}

/* A host that has nothing that resolves tells everybody in time. */
static void test_nobody_takes_them(void **state)
{
	uint32_t request;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	w.resolver = NULL;
	request = resolve(0, 1);
	world_run(&w, 7000000);
	assert_non_null(told_of(0, request));
	assert_int_equal(told_of(0, request)->status, MPP_STATUS_TIMEOUT);
	assert_int_equal(used("resolves"), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_question_and_answer),
		T(test_wrong_clock),
		T(test_several_at_a_time),
		T(test_beside_other_requests),
		T(test_client_refuses),
		T(test_repeats_ask_once),
		T(test_answer_lost),
		T(test_bad_network),
		T(test_resolver_silent),
		T(test_service_silent),
		T(test_service_restarts),
		T(test_deaf_application),
		T(test_rate),
		T(test_outstanding),
		T(test_full),
		T(test_off),
		T(test_impossible_limits),
		T(test_connection_ends),
		T(test_device_removed),
		T(test_late_answer_of_another),
		T(test_no_answer_to_give),
		T(test_answers_are_padded),
		T(test_questions_are_padded),
		T(test_large_answers_on_a_bad_network),
		T(test_large_answers_take_turns),
		T(test_no_snapshot),
		T(test_publications_come_first),
		T(test_bad_requests),
		T(test_in_json),
		T(test_too_long_in_json),
		T(test_serials),
		T(test_answer_goes_back),
		T(test_strangers),
		T(test_nobody_takes_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
