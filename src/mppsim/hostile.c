/* SPDX-License-Identifier: MIT */
/* hostile.c - somebody on the way between a device and the service. He has no
 * keys, but sees every datagram and may stop it: he keeps first packets back,
 * answers them himself, or takes over a path. */
#include <string.h>

#include "mppsim/sim.h"

enum {
	REPLY_ID_AT = 20, /* zero[16], type, version, suite, length */
	REPLY_ID = 16,
	WITHHELD_US = 300000000,
	RESET_LEN = 40,
	HIS = 102, /* addresses, with the device's x.y.z */
	HIS_PORT = 99,
};

static uint8_t *random_to(struct sim *s, uint8_t *p, size_t n)
{
	while (n-- > 0)
		*p++ = (uint8_t)rng_next(&s->hostile);
	return p;
}

static uint8_t *head(struct datagram *g, const struct datagram *to,
		     uint8_t type)
{
	uint8_t *p = g->data;

	memcpy(p, to->data + REPLY_ID_AT, REPLY_ID);
	p += REPLY_ID;
	*p++ = type;
	*p++ = 1; /* version */
	*p++ = 1; /* suite */
	g->handshake = true;
	return p;
}

/* "403", "410", or anything near them. */
static uint8_t *put_error(struct sim *s, uint8_t *p)
{
	static const char text[] = "your account was closed, do not come back";
	const size_t n = sizeof(text) - 1;

	*p++ = 128 + 17; /* Close: code, text */
	*p++ = (uint8_t)(2 + 1 + n);
	*p++ = 0x41; /* an int of two octets: 256 and more */
	*p++ = (uint8_t)(144 + rng_below(&s->hostile, 11));
	*p++ = (uint8_t)n;
	p = (uint8_t *)memcpy(p, text, n) + n;
	*p++ = 255;
	*p++ = 0;
	return p;
}

/* His own key, or the service's; and a cookie that the service never made. */
static uint8_t *put_challenge(struct sim *s, uint8_t *p)
{
	*p++ = 128 + 1;
	*p++ = 1;
	*p++ = 1;
	*p++ = 128 + 3;
	*p++ = 33;
	*p++ = 1;
	if (rng_chance(&s->hostile, 500000))
		p = random_to(s, p, 32);
	else
		p = (uint8_t *)memcpy(p, s->service_key, 32) + 32;
	*p++ = 128 + 4;
	*p++ = 20;
	p = random_to(s, p, 20);
	*p++ = 255;
	*p++ = 0;
	return p;
}

static uint8_t *put_complete(struct sim *s, uint8_t *p)
{
	*p++ = 255;
	*p++ = 0x40; /* 200 octets */
	*p++ = 200;
	return random_to(s, p, 200);
}

static uint8_t *answer_first(struct sim *s, struct datagram *g,
			     const struct datagram *to)
{
	switch (rng_below(&s->hostile, 3)) {
	case 0:
		return put_error(s, head(g, to, 0));
	case 1:
		return put_challenge(s, head(g, to, 2));
	default:
		return put_complete(s, head(g, to, 3));
	}
}

/* In the shape of a reset, or of a packet of the device's connection. */
static uint8_t *answer_data(struct sim *s, struct datagram *g,
			    const struct sim_device *d)
{
	uint8_t *p = g->data;

	if (rng_chance(&s->hostile, 500000))
		return random_to(s, p, RESET_LEN);
	memcpy(p, d->stream, sizeof(d->stream));
	return random_to(s, p + sizeof(d->stream),
			 rng_between(&s->hostile, 80, 1100));
}

/* It seems to come from the service, or else only NATs of some kinds let it
 * in. It may be quicker than the true answer. */
static void forge(struct sim *s, struct sim_device *d,
		  const struct datagram *seen)
{
	struct datagram g;

	memset(&g, 0, offsetof(struct datagram, data));
	g.device = d->number;
	g.foreign = g.forged = g.broken = true;
	g.origin = ++s->origin;
	g.addr = nat_seen(d);
	g.remote = (enum remote)rng_below(&s->hostile, 2 * REMOTES);
	if (g.remote >= REMOTES)
		g.remote = REMOTE_SERVICE;
	g.len = (uint16_t)((seen->handshake ? answer_first(s, &g, seen)
					    : answer_data(s, &g, d)) -
			   g.data);
	net_forge(s, &g, 1 + rng_below(&s->hostile, 3 * d->delay + 1));
}

/* A part of it is his own; so it is a packet of the same connection, often of
 * the same datagram, which is not authentic. */
static void change(struct sim *s, struct datagram *g)
{
	const size_t id = sizeof(s->d[0].stream), head = 2 * id;

	switch (rng_below(&s->hostile, 4)) {
	case 0:
		g->data[rng_between(&s->hostile, id, g->len - 1u)] ^= 1;
		break;
	case 1:
		random_to(s, g->data + id, id);
		break;
	case 2:
		random_to(s, g->data + head, g->len - head);
		break;
	default:
		g->len = (uint16_t)rng_between(&s->hostile, head + id,
					       g->len - 1u);
		break;
	}
}

void hostile_copies(struct sim *s, const struct sim_device *d,
		    const struct datagram *seen)
{
	struct datagram g;

	if (s->phase != PHASE_RUN || seen->handshake || seen->len <= 64 ||
	    !rng_chance(&s->hostile, s->p.fragments))
		return;
	memcpy(&g, seen, offsetof(struct datagram, data) + seen->len);
	g.foreign = g.forged = g.broken = true;
	g.origin = ++s->origin;
	change(s, &g);
	net_forge(s, &g, 1 + rng_below(&s->hostile, 3 * d->delay + 1));
}

mpp_addr hostile_addr(const struct sim_device *d)
{
	mpp_addr a = d->addr;

	a.ip[0] = HIS;
	a.port = HIS_PORT;
	return a;
}

struct sim_device *hostile_returns(struct sim *s, const mpp_addr *a)
{
	const uint32_t i = (uint32_t)a->ip[1] << 16 | (uint32_t)a->ip[2] << 8 |
			   a->ip[3];

	if (a->ip[0] != HIS || i >= s->p.devices || !s->d[i].detour ||
	    !s->d[i].returns)
		return NULL;
	s->n.returned++;
	return &s->d[i];
}

bool hostile_sees(struct sim *s, struct sim_device *d, struct datagram *g)
{
	const bool enrols = s->phase == PHASE_SETUP;

	if (rng_chance(&s->hostile, enrols ? s->p.forge_enrol : s->p.forge))
		forge(s, d, g);
	if (enrols)
		return false;
	if (s->p.flood != 0 && g->handshake)
		flood_overhears(s, g);
	if (g->handshake && rng_chance(&s->hostile, s->p.withhold)) {
		s->n.withheld++;
		g->origin = ++s->origin;
		sim_trace(s, "device %u -> kept back", d->number);
		net_inject(s, g, &g->addr,
			   1 + rng_below(&s->hostile, WITHHELD_US));
		return true;
	}
	if (d->detour) {
		s->n.hijacked++;
		g->foreign = true;
		g->addr = hostile_addr(d);
	}
	return false;
}
