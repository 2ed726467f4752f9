/* SPDX-License-Identifier: MIT */
/* test_host_udp_faults.c - every single sendmmsg() and recvmmsg() of a few
 * batches fails or does a part, in several ways: what could not be sent is
 * counted, and all the rest goes out and comes in, in its order.
 *
 * The functions below stand before those of the C library; they call the
 * kernel, unless the failure is due. */
#include "head.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/addr.h"
#include "host/udp.h"

enum {
	MANY = 150, /* two batches and a part of one */
	PART = -1,  /* as an error: one datagram is done */
	HALF = -2,  /* half of them are */
};

static struct {
	int countdown; /* 0: off; 1: the next call fails */
	int times;     /* so many in a row */
	int error;
	int reached;
} upset;

static int polls;

static bool due(void)
{
	if (upset.countdown == 0 || --upset.countdown > 0)
		return false;
	upset.reached++;
	upset.countdown = --upset.times > 0 ? 1 : 0;
	return true;
}

static unsigned part_of(unsigned n)
{
	return upset.error == PART || n < 2 ? 1 : n / 2;
}

#define FRONT __attribute__((visibility("default")))

FRONT int sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags)
{
	if (due()) {
		if (upset.error > 0) {
			errno = upset.error;
			return -1;
		}
		n = part_of(n);
	}
	return (int)syscall(SYS_sendmmsg, fd, m, n, flags);
}

FRONT int recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags,
		   struct timespec *wait)
{
	if (due()) {
		if (upset.error > 0) {
			errno = upset.error;
			return -1;
		}
		n = part_of(n);
	}
	return (int)syscall(SYS_recvmmsg, fd, m, n, flags, wait);
}

static struct udp udp;
static mpp_datagram slots[MANY];
static mpp_outbox out = {slots, MANY, 0};
static int peer;
static mpp_addr peer_addr;

static void bound(int *fd, mpp_addr *at)
{
	struct sockaddr_storage sa;
	socklen_t len;

	assert_null(addr_wrong("127.0.0.1:1", at));
	at->port = 0;
	len = addr_to_sockaddr(at, &sa);
	*fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_true(*fd >= 0);
	assert_int_equal(bind(*fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(getsockname(*fd, (struct sockaddr *)&sa, &len), 0);
	assert_true(addr_from_sockaddr(&sa, at));
}

static int setup(void **state)
{
	struct fault f;
	mpp_addr at;
	int fd;

	(void)state;
	memset(&upset, 0, sizeof(upset));
	polls = 0;
	udp_init(&udp);
	bound(&fd, &at);
	assert_int_equal(close(fd), 0);
	assert_int_equal(udp_listen(&udp, &at, &f), MPP_OK);
	bound(&peer, &peer_addr);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	udp_close(&udp);
	return close(peer);
}

static void arm(int n, int error, int times)
{
	upset.countdown = n;
	upset.error = error;
	upset.times = times;
	upset.reached = 0;
	memset(&udp.count, 0, sizeof(udp.count));
}

/* ---- sending ---- */

static void fill_outbox(void)
{
	uint32_t i;

	for (i = 0; i < MANY; i++) {
		slots[i].to = peer_addr;
		slots[i].len = 40;
		memcpy(slots[i].data, &i, sizeof(i));
	}
	out.n = MANY;
}

/* All that waits at the peer; numbers must rise. @return how many */
static unsigned drain_peer(void)
{
	uint8_t data[64];
	uint32_t number, next = 0;
	unsigned n = 0;

	while (recv(peer, data, sizeof(data), MSG_DONTWAIT) == 40) {
		memcpy(&number, data, sizeof(number));
		assert_true(number >= next);
		next = number + 1;
		n++;
	}
	return n;
}

static const struct {
	const char *what;
	int error;
	int times;
	unsigned lost; /* datagrams that the kernel would not take */
	bool full; /* and all behind them in their batch: for want of room */
} sends[] = {
	{"a signal comes", EINTR, 1, 0, false},
	{"signals come and come", EINTR, 20, 0, false},
	{"there is no room for a moment", EAGAIN, 1, 0, false},
	{"there are no buffers for a moment", ENOBUFS, 1, 0, false},
	{"there is no room for longer", EAGAIN, 2, 0, true},
	{"there are no buffers for longer", ENOBUFS, 2, 0, true},
	{"a filter says no", EPERM, 1, 1, false},
	{"there is no way there", ENETUNREACH, 1, 1, false},
	{"the host is away", EHOSTUNREACH, 1, 1, false},
	{"it is too long for the link", EMSGSIZE, 1, 1, false},
	{"an older one was refused", ECONNREFUSED, 1, 1, false},
	{"no memory", ENOMEM, 1, 1, false},
	{"three in a row are refused", EPERM, 3, 3, false},
	{"one only is taken", PART, 1, 0, false},
	{"half are taken", HALF, 1, 0, false},
	{"one at a time is taken", PART, 30, 0, false},
};

static bool send_once(size_t way, int n)
{
	unsigned came;

	fill_outbox();
	arm(n, sends[way].error, sends[way].times);
	udp_send(&udp, &out);
	upset.countdown = 0;
	came = drain_peer();
	assert_int_equal(out.n, 0);
	assert_int_equal(udp.count.sent, came);
	assert_int_equal(udp.count.sent + udp.count.send_errors +
				 udp.count.send_full,
			 MANY);
	if (upset.reached == 0) {
		assert_int_equal(came, MANY);
		return false;
	}
	if (upset.reached == sends[way].times) {
		assert_int_equal(udp.count.send_errors, sends[way].lost);
		assert_int_equal(udp.count.send_full > 0, sends[way].full);
	}
	/* One batch is all that a want of room may cost. */
	assert_true(udp.count.send_full <= UDP_BATCH);
	return true;
}

static void test_each_call_that_sends(void **state)
{
	size_t way;
	int n;

	(void)state;
	for (way = 0; way < sizeof(sends) / sizeof(sends[0]); way++) {
		for (n = 1; send_once(way, n); n++)
			assert_true(n < 100);
		print_message("%s: %d calls\n", sends[way].what, n - 1);
		assert_true(n - 1 >= 3);
	}
}

/* ---- receiving ---- */

struct seen {
	unsigned n;
	uint32_t next;
};

static void see(void *arg, mpp_buf in, const mpp_addr *from)
{
	struct seen *s = arg;
	uint32_t number;

	memcpy(&number, in.p, sizeof(number));
	assert_int_equal(number, s->next++);
	assert_int_equal(from->port, peer_addr.port);
	s->n++;
}

static void send_many(void)
{
	struct sockaddr_storage sa;
	const socklen_t len = addr_to_sockaddr(&udp.at[0], &sa);
	uint8_t data[40] = {0};
	uint32_t i;

	for (i = 0; i < MANY; i++) {
		memcpy(data, &i, sizeof(i));
		assert_int_equal(sendto(peer, data, sizeof(data), 0,
					(struct sockaddr *)&sa, len),
				 sizeof(data));
	}
}

static const struct {
	const char *what;
	int error;
	unsigned counted;
} receives[] = {
	{"a signal comes", EINTR, 0},
	{"it says that nothing is there", EAGAIN, 0},
	{"an error of an earlier datagram", ECONNREFUSED, 1},
	{"no buffers", ENOBUFS, 1},
	{"no memory", ENOMEM, 1},
	{"one only is given", PART, 0},
	{"half are given", HALF, 0},
};

/* As the loop does: again as long as the socket can be read. */
static void receive_all(struct seen *s)
{
	struct pollfd p = {.fd = udp.fd[0], .events = POLLIN};

	while (poll(&p, 1, s->n < MANY ? 2000 : 0) == 1) {
		assert_true(++polls < 1000);
		while (udp_receive(&udp, 0, see, s) == UDP_BATCH)
			continue;
	}
}

static bool receive_once(size_t way, int n)
{
	struct seen s = {0, 0};

	send_many();
	arm(n, receives[way].error, 1);
	receive_all(&s);
	upset.countdown = 0;
	assert_int_equal(s.n, MANY);
	assert_int_equal(udp.count.received, MANY);
	assert_int_equal(udp.count.receive_errors,
			 upset.reached > 0 ? receives[way].counted : 0);
	return upset.reached > 0;
}

static void test_each_call_that_receives(void **state)
{
	size_t way;
	int n;

	(void)state;
	for (way = 0; way < sizeof(receives) / sizeof(receives[0]); way++) {
		for (n = 1; receive_once(way, n); n++)
			assert_true(n < 100);
		print_message("%s: %d calls\n", receives[way].what, n - 1);
		assert_true(n - 1 >= 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_call_that_sends,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_each_call_that_receives,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
