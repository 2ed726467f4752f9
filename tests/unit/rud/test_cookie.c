/* SPDX-License-Identifier: MIT */
/* test_cookie.c - the stateless Challenge: who may bring it back, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/fixed.h"
#include "rud/cookie.h"

#include "unit/rud/faulty.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const uint8_t secret[32] = {7, 7, 7};
static const mpp_addr home = {.ip = {192, 0, 2, 1},
			      .port = 4000,
			      .family = 4,
			      .socket = 1};
static mpp_crypto crypto;

static int set_up(void **state)
{
	(void)state;
	return crypto_fixed_new(71, &crypto) == MPP_OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	mpp_crypto_free(&crypto);
	return 0;
}

static mpp_time ms(uint64_t t)
{
	return (mpp_time){t * 1000};
}

static void make(uint64_t at_ms, uint8_t cookie[COOKIE_LEN])
{
	assert_int_equal(cookie_make(&crypto, secret, &home, ms(at_ms), cookie),
			 MPP_OK);
}

static mpp_err check(uint64_t at_ms, const uint8_t cookie[COOKIE_LEN])
{
	return cookie_check(&crypto, secret, &home, ms(at_ms),
			    (mpp_bytes){cookie, COOKIE_LEN});
}

/* For 30 s, counted in whole seconds of the clock, and not a second more. */
static void it_expires(void **state)
{
	static const struct {
		const char *what;
		uint64_t made_ms, shown_ms;
		mpp_err err;
	} rows[] = {
		// clang-format off
		{"at once", 0, 0, MPP_OK},
		{"after 30 s", 0, 30000, MPP_OK},
		{"within the 30th second", 0, 30999, MPP_OK},
		{"after 31 s", 0, 31000, MPP_ERR_REPLAY},
		{"made late in a second, after 30 s", 5999, 35999, MPP_OK},
		{"made late in a second, in the 31st", 5999, 36000,
		 MPP_ERR_REPLAY},
		{"a day later", 5999, 86400000, MPP_ERR_REPLAY},
		{"after a year, within 30 s", 31536000000, 31536029000,
		 MPP_OK},
		{"after a year, too late", 31536000000, 31536031000,
		 MPP_ERR_REPLAY},
		// clang-format on
	};
	uint8_t cookie[COOKIE_LEN];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		make(rows[i].made_ms, cookie);
		if (check(rows[i].shown_ms, cookie) != rows[i].err)
			fail_msg("%s", rows[i].what);
	}
}

/* The key changes every 60 s, which nobody who is on time notices. */
static void it_outlives_its_key(void **state)
{
	uint8_t cookie[COOKIE_LEN];
	uint64_t t;

	(void)state;
	for (t = 0; t < 200; t++) {
		make(t * 1000, cookie);
		assert_int_equal(check(t * 1000, cookie), MPP_OK);
		assert_int_equal(check(t * 1000 + 30000, cookie), MPP_OK);
		assert_int_equal(check(t * 1000 + 31000, cookie),
				 MPP_ERR_REPLAY);
	}
}

/* It proves one address, on one of our sockets. */
static void another_address_is_refused(void **state)
{
	static const struct {
		const char *what;
		mpp_addr from;
		mpp_err err;
	} rows[] = {
		// clang-format off
		{"the same", {{192, 0, 2, 1}, 4000, 4, 1}, MPP_OK},
		{"another address", {{192, 0, 2, 2}, 4000, 4, 1}, MPP_ERR_AUTH},
		{"another first octet", {{193, 0, 2, 1}, 4000, 4, 1},
		 MPP_ERR_AUTH},
		{"something in the last octet",
		 {{192, 0, 2, 1, [15] = 1}, 4000, 4, 1}, MPP_ERR_AUTH},
		{"another port", {{192, 0, 2, 1}, 4001, 4, 1}, MPP_ERR_AUTH},
		{"a port that differs in the high octet",
		 {{192, 0, 2, 1}, 4000 + 256, 4, 1}, MPP_ERR_AUTH},
		{"another family", {{192, 0, 2, 1}, 4000, 6, 1}, MPP_ERR_AUTH},
		{"another socket", {{192, 0, 2, 1}, 4000, 4, 0}, MPP_ERR_AUTH},
		// clang-format on
	};
	uint8_t cookie[COOKIE_LEN];
	size_t i;

	(void)state;
	make(1000, cookie);
	for (i = 0; i < COUNT(rows); i++)
		if (cookie_check(&crypto, secret, &rows[i].from, ms(1000),
				 (mpp_bytes){cookie, COOKIE_LEN}) !=
		    rows[i].err)
			fail_msg("%s", rows[i].what);
}

/* Every bit counts: also an expiry that somebody moves. */
static void forgeries_are_refused(void **state)
{
	uint8_t cookie[COOKIE_LEN], other[32];
	size_t bit;

	(void)state;
	make(1000, cookie);
	for (bit = 0; bit < COOKIE_LEN * 8; bit++) {
		cookie[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(check(1000, cookie), MPP_ERR_AUTH);
		cookie[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(check(1000, cookie), MPP_OK);
	memcpy(other, secret, sizeof(other));
	other[31] = 1;
	assert_int_equal(cookie_check(&crypto, other, &home, ms(1000),
				      (mpp_bytes){cookie, COOKIE_LEN}),
			 MPP_ERR_AUTH);
	memset(cookie, 0, sizeof(cookie));
	assert_int_equal(check(1000, cookie), MPP_ERR_AUTH);
	memset(cookie, 0xff, sizeof(cookie));
	assert_int_equal(check(1000, cookie), MPP_ERR_AUTH);
}

static void other_lengths_are_refused(void **state)
{
	uint8_t cookie[COOKIE_LEN + 1] = {0};
	size_t n;

	(void)state;
	make(1000, cookie);
	for (n = 0; n <= sizeof(cookie); n++)
		assert_int_equal(cookie_check(&crypto, secret, &home, ms(1000),
					      (mpp_bytes){cookie, n}),
				 n == COOKIE_LEN ? MPP_OK : MPP_ERR_AUTH);
	assert_int_equal(cookie_check(&crypto, secret, &home, ms(1000),
				      (mpp_bytes){NULL, 0}),
			 MPP_ERR_AUTH);
}

static void failures_are_said(void **state)
{
	struct faulty f = {crypto, 0};
	const mpp_crypto c = {&faulty_ops, &f};
	uint8_t cookie[COOKIE_LEN], untouched[COOKIE_LEN];
	unsigned n;

	(void)state;
	for (n = 1; n <= 2; n++) {
		memset(cookie, 0x5a, sizeof(cookie));
		memset(untouched, 0x5a, sizeof(untouched));
		f.fail_in = n;
		assert_int_equal(cookie_make(&c, secret, &home, ms(1000),
					     cookie),
				 MPP_ERR_CRYPTO);
		assert_memory_equal(cookie, untouched, sizeof(cookie));
		make(1000, cookie);
		f.fail_in = n;
		assert_int_equal(cookie_check(&c, secret, &home, ms(1000),
					      (mpp_bytes){cookie, COOKIE_LEN}),
				 MPP_ERR_CRYPTO);
	}
	assert_int_equal(cookie_check(&c, secret, &home, ms(1000),
				      (mpp_bytes){cookie, COOKIE_LEN}),
			 MPP_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_expires),
		cmocka_unit_test(it_outlives_its_key),
		cmocka_unit_test(another_address_is_refused),
		cmocka_unit_test(forgeries_are_refused),
		cmocka_unit_test(other_lengths_are_refused),
		cmocka_unit_test(failures_are_said),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
