/* SPDX-License-Identifier: MIT */
/* socket.h - a UDP socket towards one address of a service. */
#ifndef LOOP_SOCKET_H
#define LOOP_SOCKET_H

#include <mpp/base.h>

#include "loop/endpoint.h"

/* A connected socket that never blocks; connected, so that only the service
 * is heard and the network's "unreachable" too.
 * @return the descriptor, or -1 with errno: try another address */
int loop_socket_open(const struct loop_address *address);

enum loop_socket_result {
	LOOP_SOCKET_OK = 1,
	LOOP_SOCKET_NOTHING, /* nothing there; or: not sent, as if it was lost */
	LOOP_SOCKET_REFUSED, /* the network says that nobody is there: errno */
};

enum loop_socket_result loop_socket_send(int fd, mpp_bytes datagram);

/* Replaces out. A datagram that does not fit is NOTHING: none of ours. */
enum loop_socket_result loop_socket_receive(int fd, mpp_buf *out);

/* Local port, 0 when there is none. */
uint16_t loop_socket_port(int fd);

#endif
