/* SPDX-License-Identifier: MIT */
/* relay.h - DNS over TLS (RFC 7858) for libunbound, which Debian builds
 * without: a port of the loopback where it asks by TCP, and whose octets go
 * on by TLS to an upstream that shows the right certificate. Messages are
 * framed the same on both sides, so nothing is looked at.
 *
 * Without a verified TLS connection nothing is passed on: what libunbound has
 * sent ends here, and it sees its connection closed. Everything is done by a
 * thread of its own. */
#ifndef DNS_RELAY_H
#define DNS_RELAY_H

#include "dns/config.h"
#include "host/fault.h"

enum { DNS_RELAY_PAIRS = 32 /* connections at once; others wait */ };

struct dns_relay;

/* @param to  with the port to connect to, and the name that its certificate
 *            must have
 * @param ca  file of certificates that may vouch for it
 * @param at  where to ask
 * Errors: SYNTAX (ca), IO, NOMEM */
MPP_MUSTCHECK mpp_err dns_relay_open(const struct dns_server *to,
				     const char *ca, mpp_addr *at,
				     struct dns_relay **out, struct fault *f);
void dns_relay_close(struct dns_relay *r);

#endif
