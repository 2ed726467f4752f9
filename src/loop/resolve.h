/* SPDX-License-Identifier: MIT */
/* resolve.h - domains and names to addresses without waiting: the system's
 * resolver may take half a minute, so it runs in a thread of its own. */
#ifndef LOOP_RESOLVE_H
#define LOOP_RESOLVE_H

#include <mpp/loop.h>

#include "loop/discover.h"
#include "loop/endpoint.h"

enum { LOOP_ADDRESSES_MAX = 32 };

struct loop_addresses {
	struct loop_address list[LOOP_ADDRESSES_MAX];
	size_t n;
	/* Why some name gave none; all_unknown: every one, and for certain. */
	char why[LOOP_ENDPOINT_TEXT + 96];
	bool all_unknown;
	size_t n_domain; /* endpoints that are the domain's, before the others */
};

struct loop_resolve;

/* What is to be found; borrowed for the call. */
struct loop_wanted {
	const struct discover_question *discover; /* NULL: nothing of a domain */
	const struct loop_endpoint *known; /* when it does not say where */
	size_t n_known;
	const struct loop_endpoint *also; /* behind it */
	size_t n_also;
};

/* Begin. An address's endpoint counts through what was discovered (known when
 * nothing was; none of the two when the domain says that it offers nothing),
 * then also. Errors: as loop_resolve_start(). */
MPP_MUSTCHECK mpp_err loop_resolve_wanted(const struct loop_wanted *w,
					  struct loop_resolve **out);

/* Begin. Endpoints that are addresses are done at once, without a thread.
 * Errors: NOMEM, IO (no descriptors or threads left). */
MPP_MUSTCHECK mpp_err loop_resolve_start(const struct loop_endpoint *eps,
					 size_t n, struct loop_resolve **out);

/* Wait until it is done, at most for so long; a signal may end it before.
 * @return whether it is done */
bool loop_resolve_wait(const struct loop_resolve *r, int timeout_ms);

/* Readable when done. */
int loop_resolve_fd(const struct loop_resolve *r);

/* Once done: what was discovered; NULL when no domain was asked for. Good until
 * it is dropped. */
const struct loop_discovery *
loop_resolve_discovery(const struct loop_resolve *r);

/* Done? Then all addresses, in the endpoints' order, each once. */
bool loop_resolve_take(struct loop_resolve *r, struct loop_addresses *out);

/* The order in which they are tried: first the one that held last (len 0:
 * none), then IPv6 and IPv4 in turn, so that a family that is dead costs one
 * step and not one for each address (RFC 8305); within a family as before.
 * Those of a lower rank come first whatever they are. */
void loop_addresses_order(struct loop_addresses *addresses,
			  const struct loop_address *good);

/* Done or not: those that are written as addresses, of known and also.
 * @return whether there are any */
bool loop_resolve_early(const struct loop_resolve *r,
			struct loop_addresses *out);

/* Forget it, done or not; NULL is harmless. */
void loop_resolve_drop(struct loop_resolve *r);

#endif
