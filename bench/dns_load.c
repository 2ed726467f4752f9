/* SPDX-License-Identifier: MIT */
/* dns_load.c - how fast a resolver on the loopback answers from its cache:
 *
 *   dns_load PORT NAMES SECONDS WINDOW
 *
 * asks for n0.bench.example. to nNAMES-1.bench.example., type A with DO, WINDOW
 * at a time, and says "ANSWERS/S P50 P99" with the latencies in microseconds.
 * An answer that is missing or not NOERROR ends it with an error. */
#include <arpa/inet.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { WINDOW_MAX = 1024, SAMPLES = 1 << 22, PATIENCE_MS = 5000 };

struct load {
	int fd;
	unsigned names, window, next;
	double sent_at[WINDOW_MAX];
	size_t n;
};

static uint32_t samples[SAMPLES];

static double seconds(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool fail(const char *what)
{
	(void)fprintf(stderr, "dns_load: %s\n", what);
	return false;
}

static bool ask(struct load *l, uint16_t id)
{
	static const uint8_t rest[] = "\5bench\7example\0\0\1\0\1"
				      "\0\0\x29\x10\0\0\0\x80\0\0";
	uint8_t q[128] = {
		(uint8_t)(id >> 8), (uint8_t)id, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1};
	const int n = snprintf((char *)q + 13, 16, "n%u", l->next++ % l->names);
	size_t at = 13 + (size_t)n;

	q[12] = (uint8_t)n;
	/* With its NUL: the length of OPT has two octets. */
	memcpy(q + at, rest, sizeof(rest));
	at += sizeof(rest);
	l->sent_at[id] = seconds();
	return send(l->fd, q, at, 0) == (ssize_t)at || fail("cannot send");
}

/* @return the id of the answer; -1: there was none */
static int take(struct load *l)
{
	struct pollfd p = {l->fd, POLLIN, 0};
	uint8_t a[4096];
	unsigned id;
	ssize_t n;

	if (poll(&p, 1, PATIENCE_MS) != 1)
		return -1;
	n = recv(l->fd, a, sizeof(a), 0);
	id = n >= 12 ? (unsigned)a[0] << 8 | a[1] : WINDOW_MAX;
	if (id >= l->window || (a[3] & 15) != 0 || a[7] == 0)
		return -1;
	if (l->n < SAMPLES)
		samples[l->n] = (uint32_t)((seconds() - l->sent_at[id]) * 1e6);
	l->n++;
	return (int)id;
}

static bool run(struct load *l, double how_long)
{
	const double end = seconds() + how_long;
	unsigned i, waiting = l->window;
	int id;

	for (i = 0; i < l->window; i++) {
		if (!ask(l, (uint16_t)i))
			return false;
	}
	while (waiting > 0) {
		if ((id = take(l)) < 0)
			return fail("no answer, or not the right one");
		if (seconds() >= end)
			waiting--;
		else if (!ask(l, (uint16_t)id))
			return false;
	}
	return true;
}

static int compare(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	static struct load l;
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	double begin;
	size_t kept;

	if (argc != 5)
		return 64;
	to.sin_port = htons((uint16_t)atoi(argv[1]));
	l.names = (unsigned)atoi(argv[2]);
	l.window = (unsigned)atoi(argv[4]);
	l.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (l.names == 0 || l.window == 0 || l.window > WINDOW_MAX ||
	    l.fd < 0 || connect(l.fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		return 64;
	begin = seconds();
	if (!run(&l, atof(argv[3])))
		return 70;
	kept = l.n < SAMPLES ? l.n : SAMPLES;
	qsort(samples, kept, sizeof(*samples), compare);
	printf("%.0f %u %u\n", (double)l.n / (seconds() - begin),
	       samples[kept / 2], samples[kept * 99 / 100]);
	(void)close(l.fd);
	return 0;
}
