/* SPDX-License-Identifier: MIT */
/* unbound.c - one resolver of libunbound. Contract: unbound.h.
 *
 * libunbound reads its configuration from a file only; this one is in memory
 * and gone when it was read. Every word in it is a number, an address, a name
 * or a path that was checked, so none can end its quotes. */
#include "dns/unbound.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unbound.h>
#include <unistd.h>

#define ROOT_HINTS "/usr/share/dns/root.hints"

/* A name that is answered without asking anybody. */
#define START "start.mppd.invalid."

struct text {
	char *at;
	size_t cap, n;
};

__attribute__((format(printf, 2, 3))) static void say(struct text *t,
						      const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(t->at + t->n, t->cap - t->n, format, args);
	va_end(args);
	t->n += n > 0 ? (size_t)n : 0;
	if (t->n >= t->cap)
		t->n = t->cap - 1;
}

static bool is_loopback(const mpp_addr *a)
{
	static const uint8_t one[16] = {[15] = 1};

	return a->family == 4 ? a->ip[0] == 127 : memcmp(a->ip, one, 16) == 0;
}

/* Delegations of strangers lead nobody to this machine's own servers. */
static bool asks_loopback(const struct dns_config *c,
			  const struct dns_server *forward)
{
	bool yes = forward != NULL && is_loopback(&forward->addr);
	size_t i;

	for (i = 0; i < c->stub.n; i++)
		yes = yes || is_loopback(&c->stub.at[i].server.addr);
	return yes;
}

static void say_zones(struct text *t, const char *item,
		      const struct dns_zones *zones, const char *behind)
{
	char name[DNS_NAME_TEXT];
	size_t i;

	for (i = 0; i < zones->n; i++) {
		dns_name_text(&zones->at[i], name);
		say(t, "  %s: \"%s\"%s\n", item, name, behind);
	}
}

/* dns.c judges names and addresses; libunbound's own lists would only hide
 * zones that the operator serves. */
static void say_local_zones(struct text *t, const struct dns_config *c)
{
	char name[DNS_NAME_TEXT];
	size_t i;

	say(t, "  local-zone: \"" START "\" static\n");
	say_zones(t, "local-zone", &c->private_ok, " transparent");
	for (i = 0; i < c->stub.n; i++) {
		dns_name_text(&c->stub.at[i].zone, name);
		say(t, "  local-zone: \"%s\" transparent\n", name);
	}
	if (c->private_ok.n + c->stub.n > 0)
		say(t, "  unblock-lan-zones: yes\n");
}

static void say_server(struct text *t, const struct dns_config *c,
		       const struct dns_server *forward)
{
	say(t,
	    "server:\n"
	    "  verbosity: 0\n  use-syslog: no\n  chroot: \"\"\n"
	    "  directory: \"\"\n  username: \"\"\n"
	    "  module-config: \"validator iterator\"\n"
	    "  val-log-level: 2\n" /* fills in why_bogus */
	    "  trust-anchor-file: \"%s\"\n",
	    c->trust_anchor);
	say(t, "  do-not-query-localhost: %s\n",
	    asks_loopback(c, forward) ? "no" : "yes");
	/* The answer is made anew, and what nobody reads is not sent. */
	say(t, "  minimal-responses: yes\n"
	       "  aggressive-nsec: no\n" /* dns.c asks whether one is there */
	       "  cache-max-negative-ttl: 900\n"
	       "  harden-glue: yes\n  harden-dnssec-stripped: yes\n"
	       "  qname-minimisation: yes\n"
	       "  outgoing-range: 512\n  num-queries-per-thread: 4096\n"
	       "  outgoing-num-tcp: 32\n  incoming-num-tcp: 0\n"
	       "  infra-host-ttl: 60\n  infra-keep-probing: yes\n");
	say(t, "  rrset-cache-size: %llu\n  msg-cache-size: %llu\n",
	    (unsigned long long)c->cache * 2 / 3,
	    (unsigned long long)c->cache / 3);
	if (forward == NULL && access(ROOT_HINTS, R_OK) == 0)
		say(t, "  root-hints: \"" ROOT_HINTS "\"\n");
	say_zones(t, "domain-insecure", &c->insecure, "");
	say_local_zones(t, c);
}

/* libunbound's form: ADDRESS@PORT#NAME, always with a port. */
static void say_address(struct text *t, const char *item,
			struct dns_server server, uint16_t port)
{
	char text[DNS_SERVER_TEXT];

	if (server.addr.port == 0)
		server.addr.port = port;
	dns_server_text(&server, text);
	say(t, "  %s: \"%s\"\n", item, text);
}

static void say_stubs(struct text *t, const struct dns_config *c)
{
	char name[DNS_NAME_TEXT];
	size_t i, k;

	for (i = 0; i < c->stub.n; i++) {
		const struct dns_stub *s = &c->stub.at[i];

		for (k = 0; k < i; k++) {
			if (dns_name_equal(&s->zone, &c->stub.at[k].zone))
				break;
		}
		if (k < i) /* named already, with all of its servers */
			continue;
		dns_name_text(&s->zone, name);
		say(t, "stub-zone:\n  name: \"%s\"\n", name);
		for (k = i; k < c->stub.n; k++) {
			if (dns_name_equal(&s->zone, &c->stub.at[k].zone))
				say_address(t, "stub-addr",
					    c->stub.at[k].server, DNS_PORT);
		}
	}
}

int dns_unbound_text(const struct dns_config *c,
		     const struct dns_server *forward,
		     char out[DNS_UNBOUND_TEXT])
{
	struct text t = {out, DNS_UNBOUND_TEXT, 0};

	say_server(&t, c, forward);
	say_stubs(&t, c);
	if (forward != NULL) {
		say(&t,
		    "forward-zone:\n  name: \".\"\n  forward-first: no\n"
		    "  forward-tcp-upstream: %s\n",
		    c->tls ? "yes" : "no");
		say_address(&t, "forward-addr", *forward, DNS_PORT);
	}
	return t.n + 1 < t.cap ? (int)t.n : -1;
}

static mpp_err check_trust_anchor(const char *path, struct fault *f)
{
	const int e = access(path, R_OK) == 0 ? 0 : errno;

	if (strpbrk(path, "\"\\\n") != NULL)
		return fault_set(f, MPP_ERR_SYNTAX, EX_CONFIG,
				 "[dns] trust-anchor = %.300s: a path without "
				 "quotes and backslashes is allowed",
				 path);
	if (e == 0)
		return MPP_OK;
	return fault_set(f, e == ENOENT ? MPP_ERR_NOTFOUND : MPP_ERR_IO,
			 EX_CONFIG, "[dns] trust-anchor = %.300s: %s", path,
			 strerror(e));
}

static int read_from_memory(struct ub_ctx *ctx, const char *text, size_t n)
{
	const int fd = memfd_create("unbound.conf", MFD_CLOEXEC);
	char path[40];
	int bad = UB_READFILE;

	if (fd < 0)
		return UB_NOMEM;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (write(fd, text, n) == (ssize_t)n)
		bad = ub_ctx_config(ctx, path);
	(void)close(fd);
	return bad;
}

static void first_answer(void *user, int bad, struct ub_result *result)
{
	*(int *)user = bad;
	ub_resolve_free(result);
}

/* Have libunbound take over what it was told, and start its thread, which
 * shall leave signals to the thread that waits for them. */
static int start(struct ub_ctx *ctx)
{
	sigset_t all, before;
	int outcome = UB_INITFAIL;
	int bad;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	bad = ub_ctx_zone_remove(ctx, "nobody.invalid.");
	if (bad == 0)
		bad = ub_resolve_async(ctx, START, 1, 1, &outcome, first_answer,
				       NULL);
	if (bad == 0)
		bad = ub_wait(ctx);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return bad != 0 ? bad : outcome;
}

static int configure(struct ub_ctx *ctx, const struct dns_config *c,
		     const struct dns_server *forward)
{
	char text[DNS_UNBOUND_TEXT];
	const int n = dns_unbound_text(c, forward, text);
	int bad;

	if (n < 0)
		return UB_NOMEM;
	bad = ub_ctx_debugout(ctx, NULL);
	if (bad == 0)
		bad = read_from_memory(ctx, text, (size_t)n);
	if (bad == 0)
		bad = ub_ctx_async(ctx, 1);
	return bad != 0 ? bad : start(ctx);
}

mpp_err dns_unbound_open(const struct dns_config *c,
			 const struct dns_server *forward, struct ub_ctx **out,
			 struct fault *f)
{
	struct ub_ctx *ctx;
	mpp_err err = check_trust_anchor(c->trust_anchor, f);
	int bad;

	if (err != MPP_OK)
		return err;
	ctx = ub_ctx_create();
	if (ctx == NULL)
		return fault_set(f, MPP_ERR_NOMEM, EX_OSERR, "out of memory");
	bad = configure(ctx, c, forward);
	if (bad == 0) {
		*out = ctx;
		return MPP_OK;
	}
	ub_ctx_delete(ctx);
	if (bad == UB_NOMEM)
		return fault_set(f, MPP_ERR_NOMEM, EX_OSERR, "out of memory");
	return fault_set(f, MPP_ERR_SYNTAX, EX_CONFIG,
			 "[dns] the resolver does not start: %s; look at the "
			 "DS and DNSKEY records in trust-anchor = %.300s",
			 ub_strerror(bad), c->trust_anchor);
}
