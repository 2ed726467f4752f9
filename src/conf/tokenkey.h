/* SPDX-License-Identifier: MIT */
/* tokenkey.h - sections of token keys:
 *
 *   [token-key NAME]
 *   file = PATH             must stand there
 *   accounts = PATTERN ...  may stand there again, for more of them
 *   rights = RIGHT ...
 *   life = DURATION */
#ifndef CONF_TOKENKEY_H
#define CONF_TOKENKEY_H

#include "conf/items.h"

enum token_key_item {
	TOKEN_KEY_FILE,
	TOKEN_KEY_ACCOUNTS,
	TOKEN_KEY_RIGHTS,
	TOKEN_KEY_LIFE,
	TOKEN_KEY_ITEMS,
};

extern const char *const token_key_items[TOKEN_KEY_ITEMS];

/* The name in "token-key NAME", or NULL: another section. */
const char *token_key_section(const char *section);

/* The key of this name; a new one with the defaults when there is none.
 * @return -1: why says what is allowed */
int token_key_open(struct conf *c, const char *name, char why[CONF_WHY]);

/* @return false: why says what is allowed, and *c is as it was */
bool token_key_set(struct conf *c, int key, enum token_key_item item,
		   const char *text, char why[CONF_WHY]);

void token_key_print(const struct conf_token_key *k, FILE *to);

#endif
