/* SPDX-License-Identifier: MIT */
/* print.h - what was measured, for people and for programs. */
#ifndef MPPBENCH_PRINT_H
#define MPPBENCH_PRINT_H

#include "mppbench/measure.h"

/* Some lines of text, or one line of JSON, to stdout. */
void print_result(const struct plan *plan, const struct result *r);

#endif
