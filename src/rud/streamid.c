/* SPDX-License-Identifier: MIT */
/* streamid.c - service-issued stream identifiers. Contract: streamid.h. */
#include "rud/streamid.h"

#include "base/mem.h"
#include "base/rd.h"
#include "base/wr.h"

bool streamid_usable(const uint8_t id[STREAM_ID_LEN])
{
	static const uint8_t cookie[4] = {0x21, 0x12, 0xa4, 0x42};

	if (id[0] < 4 && memcmp(id + 4, cookie, sizeof(cookie)) == 0)
		return false;
	return !mem_is_zero(id, STREAM_ID_LEN);
}

mpp_err streamid_issue(const mpp_crypto *crypto, const uint8_t key[16],
		       struct stream st, uint8_t out[STREAM_ID_LEN])
{
	uint8_t block[STREAM_ID_LEN];
	struct wr w = wr_init(block, sizeof(block));
	mpp_err err;

	wr_u32(&w, st.slot);
	wr_u32(&w, st.generation);
	do {
		err = crypto->ops->random(crypto->ctx, block + 8, 8);
		if (err == MPP_OK)
			err = crypto->ops->aes_encrypt(crypto->ctx, key, block,
						       out);
	} while (err == MPP_OK && !streamid_usable(out));
	return err;
}

mpp_err streamid_open(const mpp_crypto *crypto, const uint8_t key[16],
		      const uint8_t id[STREAM_ID_LEN], struct stream *out)
{
	uint8_t block[STREAM_ID_LEN];
	struct rd r = rd_init((mpp_bytes){block, sizeof(block)});
	mpp_err err = crypto->ops->aes_decrypt(crypto->ctx, key, id, block);

	if (err != MPP_OK)
		return err;
	out->slot = rd_u32(&r);
	out->generation = rd_u32(&r);
	return MPP_OK;
}
