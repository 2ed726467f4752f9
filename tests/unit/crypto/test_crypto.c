/* SPDX-License-Identifier: MIT */
/* test_crypto.c - the programs' cryptography, with both libraries that can
 * seal. Published vectors are in tests/vectors/test_vectors_crypto.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <limits.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>

#include <mpp/crypto.h>

#include "crypto/fixed.h"
#include "crypto/openssl.h"

/* The case's own table: by OpenSSL alone, or with libsodium; where the
 * processor cannot have that, what programs get there. */
static int open_openssl(void **state)
{
	static mpp_crypto c;

	*state = &c;
	return crypto_openssl_new(false, &c) == MPP_OK ? 0 : -1;
}

static int open_sodium(void **state)
{
	static mpp_crypto c;
	mpp_err err = crypto_openssl_new(true, &c);

	if (err == MPP_ERR_UNSUPPORTED)
		err = mpp_crypto_new(&c);
	*state = &c;
	return err == MPP_OK ? 0 : -1;
}

static int close_table(void **state)
{
	mpp_crypto_free(*state);
	return 0;
}

static const mpp_crypto *table(void **state)
{
	return *state;
}

static void fill(uint8_t *p, size_t n, unsigned seed)
{
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = (uint8_t)(seed + 7 * i);
}

static void default_table_seals_with_what_there_is(void **state)
{
	mpp_crypto best, sodium;
	mpp_err err = crypto_openssl_new(true, &sodium);

	(void)state;
	assert_int_equal(mpp_crypto_new(&best), MPP_OK);
	assert_string_equal(best.ops->name, "openssl");
	assert_string_equal(best.ops->aead_name,
			    err == MPP_OK ? "libsodium" : "openssl");
	mpp_crypto_free(&best);
	assert_null(best.ops);
	assert_null(best.ctx);
	mpp_crypto_free(&best); /* harmless on a zeroed struct */
	if (err == MPP_OK)
		mpp_crypto_free(&sodium);
}

enum { DRAWS = 512, DRAW_LEN = 16 };

static void random_never_repeats(void **state)
{
	const mpp_crypto *c = table(state);
	static uint8_t drawn[DRAWS][DRAW_LEN];
	size_t i, j;

	for (i = 0; i < DRAWS; i++) {
		assert_int_equal(c->ops->random(c->ctx, drawn[i], DRAW_LEN),
				 MPP_OK);
		for (j = 0; j < i; j++)
			assert_memory_not_equal(drawn[i], drawn[j], DRAW_LEN);
	}
}

/* Fewer, as many and more than a batch: all of it, and not a byte beyond. */
static void random_fills_exactly(void **state)
{
	static const size_t lens[] = {0,   1,   16,  56,   511,
				      512, 513, 600, 4096, 65536};
	const mpp_crypto *c = table(state);
	static uint8_t room[65536 + 16];
	uint8_t guard[16];
	size_t i, j, n;

	memset(guard, 0xa5, sizeof(guard));
	for (i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
		memset(room, 0xa5, sizeof(room));
		n = lens[i];
		assert_int_equal(c->ops->random(c->ctx, room, n), MPP_OK);
		assert_memory_equal(room + n, guard, sizeof(guard));
		for (j = 0; j + 16 <= n; j += 16)
			assert_memory_not_equal(room + j, guard, 16);
	}
}

enum { FORK_LEN = 64 };

/* What a child draws after a fork, and what the parent draws then. */
static void draw_in_both(const mpp_crypto *c, uint8_t child[FORK_LEN],
			 uint8_t parent[FORK_LEN])
{
	int fd[2], status;
	pid_t pid;

	/* Not at the end of a batch: there is something to share. */
	assert_int_equal(c->ops->random(c->ctx, parent, 16), MPP_OK);
	assert_int_equal(pipe(fd), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (c->ops->random(c->ctx, child, FORK_LEN) != MPP_OK)
			_exit(1);
		_exit(write(fd[1], child, FORK_LEN) != FORK_LEN);
	}
	assert_int_equal(read(fd[0], child, FORK_LEN), FORK_LEN);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(fd[0]);
	close(fd[1]);
	assert_int_equal(c->ops->random(c->ctx, parent, FORK_LEN), MPP_OK);
}

static void random_differs_across_fork(void **state)
{
	const mpp_crypto *c = table(state);
	uint8_t child[FORK_LEN], parent[FORK_LEN];
	mpp_crypto twin;
	int i;

	for (i = 0; i < 8; i++) {
		draw_in_both(c, child, parent);
		assert_memory_not_equal(child, parent, FORK_LEN);
	}
	/* The same look at a generator that does repeat itself sees it. */
	assert_int_equal(crypto_fixed_new(1, &twin), MPP_OK);
	draw_in_both(&twin, child, parent);
	assert_memory_equal(child, parent, FORK_LEN);
	mpp_crypto_free(&twin);
}

enum { TEXT_MAX = 1500 };

static void seal_and_open_in_place(void **state)
{
	static const size_t lens[] = {0,  1,  15,  16,  17,  31,   32,
				      64, 65, 127, 128, 129, 1200, TEXT_MAX};
	const mpp_crypto *c = table(state);
	uint8_t key[32], nonce[12], ad[13];
	uint8_t text[TEXT_MAX], apart[TEXT_MAX + 16], same[TEXT_MAX + 16];
	mpp_bytes a = {ad, sizeof(ad)};
	size_t i, n;

	fill(key, sizeof(key), 1);
	fill(nonce, sizeof(nonce), 2);
	fill(ad, sizeof(ad), 3);
	fill(text, sizeof(text), 4);
	for (i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
		n = lens[i];
		memcpy(same, text, n);
		assert_int_equal(c->ops->seal(c->ctx, key, nonce, a,
					      (mpp_bytes){text, n}, apart),
				 MPP_OK);
		assert_int_equal(c->ops->seal(c->ctx, key, nonce, a,
					      (mpp_bytes){same, n}, same),
				 MPP_OK);
		assert_memory_equal(apart, same, n + 16);
		assert_int_equal(c->ops->open(c->ctx, key, nonce, a,
					      (mpp_bytes){same, n + 16}, same),
				 MPP_OK);
		assert_memory_equal(same, text, n);
		a.len = i % (sizeof(ad) + 1); /* none now and then */
	}
}

struct sealed {
	uint8_t key[32], nonce[12], ad[9], text[37 + 16];
};

static mpp_err open_it(const mpp_crypto *c, const struct sealed *s)
{
	uint8_t out[sizeof(s->text)];

	return c->ops->open(c->ctx, s->key, s->nonce,
			    (mpp_bytes){s->ad, sizeof(s->ad)},
			    (mpp_bytes){s->text, sizeof(s->text)}, out);
}

static void every_flipped_bit_is_refused(void **state)
{
	const mpp_crypto *c = table(state);
	struct sealed s;
	uint8_t *raw = (uint8_t *)&s;
	size_t bit;

	fill(raw, sizeof(s), 9);
	assert_int_equal(c->ops->seal(c->ctx, s.key, s.nonce,
				      (mpp_bytes){s.ad, sizeof(s.ad)},
				      (mpp_bytes){s.text, 37}, s.text),
			 MPP_OK);
	for (bit = 0; bit < 8 * sizeof(s); bit++) {
		raw[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(open_it(c, &s), MPP_ERR_AUTH);
		raw[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(open_it(c, &s), MPP_OK);
	assert_int_equal(ERR_peek_error(), 0);
}

/* OpenSSL decrypts before it looks at the tag. */
static void refused_text_is_not_shown(void **state)
{
	const mpp_crypto *c = table(state);
	const mpp_bytes none = {NULL, 0};
	uint8_t key[32], nonce[12], text[64], sealed[80], out[64];

	fill(key, sizeof(key), 1);
	fill(nonce, sizeof(nonce), 2);
	fill(text, sizeof(text), 3);
	assert_int_equal(c->ops->seal(c->ctx, key, nonce, none,
				      (mpp_bytes){text, sizeof(text)}, sealed),
			 MPP_OK);
	sealed[79] ^= 1;
	memset(out, 0xa5, sizeof(out));
	assert_int_equal(c->ops->open(c->ctx, key, nonce, none,
				      (mpp_bytes){sealed, sizeof(sealed)}, out),
			 MPP_ERR_AUTH);
	assert_memory_not_equal(out, text, 16);
	sealed[79] ^= 1;
	assert_int_equal(c->ops->open(c->ctx, key, nonce, none,
				      (mpp_bytes){sealed, sizeof(sealed)}, out),
			 MPP_OK);
	assert_memory_equal(out, text, sizeof(text));
}

static void shortened_text_is_refused(void **state)
{
	const mpp_crypto *c = table(state);
	const mpp_bytes none = {NULL, 0};
	uint8_t key[32] = {1}, nonce[12] = {2}, text[40], out[40];
	size_t n;

	fill(text, 24, 3);
	assert_int_equal(c->ops->seal(c->ctx, key, nonce, none,
				      (mpp_bytes){text, 24}, text),
			 MPP_OK);
	for (n = 0; n < sizeof(text); n++)
		assert_int_equal(c->ops->open(c->ctx, key, nonce, none,
					      (mpp_bytes){text, n}, out),
				 n < 16 ? MPP_ERR_TRUNCATED : MPP_ERR_AUTH);
	assert_int_equal(c->ops->open(c->ctx, key, nonce, none,
				      (mpp_bytes){NULL, 0}, out),
			 MPP_ERR_TRUNCATED);
	assert_int_equal(c->ops->open(c->ctx, key, nonce, none,
				      (mpp_bytes){text, sizeof(text)}, out),
			 MPP_OK);
}

/* Lengths that OpenSSL's int cannot say are refused before a byte is read. */
static void impossible_lengths_are_refused(void **state)
{
	const mpp_crypto *c = table(state);
	const size_t far = (size_t)INT_MAX;
	uint8_t key[32] = {1}, nonce[12] = {2}, text[32] = {0};
	const mpp_bytes near = {text, 16}, huge = {text, far};

	assert_int_equal(c->ops->seal(c->ctx, key, nonce, near, huge, text),
			 MPP_ERR_CRYPTO);
	assert_int_equal(c->ops->seal(c->ctx, key, nonce, huge, near, text),
			 MPP_ERR_CRYPTO);
	assert_int_equal(c->ops->open(c->ctx, key, nonce, near, huge, text),
			 MPP_ERR_CRYPTO);
	assert_int_equal(c->ops->open(c->ctx, key, nonce, huge, near, text),
			 MPP_ERR_CRYPTO);
	assert_int_equal(c->ops->seal(c->ctx, key, nonce, near, near, text),
			 MPP_OK);
}

/* FIPS 180, "abc" in any cut. */
static void sha512_joins_parts(void **state)
{
	static const uint8_t want[8] = {0xdd, 0xaf, 0x35, 0xa1,
					0x93, 0x61, 0x7a, 0xba};
	static const uint8_t empty[8] = {0xcf, 0x83, 0xe1, 0x35,
					 0x7e, 0xef, 0xb8, 0xbd};
	const uint8_t *abc = (const uint8_t *)"abc";
	const mpp_bytes cuts[][3] = {
		{{abc, 3}, {NULL, 0}, {NULL, 0}},
		{{abc, 1}, {abc + 1, 1}, {abc + 2, 1}},
		{{NULL, 0}, {abc, 2}, {abc + 2, 1}},
	};
	const mpp_crypto *c = table(state);
	uint8_t out[64];
	size_t i;

	for (i = 0; i < sizeof(cuts) / sizeof(*cuts); i++) {
		assert_int_equal(c->ops->sha512(c->ctx, cuts[i], 3, out),
				 MPP_OK);
		assert_memory_equal(out, want, sizeof(want));
	}
	assert_int_equal(c->ops->sha512(c->ctx, NULL, 0, out), MPP_OK);
	assert_memory_equal(out, empty, sizeof(empty));
}

/* An HMAC is the same in any cut, and of the whole key: at, below and above
 * the block of 128 bytes where its treatment changes. */
static void hmac_joins_parts(void **state)
{
	static const size_t lens[] = {1, 127, 128, 129, 300};
	const mpp_crypto *c = table(state);
	uint8_t key[300], data[200], whole[64], cut[64];
	const mpp_bytes one = {data, 200};
	const mpp_bytes two[] = {{data, 77}, {data + 77, 123}};
	size_t i;

	fill(key, sizeof(key), 1);
	fill(data, sizeof(data), 2);
	for (i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
		const mpp_bytes k = {key, lens[i]};

		assert_int_equal(c->ops->hmac(c->ctx, k, &one, 1, whole),
				 MPP_OK);
		assert_int_equal(c->ops->hmac(c->ctx, k, two, 2, cut), MPP_OK);
		assert_memory_equal(whole, cut, 64);
		key[lens[i] - 1] ^= 1;
		assert_int_equal(c->ops->hmac(c->ctx, k, two, 2, cut), MPP_OK);
		assert_memory_not_equal(whole, cut, 64);
		key[lens[i] - 1] ^= 1;
	}
}

/* Of nothing with a key of nothing; the bytes are those of Python's hmac. */
static void hmac_takes_no_key(void **state)
{
	static const uint8_t want[8] = {0xb9, 0x36, 0xce, 0xe8,
					0x6c, 0x9f, 0x87, 0xaa};
	const mpp_crypto *c = table(state);
	const mpp_bytes none = {NULL, 0};
	uint8_t out[64];

	assert_int_equal(c->ops->hmac(c->ctx, none, NULL, 0, out), MPP_OK);
	assert_memory_equal(out, want, sizeof(want));
	assert_int_equal(c->ops->hmac(c->ctx, none, &none, 1, out), MPP_OK);
	assert_memory_equal(out, want, sizeof(want));
}

/* FIPS 197, appendix C.1. */
static void aes_block_both_ways(void **state)
{
	static const uint8_t want[16] = {0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b,
					 0x04, 0x30, 0xd8, 0xcd, 0xb7, 0x80,
					 0x70, 0xb4, 0xc5, 0x5a};
	const mpp_crypto *c = table(state);
	uint8_t key[16], other[16], in[16], out[16];
	int i, round;

	for (i = 0; i < 16; i++) {
		key[i] = (uint8_t)i;
		in[i] = (uint8_t)(0x11 * i);
	}
	fill(other, sizeof(other), 5);
	for (round = 0; round < 3; round++) { /* a key leaves no trace */
		assert_int_equal(c->ops->aes_encrypt(c->ctx, key, in, out),
				 MPP_OK);
		assert_memory_equal(out, want, 16);
		assert_int_equal(c->ops->aes_decrypt(c->ctx, key, out, out),
				 MPP_OK);
		assert_memory_equal(out, in, 16);
		assert_int_equal(c->ops->aes_encrypt(c->ctx, other, out, out),
				 MPP_OK);
		assert_memory_not_equal(out, want, 16);
		assert_int_equal(c->ops->aes_decrypt(c->ctx, other, out, out),
				 MPP_OK);
		assert_memory_equal(out, in, 16);
	}
}

/* Points of small order: whoever sends one knows the result, which is 0.
 * X25519: 0, 1, the two of order 8, p - 1, p, p + 1; X448: 0, 1, p - 1, p,
 * p + 1. */
static const struct {
	int suite;
	uint8_t first, middle, last; /* bytes 0, 1 .. n - 2, n - 1 */
} low_order[] = {
	{MPP_SUITE_25519, 0x00, 0x00, 0x00},
	{MPP_SUITE_25519, 0x01, 0x00, 0x00},
	{MPP_SUITE_25519, 0xec, 0xff, 0x7f},
	{MPP_SUITE_25519, 0xed, 0xff, 0x7f},
	{MPP_SUITE_25519, 0xee, 0xff, 0x7f},
	{MPP_SUITE_25519, 0xee, 0xff, 0xff}, /* the top bit is not looked at */
	{MPP_SUITE_448, 0x00, 0x00, 0x00},
	{MPP_SUITE_448, 0x01, 0x00, 0x00},
};

static const uint8_t order_8[2][32] = {
	{0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3,
	 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
	 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
	{0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1,
	 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c,
	 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
};

static void assert_refused(const mpp_crypto *c, int suite, const uint8_t *pub)
{
	uint8_t secret[MPP_DH_MAX], out[MPP_DH_MAX], before[MPP_DH_MAX];

	fill(secret, sizeof(secret), 0x21);
	memset(out, 0xa5, sizeof(out));
	memset(before, 0xa5, sizeof(before));
	assert_int_equal(c->ops->dh(c->ctx, suite, secret, pub, out),
			 MPP_ERR_AUTH);
	assert_memory_equal(out, before, sizeof(out));
	assert_int_equal(ERR_peek_error(), 0);
}

static void low_order_points_are_refused(void **state)
{
	const mpp_crypto *c = table(state);
	uint8_t pub[MPP_DH_MAX];
	size_t i, len;
	int k;

	for (i = 0; i < sizeof(low_order) / sizeof(*low_order); i++) {
		len = mpp_dh_len(low_order[i].suite);
		memset(pub, low_order[i].middle, len);
		pub[0] = low_order[i].first;
		pub[len - 1] = low_order[i].last;
		assert_refused(c, low_order[i].suite, pub);
	}
	assert_refused(c, MPP_SUITE_25519, order_8[0]);
	assert_refused(c, MPP_SUITE_25519, order_8[1]);
	/* p = 2^448 - 2^224 - 1; p - 1 and p differ in the lowest octet. */
	memset(pub, 0xff, sizeof(pub));
	pub[28] = 0xfe;
	assert_refused(c, MPP_SUITE_448, pub);
	pub[0] = 0xfe;
	assert_refused(c, MPP_SUITE_448, pub);
	memset(pub, 0xff, sizeof(pub));
	for (k = 0; k < 28; k++)
		pub[k] = 0;
	assert_refused(c, MPP_SUITE_448, pub);
}

static void both_sides_agree(void **state)
{
	static const int suites[] = {MPP_SUITE_25519, MPP_SUITE_448};
	const mpp_crypto *c = table(state);
	uint8_t a[56], b[56], pa[56], pb[56], ab[56], ba[56];
	size_t i, len;

	for (i = 0; i < 2; i++) {
		int suite = suites[i];

		len = mpp_dh_len(suite);
		assert_int_equal(c->ops->random(c->ctx, a, len), MPP_OK);
		assert_int_equal(c->ops->random(c->ctx, b, len), MPP_OK);
		assert_int_equal(c->ops->dh_public(c->ctx, suite, a, pa),
				 MPP_OK);
		assert_int_equal(c->ops->dh_public(c->ctx, suite, b, pb),
				 MPP_OK);
		assert_int_equal(c->ops->dh(c->ctx, suite, a, pb, ab), MPP_OK);
		assert_int_equal(c->ops->dh(c->ctx, suite, b, pa, ba), MPP_OK);
		assert_memory_equal(ab, ba, len);
		assert_memory_not_equal(ab, pa, len);
	}
}

static void unknown_suites_are_refused(void **state)
{
	static const int suites[] = {0, 3, -1, INT_MAX};
	const mpp_crypto *c = table(state);
	uint8_t key[MPP_DH_MAX] = {9}, out[MPP_DH_MAX];
	size_t i;

	for (i = 0; i < sizeof(suites) / sizeof(*suites); i++) {
		assert_int_equal(mpp_dh_len(suites[i]), 0);
		assert_int_equal(c->ops->dh_public(c->ctx, suites[i], key, out),
				 MPP_ERR_UNSUPPORTED);
		assert_int_equal(c->ops->dh(c->ctx, suites[i], key, key, out),
				 MPP_ERR_UNSUPPORTED);
	}
}

/* A case for each table. */
#define BOTH(f)                                                    \
	{#f "/openssl", f, open_openssl, close_table, NULL},       \
	{                                                          \
#f "/libsodium", f, open_sodium, close_table, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(default_table_seals_with_what_there_is),
		BOTH(random_never_repeats),
		BOTH(random_fills_exactly),
		BOTH(random_differs_across_fork),
		BOTH(seal_and_open_in_place),
		BOTH(every_flipped_bit_is_refused),
		BOTH(refused_text_is_not_shown),
		BOTH(shortened_text_is_refused),
		BOTH(impossible_lengths_are_refused),
		BOTH(sha512_joins_parts),
		BOTH(hmac_joins_parts),
		BOTH(hmac_takes_no_key),
		BOTH(aes_block_both_ways),
		BOTH(low_order_points_are_refused),
		BOTH(both_sides_agree),
		BOTH(unknown_suites_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
