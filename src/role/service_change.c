/* SPDX-License-Identifier: MIT */
/* service_change.c - changes that take effect when they are durable.
 *
 * A change writes its records into the batch that gathers (`fill`) and a note
 * into `waiting`. The host takes the batch; while it is at the store the next
 * one gathers (group commit). When the store has said, the notes of that
 * batch are settled in order: done, or undone as if they never were. */
#include "role/service.h"

#include "base/mem.h"

static struct change *ring_at(const struct mpp_service *s,
			      const struct changes *r, uint32_t i)
{
	return &r->at[(r->head + i) % s->config.operations];
}

static void ring_put(const struct mpp_service *s, struct changes *r,
		     const struct change *c)
{
	*ring_at(s, r, r->n) = *c;
	r->n++;
}

/* Every waiting change will need a place in one of the other rings. */
static bool ring_room(const struct mpp_service *s)
{
	return s->waiting.n + s->done.n < s->config.operations &&
	       s->waiting.n + s->answers.n < s->config.operations;
}

mpp_err service_wait(struct mpp_service *s, const struct change *c)
{
	if (!ring_room(s))
		return MPP_ERR_LIMIT;
	ring_put(s, &s->waiting, c);
	ring_at(s, &s->waiting, s->waiting.n - 1)->batch = s->fill_id;
	return MPP_OK;
}

/* ---- what the operator asks for ---- */

/* Why not. If the name is taken by what is left of a removed account, that is
 * reason enough to try once more to be rid of it. */
static mpp_err add_again(struct mpp_service *s, const struct account *a)
{
	if (!a->leaving && a->batch != ACCOUNT_GONE)
		return MPP_ERR_EXISTS;
	s->clean_rests = false;
	return MPP_ERR_STATE;
}

mpp_err mpp_service_account_add(mpp_service *s, mpp_bytes name, uint64_t op)
{
	uint8_t canonical[MPP_ACCOUNT_MAX];
	struct change c = {.kind = CHANGE_ACCOUNT, .op = op};
	struct wr *w = service_fill(s), before = *w;
	mpp_err err = account_canonical(name, canonical);

	if (err != MPP_OK)
		return err;
	name.p = canonical;
	c.account = account_find(&s->state, name);
	if (c.account != NONE)
		return add_again(s, account_at(&s->state, c.account));
	c.account = account_add(&s->state, name);
	if (c.account == NONE)
		return MPP_ERR_LIMIT;
	account_at(&s->state, c.account)->batch = s->fill_id;
	record_account(w, name);
	if (w->err != MPP_OK || service_wait(s, &c) != MPP_OK) {
		*w = before;
		account_remove(&s->state, c.account);
		return MPP_ERR_LIMIT;
	}
	return MPP_OK;
}

mpp_err service_find_account(const struct mpp_service *s, mpp_bytes name,
			     uint32_t *account)
{
	uint8_t canonical[MPP_ACCOUNT_MAX];
	uint32_t i;

	if (account_canonical(name, canonical) != MPP_OK)
		return MPP_ERR_NOTFOUND;
	name.p = canonical;
	i = account_find(&s->state, name);
	if (i == NONE || account_at(&s->state, i)->batch != 0)
		return MPP_ERR_NOTFOUND;
	*account = i;
	return account_at(&s->state, i)->leaving ? MPP_ERR_STATE : MPP_OK;
}

/* Expired invitations make room for new ones, one at a time; their records
 * go with the next batch. */
static void drop_expired(struct mpp_service *s, mpp_wall now)
{
	struct wr *w = service_fill(s), before = *w;
	uint32_t i;

	for (i = 0; i < s->state.invitations.fresh; i++) {
		const struct invitation *v = invitation_at(&s->state, i);

		if (v->expires == 0 || v->expires > now.us ||
		    v->half_open != NONE || v->batch != 0 ||
		    account_at(&s->state, v->account)->leaving)
			continue;
		record_invitation_gone(w, v);
		if (w->err != MPP_OK) {
			*w = before;
			return;
		}
		invitation_remove(&s->state, i);
		before = *w;
	}
}

static mpp_err hash_secret(const struct mpp_service *s, const uint8_t *secret,
			   uint8_t hash[MPP_HASH_LEN])
{
	mpp_bytes part = {secret, MPP_INVITATION_LEN};

	return s->crypto.ops->sha512(s->crypto.ctx, &part, 1, hash);
}

static mpp_err add_invitation(struct mpp_service *s, const uint8_t *hash,
			      struct change *c, unsigned rights,
			      mpp_wall expires)
{
	struct wr *w = service_fill(s), before = *w;
	mpp_bytes name = account_name(account_at(&s->state, c->account));
	struct invitation *v;

	if (invitation_find(&s->state, hash) != NONE)
		return MPP_ERR_EXISTS;
	c->index = invitation_add(&s->state, hash, c->account);
	if (c->index == NONE)
		return MPP_ERR_LIMIT;
	v = invitation_at(&s->state, c->index);
	v->rights = (uint8_t)rights;
	v->expires = expires.us;
	v->batch = s->fill_id;
	record_invitation(w, name, v);
	if (w->err != MPP_OK || service_wait(s, c) != MPP_OK) {
		*w = before;
		invitation_remove(&s->state, c->index);
		return MPP_ERR_LIMIT;
	}
	return MPP_OK;
}

mpp_err mpp_service_invite(mpp_service *s, mpp_bytes account,
			   const uint8_t *secret, unsigned rights,
			   mpp_wall expires, uint64_t op, mpp_wall now)
{
	const unsigned known = MPP_RIGHT_SUBSCRIBE | MPP_RIGHT_PUBLISH |
			       MPP_RIGHT_RESET;
	struct change c = {.kind = CHANGE_INVITATION, .op = op};
	uint8_t hash[MPP_HASH_LEN];
	mpp_err err;

	err = service_find_account(s, account, &c.account);
	if (err != MPP_OK)
		return err;
	if (rights == 0 || (rights & ~known) != 0 || expires.us <= now.us)
		return MPP_ERR_INVALID;
	drop_expired(s, now);
	err = hash_secret(s, secret, hash);
	if (err != MPP_OK)
		return err;
	return add_invitation(s, hash, &c, rights, expires);
}

/* ---- publish ---- */

static mpp_err check_stores(const mpp_store_status *st, size_t n)
{
	size_t i, k;

	if (n < 1 || n > MSG_STORES_MAX)
		return MPP_ERR_INVALID;
	for (i = 0; i < n; i++) {
		if (st[i].store.len < 1 || st[i].store.len > MPP_STORE_MAX ||
		    st[i].digest.len > MPP_DIGEST_MAX ||
		    st[i].index > SERIAL_MAX)
			return MPP_ERR_INVALID;
		for (k = 0; k < i; k++) {
			if (bytes_eq(st[i].store, st[k].store))
				return MPP_ERR_INVALID;
		}
	}
	return MPP_OK;
}

enum merge { MERGE_SAME = 1, MERGE_OLDER, MERGE_CHANGE, MERGE_NEW };

/* What a store entry does to the newest known one. */
static enum merge merge(const struct mpp_service *s, const struct account *a,
			const mpp_store_status *st, bool reset)
{
	uint32_t i = account_latest(&s->state, a, st->store);
	const struct entry *e;

	if (i == NONE)
		return MERGE_NEW;
	e = entry_at(&s->state, i);
	if (st->index < e->index && !reset)
		return MERGE_OLDER;
	if (st->index == e->index && bytes_eq(entry_digest(e), st->digest))
		return MERGE_SAME;
	return MERGE_CHANGE;
}

static mpp_err apply_one(struct mpp_service *s, struct account *a,
			 const mpp_store_status *st, uint64_t serial,
			 uint32_t *room)
{
	struct wr *w = service_fill(s);

	if (account_latest(&s->state, a, st->store) == NONE) {
		if (*room == 0)
			return MPP_ERR_LIMIT;
		--*room;
	}
	if (account_pend(&s->state, a, st, serial, s->fill_id) == NONE)
		return MPP_ERR_LIMIT;
	record_store(w, account_name(a), st, serial);
	return w->err == MPP_OK ? MPP_OK : MPP_ERR_LIMIT;
}

/* Each changed store gets a serial of its own; the last one is the
 * publication's. All or nothing. */
static mpp_err apply_all(struct mpp_service *s, struct account *a,
			 const mpp_store_status *st, size_t n,
			 const mpp_published *done)
{
	uint64_t serial = done->serial;
	uint32_t room = account_room(&s->state, a);
	mpp_err err = MPP_OK;
	size_t i;

	for (i = 0; i < n && err == MPP_OK; i++) {
		if (filter_has(s->merged, (uint8_t)i))
			err = apply_one(s, a, &st[i], serial++, &room);
	}
	return err;
}

/* Which entries change something (s->merged), which are skipped. */
static unsigned merge_all(struct mpp_service *s, const struct account *a,
			  const mpp_store_status *st, size_t n, bool reset,
			  mpp_published *done)
{
	unsigned changes = 0;
	size_t i;

	s->merged[0] = s->merged[1] = 0;
	for (i = 0; i < n; i++) {
		enum merge m = merge(s, a, &st[i], reset);

		if (m == MERGE_OLDER)
			filter_add(done->skipped, (uint8_t)i);
		if (m == MERGE_CHANGE || m == MERGE_NEW) {
			filter_add(s->merged, (uint8_t)i);
			changes++;
		}
	}
	return changes;
}

/* The same by store number, for an answer that is made when the request is no
 * longer there. A store that only waits for the disk gets its number now. */
static void note_skipped(struct mpp_service *s, const mpp_store_status *st,
			 const mpp_published *done, struct change *c)
{
	struct account *a = account_at(&s->state, c->account);
	uint8_t number;
	size_t i;

	for (i = 0; c->by_device && i < MSG_STORES_MAX; i++) {
		if (filter_has(done->skipped, (uint8_t)i) &&
		    account_number(&s->state, a, st[i].store, &number) ==
			    MPP_OK)
			filter_add(c->skipped, number);
	}
}

/* The serial of what the account holds or waits for. What was given out and
 * failed is not among it: nobody will ever hold that. */
static uint64_t newest_serial(const struct mpp_service *s,
			      const struct account *a)
{
	if (a->pending.tail != NONE)
		return entry_at(&s->state, a->pending.tail)->serial;
	return a->serial;
}

mpp_err service_publish(struct mpp_service *s, struct change *c,
			const mpp_store_status *stores, size_t n, bool reset,
			mpp_wall now, mpp_published *out)
{
	struct account *a = account_at(&s->state, c->account);
	mpp_published done = {newest_serial(s, a), {0, 0}, false};
	struct wr *w = service_fill(s), before = *w;
	uint64_t first, assigned = a->assigned;
	unsigned changes;
	mpp_err err = check_stores(stores, n);

	if (err != MPP_OK)
		return err;
	if (a->leaving)
		return MPP_ERR_STATE;
	changes = merge_all(s, a, stores, n, reset, &done);
	note_skipped(s, stores, &done, c);
	first = assigned + 1 > now.us ? assigned + 1 : now.us;
	/* Above all that a removed account of this name had. */
	if (first <= s->state.floor)
		first = s->state.floor + 1;
	if (changes != 0) {
		done.serial = first;
		err = apply_all(s, a, stores, n, &done);
		done.serial = first + changes - 1;
	}
	/* Nothing changed, but what it equals may still be on its way: then
	 * the answer waits with it. */
	done.waiting = changes != 0 || a->pending.head != NONE;
	c->serial = done.serial;
	if (err == MPP_OK && done.waiting)
		err = service_wait(s, c);
	if (err != MPP_OK) {
		account_drop(&s->state, a, s->fill_id, first);
		a->assigned = assigned;
		*w = before;
		return err;
	}
	*out = done;
	return MPP_OK;
}

mpp_err mpp_service_publish(mpp_service *s, mpp_bytes account,
			    const mpp_store_status *stores, size_t n,
			    bool reset, uint64_t op, mpp_wall now,
			    mpp_published *out)
{
	struct change c = {.kind = CHANGE_PUBLISH, .op = op};
	mpp_err err = service_find_account(s, account, &c.account);

	if (err != MPP_OK)
		return err;
	return service_publish(s, &c, stores, n, reset, now, out);
}

/* ---- the store has said ---- */

/* Tell the account's connected devices that there is something new. */
static void fan_out(struct mpp_service *s, const struct account *a)
{
	uint32_t i, slot;
	unsigned k;

	for (i = a->devices; i != NONE; i = device_at(&s->state, i)->next) {
		for (k = 0; k < INSTANCES; k++) {
			slot = device_at(&s->state, i)->instances[k].binding;
			if (slot == NONE)
				continue;
			binding_at(&s->state, slot)->flags |= BIND_DUE;
		}
	}
}

static void arm_all(struct mpp_service *s, const struct account *a,
		    mpp_time now)
{
	uint32_t i, slot;
	unsigned k;

	for (i = a->devices; i != NONE; i = device_at(&s->state, i)->next) {
		for (k = 0; k < INSTANCES; k++) {
			slot = device_at(&s->state, i)->instances[k].binding;
			if (slot == NONE)
				continue;
			service_arm(s, slot, now);
			service_web_news(s, slot);
		}
	}
}

static void settle_account(struct mpp_service *s, const struct change *c)
{
	if (c->err == MPP_OK)
		account_at(&s->state, c->account)->batch = 0;
	else
		account_remove(&s->state, c->account);
}

static void settle_invitation(struct mpp_service *s, const struct change *c)
{
	if (c->err == MPP_OK)
		invitation_at(&s->state, c->index)->batch = 0;
	else
		invitation_remove(&s->state, c->index);
}

static void settle_publish(struct mpp_service *s, const struct change *c,
			   mpp_time now)
{
	struct account *a = account_at(&s->state, c->account);

	if (c->err != MPP_OK) {
		account_drop(&s->state, a, c->batch, 0);
		return;
	}
	s->count.publications++;
	if (a->pending.head == NONE ||
	    entry_at(&s->state, a->pending.head)->batch != c->batch)
		return; /* settled by an earlier change of this batch */
	account_apply(&s->state, a, c->batch);
	fan_out(s, a);
	arm_all(s, a, now);
}

static void settle(struct mpp_service *s, const struct change *c,
		   mpp_instant now)
{
	switch ((enum change_kind)c->kind) {
	case CHANGE_ACCOUNT:
		settle_account(s, c);
		break;
	case CHANGE_INVITATION:
		settle_invitation(s, c);
		break;
	case CHANGE_PUBLISH:
		settle_publish(s, c, now.mono);
		break;
	case CHANGE_REMOVE:
	case CHANGE_REMOVE_ACCOUNT:
		service_removed(s, c);
		break;
	case CHANGE_REVOKE:
		service_revoked(s, c, now);
		break;
	case CHANGE_REVOKE_KEY:
		service_minter_revoked(s, c);
		break;
	case CHANGE_CLEAN:
		service_removed(s, c);
		return; /* nobody waits for it */
	case CHANGE_ENROLL:
		service_enrolled(s, c->index, c->err, now);
		return; /* nobody waits for it but the device */
	}
	if (c->by_device)
		ring_put(s, &s->answers, c);
	else
		ring_put(s, &s->done, c);
}

bool mpp_service_commit(mpp_service *s, mpp_commit *out)
{
	if (s->flight_id != 0)
		return false;
	if (s->state.gone != 0 && !s->clean_rests)
		service_clean(s);
	if (s->fill.n == 0 && s->waiting.n == 0)
		return false;
	out->id = s->fill_id;
	out->batch = (mpp_bytes){s->fill.p, s->fill.n};
	s->flight_id = s->fill_id++;
	s->fill = wr_init(s->buffers[s->fill_id & 1 ? 0 : 1],
			  s->config.commit_bytes);
	return true;
}

void mpp_service_committed(mpp_service *s, uint64_t id, mpp_err result,
			   mpp_instant now)
{
	struct change c;

	if (id != s->flight_id || id == 0)
		return;
	s->flight_id = 0;
	s->clean_rests = result != MPP_OK;
	if (result == MPP_OK)
		s->count.commits++;
	else
		s->count.commit_errors++;
	while (s->waiting.n != 0 &&
	       s->waiting.at[s->waiting.head].batch == id) {
		c = s->waiting.at[s->waiting.head];
		s->waiting.head = (s->waiting.head + 1) % s->config.operations;
		s->waiting.n--;
		c.err = result;
		settle(s, &c, now);
	}
}

bool mpp_service_next_result(mpp_service *s, mpp_result *out)
{
	const struct change *c = &s->done.at[s->done.head];

	if (s->done.n == 0)
		return false;
	*out = (mpp_result){c->op, c->err, c->serial};
	s->done.head = (s->done.head + 1) % s->config.operations;
	s->done.n--;
	return true;
}
