/* SPDX-License-Identifier: MIT */
/* socket.c - a UDP socket towards one address. Contract: socket.h. */
#include "loop/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

int loop_socket_open(const struct loop_address *address)
{
	const int fd = socket(address->sa.ss_family,
			      SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int number;

	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&address->sa, address->len) ==
	    0)
		return fd;
	number = errno;
	(void)close(fd);
	errno = number;
	return -1;
}

/* What send() and recv() say when an earlier datagram came to nothing, or
 * there is no way to the address. */
static bool is_refusal(int number)
{
	switch (number) {
	case ECONNREFUSED:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
	case ENETDOWN:
	case EACCES:
	case EPERM:
		return true;
	default:
		return false;
	}
}

static enum loop_socket_result result_of(int number)
{
	return is_refusal(number) ? LOOP_SOCKET_REFUSED : LOOP_SOCKET_NOTHING;
}

/* An error that waited from an earlier datagram keeps this one from being
 * sent: once more, then. */
enum loop_socket_result loop_socket_send(int fd, mpp_bytes datagram)
{
	ssize_t n = send(fd, datagram.p, datagram.len, MSG_NOSIGNAL);
	int number;

	if (n >= 0)
		return LOOP_SOCKET_OK;
	number = errno;
	if (number == EINTR || number == ECONNREFUSED)
		n = send(fd, datagram.p, datagram.len, MSG_NOSIGNAL);
	if (n >= 0 && number == EINTR)
		return LOOP_SOCKET_OK;
	errno = number;
	return result_of(number);
}

enum loop_socket_result loop_socket_receive(int fd, mpp_buf *out)
{
	const ssize_t n = recv(fd, out->p, out->cap, MSG_TRUNC);

	out->len = 0;
	if (n < 0)
		return result_of(errno);
	if ((size_t)n > out->cap)
		return LOOP_SOCKET_NOTHING;
	out->len = (size_t)n;
	return LOOP_SOCKET_OK;
}

uint16_t loop_socket_port(int fd)
{
	struct sockaddr_storage sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	socklen_t len = sizeof(sa);

	if (fd < 0 || getsockname(fd, (struct sockaddr *)&sa, &len) != 0)
		return 0;
	memcpy(&v4, &sa, sizeof(v4));
	memcpy(&v6, &sa, sizeof(v6));
	return ntohs(sa.ss_family == AF_INET6 ? v6.sin6_port : v4.sin_port);
}
