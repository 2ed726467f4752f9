/* SPDX-License-Identifier: MIT */
/* client_stream.c - identifiers of a connection, and another network
 * (docs/protocol.md sections 4 and 8).
 *
 * No identifier, of either direction, is used in two networks: after a move
 * the first packet names a fresh one of ours under a fresh one of the
 * service's. Our own is named until identifiers come under it, which the
 * service sends to a proved address only. An unlinkable client does so with
 * every packet. */
#include "role/client.h"

#include "base/mem.h"

enum { PUT_LEN = 2 + STREAM_ID_LEN }; /* tag, length, value */

static mpp_err fresh_id(const struct mpp_client *c, uint8_t id[STREAM_ID_LEN])
{
	mpp_err err;

	do {
		err = c->crypto.ops->random(c->crypto.ctx, id, STREAM_ID_LEN);
	} while (err == MPP_OK && !streamid_usable(id));
	return err;
}

static void add_id(struct link *l, const uint8_t id[STREAM_ID_LEN])
{
	memmove(l->client_ids[1], l->client_ids[0],
		(CLIENT_IDS - 1) * sizeof(l->client_ids[0]));
	memcpy(l->client_ids[0], id, STREAM_ID_LEN);
	if (l->n_ids < CLIENT_IDS)
		l->n_ids++;
	if (l->n_here < CLIENT_IDS)
		l->n_here++;
}

static void fill_stock(struct link *l, mpp_bytes ids)
{
	for (; ids.len >= STREAM_ID_LEN && l->n_stock < STOCK;
	     ids.p += STREAM_ID_LEN, ids.len -= STREAM_ID_LEN) {
		if (streamid_usable(ids.p))
			memcpy(l->stock[l->n_stock++], ids.p, STREAM_ID_LEN);
	}
}

/* Oldest first. */
static void take_stock(struct link *l)
{
	memcpy(l->service_id, l->stock[0], STREAM_ID_LEN);
	l->n_stock--;
	memmove(l->stock[0], l->stock[1], l->n_stock * sizeof(l->stock[0]));
}

void client_stream_begin(const struct mpp_client *c, struct link *l,
			 const uint8_t client_id[STREAM_ID_LEN], mpp_bytes ids)
{
	add_id(l, client_id);
	fill_stock(l, ids);
	if (!c->unlinkable && l->n_stock != 0)
		take_stock(l);
	l->tell = l->n_stock == 0; /* for one to spare */
}

unsigned client_stream_find(const struct link *l, const uint8_t *id)
{
	unsigned i = 0;

	while (i < l->n_ids && memcmp(l->client_ids[i], id, STREAM_ID_LEN) != 0)
		i++;
	return i < l->n_ids ? i : CLIENT_IDS;
}

void client_stream_heard(struct link *l, unsigned place, mpp_bytes ids)
{
	if (ids.len == STREAM_ID_LEN || ids.len == 2 * STREAM_ID_LEN)
		fill_stock(l, ids);
	else
		ids.len = 0;
	if (place >= l->n_here)
		return;
	l->full = false;
	l->n_ids = l->n_here;
	if (ids.len != 0)
		l->tell = false;
}

bool client_stream_spent(const struct mpp_client *c, const struct link *l)
{
	return c->unlinkable && l->n_stock == 0;
}

static mpp_err renew(struct mpp_client *c, struct link *l)
{
	uint8_t id[STREAM_ID_LEN];
	mpp_err err = l->n_stock == 0 ? MPP_ERR_STATE : fresh_id(c, id);

	if (err != MPP_OK)
		return err;
	add_id(l, id);
	take_stock(l);
	return MPP_OK;
}

/* One of the service's, that no packet over UDP will have; nor had, if there is
 * such a one. */
static void one_for_web(struct link *l)
{
	if (mem_is_zero(l->web_id, STREAM_ID_LEN)) {
		if (l->n_stock != 0)
			take_stock(l);
		memcpy(l->web_id, l->service_id, STREAM_ID_LEN);
	}
	memcpy(l->service_id, l->web_id, STREAM_ID_LEN);
}

mpp_err client_stream_put(struct mpp_client *c, struct link *l, uint8_t *plain,
			  size_t *len)
{
	const bool inside = c->unlinkable && c->web.here;
	struct wr w = wr_init(plain, PUT_LEN);
	mpp_err err = MPP_OK;

	/* Nobody sees an identifier inside TLS: one serves all the time, and
	 * answers bring those that UDP will need. */
	if (inside)
		one_for_web(l);
	else if (c->unlinkable)
		err = renew(c, l);
	if (err != MPP_OK ||
	    (inside ? l->n_stock > STOCK / 2 : !c->unlinkable && !l->tell))
		return err;
	if (*len + PUT_LEN > PACKET_PLAIN_MAX)
		return inside ? MPP_OK : MPP_ERR_NOSPACE;
	memmove(plain + PUT_LEN, plain, *len);
	ext_put(&w, EXT_STREAM_ID, l->client_ids[0], STREAM_ID_LEN);
	*len += PUT_LEN;
	return w.err;
}

/* ---- another network ---- */

/* False: there are no identifiers for it. */
static bool take_along(struct mpp_client *c, struct link *l, mpp_time now)
{
	struct request_slot *r = &c->requests[0];

	l->n_here = 0;
	if (c->unlinkable ? client_stream_spent(c, l) : renew(c, l) != MPP_OK)
		return false;
	l->tell = l->full = l->announce = true;
	l->rtt = (struct rtt){0, 0};
	/* They came elsewhere, and have to be answered there. */
	l->n_challenges = 0;
	l->challenged.us = l->elsewhere.us = 0;
	if (r->type == MSG_NONE)
		(void)client_queue(c, MSG_HEARTBEAT);
	r->probe_ms = 0; /* to be answered at once */
	r->tries = 0;
	r->first = now;
	return true;
}

void mpp_client_moved(mpp_client *c, mpp_instant now)
{
	struct link *l = link_cur(c);
	const bool along = client_serving(c) && take_along(c, l, now.mono);

	client_network_moved(c);
	client_web_moved(c, along, now.mono);
	c->not_before.us = 0; /* it may not be the service that was gone */
	if (c->state == CLIENT_IDLE || c->state == CLIENT_DONE ||
	    (along && c->state == CLIENT_CONNECTED))
		return;
	if (!along) { /* then it must not speak here */
		mem_wipe(l, sizeof(*l));
		c->renewing = false;
	}
	client_ticket_moved(c);
	client_restart_next(c, now.mono);
}
