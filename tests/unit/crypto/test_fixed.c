/* SPDX-License-Identifier: MIT */
/* test_fixed.c - the deterministic twin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/fixed.h"

static void draw(const mpp_crypto *c, uint8_t *out, size_t len)
{
	assert_int_equal(c->ops->random(c->ctx, out, len), MPP_OK);
}

/* SHA-512 of the seed and the number of the block, computed with Python's
 * hashlib for seed 7: bytes 0, 60 and 124 of the stream and what follows. */
static void the_stream_is_as_described(void **state)
{
	static const uint8_t at_0[] = {0x53, 0x53, 0xd1, 0x7e,
				       0x54, 0xec, 0xf8, 0x88};
	static const uint8_t at_60[] = {0xb5, 0xdb, 0x59, 0x64, 0xfe, 0xaf,
					0x8f, 0x62, 0xf4, 0x58, 0x02, 0x12};
	static const uint8_t at_124[] = {0xe9, 0x6e, 0x00, 0xc8,
					 0x41, 0xef, 0x5d, 0xf8};
	uint8_t out[192];
	mpp_crypto c;

	(void)state;
	assert_int_equal(crypto_fixed_new(7, &c), MPP_OK);
	draw(&c, out, sizeof(out));
	assert_memory_equal(out, at_0, sizeof(at_0));
	assert_memory_equal(out + 60, at_60, sizeof(at_60));
	assert_memory_equal(out + 124, at_124, sizeof(at_124));
	mpp_crypto_free(&c);
}

static void the_stream_does_not_depend_on_its_cut(void **state)
{
	uint8_t whole[400], cut[400], other[400];
	mpp_crypto a, b, c;
	size_t at, n;

	(void)state;
	assert_int_equal(crypto_fixed_new(1, &a), MPP_OK);
	assert_int_equal(crypto_fixed_new(1, &b), MPP_OK);
	assert_int_equal(crypto_fixed_new(2, &c), MPP_OK);
	draw(&a, whole, sizeof(whole));
	for (at = 0, n = 0; at < sizeof(cut); at += n, n++) {
		if (n > sizeof(cut) - at)
			n = sizeof(cut) - at;
		draw(&b, cut + at, n);
	}
	draw(&c, other, sizeof(other));
	assert_memory_equal(whole, cut, sizeof(whole));
	assert_memory_not_equal(whole, other, 16);
	mpp_crypto_free(&a);
	mpp_crypto_free(&b);
	mpp_crypto_free(&c);
}

/* A script goes first, byte by byte; what it leaves is the seed's start. */
static void the_script_goes_first(void **state)
{
	static const uint8_t script[] = {1, 2, 3, 4, 5};
	uint8_t seed[8], out[8];
	mpp_crypto c, plain;

	(void)state;
	assert_int_equal(crypto_fixed_new(3, &plain), MPP_OK);
	draw(&plain, seed, sizeof(seed));
	assert_int_equal(crypto_fixed_new(3, &c), MPP_OK);
	crypto_fixed_script(&c, (mpp_bytes){script, sizeof(script)});
	draw(&c, out, 2);
	assert_memory_equal(out, script, 2);
	draw(&c, out, 8);
	assert_memory_equal(out, script + 2, 3);
	assert_memory_equal(out + 3, seed, 5);
	crypto_fixed_script(&c, (mpp_bytes){script, 1});
	draw(&c, out, 4);
	assert_int_equal(out[0], 1);
	assert_memory_equal(out + 1, seed + 5, 3);
	mpp_crypto_free(&c);
	mpp_crypto_free(&plain);
}

/* Everything but random() is the real thing. */
static void other_primitives_are_the_real_ones(void **state)
{
	mpp_crypto real, twin;

	(void)state;
	assert_int_equal(mpp_crypto_new(&real), MPP_OK);
	assert_int_equal(crypto_fixed_new(3, &twin), MPP_OK);
	assert_string_equal(real.ops->aead_name, twin.ops->aead_name);
	assert_true(real.ops->random != twin.ops->random);
	assert_true(real.ops->sha512 == twin.ops->sha512);
	assert_true(real.ops->hmac == twin.ops->hmac);
	assert_true(real.ops->dh_public == twin.ops->dh_public);
	assert_true(real.ops->dh == twin.ops->dh);
	assert_true(real.ops->seal == twin.ops->seal);
	assert_true(real.ops->open == twin.ops->open);
	assert_true(real.ops->aes_encrypt == twin.ops->aes_encrypt);
	assert_true(real.ops->aes_decrypt == twin.ops->aes_decrypt);
	mpp_crypto_free(&real);
	mpp_crypto_free(&twin);
	assert_null(twin.ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_stream_is_as_described),
		cmocka_unit_test(the_stream_does_not_depend_on_its_cut),
		cmocka_unit_test(the_script_goes_first),
		cmocka_unit_test(other_primitives_are_the_real_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
