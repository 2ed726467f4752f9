/* SPDX-License-Identifier: MIT */
/* test_streamid.c - stream identifiers that the service issues; AES-128-ECB
 * beside it is OpenSSL's, called here by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>

#include "base/mem.h"
#include "crypto/fixed.h"
#include "rud/streamid.h"

#include "unit/rud/faulty.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const uint8_t key[16] = {0, 1, 2,  3,  4,  5,  6,  7,
				8, 9, 10, 11, 12, 13, 14, 15};
static mpp_crypto crypto;

static int set_up(void **state)
{
	(void)state;
	return crypto_fixed_new(61, &crypto) == MPP_OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	mpp_crypto_free(&crypto);
	return 0;
}

static void ecb_decrypt(const uint8_t in[16], uint8_t out[16])
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n = 0;

	assert_non_null(c);
	assert_int_equal(
		EVP_DecryptInit_ex(c, EVP_aes_128_ecb(), NULL, key, NULL), 1);
	assert_int_equal(EVP_CIPHER_CTX_set_padding(c, 0), 1);
	assert_int_equal(EVP_DecryptUpdate(c, out, &n, in, 16), 1);
	assert_int_equal(n, 16);
	EVP_CIPHER_CTX_free(c);
}

static const struct {
	struct stream st;
	uint8_t block[8];
} streams[] = {
	{{0, 0}, {0}},
	{{1, 2}, {0, 0, 0, 1, 0, 0, 0, 2}},
	{{0x01020304, 0x05060708}, {1, 2, 3, 4, 5, 6, 7, 8}},
	{{UINT32_MAX, UINT32_MAX}, {255, 255, 255, 255, 255, 255, 255, 255}},
};

static void issued_identifiers_name_their_stream(void **state)
{
	uint8_t id[STREAM_ID_LEN], block[16];
	struct stream st;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(streams); i++) {
		assert_int_equal(streamid_issue(&crypto, key, streams[i].st,
						id),
				 MPP_OK);
		ecb_decrypt(id, block);
		assert_memory_equal(block, streams[i].block, 8);
		assert_int_equal(streamid_open(&crypto, key, id, &st), MPP_OK);
		assert_int_equal(st.slot, streams[i].st.slot);
		assert_int_equal(st.generation, streams[i].st.generation);
	}
}

/* The eight octets behind are drawn afresh for each. */
static void each_identifier_is_another(void **state)
{
	enum { MANY = 200 };
	uint8_t id[MANY][STREAM_ID_LEN], block[16], script[8] = "12345678";
	size_t i, k;

	(void)state;
	for (i = 0; i < MANY; i++) {
		assert_int_equal(streamid_issue(&crypto, key,
						(struct stream){7, 8}, id[i]),
				 MPP_OK);
		for (k = 0; k < i; k++)
			assert_memory_not_equal(id[i], id[k], STREAM_ID_LEN);
	}
	crypto_fixed_script(&crypto, (mpp_bytes){script, 8});
	assert_int_equal(streamid_issue(&crypto, key, (struct stream){7, 8},
					id[0]),
			 MPP_OK);
	ecb_decrypt(id[0], block);
	assert_memory_equal(block + 8, script, 8);
}

/* Another key names another stream. */
static void the_key_counts(void **state)
{
	uint8_t id[STREAM_ID_LEN], other[16];
	struct stream st;

	(void)state;
	memcpy(other, key, 16);
	other[15] ^= 1;
	assert_int_equal(streamid_issue(&crypto, key, (struct stream){7, 8},
					id),
			 MPP_OK);
	assert_int_equal(streamid_open(&crypto, other, id, &st), MPP_OK);
	assert_false(st.slot == 7 && st.generation == 8);
}

static const struct {
	const char *what;
	uint8_t id[STREAM_ID_LEN];
	bool usable;
} looks[] = {
	// clang-format off
	{"all zero", {0}, false},
	{"one bit at the end", {[15] = 1}, true},
	{"one bit at the beginning", {0x80}, true},
	{"a STUN request", {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, false},
	{"a STUN answer", {1, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42, 9}, false},
	{"the last first octet of STUN",
	 {3, 255, 255, 255, 0x21, 0x12, 0xa4, 0x42}, false},
	{"one beyond", {4, 0, 0, 0, 0x21, 0x12, 0xa4, 0x42}, true},
	{"the highest", {255, 0, 0, 0, 0x21, 0x12, 0xa4, 0x42}, true},
	{"a cookie that is not quite", {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x43},
	 true},
	{"nor at its beginning", {0, 1, 0, 0, 0x20, 0x12, 0xa4, 0x42}, true},
	{"the cookie one octet early", {0, 1, 0, 0x21, 0x12, 0xa4, 0x42}, true},
	{"the cookie one octet late",
	 {0, 1, 0, 0, 0, 0x21, 0x12, 0xa4, 0x42}, true},
	// clang-format on
};

static void looks_are_told_apart(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(looks); i++)
		if (streamid_usable(looks[i].id) != looks[i].usable)
			fail_msg("%s", looks[i].what);
}

/* The stream and the draw that would make an identifier with a wrong look:
 * that draw is thrown away and the next one taken. */
static void wrong_looks_are_not_issued(void **state)
{
	uint8_t block[16], script[16], id[STREAM_ID_LEN], after[16];
	struct stream st;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(looks); i++) {
		ecb_decrypt(looks[i].id, block);
		assert_int_equal(streamid_open(&crypto, key, looks[i].id, &st),
				 MPP_OK);
		memcpy(script, block + 8, 8);
		memcpy(script + 8, "87654321", 8);
		crypto_fixed_script(&crypto, (mpp_bytes){script, 16});
		assert_int_equal(streamid_issue(&crypto, key, st, id), MPP_OK);
		if (looks[i].usable) {
			assert_memory_equal(id, looks[i].id, 16);
			continue;
		}
		ecb_decrypt(id, after);
		assert_memory_equal(after, block, 8);
		assert_memory_equal(after + 8, "87654321", 8);
	}
	crypto_fixed_script(&crypto, (mpp_bytes){NULL, 0});
}

static void failures_are_said(void **state)
{
	struct faulty f = {crypto, 0};
	const mpp_crypto c = {&faulty_ops, &f};
	struct stream st = {7, 8};
	uint8_t id[STREAM_ID_LEN] = {1};

	(void)state;
	f.fail_in = 1;
	assert_int_equal(streamid_issue(&c, key, st, id), MPP_ERR_RANDOM);
	f.fail_in = 2;
	assert_int_equal(streamid_issue(&c, key, st, id), MPP_ERR_CRYPTO);
	f.fail_in = 1;
	assert_int_equal(streamid_open(&c, key, id, &st), MPP_ERR_CRYPTO);
	assert_int_equal(st.slot, 7);
	assert_int_equal(st.generation, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(issued_identifiers_name_their_stream),
		cmocka_unit_test(each_identifier_is_another),
		cmocka_unit_test(the_key_counts),
		cmocka_unit_test(looks_are_told_apart),
		cmocka_unit_test(wrong_looks_are_not_issued),
		cmocka_unit_test(failures_are_said),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
