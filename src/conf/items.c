/* SPDX-License-Identifier: MIT */
/* items.c - the table of items, and printing it. Contract: items.h, conf.h. */
#include "conf/tokenkey.h"

#include <stdlib.h>
#include <string.h>

const struct conf_row conf_rows[CONF_ITEMS] = {
#define CONF_ITEM(section, member, name, kind, def, low, high, help) \
	[CONF_##member] = {#section,                                 \
			   name,                                     \
			   CONF_KIND_##kind,                         \
			   offsetof(struct conf, member),            \
			   def,                                      \
			   low,                                      \
			   high,                                     \
			   help},
#include "conf/items.def"
#undef CONF_ITEM
};

/* The defaults go through the same door as what operators write. */
void conf_defaults(struct conf *out)
{
	char why[CONF_WHY];
	size_t i;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < CONF_ITEMS; i++) {
		if (conf_rows[i].standard[0] != '\0' &&
		    !conf_value_set(out, &conf_rows[i], conf_rows[i].standard,
				    why))
			abort(); /* items.def is wrong */
	}
}

void conf_print(const struct conf *c, FILE *to)
{
	const char *section = "";
	char value[CONF_VALUE];
	size_t i;

	for (i = 0; i < CONF_ITEMS; i++) {
		const struct conf_row *row = &conf_rows[i];

		if (strcmp(section, row->section) != 0)
			(void)fprintf(to, "%s[%s]\n", i == 0 ? "" : "\n",
				      row->section);
		section = row->section;
		conf_value_text(c, row, value);
		(void)fprintf(to, "%s%s = %s\n", value[0] == '\0' ? "# " : "",
			      row->name, value);
	}
	for (i = 0; i < c->n_token_keys; i++)
		token_key_print(&c->token_keys[i], to);
}
