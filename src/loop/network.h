/* SPDX-License-Identifier: MIT */
/* network.h - has the network changed, so that what is sent to the service
 * leaves from another address of this machine than before? */
#ifndef LOOP_NETWORK_H
#define LOOP_NETWORK_H

#include <mpp/loop.h>

struct loop_network {
	int fd;           /* what the kernel says of addresses and routes; -1 */
	mpp_time at;      /* when to look; NEVER: there is no reason */
	mpp_time moved;   /* when the last change was found */
	unsigned looks;   /* for a gateway's hardware address, in vain */
	const char *root; /* of /proc; NULL: this machine's */
};

/* Never fails: where the kernel tells nothing (no netlink in a container), a
 * change shows with the next heartbeat. */
void loop_network_open(mpp_loop *l);
void loop_network_close(mpp_loop *l);

/* There is a connection: see soon in which network, so that what was learnt
 * of it can be used. */
void loop_network_look(mpp_loop *l, mpp_instant now);

/* Look whether the kernel has said something, and if so whether the service is
 * reached from another address now: then a fresh socket takes the place of the
 * one in use, and the client is told. Before anything is sent.
 * @return whether that was so */
bool loop_network_step(mpp_loop *l, mpp_instant now);

#endif
