/* SPDX-License-Identifier: MIT */
/* names.h - under which names this service is reached. */
#ifndef MPPD_NAMES_H
#define MPPD_NAMES_H

#include "conf/conf.h"
#include "host/udp.h"

/* Texts, and lists of pointers to them with NULL behind the last. */
struct names {
	char listen_text[UDP_SOCKETS_MAX][ADDR_TEXT];
	const char *listen[UDP_SOCKETS_MAX + 1];
	char endpoint_text[CONF_ENDPOINTS_MAX][ADDR_ENDPOINT];
	const char *endpoint[CONF_ENDPOINTS_MAX + 1];
	char web_text[UDP_SOCKETS_MAX][ADDR_TEXT];
	const char *web[UDP_SOCKETS_MAX + 1];
	const char *url[CONF_URLS_MAX + 1]; /* into the configuration */
};

/* Endpoints are those of the configuration; else the listen addresses, and
 * this machine's name in place of a wildcard.
 * Errors: MISSING (this machine has no name that could be used). */
MPP_MUSTCHECK mpp_err names_make(const struct conf *c, struct names *out,
				 struct fault *f);

/* The list as one text with spaces between. */
void names_join(const char *const *list, char *out, size_t cap);

#endif
