/* SPDX-License-Identifier: MIT */
/* clock.h - both clocks at one moment. The monotonic one goes on while the
 * machine sleeps (CLOCK_BOOTTIME): a lease ends by the time that passed, not
 * by the time this machine was awake. */
#ifndef HOST_CLOCK_H
#define HOST_CLOCK_H

#include <mpp/rud.h>

mpp_instant clock_now(void);

/* How long to wait from @p now until @p at, rounded up to whole milliseconds,
 * so that nobody wakes before it is due; at most @p max_ms. */
int clock_wait_ms(mpp_time now, mpp_time at, int max_ms);

#endif
