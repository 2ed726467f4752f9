/* SPDX-License-Identifier: MIT */
/* netcheck_web.c - asking the Web Service. Contract: netcheck_web.h. */
#include "mpp/netcheck_web.h"

#include <stdio.h>
#include <string.h>

enum {
	FDS_MAX = 64,
	BODY_MAX = 65536,
	NO_PACKET = 400, /* what the service says to an empty request */
};

/* The answer does not matter; one without an end is not read to it. */
static size_t take(char *data, size_t size, size_t n, void *arg)
{
	curl_off_t got = 0;

	(void)data;
	(void)curl_easy_getinfo((CURL *)arg, CURLINFO_SIZE_DOWNLOAD_T, &got);
	return got > BODY_MAX ? 0 : size * n;
}

static bool set_up(struct netcheck_web *w, CURL *c, const char *url,
		   uint32_t timeout_ms, char *error)
{
	return curl_easy_setopt(c, CURLOPT_URL, url) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https,http") ==
		       CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_POST, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_POSTFIELDS, "") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, 0L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_HTTPHEADER, w->headers) ==
		       CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)timeout_ms) ==
		       CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       /* nor wait for name servers that are silent */
	       curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_WRITEDATA, c) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_ERRORBUFFER, error) == CURLE_OK;
}

static void add(struct netcheck_web *w, const char *url, uint32_t timeout_ms)
{
	struct netcheck_web_try *t = &w->tries[w->n];

	t->easy = curl_easy_init();
	if (t->easy == NULL)
		return;
	if (!set_up(w, t->easy, url, timeout_ms, t->error) ||
	    curl_multi_add_handle(w->multi, t->easy) != CURLM_OK) {
		curl_easy_cleanup(t->easy);
		t->easy = NULL;
		return;
	}
	w->n++;
	w->open++;
}

void netcheck_web_open(struct netcheck_web *w, const struct loop_state *s,
		       uint32_t timeout_ms)
{
	size_t i;

	memset(w, 0, sizeof(*w));
	if (s->n_webs == 0 || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return;
	w->multi = curl_multi_init();
	w->headers = curl_slist_append(NULL, "Content-Type: application/rud");
	if (w->multi == NULL || w->headers == NULL) {
		netcheck_web_close(w);
		return;
	}
	for (i = 0; i < s->n_webs; i++)
		add(w, s->webs[i], timeout_ms);
}

/* The handle of one that is over goes at once. */
static void forget(struct netcheck_web *w, struct netcheck_web_try *t)
{
	if (t->easy == NULL)
		return;
	(void)curl_multi_remove_handle(w->multi, t->easy);
	curl_easy_cleanup(t->easy);
	t->easy = NULL;
	w->open--;
}

void netcheck_web_close(struct netcheck_web *w)
{
	size_t i;

	for (i = 0; i < w->n; i++)
		forget(w, &w->tries[i]);
	if (w->multi != NULL)
		(void)curl_multi_cleanup(w->multi);
	curl_slist_free_all(w->headers);
	w->multi = NULL;
	w->headers = NULL;
}

static void over(struct netcheck_web *w, struct netcheck_web_try *t,
		 CURLcode code)
{
	const char *url = "";
	curl_off_t us = 0;
	long status = 0;

	(void)curl_easy_getinfo(t->easy, CURLINFO_EFFECTIVE_URL, &url);
	(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(t->easy, CURLINFO_TOTAL_TIME_T, &us);
	if (!w->works && code == CURLE_OK && status == NO_PACKET) {
		w->works = true;
		w->after_us = (uint32_t)us;
		(void)snprintf(w->url, sizeof(w->url), "%s", url);
	} else if (!w->works && w->why[0] == '\0') {
		(void)snprintf(w->url, sizeof(w->url), "%s", url);
		if (code == CURLE_OK)
			(void)snprintf(w->why, sizeof(w->why),
				       "answers %ld, which the service does "
				       "not",
				       status);
		else
			(void)snprintf(w->why, sizeof(w->why), "%s",
				       t->error[0] != '\0'
					       ? t->error
					       : curl_easy_strerror(code));
	}
	forget(w, t);
}

void netcheck_web_step(struct netcheck_web *w)
{
	int running, left;
	CURLMsg *m;
	size_t i;

	if (w->multi == NULL)
		return;
	(void)curl_multi_perform(w->multi, &running);
	while ((m = curl_multi_info_read(w->multi, &left)) != NULL) {
		/* What it points to ends with the handle. */
		const CURLcode code = m->data.result;
		const CURL *easy = m->easy_handle;

		if (m->msg != CURLMSG_DONE)
			continue;
		for (i = 0; i < w->n; i++) {
			if (w->tries[i].easy == easy)
				over(w, &w->tries[i], code);
		}
	}
}

bool netcheck_web_done(const struct netcheck_web *w)
{
	return w->multi == NULL || w->works || w->open == 0;
}

void netcheck_web_poll(struct netcheck_web *w, struct pollfd *fds, size_t n,
		       int ms)
{
	struct curl_waitfd more[FDS_MAX];
	size_t i;
	int ready;

	if (netcheck_web_done(w) || n > FDS_MAX) {
		(void)poll(fds, n, ms);
		return;
	}
	for (i = 0; i < n; i++)
		more[i] = (struct curl_waitfd){.fd = fds[i].fd,
					       .events = CURL_WAIT_POLLIN};
	(void)curl_multi_poll(w->multi, more, (unsigned)n, ms, &ready);
}

void netcheck_web_report(const struct netcheck_web *w, struct report *out)
{
	out->web = WEB_NOT_TRIED;
	if (w->n == 0)
		return;
	out->web = w->works ? WEB_WORKS : WEB_FAILS;
	out->web_us = w->after_us;
	out->web_url = w->url;
	out->web_text = w->why;
}
