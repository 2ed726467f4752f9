/* SPDX-License-Identifier: MIT */
/* rtt.c - round-trip time. Contract: rtt.h. */
#include "rud/rtt.h"

void rtt_sample(struct rtt *r, uint64_t us)
{
	uint32_t s = us > RTT_MAX_US ? RTT_MAX_US : us == 0 ? 1 : (uint32_t)us;
	uint32_t diff;

	if (r->smooth_us == 0) {
		r->smooth_us = s;
		r->var_us = s / 2;
		return;
	}
	diff = s > r->smooth_us ? s - r->smooth_us : r->smooth_us - s;
	r->var_us = (uint32_t)((3 * (uint64_t)r->var_us + diff) / 4);
	r->smooth_us = (uint32_t)((7 * (uint64_t)r->smooth_us + s) / 8);
	if (r->smooth_us == 0)
		r->smooth_us = 1;
}

uint32_t rtt_pto_us(const struct rtt *r)
{
	uint64_t spread = 4 * (uint64_t)r->var_us;
	uint64_t pto;

	if (r->smooth_us == 0)
		return PTO_FIRST_US;
	pto = r->smooth_us + (spread > PTO_GRAIN_US ? spread : PTO_GRAIN_US);
	if (pto < PTO_FLOOR_US)
		return PTO_FLOOR_US;
	return pto > PTO_MAX_US ? PTO_MAX_US : (uint32_t)pto;
}

uint32_t rtt_backoff_us(const struct rtt *r, unsigned tries, unsigned flat)
{
	uint64_t us = rtt_pto_us(r);
	unsigned once = flat == 0 ? 1 : flat;
	unsigned doubled = tries < once ? 0 : tries - once + 1;

	if (doubled > 20)
		doubled = 20;
	us <<= doubled;
	return us > PTO_MAX_US ? PTO_MAX_US : (uint32_t)us;
}

/* ---- two in the place of one ---- */

enum { MANTISSA_BITS = 12 };

/* Rounded to the nearest. */
static uint16_t pack(uint32_t us)
{
	unsigned e = 0;

	while (us >> e >> MANTISSA_BITS != 0)
		e++;
	if (e != 0)
		us += 1u << (e - 1);
	if (us >> e >> MANTISSA_BITS != 0)
		e++;
	return (uint16_t)(e << MANTISSA_BITS | us >> e);
}

static uint32_t unpack(uint16_t v)
{
	return (uint32_t)(v & ((1u << MANTISSA_BITS) - 1))
	       << (v >> MANTISSA_BITS);
}

struct rtt rtt_of(const struct rtt_pair *p, enum rtt_which which)
{
	const unsigned i = p->smooth[which] != 0 ? which : RTT_AWAKE;

	return (struct rtt){unpack(p->smooth[i]), unpack(p->var[i])};
}

static void put(struct rtt_pair *p, enum rtt_which which, const struct rtt *r)
{
	p->smooth[which] = pack(r->smooth_us);
	p->var[which] = pack(r->var_us);
}

void rtt_pair_sample(struct rtt_pair *p, enum rtt_which which, uint64_t us)
{
	const bool first = p->smooth[RTT_AWAKE] == 0;
	struct rtt r = rtt_of(p, which);

	rtt_sample(&r, us);
	put(p, which, &r);
	if (first)
		put(p, RTT_AWAKE, &r);
}
