/* SPDX-License-Identifier: MIT */
/* The Web Service transport without its HTTP: packets go in, answers come out,
 * requests wait. A device with the real client connects; then each request is
 * sealed here with the connection's own keys, and the answer is opened. */
#include "world.h"

#include "presence/message.h"
#include "role/client.h"
#include "role/service.h"

static const char alice[] = "alice@example.com";
static const mpp_addr proxy = {{198, 51, 100, 9}, 50000, 4, 0};

static struct world w;

/* ---- HTTP: one packet each way ---- */

enum { ANSWERS = 128 };

struct came {
	uint64_t number;
	size_t len;
	uint8_t data[MPP_WEB_ANSWER_MAX];
};

static bool udp_blocked, lose_answers;
static size_t udp_to_devices;
static struct came came[ANSWERS]; /* what waited, answered */
static size_t n_came;
static uint8_t answer_room[MPP_WEB_ANSWER_MAX];
static mpp_buf web_out;
static uint64_t number;
static bool carries; /* what devices send goes by HTTP */
static bool mute;    /* they do not say anything */
static struct flying queue[32];
static size_t n_queue;

static int network(struct world *world, const struct flying *f)
{
	(void)world;
	if (f->to_service && mute)
		return 1;
	if (f->to_service && carries) {
		assert_true(n_queue < 32);
		queue[n_queue++] = *f;
		return 1;
	}
	if (!f->to_service && !udp_blocked)
		udp_to_devices++;
	return udp_blocked;
}

static void take_answers(struct world *world)
{
	mpp_buf room = {NULL, MPP_WEB_ANSWER_MAX, 0};

	for (;;) {
		assert_true(n_came < ANSWERS);
		room.p = came[n_came].data;
		if (!mpp_service_next_web(world->s, world_now(world),
					  &came[n_came].number, &room))
			return;
		came[n_came++].len = room.len;
	}
}

static mpp_err post(uint8_t *p, size_t len, uint32_t wait_ms)
{
	web_out = (mpp_buf){answer_room, sizeof(answer_room), 0};
	return mpp_service_web(w.s, (mpp_buf){p, len, len}, &proxy, ++number,
			       wait_ms, world_now(&w), &web_out);
}

/* The real client, carried by HTTP for a while. */
static void carry(uint64_t us)
{
	const uint64_t end = w.now + us;
	struct flying f;
	mpp_err err;

	while (w.now < end) {
		world_run(&w, 10000);
		while (n_queue > 0) {
			f = queue[--n_queue];
			err = post(f.data, f.len, 0);
			if (err != MPP_OK || lose_answers)
				continue;
			(void)mpp_client_receive(w.d[f.device].c, web_out,
						 world_now(&w));
			world_client(&w, f.device);
		}
	}
}

static int setup(void **state)
{
	(void)state;
	world_init(&w, 11);
	w.drop = network;
	w.answers = take_answers;
	udp_blocked = lose_answers = carries = mute = false;
	n_came = n_queue = udp_to_devices = 0;
	number = 1000;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_end(&w);
	return 0;
}

/* A device that has never sent a datagram. */
static void connect_by_web(int i, unsigned rights)
{
	carries = udp_blocked = true;
	if (i == 0)
		world_account(&w, alice);
	world_device(&w, i, alice, MPP_MODE_SUBSCRIBE);
	world_invite(&w, i, alice, rights);
	world_connect(&w, i);
	carry(3000000);
	assert_int_equal(world_count(&w.d[i], MPP_EV_CONNECTED), 1);
	carries = false;
}

/* ---- a datagram of our own making ---- */

static struct msg answer;
static mpp_bytes answer_text;
static struct rud_header head;
static struct ext answer_ext;
static uint8_t plain[MPP_WEB_PACKET_MAX];
static uint8_t packet[MPP_WEB_PACKET_MAX];

static mpp_err post_plain(int i, size_t len, uint32_t wait_ms)
{
	struct link *l = link_cur(w.d[i].c);
	struct rud_header h = {
		.index = l->tx_next++, .flags = FLAG_FINAL, .count = 1};
	size_t padded =
		packet_padded_to(len, 0, sizeof(packet) - PACKET_OVERHEAD);

	memset(packet, 0, sizeof(packet));
	memcpy(packet + PACKET_HEAD, plain, len);
	assert_int_equal(packet_seal(&w.crypto, &l->tx, l->service_id, &h,
				     packet, padded),
			 MPP_OK);
	return post(packet, padded + PACKET_OVERHEAD, wait_ms);
}

static mpp_err ask(int i, const char *json, uint32_t wait_ms)
{
	const size_t n = strlen(json);

	plain[0] = EXT_END;
	memcpy(plain + 1, json, n);
	return post_plain(i, n + 1, wait_ms);
}

static void read_packet(int i, uint8_t *p, size_t len)
{
	struct link *l = link_cur(w.d[i].c);
	struct rd r;
	mpp_bytes rest;

	assert_true(len >= PACKET_OVERHEAD);
	assert_int_equal(packet_header(&w.crypto, &l->rx, p, &head), MPP_OK);
	assert_int_equal(packet_open(&w.crypto, &l->rx, &head, p, len), MPP_OK);
	r = rd_init((mpp_bytes){p + PACKET_HEAD, len - PACKET_OVERHEAD});
	assert_int_equal(ext_read(&r, &answer_ext), MPP_OK);
	answer_text = rd_rest(&r);
	memset(&answer, 0, sizeof(answer));
	if (answer_text.len != 0 && answer_text.p[0] != 0)
		assert_int_equal(msg_decode(answer_text, &answer, &rest),
				 MPP_OK);
}

static void expect(int i, enum msg_type type, unsigned status)
{
	read_packet(i, web_out.p, web_out.len);
	assert_string_equal(msg_type_name(answer.type), msg_type_name(type));
	assert_int_equal(answer.status, status);
}

/* What waited, in the order in which it was answered. */
static void expect_late(int i, size_t k, enum msg_type type, unsigned status)
{
	assert_true(k < n_came);
	read_packet(i, came[k].data, came[k].len);
	assert_string_equal(msg_type_name(answer.type), msg_type_name(type));
	assert_int_equal(answer.status, status);
}

static char text[512];

static const char *status_request(unsigned serial, uint64_t acknowledge)
{
	(void)snprintf(text, sizeof(text),
		       "{\"PresenceStatusRequest\":{\"Serial\":%u,"
		       "\"Acknowledge\":%llu}}",
		       serial, (unsigned long long)acknowledge);
	return text;
}

static mpp_connection_info connection(unsigned k)
{
	mpp_account_info a;
	mpp_device_info d;
	mpp_connection_info c;
	uint32_t cursor = 0, at = 0;
	unsigned i;

	assert_true(mpp_service_account_find(w.s, bytes_of(alice), &a));
	for (i = 0; i <= k; i++)
		assert_true(mpp_service_device_next(w.s, &a, &cursor, &d));
	assert_true(
		mpp_service_connection_next(w.s, &d, &at, world_now(&w), &c));
	return c;
}

static const mpp_service_counters *count(void)
{
	return mpp_service_count(w.s);
}

static uint32_t pool_used(const char *name)
{
	mpp_pool_info p;
	unsigned i;

	for (i = 0; mpp_service_pool(w.s, i, &p); i++) {
		if (strcmp(p.name, name) == 0)
			return p.used;
	}
	fail();
	return 0;
}

/* ---- connecting ---- */

/* The handshake, the confirmation and what a device asks, all by HTTP: it is
 * connected, without a path and without being told one. */
static void test_all_by_web(void **state)
{
	(void)state;
	connect_by_web(0, MPP_RIGHT_SUBSCRIBE);
	assert_int_equal(connection(0).endpoint.family, 0);
	assert_string_equal(connection(0).state, "connected");
	assert_true(connection(0).subscribed);
	assert_int_equal(world_last(&w.d[0], MPP_EV_CONNECTED)->endpoint.family,
			 0);
	assert_int_equal(ask(0, "{\"PresenceEndpointRequest\":{\"Serial\":50}}",
			     0),
			 MPP_OK);
	expect(0, MSG_ENDPOINT_RESPONSE, 0);
	assert_int_equal(answer.endpoint.family, 0);
	assert_int_equal(answer.acknowledge, 50);
	assert_int_equal(connection(0).rtt_us, 0);
	assert_int_equal(count()->confirmed, 1);
	assert_true(count()->web >= 3);
}

/* Nothing is sent by UDP to who has no path, whatever comes; a device that has
 * one is the control. */
static void test_no_path_no_udp(void **state)
{
	(void)state;
	connect_by_web(0, MPP_RIGHT_SUBSCRIBE);
	udp_blocked = false;
	mute = true;
	world_publish(&w, alice, "a", 1);
	world_run(&w, 100000000); /* and its lease ends */
	mute = false;
	assert_int_equal(udp_to_devices, 0);
	assert_int_equal(count()->notifies, 0);
	assert_string_equal(connection(0).state, "closed");
	world_subscribed(&w, "bob@example.com", 1, 1);
	udp_to_devices = 0;
	world_publish(&w, "bob@example.com", "a", 1);
	world_run(&w, 100000);
	assert_true(udp_to_devices > 0);
}

/* The first datagram of a connection that HTTP made has its address proved, and
 * then publications go there. */
static void test_path_is_proved(void **state)
{
	(void)state;
	connect_by_web(0, MPP_RIGHT_SUBSCRIBE);
	udp_blocked = false;
	mpp_client_close(w.d[0].c, world_now(&w));
	connect_by_web(1, MPP_RIGHT_SUBSCRIBE);
	udp_blocked = false;
	assert_int_equal(count()->moved, 0);
	world_run(&w, 40000000); /* a heartbeat by UDP */
	assert_int_equal(count()->moved, 1);
	assert_int_equal(connection(0).endpoint.port, w.d[1].addr.port);
	world_publish(&w, alice, "a", 1);
	world_run(&w, 200000);
	assert_true(world_count(&w.d[1], MPP_EV_PUBLICATION) >= 1);
}

/* A first packet need not be long by HTTP, but must be by UDP. */
static void test_short_first_packet(void **state)
{
	static mpp_datagram slots[4];
	mpp_outbox out = {slots, 4, 0};
	struct connect c;
	struct flying f;

	(void)state;
	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE);
	carries = udp_blocked = true;
	world_connect(&w, 0);
	world_run(&w, 1000);
	assert_int_equal(n_queue, 1);
	f = queue[0];
	assert_int_equal(connect_read_initiator((mpp_bytes){f.data, f.len}, &c),
			 MPP_OK);
	f.len -= c.padding.len;
	assert_true(c.padding.len > 800);
	assert_int_equal(mpp_service_receive(w.s,
					     (mpp_buf){f.data, f.len, f.len},
					     &f.from, world_now(&w), &out),
			 MPP_ERR_RANGE);
	assert_int_equal(out.n, 0);
	assert_int_equal(post(f.data, f.len, 0), MPP_OK);
	assert_true(web_out.len > f.len); /* a Challenge */
	assert_int_equal(count()->challenges, 1);
}

/* A Challenge is answered over any TCP connection of that host, but not by UDP,
 * and not from another host. */
static void test_challenge_is_of_the_host(void **state)
{
	struct flying f;
	mpp_addr from = proxy;
	uint64_t before;

	(void)state;
	w.config.always_challenge = true;
	world_stop_service(&w);
	world_start_service(&w);
	connect_by_web(0, MPP_RIGHT_SUBSCRIBE);
	n_queue = 0;
	carries = true;
	world_connect(&w, 0);
	world_run(&w, 1000);
	f = queue[0];
	n_queue = 0;
	assert_int_equal(post(f.data, f.len, 0), MPP_OK);
	(void)mpp_client_receive(w.d[0].c, web_out, world_now(&w));
	world_client(&w, 0);
	assert_int_equal(n_queue, 1);
	f = queue[0]; /* it answers the Challenge */
	before = count()->handshakes;
	from.ip[3]++;
	web_out.len = 0;
	assert_int_equal(mpp_service_web(w.s, (mpp_buf){f.data, f.len, f.len},
					 &from, 1, 0, world_now(&w), &web_out),
			 MPP_OK);
	assert_int_equal(count()->handshakes, before);
	from = proxy;
	from.port++;
	assert_int_equal(mpp_service_web(w.s, (mpp_buf){f.data, f.len, f.len},
					 &from, 1, 0, world_now(&w), &web_out),
			 MPP_OK);
	assert_int_equal(count()->handshakes, before + 1);
}

/* An enrolment takes its time: say it again. */
static void test_enrolment_on_its_way(void **state)
{
	struct flying f;

	(void)state;
	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE);
	carries = udp_blocked = true;
	w.commit_us = 5000000;
	world_connect(&w, 0);
	carry(100000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 0);
	n_queue = 0;
	while (n_queue == 0)
		world_run(&w, 100000);
	f = queue[0];
	n_queue = 0;
	assert_int_equal(post(f.data, f.len, 0), MPP_ERR_STATE);
	assert_int_equal(web_out.len, 0);
	carry(20000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 1);
}

/* ---- the path and HTTP ---- */

/* Whoever carries packets by HTTP moves no path, starts no proof of one, gives
 * no round-trip sample; publications stay where they were. */
static void test_path_never_moves(void **state)
{
	mpp_connection_info before, after;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	before = connection(0);
	assert_true(before.rtt_us > 0);
	world_run(&w, 1000000);
	assert_int_equal(ask(0, "{\"PresenceHeartbeat\":{\"Serial\":50}}", 0),
			 MPP_OK);
	expect(0, MSG_STATUS, 0);
	/* It is told where its datagrams came from, not where this did. */
	assert_int_equal(answer.endpoint.port, w.d[0].addr.port);
	assert_memory_equal(answer.endpoint.ip, w.d[0].addr.ip, 16);
	assert_int_equal(pool_used("paths"), 0);
	world_run(&w, 1000000);
	after = connection(0);
	assert_memory_equal(&after.endpoint, &before.endpoint,
			    sizeof(before.endpoint));
	assert_int_equal(connection(0).rtt_us, before.rtt_us);
	assert_int_equal(count()->moved, 0);
	udp_to_devices = 0;
	world_publish(&w, alice, "a", 1);
	world_run(&w, 100000);
	assert_int_equal(udp_to_devices, 1);
}

/* What is under way by UDP is neither begun anew nor put off by what HTTP
 * brings; it ends when the device says that it holds it. */
static void test_udp_goes_on(void **state)
{
	struct binding before;
	const struct binding *b;
	uint64_t serial;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	b = binding_at(&w.s->state, 0);
	mute = udp_blocked = true;
	serial = world_publish(&w, alice, "a", 1);
	world_run(&w, 5000000);
	before = *b;
	assert_true(before.tries > 3);
	assert_int_equal(ask(0, "{\"PresenceStatusRequest\":{\"Serial\":50}}",
			     0),
			 MPP_OK);
	expect(0, MSG_STATUS, 0);
	assert_int_equal(answer.serial, serial);
	assert_int_equal(b->tries, before.tries);
	assert_int_equal(b->sent_index, before.sent_index);
	assert_int_equal(b->flags & BIND_IN_FLIGHT, BIND_IN_FLIGHT);
	assert_int_equal(ask(0, status_request(51, serial), 0), MPP_OK);
	assert_int_equal(b->flags & BIND_IN_FLIGHT, 0);
	before.tx_next = b->tx_next;
	world_run(&w, 20000000);
	assert_int_equal(b->tx_next, before.tx_next);
}

/* What a StreamId says that came by HTTP is for the answer, which brings two
 * fresh ones of the service, and for nothing else. */
static void test_stream_of_the_answer(void **state)
{
	uint8_t own[STREAM_ID_LEN], before[STREAM_ID_LEN];
	struct wr list = wr_init(plain, sizeof(plain));
	static const char beat[] = "{\"PresenceHeartbeat\":{\"Serial\":50}}";

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	memset(own, 0x5a, sizeof(own));
	memcpy(before, binding_at(&w.s->state, 0)->client_id, sizeof(before));
	ext_put(&list, EXT_STREAM_ID, own, sizeof(own));
	ext_put_end(&list);
	wr_raw(&list, beat, sizeof(beat) - 1);
	assert_int_equal(post_plain(0, list.n, 0), MPP_OK);
	assert_memory_equal(web_out.p, own, sizeof(own));
	expect(0, MSG_STATUS, 0);
	assert_true(ext_has(&answer_ext, EXT_STREAM_ID));
	assert_int_equal(answer_ext.v[EXT_STREAM_ID].len, STREAM_IDS_LEN);
	assert_memory_equal(binding_at(&w.s->state, 0)->client_id, before,
			    sizeof(before));
	assert_int_equal(ask(0, beat, 0), MPP_OK);
	assert_memory_equal(web_out.p, before, sizeof(before));
	expect(0, MSG_STATUS, 0);
	assert_false(ext_has(&answer_ext, EXT_STREAM_ID));
}

static void test_renews_the_lease(void **state)
{
	(void)state;
	connect_by_web(0, MPP_RIGHT_SUBSCRIBE);
	mute = true;
	world_run(&w, 50000000);
	assert_int_equal(ask(0, "{\"PresenceHeartbeat\":{\"Serial\":50}}", 0),
			 MPP_OK);
	world_run(&w, 30000000);
	assert_string_equal(connection(0).state, "connected");
	world_run(&w, 50000000);
	assert_string_equal(connection(0).state, "closed");
}

/* ---- bad packets ---- */

static void test_bad_packets(void **state)
{
	static const char beat[] = "{\"PresenceHeartbeat\":{\"Serial\":50}}";
	uint8_t copy[MPP_PACKET_MAX], junk[200];
	struct link *l;
	size_t len;

	(void)state;
	connect_by_web(0, MPP_RIGHT_SUBSCRIBE);
	l = link_cur(w.d[0].c);
	assert_int_equal(ask(0, beat, 0), MPP_OK);
	/* The packet was opened in place; make the same once more. */
	l->tx_next--;
	assert_int_equal(ask(0, beat, 0), MPP_ERR_REPLAY);
	assert_int_equal(web_out.len, 0);
	assert_int_equal(count()->drop_replay, 1);
	/* One that was changed on its way. */
	plain[0] = EXT_END;
	memcpy(plain + 1, beat, sizeof(beat) - 1);
	l->tx.key[0] ^= 1;
	assert_int_equal(post_plain(0, sizeof(beat), 0), MPP_ERR_AUTH);
	l->tx.key[0] ^= 1;
	assert_int_equal(web_out.len, 0);
	/* What was never ours, too short, too long. */
	memset(junk, 0x77, sizeof(junk));
	assert_int_equal(post(junk, sizeof(junk), 0), MPP_ERR_TYPE);
	assert_int_equal(post(junk, PACKET_OVERHEAD - 1, 0), MPP_ERR_RANGE);
	assert_int_equal(post(plain, MPP_WEB_PACKET_MAX + 1, 0), MPP_ERR_RANGE);
	assert_int_equal(post(junk, 0, 0), MPP_ERR_RANGE);
	memset(junk, 0, sizeof(junk));
	assert_int_equal(post(junk, sizeof(junk), 0), MPP_ERR_SYNTAX);
	assert_int_equal(post(junk, 16, 0), MPP_ERR_TRUNCATED);
	junk[16] = 9; /* a type that nobody knows */
	assert_true(post(junk, sizeof(junk), 0) != MPP_OK);
	web_out.cap = MPP_WEB_ANSWER_MAX - 1;
	assert_int_equal(mpp_service_web(w.s, (mpp_buf){junk, 200, 200}, &proxy,
					 1, 0, world_now(&w), &web_out),
			 MPP_ERR_NOSPACE);
	/* A connection that is over: the reset is its token. */
	memcpy(copy, packet, sizeof(copy));
	assert_int_equal(ask(0, beat, 0), MPP_OK);
	plain[0] = 128 + EXT_CLOSE;
	memcpy(plain + 1, "\x02\x00\x00\xff", 4);
	assert_int_equal(post_plain(0, 5, 0), MPP_OK);
	assert_int_equal(web_out.len, 0);
	assert_int_equal(count()->closed, 1);
	assert_int_equal(ask(0, beat, 0), MPP_ERR_STRANGER);
	len = web_out.len;
	assert_true(len >= RESET_MIN && len <= RESET_MAX);
	assert_memory_equal(web_out.p + len - RESET_TOKEN_LEN, l->reset_token,
			    RESET_TOKEN_LEN);
}

/* Resets by HTTP come from no bucket: many devices may be behind a proxy. */
static void test_resets_are_not_limited(void **state)
{
	unsigned i;

	(void)state;
	connect_by_web(0, MPP_RIGHT_SUBSCRIBE);
	world_stop_service(&w);
	world_start_service(&w);
	for (i = 0; i < 100; i++) {
		assert_int_equal(
			ask(0, "{\"PresenceHeartbeat\":{\"Serial\":50}}", 0),
			MPP_ERR_STRANGER);
		assert_true(web_out.len >= RESET_MIN);
	}
}

/* ---- requests ---- */

static void test_requests(void **state)
{
	uint64_t serial;

	(void)state;
	connect_by_web(0, MPP_RIGHT_SUBSCRIBE);
	serial = world_publish(&w, alice, "a", 5);
	assert_int_equal(ask(0, "{\"PresenceHeartbeat\":{\"Serial\":50}}", 0),
			 MPP_OK);
	expect(0, MSG_STATUS, 0);
	assert_int_equal(answer.store_status.n, 1);
	assert_int_equal(answer.serial, serial);
	assert_int_equal(head.flags & FLAG_ACK, FLAG_ACK);
	/* The answer was lost: asked again under the same Serial. */
	assert_int_equal(ask(0, "{\"PresenceHeartbeat\":{\"Serial\":50}}", 0),
			 MPP_OK);
	expect(0, MSG_STATUS, 0);
	assert_int_equal(answer.store_status.n, 1);
	assert_int_equal(ask(0, "{\"PresenceHeartbeat\":{\"Serial\":49}}", 0),
			 MPP_OK);
	expect(0, MSG_INVALID_SERIAL, 0);
	assert_int_equal(
		ask(0, "{\"PresenceDisconnectRequest\":{\"Serial\":51}}", 0),
		MPP_OK);
	expect(0, MSG_DISCONNECT_RESPONSE, 0);
	assert_false(connection(0).subscribed);
	assert_int_equal(ask(0, "{\"PresenceConnectRequest\":{\"Serial\":52}}",
			     0),
			 MPP_OK);
	expect(0, MSG_CONNECT_RESPONSE, 0);
	assert_true(connection(0).subscribed);
	assert_int_equal(answer.store_status.n, 1);
	assert_int_equal(ask(0, "{\"PresenceDance\":{\"Serial\":53}}", 0),
			 MPP_OK);
	expect(0, MSG_ERROR, 400);
	/* Even what UDP would not answer. */
	assert_int_equal(ask(0, "{\"PresenceAcknowledge\":{\"Acknowledge\":1}}",
			     0),
			 MPP_OK);
	expect(0, MSG_NONE, 0);
	/* A probe of the path makes no sense here, and is answered at once. */
	assert_int_equal(
		ask(0, "{\"PresenceHeartbeat\":{\"Serial\":54,\"Probe\":5000}}",
		    0),
		MPP_OK);
	expect(0, MSG_STATUS, 0);
	assert_int_equal(pool_used("probes"), 0);
}

/* ---- waiting for news ---- */

static void test_waits_for_news(void **state)
{
	uint64_t first, second;

	(void)state;
	connect_by_web(0, MPP_RIGHT_SUBSCRIBE);
	first = world_publish(&w, alice, "a", 1);
	/* It lacks something: no waiting. */
	assert_int_equal(ask(0, status_request(50, 0), 30000), MPP_OK);
	expect(0, MSG_STATUS, 0);
	assert_int_equal(answer.store_status.n, 1);
	assert_int_equal(answer.serial, first);
	assert_int_equal(ask(0, status_request(51, first), 30000),
			 MPP_ERR_AGAIN);
	assert_int_equal(connection(0).acknowledged, first);
	assert_int_equal(count()->acknowledged, 1);
	world_run(&w, 5000000);
	assert_int_equal(n_came, 0);
	second = world_publish(&w, alice, "b", 7);
	world_run(&w, 10000);
	assert_int_equal(n_came, 1);
	assert_int_equal(came[0].number, number);
	expect_late(0, 0, MSG_STATUS, 0);
	assert_int_equal(answer.acknowledge, 51);
	assert_int_equal(answer.serial, second);
	assert_int_equal(answer.store_status.n, 1); /* only what is new */
	assert_int_equal(head.flags & FLAG_ACK, FLAG_ACK);
	assert_int_equal(connection(0).acknowledged, first);
	assert_int_equal(ask(0, status_request(52, second), 0), MPP_OK);
	expect(0, MSG_STATUS, 0);
	assert_int_equal(answer.store_status.n, 2); /* all: it did not wait */
	assert_int_equal(connection(0).acknowledged, second);
	assert_int_equal(count()->web_waited, 1);
	assert_int_equal(count()->web_news, 1);
	assert_int_equal(pool_used("held"), 0);
}

/* When nothing comes it is answered all the same, before the lease ends. */
static void test_time_is_up(void **state)
{
	static const struct {
		uint32_t asked, waited;
	} rows[] = {{2000, 2000}, {600000, 45000}, {1, 1}};
	uint64_t serial, from;
	size_t i;

	(void)state;
	connect_by_web(0, MPP_RIGHT_SUBSCRIBE);
	serial = world_publish(&w, alice, "a", 1);
	mute = true;
	for (i = 0; i < 3; i++) {
		n_came = 0;
		from = w.now;
		assert_int_equal(ask(0,
				     status_request(50 + (unsigned)i, serial),
				     rows[i].asked),
				 MPP_ERR_AGAIN);
		world_run(&w, rows[i].waited * UINT64_C(1000) - 1000);
		assert_int_equal(n_came, 0);
		world_run(&w, 1000);
		assert_int_equal(n_came, 1);
		assert_int_equal(w.now - from, rows[i].waited * 1000);
		expect_late(0, 0, MSG_STATUS, 0);
		assert_int_equal(answer.store_status.n, 0);
		assert_int_equal(answer.serial, serial);
	}
	assert_int_equal(count()->web_news, 0);
}

/* What is not in its filter is no news to it. */
static void test_filter(void **state)
{
	(void)state;
	connect_by_web(0, MPP_RIGHT_SUBSCRIBE);
	assert_int_equal(ask(0,
			     "{\"PresenceConnectRequest\":{\"Serial\":50,"
			     "\"Stores\":[\"a\"]}}",
			     0),
			 MPP_OK);
	expect(0, MSG_CONNECT_RESPONSE, 0);
	assert_int_equal(ask(0, status_request(51, 0), 30000), MPP_ERR_AGAIN);
	world_publish(&w, alice, "b", 1);
	world_run(&w, 1000000);
	assert_int_equal(n_came, 0);
	world_publish(&w, alice, "a", 1);
	world_run(&w, 1000000);
	assert_int_equal(n_came, 1);
	expect_late(0, 0, MSG_STATUS, 0);
	assert_int_equal(answer.store_status.n, 1);
	/* One that names stores of its own does not wait. */
	assert_int_equal(ask(0,
			     "{\"PresenceStatusRequest\":{\"Serial\":52,"
			     "\"Stores\":[\"b\"]}}",
			     30000),
			 MPP_OK);
}

/* One of a binding waits: the newer takes its place. */
static void test_newer_replaces(void **state)
{
	uint64_t first;

	(void)state;
	connect_by_web(0, MPP_RIGHT_SUBSCRIBE);
	assert_int_equal(ask(0, status_request(50, 0), 30000), MPP_ERR_AGAIN);
	first = number;
	assert_int_equal(ask(0, status_request(51, 0), 30000), MPP_ERR_AGAIN);
	world_run(&w, 10000);
	assert_int_equal(n_came, 1);
	assert_int_equal(came[0].number, first);
	expect_late(0, 0, MSG_STATUS, 0);
	assert_int_equal(answer.acknowledge, 50);
	assert_int_equal(pool_used("held"), 1);
	world_publish(&w, alice, "a", 1);
	world_run(&w, 10000);
	assert_int_equal(n_came, 2);
	expect_late(0, 1, MSG_STATUS, 0);
	assert_int_equal(answer.acknowledge, 51);
	/* Who unsubscribes is not left waiting. */
	assert_int_equal(ask(0, status_request(52, w.now + w.epoch), 30000),
			 MPP_OK);
	assert_int_equal(ask(0, status_request(53, connection(0).acknowledged),
			     30000),
			 MPP_OK);
	expect(0, MSG_STATUS, 0);
	assert_int_equal(ask(0, status_request(54, answer.serial), 30000),
			 MPP_ERR_AGAIN);
	assert_int_equal(
		ask(0, "{\"PresenceDisconnectRequest\":{\"Serial\":55}}", 0),
		MPP_OK);
	world_run(&w, 10000);
	assert_int_equal(n_came, 3);
}

static void test_peer_goes_away(void **state)
{
	(void)state;
	connect_by_web(0, MPP_RIGHT_SUBSCRIBE);
	assert_int_equal(ask(0, status_request(50, 0), 30000), MPP_ERR_AGAIN);
	assert_int_equal(pool_used("held"), 1);
	mpp_service_web_gone(w.s, number + 1);
	assert_int_equal(pool_used("held"), 1);
	mpp_service_web_gone(w.s, number);
	assert_int_equal(pool_used("held"), 0);
	assert_int_equal(count()->web_gone, 1);
	world_publish(&w, alice, "a", 1);
	world_run(&w, 1000000);
	assert_int_equal(n_came, 0);
	assert_string_equal(connection(0).state, "connected");
}

/* 64 of an account, and so many in all as there is room for: the next are
 * answered at once. Here 4 devices of 2 accounts, and room for 3. */
static void test_limits(void **state)
{
	int i;

	(void)state;
	w.config.held = 3;
	world_stop_service(&w);
	world_start_service(&w);
	for (i = 0; i < 4; i++)
		connect_by_web(i, MPP_RIGHT_SUBSCRIBE | MPP_RIGHT_PUBLISH);
	for (i = 0; i < 3; i++)
		assert_int_equal(ask(i, status_request(50, 0), 30000),
				 MPP_ERR_AGAIN);
	assert_int_equal(ask(3, status_request(50, 0), 30000), MPP_OK);
	expect(3, MSG_STATUS, 0);
	/* Nor is a change begun whose answer could not wait. */
	assert_int_equal(
		ask(3,
		    "{\"PresencePublishRequest\":{\"Serial\":51,"
		    "\"StoreStatus\":[{\"Store\":\"a\",\"Index\":1}]}}",
		    0),
		MPP_OK);
	expect(3, MSG_PUBLISH_RESPONSE, MPP_STATUS_OVERLOADED);
	assert_int_equal(count()->publications, 0);
	/* The account counts its own. */
	mpp_service_web_gone(w.s, number - 4);
	assert_int_equal(account_at(&w.s->state, 0)->held, 2);
	account_at(&w.s->state, 0)->held = HELD_PER_ACCOUNT;
	assert_int_equal(ask(3, status_request(52, 0), 30000), MPP_OK);
	account_at(&w.s->state, 0)->held = HELD_PER_ACCOUNT - 1;
	assert_int_equal(ask(3, status_request(53, 0), 30000), MPP_ERR_AGAIN);
	assert_int_equal(account_at(&w.s->state, 0)->held, HELD_PER_ACCOUNT);
}

/* ---- publishing ---- */

static const char *publish_request(unsigned serial, unsigned index)
{
	(void)snprintf(text, sizeof(text),
		       "{\"PresencePublishRequest\":{\"Serial\":%u,"
		       "\"StoreStatus\":[{\"Store\":\"a\",\"Index\":%u}]}}",
		       serial, index);
	return text;
}

static void test_publish(void **state)
{
	uint64_t serial;

	(void)state;
	connect_by_web(0, MPP_RIGHT_SUBSCRIBE | MPP_RIGHT_PUBLISH);
	w.commit_us = 300000;
	assert_int_equal(ask(0, publish_request(50, 3), 0), MPP_ERR_AGAIN);
	/* Said again while it waits: this one gets the answer. */
	assert_int_equal(ask(0, publish_request(50, 3), 0), MPP_ERR_AGAIN);
	world_run(&w, 100000);
	assert_int_equal(n_came, 1);
	assert_int_equal(came[0].number, number - 1);
	assert_int_equal(came[0].len, 0);
	world_run(&w, 1000000);
	assert_int_equal(n_came, 2);
	assert_int_equal(came[1].number, number);
	expect_late(0, 1, MSG_PUBLISH_RESPONSE, 0);
	assert_int_equal(answer.acknowledge, 50);
	serial = answer.serial;
	assert_true(serial > 0);
	assert_int_equal(count()->publications, 1);
	/* The answer was lost: the same again changes nothing. */
	assert_int_equal(ask(0, publish_request(50, 3), 0), MPP_OK);
	expect(0, MSG_PUBLISH_RESPONSE, 0);
	assert_int_equal(answer.serial, serial);
	assert_int_equal(count()->publications, 1);
	/* The store fails. */
	w.commit_result = MPP_ERR_STORE;
	assert_int_equal(ask(0, publish_request(51, 4), 0), MPP_ERR_AGAIN);
	world_run(&w, 1000000);
	expect_late(0, 2, MSG_PUBLISH_RESPONSE, MPP_STATUS_OVERLOADED);
	assert_int_equal(pool_used("held"), 0);
}

/* 128 stores in one packet each way. */
static void test_large(void **state)
{
	size_t n = 0, i;

	(void)state;
	connect_by_web(0, MPP_RIGHT_SUBSCRIBE | MPP_RIGHT_PUBLISH);
	plain[n++] = EXT_END;
	n += (size_t)snprintf((char *)plain + n, 100,
			      "{\"PresencePublishRequest\":{\"Serial\":50,"
			      "\"StoreStatus\":[");
	for (i = 0; i < 128; i++)
		n += (size_t)snprintf((char *)plain + n, 100,
				      "%s{\"Store\":\"a-rather-long-name-%03u\""
				      ",\"Index\":%u}",
				      i == 0 ? "" : ",", (unsigned)i,
				      (unsigned)i + 1);
	n += (size_t)snprintf((char *)plain + n, 10, "]}}");
	assert_true(n > 4 * MPP_PACKET_MAX);
	assert_int_equal(post_plain(0, n, 0), MPP_ERR_AGAIN);
	world_run(&w, 100000);
	expect_late(0, 0, MSG_PUBLISH_RESPONSE, 0);
	assert_int_equal(ask(0, status_request(51, 0), 1000), MPP_OK);
	assert_true(web_out.len > 4 * MPP_PACKET_MAX);
	assert_true(web_out.len <= MPP_WEB_ANSWER_MAX);
	expect(0, MSG_STATUS, 0);
	assert_int_equal(answer.store_status.n, 128);
	assert_false(answer.more);
	assert_int_equal(head.count, 1);
	assert_int_equal(pool_used("snapshots"), 0);
}

/* ---- the end ---- */

static void expect_close(int i, size_t k, unsigned code)
{
	expect_late(i, k, MSG_NONE, 0);
	assert_true(ext_has(&answer_ext, EXT_CLOSE));
	assert_int_equal(answer_ext.v[EXT_CLOSE].p[0], 0x40 | code >> 8);
	assert_int_equal(answer_ext.v[EXT_CLOSE].p[1], code & 255);
}

static void device_id(char out[MPP_UDF_TEXT_MAX])
{
	mpp_account_info a;
	mpp_device_info d;
	uint32_t cursor = 0;

	assert_true(mpp_service_account_find(w.s, bytes_of(alice), &a));
	assert_true(mpp_service_device_next(w.s, &a, &cursor, &d));
	(void)mpp_udf_text(d.udf, MPP_UDF_BITS, out);
}

/* A removed device that waits is told so. */
static void test_removed(void **state)
{
	char id[MPP_UDF_TEXT_MAX];

	(void)state;
	connect_by_web(0, MPP_RIGHT_SUBSCRIBE);
	assert_int_equal(ask(0, status_request(50, 0), 30000), MPP_ERR_AGAIN);
	device_id(id);
	assert_int_equal(mpp_service_device_remove(w.s, bytes_of(alice),
						   bytes_of(id), 5,
						   world_now(&w).wall),
			 MPP_OK);
	assert_int_equal(world_result(&w, 5).err, MPP_OK);
	world_run(&w, 10000);
	assert_int_equal(n_came, 1);
	expect_close(0, 0, MPP_STATUS_FORBIDDEN);
	assert_int_equal(account_at(&w.s->state, 0)->held, 0);
	assert_int_equal(pool_used("held"), 0);
	assert_int_equal(pool_used("bindings"), 0);
	assert_int_equal(ask(0, status_request(51, 0), 30000),
			 MPP_ERR_STRANGER);
}

/* So is one whose account goes, with its path and without. */
static void test_account_removed(void **state)
{
	(void)state;
	connect_by_web(0, MPP_RIGHT_SUBSCRIBE);
	assert_int_equal(ask(0, status_request(50, 0), 30000), MPP_ERR_AGAIN);
	assert_int_equal(mpp_service_account_remove(w.s, bytes_of(alice), 5,
						    world_now(&w).wall),
			 MPP_OK);
	assert_int_equal(world_result(&w, 5).err, MPP_OK);
	world_run(&w, 10000);
	assert_int_equal(n_came, 1);
	expect_close(0, 0, MPP_STATUS_FORBIDDEN);
	assert_int_equal(pool_used("bindings"), 0);
}

/* A new connection of the same instance takes the place of one that waits, and
 * there is nobody whose keys could say so. */
static void test_replaced(void **state)
{
	(void)state;
	connect_by_web(0, MPP_RIGHT_SUBSCRIBE);
	assert_int_equal(ask(0, status_request(50, 0), 30000), MPP_ERR_AGAIN);
	w.d[0].config.have_invitation = false;
	w.d[0].n_told = 0;
	carries = true;
	world_connect(&w, 0);
	carry(3000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 1);
	assert_int_equal(n_came, 1);
	assert_int_equal(came[0].len, 0);
	assert_int_equal(pool_used("held"), 0);
	assert_int_equal(account_at(&w.s->state, 0)->held, 0);
}

/* Whoever waits when the service is loaded anew hears it by a reset; here only
 * that wiping leaves nothing behind that anybody could trip over. */
static void test_stop_while_waiting(void **state)
{
	(void)state;
	connect_by_web(0, MPP_RIGHT_SUBSCRIBE);
	assert_int_equal(ask(0, status_request(50, 0), 30000), MPP_ERR_AGAIN);
	world_stop_service(&w);
	world_start_service(&w);
	n_came = 0;
	world_run(&w, 1000000);
	assert_int_equal(n_came, 0);
	assert_int_equal(ask(0, status_request(51, 0), 30000),
			 MPP_ERR_STRANGER);
}

/* ---- names ---- */

static const char *resolve_request(unsigned serial)
{
	(void)snprintf(text, sizeof(text),
		       "{\"PresenceResolveRequest\":{\"DnsRequest\":"
		       "\"AAAAAAAAAAAAAAAA\",\"Serial\":%u}}",
		       serial);
	return text;
}

static uint8_t dns[MPP_DNS_ANSWER_MAX];

static uint32_t take_resolve(void)
{
	mpp_resolve r;

	assert_true(mpp_service_next_resolve(w.s, &r));
	assert_int_equal(r.query.len, 12);
	assert_false(mpp_service_next_resolve(w.s, NULL));
	return r.id;
}

/* Without a room for datagrams: nothing may go by UDP. */
static void resolved(uint32_t id, size_t len)
{
	mpp_outbox none = {NULL, 0, 0};
	size_t i;

	for (i = 0; i < len; i++)
		dns[i] = (uint8_t)(i * 7 + i / 251);
	mpp_service_resolved(w.s, id, (mpp_bytes){dns, len}, world_now(&w),
			     &none);
}

/* A name is asked and answered by HTTP, also at length, in one packet. */
static void test_name(void **state)
{
	uint8_t room[MPP_DNS_ANSWER_MAX];
	mpp_buf out = {room, sizeof(room), 0};
	uint32_t id;

	(void)state;
	connect_by_web(0, MPP_RIGHT_SUBSCRIBE);
	assert_int_equal(ask(0, resolve_request(50), 0), MPP_ERR_AGAIN);
	id = take_resolve();
	world_run(&w, 1000000);
	assert_int_equal(n_came, 0);
	resolved(id, 9000);
	assert_int_equal(pool_used("snapshots"), 1);
	world_run(&w, 1000);
	assert_int_equal(n_came, 1);
	assert_int_equal(came[0].number, number);
	expect_late(0, 0, MSG_RESOLVE_RESPONSE, 0);
	assert_int_equal(answer.acknowledge, 50);
	assert_int_equal(msg_blob(&answer.dns_response, &out), MPP_OK);
	assert_int_equal(out.len, 9000);
	assert_memory_equal(room, dns, 9000);
	assert_int_equal(head.count, 1);
	assert_int_equal((came[0].len - PACKET_OVERHEAD) % 468, 0);
	assert_int_equal(pool_used("snapshots"), 0);
	assert_int_equal(pool_used("held"), 0);
	assert_int_equal(pool_used("resolves"), 0);
}

/* The newest of several requests for the same gets the answer. */
static void test_name_again(void **state)
{
	uint32_t id;

	(void)state;
	connect_by_web(0, MPP_RIGHT_SUBSCRIBE);
	assert_int_equal(ask(0, resolve_request(50), 0), MPP_ERR_AGAIN);
	id = take_resolve();
	assert_int_equal(ask(0, resolve_request(50), 0), MPP_ERR_AGAIN);
	assert_false(mpp_service_next_resolve(w.s, NULL));
	world_run(&w, 1000);
	assert_int_equal(n_came, 1);
	assert_int_equal(came[0].number, number - 1);
	assert_int_equal(came[0].len, 0);
	resolved(id, 100);
	world_run(&w, 1000);
	assert_int_equal(n_came, 2);
	assert_int_equal(came[1].number, number);
	expect_late(0, 1, MSG_RESOLVE_RESPONSE, 0);
}

/* Its peer went away, before or after the name was there: nothing is left,
 * and nothing goes by UDP to who has no path. */
static void test_name_of_nobody(void **state)
{
	uint32_t id;

	(void)state;
	connect_by_web(0, MPP_RIGHT_SUBSCRIBE);
	assert_int_equal(ask(0, resolve_request(50), 0), MPP_ERR_AGAIN);
	id = take_resolve();
	mpp_service_web_gone(w.s, number);
	resolved(id, 100);
	assert_int_equal(count()->no_room, 0);
	assert_int_equal(ask(0, resolve_request(51), 0), MPP_ERR_AGAIN);
	resolved(take_resolve(), 9000);
	assert_int_equal(pool_used("snapshots"), 1);
	mpp_service_web_gone(w.s, number);
	assert_int_equal(pool_used("snapshots"), 0);
	assert_int_equal(pool_used("held"), 0);
	assert_int_equal(pool_used("resolves"), 0);
	world_run(&w, 1000);
	assert_int_equal(n_came, 0);
}

/* What cannot be done is said at once, or in time. */
static void test_name_refused(void **state)
{
	(void)state;
	w.config.held = 1;
	w.config.snapshots = MPP_NO_SNAPSHOTS;
	world_stop_service(&w);
	world_start_service(&w);
	connect_by_web(0, MPP_RIGHT_SUBSCRIBE);
	assert_int_equal(ask(0, "{\"PresenceResolveRequest\":{\"Serial\":49}}",
			     0),
			 MPP_OK);
	expect(0, MSG_RESOLVE_RESPONSE, 400);
	assert_int_equal(ask(0, resolve_request(50), 0), MPP_ERR_AGAIN);
	assert_int_equal(ask(0, resolve_request(51), 0), MPP_OK);
	expect(0, MSG_RESOLVE_RESPONSE, MPP_STATUS_OVERLOADED);
	resolved(take_resolve(), 100);
	world_run(&w, 1000);
	expect_late(0, 0, MSG_RESOLVE_RESPONSE, MPP_STATUS_OVERLOADED);
	assert_int_equal(ask(0, resolve_request(52), 0), MPP_ERR_AGAIN);
	world_run(&w, 7000000);
	expect_late(0, 1, MSG_RESOLVE_RESPONSE, MPP_STATUS_TIMEOUT);
}

/* The connection ends while an answer stands ready. */
static void test_name_of_ended(void **state)
{
	static const uint8_t normal[2];
	struct wr list = wr_init(plain, sizeof(plain));

	(void)state;
	connect_by_web(0, MPP_RIGHT_SUBSCRIBE);
	assert_int_equal(ask(0, resolve_request(50), 0), MPP_ERR_AGAIN);
	resolved(take_resolve(), 9000);
	assert_int_equal(pool_used("snapshots"), 1);
	ext_put(&list, EXT_CLOSE, normal, sizeof(normal));
	ext_put_end(&list);
	(void)post_plain(0, list.n, 0);
	assert_int_equal(pool_used("snapshots"), 0);
	world_run(&w, 1000);
	assert_int_equal(n_came, 1);
	assert_int_equal(came[0].len, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_all_by_web),
		CASE(test_no_path_no_udp),
		CASE(test_path_is_proved),
		CASE(test_short_first_packet),
		CASE(test_challenge_is_of_the_host),
		CASE(test_enrolment_on_its_way),
		CASE(test_path_never_moves),
		CASE(test_udp_goes_on),
		CASE(test_stream_of_the_answer),
		CASE(test_renews_the_lease),
		CASE(test_bad_packets),
		CASE(test_resets_are_not_limited),
		CASE(test_requests),
		CASE(test_waits_for_news),
		CASE(test_time_is_up),
		CASE(test_filter),
		CASE(test_newer_replaces),
		CASE(test_peer_goes_away),
		CASE(test_limits),
		CASE(test_publish),
		CASE(test_large),
		CASE(test_name),
		CASE(test_name_again),
		CASE(test_name_of_nobody),
		CASE(test_name_refused),
		CASE(test_name_of_ended),
		CASE(test_removed),
		CASE(test_account_removed),
		CASE(test_replaced),
		CASE(test_stop_while_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
