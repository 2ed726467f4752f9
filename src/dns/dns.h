/* SPDX-License-Identifier: MIT */
/* dns.h - the resolver behind the DNS proxy. Queries go in as DNS messages,
 * answers come out as DNS messages; in between are libunbound, its caches and
 * its threads. Nothing here blocks but dns_open() and dns_close().
 *
 *	dns_ask(d, 7, query, now);
 *	… dns_fd() is readable, or dns_deadline() is over …
 *	dns_run(d, now);
 *	while (dns_next(d, &id, &answer))
 *		send(id, answer);
 *
 * Every query that dns_ask() took is answered once, malformed ones too. What
 * an answer is made of is in reply.h, what a query may be in query.h; beyond:
 *   - A name that fails validation is SERVFAIL with an Extended DNS Error, and
 *     none of what was found; with CD the device validates for itself and gets
 *     it, without AD.
 *   - Answers with private addresses (private.h) are REFUSED with error 15
 *     (Blocked), special names NXDOMAIN with 15; both are allowed in zones of
 *     `private_ok`, and special names in zones of `stub` too. For an address
 *     the question and the owner of the record must be in such a zone.
 *   - No answer from anybody by the deadline, or a failure of all upstreams:
 *     SERVFAIL with error 22.
 *   - More than `outstanding` at once: SERVFAIL with error 0.
 * With several upstreams the first is asked as long as it works. One that
 * failed three times in a row rests; it is asked for the root's name every
 * 5 s and is back as soon as it answers.
 *
 * An object belongs to one thread. */
#ifndef DNS_DNS_H
#define DNS_DNS_H

#include "dns/config.h"
#include "host/fault.h"

enum {
	DNS_ANSWER_MAX = 16384,
	DNS_QUERY_MAX = 16384, /* longer ones are FORMERR */
};

/* What was counted since dns_open(): name, what it says. Each query is in one
 * of the first group; the others say more. */
#define DNS_COUNTERS(X)                                                     \
	X(resolved, "answered with what was found")                         \
	X(malformed, "queries that are no query: FORMERR")                  \
	X(unsupported, "opcodes, classes, types, EDNS versions not served") \
	X(special, "special names: NXDOMAIN")                               \
	X(blocked, "answers with private addresses: REFUSED")               \
	X(bogus, "names that failed validation: SERVFAIL")                  \
	X(failed, "no upstream had an answer: SERVFAIL")                    \
	X(timeout, "no answer by the deadline: SERVFAIL")                   \
	X(overload, "more queries than may be outstanding: SERVFAIL")       \
	X(broken, "answers that cannot be read: SERVFAIL")                  \
	X(secure, "of the resolved, validated")                             \
	X(truncated, "of the resolved, cut to the size that was asked for") \
	X(unchecked,                                                        \
	  "of the resolved, bogus ones that were asked for with CD")        \
	X(retried, "questions asked of another upstream")                   \
	X(upstream_down, "upstreams that were set aside")                   \
	X(upstream_back, "upstreams that came back")

struct dns_counters {
#define DNS_COUNTER_MEMBER(name, text) uint64_t name;
	DNS_COUNTERS(DNS_COUNTER_MEMBER)
#undef DNS_COUNTER_MEMBER
};

struct dns;

/* Errors: those of the configuration, with what to do in *f (a file that is
 * missing or holds something else, no upstream's name for TLS), NOMEM, IO. */
MPP_MUSTCHECK mpp_err dns_open(const struct dns_config *c, struct dns **out,
			       struct fault *f);
void dns_close(struct dns *d);

/* Readable when dns_run() or dns_next() has something to do. */
int dns_fd(const struct dns *d);

/* Take results, go on with another upstream, end what is over its deadline. */
void dns_run(struct dns *d, mpp_time now);

/* When dns_run() must be called at the latest; MPP_TIME_NEVER. */
mpp_time dns_deadline(const struct dns *d);

/* @param id     comes back by dns_next(); nothing else is done with it
 * @param query  copied
 * Errors: LIMIT: twice `outstanding` wait for dns_next(); nothing is kept. */
MPP_MUSTCHECK mpp_err dns_ask(struct dns *d, uint32_t id, mpp_bytes query,
			      mpp_time now);

/* @param answer  with the query's id, at most DNS_ANSWER_MAX and what the
 *                query's EDNS allows; valid until the next call for d
 * @return false: there is none now */
bool dns_next(struct dns *d, uint32_t *id, mpp_bytes *answer);

void dns_count(const struct dns *d, struct dns_counters *out);

#endif
