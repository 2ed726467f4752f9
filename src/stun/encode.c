/* SPDX-License-Identifier: MIT */
/* encode.c - writing STUN messages. Contract: stun.h. */
#include "base/wr.h"
#include "stun/form.h"
#include "stun/stun.h"

enum {
	TYPE_REQUEST = 0x0001, /* Binding */
	TYPE_SUCCESS = 0x0101,
	TYPE_ERROR = 0x0111,
	LENGTH_AT = 2,
};

static void put_head(struct wr *w, unsigned type, const uint8_t *id)
{
	wr_u16(w, (uint16_t)type);
	wr_u16(w, 0); /* length: put_end() */
	wr_u32(w, STUN_COOKIE);
	wr_raw(w, id, STUN_ID_LEN);
}

/* An attribute's head; len is without its padding. */
static void put_attr(struct wr *w, enum stun_attr type, size_t len)
{
	wr_u16(w, (uint16_t)type);
	wr_u16(w, (uint16_t)len);
}

static void put_address(struct wr *w, enum stun_attr type, const mpp_addr *a)
{
	const size_t n = a->family == 4 ? 4 : 16;

	if (a->family == 0)
		return;
	put_attr(w, type, 4 + n);
	wr_u8(w, 0);
	wr_u8(w, a->family == 4 ? STUN_FAMILY_4 : STUN_FAMILY_6);
	wr_u16(w, a->port);
	wr_raw(w, a->ip, n);
}

static void put_padding(struct wr *w, size_t n)
{
	put_attr(w, STUN_PADDING, n);
	wr_zero(w, n);
}

/* The length, which counts FINGERPRINT, and FINGERPRINT over all of it. */
static mpp_err put_end(struct wr *w, bool fingerprint, mpp_buf *out)
{
	const size_t more = fingerprint ? STUN_FINGERPRINT_LEN : 0;
	const size_t len = w->n - STUN_HEADER_LEN + more;
	struct wr at;

	if (w->err != MPP_OK || w->cap - w->n < more || len > UINT16_MAX)
		return MPP_ERR_NOSPACE;
	at = wr_init(w->p + LENGTH_AT, 2);
	wr_u16(&at, (uint16_t)len);
	if (fingerprint) {
		const uint32_t sum = stun_fingerprint((mpp_bytes){w->p, w->n});

		put_attr(w, STUN_FINGERPRINT, 4);
		wr_u32(w, sum);
	}
	out->len = w->n;
	return MPP_OK;
}

mpp_err stun_request(const struct stun_ask *ask, mpp_buf *out)
{
	struct wr w = wr_init(out->p, out->cap);

	put_head(&w, TYPE_REQUEST, ask->id);
	if ((ask->has & STUN_HAS_CHANGE) != 0) {
		put_attr(&w, STUN_CHANGE_REQUEST, 4);
		wr_u32(&w, ask->change);
	}
	if ((ask->has & STUN_HAS_RESPONSE_PORT) != 0) {
		put_attr(&w, STUN_RESPONSE_PORT, 4);
		wr_u16(&w, ask->response_port);
		wr_u16(&w, 0);
	}
	if ((ask->has & STUN_HAS_PADDING) != 0)
		put_padding(&w, ask->padding);
	return put_end(&w, (ask->has & STUN_HAS_FINGERPRINT) != 0, out);
}

/* Reason phrases are those of RFC 8489 14.8, filled to whole words. */
static void put_error(struct wr *w, unsigned code)
{
	static const char bad[] = "Bad Request\0";
	static const char unknown[] = "Unknown Attribute\0\0\0";
	const bool is_unknown = code == STUN_UNKNOWN_ATTRIBUTE;
	const size_t len = is_unknown ? 17 : 11;

	put_attr(w, STUN_ERROR_CODE, 4 + len);
	wr_u16(w, 0);
	wr_u8(w, (uint8_t)(code / 100));
	wr_u8(w, (uint8_t)(code % 100));
	wr_raw(w, is_unknown ? unknown : bad, (len + 3) / 4 * 4);
}

static void put_unknown(struct wr *w, const struct stun *request)
{
	unsigned i;

	put_attr(w, STUN_UNKNOWN_ATTRIBUTES, 2 * (size_t)request->n_unknown);
	for (i = 0; i < request->n_unknown; i++)
		wr_u16(w, request->unknown[i]);
	if (request->n_unknown % 2 != 0)
		wr_u16(w, 0);
}

mpp_err stun_answer(const struct stun_answer *a, mpp_buf *out)
{
	struct wr w = wr_init(out->p, out->cap);
	mpp_addr mapped = a->mapped;

	put_head(&w, a->error == 0 ? TYPE_SUCCESS : TYPE_ERROR, a->id);
	if (a->error != 0)
		put_error(&w, a->error);
	if (a->error == STUN_UNKNOWN_ATTRIBUTE)
		put_unknown(&w, a->request);
	if (mapped.family != 0)
		stun_xor(&mapped, a->id);
	put_address(&w, STUN_XOR_MAPPED_ADDRESS, &mapped);
	put_address(&w, STUN_MAPPED_ADDRESS, &a->plain);
	put_address(&w, STUN_RESPONSE_ORIGIN, &a->origin);
	put_address(&w, STUN_OTHER_ADDRESS, &a->other);
	if (a->padding != 0)
		put_padding(&w, a->padding);
	return put_end(&w, a->fingerprint, out);
}
