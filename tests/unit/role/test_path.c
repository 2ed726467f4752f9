/* SPDX-License-Identifier: MIT */
/* Where a device is: NAT rebinding and roaming without a new handshake, and
 * what somebody who only sends on packets cannot do. */
#include "world.h"

static const char alice[] = "alice@example.com";
static const mpp_addr elsewhere = {{10, 0, 0, 1}, 41000, 4, 0};
static const mpp_addr stranger = {{192, 0, 2, 1}, 7, 4, 0};

static struct world w;

enum { SHORTEST = 112 }; /* a challenge, as an empty answer */

/* What the service sent where. */
static size_t to_old, to_new, to_stranger;
static bool keep_back;     /* what the device sends is held, */
static struct flying held; /* the newest of it */
static unsigned n_held;
static bool lose_challenges; /* until the device connects anew */
static bool lose_new;        /* nothing arrives at the new address */

static bool at(const mpp_addr *a, const mpp_addr *b)
{
	return a->port == b->port && memcmp(a->ip, b->ip, 16) == 0;
}

static int watch(struct world *world, const struct flying *f)
{
	if (f->to_service && keep_back) {
		held = *f;
		n_held++;
		return 1;
	}
	if (f->to_service && f->data[0] == 0 && f->len == MPP_PACKET_SIZE)
		lose_challenges = false;
	if (!f->to_service && lose_challenges && f->len == SHORTEST)
		return 1;
	return !f->to_service && lose_new && at(&world->d[0].addr, &elsewhere);
}

static int setup(void **state)
{
	(void)state;
	world_init(&w, 7);
	w.drop = watch;
	to_old = to_new = to_stranger = 0;
	keep_back = lose_new = lose_challenges = false;
	n_held = 0;
	world_subscribed(&w, alice, 0, 1);
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

static uint32_t trials(void)
{
	mpp_pool_info p;
	unsigned i;

	for (i = 0; mpp_service_pool(w.s, i, &p); i++) {
		if (strcmp(p.name, "paths") == 0)
			return p.used;
	}
	fail();
	return 0;
}

static mpp_connection_info connection(void)
{
	mpp_account_info a;
	mpp_device_info d;
	mpp_connection_info c;
	uint32_t cursor = 0, k = 0;

	assert_true(mpp_service_account_find(w.s, bytes_of(alice), &a));
	assert_true(mpp_service_device_next(w.s, &a, &cursor, &d));
	assert_true(
		mpp_service_connection_next(w.s, &d, &k, world_now(&w), &c));
	return c;
}

/* The device says something now; a Status request, which changes nothing. */
static void speak(void)
{
	uint32_t request;

	assert_int_equal(mpp_client_status(w.d[0].c, world_now(&w), &request),
			 MPP_OK);
	world_client(&w, 0);
}

/* A held packet arrives from this address; its answers are counted and, if
 * the device is there, delivered. */
static mpp_err arrive(const struct flying *f, mpp_addr from)
{
	static mpp_datagram slots[16];
	mpp_outbox out = {slots, 16, 0};
	static uint8_t copy[MPP_PACKET_MAX];
	const mpp_addr old = {{10, 0, 0, 1}, 40000, 4, 0};
	mpp_err err;
	size_t i;

	memcpy(copy, f->data, f->len);
	err = mpp_service_receive(w.s, (mpp_buf){copy, sizeof(copy), f->len},
				  &from, world_now(&w), &out);
	for (i = 0; i < out.n; i++) {
		to_old += at(&slots[i].to, &old) ? slots[i].len : 0;
		to_new += at(&slots[i].to, &elsewhere) ? slots[i].len : 0;
		to_stranger += at(&slots[i].to, &stranger) ? slots[i].len : 0;
	}
	world_outbox(&w, &out);
	return err;
}

static void test_rebinding(void **state)
{
	(void)state;
	world_run(&w, 5000000);
	w.d[0].addr = elsewhere;
	speak();
	world_run(&w, 200000);
	assert_int_equal(count()->moved, 1);
	assert_int_equal(connection().endpoint.port, elsewhere.port);
	/* What was measured on the old path says nothing of the new one. */
	assert_int_equal(connection().rtt_us, 0);
	assert_int_equal(trials(), 0);
	keep_back = true;
	world_publish(&w, alice, "mmm_Inbound", 0);
	world_run(&w, 900000);
	assert_int_equal(count()->repeats, 0);
	world_run(&w, 200000);
	assert_int_equal(count()->repeats, 1);
	keep_back = false;
	world_run(&w, 2000000);
	w.d[0].n_told = 1; /* what was told when it connected */
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 200000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
	assert_int_equal(world_last(&w.d[0], MPP_EV_PUBLICATION)->endpoint.port,
			 elsewhere.port);
	/* And it goes on without a new connection. */
	world_run(&w, 120000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 1);
	assert_int_equal(count()->handshakes, 1);
}

/* By the next heartbeat, without anybody doing anything. */
static void test_rebinding_is_noticed_by_a_heartbeat(void **state)
{
	(void)state;
	w.d[0].addr = elsewhere;
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 21000000);
	assert_int_equal(count()->moved, 1);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 1);
	assert_int_equal(world_acknowledged(&w, alice),
			 world_last(&w.d[0], MPP_EV_PUBLICATION)->serial);
}

static void test_other_family(void **state)
{
	(void)state;
	w.d[0].addr = (mpp_addr){{0x20, 1, 0xd, 0xb8, 1}, 41000, 6, 1};
	speak();
	world_run(&w, 200000);
	assert_int_equal(count()->moved, 1);
	assert_int_equal(connection().endpoint.family, 6);
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 200000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
}

/* The new path works in one direction only: publications stay on the old one,
 * the challenges end after eight, and never more than three times as much
 * goes there as came. */
static void test_unproved(void **state)
{
	(void)state;
	keep_back = true;
	speak();
	keep_back = false;
	assert_int_equal(n_held, 1);
	assert_int_equal(arrive(&held, elsewhere), MPP_OK);
	assert_int_equal(trials(), 1);
	assert_true(to_new > 0 && to_new <= 3 * held.len);
	assert_true(to_old > 0); /* it is asked as well */
	assert_int_equal(connection().endpoint.port, 40000);
	/* The device itself is at the old address and answers from there. */
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 300000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
	assert_int_equal(trials(), 0);
	assert_int_equal(count()->moved, 0);
}

/* Nobody answers: the challenges end after eight, and the new address gets no
 * more than three times what came from it. */
static void test_challenges_end(void **state)
{
	static mpp_datagram slots[16];
	const mpp_addr old = w.d[0].addr;
	mpp_outbox out = {slots, 16, 0};
	unsigned challenges_to_old = 0;
	size_t i;

	(void)state;
	keep_back = true;
	speak();
	arrive(&held, elsewhere);
	assert_int_equal(trials(), 1);
	while (trials() != 0) {
		w.now = mpp_service_deadline(w.s).us;
		mpp_service_poll(w.s, world_now(&w), &out);
		for (i = 0; i < out.n; i++) {
			if (at(&slots[i].to, &elsewhere))
				to_new += slots[i].len;
			challenges_to_old += at(&slots[i].to, &old);
		}
		out.n = 0;
	}
	/* One when it began; probes of the lease come after the trial. */
	assert_int_equal(challenges_to_old + 1, 8);
	assert_true(to_new > held.len && to_new <= 3 * held.len);
	assert_int_equal(count()->moved, 0);
	assert_int_equal(connection().endpoint.port, 40000);
}

/* Somebody sees the device's packets and sends them on from his own address,
 * faster than they come by themselves. */
static void test_hijack(void **state)
{
	unsigned i;
	size_t in = 0;

	(void)state;
	for (i = 0; i < 20; i++) {
		keep_back = true;
		speak();
		keep_back = false;
		in += held.len;
		assert_int_equal(arrive(&held, stranger), MPP_OK);
		world_run(&w, 300000);
		assert_int_equal(connection().endpoint.port, 40000);
		assert_int_equal(trials(), 0);
	}
	assert_int_equal(count()->moved, 0);
	assert_true(to_stranger > 0 && to_stranger <= 3 * in);
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 300000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
}

/* The answer to a challenge from anywhere but where it went. */
static void test_response_from_elsewhere(void **state)
{
	struct flying first;

	(void)state;
	w.d[0].addr = elsewhere;
	keep_back = true;
	speak();
	first = held;
	arrive(&first, elsewhere);
	n_held = 0;
	world_run(&w, 25000); /* the challenge arrives, the answer is held */
	assert_true(n_held > 0);
	assert_int_equal(arrive(&held, stranger), MPP_OK);
	assert_int_equal(count()->moved, 0);
	assert_int_equal(connection().endpoint.port, 40000);
}

/* The same answer from where the challenge went moves the path. */
static void test_response_from_there(void **state)
{
	(void)state;
	w.d[0].addr = elsewhere;
	keep_back = true;
	speak();
	arrive(&held, elsewhere);
	n_held = 0;
	world_run(&w, 25000);
	assert_true(n_held > 0);
	assert_int_equal(arrive(&held, elsewhere), MPP_OK);
	assert_int_equal(count()->moved, 1);
	assert_int_equal(connection().endpoint.port, elsewhere.port);
}

/* A packet that was overtaken starts nothing. */
static void test_older_packet(void **state)
{
	struct flying old;

	(void)state;
	keep_back = true;
	speak();
	old = held;
	keep_back = false;
	w.now += 2000000;
	world_run(&w, 100000); /* the request again, which arrives */
	assert_int_equal(arrive(&old, elsewhere), MPP_OK);
	assert_int_equal(trials(), 0);
	keep_back = true;
	speak();
	assert_int_equal(arrive(&held, elsewhere), MPP_OK);
	assert_int_equal(trials(), 1);
}

/* A newer packet from the proved path ends the trial of another one. */
static void test_newer_packet_from_the_path(void **state)
{
	(void)state;
	keep_back = true;
	speak();
	arrive(&held, stranger);
	assert_int_equal(trials(), 1);
	w.n_fly = 0; /* the challenges get lost */
	w.now += 1000000;
	n_held = 0;
	world_client(&w, 0); /* the request again */
	assert_int_equal(n_held, 1);
	arrive(&held, w.d[0].addr);
	assert_int_equal(trials(), 0);
}

/* A request for the own endpoint may come from another socket: it is answered
 * there, and the path stays. */
static void test_endpoint_request(void **state)
{
	uint32_t request;

	(void)state;
	keep_back = true;
	assert_int_equal(mpp_client_endpoint(w.d[0].c, world_now(&w), &request),
			 MPP_OK);
	world_client(&w, 0);
	assert_int_equal(arrive(&held, elsewhere), MPP_OK);
	assert_int_equal(trials(), 0);
	assert_true(to_new > 0);
	assert_int_equal(to_old, 0);
	/* Another request does start one. */
	keep_back = false;
	world_run(&w, 300000);
	keep_back = true;
	speak();
	arrive(&held, elsewhere);
	assert_int_equal(trials(), 1);
}

/* No room to prove it: the device notices that it is seen elsewhere, and
 * connects anew. */
static void test_no_room(void **state)
{
	(void)state;
	world_end(&w);
	world_init(&w, 8);
	world_stop_service(&w);
	w.config.paths = 1;
	world_start_service(&w);
	world_subscribed(&w, alice, 0, 2);
	w.drop = watch;
	/* The other device's trial takes the only place, for a while. */
	w.d[1].addr.port = 42000;
	lose_new = false;
	{
		uint32_t request;

		assert_int_equal(mpp_client_status(w.d[1].c, world_now(&w),
						   &request),
				 MPP_OK);
	}
	world_client(&w, 1);
	w.d[0].addr = elsewhere;
	speak();
	world_run(&w, 60000000);
	assert_int_equal(trials(), 0);
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 300000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
	assert_int_equal(world_count(&w.d[1], MPP_EV_PUBLICATION), 1);
	/* One of them moved along, the other one moved later or connected
	 * again: in any case nobody needed more. */
	assert_true(count()->moved + count()->handshakes >= 4);
	assert_true(count()->handshakes <= 3);
}

/* No challenge arrives: the device sees by two answers, more than 5 s apart,
 * that it is elsewhere, and connects anew. */
static void test_not_challenged(void **state)
{
	(void)state;
	lose_challenges = true;
	w.d[0].addr = elsewhere;
	speak();
	world_run(&w, 1000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 1);
	world_run(&w, 24000000);
	assert_true(w.lost > 0);
	assert_int_equal(count()->moved, 0);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 2);
	assert_int_equal(connection().endpoint.port, elsewhere.port);
}

/* Ten thousand times, and nothing has grown. */
static void test_many_rebindings(void **state)
{
	mpp_pool_info before[16], p;
	unsigned i, n = 0;

	(void)state;
	while (mpp_service_pool(w.s, n, &before[n]))
		n++;
	w.delay_us = 1000;
	for (i = 0; i < 10000; i++) {
		w.d[0].addr.port = (uint16_t)(40001 + i % 20000);
		speak();
		world_run(&w, 10000);
		w.d[0].n_told = 0;
	}
	assert_int_equal(count()->moved, 10000);
	assert_int_equal(count()->handshakes, 1);
	for (i = 0; i < n; i++) {
		assert_true(mpp_service_pool(w.s, i, &p));
		assert_int_equal(p.used, before[i].used);
	}
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 100000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_rebinding),
		CASE(test_rebinding_is_noticed_by_a_heartbeat),
		CASE(test_other_family),
		CASE(test_unproved),
		CASE(test_challenges_end),
		CASE(test_hijack),
		CASE(test_response_from_elsewhere),
		CASE(test_response_from_there),
		CASE(test_older_packet),
		CASE(test_newer_packet_from_the_path),
		CASE(test_endpoint_request),
		CASE(test_no_room),
		CASE(test_not_challenged),
		CASE(test_many_rebindings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
