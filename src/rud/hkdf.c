/* SPDX-License-Identifier: MIT */
/* hkdf.c - keys from keys by label. Contract: rud/noise.h. */
#include "base/mem.h"
#include "rud/noise.h"

static size_t length_of(const char *label)
{
	size_t n = 0;

	while (label[n] != '\0')
		n++;
	return n;
}

mpp_err hkdf_expand(const mpp_crypto *crypto, mpp_bytes prk, const char *label,
		    uint8_t *out, size_t len)
{
	const uint8_t first = 1;
	const mpp_bytes info[] = {
		{(const uint8_t *)label, length_of(label)},
		{&first, 1},
	};
	uint8_t block[MPP_HASH_LEN];
	mpp_err err;

	if (len > sizeof(block))
		return MPP_ERR_INVALID;
	/* T(1) = HMAC(PRK, info || 01), and no T(2) is needed. */
	err = crypto->ops->hmac(crypto->ctx, prk, info, 2, block);
	if (err == MPP_OK)
		memcpy(out, block, len);
	mem_wipe(block, sizeof(block));
	return err;
}
