/* SPDX-License-Identifier: MIT */
/* sim.c - the life of a simulated world. */
#include "mppsim/sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/fixed.h"

enum {
	OP_ACCOUNT = 1,
	OP_INVITE = 2,
	SETUP_LIMIT_US = 900000000, /* an invitation's life */
	LOOK_US = 500000,
	/* To enrol takes two questions and answers, not one, with up to ten
	 * seconds between attempts: in a bad network much longer. */
	SETUP_FACTOR = 4,
	SPINS = 100000,
	BYTES_MIN = 1024,
	COMMIT_BYTES = 1 << 20,
	MEMORY_EVERY = 256,
	WARM_UPS = 10,
};

void sim_trace(struct sim *s, const char *format, ...)
{
	va_list ap;

	if (s->trace == NULL)
		return;
	(void)fprintf(s->trace, "%" PRIu64 ".%06" PRIu64 " ", s->now / 1000000,
		      s->now % 1000000);
	va_start(ap, format);
	(void)vfprintf(s->trace, format, ap);
	va_end(ap);
	(void)fputc('\n', s->trace);
}

void sim_digest(struct sim *s, uint64_t value)
{
	struct rng mix = {s->digest ^ value ^ s->now};

	s->digest = rng_next(&mix);
}

/* ---- making ---- */

static void random_key(struct rng *r, uint8_t *p, size_t n)
{
	while (n-- > 0)
		p[n] = (uint8_t)rng_next(r);
}

/* Room for what the scenario can need, and not much more. */
static mpp_service_config limits(const struct params *p)
{
	const uint32_t devices = (uint32_t)p->devices;
	const uint32_t accounts = (uint32_t)p->accounts;

	return (mpp_service_config){
		.bindings = devices * 3 + 64,
		.half_open = devices * 2 + 64,
		.devices = devices,
		.accounts = accounts,
		.stores = accounts * (uint32_t)p->stores * 2 + 256,
		.invitations = devices,
		.operations = 1024,
		.commit_bytes = COMMIT_BYTES,
		.devices_per_account = devices / accounts + 1,
		.stores_per_account = 128,
		.snapshots = p->snapshots != 0 ? (uint32_t)p->snapshots
					       : MPP_NO_SNAPSHOTS,
		.lease_ms = (uint32_t)(p->lease / 1000),
		.renew_s = (uint32_t)(p->renew / 1000000),
		.renew_packets = (uint32_t)p->renew_packets,
		.reconnect_rate = (uint32_t)p->reconnect_rate,
		.always_challenge = p->challenge != 0,
	};
}

static bool room(struct sim *s)
{
	s->d = calloc(s->p.devices, sizeof(*s->d));
	s->a = calloc(s->p.accounts, sizeof(*s->a));
	s->accepted = calloc(SIM_ACCEPTED, sizeof(*s->accepted));
	s->recorded = calloc(SIM_RECORDED, sizeof(*s->recorded));
	s->bytes_cap = BYTES_MIN;
	s->bytes = calloc(s->bytes_cap, sizeof(*s->bytes));
	s->batch = malloc(COMMIT_BYTES);
	return s->d != NULL && s->a != NULL && s->accepted != NULL &&
	       s->recorded != NULL && s->bytes != NULL && s->batch != NULL &&
	       check_linked_init(s) == MPP_OK &&
	       queue_reserve(&s->queue, sim_timer((uint32_t)s->p.devices,
						  DEVICE_CLIENT)) == MPP_OK &&
	       store_mem_open(&s->store) == MPP_OK;
}

static void streams(struct sim *s)
{
	struct rng secret = rng_stream(s->seed, 0);

	random_key(&secret, s->secrets.x25519, sizeof(s->secrets.x25519));
	random_key(&secret, s->secrets.sid_key, sizeof(s->secrets.sid_key));
	random_key(&secret, s->secrets.reset_key, sizeof(s->secrets.reset_key));
	s->net = rng_stream(s->seed, 1);
	s->fault = rng_stream(s->seed, 2);
	s->publisher = rng_stream(s->seed, 3);
	s->stranger = rng_stream(s->seed, 4);
	s->nat = rng_stream(s->seed, 5);
	s->hostile = rng_stream(s->seed, 6);
	s->clock = rng_stream(s->seed, 7);
	token_init(s);
}

mpp_err sim_new(const struct params *p, uint64_t seed, enum plant plant,
		FILE *trace, struct sim **out)
{
	struct sim *s = calloc(1, sizeof(*s));

	*out = s;
	if (s == NULL)
		return MPP_ERR_NOMEM;
	s->p = *p;
	if (s->p.accounts > s->p.devices)
		s->p.accounts = s->p.devices;
	s->seed = seed;
	s->plant = plant;
	s->trace = trace;
	s->g_free = SIM_NO_SLOT;
	s->now = 1000000;
	s->out = (mpp_outbox){s->slots, SIM_OUTBOX, 0};
	s->config = limits(&s->p);
	streams(s);
	if (!room(s))
		return MPP_ERR_NOMEM;
	if (crypto_fixed_new(seed * 2, &s->service_crypto) != MPP_OK ||
	    crypto_fixed_new(seed * 2 + 1, &s->device_crypto) != MPP_OK)
		return MPP_ERR_CRYPTO;
	return s->service_crypto.ops->dh_public(s->service_crypto.ctx,
						MPP_SUITE_25519,
						s->secrets.x25519,
						s->service_key);
}

static void free_devices(struct sim *s)
{
	uint32_t i, k;

	for (i = 0; s->d != NULL && i < s->p.devices; i++) {
		if (s->d[i].client != NULL)
			mpp_client_wipe(s->d[i].client);
		free(s->d[i].client);
	}
	for (i = 0; s->a != NULL && i < s->p.accounts; i++) {
		for (k = 0; k < SIM_STORES; k++)
			free(s->a[i].store[k].c);
	}
}

void sim_free(struct sim *s)
{
	if (s == NULL)
		return;
	free_devices(s);
	if (s->service != NULL)
		mpp_service_wipe(s->service);
	free(s->memory);
	if (s->store != NULL)
		s->store->ops->close(s->store);
	mpp_crypto_free(&s->service_crypto);
	mpp_crypto_free(&s->device_crypto);
	queue_free(&s->queue);
	flood_free(s);
	thief_free(s);
	resolve_free(s);
	free(s->d);
	free(s->a);
	free(s->g);
	free(s->accepted);
	free(s->recorded);
	free(s->bytes);
	check_linked_free(s);
	free(s->batch);
	free(s);
}

/* ---- events ---- */

static void crash_or_restart(struct sim *s)
{
	uint64_t at = SIM_NEVER;

	if (s->service == NULL) {
		host_start(s);
		if (!s->failed)
			host_settle(s);
		if (s->p.crash != 0 && s->phase == PHASE_RUN)
			at = s->now + rng_wait(&s->fault, s->p.crash);
	} else {
		host_crash(s);
		at = s->now + rng_wait(&s->fault, s->p.down);
	}
	queue_set(&s->queue, TIMER_CRASH, at);
}

static void world_timer(struct sim *s, enum timer t)
{
	switch (t) {
	case TIMER_SERVICE:
		host_settle(s);
		break;
	case TIMER_COMMIT:
		host_committed(s);
		break;
	case TIMER_CRASH:
		crash_or_restart(s);
		break;
	case TIMER_PUBLISH:
		publish_due(s);
		break;
	case TIMER_GARBAGE:
		stranger_garbage(s);
		break;
	case TIMER_PARTITION:
		fault_partition(s);
		break;
	case TIMER_CLOCK:
		fault_service_clock(s);
		break;
	case TIMER_FLOOD:
		flood_due(s);
		break;
	case TIMER_THIEF:
		thief_due(s);
		break;
	case TIMER_REVOKE:
		token_revoke_due(s);
		break;
	case TIMER_RESOLVER:
		resolve_due(s);
		break;
	case TIMER_END: /* only ends the waiting */
	case TIMERS:
		break;
	}
}

static void device_timer(struct sim *s, struct sim_device *d,
			 enum device_timer t)
{
	if (t == DEVICE_CLIENT && d->client != NULL)
		device_settle(s, d);
	else if (t == DEVICE_FAULT)
		fault_due(s, d);
	else if (t == DEVICE_CHECK)
		check_due(s, d);
	else if (t == DEVICE_RESOLVE)
		resolve_ask(s, d);
}

static void look(struct sim *s)
{
	if (s->service != NULL)
		check_memory(s);
	if (s->progress != NULL)
		s->progress(s);
}

bool sim_step(struct sim *s)
{
	const uint32_t devices = sim_timer((uint32_t)s->p.devices, 0);
	uint64_t at;
	uint32_t id;

	if (s->failed || !queue_first(&s->queue, &at, &id))
		return false;
	/* What is due in the past and nothing moves is a bug. */
	s->spins = at > s->now ? 0 : s->spins + 1;
	if (s->spins > SPINS)
		sim_violation(s, "time stands still");
	s->now = at > s->now ? at : s->now;
	queue_set(&s->queue, id, SIM_NEVER);
	if (id < TIMERS)
		world_timer(s, (enum timer)id);
	else if (id < devices)
		device_timer(
			s, &s->d[(id - TIMERS) / DEVICE_TIMERS],
			(enum device_timer)((id - TIMERS) % DEVICE_TIMERS));
	else
		net_arrive(s, id);
	if (++s->steps % MEMORY_EVERY == 0)
		look(s);
	return !s->failed;
}

static void run_until(struct sim *s, uint64_t end)
{
	queue_set(&s->queue, TIMER_END, end);
	while (s->now < end && sim_step(s))
		;
}

/* ---- phases ---- */

/* A change of the service that must work, sooner or later. */
static void insist(struct sim *s, uint64_t op, mpp_bytes account,
		   const struct sim_device *d)
{
	const mpp_wall until = {SIM_EPOCH + s->now + SETUP_LIMIT_US};
	const uint64_t give_up = s->now + SETUP_LIMIT_US / 2;
	mpp_err err;

	while (!s->failed && s->now < give_up) {
		s->setup_done = false;
		s->setup_err = MPP_ERR_AGAIN;
		err = op == OP_ACCOUNT
			      ? mpp_service_account_add(s->service, account, op)
			      : mpp_service_invite(
					s->service, account,
					d->config.invitation,
					MPP_RIGHT_SUBSCRIBE | MPP_RIGHT_PUBLISH,
					until, op, sim_instant(s).wall);
		host_settle(s);
		while (err == MPP_OK && !s->setup_done && sim_step(s))
			;
		if (err == MPP_OK && s->setup_err == MPP_OK)
			return;
	}
	sim_violation(s, "the service cannot be set up");
}

static bool all_connected(const struct sim *s)
{
	uint32_t i;

	for (i = 0; i < s->p.devices; i++) {
		if (!s->d[i].connected)
			return false;
	}
	return true;
}

static void set_up(struct sim *s)
{
	uint32_t i;
	uint64_t limit;

	for (i = 0; i < s->p.accounts && !s->failed; i++) {
		(void)snprintf(s->a[i].name, sizeof(s->a[i].name),
			       "account%u@example.com", i);
		s->a[i].first = i;
		insist(s, OP_ACCOUNT,
		       (mpp_bytes){(const uint8_t *)s->a[i].name,
				   strlen(s->a[i].name)},
		       NULL);
	}
	for (i = 0; i < s->p.devices && !s->failed; i++) {
		const char *name = s->a[i % s->p.accounts].name;

		device_init(s, i);
		insist(s, OP_INVITE,
		       (mpp_bytes){(const uint8_t *)name, strlen(name)},
		       &s->d[i]);
		if (!s->failed)
			device_start(s, &s->d[i]);
	}
	limit = s->now + SETUP_FACTOR * s->p.converge;
	while (!s->failed && s->now < limit && !all_connected(s))
		run_until(s, s->now + LOOK_US);
	if (!s->failed && !all_connected(s))
		sim_violation(s, "not every device was enrolled in time");
}

static void arm_strangers(struct sim *s)
{
	if (s->p.garbage != 0)
		queue_set(&s->queue, TIMER_GARBAGE, s->now + 1);
	if (s->p.flood != 0)
		queue_set(&s->queue, TIMER_FLOOD, s->now + 1);
	if (s->p.tokens != 0 && s->p.revoke != 0)
		queue_set(&s->queue, TIMER_REVOKE,
			  s->now + rng_wait(&s->token, s->p.revoke));
	if (s->p.thief != 0)
		queue_set(&s->queue, TIMER_THIEF,
			  s->now + rng_wait(&s->hostile, s->p.thief));
}

/* Connections have carried something and know their round trip, as those that
 * are not new do; only then delays count. */
static void warm_up(struct sim *s)
{
	unsigned i;

	if (s->p.warm_up == 0)
		return;
	for (i = 0; i < WARM_UPS && !s->failed; i++) {
		publish_all(s);
		run_until(s, s->now + s->p.warm_up / WARM_UPS);
	}
	memset(s->latency, 0, sizeof(s->latency));
	s->latency_n = s->latency_max = s->missing_max = 0;
}

static void run(struct sim *s)
{
	uint64_t end;
	uint32_t i;

	s->phase = PHASE_RUN;
	warm_up(s);
	end = s->now + s->p.duration;
	sim_trace(s, "set up");
	if (s->plant == PLANT_OVERRUN)
		s->memory[s->memory_len + 1]++;
	for (i = 0; i < s->p.devices; i++) {
		fault_arm(s, &s->d[i]);
		resolve_arm(s, &s->d[i]);
	}
	queue_set(&s->queue, TIMER_PUBLISH,
		  s->now + rng_wait(&s->publisher, s->p.publish));
	if (s->p.crash != 0)
		queue_set(&s->queue, TIMER_CRASH,
			  s->now + rng_wait(&s->fault, s->p.crash));
	arm_strangers(s);
	fault_arm_world(s);
	if (s->p.publications == 0)
		run_until(s, end);
	while (!s->failed && s->n.published < s->p.publications)
		run_until(s, s->now + LOOK_US);
}

/* Only the loss goes on: what was wrong before must heal now. */
static void calm_down(struct sim *s)
{
	uint32_t i;

	s->phase = PHASE_CALM;
	s->p.commit_fails = 0;
	sim_trace(s, "calm");
	for (i = TIMER_CRASH; i < TIMER_RESOLVER; i++)
		queue_set(&s->queue, i, SIM_NEVER);
	if (s->service == NULL)
		crash_or_restart(s);
	for (i = 0; i < s->p.devices && !s->failed; i++)
		fault_calm(s, &s->d[i]);
	s->calm_at = s->now;
	while (!s->failed && !check_converged(s))
		run_until(s, s->now + LOOK_US);
	s->took = s->now - s->calm_at;
}

bool sim_run(struct sim *s)
{
	host_start(s);
	if (!s->failed)
		set_up(s);
	if (!s->failed)
		run(s);
	if (!s->failed)
		calm_down(s);
	if (!s->failed)
		check_end(s);
	s->phase = PHASE_DONE;
	return !s->failed;
}
