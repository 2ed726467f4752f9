/* SPDX-License-Identifier: MIT */
/* source.c - see source.h. */
#include "host/source.h"

#include <string.h>

bool source_want(int fd, int family)
{
	const int one = 1;

	return family == AF_INET6
		       ? setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one,
				    sizeof(one)) == 0
		       : setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one,
				    sizeof(one)) == 0;
}

static bool is(const struct cmsghdr *c, int level, int type)
{
	return c->cmsg_level == level && c->cmsg_type == type;
}

/* Routes choose the interface, but where an address is one of a link only. */
static void take_v6(struct source *s, const struct cmsghdr *c)
{
	struct in6_pktinfo *i = &s->info.v6;

	memcpy(i, CMSG_DATA(c), sizeof(*i));
	if (IN6_IS_ADDR_MULTICAST(&i->ipi6_addr))
		return;
	s->family = AF_INET6;
	if (!IN6_IS_ADDR_LINKLOCAL(&i->ipi6_addr))
		i->ipi6_ifindex = 0;
}

void source_read(struct msghdr *m, struct source *out)
{
	struct cmsghdr *c;

	memset(out, 0, sizeof(*out));
	for (c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		if (is(c, IPPROTO_IP, IP_PKTINFO)) {
			memcpy(&out->info.v4, CMSG_DATA(c),
			       sizeof(out->info.v4));
			out->info.v4.ipi_ifindex = 0;
			out->family = AF_INET;
		} else if (is(c, IPPROTO_IPV6, IPV6_PKTINFO)) {
			take_v6(out, c);
		}
	}
}

void source_put(const struct source *s, struct msghdr *m, uint8_t *control)
{
	const bool v6 = s->family == AF_INET6;
	const size_t len = v6 ? sizeof(s->info.v6) : sizeof(s->info.v4);
	struct cmsghdr *c;

	if (s->family == 0)
		return;
	memset(control, 0, SOURCE_CONTROL);
	m->msg_control = control;
	m->msg_controllen = CMSG_SPACE(len);
	c = CMSG_FIRSTHDR(m);
	c->cmsg_level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
	c->cmsg_type = v6 ? IPV6_PKTINFO : IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), &s->info, len);
}
