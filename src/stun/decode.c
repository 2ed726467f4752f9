/* SPDX-License-Identifier: MIT */
/* decode.c - reading STUN messages. Contract: stun.h. */
#include "base/rd.h"
#include "stun/form.h"
#include "stun/stun.h"

bool stun_is(mpp_bytes in)
{
	struct rd r = rd_init(in);
	const uint8_t first = rd_u8(&r);

	(void)rd_take(&r, 3);
	return in.len >= STUN_HEADER_LEN && first < STUN_TYPE_MAX &&
	       rd_u32(&r) == STUN_COOKIE;
}

struct form {
	uint16_t type, shortest, longest;
};

/* NULL: not known here. */
static const struct form *form_of(unsigned type)
{
	static const struct form forms[] = {
#define STUN_ATTR(name, number, shortest, longest) {number, shortest, longest},
#include "stun/attributes.def"
#undef STUN_ATTR
	};
	size_t i;

	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (forms[i].type == type)
			return &forms[i];
	}
	return NULL;
}

/* The family and the length have to go together. id: NULL when it is plain. */
static mpp_err take_address(mpp_bytes v, const uint8_t *id, mpp_addr *out)
{
	struct rd r = rd_init(v);
	mpp_addr a = {.family = 0};
	unsigned family;

	(void)rd_u8(&r);
	family = rd_u8(&r);
	a.port = rd_u16(&r);
	if (family != STUN_FAMILY_4 && family != STUN_FAMILY_6)
		return MPP_ERR_RANGE;
	a.family = family == STUN_FAMILY_4 ? 4 : 6;
	rd_copy(&r, a.ip, a.family == 4 ? 4 : 16);
	if (rd_finish(&r) != MPP_OK)
		return MPP_ERR_RANGE;
	if (id != NULL)
		stun_xor(&a, id);
	if (out->family == 0)
		*out = a;
	return MPP_OK;
}

/* RFC 8489 14.8: the hundreds, 3 to 6, and the rest below 100. */
static mpp_err take_error(struct stun *m, mpp_bytes v)
{
	struct rd r = rd_init(v);
	unsigned hundreds, rest;

	(void)rd_u16(&r);
	hundreds = rd_u8(&r) & 7u;
	rest = rd_u8(&r);
	if (hundreds < 3 || hundreds > 6 || rest > 99)
		return MPP_ERR_RANGE;
	if (m->error != 0)
		return MPP_OK;
	m->error = hundreds * 100 + rest;
	m->reason = rd_rest(&r);
	return MPP_OK;
}

/* Is it the first one? */
static bool take_first(struct stun *m, unsigned has)
{
	if ((m->has & has) != 0)
		return false;
	m->has |= has;
	return true;
}

static mpp_err take_known(struct stun *m, unsigned type, mpp_bytes v)
{
	struct rd r = rd_init(v);

	switch (type) {
	case STUN_MAPPED_ADDRESS:
		return take_address(v, NULL, &m->plain);
	case STUN_XOR_MAPPED_ADDRESS:
		return take_address(v, m->id, &m->mapped);
	case STUN_RESPONSE_ORIGIN:
		return take_address(v, NULL, &m->origin);
	case STUN_OTHER_ADDRESS:
		return take_address(v, NULL, &m->other);
	case STUN_ERROR_CODE:
		return take_error(m, v);
	case STUN_CHANGE_REQUEST:
		if (take_first(m, STUN_HAS_CHANGE))
			m->change = rd_u32(&r) &
				    (STUN_CHANGE_IP | STUN_CHANGE_PORT);
		return MPP_OK;
	case STUN_RESPONSE_PORT:
		if (take_first(m, STUN_HAS_RESPONSE_PORT))
			m->response_port = rd_u16(&r);
		return MPP_OK;
	case STUN_PADDING:
		if (take_first(m, STUN_HAS_PADDING))
			m->padding = v.len;
		return MPP_OK;
	case STUN_SOFTWARE:
		if (m->software.p == NULL)
			m->software = v;
		return MPP_OK;
	case STUN_INTEGRITY:
	case STUN_INTEGRITY_SHA256:
		m->has |= STUN_HAS_INTEGRITY;
		return MPP_OK;
	default:
		return MPP_OK; /* credentials */
	}
}

static mpp_err take_attribute(struct stun *m, unsigned type, mpp_bytes v)
{
	const struct form *f = form_of(type);

	/* Whoever changed the message on its way could have put it there. */
	if ((m->has & STUN_HAS_INTEGRITY) != 0)
		return MPP_OK;
	if (f != NULL)
		return v.len >= f->shortest && v.len <= f->longest
			       ? take_known(m, type, v)
			       : MPP_ERR_RANGE;
	if (type < STUN_REQUIRED && m->n_unknown < STUN_UNKNOWN_MAX)
		m->unknown[m->n_unknown++] = (uint16_t)type;
	return MPP_OK;
}

/* It is the last attribute, and the message's length counts it. */
static mpp_err take_fingerprint(struct stun *m, mpp_bytes in,
				const struct rd *r, mpp_bytes v)
{
	const mpp_bytes before = {in.p, in.len - STUN_FINGERPRINT_LEN};
	struct rd value = rd_init(v);

	if (v.len != 4)
		return MPP_ERR_RANGE;
	if (r->left != 0)
		return MPP_ERR_TRAILING;
	if (rd_u32(&value) != stun_fingerprint(before))
		return MPP_ERR_CHECKSUM;
	m->has |= STUN_HAS_FINGERPRINT;
	return MPP_OK;
}

static mpp_err take_attributes(struct stun *m, mpp_bytes in, struct rd *r)
{
	mpp_err err = MPP_OK;

	while (err == MPP_OK && r->left > 0) {
		const unsigned type = rd_u16(r);
		const size_t len = rd_u16(r);
		const mpp_bytes v = rd_slice(r, len);

		(void)rd_take(r, (4 - len % 4) % 4);
		if (r->err != MPP_OK)
			return r->err;
		err = type == STUN_FINGERPRINT ? take_fingerprint(m, in, r, v)
					       : take_attribute(m, type, v);
	}
	return err;
}

/* RFC 8489 5: the bits of the class stand between those of the method. */
static void take_type(struct stun *m, unsigned type)
{
	m->class = (enum stun_class)((type >> 7 & 2) | (type >> 4 & 1));
	m->method = (type & 0xf) | (type >> 1 & 0x70) | (type >> 2 & 0xf80);
}

mpp_err stun_decode(mpp_bytes in, struct stun *out)
{
	struct rd r = rd_init(in);
	struct stun m = {.id = NULL};
	size_t len;
	mpp_err err;

	if (!stun_is(in))
		return MPP_ERR_TYPE;
	take_type(&m, rd_u16(&r));
	len = rd_u16(&r);
	(void)rd_u32(&r);
	m.id = rd_take(&r, STUN_ID_LEN);
	if (len % 4 != 0)
		return MPP_ERR_SYNTAX;
	if (len != r.left)
		return len > r.left ? MPP_ERR_TRUNCATED : MPP_ERR_TRAILING;
	if ((err = take_attributes(&m, in, &r)) == MPP_OK)
		*out = m;
	return err;
}
