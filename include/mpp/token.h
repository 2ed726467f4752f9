/* SPDX-License-Identifier: MIT */
/** @file mpp/token.h  Tokens (ServiceAccessToken; docs/protocol.md section 10).
 *
 * A token lets one device into one account without its device key, for a time
 * and with certain rights. Whoever has a token key mints tokens; the service
 * that has the same key opens them, without asking anybody. The device gets
 * the token and its shared secret over a channel that nobody else reads.
 *
 *     mpp_token_claims claims = {account, device, MPP_RIGHT_SUBSCRIBE,
 *                                now_ms, now_ms + 86400000, 0};
 *     mpp_token_mint(&crypto, &key, &claims, &token, secret);
 *
 * No state, no heap. */
#ifndef MPP_TOKEN_H
#define MPP_TOKEN_H

#include <mpp/rud.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Rights of a device in its account (docs/protocol.md section 10). */
enum {
	MPP_RIGHT_SUBSCRIBE = 1,
	MPP_RIGHT_PUBLISH = 2,
	MPP_RIGHT_RESET = 4,
	MPP_RIGHTS_ALL = 7,
};

enum {
	MPP_TOKEN_MAX = 512, /**< longest token */
	MPP_TOKEN_SECRET_LEN = 32,
	MPP_TOKEN_KEY_LEN = 32,
	MPP_TOKEN_KEY_ID_LEN = 4,
	MPP_TOKEN_MINTERS_MAX = 15, /**< beside the service itself */
};

/** What tokens are made and opened with. */
typedef struct mpp_token_key {
	uint8_t id[MPP_TOKEN_KEY_ID_LEN]; /**< stands in front of each token */
	uint8_t key[MPP_TOKEN_KEY_LEN];   /**< random octets */
} mpp_token_key;

/** What a token says. Times are ms since 1970, UTC. */
typedef struct mpp_token_claims {
	mpp_bytes account;   /**< 1..MPP_ACCOUNT_MAX octets of UTF-8 */
	mpp_bytes device;    /**< UDF of the device key as text, at least
				  MPP_UDF_BITS bits */
	unsigned rights;     /**< MPP_RIGHT_… */
	uint64_t issued_ms;  /**< before expires_ms */
	uint64_t expires_ms; /**< below 2^53 */
	uint64_t proven_ms;  /**< when the device key was last proved; at most
				  issued_ms; 0: never */
} mpp_token_claims;

/** Mint a token.
 * @param crypto, key, claims  borrowed
 * @param token   the token is appended
 * @param secret  the shared secret that goes with it
 * @retval MPP_ERR_INVALID  the claims are not possible (see there)
 * @retval MPP_ERR_NOSPACE  token is full, or would be over MPP_TOKEN_MAX;
 *   nothing was appended  @retval MPP_ERR_CRYPTO, MPP_ERR_RANDOM */
MPP_MUSTCHECK mpp_err mpp_token_mint(const mpp_crypto *crypto,
				     const mpp_token_key *key,
				     const mpp_token_claims *claims,
				     mpp_buf *token,
				     uint8_t secret[MPP_TOKEN_SECRET_LEN]);

/** An opened token. Not to be copied: claims point into plain. */
typedef struct mpp_token {
	mpp_token_claims claims;
	uint8_t secret[MPP_TOKEN_SECRET_LEN];
	uint8_t plain[MPP_TOKEN_MAX];
} mpp_token;

/** Open a token. Whether it has expired is the caller's to see.
 * @param out  untouched claims when it does not open; wipe it after use
 * @retval MPP_ERR_NOTFOUND  made with a key of another id
 * @retval MPP_ERR_AUTH  not made with this key, or changed
 * @retval MPP_ERR_TRUNCATED, MPP_ERR_SYNTAX, MPP_ERR_UTF8, MPP_ERR_DEPTH,
 *   MPP_ERR_UNSUPPORTED, MPP_ERR_TRAILING, MPP_ERR_TYPE, MPP_ERR_DUPLICATE,
 *   MPP_ERR_MISSING, MPP_ERR_RANGE, MPP_ERR_VERSION  made with this key, but
 *   not as it must be  @retval MPP_ERR_CRYPTO */
MPP_MUSTCHECK mpp_err mpp_token_open(const mpp_crypto *crypto,
				     const mpp_token_key *key, mpp_bytes token,
				     mpp_token *out);

#ifdef __cplusplus
}
#endif
#endif
