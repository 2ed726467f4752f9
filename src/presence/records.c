/* SPDX-License-Identifier: MIT */
/* records.c - durable records. Contract: records.h. */
#include "presence/records.h"

#include "base/mem.h"
#include "base/rd.h"
#include "jsonbcd/utf8.h"
#include "presence/account.h"
#include "presence/message.h"

enum {
	OP_PUT = 1,
	OP_DELETE = 2,
	ACCOUNT_REMOVED = 1, /* behind the version of an account */
};

/* One operation: its two lengths are filled in when it is complete. */
struct op {
	size_t key_at, value_at;
};

static struct op op_begin(struct wr *w, uint8_t op, char kind)
{
	struct op o;

	wr_u8(w, op);
	wr_u16(w, 0);
	o.key_at = w->n;
	o.value_at = 0;
	wr_u8(w, (uint8_t)kind);
	return o;
}

static void patch(struct wr *w, size_t at, size_t n, size_t v)
{
	while (w->err == MPP_OK && w->p != NULL && n-- > 0) {
		w->p[at + n] = (uint8_t)v;
		v >>= 8;
	}
}

static void op_value(struct wr *w, struct op *o)
{
	patch(w, o->key_at - 2, 2, w->n - o->key_at);
	wr_u32(w, 0);
	o->value_at = w->n;
}

static void op_end(struct wr *w, const struct op *o)
{
	patch(w, o->value_at - 4, 4, w->n - o->value_at);
}

void record_account(struct wr *w, mpp_bytes account)
{
	struct op o = op_begin(w, OP_PUT, 'a');

	wr_raw(w, account.p, account.len);
	op_value(w, &o);
	wr_u8(w, RECORD_VERSION);
	op_end(w, &o);
}

void record_account_marks(struct wr *w, const struct account *a)
{
	struct op o = op_begin(w, OP_PUT, 'a');

	wr_raw(w, a->name, a->name_len);
	op_value(w, &o);
	wr_u8(w, RECORD_VERSION);
	wr_u64(w, a->revoked_ms);
	if (a->enrol_ms != 0)
		wr_u64(w, a->enrol_ms);
	op_end(w, &o);
}

void record_account_gone(struct wr *w, mpp_bytes account)
{
	struct op o = op_begin(w, OP_DELETE, 'a');

	wr_raw(w, account.p, account.len);
	op_value(w, &o);
}

void record_account_removed(struct wr *w, mpp_bytes account)
{
	struct op o = op_begin(w, OP_PUT, 'a');

	wr_raw(w, account.p, account.len);
	op_value(w, &o);
	wr_u8(w, RECORD_VERSION);
	wr_u8(w, ACCOUNT_REMOVED);
	op_end(w, &o);
}

void record_floor(struct wr *w, uint64_t serial, uint64_t removed_ms)
{
	struct op o = op_begin(w, OP_PUT, 'f');

	op_value(w, &o);
	wr_u8(w, RECORD_VERSION);
	wr_u64(w, serial);
	wr_u64(w, removed_ms);
	op_end(w, &o);
}

void record_token_mark(struct wr *w, const struct token_mark *mark)
{
	struct op o = op_begin(w, OP_PUT, 'k');

	wr_raw(w, mark->id, sizeof(mark->id));
	op_value(w, &o);
	wr_u8(w, RECORD_VERSION);
	wr_u64(w, mark->revoked_ms);
	op_end(w, &o);
}

void record_store(struct wr *w, mpp_bytes account, const mpp_store_status *st,
		  uint64_t serial)
{
	struct op o = op_begin(w, OP_PUT, 's');

	wr_raw(w, account.p, account.len);
	wr_u8(w, 0);
	wr_raw(w, st->store.p, st->store.len);
	op_value(w, &o);
	wr_u8(w, RECORD_VERSION);
	wr_u64(w, st->index);
	wr_u64(w, serial);
	wr_raw(w, st->digest.p, st->digest.len);
	op_end(w, &o);
}

void record_store_gone(struct wr *w, mpp_bytes account, mpp_bytes store)
{
	struct op o = op_begin(w, OP_DELETE, 's');

	wr_raw(w, account.p, account.len);
	wr_u8(w, 0);
	wr_raw(w, store.p, store.len);
	op_value(w, &o);
}

static void device_key_of(struct wr *w, mpp_bytes account,
			  const struct device *d)
{
	wr_raw(w, account.p, account.len);
	wr_u8(w, 0);
	wr_u8(w, d->suite);
	wr_raw(w, d->key, mpp_dh_len(d->suite));
}

void record_device(struct wr *w, mpp_bytes account, const struct device *d)
{
	struct op o = op_begin(w, OP_PUT, 'd');
	uint8_t n = 0;
	unsigned k;

	device_key_of(w, account, d);
	op_value(w, &o);
	for (k = 0; k < INSTANCES; k++)
		n = (uint8_t)(n + (d->instances[k].timestamp != 0));
	wr_u8(w, RECORD_VERSION);
	wr_u8(w, d->rights);
	wr_u8(w, n);
	for (k = 0; k < INSTANCES; k++) {
		if (d->instances[k].timestamp == 0)
			continue;
		wr_raw(w, d->instances[k].id, MPP_INSTANCE_LEN);
		wr_u64(w, d->instances[k].timestamp);
	}
	if (d->revoked_ms != 0)
		wr_u64(w, d->revoked_ms);
	op_end(w, &o);
}

void record_device_gone(struct wr *w, mpp_bytes account, const struct device *d)
{
	struct op o = op_begin(w, OP_DELETE, 'd');

	device_key_of(w, account, d);
	op_value(w, &o);
}

void record_invitation(struct wr *w, mpp_bytes account,
		       const struct invitation *v)
{
	struct op o = op_begin(w, OP_PUT, 'i');

	wr_raw(w, v->hash, sizeof(v->hash));
	op_value(w, &o);
	wr_u8(w, RECORD_VERSION);
	wr_bytes(w, account.p, account.len);
	wr_u8(w, v->rights);
	wr_u64(w, v->expires);
	wr_u8(w, v->used_suite);
	wr_raw(w, v->used_key, mpp_dh_len(v->used_suite));
	op_end(w, &o);
}

static void invitation_gone(struct wr *w, const uint8_t *hash)
{
	struct op o = op_begin(w, OP_DELETE, 'i');

	wr_raw(w, hash, sizeof(((struct invitation *)0)->hash));
	op_value(w, &o);
}

void record_invitation_gone(struct wr *w, const struct invitation *v)
{
	invitation_gone(w, v->hash);
}

static void read_version(struct rd *r)
{
	if (rd_u8(r) != RECORD_VERSION)
		rd_fail(r, MPP_ERR_VERSION);
}

/* The account's part of a key: up to a zero octet. */
static mpp_bytes read_name(struct rd *r)
{
	mpp_bytes name = {r->p, 0};

	while (r->err == MPP_OK && rd_u8(r) != 0)
		name.len++;
	return name;
}

static mpp_err find_account(const struct presence *p, mpp_bytes name,
			    uint32_t *account)
{
	*account = account_find(p, name);
	return *account == NONE ? MPP_ERR_MISSING : MPP_OK;
}

static bool read_removed(struct rd *value)
{
	if (value->left != 1 || value->p[0] != ACCOUNT_REMOVED)
		return false;
	(void)rd_u8(value);
	return true;
}

static mpp_err load_account(struct presence *p, struct rd *key,
			    struct rd *value)
{
	uint8_t canonical[MPP_ACCOUNT_MAX];
	mpp_bytes name = rd_rest(key);
	uint64_t revoked_ms = 0, enrol_ms = 0;
	bool removed;
	uint32_t account;
	mpp_err err;

	read_version(value);
	removed = read_removed(value);
	if (value->left == 8 || value->left == 16)
		revoked_ms = rd_u64(value);
	if (value->left == 8)
		enrol_ms = rd_u64(value);
	err = rd_finish(value);
	if (err != MPP_OK)
		return err;
	if (account_canonical(name, canonical) != MPP_OK ||
	    !bytes_eq(name, (mpp_bytes){canonical, name.len}))
		return MPP_ERR_RANGE;
	if (account_find(p, name) != NONE)
		return MPP_ERR_DUPLICATE;
	account = account_add(p, name);
	if (account == NONE)
		return MPP_ERR_LIMIT;
	account_at(p, account)->revoked_ms = revoked_ms;
	account_at(p, account)->enrol_ms = enrol_ms;
	if (removed)
		account_gone(p, account);
	return MPP_OK;
}

static mpp_err load_instances(struct rd *value, struct instance *in, uint8_t n)
{
	const uint8_t *id;
	uint8_t k;

	if (n > INSTANCES)
		return MPP_ERR_RANGE;
	for (k = 0; k < n; k++) {
		memset(&in[k], 0, sizeof(in[k]));
		id = rd_take(value, MPP_INSTANCE_LEN);
		if (id != NULL)
			memcpy(in[k].id, id, MPP_INSTANCE_LEN);
		in[k].timestamp = rd_u64(value);
		in[k].binding = NONE;
		if (value->err == MPP_OK && in[k].timestamp == 0)
			return MPP_ERR_RANGE;
	}
	return value->err;
}

static mpp_err read_key(struct rd *r, struct device_key *key)
{
	size_t len;

	key->suite = rd_u8(r);
	len = mpp_dh_len(key->suite);
	if (r->err == MPP_OK && len == 0)
		return MPP_ERR_RANGE;
	rd_copy(r, key->raw, len);
	return rd_finish(r);
}

static mpp_err load_device(struct presence *p, struct rd *key, struct rd *value)
{
	struct instance in[INSTANCES];
	struct device_key dk = {0, {0}};
	uint64_t revoked_ms = 0;
	uint32_t account, device;
	uint8_t rights, n;
	unsigned k;
	mpp_err err = find_account(p, read_name(key), &account);

	if (err == MPP_OK)
		err = read_key(key, &dk);
	read_version(value);
	rights = rd_u8(value);
	n = rd_u8(value);
	if (err == MPP_OK && value->err != MPP_OK)
		err = value->err;
	if (err == MPP_OK)
		err = load_instances(value, in, n);
	if (err == MPP_OK && value->left == sizeof(revoked_ms))
		revoked_ms = rd_u64(value);
	if (err == MPP_OK)
		err = rd_finish(value);
	if (err != MPP_OK)
		return err;
	device = device_add(p, &dk, account, rights);
	if (device == NONE)
		return MPP_ERR_LIMIT;
	device_at(p, device)->revoked_ms = revoked_ms;
	for (k = 0; k < n; k++)
		device_at(p, device)->instances[k] = in[k];
	return MPP_OK;
}

/* An invitation that is not loaded leaves the disk: else it would outlive its
 * account. Without room it is left to the next start. */
static void drop_invitation(struct wr *gone, const uint8_t *hash)
{
	struct wr before = *gone;

	invitation_gone(gone, hash);
	if (gone->err != MPP_OK)
		*gone = before;
}

/* A place, if need be that of the invitation which expires first. There may be
 * more on disk than there is room for: expired ones whose removal failed. NONE:
 * this one expires first. */
static uint32_t place_invitation(struct presence *p, const uint8_t *hash,
				 const struct invitation *read, struct wr *gone)
{
	uint32_t i = invitation_add(p, hash, read->account), k;

	if (i != NONE)
		return i;
	for (k = 0; k < p->invitations.fresh; k++) {
		if (i == NONE ||
		    invitation_at(p, k)->expires < invitation_at(p, i)->expires)
			i = k;
	}
	if (i == NONE || invitation_at(p, i)->expires >= read->expires) {
		drop_invitation(gone, hash);
		return NONE;
	}
	drop_invitation(gone, invitation_at(p, i)->hash);
	invitation_remove(p, i);
	return invitation_add(p, hash, read->account);
}

/* Everything but the hash. */
static mpp_err read_invitation(struct rd *value, struct invitation *v,
			       mpp_bytes *name)
{
	struct device_key used = {0, {0}};
	mpp_err err = MPP_OK;

	read_version(value);
	*name = rd_bytes(value);
	v->rights = rd_u8(value);
	v->expires = rd_u64(value);
	if (value->err != MPP_OK)
		return value->err;
	if (v->expires == 0)
		return MPP_ERR_RANGE;
	if (value->left != 1 || value->p[0] != 0)
		err = read_key(value, &used);
	v->used_suite = (uint8_t)used.suite;
	memcpy(v->used_key, used.raw, sizeof(used.raw));
	return err;
}

static mpp_err load_invitation(struct presence *p, struct rd *key,
			       struct rd *value, struct wr *gone)
{
	struct invitation read = {0}, *v;
	mpp_bytes hash = rd_rest(key), name;
	uint32_t i;
	mpp_err err = read_invitation(value, &read, &name);

	if (err != MPP_OK)
		return err;
	if (hash.len != 32)
		return MPP_ERR_RANGE;
	if (find_account(p, name, &read.account) != MPP_OK) {
		drop_invitation(gone, hash.p);
		return MPP_OK;
	}
	i = place_invitation(p, hash.p, &read, gone);
	if (i == NONE)
		return MPP_OK;
	v = invitation_at(p, i);
	v->rights = read.rights;
	v->expires = read.expires;
	v->used_suite = read.used_suite;
	memcpy(v->used_key, read.used_key, sizeof(v->used_key));
	return MPP_OK;
}

static mpp_err load_store(struct presence *p, struct rd *key, struct rd *value)
{
	mpp_store_status st = {{NULL, 0}, 0, {NULL, 0}};
	uint64_t serial;
	uint32_t account;
	mpp_err err = find_account(p, read_name(key), &account);

	st.store = rd_rest(key);
	read_version(value);
	st.index = rd_u64(value);
	serial = rd_u64(value);
	st.digest = rd_rest(value);
	if (err != MPP_OK)
		return err;
	if (value->err != MPP_OK)
		return value->err;
	if (st.store.len < 1 || st.store.len > MPP_STORE_MAX ||
	    st.digest.len > MPP_DIGEST_MAX || st.index > SERIAL_MAX ||
	    serial == 0 || serial > SERIAL_MAX)
		return MPP_ERR_RANGE;
	return account_load_store(p, account_at(p, account), &st, serial);
}

static mpp_err load_floor(struct presence *p, struct rd *key, struct rd *value)
{
	uint64_t serial, removed_ms;
	mpp_err err;

	read_version(value);
	serial = rd_u64(value);
	removed_ms = value->left == 8 ? rd_u64(value) : 0;
	err = rd_finish(value);
	if (err != MPP_OK)
		return err;
	if (key->left != 0 || serial > SERIAL_MAX)
		return MPP_ERR_RANGE;
	p->floor = serial;
	p->floor_ms = removed_ms;
	return MPP_OK;
}

/* That of a key which is not configured now rests on disk: the key may come
 * back. */
static mpp_err load_token_mark(struct presence *p, struct rd *key,
			       struct rd *value)
{
	mpp_bytes id = rd_rest(key);
	uint64_t revoked_ms;
	mpp_err err;
	unsigned i;

	read_version(value);
	revoked_ms = rd_u64(value);
	err = rd_finish(value);
	if (err != MPP_OK)
		return err;
	if (id.len != MPP_TOKEN_KEY_ID_LEN)
		return MPP_ERR_RANGE;
	for (i = 0; i < TOKEN_KEYS; i++) {
		struct token_mark *mark = &p->token_marks[i];

		if (mark->on && memcmp(mark->id, id.p, id.len) == 0)
			mark->revoked_ms = revoked_ms;
	}
	return MPP_OK;
}

mpp_err record_load(struct presence *p, mpp_bytes key, mpp_bytes value,
		    struct wr *gone)
{
	struct rd k = rd_init(key), v = rd_init(value);

	switch (rd_u8(&k)) {
	case 'a':
		return load_account(p, &k, &v);
	case 'd':
		return load_device(p, &k, &v);
	case 'f':
		return load_floor(p, &k, &v);
	case 'i':
		return load_invitation(p, &k, &v, gone);
	case 'k':
		return load_token_mark(p, &k, &v);
	case 's':
		return load_store(p, &k, &v);
	default:
		return MPP_ERR_TYPE;
	}
}
