/* SPDX-License-Identifier: MIT */
/* connect.c - connection datagrams. Contract: connect.h. */
#include "rud/connect.h"

#include "base/mem.h"

/* Everything behind the leading 16 octets. */
static mpp_err read_rest(struct rd *r, mpp_bytes in, struct connect *c,
			 bool initiator)
{
	mpp_err err;

	c->type = rd_u8(r);
	c->version = rd_int(r);
	c->suite = rd_int(r);
	if (initiator) {
		c->reply_id = rd_bytes(r);
		if (r->err == MPP_OK && c->reply_id.len != REPLY_ID_LEN)
			rd_fail(r, MPP_ERR_SYNTAX);
	}
	if (r->err != MPP_OK)
		return r->err;
	if (c->version != RUD_VERSION)
		return MPP_ERR_VERSION;
	err = ext_read(r, &c->ext);
	c->prologue = (mpp_bytes){in.p, in.len - r->left};
	c->noise = rd_bytes(r);
	c->padding = rd_rest(r);
	return err != MPP_OK ? err : r->err;
}

mpp_err connect_read_carried(mpp_bytes in, struct connect *out)
{
	struct rd r = rd_init(in);
	mpp_bytes zero = rd_slice(&r, 16);

	memset(out, 0, sizeof(*out));
	if (r.err != MPP_OK || !mem_is_zero(zero.p, zero.len))
		return MPP_ERR_RANGE;
	return read_rest(&r, in, out, true);
}

mpp_err connect_read_initiator(mpp_bytes in, struct connect *out)
{
	if (in.len < MPP_PACKET_SIZE || in.len > MPP_PACKET_MAX) {
		memset(out, 0, sizeof(*out));
		return MPP_ERR_RANGE;
	}
	return connect_read_carried(in, out);
}

mpp_err connect_read_responder(mpp_bytes in, struct connect *out)
{
	struct rd r = rd_init(in);
	mpp_err err;

	memset(out, 0, sizeof(*out));
	out->reply_id = rd_slice(&r, REPLY_ID_LEN);
	err = read_rest(&r, in, out, false);
	if (err == MPP_OK && out->padding.len != 0)
		return MPP_ERR_TRAILING;
	return err;
}

void connect_begin_initiator(struct wr *w, uint8_t type, unsigned suite,
			     const uint8_t reply_id[REPLY_ID_LEN])
{
	wr_zero(w, 16);
	wr_u8(w, type);
	wr_int(w, RUD_VERSION);
	wr_int(w, suite);
	wr_bytes(w, reply_id, REPLY_ID_LEN);
}

void connect_begin_responder(struct wr *w, uint8_t type, unsigned suite,
			     const uint8_t *reply_id)
{
	wr_raw(w, reply_id, REPLY_ID_LEN);
	wr_u8(w, type);
	wr_int(w, RUD_VERSION);
	wr_int(w, suite);
}

void connect_pad(struct wr *w)
{
	if (w->n < MPP_PACKET_SIZE)
		wr_zero(w, MPP_PACKET_SIZE - w->n);
}

bool suites_contain(mpp_bytes suites, unsigned suite)
{
	struct rd r = rd_init(suites);
	bool found = false;

	while (r.left != 0)
		found = rd_int(&r) == suite || found;
	return r.err == MPP_OK && found;
}
