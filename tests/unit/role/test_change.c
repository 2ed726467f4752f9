/* SPDX-License-Identifier: MIT */
/* Changes: nothing takes effect before it is durable, nothing of a failed
 * batch remains, serials rise, entries merge. */
#include "world.h"

#include "presence/message.h"
#include "role/service.h"

static const char alice[] = "alice@example.com";

static struct world w;

static int setup(void **state)
{
	(void)state;
	world_init(&w, 4);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_end(&w);
	return 0;
}

static mpp_store_status entry(const char *name, uint64_t index,
			      const char *digest)
{
	return (mpp_store_status){bytes_of(name), index, bytes_of(digest)};
}

static mpp_published publish(const mpp_store_status *st, size_t n, bool reset)
{
	mpp_published done = {0, {0, 0}, false};

	assert_int_equal(mpp_service_publish(w.s, bytes_of(alice), st, n, reset,
					     1, world_now(&w).wall, &done),
			 MPP_OK);
	return done;
}

static uint64_t index_of(const char *name)
{
	mpp_account_info a;
	mpp_store_status st;
	uint32_t cursor = 0;
	uint64_t serial;

	assert_true(mpp_service_account_find(w.s, bytes_of(alice), &a));
	while (mpp_service_store_next(w.s, &a, &cursor, &st, &serial)) {
		if (st.store.len == strlen(name) &&
		    memcmp(st.store.p, name, st.store.len) == 0)
			return st.index;
	}
	return UINT64_MAX;
}

static uint64_t serial_of_account(void)
{
	mpp_account_info a;

	assert_true(mpp_service_account_find(w.s, bytes_of(alice), &a));
	return a.serial;
}

/* ---- names ---- */

static void test_account_names(void **state)
{
	static const struct {
		const char *what, *name;
		mpp_err err;
	} rows[] = {
		{"an address", "alice@example.com", MPP_OK},
		{"a callsign", "@alice", MPP_OK},
		{"the same in capitals", "ALICE@Example.com", MPP_ERR_EXISTS},
		{"letters of the world", "\xc3\xa9lo\xc3\xafse@example.com",
		 MPP_OK},
		{"nothing", "", MPP_ERR_INVALID},
		{"white space", "a b", MPP_ERR_INVALID},
		{"a line end", "a\nb", MPP_ERR_INVALID},
		{"a slash", "a/b", MPP_ERR_INVALID},
		{"a percent sign", "a%41", MPP_ERR_INVALID},
		{"a number sign", "a#b", MPP_ERR_INVALID},
		{"a question mark", "a?b", MPP_ERR_INVALID},
		{"DEL", "a\x7f", MPP_ERR_INVALID},
		{"not UTF-8", "a\xff", MPP_ERR_INVALID},
		{"UTF-8 cut short", "a\xc3", MPP_ERR_INVALID},
		{"UTF-8 overlong", "\xc0\xaf", MPP_ERR_INVALID},
	};
	char name[300];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("%s\n", rows[i].what);
		assert_int_equal(
			mpp_service_account_add(w.s, bytes_of(rows[i].name), 1),
			rows[i].err);
		if (rows[i].err == MPP_OK)
			assert_int_equal(world_result(&w, 1).err, MPP_OK);
	}
	memset(name, 'a', sizeof(name));
	assert_int_equal(mpp_service_account_add(
				 w.s, (mpp_bytes){(uint8_t *)name, 255}, 1),
			 MPP_OK);
	assert_int_equal(mpp_service_account_add(
				 w.s, (mpp_bytes){(uint8_t *)name, 256}, 1),
			 MPP_ERR_INVALID);
}

/* ---- merging ---- */

static void test_merge(void **state)
{
	mpp_store_status st[3] = {entry("a", 5, ""), entry("b", 5, "xx"),
				  entry("c", 5, "")};
	mpp_published first, done;

	(void)state;
	world_account(&w, alice);
	first = publish(st, 3, false);
	assert_true(first.waiting);
	assert_int_equal(world_result(&w, 1).serial, first.serial);
	/* Newer, equal, older. */
	st[0].index = 6;
	st[2].index = 4;
	done = publish(st, 3, false);
	assert_int_equal(done.skipped[0], 4);
	assert_int_equal(done.serial > first.serial, true);
	assert_int_equal(world_result(&w, 1).err, MPP_OK);
	assert_int_equal(index_of("a"), 6);
	assert_int_equal(index_of("b"), 5);
	assert_int_equal(index_of("c"), 5);
	/* All equal: nothing changes, nothing waits, the serial stays. */
	st[2].index = 5;
	first = done;
	done = publish(st, 3, false);
	assert_false(done.waiting);
	assert_int_equal(done.serial, first.serial);
	/* Equal index, other digest: a change. */
	st[1] = entry("b", 5, "yy");
	assert_true(publish(st, 3, false).waiting);
	assert_int_equal(world_result(&w, 1).err, MPP_OK);
	/* Lower with reset. */
	st[0].index = 1;
	done = publish(st, 1, true);
	assert_int_equal(done.skipped[0], 0);
	assert_int_equal(world_result(&w, 1).err, MPP_OK);
	assert_int_equal(index_of("a"), 1);
}

/* What was just published but is not durable yet counts already. */
static void test_merge_pending(void **state)
{
	mpp_store_status st = entry("a", 5, "");
	mpp_published one, two;

	(void)state;
	world_account(&w, alice);
	w.store_stalls = true;
	one = publish(&st, 1, false);
	two = publish(&st, 1, false);
	assert_true(one.waiting && two.waiting);
	assert_int_equal(one.serial, two.serial);
	st.index = 4;
	two = publish(&st, 1, false);
	assert_int_equal(two.skipped[0], 1);
	assert_int_equal(index_of("a"), UINT64_MAX);
	w.store_stalls = false;
	assert_int_equal(world_result(&w, 1).err, MPP_OK);
	assert_int_equal(world_result(&w, 1).err, MPP_OK);
	assert_int_equal(world_result(&w, 1).err, MPP_OK);
	assert_int_equal(index_of("a"), 5);
}

static void test_bad_publish(void **state)
{
	static char name[MPP_STORE_MAX + 2];
	static const uint8_t digest[MPP_DIGEST_MAX + 1];
	static mpp_store_status many[129];
	mpp_store_status st = entry("a", 1, "");
	mpp_store_status twice[2] = {entry("a", 1, ""), entry("a", 2, "")};
	mpp_published done;
	struct {
		const char *what;
		const mpp_store_status *st;
		size_t n;
	} rows[] = {
		{"no store", &st, 0},
		{"too many stores", many, 129},
		{"a store twice", twice, 2},
		{"a name that is too long",
		 &(mpp_store_status){
			 {(uint8_t *)name, MPP_STORE_MAX + 1}, 1, {NULL, 0}},
		 1},
		{"no name",
		 &(mpp_store_status){{(uint8_t *)name, 0}, 1, {NULL, 0}}, 1},
		{"a digest that is too long",
		 &(mpp_store_status){
			 {(uint8_t *)name, 1}, 1, {digest, sizeof(digest)}},
		 1},
		{"an index of 2^53",
		 &(mpp_store_status){
			 {(uint8_t *)name, 1}, UINT64_C(1) << 53, {NULL, 0}},
		 1},
	};
	size_t i;

	(void)state;
	memset(name, 'a', sizeof(name));
	world_account(&w, alice);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("%s\n", rows[i].what);
		assert_int_equal(mpp_service_publish(w.s, bytes_of(alice),
						     rows[i].st, rows[i].n,
						     false, 1,
						     world_now(&w).wall, &done),
				 MPP_ERR_INVALID);
	}
	assert_int_equal(mpp_service_publish(w.s, bytes_of("@nobody"), &st, 1,
					     false, 1, world_now(&w).wall,
					     &done),
			 MPP_ERR_NOTFOUND);
	world_run(&w, 1000000);
	assert_int_equal(serial_of_account(), 0);
	assert_int_equal(mpp_service_count(w.s)->publications, 0);
}

/* ---- durability ---- */

static void test_not_before_durable(void **state)
{
	mpp_result r;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	w.store_stalls = true;
	publish(&(mpp_store_status){bytes_of("a"), 1, {NULL, 0}}, 1, false);
	world_run(&w, 5000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 0);
	assert_false(mpp_service_next_result(w.s, &r));
	w.store_stalls = false;
	world_run(&w, 1000000);
	assert_true(mpp_service_next_result(w.s, &r));
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
}

/* The store fails: the publisher is told, no device hears of it, the next
 * publication gets a higher serial, and only that one is sent. */
static void test_failed_publish(void **state)
{
	mpp_store_status st = entry("a", 1, "");
	mpp_published lost, kept;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	w.commit_result = MPP_ERR_STORE;
	lost = publish(&st, 1, false);
	assert_int_equal(world_result(&w, 1).err, MPP_ERR_STORE);
	world_run(&w, 1000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 0);
	assert_int_equal(index_of("a"), UINT64_MAX);
	w.commit_result = MPP_OK;
	kept = publish(&st, 1, false);
	assert_true(kept.serial > lost.serial);
	assert_int_equal(world_result(&w, 1).err, MPP_OK);
	world_run(&w, 1000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
	assert_int_equal(world_last(&w.d[0], MPP_EV_PUBLICATION)->serial,
			 kept.serial);
}

/* A serial that was given out for what failed is nobody's: an answer to a
 * publish that changes nothing does not name it. */
static void test_serial_of_failed_publish(void **state)
{
	mpp_store_status st = entry("a", 1, "");
	mpp_published kept, lost, same;

	(void)state;
	world_account(&w, alice);
	kept = publish(&st, 1, false);
	assert_int_equal(world_result(&w, 1).err, MPP_OK);
	w.commit_result = MPP_ERR_STORE;
	st.index = 2;
	lost = publish(&st, 1, false);
	assert_true(lost.serial > kept.serial);
	assert_int_equal(world_result(&w, 1).err, MPP_ERR_STORE);
	st.index = 1;
	same = publish(&st, 1, false);
	assert_false(same.waiting);
	assert_int_equal(same.serial, kept.serial);
	assert_int_equal(same.serial, serial_of_account());
}

static void test_failed_account(void **state)
{
	mpp_account_info a;

	(void)state;
	w.commit_result = MPP_ERR_STORE;
	assert_int_equal(mpp_service_account_add(w.s, bytes_of(alice), 1),
			 MPP_OK);
	/* Not there while it waits, nor for others. */
	assert_false(mpp_service_account_find(w.s, bytes_of(alice), &a));
	assert_int_equal(mpp_service_account_add(w.s, bytes_of(alice), 2),
			 MPP_ERR_EXISTS);
	assert_int_equal(world_result(&w, 1).err, MPP_ERR_STORE);
	w.commit_result = MPP_OK;
	world_account(&w, alice);
	assert_true(mpp_service_account_find(w.s, bytes_of(alice), &a));
}

static void test_failed_removal(void **state)
{
	char id[MPP_UDF_TEXT_MAX];
	uint8_t udf[MPP_UDF_LEN];

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	mpp_client_udf(w.d[0].c, udf);
	mpp_udf_text(udf, MPP_UDF_BITS, id);
	w.commit_result = MPP_ERR_STORE;
	assert_int_equal(mpp_service_device_remove(w.s, bytes_of(alice),
						   bytes_of(id), 3,
						   world_now(&w).wall),
			 MPP_OK);
	assert_int_equal(world_result(&w, 3).err, MPP_ERR_STORE);
	w.commit_result = MPP_OK;
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 1000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
	assert_int_equal(mpp_service_device_remove(w.s, bytes_of(alice),
						   bytes_of(id), 3,
						   world_now(&w).wall),
			 MPP_OK);
	assert_int_equal(world_result(&w, 3).err, MPP_OK);
}

/* While one batch is at the store, everything else gathers in the next. */
static void test_group(void **state)
{
	mpp_store_status st = entry("a", 0, "");
	uint64_t before;
	unsigned i;

	(void)state;
	world_account(&w, alice);
	before = mpp_service_count(w.s)->commits;
	for (i = 1; i <= 100; i++) {
		st.index = i;
		assert_true(publish(&st, 1, false).waiting);
		world_settle(&w);
	}
	for (i = 1; i <= 100; i++)
		assert_int_equal(world_result(&w, 1).err, MPP_OK);
	assert_int_equal(mpp_service_count(w.s)->commits - before, 2);
	assert_int_equal(mpp_service_count(w.s)->publications, 100);
	assert_int_equal(index_of("a"), 100);
}

/* Everything is there again after a restart, in the same order. */
static void test_reload(void **state)
{
	mpp_store_status st[3] = {entry("b", 7, "dd"), entry("a", 6, ""),
				  entry("c", 5, "")};
	uint64_t serial, order[3], again[3];
	mpp_account_info a;
	mpp_store_status got;
	uint32_t cursor = 0;
	unsigned i;

	(void)state;
	world_subscribed(&w, alice, 0, 2);
	publish(st, 3, false);
	assert_int_equal(world_result(&w, 1).err, MPP_OK);
	serial = serial_of_account();
	assert_true(mpp_service_account_find(w.s, bytes_of(alice), &a));
	for (i = 0; i < 3; i++)
		assert_true(mpp_service_store_next(w.s, &a, &cursor, &got,
						   &order[i]));
	assert_false(mpp_service_store_next(w.s, &a, &cursor, &got, order));
	world_stop_service(&w);
	world_start_service(&w);
	assert_int_equal(serial_of_account(), serial);
	assert_true(mpp_service_account_find(w.s, bytes_of(alice), &a));
	assert_int_equal(a.devices, 2);
	assert_int_equal(a.stores, 3);
	cursor = 0;
	for (i = 0; i < 3; i++) {
		assert_true(mpp_service_store_next(w.s, &a, &cursor, &got,
						   &again[i]));
		assert_int_equal(order[i], again[i]);
		assert_int_equal(got.index, st[i].index);
		assert_memory_equal(got.store.p, st[i].store.p, 1);
		assert_int_equal(got.digest.len, st[i].digest.len);
	}
	assert_true(publish(&(mpp_store_status){bytes_of("a"), 9, {NULL, 0}}, 1,
			    false)
			    .serial > serial);
}

/* The clock goes back: serials do not. */
static void test_clock_back(void **state)
{
	uint64_t before, after;

	(void)state;
	world_account(&w, alice);
	before = world_publish(&w, alice, "a", 1);
	w.epoch -= UINT64_C(86400000000);
	after = world_publish(&w, alice, "a", 2);
	assert_int_equal(after, before + 1);
}

/* ---- limits ---- */

static void test_store_limit(void **state)
{
	mpp_store_status st;
	mpp_published done;
	char name[16];
	unsigned i;

	(void)state;
	world_account(&w, alice);
	for (i = 0; i < 128; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		world_publish(&w, alice, name, 1);
	}
	st = entry("one more", 1, "");
	assert_int_equal(mpp_service_publish(w.s, bytes_of(alice), &st, 1,
					     false, 1, world_now(&w).wall,
					     &done),
			 MPP_ERR_LIMIT);
	/* All or nothing: the known one beside it is not changed either. */
	assert_int_equal(mpp_service_publish(
				 w.s, bytes_of(alice),
				 (mpp_store_status[]){entry("s0", 2, ""), st},
				 2, false, 1, world_now(&w).wall, &done),
			 MPP_ERR_LIMIT);
	world_run(&w, 1000000);
	assert_int_equal(index_of("s0"), 1);
	assert_int_equal(world_publish(&w, alice, "s0", 3) > 0, true);
	assert_int_equal(index_of("s0"), 3);
}

/* Names that devices only asked for make room for real ones. */
static void test_asked_make_room(void **state)
{
	char names[MPP_FILTER_MAX][16];
	char name[16];
	unsigned i;

	(void)state;
	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	for (i = 0; i < MPP_FILTER_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "asked%u", i);
		w.d[0].config.stores[i] = bytes_of(names[i]);
	}
	w.d[0].config.n_stores = MPP_FILTER_MAX;
	world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE);
	world_connect(&w, 0);
	world_run(&w, 2000000);
	for (i = 0; i < 127; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		world_publish(&w, alice, name, 1);
	}
	world_run(&w, 1000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 0);
	/* The one place that is left still has a name that was asked for, and
	 * it is heard of. */
	for (i = 0; i < MPP_FILTER_MAX; i++) {
		mpp_store_status st = {bytes_of(names[i]), 1, {NULL, 0}};
		mpp_published done;

		if (mpp_service_publish(w.s, bytes_of(alice), &st, 1, false, 1,
					world_now(&w).wall, &done) == MPP_OK)
			break;
	}
	world_run(&w, 1000000);
	assert_int_equal(i, 0);
}

static void test_operation_limit(void **state)
{
	mpp_store_status st = entry("a", 0, "");
	mpp_published done;
	mpp_result r;
	unsigned i, n = 0;
	mpp_err err = MPP_OK;

	(void)state;
	world_stop_service(&w);
	w.config.operations = 50;
	world_start_service(&w);
	world_account(&w, alice);
	w.store_stalls = true;
	for (i = 1; i <= 60 && err == MPP_OK; i++) {
		st.index = i;
		err = mpp_service_publish(w.s, bytes_of(alice), &st, 1, false,
					  i, world_now(&w).wall, &done);
		n += err == MPP_OK;
	}
	assert_int_equal(err, MPP_ERR_LIMIT);
	assert_int_equal(n, 50);
	w.store_stalls = false;
	world_run(&w, 1000000);
	assert_int_equal(index_of("a"), 50);
	for (i = 1; i <= 50; i++) {
		assert_true(mpp_service_next_result(w.s, &r));
		assert_int_equal(r.op, i);
	}
	assert_false(mpp_service_next_result(w.s, &r));
}

static void test_batch_limit(void **state)
{
	static const uint8_t digest[MPP_DIGEST_MAX];
	mpp_store_status st = {bytes_of("a"), 0, {digest, sizeof(digest)}};
	mpp_published done;
	unsigned n = 0;

	(void)state;
	world_stop_service(&w);
	w.config.commit_bytes = 32768;
	world_start_service(&w);
	world_account(&w, alice);
	w.store_stalls = true;
	for (st.index = 1;
	     mpp_service_publish(w.s, bytes_of(alice), &st, 1, false, 1,
				 world_now(&w).wall, &done) == MPP_OK;
	     st.index++) {
		n++;
		world_settle(&w);
	}
	assert_true(n > 100 && n < 1000);
	w.store_stalls = false;
	world_run(&w, 1000000);
	assert_int_equal(index_of("a"), n);
	assert_int_equal(mpp_service_count(w.s)->publications, n);
}

/* Old invitations do not fill the table for ever. */
static void test_invitations_expire(void **state)
{
	mpp_pool_info p;
	unsigned i;

	(void)state;
	world_stop_service(&w);
	w.config.invitations = 4;
	world_start_service(&w);
	world_account(&w, alice);
	for (i = 0; i < 20; i++) {
		world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
		world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE);
		world_run(&w, UINT64_C(300000000));
	}
	world_stop_service(&w);
	world_start_service(&w); /* their records are gone as well */
	assert_true(mpp_service_pool(w.s, 7, &p));
	assert_string_equal(p.name, "invitations");
	assert_true(p.used >= 1 && p.used <= 4);
}

static void test_bad_invitations(void **state)
{
	uint8_t secret[MPP_INVITATION_LEN] = {1};
	mpp_wall now = world_now(&w).wall, later = {now.us + 1000000};

	(void)state;
	now = world_now(&w).wall;
	later.us = now.us + 1000000;
	world_account(&w, alice);
	now = world_now(&w).wall;
	assert_int_equal(mpp_service_invite(w.s, bytes_of("@no"), secret, 1,
					    later, 1, now),
			 MPP_ERR_NOTFOUND);
	assert_int_equal(mpp_service_invite(w.s, bytes_of(alice), secret, 0,
					    later, 1, now),
			 MPP_ERR_INVALID);
	assert_int_equal(mpp_service_invite(w.s, bytes_of(alice), secret, 64,
					    later, 1, now),
			 MPP_ERR_INVALID);
	assert_int_equal(mpp_service_invite(w.s, bytes_of(alice), secret, 1,
					    now, 1, now),
			 MPP_ERR_INVALID);
	assert_int_equal(mpp_service_invite(w.s, bytes_of(alice), secret, 1,
					    later, 1, now),
			 MPP_OK);
	assert_int_equal(mpp_service_invite(w.s, bytes_of(alice), secret, 1,
					    later, 2, now),
			 MPP_ERR_EXISTS);
}

/* ---- records ---- */

static void test_bad_records(void **state)
{
	static const struct {
		const char *what;
		const char *key;
		size_t key_len;
		const char *value;
		size_t value_len;
		mpp_err err;
	} rows[] = {
		{"an account", "aalice", 6, "\1", 1, MPP_OK},
		{"it twice", "aalice", 6, "\1", 1, MPP_ERR_DUPLICATE},
		{"another version", "abob", 4, "\2", 1, MPP_ERR_VERSION},
		{"no version", "abob", 4, "", 0, MPP_ERR_TRUNCATED},
		{"something behind it", "abob", 4, "\1x", 2, MPP_ERR_TRAILING},
		{"not in lower case", "aBob", 4, "\1", 1, MPP_ERR_RANGE},
		{"no kind", "", 0, "", 0, MPP_ERR_TYPE},
		{"an unknown kind", "zalice", 6, "\1", 1, MPP_ERR_TYPE},
		{"a store of nobody", "sbob\0x", 6,
		 "\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1", 17, MPP_ERR_MISSING},
		{"a store", "salice\0x", 8,
		 "\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1", 17, MPP_OK},
		{"a store cut short", "salice\0y", 8,
		 "\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0", 16, MPP_ERR_TRUNCATED},
		{"a store without name", "salice\0", 7,
		 "\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1", 17, MPP_ERR_RANGE},
		{"a store with serial 0", "salice\0y", 8,
		 "\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0", 17, MPP_ERR_RANGE},
		{"a device with no suite", "dalice\0\0", 8, "\1\1\0", 3,
		 MPP_ERR_RANGE},
		{"a device with a short key", "dalice\0\1abc", 11, "\1\1\0", 3,
		 MPP_ERR_TRUNCATED},
		{"a device with five instances",
		 "dalice\0\1aaaaaaaabbbbbbbbccccccccdddddddd", 40, "\1\1\5", 3,
		 MPP_ERR_RANGE},
		{"a device", "dalice\0\1aaaaaaaabbbbbbbbccccccccdddddddd", 40,
		 "\1\1\0", 3, MPP_OK},
		{"an invitation with a short hash", "iabc", 4,
		 "\1\5alice\1\0\0\0\0\0\0\0\1\0", 17, MPP_ERR_RANGE},
		{"an invitation", "iaaaaaaaabbbbbbbbccccccccdddddddd", 33,
		 "\1\5alice\1\0\0\0\0\0\0\0\1\0", 17, MPP_OK},
		{"an invitation that never was valid",
		 "ibbbbbbbbbbbbbbbbccccccccdddddddd", 33,
		 "\1\5alice\1\0\0\0\0\0\0\0\0\0", 17, MPP_ERR_RANGE},
		{"an invitation whose account is gone: not loaded",
		 "ixaaaaaaabbbbbbbbccccccccdddddddd", 33,
		 "\1\3bob\1\0\0\0\0\0\0\0\1\0", 15, MPP_OK},
		{"a removed account", "acarol", 6, "\1\1", 2, MPP_OK},
		{"a store that is left of it", "scarol\0x", 8,
		 "\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1", 17, MPP_OK},
		{"an account in an unknown state", "adave", 5, "\1\2", 2,
		 MPP_ERR_TRAILING},
		{"an account with revoked tokens", "aerin", 5,
		 "\1\0\0\0\0\0\0\0\7", 9, MPP_OK},
		{"its mark cut short", "afrank", 6, "\1\0\0\0\0\0\0\7", 8,
		 MPP_ERR_TRAILING},
		{"a device with revoked tokens",
		 "dalice\0\1aaaaaaaabbbbbbbbccccccccddddddde", 40,
		 "\1\1\0\0\0\0\0\0\0\0\7", 11, MPP_OK},
		{"its mark cut short",
		 "dalice\0\1aaaaaaaabbbbbbbbccccccccdddddddf", 40,
		 "\1\1\0\0\0\0\0\0\0\7", 10, MPP_ERR_TRAILING},
		{"the floor of serials", "f", 1, "\1\0\0\0\0\0\0\0\1", 9,
		 MPP_OK},
		{"it with a name", "fx", 2, "\1\0\0\0\0\0\0\0\1", 9,
		 MPP_ERR_RANGE},
		{"it beyond all serials", "f", 1, "\1\0\40\0\0\0\0\0\0", 9,
		 MPP_ERR_RANGE},
		{"it cut short", "f", 1, "\1\0\0\0\0\0\0\0", 8,
		 MPP_ERR_TRUNCATED},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("%s\n", rows[i].what);
		assert_int_equal(
			mpp_service_load(
				w.s,
				(mpp_bytes){(const uint8_t *)rows[i].key,
					    rows[i].key_len},
				(mpp_bytes){(const uint8_t *)rows[i].value,
					    rows[i].value_len}),
			rows[i].err);
	}
}

/* More invitations on disk than there is room for, because the removal of
 * expired ones failed: the last to expire are kept, and the service starts. */
static void test_too_many_invitations(void **state)
{
	uint8_t key[33] = {'i'};
	uint8_t value[] = "\1\5alice\1\0\0\0\0\0\0\0\1\0";
	mpp_pool_info p;
	uint8_t i;

	(void)state;
	world_stop_service(&w);
	w.config.invitations = 2;
	world_start_service(&w);
	assert_int_equal(mpp_service_load(w.s, bytes_of("aalice"),
					  (mpp_bytes){(uint8_t *)"\1", 1}),
			 MPP_OK);
	for (i = 1; i <= 4; i++) {
		key[1] = i;
		value[15] = i; /* the low octet of its expiry */
		assert_int_equal(
			mpp_service_load(w.s, (mpp_bytes){key, sizeof(key)},
					 (mpp_bytes){value, sizeof(value) - 1}),
			MPP_OK);
	}
	assert_true(mpp_service_pool(w.s, 7, &p));
	assert_string_equal(p.name, "invitations");
	assert_int_equal(p.used, 2);
	assert_int_equal(invitation_at(&w.s->state, 0)->expires +
				 invitation_at(&w.s->state, 1)->expires,
			 3 + 4);
}

/* ---- configuration ---- */

static void test_impossible(void **state)
{
	mpp_service_config k = {0};

	(void)state;
	assert_true(mpp_service_size(&k) > 0);
	k.stores_per_account = 129;
	assert_int_equal(mpp_service_size(&k), 0);
	k = (mpp_service_config){.bindings = UINT32_MAX};
	assert_int_equal(mpp_service_size(&k), 0);
	k = (mpp_service_config){.lease_ms = 1};
	assert_int_equal(mpp_service_size(&k), 0);
	k = (mpp_service_config){.commit_bytes = 100};
	assert_int_equal(mpp_service_size(&k), 0);
}

static void test_init_errors(void **state)
{
	mpp_service_secrets none = {{0}, {0}, {0}, {0}, {{0}, {0}}};
	mpp_service_config k = {0};
	size_t n = mpp_service_size(&k);
	void *mem = calloc(1, n);
	mpp_service *s = NULL;

	(void)state;
	assert_int_equal(mpp_service_init(mem, n - 1, &k, &w.secrets, &w.crypto,
					  &s),
			 MPP_ERR_NOSPACE);
	assert_int_equal(mpp_service_init(mem, n, &k, &none, &w.crypto, &s),
			 MPP_ERR_INVALID);
	assert_null(s);
	assert_int_equal(mpp_service_init(mem, n, &k, &w.secrets, &w.crypto,
					  &s),
			 MPP_OK);
	mpp_service_wipe(s);
	free(mem);
}

/* The bill that the header names. */
static void test_bill(void **state)
{
	static const struct {
		const char *name;
		uint32_t bytes;
	} rows[] = {
		{"bindings", 276},    {"half_open", 144},   {"paths", 80},
		{"probes", 32},       {"devices", 272},     {"accounts", 344},
		{"stores", 176},      {"invitations", 128}, {"operations", 264},
		{"snapshots", 18528}, {"held", 356},        {"resolves", 576},
	};
	mpp_pool_info p;
	unsigned i;

	(void)state;
	assert_true(sizeof(struct binding) <= 256);
	for (i = 0; mpp_service_pool(w.s, i, &p); i++) {
		print_message("%s: %u bytes each, %u at most\n", p.name,
			      p.bytes_each, p.limit);
		assert_string_equal(p.name, rows[i].name);
		assert_int_equal(p.bytes_each, rows[i].bytes);
	}
	assert_int_equal(i, sizeof(rows) / sizeof(rows[0]));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_account_names),
		CASE(test_merge),
		CASE(test_merge_pending),
		CASE(test_bad_publish),
		CASE(test_not_before_durable),
		CASE(test_failed_publish),
		CASE(test_serial_of_failed_publish),
		CASE(test_failed_account),
		CASE(test_failed_removal),
		CASE(test_group),
		CASE(test_reload),
		CASE(test_clock_back),
		CASE(test_store_limit),
		CASE(test_asked_make_room),
		CASE(test_operation_limit),
		CASE(test_batch_limit),
		CASE(test_invitations_expire),
		CASE(test_bad_invitations),
		CASE(test_bad_records),
		CASE(test_too_many_invitations),
		CASE(test_impossible),
		CASE(test_init_errors),
		CASE(test_bill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
