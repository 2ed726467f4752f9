/* SPDX-License-Identifier: MIT */
/* web.c - the client's packets as HTTP requests. Contract: web.h. */
#include "loop/web.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "loop/fail.h"
#include "loop/loop.h"
#include "loop/names.h"

enum {
	CONNECT_MS = 5000,
	ANSWER_MS = 9000, /* beside the wait: before the client gives it up */
	EVENTS_AT_ONCE = 8,
	FINISH_US = 1000000,
	FINISH_STEP_MS = 50,
	HTTP_OK = 200,
};

/* ---- which one ---- */

static mpp_err set_url(mpp_loop *l, const char *url)
{
	const char *wrong = loop_weburl_wrong((mpp_bytes){(const uint8_t *)url,
							  strlen(url)},
					      true, l->web.urls[0]);

	if (wrong != NULL)
		return loop_fail(&l->error, MPP_ERR_INVALID, EX_USAGE, "%s",
				 wrong);
	l->web.n = 1;
	return MPP_OK;
}

mpp_err loop_web_choose(mpp_loop *l, const mpp_loop_config *config)
{
	struct loop_web *w = &l->web;

	memcpy(w->urls, l->state.webs, sizeof(w->urls));
	w->n = l->state.n_webs;
	if (config->web_url != NULL && set_url(l, config->web_url) != MPP_OK)
		return MPP_ERR_INVALID;
	if (config->transport == MPP_TRANSPORT_WEB && w->n == 0)
		return loop_fail(&l->error, MPP_ERR_NOTFOUND, EX_CONFIG,
				 "no Web Service is known here: the invitation "
				 "named none");
	if (config->transport == MPP_TRANSPORT_UDP)
		w->n = 0;
	if (config->web_ca == NULL)
		return MPP_OK;
	if (access(config->web_ca, R_OK) != 0)
		return loop_fail(&l->error, MPP_ERR_IO, EX_NOINPUT,
				 "cannot read certificates from %s: %s",
				 config->web_ca, strerror(errno));
	w->ca = strdup(config->web_ca);
	return w->ca == NULL ? loop_fail(&l->error, MPP_ERR_NOMEM, EX_OSERR,
					 "out of memory")
			     : MPP_OK;
}

static mpp_client_transport_info info_of(const mpp_loop *l)
{
	mpp_client_transport_info info;

	mpp_client_transport_info_get(l->client, &info);
	return info;
}

bool loop_web_serves(const mpp_loop *l)
{
	return l->web.n != 0 && info_of(l).now == MPP_TRANSPORT_WEB;
}

/* ---- what libcurl asks for ---- */

static int on_timer(CURLM *multi, long ms, void *arg)
{
	mpp_loop *l = arg;

	(void)multi;
	l->web.due = MPP_TIME_NEVER;
	if (ms >= 0)
		l->web.due.us = mpp_loop_now(l).mono.us + (uint64_t)ms * 1000;
	return 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg,
		     void *known)
{
	mpp_loop *l = arg;
	struct epoll_event ev = {.data.fd = fd};

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		(void)epoll_ctl(l->web.epoll, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	ev.events = ((what & CURL_POLL_IN) != 0 ? EPOLLIN : 0u) |
		    ((what & CURL_POLL_OUT) != 0 ? EPOLLOUT : 0u);
	if (epoll_ctl(l->web.epoll,
		      known == NULL ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd,
		      &ev) != 0)
		return -1;
	(void)curl_multi_assign(l->web.multi, fd, l);
	return 0;
}

/* What is longer than any answer of a service ends the request. */
static size_t on_body(char *data, size_t one, size_t n, void *arg)
{
	struct loop_post *p = arg;

	(void)one;
	if (n > MPP_POST_ANSWER_MAX - p->n)
		return 0;
	memcpy(p->answer + p->n, data, n);
	p->n += n;
	return n;
}

/* ---- beginning and ending ---- */

static bool open_multi(mpp_loop *l)
{
	struct loop_web *w = &l->web;

	if (w->multi != NULL)
		return true;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return false;
	w->multi = curl_multi_init();
	if (w->multi == NULL) {
		curl_global_cleanup();
		return false;
	}
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->due = MPP_TIME_NEVER;
	if (w->epoll >= 0 &&
	    curl_multi_setopt(w->multi, CURLMOPT_SOCKETFUNCTION, on_socket) ==
		    CURLM_OK &&
	    curl_multi_setopt(w->multi, CURLMOPT_SOCKETDATA, l) == CURLM_OK &&
	    curl_multi_setopt(w->multi, CURLMOPT_TIMERFUNCTION, on_timer) ==
		    CURLM_OK &&
	    curl_multi_setopt(w->multi, CURLMOPT_TIMERDATA, l) == CURLM_OK &&
	    loop_watch(l, w->epoll) == MPP_OK)
		return true;
	loop_web_close(l);
	return false;
}

static void drop(struct loop_web *w, struct loop_post *p)
{
	if (p->easy == NULL)
		return;
	(void)curl_multi_remove_handle(w->multi, p->easy);
	curl_easy_cleanup(p->easy);
	curl_slist_free_all(p->headers);
	free(p->answer);
	memset(p, 0, sizeof(*p));
}

void loop_web_close(mpp_loop *l)
{
	struct loop_web *w = &l->web;
	size_t i;

	if (w->multi == NULL)
		return;
	for (i = 0; i < LOOP_POSTS; i++)
		drop(w, &w->posts[i]);
	(void)curl_multi_cleanup(w->multi);
	if (w->epoll >= 0)
		(void)close(w->epoll);
	w->multi = NULL;
	w->epoll = -1;
	w->due = MPP_TIME_NEVER;
	curl_global_cleanup();
}

/* ---- a request ---- */

static bool add_header(struct loop_post *p, const char *line)
{
	struct curl_slist *more = curl_slist_append(p->headers, line);

	if (more == NULL)
		return false;
	p->headers = more;
	return true;
}

static bool set_headers(struct loop_post *p, uint32_t wait_s)
{
	char prefer[40];

	(void)snprintf(prefer, sizeof(prefer), "Prefer: wait=%u",
		       (unsigned)wait_s);
	return add_header(p, "Content-Type: application/rud") &&
	       add_header(p, "Accept: application/rud") &&
	       add_header(p, "Expect:") &&
	       (wait_s == 0 || add_header(p, prefer)) &&
	       curl_easy_setopt(p->easy, CURLOPT_HTTPHEADER, p->headers) ==
		       CURLE_OK;
}

/* HTTP/1.1, no redirect: whoever may answer is in the certificate. */
static bool set_options(const mpp_loop *l, struct loop_post *p, size_t len,
			uint32_t wait_s)
{
	const struct loop_web *w = &l->web;
	CURL *e = p->easy;

	return curl_easy_setopt(e, CURLOPT_URL, w->urls[p->url]) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "https,http") ==
		       CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_HTTP_VERSION,
				CURL_HTTP_VERSION_1_1) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_SSLVERSION,
				CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
	       (w->ca == NULL ||
		curl_easy_setopt(e, CURLOPT_CAINFO, w->ca) == CURLE_OK) &&
	       curl_easy_setopt(e, CURLOPT_POSTFIELDS, p->body) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, (long)len) ==
		       CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body) ==
		       CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_WRITEDATA, p) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PRIVATE, p) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_ERRORBUFFER, p->why) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS,
				(long)CONNECT_MS) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_TIMEOUT_MS,
				(long)wait_s * 1000 + ANSWER_MS) == CURLE_OK;
}

static bool post(mpp_loop *l, mpp_bytes packet, const mpp_client_post *what)
{
	struct loop_web *w = &l->web;
	struct loop_post *p = w->posts;

	if (!open_multi(l))
		return false;
	while (p < w->posts + LOOP_POSTS && p->easy != NULL)
		p++;
	if (p == w->posts + LOOP_POSTS)
		return false;
	p->easy = curl_easy_init();
	p->answer = malloc(MPP_POST_ANSWER_MAX);
	p->tag = what->tag;
	p->url = w->at;
	memcpy(p->body, packet.p, packet.len);
	if (p->easy == NULL || p->answer == NULL ||
	    !set_options(l, p, packet.len, what->wait_s) ||
	    !set_headers(p, what->wait_s) ||
	    curl_multi_add_handle(w->multi, p->easy) != CURLM_OK) {
		if (p->easy == NULL)
			free(p->answer);
		drop(w, p);
		return false;
	}
	return true;
}

/* What the client does not wait for any more. */
static void drop_unwanted(mpp_loop *l)
{
	size_t i;

	for (i = 0; i < LOOP_POSTS; i++) {
		if (!mpp_client_web_waits(l->client, l->web.posts[i].tag))
			drop(&l->web, &l->web.posts[i]);
	}
}

void loop_web_flush(mpp_loop *l, mpp_instant now)
{
	uint8_t room[MPP_PACKET_MAX];
	mpp_buf out = {room, sizeof(room), 0};
	mpp_client_post what;

	if (l->web.n == 0)
		return;
	while (mpp_client_web_send(l->client, now, &out, &what) == MPP_OK) {
		drop_unwanted(l);
		if (!post(l, (mpp_bytes){out.p, out.len}, &what))
			(void)mpp_client_web_answer(l->client, what.tag, 0,
						    (mpp_buf){NULL, 0, 0}, now);
	}
	drop_unwanted(l);
}

/* ---- an answer ---- */

static void note_failure(struct loop_web *w, const struct loop_post *p,
			 long status, const char *why)
{
	char text[CURL_ERROR_SIZE];

	loop_printable((mpp_bytes){(const uint8_t *)why, strlen(why)}, text,
		       sizeof(text));
	if (text[0] != '\0')
		(void)snprintf(w->why, sizeof(w->why), "%.80s: %.70s",
			       w->urls[p->url], text);
	else
		(void)snprintf(w->why, sizeof(w->why), "%.80s: HTTP %ld%s",
			       w->urls[p->url], status,
			       status == HTTP_OK ? ", but not from the service"
						 : "");
	if (w->at == p->url)
		w->at = (w->at + 1) % w->n;
}

static void take(mpp_loop *l, const CURLMsg *m, mpp_instant now)
{
	struct loop_web *w = &l->web;
	struct loop_post *p = NULL;
	long status = 0;
	mpp_err err;

	if (curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &p) !=
		    CURLE_OK ||
	    p == NULL)
		return;
	if (m->data.result == CURLE_OK)
		(void)curl_easy_getinfo(p->easy, CURLINFO_RESPONSE_CODE,
					&status);
	else if (p->why[0] == '\0')
		(void)snprintf(p->why, sizeof(p->why), "%s",
			       curl_easy_strerror(m->data.result));
	err = mpp_client_web_answer(
		l->client, p->tag, (int)status,
		(mpp_buf){p->answer, MPP_POST_ANSWER_MAX, p->n}, now);
	if (err == MPP_OK)
		w->why[0] = '\0';
	else if (err != MPP_ERR_LIMIT)
		note_failure(w, p, status,
			     m->data.result == CURLE_OK ? "" : p->why);
	drop(w, p);
}

static bool act(mpp_loop *l, mpp_instant now)
{
	struct loop_web *w = &l->web;
	struct epoll_event ev[EVENTS_AT_ONCE];
	int i, running, mask;
	const int n = epoll_wait(w->epoll, ev, EVENTS_AT_ONCE, 0);

	for (i = 0; i < n; i++) {
		mask = ((ev[i].events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) |
		       ((ev[i].events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
		       ((ev[i].events & (EPOLLERR | EPOLLHUP)) != 0
				? CURL_CSELECT_ERR
				: 0);
		(void)curl_multi_socket_action(w->multi, ev[i].data.fd, mask,
					       &running);
	}
	if (now.mono.us < w->due.us)
		return n > 0;
	w->due = MPP_TIME_NEVER;
	(void)curl_multi_socket_action(w->multi, CURL_SOCKET_TIMEOUT, 0,
				       &running);
	return true;
}

bool loop_web_step(mpp_loop *l, mpp_instant now)
{
	struct loop_web *w = &l->web;
	const CURLMsg *m;
	bool any;
	int left;

	if (w->multi == NULL)
		return false;
	any = act(l, now);
	m = curl_multi_info_read(w->multi, &left);
	if (m != NULL && m->msg == CURLMSG_DONE) {
		take(l, m, now);
		any = true;
	}
	drop_unwanted(l);
	return any;
}

/* ---- the end ---- */

static bool busy(const struct loop_web *w)
{
	return w->posts[0].easy != NULL || w->posts[1].easy != NULL;
}

void loop_web_finish(mpp_loop *l)
{
	const uint64_t until = mpp_loop_now(l).mono.us + FINISH_US;
	struct epoll_event ev;

	while (busy(&l->web) && mpp_loop_now(l).mono.us < until) {
		if (!loop_web_step(l, mpp_loop_now(l)))
			(void)epoll_wait(l->web.epoll, &ev, 1, FINISH_STEP_MS);
	}
}
