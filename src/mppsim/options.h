/* SPDX-License-Identifier: MIT */
/* options.h - the command line of mppsim. */
#ifndef MPPSIM_OPTIONS_H
#define MPPSIM_OPTIONS_H

#include "mppsim/sim.h"

struct options {
	bool help, version, list, json, trace;
	const char *scenario; /* "file": it is read from one */
	const char *file;     /* NULL: none */
	bool ladder;
	struct params p;
	uint64_t seed, seeds;
	enum plant plant;
	char given[1024]; /* what else stood there, to say it again */
};

/* Read the command line; says on stderr what is wrong with it.
 * @return 0, EX_USAGE, EX_NOINPUT or EX_DATAERR */
int options_parse(int argc, char **argv, struct options *out);

#endif
