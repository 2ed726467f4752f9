/* SPDX-License-Identifier: MIT */
/* trips.h - a series of round trips: how long, and how many got lost. */
#ifndef NETCHECK_TRIPS_H
#define NETCHECK_TRIPS_H

#include "netcheck/report.h"

enum { TRIPS_MAX = 20, TRIPS_GAP_MS = 100 };

/* @param us of those that came back, in any order; sorted by this
 * @param n at most sent */
struct trips_report trips_report(uint32_t *us, unsigned n, unsigned sent);

#endif
