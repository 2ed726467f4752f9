/* SPDX-License-Identifier: MIT */
/* report.h - what a check found; the words for people and for programs. */
#ifndef NETCHECK_REPORT_H
#define NETCHECK_REPORT_H

#include <mpp/base.h>

/* name, word for programs, for people. Mapping: RFC 4787 4.1, RFC 5780 4.3.
 * DEPENDENT is one of the two before it: there was no way to tell which. */
#define NETCHECK_MAPPINGS(X)                                                   \
	X(MAPPING_UNKNOWN, "unknown", "unknown")                               \
	X(MAPPING_NONE, "none", "none: no NAT")                                \
	X(MAPPING_INDEPENDENT, "endpoint-independent", "endpoint-independent") \
	X(MAPPING_ADDRESS, "address-dependent", "address-dependent")           \
	X(MAPPING_ADDRESS_PORT, "address-and-port-dependent",                  \
	  "address- and port-dependent (symmetric)")                           \
	X(MAPPING_DEPENDENT, "dependent", "dependent on the destination")      \
	X(MAPPING_NOT_PORT, "not-port-dependent",                              \
	  "endpoint-independent or address-dependent")

/* RFC 4787 5, RFC 5780 4.4. */
#define NETCHECK_FILTERINGS(X)                                         \
	X(FILTERING_UNKNOWN, "unknown", "unknown")                     \
	X(FILTERING_INDEPENDENT, "endpoint-independent",               \
	  "endpoint-independent")                                      \
	X(FILTERING_ADDRESS, "address-dependent", "address-dependent") \
	X(FILTERING_ADDRESS_PORT, "address-and-port-dependent",        \
	  "address- and port-dependent")

#define NETCHECK_ANSWERS(X)                     \
	X(ANSWER_UNKNOWN, "unknown", "unknown") \
	X(ANSWER_YES, "yes", "yes")             \
	X(ANSWER_NO, "no", "no")                \
	X(ANSWER_PARTLY, "partly", "sometimes")

/* How a lifetime was found. */
#define NETCHECK_METHODS(X)                                                 \
	X(METHOD_NOT_TESTED, "not-tested", "not tested")                    \
	X(METHOD_RESPONSE_PORT, "response-port", "measured")                \
	X(METHOD_NEW_MAPPING, "new-mapping", "measured by new mappings")    \
	X(METHOD_LEARNT, "learnt", "learnt by this device in this network") \
	X(METHOD_IMPOSSIBLE, "impossible",                                  \
	  "cannot be found: the NAT keeps ports, and the server has no "    \
	  "RESPONSE-PORT")

#define NETCHECK_ENUM(name, word, text) name,
enum mapping { MAPPING_ZERO, NETCHECK_MAPPINGS(NETCHECK_ENUM) };
enum filtering { FILTERING_ZERO, NETCHECK_FILTERINGS(NETCHECK_ENUM) };
enum yesno { ANSWER_ZERO, NETCHECK_ANSWERS(NETCHECK_ENUM) };
enum method { METHOD_ZERO, NETCHECK_METHODS(NETCHECK_ENUM) };
#undef NETCHECK_ENUM

struct lifetime_report {
	enum method method;
	uint32_t at_least_ms;
	uint32_t less_than_ms; /* 0: longer than what was tried */
};

/* Round trips, in microseconds; zeros when none came back. */
struct trips_report {
	unsigned sent, lost;
	uint32_t min_us, median_us, p95_us;
};

/* The largest IP packet that passed, the smallest that did not; 0: none. */
struct size_report {
	unsigned passes;
	unsigned fails;
};

/* One address family. */
struct path_report {
	bool tested;     /* the service has such an address */
	bool have_local; /* and this machine a way there */
	bool answered;
	bool refused;    /* the network says that nobody is there */
	bool alternate;  /* the server has a second address (RFC 5780) */
	mpp_addr server; /* that answered, or the first that was asked */
	mpp_addr local;
	mpp_addr mapped; /* as the server sees it */
	enum yesno nat;
	enum mapping mapping;
	enum filtering filtering;
	enum yesno ports_kept;
	enum yesno hairpinning;
	struct lifetime_report lifetime;
	struct size_report up, down;
	struct trips_report trips;
};

/* The connection of an enrolled device. */
enum connection {
	CONNECTION_NOT_TRIED = 1, /* not enrolled, or another server */
	CONNECTION_WORKS,
	CONNECTION_FAILS,
};

/* The Web Service of the enrolment. */
enum web {
	WEB_NOT_TRIED = 1, /* there is none, or another server */
	WEB_WORKS,
	WEB_FAILS,
};

struct report {
	struct path_report v4, v6;
	enum connection connection;
	uint32_t connection_us;      /* until the service had answered */
	const char *connection_text; /* lent: why it fails */
	enum web web;
	uint32_t web_us;     /* until it answered */
	const char *web_url; /* lent, as web_text: why it fails */
	const char *web_text;
	bool have_clock;
	int64_t clock_ms; /* the service's clock is ahead of ours by this */
};

/* The words; static. */
const char *mapping_word(enum mapping m);
const char *mapping_text(enum mapping m);
const char *filtering_word(enum filtering f);
const char *filtering_text(enum filtering f);
const char *yesno_word(enum yesno a);
const char *yesno_text(enum yesno a);
const char *method_word(enum method m);
const char *method_text(enum method m);

#endif
