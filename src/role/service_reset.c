/* SPDX-License-Identifier: MIT */
/* service_reset.c - stateless reset (docs/protocol.md section 19).
 *
 * A data packet whose identifier names a slot that has no such connection any
 * more is answered with 16 to 24 random octets and the token that the
 * handshake gave for that stream. Only its client can tell this from noise,
 * and it is always shorter than what it answers. Identifiers that this
 * service did not make decrypt to no slot, so strangers get nothing. */
#include "role/service.h"

#include "base/bucket.h"

enum {
	RESET_MIN_IN = 64, /* shorter packets are not answered */
	RANDOM_MIN = 16,
	RANDOM_SPREAD = 9, /* 16..24 */
	INTERVAL_MS = 100, /* one in this time for each prefix, */
	BURST_MS = 2000,   /* as many at once as make up this time */
};

mpp_err service_reset_token(const struct mpp_service *s, struct stream st,
			    uint8_t out[RESET_TOKEN_LEN])
{
	uint8_t number[8], mac[64];
	const mpp_bytes part = {number, sizeof(number)};
	struct wr n = wr_init(number, sizeof(number));
	mpp_err err;

	wr_u32(&n, st.slot);
	wr_u32(&n, st.generation);
	err = s->crypto.ops->hmac(s->crypto.ctx, (mpp_bytes){s->reset_key, 32},
				  &part, 1, mac);
	memcpy(out, mac, RESET_TOKEN_LEN);
	return err;
}

static bool may_answer(struct mpp_service *s, const mpp_addr *to, mpp_time now)
{
	static const struct bucket bucket = {INTERVAL_MS, BURST_MS};

	return bucket_take(&bucket, &s->reset_spent_ms[service_prefix(s, to)],
			   ms_of(now));
}

/* Random octets that look like the identifier of a packet. */
static mpp_err put_noise(const struct mpp_service *s, struct wr *w)
{
	uint8_t noise[RANDOM_MIN + RANDOM_SPREAD];
	mpp_err err;

	do {
		err = s->crypto.ops->random(s->crypto.ctx, noise,
					    sizeof(noise));
	} while (err == MPP_OK && !streamid_usable(noise));
	if (err == MPP_OK)
		wr_raw(w, noise,
		       RANDOM_MIN + noise[RANDOM_MIN + RANDOM_SPREAD - 1] %
					    RANDOM_SPREAD);
	return err;
}

void service_reset(struct mpp_service *s, struct stream st, size_t len,
		   const mpp_addr *to, mpp_time now, mpp_outbox *out)
{
	const bool web = service_by_web(s);
	uint8_t token[RESET_TOKEN_LEN];
	struct wr w;

	/* Who has a TCP connection has proved his address. */
	if (len < RESET_MIN_IN || st.slot >= s->config.bindings ||
	    (!web && !may_answer(s, to, now)))
		return;
	if (!web && out->n == out->cap) {
		s->count.no_room++;
		return;
	}
	w = wr_init(web ? s->web.out->p : out->slots[out->n].data,
		    RESET_MIN_IN);
	if (put_noise(s, &w) != MPP_OK ||
	    service_reset_token(s, st, token) != MPP_OK) {
		s->count.send_errors++;
		return;
	}
	wr_raw(&w, token, sizeof(token));
	s->count.sent++;
	s->count.resets++;
	if (web) {
		s->web.out->len = w.n;
		return;
	}
	out->slots[out->n].to = *to;
	out->slots[out->n].len = (uint16_t)w.n;
	out->n++;
}
