/* SPDX-License-Identifier: MIT */
/* test_loop_race.c - which of several addresses is used: real sockets on the
 * loopback, some of which never answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mpp/loop.h>

#include "loop/state.h"
#include "unit/loop/live.h"

static const char alice[] = "alice@example.com";
static const char secret[] = "IFAUCQKBIFAUCQKBIFAUCQKBIE"; /* 16 x 0x41 */

enum {
	LIFE_MS = 600000,
	TIMEOUT_MS = 20000,
	/* Three addresses that are given two seconds each take 6 s. */
	SOON_MS = 3000,
};

static struct live service;
static char root[64], dir[96];
static char uri_room[2048];

static int begin(void **state)
{
	(void)state;
	(void)snprintf(root, sizeof(root), "/tmp/mpp-race-XXXXXX");
	if (mkdtemp(root) == NULL)
		return -1;
	(void)snprintf(dir, sizeof(dir), "%s/device", root);
	live_start(&service, 0x11, -1);
	live_account(&service, alice);
	live_invite(&service, alice, 0x41, LIFE_MS);
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

/* Bound, and never answered from. */
static int mute_bind4(char text[LOOP_ENDPOINT_TEXT])
{
	uint16_t port;
	const int fd = live_bind(&port);

	(void)snprintf(text, LOOP_ENDPOINT_TEXT, "127.0.0.1:%u", port);
	return fd;
}

/* IPv6; IPv4 where there is none. */
static int mute_bind6(char text[LOOP_ENDPOINT_TEXT])
{
	struct sockaddr_in6 sa = {.sin6_family = AF_INET6,
				  .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	socklen_t len = sizeof(sa);
	const int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&sa, len) == 0 &&
	    getsockname(fd, (struct sockaddr *)&sa, &len) == 0) {
		(void)snprintf(text, LOOP_ENDPOINT_TEXT, "[::1]:%u",
			       ntohs(sa.sin6_port));
		return fd;
	}
	if (fd >= 0)
		(void)close(fd);
	return mute_bind4(text);
}

/* The type of the next connection datagram that came there; -1: none. */
static int next_type(int fd, int wait_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint8_t room[MPP_PACKET_MAX];

	if (poll(&p, 1, wait_ms) <= 0)
		return -1;
	return recv(fd, room, sizeof(room), 0) > LIVE_TYPE_AT
		       ? room[LIVE_TYPE_AT]
		       : -1;
}

/* Enrol with these endpoints; @return how long it took. */
static uint64_t enroll_ms(const char *first, const char *others)
{
	const uint64_t start = live_now().mono.us;
	mpp_loop_error e = {.text = ""};

	(void)snprintf(uri_room, sizeof(uri_room), "mpp://%s/%s?k=%s%s#%s",
		       first, alice, service.pin, others, secret);
	if (mpp_loop_enroll(dir, uri_room, TIMEOUT_MS, NULL, &e) != MPP_OK)
		fail_msg("%s", e.text);
	return (live_now().mono.us - start) / 1000;
}

static mpp_loop *subscribe(void)
{
	const mpp_loop_config config = {
		.state_dir = dir,
		.mode = MPP_MODE_SUBSCRIBE,
		.timeout_ms = TIMEOUT_MS,
	};
	mpp_loop_error e = {.text = ""};
	mpp_loop *l = NULL;

	if (mpp_loop_open(&config, &l, &e) != MPP_OK)
		fail_msg("%s", e.text);
	return l;
}

/* Let it work for so long, or until this event or a failure. */
static mpp_err work(mpp_loop *l, mpp_client_event_kind kind, uint64_t ms)
{
	const uint64_t until = mpp_loop_now(l).mono.us + ms * 1000;
	mpp_client_event ev;
	mpp_err err;

	do {
		err = mpp_loop_wait(l, 20, &ev);
		if (err == MPP_OK && ev.kind == kind)
			return MPP_OK;
	} while ((err == MPP_OK || err == MPP_ERR_AGAIN) &&
		 mpp_loop_now(l).mono.us < until);
	return err == MPP_OK ? MPP_ERR_AGAIN : err;
}

static struct loop_state stored(void)
{
	struct loop_state s;
	mpp_loop_error e = {.text = ""};

	if (loop_state_load(dir, &s, &e) != MPP_OK)
		fail_msg("%s", e.text);
	return s;
}

static void put_endpoints(const char *a, const char *b, const char *c)
{
	const char *const texts[] = {a, b, c};
	struct loop_state s = stored();
	mpp_loop_error e;

	for (s.n_endpoints = 0; s.n_endpoints < 3; s.n_endpoints++)
		assert_null(
			loop_endpoint_wrong(live_bytes(texts[s.n_endpoints]),
					    &s.endpoints[s.n_endpoints]));
	assert_int_equal(loop_state_put(dir, &s, &e), MPP_OK);
}

static void assert_endpoint(size_t place, const char *want)
{
	const struct loop_state s = stored();
	char text[LOOP_ENDPOINT_TEXT];

	assert_true(place < s.n_endpoints);
	loop_endpoint_text(&s.endpoints[place], text);
	assert_string_equal(text, want);
}

/* Three dead addresses of both families, and the one that lives behind them:
 * IPv6, IPv4, IPv6, and then this one. */
static void the_one_that_answers_is_found_soon_and_remembered(void **state)
{
	char mute[3][LOOP_ENDPOINT_TEXT], good[LOOP_ENDPOINT_TEXT];
	char others[1024];
	uint64_t took;
	int fd[3], i, type;
	mpp_loop *l;

	(void)state;
	for (i = 0; i < 3; i++)
		fd[i] = i < 2 ? mute_bind6(mute[i]) : mute_bind4(mute[i]);
	(void)snprintf(good, sizeof(good), "127.0.0.1:%u", service.port);
	(void)snprintf(others, sizeof(others), "&e=%s&e=%s&e=%s", mute[1],
		       mute[2], good);
	took = enroll_ms(mute[0], others);
	assert_true(took < SOON_MS);
	assert_true(next_type(fd[0], 0) >= 0); /* it was asked, and first */
	assert_endpoint(0, good);
	for (i = 0; i < 3; i++)
		assert_endpoint((size_t)i + 1, mute[i]);

	for (i = 0; i < 3; i++) {
		while (next_type(fd[i], 0) >= 0)
			;
	}
	l = subscribe();
	assert_int_equal(work(l, MPP_EV_CONNECTED, TIMEOUT_MS), MPP_OK);
	/* The others may be asked by a slow machine, but none was in use. */
	for (i = 0; i < 3; i++) {
		while ((type = next_type(fd[i], 0)) >= 0)
			assert_int_equal(type, LIVE_HELLO);
		(void)close(fd[i]);
	}
	mpp_loop_close(l);
}

/* The connection is found at the other endpoint after a loss, and a process
 * that starts later begins there. */
static void an_endpoint_found_later_is_remembered_too(void **state)
{
	char second[LOOP_ENDPOINT_TEXT], first[LOOP_ENDPOINT_TEXT];
	char others[300];
	const int old = service.fd;
	uint16_t port;
	const int other = live_bind(&port);
	mpp_loop *l;

	(void)state;
	(void)snprintf(first, sizeof(first), "127.0.0.1:%u", service.port);
	(void)snprintf(second, sizeof(second), "127.0.0.1:%u", port);
	(void)snprintf(others, sizeof(others), "&e=%s", second);
	(void)enroll_ms(first, others);
	assert_endpoint(0, first);
	live_halt(&service);
	service.fd = other; /* the old one is mute from now on */
	live_go(&service);
	l = subscribe();
	assert_int_equal(work(l, MPP_EV_CONNECTED, TIMEOUT_MS), MPP_OK);
	assert_endpoint(0, second);
	assert_endpoint(1, first);
	mpp_loop_close(l);
	(void)close(old);
}

/* What an address gets that is only asked says nothing of the device; what
 * does goes there in its turn. */
static void who_is_only_asked_learns_nothing(void **state)
{
	char mute[LOOP_ENDPOINT_TEXT], good[LOOP_ENDPOINT_TEXT];
	char others[300];
	const int fd = mute_bind6(mute);
	int i, type = -1;
	mpp_loop *l;

	(void)state;
	(void)snprintf(good, sizeof(good), "127.0.0.1:%u", service.port);
	(void)snprintf(others, sizeof(others), "&e=%s", mute);
	(void)enroll_ms(good, others);
	while (next_type(fd, 0) >= 0)
		;
	assert_int_not_equal(stored().service_suite, 0);
	atomic_store(&service.deaf, true);
	l = subscribe();
	for (i = 0; i < 500 && type < 0; i++) {
		(void)work(l, MPP_EV_CONNECTED, 20);
		type = next_type(fd, 0);
	}
	assert_int_equal(type, LIVE_HELLO);
	for (i = 0; i < 500 && (type < 0 || type == LIVE_HELLO); i++) {
		(void)work(l, MPP_EV_CONNECTED, 20);
		type = next_type(fd, 0);
	}
	assert_true(type > LIVE_HELLO);
	mpp_loop_close(l);
	(void)close(fd);
}

/* An address where another key is shown: no reason to end while the right one
 * may still answer; told when its own turn has come. */
static void a_wrong_key_counts_when_it_is_its_turn(void **state)
{
	static struct live wrong;
	char good[LOOP_ENDPOINT_TEXT], others[300];
	mpp_loop *l;

	(void)state;
	live_start(&wrong, 0x22, -1);
	(void)snprintf(good, sizeof(good), "127.0.0.1:%u", service.port);
	(void)snprintf(others, sizeof(others), "&e=127.0.0.1:%u", wrong.port);
	(void)enroll_ms(good, others);
	atomic_store(&service.deaf, true);
	l = subscribe();
	while (live_count(&wrong).received == 0)
		assert_int_equal(work(l, MPP_EV_CONNECTED, 20), MPP_ERR_AGAIN);
	assert_int_equal(work(l, MPP_EV_CONNECTED, 200), MPP_ERR_AGAIN);
	atomic_store(&service.deaf, false);
	assert_int_equal(work(l, MPP_EV_CONNECTED, TIMEOUT_MS), MPP_OK);
	mpp_loop_close(l);

	atomic_store(&service.deaf, true);
	l = subscribe();
	assert_int_equal(work(l, MPP_EV_KEY_CHANGED, TIMEOUT_MS), MPP_OK);
	mpp_loop_close(l);
	(void)close(live_end(&wrong));
}

/* One that answers Hello and nothing else wins no second time in a round: who
 * comes before it has all of its own time. */
static void who_wins_in_vain_waits_for_its_turn(void **state)
{
	char mute[2][LOOP_ENDPOINT_TEXT], good[LOOP_ENDPOINT_TEXT];
	mpp_loop *l;
	int fd[2], i;

	(void)state;
	for (i = 0; i < 2; i++)
		fd[i] = mute_bind4(mute[i]);
	(void)snprintf(good, sizeof(good), "127.0.0.1:%u", service.port);
	(void)enroll_ms(good, "");
	/* The same again, with it behind the two; none is remembered yet. */
	put_endpoints(mute[0], mute[1], good);
	for (i = 0; i < LIVE_TYPES; i++)
		atomic_store(&service.came[i], 0);
	atomic_store(&service.sham, true);
	l = subscribe();
	for (i = 0; i < 1000 && atomic_load(&service.came[LIVE_EXCHANGE]) == 0;
	     i++)
		(void)work(l, MPP_EV_CONNECTED, 20);
	assert_true(atomic_load(&service.came[LIVE_EXCHANGE]) > 0);
	assert_int_equal(atomic_load(&service.came[LIVE_HELLO]), 1);
	mpp_loop_close(l);
	for (i = 0; i < 2; i++)
		(void)close(fd[i]);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_one_that_answers_is_found_soon_and_remembered),
		CASE(an_endpoint_found_later_is_remembered_too),
		CASE(who_is_only_asked_learns_nothing),
		CASE(a_wrong_key_counts_when_it_is_its_turn),
		CASE(who_wins_in_vain_waits_for_its_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
