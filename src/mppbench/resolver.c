/* SPDX-License-Identifier: MIT */
/* resolver.c - see resolver.h. */
#include "mppbench/resolver.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	OUTSTANDING = 256,  /* as in mppd */
	DEADLINE_MS = 5000, /* as in mppd */
	SLEEP_MS = 1000,    /* at most */
	CACHE = 64 << 20,   /* all names fit */
	FORGE_EVERY = 997,
};

static bool watch(const struct resolver *r, int fd)
{
	struct epoll_event e = {.events = EPOLLIN};

	return epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &e) == 0;
}

mpp_err resolver_open(struct resolver *r, const struct plan *plan,
		      int datagrams, int orders, struct fault *f)
{
	struct dns_config k = {
		.trust_anchor = plan->anchor,
		.stub.n = 1,
		.insecure.n = 1,
		.outstanding = OUTSTANDING,
		.deadline_ms = DEADLINE_MS,
		.cache = CACHE,
	};
	mpp_err err = MPP_OK;

	(void)dns_zone_wrong("bench.example", &k.insecure.at[0]);
	k.stub.at[0].zone = k.insecure.at[0];
	k.stub.at[0].server.addr =
		(mpp_addr){{127, 0, 0, 1}, plan->zone_port, 4, 0};
	r->forge = plan->broken == BREAK_FORGE;
	if ((err = dns_open(&k, &r->dns, f)) != MPP_OK)
		return err;
	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (r->epoll >= 0 && watch(r, datagrams) && watch(r, orders) &&
	    watch(r, dns_fd(r->dns)))
		return MPP_OK;
	return fault_set(f, MPP_ERR_IO, EX_OSERR, "cannot watch a socket: %s",
			 strerror(errno));
}

void resolver_close(struct resolver *r)
{
	if (r->dns == NULL)
		return;
	dns_close(r->dns);
	r->dns = NULL;
	(void)close(r->epoll);
}

void resolver_wait(const struct resolver *r, mpp_time due, mpp_time now)
{
	const mpp_time own = dns_deadline(r->dns);
	const uint64_t until = own.us < due.us ? own.us : due.us;
	uint64_t ms = until > now.us ? (until - now.us + 999) / 1000 : 0;
	struct epoll_event e[3];

	ms = ms < SLEEP_MS ? ms : SLEEP_MS;
	(void)epoll_wait(r->epoll, e, 3, (int)ms);
}

void resolver_ask(struct resolver *r, mpp_service *s, mpp_instant now,
		  mpp_outbox *out)
{
	mpp_resolve q;

	while (mpp_service_next_resolve(s, &q)) {
		if (dns_ask(r->dns, q.id, q.query, now.mono) != MPP_OK)
			mpp_service_resolved(s, q.id, (mpp_bytes){NULL, 0}, now,
					     out);
	}
	dns_run(r->dns, now.mono);
}

/* The last octet of an answer is the last of an address. */
static mpp_bytes forge(mpp_bytes answer, uint8_t to[DNS_ANSWER_MAX])
{
	memcpy(to, answer.p, answer.len);
	to[answer.len - 1] ^= 1;
	return (mpp_bytes){to, answer.len};
}

bool resolver_answer(struct resolver *r, mpp_service *s, mpp_instant now,
		     mpp_outbox *out)
{
	uint8_t forged[DNS_ANSWER_MAX];
	mpp_bytes answer;
	uint32_t id;

	if (!dns_next(r->dns, &id, &answer))
		return false;
	if (r->forge && ++r->answered % FORGE_EVERY == 0)
		answer = forge(answer, forged);
	mpp_service_resolved(s, id, answer, now, out);
	return true;
}
