/* SPDX-License-Identifier: MIT */
/* unbound.h - one resolver of libunbound, as the configuration says. It asks
 * one upstream, or from the root, in a thread of its own. */
#ifndef DNS_UNBOUND_H
#define DNS_UNBOUND_H

#include "dns/config.h"
#include "host/fault.h"

struct ub_ctx;

enum { DNS_UNBOUND_TEXT = 32768 };

/* Its configuration in the words of unbound.conf(5).
 * @param forward  whom it asks, by TCP with c->tls (relay.h); NULL: from the
 *                 root
 * @return its length; -1: it does not fit */
int dns_unbound_text(const struct dns_config *c,
		     const struct dns_server *forward,
		     char out[DNS_UNBOUND_TEXT]);

/* Errors: NOTFOUND, SYNTAX (a file is missing or holds something else), IO,
 * NOMEM; f says what to do. Free it with ub_ctx_delete(). */
MPP_MUSTCHECK mpp_err dns_unbound_open(const struct dns_config *c,
				       const struct dns_server *forward,
				       struct ub_ctx **out, struct fault *f);

#endif
