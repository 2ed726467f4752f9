/* SPDX-License-Identifier: MIT */
/* compare.c - see compare.h.
 *
 * The processor time is the kernel's account of each process with all of its
 * threads, so that both are measured by the same clock from outside. */
#include "mppbench/compare.h"

#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "mppbench/asker.h"
#include "mppbench/peers.h"

struct both {
	const struct plan *plan;
	struct link link;
	struct load load;
	struct peers peers;
	struct asker asker;
	struct comparison *out;
	struct fault *f;
};

static bool cpu_us(pid_t pid, double *out)
{
	struct timespec t;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 ||
	    clock_gettime(clock, &t) != 0)
		return false;
	*out = (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
	return true;
}

static double percentile(const struct seen *s, unsigned percent)
{
	const uint64_t want = (s->done * percent + 99) / 100;
	uint64_t n = 0;
	uint32_t i;

	for (i = 0; i < LATENCY_MAX_US; i++) {
		n += s->latency[i];
		if (n >= want)
			break;
	}
	return i == 0 ? 1 : i;
}

/* ---- intervals ---- */

static void fill_side(struct both *b, struct side *s, double cpu)
{
	const struct seen *seen = &b->load.seen;
	const size_t i = b->out->rounds;

	s->value[FIGURE_CPU][i] = cpu / (double)seen->done;
	s->value[FIGURE_ANSWERS][i] =
		(double)seen->done * 1e6 / (double)(seen->ended - seen->began);
	s->value[FIGURE_P50][i] = percentile(seen, 50);
	s->value[FIGURE_P99][i] = percentile(seen, 99);
	s->answers += seen->done;
	s->extra += seen->sent.n - seen->done;
	s->octets_in = (size_t)(seen->sent.octets / seen->sent.n);
	s->octets_out = (size_t)(seen->received.octets / seen->received.n);
}

static mpp_err interval(struct both *b, struct side *s, double seconds)
{
	const bool plain = s == &b->out->unbound;
	const pid_t pid = plain ? b->peers.unbound : b->link.server;
	double before, after;
	mpp_err err;

	if (!cpu_us(pid, &before))
		return fault_set(b->f, MPP_ERR_IO, EX_OSERR,
				 "cannot read the processor time of %s",
				 plain ? "unbound" : "the server");
	err = asker_run(&b->asker, plain ? b->peers.unbound_port : 0, seconds,
			b->f);
	if (err != MPP_OK)
		return err;
	if (!cpu_us(pid, &after))
		return fault_set(b->f, MPP_ERR_IO, EX_SOFTWARE, "%s has ended",
				 plain ? "unbound" : "the server");
	fill_side(b, s, after - before);
	return MPP_OK;
}

/* The service may have answered what was repeated, but nothing else. */
static mpp_err check(const struct both *b, const struct report *x,
		     const struct report *y)
{
	const struct seen *s = &b->load.seen;
	const uint64_t answered =
		y->count.resolves_answered - x->count.resolves_answered;
	const uint64_t bad = y->count.drop_auth + y->count.drop_header -
			     x->count.drop_auth - x->count.drop_header;

	if (answered >= s->done && answered <= s->sent.n && bad == 0 &&
	    s->refused == 0)
		return MPP_OK;
	return fault_set(b->f, MPP_ERR_STATE, EX_SOFTWARE,
			 "answers: the server counted %llu, the devices %llu; "
			 "datagrams that did not authenticate: %llu and %llu; "
			 "these figures are worth nothing",
			 (unsigned long long)answered,
			 (unsigned long long)s->done, (unsigned long long)bad,
			 (unsigned long long)s->refused);
}

static mpp_err interval_proxy(struct both *b, double seconds)
{
	const struct command begin = {ORDER_BEGIN, WORK_DNS, 0};
	const struct command end = {ORDER_REPORT, WORK_DNS, 0};
	struct report before, after;
	mpp_err err = link_ask(&b->link, &begin, &before, b->f);

	if (err == MPP_OK)
		err = interval(b, &b->out->proxy, seconds);
	if (err == MPP_OK)
		err = link_ask(&b->link, &end, &after, b->f);
	return err == MPP_OK ? check(b, &before, &after) : err;
}

/* All names are in both caches after the first round, which is not counted. */
static mpp_err run_rounds(struct both *b)
{
	struct comparison *c = b->out;
	mpp_err err = interval_proxy(b, b->plan->seconds / 4);

	if (err == MPP_OK)
		err = interval(b, &c->unbound, b->plan->seconds / 4);
	memset(c, 0, sizeof(*c));
	while (c->rounds < b->plan->rounds && err == MPP_OK) {
		err = interval_proxy(b, b->plan->seconds);
		if (err == MPP_OK)
			err = interval(b, &c->unbound, b->plan->seconds);
		c->rounds++;
	}
	return err;
}

mpp_err compare(struct plan *plan, struct comparison *out, struct fault *f)
{
	static struct both b;
	struct report r;
	mpp_err err;

	b = (struct both){.plan = plan, .out = out, .f = f};
	b.load.wire.fd = -1;
	memset(out, 0, sizeof(*out));
	err = peers_start(&b.peers, plan, f);
	if (err == MPP_OK)
		err = measure_begin(plan, &b.link, &b.load, &r, f);
	peers_forget_files(&b.peers);
	if (err == MPP_OK)
		err = asker_open(&b.asker, &b.load, f);
	if (err == MPP_OK)
		err = run_rounds(&b);
	asker_close(&b.asker);
	load_close(&b.load);
	link_close(&b.link);
	peers_stop(&b.peers);
	return err;
}

/* ---- what follows ---- */

struct middle compare_side(const struct comparison *c, const struct side *s,
			   enum figure which)
{
	double v[ROUNDS_MAX];

	memcpy(v, s->value[which], c->rounds * sizeof(*v));
	return measure_middle(v, c->rounds);
}

struct middle compare_ratio(const struct comparison *c, enum figure which)
{
	double v[ROUNDS_MAX];
	size_t i;

	for (i = 0; i < c->rounds; i++)
		v[i] = c->proxy.value[which][i] / c->unbound.value[which][i];
	return measure_middle(v, c->rounds);
}
