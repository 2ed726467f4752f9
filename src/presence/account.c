/* SPDX-License-Identifier: MIT */
/* account.c - accounts and their status vectors. Contract: account.h. */
#include "presence/account.h"

#include "base/mem.h"
#include "jsonbcd/utf8.h"

uint32_t presence_hash(const struct presence *p, mpp_bytes bytes)
{
	uint32_t h = UINT32_C(2166136261) ^ p->hash_seed;
	size_t i;

	for (i = 0; i < bytes.len; i++)
		h = (h ^ bytes.p[i]) * UINT32_C(16777619);
	return h ^ h >> 15;
}

static bool name_octet(uint8_t c)
{
	return c > ' ' && c != 0x7f && c != '/' && c != '?' && c != '#' &&
	       c != '%';
}

static bool utf8_valid(mpp_bytes text)
{
	struct utf8 u = {0};
	size_t i;

	for (i = 0; i < text.len; i++) {
		if (!utf8_feed(&u, text.p[i]))
			return false;
	}
	return u.more == 0;
}

mpp_err account_canonical(mpp_bytes name, uint8_t out[MPP_ACCOUNT_MAX])
{
	size_t i;
	uint8_t c;

	if (name.len == 0 || name.len > MPP_ACCOUNT_MAX || !utf8_valid(name))
		return MPP_ERR_INVALID;
	for (i = 0; i < name.len; i++) {
		c = name.p[i];
		if (!name_octet(c))
			return MPP_ERR_INVALID;
		out[i] = (uint8_t)(c >= 'A' && c <= 'Z' ? c + 32 : c);
	}
	return MPP_OK;
}

static uint32_t *bucket(const struct presence *p, mpp_bytes name)
{
	return &p->by_name.bucket[presence_hash(p, name) & p->by_name.mask];
}

uint32_t account_find(const struct presence *p, mpp_bytes name)
{
	uint32_t i = *bucket(p, name);

	while (i != NONE && !bytes_eq(account_name(account_at(p, i)), name))
		i = account_at(p, i)->hash_next;
	return i;
}

uint32_t account_add(struct presence *p, mpp_bytes name)
{
	uint32_t i = pool_take(&p->accounts);
	struct account *a;

	if (i == NONE)
		return NONE;
	a = account_at(p, i);
	memset(a, 0, sizeof(*a));
	a->devices = NONE;
	a->half_open = NONE;
	a->stores = (struct entry_list){NONE, NONE};
	a->pending = (struct entry_list){NONE, NONE};
	a->name_len = (uint8_t)name.len;
	memcpy(a->name, name.p, name.len);
	a->hash_next = *bucket(p, name);
	*bucket(p, name) = i;
	return i;
}

static void list_append(const struct presence *p, struct entry_list *l,
			uint32_t i)
{
	struct entry *e = entry_at(p, i);

	e->next = NONE;
	e->prev = l->tail;
	if (l->tail != NONE)
		entry_at(p, l->tail)->next = i;
	else
		l->head = i;
	l->tail = i;
}

static void list_prepend(const struct presence *p, struct entry_list *l,
			 uint32_t i)
{
	struct entry *e = entry_at(p, i);

	e->prev = NONE;
	e->next = l->head;
	if (l->head != NONE)
		entry_at(p, l->head)->prev = i;
	else
		l->tail = i;
	l->head = i;
}

static void list_unlink(const struct presence *p, struct entry_list *l,
			uint32_t i)
{
	const struct entry *e = entry_at(p, i);

	if (e->prev != NONE)
		entry_at(p, e->prev)->next = e->next;
	else
		l->head = e->next;
	if (e->next != NONE)
		entry_at(p, e->next)->prev = e->prev;
	else
		l->tail = e->prev;
}

static void list_free(struct presence *p, struct entry_list *l)
{
	uint32_t i, next;

	for (i = l->head; i != NONE; i = next) {
		next = entry_at(p, i)->next;
		pool_give(&p->entries, i);
	}
	*l = (struct entry_list){NONE, NONE};
}

void account_remove(struct presence *p, uint32_t account)
{
	struct account *a = account_at(p, account);
	uint32_t *at = bucket(p, account_name(a));

	while (*at != account)
		at = &account_at(p, *at)->hash_next;
	*at = a->hash_next;
	list_free(p, &a->stores);
	list_free(p, &a->pending);
	p->gone -= a->batch == ACCOUNT_GONE;
	a->name_len = 0;
	pool_give(&p->accounts, account);
}

void account_gone(struct presence *p, uint32_t account)
{
	account_at(p, account)->batch = ACCOUNT_GONE;
	p->gone++;
}

bool account_forget_store(struct presence *p, struct account *a)
{
	uint32_t i = a->stores.head;

	while (i != NONE && entry_at(p, i)->serial == 0)
		i = entry_at(p, i)->next;
	if (i == NONE)
		return false;
	list_unlink(p, &a->stores, i);
	pool_give(&p->entries, i);
	a->n_stores--;
	return true;
}

static uint32_t list_find(const struct presence *p, const struct entry_list *l,
			  mpp_bytes name)
{
	uint32_t i = l->tail;

	while (i != NONE && !bytes_eq(entry_name(entry_at(p, i)), name))
		i = entry_at(p, i)->prev;
	return i;
}

uint32_t account_store(const struct presence *p, const struct account *a,
		       mpp_bytes name)
{
	return list_find(p, &a->stores, name);
}

uint32_t account_latest(const struct presence *p, const struct account *a,
			mpp_bytes name)
{
	uint32_t i = list_find(p, &a->pending, name);

	if (i != NONE)
		return i;
	i = account_store(p, a, name);
	return i != NONE && entry_at(p, i)->serial != 0 ? i : NONE;
}

static bool number_used(const struct presence *p, const struct account *a,
			uint8_t number)
{
	uint32_t i = a->stores.head;

	while (i != NONE && entry_at(p, i)->number != number)
		i = entry_at(p, i)->next;
	return i != NONE;
}

/* Entries that were only asked for make room for one that is there. */
static void evict_asked(struct presence *p, struct account *a)
{
	uint32_t d, i = a->stores.head;
	uint8_t n;
	unsigned k;

	if (i == NONE || entry_at(p, i)->serial != 0)
		return;
	n = entry_at(p, i)->number;
	for (d = a->devices; d != NONE; d = device_at(p, d)->next) {
		for (k = 0; k < INSTANCES; k++) {
			uint32_t b = device_at(p, d)->instances[k].binding;
			uint64_t *f;

			if (b == NONE ||
			    device_at(p, d)->instances[k].timestamp == 0)
				continue;
			f = binding_at(p, b)->filter;
			if (!filter_is_all(f))
				f[n >> 6] &= ~(UINT64_C(1) << (n & 63));
		}
	}
	list_unlink(p, &a->stores, i);
	pool_give(&p->entries, i);
	a->n_stores--;
}

/* A free number; there is one, because the caller looked at account_room()
 * or at n_stores. */
static uint8_t free_number(struct presence *p, struct account *a)
{
	uint8_t n = 0;

	if (a->n_stores >= p->stores_per_account)
		evict_asked(p, a);
	while (n < STORE_NUMBERS - 1 && number_used(p, a, n))
		n++;
	return n;
}

static struct entry *fill(struct presence *p, uint32_t i,
			  const mpp_store_status *st)
{
	struct entry *e = entry_at(p, i);

	memset(e, 0, sizeof(*e));
	e->name_len = (uint8_t)st->store.len;
	memcpy(e->name, st->store.p, st->store.len);
	e->digest_len = (uint8_t)st->digest.len;
	if (st->digest.len != 0)
		memcpy(e->digest, st->digest.p, st->digest.len);
	e->index = st->index;
	return e;
}

mpp_err account_number(struct presence *p, struct account *a, mpp_bytes name,
		       uint8_t *number)
{
	mpp_store_status st = {name, 0, {NULL, 0}};
	uint32_t i = account_store(p, a, name);

	if (i == NONE) {
		if (a->n_stores >= p->stores_per_account ||
		    (i = pool_take(&p->entries)) == NONE)
			return MPP_ERR_LIMIT;
		fill(p, i, &st)->number = free_number(p, a);
		list_prepend(p, &a->stores, i);
		a->n_stores++;
	}
	*number = entry_at(p, i)->number;
	return MPP_OK;
}

uint32_t account_room(const struct presence *p, const struct account *a)
{
	uint32_t i, k, taken = 0;

	for (i = a->stores.head; i != NONE; i = entry_at(p, i)->next)
		taken += entry_at(p, i)->serial != 0;
	for (i = a->pending.head; i != NONE; i = entry_at(p, i)->next) {
		k = account_store(p, a, entry_name(entry_at(p, i)));
		taken += k == NONE || entry_at(p, k)->serial == 0;
	}
	return taken >= p->stores_per_account ? 0
					      : p->stores_per_account - taken;
}

uint32_t account_pend(struct presence *p, struct account *a,
		      const mpp_store_status *st, uint64_t serial,
		      uint64_t batch)
{
	uint32_t i = pool_take(&p->entries);
	struct entry *e;

	if (i == NONE)
		return NONE;
	e = fill(p, i, st);
	e->serial = serial;
	e->batch = batch;
	list_append(p, &a->pending, i);
	a->assigned = serial;
	return i;
}

/* A pending entry becomes the newest of the vector, in place of an older
 * entry of the same store. */
static void settle(struct presence *p, struct account *a, uint32_t i)
{
	struct entry *e = entry_at(p, i);
	uint32_t old = account_store(p, a, entry_name(e));

	if (old != NONE) {
		e->number = entry_at(p, old)->number;
		list_unlink(p, &a->stores, old);
		pool_give(&p->entries, old);
	} else {
		e->number = free_number(p, a);
		a->n_stores++;
	}
	list_append(p, &a->stores, i);
	a->serial = e->serial;
}

void account_apply(struct presence *p, struct account *a, uint64_t batch)
{
	uint32_t i;

	while ((i = a->pending.head) != NONE &&
	       entry_at(p, i)->batch == batch) {
		list_unlink(p, &a->pending, i);
		settle(p, a, i);
	}
}

void account_drop(struct presence *p, struct account *a, uint64_t batch,
		  uint64_t from_serial)
{
	uint32_t i, next;

	for (i = a->pending.head; i != NONE; i = next) {
		next = entry_at(p, i)->next;
		if (entry_at(p, i)->batch != batch ||
		    entry_at(p, i)->serial < from_serial)
			continue;
		list_unlink(p, &a->pending, i);
		pool_give(&p->entries, i);
	}
}

mpp_err account_load_store(struct presence *p, struct account *a,
			   const mpp_store_status *st, uint64_t serial)
{
	uint32_t i, at;
	struct entry *e;

	if (a->n_stores >= p->stores_per_account ||
	    (i = pool_take(&p->entries)) == NONE)
		return MPP_ERR_LIMIT;
	e = fill(p, i, st);
	e->serial = serial;
	e->number = free_number(p, a);
	a->n_stores++;
	/* Records come by name; the list is by serial. */
	for (at = a->stores.tail;
	     at != NONE && entry_at(p, at)->serial > serial;)
		at = entry_at(p, at)->prev;
	if (at == NONE) {
		list_prepend(p, &a->stores, i);
	} else if (at == a->stores.tail) {
		list_append(p, &a->stores, i);
	} else {
		e->prev = at;
		e->next = entry_at(p, at)->next;
		entry_at(p, e->next)->prev = i;
		entry_at(p, at)->next = i;
	}
	if (serial > a->serial)
		a->serial = serial;
	if (serial > a->assigned)
		a->assigned = serial;
	return MPP_OK;
}

uint32_t account_newer(const struct presence *p, const struct account *a,
		       const uint64_t filter[2], uint64_t serial)
{
	uint32_t found = NONE, i = a->stores.tail;
	const struct entry *e;

	while (i != NONE && (e = entry_at(p, i))->serial > serial) {
		if (filter_has(filter, e->number))
			found = i;
		i = e->prev;
	}
	return found;
}
