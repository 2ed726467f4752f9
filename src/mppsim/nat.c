/* SPDX-License-Identifier: MIT */
/* nat.c - a NAT in front of each device: mappings, filters, and their end.
 *
 * Outside a device has two addresses, 100.x.y.z and 101.x.y.z, with the same
 * x.y.z as inside. A port outside is not given twice for a long time. */
#include "mppsim/sim.h"

enum { OUTSIDE = 100, FIRST_PORT = 2000, PORTS = 16000 };

static mpp_addr outside(const struct sim_device *d, const struct nat_map *m)
{
	mpp_addr a = d->addr;

	a.ip[0] = (uint8_t)(OUTSIDE + m->outside);
	a.port = m->port;
	return a;
}

void nat_new(struct sim *s, struct sim_device *d)
{
	struct nat *n = &d->nat;
	unsigned i;

	d->narrow = rng_chance(&s->nat, s->p.narrow);
	if (s->p.nat == NAT_NONE)
		return;
	n->kind = s->p.nat == NAT_RANDOM
			  ? (enum nat_kind)rng_below(&s->nat, NAT_RANDOM)
			  : (enum nat_kind)s->p.nat;
	n->timeout =
		rng_between(&s->nat, s->p.nat_timeout, s->p.nat_timeout_max);
	if (s->p.nat_steps != 0)
		n->timeout = keepalive_life(d);
	n->preserves = rng_chance(&s->nat, s->p.nat_preserve);
	n->incoming = rng_chance(&s->nat, s->p.nat_incoming);
	n->outside ^= 1;
	for (i = 0; i < REMOTES; i++)
		n->map[i].until = 0;
	sim_trace(s, "device %u: NAT %u, mappings live %llu s%s%s", d->number,
		  n->kind, (unsigned long long)(n->timeout / 1000000),
		  n->preserves ? ", keeps the port" : "",
		  n->incoming ? ", packets in count" : "");
}

static void open_map(struct sim *s, struct sim_device *d, struct nat_map *m)
{
	struct nat *n = &d->nat;

	m->outside = n->outside;
	m->sent_to = 0;
	if (n->preserves && m == &n->map[REMOTE_SERVICE])
		m->port = d->addr.port;
	else
		m->port = (uint16_t)(FIRST_PORT + n->next++ % PORTS);
	s->n.mappings++;
	sim_trace(s, "device %u is seen at port %u", d->number, m->port);
}

mpp_addr nat_out(struct sim *s, struct sim_device *d, enum remote to)
{
	struct nat *n = &d->nat;
	struct nat_map *m = &n->map[n->kind == NAT_SYMMETRIC ? to : 0];

	if (n->kind == NAT_NONE)
		return d->addr;
	if (m->until <= s->now)
		open_map(s, d, m);
	m->until = s->now + n->timeout;
	m->sent_to |= (uint8_t)(1u << to);
	return outside(d, m);
}

/* May this remote send to this mapping? */
static bool lets_in(const struct nat *n, const struct nat_map *m,
		    enum remote from)
{
	const uint8_t host = 1u << REMOTE_SERVICE | 1u << REMOTE_PORT;

	switch (n->kind) {
	case NAT_FULL:
		return true;
	case NAT_ADDRESS:
		if (from != REMOTE_OTHER)
			return (m->sent_to & host) != 0;
		return (m->sent_to >> from & 1) != 0;
	case NAT_PORT:
	case NAT_SYMMETRIC: /* its mapping has sent to one remote only */
		return (m->sent_to >> from & 1) != 0;
	case NAT_NONE:
	case NAT_RANDOM:
		break;
	}
	return false;
}

static struct nat_map *map_at(const struct sim *s, struct sim_device *d,
			      const mpp_addr *to)
{
	struct nat *n = &d->nat;
	unsigned i;

	for (i = 0; i < REMOTES; i++) {
		if (n->map[i].until > s->now && n->map[i].port == to->port &&
		    OUTSIDE + n->map[i].outside == to->ip[0])
			return &n->map[i];
	}
	return NULL;
}

bool nat_in(struct sim *s, struct sim_device *d, const mpp_addr *to,
	    enum remote from)
{
	struct nat_map *m;

	if (d->nat.kind == NAT_NONE)
		return to->ip[0] == d->addr.ip[0] && to->port == d->addr.port;
	m = map_at(s, d, to);
	if (m == NULL) {
		s->n.unmapped++;
		return false;
	}
	if (!lets_in(&d->nat, m, from) ||
	    (s->plant == PLANT_WALL && d->number == 0 &&
	     s->phase != PHASE_SETUP)) {
		s->n.filtered++;
		return false;
	}
	if (d->nat.incoming)
		m->until = s->now + d->nat.timeout;
	return true;
}

void nat_rebind(struct sim *s, struct sim_device *d)
{
	struct nat *n = &d->nat;
	unsigned i;

	if (n->kind == NAT_NONE)
		return;
	s->n.rebinds++;
	sim_trace(s, "device %u: the NAT forgets", d->number);
	if (!n->preserves)
		n->outside = (uint8_t)rng_below(&s->nat, 2);
	for (i = 0; i < REMOTES; i++)
		n->map[i].until = 0;
}

mpp_addr nat_seen(const struct sim_device *d)
{
	return d->nat.kind == NAT_NONE
		       ? d->addr
		       : outside(d, &d->nat.map[REMOTE_SERVICE]);
}
