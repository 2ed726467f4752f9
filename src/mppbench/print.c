/* SPDX-License-Identifier: MIT */
/* print.c - see print.h. */
#include "mppbench/print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { MODEL_LEN = 96 };

struct machine {
	char model[MODEL_LEN]; /* of the processor; no quote, no backslash */
	long cores;
	double load; /* average of one minute */
	struct utsname name;
};

static void take_model(char out[MODEL_LEN], const char *text)
{
	size_t n = 0;

	for (; *text != '\0' && *text != '\n' && n + 1 < MODEL_LEN; text++) {
		if (*text >= ' ' && *text <= '~' && *text != '"' &&
		    *text != '\\')
			out[n++] = *text;
	}
	out[n] = '\0';
}

static void read_model(char out[MODEL_LEN])
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[256];
	const char *colon;

	(void)snprintf(out, MODEL_LEN, "unknown");
	if (f == NULL)
		return;
	while (fgets(line, sizeof(line), f) != NULL) {
		colon = strchr(line, ':');
		if (strncmp(line, "model name", 10) == 0 && colon != NULL) {
			take_model(out, colon + 2);
			break;
		}
	}
	(void)fclose(f);
}

static struct machine look_at_machine(void)
{
	struct machine m = {.cores = sysconf(_SC_NPROCESSORS_ONLN)};

	read_model(m.model);
	if (uname(&m.name) != 0)
		(void)snprintf(m.name.release, sizeof(m.name.release), "?");
	if (getloadavg(&m.load, 1) != 1)
		m.load = 0;
	return m;
}

static const char *name_of(const struct plan *p)
{
	return p->scenario == SCENARIO_FLOOR       ? "floor"
	       : p->scenario == SCENARIO_HEARTBEAT ? "heartbeat"
	       : p->scenario == SCENARIO_STUN      ? "stun"
						   : "publish";
}

/* ---- for people ---- */

static const char *meaning_of(const struct plan *p)
{
	return p->scenario == SCENARIO_FLOOR
		       ? "the floor against itself: how far noise goes"
	       : p->scenario == SCENARIO_HEARTBEAT
		       ? "a request of a device, answered, both authenticated"
	       : p->scenario == SCENARIO_STUN
		       ? "a Binding request of STUN, answered"
		       : "a notification sent, and acknowledged by the device";
}

static void print_goal(const struct plan *p, const struct result *r)
{
	const double goal = measure_goal(p);

	if (goal > 0)
		(void)printf("goal %.1f: %s\n", goal,
			     r->ratio.median <= goal ? "met" : "missed");
	else
		(void)printf("goal: none for this\n");
}

void print_machine_text(const struct plan *p)
{
	const struct machine m = look_at_machine();

	(void)printf("machine: %s, %ld cores, Linux %s, load average %.2f; "
		     "server and devices on %s\n\n",
		     m.model, m.cores, m.name.release, m.load,
		     p->cpus == 2 ? "a core each" : "the same core");
}

static void print_text(const struct plan *p, const struct result *r)
{
	(void)printf("%s: %s\n", name_of(p), meaning_of(p));
	(void)printf("devices %u, fan-out %u, bursts of %u, %zu rounds of %g s "
		     "each; %zu octets to the server, %zu back\n",
		     p->devices, p->fanout, p->window, r->rounds, p->seconds,
		     r->request_len, r->answer_len);
	print_machine_text(p);
	(void)printf("%-12s %10s %10s %10s %8s\n", "CPU us/op", "median", "min",
		     "max", "batch");
	(void)printf("%-12s %10.3f %10.3f %10.3f %8.1f\n", "floor",
		     r->floor_us.median, r->floor_us.min, r->floor_us.max,
		     r->floor_batch);
	(void)printf("%-12s %10.3f %10.3f %10.3f %8.1f\n", name_of(p),
		     r->scenario_us.median, r->scenario_us.min,
		     r->scenario_us.max, r->batch);
	(void)printf("%-12s %10.3f %10.3f %10.3f\n\n", "ratio", r->ratio.median,
		     r->ratio.min, r->ratio.max);
	(void)printf("operations %llu, %.0f a second (server and devices take "
		     "turns), p50 %u us, p99 %u us in a burst\n",
		     (unsigned long long)r->ops, r->ops_per_s, r->p50_us,
		     r->p99_us);
	(void)printf("memory of the server: %llu octets a device, its account "
		     "included\n",
		     (unsigned long long)(r->rss / p->devices));
	print_goal(p, r);
}

/* ---- for programs ---- */

static void print_samples(const char *name, const struct sample *s, size_t n)
{
	size_t i;

	(void)printf(",\"%s\":[", name);
	for (i = 0; i < n; i++)
		(void)printf("%s%.6f", i == 0 ? "" : ",", s[i].cpu_us);
	(void)printf("]");
}

void print_machine_json(void)
{
	const struct machine m = look_at_machine();

	(void)printf(",\"machine\":{\"cpu\":\"%s\",\"cores\":%ld,"
		     "\"kernel\":\"%s\",\"load_average\":%.2f}",
		     m.model, m.cores, m.name.release, m.load);
}

static void print_json_goal(const struct plan *p, const struct result *r)
{
	const double goal = measure_goal(p);

	if (goal > 0)
		(void)printf(",\"goal\":%.1f,\"goal_met\":%s", goal,
			     r->ratio.median <= goal ? "true" : "false");
	else
		(void)printf(",\"goal\":null,\"goal_met\":null");
}

static void print_json(const struct plan *p, const struct result *r)
{
	(void)printf("{\"ratio\":%.6f,\"ratio_min\":%.6f,\"ratio_max\":%.6f,"
		     "\"server_cpu_us_per_op\":%.6f,"
		     "\"floor_cpu_us_per_op\":%.6f",
		     r->ratio.median, r->ratio.min, r->ratio.max,
		     r->scenario_us.median, r->floor_us.median);
	(void)printf(",\"ops_per_s\":%.0f,\"p50_us\":%u,\"p99_us\":%u,"
		     "\"rss_bytes_per_device\":%llu,\"scenario\":\"%s\"",
		     r->ops_per_s, r->p50_us, r->p99_us,
		     (unsigned long long)(r->rss / p->devices), name_of(p));
	(void)printf(",\"devices\":%u,\"fanout\":%u,\"window\":%u,"
		     "\"rounds\":%zu,\"seconds\":%g",
		     p->devices, p->fanout, p->window, r->rounds, p->seconds);
	(void)printf(",\"ops\":%llu,\"floor_ops\":%llu,\"batch\":%.2f,"
		     "\"floor_batch\":%.2f,\"octets_in\":%zu,"
		     "\"octets_out\":%zu",
		     (unsigned long long)r->ops,
		     (unsigned long long)r->floor_ops, r->batch, r->floor_batch,
		     r->request_len, r->answer_len);
	(void)printf(",\"repeats\":%llu,\"extra\":%llu,\"late_bursts\":%llu",
		     (unsigned long long)r->repeats,
		     (unsigned long long)r->extra,
		     (unsigned long long)r->again);
	print_samples("floor_us", r->floor, r->rounds);
	print_samples("server_us", r->scenario, r->rounds);
	(void)printf(",\"cpus_used\":%u", p->cpus);
	print_machine_json();
	print_json_goal(p, r);
	(void)printf("}\n");
}

void print_result(const struct plan *plan, const struct result *r)
{
	if (plan->json)
		print_json(plan, r);
	else
		print_text(plan, r);
}
