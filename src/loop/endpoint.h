/* SPDX-License-Identifier: MIT */
/* endpoint.h - where a service is: a name or address, and a port. */
#ifndef LOOP_ENDPOINT_H
#define LOOP_ENDPOINT_H

#include <sys/socket.h>

#include <mpp/base.h>

enum {
	LOOP_PORT = 15099, /* when none is said */
	LOOP_ENDPOINTS_MAX = 8,
	LOOP_HOST_MAX = 253,      /* RFC 1035 */
	LOOP_ENDPOINT_TEXT = 272, /* "[host]:65535" with NUL */
};

struct loop_endpoint {
	char host[LOOP_HOST_MAX + 1];
	uint16_t port;
};

/* One address of an endpoint, ready for connect(). */
struct loop_address {
	struct sockaddr_storage sa;
	socklen_t len;
	size_t endpoint; /* which of those that were resolved it is one of */
	unsigned rank;   /* those of a lower one are tried first */
};

/* "host", "host:port", "[IPv6]" or "[IPv6]:port".
 * @return NULL, or what is wrong; *out is then untouched */
const char *loop_endpoint_wrong(mpp_bytes text, struct loop_endpoint *out);

/* "host:port" or "[IPv6]:port". */
void loop_endpoint_text(const struct loop_endpoint *ep,
			char out[LOOP_ENDPOINT_TEXT]);

/* "127.0.0.1:15099" or "[::1]:15099". */
void loop_address_text(const struct loop_address *address,
		       char out[LOOP_ENDPOINT_TEXT]);
void loop_addr_text(const mpp_addr *addr, char out[LOOP_ENDPOINT_TEXT]);

bool loop_address_same(const struct loop_address *a,
		       const struct loop_address *b);

#endif
