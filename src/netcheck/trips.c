/* SPDX-License-Identifier: MIT */
/* trips.c - a series of round trips. Contract: trips.h. */
#include "netcheck/trips.h"

static void sort(uint32_t *us, unsigned n)
{
	unsigned i, j;

	for (i = 1; i < n; i++) {
		const uint32_t value = us[i];

		for (j = i; j > 0 && us[j - 1] > value; j--)
			us[j] = us[j - 1];
		us[j] = value;
	}
}

/* The smallest value that at least `percent` of them do not exceed. */
static uint32_t percentile(const uint32_t *us, unsigned n, unsigned percent)
{
	return us[(n * percent + 99) / 100 - 1];
}

struct trips_report trips_report(uint32_t *us, unsigned n, unsigned sent)
{
	struct trips_report r = {.sent = sent, .lost = sent - n};

	if (n == 0)
		return r;
	sort(us, n);
	r.min_us = us[0];
	r.median_us = percentile(us, n, 50);
	r.p95_us = percentile(us, n, 95);
	return r;
}
