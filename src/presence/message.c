/* SPDX-License-Identifier: MIT */
/* message.c - decoding MPP messages. Contract: message.h.
 *
 * The outermost object has one member, the type; its value is an object whose
 * members are looked up in messages.def. */
#include "presence/message.h"

#include "base/mem.h"

enum kind {
	KIND_UINT = 1,
	KIND_BOOL,
	KIND_DATA,
	KIND_BLOB,
	KIND_TEXT,
	KIND_TIME,
	KIND_ENDPOINT,
	KIND_LIST,
	KIND_TOKEN,
};

struct field {
	const char *name;
	enum kind kind;
	uint16_t offset;
};

static const struct field fields[MSG_FIELDS] = {
#define FIELD(name, text, kind, member) \
	[FIELD_##name] = {text, KIND_##kind, offsetof(struct msg, member)},
#include "presence/messages.def"
#undef FIELD
};

static bool is_text(const mpp_json_item *it)
{
	return it->kind == MPP_JSON_STRING;
}

/* Copy a text or binary value of at most cap octets. */
static mpp_err get_text(const mpp_json_text *t, uint8_t *p, size_t cap,
			size_t *len)
{
	mpp_buf b = {p, cap, 0};
	mpp_err err = mpp_json_text_copy(t, &b);

	*len = b.len;
	return err == MPP_ERR_NOSPACE ? MPP_ERR_RANGE : err;
}

static mpp_err get_data(const mpp_json_item *it, uint8_t *p, size_t cap,
			size_t *len)
{
	mpp_buf b = {p, cap, 0};
	mpp_err err = mpp_json_data_copy(it, &b);

	*len = b.len;
	return err == MPP_ERR_NOSPACE ? MPP_ERR_RANGE : err;
}

static mpp_err get_uint(const mpp_json_item *it, uint64_t *out)
{
	if (it->kind != MPP_JSON_INTEGER)
		return MPP_ERR_TYPE;
	if (it->negative)
		return MPP_ERR_RANGE;
	*out = it->integer;
	return MPP_OK;
}

static mpp_err get_time(const mpp_json_item *it, uint64_t *out)
{
	uint8_t text[MSG_TIME_LEN];
	size_t len = 0;
	mpp_err err;

	if (!is_text(it))
		return MPP_ERR_TYPE;
	err = get_text(&it->text, text, sizeof(text), &len);
	if (err == MPP_OK)
		err = msg_time_read((mpp_bytes){text, len}, out);
	return err;
}

/* EndPoint: {IpAddress (4 or 16 octets), Port}. */
static mpp_err get_endpoint(mpp_json_reader *r, mpp_addr *out)
{
	mpp_addr a = {0};
	mpp_json_item it;
	uint64_t port = 0;
	size_t len = 0;
	mpp_err err;

	while ((err = mpp_json_next(r, &it)) == MPP_OK &&
	       it.kind != MPP_JSON_CLOSE) {
		if (mpp_json_text_is(&it.name, "IpAddress"))
			err = get_data(&it, a.ip, sizeof(a.ip), &len);
		else if (mpp_json_text_is(&it.name, "Port"))
			err = get_uint(&it, &port);
		else
			err = mpp_json_skip(r, &it);
		if (err != MPP_OK)
			return err;
	}
	if (err != MPP_OK)
		return err;
	if ((len != 4 && len != 16) || port > UINT16_MAX)
		return MPP_ERR_RANGE;
	a.family = len == 4 ? 4 : 6;
	a.port = (uint16_t)port;
	*out = a;
	return MPP_OK;
}

/* One {Store, Index, Digest?}; the reader stands behind its brace. */
static mpp_err get_store(mpp_json_reader *r, mpp_buf *scratch,
			 mpp_store_status *out)
{
	mpp_store_status st = {{NULL, 0}, UINT64_MAX, {NULL, 0}};
	uint8_t *p = scratch->p;
	mpp_json_item it;
	mpp_err err;

	while ((err = mpp_json_next(r, &it)) == MPP_OK &&
	       it.kind != MPP_JSON_CLOSE) {
		if (mpp_json_text_is(&it.name, "Store")) {
			if (st.store.p != NULL)
				return MPP_ERR_DUPLICATE;
			if (!is_text(&it))
				return MPP_ERR_TYPE;
			st.store.p = p;
			err = get_text(&it.text, p, MPP_STORE_MAX,
				       &st.store.len);
		} else if (mpp_json_text_is(&it.name, "Index")) {
			if (st.index != UINT64_MAX)
				return MPP_ERR_DUPLICATE;
			err = get_uint(&it, &st.index);
		} else if (mpp_json_text_is(&it.name, "Digest")) {
			if (st.digest.p != NULL)
				return MPP_ERR_DUPLICATE;
			st.digest.p = p + MPP_STORE_MAX;
			err = get_data(&it, p + MPP_STORE_MAX, MPP_DIGEST_MAX,
				       &st.digest.len);
		} else {
			err = mpp_json_skip(r, &it);
		}
		if (err != MPP_OK)
			return err;
	}
	if (err != MPP_OK)
		return err;
	if (st.store.len == 0 || st.index == UINT64_MAX)
		return MPP_ERR_MISSING;
	if (st.index > SERIAL_MAX)
		return MPP_ERR_RANGE;
	*out = st;
	return MPP_OK;
}

static mpp_err get_name(const mpp_json_item *it, mpp_buf *scratch,
			mpp_bytes *out)
{
	size_t len = 0;
	mpp_err err;

	if (!is_text(it))
		return MPP_ERR_TYPE;
	err = get_text(&it->text, scratch->p, MPP_STORE_MAX, &len);
	if (err != MPP_OK)
		return err;
	if (len == 0)
		return MPP_ERR_MISSING;
	*out = (mpp_bytes){scratch->p, len};
	return MPP_OK;
}

/* Check a list whole, so that walking it later cannot fail. */
NOINLINE static mpp_err get_list(mpp_json_reader *r, bool of_stores,
				 struct msg_list *out)
{
	uint8_t room[MPP_STORE_MAX + MPP_DIGEST_MAX];
	mpp_buf scratch = {room, sizeof(room), 0};
	mpp_store_status st;
	mpp_json_item it;
	mpp_bytes name;
	mpp_err err;

	out->at = *r;
	out->n = 0;
	while ((err = mpp_json_next(r, &it)) == MPP_OK &&
	       it.kind != MPP_JSON_CLOSE) {
		if (!of_stores)
			err = get_name(&it, &scratch, &name);
		else if (it.kind != MPP_JSON_OBJECT)
			err = MPP_ERR_TYPE;
		else
			err = get_store(r, &scratch, &st);
		if (err != MPP_OK)
			return err;
		if (++out->n > MSG_STORES_MAX)
			return MPP_ERR_RANGE;
	}
	return err;
}

/* A member that holds others: its reader goes to the end of it. */
static mpp_err get_nested(mpp_json_reader *r, const mpp_json_item *it,
			  const struct field *f, void *at)
{
	if (f->kind == KIND_ENDPOINT) {
		if (it->kind != MPP_JSON_OBJECT)
			return MPP_ERR_TYPE;
		return get_endpoint(r, at);
	}
	if (f->kind == KIND_TOKEN) {
		if (it->kind != MPP_JSON_OBJECT)
			return MPP_ERR_TYPE;
		return msg_token_check(r, at);
	}
	if (it->kind != MPP_JSON_ARRAY)
		return MPP_ERR_TYPE;
	return get_list(r, f == &fields[FIELD_STORE_STATUS], at);
}

static mpp_err get_field(mpp_json_reader *r, const mpp_json_item *it,
			 const struct field *f, struct msg *m)
{
	void *at = (uint8_t *)m + f->offset;
	size_t len = 0;

	switch (f->kind) {
	case KIND_UINT:
		return get_uint(it, at);
	case KIND_BOOL:
		if (it->kind != MPP_JSON_BOOLEAN)
			return MPP_ERR_TYPE;
		*(bool *)at = it->boolean;
		return MPP_OK;
	case KIND_DATA:
		return get_data(it, at, sizeof(m->bitmask), &len);
	case KIND_BLOB:
		if (it->kind != MPP_JSON_DATA &&
		    !(is_text(it) && it->text.quoted))
			return MPP_ERR_TYPE;
		*(mpp_json_text *)at = it->text;
		return MPP_OK;
	case KIND_TEXT:
		if (!is_text(it))
			return MPP_ERR_TYPE;
		*(mpp_json_text *)at = it->text;
		return MPP_OK;
	case KIND_TIME:
		return get_time(it, at);
	case KIND_ENDPOINT:
	case KIND_LIST:
	case KIND_TOKEN:
		return get_nested(r, it, f, at);
	}
	return MPP_ERR_TYPE;
}

static unsigned find_field(const mpp_json_text *name)
{
	unsigned f = 0;

	while (f < MSG_FIELDS && !mpp_json_text_is(name, fields[f].name))
		f++;
	return f;
}

NOINLINE static mpp_err get_members(mpp_json_reader *r, struct msg *m)
{
	mpp_json_item it;
	unsigned f;
	mpp_err err;

	while ((err = mpp_json_next(r, &it)) == MPP_OK &&
	       it.kind != MPP_JSON_CLOSE) {
		f = find_field(&it.name);
		if (f == MSG_FIELDS || it.kind == MPP_JSON_NULL) {
			err = mpp_json_skip(r, &it);
		} else if ((m->present >> f & 1) != 0) {
			err = MPP_ERR_DUPLICATE;
		} else {
			m->present |= UINT32_C(1) << f;
			err = get_field(r, &it, &fields[f], m);
		}
		if (err != MPP_OK)
			return err;
	}
	return err;
}

static enum msg_type find_type(const mpp_json_text *name)
{
#define MSG(n, text, direction)           \
	if (mpp_json_text_is(name, text)) \
		return MSG_##n;
#include "presence/messages.def"
#undef MSG
	return MSG_UNKNOWN;
}

/* JSON if the first octet after the brace and white space is a quotation
 * mark (docs/protocol.md section 23). */
static bool looks_json(mpp_bytes in)
{
	size_t i = 1;

	while (i < in.len && (in.p[i] == ' ' || in.p[i] == '\t' ||
			      in.p[i] == '\n' || in.p[i] == '\r'))
		i++;
	return i < in.len && in.p[i] == '"';
}

/* The type and its object, then the closing brace and the end. */
static mpp_err decode_body(mpp_json_reader *r, struct msg *m)
{
	mpp_json_item it;
	mpp_err err = mpp_json_next(r, &it);

	if (err == MPP_OK && it.kind != MPP_JSON_OBJECT)
		return MPP_ERR_TYPE;
	if (err == MPP_OK)
		err = mpp_json_next(r, &it);
	if (err == MPP_OK && it.kind != MPP_JSON_OBJECT)
		return MPP_ERR_TYPE;
	if (err == MPP_OK) {
		m->type = find_type(&it.name);
		err = get_members(r, m);
	}
	if (err == MPP_OK)
		err = mpp_json_next(r, &it);
	if (err == MPP_OK && it.kind != MPP_JSON_CLOSE)
		return MPP_ERR_TYPE;
	if (err == MPP_OK)
		err = mpp_json_next(r, &it);
	return err;
}

mpp_err msg_decode(mpp_bytes in, struct msg *out, mpp_bytes *rest)
{
	mpp_json_reader r;
	mpp_err err;

	memset(out, 0, sizeof(*out));
	out->json = looks_json(in);
	mpp_json_reader_init(&r, in);
	err = decode_body(&r, out);
	if (err == MPP_OK)
		*rest = mpp_json_rest(&r);
	return err;
}

mpp_err msg_blob(const mpp_json_text *member, mpp_buf *out)
{
	const mpp_json_item it = {
		.kind = member->quoted ? MPP_JSON_STRING : MPP_JSON_DATA,
		.text = *member,
	};

	return mpp_json_data_copy(&it, out);
}

bool msg_next_name(struct msg_list *list, mpp_buf *scratch, mpp_bytes *name)
{
	mpp_json_item it;

	if (list->n == 0 || mpp_json_next(&list->at, &it) != MPP_OK)
		return false;
	list->n--;
	return get_name(&it, scratch, name) == MPP_OK;
}

/* The reader stands behind the bracket of StoreStatus. */
static bool find_stores(mpp_json_reader *r)
{
	mpp_json_item it;

	/* The message, its type, and then its members. */
	if (mpp_json_next(r, &it) != MPP_OK || mpp_json_next(r, &it) != MPP_OK)
		return false;
	while (mpp_json_next(r, &it) == MPP_OK && it.has_name) {
		if (it.kind == MPP_JSON_ARRAY &&
		    mpp_json_text_is(&it.name, "StoreStatus"))
			return true;
		if (mpp_json_skip(r, &it) != MPP_OK)
			return false;
	}
	return false;
}

bool msg_store_at(mpp_bytes message, size_t *at, mpp_buf *scratch,
		  mpp_store_status *out)
{
	mpp_json_reader r;
	mpp_json_item it;

	mpp_json_reader_init(&r, message);
	if (*at > message.len || !find_stores(&r))
		return false;
	if (*at != 0) {
		/* Behind an entry it stands like behind the first. */
		if (mpp_json_next(&r, &it) != MPP_OK ||
		    mpp_json_skip(&r, &it) != MPP_OK)
			return false;
		r.p = message.p + *at;
		r.left = message.len - *at;
	}
	if (mpp_json_next(&r, &it) != MPP_OK || it.kind != MPP_JSON_OBJECT ||
	    get_store(&r, scratch, out) != MPP_OK)
		return false;
	*at = message.len - r.left;
	return true;
}

bool msg_next_store(struct msg_list *list, mpp_buf *scratch,
		    mpp_store_status *out)
{
	mpp_json_item it;

	if (list->n == 0 || mpp_json_next(&list->at, &it) != MPP_OK)
		return false;
	list->n--;
	return get_store(&list->at, scratch, out) == MPP_OK;
}
