/* SPDX-License-Identifier: MIT */
/* Tokens of other minters: what they may say, whom they enrol, and that all
 * tokens of a key can be revoked at once. */
#include "world.h"

#include "role/service.h"

static const char alice[] = "alice@example.com";
static const char bob[] = "bob@example.org";

#define SECOND UINT64_C(1000000)
#define DAY_S UINT64_C(86400)

enum { MESH, OTHER }; /* w.minters */

static struct world w;

/* Connection datagrams by direction and type; the newest of each is kept. */
static unsigned seen[2][8];
static struct flying newest[2][8];
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
	return also != NULL ? also(world, f) : 0;
}

static void forget(void)
{
	memset(seen, 0, sizeof(seen));
	also = NULL;
}

static void restart(void)
{
	world_stop_service(&w);
	world_start_service(&w);
}

static mpp_token_minter minter(uint8_t id, const char *accounts)
{
	return (mpp_token_minter){
		.key = {{id, 2, 3, 4}, {id, 5, 6, 7}},
		.accounts = {(const uint8_t *)accounts, strlen(accounts)},
		.rights = MPP_RIGHT_SUBSCRIBE,
		.life_s = 3600,
	};
}

static int setup(void **state)
{
	(void)state;
	world_init(&w, 5);
	w.secrets.token.key[3] = 9;
	w.secrets.token.id[0] = 0x77;
	w.minters[MESH] = minter(1, "*@example.com");
	w.minters[OTHER] = minter(2, "*@example.com bob@example.org");
	w.n_minters = 2;
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

static uint64_t wall_ms(void)
{
	return world_now(&w).wall.us / 1000;
}

/* Claims of a good token for a device, which the caller may change. */
static mpp_token_claims claims_for(const struct world_device *d,
				   char text[MPP_UDF_TEXT_MAX])
{
	uint8_t pub[MPP_DH_MAX], udf[MPP_UDF_LEN];
	mpp_token_claims k = {.account = d->config.account,
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

static void mint(struct world_device *d, const mpp_token_key *key,
		 const mpp_token_claims *k)
{
	mpp_buf token = {d->token, sizeof(d->token), 0};

	assert_int_equal(mpp_token_mint(&w.crypto, key, k, &token,
					d->token_secret),
			 MPP_OK);
	d->token_len = token.len;
}

static void give(int i, unsigned number)
{
	char text[MPP_UDF_TEXT_MAX];
	mpp_token_claims k = claims_for(&w.d[i], text);

	mint(&w.d[i], &w.minters[number].key, &k);
}

static void expect_flow(unsigned tickets, unsigned others, unsigned errors)
{
	assert_int_equal(seen[1][RUD_INIT_TICKET], tickets);
	assert_int_equal(seen[1][RUD_INIT_EXCHANGE] + seen[1][RUD_INIT_HELLO],
			 others);
	assert_int_equal(seen[0][RUD_RESP_ERROR], errors);
}

static void expect_error(unsigned code)
{
	assert_int_equal(newest[0][RUD_RESP_ERROR].data[21], 0x40 | code >> 8);
	assert_int_equal(newest[0][RUD_RESP_ERROR].data[22], code & 0xff);
	assert_true(newest[0][RUD_RESP_ERROR].len <
		    newest[1][RUD_INIT_TICKET].len);
}

static struct world_device *enrolled(int i, const char *account)
{
	struct world_device *d =
		world_device(&w, i, account, MPP_MODE_SUBSCRIBE);

	world_account(&w, account);
	world_invite(&w, i, account, MPP_RIGHTS_ALL);
	world_connect(&w, i);
	world_run(&w, 3 * SECOND);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 1);
	d->config.have_invitation = false;
	forget();
	return d;
}

static void come_back(int i)
{
	size_t before = world_count(&w.d[i], MPP_EV_CONNECTED);

	forget();
	world_connect(&w, i);
	world_run(&w, 5 * SECOND);
	assert_int_equal(world_count(&w.d[i], MPP_EV_CONNECTED), before + 1);
}

/* A device that the service has never seen tries to come in by its token. */
static struct world_device *newcomer(int i, const char *account,
				     unsigned number)
{
	struct world_device *d =
		world_device(&w, i, account, MPP_MODE_SUBSCRIBE);

	give(i, number);
	forget();
	world_connect(&w, i);
	return d;
}

static void expect_refused(int i, int status)
{
	world_run(&w, 10 * SECOND);
	assert_int_equal(world_count(&w.d[i], MPP_EV_CONNECTED), 0);
	assert_non_null(world_last(&w.d[i], MPP_EV_REFUSED));
	assert_int_equal(world_last(&w.d[i], MPP_EV_REFUSED)->status, status);
	assert_int_equal(used("half_open"), 0);
}

static void expect_in(int i)
{
	world_run(&w, 3 * SECOND);
	assert_int_equal(world_count(&w.d[i], MPP_EV_CONNECTED), 1);
	expect_flow(1, 0, 0);
}

/* ---- what a key may say ---- */

static const struct scope {
	const char *sentence;
	const char *accounts;
	unsigned rights;
	uint32_t life_s;
	unsigned says;           /* rights */
	int64_t issued, expires; /* ms from now */
	unsigned status;         /* 0: let in */
} scopes[] = {
	{"all that it may", "*@example.com", 1, 60, 1, 0, 60000, 0},
	{"its account by name", "x@y alice@example.com", 1, 60, 1, 0, 60000, 0},
	{"in capitals", " ALICE@Example.COM  ", 1, 60, 1, 0, 60000, 0},
	{"a domain in capitals", "*@EXAMPLE.com", 1, 60, 1, 0, 60000, 0},
	{"no account at all", "", 1, 60, 1, 0, 60000, 403},
	{"only blanks", "   ", 1, 60, 1, 0, 60000, 403},
	{"another account", "bob@example.com", 1, 60, 1, 0, 60000, 403},
	{"another domain", "*@example.org", 1, 60, 1, 0, 60000, 403},
	{"an end of its domain", "*@ample.com", 1, 60, 1, 0, 60000, 403},
	{"a begin of its domain", "*@example.co", 1, 60, 1, 0, 60000, 403},
	{"a subdomain", "*@www.example.com", 1, 60, 1, 0, 60000, 403},
	{"a begin of its name", "alice@example.co", 1, 60, 1, 0, 60000, 403},
	{"two rights", "*@example.com", 3, 60, 3, 0, 60000, 0},
	{"no right", "*@example.com", 0, 60, 1, 0, 60000, 403},
	{"one right too many", "*@example.com", 1, 60, 3, 0, 60000, 403},
	{"a right of another kind", "*@example.com", 5, 60, 3, 0, 60000, 403},
	{"a ms too long", "*@example.com", 1, 60, 1, 0, 60001, 403},
	{"too long, though most of it is over", "*@example.com", 1, 60, 1,
	 -3600000, 1000, 403},
	{"a minute ahead", "*@example.com", 1, 60, 1, 60000, 120000, 0},
	{"more than a minute ahead", "*@example.com", 1, 60, 1, 60100, 120000,
	 403},
	{"expired", "*@example.com", 1, 60, 1, -60000, 0, 410},
};

static void test_scope(void **state)
{
	struct world_device *d = enrolled(0, alice);
	char text[MPP_UDF_TEXT_MAX];
	mpp_token_claims k;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(scopes) / sizeof(*scopes); i++) {
		const struct scope *row = &scopes[i];

		print_message("%s\n", row->sentence);
		w.minters[MESH].accounts = bytes_of(row->accounts);
		w.minters[MESH].rights = row->rights;
		w.minters[MESH].life_s = row->life_s;
		restart();
		k = claims_for(d, text);
		k.rights = row->says;
		k.issued_ms = wall_ms() + (uint64_t)row->issued;
		k.expires_ms = wall_ms() + (uint64_t)row->expires;
		mint(d, &w.minters[MESH].key, &k);
		come_back(0);
		expect_flow(1, row->status != 0, row->status != 0);
		if (row->status != 0)
			expect_error(row->status);
	}
}

/* Names without a domain, or with more than one '@'. */
static void test_domains(void **state)
{
	static const struct {
		const char *account, *accounts;
		bool in;
	} rows[] = {
		{"@example.com", "*@example.com", false},
		{"@example.com", "@example.com", true},
		{"example.com", "*@example.com", false},
		{"a@example.org@example.com", "*@example.com", true},
		{"a@example.com@example.org", "*@example.com", false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		print_message("%s by %s\n", rows[i].account, rows[i].accounts);
		teardown(NULL);
		setup(NULL);
		w.minters[MESH].accounts = bytes_of(rows[i].accounts);
		restart();
		enrolled(0, rows[i].account);
		give(0, MESH);
		come_back(0);
		expect_flow(1, !rows[i].in, !rows[i].in);
	}
}

static void test_which_key(void **state)
{
	struct world_device *d = enrolled(0, alice);
	mpp_token_key key = w.minters[MESH].key;
	char text[MPP_UDF_TEXT_MAX];
	mpp_token_claims k = claims_for(d, text);

	(void)state;
	/* Not configured: nor known. */
	key.id[3] ^= 1;
	mint(d, &key, &k);
	come_back(0);
	expect_flow(1, 1, 1);
	expect_error(401);
	/* The id of one key and another key. */
	key = w.minters[OTHER].key;
	memcpy(key.id, w.minters[MESH].key.id, sizeof(key.id));
	mint(d, &key, &k);
	come_back(0);
	expect_flow(1, 1, 1);
	expect_error(401);
	/* Both are good by themselves. */
	give(0, MESH);
	come_back(0);
	expect_flow(1, 0, 0);
	give(0, OTHER);
	come_back(0);
	expect_flow(1, 0, 0);
	/* Taken out of the configuration. */
	give(0, OTHER);
	w.n_minters = 1;
	restart();
	come_back(0);
	expect_flow(1, 1, 1);
	expect_error(401);
}

/* A service without a key of its own opens those of others. */
static void test_no_own_key(void **state)
{
	struct world_device *d;

	(void)state;
	memset(&w.secrets.token, 0, sizeof(w.secrets.token));
	restart();
	d = enrolled(0, alice);
	assert_int_equal(d->token_len, 0);
	give(0, MESH);
	come_back(0);
	expect_flow(1, 0, 0);
}

static void test_add_errors(void **state)
{
	static const struct {
		const char *sentence, *accounts;
		uint8_t id;
		unsigned rights;
		uint32_t life_s;
		mpp_err want;
	} rows[] = {
		{"a good one", "alice@example.com *@b", 5, 1, 1, MPP_OK},
		{"its id again", "", 5, 1, 1, MPP_ERR_EXISTS},
		{"the service's own id", "", 0x77, 1, 1, MPP_ERR_EXISTS},
		{"life 0", "", 6, 1, 0, MPP_ERR_INVALID},
		{"a right that is none", "", 6, 8, 1, MPP_ERR_INVALID},
		{"a star alone", "*", 6, 1, 1, MPP_ERR_INVALID},
		{"a star and '@'", "*@", 6, 1, 1, MPP_ERR_INVALID},
		{"a star in a name", "al*@b", 6, 1, 1, MPP_ERR_INVALID},
		{"a star in a domain", "*@*.com", 6, 1, 1, MPP_ERR_INVALID},
		{"a star behind", "a@b*", 6, 1, 1, MPP_ERR_INVALID},
		{"two '@'", "*@a@b", 6, 1, 1, MPP_ERR_INVALID},
		{"a slash", "a/b", 6, 1, 1, MPP_ERR_INVALID},
		{"a tab", "a\tb", 6, 1, 1, MPP_ERR_INVALID},
		{"a bad one behind a good one", "a b*", 6, 1, 1,
		 MPP_ERR_INVALID},
	};
	mpp_token_minter m;
	size_t i;

	(void)state;
	w.n_minters = 0;
	w.secrets.token.id[1] = 2;
	w.secrets.token.id[2] = 3;
	w.secrets.token.id[3] = 4;
	restart();
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		print_message("%s\n", rows[i].sentence);
		m = minter(rows[i].id, rows[i].accounts);
		m.rights = rows[i].rights;
		m.life_s = rows[i].life_s;
		assert_int_equal(mpp_service_minter_add(w.s, &m), rows[i].want);
	}
	m = minter(6, "");
	memset(m.key.key, 0, sizeof(m.key.key));
	assert_int_equal(mpp_service_minter_add(w.s, &m), MPP_ERR_INVALID);
	for (i = 1; i < MPP_TOKEN_MINTERS_MAX; i++) {
		m = minter((uint8_t)(i + 10), "");
		assert_int_equal(mpp_service_minter_add(w.s, &m), MPP_OK);
	}
	m = minter(50, "");
	assert_int_equal(mpp_service_minter_add(w.s, &m), MPP_ERR_LIMIT);
	/* What was loaded may have been for it. */
	restart();
	world_account(&w, alice);
	restart();
	assert_int_equal(mpp_service_minter_add(w.s, &m), MPP_ERR_STATE);
}

/* ---- renewal ---- */

static void open_saved(const struct world_device *d, const mpp_token_key *key,
		       mpp_token *out)
{
	assert_int_equal(mpp_token_open(&w.crypto, key,
					(mpp_bytes){d->token, d->token_len},
					out),
			 MPP_OK);
}

/* The next token is made with the same key and has its bounds; without proof
 * of the device key there is none. */
static void test_renewed_by_its_key(void **state)
{
	struct world_device *d = enrolled(0, alice);
	char text[MPP_UDF_TEXT_MAX];
	mpp_token_claims k = claims_for(d, text);
	mpp_token t;

	(void)state;
	k.proven_ms = k.issued_ms;
	mint(d, &w.minters[MESH].key, &k);
	come_back(0);
	expect_flow(1, 0, 0);
	open_saved(d, &w.minters[MESH].key, &t);
	assert_int_equal(t.claims.expires_ms - t.claims.issued_ms, 3600000);
	assert_int_equal(t.claims.proven_ms, k.proven_ms / 1000 * 1000);
	assert_int_equal(t.claims.rights, MPP_RIGHT_SUBSCRIBE);
	come_back(0);
	expect_flow(1, 0, 0);
	open_saved(d, &w.minters[MESH].key, &t);
	k.proven_ms = 0;
	mint(d, &w.minters[MESH].key, &k);
	come_back(0);
	expect_flow(1, 0, 0);
	assert_int_equal(d->token_len, 0);
	/* By its key it gets one of the service. */
	come_back(0);
	expect_flow(0, 1, 0);
	open_saved(d, &w.secrets.token, &t);
}

/* ---- enrolment ---- */

static unsigned devices_of(const char *account)
{
	mpp_account_info a;

	assert_true(mpp_service_account_find(w.s, bytes_of(account), &a));
	return a.devices;
}

static int publish_status(int i, uint64_t index)
{
	mpp_store_status st = {bytes_of("mmm_Inbound"), index, {NULL, 0}};
	uint32_t request;

	assert_int_equal(mpp_client_publish(w.d[i].c, &st, 1, world_now(&w),
					    &request),
			 MPP_OK);
	world_run(&w, SECOND);
	return world_last(&w.d[i], MPP_EV_RESPONSE)->status;
}

/* By its token, then by its key, it is the same device; with the token's
 * rights for good. */
static void test_enrols(void **state)
{
	struct world_device *d;

	(void)state;
	world_account(&w, alice);
	d = newcomer(0, alice, MESH);
	expect_in(0);
	assert_int_equal(count()->enrolled, 1);
	assert_int_equal(devices_of(alice), 1);
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, SECOND);
	assert_int_equal(world_count(d, MPP_EV_PUBLICATION), 1);
	assert_int_equal(publish_status(0, 2), 403);
	assert_int_equal(d->token_len, 0);
	restart();
	assert_int_equal(devices_of(alice), 1);
	come_back(0);
	expect_flow(0, 1, 0);
	assert_int_equal(devices_of(alice), 1);
	assert_int_equal(count()->enrolled, 0);
	assert_int_equal(publish_status(0, 2), 403);
}

static void test_enrols_suite_448(void **state)
{
	(void)state;
	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	w.d[0].config.suite = MPP_SUITE_448;
	give(0, MESH);
	world_connect(&w, 0);
	expect_in(0);
}

/* MPP_MODE_ENROLL keeps its token until it is confirmed, whatever is lost. */
static void test_enroll_mode(void **state)
{
	unsigned seed;

	(void)state;
	for (seed = 0; seed < 20; seed++) {
		if (seed != 0) {
			teardown(NULL);
			setup(NULL);
		}
		w.rng = seed;
		w.loss_pct = 30;
		w.dup_pct = 10;
		w.jitter_us = 30000;
		world_account(&w, alice);
		world_device(&w, 0, alice, MPP_MODE_ENROLL);
		give(0, MESH);
		world_connect(&w, 0);
		world_run(&w, 55 * SECOND);
		/* More than once when it lost its connection. */
		assert_in_range(world_count(&w.d[0], MPP_EV_CONNECTED), 1, 9);
		assert_int_equal(world_count(&w.d[0], MPP_EV_REFUSED), 0);
		assert_int_equal(devices_of(alice), 1);
	}
}

static int no_confirm(struct world *world, const struct flying *f)
{
	(void)world;
	return f->to_service && f->data[0] != 0;
}

/* Nor is it given up when the service has answered, but was not heard to
 * confirm. */
static void test_enroll_mode_unconfirmed(void **state)
{
	(void)state;
	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_ENROLL);
	give(0, MESH);
	also = no_confirm;
	world_connect(&w, 0);
	world_run(&w, 12 * SECOND);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 0);
	assert_true(count()->tickets >= 2);
	also = NULL;
	world_run(&w, 20 * SECOND);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 1);
	assert_int_equal(world_count(&w.d[0], MPP_EV_REFUSED), 0);
	assert_int_equal(seen[1][RUD_INIT_EXCHANGE], 0);
}

static void test_not_named(void **state)
{
	struct world_device *d;

	(void)state;
	world_account(&w, alice);
	/* A token for device 1 in the hands of device 0. */
	world_device(&w, 1, alice, MPP_MODE_SUBSCRIBE);
	give(1, MESH);
	d = world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	memcpy(d->token, w.d[1].token, sizeof(d->token));
	memcpy(d->token_secret, w.d[1].token_secret, 32);
	d->token_len = w.d[1].token_len;
	world_connect(&w, 0);
	expect_refused(0, 403);
	assert_int_equal(count()->tickets, 1);
	/* An account that is not there: the same. */
	newcomer(2, "carol@example.com", MESH);
	expect_refused(2, 403);
	assert_int_equal(count()->tickets, 2);
	assert_int_equal(devices_of(alice), 0);
	/* It is good for whom it names. */
	forget();
	world_connect(&w, 1);
	expect_in(1);
}

static void test_full_account(void **state)
{
	(void)state;
	w.config.devices_per_account = 1;
	restart();
	world_account(&w, alice);
	newcomer(0, alice, MESH);
	expect_in(0);
	newcomer(1, alice, MESH);
	expect_refused(1, 429);
	assert_int_equal(devices_of(alice), 1);
}

/* Many at once: those that are on their way to the disk count. */
static void test_crowd(void **state)
{
	unsigned in = 0;
	int i;

	(void)state;
	w.config.devices_per_account = 3;
	restart();
	world_account(&w, alice);
	w.commit_us = 500000;
	for (i = 0; i < WORLD_DEVICES; i++)
		newcomer(i, alice, MESH);
	world_run(&w, 20 * SECOND);
	for (i = 0; i < WORLD_DEVICES; i++)
		in += world_count(&w.d[i], MPP_EV_CONNECTED) != 0;
	assert_int_equal(in, 3);
	assert_int_equal(devices_of(alice), 3);
	assert_int_equal(used("half_open"), 0);
	restart();
	assert_int_equal(devices_of(alice), 3);
}

static void test_durable_first(void **state)
{
	struct world_device *d;

	(void)state;
	world_account(&w, alice);
	w.store_stalls = true;
	d = newcomer(0, alice, MESH);
	world_run(&w, 3 * SECOND);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 0);
	assert_int_equal(devices_of(alice), 0);
	w.store_stalls = false;
	world_run(&w, 3 * SECOND);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 1);
	assert_int_equal(devices_of(alice), 1);
	/* What the store did not keep never was. */
	w.commit_result = MPP_ERR_STORE;
	newcomer(1, alice, MESH);
	world_run(&w, 3 * SECOND);
	assert_int_equal(world_count(&w.d[1], MPP_EV_CONNECTED), 0);
	assert_int_equal(devices_of(alice), 1);
	w.commit_result = MPP_OK;
	world_run(&w, 20 * SECOND);
	assert_int_equal(used("half_open"), 0);
	give(1, MESH);
	come_back(1);
	assert_int_equal(devices_of(alice), 2);
}

/* Two installations with one new key, at once. */
static void test_one_key_twice(void **state)
{
	(void)state;
	world_account(&w, alice);
	w.commit_us = 500000;
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	world_device(&w, 1, alice, MPP_MODE_SUBSCRIBE);
	memcpy(w.d[1].config.device_secret, w.d[0].config.device_secret,
	       MPP_DH_MAX);
	give(0, MESH);
	give(1, OTHER);
	world_connect(&w, 0);
	world_connect(&w, 1);
	world_run(&w, 5 * SECOND);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 1);
	assert_int_equal(world_count(&w.d[1], MPP_EV_CONNECTED), 1);
	assert_int_equal(devices_of(alice), 1);
	assert_int_equal(used("devices"), 1);
	assert_int_equal(used("bindings"), 2);
	w.commit_us = 1000;
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, SECOND);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
	assert_int_equal(world_count(&w.d[1], MPP_EV_PUBLICATION), 1);
}

/* Before the confirmation there is nothing but a handshake, of which the
 * account has a bounded number. */
static void test_unconfirmed(void **state)
{
	unsigned i;

	(void)state;
	world_account(&w, alice);
	also = no_confirm;
	for (i = 0; i < 70; i++) {
		world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
		give(0, MESH);
		world_connect(&w, 0);
		world_run(&w, 100000);
	}
	assert_int_equal(count()->tickets, 70);
	assert_int_equal(used("half_open"), 64);
	assert_int_equal(devices_of(alice), 0);
	world_run(&w, 11 * SECOND);
	assert_int_equal(count()->enrolled, 0);
	/* The account can go while they wait. */
	assert_int_equal(mpp_service_account_remove(w.s, bytes_of(alice), 3,
						    world_now(&w).wall),
			 MPP_OK);
	assert_int_equal(world_result(&w, 3).err, MPP_OK);
	assert_int_equal(used("half_open"), 0);
}

static void remove_device(int i)
{
	char text[MPP_UDF_TEXT_MAX];
	mpp_token_claims k = claims_for(&w.d[i], text);

	assert_int_equal(mpp_service_device_remove(w.s, k.account, k.device, 3,
						   world_now(&w).wall),
			 MPP_OK);
	assert_int_equal(world_result(&w, 3).err, MPP_OK);
	world_run(&w, SECOND);
}

static void keep(const struct world_device *d, struct world_device *copy)
{
	memcpy(copy->token, d->token, sizeof(copy->token));
	memcpy(copy->token_secret, d->token_secret, 32);
	copy->token_len = d->token_len;
}

/* What was minted before a removal enrols nobody, neither the removed device
 * nor another one of the account. */
static void test_removed(void **state)
{
	static struct world_device old[2];

	(void)state;
	world_account(&w, alice);
	world_device(&w, 1, alice, MPP_MODE_SUBSCRIBE);
	give(1, MESH);
	keep(&w.d[1], &old[1]);
	newcomer(0, alice, MESH);
	expect_in(0);
	give(0, MESH);
	keep(&w.d[0], &old[0]);
	remove_device(0);
	assert_int_equal(devices_of(alice), 0);
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	keep(&old[1], &w.d[1]);
	world_connect(&w, 1);
	expect_refused(1, 403);
	restart();
	world_connect(&w, 1);
	keep(&old[1], &w.d[1]);
	world_connect(&w, 1);
	expect_refused(1, 403);
	/* What is minted a minute later is good. */
	w.epoch += 60 * SECOND;
	give(1, MESH);
	world_connect(&w, 1);
	forget();
	expect_in(1);
	assert_int_equal(devices_of(alice), 1);
}

/* A token from before its removal does not live again with the device that is
 * enrolled anew by a later one. */
static void test_enrolled_again(void **state)
{
	static struct world_device old;
	char text[MPP_UDF_TEXT_MAX];
	struct world_device *d;
	mpp_token_claims k;

	(void)state;
	world_account(&w, alice);
	d = newcomer(0, alice, MESH);
	expect_in(0);
	k = claims_for(d, text);
	k.expires_ms = k.issued_ms + 3600000;
	mint(d, &w.minters[MESH].key, &k);
	keep(d, &old);
	remove_device(0);
	w.epoch += 100 * SECOND;
	give(0, MESH);
	come_back(0);
	expect_flow(1, 0, 0);
	keep(&old, d);
	come_back(0);
	assert_int_equal(seen[1][RUD_INIT_TICKET], 1);
	expect_error(410);
}

/* Nor does it let anybody into an account of the same name. */
static void test_account_again(void **state)
{
	(void)state;
	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	give(0, MESH);
	assert_int_equal(mpp_service_account_remove(w.s, bytes_of(alice), 3,
						    world_now(&w).wall),
			 MPP_OK);
	assert_int_equal(world_result(&w, 3).err, MPP_OK);
	restart();
	world_account(&w, alice);
	world_connect(&w, 0);
	expect_refused(0, 403);
	w.epoch += 60 * SECOND;
	newcomer(1, alice, MESH);
	expect_in(1);
}

/* ---- revoking a key ---- */

static void revoke(unsigned number)
{
	assert_int_equal(mpp_service_minter_revoke(w.s,
						   w.minters[number].key.id, 4,
						   world_now(&w).wall),
			 MPP_OK);
	assert_int_equal(world_result(&w, 4).err, MPP_OK);
}

/* All connections of its tokens end within a round trip; those of another key
 * and those by device key stay. */
static void test_revoked_live(void **state)
{
	uint64_t start;
	int i;

	(void)state;
	enrolled(0, alice);
	enrolled(1, bob);
	world_device(&w, 2, alice, MPP_MODE_SUBSCRIBE);
	give(0, MESH);
	come_back(0);
	give(1, OTHER);
	come_back(1);
	give(2, MESH);
	come_back(2);
	enrolled(3, "carol@example.com");
	start = w.now;
	revoke(MESH);
	world_run(&w, w.delay_us + 1000);
	for (i = 0; i < 4; i++)
		assert_int_equal(world_count(&w.d[i], MPP_EV_CLOSED),
				 i == 0 || i == 2);
	assert_int_equal(world_last(&w.d[0], MPP_EV_CLOSED)->status, 401);
	assert_in_range(world_last(&w.d[0], MPP_EV_CLOSED)->at - start, 0,
			w.delay_us + 2 * w.commit_us);
	/* Both go on by their keys. */
	world_run(&w, 3 * SECOND);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 3);
	assert_int_equal(world_count(&w.d[2], MPP_EV_CONNECTED), 2);
	assert_int_equal(used("bindings"), 4);
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, SECOND);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
	assert_int_equal(world_count(&w.d[2], MPP_EV_PUBLICATION), 1);
}

static void test_revoked_tokens(void **state)
{
	static struct world_device old;
	struct world_device *d = enrolled(0, alice);

	(void)state;
	give(0, MESH);
	keep(d, &old);
	revoke(MESH);
	come_back(0);
	expect_flow(1, 1, 1);
	expect_error(410);
	/* Durable, and not those of the other key. */
	restart();
	keep(&old, d);
	come_back(0);
	expect_flow(1, 1, 1);
	expect_error(410);
	give(0, OTHER);
	come_back(0);
	expect_flow(1, 0, 0);
	/* Its clock may be ahead by a minute; then they are good again. */
	w.epoch += 30 * SECOND;
	give(0, MESH);
	come_back(0);
	expect_flow(1, 1, 1);
	w.epoch += 30 * SECOND;
	give(0, MESH);
	come_back(0);
	expect_flow(1, 0, 0);
}

/* The mark rests while the key is not configured. */
static void test_mark_rests(void **state)
{
	static struct world_device old;
	struct world_device *d = enrolled(0, alice);

	(void)state;
	give(0, OTHER);
	keep(d, &old);
	d->token_len = 0;
	revoke(OTHER);
	w.n_minters = 1;
	restart();
	world_publish(&w, alice, "mmm_Inbound", 1);
	w.n_minters = 2;
	restart();
	keep(&old, d);
	come_back(0);
	expect_flow(1, 1, 1);
	expect_error(410);
}

/* A renewed token dies with the key, too; and the one that is given after the
 * mark lives. */
static void test_revoked_renewal(void **state)
{
	static struct world_device old;
	struct world_device *d = enrolled(0, alice);
	char text[MPP_UDF_TEXT_MAX];
	mpp_token_claims k = claims_for(d, text);

	(void)state;
	k.proven_ms = k.issued_ms;
	mint(d, &w.minters[MESH].key, &k);
	come_back(0);
	assert_true(d->token_len != 0);
	keep(d, &old);
	w.epoch += 61 * SECOND;
	revoke(MESH);
	world_run(&w, 3 * SECOND);
	keep(&old, d);
	come_back(0);
	expect_flow(1, 1, 1);
	expect_error(410);
	/* A minter whose clock is ahead: given before its minute is over. */
	k = claims_for(d, text);
	k.issued_ms += 58000;
	k.expires_ms += 58000;
	k.proven_ms = k.issued_ms;
	mint(d, &w.minters[MESH].key, &k);
	come_back(0);
	expect_flow(1, 0, 0);
	come_back(0);
	expect_flow(1, 0, 0);
}

/* Handshakes end at once, those that would enrol a device among them. */
static void test_revoked_unconfirmed(void **state)
{
	struct world_device *d = enrolled(0, alice);

	(void)state;
	give(0, MESH);
	also = no_confirm;
	world_connect(&w, 0);
	world_device(&w, 1, alice, MPP_MODE_SUBSCRIBE);
	give(1, MESH);
	world_connect(&w, 1);
	world_device(&w, 2, alice, MPP_MODE_SUBSCRIBE);
	give(2, OTHER);
	world_connect(&w, 2);
	world_run(&w, SECOND / 10);
	assert_int_equal(count()->tickets, 3);
	assert_int_equal(used("half_open"), 3);
	w.store_stalls = true;
	assert_int_equal(mpp_service_minter_revoke(w.s, w.minters[MESH].key.id,
						   4, world_now(&w).wall),
			 MPP_OK);
	assert_int_equal(used("half_open"), 1);
	/* That of the other key may still confirm. */
	forget();
	w.store_stalls = false;
	assert_int_equal(world_result(&w, 4).err, MPP_OK);
	world_run(&w, 30 * SECOND);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 2);
	assert_int_equal(world_count(&w.d[1], MPP_EV_CONNECTED), 0);
	assert_int_equal(world_count(&w.d[2], MPP_EV_CONNECTED), 1);
	assert_int_equal(devices_of(alice), 2);
}

/* An enrolment that waited for the disk before the key was revoked: the device
 * is there, its connection by the token is not. */
static void test_revoked_enrolling(void **state)
{
	struct world_device *d;

	(void)state;
	world_account(&w, alice);
	w.commit_us = 40000;
	d = newcomer(0, alice, MESH);
	world_run(&w, 90000);
	assert_int_equal(used("half_open"), 1);
	assert_int_equal(devices_of(alice), 0);
	revoke(MESH);
	assert_int_equal(devices_of(alice), 1);
	world_run(&w, 30 * SECOND);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 1);
	assert_int_equal(count()->tickets, 1);
	assert_true(seen[1][RUD_INIT_EXCHANGE] + seen[1][RUD_INIT_HELLO] > 0);
}

/* The account's mark, and the minute, hold for a minter's tokens, too. */
static void test_revoked_account(void **state)
{
	struct world_device *d = enrolled(0, alice);

	(void)state;
	give(0, MESH);
	assert_int_equal(mpp_service_token_revoke(w.s, bytes_of(alice),
						  (mpp_bytes){NULL, 0}, 4,
						  world_now(&w).wall),
			 MPP_OK);
	assert_int_equal(world_result(&w, 4).err, MPP_OK);
	come_back(0);
	expect_flow(1, 1, 1);
	expect_error(410);
	w.epoch += 60 * SECOND;
	give(0, MESH);
	come_back(0);
	expect_flow(1, 0, 0);
	assert_true(world_count(d, MPP_EV_CLOSED) == 0);
}

static void test_revoke_errors(void **state)
{
	static const uint8_t unknown[4] = {9, 9, 9, 9};

	(void)state;
	enrolled(0, alice);
	assert_int_equal(mpp_service_minter_revoke(w.s, unknown, 4,
						   world_now(&w).wall),
			 MPP_ERR_NOTFOUND);
	give(0, MESH);
	come_back(0);
	expect_flow(1, 0, 0);
	/* The store fails: the connections stay. */
	w.commit_result = MPP_ERR_STORE;
	assert_int_equal(mpp_service_minter_revoke(w.s, w.minters[MESH].key.id,
						   4, world_now(&w).wall),
			 MPP_OK);
	assert_int_equal(world_result(&w, 4).err, MPP_ERR_STORE);
	world_run(&w, SECOND);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CLOSED), 0);
}

/* The service's own tokens have a key, too. */
static void test_revoke_own(void **state)
{
	struct world_device *d = enrolled(0, alice);

	(void)state;
	assert_true(d->token_len != 0);
	come_back(0);
	expect_flow(1, 0, 0);
	assert_int_equal(mpp_service_minter_revoke(w.s, w.secrets.token.id, 4,
						   world_now(&w).wall),
			 MPP_OK);
	assert_int_equal(world_result(&w, 4).err, MPP_OK);
	world_run(&w, 3 * SECOND);
	assert_int_equal(world_count(d, MPP_EV_CLOSED), 1);
	assert_int_equal(world_count(d, MPP_EV_CONNECTED), 3);
	/* What it has got since then is good. */
	assert_true(d->token_len != 0);
	come_back(0);
	expect_flow(1, 0, 0);
}

/* ---- the operator mints ---- */

static mpp_err ask(const struct world_device *d, mpp_token_claims *wish,
		   struct world_device *to)
{
	mpp_buf token = {to->token, sizeof(to->token), 0};
	mpp_err err;

	(void)d;
	err = mpp_service_token_mint(w.s, wish, world_now(&w).wall, &token,
				     to->token_secret);
	if (err == MPP_OK)
		to->token_len = token.len;
	return err;
}

static void test_operator_mints(void **state)
{
	char text[MPP_UDF_TEXT_MAX];
	mpp_token_claims k;
	struct world_device *d;
	mpp_token t;

	(void)state;
	world_account(&w, alice);
	d = world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	k = claims_for(d, text);
	k.rights = MPP_RIGHT_SUBSCRIBE | MPP_RIGHT_PUBLISH;
	assert_int_equal(ask(d, &k, d), MPP_OK);
	open_saved(d, &w.secrets.token, &t);
	assert_int_equal(t.claims.proven_ms, 0);
	assert_int_equal(t.claims.issued_ms, wall_ms());
	world_connect(&w, 0);
	expect_in(0);
	assert_int_equal(publish_status(0, 1), 0);
	/* Good at once after a removal, too. */
	remove_device(0);
	k = claims_for(d, text);
	assert_int_equal(ask(d, &k, d), MPP_OK);
	come_back(0);
	expect_flow(1, 0, 0);
}

static void test_operator_errors(void **state)
{
	char text[MPP_UDF_TEXT_MAX];
	mpp_token_claims good, k;
	struct world_device *d;

	(void)state;
	world_account(&w, alice);
	d = world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	good = claims_for(d, text);
	k = good;
	k.account = bytes_of(bob);
	assert_int_equal(ask(d, &k, d), MPP_ERR_NOTFOUND);
	k = good;
	k.rights = 0;
	assert_int_equal(ask(d, &k, d), MPP_ERR_INVALID);
	k.rights = 8;
	assert_int_equal(ask(d, &k, d), MPP_ERR_INVALID);
	k = good;
	k.device.len = 20;
	assert_int_equal(ask(d, &k, d), MPP_ERR_INVALID);
	k = good;
	k.expires_ms = wall_ms();
	assert_int_equal(ask(d, &k, d), MPP_ERR_INVALID);
	k.expires_ms = wall_ms() + UINT64_C(31536000001);
	assert_int_equal(ask(d, &k, d), MPP_ERR_INVALID);
	k.expires_ms = wall_ms() + UINT64_C(31536000000);
	assert_int_equal(ask(d, &k, d), MPP_OK);
	memset(&w.secrets.token, 0, sizeof(w.secrets.token));
	restart();
	assert_int_equal(ask(d, &good, d), MPP_ERR_UNSUPPORTED);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_scope),
		CASE(test_domains),
		CASE(test_which_key),
		CASE(test_no_own_key),
		CASE(test_add_errors),
		CASE(test_renewed_by_its_key),
		CASE(test_enrols),
		CASE(test_enrols_suite_448),
		CASE(test_enroll_mode),
		CASE(test_enroll_mode_unconfirmed),
		CASE(test_not_named),
		CASE(test_full_account),
		CASE(test_crowd),
		CASE(test_durable_first),
		CASE(test_one_key_twice),
		CASE(test_unconfirmed),
		CASE(test_removed),
		CASE(test_enrolled_again),
		CASE(test_account_again),
		CASE(test_revoked_live),
		CASE(test_revoked_tokens),
		CASE(test_mark_rests),
		CASE(test_revoked_renewal),
		CASE(test_revoked_unconfirmed),
		CASE(test_revoked_enrolling),
		CASE(test_revoked_account),
		CASE(test_revoke_errors),
		CASE(test_revoke_own),
		CASE(test_operator_mints),
		CASE(test_operator_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
