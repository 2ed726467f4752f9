/* SPDX-License-Identifier: MIT */
/* The search for how long a mapping lives, and the series of round trips. */
#include "head.h"

#include "netcheck/lifetime.h"
#include "netcheck/trips.h"

/* One letter for each span from the first: a(live), g(one), f(ailed), o(pen). */
static void fill(struct lifetime *l, const char *spans)
{
	unsigned i;

	lifetime_init(l);
	for (i = 1; i <= strlen(spans); i++) {
		const char c = spans[i - 1];

		if (c != 'o')
			lifetime_result(l, i,
					c == 'a'   ? SPAN_ALIVE
					: c == 'g' ? SPAN_GONE
						   : SPAN_FAILED,
					lifetime_spans_ms[i]);
	}
}

static const struct row {
	const char *what;
	const char *spans; /* 2 4 6 10 15 20 30 45 60 75 90 120 180 240 300 */
	bool done;
	uint32_t at_least_s, less_than_s;
} rows[] = {
	{"nothing yet", "", false, 0, 0},
	{"the first lives", "a", false, 2, 0},
	{"one is gone: may be lost", "aag", false, 4, 6},
	{"two in a row are gone", "aagg", true, 4, 6},
	{"one was lost", "aagaa", false, 15, 0},
	{"one was lost, then it ends", "aagagg", true, 10, 15},
	{"gone at once", "gg", true, 0, 2},
	{"one that could not be tried says nothing", "aagfg", true, 4, 6},
	{"all live", "aaaaaaaaaaaaaaa", true, 300, 0},
	{"only the longest is gone", "aaaaaaaaaaaaaag", true, 240, 300},
	{"none could be tried", "fffffffffffffff", true, 0, 0},
	{"open ones in between are awaited", "aogo", false, 2, 6},
};

static void test_the_search(void **state)
{
	struct lifetime_report r;
	struct lifetime l;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fill(&l, rows[i].spans);
		lifetime_report(&l, &r);
		if (lifetime_done(&l) != rows[i].done ||
		    r.at_least_ms != rows[i].at_least_s * 1000 ||
		    r.less_than_ms != rows[i].less_than_s * 1000)
			fail_msg("%s: %u to %u ms", rows[i].what, r.at_least_ms,
				 r.less_than_ms);
	}
}

static void test_spans_rise(void **state)
{
	unsigned i;

	(void)state;
	assert_int_equal(lifetime_spans_ms[0], 0);
	for (i = 1; i < LIFETIME_SPANS; i++)
		assert_true(lifetime_spans_ms[i] > lifetime_spans_ms[i - 1]);
}

static void test_round_trips(void **state)
{
	uint32_t us[20], few[] = {30, 10, 20};
	struct trips_report r;
	unsigned i;

	(void)state;
	for (i = 0; i < 20; i++)
		us[i] = (7 * i % 20 + 1) * 100; /* 100 … 2000, mixed */
	r = trips_report(us, 20, 20);
	assert_int_equal(r.min_us, 100);
	assert_int_equal(r.median_us, 1000);
	assert_int_equal(r.p95_us, 1900);
	assert_int_equal(r.lost, 0);
	r = trips_report(few, 3, 20);
	assert_int_equal(r.min_us, 10);
	assert_int_equal(r.median_us, 20);
	assert_int_equal(r.p95_us, 30);
	assert_int_equal(r.lost, 17);
	r = trips_report(few, 0, 20);
	assert_int_equal(r.lost, 20);
	assert_int_equal(r.median_us, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_search),
		cmocka_unit_test(test_spans_rise),
		cmocka_unit_test(test_round_trips),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
