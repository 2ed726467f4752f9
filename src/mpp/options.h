/* SPDX-License-Identifier: MIT */
/* options.h - the command line of mpp. */
#ifndef MPP_OPTIONS_H
#define MPP_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <mpp/loop.h>

/* Options that only some commands take. */
enum {
	OPT_STATE = 1 << 0,
	OPT_TIMEOUT = 1 << 1,
	OPT_INVITATION = 1 << 20,
	OPT_JSON = 1 << 2,
	OPT_STORE = 1 << 3,
	OPT_LEASE = 1 << 4,
	OPT_TRANSPORT = 1 << 24,
	OPT_WEB_URL = 1 << 25,
	OPT_WEB_CA = 1 << 26,
	OPT_KEEPALIVE = 1 << 5,
	OPT_COUNT = 1 << 6,
	OPT_KEY_LOG = 1 << 7,
	OPT_UNLINKABLE = 1 << 8,
	OPT_TOKEN = 1 << 9,
	OPT_REVERSE = 1 << 10,
	OPT_SHORT = 1 << 11,
	OPT_DNSSEC = 1 << 12,
	OPT_CD = 1 << 13,
	OPT_LISTEN = 1 << 14,
	OPT_ALLOW_REMOTE = 1 << 15,
	OPT_LIFETIME = 1 << 16,
	OPT_FAMILY = 1 << 17,
};

/* As many as one packet may publish. */
enum { STORES_MAX = 40, LISTEN_MAX = 8 };

struct options {
	unsigned given; /* OPT_… that stood there */
	bool help;
	bool version;
	char state[4096]; /* the state directory */
	int timeout_ms;
	const char *invitation; /* a file, "-" for stdin; NULL: none */
	bool json;
	const char *stores[STORES_MAX + 1]; /* NULL behind the last */
	uint32_t lease_ms;
	mpp_transport transport; /* 0: not said */
	const char *web_url;     /* NULL: what the invitation named */
	const char *web_ca;      /* NULL: the system's certificates */
	uint32_t keepalive_ms;
	uint64_t count;           /* 0: for ever */
	const char *token;        /* a file, "-" for stdin; NULL: none */
	const char *key_log_name; /* NULL: none */
	mpp_key_log key_log;      /* for configurations of mpp_loop */
	bool unlinkable;
	bool reverse, brief, dnssec, cd;    /* dig */
	const char *listen[LISTEN_MAX + 1]; /* NULL behind the last */
	bool allow_remote;
	bool lifetime;
	int family;  /* 4 or 6; 0: both */
	char **args; /* the command and its arguments */
	int n_args;
};

/* Read the command line; says on stderr what is wrong with it.
 * @return 0 or EX_USAGE */
int options_parse(int argc, char **argv, struct options *out);

/* What they all say to a loop. */
mpp_loop_config options_loop(const struct options *o, mpp_client_mode mode);

/* Fill in the state directory where none was given: $MPP_STATE,
 * $XDG_STATE_HOME/mpp or ~/.local/state/mpp. @return 0 or EX_USAGE */
int options_state(struct options *o);

/* The first given option that is not among @p allowed, NULL when none. */
const char *options_stray(const struct options *o, unsigned allowed);

#endif
