/* SPDX-License-Identifier: MIT */
/* relay.c - DNS over TLS for libunbound. Contract: relay.h. */
#include "dns/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

enum { ROOM = 16384, STOP = 0, LISTEN = 1, FIRST_PAIR = 2 };

/* Octets on their way in one direction. */
struct way {
	uint8_t at[ROOM];
	size_t n;
};

/* A connection of libunbound and the one to the upstream. */
struct pair {
	bool used, connected;
	bool wants_write; /* TLS cannot go on before it can write */
	int clear, fd;
	SSL *tls;
	struct way up, down;
};

struct dns_relay {
	struct dns_server to;
	SSL_CTX *tls;
	int listen, stop;
	bool running;
	pthread_t thread;
	struct pair pairs[DNS_RELAY_PAIRS];
};

/* ---- pairs ---- */

static void pair_close(struct pair *p)
{
	SSL_free(p->tls);
	if (p->fd >= 0)
		(void)close(p->fd);
	(void)close(p->clear);
	p->tls = NULL;
	p->used = false;
}

static int connect_to(const mpp_addr *to)
{
	struct sockaddr_storage sa;
	const socklen_t n = addr_to_sockaddr(to, &sa);
	const int fd = socket(sa.ss_family,
			      SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const int one = 1;

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (struct sockaddr *)&sa, n) != 0 &&
	    errno != EINPROGRESS) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* The name is checked within the handshake, as the chain is: SSL_connect()
 * fails when either is wrong. */
static bool tls_begin(const struct dns_relay *r, struct pair *p)
{
	p->fd = connect_to(&r->to.addr);
	p->tls = p->fd >= 0 ? SSL_new(r->tls) : NULL;
	return p->tls != NULL && SSL_set_fd(p->tls, p->fd) == 1 &&
	       SSL_set1_host(p->tls, r->to.name) == 1 &&
	       SSL_set_tlsext_host_name(p->tls, r->to.name) == 1;
}

static void take_connection(struct dns_relay *r)
{
	struct pair *p = r->pairs;
	int fd;

	while (p < r->pairs + DNS_RELAY_PAIRS && p->used)
		p++;
	if (p == r->pairs + DNS_RELAY_PAIRS)
		return;
	fd = accept4(r->listen, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	p->used = true;
	p->connected = false;
	p->wants_write = true;
	p->clear = fd;
	p->up.n = 0;
	p->down.n = 0;
	if (!tls_begin(r, p))
		pair_close(p);
}

/* @return false: the pair has ended */
static bool tls_goes_on(struct pair *p, int outcome)
{
	const int why = SSL_get_error(p->tls, outcome);

	ERR_clear_error();
	p->wants_write = p->wants_write || why == SSL_ERROR_WANT_WRITE;
	return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
}

static bool socket_goes_on(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static void moved(struct way *w, size_t n)
{
	memmove(w->at, w->at + n, w->n - n);
	w->n -= n;
}

static bool push_up(struct pair *p)
{
	int n;

	if (p->up.n == 0)
		return true;
	n = SSL_write(p->tls, p->up.at, (int)p->up.n);
	if (n > 0)
		moved(&p->up, (size_t)n);
	return n > 0 || tls_goes_on(p, n);
}

static bool pull_up(struct pair *p)
{
	ssize_t n;

	if (p->up.n == ROOM)
		return true;
	n = recv(p->clear, p->up.at + p->up.n, ROOM - p->up.n, 0);
	if (n > 0)
		p->up.n += (size_t)n;
	return n > 0 || socket_goes_on(n);
}

static bool pull_down(struct pair *p)
{
	int n;

	if (p->down.n == ROOM)
		return true;
	n = SSL_read(p->tls, p->down.at + p->down.n, (int)(ROOM - p->down.n));
	if (n > 0)
		p->down.n += (size_t)n;
	return n > 0 || tls_goes_on(p, n);
}

static bool push_down(struct pair *p)
{
	ssize_t n;

	if (p->down.n == 0)
		return true;
	n = send(p->clear, p->down.at, p->down.n, MSG_NOSIGNAL);
	if (n > 0)
		moved(&p->down, (size_t)n);
	return n > 0 || socket_goes_on(n);
}

static bool handshake(struct pair *p)
{
	const int n = SSL_connect(p->tls);

	p->connected = n == 1;
	return n == 1 || tls_goes_on(p, n);
}

/* Nothing is written to the upstream before the handshake has verified it. */
static bool pair_step(struct pair *p)
{
	p->wants_write = false;
	if (!pull_up(p))
		return false;
	if (!p->connected && !handshake(p))
		return false;
	if (!p->connected)
		return true;
	return push_up(p) && pull_down(p) && push_down(p);
}

/* ---- the thread ---- */

/* What TLS has read already does not show at its socket. */
static bool has_more(const struct pair *p)
{
	return p->connected && p->down.n < ROOM && SSL_pending(p->tls) > 0;
}

static void watch_pair(const struct pair *p, struct pollfd at[2])
{
	at[0] = (struct pollfd){-1, 0, 0};
	at[1] = at[0];
	if (!p->used)
		return;
	at[0].fd = p->clear;
	at[1].fd = p->fd;
	if (p->up.n < ROOM)
		at[0].events |= POLLIN;
	if (p->down.n > 0)
		at[0].events |= POLLOUT;
	if (p->down.n < ROOM)
		at[1].events |= POLLIN;
	if (p->wants_write)
		at[1].events |= POLLOUT;
}

/* @return how long to wait, for poll(2) */
static int watch_all(const struct dns_relay *r, struct pollfd *at)
{
	bool room = false;
	int wait = -1;
	size_t i;

	at[STOP] = (struct pollfd){r->stop, POLLIN, 0};
	for (i = 0; i < DNS_RELAY_PAIRS; i++) {
		watch_pair(&r->pairs[i], at + FIRST_PAIR + 2 * i);
		room = room || !r->pairs[i].used;
		if (r->pairs[i].used && has_more(&r->pairs[i]))
			wait = 0;
	}
	at[LISTEN] = (struct pollfd){room ? r->listen : -1, POLLIN, 0};
	return wait;
}

static void *serve(void *user)
{
	struct dns_relay *r = user;
	struct pollfd at[FIRST_PAIR + 2 * DNS_RELAY_PAIRS];
	size_t i;

	for (;;) {
		const int wait = watch_all(r, at);

		if (poll(at, FIRST_PAIR + 2 * DNS_RELAY_PAIRS, wait) < 0 &&
		    errno != EINTR)
			return NULL;
		if (at[STOP].revents != 0)
			return NULL;
		for (i = 0; i < DNS_RELAY_PAIRS; i++) {
			const struct pollfd *p = at + FIRST_PAIR + 2 * i;

			if (r->pairs[i].used &&
			    (wait == 0 || p[0].revents != 0 ||
			     p[1].revents != 0) &&
			    !pair_step(&r->pairs[i]))
				pair_close(&r->pairs[i]);
		}
		if (at[LISTEN].revents != 0)
			take_connection(r);
	}
}

/* ---- open and close ---- */

static mpp_err fail_system(const char *what, struct fault *f)
{
	return fault_set(f, MPP_ERR_IO, EX_OSERR, "[dns] %s: %s", what,
			 strerror(errno));
}

static mpp_err open_tls(struct dns_relay *r, const char *ca, struct fault *f)
{
	static const unsigned char dot[] = {3, 'd', 'o', 't'};

	r->tls = SSL_CTX_new(TLS_client_method());
	if (r->tls == NULL)
		return fault_set(f, MPP_ERR_NOMEM, EX_OSERR, "out of memory");
	SSL_CTX_set_verify(r->tls, SSL_VERIFY_PEER, NULL);
	(void)SSL_CTX_set_mode(r->tls,
			       SSL_MODE_ENABLE_PARTIAL_WRITE |
				       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (SSL_CTX_set_min_proto_version(r->tls, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_alpn_protos(r->tls, dot, sizeof(dot)) != 0 ||
	    SSL_CTX_load_verify_file(r->tls, ca) != 1) {
		ERR_clear_error();
		return fault_set(f, MPP_ERR_SYNTAX, EX_CONFIG,
				 "[dns] ca = %.300s: certificates in PEM are "
				 "allowed",
				 ca);
	}
	return MPP_OK;
}

static mpp_err open_listen(struct dns_relay *r, mpp_addr *at, struct fault *f)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(sa);

	r->listen =
		socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (r->listen < 0 ||
	    bind(r->listen, (struct sockaddr *)&sa, sizeof(sa)) != 0 ||
	    listen(r->listen, SOMAXCONN) != 0 ||
	    getsockname(r->listen, (struct sockaddr *)&sa, &n) != 0)
		return fail_system("cannot listen on the loopback", f);
	*at = (mpp_addr){{127, 0, 0, 1}, ntohs(sa.sin_port), 4, 0};
	return MPP_OK;
}

/* Signals are for the thread that waits for them; a connection that breaks
 * while TLS writes is one of them. */
static mpp_err start_thread(struct dns_relay *r, struct fault *f)
{
	sigset_t all, before;
	int e;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	e = pthread_create(&r->thread, NULL, serve, r);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	r->running = e == 0;
	errno = e;
	return e == 0 ? MPP_OK : fail_system("cannot start a thread", f);
}

mpp_err dns_relay_open(const struct dns_server *to, const char *ca,
		       mpp_addr *at, struct dns_relay **out, struct fault *f)
{
	struct dns_relay *r = calloc(1, sizeof(*r));
	mpp_addr where;
	mpp_err err;

	if (r == NULL)
		return fault_set(f, MPP_ERR_NOMEM, EX_OSERR, "out of memory");
	r->to = *to;
	r->listen = -1;
	r->stop = eventfd(0, EFD_CLOEXEC);
	err = r->stop < 0 ? fail_system("eventfd", f) : open_tls(r, ca, f);
	if (err == MPP_OK)
		err = open_listen(r, &where, f);
	if (err == MPP_OK)
		err = start_thread(r, f);
	if (err != MPP_OK) {
		dns_relay_close(r);
		return err;
	}
	*at = where;
	*out = r;
	return MPP_OK;
}

void dns_relay_close(struct dns_relay *r)
{
	const uint64_t one = 1;
	size_t i;

	if (r->running && write(r->stop, &one, sizeof(one)) == sizeof(one))
		(void)pthread_join(r->thread, NULL);
	for (i = 0; i < DNS_RELAY_PAIRS; i++) {
		if (r->pairs[i].used)
			pair_close(&r->pairs[i]);
	}
	SSL_CTX_free(r->tls);
	if (r->listen >= 0)
		(void)close(r->listen);
	if (r->stop >= 0)
		(void)close(r->stop);
	free(r);
}
