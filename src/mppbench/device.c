/* SPDX-License-Identifier: MIT */
/* device.c - see device.h.
 *
 * A device sends a heartbeat when its keepalive says so. For the scenario
 * heartbeat that is one millisecond, and each burst moves the clock of all
 * devices on by as much: then it is due, and nobody has to wait. */
#include "mppbench/device.h"

#include <string.h>
#include <sysexits.h>

#include "host/clock.h"

enum {
	KEEPALIVE_MS = 1,
	KEEPALIVE_NEVER_MS = 3000000,
};

mpp_client *device_client(const struct load *l, uint32_t device)
{
	return (mpp_client *)(void *)(l->memory + l->each * device);
}

mpp_instant device_now(const struct load *l)
{
	mpp_instant now = clock_now();

	now.mono.us += l->skew;
	return now;
}

mpp_err device_init(struct load *l, uint32_t device, struct fault *f)
{
	char account[ACCOUNT_TEXT];
	mpp_client_config k = {
		.mode = MPP_MODE_SUBSCRIBE,
		.suite = MPP_SUITE_25519,
		.have_service_key = true,
		.have_invitation = true,
		.keepalive_ms = l->plan->scenario == SCENARIO_PUBLISH ||
						l->plan->scenario ==
							SCENARIO_DNS
					? KEEPALIVE_NEVER_MS
					: KEEPALIVE_MS,
	};
	mpp_client *c;
	mpp_err err;

	k.account.len = plan_account(device / l->plan->fanout, account);
	k.account.p = (const uint8_t *)account;
	memcpy(k.service_key, l->service_key, sizeof(k.service_key));
	plan_invitation(l->plan, device, k.invitation);
	err = l->crypto.ops->random(l->crypto.ctx, k.device_secret, 32);
	if (err == MPP_OK)
		err = l->crypto.ops->random(l->crypto.ctx, k.instance,
					    sizeof(k.instance));
	if (err == MPP_OK)
		err = mpp_client_init(device_client(l, device), l->each, &k,
				      &l->crypto, &c);
	return err == MPP_OK ? err
			     : fault_set(f, err, EX_SOFTWARE,
					 "cannot make a device: %s",
					 mpp_err_text(err));
}

mpp_err device_send(struct load *l, uint32_t device, struct fault *f)
{
	mpp_buf room = wire_room(&l->wire);
	const mpp_err err =
		mpp_client_send(device_client(l, device), device_now(l), &room);

	if (err == MPP_ERR_AGAIN)
		return MPP_OK;
	if (err != MPP_OK)
		return fault_set(f, err, EX_SOFTWARE,
				 "device %u cannot send: %s", device,
				 mpp_err_text(err));
	return wire_add(&l->wire, device, room.len, f);
}

static void lose(struct load *l, uint32_t device, const char *how,
		 const mpp_client_event *ev)
{
	if (l->err == MPP_OK)
		l->err = fault_set(&l->fault, MPP_ERR_CLOSED, EX_SOFTWARE,
				   "device %u %s (status %d) %.*s", device, how,
				   ev->status, (int)ev->text.len,
				   (const char *)ev->text.p);
}

void device_events(struct load *l, uint32_t device, bool *news)
{
	mpp_client *c = device_client(l, device);
	mpp_client_event ev;

	while (mpp_client_next_event(c, &ev) == MPP_OK) {
		switch (ev.kind) {
		case MPP_EV_SAVE:
			mpp_client_saved(c);
			break;
		case MPP_EV_CONNECTED:
		case MPP_EV_PUBLICATION:
			*news = true;
			break;
		case MPP_EV_RESPONSE:
			if (l->responded != NULL)
				l->responded(l, device, &ev);
			break;
		case MPP_EV_KEEPALIVE:
		case MPP_EV_TRANSPORT:
			break;
		case MPP_EV_LOST:
			lose(l, device, "lost its connection", &ev);
			break;
		case MPP_EV_REFUSED:
		case MPP_EV_KEY_CHANGED:
		case MPP_EV_CLOSED:
			lose(l, device, "was refused", &ev);
			break;
		}
	}
}
