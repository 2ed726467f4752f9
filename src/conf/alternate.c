/* SPDX-License-Identifier: MIT */
/* alternate.c - see alternate.h. */
#include "conf/alternate.h"

#include <string.h>

static bool same_host(const mpp_addr *a, const mpp_addr *b)
{
	return memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static bool is_listened(const struct conf *c, const mpp_addr *a)
{
	size_t i;

	for (i = 0; i < c->listen.n; i++) {
		if (c->listen.at[i].family == a->family &&
		    c->listen.at[i].port == a->port &&
		    same_host(&c->listen.at[i], a))
			return true;
	}
	return false;
}

/* The first of its family. */
static size_t primary(const struct conf *c, unsigned family)
{
	size_t i = 0;

	while (i < c->listen.n && c->listen.at[i].family != family)
		i++;
	return i;
}

static const char *pair_wrong(const mpp_addr *a, const mpp_addr *b)
{
	if (addr_is_wildcard(b))
		return "a wildcard; it must be another address of this "
		       "machine";
	if (addr_is_wildcard(a))
		return "[service] listen has a wildcard; there must be an "
		       "address, so that there are two";
	if (same_host(a, b))
		return "the address that [service] listen has; it must be "
		       "another one of this machine";
	if (a->port == b->port)
		return "the port that [service] listen has; it must be "
		       "another one";
	return NULL;
}

const char *conf_four_wrong(const struct conf *c, size_t i,
			    struct conf_four *out)
{
	const mpp_addr *b = &c->alternate.at[i];
	const size_t first = primary(c, b->family);
	const char *wrong;
	size_t k;

	if (i > 0 && c->alternate.at[0].family == b->family)
		return "a second one of its family; one for IPv4 and one for "
		       "IPv6 are allowed";
	if (first == c->listen.n)
		return "[service] listen has no address of this family; there "
		       "must be one";
	out->listen = first;
	out->at[0] = out->at[1] = c->listen.at[first];
	out->at[2] = out->at[3] = *b;
	if ((wrong = pair_wrong(&out->at[0], b)) != NULL)
		return wrong;
	out->at[1].port = b->port;
	out->at[2].port = out->at[0].port;
	for (k = 1; k < 4; k++) {
		if (is_listened(c, &out->at[k]))
			return "both addresses with both ports are needed for "
			       "it; leave them out in [service] listen, but "
			       "for the first";
	}
	if (c->listen.n + 3 * c->alternate.n > UDP_SOCKETS_MAX)
		return "three sockets each are more than there can be with "
		       "those of [service] listen";
	return NULL;
}
