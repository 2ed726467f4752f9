/* SPDX-License-Identifier: MIT */
/* linked.c - may somebody who watches two networks join what he sees there?
 *
 * Networks of a device are counted by the moves that it knows of. Each
 * identifier, of either direction, belongs to the network in which it was seen
 * first; what the service sends, to the network from which the device used
 * that address. */
#include <stdlib.h>
#include <string.h>

#include "mppsim/sim.h"

enum { ID = 16, REPLY_ID_AT = 20, CAP_MIN = 1024 };

struct identifier {
	uint8_t id[ID];
	uint32_t device; /* + 1; 0: free */
	uint32_t network;
};

struct linked {
	struct identifier *at;
	uint32_t cap, n;
};

static struct identifier *place(const struct linked *l, const uint8_t *id)
{
	struct identifier *e;
	uint32_t h;

	memcpy(&h, id, sizeof(h));
	for (;; h++) {
		e = &l->at[h & (l->cap - 1)];
		if (e->device == 0 || memcmp(e->id, id, ID) == 0)
			return e;
	}
}

static bool grow(struct linked *l)
{
	const struct linked old = *l;
	uint32_t i;

	l->cap = old.cap == 0 ? CAP_MIN : 2 * old.cap;
	l->at = calloc(l->cap, sizeof(*l->at));
	if (l->at == NULL) {
		*l = old;
		return false;
	}
	for (i = 0; i < old.cap; i++) {
		if (old.at[i].device != 0)
			*place(l, old.at[i].id) = old.at[i];
	}
	free(old.at);
	return true;
}

/* Note it. True: it was seen before. */
static bool see(struct sim *s, const struct sim_device *d, const uint8_t *id,
		uint32_t network)
{
	struct linked *l = s->linked;
	struct identifier *e;

	if (l->n >= l->cap / 2 && !grow(l)) {
		sim_violation(s, "the simulator has no memory");
		return false;
	}
	e = place(l, id);
	if (e->device == 0) {
		memcpy(e->id, id, ID);
		e->device = d->number + 1;
		e->network = network;
		l->n++;
		return false;
	}
	if (e->network != network || e->device != d->number + 1)
		sim_violation(s,
			      "device %u: an identifier of its network %u is "
			      "seen in network %u too",
			      d->number, e->network, network);
	return true;
}

mpp_err check_linked_init(struct sim *s)
{
	s->linked = calloc(1, sizeof(*s->linked));
	return s->linked != NULL ? MPP_OK : MPP_ERR_NOMEM;
}

void check_linked_free(struct sim *s)
{
	if (s->linked != NULL)
		free(s->linked->at);
	free(s->linked);
}

static bool same(const mpp_addr *a, const mpp_addr *b)
{
	return a->port == b->port && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

void check_sent(struct sim *s, struct sim_device *d, const struct datagram *g)
{
	const uint8_t *id = g->handshake ? g->data + REPLY_ID_AT : g->data;
	const bool seen = see(s, d, id, d->network);

	if (seen && !g->handshake && d->config.unlinkable)
		sim_violation(s,
			      "device %u is unlinkable and uses an "
			      "identifier twice",
			      d->number);
	if (same(&d->used[0].addr, &g->addr) &&
	    d->used[0].network == d->network)
		return;
	memmove(&d->used[1], &d->used[0], (SIM_USED - 1) * sizeof(d->used[0]));
	d->used[0].addr = g->addr;
	d->used[0].network = d->network;
}

/* The second to fourth octet of its addresses number the device. */
void check_answered(struct sim *s, const mpp_datagram *m)
{
	const uint32_t i = (uint32_t)m->to.ip[1] << 16 |
			   (uint32_t)m->to.ip[2] << 8 | m->to.ip[3];
	const struct sim_device *d = &s->d[i];
	unsigned k;

	if (i >= s->p.devices)
		return;
	for (k = 0; k < SIM_USED; k++) {
		if (d->used[k].addr.family != 0 &&
		    same(&d->used[k].addr, &m->to)) {
			(void)see(s, d, m->data, d->used[k].network);
			return;
		}
	}
}
