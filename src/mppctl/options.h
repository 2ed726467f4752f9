/* SPDX-License-Identifier: MIT */
/* options.h - the command line of mppctl. */
#ifndef MPPCTL_OPTIONS_H
#define MPPCTL_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define MPPCTL_SOCKET "/run/mppd/control.sock"

enum { STORES_MAX = 128 };

/* Options that only some commands take. */
enum {
	OPT_LIFETIME = 1 << 0,
	OPT_PUBLISH = 1 << 1,
	OPT_STORE = 1 << 2,
	OPT_RESET = 1 << 3,
	OPT_QR = 1 << 4,
	OPT_YES = 1 << 5,
	OPT_RIGHTS = 1 << 6,
	OPT_EXPIRES = 1 << 7,
	OPT_KEY = 1 << 8,
	OPT_ENDPOINT = 1 << 9,
	OPT_FINGERPRINT = 1 << 10,
};

/* As many as a device keeps. */
enum { ENDPOINTS_MAX = 8, FINGERPRINTS_MAX = 4 };

struct options {
	unsigned given; /* OPT_… that stood there */
	bool help;
	bool version;
	bool json;
	const char *socket;
	uint32_t lifetime_s; /* 0: not given */
	uint32_t expires_s;  /* 0: not given */
	unsigned rights;     /* MPP_RIGHT_…; 0: not given */
	const char *key;
	const char *endpoints[ENDPOINTS_MAX];
	int n_endpoints;
	const char *fingerprints[FINGERPRINTS_MAX];
	int n_fingerprints;
	const char *stores[STORES_MAX];
	int n_stores;
	char **args; /* the command and its arguments */
	int n_args;
};

/* Read the command line; says on stderr what is wrong with it.
 * @return 0 or EX_USAGE */
int options_parse(int argc, char **argv, struct options *out);

/* The first given option that is not among @p allowed, NULL when none. */
const char *options_stray(const struct options *o, unsigned allowed);

#endif
