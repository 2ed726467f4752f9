/* SPDX-License-Identifier: MIT */
/* mem.c - the store in memory: a sorted array, searched from the front. It is
 * the naive twin that the durable ones are compared with, so it stays too
 * simple to be wrong. */
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

#include "store/batch.h"
#include "store/error.h"

struct record {
	size_t key_len;
	size_t value_len;
	uint8_t bytes[]; /* key, then value */
};

struct mem {
	struct store store;
	struct record **at;
	size_t count;
	size_t cap;
};

static mpp_bytes key_of(const struct record *r)
{
	return (mpp_bytes){r->bytes, r->key_len};
}

static int compare(mpp_bytes a, mpp_bytes b)
{
	int c = memcmp(a.p, b.p, a.len < b.len ? a.len : b.len);

	return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

/* Where key is, or where it belongs. */
static size_t find(const struct mem *m, mpp_bytes key, bool *there)
{
	size_t i = 0;
	int c = 1;

	while (i < m->count && (c = compare(key_of(m->at[i]), key)) < 0)
		i++;
	*there = i < m->count && c == 0;
	return i;
}

static struct record *copy(const struct batch_op *op)
{
	struct record *r = malloc(sizeof(*r) + op->key.len + op->value.len);

	if (r == NULL)
		return NULL;
	r->key_len = op->key.len;
	r->value_len = op->value.len;
	memcpy(r->bytes, op->key.p, op->key.len);
	if (op->value.len != 0)
		memcpy(r->bytes + op->key.len, op->value.p, op->value.len);
	return r;
}

static void put(struct mem *m, struct record *r)
{
	bool there;
	size_t i = find(m, key_of(r), &there);

	if (there) {
		free(m->at[i]);
	} else {
		memmove(m->at + i + 1, m->at + i,
			(m->count - i) * sizeof(*m->at));
		m->count++;
	}
	m->at[i] = r;
}

static void drop(struct mem *m, mpp_bytes key)
{
	bool there;
	size_t i = find(m, key, &there);

	if (!there)
		return;
	free(m->at[i]);
	m->count--;
	memmove(m->at + i, m->at + i + 1, (m->count - i) * sizeof(*m->at));
}

static void free_all(struct record **r, size_t n)
{
	while (n-- > 0)
		free(r[n]);
	free(r);
}

/* A copy for each put of all batches, made before anything changes. */
static struct record **copy_puts(const mpp_bytes *batches, size_t n, size_t ops)
{
	struct record **made = calloc(ops, sizeof(struct record *));
	struct batch_op op;
	struct rd r;
	size_t count = 0;
	size_t i;

	for (i = 0; made != NULL && i < n; i++) {
		r = rd_init(batches[i]);
		while (batch_next(&r, &op)) {
			if (op.kind == BATCH_PUT &&
			    (made[count++] = copy(&op)) == NULL) {
				free_all(made, count);
				return NULL;
			}
		}
	}
	return made;
}

static bool grow(struct mem *m, size_t more)
{
	struct record **at;

	if (m->cap - m->count >= more)
		return true;
	at = realloc(m->at, (m->count + more) * 2 * sizeof(*at));
	if (at == NULL)
		return false;
	m->at = at;
	m->cap = (m->count + more) * 2;
	return true;
}

/* Cannot fail: all room is there. */
static void apply(struct mem *m, mpp_bytes batch, struct record ***next)
{
	struct rd r = rd_init(batch);
	struct batch_op op;

	while (batch_next(&r, &op)) {
		if (op.kind == BATCH_PUT)
			put(m, *(*next)++);
		else
			drop(m, op.key);
	}
}

static mpp_err mem_commit(struct store *s, const mpp_bytes *batches, size_t n,
			  struct store_error *err)
{
	struct mem *m = (struct mem *)s;
	struct record **made = NULL;
	struct record **next;
	size_t ops = 0;
	mpp_err rc;
	size_t i;

	if ((rc = batch_check(batches, n, &ops, err)) != MPP_OK)
		return rc;
	if (ops == 0)
		return MPP_OK;
	if (!grow(m, ops) || (made = copy_puts(batches, n, ops)) == NULL)
		return store_fail(err, MPP_ERR_STORE,
				  "out of memory: nothing was stored");
	next = made;
	for (i = 0; i < n; i++)
		apply(m, batches[i], &next);
	free(made);
	return MPP_OK;
}

static mpp_err mem_load(struct store *s, store_record_fn *fn, void *arg,
			struct store_error *err)
{
	struct mem *m = (struct mem *)s;
	struct record *r;
	mpp_err rc;
	size_t i;

	for (i = 0; i < m->count; i++) {
		r = m->at[i];
		rc = fn(arg, key_of(r),
			(mpp_bytes){r->bytes + r->key_len, r->value_len});
		if (rc != MPP_OK)
			return store_fail(err, rc, "the load was stopped: %s",
					  mpp_err_text(rc));
	}
	return MPP_OK;
}

static void mem_close(struct store *s)
{
	struct mem *m = (struct mem *)s;

	free_all(m->at, m->count);
	free(m);
}

static const struct store_ops mem_ops = {
	.name = "mem",
	.load = mem_load,
	.commit = mem_commit,
	.close = mem_close,
};

mpp_err store_mem_open(struct store **out)
{
	struct mem *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return MPP_ERR_NOMEM;
	m->store.ops = &mem_ops;
	*out = &m->store;
	return MPP_OK;
}
