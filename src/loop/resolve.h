/* SPDX-License-Identifier: MIT */
/* resolve.h - names to addresses without waiting: getaddrinfo() may take half
 * a minute, so it runs in a thread of its own. */
#ifndef LOOP_RESOLVE_H
#define LOOP_RESOLVE_H

#include <mpp/loop.h>

#include "loop/endpoint.h"

enum { LOOP_ADDRESSES_MAX = 16 };

struct loop_addresses {
	struct loop_address list[LOOP_ADDRESSES_MAX];
	size_t n;
	/* Why some name gave none; all_unknown: every one, and for certain. */
	char why[LOOP_ENDPOINT_TEXT + 96];
	bool all_unknown;
};

struct loop_resolve;

/* Begin. Endpoints that are addresses are done at once, without a thread.
 * Errors: NOMEM, IO (no descriptors or threads left). */
MPP_MUSTCHECK mpp_err loop_resolve_start(const struct loop_endpoint *eps,
					 size_t n, struct loop_resolve **out);

/* Readable when done. */
int loop_resolve_fd(const struct loop_resolve *r);

/* Done? Then all addresses, in the endpoints' order, each once. */
bool loop_resolve_take(struct loop_resolve *r, struct loop_addresses *out);

/* The order in which they are tried: first the one that held last (len 0:
 * none), then IPv6 and IPv4 in turn, so that a family that is dead costs one
 * step and not one for each address (RFC 8305); within a family as before. */
void loop_addresses_order(struct loop_addresses *addresses,
			  const struct loop_address *good);

/* Forget it, done or not; NULL is harmless. */
void loop_resolve_drop(struct loop_resolve *r);

#endif
