/* SPDX-License-Identifier: MIT */
/* service_ticket.c - tokens at the service (docs/protocol.md sections 5, 10).
 *
 * A Ticket brings a token that the service opens without a Diffie-Hellman and
 * without anything it has stored; what it says is put against what is known
 * now: the device must be enrolled, and nobody may have revoked the token.
 *
 * Each confirmed binding gets a new token in its next publication. It is sent
 * until the device has acknowledged a datagram that carries one; each carries
 * another, and all are good, so nothing of them is kept. */
#include "role/service.h"

#include "base/mem.h"
#include "udf/base32.h"

enum {
	HEAD_DIGITS = 12,
	MS = 1000, /* us in it */
	PROVEN_LIFE_S = 7 * 86400,
};

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* ---- the device that a token names ---- */

/* The first digits of a fingerprint in text; 0 when they are too few. */
static uint64_t head_of_text(mpp_bytes text)
{
	uint64_t v = 0;
	unsigned n = 0;
	size_t i;

	for (i = 0; i < text.len && n < HEAD_DIGITS; i++) {
		if (base32_is_gap(text.p[i]))
			continue;
		v = v << 5 | (base32_value(text.p[i]) & 31);
		n++;
	}
	return n == HEAD_DIGITS ? v : 0;
}

/* The same of a binary one; not 0, because of its type. */
static uint64_t head_of_udf(const uint8_t udf[MPP_UDF_LEN])
{
	struct rd r = rd_init((mpp_bytes){udf, MPP_UDF_LEN});

	return rd_u64(&r) >> (64 - 5 * HEAD_DIGITS);
}

/* The heads are computed when they are asked for first, so that a full account
 * costs one digest per Ticket and not one per device. */
static uint32_t find_device(struct mpp_service *s, uint32_t account,
			    mpp_bytes text)
{
	const uint64_t head = head_of_text(text);
	uint32_t i = account_at(&s->state, account)->devices;
	uint8_t udf[MPP_UDF_LEN];
	struct device *d;

	for (; i != NONE; i = d->next) {
		d = device_at(&s->state, i);
		if (d->udf_head != 0 && d->udf_head != head)
			continue;
		if (mpp_udf_key(&s->crypto, d->suite, d->key, udf) != MPP_OK)
			return NONE;
		d->udf_head = head_of_udf(udf);
		if (mpp_udf_match(udf, text, MPP_UDF_BITS) == MPP_OK)
			return i;
	}
	return NONE;
}

uint32_t service_token_device(struct mpp_service *s, uint32_t account,
			      mpp_bytes id)
{
	return find_device(s, account, id);
}

static void find_holder(struct mpp_service *s, struct ticket *t)
{
	uint8_t name[MPP_ACCOUNT_MAX];
	const mpp_token_claims *k = &t->token.claims;
	uint32_t i;

	if (account_canonical(k->account, name) != MPP_OK)
		return;
	i = account_find(&s->state, (mpp_bytes){name, k->account.len});
	if (i == NONE || account_at(&s->state, i)->batch != 0)
		return;
	t->account = i;
	t->device = find_device(s, i, k->device);
}

/* ---- opening ---- */

/* A minter's clock may be ahead of ours: what it issued before a mark may look
 * as if it came after it. */
static uint64_t issued_of(const struct ticket *t)
{
	const uint64_t issued = t->token.claims.issued_ms;

	if (t->key == 0)
		return issued;
	return issued > TOKEN_LEEWAY_MS ? issued - TOKEN_LEEWAY_MS : 0;
}

static bool revoked(const struct mpp_service *s, const struct ticket *t)
{
	const uint64_t issued = issued_of(t);

	if (issued <= s->state.token_marks[t->key].revoked_ms)
		return true;
	if (t->account != NONE &&
	    issued <= account_at(&s->state, t->account)->revoked_ms)
		return true;
	return t->device != NONE &&
	       issued <= device_at(&s->state, t->device)->revoked_ms;
}

unsigned service_ticket_open(struct mpp_service *s, mpp_bytes token,
			     mpp_wall now)
{
	struct ticket *t = &s->ticket;

	t->on = false;
	t->account = t->device = NONE;
	t->key = service_minter_find(s, token);
	if (t->key == TOKEN_KEYS ||
	    mpp_token_open(&s->crypto, &s->minters[t->key].key, token,
			   &t->token) != MPP_OK)
		return MPP_STATUS_UNAUTHENTIC;
	if (now.us / MS >= t->token.claims.expires_ms)
		return MPP_STATUS_EXPIRED;
	if (!service_minter_allows(s, t->key, &t->token.claims, now))
		return MPP_STATUS_FORBIDDEN;
	find_holder(s, t);
	if (revoked(s, t))
		return MPP_STATUS_EXPIRED;
	s->issued_ms = later(s->issued_ms, issued_of(t));
	t->on = true;
	return 0;
}

/* The service's own tokens go to devices that have proved their key, and say
 * so; those that the operator hands out for new devices do not. */
bool service_ticket_enrols(const struct mpp_service *s)
{
	const struct ticket *t = &s->ticket;
	uint64_t mark = s->state.floor_ms;

	if (t->account == NONE || t->device != NONE)
		return false;
	if (t->key == 0 && t->token.claims.proven_ms != 0)
		return false;
	mark = later(mark, account_at(&s->state, t->account)->enrol_ms);
	return issued_of(t) > mark;
}

void service_ticket_key(const struct mpp_service *s, struct device_key *key)
{
	const struct device *d;

	memset(key, 0, sizeof(*key));
	key->suite = MPP_SUITE_25519;
	if (s->ticket.device == NONE)
		return;
	d = device_at(&s->state, s->ticket.device);
	key->suite = d->suite;
	memcpy(key->raw, d->key, sizeof(key->raw));
}

void service_ticket_wipe(struct mpp_service *s)
{
	mem_wipe(&s->ticket, sizeof(s->ticket));
}

/* ---- what a binding is given ---- */

/* The number of the key that its token came with; 0 without one. */
static unsigned key_of(const struct binding *b)
{
	return b->token >> TOKEN_KEY_SHIFT;
}

bool service_token_is_of(const struct binding *b, unsigned number)
{
	return (b->token & TOKEN_TICKETED) != 0 && key_of(b) == number;
}

void service_token_begin(const struct mpp_service *s, struct binding *b,
			 mpp_wall now)
{
	const struct ticket *t = &s->ticket;

	b->token = t->on ? (uint8_t)(TOKEN_TICKETED | t->key << TOKEN_KEY_SHIFT)
			 : 0;
	b->rights = t->on ? (uint8_t)t->token.claims.rights : UINT8_MAX;
	b->proven_s = (uint32_t)(t->on ? t->token.claims.proven_ms / 1000
				       : now.us / 1000000);
}

void service_token_want(const struct mpp_service *s, struct binding *b,
			mpp_wall now)
{
	if (service_minter_on(s, key_of(b)) &&
	    now.us / 1000000 < (uint64_t)b->proven_s + PROVEN_LIFE_S)
		b->token |= TOKEN_DUE;
}

/* Never one that is revoked when it is born. */
uint64_t service_token_issue(struct mpp_service *s, uint32_t account,
			     uint32_t device, unsigned key, mpp_wall now)
{
	const struct account *a = account_at(&s->state, account);
	uint64_t mark = later(a->revoked_ms, a->enrol_ms);
	uint64_t issued;

	mark = later(mark, s->state.token_marks[key].revoked_ms);
	mark = later(mark, s->state.floor_ms);
	if (device != NONE)
		mark = later(mark, device_at(&s->state, device)->revoked_ms);
	if (key != 0)
		mark += TOKEN_LEEWAY_MS;
	issued = later(now.us / MS, mark + 1);
	s->issued_ms = later(s->issued_ms, issued);
	return issued;
}

/* With the key that the connection's own token came with: what bounds that one
 * and what revokes it holds for this one, too. */
static mpp_err mint(struct mpp_service *s, const struct binding *b,
		    mpp_wall now, mpp_buf *token,
		    uint8_t secret[MPP_TOKEN_SECRET_LEN])
{
	const struct device *d = device_at(&s->state, b->device);
	const struct account *a = account_at(&s->state, d->account);
	const mpp_token_minter *m = &s->minters[key_of(b)];
	uint8_t udf[MPP_UDF_LEN];
	char text[MPP_UDF_TEXT_MAX];
	mpp_token_claims k = {.account = account_name(a)};
	mpp_err err = mpp_udf_key(&s->crypto, d->suite, d->key, udf);

	if (err != MPP_OK)
		return err;
	k.device = (mpp_bytes){(const uint8_t *)text,
			       mpp_udf_text(udf, MPP_UDF_PIN_BITS, text)};
	k.rights = d->rights & b->rights & MPP_RIGHTS_ALL;
	k.issued_ms =
		service_token_issue(s, d->account, b->device, key_of(b), now);
	k.expires_ms = k.issued_ms + (uint64_t)m->life_s * 1000;
	k.proven_ms = (uint64_t)b->proven_s * 1000;
	if (k.proven_ms > k.issued_ms) /* the clock was set back */
		k.proven_ms = k.issued_ms;
	return mpp_token_mint(&s->crypto, &m->key, &k, token, secret);
}

bool service_token_put(struct mpp_service *s, mpp_json_writer *w,
		       const struct binding *b, mpp_wall now)
{
	uint8_t secret[MPP_TOKEN_SECRET_LEN];
	mpp_buf token = {s->ticket.token.plain, MPP_TOKEN_MAX, 0};
	mpp_err err;

	if ((b->token & TOKEN_DUE) == 0)
		return false;
	err = mint(s, b, now, &token, secret);
	if (err == MPP_OK) {
		msg_put_token(w, (mpp_bytes){token.p, token.len}, secret);
		s->count.tokens++;
	}
	mem_wipe(secret, sizeof(secret));
	return err == MPP_OK;
}

void service_token_acked(const struct mpp_service *s, struct binding *b)
{
	if ((b->token & TOKEN_SENT) == 0)
		return;
	b->token &= (uint8_t) ~(TOKEN_DUE | TOKEN_SENT);
	if (service_behind(s, b))
		return;
	b->flags &= (uint8_t) ~(BIND_DUE | BIND_IN_FLIGHT | BIND_HEADER_ACKED |
				BIND_REPLACED);
	b->tries = 0;
}

/* ---- revoking ---- */

/* Handshakes by token that nobody has confirmed yet. */
static void forget_ticketed(struct mpp_service *s, uint32_t list)
{
	uint32_t i = list, next;

	for (; i != NONE; i = next) {
		const struct half_open *h = half_at(&s->state, i);

		next = h->next;
		if (!h->waiting && (binding_at(&s->state, h->binding)->token &
				    TOKEN_TICKETED) != 0)
			service_free(s, h->binding);
	}
}

/* One that begins to wait for the disk after a mark could not be taken back any
 * more. */
void service_forget_enrolling(struct mpp_service *s, const struct account *a)
{
	forget_ticketed(s, a->half_open);
}

static uint64_t *mark_of(const struct mpp_service *s, const struct change *c)
{
	return c->index == NONE ? &account_at(&s->state, c->account)->revoked_ms
				: &device_at(&s->state, c->index)->revoked_ms;
}

uint64_t service_new_mark(const struct mpp_service *s, uint64_t old,
			  mpp_wall now)
{
	uint64_t mark = now.us / MS;

	if (mark <= old)
		mark = old + 1;
	return mark > s->issued_ms ? mark : s->issued_ms;
}

static void put_mark(struct mpp_service *s, const struct change *c)
{
	const struct account *a = account_at(&s->state, c->account);

	if (c->index == NONE)
		record_account_marks(service_fill(s), a);
	else
		record_device(service_fill(s), account_name(a),
			      device_at(&s->state, c->index));
}

/* The mark holds at once, so that whatever writes the record from now on
 * writes it with the mark. */
mpp_err mpp_service_token_revoke(mpp_service *s, mpp_bytes account,
				 mpp_bytes id, uint64_t op, mpp_wall now)
{
	struct change c = {.kind = CHANGE_REVOKE, .op = op, .index = NONE};
	struct wr *w = service_fill(s), before = *w;
	uint64_t *mark, old;
	mpp_err err = service_find_account(s, account, &c.account);

	if (err == MPP_OK && id.len != 0)
		err = service_find_device(s, c.account, id, &c.index);
	if (err != MPP_OK)
		return err;
	mark = mark_of(s, &c);
	old = *mark;
	*mark = service_new_mark(s, old, now);
	put_mark(s, &c);
	if (w->err != MPP_OK || service_wait(s, &c) != MPP_OK) {
		*w = before;
		*mark = old;
		return MPP_ERR_LIMIT;
	}
	if (c.index == NONE)
		service_forget_enrolling(s, account_at(&s->state, c.account));
	return MPP_OK;
}

void service_token_end(struct mpp_service *s, uint32_t slot)
{
	struct binding *b = binding_at(&s->state, slot);

	service_web_leave(s, slot);
	device_at(&s->state, b->device)->instances[b->instance].binding = NONE;
	b->device = NONE;
	b->flags = BIND_ENDING;
	b->token = TOKEN_REVOKED;
	heap_set(&s->state.due, slot, 0);
}

/* Those that came by token end; the others get a new one for theirs. */
static void revoke_from(struct mpp_service *s, struct device *d,
			mpp_instant now)
{
	struct binding *b;
	uint32_t slot;
	unsigned k;

	forget_ticketed(s, d->half_open);
	for (k = 0; k < INSTANCES; k++) {
		slot = d->instances[k].binding;
		if (slot == NONE)
			continue;
		b = binding_at(&s->state, slot);
		if ((b->token & TOKEN_TICKETED) != 0) {
			service_token_end(s, slot);
			continue;
		}
		service_token_want(s, b, now.wall);
		b->flags |= BIND_DUE;
		service_arm(s, slot, now.mono);
	}
}

void service_revoked(struct mpp_service *s, const struct change *c,
		     mpp_instant now)
{
	uint32_t i;

	if (c->err != MPP_OK)
		return;
	if (c->index != NONE) {
		revoke_from(s, device_at(&s->state, c->index), now);
		return;
	}
	i = account_at(&s->state, c->account)->devices;
	for (; i != NONE; i = device_at(&s->state, i)->next)
		revoke_from(s, device_at(&s->state, i), now);
}
