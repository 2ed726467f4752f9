/* SPDX-License-Identifier: MIT */
/* truth.c - what is durable. The index of each change comes from whoever
 * published it; the serial that the service gave it is read once, and must
 * never be another one afterwards, over crashes too. */
#include <stdlib.h>
#include <string.h>

#include "mppsim/sim.h"

static bool append(struct truth *t, struct change c)
{
	struct change *more;

	if (t->n == t->cap) {
		t->cap = t->cap == 0 ? 64 : t->cap * 2;
		more = realloc(t->c, t->cap * sizeof(*more));
		if (more == NULL)
			return false;
		t->c = more;
	}
	t->c[t->n++] = c;
	return true;
}

static uint64_t newest(const struct truth *t)
{
	return t->n == 0 ? 0 : t->c[t->n - 1].serial;
}

uint64_t truth_index_at(const struct truth *t, uint64_t serial)
{
	size_t low = 0, high = t->n, mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (t->c[mid].serial <= serial)
			low = mid + 1;
		else
			high = mid;
	}
	return low == 0 ? 0 : t->c[low - 1].index;
}

uint64_t truth_newest_for(const struct sim *s, const struct sim_device *d)
{
	const struct sim_account *a = &s->a[d->account];
	uint64_t serial = 0, t;
	uint32_t i;

	if (d->filter >= 0)
		return newest(&a->store[d->filter]);
	for (i = 0; i < s->p.stores; i++) {
		t = newest(&a->store[i]);
		serial = t > serial ? t : serial;
	}
	return serial;
}

static uint32_t store_number(const struct sim *s, mpp_bytes name)
{
	char text[16];
	uint32_t i;

	for (i = 0; i < s->p.stores; i++) {
		publish_store_name(i, text);
		if (strlen(text) == name.len &&
		    memcmp(text, name.p, name.len) == 0)
			return i;
	}
	return SIM_STORES;
}

static void tell_devices(struct sim *s, const struct sim_account *a,
			 uint32_t store, uint64_t serial)
{
	uint32_t i, step = (uint32_t)s->p.accounts;

	for (i = a->first; i < s->p.devices; i += step) {
		if (s->d[i].filter < 0 || s->d[i].filter == (int)store)
			check_missing(s, &s->d[i], serial);
	}
}

static void take(struct sim *s, struct sim_account *a, uint32_t store,
		 const mpp_store_status *st, uint64_t serial)
{
	struct truth *t = &a->store[store];
	const struct change c = {serial, st->index, s->now};

	if (serial == newest(t)) {
		if (t->n != 0 && t->c[t->n - 1].index != st->index)
			sim_violation(s,
				      "%s store%u: another index under the "
				      "same serial",
				      a->name, store);
		return;
	}
	if (serial < newest(t) || serial <= a->serial ||
	    st->index > t->next_index ||
	    (t->n != 0 && st->index <= t->c[t->n - 1].index))
		sim_violation(s,
			      "%s store%u: went back, to serial %llu index "
			      "%llu",
			      a->name, store, (unsigned long long)serial,
			      (unsigned long long)st->index);
	else if (!append(t, c))
		sim_violation(s, "the simulator has no memory");
	else
		tell_devices(s, a, store, serial);
}

/* Every store that was there is still there. */
static void scan_stores(struct sim *s, struct sim_account *a,
			const mpp_account_info *info)
{
	mpp_store_status st;
	uint32_t cursor = 0, store, found = 0;
	uint64_t serial;

	while (!s->failed && mpp_service_store_next(s->service, info, &cursor,
						    &st, &serial)) {
		store = store_number(s, st.store);
		if (store == SIM_STORES || serial == 0)
			continue;
		found++;
		take(s, a, store, &st, serial);
	}
	for (store = 0; store < s->p.stores; store++)
		found -= a->store[store].n != 0;
	if (found != 0)
		sim_violation(s, "%s: a store is gone", a->name);
}

void truth_scan(struct sim *s, uint32_t account)
{
	struct sim_account *a = &s->a[account];
	mpp_account_info info;

	if (!mpp_service_account_find(s->service,
				      (mpp_bytes){(const uint8_t *)a->name,
						  strlen(a->name)},
				      &info)) {
		if (s->phase != PHASE_SETUP)
			sim_violation(s, "account %s is gone", a->name);
		return;
	}
	if (info.serial == a->serial && s->up_since != s->now)
		return;
	if (info.serial < a->serial)
		sim_violation(s, "%s: serial went back, from %llu to %llu",
			      a->name, (unsigned long long)a->serial,
			      (unsigned long long)info.serial);
	scan_stores(s, a, &info);
	a->serial = info.serial;
}

void truth_scan_all(struct sim *s)
{
	uint32_t i;

	for (i = 0; i < s->p.accounts && !s->failed; i++)
		truth_scan(s, i);
}
