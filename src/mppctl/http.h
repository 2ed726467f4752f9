/* SPDX-License-Identifier: MIT */
/* http.h - asking a running mppd. */
#ifndef MPPCTL_HTTP_H
#define MPPCTL_HTTP_H

#include "mppctl/json.h"
#include "mppctl/options.h"

struct answer {
	char *text; /* as it came */
	size_t len;
	struct json json;
};

struct question {
	const char *method;
	const char *path[6]; /* parts, each encoded on its own; then NULL */
	json_fn *body;       /* NULL: none */
	const void *arg;
};

/* Ask, and take the answer apart.
 * @return 0, or an exit code having complained; answer_free() is due only
 * after 0 */
int http_ask(const struct options *o, const struct question *q,
	     struct answer *out);

void answer_free(struct answer *a);

/* With --json: print it as it came, on one line. */
void answer_print(const struct answer *a);

#endif
