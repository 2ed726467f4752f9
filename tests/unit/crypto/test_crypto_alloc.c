/* SPDX-License-Identifier: MIT */
/* test_crypto_alloc.c - what a packet costs allocates nothing, and what sets
 * the cryptography up survives every allocation that fails.
 *
 * What counts cannot refuse in every build, so refusing is done where OpenSSL
 * asks for the functions to allocate with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/crypto.h>

#include "counting.h"
#include "crypto/openssl.h"

static volatile size_t fail_in; /* OpenSSL's n-th from now; 0: none fails */

static bool refused(void)
{
	return fail_in != 0 && --fail_in == 0;
}

static void *ssl_malloc(size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return refused() ? NULL : malloc(n);
}

static void *ssl_realloc(void *p, size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return refused() ? NULL : realloc(p, n);
}

static void ssl_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	free(p);
}

static uint8_t key[64] = {1}, nonce[12] = {2}, text[1216], out[1216];
static uint8_t pub[MPP_DH_MAX] = {9};

static mpp_err seal(const mpp_crypto *c)
{
	return c->ops->seal(c->ctx, key, nonce, (mpp_bytes){key, 9},
			    (mpp_bytes){text, 1200}, out);
}

/* Also of a refusal: bad packets must not cost more than good ones. */
static mpp_err open(const mpp_crypto *c)
{
	mpp_err err = c->ops->open(c->ctx, key, nonce, (mpp_bytes){key, 9},
				   (mpp_bytes){text, 80}, out);

	if (err != MPP_ERR_AUTH || seal(c) != MPP_OK)
		return MPP_ERR_CRYPTO;
	return c->ops->open(c->ctx, key, nonce, (mpp_bytes){key, 9},
			    (mpp_bytes){out, sizeof(out)}, out);
}

static mpp_err aes(const mpp_crypto *c)
{
	mpp_err err = c->ops->aes_encrypt(c->ctx, key, text, out);

	return err != MPP_OK ? err : c->ops->aes_decrypt(c->ctx, key, out, out);
}

static mpp_err sha512(const mpp_crypto *c)
{
	const mpp_bytes part = {text, sizeof(text)};

	return c->ops->sha512(c->ctx, &part, 1, out);
}

static mpp_err hmac(const mpp_crypto *c)
{
	const mpp_bytes part = {text, sizeof(text)};

	return c->ops->hmac(c->ctx, (mpp_bytes){key, 64}, &part, 1, out);
}

/* More than a batch in all, so that the refill is among it. */
static mpp_err draw(const mpp_crypto *c)
{
	return c->ops->random(c->ctx, out, 16);
}

static mpp_err dh(const mpp_crypto *c)
{
	return c->ops->dh(c->ctx, MPP_SUITE_25519, key, pub, out);
}

enum { CALLS = 100 };

/* Allocations of CALLS calls, after one that may still set things up. */
static size_t count(const mpp_crypto *c, mpp_err (*call)(const mpp_crypto *c))
{
	size_t before, i;

	if (call(c) != MPP_OK)
		fail_msg("the primitive fails");
	before = allocations;
	for (i = 0; i < CALLS; i++)
		if (call(c) != MPP_OK)
			fail_msg("the primitive fails");
	return allocations - before;
}

static void packets_allocate_nothing_with(bool use_sodium)
{
	static const struct {
		const char *name;
		mpp_err (*call)(const mpp_crypto *c);
	} rows[] = {
		{"seal", seal},     {"open", open}, {"aes", aes},
		{"sha512", sha512}, {"hmac", hmac}, {"random", draw},
	};
	mpp_crypto c;
	mpp_err err = crypto_openssl_new(use_sodium, &c);
	size_t i, n;

	/* Where libsodium cannot seal, programs get this one. */
	if (use_sodium && err == MPP_ERR_UNSUPPORTED)
		err = mpp_crypto_new(&c);
	assert_int_equal(err, MPP_OK);
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		n = count(&c, rows[i].call);
		if (n != 0)
			fail_msg("%s allocates %zu times in %d calls",
				 rows[i].name, n, CALLS);
	}
	/* The counter does count: OpenSSL makes key objects for this one. */
	assert_true(count(&c, dh) >= CALLS);
	mpp_crypto_free(&c);
}

static void packets_allocate_nothing_by_openssl(void **state)
{
	(void)state;
	packets_allocate_nothing_with(false);
}

static void packets_allocate_nothing_by_libsodium(void **state)
{
	(void)state;
	packets_allocate_nothing_with(true);
}

enum { TRIES_MAX = 10000 };

/* OpenSSL's n-th allocation fails, for each n until none is reached: never a
 * table that is half made, and the next try succeeds. */
static void every_failed_allocation_is_survived(void **state)
{
	mpp_crypto c;
	mpp_err err;
	size_t n, left = 0;

	(void)state;
	assert_int_equal(mpp_crypto_new(&c), MPP_OK);
	mpp_crypto_free(&c);
	for (n = 1; left == 0 && n < TRIES_MAX; n++) {
		c = (mpp_crypto){NULL, NULL};
		fail_in = n;
		err = mpp_crypto_new(&c);
		left = fail_in;
		fail_in = 0;
		if (err == MPP_OK) {
			assert_int_equal(dh(&c), MPP_OK);
			mpp_crypto_free(&c);
		} else {
			assert_int_equal(err, MPP_ERR_CRYPTO);
			assert_null(c.ops);
			assert_null(c.ctx);
		}
	}
	print_message("%zu allocations refused in turn\n", n - 2);
	/* The context of each of 3 ciphers and 2 loaders at the least. */
	assert_in_range(n - 2, 5, TRIES_MAX - 3);
	assert_int_equal(mpp_crypto_new(&c), MPP_OK);
	mpp_crypto_free(&c);
}

/* The one allocation that is ours. */
static void no_room_for_the_context_is_said(void **state)
{
	mpp_crypto c = {NULL, NULL};

	(void)state;
	assert_int_equal(crypto_openssl_sized(PTRDIFF_MAX / 2, false, &c),
			 MPP_ERR_NOMEM);
	assert_null(c.ops);
	assert_null(c.ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_allocate_nothing_by_openssl),
		cmocka_unit_test(packets_allocate_nothing_by_libsodium),
		cmocka_unit_test(every_failed_allocation_is_survived),
		cmocka_unit_test(no_room_for_the_context_is_said),
	};

	/* Only before OpenSSL has allocated anything. */
	if (CRYPTO_set_mem_functions(ssl_malloc, ssl_realloc, ssl_free) != 1)
		return EXIT_FAILURE;
	return cmocka_run_group_tests(tests, start_counting, NULL);
}
