/* SPDX-License-Identifier: MIT */
/* netcheck_web.h - does the Web Service of the enrolment answer? An empty
 * request is asked of each URL: a service says that it is no packet (400), and
 * what says anything else is none. */
#ifndef MPP_NETCHECK_WEB_H
#define MPP_NETCHECK_WEB_H

#include <poll.h>

#include <curl/curl.h>

#include "loop/state.h"
#include "netcheck/report.h"

enum { NETCHECK_WEB_WHY = CURL_ERROR_SIZE + LOOP_WEB_TEXT + 64 };

struct netcheck_web {
	CURLM *multi; /* NULL: there is nothing to ask */
	struct curl_slist *headers;
	struct netcheck_web_try {
		CURL *easy; /* NULL: over */
		char error[CURL_ERROR_SIZE];
	} tries[LOOP_WEBS_MAX];
	size_t n, open;
	bool works;
	uint32_t after_us;
	char url[LOOP_WEB_TEXT];    /* that works, or fails */
	char why[NETCHECK_WEB_WHY]; /* of the first that failed */
};

/* Begin to ask; where that is not possible nothing is asked.
 * @param s borrowed: the URLs */
void netcheck_web_open(struct netcheck_web *w, const struct loop_state *s,
		       uint32_t timeout_ms);
void netcheck_web_close(struct netcheck_web *w);

/* Go on; it never blocks. */
void netcheck_web_step(struct netcheck_web *w);
bool netcheck_web_done(const struct netcheck_web *w);
/* poll(2), and until there is something to do here too. */
void netcheck_web_poll(struct netcheck_web *w, struct pollfd *fds, size_t n,
		       int ms);
/* The texts are lent until netcheck_web_close(). */
void netcheck_web_report(const struct netcheck_web *w, struct report *out);

#endif
