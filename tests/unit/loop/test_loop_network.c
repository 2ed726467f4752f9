/* SPDX-License-Identifier: MIT */
/* What the loop makes of a change of network. (That the kernel says so, and
 * what comes of it, is in tests/system/test_moves.py.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "loop/loop.h"
#include "loop/socket.h"
#include "role/client.h"

static mpp_loop l;
static char root[64]; /* with a proc/net of our own */

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
	l.network.root = root;
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

/* ---- which network it is ---- */

static void put(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/proc/net/%s", root, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int make_root(void **state)
{
	char path[128];

	(void)state;
	(void)snprintf(root, sizeof(root), "/tmp/mpp-network-XXXXXX");
	if (mkdtemp(root) == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/proc", root);
	if (mkdir(path, 0700) != 0)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/proc/net", root);
	return mkdir(path, 0700);
}

static int remove_root(void **state)
{
	char command[96];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

#define ROUTE "eth0\t00000000\t%s\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
#define NEIGHBOUR "10.0.0.%d 0x1 0x2 02:00:00:00:00:0%d * eth0\n"

/* A gateway 10.0.0.n; neighbour: the one in the table of neighbours. */
static void be_behind(int n, int neighbour)
{
	char text[128], via[16];

	(void)snprintf(via, sizeof(via), "%02X00000A", (unsigned)n);
	(void)snprintf(text, sizeof(text), ROUTE, via);
	put("route", text);
	(void)snprintf(text, sizeof(text), NEIGHBOUR, neighbour, neighbour);
	put("arp", text);
}

static void assert_network(const uint8_t *network, bool same)
{
	if (same)
		assert_memory_equal(l.client->network, network,
				    MPP_NETWORK_LEN);
	else
		assert_memory_not_equal(l.client->network, network,
					MPP_NETWORK_LEN);
}

static void test_names_the_network(void **state)
{
	uint8_t first[MPP_NETWORK_LEN];

	(void)state;
	l.mode = MPP_MODE_SUBSCRIBE;
	be_behind(1, 1);
	use_socket_from("127.0.0.1");
	loop_network_look(&l, at(1000));
	assert_false(loop_network_step(&l, at(1000)));
	memcpy(first, l.client->network, MPP_NETWORK_LEN);
	assert_false(mem_is_zero(first, MPP_NETWORK_LEN));
	assert_false(mem_is_zero(l.state.network_key, LOOP_NETWORK_KEY_LEN));
	/* The same address in another network. */
	be_behind(2, 2);
	l.network.at.us = 2000;
	assert_false(loop_network_step(&l, at(2000)));
	assert_network(first, false);
	/* No route for a while: it may be back in a moment. */
	be_behind(1, 1);
	l.network.at.us = 3000;
	assert_false(loop_network_step(&l, at(3000)));
	assert_network(first, true);
	put("route", "");
	l.network.at.us = 4000;
	assert_false(loop_network_step(&l, at(4000)));
	assert_network(first, true);
	/* But from another address that is not known to be there. */
	use_socket_from("127.0.0.2");
	l.network.at.us = 5000;
	assert_true(loop_network_step(&l, at(5000)));
	assert_true(mem_is_zero(l.client->network, MPP_NETWORK_LEN));
}

/* Nothing was sent to the gateway yet: it is looked for some times more. */
static void test_waits_for_the_neighbour(void **state)
{
	uint64_t us = 1000;
	unsigned i;

	(void)state;
	l.mode = MPP_MODE_SUBSCRIBE;
	be_behind(1, 2);
	use_socket_from("127.0.0.1");
	loop_network_look(&l, at(us));
	assert_false(loop_network_step(&l, at(us)));
	for (i = 0; i < 3; i++) {
		assert_true(mem_is_zero(l.client->network, MPP_NETWORK_LEN));
		assert_int_equal(l.network.at.us, us + (1000000u << i));
		us = l.network.at.us;
		assert_false(loop_network_step(&l, at(us)));
	}
	/* One that never has such an address is known without. */
	us = l.network.at.us;
	assert_false(loop_network_step(&l, at(us)));
	assert_int_equal(l.network.at.us, MPP_TIME_NEVER.us);
	assert_false(mem_is_zero(l.client->network, MPP_NETWORK_LEN));
}

/* Who only asks is gone before anything is learnt. */
static void test_asks_once(void **state)
{
	(void)state;
	l.mode = MPP_MODE_STATUS;
	be_behind(1, 1);
	use_socket_from("127.0.0.1");
	loop_network_look(&l, at(1000));
	assert_false(loop_network_step(&l, at(1000)));
	assert_true(mem_is_zero(l.client->network, MPP_NETWORK_LEN));
	assert_true(mem_is_zero(l.state.network_key, LOOP_NETWORK_KEY_LEN));
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
		CASE(test_names_the_network),
		CASE(test_waits_for_the_neighbour),
		CASE(test_asks_once),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
