/* SPDX-License-Identifier: MIT */
/* check.c - what must hold at every step. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "mppsim/sim.h"

enum { W_MIN_US = 1000000, ENOUGH = 20, HALVES = 2 };

void sim_violation(struct sim *s, const char *format, ...)
{
	va_list ap;

	if (s->failed)
		return; /* what follows from the first one is noise */
	s->failed = true;
	va_start(ap, format);
	(void)vsnprintf(s->why, sizeof(s->why), format, ap);
	va_end(ap);
	sim_trace(s, "VIOLATION: %s", s->why);
}

/* ---- what applications hold ---- */

static void note_time(uint64_t histogram[SIM_LATENCY], uint64_t us)
{
	unsigned power = 0;
	uint64_t top = us;

	while (top >= 32) {
		top >>= 1;
		power++;
	}
	/* top is now 0..31; above 31 there are 16 steps for each doubling. */
	histogram[power == 0 ? top : 16 * power + top]++;
}

static void note_latency(struct sim *s, uint64_t us)
{
	note_time(s->latency, us);
	s->latency_n++;
	s->latency_max = us > s->latency_max ? us : s->latency_max;
}

static bool same_bytes(mpp_bytes a, mpp_bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static void take_store(struct sim *s, struct sim_device *d,
		       const mpp_store_status *st)
{
	const struct sim_account *a = &s->a[d->account];
	const struct truth *t;
	uint8_t room[MPP_DIGEST_MAX];
	char name[16];
	uint32_t i;

	for (i = 0; i < s->p.stores; i++) {
		publish_store_name(i, name);
		if (strlen(name) == st->store.len &&
		    memcmp(name, st->store.p, st->store.len) == 0)
			break;
	}
	if (i == s->p.stores || (d->filter >= 0 && d->filter != (int)i)) {
		sim_violation(s,
			      "device %u hears of a store it did not ask "
			      "for",
			      d->number);
		return;
	}
	if (!same_bytes(st->digest, publish_digest(s, i, st->index, room))) {
		sim_violation(s,
			      "device %u hears of a digest of store%u that "
			      "nobody gave it",
			      d->number, i);
		return;
	}
	t = &a->store[i];
	/* Hearing again what was forgotten says nothing of delays. */
	if (t->n != 0 && st->index == t->c[t->n - 1].index &&
	    st->index > d->newest[i]) {
		note_latency(s, s->now - t->c[t->n - 1].at);
		keepalive_heard(s, d, t->c[t->n - 1].at);
	}
	if (st->index > d->newest[i])
		d->newest[i] = st->index;
	d->index[i] = st->index;
}

/* "With this you have everything of your filter up to here." When more is to
 * follow, a change that a newer one of the same store has overtaken comes with
 * that one. */
static void check_holds(struct sim *s, const struct sim_device *d, bool more)
{
	const struct sim_account *a = &s->a[d->account];
	bool overtaken;
	uint64_t index;
	uint32_t i;

	for (i = 0; i < s->p.stores; i++) {
		if (d->filter >= 0 && d->filter != (int)i)
			continue;
		index = truth_index_at(&a->store[i], d->held);
		overtaken = index != truth_index_at(&a->store[i], UINT64_MAX);
		if (index != d->index[i] && !(more && overtaken))
			sim_violation(s,
				      "device %u was told that it holds "
				      "everything up to %" PRIu64
				      ", but has store%u=%" PRIu64
				      " for %" PRIu64,
				      d->number, d->held, i, d->index[i],
				      index);
	}
}

static uint64_t latest(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t m = a > b ? a : b;

	return m > c ? m : c;
}

/* Since when there is no excuse for what it lacks. */
static uint64_t no_excuse(const struct sim *s, const struct sim_device *d)
{
	return latest(d->since, d->reach, s->up_since);
}

static uint64_t silence(const struct sim *s, const struct sim_device *d)
{
	const uint64_t rtt = 2 * (d->delay + s->p.jitter + s->p.late);
	/* PTO = smoothed RTT + 4 x variation, both at most the longest. */
	const uint64_t w = 5 * rtt > W_MIN_US ? 5 * rtt : W_MIN_US;

	return s->p.lease + 3 * w;
}

static void arm(struct sim *s, struct sim_device *d)
{
	uint64_t at = SIM_NEVER, quiet;

	if (d->target != 0) {
		at = no_excuse(s, d) + s->p.converge;
		if (at <= s->now) /* it has an excuse: nobody is there */
			at = s->now + s->p.converge;
	}
	if (d->gone) {
		quiet = d->taken + silence(s, d) + 1;
		at = quiet < at ? quiet : at;
	}
	queue_set(&s->queue, sim_timer(d->number, DEVICE_CHECK), at);
}

static void satisfied(struct sim *s, struct sim_device *d)
{
	const uint64_t took = s->now - no_excuse(s, d);

	if (d->target == 0 || d->held < d->target)
		return;
	s->missing_max = took > s->missing_max ? took : s->missing_max;
	d->target = truth_newest_for(s, d);
	d->since = s->now;
	if (d->target <= d->held) {
		d->target = 0;
		note_time(s->whole,
			  s->now - latest(d->lacks, d->reach, s->up_since));
		s->whole_n++;
	}
	arm(s, d);
}

void check_event(struct sim *s, struct sim_device *d,
		 const mpp_client_event *ev)
{
	uint8_t room[MPP_STORE_MAX + MPP_DIGEST_MAX];
	mpp_buf scratch = {room, sizeof(room), 0};
	mpp_store_status st;
	size_t cursor = 0;

	s->n.heard++;
	if (ev->reset || ev->serial <= d->held) {
		sim_violation(s,
			      "device %u is told serial %" PRIu64
			      " and had %" PRIu64 " already",
			      d->number, ev->serial, d->held);
		return;
	}
	while (!s->failed && mpp_client_store_next(ev, &cursor, &scratch, &st))
		take_store(s, d, &st);
	d->held = ev->serial;
	check_holds(s, d, ev->more);
	satisfied(s, d);
}

void check_missing(struct sim *s, struct sim_device *d, uint64_t serial)
{
	if (d->target != 0 || serial <= d->held)
		return;
	d->target = serial;
	d->since = d->lacks = s->now;
	arm(s, d);
}

void check_reachable(struct sim *s, struct sim_device *d)
{
	d->reach = s->now;
	d->gone = false;
	arm(s, d);
}

void check_forgot(struct sim *s, struct sim_device *d)
{
	d->held = 0;
	memset(d->index, 0, sizeof(d->index));
	d->target = truth_newest_for(s, d);
	d->since = d->lacks = s->now;
	arm(s, d);
}

/* ---- offline ---- */

void check_gone(struct sim *s, struct sim_device *d)
{
	d->gone = true;
	arm(s, d);
}

static bool same_device(const struct sim_device *d, const mpp_device_info *info)
{
	return memcmp(d->udf, info->udf, sizeof(d->udf)) == 0;
}

bool check_connection(const struct sim *s, const struct sim_device *d,
		      mpp_connection_info *out)
{
	const struct sim_account *a = &s->a[d->account];
	mpp_account_info account;
	mpp_device_info info;
	uint32_t cursor = 0, k = 0;

	if (!mpp_service_account_find(s->service,
				      (mpp_bytes){(const uint8_t *)a->name,
						  strlen(a->name)},
				      &account))
		return false;
	while (mpp_service_device_next(s->service, &account, &cursor, &info)) {
		if (!same_device(d, &info))
			continue;
		return mpp_service_connection_next(s->service, &info, &k,
						   sim_instant(s), out);
	}
	return false;
}

static void check_quiet(struct sim *s, struct sim_device *d)
{
	mpp_connection_info c;

	if (s->now <= d->taken + silence(s, d))
		return;
	d->gone = false;
	if (s->service == NULL)
		return;
	s->n.offline_checked++;
	if (check_connection(s, d, &c) && strcmp(c.state, "closed") != 0)
		sim_violation(
			s, "device %u is silent for %" PRIu64 " s and still %s",
			d->number, (s->now - d->taken) / 1000000, c.state);
}

void check_due(struct sim *s, struct sim_device *d)
{
	if (d->gone)
		check_quiet(s, d);
	if (d->target != 0) {
		s->n.checked++;
		if (net_up(d) && !d->detour && s->service != NULL &&
		    s->now >= no_excuse(s, d) + s->p.converge)
			sim_violation(s,
				      "device %u can be reached for %" PRIu64
				      " s and lacks serial %" PRIu64
				      " (has %" PRIu64 ")",
				      d->number,
				      (s->now - no_excuse(s, d)) / 1000000,
				      d->target, d->held);
	}
	arm(s, d);
}

/* ---- memory ---- */

void check_memory(struct sim *s)
{
	const uint8_t *guard = s->memory + s->memory_len;
	mpp_pool_info pool;
	unsigned i;

	for (i = 1; i < SIM_GUARD; i++) {
		if (guard[i] != guard[0]) {
			sim_violation(s, "the service wrote behind its memory");
			return;
		}
	}
	for (i = 0; mpp_service_pool(s->service, i, &pool); i++) {
		if (pool.used > pool.limit)
			sim_violation(s, "%u of %u %s", pool.used, pool.limit,
				      pool.name);
		if (strcmp(pool.name, "half_open") == 0 &&
		    pool.used > HALVES * s->p.devices)
			sim_violation(s,
				      "%u unconfirmed connections of %" PRIu64
				      " devices",
				      pool.used, s->p.devices);
	}
}

/* ---- the end ---- */

static bool holds_all(const struct sim *s, const struct sim_device *d)
{
	const struct sim_account *a = &s->a[d->account];
	const struct truth *t;
	uint32_t i;

	for (i = 0; i < s->p.stores; i++) {
		t = &a->store[i];
		if (d->filter >= 0 && d->filter != (int)i)
			continue;
		if (t->n != 0 && d->index[i] != t->c[t->n - 1].index)
			return false;
	}
	return true;
}

/* The device holds everything, and the service knows it. */
static bool converged(const struct sim *s, const struct sim_device *d)
{
	mpp_connection_info c;

	return d->connected && d->target == 0 && holds_all(s, d) &&
	       check_connection(s, d, &c) &&
	       strcmp(c.state, "connected") == 0 &&
	       c.acknowledged >= truth_newest_for(s, d);
}

/* What devices asked for before the end may come late. */
static bool changes_wait(const struct sim *s)
{
	mpp_pool_info pool;
	unsigned i = 0;

	while (mpp_service_pool(s->service, i, &pool) &&
	       strcmp(pool.name, "operations") != 0)
		i++;
	return pool.used != 0;
}

bool check_converged(struct sim *s)
{
	uint32_t i;

	if (s->service == NULL)
		return false;
	if (changes_wait(s)) {
		if (s->now > s->calm_at + s->p.converge)
			sim_violation(s, "a change was never finished");
		return false;
	}
	for (i = 0; i < s->p.devices; i++) {
		if (converged(s, &s->d[i]))
			continue;
		if (s->now > s->calm_at + s->p.converge)
			sim_violation(s,
				      "device %u has not converged: %s, held "
				      "%" PRIu64 ", target %" PRIu64,
				      i,
				      s->d[i].connected ? "connected"
							: "not connected",
				      s->d[i].held, s->d[i].target);
		return false;
	}
	return true;
}

/* A network that did nothing tested nothing. */
static void check_network(struct sim *s)
{
	const struct {
		const char *what;
		uint64_t ppm, n;
	} did[] = {
		{"lost", s->p.loss, s->n.lost},
		{"duplicated", s->p.duplicate, s->n.duplicated},
		{"reordered", s->p.reorder, s->n.reordered},
		{"corrupted", s->p.corrupt, s->n.corrupted},
	};
	size_t i;

	for (i = 0; i < sizeof(did) / sizeof(did[0]); i++) {
		if (did[i].n == 0 &&
		    s->n.datagrams / 1000 * did[i].ppm / 1000 > ENOUGH)
			sim_violation(s, "no datagram was %s", did[i].what);
	}
	if (s->n.published == 0 || s->n.heard == 0)
		sim_violation(s, "nothing was published, or nobody heard of "
				 "it: give more days");
}

void check_end(struct sim *s)
{
	mpp_pool_info pool;
	uint64_t bindings = 0, halves = 0;
	unsigned i;

	check_memory(s);
	check_network(s);
	for (i = 0; i < s->p.devices; i++)
		keepalive_check(s, &s->d[i]);
	for (i = 0; mpp_service_pool(s->service, i, &pool); i++) {
		if (strcmp(pool.name, "bindings") == 0)
			bindings = pool.used;
		else if (strcmp(pool.name, "half_open") == 0)
			halves = pool.used;
	}
	if (bindings > s->p.devices + halves)
		sim_violation(s, "%" PRIu64 " bindings for %" PRIu64 " devices",
			      bindings, s->p.devices);
}
