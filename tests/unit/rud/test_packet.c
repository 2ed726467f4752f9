/* SPDX-License-Identifier: MIT */
/* test_packet.c - data packets. What packet.c writes is read here by OpenSSL
 * alone, from the description of the wire:
 *   id 16 | AES-128-ECB(hdr; header 16) | AES-256-GCM(key; plaintext) | tag 16
 *   nonce = salt | index 6 | packet | sequence; ad = the first 32 octets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "crypto/fixed.h"
#include "rud/packet.h"

#include "unit/rud/faulty.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

enum { PLAIN = 64 };

static mpp_crypto crypto;
static struct rud_keys keys;
static const uint8_t id[16] = "a stream's name";
static const uint8_t noise_key[32] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

static int set_up(void **state)
{
	(void)state;
	if (crypto_fixed_new(81, &crypto) != MPP_OK)
		return -1;
	return rud_keys_derive(&crypto, noise_key, &keys) == MPP_OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	mpp_crypto_free(&crypto);
	return 0;
}

/* RFC 5869 section 2.3, first block, by OpenSSL. */
static void expand(const char *label, uint8_t out[64])
{
	uint8_t info[32] = {0};
	const size_t n = strlen(label);
	unsigned len = 64;

	memcpy(info, label, n);
	info[n] = 1;
	assert_non_null(HMAC(EVP_sha512(), noise_key, sizeof(noise_key), info,
			     n + 1, out, &len));
	assert_int_equal(len, 64);
}

static void keys_come_by_label(void **state)
{
	uint8_t want[64];

	(void)state;
	expand("rud1 key", want);
	assert_memory_equal(keys.key, want, 32);
	expand("rud1 salt", want);
	assert_memory_equal(keys.salt, want, 4);
	expand("rud1 hdr", want);
	assert_memory_equal(keys.hdr, want, 16);
}

static void ecb(const uint8_t in[16], uint8_t out[16], int encrypting)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n = 0;

	assert_non_null(c);
	assert_int_equal(EVP_CipherInit_ex(c, EVP_aes_128_ecb(), NULL, keys.hdr,
					   NULL, encrypting),
			 1);
	assert_int_equal(EVP_CIPHER_CTX_set_padding(c, 0), 1);
	assert_int_equal(EVP_CipherUpdate(c, out, &n, in, 16), 1);
	assert_int_equal(n, 16);
	EVP_CIPHER_CTX_free(c);
}

/* Open a packet of len octets by OpenSSL; 1 when the tag is right. */
static int gcm_open(const uint8_t nonce[12], const uint8_t *p, size_t len,
		    uint8_t *out)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t tag[16];
	int n = 0, ok;

	assert_non_null(c);
	memcpy(tag, p + len - 16, 16);
	ok = EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, keys.key, nonce) &&
	     EVP_DecryptUpdate(c, NULL, &n, p, 32) &&
	     EVP_DecryptUpdate(c, out, &n, p + 32, (int)len - 48) &&
	     EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, 16, tag) &&
	     EVP_DecryptFinal_ex(c, out + n, &n);
	EVP_CIPHER_CTX_free(c);
	return ok;
}

static const struct rud_header header = {
	.index = UINT64_C(0x010203040506),
	.flags = FLAG_FINAL | FLAG_ACK | FLAG_ACK_WANTED,
	.count = 16,
	.packet = 15,
	.sequence = 14,
	.ack_index = 0x11121314,
	.ack_bits = 0x2122,
};

static const uint8_t header_octets[16] = {
	1, 2, 3, 4, 5, 6, 13, 16, 15, 14, 0x11, 0x12, 0x13, 0x14, 0x21, 0x22};

static void fill(uint8_t *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = (uint8_t)(3 * i + 1);
}

static void seal(uint8_t *packet, const struct rud_header *h, size_t n)
{
	fill(packet + PACKET_HEAD, n);
	assert_int_equal(packet_seal(&crypto, &keys, id, h, packet, n), MPP_OK);
}

static void another_reads_what_is_sealed(void **state)
{
	static const size_t sizes[] = {16, PLAIN, PACKET_PLAIN_MAX};
	uint8_t packet[MPP_PACKET_SIZE], plain[MPP_PACKET_SIZE];
	uint8_t out[MPP_PACKET_SIZE], block[16], nonce[12];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(sizes); i++) {
		seal(packet, &header, sizes[i]);
		assert_memory_equal(packet, id, 16);
		ecb(packet + 16, block, 0);
		assert_memory_equal(block, header_octets, 16);
		memcpy(nonce, keys.salt, 4);
		memcpy(nonce + 4, header_octets, 6);
		nonce[10] = header_octets[8];
		nonce[11] = header_octets[9];
		assert_int_equal(gcm_open(nonce, packet,
					  sizes[i] + PACKET_OVERHEAD, out),
				 1);
		fill(plain, sizes[i]);
		assert_memory_equal(out, plain, sizes[i]);
		nonce[11] ^= 1; /* the control: it does tell */
		assert_int_equal(gcm_open(nonce, packet,
					  sizes[i] + PACKET_OVERHEAD, out),
				 0);
	}
}

static mpp_err open_with(const struct rud_keys *k, uint8_t *packet, size_t len,
			 struct rud_header *h)
{
	mpp_err err = packet_header(&crypto, k, packet, h);

	return err != MPP_OK ? err : packet_open(&crypto, k, h, packet, len);
}

static void assert_header(const struct rud_header *got,
			  const struct rud_header *want)
{
	assert_true(got->index == want->index);
	assert_int_equal(got->flags, want->flags);
	assert_int_equal(got->count, want->count);
	assert_int_equal(got->packet, want->packet);
	assert_int_equal(got->sequence, want->sequence);
	assert_int_equal(got->ack_index, want->ack_index);
	assert_int_equal(got->ack_bits, want->ack_bits);
}

static void what_is_sealed_is_opened(void **state)
{
	static const struct rud_header headers[] = {
		{0, FLAG_FINAL, 1, 0, 0, 0, 0},
		{(UINT64_C(1) << 48) - 1,
		 FLAG_FINAL | FLAG_ACK | FLAG_ACK_WANTED, 16, 15, 15,
		 UINT32_MAX, UINT16_MAX},
		{UINT64_C(0x800000000001), FLAG_FINAL | FLAG_ACK, 2, 1, 3, 7,
		 0x8000},
	};
	uint8_t packet[PLAIN + PACKET_OVERHEAD], plain[PLAIN];
	struct rud_header h;
	size_t i;

	(void)state;
	fill(plain, PLAIN);
	for (i = 0; i < COUNT(headers); i++) {
		seal(packet, &headers[i], PLAIN);
		assert_memory_not_equal(packet + PACKET_HEAD, plain, PLAIN);
		assert_int_equal(open_with(&keys, packet, sizeof(packet), &h),
				 MPP_OK);
		assert_header(&h, &headers[i]);
		assert_memory_equal(packet + PACKET_HEAD, plain, PLAIN);
	}
}

/* A header's octet 6 to 9, and whether it may be so. */
static const struct {
	const char *what;
	uint8_t flags, count, packet, sequence;
	mpp_err err;
} shapes[] = {
	// clang-format off
	{"one packet", 1, 1, 0, 0, MPP_OK},
	{"with an acknowledgement", 1 | 4, 1, 0, 0, MPP_OK},
	{"that wants one", 1 | 8, 1, 0, 0, MPP_OK},
	{"all flags", 1 | 4 | 8, 1, 0, 0, MPP_OK},
	{"not the final datagram", 0, 1, 0, 0, MPP_ERR_RANGE},
	{"not final, with others", 4 | 8, 1, 0, 0, MPP_ERR_RANGE},
	{"flag 2", 1 | 2, 1, 0, 0, MPP_ERR_RANGE},
	{"flag 16", 1 | 16, 1, 0, 0, MPP_ERR_RANGE},
	{"flag 32", 1 | 32, 1, 0, 0, MPP_ERR_RANGE},
	{"flag 64", 1 | 64, 1, 0, 0, MPP_ERR_RANGE},
	{"flag 128", 1 | 128, 1, 0, 0, MPP_ERR_RANGE},
	{"no packets", 1, 0, 0, 0, MPP_ERR_RANGE},
	{"16 packets, the last", 1, 16, 15, 0, MPP_OK},
	{"17 packets", 1, 17, 0, 0, MPP_ERR_RANGE},
	{"255 packets", 1, 255, 0, 0, MPP_ERR_RANGE},
	{"the second of one", 1, 1, 1, 0, MPP_ERR_RANGE},
	{"the 17th of 16", 1, 16, 16, 0, MPP_ERR_RANGE},
	{"the third of three", 1, 3, 2, 0, MPP_OK},
	{"the fourth of three", 1, 3, 3, 0, MPP_ERR_RANGE},
	{"sent the 16th time", 1, 1, 0, 15, MPP_OK},
	{"sent the 17th time", 1, 1, 0, 16, MPP_ERR_RANGE},
	{"sent the 256th time", 1, 1, 0, 255, MPP_ERR_RANGE},
	// clang-format on
};

static void headers_are_judged(void **state)
{
	uint8_t packet[PLAIN + PACKET_OVERHEAD] = {0};
	uint8_t block[16];
	struct rud_header h;
	mpp_err err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(shapes); i++) {
		memcpy(block, header_octets, 16);
		block[6] = shapes[i].flags;
		block[7] = shapes[i].count;
		block[8] = shapes[i].packet;
		block[9] = shapes[i].sequence;
		ecb(block, packet + 16, 1);
		h = header;
		err = packet_header(&crypto, &keys, packet, &h);
		if (err != shapes[i].err)
			fail_msg("%s: %s", shapes[i].what, mpp_err_name(err));
		if (err != MPP_OK)
			assert_header(&h, &header); /* untouched */
		else
			assert_int_equal(h.count, shapes[i].count);
	}
}

/* The identifier, the header, the ciphertext and the tag. */
static void every_bit_counts(void **state)
{
	uint8_t packet[PLAIN + PACKET_OVERHEAD], copy[sizeof(packet)];
	struct rud_header h;
	size_t bit, by_shape = 0;
	mpp_err err;

	(void)state;
	seal(packet, &header, PLAIN);
	for (bit = 0; bit < 8 * sizeof(packet); bit++) {
		memcpy(copy, packet, sizeof(packet));
		copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
		err = open_with(&keys, copy, sizeof(copy), &h);
		by_shape += err == MPP_ERR_RANGE;
		if (err != MPP_ERR_AUTH && err != MPP_ERR_RANGE)
			fail_msg("bit %zu: %s", bit, mpp_err_name(err));
		if (err == MPP_ERR_RANGE)
			assert_in_range(bit / 8, 16, 31);
	}
	assert_in_range(by_shape, 1, 128);
	assert_int_equal(open_with(&keys, packet, sizeof(packet), &h), MPP_OK);
}

static void lengths_count(void **state)
{
	uint8_t packet[PLAIN + PACKET_OVERHEAD], copy[sizeof(packet)];
	struct rud_header h;
	size_t len;

	(void)state;
	seal(packet, &header, PLAIN);
	for (len = PACKET_OVERHEAD; len <= sizeof(packet); len++) {
		memcpy(copy, packet, sizeof(packet));
		assert_int_equal(open_with(&keys, copy, len, &h),
				 len == sizeof(packet) ? MPP_OK : MPP_ERR_AUTH);
	}
}

/* Each of the three keys, and each part of the nonce. */
static void keys_and_nonce_count(void **state)
{
	uint8_t packet[PLAIN + PACKET_OVERHEAD], copy[sizeof(packet)];
	struct rud_keys other;
	struct rud_header h;
	size_t i;

	(void)state;
	seal(packet, &header, PLAIN);
	for (i = 0; i < 36; i++) {
		other = keys;
		if (i < 32)
			other.key[i] ^= 1;
		else
			other.salt[i - 32] ^= 1;
		memcpy(copy, packet, sizeof(packet));
		assert_int_equal(open_with(&other, copy, sizeof(copy), &h),
				 MPP_ERR_AUTH);
	}
	for (i = 0; i < 16; i++) {
		other = keys;
		other.hdr[i] ^= 1;
		memcpy(copy, packet, sizeof(packet));
		assert_int_not_equal(open_with(&other, copy, sizeof(copy), &h),
				     MPP_OK);
	}
	for (i = 0; i < 4; i++) {
		h = header;
		h.index ^= i == 0;
		h.index ^= (uint64_t)(i == 1) << 47;
		h.packet ^= i == 2;
		h.sequence ^= i == 3;
		memcpy(copy, packet, sizeof(packet));
		assert_int_equal(packet_open(&crypto, &keys, &h, copy,
					     sizeof(copy)),
				 MPP_ERR_AUTH);
	}
}

static const struct {
	const char *what;
	size_t n;
	unsigned quantum;
	size_t want;
} paddings[] = {
	// clang-format off
	{"nothing is a unit too", 0, 0, 64},
	{"one octet", 1, 0, 64},
	{"a unit", 64, 0, 64},
	{"and one octet", 65, 0, 128},
	{"up to 448 by 64", 447, 0, 448},
	{"at 448", 448, 0, 448},
	{"from there by 16", 449, 0, 464},
	{"a multiple of 16", 464, 0, 464},
	{"and one octet", 465, 0, 480},
	{"the last unit", 1137, 0, 1152},
	{"a full packet", 1152, 0, 1152},
	{"by 16, as asked", 1, 16, 16},
	{"nothing by 16", 0, 16, 16},
	{"17 by 16", 17, 16, 32},
	{"by 128 also above 448", 449, 128, 512},
	{"by 256", 257, 256, 512},
	{"nothing by 1024", 0, 1024, 1024},
	{"a unit of 1024", 1024, 1024, 1024},
	{"up to the end of the packet, not the next 1024", 1025, 1024, 1152},
	{"up to the end of the packet, not the next 512", 1025, 512, 1152},
	// clang-format on
};

static void plaintexts_are_padded(void **state)
{
	size_t i, got;

	(void)state;
	for (i = 0; i < COUNT(paddings); i++) {
		got = packet_padded(paddings[i].n, paddings[i].quantum);
		if (got != paddings[i].want)
			fail_msg("%s: %zu", paddings[i].what, got);
	}
}

static void failures_are_said(void **state)
{
	struct faulty f = {crypto, 0};
	const mpp_crypto c = {&faulty_ops, &f};
	uint8_t packet[PLAIN + PACKET_OVERHEAD];
	struct rud_header h = header;
	struct rud_keys k;
	unsigned n;

	(void)state;
	for (n = 1; n <= 3; n++) {
		f.fail_in = n;
		assert_int_equal(rud_keys_derive(&c, noise_key, &k),
				 MPP_ERR_CRYPTO);
	}
	for (n = 1; n <= 2; n++) {
		f.fail_in = n;
		assert_int_equal(packet_seal(&c, &keys, id, &header, packet,
					     PLAIN),
				 MPP_ERR_CRYPTO);
	}
	seal(packet, &header, PLAIN);
	f.fail_in = 1;
	assert_int_equal(packet_header(&c, &keys, packet, &h), MPP_ERR_CRYPTO);
	assert_header(&h, &header);
	f.fail_in = 1;
	assert_int_equal(packet_open(&c, &keys, &h, packet, sizeof(packet)),
			 MPP_ERR_CRYPTO);
	assert_int_equal(packet_open(&c, &keys, &h, packet, sizeof(packet)),
			 MPP_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_come_by_label),
		cmocka_unit_test(another_reads_what_is_sealed),
		cmocka_unit_test(what_is_sealed_is_opened),
		cmocka_unit_test(headers_are_judged),
		cmocka_unit_test(every_bit_counts),
		cmocka_unit_test(lengths_count),
		cmocka_unit_test(keys_and_nonce_count),
		cmocka_unit_test(plaintexts_are_padded),
		cmocka_unit_test(failures_are_said),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
