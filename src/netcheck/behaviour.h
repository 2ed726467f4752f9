/* SPDX-License-Identifier: MIT */
/* behaviour.h - what a NAT does, from what servers saw of one socket
 * (RFC 4787, RFC 5780 section 4). */
#ifndef NETCHECK_BEHAVIOUR_H
#define NETCHECK_BEHAVIOUR_H

#include "netcheck/report.h"

/* A server at `server` saw the socket as `mapped`. */
struct observation {
	mpp_addr server;
	mpp_addr mapped;
};

/* @param local address and port of the socket itself */
enum mapping behaviour_mapping(const mpp_addr *local,
			       const struct observation *seen, size_t n);

/* What came to one socket that had only ever sent to the primary address. */
struct filter_facts {
	bool plain;     /* what the primary address sent */
	bool both;      /* what another address, from another port, sent */
	bool port;      /* what the primary address sent from another port */
	bool both_path; /* a socket that had sent to that other address heard
			 * of it: what it sends can arrive */
	bool port_path; /* the same of the primary's other port */
};

enum filtering behaviour_filtering(const struct filter_facts *f);

#endif
