/* SPDX-License-Identifier: MIT */
/* wire.c - see wire.h. */
#include "mppbench/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	FIRST_ADDRESS = 0x7f400000, /* 127.64.0.0 */
	BUFFER = 4 << 20,
};

static mpp_err fail(struct fault *f, const char *what)
{
	return fault_set(f, MPP_ERR_IO, EX_OSERR, "%s: %s", what,
			 strerror(errno));
}

mpp_err wire_open(struct wire *w, struct fault *f)
{
	const struct sockaddr_in any = {.sin_family = AF_INET};
	const int one = 1;
	const int size = BUFFER;

	memset(w, 0, sizeof(*w));
	w->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (w->fd < 0 ||
	    bind(w->fd, (const struct sockaddr *)&any, sizeof(any)) != 0 ||
	    setsockopt(w->fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one)) != 0)
		return fail(f, "cannot make the devices' socket");
	(void)setsockopt(w->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	(void)setsockopt(w->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return MPP_OK;
}

void wire_close(struct wire *w)
{
	if (w->fd >= 0)
		(void)close(w->fd);
	w->fd = -1;
}

void wire_to(struct wire *w, uint16_t port)
{
	w->to = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = {htonl(INADDR_LOOPBACK)},
	};
}

mpp_buf wire_room(struct wire *w)
{
	return (mpp_buf){w->out.data[w->n], MPP_PACKET_MAX, 0};
}

static void set_message(struct wire_batch *b, unsigned i, size_t len)
{
	b->iov[i] = (struct iovec){b->data[i], len};
	b->msgs[i].msg_hdr = (struct msghdr){
		.msg_iov = &b->iov[i],
		.msg_iovlen = 1,
		.msg_control = b->control[i],
		.msg_controllen = sizeof(b->control[i]),
	};
}

mpp_addr wire_addr(uint32_t device)
{
	const uint32_t at = FIRST_ADDRESS + device;

	return (mpp_addr){
		.ip = {(uint8_t)(at >> 24), (uint8_t)(at >> 16),
		       (uint8_t)(at >> 8), (uint8_t)at},
		.family = 4,
	};
}

static void set_source(struct msghdr *m, uint32_t device)
{
	const struct in_pktinfo info = {
		.ipi_spec_dst = {htonl(FIRST_ADDRESS + device)},
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(m);

	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(c), &info, sizeof(info));
}

mpp_err wire_add(struct wire *w, uint32_t device, size_t len, struct fault *f)
{
	struct msghdr *m = &w->out.msgs[w->n].msg_hdr;

	set_message(&w->out, w->n, len);
	m->msg_name = &w->to;
	m->msg_namelen = sizeof(w->to);
	set_source(m, device);
	w->sent.n++;
	w->sent.octets += len;
	w->n++;
	return w->n == WIRE_BATCH ? wire_flush(w, f) : MPP_OK;
}

mpp_err wire_flush(struct wire *w, struct fault *f)
{
	unsigned at = 0;
	int n;

	while (at < w->n) {
		n = sendmmsg(w->fd, w->out.msgs + at, w->n - at, 0);
		if (n < 0 && errno != EINTR)
			return fail(f, "cannot send from the devices");
		if (n > 0)
			at += (unsigned)n;
	}
	w->n = 0;
	return MPP_OK;
}

/* Which device it is for: where it went. */
static bool read_device(struct msghdr *m, uint32_t *device)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(m);
	struct in_pktinfo info;
	uint32_t at;

	if (c == NULL || c->cmsg_type != IP_PKTINFO)
		return false;
	memcpy(&info, CMSG_DATA(c), sizeof(info));
	at = ntohl(info.ipi_addr.s_addr);
	*device = at - FIRST_ADDRESS;
	return at >= FIRST_ADDRESS && *device < WIRE_DEVICES_MAX;
}

static size_t receive_batch(struct wire *w, wire_datagram_fn *fn, void *arg)
{
	struct wire_batch *b = &w->in;
	uint32_t device;
	unsigned i;
	int n;

	for (i = 0; i < WIRE_BATCH; i++)
		set_message(b, i, MPP_PACKET_MAX);
	n = recvmmsg(w->fd, b->msgs, WIRE_BATCH, MSG_DONTWAIT, NULL);
	for (i = 0; n > 0 && i < (unsigned)n; i++) {
		w->received.n++;
		w->received.octets += b->msgs[i].msg_len;
		if (read_device(&b->msgs[i].msg_hdr, &device))
			fn(arg, device,
			   (mpp_buf){b->data[i], MPP_PACKET_MAX,
				     b->msgs[i].msg_len});
	}
	return n > 0 ? (size_t)n : 0;
}

size_t wire_receive(struct wire *w, wire_datagram_fn *fn, void *arg)
{
	size_t all = 0, n;

	do {
		n = receive_batch(w, fn, arg);
		all += n;
	} while (n == WIRE_BATCH);
	return all;
}
