/* SPDX-License-Identifier: MIT */
/* Holes that others had in what comes before anybody is known: memory for a
 * length that was only announced, numbers cut to 16 or 32 bits, answers that
 * answer each other. */
#include "world.h"

#include "rud/connect.h"
#include "rud/packet.h"
#include "rud/streamid.h"

static const char alice[] = "alice@example.com";
static const mpp_addr stranger = {{203, 0, 113, 9}, 40000, 4, 0};

static struct world w;

static int setup(void **state)
{
	(void)state;
	world_init(&w, 22);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_end(&w);
	return 0;
}

static size_t offer(const uint8_t *p, size_t len, const mpp_addr *from,
		    mpp_outbox *out)
{
	static mpp_datagram slots[4];
	static uint8_t copy[MPP_PACKET_MAX];

	memcpy(copy, p, len);
	*out = (mpp_outbox){slots, 4, 0};
	(void)mpp_service_receive(w.s, (mpp_buf){copy, sizeof(copy), len}, from,
				  world_now(&w), out);
	return out->n;
}

static uint64_t pools(void)
{
	mpp_pool_info p;
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; mpp_service_pool(w.s, i, &p); i++)
		sum = sum * 1000 + p.used;
	return sum;
}

static const mpp_service_counters *count(void)
{
	return mpp_service_count(w.s);
}

/* ---- numbers in a connection datagram ---- */

enum verdict { CHALLENGED = 1, ERROR_CLEAR, MALFORMED, IGNORED };

struct octets {
	uint8_t p[16];
	size_t len;
};

struct hello {
	const char *what;
	struct octets version, suite, id_len, list_len, suites, noise_len;
	enum verdict verdict;
};

#define ONE            \
	{              \
		{1}, 1 \
	}
#define ZERO           \
	{              \
		{0}, 1 \
	}
#define SIXTEEN         \
	{               \
		{16}, 1 \
	}

/* A Hello that is good, and each of its numbers written otherwise: in a longer
 * form, which changes nothing, and with bits above the 16th and the 32nd. */
// clang-format off
static const struct hello hellos[] = {
	{"as it should be", ONE, ZERO, SIXTEEN, ONE, ONE, ZERO, CHALLENGED},
	{"version 1 in 4 octets", {{0x80, 0, 0, 1}, 4}, ZERO, SIXTEEN, ONE, ONE,
	 ZERO, CHALLENGED},
	{"version 2^16 + 1", {{0x80, 1, 0, 1}, 4}, ZERO, SIXTEEN, ONE, ONE,
	 ZERO, ERROR_CLEAR},
	{"version 2^32 + 1", {{0xc0, 0, 0, 1, 0, 0, 0, 1}, 8}, ZERO, SIXTEEN,
	 ONE, ONE, ZERO, ERROR_CLEAR},
	{"a reply id of 16 in 4 octets", ONE, ZERO, {{0x80, 0, 0, 16}, 4}, ONE,
	 ONE, ZERO, CHALLENGED},
	{"a reply id of 2^16 + 16", ONE, ZERO, {{0x80, 1, 0, 16}, 4}, ONE, ONE,
	 ZERO, MALFORMED},
	{"a reply id of 2^32 + 16", ONE, ZERO,
	 {{0xc0, 0, 0, 1, 0, 0, 0, 16}, 8}, ONE, ONE, ZERO, MALFORMED},
	{"a reply id of 2^62 - 1", ONE, ZERO,
	 {{255, 255, 255, 255, 255, 255, 255, 255}, 8}, ONE, ONE, ZERO,
	 MALFORMED},
	{"a reply id of 0", ONE, ZERO, ZERO, ONE, ONE, ZERO, MALFORMED},
	{"Suites of 1 in 4 octets", ONE, ZERO, SIXTEEN, {{0x80, 0, 0, 1}, 4},
	 ONE, ZERO, CHALLENGED},
	{"Suites of 2^16 + 1", ONE, ZERO, SIXTEEN, {{0x80, 1, 0, 1}, 4}, ONE,
	 ZERO, MALFORMED},
	{"Suites of 2^32 + 1", ONE, ZERO, SIXTEEN,
	 {{0xc0, 0, 0, 1, 0, 0, 0, 1}, 8}, ONE, ZERO, MALFORMED},
	{"Suites of 2^62 - 1", ONE, ZERO, SIXTEEN,
	 {{255, 255, 255, 255, 255, 255, 255, 255}, 8}, ONE, ZERO, MALFORMED},
	{"suite 1 in 4 octets", ONE, ZERO, SIXTEEN, {{4}, 1},
	 {{0x80, 0, 0, 1}, 4}, ZERO, CHALLENGED},
	{"suite 2^16 + 1", ONE, ZERO, SIXTEEN, {{4}, 1}, {{0x80, 1, 0, 1}, 4},
	 ZERO, ERROR_CLEAR},
	{"suite 2^32 + 1", ONE, ZERO, SIXTEEN, {{8}, 1},
	 {{0xc0, 0, 0, 1, 0, 0, 0, 1}, 8}, ZERO, ERROR_CLEAR},
	{"Suites of nothing", ONE, ZERO, SIXTEEN, ZERO, {{0}, 0}, ZERO,
	 ERROR_CLEAR},
	{"a Noise message of 2^16", ONE, ZERO, SIXTEEN, ONE, ONE,
	 {{0x80, 1, 0, 0}, 4}, MALFORMED},
	{"a Noise message of 2^32", ONE, ZERO, SIXTEEN, ONE, ONE,
	 {{0xc0, 0, 0, 1, 0, 0, 0, 0}, 8}, MALFORMED},
	{"a Noise message of 2^62 - 1", ONE, ZERO, SIXTEEN, ONE, ONE,
	 {{255, 255, 255, 255, 255, 255, 255, 255}, 8}, MALFORMED},
};
// clang-format on

static void put(struct wr *wr, const struct octets *o)
{
	wr_raw(wr, o->p, o->len);
}

static size_t write_hello(const struct hello *h, const uint8_t id[16],
			  uint8_t p[MPP_PACKET_MAX])
{
	struct wr wr = wr_init(p, MPP_PACKET_MAX);

	wr_zero(&wr, 16);
	wr_u8(&wr, RUD_INIT_HELLO);
	put(&wr, &h->version);
	put(&wr, &h->suite);
	put(&wr, &h->id_len);
	wr_raw(&wr, id, 16);
	wr_u8(&wr, 128 + EXT_SUITES);
	put(&wr, &h->list_len);
	put(&wr, &h->suites);
	wr_u8(&wr, 255);
	put(&wr, &h->noise_len);
	connect_pad(&wr);
	assert_int_equal(wr.err, MPP_OK);
	return wr.n;
}

static enum verdict verdict_of(const struct hello *h)
{
	static const uint8_t id[16] = "0123456789abcde";
	const mpp_service_counters before = *count();
	uint8_t p[MPP_PACKET_MAX];
	mpp_outbox out;
	const size_t len = write_hello(h, id, p);

	if (offer(p, len, &stranger, &out) == 0)
		return count()->drop_malformed > before.drop_malformed
			       ? MALFORMED
			       : IGNORED;
	assert_true(out.slots[0].len <= len);
	return count()->challenges > before.challenges ? CHALLENGED
						       : ERROR_CLEAR;
}

static void test_announced_lengths(void **state)
{
	uint64_t before;
	size_t i;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	before = pools();
	for (i = 0; i < sizeof(hellos) / sizeof(hellos[0]); i++) {
		if (verdict_of(&hellos[i]) != hellos[i].verdict)
			fail_msg("%s", hellos[i].what);
	}
	/* No memory but the pools', and of these nothing. */
	assert_int_equal(pools(), before);
}

/* ---- the same in an Exchange of an enrolled device ---- */

static uint8_t exchange[MPP_PACKET_MAX];
static size_t exchange_len;

static int keep(struct world *world, const struct flying *f)
{
	(void)world;
	if (f->to_service && f->data[16] == RUD_INIT_EXCHANGE) {
		memcpy(exchange, f->data, f->len);
		exchange_len = f->len;
	}
	return 1;
}

/* One that has not arrived yet. */
static void fresh_exchange(void)
{
	exchange_len = 0;
	w.drop = keep;
	w.d[0].config.have_invitation = false;
	world_connect(&w, 0);
	world_run(&w, 1000);
	assert_int_equal(exchange_len, MPP_PACKET_SIZE);
}

/* Where the length of its Noise message is: behind suite, reply id, KeyId. */
enum { NOISE_AT = 16 + 3 + 17 + 18 + 1 };

static size_t with_noise_length(const uint8_t *form, size_t form_len,
				uint8_t *p)
{
	const size_t tail = MPP_PACKET_SIZE - (NOISE_AT + 2);

	memcpy(p, exchange, NOISE_AT);
	memcpy(p + NOISE_AT, form, form_len);
	memcpy(p + NOISE_AT + form_len, exchange + NOISE_AT + 2, tail);
	return NOISE_AT + form_len + tail;
}

static void test_lengths_above_16_bits(void **state)
{
	uint8_t p[MPP_PACKET_MAX], form[8] = {0xc0};
	uint64_t before;
	mpp_outbox out;
	size_t len;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	fresh_exchange();
	assert_int_equal(exchange[NOISE_AT - 1], 255);
	assert_int_equal(exchange[NOISE_AT] & 0xc0, 0x40);
	form[6] = exchange[NOISE_AT] & 0x3f;
	form[7] = exchange[NOISE_AT + 1];
	before = pools();
	form[5] = 1; /* 2^16 more than there is */
	len = with_noise_length(form, 8, p);
	assert_int_equal(offer(p, len, &w.d[0].addr, &out), 0);
	form[5] = 0;
	form[3] = 1; /* 2^32 more */
	len = with_noise_length(form, 8, p);
	assert_int_equal(offer(p, len, &w.d[0].addr, &out), 0);
	assert_int_equal(count()->drop_malformed, 2);
	assert_int_equal(pools(), before);
	/* The control: the same in 8 octets is the same number. */
	form[3] = 0;
	len = with_noise_length(form, 8, p);
	assert_int_equal(offer(p, len, &w.d[0].addr, &out), 1);
	assert_int_equal(out.slots[0].data[16], RUD_RESP_COMPLETE);
	assert_true(pools() != before);
}

/* A suite of 2^16 + 1 or 2^32 + 1 is not suite 1: a Challenge says so. */
static void test_suites_above_16_bits(void **state)
{
	// clang-format off
	static const struct { struct octets suite; bool ours; } rows[] = {
		{{{0x40, 1}, 2}, true},
		{{{0x80, 0, 0, 1}, 4}, true},
		{{{0x80, 1, 0, 1}, 4}, false},
		{{{0xc0, 0, 0, 1, 0, 0, 0, 1}, 8}, false},
		{{{255, 255, 255, 255, 255, 255, 255, 255}, 8}, false},
	};
	// clang-format on
	uint8_t p[MPP_PACKET_MAX];
	mpp_outbox out;
	size_t i;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	fresh_exchange();
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct octets *o = &rows[i].suite;
		const uint64_t auth = count()->drop_auth;

		memcpy(p, exchange, 18);
		memcpy(p + 18, o->p, o->len);
		memcpy(p + 18 + o->len, exchange + 19, MPP_PACKET_SIZE - 19);
		assert_int_equal(offer(p, MPP_PACKET_SIZE - 1 + o->len,
				       &w.d[0].addr, &out),
				 rows[i].ours ? 0 : 1);
		/* Ours: only the transcript, which has changed, refuses it. */
		assert_int_equal(count()->drop_auth - auth, rows[i].ours);
		if (!rows[i].ours)
			assert_int_equal(out.slots[0].data[16],
					 RUD_RESP_CHALLENGE);
	}
}

/* ---- answers that answer each other ---- */

static uint8_t stream_id[16];

static int keep_id(struct world *world, const struct flying *f)
{
	(void)world;
	if (f->to_service && f->data[0] != 0)
		memcpy(stream_id, f->data, 16);
	return 0;
}

/* The service gets its own answers, as if it were the stranger. */
static unsigned echoes(const uint8_t id[16])
{
	static const mpp_addr self = {{10, 0, 0, 99}, 15099, 4, 0};
	uint8_t p[MPP_PACKET_MAX];
	mpp_outbox out;
	size_t len = write_hello(&hellos[0], id, p);
	unsigned n = 0;

	while (n < 100 && offer(p, len, &self, &out) != 0) {
		assert_int_equal(out.n, 1);
		assert_true(out.slots[0].len < len);
		len = out.slots[0].len;
		memcpy(p, out.slots[0].data, len);
		n++;
	}
	return n;
}

/* An answer begins with what the stranger chose: zeros would make it a question
 * again, and the identifier of a lost connection draws a reset, which is too
 * short to draw anything. */
static void test_no_loops(void **state)
{
	static const uint8_t zero[16];
	static const uint8_t stun[16] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42};
	static const uint8_t plain[16] = "0123456789abcde";

	(void)state;
	w.drop = keep_id;
	world_subscribed(&w, alice, 0, 1);
	world_stop_service(&w);
	world_start_service(&w);
	assert_int_equal(echoes(zero), 0);
	assert_int_equal(echoes(stun), 0);
	assert_int_equal(echoes(plain), 1);
	assert_int_equal(count()->resets, 0);
	assert_int_equal(echoes(stream_id), 2);
	assert_int_equal(count()->resets, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_announced_lengths),
		CASE(test_lengths_above_16_bits),
		CASE(test_suites_above_16_bits),
		CASE(test_no_loops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
