/* SPDX-License-Identifier: MIT */
/* fault.c - what happens to devices and to the world, by chance. */
#include "mppsim/sim.h"

enum { HALF = 500000 };

static void arm(struct sim *s, struct sim_device *d)
{
	uint64_t at = d->fault_at[0];
	unsigned i;

	for (i = 1; i < FAULTS; i++)
		at = d->fault_at[i] < at ? d->fault_at[i] : at;
	queue_set(&s->queue, sim_timer(d->number, DEVICE_FAULT), at);
}

static uint64_t next(const struct sim *s, struct rng *r, uint64_t mean)
{
	return mean == 0 ? SIM_NEVER : s->now + rng_wait(r, mean);
}

void fault_arm(struct sim *s, struct sim_device *d)
{
	d->fault_at[FAULT_OUTAGE] = next(s, &s->fault, s->p.outage);
	d->fault_at[FAULT_MOVE] = next(s, &s->fault, s->p.move);
	d->fault_at[FAULT_RESTART] = next(s, &s->fault, s->p.restart);
	d->fault_at[FAULT_REBIND] = next(s, &s->nat, s->p.rebind);
	d->fault_at[FAULT_ELSEWHERE] = next(s, &s->nat, s->p.nat_elsewhere);
	d->fault_at[FAULT_CLOCK] = next(s, &s->clock, s->p.clock_step);
	d->fault_at[FAULT_DETOUR] = next(s, &s->hostile, s->p.detour);
	arm(s, d);
}

/* ---- networks ---- */

/* The device notices that it is in another network. */
static void tell(struct sim *s, struct sim_device *d)
{
	d->network++;
	s->n.moves_known++;
	sim_trace(s, "device %u knows", d->number);
	if (s->plant != PLANT_UNTOLD)
		mpp_client_moved(d->client, device_instant(s, d));
	device_settle(s, d);
}

static void move(struct sim *s, struct sim_device *d)
{
	d->moves++;
	d->addr = net_device_addr(d);
	nat_new(s, d);
	s->n.moves++;
	sim_trace(s, "device %u moves to port %u", d->number, d->addr.port);
	if (net_up(d))
		check_reachable(s, d);
	if (d->client != NULL && rng_chance(&s->fault, s->p.move_known))
		tell(s, d);
}

static void come_back(struct sim *s, struct sim_device *d)
{
	d->up = true;
	sim_trace(s, "device %u has a network", d->number);
	if (net_up(d))
		check_reachable(s, d);
	if (s->p.move != 0 && rng_chance(&s->fault, HALF))
		move(s, d);
}

static void outage(struct sim *s, struct sim_device *d)
{
	if (!d->up) {
		come_back(s, d);
		d->fault_at[FAULT_OUTAGE] = next(s, &s->fault, s->p.outage);
		return;
	}
	d->up = false;
	s->n.outages++;
	sim_trace(s, "device %u has no network", d->number);
	if (!d->cut)
		check_gone(s, d);
	d->fault_at[FAULT_OUTAGE] = next(s, &s->fault, s->p.outage_for);
}

/* Somebody on the way lets its packets come from his own address only. What
 * the service sends there is lost, unless he sends that on as well. */
static void detour(struct sim *s, struct sim_device *d)
{
	d->detour = !d->detour;
	d->returns = rng_chance(&s->hostile, s->p.detour_returns);
	sim_trace(s, "device %u: its path is %s", d->number,
		  d->detour ? "taken over" : "its own again");
	s->n.detours += d->detour;
	if (!d->detour && net_up(d))
		check_reachable(s, d);
	d->fault_at[FAULT_DETOUR] =
		next(s, &s->hostile, d->detour ? s->p.detour_for : s->p.detour);
}

/* ---- programs ---- */

/* The newest write is gone, or all of them, and the clock with it. */
static void power_loss(struct sim *s, struct sim_device *d)
{
	s->n.power_losses++;
	d->saved_ms = rng_chance(&s->clock, HALF) ? 0 : d->saved_before;
	d->saved_before = d->saved_ms;
	d->skew = -rng_below(&s->clock, s->p.clock_step_max);
	sim_trace(s, "device %u loses its power, and Timestamps after %llu",
		  d->number, (unsigned long long)d->saved_ms);
}

static void restart(struct sim *s, struct sim_device *d)
{
	s->n.restarts++;
	sim_trace(s, "device %u restarts", d->number);
	device_stop(d);
	if (rng_chance(&s->fault, s->p.forget))
		check_forgot(s, d);
	if (rng_chance(&s->clock, s->p.power_loss))
		power_loss(s, d);
	if (net_up(d))
		check_reachable(s, d);
	d->fault_at[FAULT_RESTART] = next(s, &s->fault, s->p.restart);
	token_restart(s, d);
	device_start(s, d);
}

/* Before or after the true time by up to `most`. */
static uint64_t wrong_by(struct sim *s, uint64_t most)
{
	return rng_below(&s->clock, 2 * most + 1) - most;
}

static void clock_step(struct sim *s, struct sim_device *d)
{
	d->skew = wrong_by(s, s->p.clock_step_max);
	s->n.clock_steps++;
	sim_trace(s, "device %u: its clock is wrong by %lld s", d->number,
		  (long long)d->skew / 1000000);
	d->fault_at[FAULT_CLOCK] = next(s, &s->clock, s->p.clock_step);
}

static void one(struct sim *s, struct sim_device *d, enum fault f)
{
	switch (f) {
	case FAULT_OUTAGE:
		outage(s, d);
		break;
	case FAULT_MOVE:
		move(s, d);
		d->fault_at[f] = next(s, &s->fault, s->p.move);
		break;
	case FAULT_RESTART:
		restart(s, d);
		break;
	case FAULT_REBIND:
		nat_rebind(s, d);
		d->fault_at[f] = next(s, &s->nat, s->p.rebind);
		break;
	case FAULT_ELSEWHERE:
		if (net_up(d))
			(void)nat_out(s, d, REMOTE_OTHER);
		d->fault_at[f] = next(s, &s->nat, s->p.nat_elsewhere);
		break;
	case FAULT_CLOCK:
		clock_step(s, d);
		break;
	case FAULT_DETOUR:
		detour(s, d);
		break;
	case FAULTS:
		break;
	}
}

void fault_due(struct sim *s, struct sim_device *d)
{
	unsigned i;

	for (i = 0; i < FAULTS; i++) {
		if (d->fault_at[i] <= s->now)
			one(s, d, (enum fault)i);
	}
	arm(s, d);
}

void fault_calm(struct sim *s, struct sim_device *d)
{
	unsigned i;

	for (i = 0; i < FAULTS; i++)
		d->fault_at[i] = SIM_NEVER;
	arm(s, d);
	if (!d->up || d->cut || d->detour)
		check_reachable(s, d);
	d->cut = d->detour = false;
	if (!d->up)
		come_back(s, d);
}

/* ---- the world ---- */

void fault_arm_world(struct sim *s)
{
	queue_set(&s->queue, TIMER_PARTITION,
		  next(s, &s->clock, s->p.partition));
	queue_set(&s->queue, TIMER_CLOCK,
		  next(s, &s->clock, s->p.service_step));
}

static void cut(struct sim *s, struct sim_device *d, bool begins)
{
	const bool was = d->cut;

	d->cut = begins && rng_chance(&s->clock, s->p.partition_share);
	if (d->cut == was || !d->up)
		return;
	if (d->cut)
		check_gone(s, d);
	else
		check_reachable(s, d);
}

void fault_partition(struct sim *s)
{
	uint32_t i;

	s->partition = !s->partition;
	s->n.partitions += s->partition;
	sim_trace(s, "partition %s", s->partition ? "begins" : "ends");
	for (i = 0; i < s->p.devices; i++)
		cut(s, &s->d[i], s->partition);
	queue_set(&s->queue, TIMER_PARTITION,
		  next(s, &s->clock,
		       s->partition ? s->p.partition_for : s->p.partition));
}

void fault_service_clock(struct sim *s)
{
	s->skew = wrong_by(s, s->p.service_step_max);
	s->n.clock_steps++;
	sim_trace(s, "the service's clock is wrong by %lld s",
		  (long long)s->skew / 1000000);
	queue_set(&s->queue, TIMER_CLOCK,
		  next(s, &s->clock, s->p.service_step));
}
