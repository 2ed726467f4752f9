/* SPDX-License-Identifier: MIT */
/* dns_records.c - mppctl dns-records DOMAIN: what to put into the zone, so that
 * devices find this service by the domain of their account. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "loop/discover.h"
#include "mppctl/commands.h"
#include "mppctl/complain.h"
#include "mppctl/http.h"

enum {
	RECORDS_MAX = 40, /* 8 endpoints with an address each, 4 keys */
	DATA_MAX = 320,
	PRIORITY_STEP = 10,
	TTL_S = 300,
};

struct record {
	char name[LOOP_HOST_MAX + 1];
	const char *type;
	char data[DATA_MAX];
};

struct records {
	const char *domain;
	struct record list[RECORDS_MAX];
	size_t n;
	unsigned priority; /* of the last SRV record */
	bool has_local;    /* a target without a dot */
};

static struct record *add(struct records *r, const char *below,
			  const char *type)
{
	struct record *one = &r->list[r->n < RECORDS_MAX ? r->n++ : 0];

	(void)snprintf(one->name, sizeof(one->name), "%s%.*s", below,
		       (int)(LOOP_HOST_MAX - strlen(below)), r->domain);
	one->type = type;
	return one;
}

static bool has(const struct records *r, const struct record *what)
{
	const struct record *one;

	for (one = r->list; one < what; one++) {
		if (strcmp(one->type, what->type) == 0 &&
		    strcmp(one->data, what->data) == 0)
			return true;
	}
	return false;
}

/* Addresses have no place in SRV records: they get a name, which is one for
 * all of them. */
static const char *address_type(const char *host)
{
	struct in6_addr any;

	if (inet_pton(AF_INET, host, &any) == 1)
		return "A";
	return inet_pton(AF_INET6, host, &any) == 1 ? "AAAA" : NULL;
}

static void add_srv(struct records *r, const char *host, unsigned port)
{
	struct record *one = add(r, "_mmmpresence._udp.", "SRV");
	size_t i;

	for (i = 0; i + 1 < r->n; i++) {
		char target[DATA_MAX];

		(void)snprintf(target, sizeof(target), " 0 %u %s.", port, host);
		if (strcmp(r->list[i].type, "SRV") == 0 &&
		    strstr(r->list[i].data, target) != NULL)
			break;
	}
	if (i + 1 < r->n) {
		r->n--; /* it stands there */
		return;
	}
	r->priority += PRIORITY_STEP;
	(void)snprintf(one->data, sizeof(one->data), "%u 0 %u %s.", r->priority,
		       port, host);
}

static void add_endpoint(struct records *r, const char *text)
{
	const mpp_bytes in = {(const uint8_t *)text, strlen(text)};
	struct loop_endpoint ep;
	char named[LOOP_HOST_MAX + 16];
	struct record *one;
	const char *type;

	if (loop_endpoint_wrong(in, &ep) != NULL)
		return;
	type = address_type(ep.host);
	if (type == NULL) {
		r->has_local = r->has_local || strchr(ep.host, '.') == NULL;
		add_srv(r, ep.host, ep.port);
		return;
	}
	(void)snprintf(named, sizeof(named), "mmmpresence.%s", r->domain);
	add_srv(r, named, ep.port);
	one = add(r, "mmmpresence.", type);
	(void)snprintf(one->data, sizeof(one->data), "%s", ep.host);
	if (has(r, one))
		r->n--;
}

static void add_pin(struct records *r, const char *pin)
{
	struct record *one = add(r, "_mmmpresence._udp.", "TXT");

	(void)snprintf(one->data, sizeof(one->data), "\"udf=%s\"", pin);
}

static void collect(struct records *r, const struct json *j)
{
	const struct json_node *list =
		json_member(j, json_root(j), "endpoints");
	const struct json_node *one;
	char text[LOOP_ENDPOINT_TEXT];

	for (one = json_first(j, list); one != NULL;
	     one = json_next(j, list, one))
		add_endpoint(r, json_item_text(one, text, sizeof(text)));
	list = json_member(j, json_root(j), "suites");
	for (one = json_first(j, list); one != NULL;
	     one = json_next(j, list, one))
		add_pin(r,
			json_text(j, one, "fingerprint", text, sizeof(text)));
}

static void write_records(mpp_json_writer *w, const void *arg)
{
	const struct records *r = arg;
	size_t i;

	mpp_json_object(w, NULL);
	mpp_json_array(w, "records");
	for (i = 0; i < r->n; i++) {
		mpp_json_object(w, NULL);
		mpp_json_cstring(w, "name", r->list[i].name);
		mpp_json_cstring(w, "type", r->list[i].type);
		mpp_json_cstring(w, "data", r->list[i].data);
		mpp_json_close(w);
	}
	mpp_json_close(w);
	mpp_json_close(w);
}

static int print_json(const struct records *r)
{
	size_t len;
	char *text = json_make(write_records, r, &len);

	if (text == NULL)
		return complain(EX_OSERR, "out of memory");
	(void)printf("%.*s\n", (int)len, text);
	free(text);
	return complain_stdout();
}

static int print_text(const struct records *r)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		(void)printf("%s. %d IN %s %s\n", r->list[i].name, TTL_S,
			     r->list[i].type, r->list[i].data);
	if (r->has_local)
		(void)complain(0, "a host without a domain can be found from "
				  "nowhere else: set [service] endpoint");
	return complain_stdout();
}

int command_dns_records(const struct options *o)
{
	const struct question q = {.method = "GET", .path = {"status"}};
	struct records r = {.domain = o->args[0]};
	const char *wrong = loop_domain_wrong(r.domain);
	struct answer a;
	int code;

	if (wrong != NULL)
		return complain(EX_USAGE, "%s: %s", r.domain, wrong);
	if ((code = http_ask(o, &q, &a)) != 0)
		return code;
	collect(&r, &a.json);
	answer_free(&a);
	return o->json ? print_json(&r) : print_text(&r);
}
