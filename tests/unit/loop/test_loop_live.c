/* SPDX-License-Identifier: MIT */
/* test_loop_live.c - the loop against the real engine over real sockets:
 * enrolling, refusals, addresses that are dead, a service that goes away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>

#include <cmocka.h>

#include <mpp/loop.h>

#include "loop/gateway.h"
#include "loop/loop.h"
#include "role/client.h"
#include "unit/loop/live.h"

static const char alice[] = "alice@example.com";

enum {
	LIFE_MS = 600000,
	TIMEOUT_MS = 20000,
};

static struct live service;
static char root[64], dir[96];
static char uri_room[1024];

static int begin(void **state)
{
	(void)state;
	(void)snprintf(root, sizeof(root), "/tmp/mpp-live-XXXXXX");
	if (mkdtemp(root) == NULL)
		return -1;
	(void)snprintf(dir, sizeof(dir), "%s/device", root);
	live_start(&service, 0x11, -1);
	live_account(&service, alice);
	return 0;
}

static int end(void **state)
{
	char command[96];

	(void)state;
	(void)close(live_end(&service));
	(void)snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

/* The text of a secret of one octet: Base32 of 'A' x 16 and so on, computed
 * with Python's base64. */
static const char *secret_text(uint8_t octet)
{
	switch (octet) {
	case 0x41:
		return "IFAUCQKBIFAUCQKBIFAUCQKBIE";
	case 0x42:
		return "IJBEEQSCIJBEEQSCIJBEEQSCII";
	default:
		fail();
		return NULL;
	}
}

/* An invitation; @p before are endpoints to stand before the service's. */
static const char *uri(uint8_t octet, const char *pin, const char *before)
{
	(void)snprintf(uri_room, sizeof(uri_room),
		       "mpp://127.0.0.1:%u/%s?k=%s#%s", service.port, alice,
		       pin, secret_text(octet));
	if (before != NULL)
		(void)snprintf(uri_room, sizeof(uri_room),
			       "mpp://%s/%s?e=127.0.0.1:%u&k=%s#%s", before,
			       alice, service.port, pin, secret_text(octet));
	return uri_room;
}

static void enroll_here(void)
{
	mpp_loop_error e = {.text = ""};

	live_invite(&service, alice, 0x41, LIFE_MS);
	if (mpp_loop_enroll(dir, uri(0x41, service.pin, NULL), TIMEOUT_MS, NULL,
			    &e) != MPP_OK)
		fail_msg("%s", e.text);
}

static mpp_loop *open_mode(mpp_client_mode mode, uint32_t keepalive_ms)
{
	const mpp_loop_config config = {
		.state_dir = dir,
		.mode = mode,
		.keepalive_ms = keepalive_ms,
		.timeout_ms = TIMEOUT_MS,
	};
	mpp_loop_error e = {.text = ""};
	mpp_loop *l = NULL;

	if (mpp_loop_open(&config, &l, &e) != MPP_OK)
		fail_msg("%s", e.text);
	return l;
}

/* Wait for an event of this kind; others pass by. */
static mpp_client_event expect(mpp_loop *l, mpp_client_event_kind kind)
{
	mpp_client_event ev;
	const uint64_t until = mpp_loop_now(l).mono.us + 30000000;
	mpp_err err;

	for (;;) {
		err = mpp_loop_wait(l, 1000, &ev);
		if (err != MPP_OK && err != MPP_ERR_AGAIN)
			fail_msg("%s: %s", mpp_err_name(err),
				 mpp_loop_last_error(l)->text);
		if (err == MPP_OK && ev.kind == kind)
			return ev;
		if (mpp_loop_now(l).mono.us > until)
			fail_msg("event %d did not come", (int)kind);
	}
}

static struct loop_state stored(void)
{
	struct loop_state s;
	mpp_loop_error e = {.text = ""};

	if (loop_state_load(dir, &s, &e) != MPP_OK)
		fail_msg("%s", e.text);
	return s;
}

static void assert_publication(const mpp_client_event *ev, const char *store,
			       uint64_t index)
{
	uint8_t room[MPP_STORE_MAX + MPP_DIGEST_MAX];
	mpp_buf scratch = {room, sizeof(room), 0};
	mpp_store_status status;
	size_t cursor = 0;

	assert_true(mpp_client_store_next(ev, &cursor, &scratch, &status));
	assert_int_equal(status.store.len, strlen(store));
	assert_memory_equal(status.store.p, store, strlen(store));
	assert_true(status.index == index);
	scratch.len = 0;
	assert_false(mpp_client_store_next(ev, &cursor, &scratch, &status));
}

static void a_device_enrols_subscribes_and_hears(void **state)
{
	char id[MPP_UDF_TEXT_MAX], text[MPP_UDF_TEXT_MAX];
	uint8_t udf[MPP_UDF_LEN];
	mpp_loop_error e = {.text = ""};
	mpp_client_event ev;
	struct loop_state s;
	uint64_t serial, before;
	mpp_loop *l;

	(void)state;
	live_invite(&service, alice, 0x41, LIFE_MS);
	assert_int_equal(mpp_loop_enroll(dir, uri(0x41, service.pin, NULL),
					 TIMEOUT_MS, id, &e),
			 MPP_OK);
	assert_true(live_count(&service).enrolled == 1);
	s = stored();
	assert_false(s.pending);
	assert_int_equal(s.service_suite, MPP_SUITE_25519);
	assert_true(s.timestamp_ms > 0);

	l = open_mode(MPP_MODE_SUBSCRIBE, 0);
	mpp_client_udf(mpp_loop_client(l), udf);
	(void)mpp_udf_text(udf, MPP_UDF_BITS, text);
	assert_string_equal(id, text);
	ev = expect(l, MPP_EV_CONNECTED);
	assert_int_equal(ev.endpoint.port, mpp_loop_port(l));
	assert_int_equal(ev.lease_ms, 10000);
	before = mpp_loop_now(l).mono.us;
	serial = live_publish(&service, alice, "mmm_Inbound", 42);
	ev = expect(l, MPP_EV_PUBLICATION);
	assert_true(mpp_loop_now(l).mono.us - before < 1000000);
	assert_true(ev.serial == serial);
	assert_publication(&ev, "mmm_Inbound", 42);
	/* Two Diffie-Hellman at least lie between asking and the answer. */
	assert_in_range(ev.rtt_us, 50, 1000000);
	mpp_loop_close(l);
	assert_true(stored().timestamp_ms > s.timestamp_ms);
}

/* Wait until a counter of the service has risen above @p before. */
#define ASSERT_RISES(counter, before)                              \
	do {                                                       \
		int tries = 0;                                     \
		while (live_count(&service).counter <= (before)) { \
			assert_true(++tries < 1000);               \
			(void)poll(NULL, 0, LIVE_STEP_MS);         \
		}                                                  \
	} while (0)

static void closing_says_goodbye(void **state)
{
	mpp_loop *l;

	(void)state;
	enroll_here();
	ASSERT_RISES(closed, 0);
	l = open_mode(MPP_MODE_SUBSCRIBE, 0);
	(void)expect(l, MPP_EV_CONNECTED);
	ASSERT_RISES(confirmed, 1);
	assert_true(live_count(&service).closed == 1);
	mpp_loop_close(l);
	ASSERT_RISES(closed, 1);
}

static void the_same_invitation_again_is_harmless(void **state)
{
	char first[MPP_UDF_TEXT_MAX], second[MPP_UDF_TEXT_MAX];
	mpp_loop_error e = {.text = ""};

	(void)state;
	live_invite(&service, alice, 0x41, LIFE_MS);
	assert_int_equal(mpp_loop_enroll(dir, uri(0x41, service.pin, NULL),
					 TIMEOUT_MS, first, &e),
			 MPP_OK);
	if (mpp_loop_enroll(dir, uri(0x41, service.pin, NULL), TIMEOUT_MS,
			    second, &e) != MPP_OK)
		fail_msg("%s", e.text);
	assert_string_equal(first, second);
	assert_false(stored().pending);
}

static void a_used_invitation_is_refused_to_another_device(void **state)
{
	mpp_loop_error e = {.text = ""};

	(void)state;
	enroll_here();
	(void)snprintf(dir, sizeof(dir), "%s/other", root);
	assert_int_equal(mpp_loop_enroll(dir, uri(0x41, service.pin, NULL),
					 TIMEOUT_MS, NULL, &e),
			 MPP_ERR_REFUSED);
	assert_int_equal(e.exit_code, EX_NOPERM);
	assert_non_null(strstr(e.text, "new invitation"));
	/* The key stays, for a better invitation. */
	assert_true(stored().pending);
	live_invite(&service, alice, 0x42, LIFE_MS);
	assert_int_equal(mpp_loop_enroll(dir, uri(0x42, service.pin, NULL),
					 TIMEOUT_MS, NULL, &e),
			 MPP_OK);
	assert_false(stored().pending);
}

static void an_expired_invitation_is_refused(void **state)
{
	mpp_loop_error e = {.text = ""};

	(void)state;
	live_invite(&service, alice, 0x41, 50);
	(void)poll(NULL, 0, 200);
	assert_int_equal(mpp_loop_enroll(dir, uri(0x41, service.pin, NULL),
					 TIMEOUT_MS, NULL, &e),
			 MPP_ERR_REFUSED);
	assert_int_equal(e.exit_code, EX_NOPERM);
	assert_non_null(strstr(e.text, "expired"));
	assert_true(live_count(&service).enrolled == 0);
}

/* The same port, but a service that knows nothing of what was. */
static void replace_service(uint8_t seed)
{
	const uint16_t port = service.port;
	const int fd = live_end(&service);

	live_start(&service, seed, fd);
	service.port = port;
	live_account(&service, alice);
}

static void a_refused_invitation_leaves_an_enrolled_device_alone(void **state)
{
	struct loop_state before, after;
	mpp_loop_error e = {.text = ""};

	(void)state;
	enroll_here();
	before = stored();
	replace_service(0x11);
	assert_int_equal(mpp_loop_enroll(dir,
					 uri(0x42, service.pin, "127.0.0.1:9"),
					 TIMEOUT_MS, NULL, &e),
			 MPP_ERR_REFUSED);
	after = stored();
	assert_true(after.timestamp_ms > before.timestamp_ms);
	after.timestamp_ms = before.timestamp_ms;
	assert_memory_equal(&before, &after, sizeof(before));
	/* The control: one that is good changes it. */
	live_invite(&service, alice, 0x42, LIFE_MS);
	assert_int_equal(mpp_loop_enroll(dir,
					 uri(0x42, service.pin, "127.0.0.1:9"),
					 TIMEOUT_MS, NULL, &e),
			 MPP_OK);
	assert_int_equal(stored().n_endpoints, 2);
}

static void another_account_is_refused_before_anything_is_sent(void **state)
{
	char text[512];
	mpp_loop_error e = {.text = ""};
	uint64_t before;

	(void)state;
	enroll_here();
	before = live_count(&service).received;
	(void)snprintf(text, sizeof(text), "mpp://127.0.0.1:%u/%s?k=%s#%s",
		       service.port, "bob@example.com", service.pin,
		       secret_text(0x41));
	assert_int_equal(mpp_loop_enroll(dir, text, TIMEOUT_MS, NULL, &e),
			 MPP_ERR_EXISTS);
	assert_int_equal(e.exit_code, EX_CANTCREAT);
	assert_non_null(strstr(e.text, alice));
	assert_true(live_count(&service).received <= before + 1); /* Close */
	assert_string_equal(stored().account, alice);
}

static void an_unknown_device_is_told_what_to_do(void **state)
{
	mpp_client_event ev;
	mpp_loop *l;

	(void)state;
	enroll_here();
	replace_service(0x11);
	l = open_mode(MPP_MODE_SUBSCRIBE, 0);
	ev = expect(l, MPP_EV_REFUSED);
	assert_int_equal(ev.status, MPP_STATUS_FORBIDDEN);
	assert_int_equal(mpp_loop_last_error(l)->exit_code, EX_NOPERM);
	assert_non_null(strstr(mpp_loop_last_error(l)->text, "mpp enroll"));
	assert_int_equal(mpp_loop_wait(l, 0, &ev), MPP_ERR_CLOSED);
	mpp_loop_close(l);
}

#define OTHER_PIN \
	"MBGX-GGXI-QTM3-RBA3-HMKJ-FPAE-FJME-NLMJ-USJI-N2DU-2T6P-RKLT-NCXC"

static void a_wrong_key_shows_both_fingerprints(void **state)
{
	mpp_loop_error e = {.text = ""};

	(void)state;
	live_invite(&service, alice, 0x41, LIFE_MS);
	assert_int_equal(mpp_loop_enroll(dir, uri(0x41, OTHER_PIN, NULL),
					 TIMEOUT_MS, NULL, &e),
			 MPP_ERR_KEY_CHANGED);
	assert_int_equal(e.exit_code, EX_PROTOCOL);
	assert_non_null(strstr(e.text, OTHER_PIN));
	assert_non_null(strstr(e.text, service.pin));
	assert_true(live_count(&service).enrolled == 0);
	assert_int_equal(stored().service_suite, 0);
}

static void a_changed_key_is_noticed_by_an_enrolled_device(void **state)
{
	const mpp_loop_error *e;
	char old_pin[LIVE_PIN_TEXT];
	struct loop_state before, after;
	mpp_loop *l;

	(void)state;
	enroll_here();
	before = stored();
	(void)snprintf(old_pin, sizeof(old_pin), "%s", service.pin);
	replace_service(0x22);
	assert_string_not_equal(old_pin, service.pin);
	l = open_mode(MPP_MODE_SUBSCRIBE, 0);
	(void)expect(l, MPP_EV_KEY_CHANGED);
	e = mpp_loop_last_error(l);
	assert_int_equal(e->exit_code, EX_PROTOCOL);
	assert_non_null(strstr(e->text, old_pin));
	assert_non_null(strstr(e->text, service.pin));
	mpp_loop_close(l);
	after = stored();
	assert_memory_equal(before.service_key, after.service_key,
			    sizeof(before.service_key));
}

static void a_service_key_that_was_not_known_is_kept(void **state)
{
	struct loop_state s;
	mpp_loop_error e = {.text = ""};
	mpp_loop *l;

	(void)state;
	enroll_here();
	s = stored();
	s.service_suite = 0;
	assert_int_equal(loop_state_put(dir, &s, &e), MPP_OK);
	assert_int_equal(stored().service_suite, 0);
	l = open_mode(MPP_MODE_SUBSCRIBE, 0);
	(void)expect(l, MPP_EV_CONNECTED);
	mpp_loop_close(l);
	assert_int_equal(stored().service_suite, MPP_SUITE_25519);
	assert_memory_equal(stored().service_key, s.service_key, 32);
}

static void an_endpoint_may_be_a_name(void **state)
{
	mpp_loop_error e = {.text = ""};
	mpp_loop *l;

	(void)state;
	live_invite(&service, alice, 0x41, LIFE_MS);
	(void)snprintf(uri_room, sizeof(uri_room),
		       "mpp://localhost:%u/%s?k=%s#%s", service.port, alice,
		       service.pin, secret_text(0x41));
	if (mpp_loop_enroll(dir, uri_room, TIMEOUT_MS, NULL, &e) != MPP_OK)
		fail_msg("%s", e.text);
	l = open_mode(MPP_MODE_SUBSCRIBE, 0);
	(void)expect(l, MPP_EV_CONNECTED);
	mpp_loop_close(l);
}

/* The first endpoint refuses, the second swallows everything. */
static void dead_addresses_are_passed_over(void **state)
{
	uint16_t dead_port, mute_port;
	int mute = live_bind(&mute_port);
	mpp_loop_error e = {.text = ""};

	(void)state;
	(void)close(live_bind(&dead_port));
	live_invite(&service, alice, 0x41, LIFE_MS);
	(void)snprintf(uri_room, sizeof(uri_room),
		       "mpp://127.0.0.1:%u/%s?e=127.0.0.1:%u&e=127.0.0.1:%u"
		       "&k=%s#%s",
		       dead_port, alice, mute_port, service.port, service.pin,
		       secret_text(0x41));
	if (mpp_loop_enroll(dir, uri_room, TIMEOUT_MS, NULL, &e) != MPP_OK)
		fail_msg("%s", e.text);
	(void)close(mute);
	assert_int_equal(stored().n_endpoints, 3);
}

/* It moves to the second of two endpoints: found there after the loss. */
static void a_service_that_moved_is_found_again(void **state)
{
	uint16_t second;
	const int other = live_bind(&second);
	int old;
	uint64_t serial;
	mpp_client_event ev;
	mpp_loop_error e = {.text = ""};
	mpp_loop *l;

	(void)state;
	live_invite(&service, alice, 0x41, LIFE_MS);
	(void)snprintf(uri_room, sizeof(uri_room),
		       "mpp://127.0.0.1:%u/%s?e=127.0.0.1:%u&k=%s#%s",
		       service.port, alice, second, service.pin,
		       secret_text(0x41));
	assert_int_equal(mpp_loop_enroll(dir, uri_room, TIMEOUT_MS, NULL, &e),
			 MPP_OK);
	l = open_mode(MPP_MODE_SUBSCRIBE, 500);
	(void)expect(l, MPP_EV_CONNECTED);
	live_halt(&service);
	old = service.fd;
	service.fd = other;
	service.port = second;
	(void)close(old);
	live_go(&service);
	serial = live_publish(&service, alice, "mmm_Inbound", 7);
	(void)expect(l, MPP_EV_LOST);
	(void)expect(l, MPP_EV_CONNECTED);
	ev = expect(l, MPP_EV_PUBLICATION);
	assert_true(ev.serial == serial);
	mpp_loop_close(l);
}

/* A flood of what is no answer, from the service's own address. */
static void a_flood_does_not_keep_the_caller_waiting(void **state)
{
	static const uint8_t junk[64] = {1, 2, 3};
	struct sockaddr_in sa = {.sin_family = AF_INET};
	struct pollfd p = {.events = POLLIN};
	mpp_client_event ev;
	mpp_loop *l;
	int i;

	(void)state;
	enroll_here();
	l = open_mode(MPP_MODE_SUBSCRIBE, 0);
	(void)expect(l, MPP_EV_CONNECTED);
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sa.sin_port = htons(mpp_loop_port(l));
	for (i = 0; i < 150; i++)
		(void)sendto(service.fd, junk, sizeof(junk), 0,
			     (struct sockaddr *)&sa, sizeof(sa));
	/* It comes back with some of them, and says that there are more. */
	p.fd = mpp_loop_fd(l);
	assert_int_equal(mpp_loop_wait(l, 0, &ev), MPP_ERR_AGAIN);
	assert_int_equal(poll(&p, 1, 0), 1);
	(void)live_publish(&service, alice, "mmm_Inbound", 1);
	(void)expect(l, MPP_EV_PUBLICATION);
	mpp_loop_close(l);
}

static uint64_t cpu_us(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_THREAD, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void without_an_answer_it_gives_up_and_sleeps_meanwhile(void **state)
{
	const mpp_loop_config config = {
		.state_dir = dir,
		.mode = MPP_MODE_STATUS,
		.timeout_ms = 4000,
	};
	mpp_loop_error e = {.text = ""};
	mpp_client_event ev;
	uint64_t started, cpu;
	mpp_loop *l;
	mpp_err err;

	(void)state;
	enroll_here();
	atomic_store(&service.deaf, true);
	started = live_now().mono.us;
	cpu = cpu_us();
	assert_int_equal(mpp_loop_open(&config, &l, &e), MPP_OK);
	do
		err = mpp_loop_wait(l, 10000, &ev);
	while (err == MPP_ERR_AGAIN && live_now().mono.us - started < 10000000);
	assert_int_equal(err, MPP_ERR_TIMEOUT);
	started = live_now().mono.us - started;
	assert_in_range(started, 3900000, 6000000);
	assert_true(cpu_us() - cpu < started / 4);
	assert_int_equal(mpp_loop_last_error(l)->exit_code, EX_TEMPFAIL);
	assert_non_null(strstr(mpp_loop_last_error(l)->text, "127.0.0.1"));
	assert_int_equal(mpp_loop_wait(l, -1, &ev), MPP_ERR_TIMEOUT);
	mpp_loop_close(l);
}

static void the_state_can_be_asked_beside_a_subscription(void **state)
{
	mpp_client_event ev;
	mpp_loop *sub, *one;

	(void)state;
	enroll_here();
	(void)live_publish(&service, alice, "mmm_Inbound", 5);
	sub = open_mode(MPP_MODE_SUBSCRIBE, 0);
	(void)expect(sub, MPP_EV_CONNECTED);
	(void)expect(sub, MPP_EV_PUBLICATION);
	one = open_mode(MPP_MODE_STATUS, 0);
	ev = expect(one, MPP_EV_RESPONSE);
	assert_int_equal(ev.request, 0);
	assert_int_equal(ev.status, MPP_STATUS_OK);
	assert_publication(&ev, "mmm_Inbound", 5);
	assert_int_equal(ev.endpoint.port, mpp_loop_port(one));
	assert_true(ev.now_s > 1700000000);
	assert_int_equal(mpp_loop_wait(one, -1, &ev), MPP_ERR_CLOSED);
	mpp_loop_close(one);
	(void)live_publish(&service, alice, "mmm_Inbound", 6);
	ev = expect(sub, MPP_EV_PUBLICATION);
	assert_publication(&ev, "mmm_Inbound", 6);
	mpp_loop_close(sub);
}

/* Wait on the descriptor alone, as a program with more to watch does. */
static mpp_client_event expect_by_fd(mpp_loop *l, mpp_client_event_kind kind)
{
	struct pollfd p = {.fd = mpp_loop_fd(l), .events = POLLIN};
	mpp_client_event ev;
	mpp_err err;

	for (;;) {
		while ((err = mpp_loop_wait(l, 0, &ev)) == MPP_OK) {
			if (ev.kind == kind)
				return ev;
		}
		assert_int_equal(err, MPP_ERR_AGAIN);
		assert_int_equal(poll(&p, 1, TIMEOUT_MS), 1);
	}
}

static void the_descriptor_wakes_for_datagrams_and_deadlines(void **state)
{
	mpp_client_event ev;
	mpp_loop *l;

	(void)state;
	enroll_here();
	l = open_mode(MPP_MODE_SUBSCRIBE, 300);
	(void)expect_by_fd(l, MPP_EV_CONNECTED);
	(void)live_publish(&service, alice, "mmm_Inbound", 9);
	ev = expect_by_fd(l, MPP_EV_PUBLICATION);
	assert_publication(&ev, "mmm_Inbound", 9);
	/* Nothing comes from outside any more: LOST is a matter of time. */
	atomic_store(&service.deaf, true);
	(void)expect_by_fd(l, MPP_EV_LOST);
	mpp_loop_close(l);
}

static void nothing_is_sent_that_was_not_saved(void **state)
{
	struct loop_state other;
	mpp_loop_error e = {.text = ""};
	mpp_client_event ev;
	uint64_t before;
	char command[256];
	mpp_loop *l;
	mpp_err err;

	(void)state;
	enroll_here();
	(void)poll(NULL, 0, 100); /* the goodbye of the enrolment */
	before = live_count(&service).received;
	l = open_mode(MPP_MODE_SUBSCRIBE, 0);
	other = stored();
	other.instance[0] ^= 1;
	(void)snprintf(command, sizeof(command), "rm %s/device.json", dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(loop_state_put(dir, &other, &e), MPP_OK);
	while ((err = mpp_loop_wait(l, 1000, &ev)) == MPP_ERR_AGAIN)
		continue;
	assert_int_equal(err, MPP_ERR_IO);
	assert_non_null(strstr(mpp_loop_last_error(l)->text, "another"));
	assert_int_equal(mpp_loop_wait(l, 0, &ev), MPP_ERR_IO);
	mpp_loop_close(l);
	(void)poll(NULL, 0, 100);
	assert_true(live_count(&service).received == before);
	assert_memory_equal(stored().instance, other.instance, 8);
}

static void who_is_not_enrolled_is_told_so(void **state)
{
	const mpp_loop_config config = {.state_dir = dir,
					.mode = MPP_MODE_SUBSCRIBE};
	struct loop_state before, after;
	mpp_loop_error e = {.text = ""};
	mpp_loop *l;

	(void)state;
	assert_int_equal(mpp_loop_open(&config, &l, &e), MPP_ERR_NOTFOUND);
	assert_int_equal(e.exit_code, EX_NOINPUT);
	/* Begun, but never confirmed. */
	atomic_store(&service.deaf, true);
	live_invite(&service, alice, 0x41, LIFE_MS);
	assert_int_equal(mpp_loop_enroll(dir, uri(0x41, service.pin, NULL), 500,
					 NULL, &e),
			 MPP_ERR_TIMEOUT);
	assert_int_equal(e.exit_code, EX_TEMPFAIL);
	assert_int_equal(mpp_loop_open(&config, &l, &e), MPP_ERR_NOTFOUND);
	assert_int_equal(e.exit_code, EX_NOINPUT);
	assert_non_null(strstr(e.text, "not finished"));
	/* The same enrolment is repeated with the same key. */
	before = stored();
	atomic_store(&service.deaf, false);
	assert_int_equal(mpp_loop_enroll(dir, uri(0x41, service.pin, NULL),
					 TIMEOUT_MS, NULL, &e),
			 MPP_OK);
	after = stored();
	assert_memory_equal(before.device_secret, after.device_secret, 32);
	assert_true(before.pending && !after.pending);
}

/* A machine with a default route in the root of this run; gives its name. */
static void make_network(const uint8_t *key, uint8_t name[MPP_NETWORK_LEN])
{
	static const char *const parts[] = {"proc", "proc/net"};
	char path[128];
	struct loop_gateway g;
	size_t i;
	FILE *f;

	for (i = 0; i < 2; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", root, parts[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	(void)snprintf(path, sizeof(path), "%s/proc/net/route", root);
	f = fopen(path, "w");
	assert_non_null(f);
	(void)fprintf(f, "ppp0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\n");
	assert_int_equal(fclose(f), 0);
	assert_true(loop_gateway_find(root, 4, &g));
	assert_int_equal(loop_gateway_print(
				 &g, &service.crypto,
				 (mpp_bytes){key, LOOP_NETWORK_KEY_LEN}, name),
			 MPP_OK);
}

/* From the file to the client, and in the order of use back to the file. */
static void a_network_is_known_again(void **state)
{
	const uint8_t key[LOOP_NETWORK_KEY_LEN] = {7};
	mpp_client_learnt learnt[MPP_NETWORKS_MAX] = {{{9}, 28000, 30000},
						      {{0}, 56000, 61068}};
	const struct loop_raise raise = {.learnt = learnt, .network_key = key};
	struct loop_state s;
	mpp_client_event ev;
	mpp_loop_error e;
	mpp_loop *l;

	(void)state;
	enroll_here();
	s = stored();
	make_network(key, learnt[1].network);
	assert_int_equal(loop_state_raise(dir, s.instance, &raise, &e), MPP_OK);
	l = open_mode(MPP_MODE_SUBSCRIBE, 0);
	l->network.root = root;
	assert_int_equal(l->client->keepalive.remembered_ms, 0);
	(void)expect(l, MPP_EV_CONNECTED);
	while (mpp_loop_wait(l, 50, &ev) == MPP_OK)
		;
	assert_memory_equal(l->client->network, learnt[1].network,
			    MPP_NETWORK_LEN);
	assert_int_equal(l->client->keepalive.remembered_ms, 56000);
	mpp_client_connect(l->client, mpp_loop_now(l));
	(void)expect(l, MPP_EV_CONNECTED);
	mpp_loop_close(l);
	s = stored();
	assert_memory_equal(&s.learnt[0], &learnt[1], sizeof(learnt[1]));
	assert_memory_equal(&s.learnt[1], &learnt[0], sizeof(learnt[0]));
	assert_memory_equal(s.network_key, key, sizeof(key));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_device_enrols_subscribes_and_hears),
		CASE(closing_says_goodbye),
		CASE(the_same_invitation_again_is_harmless),
		CASE(a_used_invitation_is_refused_to_another_device),
		CASE(an_expired_invitation_is_refused),
		CASE(a_refused_invitation_leaves_an_enrolled_device_alone),
		CASE(another_account_is_refused_before_anything_is_sent),
		CASE(an_unknown_device_is_told_what_to_do),
		CASE(a_wrong_key_shows_both_fingerprints),
		CASE(a_changed_key_is_noticed_by_an_enrolled_device),
		CASE(a_service_key_that_was_not_known_is_kept),
		CASE(an_endpoint_may_be_a_name),
		CASE(dead_addresses_are_passed_over),
		CASE(a_service_that_moved_is_found_again),
		CASE(a_flood_does_not_keep_the_caller_waiting),
		CASE(without_an_answer_it_gives_up_and_sleeps_meanwhile),
		CASE(the_state_can_be_asked_beside_a_subscription),
		CASE(the_descriptor_wakes_for_datagrams_and_deadlines),
		CASE(nothing_is_sent_that_was_not_saved),
		CASE(who_is_not_enrolled_is_told_so),
		CASE(a_network_is_known_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
