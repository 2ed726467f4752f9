/* SPDX-License-Identifier: MIT */
/* web.h - the control API: HTTP/1.1 and JSON on a listening socket, inside
 * the thread and event loop of whoever owns the service.
 *
 * A request that changes something is held back until the change is durable:
 * its connection sleeps, and web_result() wakes it. Whatever the peer does in
 * the meantime, the request lives until libmicrohttpd says that it is over.
 *
 * Paths, bodies and answers: docs of the control API. Bodies have at most
 * WEB_BODY_MAX octets of JSON. */
#ifndef WEB_WEB_H
#define WEB_WEB_H

#include <mpp/jsonbcd.h>
#include <mpp/service.h>

#include "host/fault.h"
#include "host/udp.h"
#include "web/carrier.h"

enum {
	WEB_BODY_MAX = 65536,
	WEB_CONNECTIONS_MAX = 64,
	WEB_IDLE_S = 30,
	WEB_ACCOUNTS_MAX = 1000, /* in one status */
};

struct web;

/* A token key as operators call it. */
struct web_token_key {
	const char *name;
	uint8_t id[MPP_TOKEN_KEY_ID_LEN];
};

/* What the control API speaks about. Everything is lent until web_close(). */
struct web_config {
	mpp_service *service;
	const mpp_crypto *crypto;
	const struct udp_counters *udp;
	const struct carrier_counters *carrier; /* NULL: no Web Service */
	const char *version;
	const char *store;
	const char *const *listen;    /* as text; NULL behind the last */
	const char *const *endpoints; /* "host:port"; 1 to 8, then NULL */
	const char *const *urls; /* of the Web Service; 0 to 4, then NULL */
	/* A name of NULL behind the last; NULL: none. */
	const struct web_token_key *token_keys;
	mpp_time started;
	/* Writes more members into the status; NULL: nobody. */
	void (*more)(mpp_json_writer *w, const void *arg);
	const void *more_arg;
};

/* Serve a listening socket (taken, also on failure).
 * Errors: IO, NOMEM; f says why. */
MPP_MUSTCHECK mpp_err web_open(const struct web_config *config, int listener,
			       struct web **out, struct fault *f);

/* A descriptor that is readable when web_run() has something to do. */
int web_fd(const struct web *w);

/* How long web_run() can wait at most; -1: until web_fd() is readable. */
int web_wait_ms(const struct web *w);

/* Read, answer and write what can be without waiting. */
void web_run(struct web *w, mpp_instant now);

/* A change is finished: wake the request that waits for it. The answer goes
 * out with the next web_run().
 * @param why  borrowed: what the store said when it failed, may be NULL */
void web_result(struct web *w, const mpp_result *result, const char *why);

/* Take no more connections, and answer further requests with 503.
 * @return the listening socket, given back; -1 when done before */
int web_drain(struct web *w);

/* Requests whose answer is not out yet. */
size_t web_busy(const struct web *w);

/* Close all connections and free; harmless on NULL. Requests that still wait
 * are dropped. */
void web_close(struct web *w);

#endif
