/* SPDX-License-Identifier: MIT */
/* What to do about what was found. */
#include "head.h"

#include "netcheck/advice.h"

/* A network in which all is well. */
static struct report well(void)
{
	const struct path_report good = {
		.tested = true,
		.have_local = true,
		.answered = true,
		.mapping = MAPPING_INDEPENDENT,
		.filtering = FILTERING_ADDRESS_PORT,
		.lifetime = {METHOD_RESPONSE_PORT, 120000, 180000},
		.up = {1480, 0},
		.down = {1480, 0},
		.trips = {20, 1, 10, 20, 30},
	};
	const struct report r = {.v4 = good,
				 .v6 = good,
				 .connection = CONNECTION_WORKS,
				 .have_clock = true,
				 .clock_ms = -4900};

	return r;
}

/* @param want  advice, ADVICE_ZERO: none */
static void expect(const struct report *r, enum advice want)
{
	enum advice out[ADVICE_MAX];
	const size_t n = advice_of(r, out);

	if (want == ADVICE_ZERO) {
		assert_int_equal(n, 0);
		return;
	}
	assert_int_equal(n, 1);
	if (out[0] != want)
		fail_msg("%s, not %s", advice_word(out[0]), advice_word(want));
}

static void test_where_all_is_well(void **state)
{
	struct report r = well();

	(void)state;
	expect(&r, ADVICE_ZERO);
	r.v6 = (struct path_report){.tested = false};
	expect(&r, ADVICE_ZERO);
	r.connection = CONNECTION_NOT_TRIED;
	r.have_clock = false;
	r.clock_ms = 99999;
	expect(&r, ADVICE_ZERO);
	/* This machine has no IPv6: nothing is broken. */
	r.v6 = (struct path_report){.tested = true};
	expect(&r, ADVICE_ZERO);
}

static void test_limits(void **state)
{
	struct report r = well();

	(void)state;
	r.v6.trips.lost = 2; /* 10 % */
	expect(&r, ADVICE_LOSS);
	r = well();
	r.clock_ms = 5001;
	expect(&r, ADVICE_CLOCK);
	r.clock_ms = -5001;
	expect(&r, ADVICE_CLOCK);
	r = well();
	r.v4.lifetime.less_than_ms = 30000;
	expect(&r, ADVICE_LIFETIME);
	r.v4.lifetime.less_than_ms = 45000;
	expect(&r, ADVICE_ZERO);
	r = well();
	r.v4.up = (struct size_report){0, 1228};
	expect(&r, ADVICE_SIZE_UP);
	r.v4.up = (struct size_report){1228, 1260};
	expect(&r, ADVICE_ZERO);
	r.v6.down = (struct size_report){0, 1248};
	expect(&r, ADVICE_SIZE_DOWN);
}

static void test_behaviours(void **state)
{
	struct report r = well();

	(void)state;
	r.v4.mapping = MAPPING_ADDRESS_PORT;
	expect(&r, ADVICE_SYMMETRIC);
	r.v4.mapping = MAPPING_ADDRESS;
	expect(&r, ADVICE_SYMMETRIC);
	r.v4.mapping = MAPPING_DEPENDENT;
	expect(&r, ADVICE_SYMMETRIC);
	r.v4.mapping = MAPPING_NOT_PORT;
	expect(&r, ADVICE_ZERO);
}

static void test_one_family_is_dead(void **state)
{
	const struct path_report dead = {.tested = true, .have_local = true};
	struct report r = well();

	(void)state;
	r.v6 = dead;
	expect(&r, ADVICE_IPV6_DEAD);
	r = well();
	r.v4 = dead;
	expect(&r, ADVICE_IPV4_DEAD);
}

static void test_nothing_is_answered(void **state)
{
	const struct path_report dead = {.tested = true, .have_local = true};
	struct report r = {.v4 = dead, .connection = CONNECTION_FAILS};

	(void)state;
	expect(&r, ADVICE_UDP_BLOCKED);
	r.v4.refused = true;
	expect(&r, ADVICE_NOBODY_THERE);
	r.connection = CONNECTION_WORKS;
	expect(&r, ADVICE_NO_STUN);
	r.connection = CONNECTION_FAILS;
	r.web = WEB_WORKS;
	expect(&r, ADVICE_WEB_USED);
	r.web = WEB_NOT_TRIED;
	r.connection = CONNECTION_FAILS;
	r.v4.have_local = false;
	expect(&r, ADVICE_NO_ROUTE);
	/* What fails is not the network. */
	r = well();
	r.connection = CONNECTION_FAILS;
	expect(&r, ADVICE_NO_CONNECTION);
}

static void test_the_web_service(void **state)
{
	struct report r = well();

	(void)state;
	r.web = WEB_WORKS;
	expect(&r, ADVICE_ZERO);
	r.web = WEB_FAILS;
	expect(&r, ADVICE_WEB_DEAD);
}

static void test_all_at_once_fits(void **state)
{
	enum advice out[ADVICE_MAX];
	struct report r = well();
	size_t i, n;

	(void)state;
	r.connection = CONNECTION_FAILS;
	r.v4.mapping = MAPPING_DEPENDENT;
	r.v4.lifetime.less_than_ms = 1;
	r.v4.up.passes = r.v4.down.passes = 0;
	r.v4.up.fails = r.v4.down.fails = 1228;
	r.v4.trips.lost = 20;
	r.v6 = (struct path_report){.tested = true, .have_local = true};
	r.clock_ms = 6000;
	r.web = WEB_FAILS;
	n = advice_of(&r, out);
	assert_int_equal(n, 9);
	for (i = 0; i < n; i++) {
		assert_string_not_equal(advice_word(out[i]), "unknown");
		assert_string_not_equal(advice_text(out[i]), "unknown");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_where_all_is_well),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_behaviours),
		cmocka_unit_test(test_one_family_is_dead),
		cmocka_unit_test(test_nothing_is_answered),
		cmocka_unit_test(test_the_web_service),
		cmocka_unit_test(test_all_at_once_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
