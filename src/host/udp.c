/* SPDX-License-Identifier: MIT */
/* udp.c - see udp.h. */
#include "host/udp.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "host/addr.h"

enum {
	FULL_WAIT_MS = 5,
	STUN_ID_AT = 8,
};

void udp_init(struct udp *u)
{
	size_t i;

	memset(u, 0, sizeof(*u));
	for (i = 0; i < UDP_SOCKETS_MAX; i++)
		u->fd[i] = -1;
}

static mpp_err fail(struct fault *f, const mpp_addr *at, const char *advice)
{
	const int e = errno;
	char text[ADDR_TEXT];

	addr_text(at, text);
	return fault_set(f, MPP_ERR_IO, e == EACCES ? EX_NOPERM : EX_OSERR,
			 "cannot listen on UDP %s: %s%s", text, strerror(e),
			 advice);
}

static const char *advice_for(int e)
{
	switch (e) {
	case EADDRINUSE:
		return "; another program has this port: stop it, or choose "
		       "another [service] listen";
	case EADDRNOTAVAIL:
		return "; this machine does not have that address: correct "
		       "[service] listen, or [stun] alternate";
	case EACCES:
		return "; a port below 1024 needs the capability "
		       "CAP_NET_BIND_SERVICE";
	case EAFNOSUPPORT:
		return "; this machine does not speak that protocol: correct "
		       "[service] listen";
	default:
		return "";
	}
}

/* Large buffers are wanted, not needed. */
static void enlarge(int fd)
{
	const int size = UDP_BUFFER;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static int open_bound(const mpp_addr *at)
{
	const int one = 1;
	const int family = at->family == 6 ? AF_INET6 : AF_INET;
	struct sockaddr_storage sa;
	const socklen_t len = addr_to_sockaddr(at, &sa);
	const int fd =
		socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if ((at->family == 6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one,
					   sizeof(one)) != 0) ||
	    bind(fd, (const struct sockaddr *)&sa, len) != 0) {
		const int e = errno;

		(void)close(fd);
		errno = e;
		return -1;
	}
	enlarge(fd);
	return fd;
}

mpp_err udp_listen(struct udp *u, const mpp_addr *at, struct fault *f)
{
	int fd;

	if (u->n == UDP_SOCKETS_MAX)
		return fault_set(f, MPP_ERR_LIMIT, EX_CONFIG,
				 "more than %d addresses to listen on",
				 UDP_SOCKETS_MAX);
	fd = open_bound(at);
	if (fd < 0)
		return fail(f, at, advice_for(errno));
	u->fd[u->n] = fd;
	u->at[u->n] = *at;
	u->at[u->n].socket = (uint8_t)u->n;
	u->any[u->n] = addr_is_wildcard(at) &&
		       source_want(fd, at->family == 6 ? AF_INET6 : AF_INET);
	u->n++;
	return MPP_OK;
}

static void set_message(struct udp_batch *b, unsigned i, void *p, size_t len)
{
	b->iov[i] = (struct iovec){p, len};
	b->msgs[i].msg_hdr = (struct msghdr){
		.msg_name = &b->names[i],
		.msg_namelen = sizeof(b->names[i]),
		.msg_iov = &b->iov[i],
		.msg_iovlen = 1,
	};
}

static int receive_some(struct udp *u, int fd, bool any)
{
	unsigned i;
	int n;

	for (i = 0; i < UDP_BATCH; i++) {
		set_message(&u->in, i, u->data[i], sizeof(u->data[i]));
		if (!any)
			continue;
		u->in.msgs[i].msg_hdr.msg_control = u->in.control[i];
		u->in.msgs[i].msg_hdr.msg_controllen = SOURCE_CONTROL;
	}
	do {
		n = recvmmsg(fd, u->in.msgs, UDP_BATCH, 0, NULL);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
		u->count.receive_errors++;
	return n;
}

static void note_asked(struct udp *u, struct mmsghdr *m, const uint8_t *data,
		       const mpp_addr *from)
{
	struct udp_asked *a = &u->asked[u->n_asked % UDP_ASKED];

	if (!stun_is((mpp_bytes){data, m->msg_len}))
		return;
	a->from = *from;
	memcpy(a->id, data + STUN_ID_AT, sizeof(a->id));
	source_read(&m->msg_hdr, &a->at);
	u->n_asked++;
}

size_t udp_receive(struct udp *u, size_t i, udp_datagram_fn *fn, void *arg)
{
	const int n = receive_some(u, u->fd[i], u->any[i]);
	mpp_addr from;
	int k;

	for (k = 0; k < n; k++) {
		struct mmsghdr *m = &u->in.msgs[k];

		u->count.received++;
		if ((m->msg_hdr.msg_flags & MSG_TRUNC) != 0) {
			u->count.too_long++;
			continue;
		}
		if (!addr_from_sockaddr(&u->in.names[k], &from))
			continue;
		from.socket = (uint8_t)i;
		if (u->any[i])
			note_asked(u, m, u->data[k], &from);
		fn(arg, (mpp_buf){u->data[k], sizeof(u->data[k]), m->msg_len},
		   &from);
	}
	return n > 0 ? (size_t)n : 0;
}

/* What answers a request of STUN leaves from where that went. */
static void put_source(struct udp *u, const mpp_datagram *d, unsigned n)
{
	const unsigned kept = u->n_asked < UDP_ASKED ? u->n_asked : UDP_ASKED;
	unsigned i;

	if (!stun_is((mpp_bytes){d->data, d->len}))
		return;
	for (i = 1; i <= kept; i++) {
		const struct udp_asked *a =
			&u->asked[(u->n_asked - i) % UDP_ASKED];

		if (memcmp(a->id, d->data + STUN_ID_AT, sizeof(a->id)) != 0 ||
		    memcmp(&a->from, &d->to, sizeof(d->to)) != 0)
			continue;
		source_put(&a->at, &u->out.msgs[n].msg_hdr, u->out.control[n]);
		return;
	}
}

/* The next datagrams of socket i, from *at on. */
static unsigned gather(struct udp *u, const mpp_outbox *out, size_t i,
		       size_t *at)
{
	struct udp_batch *b = &u->out;
	unsigned n = 0;

	for (; *at < out->n && n < UDP_BATCH; ++*at) {
		mpp_datagram *d = &out->slots[*at];

		if (d->to.socket != i)
			continue;
		set_message(b, n, d->data, d->len);
		b->msgs[n].msg_hdr.msg_namelen =
			addr_to_sockaddr(&d->to, &b->names[n]);
		if (u->any[i])
			put_source(u, d, n);
		n++;
	}
	return n;
}

/* The kernel has no room: give it a moment, once a batch. */
static bool wait_for_room(int fd, bool *waited)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	if (*waited)
		return false;
	*waited = true;
	return poll(&p, 1, FULL_WAIT_MS) == 1;
}

/* sendmmsg() stops before a datagram that fails: step over it. */
static void send_batch(struct udp *u, int fd, unsigned n)
{
	bool waited = false;
	unsigned at = 0;

	while (at < n) {
		const int sent = sendmmsg(fd, u->out.msgs + at, n - at, 0);

		if (sent > 0) {
			u->count.sent += (unsigned)sent;
			at += (unsigned)sent;
		} else if (errno == EINTR) {
			continue;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK ||
			   errno == ENOBUFS) {
			if (wait_for_room(fd, &waited))
				continue;
			u->count.send_full += n - at;
			return;
		} else {
			u->count.send_errors++;
			at++;
		}
	}
}

void udp_send(struct udp *u, mpp_outbox *out)
{
	size_t i, at;
	unsigned n;

	for (i = 0; i < u->n && out->n > 0; i++) {
		at = 0;
		while ((n = gather(u, out, i, &at)) > 0)
			send_batch(u, u->fd[i], n);
	}
	out->n = 0;
}

void udp_close(struct udp *u)
{
	while (u->n > 0)
		(void)close(u->fd[--u->n]);
}
