/* SPDX-License-Identifier: MIT */
/* publish.c - publishers: the service's operator, and devices. */
#include <stdio.h>
#include <string.h>

#include "mppsim/sim.h"

/* Operations: number of the place in s->publishing, from here on. */
enum { OP_PUBLISH = 1000 };

void publish_store_name(uint32_t store, char name[16])
{
	(void)snprintf(name, 16, "store%u", store);
}

mpp_bytes publish_digest(const struct sim *s, uint32_t store, uint64_t index,
			 uint8_t room[MPP_DIGEST_MAX])
{
	struct rng r = rng_stream(index, store);
	size_t i;

	for (i = 0; i < s->p.digest; i++)
		room[i] = (uint8_t)rng_next(&r);
	return (mpp_bytes){room, (size_t)s->p.digest};
}

static struct publishing *free_place(struct sim *s)
{
	size_t i;

	for (i = 0; i < SIM_PUBLISHING; i++) {
		if (!s->publishing[i].on)
			return &s->publishing[i];
	}
	return NULL;
}

/* It was said to be durable, so it is. */
static void check_answer(struct sim *s, uint32_t account, uint32_t store,
			 uint64_t index, uint64_t serial)
{
	struct sim_account *a = &s->a[account];
	const struct truth *t = &a->store[store];

	if (t->n == 0 || t->c[t->n - 1].index < index)
		sim_violation(s,
			      "a publisher was told of %s store%u=%llu, which "
			      "is not there",
			      a->name, store, (unsigned long long)index);
	if (serial > a->serial)
		sim_violation(s,
			      "a publisher was told serial %llu, newest is "
			      "%llu",
			      (unsigned long long)serial,
			      (unsigned long long)a->serial);
	s->n.published++;
	if (serial > a->answered)
		a->answered = serial;
}

/* What a publication says, and where that stands. */
struct change_set {
	mpp_store_status st[SIM_STORES];
	char name[SIM_STORES][16];
	uint8_t digest[SIM_STORES][MPP_DIGEST_MAX];
	size_t n;
};

static void add_change(const struct sim *s, struct change_set *c,
		       uint32_t store, uint64_t index)
{
	const size_t i = c->n++;

	publish_store_name(store, c->name[i]);
	c->st[i] = (mpp_store_status){
		.store = {(const uint8_t *)c->name[i], strlen(c->name[i])},
		.index = index,
		.digest = publish_digest(s, store, index, c->digest[i])};
}

/* This store and, in a batch, those that follow it. */
static void by_operator(struct sim *s, uint32_t account, uint32_t store)
{
	static struct change_set c;
	struct sim_account *a = &s->a[account];
	struct publishing *p = free_place(s);
	mpp_published done;
	mpp_err err;
	uint32_t i;

	if (p == NULL) {
		s->n.refused++;
		return;
	}
	c.n = 0;
	for (i = 0; i < s->p.stores && i < s->p.batch; i++)
		add_change(s, &c, (uint32_t)((store + i) % s->p.stores),
			   ++a->store[(store + i) % s->p.stores].next_index);
	*p = (struct publishing){true, account, store, c.st[0].index};
	err = mpp_service_publish(
		s->service,
		(mpp_bytes){(const uint8_t *)a->name, strlen(a->name)}, c.st,
		c.n, false, OP_PUBLISH + (uint64_t)(p - s->publishing),
		sim_instant(s).wall, &done);
	sim_trace(s, "publish %s %s=%llu and %zu more: %s", a->name, c.name[0],
		  (unsigned long long)c.st[0].index, c.n - 1,
		  mpp_err_name(err));
	if (err == MPP_OK && done.waiting)
		return;
	/* Said at once: nothing changed, because a device was quicker. */
	p->on = false;
	if (err == MPP_OK)
		check_answer(s, account, store, c.st[0].index, done.serial);
	else
		s->n.refused++;
}

/* False: this device cannot ask now. */
static bool by_device(struct sim *s, struct sim_device *d, uint32_t store)
{
	static struct change_set c;

	if (d->client == NULL || !d->connected || d->asked != 0)
		return false;
	c.n = 0;
	add_change(s, &c, store, s->a[d->account].store[store].next_index + 1);
	if (mpp_client_publish(d->client, c.st, 1, device_instant(s, d),
			       &d->asked) != MPP_OK) {
		d->asked = 0;
		return false;
	}
	s->a[d->account].store[store].next_index++;
	d->asked_store = store;
	d->asked_index = c.st[0].index;
	sim_trace(s, "device %u asks to publish %s=%llu", d->number, c.name[0],
		  (unsigned long long)c.st[0].index);
	device_settle(s, d);
	return true;
}

void publish_due(struct sim *s)
{
	struct rng *r = &s->publisher;
	struct sim_device *d = &s->d[rng_below(r, s->p.devices)];
	const uint32_t store = (uint32_t)rng_below(r, s->p.stores);
	const bool device = rng_chance(r, s->p.by_device);

	queue_set(&s->queue, TIMER_PUBLISH, s->now + rng_wait(r, s->p.publish));
	if (device && by_device(s, d, store))
		return;
	if (s->service == NULL) {
		s->n.refused++;
		return;
	}
	by_operator(s, d->account, store);
	host_settle(s);
}

void publish_all(struct sim *s)
{
	uint32_t i;

	for (i = 0; i < s->p.accounts && s->service != NULL; i++) {
		by_operator(s, i, 0);
		host_settle(s);
	}
}

void publish_result(struct sim *s, const mpp_result *r)
{
	struct publishing *p;

	if (r->op < OP_PUBLISH || r->op >= OP_PUBLISH + SIM_PUBLISHING) {
		s->setup_done = true;
		s->setup_err = r->err;
		return;
	}
	p = &s->publishing[r->op - OP_PUBLISH];
	if (!p->on) {
		sim_violation(s, "a publication was answered twice");
		return;
	}
	p->on = false;
	sim_trace(s, "published %s store%u=%llu: %s serial %llu",
		  s->a[p->account].name, p->store, (unsigned long long)p->index,
		  mpp_err_name(r->err), (unsigned long long)r->serial);
	if (r->err == MPP_OK)
		check_answer(s, p->account, p->store, p->index, r->serial);
	else
		s->n.refused++;
}

void publish_answered(struct sim *s, struct sim_device *d, int status)
{
	d->asked = 0;
	if (status != MPP_STATUS_OK) {
		s->n.refused++;
		return;
	}
	s->n.by_device++;
	check_answer(s, d->account, d->asked_store, d->asked_index, 0);
}

void publish_crashed(struct sim *s)
{
	size_t i;

	for (i = 0; i < SIM_PUBLISHING; i++) {
		s->n.unknown += s->publishing[i].on;
		s->publishing[i].on = false;
	}
}
