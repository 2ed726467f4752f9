/* SPDX-License-Identifier: MIT */
/* account.c - mppctl account add NAME, account list, account remove NAME. */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

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

/* ---- remove ---- */

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

/* The answer that somebody at the terminal gives; the end of input is no. */
static bool says_yes(void)
{
	char line[16];

	if (fgets(line, sizeof(line), stdin) == NULL)
		return false;
	line[strcspn(line, "\n")] = '\0';
	return strcasecmp(line, "y") == 0 || strcasecmp(line, "yes") == 0;
}

/* @return 0, or an exit code having complained */
static int confirm(const struct options *o)
{
	const struct question q = {
		.method = "GET",
		.path = {"accounts", o->args[0]},
	};
	const struct json_node *root;
	struct answer a;
	char name[1024];
	size_t devices, stores;
	int code;

	if (!isatty(STDIN_FILENO))
		return complain(EX_USAGE,
				"account remove: this cannot be undone: give "
				"--yes, or answer on a terminal");
	if ((code = http_ask(o, &q, &a)) != 0)
		return code;
	root = json_root(&a.json);
	devices = json_count(&a.json, json_member(&a.json, root, "devices"));
	stores = json_count(&a.json, json_member(&a.json, root, "stores"));
	(void)fprintf(stderr,
		      "Remove %s with %zu device%s and %zu store%s? [y/N] ",
		      json_text(&a.json, root, "account", name, sizeof(name)),
		      devices, plural(devices), stores, plural(stores));
	answer_free(&a);
	return says_yes() ? 0
			  : complain(EX_NOPERM,
				     "not confirmed: nothing was removed");
}

int command_account_remove(const struct options *o)
{
	const struct question q = {
		.method = "DELETE",
		.path = {"accounts", o->args[0]},
	};
	struct answer a;
	char name[1024];
	int code = 0;

	if ((o->given & OPT_YES) == 0)
		code = confirm(o);
	if (code != 0 || (code = http_ask(o, &q, &a)) != 0)
		return code;
	if (o->json)
		answer_print(&a);
	else
		(void)printf("account %s removed\n",
			     json_text(&a.json, json_root(&a.json), "account",
				       name, sizeof(name)));
	answer_free(&a);
	return complain_stdout();
}
