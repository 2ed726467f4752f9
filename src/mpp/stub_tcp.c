/* SPDX-License-Identifier: MIT */
/* stub_tcp.c - DNS over TCP (RFC 7766): several questions on a connection, and
 * their answers as they come. Contract: stub.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "mpp/stub.h"

void stub_tcp_init(struct stub *s)
{
	size_t i;

	for (i = 0; i < STUB_CONNECTIONS; i++)
		s->connections[i].fd = -1;
}

static void close_connection(struct connection *c)
{
	const uint32_t use = c->use + 1;

	(void)close(c->fd);
	free(c->out);
	memset(c, 0, sizeof(*c));
	c->fd = -1;
	c->use = use; /* what it asked is for nobody */
}

static void touch(const struct stub *s, struct connection *c)
{
	c->ends_us = s->now_us + STUB_IDLE_MS * UINT64_C(1000);
}

/* A free place, or that of the one which has nothing to do for the longest. */
static struct connection *find_place(struct stub *s)
{
	struct connection *oldest = NULL;
	size_t i;

	for (i = 0; i < STUB_CONNECTIONS; i++) {
		struct connection *c = &s->connections[i];

		if (c->fd < 0)
			return c;
		if (c->waiting == 0 && c->out_len == 0 &&
		    (oldest == NULL || c->ends_us < oldest->ends_us))
			oldest = c;
	}
	if (oldest != NULL)
		close_connection(oldest);
	return oldest;
}

void stub_accept(struct stub *s, unsigned listener)
{
	const int fd = accept4(s->listeners[listener].tcp, NULL, NULL,
			       SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct connection *c;

	if (fd < 0)
		return;
	c = find_place(s);
	if (c == NULL || (c->out = malloc(STUB_TCP_OUT)) == NULL) {
		(void)close(fd);
		return;
	}
	c->fd = fd;
	touch(s, c);
	c->events = EPOLLIN;
	if (!stub_watch(s, fd, STUB_CONNECTION, (uint32_t)(c - s->connections),
			EPOLLIN, false))
		close_connection(c);
}

/* ---- out ---- */

/* False: the connection is gone. */
static bool flush(struct stub *s, struct connection *c)
{
	ssize_t n;

	while (c->out_at < c->out_len) {
		n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n <= 0)
			break;
		c->out_at += (size_t)n;
		touch(s, c);
	}
	if (c->out_at == c->out_len)
		c->out_at = c->out_len = 0;
	else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
		close_connection(c);
		return false;
	}
	return true;
}

static struct connection *of(struct stub *s, const struct asker *a)
{
	struct connection *c = &s->connections[a->connection];

	return c->fd >= 0 && c->use == a->use ? c : NULL;
}

void stub_tcp_answer(struct stub *s, const struct asker *a, size_t n)
{
	struct connection *c = of(s, a);

	if (c == NULL)
		return;
	memmove(c->out, c->out + c->out_at, c->out_len - c->out_at);
	c->out_len -= c->out_at;
	c->out_at = 0;
	if (c->out_len + 2 + n > STUB_TCP_OUT) {
		close_connection(c); /* it does not read */
		return;
	}
	s->out[0] = (uint8_t)(n >> 8);
	s->out[1] = (uint8_t)n;
	memcpy(c->out + c->out_len, s->out, 2 + n);
	c->out_len += 2 + n;
	(void)flush(s, c);
}

void stub_tcp_done(struct stub *s, const struct asker *a)
{
	struct connection *c = of(s, a);

	if (c != NULL)
		c->waiting--;
}

/* ---- in ---- */

/* The whole messages that have come. False: the connection is over. */
static bool take_messages(struct stub *s, struct connection *c)
{
	struct asker a = {.connection = (int)(c - s->connections),
			  .use = c->use};
	size_t at = 0, n;

	while (c->in_len - at >= 2 && c->waiting < STUB_PIPELINED) {
		n = (size_t)c->in[at] << 8 | c->in[at + 1];
		if (n > STUB_TCP_QUERY)
			return false;
		if (c->in_len - at < 2 + n)
			break;
		if (!stub_query(s, (mpp_bytes){c->in + at + 2, n}, &a))
			return false;
		if (c->fd < 0 || c->use != a.use)
			return true; /* it does not read, and was closed */
		at += 2 + n;
		touch(s, c);
	}
	memmove(c->in, c->in + at, c->in_len - at);
	c->in_len -= at;
	return true;
}

static bool read_more(struct connection *c)
{
	const size_t room = sizeof(c->in) - c->in_len;
	ssize_t n;

	if (room == 0 || c->ended)
		return true;
	n = recv(c->fd, c->in + c->in_len, room, MSG_DONTWAIT);
	if (n > 0)
		c->in_len += (size_t)n;
	else if (n == 0)
		c->ended = true;
	return n >= 0 || errno == EAGAIN || errno == EWOULDBLOCK ||
	       errno == EINTR;
}

/* Its peer waits for nothing, and sends nothing any more, */
static bool is_over(const struct connection *c)
{
	return c->fd >= 0 && c->ended && c->waiting == 0 && c->out_len == 0;
}

/* or nothing whole for too long: who sends octet by octet is idle, too. */
static bool is_idle(const struct stub *s, const struct connection *c)
{
	return c->fd >= 0 && c->waiting == 0 && c->ends_us <= s->now_us;
}

/* What is wanted of the descriptor changes with what there is to do: who has
 * enough questions on their way is not read from. */
static void watch_again(struct stub *s, struct connection *c)
{
	const uint32_t i = (uint32_t)(c - s->connections);
	const bool in = !c->ended && c->waiting < STUB_PIPELINED &&
			c->in_len < sizeof(c->in);
	const uint32_t events = (in ? (uint32_t)EPOLLIN : 0) |
				(c->out_len != 0 ? (uint32_t)EPOLLOUT : 0);

	if (events == c->events)
		return;
	c->events = events;
	if (!stub_watch(s, c->fd, STUB_CONNECTION, i, events, true))
		close_connection(c);
}

void stub_connection(struct stub *s, unsigned i, bool gone)
{
	struct connection *c = &s->connections[i];

	if (c->fd < 0)
		return;
	if (gone)
		close_connection(c);
	else if (flush(s, c) && !read_more(c))
		close_connection(c);
}

void stub_tcp_run(struct stub *s)
{
	size_t i;

	for (i = 0; i < STUB_CONNECTIONS; i++) {
		struct connection *c = &s->connections[i];

		if (c->fd < 0)
			continue;
		if (!take_messages(s, c) || is_over(c) || is_idle(s, c))
			close_connection(c);
		if (c->fd >= 0)
			watch_again(s, c);
	}
}

void stub_tcp_close(struct stub *s)
{
	size_t i;

	for (i = 0; i < STUB_CONNECTIONS; i++) {
		if (s->connections[i].fd >= 0)
			close_connection(&s->connections[i]);
	}
}

uint64_t stub_tcp_due(const struct stub *s)
{
	uint64_t at = UINT64_MAX;
	size_t i;

	for (i = 0; i < STUB_CONNECTIONS; i++) {
		const struct connection *c = &s->connections[i];

		if (c->fd >= 0 && c->waiting == 0 && c->ends_us < at)
			at = c->ends_us;
	}
	return at;
}
