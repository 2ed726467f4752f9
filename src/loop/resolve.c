/* SPDX-License-Identifier: MIT */
/* resolve.c - domains and names to addresses. Contract: resolve.h.
 *
 * The job belongs to the loop and to its thread; who lets go last frees it,
 * because a thread inside getaddrinfo() cannot be stopped. */
#include "loop/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { EPS_MAX = ZONE_TARGETS_MAX + LOOP_ENDPOINTS_MAX };

struct loop_resolve {
	pthread_mutex_t lock; /* guards owners and done */
	int owners;
	bool done;
	int fd;
	struct discover_question question; /* domain empty: none */
	struct loop_discovery discovery;
	/* First those of the domain: known until there are others. */
	struct loop_endpoint eps[EPS_MAX];
	size_t n_eps;
	struct loop_addresses early; /* without asking anybody */
	struct loop_addresses found; /* the thread's until done */
	size_t n_unknown;
};

static void let_go(struct loop_resolve *r)
{
	int left;

	(void)pthread_mutex_lock(&r->lock);
	left = --r->owners;
	(void)pthread_mutex_unlock(&r->lock);
	if (left > 0)
		return;
	(void)pthread_mutex_destroy(&r->lock);
	(void)close(r->fd);
	free(r);
}

static void add_address(struct loop_addresses *found,
			const struct addrinfo *info, size_t endpoint)
{
	struct loop_address *a = &found->list[found->n];
	size_t i;

	if (found->n == LOOP_ADDRESSES_MAX || info->ai_addrlen > sizeof(a->sa))
		return;
	memset(a, 0, sizeof(*a));
	memcpy(&a->sa, info->ai_addr, info->ai_addrlen);
	a->len = info->ai_addrlen;
	a->endpoint = endpoint;
	/* A domain says in which order; others are all alike. */
	a->rank = (unsigned)(endpoint < found->n_domain ? endpoint
							: found->n_domain);
	for (i = 0; i < found->n; i++) {
		if (loop_address_same(a, &found->list[i]))
			return;
	}
	found->n++;
}

static int look_up(const struct loop_endpoint *ep, int flags,
		   struct addrinfo **list)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_DGRAM,
		.ai_flags = AI_NUMERICSERV | flags,
	};
	char port[8];

	(void)snprintf(port, sizeof(port), "%u", (unsigned)ep->port);
	return getaddrinfo(ep->host, port, &hints, list);
}

static void resolve_one(struct loop_resolve *r, size_t i, int flags)
{
	const struct loop_endpoint *ep = &r->eps[i];
	struct addrinfo *list, *at;
	const int code = look_up(ep, flags, &list);

	if (code != 0) {
		(void)snprintf(r->found.why, sizeof(r->found.why),
			       "cannot find the address of %s: %s", ep->host,
			       gai_strerror(code));
		r->n_unknown += code == EAI_NONAME || code == EAI_FAIL;
		return;
	}
	for (at = list; at != NULL; at = at->ai_next)
		add_address(&r->found, at, i);
	freeaddrinfo(list);
}

/* Put the domain's endpoints in the place of those that were known. */
static void use_discovered(struct loop_resolve *r)
{
	const struct discover_service *udp = &r->discovery.udp;
	const size_t known = r->found.n_domain;
	const size_t also = r->n_eps - known;
	size_t i;

	if (udp->result != DISCOVER_FOUND && udp->result != DISCOVER_REFUSED)
		return;
	memmove(&r->eps[udp->n], &r->eps[known], also * sizeof(r->eps[0]));
	for (i = 0; i < udp->n; i++)
		r->eps[i] = udp->targets[i].at;
	r->found.n_domain = udp->n;
	r->n_eps = udp->n + also;
}

/* Nowhere to look: why the domain says nothing. */
static void explain(struct loop_resolve *r)
{
	const enum discover_result result = r->discovery.udp.result;
	mpp_loop_error e = {.text = ""};

	if (r->n_eps > 0 || discover_judge(&r->discovery, &e) == MPP_OK)
		return;
	(void)snprintf(r->found.why, sizeof(r->found.why), "%.*s",
		       (int)sizeof(r->found.why) - 1, e.text);
	r->found.all_unknown = result != DISCOVER_FAILED;
}

static void finish(struct loop_resolve *r)
{
	const uint64_t one = 1;

	r->found.all_unknown = r->n_eps > 0 && r->n_unknown == r->n_eps;
	explain(r);
	(void)pthread_mutex_lock(&r->lock);
	r->done = true;
	(void)pthread_mutex_unlock(&r->lock);
	/* A counter that cannot be full: nothing to fail here. */
	if (write(r->fd, &one, sizeof(one)) < 0)
		return;
}

static void *run(void *arg)
{
	struct loop_resolve *r = arg;
	size_t i;

	if (r->question.domain[0] != '\0') {
		discover_run(&r->question, &r->discovery);
		use_discovered(r);
	}
	for (i = 0; i < r->n_eps; i++)
		resolve_one(r, i, 0);
	finish(r);
	let_go(r);
	return NULL;
}

/* Signals belong to the program's own threads. */
static int start_thread(struct loop_resolve *r)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;
	int number = pthread_attr_init(&attr);

	if (number != 0)
		return number;
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r->owners++; /* no thread yet: nobody else looks */
	number = pthread_create(&thread, &attr, run, r);
	if (number != 0)
		r->owners--;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attr);
	return number;
}

/* @return whether that is all */
static bool resolve_numeric(struct loop_resolve *r)
{
	const size_t n_domain = r->found.n_domain;
	size_t i;

	for (i = 0; i < r->n_eps; i++)
		resolve_one(r, i, AI_NUMERICHOST);
	r->early = r->found;
	if (r->n_unknown == 0 && r->found.n > 0 &&
	    r->question.domain[0] == '\0')
		return true;
	r->n_unknown = 0;
	memset(&r->found, 0, sizeof(r->found));
	r->found.n_domain = n_domain;
	return false;
}

static void take_wanted(struct loop_resolve *r, const struct loop_wanted *w)
{
	if (w->discover != NULL)
		r->question = *w->discover;
	if (w->n_known > 0)
		memcpy(r->eps, w->known, w->n_known * sizeof(*w->known));
	if (w->n_also > 0)
		memcpy(r->eps + w->n_known, w->also,
		       w->n_also * sizeof(*w->also));
	r->n_eps = w->n_known + w->n_also;
	r->found.n_domain = w->n_known;
}

mpp_err loop_resolve_wanted(const struct loop_wanted *w,
			    struct loop_resolve **out)
{
	struct loop_resolve *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return MPP_ERR_NOMEM;
	r->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (r->fd < 0 || pthread_mutex_init(&r->lock, NULL) != 0) {
		if (r->fd >= 0)
			(void)close(r->fd);
		free(r);
		return MPP_ERR_IO;
	}
	r->owners = 1;
	take_wanted(r, w);
	if (resolve_numeric(r)) {
		finish(r);
	} else if (start_thread(r) != 0) {
		let_go(r);
		return MPP_ERR_IO;
	}
	*out = r;
	return MPP_OK;
}

mpp_err loop_resolve_start(const struct loop_endpoint *eps, size_t n,
			   struct loop_resolve **out)
{
	const struct loop_wanted w = {.also = eps, .n_also = n};

	return loop_resolve_wanted(&w, out);
}

bool loop_resolve_wait(const struct loop_resolve *r, int timeout_ms)
{
	struct pollfd fd = {.fd = r->fd, .events = POLLIN};

	return poll(&fd, 1, timeout_ms) == 1;
}

int loop_resolve_fd(const struct loop_resolve *r)
{
	return r->fd;
}

bool loop_resolve_take(struct loop_resolve *r, struct loop_addresses *out)
{
	bool done;

	(void)pthread_mutex_lock(&r->lock);
	done = r->done;
	(void)pthread_mutex_unlock(&r->lock);
	if (done)
		*out = r->found;
	return done;
}

bool loop_resolve_early(const struct loop_resolve *r,
			struct loop_addresses *out)
{
	*out = r->early;
	return out->n > 0;
}

const struct loop_discovery *
loop_resolve_discovery(const struct loop_resolve *r)
{
	return r->question.domain[0] == '\0' ? NULL : &r->discovery;
}

void loop_resolve_drop(struct loop_resolve *r)
{
	if (r != NULL)
		let_go(r);
}

/* Move one place to another one before it; what is between moves up. */
static void bring(struct loop_addresses *a, size_t from, size_t to)
{
	const struct loop_address moved = a->list[from];

	for (; from > to; from--)
		a->list[from] = a->list[from - 1];
	a->list[to] = moved;
}

/* Within places from to n - 1, where all have one rank. */
static void alternate(struct loop_addresses *a, size_t from, size_t end)
{
	const struct loop_address *list = a->list;
	size_t i, to;

	for (to = from; to < end; to++) {
		for (i = to; to > 0 && i < end; i++) {
			if (list[i].sa.ss_family != list[to - 1].sa.ss_family)
				break;
		}
		if (to > 0 && i < end)
			bring(a, i, to);
	}
}

void loop_addresses_order(struct loop_addresses *addresses,
			  const struct loop_address *good)
{
	struct loop_address *list = addresses->list;
	size_t i, end, from = 0;

	for (i = 0; i < addresses->n; i++) {
		if (loop_address_same(&list[i], good)) {
			bring(addresses, i, 0);
			from = 1;
		}
	}
	for (; from < addresses->n; from = end) {
		end = from + 1;
		while (end < addresses->n && list[end].rank == list[from].rank)
			end++;
		alternate(addresses, from, end);
	}
}
