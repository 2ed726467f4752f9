/* SPDX-License-Identifier: MIT */
/* Coming back with a token: who gets one, what it opens, what happens when it
 * does not, and that it is used once. */
#include "world.h"

#include "role/service.h"
#include "rud/cookie.h"

static const char alice[] = "alice@example.com";

#define DAY_S UINT64_C(86400)
#define SECOND UINT64_C(1000000)

static struct world w;

/* Connection datagrams by direction and type; the newest of each is kept. */
static unsigned seen[2][8];
static struct flying newest[2][8];
static size_t token_len_when_sent;
static int (*also)(struct world *, const struct flying *);

static int note(struct world *world, const struct flying *f)
{
	const unsigned type = f->data[16];
	const bool hello = memcmp(f->data, (uint8_t[16]){0}, 16) == 0;

	if ((f->to_service ? hello
			   : f->len > 17 && type < 4 && f->data[17] == 1) &&
	    type < 8) {
		seen[f->to_service][type]++;
		newest[f->to_service][type] = *f;
	}
	if (f->to_service && hello && type == RUD_INIT_TICKET)
		token_len_when_sent = world->d[f->device].token_len;
	return also != NULL ? also(world, f) : 0;
}

static void forget(void)
{
	memset(seen, 0, sizeof(seen));
	also = NULL;
	token_len_when_sent = SIZE_MAX;
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
	world_init(&w, 5);
	for (i = 0; i < MPP_TOKEN_KEY_LEN; i++)
		w.secrets.token.key[i] = (uint8_t)world_random(&w);
	w.secrets.token.id[0] = 0x77;
	restart();
	w.drop = note;
	forget();
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

static void enroll(int i, unsigned rights)
{
	world_device(&w, i, alice, MPP_MODE_SUBSCRIBE);
	world_invite(&w, i, alice, rights);
	world_connect(&w, i);
	world_run(&w, 3 * SECOND);
	assert_int_equal(world_count(&w.d[i], MPP_EV_CONNECTED), 1);
	w.d[i].config.have_invitation = false;
	forget();
}

static struct world_device *enrolled(void)
{
	world_account(&w, alice);
	enroll(0, MPP_RIGHT_SUBSCRIBE);
	assert_true(w.d[0].token_len > 0);
	return &w.d[0];
}

static void open_saved(const struct world_device *d, mpp_token *out)
{
	assert_int_equal(mpp_token_open(&w.crypto, &w.secrets.token,
					(mpp_bytes){d->token, d->token_len},
					out),
			 MPP_OK);
	assert_memory_equal(out->secret, d->token_secret, 32);
}

static void mint(struct world_device *d, const mpp_token_claims *k)
{
	mpp_buf token = {d->token, sizeof(d->token), 0};

	assert_int_equal(mpp_token_mint(&w.crypto, &w.secrets.token, k, &token,
					d->token_secret),
			 MPP_OK);
	d->token_len = token.len;
}

static uint64_t wall_ms(void)
{
	return world_now(&w).wall.us / 1000;
}

/* Claims of a good token for a device, which the caller may spoil. */
static mpp_token_claims claims_for(const struct world_device *d,
				   char text[MPP_UDF_TEXT_MAX])
{
	uint8_t pub[MPP_DH_MAX], udf[MPP_UDF_LEN];
	mpp_token_claims k = {.account = bytes_of(alice),
			      .rights = MPP_RIGHT_SUBSCRIBE,
			      .issued_ms = wall_ms(),
			      .expires_ms = wall_ms() + 60000};

	assert_int_equal(w.crypto.ops->dh_public(w.crypto.ctx, d->config.suite,
						 d->config.device_secret, pub),
			 MPP_OK);
	assert_int_equal(mpp_udf_key(&w.crypto, d->config.suite, pub, udf),
			 MPP_OK);
	k.device = (mpp_bytes){(const uint8_t *)text,
			       mpp_udf_text(udf, MPP_UDF_BITS, text)};
	return k;
}

/* Connect anew and let it settle; how long until it was told. */
static uint64_t come_back(int i)
{
	uint64_t start = w.now;
	size_t before = world_count(&w.d[i], MPP_EV_CONNECTED);

	world_connect(&w, i);
	world_run(&w, 5 * SECOND);
	assert_int_equal(world_count(&w.d[i], MPP_EV_CONNECTED), before + 1);
	return world_last(&w.d[i], MPP_EV_CONNECTED)->at - start;
}

static void expect_flow(unsigned tickets, unsigned others, unsigned challenges,
			unsigned errors)
{
	assert_int_equal(seen[1][RUD_INIT_TICKET], tickets);
	assert_int_equal(seen[1][RUD_INIT_EXCHANGE] +
				 seen[1][RUD_INIT_COMPLETE] +
				 seen[1][RUD_INIT_HELLO],
			 others);
	assert_int_equal(seen[0][RUD_RESP_CHALLENGE], challenges);
	assert_int_equal(seen[0][RUD_RESP_ERROR], errors);
}

/* ---- being given one ---- */

static void test_given(void **state)
{
	struct world_device *d = enrolled();
	mpp_token t;

	(void)state;
	assert_int_equal(d->n_tokens, 1);
	assert_int_equal(count()->tokens, 1);
	assert_int_equal(count()->notifies, 1);
	assert_int_equal(count()->repeats, 0);
	assert_int_equal(world_count(d, MPP_EV_PUBLICATION), 0);
	open_saved(d, &t);
	assert_memory_equal(t.claims.account.p, alice, sizeof(alice) - 1);
	assert_int_equal(t.claims.rights, MPP_RIGHT_SUBSCRIBE);
	assert_in_range(wall_ms() - t.claims.issued_ms, 2000, 3000);
	assert_int_equal(t.claims.expires_ms - t.claims.issued_ms,
			 30 * DAY_S * 1000);
	assert_in_range(t.claims.issued_ms - t.claims.proven_ms, 0, 2000);
}

/* Without a token key nobody gets one, and nobody's is known. */
static void test_no_key(void **state)
{
	(void)state;
	memset(&w.secrets.token, 0, sizeof(w.secrets.token));
	restart();
	world_account(&w, alice);
	enroll(0, MPP_RIGHT_SUBSCRIBE);
	assert_int_equal(count()->tokens, 0);
	assert_int_equal(count()->notifies, 0);
	memset(w.d[0].token, 0, 100);
	w.d[0].token_len = 100;
	come_back(0);
	expect_flow(1, 1, 0, 1);
}

/* It comes with the first publication when there is one. */
static void test_with_publication(void **state)
{
	struct world_device *d;

	(void)state;
	world_account(&w, alice);
	world_publish(&w, alice, "mmm_Inbound", 1);
	enroll(0, MPP_RIGHT_SUBSCRIBE);
	d = &w.d[0];
	assert_int_equal(d->n_tokens, 1);
	world_publish(&w, alice, "mmm_Inbound", 2);
	world_run(&w, SECOND);
	assert_int_equal(world_last(d, MPP_EV_PUBLICATION)->index[0], 2);
	assert_int_equal(d->n_tokens, 1);
	assert_int_equal(count()->tokens, 1);
}

static int lose_notifies(struct world *world, const struct flying *f)
{
	(void)world;
	return !f->to_service && f->len > 300 && count()->tokens < 4;
}

/* It is repeated like a publication until it has arrived. */
static void test_repeated(void **state)
{
	struct world_device *d;

	(void)state;
	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE);
	world_connect(&w, 0);
	world_run(&w, SECOND / 20);
	also = lose_notifies;
	world_run(&w, 5 * SECOND);
	d = &w.d[0];
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 1);
	assert_int_equal(count()->tokens, 4);
	assert_int_equal(d->n_tokens, 1);
	world_run(&w, 30 * SECOND);
	assert_int_equal(count()->tokens, 4);
}

static void test_under_loss(void **state)
{
	unsigned seed, by_ticket = 0;

	(void)state;
	for (seed = 0; seed < 20; seed++) {
		if (seed != 0)
			setup(NULL);
		w.rng = seed;
		w.loss_pct = 30;
		w.dup_pct = 10;
		w.jitter_us = 30000;
		world_account(&w, alice);
		world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
		world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE);
		world_connect(&w, 0);
		world_run(&w, 60 * SECOND);
		assert_in_range(w.d[0].n_tokens, 1, 1000);
		w.d[0].config.have_invitation = false;
		world_connect(&w, 0);
		world_run(&w, 60 * SECOND);
		by_ticket += count()->tickets != 0;
		assert_true(w.d[0].token_len > 0);
		assert_int_equal(used("half_open"), 0);
		assert_int_equal(used("bindings"), 1);
		if (seed != 19)
			teardown(NULL);
	}
	/* Both attempts are lost in one of four cases. */
	assert_in_range(by_ticket, 10, 19);
}

/* ---- coming back ---- */

static void test_one_round_trip(void **state)
{
	struct world_device *d = enrolled();
	uint8_t before[MPP_TOKEN_MAX];

	(void)state;
	memcpy(before, d->token, sizeof(before));
	/* There, back; then the confirmation, there and back. */
	assert_int_equal(come_back(0), 4 * w.delay_us);
	expect_flow(1, 0, 0, 0);
	assert_int_equal(count()->tickets, 1);
	assert_int_equal(count()->refused, 0);
	assert_int_equal(used("bindings"), 1);
	assert_int_equal(d->n_tokens, 2);
	assert_memory_not_equal(before, d->token, d->token_len);
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, SECOND);
	assert_int_equal(world_count(d, MPP_EV_PUBLICATION), 1);
	/* And again, with the next one. */
	come_back(0);
	expect_flow(2, 0, 0, 0);
}

static void test_erased_before_use(void **state)
{
	struct world_device *d = enrolled();

	(void)state;
	assert_true(d->token_len > 0);
	come_back(0);
	assert_int_equal(seen[1][RUD_INIT_TICKET], 1);
	assert_int_equal(token_len_when_sent, 0);
}

/* The service starts anew and knows no binding: a token still opens. */
static void test_after_restart(void **state)
{
	struct world_device *d = enrolled();

	(void)state;
	restart();
	world_run(&w, 40 * SECOND);
	assert_int_equal(world_count(d, MPP_EV_LOST), 1);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 2);
	expect_flow(1, 0, 0, 0);
	assert_int_equal(token_len_when_sent, 0);
}

static void test_suite_448(void **state)
{
	(void)state;
	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	w.d[0].config.suite = MPP_SUITE_448;
	world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE);
	world_connect(&w, 0);
	world_run(&w, 3 * SECOND);
	w.d[0].config.have_invitation = false;
	forget();
	come_back(0);
	expect_flow(1, 0, 0, 0);
}

/* What is asked once uses no token and leaves that of the subscription. */
static void test_modes(void **state)
{
	static const mpp_client_mode modes[] = {
		MPP_MODE_STATUS, MPP_MODE_ENDPOINT, MPP_MODE_ASK};
	struct world_device *d = enrolled();
	const size_t len = d->token_len;
	unsigned i;

	(void)state;
	for (i = 0; i < 3; i++) {
		d->config.mode = modes[i];
		world_connect(&w, 0);
		world_run(&w, 3 * SECOND);
		expect_flow(0, i + 1, 0, 0);
		assert_int_equal(d->token_len, len);
		assert_int_equal(d->n_tokens, 1);
	}
	d->config.mode = MPP_MODE_SUBSCRIBE;
	come_back(0);
	expect_flow(1, 3, 0, 0);
}

/* A handshake by token proves no service key, so none is learnt from it. */
static void test_learns_no_key(void **state)
{
	struct world_device *d = enrolled();

	(void)state;
	d->have_key = false;
	come_back(0);
	expect_flow(1, 0, 0, 0);
	assert_false(d->have_key);
	/* Nor from the Challenge to one. */
	w.config.always_challenge = true;
	restart();
	forget();
	come_back(0);
	expect_flow(2, 0, 1, 0);
	assert_false(d->have_key);
}

/* ---- when it does not open ---- */

static void test_expired(void **state)
{
	struct world_device *d = enrolled();

	(void)state;
	w.epoch += 30 * DAY_S * SECOND - 10 * SECOND;
	come_back(0); /* 10 s before its end */
	expect_flow(1, 0, 0, 0);
	assert_int_equal(d->token_len, 0); /* proven too long ago */
	forget();
	come_back(0);
	assert_true(d->token_len > 0);
	w.epoch += 30 * DAY_S * SECOND;
	forget();
	/* One round trip more than without a token. */
	assert_int_equal(come_back(0), 6 * w.delay_us);
	expect_flow(1, 1, 0, 1);
	assert_int_equal(newest[0][RUD_RESP_ERROR].data[21], 0x41);
	assert_int_equal(newest[0][RUD_RESP_ERROR].data[22], 410 & 0xff);
	assert_true(d->token_len > 0);
}

static const struct unknown {
	const char *why;
	size_t len; /* 0: as it is */
	size_t flip;
} unknown[] = {
	{"another key id", 0, 0},     {"another nonce", 0, 4},
	{"another content", 0, 40},   {"cut by an octet", 1, 0},
	{"too short for any", 20, 0},
};

static void test_unknown(void **state)
{
	struct world_device *d = enrolled();
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(unknown) / sizeof(*unknown); i++) {
		print_message("%s\n", unknown[i].why);
		if (unknown[i].len == 1)
			d->token_len--;
		else if (unknown[i].len != 0)
			d->token_len = unknown[i].len;
		else
			d->token[unknown[i].flip] ^= 1;
		forget();
		assert_int_equal(come_back(0), 6 * w.delay_us);
		expect_flow(1, 1, 0, 1);
		assert_int_equal(newest[0][RUD_RESP_ERROR].data[21], 0x41);
		assert_int_equal(newest[0][RUD_RESP_ERROR].data[22], 0x91);
		assert_true(newest[0][RUD_RESP_ERROR].len <
			    newest[1][RUD_INIT_TICKET].len);
	}
	assert_int_equal(count()->tickets, 0);
}

static int no_tickets(struct world *world, const struct flying *f)
{
	(void)world;
	return f->to_service && f->data[16] == RUD_INIT_TICKET &&
	       memcmp(f->data, (uint8_t[16]){0}, 16) == 0;
}

static void test_two_attempts(void **state)
{
	(void)state;
	enrolled();
	also = no_tickets;
	come_back(0);
	expect_flow(2, 1, 0, 0);
	assert_int_equal(count()->tickets, 0);
}

/* An Error is a hint: the Exchange goes out, but the true answer to the
 * Ticket, when it comes, is taken. */
static void test_forged_error(void **state)
{
	struct world_device *d = enrolled();
	uint8_t forged[64] = {0};
	struct flying *f;
	struct wr v, ww = wr_init(forged, sizeof(forged));
	uint8_t value[8];

	(void)state;
	world_connect(&w, 0);
	world_run(&w, 1000);
	assert_int_equal(seen[1][RUD_INIT_TICKET], 1);
	connect_begin_responder(&ww, RUD_RESP_ERROR, 0,
				newest[1][RUD_INIT_TICKET].data + 20);
	v = wr_init(value, sizeof(value));
	wr_int(&v, 410);
	wr_bytes(&v, "", 0);
	ext_put(&ww, EXT_CLOSE, value, v.n);
	ext_put_end(&ww);
	wr_int(&ww, 0);
	f = world_fly(&w, forged, ww.n);
	f->at = w.now + 1000;
	f->device = 0;
	world_run(&w, 10000);
	assert_int_equal(seen[1][RUD_INIT_EXCHANGE], 1);
	world_run(&w, 75000 - 10000);
	/* That of the Ticket was first. */
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 1);
	world_run(&w, 15 * SECOND);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 2);
	assert_int_equal(count()->tickets, 1);
	assert_int_equal(used("bindings"), 1);
}

/* ---- what it opens, and no more ---- */

/* A key that is enrolled in two accounts: a token for one of them is refused
 * in the other, where the key itself is good. */
static void test_other_account(void **state)
{
	struct world_device *d = enrolled();

	(void)state;
	world_account(&w, "@bob");
	world_invite(&w, 0, "@bob", MPP_RIGHT_SUBSCRIBE);
	d->config.account = bytes_of("@bob");
	d->token_len = 0;
	come_back(0);
	d->config.have_invitation = false;
	assert_true(d->token_len > 0); /* of @bob */
	d->config.account = bytes_of(alice);
	forget();
	come_back(0);
	expect_flow(1, 1, 0, 0);
	assert_int_equal(count()->tickets, 1);
	assert_int_equal(count()->refused, 1);
}

static void test_not_enrolled(void **state)
{
	struct world_device *d = enrolled();
	char text[MPP_UDF_TEXT_MAX];
	mpp_token_claims k;

	(void)state;
	d = world_device(&w, 1, alice, MPP_MODE_SUBSCRIBE);
	k = claims_for(d, text);
	k.proven_ms = k.issued_ms; /* as in those that devices are given */
	mint(d, &k);
	d->have_key = true;
	memcpy(d->key, w.d[0].key, MPP_DH_MAX);
	world_connect(&w, 1);
	world_run(&w, 5 * SECOND);
	assert_int_equal(count()->tickets, 1);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 0);
	assert_int_equal(world_last(d, MPP_EV_REFUSED)->status, 403);
	/* An account that is not there gets the same answer. */
	k.account = bytes_of("nobody@example.com");
	d->config.account = bytes_of("nobody@example.com");
	mint(d, &k);
	world_connect(&w, 1);
	world_run(&w, 5 * SECOND);
	assert_int_equal(count()->tickets, 2);
	assert_int_equal(world_last(d, MPP_EV_REFUSED)->status, 403);
	/* The control: the same claims for the one that is enrolled. */
	k = claims_for(&w.d[0], text);
	mint(&w.d[0], &k);
	forget();
	come_back(0);
	expect_flow(1, 0, 0, 0);
}

static int publish_status(int i, uint64_t index)
{
	mpp_store_status st = {bytes_of("mmm_Inbound"), index, {NULL, 0}};
	uint32_t request;

	assert_int_equal(mpp_client_publish(w.d[i].c, &st, 1, world_now(&w),
					    &request),
			 MPP_OK);
	world_run(&w, SECOND);
	assert_int_equal(world_last(&w.d[i], MPP_EV_RESPONSE)->request,
			 request);
	return world_last(&w.d[i], MPP_EV_RESPONSE)->status;
}

/* The rights are those of the token and of the device, also in the token that
 * comes next. */
static void test_rights(void **state)
{
	struct world_device *d;
	char text[MPP_UDF_TEXT_MAX];
	mpp_token_claims k;
	mpp_token t;

	(void)state;
	world_account(&w, alice);
	enroll(0, MPP_RIGHT_SUBSCRIBE | MPP_RIGHT_PUBLISH);
	d = &w.d[0];
	assert_int_equal(publish_status(0, 1), 0);
	k = claims_for(d, text);
	k.proven_ms = k.issued_ms;
	mint(d, &k); /* subscribe alone */
	come_back(0);
	expect_flow(1, 0, 0, 0);
	assert_int_equal(publish_status(0, 2), 403);
	open_saved(d, &t);
	assert_int_equal(t.claims.rights, MPP_RIGHT_SUBSCRIBE);
	/* Publish alone does not subscribe: the device key does. */
	k.rights = MPP_RIGHT_PUBLISH;
	mint(d, &k);
	forget();
	come_back(0);
	expect_flow(1, 1, 0, 0);
	assert_int_equal(publish_status(0, 3), 0);
	/* More than the device has is not given either. */
	enroll(1, MPP_RIGHT_SUBSCRIBE);
	k = claims_for(&w.d[1], text);
	k.rights = MPP_RIGHTS_ALL;
	k.proven_ms = k.issued_ms;
	mint(&w.d[1], &k);
	come_back(1);
	expect_flow(1, 0, 0, 0);
	assert_int_equal(publish_status(1, 4), 403);
	open_saved(&w.d[1], &t);
	assert_int_equal(t.claims.rights, MPP_RIGHT_SUBSCRIBE);
}

/* ---- used again ---- */

static size_t offer(const struct flying *f, mpp_outbox *out)
{
	static mpp_datagram slots[4];
	uint8_t copy[MPP_PACKET_MAX];

	memcpy(copy, f->data, f->len);
	*out = (mpp_outbox){slots, 4, 0};
	(void)mpp_service_receive(w.s, (mpp_buf){copy, sizeof(copy), f->len},
				  &f->from, world_now(&w), out);
	return out->n;
}

/* A replay is refused by its Timestamp, whether the connection of the first
 * one is confirmed or not. */
static void test_replayed(void **state)
{
	mpp_outbox out;
	uint64_t refused;

	(void)state;
	enrolled();
	come_back(0);
	assert_int_equal(seen[1][RUD_INIT_TICKET], 1);
	refused = count()->refused;
	assert_int_equal(offer(&newest[1][RUD_INIT_TICKET], &out), 1);
	assert_int_equal(count()->refused, refused + 1);
	assert_int_equal(used("half_open"), 0);
	assert_true(out.slots[0].len <= newest[1][RUD_INIT_TICKET].len);
}

/* Whoever restored an old copy of the device's state uses a token again: the
 * service takes it, as long as the Timestamp rises. */
static void test_restored_copy(void **state)
{
	struct world_device *d = enrolled(), copy = *d;

	(void)state;
	come_back(0);
	d->saved_ms = copy.saved_ms;
	memcpy(d->token, copy.token, sizeof(d->token));
	memcpy(d->token_secret, copy.token_secret, 32);
	d->token_len = copy.token_len;
	w.epoch -= 20 * SECOND; /* and the clock is behind */
	come_back(0);
	/* The first told what the newest Timestamp was. */
	expect_flow(3, 0, 0, 0);
	assert_int_equal(count()->refused, 1);
}

/* ---- proven ---- */

static void test_proven(void **state)
{
	struct world_device *d = enrolled();
	mpp_token first, next;

	(void)state;
	open_saved(d, &first);
	w.epoch += 6 * DAY_S * SECOND;
	come_back(0);
	open_saved(d, &next);
	assert_int_equal(next.claims.proven_ms,
			 first.claims.proven_ms / 1000 * 1000);
	assert_true(next.claims.issued_ms >
		    first.claims.issued_ms + 6 * DAY_S * 1000);
	w.epoch += DAY_S * SECOND;
	come_back(0);
	expect_flow(2, 0, 0, 0);
	assert_int_equal(d->token_len, 0);
	assert_int_equal(d->n_tokens, 2);
	/* So the device key is used, and that gives one again. */
	come_back(0);
	expect_flow(2, 1, 0, 0);
	open_saved(d, &next);
	assert_true(next.claims.proven_ms >
		    first.claims.proven_ms + 7 * DAY_S * 1000);
}

/* ---- Challenge ---- */

static void test_always_challenge(void **state)
{
	(void)state;
	w.config.always_challenge = true;
	restart();
	enrolled();
	assert_int_equal(come_back(0), 6 * w.delay_us);
	expect_flow(2, 0, 1, 0);
	assert_int_equal(count()->tickets, 1);
}

/* The place of the Challenge in a recorded Ticket: behind the head. */
enum { CHALLENGE_AT = 16 + 1 + 1 + 1 + 17 };

/* The Challenge response is looked at before anything is opened, after the
 * token; one for a Complete does not pass. */
static void test_challenge_order(void **state)
{
	struct flying ticket, hello;
	mpp_outbox out;
	uint8_t good[COOKIE_LEN];

	(void)state;
	w.config.always_challenge = true;
	restart();
	enrolled();
	come_back(0);
	ticket = newest[1][RUD_INIT_TICKET];
	assert_int_equal(ticket.data[CHALLENGE_AT], 128 + EXT_CHALLENGE);
	assert_int_equal(ticket.data[CHALLENGE_AT + 1], COOKIE_LEN);
	memcpy(good, ticket.data + CHALLENGE_AT + 2, COOKIE_LEN);
	/* Good, but what is sealed is not: silence. */
	ticket.data[600] ^= 1;
	ticket.data[500] ^= 1;
	ticket.data[480] ^= 1;
	/* One made for another mode. */
	w.d[0].token_len = 0;
	come_back(0);
	hello = newest[1][RUD_INIT_COMPLETE];
	assert_int_equal(hello.data[CHALLENGE_AT], 128 + EXT_KEY_ID);
	memcpy(ticket.data + CHALLENGE_AT + 2,
	       hello.data + CHALLENGE_AT + 18 + 2, COOKIE_LEN);
	assert_int_equal(offer(&ticket, &out), 1);
	assert_int_equal(out.slots[0].data[16], RUD_RESP_CHALLENGE);
	memcpy(ticket.data + CHALLENGE_AT + 2, good, COOKIE_LEN);
	assert_int_equal(offer(&ticket, &out), 0);
	/* A token that is not known comes first. */
	ticket.data[CHALLENGE_AT + 2] ^= 1;
	ticket.data[CHALLENGE_AT + 2 + COOKIE_LEN + 10] ^= 1;
	assert_int_equal(offer(&ticket, &out), 1);
	assert_int_equal(out.slots[0].data[16], RUD_RESP_ERROR);
}

/* ---- removal ---- */

/* A device that was removed and enrolled again: tokens from before are dead.
 */
static void test_enrolled_again(void **state)
{
	struct world_device *d = enrolled(), copy = *d;
	char text[MPP_UDF_TEXT_MAX];
	mpp_token_claims k = claims_for(d, text);

	(void)state;
	assert_int_equal(mpp_service_device_remove(w.s, bytes_of(alice),
						   k.device, 3,
						   world_now(&w).wall),
			 MPP_OK);
	assert_int_equal(world_result(&w, 3).err, MPP_OK);
	world_run(&w, SECOND);
	assert_int_equal(world_count(d, MPP_EV_CLOSED), 1);
	world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE);
	come_back(0);
	d->config.have_invitation = false;
	memcpy(d->token, copy.token, sizeof(d->token));
	memcpy(d->token_secret, copy.token_secret, 32);
	d->token_len = copy.token_len;
	forget();
	come_back(0);
	expect_flow(1, 1, 0, 1);
	/* Also after a restart; the control is a newer one. */
	restart();
	memcpy(d->token, copy.token, sizeof(d->token));
	memcpy(d->token_secret, copy.token_secret, 32);
	d->token_len = copy.token_len;
	forget();
	come_back(0);
	expect_flow(1, 1, 0, 1);
	forget();
	come_back(0);
	expect_flow(1, 0, 0, 0);
}

/* ---- revocation ---- */

static void revoke(mpp_bytes id)
{
	assert_int_equal(mpp_service_token_revoke(w.s, bytes_of(alice), id, 4,
						  world_now(&w).wall),
			 MPP_OK);
	assert_int_equal(world_result(&w, 4).err, MPP_OK);
}

static void put_back(struct world_device *d, const struct world_device *copy)
{
	memcpy(d->token, copy->token, sizeof(d->token));
	memcpy(d->token_secret, copy->token_secret, 32);
	d->token_len = copy->token_len;
}

/* A connection by token ends at once, and the device is back by its key. */
static void test_revoked_live(void **state)
{
	struct world_device *d = enrolled();
	uint64_t start;

	(void)state;
	come_back(0);
	forget();
	start = w.now;
	revoke((mpp_bytes){NULL, 0});
	world_run(&w, w.delay_us + 1000);
	assert_int_equal(world_count(d, MPP_EV_CLOSED), 1);
	assert_int_equal(world_last(d, MPP_EV_CLOSED)->status, 401);
	assert_in_range(world_last(d, MPP_EV_CLOSED)->at - start, 0,
			w.delay_us + 2 * w.commit_us);
	world_run(&w, SECOND);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 3);
	expect_flow(0, 1, 0, 0);
	assert_int_equal(used("bindings"), 1);
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, SECOND);
	assert_int_equal(world_count(d, MPP_EV_PUBLICATION), 1);
}

/* A connection by key goes on, and gets a token that is good. */
static void test_revoked_beside(void **state)
{
	struct world_device *d = enrolled(), copy = *d;

	(void)state;
	revoke((mpp_bytes){NULL, 0});
	world_run(&w, SECOND);
	assert_int_equal(world_count(d, MPP_EV_CLOSED), 0);
	assert_int_equal(d->n_tokens, 2);
	copy.n_tokens = d->n_tokens;
	come_back(0);
	expect_flow(1, 0, 0, 0);
	/* The one from before is not, now or after a restart. */
	put_back(d, &copy);
	forget();
	come_back(0);
	expect_flow(1, 1, 0, 1);
	restart();
	put_back(d, &copy);
	forget();
	come_back(0);
	expect_flow(1, 1, 0, 1);
	assert_int_equal(newest[0][RUD_RESP_ERROR].data[22], 410 & 0xff);
}

/* One device alone, whatever its clock and whatever else is written of it. */
static void test_revoked_device(void **state)
{
	struct world_device *d = enrolled(), copy = *d;
	char text[MPP_UDF_TEXT_MAX];
	mpp_token_claims k = claims_for(d, text);

	(void)state;
	enroll(1, MPP_RIGHT_SUBSCRIBE);
	come_back(0);
	come_back(1);
	forget();
	w.epoch -= 100 * SECOND; /* the clock was set back */
	revoke(k.device);
	world_run(&w, SECOND);
	assert_int_equal(world_count(d, MPP_EV_CLOSED), 1);
	assert_int_equal(world_count(&w.d[1], MPP_EV_CLOSED), 0);
	put_back(d, &copy);
	forget();
	come_back(0);
	expect_flow(1, 1, 0, 1);
	/* What was given since then is good. */
	come_back(0);
	expect_flow(2, 1, 0, 1);
	come_back(1);
	expect_flow(3, 1, 0, 1);
	/* The confirmations wrote the record; the mark is still in it. */
	restart();
	put_back(d, &copy);
	forget();
	come_back(0);
	expect_flow(1, 1, 0, 1);
}

/* It holds at once for new connections, also for those not confirmed. */
static int no_confirm(struct world *world, const struct flying *f)
{
	(void)world;
	return f->to_service && f->data[0] != 0;
}

static void test_revoked_unconfirmed(void **state)
{
	struct world_device *d = enrolled(), copy = *d;

	(void)state;
	also = no_confirm;
	world_connect(&w, 0);
	world_run(&w, SECOND / 10);
	assert_int_equal(count()->tickets, 1);
	assert_int_equal(used("half_open"), 1);
	w.store_stalls = true;
	assert_int_equal(mpp_service_token_revoke(w.s, bytes_of(alice),
						  (mpp_bytes){NULL, 0}, 4,
						  world_now(&w).wall),
			 MPP_OK);
	world_run(&w, 1000);
	put_back(d, &copy);
	forget();
	also = no_confirm;
	world_connect(&w, 0);
	world_run(&w, SECOND / 10);
	expect_flow(1, 1, 0, 1);
	assert_int_equal(used("half_open"), 2);
	w.store_stalls = false;
	assert_int_equal(world_result(&w, 4).err, MPP_OK);
	world_run(&w, 1000);
	/* That of the Exchange is still there. */
	assert_int_equal(used("half_open"), 1);
}

static void test_revoke_errors(void **state)
{
	static const struct {
		const char *account, *id;
		mpp_err want;
	} rows[] = {
		{"nobody@example.com", "", MPP_ERR_NOTFOUND},
		{alice, "MBKY-6QMK-VOLB-ZSQS-IWN6-UHRQ-CFGX", MPP_ERR_NOTFOUND},
		{alice, "not a fingerprint!", MPP_ERR_SYNTAX},
	};
	struct world_device *d = enrolled();
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(
			mpp_service_token_revoke(w.s, bytes_of(rows[i].account),
						 bytes_of(rows[i].id), 4,
						 world_now(&w).wall),
			rows[i].want);
	/* Nothing was revoked by that. */
	assert_int_equal(d->n_tokens, 1);
	come_back(0);
	expect_flow(1, 0, 0, 0);
	w.commit_result = MPP_ERR_STORE;
	assert_int_equal(mpp_service_token_revoke(w.s, bytes_of(alice),
						  (mpp_bytes){NULL, 0}, 4,
						  world_now(&w).wall),
			 MPP_OK);
	assert_int_equal(world_result(&w, 4).err, MPP_ERR_STORE);
	world_run(&w, SECOND);
	assert_int_equal(world_count(d, MPP_EV_CLOSED), 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_given),
		CASE(test_no_key),
		CASE(test_with_publication),
		CASE(test_repeated),
		CASE(test_under_loss),
		CASE(test_one_round_trip),
		CASE(test_erased_before_use),
		CASE(test_after_restart),
		CASE(test_suite_448),
		CASE(test_modes),
		CASE(test_learns_no_key),
		CASE(test_expired),
		CASE(test_unknown),
		CASE(test_two_attempts),
		CASE(test_forged_error),
		CASE(test_other_account),
		CASE(test_not_enrolled),
		CASE(test_rights),
		CASE(test_replayed),
		CASE(test_restored_copy),
		CASE(test_proven),
		CASE(test_always_challenge),
		CASE(test_challenge_order),
		CASE(test_enrolled_again),
		CASE(test_revoked_live),
		CASE(test_revoked_beside),
		CASE(test_revoked_device),
		CASE(test_revoked_unconfirmed),
		CASE(test_revoke_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
