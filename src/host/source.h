/* SPDX-License-Identifier: MIT */
/* source.h - the address of ours that a datagram was sent to, on a socket of
 * the wildcard address, and giving it to the answer as its source. */
#ifndef HOST_SOURCE_H
#define HOST_SOURCE_H

#include <netinet/in.h>
#include <sys/socket.h>

#include <stdbool.h>
#include <stdint.h>

enum { SOURCE_CONTROL = CMSG_SPACE(sizeof(struct in6_pktinfo)) };

/* An address of ours. A family of 0: not known. */
struct source {
	sa_family_t family;
	union {
		struct in_pktinfo v4;
		struct in6_pktinfo v6;
	} info;
};

/* Have the kernel say it from now on; family: AF_INET or AF_INET6. */
bool source_want(int fd, int family);

/* Read it; m->msg_control is what the kernel has filled. */
void source_read(struct msghdr *m, struct source *out);

/* Send from there; control: SOURCE_CONTROL octets, aligned as struct cmsghdr,
 * lent until the datagram is sent. */
void source_put(const struct source *s, struct msghdr *m, uint8_t *control);

#endif
