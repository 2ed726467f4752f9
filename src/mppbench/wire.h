/* SPDX-License-Identifier: MIT */
/* wire.h - the load's socket: one for all devices, each of which has an
 * address of its own in 127.0.0.0/8. The source of a datagram is chosen with
 * IP_PKTINFO and its destination is read with it, so the server sees as many
 * peers as there are devices, and what comes back names its device. */
#ifndef MPPBENCH_WIRE_H
#define MPPBENCH_WIRE_H

#include <netinet/in.h>
#include <sys/socket.h>

#include <mpp/rud.h>

#include "host/fault.h"

enum {
	WIRE_BATCH = 64,
	WIRE_CONTROL = CMSG_SPACE(sizeof(struct in_pktinfo)),
	WIRE_DEVICES_MAX = 1000000,
};

struct wire_batch {
	struct mmsghdr msgs[WIRE_BATCH];
	struct iovec iov[WIRE_BATCH];
	_Alignas(struct cmsghdr) uint8_t control[WIRE_BATCH][WIRE_CONTROL];
	uint8_t data[WIRE_BATCH][MPP_PACKET_MAX];
};

/* Octets of datagrams, for their mean. */
struct wire_sizes {
	uint64_t n, octets;
};

struct wire {
	int fd;
	struct sockaddr_in to;
	unsigned n; /* waiting to be sent */
	struct wire_sizes sent, received;
	struct wire_batch out, in;
};

MPP_MUSTCHECK mpp_err wire_open(struct wire *w, struct fault *f);
void wire_close(struct wire *w);

/* Where what is sent from now on goes, on 127.0.0.1. */
void wire_to(struct wire *w, uint16_t port);

/* Room for the next datagram; there is always some. */
mpp_buf wire_room(struct wire *w);
/* It is filled: send it, with others, from this device. */
MPP_MUSTCHECK mpp_err wire_add(struct wire *w, uint32_t device, size_t len,
			       struct fault *f);
/* Send what waits. Error: IO. */
MPP_MUSTCHECK mpp_err wire_flush(struct wire *w, struct fault *f);

/* The address of a device, without its port. */
mpp_addr wire_addr(uint32_t device);

typedef void wire_datagram_fn(void *arg, uint32_t device, mpp_buf in);

/* Hand out what has come. @return how many */
size_t wire_receive(struct wire *w, wire_datagram_fn *fn, void *arg);

#endif
