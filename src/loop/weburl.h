/* SPDX-License-Identifier: MIT */
/* weburl.h - where a Web Service is: an https URL. */
#ifndef LOOP_WEBURL_H
#define LOOP_WEBURL_H

#include <mpp/base.h>

#include "loop/endpoint.h"

enum {
	LOOP_WEBS_MAX = 4,
	LOOP_WEB_PATH_MAX = 100,
	/* "https://" host:port path, with NUL */
	LOOP_WEB_TEXT = 8 + LOOP_ENDPOINT_TEXT + LOOP_WEB_PATH_MAX,
};

/* "https://HOST[:PORT][/PATH]", and the same with http:// for a host that is
 * this machine. Without a path it is completed by the well-known one.
 * any_http: http:// is good for any host.
 * @param out  what a request goes to; untouched when it is wrong
 * @return NULL, or what is wrong */
const char *loop_weburl_wrong(mpp_bytes text, bool any_http,
			      char out[LOOP_WEB_TEXT]);

#endif
