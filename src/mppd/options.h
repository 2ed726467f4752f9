/* SPDX-License-Identifier: MIT */
/* options.h - the command line of mppd. */
#ifndef MPPD_OPTIONS_H
#define MPPD_OPTIONS_H

#include <stdbool.h>

#include "host/fault.h"

#define MPPD_CONFIG "/etc/mppd.conf"

struct options {
	const char *config;  /* NULL: MPPD_CONFIG, if there is one */
	const char *key_log; /* NULL: none */
	bool help;
	bool version;
	bool check_config;
	bool print_memory;
};

/* Errors: INVALID; f says what. */
MPP_MUSTCHECK mpp_err options_parse(int argc, char **argv, struct options *out,
				    struct fault *f);

#endif
