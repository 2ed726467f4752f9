/* SPDX-License-Identifier: MIT */
/* packet.c - data packets. Contract: packet.h. */
#include "rud/packet.h"

#include "base/mem.h"
#include "base/rd.h"
#include "base/wr.h"
#include "rud/noise.h"

enum { FLAGS_KNOWN = FLAG_FINAL | FLAG_ACK | FLAG_ACK_WANTED };

mpp_err rud_keys_derive(const mpp_crypto *crypto, const uint8_t k[32],
			struct rud_keys *out)
{
	mpp_bytes prk = {k, 32};
	mpp_err err;

	err = hkdf_expand(crypto, prk, "rud1 key", out->key, sizeof(out->key));
	if (err == MPP_OK)
		err = hkdf_expand(crypto, prk, "rud1 salt", out->salt,
				  sizeof(out->salt));
	if (err == MPP_OK)
		err = hkdf_expand(crypto, prk, "rud1 hdr", out->hdr,
				  sizeof(out->hdr));
	return err;
}

void rud_keys_tell(const mpp_key_log *log, bool to_service,
		   const uint8_t connection[16], const struct rud_keys *keys)
{
	const mpp_key_entry e = {to_service, connection, keys->hdr, keys->key,
				 keys->salt};

	if (log->tell != NULL)
		log->tell(log->arg, &e);
}

size_t packet_padded(size_t n, unsigned quantum)
{
	return packet_padded_to(n, quantum, PACKET_PLAIN_MAX);
}

size_t packet_padded_to(size_t n, unsigned quantum, size_t most)
{
	size_t unit = quantum != 0 ? quantum : n <= 448 ? 64 : 16;
	size_t padded = (n + unit - 1) / unit * unit;

	if (padded == 0)
		padded = unit;
	return padded < most ? padded : most;
}

static void make_nonce(const struct rud_keys *keys, const struct rud_header *h,
		       uint8_t nonce[MPP_NONCE_LEN])
{
	struct wr w = wr_init(nonce, MPP_NONCE_LEN);

	wr_raw(&w, keys->salt, sizeof(keys->salt));
	wr_be(&w, h->index, 6);
	wr_u8(&w, h->packet);
	wr_u8(&w, h->sequence);
}

mpp_err packet_seal(const mpp_crypto *crypto, const struct rud_keys *keys,
		    const uint8_t id[16], const struct rud_header *h,
		    uint8_t *p, size_t n)
{
	struct wr w = wr_init(p, PACKET_HEAD);
	uint8_t nonce[MPP_NONCE_LEN];
	mpp_err err;

	wr_raw(&w, id, 16);
	wr_be(&w, h->index, 6);
	wr_u8(&w, h->flags);
	wr_u8(&w, h->count);
	wr_u8(&w, h->packet);
	wr_u8(&w, h->sequence);
	wr_u32(&w, h->ack_index);
	wr_u16(&w, h->ack_bits);
	make_nonce(keys, h, nonce);
	err = crypto->ops->aes_encrypt(crypto->ctx, keys->hdr, p + 16, p + 16);
	if (err != MPP_OK)
		return err;
	return crypto->ops->seal(crypto->ctx, keys->key, nonce,
				 (mpp_bytes){p, PACKET_HEAD},
				 (mpp_bytes){p + PACKET_HEAD, n},
				 p + PACKET_HEAD);
}

static mpp_err header_check(const struct rud_header *h)
{
	if ((h->flags & ~FLAGS_KNOWN) != 0 || (h->flags & FLAG_FINAL) == 0)
		return MPP_ERR_RANGE;
	if (h->count < 1 || h->count > 16 || h->packet >= h->count ||
	    h->sequence > 15)
		return MPP_ERR_RANGE;
	return MPP_OK;
}

mpp_err packet_header(const mpp_crypto *crypto, const struct rud_keys *keys,
		      const uint8_t *p, struct rud_header *out)
{
	uint8_t block[16];
	struct rd r = rd_init((mpp_bytes){block, sizeof(block)});
	struct rud_header h;
	mpp_err err =
		crypto->ops->aes_decrypt(crypto->ctx, keys->hdr, p + 16, block);

	if (err != MPP_OK)
		return err;
	h.index = rd_be(&r, 6);
	h.flags = rd_u8(&r);
	h.count = rd_u8(&r);
	h.packet = rd_u8(&r);
	h.sequence = rd_u8(&r);
	h.ack_index = rd_u32(&r);
	h.ack_bits = rd_u16(&r);
	err = header_check(&h);
	if (err == MPP_OK)
		*out = h;
	return err;
}

mpp_err packet_open(const mpp_crypto *crypto, const struct rud_keys *keys,
		    const struct rud_header *h, uint8_t *p, size_t len)
{
	uint8_t nonce[MPP_NONCE_LEN];

	make_nonce(keys, h, nonce);
	return crypto->ops->open(
		crypto->ctx, keys->key, nonce, (mpp_bytes){p, PACKET_HEAD},
		(mpp_bytes){p + PACKET_HEAD, len - PACKET_HEAD},
		p + PACKET_HEAD);
}
