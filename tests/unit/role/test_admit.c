/* SPDX-License-Identifier: MIT */
/* Who may come in: enrolment, refusals, Timestamps, Challenges, replays, and
 * what a stranger gets. */
#include "world.h"

#include "rud/connect.h"
#include "rud/packet.h"

static const char alice[] = "alice@example.com";

static struct world w;

static int setup(void **state)
{
	(void)state;
	world_init(&w, 2);
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

/* Send raw bytes to the service; the number of answers. */
static size_t offer(const uint8_t *p, size_t len, const mpp_addr *from,
		    mpp_outbox *out)
{
	static mpp_datagram slots[4];
	uint8_t copy[2048];

	memcpy(copy, p, len);
	*out = (mpp_outbox){slots, 4, 0};
	(void)mpp_service_receive(w.s, (mpp_buf){copy, sizeof(copy), len}, from,
				  world_now(&w), out);
	return out->n;
}

/* ---- the recorded datagrams of the devices ---- */

static struct flying record[64];
static size_t n_record;

static int note(struct world *world, const struct flying *f)
{
	(void)world;
	if (n_record < 64)
		record[n_record++] = *f;
	return 0;
}

static const struct flying *recorded(bool to_service, uint8_t type)
{
	size_t i;

	for (i = 0; i < n_record; i++) {
		if (record[i].to_service == to_service &&
		    record[i].data[16] == type &&
		    (!to_service || record[i].data[0] == 0))
			return &record[i];
	}
	return NULL;
}

/* ---- enrolment ---- */

static void connect_one(const char *account, bool invite)
{
	world_device(&w, 0, account, MPP_MODE_SUBSCRIBE);
	if (invite)
		world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE);
	world_connect(&w, 0);
	world_run(&w, 5000000);
}

static void expect_refused(int status, const char *text)
{
	const struct told *t = world_last(&w.d[0], MPP_EV_REFUSED);

	assert_non_null(t);
	assert_int_equal(t->status, status);
	assert_string_equal(t->text, text);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 0);
	assert_int_equal(count()->confirmed, 0);
}

static void test_not_invited(void **state)
{
	(void)state;
	world_account(&w, alice);
	connect_one(alice, false);
	expect_refused(403, "not allowed for this account");
}

/* An account that does not exist gets the same answer, of the same length. */
static void test_unknown_account(void **state)
{
	size_t known;

	(void)state;
	world_account(&w, alice);
	w.drop = note;
	n_record = 0;
	connect_one("alice@example.org", false);
	expect_refused(403, "not allowed for this account");
	known = recorded(false, RUD_RESP_COMPLETE)->len;
	n_record = 0;
	connect_one("alice@example.com", false);
	assert_int_equal(recorded(false, RUD_RESP_COMPLETE)->len, known);
}

static void test_wrong_account(void **state)
{
	(void)state;
	world_account(&w, alice);
	world_account(&w, "@bob");
	connect_one("@bob", true);
	expect_refused(403, "not allowed for this account");
}

static void test_any_spelling(void **state)
{
	(void)state;
	world_account(&w, "Alice@Example.COM");
	connect_one("ALICE@example.com", true);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 1);
}

static void test_expired_invitation(void **state)
{
	(void)state;
	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE);
	world_run(&w, UINT64_C(900000000));
	world_connect(&w, 0);
	world_run(&w, 5000000);
	expect_refused(410, "invitation has expired");
}

static void test_reused_invitation(void **state)
{
	(void)state;
	world_subscribed(&w, alice, 0, 1);
	world_device(&w, 1, alice, MPP_MODE_SUBSCRIBE);
	w.d[1].config.have_invitation = true;
	memcpy(w.d[1].config.invitation, w.d[0].config.invitation,
	       MPP_INVITATION_LEN);
	world_connect(&w, 1);
	world_run(&w, 5000000);
	assert_int_equal(world_last(&w.d[1], MPP_EV_REFUSED)->status, 410);
	assert_string_equal(world_last(&w.d[1], MPP_EV_REFUSED)->text,
			    "invitation was used already");
	assert_int_equal(count()->enrolled, 1);
}

/* The same key with the same invitation is the same enrolment. */
static void test_same_again(void **state)
{
	(void)state;
	world_subscribed(&w, alice, 0, 1);
	world_connect(&w, 0);
	world_run(&w, 5000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 2);
	assert_int_equal(count()->enrolled, 1);
}

/* Two keys with one invitation at the same time: one of them is enrolled. */
static void test_race_for_invitation(void **state)
{
	(void)state;
	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	world_device(&w, 1, alice, MPP_MODE_SUBSCRIBE);
	world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE);
	w.d[1].config.have_invitation = true;
	memcpy(w.d[1].config.invitation, w.d[0].config.invitation,
	       MPP_INVITATION_LEN);
	world_connect(&w, 0);
	world_connect(&w, 1);
	world_run(&w, 60000000);
	assert_int_equal(count()->enrolled, 1);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED) +
				 world_count(&w.d[1], MPP_EV_CONNECTED),
			 1);
	assert_int_equal(world_count(&w.d[0], MPP_EV_REFUSED) +
				 world_count(&w.d[1], MPP_EV_REFUSED),
			 1);
}

/* The store fails while a device enrols: it is not enrolled, its invitation
 * stays good, and it succeeds when the store works again. */
static void test_enroll_store_fails(void **state)
{
	(void)state;
	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE);
	w.commit_result = MPP_ERR_STORE;
	world_connect(&w, 0);
	world_run(&w, 20000000);
	assert_int_equal(count()->enrolled, 0);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 0);
	assert_true(count()->commit_errors > 0);
	w.commit_result = MPP_OK;
	world_run(&w, 30000000);
	assert_int_equal(count()->enrolled, 1);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 1);
}

/* A device is not enrolled before that is on disk. */
static void test_enroll_waits(void **state)
{
	(void)state;
	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE);
	w.store_stalls = true;
	world_connect(&w, 0);
	world_run(&w, 30000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 0);
	assert_int_equal(count()->enrolled, 0);
	w.store_stalls = false;
	world_run(&w, 30000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 1);
}

static void test_full_account(void **state)
{
	int i;

	(void)state;
	world_stop_service(&w);
	w.config.devices_per_account = 2;
	world_start_service(&w);
	world_account(&w, alice);
	for (i = 0; i < 3; i++) {
		world_device(&w, i, alice, MPP_MODE_SUBSCRIBE);
		world_invite(&w, i, alice, MPP_RIGHT_SUBSCRIBE);
		world_connect(&w, i);
		world_run(&w, 2000000);
	}
	assert_int_equal(world_count(&w.d[1], MPP_EV_CONNECTED), 1);
	assert_int_equal(world_last(&w.d[2], MPP_EV_REFUSED)->status, 429);
}

/* Two enrolments at once for the last place: one gets it, and what is on disk
 * can be loaded again with the same limits. */
static void race_for_place(void)
{
	int i;

	world_account(&w, alice);
	for (i = 0; i < 2; i++) {
		world_device(&w, i, alice, MPP_MODE_SUBSCRIBE);
		world_invite(&w, i, alice, MPP_RIGHT_SUBSCRIBE);
	}
	w.store_stalls = true;
	world_connect(&w, 0);
	world_connect(&w, 1);
	world_run(&w, 1000000);
	w.store_stalls = false;
	world_run(&w, 30000000);
	assert_int_equal(count()->enrolled, 1);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED) +
				 world_count(&w.d[1], MPP_EV_CONNECTED),
			 1);
	world_stop_service(&w);
	world_start_service(&w);
}

static void test_last_place_in_account(void **state)
{
	(void)state;
	world_stop_service(&w);
	w.config.devices_per_account = 1;
	world_start_service(&w);
	race_for_place();
}

static void test_last_place_of_all(void **state)
{
	(void)state;
	world_stop_service(&w);
	w.config.devices = 1;
	world_start_service(&w);
	race_for_place();
}

/* ---- removal ---- */

static void device_id(int i, char text[MPP_UDF_TEXT_MAX])
{
	uint8_t udf[MPP_UDF_LEN];

	mpp_client_udf(w.d[i].c, udf);
	assert_true(mpp_udf_text(udf, MPP_UDF_BITS, text) > 0);
}

static void test_removed(void **state)
{
	char id[MPP_UDF_TEXT_MAX];

	(void)state;
	world_subscribed(&w, alice, 0, 2);
	device_id(0, id);
	assert_int_equal(mpp_service_device_remove(w.s, bytes_of(alice),
						   bytes_of(id), 5,
						   world_now(&w).wall),
			 MPP_OK);
	/* A second time while the first waits: there is no such device. */
	assert_int_equal(mpp_service_device_remove(w.s, bytes_of(alice),
						   bytes_of(id), 6,
						   world_now(&w).wall),
			 MPP_ERR_NOTFOUND);
	assert_int_equal(world_result(&w, 5).err, MPP_OK);
	world_run(&w, 100000);
	assert_int_equal(world_last(&w.d[0], MPP_EV_CLOSED)->status, 403);
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 1000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 0);
	assert_int_equal(world_count(&w.d[1], MPP_EV_PUBLICATION), 1);
	/* Its old invitation does not bring it back. */
	w.d[0].n_told = 0;
	world_connect(&w, 0);
	world_run(&w, 5000000);
	assert_int_equal(world_last(&w.d[0], MPP_EV_REFUSED)->status, 410);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 0);
}

/* A restart does not bring back what was removed. */
static void test_removed_for_good(void **state)
{
	char id[MPP_UDF_TEXT_MAX];

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	device_id(0, id);
	assert_int_equal(mpp_service_device_remove(w.s, bytes_of(alice),
						   bytes_of(id), 5,
						   world_now(&w).wall),
			 MPP_OK);
	assert_int_equal(world_result(&w, 5).err, MPP_OK);
	world_stop_service(&w);
	world_start_service(&w);
	w.d[0].config.have_invitation = false;
	w.d[0].n_told = 0;
	world_connect(&w, 0);
	world_run(&w, 5000000);
	assert_int_equal(world_last(&w.d[0], MPP_EV_REFUSED)->status, 403);
}

/* A connection that is confirmed while the removal is on its way to the disk
 * must not write the device's record back. */
static void test_removed_while_connecting(void **state)
{
	char id[MPP_UDF_TEXT_MAX];

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	device_id(0, id);
	w.store_stalls = true;
	assert_int_equal(mpp_service_device_remove(w.s, bytes_of(alice),
						   bytes_of(id), 5,
						   world_now(&w).wall),
			 MPP_OK);
	w.d[0].config.have_invitation = false;
	world_connect(&w, 0);
	world_run(&w, 5000000);
	w.store_stalls = false;
	assert_int_equal(world_result(&w, 5).err, MPP_OK);
	world_run(&w, 1000000);
	world_stop_service(&w);
	world_start_service(&w);
	w.d[0].n_told = 0;
	world_connect(&w, 0);
	world_run(&w, 5000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 0);
	assert_int_equal(world_last(&w.d[0], MPP_EV_REFUSED)->status, 403);
}

/* ---- Timestamps ---- */

/* A device that lost its Timestamp, with a clock that is behind, is told the
 * newest and goes on from there. */
static void test_lost_timestamp(void **state)
{
	(void)state;
	world_subscribed(&w, alice, 0, 1);
	w.d[0].saved_ms = 0;
	w.d[0].config.have_invitation = false;
	w.epoch -= UINT64_C(86400000000) * 365;
	world_connect(&w, 0);
	world_run(&w, 5000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 2);
	assert_int_equal(world_count(&w.d[0], MPP_EV_REFUSED), 0);
	assert_true(count()->refused > 0);
}

/* ---- Challenges and strangers ---- */

static void test_always_challenge(void **state)
{
	(void)state;
	world_stop_service(&w);
	w.config.always_challenge = true;
	world_start_service(&w);
	world_subscribed(&w, alice, 0, 1);
	assert_int_equal(count()->challenges, 1); /* the Hello's */
	w.d[0].config.have_invitation = false;
	world_connect(&w, 0); /* now it knows the key */
	world_run(&w, 5000000);
	assert_int_equal(count()->challenges, 2);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 2);
}

/* A known device needs no Challenge: one round trip. */
static void test_immediate(void **state)
{
	(void)state;
	world_subscribed(&w, alice, 0, 1);
	w.d[0].config.have_invitation = false;
	world_connect(&w, 0);
	world_run(&w, 5000000);
	assert_int_equal(count()->challenges, 1);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 2);
}

static size_t pool_used(const char *name)
{
	mpp_pool_info p;
	unsigned i;

	for (i = 0; mpp_service_pool(w.s, i, &p); i++) {
		if (strcmp(p.name, name) == 0)
			return p.used;
	}
	fail_msg("no pool %s", name);
	return 0;
}

/* A key that is not enrolled gets a Challenge before the second half of the
 * work, and nothing is allocated for it. */
static void test_strangers_cost_nothing(void **state)
{
	(void)state;
	world_subscribed(&w, alice, 0, 1);
	/* Another key that knows the service's. */
	world_device(&w, 1, alice, MPP_MODE_SUBSCRIBE);
	w.d[1].have_key = true;
	memcpy(w.d[1].key, w.d[0].key, MPP_DH_MAX);
	assert_int_equal(pool_used("bindings"), 1);
	world_connect(&w, 1);
	world_run(&w, 5000000);
	assert_int_equal(world_last(&w.d[1], MPP_EV_REFUSED)->status, 403);
	assert_int_equal(count()->challenges, 2);
	assert_int_equal(pool_used("bindings"), 1);
	assert_int_equal(pool_used("half_open"), 0);
	/* The control: an invitation does allocate. */
	w.d[1].n_told = 0;
	world_invite(&w, 1, alice, MPP_RIGHT_SUBSCRIBE);
	world_connect(&w, 1);
	world_run(&w, 5000000);
	assert_int_equal(pool_used("bindings"), 2);
}

/* Recorded genuine datagrams from another address: a Complete's Challenge
 * does not count there, and no answer is longer than its question. */
static void test_challenge_elsewhere(void **state)
{
	mpp_addr other = {{203, 0, 113, 9}, 40000, 4, 0};
	const struct flying *f;
	mpp_outbox out;

	(void)state;
	w.drop = note;
	n_record = 0;
	world_account(&w, alice);
	connect_one(alice, true);
	f = recorded(true, RUD_INIT_COMPLETE);
	assert_non_null(f);
	assert_int_equal(offer(f->data, f->len, &other, &out), 1);
	assert_int_equal(out.slots[0].data[16], RUD_RESP_CHALLENGE);
	assert_true(out.slots[0].len <= f->len);
}

/* Only zeros may stand behind the Noise message, which does not cover them. */
static void test_dirty_padding(void **state)
{
	uint8_t p[MPP_PACKET_MAX];
	const struct flying *f;
	mpp_outbox out;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	w.service_down = true;
	w.drop = note;
	n_record = 0;
	w.d[0].config.have_invitation = false;
	world_connect(&w, 0);
	world_run(&w, 100000);
	w.service_down = false;
	f = recorded(true, RUD_INIT_EXCHANGE);
	assert_non_null(f);
	memcpy(p, f->data, f->len);
	p[f->len - 1] = 1;
	assert_int_equal(offer(p, f->len, &w.d[0].addr, &out), 0);
	assert_int_equal(count()->drop_padding, 1);
	/* The control: the same with the zero that belongs there. */
	assert_int_equal(offer(f->data, f->len, &w.d[0].addr, &out), 1);
	assert_int_equal(out.slots[0].data[16], RUD_RESP_COMPLETE);
}

/* A replayed first message takes effect nowhere: nobody can confirm it. */
static void test_replayed_exchange(void **state)
{
	mpp_addr other = {{203, 0, 113, 9}, 999, 4, 0};
	const struct flying *f;
	uint64_t serial;
	mpp_outbox out;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	w.drop = note;
	n_record = 0;
	w.d[0].config.have_invitation = false;
	world_connect(&w, 0);
	world_run(&w, 5000000);
	f = recorded(true, RUD_INIT_EXCHANGE);
	assert_non_null(f);
	/* The same bytes again: refused, 401. */
	offer(f->data, f->len, &other, &out);
	assert_int_equal(pool_used("bindings"), 1);
	assert_int_equal(pool_used("half_open"), 0);
	serial = world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 1000000);
	assert_int_equal(world_last(&w.d[0], MPP_EV_PUBLICATION)->serial,
			 serial);
	/* One that never arrived is pre-played: it stays unconfirmed, the
	 * subscription goes on, and after 10 s nothing is left of it. */
	w.service_down = true;
	n_record = 0;
	world_connect(&w, 0);
	world_run(&w, 500000);
	f = recorded(true, RUD_INIT_EXCHANGE);
	w.service_down = false;
	offer(f->data, f->len, &other, &out);
	assert_int_equal(out.slots[0].data[16], RUD_RESP_COMPLETE);
	assert_int_equal(pool_used("half_open"), 1);
	/* Once more, unconfirmed as it is: refused. */
	offer(f->data, f->len, &other, &out);
	assert_int_equal(pool_used("half_open"), 1);
	assert_int_equal(count()->refused, 2);
	assert_int_equal(world_acknowledged(&w, alice), serial);
	free(w.d[0].c);
	w.d[0].c = NULL;
	world_run(&w, 11000000);
	assert_int_equal(pool_used("half_open"), 0);
	assert_int_equal(pool_used("bindings"), 1);
}

/* Recorded data packets again, and every one with a flipped bit. */
static void test_replayed_data(void **state)
{
	mpp_outbox out;
	uint8_t bent[MPP_PACKET_MAX];
	size_t i, tried = 0;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	w.drop = note;
	n_record = 0;
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 60000000);
	for (i = 0; i < n_record; i++) {
		const struct flying *f = &record[i];

		if (!f->to_service)
			continue;
		tried++;
		assert_int_equal(offer(f->data, f->len, &f->from, &out), 0);
		memcpy(bent, f->data, f->len);
		bent[f->len - 1] ^= 1;
		assert_int_equal(offer(bent, f->len, &f->from, &out), 0);
	}
	assert_true(tried >= 3);
	assert_int_equal(count()->drop_replay, 2 * tried);
	/* The control: a fresh index with a bent tag fails to authenticate. */
	w.service_down = true;
	n_record = 0;
	world_run(&w, 60000000);
	w.service_down = false;
	assert_true(n_record > 0 && record[0].to_service);
	memcpy(bent, record[0].data, record[0].len);
	bent[record[0].len - 1] ^= 1;
	assert_int_equal(offer(bent, record[0].len, &record[0].from, &out), 0);
	assert_int_equal(count()->drop_auth, 1);
	assert_true(offer(record[0].data, record[0].len, &record[0].from,
			  &out) > 0);
}

/* ---- malformed connection datagrams ---- */

static size_t build(uint8_t *p, uint8_t type, uint8_t version,
		    const uint8_t *list, size_t len)
{
	struct wr wr = wr_init(p, MPP_PACKET_MAX);
	static const uint8_t id[16] = {9, 9, 9, 9, 9, 9, 9, 9,
				       9, 9, 9, 9, 9, 9, 9, 9};

	wr_zero(&wr, 16);
	wr_u8(&wr, type);
	wr_int(&wr, version);
	wr_int(&wr, 0);
	wr_bytes(&wr, id, 16);
	wr_raw(&wr, list, len);
	connect_pad(&wr);
	assert_int_equal(wr.err, MPP_OK);
	return wr.n;
}

struct bad_row {
	const char *what;
	uint8_t type, version;
	uint8_t list[32];
	size_t len;
	size_t answers;
};

static void test_malformed_first_packets(void **state)
{
	static const struct bad_row rows[] = {
		{"a good Hello is the control", 2, 1, {129, 1, 1, 255, 0}, 5, 1},
		{"Hello with suites that nobody has: an error",
		 2,
		 1,
		 {129, 2, 7, 8, 255, 0},
		 6,
		 1},
		{"Hello without Suites: an error", 2, 1, {255, 0}, 2, 1},
		{"another version: which one is spoken",
		 2,
		 2,
		 {129, 1, 1, 255, 0},
		 5,
		 1},
		{"an error is never answered", 0, 1, {255, 0}, 2, 0},
		{"nor one of another version", 0, 2, {255, 0}, 2, 0},
		{"a Ticket without a Token: an error", 5, 1, {255, 0}, 2, 1},
		{"an unknown type", 9, 1, {255, 0}, 2, 0},
		{"a tag twice", 2, 1, {129, 1, 1, 129, 1, 1, 255, 0}, 8, 0},
		{"an unknown tag twice",
		 2,
		 1,
		 {200, 0, 200, 0, 129, 1, 1, 255, 0},
		 9,
		 0},
		{"a length past the end",
		 2,
		 1,
		 {129, 0x7f, 0xff, 1, 255, 0},
		 6,
		 0},
		{"a huge length",
		 2,
		 1,
		 {129, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		 9,
		 0},
		{"no end of the list", 2, 1, {129, 1, 1}, 3, 0},
		{"Exchange with a key that is not ours: a challenge",
		 3,
		 1,
		 {130, 1, 1, 255, 0},
		 5,
		 1},
	};
	mpp_addr from = {{203, 0, 113, 9}, 999, 4, 0};
	uint8_t p[MPP_PACKET_MAX];
	mpp_outbox out;
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		len = build(p, rows[i].type, rows[i].version, rows[i].list,
			    rows[i].len);
		print_message("%s\n", rows[i].what);
		assert_int_equal(offer(p, len, &from, &out), rows[i].answers);
		if (out.n != 0)
			assert_true(out.slots[0].len <= len);
	}
	assert_int_equal(pool_used("bindings"), 0);
	assert_int_equal(pool_used("half_open"), 0);
}

/* Any length, any first octets: nothing but a padded datagram is answered. */
static void test_lengths(void **state)
{
	mpp_addr from = {{203, 0, 113, 9}, 999, 4, 0};
	static const uint8_t list[] = {129, 1, 1, 255, 0};
	uint8_t p[2048] = {0};
	mpp_outbox out;
	size_t len;

	(void)state;
	build(p, 2, 1, list, sizeof(list));
	for (len = 0; len <= 1600; len++)
		assert_int_equal(offer(p, len, &from, &out),
				 len >= 1200 && len <= 1452 ? 1 : 0);
	p[0] = 1; /* not a connection datagram, and no stream of ours */
	for (len = 48; len <= 1452; len++)
		assert_int_equal(offer(p, len, &from, &out), 0);
	assert_int_equal(count()->drop_stranger, 1452 - 48 + 1);
}

/* Random bytes behind a valid beginning. */
static void test_random_packets(void **state)
{
	mpp_addr from = {{203, 0, 113, 9}, 999, 4, 0};
	uint8_t p[MPP_PACKET_MAX];
	mpp_outbox out;
	unsigned n, i;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	for (n = 0; n < 20000; n++) {
		size_t len = 1200 + world_random(&w) % 252;

		for (i = 0; i < len; i++)
			p[i] = (uint8_t)world_random(&w);
		if (n % 2 == 0)
			memset(p, 0, 16);
		p[16] = (uint8_t)(2 + n % 4);
		p[17] = 1;
		p[18] = 1;
		p[19] = 16;
		offer(p, len, &from, &out);
		if (out.n != 0)
			assert_true(out.slots[0].len <= len);
	}
	assert_true(count()->drop_malformed > 1000);
	assert_true(count()->drop_stranger > 1000);
	assert_int_equal(pool_used("bindings"), 1);
}

/* ---- the client's side ---- */

static void test_wrong_pin(void **state)
{
	static const char pin[] = "MAAA-AAAA-AAAA-AAAA-AAAA-AAAA-AAAA-AAAA-"
				  "AAAA-AAAA-AAAA-AAAA-AAAA";
	char real[MPP_UDF_TEXT_MAX];
	uint8_t udf[MPP_UDF_LEN];

	(void)state;
	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	w.d[0].config.pins[0] = bytes_of(pin);
	w.d[0].config.n_pins = 1;
	world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE);
	world_connect(&w, 0);
	world_run(&w, 5000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_KEY_CHANGED), 1);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 0);
	assert_int_equal(count()->handshakes, 0);
	/* The control: with the right pin it connects. */
	assert_int_equal(mpp_service_fingerprint(w.s, 1, udf), MPP_OK);
	mpp_udf_text(udf, MPP_UDF_PIN_BITS, real);
	w.d[0].config.pins[0] = bytes_of(real);
	world_connect(&w, 0);
	world_run(&w, 5000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 1);
}

static void test_wrong_known_key(void **state)
{
	(void)state;
	world_subscribed(&w, alice, 0, 1);
	w.d[0].key[3] ^= 1;
	w.d[0].config.have_invitation = false;
	world_connect(&w, 0);
	world_run(&w, 5000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_KEY_CHANGED), 1);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 1);
}

/* Forged answers: every bit of the real ones flipped, and errors in the
 * clear. The real answer is still taken. */
static int forge(struct world *world, const struct flying *f)
{
	uint8_t bent[MPP_PACKET_MAX];
	size_t i;

	if (f->to_service)
		return 0;
	for (i = 16; i < f->len; i++) {
		memcpy(bent, f->data, f->len);
		bent[i] ^= 0x40;
		/* The Challenge itself is opaque and unauthenticated. */
		if (f->data[16] != RUD_RESP_CHALLENGE || i < 30)
			(void)mpp_client_receive(world->d[f->device].c,
						 (mpp_buf){bent, f->len,
							   f->len},
						 world_now(world));
	}
	return 0;
}

static void test_forged_answers(void **state)
{
	(void)state;
	w.drop = forge;
	world_subscribed(&w, alice, 0, 1);
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 1000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
	assert_int_equal(world_count(&w.d[0], MPP_EV_REFUSED), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_not_invited),
		CASE(test_unknown_account),
		CASE(test_wrong_account),
		CASE(test_any_spelling),
		CASE(test_expired_invitation),
		CASE(test_reused_invitation),
		CASE(test_same_again),
		CASE(test_race_for_invitation),
		CASE(test_enroll_store_fails),
		CASE(test_enroll_waits),
		CASE(test_full_account),
		CASE(test_last_place_in_account),
		CASE(test_last_place_of_all),
		CASE(test_removed),
		CASE(test_removed_for_good),
		CASE(test_removed_while_connecting),
		CASE(test_lost_timestamp),
		CASE(test_always_challenge),
		CASE(test_immediate),
		CASE(test_strangers_cost_nothing),
		CASE(test_challenge_elsewhere),
		CASE(test_dirty_padding),
		CASE(test_replayed_exchange),
		CASE(test_replayed_data),
		CASE(test_malformed_first_packets),
		CASE(test_lengths),
		CASE(test_random_packets),
		CASE(test_wrong_pin),
		CASE(test_wrong_known_key),
		CASE(test_forged_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
