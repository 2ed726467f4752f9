/* SPDX-License-Identifier: MIT */
/* discover.h - from a domain to its service: what the system's resolver says
 * of _mmmpresence._udp.DOMAIN (SRV: where; TXT: which key) and
 * _mmmpresence._tcp.DOMAIN (the Web Service).
 *
 * Without DNSSEC, or a way to the resolver that nobody else is on, none of it
 * is proved: it says where a service may be, and what is found there must show
 * the key that this device knows. */
#ifndef LOOP_DISCOVER_H
#define LOOP_DISCOVER_H

#include <mpp/crypto.h>
#include <mpp/loop.h>

#include "loop/weburl.h"
#include "loop/zone.h"

enum { DISCOVER_WHY = 160 };

/* Of the Web Service, when a zone says no other. */
#define DISCOVER_PATH "/.well-known/mmmpresence"

enum discover_result {
	DISCOVER_NOT_ASKED = 0,
	DISCOVER_FOUND,
	DISCOVER_NONE,    /* no such records, for certain */
	DISCOVER_REFUSED, /* SRV with the root: decidedly not offered */
	DISCOVER_FAILED,  /* the resolver could not say: try later */
	DISCOVER_WRONG,   /* there are records, which cannot be used */
};

struct discover_service {
	enum discover_result result;
	struct zone_srv targets[ZONE_TARGETS_MAX]; /* as they are tried */
	size_t n;
	size_t skipped;     /* records that name no host */
	bool authenticated; /* by a resolver that is trusted to validate */
};

struct discover_text {
	enum discover_result result;
	struct zone_text text;
	bool authenticated;
};

struct loop_discovery {
	char domain[ZONE_NAME_TEXT];
	struct discover_service udp, web;
	struct discover_text key, path; /* TXT beside each of them */
	char why[DISCOVER_WHY];         /* what FAILED or WRONG is about */
};

enum discover_what {
	DISCOVER_PLACES = 1, /* where it is */
	DISCOVER_ALL,        /* and which key it has */
};

struct discover_question {
	char domain[ZONE_NAME_TEXT]; /* empty: nothing is asked */
	enum discover_what what;
	uint32_t draws[2][ZONE_TARGETS_MAX];
};

/* Fill a question. @param domain  as loop_domain_wrong() takes it
 * Errors: RANDOM. */
MPP_MUSTCHECK mpp_err discover_prepare(struct discover_question *q,
				       const char *domain,
				       enum discover_what what,
				       const mpp_crypto *crypto);

/* A domain's name: no address, short enough for the names below it.
 * @return NULL, or what is wrong */
const char *loop_domain_wrong(const char *domain);

/* Ask. Waits for the resolver, some 10 s at most as long as answers come by
 * UDP: to be called in a thread of its own (resolve.h). */
void discover_run(const struct discover_question *q,
		  struct loop_discovery *out);

/* The URLs of the Web Service, complete. @return how many */
size_t discover_webs(const struct loop_discovery *d,
		     char out[LOOP_WEBS_MAX][LOOP_WEB_TEXT]);

/* May a device enrol with what was found? Errors: NOTFOUND, REFUSED, TIMEOUT,
 * SYNTAX; e says what is missing, and what to do. */
MPP_MUSTCHECK mpp_err discover_judge(const struct loop_discovery *d,
				     mpp_loop_error *e);

#endif
