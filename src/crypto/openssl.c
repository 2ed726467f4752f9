/* SPDX-License-Identifier: MIT */
/* openssl.c - the programs' cryptography: OpenSSL 3 and libsodium.
 * Contract: mpp/crypto.h.
 *
 * Who does what follows from measuring, with OpenSSL 3.0:
 *   AES-256-GCM is libsodium's where the processor has the instructions that
 *   it needs (it has no other implementation of it): a packet of 64 octets
 *   costs half, one of 1200 about as much as with OpenSSL;
 *   SHA-512 and HMAC are libsodium's, because EVP_DigestInit allocates at each
 *   start and EVP_MAC at each key, and a packet shall allocate nothing;
 *   single blocks of AES-128 are made with the processor's instructions under
 *   the same condition (aesni.h): a packet needs three, each under another key;
 *   the rest is OpenSSL's, in contexts that are made once and given new keys.
 * A private key is loaded together with some public key, because otherwise
 * OpenSSL computes the matching one, which doubles the price of a
 * Diffie-Hellman that never looks at it.
 *
 * OpenSSL's error queue is left empty after each failure. */
#include "crypto/openssl.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/mem.h"
#include "crypto/aesni.h"

enum {
	GCM_LEN_MAX = INT_MAX - MPP_TAG_LEN, /* lengths are int down there */
};

static mpp_err fail(mpp_err err)
{
	ERR_clear_error();
	return err;
}

static mpp_err take_random(void *ctx, uint8_t *out, size_t len)
{
	struct openssl *c = ctx;

	return pool_take(&c->pool, out, len);
}

/* libsodium's hashes cannot fail, and wipe their state at the end. */
static mpp_err sha512(void *ctx, const mpp_bytes *parts, size_t n,
		      uint8_t out[64])
{
	crypto_hash_sha512_state hash;
	size_t i;

	(void)ctx;
	crypto_hash_sha512_init(&hash);
	for (i = 0; i < n; i++)
		crypto_hash_sha512_update(&hash, parts[i].p, parts[i].len);
	crypto_hash_sha512_final(&hash, out);
	return MPP_OK;
}

static mpp_err hmac(void *ctx, mpp_bytes key, const mpp_bytes *parts, size_t n,
		    uint8_t out[64])
{
	static const uint8_t none = 0;
	crypto_auth_hmacsha512_state mac;
	size_t i;

	(void)ctx;
	/* An absent salt is a key of no bytes, which may be at NULL. */
	crypto_auth_hmacsha512_init(&mac, key.len == 0 ? &none : key.p,
				    key.len);
	for (i = 0; i < n; i++)
		crypto_auth_hmacsha512_update(&mac, parts[i].p, parts[i].len);
	crypto_auth_hmacsha512_final(&mac, out);
	return MPP_OK;
}

static int type_of(int suite)
{
	switch (suite) {
	case MPP_SUITE_25519:
		return EVP_PKEY_X25519;
	case MPP_SUITE_448:
		return EVP_PKEY_X448;
	default:
		return EVP_PKEY_NONE;
	}
}

static mpp_err dh_public(void *ctx, int suite, const uint8_t *secret,
			 uint8_t *pub)
{
	size_t len = mpp_dh_len(suite);
	EVP_PKEY *key;
	int ok;

	(void)ctx;
	if (len == 0)
		return MPP_ERR_UNSUPPORTED;
	key = EVP_PKEY_new_raw_private_key(type_of(suite), NULL, secret, len);
	ok = key != NULL && EVP_PKEY_get_raw_public_key(key, pub, &len) == 1;
	EVP_PKEY_free(key);
	return ok ? MPP_OK : fail(MPP_ERR_CRYPTO);
}

/* A private key that carries pub as its public half; see above. */
static EVP_PKEY *load_secret(EVP_PKEY_CTX *from, const uint8_t *secret,
			     const uint8_t *pub, size_t len)
{
	EVP_PKEY *key = NULL;
	/* The casts drop a const that OpenSSL keeps: it only reads. */
	OSSL_PARAM params[] = {
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PRIV_KEY,
					(void *)secret, len),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)pub,
					len),
		OSSL_PARAM_END,
	};

	if (EVP_PKEY_fromdata(from, &key, EVP_PKEY_KEYPAIR, params) != 1)
		return NULL;
	return key;
}

/* OpenSSL refuses an all-zero result by itself; once both keys are in place
 * nothing else can make the derivation fail. */
static mpp_err derive(EVP_PKEY *own, EVP_PKEY *peer, uint8_t *out, size_t len)
{
	EVP_PKEY_CTX *dh = EVP_PKEY_CTX_new(own, NULL);
	mpp_err err = MPP_ERR_CRYPTO;

	if (dh != NULL && EVP_PKEY_derive_init(dh) == 1 &&
	    EVP_PKEY_derive_set_peer(dh, peer) == 1)
		err = EVP_PKEY_derive(dh, out, &len) == 1 ? MPP_OK
							  : MPP_ERR_AUTH;
	EVP_PKEY_CTX_free(dh);
	return err;
}

static mpp_err dh(void *ctx, int suite, const uint8_t *secret,
		  const uint8_t *pub, uint8_t *out)
{
	struct openssl *c = ctx;
	size_t len = mpp_dh_len(suite);
	uint8_t shared[MPP_DH_MAX];
	EVP_PKEY *own;
	EVP_PKEY *peer;
	mpp_err err = MPP_ERR_CRYPTO;

	if (len == 0)
		return MPP_ERR_UNSUPPORTED;
	own = load_secret(suite == MPP_SUITE_448 ? c->x448 : c->x25519, secret,
			  pub, len);
	peer = EVP_PKEY_new_raw_public_key(type_of(suite), NULL, pub, len);
	if (own != NULL && peer != NULL)
		err = derive(own, peer, shared, len);
	EVP_PKEY_free(peer);
	EVP_PKEY_free(own);
	if (err == MPP_OK && mem_is_zero(shared, len))
		err = MPP_ERR_AUTH;
	if (err == MPP_OK)
		memcpy(out, shared, len);
	mem_wipe(shared, sizeof(shared));
	return err == MPP_OK ? MPP_OK : fail(err);
}

static bool gcm_fits(mpp_bytes ad, mpp_bytes in)
{
	return ad.len <= GCM_LEN_MAX && in.len <= GCM_LEN_MAX;
}

/* Key, nonce, associated data (out is then NULL) and text. */
static bool gcm_start(EVP_CIPHER_CTX *gcm, const uint8_t *key,
		      const uint8_t *nonce, mpp_bytes ad, int sealing)
{
	int n;

	return EVP_CipherInit_ex(gcm, NULL, NULL, key, nonce, sealing) == 1 &&
	       (ad.len == 0 ||
		EVP_CipherUpdate(gcm, NULL, &n, ad.p, (int)ad.len) == 1);
}

static bool gcm_text(EVP_CIPHER_CTX *gcm, mpp_bytes in, uint8_t *out)
{
	int n;

	return in.len == 0 ||
	       EVP_CipherUpdate(gcm, out, &n, in.p, (int)in.len) == 1;
}

static mpp_err seal_openssl(void *ctx, const uint8_t key[32],
			    const uint8_t nonce[12], mpp_bytes ad, mpp_bytes in,
			    uint8_t *out)
{
	struct openssl *c = ctx;
	uint8_t *tag;
	int n;

	if (!gcm_fits(ad, in))
		return MPP_ERR_CRYPTO;
	tag = out + in.len;
	if (!gcm_start(c->gcm, key, nonce, ad, 1) ||
	    !gcm_text(c->gcm, in, out) ||
	    EVP_CipherFinal_ex(c->gcm, tag, &n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(c->gcm, EVP_CTRL_AEAD_GET_TAG, MPP_TAG_LEN,
				tag) != 1)
		return fail(MPP_ERR_CRYPTO);
	return MPP_OK;
}

static mpp_err open_openssl(void *ctx, const uint8_t key[32],
			    const uint8_t nonce[12], mpp_bytes ad, mpp_bytes in,
			    uint8_t *out)
{
	struct openssl *c = ctx;
	uint8_t tag[MPP_TAG_LEN];
	uint8_t none[1];
	int n;

	if (in.len < MPP_TAG_LEN)
		return MPP_ERR_TRUNCATED;
	if (!gcm_fits(ad, in))
		return MPP_ERR_CRYPTO;
	in.len -= MPP_TAG_LEN;
	memcpy(tag, in.p + in.len, sizeof(tag));
	if (!gcm_start(c->gcm, key, nonce, ad, 0) ||
	    !gcm_text(c->gcm, in, out) ||
	    EVP_CIPHER_CTX_ctrl(c->gcm, EVP_CTRL_AEAD_SET_TAG, MPP_TAG_LEN,
				tag) != 1)
		return fail(MPP_ERR_CRYPTO);
	if (EVP_CipherFinal_ex(c->gcm, none, &n) == 1)
		return MPP_OK;
	/* OpenSSL decrypts before it checks; nobody shall read that. */
	if (in.len != 0)
		mem_wipe(out, in.len);
	return fail(MPP_ERR_AUTH);
}

static mpp_err seal_sodium(void *ctx, const uint8_t key[32],
			   const uint8_t nonce[12], mpp_bytes ad, mpp_bytes in,
			   uint8_t *out)
{
	(void)ctx;
	if (!gcm_fits(ad, in))
		return MPP_ERR_CRYPTO;
	return crypto_aead_aes256gcm_encrypt(out, NULL, in.p, in.len, ad.p,
					     ad.len, NULL, nonce, key) == 0
		       ? MPP_OK
		       : MPP_ERR_CRYPTO;
}

static mpp_err open_sodium(void *ctx, const uint8_t key[32],
			   const uint8_t nonce[12], mpp_bytes ad, mpp_bytes in,
			   uint8_t *out)
{
	(void)ctx;
	if (in.len < MPP_TAG_LEN)
		return MPP_ERR_TRUNCATED;
	if (!gcm_fits(ad, in))
		return MPP_ERR_CRYPTO;
	return crypto_aead_aes256gcm_decrypt(out, NULL, NULL, in.p, in.len,
					     ad.p, ad.len, nonce, key) == 0
		       ? MPP_OK
		       : MPP_ERR_AUTH;
}

static mpp_err aes_block(EVP_CIPHER_CTX *aes, const uint8_t key[16],
			 const uint8_t in[16], uint8_t out[16])
{
	int n;

	/* -1: the direction stays as it was made. */
	if (EVP_CipherInit_ex(aes, NULL, NULL, key, NULL, -1) != 1 ||
	    EVP_CipherUpdate(aes, out, &n, in, 16) != 1 || n != 16)
		return fail(MPP_ERR_CRYPTO);
	return MPP_OK;
}

static mpp_err aes_encrypt(void *ctx, const uint8_t key[16],
			   const uint8_t in[16], uint8_t out[16])
{
	struct openssl *c = ctx;

	if (!c->aesni)
		return aes_block(c->enc, key, in, out);
	aesni_encrypt(key, in, out);
	return MPP_OK;
}

static mpp_err aes_decrypt(void *ctx, const uint8_t key[16],
			   const uint8_t in[16], uint8_t out[16])
{
	struct openssl *c = ctx;

	if (!c->aesni)
		return aes_block(c->dec, key, in, out);
	aesni_decrypt(key, in, out);
	return MPP_OK;
}

/* The two tables differ in who seals and in nothing else. */
#define SHARED_OPS                                                  \
	.name = "openssl", .random = take_random, .sha512 = sha512, \
	.hmac = hmac, .dh_public = dh_public, .dh = dh,             \
	.aes_encrypt = aes_encrypt, .aes_decrypt = aes_decrypt

static const mpp_crypto_ops with_openssl = {
	SHARED_OPS,
	.aead_name = "openssl",
	.seal = seal_openssl,
	.open = open_openssl,
};

static const mpp_crypto_ops with_sodium = {
	SHARED_OPS,
	.aead_name = "libsodium",
	.seal = seal_sodium,
	.open = open_sodium,
};

static EVP_CIPHER_CTX *make_cipher(const char *name, int encrypting)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	if (cipher == NULL || ctx == NULL ||
	    EVP_CipherInit_ex(ctx, cipher, NULL, NULL, NULL, encrypting) != 1 ||
	    EVP_CIPHER_CTX_set_padding(ctx, 0) != 1) {
		EVP_CIPHER_CTX_free(ctx);
		ctx = NULL;
	}
	EVP_CIPHER_free(cipher);
	return ctx;
}

static EVP_PKEY_CTX *make_loader(const char *name)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, name, NULL);

	if (ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1)
		return ctx;
	EVP_PKEY_CTX_free(ctx);
	return NULL;
}

static mpp_err set_up(struct openssl *c)
{
	c->gcm = make_cipher("AES-256-GCM", 1);
	c->enc = make_cipher("AES-128-ECB", 1);
	c->dec = make_cipher("AES-128-ECB", 0);
	c->x25519 = make_loader("X25519");
	c->x448 = make_loader("X448");
	pool_open(&c->pool);
	if (c->gcm == NULL || c->enc == NULL || c->dec == NULL ||
	    c->x25519 == NULL || c->x448 == NULL)
		return fail(MPP_ERR_CRYPTO);
	return MPP_OK;
}

/* Each of these wipes what it frees, and takes NULL. */
static void tear_down(struct openssl *c)
{
	pool_close(&c->pool);
	EVP_PKEY_CTX_free(c->x448);
	EVP_PKEY_CTX_free(c->x25519);
	EVP_CIPHER_CTX_free(c->dec);
	EVP_CIPHER_CTX_free(c->enc);
	EVP_CIPHER_CTX_free(c->gcm);
	mem_wipe(c, c->size);
	free(c);
}

mpp_err crypto_openssl_sized(size_t size, bool use_sodium, mpp_crypto *out)
{
	struct openssl *c;
	mpp_err err;

	if (sodium_init() < 0)
		return MPP_ERR_CRYPTO;
	if (use_sodium && crypto_aead_aes256gcm_is_available() != 1)
		return MPP_ERR_UNSUPPORTED;
	if ((c = calloc(1, size)) == NULL)
		return MPP_ERR_NOMEM;
	c->size = size;
	c->aesni = use_sodium && aesni_available();
	if ((err = set_up(c)) != MPP_OK) {
		tear_down(c);
		return err;
	}
	out->ops = use_sodium ? &with_sodium : &with_openssl;
	out->ctx = c;
	return MPP_OK;
}

mpp_err crypto_openssl_new(bool use_sodium, mpp_crypto *out)
{
	return crypto_openssl_sized(sizeof(struct openssl), use_sodium, out);
}

mpp_err mpp_crypto_new(mpp_crypto *out)
{
	mpp_err err = crypto_openssl_new(true, out);

	return err == MPP_ERR_UNSUPPORTED ? crypto_openssl_new(false, out)
					  : err;
}

void mpp_crypto_free(mpp_crypto *crypto)
{
	if (crypto->ctx != NULL)
		tear_down(crypto->ctx);
	*crypto = (mpp_crypto){NULL, NULL};
}
