/* SPDX-License-Identifier: MIT */
/* Removing an account: all of it or nothing, whatever else is on its way to
 * the disk, and nothing of it comes back. */
#include "world.h"

#include "presence/records.h"
#include "role/service.h"
#include "seeded.h"

static const char alice[] = "alice@example.com";
static const char bob[] = "bob@example.com";

enum {
	PHONE = 0,   /* of alice: subscribes */
	TABLET = 1,  /* of alice: subscribes and publishes */
	WATCH = 2,   /* of alice: has an invitation */
	DESKTOP = 3, /* of bob: subscribes */
	SECOND = 1000000,
	DUMP_MAX = 1 << 20,
	BOTH = MPP_RIGHT_SUBSCRIBE | MPP_RIGHT_PUBLISH,
};

static struct world w;

static int setup(void **state)
{
	(void)state;
	world_init(&w, 11);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_end(&w);
	return 0;
}

/* ---- what is in the store ---- */

/* The records that name an account, and a count of them by kind. */
struct dump {
	const char *name; /* NULL: all */
	size_t n, len;
	size_t kinds[256];
	uint8_t bytes[DUMP_MAX];
};

static bool holds(mpp_bytes b, const char *name)
{
	const size_t n = strlen(name);
	size_t i;

	for (i = 0; i + n <= b.len; i++) {
		if (memcmp(b.p + i, name, n) == 0)
			return true;
	}
	return false;
}

static mpp_err dump_one(void *arg, mpp_bytes key, mpp_bytes value)
{
	struct dump *d = arg;

	if (d->name != NULL && !holds(key, d->name) && !holds(value, d->name))
		return MPP_OK;
	assert_true(d->len + key.len + value.len <= DUMP_MAX);
	memcpy(d->bytes + d->len, key.p, key.len);
	d->len += key.len;
	if (value.len != 0)
		memcpy(d->bytes + d->len, value.p, value.len);
	d->len += value.len;
	d->kinds[key.p[0]]++;
	d->n++;
	return MPP_OK;
}

static struct dump *dump(struct dump *d, const char *name)
{
	struct store_error e;

	memset(d, 0, offsetof(struct dump, bytes));
	d->name = name;
	assert_int_equal(w.store->ops->load(w.store, dump_one, d, &e), MPP_OK);
	return d;
}

static struct dump before, after;

static size_t records_of(const char *name)
{
	return dump(&after, name)->n;
}

static void assert_as_before(const char *name)
{
	dump(&after, name);
	assert_int_equal(after.n, before.n);
	assert_int_equal(after.len, before.len);
	assert_memory_equal(after.bytes, before.bytes, before.len);
}

static bool there(const char *name)
{
	mpp_account_info a;

	return mpp_service_account_find(w.s, bytes_of(name), &a);
}

static uint32_t used(const char *pool)
{
	mpp_pool_info p;
	unsigned i;

	for (i = 0; mpp_service_pool(w.s, i, &p); i++) {
		if (strcmp(p.name, pool) == 0)
			return p.used;
	}
	fail_msg("no pool %s", pool);
	return 0;
}

/* ---- two accounts ---- */

static void watch(const char *account)
{
	world_device(&w, WATCH, account, MPP_MODE_SUBSCRIBE);
	world_invite(&w, WATCH, account, MPP_RIGHT_SUBSCRIBE);
}

static void populate(void)
{
	world_subscribed(&w, alice, PHONE, 2);
	world_subscribed(&w, bob, DESKTOP, 1);
	/* The tablet may publish as well. */
	world_device(&w, TABLET, alice, MPP_MODE_SUBSCRIBE);
	world_invite(&w, TABLET, alice, BOTH);
	world_connect(&w, TABLET);
	watch(alice);
	world_publish(&w, alice, "mmm_Inbound", 5);
	world_publish(&w, alice, "mmm_Contact", 6);
	world_publish(&w, bob, "mmm_Inbound", 7);
	world_run(&w, 3 * SECOND);
	assert_int_equal(world_count(&w.d[TABLET], MPP_EV_CONNECTED), 1);
	w.d[PHONE].config.have_invitation = false;
	w.d[TABLET].config.have_invitation = false;
}

static void restart(void)
{
	world_stop_service(&w);
	world_start_service(&w);
}

static void ask_removal(uint64_t op)
{
	assert_int_equal(mpp_service_account_remove(w.s, bytes_of(alice), op,
						    world_now(&w).wall),
			 MPP_OK);
}

static void remove_now(void)
{
	ask_removal(3);
	assert_int_equal(world_result(&w, 3).err, MPP_OK);
}

/* Connect anew; the status of the refusal, 0 when it came in. */
static int refusal(int i)
{
	const struct told *t;

	w.d[i].n_told = 0;
	world_connect(&w, i);
	world_run(&w, 5 * SECOND);
	if (world_count(&w.d[i], MPP_EV_CONNECTED) != 0)
		return 0;
	t = world_last(&w.d[i], MPP_EV_REFUSED);
	assert_non_null(t);
	return t->status;
}

/* ---- the removal itself ---- */

static void test_nothing_remains(void **state)
{
	(void)state;
	populate();
	dump(&before, alice);
	assert_int_equal(before.kinds['a'], 1);
	assert_int_equal(before.kinds['d'], 3);
	assert_int_equal(before.kinds['s'], 2);
	assert_int_equal(before.kinds['i'], 4);
	dump(&before, bob);
	assert_int_equal(before.n, 4);
	remove_now();
	assert_false(there(alice));
	assert_int_equal(records_of(alice), 0);
	assert_as_before(bob);
	world_run(&w, SECOND);
	/* Its memory is free again. */
	assert_int_equal(used("accounts"), 1);
	assert_int_equal(used("devices"), 1);
	assert_int_equal(used("stores"), 1);
	assert_int_equal(used("invitations"), 1);
	assert_int_equal(used("bindings"), 1);
	assert_int_equal(used("half_open"), 0);
	restart();
	assert_false(there(alice));
	assert_true(there(bob));
	assert_int_equal(records_of(alice), 0);
	assert_int_equal(mpp_service_account_remove(w.s, bytes_of(alice), 1,
						    world_now(&w).wall),
			 MPP_ERR_NOTFOUND);
}

static void test_connections_end_at_once(void **state)
{
	(void)state;
	populate();
	w.store_stalls = true;
	ask_removal(3);
	/* Not before it is durable. */
	world_run(&w, SECOND);
	assert_int_equal(world_count(&w.d[PHONE], MPP_EV_CLOSED), 0);
	w.store_stalls = false;
	assert_int_equal(world_result(&w, 3).err, MPP_OK);
	world_run(&w, 100000);
	assert_int_equal(world_last(&w.d[PHONE], MPP_EV_CLOSED)->status,
			 MPP_STATUS_FORBIDDEN);
	assert_int_equal(world_last(&w.d[TABLET], MPP_EV_CLOSED)->status,
			 MPP_STATUS_FORBIDDEN);
	assert_int_equal(world_count(&w.d[DESKTOP], MPP_EV_CLOSED), 0);
	w.d[DESKTOP].n_told = 0;
	world_publish(&w, bob, "mmm_Inbound", 8);
	world_run(&w, SECOND);
	assert_int_equal(world_count(&w.d[DESKTOP], MPP_EV_PUBLICATION), 1);
}

/* A device of it, one with an invitation to it, and one of an account that
 * never was get the same answer. */
static void test_refused_as_unknown(void **state)
{
	char text[129];

	(void)state;
	populate();
	remove_now();
	world_device(&w, 5, "@nobody", MPP_MODE_SUBSCRIBE);
	assert_int_equal(refusal(5), MPP_STATUS_FORBIDDEN);
	memcpy(text, world_last(&w.d[5], MPP_EV_REFUSED)->text, sizeof(text));
	assert_int_equal(refusal(PHONE), MPP_STATUS_FORBIDDEN);
	assert_string_equal(world_last(&w.d[PHONE], MPP_EV_REFUSED)->text,
			    text);
	assert_int_equal(refusal(WATCH), MPP_STATUS_FORBIDDEN);
	assert_string_equal(world_last(&w.d[WATCH], MPP_EV_REFUSED)->text,
			    text);
	assert_int_equal(refusal(DESKTOP), 0);
}

static void test_names(void **state)
{
	(void)state;
	assert_int_equal(mpp_service_account_remove(w.s, bytes_of(alice), 1,
						    world_now(&w).wall),
			 MPP_ERR_NOTFOUND);
	assert_int_equal(mpp_service_account_remove(w.s, bytes_of(""), 1,
						    world_now(&w).wall),
			 MPP_ERR_NOTFOUND);
	assert_int_equal(mpp_service_account_remove(w.s, bytes_of("a b"), 1,
						    world_now(&w).wall),
			 MPP_ERR_NOTFOUND);
	/* One that is not durable yet is not there. */
	assert_int_equal(mpp_service_account_add(w.s, bytes_of(alice), 1),
			 MPP_OK);
	assert_int_equal(mpp_service_account_remove(w.s, bytes_of(alice), 2,
						    world_now(&w).wall),
			 MPP_ERR_NOTFOUND);
	assert_int_equal(world_result(&w, 1).err, MPP_OK);
	assert_int_equal(
		mpp_service_account_remove(w.s, bytes_of("ALICE@example.COM"),
					   2, world_now(&w).wall),
		MPP_OK);
	assert_int_equal(world_result(&w, 2).err, MPP_OK);
	assert_false(there(alice));
}

/* The removal is refused when no place is left for it, and changes nothing. */
static void test_no_room(void **state)
{
	(void)state;
	w.config.operations = 2;
	restart();
	world_account(&w, alice);
	w.store_stalls = true;
	assert_int_equal(mpp_service_account_add(w.s, bytes_of("a1"), 1),
			 MPP_OK);
	assert_int_equal(mpp_service_account_add(w.s, bytes_of("a2"), 2),
			 MPP_OK);
	assert_int_equal(mpp_service_account_remove(w.s, bytes_of(alice), 3,
						    world_now(&w).wall),
			 MPP_ERR_LIMIT);
	w.store_stalls = false;
	assert_int_equal(world_result(&w, 1).err, MPP_OK);
	assert_int_equal(world_result(&w, 2).err, MPP_OK);
	assert_true(there(alice));
	assert_int_equal(records_of(alice), 1);
	world_publish(&w, alice, "a", 1);
	remove_now();
	assert_int_equal(records_of(alice), 0);
}

/* ---- something else is on its way ---- */

enum { OP_OTHER = 21, OP_REMOVE = 22 };

static mpp_err publish_now(void)
{
	mpp_store_status st = {bytes_of("mmm_New"), 9, {NULL, 0}};
	mpp_published done;

	return mpp_service_publish(w.s, bytes_of(alice), &st, 1, false,
				   OP_OTHER, world_now(&w).wall, &done);
}

static mpp_err invite_now(void)
{
	static const uint8_t secret[MPP_INVITATION_LEN] = {9};
	const mpp_wall until = {world_now(&w).wall.us + SECOND};

	return mpp_service_invite(w.s, bytes_of(alice), secret, BOTH, until,
				  OP_OTHER, world_now(&w).wall);
}

static mpp_err device_now(void)
{
	char id[MPP_UDF_TEXT_MAX];
	uint8_t udf[MPP_UDF_LEN];

	mpp_client_udf(w.d[PHONE].c, udf);
	mpp_udf_text(udf, MPP_UDF_BITS, id);
	return mpp_service_device_remove(w.s, bytes_of(alice), bytes_of(id),
					 OP_OTHER, world_now(&w).wall);
}

static mpp_err again_now(void)
{
	return mpp_service_account_remove(w.s, bytes_of(alice), OP_OTHER,
					  world_now(&w).wall);
}

static mpp_err add_now(void)
{
	return mpp_service_account_add(w.s, bytes_of(alice), OP_OTHER);
}

/* What devices do has no result but what they are told. */
static mpp_err enroll_now(void)
{
	world_connect(&w, WATCH);
	world_run(&w, SECOND);
	return MPP_ERR_AGAIN;
}

static mpp_err confirm_now(void)
{
	w.d[PHONE].n_told = 0;
	world_connect(&w, PHONE);
	world_run(&w, SECOND);
	return MPP_ERR_AGAIN;
}

static int drop_data(struct world *x, const struct flying *f)
{
	static const uint8_t zero[16];

	(void)x;
	return f->to_service && memcmp(f->data, zero, sizeof(zero)) != 0;
}

/* Handshakes without their confirming packets: half open. */
static mpp_err half_open_now(void)
{
	w.drop = drop_data;
	(void)confirm_now();
	(void)enroll_now();
	w.drop = NULL;
	return MPP_ERR_AGAIN;
}

static mpp_err device_publish_now(void)
{
	mpp_store_status st = {bytes_of("mmm_Mine"), 3, {NULL, 0}};
	uint32_t request;

	assert_int_equal(mpp_client_publish(w.d[TABLET].c, &st, 1,
					    world_now(&w), &request),
			 MPP_OK);
	world_run(&w, SECOND);
	return MPP_ERR_AGAIN;
}

static const struct rival {
	const char *what;
	mpp_err (*act)(void);
	mpp_err late; /* when the removal is on its way already */
	bool never;   /* makes no sense in front of it */
} rivals[] = {
	{"a publication", publish_now, MPP_ERR_STATE, false},
	{"an invitation", invite_now, MPP_ERR_STATE, false},
	{"the removal of a device", device_now, MPP_ERR_STATE, false},
	{"an enrolment", enroll_now, MPP_ERR_AGAIN, false},
	{"a confirmation", confirm_now, MPP_ERR_AGAIN, false},
	{"half-open connections", half_open_now, MPP_ERR_AGAIN, false},
	{"a publication by a device", device_publish_now, MPP_ERR_AGAIN, false},
	{"another removal", again_now, MPP_ERR_STATE, true},
	{"adding it again", add_now, MPP_ERR_STATE, true},
};

enum { RIVALS = sizeof(rivals) / sizeof(rivals[0]) };

/* The results that came, in order. */
static size_t results(mpp_result *r, size_t cap)
{
	size_t n = 0;

	while (n < cap && mpp_service_next_result(w.s, &r[n]))
		n++;
	return n;
}

/* Make the store busy with a batch of bob's, so that what follows gathers. */
static void busy(void)
{
	mpp_store_status st = {bytes_of("mmm_Busy"), w.now, {NULL, 0}};
	mpp_published done;

	w.store_stalls = true;
	assert_int_equal(mpp_service_publish(w.s, bytes_of(bob), &st, 1, false,
					     20, world_now(&w).wall, &done),
			 MPP_OK);
	world_settle(&w);
	assert_true(w.commit_id != 0);
}

static void assert_gone_for_good(void)
{
	assert_false(there(alice));
	assert_int_equal(records_of(alice), 0);
	assert_int_equal(used("half_open"), 0);
	restart();
	assert_false(there(alice));
	assert_int_equal(records_of(alice), 0);
	assert_int_equal(used("devices"), 1);
}

/* Publish a store with a name and digest of this length until the batch takes
 * no more. */
static void fill_up(size_t len)
{
	static uint8_t text[MPP_STORE_MAX];
	mpp_store_status st = {{text, len}, w.now, {text, len}};
	mpp_published done;

	memset(text, 'm', sizeof(text));
	for (;; st.index++) {
		mpp_err err = mpp_service_publish(w.s, bytes_of(bob), &st, 1,
						  true, 9, world_now(&w).wall,
						  &done);
		if (err == MPP_ERR_LIMIT)
			return;
		assert_int_equal(err, MPP_OK);
	}
}

static void run_full_batch(size_t len, mpp_err expected)
{
	mpp_result r;
	unsigned last = 0;

	print_message("a batch filled up with names of %u octets\n",
		      (unsigned)len);
	w.config = (mpp_service_config){.commit_bytes = 32768};
	restart();
	populate();
	dump(&before, alice);
	busy();
	fill_up(len);
	assert_int_equal(mpp_service_account_remove(w.s, bytes_of(alice), 3,
						    world_now(&w).wall),
			 expected);
	w.store_stalls = false;
	world_run(&w, 5 * SECOND);
	while (mpp_service_next_result(w.s, &r)) {
		assert_int_equal(r.err, MPP_OK);
		last = (unsigned)r.op;
	}
	assert_int_equal(last, expected == MPP_OK ? 3 : 9);
	if (expected != MPP_OK) {
		assert_as_before(alice);
		assert_int_equal(refusal(PHONE), 0);
		remove_now();
	}
	assert_gone_for_good();
}

static void test_full_batch(void **state)
{
	(void)state;
	run_full_batch(MPP_STORE_MAX, MPP_OK);
	(void)teardown(NULL);
	(void)setup(NULL);
	run_full_batch(1, MPP_ERR_LIMIT);
}

/* Asked in front of the removal: done first. In the same batch, or in the
 * batch before it. */
static void run_before(const struct rival *v, bool same_batch)
{
	mpp_result r[4] = {{0}};
	mpp_err err;
	size_t n;

	print_message("%s in front, %s batch\n", v->what,
		      same_batch ? "same" : "earlier");
	populate();
	if (same_batch)
		busy();
	w.store_stalls = true;
	err = v->act();
	if (err != MPP_ERR_AGAIN)
		assert_int_equal(err, MPP_OK);
	world_settle(&w);
	ask_removal(OP_REMOVE);
	world_run(&w, SECOND);
	assert_true(there(alice));
	w.store_stalls = false;
	world_run(&w, 5 * SECOND);
	n = results(r, 4);
	assert_int_equal(n, 1 + same_batch + (err == MPP_OK));
	assert_int_equal(r[n - 1].op, OP_REMOVE);
	assert_int_equal(r[n - 1].err, MPP_OK);
	if (err == MPP_OK) {
		assert_int_equal(r[n - 2].op, OP_OTHER);
		assert_int_equal(r[n - 2].err, MPP_OK);
	}
	assert_gone_for_good();
}

/* Asked behind it, while it gathers or is at the store: refused, and nothing
 * of it is written. */
static void run_behind(const struct rival *v, bool at_store)
{
	mpp_result r[4] = {{0}};
	size_t n;

	print_message("%s behind, removal %s\n", v->what,
		      at_store ? "at the store" : "gathers");
	populate();
	if (!at_store)
		busy();
	w.store_stalls = true;
	ask_removal(OP_REMOVE);
	world_settle(&w);
	assert_int_equal(v->act(), v->late);
	assert_int_equal(world_count(&w.d[WATCH], MPP_EV_CONNECTED), 0);
	w.store_stalls = false;
	world_run(&w, 5 * SECOND);
	n = results(r, 4);
	assert_int_equal(n, at_store ? 1 : 2);
	assert_int_equal(r[n - 1].op, OP_REMOVE);
	assert_gone_for_good();
}

static void test_rivals(void **state)
{
	unsigned i, k;

	(void)state;
	for (i = 0; i < RIVALS; i++) {
		for (k = 0; k < 4; k++) {
			if (k < 2 && rivals[i].never)
				continue;
			(void)teardown(NULL);
			(void)setup(NULL);
			if (k < 2)
				run_before(&rivals[i], k == 1);
			else
				run_behind(&rivals[i], k == 3);
		}
	}
}

/* The store refuses the removal and what was asked around it: all is as it
 * was, and works. */
static void run_failure(const struct rival *v, bool behind)
{
	mpp_result r[4];
	size_t n;

	print_message("%s %s a removal that fails\n", v->what,
		      behind ? "behind" : "in front of");
	populate();
	busy();
	dump(&before, alice);
	if (behind)
		ask_removal(OP_REMOVE);
	if (behind)
		assert_int_equal(v->act(), v->late);
	else
		(void)v->act();
	if (!behind)
		ask_removal(OP_REMOVE);
	w.commit_result = MPP_ERR_STORE;
	w.store_stalls = false;
	world_run(&w, 100000);
	n = results(r, 4);
	assert_true(n >= 2);
	while (n-- > 0)
		assert_int_equal(r[n].err, MPP_ERR_STORE);
	assert_true(there(alice));
	assert_as_before(alice);
	w.commit_result = MPP_OK;
	world_run(&w, 60 * SECOND);
	if (world_count(&w.d[WATCH], MPP_EV_CONNECTED) == 0)
		assert_int_equal(refusal(WATCH), 0);
	assert_int_equal(refusal(PHONE), 0);
	w.d[TABLET].n_told = w.d[PHONE].n_told = w.d[WATCH].n_told = 0;
	world_publish(&w, alice, "mmm_Later", 1);
	world_run(&w, SECOND);
	assert_int_equal(world_count(&w.d[PHONE], MPP_EV_PUBLICATION), 1);
	assert_int_equal(world_count(&w.d[TABLET], MPP_EV_PUBLICATION), 1);
	assert_int_equal(world_count(&w.d[WATCH], MPP_EV_PUBLICATION), 1);
	remove_now();
	assert_gone_for_good();
}

static void test_failed_store(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < RIVALS; i++) {
		(void)teardown(NULL);
		(void)setup(NULL);
		run_failure(&rivals[i], true);
		if (rivals[i].never)
			continue;
		(void)teardown(NULL);
		(void)setup(NULL);
		run_failure(&rivals[i], false);
	}
}

/* A device's publication that becomes durable together with the removal is
 * answered, before the connection ends; one that comes behind it as well. */
static void test_answers_to_publishers(void **state)
{
	const struct told *t;

	(void)state;
	populate();
	busy();
	(void)device_publish_now();
	ask_removal(OP_REMOVE);
	w.store_stalls = false;
	world_run(&w, SECOND);
	t = world_last(&w.d[TABLET], MPP_EV_RESPONSE);
	assert_non_null(t);
	assert_int_equal(t->status, MPP_STATUS_FORBIDDEN);
	assert_string_equal(t->text, "this account was removed");
	assert_true(t < world_last(&w.d[TABLET], MPP_EV_CLOSED));
	(void)teardown(NULL);
	(void)setup(NULL);
	populate();
	busy();
	ask_removal(OP_REMOVE);
	(void)device_publish_now();
	t = world_last(&w.d[TABLET], MPP_EV_RESPONSE);
	assert_non_null(t);
	assert_int_equal(t->status, MPP_STATUS_OVERLOADED);
}

/* ---- adding it again ---- */

/* Its devices hold what the removed one gave out. Whatever the clock says, and
 * across a restart, they hear of everything that the new one gets. */
static void run_again(uint64_t back_us, bool restarted)
{
	uint64_t old, fresh;

	populate();
	old = world_publish(&w, alice, "mmm_Inbound", 10);
	remove_now();
	w.epoch -= back_us;
	if (restarted)
		restart();
	world_account(&w, alice);
	assert_int_equal(records_of(alice), 1);
	if (restarted)
		restart();
	fresh = world_publish(&w, alice, "mmm_Inbound", 1);
	assert_true(fresh > old);
	/* The phone enrols anew, holding what it had. */
	world_invite(&w, PHONE, alice, MPP_RIGHT_SUBSCRIBE);
	w.d[PHONE].config.acknowledge = old;
	assert_int_equal(refusal(PHONE), 0);
	assert_int_equal(world_count(&w.d[PHONE], MPP_EV_PUBLICATION) +
					 world_count(&w.d[PHONE],
						     MPP_EV_RESPONSE) >
				 0,
			 1);
	assert_true(world_acknowledged(&w, alice) >= fresh);
	w.d[PHONE].n_told = 0;
	fresh = world_publish(&w, alice, "mmm_Inbound", 2);
	world_run(&w, SECOND);
	assert_int_equal(world_last(&w.d[PHONE], MPP_EV_PUBLICATION)->serial,
			 fresh);
	assert_int_equal(world_last(&w.d[PHONE], MPP_EV_PUBLICATION)->index[0],
			 2);
	/* The tablet was not invited again. */
	assert_int_equal(refusal(TABLET), MPP_STATUS_FORBIDDEN);
}

static void test_added_again(void **state)
{
	static const uint64_t back[] = {0, UINT64_C(3600000000),
					UINT64_C(90000000000)};
	unsigned i;

	(void)state;
	for (i = 0; i < 6; i++) {
		print_message("the clock goes back by %u s%s\n",
			      (unsigned)(back[i / 2] / SECOND),
			      i % 2 == 0 ? "" : ", restarts");
		(void)teardown(NULL);
		(void)setup(NULL);
		run_again(back[i / 2], i % 2 == 1);
	}
}

/* Two removals in one batch: the higher serial counts, whatever the order. */
static void test_floor_of_two(void **state)
{
	uint64_t high;

	(void)state;
	populate();
	world_publish(&w, bob, "mmm_Inbound", 8);
	high = world_publish(&w, alice, "mmm_Inbound", 10);
	w.store_stalls = true;
	ask_removal(1);
	assert_int_equal(mpp_service_account_remove(w.s, bytes_of(bob), 2,
						    world_now(&w).wall),
			 MPP_OK);
	w.store_stalls = false;
	assert_int_equal(world_result(&w, 1).err, MPP_OK);
	assert_int_equal(world_result(&w, 2).err, MPP_OK);
	w.epoch -= UINT64_C(3600000000);
	restart();
	world_account(&w, alice);
	assert_true(world_publish(&w, alice, "mmm_Inbound", 1) > high);
}

/* ---- more than fits one batch ---- */

enum { MANY = 2000, STORES = 100, INVITED = 1500 };

static void put(struct wr *r)
{
	const mpp_bytes batch = {r->p, r->n};
	struct store_error e;

	assert_int_equal(r->err, MPP_OK);
	assert_int_equal(w.store->ops->commit(w.store, &batch, 1, &e), MPP_OK);
}

/* Write a large account to the store; bob beside it. */
static void large(void)
{
	static uint8_t room[DUMP_MAX];
	struct wr r = wr_init(room, sizeof(room));
	struct device d = {.suite = MPP_SUITE_25519, .rights = 1};
	struct invitation v = {.rights = 1};
	mpp_store_status st = {{NULL, 0}, 1, {NULL, 0}};
	char name[16];
	unsigned i;

	world_stop_service(&w);
	w.config = (mpp_service_config){.commit_bytes = 32768,
					.devices = MANY + 10,
					.devices_per_account = MANY + 10,
					.invitations = INVITED + 110};
	v.expires = world_now(&w).wall.us + UINT64_C(300) * SECOND;
	record_account(&r, bytes_of(alice));
	for (i = 0; i < MANY; i++) {
		d.key[0] = (uint8_t)i;
		d.key[1] = (uint8_t)(i >> 8);
		record_device(&r, bytes_of(alice), &d);
	}
	for (i = 0; i < STORES; i++) {
		(void)snprintf(name, sizeof(name), "s%u", i);
		st.store = bytes_of(name);
		record_store(&r, bytes_of(alice), &st, i + 1);
	}
	for (i = 0; i < INVITED; i++) {
		v.hash[0] = (uint8_t)i;
		v.hash[1] = (uint8_t)(i >> 8);
		record_invitation(&r, bytes_of(alice), &v);
	}
	put(&r);
	world_start_service(&w);
	world_subscribed(&w, bob, DESKTOP, 1);
	assert_int_equal(records_of(alice), 1 + MANY + STORES + INVITED);
}

/* Everything of it is gone, and nothing of bob. */
static void assert_clean(void)
{
	assert_false(there(alice));
	assert_int_equal(records_of(alice), 0);
	assert_as_before(bob);
	assert_int_equal(used("accounts"), 1);
	assert_int_equal(used("devices"), 1);
	assert_int_equal(used("stores"), 0);
	assert_int_equal(used("invitations"), 1);
	assert_int_equal(w.s->state.gone, 0);
}

static void test_large(void **state)
{
	uint64_t commits;

	(void)state;
	large();
	/* It connects, and is cut off although its record is still there. */
	world_device(&w, PHONE, alice, MPP_MODE_SUBSCRIBE);
	world_invite(&w, PHONE, alice, MPP_RIGHT_SUBSCRIBE);
	assert_int_equal(refusal(PHONE), 0);
	dump(&before, bob);
	commits = mpp_service_count(w.s)->commits;
	w.store_stalls = true;
	ask_removal(3);
	world_run(&w, SECOND);
	assert_true(there(alice));
	w.commit_us = SECOND;
	w.store_stalls = false;
	world_run(&w, SECOND / 2);
	/* Gone for everybody with the first batch, but not its records. */
	assert_int_equal(world_result(&w, 3).err, MPP_OK);
	assert_false(there(alice));
	assert_int_equal(records_of(alice), 2 + MANY + STORES + INVITED + 1);
	assert_int_equal(world_last(&w.d[PHONE], MPP_EV_CLOSED)->status,
			 MPP_STATUS_FORBIDDEN);
	assert_int_equal(add_now(), MPP_ERR_STATE);
	assert_int_equal(again_now(), MPP_ERR_NOTFOUND);
	assert_int_equal(publish_now(), MPP_ERR_NOTFOUND);
	assert_int_equal(invite_now(), MPP_ERR_NOTFOUND);
	w.d[PHONE].config.have_invitation = false;
	assert_int_equal(refusal(PHONE), MPP_STATUS_FORBIDDEN);
	world_run(&w, 60 * SECOND);
	assert_true(mpp_service_count(w.s)->commits - commits > 3);
	assert_clean();
	w.commit_us = 1000;
	world_account(&w, alice);
}

/* mppd dies after each of the batches in turn: the account is wholly there or
 * gone, and what is left of it is cleared away after the start. */
static void test_large_with_crashes(void **state)
{
	unsigned batches, i;
	size_t left, last = SIZE_MAX;

	(void)state;
	for (batches = 0; last != 0; batches++) {
		(void)teardown(NULL);
		(void)setup(NULL);
		large();
		dump(&before, bob);
		ask_removal(3);
		w.commit_us = 1;
		for (i = 0; i < batches; i++) {
			world_commits(&w);
			w.now++;
			world_commits(&w);
		}
		left = records_of(alice);
		assert_true(left <= last);
		last = left;
		world_stop_service(&w);
		free(w.d[DESKTOP].c);
		w.d[DESKTOP].c = NULL;
		world_start_service(&w);
		assert_int_equal(there(alice), batches == 0);
		if (batches == 0)
			continue;
		world_run(&w, SECOND);
		assert_clean();
		assert_true(batches < 100);
	}
	assert_true(batches > 4);
}

/* The store fails while the rest is cleared away: no loop of attempts; it goes
 * on when something else has succeeded, or the name is wanted again. */
static void test_large_with_failures(void **state)
{
	uint64_t errors;

	(void)state;
	large();
	dump(&before, bob);
	remove_now();
	w.commit_result = MPP_ERR_STORE;
	world_run(&w, 60 * SECOND);
	errors = mpp_service_count(w.s)->commit_errors;
	assert_int_equal(errors, 1);
	assert_int_equal(add_now(), MPP_ERR_STATE);
	world_run(&w, 60 * SECOND);
	assert_int_equal(mpp_service_count(w.s)->commit_errors, 2);
	assert_true(records_of(alice) > MANY / 2);
	w.commit_result = MPP_OK;
	world_run(&w, 60 * SECOND);
	assert_true(records_of(alice) > MANY / 2);
	assert_int_equal(add_now(), MPP_ERR_STATE);
	world_run(&w, 60 * SECOND);
	assert_clean();
	assert_int_equal(add_now(), MPP_OK);
}

/* Meanwhile new invitations make room by dropping expired ones, but not those
 * of which the deletion is counted already. */
static void test_large_with_invitations(void **state)
{
	uint8_t secret[MPP_INVITATION_LEN] = {1};
	unsigned i;

	(void)state;
	large();
	world_run(&w, UINT64_C(400) * SECOND);
	ask_removal(1);
	w.commit_us = 100000;
	/* A step that deletes some of them is on its way. */
	for (i = 0; dump(&after, alice)->kinds['i'] > INVITED - 100; i++) {
		assert_true(i < 1000);
		world_run(&w, 10000);
	}
	assert_true(after.n > 0);
	for (i = 0; i < 100; i++) {
		secret[1] = (uint8_t)i;
		assert_int_equal(mpp_service_invite(w.s, bytes_of(bob), secret,
						    1,
						    (mpp_wall){UINT64_MAX >> 1},
						    2, world_now(&w).wall),
				 MPP_OK);
		world_run(&w, 10000);
	}
	world_run(&w, 60 * SECOND);
	assert_int_equal(records_of(alice), 0);
	assert_int_equal(used("invitations"), 101);
	assert_int_equal(used("accounts"), 1);
}

/* ---- invitations that memory has forgotten ---- */

/* The deletion of an expired invitation failed, so its record outlives the
 * account. The service starts all the same, and the record goes. */
static void test_forgotten_invitation(void **state)
{
	(void)state;
	world_account(&w, alice);
	world_account(&w, bob);
	watch(alice);
	world_run(&w, UINT64_C(1000) * SECOND);
	/* Makes room by dropping the expired one, and fails. */
	w.commit_result = MPP_ERR_STORE;
	assert_int_equal(mpp_service_invite(w.s, bytes_of(bob),
					    w.d[WATCH].config.invitation + 1, 1,
					    (mpp_wall){UINT64_MAX >> 1}, 5,
					    world_now(&w).wall),
			 MPP_OK);
	assert_int_equal(world_result(&w, 5).err, MPP_ERR_STORE);
	w.commit_result = MPP_OK;
	remove_now();
	dump(&before, alice);
	assert_int_equal(before.n, 1);
	assert_int_equal(before.kinds['i'], 1);
	restart();
	assert_int_equal(used("invitations"), 0);
	world_run(&w, SECOND);
	assert_int_equal(records_of(alice), 0);
}

/* More invitations on disk than there is room for now: those without a place
 * are deleted, and so do not outlive their account. */
static void test_invitations_without_a_place(void **state)
{
	unsigned i;

	(void)state;
	world_account(&w, alice);
	for (i = 0; i < 12; i++)
		watch(alice);
	w.config.invitations = 2;
	restart();
	assert_int_equal(used("invitations"), 2);
	world_run(&w, SECOND);
	assert_int_equal(dump(&before, alice)->kinds['i'], 2);
	remove_now();
	assert_int_equal(records_of(alice), 0);
}

/* ---- a naive twin ---- */

enum { NAMES = 4, TWIN_STORES = 3, STEPS = 3000 };

/* What is durable, as simply as can be. */
struct twin {
	bool there;
	uint64_t index[TWIN_STORES]; /* 0: none */
	uint64_t serial[TWIN_STORES];
	uint64_t highest; /* that the name ever had */
};

enum intent_kind { ADD = 1, REMOVE, PUBLISH, INVITE };

/* A change that waits, in order. */
struct intent {
	uint64_t op;
	enum intent_kind kind;
	unsigned name, store;
	uint64_t index;
};

static struct twin twins[NAMES];
static struct intent intents[64];
static size_t n_intents;
static uint64_t last_op;

static const char *const names[NAMES] = {"a", "bb", "ccc", "dddd"};
static const char *const stores[TWIN_STORES] = {"x", "y", "z"};

static void intend(struct intent *t, mpp_err err)
{
	if (err != MPP_OK)
		return;
	assert_true(n_intents < 64);
	t->op = last_op;
	intents[n_intents++] = *t;
}

/* Is a removal of the name on its way? Then everything else is refused. */
static bool leaves(unsigned name)
{
	size_t i;

	for (i = 0; i < n_intents; i++) {
		if (intents[i].kind == REMOVE && intents[i].name == name)
			return true;
	}
	return false;
}

static void ask_something(struct seeded *r)
{
	const unsigned name = (unsigned)seeded_below(r, NAMES);
	const mpp_bytes account = bytes_of(names[name]);
	struct intent t = {0, ADD, name, (unsigned)seeded_below(r, TWIN_STORES),
			   1 + seeded_below(r, 1000000)};
	mpp_store_status st = {bytes_of(stores[t.store]), t.index, {NULL, 0}};
	uint8_t secret[MPP_INVITATION_LEN] = {0};
	mpp_published done = {0};
	mpp_err err;

	last_op++;
	memcpy(secret, &last_op, sizeof(last_op));
	t.kind = (enum intent_kind)(1 + seeded_below(r, 4));
	if (t.kind == ADD)
		err = mpp_service_account_add(w.s, account, last_op);
	else if (t.kind == REMOVE)
		err = mpp_service_account_remove(w.s, account, last_op,
						 world_now(&w).wall);
	else if (t.kind == PUBLISH)
		err = mpp_service_publish(w.s, account, &st, 1, true, last_op,
					  world_now(&w).wall, &done);
	else
		err = mpp_service_invite(
			w.s, account, secret, 1,
			(mpp_wall){world_now(&w).wall.us + SECOND}, last_op,
			world_now(&w).wall);
	if (leaves(name))
		assert_int_equal(err, twins[name].there ? MPP_ERR_STATE : err);
	else if (t.kind != ADD)
		assert_int_equal(err == MPP_ERR_NOTFOUND, !twins[name].there);
	if (t.kind == PUBLISH && err == MPP_OK)
		assert_true(!done.waiting || done.serial > 0);
	if (t.kind != PUBLISH || done.waiting)
		intend(&t, err);
}

static void happen(const struct intent *t, uint64_t serial)
{
	struct twin *a = &twins[t->name];
	const uint64_t highest = a->highest;

	switch (t->kind) {
	case ADD:
		assert_false(a->there);
		a->there = true;
		break;
	case REMOVE:
		memset(a, 0, sizeof(*a));
		a->highest = highest;
		break;
	case PUBLISH:
		if (a->index[t->store] != t->index) {
			assert_true(serial > highest);
			a->highest = serial;
			a->serial[t->store] = serial;
		}
		a->index[t->store] = t->index;
		break;
	case INVITE:
		break;
	}
}

static void take_results(void)
{
	mpp_result r;

	while (mpp_service_next_result(w.s, &r)) {
		assert_true(n_intents > 0);
		assert_int_equal(r.op, intents[0].op);
		if (r.err == MPP_OK)
			happen(&intents[0], r.serial);
		memmove(intents, intents + 1, --n_intents * sizeof(*intents));
	}
}

static void compare(void)
{
	mpp_account_info a;
	mpp_store_status st;
	uint32_t cursor;
	uint64_t serial;
	unsigned i, k;

	for (i = 0; i < NAMES; i++) {
		assert_int_equal(there(names[i]), twins[i].there);
		if (!mpp_service_account_find(w.s, bytes_of(names[i]), &a))
			continue;
		for (cursor = 0, k = 0;
		     mpp_service_store_next(w.s, &a, &cursor, &st, &serial);) {
			const unsigned n = (unsigned)(st.store.p[0] - 'x');

			assert_int_equal(st.index, twins[i].index[n]);
			assert_int_equal(serial, twins[i].serial[n]);
			k++;
		}
		assert_int_equal(k, (twins[i].index[0] != 0) +
					    (twins[i].index[1] != 0) +
					    (twins[i].index[2] != 0));
	}
}

/* Accounts come and go at random, with a store that stalls and fails, with
 * restarts, and with a clock that goes back. */
static void test_twin(void **state)
{
	struct seeded r = seeded_from(5);
	unsigned step, removed = 0;

	(void)state;
	memset(twins, 0, sizeof(twins));
	n_intents = 0;
	for (step = 0; step < STEPS; step++) {
		switch (seeded_below(&r, 12)) {
		case 0:
			w.store_stalls = true;
			break;
		case 1:
		case 2:
			w.store_stalls = false;
			break;
		case 3:
			w.commit_result = seeded_below(&r, 3) == 0
						  ? MPP_ERR_STORE
						  : MPP_OK;
			break;
		case 4:
			if (n_intents == 0)
				restart();
			break;
		case 5:
			w.epoch += seeded_below(&r, 2000000);
			w.epoch -= 1000000;
			break;
		default:
			removed += leaves(0);
			ask_something(&r);
		}
		world_run(&w, seeded_below(&r, 2000));
		take_results();
		if (n_intents > 30 || step % 100 == 0) {
			w.store_stalls = false;
			world_run(&w, SECOND);
			take_results();
			assert_int_equal(n_intents, 0);
			compare();
		}
	}
	assert_true(removed > 10);
	w.commit_result = MPP_OK;
	w.store_stalls = false;
	world_run(&w, SECOND);
	take_results();
	for (step = 0; step < NAMES; step++) {
		if (there(names[step]) &&
		    mpp_service_account_remove(w.s, bytes_of(names[step]), 1,
					       world_now(&w).wall) == MPP_OK)
			assert_int_equal(world_result(&w, 1).err, MPP_OK);
	}
	/* All that is left is the floor of serials. */
	restart();
	world_run(&w, SECOND);
	dump(&after, NULL);
	assert_int_equal(after.kinds['f'], 1);
	assert_int_equal(after.n, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_nothing_remains),
		CASE(test_connections_end_at_once),
		CASE(test_refused_as_unknown),
		CASE(test_names),
		CASE(test_no_room),
		CASE(test_full_batch),
		CASE(test_rivals),
		CASE(test_failed_store),
		CASE(test_answers_to_publishers),
		CASE(test_added_again),
		CASE(test_floor_of_two),
		CASE(test_large),
		CASE(test_large_with_crashes),
		CASE(test_large_with_failures),
		CASE(test_large_with_invitations),
		CASE(test_forgotten_invitation),
		CASE(test_invitations_without_a_place),
		CASE(test_twin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
