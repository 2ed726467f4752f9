/* SPDX-License-Identifier: MIT */
/* carrier.c - listeners, connections, time. Contract: carrier.h.
 *
 * libmicrohttpd closes a connection on which nothing moves. It would let
 * somebody send one octet now and then for ever; so a connection on which no
 * request became whole for too long is shut down here. It does not look at
 * connections that sleep either, and may overlook an end that comes together
 * with the last octets: that peers leave is watched here, too. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/addr.h"
#include "host/tcp.h"
#include "web/carrier_inside.h"

enum {
	SWEEP_MS = 500,
	HEAD_MAX = 16384, /* octets of a request's head, with all buffers */
	PEM_MAX = 65536,
	LEFT_BATCH = 64,
	FILES_BESIDE = 64, /* of the rest of mppd */
	REFUSABLE = 16,    /* taken to be refused, beyond the limit */
	HALF_MS = 1000,
	ADDRESS_V6 = 8, /* a customer has a /64 */
};

/* ---- connections ---- */

static bool same_address(const mpp_addr *a, const mpp_addr *b)
{
	return a->family == b->family &&
	       memcmp(a->ip, b->ip, a->family == 4 ? 4 : ADDRESS_V6) == 0;
}

bool carrier_trusts(const struct carrier *c, const mpp_addr *a)
{
	size_t i;

	for (i = 0; i < c->config.n_trusted; i++) {
		const mpp_addr *t = &c->config.trusted[i];

		if (t->family == a->family &&
		    memcmp(t->ip, a->ip, sizeof(a->ip)) == 0)
			return true;
	}
	return false;
}

/* FNV-1a, from a seed that nobody knows. */
static uint32_t *bucket_of(struct carrier *c, const mpp_addr *a)
{
	const unsigned n = a->family == 4 ? 4 : ADDRESS_V6;
	uint32_t h = c->seed ^ 2166136261u;
	unsigned i;

	for (i = 0; i < n; i++)
		h = (h ^ a->ip[i]) * 16777619u;
	return &c->bucket[(h ^ h >> 16) % CARRIER_BUCKETS];
}

static bool too_many_strangers(struct carrier *c, const mpp_addr *from)
{
	uint32_t i = *bucket_of(c, from);
	unsigned n = 0;

	if (c->config.behind_proxy || carrier_trusts(c, from))
		return false;
	for (; i != NOBODY; i = c->callers[i].next) {
		const struct caller *q = &c->callers[i];

		n += !q->known && same_address(&q->from, from);
	}
	return n >= CARRIER_STRANGERS;
}

static struct caller *take_place(struct carrier *c, const mpp_addr *from)
{
	const uint32_t i = c->free;
	uint32_t *bucket = bucket_of(c, from);
	struct caller *q = &c->callers[i];

	c->free = q->next;
	c->open++;
	*q = (struct caller){.carrier = c, .from = *from, .next = *bucket};
	*bucket = i;
	return q;
}

static void give_place(struct carrier *c, struct caller *q)
{
	const uint32_t i = (uint32_t)(q - c->callers);
	uint32_t *at = bucket_of(c, &q->from);

	while (*at != i)
		at = &c->callers[*at].next;
	*at = q->next;
	q->connection = NULL;
	q->next = c->free;
	c->free = i;
	c->open--;
}

static bool read_address(const struct sockaddr *sa, socklen_t len,
			 mpp_addr *out)
{
	struct sockaddr_storage copy = {.ss_family = AF_UNSPEC};

	if (sa == NULL || len > sizeof(copy))
		return false;
	memcpy(&copy, sa, len);
	return addr_from_sockaddr(&copy, out);
}

/* libmicrohttpd asks before it takes a connection. */
static enum MHD_Result may_connect(void *cls, const struct sockaddr *sa,
				   socklen_t len)
{
	struct carrier *c = cls;
	mpp_addr from;

	if (read_address(sa, len, &from) && c->free != NOBODY &&
	    !too_many_strangers(c, &from))
		return MHD_YES;
	c->count.refused++;
	return MHD_NO;
}

static void begin(struct carrier *c, struct MHD_Connection *connection,
		  void **socket_context)
{
	const union MHD_ConnectionInfo *fd = MHD_get_connection_info(
		connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct epoll_event e = {.events = EPOLLRDHUP};
	mpp_addr from = {.family = 0};
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	struct caller *q;

	if (c->free == NOBODY || fd == NULL)
		return;
	if (getpeername(fd->connect_fd, (struct sockaddr *)&peer, &len) == 0)
		(void)addr_from_sockaddr(&peer, &from);
	q = take_place(c, &from);
	q->connection = connection;
	q->fd = fd->connect_fd;
	q->since = c->now.mono;
	e.data.ptr = q;
	(void)epoll_ctl(c->left, EPOLL_CTL_ADD, q->fd, &e);
	c->count.connections++;
	*socket_context = q;
}

static void connection_changed(void *cls, struct MHD_Connection *connection,
			       void **socket_context,
			       enum MHD_ConnectionNotificationCode code)
{
	struct caller *q = *socket_context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		begin(cls, connection, socket_context);
		return;
	}
	*socket_context = NULL;
	if (q == NULL)
		return;
	caller_reset(q);
	(void)epoll_ctl(q->carrier->left, EPOLL_CTL_DEL, q->fd, NULL);
	give_place(q->carrier, q);
}

/* ---- time ---- */

static bool is_slow(const struct carrier *c, const struct caller *q)
{
	const uint64_t us = c->config.timeout_ms * UINT64_C(1250);

	return c->now.mono.us >= q->since.us + us;
}

/* What it sent before it left may still have to be read. */
static bool is_over(const struct carrier *c, const struct caller *q)
{
	return q->half &&
	       c->now.mono.us >= q->half_at.us + HALF_MS * UINT64_C(1000);
}

static bool is_mine_to_say(const struct caller *q)
{
	return q->connection != NULL && !q->cut &&
	       (q->state == CALLER_IDLE || q->state == CALLER_READING);
}

static void sweep(struct carrier *c)
{
	uint32_t i;

	if (c->now.mono.us < c->swept.us + SWEEP_MS * UINT64_C(1000))
		return;
	c->swept = c->now.mono;
	for (i = 0; i < c->config.connections; i++) {
		struct caller *q = &c->callers[i];

		if (!is_mine_to_say(q) || (!is_slow(c, q) && !is_over(c, q)))
			continue;
		c->count.slow += !q->half;
		q->cut = true;
		(void)shutdown(q->fd, SHUT_RDWR);
	}
}

/* Peers that have left, or will say no more. */
static void take_left(struct carrier *c)
{
	struct epoll_event e[LEFT_BATCH];
	const int n = epoll_wait(c->left, e, LEFT_BATCH, 0);
	int i;

	for (i = 0; i < n; i++) {
		struct caller *q = e[i].data.ptr;

		(void)epoll_ctl(c->left, EPOLL_CTL_DEL, q->fd, NULL);
		q->half = true;
		q->half_at = c->now.mono;
		if (q->state == CALLER_WAITING)
			carrier_leave(q);
	}
}

static bool give_answers(struct carrier *c)
{
	mpp_buf out = {c->room, sizeof(c->room), 0};
	bool any = false;
	uint64_t number;

	while (mpp_service_next_web(c->config.service, c->now, &number, &out)) {
		if (number >= c->config.connections ||
		    c->callers[number].state != CALLER_WAITING)
			continue;
		carrier_wake(&c->callers[number], (mpp_bytes){out.p, out.len});
		any = true;
	}
	return any;
}

static void run_all(struct carrier *c)
{
	size_t i;

	for (i = 0; i < c->n; i++)
		(void)MHD_run(c->daemons[i]);
}

void carrier_run(struct carrier *c, mpp_instant now)
{
	c->now = now;
	take_left(c);
	run_all(c);
	sweep(c);
	if (give_answers(c))
		run_all(c);
}

int carrier_wait_ms(const struct carrier *c)
{
	MHD_UNSIGNED_LONG_LONG ms;
	int wait = c->open != 0 ? SWEEP_MS : -1;
	size_t i;

	for (i = 0; i < c->n; i++) {
		if (MHD_get_timeout(c->daemons[i], &ms) != MHD_YES)
			continue;
		if (wait < 0 || ms < (MHD_UNSIGNED_LONG_LONG)wait)
			wait = ms < 60000 ? (int)ms : 60000;
	}
	return wait;
}

int carrier_fd(const struct carrier *c)
{
	return c->epoll;
}

size_t carrier_busy(const struct carrier *c)
{
	return c->busy;
}

const struct carrier_counters *carrier_count(const struct carrier *c)
{
	return &c->count;
}

/* ---- beginning and end ---- */

/* A file as text. It may hold a private key, so it is wiped by the caller. */
static mpp_err read_pem(const char *path, char text[PEM_MAX], struct fault *f)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1, got = 1;
	int e;

	if (fd >= 0) {
		for (n = 0; n < PEM_MAX && got > 0; n += got) {
			got = read(fd, text + n, (size_t)(PEM_MAX - n));
			if (got < 0)
				break;
		}
	}
	e = errno;
	if (fd >= 0)
		(void)close(fd);
	if (fd < 0 || got < 0)
		return fault_set(f, MPP_ERR_IO, EX_NOINPUT,
				 "cannot read %s: %s", path, strerror(e));
	if (n == PEM_MAX)
		return fault_set(f, MPP_ERR_INVALID, EX_CONFIG,
				 "%s has more than 64 kB", path);
	text[n] = '\0';
	return MPP_OK;
}

/* A table of files that is too small would look like a broken network. */
static void want_files(uint32_t connections)
{
	const rlim_t need = (rlim_t)connections + FILES_BESIDE;
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur >= need)
		return;
	l.rlim_cur = need < l.rlim_max ? need : l.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &l);
}

static struct MHD_Daemon *start(struct carrier *c, int listener,
				const char *certificate, const char *key)
{
	const unsigned timeout_s = (c->config.timeout_ms + 999) / 1000;
	const struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)certificate},
		{MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)key},
		{MHD_OPTION_HTTPS_PRIORITIES, 0,
		 (void *)(uintptr_t) "SECURE128:-VERS-ALL:+VERS-TLS1.3:"
				     "+VERS-TLS1.2"},
		{MHD_OPTION_END, 0, NULL},
	};
	const struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
	const bool secure = certificate[0] != '\0';

	return MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME |
			(secure ? (unsigned)MHD_USE_TLS : 0),
		0, may_connect, c, carrier_handle, c, MHD_OPTION_LISTEN_SOCKET,
		listener, MHD_OPTION_NOTIFY_COMPLETED, carrier_completed, c,
		MHD_OPTION_NOTIFY_CONNECTION, connection_changed, c,
		MHD_OPTION_CONNECTION_LIMIT, c->config.connections + REFUSABLE,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEAD_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, timeout_s, MHD_OPTION_ARRAY,
		secure ? tls : none, MHD_OPTION_END);
}

static bool watch(const struct carrier *c, int fd)
{
	struct epoll_event e = {.events = EPOLLIN, .data = {.fd = fd}};

	return epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &e) == 0;
}

static mpp_err open_one(struct carrier *c, const mpp_addr *at,
			const char *const pem[2], struct fault *f)
{
	const union MHD_DaemonInfo *info;
	struct MHD_Daemon *d;
	mpp_err err;
	int fd;

	if ((err = tcp_listen(at, &fd, f)) != MPP_OK)
		return err;
	d = start(c, fd, pem[0], pem[1]);
	if (d == NULL) {
		(void)close(fd);
		return fault_set(f, MPP_ERR_INVALID, EX_CONFIG,
				 pem[0][0] != '\0'
					 ? "cannot serve TLS: %s and its key "
					   "do not go together, or are not PEM"
					 : "cannot serve HTTP%.0s",
				 c->config.certificate);
	}
	c->daemons[c->n++] = d;
	info = MHD_get_daemon_info(d, MHD_DAEMON_INFO_EPOLL_FD);
	return watch(c, info->epoll_fd)
		       ? MPP_OK
		       : fault_set(f, MPP_ERR_IO, EX_OSERR,
				   "cannot watch descriptors: %s",
				   strerror(errno));
}

static mpp_err open_all(struct carrier *c, char *pem, struct fault *f)
{
	const char *const texts[2] = {pem, pem + PEM_MAX};
	mpp_err err = MPP_OK;
	size_t i;

	if (c->config.certificate[0] != '\0') {
		err = read_pem(c->config.certificate, pem, f);
		if (err == MPP_OK)
			err = read_pem(c->config.key, pem + PEM_MAX, f);
	}
	for (i = 0; i < c->config.n && err == MPP_OK; i++)
		err = open_one(c, &c->config.listen[i], texts, f);
	return err;
}

static void clear_places(struct carrier *c)
{
	const uint32_t n = c->config.connections;
	uint32_t i;

	for (i = 0; i < CARRIER_BUCKETS; i++)
		c->bucket[i] = NOBODY;
	for (i = 0; i < n; i++)
		c->callers[i].next = i + 1 < n ? i + 1 : NOBODY;
}

static struct carrier *make(const struct carrier_config *config)
{
	struct carrier *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->config = *config;
	c->callers = calloc(config->connections, sizeof(*c->callers));
	if (c->callers != NULL)
		clear_places(c);
	/* Without randomness it is only easier to guess. */
	(void)!getrandom(&c->seed, sizeof(c->seed), GRND_NONBLOCK);
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	c->left = epoll_create1(EPOLL_CLOEXEC);
	if (c->callers != NULL && c->epoll >= 0 && c->left >= 0 &&
	    watch(c, c->left))
		return c;
	carrier_close(c);
	return NULL;
}

mpp_err carrier_open(const struct carrier_config *config, mpp_time now,
		     struct carrier **out, struct fault *f)
{
	char *pem = calloc(2, PEM_MAX);
	struct carrier *c = pem != NULL ? make(config) : NULL;
	mpp_err err;

	if (c == NULL) {
		free(pem);
		return fault_set(f, MPP_ERR_NOMEM, EX_OSERR, "out of memory");
	}
	c->now.mono = c->swept = now;
	want_files(config->connections);
	err = open_all(c, pem, f);
	mem_wipe(pem, 2 * (size_t)PEM_MAX);
	free(pem);
	if (err == MPP_OK)
		*out = c;
	else
		carrier_close(c);
	return err;
}

static void end_waiting(struct carrier *c)
{
	uint32_t i;

	for (i = 0; i < c->config.connections; i++) {
		struct caller *q = &c->callers[i];

		if (q->connection == NULL || q->state != CALLER_WAITING)
			continue;
		mpp_service_web_gone(c->config.service, i);
		carrier_wake_status(q, MHD_HTTP_SERVICE_UNAVAILABLE);
	}
}

void carrier_drain(struct carrier *c)
{
	size_t i;
	int fd;

	if (c->draining)
		return;
	c->draining = true;
	for (i = 0; i < c->n; i++) {
		fd = MHD_quiesce_daemon(c->daemons[i]);
		if (fd >= 0)
			(void)close(fd);
	}
	end_waiting(c);
}

void carrier_close(struct carrier *c)
{
	size_t i;

	if (c == NULL)
		return;
	/* Nobody may sleep when a daemon is stopped. */
	if (c->callers != NULL)
		end_waiting(c);
	for (i = 0; i < c->n; i++)
		MHD_stop_daemon(c->daemons[i]);
	if (c->epoll >= 0)
		(void)close(c->epoll);
	if (c->left >= 0)
		(void)close(c->left);
	free(c->callers);
	free(c);
}
