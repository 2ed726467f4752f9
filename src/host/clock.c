/* SPDX-License-Identifier: MIT */
/* clock.c - see clock.h. */
#include "host/clock.h"

#include <time.h>

/* These clocks are always there on Linux, so the calls cannot fail. */
static uint64_t read_us(clockid_t id)
{
	struct timespec t = {0, 0};

	(void)clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000) +
	       (uint64_t)t.tv_nsec / 1000;
}

mpp_instant clock_now(void)
{
	return (mpp_instant){
		.mono = {read_us(CLOCK_BOOTTIME)},
		.wall = {read_us(CLOCK_REALTIME)},
	};
}

int clock_wait_ms(mpp_time now, mpp_time at, int max_ms)
{
	uint64_t ms;

	if (at.us <= now.us)
		return 0;
	ms = (at.us - now.us - 1) / 1000 + 1;
	return ms < (uint64_t)max_ms ? (int)ms : max_ms;
}
