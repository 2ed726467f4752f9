/* SPDX-License-Identifier: MIT */
/* Floods: what strangers send allocates nothing, here or in the libraries, is
 * answered with no more octets, and leaves nothing behind. */
#include "counting.h"
#include "world.h"

#include "role/service.h"

static const char alice[] = "alice@example.com";

#define SECOND UINT64_C(1000000)

enum { FLOOD = 100000, KINDS = 6 };

static struct world w;
static struct flying exchange, ticket, data;
static bool catch; /* first packets go no further */

static int watch(struct world *world, const struct flying *f)
{
	const bool first = memcmp(f->data, (uint8_t[16]){0}, 16) == 0;

	(void)world;
	if (!f->to_service)
		return 0;
	if (!first)
		data = *f;
	else if (f->data[16] == RUD_INIT_TICKET)
		ticket = *f;
	else
		exchange = *f;
	return first && catch;
}

static int setup(void **state)
{
	mpp_crypto real;
	unsigned i;

	(void)state;
	world_init(&w, 77);
	for (i = 0; i < MPP_TOKEN_KEY_LEN; i++)
		w.secrets.token.key[i] = (uint8_t)world_random(&w);
	world_stop_service(&w);
	mpp_crypto_free(&w.crypto);
	assert_int_equal(mpp_crypto_new(&real), MPP_OK);
	w.crypto = real;
	world_start_service(&w);
	w.drop = watch;
	catch = false;
	world_subscribed(&w, alice, 0, 1);
	w.d[0].config.have_invitation = false;
	world_run(&w, 60 * SECOND);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_end(&w);
	return 0;
}

/* A Ticket and an Exchange of the device that did not arrive, a data packet
 * that did. */
static void record(void)
{
	catch = true;
	world_connect(&w, 0);
	world_run(&w, 4 * SECOND);
	catch = false;
	assert_true(exchange.len != 0 && ticket.len != 0 && data.len != 0);
	assert_int_equal(exchange.data[16], RUD_INIT_EXCHANGE);
	free(w.d[0].c);
	w.d[0].c = NULL;
}

static struct flying made(unsigned kind)
{
	struct flying f = kind == 3 ? ticket : kind >= 4 ? data : exchange;
	unsigned i;

	if (kind == 1) { /* Hello: everything behind its head is empty */
		memset(f.data + 37, 0, f.len - 37);
		f.data[16] = RUD_INIT_HELLO;
		f.data[18] = 0;
		memcpy(f.data + 37, "\x81\1\1\xff\0", 5);
	} else if (kind == 2) {
		f.data[16] = RUD_INIT_COMPLETE; /* without a response */
	} else if (kind == 5) {
		f.len = 20 + world_random(&w) % 1400;
		for (i = 0; i < f.len; i++)
			f.data[i] = (uint8_t)world_random(&w);
	}
	return f;
}

static bool from_somewhere(unsigned kind, uint64_t n, size_t *answered)
{
	static mpp_datagram slots[4];
	mpp_outbox out = {slots, 4, 0};
	struct flying f = made(kind);
	mpp_addr from = {{100, (uint8_t)(n >> 16), (uint8_t)(n >> 8),
			  (uint8_t)n},
			 (uint16_t)(1024 + n % 60000),
			 4,
			 0};

	(void)mpp_service_receive(w.s, (mpp_buf){f.data, f.len, f.len}, &from,
				  world_now(&w), &out);
	*answered += out.n;
	return out.n == 0 || (out.n == 1 && slots[0].len <= f.len);
}

static void used(uint32_t out[16])
{
	mpp_pool_info p;
	unsigned i;

	for (i = 0; mpp_service_pool(w.s, i, &p) && i < 16; i++)
		out[i] = p.used;
}

static void a_hundred_thousand_packets_allocate_nothing(void **state)
{
	uint32_t before[16] = {0}, after[16] = {0};
	size_t n, answered = 0, allocated;
	uint64_t i;

	(void)state;
	record();
	/* Spend the budget, so that all that follow are beyond it. */
	for (i = 0; i < 1000; i++)
		assert_true(from_somewhere(0, i << 8, &answered));
	used(before);
	allocated = allocations;
	for (n = 0; n < FLOOD; n++)
		assert_true(
			from_somewhere((unsigned)(n % KINDS), n, &answered));
	assert_int_equal(allocations - allocated, 0);
	used(after);
	assert_memory_equal(before, after, sizeof(before));
	/* They were looked at: most of those of the first kinds are answered. */
	assert_true(answered > FLOOD / 3);
	/* The counter counts: a handshake makes key objects in OpenSSL. */
	w.now += SECOND;
	assert_true(from_somewhere(0, 1, &answered));
	assert_true(allocations > allocated);
}

/* Whoever has a device's key invents instances, and answers Challenges. */
static void handshakes_of_one_key_leave_nothing_behind(void **state)
{
	uint32_t before[16] = {0}, now[16] = {0};
	struct world_device *d = &w.d[0];
	size_t answered = 0;
	unsigned i;

	(void)state;
	w.config.handshakes = 0;
	used(before);
	catch = true;
	d->token_len = 0;
	for (i = 0; i < 2000; i++) {
		memcpy(d->config.instance, &i, sizeof(i));
		world_connect(&w, 0);
		world_client(&w, 0);
		w.now += SECOND / 2;
		assert_true(from_somewhere(0, (uint64_t)i << 8, &answered));
		used(now);
		assert_in_range(now[0], before[0], before[0] + 8);
		assert_in_range(now[1], 0, 8);
	}
	free(d->c);
	d->c = NULL;
	assert_int_equal(answered, 2000);
	world_run(&w, 11 * SECOND);
	used(now);
	assert_int_equal(now[1], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		CASE(a_hundred_thousand_packets_allocate_nothing),
		CASE(handshakes_of_one_key_leave_nothing_behind),
#undef CASE
	};

	return cmocka_run_group_tests(tests, start_counting, NULL);
}
