/* SPDX-License-Identifier: MIT */
/* The whole check of one family against a server and NATs of every kind, in
 * virtual time. */
#include "world.h"

static const struct behaviour {
	const char *what;
	bool nat;
	unsigned mapping, filtering;
	enum mapping want_mapping;
	enum filtering want_filtering;
} behaviours[] = {
	{"no NAT", false, 0, ON_NOTHING, MAPPING_NONE, FILTERING_INDEPENDENT},
	{"a firewall alone", false, 0, ON_IP | ON_PORT, MAPPING_NONE,
	 FILTERING_ADDRESS_PORT},
	{"full cone", true, ON_NOTHING, ON_NOTHING, MAPPING_INDEPENDENT,
	 FILTERING_INDEPENDENT},
	{"address restricted", true, ON_NOTHING, ON_IP, MAPPING_INDEPENDENT,
	 FILTERING_ADDRESS},
	{"port restricted", true, ON_NOTHING, ON_IP | ON_PORT,
	 MAPPING_INDEPENDENT, FILTERING_ADDRESS_PORT},
	{"symmetric by address", true, ON_IP, ON_IP, MAPPING_ADDRESS,
	 FILTERING_ADDRESS},
	{"symmetric", true, ON_IP | ON_PORT, ON_IP | ON_PORT,
	 MAPPING_ADDRESS_PORT, FILTERING_ADDRESS_PORT},
};

static void test_behaviours_are_named(void **state)
{
	static struct world w;
	struct path_report r;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(behaviours) / sizeof(behaviours[0]); i++) {
		const struct behaviour *b = &behaviours[i];

		world_new(&w);
		w.nat = b->nat;
		w.mapping = b->mapping;
		w.filtering = b->filtering;
		assert_true(world_run(&w, &r) < 10000);
		if (r.mapping != b->want_mapping ||
		    r.filtering != b->want_filtering)
			fail_msg("%s: %s, %s", b->what, mapping_word(r.mapping),
				 filtering_word(r.filtering));
		assert_true(r.tested && r.have_local && r.answered);
		assert_int_equal(r.nat, b->nat ? ANSWER_YES : ANSWER_NO);
		assert_int_equal(r.trips.sent, 20);
		assert_int_equal(r.trips.lost, 0);
		assert_int_equal(r.trips.median_us, TRIP_US);
		assert_int_equal(r.up.passes, 1480);
		assert_int_equal(r.up.fails, 0);
		assert_int_equal(r.down.passes, 1480);
		assert_int_equal(r.down.fails, 0);
		assert_int_equal(r.lifetime.method, METHOD_NOT_TESTED);
	}
}

/* What is sent in the first second of a check, and how close together. */
static void test_two_datagrams_are_25_ms_apart(void **state)
{
	static struct world w;
	mpp_time before = {0};
	struct path_datagram d;
	unsigned n = 0;

	(void)state;
	world_new(&w);
	w.c.lifetime = true;
	world_begin(&w);
	while (n < 60) {
		world_arrive(&w);
		if (path_send(&w.p, w.now, &d) == MPP_OK) {
			assert_true(w.now.us - before.us >= 25000);
			before = w.now;
			world_send(&w, &d);
			n++;
		}
		w.now.us += 1000;
	}
	mpp_crypto_free(&w.crypto);
}

static void test_nothing_comes_back(void **state)
{
	static struct world w;
	struct path_report r;
	uint64_t took_ms;

	(void)state;
	world_new(&w);
	w.silent = true;
	took_ms = world_run(&w, &r);
	assert_in_range(took_ms, 8000, 10000);
	assert_false(r.answered || r.refused);
	assert_int_equal(r.trips.sent, 0);
	assert_int_equal(r.mapping, MAPPING_UNKNOWN);

	world_new(&w);
	w.silent = true;
	w.c.timeout_ms = 3000;
	assert_int_equal(world_run(&w, &r), 3000);
}

static void test_a_refusal_is_a_hint(void **state)
{
	const mpp_addr stranger = place(3);
	static struct world w;
	struct path_report r;

	(void)state;
	world_new(&w);
	w.silent = true;
	world_begin(&w);
	path_unreachable(&w.p, &stranger);
	path_report(&w.p, &r);
	assert_false(r.refused);
	path_unreachable(&w.p, &w.c.servers[0]);
	while (world_step(&w))
		;
	path_report(&w.p, &r);
	assert_true(r.refused);
	mpp_crypto_free(&w.crypto);

	/* Who answers all the same is there. */
	world_new(&w);
	world_begin(&w);
	path_unreachable(&w.p, &w.c.servers[0]);
	while (world_step(&w))
		;
	path_report(&w.p, &r);
	assert_true(r.answered);
	assert_false(r.refused);
	mpp_crypto_free(&w.crypto);
}

static void test_the_second_address_of_a_service_answers(void **state)
{
	static struct world w;
	struct path_report r;

	(void)state;
	world_new(&w);
	w.c.servers[0] = v4("\xcb\x00\x71\x63", 3478); /* nobody */
	w.c.servers[1] = place(0);
	w.c.n_servers = 2;
	w.filtering = ON_IP | ON_PORT;
	assert_true(world_run(&w, &r) < 10000);
	assert_true(r.answered);
	assert_int_equal(r.server.ip[3], 1);
}

static void test_a_server_with_one_address(void **state)
{
	static struct world w;
	struct path_report r;

	(void)state;
	world_new(&w);
	w.nat = true;
	w.one_address = true;
	(void)world_run(&w, &r);
	assert_false(r.alternate);
	assert_int_equal(r.nat, ANSWER_YES);
	assert_int_equal(r.mapping, MAPPING_UNKNOWN);
	assert_int_equal(r.filtering, FILTERING_UNKNOWN);
	assert_int_equal(r.down.passes, 0);
	assert_int_equal(r.down.fails, 0);
	assert_int_equal(r.up.passes, 1480);
}

static void test_two_servers_show_the_mapping(void **state)
{
	static struct world w;
	struct path_report r;

	(void)state;
	world_new(&w);
	w.nat = true;
	w.old = true;
	w.c.servers[1] = place(ON_IP);
	w.c.n_servers = 2;
	(void)world_run(&w, &r);
	assert_int_equal(r.mapping, MAPPING_INDEPENDENT);
	assert_int_equal(r.filtering, FILTERING_UNKNOWN);

	world_new(&w);
	w.nat = true;
	w.old = true;
	w.mapping = ON_IP;
	w.c.servers[1] = place(ON_IP);
	w.c.n_servers = 2;
	(void)world_run(&w, &r);
	assert_int_equal(r.mapping, MAPPING_DEPENDENT);
}

/* It says that it has a second address, and answers all from the first: that
 * is no sign of a NAT that lets everybody in, nor of one that does not. */
static void test_a_server_that_ignores_what_was_asked(void **state)
{
	static struct world w;
	struct path_report r;

	(void)state;
	world_new(&w);
	w.nat = true;
	w.ignores = true;
	w.filtering = ON_IP | ON_PORT;
	assert_true(world_run(&w, &r) < 10000);
	assert_true(r.alternate);
	assert_int_equal(r.filtering, FILTERING_UNKNOWN);
	assert_int_equal(r.mapping, MAPPING_INDEPENDENT);
	assert_int_equal(r.down.passes, 0);
	assert_int_equal(r.down.fails, 0);
}

static void test_sizes_are_found(void **state)
{
	static struct world w;
	struct path_report r;

	(void)state;
	world_new(&w);
	w.up_max = 1372;
	w.down_max = 1252;
	assert_true(world_run(&w, &r) < 10000);
	assert_int_equal(r.up.passes, 1400);
	assert_int_equal(r.up.fails, 1420);
	assert_int_equal(r.down.passes, 1280);
	assert_int_equal(r.down.fails, 1340);

	world_new(&w);
	w.up_max = 1100;
	w.down_max = 1100;
	(void)world_run(&w, &r);
	assert_int_equal(r.up.passes, 0);
	assert_int_equal(r.up.fails, 1228);
	assert_int_equal(r.down.passes, 0);
	assert_int_equal(r.down.fails, 1228);
}

static void test_the_interface_refuses_what_is_too_long(void **state)
{
	static struct world w;
	struct path_datagram d;
	struct path_report r;

	(void)state;
	world_new(&w);
	world_begin(&w);
	while (!path_done(&w.p)) {
		world_arrive(&w);
		while (path_send(&w.p, w.now, &d) == MPP_OK) {
			if (d.len > 1252)
				path_too_long(&w.p);
			else
				world_send(&w, &d);
		}
		w.now.us += 1000;
	}
	path_report(&w.p, &r);
	assert_int_equal(r.up.passes, 1280);
	assert_int_equal(r.up.fails, 1340);
	assert_true(w.now.us - w.started.us < 4000000); /* no repeating */
	mpp_crypto_free(&w.crypto);
}

static void test_loss_is_counted_and_disturbs_nothing(void **state)
{
	static struct world w;
	struct path_report r;

	(void)state;
	world_new(&w);
	w.nat = true;
	w.lose = 3;
	w.mapping = ON_IP | ON_PORT;
	w.filtering = ON_IP | ON_PORT;
	(void)world_run(&w, &r);
	assert_in_range(r.trips.lost, 2, 12);
	assert_int_equal(r.trips.sent, 20);
	assert_int_equal(r.mapping, MAPPING_ADDRESS_PORT);
	assert_int_equal(r.filtering, FILTERING_ADDRESS_PORT);
	assert_int_equal(r.up.passes, 1480);
}

static void test_hairpinning_and_ports(void **state)
{
	static struct world w;
	struct path_report r;

	(void)state;
	world_new(&w);
	w.nat = w.hairpins = w.keeps_ports = true;
	(void)world_run(&w, &r);
	assert_int_equal(r.hairpinning, ANSWER_YES);
	assert_int_equal(r.ports_kept, ANSWER_YES);

	world_new(&w);
	w.nat = true;
	(void)world_run(&w, &r);
	assert_int_equal(r.hairpinning, ANSWER_NO);
	assert_int_equal(r.ports_kept, ANSWER_NO);

	world_new(&w);
	(void)world_run(&w, &r);
	assert_int_equal(r.hairpinning, ANSWER_UNKNOWN); /* there is no NAT */
}

static void test_a_lifetime_is_found_in_as_long_as_it_is(void **state)
{
	static struct world w;
	struct path_report r;
	uint64_t took_ms;

	(void)state;
	world_new(&w);
	w.nat = w.keeps_ports = true;
	w.filtering = ON_IP | ON_PORT;
	w.lifetime_ms = 33000;
	w.c.lifetime = true;
	took_ms = world_run(&w, &r);
	assert_int_equal(r.lifetime.method, METHOD_RESPONSE_PORT);
	assert_in_range(r.lifetime.at_least_ms, 30000, 31000);
	assert_in_range(r.lifetime.less_than_ms, 45000, 46000);
	/* One more span is awaited, because a datagram may have been lost. */
	assert_in_range(took_ms, 60000, 70000);

	world_new(&w);
	w.nat = true;
	w.c.lifetime = true;
	took_ms = world_run(&w, &r);
	assert_in_range(r.lifetime.at_least_ms, 300000, 301000);
	assert_int_equal(r.lifetime.less_than_ms, 0);
	assert_in_range(took_ms, 300000, 310000);
}

static void test_a_lifetime_without_response_port(void **state)
{
	static struct world w;
	struct path_report r;

	(void)state;
	world_new(&w);
	w.nat = true;
	w.lifetime_ms = 17000;
	w.c.lifetime = true;
	w.no_response_port = true;
	(void)world_run(&w, &r);
	assert_int_equal(r.lifetime.method, METHOD_NEW_MAPPING);
	assert_in_range(r.lifetime.at_least_ms, 15000, 17000);
	assert_in_range(r.lifetime.less_than_ms, 17000, 21000);

	/* Where ports are kept, a new mapping looks like the old one. */
	world_new(&w);
	w.nat = w.keeps_ports = w.old = true;
	w.lifetime_ms = 17000;
	w.c.lifetime = true;
	assert_true(world_run(&w, &r) < 10000);
	assert_int_equal(r.lifetime.method, METHOD_IMPOSSIBLE);
	assert_int_equal(r.lifetime.at_least_ms, 0);
}

static mpp_err no_random(void *ctx, uint8_t *out, size_t len)
{
	(void)ctx;
	(void)out;
	(void)len;
	return MPP_ERR_RANDOM;
}

static void test_without_randomness_nothing_is_sent(void **state)
{
	static struct world w;
	mpp_crypto_ops ops;
	mpp_crypto broken;
	struct path_datagram d;

	(void)state;
	world_new(&w);
	ops = *w.crypto.ops;
	ops.random = no_random;
	broken = w.crypto;
	broken.ops = &ops;
	path_start(&w.p, &w.c, &broken, w.now);
	assert_int_equal(path_send(&w.p, w.now, &d), MPP_ERR_RANDOM);
	mpp_crypto_free(&w.crypto);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_behaviours_are_named),
		cmocka_unit_test(test_two_datagrams_are_25_ms_apart),
		cmocka_unit_test(test_nothing_comes_back),
		cmocka_unit_test(test_a_refusal_is_a_hint),
		cmocka_unit_test(test_the_second_address_of_a_service_answers),
		cmocka_unit_test(test_a_server_with_one_address),
		cmocka_unit_test(test_two_servers_show_the_mapping),
		cmocka_unit_test(test_a_server_that_ignores_what_was_asked),
		cmocka_unit_test(test_sizes_are_found),
		cmocka_unit_test(test_the_interface_refuses_what_is_too_long),
		cmocka_unit_test(test_loss_is_counted_and_disturbs_nothing),
		cmocka_unit_test(test_hairpinning_and_ports),
		cmocka_unit_test(test_a_lifetime_is_found_in_as_long_as_it_is),
		cmocka_unit_test(test_a_lifetime_without_response_port),
		cmocka_unit_test(test_without_randomness_nothing_is_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
