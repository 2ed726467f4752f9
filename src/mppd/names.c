/* SPDX-License-Identifier: MIT */
/* names.c - see names.h. */
#include "mppd/names.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static void add_endpoint(struct names *n, const char *text)
{
	size_t i;

	for (i = 0; n->endpoint[i] != NULL; i++) {
		if (strcmp(n->endpoint[i], text) == 0)
			return;
	}
	if (i == CONF_ENDPOINTS_MAX)
		return;
	(void)snprintf(n->endpoint_text[i], ADDR_ENDPOINT, "%s", text);
	n->endpoint[i] = n->endpoint_text[i];
	n->endpoint[i + 1] = NULL;
}

static mpp_err add_hostname(struct names *n, uint16_t port, struct fault *f)
{
	char host[ADDR_HOST_MAX + 1] = "";
	char text[ADDR_HOST_MAX + 8], endpoint[ADDR_ENDPOINT];

	if (gethostname(host, sizeof(host) - 1) != 0)
		host[0] = '\0';
	(void)snprintf(text, sizeof(text), "%s:%u", host, port);
	if (addr_endpoint_wrong(text, endpoint) != NULL)
		return fault_set(f, MPP_ERR_MISSING, EX_CONFIG,
				 "this machine's name \"%s\" cannot stand in "
				 "invitations: set [service] endpoint",
				 host);
	add_endpoint(n, endpoint);
	return MPP_OK;
}

static mpp_err add_derived(const struct conf *c, struct names *n,
			   struct fault *f)
{
	mpp_err err;
	size_t i;

	for (i = 0; i < c->listen.n; i++) {
		if (!addr_is_wildcard(&c->listen.at[i])) {
			add_endpoint(n, n->listen_text[i]);
			continue;
		}
		err = add_hostname(n, c->listen.at[i].port, f);
		if (err != MPP_OK)
			return err;
	}
	return MPP_OK;
}

mpp_err names_make(const struct conf *c, struct names *out, struct fault *f)
{
	size_t i;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < c->listen.n; i++) {
		addr_text(&c->listen.at[i], out->listen_text[i]);
		out->listen[i] = out->listen_text[i];
	}
	for (i = 0; i < c->web_url.n; i++)
		out->url[i] = c->web_url.at[i];
	for (i = 0; i < c->web_listen.n; i++) {
		addr_text(&c->web_listen.at[i], out->web_text[i]);
		out->web[i] = out->web_text[i];
	}
	for (i = 0; i < c->endpoint.n; i++)
		add_endpoint(out, c->endpoint.at[i]);
	return c->endpoint.n > 0 ? MPP_OK : add_derived(c, out, f);
}

void names_join(const char *const *list, char *out, size_t cap)
{
	size_t n = 0;

	out[0] = '\0';
	for (; *list != NULL && n < cap; list++)
		n += (size_t)snprintf(out + n, cap - n, "%s%s",
				      n == 0 ? "" : " ", *list);
}
