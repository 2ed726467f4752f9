/* SPDX-License-Identifier: MIT */
/* forgery.c - what replays, forged datagrams and first packets may not do. */
#include <inttypes.h>
#include <string.h>

#include "mppsim/sim.h"

void check_taken(struct sim *s, const struct datagram *g, mpp_err result)
{
	uint64_t *seen = &s->accepted[g->origin % SIM_ACCEPTED];

	if (g->handshake)
		return; /* what these may do is seen in what follows */
	if (result != MPP_OK) {
		s->n.copies_tried += *seen == g->origin;
		return;
	}
	if (g->broken)
		sim_violation(s, "a packet with a wrong bit was taken");
	if (*seen == g->origin)
		sim_violation(s, "a packet was taken twice");
	*seen = g->origin;
	if (!g->to_service)
		return;
	s->d[g->device].taken = s->now;
	check_proved_by(s, &s->d[g->device], g->sent);
}

/* A stranger's datagram of any kind leaves a device as it is. */
void check_forged(struct sim *s, const struct sim_device *d,
		  const mpp_client_event *ev)
{
	if (ev->kind != MPP_EV_SAVE && ev->kind != MPP_EV_KEY_CHANGED)
		sim_violation(s,
			      "a forged datagram made device %u say event %d",
			      d->number, (int)ev->kind);
}

/* Timestamps come from the device's own clock and number of attempts, or from
 * what it has itself used before; and the only key is the service's. */
void check_saved(struct sim *s, struct sim_device *d,
		 const mpp_client_event *ev)
{
	const uint64_t ms = device_instant(s, d).wall.us / 1000;

	d->clock_max = ms > d->clock_max ? ms : d->clock_max;
	d->stamps++;
	if (ev->timestamp_ms > d->clock_max + d->stamps)
		sim_violation(s,
			      "device %u was made to use Timestamp %" PRIu64
			      ", its clock never showed more than %" PRIu64,
			      d->number, ev->timestamp_ms, d->clock_max);
	if (ev->have_service_key && memcmp(ev->service_key, s->service_key,
					   sizeof(s->service_key)) != 0)
		sim_violation(s,
			      "device %u keeps a key that is not the service's",
			      d->number);
}

/* ---- first packets ---- */

struct before check_before(const struct sim *s, const struct datagram *g)
{
	struct before b = {false, {.state = NULL}};

	if (g->handshake && !g->broken && s->phase != PHASE_SETUP)
		b.any = check_connection(s, &s->d[g->device], &b.c);
	return b;
}

/* Whoever sends a first packet may be a replayer, or, with the service's key,
 * anybody: nothing takes effect before it is confirmed. */
void check_nothing_happened(struct sim *s, const struct datagram *g,
			    const struct before *before)
{
	const mpp_connection_info *b = &before->c;
	mpp_connection_info c;

	if (!before->any)
		return;
	s->n.handshakes_checked++;
	if (!check_connection(s, &s->d[g->device], &c) ||
	    strcmp(c.state, b->state) != 0 || c.subscribed != b->subscribed ||
	    c.acknowledged != b->acknowledged || c.silent_ms != b->silent_ms ||
	    c.lease_ms != b->lease_ms ||
	    memcmp(&c.endpoint, &b->endpoint, sizeof(c.endpoint)) != 0)
		sim_violation(s,
			      "a first packet changed the connection of device "
			      "%u before it was confirmed",
			      g->device);
}
