/* SPDX-License-Identifier: MIT */
/* addr.h - addresses as text, as the kernel has them, and as the core has
 * them. An address without a port has the usual one. */
#ifndef HOST_ADDR_H
#define HOST_ADDR_H

#include <sys/socket.h>

#include <mpp/base.h>

enum {
	ADDR_PORT = 15099,   /* when none is said */
	ADDR_TEXT = 56,      /* "[IPv6]:65535" with NUL */
	ADDR_HOST_MAX = 253, /* RFC 1035 */
	ADDR_ENDPOINT = 272, /* "host:65535" with NUL */
};

/* "192.0.2.1", "192.0.2.1:5", "[2001:db8::1]", "[2001:db8::1]:5".
 * @return NULL, or what is wrong; *out is then untouched */
const char *addr_wrong(const char *text, mpp_addr *out);

/* The same, or "host:port": as invitations name it, always with a port.
 * @return NULL, or what is wrong; out is then untouched */
const char *addr_endpoint_wrong(const char *text, char out[ADDR_ENDPOINT]);

void addr_text(const mpp_addr *a, char out[ADDR_TEXT]);
bool addr_is_wildcard(const mpp_addr *a);

/* @return its length */
socklen_t addr_to_sockaddr(const mpp_addr *a, struct sockaddr_storage *out);
/* @return false: of a family that is not ours; *out has `socket` 0 */
bool addr_from_sockaddr(const struct sockaddr_storage *sa, mpp_addr *out);

#endif
