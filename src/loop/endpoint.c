/* SPDX-License-Identifier: MIT */
/* endpoint.c - where a service is. Contract: endpoint.h. */
#include "loop/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { LABEL_MAX = 63 };

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_label_char(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

/* 1..65535 in decimal, nothing else. */
static bool port_read(mpp_bytes text, uint16_t *port)
{
	uint32_t value = 0;
	size_t i;

	if (text.len == 0 || text.len > 5)
		return false;
	for (i = 0; i < text.len; i++) {
		if (!is_digit((char)text.p[i]))
			return false;
		value = value * 10 + (uint32_t)(text.p[i] - '0');
	}
	if (value == 0 || value > UINT16_MAX)
		return false;
	*port = (uint16_t)value;
	return true;
}

/* A label of a name; the caller looks at the dots. */
static bool label_ok(const char *label, size_t len)
{
	size_t i;

	if (len == 0 || len > LABEL_MAX || label[0] == '-' ||
	    label[len - 1] == '-')
		return false;
	for (i = 0; i < len; i++) {
		if (!is_label_char(label[i]))
			return false;
	}
	return true;
}

/* A number as resolvers read one: decimal, octal or hexadecimal. */
static bool is_number(const char *p, size_t n)
{
	const bool hex = n > 1 && p[0] == '0' && (p[1] == 'x' || p[1] == 'X');
	const char *digits = hex ? "0123456789abcdefABCDEF" : "0123456789";

	return n > 0 && strspn(hex ? p + 2 : p, digits) >= (hex ? n - 2 : n);
}

/* Only an address ends in a number; resolvers make 127.0.0.1 of "127.1" and of
 * "0x7f000001", and that is not what was meant. A dot may end a name. */
static bool looks_like_ipv4(const char *host)
{
	size_t end = strlen(host), at;

	if (end > 0 && host[end - 1] == '.')
		end--;
	for (at = end; at > 0 && host[at - 1] != '.';)
		at--;
	return is_number(host + at, end - at);
}

static const char *v4_wrong(const char *host)
{
	struct in_addr v4;

	if (inet_pton(AF_INET, host, &v4) != 1)
		return "the host is not an IPv4 address";
	return v4.s_addr == htonl(INADDR_ANY) ? "0.0.0.0 is nobody's address"
					      : NULL;
}

static const char *name_wrong(const char *host)
{
	const char *at = host;
	size_t n;

	if (looks_like_ipv4(host))
		return v4_wrong(host);
	for (;;) {
		n = strcspn(at, ".");
		if (!label_ok(at, n))
			return "the host is not a name (international names "
			       "are written in their xn-- form)";
		at += n;
		if (*at == '\0' || at[1] == '\0')
			return NULL;
		at++;
	}
}

static const char *v6_wrong(const char *host)
{
	struct in6_addr v6;

	if (inet_pton(AF_INET6, host, &v6) != 1)
		return "what stands in brackets is not an IPv6 address";
	if (IN6_IS_ADDR_V4MAPPED(&v6))
		return "write it as an IPv4 address";
	return IN6_IS_ADDR_UNSPECIFIED(&v6) ? "[::] is nobody's address" : NULL;
}

/* Where the host lies, and what follows it: nothing or ":port". */
static const char *split(mpp_bytes text, mpp_bytes *host, mpp_bytes *rest)
{
	const uint8_t *end;
	const bool v6 = text.len > 0 && text.p[0] == '[';

	if (text.len == 0)
		return "the host is missing";
	if (v6) {
		text = (mpp_bytes){text.p + 1, text.len - 1};
		end = memchr(text.p, ']', text.len);
		if (end == NULL)
			return "the closing bracket is missing";
	} else {
		end = memchr(text.p, ':', text.len);
		if (end == NULL)
			end = text.p + text.len;
	}
	*host = (mpp_bytes){text.p, (size_t)(end - text.p)};
	*rest = (mpp_bytes){end + v6, text.len - host->len - v6};
	return NULL;
}

const char *loop_endpoint_wrong(mpp_bytes text, struct loop_endpoint *out)
{
	struct loop_endpoint ep = {.port = LOOP_PORT};
	mpp_bytes host, rest;
	const char *wrong = split(text, &host, &rest);

	if (wrong != NULL)
		return wrong;
	if (text.p[0] != '[' && rest.len > 1 &&
	    memchr(rest.p + 1, ':', rest.len - 1) != NULL)
		return "an IPv6 address must stand in brackets";
	if (host.len == 0)
		return "the host is missing";
	if (host.len > LOOP_HOST_MAX)
		return "the host is too long";
	if (memchr(host.p, 0, host.len) != NULL)
		return "the host is not a name";
	memcpy(ep.host, host.p, host.len);
	wrong = text.p[0] == '[' ? v6_wrong(ep.host) : name_wrong(ep.host);
	if (wrong != NULL)
		return wrong;
	if (rest.len > 0 && rest.p[0] != ':')
		return "only :PORT may follow the host";
	if (rest.len > 0 &&
	    !port_read((mpp_bytes){rest.p + 1, rest.len - 1}, &ep.port))
		return "the port is not a number from 1 to 65535";
	*out = ep;
	return NULL;
}

static void join(const char *host, uint16_t port, char out[LOOP_ENDPOINT_TEXT])
{
	const bool v6 = strchr(host, ':') != NULL;

	(void)snprintf(out, LOOP_ENDPOINT_TEXT, v6 ? "[%s]:%u" : "%s:%u", host,
		       (unsigned)port);
}

void loop_endpoint_text(const struct loop_endpoint *ep,
			char out[LOOP_ENDPOINT_TEXT])
{
	join(ep->host, ep->port, out);
}

void loop_addr_text(const mpp_addr *addr, char out[LOOP_ENDPOINT_TEXT])
{
	const int family = addr->family == 6 ? AF_INET6 : AF_INET;
	char host[INET6_ADDRSTRLEN];

	if (addr->family == 0 ||
	    inet_ntop(family, addr->ip, host, sizeof(host)) == NULL)
		out[0] = '\0';
	else
		join(host, addr->port, out);
}

static mpp_addr plain(const struct loop_address *address)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	mpp_addr out = {.family = 0};

	if (address->sa.ss_family == AF_INET) {
		memcpy(&v4, &address->sa, sizeof(v4));
		memcpy(out.ip, &v4.sin_addr, 4);
		out.port = ntohs(v4.sin_port);
		out.family = 4;
	} else if (address->sa.ss_family == AF_INET6) {
		memcpy(&v6, &address->sa, sizeof(v6));
		memcpy(out.ip, &v6.sin6_addr, 16);
		out.port = ntohs(v6.sin6_port);
		out.family = 6;
	}
	return out;
}

void loop_address_text(const struct loop_address *address,
		       char out[LOOP_ENDPOINT_TEXT])
{
	const mpp_addr addr = plain(address);

	loop_addr_text(&addr, out);
}

bool loop_address_same(const struct loop_address *a,
		       const struct loop_address *b)
{
	return a->len == b->len && memcmp(&a->sa, &b->sa, a->len) == 0;
}
