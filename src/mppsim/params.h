/* SPDX-License-Identifier: MIT */
/* params.h - what a scenario says: numbers with names (params.def). */
#ifndef MPPSIM_PARAMS_H
#define MPPSIM_PARAMS_H

#include <mpp/base.h>
#include <stdio.h>

struct params {
#define P(member, name, kind, value, least, most, help) uint64_t member;
#define N(member, name, words, value, last, help) uint64_t member;
#include "mppsim/params.def"
#undef N
#undef P
};

enum { PARAMS_ERROR = 256 };

/* Every setting as it is when nobody says anything. */
void params_default(struct params *out);

/* The settings of a scenario by its name.
 * Error: NOTFOUND; `error` says which there are. */
MPP_MUSTCHECK mpp_err params_scenario(const char *name, struct params *out,
				      char error[PARAMS_ERROR]);

/* Change one: "name=value". Errors: NOTFOUND, SYNTAX, RANGE; `error` says
 * what is allowed. */
MPP_MUSTCHECK mpp_err params_set(struct params *p, const char *setting,
				 char error[PARAMS_ERROR]);

/* The scenarios, and everything that can be set. */
void params_list(FILE *to);

#endif
