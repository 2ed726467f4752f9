/* SPDX-License-Identifier: MIT */
/* noise_ik.c - IK by the names of its messages. Contract: rud/noise.h. The
 * initiator writes message 1 and reads message 2, so the side says which
 * message a call is about; the rest is the interpreter's. */
#include "rud/noise.h"

#include "base/mem.h"

mpp_err noise_ik_init(struct noise_ik *hs, const mpp_crypto *crypto, int suite,
		      const struct noise_static *s, const uint8_t *rs)
{
	const struct noise_setup setup = {
		.pattern = NOISE_IK,
		.suite = suite,
		.initiator = rs != NULL,
		.s = s,
		.rs = rs,
	};
	mpp_err err = noise_init(&hs->noise, crypto, &setup);

	if (err == MPP_OK)
		memcpy(hs->rs, hs->noise.rs, sizeof(hs->rs));
	return err;
}

mpp_err noise_ik_prologue(struct noise_ik *hs, const mpp_bytes *parts, size_t n)
{
	return noise_prologue(&hs->noise, parts, n);
}

mpp_err noise_ik_write1(struct noise_ik *hs, mpp_bytes payload, mpp_buf *out)
{
	if (!hs->noise.initiator)
		return MPP_ERR_STATE;
	return noise_write(&hs->noise, payload, out);
}

mpp_err noise_ik_read1_static(struct noise_ik *hs, mpp_bytes msg,
			      mpp_bytes *rest)
{
	mpp_err err;

	if (hs->noise.initiator)
		return MPP_ERR_STATE;
	err = noise_read_static(&hs->noise, msg, rest);
	if (err == MPP_OK)
		memcpy(hs->rs, hs->noise.rs, sizeof(hs->rs));
	return err;
}

mpp_err noise_ik_read1_payload(struct noise_ik *hs, mpp_bytes rest,
			       mpp_buf *out)
{
	if (hs->noise.initiator)
		return MPP_ERR_STATE;
	return noise_read_payload(&hs->noise, rest, out);
}

mpp_err noise_ik_write2(struct noise_ik *hs, mpp_bytes payload, mpp_buf *out)
{
	if (hs->noise.initiator)
		return MPP_ERR_STATE;
	return noise_write(&hs->noise, payload, out);
}

mpp_err noise_ik_read2(struct noise_ik *hs, mpp_bytes msg, mpp_buf *out)
{
	if (!hs->noise.initiator)
		return MPP_ERR_STATE;
	return noise_read(&hs->noise, msg, out);
}

mpp_err noise_ik_split(struct noise_ik *hs, uint8_t to_responder[32],
		       uint8_t to_initiator[32])
{
	return noise_split(&hs->noise, to_responder, to_initiator);
}

void noise_ik_wipe(struct noise_ik *hs)
{
	mem_wipe(hs, sizeof(*hs));
}
