/* SPDX-License-Identifier: MIT */
/* test_rtt.c - round-trip time and probe timeout. The values are computed by
 * hand from RFC 6298 section 2:
 *   first: SRTT = R, RTTVAR = R/2
 *   then:  RTTVAR = 3/4 RTTVAR + 1/4 |SRTT - R|, SRTT = 7/8 SRTT + 1/8 R
 * and PTO = SRTT + max(4 RTTVAR, 10 ms), at least 50 ms, at most 30 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rud/rtt.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* One sample after the other; a row that is first begins anew. */
static const struct {
	const char *what;
	bool first;
	uint64_t sample;
	uint32_t smooth, var, pto;
} rows[] = {
	// clang-format off
	{"R, R/2", true, 100000, 100000, 50000, 300000},
	{"3/4 50000 + 1/4 100000; 7/8 100000 + 1/8 200000", false,
	 200000, 112500, 62500, 362500},
	{"below: 3/4 62500 + 1/4 72500; 7/8 112500 + 1/8 40000 = 103437.5",
	 false, 40000, 103437, 65000, 363437},
	{"the same again moves the mean by nothing and the spread to 3/4",
	 false, 103437, 103437, 48750, 298437},
	{"a first one that is short: 1000 + 10000 is under the floor", true,
	 1000, 1000, 500, 50000},
	{"just under the floor: 16666 + 4 x 8333 = 49998", true,
	 16666, 16666, 8333, 50000},
	{"just over it: 16668 + 4 x 8334 = 50004", true,
	 16668, 16668, 8334, 50004},
	{"zero counts as one microsecond", true, 0, 1, 0, 50000},
	{"and stays a sample", false, 0, 1, 0, 50000},
	{"just under the ceiling: 9999999 + 4 x 4999999 = 29999995", true,
	 9999999, 9999999, 4999999, 29999995},
	{"at it: 10 s + 4 x 5 s", true, 10000000, 10000000, 5000000, 30000000},
	{"over it", true, 10000004, 10000004, 5000002, 30000000},
	{"the longest sample", true, 60000000, 60000000, 30000000, 30000000},
	{"a longer one is taken as that", true,
	 60000001, 60000000, 30000000, 30000000},
	{"however long it is", true, UINT64_MAX, 60000000, 30000000, 30000000},
	{"2^32 + 5 is not 5", true, UINT64_C(4294967301), 60000000, 30000000,
	 30000000},
	{"from there to nothing: 3/4 30 s + 1/4 59999999; 7/8 60 s + 1/8", false,
	 1, 52500000, 37499999, 30000000},
	// clang-format on
};

static void samples_are_smoothed(void **state)
{
	struct rtt r = {0, 0};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		if (rows[i].first)
			r = (struct rtt){0, 0};
		rtt_sample(&r, rows[i].sample);
		if (r.smooth_us != rows[i].smooth || r.var_us != rows[i].var ||
		    rtt_pto_us(&r) != rows[i].pto)
			fail_msg("%s: %u %u %u", rows[i].what, r.smooth_us,
				 r.var_us, rtt_pto_us(&r));
	}
}

static void without_a_sample_it_is_a_second(void **state)
{
	const struct rtt r = {0, 0};

	(void)state;
	assert_int_equal(rtt_pto_us(&r), 1000000);
}

/* When nothing varies any more, 10 ms are kept for the grain of timers. */
static void steady_samples_leave_the_grain(void **state)
{
	struct rtt r = {0, 0};
	int i;

	(void)state;
	for (i = 0; i < 100; i++)
		rtt_sample(&r, 100000);
	assert_int_equal(r.smooth_us, 100000);
	assert_int_equal(r.var_us, 0);
	assert_int_equal(rtt_pto_us(&r), 110000);
	r = (struct rtt){100000, 2500};
	assert_int_equal(rtt_pto_us(&r), 110000);
	r.var_us = 2501;
	assert_int_equal(rtt_pto_us(&r), 110004);
}

/* Waits with a PTO of 300 ms: how often it is taken. */
static const struct {
	const char *what;
	unsigned flat, tries;
	uint32_t times;
} waits[] = {
	// clang-format off
	{"the first of three that do not double", 3, 0, 1},
	{"the second", 3, 1, 1},
	{"the third", 3, 2, 1},
	{"then it doubles", 3, 3, 2},
	{"and again", 3, 4, 4},
	{"up to 64 x 300 ms", 3, 8, 64},
	{"and no further than 30 s", 3, 9, 100},
	{"however often", 3, 30, 100},
	{"and however often", 3, 4294967295u, 100},
	{"PTO", 1, 0, 1},
	{"2 PTO", 1, 1, 2},
	{"4 PTO", 1, 2, 4},
	{"the first wait is one PTO with none that is flat, too", 0, 0, 1},
	{"and the next two", 0, 1, 2},
	{"and four", 0, 2, 4},
	// clang-format on
};

static void waits_back_off(void **state)
{
	const struct rtt r = {100000, 50000};
	size_t i;
	uint32_t got;

	(void)state;
	for (i = 0; i < COUNT(waits); i++) {
		got = rtt_backoff_us(&r, waits[i].tries, waits[i].flat);
		if (got != waits[i].times * 300000)
			fail_msg("%s: %u", waits[i].what, got);
	}
}

/* Two in 8 octets: at most 1/4096 away from what was put in. */
static void a_pair_is_nearly_exact(void **state)
{
	static const uint32_t exact[] = {1,        2,       4095,  4096,
					 20000,    40000,   50000, 1000000,
					 30000000, 60000000};
	struct rtt_pair p;
	uint64_t us;
	size_t i;

	(void)state;
	assert_int_equal(sizeof(p), 8);
	for (i = 0; i < COUNT(exact); i++) {
		p = (struct rtt_pair){{0}, {0}};
		rtt_pair_sample(&p, RTT_AWAKE, exact[i]);
		assert_in_range(rtt_of(&p, RTT_AWAKE).smooth_us,
				exact[i] - exact[i] / 4096,
				exact[i] + exact[i] / 4096);
	}
	for (us = 1; us <= RTT_MAX_US; us += 1 + us / 7) {
		p = (struct rtt_pair){{0}, {0}};
		rtt_pair_sample(&p, RTT_AWAKE, us);
		assert_in_range(rtt_of(&p, RTT_AWAKE).smooth_us, us - us / 4096,
				us + us / 4096);
		assert_in_range(rtt_of(&p, RTT_AWAKE).var_us,
				us / 2 - us / 8192, us / 2 + us / 8192);
	}
	p = (struct rtt_pair){{0}, {0}};
	rtt_pair_sample(&p, RTT_AWAKE, 40000);
	assert_int_equal(rtt_of(&p, RTT_AWAKE).smooth_us, 40000);
	rtt_pair_sample(&p, RTT_AWAKE, UINT64_MAX);
	assert_true(rtt_of(&p, RTT_AWAKE).smooth_us <= RTT_MAX_US);
}

static void waking_starts_equal_to_awake(void **state)
{
	struct rtt_pair p = {{0}, {0}};
	struct rtt awake;

	(void)state;
	assert_int_equal(rtt_of(&p, RTT_WAKE).smooth_us, 0);
	rtt_pair_sample(&p, RTT_AWAKE, 40000);
	assert_int_equal(rtt_of(&p, RTT_WAKE).smooth_us, 40000);
	assert_int_equal(rtt_of(&p, RTT_WAKE).var_us, 20000);
	rtt_pair_sample(&p, RTT_AWAKE, 40000);
	assert_int_equal(rtt_of(&p, RTT_WAKE).var_us, 15000);
	/* 7/8 40000 + 1/8 840000; 3/4 15000 + 1/4 800000 */
	awake = rtt_of(&p, RTT_AWAKE);
	rtt_pair_sample(&p, RTT_WAKE, 840000);
	assert_in_range(rtt_of(&p, RTT_WAKE).smooth_us, 139965, 140035);
	assert_in_range(rtt_of(&p, RTT_WAKE).var_us, 211200, 211300);
	assert_int_equal(rtt_of(&p, RTT_AWAKE).smooth_us, awake.smooth_us);
	assert_int_equal(rtt_of(&p, RTT_AWAKE).var_us, awake.var_us);
	/* From then on each has its own. */
	rtt_pair_sample(&p, RTT_AWAKE, 80000);
	assert_in_range(rtt_of(&p, RTT_WAKE).smooth_us, 139965, 140035);
}

static void the_first_sample_is_one_of_both(void **state)
{
	struct rtt_pair p = {{0}, {0}};

	(void)state;
	rtt_pair_sample(&p, RTT_WAKE, 500000);
	assert_in_range(rtt_of(&p, RTT_AWAKE).smooth_us, 499900, 500100);
	rtt_pair_sample(&p, RTT_AWAKE, 40000);
	assert_true(rtt_of(&p, RTT_AWAKE).smooth_us < 450000);
	assert_in_range(rtt_of(&p, RTT_WAKE).smooth_us, 499900, 500100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_are_smoothed),
		cmocka_unit_test(without_a_sample_it_is_a_second),
		cmocka_unit_test(steady_samples_leave_the_grain),
		cmocka_unit_test(waits_back_off),
		cmocka_unit_test(a_pair_is_nearly_exact),
		cmocka_unit_test(waking_starts_equal_to_awake),
		cmocka_unit_test(the_first_sample_is_one_of_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
