/* SPDX-License-Identifier: MIT */
/* rtt.h - round-trip time and the probe timeout (docs/protocol.md section 7):
 * PTO = smoothed RTT + max(4 x variation, 10 ms), at least 50 ms, 1 s without
 * a sample. Smoothing as RFC 6298 section 2.
 *
 * A device that was silent may have to be paged first: its first packet takes
 * longer than the next ones. So a path has two of them, awake and wake. */
#ifndef RUD_RTT_H
#define RUD_RTT_H

#include <mpp/base.h>

enum {
	PTO_FLOOR_US = 50000,
	PTO_FIRST_US = 1000000,
	PTO_GRAIN_US = 10000,
	PTO_MAX_US = 30000000,
	RTT_MAX_US = 60000000, /* a longer sample is taken as this */
	RTT_WAKE_MS = 5000,    /* of silence, after which it is to wake */
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

/* Two of them in the place of one: floating numbers of 4 bits exponent and 12
 * bits mantissa, at least 2048 of which make a power of two. */
struct rtt_pair {
	uint16_t smooth[2], var[2];
};

enum rtt_which { RTT_AWAKE, RTT_WAKE };

/* Waking starts equal to awake: without a sample of its own, it is that. */
struct rtt rtt_of(const struct rtt_pair *p, enum rtt_which which);
/* The first sample of all is one of both. */
void rtt_pair_sample(struct rtt_pair *p, enum rtt_which which, uint64_t us);

#endif
