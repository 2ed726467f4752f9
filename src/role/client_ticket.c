/* SPDX-License-Identifier: MIT */
/* client_ticket.c - a device's token (docs/protocol.md sections 5, 10). For
 * MPP_MODE_SUBSCRIBE:
 *
 *   NONE --a publication brings one--> STORED --an attempt is due--> USED
 *     ^        (saved)                           (erased, then sent)   |
 *     +---- answered, refused, not known, expired, two attempts -------+
 *
 * A token is used for one connection: it is erased from what the application
 * keeps before the first datagram with it goes out, so that no copy of the
 * state can use it again. When it does not help, the device key does.
 *
 * With MPP_MODE_ENROLL a token takes the place of an invitation: the service
 * does not know the device's key yet, so there is no other way in. It is kept
 * and used until the service has confirmed, or says that it is not good. */
#include "role/client.h"

#include "base/mem.h"

enum { TICKET_TRIES = 2 };

mpp_err client_ticket_init(struct mpp_client *c, const mpp_client_config *k)
{
	if (k->token.len > MPP_TOKEN_MAX)
		return MPP_ERR_INVALID;
	if (k->token.len == 0 ||
	    (c->mode != MPP_MODE_SUBSCRIBE && c->mode != MPP_MODE_ENROLL))
		return MPP_OK;
	memcpy(c->token, k->token.p, k->token.len);
	c->token_len = k->token.len;
	memcpy(c->token_secret, k->token_secret, sizeof(c->token_secret));
	c->token_state = CLIENT_TOKEN_STORED;
	return MPP_OK;
}

void client_ticket_drop(struct mpp_client *c)
{
	if (c->token_state != CLIENT_TOKEN_USED)
		return;
	mem_wipe(c->token, sizeof(c->token));
	mem_wipe(c->token_secret, sizeof(c->token_secret));
	c->token_len = 0;
	c->token_state = CLIENT_TOKEN_NONE;
	if (c->cookie_ticket)
		c->cookie_len = 0;
}

void client_ticket_connected(struct mpp_client *c)
{
	if (c->mode == MPP_MODE_SUBSCRIBE)
		client_ticket_drop(c);
}

bool client_ticket(struct mpp_client *c)
{
	if (c->token_state == CLIENT_TOKEN_STORED && !c->have_invitation) {
		c->token_state = CLIENT_TOKEN_USED;
		c->ticket_tries = 0;
		c->ticket_challenged = false;
		c->want_save = c->want_save || c->mode == MPP_MODE_SUBSCRIBE;
	}
	/* A Challenge, which anybody can forge, buys one attempt more. */
	if (c->mode == MPP_MODE_SUBSCRIBE &&
	    c->ticket_tries >= TICKET_TRIES + (c->ticket_challenged ? 1u : 0u))
		client_ticket_drop(c);
	return c->token_state == CLIENT_TOKEN_USED;
}

mpp_err client_ticket_start(struct mpp_client *c, struct noise *hs)
{
	const struct noise_setup setup = {
		.pattern = NOISE_NNPSK0,
		.suite = c->suite,
		.initiator = true,
		.psk = c->token_secret,
	};

	return noise_init(hs, &c->crypto, &setup);
}

void client_ticket_put(const struct mpp_client *c, struct wr *w)
{
	if (c->cookie_len != 0 && c->cookie_ticket)
		ext_put(w, EXT_CHALLENGE, c->cookie, c->cookie_len);
	ext_put(w, EXT_TOKEN, c->token, c->token_len);
}

void client_ticket_credential(const struct mpp_client *c, struct wr *w)
{
	const size_t len = mpp_dh_len(c->suite);
	uint8_t value[2 + MPP_DH_MAX];
	struct wr v = wr_init(value, sizeof(value));

	wr_int(&v, CREDENTIAL_RAW);
	wr_bytes(&v, c->device.pub, len);
	ext_put(w, EXT_CREDENTIAL, value, v.n);
}

/* A hint that anybody can forge: it costs this token and no more, and the
 * answer to the attempt is still waited for. */
void client_ticket_error(struct mpp_client *c, const struct attempt *a,
			 mpp_time now)
{
	struct rd r = rd_init(c->in.ext.v[EXT_CLOSE]);
	const uint64_t code = rd_int(&r);

	if (a->type != RUD_INIT_TICKET || r.err != MPP_OK ||
	    c->token_state != CLIENT_TOKEN_USED ||
	    (code != MPP_STATUS_UNAUTHENTIC && code != MPP_STATUS_EXPIRED &&
	     code != MPP_STATUS_FORBIDDEN))
		return;
	client_ticket_drop(c);
	c->attempt_at = now;
}

void client_ticket_keep(struct mpp_client *c)
{
	uint8_t secret[MPP_TOKEN_SECRET_LEN];
	mpp_buf token = {c->plain, MPP_TOKEN_MAX, 0};

	if (c->mode == MPP_MODE_SUBSCRIBE &&
	    msg_token(&c->msg, &token, secret) == MPP_OK) {
		memcpy(c->token, token.p, token.len);
		c->token_len = token.len;
		memcpy(c->token_secret, secret, sizeof(secret));
		c->token_state = CLIENT_TOKEN_STORED;
		c->want_save = true;
	}
	mem_wipe(secret, sizeof(secret));
	mem_wipe(c->plain, MPP_TOKEN_MAX);
}

void client_ticket_moved(struct mpp_client *c)
{
	/* One that enrols has no other way in. */
	if (c->mode == MPP_MODE_SUBSCRIBE && c->ticket_tries != 0)
		client_ticket_drop(c);
}

void client_ticket_revoked(struct mpp_client *c)
{
	if (c->token_state == CLIENT_TOKEN_NONE)
		return;
	c->token_state = CLIENT_TOKEN_USED;
	client_ticket_drop(c);
	c->want_save = true;
}

void client_ticket_save(struct mpp_client *c, mpp_client_event *ev)
{
	ev->have_token = c->mode == MPP_MODE_SUBSCRIBE;
	if (c->token_state != CLIENT_TOKEN_STORED)
		return;
	/* A copy: the next one may come while this is being written. */
	memcpy(c->token_saved, c->token, c->token_len);
	ev->token = (mpp_bytes){c->token_saved, c->token_len};
	memcpy(ev->token_secret, c->token_secret, sizeof(ev->token_secret));
}
