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
	char path[LOOP_WEB_PATH_MAX + 1]; /* of the Web Service */
	bool has_left;                    /* a URL that a zone cannot say */
	bool has_local;                   /* a target without a dot */
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

static const char udp_label[] = "_mmmpresence._udp.";
static const char web_label[] = "_mmmpresence._tcp.";

/* The first one of a label is preferred, and so on. */
static void add_srv(struct records *r, const char *label, const char *host,
		    unsigned port)
{
	unsigned priority = PRIORITY_STEP;
	struct record *one = add(r, label, "SRV");
	char target[DATA_MAX];
	size_t i;

	(void)snprintf(target, sizeof(target), " 0 %u %s.", port, host);
	for (i = 0; i + 1 < r->n; i++) {
		if (strcmp(r->list[i].type, "SRV") != 0 ||
		    strcmp(r->list[i].name, one->name) != 0)
			continue;
		if (strstr(r->list[i].data, target) != NULL) {
			r->n--; /* it stands there */
			return;
		}
		priority += PRIORITY_STEP;
	}
	(void)snprintf(one->data, sizeof(one->data), "%u%.300s", priority,
		       target);
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
		add_srv(r, udp_label, ep.host, ep.port);
		return;
	}
	(void)snprintf(named, sizeof(named), "mmmpresence.%s", r->domain);
	add_srv(r, udp_label, named, ep.port);
	one = add(r, "mmmpresence.", type);
	(void)snprintf(one->data, sizeof(one->data), "%s", ep.host);
	if (has(r, one))
		r->n--;
}

static void add_pin(struct records *r, const char *pin)
{
	struct record *one = add(r, udp_label, "TXT");

	(void)snprintf(one->data, sizeof(one->data), "\"udf=%s\"", pin);
}

/* A zone says one path for all, and a certificate is for a name. */
static void add_url(struct records *r, const char *text)
{
	const mpp_bytes in = {(const uint8_t *)text, strlen(text)};
	static const char scheme[] = "https://";
	const size_t skip = sizeof(scheme) - 1;
	char url[LOOP_WEB_TEXT];
	struct loop_endpoint ep;
	const char *path;

	if (loop_weburl_wrong(in, false, url) != NULL ||
	    strncmp(url, scheme, skip) != 0) {
		r->has_left = true;
		return;
	}
	path = strchr(url + skip, '/');
	if (path == NULL ||
	    loop_endpoint_wrong((mpp_bytes){(const uint8_t *)url + skip,
					    (size_t)(path - url) - skip},
				&ep) != NULL ||
	    address_type(ep.host) != NULL ||
	    (r->path[0] != '\0' && strcmp(r->path, path) != 0)) {
		r->has_left = true;
		return;
	}
	(void)snprintf(r->path, sizeof(r->path), "%s", path);
	add_srv(r, web_label, ep.host, ep.port);
}

static void add_path(struct records *r)
{
	struct record *one;

	if (r->path[0] == '\0' || strcmp(r->path, DISCOVER_PATH) == 0)
		return;
	one = add(r, web_label, "TXT");
	(void)snprintf(one->data, sizeof(one->data), "\"path=%s\"", r->path);
}

static void collect(struct records *r, const struct json *j)
{
	const struct json_node *list =
		json_member(j, json_root(j), "endpoints");
	const struct json_node *one;
	char text[LOOP_ENDPOINT_TEXT], url[LOOP_WEB_TEXT];

	for (one = json_first(j, list); one != NULL;
	     one = json_next(j, list, one))
		add_endpoint(r, json_item_text(one, text, sizeof(text)));
	list = json_member(j, json_root(j), "suites");
	for (one = json_first(j, list); one != NULL;
	     one = json_next(j, list, one))
		add_pin(r,
			json_text(j, one, "fingerprint", text, sizeof(text)));
	list = json_member(j, json_root(j), "urls");
	for (one = json_first(j, list); one != NULL;
	     one = json_next(j, list, one))
		add_url(r, json_item_text(one, url, sizeof(url)));
	add_path(r);
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
	if (r->has_left)
		(void)complain(0, "a URL that is not https, has no name, or "
				  "another path than the first is left out");
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
