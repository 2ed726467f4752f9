/* SPDX-License-Identifier: MIT */
/* netcheck_show.c - the report of a check. Contract: netcheck_show.h. */
#include "mpp/netcheck_show.h"

#include <stdio.h>

#include "host/addr.h"
#include "mpp/complain.h"
#include "mpp/show.h"
#include "netcheck/advice.h"

static void text_lifetime(const struct lifetime_report *l)
{
	(void)fputs("  lifetime    ", stdout);
	if (l->method == METHOD_NOT_TESTED)
		(void)puts("not tested (--lifetime: up to 6 minutes)");
	else if (l->method == METHOD_IMPOSSIBLE)
		(void)puts(method_text(l->method));
	else if (l->less_than_ms == 0)
		(void)printf("%u s or more, %s\n", l->at_least_ms / 1000,
			     method_text(l->method));
	else
		(void)printf("between %u s and %u s, %s\n",
			     l->at_least_ms / 1000, l->less_than_ms / 1000,
			     method_text(l->method));
}

static void text_size(const char *way, const struct size_report *s)
{
	if (s->passes == 0 && s->fails == 0)
		(void)printf("%s unknown", way);
	else if (s->passes == 0)
		(void)printf("%s less than %u octets", way, s->fails);
	else if (s->fails == 0)
		(void)printf("%s %u octets", way, s->passes);
	else
		(void)printf("%s %u octets (%u do not pass)", way, s->passes,
			     s->fails);
}

static void text_sizes(const struct path_report *p)
{
	(void)fputs("  packets     ", stdout);
	text_size("up", &p->up);
	(void)fputs(", ", stdout);
	text_size("down", &p->down);
	(void)putchar('\n');
}

static void text_trips(const struct trips_report *t)
{
	if (t->sent > t->lost)
		(void)printf("  round trip  %.1f ms (median), %.1f to %.1f ms "
			     "(least, 95 %%)\n",
			     t->median_us / 1000.0, t->min_us / 1000.0,
			     t->p95_us / 1000.0);
	(void)printf("  loss        %u of %u\n", t->lost, t->sent);
}

static void text_nat(const struct path_report *p)
{
	const char *why = p->alternate ? "" : " (the server has one address)";

	(void)printf("  mapping     %s%s\n", mapping_text(p->mapping),
		     p->mapping == MAPPING_UNKNOWN ? why : "");
	(void)printf("  filtering   %s%s\n", filtering_text(p->filtering),
		     p->filtering == FILTERING_UNKNOWN ? why : "");
	if (p->nat == ANSWER_YES)
		(void)printf("  ports kept  %s\n  hairpinning %s\n",
			     yesno_text(p->ports_kept),
			     yesno_text(p->hairpinning));
}

static void text_path(const char *name, const struct path_report *p)
{
	char server[ADDR_TEXT], mapped[ADDR_TEXT], local[ADDR_TEXT];

	(void)printf("\n%s\n", name);
	if (!p->tested) {
		(void)puts("  not tested");
		return;
	}
	addr_text(&p->server, server);
	if (!p->answered) {
		(void)printf("  UDP         %s %s\n",
			     !p->have_local ? "no way to"
			     : p->refused   ? "refused by"
					    : "no answer from",
			     server);
		return;
	}
	addr_text(&p->mapped, mapped);
	addr_text(&p->local, local);
	(void)printf("  UDP         open to %s\n", server);
	(void)printf("  address     %s%s%s\n", mapped,
		     p->nat == ANSWER_YES ? ", here " : ", no NAT",
		     p->nat == ANSWER_YES ? local : "");
	text_nat(p);
	text_lifetime(&p->lifetime);
	text_sizes(p);
	text_trips(&p->trips);
}

static void text_connection(const struct report *r)
{
	if (r->connection == CONNECTION_WORKS)
		(void)printf("connection    works, after %.1f ms\n",
			     r->connection_us / 1000.0);
	else if (r->connection == CONNECTION_FAILS)
		(void)printf("connection    %s\n", r->connection_text);
	if (r->web == WEB_WORKS)
		(void)printf("web           works, after %.1f ms: %s\n",
			     r->web_us / 1000.0, r->web_url);
	else if (r->web == WEB_FAILS)
		(void)printf("web           %s: %s\n", r->web_url, r->web_text);
	if (!r->have_clock)
		return;
	(void)printf("clock         the service's is %.1f s %s\n",
		     (double)(r->clock_ms < 0 ? -r->clock_ms : r->clock_ms) /
			     1000.0,
		     r->clock_ms < 0 ? "behind" : "ahead");
}

int netcheck_show_text(const struct report *r, const char *server)
{
	enum advice advice[ADVICE_MAX];
	const size_t n = advice_of(r, advice);
	size_t i;

	(void)printf("service       %s\n", server);
	text_connection(r);
	text_path("IPv4", &r->v4);
	text_path("IPv6", &r->v6);
	(void)puts(n == 0 ? "\nAll is well." : "\nWhat to do:");
	for (i = 0; i < n; i++)
		(void)printf("- %s\n", advice_text(advice[i]));
	return complain_stdout();
}

static void json_addr(mpp_json_writer *w, const char *name, const mpp_addr *a)
{
	char text[ADDR_TEXT];

	if (a->family == 0)
		return;
	addr_text(a, text);
	mpp_json_cstring(w, name, text);
}

static void json_answer(mpp_json_writer *w, const char *name, enum yesno a)
{
	mpp_json_cstring(w, name, yesno_word(a));
}

static void json_lifetime(mpp_json_writer *w, const struct lifetime_report *l)
{
	mpp_json_object(w, "lifetime");
	mpp_json_cstring(w, "method", method_word(l->method));
	if (l->at_least_ms != 0)
		mpp_json_uint(w, "at_least_ms", l->at_least_ms);
	if (l->less_than_ms != 0)
		mpp_json_uint(w, "less_than_ms", l->less_than_ms);
	mpp_json_close(w);
}

static void json_size(mpp_json_writer *w, const char *name,
		      const struct size_report *s)
{
	if (s->passes == 0 && s->fails == 0)
		return;
	mpp_json_object(w, name);
	if (s->passes != 0)
		mpp_json_uint(w, "passes", s->passes);
	if (s->fails != 0)
		mpp_json_uint(w, "fails", s->fails);
	mpp_json_close(w);
}

static void json_trips(mpp_json_writer *w, const struct trips_report *t)
{
	mpp_json_object(w, "round_trips");
	mpp_json_uint(w, "sent", t->sent);
	mpp_json_uint(w, "lost", t->lost);
	if (t->sent > t->lost) {
		mpp_json_uint(w, "min_us", t->min_us);
		mpp_json_uint(w, "median_us", t->median_us);
		mpp_json_uint(w, "p95_us", t->p95_us);
	}
	mpp_json_close(w);
}

static const char *udp_word(const struct path_report *p)
{
	if (!p->have_local)
		return "no-route";
	if (p->refused)
		return "refused";
	return p->answered ? "open" : "no-answer";
}

static void json_path(mpp_json_writer *w, const char *name,
		      const struct path_report *p)
{
	if (!p->tested)
		return;
	mpp_json_object(w, name);
	json_addr(w, "server", &p->server);
	mpp_json_cstring(w, "udp", udp_word(p));
	if (p->answered) {
		json_addr(w, "local", &p->local);
		json_addr(w, "external", &p->mapped);
		json_answer(w, "nat", p->nat);
		mpp_json_bool(w, "alternate", p->alternate);
		mpp_json_cstring(w, "mapping", mapping_word(p->mapping));
		mpp_json_cstring(w, "filtering", filtering_word(p->filtering));
		json_answer(w, "ports_kept", p->ports_kept);
		json_answer(w, "hairpinning", p->hairpinning);
		json_lifetime(w, &p->lifetime);
		mpp_json_object(w, "packets");
		json_size(w, "up", &p->up);
		json_size(w, "down", &p->down);
		mpp_json_close(w);
		json_trips(w, &p->trips);
	}
	mpp_json_close(w);
}

static void json_connection(mpp_json_writer *w, const struct report *r)
{
	const bool works = r->connection == CONNECTION_WORKS;

	if (r->connection == CONNECTION_NOT_TRIED)
		return;
	mpp_json_object(w, "connection");
	mpp_json_bool(w, "works", works);
	if (works)
		mpp_json_uint(w, "after_us", r->connection_us);
	else
		mpp_json_cstring(w, "why", r->connection_text);
	mpp_json_close(w);
}

static void json_web(mpp_json_writer *w, const struct report *r)
{
	const bool works = r->web == WEB_WORKS;

	if (r->web == WEB_NOT_TRIED)
		return;
	mpp_json_object(w, "web");
	mpp_json_cstring(w, "url", r->web_url);
	mpp_json_bool(w, "works", works);
	if (works)
		mpp_json_uint(w, "after_us", r->web_us);
	else
		mpp_json_cstring(w, "why", r->web_text);
	mpp_json_close(w);
}

int netcheck_show_json(const struct report *r, const char *server)
{
	enum advice advice[ADVICE_MAX];
	const size_t n = advice_of(r, advice);
	mpp_json_writer w;
	size_t i;

	show_json_begin(&w);
	mpp_json_cstring(&w, "event", "netcheck");
	mpp_json_cstring(&w, "service", server);
	json_connection(&w, r);
	json_web(&w, r);
	if (r->have_clock)
		mpp_json_int(&w, "clock_ahead_ms", r->clock_ms);
	json_path(&w, "ipv4", &r->v4);
	json_path(&w, "ipv6", &r->v6);
	mpp_json_array(&w, "advice");
	for (i = 0; i < n; i++)
		mpp_json_cstring(&w, NULL, advice_word(advice[i]));
	mpp_json_close(&w);
	return show_json_end(&w);
}
