/* SPDX-License-Identifier: MIT */
/* test_loop_socket.c - sockets and the resolver below the loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "loop/resolve.h"
#include "loop/socket.h"

enum { WAIT_MS = 5000, RESOLVE_MS = 60000 };

/* A plain socket on the loopback, and its address. */
static int make_peer(struct loop_address *address)
{
	const int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in sa = {.sin_family = AF_INET};
	socklen_t len = sizeof(sa);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	memset(address, 0, sizeof(*address));
	memcpy(&address->sa, &sa, sizeof(sa));
	address->len = sizeof(sa);
	return fd;
}

static bool readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

static void datagrams_pass_both_ways(void **state)
{
	const mpp_bytes hello = {(const uint8_t *)"hello", 5};
	uint8_t room[8];
	mpp_buf in = {room, sizeof(room), 0};
	struct loop_address address;
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	const int peer = make_peer(&address);
	const int fd = loop_socket_open(&address);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(loop_socket_receive(fd, &in), LOOP_SOCKET_NOTHING);
	assert_int_equal(loop_socket_send(fd, hello), LOOP_SOCKET_OK);
	assert_true(readable(peer, WAIT_MS));
	assert_int_equal(recvfrom(peer, room, sizeof(room), 0,
				  (struct sockaddr *)&from, &len),
			 5);
	assert_memory_equal(room, "hello", 5);
	assert_int_equal(ntohs(from.sin_port), loop_socket_port(fd));

	assert_int_equal(sendto(peer, "12345678", 8, 0,
				(struct sockaddr *)&from, len),
			 8);
	assert_true(readable(fd, WAIT_MS));
	assert_int_equal(loop_socket_receive(fd, &in), LOOP_SOCKET_OK);
	assert_int_equal(in.len, 8);
	assert_memory_equal(room, "12345678", 8);

	/* One octet more than fits. */
	assert_int_equal(sendto(peer, "123456789", 9, 0,
				(struct sockaddr *)&from, len),
			 9);
	assert_true(readable(fd, WAIT_MS));
	assert_int_equal(loop_socket_receive(fd, &in), LOOP_SOCKET_NOTHING);
	assert_int_equal(in.len, 0);
	(void)close(fd);
	(void)close(peer);
}

static void only_the_service_is_heard(void **state)
{
	struct loop_address address, own = {.len = sizeof(own.sa)};
	uint8_t room[8];
	mpp_buf in = {room, sizeof(room), 0};
	const int peer = make_peer(&address);
	const int fd = loop_socket_open(&address);
	struct loop_address elsewhere;
	const int stranger = make_peer(&elsewhere);

	(void)state;
	assert_int_equal(getsockname(fd, (struct sockaddr *)&own.sa, &own.len),
			 0);
	assert_int_equal(sendto(stranger, "x", 1, 0, (struct sockaddr *)&own.sa,
				own.len),
			 1);
	assert_false(readable(fd, 50));
	assert_int_equal(sendto(peer, "y", 1, 0, (struct sockaddr *)&own.sa,
				own.len),
			 1);
	assert_true(readable(fd, WAIT_MS));
	assert_int_equal(loop_socket_receive(fd, &in), LOOP_SOCKET_OK);
	assert_int_equal(room[0], 'y');
	(void)close(fd);
	(void)close(peer);
	(void)close(stranger);
}

static void a_port_without_a_service_refuses(void **state)
{
	const mpp_bytes hello = {(const uint8_t *)"hello", 5};
	uint8_t room[8];
	mpp_buf in = {room, sizeof(room), 0};
	struct loop_address address;
	const int peer = make_peer(&address);
	const int fd = loop_socket_open(&address);

	(void)state;
	(void)close(peer);
	assert_int_equal(loop_socket_send(fd, hello), LOOP_SOCKET_OK);
	assert_true(readable(fd, WAIT_MS));
	errno = 0;
	assert_int_equal(loop_socket_receive(fd, &in), LOOP_SOCKET_REFUSED);
	assert_int_equal(errno, ECONNREFUSED);
	/* Nobody read the next one: sending is told. */
	assert_int_equal(loop_socket_send(fd, hello), LOOP_SOCKET_OK);
	assert_true(readable(fd, WAIT_MS));
	assert_int_equal(loop_socket_send(fd, hello), LOOP_SOCKET_REFUSED);
	(void)close(fd);
}

static struct loop_endpoint endpoint(const char *text)
{
	struct loop_endpoint ep;

	assert_null(loop_endpoint_wrong(
		(mpp_bytes){(const uint8_t *)text, strlen(text)}, &ep));
	return ep;
}

static void addresses_are_resolved_at_once_in_order(void **state)
{
	const struct loop_endpoint eps[] = {endpoint("[2001:db8::1]:7"),
					    endpoint("192.0.2.1"),
					    endpoint("[2001:db8::1]:7"),
					    endpoint("[2001:db8::1]:8")};
	static const char *const want[] = {"[2001:db8::1]:7", "192.0.2.1:15099",
					   "[2001:db8::1]:8"};
	char text[LOOP_ENDPOINT_TEXT];
	struct loop_addresses found;
	struct loop_resolve *r;
	size_t i;

	(void)state;
	assert_int_equal(loop_resolve_start(eps, 4, &r), MPP_OK);
	assert_true(readable(loop_resolve_fd(r), 0));
	assert_true(loop_resolve_take(r, &found));
	loop_resolve_drop(r);
	assert_int_equal(found.n, 3);
	for (i = 0; i < 3; i++) {
		loop_address_text(&found.list[i], text);
		assert_string_equal(text, want[i]);
	}
	assert_false(found.all_unknown);
}

static void assert_order(const char *const *in, size_t n, const char *good,
			 const char *const *want)
{
	struct loop_endpoint eps[LOOP_ENDPOINTS_MAX];
	struct loop_addresses found, one = {.n = 0};
	struct loop_resolve *r;
	char text[LOOP_ENDPOINT_TEXT];
	size_t i;

	for (i = 0; i < n; i++)
		eps[i] = endpoint(in[i]);
	assert_int_equal(loop_resolve_start(eps, n, &r), MPP_OK);
	assert_true(loop_resolve_take(r, &found));
	loop_resolve_drop(r);
	if (good != NULL) {
		eps[0] = endpoint(good);
		assert_int_equal(loop_resolve_start(eps, 1, &r), MPP_OK);
		assert_true(loop_resolve_take(r, &one));
		loop_resolve_drop(r);
	}
	loop_addresses_order(&found, &one.list[0]);
	assert_int_equal(found.n, n);
	for (i = 0; i < n; i++) {
		loop_address_text(&found.list[i], text);
		assert_string_equal(text, want[i]);
		/* Where it came from goes with it. */
		assert_string_equal(text, in[found.list[i].endpoint]);
	}
}

static void families_take_turns_behind_the_one_that_held(void **state)
{
	static const char *const in[] = {"[2001:db8::1]:1", "[2001:db8::2]:1",
					 "[2001:db8::3]:1", "192.0.2.1:1",
					 "192.0.2.2:1"};
	static const char *const plain[] = {"[2001:db8::1]:1", "192.0.2.1:1",
					    "[2001:db8::2]:1", "192.0.2.2:1",
					    "[2001:db8::3]:1"};
	static const char *const held4[] = {"192.0.2.2:1", "[2001:db8::1]:1",
					    "192.0.2.1:1", "[2001:db8::2]:1",
					    "[2001:db8::3]:1"};
	static const char *const held6[] = {"[2001:db8::2]:1", "192.0.2.1:1",
					    "[2001:db8::1]:1", "192.0.2.2:1",
					    "[2001:db8::3]:1"};

	(void)state;
	assert_order(in, 5, NULL, plain);
	assert_order(in, 5, "192.0.2.2:1", held4);
	assert_order(in, 5, "[2001:db8::2]:1", held6);
	assert_order(in, 5, "192.0.2.9:1", plain); /* not there any more */
	assert_order(in, 3, NULL, in);             /* one family */
	assert_order(in, 1, NULL, in);
}

/* A domain's endpoints in its order; behind them the others, all alike. */
static void a_domain_s_endpoints_keep_their_order(void **state)
{
	const struct loop_endpoint known[] = {endpoint("192.0.2.1:1"),
					      endpoint("192.0.2.2:1"),
					      endpoint("[2001:db8::1]:1")};
	const struct loop_endpoint also[] = {endpoint("192.0.2.3:1"),
					     endpoint("192.0.2.4:1"),
					     endpoint("[2001:db8::2]:1"),
					     endpoint("192.0.2.2:1")};
	static const char *const want[] = {"192.0.2.1:1",     "192.0.2.2:1",
					   "[2001:db8::1]:1", "192.0.2.3:1",
					   "[2001:db8::2]:1", "192.0.2.4:1"};
	const struct loop_wanted w = {
		.known = known, .n_known = 3, .also = also, .n_also = 4};
	struct loop_address none = {.len = 0};
	struct loop_addresses found;
	struct loop_resolve *r;
	char text[LOOP_ENDPOINT_TEXT];
	size_t i;

	(void)state;
	assert_int_equal(loop_resolve_wanted(&w, &r), MPP_OK);
	assert_true(loop_resolve_wait(r, 0));
	assert_true(loop_resolve_take(r, &found));
	assert_null(loop_resolve_discovery(r));
	loop_resolve_drop(r);
	loop_addresses_order(&found, &none);
	assert_int_equal(found.n_domain, 3);
	assert_int_equal(found.n, 6);
	for (i = 0; i < 6; i++) {
		loop_address_text(&found.list[i], text);
		assert_string_equal(text, want[i]);
	}
}

/* While a resolver is waited for, addresses need none. */
static void addresses_are_there_early(void **state)
{
	const struct loop_endpoint known[] = {endpoint("localhost:1"),
					      endpoint("192.0.2.2:1")};
	const struct loop_endpoint also[] = {endpoint("[2001:db8::1]:1")};
	const struct loop_wanted w = {
		.known = known, .n_known = 2, .also = also, .n_also = 1};
	struct loop_addresses early;
	struct loop_resolve *r;

	(void)state;
	assert_int_equal(loop_resolve_wanted(&w, &r), MPP_OK);
	assert_true(loop_resolve_early(r, &early));
	assert_int_equal(early.n, 2);
	assert_int_equal(early.n_domain, 2);
	assert_int_equal(early.list[0].endpoint, 1);
	assert_int_equal(early.list[1].endpoint, 2);
	loop_resolve_drop(r);
	assert_int_equal(loop_resolve_start(known, 1, &r), MPP_OK);
	assert_false(loop_resolve_early(r, &early));
	loop_resolve_drop(r);
}

static void a_name_is_resolved_in_the_background(void **state)
{
	const struct loop_endpoint eps[] = {endpoint("localhost:9"),
					    endpoint("192.0.2.1:9")};
	char text[LOOP_ENDPOINT_TEXT];
	struct loop_addresses found;
	struct loop_resolve *r;
	bool seen = false;
	size_t i;

	(void)state;
	assert_int_equal(loop_resolve_start(eps, 2, &r), MPP_OK);
	assert_true(readable(loop_resolve_fd(r), RESOLVE_MS));
	assert_true(loop_resolve_take(r, &found));
	loop_resolve_drop(r);
	for (i = 0; i < found.n; i++) {
		loop_address_text(&found.list[i], text);
		seen = seen || strcmp(text, "127.0.0.1:9") == 0 ||
		       strcmp(text, "[::1]:9") == 0;
	}
	assert_true(seen);
	assert_string_equal(text, "192.0.2.1:9");
}

static void a_name_that_is_unknown_says_so(void **state)
{
	/* RFC 6761: "invalid" never exists. */
	const struct loop_endpoint ep = endpoint("nobody.invalid");
	struct loop_addresses found;
	struct loop_resolve *r;

	(void)state;
	assert_int_equal(loop_resolve_start(&ep, 1, &r), MPP_OK);
	assert_true(readable(loop_resolve_fd(r), RESOLVE_MS));
	assert_true(loop_resolve_take(r, &found));
	loop_resolve_drop(r);
	assert_int_equal(found.n, 0);
	assert_non_null(strstr(found.why, "nobody.invalid"));
}

/* Threads of this process, this one included. */
static int count_threads(void)
{
	DIR *d = opendir("/proc/self/task");
	int n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return n - 2; /* "." and ".." */
}

static void who_does_not_wait_for_a_name_loses_nothing(void **state)
{
	const struct loop_endpoint ep = endpoint("nobody.invalid");
	struct loop_resolve *r;
	const int before = count_threads();
	int i;

	(void)state;
	for (i = 0; i < 20; i++) {
		assert_int_equal(loop_resolve_start(&ep, 1, &r), MPP_OK);
		loop_resolve_drop(r);
	}
	loop_resolve_drop(NULL);
	/* The threads end by themselves; what they held is freed then. */
	for (i = 0; count_threads() > before; i++) {
		assert_true(i < RESOLVE_MS / 10);
		(void)poll(NULL, 0, 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(datagrams_pass_both_ways),
		cmocka_unit_test(only_the_service_is_heard),
		cmocka_unit_test(a_port_without_a_service_refuses),
		cmocka_unit_test(addresses_are_resolved_at_once_in_order),
		cmocka_unit_test(families_take_turns_behind_the_one_that_held),
		cmocka_unit_test(a_domain_s_endpoints_keep_their_order),
		cmocka_unit_test(addresses_are_there_early),
		cmocka_unit_test(a_name_is_resolved_in_the_background),
		cmocka_unit_test(a_name_that_is_unknown_says_so),
		cmocka_unit_test(who_does_not_wait_for_a_name_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
