/* SPDX-License-Identifier: MIT */
/* Who is told the keys of connections: nobody, unless it was asked for. */
#include "world.h"

#include "role/service.h"

static const char alice[] = "alice@example.com";

static struct world w;

struct line {
	bool to_service;
	uint8_t connection[16], hdr[16], key[32], salt[4];
};

struct lines {
	struct line at[64];
	size_t n;
};

static struct lines by_service, by_device;

static void tell(void *arg, const mpp_key_entry *e)
{
	struct lines *l = arg;
	struct line *at = &l->at[l->n++];

	assert_true(l->n <= 64);
	at->to_service = e->to_service;
	memcpy(at->connection, e->connection, 16);
	memcpy(at->hdr, e->hdr, 16);
	memcpy(at->key, e->key, 32);
	memcpy(at->salt, e->salt, 4);
}

static int setup(void **state)
{
	(void)state;
	world_init(&w, 31);
	by_service.n = by_device.n = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_end(&w);
	return 0;
}

static void ask_both(void)
{
	world_stop_service(&w);
	w.config.key_log = (mpp_key_log){tell, &by_service};
	world_start_service(&w);
	w.d[0].config.key_log = (mpp_key_log){tell, &by_device};
}

static void enrol_and_return(bool ask)
{
	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	if (ask)
		ask_both();
	world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE);
	world_connect(&w, 0);
	world_run(&w, 5000000);
	w.d[0].config.have_invitation = false;
	world_connect(&w, 0);
	world_run(&w, 5000000);
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 30000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 2);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
}

static void nobody_is_told(void **state)
{
	(void)state;
	enrol_and_return(false);
	assert_int_equal(by_service.n + by_device.n, 0);
}

static void check_living(const struct line *to_service,
			 const struct line *to_device)
{
	const struct binding *b = binding_at(&w.s->state, 0);

	if (b->state == BINDING_FREE)
		b = binding_at(&w.s->state, 1);
	assert_true(b->state == BINDING_CONNECTED);
	assert_true(to_service->to_service && !to_device->to_service);
	assert_memory_equal(to_service->key, b->rx.key, 32);
	assert_memory_equal(to_service->hdr, b->rx.hdr, 16);
	assert_memory_equal(to_service->salt, b->rx.salt, 4);
	assert_memory_equal(to_device->key, b->tx.key, 32);
	assert_memory_equal(to_device->hdr, b->tx.hdr, 16);
	assert_memory_equal(to_device->salt, b->tx.salt, 4);
}

/* Each connection once a direction, at the moment its keys are made. */
static void both_sides_are_told_the_same(void **state)
{
	size_t i, k;

	(void)state;
	enrol_and_return(true);
	assert_int_equal(by_service.n, 4);
	assert_int_equal(by_device.n, 4);
	assert_memory_equal(by_service.at, by_device.at,
			    4 * sizeof(struct line));
	for (i = 0; i < 4; i++) {
		for (k = 0; k < i; k++)
			assert_memory_not_equal(by_device.at[i].key,
						by_device.at[k].key, 32);
		assert_memory_equal(by_device.at[i].connection,
				    by_device.at[i & ~(size_t)1].connection,
				    16);
	}
	check_living(&by_service.at[2], &by_service.at[3]);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(nobody_is_told),
		CASE(both_sides_are_told_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
