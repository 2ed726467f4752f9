/* SPDX-License-Identifier: MIT */
/* test_vectors_stun.c - the messages of RFC 5769 are read as it says; what is
 * written is, octet by octet, what the peer in Python writes. */
#include "vectors/json_file.h"

#include "stun/stun.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

enum { LONG = 512 };

static void equal(mpp_bytes want, mpp_bytes got)
{
	assert_int_equal(got.len, want.len);
	if (want.len != 0)
		assert_memory_equal(got.p, want.p, want.len);
}

static void check_unknown(const struct stun *m, mpp_bytes want)
{
	unsigned i;

	assert_int_equal(m->n_unknown, want.len / 2);
	for (i = 0; i < m->n_unknown; i++)
		assert_int_equal(m->unknown[i],
				 want.p[2 * i] << 8 | want.p[2 * i + 1]);
}

static void check_published(mpp_bytes v)
{
	uint8_t data[LONG], hex[LONG];
	mpp_buf text = {hex, sizeof(hex), 0};
	const mpp_bytes in = json_octets(v, "message", data, sizeof(data));
	const bool fingerprint = json_integer(v, "fingerprint") != 0;
	mpp_bytes a;
	struct stun m;

	assert_true(stun_is(in));
	assert_int_equal(stun_decode(in, &m), MPP_OK);
	assert_int_equal(m.method, STUN_BINDING);
	assert_int_equal(m.class, json_integer(v, "class"));
	equal(json_octets(v, "id", hex, sizeof(hex)),
	      (mpp_bytes){m.id, STUN_ID_LEN});
	equal(json_text(v, "software", &text), m.software);
	check_unknown(&m, json_octets(v, "unknown", hex, sizeof(hex)));
	assert_int_equal(m.has,
			 (unsigned)STUN_HAS_INTEGRITY |
				 (fingerprint ? STUN_HAS_FINGERPRINT : 0u));
	assert_int_equal(m.mapped.family, json_integer(v, "family"));
	assert_int_equal(m.mapped.port, json_integer(v, "port"));
	a = json_octets(v, "address", hex, sizeof(hex));
	equal(a, (mpp_bytes){m.mapped.ip, a.len});
	assert_int_equal(m.plain.family + m.other.family + m.origin.family, 0);
}

static void published(void **state)
{
	mpp_buf file = json_file_load("stun.json");
	struct json_list l = json_list_of(&file, "vectors");
	mpp_bytes v;
	size_t n = 0;

	(void)state;
	for (; json_each(&l, &v); n++)
		check_published(v);
	assert_int_equal(n, 4);
	assert_int_equal(n, json_file_count(&file, "vectors"));
	free(file.p);
}

static const uint8_t id[STUN_ID_LEN] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

static const struct {
	const char *name;
	struct stun_ask ask;
} requests[] = {
	{"request", {id, 0, 0, 0, 0}},
	{"request with fingerprint", {id, STUN_HAS_FINGERPRINT, 0, 0, 0}},
	{"request for both changes",
	 {id, STUN_HAS_CHANGE, STUN_CHANGE_IP | STUN_CHANGE_PORT, 0, 0}},
	{"request to a port", {id, STUN_HAS_RESPONSE_PORT, 0, 4660, 0}},
	{"request of all",
	 {id,
	  STUN_HAS_CHANGE | STUN_HAS_RESPONSE_PORT | STUN_HAS_PADDING |
		  STUN_HAS_FINGERPRINT,
	  0, 65535, 16}},
};

static const mpp_addr v4 = {{192, 0, 2, 1}, 32853, 4, 0};
static const mpp_addr v6 = {{0x20, 1, 0xd, 0xb8, 0x12, 0x34, 0x56, 0x78, 0,
			     0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77},
			    32853,
			    6,
			    0};
#define OURS_4(last, at)                       \
	{                                      \
		{198, 51, 100, last}, at, 4, 3 \
	}
#define OURS_6(last, at)                                    \
	{                                                   \
		{0x20, 1, 0xd, 0xb8, [15] = last}, at, 6, 3 \
	}

static const struct stun one = {.unknown = {0x0024}, .n_unknown = 1};
static const struct stun two = {.unknown = {0x0003, 0x7fff}, .n_unknown = 2};

static mpp_addr none;

static const struct {
	const char *name;
	unsigned error;
	const struct stun *request;
	const mpp_addr *mapped, *plain;
	mpp_addr origin, other;
	size_t padding;
	bool fingerprint;
} answers[] = {
	{"answer, IPv4", 0, NULL, &v4, &none, {.port = 0}, {.port = 0}, 0, 0},
	{"answer, IPv6", 0, NULL, &v6, &none, {.port = 0}, {.port = 0}, 0, 1},
	{"answer of RFC 5780", 0, NULL, &v4, &v4, OURS_4(1, 15099),
	 OURS_4(2, 15100), 8, 0},
	{"answer of RFC 5780, IPv6", 0, NULL, &v6, &v6, OURS_6(1, 15099),
	 OURS_6(2, 15100), 0, 1},
	{"answer 400", 400, NULL, &none, &none, {.port = 0}, {.port = 0}, 0, 0},
	{"answer 420 of one",
	 420,
	 &one,
	 &none,
	 &none,
	 {.port = 0},
	 {.port = 0},
	 0,
	 0},
	{"answer 420 of two",
	 420,
	 &two,
	 &none,
	 &none,
	 {.port = 0},
	 {.port = 0},
	 0,
	 1},
};

static mpp_bytes wanted(const mpp_buf *file, const char *name, uint8_t *p)
{
	struct json_list l = json_list_of(file, "made");
	mpp_bytes v;

	while (json_each(&l, &v)) {
		if (json_text_is(v, "name", name))
			return json_octets(v, "message", p, LONG);
	}
	fail_msg("%s is not there", name);
	return (mpp_bytes){NULL, 0};
}

/* With less room than it takes there is nothing. */
static void check_request(const struct stun_ask *ask, mpp_bytes want)
{
	uint8_t data[LONG];
	mpp_buf out = {data, 0, 7};

	for (out.cap = 0; out.cap < want.len; out.cap++)
		assert_int_equal(stun_request(ask, &out), MPP_ERR_NOSPACE);
	assert_int_equal(out.len, 7);
	assert_int_equal(stun_request(ask, &out), MPP_OK);
	equal(want, (mpp_bytes){data, out.len});
}

static void check_answer(const struct stun_answer *a, mpp_bytes want)
{
	uint8_t data[LONG];
	mpp_buf out = {data, 0, 7};

	for (out.cap = 0; out.cap < want.len; out.cap++)
		assert_int_equal(stun_answer(a, &out), MPP_ERR_NOSPACE);
	assert_int_equal(out.len, 7);
	assert_int_equal(stun_answer(a, &out), MPP_OK);
	equal(want, (mpp_bytes){data, out.len});
}

static void made(void **state)
{
	mpp_buf file = json_file_load("stun.json");
	uint8_t data[LONG];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(requests); i++)
		check_request(&requests[i].ask,
			      wanted(&file, requests[i].name, data));
	for (i = 0; i < COUNT(answers); i++) {
		const struct stun_answer a = {
			id,
			answers[i].error,
			answers[i].request,
			*answers[i].mapped,
			*answers[i].plain,
			answers[i].origin,
			answers[i].other,
			answers[i].padding,
			answers[i].fingerprint,
		};

		check_answer(&a, wanted(&file, answers[i].name, data));
	}
	assert_int_equal(COUNT(requests) + COUNT(answers),
			 json_file_count(&file, "made"));
	free(file.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published),
		cmocka_unit_test(made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
