/* SPDX-License-Identifier: MIT */
/* conf.h - the configuration of mppd: an INI file, read strictly.
 *
 *   [service]
 *   # a comment has a line of its own
 *   listen = 192.0.2.1:15099 [2001:db8::1]:15099
 *
 *   [token-key mesh]
 *   file = /etc/mppd/mesh.key
 *
 * Everything is in items.def, but what stands in sections of token keys, of
 * which there may be several: tokenkey.h. A line has at most CONF_LINE octets
 * of UTF-8 without control characters. Unknown sections and items, items given twice,
 * lines that are neither, and values out of range are errors; the first one
 * is reported as "FILE:LINE: what was found; what is allowed". */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stdio.h>

#include <mpp/token.h>

#include "dns/config.h"
#include "host/addr.h"
#include "host/fault.h"
#include "host/log.h"
#include "host/udp.h"

enum {
	CONF_LINE = 190,
	CONF_FILE = 65536,
	CONF_ENDPOINTS_MAX = 8, /* as many as an invitation can name */
	CONF_URLS_MAX = 4,      /* the same */
	CONF_URL = 160,
	CONF_KEY_NAME = 24,
	CONF_ACCOUNTS = 2048, /* octets of patterns of one token key */
};

/* What CONF_KEY_NAME holds for the service's own. */
#define CONF_OWN_KEY "own"

struct conf_addresses {
	mpp_addr at[UDP_SOCKETS_MAX];
	size_t n;
};

struct conf_endpoints {
	char at[CONF_ENDPOINTS_MAX][ADDR_ENDPOINT];
	size_t n;
};

struct conf_urls {
	char at[CONF_URLS_MAX][CONF_URL + 1];
	size_t n;
};

struct conf_text {
	char s[CONF_LINE + 1];
};

/* A token key of another minter. All of it is zero behind its texts. */
struct conf_token_key {
	char name[CONF_KEY_NAME + 1];
	struct conf_text file;            /* empty: not said yet */
	char accounts[CONF_ACCOUNTS + 1]; /* with a blank between */
	uint64_t rights;                  /* MPP_RIGHT_… */
	uint64_t life_ms;
};

#define CONF_TYPE_ADDRESSES struct conf_addresses
#define CONF_TYPE_ENDPOINTS struct conf_endpoints
#define CONF_TYPE_HOSTS struct conf_addresses /* ports are 0 */
#define CONF_TYPE_URLS struct conf_urls
#define CONF_TYPE_PATH struct conf_text
#define CONF_TYPE_WORD struct conf_text
#define CONF_TYPE_BOOL uint64_t
#define CONF_TYPE_DURATION uint64_t
#define CONF_TYPE_NUMBER uint64_t
#define CONF_TYPE_SIZE uint64_t
#define CONF_TYPE_LEVEL uint64_t
#define CONF_TYPE_SERVERS struct dns_servers
#define CONF_TYPE_STUBS struct dns_stubs
#define CONF_TYPE_ZONES struct dns_zones

enum conf_item {
#define CONF_ITEM(section, member, name, kind, def, low, high, help) \
	CONF_##member,
#include "conf/items.def"
#undef CONF_ITEM
	CONF_ITEMS
};

/* A value for every item. */
struct conf {
#define CONF_ITEM(section, member, name, kind, def, low, high, help) \
	CONF_TYPE_##kind member;
#include "conf/items.def"
#undef CONF_ITEM
	unsigned line[CONF_ITEMS]; /* where it stands; 0: the default */
	struct conf_token_key token_keys[MPP_TOKEN_MINTERS_MAX];
	size_t n_token_keys;
};

void conf_defaults(struct conf *out);

/* What dns_open() wants, when dns_enabled; its texts are those of *c. */
void conf_dns(const struct conf *c, struct dns_config *out);

/* @param name  of the file, for messages
 * Errors: SYNTAX (f says where and what); *out is then untouched. */
MPP_MUSTCHECK mpp_err conf_parse(mpp_bytes text, const char *name,
				 struct conf *out, struct fault *f);

/* The same from a file. Errors: and IO, NOTFOUND, NOMEM. */
MPP_MUSTCHECK mpp_err conf_load(const char *path, struct conf *out,
				struct fault *f);

/* What can only be judged on this machine: does the group exist?
 * Errors: NOTFOUND. */
MPP_MUSTCHECK mpp_err conf_check_machine(const struct conf *c, const char *name,
					 struct fault *f);

/* Print all values as a file that conf_parse() reads to the same; what is not
 * set stands there as a comment. */
void conf_print(const struct conf *c, FILE *to);

#endif
