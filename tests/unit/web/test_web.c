/* SPDX-License-Identifier: MIT */
/* test_web.c - the control API over a real socket with a real service. The
 * test is the event loop and the disk: it decides when a batch is durable, and
 * so can do to a connection whatever may happen in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "crypto/fixed.h"
#include "host/clock.h"
#include "host/log.h"
#include "web/web.h"

enum { TURNS = 50, REPLY = 65536 };

static struct rig {
	mpp_crypto crypto;
	void *memory;
	mpp_service *service;
	struct web *web;
	struct udp_counters udp;
	struct sockaddr_un name;
	int devnull;
	char reply[REPLY];
} rig;

static const char *const listen_names[] = {"127.0.0.1:15099", NULL};
static const char *const endpoints[] = {"h.example:15099", "[::1]:7", NULL};

static const char *const urls[] = {"https://h.example/a", NULL};

static void open_web(void)
{
	const struct web_config config = {
		.service = rig.service,
		.crypto = &rig.crypto,
		.udp = &rig.udp,
		.version = "1.2.3",
		.store = "test",
		.listen = listen_names,
		.endpoints = endpoints,
		.urls = urls,
		.started = clock_now().mono,
	};
	struct fault f;
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(rig.name);

	/* An address of the abstract kind, chosen by the kernel. */
	rig.name = (struct sockaddr_un){.sun_family = AF_UNIX};
	assert_true(fd >= 0);
	assert_int_equal(
		bind(fd, (struct sockaddr *)&rig.name, sizeof(sa_family_t)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&rig.name, &len),
			 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(web_open(&config, fd, &rig.web, &f), MPP_OK);
}

static int setup(void **state)
{
	const mpp_service_config config = {.accounts = 4, .operations = 8};
	const size_t len = mpp_service_size(&config);
	mpp_service_secrets secrets;

	(void)state;
	memset(&rig, 0, sizeof(rig));
	rig.devnull = open("/dev/null", O_WRONLY);
	log_setup(rig.devnull, LOG_LEVEL_DEBUG);
	assert_int_equal(crypto_fixed_new(1, &rig.crypto), MPP_OK);
	memset(&secrets, 7, sizeof(secrets));
	rig.memory = calloc(1, len);
	assert_non_null(rig.memory);
	assert_int_equal(mpp_service_init(rig.memory, len, &config, &secrets,
					  &rig.crypto, &rig.service),
			 MPP_OK);
	open_web();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	web_close(rig.web);
	free(rig.memory);
	mpp_crypto_free(&rig.crypto);
	log_setup(STDERR_FILENO, LOG_LEVEL_INFO);
	return close(rig.devnull);
}

static void run(void)
{
	unsigned i;

	for (i = 0; i < TURNS; i++)
		web_run(rig.web, clock_now());
}

static int dial(void)
{
	const int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&rig.name,
				 sizeof(sa_family_t) + 6),
			 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

/* Write all of it while the other side runs. */
static void say(int fd, const char *text)
{
	size_t n = strlen(text);
	ssize_t done;

	while (n > 0) {
		done = send(fd, text, n, MSG_NOSIGNAL);
		if (done < 0) {
			assert_true(errno == EAGAIN);
			done = 0;
		}
		text += done;
		n -= (size_t)done;
		run();
	}
}

static void ask(int fd, const char *method, const char *path, const char *body)
{
	char head[1024];

	(void)snprintf(head, sizeof(head),
		       "%s %s HTTP/1.1\r\nHost: x\r\n"
		       "Content-Length: %zu\r\n\r\n",
		       method, path, strlen(body));
	say(fd, head);
	say(fd, body);
}

/* What has come since the last look; empty when nothing. */
static const char *reply(int fd)
{
	size_t n = 0;
	ssize_t got;

	run();
	while (n < REPLY - 1 &&
	       (got = recv(fd, rig.reply + n, REPLY - 1 - n, 0)) > 0) {
		n += (size_t)got;
		run();
	}
	rig.reply[n] = '\0';
	return rig.reply;
}

static void expect(int fd, unsigned status, const char *part)
{
	const char *text = reply(fd);
	char head[16];

	(void)snprintf(head, sizeof(head), "HTTP/1.1 %u", status);
	if (strncmp(text, head, strlen(head)) != 0 ||
	    strstr(text, part) == NULL)
		fail_msg("wanted %u and %s, got: %s", status, part, text);
}

/* The disk: @return how many changes were finished. */
static unsigned commit(mpp_err result, const char *why)
{
	mpp_commit c;
	mpp_result r;
	unsigned n = 0;

	while (mpp_service_commit(rig.service, &c)) {
		mpp_service_committed(rig.service, c.id, result, clock_now());
		while (mpp_service_next_result(rig.service, &r)) {
			web_result(rig.web, &r, why);
			n++;
		}
	}
	return n;
}

static bool has_account(const char *name)
{
	mpp_account_info a;

	return mpp_service_account_find(
		rig.service, (mpp_bytes){(const uint8_t *)name, strlen(name)},
		&a);
}

static const char alice[] = "{\"account\":\"alice\"}";

static void add_alice(void)
{
	const int fd = dial();

	ask(fd, "POST", "/v1/accounts", alice);
	assert_int_equal(commit(MPP_OK, NULL), 1);
	expect(fd, 201, "{\"account\":\"alice\"}\n");
	assert_int_equal(close(fd), 0);
	run();
}

static void test_no_answer_before_it_is_durable(void **state)
{
	const int fd = dial();

	(void)state;
	ask(fd, "POST", "/v1/accounts", "{\"account\":\"Alice\"}");
	assert_string_equal(reply(fd), "");
	assert_int_equal(web_busy(rig.web), 1);
	assert_int_equal(commit(MPP_OK, NULL), 1);
	expect(fd, 201, "{\"account\":\"alice\"}\n");
	assert_true(has_account("alice"));
	run();
	assert_int_equal(web_busy(rig.web), 0);
	/* The connection is still good. */
	ask(fd, "GET", "/v1/accounts", "");
	expect(fd, 200,
	       "{\"accounts\":[{\"account\":\"alice\",\"serial\":0,"
	       "\"stores\":0,\"devices\":0}]}\n");
	assert_int_equal(close(fd), 0);
}

static void test_a_failed_store_is_said_and_changes_nothing(void **state)
{
	const int fd = dial();

	(void)state;
	ask(fd, "POST", "/v1/accounts", alice);
	assert_int_equal(commit(MPP_ERR_STORE, "the \"disk\" is full"), 1);
	expect(fd, 503,
	       "{\"error\":{\"code\":\"store_failed\",\"message\":\"nothing "
	       "was changed: the \\\"disk\\\" is full\"}}\n");
	assert_false(has_account("alice"));
	ask(fd, "POST", "/v1/accounts", alice);
	assert_int_equal(commit(MPP_ERR_CRYPTO, NULL), 1);
	expect(fd, 500, "cryptographic operation failed");
	assert_int_equal(close(fd), 0);
	add_alice();
	assert_true(has_account("alice"));
}

static void test_a_peer_that_goes_while_it_sleeps(void **state)
{
	int fd = dial();

	(void)state;
	ask(fd, "POST", "/v1/accounts", alice);
	assert_int_equal(close(fd), 0);
	run();
	assert_int_equal(web_busy(rig.web), 1);
	assert_int_equal(commit(MPP_OK, NULL), 1);
	run();
	assert_int_equal(web_busy(rig.web), 0);
	assert_true(has_account("alice"));
	fd = dial();
	ask(fd, "GET", "/v1/accounts/alice", "");
	expect(fd, 200, "\"account\":\"alice\"");
	assert_int_equal(close(fd), 0);
}

static void test_a_peer_that_goes_within_its_body(void **state)
{
	const int fd = dial();

	(void)state;
	say(fd, "POST /v1/accounts HTTP/1.1\r\nHost: x\r\n"
		"Content-Length: 19\r\n\r\n{\"account\":");
	assert_int_equal(close(fd), 0);
	run();
	assert_int_equal(web_busy(rig.web), 0);
	assert_int_equal(commit(MPP_OK, NULL), 0);
	add_alice();
}

static void test_closing_while_requests_sleep(void **state)
{
	const int a = dial(), b = dial();

	(void)state;
	ask(a, "POST", "/v1/accounts", alice);
	ask(b, "POST", "/v1/accounts", "{\"account\":\"bob\"}");
	assert_int_equal(web_busy(rig.web), 2);
	web_close(rig.web);
	assert_int_equal(recv(a, rig.reply, REPLY, 0), 0);
	assert_int_equal(recv(b, rig.reply, REPLY, 0), 0);
	assert_int_equal(close(a) | close(b), 0);
	open_web();
}

/* Answers reach whom they are for, whatever the order. */
static void test_results_find_their_requests(void **state)
{
	const int a = dial(), b = dial();
	mpp_commit first, second;
	mpp_result r;

	(void)state;
	ask(a, "POST", "/v1/accounts", alice);
	assert_true(mpp_service_commit(rig.service, &first));
	ask(b, "POST", "/v1/accounts", "{\"account\":\"bob\"}");
	assert_false(mpp_service_commit(rig.service, &second));
	mpp_service_committed(rig.service, first.id, MPP_OK, clock_now());
	assert_true(mpp_service_next_result(rig.service, &r));
	web_result(rig.web, &r, NULL);
	assert_string_equal(reply(b), "");
	expect(a, 201, "alice");
	assert_int_equal(commit(MPP_OK, NULL), 1);
	expect(b, 201, "bob");
	/* One that nobody waits for is nobody's. */
	web_result(rig.web, &(mpp_result){.op = 4711}, NULL);
	web_result(rig.web, &(mpp_result){.op = 1}, NULL);
	run();
	assert_int_equal(close(a) | close(b), 0);
}

static void test_draining(void **state)
{
	const int a = dial(), b = dial();
	int fd;

	(void)state;
	ask(a, "POST", "/v1/accounts", alice);
	ask(b, "GET", "/v1/accounts", "");
	expect(b, 200, "[]");
	fd = web_drain(rig.web);
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
	ask(b, "GET", "/v1/accounts", "");
	expect(b, 503, "stopping");
	assert_int_equal(commit(MPP_OK, NULL), 1);
	expect(a, 201, "alice");
	run();
	assert_int_equal(web_busy(rig.web), 0);
	assert_int_equal(close(a) | close(b), 0);
}

/* The limits of a body: at it, over it, and without an end in sight. */
static void test_body_limits(void **state)
{
	static char body[20 * WEB_BODY_MAX];
	const int fd = dial();
	unsigned turns;

	(void)state;
	memset(body, ' ', WEB_BODY_MAX);
	memcpy(body, alice, sizeof(alice) - 1);
	ask(fd, "POST", "/v1/accounts", body);
	assert_int_equal(commit(MPP_OK, NULL), 1);
	expect(fd, 201, "alice");
	body[WEB_BODY_MAX] = ' ';
	ask(fd, "POST", "/v1/accounts", body);
	expect(fd, 413, "at most 65536 octets");
	memset(body, ' ', sizeof(body) - 1);
	say(fd, "POST /v1/accounts HTTP/1.1\r\nHost: x\r\n"
		"Content-Length: 9999999\r\n\r\n");
	for (turns = 0; turns < 200; turns++) {
		if (send(fd, body, 32768, MSG_NOSIGNAL) < 0 && errno == EPIPE)
			break;
		run();
	}
	assert_true(turns < 200);
	assert_int_equal(close(fd), 0);
}

static void test_publishing(void **state)
{
	const int fd = dial();

	(void)state;
	add_alice();
	ask(fd, "POST", "/v1/accounts/alice/publish",
	    "{\"stores\":[{\"store\":\"mail\",\"index\":7,\"digest\":\"AAE\"},"
	    "{\"index\":9007199254740991,\"store\":\"to\\u0064o\"}]}");
	assert_int_equal(commit(MPP_OK, NULL), 1);
	expect(fd, 200, "\"skipped\":[]}\n");
	ask(fd, "GET", "/v1/accounts/alice", "");
	expect(fd, 200, "{\"store\":\"mail\",\"index\":7,\"digest\":\"AAE\",");
	assert_non_null(strstr(rig.reply, "\"store\":\"todo\",\"index\":"
					  "9007199254740991,\"serial\":"));
	/* All of it is older or the same: said at once. */
	ask(fd, "POST", "/v1/accounts/alice/publish",
	    "{\"stores\":[{\"store\":\"mail\",\"index\":6},"
	    "{\"store\":\"todo\",\"index\":1}]}");
	assert_int_equal(commit(MPP_OK, NULL), 0);
	expect(fd, 200, "\"skipped\":[\"mail\",\"todo\"]}\n");
	ask(fd, "POST", "/v1/accounts/alice/publish",
	    "{\"reset\":true,\"stores\":[{\"store\":\"mail\",\"index\":1}]}");
	assert_int_equal(commit(MPP_OK, NULL), 1);
	expect(fd, 200, "\"skipped\":[]}\n");
	assert_int_equal(close(fd), 0);
}

static void test_invitations(void **state)
{
	const int fd = dial();
	char first[REPLY];

	(void)state;
	add_alice();
	ask(fd, "POST", "/v1/accounts/alice/invitations", "");
	assert_int_equal(commit(MPP_OK, NULL), 1);
	expect(fd, 201, "{\"uri\":\"mpp://h.example:15099/alice?k=M");
	assert_non_null(strstr(rig.reply, "&k=M"));
	assert_non_null(
		strstr(rig.reply, "&e=%5B::1%5D:7&w=https://h.example/a#"));
	assert_non_null(strstr(rig.reply, "Z\"}\n"));
	(void)strcpy(first, strchr(rig.reply, '#'));
	ask(fd, "POST", "/v1/accounts/alice/invitations",
	    "{\"lifetime_s\":900,\"rights\":[\"subscribe\",\"publish\"]}");
	assert_int_equal(commit(MPP_OK, NULL), 1);
	expect(fd, 201, "\"uri\"");
	/* Secrets differ. */
	assert_string_not_equal(strchr(rig.reply, '#'), first);
	assert_int_equal(close(fd), 0);
}

/* ---- removing an account ---- */

static void test_removing(void **state)
{
	static const struct {
		const char *what, *method, *path, *body;
		unsigned status;
		const char *part;
	} rows[] = {
		{"one that is not there", "DELETE", "/v1/accounts/bob", "", 404,
		 "no_such_account"},
		{"no name at all", "DELETE", "/v1/accounts/", "", 404,
		 "no_such_path"},
		{"a name that cannot be", "DELETE", "/v1/accounts/a%20b", "",
		 404, "no_such_account"},
		{"a name cut short", "DELETE", "/v1/accounts/a%2", "", 400,
		 "bad_path"},
		{"with a body", "DELETE", "/v1/accounts/alice", "{}", 400,
		 "unexpected_body"},
		{"with a query", "DELETE", "/v1/accounts/alice?yes", "", 400,
		 "unexpected_query"},
		{"all accounts", "DELETE", "/v1/accounts", "", 405,
		 "GET, HEAD, POST"},
		{"another method", "POST", "/v1/accounts/alice", "", 405,
		 "GET, HEAD, DELETE"},
	};
	const int fd = dial();
	size_t i;

	(void)state;
	add_alice();
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("%s\n", rows[i].what);
		ask(fd, rows[i].method, rows[i].path, rows[i].body);
		assert_int_equal(commit(MPP_OK, NULL), 0);
		expect(fd, rows[i].status, rows[i].part);
		assert_true(has_account("alice"));
	}
	/* Any spelling; the name comes back as it was kept. */
	ask(fd, "DELETE", "/v1/accounts/%41LICE", "");
	assert_string_equal(reply(fd), "");
	assert_true(has_account("alice"));
	assert_int_equal(commit(MPP_OK, NULL), 1);
	expect(fd, 200, "\r\n\r\n{\"account\":\"alice\"}\n");
	assert_false(has_account("alice"));
	ask(fd, "DELETE", "/v1/accounts/alice", "");
	expect(fd, 404, "no_such_account");
	assert_int_equal(close(fd), 0);
	add_alice();
}

/* While a removal waits for the disk nothing else is done to the account; when
 * the disk fails, it is as before. */
static void test_removing_meanwhile(void **state)
{
	static const struct {
		const char *method, *path, *body;
	} rows[] = {
		{"DELETE", "/v1/accounts/alice", ""},
		{"POST", "/v1/accounts", "{\"account\":\"alice\"}"},
		{"POST", "/v1/accounts/alice/invitations", ""},
		{"POST", "/v1/accounts/alice/publish",
		 "{\"stores\":[{\"store\":\"mail\",\"index\":7}]}"},
		{"DELETE",
		 "/v1/accounts/alice/devices/"
		 "MB5S-R4AJ-3FBT-7NHO-T26Z-2E6Y-WFH4",
		 ""},
	};
	const int fd = dial(), other = dial();
	size_t i;

	(void)state;
	add_alice();
	ask(fd, "DELETE", "/v1/accounts/alice", "");
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("%s %s\n", rows[i].method, rows[i].path);
		ask(other, rows[i].method, rows[i].path, rows[i].body);
		expect(other, 503, "being_removed");
	}
	assert_string_equal(reply(fd), "");
	assert_int_equal(commit(MPP_ERR_STORE, "the disk is full"), 1);
	expect(fd, 503, "nothing was changed: the disk is full");
	assert_true(has_account("alice"));
	ask(other, rows[2].method, rows[2].path, rows[2].body);
	assert_int_equal(commit(MPP_OK, NULL), 1);
	expect(other, 201, "uri");
	ask(other, "DELETE", "/v1/accounts/alice", "");
	assert_int_equal(commit(MPP_OK, NULL), 1);
	expect(other, 200, "alice");
	assert_false(has_account("alice"));
	assert_int_equal(close(fd) | close(other), 0);
}

/* No room in the service is told apart from a mistake. */
static void test_limits(void **state)
{
	const int fd = dial();
	char body[64];
	unsigned i;

	(void)state;
	for (i = 0; i < 4; i++) {
		(void)snprintf(body, sizeof(body), "{\"account\":\"a%u\"}", i);
		ask(fd, "POST", "/v1/accounts", body);
		assert_int_equal(commit(MPP_OK, NULL), 1);
		expect(fd, 201, "a");
	}
	ask(fd, "POST", "/v1/accounts", alice);
	expect(fd, 503, "raise [limits] accounts");
	assert_int_equal(close(fd), 0);
}

/* More connections than are served at a time: the others wait, and none of it
 * hurts. */
static void test_many_connections(void **state)
{
	int fds[WEB_CONNECTIONS_MAX], i;

	(void)state;
	for (i = 0; i < WEB_CONNECTIONS_MAX; i++) {
		fds[i] = dial();
		run();
	}
	for (i = 0; i < WEB_CONNECTIONS_MAX; i++) {
		ask(fds[i], "GET", "/v1/status", "");
		expect(fds[i], 200, "\"version\":\"1.2.3\"");
		assert_int_equal(close(fds[i]), 0);
		run();
	}
	add_alice();
}

int main(void)
{
#define ONE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ONE(test_no_answer_before_it_is_durable),
		ONE(test_a_failed_store_is_said_and_changes_nothing),
		ONE(test_a_peer_that_goes_while_it_sleeps),
		ONE(test_a_peer_that_goes_within_its_body),
		ONE(test_closing_while_requests_sleep),
		ONE(test_results_find_their_requests),
		ONE(test_draining),
		ONE(test_body_limits),
		ONE(test_publishing),
		ONE(test_invitations),
		ONE(test_removing),
		ONE(test_removing_meanwhile),
		ONE(test_limits),
		ONE(test_many_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
