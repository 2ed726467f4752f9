/* SPDX-License-Identifier: MIT */
/* config.c - words of section [dns]. Contract: config.h. */
#include "dns/config.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool parse_ip(const char *text, mpp_addr *out)
{
	mpp_addr a = {.port = 0};

	if (inet_pton(AF_INET, text, a.ip) == 1)
		a.family = 4;
	else if (inet_pton(AF_INET6, text, a.ip) == 1)
		a.family = 6;
	else
		return false;
	*out = a;
	return true;
}

static bool parse_port(const char *text, uint16_t *out)
{
	const size_t n = strspn(text, "0123456789");
	const unsigned long v = strtoul(text, NULL, 10);

	if (n == 0 || n > 5 || text[n] != '\0' || v == 0 || v > 65535)
		return false;
	*out = (uint16_t)v;
	return true;
}

/* A host name, as certificates have it. */
static bool is_host(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
	struct dns_name n;

	return strspn(name, letters) == strlen(name) && name[0] != '.' &&
	       dns_name_parse(name, &n);
}

const char *dns_server_wrong(const char *word, struct dns_server *out)
{
	struct dns_server s = {.name = ""};
	char copy[DNS_SERVER_TEXT];
	char *port, *name;
	uint16_t n = 0;

	if (strlen(word) >= sizeof(copy))
		return "too long";
	(void)stpcpy(copy, word);
	if ((name = strchr(copy, '#')) != NULL)
		*name++ = '\0';
	if ((port = strchr(copy, '@')) != NULL)
		*port++ = '\0';
	if (!parse_ip(copy, &s.addr))
		return "not an IP address";
	if (port != NULL && !parse_port(port, &n))
		return "no port from 1 to 65535 behind '@'";
	if (name != NULL && (strlen(name) > ADDR_HOST_MAX || !is_host(name)))
		return "no host name behind '#'";
	s.addr.port = n;
	if (name != NULL)
		(void)stpcpy(s.name, name);
	*out = s;
	return NULL;
}

const char *dns_zone_wrong(const char *word, struct dns_name *out)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";

	if (strspn(word, letters) != strlen(word) || !dns_name_parse(word, out))
		return "not the name of a zone";
	return NULL;
}

const char *dns_stub_wrong(const char *word, struct dns_stub *out)
{
	const char *server = strchr(word, '=');
	char zone[DNS_NAME + 1];
	struct dns_stub s;
	const char *wrong;

	if (server == NULL || server - word >= (ptrdiff_t)sizeof(zone))
		return "no zone before '='";
	memcpy(zone, word, (size_t)(server - word));
	zone[server - word] = '\0';
	if ((wrong = dns_zone_wrong(zone, &s.zone)) != NULL ||
	    (wrong = dns_server_wrong(server + 1, &s.server)) != NULL)
		return wrong;
	if (s.server.name[0] != '\0')
		return "servers of zones are asked without TLS, so no '#'";
	*out = s;
	return NULL;
}

void dns_server_text(const struct dns_server *s, char out[DNS_SERVER_TEXT])
{
	char ip[INET6_ADDRSTRLEN] = "";
	char port[8] = "";

	(void)inet_ntop(s->addr.family == 4 ? AF_INET : AF_INET6, s->addr.ip,
			ip, sizeof(ip));
	if (s->addr.port != 0)
		(void)snprintf(port, sizeof(port), "@%u", s->addr.port);
	(void)snprintf(out, DNS_SERVER_TEXT, "%s%s%s%s", ip, port,
		       s->name[0] != '\0' ? "#" : "", s->name);
}

bool dns_zones_have(const struct dns_zones *zones, const struct dns_name *name)
{
	size_t i;

	for (i = 0; i < zones->n; i++) {
		if (dns_name_in(name, &zones->at[i]))
			return true;
	}
	return false;
}
