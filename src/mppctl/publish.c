/* SPDX-License-Identifier: MIT */
/* publish.c - mppctl publish ACCOUNT --store NAME=INDEX[:HEXDIGEST] … */
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "host/storearg.h"
#include "mppctl/commands.h"
#include "mppctl/complain.h"
#include "mppctl/http.h"

struct publication {
	struct store_arg *stores;
	int n;
	bool reset;
};

static void write_publication(mpp_json_writer *w, const void *arg)
{
	const struct publication *p = arg;
	int i;

	mpp_json_object(w, NULL);
	mpp_json_array(w, "stores");
	for (i = 0; i < p->n; i++) {
		const struct store_arg *s = &p->stores[i];

		mpp_json_object(w, NULL);
		mpp_json_cstring(w, "store", s->name);
		mpp_json_uint(w, "index", s->index);
		if (s->digest_len > 0)
			mpp_json_data(w, "digest",
				      (mpp_bytes){s->digest, s->digest_len});
		mpp_json_close(w);
	}
	mpp_json_close(w);
	if (p->reset)
		mpp_json_bool(w, "reset", true);
	mpp_json_close(w);
}

static void print_result(const struct json *j)
{
	const struct json_node *skipped =
		json_member(j, json_root(j), "skipped");
	const struct json_node *one;
	char name[256];

	(void)printf("serial %llu\n",
		     (unsigned long long)json_uint(j, json_root(j), "serial"));
	for (one = json_first(j, skipped); one != NULL;
	     one = json_next(j, skipped, one))
		(void)printf("skipped %s: older than what is stored (see "
			     "--reset)\n",
			     json_item_text(one, name, sizeof(name)));
}

static int publish(const struct options *o, const struct publication *p)
{
	const struct question q = {
		.method = "POST",
		.path = {"accounts", o->args[0], "publish"},
		.body = write_publication,
		.arg = p,
	};
	struct answer a;
	const int code = http_ask(o, &q, &a);

	if (code != 0)
		return code;
	if (o->json)
		answer_print(&a);
	else
		print_result(&a.json);
	answer_free(&a);
	return complain_stdout();
}

int command_publish(const struct options *o)
{
	struct publication p = {NULL, o->n_stores, (o->given & OPT_RESET) != 0};
	int i, code = 0;

	if (o->n_stores == 0)
		return complain(EX_USAGE,
				"publish: nothing to publish: give --store "
				"NAME=INDEX");
	p.stores = calloc((size_t)o->n_stores, sizeof(*p.stores));
	if (p.stores == NULL)
		return complain(EX_OSERR, "out of memory");
	for (i = 0; i < o->n_stores && code == 0; i++) {
		if (!store_arg_read(o->stores[i], &p.stores[i]))
			code = complain(EX_USAGE, "--store %s: " STORE_ARG_FORM,
					o->stores[i]);
	}
	if (code == 0)
		code = publish(o, &p);
	free(p.stores);
	return code;
}
