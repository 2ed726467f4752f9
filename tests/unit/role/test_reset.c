/* SPDX-License-Identifier: MIT */
/* Stateless reset: a client whose connection the service has lost knows it at
 * once, and nobody else learns or can do anything by it. */
#include "world.h"

#include "rud/packet.h"

static const char alice[] = "alice@example.com";

static struct world w;

/* What the network saw. */
static struct flying last_in, last_out;
static unsigned resets;
static size_t longest_reset;

static int watch(struct world *world, const struct flying *f)
{
	static const uint8_t zero[16];

	(void)world;
	if (f->to_service && memcmp(f->data, zero, sizeof(zero)) != 0)
		last_in = *f;
	if (!f->to_service) {
		last_out = *f;
		if (f->len < PACKET_OVERHEAD) {
			resets++;
			longest_reset = f->len > longest_reset ? f->len
							       : longest_reset;
		}
	}
	return 0;
}

static int setup(void **state)
{
	(void)state;
	world_init(&w, 5);
	w.drop = watch;
	resets = 0;
	longest_reset = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_end(&w);
	return 0;
}

/* A datagram to the service, as it is; what it answered is in *out. */
static mpp_err put(const uint8_t *data, size_t len, mpp_addr from,
		   mpp_outbox *out)
{
	static uint8_t copy[MPP_PACKET_MAX];

	memcpy(copy, data, len);
	out->n = 0;
	return mpp_service_receive(w.s, (mpp_buf){copy, sizeof(copy), len},
				   &from, world_now(&w), out);
}

static const mpp_addr stranger = {{192, 0, 2, 1}, 7, 4, 0};

static void test_back_at_once_after_a_restart(void **state)
{
	uint64_t before;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	world_run(&w, 5000000);
	assert_int_equal(resets, 0);
	world_stop_service(&w);
	world_start_service(&w);
	/* The next heartbeat is at most 20 s away. */
	before = w.now;
	while (resets == 0 && w.now - before < 25000000)
		world_run(&w, 1000);
	assert_int_equal(resets, 1);
	assert_int_equal(mpp_service_count(w.s)->resets, 1);
	assert_true(longest_reset >= RESET_MIN && longest_reset <= RESET_MAX);
	assert_true(longest_reset < last_in.len);
	/* Half a round trip for it, then two for the new connection. */
	world_run(&w, 150000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_LOST), 1);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 2);
	assert_int_equal(resets, 1);
}

/* Each reset has another length and other octets before the token. */
static void test_looks_like_noise(void **state)
{
	static mpp_datagram slots[4];
	mpp_outbox out = {slots, 4, 0};
	uint8_t first[RESET_MAX];
	size_t lengths[RESET_MAX + 1] = {0}, i, kinds = 0;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	world_stop_service(&w);
	world_start_service(&w);
	for (i = 0; i < 200; i++) {
		assert_int_equal(put(last_in.data, last_in.len, stranger, &out),
				 MPP_ERR_STRANGER);
		assert_int_equal(out.n, 1);
		assert_in_range(slots[0].len, RESET_MIN, RESET_MAX);
		lengths[slots[0].len]++;
		if (i == 0)
			memcpy(first, slots[0].data, RESET_MIN);
		else
			assert_memory_not_equal(first, slots[0].data, 16);
		w.now += 100000; /* what the bucket allows */
	}
	for (i = 0; i <= RESET_MAX; i++)
		kinds += lengths[i] != 0;
	assert_int_equal(kinds, RESET_MAX - RESET_MIN + 1);
}

/* Octets that this service did not make as an identifier, packets that are
 * too short, and packets of a live connection that do not open. */
static void test_silence(void **state)
{
	static mpp_datagram slots[4];
	mpp_outbox out = {slots, 4, 0};
	uint8_t noise[200];
	unsigned i, k;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	last_in.data[40] ^= 1;
	put(last_in.data, last_in.len, stranger, &out);
	assert_int_equal(out.n, 0);
	for (i = 0; i < 2000; i++) {
		for (k = 0; k < sizeof(noise); k++)
			noise[k] = (uint8_t)world_random(&w);
		put(noise, sizeof(noise), stranger, &out);
		assert_int_equal(out.n, 0);
	}
	world_stop_service(&w);
	world_start_service(&w);
	put(last_in.data, 63, stranger, &out);
	assert_int_equal(out.n, 0);
	/* One octet more, and it is answered. */
	put(last_in.data, 64, stranger, &out);
	assert_int_equal(out.n, 1);
	assert_int_equal(mpp_service_count(w.s)->resets, 1);
}

/* One prefix gets twenty at once and ten a second; others are not held back
 * by it. */
static void test_bucket(void **state)
{
	static mpp_datagram slots[4];
	mpp_outbox out = {slots, 4, 0};
	mpp_addr from = stranger;
	unsigned i, answered = 0;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	world_stop_service(&w);
	world_start_service(&w);
	for (i = 0; i <= 1000; i++) {
		from.ip[3] = (uint8_t)i;
		put(last_in.data, last_in.len, from, &out);
		answered += out.n != 0;
		w.now += 1000;
	}
	assert_int_equal(answered, 30);
	from.ip[2]++;
	put(last_in.data, last_in.len, from, &out);
	assert_int_equal(out.n, 1);
	w.now += 60000000;
	from.ip[2]--;
	for (i = answered = 0; i < 100; i++) {
		put(last_in.data, last_in.len, from, &out);
		answered += out.n != 0;
	}
	assert_int_equal(answered, 20);
}

/* The token is what counts: with a wrong bit anywhere in it nothing happens,
 * and the right one counts once. */
static void test_forged(void **state)
{
	struct flying reset;
	uint8_t copy[MPP_PACKET_MAX];
	unsigned bit;
	mpp_err err;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	world_stop_service(&w);
	world_start_service(&w);
	w.d[0].deaf = true;
	while (resets == 0)
		world_run(&w, 1000);
	reset = last_out;
	w.n_fly = 0; /* it is lost on the way */
	for (bit = 0; bit < 8 * RESET_TOKEN_LEN; bit++) {
		memcpy(copy, reset.data, reset.len);
		copy[reset.len - 1 - bit / 8] ^= (uint8_t)(1u << bit % 8);
		err = mpp_client_receive(
			w.d[0].c, (mpp_buf){copy, sizeof(copy), reset.len},
			world_now(&w));
		assert_int_equal(err, MPP_ERR_STRANGER);
	}
	memcpy(copy, reset.data, reset.len);
	err = mpp_client_receive(w.d[0].c,
				 (mpp_buf){copy, sizeof(copy), reset.len},
				 world_now(&w));
	assert_int_equal(err, MPP_ERR_CLOSED);
	err = mpp_client_receive(w.d[0].c,
				 (mpp_buf){copy, sizeof(copy), reset.len},
				 world_now(&w));
	assert_int_equal(err, MPP_ERR_STRANGER);
}

/* Packets of a connection that a newer one has replaced are answered by a
 * reset, which does nothing to the newer one. */
static void test_of_an_older_connection(void **state)
{
	static mpp_datagram slots[4];
	mpp_outbox out = {slots, 4, 0};
	struct flying old;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	old = last_in;
	mpp_client_connect(w.d[0].c, world_now(&w));
	world_run(&w, 1000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 2);
	put(old.data, old.len, w.d[0].addr, &out);
	assert_int_equal(out.n, 1);
	assert_int_equal(mpp_client_receive(w.d[0].c,
					    (mpp_buf){slots[0].data,
						      MPP_PACKET_MAX,
						      slots[0].len},
					    world_now(&w)),
			 MPP_ERR_STRANGER);
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 1000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
	assert_int_equal(world_count(&w.d[0], MPP_EV_LOST), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_back_at_once_after_a_restart),
		CASE(test_looks_like_noise),
		CASE(test_silence),
		CASE(test_bucket),
		CASE(test_forged),
		CASE(test_of_an_older_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
