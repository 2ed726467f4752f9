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
