/* SPDX-License-Identifier: MIT */
/* flood.c - somebody who sends first packets from many addresses that are not
 * his: well formed, of keys that nobody enrolled, and copies of those of real
 * devices that passed him. */
#include <stdlib.h>
#include <string.h>

#include "crypto/fixed.h"
#include "mppsim/sim.h"

enum { MADE = 16, REPLY_ID_AT = 20, REPLY_ID = 16, FLOOD_SEED = 7 };

struct flood {
	struct datagram made[MADE]; /* first half: Hello; others: Exchange */
	struct datagram seen[SIM_OVERHEARD];
	uint32_t n_seen;
};

static void random_bytes(struct rng *r, uint8_t *p, size_t n)
{
	while (n-- > 0)
		*p++ = (uint8_t)rng_next(r);
}

static mpp_err first_packet(struct sim *s, mpp_client_config *k,
			    const mpp_crypto *crypto, struct datagram *g)
{
	mpp_buf out = {g->data, sizeof(g->data), 0};
	mpp_client *c = calloc(1, mpp_client_size_for(1));
	mpp_client_event ev;
	mpp_err err = MPP_ERR_NOMEM;

	random_bytes(&s->hostile, k->device_secret, 32);
	random_bytes(&s->hostile, k->instance, MPP_INSTANCE_LEN);
	if (c != NULL)
		err = mpp_client_init(c, mpp_client_size_for(1), k, crypto, &c);
	if (err == MPP_OK) {
		mpp_client_connect(c, sim_instant(s));
		err = mpp_client_send(c, sim_instant(s), &out);
		/* A Timestamp is saved before it is used. */
		if (err == MPP_ERR_AGAIN &&
		    mpp_client_next_event(c, &ev) == MPP_OK) {
			mpp_client_saved(c);
			err = mpp_client_send(c, sim_instant(s), &out);
		}
		mpp_client_wipe(c);
	}
	free(c);
	g->len = (uint16_t)out.len;
	return err;
}

static bool make(struct sim *s)
{
	const char *account = s->a[0].name;
	mpp_client_config k = {.mode = MPP_MODE_SUBSCRIBE,
			       .suite = MPP_SUITE_25519};
	mpp_crypto crypto;
	mpp_err err;
	unsigned i;

	s->flood = calloc(1, sizeof(*s->flood));
	if (s->flood == NULL ||
	    crypto_fixed_new(s->seed ^ FLOOD_SEED, &crypto) != MPP_OK)
		return false;
	k.account = (mpp_bytes){(const uint8_t *)account, strlen(account)};
	memcpy(k.service_key, s->service_key, sizeof(k.service_key));
	for (i = 0, err = MPP_OK; i < MADE && err == MPP_OK; i++) {
		k.have_service_key = i >= MADE / 2;
		err = first_packet(s, &k, &crypto, &s->flood->made[i]);
	}
	mpp_crypto_free(&crypto);
	return err == MPP_OK;
}

void flood_overhears(struct sim *s, const struct datagram *g)
{
	if (s->flood != NULL)
		s->flood->seen[s->flood->n_seen++ % SIM_OVERHEARD] = *g;
}

static mpp_addr some_address(struct sim *s)
{
	mpp_addr a = {.ip = {198, 18}, .family = 4};

	a.ip[2] = (uint8_t)rng_below(&s->hostile, 4);
	a.ip[3] = (uint8_t)rng_below(&s->hostile, 256);
	a.port = (uint16_t)rng_between(&s->hostile, 1024, 1031);
	return a;
}

/* From the address of a device: under a reply id of its own, because the
 * answer is seen in that device's network, and a first packet of a device that
 * is answered in two would join them. */
static mpp_addr own_address(struct sim *s, struct datagram *g)
{
	random_bytes(&s->hostile, g->data + REPLY_ID_AT, REPLY_ID);
	return nat_seen(&s->d[rng_below(&s->hostile, s->p.devices)]);
}

/* A copy of what passed, or one of its own; a Hello with a fresh reply id. */
static const struct datagram *choose(struct sim *s)
{
	struct flood *f = s->flood;
	const uint32_t n = f->n_seen < SIM_OVERHEARD ? f->n_seen
						     : SIM_OVERHEARD;
	uint64_t i;

	if (n != 0 && rng_chance(&s->hostile, 300000))
		return &f->seen[rng_below(&s->hostile, n)];
	i = rng_below(&s->hostile, MADE);
	if (i < MADE / 2)
		random_bytes(&s->hostile, f->made[i].data + REPLY_ID_AT,
			     REPLY_ID);
	return &f->made[i];
}

void flood_due(struct sim *s)
{
	struct datagram g;
	mpp_addr from;

	if (s->flood == NULL && !make(s)) {
		sim_violation(s, "the flooder cannot begin");
		return;
	}
	g = *choose(s);
	from = s->p.flood_own != 0 && rng_chance(&s->hostile, s->p.flood_own)
		       ? own_address(s, &g)
		       : some_address(s);
	g.to_service = g.handshake = true;
	g.origin = ++s->origin;
	s->n.flooded++;
	net_inject(s, &g, &from, 1);
	queue_set(&s->queue, TIMER_FLOOD,
		  s->now + rng_wait(&s->hostile, s->p.flood));
}

void flood_free(struct sim *s)
{
	free(s->flood);
}
