/* SPDX-License-Identifier: MIT */
/* random.h - the simulator's random numbers: one stream for each thing that
 * needs them, so that a change of one leaves the others as they were. */
#ifndef MPPSIM_RANDOM_H
#define MPPSIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
	uint64_t at;
};

/* SplitMix64. */
static inline uint64_t rng_next(struct rng *r)
{
	uint64_t z = r->at += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* The stream of a seed with this number. */
static inline struct rng rng_stream(uint64_t seed, uint64_t number)
{
	struct rng r = {seed * UINT64_C(0xd1342543de82ef95) + number};

	(void)rng_next(&r);
	return r;
}

/* Below n; 0 for n = 0. */
static inline uint64_t rng_below(struct rng *r, uint64_t n)
{
	return n == 0 ? 0 : rng_next(r) % n;
}

/* From..to, both included. */
static inline uint64_t rng_between(struct rng *r, uint64_t from, uint64_t to)
{
	return from >= to ? from : from + rng_below(r, to - from + 1);
}

/* True with a probability in parts per million. */
static inline bool rng_chance(struct rng *r, uint64_t ppm)
{
	return ppm != 0 && rng_below(r, 1000000) < ppm;
}

/* A waiting time with this mean: anything from nearly nothing to twice it. */
static inline uint64_t rng_wait(struct rng *r, uint64_t mean)
{
	return 1 + rng_below(r, 2 * mean);
}

#endif
