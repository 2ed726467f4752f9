/* SPDX-License-Identifier: MIT */
/* resolver.h - the resolver of the server process: src/dns, between it and the
 * service what mppd does (src/mppd/resolve.c). */
#ifndef MPPBENCH_RESOLVER_H
#define MPPBENCH_RESOLVER_H

#include "dns/dns.h"
#include "mppbench/plan.h"

struct resolver {
	struct dns *dns; /* NULL: not opened */
	int epoll;
	bool forge;
	uint64_t answered;
};

/* Its zone is asked of the plan's server. The two descriptors wake
 * resolver_wait() as well. Errors: those of dns_open(), IO. */
MPP_MUSTCHECK mpp_err resolver_open(struct resolver *r, const struct plan *plan,
				    int datagrams, int orders, struct fault *f);
void resolver_close(struct resolver *r);

/* Sleep until something is there, or one of both deadlines. */
void resolver_wait(const struct resolver *r, mpp_time due, mpp_time now);

/* Hand the service's questions to the resolver. */
void resolver_ask(struct resolver *r, mpp_service *s, mpp_instant now,
		  mpp_outbox *out);
/* Hand one answer to the service. @return false: there is none now */
bool resolver_answer(struct resolver *r, mpp_service *s, mpp_instant now,
		     mpp_outbox *out);

#endif
