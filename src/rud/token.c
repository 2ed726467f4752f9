/* SPDX-License-Identifier: MIT */
/* token.c - minting and opening tokens. Contract: mpp/token.h.
 *
 *   PRK = HKDF-Extract(salt: nonce, token key)
 *   token = key id 4 | nonce 24 | AES-256-GCM(Expand(PRK, "rud1 token key"),
 *           IV 0; associated data: key id | nonce; claims in JSON-B)
 *   shared secret = Expand(PRK, "rud1 token psk")
 *
 * The nonce makes a key that seals once, so the IV can be zero. */
#include <mpp/jsonbcd.h>
#include <mpp/token.h>
#include <mpp/udf.h>

#include "base/mem.h"
#include "rud/noise.h"
#include "udf/base32.h"

enum {
	NONCE_AT = MPP_TOKEN_KEY_ID_LEN,
	NONCE_LEN = 24,
	HEAD = NONCE_AT + NONCE_LEN,
	VERSION = 1,
	RIGHTS_MAX = 16, /* names in the list */
};
#define TIME_MAX ((UINT64_C(1) << 53) - 1)

static const char *const right_names[] = {"subscribe", "publish", "reset"};

enum { RIGHTS = sizeof(right_names) / sizeof(right_names[0]) };

/* ---- what may be claimed ---- */

static bool is_fingerprint(mpp_bytes text)
{
	size_t i, digits = 0;

	if (text.len >= MPP_UDF_TEXT_MAX)
		return false;
	for (i = 0; i < text.len; i++) {
		if (base32_value(text.p[i]) != BASE32_NO_DIGIT)
			digits++;
		else if (!base32_is_gap(text.p[i]))
			return false;
	}
	return digits * 5 >= MPP_UDF_BITS;
}

static bool possible(const mpp_token_claims *k)
{
	return k->account.len >= 1 && k->account.len <= MPP_ACCOUNT_MAX &&
	       is_fingerprint(k->device) && k->rights < 1u << RIGHTS &&
	       k->proven_ms <= k->issued_ms && k->issued_ms < k->expires_ms &&
	       k->expires_ms <= TIME_MAX;
}

/* ---- keys ---- */

/* Both keys of the token whose head this is. */
static mpp_err derive(const mpp_crypto *c, const mpp_token_key *key,
		      const uint8_t *head, uint8_t seal[MPP_KEY_LEN],
		      uint8_t secret[MPP_TOKEN_SECRET_LEN])
{
	const mpp_bytes salt = {head + NONCE_AT, NONCE_LEN};
	const mpp_bytes ikm = {key->key, sizeof(key->key)};
	uint8_t prk[MPP_HASH_LEN];
	const mpp_bytes from = {prk, sizeof(prk)};
	mpp_err err = c->ops->hmac(c->ctx, salt, &ikm, 1, prk);

	if (err == MPP_OK)
		err = hkdf_expand(c, from, "rud1 token key", seal, MPP_KEY_LEN);
	if (err == MPP_OK)
		err = hkdf_expand(c, from, "rud1 token psk", secret,
				  MPP_TOKEN_SECRET_LEN);
	mem_wipe(prk, sizeof(prk));
	return err;
}

/* ---- minting ---- */

static size_t put_claims(const mpp_token_claims *k, uint8_t *p, size_t cap,
			 mpp_err *err)
{
	mpp_json_writer w;
	unsigned i;

	mpp_json_writer_init(&w, MPP_JSON_B, p, cap);
	mpp_json_object(&w, NULL);
	mpp_json_uint(&w, "Version", VERSION);
	mpp_json_string(&w, "Account", k->account);
	mpp_json_string(&w, "Device", k->device);
	mpp_json_array(&w, "Rights");
	for (i = 0; i < RIGHTS; i++) {
		if ((k->rights >> i & 1) != 0)
			mpp_json_cstring(&w, NULL, right_names[i]);
	}
	mpp_json_close(&w);
	mpp_json_uint(&w, "Issued", k->issued_ms);
	mpp_json_uint(&w, "Expires", k->expires_ms);
	mpp_json_uint(&w, "Proven", k->proven_ms);
	mpp_json_close(&w);
	*err = mpp_json_finish(&w);
	return w.n;
}

/* Seal n octets of claims in their place behind the head at p. */
static mpp_err seal_claims(const mpp_crypto *c, const mpp_token_key *key,
			   uint8_t *p, size_t n, uint8_t *secret)
{
	static const uint8_t iv[MPP_NONCE_LEN];
	uint8_t k[MPP_KEY_LEN];
	mpp_err err = derive(c, key, p, k, secret);

	if (err == MPP_OK)
		err = c->ops->seal(c->ctx, k, iv, (mpp_bytes){p, HEAD},
				   (mpp_bytes){p + HEAD, n}, p + HEAD);
	mem_wipe(k, sizeof(k));
	return err;
}

mpp_err mpp_token_mint(const mpp_crypto *crypto, const mpp_token_key *key,
		       const mpp_token_claims *claims, mpp_buf *token,
		       uint8_t secret[MPP_TOKEN_SECRET_LEN])
{
	size_t room = token->cap - token->len, n;
	uint8_t *p = token->p + token->len;
	mpp_err err;

	if (!possible(claims))
		return MPP_ERR_INVALID;
	room = room < MPP_TOKEN_MAX ? room : MPP_TOKEN_MAX;
	if (room <= HEAD + MPP_TAG_LEN)
		return MPP_ERR_NOSPACE;
	n = put_claims(claims, p + HEAD, room - HEAD - MPP_TAG_LEN, &err);
	if (err != MPP_OK)
		return err;
	memcpy(p, key->id, sizeof(key->id));
	err = crypto->ops->random(crypto->ctx, p + NONCE_AT, NONCE_LEN);
	if (err == MPP_OK)
		err = seal_claims(crypto, key, p, n, secret);
	if (err == MPP_OK)
		token->len += HEAD + n + MPP_TAG_LEN;
	else
		mem_wipe(p, HEAD + n);
	return err;
}

/* ---- opening ---- */

enum member {
	M_VERSION = 0,
	M_ACCOUNT,
	M_DEVICE,
	M_RIGHTS,
	M_ISSUED,
	M_EXPIRES,
	M_PROVEN,
	MEMBERS,
};

static const char *const member_names[MEMBERS] = {
	"Version", "Account", "Device", "Rights", "Issued", "Expires", "Proven",
};

/* The claims while they are read. */
struct reading {
	mpp_json_reader r;
	mpp_json_item it;
	mpp_token_claims k;
	unsigned seen;
};

static mpp_err read_uint(const struct reading *g, uint64_t *out)
{
	if (g->it.kind != MPP_JSON_INTEGER)
		return MPP_ERR_TYPE;
	if (g->it.negative || g->it.integer > TIME_MAX)
		return MPP_ERR_RANGE;
	*out = g->it.integer;
	return MPP_OK;
}

static mpp_err read_version(const struct reading *g)
{
	uint64_t version = 0;
	mpp_err err = read_uint(g, &version);

	if (err == MPP_OK && version != VERSION)
		return MPP_ERR_VERSION;
	return err;
}

/* As it stands there: a minter writes it in one piece. */
static mpp_err read_text(const struct reading *g, mpp_bytes *out)
{
	if (g->it.kind != MPP_JSON_STRING)
		return MPP_ERR_TYPE;
	if (g->it.text.escaped || g->it.text.chunked)
		return MPP_ERR_UNSUPPORTED;
	*out = g->it.text.raw;
	return MPP_OK;
}

/* Names of rights that are not known here give nothing. */
static mpp_err read_rights(struct reading *g)
{
	unsigned i, n = 0;
	mpp_err err;

	if (g->it.kind != MPP_JSON_ARRAY)
		return MPP_ERR_TYPE;
	while ((err = mpp_json_next(&g->r, &g->it)) == MPP_OK &&
	       g->it.kind != MPP_JSON_CLOSE) {
		if (g->it.kind != MPP_JSON_STRING)
			return MPP_ERR_TYPE;
		if (++n > RIGHTS_MAX)
			return MPP_ERR_RANGE;
		for (i = 0; i < RIGHTS; i++) {
			if (mpp_json_text_is(&g->it.text, right_names[i]))
				g->k.rights |= 1u << i;
		}
	}
	return err;
}

static mpp_err read_member(struct reading *g, enum member m)
{
	switch (m) {
	case M_VERSION:
		return read_version(g);
	case M_ACCOUNT:
		return read_text(g, &g->k.account);
	case M_DEVICE:
		return read_text(g, &g->k.device);
	case M_RIGHTS:
		return read_rights(g);
	case M_ISSUED:
		return read_uint(g, &g->k.issued_ms);
	case M_EXPIRES:
		return read_uint(g, &g->k.expires_ms);
	case M_PROVEN:
		return read_uint(g, &g->k.proven_ms);
	case MEMBERS:
		break;
	}
	return mpp_json_skip(&g->r, &g->it);
}

static mpp_err read_members(struct reading *g)
{
	unsigned m;
	mpp_err err;

	while ((err = mpp_json_next(&g->r, &g->it)) == MPP_OK &&
	       g->it.kind != MPP_JSON_CLOSE) {
		m = 0;
		while (m < MEMBERS &&
		       !mpp_json_text_is(&g->it.name, member_names[m]))
			m++;
		if (m < MEMBERS && (g->seen >> m & 1) != 0)
			return MPP_ERR_DUPLICATE;
		g->seen |= 1u << m;
		err = read_member(g, (enum member)m);
		if (err != MPP_OK)
			return err;
	}
	return err;
}

NOINLINE static mpp_err read_claims(mpp_bytes plain, mpp_token_claims *out)
{
	const unsigned all = (1u << MEMBERS) - 1;
	struct reading g = {.seen = 0};
	mpp_err err;

	mpp_json_reader_init(&g.r, plain);
	err = mpp_json_next(&g.r, &g.it);
	if (err == MPP_OK && g.it.kind != MPP_JSON_OBJECT)
		return MPP_ERR_TYPE;
	if (err == MPP_OK)
		err = read_members(&g);
	if (err == MPP_OK)
		err = mpp_json_next(&g.r, &g.it);
	if (err != MPP_OK)
		return err;
	if (mpp_json_rest(&g.r).len != 0)
		return MPP_ERR_TRAILING;
	if ((g.seen & all) != all)
		return MPP_ERR_MISSING;
	if (!possible(&g.k))
		return MPP_ERR_RANGE;
	*out = g.k;
	return MPP_OK;
}

mpp_err mpp_token_open(const mpp_crypto *crypto, const mpp_token_key *key,
		       mpp_bytes token, mpp_token *out)
{
	static const uint8_t iv[MPP_NONCE_LEN];
	uint8_t k[MPP_KEY_LEN];
	mpp_bytes sealed;
	mpp_err err;

	if (token.len < HEAD + MPP_TAG_LEN)
		return MPP_ERR_TRUNCATED;
	if (token.len > MPP_TOKEN_MAX)
		return MPP_ERR_RANGE;
	if (memcmp(token.p, key->id, sizeof(key->id)) != 0)
		return MPP_ERR_NOTFOUND;
	sealed = (mpp_bytes){token.p + HEAD, token.len - HEAD};
	err = derive(crypto, key, token.p, k, out->secret);
	if (err == MPP_OK)
		err = crypto->ops->open(crypto->ctx, k, iv,
					(mpp_bytes){token.p, HEAD}, sealed,
					out->plain);
	mem_wipe(k, sizeof(k));
	if (err == MPP_OK)
		err = read_claims((mpp_bytes){out->plain,
					      sealed.len - MPP_TAG_LEN},
				  &out->claims);
	if (err != MPP_OK)
		mem_wipe(out->secret, sizeof(out->secret));
	return err;
}
