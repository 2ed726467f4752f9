/* SPDX-License-Identifier: MIT */
/* Fresh keys: when they are made, that the old connection carries everything
 * until then, and that what is too old is not used. */
#include "world.h"

#include "base/mem.h"
#include "role/client.h"
#include "role/service.h"

static const char alice[] = "alice@example.com";
static const char inbound[] = "mmm_Inbound";

#define SECOND UINT64_C(1000000)
#define HOUR (3600 * SECOND)

static struct world w;

static unsigned sent[8];   /* connection datagrams of devices, by type */
static bool no_handshakes; /* they are lost */
static bool no_confirming; /* so is what devices send under new keys */
static struct flying held; /* the newest data packet to the service */
static bool hold;          /* it goes no further */
static uint8_t old_id[16]; /* identifiers of the first connection begin so */

static int watch(struct world *world, const struct flying *f)
{
	const bool first = memcmp(f->data, (uint8_t[16]){0}, 16) == 0;

	(void)world;
	if (!f->to_service)
		return 0;
	if (first && f->data[16] < 8)
		sent[f->data[16]]++;
	if (first)
		return no_handshakes;
	if (no_confirming && memcmp(f->data, old_id, 16) != 0)
		return 1;
	held = *f;
	return hold;
}

static void restart(void)
{
	world_stop_service(&w);
	world_start_service(&w);
}

static int setup(void **state)
{
	unsigned i;

	(void)state;
	world_init(&w, 9);
	for (i = 0; i < MPP_TOKEN_KEY_LEN; i++)
		w.secrets.token.key[i] = (uint8_t)world_random(&w);
	memset(sent, 0, sizeof(sent));
	no_handshakes = no_confirming = hold = false;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_end(&w);
	return 0;
}

/* A subscriber; service_s, client_s: 0: the default. */
static struct world_device *subscriber(uint32_t service_s, uint32_t client_s)
{
	w.config.renew_s = service_s;
	restart();
	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	w.d[0].config.renew_s = client_s;
	world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE | MPP_RIGHT_PUBLISH);
	world_connect(&w, 0);
	world_run(&w, 3 * SECOND);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 1);
	memcpy(old_id, link_cur(w.d[0].c)->service_id, 16);
	w.drop = watch;
	w.d[0].n_told = 0;
	return &w.d[0];
}

static const mpp_service_counters *count(void)
{
	return mpp_service_count(w.s);
}

/* Publications were told once each, in order, up to the newest. */
static void assert_each_once(const struct world_device *d, uint64_t newest)
{
	uint64_t index = 0;
	size_t i;

	assert_true(d->n_told < WORLD_EVENTS);
	for (i = 0; i < d->n_told; i++) {
		if (d->told[i].kind != MPP_EV_PUBLICATION ||
		    strcmp(d->told[i].store[0], inbound) != 0)
			continue;
		assert_int_equal(d->told[i].n_stores, 1);
		assert_int_equal(d->told[i].index[0], ++index);
	}
	assert_int_equal(index, newest);
}

/* Publish every so often, for so long. */
static uint64_t publish_for(uint64_t us, uint64_t every)
{
	uint64_t index = 0, t;

	for (t = 0; t < us; t += every) {
		world_publish(&w, alice, inbound, ++index);
		world_run(&w, every);
	}
	return index;
}

static void within_a_day_a_device_proves_its_key_again(void **state)
{
	struct world_device *d = subscriber(0, 0);
	uint64_t newest;

	(void)state;
	assert_true(d->token_len > 0);
	world_run(&w, 22 * HOUR);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 0);
	/* While publications are on their way all the time. */
	newest = publish_for(HOUR * 2, 45 * SECOND);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 1);
	assert_int_equal(world_count(d, MPP_EV_LOST), 0);
	assert_each_once(d, newest);
	/* A token was there, and not used: it proves no key. */
	assert_int_equal(sent[RUD_INIT_EXCHANGE], 1);
	assert_int_equal(sent[RUD_INIT_TICKET], 0);
	assert_memory_not_equal(link_cur(d->c)->service_id, old_id, 16);
}

static void the_service_asks_a_device_that_does_not_by_itself(void **state)
{
	struct world_device *d = subscriber(0, 604800);

	(void)state;
	world_run(&w, 23 * HOUR - 10 * SECOND);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 0);
	world_run(&w, 2 * HOUR);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 1);
	assert_int_equal(sent[RUD_INIT_EXCHANGE], 1);
	assert_int_equal(count()->renewed, 1);
	assert_int_equal(count()->keys_ended, 0);
	assert_int_equal(world_count(d, MPP_EV_LOST), 0);
}

/* It asks, and is answered at once. */
static void assert_asks(struct world_device *d)
{
	const mpp_store_status st = {bytes_of("mmm_Contact"), 7, {NULL, 0}};
	uint32_t request;

	assert_int_equal(mpp_client_publish(d->c, &st, 1, world_now(&w),
					    &request),
			 MPP_OK);
	world_run(&w, SECOND);
	assert_non_null(world_last(d, MPP_EV_RESPONSE));
	assert_int_equal(world_last(d, MPP_EV_RESPONSE)->request, request);
	assert_int_equal(world_last(d, MPP_EV_RESPONSE)->status, 0);
}

static void until_then_the_old_connection_carries_everything(void **state)
{
	struct world_device *d = subscriber(0, 604800);

	(void)state;
	no_handshakes = true;
	world_run(&w, 30 * HOUR);
	assert_true(sent[RUD_INIT_EXCHANGE] > 10);
	/* At most one in a minute: it is asked for with each packet. */
	assert_true(sent[RUD_INIT_EXCHANGE] < 6 * 60 + 30);
	assert_int_equal(world_count(d, MPP_EV_LOST), 0);
	assert_int_equal(world_count(d, MPP_EV_REFUSED), 0);
	/* It hears, and asks. */
	world_publish(&w, alice, inbound, 1);
	world_run(&w, SECOND);
	assert_int_equal(world_count(d, MPP_EV_PUBLICATION), 1);
	assert_asks(d);
	assert_int_equal(count()->renewed, 0);
	/* And when they pass again, it has new keys. */
	no_handshakes = false;
	world_run(&w, 90 * SECOND);
	assert_int_equal(count()->renewed, 1);
	assert_int_equal(world_count(d, MPP_EV_LOST), 0);
	assert_memory_not_equal(link_cur(d->c)->service_id, old_id, 16);
}

static void so_it_does_while_the_new_one_is_not_confirmed(void **state)
{
	struct world_device *d = subscriber(0, 0);
	unsigned i;

	(void)state;
	no_confirming = true;
	world_run(&w, 25 * HOUR);
	assert_true(sent[RUD_INIT_EXCHANGE] > 10);
	assert_true(count()->handshakes > 10);
	world_publish(&w, alice, inbound, 1);
	world_run(&w, SECOND);
	assert_int_equal(world_count(d, MPP_EV_PUBLICATION), 1);
	assert_int_equal(world_count(d, MPP_EV_LOST), 0);
	assert_memory_equal(link_cur(d->c)->service_id, old_id, 16);
	for (i = 0; i < 10; i++) {
		assert_asks(d);
		world_run(&w, 7 * SECOND);
	}
	no_confirming = false;
	world_run(&w, 90 * SECOND);
	assert_int_equal(count()->renewed, 1);
	world_publish(&w, alice, inbound, 2);
	world_run(&w, SECOND);
	assert_each_once(d, 2);
}

static void packets_make_keys_old_too(void **state)
{
	struct world_device *d = subscriber(0, 0);
	struct binding *b = binding_at(&w.s->state, 0);

	(void)state;
	world_run(&w, HOUR);
	assert_int_equal(sent[RUD_INIT_EXCHANGE], 0);
	/* As the service counts what it sent, */
	b->tx_next = (1u << 23) - 1;
	world_run(&w, 60 * SECOND);
	assert_int_equal(count()->renewed, 1);
	assert_int_equal(sent[RUD_INIT_EXCHANGE], 1);
	/* and as the device does. */
	link_cur(d->c)->tx_next = 1u << 23;
	world_run(&w, 60 * SECOND);
	assert_int_equal(sent[RUD_INIT_EXCHANGE], 2);
	world_run(&w, HOUR);
	assert_int_equal(sent[RUD_INIT_EXCHANGE], 2);
	assert_int_equal(world_count(d, MPP_EV_LOST), 0);
}

static void after_two_days_the_service_does_not_use_them(void **state)
{
	struct world_device *d = subscriber(0, 604800);

	(void)state;
	no_handshakes = true;
	world_run(&w, 47 * HOUR - 4 * SECOND);
	assert_int_equal(count()->keys_ended, 0);
	world_publish(&w, alice, inbound, 1);
	world_run(&w, SECOND);
	assert_int_equal(world_count(d, MPP_EV_PUBLICATION), 1);
	world_run(&w, HOUR);
	assert_int_equal(count()->keys_ended, 1);
	/* A reset has told the device. */
	assert_int_equal(world_count(d, MPP_EV_LOST), 1);
	no_handshakes = false;
	world_run(&w, 20 * SECOND);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 1);
}

static void nor_does_the_device(void **state)
{
	struct world_device *d = subscriber(604800, 0);
	uint64_t sent_before;

	(void)state;
	no_handshakes = true;
	world_run(&w, 48 * HOUR - 10 * SECOND);
	world_publish(&w, alice, inbound, 1);
	world_run(&w, SECOND);
	assert_int_equal(world_count(d, MPP_EV_PUBLICATION), 1);
	assert_int_equal(world_count(d, MPP_EV_LOST), 0);
	world_run(&w, 10 * SECOND);
	assert_int_equal(world_count(d, MPP_EV_LOST), 1);
	/* The service still has it, but what it sends is not opened. */
	sent_before = count()->notifies;
	world_publish(&w, alice, inbound, 2);
	world_run(&w, SECOND);
	assert_true(count()->notifies > sent_before);
	assert_int_equal(world_count(d, MPP_EV_PUBLICATION), 1);
	assert_false(link_cur(d->c)->on);
	no_handshakes = false;
	world_run(&w, 20 * SECOND);
	assert_each_once(d, 2);
}

/* A packet of the device comes, so much later, before the service has looked
 * at its clock. */
static mpp_err late(uint64_t us)
{
	struct world_device *d = subscriber(0, 604800);
	static mpp_datagram slots[8];
	mpp_outbox out = {slots, 8, 0};
	struct flying f;
	uint32_t request;

	hold = true;
	assert_int_equal(mpp_client_endpoint(d->c, world_now(&w), &request),
			 MPP_OK);
	world_run(&w, SECOND);
	f = held;
	w.now += us;
	return mpp_service_receive(w.s, (mpp_buf){f.data, f.len, f.len},
				   &f.from, world_now(&w), &out);
}

static void a_packet_under_keys_that_are_too_old_is_not_opened(void **state)
{
	(void)state;
	assert_int_equal(late(48 * HOUR), MPP_ERR_STRANGER);
	assert_int_equal(count()->keys_ended, 1);
}

static void one_under_keys_that_are_not_is(void **state)
{
	(void)state;
	assert_int_equal(late(47 * HOUR - 60 * SECOND), MPP_OK);
	assert_int_equal(count()->keys_ended, 0);
}

/* Hours are counted in one octet. */
static void a_host_that_slept_for_days_uses_no_old_keys(void **state)
{
	(void)state;
	assert_int_equal(late(257 * HOUR), MPP_ERR_STRANGER);
	assert_int_equal(count()->keys_ended, 1);
}

/* ---- forward secrecy ---- */

/* One packet each way, as on the wire. */
static struct flying packets[2];

static int keep(struct world *world, const struct flying *f)
{
	(void)world;
	if (f->len > PACKET_OVERHEAD && f->len < 600 &&
	    memcmp(f->data, (uint8_t[16]){0}, 16) != 0)
		packets[f->to_service] = *f;
	return 0;
}

static void exchange_packets(void)
{
	uint32_t request;

	w.drop = keep;
	memset(packets, 0, sizeof(packets));
	assert_int_equal(mpp_client_endpoint(w.d[0].c, world_now(&w), &request),
			 MPP_OK);
	world_run(&w, SECOND);
	assert_true(packets[0].len != 0 && packets[1].len != 0);
	w.drop = watch;
}

static bool opens(const struct rud_keys *keys, struct flying f)
{
	struct rud_header h;

	return packet_header(&w.crypto, keys, f.data, &h) == MPP_OK &&
	       packet_open(&w.crypto, keys, &h, f.data, f.len) == MPP_OK;
}

/* What both sides keep to send and to receive with, once. */
static void copy_keys(struct rud_keys to[2])
{
	const struct link *l = link_cur(w.d[0].c);

	to[0] = l->rx;
	to[1] = l->tx;
}

static void old_keys_open_nothing_new_and_new_ones_nothing_old(void **state)
{
	struct rud_keys before[2], after[2];
	struct flying old[2];
	const struct binding *b;
	unsigned i;

	(void)state;
	subscriber(0, 0);
	exchange_packets();
	memcpy(old, packets, sizeof(old));
	copy_keys(before);
	world_run(&w, 25 * HOUR);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 1);
	exchange_packets();
	copy_keys(after);
	for (i = 0; i < 2; i++) {
		assert_true(opens(&before[i], old[i]));
		assert_true(opens(&after[i], packets[i]));
		assert_false(opens(&before[i], packets[i]));
		assert_false(opens(&after[i], old[i]));
	}
	/* And neither side has the old ones any more. */
	assert_true(mem_is_zero((const uint8_t *)link_next(w.d[0].c),
				sizeof(struct link)));
	for (i = 0; i < w.s->state.bindings.fresh; i++) {
		b = binding_at(&w.s->state, i);
		assert_memory_not_equal(&b->rx, &before[1], sizeof(b->rx));
		assert_memory_not_equal(&b->tx, &before[0], sizeof(b->tx));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		CASE(within_a_day_a_device_proves_its_key_again),
		CASE(the_service_asks_a_device_that_does_not_by_itself),
		CASE(until_then_the_old_connection_carries_everything),
		CASE(so_it_does_while_the_new_one_is_not_confirmed),
		CASE(packets_make_keys_old_too),
		CASE(after_two_days_the_service_does_not_use_them),
		CASE(nor_does_the_device),
		CASE(a_packet_under_keys_that_are_too_old_is_not_opened),
		CASE(one_under_keys_that_are_not_is),
		CASE(a_host_that_slept_for_days_uses_no_old_keys),
		CASE(old_keys_open_nothing_new_and_new_ones_nothing_old),
#undef CASE
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
