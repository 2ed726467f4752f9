/* SPDX-License-Identifier: MIT */
/* seeded.h - random numbers for tests, the same with the same seed. The seed
 * is printed; MPP_SEED in the environment takes another one. */
#ifndef TESTS_SEEDED_H
#define TESTS_SEEDED_H

#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

struct seeded {
	uint64_t at;
};

static inline struct seeded seeded_from(uint64_t seed)
{
	const char *other = getenv("MPP_SEED");

	if (other != NULL)
		seed = strtoull(other, NULL, 0);
	print_message("MPP_SEED=%llu\n", (unsigned long long)seed);
	return (struct seeded){seed};
}

/* SplitMix64. */
static inline uint64_t seeded_next(struct seeded *s)
{
	uint64_t z = s->at += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* Below n, which is not 0. */
static inline uint64_t seeded_below(struct seeded *s, uint64_t n)
{
	return seeded_next(s) % n;
}

#endif
