/* SPDX-License-Identifier: MIT */
/* resolver.c - the lists of section [dns]. Contract: resolver.h. */
#include "conf/resolver.h"

#include <stdio.h>
#include <string.h>

static const char between[] = " \t,";

/* Cut the next word off a list. @return its length, 0 at the end */
static size_t next_word(const char **at, char word[CONF_LINE + 1])
{
	size_t n;

	*at += strspn(*at, between);
	n = strcspn(*at, between);
	if (n > CONF_LINE)
		n = CONF_LINE;
	memcpy(word, *at, n);
	word[n] = '\0';
	*at += n;
	return n;
}

/* What the lists hold, one at a time: set_list() copies it back when all of
 * the words were right. */
union list {
	struct dns_servers servers;
	struct dns_stubs stubs;
	struct dns_zones zones;
};

static const char *add_server(struct dns_servers *list, const char *word)
{
	struct dns_server s;
	const char *wrong = dns_server_wrong(word, &s);
	size_t i;

	for (i = 0; wrong == NULL && i < list->n; i++) {
		if (memcmp(&list->at[i].addr, &s.addr, sizeof(s.addr)) == 0)
			wrong = "it stands there twice";
	}
	if (wrong == NULL && list->n == DNS_SERVERS_MAX)
		wrong = "more than 4 resolvers";
	if (wrong == NULL)
		list->at[list->n++] = s;
	return wrong;
}

static const char *add_stub(struct dns_stubs *list, const char *word)
{
	struct dns_stub s;
	const char *wrong = dns_stub_wrong(word, &s);

	if (wrong == NULL && list->n == DNS_STUBS_MAX)
		wrong = "more than 8 servers of zones";
	if (wrong == NULL)
		list->at[list->n++] = s;
	return wrong;
}

static const char *add_zone(struct dns_zones *list, const char *word)
{
	struct dns_name zone;
	const char *wrong = dns_zone_wrong(word, &zone);

	if (wrong == NULL && list->n == DNS_ZONES_MAX)
		wrong = "more than 16 zones";
	if (wrong == NULL)
		list->at[list->n++] = zone;
	return wrong;
}

static const char *add(union list *list, enum conf_kind kind, const char *word)
{
	return kind == CONF_KIND_SERVERS ? add_server(&list->servers, word)
	       : kind == CONF_KIND_STUBS ? add_stub(&list->stubs, word)
					 : add_zone(&list->zones, word);
}

static size_t size_of(enum conf_kind kind)
{
	return kind == CONF_KIND_SERVERS ? sizeof(struct dns_servers)
	       : kind == CONF_KIND_STUBS ? sizeof(struct dns_stubs)
					 : sizeof(struct dns_zones);
}

static const char *allowed(enum conf_kind kind)
{
	return kind == CONF_KIND_SERVERS
		       ? "a list such as 192.0.2.1, 2001:db8::1@853#name"
	       : kind == CONF_KIND_STUBS
		       ? "a list such as corp.example=192.0.2.1@53"
		       : "a list such as corp.example, home.arpa";
}

bool resolver_set(struct conf *c, const struct conf_row *row, const char *text,
		  char why[CONF_WHY])
{
	union list list;
	char word[CONF_LINE + 1];
	const char *wrong;

	memset(&list, 0, sizeof(list));
	while (next_word(&text, word) > 0) {
		if ((wrong = add(&list, row->kind, word)) == NULL)
			continue;
		(void)snprintf(why, CONF_WHY, "%.80s: %s; %s is allowed", word,
			       wrong, allowed(row->kind));
		return false;
	}
	memcpy((char *)c + row->offset, &list, size_of(row->kind));
	return true;
}

static char *servers_text(const struct dns_servers *list, char *at)
{
	char word[DNS_SERVER_TEXT];
	size_t i;

	for (i = 0; i < list->n; i++) {
		dns_server_text(&list->at[i], word);
		at = stpcpy(stpcpy(at, i > 0 ? " " : ""), word);
	}
	return at;
}

/* As it was written: without the dot at the end, which might not fit a line
 * any more. */
static char *zone_text(const struct dns_name *zone, char *at)
{
	char word[DNS_NAME_TEXT];
	size_t n;

	dns_name_text(zone, word);
	n = strlen(word);
	if (n > 1)
		word[n - 1] = '\0';
	return stpcpy(at, word);
}

static char *stubs_text(const struct dns_stubs *list, char *at)
{
	char word[DNS_SERVER_TEXT];
	size_t i;

	for (i = 0; i < list->n; i++) {
		at = stpcpy(at, i > 0 ? " " : "");
		at = zone_text(&list->at[i].zone, at);
		dns_server_text(&list->at[i].server, word);
		at = stpcpy(stpcpy(at, "="), word);
	}
	return at;
}

static char *zones_text(const struct dns_zones *list, char *at)
{
	size_t i;

	for (i = 0; i < list->n; i++) {
		at = stpcpy(at, i > 0 ? " " : "");
		at = zone_text(&list->at[i], at);
	}
	return at;
}

void resolver_text(const struct conf *c, const struct conf_row *row,
		   char out[CONF_VALUE])
{
	const void *at = (const char *)c + row->offset;

	if (row->kind == CONF_KIND_SERVERS)
		*servers_text(at, out) = '\0';
	else if (row->kind == CONF_KIND_STUBS)
		*stubs_text(at, out) = '\0';
	else
		*zones_text(at, out) = '\0';
}

const char *resolver_wrong(const struct conf *c, enum conf_item *item)
{
	size_t i;

	*item = CONF_dns_tls;
	if (c->dns_tls != 0 && c->dns_forward.n == 0)
		return "tls = yes needs forward: whoever is asked from the "
		       "root speaks no TLS";
	*item = CONF_dns_forward;
	for (i = 0; i < c->dns_forward.n; i++) {
		if (c->dns_tls != 0 && c->dns_forward.at[i].name[0] == '\0')
			return "with tls = yes each of forward needs the "
			       "#NAME that its certificate must have";
		if (c->dns_tls == 0 && c->dns_forward.at[i].name[0] != '\0')
			return "a #NAME in forward needs tls = yes: without, "
			       "nobody would be held to it";
	}
	return NULL;
}

void conf_dns(const struct conf *c, struct dns_config *out)
{
	*out = (struct dns_config){
		.forward = c->dns_forward,
		.tls = c->dns_tls != 0,
		.ca = c->dns_ca.s,
		.trust_anchor = c->dns_trust_anchor.s,
		.stub = c->dns_stub,
		.insecure = c->dns_insecure,
		.private_ok = c->dns_private_ok,
		.outstanding = (uint32_t)c->dns_outstanding,
		.deadline_ms = c->dns_deadline_ms,
		.cache = c->dns_cache,
	};
}
