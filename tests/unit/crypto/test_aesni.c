/* SPDX-License-Identifier: MIT */
/* Blocks of AES-128 by the processor's instructions: those of OpenSSL, an
 * independent implementation, for many keys; published vectors are in
 * test_crypto.c, for both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "crypto/aesni.h"
#include "crypto/openssl.h"
#include "seeded.h"

enum { KEYS = 2000 };

static void draw(struct seeded *r, uint8_t out[16])
{
	unsigned i;

	for (i = 0; i < 16; i++)
		out[i] = (uint8_t)seeded_next(r);
}

static void the_same_as_openssl(void **state)
{
	uint8_t key[16], in[16], ours[16], theirs[16];
	struct seeded r = seeded_from(197);
	mpp_crypto c;
	unsigned i;

	(void)state;
	assert_true(sodium_init() >= 0);
	if (!aesni_available())
		skip();
	assert_int_equal(crypto_openssl_new(false, &c), MPP_OK);
	for (i = 0; i < KEYS; i++) {
		draw(&r, key);
		draw(&r, in);
		assert_int_equal(c.ops->aes_encrypt(c.ctx, key, in, theirs),
				 MPP_OK);
		aesni_encrypt(key, in, ours);
		assert_memory_equal(ours, theirs, 16);
		assert_int_equal(c.ops->aes_decrypt(c.ctx, key, in, theirs),
				 MPP_OK);
		aesni_decrypt(key, in, ours);
		assert_memory_equal(ours, theirs, 16);
		/* In place, and back. */
		aesni_encrypt(key, ours, ours);
		assert_memory_equal(ours, in, 16);
	}
	mpp_crypto_free(&c);
}

/* The two above were not the same thing under two names. */
static void openssl_was_asked(void **state)
{
	mpp_crypto c;

	(void)state;
	assert_int_equal(crypto_openssl_new(false, &c), MPP_OK);
	assert_false(((const struct openssl *)c.ctx)->aesni);
	mpp_crypto_free(&c);
	if (crypto_openssl_new(true, &c) != MPP_OK)
		skip();
	assert_true(((const struct openssl *)c.ctx)->aesni ==
		    aesni_available());
	mpp_crypto_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_as_openssl),
		cmocka_unit_test(openssl_was_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
