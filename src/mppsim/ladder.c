/* SPDX-License-Identifier: MIT */
/* ladder.c - see ladder.h. */
#include "mppsim/ladder.h"

#include <inttypes.h>
#include <string.h>

/* All in bursts, but for the last: there each datagram has its own luck. */
static const struct {
	uint64_t ppm, burst;
} losses[LADDER_LOSSES] = {
	{1000, 200000},   {10000, 200000},  {50000, 300000},
	{100000, 300000}, {250000, 500000}, {300000, 0},
};
static const uint64_t rtts_ms[LADDER_DELAYS] = {16, 100, 300, 800};
static const char *const nats[LADDER_NATS] = {"none", "full", "address", "port",
					      "symmetric"};

static unsigned loss_of(unsigned cell)
{
	return cell / (LADDER_DELAYS * LADDER_NATS);
}

static unsigned delay_of(unsigned cell)
{
	return cell / LADDER_NATS % LADDER_DELAYS;
}

static unsigned nat_of(unsigned cell)
{
	return cell % LADDER_NATS;
}

unsigned ladder_cell(uint64_t seed, struct params *p)
{
	const unsigned cell = (unsigned)((seed - 1) % LADDER_CELLS);
	const uint64_t rtt = rtts_ms[delay_of(cell)] * 1000;

	p->loss = losses[loss_of(cell)].ppm;
	p->burst = losses[loss_of(cell)].burst;
	p->delay = p->delay_max = rtt / 2;
	p->jitter = rtt / 20;
	p->nat = nat_of(cell);
	return cell;
}

void ladder_print(unsigned cell, FILE *to)
{
	(void)fprintf(to, "%5.1f %%%s %5" PRIu64 " ms  %-9s",
		      (double)losses[loss_of(cell)].ppm / 10000,
		      losses[loss_of(cell)].burst != 0 ? " bursts" : " each  ",
		      rtts_ms[delay_of(cell)], nats[nat_of(cell)]);
}

void ladder_json(unsigned cell, FILE *to)
{
	(void)fprintf(to,
		      "\"loss\":%.3f,\"burst_ms\":%" PRIu64
		      ",\"rtt_ms\":%" PRIu64 ",\"nat\":\"%s\"",
		      (double)losses[loss_of(cell)].ppm / 1e6,
		      losses[loss_of(cell)].burst / 1000,
		      rtts_ms[delay_of(cell)], nats[nat_of(cell)]);
}

bool ladder_decides(const char *setting)
{
	static const char *const names[] = {"loss",      "burst",  "delay",
					    "delay-max", "jitter", "nat"};
	const size_t len = strcspn(setting, "=");
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i]) == len &&
		    memcmp(names[i], setting, len) == 0)
			return true;
	}
	return false;
}
