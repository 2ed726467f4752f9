/* SPDX-License-Identifier: MIT */
/* web.h - the Web Service: the client's packets as HTTP requests, by libcurl.
 *
 * Two at most are under way. Their sockets are in an epoll of their own, which
 * stands in the loop's. When an answer is no good the next URL is asked. */
#ifndef LOOP_WEB_H
#define LOOP_WEB_H

#include <curl/curl.h>
#include <mpp/loop.h>

#include "loop/weburl.h"

enum { LOOP_POSTS = 2 };

struct loop_post {
	CURL *easy; /* NULL: not under way */
	struct curl_slist *headers;
	uint32_t tag;
	size_t url; /* where it went */
	uint8_t body[MPP_PACKET_MAX];
	uint8_t *answer; /* MPP_POST_ANSWER_MAX octets */
	size_t n;
	char why[CURL_ERROR_SIZE];
};

struct loop_web {
	char urls[LOOP_WEBS_MAX][LOOP_WEB_TEXT];
	size_t n, at; /* the one in use */
	char *ca;     /* file of certificates; NULL: the system's */
	CURLM *multi; /* NULL: not needed so far */
	int epoll;    /* -1 then */
	mpp_time due; /* libcurl's timer */
	struct loop_post posts[LOOP_POSTS];
	char why[160]; /* the last failure, for people; empty: none */
};

/* Which Web Service there is. Errors: INVALID (config's URL is none), NOTFOUND
 * (there is none, and config wants nothing else), NOMEM; l->error says why. */
MPP_MUSTCHECK mpp_err loop_web_choose(mpp_loop *l,
				      const mpp_loop_config *config);

/* Is it in force? */
bool loop_web_serves(const mpp_loop *l);

/* Post all that the client has. */
void loop_web_flush(mpp_loop *l, mpp_instant now);

/* Go on with what is under way. @return whether anything was done */
bool loop_web_step(mpp_loop *l, mpp_instant now);

/* The last packet is on its way; wait a moment until it is there. */
void loop_web_finish(mpp_loop *l);

/* Nothing is under way any more, and no connection is kept: there is another
 * network, or the end. */
void loop_web_close(mpp_loop *l);

#endif
