/* SPDX-License-Identifier: MIT */
/* What may be asked how often, and by whom: work for addresses that are not
 * proved, handshakes and requests of devices; and that nobody locks out the
 * owner of an address. */
#include "world.h"

#include "base/bucket.h"
#include "role/client.h"
#include "role/service.h"

static const char alice[] = "alice@example.com";

#define MS UINT64_C(1000)
#define SECOND UINT64_C(1000000)

static struct world w;
static struct flying first; /* the newest connection datagram of a device */
static bool catch;          /* it goes no further */

static int watch(struct world *world, const struct flying *f)
{
	(void)world;
	if (!f->to_service || memcmp(f->data, (uint8_t[16]){0}, 16) != 0)
		return 0;
	first = *f;
	return catch;
}

static int setup(void **state)
{
	(void)state;
	world_init(&w, 21);
	catch = false;
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

/* A service in which a Diffie-Hellman takes this long, and a subscriber. */
static struct world_device *subscriber(uint32_t dh_us)
{
	w.config.dh25519_us = dh_us;
	world_stop_service(&w);
	world_start_service(&w);
	world_subscribed(&w, alice, 0, 1);
	w.d[0].config.have_invitation = false;
	w.drop = watch;
	world_run(&w, 60 * SECOND);
	return &w.d[0];
}

/* A new first packet of device 0, which does not arrive. */
static struct flying first_packet(void)
{
	catch = true;
	mpp_client_connect(w.d[0].c, world_now(&w));
	world_client(&w, 0);
	catch = false;
	return first;
}

static mpp_addr from(uint8_t a, uint8_t b, uint8_t c)
{
	return (mpp_addr){{a, b, c, 1}, 1000, 4, 0};
}

/* It comes from there: the type of the answer, or -1. */
static int answer(struct flying f, mpp_addr a)
{
	static mpp_datagram slots[4];
	mpp_outbox out = {slots, 4, 0};

	(void)mpp_service_receive(w.s, (mpp_buf){f.data, f.len, f.len}, &a,
				  world_now(&w), &out);
	assert_true(out.n <= 1);
	if (out.n == 0)
		return -1;
	assert_true(slots[0].len <= f.len);
	return slots[0].data[16];
}

/* How many of n, each from another network, are opened. */
static unsigned opened(struct flying f, unsigned n)
{
	static unsigned network;
	unsigned i, yes = 0;
	int type;

	for (i = 0; i < n; i++) {
		network++;
		type = answer(f,
			      from((uint8_t)(100 + (network >> 16)),
				   (uint8_t)(network >> 8), (uint8_t)network));
		assert_true(type == RUD_RESP_COMPLETE ||
			    type == RUD_RESP_CHALLENGE);
		yes += type == RUD_RESP_COMPLETE;
	}
	return yes;
}

/* ---- Diffie-Hellman ---- */

/* A handshake has five: es, ss, the ephemeral key, ee, se. */
static void at_most_2_ms_of_it_in_a_row(void **state)
{
	struct flying f;

	(void)state;
	subscriber(100);
	f = first_packet();
	assert_int_equal(opened(f, 50), 4);
	assert_int_equal(count()->deferred, 46);
}

static void and_a_tenth_of_the_time(void **state)
{
	struct flying f;
	unsigned i, yes = 0;

	(void)state;
	subscriber(100);
	f = first_packet();
	opened(f, 50);
	w.now += 5 * MS - 1;
	assert_int_equal(opened(f, 10), 0);
	w.now += 1;
	assert_int_equal(opened(f, 10), 1);
	for (i = 0; i < 1000; i++) {
		w.now += MS;
		yes += opened(f, 3);
	}
	assert_int_equal(yes, 200);
}

static void a_long_handshake_is_done_alone(void **state)
{
	struct flying f;

	(void)state;
	subscriber(1000);
	f = first_packet();
	assert_int_equal(opened(f, 10), 1);
	w.now += 50 * MS - 1;
	assert_int_equal(opened(f, 10), 0);
	w.now += 1;
	assert_int_equal(opened(f, 10), 1);
}

/* A key that is not enrolled costs one of the five, and gets a Challenge in
 * any case. */
static void a_stranger_pays_for_what_he_causes(void **state)
{
	uint8_t service_key[MPP_DH_MAX];
	uint64_t challenges;
	struct flying f;

	(void)state;
	subscriber(100);
	memcpy(service_key, w.d[0].key, MPP_DH_MAX);
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	w.d[0].have_key = true;
	memcpy(w.d[0].key, service_key, MPP_DH_MAX);
	world_connect(&w, 0);
	f = first_packet();
	challenges = count()->challenges;
	assert_int_equal(opened(f, 50), 0);
	/* 16 until there is no room for a whole one. */
	assert_int_equal(count()->deferred, 34);
	assert_int_equal(count()->challenges - challenges, 50);
}

static void who_answers_a_challenge_pays_nothing(void **state)
{
	struct flying exchange, complete;
	unsigned i;

	(void)state;
	subscriber(100);
	exchange = first_packet();
	assert_int_equal(opened(exchange, 50), 4);
	/* Now the device itself comes, and is challenged. */
	mpp_client_connect(w.d[0].c, world_now(&w));
	world_client(&w, 0);
	w.now += w.delay_us;
	opened(exchange, 50);
	world_run(&w, 100 * MS);
	complete = first;
	assert_int_equal(complete.data[16], RUD_INIT_COMPLETE);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 2);
	opened(exchange, 50);
	w.now += 5 * MS;
	for (i = 0; i < 100; i++)
		assert_int_equal(answer(complete, w.d[0].addr),
				 RUD_RESP_COMPLETE);
	assert_int_equal(opened(exchange, 10), 1);
}

static void a_ticket_is_deferred_too(void **state)
{
	struct world_device *d;
	struct flying f;
	uint64_t deferred;
	unsigned i;

	(void)state;
	for (i = 0; i < MPP_TOKEN_KEY_LEN; i++)
		w.secrets.token.key[i] = (uint8_t)world_random(&w);
	d = subscriber(100);
	assert_true(d->token_len > 0);
	f = first_packet();
	assert_int_equal(f.data[16], RUD_INIT_TICKET);
	/* Two each: the ephemeral key and ee. */
	assert_int_equal(opened(f, 50), 10);
	/* Whoever answers the Challenge comes in. */
	w.now += 2 * SECOND;
	world_client(&w, 0);
	w.now += w.delay_us;
	opened(f, 50);
	deferred = count()->deferred;
	world_run(&w, 100 * MS);
	assert_int_equal(count()->deferred, deferred + 1);
	assert_int_equal(first.data[16], RUD_INIT_TICKET);
	assert_int_equal(count()->tickets, 10 + 10 + 1);
	world_run(&w, SECOND);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 2);
}

/* ---- first packets of a prefix ---- */

static void a_prefix_has_twenty_at_once_and_ten_in_a_second(void **state)
{
	struct flying f;
	unsigned i, yes = 0;

	(void)state;
	subscriber(1);
	f = first_packet();
	for (i = 0; i < 100; i++)
		yes += answer(f, (mpp_addr){{7, 7, 7, (uint8_t)i}, 9, 4, 0}) ==
		       RUD_RESP_COMPLETE;
	assert_int_equal(yes, 20);
	/* Another has its own. */
	assert_int_equal(answer(f, from(7, 7, 8)), RUD_RESP_COMPLETE);
	for (i = 0; i < 100; i++) {
		w.now += 10 * MS;
		yes += answer(f, from(7, 7, 7)) == RUD_RESP_COMPLETE;
	}
	assert_int_equal(yes, 30);
}

static void so_has_a_56_of_ipv6(void **state)
{
	mpp_addr a = {{0x20, 1, 0xd, 0xb8, 1, 2, 3}, 9, 6, 0};
	struct flying f;
	unsigned i, yes = 0;

	(void)state;
	subscriber(1);
	f = first_packet();
	for (i = 0; i < 100; i++) {
		a.ip[7] = (uint8_t)i;
		yes += answer(f, a) == RUD_RESP_COMPLETE;
	}
	assert_int_equal(yes, 20);
	a.ip[6] = 4;
	assert_int_equal(answer(f, a), RUD_RESP_COMPLETE);
}

/* ---- nobody is locked out ---- */

static void a_forger_of_its_address_costs_a_device_one_round_trip(void **state)
{
	struct world_device *d = subscriber(100);
	struct flying forged = first_packet();
	uint64_t start = w.now;
	unsigned i;

	(void)state;
	mpp_client_connect(d->c, world_now(&w));
	world_client(&w, 0);
	/* 10,000 in a second, in its name. */
	for (i = 0; i < 10000; i++) {
		w.now += 100;
		(void)answer(forged, d->addr);
		world_settle(&w);
	}
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 2);
	/* Exchange, Challenge, Complete, ResponderComplete, two more to be
	 * confirmed; 40 ms each way and back. */
	assert_true(world_last(d, MPP_EV_CONNECTED)->at - start <= 125 * MS);
	assert_int_equal(world_count(d, MPP_EV_LOST), 0);
}

/* ---- connections of an instance ---- */

static unsigned first_packets; /* that devices sent */

static int count_first(struct world *world, const struct flying *f)
{
	first_packets += f->to_service &&
			 memcmp(f->data, (uint8_t[16]){0}, 16) == 0;
	return watch(world, f);
}

/* The defaults, and time to forget the enrolment. */
static struct world_device *ordinary(void)
{
	struct world_device *d;

	w.config.handshakes = w.config.requests_per_s = w.config.request_burst =
		0;
	d = subscriber(1);
	world_run(&w, 60 * SECOND);
	w.drop = count_first;
	d->n_told = 0;
	return d;
}

static void come_back(struct world_device *d, unsigned n)
{
	while (n-- > 0) {
		mpp_client_connect(d->c, world_now(&w));
		world_run(&w, 200 * MS);
	}
}

static void an_instance_connects_six_times_in_a_minute(void **state)
{
	struct world_device *d = ordinary();
	const struct told *refused;
	uint64_t start = w.now, at;

	(void)state;
	come_back(d, 6);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 6);
	assert_int_equal(world_count(d, MPP_EV_REFUSED), 0);
	come_back(d, 1);
	refused = world_last(d, MPP_EV_REFUSED);
	assert_non_null(refused);
	assert_int_equal(refused->status, MPP_STATUS_TOO_MANY);
	/* It waits as long as it was told, and not longer: one in 10 s. */
	first_packets = 0;
	world_run(&w, start + 10 * SECOND - w.now);
	assert_int_equal(first_packets, 0);
	world_run(&w, SECOND);
	assert_int_equal(first_packets, 1);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 7);
	at = world_last(d, MPP_EV_CONNECTED)->at;
	assert_true(at - start >= 10 * SECOND && at - start < 10500 * MS);
	/* Meanwhile the connection that it had is there. */
	assert_int_equal(world_count(d, MPP_EV_CLOSED), 0);
}

static void it_waits_no_longer_than_an_hour(void **state)
{
	struct world_device *d;
	struct instance *in;

	(void)state;
	w.config.lease_max_ms = w.config.lease_ms = 86400000;
	d = ordinary();
	in = &device_at(&w.s->state, 0)->instances[0];
	in->penalty = 16;
	in->replaced_ms[1] = ms_of(world_now(&w).mono);
	come_back(d, 1);
	assert_int_equal(world_last(d, MPP_EV_REFUSED)->status,
			 MPP_STATUS_TOO_MANY);
	in->penalty = 0;
	first_packets = 0;
	world_run(&w, 3598 * SECOND);
	assert_int_equal(first_packets, 0);
	world_run(&w, 4 * SECOND);
	assert_int_equal(first_packets, 1);
}

/* As somebody can who has the device's key, or has stolen the service's. */
static void invented_instances_have_24_handshakes_together(void **state)
{
	struct world_device *d = ordinary();
	uint8_t own[MPP_INSTANCE_LEN];
	struct flying f;
	mpp_pool_info p;
	unsigned i;

	(void)state;
	memcpy(own, d->config.instance, sizeof(own));
	d->token_len = 0;
	catch = true;
	for (i = 0; i < 100; i++) {
		d->config.instance[0] = (uint8_t)i;
		world_connect(&w, 0);
		world_client(&w, 0);
		assert_int_equal(answer(first, from(9, (uint8_t)i, 9)),
				 RUD_RESP_COMPLETE);
	}
	catch = false;
	assert_int_equal(count()->refused, 100 - 24);
	for (i = 0; mpp_service_pool(w.s, i, &p); i++) {
		if (strcmp(p.name, "half_open") == 0)
			assert_int_equal(p.used, 8);
	}
	/* Where it is, the device itself is let in, */
	memcpy(d->config.instance, own, sizeof(own));
	world_connect(&w, 0);
	f = first_packet();
	assert_int_equal(answer(f, d->addr), RUD_RESP_COMPLETE);
	assert_int_equal(count()->refused, 100 - 24);
	/* elsewhere it has to wait. */
	f = first_packet();
	assert_int_equal(answer(f, from(9, 9, 9)), RUD_RESP_COMPLETE);
	assert_int_equal(count()->refused, 100 - 24 + 1);
	w.now += 2500 * MS;
	f = first_packet();
	assert_int_equal(answer(f, from(9, 9, 9)), RUD_RESP_COMPLETE);
	assert_int_equal(count()->refused, 100 - 24 + 1);
}

static void what_is_confirmed_does_not_count_as_open(void **state)
{
	struct world_device *d;
	unsigned i;

	(void)state;
	d = ordinary();
	for (i = 0; i < 10; i++) {
		come_back(d, 5);
		world_run(&w, 59 * SECOND);
	}
	come_back(d, 5);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 55);
	assert_int_equal(bucket_ahead(&(struct bucket){2500, 60000},
				      device_at(&w.s->state, 0)->opened_ms,
				      ms_of(world_now(&w).mono)),
			 0);
}

/* ---- requests ---- */

static void a_device_has_twenty_requests_in_a_second(void **state)
{
	struct world_device *d = ordinary();
	uint64_t end;
	uint32_t request;
	unsigned answers = 0, i;

	(void)state;
	w.delay_us = 100; /* else the network is slower */
	end = w.now + 10 * SECOND;
	while (w.now < end) {
		assert_int_equal(mpp_client_endpoint(d->c, world_now(&w),
						     &request),
				 MPP_OK);
		d->n_told = 0;
		for (i = 0; world_count(d, MPP_EV_RESPONSE) == 0; i++) {
			assert_true(i < 1000);
			world_run(&w, MS);
		}
		assert_int_equal(world_last(d, MPP_EV_RESPONSE)->request,
				 request);
		assert_int_equal(world_last(d, MPP_EV_RESPONSE)->status, 0);
		answers++;
	}
	/* Its application is told nothing of it. */
	assert_in_range(answers, 235, 241);
	assert_true(count()->too_many >= 195);
	assert_int_equal(world_count(d, MPP_EV_LOST), 0);
}

/* ---- hints in the clear ---- */

/* An Error to the newest attempt, with RetryAfter. */
static void forge_error(struct world_device *d, uint64_t ms)
{
	uint8_t p[64];
	struct wr out = wr_init(p, sizeof(p));

	wr_raw(&out, first.data + 20, 16);
	wr_raw(&out, "\0\1\0", 3);
	ext_put_int(&out, EXT_RETRY_AFTER, ms);
	ext_put_end(&out);
	wr_int(&out, 0);
	assert_int_equal(mpp_client_receive(d->c, (mpp_buf){p, out.n, out.n},
					    world_now(&w)),
			 MPP_OK);
	world_client(&w, 0);
}

static void an_error_in_the_clear_delays_by_a_minute_at_most(void **state)
{
	struct world_device *d = ordinary();
	unsigned i;

	(void)state;
	d->token_len = 0;
	catch = true;
	mpp_client_connect(d->c, world_now(&w));
	first_packets = 0;
	world_run(&w, MS);
	assert_int_equal(first_packets, 1);
	/* However often it is said. */
	for (i = 0; i < 59; i++) {
		forge_error(d, 3600000);
		world_run(&w, SECOND);
	}
	assert_int_equal(first_packets, 1);
	world_run(&w, 2 * SECOND);
	assert_int_equal(first_packets, 2);
	/* Without it the next comes soon. */
	world_run(&w, 3 * SECOND);
	assert_int_equal(first_packets, 3);
}

static void and_does_not_end_the_wait_for_the_answer(void **state)
{
	struct world_device *d = ordinary();

	(void)state;
	mpp_client_connect(d->c, world_now(&w));
	world_client(&w, 0);
	forge_error(d, 60000);
	world_run(&w, SECOND);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		CASE(at_most_2_ms_of_it_in_a_row),
		CASE(and_a_tenth_of_the_time),
		CASE(a_long_handshake_is_done_alone),
		CASE(a_stranger_pays_for_what_he_causes),
		CASE(who_answers_a_challenge_pays_nothing),
		CASE(a_ticket_is_deferred_too),
		CASE(a_prefix_has_twenty_at_once_and_ten_in_a_second),
		CASE(so_has_a_56_of_ipv6),
		CASE(a_forger_of_its_address_costs_a_device_one_round_trip),
		CASE(an_instance_connects_six_times_in_a_minute),
		CASE(it_waits_no_longer_than_an_hour),
		CASE(invented_instances_have_24_handshakes_together),
		CASE(what_is_confirmed_does_not_count_as_open),
		CASE(a_device_has_twenty_requests_in_a_second),
		CASE(an_error_in_the_clear_delays_by_a_minute_at_most),
		CASE(and_does_not_end_the_wait_for_the_answer),
#undef CASE
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
