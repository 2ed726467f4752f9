/* SPDX-License-Identifier: MIT */
/* options.c - see options.h. */
#include "mppd/options.h"

#include <getopt.h>
#include <string.h>
#include <sysexits.h>

static const struct option table[] = {
	{"config", required_argument, NULL, 'c'},
	{"check-config", no_argument, NULL, 'k'},
	{"print-memory", no_argument, NULL, 'm'},
	{"insecure-key-log", required_argument, NULL, 'i'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'v'},
	{NULL, 0, NULL, 0},
};

static mpp_err take(struct options *o, int value, const char *word,
		    struct fault *f)
{
	switch (value) {
	case 'c':
		o->config = optarg;
		return MPP_OK;
	case 'k':
		o->check_config = true;
		return MPP_OK;
	case 'm':
		o->print_memory = true;
		return MPP_OK;
	case 'i':
		o->key_log = optarg;
		return MPP_OK;
	case 'h':
		o->help = true;
		return MPP_OK;
	case 'v':
		o->version = true;
		return MPP_OK;
	case ':':
		return fault_set(f, MPP_ERR_INVALID, EX_USAGE,
				 "%.300s: a value is missing (see mppd --help)",
				 word);
	default:
		return fault_set(f, MPP_ERR_INVALID, EX_USAGE,
				 "%.300s: no such option (see mppd --help)",
				 word);
	}
}

mpp_err options_parse(int argc, char **argv, struct options *out,
		      struct fault *f)
{
	struct options o;
	mpp_err err;
	int value;

	memset(&o, 0, sizeof(o));
	opterr = 0;
	while ((value = getopt_long(argc, argv, ":c:h", table, NULL)) != -1) {
		err = take(&o, value, argv[optind - 1], f);
		if (err != MPP_OK)
			return err;
	}
	if (optind < argc)
		return fault_set(f, MPP_ERR_INVALID, EX_USAGE,
				 "%.300s: mppd takes no arguments (see mppd "
				 "--help)",
				 argv[optind]);
	*out = o;
	return MPP_OK;
}
