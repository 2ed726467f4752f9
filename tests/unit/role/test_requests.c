/* SPDX-License-Identifier: MIT */
/* What a connected device may ask, byte for byte: each request is sealed here
 * with the connection's own keys and the answer is opened. */
#include "world.h"

#include "presence/message.h"
#include "role/client.h"
#include "role/service.h"

static const char alice[] = "alice@example.com";

static struct world w;

static int setup(void **state)
{
	(void)state;
	world_init(&w, 3);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_end(&w);
	return 0;
}

/* ---- a datagram of our own making ---- */

static mpp_datagram slots[64];
static mpp_outbox out;
static struct msg answer;
static mpp_bytes answer_text;
static struct rud_header answer_head;

static void send_plain(const void *plain, size_t len, uint8_t flags)
{
	struct link *l = link_cur(w.d[0].c);
	struct rud_header h = {.index = l->tx_next++, .count = 1};
	uint8_t p[MPP_PACKET_MAX] = {0};
	size_t padded = packet_padded(len, 0);

	h.flags = (uint8_t)(FLAG_FINAL | flags);
	memcpy(p + PACKET_HEAD, plain, len);
	assert_int_equal(packet_seal(&w.crypto, &l->tx, l->service_id, &h, p,
				     padded),
			 MPP_OK);
	out = (mpp_outbox){slots, 64, 0};
	(void)mpp_service_receive(
		w.s, (mpp_buf){p, sizeof(p), padded + PACKET_OVERHEAD},
		&w.d[0].addr, world_now(&w), &out);
}

/* An empty extension list and a message in JSON text. */
static void ask(const char *json)
{
	uint8_t plain[MPP_PACKET_MAX];
	size_t n = strlen(json);

	plain[0] = EXT_END;
	memcpy(plain + 1, json, n);
	send_plain(plain, n + 1, 0);
}

/* Open answer number i. */
static void read_answer(size_t i)
{
	struct link *l = link_cur(w.d[0].c);
	mpp_datagram *d = &slots[i];
	mpp_bytes rest;

	assert_true(i < out.n);
	assert_int_equal(packet_header(&w.crypto, &l->rx, d->data,
				       &answer_head),
			 MPP_OK);
	assert_int_equal(packet_open(&w.crypto, &l->rx, &answer_head, d->data,
				     d->len),
			 MPP_OK);
	assert_int_equal(d->data[PACKET_HEAD], EXT_END);
	answer_text = (mpp_bytes){d->data + PACKET_HEAD + 1,
				  d->len - PACKET_OVERHEAD - 1u};
	memset(&answer, 0, sizeof(answer));
	if (answer_text.p[0] != 0)
		assert_int_equal(msg_decode(answer_text, &answer, &rest),
				 MPP_OK);
}

static void expect(enum msg_type type, unsigned status)
{
	assert_int_equal(out.n, 1);
	read_answer(0);
	assert_string_equal(msg_type_name(answer.type), msg_type_name(type));
	assert_int_equal(answer.status, status);
}

static bool text_has(const char *s)
{
	return memmem(answer_text.p, answer_text.len, s, strlen(s)) != NULL;
}

/* ---- the table of requests ---- */

struct row {
	const char *what;
	const char *json;
	enum msg_type type; /* MSG_NONE: no answer */
	unsigned status;
};

static void test_requests(void **state)
{
	static const struct row rows[] = {
		{"heartbeat", "{\"PresenceHeartbeat\":{\"Serial\":100}}",
		 MSG_STATUS, 0},
		{"the same again is answered again",
		 "{\"PresenceHeartbeat\":{\"Serial\":100}}", MSG_STATUS, 0},
		{"a lower serial", "{\"PresenceHeartbeat\":{\"Serial\":99}}",
		 MSG_INVALID_SERIAL, 0},
		{"endpoint", "{\"PresenceEndpointRequest\":{\"Serial\":101}}",
		 MSG_ENDPOINT_RESPONSE, 0},
		{"unknown members are ignored",
		 "{\"PresenceHeartbeat\":{\"Serial\":102,\"Colour\":{\"a\":"
		 "[1,2,{}]}}}",
		 MSG_STATUS, 0},
		{"status", "{\"PresenceStatusRequest\":{\"Serial\":103}}",
		 MSG_STATUS, 0},
		{"no such request", "{\"PresenceDance\":{\"Serial\":104}}",
		 MSG_ERROR, 400},
		{"a response is no request",
		 "{\"PresenceNotify\":{\"Serial\":105}}", MSG_ERROR, 400},
		{"no serial", "{\"PresenceHeartbeat\":{}}", MSG_STATUS, 400},
		{"serial zero", "{\"PresenceHeartbeat\":{\"Serial\":0}}",
		 MSG_STATUS, 400},
		{"serial too large",
		 "{\"PresenceHeartbeat\":{\"Serial\":4294967296}}", MSG_STATUS,
		 400},
		{"serial of the wrong kind",
		 "{\"PresenceHeartbeat\":{\"Serial\":\"7\"}}", MSG_ERROR, 400},
		{"negative serial", "{\"PresenceHeartbeat\":{\"Serial\":-1}}",
		 MSG_ERROR, 400},
		{"a member twice",
		 "{\"PresenceHeartbeat\":{\"Serial\":106,\"Serial\":107}}",
		 MSG_ERROR, 400},
		{"not an object", "[1]", MSG_ERROR, 400},
		{"two types",
		 "{\"PresenceHeartbeat\":{\"Serial\":108},\"A\":1}", MSG_ERROR,
		 400},
		{"not closed", "{\"PresenceHeartbeat\":{\"Serial\":109}",
		 MSG_ERROR, 400},
		{"something behind it",
		 "{\"PresenceHeartbeat\":{\"Serial\":110}}x", MSG_ERROR, 400},
		{"not JSON", "{{", MSG_ERROR, 400},
		{"not UTF-8",
		 "{\"PresenceHeartbeat\":{\"Serial\":111,\"a\":\""
		 "\xff\"}}",
		 MSG_ERROR, 400},
		{"nested too deeply",
		 "{\"PresenceHeartbeat\":{\"a\":[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]"
		 "}}",
		 MSG_ERROR, 400},
		{"may not publish",
		 "{\"PresencePublishRequest\":{\"Serial\":112,\"StoreStatus\":"
		 "[{\"Store\":\"a\",\"Index\":1}]}}",
		 MSG_PUBLISH_RESPONSE, 403},
		{"a store without index",
		 "{\"PresencePublishRequest\":{\"Serial\":113,\"StoreStatus\":"
		 "[{\"Store\":\"a\"}]}}",
		 MSG_ERROR, 400},
		{"a store name that is too long",
		 "{\"PresenceStatusRequest\":{\"Serial\":114,\"Stores\":[\""
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		 "aaaaaaaaaaaa\"]}}",
		 MSG_ERROR, 400},
		{"unsubscribe",
		 "{\"PresenceDisconnectRequest\":{\"Serial\":"
		 "120}}",
		 MSG_DISCONNECT_RESPONSE, 0},
		{"and again",
		 "{\"PresenceDisconnectRequest\":{\"Serial\":121}}",
		 MSG_DISCONNECT_RESPONSE, 0},
		{"subscribe again",
		 "{\"PresenceConnectRequest\":{\"Serial\":122}}",
		 MSG_CONNECT_RESPONSE, 0},
		{"an acknowledgement is not answered",
		 "{\"PresenceAcknowledge\":{\"Acknowledge\":1}}", MSG_NONE, 0},
	};
	size_t i;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("%s\n", rows[i].what);
		ask(rows[i].json);
		if (rows[i].type == MSG_NONE)
			assert_int_equal(out.n, 0);
		else
			expect(rows[i].type, rows[i].status);
	}
}

/* Every answer says where the request came from, when, and to which request
 * it belongs; in JSON to one who asked in JSON. */
static void test_answer_members(void **state)
{
	(void)state;
	world_subscribed(&w, alice, 0, 1);
	ask("{\"PresenceEndpointRequest\":{\"Serial\":7}}");
	expect(MSG_ENDPOINT_RESPONSE, 0);
	assert_true(answer.json);
	assert_int_equal(answer.acknowledge, 7);
	assert_int_equal(answer.endpoint.port, 40000);
	assert_memory_equal(answer.endpoint.ip, w.d[0].addr.ip, 16);
	assert_int_equal(answer.now_s, world_now(&w).wall.us / 1000000);
	/* 1700000000 s since 1970 is 2023-11-14T22:13:20Z (date -u). */
	assert_int_equal(answer.ticks / 10000000 - UINT64_C(62135596800),
			 answer.now_s);
	assert_int_equal(answer_head.flags, FLAG_FINAL | FLAG_ACK);
	assert_true(text_has("\"Acknowledge\":7"));
}

/* LeapSeconds is there while it is known to be right, and no longer. */
static void test_leap_seconds(void **state)
{
	(void)state;
	world_subscribed(&w, alice, 0, 1);
	ask("{\"PresenceHeartbeat\":{\"Serial\":7}}");
	expect(MSG_STATUS, 0);
	assert_false(msg_has(&answer, FIELD_LEAP_SECONDS));
	mpp_service_leap_seconds(w.s, 37,
				 (mpp_wall){world_now(&w).wall.us + 1000000});
	ask("{\"PresenceHeartbeat\":{\"Serial\":8}}");
	expect(MSG_STATUS, 0);
	assert_int_equal(answer.leap_seconds, 37);
	world_run(&w, 1000000);
	ask("{\"PresenceHeartbeat\":{\"Serial\":9}}");
	expect(MSG_STATUS, 0);
	assert_false(msg_has(&answer, FIELD_LEAP_SECONDS));
}

/* A header that no client may send is dropped unopened; the control is the
 * same packet with the right one. */
static void test_header_rules(void **state)
{
	static const struct {
		const char *what;
		struct rud_header h;
		size_t answers;
	} rows[] = {
		{"two packets", {0, 9, 2, 0, 0, 0, 0}, 0},
		{"the second of two", {0, 9, 2, 1, 0, 0, 0}, 0},
		{"a repetition", {0, 9, 1, 0, 1, 0, 0}, 0},
		{"no packet", {0, 9, 0, 0, 0, 0, 0}, 0},
		{"not final", {0, 8, 1, 0, 0, 0, 0}, 0},
		{"an unknown flag", {0, 9 | 2, 1, 0, 0, 0, 0}, 0},
		{"a high unknown flag", {0, 9 | 128, 1, 0, 0, 0, 0}, 0},
		{"the control", {0, 9, 1, 0, 0, 0, 0}, 1},
	};
	uint8_t p[MPP_PACKET_MAX];
	size_t i;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct link *l = link_cur(w.d[0].c);
		struct rud_header h = rows[i].h;

		print_message("%s\n", rows[i].what);
		h.index = l->tx_next++;
		memset(p, 0, sizeof(p));
		p[PACKET_HEAD] = EXT_END;
		assert_int_equal(packet_seal(&w.crypto, &l->tx, l->service_id,
					     &h, p, 64),
				 MPP_OK);
		out = (mpp_outbox){slots, 64, 0};
		(void)mpp_service_receive(
			w.s, (mpp_buf){p, sizeof(p), 64 + PACKET_OVERHEAD},
			&w.d[0].addr, world_now(&w), &out);
		assert_int_equal(out.n, rows[i].answers);
	}
	assert_int_equal(mpp_service_count(w.s)->drop_header, 7);
}

/* Publications use the encoding of the last request. */
static size_t json_notifies, jsonb_notifies;

static int look_at_encoding(struct world *world, const struct flying *f)
{
	struct link *l = link_cur(world->d[0].c);
	uint8_t p[MPP_PACKET_MAX];
	struct rud_header h;

	if (f->to_service)
		return 0;
	memcpy(p, f->data, f->len);
	assert_int_equal(packet_header(&w.crypto, &l->rx, p, &h), MPP_OK);
	assert_int_equal(packet_open(&w.crypto, &l->rx, &h, p, f->len), MPP_OK);
	json_notifies += memcmp(p + PACKET_HEAD + 1, "{\"PresenceNotify", 16) ==
			 0;
	jsonb_notifies +=
		memcmp(p + PACKET_HEAD + 1, "{\x80\x0ePresence", 11) == 0;
	return 0;
}

static void test_encoding(void **state)
{
	(void)state;
	world_subscribed(&w, alice, 0, 1);
	json_notifies = jsonb_notifies = 0;
	w.drop = look_at_encoding;
	world_publish(&w, alice, "a", 1);
	world_run(&w, 100000);
	assert_int_equal(jsonb_notifies, 1);
	assert_int_equal(json_notifies, 0);
	ask("{\"PresenceHeartbeat\":{\"Serial\":7}}");
	world_publish(&w, alice, "a", 2);
	world_run(&w, 100000);
	assert_int_equal(json_notifies, 1);
	assert_int_equal(world_last(&w.d[0], MPP_EV_PUBLICATION)->index[0], 2);
}

/* A heartbeat and an acknowledgement cannot be told apart by their size; nor
 * can notifications of one and of two stores. */
static uint64_t sizes[2048];

static int note_size(struct world *world, const struct flying *f)
{
	(void)world;
	sizes[f->len]++;
	return 0;
}

static void test_padding(void **state)
{
	size_t i, kinds = 0;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	memset(sizes, 0, sizeof(sizes));
	w.drop = note_size;
	for (i = 1; i <= 20; i++) {
		world_publish(&w, alice, "mmm_Inbound", i * i * i * 1000);
		world_run(&w, 30000000);
	}
	for (i = 0; i < 2048; i++) {
		if (sizes[i] == 0)
			continue;
		print_message("%zu octets: %u datagrams\n", i,
			      (unsigned)sizes[i]);
		kinds++;
		assert_int_equal((i - PACKET_OVERHEAD) % 64, 0);
	}
	/* From the device one size, from the service notification and answer. */
	assert_true(kinds >= 2 && kinds <= 3);
}

/* A heartbeat of a device that is behind brings the state with it. */
static int drop_notify(struct world *world, const struct flying *f)
{
	(void)world;
	return !f->to_service;
}

static void test_heartbeat_heals(void **state)
{
	uint64_t serial;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	w.drop = drop_notify;
	serial = world_publish(&w, alice, "mmm_Inbound", 3);
	world_run(&w, 10000);
	assert_int_equal(mpp_service_count(w.s)->notifies, 1);
	w.drop = NULL;
	ask("{\"PresenceHeartbeat\":{\"Serial\":9,\"Acknowledge\":0}}");
	read_answer(0);
	assert_int_equal(answer.serial, serial);
	assert_int_equal(answer.store_status.n, 1);
	assert_true(text_has("\"Bitmask\":\"BAAAAA\"")); /* bit 2: Inbound */
}

/* A request from elsewhere is answered there; publications stay. */
static void test_answer_goes_back(void **state)
{
	mpp_addr home = w.d[0].addr;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	home = w.d[0].addr;
	w.d[0].addr.port = 41000;
	ask("{\"PresenceEndpointRequest\":{\"Serial\":7}}");
	assert_int_equal(slots[0].to.port, 41000);
	expect(MSG_ENDPOINT_RESPONSE, 0);
	assert_int_equal(answer.endpoint.port, 41000);
	w.d[0].addr = home;
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 1000000);
	assert_int_equal(world_last(&w.d[0], MPP_EV_PUBLICATION)->endpoint.port,
			 40000);
}

/* To another address than the proven one at most three times what came from
 * there is sent, and what does not fit is said to be missing. */
static void test_unproved_path(void **state)
{
	static const char request[] =
		"{\"PresenceStatusRequest\":{\"Serial\":%u,\"Ignored\":"
		"\"so that there is room for a challenge and an answer\"}}";
	char text[160], name[40];
	size_t asked, i, there = 0;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	for (i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "a-store-of-some-length-%u",
			 (unsigned)i);
		world_publish(&w, alice, name, 1);
	}
	world_run(&w, 1000000);
	snprintf(text, sizeof(text), request, 50);
	asked = packet_padded(strlen(text) + 1, 0) + PACKET_OVERHEAD;
	/* The control: at home the answer is longer than that. */
	ask(text);
	assert_true(slots[0].len > 3 * asked);
	expect(MSG_STATUS, 0);
	w.d[0].addr.port = 41000;
	snprintf(text, sizeof(text), request, 51);
	ask(text);
	for (i = 0; i < out.n; i++)
		there += slots[i].to.port == 41000 ? slots[i].len : 0;
	assert_true(there > asked && there <= 3 * asked);
	/* The challenges of both paths went before. */
	assert_int_equal(out.n, 3);
	assert_int_equal(slots[2].to.port, 41000);
	read_answer(2);
	assert_int_equal(answer.type, MSG_STATUS);
	assert_true(answer.more);
	w.d[0].addr.port = 40000;
}

/* Unsubscribed: nothing comes, not even repetitions of what was under way. */
static void test_unsubscribe(void **state)
{
	uint64_t sent;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	w.drop = drop_notify;
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 30000);
	ask("{\"PresenceDisconnectRequest\":{\"Serial\":50}}");
	expect(MSG_DISCONNECT_RESPONSE, 0);
	sent = mpp_service_count(w.s)->notifies;
	assert_true(sent > 0); /* the control */
	world_publish(&w, alice, "mmm_Inbound", 2);
	world_run(&w, 2000000);
	assert_int_equal(mpp_service_count(w.s)->notifies, sent);
}

/* An empty datagram that asks for an acknowledgement gets one. */
static void test_probe_answered(void **state)
{
	static const uint8_t empty[1] = {EXT_END};

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	send_plain(empty, 1, FLAG_ACK_WANTED);
	assert_int_equal(out.n, 1);
	read_answer(0);
	assert_int_equal(answer.type, MSG_NONE);
	assert_int_equal(answer_head.flags, FLAG_FINAL | FLAG_ACK);
	assert_int_equal(answer_head.ack_index,
			 (uint32_t)link_cur(w.d[0].c)->tx_next - 1);
	assert_int_equal(answer_head.ack_bits, 1);
	/* It does not ask for one itself, or it would never end. */
	send_plain(empty, 1, 0);
	assert_int_equal(out.n, 0);
}

/* A list of extensions that is not one, or dirty padding: 400. */
static void test_bad_plaintext(void **state)
{
	static const uint8_t twice[] = {144, 0, 144, 0, EXT_END};
	static const uint8_t open_list[64] = {1, 1, 1, 1};
	static const uint8_t dirty[] = {EXT_END, 0, 0, 1};

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	send_plain(twice, sizeof(twice), 0);
	expect(MSG_ERROR, 400);
	send_plain(open_list, sizeof(open_list), 0);
	expect(MSG_ERROR, 400);
	send_plain(dirty, sizeof(dirty), 0);
	expect(MSG_ERROR, 400);
}

/* ---- lease and states ---- */

static const char *state_of(void)
{
	mpp_account_info a;
	mpp_device_info d;
	mpp_connection_info c;
	uint32_t i = 0, k = 0;

	assert_true(mpp_service_account_find(w.s, bytes_of(alice), &a));
	assert_true(mpp_service_device_next(w.s, &a, &i, &d));
	if (!mpp_service_connection_next(w.s, &d, &k, world_now(&w), &c))
		return "none";
	return c.state;
}

/* The device falls silent: it is probed at lease, + W, + 2 W, and offline at
 * lease + 3 W with W = 1 s; then kept for the idle time. */
static void test_lease(void **state)
{
	uint64_t sent;

	(void)state;
	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE)->config.lease_ms = 20000;
	world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE);
	world_connect(&w, 0);
	world_run(&w, 2000000);
	world_publish(&w, alice, "mmm_Inbound", 1);
	world_run(&w, 1000000);
	free(w.d[0].c);
	w.d[0].c = NULL;
	sent = mpp_service_count(w.s)->sent;
	world_run(&w, 18500000);
	assert_string_equal(state_of(), "connected");
	assert_int_equal(mpp_service_count(w.s)->sent, sent);
	world_run(&w, 1000000); /* 20.5 s after its last word */
	assert_string_equal(state_of(), "overdue");
	assert_int_equal(mpp_service_count(w.s)->sent, sent + 1);
	world_run(&w, 2000000);
	assert_string_equal(state_of(), "overdue");
	assert_int_equal(mpp_service_count(w.s)->sent, sent + 3);
	assert_int_equal(mpp_service_count(w.s)->offline, 0);
	world_run(&w, 1000000);
	assert_string_equal(state_of(), "closed");
	assert_int_equal(mpp_service_count(w.s)->offline, 1);
	/* Offline: nothing is repeated to it. */
	sent = mpp_service_count(w.s)->sent;
	world_publish(&w, alice, "mmm_Inbound", 2);
	world_run(&w, 60000000);
	assert_int_equal(mpp_service_count(w.s)->sent, sent);
	world_run(&w, UINT64_C(3600000000));
	assert_string_equal(state_of(), "none");
}

/* One that comes back within the idle time goes on where it was. */
static void test_back_from_closed(void **state)
{
	uint64_t serial;

	(void)state;
	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	w.d[0].config.lease_ms = 10000;
	w.d[0].config.keepalive_ms = 60000;
	world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE);
	world_connect(&w, 0);
	world_run(&w, 2000000);
	w.drop = drop_notify;
	world_run(&w, 20000000);
	assert_string_equal(state_of(), "closed");
	serial = world_publish(&w, alice, "mmm_Inbound", 1);
	w.drop = NULL;
	world_run(&w, 60000000);
	assert_string_equal(state_of(), "connected");
	assert_int_equal(world_last(&w.d[0], MPP_EV_PUBLICATION)->serial,
			 serial);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CONNECTED), 1);
}

static void test_every_rule(void **state)
{
	enum binding_state s;
	enum binding_event e;

	(void)state;
	for (s = BINDING_INITIAL; s < BINDING_STATES; s++) {
		for (e = EVENT_CONFIRMED; e < BINDING_EVENTS; e++) {
			const struct binding_rule *r = binding_rule(s, e);

			/* FREE is where it ends, and only with ACT_FREE. */
			assert_true((r->next == BINDING_FREE) ==
				    ((r->action & ACT_FREE) != 0));
		}
	}
}

static void test_close(void **state)
{
	(void)state;
	world_subscribed(&w, alice, 0, 1);
	mpp_client_close(w.d[0].c, world_now(&w));
	world_run(&w, 1000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_CLOSED), 1);
	assert_string_equal(state_of(), "none");
	assert_int_equal(mpp_service_count(w.s)->closed, 1);
}

/* ---- what applications ask ---- */

static void test_client_requests(void **state)
{
	mpp_store_status st = {bytes_of("mmm_Contact"), 4, {NULL, 0}};
	uint32_t a, b, c;
	struct world_device *d = &w.d[0];

	(void)state;
	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE | MPP_RIGHT_PUBLISH);
	world_connect(&w, 0);
	world_run(&w, 2000000);
	assert_int_equal(mpp_client_endpoint(d->c, world_now(&w), &a), MPP_OK);
	assert_int_equal(mpp_client_publish(d->c, &st, 1, world_now(&w), &b),
			 MPP_OK);
	world_run(&w, 2000000);
	assert_int_equal(mpp_client_status(d->c, world_now(&w), &c), MPP_OK);
	world_run(&w, 2000000);
	assert_int_equal(world_count(d, MPP_EV_RESPONSE), 3);
	assert_int_equal(d->told[1].request, a);
	assert_int_equal(d->told[1].endpoint.port, 40000);
	assert_int_equal(world_last(d, MPP_EV_RESPONSE)->request, c);
	assert_int_equal(world_last(d, MPP_EV_RESPONSE)->index[0], 4);
	/* Its own publication reached it like any other device's. */
	assert_int_equal(world_last(d, MPP_EV_PUBLICATION)->index[0], 4);
	assert_true(a != b && b != c);
}

/* What a publish answers: at once when nothing changed, else when durable;
 * Skipped in both cases. */
static const struct flying *last_to_device;
static struct flying kept;

static int keep_answer(struct world *world, const struct flying *f)
{
	(void)world;
	if (f->to_service)
		return 0;
	kept = *f;
	last_to_device = &kept;
	return 1;
}

static void publish_as_device(const char *json)
{
	ask(json);
	if (out.n == 0) { /* when it is durable */
		last_to_device = NULL;
		w.drop = keep_answer;
		world_run(&w, 5000);
		w.drop = NULL;
		assert_non_null(last_to_device);
		memcpy(slots[0].data, kept.data, kept.len);
		slots[0].len = (uint16_t)kept.len;
		out.n = 1;
	}
	expect(MSG_PUBLISH_RESPONSE, 0);
}

static void test_publish_by_device(void **state)
{
	static const char alien[] =
		"{\"PresencePublishRequest\":{\"Serial\":14,\"Account\":"
		"\"@bob\",\"StoreStatus\":[{\"Store\":\"a\",\"Index\":9}]}}";
	uint64_t serial;

	(void)state;
	world_account(&w, alice);
	world_device(&w, 0, alice, MPP_MODE_ENROLL);
	world_invite(&w, 0, alice, MPP_RIGHT_SUBSCRIBE | MPP_RIGHT_PUBLISH);
	world_connect(&w, 0);
	world_run(&w, 2000000);
	publish_as_device("{\"PresencePublishRequest\":{\"Serial\":10,"
			  "\"Account\":\"ALICE@example.com\",\"StoreStatus\":"
			  "[{\"Store\":\"a\",\"Index\":5},"
			  "{\"Store\":\"b\",\"Index\":5}]}}");
	serial = answer.serial;
	assert_true(serial > 0);
	assert_int_equal(answer.acknowledge, 10);
	assert_int_equal(answer.skipped.n, 0);
	/* One newer, one older: it waits for the disk and names the older. */
	publish_as_device("{\"PresencePublishRequest\":{\"Serial\":11,"
			  "\"StoreStatus\":[{\"Store\":\"a\",\"Index\":4},"
			  "{\"Store\":\"b\",\"Index\":6}]}}");
	assert_true(answer.serial > serial);
	assert_int_equal(answer.skipped.n, 1);
	assert_true(text_has("\"Skipped\":[\"a\"]"));
	/* Nothing newer: at once. */
	publish_as_device("{\"PresencePublishRequest\":{\"Serial\":12,"
			  "\"StoreStatus\":[{\"Store\":\"b\",\"Index\":1},"
			  "{\"Store\":\"a\",\"Index\":5}]}}");
	assert_true(text_has("\"Skipped\":[\"b\"]"));
	/* It may not reset, nor publish for others. */
	ask("{\"PresencePublishRequest\":{\"Serial\":13,\"Reset\":true,"
	    "\"StoreStatus\":[{\"Store\":\"b\",\"Index\":1}]}}");
	expect(MSG_PUBLISH_RESPONSE, 403);
	ask(alien);
	expect(MSG_PUBLISH_RESPONSE, 403);
	ask("{\"PresencePublishRequest\":{\"Serial\":15,\"StoreStatus\":"
	    "[{\"Store\":\"b\",\"Index\":1,\"Index\":2}]}}");
	expect(MSG_ERROR, 400);
}

static void test_client_requests_lossy(void **state)
{
	struct world_device *d = &w.d[0];
	uint32_t a, i;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	w.loss_pct = 30;
	w.dup_pct = 20;
	w.jitter_us = 50000;
	for (i = 1; i <= 30; i++) {
		assert_int_equal(mpp_client_status(d->c, world_now(&w), &a),
				 MPP_OK);
		world_run(&w, 20000000);
		assert_int_equal(world_count(d, MPP_EV_RESPONSE), i);
	}
	assert_true(w.lost > 10);
}

static void test_client_limits(void **state)
{
	struct world_device *d = &w.d[0];
	mpp_store_status st = {bytes_of("mmm_Contact"), 4, {NULL, 0}};
	static mpp_store_status many[40];
	static char names[40][40];
	uint32_t r, i;

	(void)state;
	world_device(&w, 0, alice, MPP_MODE_SUBSCRIBE);
	assert_int_equal(mpp_client_init(&r, sizeof(r), &d->config, &w.crypto,
					 &d->c),
			 MPP_ERR_NOSPACE);
	assert_null(d->c);
	world_subscribed(&w, alice, 0, 1);
	for (i = 0; i < 40; i++) {
		snprintf(names[i], sizeof(names[i]),
			 "a-store-of-some-length-%u", i);
		many[i] = (mpp_store_status){bytes_of(names[i]), i, {NULL, 0}};
	}
	assert_int_equal(mpp_client_publish(d->c, many, 40, world_now(&w), &r),
			 MPP_ERR_NOSPACE);
	assert_int_equal(mpp_client_publish(d->c, &st, 0, world_now(&w), &r),
			 MPP_ERR_INVALID);
	for (i = 0; i < 4; i++)
		assert_int_equal(mpp_client_status(d->c, world_now(&w), &r),
				 MPP_OK);
	assert_int_equal(mpp_client_status(d->c, world_now(&w), &r),
			 MPP_ERR_AGAIN);
	mpp_client_close(d->c, world_now(&w));
	world_run(&w, 1000000);
	assert_int_equal(mpp_client_status(d->c, world_now(&w), &r),
			 MPP_ERR_STATE);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_requests),
		CASE(test_answer_members),
		CASE(test_leap_seconds),
		CASE(test_header_rules),
		CASE(test_encoding),
		CASE(test_padding),
		CASE(test_heartbeat_heals),
		CASE(test_answer_goes_back),
		CASE(test_unproved_path),
		CASE(test_unsubscribe),
		CASE(test_probe_answered),
		CASE(test_bad_plaintext),
		CASE(test_lease),
		CASE(test_back_from_closed),
		cmocka_unit_test(test_every_rule),
		CASE(test_close),
		CASE(test_client_requests),
		CASE(test_publish_by_device),
		CASE(test_client_requests_lossy),
		CASE(test_client_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
