/* SPDX-License-Identifier: MIT */
/* thief.c - one who has stolen the service's private key. In Noise IK that is
 * enough for a first message in the name of any device: ss, the secret of both
 * static keys, can be computed from either side. It is not enough for the
 * confirmation, which needs the device's own key (se).
 *
 * He uses the true client with a table of primitives in which one private key
 * stands for that of his victim. */
#include <stdlib.h>
#include <string.h>

#include "crypto/fixed.h"
#include "mppsim/sim.h"

enum { THIEF_SEED = 11, KEY = 32, THIEF_PORT = 666 };
#define AHEAD_MS UINT64_C(1000000)

struct thief {
	mpp_crypto real;
	mpp_crypto_ops ops;
	uint8_t stolen[KEY];
	uint8_t service[KEY];
	uint8_t stand_in[KEY]; /* "private key" of the victim */
	uint8_t victim[KEY];
};

/* The core's calls carry the context of the real primitives, so the thief who
 * is at work stands here; there is one at a time. */
static const struct thief *at_work;

static mpp_err thief_public(void *ctx, int suite, const uint8_t *secret,
			    uint8_t *pub)
{
	if (memcmp(secret, at_work->stand_in, KEY) != 0)
		return at_work->real.ops->dh_public(ctx, suite, secret, pub);
	memcpy(pub, at_work->victim, KEY);
	return MPP_OK;
}

static mpp_err thief_dh(void *ctx, int suite, const uint8_t *secret,
			const uint8_t *pub, uint8_t *out)
{
	const bool ss = memcmp(secret, at_work->stand_in, KEY) == 0 &&
			memcmp(pub, at_work->service, KEY) == 0;

	return at_work->real.ops->dh(ctx, suite, ss ? at_work->stolen : secret,
				     ss ? at_work->victim : pub, out);
}

static bool make(struct sim *s)
{
	struct thief *t = calloc(1, sizeof(*t));

	s->thief = t;
	if (t == NULL ||
	    crypto_fixed_new(s->seed ^ THIEF_SEED, &t->real) != MPP_OK)
		return false;
	t->ops = *t->real.ops;
	t->ops.dh_public = thief_public;
	t->ops.dh = thief_dh;
	memcpy(t->stolen, s->secrets.x25519, KEY);
	memcpy(t->service, s->service_key, KEY);
	return t->real.ops->random(t->real.ctx, t->stand_in, KEY) == MPP_OK;
}

/* What he writes in the name of the victim: a Timestamp, and that it holds
 * everything already. */
static void write_config(struct sim *s, const struct sim_device *d,
			 mpp_client_config *k)
{
	*k = d->config;
	memcpy(k->device_secret, s->thief->stand_in, KEY);
	k->have_invitation = false;
	k->token.len = 0; /* he has none */
	k->have_service_key = true;
	memcpy(k->service_key, s->service_key, sizeof(k->service_key));
	/* Each newer than his last, and soon days ahead of every clock. */
	k->timestamp_ms =
		sim_instant(s).wall.us / 1000 + (s->n.thefts + 1) * AHEAD_MS;
	k->acknowledge = s->a[d->account].serial +
			 rng_below(&s->hostile, UINT64_C(100000000));
	k->n_stores = 0;
}

static mpp_err first_packet(struct sim *s, mpp_client *c,
			    const struct sim_device *d, struct datagram *g)
{
	const mpp_crypto crypto = {&s->thief->ops, s->thief->real.ctx};
	mpp_buf out = {g->data, sizeof(g->data), 0};
	mpp_client_config k;
	mpp_client_event ev;
	mpp_err err;

	write_config(s, d, &k);
	err = mpp_client_init(c, mpp_client_size_for(1), &k, &crypto, &c);
	if (err != MPP_OK)
		return err;
	mpp_client_connect(c, sim_instant(s));
	/* A Timestamp is saved before it is used. */
	if (mpp_client_send(c, sim_instant(s), &out) != MPP_ERR_AGAIN ||
	    mpp_client_next_event(c, &ev) != MPP_OK)
		return MPP_ERR_STATE;
	mpp_client_saved(c);
	err = mpp_client_send(c, sim_instant(s), &out);
	g->len = (uint16_t)out.len;
	mpp_client_wipe(c);
	return err;
}

static void send_as(struct sim *s, const struct sim_device *d)
{
	const mpp_addr from = {
		.ip = {172, 18, 0, 1}, .port = THIEF_PORT, .family = 4};
	mpp_client *c = calloc(1, mpp_client_size_for(1));
	struct datagram g;
	mpp_err err = MPP_ERR_NOMEM;

	memset(&g, 0, offsetof(struct datagram, data));
	at_work = s->thief;
	if (c != NULL &&
	    s->device_crypto.ops->dh_public(
		    s->device_crypto.ctx, MPP_SUITE_25519,
		    d->config.device_secret, s->thief->victim) == MPP_OK)
		err = first_packet(s, c, d, &g);
	at_work = NULL;
	free(c);
	if (err != MPP_OK) {
		sim_violation(s, "the thief cannot write: %s",
			      mpp_err_name(err));
		return;
	}
	g.device = d->number;
	g.to_service = g.handshake = true;
	g.origin = ++s->origin;
	s->n.thefts++;
	sim_trace(s, "the thief writes as device %u", d->number);
	net_inject(s, &g, &from, 1);
}

void thief_due(struct sim *s)
{
	if (s->thief == NULL && !make(s)) {
		sim_violation(s, "the thief cannot begin");
		return;
	}
	send_as(s, &s->d[rng_below(&s->hostile, s->p.devices)]);
	queue_set(&s->queue, TIMER_THIEF,
		  s->now + rng_wait(&s->hostile, s->p.thief));
}

void thief_free(struct sim *s)
{
	if (s->thief == NULL)
		return;
	mpp_crypto_free(&s->thief->real);
	memset(s->thief, 0, sizeof(*s->thief));
	free(s->thief);
}
