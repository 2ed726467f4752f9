/* SPDX-License-Identifier: MIT */
/* tcp.c - see tcp.h. */
#include "host/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "host/addr.h"

enum { BACKLOG = 256 };

static mpp_err fail(struct fault *f, const mpp_addr *at)
{
	const int e = errno;
	char text[ADDR_TEXT];

	addr_text(at, text);
	return fault_set(
		f, MPP_ERR_IO, e == EACCES ? EX_NOPERM : EX_OSERR,
		"cannot listen on TCP %s: %s%s", text, strerror(e),
		e == EADDRINUSE
			? "; another program has this port: stop it, or choose "
			  "another [web] listen"
		: e == EADDRNOTAVAIL
			? "; this machine does not have that address: correct "
			  "[web] listen"
		: e == EACCES ? "; a port below 1024 needs the capability "
				"CAP_NET_BIND_SERVICE"
			      : "");
}

/* What the last mppd left in TIME_WAIT does not keep the port. */
static bool set_up(int fd, const mpp_addr *at)
{
	const int one = 1;
	struct sockaddr_storage sa;
	const socklen_t len = addr_to_sockaddr(at, &sa);

	if (at->family == 6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) != 0)
		return false;
	return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ==
		       0 &&
	       bind(fd, (const struct sockaddr *)&sa, len) == 0 &&
	       listen(fd, BACKLOG) == 0;
}

mpp_err tcp_listen(const mpp_addr *at, int *out, struct fault *f)
{
	const int fd = socket(at->family == 6 ? AF_INET6 : AF_INET,
			      SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	mpp_err err;

	if (fd < 0)
		return fail(f, at);
	if (!set_up(fd, at)) {
		err = fail(f, at);
		(void)close(fd);
		return err;
	}
	*out = fd;
	return MPP_OK;
}
