/* SPDX-License-Identifier: MIT */
/* test_token.c - tokens: the vectors of token.json, which another program has
 * computed, every octet changed, and claims that are not as they must be. */
#include "vectors/json_file.h"

#include <mpp/token.h>

#include "crypto/fixed.h"
#include "unit/rud/faulty.h"

enum { HEAD = 28, TEXT_MAX = 1024 };

#define DEVICE "MBKY-6QMK-VOLB-ZSQS-IWN6-UHRQ-CFGX-X2QT"

static mpp_crypto crypto;
static const mpp_token_key test_key = {{1, 2, 3, 4}, {5, 6, 7}};

static int set_up(void **state)
{
	(void)state;
	return crypto_fixed_new(9, &crypto) == MPP_OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	mpp_crypto_free(&crypto);
	return 0;
}

static mpp_bytes bytes_of(const char *s)
{
	return (mpp_bytes){(const uint8_t *)s, strlen(s)};
}

static mpp_token_claims good_claims(void)
{
	return (mpp_token_claims){bytes_of("alice@example.com"),
				  bytes_of(DEVICE),
				  MPP_RIGHT_SUBSCRIBE,
				  1000,
				  2000,
				  900};
}

/* ---- the vectors ---- */

struct vector {
	uint8_t account[MPP_ACCOUNT_MAX];
	uint8_t device[TEXT_MAX];
	uint8_t nonce[24], token[MPP_TOKEN_MAX], secret[32];
	mpp_bytes want_token;
	mpp_token_key key;
	mpp_token_claims claims;
};

static void read_vector(mpp_bytes v, struct vector *out)
{
	mpp_buf device = {out->device, sizeof(out->device), 0};

	memset(out, 0, sizeof(*out));
	out->claims.account =
		json_octets(v, "account", out->account, sizeof(out->account));
	out->claims.device = json_text(v, "device", &device);
	out->claims.rights = (unsigned)json_integer(v, "rights");
	out->claims.issued_ms = json_integer(v, "issued");
	out->claims.expires_ms = json_integer(v, "expires");
	out->claims.proven_ms = json_integer(v, "proven");
	assert_int_equal(json_octets(v, "key_id", out->key.id, 4).len, 4);
	assert_int_equal(json_octets(v, "key", out->key.key, 32).len, 32);
	assert_int_equal(json_octets(v, "nonce", out->nonce, 24).len, 24);
	assert_int_equal(json_octets(v, "secret", out->secret, 32).len, 32);
	out->want_token =
		json_octets(v, "token", out->token, sizeof(out->token));
}

static void assert_claims(const mpp_token_claims *got,
			  const mpp_token_claims *want)
{
	assert_int_equal(got->account.len, want->account.len);
	assert_memory_equal(got->account.p, want->account.p, want->account.len);
	assert_int_equal(got->device.len, want->device.len);
	assert_memory_equal(got->device.p, want->device.p, want->device.len);
	assert_int_equal(got->rights, want->rights);
	assert_int_equal(got->issued_ms, want->issued_ms);
	assert_int_equal(got->expires_ms, want->expires_ms);
	assert_int_equal(got->proven_ms, want->proven_ms);
}

static void run_vector(struct vector *v)
{
	uint8_t room[MPP_TOKEN_MAX], secret[32];
	mpp_buf token = {room, sizeof(room), 0};
	mpp_token opened;

	crypto_fixed_script(&crypto, (mpp_bytes){v->nonce, 24});
	assert_int_equal(mpp_token_mint(&crypto, &v->key, &v->claims, &token,
					secret),
			 MPP_OK);
	assert_int_equal(token.len, v->want_token.len);
	assert_memory_equal(room, v->want_token.p, token.len);
	assert_memory_equal(secret, v->secret, 32);
	assert_int_equal(mpp_token_open(&crypto, &v->key, v->want_token,
					&opened),
			 MPP_OK);
	assert_claims(&opened.claims, &v->claims);
	assert_memory_equal(opened.secret, v->secret, 32);
}

static void test_vectors(void **state)
{
	mpp_buf file = json_file_load("token.json");
	struct json_list l = json_list_of(&file, "vectors");
	struct vector v;
	mpp_bytes one;
	size_t n = 0;

	(void)state;
	for (; json_each(&l, &one); n++) {
		read_vector(one, &v);
		run_vector(&v);
	}
	assert_int_equal(n, json_file_count(&file, "vectors"));
	assert_in_range(n, 4, 100);
	free(file.p);
}

/* ---- changed tokens ---- */

static mpp_buf minted(uint8_t room[MPP_TOKEN_MAX])
{
	mpp_buf token = {room, MPP_TOKEN_MAX, 0};
	mpp_token_claims k = good_claims();
	uint8_t secret[32];

	assert_int_equal(mpp_token_mint(&crypto, &test_key, &k, &token, secret),
			 MPP_OK);
	return token;
}

static void test_every_octet(void **state)
{
	uint8_t room[MPP_TOKEN_MAX];
	mpp_buf token = minted(room);
	mpp_bytes in = {room, token.len};
	mpp_token opened;
	size_t i;

	(void)state;
	for (i = 0; i < token.len; i++) {
		room[i] ^= 0x01;
		assert_int_equal(mpp_token_open(&crypto, &test_key, in,
						&opened),
				 i < 4 ? MPP_ERR_NOTFOUND : MPP_ERR_AUTH);
		room[i] ^= 0x01;
		assert_int_equal(mpp_token_open(&crypto, &test_key, in,
						&opened),
				 MPP_OK);
	}
}

static void test_every_length(void **state)
{
	uint8_t room[MPP_TOKEN_MAX + 1] = {0};
	mpp_buf token = minted(room);
	mpp_token opened;
	mpp_err err;
	size_t i;

	(void)state;
	for (i = 0; i <= sizeof(room); i++) {
		err = mpp_token_open(&crypto, &test_key, (mpp_bytes){room, i},
				     &opened);
		assert_int_equal(err, i == token.len ? MPP_OK
				      : i < HEAD + MPP_TAG_LEN
					      ? MPP_ERR_TRUNCATED
				      : i > MPP_TOKEN_MAX ? MPP_ERR_RANGE
							  : MPP_ERR_AUTH);
	}
}

static void test_other_key(void **state)
{
	uint8_t room[MPP_TOKEN_MAX];
	mpp_buf token = minted(room);
	mpp_token_key other = test_key;
	mpp_token opened;

	(void)state;
	other.key[31] ^= 1;
	assert_int_equal(mpp_token_open(&crypto, &other,
					(mpp_bytes){room, token.len}, &opened),
			 MPP_ERR_AUTH);
	other = test_key;
	other.id[3] ^= 1;
	assert_int_equal(mpp_token_open(&crypto, &other,
					(mpp_bytes){room, token.len}, &opened),
			 MPP_ERR_NOTFOUND);
}

/* Two tokens of the same claims have neither octets nor secret in common. */
static void test_fresh(void **state)
{
	uint8_t room[2][MPP_TOKEN_MAX];
	mpp_token opened[2];
	mpp_buf token;
	unsigned i;

	(void)state;
	for (i = 0; i < 2; i++) {
		token = minted(room[i]);
		assert_int_equal(mpp_token_open(&crypto, &test_key,
						(mpp_bytes){room[i], token.len},
						&opened[i]),
				 MPP_OK);
	}
	assert_memory_not_equal(room[0] + 4, room[1] + 4, 24);
	assert_memory_not_equal(room[0] + HEAD, room[1] + HEAD, 16);
	assert_memory_not_equal(opened[0].secret, opened[1].secret, 32);
}

/* ---- claims that are not possible ---- */

static const struct impossible {
	const char *why;
	size_t account_len;
	const char *device;
	unsigned rights;
	uint64_t issued, expires, proven;
	mpp_err want;
} impossible[] = {
	{"as it should be", 17, DEVICE, 1, 10, 20, 5, MPP_OK},
	{"no account", 0, DEVICE, 1, 10, 20, 5, MPP_ERR_INVALID},
	{"account too long", 256, DEVICE, 1, 10, 20, 5, MPP_ERR_INVALID},
	{"no device", 17, "", 1, 10, 20, 5, MPP_ERR_INVALID},
	{"135 bits of a device", 17, "MBKY6QMKVOLBZSQSIWN6UHRQCFG", 1, 10, 20,
	 5, MPP_ERR_INVALID},
	{"140 bits of a device", 17, "MBKY6QMKVOLBZSQSIWN6UHRQCFGX", 1, 10, 20,
	 5, MPP_OK},
	{"device is not Base32", 17, "MBKY-6QMK-VOLB-ZSQS-IWN6-UHRQ-CFGX-X2Q1",
	 1, 10, 20, 5, MPP_ERR_INVALID},
	{"a right that there is not", 17, DEVICE, 8, 10, 20, 5,
	 MPP_ERR_INVALID},
	{"expires when it is issued", 17, DEVICE, 1, 20, 20, 5,
	 MPP_ERR_INVALID},
	{"expires before it is issued", 17, DEVICE, 1, 21, 20, 5,
	 MPP_ERR_INVALID},
	{"proven after it was issued", 17, DEVICE, 1, 10, 20, 11,
	 MPP_ERR_INVALID},
	{"expires beyond 2^53", 17, DEVICE, 1, 10, UINT64_C(1) << 53, 5,
	 MPP_ERR_INVALID},
};

static void test_impossible(void **state)
{
	uint8_t account[MPP_ACCOUNT_MAX + 1], room[MPP_TOKEN_MAX], secret[32];
	size_t i;

	(void)state;
	memset(account, 'a', sizeof(account));
	for (i = 0; i < sizeof(impossible) / sizeof(*impossible); i++) {
		const struct impossible *m = &impossible[i];
		mpp_token_claims k = {{account, m->account_len},
				      bytes_of(m->device),
				      m->rights,
				      m->issued,
				      m->expires,
				      m->proven};
		mpp_buf token = {room, sizeof(room), 0};

		if (mpp_token_mint(&crypto, &test_key, &k, &token, secret) !=
		    m->want)
			fail_msg("%s", m->why);
		assert_int_equal(token.len == 0, m->want != MPP_OK);
	}
}

/* Whatever room there is: all of it or nothing. */
static void test_room(void **state)
{
	uint8_t room[MPP_TOKEN_MAX], secret[32];
	mpp_token_claims k = good_claims();
	size_t cap, need = minted(room).len;
	mpp_buf token;

	(void)state;
	for (cap = 0; cap <= need; cap++) {
		uint8_t *exact = malloc(cap + 3);

		assert_non_null(exact);
		token = (mpp_buf){exact, cap + 3, 3};
		assert_int_equal(mpp_token_mint(&crypto, &test_key, &k, &token,
						secret),
				 cap < need ? MPP_ERR_NOSPACE : MPP_OK);
		assert_int_equal(token.len, cap < need ? 3 : need + 3);
		free(exact);
	}
}

/* ---- sealed by the right key, but not as it must be ---- */

#define ALL(version, rest)                                                \
	"{\"Version\":" version ",\"Account\":\"a\",\"Device\":\"" DEVICE \
	"\",\"Rights\":[\"subscribe\"]," rest "}"
#define TIMES "\"Issued\":1,\"Expires\":2,\"Proven\":0"

static const struct malformed {
	const char *why;
	const char *plain;
	mpp_err want;
} malformed[] = {
	{"as it should be", ALL("1", TIMES), MPP_OK},
	{"a member more", ALL("1", "\"New\":[{}]," TIMES), MPP_OK},
	{"nothing", "", MPP_ERR_TRUNCATED},
	{"not an object", "[]", MPP_ERR_TYPE},
	{"an empty object", "{}", MPP_ERR_MISSING},
	{"cut", "{\"Version\":1", MPP_ERR_TRUNCATED},
	{"not JSON", "hello", MPP_ERR_SYNTAX},
	{"octets behind it", ALL("1", TIMES) " ", MPP_ERR_TRAILING},
	{"version 2", ALL("2", TIMES), MPP_ERR_VERSION},
	{"version is text", ALL("\"1\"", TIMES), MPP_ERR_TYPE},
	{"version is negative", ALL("-1", TIMES), MPP_ERR_RANGE},
	{"version twice", ALL("1,\"Version\":1", TIMES), MPP_ERR_DUPLICATE},
	{"Expires twice", ALL("1", TIMES ",\"Expires\":9"), MPP_ERR_DUPLICATE},
	{"no Proven", ALL("1", "\"Issued\":1,\"Expires\":2"), MPP_ERR_MISSING},
	{"Issued is text", ALL("1", "\"Issued\":\"1\""), MPP_ERR_TYPE},
	{"Issued is negative", ALL("1", "\"Issued\":-1"), MPP_ERR_RANGE},
	{"Issued is 2^53", ALL("1", "\"Issued\":9007199254740992"),
	 MPP_ERR_RANGE},
	{"expires before it is issued",
	 ALL("1", "\"Issued\":2,\"Expires\":1,\"Proven\":0"), MPP_ERR_RANGE},
	{"proven after it is issued",
	 ALL("1", "\"Issued\":1,\"Expires\":3,\"Proven\":2"), MPP_ERR_RANGE},
	{"Account is a number", "{\"Account\":1}", MPP_ERR_TYPE},
	{"Account is empty",
	 "{\"Version\":1,\"Account\":\"\",\"Device\":\"" DEVICE
	 "\",\"Rights\":[]," TIMES "}",
	 MPP_ERR_RANGE},
	{"Account has an escape", "{\"Account\":\"\\u0061\"}",
	 MPP_ERR_UNSUPPORTED},
	{"Device is no fingerprint",
	 "{\"Version\":1,\"Account\":\"a\",\"Device\":\"8\",\"Rights\":[]"
	 "," TIMES "}",
	 MPP_ERR_RANGE},
	{"Rights is text", "{\"Rights\":\"subscribe\"}", MPP_ERR_TYPE},
	{"Rights holds a number", "{\"Rights\":[1]}", MPP_ERR_TYPE},
	{"Rights holds an object", "{\"Rights\":[{}]}", MPP_ERR_TYPE},
	{"17 Rights",
	 "{\"Rights\":[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\","
	 "\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]}",
	 MPP_ERR_RANGE},
};

static void hmac(mpp_bytes key, mpp_bytes a, uint8_t out[64])
{
	assert_int_equal(crypto.ops->hmac(crypto.ctx, key, &a, 1, out), MPP_OK);
}

/* What mpp_token_mint() would do with any octets. */
static size_t seal(mpp_bytes plain, uint8_t *out)
{
	static const char label[] = "rud1 token key\x01";
	static const uint8_t iv[12];
	uint8_t prk[64], key[64];

	memcpy(out, test_key.id, 4);
	memset(out + 4, 0x33, 24);
	hmac((mpp_bytes){out + 4, 24}, (mpp_bytes){test_key.key, 32}, prk);
	hmac((mpp_bytes){prk, 64},
	     (mpp_bytes){(const uint8_t *)label, sizeof(label) - 1}, key);
	assert_int_equal(crypto.ops->seal(crypto.ctx, key, iv,
					  (mpp_bytes){out, HEAD}, plain,
					  out + HEAD),
			 MPP_OK);
	return HEAD + plain.len + 16;
}

static void test_malformed(void **state)
{
	uint8_t token[MPP_TOKEN_MAX + 64];
	mpp_token opened;
	mpp_err err;
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(malformed) / sizeof(*malformed); i++) {
		memset(&opened, 0, sizeof(opened));
		n = seal(bytes_of(malformed[i].plain), token);
		err = mpp_token_open(&crypto, &test_key, (mpp_bytes){token, n},
				     &opened);
		if (err != malformed[i].want)
			fail_msg("%s: %s", malformed[i].why, mpp_err_name(err));
		assert_int_equal(opened.claims.account.len == 0, err != MPP_OK);
	}
}

/* Names of rights that are not known give nothing, and spoil nothing. */
static void test_unknown_rights(void **state)
{
	static const char plain[] =
		"{\"Version\":1,\"Account\":\"a\",\"Device\":\"" DEVICE
		"\",\"Rights\":[\"admin\",\"publish\",\"watch\"]," TIMES "}";
	uint8_t token[MPP_TOKEN_MAX];
	mpp_token opened;
	size_t n = seal(bytes_of(plain), token);

	(void)state;
	assert_int_equal(mpp_token_open(&crypto, &test_key,
					(mpp_bytes){token, n}, &opened),
			 MPP_OK);
	assert_int_equal(opened.claims.rights, MPP_RIGHT_PUBLISH);
}

/* ---- cryptography that fails ---- */

static void test_faults(void **state)
{
	struct faulty f = {crypto, 0};
	mpp_crypto c = {&faulty_ops, &f};
	uint8_t room[MPP_TOKEN_MAX], secret[32];
	mpp_token_claims k = good_claims();
	mpp_buf good = minted(room);
	mpp_token opened;
	unsigned i;

	(void)state;
	for (i = 1; i <= 5; i++) { /* random, 3 x HMAC, seal */
		uint8_t other[MPP_TOKEN_MAX];
		mpp_buf token = {other, sizeof(other), 0};

		f.fail_in = i;
		assert_int_equal(mpp_token_mint(&c, &test_key, &k, &token,
						secret),
				 i == 1 ? MPP_ERR_RANDOM : MPP_ERR_CRYPTO);
		assert_int_equal(token.len, 0);
	}
	for (i = 1; i <= 4; i++) { /* 3 x HMAC, open */
		f.fail_in = i;
		assert_int_equal(mpp_token_open(&c, &test_key,
						(mpp_bytes){room, good.len},
						&opened),
				 MPP_ERR_CRYPTO);
	}
	f.fail_in = 5;
	assert_int_equal(mpp_token_open(&c, &test_key,
					(mpp_bytes){room, good.len}, &opened),
			 MPP_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_every_octet),
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_other_key),
		cmocka_unit_test(test_fresh),
		cmocka_unit_test(test_impossible),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_unknown_rights),
		cmocka_unit_test(test_faults),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
