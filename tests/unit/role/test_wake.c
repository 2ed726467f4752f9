/* SPDX-License-Identifier: MIT */
/* A telephone whose radio sleeps: the first packet after silence takes longer
 * than the next ones, and neither time spoils the other. */
#include "world.h"

#include "role/service.h"

static const char alice[] = "alice@example.com";

static struct world w;

enum { PAGED_US = 600000, SLEEPS_AFTER_US = 4000000 };

static uint64_t active;   /* the radio was last */
static uint64_t awake_at; /* it is being woken until then */
static unsigned to_device;
static uint64_t slow_us; /* every packet takes longer */

/* What comes while it sleeps waits until it is awake, and then arrives in
 * order. */
static int radio(struct world *world, const struct flying *f)
{
	struct flying *mine = &world->fly[world->n_fly - 1];

	if (!f->to_service) {
		to_device++;
		mine->at += slow_us;
		if (mine->at > active + SLEEPS_AFTER_US && mine->at > awake_at)
			awake_at = mine->at + PAGED_US;
		if (mine->at < awake_at)
			mine->at = awake_at + to_device;
	}
	active = mine->at > active ? mine->at : active;
	return 0;
}

static int setup(void **state)
{
	(void)state;
	world_init(&w, 5);
	world_subscribed(&w, alice, 0, 1);
	w.drop = radio;
	active = awake_at = w.now;
	to_device = 0;
	slow_us = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_end(&w);
	return 0;
}

static struct rtt measured(enum rtt_which which)
{
	return rtt_of(&binding_at(&w.s->state, 0)->rtt, which);
}

static uint64_t repeats_of_one(uint64_t index)
{
	uint64_t before = mpp_service_count(w.s)->repeats;

	world_publish(&w, alice, "mmm_Inbound", index);
	world_run(&w, 3000000);
	assert_int_equal(world_last(&w.d[0], MPP_EV_PUBLICATION)->index[0],
			 index);
	return mpp_service_count(w.s)->repeats - before;
}

static void test_learns_to_wait(void **state)
{
	uint64_t first, last = 0;
	unsigned i;

	(void)state;
	world_run(&w, 8000000);
	first = repeats_of_one(1);
	assert_true(first >= 3);
	for (i = 2; i < 12; i++) {
		world_run(&w, 8000000);
		last = repeats_of_one(i);
	}
	assert_int_equal(last, 0);
	assert_in_range(measured(RTT_WAKE).smooth_us, PAGED_US / 2,
			PAGED_US + 100000);
	/* What the device says itself wakes it, and takes a round trip. */
	assert_in_range(measured(RTT_AWAKE).smooth_us, 40000, 60000);
}

/* While it is awake, a lost packet is repeated as soon as ever. */
static void test_awake_stays_quick(void **state)
{
	struct rtt awake;
	unsigned i;
	uint64_t at;

	(void)state;
	for (i = 1; i < 8; i++) {
		world_run(&w, 8000000);
		(void)repeats_of_one(i);
	}
	world_run(&w, 8000000);
	world_publish(&w, alice, "mmm_Inbound", i);
	world_run(&w, 1500000);
	w.loss_pct = 100;
	at = w.now;
	awake = measured(RTT_AWAKE);
	world_publish(&w, alice, "mmm_Inbound", i + 1);
	world_run(&w, 10000);
	w.loss_pct = 0;
	world_run(&w, rtt_pto_us(&awake) + 100000);
	assert_true(rtt_pto_us(&awake) < 200000);
	assert_int_equal(world_last(&w.d[0], MPP_EV_PUBLICATION)->index[0],
			 i + 1);
	assert_true(world_last(&w.d[0], MPP_EV_PUBLICATION)->at - at < 300000);
}

/* A network that became slow is noticed, also by a device that is awake: the
 * answer to what was repeated meanwhile is a sample. */
static void test_slow_is_not_lost(void **state)
{
	uint64_t before;
	unsigned i;

	(void)state;
	for (i = 1; i < 30; i++) {
		world_publish(&w, alice, "mmm_Inbound", i);
		world_run(&w, 1000000);
	}
	assert_in_range(measured(RTT_AWAKE).smooth_us, 39000, 41000);
	slow_us = 400000;
	for (; i < 60; i++) {
		world_publish(&w, alice, "mmm_Inbound", i);
		world_run(&w, 1500000);
	}
	before = mpp_service_count(w.s)->repeats;
	assert_in_range(measured(RTT_AWAKE).smooth_us, 400000, 480000);
	world_publish(&w, alice, "mmm_Inbound", i);
	world_run(&w, 1500000);
	assert_int_equal(mpp_service_count(w.s)->repeats, before);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_learns_to_wait),
		CASE(test_awake_stays_quick),
		CASE(test_slow_is_not_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
