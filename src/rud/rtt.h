/* SPDX-License-Identifier: MIT */
/* rtt.h - round-trip time and the probe timeout (docs/protocol.md section 7):
 * PTO = smoothed RTT + max(4 x variation, 10 ms), at least 50 ms, 1 s without
 * a sample. Smoothing as RFC 6298 section 2. */
#ifndef RUD_RTT_H
#define RUD_RTT_H

#include <mpp/base.h>

enum {
	PTO_FLOOR_US = 50000,
	PTO_FIRST_US = 1000000,
	PTO_GRAIN_US = 10000,
	PTO_MAX_US = 30000000,
	RTT_MAX_US = 60000000, /* a longer sample is taken as this */
};

struct rtt {
	uint32_t smooth_us; /* 0: no sample yet */
	uint32_t var_us;
};

void rtt_sample(struct rtt *r, uint64_t us);
uint32_t rtt_pto_us(const struct rtt *r);

/* The wait before repetition number `tries` (0 is the first): one PTO for the
 * first, and for as many as `flat` says; then each doubles, up to
 * PTO_MAX_US. */
uint32_t rtt_backoff_us(const struct rtt *r, unsigned tries, unsigned flat);

#endif
