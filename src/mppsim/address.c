/* SPDX-License-Identifier: MIT */
/* address.c - octets to those who have not proved their address.
 *
 * An address is proved when what the service sent there has reached a device,
 * and something that this device sent later was taken. Both are known here, so
 * neither side has to be believed. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "mppsim/sim.h"
#include "stun/stun.h"

enum { STUN_LONGER = 32 };

enum { UNPROVED_FACTOR = 3 };

static uint32_t hash(const mpp_addr *a)
{
	uint32_t h = (uint32_t)a->port * 2654435761u;
	unsigned i;

	for (i = 0; i < 4; i++)
		h = (h ^ a->ip[i]) * 16777619u;
	return h ^ h >> 15;
}

/* Its place, or a free one. */
static struct account_of_bytes *place(const struct sim *s, const mpp_addr *a)
{
	struct account_of_bytes *b;
	uint32_t h;

	for (h = hash(a);; h++) {
		b = &s->bytes[h & (s->bytes_cap - 1)];
		if (b->addr.family == 0 ||
		    (b->addr.port == a->port &&
		     memcmp(b->addr.ip, a->ip, sizeof(a->ip)) == 0))
			return b;
	}
}

static bool more_places(struct sim *s)
{
	struct account_of_bytes *old = s->bytes;
	const uint32_t n = s->bytes_cap;
	uint32_t i;

	s->bytes = calloc(2 * (size_t)n, sizeof(*old));
	if (s->bytes == NULL) {
		s->bytes = old;
		return false;
	}
	s->bytes_cap = 2 * n;
	for (i = 0; i < n; i++) {
		if (old[i].addr.family != 0)
			*place(s, &old[i].addr) = old[i];
	}
	free(old);
	return true;
}

static struct account_of_bytes *bytes_of(struct sim *s, const mpp_addr *a)
{
	struct account_of_bytes *b = place(s, a);

	if (b->addr.family != 0)
		return b;
	if (++s->bytes_n > s->bytes_cap / 2) {
		if (!more_places(s))
			sim_violation(s, "the simulator has no memory");
		b = place(s, a);
	}
	b->addr = *a;
	return b;
}

void check_bytes_forget(struct sim *s)
{
	uint32_t i;

	memset(s->bytes, 0, s->bytes_cap * sizeof(*s->bytes));
	s->bytes_n = 0;
	for (i = 0; i < s->p.devices; i++)
		s->d[i].n_unproved = 0;
}

void check_bytes_in(struct sim *s, const mpp_addr *from, size_t len,
		    bool authentic)
{
	struct account_of_bytes *b = bytes_of(s, from);

	b->in += len;
	b->authentic |= authentic;
}

void check_delivered(struct sim *s, struct sim_device *d, const mpp_addr *at)
{
	uint32_t i;

	if (bytes_of(s, at)->proved)
		return;
	for (i = 0; i < d->n_unproved; i++) {
		if (memcmp(&d->unproved[i].addr, at, sizeof(*at)) == 0)
			return;
	}
	if (d->n_unproved == SIM_UNPROVED) {
		memmove(&d->unproved[0], &d->unproved[1],
			(SIM_UNPROVED - 1) * sizeof(d->unproved[0]));
		d->n_unproved--;
	}
	d->unproved[d->n_unproved].addr = *at;
	d->unproved[d->n_unproved++].at = s->now;
}

void check_proved_by(struct sim *s, struct sim_device *d, uint64_t sent)
{
	uint32_t i, kept = 0;

	for (i = 0; i < d->n_unproved; i++) {
		if (d->unproved[i].at <= sent)
			bytes_of(s, &d->unproved[i].addr)->proved = true;
		else
			d->unproved[kept++] = d->unproved[i];
	}
	d->n_unproved = kept;
}

void check_bytes_out(struct sim *s, const mpp_addr *to, size_t len)
{
	struct account_of_bytes *b = bytes_of(s, to);
	const uint64_t factor = b->authentic ? UNPROVED_FACTOR : 1;

	b->out += len;
	if (!b->proved && b->out > factor * b->in)
		sim_violation(s,
			      "%" PRIu64 " octets sent to %u.%u.%u.%u:%u, from "
			      "where %" PRIu64 " came and nothing was proved",
			      b->out, b->addr.ip[0], b->addr.ip[1],
			      b->addr.ip[2], b->addr.ip[3], b->addr.port,
			      b->in);
}

void check_stun(struct sim *s, const struct datagram *g)
{
	const bool asked = stun_is((mpp_bytes){g->data, g->len});
	size_t i;

	for (i = 0; i < s->out.n; i++) {
		const mpp_datagram *m = &s->out.slots[i];

		if (!stun_is((mpp_bytes){m->data, m->len}))
			continue;
		s->n.stun++;
		if (!asked || s->out.n != 1 || m->len > g->len + STUN_LONGER ||
		    memcmp(&m->to, &g->addr, sizeof(m->to)) != 0)
			sim_violation(s, "STUN that nobody asked for, or that "
					 "is too long");
	}
	if (asked && s->out.n > 1)
		sim_violation(s, "a request of STUN had other consequences");
}
