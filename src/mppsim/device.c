/* SPDX-License-Identifier: MIT */
/* device.c - around a device's client: what it saves, and its application. */
#include <stdlib.h>
#include <string.h>

#include "mppsim/sim.h"

enum { SENDS = 100 };

static const char *kind_name(mpp_client_event_kind k)
{
	static const char *const name[] = {
		"?",    "save",    "connected",   "publication", "response",
		"lost", "refused", "key changed", "closed",      "keepalive",
	};

	return (size_t)k < sizeof(name) / sizeof(name[0]) ? name[k] : "?";
}

mpp_instant device_instant(const struct sim *s, const struct sim_device *d)
{
	return (mpp_instant){{s->now}, {s->now + SIM_EPOCH + d->skew}};
}

static void random_bytes(struct rng *r, uint8_t *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = (uint8_t)rng_next(r);
}

void device_init(struct sim *s, uint32_t number)
{
	struct sim_device *d = &s->d[number];
	struct rng *r = &s->fault;

	d->number = number;
	d->account = number % (uint32_t)s->p.accounts;
	d->up = true;
	d->delay = rng_between(r, s->p.delay, s->p.delay_max);
	/* Before or after the true time; the epoch is far enough from 0. */
	d->skew = rng_below(r, 2 * s->p.skew + 1) - s->p.skew;
	d->filter = rng_chance(r, s->p.filters) ? (int)rng_below(r, s->p.stores)
						: -1;
	if (number % 2 == 0) {
		d->config.renew_s = (uint32_t)(s->p.renew / 1000000);
		d->config.renew_packets = (uint32_t)s->p.renew_packets;
	}
	d->config.mode = MPP_MODE_SUBSCRIBE;
	d->config.unlinkable = s->p.unlinkable != 0 &&
			       rng_chance(r, s->p.unlinkable);
	d->config.suite = MPP_SUITE_25519;
	d->config.keepalive_ms = (uint32_t)(s->p.keepalive / 1000);
	d->config.have_invitation = true;
	random_bytes(r, d->config.device_secret, 32);
	random_bytes(r, d->config.instance, MPP_INSTANCE_LEN);
	random_bytes(r, d->config.invitation, MPP_INVITATION_LEN);
	d->addr = net_device_addr(d);
	nat_new(s, d);
	d->reach = s->now;
}

void device_start(struct sim *s, struct sim_device *d)
{
	char store[16];
	mpp_client_config *k = &d->config;
	const char *account = s->a[d->account].name;
	/* Some have little memory. */
	const size_t len =
		mpp_client_size_for(1 + d->number % MPP_CLIENT_DATAGRAMS);

	k->account = (mpp_bytes){(const uint8_t *)account, strlen(account)};
	k->timestamp_ms = d->saved_ms;
	k->have_service_key = d->have_key;
	memcpy(k->service_key, d->key, sizeof(d->key));
	k->token = (mpp_bytes){d->token, d->token_len};
	memcpy(k->token_secret, d->token_secret, sizeof(d->token_secret));
	k->acknowledge = d->held;
	if (d->filter >= 0) {
		publish_store_name((uint32_t)d->filter, store);
		k->stores[0] =
			(mpp_bytes){(const uint8_t *)store, strlen(store)};
		k->n_stores = 1;
	}
	d->client = calloc(1, len);
	if (d->client == NULL ||
	    mpp_client_init(d->client, len, k, &s->device_crypto, &d->client) !=
		    MPP_OK) {
		sim_violation(s, "device %u does not start", d->number);
		return;
	}
	mpp_client_udf(d->client, d->udf);
	resolve_forget(s, d);
	mpp_client_connect(d->client, device_instant(s, d));
	device_settle(s, d);
}

void device_stop(struct sim_device *d)
{
	mpp_client_wipe(d->client);
	free(d->client);
	d->client = NULL;
	d->connected = false;
	d->asked = 0;
}

/* ---- events ---- */

static void save(struct sim *s, struct sim_device *d,
		 const mpp_client_event *ev)
{
	check_saved(s, d, ev);
	d->saved_before = d->saved_ms;
	d->saved_ms = ev->timestamp_ms;
	d->have_key = ev->have_service_key;
	memcpy(d->key, ev->service_key, sizeof(d->key));
	token_saved(d, ev);
	mpp_client_saved(d->client);
}

static void take(struct sim *s, struct sim_device *d,
		 const mpp_client_event *ev)
{
	sim_digest(s, (uint64_t)ev->kind << 56 ^ ev->serial);
	sim_trace(s, "device %u: %s serial %llu status %d", d->number,
		  kind_name(ev->kind), (unsigned long long)ev->serial,
		  ev->status);
	switch (ev->kind) {
	case MPP_EV_SAVE:
		save(s, d, ev);
		break;
	case MPP_EV_CONNECTED:
		s->n.connects++;
		d->connected = d->ever = true;
		d->config.have_invitation = false;
		break;
	case MPP_EV_PUBLICATION:
		check_event(s, d, ev);
		break;
	case MPP_EV_RESPONSE:
		if (resolve_answered(s, d, ev))
			break;
		if (ev->request != 0 && ev->request == d->asked)
			publish_answered(s, d, ev->status);
		break;
	case MPP_EV_LOST:
		s->n.losts++;
		d->lost_at = s->now;
		d->connected = false;
		break;
	case MPP_EV_REFUSED:
		s->n.refusals++;
		if (ev->retry_ms == 0)
			sim_violation(s, "device %u is refused for ever: %d",
				      d->number, ev->status);
		break;
	case MPP_EV_CLOSED:
		d->connected = false;
		break;
	case MPP_EV_KEEPALIVE:
	case MPP_EV_TRANSPORT:
	case MPP_EV_KEY_CHANGED:
		/* A broken bit in a Challenge can look like this. */
		break;
	}
}

/* True: there was one. */
static bool take_events(struct sim *s, struct sim_device *d, bool forged)
{
	mpp_client_event ev;
	bool any = false;

	while (!s->failed && mpp_client_next_event(d->client, &ev) == MPP_OK) {
		if (forged)
			check_forged(s, d, &ev);
		take(s, d, &ev);
		any = true;
	}
	return any;
}

void device_settle(struct sim *s, struct sim_device *d)
{
	uint8_t p[MPP_PACKET_MAX];
	mpp_buf out = {p, sizeof(p), 0};
	const mpp_instant now = device_instant(s, d);
	unsigned n = 0;

	mpp_client_tick(d->client, now);
	/* What is saved may be sent; what is sent may have to be saved. */
	do {
		while (!s->failed &&
		       mpp_client_send(d->client, now, &out) == MPP_OK) {
			net_from_device(s, d, (mpp_bytes){out.p, out.len});
			if (++n > SENDS)
				sim_violation(s, "device %u sends without end",
					      d->number);
		}
	} while (take_events(s, d, false));
	keepalive_look(s, d);
	resolve_check(s, d);
	queue_set(&s->queue, sim_timer(d->number, DEVICE_CLIENT),
		  mpp_client_deadline(d->client).us);
}

void device_receive(struct sim *s, struct sim_device *d, struct datagram *g)
{
	const mpp_buf in = {g->data, sizeof(g->data), g->len};
	const mpp_err err =
		mpp_client_receive(d->client, in, device_instant(s, d));

	sim_digest(s, (uint64_t)(uint32_t)err);
	check_taken(s, g, err);
	if (g->forged) {
		s->n.forged_read += err == MPP_OK || err == MPP_ERR_KEY_CHANGED;
		(void)take_events(s, d, true); /* before time passes */
	}
	if (!g->broken) /* as forged ones are */
		check_delivered(s, d, &g->at);
	device_settle(s, d);
}
