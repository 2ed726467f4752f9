/* SPDX-License-Identifier: MIT */
/* A device that is subscribed, and beside it the same device that only asks:
 * neither disturbs the other. */
#include "world.h"

static const char alice[] = "alice@example.com";
/* A name that JSON text holds escaped. */
static const char quoted[] = "a\"b";

static struct world w;

static int setup(void **state)
{
	(void)state;
	world_init(&w, 5);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_end(&w);
	return 0;
}

/* Device 0, subscribed; device 1 has its key and its instance. */
static void both(mpp_client_mode mode)
{
	const struct world_device *d = &w.d[0];
	struct world_device *asker;

	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE | MPP_RIGHT_PUBLISH);
	world_connect(&w, 0);
	world_run(&w, 2000000);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 1);
	asker = world_device(&w, 1, alice, mode);
	memcpy(asker->config.device_secret, d->config.device_secret,
	       MPP_DH_MAX);
	memcpy(asker->config.instance, d->config.instance, MPP_INSTANCE_LEN);
	world_connect(&w, 1);
	world_run(&w, 2000000);
	assert_int_equal(world_count(asker, MPP_EV_CONNECTED), 1);
}

/* The answer of the asker's publish; it stays with the client. */
static mpp_client_event publish(const mpp_store_status *stores, size_t n)
{
	struct world_device *d = &w.d[1];
	mpp_client_event ev;
	uint32_t request = 0;

	d->deaf = true;
	assert_int_equal(mpp_client_publish(d->c, stores, n, world_now(&w),
					    &request),
			 MPP_OK);
	assert_int_not_equal(request, 0);
	world_run(&w, 2000000);
	assert_int_equal(mpp_client_next_event(d->c, &ev), MPP_OK);
	assert_int_equal(ev.kind, MPP_EV_RESPONSE);
	assert_int_equal(ev.request, request);
	return ev;
}

static void test_beside_a_subscription(void **state)
{
	const mpp_store_status one = {bytes_of("x"), 1, {NULL, 0}};
	mpp_client_event ev;

	(void)state;
	both(MPP_MODE_ASK);
	ev = publish(&one, 1);
	assert_int_equal(ev.status, 0);
	assert_true(ev.serial > 0);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
	assert_int_equal(world_last(&w.d[0], MPP_EV_PUBLICATION)->serial,
			 ev.serial);
	/* It is not subscribed itself; the other one still is. */
	w.d[1].deaf = false;
	(void)world_publish(&w, alice, "x", 2);
	world_run(&w, 120000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 2);
	assert_int_equal(world_count(&w.d[0], MPP_EV_LOST), 0);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CLOSED), 0);
	assert_int_equal(world_count(&w.d[1], MPP_EV_PUBLICATION), 0);
	assert_int_equal(world_count(&w.d[1], MPP_EV_LOST), 0);
}

/* Which is not how ENROLL connects: as the instance that it was given. */
static void test_enroll_takes_the_place(void **state)
{
	(void)state;
	both(MPP_MODE_ENROLL);
	(void)world_publish(&w, alice, "x", 1);
	world_run(&w, 2000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 0);
}

static void test_skipped_names(void **state)
{
	const mpp_store_status given[] = {{bytes_of("new"), 1, {NULL, 0}},
					  {bytes_of("old"), 8, {NULL, 0}},
					  {bytes_of(quoted), 8, {NULL, 0}}};
	uint8_t room[MPP_STORE_MAX];
	mpp_buf scratch = {room, sizeof(room), 0};
	mpp_buf small = {room, sizeof(room) - 1, 0};
	mpp_client_event ev, none = {.kind = MPP_EV_LOST};
	mpp_bytes name;
	size_t cursor = 0;

	(void)state;
	both(MPP_MODE_ASK);
	(void)world_publish(&w, alice, "old", 9);
	(void)world_publish(&w, alice, quoted, 9);
	ev = publish(given, 3);
	assert_int_equal(ev.status, 0);
	assert_false(mpp_client_skipped_next(&ev, &cursor, &small, &name));
	assert_true(mpp_client_skipped_next(&ev, &cursor, &scratch, &name));
	assert_int_equal(name.len, 3);
	assert_memory_equal(name.p, "old", 3);
	assert_true(mpp_client_skipped_next(&ev, &cursor, &scratch, &name));
	assert_int_equal(name.len, 3);
	assert_memory_equal(name.p, quoted, 3);
	assert_int_equal(cursor, 2);
	assert_false(mpp_client_skipped_next(&ev, &cursor, &scratch, &name));
	assert_int_equal(cursor, 2);
	/* An event without a message has none. */
	cursor = 0;
	assert_false(mpp_client_skipped_next(&none, &cursor, &scratch, &name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_beside_a_subscription,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_enroll_takes_the_place,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_skipped_names, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
