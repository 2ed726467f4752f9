/* SPDX-License-Identifier: MIT */
/* measure.h - floor and scenario in turn, and what follows from it. */
#ifndef MPPBENCH_MEASURE_H
#define MPPBENCH_MEASURE_H

#include "mppbench/load.h"

enum { ROUNDS_MIN = 5, ROUNDS_MAX = 1000 };

/* One interval. */
struct sample {
	double cpu_us; /* of the server, an operation */
	double batch;  /* datagrams that one recvmmsg() brought */
	double ops_per_s;
	uint64_t ops;
};

struct middle {
	double median, min, max;
};

struct result {
	size_t rounds;
	struct sample floor[ROUNDS_MAX], scenario[ROUNDS_MAX];
	struct middle ratio; /* of the two of one round */
	struct middle floor_us, scenario_us;
	double floor_batch, batch; /* means */
	double ops_per_s;          /* median */
	uint64_t ops, floor_ops;
	uint64_t extra, repeats, again;
	uint32_t p50_us, p99_us; /* of all operations of the scenario */
	uint64_t rss;
	size_t request_len, answer_len;
	uint64_t latency[LATENCY_MAX_US + 1];
};

/* Fork the server, connect, measure. Errors: IO, TIMEOUT, NOMEM, STATE (what
 * was counted does not go together); f says what. */
MPP_MUSTCHECK mpp_err measure(const struct plan *plan, struct result *out,
			      struct fault *f);

/* Fork the server and connect the devices. link_close() and load_close() also
 * after an error. @param[out] r  after it, of the server */
MPP_MUSTCHECK mpp_err measure_begin(const struct plan *plan, struct link *link,
				    struct load *load, struct report *r,
				    struct fault *f);

/* Of n values, which are sorted. */
struct middle measure_middle(double *v, size_t n);

/* The ratio to reach; 0: none was set. */
double measure_goal(const struct plan *plan);

#endif
