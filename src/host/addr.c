/* SPDX-License-Identifier: MIT */
/* addr.c - see addr.h. */
#include "host/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { LABEL_MAX = 63 };

struct parts {
	char host[ADDR_HOST_MAX + 1];
	uint16_t port;
	bool bracketed;
};

/* 1..65535 in decimal, nothing else. */
static bool read_port(const char *text, uint16_t *out)
{
	uint32_t value = 0;
	size_t i;

	for (i = 0; text[i] >= '0' && text[i] <= '9' && i < 5; i++)
		value = value * 10 + (uint32_t)(text[i] - '0');
	if (text[i] != '\0' || value == 0 || value > UINT16_MAX)
		return false;
	*out = (uint16_t)value;
	return true;
}

/* Cut the host off the front; what follows it must be nothing or ":port". */
static const char *split(const char *text, struct parts *out)
{
	const char *end;
	size_t n;

	out->bracketed = text[0] == '[';
	out->port = ADDR_PORT;
	if (out->bracketed)
		text++;
	n = strcspn(text, out->bracketed ? "]" : ":");
	end = text + n;
	if (out->bracketed && *end++ != ']')
		return "the closing bracket is missing";
	if (!out->bracketed && *end == ':' && strchr(end + 1, ':') != NULL)
		return "an IPv6 address stands in brackets";
	if (n == 0)
		return "the host is missing";
	if (n > ADDR_HOST_MAX)
		return "the host is too long";
	if (*end != '\0' && (*end != ':' || !read_port(end + 1, &out->port)))
		return "a port is a number from 1 to 65535";
	memcpy(out->host, text, n);
	out->host[n] = '\0';
	return NULL;
}

static const char *read_v6(const struct parts *p, mpp_addr *out)
{
	struct in6_addr v6;

	if (inet_pton(AF_INET6, p->host, &v6) != 1)
		return "what stands in brackets is not an IPv6 address";
	if (IN6_IS_ADDR_V4MAPPED(&v6))
		return "write it as an IPv4 address";
	*out = (mpp_addr){.port = p->port, .family = 6};
	memcpy(out->ip, &v6, sizeof(v6));
	return NULL;
}

static bool read_v4(const struct parts *p, mpp_addr *out)
{
	struct in_addr v4;

	if (inet_pton(AF_INET, p->host, &v4) != 1)
		return false;
	*out = (mpp_addr){.port = p->port, .family = 4};
	memcpy(out->ip, &v4, sizeof(v4));
	return true;
}

const char *addr_wrong(const char *text, mpp_addr *out)
{
	struct parts p;
	const char *why = split(text, &p);

	if (why != NULL)
		return why;
	if (p.bracketed)
		return read_v6(&p, out);
	return read_v4(&p, out) ? NULL : "not an IP address";
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z');
}

static bool label_ok(const char *label, size_t len)
{
	size_t i;

	if (len == 0 || len > LABEL_MAX || label[0] == '-' ||
	    label[len - 1] == '-')
		return false;
	for (i = 0; i < len; i++) {
		if (!is_alnum(label[i]) && label[i] != '-' && label[i] != '_')
			return false;
	}
	return true;
}

/* As resolvers read one: decimal, octal or hexadecimal. */
static bool is_number(const char *label)
{
	const bool hex = label[0] == '0' &&
			 (label[1] == 'x' || label[1] == 'X');
	const char *digits = hex ? label + 2 : label;

	return *label != '\0' &&
	       strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789") ==
		       strlen(digits);
}

/* Labels with dots between them. The last one is no number: only an address
 * ends so, and resolvers make 127.0.0.1 of "127.1" and of "0x7f000001". */
static bool name_ok(const char *name)
{
	const char *last = strrchr(name, '.');

	if (is_number(last != NULL ? last + 1 : name))
		return false;
	for (;;) {
		const size_t n = strcspn(name, ".");

		if (!label_ok(name, n))
			return false;
		if (name[n] == '\0')
			return true;
		name += n + 1;
	}
}

const char *addr_endpoint_wrong(const char *text, char out[ADDR_ENDPOINT])
{
	struct parts p;
	mpp_addr a;
	const char *why = split(text, &p);

	if (why != NULL)
		return why;
	if (p.bracketed && (why = read_v6(&p, &a)) != NULL)
		return why;
	if (p.bracketed || read_v4(&p, &a)) {
		if (addr_is_wildcard(&a))
			return "nobody can connect to the address of all "
			       "addresses";
	} else if (!name_ok(p.host)) {
		return "the host is neither a name nor an IP address";
	}
	(void)snprintf(out, ADDR_ENDPOINT, p.bracketed ? "[%s]:%u" : "%s:%u",
		       p.host, p.port);
	return NULL;
}

void addr_text(const mpp_addr *a, char out[ADDR_TEXT])
{
	char ip[INET6_ADDRSTRLEN] = "";

	(void)inet_ntop(a->family == 6 ? AF_INET6 : AF_INET, a->ip, ip,
			sizeof(ip));
	(void)snprintf(out, ADDR_TEXT, a->family == 6 ? "[%s]:%u" : "%s:%u", ip,
		       a->port);
}

bool addr_is_wildcard(const mpp_addr *a)
{
	static const uint8_t zero[sizeof(a->ip)];

	return memcmp(a->ip, zero, sizeof(zero)) == 0;
}

socklen_t addr_to_sockaddr(const mpp_addr *a, struct sockaddr_storage *out)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	if (a->family == 6) {
		memcpy(&v6.sin6_addr, a->ip, sizeof(v6.sin6_addr));
		v6.sin6_port = htons(a->port);
		memcpy(out, &v6, sizeof(v6));
		return sizeof(v6);
	}
	memcpy(&v4.sin_addr, a->ip, sizeof(v4.sin_addr));
	v4.sin_port = htons(a->port);
	memcpy(out, &v4, sizeof(v4));
	return sizeof(v4);
}

bool addr_from_sockaddr(const struct sockaddr_storage *sa, mpp_addr *out)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (sa->ss_family == AF_INET) {
		memcpy(&v4, sa, sizeof(v4));
		*out = (mpp_addr){.port = ntohs(v4.sin_port), .family = 4};
		memcpy(out->ip, &v4.sin_addr, sizeof(v4.sin_addr));
		return true;
	}
	if (sa->ss_family == AF_INET6) {
		memcpy(&v6, sa, sizeof(v6));
		*out = (mpp_addr){.port = ntohs(v6.sin6_port), .family = 6};
		memcpy(out->ip, &v6.sin6_addr, sizeof(v6.sin6_addr));
		return true;
	}
	return false;
}
