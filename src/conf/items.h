/* SPDX-License-Identifier: MIT */
/* items.h - the table of items, and values of each kind as text. */
#ifndef CONF_ITEMS_H
#define CONF_ITEMS_H

#include "conf/conf.h"

enum conf_kind {
	CONF_KIND_ADDRESSES = 1,
	CONF_KIND_ENDPOINTS,
	CONF_KIND_HOSTS,
	CONF_KIND_URLS,
	CONF_KIND_PATH,
	CONF_KIND_WORD,
	CONF_KIND_BOOL,
	CONF_KIND_DURATION,
	CONF_KIND_NUMBER,
	CONF_KIND_SIZE,
	CONF_KIND_LEVEL,
	CONF_KIND_SERVERS,
	CONF_KIND_STUBS,
	CONF_KIND_ZONES,
};

struct conf_row {
	const char *section;
	const char *name;
	enum conf_kind kind;
	size_t offset; /* into struct conf */
	const char *standard;
	uint64_t low, high;
	const char *help;
};

extern const struct conf_row conf_rows[CONF_ITEMS];

enum { CONF_WHY = 256, CONF_VALUE = DNS_ZONES_MAX * DNS_NAME_TEXT };

/* Set the row's member. @return false: why says what is allowed, and *c is as
 * it was */
bool conf_value_set(struct conf *c, const struct conf_row *row,
		    const char *text, char why[CONF_WHY]);

/* The row's member as text that conf_value_set() takes; empty: not set. */
void conf_value_text(const struct conf *c, const struct conf_row *row,
		     char out[CONF_VALUE]);

#endif
