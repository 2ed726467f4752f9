/* SPDX-License-Identifier: MIT */
/* daemon.h - mppd: everything it holds, and its life.
 *
 *   start.c  from the configuration to "ready", and back
 *   resolve.c  names that devices ask for
 *   loop.c   one thread: UDP, clock, store results, control API, signals
 *
 *   datagrams -> mpp_service_receive --\
 *   HTTP      -> mpp_service_web ------+
 *   control API -> mpp_service_publish -+-> batch -> store thread -> committed
 *   clock -> mpp_service_poll ---------/                                |
 *   datagrams and answers  <--------------------------------------------+ */
#ifndef MPPD_DAEMON_H
#define MPPD_DAEMON_H

#include "dns/dns.h"
#include "host/keylog.h"
#include "mppd/control.h"
#include "mppd/memory.h"
#include "mppd/minters.h"
#include "mppd/names.h"
#include "store/store_thread.h"
#include "web/carrier.h"
#include "web/web.h"

enum {
	DAEMON_OUTBOX = 256,
	DAEMON_FLUSH = 32, /* send when fewer are free */
	DAEMON_STOP_MS = 5000,
};

struct daemon {
	struct conf conf;
	const char *key_log_name; /* lent; NULL: none */
	struct keylog key_log;
	mpp_crypto crypto;
	int state_fd; /* the lock */
	struct store *store;
	mpp_service_secrets secrets; /* wiped when the service has them */
	/* The service's own first; a name of NULL behind the last. */
	struct web_token_key key_names[1 + MPP_TOKEN_MINTERS_MAX + 1];
	struct memory memory;
	mpp_service *service; /* in memory */
	struct store_thread *thread;
	struct names names;
	struct udp udp;
	struct control control;
	struct web *web;
	struct carrier *carrier; /* NULL: no Web Service */
	struct dns *dns;         /* NULL: names are not resolved */
	int epoll;
	int signals;

	mpp_instant now; /* of this turn of the loop */
	mpp_datagram slots[DAEMON_OUTBOX];
	mpp_outbox out;
	bool store_busy;   /* a batch is under way */
	bool unanswered;   /* results that libmicrohttpd was not run for yet */
	bool store_failed; /* the newest one failed; said already */
	struct store_error store_text;
	bool stopping;
	mpp_time stop_by;
};

/* Nothing but the configuration.
 * @param key_log  lent; INSECURE: a file for all keys; NULL: none */
void daemon_init(struct daemon *d, const struct conf *c, const char *key_log);

/* Take everything that is needed, in an order in which what can be wrong
 * comes before what changes something. On failure f says what to do; then
 * daemon_end() is due all the same. */
MPP_MUSTCHECK mpp_err daemon_start(struct daemon *d, struct fault *f);

/* Serve until SIGTERM or SIGINT. Errors: IO (epoll). */
MPP_MUSTCHECK mpp_err daemon_run(struct daemon *d, struct fault *f);

/* Give everything back. */
void daemon_end(struct daemon *d);

#endif
