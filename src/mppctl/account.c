/* SPDX-License-Identifier: MIT */
/* account.c - mppctl account add NAME, mppctl account list. */
#include <stdio.h>

#include "mppctl/commands.h"
#include "mppctl/complain.h"
#include "mppctl/http.h"
#include "mppctl/table.h"

static void write_account(mpp_json_writer *w, const void *arg)
{
	mpp_json_object(w, NULL);
	mpp_json_cstring(w, "account", arg);
	mpp_json_close(w);
}

int command_account_add(const struct options *o)
{
	const struct question q = {
		.method = "POST",
		.path = {"accounts"},
		.body = write_account,
		.arg = o->args[0],
	};
	struct answer a;
	char name[1024];
	const int code = http_ask(o, &q, &a);

	if (code != 0)
		return code;
	if (o->json)
		answer_print(&a);
	else
		(void)printf("account %s added\n",
			     json_text(&a.json, json_root(&a.json), "account",
				       name, sizeof(name)));
	answer_free(&a);
	return complain_stdout();
}

static int print_list(const struct json *j)
{
	static const char *const heads[] = {"ACCOUNT", ">STORES", ">DEVICES",
					    ">SERIAL", NULL};
	const struct json_node *list = json_member(j, json_root(j), "accounts");
	const struct json_node *one;
	struct table t;
	char name[1024];

	table_begin(&t, heads);
	for (one = json_first(j, list); one != NULL;
	     one = json_next(j, list, one)) {
		table_cell(&t,
			   json_text(j, one, "account", name, sizeof(name)));
		table_number(&t, json_uint(j, one, "stores"));
		table_number(&t, json_uint(j, one, "devices"));
		table_number(&t, json_uint(j, one, "serial"));
	}
	return table_end(&t);
}

int command_account_list(const struct options *o)
{
	const struct question q = {.method = "GET", .path = {"accounts"}};
	struct answer a;
	int code = http_ask(o, &q, &a);

	if (code != 0)
		return code;
	if (o->json)
		answer_print(&a);
	else
		code = print_list(&a.json);
	answer_free(&a);
	return code != 0 ? code : complain_stdout();
}
