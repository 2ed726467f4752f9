/* SPDX-License-Identifier: MIT */
/* test_client_web.c - a device where UDP does not get through. */
#include "web_subscriber.h"

static void who_connects_without_udp_goes_to_the_web_after_3_s(void **state)
{
	struct world_device *d;

	(void)state;
	begin(1);
	web.udp_cut = true;
	d = invited(0, MPP_MODE_SUBSCRIBE);
	world_connect(&w, 0);
	web_run(&w, 2900000);
	assert_int_equal(web.posts, 0);
	web_run(&w, 2 * S);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 1);
	assert_int_equal(world_count(d, MPP_EV_TRANSPORT), 1);
	assert_int_equal(info(0).now, MPP_TRANSPORT_WEB);
	assert_int_equal(world_count(d, MPP_EV_LOST), 0);
	world_end(&w);
}

static void without_a_web_service_it_stays_with_udp(void **state)
{
	struct world_device *d;

	(void)state;
	begin(2);
	web.udp_cut = true;
	d = invited(0, MPP_MODE_SUBSCRIBE);
	d->config.web = false;
	world_connect(&w, 0);
	web_run(&w, 60 * S);
	assert_int_equal(web.posts, 0);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 0);
	assert_int_equal(info(0).changes, 0);
	world_end(&w);
}

static void a_publication_comes_with_the_status_that_waits(void **state)
{
	struct world_device *d = subscriber(3, true);
	uint64_t serial, at, polls;

	(void)state;
	web_run(&w, 10 * S);
	polls = web.polls;
	serial = web_publish(&w, ALICE, "mmm_a", 7);
	at = w.now;
	web_run(&w, S);
	assert_told_once(d, serial);
	assert_int_equal(world_count(d, MPP_EV_PUBLICATION), 1);
	assert_true(world_last(d, MPP_EV_PUBLICATION)->at - at < S / 10);
	/* The next one waits already, and says that it came. */
	assert_int_equal(web.polls, polls + 1);
	assert_int_equal(world_acknowledged(&w, ALICE), serial);
	/* While nothing changes a post a minute or so is all there is. */
	polls = web.posts;
	web_run(&w, 300 * S);
	assert_in_range(web.posts - polls, 5, 10);
	assert_int_equal(world_count(d, MPP_EV_LOST), 0);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 1);
	world_end(&w);
}

static void a_request_need_not_wait_for_the_status(void **state)
{
	struct world_device *d = subscriber(4, true);
	const mpp_store_status st = {bytes_of("mmm_b"), 3, {NULL, 0}};
	uint32_t request;

	(void)state;
	web_run(&w, 5 * S);
	assert_int_equal(mpp_client_publish(d->c, &st, 1, world_now(&w),
					    &request),
			 MPP_OK);
	web_run(&w, S);
	assert_int_equal(world_count(d, MPP_EV_RESPONSE), 1);
	assert_int_equal(world_last(d, MPP_EV_RESPONSE)->request, request);
	assert_true(world_last(d, MPP_EV_RESPONSE)->status < 300);
	assert_told_once(d, world_last(d, MPP_EV_RESPONSE)->serial);
	world_end(&w);
}

static void a_connection_goes_along_to_the_web_and_back(void **state)
{
	struct world_device *d = subscriber(5, false);
	uint64_t serial;

	(void)state;
	assert_int_equal(web.posts, 0);
	assert_int_equal(world_count(d, MPP_EV_TRANSPORT), 0);
	web.udp_cut = true;
	web_publish(&w, ALICE, "mmm_a", 1);
	web_run(&w, 25 * S);
	assert_int_equal(world_count(d, MPP_EV_TRANSPORT), 1);
	assert_int_equal(info(0).now, MPP_TRANSPORT_WEB);
	serial = web_publish(&w, ALICE, "mmm_a", 2);
	web_run(&w, S);
	assert_told_once(d, serial);
	web.udp_cut = false;
	web_run(&w, 60 * S);
	assert_int_equal(world_count(d, MPP_EV_TRANSPORT), 2);
	assert_int_equal(info(0).now, MPP_TRANSPORT_UDP);
	serial = web.posts;
	web_publish(&w, ALICE, "mmm_a", 3);
	web_run(&w, S);
	assert_told_once(d, web_publish(&w, ALICE, "mmm_a", 3));
	assert_int_equal(web.posts, serial);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 1);
	assert_int_equal(world_count(d, MPP_EV_LOST), 0);
	world_end(&w);
}

static void udp_is_tried_later_and_later(void **state)
{
	struct world_device *d = subscriber(6, true);
	uint64_t before;

	(void)state;
	(void)d;
	web_run(&w, 600 * S);
	/* After 5, 10, 20 s, then every 40 s. */
	assert_in_range(info(0).tries, 15, 18);
	before = web.udp_from_device;
	web_run(&w, 400 * S);
	assert_int_equal(web.udp_from_device - before, 10);
	world_end(&w);
}

static int not_to_devices(struct world *world, const struct flying *f)
{
	(void)world;
	return !f->to_service;
}

static void one_way_udp_brings_nobody_back(void **state)
{
	struct world_device *d = subscriber(7, true);
	uint64_t serial;

	(void)state;
	/* The device's packets arrive, and what the service sends does not. */
	w.drop = not_to_devices;
	web_run(&w, 100 * S);
	assert_int_equal(info(0).now, MPP_TRANSPORT_WEB);
	assert_true(info(0).tries > 2);
	serial = web_publish(&w, ALICE, "mmm_a", 2);
	web_run(&w, S);
	assert_told_once(d, serial);
	world_end(&w);
}

/* Of what a device sends, only what tries UDP arrives. */
static int tries_only(struct world *world, const struct flying *f)
{
	static uint32_t passed;

	(void)world;
	if (!f->to_service)
		return 0;
	if (passed == info(0).tries)
		return 1;
	passed = info(0).tries;
	return 0;
}

static void an_address_that_is_not_proved_brings_nobody_back(void **state)
{
	struct world_device *d = subscriber(25, true);
	uint64_t serial = 0;
	unsigned i;

	(void)state;
	w.drop = tries_only;
	for (i = 1; i < 240; i++) {
		serial = web_publish(&w, ALICE, "mmm_a", i);
		web_run(&w, S / 5);
		assert_int_equal(info(0).now, MPP_TRANSPORT_WEB);
	}
	assert_true(info(0).tries > 2);
	assert_told_once(d, serial);
	world_end(&w);
}

static void when_the_web_fails_as_well_it_is_lost_and_comes_back(void **state)
{
	struct world_device *d = subscriber(8, true);
	uint64_t serial;

	(void)state;
	web.http_down = true;
	web_run(&w, 30 * S);
	assert_int_equal(world_count(d, MPP_EV_LOST), 1);
	serial = web_publish(&w, ALICE, "mmm_a", 2);
	web.http_down = false;
	web_run(&w, 60 * S);
	assert_told_once(d, serial);
	assert_int_equal(info(0).now, MPP_TRANSPORT_WEB);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 2);
	world_end(&w);
}

static void a_service_that_lost_it_says_so_and_it_connects_anew(void **state)
{
	struct world_device *d = subscriber(9, true);
	uint64_t serial;

	(void)state;
	world_stop_service(&w);
	web_run(&w, 2 * S);
	world_start_service(&w);
	web_run(&w, 10 * S);
	assert_true(web.statuses[410] != 0);
	assert_int_equal(world_count(d, MPP_EV_LOST), 1);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 2);
	assert_int_equal(info(0).now, MPP_TRANSPORT_WEB);
	serial = web_publish(&w, ALICE, "mmm_a", 2);
	web_run(&w, S);
	assert_told_once(d, serial);
	world_end(&w);
}

static void lost_requests_and_answers_lose_no_publication(void **state)
{
	struct world_device *d = subscriber(10, true);
	uint64_t serial = 0;
	unsigned i;

	(void)state;
	web.request_loss_pct = web.answer_loss_pct = 20;
	for (i = 1; i <= 40; i++) {
		serial = web_publish(&w, ALICE, "mmm_a", i);
		web_run(&w, 3 * S);
	}
	web.request_loss_pct = web.answer_loss_pct = 0;
	web_run(&w, 60 * S);
	assert_told_once(d, serial);
	assert_int_equal(world_last(d, MPP_EV_PUBLICATION)->index[0], 40);
	world_end(&w);
}

static void another_web_server_in_between_is_no_service(void **state)
{
	static const int statuses[] = {200, 302, 400, 403, 404, 410, 511};
	struct world_device *d = subscriber(11, true);
	uint64_t posts, serial;
	size_t i;

	(void)state;
	posts = web.posts;
	for (i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		web.portal = statuses[i];
		web_run(&w, 30 * S);
	}
	/* It is not asked all the time. */
	assert_in_range(web.posts - posts, 10, 100);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 1);
	web.portal = 0;
	serial = web_publish(&w, ALICE, "mmm_a", 2);
	web_run(&w, 60 * S);
	assert_told_once(d, serial);
	world_end(&w);
}

static void noise_in_place_of_answers_changes_nothing(void **state)
{
	struct world_device *d = subscriber(23, true);
	uint64_t posts = web.posts, serial;
	unsigned i;

	(void)state;
	web.noise = true;
	for (i = 0; i < 200; i++) {
		web_run(&w, 20 * S);
		/* Back now and then, so that there is a connection, too. */
		web.noise = i % 4 != 3;
	}
	assert_true(web.posts - posts > 300);
	assert_int_equal(world_count(d, MPP_EV_KEY_CHANGED), 0);
	assert_int_equal(world_count(d, MPP_EV_REFUSED), 0);
	assert_int_equal(world_count(d, MPP_EV_CLOSED), 0);
	assert_int_equal(world_count(d, MPP_EV_PUBLICATION), 0);
	web.noise = false;
	serial = web_publish(&w, ALICE, "mmm_a", 2);
	web_run(&w, 60 * S);
	assert_told_once(d, serial);
	world_end(&w);
}

/* UDP that works for a moment now and then is not believed each time. */
static void udp_that_comes_and_goes_is_tried_more_seldom(void **state)
{
	struct world_device *d = subscriber(24, true);
	unsigned i, changes = 0;

	(void)state;
	for (i = 0; i < 60; i++) {
		web.udp_cut = info(0).now == MPP_TRANSPORT_UDP;
		web_run(&w, 10 * S);
	}
	changes = info(0).changes;
	/* Every 5 s it could be back: 60 changes. */
	assert_in_range(changes, 8, 34);
	assert_int_equal(world_count(d, MPP_EV_LOST), 0);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 1);
	world_end(&w);
}

static void fresh_keys_are_made_over_the_web_as_well(void **state)
{
	struct world_device *d;
	uint64_t serial = 0;
	unsigned i;

	(void)state;
	begin(12);
	web.udp_cut = true;
	d = invited(0, MPP_MODE_SUBSCRIBE);
	d->config.renew_s = 20;
	world_connect(&w, 0);
	web_run(&w, 5 * S);
	for (i = 1; i <= 50; i++) {
		serial = web_publish(&w, ALICE, "mmm_a", i);
		web_run(&w, 2 * S);
		assert_told_once(d, serial);
	}
	assert_in_range(world_count(d, MPP_EV_CONNECTED), 4, 8);
	assert_int_equal(world_count(d, MPP_EV_LOST), 0);
	assert_int_equal(world_count(d, MPP_EV_TRANSPORT), 1);
	world_end(&w);
}

static void what_does_not_fit_a_datagram_comes_as_one_answer(void **state)
{
	struct world_device *d = subscriber(13, true);
	char names[60][MPP_STORE_MAX + 1];
	mpp_store_status st[60];
	mpp_published done;
	unsigned i;

	(void)state;
	web_run(&w, 5 * S);
	for (i = 0; i < 60; i++) {
		(void)snprintf(names[i], sizeof(names[i]),
			       "a_store_with_a_rather_long_name_of_number_%u",
			       i);
		st[i] = (mpp_store_status){
			bytes_of(names[i]), i + 1, {NULL, 0}};
	}
	assert_int_equal(mpp_service_publish(w.s, bytes_of(ALICE), st, 60,
					     false, 9, world_now(&w).wall,
					     &done),
			 MPP_OK);
	web_run(&w, S);
	assert_int_equal(world_count(d, MPP_EV_PUBLICATION), 1);
	assert_int_equal(world_last(d, MPP_EV_PUBLICATION)->n_stores, 60);
	assert_false(world_last(d, MPP_EV_PUBLICATION)->more);
	world_end(&w);
}

static void who_asks_once_gets_its_answer_over_the_web(void **state)
{
	static const mpp_client_mode modes[] = {MPP_MODE_STATUS,
						MPP_MODE_ENDPOINT};
	struct world_device *d = subscriber(14, true);
	uint8_t key[MPP_DH_MAX];
	size_t i;

	(void)state;
	web_publish(&w, ALICE, "mmm_a", 5);
	memcpy(key, d->config.device_secret, sizeof(key));
	for (i = 0; i < 2; i++) {
		free(w.d[1].c);
		w.d[1] = *d;
		d = &w.d[0];
		w.d[1].c = NULL;
		w.d[1].n_told = 0;
		w.d[1].config.mode = modes[i];
		w.d[1].addr.ip[3] = 77;
		world_connect(&w, 1);
		web_run(&w, 8 * S);
		assert_int_equal(world_count(&w.d[1], MPP_EV_RESPONSE), 1);
		assert_true(world_last(&w.d[1], MPP_EV_RESPONSE)->status < 300);
	}
	assert_int_equal(world_count(d, MPP_EV_LOST), 0);
	world_end(&w);
}

static void whoever_wants_the_web_alone_sends_no_datagram(void **state)
{
	struct world_device *d;
	uint64_t serial;

	(void)state;
	begin(15);
	d = invited(0, MPP_MODE_SUBSCRIBE);
	d->config.web = false;
	world_connect(&w, 0);
	mpp_client_transport(d->c, MPP_TRANSPORT_WEB, world_now(&w));
	web_run(&w, 100 * S);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 1);
	assert_int_equal(web.udp_from_device, 0);
	serial = web_publish(&w, ALICE, "mmm_a", 5);
	web_run(&w, S);
	assert_told_once(d, serial);
	/* Told to go back it does, with the same connection. */
	mpp_client_transport(d->c, MPP_TRANSPORT_UDP, world_now(&w));
	web_run(&w, 5 * S);
	assert_int_equal(world_count(d, MPP_EV_TRANSPORT), 2);
	serial = web_publish(&w, ALICE, "mmm_a", 6);
	web_run(&w, S);
	assert_told_once(d, serial);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 1);
	world_end(&w);
}

static void another_network_is_tried_with_udp_at_once(void **state)
{
	struct world_device *d = subscriber(16, true);
	uint64_t serial;

	(void)state;
	web_run(&w, 200 * S);
	web.udp_cut = false;
	d->addr.ip[3] = 99;
	mpp_client_moved(d->c, world_now(&w));
	web_run(&w, 2 * S);
	assert_int_equal(info(0).now, MPP_TRANSPORT_UDP);
	serial = web_publish(&w, ALICE, "mmm_a", 6);
	web_run(&w, S);
	assert_told_once(d, serial);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 1);
	world_end(&w);
}

static void an_unlinkable_device_needs_no_identifiers_for_the_web(void **state)
{
	struct world_device *d;
	uint64_t serial = 0;
	unsigned i;

	(void)state;
	begin(17);
	d = invited(0, MPP_MODE_SUBSCRIBE);
	d->config.unlinkable = true;
	world_connect(&w, 0);
	web_run(&w, 5 * S);
	web.udp_cut = true;
	for (i = 1; i <= 30; i++) {
		serial = web_publish(&w, ALICE, "mmm_a", i);
		web_run(&w, 3 * S);
	}
	assert_told_once(d, serial);
	assert_int_equal(info(0).now, MPP_TRANSPORT_WEB);
	web.udp_cut = false;
	web_run(&w, 120 * S);
	assert_int_equal(info(0).now, MPP_TRANSPORT_UDP);
	serial = web_publish(&w, ALICE, "mmm_a", 100);
	web_run(&w, S);
	assert_told_once(d, serial);
	world_end(&w);
}

static void who_has_unsubscribed_waits_for_nothing(void **state)
{
	struct world_device *d = subscriber(18, true);
	uint32_t request;
	uint64_t polls;

	(void)state;
	assert_int_equal(mpp_client_unsubscribe(d->c, world_now(&w), &request),
			 MPP_OK);
	web_run(&w, 2 * S);
	assert_int_equal(world_count(d, MPP_EV_RESPONSE), 1);
	polls = web.polls;
	web_publish(&w, ALICE, "mmm_a", 6);
	web_run(&w, 200 * S);
	assert_int_equal(web.polls, polls);
	assert_int_equal(world_count(d, MPP_EV_PUBLICATION), 0);
	assert_int_equal(world_count(d, MPP_EV_LOST), 0);
	world_end(&w);
}

static void a_service_that_does_not_wait_is_not_asked_all_the_time(void **state)
{
	struct world_device *d = subscriber(21, true);
	uint64_t polls, serial;

	(void)state;
	web.no_wait = true;
	web_publish(&w, ALICE, "mmm_a", 6);
	web_run(&w, 60 * S);
	polls = web.polls;
	web_run(&w, 100 * S);
	assert_in_range(web.polls - polls, 9, 10);
	serial = web_publish(&w, ALICE, "mmm_a", 7);
	web_run(&w, 11 * S);
	assert_told_once(d, serial);
	world_end(&w);
}

/* More handshakes than this service allows: it says when to come again, over
 * UDP, which so is known to go. */
static void who_is_told_to_wait_does_not_ask_over_the_web(void **state)
{
	struct world_device *d;
	unsigned i;

	(void)state;
	world_init(&w, 22);
	world_stop_service(&w);
	w.config.handshakes = 2;
	world_start_service(&w);
	web_init(&w);
	world_account(&w, ALICE);
	d = invited(0, MPP_MODE_SUBSCRIBE);
	world_connect(&w, 0);
	web_run(&w, 2 * S);
	d->config.have_invitation = false;
	for (i = 0; i < 4; i++) {
		world_connect(&w, 0);
		web_run(&w, S);
	}
	assert_true(world_count(d, MPP_EV_REFUSED) != 0);
	web_run(&w, 8 * S);
	assert_int_equal(web.posts, 0);
	assert_int_equal(info(0).now, MPP_TRANSPORT_UDP);
	world_end(&w);
}

static void a_close_is_posted(void **state)
{
	struct world_device *d = subscriber(19, true);
	const mpp_service_counters *n = mpp_service_count(w.s);

	(void)state;
	mpp_client_close(d->c, world_now(&w));
	web_run(&w, S);
	assert_int_equal(n->closed, 1);
	assert_int_equal(world_count(d, MPP_EV_CLOSED), 1);
	world_end(&w);
}

static void an_answer_that_nobody_waits_for_is_ignored(void **state)
{
	struct world_device *d = subscriber(20, true);
	uint8_t room[64] = {0};

	(void)state;
	assert_false(mpp_client_web_waits(d->c, 0));
	assert_int_equal(mpp_client_web_answer(d->c, 0, 200,
					       (mpp_buf){room, 64, 64},
					       world_now(&w)),
			 MPP_ERR_STATE);
	assert_int_equal(mpp_client_web_answer(d->c, 99999, 200,
					       (mpp_buf){room, 64, 64},
					       world_now(&w)),
			 MPP_ERR_STATE);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			who_connects_without_udp_goes_to_the_web_after_3_s),
		cmocka_unit_test(without_a_web_service_it_stays_with_udp),
		cmocka_unit_test(
			a_publication_comes_with_the_status_that_waits),
		cmocka_unit_test(a_request_need_not_wait_for_the_status),
		cmocka_unit_test(a_connection_goes_along_to_the_web_and_back),
		cmocka_unit_test(udp_is_tried_later_and_later),
		cmocka_unit_test(one_way_udp_brings_nobody_back),
		cmocka_unit_test(
			an_address_that_is_not_proved_brings_nobody_back),
		cmocka_unit_test(
			when_the_web_fails_as_well_it_is_lost_and_comes_back),
		cmocka_unit_test(
			a_service_that_lost_it_says_so_and_it_connects_anew),
		cmocka_unit_test(lost_requests_and_answers_lose_no_publication),
		cmocka_unit_test(another_web_server_in_between_is_no_service),
		cmocka_unit_test(noise_in_place_of_answers_changes_nothing),
		cmocka_unit_test(udp_that_comes_and_goes_is_tried_more_seldom),
		cmocka_unit_test(fresh_keys_are_made_over_the_web_as_well),
		cmocka_unit_test(
			what_does_not_fit_a_datagram_comes_as_one_answer),
		cmocka_unit_test(who_asks_once_gets_its_answer_over_the_web),
		cmocka_unit_test(whoever_wants_the_web_alone_sends_no_datagram),
		cmocka_unit_test(another_network_is_tried_with_udp_at_once),
		cmocka_unit_test(
			an_unlinkable_device_needs_no_identifiers_for_the_web),
		cmocka_unit_test(who_has_unsubscribed_waits_for_nothing),
		cmocka_unit_test(
			a_service_that_does_not_wait_is_not_asked_all_the_time),
		cmocka_unit_test(who_is_told_to_wait_does_not_ask_over_the_web),
		cmocka_unit_test(a_close_is_posted),
		cmocka_unit_test(an_answer_that_nobody_waits_for_is_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
