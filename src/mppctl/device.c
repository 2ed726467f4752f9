/* SPDX-License-Identifier: MIT */
/* device.c - mppctl device list ACCOUNT, mppctl device remove ACCOUNT ID. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "mppctl/commands.h"
#include "mppctl/complain.h"
#include "mppctl/http.h"
#include "mppctl/table.h"

enum { TEXT = 1024 };

/* ---- list ---- */

/* The connection that was heard last, NULL when there is none. */
static const struct json_node *newest(const struct json *j,
				      const struct json_node *list)
{
	const struct json_node *one, *found = NULL;

	for (one = json_first(j, list); one != NULL;
	     one = json_next(j, list, one)) {
		if (found == NULL || json_uint(j, one, "silent_ms") <
					     json_uint(j, found, "silent_ms"))
			found = one;
	}
	return found;
}

/* Is one of the connections subscribed? */
static bool is_subscribed(const struct json *j, const struct json_node *list)
{
	const struct json_node *one;

	for (one = json_first(j, list); one != NULL;
	     one = json_next(j, list, one)) {
		if (json_bool(j, one, "subscribed"))
			return true;
	}
	return false;
}

static void add_rights(struct table *t, const struct json *j,
		       const struct json_node *d)
{
	const struct json_node *list = json_member(j, d, "rights");
	const struct json_node *one;
	char text[TEXT], all[TEXT] = "";
	size_t n = 0;

	for (one = json_first(j, list); one != NULL && n < TEXT;
	     one = json_next(j, list, one))
		n += (size_t)snprintf(all + n, TEXT - n, "%s%s",
				      n == 0 ? "" : ",",
				      json_item_text(one, text, TEXT));
	table_cell(t, all);
}

/* So many milliseconds ago, as "2026-05-01 12:00:00 +02:00". */
static void add_moment(struct table *t, uint64_t ago_ms)
{
	struct timespec now;
	struct tm tm;
	time_t at;
	char text[40] = "", shown[48] = "";
	size_t n = 0;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	at = now.tv_sec - (time_t)(ago_ms / 1000);
	if (localtime_r(&at, &tm) != NULL)
		n = strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z", &tm);
	if (n > 2)
		(void)snprintf(shown, sizeof(shown), "%.*s:%s", (int)n - 2,
			       text, text + n - 2);
	table_cell(t, shown);
}

static void add_device(struct table *t, const struct json *j,
		       const struct json_node *d)
{
	const struct json_node *list = json_member(j, d, "connections");
	const struct json_node *c = newest(j, list);
	char text[TEXT];

	table_cell(t, json_text(j, d, "device", text, TEXT));
	add_rights(t, j, d);
	if (c == NULL) {
		table_cell(t, "offline");
		table_cell(t, "");
		table_cell(t, "");
		return;
	}
	table_cell(t, is_subscribed(j, list)
			      ? "subscribed"
			      : json_text(j, c, "state", text, TEXT));
	add_moment(t, json_uint(j, c, "silent_ms"));
	table_cell(t, json_text(j, c, "endpoint", text, TEXT));
}

static int print_devices(const struct json *j)
{
	static const char *const heads[] = {"DEVICE",    "RIGHTS",   "STATE",
					    "LAST SEEN", "ENDPOINT", NULL};
	const struct json_node *list = json_member(j, json_root(j), "devices");
	const struct json_node *one;
	struct table t;

	table_begin(&t, heads);
	for (one = json_first(j, list); one != NULL;
	     one = json_next(j, list, one))
		add_device(&t, j, one);
	return table_end(&t);
}

int command_device_list(const struct options *o)
{
	const struct question q = {
		.method = "GET",
		.path = {"accounts", o->args[0]},
	};
	struct answer a;
	int code = http_ask(o, &q, &a);

	if (code != 0)
		return code;
	if (o->json)
		answer_print(&a);
	else
		code = print_devices(&a.json);
	answer_free(&a);
	return code != 0 ? code : complain_stdout();
}

/* ---- remove ---- */

int command_device_remove(const struct options *o)
{
	const struct question q = {
		.method = "DELETE",
		.path = {"accounts", o->args[0], "devices", o->args[1]},
	};
	struct answer a;
	char id[256];
	const int code = http_ask(o, &q, &a);

	if (code != 0)
		return code;
	if (o->json)
		answer_print(&a);
	else
		(void)printf("device %s removed\n",
			     json_text(&a.json, json_root(&a.json), "device",
				       id, sizeof(id)));
	answer_free(&a);
	return complain_stdout();
}
