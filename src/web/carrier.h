/* SPDX-License-Identifier: MIT */
/* carrier.h - the Web Service transport (docs/protocol.md section 15): HTTP/1.1
 * with or without TLS on listening sockets of its own, inside the thread and
 * event loop of whoever owns the service. It takes packets out of requests,
 * gives them to the service, and puts its answers into responses; a request
 * that waits sleeps until mpp_service_next_web() names it.
 *
 * There is one path with one method. Strangers cost a connection, and the
 * octets that they send up to the limit of a body: at most CARRIER_STRANGERS
 * connections of an address that no packet has authenticated, each for
 * timeout and a quarter until its request is whole. */
#ifndef WEB_CARRIER_H
#define WEB_CARRIER_H

#include <mpp/service.h>

#include "host/fault.h"

enum {
	CARRIER_LISTEN_MAX = 16,
	CARRIER_STRANGERS = 8,
};

#define CARRIER_PATH "/.well-known/mmmpresence"

/* What is counted; names are those of the status. */
#define CARRIER_COUNTERS(X)                                                  \
	X(connections, "connections taken")                                  \
	X(refused, "refused: too many, or too many strangers of an address") \
	X(slow, "closed: no whole request in time")                          \
	X(requests, "requests")                                              \
	X(answered, "answered with a packet, or with 204")                   \
	X(bad_path, "404")                                                   \
	X(bad_method, "405")                                                 \
	X(bad_type, "415")                                                   \
	X(bad_expect, "417")                                                 \
	X(too_long, "413, or closed while the body had no end")              \
	X(bad_packet, "400: empty, or no packet")                            \
	X(replayed, "409")                                                   \
	X(gone, "410")                                                       \
	X(busy, "503")                                                       \
	X(left, "peers that went away while their request waited")

struct carrier_counters {
#define CARRIER_MEMBER(name, text) uint64_t name;
	CARRIER_COUNTERS(CARRIER_MEMBER)
#undef CARRIER_MEMBER
};

/* Everything is lent until carrier_close(), but certificate and key, which are
 * read in carrier_open(). */
struct carrier_config {
	mpp_service *service;
	const mpp_addr *listen; /* n of them, at most CARRIER_LISTEN_MAX */
	size_t n;
	const char *certificate, *key; /* PEM files; empty: no TLS */
	bool behind_proxy;             /* whoever connects is a proxy */
	const mpp_addr *trusted;       /* proxies, ports are 0 */
	size_t n_trusted;
	uint32_t connections;
	uint32_t timeout_ms;
};

struct carrier;

/* Listen. Errors: IO, NOMEM, INVALID (certificate or key); f says why. */
MPP_MUSTCHECK mpp_err carrier_open(const struct carrier_config *config,
				   mpp_time now, struct carrier **out,
				   struct fault *f);

/* A descriptor that is readable when carrier_run() has something to do. */
int carrier_fd(const struct carrier *c);

/* How long carrier_run() can wait at most; -1: until carrier_fd() is readable.
 */
int carrier_wait_ms(const struct carrier *c);

/* Read, give to the service, answer and write what can be without waiting; also
 * what the service has answered meanwhile. */
void carrier_run(struct carrier *c, mpp_instant now);

/* Take no more connections; what waits is answered with 503, and so is every
 * further request. */
void carrier_drain(struct carrier *c);

/* Requests whose answer is not out yet. */
size_t carrier_busy(const struct carrier *c);

const struct carrier_counters *carrier_count(const struct carrier *c);

/* Close all connections and free; harmless on NULL. */
void carrier_close(struct carrier *c);

#endif
