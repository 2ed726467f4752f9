/* SPDX-License-Identifier: MIT */
/* table.c - see table.h. */
#include "mppctl/table.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "mppctl/complain.h"

/* Characters, not octets: continuation octets of UTF-8 do not count. */
static size_t width(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

void table_cell(struct table *t, const char *text)
{
	char **more;

	if (t->failed)
		return;
	more = realloc(t->cells, (t->n + 1) * sizeof(*more));
	if (more == NULL) {
		t->failed = 1;
		return;
	}
	t->cells = more;
	t->cells[t->n] = strdup(text[0] != '\0' ? text : "-");
	if (t->cells[t->n] == NULL)
		t->failed = 1;
	else
		t->n++;
}

void table_number(struct table *t, uint64_t n)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	table_cell(t, text);
}

void table_begin(struct table *t, const char *const *heads)
{
	memset(t, 0, sizeof(*t));
	for (; *heads != NULL && t->columns < TABLE_COLUMNS; heads++) {
		t->columns++;
		table_cell(t, *heads);
	}
}

static void print_cell(const char *text, size_t wide, int right, int last)
{
	const size_t own = width(text);
	const int pad = (int)(own < wide ? wide - own : 0);

	if (right)
		(void)printf("%*s%s%s", pad, "", text, last ? "\n" : "  ");
	else
		(void)printf("%s%*s%s", text, last ? 0 : pad, "",
			     last ? "\n" : "  ");
}

static void print_all(const struct table *t)
{
	size_t wide[TABLE_COLUMNS] = {0};
	int right[TABLE_COLUMNS];
	size_t i, c;

	for (c = 0; c < t->columns; c++) {
		right[c] = t->cells[c][0] == '>';
		if (right[c])
			memmove(t->cells[c], t->cells[c] + 1,
				strlen(t->cells[c]));
	}
	for (i = 0; i < t->n; i++) {
		c = i % t->columns;
		if (width(t->cells[i]) > wide[c])
			wide[c] = width(t->cells[i]);
	}
	for (i = 0; i < t->n; i++) {
		c = i % t->columns;
		print_cell(t->cells[i], wide[c], right[c], c == t->columns - 1);
	}
}

int table_end(struct table *t)
{
	size_t i;

	if (!t->failed)
		print_all(t);
	for (i = 0; i < t->n; i++)
		free(t->cells[i]);
	free(t->cells);
	return t->failed ? complain(EX_OSERR, "out of memory") : 0;
}
