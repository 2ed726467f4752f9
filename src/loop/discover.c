/* SPDX-License-Identifier: MIT */
/* discover.c - from a domain to its service. Contract: discover.h. */
#include "loop/discover.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop/fail.h"

enum {
	TRY_S = 2, /* how long one server is waited for, and how often */
	TRIES = 2,
	FLAG_AD = 0x20, /* in the fourth octet of an answer */
};

static const char udp_label[] = "_mmmpresence._udp.";
static const char web_label[] = "_mmmpresence._tcp.";

const char *loop_domain_wrong(const char *domain)
{
	const mpp_bytes text = {(const uint8_t *)domain, strlen(domain)};
	struct loop_endpoint ignored;
	struct in_addr v4;
	const char *wrong;

	if (text.len + sizeof(udp_label) - 1 > LOOP_HOST_MAX)
		return "the domain's name is too long";
	if (memchr(text.p, ':', text.len) != NULL ||
	    memchr(text.p, '[', text.len) != NULL)
		return "a domain has no port and is no address";
	wrong = loop_endpoint_wrong(text, &ignored);
	if (wrong == NULL && inet_pton(AF_INET, domain, &v4) == 1)
		wrong = "a domain is a name, not an address";
	return wrong;
}

mpp_err discover_prepare(struct discover_question *q, const char *domain,
			 enum discover_what what, const mpp_crypto *crypto)
{
	memset(q, 0, sizeof(*q));
	memcpy(q->domain, domain, strlen(domain) + 1);
	q->what = what;
	return crypto->ops->random(crypto->ctx, (uint8_t *)q->draws,
				   sizeof(q->draws));
}

/* ---- asking ---- */

/* A resolver of this thread's own, and the room for its answers. */
struct asker {
	struct __res_state resolver;
	struct zone_services services;
	const struct discover_question *q;
	struct loop_discovery *out;
	char name[ZONE_NAME_TEXT];
	uint8_t answer[NS_MAXMSG];
	size_t len;
};

static void say(struct loop_discovery *d, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The first thing that went wrong is what is told. */
static void say(struct loop_discovery *d, const char *format, ...)
{
	va_list args;

	if (d->why[0] != '\0')
		return;
	va_start(args, format);
	(void)vsnprintf(d->why, sizeof(d->why), format, args);
	va_end(args);
}

static void set_name(struct asker *a, const char *label)
{
	(void)snprintf(a->name, sizeof(a->name), "%s%s", label, a->q->domain);
}

static enum discover_result failed(struct asker *a, const char *type)
{
	switch (a->resolver.res_h_errno) {
	case HOST_NOT_FOUND:
	case NO_DATA:
		return DISCOVER_NONE;
	case TRY_AGAIN:
		say(a->out, "the resolver has no answer for %s of %.100s", type,
		    a->out->domain);
		return DISCOVER_FAILED;
	default:
		say(a->out, "the resolver refuses %s of %.100s", type,
		    a->out->domain);
		return DISCOVER_FAILED;
	}
}

static int query(struct asker *a, int type)
{
	return res_nquery(&a->resolver, a->name, ns_c_in, type, a->answer,
			  sizeof(a->answer));
}

/* @return FOUND with the answer in a->answer, NONE or FAILED */
static enum discover_result ask(struct asker *a, int type, const char *word)
{
	int n = query(a, type);

	/* Old servers take EDNS for a malformed question (RFC 6891). */
	if (n < 0 && a->resolver.res_h_errno == NO_RECOVERY) {
		a->resolver.options &= ~(unsigned long)RES_USE_EDNS0;
		n = query(a, type);
	}
	if (n < 0)
		return failed(a, word);
	/* The resolver gives the length of what came, also when it is more
	 * than there was room for. */
	a->len = (size_t)n < sizeof(a->answer) ? (size_t)n : sizeof(a->answer);
	return DISCOVER_FOUND;
}

static bool is_authenticated(const struct asker *a)
{
	return a->len > 3 && (a->answer[3] & FLAG_AD) != 0;
}

static enum discover_result found(struct asker *a, enum zone_result result,
				  const char *word)
{
	switch (result) {
	case ZONE_FOUND:
		return DISCOVER_FOUND;
	case ZONE_NONE:
		return DISCOVER_NONE;
	case ZONE_TOO_MANY:
		say(a->out, "%.100s has more than %d SRV records",
		    a->out->domain, ZONE_RECORDS_MAX);
		return DISCOVER_WRONG;
	case ZONE_FAILED:
	case ZONE_MALFORMED:
		break;
	}
	say(a->out, "the resolver's answer for %s of %.100s is malformed", word,
	    a->out->domain);
	return DISCOVER_FAILED;
}

static void ask_services(struct asker *a, const char *label,
			 const uint32_t draws[ZONE_TARGETS_MAX],
			 struct discover_service *out)
{
	bool no_host;

	set_name(a, label);
	out->result = ask(a, ns_t_srv, "SRV");
	if (out->result == DISCOVER_FOUND)
		out->result =
			found(a,
			      zone_read_srv((mpp_bytes){a->answer, a->len},
					    a->name, &a->services),
			      "SRV");
	if (out->result != DISCOVER_FOUND)
		return;
	out->authenticated = is_authenticated(a);
	out->skipped = a->services.skipped;
	no_host = a->services.n == 0;
	out->n = zone_order(&a->services, draws, out->targets);
	if (out->n > 0)
		return;
	out->result = no_host ? DISCOVER_WRONG : DISCOVER_REFUSED;
	if (out->result == DISCOVER_WRONG)
		say(a->out,
		    "the SRV records of %.100s name no host: each needs a "
		    "host's name, not an address, and a port",
		    a->name);
}

static void ask_text(struct asker *a, const char *label,
		     struct discover_text *out)
{
	set_name(a, label);
	out->result = ask(a, ns_t_txt, "TXT");
	if (out->result == DISCOVER_FOUND)
		out->result =
			found(a,
			      zone_read_txt((mpp_bytes){a->answer, a->len},
					    a->name, &out->text),
			      "TXT");
	if (out->result != DISCOVER_FOUND)
		return;
	out->authenticated = is_authenticated(a);
	if (out->text.wrong == NULL)
		return;
	out->result = DISCOVER_WRONG;
	say(a->out, "TXT of %.80s: %s", a->name, out->text.wrong);
}

/* Who does not answer once is not asked again. */
static void ask_all(struct asker *a)
{
	struct loop_discovery *d = a->out;

	ask_services(a, udp_label, a->q->draws[0], &d->udp);
	if (d->udp.result == DISCOVER_FAILED)
		return;
	if (a->q->what == DISCOVER_ALL)
		ask_text(a, udp_label, &d->key);
	if (d->key.result == DISCOVER_FAILED)
		return;
	ask_services(a, web_label, a->q->draws[1], &d->web);
	if (d->web.result == DISCOVER_FOUND)
		ask_text(a, web_label, &d->path);
}

void discover_run(const struct discover_question *q, struct loop_discovery *out)
{
	struct asker *a = calloc(1, sizeof(*a));

	memset(out, 0, sizeof(*out));
	memcpy(out->domain, q->domain, sizeof(out->domain));
	if (a == NULL || res_ninit(&a->resolver) != 0) {
		out->udp.result = DISCOVER_FAILED;
		say(out, "the system's resolver cannot be used: %s",
		    a == NULL ? "out of memory" : "see resolv.conf(5)");
		free(a);
		return;
	}
	a->q = q;
	a->out = out;
	/* Names are whole; long answers come at once where EDNS lets them. */
	a->resolver.options &= ~(unsigned long)(RES_DNSRCH | RES_DEFNAMES);
	a->resolver.options |= RES_USE_EDNS0;
	if (a->resolver.retrans > TRY_S)
		a->resolver.retrans = TRY_S;
	if (a->resolver.retry > TRIES)
		a->resolver.retry = TRIES;
	ask_all(a);
	res_nclose(&a->resolver);
	free(a);
}

size_t discover_webs(const struct loop_discovery *d,
		     char out[LOOP_WEBS_MAX][LOOP_WEB_TEXT])
{
	char url[LOOP_WEB_TEXT + ZONE_PATH_MAX], at[LOOP_ENDPOINT_TEXT];
	size_t i, n = 0;

	memset(out, 0, LOOP_WEBS_MAX * LOOP_WEB_TEXT);
	if (d->path.result == DISCOVER_WRONG)
		return 0;
	for (i = 0; i < d->web.n && n < LOOP_WEBS_MAX; i++) {
		loop_endpoint_text(&d->web.targets[i].at, at);
		(void)snprintf(url, sizeof(url), "https://%s%s", at,
			       d->path.text.path);
		if (loop_weburl_wrong((mpp_bytes){(const uint8_t *)url,
						  strlen(url)},
				      false, out[n]) == NULL)
			n++;
	}
	return n;
}

/* ---- judging ---- */

static mpp_err no_records(const struct loop_discovery *d, mpp_loop_error *e)
{
	return loop_fail(e, MPP_ERR_NOTFOUND, EX_NOHOST,
			 "%s%s: there is no such SRV record. Its operator gets "
			 "the records of a zone by: mppctl dns-records %s",
			 udp_label, d->domain, d->domain);
}

mpp_err discover_judge(const struct loop_discovery *d, mpp_loop_error *e)
{
	const enum discover_result key = d->key.result;
	const char *why = d->why[0] != '\0' ? d->why
					    : "the resolver did not answer";

	switch (d->udp.result) {
	case DISCOVER_NONE:
		return no_records(d, e);
	case DISCOVER_REFUSED:
		return loop_fail(e, MPP_ERR_REFUSED, EX_UNAVAILABLE,
				 "%s does not offer this service: the target "
				 "of %s%s is \".\"",
				 d->domain, udp_label, d->domain);
	case DISCOVER_WRONG:
		return loop_fail(e, MPP_ERR_SYNTAX, EX_DATAERR, "%s", why);
	case DISCOVER_NOT_ASKED:
	case DISCOVER_FAILED:
		return loop_fail(e, MPP_ERR_TIMEOUT, EX_TEMPFAIL,
				 "%s: try again later", why);
	case DISCOVER_FOUND:
		break;
	}
	/* Without an answer nobody knows whether there is a fingerprint. */
	if (key == DISCOVER_FAILED)
		return loop_fail(e, MPP_ERR_TIMEOUT, EX_TEMPFAIL,
				 "%s: try again later", why);
	if (key == DISCOVER_WRONG)
		return loop_fail(e, MPP_ERR_SYNTAX, EX_DATAERR,
				 "%s: its operator gets the records of a zone "
				 "by: mppctl dns-records %s",
				 why, d->domain);
	return MPP_OK;
}
