/* SPDX-License-Identifier: MIT */
/* web_subscriber.h - one account and its devices in a world with HTTP. */
#ifndef TESTS_UNIT_ROLE_WEB_SUBSCRIBER_H
#define TESTS_UNIT_ROLE_WEB_SUBSCRIBER_H

#include "world_web.h"

#define ALICE "alice@example.com"
#define S UINT64_C(1000000)

static struct world w;

static inline mpp_client_transport_info info(int i)
{
	mpp_client_transport_info out;

	mpp_client_transport_info_get(w.d[i].c, &out);
	return out;
}

static inline struct world_device *invited(int i, mpp_client_mode mode)
{
	struct world_device *d = world_device(&w, i, ALICE, mode);

	d->config.web = true;
	world_invite(&w, i, ALICE, MPP_RIGHT_SUBSCRIBE | MPP_RIGHT_PUBLISH);
	return d;
}

static inline void begin(uint64_t seed)
{
	world_init(&w, seed);
	web_init(&w);
	world_account(&w, ALICE);
}

/* Enrolled and subscribed, over UDP unless that is cut. */
static inline struct world_device *subscriber(uint64_t seed, bool cut)
{
	struct world_device *d;

	begin(seed);
	web.udp_cut = cut;
	d = invited(0, MPP_MODE_SUBSCRIBE);
	world_connect(&w, 0);
	web_run(&w, 8 * S);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 1);
	d->config.have_invitation = false;
	return d;
}

/* Told once, in this order, and nothing twice; the last one is the newest. */
static inline void assert_told_once(const struct world_device *d,
				    uint64_t serial)
{
	uint64_t last = 0;
	size_t i;

	assert_true(d->n_told < WORLD_EVENTS);
	for (i = 0; i < d->n_told; i++) {
		if (d->told[i].kind != MPP_EV_PUBLICATION)
			continue;
		assert_true(d->told[i].serial > last);
		last = d->told[i].serial;
	}
	assert_int_equal(last, serial);
}

#endif
