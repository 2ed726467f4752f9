/* SPDX-License-Identifier: MIT */
/* Tokens: octets that nobody sealed never open; octets sealed with the right
 * key give a verdict, and claims that were accepted can be minted again and
 * are then the same. */
#include <stdlib.h>
#include <string.h>

#include <mpp/token.h>

#include "base/mem.h"
#include "crypto/fixed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 28 };

static const mpp_token_key key = {{1, 2, 3, 4}, {5, 6, 7}};
static mpp_crypto crypto;

static void hmac(mpp_bytes k, mpp_bytes part, uint8_t out[64])
{
	if (crypto.ops->hmac(crypto.ctx, k, &part, 1, out) != MPP_OK)
		abort();
}

static size_t seal(mpp_bytes plain, uint8_t *out)
{
	static const char label[] = "rud1 token key\x01";
	static const uint8_t iv[12];
	uint8_t prk[64], k[64];

	memcpy(out, key.id, 4);
	memset(out + 4, 0x33, 24);
	hmac((mpp_bytes){out + 4, 24}, (mpp_bytes){key.key, 32}, prk);
	hmac((mpp_bytes){prk, 64},
	     (mpp_bytes){(const uint8_t *)label, sizeof(label) - 1}, k);
	if (crypto.ops->seal(crypto.ctx, k, iv, (mpp_bytes){out, HEAD}, plain,
			     out + HEAD) != MPP_OK)
		abort();
	return HEAD + plain.len + MPP_TAG_LEN;
}

static void again(const mpp_token_claims *k)
{
	uint8_t room[MPP_TOKEN_MAX], secret[MPP_TOKEN_SECRET_LEN];
	mpp_buf token = {room, sizeof(room), 0};
	mpp_token back;
	mpp_err err = mpp_token_mint(&crypto, &key, k, &token, secret);

	/* What was written in a shorter way may not fit any more. */
	if (err == MPP_ERR_NOSPACE)
		return;
	if (err != MPP_OK ||
	    mpp_token_open(&crypto, &key, (mpp_bytes){room, token.len},
			   &back) != MPP_OK ||
	    !bytes_eq(back.claims.account, k->account) ||
	    !bytes_eq(back.claims.device, k->device) ||
	    back.claims.rights != k->rights ||
	    back.claims.issued_ms != k->issued_ms ||
	    back.claims.expires_ms != k->expires_ms ||
	    back.claims.proven_ms != k->proven_ms ||
	    memcmp(back.secret, secret, sizeof(secret)) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t token[MPP_TOKEN_MAX];
	mpp_token opened;
	size_t n;

	if (crypto.ops == NULL && crypto_fixed_new(1, &crypto) != MPP_OK)
		abort();
	if (mpp_token_open(&crypto, &key, (mpp_bytes){data, size}, &opened) ==
	    MPP_OK)
		abort();
	if (size > MPP_TOKEN_MAX - HEAD - MPP_TAG_LEN)
		return 0;
	n = seal((mpp_bytes){data, size}, token);
	if (mpp_token_open(&crypto, &key, (mpp_bytes){token, n}, &opened) ==
	    MPP_OK)
		again(&opened.claims);
	return 0;
}
