/* SPDX-License-Identifier: MIT */
/* table.h - rows of text in aligned columns on stdout. */
#ifndef MPPCTL_TABLE_H
#define MPPCTL_TABLE_H

#include <stdint.h>
#include <stdlib.h>

enum { TABLE_COLUMNS = 12 };

struct table {
	char **cells; /* row after row, the heads first */
	size_t n;
	size_t columns;
	int failed;
};

/* @param heads  one of each column, NULL behind the last; '>' in front stands
 * for a column that is aligned to the right */
void table_begin(struct table *t, const char *const *heads);
void table_cell(struct table *t, const char *text);
void table_number(struct table *t, uint64_t n);
/* Print and free. @return 0 or EX_OSERR, having complained */
int table_end(struct table *t);

#endif
