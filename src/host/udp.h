/* SPDX-License-Identifier: MIT */
/* udp.h - the service's UDP sockets: batches in, batches out.
 *
 * Sockets do not block. An IPv6 socket takes IPv6 only, so that an IPv4 peer
 * has one address form. What the kernel will not take is lost, counted, and
 * the rest of the batch still goes out: to the peer that is a loss like any
 * other, and the engine repeats what matters.
 *
 * Answers of a socket on a wildcard address leave from the address that the
 * kernel's routing prefers. On a machine with several addresses in one network
 * that need not be the one asked: there, listen on each address by name. Only
 * answers of STUN leave from the address asked all the same: they go at once,
 * and nothing else goes that way later. */
#ifndef HOST_UDP_H
#define HOST_UDP_H

#include <netinet/in.h>
#include <sys/socket.h>

#include <mpp/rud.h>

#include "host/fault.h"
#include "host/source.h"
#include "stun/stun.h"

enum {
	UDP_SOCKETS_MAX = 16,
	UDP_BATCH = 64,
	UDP_ASKED = 256,
	UDP_BUFFER = 4 << 20, /* asked of the kernel, which may give less */
};

struct udp_counters {
	uint64_t received;
	uint64_t sent;
	uint64_t too_long; /* received, longer than anything of ours */
	uint64_t receive_errors;
	uint64_t send_errors; /* the kernel would not take this datagram */
	uint64_t send_full;   /* and these for want of room */
};

/* What the system calls want of a batch. */
struct udp_batch {
	struct mmsghdr msgs[UDP_BATCH];
	struct iovec iov[UDP_BATCH];
	struct sockaddr_storage names[UDP_BATCH];
	_Alignas(struct cmsghdr) uint8_t control[UDP_BATCH][SOURCE_CONTROL];
};

/* Who asked which address of ours by STUN. */
struct udp_asked {
	mpp_addr from;
	uint8_t id[STUN_ID_LEN]; /* of the transaction */
	struct source at;
};

struct udp {
	int fd[UDP_SOCKETS_MAX];
	mpp_addr at[UDP_SOCKETS_MAX];
	bool any[UDP_SOCKETS_MAX]; /* it has the wildcard address */
	size_t n;
	struct udp_asked asked[UDP_ASKED]; /* the newest, a ring */
	unsigned n_asked;                  /* so often */
	struct udp_counters count;
	/* One batch each way, used again and again; apart, because what one
	 * datagram causes may be sent while the next ones wait. */
	struct udp_batch in;
	struct udp_batch out;
	uint8_t data[UDP_BATCH][MPP_DATAGRAM_MAX];
};

/* No sockets yet. */
void udp_init(struct udp *u);

/* Open and bind one more socket. @p at has a port.
 * Errors: IO (f says what to do), LIMIT. */
MPP_MUSTCHECK mpp_err udp_listen(struct udp *u, const mpp_addr *at,
				 struct fault *f);

/* Called for each datagram of a batch; in may be changed. */
typedef void udp_datagram_fn(void *arg, mpp_buf in, const mpp_addr *from);

/* Receive at most one batch from socket i and hand out what is fit.
 * @return how many came from the kernel; less than UDP_BATCH: there are no
 * more now */
size_t udp_receive(struct udp *u, size_t i, udp_datagram_fn *fn, void *arg);

/* Send all of it, each from the socket it names, and empty it. */
void udp_send(struct udp *u, mpp_outbox *out);

void udp_close(struct udp *u);

#endif
