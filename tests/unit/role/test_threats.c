/* SPDX-License-Identifier: MIT */
/* What attackers with a certain power cannot do: one named test for each
 * threat of docs/security.md that has none elsewhere. */
#include "world.h"

#include "presence/device.h"
#include "role/service.h"
#include "rud/connect.h"
#include "rud/packet.h"
#include "spy.h"

static const char alice[] = "alice@example.com";
static const mpp_addr stranger = {{203, 0, 113, 9}, 40000, 4, 0};

static struct world w;

/* What flew, oldest first. */
static struct flying record[4096];
static size_t n_record;

static int note(struct world *world, const struct flying *f)
{
	(void)world;
	if (n_record < sizeof(record) / sizeof(record[0]))
		record[n_record++] = *f;
	return 0;
}

static int setup(void **state)
{
	(void)state;
	world_init(&w, 21);
	spy_begin(&w);
	n_record = 0;
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

static uint32_t used(const char *name)
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

/* Raw octets to the service; the number of answers. */
static size_t offer(const struct flying *f, const mpp_addr *from,
		    mpp_outbox *out)
{
	static mpp_datagram slots[4];
	static uint8_t copy[MPP_PACKET_MAX];

	memcpy(copy, f->data, f->len);
	*out = (mpp_outbox){slots, 4, 0};
	(void)mpp_service_receive(w.s, (mpp_buf){copy, sizeof(copy), f->len},
				  from, world_now(&w), out);
	return out->n;
}

static const struct flying *newest(bool to_service, uint8_t type)
{
	size_t i = n_record;

	while (i-- > 0) {
		if (record[i].to_service == to_service &&
		    record[i].data[16] == type &&
		    (!to_service || record[i].data[0] == 0))
			return &record[i];
	}
	fail_msg("no datagram of type %u", type);
	return NULL;
}

/* In these worlds only a data packet to the service begins otherwise than with
 * zeros, and what is no data packet to a device has its type and version. */
static bool is_data(const struct flying *f)
{
	return f->to_service
		       ? f->data[0] != 0
		       : f->data[17] != 1 || f->data[16] > RUD_RESP_COMPLETE;
}

static void again(int i)
{
	w.d[i].config.have_invitation = false;
	w.d[i].n_told = 0;
	world_connect(&w, i);
	world_run(&w, 5000000);
}

/* ---- the service's private key is stolen ---- */

/* Device 1 is the thief: the true client, with a private key for which the
 * service's stands in wherever that suffices. */
static void become_thief(void)
{
	world_device(&w, 1, alice, MPP_MODE_SUBSCRIBE);
	w.d[1].have_key = true;
	memcpy(w.d[1].key, w.d[0].key, MPP_DH_MAX);
	memcpy(w.d[1].config.instance, w.d[0].config.instance,
	       MPP_INSTANCE_LEN);
	memcpy(spy.stand_in, w.d[1].config.device_secret, SPY_KEY);
	memcpy(spy.stolen, w.secrets.x25519, SPY_KEY);
	memcpy(spy.service, w.d[0].key, SPY_KEY);
	assert_int_equal(spy_dh_public(w.crypto.ctx, MPP_SUITE_25519,
				       w.d[0].config.device_secret, spy.victim),
			 MPP_OK);
	spy.thief = true;
}

static uint64_t years(unsigned n)
{
	return n * UINT64_C(365) * 86400 * 1000;
}

/* With it a first message in the name of any device opens. It takes effect
 * nowhere: what follows needs the device's own key. */
static void test_stolen_service_key(void **state)
{
	uint64_t serial, opened;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	become_thief();
	opened = count()->handshakes;
	world_connect(&w, 1);
	world_run(&w, 8000000);
	assert_true(count()->handshakes > opened);
	assert_true(used("half_open") > 0);
	assert_int_equal(count()->confirmed, 1);
	assert_int_equal(w.d[1].n_told, 0);
	serial = world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 2000000);
	assert_int_equal(world_last(&w.d[0], MPP_EV_PUBLICATION)->serial,
			 serial);
	assert_int_equal(world_count(&w.d[1], MPP_EV_PUBLICATION), 0);
	/* The control: with the device's key the same client comes in. */
	spy.thief = false;
	memcpy(w.d[1].config.device_secret, w.d[0].config.device_secret,
	       MPP_DH_MAX);
	again(1);
	assert_int_equal(world_count(&w.d[1], MPP_EV_CONNECTED), 1);
}

/* Timestamps far ahead of every clock, unconfirmed, lock nobody out. */
static void test_preplayed_timestamps(void **state)
{
	unsigned i;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	become_thief();
	for (i = 0; i < 4; i++) {
		w.d[1].saved_ms = w.epoch / 1000 + years(i + 1);
		world_connect(&w, 1);
		world_run(&w, 1500000);
	}
	assert_true(used("half_open") > 0);
	free(w.d[1].c);
	w.d[1].c = NULL;
	n_record = 0;
	w.drop = note;
	again(0); /* while they are there */
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 1);
	assert_true(w.d[0].saved_ms < w.epoch / 1000 + years(1));
	(void)newest(true, RUD_INIT_EXCHANGE);
	world_run(&w, 20000000);
	again(0); /* and when they have gone */
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 1);
	assert_true(w.d[0].saved_ms < w.epoch / 1000 + years(1));
	/* The control: a confirmed one that is as far ahead counts. */
	w.d[0].saved_ms = w.epoch / 1000 + years(5);
	again(0);
	w.d[0].saved_ms = 0;
	again(0);
	assert_true(w.d[0].saved_ms > w.epoch / 1000 + years(5));
}

/* ---- somebody on the path ---- */

static bool downgrade;

/* The Challenge's Suites become those of the weaker kind. */
static int cut_suites(struct world *world, const struct flying *f)
{
	struct flying *on_its_way = &world->fly[world->n_fly - 1];
	uint8_t *p = on_its_way->data;
	const size_t at = 16 + 3; /* reply id, type, version, suite */

	assert_ptr_equal(on_its_way, f);
	if (f->to_service || p[16] != RUD_RESP_CHALLENGE)
		return 0;
	assert_int_equal(p[at], 128 + EXT_SUITES);
	assert_int_equal(p[at + 1], 2);
	if (downgrade)
		p[at + 3] = p[at + 2]; /* 1, 2 becomes 1, 1 */
	return 0;
}

static void test_downgrade(void **state)
{
	(void)state;
	downgrade = true;
	w.drop = cut_suites;
	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE);
	world_connect(&w, 0);
	world_run(&w, 8000000);
	assert_true(count()->handshakes > 0);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 0);
	assert_false(w.d[0].have_key);
	/* The control: a Challenge as it was sent. */
	downgrade = false;
	world_connect(&w, 0);
	world_run(&w, 8000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 1);
}

/* All content is sealed; headers do not repeat; what says little has one size;
 * a new connection has nothing of the one before. */
static size_t flown(const char *word, bool data)
{
	size_t i, n = 0;

	for (i = 0; i < n_record; i++) {
		if (!data || is_data(&record[i]))
			n += spy_find((mpp_bytes){record[i].data,
						  record[i].len},
				      (const uint8_t *)word, strlen(word));
	}
	return n;
}

static unsigned repeated(size_t at, size_t from)
{
	unsigned n = 0;
	size_t i, k;

	for (i = from; i < n_record; i++) {
		for (k = 0; k < from; k++)
			n += memcmp(record[i].data + at, record[k].data + at,
				    16) == 0;
	}
	return n;
}

static void test_observer(void **state)
{
	size_t i, k, n = 0, same = 0, before;

	(void)state;
	memcpy(spy.word, "mmm_Secret", 10);
	spy.word_len = 10;
	w.drop = note;
	world_subscribed(&w, alice, 0, 1);
	for (i = 1; i <= 20; i++) {
		world_publish(&w, alice, "mmm_Secret", i);
		world_run(&w, 20000000);
	}
	assert_true(spy.words > 0); /* the control: it was in the plaintext */
	assert_int_equal(flown("mmm_Secret", false), 0);
	assert_int_equal(flown("alice", false), 0);
	for (i = 0; i < n_record; i++) {
		if (!is_data(&record[i]))
			continue;
		n++;
		for (k = 0; k < i; k++)
			same += is_data(&record[k]) &&
				memcmp(record[i].data + 16, record[k].data + 16,
				       16) == 0;
	}
	assert_true(n > 60);
	assert_int_equal(same, 0);
	/* Another connection: neither identifier nor header comes again. */
	world_run(&w, 5000000);
	before = n_record;
	again(0);
	for (i = k = before; i < n_record; i++) {
		/* Only data packets and answers have identifiers in front. */
		if (record[i].data[0] != 0)
			record[k++] = record[i];
	}
	n_record = k;
	assert_true(n_record > before + 2);
	assert_int_equal(repeated(0, before), 0);
	assert_int_equal(repeated(16, before), 0);
}

/* Who does not see the packets but knows the identifier, or sees them and
 * cannot stop them: nothing that is forged spoils what is genuine. */
static void test_forged_packets_spoil_nothing(void **state)
{
	struct flying genuine, forged;
	uint64_t dropped;
	mpp_outbox out;
	size_t i, k;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	w.service_down = true;
	w.drop = note;
	n_record = 0;
	world_run(&w, 45000000); /* a heartbeat that does not arrive */
	w.service_down = false;
	assert_true(n_record > 0 && is_data(&record[0]));
	genuine = record[0];
	dropped = count()->drop_auth + count()->drop_header;
	for (i = 0; i < 2000; i++) {
		forged = genuine;
		for (k = i % 2 == 0 ? 16 : 32; k < forged.len; k++)
			forged.data[k] = (uint8_t)world_random(&w);
		assert_int_equal(offer(&forged, &genuine.from, &out), 0);
	}
	assert_int_equal(count()->drop_auth + count()->drop_header,
			 dropped + 2000);
	assert_int_equal(count()->drop_replay, 0);
	assert_int_equal(offer(&genuine, &genuine.from, &out), 1);
}

/* No key seals two things under one nonce: through losses, repetitions, moves
 * and restarts of both sides. */
static void test_no_nonce_twice(void **state)
{
	unsigned i;

	(void)state;
	w.loss_pct = 20;
	w.dup_pct = 10;
	world_account(&w, alice);
	for (i = 0; i < 3; i++) {
		world_device(&w, (int)i, alice, MPP_MODE_SUBSCRIBE);
		world_invite(&w, (int)i, alice, MPP_RIGHT_SUBSCRIBE);
		world_connect(&w, (int)i);
	}
	for (i = 1; i <= 60; i++) {
		world_publish(&w, alice, "mmm_Inbound", i);
		world_run(&w, 3000000);
		if (i % 20 == 0) {
			world_stop_service(&w);
			world_start_service(&w);
		}
		if (i % 15 == 0)
			world_connect(&w, (int)(i / 15 % 3));
		w.d[i % 3].addr.port++;
	}
	assert_true(spy.n_seals > 500);
	assert_true(w.lost > 50 && w.duplicated > 20);
	assert_int_equal(spy.twice, 0);
	/* The control: one that was used is noticed. */
	spy_note(spy.seals[7].key, spy.seals[7].nonce);
	assert_int_equal(spy.twice, 1);
}

/* ---- the disk is stolen ---- */

struct search {
	const uint8_t *what;
	size_t len, found, records;
};

static mpp_err search(void *arg, mpp_bytes key, mpp_bytes value)
{
	struct search *s = arg;

	s->records++;
	s->found += spy_find(key, s->what, s->len) +
		    spy_find(value, s->what, s->len);
	return MPP_OK;
}

static size_t stored(const void *what, size_t len)
{
	struct search s = {what, len, 0, 0};
	struct store_error e;

	assert_int_equal(w.store->ops->load(w.store, search, &s, &e), MPP_OK);
	assert_true(s.records > 0);
	return s.found;
}

static void look_for_keys(const struct binding *b)
{
	assert_true(b->state == BINDING_CONNECTED);
	assert_int_equal(stored(b->rx.key, 32) + stored(b->tx.key, 32), 0);
	assert_int_equal(stored(b->rx.hdr, 16) + stored(b->tx.hdr, 16), 0);
	assert_int_equal(stored(b->client_id, 16), 0);
}

/* The database holds public keys and hashes: no key of a connection, of a
 * device, of the service or of a token, and no invitation. */
static void test_stolen_database(void **state)
{
	uint8_t pub[MPP_DH_MAX];
	const struct world_device *d = &w.d[0];

	(void)state;
	world_subscribed(&w, alice, 0, 2);
	world_invite(&w, 1, alice, MPP_RIGHT_SUBSCRIBE); /* still open */
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 30000000);
	look_for_keys(binding_at(&w.s->state, 0));
	look_for_keys(binding_at(&w.s->state, 1));
	assert_int_equal(stored(d->config.device_secret, 32), 0);
	assert_int_equal(stored(w.secrets.x25519, 32), 0);
	assert_int_equal(stored(w.secrets.x448, 56), 0);
	assert_int_equal(stored(w.secrets.sid_key, 16), 0);
	assert_int_equal(stored(w.secrets.reset_key, 16), 0);
	assert_int_equal(stored(d->config.invitation, MPP_INVITATION_LEN), 0);
	assert_int_equal(stored(w.d[1].config.invitation, MPP_INVITATION_LEN),
			 0);
	/* The control: what is to be there is found. */
	assert_int_equal(w.crypto.ops->dh_public(w.crypto.ctx, MPP_SUITE_25519,
						 d->config.device_secret, pub),
			 MPP_OK);
	assert_true(stored(pub, 32) > 0);
	assert_true(stored(alice, sizeof(alice) - 1) > 0);
}

/* ---- a stolen device ---- */

/* A copy of the key with an installation of its own: both live, neither
 * displaces the other, and removing the device ends both at once. */
static void test_copied_device(void **state)
{
	mpp_account_info a;
	mpp_device_info d;
	uint32_t cursor = 0;
	char id[MPP_UDF_TEXT_MAX];

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	world_device(&w, 1, alice, MPP_MODE_SUBSCRIBE);
	memcpy(w.d[1].config.device_secret, w.d[0].config.device_secret,
	       MPP_DH_MAX);
	world_connect(&w, 1);
	world_run(&w, 5000000);
	assert_int_equal(world_count(&w.d[1], MPP_EV_CONNECTED), 1);
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 2000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
	assert_int_equal(world_count(&w.d[1], MPP_EV_PUBLICATION), 1);
	/* Both are seen as one device with two connections. */
	assert_true(mpp_service_account_find(w.s, bytes_of(alice), &a));
	assert_true(mpp_service_device_next(w.s, &a, &cursor, &d));
	assert_false(mpp_service_device_next(w.s, &a, &cursor, &d));
	assert_int_equal(used("bindings"), 2);
	assert_true(mpp_udf_text(d.udf, MPP_UDF_BITS, id) > 0);
	assert_int_equal(mpp_service_device_remove(w.s, bytes_of(alice),
						   bytes_of(id), 5,
						   world_now(&w).wall),
			 MPP_OK);
	assert_int_equal(world_result(&w, 5).err, MPP_OK);
	world_run(&w, 100000);
	assert_int_equal(world_last(&w.d[0], MPP_EV_CLOSED)->status, 403);
	assert_int_equal(world_last(&w.d[1], MPP_EV_CLOSED)->status, 403);
}

/* ---- strangers ---- */

/* What the service does for one Complete with a good Challenge response. */
static struct spy_work cost(int i, const char *account, size_t *len)
{
	struct spy_work before;
	const struct flying *f;
	struct spy_work done;
	mpp_outbox out;

	w.d[i].config.account = bytes_of(account);
	w.d[i].n_told = 0;
	w.drop = note;
	n_record = 0;
	world_connect(&w, i);
	world_run(&w, 5000000);
	assert_int_equal(world_last(&w.d[i], MPP_EV_REFUSED)->status, 403);
	f = newest(true, RUD_INIT_COMPLETE);
	before = spy.work;
	assert_int_equal(offer(f, &f->from, &out), 1);
	assert_int_equal(out.slots[0].data[16], RUD_RESP_COMPLETE);
	*len = out.slots[0].len;
	done = spy.work;
	done.random -= before.random;
	done.sha512 -= before.sha512;
	done.hmac -= before.hmac;
	done.dh -= before.dh;
	done.seal -= before.seal;
	done.open -= before.open;
	done.aes -= before.aes;
	return done;
}

/* Whether an account exists costs the same work, and the same octets. */
static void test_enumeration(void **state)
{
	static const char *const names[] = {alice, "bob", "nobody@example.org",
					    "x"};
	struct spy_work first, other;
	size_t len, len_other;
	unsigned i;

	(void)state;
	world_account(&w, alice);
	world_account(&w, "bob");
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	first = cost(0, alice, &len);
	assert_true(first.dh > 0 && first.open > 0 && first.sha512 > 0);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
		other = cost(0, names[i], &len_other);
		assert_memory_equal(&first, &other, sizeof(first));
		assert_int_equal(len, len_other);
	}
	/* The control: a key that is known costs something else. */
	w.d[0].config.account = bytes_of(alice);
	world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE);
	world_connect(&w, 0);
	w.drop = note;
	n_record = 0;
	world_run(&w, 5000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 1);
	assert_true(newest(false, RUD_RESP_COMPLETE)->len != len);
}

/* A flood that bears the owner's address, of every kind that a forger can
 * make, and genuine datagrams again and again: the owner still comes in. */
static void test_forged_source_locks_nobody_out(void **state)
{
	static struct flying old[32];
	struct flying bent;
	size_t n = 0, i;
	mpp_outbox out;
	uint64_t before;

	(void)state;
	w.drop = note;
	world_subscribed(&w, alice, 0, 1);
	for (i = 0; i < n_record && n < 32; i++) {
		if (record[i].to_service)
			old[n++] = record[i];
	}
	assert_true(n >= 3);
	before = count()->received;
	for (i = 0; i < 5000; i++) {
		bent = old[i % n];
		if (i % 3 == 1) /* padding, or a tag */
			bent.data[bent.len - 1 - i % 16] ^= 0x20;
		if (i % 3 == 2) /* the Noise message, or a tag */
			bent.data[bent.len < 300 ? bent.len - 2 : 150] ^= 0x20;
		(void)offer(&bent, &w.d[0].addr, &out);
		w.now += 200;
	}
	assert_int_equal(count()->received, before + 5000);
	assert_true(count()->drop_auth > 200 && count()->drop_padding > 200 &&
		    count()->drop_replay > 200);
	n_record = 0;
	w.d[0].n_told = 0;
	w.d[0].config.have_invitation = false;
	world_connect(&w, 0);
	world_run(&w, 200000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 1);
}

/* First messages of an enrolled device that nobody confirms, as many as come:
 * two of an instance and eight of a device at a time, and none in the end. */
static void test_half_open_does_not_leak(void **state)
{
	mpp_outbox out;
	unsigned i, most = 0;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	w.d[0].config.have_invitation = false;
	w.drop = note;
	for (i = 0; i < 400; i++) {
		w.d[0].config.instance[1] = (uint8_t)(i % 40);
		w.service_down = true;
		n_record = 0;
		world_connect(&w, 0);
		world_run(&w, 1000);
		w.service_down = false;
		assert_int_equal(offer(newest(true, RUD_INIT_EXCHANGE),
				       &stranger, &out),
				 1);
		most = used("half_open") > most ? used("half_open") : most;
	}
	free(w.d[0].c);
	w.d[0].c = NULL;
	assert_true(most > 2 && most <= HALVES_PER_DEVICE);
	w.n_fly = 0;
	world_run(&w, 11000000);
	assert_int_equal(used("half_open"), 0);
	assert_int_equal(used("bindings"), 1); /* the subscription's */
	assert_int_equal(count()->confirmed, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_stolen_service_key),
		CASE(test_preplayed_timestamps),
		CASE(test_downgrade),
		CASE(test_observer),
		CASE(test_forged_packets_spoil_nothing),
		CASE(test_no_nonce_twice),
		CASE(test_stolen_database),
		CASE(test_copied_device),
		CASE(test_enumeration),
		CASE(test_forged_source_locks_nobody_out),
		CASE(test_half_open_does_not_leak),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
