/* SPDX-License-Identifier: MIT */
/* service_path.c - where a device is (docs/protocol.md section 8).
 *
 * A connection is found by its stream identifier, never by an address. The
 * newest packet of a device from a new address starts a trial: a challenge to
 * the new address and one to the old. An answer from the new one moves the
 * path there. An answer from the old one, or a newer packet from it, ends the
 * trial: then somebody only sends on what he has seen. Until it is proved a
 * new address gets at most three times what came from it, and publications
 * stay on the old path.
 *
 * A device that knows of its move says under which identifier it wants to be
 * reached there; until the address is proved that one stands in the trial. */
#include "role/service.h"

#include "base/mem.h"

enum { TRIAL_TRIES = 8 };

static bool same(const mpp_addr *a, const mpp_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static struct trial *trial_of(const struct mpp_service *s,
			      const struct binding *b)
{
	if (b->state == BINDING_INITIAL || b->side == NONE)
		return NULL;
	return trial_at(&s->state, b->side);
}

/* Somebody who kept an older packet back, to send it when the device has moved
 * on, would see the identifier of the new network in the answer. */
static bool is_answered(const struct binding *b, const struct incoming *in)
{
	return in->stream != NULL || in->index + 1 == b->rx_top;
}

size_t service_room(const struct mpp_service *s, const struct binding *b,
		    const mpp_addr *to, const struct incoming *in)
{
	const struct trial *t = trial_of(s, b);
	size_t room = UNPROVED_FACTOR * LEAST_PACKET;

	if (same(&b->path, to))
		return MPP_PACKET_SIZE;
	if (t != NULL && same(&t->to, to))
		room = UNPROVED_FACTOR * (size_t)t->in - t->out;
	else if (in != NULL)
		room = is_answered(b, in) ? UNPROVED_FACTOR * in->len : 0;
	return room < MPP_PACKET_SIZE ? room : MPP_PACKET_SIZE;
}

void service_path_sent(struct mpp_service *s, const struct binding *b,
		       const mpp_addr *to, size_t len)
{
	struct trial *t = trial_of(s, b);

	if (t != NULL && same(&t->to, to))
		t->out += (uint32_t)len;
}

bool service_path_is(const struct binding *b, const mpp_addr *a)
{
	return same(&b->path, a);
}

bool service_path_tries(const struct mpp_service *s, const struct binding *b,
			const mpp_addr *a)
{
	const struct trial *t = trial_of(s, b);

	return t != NULL && same(&t->to, a);
}

const mpp_addr *service_answer_to(const struct mpp_service *s,
				  const struct binding *b, const mpp_addr *from)
{
	return service_path_tries(s, b, from) ? from : &b->path;
}

const uint8_t *service_path_id(const struct mpp_service *s,
			       const struct binding *b, const mpp_addr *to,
			       const struct incoming *in)
{
	if (same(&b->path, to))
		return b->client_id;
	if (service_path_tries(s, b, to))
		return trial_of(s, b)->client_id;
	return in != NULL && in->stream != NULL ? in->stream : b->client_id;
}

void service_path_end(struct mpp_service *s, struct binding *b)
{
	if (trial_of(s, b) == NULL)
		return;
	pool_give(&s->state.trials, b->side);
	b->side = NONE;
}

/* ---- challenges ---- */

static void challenge(struct mpp_service *s, uint32_t slot, const uint8_t *data,
		      const mpp_addr *to, mpp_outbox *out)
{
	const struct binding *b = binding_at(&s->state, slot);
	struct outgoing o;
	struct wr w;

	if (to->family == 0 || service_room(s, b, to, NULL) < LEAST_PACKET ||
	    !service_begin(s, slot, out, false, &o))
		return;
	w = service_list(&o);
	ext_put(&w, EXT_PATH_CHALLENGE, data, CHALLENGE_LEN);
	service_list_end(&o, &w);
	if (service_finish(s, slot, &o, to, 0, NULL, out) != MPP_OK)
		s->count.send_errors++;
}

/* To the new address and to the old one. */
static void challenge_both(struct mpp_service *s, uint32_t slot,
			   mpp_instant now, mpp_outbox *out)
{
	struct binding *b = binding_at(&s->state, slot);
	struct trial *t = trial_at(&s->state, b->side);
	const struct rtt r = rtt_of(&b->rtt, RTT_AWAKE);

	challenge(s, slot, t->to_new, &t->to, out);
	challenge(s, slot, t->to_old, &b->path, out);
	t->next_us = now.mono.us + rtt_backoff_us(&r, t->tries++, FLAT_TRIES);
}

void service_path_due(struct mpp_service *s, uint32_t slot, mpp_instant now,
		      mpp_outbox *out)
{
	struct binding *b = binding_at(&s->state, slot);

	if (trial_at(&s->state, b->side)->tries < TRIAL_TRIES)
		challenge_both(s, slot, now, out);
	else
		service_path_end(s, b);
}

/* ---- trials ---- */

/* A fresh trial of this address, in place of one that is under way. False:
 * no room, no randomness: the device will notice and connect anew. */
static bool start(struct mpp_service *s, struct binding *b,
		  const struct incoming *in)
{
	struct trial *t;

	if (b->side == NONE)
		b->side = pool_take(&s->state.trials);
	if (b->side == NONE)
		return false;
	t = trial_at(&s->state, b->side);
	t->to = *in->from;
	memcpy(t->client_id, b->client_id, STREAM_ID_LEN);
	t->in = (uint32_t)in->len;
	t->out = 0;
	t->tries = 0;
	if (s->crypto.ops->random(s->crypto.ctx, t->to_new, CHALLENGE_LEN) ==
		    MPP_OK &&
	    s->crypto.ops->random(s->crypto.ctx, t->to_old, CHALLENGE_LEN) ==
		    MPP_OK)
		return true;
	service_path_end(s, b);
	return false;
}

/* The path moves: what was measured of the old one is forgotten, and what is
 * under way goes out again on the new one. */
static void move(struct mpp_service *s, struct binding *b)
{
	const struct trial *t = trial_at(&s->state, b->side);

	b->path = t->to;
	memcpy(b->client_id, t->client_id, STREAM_ID_LEN);
	service_path_end(s, b);
	/* No packet goes to two addresses under one sequence. */
	service_large_end(s, b);
	if (b->packets != PACKETS_SMALL)
		b->packets = PACKETS_ASK;
	b->rtt = (struct rtt_pair){{0}, {0}};
	b->tries = 0;
	b->flags &=
		(uint8_t) ~(BIND_IN_FLIGHT | BIND_HEADER_ACKED | BIND_REPLACED);
	if (service_behind(s, b))
		b->flags |= BIND_DUE;
	s->count.moved++;
}

/* An answer counts only from where its challenge went. */
static void take_response(struct mpp_service *s, struct binding *b,
			  const mpp_addr *from, mpp_bytes value)
{
	const struct trial *t = trial_of(s, b);

	if (t == NULL || value.len != CHALLENGE_LEN)
		return;
	if (same(from, &t->to) && mem_eq_ct(value.p, t->to_new, CHALLENGE_LEN))
		move(s, b);
	else if (same(from, &b->path) &&
		 mem_eq_ct(value.p, t->to_old, CHALLENGE_LEN))
		service_path_end(s, b);
}

/* Where this came from the device wants to be reached under its StreamId. */
static void take_stream(uint8_t *client_id, const struct incoming *in)
{
	if (in->stream != NULL)
		memcpy(client_id, in->stream, STREAM_ID_LEN);
}

void service_path_packet(struct mpp_service *s, const struct incoming *in,
			 mpp_bytes response, bool moves)
{
	struct binding *b = binding_at(&s->state, in->slot);
	struct trial *t;

	if (in->stream != NULL)
		b->flags |= BIND_REFILL;
	take_response(s, b, in->from, response);
	t = trial_of(s, b);
	if (t != NULL && same(&t->to, in->from))
		t->in += (uint32_t)in->len;
	if (in->index + 1 != b->rx_top)
		return; /* there is a newer one from elsewhere */
	if (same(&b->path, in->from)) {
		service_path_end(s, b);
		take_stream(b->client_id, in);
		return;
	}
	if (t != NULL && same(&t->to, in->from)) {
		take_stream(t->client_id, in);
	} else if (moves && start(s, b, in)) {
		take_stream(trial_at(&s->state, b->side)->client_id, in);
		challenge_both(s, in->slot, in->now, in->out);
	}
}
