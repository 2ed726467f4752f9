/* SPDX-License-Identifier: MIT */
/* test_hkdf.c - HKDF-Expand by label. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "crypto/fixed.h"
#include "rud/noise.h"

static mpp_crypto crypto;
static uint8_t prk[64];

static int set_up(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(prk); i++)
		prk[i] = (uint8_t)i;
	return crypto_fixed_new(0, &crypto) == MPP_OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	mpp_crypto_free(&crypto);
	return 0;
}

/* HMAC-SHA-512(00 01 .. 3f, label || 01) by Python's hmac. */
static const struct {
	const char *label;
	size_t len;
	uint8_t want[64];
} rows[] = {
	{"rud test label",
	 64,
	 {0xca, 0x25, 0x39, 0x13, 0xaf, 0xdb, 0x4b, 0xb8, 0xa5, 0xd1, 0x88,
	  0x22, 0x4f, 0x35, 0xc3, 0xbb, 0x12, 0x3f, 0xb2, 0x92, 0x9a, 0x7c,
	  0xb6, 0xe5, 0x80, 0x64, 0xa4, 0xd0, 0x57, 0x3b, 0xda, 0x84, 0xe1,
	  0x02, 0x72, 0x22, 0xa0, 0xeb, 0x4f, 0x2a, 0x06, 0x8f, 0x16, 0x84,
	  0x95, 0x5c, 0x48, 0x64, 0x3b, 0x1e, 0xd6, 0xc7, 0xf8, 0xc5, 0x0c,
	  0x76, 0xe3, 0x81, 0x37, 0x65, 0xf6, 0x76, 0x51, 0xe4}},
	{"",
	 16,
	 {0xd0, 0x1b, 0x76, 0x6d, 0x46, 0x71, 0xca, 0x87, 0x4e, 0x75, 0x9a,
	  0x77, 0x05, 0x0d, 0x46, 0x7b}},
	{"rud test label", 1, {0xca}},
	{"rud test label", 0, {0}},
};

static void known_outputs(void **state)
{
	uint8_t out[64 + 1];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		memset(out, 0xa5, sizeof(out));
		assert_int_equal(hkdf_expand(&crypto,
					     (mpp_bytes){prk, sizeof(prk)},
					     rows[i].label, out, rows[i].len),
				 MPP_OK);
		assert_memory_equal(out, rows[i].want, rows[i].len);
		assert_int_equal(out[rows[i].len], 0xa5);
	}
}

static void more_than_a_block_is_refused(void **state)
{
	uint8_t out[65], before[65];

	(void)state;
	memset(out, 0xa5, sizeof(out));
	memset(before, 0xa5, sizeof(before));
	assert_int_equal(hkdf_expand(&crypto, (mpp_bytes){prk, sizeof(prk)},
				     "label", out, 65),
			 MPP_ERR_INVALID);
	assert_memory_equal(out, before, sizeof(out));
}

static mpp_err broken_hmac(void *ctx, mpp_bytes key, const mpp_bytes *parts,
			   size_t n, uint8_t out[64])
{
	(void)ctx;
	(void)key;
	(void)parts;
	(void)n;
	memset(out, 0, 64);
	return MPP_ERR_CRYPTO;
}

static void failure_leaves_the_output(void **state)
{
	mpp_crypto_ops ops = *crypto.ops;
	mpp_crypto broken = {&ops, crypto.ctx};
	uint8_t out[4] = {1, 2, 3, 4};

	(void)state;
	ops.hmac = broken_hmac;
	assert_int_equal(hkdf_expand(&broken, (mpp_bytes){prk, sizeof(prk)},
				     "label", out, sizeof(out)),
			 MPP_ERR_CRYPTO);
	assert_memory_equal(out, ((uint8_t[]){1, 2, 3, 4}), sizeof(out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_outputs),
		cmocka_unit_test(more_than_a_block_is_refused),
		cmocka_unit_test(failure_leaves_the_output),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
