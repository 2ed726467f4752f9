/* SPDX-License-Identifier: MIT */
/* config.h - what the resolver is told by the operator, and how it is
 * written: section [dns] of the configuration. */
#ifndef DNS_CONFIG_H
#define DNS_CONFIG_H

#include "dns/name.h"
#include "host/addr.h"

enum {
	DNS_SERVERS_MAX = 4,
	DNS_STUBS_MAX = 8,
	DNS_ZONES_MAX = 16,
	DNS_PORT = 53,
	DNS_PORT_TLS = 853,
	/* "ADDRESS@PORT#NAME" with NUL */
	DNS_SERVER_TEXT = ADDR_TEXT + 1 + ADDR_HOST_MAX + 1,
};

/* A resolver that is asked, or a server of a zone. */
struct dns_server {
	mpp_addr addr;                /* port 0: the usual one */
	char name[ADDR_HOST_MAX + 1]; /* in its certificate; empty: none */
};

struct dns_servers {
	struct dns_server at[DNS_SERVERS_MAX];
	size_t n;
};

struct dns_stub {
	struct dns_name zone;
	struct dns_server server;
};

struct dns_stubs {
	struct dns_stub at[DNS_STUBS_MAX];
	size_t n;
};

struct dns_zones {
	struct dns_name at[DNS_ZONES_MAX];
	size_t n;
};

/* Texts and lists are borrowed by dns_open(). */
struct dns_config {
	struct dns_servers forward;  /* the first that works is asked; none:
				     * from the root */
	bool tls;                    /* to those; each has a name then */
	const char *ca;              /* file of certificates for tls */
	const char *trust_anchor;    /* file of DS or DNSKEY records */
	struct dns_stubs stub;       /* zones asked of their own servers */
	struct dns_zones insecure;   /* zones that are not validated */
	struct dns_zones private_ok; /* zones with private addresses */
	uint32_t outstanding;
	uint64_t deadline_ms;
	uint64_t cache; /* octets, for each of `forward` */
};

/* Words as an operator writes them:
 *   server  ADDRESS[@PORT][#NAME], an IPv6 address without brackets
 *   zone    a name, "." for all
 *   stub    ZONE=ADDRESS[@PORT]
 * @return NULL, or what is wrong; *out is then untouched */
const char *dns_server_wrong(const char *word, struct dns_server *out);
const char *dns_zone_wrong(const char *word, struct dns_name *out);
const char *dns_stub_wrong(const char *word, struct dns_stub *out);

/* The same word again. */
void dns_server_text(const struct dns_server *s, char out[DNS_SERVER_TEXT]);

bool dns_zones_have(const struct dns_zones *zones, const struct dns_name *name);

#endif
