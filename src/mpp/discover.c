/* SPDX-License-Identifier: MIT */
/* discover.c - mpp discover DOMAIN: what devices find, for who keeps a zone. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "loop/resolve.h"
#include "mpp/commands.h"
#include "mpp/complain.h"
#include "mpp/show.h"

struct findings {
	const struct loop_discovery *d;
	struct loop_addresses addresses;
};

static const char *result_word(enum discover_result result)
{
	switch (result) {
	case DISCOVER_FOUND:
		return "found";
	case DISCOVER_NONE:
		return "none";
	case DISCOVER_REFUSED:
		return "not offered";
	case DISCOVER_FAILED:
		return "no answer";
	case DISCOVER_WRONG:
		return "unusable";
	case DISCOVER_NOT_ASKED:
		break;
	}
	return "not asked";
}

/* The path that POSTs go to. */
static const char *path_of(const struct loop_discovery *d)
{
	return d->path.text.path[0] != '\0' ? d->path.text.path : DISCOVER_PATH;
}

/* ---- for programs ---- */

static void json_addresses(mpp_json_writer *w, const struct findings *f,
			   size_t endpoint)
{
	char text[LOOP_ENDPOINT_TEXT];
	size_t i;

	mpp_json_array(w, "addresses");
	for (i = 0; i < f->addresses.n; i++) {
		if (f->addresses.list[i].endpoint != endpoint)
			continue;
		loop_address_text(&f->addresses.list[i], text);
		mpp_json_cstring(w, NULL, text);
	}
	mpp_json_close(w);
}

static void json_service(mpp_json_writer *w, const struct findings *f,
			 const struct discover_service *s)
{
	size_t i;

	mpp_json_cstring(w, "result", result_word(s->result));
	mpp_json_bool(w, "authenticated", s->authenticated);
	mpp_json_uint(w, "unusable", s->skipped);
	mpp_json_array(w, "targets");
	for (i = 0; i < s->n; i++) {
		mpp_json_object(w, NULL);
		mpp_json_uint(w, "priority", s->targets[i].priority);
		mpp_json_uint(w, "weight", s->targets[i].weight);
		mpp_json_cstring(w, "host", s->targets[i].at.host);
		mpp_json_uint(w, "port", s->targets[i].at.port);
		if (s == &f->d->udp)
			json_addresses(w, f, i);
		mpp_json_close(w);
	}
	mpp_json_close(w);
}

static int print_json(const struct findings *f)
{
	const struct zone_text *key = &f->d->key.text;
	mpp_json_writer w;
	size_t i;

	show_json_begin(&w);
	mpp_json_cstring(&w, "domain", f->d->domain);
	mpp_json_object(&w, "udp");
	json_service(&w, f, &f->d->udp);
	mpp_json_close(&w);
	mpp_json_object(&w, "fingerprints");
	mpp_json_cstring(&w, "result", result_word(f->d->key.result));
	mpp_json_bool(&w, "authenticated", f->d->key.authenticated);
	mpp_json_array(&w, "list");
	for (i = 0; i < key->n_pins; i++)
		mpp_json_cstring(&w, NULL, key->pins[i]);
	mpp_json_close(&w);
	mpp_json_close(&w);
	mpp_json_object(&w, "web");
	json_service(&w, f, &f->d->web);
	if (f->d->web.n > 0)
		mpp_json_cstring(&w, "path", path_of(f->d));
	mpp_json_close(&w);
	return show_json_end(&w);
}

/* ---- for people ---- */

static void print_head(const char *what, enum discover_result result,
		       bool authenticated)
{
	(void)printf("%-13s%s%s\n", what, result_word(result),
		     authenticated ? ", authenticated" : "");
}

static void print_target(const struct findings *f, const struct zone_srv *t,
			 size_t endpoint)
{
	char text[LOOP_ENDPOINT_TEXT];
	size_t i, n = 0;

	loop_endpoint_text(&t->at, text);
	(void)printf("  %u %u %s", t->priority, t->weight, text);
	for (i = 0; i < f->addresses.n; i++) {
		if (f->addresses.list[i].endpoint != endpoint)
			continue;
		loop_address_text(&f->addresses.list[i], text);
		(void)printf("%s%s", n++ == 0 ? " = " : ", ", text);
	}
	(void)printf("%s\n", n == 0 ? " (no address)" : "");
}

static void print_skipped(const struct discover_service *s)
{
	if (s->skipped > 0)
		(void)printf("  %zu more that name no host and port\n",
			     s->skipped);
}

static int print_text(const struct findings *f)
{
	const struct loop_discovery *d = f->d;
	size_t i;

	(void)printf("%-13s%s\n", "domain", d->domain);
	print_head("service", d->udp.result, d->udp.authenticated);
	for (i = 0; i < d->udp.n; i++)
		print_target(f, &d->udp.targets[i], i);
	print_skipped(&d->udp);
	print_head("fingerprint", d->key.result, d->key.authenticated);
	for (i = 0; i < d->key.text.n_pins; i++)
		(void)printf("  %s\n", d->key.text.pins[i]);
	print_head("web service", d->web.result, d->web.authenticated);
	for (i = 0; i < d->web.n; i++)
		(void)printf("  %u %u https://%s:%u%s\n",
			     d->web.targets[i].priority,
			     d->web.targets[i].weight,
			     d->web.targets[i].at.host,
			     d->web.targets[i].at.port, path_of(d));
	print_skipped(&d->web);
	return complain_stdout();
}

static int print(const struct options *o, const struct loop_resolve *r,
		 const struct findings *f)
{
	mpp_loop_error e = {.exit_code = 0};
	const int code = o->json ? print_json(f) : print_text(f);
	mpp_err err;

	if (code != 0)
		return code;
	err = discover_judge(loop_resolve_discovery(r), &e);
	if (err != MPP_OK)
		return complain_loop(err, &e);
	if (f->addresses.n == 0)
		return complain(EX_NOHOST, "%s", f->addresses.why);
	return 0;
}

static int discover(const struct options *o, const char *domain)
{
	const int timeout_ms = o->timeout_ms == 0 ? -1 : o->timeout_ms;
	struct discover_question question;
	const struct loop_wanted w = {.discover = &question};
	mpp_crypto crypto = {NULL, NULL};
	struct loop_resolve *r = NULL;
	struct findings f;
	int code;

	if (mpp_crypto_new(&crypto) != MPP_OK ||
	    discover_prepare(&question, domain, DISCOVER_ALL, &crypto) !=
		    MPP_OK ||
	    loop_resolve_wanted(&w, &r) != MPP_OK)
		code = complain(EX_OSERR, "the resolver cannot be started");
	else if (!loop_resolve_wait(r, timeout_ms) ||
		 !loop_resolve_take(r, &f.addresses))
		code = complain(EX_TEMPFAIL, "the resolver did not answer "
					     "in time");
	else {
		f.d = loop_resolve_discovery(r);
		code = print(o, r, &f);
	}
	loop_resolve_drop(r);
	mpp_crypto_free(&crypto);
	return code;
}

int command_discover(const struct options *o)
{
	const char *at = strrchr(o->args[0], '@');
	const char *domain = at != NULL ? at + 1 : o->args[0];
	const char *wrong = loop_domain_wrong(domain);

	return wrong == NULL ? discover(o, domain)
			     : complain(EX_DATAERR, "%s: %s", domain, wrong);
}
