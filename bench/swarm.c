/* SPDX-License-Identifier: MIT */
/* swarm.c - many devices in one process, for bench/latency.py: a real client
 * and a socket of its own for each.
 *
 *   swarm < URIS      one invitation a line (mppctl invite); 4096 at most
 *
 * Prints one line for each event: "connected DEVICE" and "heard DEVICE SERIAL
 * US", where US is CLOCK_BOOTTIME in microseconds; "lost DEVICE" when a client
 * connects anew by itself. Ends with its standard output, or by SIGTERM. What a
 * client wants to be saved is forgotten with the process. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include <mpp/client.h>

#include "host/clock.h"
#include "loop/uri.h"

enum {
	DEVICES_MAX = 4096,
	EVENTS_AT_ONCE = 64,
	WAIT_MS = 2, /* between two looks at what is due */
	URI_MAX = 4096,
	CONNECTING_AT_ONCE = 64,
	BUFFER = 1 << 18,
};

struct device {
	mpp_client *client;
	int fd;
	bool asked, connected;
	mpp_client_config config;
	struct loop_invitation invitation;
};

struct swarm {
	mpp_crypto crypto;
	struct device *devices;
	uint32_t n, asked, connected;
	int poll;
};

static _Noreturn void fail(int code, const char *what, const char *why)
{
	(void)fprintf(stderr, "swarm: %s: %s\n", what, why);
	exit(code);
}

/* ---- making ---- */

static int open_socket(const struct loop_endpoint *to)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons(to->port)};
	const int fd =
		socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const int size = BUFFER;

	if (inet_pton(AF_INET, to->host, &a.sin_addr) != 1)
		fail(EX_DATAERR, to->host, "give an IPv4 address");
	if (fd < 0 || connect(fd, (const struct sockaddr *)&a, sizeof(a)) != 0)
		fail(EX_OSERR, "socket", strerror(errno));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return fd;
}

static void configure(struct swarm *s, struct device *d)
{
	struct loop_invitation *inv = &d->invitation;
	mpp_client_config *k = &d->config;
	const mpp_crypto *c = &s->crypto;
	size_t i;

	k->mode = MPP_MODE_SUBSCRIBE;
	k->suite = MPP_SUITE_25519;
	k->account = (mpp_bytes){(const uint8_t *)inv->account,
				 strlen(inv->account)};
	for (i = 0; i < inv->n_pins; i++)
		k->pins[i] = (mpp_bytes){(const uint8_t *)inv->pins[i],
					 strlen(inv->pins[i])};
	k->n_pins = inv->n_pins;
	k->have_invitation = true;
	memcpy(k->invitation, inv->secret, sizeof(k->invitation));
	if (c->ops->random(c->ctx, k->device_secret, 32) != MPP_OK ||
	    c->ops->random(c->ctx, k->instance, sizeof(k->instance)) != MPP_OK)
		fail(EX_OSERR, "random", "none");
}

static void add(struct swarm *s, const char *uri)
{
	struct device *d = &s->devices[s->n];
	struct epoll_event e = {.events = EPOLLIN, .data.u32 = s->n};
	mpp_loop_error error;

	if (loop_uri_parse(uri, &d->invitation, &error) != MPP_OK)
		fail(EX_DATAERR, "an invitation", error.text);
	configure(s, d);
	d->fd = open_socket(&d->invitation.endpoints[0]);
	d->client = calloc(1, mpp_client_size());
	if (d->client == NULL ||
	    mpp_client_init(d->client, mpp_client_size(), &d->config,
			    &s->crypto, &d->client) != MPP_OK)
		fail(EX_SOFTWARE, "a client", "does not start");
	if (epoll_ctl(s->poll, EPOLL_CTL_ADD, d->fd, &e) != 0)
		fail(EX_OSERR, "epoll", strerror(errno));
	s->n++;
}

static void read_invitations(struct swarm *s)
{
	char line[URI_MAX];

	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (s->n == DEVICES_MAX)
			fail(EX_DATAERR, "invitations", "4096 at most");
		add(s, line);
	}
	if (s->n == 0)
		fail(EX_DATAERR, "invitations", "none on standard input");
}

/* ---- work ---- */

static void say(const char *what, const struct swarm *s, const struct device *d,
		uint64_t serial)
{
	int n;

	if (serial == 0)
		n = printf("%s %td\n", what, d - s->devices);
	else
		n = printf("%s %td %" PRIu64 " %" PRIu64 "\n", what,
			   d - s->devices, serial, clock_now().mono.us);
	if (n < 0)
		exit(EX_IOERR);
}

static void take_event(struct swarm *s, struct device *d,
		       const mpp_client_event *ev)
{
	switch (ev->kind) {
	case MPP_EV_SAVE:
		mpp_client_saved(d->client);
		break;
	case MPP_EV_CONNECTED:
		s->connected += !d->connected;
		d->connected = true;
		say("connected", s, d, 0);
		break;
	case MPP_EV_PUBLICATION:
		if (ev->serial != 0)
			say("heard", s, d, ev->serial);
		break;
	case MPP_EV_LOST:
		say("lost", s, d, 0);
		break;
	case MPP_EV_REFUSED:
		/* Later, says the service: the client tries again. */
		if (ev->retry_ms == 0)
			fail(EX_NOPERM, "a device", "was refused");
		break;
	case MPP_EV_KEY_CHANGED:
	case MPP_EV_CLOSED:
		fail(EX_NOPERM, "a device", "was closed");
	case MPP_EV_RESPONSE:
	case MPP_EV_KEEPALIVE:
	case MPP_EV_TRANSPORT:
		break;
	}
}

static void settle(struct swarm *s, struct device *d)
{
	uint8_t room[MPP_PACKET_MAX];
	mpp_buf out = {room, sizeof(room), 0};
	mpp_client_event ev;
	mpp_err err;

	do {
		while (mpp_client_next_event(d->client, &ev) == MPP_OK)
			take_event(s, d, &ev);
		err = mpp_client_send(d->client, clock_now(), &out);
		/* What the kernel does not take is lost, as on the way. */
		if (err == MPP_OK)
			(void)!send(d->fd, out.p, out.len, MSG_NOSIGNAL);
	} while (err == MPP_OK);
	while (mpp_client_next_event(d->client, &ev) == MPP_OK)
		take_event(s, d, &ev);
}

static void receive(struct swarm *s, struct device *d)
{
	uint8_t in[MPP_PACKET_MAX];
	ssize_t n;

	while ((n = recv(d->fd, in, sizeof(in), 0)) > 0) {
		(void)mpp_client_receive(d->client,
					 (mpp_buf){in, sizeof(in), (size_t)n},
					 clock_now());
		settle(s, d);
	}
}

/* Not all at once: that would measure how the handshakes queue. */
static void begin(struct swarm *s)
{
	struct device *d;

	while (s->asked < s->n &&
	       s->asked < s->connected + CONNECTING_AT_ONCE) {
		d = &s->devices[s->asked++];
		d->asked = true;
		mpp_client_connect(d->client, clock_now());
		settle(s, d);
	}
}

static void tick(struct swarm *s)
{
	const mpp_time now = clock_now().mono;
	uint32_t i;

	for (i = 0; i < s->asked; i++) {
		struct device *d = &s->devices[i];

		if (mpp_client_deadline(d->client).us > now.us)
			continue;
		mpp_client_tick(d->client, clock_now());
		settle(s, d);
	}
}

static void run(struct swarm *s)
{
	struct epoll_event e[EVENTS_AT_ONCE];
	int n, i;

	for (;;) {
		begin(s);
		n = epoll_wait(s->poll, e, EVENTS_AT_ONCE, WAIT_MS);
		for (i = 0; i < n; i++)
			receive(s, &s->devices[e[i].data.u32]);
		tick(s);
		if (fflush(stdout) != 0)
			exit(EX_IOERR);
	}
}

int main(void)
{
	struct swarm s = {.poll = epoll_create1(EPOLL_CLOEXEC)};

	s.devices = calloc(DEVICES_MAX, sizeof(*s.devices));
	if (s.devices == NULL || s.poll < 0 ||
	    mpp_crypto_new(&s.crypto) != MPP_OK)
		fail(EX_OSERR, "start", "no memory or no cryptography");
	read_invitations(&s);
	run(&s);
}
