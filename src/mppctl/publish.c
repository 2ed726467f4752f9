/* SPDX-License-Identifier: MIT */
/* publish.c - mppctl publish ACCOUNT --store NAME=INDEX[:HEXDIGEST] … */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "mppctl/commands.h"
#include "mppctl/complain.h"
#include "mppctl/http.h"

enum { NAME_MAX_LEN = 64, DIGEST_MAX_LEN = 64 };

struct store {
	char name[NAME_MAX_LEN + 1];
	uint64_t index;
	uint8_t digest[DIGEST_MAX_LEN];
	size_t digest_len;
};

struct publication {
	struct store *stores;
	int n;
	bool reset;
};

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_digest(const char *text, struct store *s)
{
	size_t i;

	for (i = 0; text[2 * i] != '\0' && i < DIGEST_MAX_LEN; i++) {
		const int high = digit(text[2 * i]);
		const int low = high < 0 ? -1 : digit(text[2 * i + 1]);

		if (low < 0)
			return false;
		s->digest[i] = (uint8_t)(high << 4 | low);
	}
	s->digest_len = i;
	return i > 0 && text[2 * i] == '\0';
}

/* The last '=' counts, so that a name may hold one. */
static bool read_store(const char *text, struct store *s)
{
	const char *equals = strrchr(text, '=');
	char *end;

	if (equals == NULL || equals == text || equals - text > NAME_MAX_LEN ||
	    equals[1] < '0' || equals[1] > '9')
		return false;
	memcpy(s->name, text, (size_t)(equals - text));
	errno = 0;
	s->index = strtoull(equals + 1, &end, 10);
	if (errno != 0 || s->index >= UINT64_C(1) << 53)
		return false;
	return *end == '\0' || (*end == ':' && read_digest(end + 1, s));
}

static void write_publication(mpp_json_writer *w, const void *arg)
{
	const struct publication *p = arg;
	int i;

	mpp_json_object(w, NULL);
	mpp_json_array(w, "stores");
	for (i = 0; i < p->n; i++) {
		const struct store *s = &p->stores[i];

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
		if (!read_store(o->stores[i], &p.stores[i]))
			code = complain(EX_USAGE,
					"--store %s: give NAME=INDEX or "
					"NAME=INDEX:HEXDIGEST, a name of at "
					"most 64 octets, an index below 2^53",
					o->stores[i]);
	}
	if (code == 0)
		code = publish(o, &p);
	free(p.stores);
	return code;
}
