/* SPDX-License-Identifier: MIT */
/* cookie.c - the stateless Challenge. Contract: cookie.h. */
#include "rud/cookie.h"

#include "base/mem.h"
#include "base/rd.h"
#include "base/wr.h"

/* The expiry names the 60 s key as well: it is the one of the time at which
 * the challenge was made, so old keys need not be kept. */
static mpp_err cookie_mac(const mpp_crypto *crypto, const uint8_t secret[32],
			  const mpp_addr *addr, uint32_t expiry,
			  uint8_t mac[64])
{
	uint8_t key[64], epoch[4], input[25];
	struct wr w = wr_init(input, sizeof(input));
	struct wr e = wr_init(epoch, sizeof(epoch));
	mpp_bytes parts[1];
	mpp_err err;

	wr_u32(&e, (expiry - COOKIE_LIFE_S) / COOKIE_KEY_S);
	parts[0] = (mpp_bytes){epoch, sizeof(epoch)};
	err = crypto->ops->hmac(crypto->ctx, (mpp_bytes){secret, 32}, parts, 1,
				key);
	if (err != MPP_OK)
		return err;
	wr_raw(&w, addr->ip, 16);
	wr_u16(&w, addr->port);
	wr_u8(&w, addr->family);
	wr_u8(&w, addr->socket);
	wr_u8(&w, COOKIE_COMPLETE);
	wr_u32(&w, expiry);
	parts[0] = (mpp_bytes){input, w.n};
	err = crypto->ops->hmac(crypto->ctx, (mpp_bytes){key, sizeof(key)},
				parts, 1, mac);
	mem_wipe(key, sizeof(key));
	return err;
}

/* Seconds of this clock, never 0..COOKIE_LIFE_S. */
static uint32_t seconds(mpp_time now)
{
	return (uint32_t)(now.us / 1000000) + COOKIE_LIFE_S;
}

mpp_err cookie_make(const mpp_crypto *crypto, const uint8_t secret[32],
		    const mpp_addr *addr, mpp_time now, uint8_t out[COOKIE_LEN])
{
	uint32_t expiry = seconds(now) + COOKIE_LIFE_S;
	struct wr w = wr_init(out, COOKIE_LEN);
	uint8_t mac[64];
	mpp_err err = cookie_mac(crypto, secret, addr, expiry, mac);

	if (err != MPP_OK)
		return err;
	wr_u32(&w, expiry);
	wr_raw(&w, mac, 16);
	return MPP_OK;
}

mpp_err cookie_check(const mpp_crypto *crypto, const uint8_t secret[32],
		     const mpp_addr *addr, mpp_time now, mpp_bytes cookie)
{
	struct rd r = rd_init(cookie);
	uint32_t expiry = rd_u32(&r);
	mpp_bytes given = rd_slice(&r, 16);
	uint8_t mac[64];
	mpp_err err;

	if (rd_finish(&r) != MPP_OK)
		return MPP_ERR_AUTH;
	err = cookie_mac(crypto, secret, addr, expiry, mac);
	if (err != MPP_OK)
		return err;
	if (!mem_eq_ct(given.p, mac, 16))
		return MPP_ERR_AUTH;
	return seconds(now) > expiry ? MPP_ERR_REPLAY : MPP_OK;
}
