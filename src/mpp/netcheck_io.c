/* SPDX-License-Identifier: MIT */
/* netcheck_io.c - the sockets of a check. Contract: netcheck_io.h.
 *
 * The sockets are not connected: what other addresses send is what a check of
 * the filtering is about. Errors of the network come by the error queue
 * (IP_RECVERR, ip(7)). */
#include "mpp/netcheck_io.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* After <time.h>, whose struct it uses. */
#include <linux/errqueue.h>

#include "host/addr.h"
#include "host/clock.h"

enum { CONTROL = 512, SENDS_IN_A_ROW = 8 };

static int set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

/* Which address of this machine speaks to that one: the kernel's routing
 * knows, and says so for a connected socket; nothing is sent. */
static bool local_ip(const mpp_addr *to, mpp_addr *out)
{
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(to, &sa);
	const int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok;

	if (fd < 0)
		return false;
	ok = connect(fd, (struct sockaddr *)&sa, len) == 0;
	len = sizeof(sa);
	ok = ok && getsockname(fd, (struct sockaddr *)&sa, &len) == 0 &&
	     addr_from_sockaddr(&sa, out);
	(void)close(fd);
	out->port = 0;
	return ok;
}

static int options(int fd, uint8_t family, bool whole)
{
	if (family == 6) {
		if (set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) != 0 ||
		    set(fd, IPPROTO_IPV6, IPV6_RECVERR, 1) != 0)
			return -1;
		return whole ? set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
				   IPV6_PMTUDISC_PROBE)
			     : 0;
	}
	if (set(fd, IPPROTO_IP, IP_RECVERR, 1) != 0)
		return -1;
	return whole ? set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE)
		     : 0;
}

/* @param at in: the address; out: with the port
 * @return -1: errno */
static int open_one(mpp_addr *at, bool whole)
{
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(at, &sa);
	const int fd = socket(sa.ss_family,
			      SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	if (options(fd, at->family, whole) == 0 &&
	    bind(fd, (struct sockaddr *)&sa, len) == 0) {
		len = sizeof(sa);
		if (getsockname(fd, (struct sockaddr *)&sa, &len) == 0 &&
		    addr_from_sockaddr(&sa, at))
			return fd;
	}
	(void)close(fd);
	return -1;
}

bool netcheck_io_open(struct netcheck_io *io, bool lifetime,
		      uint32_t timeout_ms, const mpp_crypto *crypto)
{
	struct path_config c = {.lifetime = lifetime, .timeout_ms = timeout_ms};
	const size_t n = lifetime ? PATH_SOCKETS : PATH_LIFE;
	mpp_addr local;

	if (!local_ip(&io->servers[0], &local))
		return false;
	for (io->n_fd = 0; io->n_fd < n; io->n_fd++) {
		mpp_addr *at = &c.local[io->n_fd];
		int fd;

		*at = local;
		fd = open_one(at, io->n_fd == PATH_SIZES);
		if (fd < 0) {
			netcheck_io_close(io);
			return false;
		}
		io->fd[io->n_fd] = fd;
	}
	memcpy(c.servers, io->servers, sizeof(c.servers));
	c.n_servers = io->n_servers;
	path_start(&io->path, &c, crypto, clock_now().mono);
	io->open = true;
	return true;
}

void netcheck_io_close(struct netcheck_io *io)
{
	while (io->n_fd > 0)
		(void)close(io->fd[--io->n_fd]);
}

/* Who is told to be unreachable, and whether by a "port unreachable": all else
 * may pass. */
static void take_errors(struct netcheck_io *io, int fd)
{
	struct sockaddr_storage to;
	struct sock_extended_err e;
	mpp_addr addr;
	struct cmsghdr *c;

	for (;;) {
		_Alignas(struct cmsghdr) uint8_t control[CONTROL];
		struct msghdr m = {.msg_name = &to,
				   .msg_namelen = sizeof(to),
				   .msg_control = control,
				   .msg_controllen = sizeof(control)};

		if (recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			return;
		for (c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c)) {
			if (c->cmsg_type != IP_RECVERR &&
			    c->cmsg_type != IPV6_RECVERR)
				continue;
			memcpy(&e, CMSG_DATA(c), sizeof(e));
			if (e.ee_errno == ECONNREFUSED &&
			    addr_from_sockaddr(&to, &addr))
				path_unreachable(&io->path, &addr);
		}
	}
}

static void take(struct netcheck_io *io, enum path_socket s)
{
	uint8_t data[PATH_DATAGRAM_MAX];
	struct sockaddr_storage sa;
	mpp_addr from;
	ssize_t n;

	for (;;) {
		socklen_t len = sizeof(sa);

		n = recvfrom(io->fd[s], data, sizeof(data), 0,
			     (struct sockaddr *)&sa, &len);
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n < 0) {
			take_errors(io, io->fd[s]);
			continue;
		}
		if (addr_from_sockaddr(&sa, &from))
			path_receive(&io->path, s, &from,
				     (mpp_bytes){data, (size_t)n},
				     clock_now().mono);
	}
}

/* What cannot be sent is as good as lost, and is sent again in time. */
static void put(struct netcheck_io *io, const struct path_datagram *d)
{
	struct sockaddr_storage sa;
	const socklen_t len = addr_to_sockaddr(&d->to, &sa);
	const int fd = io->fd[d->socket];
	int tries;

	/* An error that an earlier datagram caused is told to the next one. */
	for (tries = 0; tries < 2; tries++) {
		if (sendto(fd, d->data, d->len, 0, (struct sockaddr *)&sa,
			   len) >= 0)
			return;
		if (errno == EMSGSIZE) {
			path_too_long(&io->path);
			break;
		}
		take_errors(io, fd);
	}
	take_errors(io, fd);
}

mpp_err netcheck_io_step(struct netcheck_io *io)
{
	struct path_datagram d;
	mpp_err err = MPP_OK;
	size_t i;
	int n;

	if (!io->open)
		return MPP_OK;
	for (i = 0; i < io->n_fd; i++)
		take(io, (enum path_socket)i);
	for (n = 0; err == MPP_OK && n < SENDS_IN_A_ROW; n++) {
		err = path_send(&io->path, clock_now().mono, &d);
		if (err == MPP_OK)
			put(io, &d);
	}
	return err == MPP_ERR_AGAIN ? MPP_OK : err;
}

mpp_time netcheck_io_deadline(const struct netcheck_io *io)
{
	return io->open ? path_deadline(&io->path) : MPP_TIME_NEVER;
}

bool netcheck_io_done(const struct netcheck_io *io)
{
	return !io->open || path_done(&io->path);
}

void netcheck_io_report(const struct netcheck_io *io, struct path_report *out)
{
	memset(out, 0, sizeof(*out));
	if (io->open)
		path_report(&io->path, out);
	else if (io->used)
		*out = (struct path_report){.tested = true,
					    .server = io->servers[0],
					    .nat = ANSWER_UNKNOWN,
					    .mapping = MAPPING_UNKNOWN,
					    .filtering = FILTERING_UNKNOWN,
					    .ports_kept = ANSWER_UNKNOWN,
					    .hairpinning = ANSWER_UNKNOWN,
					    .lifetime.method =
						    METHOD_NOT_TESTED};
}
