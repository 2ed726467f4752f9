/* SPDX-License-Identifier: MIT */
/* Leaky buckets: a burst, a rate, and a clock that goes round. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bucket.h"

/* Ten a second, twenty at once. */
static const struct bucket b = {100, 2000};

static unsigned take_all(uint32_t *spent, uint32_t now)
{
	unsigned n = 0;

	while (n < 1000 && bucket_take(&b, spent, now))
		n++;
	return n;
}

static void a_burst_and_then_the_rate(void **state)
{
	uint32_t spent = 0, now = 5000;

	(void)state;
	assert_int_equal(bucket_wait(&b, spent, now), 0);
	assert_int_equal(take_all(&spent, now), 20);
	assert_int_equal(bucket_wait(&b, spent, now), 100);
	assert_int_equal(take_all(&spent, now + 99), 0);
	assert_int_equal(bucket_wait(&b, spent, now + 99), 1);
	assert_int_equal(take_all(&spent, now + 100), 1);
	assert_int_equal(take_all(&spent, now + 1100), 10);
	assert_int_equal(take_all(&spent, now + 9999), 20);
}

static void what_is_given_back_can_be_taken(void **state)
{
	uint32_t spent = 0, now = 5000;

	(void)state;
	assert_int_equal(take_all(&spent, now), 20);
	bucket_give(&b, &spent, now);
	assert_int_equal(take_all(&spent, now), 1);
	/* Not more than there was. */
	now += 60000;
	bucket_give(&b, &spent, now);
	assert_int_equal(take_all(&spent, now), 20);
}

/* After any pause, also where the milliseconds wrap around. */
static void a_long_pause_fills_it(void **state)
{
	static const uint32_t starts[] = {0,          1,          0x7fffffff,
					  0x80000000, 0xfffffc17, 0xffffffff};
	static const uint32_t pauses[] = {2000,       60000,      0x7fffffff,
					  0x80000000, 0x80000001, 0xc0000000};
	uint32_t spent, i, k;

	(void)state;
	for (i = 0; i < 6; i++) {
		for (k = 0; k < 6; k++) {
			spent = starts[i];
			assert_int_equal(take_all(&spent, starts[i]), 20);
			assert_int_equal(take_all(&spent, starts[i] + 1000),
					 10);
			assert_int_equal(take_all(&spent,
						  starts[i] + 1000 + pauses[k]),
					 20);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_and_then_the_rate),
		cmocka_unit_test(what_is_given_back_can_be_taken),
		cmocka_unit_test(a_long_pause_fills_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
