/* SPDX-License-Identifier: MIT */
/* scenario.h - a scenario in a file: lines "name=value" (docs/simulator.md). */
#ifndef MPPSIM_SCENARIO_H
#define MPPSIM_SCENARIO_H

#include "mppsim/params.h"

enum { SCENARIO_ERROR = 4096 + PARAMS_ERROR };

/* Errors: IO cannot be read; SYNTAX a line is wrong. `error` says where,
 * what was found, and what is allowed. */
MPP_MUSTCHECK mpp_err scenario_read(const char *path, struct params *out,
				    char error[SCENARIO_ERROR]);

#endif
