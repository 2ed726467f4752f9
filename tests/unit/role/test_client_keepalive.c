/* SPDX-License-Identifier: MIT */
/* The search for how long a path lasts, alone, with a path of which the answer
 * is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "role/client.h"

enum { GRACE_US = 2000000, LEASE = 600000 };

static struct keepalive k;
static mpp_time now;
static uint32_t serial;

static int setup(void **state)
{
	(void)state;
	now.us = 1000000;
	serial = 1;
	keepalive_init(&k, 0);
	keepalive_connected(&k, LEASE);
	return 0;
}

static void pass_ms(uint64_t ms)
{
	now.us += ms * 1000;
}

static void ask(uint32_t probe_ms)
{
	keepalive_asked(&k, probe_ms, ++serial, now);
	keepalive_waits(&k, GRACE_US);
}

/* A probe of a path that lasts so long; 0: there was nothing to ask. */
static uint32_t probe(uint64_t lasts_ms)
{
	const uint32_t ms = keepalive_probe(&k, now);

	if (ms == 0)
		return 0;
	ask(ms);
	if (ms < lasts_ms) {
		pass_ms(ms);
		assert_true(keepalive_answered(&k, serial, now));
		return ms;
	}
	now = keepalive_deadline(&k, now);
	keepalive_tick(&k, now);
	assert_int_equal(k.state, KEEPALIVE_MISSED);
	keepalive_alive(&k, now);
	return ms;
}

static unsigned search(uint64_t lasts_ms)
{
	unsigned n = 0;

	while (probe(lasts_ms) != 0)
		assert_true(++n < 100);
	return n;
}

static void test_finds(void **state)
{
	uint64_t lasts;
	unsigned n;

	/* Every life from 14.5 s to the limit, in steps of a fiftieth. */
	for (lasts = 14500; lasts < 440000; lasts += lasts / 50) {
		setup(state);
		n = search(lasts);
		assert_true(keepalive_settled(&k));
		assert_in_range(keepalive_interval_ms(&k), lasts * 9 / 10,
				lasts - 1);
		assert_in_range(n, 1, 8);
		assert_int_equal(n, k.answered + k.missed);
	}
}

/* By hand: doubled until 112 s is missed, then the geometric means of what
 * lasted and what did not: sqrt(56 * 112) = 79.19, sqrt(56 * 79.19) = 66.59,
 * sqrt(56 * 66.59) = 61.06; 56 is more than nine tenths of that. */
static void test_steps(void **state)
{
	static const uint32_t steps[] = {28000, 56000, 112000,
					 79195, 66595, 61068};
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		assert_int_equal(probe(60000), steps[i]);
	assert_int_equal(probe(60000), 0);
	assert_int_equal(keepalive_interval_ms(&k), 56000);
}

/* Three quarters of the lease, however long the path lasts. */
static void test_lease(void **state)
{
	static const uint32_t leases[] = {10000, 20000, 60000, 3600000};
	unsigned i;

	for (i = 0; i < 4; i++) {
		setup(state);
		keepalive_connected(&k, leases[i]);
		while (keepalive_probe(&k, now) != 0) {
			assert_true(keepalive_probe(&k, now) <=
				    leases[i] / 4 * 3);
			probe(UINT64_MAX);
		}
		assert_in_range(keepalive_interval_ms(&k),
				leases[i] / 4 * 3 * 9 / 10, leases[i] / 4 * 3);
	}
	/* Without a lease nothing is asked. */
	setup(state);
	keepalive_connected(&k, 0);
	assert_int_equal(keepalive_probe(&k, now), 0);
	assert_int_equal(keepalive_interval_ms(&k), KEEPALIVE_START_MS);
}

static void test_fixed(void **state)
{
	(void)state;
	keepalive_init(&k, 5000);
	keepalive_connected(&k, LEASE);
	assert_int_equal(keepalive_probe(&k, now), 0);
	assert_int_equal(keepalive_interval_ms(&k), 5000);
	keepalive_path_lost(&k, 20000);
	assert_int_equal(keepalive_interval_ms(&k), 5000);
}

/* Each answer that is no proof, and the one that is. */
static void test_proof(void **state)
{
	(void)state;
	/* Before the service has said that it waits. */
	keepalive_asked(&k, 28000, ++serial, now);
	pass_ms(28000);
	assert_true(keepalive_answered(&k, serial, now));
	assert_int_equal(keepalive_interval_ms(&k), KEEPALIVE_START_MS);
	/* Too early. */
	ask(28000);
	pass_ms(27999);
	assert_true(keepalive_answered(&k, serial, now));
	assert_int_equal(keepalive_interval_ms(&k), KEEPALIVE_START_MS);
	/* To another request. */
	ask(28000);
	pass_ms(28000);
	assert_false(keepalive_answered(&k, serial - 1, now));
	assert_int_equal(keepalive_interval_ms(&k), KEEPALIVE_START_MS);
	/* To one that was not silent. */
	keepalive_spoke(&k);
	assert_false(keepalive_answered(&k, serial, now));
	assert_int_equal(keepalive_interval_ms(&k), KEEPALIVE_START_MS);
	/* To one that spoke before it knew that the service waits. */
	keepalive_asked(&k, 28000, ++serial, now);
	keepalive_spoke(&k);
	keepalive_waits(&k, GRACE_US);
	pass_ms(28000);
	assert_false(keepalive_answered(&k, serial, now));
	assert_int_equal(keepalive_interval_ms(&k), KEEPALIVE_START_MS);
	assert_int_equal(k.restarted, 2);
	assert_int_equal(k.answered, 0);
	ask(28000);
	pass_ms(28000);
	assert_true(keepalive_answered(&k, serial, now));
	assert_int_equal(keepalive_interval_ms(&k), 28000);
	assert_int_equal(k.answered, 1);
}

/* What takes the blame for a missed answer. */
static void test_missed(void **state)
{
	(void)state;
	ask(28000);
	now = keepalive_deadline(&k, now);
	keepalive_tick(&k, (mpp_time){now.us - 1});
	assert_int_equal(k.state, KEEPALIVE_SILENT);
	keepalive_tick(&k, now);
	assert_int_equal(k.state, KEEPALIVE_MISSED);
	assert_int_equal(keepalive_deadline(&k, now).us, 0);
	/* The service is gone: nothing is known of the path. */
	keepalive_connected(&k, LEASE);
	assert_int_equal(k.state, KEEPALIVE_REST);
	assert_int_equal(k.missed, 0);
	assert_int_equal(k.high_ms, 0);
	/* The device was asleep. */
	ask(28000);
	now = keepalive_deadline(&k, now);
	pass_ms(6000);
	keepalive_tick(&k, now);
	assert_int_equal(k.state, KEEPALIVE_REST);
	keepalive_alive(&k, now);
	assert_int_equal(k.missed, 0);
	/* The path was dead. */
	ask(28000);
	now = keepalive_deadline(&k, now);
	keepalive_tick(&k, now);
	keepalive_alive(&k, now);
	assert_int_equal(k.missed, 1);
	assert_int_equal(k.high_ms, 28000);
	assert_int_equal(keepalive_interval_ms(&k), KEEPALIVE_START_MS);
}

static void test_path_lost(void **state)
{
	(void)state;
	(void)search(60000);
	assert_int_equal(keepalive_interval_ms(&k), 56000);
	/* Too short for a NAT: the network was away. */
	keepalive_path_lost(&k, 14000);
	keepalive_path_lost(&k, UINT64_C(1) << 40);
	assert_int_equal(keepalive_interval_ms(&k), 56000);
	/* Longer than what was proved, shorter than what was missed. */
	keepalive_path_lost(&k, 58000);
	assert_int_equal(k.high_ms, 58000);
	assert_int_equal(keepalive_interval_ms(&k), 56000);
	/* Another path than the one that was proved. */
	keepalive_path_lost(&k, 40000);
	assert_int_equal(keepalive_interval_ms(&k), KEEPALIVE_START_MS);
	assert_int_equal(k.high_ms, 40000);
	(void)search(30000);
	assert_in_range(keepalive_interval_ms(&k), 27000, 29999);
}

/* An outage that looked like a NAT does not count for ever. */
static void test_looks_again(void **state)
{
	(void)state;
	keepalive_path_lost(&k, 29000);
	(void)search(1000000);
	assert_in_range(keepalive_interval_ms(&k), 26100, 29000);
	pass_ms(86399999);
	assert_int_equal(keepalive_probe(&k, now), 0);
	pass_ms(1);
	assert_int_equal(probe(1000000), 29000);
	(void)search(1000000);
	assert_in_range(keepalive_interval_ms(&k), 405000, 450000);
	/* One probe a day, no more, when there is nothing new. */
	setup(state);
	(void)search(60000);
	pass_ms(86400000);
	assert_int_equal(search(60000), 1);
}

/* What was learnt is asked for first, and is not believed before. */
static void test_remembers(void **state)
{
	(void)state;
	keepalive_network(&k, 56000, 61068);
	assert_int_equal(keepalive_interval_ms(&k), KEEPALIVE_START_MS);
	assert_int_equal(search(60000), 1);
	assert_int_equal(keepalive_interval_ms(&k), 56000);
	/* It is not what it was. */
	keepalive_network(&k, 56000, 61068);
	assert_int_equal(probe(30000), 56000);
	(void)search(30000);
	assert_in_range(keepalive_interval_ms(&k), 27000, 29999);
	/* Nothing is known of this one. */
	keepalive_network(&k, 0, 0);
	assert_int_equal(keepalive_interval_ms(&k), KEEPALIVE_START_MS);
	assert_int_equal(probe(30000), 28000);
}

#define CASE(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_finds),     CASE(test_steps),
		CASE(test_lease),     CASE(test_fixed),
		CASE(test_proof),     CASE(test_missed),
		CASE(test_path_lost), CASE(test_looks_again),
		CASE(test_remembers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
