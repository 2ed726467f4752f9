/* SPDX-License-Identifier: MIT */
/* A device that asks a second address of the service while the first one is
 * silent, and goes on with the one that answers first. */
#include "world.h"

#include "rud/connect.h"

static const char alice[] = "alice@example.com";

enum { TYPE_AT = 16, WAIT_US = 300000 };

static struct world w;
static struct flying attempt; /* the last one that was lost */
static unsigned lost;

/* Nothing arrives at the first address. */
static int swallow(struct world *world, const struct flying *f)
{
	(void)world;
	attempt = *f;
	lost++;
	return 1;
}

/* Device 0 knows the service and connects again, to a silent address. */
static int setup(void **state)
{
	(void)state;
	world_init(&w, 12);
	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_ASK);
	world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE);
	world_connect(&w, 0);
	world_run(&w, 2000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 1);
	assert_true(w.d[0].have_key);
	w.d[0].config.have_invitation = false;
	w.drop = swallow;
	lost = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_end(&w);
	return 0;
}

static void connect_in_vain(void)
{
	world_connect(&w, 0);
	world_run(&w, WAIT_US);
	assert_int_equal(lost, 1);
}

/* What the service says to these octets from the device's address. */
static mpp_datagram answer(const uint8_t *data, size_t len)
{
	static mpp_datagram slots[64];
	mpp_outbox out = {slots, 64, 0};
	uint8_t copy[MPP_PACKET_MAX];

	memcpy(copy, data, len);
	(void)mpp_service_receive(w.s, (mpp_buf){copy, sizeof(copy), len},
				  &w.d[0].addr, world_now(&w), &out);
	assert_int_equal(out.n, 1);
	return slots[0];
}

static mpp_datagram probe(void)
{
	uint8_t room[MPP_PACKET_MAX];
	mpp_buf out = {room, sizeof(room), 0};

	assert_int_equal(mpp_client_probe(w.d[0].c, &out), MPP_OK);
	assert_int_equal(out.p[TYPE_AT], RUD_INIT_HELLO);
	return answer(out.p, out.len);
}

static mpp_err hear(mpp_datagram d)
{
	return mpp_client_receive(w.d[0].c,
				  (mpp_buf){d.data, sizeof(d.data), d.len},
				  world_now(&w));
}

static void test_the_address_that_answers_is_used(void **state)
{
	(void)state;
	connect_in_vain();
	assert_int_equal(attempt.data[TYPE_AT], RUD_INIT_EXCHANGE);
	assert_int_equal(hear(probe()), MPP_OK);
	world_run(&w, 1); /* at once, not when the next attempt is due */
	assert_int_equal(lost, 2);
	assert_int_equal(attempt.data[TYPE_AT], RUD_INIT_COMPLETE);
	assert_int_equal(hear(answer(attempt.data, attempt.len)), MPP_OK);
	w.drop = NULL;
	world_run(&w, 2000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 2);
}

/* The first address answers after all, before and behind the second. */
static void test_the_other_one_does_not_count_then(void **state)
{
	mpp_datagram first, second;

	(void)state;
	connect_in_vain();
	first = answer(attempt.data, attempt.len);
	second = probe();
	assert_int_equal(hear(second), MPP_OK);
	assert_int_equal(hear(first), MPP_ERR_STRANGER);

	lost = 0;
	w.now += 1000; /* a newer Timestamp */
	connect_in_vain();
	first = answer(attempt.data, attempt.len);
	second = probe();
	assert_int_equal(hear(first), MPP_OK);
	assert_int_not_equal(hear(second), MPP_OK);
}

static void test_one_of_several_is_enough(void **state)
{
	mpp_datagram one, two;

	(void)state;
	connect_in_vain();
	one = probe();
	two = probe();
	assert_int_equal(hear(two), MPP_OK);
	assert_int_equal(hear(one), MPP_ERR_STRANGER);
	one = probe();
	mpp_client_connect(w.d[0].c, world_now(&w));
	assert_int_equal(hear(one), MPP_ERR_STRANGER);
}

/* Another key than the known one at that address is not told, until what is
 * sent for the connection itself is answered so. */
static void test_another_key_is_told_in_its_turn(void **state)
{
	(void)state;
	w.d[0].key[0] ^= 1;
	connect_in_vain();
	assert_int_equal(hear(probe()), MPP_ERR_KEY_CHANGED);
	world_run(&w, 1);
	assert_int_equal(lost, 1); /* and nothing goes there */
	assert_int_equal(world_count(&w.d[0], MPP_EV_KEY_CHANGED), 0);
	assert_int_equal(hear(answer(attempt.data, attempt.len)),
			 MPP_ERR_KEY_CHANGED);
	world_run(&w, 1);
	assert_int_equal(world_count(&w.d[0], MPP_EV_KEY_CHANGED), 1);
}

/* Only a Challenge says that a service is there which can be used. */
static void test_an_error_is_no_answer(void **state)
{
	uint8_t room[MPP_PACKET_MAX];
	mpp_buf out = {room, sizeof(room), 0};
	mpp_datagram d;

	(void)state;
	connect_in_vain();
	assert_int_equal(mpp_client_probe(w.d[0].c, &out), MPP_OK);
	d = answer(attempt.data, attempt.len);
	memcpy(d.data, out.p + TYPE_AT + 4, 16); /* its reply id */
	assert_int_equal(d.data[16], RUD_RESP_COMPLETE);
	assert_int_equal(hear(d), MPP_ERR_TYPE);
	assert_int_equal(hear(answer(out.p, out.len)), MPP_OK);
}

static void test_only_while_it_connects(void **state)
{
	uint8_t room[MPP_PACKET_MAX];
	mpp_buf out = {room, sizeof(room), 0};

	(void)state;
	assert_int_equal(mpp_client_probe(w.d[0].c, &out), MPP_ERR_STATE);
	connect_in_vain();
	out.cap--;
	assert_int_equal(mpp_client_probe(w.d[0].c, &out), MPP_ERR_NOSPACE);
	out.cap++;
	assert_int_equal(mpp_client_probe(w.d[0].c, &out), MPP_OK);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_the_address_that_answers_is_used),
		CASE(test_the_other_one_does_not_count_then),
		CASE(test_one_of_several_is_enough),
		CASE(test_another_key_is_told_in_its_turn),
		CASE(test_an_error_is_no_answer),
		CASE(test_only_while_it_connects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
