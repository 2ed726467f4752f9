/* SPDX-License-Identifier: MIT */
/* test_replay.c - the replay window against a naive twin: the list of what
 * was marked and is not older than the window. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rud/replay.h"
#include "seeded.h"

enum { WORDS_MAX = 16, SIZE_MAX_TWIN = WORDS_MAX * 64, ROUNDS = 250000 };

static const uint64_t index_max = (UINT64_C(1) << 48) - 1;

struct both {
	struct replay w;
	uint64_t bits[WORDS_MAX];
	uint64_t size;
	/* the twin */
	uint64_t seen[SIZE_MAX_TWIN];
	size_t n;
	uint64_t top;
};

static void start(struct both *b, unsigned words)
{
	memset(b, 0, sizeof(*b));
	b->w = (struct replay){0, b->bits, words};
	b->size = words * 64;
}

static bool twin_fresh(const struct both *b, uint64_t index)
{
	size_t i;

	if (index + b->size < b->top)
		return false;
	for (i = 0; i < b->n; i++)
		if (b->seen[i] == index)
			return false;
	return true;
}

static void twin_mark(struct both *b, uint64_t index)
{
	size_t i, kept = 0;

	if (index >= b->top)
		b->top = index + 1;
	for (i = 0; i < b->n; i++)
		if (b->seen[i] + b->size >= b->top)
			b->seen[kept++] = b->seen[i];
	b->n = kept;
	assert_true(b->n < b->size);
	b->seen[b->n++] = index;
}

static bool mark(struct both *b, uint64_t index)
{
	bool fresh = replay_fresh(&b->w, index);

	assert_int_equal(fresh, twin_fresh(b, index));
	if (fresh) {
		replay_mark(&b->w, index);
		twin_mark(b, index);
	}
	return fresh;
}

static void edges_of_the_window(void **state)
{
	static const unsigned words[] = {2, WORDS_MAX};
	struct both b;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		start(&b, words[i]);
		assert_true(mark(&b, 0));
		assert_false(mark(&b, 0));         /* seen */
		assert_true(mark(&b, b.size - 1)); /* 0 is still inside */
		assert_false(mark(&b, 0));
		assert_true(mark(&b, 1));
		assert_true(mark(&b, b.size)); /* pushes 0 out */
		assert_false(replay_fresh(&b.w, 0));
		assert_false(mark(&b, 1));
		assert_true(mark(&b, 2));
		assert_true(mark(&b, index_max));
		assert_false(mark(&b, index_max));
		assert_false(mark(&b, index_max - b.size)); /* too old */
		assert_true(mark(&b, index_max - b.size + 1));
		assert_false(mark(&b, index_max - b.size + 1));
	}
}

/* Asking changes nothing: only what was marked counts. */
static void asking_is_not_marking(void **state)
{
	struct both b;

	(void)state;
	start(&b, 2);
	assert_true(replay_fresh(&b.w, 1000));
	assert_true(replay_fresh(&b.w, 1000));
	assert_true(replay_fresh(&b.w, 0));
	assert_true(mark(&b, 1000));
	assert_false(replay_fresh(&b.w, 0));
	assert_int_equal(b.w.top, 1001);
}

/* The top moves, and what falls out of the window is old; nothing is seen. */
static void raising_marks_nothing(void **state)
{
	struct both b;

	(void)state;
	start(&b, 2);
	assert_true(mark(&b, 5));
	replay_raise(&b.w, 100);
	assert_int_equal(b.w.top, 101);
	assert_true(replay_fresh(&b.w, 100));
	assert_false(replay_fresh(&b.w, 5));
	replay_raise(&b.w, 50); /* never back */
	assert_int_equal(b.w.top, 101);
	replay_mark(&b.w, 100);
	assert_false(replay_fresh(&b.w, 100));
	replay_raise(&b.w, 133); /* takes the place of 5 in the ring */
	assert_true(replay_fresh(&b.w, 133));
	assert_false(replay_fresh(&b.w, 5));
	assert_false(replay_fresh(&b.w, 100));
}

/* What the ring held is gone when the top passes it, however far it goes. */
static void a_jump_clears_what_it_passes(void **state)
{
	struct both b;
	uint64_t jump, i;

	(void)state;
	for (jump = 1; jump <= 300; jump++) {
		start(&b, 2);
		for (i = 0; i < 128; i++)
			assert_true(mark(&b, i));
		assert_true(mark(&b, 127 + jump));
		for (i = 128; i < 127 + jump; i++)
			assert_int_equal(replay_fresh(&b.w, i),
					 i + 128 >= 128 + jump);
	}
}

/* An index of the kinds that occur, and of those that are at an edge. */
static uint64_t draw(const struct both *b, struct seeded *s)
{
	const uint64_t top = b->top;
	uint64_t back;

	switch (seeded_below(s, 16)) {
	case 0:
		return top + b->size - 1 + seeded_below(s, 3);
	case 1:
		return top + seeded_below(s, 4 * b->size);
	case 2:
		return top + 64 * seeded_below(s, 40);
	case 3:
		return seeded_below(s, 1000) == 0 ? top + (UINT64_C(1) << 24)
						  : top;
	case 4:
	case 5:
	case 6:
		return top;
	case 7:
		back = b->size - 1 + seeded_below(s, 3);
		break;
	default:
		back = seeded_below(s, b->size + b->size / 4) + 1;
		break;
	}
	return back > top ? 0 : top - back;
}

static void run_twins(unsigned words, uint64_t seed)
{
	struct seeded s = seeded_from(seed);
	struct both b;
	size_t n, fresh = 0, refused = 0;
	uint64_t index;

	start(&b, words);
	for (n = 0; n < ROUNDS; n++) {
		index = draw(&b, &s);
		if (seeded_below(&s, 8) == 0) /* it did not open */
			assert_int_equal(replay_fresh(&b.w, index),
					 twin_fresh(&b, index));
		else if (mark(&b, index))
			fresh++;
		else
			refused++;
		assert_true(b.w.top == b.top);
	}
	/* Both answers were given often. */
	assert_true(fresh > ROUNDS / 10 && refused > ROUNDS / 10);
	assert_true(b.top < index_max);
}

static void two_words_as_a_naive_twin_has_it(void **state)
{
	(void)state;
	run_twins(2, 51);
}

static void sixteen_words_as_a_naive_twin_has_it(void **state)
{
	(void)state;
	run_twins(WORDS_MAX, 52);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edges_of_the_window),
		cmocka_unit_test(asking_is_not_marking),
		cmocka_unit_test(raising_marks_nothing),
		cmocka_unit_test(a_jump_clears_what_it_passes),
		cmocka_unit_test(two_words_as_a_naive_twin_has_it),
		cmocka_unit_test(sixteen_words_as_a_naive_twin_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
