/* SPDX-License-Identifier: MIT */
/* test_stun.c - reading STUN messages of every form, good and bad. Messages
 * are written here as the RFCs print them; those of RFC 5769 are run by
 * tests/vectors/test_vectors_stun.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rud/streamid.h"
#include "stun/stun.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

enum { LONG = 2048 };

#define COOKIE "2112a442"
#define ID "000102030405060708090a0b"

static size_t unhex(const char *text, uint8_t *out)
{
	size_t n = 0;
	unsigned octet;

	for (; *text != '\0'; text += 2) {
		assert_int_equal(sscanf(text, "%2x", &octet), 1);
		out[n++] = (uint8_t)octet;
	}
	return n;
}

/* RFC 8489 14.7, bit by bit. */
static uint32_t fingerprint(const uint8_t *p, size_t n)
{
	uint32_t c = 0xffffffff;
	size_t i, k;

	for (i = 0; i < n; i++) {
		c ^= p[i];
		for (k = 0; k < 8; k++)
			c = c >> 1 ^ ((c & 1) != 0 ? 0xedb88320 : 0);
	}
	return ~c ^ 0x5354554e;
}

/* A message with these attributes and the length that they have. Those that
 * end in 80280004 get the right FINGERPRINT. */
static size_t make(const char *type, const char *attributes, uint8_t *out)
{
	size_t n = unhex(type, out) + 2;
	uint32_t sum;

	n += unhex(COOKIE ID, out + n);
	n += unhex(attributes, out + n);
	if (n >= 24 && memcmp(out + n - 4, "\x80\x28\0\4", 4) == 0) {
		out[2] = (uint8_t)((n + 4 - 20) >> 8);
		out[3] = (uint8_t)(n + 4 - 20);
		sum = fingerprint(out, n - 4);
		out[n++] = (uint8_t)(sum >> 24);
		out[n++] = (uint8_t)(sum >> 16);
		out[n++] = (uint8_t)(sum >> 8);
		out[n++] = (uint8_t)sum;
	}
	out[2] = (uint8_t)((n - 20) >> 8);
	out[3] = (uint8_t)(n - 20);
	return n;
}

/* As a block of its own, so that a sanitizer sees what reads too far. */
static mpp_err decode(const uint8_t *p, size_t n, struct stun *out)
{
	uint8_t *block = malloc(n != 0 ? n : 1);
	mpp_err err;

	assert_non_null(block);
	memcpy(block, p, n);
	err = stun_decode((mpp_bytes){block, n}, out);
	free(block);
	return err;
}

/* A Binding request, each of one attribute more. */
static const struct {
	const char *why;
	const char *attributes;
	mpp_err want;
} table[] = {
	{"nothing", "", MPP_OK},
	{"a value that is longer than the rest", "8022000500000000",
	 MPP_ERR_TRUNCATED},
	{"half a head", "8022", MPP_ERR_SYNTAX},
	{"a head without its value", "80220004", MPP_ERR_TRUNCATED},
	{"the longest length", "8022ffff00000000", MPP_ERR_TRUNCATED},
	{"an empty value", "80220000", MPP_OK},
	{"a value with octets that fill it", "8022000141202020", MPP_OK},
	{"a value that nothing fills", "8022000141", MPP_ERR_SYNTAX},
	{"an unknown optional attribute", "ffff0000", MPP_OK},
	{"a lying length of one that is skipped", "ffff000400", MPP_ERR_SYNTAX},
	{"the same on a boundary",
	 "ffff0005"
	 "00000000",
	 MPP_ERR_TRUNCATED},
	{"CHANGE-REQUEST", "0003000400000006", MPP_OK},
	{"CHANGE-REQUEST, empty", "00030000", MPP_ERR_RANGE},
	{"CHANGE-REQUEST, too long", "000300080000000000000000", MPP_ERR_RANGE},
	{"RESPONSE-PORT", "0027000412340000", MPP_OK},
	{"RESPONSE-PORT as others write it", "0027000212340000", MPP_OK},
	{"RESPONSE-PORT, empty", "00270000", MPP_ERR_RANGE},
	{"RESPONSE-PORT, too long", "002700081234000000000000", MPP_ERR_RANGE},
	{"IPv4", "002000080001a147e112a643", MPP_OK},
	{"IPv6", "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9", MPP_OK},
	{"IPv4 as long as IPv6",
	 "002000140001a1470113a9faa5d3f179bc25f4b5bed2b9d9", MPP_ERR_RANGE},
	{"IPv6 as short as IPv4", "002000080002a147e112a643", MPP_ERR_RANGE},
	{"a family that there is not", "002000080003a147e112a643",
	 MPP_ERR_RANGE},
	{"no family", "002000080000a147e112a643", MPP_ERR_RANGE},
	{"an address without address", "002000040001a147", MPP_ERR_RANGE},
	{"MAPPED-ADDRESS that is none", "000100080009a147e112a643",
	 MPP_ERR_RANGE},
	{"RESPONSE-ORIGIN that is none", "802b00080009a147e112a643",
	 MPP_ERR_RANGE},
	{"OTHER-ADDRESS that is none", "802c00080009a147e112a643",
	 MPP_ERR_RANGE},
	{"ERROR-CODE", "0009000400000414", MPP_OK},
	{"ERROR-CODE, too short", "0009000300000400", MPP_ERR_RANGE},
	{"ERROR-CODE 200", "0009000400000200", MPP_ERR_RANGE},
	{"ERROR-CODE 700", "0009000400000700", MPP_ERR_RANGE},
	{"ERROR-CODE 4 and 100", "0009000400000464", MPP_ERR_RANGE},
	{"MESSAGE-INTEGRITY, too short", "00080000", MPP_ERR_RANGE},
	{"what may follow MESSAGE-INTEGRITY is skipped",
	 "000800140000000000000000000000000000000000000000"
	 "000300000024000000000000",
	 MPP_OK},
	{"but it has to have a form",
	 "000800140000000000000000000000000000000000000000"
	 "00030004",
	 MPP_ERR_TRUNCATED},
	{"FINGERPRINT", "80280004", MPP_OK},
	{"FINGERPRINT behind others",
	 "00240004000000ff"
	 "80280004",
	 MPP_OK},
	{"FINGERPRINT that is not", "8028000400000000", MPP_ERR_CHECKSUM},
	{"FINGERPRINT, too short", "80280000", MPP_ERR_RANGE},
	{"FINGERPRINT, too long", "802800080000000000000000", MPP_ERR_RANGE},
	{"two of them",
	 "8028000400000000"
	 "80280004",
	 MPP_ERR_TRAILING},
	{"FINGERPRINT before others",
	 "8028000400000000"
	 "80220000",
	 MPP_ERR_TRAILING},
};

static void forms(void **state)
{
	uint8_t data[LONG];
	struct stun m;
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT(table); i++) {
		n = make("0001", table[i].attributes, data);
		m.method = 77;
		if (decode(data, n, &m) != table[i].want)
			fail_msg("%s: %s", table[i].why,
				 mpp_err_name(decode(data, n, &m)));
		/* All or nothing. */
		assert_int_equal(m.method, table[i].want == MPP_OK ? 1 : 77);
	}
}

/* Every length that the head can say, but the true one. */
static void lying_lengths(void **state)
{
	uint8_t data[LONG];
	const size_t n = make("0001",
			      "80220004"
			      "41414141",
			      data);
	struct stun m;
	unsigned len;
	mpp_err want;

	(void)state;
	for (len = 0; len <= 0xffff; len++) {
		data[2] = (uint8_t)(len >> 8);
		data[3] = (uint8_t)len;
		want = len == n - 20  ? MPP_OK
		       : len % 4 != 0 ? MPP_ERR_SYNTAX
		       : len > n - 20 ? MPP_ERR_TRUNCATED
				      : MPP_ERR_TRAILING;
		assert_int_equal(stun_decode((mpp_bytes){data, n}, &m), want);
	}
}

/* A message that is cut anywhere, or has an octet more, is none. */
static void cut_anywhere(void **state)
{
	uint8_t data[LONG];
	const size_t n = make("0101",
			      "002000080001a147e112a643"
			      "80280004",
			      data);
	struct stun m;
	size_t i;

	(void)state;
	assert_int_equal(decode(data, n, &m), MPP_OK);
	for (i = 0; i < n; i++)
		assert_int_equal(decode(data, i, &m),
				 i < 20 ? MPP_ERR_TYPE : MPP_ERR_TRUNCATED);
	data[n] = 0;
	assert_int_equal(decode(data, n + 1, &m), MPP_ERR_TRAILING);
}

/* Whatever bit is wrong: with FINGERPRINT it is seen, unless it stands in what
 * tells STUN apart, or says that FINGERPRINT is something else. */
static void a_wrong_bit(void **state)
{
	uint8_t data[LONG];
	const size_t n = make("0101",
			      "002000080001a147e112a643"
			      "80280004",
			      data);
	const size_t head = n - 8;
	struct stun m;
	size_t bit;
	mpp_err err;

	(void)state;
	for (bit = 0; bit < 8 * n; bit++) {
		data[bit / 8] ^= (uint8_t)(0x80u >> bit % 8);
		err = decode(data, n, &m);
		if (bit / 8 == head || bit / 8 == head + 1)
			assert_true(err != MPP_OK ||
				    (m.has & STUN_HAS_FINGERPRINT) == 0);
		else
			assert_int_not_equal(err, MPP_OK);
		data[bit / 8] ^= (uint8_t)(0x80u >> bit % 8);
	}
	assert_int_equal(decode(data, n, &m), MPP_OK);
}

static const struct {
	const char *type;
	enum stun_class class;
	unsigned method;
} types[] = {
	{"0001", STUN_REQUEST, 1},    {"0011", STUN_INDICATION, 1},
	{"0101", STUN_SUCCESS, 1},    {"0111", STUN_ERROR, 1},
	{"0000", STUN_REQUEST, 0},    {"0003", STUN_REQUEST, 3},
	{"0016", STUN_INDICATION, 6}, {"0113", STUN_ERROR, 3},
	{"0021", STUN_REQUEST, 0x11}, {"00ef", STUN_REQUEST, 0x7f},
	{"0201", STUN_REQUEST, 0x81}, {"03ff", STUN_ERROR, 0xff},
};

static void classes_and_methods(void **state)
{
	uint8_t data[LONG];
	struct stun m;
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT(types); i++) {
		n = make(types[i].type, "", data);
		assert_int_equal(decode(data, n, &m), MPP_OK);
		assert_int_equal(m.class, types[i].class);
		assert_int_equal(m.method, types[i].method);
	}
}

/* Of what stands there twice the first one counts. */
static void twice(void **state)
{
	uint8_t data[LONG];
	struct stun m;
	const size_t n = make("0101",
			      "0003000400000002"
			      "0003000400000004"
			      "0027000400010000"
			      "0027000400020000"
			      "0026000400000000"
			      "00260000"
			      "000900040000042a"
			      "0009000400000400"
			      "000100080001000101010101"
			      "000100080001000202020202"
			      "002000080001a147e112a643"
			      "0020000800010000e112a643"
			      "802b00080001000303030303"
			      "802b00080001000404040404"
			      "802c00080001000505050505"
			      "802c00080001000606060606"
			      "8022000441414141"
			      "8022000442424242",
			      data);

	(void)state;
	assert_int_equal(stun_decode((mpp_bytes){data, n}, &m), MPP_OK);
	assert_int_equal(m.has, STUN_HAS_CHANGE | STUN_HAS_RESPONSE_PORT |
					STUN_HAS_PADDING);
	assert_int_equal(m.change, STUN_CHANGE_PORT);
	assert_int_equal(m.response_port, 1);
	assert_int_equal(m.padding, 4);
	assert_int_equal(m.error, 442);
	assert_int_equal(m.plain.port, 1);
	assert_int_equal(m.mapped.port, 32853);
	assert_int_equal(m.origin.port, 3);
	assert_int_equal(m.other.port, 5);
	assert_int_equal(m.software.p[0], 'A');
}

/* Bits of CHANGE-REQUEST that mean nothing are nothing. */
static void change_bits(void **state)
{
	uint8_t data[LONG];
	struct stun m;
	size_t n = make("0001",
			"00030004"
			"ffffffff",
			data);

	(void)state;
	assert_int_equal(decode(data, n, &m), MPP_OK);
	assert_int_equal(m.change, 6);
	n = make("0001",
		 "00030004"
		 "00000000",
		 data);
	assert_int_equal(decode(data, n, &m), MPP_OK);
	assert_int_equal(m.change, 0);
	assert_int_equal(m.has, STUN_HAS_CHANGE);
	n = make("0001", "", data);
	assert_int_equal(decode(data, n, &m), MPP_OK);
	assert_int_equal(m.has, 0);
}

/* Those of credentials are known; of the others so many are noted as there is
 * room for, and those that may be skipped are not among them. */
static void unknown_attributes(void **state)
{
	uint8_t data[LONG];
	char text[512] = "00060000"
			 "00140000"
			 "00150000"
			 "001d0000"
			 "001e0000"
			 "00020000"
			 "80000000"
			 "7fff0000";
	struct stun m;
	unsigned i;
	size_t n = make("0001", text, data);

	(void)state;
	assert_int_equal(decode(data, n, &m), MPP_OK);
	assert_int_equal(m.n_unknown, 2);
	assert_int_equal(m.unknown[0], 2);
	assert_int_equal(m.unknown[1], 0x7fff);
	text[0] = '\0';
	for (i = 0; i < 40; i++)
		(void)snprintf(text + 8 * i, 9, "%04x0000", 0x4000 + i);
	n = make("0001", text, data);
	assert_int_equal(decode(data, n, &m), MPP_OK);
	assert_int_equal(m.n_unknown, STUN_UNKNOWN_MAX);
	assert_int_equal(m.unknown[STUN_UNKNOWN_MAX - 1], 0x400f);
}

/* What begins like STUN does not begin like a packet of ours, and the other
 * way round, whatever the first octet and the length are. */
static void told_apart(void **state)
{
	uint8_t data[LONG];
	const size_t n = make("0001", "", data);
	unsigned first, bit;

	(void)state;
	for (first = 0; first < 256; first++) {
		data[0] = (uint8_t)first;
		assert_int_equal(stun_is((mpp_bytes){data, n}), first < 4);
		assert_int_equal(stun_is((mpp_bytes){data, n}),
				 !streamid_usable(data));
	}
	data[0] = 0;
	for (bit = 0; bit < 32; bit++) {
		data[4 + bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(stun_is((mpp_bytes){data, n}));
		assert_true(streamid_usable(data));
		data[4 + bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_true(stun_is((mpp_bytes){data, n}));
	assert_false(stun_is((mpp_bytes){data, n - 1}));
	assert_false(stun_is((mpp_bytes){NULL, 0}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms),
		cmocka_unit_test(lying_lengths),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(a_wrong_bit),
		cmocka_unit_test(classes_and_methods),
		cmocka_unit_test(twice),
		cmocka_unit_test(change_bits),
		cmocka_unit_test(unknown_attributes),
		cmocka_unit_test(told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
