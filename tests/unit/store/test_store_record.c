/* SPDX-License-Identifier: MIT */
/* The form on disk. The expected octets were computed with Python's hashlib,
 * such as
 *   b = b"\1" + len(k).to_bytes(2, "big") + k + v
 *   b + hashlib.sha512(b).digest()[:16] */
#include "unit/store/fixture.h"

#include "store/record.h"

struct row {
	const char *key;
	const char *value;
	const char *hex;
};

static const struct row rows[] = {
	{"k", "", "0100016bd08028f2e65b2586e223bbf5274c2066"},
	{"key", "value",
	 "0100036b657976616c7565a06374087cad2b4d61d6487d0585f776"},
	{"a longer key", "the quick brown fox",
	 "01000c61206c6f6e676572206b657974686520717569636b2062726f776e"
	 "20666f78e5cf51ba5ef6c1987b9203e202129801"},
};

static size_t unhex(const char *hex, uint8_t *out)
{
	size_t n = strlen(hex) / 2;
	unsigned v;
	size_t i;

	for (i = 0; i < n; i++) {
		assert_int_equal(sscanf(hex + 2 * i, "%2x", &v), 1);
		out[i] = (uint8_t)v;
	}
	return n;
}

static int setup(void **state)
{
	static struct hasher h;

	*state = &h;
	return hasher_init(&h) == MPP_OK ? 0 : -1;
}

static int teardown(void **state)
{
	hasher_free(*state);
	return 0;
}

static void record_octets(void **state)
{
	uint8_t made[RECORD_MAX], want[RECORD_MAX];
	mpp_buf out = {made, sizeof(made), 0};
	mpp_bytes value;
	size_t i, n;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		n = unhex(rows[i].hex, want);
		assert_int_equal(record_seal(*state, text(rows[i].key),
					     text(rows[i].value), &out),
				 MPP_OK);
		assert_int_equal(out.len, n);
		assert_memory_equal(made, want, n);
		assert_int_equal(record_open(*state, text(rows[i].key),
					     (mpp_bytes){want, n}, &value),
				 MPP_OK);
		assert_int_equal(value.len, strlen(rows[i].value));
		assert_memory_equal(value.p, rows[i].value, value.len);
	}
}

/* No bit of a record can change, and it belongs to one key alone. */
static void every_bit_counts(void **state)
{
	uint8_t disk[RECORD_MAX];
	size_t n = unhex(rows[1].hex, disk);
	mpp_bytes value = {NULL, 0};
	size_t i;

	for (i = 0; i < 8 * n; i++) {
		disk[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_equal(record_open(*state, text(rows[1].key),
					     (mpp_bytes){disk, n}, &value),
				 MPP_ERR_CHECKSUM);
		disk[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (i = 0; i < n; i++)
		assert_int_equal(record_open(*state, text(rows[1].key),
					     (mpp_bytes){disk, i}, &value),
				 MPP_ERR_CHECKSUM);
	assert_int_equal(record_open(*state, text("another"),
				     (mpp_bytes){disk, n}, &value),
			 MPP_ERR_CHECKSUM);
	assert_null(value.p);
	assert_int_equal(record_open(*state, text(rows[1].key),
				     (mpp_bytes){disk, n}, &value),
			 MPP_OK);
}

/* Whole, but of a format that is still to come. */
static void later_format(void **state)
{
	static const char hex[] = "0200016b76da6d0e05bd8fc89f5b97c69496f3a8d5";
	uint8_t disk[RECORD_MAX];
	size_t n = unhex(hex, disk);
	mpp_bytes value;

	assert_int_equal(record_open(*state, text("k"), (mpp_bytes){disk, n},
				     &value),
			 MPP_ERR_VERSION);
}

static void summary_octets(void **state)
{
	static const char hex[] =
		"6d707073746f72650100000000000000050000000000000003010203"
		"0405060708ffffffffffffffff3b4609526e0808b10839da5639de15"
		"bf";
	const struct summary s = {
		5, {3, {UINT64_C(0x0102030405060708), UINT64_MAX}}};
	uint8_t made[SUMMARY_LEN], want[SUMMARY_LEN];
	struct summary back;
	size_t i;

	assert_int_equal(strlen(hex), 2 * SUMMARY_LEN);
	unhex(hex, want);
	assert_int_equal(summary_seal(*state, &s, made), MPP_OK);
	assert_memory_equal(made, want, SUMMARY_LEN);
	assert_int_equal(summary_open(*state, (mpp_bytes){want, SUMMARY_LEN},
				      &back),
			 MPP_OK);
	assert_int_equal(back.txn, 5);
	assert_true(tally_eq(&back.tally, &s.tally));
	for (i = 0; i < 8 * SUMMARY_LEN; i++) {
		want[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_equal(summary_open(*state,
					      (mpp_bytes){want, SUMMARY_LEN},
					      &back),
				 MPP_ERR_CHECKSUM);
		want[i / 8] ^= (uint8_t)(1 << i % 8);
	}
}

/* What is counted in and out again leaves nothing, in any order. */
static void tally_forgets(void **state)
{
	struct tally t = {0}, one = {0}, both = {0};
	uint8_t a[RECORD_MAX], b[RECORD_MAX];
	mpp_bytes x = {a, unhex(rows[0].hex, a)};
	mpp_bytes y = {b, unhex(rows[1].hex, b)};

	(void)state;
	assert_int_equal(tally_add(&one, x), MPP_OK);
	assert_int_equal(tally_add(&both, y), MPP_OK);
	assert_false(tally_eq(&one, &both));
	assert_int_equal(tally_add(&both, x), MPP_OK);
	assert_int_equal(both.count, 2);
	assert_int_equal(tally_add(&t, x), MPP_OK);
	assert_int_equal(tally_add(&t, y), MPP_OK);
	assert_true(tally_eq(&t, &both));
	assert_int_equal(tally_sub(&t, y), MPP_OK);
	assert_true(tally_eq(&t, &one));
	assert_int_equal(tally_sub(&t, x), MPP_OK);
	assert_true(tally_eq(&t, &(struct tally){0}));
	assert_int_equal(tally_add(&t, (mpp_bytes){a, 15}), MPP_ERR_CHECKSUM);
	assert_true(tally_eq(&t, &(struct tally){0}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(record_octets),
		cmocka_unit_test(every_bit_counts),
		cmocka_unit_test(later_format),
		cmocka_unit_test(summary_octets),
		cmocka_unit_test(tally_forgets),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
