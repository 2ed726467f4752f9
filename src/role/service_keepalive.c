/* SPDX-License-Identifier: MIT */
/* service_keepalive.c - for how long a path lasts (docs/protocol.md section
 * 8). A NAT forgets a device that is silent, and mostly without a sign: the
 * mapping that it makes next looks the same. So a device that wants to know
 * asks for an answer so much later and is silent until then; and when a
 * publication had no answer until the device spoke by itself, it is told so. */
#include "role/service.h"

enum {
	LATE_ANSWERS = 3, /* until one is acknowledged */
	LOST_REPEATS = 3, /* a publication was sent so often again, */
	LOST_MS = 2000    /* and for so long, in vain */
};

/* ---- probes ---- */

bool service_probe_wait(struct mpp_service *s, const struct request *q)
{
	struct binding *b = binding_at(&s->state, q->in.slot);
	struct waiting_probe *p;

	/* Longer than the lease the device cannot be silent. */
	if (q->m->probe_ms == 0 || q->m->probe_ms > b->lease_ms ||
	    !service_has_path(b))
		return false;
	if (b->probe == NONE)
		b->probe = pool_take(&s->state.probes);
	if (b->probe == NONE)
		return false;
	p = probe_at(&s->state, b->probe);
	p->serial = (uint32_t)q->m->serial;
	p->index = q->in.index;
	p->due_us = q->in.now.mono.us + q->m->probe_ms * 1000;
	p->tries = 0;
	p->json = q->m->json;
	return true;
}

void service_probe_end(struct mpp_service *s, struct binding *b)
{
	if (b->probe == NONE)
		return;
	pool_give(&s->state.probes, b->probe);
	b->probe = NONE;
}

void service_probe_packet(struct mpp_service *s, struct binding *b,
			  uint64_t index)
{
	/* One that was only late on its way was sent before the silence. */
	if (b->probe != NONE && index > probe_at(&s->state, b->probe)->index)
		service_probe_end(s, b);
}

uint64_t service_probe_deadline(const struct mpp_service *s,
				const struct binding *b)
{
	return b->probe == NONE ? UINT64_MAX
				: probe_at(&s->state, b->probe)->due_us;
}

/* Like a publication it asks for an acknowledgement, and is sent again when
 * none comes: a datagram that is lost must not look like a dead path. */
static mpp_err send_late(struct mpp_service *s, uint32_t slot, mpp_instant now,
			 mpp_outbox *out)
{
	const struct binding *b = binding_at(&s->state, slot);
	const struct waiting_probe *p = probe_at(&s->state, b->probe);
	struct msg_common common =
		service_common(s, &b->path, now.wall, p->serial);
	struct outgoing o;

	if (!service_begin(s, slot, out, p->json, &o))
		return MPP_ERR_NOSPACE;
	msg_begin(&o.w, MSG_STATUS);
	msg_put_common(&o.w, &common);
	msg_end(&o.w);
	return service_finish(s, slot, &o, &b->path, FLAG_ACK_WANTED, NULL,
			      out);
}

void service_probe_due(struct mpp_service *s, uint32_t slot, mpp_instant now,
		       mpp_outbox *out)
{
	struct binding *b = binding_at(&s->state, slot);
	struct waiting_probe *p = probe_at(&s->state, b->probe);
	const struct rtt r = rtt_of(&b->rtt, RTT_AWAKE);

	if (p->tries == LATE_ANSWERS) {
		service_probe_end(s, b);
		return;
	}
	if (out->n == out->cap)
		return; /* the deadline stays: the host comes again */
	if (send_late(s, slot, now, out) != MPP_OK)
		s->count.send_errors++;
	else if (p->tries == 0)
		s->count.probes++;
	p->due_us = now.mono.us + rtt_backoff_us(&r, p->tries++, FLAT_TRIES);
}

/* ---- PathLost ---- */

uint32_t service_path_lost(const struct binding *b, const struct incoming *in)
{
	const uint32_t now_ms = ms_of(in->now.mono);
	uint32_t ago_ms, silent_ms;

	if (b->snapshot != NONE || (b->flags & BIND_IN_FLIGHT) == 0 ||
	    (b->flags & BIND_HEADER_ACKED) != 0 || b->tries < LOST_REPEATS ||
	    in->index + 1 != b->rx_top)
		return 0;
	ago_ms = (uint32_t)(service_sent_ago(b, b->tries, in) / 1000);
	silent_ms = now_ms - in->seen_ms;
	return ago_ms >= LOST_MS && ago_ms < silent_ms ? silent_ms - ago_ms : 0;
}

void service_put_lost(const struct mpp_service *s, struct request *q)
{
	struct wr w = service_list(&q->o);

	if (service_renew_due(s, binding_at(&s->state, q->in.slot)))
		ext_put(&w, EXT_RENEW, NULL, 0);
	ext_put_int(&w, EXT_PATH_LOST, q->lost_ms);
	service_list_end(&q->o, &w);
}
