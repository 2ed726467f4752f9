/* SPDX-License-Identifier: MIT */
/* resolve.c - names to addresses. Contract: resolve.h.
 *
 * The job belongs to the loop and to its thread; who lets go last frees it,
 * because a thread inside getaddrinfo() cannot be stopped. */
#include "loop/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct loop_resolve {
	pthread_mutex_t lock; /* guards owners and done */
	int owners;
	bool done;
	int fd;
	struct loop_endpoint eps[LOOP_ENDPOINTS_MAX];
	size_t n_eps;
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

static void finish(struct loop_resolve *r)
{
	const uint64_t one = 1;

	r->found.all_unknown = r->n_unknown == r->n_eps;
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

/* @return whether all endpoints were addresses */
static bool resolve_numeric(struct loop_resolve *r)
{
	size_t i;

	for (i = 0; i < r->n_eps; i++)
		resolve_one(r, i, AI_NUMERICHOST);
	if (r->n_unknown == 0 && r->found.n > 0)
		return true;
	r->n_unknown = 0;
	memset(&r->found, 0, sizeof(r->found));
	return false;
}

mpp_err loop_resolve_start(const struct loop_endpoint *eps, size_t n,
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
	memcpy(r->eps, eps, n * sizeof(*eps));
	r->n_eps = n;
	if (resolve_numeric(r)) {
		finish(r);
	} else if (start_thread(r) != 0) {
		let_go(r);
		return MPP_ERR_IO;
	}
	*out = r;
	return MPP_OK;
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

void loop_addresses_order(struct loop_addresses *addresses,
			  const struct loop_address *good)
{
	struct loop_address *list = addresses->list;
	size_t i, to;

	for (i = 0; i < addresses->n; i++) {
		if (loop_address_same(&list[i], good))
			bring(addresses, i, 0);
	}
	for (to = 1; to < addresses->n; to++) {
		for (i = to; i < addresses->n; i++) {
			if (list[i].sa.ss_family != list[to - 1].sa.ss_family)
				break;
		}
		if (i < addresses->n)
			bring(addresses, i, to);
	}
}
