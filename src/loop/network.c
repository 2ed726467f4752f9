/* SPDX-License-Identifier: MIT */
/* network.c - a change of network. Contract: network.h.
 *
 * The kernel says when an address or a route has changed (rtnetlink(7)). What
 * it says is not looked at: only a socket that is connected anew shows from
 * which address the service is reached now, whatever rules and tables say. */
#include "loop/network.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "loop/gateway.h"
#include "loop/loop.h"
#include "loop/socket.h"

enum {
	NEWS = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |
	       RTMGRP_IPV6_ROUTE,
	NEWS_MAX = 4096,
	NEWS_AT_ONCE = 64,
	/* An interface that comes up has several addresses one after the
	 * other; each change costs the client an identifier. */
	PAUSE_US = 500000,
	LOOKS = 4, /* then its device has no hardware addresses */
	LOOK_US = 1000000,
};

void loop_network_open(mpp_loop *l)
{
	const struct sockaddr_nl groups = {.nl_family = AF_NETLINK,
					   .nl_groups = NEWS};
	const int fd = socket(AF_NETLINK,
			      SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
			      NETLINK_ROUTE);

	l->network.fd = -1;
	l->network.at = MPP_TIME_NEVER;
	if (fd < 0)
		return;
	if (bind(fd, (const struct sockaddr *)&groups, sizeof(groups)) == 0 &&
	    loop_watch(l, fd) == MPP_OK)
		l->network.fd = fd;
	else
		(void)close(fd);
}

void loop_network_close(mpp_loop *l)
{
	if (l->network.fd >= 0)
		(void)close(l->network.fd);
	l->network.fd = -1;
}

/* Take all that was said. When there was too much to keep, that is news too. */
static bool news(int fd)
{
	uint8_t room[NEWS_MAX];
	bool any = false;
	int i;

	for (i = 0; i < NEWS_AT_ONCE; i++) {
		if (recv(fd, room, sizeof(room), 0) < 0) {
			any |= errno == ENOBUFS;
			if (errno != ENOBUFS && errno != EINTR)
				break;
		} else {
			any = true;
		}
	}
	return any;
}

/* Whether two sockets send from one address; their ports always differ. */
static bool same_source(int a, int b)
{
	struct sockaddr_storage sa[2];
	struct sockaddr_in v4[2];
	struct sockaddr_in6 v6[2];
	socklen_t len[2] = {sizeof(sa[0]), sizeof(sa[1])};

	memset(sa, 0, sizeof(sa));
	if (getsockname(a, (struct sockaddr *)&sa[0], &len[0]) != 0 ||
	    getsockname(b, (struct sockaddr *)&sa[1], &len[1]) != 0)
		return true; /* nothing is known */
	if (sa[0].ss_family != sa[1].ss_family)
		return false;
	memcpy(&v4[0], &sa[0], sizeof(v4[0]));
	memcpy(&v4[1], &sa[1], sizeof(v4[1]));
	memcpy(&v6[0], &sa[0], sizeof(v6[0]));
	memcpy(&v6[1], &sa[1], sizeof(v6[1]));
	if (sa[0].ss_family == AF_INET)
		return v4[0].sin_addr.s_addr == v4[1].sin_addr.s_addr;
	return memcmp(&v6[0].sin6_addr, &v6[1].sin6_addr,
		      sizeof(v6[0].sin6_addr)) == 0;
}

/* What fingerprints are made with, so that the file tells nothing of places. */
static bool have_key(mpp_loop *l)
{
	const mpp_crypto *c = &l->crypto;
	uint8_t *key = l->state.network_key;

	return !mem_is_zero(key, LOOP_NETWORK_KEY_LEN) ||
	       c->ops->random(c->ctx, key, LOOP_NETWORK_KEY_LEN) == MPP_OK;
}

/* The fingerprint of this network. @return false: it is not known */
static bool name_network(mpp_loop *l, mpp_instant now,
			 uint8_t out[MPP_NETWORK_LEN])
{
	const mpp_bytes key = {l->state.network_key, LOOP_NETWORK_KEY_LEN};
	const bool v6 = l->attempt.current.sa.ss_family == AF_INET6;
	struct loop_network *n = &l->network;
	struct loop_gateway g;

	memset(out, 0, MPP_NETWORK_LEN);
	if (!loop_gateway_find(n->root == NULL ? "" : n->root, v6 ? 6 : 4, &g))
		return false;
	if (loop_gateway_incomplete(&g) && n->looks < LOOKS) {
		n->at.us = now.mono.us + ((uint64_t)LOOK_US << n->looks++);
		return false;
	}
	return have_key(l) &&
	       loop_gateway_print(&g, &l->crypto, key, out) == MPP_OK;
}

/* moved: what was known is not so any more. */
static void tell_network(mpp_loop *l, bool moved, mpp_instant now)
{
	uint8_t network[MPP_NETWORK_LEN];

	if (!loop_stays(l) || l->socket < 0)
		return;
	if (name_network(l, now, network) || moved)
		mpp_client_network(l->client, network, now);
}

/* Without a way to the service nothing has moved yet: a later change says. */
static bool moved(mpp_loop *l, mpp_instant now)
{
	const struct loop_address *to = &l->attempt.current;
	int fd;

	if (l->socket < 0 || to->len == 0)
		return false;
	fd = loop_socket_open(to);
	if (fd < 0)
		return false;
	if (same_source(l->socket, fd)) {
		(void)close(fd);
		tell_network(l, false, now);
		return false;
	}
	loop_use_socket(l, fd);
	tell_network(l, true, now);
	loop_web_close(l); /* its connections were of the old one */
	mpp_client_moved(l->client, now);
	if (l->attempt.phase == LOOP_TRY)
		loop_race_begin(l, now); /* those asked were of the old one */
	l->network.moved = now.mono;
	return true;
}

void loop_network_look(mpp_loop *l, mpp_instant now)
{
	l->network.looks = 0;
	if (l->network.at.us > now.mono.us)
		l->network.at = now.mono;
}

bool loop_network_step(mpp_loop *l, mpp_instant now)
{
	struct loop_network *n = &l->network;
	uint64_t at = n->moved.us == 0 ? 0 : n->moved.us + PAUSE_US;

	if (n->fd >= 0 && news(n->fd)) {
		n->at.us = at > now.mono.us ? at : now.mono.us;
		n->looks = 0;
	}
	if (n->at.us > now.mono.us)
		return false;
	n->at = MPP_TIME_NEVER;
	return moved(l, now);
}
