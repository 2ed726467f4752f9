/* SPDX-License-Identifier: MIT */
/* Two programs with one device key: what is an alarm, and that copies do not
 * keep displacing each other. */
#include "world.h"

#include "role/service.h"

static const char alice[] = "alice@example.com";
static const char inbound[] = "mmm_Inbound";

#define SECOND UINT64_C(1000000)

static struct world w;

static int setup(void **state)
{
	(void)state;
	world_init(&w, 33);
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

static void subscriber(void)
{
	world_stop_service(&w);
	world_start_service(&w);
	world_subscribed(&w, alice, 0, 1);
	w.d[0].config.have_invitation = false;
}

/* Device `to` has all that device 0 has, and another address. */
static struct world_device *copy(int to)
{
	struct world_device *d =
		world_device(&w, to, alice, w.d[0].config.mode);
	const mpp_addr addr = d->addr;

	*d = w.d[0];
	d->c = NULL;
	d->n_told = 0;
	d->token_len = 0; /* used once: only one of them has it */
	d->addr = addr;
	return d;
}

static unsigned alarms(void)
{
	mpp_account_info a;
	mpp_device_info d;
	uint32_t cursor = 0;

	assert_true(mpp_service_account_find(w.s, bytes_of(alice), &a));
	assert_true(mpp_service_device_next(w.s, &a, &cursor, &d));
	return d.alarms;
}

/* ---- instances ---- */

static void a_second_live_instance_is_an_alarm(void **state)
{
	struct world_device *d;
	mpp_alarm a;

	(void)state;
	subscriber();
	assert_false(mpp_service_next_alarm(w.s, &a));
	d = copy(1);
	d->config.instance[0] ^= 0x55;
	world_connect(&w, 1);
	world_run(&w, SECOND);
	assert_int_equal(alarms(), MPP_ALARM_INSTANCES);
	assert_int_equal(count()->clone_alarms, 1);
	assert_true(mpp_service_next_alarm(w.s, &a));
	assert_int_equal(a.kind, MPP_ALARM_INSTANCES);
	assert_memory_equal(a.instance, d->config.instance, MPP_INSTANCE_LEN);
	assert_memory_equal(a.endpoint.ip, d->addr.ip, 16);
	assert_int_equal(a.account_len, strlen(alice));
	assert_memory_equal(a.account, alice, a.account_len);
	assert_false(mpp_service_next_alarm(w.s, &a));
	/* Both go on. */
	world_publish(&w, alice, inbound, 1);
	world_run(&w, SECOND);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
	assert_int_equal(world_count(&w.d[1], MPP_EV_PUBLICATION), 1);
	world_run(&w, 600 * SECOND);
	assert_int_equal(world_count(&w.d[0], MPP_EV_LOST), 0);
	assert_int_equal(world_count(&w.d[1], MPP_EV_LOST), 0);
	/* Said once, also when one of them connects again, */
	mpp_client_connect(d->c, world_now(&w));
	world_run(&w, SECOND);
	assert_int_equal(count()->clone_alarms, 1);
	/* until it is gone; and again when it is back. */
	mpp_client_close(d->c, world_now(&w));
	world_run(&w, SECOND);
	assert_int_equal(alarms(), 0);
	d->saved_ms += 1000;
	world_connect(&w, 1);
	world_run(&w, SECOND);
	assert_int_equal(alarms(), MPP_ALARM_INSTANCES);
	assert_int_equal(count()->clone_alarms, 2);
}

static void not_when_it_is_allowed(void **state)
{
	struct world_device *d;

	(void)state;
	w.config.instances_allowed = 2;
	subscriber();
	d = copy(1);
	d->config.instance[0] ^= 0x55;
	world_connect(&w, 1);
	world_run(&w, SECOND);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 1);
	assert_int_equal(alarms(), 0);
	d = copy(2);
	d->config.instance[0] ^= 0x66;
	world_connect(&w, 2);
	world_run(&w, SECOND);
	assert_int_equal(alarms(), MPP_ALARM_INSTANCES);
}

/* It is the same installation: one program asks once, another one now and
 * then. */
static void nor_when_its_programs_ask(void **state)
{
	static const mpp_client_mode modes[] = {MPP_MODE_ASK, MPP_MODE_KEEP};
	struct world_device *d;
	int i;

	(void)state;
	subscriber();
	for (i = 0; i < 2; i++) {
		w.d[0].config.mode = modes[i];
		d = copy(1 + i);
		w.d[0].config.mode = MPP_MODE_SUBSCRIBE;
		world_connect(&w, 1 + i);
		world_run(&w, SECOND);
		assert_int_equal(world_count(d, MPP_EV_CONNECTED), 1);
	}
	/* All three serve. */
	for (i = 0; i < 3; i++)
		assert_int_equal(world_count(&w.d[i], MPP_EV_LOST) +
					 world_count(&w.d[i], MPP_EV_CLOSED),
				 0);
	assert_int_equal(alarms(), 0);
	assert_int_equal(count()->clone_alarms, 0);
}

static void nor_when_the_other_is_offline(void **state)
{
	struct world_device *d;

	(void)state;
	subscriber();
	d = copy(1);
	d->config.instance[0] ^= 0x55;
	free(w.d[0].c);
	w.d[0].c = NULL;
	world_run(&w, 70 * SECOND);
	world_connect(&w, 1);
	world_run(&w, SECOND);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 1);
	assert_int_equal(alarms(), 0);
}

/* ---- copies of one instance ---- */

/* Device i connects now; whether it was let in. */
static bool takes_over(int i)
{
	const size_t before = world_count(&w.d[i], MPP_EV_CONNECTED);

	mpp_client_connect(w.d[i].c, world_now(&w));
	world_run(&w, SECOND);
	return world_count(&w.d[i], MPP_EV_CONNECTED) > before;
}

static void the_third_time_in_a_minute_is_an_alarm(void **state)
{
	(void)state;
	subscriber();
	copy(1);
	world_connect(&w, 1);
	world_run(&w, SECOND); /* the first */
	assert_int_equal(world_count(&w.d[1], MPP_EV_CONNECTED), 1);
	assert_true(takes_over(0));
	assert_int_equal(alarms(), 0);
	assert_true(takes_over(1));
	assert_int_equal(alarms(), MPP_ALARM_REPLACED);
	assert_int_equal(count()->clone_alarms, 1);
	/* Now it has to wait. */
	assert_false(takes_over(0));
	assert_int_equal(world_last(&w.d[0], MPP_EV_REFUSED)->status,
			 MPP_STATUS_TOO_MANY);
	world_run(&w, 10 * SECOND);
	assert_int_equal(
		world_last(&w.d[0], MPP_EV_CONNECTED)->at <= w.now - SECOND, 1);
}

static void not_when_it_takes_longer(void **state)
{
	unsigned i;

	(void)state;
	subscriber();
	copy(1);
	world_connect(&w, 1);
	for (i = 0; i < 10; i++) {
		/* The other one would come back by itself. */
		mpp_client_close(w.d[i & 1].c, world_now(&w));
		free(w.d[i & 1].c);
		w.d[i & 1].c = NULL;
		world_run(&w, 31 * SECOND);
		w.d[i & 1].saved_ms = world_now(&w).wall.us / 1000;
		world_connect(&w, (int)(i & 1));
		world_run(&w, SECOND);
	}
	assert_int_equal(count()->clone_alarms, 0);
}

static void nor_from_one_address(void **state)
{
	unsigned i;

	(void)state;
	subscriber();
	for (i = 0; i < 10; i++)
		assert_true(takes_over(0));
	assert_int_equal(count()->clone_alarms, 0);
}

/* Left to themselves, each comes back as soon as it notices. */
static void copies_calm_down(void **state)
{
	(void)state;
	w.d[0].config.keepalive_ms = 0;
	subscriber();
	w.d[0].config.keepalive_ms = 500;
	world_connect(&w, 0);
	world_run(&w, SECOND);
	copy(1);
	world_connect(&w, 1);
	world_run(&w, 600 * SECOND);
	/* 10, 20, 40 s, then a lease each; without that it would be a
	 * thousand. */
	assert_in_range(count()->confirmed, 8, 25);
	assert_int_equal(alarms(), MPP_ALARM_REPLACED);
	/* Somebody hears of everything. */
	world_publish(&w, alice, inbound, 5);
	world_run(&w, 130 * SECOND);
	assert_true(world_last(&w.d[0], MPP_EV_PUBLICATION) != NULL ||
		    world_last(&w.d[1], MPP_EV_PUBLICATION) != NULL);
}

/* Of more instances than there are places the oldest goes. */
static void at_most_four_instances(void **state)
{
	mpp_pool_info p;
	int i;

	(void)state;
	subscriber();
	for (i = 1; i < 7; i++) {
		copy(i)->config.instance[0] ^= (uint8_t)(16 + i);
		world_connect(&w, i);
		world_run(&w, SECOND);
		assert_int_equal(world_count(&w.d[i], MPP_EV_CONNECTED), 1);
	}
	assert_true(mpp_service_pool(w.s, 0, &p));
	assert_string_equal(p.name, "bindings");
	assert_int_equal(p.used, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		CASE(a_second_live_instance_is_an_alarm),
		CASE(not_when_it_is_allowed),
		CASE(nor_when_its_programs_ask),
		CASE(nor_when_the_other_is_offline),
		CASE(the_third_time_in_a_minute_is_an_alarm),
		CASE(not_when_it_takes_longer),
		CASE(nor_from_one_address),
		CASE(copies_calm_down),
		CASE(at_most_four_instances),
#undef CASE
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
