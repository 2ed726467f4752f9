/* SPDX-License-Identifier: MIT */
/* A publication reaches every device of its account and is acknowledged:
 * through a network that loses, duplicates and reorders, over restarts of the
 * service, in parts, by filter. */
#include "world.h"

#include "rud/packet.h"

static const char alice[] = "alice@example.com";
static const char bob[] = "@bob";

static struct world w;

static int setup(void **state)
{
	(void)state;
	world_init(&w, 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_end(&w);
	return 0;
}

/* First Contact: nothing is known of the service. */
static void test_enroll_and_deliver(void **state)
{
	uint64_t serial;
	const struct told *t;
	int i;

	(void)state;
	world_subscribed(&w, alice, 0, 3);
	serial = world_publish(&w, alice, "mmm_Inbound", 42);
	world_run(&w, 1000000);
	for (i = 0; i < 3; i++) {
		assert_int_equal(world_count(&w.d[i], MPP_EV_PUBLICATION), 1);
		t = world_last(&w.d[i], MPP_EV_PUBLICATION);
		assert_int_equal(t->serial, serial);
		assert_int_equal(t->n_stores, 1);
		assert_string_equal(t->store[0], "mmm_Inbound");
		assert_int_equal(t->index[0], 42);
		assert_int_equal(t->endpoint.port, 40000);
		assert_memory_equal(t->endpoint.ip, w.d[i].addr.ip, 16);
	}
	assert_int_equal(world_acknowledged(&w, alice), serial);
	assert_int_equal(mpp_service_count(w.s)->repeats, 0);
	assert_int_equal(mpp_service_count(w.s)->drop_auth, 0);
	assert_int_equal(mpp_service_count(w.s)->send_errors, 0);
	/* One notification to each, and nothing more until the heartbeat. */
	assert_int_equal(mpp_service_count(w.s)->notifies, 3);
}

/* A notification is at the device after half a round trip and the disk. */
static void test_at_once(void **state)
{
	uint64_t before;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	before = w.now;
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 1000000);
	assert_true(world_last(&w.d[0], MPP_EV_PUBLICATION)->at - before <=
		    w.commit_us + w.delay_us + 1000);
}

/* An account hears nothing of another one. */
static void test_accounts_apart(void **state)
{
	(void)state;
	world_subscribed(&w, alice, 0, 2);
	world_subscribed(&w, bob, 2, 1);
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 1000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
	assert_int_equal(world_count(&w.d[1], MPP_EV_PUBLICATION), 1);
	assert_int_equal(world_count(&w.d[2], MPP_EV_PUBLICATION), 0);
	world_publish(&w, bob, "mmm_Inbound", 1);
	world_run(&w, 1000000);
	assert_int_equal(world_count(&w.d[2], MPP_EV_PUBLICATION), 1);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
}

/* Whatever the network does, each device ends with the newest serial, and
 * never hears an older one after a newer one. */
static void check_rising(const struct world_device *d)
{
	uint64_t last = 0;
	size_t i;

	for (i = 0; i < d->n_told && i < WORLD_EVENTS; i++) {
		if (d->told[i].kind != MPP_EV_PUBLICATION)
			continue;
		assert_true(d->told[i].serial > last);
		last = d->told[i].serial;
	}
	assert_true(last > 0);
}

static void lossy(uint64_t seed, unsigned loss)
{
	uint64_t serial = 0;
	unsigned n, k;

	print_message("seed %u, %u %% loss\n", (unsigned)seed, loss);
	world_init(&w, seed);
	w.loss_pct = loss;
	w.dup_pct = 10;
	w.jitter_us = 30000;
	world_account(&w, alice);
	for (k = 0; k < 4; k++) {
		world_device(&w, (int)k, alice, MPP_MODE_SUBSCRIBE);
		world_invite(&w, (int)k, alice, MPP_RIGHT_SUBSCRIBE);
		world_connect(&w, (int)k);
	}
	world_run(&w, 60000000);
	for (n = 1; n <= 20; n++) {
		serial = world_publish(&w, alice, "mmm_Inbound", n);
		world_run(&w, world_random(&w) % 500000);
	}
	world_run(&w, 60000000);
	for (k = 0; k < 4; k++) {
		check_rising(&w.d[k]);
		assert_int_equal(
			world_last(&w.d[k], MPP_EV_PUBLICATION)->serial,
			serial);
	}
	assert_int_equal(world_acknowledged(&w, alice), serial);
	assert_true(w.lost > 0 && w.duplicated > 0 && w.reordered > 0);
	assert_int_equal(mpp_service_count(w.s)->send_errors, 0);
}

static void test_loss(void **state)
{
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= 30; seed++) {
		lossy(seed, seed % 3 == 0 ? 30 : 10);
		if (seed != 30)
			world_end(&w);
	}
}

/* The first repetitions come at one PTO each: with a lost notification and a
 * round trip of 40 ms the device has it well within a quarter second. */
static int drop_first_notify(struct world *world, const struct flying *f)
{
	static const struct world *armed;

	if (f->to_service || armed == world)
		return 0;
	armed = world;
	return 1;
}

static void test_repeated_at_pto(void **state)
{
	uint64_t before;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	w.drop = drop_first_notify;
	before = w.now;
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 1000000);
	assert_int_equal(w.lost, 1);
	assert_int_equal(mpp_service_count(w.s)->repeats, 1);
	assert_true(world_last(&w.d[0], MPP_EV_PUBLICATION)->at - before <
		    250000);
	assert_int_equal(mpp_service_count(w.s)->acknowledged, 1);
}

/* The first data packet of a device confirms its connection. When it is lost
 * and comes again after a timeout, that time is no round trip. */
static int drop_first_data(struct world *world, const struct flying *f)
{
	static const uint8_t zero[16];
	static const struct world *armed;

	if (!f->to_service || armed == world ||
	    memcmp(f->data, zero, sizeof(zero)) == 0)
		return 0;
	armed = world;
	return 1;
}

static uint32_t sampled_rtt(void)
{
	mpp_account_info a;
	mpp_device_info d;
	mpp_connection_info c;
	uint32_t cursor = 0, k = 0;

	assert_true(mpp_service_account_find(w.s, bytes_of(alice), &a));
	assert_true(mpp_service_device_next(w.s, &a, &cursor, &d));
	assert_true(
		mpp_service_connection_next(w.s, &d, &k, world_now(&w), &c));
	return c.rtt_us;
}

static void test_no_sample_from_a_repeated_confirmation(void **state)
{
	(void)state;
	w.commit_us = 0;
	world_subscribed(&w, alice, 0, 1);
	assert_in_range(sampled_rtt(), 40000, 45000);
	w.drop = drop_first_data;
	world_connect(&w, 0);
	world_run(&w, 5000000);
	assert_int_equal(w.lost, 1);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 2);
	assert_int_equal(sampled_rtt(), 0);
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 1000000);
	assert_in_range(sampled_rtt(), 40000, 45000);
}

/* The acknowledgement is lost: the repetition is acknowledged again, and the
 * application is told once. */
static int drop_first_answer(struct world *world, const struct flying *f)
{
	static const struct world *armed;

	if (!f->to_service || armed == world)
		return 0;
	armed = world;
	return 1;
}

static void test_lost_acknowledgement(void **state)
{
	uint64_t serial;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	w.drop = drop_first_answer;
	serial = world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 1000000);
	assert_int_equal(w.lost, 1);
	assert_int_equal(world_acknowledged(&w, alice), serial);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
}

/* Each repetition is a new datagram: no index is ever sealed twice. */
static uint8_t seen[4096][32];
static size_t n_seen;

static int note_heads(struct world *world, const struct flying *f)
{
	size_t i;

	(void)world;
	if (f->to_service)
		return 0;
	for (i = 0; i < n_seen; i++)
		assert_memory_not_equal(seen[i], f->data, 32);
	assert_true(n_seen < 4096);
	memcpy(seen[n_seen++], f->data, 32);
	return 1; /* lost: so the service goes on repeating */
}

static void test_new_datagrams(void **state)
{
	(void)state;
	world_subscribed(&w, alice, 0, 1);
	n_seen = 0;
	w.drop = note_heads;
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 20000000);
	assert_true(n_seen >= 5);
}

/* What came while it repeats takes the place of what is in flight. */
static void test_merged(void **state)
{
	uint64_t serial = 0;
	unsigned i;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	for (i = 1; i <= 50; i++) {
		serial = world_publish(&w, alice, "mmm_Inbound", i);
		world_run(&w, 500);
	}
	world_run(&w, 1000000);
	assert_int_equal(world_last(&w.d[0], MPP_EV_PUBLICATION)->serial,
			 serial);
	assert_int_equal(world_last(&w.d[0], MPP_EV_PUBLICATION)->index[0], 50);
	/* At most two within a PTO: far fewer datagrams than publications. */
	assert_true(mpp_service_count(w.s)->notifies < 10);
	assert_int_equal(mpp_service_count(w.s)->publications, 50);
}

/* A service that has no snapshots: a vector that does not fit one packet comes
 * in parts, each acknowledged. */
static void no_snapshots(void)
{
	world_stop_service(&w);
	w.config.snapshots = MPP_NO_SNAPSHOTS;
	world_start_service(&w);
}

static void publish_many(struct world *world, unsigned n)
{
	char name[MPP_STORE_MAX + 1];
	unsigned i;

	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "store-%03u-%s", i % 1000,
			 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrs");
		world_publish(world, alice, name, i + 1);
	}
}

static void test_parts(void **state)
{
	struct world_device *d = &w.d[0];
	size_t i, entries = 0, parts = 0;

	(void)state;
	no_snapshots();
	world_account(&w, alice);
	publish_many(&w, 60);
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE);
	world_connect(&w, 0);
	world_run(&w, 5000000);
	for (i = 0; i < d->n_told; i++) {
		if (d->told[i].kind != MPP_EV_PUBLICATION)
			continue;
		parts++;
		entries += d->told[i].n_stores;
	}
	assert_int_equal(entries, 60);
	assert_true(parts > 3);
	assert_false(world_last(d, MPP_EV_PUBLICATION)->more);
	assert_int_equal(world_acknowledged(&w, alice),
			 world_last(d, MPP_EV_PUBLICATION)->serial);
}

/* A status that does not fit one packet goes on as publications. */
static void test_status_parts(void **state)
{
	struct world_device *d = &w.d[1];
	size_t i, entries = 0;

	(void)state;
	no_snapshots();
	world_subscribed(&w, alice, 0, 1);
	publish_many(&w, 60);
	world_run(&w, 1000000);
	*d = w.d[0];
	d->c = NULL;
	d->n_told = 0;
	d->addr.port = 40001;
	d->config.have_invitation = false;
	d->config.mode = MPP_MODE_STATUS;
	world_connect(&w, 1);
	world_run(&w, 3000000);
	for (i = 0; i < d->n_told; i++)
		entries += d->told[i].n_stores;
	assert_int_equal(entries, 60);
	/* The subscription of the same device goes on. */
	i = world_count(&w.d[0], MPP_EV_PUBLICATION);
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 1000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), i + 1);
	assert_int_equal(world_count(&w.d[0], MPP_EV_LOST), 0);
}

static void test_status_once(void **state)
{
	struct world_device *d = &w.d[1];
	const struct told *t;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	world_publish(&w, alice, "mmm_Inbound", 5);
	world_run(&w, 1000000);
	*d = w.d[0];
	d->c = NULL;
	d->n_told = 0;
	d->addr.port = 40001;
	d->config.have_invitation = false;
	d->config.mode = MPP_MODE_STATUS;
	world_connect(&w, 1);
	world_run(&w, 3000000);
	t = world_last(d, MPP_EV_RESPONSE);
	assert_non_null(t);
	assert_int_equal(t->status, 0);
	assert_int_equal(t->n_stores, 1);
	assert_int_equal(t->index[0], 5);
	assert_int_equal(t->endpoint.port, 40001);
	/* It was answered without a connection. */
	assert_int_equal(mpp_service_count(w.s)->confirmed, 1);
}

/* A device that asked for some stores hears of those only, and its serial
 * moves on where nothing of its filter lies between. */
static void test_filter(void **state)
{
	uint64_t serial;

	(void)state;
	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	w.d[0].config.stores[0] = bytes_of("mmm_Inbound");
	w.d[0].config.n_stores = 1;
	world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE);
	world_connect(&w, 0);
	world_run(&w, 3000000);
	serial = world_publish(&w, alice, "mmm_Contact", 1);
	world_run(&w, 1000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 0);
	assert_int_equal(world_acknowledged(&w, alice), serial);
	assert_int_equal(mpp_service_count(w.s)->notifies, 0);
	serial = world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 1000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
	assert_int_equal(world_last(&w.d[0], MPP_EV_PUBLICATION)->n_stores, 1);
	assert_string_equal(world_last(&w.d[0], MPP_EV_PUBLICATION)->store[0],
			    "mmm_Inbound");
	assert_int_equal(world_acknowledged(&w, alice), serial);
}

/* kill -9 and start: devices come back by themselves with what they have
 * missed, and no serial is used twice. */
static void test_restart(void **state)
{
	uint64_t before, after;

	(void)state;
	world_subscribed(&w, alice, 0, 3);
	before = world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 1000000);
	world_stop_service(&w);
	w.n_fly = 0;
	world_run(&w, 2000000);
	world_start_service(&w);
	after = world_publish(&w, alice, "mmm_Inbound", 2);
	assert_true(after > before);
	world_run(&w, 60000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_LOST), 1);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 2);
	assert_int_equal(world_last(&w.d[0], MPP_EV_PUBLICATION)->serial,
			 after);
	assert_int_equal(world_acknowledged(&w, alice), after);
	check_rising(&w.d[0]);
	check_rising(&w.d[1]);
	check_rising(&w.d[2]);
}

/* With a store that was lost and found older, serials still rise above what
 * devices hold. */
static void test_older_store(void **state)
{
	uint64_t held, next;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	held = world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 1000000);
	w.d[0].config.acknowledge = held + UINT64_C(3600000000);
	w.d[0].config.have_invitation = false;
	world_connect(&w, 0);
	world_run(&w, 3000000);
	next = world_publish(&w, alice, "mmm_Inbound", 2);
	assert_true(next > w.d[0].config.acknowledge);
	world_run(&w, 1000000);
	assert_int_equal(world_last(&w.d[0], MPP_EV_PUBLICATION)->index[0], 2);
}

/* A serial more than a day ahead of the clock is taken back. */
static void test_reset(void **state)
{
	uint64_t serial;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	serial = world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 1000000);
	w.d[0].config.acknowledge = w.now + w.epoch + UINT64_C(2) * 86400000000;
	w.d[0].config.have_invitation = false;
	w.d[0].n_told = 0;
	world_connect(&w, 0);
	world_run(&w, 3000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
	assert_int_equal(world_last(&w.d[0], MPP_EV_PUBLICATION)->serial,
			 serial);
	assert_int_equal(world_acknowledged(&w, alice), serial);
}

/* An application that takes no events for a while misses nothing. */
static void test_slow_reader(void **state)
{
	uint64_t serial = 0;
	unsigned i;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	w.d[0].deaf = true;
	for (i = 1; i <= 30; i++) {
		serial = world_publish(&w, alice, "mmm_Inbound", i);
		world_run(&w, 200000);
	}
	w.d[0].deaf = false;
	world_run(&w, 60000000);
	check_rising(&w.d[0]);
	assert_int_equal(world_last(&w.d[0], MPP_EV_PUBLICATION)->serial,
			 serial);
	assert_int_equal(world_acknowledged(&w, alice), serial);
}

/* The device is elsewhere: it makes a new connection, and publications find
 * it there. */
static void test_moved(void **state)
{
	uint64_t serial;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	w.d[0].addr.port = 41000;
	world_run(&w, 60000000);
	serial = world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 1000000);
	assert_int_equal(world_last(&w.d[0], MPP_EV_PUBLICATION)->serial,
			 serial);
	assert_int_equal(world_last(&w.d[0], MPP_EV_PUBLICATION)->endpoint.port,
			 41000);
	/* It needed no new connection: test_path.c. */
	assert_int_equal(mpp_service_count(w.s)->confirmed, 1);
}

static void test_suite_448(void **state)
{
	(void)state;
	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE)->config.suite =
		MPP_SUITE_448;
	world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE);
	world_connect(&w, 0);
	world_run(&w, 3000000);
	world_publish(&w, alice, "mmm_Inbound", 7);
	world_run(&w, 1000000);
	assert_int_equal(world_last(&w.d[0], MPP_EV_PUBLICATION)->index[0], 7);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_enroll_and_deliver),
		CASE(test_at_once),
		CASE(test_accounts_apart),
		cmocka_unit_test_teardown(test_loss, teardown),
		CASE(test_repeated_at_pto),
		CASE(test_no_sample_from_a_repeated_confirmation),
		CASE(test_lost_acknowledgement),
		CASE(test_new_datagrams),
		CASE(test_merged),
		CASE(test_parts),
		CASE(test_status_parts),
		CASE(test_status_once),
		CASE(test_filter),
		CASE(test_restart),
		CASE(test_older_store),
		CASE(test_reset),
		CASE(test_slow_reader),
		CASE(test_moved),
		CASE(test_suite_448),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
