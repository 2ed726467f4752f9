/* SPDX-License-Identifier: MIT */
/* stub_net.c - where the stub listens, and UDP. Contract: stub.h. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sysexits.h>
#include <unistd.h>

#include "host/addr.h"
#include "mpp/complain.h"
#include "mpp/stub.h"

enum {
	BACKLOG = 16,
	BATCH = 32,  /* queries of a socket in a turn */
	PORT = 5353, /* when none is said */
};

static bool is_loopback(const mpp_addr *a)
{
	static const uint8_t one[16] = {[15] = 1};

	return a->family == 4 ? a->ip[0] == 127
			      : memcmp(a->ip, one, sizeof(one)) == 0;
}

/* @return the descriptor, or -1 with errno */
static int bind_one(int type, const mpp_addr *a)
{
	struct sockaddr_storage sa;
	const socklen_t len = addr_to_sockaddr(a, &sa);
	const int fd =
		socket(sa.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const int on = 1;

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on,
			 type == SOCK_STREAM ? sizeof(on) : 0);
	if (a->family == 6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on,
				 sizeof(on));
	if (bind(fd, (const struct sockaddr *)&sa, len) == 0 &&
	    (type != SOCK_STREAM || listen(fd, BACKLOG) == 0))
		return fd;
	(void)close(fd);
	return -1;
}

static bool bind_both(struct listener *l, const mpp_addr *a)
{
	l->udp = bind_one(SOCK_DGRAM, a);
	if (l->udp < 0)
		return false;
	l->tcp = bind_one(SOCK_STREAM, a);
	if (l->tcp >= 0)
		return true;
	(void)close(l->udp);
	return false;
}

static bool names_port(const char *text)
{
	return text[0] == '[' ? strstr(text, "]:") != NULL
			      : strchr(text, ':') != NULL;
}

static int listen_at(struct stub *s, const char *text)
{
	struct listener *l = &s->listeners[s->n_listeners];
	const uint32_t i = s->n_listeners;
	const char *wrong;
	mpp_addr a;

	wrong = addr_wrong(text, &a);
	if (wrong != NULL)
		return complain(EX_USAGE, "--listen %s: %s", text, wrong);
	if (!names_port(text))
		a.port = PORT;
	if (addr_is_wildcard(&a))
		return complain(EX_USAGE,
				"--listen %s: give each address by itself",
				text);
	if (!is_loopback(&a) && !s->o->allow_remote)
		return complain(EX_USAGE,
				"--listen %s: others could ask there, too: "
				"give --allow-remote if they shall",
				text);
	if (!bind_both(l, &a))
		return complain(EX_OSERR, "cannot listen at %s: %s", text,
				strerror(errno));
	s->n_listeners++;
	addr_text(&a, l->text);
	if (!stub_watch(s, l->udp, STUB_UDP, i, EPOLLIN, false) ||
	    !stub_watch(s, l->tcp, STUB_TCP, i, EPOLLIN, false))
		return complain(EX_OSERR, "cannot watch descriptors");
	return 0;
}

int stub_listen(struct stub *s)
{
	size_t i;
	int code;

	if (s->o->listen[0] == NULL)
		return listen_at(s, "127.0.0.1");
	for (i = 0; s->o->listen[i] != NULL; i++) {
		if ((code = listen_at(s, s->o->listen[i])) != 0)
			return code;
	}
	return 0;
}

void stub_unlisten(struct stub *s)
{
	unsigned i;

	for (i = 0; i < s->n_listeners; i++) {
		(void)close(s->listeners[i].udp);
		(void)close(s->listeners[i].tcp);
	}
	s->n_listeners = 0;
}

void stub_udp(struct stub *s, unsigned listener)
{
	struct asker a = {.listener = listener, .connection = -1};
	uint8_t p[STUB_TCP_QUERY];
	unsigned i;
	ssize_t n;

	for (i = 0; i < BATCH; i++) {
		a.peer_len = sizeof(a.peer);
		n = recvfrom(s->listeners[listener].udp, p, sizeof(p),
			     MSG_DONTWAIT, (struct sockaddr *)&a.peer,
			     &a.peer_len);
		if (n < 0 && errno != ECONNREFUSED)
			return;
		if (n > 0)
			(void)stub_query(s, (mpp_bytes){p, (size_t)n}, &a);
	}
}
