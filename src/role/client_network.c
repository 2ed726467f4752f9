/* SPDX-License-Identifier: MIT */
/* client_network.c - what is remembered of networks. Contract: client.h,
 * mpp/client.h.
 *
 * A search takes up to an hour where leases are long, so what it found is kept
 * for the networks that were used last. An entry is where the next search in
 * that network begins, no more: the application may have read it from a file
 * that somebody else wrote, and the network may have changed. */
#include "role/client.h"

#include "base/mem.h"

enum { LEARNT_MAX_MS = 3600000 }; /* no lease is longer */

static bool is_known(const uint8_t network[MPP_NETWORK_LEN])
{
	return !mem_is_zero(network, MPP_NETWORK_LEN);
}

/* @return MPP_NETWORKS_MAX: there is none */
static unsigned find(const struct mpp_client *c,
		     const uint8_t network[MPP_NETWORK_LEN])
{
	unsigned i = 0;

	while (i < MPP_NETWORKS_MAX &&
	       memcmp(c->learnt[i].network, network, MPP_NETWORK_LEN) != 0)
		i++;
	return i;
}

/* Could a search have found that? */
static bool is_sound(const mpp_client_learnt *e)
{
	return is_known(e->network) && e->low_ms >= KEEPALIVE_START_MS &&
	       e->low_ms <= LEARNT_MAX_MS &&
	       (e->high_ms == 0 || e->high_ms > e->low_ms);
}

/* Put an entry first, in place of the one at `at`. */
static void put_first(struct mpp_client *c, unsigned at, mpp_client_learnt e)
{
	for (; at > 0; at--)
		c->learnt[at] = c->learnt[at - 1];
	c->learnt[0] = e;
	c->learnt_changed = true;
}

/* Begin in c->network. */
static void enter(struct mpp_client *c)
{
	const unsigned at = is_known(c->network) ? find(c, c->network)
						 : MPP_NETWORKS_MAX;

	if (at == MPP_NETWORKS_MAX) {
		keepalive_network(&c->keepalive, 0, 0);
		return;
	}
	if (at != 0)
		put_first(c, at, c->learnt[at]);
	keepalive_network(&c->keepalive, c->learnt[0].low_ms,
			  c->learnt[0].high_ms);
}

void client_network_init(struct mpp_client *c, const mpp_client_config *k)
{
	unsigned i, n = 0;

	for (i = 0; i < MPP_NETWORKS_MAX; i++) {
		if (is_sound(&k->learnt[i]) &&
		    find(c, k->learnt[i].network) == MPP_NETWORKS_MAX)
			c->learnt[n++] = k->learnt[i];
	}
	memcpy(c->network, k->network, MPP_NETWORK_LEN);
	enter(c);
}

/* What is known of this network, counting what was proved in an earlier stay
 * and neither asked again nor refuted yet: a shorter lease may forbid to ask. */
static mpp_client_learnt present(const struct mpp_client *c)
{
	const struct keepalive *k = &c->keepalive;
	mpp_client_learnt e = {
		.low_ms = k->low_ms > k->remembered_ms ? k->low_ms
						       : k->remembered_ms,
		.high_ms = k->high_ms,
	};

	memcpy(e.network, c->network, MPP_NETWORK_LEN);
	return e;
}

/* Keep what is known. ended: also when the search goes on. */
static void note(struct mpp_client *c, bool ended)
{
	const mpp_client_learnt e = present(c);
	unsigned at = find(c, c->network);
	const bool any = at < MPP_NETWORKS_MAX;

	if (!is_sound(&e) || c->keepalive.fixed_ms != 0)
		return;
	if (any ? memcmp(&c->learnt[at], &e, sizeof(e)) == 0
		: e.low_ms == KEEPALIVE_START_MS && e.high_ms == 0)
		return;
	/* What is kept and does not hold any more goes at once. */
	if (!ended && !keepalive_settled(&c->keepalive) &&
	    !(any && e.low_ms < c->learnt[at].low_ms))
		return;
	put_first(c, any ? at : MPP_NETWORKS_MAX - 1, e);
	c->want_save = true;
}

void client_network_note(struct mpp_client *c)
{
	note(c, false);
}

void client_network_moved(struct mpp_client *c)
{
	note(c, true);
	enter(c);
}

void mpp_client_network(mpp_client *c, const uint8_t network[MPP_NETWORK_LEN],
			mpp_instant now)
{
	(void)now;
	if (memcmp(c->network, network, MPP_NETWORK_LEN) == 0)
		return;
	note(c, true);
	memcpy(c->network, network, MPP_NETWORK_LEN);
	enter(c);
}

void client_network_save(struct mpp_client *c, mpp_client_event *ev)
{
	if (!c->learnt_changed)
		return;
	c->learnt_changed = false;
	memcpy(c->learnt_saved, c->learnt, sizeof(c->learnt_saved));
	ev->have_learnt = true;
	ev->learnt = c->learnt_saved;
}
