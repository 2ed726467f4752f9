/* SPDX-License-Identifier: MIT */
/* report.c - see report.h. */
#include "mppsim/report.h"

#include <inttypes.h>
#include <string.h>

#include "mppsim/ladder.h"

static void add(uint64_t *to, const uint64_t *from, size_t n)
{
	while (n-- > 0)
		to[n] += from[n];
}

static void keep_larger(uint64_t *to, uint64_t value)
{
	*to = value > *to ? value : *to;
}

static void add_cell(struct cell *c, const struct sim *s)
{
	c->runs++;
	c->failed += s->failed;
	add(c->latency, s->latency, SIM_LATENCY);
	c->latency_n += s->latency_n;
	keep_larger(&c->missing_max, s->missing_max);
}

void report_add(struct report *r, const struct sim *s, unsigned cell)
{
	if (r->cells != NULL)
		add_cell(&r->cells[cell], s);
	keepalive_add(r->steps, s);
	r->runs++;
	if (s->failed && r->failed++ == 0) {
		r->first_failed = s->seed;
		(void)snprintf(r->why, sizeof(r->why), "%s", s->why);
	}
	add((void *)&r->n, (const void *)&s->n,
	    sizeof(r->n) / sizeof(uint64_t));
	add((void *)&r->service, (const void *)&s->total,
	    sizeof(r->service) / sizeof(uint64_t));
	if (s->service != NULL)
		add((void *)&r->service,
		    (const void *)mpp_service_count(s->service),
		    sizeof(r->service) / sizeof(uint64_t));
	add(r->latency, s->latency, SIM_LATENCY);
	r->latency_n += s->latency_n;
	add(r->whole, s->whole, SIM_LATENCY);
	r->whole_n += s->whole_n;
	r->virtual_us += s->now;
	r->device_us += s->now * s->p.devices;
	keep_larger(&r->latency_max, s->latency_max);
	keep_larger(&r->missing_max, s->missing_max);
	keep_larger(&r->took_max, s->took);
	keep_larger(&r->back_peak, s->back_peak);
	keep_larger(&r->back_max, s->back_max);
	r->digest = s->digest;
}

/* As a shell reads it. */
static void print_path(const char *path, FILE *to)
{
	(void)fputs("--file ", to);
	if (strpbrk(path, " \t\n\"'\\$`*?[]#~=%&|;<>(){}!") == NULL) {
		(void)fputs(path, to);
		return;
	}
	(void)fputc('\'', to);
	for (; *path != '\0'; path++) {
		if (*path == '\'')
			(void)fputs("'\\''", to);
		else
			(void)fputc(*path, to);
	}
	(void)fputc('\'', to);
}

void report_reproduce(const struct options *o, uint64_t seed, FILE *to)
{
	(void)fputs("mppsim ", to);
	if (o->file != NULL)
		print_path(o->file, to);
	else
		(void)fputs(o->scenario, to);
	(void)fprintf(to, " --seed %" PRIu64 "%s\n", seed, o->given);
}

/* The value below which this share of the samples lies, in us; its bucket is
 * at most 1/16 wide. */
static uint64_t share(const uint64_t *latency, uint64_t n, unsigned per_mille)
{
	const uint64_t want = (n * per_mille + 999) / 1000;
	uint64_t seen = 0;
	unsigned b, power;

	for (b = 0; b < SIM_LATENCY; b++) {
		seen += latency[b];
		if (seen >= want && seen != 0)
			break;
	}
	power = b < 32 ? 0 : b / 16 - 1;
	return (uint64_t)(b - 16 * power) << power;
}

static uint64_t percentile(const struct report *r, unsigned per_mille)
{
	return share(r->latency, r->latency_n, per_mille);
}

static double ms(uint64_t us)
{
	return (double)us / 1000;
}

static double days(uint64_t us)
{
	return (double)us / 86400e6;
}

/* Simulated device-days in a minute of CPU time. */
static double speed(const struct report *r, double cpu_s)
{
	return cpu_s > 0 ? days(r->device_us) * 60 / cpu_s : 0;
}

#define COUNTS(X)          \
	X(datagrams)       \
	X(bytes)           \
	X(lost)            \
	X(duplicated)      \
	X(reordered)       \
	X(corrupted)       \
	X(unreachable)     \
	X(replayed)        \
	X(hijacked)        \
	X(garbage)         \
	X(stun)            \
	X(published)       \
	X(by_device)       \
	X(refused)         \
	X(unknown)         \
	X(heard)           \
	X(crashes)         \
	X(restarts)        \
	X(outages)         \
	X(moves)           \
	X(moves_known)     \
	X(connects)        \
	X(losts)           \
	X(refusals)        \
	X(checked)         \
	X(copies_tried)    \
	X(offline_checked) \
	X(commits)         \
	X(commit_failures) \
	X(mappings)        \
	X(rebinds)         \
	X(filtered)        \
	X(unmapped)        \
	X(partitions)      \
	X(clock_steps)     \
	X(power_losses)    \
	X(withheld)        \
	X(forged)          \
	X(forged_read)     \
	X(detours)         \
	X(returned)        \
	X(flooded)         \
	X(thefts)          \
	X(minted)          \
	X(revocations)     \
	X(tickets_sent)    \
	X(dead_tried)      \
	X(asked)           \
	X(resolved)        \
	X(unresolved)      \
	X(handshakes_checked)

static void print_json(const struct report *r, const struct options *o,
		       double cpu_s, FILE *to)
{
	(void)fprintf(to,
		      "{\"scenario\":\"%s\",\"seed\":%" PRIu64
		      ",\"runs\":%" PRIu64 ",\"failed\":%" PRIu64
		      ",\"devices\":%" PRIu64,
		      o->scenario, o->seed, r->runs, r->failed, o->p.devices);
	if (r->failed != 0)
		(void)fprintf(to, ",\"failed_seed\":%" PRIu64, r->first_failed);
#define X(name) (void)fprintf(to, ",\"" #name "\":%" PRIu64, r->n.name);
	COUNTS(X)
#undef X
	(void)fprintf(
		to,
		",\"challenges\":%" PRIu64 ",\"handshakes_refused\":%" PRIu64
		",\"renewed\":%" PRIu64 ",\"keys_ended\":%" PRIu64
		",\"tickets\":%" PRIu64 ",\"tokens\":%" PRIu64
		",\"device_days_per_cpu_minute\":%.0f"
		",\"notifies\":%" PRIu64 ",\"repeats\":%" PRIu64
		",\"virtual_s\":%.3f,\"device_days\":%.4f"
		",\"cpu_s\":%.3f,\"p50_us\":%" PRIu64 ",\"p99_us\":%" PRIu64
		",\"p999_us\":%" PRIu64 ",\"max_us\":%" PRIu64
		",\"whole_p50_us\":%" PRIu64 ",\"whole_p99_us\":%" PRIu64
		",\"large\":%" PRIu64 ",\"packets_again\":%" PRIu64
		",\"missing_max_us\":%" PRIu64 ",\"calm_max_us\":%" PRIu64
		",\"back_peak\":%" PRIu64 ",\"back_max_us\":%" PRIu64
		",\"digest\":\"%016" PRIx64 "\"",
		r->service.challenges, r->service.refused, r->service.renewed,
		r->service.keys_ended, r->service.tickets, r->service.tokens,
		speed(r, cpu_s), r->service.notifies, r->service.repeats,
		(double)r->virtual_us / 1e6, days(r->device_us), cpu_s,
		percentile(r, 500), percentile(r, 990), percentile(r, 999),
		r->latency_max, share(r->whole, r->whole_n, 500),
		share(r->whole, r->whole_n, 990), r->service.large,
		r->service.packets_again, r->missing_max, r->took_max,
		r->back_peak, r->back_max, r->digest);
}

static void print_cells_json(const struct cell *cells, FILE *to)
{
	const struct cell *c;
	unsigned i;

	(void)fputs(",\"cells\":[", to);
	for (i = 0; i < LADDER_CELLS; i++) {
		c = &cells[i];
		(void)fputs(i == 0 ? "{" : ",{", to);
		ladder_json(i, to);
		(void)fprintf(to,
			      ",\"runs\":%" PRIu64 ",\"failed\":%" PRIu64
			      ",\"p50_us\":%" PRIu64 ",\"p99_us\":%" PRIu64
			      ",\"missing_max_us\":%" PRIu64 "}",
			      c->runs, c->failed,
			      share(c->latency, c->latency_n, 500),
			      share(c->latency, c->latency_n, 990),
			      c->missing_max);
	}
	(void)fputc(']', to);
}

static void print_cells(const struct cell *cells, FILE *to)
{
	const struct cell *c;
	unsigned i, run = 0;

	(void)fputs("loss           round trip NAT         runs  failed  "
		    "median ms      99 % ms  longest lack s\n",
		    to);
	for (i = 0; i < LADDER_CELLS; i++) {
		c = &cells[i];
		if (c->runs == 0)
			continue;
		run++;
		ladder_print(i, to);
		(void)fprintf(to,
			      "  %5" PRIu64 "  %6" PRIu64
			      "  %9.1f  %11.1f  %14.1f\n",
			      c->runs, c->failed,
			      ms(share(c->latency, c->latency_n, 500)),
			      ms(share(c->latency, c->latency_n, 990)),
			      ms(c->missing_max) / 1000);
	}
	(void)fprintf(to, "cells       %u of %d were run\n", run,
		      (int)LADDER_CELLS);
}

static void print_network(const struct report *r, FILE *to)
{
	const struct sim_counts *n = &r->n;

	(void)fprintf(to,
		      "datagrams   %" PRIu64 ": lost %" PRIu64
		      ", duplicated %" PRIu64 ", reordered %" PRIu64
		      ", corrupted %" PRIu64 ", undeliverable %" PRIu64 "\n",
		      n->datagrams, n->lost, n->duplicated, n->reordered,
		      n->corrupted, n->unreachable);
	(void)fprintf(to,
		      "strangers   replayed %" PRIu64 ", sent on %" PRIu64
		      ", noise %" PRIu64 "; copies refused %" PRIu64 "\n",
		      n->replayed, n->hijacked, n->garbage, n->copies_tried);
	(void)fprintf(to,
		      "NATs        mappings %" PRIu64 ", forgotten %" PRIu64
		      ", not let in %" PRIu64 ", no mapping %" PRIu64 "\n",
		      n->mappings, n->rebinds, n->filtered, n->unmapped);
	(void)fprintf(to,
		      "attackers   kept back %" PRIu64 ", forged %" PRIu64
		      " (read %" PRIu64 "), paths taken over %" PRIu64
		      ", flood %" PRIu64 ", stolen key %" PRIu64 "\n",
		      n->withheld, n->forged, n->forged_read, n->detours,
		      n->flooded, n->thefts);
	(void)fprintf(to,
		      "clocks      jumps %" PRIu64 ", power losses %" PRIu64
		      "; partitions %" PRIu64 "\n",
		      n->clock_steps, n->power_losses, n->partitions);
	(void)fprintf(to,
		      "faults      crashes %" PRIu64 ", failed commits %" PRIu64
		      " of %" PRIu64 ", device restarts %" PRIu64
		      ", outages %" PRIu64 ", moves %" PRIu64
		      ", of them known %" PRIu64 "\n",
		      n->crashes, n->commit_failures, n->commits, n->restarts,
		      n->outages, n->moves, n->moves_known);
}

static void print_result(const struct report *r, FILE *to)
{
	const struct sim_counts *n = &r->n;

	(void)fprintf(to,
		      "published   %" PRIu64 " (%" PRIu64
		      " by devices), refused %" PRIu64
		      ", in doubt after a crash %" PRIu64 "\n",
		      n->published, n->by_device, n->refused, n->unknown);
	(void)fprintf(to,
		      "notified    %" PRIu64 " datagrams, %" PRIu64
		      " of them repetitions; heard %" PRIu64
		      "; connections %" PRIu64 ", lost %" PRIu64 "\n",
		      r->service.notifies, r->service.repeats, n->heard,
		      n->connects, n->losts);
	(void)fprintf(
		to,
		"delay       from durable to heard: median %.1f ms, 99 %% "
		"%.1f ms, 99.9 %% %.1f ms, longest %.1f s\n",
		ms(percentile(r, 500)), ms(percentile(r, 990)),
		ms(percentile(r, 999)), ms(r->latency_max) / 1000);
	(void)fprintf(
		to,
		"complete    from the first change to holding all: median "
		"%.1f ms, 99 %% %.1f ms; datagrams of several packets "
		"%" PRIu64 ", packets sent again %" PRIu64 "\n",
		ms(share(r->whole, r->whole_n, 500)),
		ms(share(r->whole, r->whole_n, 990)), r->service.large,
		r->service.packets_again);
	(void)fprintf(to,
		      "converged   longest time a reachable device lacked "
		      "something %.1f s; all had everything %.1f s after the "
		      "end\n",
		      ms(r->missing_max) / 1000, ms(r->took_max) / 1000);
}

void report_print(const struct report *r, const struct options *o, double cpu_s,
		  FILE *to)
{
	if (o->json) {
		print_json(r, o, cpu_s, to);
		if (r->cells != NULL)
			print_cells_json(r->cells, to);
		if (o->p.nat_steps != 0)
			keepalive_json(r->steps, to);
		(void)fputs("}\n", to);
		return;
	}
	(void)fprintf(to,
		      "%-11s %" PRIu64 " run%s from seed %" PRIu64 ", %" PRIu64
		      " devices: %.1f s of virtual time, %.3f "
		      "device-days in %.1f s of CPU: %.0f a CPU minute\n",
		      o->scenario, r->runs, r->runs == 1 ? "" : "s", o->seed,
		      o->p.devices, (double)r->virtual_us / 1e6,
		      days(r->device_us), cpu_s, speed(r, cpu_s));
	if (r->cells != NULL)
		print_cells(r->cells, to);
	if (o->p.nat_steps != 0)
		keepalive_print(r->steps, to);
	print_network(r, to);
	print_result(r, to);
	if (r->runs == 1)
		(void)fprintf(to, "digest      %016" PRIx64 "\n", r->digest);
	if (r->failed == 0)
		(void)fputs("every invariant held\n", to);
	else
		(void)fprintf(to, "%" PRIu64 " of %" PRIu64 " runs FAILED\n",
			      r->failed, r->runs);
}
