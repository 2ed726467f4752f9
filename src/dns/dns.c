/* SPDX-License-Identifier: MIT */
/* dns.c - the resolver behind the DNS proxy. Contract: dns.h.
 *
 *            dns_ask                 result, failure of all, deadline
 *   free ──────────────► waiting ──────────────────────────────────► ready
 *     ▲  └───────────────────── no question to ask ───────────────►    │
 *     └─────────────────────────────── dns_next ───────────────────────┘
 *
 * Every upstream is given an equal part of the deadline, so that the list of
 * those that wait stays sorted by their end. */
#include "dns/dns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sysexits.h>
#include <unbound.h>
#include <unistd.h>

#include "dns/found.h"
#include "dns/private.h"
#include "dns/relay.h"
#include "dns/slot.h"
#include "dns/unbound.h"

enum {
	FAILURES_MAX = 3,   /* in a row, then it rests */
	PROBE_US = 5000000, /* how often a resting one is asked */
	PROBE_TYPE = 65280, /* private use: no cache has it */
	PROBE_TYPES = 255,
};

struct upstream {
	struct ub_ctx *ctx;
	struct dns_relay *relay; /* NULL: asked without TLS */
	struct dns *owner;
	unsigned failures; /* in a row */
	bool resting;
	mpp_time probe_at;
	uint8_t probe; /* the next of PROBE_TYPES */
};

struct dns {
	struct dns_config config;
	char trust_anchor[4096], ca[4096];
	struct upstream upstreams[DNS_SERVERS_MAX];
	size_t n_upstreams;
	struct dns_slot *slots;
	struct dns_list idle, waiting, ready;
	struct dns_counters count;
	mpp_time now; /* of the call that is being made */
	int epoll, wake;
	uint8_t answer[DNS_ANSWER_MAX];
};

static mpp_time after(mpp_time t, uint64_t us)
{
	return (mpp_time){t.us + us};
}

/* ---- open and close ---- */

static mpp_err fail_system(const char *what, struct fault *f)
{
	return fault_set(f, MPP_ERR_IO, EX_OSERR, "[dns] %s: %s", what,
			 strerror(errno));
}

static bool watch(const struct dns *d, int fd)
{
	struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(d->epoll, EPOLL_CTL_ADD, fd, &e) == 0;
}

/* By TLS the relay is asked, and it alone knows the upstream's address. */
static mpp_err open_relay(struct dns *d, struct upstream *u,
			  struct dns_server *forward, struct fault *f)
{
	struct dns_server to = *forward;

	if (!d->config.tls)
		return MPP_OK;
	if (to.addr.port == 0)
		to.addr.port = DNS_PORT_TLS;
	*forward = (struct dns_server){.name = ""};
	return dns_relay_open(&to, d->config.ca, &forward->addr, &u->relay, f);
}

static mpp_err open_upstream(struct dns *d, struct upstream *u,
			     const struct dns_server *said, struct fault *f)
{
	struct dns_server forward;
	mpp_err err;

	u->owner = d;
	if (said == NULL)
		return dns_unbound_open(&d->config, NULL, &u->ctx, f);
	forward = *said;
	if ((err = open_relay(d, u, &forward, f)) != MPP_OK)
		return err;
	return dns_unbound_open(&d->config, &forward, &u->ctx, f);
}

static mpp_err open_upstreams(struct dns *d, struct fault *f)
{
	const struct dns_servers *forward = &d->config.forward;
	const size_t n = forward->n > 0 ? forward->n : 1;
	mpp_err err = MPP_OK;

	while (err == MPP_OK && d->n_upstreams < n) {
		struct upstream *u = &d->upstreams[d->n_upstreams];
		const struct dns_server *said =
			forward->n > 0 ? &forward->at[d->n_upstreams] : NULL;

		d->n_upstreams++;
		err = open_upstream(d, u, said, f);
		if (err != MPP_OK)
			break;
		if (!watch(d, ub_fd(u->ctx)))
			err = fail_system("epoll", f);
	}
	return err;
}

static mpp_err open_slots(struct dns *d, struct fault *f)
{
	const size_t n = (size_t)d->config.outstanding * 2;
	size_t i;

	d->slots = calloc(n, sizeof(*d->slots));
	if (d->slots == NULL)
		return fault_set(f, MPP_ERR_NOMEM, EX_OSERR, "out of memory");
	for (i = 0; i < n; i++) {
		d->slots[i].owner = d;
		dns_list_put(&d->idle, &d->slots[i]);
	}
	return MPP_OK;
}

static mpp_err check(const struct dns_config *c, struct fault *f)
{
	size_t i;

	if (c->outstanding == 0 || c->deadline_ms == 0 ||
	    strlen(c->trust_anchor) >= sizeof(((struct dns *)0)->trust_anchor))
		return fault_set(f, MPP_ERR_INVALID, EX_CONFIG,
				 "[dns] outstanding, deadline and trust-anchor "
				 "must be set");
	if (c->tls && c->forward.n == 0)
		return fault_set(f, MPP_ERR_INVALID, EX_CONFIG,
				 "[dns] tls = yes needs forward");
	for (i = 0; c->tls && i < c->forward.n; i++) {
		if (c->forward.at[i].name[0] == '\0')
			return fault_set(f, MPP_ERR_INVALID, EX_CONFIG,
					 "[dns] tls = yes needs a #NAME for "
					 "each of forward");
	}
	return MPP_OK;
}

static mpp_err open_all(struct dns *d, struct fault *f)
{
	mpp_err err;

	d->epoll = epoll_create1(EPOLL_CLOEXEC);
	d->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (d->epoll < 0 || d->wake < 0 || !watch(d, d->wake))
		return fail_system("epoll", f);
	if ((err = open_slots(d, f)) != MPP_OK)
		return err;
	return open_upstreams(d, f);
}

mpp_err dns_open(const struct dns_config *c, struct dns **out, struct fault *f)
{
	mpp_err err = check(c, f);
	struct dns *d;

	if (err != MPP_OK)
		return err;
	if ((d = calloc(1, sizeof(*d))) == NULL)
		return fault_set(f, MPP_ERR_NOMEM, EX_OSERR, "out of memory");
	d->config = *c;
	(void)stpncpy(d->trust_anchor, c->trust_anchor,
		      sizeof(d->trust_anchor) - 1);
	(void)stpncpy(d->ca, c->ca != NULL ? c->ca : "", sizeof(d->ca) - 1);
	d->config.trust_anchor = d->trust_anchor;
	d->config.ca = d->ca;
	d->epoll = -1;
	d->wake = -1;
	if ((err = open_all(d, f)) != MPP_OK) {
		dns_close(d);
		return err;
	}
	*out = d;
	return MPP_OK;
}

void dns_close(struct dns *d)
{
	struct dns_slot *s;
	size_t i;

	for (i = 0; i < d->n_upstreams; i++) {
		if (d->upstreams[i].ctx != NULL)
			ub_ctx_delete(d->upstreams[i].ctx);
		if (d->upstreams[i].relay != NULL)
			dns_relay_close(d->upstreams[i].relay);
	}
	for (s = d->ready.first; s != NULL; s = s->next)
		ub_resolve_free(s->result);
	if (d->epoll >= 0)
		(void)close(d->epoll);
	if (d->wake >= 0)
		(void)close(d->wake);
	free(d->slots);
	free(d);
}

int dns_fd(const struct dns *d)
{
	return d->epoll;
}

void dns_count(const struct dns *d, struct dns_counters *out)
{
	*out = d->count;
}

/* ---- upstreams ---- */

static void upstream_worked(struct upstream *u)
{
	u->failures = 0;
	if (!u->resting)
		return;
	u->resting = false;
	u->owner->count.upstream_back++;
}

static void upstream_failed(struct upstream *u)
{
	if (u->failures < FAILURES_MAX)
		u->failures++;
	/* The only one is asked whatever happened. */
	if (u->failures < FAILURES_MAX || u->resting ||
	    u->owner->n_upstreams == 1)
		return;
	u->resting = true;
	u->probe_at = after(u->owner->now, PROBE_US);
	u->owner->count.upstream_down++;
}

/* Nothing came of it: no answer, or one that says so. */
static bool is_failure(int bad, const struct ub_result *result)
{
	return bad != 0 || result == NULL ||
	       (result->rcode == DNS_SERVFAIL && !result->bogus);
}

static void probed(void *user, int bad, struct ub_result *result)
{
	struct upstream *u = user;

	if (!is_failure(bad, result))
		upstream_worked(u);
	ub_resolve_free(result);
}

/* Is it back? The root has no such records, and every resolver can say so. */
static void probe(struct upstream *u)
{
	const int type = PROBE_TYPE + u->probe;

	u->probe = (uint8_t)((u->probe + 1) % PROBE_TYPES);
	u->probe_at = after(u->owner->now, PROBE_US);
	if (ub_resolve_async(u->ctx, ".", type, DNS_IN, u, probed, NULL) != 0)
		upstream_failed(u);
}

/* The first that works after this one, in a circle; when all rest, the next. */
static size_t choose(const struct dns *d, size_t from)
{
	size_t i;

	for (i = 0; i < d->n_upstreams; i++) {
		const size_t k = (from + i) % d->n_upstreams;

		if (!d->upstreams[k].resting)
			return k;
	}
	return from % d->n_upstreams;
}

/* ---- queries ---- */

static void make_ready(struct dns *d, struct dns_slot *s)
{
	const uint64_t one = 1;

	dns_list_put(&d->ready, s);
	/* It is full after 2^64 - 2: then it is readable anyway. */
	if (write(d->wake, &one, sizeof(one)) < 0)
		return;
}

static void end_with(struct dns *d, struct dns_slot *s, struct dns_verdict v)
{
	s->verdict = v;
	make_ready(d, s);
}

static void failed_at(struct dns *d, struct dns_slot *s);

static void answered(void *user, int bad, struct ub_result *result)
{
	struct dns_slot *s = user;
	struct dns *d = s->owner;

	dns_list_cut(&d->waiting, s);
	if (is_failure(bad, result)) {
		ub_resolve_free(result);
		failed_at(d, s);
		return;
	}
	upstream_worked(&d->upstreams[s->upstream]);
	s->result = result;
	make_ready(d, s);
}

/* Ask an upstream. Its part of the deadline begins now. */
static bool ask(struct dns *d, struct dns_slot *s, size_t upstream)
{
	char name[DNS_NAME_TEXT];
	int handle;

	dns_name_text(&s->query.name, name);
	if (ub_resolve_async(d->upstreams[upstream].ctx, name, s->query.type,
			     DNS_IN, s, answered, &handle) != 0)
		return false;
	s->upstream = (uint8_t)upstream;
	s->handle = (uint32_t)handle;
	s->end = after(d->now, d->config.deadline_ms * 1000 / d->n_upstreams);
	dns_list_put(&d->waiting, s);
	return true;
}

static const struct dns_verdict unreachable = {
	DNS_SERVFAIL, DNS_EDE_UNREACHABLE, "no server had an answer"};
static const struct dns_verdict too_late = {DNS_SERVFAIL, DNS_EDE_UNREACHABLE,
					    "no answer in time"};
static const struct dns_verdict overload = {DNS_SERVFAIL, DNS_EDE_OTHER,
					    "too many queries at once"};
static const struct dns_verdict special = {DNS_NXDOMAIN, DNS_EDE_BLOCKED,
					   "a special name"};

/* Go on with the next upstream. @return false: there is none */
static bool ask_next(struct dns *d, struct dns_slot *s)
{
	while (s->left > 0) {
		s->left--;
		d->count.retried++;
		if (ask(d, s, choose(d, s->upstream + 1u)))
			return true;
	}
	return false;
}

static void failed_at(struct dns *d, struct dns_slot *s)
{
	upstream_failed(&d->upstreams[s->upstream]);
	if (ask_next(d, s))
		return;
	d->count.failed++;
	end_with(d, s, unreachable);
}

static bool is_special(const struct dns *d, const struct dns_name *name)
{
	size_t i;

	if (!dns_name_is_special(name) ||
	    dns_zones_have(&d->config.private_ok, name))
		return false;
	for (i = 0; i < d->config.stub.n; i++) {
		if (dns_name_in(name, &d->config.stub.at[i].zone))
			return false;
	}
	return true;
}

static void count_verdict(struct dns *d, struct dns_verdict v)
{
	if (v.rcode == DNS_FORMERR)
		d->count.malformed++;
	else
		d->count.unsupported++;
}

static void begin(struct dns *d, struct dns_slot *s)
{
	if (s->verdict.rcode != DNS_NOERROR) {
		count_verdict(d, s->verdict);
		make_ready(d, s);
	} else if (is_special(d, &s->query.name)) {
		d->count.special++;
		end_with(d, s, special);
	} else if (d->waiting.n >= d->config.outstanding) {
		d->count.overload++;
		end_with(d, s, overload);
	} else if (!ask(d, s, choose(d, 0)) && !ask_next(d, s)) {
		d->count.failed++;
		end_with(d, s, unreachable);
	}
}

mpp_err dns_ask(struct dns *d, uint32_t id, mpp_bytes query, mpp_time now)
{
	struct dns_slot *s = dns_list_take(&d->idle);

	if (s == NULL)
		return MPP_ERR_LIMIT;
	d->now = now;
	s->id = id;
	s->result = NULL;
	s->upstream = 0;
	s->left = (uint8_t)(d->n_upstreams - 1);
	s->verdict = dns_query_read(query, &s->query);
	if (query.len > DNS_QUERY_MAX)
		s->verdict = (struct dns_verdict){DNS_FORMERR, DNS_EDE_NONE,
						  "too long"};
	begin(d, s);
	return MPP_OK;
}

/* ---- time ---- */

static void give_up(struct dns *d, struct dns_slot *s)
{
	struct upstream *u = &d->upstreams[s->upstream];

	/* After this its result is thrown away, whenever it comes. */
	(void)ub_cancel(u->ctx, (int)s->handle);
	dns_list_cut(&d->waiting, s);
	upstream_failed(u);
	if (ask_next(d, s))
		return;
	d->count.timeout++;
	end_with(d, s, too_late);
}

void dns_run(struct dns *d, mpp_time now)
{
	size_t i;

	d->now = now;
	for (i = 0; i < d->n_upstreams; i++) {
		struct upstream *u = &d->upstreams[i];

		(void)ub_process(u->ctx);
		if (u->resting && u->probe_at.us <= now.us)
			probe(u);
	}
	while (d->waiting.first != NULL && d->waiting.first->end.us <= now.us)
		give_up(d, d->waiting.first);
}

mpp_time dns_deadline(const struct dns *d)
{
	mpp_time t = MPP_TIME_NEVER;
	size_t i;

	if (d->waiting.first != NULL)
		t = d->waiting.first->end;
	for (i = 0; i < d->n_upstreams; i++) {
		const struct upstream *u = &d->upstreams[i];

		if (u->resting && u->probe_at.us < t.us)
			t = u->probe_at;
	}
	return t;
}

/* ---- answers ---- */

static void answer(struct dns *d, const struct dns_slot *s, mpp_buf *out)
{
	const struct ub_result *r = s->result;
	struct dns_found found;

	if (r == NULL) {
		dns_verdict_answer(&s->query, s->verdict, out);
		return;
	}
	found = (struct dns_found){
		(enum dns_rcode)r->rcode,
		r->secure != 0,
		r->bogus != 0,
		r->why_bogus != NULL ? r->why_bogus : "",
		{r->answer_packet,
		 r->answer_packet != NULL ? (size_t)r->answer_len : 0}};
	dns_found_answer(&d->config, &s->query, &found, out, &d->count);
}

bool dns_next(struct dns *d, uint32_t *id, mpp_bytes *out)
{
	struct dns_slot *s = dns_list_take(&d->ready);
	mpp_buf room = {d->answer, sizeof(d->answer), 0};
	uint64_t woken;

	if (s == NULL)
		return false;
	answer(d, s, &room);
	*id = s->id;
	*out = (mpp_bytes){room.p, room.len};
	ub_resolve_free(s->result);
	s->result = NULL;
	dns_list_put(&d->idle, s);
	if (d->ready.n == 0 && read(d->wake, &woken, sizeof(woken)) < 0)
		return true; /* it was not set */
	return true;
}
