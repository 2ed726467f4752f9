/* SPDX-License-Identifier: MIT */
/* compare_print.c - the scenario dns for people and for programs. Contract:
 * compare.h. */
#include <stdio.h>

#include "mppbench/compare.h"
#include "mppbench/print.h"
#include "mppbench/question.h"

static const char *const titles[FIGURES] = {
	[FIGURE_CPU] = "CPU us/answer",
	[FIGURE_ANSWERS] = "answers/s",
	[FIGURE_P50] = "p50 us",
	[FIGURE_P99] = "p99 us",
};

static const char *const members[FIGURES] = {
	[FIGURE_CPU] = "cpu_us_per_answer",
	[FIGURE_ANSWERS] = "answers_per_s",
	[FIGURE_P50] = "p50_us",
	[FIGURE_P99] = "p99_us",
};

/* ---- for people ---- */

static void print_middle(const char *title, const char *of, struct middle m,
			 int digits)
{
	(void)printf("%-14s %-8s %10.*f %10.*f %10.*f\n", title, of, digits,
		     m.median, digits, m.min, digits, m.max);
}

static void print_text(const struct plan *p, const struct comparison *c)
{
	int i;

	(void)printf("dns: names asked of the service by its devices, and of "
		     "plain unbound\n");
	(void)printf("devices %u, %u questions at a time, %d names, %zu rounds "
		     "of %g s each;\n%zu octets to the service, %zu back; %zu "
		     "and %zu with unbound\n",
		     p->devices, p->window, QUESTION_NAMES, c->rounds,
		     p->seconds, c->proxy.octets_in, c->proxy.octets_out,
		     c->unbound.octets_in, c->unbound.octets_out);
	print_machine_text(p);
	(void)printf("%-14s %-8s %10s %10s %10s\n", "", "", "median", "min",
		     "max");
	for (i = 0; i < FIGURES; i++) {
		const int digits = i == FIGURE_CPU ? 2 : 0;

		print_middle(titles[i], "service",
			     compare_side(c, &c->proxy, i), digits);
		print_middle("", "unbound", compare_side(c, &c->unbound, i),
			     digits);
		print_middle("", "ratio", compare_ratio(c, i), 3);
	}
	(void)printf("\nanswers %llu and %llu, questions repeated %llu and "
		     "%llu\ngoal: none for this\n",
		     (unsigned long long)c->proxy.answers,
		     (unsigned long long)c->unbound.answers,
		     (unsigned long long)c->proxy.extra,
		     (unsigned long long)c->unbound.extra);
}

/* ---- for programs ---- */

static void print_rounds(const char *name, const double *v, size_t n)
{
	size_t i;

	(void)printf("\"%s\":[", name);
	for (i = 0; i < n; i++)
		(void)printf("%s%.6f", i == 0 ? "" : ",", v[i]);
	(void)printf("],");
}

static void print_figure(const struct comparison *c, enum figure which)
{
	const struct middle m = compare_ratio(c, which);

	(void)printf(",\"%s\":{", members[which]);
	print_rounds("service", c->proxy.value[which], c->rounds);
	print_rounds("unbound", c->unbound.value[which], c->rounds);
	(void)printf("\"ratio\":%.6f,\"ratio_min\":%.6f,\"ratio_max\":%.6f}",
		     m.median, m.min, m.max);
}

static void print_json(const struct plan *p, const struct comparison *c)
{
	const struct middle m = compare_ratio(c, FIGURE_CPU);
	int i;

	(void)printf("{\"ratio\":%.6f,\"ratio_min\":%.6f,\"ratio_max\":%.6f,"
		     "\"scenario\":\"dns\",\"devices\":%u,\"window\":%u,"
		     "\"names\":%d,\"rounds\":%zu,\"seconds\":%g",
		     m.median, m.min, m.max, p->devices, p->window,
		     QUESTION_NAMES, c->rounds, p->seconds);
	for (i = 0; i < FIGURES; i++)
		print_figure(c, i);
	(void)printf(",\"ops\":%llu,\"unbound_ops\":%llu,\"repeats\":%llu,"
		     "\"unbound_repeats\":%llu,\"octets_in\":%zu,"
		     "\"octets_out\":%zu,\"unbound_octets_in\":%zu,"
		     "\"unbound_octets_out\":%zu,\"cpus_used\":%u",
		     (unsigned long long)c->proxy.answers,
		     (unsigned long long)c->unbound.answers,
		     (unsigned long long)c->proxy.extra,
		     (unsigned long long)c->unbound.extra, c->proxy.octets_in,
		     c->proxy.octets_out, c->unbound.octets_in,
		     c->unbound.octets_out, p->cpus);
	print_machine_json();
	(void)printf(",\"goal\":null,\"goal_met\":null}\n");
}

void compare_print(const struct plan *plan, const struct comparison *c)
{
	if (plan->json)
		print_json(plan, c);
	else
		print_text(plan, c);
}
