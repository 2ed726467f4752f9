/* SPDX-License-Identifier: MIT */
/* status.c - mppctl status [ACCOUNT]. */
#include <stdio.h>
#include <string.h>

#include "mppctl/commands.h"
#include "mppctl/complain.h"
#include "mppctl/http.h"
#include "mppctl/table.h"

enum { TEXT = 1024, SPAN = 32 };

/* A duration in its largest two units. */
static const char *span(uint64_t ms, char out[SPAN])
{
	const unsigned long long s = ms / 1000;

	if (ms < 1000)
		(void)snprintf(out, SPAN, "%llums", (unsigned long long)ms);
	else if (s < 60)
		(void)snprintf(out, SPAN, "%llus", s);
	else if (s < 3600)
		(void)snprintf(out, SPAN, "%llum%02llus", s / 60, s % 60);
	else if (s < 86400)
		(void)snprintf(out, SPAN, "%lluh%02llum", s / 3600,
			       s / 60 % 60);
	else
		(void)snprintf(out, SPAN, "%llud%02lluh", s / 86400,
			       s / 3600 % 24);
	return out;
}

/* ---- one account ---- */

static void join(const struct json *j, const struct json_node *list, char *out,
		 size_t cap)
{
	const struct json_node *one;
	char text[TEXT];
	size_t n = 0;

	out[0] = '\0';
	for (one = json_first(j, list); one != NULL && n < cap;
	     one = json_next(j, list, one))
		n += (size_t)snprintf(out + n, cap - n, "%s%s",
				      n == 0 ? "" : ",",
				      json_item_text(one, text, TEXT));
}

static int print_stores(const struct json *j, const struct json_node *account)
{
	static const char *const heads[] = {"STORE", ">INDEX", ">SERIAL",
					    "DIGEST", NULL};
	const struct json_node *list = json_member(j, account, "stores");
	const struct json_node *one;
	struct table t;
	char text[TEXT];

	table_begin(&t, heads);
	for (one = json_first(j, list); one != NULL;
	     one = json_next(j, list, one)) {
		table_cell(&t, json_text(j, one, "store", text, TEXT));
		table_number(&t, json_uint(j, one, "index"));
		table_number(&t, json_uint(j, one, "serial"));
		table_cell(&t, json_text(j, one, "digest", text, TEXT));
	}
	return table_end(&t);
}

static void add_connection(struct table *t, const struct json *j,
			   const struct json_node *c)
{
	char text[TEXT], time[SPAN];

	table_cell(t, json_text(j, c, "instance", text, TEXT));
	table_cell(t, json_text(j, c, "state", text, TEXT));
	table_cell(t, json_bool(j, c, "subscribed") ? "yes" : "no");
	table_number(t, json_uint(j, c, "acknowledged"));
	table_cell(t, json_text(j, c, "endpoint", text, TEXT));
	(void)snprintf(text, TEXT, "%.1fms",
		       (double)json_uint(j, c, "rtt_us") / 1000);
	table_cell(t, text);
	table_cell(t, span(json_uint(j, c, "silent_ms"), time));
	table_cell(t, span(json_uint(j, c, "lease_ms"), time));
}

static void add_device(struct table *t, const struct json *j,
		       const struct json_node *d)
{
	const struct json_node *list = json_member(j, d, "connections");
	const struct json_node *c = json_first(j, list);
	char text[TEXT];
	int i;

	do {
		table_cell(t, json_text(j, d, "device", text, TEXT));
		join(j, json_member(j, d, "rights"), text, TEXT);
		table_cell(t, text);
		if (c != NULL) {
			add_connection(t, j, c);
			c = json_next(j, list, c);
			continue;
		}
		for (i = 0; i < 8; i++)
			table_cell(t, "");
	} while (c != NULL);
}

/* Signs that somebody has copied a device key. */
static void print_alarms(const struct json *j, const struct json_node *account)
{
	const struct json_node *list = json_member(j, account, "devices");
	const struct json_node *one, *alarms;
	char device[TEXT], name[TEXT], kinds[TEXT];

	for (one = json_first(j, list); one != NULL;
	     one = json_next(j, list, one)) {
		alarms = json_member(j, one, "alarms");
		if (json_count(j, alarms) == 0)
			continue;
		join(j, alarms, kinds, TEXT);
		(void)printf("\nALARM: device %s of %s seems to be copied: "
			     "%s\n",
			     json_text(j, one, "device", device, TEXT),
			     json_text(j, account, "account", name, TEXT),
			     kinds);
	}
}

static int print_devices(const struct json *j, const struct json_node *account)
{
	static const char *const heads[] = {
		"DEVICE",     "RIGHTS",        "INSTANCE", "STATE",
		"SUBSCRIBED", ">ACKNOWLEDGED", "ENDPOINT", ">RTT",
		">SILENT",    ">LEASE",        NULL};
	const struct json_node *list = json_member(j, account, "devices");
	const struct json_node *one;
	struct table t;

	table_begin(&t, heads);
	for (one = json_first(j, list); one != NULL;
	     one = json_next(j, list, one))
		add_device(&t, j, one);
	return table_end(&t);
}

static int print_account(const struct json *j)
{
	const struct json_node *account = json_root(j);
	char text[TEXT];
	int code;

	(void)printf("account %s, serial %llu\n\n",
		     json_text(j, account, "account", text, TEXT),
		     (unsigned long long)json_uint(j, account, "serial"));
	code = print_stores(j, account);
	(void)fputs("\n", stdout);
	if (code == 0)
		code = print_devices(j, account);
	if (code == 0)
		print_alarms(j, account);
	return code;
}

/* ---- the whole ---- */

static void print_head(const struct json *j)
{
	const struct json_node *root = json_root(j);
	char a[TEXT], b[TEXT], c[TEXT], d[TEXT], up[SPAN];

	(void)printf("mppd %s, up %s, %s (AEAD by %s), store %s\n",
		     json_text(j, root, "version", a, TEXT),
		     span(json_uint(j, root, "uptime_s") * 1000, up),
		     json_text(j, root, "crypto", b, TEXT),
		     json_text(j, root, "aead", c, TEXT),
		     json_text(j, root, "store", d, TEXT));
	join(j, json_member(j, root, "listen"), a, TEXT);
	(void)printf("listening on %s\n\n", a);
}

static int print_suites(const struct json *j)
{
	static const char *const heads[] = {">SUITE", "FINGERPRINT", NULL};
	const struct json_node *list = json_member(j, json_root(j), "suites");
	const struct json_node *one;
	struct table t;
	char text[TEXT];

	table_begin(&t, heads);
	for (one = json_first(j, list); one != NULL;
	     one = json_next(j, list, one)) {
		table_number(&t, json_uint(j, one, "suite"));
		table_cell(&t, json_text(j, one, "fingerprint", text, TEXT));
	}
	return table_end(&t);
}

static int print_pools(const struct json *j)
{
	static const char *const heads[] = {"POOL", ">USED", ">LIMIT", NULL};
	const struct json_node *list = json_member(j, json_root(j), "pools");
	const struct json_node *one;
	struct table t;
	char text[TEXT];

	table_begin(&t, heads);
	for (one = json_first(j, list); one != NULL;
	     one = json_next(j, list, one)) {
		table_cell(&t, json_text(j, one, "name", text, TEXT));
		table_number(&t, json_uint(j, one, "used"));
		table_number(&t, json_uint(j, one, "limit"));
	}
	return table_end(&t);
}

static uint64_t connections(const struct json *j,
			    const struct json_node *account)
{
	const struct json_node *list = json_member(j, account, "devices");
	const struct json_node *one;
	uint64_t n = 0;

	for (one = json_first(j, list); one != NULL;
	     one = json_next(j, list, one))
		n += json_count(j, json_member(j, one, "connections"));
	return n;
}

static int print_accounts(const struct json *j)
{
	static const char *const heads[] = {"ACCOUNT",  ">STORES",
					    ">DEVICES", ">CONNECTIONS",
					    ">SERIAL",  NULL};
	const struct json_node *list = json_member(j, json_root(j), "accounts");
	const struct json_node *one;
	struct table t;
	char text[TEXT];

	table_begin(&t, heads);
	for (one = json_first(j, list); one != NULL;
	     one = json_next(j, list, one)) {
		table_cell(&t, json_text(j, one, "account", text, TEXT));
		table_number(&t, json_count(j, json_member(j, one, "stores")));
		table_number(&t, json_count(j, json_member(j, one, "devices")));
		table_number(&t, connections(j, one));
		table_number(&t, json_uint(j, one, "serial"));
	}
	return table_end(&t);
}

static int print_status(const struct json *j)
{
	static int (*const parts[])(const struct json *j) = {
		print_suites, print_pools, print_accounts};
	const struct json_node *list, *one;
	size_t i;
	int code = 0;

	print_head(j);
	for (i = 0; i < 3 && code == 0; i++) {
		code = parts[i](j);
		(void)fputs(i < 2 ? "\n" : "", stdout);
	}
	list = json_member(j, json_root(j), "accounts");
	for (one = json_first(j, list); one != NULL && code == 0;
	     one = json_next(j, list, one))
		print_alarms(j, one);
	if (json_bool(j, json_root(j), "truncated"))
		(void)printf("and more: see mppctl account list\n");
	return code;
}

int command_status(const struct options *o)
{
	const bool one = o->n_args > 0;
	const struct question q = {
		.method = "GET",
		.path = {one ? "accounts" : "status", one ? o->args[0] : NULL},
	};
	struct answer a;
	int code = http_ask(o, &q, &a);

	if (code != 0)
		return code;
	if (o->json)
		answer_print(&a);
	else
		code = one ? print_account(&a.json) : print_status(&a.json);
	answer_free(&a);
	return code != 0 ? code : complain_stdout();
}
