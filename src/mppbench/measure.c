/* SPDX-License-Identifier: MIT */
/* measure.c - see measure.h.
 *
 * An interval lies between two reports of the server, which hold its
 * processor time and its counters. What the server says it did is compared
 * with what the devices saw before anything is believed. */
#include "mppbench/measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "mppbench/server.h"

enum { OPS_MIN = 1000 };

struct bench {
	const struct plan *plan;
	struct link link;
	struct load load;
	struct report before, after;
	struct result *out;
	struct fault *f;
};

double measure_goal(const struct plan *plan)
{
	if (plan->scenario == SCENARIO_HEARTBEAT)
		return 1.6;
	if (plan->scenario == SCENARIO_PUBLISH && plan->fanout == 1)
		return 1.8;
	if (plan->scenario == SCENARIO_PUBLISH && plan->fanout == 10)
		return 1.7;
	if (plan->scenario == SCENARIO_STUN)
		return 1.2;
	return 0;
}

/* ---- checks ---- */

static mpp_err fail_count(struct bench *b, const char *what, uint64_t server,
			  uint64_t load)
{
	return fault_set(b->f, MPP_ERR_STATE, EX_SOFTWARE,
			 "%s: the server counted %llu, the devices %llu; "
			 "these figures are worth nothing",
			 what, (unsigned long long)server,
			 (unsigned long long)load);
}

static mpp_err check_floor(struct bench *b)
{
	const struct udp_counters *x = &b->before.floor, *y = &b->after.floor;

	if (y->received - x->received != b->load.seen.done)
		return fail_count(b, "datagrams received by the floor",
				  y->received - x->received, b->load.seen.done);
	if (y->sent - x->sent != b->load.seen.done)
		return fail_count(b, "datagrams sent by the floor",
				  y->sent - x->sent, b->load.seen.done);
	return MPP_OK;
}

static uint64_t operations(const struct bench *b, const struct report *r)
{
	return b->load.kind == WORK_PUBLISH ? r->count.acknowledged
	       : b->load.kind == WORK_STUN  ? r->count.stun
					    : r->count.requests;
}

/* A request whose answer came late is answered twice, and seen twice. */
static mpp_err check_service(struct bench *b)
{
	const mpp_service_counters *x = &b->before.count, *y = &b->after.count;
	const uint64_t ops =
		operations(b, &b->after) - operations(b, &b->before);
	const uint64_t bad = y->drop_auth + y->drop_header + y->drop_stranger -
			     x->drop_auth - x->drop_header - x->drop_stranger;
	const uint64_t silent =
		y->stun_limited + y->drop_stun - x->stun_limited - x->drop_stun;
	uint64_t seen = b->load.seen.done;

	if (b->load.kind != WORK_PUBLISH)
		seen += b->load.seen.extra;
	if (bad != 0)
		return fail_count(b, "datagrams that did not authenticate", bad,
				  0);
	if (silent != 0)
		return fail_count(b, "requests of STUN without an answer",
				  silent, 0);
	if (b->load.seen.refused != 0)
		return fail_count(b, "datagrams that a device refused", 0,
				  b->load.seen.refused);
	if (y->offline != x->offline)
		return fail_count(b, "devices that went offline",
				  y->offline - x->offline, 0);
	if (ops != seen)
		return fail_count(b, "operations", ops, seen);
	return MPP_OK;
}

/* ---- intervals ---- */

static mpp_err ask(struct bench *b, enum order order, enum work work,
		   struct report *r)
{
	const struct command c = {
		.order = order,
		.work = work,
		.answer_len = (uint16_t)b->out->answer_len,
	};

	return link_ask(&b->link, &c, r, b->f);
}

static struct sample sample_of(const struct bench *b)
{
	const struct seen *s = &b->load.seen;
	const double ops = (double)s->done;
	const uint64_t in = b->after.floor.received - b->before.floor.received +
			    b->after.udp.received - b->before.udp.received;

	return (struct sample){
		.cpu_us = (double)(b->after.cpu_ns - b->before.cpu_ns) / 1000 /
			  ops,
		.batch = (double)in /
			 (double)(b->after.batches - b->before.batches),
		.ops_per_s = ops * 1e6 / (double)(s->ended - s->began),
		.ops = s->done,
	};
}

static mpp_err interval(struct bench *b, enum work kind, double seconds,
			struct sample *out)
{
	mpp_err err = ask(b, ORDER_BEGIN, kind, &b->before);

	if (err == MPP_OK)
		err = load_run(&b->load, kind, seconds, b->out->request_len,
			       b->f);
	if (err == MPP_OK)
		err = ask(b, ORDER_REPORT, kind, &b->after);
	if (err == MPP_OK)
		err = kind == WORK_FLOOR ? check_floor(b) : check_service(b);
	if (err == MPP_OK)
		*out = sample_of(b);
	return err;
}

static enum work work_of(const struct plan *p)
{
	return p->scenario == SCENARIO_PUBLISH ? WORK_PUBLISH
	       : p->scenario == SCENARIO_STUN  ? WORK_STUN
	       : p->scenario == SCENARIO_FLOOR ? WORK_FLOOR
					       : WORK_HEARTBEAT;
}

static size_t mean(const struct wire_sizes *s)
{
	return (size_t)((s->octets + s->n / 2) / s->n);
}

/* A scenario that is not counted: caches are warm after it, and the floor
 * learns how long its datagrams are. */
static mpp_err warm_up(struct bench *b)
{
	const enum work own = work_of(b->plan);
	const enum work kind = own == WORK_FLOOR ? WORK_HEARTBEAT : own;
	struct sample unused;
	mpp_err err = interval(b, kind, b->plan->seconds / 4, &unused);

	if (err != MPP_OK)
		return err;
	b->out->request_len = mean(&b->load.seen.sent);
	b->out->answer_len = mean(&b->load.seen.received);
	return interval(b, WORK_FLOOR, b->plan->seconds / 4, &unused);
}

static void add_seen(struct bench *b)
{
	const struct seen *s = &b->load.seen;
	size_t i;

	for (i = 0; i <= LATENCY_MAX_US; i++)
		b->out->latency[i] += s->latency[i];
	b->out->extra += s->extra;
	b->out->again += s->again;
	b->out->repeats += b->after.count.repeats - b->before.count.repeats;
}

static void show(const struct plan *p, size_t round)
{
	if (!isatty(STDERR_FILENO))
		return;
	(void)fprintf(stderr, "\r\033[K");
	if (round < p->rounds)
		(void)fprintf(stderr, "measuring: round %zu of %u", round + 1,
			      p->rounds);
	(void)fflush(stderr);
}

static mpp_err run_rounds(struct bench *b)
{
	struct result *r = b->out;
	mpp_err err = MPP_OK;

	while (r->rounds < b->plan->rounds && err == MPP_OK) {
		show(b->plan, r->rounds);
		err = interval(b, WORK_FLOOR, b->plan->seconds,
			       &r->floor[r->rounds]);
		if (err == MPP_OK)
			err = interval(b, work_of(b->plan), b->plan->seconds,
				       &r->scenario[r->rounds]);
		if (err != MPP_OK)
			break;
		add_seen(b);
		r->ops += r->scenario[r->rounds].ops;
		r->floor_ops += r->floor[r->rounds].ops;
		r->rounds++;
	}
	show(b->plan, b->plan->rounds);
	return err;
}

/* ---- what follows ---- */

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct middle measure_middle(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), compare);
	return (struct middle){
		n % 2 != 0 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2,
		v[0],
		v[n - 1],
	};
}

static uint32_t percentile(const struct result *r, unsigned percent)
{
	const uint64_t want = (r->ops * percent + 99) / 100;
	uint64_t n = 0;
	uint32_t i;

	for (i = 0; i < LATENCY_MAX_US; i++) {
		n += r->latency[i];
		if (n >= want)
			break;
	}
	return i;
}

static void conclude(struct result *r)
{
	double ratio[ROUNDS_MAX] = {0}, floor[ROUNDS_MAX] = {0};
	double us[ROUNDS_MAX] = {0}, per_s[ROUNDS_MAX] = {0};
	size_t i;

	for (i = 0; i < r->rounds; i++) {
		floor[i] = r->floor[i].cpu_us;
		us[i] = r->scenario[i].cpu_us;
		ratio[i] = us[i] / floor[i];
		per_s[i] = r->scenario[i].ops_per_s;
		r->floor_batch += r->floor[i].batch / (double)r->rounds;
		r->batch += r->scenario[i].batch / (double)r->rounds;
	}
	r->ratio = measure_middle(ratio, r->rounds);
	r->floor_us = measure_middle(floor, r->rounds);
	r->scenario_us = measure_middle(us, r->rounds);
	r->ops_per_s = measure_middle(per_s, r->rounds).median;
	r->p50_us = percentile(r, 50);
	r->p99_us = percentile(r, 99);
}

static mpp_err check_enough(struct bench *b)
{
	const uint64_t least = b->out->ops < b->out->floor_ops
				       ? b->out->ops
				       : b->out->floor_ops;

	if (least >= OPS_MIN)
		return MPP_OK;
	return fault_set(b->f, MPP_ERR_STATE, EX_SOFTWARE,
			 "only %llu operations: give more --seconds",
			 (unsigned long long)least);
}

/* ---- all of it ---- */

static mpp_err fork_server(const struct plan *plan, struct link *link,
			   struct fault *f)
{
	mpp_err err = link_open(link, f);
	pid_t child;

	if (err != MPP_OK)
		return err;
	child = fork();
	if (child < 0)
		return fault_set(f, MPP_ERR_IO, EX_OSERR,
				 "cannot start the server process");
	if (child == 0) {
		link_keep_child(link);
		server_run(plan, link);
	}
	link_keep_parent(link, child);
	plan_pin(plan->load_cpu);
	return MPP_OK;
}

mpp_err measure_begin(const struct plan *plan, struct link *link,
		      struct load *load, struct report *r, struct fault *f)
{
	const struct command c = {ORDER_REPORT, WORK_CONNECT, 0};
	mpp_err err;

	load->wire.fd = -1;
	err = fork_server(plan, link, f);
	if (err == MPP_OK)
		err = link_ask(link, &c, r, f);
	if (err == MPP_OK)
		err = load_open(load, plan, link, f);
	if (err != MPP_OK)
		return err;
	load->port[0] = r->port[0];
	load->port[1] = r->port[1];
	err = load_connect(load, f);
	return err == MPP_OK ? link_ask(link, &c, r, f) : err;
}

mpp_err measure(const struct plan *plan, struct result *out, struct fault *f)
{
	static struct bench b;
	struct report r = {0};
	mpp_err err;

	b = (struct bench){.plan = plan, .out = out, .f = f};
	memset(out, 0, sizeof(*out));
	if ((err = measure_begin(plan, &b.link, &b.load, &r, f)) == MPP_OK)
		err = warm_up(&b);
	out->rss = r.rss;
	if (err == MPP_OK)
		err = run_rounds(&b);
	if (err == MPP_OK && (err = check_enough(&b)) == MPP_OK)
		conclude(out);
	load_close(&b.load);
	link_close(&b.link);
	return err;
}
