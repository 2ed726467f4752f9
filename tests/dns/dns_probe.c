/* SPDX-License-Identifier: MIT */
/* dns_probe.c - src/dns behind a UDP port of the loopback, and nothing else:
 *
 *   dns_probe CONFIG ADDRESS:PORT [SHIFT]
 *
 * CONFIG is one of mppd; of it, [dns] counts. SHIFT is added to the time that
 * src/dns is told, in seconds. Says "ready" when it listens, and its counters
 * for each line of standard input; ends at the end of that. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/conf.h"
#include "dns/dns.h"
#include "host/clock.h"

enum { CLIENTS = 4096 };

/* Who asked what is on its way: the number that src/dns gives back. */
static struct sockaddr_storage clients[CLIENTS];
static uint64_t shift_us;

static mpp_time now(void)
{
	return (mpp_time){clock_now().mono.us + shift_us};
}

static int listen_at(const char *text)
{
	struct sockaddr_storage sa;
	mpp_addr addr;
	socklen_t n;
	int fd;

	if (addr_wrong(text, &addr) != NULL)
		return -1;
	n = addr_to_sockaddr(&addr, &sa);
	fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&sa, n) != 0)
		return -1;
	return fd;
}

static void take_queries(struct dns *d, int fd)
{
	static uint32_t next;
	uint8_t room[65536];
	ssize_t n = 0;

	while (n >= 0) {
		struct sockaddr_storage *from = &clients[next % CLIENTS];
		socklen_t len = sizeof(*from);

		n = recvfrom(fd, room, sizeof(room), 0, (struct sockaddr *)from,
			     &len);
		if (n >= 0 &&
		    dns_ask(d, next++ % CLIENTS, (mpp_bytes){room, (size_t)n},
			    now()) != MPP_OK)
			(void)fputs("limit\n", stdout);
	}
}

static void give_answers(struct dns *d, int fd)
{
	mpp_bytes answer;
	uint32_t id;

	while (dns_next(d, &id, &answer)) {
		const struct sockaddr_storage *to = &clients[id];
		const socklen_t len = to->ss_family == AF_INET6
					      ? sizeof(struct sockaddr_in6)
					      : sizeof(struct sockaddr_in);

		(void)sendto(fd, answer.p, answer.len, 0,
			     (const struct sockaddr *)to, len);
	}
}

static int wait_ms(const struct dns *d)
{
	const mpp_time t = dns_deadline(d), n = now();

	if (t.us == MPP_TIME_NEVER.us)
		return -1;
	return t.us <= n.us ? 0 : (int)((t.us - n.us) / 1000 + 1);
}

static void show_counters(const struct dns *d)
{
	struct dns_counters c;

	dns_count(d, &c);
#define SHOW(name, text) printf(#name " %llu\n", (unsigned long long)c.name);
	DNS_COUNTERS(SHOW)
#undef SHOW
	(void)puts(".");
	(void)fflush(stdout);
}

/* Each line of standard input asks for the counters. @return false: end */
static bool take_line(const struct dns *d)
{
	char room[64];

	if (read(STDIN_FILENO, room, sizeof(room)) <= 0)
		return false;
	show_counters(d);
	return true;
}

static void serve(struct dns *d, int fd)
{
	struct pollfd p[3] = {{fd, POLLIN, 0},
			      {dns_fd(d), POLLIN, 0},
			      {STDIN_FILENO, POLLIN, 0}};

	for (;;) {
		if (poll(p, 3, wait_ms(d)) < 0 && errno != EINTR)
			return;
		if (p[2].revents != 0 && !take_line(d))
			return;
		take_queries(d, fd);
		dns_run(d, now());
		give_answers(d, fd);
	}
}

int main(int argc, char **argv)
{
	static struct conf conf;
	static struct fault f;
	struct dns_config c;
	struct dns *d;
	int fd;

	if (argc < 3)
		return 64;
	shift_us = argc > 3 ? strtoull(argv[3], NULL, 10) * 1000000 : 0;
	if (conf_load(argv[1], &conf, &f) != MPP_OK ||
	    (conf_dns(&conf, &c), dns_open(&c, &d, &f)) != MPP_OK) {
		(void)fprintf(stderr, "%s\n", f.text);
		return f.exit_code;
	}
	fd = listen_at(argv[2]);
	if (fd < 0) {
		perror(argv[2]);
		dns_close(d);
		return 71;
	}
	(void)puts("ready");
	(void)fflush(stdout);
	serve(d, fd);
	dns_close(d);
	(void)close(fd);
	return 0;
}
