/* SPDX-License-Identifier: MIT */
/* service_remove.c - removing devices and accounts.
 *
 * A removal puts deletions into the batch that gathers. What was asked before
 * it is in front of them and is settled first; from then on nothing may write
 * a record of what is leaving (service_leaving(), account.leaving), or it
 * would come back.
 *
 *           asked             durable             last record deleted
 *   there --------> leaving ----------> gone -- ... ----------> nothing
 *     ^               |   |      (all deletions fit)              ^
 *     +- store failed-+   +---------------------------------------+
 *
 * When the deletions of an account do not fit the batch, the account's record
 * is marked as removed instead: with this mark it is gone for everybody. What
 * is left goes with the batches that follow, also after a restart, and the
 * record with the mark goes last. */
#include "role/service.h"

#include "base/mem.h"

bool service_leaving(const struct mpp_service *s, const struct device *d)
{
	return (d->rights & RIGHTS_REMOVING) != 0 ||
	       account_at(&s->state, d->account)->leaving;
}

/* ---- a device ---- */

enum { ID_BITS_MIN = 100 };

mpp_err service_find_device(const struct mpp_service *s, uint32_t account,
			    mpp_bytes id, uint32_t *device)
{
	uint32_t i = account_at(&s->state, account)->devices;
	uint8_t udf[MPP_UDF_LEN];
	mpp_err err;

	for (; i != NONE; i = device_at(&s->state, i)->next) {
		const struct device *d = device_at(&s->state, i);

		err = mpp_udf_key(&s->crypto, d->suite, d->key, udf);
		if (err != MPP_OK)
			return err;
		err = mpp_udf_match(udf, id, ID_BITS_MIN);
		if (err == MPP_OK && (d->rights & RIGHTS_REMOVING) == 0) {
			*device = i;
			return MPP_OK;
		}
		if (err != MPP_OK && err != MPP_ERR_AUTH)
			return MPP_ERR_SYNTAX;
	}
	return MPP_ERR_NOTFOUND;
}

/* The account is marked too, or a token that is still out would enrol the
 * device again. */
mpp_err mpp_service_device_remove(mpp_service *s, mpp_bytes account,
				  mpp_bytes id, uint64_t op, mpp_wall now)
{
	struct change c = {.kind = CHANGE_REMOVE, .op = op};
	struct wr *w = service_fill(s), before = *w;
	struct account *a;
	struct device *d;
	uint64_t old;
	mpp_err err = service_find_account(s, account, &c.account);

	if (err != MPP_OK)
		return err;
	err = service_find_device(s, c.account, id, &c.index);
	if (err != MPP_OK)
		return err;
	a = account_at(&s->state, c.account);
	d = device_at(&s->state, c.index);
	old = a->enrol_ms;
	a->enrol_ms = service_new_mark(s, old, now);
	record_account_marks(w, a);
	record_device_gone(w, account_name(a), d);
	if (w->err != MPP_OK || service_wait(s, &c) != MPP_OK) {
		*w = before;
		a->enrol_ms = old;
		return MPP_ERR_LIMIT;
	}
	d->rights |= RIGHTS_REMOVING;
	service_forget_enrolling(s, a);
	return MPP_OK;
}

/* Its handshakes are forgotten, its connections say Close and end. */
static void disconnect(struct mpp_service *s, struct device *d)
{
	struct binding *b;
	uint32_t slot;
	unsigned k;

	while (d->half_open != NONE)
		service_free(s, half_at(&s->state, d->half_open)->binding);
	for (k = 0; k < INSTANCES; k++) {
		slot = d->instances[k].binding;
		if (slot == NONE)
			continue;
		d->instances[k].binding = NONE;
		service_web_leave(s, slot);
		b = binding_at(&s->state, slot);
		b->device = NONE;
		b->flags = BIND_ENDING;
		heap_set(&s->state.due, slot, 0);
	}
}

static void settle_device(struct mpp_service *s, const struct change *c)
{
	struct device *d = device_at(&s->state, c->index);

	if (c->err != MPP_OK) {
		d->rights &= (uint8_t)~RIGHTS_REMOVING;
		return;
	}
	disconnect(s, d);
	device_remove(&s->state, c->index);
}

/* ---- an account: what to delete ---- */

/* Deletions being written, as many as fit. */
struct sweep {
	struct wr *w;
	struct wr before; /* the deletion that is being written */
	uint32_t n;
};

static bool fits(struct sweep *g)
{
	if (g->w->err != MPP_OK) {
		*g->w = g->before;
		return false;
	}
	g->before = *g->w;
	g->n++;
	return true;
}

static bool sweep_devices(const struct mpp_service *s, const struct account *a,
			  struct sweep *g)
{
	uint32_t i;

	for (i = a->devices; i != NONE; i = device_at(&s->state, i)->next) {
		record_device_gone(g->w, account_name(a),
				   device_at(&s->state, i));
		if (!fits(g))
			return false;
	}
	return true;
}

static bool sweep_stores(const struct mpp_service *s, const struct account *a,
			 uint32_t i, struct sweep *g)
{
	for (; i != NONE; i = entry_at(&s->state, i)->next) {
		if (entry_at(&s->state, i)->serial == 0)
			continue; /* only asked for: not on disk */
		record_store_gone(g->w, account_name(a),
				  entry_name(entry_at(&s->state, i)));
		if (!fits(g))
			return false;
	}
	return true;
}

/* A device that enrols has its record in front of this, or in an earlier
 * batch. */
static bool sweep_enrolling(const struct mpp_service *s,
			    const struct account *a, uint32_t i,
			    struct sweep *g)
{
	const struct half_open *h;
	struct device d = {0};

	for (; i != NONE; i = h->next) {
		h = half_at(&s->state, i);
		if (!h->waiting)
			continue;
		d.suite = h->suite;
		memcpy(d.key, h->key, MPP_DH_MAX);
		record_device_gone(g->w, account_name(a), &d);
		if (!fits(g))
			return false;
	}
	return true;
}

/* The account's next invitation from *i on, or NULL. */
static struct invitation *next_invitation(const struct mpp_service *s,
					  uint32_t account, uint32_t *i)
{
	struct invitation *v;

	while (*i < s->state.invitations.fresh) {
		v = invitation_at(&s->state, (*i)++);
		if (v->expires != 0 && v->account == account)
			return v;
	}
	return NULL;
}

static bool sweep_invitations(const struct mpp_service *s, uint32_t account,
			      struct sweep *g)
{
	const struct account *a = account_at(&s->state, account);
	const struct invitation *v;
	uint32_t i = 0;

	while ((v = next_invitation(s, account, &i)) != NULL) {
		record_invitation_gone(g->w, v);
		if (!fits(g) || !sweep_enrolling(s, a, v->half_open, g))
			return false;
	}
	return true;
}

/* Deletions of all records, in the order in which forget() forgets them, the
 * account's own last. Returns how many fitted; NONE: all. */
static uint32_t sweep(struct mpp_service *s, uint32_t account)
{
	const struct account *a = account_at(&s->state, account);
	struct sweep g = {service_fill(s), *service_fill(s), 0};

	if (!sweep_devices(s, a, &g) ||
	    !sweep_stores(s, a, a->stores.head, &g) ||
	    !sweep_stores(s, a, a->pending.head, &g) ||
	    !sweep_enrolling(s, a, a->half_open, &g) ||
	    !sweep_invitations(s, account, &g))
		return g.n;
	record_account_gone(g.w, account_name(a));
	return fits(&g) ? NONE : g.n;
}

/* ---- an account: removing it ---- */

/* All of it, or the mark. Returns what change.index says. */
static uint32_t put_removal(struct mpp_service *s, uint32_t account)
{
	struct wr *w = service_fill(s), before;

	record_floor(w, s->state.floor, s->state.floor_ms);
	before = *w;
	if (w->err == MPP_OK && sweep(s, account) == NONE)
		return NONE;
	*w = before;
	record_account_removed(w, account_name(account_at(&s->state, account)));
	return 0;
}

mpp_err mpp_service_account_remove(mpp_service *s, mpp_bytes name, uint64_t op,
				   mpp_wall now)
{
	struct change c = {.kind = CHANGE_REMOVE_ACCOUNT, .op = op};
	struct wr *w = service_fill(s), before = *w;
	struct account *a;
	mpp_err err = service_find_account(s, name, &c.account);

	if (err != MPP_OK)
		return err;
	a = account_at(&s->state, c.account);
	/* If it is added again, its devices may hold all that it gave out. */
	if (a->assigned > s->state.floor)
		s->state.floor = a->assigned;
	/* Nor do its tokens enrol anybody then. */
	s->state.floor_ms = service_new_mark(s, s->state.floor_ms, now);
	c.index = put_removal(s, c.account);
	if (w->err != MPP_OK || service_wait(s, &c) != MPP_OK) {
		*w = before;
		return MPP_ERR_LIMIT;
	}
	a->leaving = true;
	return MPP_OK;
}

static void disconnect_all(struct mpp_service *s, uint32_t account)
{
	uint32_t i = account_at(&s->state, account)->devices;
	struct invitation *v;

	for (; i != NONE; i = device_at(&s->state, i)->next)
		disconnect(s, device_at(&s->state, i));
	i = account_at(&s->state, account)->half_open;
	for (; i != NONE; i = account_at(&s->state, account)->half_open)
		service_free(s, half_at(&s->state, i)->binding);
	i = 0;
	while ((v = next_invitation(s, account, &i)) != NULL) {
		while (v->half_open != NONE)
			service_free(s,
				     half_at(&s->state, v->half_open)->binding);
	}
}

/* Publications of its devices that are durable but not answered yet: there is
 * no account any more to say "done" about. */
static void answer_no_account(struct mpp_service *s, uint32_t account)
{
	uint32_t i;

	for (i = 0; i < s->answers.n; i++) {
		struct change *c = &s->answers.at[(s->answers.head + i) %
						  s->config.operations];

		if (c->account == account)
			c->err = MPP_ERR_NOTFOUND;
	}
}

/* Forget n records that are not on disk any more; NONE: all, and the account.
 */
static void forget(struct mpp_service *s, uint32_t account, uint32_t n)
{
	struct account *a = account_at(&s->state, account);
	bool all = n == NONE;
	uint32_t i = 0;

	for (; n != 0 && a->devices != NONE; n--)
		device_remove(&s->state, a->devices);
	for (; n != 0 && account_forget_store(&s->state, a); n--)
		;
	for (; n != 0 && next_invitation(s, account, &i) != NULL; n--)
		invitation_remove(&s->state, i - 1);
	if (all)
		account_remove(&s->state, account);
}

static void settle_account(struct mpp_service *s, const struct change *c)
{
	account_at(&s->state, c->account)->leaving = false;
	if (c->err != MPP_OK)
		return;
	disconnect_all(s, c->account);
	answer_no_account(s, c->account);
	if (c->index == NONE)
		forget(s, c->account, NONE);
	else
		account_gone(&s->state, c->account);
}

/* ---- an account: what is left of it ---- */

static void clean(struct mpp_service *s, uint32_t account)
{
	struct change c = {.kind = CHANGE_CLEAN, .account = account};
	struct wr *w = service_fill(s), before = *w;

	c.index = sweep(s, account);
	if (c.index == 0 || service_wait(s, &c) != MPP_OK)
		*w = before;
	else
		account_at(&s->state, account)->leaving = true;
}

void service_clean(struct mpp_service *s)
{
	const struct account *a;
	uint32_t i;

	for (i = 0; i < s->state.accounts.fresh; i++) {
		a = account_at(&s->state, i);
		if (a->name_len != 0 && a->batch == ACCOUNT_GONE && !a->leaving)
			clean(s, i);
	}
}

static void settle_clean(struct mpp_service *s, const struct change *c)
{
	account_at(&s->state, c->account)->leaving = false;
	/* A failure is tried again when the store works. */
	if (c->err == MPP_OK)
		forget(s, c->account, c->index);
}

void service_removed(struct mpp_service *s, const struct change *c)
{
	if (c->kind == CHANGE_REMOVE)
		settle_device(s, c);
	else if (c->kind == CHANGE_REMOVE_ACCOUNT)
		settle_account(s, c);
	else
		settle_clean(s, c);
}
