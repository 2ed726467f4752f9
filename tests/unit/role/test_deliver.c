/* SPDX-License-Identifier: MIT */
/* A publication reaches every device of its account, is acknowledged, and
 * comes through a network that loses, duplicates and reorders. */
#include "world.h"

static struct world w;

static int setup(void **state)
{
	(void)state;
	world_init(&w, 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_end(&w);
	return 0;
}

/* First Contact: the device knows a fingerprint only. */
static void test_enroll_and_deliver(void **state)
{
	uint64_t serial;
	const struct told *t;

	(void)state;
	world_subscribed(&w, "alice@example.com", 0, 3);
	serial = world_publish(&w, "alice@example.com", "mmm_Inbound", 42);
	world_run(&w, 1000000);
	t = world_last(&w.d[0], MPP_EV_PUBLICATION);
	assert_non_null(t);
	assert_int_equal(t->serial, serial);
	assert_int_equal(t->n_stores, 1);
	assert_string_equal(t->store[0], "mmm_Inbound");
	assert_int_equal(t->index[0], 42);
	assert_int_equal(world_count(&w.d[1], MPP_EV_PUBLICATION), 1);
	assert_int_equal(world_count(&w.d[2], MPP_EV_PUBLICATION), 1);
	assert_int_equal(world_acknowledged(&w, "alice@example.com"), serial);
	assert_int_equal(mpp_service_count(w.s)->repeats, 0);
	assert_int_equal(mpp_service_count(w.s)->drop_auth, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_enroll_and_deliver, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
