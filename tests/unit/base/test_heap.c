/* SPDX-License-Identifier: MIT */
/* test_heap.c - deadlines by number, against a naive twin: a plain array in
 * which the earliest is looked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/heap.h"
#include "seeded.h"

enum { LIMIT = 61, ROUNDS = 200000 };

struct both {
	struct heap h;
	struct heap_entry e[LIMIT];
	uint32_t where[LIMIT];
	uint64_t at[LIMIT]; /* the twin; UINT64_MAX: not in */
};

static void start(struct both *b)
{
	size_t i;

	memset(b, 0, sizeof(*b));
	b->h = (struct heap){b->e, b->where, 0};
	for (i = 0; i < LIMIT; i++)
		b->at[i] = UINT64_MAX;
}

static void set(struct both *b, uint32_t id, uint64_t at)
{
	heap_set(&b->h, id, at);
	b->at[id] = at;
}

static void assert_same(const struct both *b)
{
	uint64_t first = UINT64_MAX;
	uint32_t n = 0;
	uint32_t i, pos;

	for (i = 0; i < LIMIT; i++) {
		pos = b->where[i];
		if (b->at[i] == UINT64_MAX) {
			assert_int_equal(pos, 0);
			continue;
		}
		n++;
		first = b->at[i] < first ? b->at[i] : first;
		assert_in_range(pos, 1, b->h.n);
		assert_int_equal(b->e[pos - 1].id, i);
		assert_true(b->e[pos - 1].at == b->at[i]);
	}
	assert_int_equal(b->h.n, n);
	assert_true(heap_first(&b->h) == first);
	if (n != 0)
		assert_true(b->at[b->e[0].id] == first);
}

static void empty_has_no_deadline(void **state)
{
	struct both b;

	(void)state;
	start(&b);
	assert_true(heap_first(&b.h) == UINT64_MAX);
	set(&b, 7, UINT64_MAX); /* taking out what is not in */
	assert_same(&b);
	set(&b, 7, 0);
	assert_true(heap_first(&b.h) == 0);
	set(&b, 7, UINT64_MAX - 1);
	assert_true(heap_first(&b.h) == UINT64_MAX - 1);
	set(&b, 7, UINT64_MAX);
	assert_same(&b);
}

/* In whatever order they were put in, they come out by time. */
static void drains_in_order(void **state)
{
	struct seeded s = seeded_from(43);
	struct both b;
	uint64_t last = 0;
	uint32_t i, n = 0;

	(void)state;
	start(&b);
	for (i = 0; i < LIMIT; i++)
		set(&b, i, seeded_below(&s, 40)); /* equal ones among them */
	while (heap_first(&b.h) != UINT64_MAX) {
		assert_true(heap_first(&b.h) >= last);
		last = heap_first(&b.h);
		set(&b, b.e[0].id, UINT64_MAX);
		n++;
	}
	assert_int_equal(n, LIMIT);
}

/* One random step: set or move, near or far, or take out. */
static void step(struct both *b, struct seeded *s, uint64_t range)
{
	uint32_t id = (uint32_t)seeded_below(s, LIMIT);
	uint64_t kind = seeded_below(s, 10);

	if (kind < 3)
		set(b, id, UINT64_MAX);
	else if (kind < 4 && b->h.n != 0)
		set(b, b->e[0].id, UINT64_MAX); /* the first, as a timer does */
	else
		set(b, id, seeded_below(s, range));
}

static void as_a_naive_twin_has_it(void **state)
{
	static const uint64_t ranges[] = {2, 100, UINT64_MAX};
	struct seeded s = seeded_from(44);
	struct both b;
	uint32_t n;

	(void)state;
	start(&b);
	for (n = 0; n < ROUNDS; n++) {
		step(&b, &s, ranges[n / 1000 % 3]);
		assert_same(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_has_no_deadline),
		cmocka_unit_test(drains_in_order),
		cmocka_unit_test(as_a_naive_twin_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
