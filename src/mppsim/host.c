/* SPDX-License-Identifier: MIT */
/* host.c - around the service: its memory, its store, its crashes. */
#include <stdlib.h>
#include <string.h>

#include "mppsim/sim.h"

enum { GUARD_BYTE = 0xa5, RESULTS = 1000, POLLS = 10000 };

static mpp_err load(void *arg, mpp_bytes key, mpp_bytes value)
{
	return mpp_service_load(arg, key, value);
}

void host_start(struct sim *s)
{
	const size_t n = mpp_service_size(&s->config);
	struct store_error e;

	s->memory = n == 0 ? NULL : calloc(1, n + SIM_GUARD);
	if (s->memory == NULL) {
		sim_violation(s, "no memory for the service");
		return;
	}
	memset(s->memory + n, GUARD_BYTE, SIM_GUARD);
	s->memory_len = n;
	if (mpp_service_init(s->memory, n, &s->config, &s->secrets,
			     &s->service_crypto, &s->service) != MPP_OK ||
	    token_start(s) != MPP_OK ||
	    s->store->ops->load(s->store, load, s->service, &e) != MPP_OK) {
		sim_violation(s, "the service does not start from its store");
		return;
	}
	s->commit_id = 0;
	s->up_since = s->now;
	s->started++;
	check_bytes_forget(s);
	sim_trace(s, "service starts");
	truth_scan_all(s);
}

static void add_counters(struct sim *s)
{
	const uint64_t *from = (const void *)mpp_service_count(s->service);
	uint64_t *to = (void *)&s->total;
	size_t i;

	for (i = 0; i < sizeof(s->total) / sizeof(*to); i++)
		to[i] += from[i];
}

/* What was under way at the store may have arrived there, or not. */
void host_crash(struct sim *s)
{
	const mpp_bytes batch = {s->batch, s->batch_len};
	struct store_error e;

	sim_trace(s, "service crashes");
	check_memory(s);
	add_counters(s);
	if (s->commit_id != 0 && rng_chance(&s->fault, 500000) &&
	    s->plant != PLANT_LOSE_COMMIT)
		(void)s->store->ops->commit(s->store, &batch, 1, &e);
	mpp_service_wipe(s->service);
	free(s->memory);
	s->memory = NULL;
	s->service = NULL;
	s->commit_id = 0;
	s->n.crashes++;
	queue_set(&s->queue, TIMER_SERVICE, SIM_NEVER);
	queue_set(&s->queue, TIMER_COMMIT, SIM_NEVER);
	publish_crashed(s);
	token_crashed(s);
	resolve_crashed(s);
}

static void take_commit(struct sim *s)
{
	mpp_commit c;

	if (s->commit_id != 0 || !mpp_service_commit(s->service, &c))
		return;
	s->commit_id = c.id;
	s->batch_len = c.batch.len;
	memcpy(s->batch, c.batch.p, c.batch.len);
	queue_set(&s->queue, TIMER_COMMIT, s->now + s->p.commit);
}

void host_committed(struct sim *s)
{
	const mpp_bytes batch = {s->batch, s->batch_len};
	const uint64_t id = s->commit_id;
	struct store_error e;
	mpp_err err = MPP_OK;

	queue_set(&s->queue, TIMER_COMMIT, SIM_NEVER);
	s->n.commits++;
	if (rng_chance(&s->fault, s->p.commit_fails)) {
		s->n.commit_failures++;
		err = MPP_ERR_STORE;
	} else if (s->plant != PLANT_LOSE_COMMIT || s->phase == PHASE_SETUP) {
		err = s->store->ops->commit(s->store, &batch, 1, &e);
	}
	sim_trace(s, "commit of %zu octets: %s", batch.len, mpp_err_name(err));
	s->commit_id = 0;
	mpp_service_committed(s->service, id, err, sim_instant(s));
	if (err == MPP_OK)
		truth_scan_all(s);
	host_settle(s);
}

static void take_results(struct sim *s)
{
	mpp_result r;
	unsigned n = 0;

	while (mpp_service_next_result(s->service, &r)) {
		if (!token_result(s, &r))
			publish_result(s, &r);
		if (++n > RESULTS)
			sim_violation(s, "results of changes without end");
	}
}

void host_settle(struct sim *s)
{
	unsigned n = 0;

	if (s->service == NULL)
		return;
	do {
		take_results(s);
		resolve_settle(s);
		mpp_service_poll(s->service, sim_instant(s), &s->out);
		net_from_service(s, false);
		take_commit(s);
		if (++n > POLLS)
			sim_violation(s, "the service's deadline stays in the "
					 "past");
	} while (!s->failed && mpp_service_deadline(s->service).us <= s->now);
	queue_set(&s->queue, TIMER_SERVICE,
		  mpp_service_deadline(s->service).us);
}

void host_receive(struct sim *s, struct datagram *g)
{
	const struct before before = check_before(s, g);
	const struct token_before token = token_before(s, g);
	const mpp_buf in = {g->data, sizeof(g->data), g->len};
	const mpp_err err = mpp_service_receive(s->service, in, &g->addr,
						sim_instant(s), &s->out);

	sim_digest(s, (uint64_t)(uint32_t)err);
	check_taken(s, g, err);
	check_nothing_happened(s, g, &before);
	token_after(s, g, &token);
	check_bytes_in(s, &g->addr, g->len, !g->handshake && err == MPP_OK);
	check_stun(s, g);
	net_from_service(s, g->handshake);
	host_settle(s);
}
