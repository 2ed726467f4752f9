/* SPDX-License-Identifier: MIT */
/* What a device remembers of networks: it is asked for first, believed when it
 * is proved, and kept for the eight networks that were used last. The device
 * and the service are the real ones, behind a NAT of which the life is known. */
#include "world.h"

#include "base/mem.h"
#include "role/client.h"

enum { NAT_MS = 60000, LEASE_MS = 600000 };

static const char alice[] = "alice@example.com";

static struct world w;
static uint64_t nat_us, mapped;

static int nat(struct world *world, const struct flying *f)
{
	if (f->device != 0)
		return 0;
	if (f->to_service)
		mapped = world->now;
	return !f->to_service && f->at >= mapped + nat_us;
}

static void name(uint8_t out[MPP_NETWORK_LEN], uint8_t number)
{
	memset(out, 0, MPP_NETWORK_LEN);
	out[MPP_NETWORK_LEN - 1] = number;
}

static uint32_t seconds(uint32_t s)
{
	return s * 1000;
}

static int setup(void **state)
{
	(void)state;
	nat_us = (uint64_t)NAT_MS * 1000;
	mapped = 0;
	world_init(&w, 5);
	w.drop = nat;
	w.delay_us = 20000;
	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	w.d[0].config.lease_ms = LEASE_MS;
	name(w.d[0].config.network, 1);
	world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE);
	return 0;
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

/* The program is started with what it saved, and connects. */
static void start(void)
{
	w.d[0].n_told = 0;
	w.d[0].n_learnt = 0;
	world_connect(&w, 0);
	world_run(&w, 1000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 1);
}

/* @return how many probes that took */
static unsigned settle(void)
{
	const mpp_client_keepalive_info before = found();
	unsigned i = 0;

	while (!found().settled) {
		assert_true(i++ < 3600);
		world_run(&w, 1000000);
	}
	return found().proved + found().missed - before.proved - before.missed;
}

/* Until it is silent for so long. */
static void until_interval(uint32_t ms)
{
	unsigned i = 0;

	while (found().interval_ms < ms) {
		assert_true(i++ < 3600);
		world_run(&w, 1000000);
	}
}

static void go_to(uint8_t number)
{
	uint8_t network[MPP_NETWORK_LEN];

	name(network, number);
	mpp_client_network(w.d[0].c, network, world_now(&w));
}

static void put(unsigned at, uint8_t number, uint32_t low, uint32_t high)
{
	mpp_client_learnt *e = &w.d[0].config.learnt[at];

	name(e->network, number);
	e->low_ms = low;
	e->high_ms = high;
}

/* What the application keeps. */
static void assert_kept(unsigned at, uint8_t number, uint32_t low)
{
	const mpp_client_learnt *e = &w.d[0].config.learnt[at];
	uint8_t network[MPP_NETWORK_LEN];

	name(network, number);
	assert_memory_equal(e->network, network, MPP_NETWORK_LEN);
	assert_int_equal(e->low_ms, low);
}

/* One save for a search of six probes, and one probe after a restart. */
static void test_restart(void **state)
{
	(void)state;
	start();
	assert_int_equal(settle(), 6);
	world_run(&w, 1000000);
	assert_int_equal(w.d[0].n_learnt, 1);
	/* By hand in test_client_keepalive.c. */
	assert_kept(0, 1, 56000);
	assert_int_equal(w.d[0].config.learnt[0].high_ms, 61068);
	start();
	assert_int_equal(found().interval_ms, KEEPALIVE_START_MS);
	assert_int_equal(settle(), 1);
	assert_int_equal(found().interval_ms, 56000);
	assert_int_equal(found().high_ms, 61068);
	/* There is nothing new to keep. */
	world_run(&w, UINT64_C(300000000));
	assert_int_equal(w.d[0].n_learnt, 0);
}

/* The network has become worse since: two probes show that. */
static void test_refuted(void **state)
{
	unsigned i = 0;

	(void)state;
	put(0, 1, 56000, 61068);
	nat_us = 15 * UINT64_C(1000000);
	start();
	while (found().missed == 0) {
		assert_true(i++ < 3600);
		world_run(&w, 1000000);
	}
	assert_int_equal(found().proved, 0);
	world_run(&w, 1000000);
	/* What does not hold goes at once, though the search goes on. */
	assert_false(found().settled);
	assert_int_equal(w.d[0].n_learnt, 1);
	assert_kept(0, 1, KEEPALIVE_START_MS);
	assert_int_equal(w.d[0].config.learnt[0].high_ms, 56000);
}

static void test_another_network(void **state)
{
	(void)state;
	start();
	(void)settle();
	go_to(2);
	assert_int_equal(found().interval_ms, KEEPALIVE_START_MS);
	assert_int_equal(found().high_ms, 0);
	nat_us = 30 * UINT64_C(1000000);
	assert_in_range(settle(), 2, 8);
	assert_in_range(found().interval_ms, 27000, 29999);
	world_run(&w, 1000000);
	assert_int_equal(w.d[0].n_learnt, 2);
	/* And back: named again, it is the same that it was. */
	go_to(2);
	assert_in_range(found().interval_ms, 27000, 29999);
	nat_us = (uint64_t)NAT_MS * 1000;
	go_to(1);
	mpp_client_moved(w.d[0].c, world_now(&w));
	assert_int_equal(found().interval_ms, KEEPALIVE_START_MS);
	assert_int_equal(settle(), 1);
	assert_int_equal(found().interval_ms, 56000);
}

/* Nobody says where it is: nothing is kept, and nothing comes back. */
static void test_unknown(void **state)
{
	(void)state;
	name(w.d[0].config.network, 0);
	start();
	(void)settle();
	world_run(&w, 1000000);
	assert_int_equal(w.d[0].n_learnt, 0);
	mpp_client_moved(w.d[0].c, world_now(&w));
	assert_true(settle() > 2);
	/* It becomes known: a stay counts from then on. */
	go_to(1);
	(void)settle();
	world_run(&w, 1000000);
	assert_int_equal(w.d[0].n_learnt, 1);
	assert_kept(0, 1, 56000);
}

/* A search that was not finished is kept when the device goes. */
static void test_unfinished(void **state)
{
	(void)state;
	start();
	until_interval(28000);
	assert_int_equal(w.d[0].n_learnt, 0);
	go_to(2);
	world_run(&w, 1000000);
	assert_int_equal(w.d[0].n_learnt, 1);
	assert_kept(0, 1, 28000);
	/* Of the new one nothing is known, so it is not there. */
	assert_kept(1, 0, 0);
}

/* A lease too short to ask for what was proved does not make it less. */
static void test_short_lease(void **state)
{
	(void)state;
	put(0, 1, 400000, 0);
	w.d[0].config.lease_ms = 40000;
	start();
	(void)settle();
	assert_in_range(found().interval_ms, 27000, 30000);
	go_to(2);
	world_run(&w, 1000000);
	assert_kept(0, 1, 400000);
	assert_int_equal(w.d[0].n_learnt, 0);
}

/* The ninth network takes the place of the one used longest ago. */
static void test_least_recently_used(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < MPP_NETWORKS_MAX; i++)
		put(i, (uint8_t)(i + 1), seconds(20 + i), 0);
	name(w.d[0].config.network, 8); /* the last one is used again */
	start();
	/* The timestamp takes the new order along. */
	assert_int_equal(w.d[0].n_learnt, 1);
	assert_kept(0, 8, seconds(27));
	assert_kept(7, 7, seconds(26));
	go_to(9);
	nat_us = 30 * UINT64_C(1000000);
	(void)settle();
	world_run(&w, 1000000);
	assert_int_equal(w.d[0].n_learnt, 2);
	assert_in_range(w.d[0].config.learnt[0].low_ms, 27000, 29999);
	assert_kept(1, 8, seconds(27));
	for (i = 2; i < MPP_NETWORKS_MAX; i++)
		assert_kept(i, (uint8_t)(i - 1), seconds(18 + i));
}

/* What no search can have found, as a damaged file may have it. */
static void test_junk(void **state)
{
	static const struct {
		uint32_t low_ms, high_ms;
	} junk[] = {
		{0, 0},     {1, 0},         {13999, 60000},  {3600001, 0},
		{60000, 1}, {60000, 60000}, {UINT32_MAX, 0},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(junk) / sizeof(junk[0]); i++) {
		put(i, 1, junk[i].low_ms, junk[i].high_ms);
		put(i + 1, 1, 56000, 61068);
		world_connect(&w, 0);
		/* The sound one behind them is found, at the first place. */
		assert_int_equal(w.d[0].c->keepalive.remembered_ms, 56000);
		assert_int_equal(w.d[0].c->learnt[0].low_ms, 56000);
	}
	/* The first of two counts. */
	put(0, 1, 20000, 0);
	world_connect(&w, 0);
	assert_int_equal(w.d[0].c->keepalive.remembered_ms, 20000);
	assert_true(mem_is_zero(w.d[0].c->learnt[1].network, MPP_NETWORK_LEN));
	/* Too good, or too bad, to be true: two probes show it. */
	memset(w.d[0].config.learnt, 0, sizeof(w.d[0].config.learnt));
	put(0, 1, 14000, 14001);
	start();
	until_interval(28000);
	assert_int_equal(found().missed, 0);
	assert_int_equal(found().proved, 2);
	(void)settle();
	assert_in_range(found().interval_ms, 54000, 59999);
}

/* Who says how long to be silent learns nothing. */
static void test_fixed(void **state)
{
	(void)state;
	w.d[0].config.keepalive_ms = 20000;
	start();
	keepalive_path_lost(&w.d[0].c->keepalive, 20000);
	world_run(&w, UINT64_C(200000000));
	go_to(2);
	world_run(&w, 1000000);
	assert_int_equal(w.d[0].n_learnt, 0);
	assert_int_equal(found().interval_ms, 20000);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_restart),    CASE(test_refuted),
		CASE(test_unknown),    CASE(test_another_network),
		CASE(test_unfinished), CASE(test_short_lease),
		CASE(test_junk),       CASE(test_least_recently_used),
		CASE(test_fixed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
