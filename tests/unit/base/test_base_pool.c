/* SPDX-License-Identifier: MIT */
/* test_base_pool.c - records by index, against a naive twin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/pool.h"
#include "seeded.h"

enum { LIMIT = 37, STRIDE = 24, ROUNDS = 200000 };

/* Four octets of a record's own, behind those that a free one gives up. */
struct twin {
	uint32_t mark[LIMIT]; /* what its owner wrote; 0: free */
	uint32_t used;
};

static uint32_t memory[LIMIT * STRIDE / 4];

static void write_record(struct pool *p, uint32_t i, uint32_t mark)
{
	uint32_t *record = pool_at(p, i);
	size_t k;

	for (k = 0; k < STRIDE / 4; k++)
		record[k] = mark;
}

static void assert_record(const struct pool *p, uint32_t i, uint32_t mark,
			  size_t from)
{
	const uint32_t *record = pool_at(p, i);
	size_t k;

	for (k = from; k < STRIDE / 4; k++)
		assert_int_equal(record[k], mark);
}

static void records_are_counted_from_the_base(void **state)
{
	struct pool p;
	uint32_t i;

	(void)state;
	pool_init(&p, memory, STRIDE, LIMIT);
	for (i = 0; i < LIMIT; i++)
		assert_ptr_equal(pool_at(&p, i), (uint8_t *)memory + i * 24);
}

/* Fresh ones come in order, and only when none was given back; what was never
 * taken is not touched. */
static void memory_fills_as_it_is_used(void **state)
{
	struct pool p;

	(void)state;
	memset(memory, 0x5a, sizeof(memory));
	pool_init(&p, memory, STRIDE, LIMIT);
	assert_int_equal(pool_take(&p), 0);
	assert_int_equal(pool_take(&p), 1);
	pool_give(&p, 0);
	assert_int_equal(pool_take(&p), 0);
	assert_int_equal(pool_take(&p), 2);
	assert_int_equal(p.fresh, 3);
	assert_int_equal(p.used, 3);
	assert_record(&p, 0, 0x5a5a5a5a, 1);
	assert_record(&p, 1, 0x5a5a5a5a, 0);
	assert_record(&p, LIMIT - 1, 0x5a5a5a5a, 0);
}

static void full_is_said(void **state)
{
	struct pool p;
	uint32_t i;

	(void)state;
	pool_init(&p, memory, STRIDE, LIMIT);
	for (i = 0; i < LIMIT; i++)
		assert_int_equal(pool_take(&p), i);
	assert_int_equal(pool_take(&p), POOL_NONE);
	assert_int_equal(pool_take(&p), POOL_NONE);
	assert_int_equal(p.used, LIMIT);
	pool_give(&p, 5);
	assert_int_equal(p.used, LIMIT - 1);
	assert_int_equal(pool_take(&p), 5);
	assert_int_equal(pool_take(&p), POOL_NONE);
}

static void take_one(struct pool *p, struct twin *t, uint32_t mark)
{
	uint32_t i = pool_take(p);

	if (t->used == LIMIT) {
		assert_int_equal(i, POOL_NONE);
		return;
	}
	assert_in_range(i, 0, LIMIT - 1);
	assert_int_equal(t->mark[i], 0);
	t->mark[i] = mark;
	t->used++;
	write_record(p, i, mark);
}

static void give_one(struct pool *p, struct twin *t, uint32_t i)
{
	if (t->mark[i] == 0)
		return;
	assert_record(p, i, t->mark[i], 0);
	pool_give(p, i);
	assert_record(p, i, t->mark[i], 1); /* but for the first 32 bits */
	t->mark[i] = 0;
	t->used--;
}

/* Nobody is given what another has, and nobody's record is written in. */
static void as_a_naive_twin_has_it(void **state)
{
	struct seeded s = seeded_from(41);
	struct twin t = {{0}, 0};
	struct pool p;
	uint32_t n, i;
	uint64_t leaning = 50;

	(void)state;
	pool_init(&p, memory, STRIDE, LIMIT);
	for (n = 1; n <= ROUNDS; n++) {
		if (n % 500 == 0) /* now filling, now emptying */
			leaning = seeded_below(&s, 101);
		if (seeded_below(&s, 100) < leaning)
			take_one(&p, &t, n);
		else
			give_one(&p, &t, (uint32_t)seeded_below(&s, LIMIT));
		assert_int_equal(p.used, t.used);
	}
	for (i = 0; i < LIMIT; i++)
		give_one(&p, &t, i);
	assert_int_equal(p.used, 0);
	assert_int_equal(p.fresh, LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_are_counted_from_the_base),
		cmocka_unit_test(memory_fills_as_it_is_used),
		cmocka_unit_test(full_is_said),
		cmocka_unit_test(as_a_naive_twin_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
