/* SPDX-License-Identifier: MIT */
/* test_vectors_udf.c - udf-content-digest.json and udf-misc.json: digests with
 * SHA-2-512 and their text. What needs SHA-3, HMAC or secret sharing is not
 * ours; it is counted by name, so that nothing is left out unseen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mpp/udf.h>

#include "vectors/json_file.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define TEXT(text) ((mpp_bytes){(const uint8_t *)(text), strlen(text)})

enum { ROOM = 1024 };

/* Room for one member of a vector. */
struct room {
	uint8_t octets[ROOM];
	mpp_buf buf;
};

static mpp_buf *fresh(struct room *room)
{
	room->buf = (mpp_buf){room->octets, ROOM, 0};
	return &room->buf;
}

static const mpp_crypto *crypto_of(void)
{
	static mpp_crypto crypto;

	if (crypto.ops == NULL)
		assert_int_equal(mpp_crypto_new(&crypto), MPP_OK);
	return &crypto;
}

static int free_crypto(void **state)
{
	(void)state;
	mpp_crypto_free((mpp_crypto *)(uintptr_t)crypto_of());
	return 0;
}

/* The text form is printed, and names the digest and no neighbour of it. */
static void check_text(const uint8_t udf[MPP_UDF_LEN], unsigned bits,
		       const char *want)
{
	char text[MPP_UDF_TEXT_MAX];
	uint8_t other[MPP_UDF_LEN];

	assert_int_equal(mpp_udf_text(udf, bits, text), strlen(want));
	assert_string_equal(text, want);
	assert_int_equal(mpp_udf_match(udf, TEXT(want), bits), MPP_OK);
	memcpy(other, udf, MPP_UDF_LEN);
	other[(bits - 1) / 8] ^= (uint8_t)(0x80 >> (bits - 1) % 8);
	assert_int_equal(mpp_udf_match(other, TEXT(want), bits), MPP_ERR_AUTH);
}

static void check_member(mpp_bytes v, const char *member, unsigned bits,
			 const uint8_t udf[MPP_UDF_LEN])
{
	static struct room room;

	(void)json_text(v, member, fresh(&room));
	check_text(udf, bits, (const char *)room.octets);
}

static void run_digest(mpp_bytes v)
{
	static const unsigned bits[] = {100, 120, 140, 200, 260, 440};
	static struct room data;
	static struct room type;
	static struct room bds;
	uint8_t udf[MPP_UDF_LEN];
	char member[16];
	mpp_bytes value;
	size_t i;

	(void)json_text(v, "content_type", fresh(&type));
	(void)json_hex(v, "data_hex", fresh(&data));
	(void)json_hex(v, "bds_hex", fresh(&bds));
	assert_int_equal(bds.buf.len, MPP_UDF_LEN);
	assert_int_equal(mpp_udf_digest(crypto_of(), (char *)type.octets,
					(mpp_bytes){data.octets, data.buf.len},
					udf),
			 MPP_OK);
	assert_int_equal(udf[0], json_integer(v, "type_id"));
	assert_memory_equal(udf, bds.octets, MPP_UDF_LEN);
	for (i = 0; i < COUNT(bits); i++) {
		snprintf(member, sizeof(member), "udf_%u", bits[i]);
		if (bits[i] == 140 || json_find(v, member, &value))
			check_member(v, member, bits[i], udf);
	}
}

static void content_digests(void **state)
{
	mpp_buf buf = json_file_load("udf-content-digest.json");
	struct json_list l = json_list_of(&buf, "vectors");
	mpp_bytes v;
	mpp_bytes zeros;
	size_t run = 0;
	size_t not_sha2 = 0;
	size_t compressed = 0;

	(void)state;
	while (json_each(&l, &v)) {
		if (!json_text_is(v, "algorithm", "SHA-2-512")) {
			assert_true(json_text_is(v, "algorithm", "SHA-3-512"));
			not_sha2++;
			continue;
		}
		run_digest(v);
		run++;
		if (json_find(v, "trailing_zero_bits", &zeros))
			compressed += json_integer(v, "trailing_zero_bits") >=
				      20;
	}
	assert_int_equal(run + not_sha2, json_file_count(&buf, "vectors"));
	assert_int_equal(run, 7);
	assert_int_equal(not_sha2, 6);
	assert_int_equal(compressed, 1);
	free(buf.p);
}

/* What a URI carries behind its last ":" or "/" names the digest of the
 * document that the example is about. */
static void uris_of_a_digest(void **state)
{
	static struct room room;
	mpp_buf buf = json_file_load("udf-content-digest.json");
	struct json_list l = json_list_of(&buf, "uri_forms");
	uint8_t udf[MPP_UDF_LEN];
	const char *text;
	mpp_bytes v;
	size_t run = 0;

	(void)state;
	assert_int_equal(mpp_udf_digest(crypto_of(), "text/plain",
					TEXT("UDF Content Data"), udf),
			 MPP_OK);
	for (; json_each(&l, &v); run++) {
		(void)json_text(v, "value", fresh(&room));
		text = (char *)room.octets + room.buf.len - 34;
		assert_true(text[-1] == ':' || text[-1] == '/');
		assert_int_equal(mpp_udf_match(udf, TEXT(text), 140), MPP_OK);
	}
	assert_int_equal(run, json_file_count(&buf, "uri_forms"));
	assert_int_equal(run, 2);
	free(buf.p);
}

/* Digest of `data`, whose first bits the member says as text. */
static void check_digest(mpp_bytes v, const char *type, mpp_bytes data,
			 const char *member)
{
	mpp_bytes value;
	uint8_t udf[MPP_UDF_LEN];
	unsigned bits = MPP_UDF_BITS;

	if (json_find(v, "bits", &value))
		bits = (unsigned)json_integer(v, "bits");
	else if (strcmp(type, "UDFEncryption") == 0)
		bits = 280;
	assert_int_equal(mpp_udf_digest(crypto_of(), type, data, udf), MPP_OK);
	check_member(v, member, bits, udf);
}

/* Key ids: of the author's DER with his content type, or of the draft's. */
static void run_key(mpp_bytes v)
{
	static struct room der;
	const bool draft =
		json_text_is(v, "kind",
			     "what the draft text asks for (RFC 8410 SPKI, "
			     "application/pkix-keyinfo)");

	check_digest(v, draft ? "application/pkix-keyinfo" : "PKIXKey",
		     json_hex(v, "der_hex", fresh(&der)), "key_id");
}

/* The whole DER as text of type 112. */
static void run_oid(mpp_bytes v)
{
	static struct room der;
	static struct room want;
	uint8_t octets[128] = {112};
	uint8_t back[128];
	mpp_buf out = {back, sizeof(back), 0};
	mpp_bytes text;

	run_key(v);
	(void)json_hex(v, "der_hex", fresh(&der));
	memcpy(octets + 1, der.octets, der.buf.len);
	text = json_text(v, "oid_udf", fresh(&want));
	assert_int_equal(mpp_base32_decode(text, &out), MPP_OK);
	assert_int_equal(out.len, der.buf.len + 1);
	assert_memory_equal(back, octets, out.len);
}

static void run_locator(mpp_bytes v)
{
	static struct room key;

	check_digest(v, "UDFEncryption", json_text(v, "key_udf", fresh(&key)),
		     "udf");
}

/* A profile's id and the id of a symmetric key have a type octet more in
 * front of the digest than they should; their text is of that. */
static void run_presented(mpp_bytes v, const char *type, const char *data)
{
	static struct room room;
	static struct room want;
	uint8_t udf[MPP_UDF_LEN];

	assert_int_equal(mpp_udf_digest(crypto_of(), type,
					json_hex(v, data, fresh(&room)), udf),
			 MPP_OK);
	(void)json_hex(v, "tcdv_hex", fresh(&want));
	assert_int_equal(want.buf.len, MPP_HASH_LEN);
	assert_memory_equal(udf + 1, want.octets, MPP_HASH_LEN);
	(void)json_hex(v, "presented_octets_hex", fresh(&want));
	assert_true(want.buf.len >= 18);
	assert_memory_equal(want.octets + 1, udf, 17);
	memcpy(udf, want.octets, 18);
	check_member(v, "udf", MPP_UDF_BITS, udf);
}

static void run_profile(mpp_bytes v)
{
	run_presented(v, "UdfList", "inner_hash_input_hex");
}

/* Octets and their text: a whole UDF; a nonce of 140 bits whose last four are
 * zero; the id of a symmetric key, for which the key is not hashed first. */
static void run_binary(mpp_bytes v)
{
	static struct room room;
	uint8_t udf[MPP_UDF_LEN] = {0};
	mpp_bytes value;
	const char *member = "octets_hex";

	if (json_find(v, "binary_hex", &value))
		member = "binary_hex";
	else if (json_find(v, "presented_octets_hex", &value))
		member = "presented_octets_hex";
	(void)json_hex(v, member, fresh(&room));
	assert_in_range(room.buf.len, 17, MPP_UDF_LEN);
	memcpy(udf, room.octets, room.buf.len);
	check_member(v, "udf", MPP_UDF_BITS, udf);
}

/* A raw key without a type, both ways. */
static void run_raw_key(mpp_bytes v)
{
	static struct room key;
	static struct room want;
	uint8_t back[64];
	mpp_buf out = {back, sizeof(back), 0};

	(void)json_hex(v, "key_hex", fresh(&key));
	assert_int_equal(mpp_base32_decode(json_text(v, "udf", fresh(&want)),
					   &out),
			 MPP_OK);
	assert_int_equal(out.len, key.buf.len);
	assert_memory_equal(back, key.octets, out.len);
}

/* The 16 octets behind the type of an id in text form. */
static mpp_bytes id_octets(mpp_bytes v, const char *member)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	static uint8_t octets[17];
	static struct room room;
	const char *c;
	size_t bit = 0;
	size_t value;
	size_t i;

	memset(octets, 0, sizeof(octets));
	(void)json_text(v, member, fresh(&room));
	for (c = (char *)room.octets; *c != '\0'; c++) {
		value = (size_t)(strchr(digits, *c == '-' ? 'A' : *c) - digits);
		for (i = 0; *c != '-' && i < 5 && bit < 136; i++, bit++)
			octets[bit / 8] |= (uint8_t)((value >> (4 - i) & 1)
						     << (7 - bit % 8));
	}
	return (mpp_bytes){octets + 1, 16};
}

static void run_message_id(mpp_bytes v)
{
	static struct room type;

	(void)json_text(v, "content_type", fresh(&type));
	check_digest(v, (char *)type.octets, id_octets(v, "message_id"), "udf");
}

static void run_reply_id(mpp_bytes v)
{
	static struct room type;

	(void)json_text(v, "content_type", fresh(&type));
	check_digest(v, (char *)type.octets, id_octets(v, "request_message_id"),
		     "reply_message_id");
}

/* The inputs name the same digest of "UDF Data Value". */
static void run_equivalent(mpp_bytes v)
{
	static struct room room;
	uint8_t udf[MPP_UDF_LEN];
	mpp_json_reader r;
	mpp_json_item it;
	int n = 0;

	assert_int_equal(mpp_udf_digest(crypto_of(), "text/plain",
					TEXT("UDF Data Value"), udf),
			 MPP_OK);
	(void)json_hex(v, "octets_hex", fresh(&room));
	assert_memory_equal(udf, room.octets, room.buf.len);
	mpp_json_reader_init(&r, json_get(v, "inputs"));
	assert_int_equal(mpp_json_next(&r, &it), MPP_OK);
	for (; mpp_json_next(&r, &it) == MPP_OK && it.kind == MPP_JSON_STRING;
	     n++)
		assert_int_equal(mpp_udf_match(udf, it.text.raw, 140), MPP_OK);
	assert_int_equal(it.kind, MPP_JSON_CLOSE);
	assert_int_equal(n, 3);
}

/* Every kind of the file: how it is run, or NULL when it is not ours, and how
 * many there are. */
static const struct kind {
	const char *name;
	void (*run)(mpp_bytes v);
	size_t count;
} kinds[] = {
	{"public key as OID UDF", run_oid, 1},
	{"public key, older DER (NULL parameters)", run_key, 1},
	{"what the draft text asks for (RFC 8410 SPKI, "
	 "application/pkix-keyinfo)",
	 run_key, 1},
	{"EARL locator id", run_locator, 3},
	{"profile (account/service/device) id from root keys", run_profile, 1},
	{"root key id -> text", run_binary, 1},
	{"key id of a public key", run_key, 3},
	{"symmetric key id (kid of an encrypted DARE envelope)", run_binary, 1},
	{"raw symmetric key presentation", run_raw_key, 2},
	{"nonce", run_binary, 1},
	{"EnvelopeId of a MessageId", run_message_id, 6},
	{"ResponseId of a MessageId", run_message_id, 1},
	{"MessageId of a reply = ResponseId of the request", run_reply_id, 1},
	{"equivalent inputs (case, separators ignored)", run_equivalent, 1},
	/* An id beside no data that it could be computed from. */
	{"EnvelopeId of a profile = profile UDF", NULL, 5},
	/* HMAC over an account. */
	{"PIN", NULL, 1},
	/* Secret sharing. */
	{"Shamir shares", NULL, 2},
	/* Forms of an address, and of a URI. */
	{"SIN address forms", NULL, 2},
	{"device connection EARL", NULL, 1},
};

static const struct kind *kind_of(mpp_bytes v)
{
	size_t i;

	for (i = 0; i < COUNT(kinds); i++) {
		if (json_text_is(v, "kind", kinds[i].name))
			return &kinds[i];
	}
	fail_msg("a kind that the table does not have");
	return NULL;
}

static void other_identifiers(void **state)
{
	mpp_buf buf = json_file_load("udf-misc.json");
	struct json_list l = json_list_of(&buf, "vectors");
	size_t seen[COUNT(kinds)] = {0};
	size_t run = 0;
	size_t not_ours = 0;
	const struct kind *kind;
	mpp_bytes v;
	size_t i;

	(void)state;
	while (json_each(&l, &v)) {
		kind = kind_of(v);
		seen[kind - kinds]++;
		if (kind->run != NULL)
			kind->run(v);
		run += kind->run != NULL;
		not_ours += kind->run == NULL;
	}
	for (i = 0; i < COUNT(kinds); i++)
		assert_int_equal(seen[i], kinds[i].count);
	assert_int_equal(run + not_ours, json_file_count(&buf, "vectors"));
	assert_int_equal(run, 24);
	assert_int_equal(not_ours, 11);
	free(buf.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_digests),
		cmocka_unit_test(uris_of_a_digest),
		cmocka_unit_test(other_identifiers),
	};

	return cmocka_run_group_tests(tests, NULL, free_crypto);
}
