/* SPDX-License-Identifier: MIT */
/* service_minter.c - token keys: the service's own, which is number 0, and
 * those of others (docs/protocol.md section 10).
 *
 * Whoever has another key mints without asking; so what its tokens may say has
 * bounds, which are looked at whenever one is opened, not when it is minted.
 * The number of the key is kept with the connection, so that all that came by
 * it can be ended. */
#include "role/service.h"

#include "base/mem.h"
#include "presence/pattern.h"

enum { MINT_LIFE_MAX_S = 31536000 };

/* ---- which key ---- */

bool service_minter_on(const struct mpp_service *s, unsigned number)
{
	return s->state.token_marks[number].on;
}

static void set(struct mpp_service *s, unsigned number,
		const mpp_token_minter *m)
{
	struct token_mark *mark = &s->state.token_marks[number];

	s->minters[number] = *m;
	mark->on = !mem_is_zero(m->key.key, sizeof(m->key.key));
	memcpy(mark->id, m->key.id, sizeof(mark->id));
}

void service_minter_own(struct mpp_service *s, const mpp_token_key *key)
{
	const mpp_token_minter own = {
		.key = *key,
		.rights = MPP_RIGHTS_ALL,
		.life_s = s->config.token_life_s,
	};

	set(s, 0, &own);
}

static unsigned find(const struct mpp_service *s,
		     const uint8_t id[MPP_TOKEN_KEY_ID_LEN])
{
	const struct token_mark *mark = s->state.token_marks;
	unsigned i = 0;

	while (i < TOKEN_KEYS &&
	       (!mark[i].on || memcmp(mark[i].id, id, sizeof(mark[i].id)) != 0))
		i++;
	return i;
}

unsigned service_minter_find(const struct mpp_service *s, mpp_bytes token)
{
	return token.len < MPP_TOKEN_KEY_ID_LEN ? TOKEN_KEYS : find(s, token.p);
}

/* ---- what it may say ---- */

bool service_minter_allows(const struct mpp_service *s, unsigned number,
			   const mpp_token_claims *k, mpp_wall now)
{
	const mpp_token_minter *m = &s->minters[number];
	uint8_t name[MPP_ACCOUNT_MAX];

	if (number == 0)
		return true;
	/* One from the future would outlive a mark of today. */
	return account_canonical(k->account, name) == MPP_OK &&
	       patterns_cover(m->accounts, (mpp_bytes){name, k->account.len}) &&
	       (k->rights & ~m->rights) == 0 &&
	       k->expires_ms - k->issued_ms <= (uint64_t)m->life_s * 1000 &&
	       k->issued_ms <= now.us / 1000 + TOKEN_LEEWAY_MS;
}

mpp_err mpp_service_minter_add(mpp_service *s, const mpp_token_minter *m)
{
	mpp_bytes list = m->accounts, pattern;
	unsigned n = 1;

	if (s->loaded)
		return MPP_ERR_STATE;
	if (mem_is_zero(m->key.key, sizeof(m->key.key)) || m->life_s == 0 ||
	    (m->rights & ~(unsigned)MPP_RIGHTS_ALL) != 0)
		return MPP_ERR_INVALID;
	while ((pattern = pattern_next(&list)).len != 0) {
		if (!pattern_possible(pattern))
			return MPP_ERR_INVALID;
	}
	if (find(s, m->key.id) < TOKEN_KEYS)
		return MPP_ERR_EXISTS;
	while (n < TOKEN_KEYS && service_minter_on(s, n))
		n++;
	if (n == TOKEN_KEYS)
		return MPP_ERR_LIMIT;
	set(s, n, m);
	return MPP_OK;
}

/* ---- revoking all that a key has minted ---- */

/* Handshakes that nobody has confirmed yet. One that waits for the disk was
 * confirmed before; it ends when the disk has said. */
static void forget_unconfirmed(struct mpp_service *s, unsigned number)
{
	uint32_t slot;

	for (slot = 0; slot < s->state.bindings.fresh; slot++) {
		const struct binding *b = binding_at(&s->state, slot);

		if (b->state == BINDING_INITIAL &&
		    service_token_is_of(b, number) &&
		    !half_at(&s->state, b->side)->waiting)
			service_free(s, slot);
	}
}

mpp_err mpp_service_minter_revoke(mpp_service *s,
				  const uint8_t id[MPP_TOKEN_KEY_ID_LEN],
				  uint64_t op, mpp_wall now)
{
	struct change c = {
		.kind = CHANGE_REVOKE_KEY, .op = op, .account = NONE};
	struct wr *w = service_fill(s), before = *w;
	struct token_mark *mark;
	uint64_t old;

	c.index = find(s, id);
	if (c.index == TOKEN_KEYS)
		return MPP_ERR_NOTFOUND;
	mark = &s->state.token_marks[c.index];
	old = mark->revoked_ms;
	mark->revoked_ms = service_new_mark(s, old, now);
	record_token_mark(w, mark);
	if (w->err != MPP_OK || service_wait(s, &c) != MPP_OK) {
		*w = before;
		mark->revoked_ms = old;
		return MPP_ERR_LIMIT;
	}
	/* An enrolment that begins to wait for the disk now could not be
	 * taken back any more. */
	forget_unconfirmed(s, c.index);
	return MPP_OK;
}

void service_minter_revoked(struct mpp_service *s, const struct change *c)
{
	uint32_t slot;

	if (c->err != MPP_OK)
		return;
	forget_unconfirmed(s, c->index);
	for (slot = 0; slot < s->state.bindings.fresh; slot++) {
		const struct binding *b = binding_at(&s->state, slot);

		if (b->state != BINDING_FREE && b->state != BINDING_INITIAL &&
		    b->device != NONE && service_token_is_of(b, c->index))
			service_token_end(s, slot);
	}
}

/* ---- minting for the operator ---- */

mpp_err mpp_service_token_mint(mpp_service *s, const mpp_token_claims *wish,
			       mpp_wall now, mpp_buf *token,
			       uint8_t secret[MPP_TOKEN_SECRET_LEN])
{
	mpp_token_claims k = *wish;
	uint32_t account, device;
	mpp_err err = service_find_account(s, k.account, &account);

	if (err == MPP_OK && !service_minter_on(s, 0))
		err = MPP_ERR_UNSUPPORTED;
	if (err != MPP_OK)
		return err;
	if (k.rights == 0 || (k.rights & ~(unsigned)MPP_RIGHTS_ALL) != 0)
		return MPP_ERR_INVALID;
	device = service_token_device(s, account, k.device);
	k.issued_ms = service_token_issue(s, account, device, 0, now);
	k.proven_ms = 0;
	if (k.expires_ms <= now.us / 1000 ||
	    k.expires_ms > now.us / 1000 + (uint64_t)MINT_LIFE_MAX_S * 1000)
		return MPP_ERR_INVALID;
	return mpp_token_mint(&s->crypto, &s->minters[0].key, &k, token,
			      secret);
}
