/* SPDX-License-Identifier: MIT */
/* service_stream.c - stream identifiers of a running connection
 * (docs/protocol.md sections 4 and 8).
 *
 * A device that names a fresh identifier of its own has used up one of ours,
 * and gets two. They go to the path alone: so they also tell the device that
 * the address from which it names it is proved. */
#include "role/service.h"

enum { PUT_LEN = 2 + STREAM_IDS_LEN }; /* tag, length, value */

mpp_err service_stream_issue(const struct mpp_service *s, uint32_t slot,
			     uint8_t ids[STREAM_IDS_LEN])
{
	struct stream st = {slot, binding_at(&s->state, slot)->generation};
	mpp_err err = streamid_issue(&s->crypto, s->sid_key, st, ids);

	return err != MPP_OK ? err
			     : streamid_issue(&s->crypto, s->sid_key, st,
					      ids + STREAM_ID_LEN);
}

mpp_err service_stream_read(const struct ext *e, const uint8_t **id)
{
	const mpp_bytes v = e->v[EXT_STREAM_ID];

	if (!ext_has(e, EXT_STREAM_ID))
		return MPP_OK;
	if ((v.len != STREAM_ID_LEN && v.len != STREAM_IDS_LEN) ||
	    !streamid_usable(v.p))
		return MPP_ERR_RANGE;
	*id = v.p;
	return MPP_OK;
}

size_t service_stream_len(const struct mpp_service *s, const struct binding *b,
			  const mpp_addr *to)
{
	if (service_by_web(s))
		return s->web.stream != NULL ? PUT_LEN : 0;
	/* While another address is being proved, this one may be deserted. */
	return (b->flags & BIND_REFILL) != 0 && b->side == NONE &&
			       service_path_is(b, to)
		       ? PUT_LEN
		       : 0;
}

mpp_err service_stream_put(struct mpp_service *s, uint32_t slot,
			   const mpp_addr *to, const struct outgoing *o,
			   size_t *len)
{
	struct binding *b = binding_at(&s->state, slot);
	uint8_t ids[STREAM_IDS_LEN], *plain = o->packet + PACKET_HEAD;
	struct wr w = wr_init(plain, PUT_LEN);
	mpp_err err;

	if (service_stream_len(s, b, to) == 0 || *len + PUT_LEN > o->cap)
		return MPP_OK;
	err = service_stream_issue(s, slot, ids);
	if (err != MPP_OK)
		return err;
	memmove(plain + PUT_LEN, plain, *len);
	ext_put(&w, EXT_STREAM_ID, ids, sizeof(ids));
	*len += PUT_LEN;
	if (o->d != NULL)
		b->flags &= (uint8_t)~BIND_REFILL;
	return w.err;
}
