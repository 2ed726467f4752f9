/* SPDX-License-Identifier: MIT */
/* resolver.h - the lists of section [dns]: words with blanks or commas
 * between, each as dns/config.h says. */
#ifndef CONF_RESOLVER_H
#define CONF_RESOLVER_H

#include "conf/items.h"

/* Contracts: conf_value_set() and conf_value_text(), for kinds SERVERS, STUBS
 * and ZONES. */
bool resolver_set(struct conf *c, const struct conf_row *row, const char *text,
		  char why[CONF_WHY]);
void resolver_text(const struct conf *c, const struct conf_row *row,
		   char out[CONF_VALUE]);

/* Do the items fit together? @return NULL, or what is allowed; *item is then
 * the one to name */
const char *resolver_wrong(const struct conf *c, enum conf_item *item);

#endif
