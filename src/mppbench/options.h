/* SPDX-License-Identifier: MIT */
/* options.h - the command line of mppbench. */
#ifndef MPPBENCH_OPTIONS_H
#define MPPBENCH_OPTIONS_H

#include "mppbench/plan.h"

struct options {
	bool help;
	bool version;
	bool fanout; /* was given */
	struct plan plan;
};

/* Read the command line; says on stderr what is wrong with it and what is
 * allowed. @return 0 or EX_USAGE */
int options_parse(int argc, char **argv, struct options *out);

#endif
