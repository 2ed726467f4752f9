/* SPDX-License-Identifier: MIT */
/* report.h - what mppsim prints of its runs. */
#ifndef MPPSIM_REPORT_H
#define MPPSIM_REPORT_H

#include "mppsim/options.h"

/* The runs of a cell of the ladder. */
struct cell {
	uint64_t runs, failed;
	uint64_t latency[SIM_LATENCY], latency_n;
	uint64_t missing_max;
};

/* Runs added up. */
struct report {
	uint64_t runs, failed, first_failed;
	char why[256];
	struct sim_counts n;
	mpp_service_counters service;
	uint64_t virtual_us, device_us;
	uint64_t latency[SIM_LATENCY], latency_n, latency_max;
	uint64_t whole[SIM_LATENCY], whole_n;
	uint64_t missing_max, took_max;
	uint64_t back_peak, back_max;
	uint64_t digest;    /* of the last run */
	struct cell *cells; /* of the ladder; NULL: another scenario */
	struct sim_step steps[SIM_STEPS];
};

/* cell: of the ladder, if it is one. */
void report_add(struct report *r, const struct sim *s, unsigned cell);

/* The line that runs a seed again. */
void report_reproduce(const struct options *o, uint64_t seed, FILE *to);

void report_print(const struct report *r, const struct options *o, double cpu_s,
		  FILE *to);

#endif
