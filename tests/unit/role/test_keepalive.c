/* SPDX-License-Identifier: MIT */
/* Devices behind NATs find out how long they may be silent, from the service
 * that answers so late, and fall back when publications do not come through. */
#include "world.h"

#include "role/client.h"
#include "role/service.h"

static const char alice[] = "alice@example.com";

static struct world w;

/* The NAT of device 0: a mapping lives so long after a packet out, and looks
 * the same when it is made again. */
static uint64_t nat_us; /* 0: no NAT */
static uint64_t mapped; /* newest packet out */
static unsigned shut_out;
static unsigned lose_out, lose_in; /* so many more datagrams are lost */
static unsigned in, out;           /* datagrams of device 0 */
static unsigned delay_us = 20000;
static int64_t jump; /* of the wall clock, at each heartbeat */

static int nat(struct world *world, const struct flying *f)
{
	if (f->device != 0)
		return 0;
	if (f->to_service) {
		mapped = world->now;
		out++;
		world->epoch += (uint64_t)jump;
		jump = -jump;
		return lose_out != 0 && lose_out-- != 0;
	}
	if (nat_us != 0 && f->at >= mapped + nat_us) {
		shut_out++;
		return 1;
	}
	in++;
	return lose_in != 0 && lose_in-- != 0;
}

static void begin(uint64_t nat_ms, uint32_t lease_ms)
{
	nat_us = 0;
	mapped = shut_out = lose_out = lose_in = in = out = 0;
	jump = 0;
	world_init(&w, 11);
	w.drop = nat;
	w.delay_us = delay_us;
	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	w.d[0].config.lease_ms = lease_ms;
	world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE | MPP_RIGHT_PUBLISH);
	world_connect(&w, 0);
	world_run(&w, 50 * (uint64_t)delay_us);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 1);
	nat_us = nat_ms * 1000;
}

static int teardown(void **state)
{
	(void)state;
	world_end(&w);
	return 0;
}

static mpp_client_keepalive_info found(void)
{
	mpp_client_keepalive_info k;

	mpp_client_keepalive(w.d[0].c, &k);
	return k;
}

static enum keepalive_state state_of(void)
{
	return w.d[0].c->keepalive.state;
}

static const mpp_service_counters *count(void)
{
	return mpp_service_count(w.s);
}

/* Until the device is silent for its probe. */
static void until_silent(void)
{
	unsigned i = 0;

	while (state_of() != KEEPALIVE_SILENT) {
		assert_true(i++ < 100000);
		world_run(&w, 10000);
	}
}

/* Until the device was silent for so long, from now on. */
static void silent_for(uint64_t us)
{
	const uint64_t from = w.now;

	while (mapped < from || w.now - mapped < us)
		world_run(&w, 100000);
}

/* Publish; how long until the device has it, in us. */
static uint64_t publish(uint64_t index)
{
	const uint64_t serial = world_publish(&w, alice, "mmm_Inbound", index);
	const uint64_t at = w.now;
	const struct told *t;
	unsigned i;

	for (i = 0; i < 100000; i++) {
		t = world_last(&w.d[0], MPP_EV_PUBLICATION);
		if (t != NULL && t->serial >= serial)
			return t->at > at ? t->at - at : 0;
		world_run(&w, 10000);
	}
	fail_msg("publication %u was never heard of", (unsigned)index);
	return 0;
}

/* ---- the search ---- */

static void finds(uint32_t lasts_ms)
{
	mpp_client_keepalive_info k;
	unsigned i;

	begin(lasts_ms, 600000);
	world_run(&w, UINT64_C(2400000000));
	k = found();
	print_message("%u s: %u ms after %u probes, %u missed\n",
		      lasts_ms / 1000, k.interval_ms, k.proved + k.missed,
		      k.missed);
	assert_true(k.settled);
	assert_in_range(k.interval_ms, lasts_ms / 10 * 9, lasts_ms - 1);
	assert_in_range(k.proved + k.missed, 1, 8);
	assert_int_equal(count()->probes, k.proved + k.missed);
	/* Whenever it comes, a publication finds a path that is alive. */
	shut_out = 0;
	w.d[0].n_told = 0;
	for (i = 1; i <= 40; i++) {
		world_run(&w, world_random(&w) % (nat_us * 2));
		assert_true(publish(i) < 100000);
	}
	assert_int_equal(shut_out, 0);
	assert_int_equal(count()->path_lost, 0);
	assert_int_equal(found().interval_ms, k.interval_ms);
	assert_int_equal(world_count(&w.d[0], MPP_EV_LOST), 0);
	world_end(&w);
}

static void test_finds(void **state)
{
	static const uint32_t lasts_s[] = {15, 30, 60, 120, 300};
	unsigned i;

	(void)state;
	for (i = 0; i < 5; i++)
		finds(lasts_s[i] * 1000);
	begin(0, 0); /* for teardown */
}

/* With the service's own lease of a minute, without a NAT: it rises to three
 * quarters, by two answers that came late, and the service never doubts. */
static void test_rises(void **state)
{
	uint64_t connected;

	(void)state;
	begin(0, 0);
	connected = w.now;
	assert_int_equal(found().interval_ms, KEEPALIVE_START_MS);
	until_silent();
	assert_in_range(w.now - connected, 13000000, 14100000);
	out = in = 0;
	world_run(&w, 27900000);
	assert_int_equal(out + in, 0);
	assert_int_equal(found().interval_ms, KEEPALIVE_START_MS);
	/* The late answer; the next probe in place of its acknowledgement, and
	 * the word of the service that it waits. */
	world_run(&w, 300000);
	assert_int_equal(found().interval_ms, 28000);
	assert_int_equal(out, 1);
	assert_int_equal(in, 2);
	assert_int_equal(state_of(), KEEPALIVE_SILENT);
	world_run(&w, 46000000);
	assert_int_equal(found().interval_ms, 45000);
	assert_true(found().settled);
	out = 0;
	world_run(&w, UINT64_C(900000000));
	assert_int_equal(out, 20); /* every 45 s */
	assert_int_equal(count()->offline, 0);
	assert_int_equal(count()->probes, 2);
	/* And the application was told. */
	assert_int_equal(world_count(&w.d[0], MPP_EV_KEEPALIVE), 2);
}

/* Who has no lease, or says for himself how long to be silent, asks nothing. */
static void test_does_not_ask(void **state)
{
	(void)state;
	begin(0, 0);
	w.d[0].config.keepalive_ms = 20000;
	world_connect(&w, 0);
	world_run(&w, 1000000);
	out = 0;
	world_run(&w, 100000000);
	assert_int_equal(out, 5);
	assert_int_equal(count()->probes, 0);
	assert_int_equal(found().interval_ms, 20000);
}

/* ---- what is no silence ---- */

/* The acknowledgement of a publication keeps the path alive: the answer would
 * say nothing, so the probe begins anew. */
static void test_publication_meanwhile(void **state)
{
	(void)state;
	begin(20000, 600000);
	until_silent();
	world_run(&w, 12000000);
	assert_true(publish(1) < 100000);
	world_run(&w, 17500000);
	/* The 28 s are over, and the path was never silent for 20. */
	assert_int_equal(shut_out, 0);
	assert_int_equal(found().interval_ms, KEEPALIVE_START_MS);
	assert_int_equal(found().restarted, 1);
	assert_int_equal(count()->probes, 0);
	world_run(&w, 60000000);
	assert_int_equal(found().missed, 1);
	assert_int_equal(found().high_ms, 28000);
}

/* What the application asks is not kept waiting. */
static void test_request_meanwhile(void **state)
{
	const uint64_t before = (begin(0, 600000), until_silent(), w.now);
	uint32_t request;

	(void)state;
	assert_int_equal(mpp_client_status(w.d[0].c, world_now(&w), &request),
			 MPP_OK);
	world_run(&w, 100000);
	assert_int_equal(world_last(&w.d[0], MPP_EV_RESPONSE)->request,
			 request);
	assert_true(world_last(&w.d[0], MPP_EV_RESPONSE)->at - before < 100000);
	assert_int_equal(found().restarted, 1);
	assert_int_equal(state_of(), KEEPALIVE_REST);
	world_run(&w, 27950000);
	assert_int_equal(found().interval_ms, KEEPALIVE_START_MS);
	world_run(&w, 20000000);
	assert_int_equal(found().interval_ms, 28000);
}

/* A packet of before the silence that comes late ends nothing; the same, sent
 * in it, does. */
static void test_old_packet(void **state)
{
	struct binding *b;

	(void)state;
	begin(0, 600000);
	until_silent();
	world_run(&w, 100000);
	b = binding_at(&w.s->state, 0);
	assert_int_not_equal(b->probe, NONE);
	service_probe_packet(w.s, b, b->rx_top - 2);
	assert_int_not_equal(b->probe, NONE);
	service_probe_packet(w.s, b, b->rx_top);
	assert_int_equal(b->probe, NONE);
	assert_int_equal(w.s->state.probes.used, 0);
}

/* ---- loss ---- */

/* The request is repeated, and the answer too: neither looks like a path that
 * is dead. */
static void test_loss(void **state)
{
	(void)state;
	begin(0, 600000);
	world_run(&w, 12000000);
	lose_out = 1;
	until_silent();
	world_run(&w, 27000000);
	assert_int_equal(lose_out, 0);
	lose_in = 2;
	world_run(&w, 3000000);
	assert_int_equal(lose_in, 0);
	assert_int_equal(found().interval_ms, 28000);
	assert_int_equal(found().missed, 0);
	/* All three of them are too much. */
	world_run(&w, 50000000);
	lose_in = 3;
	world_run(&w, 30000000);
	assert_int_equal(lose_in, 0);
	assert_int_equal(found().missed, 1);
	assert_int_equal(found().interval_ms, 28000);
}

/* A service that came back in between has forgotten the probe, and the path is
 * not to blame. */
static void test_crash(void **state)
{
	(void)state;
	begin(0, 600000);
	until_silent();
	world_run(&w, 1000000);
	world_stop_service(&w);
	world_start_service(&w);
	world_run(&w, 40000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 2);
	assert_int_equal(found().missed, 0);
	assert_int_equal(found().high_ms, 0);
	world_run(&w, 60000000);
	assert_true(found().interval_ms >= 28000);
}

/* ---- the service's room ---- */

static void test_no_room(void **state)
{
	unsigned i;

	(void)state;
	begin(0, 600000);
	world_end(&w);
	world_init(&w, 11);
	world_stop_service(&w);
	w.config.probes = 1;
	world_start_service(&w);
	world_subscribed(&w, alice, 0, 2);
	for (i = 0; i < 2; i++)
		w.d[i].c->keepalive.limit_ms = 30000;
	world_run(&w, 13000000); /* the first asks, the second is answered */
	assert_int_equal(w.s->state.probes.used, 1);
	world_run(&w, 26000000);
	assert_int_equal(w.s->state.probes.used, 1);
	assert_int_equal(found().interval_ms, KEEPALIVE_START_MS);
	assert_int_equal(w.d[1].c->keepalive.low_ms, KEEPALIVE_START_MS);
	world_run(&w, 120000000);
	/* In turn both have found what there is. */
	assert_int_equal(found().interval_ms, 28000);
	assert_int_equal(w.d[1].c->keepalive.low_ms, 28000);
	assert_int_equal(w.s->state.probes.used, 0);
	/* A binding takes its probe along. */
	w.d[0].c->keepalive.limit_ms = 600000;
	until_silent();
	world_run(&w, 100000);
	assert_int_equal(w.s->state.probes.used, 1);
	mpp_client_close(w.d[0].c, world_now(&w));
	world_run(&w, 100000);
	assert_int_equal(w.s->state.probes.used, 0);
}

/* For longer than its lease nobody is silent. */
static void test_longer_than_lease(void **state)
{
	static const uint32_t limits[] = {60001, 60000};
	unsigned i;

	(void)state;
	for (i = 0; i < 2; i++) {
		begin(0, 0);
		w.d[0].c->keepalive.low_ms = 50000;
		w.d[0].c->keepalive.limit_ms = limits[i];
		world_run(&w, 51000000);
		assert_int_equal(w.s->state.probes.used, i);
		if (i == 0)
			world_end(&w);
	}
}

/* ---- a path that changes ---- */

static void test_path_lost(void **state)
{
	uint64_t took;

	(void)state;
	begin(60000, 600000);
	world_run(&w, UINT64_C(1200000000));
	assert_int_equal(found().interval_ms, 56000);
	nat_us = 25000000;
	silent_for(40000000);
	took = publish(1);
	/* The next heartbeat heals. */
	assert_in_range(took, 15000000, 17000000);
	assert_true(shut_out > 3);
	assert_int_equal(count()->path_lost, 1);
	assert_int_equal(found().interval_ms, KEEPALIVE_START_MS);
	assert_in_range(found().high_ms, 39900, 40200);
	world_run(&w, UINT64_C(1200000000));
	assert_in_range(found().interval_ms, 22500, 24999);
	shut_out = 0;
	world_run(&w, found().interval_ms * 1000 * 3 / 4);
	assert_true(publish(2) < 100000);
	assert_int_equal(shut_out, 0);
}

/* Behind a mapping that is gone something is published; the device speaks so
 * much later. */
static void lost_for(uint64_t index, uint64_t us)
{
	uint32_t request;

	silent_for(15000000);
	world_publish(&w, alice, "mmm_Inbound", index);
	world_run(&w, us);
	assert_int_equal(mpp_client_status(w.d[0].c, world_now(&w), &request),
			 MPP_OK);
	world_run(&w, 3000000);
}

/* Another network has another NAT: what was found of this one is no proof, and
 * a probe that waits here tells nothing of it. */
static void test_moved(void **state)
{
	(void)state;
	begin(40000, 600000);
	world_run(&w, UINT64_C(600000000));
	assert_in_range(found().interval_ms, 36000, 39999);
	w.d[0].addr.port++;
	nat_us = 20000000;
	mpp_client_moved(w.d[0].c, world_now(&w));
	assert_int_equal(found().interval_ms, KEEPALIVE_START_MS);
	until_silent();
	w.d[0].addr.port++;
	mpp_client_moved(w.d[0].c, world_now(&w));
	world_run(&w, 1000000);
	assert_int_equal(count()->moved, 2);
	assert_int_equal(state_of(), KEEPALIVE_REST);
	world_run(&w, UINT64_C(600000000));
	assert_in_range(found().interval_ms, 18000, 19999);
}

/* A few lost datagrams are no dead path, nor is one that was acknowledged. */
static void test_path_not_lost(void **state)
{
	(void)state;
	begin(0, 600000);
	w.d[0].config.keepalive_ms = 30000;
	world_connect(&w, 0);
	world_run(&w, 20000000);
	lose_in = 2;
	assert_true(publish(1) < 1000000);
	/* The first two acknowledgements are lost, and the third says all. */
	lose_out = 2;
	(void)publish(2);
	world_run(&w, 40000000);
	assert_int_equal(count()->path_lost, 0);
	/* For a second nothing came through, with many repetitions: that may
	 * be anything. */
	nat_us = 5000000;
	lost_for(3, 1000000);
	assert_int_equal(count()->path_lost, 0);
	/* The positive control of both. */
	lost_for(4, 2500000);
	assert_int_equal(count()->path_lost, 1);
	world_end(&w);
	/* Where a round trip takes a second, three are few repetitions. */
	delay_us = 400000;
	begin(0, 600000);
	delay_us = 20000;
	world_run(&w, 3000000);
	nat_us = 5000000;
	lost_for(1, 3000000);
	assert_int_equal(count()->path_lost, 0);
}

/* ---- coming back after a loss ---- */

static uint64_t first_packet; /* time of it; 0: none yet */

static int note_first(struct world *world, const struct flying *f)
{
	if (f->to_service && f->len == MPP_PACKET_SIZE && first_packet == 0)
		first_packet = world->now;
	return 0;
}

static void begin_at_rate(uint32_t rate)
{
	begin(0, 0);
	world_end(&w);
	world_init(&w, 12);
	world_stop_service(&w);
	w.config.reconnect_rate = rate;
	world_start_service(&w);
	world_subscribed(&w, alice, 0, 1);
	w.d[0].c->keepalive.fixed_ms = 1000;
	w.drop = note_first;
}

/* How long after it has lost a service that crashed a device comes back. */
static uint64_t comes_back_after(void)
{
	struct world_device *d = &w.d[0];
	uint64_t lost_at;

	first_packet = 0;
	world_stop_service(&w);
	w.n_fly = 0;
	world_start_service(&w);
	d->n_told = 0;
	while (world_last(d, MPP_EV_LOST) == NULL)
		world_run(&w, 1000);
	lost_at = world_last(d, MPP_EV_LOST)->at;
	while (world_last(d, MPP_EV_CONNECTED) == NULL)
		world_run(&w, 10000);
	assert_true(first_packet >= lost_at);
	return first_packet - lost_at;
}

/* A thousand of them: none later than the service has asked for, and about as
 * many in each tenth of that time. */
static void test_spread(void **state)
{
	unsigned tenth[10] = {0}, i;
	uint64_t wait;

	(void)state;
	begin_at_rate(2); /* one connection, and two a second may come */
	assert_int_equal(link_cur(w.d[0].c)->spread_ms, 500);
	for (i = 0; i < 1000; i++) {
		wait = comes_back_after();
		assert_true(wait <= 500000);
		tenth[wait / 50001]++;
	}
	for (i = 0; i < 10; i++)
		assert_in_range(tenth[i], 60, 140);
}

/* Nobody waits for more than a minute, nor where there is room for all, nor
 * because the network is another one. */
static void test_spread_bounds(void **state)
{
	(void)state;
	begin_at_rate(1001);
	assert_int_equal(link_cur(w.d[0].c)->spread_ms, 0);
	assert_true(comes_back_after() < 1000);
	w.s->config.reconnect_rate = 1;
	w.s->state.bindings.used += 100;
	mpp_client_connect(w.d[0].c, world_now(&w));
	world_run(&w, 1000000);
	w.s->state.bindings.used -= 100;
	assert_int_equal(link_cur(w.d[0].c)->spread_ms, 60000);
	world_stop_service(&w);
	w.n_fly = 0;
	world_start_service(&w);
	first_packet = 0;
	w.d[0].n_told = 0;
	while (world_last(&w.d[0], MPP_EV_LOST) == NULL)
		world_run(&w, 1000);
	assert_int_equal(first_packet, 0);
	mpp_client_connect(w.d[0].c, world_now(&w));
	world_client(&w, 0);
	assert_int_equal(first_packet, 0); /* the application does not know */
	mpp_client_moved(w.d[0].c, world_now(&w));
	world_client(&w, 0);
	assert_int_equal(first_packet, w.now);
}

/* ---- one clock ---- */

/* Whatever the wall clock does, the device does the same at the same time. */
static void test_wall_jumps(void **state)
{
	static const int64_t jumps[] = {0, INT64_C(3600000000000),
					-INT64_C(86400000000)};
	unsigned seen_out[3], seen_in[3], i;
	uint32_t interval[3];

	(void)state;
	for (i = 0; i < 3; i++) {
		begin(40000, 600000);
		jump = jumps[i];
		world_run(&w, UINT64_C(600000000));
		w.service_down = true;
		world_run(&w, 100000000);
		w.service_down = false;
		world_run(&w, UINT64_C(300000000));
		assert_int_equal(world_count(&w.d[0], MPP_EV_LOST), 1);
		assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 2);
		seen_out[i] = out;
		seen_in[i] = in;
		interval[i] = found().interval_ms;
		if (i < 2)
			world_end(&w);
		assert_true(seen_out[i] > 20);
		assert_int_equal(seen_out[i], seen_out[0]);
		assert_int_equal(seen_in[i], seen_in[0]);
		assert_int_equal(interval[i], interval[0]);
	}
}

#define CASE(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_finds),
		CASE(test_rises),
		CASE(test_does_not_ask),
		CASE(test_publication_meanwhile),
		CASE(test_request_meanwhile),
		CASE(test_old_packet),
		CASE(test_loss),
		CASE(test_crash),
		CASE(test_no_room),
		CASE(test_longer_than_lease),
		CASE(test_path_lost),
		CASE(test_path_not_lost),
		CASE(test_moved),
		CASE(test_spread),
		CASE(test_spread_bounds),
		CASE(test_wall_jumps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
