/* SPDX-License-Identifier: MIT */
/* test_udf_digest.c - content digests, their types and text, and matching. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <mpp/udf.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define TEXT(text) ((mpp_bytes){(const uint8_t *)(text), strlen(text)})

static int make_crypto(void **state)
{
	static mpp_crypto crypto;

	*state = &crypto;
	return mpp_crypto_new(&crypto) == MPP_OK ? 0 : -1;
}

static int free_crypto(void **state)
{
	mpp_crypto_free(*state);
	return 0;
}

static size_t unhex(const char *hex, uint8_t *out)
{
	unsigned octet;
	size_t n = 0;

	for (; hex[2 * n] != '\0'; n++) {
		assert_int_equal(sscanf(hex + 2 * n, "%2x", &octet), 1);
		out[n] = (uint8_t)octet;
	}
	return n;
}

/* The public keys of RFC 7748 section 6. SPKI: written by OpenSSL's command
 * from the private keys there; UDF: SHA-512 and Base32 of Python over it. */
static const struct key {
	int suite;
	const char *raw;
	const char *spki;
	const char *udf;
	const char *text; /* 140 bits */
} keys[] = {
	{MPP_SUITE_25519,
	 "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
	 "302a300506032b656e0321008520f0098930a754748b7ddcb43ef75a0dbf3a0d26"
	 "381af4eba4a98eaa9b4e6a",
	 "60187022ee39d11aa54a93c8d6bb0d1c803d0ee7b64c144b6a714a7fe0bd2c2d08"
	 "762e9e9b8bb6b72c02b5ae8372692233e0d6d49ee5b81c1970f60453eb24ce69",
	 "MAMH-AIXO-HHIR-VJKK-SPEN-NOYN-DSAD"},
	{MPP_SUITE_25519,
	 "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
	 "302a300506032b656e032100de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b"
	 "78674dadfc7e146f882b4f",
	 "6022d7ad8687a3f533b0785751bba6663b047083fe35aa3e2286b58ef18fdd16ee"
	 "02b29f79b9e3d7dbc3b924caf3c154ccd51283f72fed90a988a534b3095d8f47",
	 "MARN-PLMG-Q6R7-KM5Q-PBLV-DO5G-MY5Q"},
	{MPP_SUITE_448,
	 "9b08f7cc31b7e3e67d22d5aea121074a273bd2b83de09c63faa73d2c22c5d9bbc8"
	 "36647241d953d40c5b12da88120d53177f80e532c41fa0",
	 "3042300506032b656f0339009b08f7cc31b7e3e67d22d5aea121074a273bd2b83d"
	 "e09c63faa73d2c22c5d9bbc836647241d953d40c5b12da88120d53177f80e532c4"
	 "1fa0",
	 "60a6c130af62e57eb566ccb5994fae70eddb980e7fef049f52cefb3b9db5acb4dc"
	 "9fc4cb5798ac0dacbc3e348b377fa3643cfda28efc75e391914b4ebe43f29fa4",
	 "MCTM-CMFP-MLSX-5NLG-ZS2Z-ST5O-ODW5"},
	{MPP_SUITE_448,
	 "3eb7a829b0cd20f5bcfc0b599b6feccf6da4627107bdb0d4f345b43027d8b972fc"
	 "3e34fb4232a13ca706dcb57aec3dae07bdc1c67bf33609",
	 "3042300506032b656f0339003eb7a829b0cd20f5bcfc0b599b6feccf6da4627107"
	 "bdb0d4f345b43027d8b972fc3e34fb4232a13ca706dcb57aec3dae07bdc1c67bf3"
	 "3609",
	 "601a766d7f5168514ef6ff75510c740150446d4b75aa9a3966f863b1210a2663f0"
	 "939e4339dce5470c3055a049d76ed473b4c9dd560f6dce190339fd08fa63515b",
	 "MANH-M3L7-KFUF-CTXW-752V-CDDU-AFIE"},
};

static void keys_have_the_ids_computed_elsewhere(void **state)
{
	uint8_t raw[MPP_DH_MAX];
	uint8_t want[MPP_SPKI_MAX];
	uint8_t spki[MPP_SPKI_MAX];
	uint8_t udf[MPP_UDF_LEN];
	char text[MPP_UDF_TEXT_MAX];
	size_t i;

	for (i = 0; i < COUNT(keys); i++) {
		unhex(keys[i].raw, raw);
		assert_int_equal(mpp_spki(keys[i].suite, raw, spki),
				 unhex(keys[i].spki, want));
		assert_memory_equal(spki, want, strlen(keys[i].spki) / 2);
		assert_int_equal(mpp_udf_key(*state, keys[i].suite, raw, udf),
				 MPP_OK);
		assert_int_equal(unhex(keys[i].udf, want), MPP_UDF_LEN);
		assert_memory_equal(udf, want, MPP_UDF_LEN);
		assert_memory_equal(mpp_udf_key_id(udf), want + 1,
				    MPP_UDF_KEY_ID_LEN);
		assert_int_equal(mpp_udf_text(udf, MPP_UDF_BITS, text), 34);
		assert_string_equal(text, keys[i].text);
	}
}

static void unknown_suites_are_refused(void **state)
{
	static const int suites[] = {0, 3, -1};
	uint8_t raw[MPP_DH_MAX] = {1};
	uint8_t out[MPP_SPKI_MAX];
	uint8_t kept[MPP_SPKI_MAX];
	size_t i;

	memset(out, 0xee, sizeof(out));
	memset(kept, 0xee, sizeof(kept));
	for (i = 0; i < COUNT(suites); i++) {
		assert_int_equal(mpp_spki(suites[i], raw, out), 0);
		assert_int_equal(mpp_udf_key(*state, suites[i], raw, out),
				 MPP_ERR_UNSUPPORTED);
		assert_memory_equal(out, kept, sizeof(out));
	}
	assert_int_equal(mpp_udf_key(*state, MPP_SUITE_25519, raw, out),
			 MPP_OK);
	assert_memory_not_equal(out, kept, MPP_UDF_LEN);
}

/* SHA-512 given by hand: nobody finds data with 50 zero bits at the end of
 * its digest, so the steps of the type can be walked in no other way. */
struct given {
	uint8_t digest[MPP_HASH_LEN];
	int calls;
	int fail_at; /* which call fails; 0: none */
};

static mpp_err give_digest(void *ctx, const mpp_bytes *parts, size_t n,
			   uint8_t out[64])
{
	struct given *g = ctx;

	(void)parts;
	(void)n;
	if (++g->calls == g->fail_at)
		return MPP_ERR_CRYPTO;
	memcpy(out, g->digest, MPP_HASH_LEN);
	return MPP_OK;
}

static const mpp_crypto_ops given_ops = {.sha512 = give_digest};

/* A digest of ones that ends in so many zero bits. */
static void end_in_zeros(uint8_t digest[MPP_HASH_LEN], unsigned zeros)
{
	memset(digest, 0xff, MPP_HASH_LEN);
	memset(digest + MPP_HASH_LEN - zeros / 8, 0, zeros / 8);
	if (zeros < 512)
		digest[MPP_HASH_LEN - 1 - zeros / 8] =
			(uint8_t)(0xff << zeros % 8);
}

static void the_type_counts_zero_bits_in_steps(void **state)
{
	static const struct {
		unsigned zeros;
		uint8_t type;
	} steps[] = {{0, 96},  {8, 96},   {16, 96},  {19, 96},  {20, 97},
		     {24, 97}, {29, 97},  {30, 98},  {39, 98},  {40, 99},
		     {49, 99}, {50, 100}, {59, 100}, {64, 100}, {512, 100}};
	struct given g = {.calls = 0};
	const mpp_crypto crypto = {&given_ops, &g};
	uint8_t udf[MPP_UDF_LEN];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(steps); i++) {
		end_in_zeros(g.digest, steps[i].zeros);
		assert_int_equal(mpp_udf_digest(&crypto, "text/plain",
						TEXT("a"), udf),
				 MPP_OK);
		if (udf[0] != steps[i].type)
			fail_msg("%u zeros: type %u", steps[i].zeros, udf[0]);
		assert_memory_equal(udf + 1, g.digest, MPP_HASH_LEN);
	}
}

static void a_failing_hash_leaves_the_output(void **state)
{
	struct given g = {.calls = 0};
	const mpp_crypto crypto = {&given_ops, &g};
	uint8_t raw[32] = {9};
	uint8_t udf[MPP_UDF_LEN] = {0};
	int i;

	(void)state;
	for (i = 1; i <= 2; i++) {
		memset(g.digest, 0x5a, sizeof(g.digest));
		g.calls = 0;
		g.fail_at = i;
		assert_int_equal(mpp_udf_digest(&crypto, "text/plain",
						TEXT("a"), udf),
				 MPP_ERR_CRYPTO);
		g.calls = 0;
		assert_int_equal(mpp_udf_key(&crypto, MPP_SUITE_25519, raw,
					     udf),
				 MPP_ERR_CRYPTO);
		assert_int_equal(udf[0], 0);
		assert_int_equal(udf[MPP_UDF_LEN - 1], 0);
	}
	g.fail_at = 0;
	assert_int_equal(mpp_udf_digest(&crypto, "", TEXT("a"), udf), MPP_OK);
	assert_int_equal(udf[1], 0x5a);
}

/* A UDF whose digest is 0, 1, 2, ..; its Base32 by Python. */
static const char counting[] =
	"MAAA-CAQD-AQCQ-MBYI-BEFA-WDAN-BYHR-AEIS-CMKB-KFQX-DAMR-UGY4-DUPB-"
	"6IBB-EIRS-IJJG-E4UC-SKRL-FQWS-4LZQ-GEZD-GNBV-GY3T-QOJ2-HM6D-2PR7";

static void count_up(uint8_t udf[MPP_UDF_LEN])
{
	unsigned i;

	udf[0] = 96;
	for (i = 0; i < MPP_HASH_LEN; i++)
		udf[1 + i] = (uint8_t)i;
}

static void text_has_so_many_bits_in_groups(void **state)
{
	uint8_t udf[MPP_UDF_LEN];
	char out[MPP_UDF_TEXT_MAX];
	unsigned bits;
	size_t digits;
	size_t want;

	(void)state;
	count_up(udf);
	for (bits = 20; bits <= 520; bits++) {
		memset(out, '#', sizeof(out));
		digits = (bits + 4) / 5;
		want = digits + (digits - 1) / 4;
		assert_int_equal(mpp_udf_text(udf, bits, out), want);
		assert_memory_equal(out, counting, want);
		assert_int_equal(out[want], '\0');
		if (want + 1 < sizeof(out))
			assert_int_equal(out[want + 1], '#');
	}
	assert_int_equal(strlen(counting), 129);
}

static void text_of_other_lengths_is_refused(void **state)
{
	static const unsigned bits[] = {0, 1, 19, 521, 525, 4000000000u};
	uint8_t udf[MPP_UDF_LEN];
	char out[MPP_UDF_TEXT_MAX] = "#";
	size_t i;

	(void)state;
	count_up(udf);
	for (i = 0; i < COUNT(bits); i++) {
		assert_int_equal(mpp_udf_text(udf, bits[i], out), 0);
		assert_int_equal(out[0], '#');
	}
}

static const struct match {
	const char *sentence;
	const char *text;
	unsigned min_bits;
	mpp_err err;
} matches[] = {
	{"the usual form", "MAAA-CAQD-AQCQ-MBYI-BEFA-WDAN-BYHR", 140, MPP_OK},
	{"the whole", counting, 520, MPP_OK},
	{"lower case", "maaa-caqd-aqcq-mbyi-befa-wdan-byhr", 140, MPP_OK},
	{"no hyphens", "MAAACAQDAQCQMBYIBEFAWDANBYHR", 140, MPP_OK},
	{"spaces", " MAAA CAQD AQCQ MBYI  BEFA WDAN BYHR ", 140, MPP_OK},
	{"hyphens anywhere", "-M-AAACAQDAQCQMBYIBEFAWDANBYHR--", 140, MPP_OK},
	{"longer than asked for", "MAAA-CAQD-AQCQ-MBYI-BEFA-WDAN-BYHR-AEIS",
	 140, MPP_OK},
	{"not a multiple of four", "MAAA-CAQD-AQCQ-MBYI-BEFA-WDAN-B", 125,
	 MPP_OK},
	{"a minimum between digits", "MAAA-CAQD", 36, MPP_OK},
	{"no minimum", "M", 0, MPP_OK},
	{"one digit too few", "MAAA-CAQD-AQCQ-MBYI-BEFA-WDAN-BYH", 140,
	 MPP_ERR_RANGE},
	{"a minimum one bit over", "MAAA-CAQD", 41, MPP_ERR_RANGE},
	{"a minimum that no text has", counting, 521, MPP_ERR_RANGE},
	{"another first digit", "KAAA-CAQD-AQCQ-MBYI-BEFA-WDAN-BYHR", 140,
	 MPP_ERR_AUTH},
	{"another last digit", "MAAA-CAQD-AQCQ-MBYI-BEFA-WDAN-BYHS", 140,
	 MPP_ERR_AUTH},
	{"another digit in the middle", "MAAA-CAQD-AQCQ-NBYI-BEFA-WDAN-BYHR",
	 140, MPP_ERR_AUTH},
	{"another digit behind the minimum",
	 "MAAA-CAQD-AQCQ-MBYI-BEFA-WDAN-BYHR-AEIT", 140, MPP_ERR_AUTH},
	{"another key is told only when long enough", "KAAA", 140,
	 MPP_ERR_RANGE},
	{"nothing", "", 0, MPP_ERR_SYNTAX},
	{"only hyphens", "--- -", 0, MPP_ERR_SYNTAX},
	{"a zero", "MAAA-0AQD", 20, MPP_ERR_SYNTAX},
	{"a one", "MAAA-1AQD", 20, MPP_ERR_SYNTAX},
	{"an eight", "MAAA-8AQD", 20, MPP_ERR_SYNTAX},
	{"padding", "MAAA-CAQD=", 20, MPP_ERR_SYNTAX},
	{"a line end", "MAAA-CAQD\n", 20, MPP_ERR_SYNTAX},
	{"an underscore", "MAAA_CAQD", 20, MPP_ERR_SYNTAX},
	{"an octet beyond ASCII", "MAAA\xc3\xa9", 20, MPP_ERR_SYNTAX},
	{"a character that lower case would make a letter", "MAA\x01", 5,
	 MPP_ERR_SYNTAX},
};

static void texts_match_or_tell_why_not(void **state)
{
	uint8_t udf[MPP_UDF_LEN];
	mpp_err err;
	size_t i;

	(void)state;
	count_up(udf);
	for (i = 0; i < COUNT(matches); i++) {
		err = mpp_udf_match(udf, TEXT(matches[i].text),
				    matches[i].min_bits);
		if (err != matches[i].err)
			fail_msg("%s: %s", matches[i].sentence,
				 mpp_err_name(err));
	}
}

static void one_digit_too_many_is_refused(void **state)
{
	uint8_t udf[MPP_UDF_LEN];
	char text[sizeof(counting) + 2];

	(void)state;
	count_up(udf);
	snprintf(text, sizeof(text), "%s-", counting);
	assert_int_equal(mpp_udf_match(udf, TEXT(text), 520), MPP_OK);
	text[strlen(text) - 1] = 'A';
	assert_int_equal(mpp_udf_match(udf, TEXT(text), 520), MPP_ERR_SYNTAX);
}

/* Every single bit of the digest counts. */
static void each_bit_is_compared(void **state)
{
	uint8_t udf[MPP_UDF_LEN];
	unsigned bit;

	(void)state;
	for (bit = 0; bit < 8 * MPP_UDF_LEN; bit++) {
		count_up(udf);
		assert_int_equal(mpp_udf_match(udf, TEXT(counting), 520),
				 MPP_OK);
		udf[bit / 8] = (uint8_t)(udf[bit / 8] ^ 0x80u >> bit % 8);
		assert_int_equal(mpp_udf_match(udf, TEXT(counting), 520),
				 MPP_ERR_AUTH);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_have_the_ids_computed_elsewhere),
		cmocka_unit_test(unknown_suites_are_refused),
		cmocka_unit_test(the_type_counts_zero_bits_in_steps),
		cmocka_unit_test(a_failing_hash_leaves_the_output),
		cmocka_unit_test(text_has_so_many_bits_in_groups),
		cmocka_unit_test(text_of_other_lengths_is_refused),
		cmocka_unit_test(texts_match_or_tell_why_not),
		cmocka_unit_test(one_digit_too_many_is_refused),
		cmocka_unit_test(each_bit_is_compared),
	};

	return cmocka_run_group_tests(tests, make_crypto, free_crypto);
}
