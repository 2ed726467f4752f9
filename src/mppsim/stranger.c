/* SPDX-License-Identifier: MIT */
/* stranger.c - somebody on the way who has no keys: he records datagrams and
 * sends them again, from forged addresses too, and sends noise. */
#include <string.h>

#include "mppsim/sim.h"
#include "stun/stun.h"

enum { REPLAY_LATEST_US = 300000000, ADDRESSES = 64, PORT = 1024 };

/* 172.16.0.x: addresses that belong to people who have nothing to do with
 * this. */
mpp_addr stranger_addr(struct sim *s)
{
	mpp_addr a = {.ip = {172, 16, 0, 0}, .port = PORT, .family = 4};

	a.ip[3] = (uint8_t)rng_below(&s->stranger, ADDRESSES);
	return a;
}

void stranger_sees(struct sim *s, const struct datagram *g)
{
	const struct datagram *old;
	mpp_addr from;

	if (s->p.replay == 0)
		return;
	s->recorded[s->n_recorded++ % SIM_RECORDED] = *g;
	if (!rng_chance(&s->stranger, s->p.replay))
		return;
	old = &s->recorded[rng_below(&s->stranger, s->n_recorded < SIM_RECORDED
							   ? s->n_recorded
							   : SIM_RECORDED)];
	from = rng_chance(&s->stranger, s->p.spoof) ? stranger_addr(s)
						    : old->addr;
	s->n.replayed++;
	net_inject(s, old, &from,
		   1 + rng_below(&s->stranger, REPLAY_LATEST_US));
}

/* A Binding request of STUN, with attributes that are noise, or with none. */
static void make_stun(struct datagram *g)
{
	static const uint8_t head[8] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42};
	const size_t attributes = g->data[8] < 128 || g->len < STUN_HEADER_LEN
					  ? 0
					  : (g->len - STUN_HEADER_LEN) / 4u * 4;

	memcpy(g->data, head, sizeof(head));
	g->data[2] = (uint8_t)(attributes >> 8);
	g->data[3] = (uint8_t)attributes;
	g->len = (uint16_t)(STUN_HEADER_LEN + attributes);
	g->handshake = true; /* it may be answered */
}

/* Noise of any length, some of it in the shape of a connection datagram or of
 * STUN, some of which seems to come from a device. */
void stranger_garbage(struct sim *s)
{
	struct datagram g;
	mpp_addr from = stranger_addr(s);
	size_t i;

	memset(&g, 0, sizeof(g));
	g.to_service = true;
	g.broken = true; /* nothing of it may be taken */
	g.origin = ++s->origin;
	g.len = (uint16_t)rng_between(&s->stranger, 1, MPP_PACKET_MAX);
	for (i = 0; i < g.len; i++)
		g.data[i] = (uint8_t)rng_next(&s->stranger);
	if (rng_chance(&s->stranger, 500000) && g.len > 20) {
		g.handshake = true;
		memset(g.data, 0, 16);
		g.data[16] = (uint8_t)rng_below(&s->stranger, 6);
		g.data[17] = 1;
	} else if (g.data[0] < 128) {
		if (g.data[9] < 128)
			from = nat_seen(&s->d[g.data[10] % s->p.devices]);
		make_stun(&g);
	}
	s->n.garbage++;
	net_inject(s, &g, &from, 1);
	queue_set(&s->queue, TIMER_GARBAGE,
		  s->now + rng_wait(&s->stranger, s->p.garbage));
}
