/* SPDX-License-Identifier: MIT */
/* service_large.c - datagrams of several packets (docs/protocol.md sections 6
 * and 7).
 *
 * What does not fit one packet is written once into a snapshot, and goes to the
 * proved path only. Packets that are missing go again with the next sequence.
 * A snapshot ends when all of it was acknowledged, when newer state takes its
 * place, when the path moves, or when it leads nowhere; what the device lacks
 * is then sent under a new index. */
#include "role/service.h"

#include "base/mem.h"

enum {
	/* Timeouts in a row without any acknowledgement; from then on one
	 * packet at a time asks whether anybody is there. */
	LARGE_TRIES = 5,
};

bool service_large_begin(struct mpp_service *s, uint32_t slot,
			 struct outgoing *o, const mpp_json_writer *from)
{
	struct binding *b = binding_at(&s->state, slot);
	const size_t list = service_list_len(o);
	struct snapshot *n;

	if (b->state != BINDING_CONNECTED || b->tries >= LARGE_TRIES)
		return false;
	service_large_end(s, b);
	b->snapshot = pool_take(&s->state.snapshots);
	if (b->snapshot == NONE) {
		s->count.no_snapshot++;
		return false;
	}
	n = snapshot_at(&s->state, b->snapshot);
	n->d.len = DATAGRAM_MAX; /* for service_large_end(), until it is cut */
	/* The extension list, and the message as far as it goes. */
	memcpy(n->plain, o->packet + PACKET_HEAD, list + from->n);
	o->w = *from;
	o->w.p = n->plain + list;
	o->w.cap = DATAGRAM_MAX - list;
	o->large = true;
	return true;
}

/* Not one larger packet alone: that is what goes to see. */
static size_t piece_for(const struct binding *b, size_t len)
{
	return b->packets == PACKETS_LARGE && len > PACKET_PLAIN_LARGEST
		       ? PACKET_PLAIN_LARGEST
		       : PACKET_PLAIN_MAX;
}

mpp_err service_large_finish(struct mpp_service *s, uint32_t slot,
			     const struct outgoing *o,
			     const struct incoming *ack, uint32_t request)
{
	struct binding *b = binding_at(&s->state, slot);
	struct snapshot *n = snapshot_at(&s->state, b->snapshot);
	const size_t len = (size_t)(o->w.p - n->plain) + o->w.n;
	const size_t piece = piece_for(b, len);
	size_t padded;
	mpp_err err = mpp_json_finish(&o->w);

	if (err != MPP_OK) {
		service_large_end(s, b);
		return err;
	}
	padded = datagram_padded(len, service_quantum(b, o), piece);
	memset(n->plain + len, 0, padded - len);
	n->request = request;
	n->ack = ack != NULL;
	n->ack_index = ack != NULL ? (uint32_t)ack->index : 0;
	datagram_cut(&n->d, b->tx_next++, padded, piece,
		     b->rtt.smooth[RTT_AWAKE] != 0);
	s->count.large++;
	return MPP_OK;
}

/* The first datagram of several packets has arrived: would larger ones? An
 * empty datagram of that size goes to see. When it is lost nothing is, and the
 * path is not asked again; it is when something newer took its place. */
static void ask_path(struct mpp_service *s, struct binding *b)
{
	struct snapshot *n;

	if (b->packets != PACKETS_ASK)
		return;
	b->snapshot = pool_take(&s->state.snapshots);
	if (b->snapshot == NONE)
		return;
	n = snapshot_at(&s->state, b->snapshot);
	n->request = 0;
	n->ack = false;
	memset(n->plain, 0, PACKET_PLAIN_LARGEST);
	n->plain[0] = EXT_END;
	datagram_cut(&n->d, b->tx_next++, PACKET_PLAIN_LARGEST,
		     PACKET_PLAIN_LARGEST, true);
}

static bool asks_path(const struct snapshot *n)
{
	return n->d.count == 1;
}

/* Seal packet i into the outbox. */
static mpp_err send_packet(struct mpp_service *s, const struct binding *b,
			   struct snapshot *n, unsigned i, mpp_outbox *out)
{
	struct mpp_datagram *to = &out->slots[out->n];
	const struct datagram_piece piece = datagram_piece(&n->d, i);
	/* Counted before it is sealed: no sequence serves twice. */
	struct rud_header h = datagram_take(&n->d, i);
	mpp_err err;

	h.flags = FLAG_FINAL | FLAG_ACK_WANTED;
	if (n->ack) {
		h.flags |= FLAG_ACK;
		h.ack_index = n->ack_index;
		h.ack_bits = 1;
	}
	memcpy(to->data + PACKET_HEAD, n->plain + piece.at, piece.len);
	err = packet_seal(&s->crypto, &b->tx, b->client_id, &h, to->data,
			  piece.len);
	if (err != MPP_OK)
		return err;
	to->len = (uint16_t)(piece.len + PACKET_OVERHEAD);
	to->to = b->path;
	out->n++;
	s->count.sent++;
	s->count.packets_again += h.sequence != 0;
	return MPP_OK;
}

void service_large_send(struct mpp_service *s, uint32_t slot, mpp_instant now,
			mpp_outbox *out)
{
	struct binding *b = binding_at(&s->state, slot);
	struct snapshot *n = snapshot_at(&s->state, b->snapshot);
	int i;

	while (out->n < out->cap && (i = datagram_next(&n->d)) >= 0) {
		n->sent_us = (uint32_t)now.mono.us;
		if (send_packet(s, b, n, (unsigned)i, out) != MPP_OK)
			s->count.send_errors++;
	}
}

/* The receiver waits a little before it acknowledges a part. */
static uint64_t wait_us(const struct binding *b, uint64_t sent)
{
	const struct rtt r =
		rtt_of(&b->rtt, service_wakes(b->seen_ms, sent / 1000));

	return ACK_DELAY_US + (uint64_t)rtt_backoff_us(&r, b->tries, 0);
}

uint64_t service_large_deadline(const struct mpp_service *s,
				const struct binding *b, mpp_time now)
{
	const struct snapshot *n = snapshot_at(&s->state, b->snapshot);
	uint64_t sent = now.us - (uint32_t)((uint32_t)now.us - n->sent_us);

	if (datagram_next(&n->d) >= 0 || datagram_stuck(&n->d))
		return 0;
	return sent + wait_us(b, sent);
}

bool service_large_due(struct mpp_service *s, uint32_t slot, mpp_instant now,
		       mpp_outbox *out)
{
	struct binding *b = binding_at(&s->state, slot);
	struct snapshot *n = snapshot_at(&s->state, b->snapshot);

	if (datagram_next(&n->d) < 0 && !datagram_stuck(&n->d)) {
		if (asks_path(n)) {
			b->packets = PACKETS_ASKED;
			service_large_end(s, b);
			return true;
		}
		datagram_timeout(&n->d);
		b->tries++;
		s->count.repeats++;
	}
	if (b->tries >= LARGE_TRIES || datagram_stuck(&n->d)) {
		s->count.abandoned++;
		if (b->packets == PACKETS_LARGE)
			b->packets = PACKETS_ASKED;
		service_large_end(s, b);
		return false;
	}
	service_large_send(s, slot, now, out);
	return true;
}

bool service_large_names(const struct mpp_service *s, const struct binding *b,
			 uint32_t index)
{
	return b->snapshot != NONE &&
	       (uint32_t)snapshot_at(&s->state, b->snapshot)->d.index == index;
}

bool service_large_answers(const struct mpp_service *s, const struct binding *b,
			   uint64_t request)
{
	return b->snapshot != NONE &&
	       snapshot_at(&s->state, b->snapshot)->request == request;
}

/* A sample of a part tells of the receiver's waiting, too: better than none. */
bool service_large_acked(struct mpp_service *s, struct binding *b,
			 uint16_t bits, const struct incoming *in)
{
	struct snapshot *n = snapshot_at(&s->state, b->snapshot);
	const struct datagram_ack a = datagram_acked(&n->d, bits);
	const uint32_t took = (uint32_t)in->now.mono.us - n->sent_us;

	if (a.sample && (a.prompt || b->rtt.smooth[RTT_AWAKE] == 0)) {
		rtt_pair_sample(&b->rtt,
				service_wakes(in->seen_ms,
					      (in->now.mono.us - took) / 1000),
				took);
	}
	if (a.news)
		b->tries = 0;
	if (!a.all)
		return false;
	if (asks_path(n))
		b->packets = PACKETS_LARGE;
	service_large_end(s, b);
	ask_path(s, b);
	return true;
}

void service_large_heal(struct mpp_service *s, struct binding *b,
			mpp_instant now)
{
	struct snapshot *n = snapshot_at(&s->state, b->snapshot);
	uint32_t since = (uint32_t)now.mono.us - n->sent_us;

	if (!asks_path(n) && since >= ACK_DELAY_US + service_pto(b))
		datagram_timeout(&n->d);
}

void service_large_end(struct mpp_service *s, struct binding *b)
{
	struct snapshot *n;

	if (b->snapshot == NONE)
		return;
	n = snapshot_at(&s->state, b->snapshot);
	mem_wipe(n->plain, n->d.len); /* there may be a token in it */
	pool_give(&s->state.snapshots, b->snapshot);
	b->snapshot = NONE;
}
