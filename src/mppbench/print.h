/* SPDX-License-Identifier: MIT */
/* print.h - what was measured, for people and for programs. */
#ifndef MPPBENCH_PRINT_H
#define MPPBENCH_PRINT_H

#include "mppbench/measure.h"

/* What it was measured on: a line of text, or a member of JSON with a comma
 * before it. */
void print_machine_text(const struct plan *p);
void print_machine_json(void);

/* Some lines of text, or one line of JSON, to stdout. */
void print_result(const struct plan *plan, const struct result *r);

#endif
