/* SPDX-License-Identifier: MIT */
/* cookie.h - the stateless Challenge that proves an address
 * (docs/protocol.md section 5): expiry (4 octets, s) | HMAC-SHA-512(key of
 * 60 s; address, port, mode, expiry) cut to 16. */
#ifndef RUD_COOKIE_H
#define RUD_COOKIE_H

#include <mpp/crypto.h>

enum {
	COOKIE_LEN = 20,
	COOKIE_LIFE_S = 30,
	COOKIE_KEY_S = 60,
	COOKIE_COMPLETE = 1, /* mode: Hello or Exchange, answered by Complete */
};

/* secret: random, made at start; the 60 s keys come from it.
 * Error: CRYPTO. */
MPP_MUSTCHECK mpp_err cookie_make(const mpp_crypto *crypto,
				  const uint8_t secret[32],
				  const mpp_addr *addr, mpp_time now,
				  uint8_t out[COOKIE_LEN]);
/* Errors: AUTH (not ours, or of another address), REPLAY (expired), CRYPTO. */
MPP_MUSTCHECK mpp_err cookie_check(const mpp_crypto *crypto,
				   const uint8_t secret[32],
				   const mpp_addr *addr, mpp_time now,
				   mpp_bytes cookie);

#endif
