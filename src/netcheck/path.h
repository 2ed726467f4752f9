/* SPDX-License-Identifier: MIT */
/* path.h - the check of one address family: bytes and time in, bytes and a
 * deadline out.
 *
 *   path_start() -> reaching -> (an answer) -> checking -> done
 *                      |                                    ^
 *                      +------- nothing in time ------------+
 *
 * While it checks, all tests run at once, from sockets of their own, so that
 * none sees what another one has taught a NAT:
 *   MAIN     the addresses of the service, and for the mapping its alternate
 *            ones (RFC 5780 4.3)
 *   FILTER   has only ever sent to the primary address (4.4)
 *   TRIPS    round trips, and requests with RESPONSE-PORT
 *   SIZES    datagrams that must not be fragmented
 *   LIFE …   one for each span of silence
 *
 * No heap, no I/O, no clock. */
#ifndef NETCHECK_PATH_H
#define NETCHECK_PATH_H

#include "netcheck/lifetime.h"
#include "netcheck/question.h"
#include "netcheck/report.h"

enum {
	PATH_SERVERS_MAX = 4,
	PATH_DATAGRAM_MAX = 2048, /* received; some answer with PADDING
				   longer than any MTU */
};

enum path_socket {
	PATH_MAIN,
	PATH_FILTER,
	PATH_TRIPS,
	PATH_SIZES,
	PATH_LIFE, /* and LIFETIME_SPANS - 1 more */
	PATH_SOCKETS = PATH_LIFE + LIFETIME_SPANS,
};

/* Which addresses the mapping is asked of: A is the address, P the port. */
enum path_alternate { ALTERNATE_A2P1, ALTERNATE_A2P2, ALTERNATE_A1P2 };
enum path_filter { FILTER_PLAIN, FILTER_BOTH, FILTER_PORT };

struct path_config {
	mpp_addr servers[PATH_SERVERS_MAX]; /* in the order of trying */
	size_t n_servers;                   /* at least 1 */
	mpp_addr local[PATH_SOCKETS];
	bool lifetime;       /* look for it: takes minutes */
	uint32_t timeout_ms; /* for the first answer */
};

enum path_stage { PATH_REACHING = 1, PATH_CHECKING, PATH_DONE };

struct path {
	struct path_config c;
	enum path_stage stage;
	struct questions qs;
	mpp_time started;
	mpp_addr primary, other; /* other: family 0: there is none */
	bool refused;
	bool hairpin_asked;
	mpp_time sizes_at; /* when large datagrams may go */
	struct lifetime life;
	enum method life_method; /* METHOD_NOT_TESTED until it is known */
	struct question *sent;   /* the one that path_send() gave last */
};

/* @param c copied  @param crypto lent: its randomness */
void path_start(struct path *p, const struct path_config *c,
		const mpp_crypto *crypto, mpp_time now);

struct path_datagram {
	enum path_socket socket; /* SIZES: must not be fragmented */
	mpp_addr to;
	uint8_t data[PATH_DATAGRAM_MAX];
	size_t len;
};

/* The next datagram to send now.
 * @retval MPP_ERR_AGAIN   none until path_deadline()
 * @retval MPP_ERR_RANDOM  give up */
MPP_MUSTCHECK mpp_err path_send(struct path *p, mpp_time now,
				struct path_datagram *out);
/* What path_send() gave last was longer than the interface takes. */
void path_too_long(struct path *p);
/* The network says that nobody is at this address; anybody can say so, so it
 * is a hint, and asking goes on. */
void path_unreachable(struct path *p, const mpp_addr *to);
/* A datagram came; what is no answer to a question is nothing. */
void path_receive(struct path *p, enum path_socket socket, const mpp_addr *from,
		  mpp_bytes in, mpp_time now);

/* When path_send() has something to do; NEVER when done. */
mpp_time path_deadline(const struct path *p);
bool path_done(const struct path *p);

/* The question by which the service was reached; NULL: it was not. */
const struct question *path_reached(const struct path *p);

/* What is known by now. */
void path_report(const struct path *p, struct path_report *out);

#endif
