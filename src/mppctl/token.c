/* SPDX-License-Identifier: MIT */
/* token.c - mppctl token revoke ACCOUNT [ID]. */
#include <stdio.h>

#include "mppctl/commands.h"
#include "mppctl/complain.h"
#include "mppctl/http.h"

int command_token_revoke(const struct options *o)
{
	const bool one = o->n_args > 1;
	const struct question q = {
		.method = "DELETE",
		.path = {"accounts", o->args[0], one ? "devices" : "tokens",
			 one ? o->args[1] : NULL, one ? "tokens" : NULL},
	};
	struct answer a;
	char name[1024];
	const int code = http_ask(o, &q, &a);

	if (code != 0)
		return code;
	if (o->json)
		answer_print(&a);
	else
		(void)printf("tokens of %s revoked\n",
			     json_text(&a.json, json_root(&a.json),
				       one ? "device" : "account", name,
				       sizeof(name)));
	answer_free(&a);
	return complain_stdout();
}
