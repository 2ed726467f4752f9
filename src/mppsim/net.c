/* SPDX-License-Identifier: MIT */
/* net.c - the network between the devices and the service. */
#include <stdlib.h>
#include <string.h>

#include "mppsim/sim.h"
#include "stun/stun.h"

enum { FIRST_PORT = 20000, PORTS = 40000 };
#define NO_SLOT SIM_NO_SLOT

/* 10.x.y.z names the device, the port how often it has moved. */
mpp_addr net_device_addr(const struct sim_device *d)
{
	mpp_addr a = {.family = 4};

	a.ip[0] = 10;
	a.ip[1] = (uint8_t)(d->number >> 16);
	a.ip[2] = (uint8_t)(d->number >> 8);
	a.ip[3] = (uint8_t)d->number;
	a.port = (uint16_t)(FIRST_PORT + d->moves % PORTS);
	return a;
}

/* Who is reached at an address now; NULL: nobody. A NAT says only when
 * something arrives whether it knows the address. */
static struct sim_device *device_at(struct sim *s, const mpp_addr *a)
{
	const uint32_t i = (uint32_t)a->ip[1] << 16 | (uint32_t)a->ip[2] << 8 |
			   a->ip[3];

	if (a->ip[0] != 10 && a->ip[0] != 100 && a->ip[0] != 101)
		return NULL;
	if (i >= s->p.devices ||
	    (s->d[i].nat.kind == NAT_NONE && s->d[i].addr.port != a->port))
		return NULL;
	return &s->d[i];
}

/* ---- datagrams on their way ---- */

static uint32_t first_id(const struct sim *s)
{
	return sim_timer((uint32_t)s->p.devices, DEVICE_CLIENT);
}

static bool more_slots(struct sim *s)
{
	const uint32_t cap = s->g_cap == 0 ? 1024 : s->g_cap * 2;
	struct datagram *g = realloc(s->g, cap * sizeof(*g));

	if (g == NULL)
		return false;
	s->g = g;
	s->g_cap = cap;
	return queue_reserve(&s->queue, first_id(s) + cap) == MPP_OK;
}

static uint32_t take_slot(struct sim *s)
{
	uint32_t i = s->g_free;

	if (i != NO_SLOT) {
		s->g_free = s->g[i].next;
		return i;
	}
	if (s->g_n == s->g_cap && !more_slots(s)) {
		sim_violation(s, "the simulator has no memory");
		return NO_SLOT;
	}
	return s->g_n++;
}

/* Most are much shorter than the room for them. */
static void copy_datagram(struct datagram *to, const struct datagram *from)
{
	memcpy(to, from, offsetof(struct datagram, data) + from->len);
}

static void give_slot(struct sim *s, uint32_t i)
{
	s->g[i].next = s->g_free;
	s->g_free = i;
}

/* ---- what a link does ---- */

/* Gilbert-Elliott: times in which everything is lost take turns with times in
 * which nothing is. */
static bool loses(struct sim *s, struct sim_device *d, bool to_service)
{
	const uint64_t p = s->p.loss;
	struct sim_burst *b = &d->burst[to_service];

	if (p == 0 || p == 1000000 || s->p.burst == 0)
		return rng_chance(&s->net, p);
	if (b->until == 0)
		b->until = s->now;
	while (b->until <= s->now) {
		b->bad = !b->bad;
		b->until += rng_wait(&s->net,
				     b->bad ? s->p.burst
					    : s->p.burst * (1000000 - p) / p);
	}
	return b->bad;
}

static uint64_t arrival(struct sim *s, const struct sim_device *d)
{
	uint64_t at = s->now + d->delay + rng_below(&s->net, s->p.jitter + 1);

	if (rng_chance(&s->net, s->p.reorder)) {
		at += rng_below(&s->net, s->p.late + 1);
		s->n.reordered++;
	}
	return at;
}

static void fly(struct sim *s, const struct datagram *g, uint64_t at)
{
	const uint32_t i = take_slot(s);
	struct datagram *to;

	if (i == NO_SLOT)
		return;
	to = &s->g[i];
	copy_datagram(to, g);
	if (rng_chance(&s->net, s->p.corrupt)) {
		to->data[rng_below(&s->net, to->len)] ^=
			(uint8_t)(1u << rng_below(&s->net, 8));
		to->broken = true;
		s->n.corrupted++;
	}
	queue_set(&s->queue, first_id(s) + i, at);
}

static void carry(struct sim *s, struct sim_device *d, struct datagram *g)
{
	s->n.datagrams++;
	s->n.bytes += g->len;
	g->origin = ++s->origin;
	sim_digest(s, (uint64_t)g->len << 32 | d->number << 1 | g->to_service);
	if (loses(s, d, g->to_service) ||
	    (d->narrow && g->len > MPP_PACKET_SIZE)) {
		s->n.lost++;
		sim_trace(s, "device %u %s %u octets: lost", d->number,
			  g->to_service ? "->" : "<-", g->len);
		return;
	}
	sim_trace(s, "device %u %s %u octets", d->number,
		  g->to_service ? "->" : "<-", g->len);
	fly(s, g, arrival(s, d));
	if (rng_chance(&s->net, s->p.duplicate)) {
		s->n.duplicated++;
		g->copy = true;
		fly(s, g, arrival(s, d) + rng_below(&s->net, s->p.late + 1));
	}
}

/* ---- from both ends ---- */

static void fill(const struct sim *s, struct datagram *g,
		 const struct sim_device *d, mpp_bytes data)
{
	memset(g, 0, offsetof(struct datagram, data));
	g->device = d->number;
	g->sent = s->now;
	g->len = (uint16_t)data.len;
	memcpy(g->data, data.p, data.len);
}

/* The first attempt of a device that has lost the service. */
static void comes_back(struct sim *s, struct sim_device *d)
{
	const uint64_t wait = s->now - d->lost_at;

	d->lost_at = 0;
	s->back_max = wait > s->back_max ? wait : s->back_max;
	if (s->now / 1000000 != s->back_second)
		s->back_n = 0;
	s->back_second = s->now / 1000000;
	if (++s->back_n > s->back_peak)
		s->back_peak = s->back_n;
}

void net_from_device(struct sim *s, struct sim_device *d, mpp_bytes data)
{
	static const uint8_t zero[16];
	struct datagram g;

	d->spoke = s->now;
	token_sent(s, d, data);
	if (data.p[0] == 0 && d->lost_at != 0)
		comes_back(s, d);
	if (!net_up(d)) {
		s->n.unreachable++;
		return;
	}
	fill(s, &g, d, data);
	g.to_service = true;
	g.addr = nat_out(s, d, REMOTE_SERVICE);
	g.handshake = data.len >= sizeof(zero) &&
		      memcmp(data.p, zero, sizeof(zero)) == 0;
	check_sent(s, d, &g);
	if (s->phase == PHASE_RUN && rng_chance(&s->stranger, s->p.hijack)) {
		s->n.hijacked++;
		g.foreign = true;
		g.addr = stranger_addr(s);
	}
	if (s->phase <= PHASE_RUN && hostile_sees(s, d, &g))
		return;
	carry(s, d, &g);
	if (s->phase == PHASE_RUN)
		stranger_sees(s, &g);
}

static void send_one(struct sim *s, const mpp_datagram *m, bool handshake)
{
	struct sim_device *d = device_at(s, &m->to);
	const bool returns = d == NULL &&
			     (d = hostile_returns(s, &m->to)) != NULL;
	struct datagram g;

	if (!stun_is((mpp_bytes){m->data, m->len})) {
		check_bytes_out(s, &m->to, m->len);
		check_answered(s, m);
	}
	if (d == NULL || !net_up(d)) {
		s->n.unreachable++;
		return;
	}
	fill(s, &g, d, (mpp_bytes){m->data, m->len});
	g.at = m->to;
	g.addr = returns ? nat_seen(d) : m->to;
	g.handshake = handshake;
	if (!handshake)
		memcpy(d->stream, m->data, sizeof(d->stream));
	hostile_copies(s, d, &g);
	carry(s, d, &g);
}

void net_from_service(struct sim *s, bool handshake)
{
	const unsigned times = s->plant == PLANT_AMPLIFY ? 16 : 1;
	size_t i;
	unsigned k;

	for (i = 0; i < s->out.n; i++) {
		for (k = 0; k < times; k++)
			send_one(s, &s->out.slots[i], handshake);
	}
	s->out.n = 0;
}

void net_inject(struct sim *s, const struct datagram *g, const mpp_addr *from,
		uint64_t after)
{
	struct datagram copy;

	copy_datagram(&copy, g);
	copy.foreign = true;
	copy.copy = true;
	copy.addr = *from;
	s->n.datagrams++;
	s->n.bytes += g->len;
	fly(s, &copy, s->now + after);
}

void net_forge(struct sim *s, const struct datagram *g, uint64_t after)
{
	s->n.datagrams++;
	s->n.bytes += g->len;
	s->n.forged++;
	fly(s, g, s->now + after);
}

static bool hears(struct sim *s, struct sim_device *d, const struct datagram *g)
{
	if (!net_up(d) || d->client == NULL ||
	    (s->plant == PLANT_DEAF && d->number == 0 &&
	     s->phase != PHASE_SETUP))
		return false;
	return nat_in(s, d, &g->addr, g->remote);
}

void net_arrive(struct sim *s, uint32_t id)
{
	const uint32_t i = id - first_id(s);
	struct datagram g;
	struct sim_device *d;

	copy_datagram(&g, &s->g[i]);
	d = &s->d[g.device];
	give_slot(s, i);
	if (g.to_service) {
		if (s->service != NULL)
			host_receive(s, &g);
		else
			s->n.unreachable++;
		return;
	}
	if (hears(s, d, &g))
		device_receive(s, d, &g);
	else
		s->n.unreachable++;
}
