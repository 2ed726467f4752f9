/* SPDX-License-Identifier: MIT */
/* check.h - what must be true of a session after each step, whatever came
 * before: records and their numbers agree, no serial falls, nobody gets more
 * than he sent before his address was proved. */
#ifndef SESSION_CHECK_H
#define SESSION_CHECK_H

#include "session.h"

static inline void check_half(const struct presence *p, uint32_t slot,
			      const struct binding *b)
{
	session_need(b->side < p->halves.limit &&
			     half_at(p, b->side)->binding == slot,
		     "an unconfirmed connection has its record");
}

static inline void check_confirmed(struct session *x, uint32_t slot,
				   const struct binding *b)
{
	const struct presence *p = &x->s->state;
	const struct device *d;

	session_need(b->side == NONE || b->side < p->trials.limit,
		     "beside a connection is a trial or nothing");
	session_need(b->snapshot == NONE || b->snapshot < p->snapshots.limit,
		     "a datagram of several packets is one of those there are");
	session_need(b->device < p->devices.limit,
		     "a connection belongs to a device");
	d = device_at(p, b->device);
	session_need(d->account < p->accounts.limit,
		     "a device belongs to an account");
	session_need(d->instances[b->instance].binding == slot,
		     "a connection is that of its instance");
	session_need(b->acked <= account_at(p, d->account)->assigned,
		     "no device holds a serial that was never given out");
	session_traffic(x, &b->path)->proved = true;
}

static inline void check_bindings(struct session *x)
{
	const struct presence *p = &x->s->state;
	uint32_t i, used = 0, initial = 0, trials = 0, snapshots = 0;

	for (i = 0; i < p->bindings.fresh; i++) {
		const struct binding *b = binding_at(p, i);

		session_need(b->state < BINDING_STATES, "a state is one");
		session_reached.binding[b->state]++;
		if (b->state == BINDING_FREE)
			continue;
		used++;
		snapshots += b->snapshot != NONE;
		if (b->state == BINDING_INITIAL) {
			initial++;
			check_half(p, i, b);
			continue;
		}
		trials += b->side != NONE;
		check_confirmed(x, i, b);
	}
	session_need(used == p->bindings.used, "connections add up");
	session_need(initial == p->halves.used,
		     "unconfirmed connections add up");
	session_need(trials == p->trials.used, "trials add up");
	session_need(snapshots == p->snapshots.used, "snapshots add up");
	session_need(p->due.n <= used, "deadlines are those of connections");
}

static inline uint32_t check_list(const struct presence *p,
				  const struct entry_list *list)
{
	uint32_t i, n = 0, before = NONE;

	for (i = list->head; i != NONE; i = entry_at(p, i)->next) {
		session_need(i < p->entries.limit && n++ < p->entries.limit,
			     "a list of stores ends");
		session_need(entry_at(p, i)->prev == before,
			     "a list of stores leads back");
		before = i;
	}
	session_need(list->tail == before, "a list ends with its last");
	return n;
}

static inline uint32_t check_devices(const struct presence *p, uint32_t account,
				     const struct account *a)
{
	uint32_t i, n = 0;

	for (i = a->devices; i != NONE; i = device_at(p, i)->next) {
		session_need(i < p->devices.limit && n++ < p->devices.limit,
			     "a list of devices ends");
		session_need(device_at(p, i)->account == account,
			     "a device is in the list of its account");
	}
	session_need(n == a->n_devices, "the devices of an account add up");
	return n;
}

static inline void check_accounts(const struct session *x)
{
	const struct presence *p = &x->s->state;
	mpp_account_info info;
	uint32_t cursor = 0, devices = 0, entries = 0;

	while (mpp_service_account_next(x->s, &cursor, &info)) {
		const struct account *a = account_at(p, info.index);

		session_need(a->serial <= a->assigned,
			     "what is durable was given out");
		devices += check_devices(p, info.index, a);
		entries +=
			check_list(p, &a->stores) + check_list(p, &a->pending);
	}
	/* What goes with a removed account is in no list any more. */
	session_need(p->gone != 0 || devices == p->devices.used,
		     "devices add up");
	session_need(p->gone != 0 || entries == p->entries.used,
		     "stores add up");
}

static inline void check_pools(const struct session *x)
{
	mpp_pool_info pool;
	unsigned i;

	for (i = 0; mpp_service_pool(x->s, i, &pool); i++)
		session_need(pool.used <= pool.limit, "a limit holds");
	session_need(i != 0, "there are pools");
}

/* What was acknowledged to a publisher stays, whatever ends. */
static inline void check_serials(struct session *x)
{
	mpp_account_info info;
	unsigned i;

	for (i = 0; i < ACCOUNTS; i++) {
		if (!mpp_service_account_find(x->s, session_account(i),
					      &info)) {
			x->durable[i] = x->promised[i] = 0;
			continue;
		}
		session_need(info.serial >= x->durable[i],
			     "the serial of an account never falls");
		session_need(info.serial >= x->promised[i],
			     "what was acknowledged to a publisher stays");
		x->durable[i] = info.serial;
	}
}

static inline void check_clients(struct session *x)
{
	unsigned i;

	for (i = 0; i < DEVICES; i++) {
		struct session_device *d = &x->d[i];

		if (!d->on)
			continue;
		session_need(d->c->state >= CLIENT_IDLE &&
				     d->c->state <= CLIENT_DONE,
			     "a client is in one of its states");
		session_reached.client[d->c->state]++;
		session_need(d->c->event_n <= EVENTS, "events have room");
		session_need(d->c->state != CLIENT_CONNECTED ||
				     link_cur(d->c)->on,
			     "who is connected has a connection");
		session_need(d->odd || d->c->held >= d->held,
			     "the serial that a client holds never falls");
		d->held = d->c->held;
	}
}

static inline void check_traffic(const struct session *x)
{
	unsigned i, k;

	for (i = 0; i <= DEVICES; i++) {
		for (k = 0; k < ADDRESSES; k++) {
			const struct traffic *t = &x->traffic[i][k];

			session_need(t->proved ||
					     t->out <= UNPROVED_FACTOR * t->in,
				     "an address that was not proved gets at "
				     "most three times what came from it");
		}
	}
}

static inline void session_check(struct session *x)
{
	check_bindings(x);
	check_accounts(x);
	check_pools(x);
	check_serials(x);
	check_clients(x);
	check_traffic(x);
}

#endif
