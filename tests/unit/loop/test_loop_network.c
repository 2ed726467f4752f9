/* SPDX-License-Identifier: MIT */
/* What the loop makes of a change of network. (That the kernel says so, and
 * what comes of it, is in tests/system/test_moves.py.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "loop/loop.h"
#include "loop/socket.h"

static mpp_loop l;

static struct sockaddr_in v4(const char *text, uint16_t port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
				 .sin_port = htons(port)};

	assert_int_equal(inet_pton(AF_INET, text, &sa.sin_addr), 1);
	return sa;
}

/* A socket from this address to the service, in use. */
static void use_socket_from(const char *from)
{
	const struct sockaddr_in to = v4("127.0.0.1", 15099);
	const struct sockaddr_in own = v4(from, 0);
	const int fd =
		socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (const struct sockaddr *)&own, sizeof(own)),
			 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)),
			 0);
	memcpy(&l.attempt.current.sa, &to, sizeof(to));
	l.attempt.current.len = sizeof(to);
	loop_use_socket(&l, fd);
}

static uint32_t own_address(void)
{
	struct sockaddr_in sa;
	socklen_t len = sizeof(sa);

	assert_int_equal(getsockname(l.socket, (struct sockaddr *)&sa, &len),
			 0);
	return ntohl(sa.sin_addr.s_addr);
}

static mpp_instant at(uint64_t us)
{
	return (mpp_instant){{us}, {us}};
}

static int setup(void **state)
{
	const mpp_client_config config = {
		.mode = MPP_MODE_SUBSCRIBE,
		.account = {(const uint8_t *)"@a", 2},
		.suite = MPP_SUITE_25519,
		.device_secret = {1},
	};

	(void)state;
	memset(&l, 0, sizeof(l));
	l.socket = -1;
	l.epoll = epoll_create1(EPOLL_CLOEXEC);
	assert_int_equal(mpp_crypto_new(&l.crypto), MPP_OK);
	l.memory = malloc(mpp_client_size());
	assert_int_equal(mpp_client_init(l.memory, mpp_client_size(), &config,
					 &l.crypto, &l.client),
			 MPP_OK);
	loop_network_open(&l);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	loop_use_socket(&l, -1);
	loop_network_close(&l);
	assert_int_equal(l.network.fd, -1);
	if (l.epoll >= 0)
		(void)close(l.epoll);
	free(l.memory);
	mpp_crypto_free(&l.crypto);
	return 0;
}

static void test_another_address(void **state)
{
	const int before = l.epoll;

	(void)state;
	use_socket_from("127.0.0.2");
	assert_int_equal(own_address() & 0xff, 2);
	assert_false(loop_network_step(&l, at(1000))); /* nothing was said */
	l.network.at.us = 1000;
	assert_true(loop_network_step(&l, at(1000)));
	assert_int_equal(own_address() & 0xff, 1);
	assert_int_equal(l.network.at.us, MPP_TIME_NEVER.us);
	assert_int_equal(l.epoll, before);
}

/* Those that were asked from the old network are asked again, but not while a
 * connection holds. */
static void test_another_address_while_it_tries(void **state)
{
	(void)state;
	l.attempt.addresses.n = 2;
	l.attempt.phase = LOOP_HOLD;
	l.race.asked = 1;
	use_socket_from("127.0.0.2");
	l.network.at.us = 1000;
	assert_true(loop_network_step(&l, at(1000)));
	assert_int_equal(l.race.asked, 1);
	l.network.moved.us = 0;
	l.attempt.phase = LOOP_TRY;
	use_socket_from("127.0.0.2");
	l.network.at.us = 2000;
	assert_true(loop_network_step(&l, at(2000)));
	assert_int_equal(l.race.asked, 0);
	assert_int_equal(l.race.at.us, 2000 + LOOP_RACE_STEP_MS * 1000);
}

static void test_the_same_address(void **state)
{
	int fd;

	(void)state;
	use_socket_from("127.0.0.1");
	fd = l.socket;
	l.network.at.us = 1000;
	assert_false(loop_network_step(&l, at(1000)));
	assert_int_equal(l.socket, fd);
	assert_int_equal(l.network.at.us, MPP_TIME_NEVER.us);
}

/* No socket (between two attempts), or no way to the service. */
static void test_nothing_to_compare(void **state)
{
	struct sockaddr_in far = v4("240.0.0.1", 1);

	(void)state;
	l.network.at.us = 1000;
	assert_false(loop_network_step(&l, at(1000)));
	use_socket_from("127.0.0.2");
	memcpy(&l.attempt.current.sa, &far, sizeof(far));
	l.attempt.current.sa.ss_family = AF_UNSPEC + 99;
	l.network.at.us = 1000;
	assert_false(loop_network_step(&l, at(1000)));
	assert_int_equal(own_address() & 0xff, 2);
}

/* Where the kernel tells nothing all else goes on. */
static void test_without_netlink(void **state)
{
	(void)state;
	loop_network_close(&l);
	(void)close(l.epoll);
	l.epoll = -1; /* nothing can be watched */
	loop_network_open(&l);
	assert_int_equal(l.network.fd, -1);
	assert_false(loop_network_step(&l, at(1000)));
	assert_int_equal(l.network.at.us, MPP_TIME_NEVER.us);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_another_address),
		CASE(test_another_address_while_it_tries),
		CASE(test_the_same_address),
		CASE(test_nothing_to_compare),
		CASE(test_without_netlink),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
