/* SPDX-License-Identifier: MIT */
/* keepalive.c - do devices find out how long their NAT lasts?
 *
 * With nat-steps mappings live 15 to 300 s, device by device. Each device must
 * find that by 8 probes and be silent for nine tenths of it at least; and from
 * then on no publication may be lost, which is to say, come only because the
 * device has spoken. */
#include <inttypes.h>

#include "mppsim/sim.h"

enum { PROBES = 8, LATE_US = 1000000 };

static const uint32_t lives_s[SIM_STEPS] = {15, 30, 60, 120, 300};

unsigned keepalive_step(const struct sim_device *d)
{
	return d->number % SIM_STEPS;
}

uint64_t keepalive_life(const struct sim_device *d)
{
	return (uint64_t)lives_s[keepalive_step(d)] * 1000000;
}

void keepalive_look(struct sim *s, struct sim_device *d)
{
	mpp_client_keepalive_info k;

	if (s->p.nat_steps == 0 || d->settled_at != 0)
		return;
	mpp_client_keepalive(d->client, &k);
	if (k.settled && k.proved + k.missed != 0)
		d->settled_at = s->now;
}

void keepalive_heard(struct sim *s, struct sim_device *d, uint64_t at)
{
	if (s->p.nat_steps == 0 || d->settled_at == 0 || at < d->settled_at)
		return;
	d->heard_settled++;
	if (s->now < at + LATE_US || d->spoke < at)
		return;
	d->lost++;
	sim_violation(s,
		      "device %u has found out how long its NAT lasts, and "
		      "hears of something only when it speaks",
		      d->number);
}

void keepalive_check(struct sim *s, const struct sim_device *d)
{
	const uint64_t life_ms = keepalive_life(d) / 1000;
	mpp_client_keepalive_info k;

	if (s->p.nat_steps == 0)
		return;
	mpp_client_keepalive(d->client, &k);
	if (d->settled_at == 0 || k.interval_ms < life_ms / 10 * 9 ||
	    k.interval_ms >= life_ms)
		sim_violation(
			s,
			"device %u is silent for %u ms, and its NAT lasts "
			"%" PRIu64,
			d->number, k.interval_ms, life_ms);
	else if (k.proved + k.missed > PROBES)
		sim_violation(s, "device %u needed %u probes", d->number,
			      k.proved + k.missed);
	else if (d->heard_settled == 0)
		sim_violation(s,
			      "device %u heard nothing since: give more "
			      "days",
			      d->number);
}

void keepalive_add(struct sim_step *to, const struct sim *s)
{
	mpp_client_keepalive_info k;
	struct sim_step *t;
	uint32_t i;

	for (i = 0; s->p.nat_steps != 0 && i < s->p.devices; i++) {
		const struct sim_device *d = &s->d[i];

		if (d->client == NULL)
			continue;
		mpp_client_keepalive(d->client, &k);
		t = &to[keepalive_step(d)];
		if (t->devices++ == 0 || k.interval_ms < t->least_ms)
			t->least_ms = k.interval_ms;
		if (k.interval_ms > t->most_ms)
			t->most_ms = k.interval_ms;
		if (k.proved + k.missed > t->probes)
			t->probes = k.proved + k.missed;
		if (d->settled_at > t->settled)
			t->settled = d->settled_at;
		t->restarted += k.restarted;
		t->heard += d->heard_settled;
		t->lost += d->lost;
	}
}

void keepalive_print(const struct sim_step *steps, FILE *to)
{
	const struct sim_step *t;
	unsigned i;

	(void)fputs("NAT lasts  devices  silent for (least, most)  probes  "
		    "begun anew  found after  heard since  lost\n",
		    to);
	for (i = 0; i < SIM_STEPS; i++) {
		t = &steps[i];
		(void)fprintf(to,
			      "%7u s  %7" PRIu64 "  %9.1f s  %9.1f s  %6" PRIu64
			      "  %10" PRIu64 "  %9.0f s  %11" PRIu64
			      "  %4" PRIu64 "\n",
			      lives_s[i], t->devices,
			      (double)t->least_ms / 1000,
			      (double)t->most_ms / 1000, t->probes,
			      t->restarted, (double)t->settled / 1e6, t->heard,
			      t->lost);
	}
}

void keepalive_json(const struct sim_step *steps, FILE *to)
{
	const struct sim_step *t;
	unsigned i;

	(void)fputs(",\"keepalive\":[", to);
	for (i = 0; i < SIM_STEPS; i++) {
		t = &steps[i];
		(void)fprintf(to,
			      "%s{\"nat_s\":%u,\"devices\":%" PRIu64
			      ",\"least_ms\":%" PRIu64 ",\"most_ms\":%" PRIu64
			      ",\"probes\":%" PRIu64 ",\"restarted\":%" PRIu64
			      ",\"found_s\":%.0f,\"heard\":%" PRIu64
			      ",\"lost\":%" PRIu64 "}",
			      i == 0 ? "" : ",", lives_s[i], t->devices,
			      t->least_ms, t->most_ms, t->probes, t->restarted,
			      (double)t->settled / 1e6, t->heard, t->lost);
	}
	(void)fputc(']', to);
}
