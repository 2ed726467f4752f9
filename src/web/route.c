/* SPDX-License-Identifier: MIT */
/* route.c - which path and method means what. Contract: request.h. */
#include <stdio.h>
#include <string.h>

#include "web/request.h"

/* "*" stands for one part of a path, which becomes an argument. */
static const struct route {
	const char *path;
	const char *method;
	void (*run)(struct request *q);
	bool has_body;
} routes[] = {
	{"v1/status", "GET", look_status, false},
	{"v1/accounts", "GET", look_accounts, false},
	{"v1/accounts", "POST", change_add_account, true},
	{"v1/accounts/*", "GET", look_account, false},
	{"v1/accounts/*", "DELETE", change_remove_account, false},
	{"v1/accounts/*/invitations", "POST", invite_mint, true},
	{"v1/accounts/*/publish", "POST", change_publish, true},
	{"v1/accounts/*/devices/*", "DELETE", change_remove_device, false},
	{"v1/accounts/*/tokens", "DELETE", token_revoke, false},
	{"v1/accounts/*/devices/*/tokens", "DELETE", token_revoke, false},
	{"v1/accounts/*/devices/*/tokens", "POST", token_mint, true},
	{"v1/token-keys/*/tokens", "DELETE", token_revoke_key, false},
};

enum { ROUTES = sizeof(routes) / sizeof(routes[0]) };

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Resolve %XX in place. @return false: not well formed */
static bool unescape(char *p, size_t len, mpp_bytes *out)
{
	size_t i, n = 0;

	for (i = 0; i < len; i++, n++) {
		p[n] = p[i];
		if (p[i] != '%')
			continue;
		if (len - i < 3 || digit(p[i + 1]) < 0 || digit(p[i + 2]) < 0)
			return false;
		p[n] = (char)(digit(p[i + 1]) << 4 | digit(p[i + 2]));
		i += 2;
	}
	*out = (mpp_bytes){(uint8_t *)p, n};
	return true;
}

/* Compare part by part; the arguments are slices of the path. */
static bool matches(const char *path, const char *pattern,
		    mpp_bytes args[WEB_ARGS])
{
	size_t n, k, arg = 0;

	for (;;) {
		n = strcspn(path, "/");
		k = strcspn(pattern, "/");
		if (pattern[0] == '*' && n > 0)
			args[arg++] = (mpp_bytes){(const uint8_t *)path, n};
		else if (n != k || memcmp(path, pattern, n) != 0)
			return false;
		path += n;
		pattern += k;
		if (*path != *pattern)
			return false;
		if (*path == '\0')
			return true;
		path++;
		pattern++;
	}
}

static bool resolve_args(struct request *q)
{
	size_t i;

	for (i = 0; i < WEB_ARGS && q->args[i].p != NULL; i++) {
		char *p = q->path + ((const char *)q->args[i].p - q->path);

		if (!unescape(p, q->args[i].len, &q->args[i]))
			return false;
	}
	return true;
}

static bool same_method(const struct route *r, const char *method)
{
	return strcmp(r->method, method) == 0 ||
	       (strcmp(r->method, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

static void allow(struct request *q, const struct route *r)
{
	const size_t n = strlen(q->allow);

	(void)snprintf(q->allow + n, sizeof(q->allow) - n, "%s%s%s",
		       n == 0 ? "" : ", ", r->method,
		       strcmp(r->method, "GET") == 0 ? ", HEAD" : "");
}

/* The route, or NULL having answered 404 or 405. */
static const struct route *find(struct request *q)
{
	mpp_bytes args[WEB_ARGS] = {{NULL, 0}, {NULL, 0}};
	size_t i;

	for (i = 0; i < ROUTES && q->path[0] == '/'; i++) {
		if (!matches(q->path + 1, routes[i].path, args))
			continue;
		if (same_method(&routes[i], q->method)) {
			memcpy(q->args, args, sizeof(args));
			q->allow[0] = '\0';
			return &routes[i];
		}
		allow(q, &routes[i]);
	}
	if (q->allow[0] != '\0')
		answer_error(q, MHD_HTTP_METHOD_NOT_ALLOWED,
			     "method_not_allowed", "this path takes %s only",
			     q->allow);
	else
		answer_error(q, MHD_HTTP_NOT_FOUND, "no_such_path",
			     "there is no such path; see /v1/status, "
			     "/v1/accounts");
	return NULL;
}

static bool has_query(const struct request *q)
{
	return MHD_get_connection_values(q->connection, MHD_GET_ARGUMENT_KIND,
					 NULL, NULL) > 0;
}

void request_dispatch(struct request *q)
{
	const struct route *r;

	if (q->web->draining) {
		answer_error(q, MHD_HTTP_SERVICE_UNAVAILABLE, "stopping",
			     "mppd is stopping: ask again when it is back");
		return;
	}
	if ((r = find(q)) == NULL)
		return;
	if (q->body_len > WEB_BODY_MAX)
		answer_error(q, MHD_HTTP_CONTENT_TOO_LARGE, "too_large",
			     "a body has at most %d octets", WEB_BODY_MAX);
	else if (!r->has_body && q->body_len > 0)
		answer_error(q, MHD_HTTP_BAD_REQUEST, "unexpected_body",
			     "this request takes no body");
	else if (has_query(q))
		answer_error(q, MHD_HTTP_BAD_REQUEST, "unexpected_query",
			     "this path takes nothing behind '?'");
	else if (!resolve_args(q))
		answer_error(q, MHD_HTTP_BAD_REQUEST, "bad_path",
			     "after %% in a path two hexadecimal digits are "
			     "due");
	else
		r->run(q);
}
