/* SPDX-License-Identifier: MIT */
/* test_host_udp.c - real sockets on the loopback, IPv4 and IPv6. */
#include "head.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sysexits.h>
#include <unistd.h>

#include "host/addr.h"
#include "host/udp.h"

enum { MANY = 150 }; /* more than two batches */

static struct udp udp;
static struct fault fault;
static mpp_datagram slots[256];
static mpp_outbox out = {slots, 256, 0};

/* A plain socket of the other side, and its address. */
struct peer {
	int fd;
	mpp_addr addr;
};

static void peer_open(struct peer *p, const char *text)
{
	struct sockaddr_storage sa;
	socklen_t len;

	assert_null(addr_wrong(text, &p->addr));
	p->addr.port = 0;
	len = addr_to_sockaddr(&p->addr, &sa);
	p->fd = socket(sa.ss_family, SOCK_DGRAM, 0);
	assert_true(p->fd >= 0);
	assert_int_equal(bind(p->fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(getsockname(p->fd, (struct sockaddr *)&sa, &len), 0);
	assert_true(addr_from_sockaddr(&sa, &p->addr));
}

/* Listen where nobody else does: the kernel gives a free port to another
 * socket, which then makes way. */
static size_t listen_on(const char *text)
{
	struct peer p;

	peer_open(&p, text);
	assert_int_equal(close(p.fd), 0);
	assert_int_equal(udp_listen(&udp, &p.addr, &fault), MPP_OK);
	return udp.n - 1;
}

static void peer_send(const struct peer *p, const mpp_addr *to, size_t len,
		      uint32_t number)
{
	static uint8_t data[2048];
	struct sockaddr_storage sa;
	const socklen_t n = addr_to_sockaddr(to, &sa);

	memcpy(data, &number, sizeof(number));
	assert_int_equal(sendto(p->fd, data, len, 0, (struct sockaddr *)&sa, n),
			 len);
}

/* Wait up to 5 s. @return length, -1 when nothing comes */
static ssize_t peer_receive(const struct peer *p, int wait_ms, uint32_t *number)
{
	uint8_t data[2048];
	struct pollfd w = {.fd = p->fd, .events = POLLIN};
	ssize_t n;

	if (poll(&w, 1, wait_ms) != 1)
		return -1;
	n = recv(p->fd, data, sizeof(data), 0);
	if (n >= (ssize_t)sizeof(*number))
		memcpy(number, data, sizeof(*number));
	return n;
}

struct seen {
	unsigned n;
	uint32_t next;
	mpp_addr from;
	size_t len;
};

static void see(void *arg, mpp_buf in, const mpp_addr *from)
{
	struct seen *s = arg;
	uint32_t number;

	assert_int_equal(in.cap, MPP_DATAGRAM_MAX);
	assert_true(in.len >= sizeof(number));
	memcpy(&number, in.p, sizeof(number));
	assert_int_equal(number, s->next++);
	s->n++;
	s->from = *from;
	s->len = in.len;
	memset(in.p, 0xff, in.cap); /* ours to change */
}

static void wait_readable(size_t i)
{
	struct pollfd w = {.fd = udp.fd[i], .events = POLLIN};

	assert_int_equal(poll(&w, 1, 5000), 1);
}

static int setup(void **state)
{
	(void)state;
	udp_init(&udp);
	out.n = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	udp_close(&udp);
	return 0;
}

static void put(const mpp_addr *to, size_t socket, uint32_t number)
{
	mpp_datagram *d = &slots[out.n++];

	d->to = *to;
	d->to.socket = (uint8_t)socket;
	d->len = 100;
	memcpy(d->data, &number, sizeof(number));
}

static void receive_many(const char *text, size_t wanted)
{
	struct seen seen = {0, 0, {{0}, 0, 0, 0}, 0};
	const size_t i = listen_on(text);
	struct peer p;
	uint32_t k;

	assert_int_equal(i, wanted);
	peer_open(&p, text);
	for (k = 0; k < MANY; k++)
		peer_send(&p, &udp.at[i], 50, k);
	wait_readable(i);
	assert_int_equal(udp_receive(&udp, i, see, &seen), UDP_BATCH);
	assert_int_equal(udp_receive(&udp, i, see, &seen), UDP_BATCH);
	assert_int_equal(udp_receive(&udp, i, see, &seen),
			 MANY - 2 * UDP_BATCH);
	assert_int_equal(udp_receive(&udp, i, see, &seen), 0);
	assert_int_equal(seen.n, MANY);
	assert_int_equal(seen.len, 50);
	p.addr.socket = (uint8_t)i;
	assert_memory_equal(&seen.from, &p.addr, sizeof(p.addr));
	assert_int_equal(close(p.fd), 0);
}

static void test_receives_in_batches(void **state)
{
	(void)state;
	receive_many("127.0.0.1", 0);
	receive_many("[::1]", 1);
	assert_int_equal(udp.count.received, 2 * MANY);
	assert_int_equal(udp.count.receive_errors, 0);
}

static void test_sends_from_the_named_socket(void **state)
{
	const size_t v4 = listen_on("127.0.0.1");
	const size_t v6 = listen_on("[::1]");
	const size_t other = listen_on("127.0.0.1");
	struct peer p4, p6;
	uint32_t k, number;

	(void)state;
	peer_open(&p4, "127.0.0.1");
	peer_open(&p6, "[::1]");
	for (k = 0; k < MANY; k++)
		put(k % 2 == 0 ? &p4.addr : &p6.addr, k % 2 == 0 ? v4 : v6, k);
	udp_send(&udp, &out);
	assert_int_equal(out.n, 0);
	assert_int_equal(udp.count.sent, MANY);
	for (k = 0; k < MANY; k++) {
		assert_int_equal(peer_receive(k % 2 == 0 ? &p4 : &p6, 5000,
					      &number),
				 100);
		assert_int_equal(number, k);
	}
	put(&p4.addr, other, 7);
	udp_send(&udp, &out);
	{
		struct sockaddr_storage sa;
		socklen_t len = sizeof(sa);
		mpp_addr from;

		assert_int_equal(recvfrom(p4.fd, &number, sizeof(number), 0,
					  (struct sockaddr *)&sa, &len),
				 4);
		assert_true(addr_from_sockaddr(&sa, &from));
		assert_int_equal(from.port, udp.at[other].port);
	}
	assert_int_equal(close(p4.fd) | close(p6.fd), 0);
}

static void send_to(const struct peer *p, const mpp_addr *to, const void *data,
		    size_t len)
{
	struct sockaddr_storage sa;
	const socklen_t n = addr_to_sockaddr(to, &sa);

	assert_int_equal(sendto(p->fd, data, len, 0, (struct sockaddr *)&sa, n),
			 len);
}

/* The address that it comes from. */
static mpp_addr came_from(const struct peer *p)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct pollfd w = {.fd = p->fd, .events = POLLIN};
	uint8_t data[64];
	mpp_addr from;

	assert_int_equal(poll(&w, 1, 5000), 1);
	assert_true(recvfrom(p->fd, data, sizeof(data), 0,
			     (struct sockaddr *)&sa, &len) > 0);
	assert_true(addr_from_sockaddr(&sa, &from));
	return from;
}

static void answer_the_same(void *arg, mpp_buf in, const mpp_addr *from)
{
	mpp_datagram *d = &out.slots[out.n++];

	(void)arg;
	d->to = *from;
	d->len = (uint16_t)in.len;
	memcpy(d->data, in.p, in.len);
}

/* One asks several of our addresses at once, on a socket of the wildcard; what
 * is not STUN leaves from where the routes say. */
static void test_stun_leaves_from_the_address_asked(void **state)
{
	static const char *const asked[] = {"127.0.0.7", "127.0.0.9",
					    "127.0.0.1"};
	uint8_t request[20] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42};
	const size_t i = listen_on("0.0.0.0");
	mpp_addr to[3], from;
	struct peer p;
	uint32_t n;
	uint8_t k;

	(void)state;
	peer_open(&p, "127.0.0.1");
	for (k = 0; k < 3; k++) {
		assert_null(addr_wrong(asked[k], &to[k]));
		to[k].port = udp.at[i].port;
		request[19] = k;
		send_to(&p, &to[k], request, sizeof(request));
	}
	request[4] = 0;
	send_to(&p, &to[0], request, sizeof(request));
	wait_readable(i);
	assert_int_equal(udp_receive(&udp, i, answer_the_same, NULL), 4);
	udp_send(&udp, &out);
	assert_int_equal(udp.count.sent, 4);
	for (k = 0; k < 3; k++) {
		from = came_from(&p);
		assert_memory_equal(from.ip, to[k].ip, 4);
		assert_int_equal(from.port, to[k].port);
	}
	from = came_from(&p);
	assert_memory_equal(from.ip, to[2].ip, 4);
	/* More often than is remembered. */
	for (n = 0; n < UDP_ASKED + 50; n++) {
		request[4] = 0x21;
		memcpy(request + 16, &n, sizeof(n));
		send_to(&p, &to[1], request, sizeof(request));
		wait_readable(i);
		(void)udp_receive(&udp, i, answer_the_same, NULL);
		udp_send(&udp, &out);
		from = came_from(&p);
		assert_memory_equal(from.ip, to[1].ip, 4);
	}
	assert_int_equal(close(p.fd), 0);
}

/* Destinations that the kernel refuses: port 0, and a broadcast address
 * without permission. What stands before, between and behind them goes out. */
static void test_bad_destinations_do_not_hold_up_others(void **state)
{
	const size_t i = listen_on("127.0.0.1");
	struct peer p;
	mpp_addr zero, broadcast;
	uint32_t k, number;

	(void)state;
	peer_open(&p, "127.0.0.1");
	zero = p.addr;
	zero.port = 0;
	assert_null(addr_wrong("255.255.255.255:9", &broadcast));
	put(&zero, i, 1000);
	for (k = 0; k < 100; k++) {
		put(&p.addr, i, k);
		if (k == 40 || k == 41)
			put(&broadcast, i, 1001);
	}
	put(&zero, i, 1002);
	udp_send(&udp, &out);
	assert_int_equal(udp.count.sent, 100);
	assert_int_equal(udp.count.send_errors, 4);
	for (k = 0; k < 100; k++) {
		assert_int_equal(peer_receive(&p, 5000, &number), 100);
		assert_int_equal(number, k);
	}
	assert_int_equal(peer_receive(&p, 50, &number), -1);
	assert_int_equal(close(p.fd), 0);
}

static void test_what_is_too_long_is_dropped(void **state)
{
	struct seen seen = {0, 5, {{0}, 0, 0, 0}, 0};
	const size_t i = listen_on("127.0.0.1");
	struct peer p;

	(void)state;
	peer_open(&p, "127.0.0.1");
	peer_send(&p, &udp.at[i], MPP_DATAGRAM_MAX + 1, 4);
	peer_send(&p, &udp.at[i], MPP_DATAGRAM_MAX, 5);
	wait_readable(i);
	assert_int_equal(udp_receive(&udp, i, see, &seen), 2);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.len, MPP_DATAGRAM_MAX);
	assert_int_equal(udp.count.too_long, 1);
	assert_int_equal(close(p.fd), 0);
}

static void see_empty(void *arg, mpp_buf in, const mpp_addr *from)
{
	unsigned *n = arg;

	(void)from;
	assert_int_equal(in.len, 0);
	++*n;
}

static void test_an_empty_datagram_is_one(void **state)
{
	const size_t i = listen_on("127.0.0.1");
	struct peer p;
	unsigned n = 0;

	(void)state;
	peer_open(&p, "127.0.0.1");
	peer_send(&p, &udp.at[i], 0, 0);
	wait_readable(i);
	assert_int_equal(udp_receive(&udp, i, see_empty, &n), 1);
	assert_int_equal(n, 1);
	assert_int_equal(close(p.fd), 0);
}

/* An IPv6 wildcard leaves IPv4 to others, on the same port. */
static void test_v6_is_v6_only(void **state)
{
	mpp_addr v6, v4;
	size_t i;

	(void)state;
	assert_null(addr_wrong("[::]:1", &v6));
	i = listen_on("127.0.0.1");
	v6.port = udp.at[i].port;
	v4 = udp.at[i];
	assert_int_equal(udp_listen(&udp, &v6, &fault), MPP_OK);
	assert_int_equal(udp_listen(&udp, &v4, &fault), MPP_ERR_IO);
}

static void test_a_port_in_use_is_said(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p, "127.0.0.1");
	assert_int_equal(udp_listen(&udp, &p.addr, &fault), MPP_ERR_IO);
	assert_int_equal(fault.exit_code, EX_OSERR);
	assert_non_null(strstr(fault.text, "another program has this port"));
	assert_int_equal(udp.n, 0);
	assert_int_equal(close(p.fd), 0);
	assert_int_equal(udp_listen(&udp, &p.addr, &fault), MPP_OK);
}

static void test_a_foreign_address_is_said(void **state)
{
	mpp_addr a;

	(void)state;
	assert_null(addr_wrong("192.0.2.1:9999", &a));
	assert_int_equal(udp_listen(&udp, &a, &fault), MPP_ERR_IO);
	assert_non_null(strstr(fault.text, "192.0.2.1:9999"));
	assert_non_null(strstr(fault.text, "does not have that address"));
}

static void test_sockets_are_limited(void **state)
{
	mpp_addr a;
	size_t i;

	(void)state;
	for (i = 0; i < UDP_SOCKETS_MAX; i++)
		(void)listen_on("127.0.0.1");
	assert_null(addr_wrong("127.0.0.1:1", &a));
	assert_int_equal(udp_listen(&udp, &a, &fault), MPP_ERR_LIMIT);
	assert_int_equal(udp.n, UDP_SOCKETS_MAX);
}

/* Far more than any buffer holds, with nobody reading: counted, not blocked,
 * and the socket still works. Loopback drops at the receiver, so what does not
 * arrive was sent. */
static void test_a_flood_does_not_block(void **state)
{
	const size_t i = listen_on("127.0.0.1");
	struct peer p;
	unsigned round;
	uint32_t k;

	(void)state;
	peer_open(&p, "127.0.0.1");
	for (round = 0; round < 200; round++) {
		for (k = 0; k < 256; k++)
			put(&p.addr, i, k);
		udp_send(&udp, &out);
	}
	assert_int_equal(udp.count.sent + udp.count.send_full, 200 * 256);
	assert_int_equal(udp.count.send_errors, 0);
	assert_true(udp.count.sent >= 256);
	assert_int_equal(close(p.fd), 0);
}

int main(void)
{
#define ONE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ONE(test_receives_in_batches),
		ONE(test_sends_from_the_named_socket),
		ONE(test_stun_leaves_from_the_address_asked),
		ONE(test_bad_destinations_do_not_hold_up_others),
		ONE(test_what_is_too_long_is_dropped),
		ONE(test_an_empty_datagram_is_one),
		ONE(test_v6_is_v6_only),
		ONE(test_a_port_in_use_is_said),
		ONE(test_a_foreign_address_is_said),
		ONE(test_sockets_are_limited),
		ONE(test_a_flood_does_not_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
