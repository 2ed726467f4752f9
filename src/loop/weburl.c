/* SPDX-License-Identifier: MIT */
/* weburl.c - where a Web Service is. Contract: weburl.h. */
#include "loop/weburl.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char well_known[] = "/.well-known/mmmpresence";

/* @return whether it stood there */
static bool take_scheme(mpp_bytes *text, const char *scheme)
{
	const size_t n = strlen(scheme);

	if (text->len < n || strncasecmp((const char *)text->p, scheme, n) != 0)
		return false;
	*text = (mpp_bytes){text->p + n, text->len - n};
	return true;
}

static bool is_here(const char *host)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET, host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	if (inet_pton(AF_INET6, host, &v6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&v6);
	return strcasecmp(host, "localhost") == 0;
}

/* Of RFC 3986 what needs no second thought: no query, no fragment, no %XX, and
 * no part that leads up. */
static const char *path_wrong(mpp_bytes path)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789-._~/";
	size_t i;

	if (path.len > LOOP_WEB_PATH_MAX)
		return "the path of the Web Service's URL is too long";
	for (i = 0; i < path.len; i++) {
		if (path.p[i] == '\0' || strchr(good, path.p[i]) == NULL)
			return "the path of the Web Service's URL may hold "
			       "letters, digits and - . _ ~ /";
		if (path.p[i] == '.' && i + 1 < path.len &&
		    path.p[i + 1] == '.')
			return "the path of the Web Service's URL must not "
			       "hold ..";
	}
	return NULL;
}

const char *loop_weburl_wrong(mpp_bytes text, bool any_http,
			      char out[LOOP_WEB_TEXT])
{
	const bool tls = take_scheme(&text, "https://");
	char authority[LOOP_ENDPOINT_TEXT];
	struct loop_endpoint ep;
	mpp_bytes host, path;
	const uint8_t *slash;
	const char *wrong;

	if (!tls && !take_scheme(&text, "http://"))
		return "the Web Service's URL does not begin with https://";
	slash = text.len == 0 ? NULL : memchr(text.p, '/', text.len);
	host = (mpp_bytes){text.p,
			   slash == NULL ? text.len : (size_t)(slash - text.p)};
	path = (mpp_bytes){text.p + host.len, text.len - host.len};
	if ((wrong = loop_endpoint_wrong(host, &ep)) != NULL ||
	    (wrong = path_wrong(path)) != NULL)
		return wrong;
	if (!tls && !any_http && !is_here(ep.host))
		return "the Web Service's URL must begin with https://, "
		       "because its host is not this machine";
	/* A port that was not said is that of the scheme. */
	if (host.len > 0 && (host.p[host.len - 1] == ']' ||
			     memchr(host.p, ':', host.len) == NULL))
		ep.port = tls ? 443 : 80;
	loop_endpoint_text(&ep, authority);
	(void)snprintf(out, LOOP_WEB_TEXT, "%s%s%.*s",
		       tls ? "https://" : "http://", authority,
		       path.len > 1 ? (int)path.len
				    : (int)sizeof(well_known) - 1,
		       path.len > 1 ? (const char *)path.p : well_known);
	return NULL;
}
