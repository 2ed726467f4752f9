/* SPDX-License-Identifier: MIT */
/* Stream identifiers of a running connection: a device that says that it has
 * moved comes along without a handshake, and nobody who watches both networks
 * can join them; and what an unlinkable one does. */
#include "world.h"

#include "presence/message.h"
#include "role/client.h"
#include "role/service.h"

static const char alice[] = "alice@example.com";
static const mpp_addr stranger = {{192, 0, 2, 1}, 7, 4, 0};

static struct world w;

/* ---- who watches every network ---- */

enum { SEEN = 1 << 17, GHOST = WORLD_DEVICES - 1 };

static struct seen {
	uint8_t id[16];
	mpp_addr at; /* family 0: free */
	bool to_service;
} seen[SEEN];
static unsigned n_seen, joined, repeated, handshakes_seen;
static size_t first_len, last_len;         /* to the service, here */
static bool lose_refills;                  /* no identifiers arrive */
static int (*also)(const struct flying *); /* or NULL */

static bool same(const mpp_addr *a, const mpp_addr *b)
{
	return a->port == b->port && a->family == b->family &&
	       memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

/* The place of an identifier; a new one is noted. */
static struct seen *note(const uint8_t *id, const mpp_addr *at, bool *known)
{
	uint32_t h;
	struct seen *e;

	memcpy(&h, id, sizeof(h));
	for (;; h++) {
		e = &seen[h % SEEN];
		*known = e->at.family != 0;
		if (!*known || memcmp(e->id, id, 16) == 0)
			break;
	}
	if (*known)
		return e;
	assert_true(++n_seen < SEEN / 2);
	memcpy(e->id, id, 16);
	e->at = *at;
	return e;
}

static int watch(struct world *world, const struct flying *f)
{
	static const uint8_t zero[16];
	const uint8_t *id = f->data;
	struct seen *e;
	bool known;

	(void)world;
	if (f->to_service && memcmp(f->data, zero, 16) == 0) {
		id = f->data + 20; /* the reply id */
		handshakes_seen++;
	}
	e = note(id, &f->from, &known);
	joined += known && !same(&e->at, &f->from);
	if (f->to_service && id == f->data) {
		repeated += known;
		first_len = first_len == 0 ? f->len : first_len;
		last_len = f->len;
	}
	return also != NULL && also(f);
}

static int setup(void **state)
{
	(void)state;
	world_init(&w, 11);
	w.drop = watch;
	memset(seen, 0, sizeof(seen));
	n_seen = joined = repeated = handshakes_seen = 0;
	lose_refills = false;
	also = NULL;
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
	fail();
	return 0;
}

static struct binding *binding(void)
{
	struct binding *b;
	uint32_t i;

	for (i = 0; i < w.s->state.bindings.fresh; i++) {
		b = binding_at(&w.s->state, i);
		if (b->state == BINDING_CONNECTED)
			return b;
	}
	fail();
	return NULL;
}

/* The device goes to another address; what is still sent to the old one is
 * seen there and lost. */
static void go(mpp_addr to)
{
	w.d[GHOST].addr = w.d[0].addr;
	w.d[0].addr = to;
	first_len = 0;
}

static mpp_addr address(unsigned n)
{
	return (mpp_addr){{10, 1, (uint8_t)(n >> 8), (uint8_t)n}, 40000, 4, 0};
}

/* It goes, and knows it. */
static void move_to(mpp_addr to)
{
	go(to);
	mpp_client_moved(w.d[0].c, world_now(&w));
	world_client(&w, 0);
}

/* ---- moves ---- */

/* One round trip and a half after the move the path is there; without a new
 * handshake and under identifiers that nobody has seen before. */
static void test_a_known_move(void **state)
{
	const uint64_t rtt = 40000;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	world_run(&w, 5000000);
	move_to(address(1));
	assert_int_equal(first_len, MPP_PACKET_SIZE);
	world_run(&w, rtt + rtt / 2 + 1000);
	assert_int_equal(count()->moved, 1);
	assert_true(same(&binding()->path, &w.d[0].addr));
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, rtt / 2 + 1000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
	world_run(&w, 300000000);
	assert_int_equal(count()->handshakes, 1);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 1);
	assert_int_equal(world_count(&w.d[0], MPP_EV_LOST), 0);
	assert_true(n_seen > 4);
	assert_int_equal(joined, 0);
}

/* The positive control of "joined": a device that does not know. */
static void test_an_unknown_move_is_seen(void **state)
{
	(void)state;
	world_subscribed(&w, alice, 0, 1);
	go(address(1));
	world_run(&w, 30000000);
	assert_int_equal(count()->moved, 1);
	assert_true(joined > 0);
}

/* Full-sized until something has come here, and no longer. */
static void test_padding(void **state)
{
	unsigned i;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	world_run(&w, 5000000);
	assert_true(last_len < 200);
	w.service_down = true;
	move_to(address(1));
	for (i = 0; i < 3; i++) {
		assert_int_equal(last_len, MPP_PACKET_SIZE);
		last_len = 0;
		world_run(&w, 1000000u << i); /* one PTO, two */
	}
	w.service_down = false;
	world_run(&w, 30000000);
	assert_int_equal(count()->moved, 1);
	assert_true(last_len < 200);
	assert_int_equal(count()->handshakes, 1);
}

/* A request that is under way goes at once, on the new path. */
static void test_a_request_under_way(void **state)
{
	uint32_t request;
	uint64_t before;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	world_run(&w, 5000000);
	assert_int_equal(mpp_client_status(w.d[0].c, world_now(&w), &request),
			 MPP_OK);
	w.service_down = true;
	world_run(&w, 1500000);
	w.service_down = false;
	w.n_fly = 0;
	before = w.now;
	move_to(address(1));
	world_run(&w, 2 * w.delay_us + 1000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_RESPONSE), 1);
	assert_int_equal(world_last(&w.d[0], MPP_EV_RESPONSE)->request,
			 request);
	assert_true(w.now - before < 50000);
	assert_int_equal(joined, 0);
}

static void test_rtt_is_forgotten(void **state)
{
	(void)state;
	world_subscribed(&w, alice, 0, 1);
	world_run(&w, 5000000);
	assert_true(link_cur(w.d[0].c)->rtt.smooth_us > 0);
	move_to(address(1));
	assert_int_equal(link_cur(w.d[0].c)->rtt.smooth_us, 0);
}

/* A challenge is answered in the network in which it came, or not at all. */
static struct flying challenge;

static int catch_challenge(const struct flying *f)
{
	enum { LEN = 112 };

	if (f->to_service || !lose_refills)
		return 0;
	if (f->len == LEN)
		challenge = *f;
	return 1;
}

static void test_a_challenge_of_the_old_network(void **state)
{
	struct link *l;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	w.d[0].c->keepalive.fixed_ms = 20000;
	world_run(&w, 5000000);
	also = catch_challenge;
	lose_refills = true;
	go(address(1));
	while (challenge.len == 0) /* of the next heartbeat */
		world_run(&w, 10000);
	assert_int_equal(w.d[0].c->state, CLIENT_CONNECTED);
	l = link_cur(w.d[0].c);
	assert_int_equal(mpp_client_receive(w.d[0].c,
					    (mpp_buf){challenge.data,
						      sizeof(challenge.data),
						      challenge.len},
					    world_now(&w)),
			 MPP_OK);
	assert_int_equal(l->n_challenges, 1);
	mpp_client_moved(w.d[0].c, world_now(&w));
	assert_true(l->on);
	assert_int_equal(l->n_challenges, 0);
}

static void test_v4_and_v6(void **state)
{
	const mpp_addr v6 = {{0x20, 1, 0xd, 0xb8, 1}, 41000, 6, 1};

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	world_run(&w, 5000000);
	move_to(v6);
	world_run(&w, 200000);
	assert_int_equal(count()->moved, 1);
	assert_true(same(&binding()->path, &v6));
	assert_int_equal(binding()->path.socket, 1);
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 200000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
	move_to(address(1));
	world_run(&w, 200000);
	assert_int_equal(count()->moved, 2);
	world_publish(&w, alice, "mmm_Inbound", 2);
	world_run(&w, 200000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 2);
	assert_int_equal(count()->handshakes, 1);
	assert_int_equal(joined, 0);
}

/* It was told of a change, and yet comes from the same address. */
static void test_the_same_address(void **state)
{
	(void)state;
	world_subscribed(&w, alice, 0, 1);
	world_run(&w, 5000000);
	mpp_client_moved(w.d[0].c, world_now(&w));
	world_run(&w, 200000);
	assert_int_equal(count()->moved, 0);
	assert_false(link_cur(w.d[0].c)->tell);
	assert_memory_equal(binding()->client_id,
			    link_cur(w.d[0].c)->client_ids[0], 16);
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 200000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
	assert_int_equal(count()->handshakes, 1);
}

/* Back where it was before the new path is proved. */
static void test_there_and_back(void **state)
{
	const mpp_addr home = {{10, 0, 0, 1}, 40000, 4, 0};

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	world_run(&w, 5000000);
	/* One identifier more than it begins with. */
	mpp_client_moved(w.d[0].c, world_now(&w));
	world_run(&w, 1000000);
	move_to(address(1));
	world_run(&w, 25000); /* its first packet has arrived */
	assert_int_equal(used("paths"), 1);
	move_to(home);
	world_run(&w, 1000000);
	assert_int_equal(used("paths"), 0);
	assert_int_equal(count()->moved, 0);
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 200000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
	assert_int_equal(count()->handshakes, 1);
	assert_int_equal(joined, 0);
}

/* ---- refills ---- */

static int drop_to_device(const struct flying *f)
{
	return lose_refills && !f->to_service;
}

/* Every answer gets lost from the moment when the new path was heard of: then
 * there is nothing to spare until the next heartbeat brings it. */
static void test_a_lost_refill_heals(void **state)
{
	struct link *l;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	world_run(&w, 5000000);
	also = drop_to_device;
	move_to(address(1));
	world_run(&w, 50000); /* the challenge has come */
	lose_refills = true;
	world_run(&w, 300000);
	l = link_cur(w.d[0].c);
	assert_int_equal(count()->moved, 1);
	assert_int_equal(l->n_stock, 0);
	assert_true(l->tell);
	lose_refills = false;
	world_run(&w, 30000000);
	assert_true(l->n_stock >= 1);
	assert_false(l->tell);
	assert_int_equal(count()->handshakes, 1);
	move_to(address(2));
	world_run(&w, 200000);
	assert_int_equal(count()->moved, 2);
	assert_int_equal(count()->handshakes, 1);
	assert_int_equal(joined, 0);
}

/* Identifiers go to a proved address only: so they prove it to the device. */
static void test_no_refill_before_the_proof(void **state)
{
	struct link *l;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	world_run(&w, 5000000);
	move_to(address(1));
	world_run(&w, 45000); /* challenge and answer have come */
	l = link_cur(w.d[0].c);
	assert_false(l->full);
	assert_int_equal(count()->moved, 0);
	assert_int_equal(l->n_stock, 0);
	assert_true(l->tell);
	world_run(&w, 100000);
	assert_int_equal(count()->moved, 1);
	assert_int_equal(l->n_stock, 2);
	assert_false(l->tell);
}

/* Two moves in a row without an answer: nothing is left for the second, and
 * the device connects anew rather than be recognised. */
static void test_nothing_to_spare(void **state)
{
	(void)state;
	world_subscribed(&w, alice, 0, 1);
	world_run(&w, 5000000);
	move_to(address(1));
	move_to(address(2));
	world_run(&w, 3000000);
	assert_int_equal(count()->handshakes, 2);
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 200000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
	assert_int_equal(world_count(&w.d[0], MPP_EV_LOST), 0);
	assert_int_equal(joined, 0);
}

/* Nobody answers in the new network. */
static void test_no_answer(void **state)
{
	(void)state;
	world_subscribed(&w, alice, 0, 1);
	world_run(&w, 5000000);
	also = drop_to_device;
	lose_refills = true;
	move_to(address(1));
	world_run(&w, 60000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_LOST), 1);
	lose_refills = false;
	world_run(&w, 30000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 2);
	assert_int_equal(joined, 0);
}

/* Ten thousand times, and nothing has grown. */
static void test_many_moves(void **state)
{
	mpp_pool_info before[16], p;
	unsigned i, n = 0;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	while (mpp_service_pool(w.s, n, &before[n]))
		n++;
	w.delay_us = 1000;
	world_run(&w, 1000000);
	for (i = 1; i <= 10000; i++) {
		move_to(address(i));
		world_run(&w, 10000);
		w.d[0].n_told = 0;
	}
	assert_int_equal(count()->moved, 10000);
	assert_int_equal(count()->handshakes, 1);
	for (i = 0; i < n; i++) {
		assert_true(mpp_service_pool(w.s, i, &p));
		assert_int_equal(p.used, before[i].used);
	}
	assert_true(link_cur(w.d[0].c)->n_stock <= STOCK);
	assert_true(n_seen > 20000);
	assert_int_equal(joined, 0);
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 100000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
}

/* With a fifth lost both ways; what is missed is made good, and no move is
 * recognised. */
static void test_moves_and_loss(void **state)
{
	unsigned i;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	w.loss_pct = 20;
	w.jitter_us = 15000;
	w.dup_pct = 5;
	for (i = 1; i <= 300; i++) {
		move_to(address(i));
		world_run(&w, 1 + world_random(&w) % 4000000);
		w.d[0].n_told = 0;
	}
	world_run(&w, 60000000);
	w.d[0].n_told = 0;
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 30000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
	assert_true(count()->moved > 100);
	assert_int_equal(joined, 0);
}

/* ---- while it connects ---- */

static int drop_complete(const struct flying *f)
{
	return lose_refills && !f->to_service && f->len > 200;
}

static void test_moved_while_connecting(void **state)
{
	unsigned before;

	(void)state;
	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE);
	also = drop_complete;
	lose_refills = true;
	world_connect(&w, 0);
	world_run(&w, 300000);
	assert_int_equal(w.d[0].c->state, CLIENT_CONNECTING);
	before = handshakes_seen;
	lose_refills = false;
	move_to(address(1));
	assert_int_equal(handshakes_seen, before + 1); /* at once */
	world_run(&w, 1000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 1);
	assert_int_equal(joined, 0);
}

static int drop_data(const struct flying *f)
{
	return lose_refills && !f->to_service && f->len < 200;
}

static void test_moved_while_confirming(void **state)
{
	unsigned before;

	(void)state;
	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE);
	world_connect(&w, 0);
	world_run(&w, 85000); /* Hello and Complete are answered */
	also = drop_data;
	lose_refills = true;
	world_run(&w, 500000);
	assert_int_equal(w.d[0].c->state, CLIENT_CONFIRMING);
	before = handshakes_seen;
	lose_refills = false;
	move_to(address(1));
	assert_int_equal(handshakes_seen, before + 1);
	world_run(&w, 1000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 1);
	assert_int_equal(joined, 0);
}

/* While fresh keys are made the old connection serves, and so it moves; what
 * was tried in the old network is tried anew. */
static void test_moved_while_renewing(void **state)
{
	unsigned before;

	(void)state;
	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE)->config.renew_s = 10;
	world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE);
	world_connect(&w, 0);
	world_run(&w, 3000000);
	also = drop_complete;
	lose_refills = true;
	while (!w.d[0].c->renewing)
		world_run(&w, 10000);
	world_run(&w, 100000);
	assert_int_equal(w.d[0].c->state, CLIENT_CONNECTING);
	before = handshakes_seen;
	move_to(address(1));
	assert_int_equal(handshakes_seen, before + 1);
	world_run(&w, 200000);
	assert_int_equal(count()->moved, 1);
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 200000);
	assert_true(w.d[0].c->renewing);
	lose_refills = false;
	world_run(&w, 5000000);
	assert_false(w.d[0].c->renewing);
	assert_int_equal(w.d[0].c->state, CLIENT_CONNECTED);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
	assert_int_equal(world_count(&w.d[0], MPP_EV_LOST), 0);
	assert_int_equal(joined, 0);
}

static unsigned tickets_seen;

/* A token travels in the clear. */
static int note_ticket(const struct flying *f)
{
	enum { TICKET = 5 };

	tickets_seen += f->to_service && f->data[0] == 0 &&
			f->data[16] == TICKET;
	return lose_refills && !f->to_service;
}

/* One that a network has seen is not shown to another. */
static void test_a_ticket_is_not_taken_along(void **state)
{
	(void)state;
	memset(w.secrets.token.key, 1, sizeof(w.secrets.token.key));
	world_stop_service(&w);
	world_start_service(&w);
	world_subscribed(&w, alice, 0, 1);
	assert_true(w.d[0].token_len != 0);
	tickets_seen = 0;
	also = note_ticket;
	lose_refills = true;
	w.d[0].config.have_invitation = false;
	world_connect(&w, 0);
	world_run(&w, 100000);
	assert_int_equal(tickets_seen, 1);
	move_to(address(1));
	world_run(&w, 5000000);
	assert_int_equal(tickets_seen, 1);
	lose_refills = false;
	world_run(&w, 20000000);
	assert_int_equal(w.d[0].c->state, CLIENT_CONNECTED);
	assert_int_equal(joined, 0);
}

/* ---- data packets of our own making ---- */

static mpp_datagram slots[64];
static mpp_outbox out;

static mpp_err put_index(const struct wr *plain, mpp_addr from, uint64_t index)
{
	struct link *l = link_cur(w.d[0].c);
	struct rud_header h = {.index = index, .flags = FLAG_FINAL, .count = 1};
	uint8_t p[MPP_PACKET_MAX] = {0};
	size_t padded = PACKET_PLAIN_MAX;

	memcpy(p + PACKET_HEAD, plain->p, plain->n);
	assert_int_equal(packet_seal(&w.crypto, &l->tx, l->service_id, &h, p,
				     padded),
			 MPP_OK);
	out = (mpp_outbox){slots, 64, 0};
	return mpp_service_receive(
		w.s, (mpp_buf){p, sizeof(p), padded + PACKET_OVERHEAD}, &from,
		world_now(&w), &out);
}

static mpp_err put(const struct wr *plain, mpp_addr from)
{
	return put_index(plain, from, link_cur(w.d[0].c)->tx_next++);
}

/* A request in JSON text, with a StreamId before it. */
static struct wr request(const uint8_t *id, size_t len, const char *json)
{
	static uint8_t room[512];
	struct wr plain = wr_init(room, sizeof(room));

	if (id != NULL)
		ext_put(&plain, EXT_STREAM_ID, id, len);
	ext_put_end(&plain);
	wr_raw(&plain, json, strlen(json));
	return plain;
}

#define STATUS "{\"PresenceStatusRequest\":{\"Serial\":90}}"
#define ENDPOINT "{\"PresenceEndpointRequest\":{\"Serial\":91}}"

/* Does this datagram of the service bring identifiers? Into ids. */
static size_t refill(size_t i, uint8_t ids[32])
{
	struct link *l = link_cur(w.d[0].c);
	static uint8_t p[MPP_PACKET_MAX];
	struct rud_header h;
	struct ext e;
	struct rd r;

	assert_true(i < out.n);
	memcpy(p, slots[i].data, slots[i].len);
	assert_int_equal(packet_header(&w.crypto, &l->rx, p, &h), MPP_OK);
	assert_int_equal(packet_open(&w.crypto, &l->rx, &h, p, slots[i].len),
			 MPP_OK);
	r = rd_init((mpp_bytes){p + PACKET_HEAD,
				slots[i].len - (size_t)PACKET_OVERHEAD});
	assert_int_equal(ext_read(&r, &e), MPP_OK);
	if (!ext_has(&e, EXT_STREAM_ID))
		return 0;
	memcpy(ids, e.v[EXT_STREAM_ID].p, e.v[EXT_STREAM_ID].len);
	return e.v[EXT_STREAM_ID].len;
}

static const uint8_t mine[32] = {0x41, 1,  2,  3,  4,  5,  6,  7,   8,
				 9,    10, 11, 12, 13, 14, 15, 0x42};

/* From the path it counts at once; two fresh identifiers come back, once. */
static void test_named_on_the_path(void **state)
{
	const uint8_t two[2] = {16, 32};
	uint8_t ids[32], before[16];
	struct stream st;
	unsigned i;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	for (i = 0; i < 2; i++) {
		struct wr p = request(mine, two[i], STATUS);

		memcpy(before, link_cur(w.d[0].c)->service_id, 16);
		assert_int_equal(put(&p, w.d[0].addr), MPP_OK);
		assert_int_equal(out.n, 1);
		assert_memory_equal(slots[0].data, mine, 16);
		assert_memory_equal(binding()->client_id, mine, 16);
		assert_int_equal(refill(0, ids), 32);
		assert_memory_not_equal(ids, ids + 16, 16);
		assert_memory_not_equal(ids, before, 16);
		assert_int_equal(streamid_open(&w.crypto, w.secrets.sid_key,
					       ids + 16, &st),
				 MPP_OK);
		assert_int_equal(st.generation, binding()->generation);
	}
	{
		struct wr p = request(NULL, 0, STATUS);

		assert_int_equal(put(&p, w.d[0].addr), MPP_OK);
		assert_int_equal(refill(0, ids), 0);
	}
}

/* What cannot begin a packet is refused, and nothing is changed. */
static void test_names_that_are_none(void **state)
{
	static const uint8_t zero[32];
	static const uint8_t stun[16] = {1, 0, 0, 0, 0x21, 0x12, 0xa4, 0x42};
	const struct {
		const uint8_t *id;
		size_t len;
	} rows[] = {{mine, 0},  {mine, 15}, {mine, 17}, {mine, 31},
		    {zero, 16}, {zero, 32}, {stun, 16}};
	uint8_t before[16], ids[32];
	uint64_t malformed;
	size_t i;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	memcpy(before, binding()->client_id, 16);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wr p = request(rows[i].id, rows[i].len, STATUS);

		malformed = count()->malformed;
		assert_int_equal(put(&p, w.d[0].addr), MPP_ERR_RANGE);
		assert_int_equal(count()->malformed, malformed + 1);
		assert_int_equal(out.n, 1);
		assert_int_equal(refill(0, ids), 0);
		assert_memory_equal(binding()->client_id, before, 16);
	}
}

/* A name from an address that is not proved stands for that address alone. */
static void test_named_elsewhere(void **state)
{
	struct wr p;
	uint8_t before[16], ids[32], other[16] = {9};
	size_t i;
	unsigned there = 0;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	memcpy(before, binding()->client_id, 16);
	p = request(mine, 16, STATUS);
	assert_int_equal(put(&p, stranger), MPP_OK);
	assert_int_equal(used("paths"), 1);
	assert_memory_equal(binding()->client_id, before, 16);
	for (i = 0; i < out.n; i++) {
		bool new = same(&slots[i].to, &stranger);

		there += new;
		assert_memory_equal(slots[i].data, new ? mine : before, 16);
		assert_int_equal(refill(i, ids), 0);
	}
	assert_int_equal(there, 2); /* challenge and answer */
	assert_int_equal(out.n, 3);
	/* A newer name replaces it there. */
	p = request(other, 16, STATUS);
	assert_int_equal(put(&p, stranger), MPP_OK);
	assert_int_equal(out.n, 1);
	assert_memory_equal(slots[0].data, other, 16);
	assert_memory_equal(binding()->client_id, before, 16);
	/* And publications go on under the old one, to the old path. */
	world_publish(&w, alice, "mmm_Inbound", 1);
	assert_true(w.n_fly > 0);
	for (i = 0; i < w.n_fly; i++)
		assert_memory_equal(w.fly[i].data, before, 16);
	w.n_fly = 0;
	/* Its proof moves the path, with the name that it had. */
	p = wr_init(p.p, 64);
	ext_put(&p, EXT_PATH_RESPONSE,
		trial_at(&w.s->state, binding()->side)->to_new, CHALLENGE_LEN);
	ext_put_end(&p);
	assert_int_equal(put(&p, stranger), MPP_OK);
	assert_int_equal(count()->moved, 1);
	assert_memory_equal(binding()->client_id, other, 16);
}

/* Only the newest datagram says where the device is, and under which name. */
static void test_an_older_name(void **state)
{
	uint8_t before[16];
	uint64_t index;
	struct wr p;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	index = link_cur(w.d[0].c)->tx_next++;
	p = request(NULL, 0, STATUS);
	assert_int_equal(put(&p, w.d[0].addr), MPP_OK);
	memcpy(before, binding()->client_id, 16);
	p = request(mine, 16, STATUS);
	assert_int_equal(put_index(&p, w.d[0].addr, index), MPP_OK);
	assert_memory_equal(binding()->client_id, before, 16);
	assert_int_equal(put(&p, w.d[0].addr), MPP_OK);
	assert_memory_equal(binding()->client_id, mine, 16);
}

/* It is answered where it came from, under the name that it says, and moves
 * nothing. */
static void test_endpoint_request(void **state)
{
	uint8_t before[16], ids[32];
	struct wr p = request(mine, 16, ENDPOINT);

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	memcpy(before, binding()->client_id, 16);
	assert_int_equal(put(&p, stranger), MPP_OK);
	assert_int_equal(used("paths"), 0);
	assert_int_equal(out.n, 1);
	assert_true(same(&slots[0].to, &stranger));
	assert_memory_equal(slots[0].data, mine, 16);
	assert_memory_equal(binding()->client_id, before, 16);
	assert_false(same(&binding()->path, &stranger));
	assert_int_equal(refill(0, ids), 0);
	/* What it has used up comes on the path. */
	p = request(NULL, 0, STATUS);
	assert_int_equal(put(&p, w.d[0].addr), MPP_OK);
	assert_int_equal(refill(0, ids), 32);
	/* Another request does start a trial. */
	p = request(mine, 16, STATUS);
	assert_int_equal(put(&p, stranger), MPP_OK);
	assert_int_equal(used("paths"), 1);
}

/* The answer to a publish that became durable after the move. */
static void test_a_late_answer(void **state)
{
	const mpp_store_status st = {bytes_of("mmm_Inbound"), 3, {NULL, 0}};
	uint32_t asked;

	(void)state;
	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE | MPP_RIGHT_PUBLISH);
	world_connect(&w, 0);
	world_run(&w, 3000000);
	w.store_stalls = true;
	assert_int_equal(mpp_client_publish(w.d[0].c, &st, 1, world_now(&w),
					    &asked),
			 MPP_OK);
	world_client(&w, 0);
	world_run(&w, 30000);
	move_to(address(1));
	world_run(&w, 500000);
	assert_int_equal(count()->moved, 1);
	assert_int_equal(world_count(&w.d[0], MPP_EV_RESPONSE), 0);
	w.store_stalls = false;
	world_run(&w, 30000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_RESPONSE), 1);
	assert_int_equal(joined, 0);
}

/* Somebody sends the packets of a device that has moved on from his own
 * address: its name stands there too, but the device stays where it is. */
static struct flying held;
static bool hold;

static int keep(const struct flying *f)
{
	if (!f->to_service || !hold)
		return 0;
	held = *f;
	return 1;
}

static void test_sent_on(void **state)
{
	(void)state;
	world_subscribed(&w, alice, 0, 1);
	world_run(&w, 5000000);
	also = keep;
	hold = true;
	move_to(address(1));
	hold = false;
	out = (mpp_outbox){slots, 64, 0};
	assert_int_equal(
		mpp_service_receive(
			w.s, (mpp_buf){held.data, sizeof(held.data), held.len},
			&stranger, world_now(&w), &out),
		MPP_OK);
	assert_int_equal(used("paths"), 1);
	world_run(&w, 2000000); /* the request again, from the device */
	assert_int_equal(count()->moved, 1);
	assert_true(same(&binding()->path, &w.d[0].addr));
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 200000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
	assert_int_equal(count()->handshakes, 1);
}

/* Somebody in the old network has kept a packet back, and sends it when the
 * device is elsewhere: no answer there shows its new name. */
static void test_kept_back(void **state)
{
	const mpp_addr home = {{10, 0, 0, 1}, 40000, 4, 0};
	uint64_t index;
	struct wr p = request(NULL, 0, STATUS);

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	world_run(&w, 5000000);
	index = link_cur(w.d[0].c)->tx_next++;
	move_to(address(1));
	world_run(&w, 1000000);
	assert_int_equal(count()->moved, 1);
	assert_int_equal(put_index(&p, home, index), MPP_OK);
	assert_int_equal(out.n, 0);
	/* The newest one is answered, wherever it comes from. */
	p = request(NULL, 0, ENDPOINT);
	assert_int_equal(put(&p, stranger), MPP_OK);
	assert_int_equal(out.n, 1);
}

/* Identifiers of a connection that is gone name nobody: a recycled slot has
 * the next generation. */
static void test_a_recycled_slot(void **state)
{
	static mpp_client old;
	struct wr p = request(mine, 16, STATUS);
	struct link *l;
	uint8_t before[16];
	unsigned i;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	mpp_client_moved(w.d[0].c, world_now(&w));
	world_run(&w, 1000000);
	old = *w.d[0].c;
	l = link_cur(&old);
	assert_true(l->n_stock >= 2);
	mpp_client_close(w.d[0].c, world_now(&w));
	world_run(&w, 1000000);
	assert_int_equal(used("bindings"), 0);
	world_connect(&w, 0);
	world_run(&w, 1000000);
	assert_int_equal(used("bindings"), 1);
	assert_int_equal(w.s->state.bindings.fresh, 1); /* the same slot */
	memcpy(before, binding()->client_id, 16);
	for (i = 0; i < 2; i++) {
		uint8_t d[MPP_PACKET_MAX] = {0};
		struct rud_header h = {
			.index = l->tx_next++, .flags = FLAG_FINAL, .count = 1};

		memcpy(d + PACKET_HEAD, p.p, p.n);
		assert_int_equal(packet_seal(&w.crypto, &l->tx, l->stock[i], &h,
					     d, 64),
				 MPP_OK);
		out = (mpp_outbox){slots, 64, 0};
		assert_int_equal(
			mpp_service_receive(w.s, (mpp_buf){d, sizeof(d), 112},
					    &w.d[0].addr, world_now(&w), &out),
			MPP_ERR_STRANGER);
		assert_int_equal(out.n, 1);
		assert_memory_equal(slots[0].data + slots[0].len - 16,
				    l->reset_token, 16);
	}
	assert_memory_equal(binding()->client_id, before, 16);
	assert_int_equal(binding()->state, BINDING_CONNECTED);
}

/* ---- unlinkable ---- */

static void unlinkable(unsigned rights)
{
	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE)->config.unlinkable =
		true;
	world_invite(&w, 0, alice, rights);
	world_connect(&w, 0);
	world_run(&w, 3000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 1);
	w.d[0].c->keepalive.fixed_ms = 20000;
}

/* An hour of heartbeats and publications: no packet to the service has an
 * identifier that stood in another one, and the service follows. */
static void test_unlinkable(void **state)
{
	uint8_t before[16];
	unsigned i;

	(void)state;
	unlinkable(MPP_RIGHT_SUBSCRIBE);
	for (i = 1; i <= 60; i++) {
		memcpy(before, binding()->client_id, 16);
		world_publish(&w, alice, "mmm_Inbound", i);
		world_run(&w, 60000000);
		assert_memory_not_equal(binding()->client_id, before, 16);
		assert_int_equal(
			world_last(&w.d[0], MPP_EV_PUBLICATION)->index[0], i);
		w.d[0].n_told = 0;
	}
	assert_int_equal(count()->handshakes, 1);
	assert_true(count()->received > 200);
	assert_int_equal(repeated, 0);
}

/* The positive control of "repeated". */
static void test_linkable(void **state)
{
	(void)state;
	world_subscribed(&w, alice, 0, 1);
	world_run(&w, 60000000);
	assert_true(repeated > 0);
}

/* A burst of publications, each acknowledged: what they bring keeps up. */
static void test_unlinkable_and_busy(void **state)
{
	unsigned i;

	(void)state;
	unlinkable(MPP_RIGHT_SUBSCRIBE);
	for (i = 1; i <= 200; i++) {
		world_publish(&w, alice, "mmm_Inbound", i);
		world_run(&w, 50000);
		w.d[0].n_told = 0;
	}
	assert_int_equal(count()->handshakes, 1);
	assert_int_equal(repeated, 0);
	assert_true(link_cur(w.d[0].c)->n_stock > 0);
}

static void test_unlinkable_moves(void **state)
{
	unsigned i;

	(void)state;
	unlinkable(MPP_RIGHT_SUBSCRIBE);
	for (i = 1; i <= 50; i++) {
		world_run(&w, 25000000);
		move_to(address(i));
		assert_int_equal(first_len, MPP_PACKET_SIZE);
		world_run(&w, 1000000);
		assert_int_equal(count()->moved, i);
		assert_true(last_len < 300);
		w.d[0].n_told = 0;
	}
	assert_int_equal(count()->handshakes, 1);
	assert_int_equal(repeated, 0);
	assert_int_equal(joined, 0);
}

/* Nothing is left: it connects anew rather than use one twice. */
static void test_unlinkable_and_empty(void **state)
{
	struct link *l;
	unsigned before;

	(void)state;
	unlinkable(MPP_RIGHT_SUBSCRIBE);
	l = link_cur(w.d[0].c);
	l->n_stock = 1;
	also = drop_to_device;
	lose_refills = true;
	world_run(&w, 20100000); /* the heartbeat takes the last one */
	assert_int_equal(l->n_stock, 0);
	before = handshakes_seen;
	lose_refills = false;
	world_run(&w, 3000000);
	assert_true(handshakes_seen > before);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 2);
	assert_int_equal(world_count(&w.d[0], MPP_EV_LOST), 0);
	assert_int_equal(repeated, 0);
}

static void test_unlinkable_and_loss(void **state)
{
	unsigned i;

	(void)state;
	unlinkable(MPP_RIGHT_SUBSCRIBE);
	w.loss_pct = 20;
	w.jitter_us = 15000;
	for (i = 1; i <= 100; i++) {
		world_publish(&w, alice, "mmm_Inbound", i);
		world_run(&w, 5000000);
		if (i % 10 == 0)
			move_to(address(i));
		w.d[0].n_told = 0;
	}
	w.loss_pct = 0;
	world_run(&w, 60000000);
	w.d[0].n_told = 0;
	world_publish(&w, alice, "mmm_Inbound", i);
	world_run(&w, 1000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
	assert_int_equal(repeated, 0);
	assert_int_equal(joined, 0);
}

/* With nothing left it says no goodbye, and is closed all the same. */
static void test_unlinkable_close(void **state)
{
	(void)state;
	unlinkable(MPP_RIGHT_SUBSCRIBE);
	mpp_client_close(w.d[0].c, world_now(&w));
	world_run(&w, 100000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CLOSED), 1);
	assert_int_equal(count()->closed, 1);
	world_connect(&w, 0);
	world_run(&w, 1000000);
	link_cur(w.d[0].c)->n_stock = 0;
	w.d[0].n_told = 0;
	mpp_client_close(w.d[0].c, world_now(&w));
	world_run(&w, 100000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CLOSED), 1);
	assert_int_equal(count()->closed, 1);
	assert_int_equal(repeated, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_a_known_move),
		CASE(test_an_unknown_move_is_seen),
		CASE(test_padding),
		CASE(test_a_request_under_way),
		CASE(test_rtt_is_forgotten),
		CASE(test_a_challenge_of_the_old_network),
		CASE(test_v4_and_v6),
		CASE(test_the_same_address),
		CASE(test_there_and_back),
		CASE(test_a_lost_refill_heals),
		CASE(test_no_refill_before_the_proof),
		CASE(test_nothing_to_spare),
		CASE(test_no_answer),
		CASE(test_many_moves),
		CASE(test_moves_and_loss),
		CASE(test_moved_while_connecting),
		CASE(test_moved_while_confirming),
		CASE(test_moved_while_renewing),
		CASE(test_a_ticket_is_not_taken_along),
		CASE(test_named_on_the_path),
		CASE(test_names_that_are_none),
		CASE(test_named_elsewhere),
		CASE(test_an_older_name),
		CASE(test_endpoint_request),
		CASE(test_a_late_answer),
		CASE(test_sent_on),
		CASE(test_kept_back),
		CASE(test_a_recycled_slot),
		CASE(test_unlinkable),
		CASE(test_linkable),
		CASE(test_unlinkable_and_busy),
		CASE(test_unlinkable_moves),
		CASE(test_unlinkable_and_empty),
		CASE(test_unlinkable_and_loss),
		CASE(test_unlinkable_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
