/* SPDX-License-Identifier: MIT */
/* Binding requests of STUN at the service: who is answered with what, from
 * which socket, how often; that nothing is kept of them, and that they do not
 * disturb devices. */
#include "counting.h"
#include "world.h"

#include "stun/stun.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define SECOND UINT64_C(1000000)

enum { LONGER = 32, LONGER_4 = 48, LONGER_6 = 96, FLOOD = 100000 };

static const uint8_t id[STUN_ID_LEN] = {9, 8, 7, 6, 5, 4, 3, 2, 1, 2, 3, 4};
static const mpp_addr v4 = {{192, 0, 2, 77}, 32853, 4, 3};
static const mpp_addr v6 =
	{{0x20, 1, 0xd, 0xb8, 0x12, 0x34, 0x56, 0x78, [15] = 9}, 443, 6, 2};

static struct world w;
static mpp_datagram slots[4];
static mpp_outbox out = {slots, 4, 0};
static struct stun said; /* by the newest answer */
static mpp_datagram copy;

static int setup(void **state)
{
	mpp_crypto real;

	(void)state;
	world_init(&w, 7);
	world_stop_service(&w);
	mpp_crypto_free(&w.crypto);
	assert_int_equal(mpp_crypto_new(&real), MPP_OK);
	w.crypto = real;
	world_start_service(&w);
	world_run(&w, SECOND);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_end(&w);
	return 0;
}

static const mpp_service_counters *count(void)
{
	return mpp_service_count(w.s);
}

static mpp_err put(const uint8_t *p, size_t len, const mpp_addr *from)
{
	static uint8_t in[MPP_DATAGRAM_MAX];

	memcpy(in, p, len);
	out.n = 0;
	return mpp_service_receive(w.s, (mpp_buf){in, sizeof(in), len}, from,
				   world_now(&w), &out);
}

static size_t make(const struct stun_ask *ask, uint8_t *p)
{
	mpp_buf b = {p, MPP_DATAGRAM_MAX, 0};

	assert_int_equal(stun_request(ask, &b), MPP_OK);
	return b.len;
}

/* Ask, and read the one answer there is. */
static const mpp_datagram *answer_to(const uint8_t *p, size_t len,
				     const mpp_addr *from)
{
	assert_int_equal(put(p, len, from), MPP_OK);
	assert_int_equal(out.n, 1);
	copy = slots[0];
	assert_int_equal(stun_decode((mpp_bytes){copy.data, copy.len}, &said),
			 MPP_OK);
	return &copy;
}

static const mpp_datagram *ask(struct stun_ask a, const mpp_addr *from)
{
	uint8_t p[MPP_DATAGRAM_MAX];

	a.id = id;
	return answer_to(p, make(&a, p), from);
}

static bool same(const mpp_addr *a, const mpp_addr *b)
{
	return a->family == b->family && a->port == b->port &&
	       memcmp(a->ip, b->ip, 16) == 0;
}

static void its_address_and_nothing_else(void **state)
{
	static const struct {
		const mpp_addr *from;
		unsigned has;
		size_t len, answer;
	} rows[] = {
		{&v4, 0, 20, 32},
		{&v6, 0, 20, 44},
		{&v4, STUN_HAS_FINGERPRINT, 28, 40},
		{&v6, STUN_HAS_FINGERPRINT, 28, 52},
	};
	const mpp_datagram *d;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		d = ask((struct stun_ask){.has = rows[i].has}, rows[i].from);
		assert_int_equal(d->len, rows[i].answer);
		assert_true(d->len <= rows[i].len + LONGER);
		assert_int_equal(said.class, STUN_SUCCESS);
		assert_memory_equal(said.id, id, sizeof(id));
		assert_int_equal(said.has, rows[i].has);
		assert_true(same(&said.mapped, rows[i].from));
		assert_int_equal(said.plain.family + said.other.family +
					 said.origin.family,
				 0);
		/* It leaves from the socket that was asked. */
		assert_true(same(&d->to, rows[i].from));
		assert_int_equal(d->to.socket, rows[i].from->socket);
	}
	assert_int_equal(count()->stun, COUNT(rows));
	assert_int_equal(count()->sent, COUNT(rows));
	assert_int_equal(count()->stun_errors, 0);
}

/* A request that is good; `at` and `octet` make it into what is not answered.
 */
static void silence(void **state)
{
	static const struct {
		const char *why;
		size_t at;
		uint8_t octet;
		size_t len;
		mpp_err want;
	} rows[] = {
		{"an indication", 1, 0x11, 28, MPP_ERR_UNSUPPORTED},
		{"a method of TURN", 1, 0x03, 28, MPP_ERR_UNSUPPORTED},
		{"no method", 1, 0x00, 28, MPP_ERR_UNSUPPORTED},
		{"an answer", 0, 0x01, 28, MPP_ERR_UNSUPPORTED},
		{"RFC 3489", 4, 0x20, 28, MPP_ERR_RANGE},
		{"no STUN", 0, 0x40, 28, MPP_ERR_RANGE},
		{"a length that lies", 3, 4, 28, MPP_ERR_TRAILING},
		{"it is cut", 3, 8, 24, MPP_ERR_TRUNCATED},
		{"FINGERPRINT is wrong", 27, 0, 28, MPP_ERR_CHECKSUM},
	};
	const struct stun_ask good = {id, STUN_HAS_FINGERPRINT, 0, 0, 0};
	uint8_t p[MPP_DATAGRAM_MAX];
	uint64_t dropped;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		(void)make(&good, p);
		assert_int_equal(p[3], 8);
		p[rows[i].at] = rows[i].octet;
		/* What can be right is right. */
		if (rows[i].want == MPP_ERR_UNSUPPORTED)
			memcpy(p + 20, "\x80\x22\0\4", 4);
		dropped = count()->drop_stun + count()->drop_short;
		if (put(p, rows[i].len, &v4) != rows[i].want)
			fail_msg("%s", rows[i].why);
		assert_int_equal(out.n, 0);
		assert_int_equal(count()->drop_stun + count()->drop_short,
				 dropped + 1);
		(void)answer_to(p, make(&good, p), &v4);
	}
	assert_int_equal(count()->drop_short, 2);
	assert_int_equal(count()->stun, COUNT(rows));
}

/* What it answers is no question, for nobody. */
static void no_talk_between_servers(void **state)
{
	const mpp_datagram *d = ask((struct stun_ask){.has = 0}, &v4);

	(void)state;
	assert_int_equal(put(d->data, d->len, &v4), MPP_ERR_UNSUPPORTED);
	assert_int_equal(out.n, 0);
}

static void put_be(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* However many there are, the answer names at most sixteen, and is hardly
 * longer than the request. */
static void unknown_attributes(void **state)
{
	const struct stun_ask good = {id, 0, 0, 0, 0};
	uint8_t p[MPP_DATAGRAM_MAX];
	const mpp_datagram *d;
	size_t n;

	(void)state;
	for (n = 1; n <= 40; n++) {
		(void)make(&good, p);
		put_be(p + 2, (unsigned)(4 * n));
		put_be(p + 16 + 4 * n, (unsigned)(0x7000 + n));
		put_be(p + 18 + 4 * n, 0);
		for (size_t i = 1; i < n; i++) {
			put_be(p + 16 + 4 * i, (unsigned)(0x7000 + i));
			put_be(p + 18 + 4 * i, 0);
		}
		d = answer_to(p, 20 + 4 * n, &v4);
		assert_int_equal(said.class, STUN_ERROR);
		assert_int_equal(said.error, STUN_UNKNOWN_ATTRIBUTE);
		assert_memory_equal(said.reason.p, "Unknown Attribute", 17);
		assert_int_equal(said.mapped.family, 0);
		assert_true(d->len <= 20 + 4 * n + LONGER);
		/* ERROR-CODE has 28 octets, then head, length, and the list. */
		assert_memory_equal(d->data + 48, "\0\x0a\0", 3);
		assert_int_equal(d->data[51], 2 * (n < 16 ? n : 16));
		assert_memory_equal(d->data + 52, "\x70\1", 2);
	}
	assert_int_equal(count()->stun_errors, 40);
	/* Optional ones are skipped. */
	(void)make(&good, p);
	put_be(p + 2, 4);
	put_be(p + 20, 0x8123);
	put_be(p + 22, 0);
	(void)answer_to(p, 24, &v4);
	assert_int_equal(said.class, STUN_SUCCESS);
}

/* Without the sockets for it, what RFC 5780 asks for is not known. */
static void without_alternate(void **state)
{
	static const struct {
		struct stun_ask ask;
		unsigned type;
	} rows[] = {
		{{NULL, STUN_HAS_CHANGE, 0, 0, 0}, 0x0003},
		{{NULL, STUN_HAS_CHANGE, STUN_CHANGE_PORT, 0, 0}, 0x0003},
		{{NULL, STUN_HAS_PADDING, 0, 0, 64}, 0x0026},
		{{NULL, STUN_HAS_RESPONSE_PORT, 0, 5000, 0}, 0x0027},
	};
	const mpp_datagram *d;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		d = ask(rows[i].ask, &v4);
		assert_int_equal(said.error, STUN_UNKNOWN_ATTRIBUTE);
		assert_int_equal(d->data[53], rows[i].type);
		assert_true(same(&d->to, &v4) && d->to.socket == v4.socket);
	}
}

/* ---- RFC 5780 ---- */

#define AT4(last, port, socket)                       \
	{                                             \
		{198, 51, 100, last}, port, 4, socket \
	}
#define AT6(last, port, socket)                                    \
	{                                                          \
		{0x20, 1, 0xd, 0xb8, [15] = last}, port, 6, socket \
	}

static const mpp_addr fours[2][4] = {
	{AT4(1, 15099, 0), AT4(1, 15100, 4), AT4(2, 15099, 5),
	 AT4(2, 15100, 6)},
	{AT6(1, 15099, 1), AT6(1, 15100, 7), AT6(2, 15099, 8),
	 AT6(2, 15100, 9)},
};

static void change_of(int family, unsigned i, unsigned flags)
{
	/* Table 1 of RFC 5780 6.1, as indexes. */
	const unsigned port = (flags & STUN_CHANGE_PORT) != 0 ? 1 : 0;
	const unsigned ip = (flags & STUN_CHANGE_IP) != 0 ? 2 : 0;
	const mpp_addr *four = fours[family];
	mpp_addr from = family == 0 ? v4 : v6;
	const mpp_datagram *d;

	from.socket = four[i].socket;
	w.now += SECOND;
	d = ask((struct stun_ask){.has = STUN_HAS_CHANGE, .change = flags},
		&from);
	assert_int_equal(said.class, STUN_SUCCESS);
	assert_true(same(&said.mapped, &from) && same(&said.plain, &from));
	assert_true(same(&said.origin, &four[i ^ port ^ ip]));
	assert_true(same(&said.other, &four[i ^ 3]));
	assert_true(same(&d->to, &from));
	assert_int_equal(d->to.socket, four[i ^ port ^ ip].socket);
	assert_true(d->len <= 28 + (family == 0 ? LONGER_4 : LONGER_6));
}

static void four_sockets(void **state)
{
	mpp_addr elsewhere = v4;
	unsigned i, flags;

	(void)state;
	assert_int_equal(mpp_service_stun_four(w.s, fours[0]), MPP_OK);
	/* One family need not have what the other has. */
	elsewhere = v6;
	elsewhere.socket = fours[1][0].socket;
	(void)ask((struct stun_ask){.has = STUN_HAS_CHANGE}, &elsewhere);
	assert_int_equal(said.error, STUN_UNKNOWN_ATTRIBUTE);
	assert_int_equal(mpp_service_stun_four(w.s, fours[1]), MPP_OK);
	for (i = 0; i < 4; i++) {
		for (flags = 0; flags <= 6; flags += 2) {
			change_of(0, i, flags);
			change_of(1, i, flags);
		}
	}
	/* Another socket is none of them. */
	elsewhere = v4;
	(void)ask((struct stun_ask){.has = 0}, &elsewhere);
	assert_int_equal(said.other.family, 0);
	assert_int_equal(mpp_service_stun_four(w.s, fours[1]), MPP_ERR_INVALID);
}

static void response_port_and_padding(void **state)
{
	static const struct {
		struct stun_ask ask;
		unsigned error;
		unsigned port;
		size_t padding;
	} rows[] = {
		{{NULL, STUN_HAS_RESPONSE_PORT, 0, 5000, 0}, 0, 5000, 0},
		{{NULL, STUN_HAS_RESPONSE_PORT, 0, 1024, 0}, 0, 1024, 0},
		{{NULL, STUN_HAS_RESPONSE_PORT, 0, 1023, 0}, 400, 32853, 0},
		{{NULL, STUN_HAS_RESPONSE_PORT, 0, 0, 0}, 400, 32853, 0},
		{{NULL, STUN_HAS_PADDING, 0, 0, 0}, 0, 32853, 0},
		{{NULL, STUN_HAS_PADDING, 0, 0, 400}, 0, 32853, 400},
		{{NULL, STUN_HAS_RESPONSE_PORT | STUN_HAS_PADDING, 0, 5000, 8},
		 400,
		 32853,
		 0},
	};
	mpp_addr from = v4;
	const mpp_datagram *d;
	size_t i;

	(void)state;
	from.socket = 0;
	assert_int_equal(mpp_service_stun_four(w.s, fours[0]), MPP_OK);
	for (i = 0; i < COUNT(rows); i++) {
		d = ask(rows[i].ask, &from);
		assert_int_equal(said.error, rows[i].error);
		assert_int_equal(d->to.port, rows[i].port);
		/* Whatever the port: it is the host that asked. */
		assert_memory_equal(d->to.ip, from.ip, 16);
		assert_int_equal(said.padding, rows[i].padding);
		assert_int_equal(said.mapped.port,
				 rows[i].error == 0 ? 32853 : 0);
	}
	assert_int_equal(count()->stun_errors, 3);
}

/* A packet that no path of Ethernet takes in one piece, either way; and the
 * longest request there can be, whose answer is no longer than a datagram. */
static void as_much_padding_as_there_is_room(void **state)
{
	static const struct {
		size_t padding, len, answer;
	} rows[] = {
		{1500, 1532, 1628},
		{1632, MPP_DATAGRAM_MAX, MPP_DATAGRAM_MAX},
	};
	mpp_addr from = v6;
	uint8_t p[MPP_DATAGRAM_MAX];
	struct stun_ask a = {id, STUN_HAS_PADDING | STUN_HAS_FINGERPRINT, 0, 0,
			     0};
	const mpp_datagram *d;
	size_t i, len;

	(void)state;
	from.socket = fours[1][0].socket;
	assert_int_equal(mpp_service_stun_four(w.s, fours[1]), MPP_OK);
	for (i = 0; i < COUNT(rows); i++) {
		a.padding = rows[i].padding;
		len = make(&a, p);
		assert_int_equal(len, rows[i].len);
		d = answer_to(p, len, &from);
		assert_int_equal(said.class, STUN_SUCCESS);
		assert_int_equal(d->len, rows[i].answer);
	}
}

/* Only STUN is ever longer than a packet. */
static void a_long_datagram_is_no_packet(void **state)
{
	static uint8_t p[MPP_DATAGRAM_MAX];

	(void)state;
	assert_int_equal(put(p, MPP_PACKET_MAX + 1, &v4), MPP_ERR_RANGE);
	p[0] = 77;
	assert_int_equal(put(p, MPP_DATAGRAM_MAX, &v4), MPP_ERR_RANGE);
	assert_int_equal(put(p, MPP_PACKET_MAX, &v4), MPP_ERR_STRANGER);
	assert_int_equal(count()->drop_short, 2);
}

static void impossible_fours(void **state)
{
	mpp_addr at[4];
	unsigned i, k;

	(void)state;
	for (i = 0; i < 4; i++) {
		for (k = 0; k < 4; k++) {
			memcpy(at, fours[0], sizeof(at));
			at[i].family = k == 0 ? 6 : at[i].family;
			at[i].port = (uint16_t)(k == 1 ? 0 : at[i].port);
			at[i].port = (uint16_t)(k == 2 ? 1 : at[i].port);
			at[i].ip[3] = k == 3 ? 9 : at[i].ip[3];
			assert_int_equal(mpp_service_stun_four(w.s, at),
					 MPP_ERR_INVALID);
		}
	}
	/* One address, or one port, is not enough. */
	for (i = 0; i < 4; i++)
		at[i] = fours[0][i & 1];
	assert_int_equal(mpp_service_stun_four(w.s, at), MPP_ERR_INVALID);
	for (i = 0; i < 4; i++)
		at[i] = fours[0][i & 2];
	assert_int_equal(mpp_service_stun_four(w.s, at), MPP_ERR_INVALID);
	(void)ask((struct stun_ask){.has = 0}, &v4);
	assert_int_equal(said.other.family, 0);
	assert_int_equal(mpp_service_stun_four(w.s, fours[0]), MPP_OK);
}

/* ---- how often ---- */

static unsigned answered(const mpp_addr *from, unsigned n)
{
	const struct stun_ask a = {id, 0, 0, 0, 0};
	uint8_t p[MPP_DATAGRAM_MAX];
	const size_t len = make(&a, p);
	unsigned yes = 0;

	while (n-- > 0) {
		const mpp_err err = put(p, len, from);

		assert_true(err == MPP_OK || err == MPP_ERR_LIMIT);
		assert_int_equal(out.n, err == MPP_OK);
		yes += err == MPP_OK;
	}
	return yes;
}

static void rate_of_an_address(void **state)
{
	mpp_addr other = v4;
	unsigned i, yes = 0;

	(void)state;
	assert_int_equal(answered(&v4, 200), 50);
	assert_int_equal(count()->stun_limited, 150);
	assert_int_equal(count()->stun, 50);
	/* Its other ports are the same host, its neighbours are not. */
	other.port++;
	assert_int_equal(answered(&other, 1), 0);
	other.ip[3]++;
	assert_int_equal(answered(&other, 50), 50);
	w.now += 20000;
	assert_int_equal(answered(&v4, 10), 1);
	for (i = 0; i < 2000; i++) {
		w.now += 5000;
		yes += answered(&v4, 1);
	}
	assert_int_equal(yes, 500);
}

static void rate_of_a_prefix(void **state)
{
	static const struct {
		mpp_addr at;
		unsigned host, net; /* octets that count up */
	} rows[] = {
		{{{192, 0, 2, 0}, 1, 4, 0}, 3, 2},
		{{{0x20, 1, 0xd, 0xb8, 0, 0, 7}, 1, 6, 0}, 7, 6},
	};
	unsigned i, k, yes;
	mpp_addr from;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		from = rows[i].at;
		for (k = yes = 0; k < 200; k++) {
			from.ip[rows[i].host] = (uint8_t)k;
			yes += answered(&from, 50);
		}
		assert_int_equal(yes, 5000);
		w.now += 1000;
		assert_int_equal(answered(&from, 50), 5);
		from.ip[rows[i].net]++;
		assert_int_equal(answered(&from, 50), 50);
	}
}

static void configured_rates(void **state)
{
	mpp_addr from = v4;
	unsigned k, yes;

	(void)state;
	w.config.stun_address = 3;
	w.config.stun_prefix = 10;
	world_stop_service(&w);
	world_start_service(&w);
	assert_int_equal(answered(&from, 20), 3);
	for (k = yes = 0; k < 20; k++) {
		from.ip[3]++;
		yes += answered(&from, 20);
	}
	assert_int_equal(yes, 7);
	w.config.stun_off = true;
	world_stop_service(&w);
	world_start_service(&w);
	(void)put((const uint8_t *)"\0\1\0\0\x21\x12\xa4\x42"
				   "abcdefghijkl",
		  20, &v4);
	assert_int_equal(out.n, 0);
	assert_int_equal(count()->drop_stun, 1);
	w.config.stun_off = false;
	w.config.stun_address = 100001;
	assert_int_equal(mpp_service_size(&w.config), 0);
	w.config.stun_address = 0;
	w.config.stun_prefix = 1000001;
	assert_int_equal(mpp_service_size(&w.config), 0);
}

static void no_room(void **state)
{
	const struct stun_ask a = {id, 0, 0, 0, 0};
	uint8_t p[MPP_DATAGRAM_MAX];
	const size_t len = make(&a, p);
	mpp_outbox full = {slots, 0, 0};

	(void)state;
	assert_int_equal(mpp_service_receive(w.s, (mpp_buf){p, sizeof(p), len},
					     &v4, world_now(&w), &full),
			 MPP_ERR_NOSPACE);
	assert_int_equal(full.n, 0);
	assert_int_equal(count()->no_room, 1);
}

/* ---- floods ---- */

static void used(uint32_t n[16])
{
	mpp_pool_info p;
	unsigned i;

	memset(n, 0, 16 * sizeof(*n));
	for (i = 0; mpp_service_pool(w.s, i, &p) && i < 16; i++)
		n[i] = p.used;
}

/* From all over the world, and from the address of a device. */
static size_t flood(unsigned n)
{
	const mpp_addr device = w.d[0].addr;
	const struct stun_ask a = {id, 0, 0, 0, 0};
	uint8_t p[MPP_DATAGRAM_MAX];
	const size_t len = make(&a, p);
	size_t yes = 0;
	unsigned i;

	for (i = 0; i < n; i++) {
		const uint64_t r = world_random(&w);
		const mpp_addr from = {{(uint8_t)r, (uint8_t)(r >> 8),
					(uint8_t)(r >> 16), (uint8_t)(r >> 24)},
				       (uint16_t)(r >> 32),
				       4,
				       0};

		/* Now and then something is wrong with it. */
		p[3] = (uint8_t)(i % 8 == 0 ? r >> 48 : 0);
		(void)put(p, len, i % 2 == 0 ? &from : &device);
		assert_true(out.n <= 1);
		assert_true(out.n == 0 || slots[0].len <= len + LONGER);
		yes += out.n;
	}
	return yes;
}

static void a_flood_leaves_nothing_and_hinders_nobody(void **state)
{
	uint32_t before[16], after[16];
	size_t allocated, told, yes;
	void *p;

	(void)state;
	world_subscribed(&w, "alice@example.com", 0, 1);
	world_run(&w, 20 * SECOND);
	used(before);
	allocated = allocations;
	yes = flood(FLOOD);
	assert_int_equal(allocations - allocated, 0);
	used(after);
	assert_memory_equal(before, after, sizeof(before));
	/* Strangers are answered, however many they are; the device's address
	 * is beyond its rate, and the device does not notice. */
	assert_in_range(yes, FLOOD / 3, FLOOD / 2);
	assert_true(count()->stun_limited > FLOOD / 3);
	told = w.d[0].n_told;
	world_publish(&w, "alice@example.com", "mail", 7);
	world_run(&w, SECOND / 2);
	assert_true(w.d[0].n_told > told);
	assert_int_equal(w.d[0].told[told].kind, MPP_EV_PUBLICATION);
	/* The counter counts. */
	p = malloc(1);
	assert_true(allocations > allocated);
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		CASE(its_address_and_nothing_else),
		CASE(silence),
		CASE(no_talk_between_servers),
		CASE(unknown_attributes),
		CASE(without_alternate),
		CASE(four_sockets),
		CASE(response_port_and_padding),
		CASE(as_much_padding_as_there_is_room),
		CASE(a_long_datagram_is_no_packet),
		CASE(impossible_fours),
		CASE(rate_of_an_address),
		CASE(rate_of_a_prefix),
		CASE(configured_rates),
		CASE(no_room),
		CASE(a_flood_leaves_nothing_and_hinders_nobody),
#undef CASE
	};

	return cmocka_run_group_tests(tests, start_counting, NULL);
}
