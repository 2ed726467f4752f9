/* SPDX-License-Identifier: MIT */
/* http.c - see http.h. */
#include "mppctl/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "mppctl/complain.h"

enum { URL_MAX = 4096, TIMEOUT_S = 30 };

struct exchange {
	const struct options *o;
	const struct question *q;
	CURL *curl;
	char url[URL_MAX];
	char *body;
	size_t body_len;
	struct answer answer;
	long status;
};

static size_t collect(char *p, size_t one, size_t n, void *arg)
{
	struct answer *a = arg;
	char *more = realloc(a->text, a->len + n + 1);

	(void)one; /* always 1 */
	if (more == NULL)
		return 0;
	memcpy(more + a->len, p, n);
	a->text = more;
	a->len += n;
	a->text[a->len] = '\0';
	return n;
}

static bool has_empty_name(const struct question *q)
{
	const char *const *part;

	for (part = q->path; *part != NULL; part++) {
		if ((*part)[0] == '\0')
			return true;
	}
	return false;
}

static bool make_url(struct exchange *x)
{
	size_t n = (size_t)snprintf(x->url, URL_MAX, "http://localhost/v1");
	const char *const *part;
	char *escaped;

	for (part = x->q->path; *part != NULL && n < URL_MAX; part++) {
		escaped = curl_easy_escape(x->curl, *part, 0);
		if (escaped == NULL)
			return false;
		n += (size_t)snprintf(x->url + n, URL_MAX - n, "/%s", escaped);
		curl_free(escaped);
	}
	return n < URL_MAX;
}

static int fail_curl(const struct exchange *x, CURLcode rc)
{
	const char *socket = x->o->socket;
	long e = 0;

	(void)curl_easy_getinfo(x->curl, CURLINFO_OS_ERRNO, &e);
	if (rc == CURLE_COULDNT_CONNECT && (e == EACCES || e == EPERM))
		return complain(EX_NOPERM,
				"no permission on %s: run this as root, or as "
				"a member of the socket's group",
				socket);
	if (rc == CURLE_COULDNT_CONNECT)
		return complain(EX_UNAVAILABLE,
				"mppd does not answer on %s (%s): is it "
				"running?",
				socket, strerror((int)e));
	if (rc == CURLE_OPERATION_TIMEDOUT)
		return complain(EX_TEMPFAIL,
				"mppd did not answer within %d seconds: look "
				"with mppctl status whether the change was "
				"made",
				TIMEOUT_S);
	if (rc == CURLE_GOT_NOTHING || rc == CURLE_RECV_ERROR ||
	    rc == CURLE_SEND_ERROR)
		return complain(EX_UNAVAILABLE,
				"mppd stopped before it answered: look with "
				"mppctl status whether the change was made");
	return complain(EX_SOFTWARE, "cannot ask mppd: %s",
			curl_easy_strerror(rc));
}

static int code_of(long status, const char *code)
{
	switch (status) {
	case 404:
		return EX_NOHOST;
	case 400:
	case 409:
	case 413:
		return EX_DATAERR;
	case 503:
		return strcmp(code, "store_failed") == 0 ? EX_IOERR
		       : strcmp(code, "stopping") == 0   ? EX_UNAVAILABLE
							 : EX_TEMPFAIL;
	default:
		return EX_SOFTWARE;
	}
}

static int fail_status(const struct exchange *x)
{
	const struct json *j = &x->answer.json;
	const struct json_node *e = json_member(j, json_root(j), "error");
	char message[1024], code[64];

	(void)json_text(j, e, "code", code, sizeof(code));
	(void)json_text(j, e, "message", message, sizeof(message));
	return complain(code_of(x->status, code), "%s",
			message[0] != '\0' ? message : "mppd refused");
}

static void set_options(struct exchange *x)
{
	CURL *c = x->curl;

	(void)curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, x->o->socket);
	(void)curl_easy_setopt(c, CURLOPT_URL, x->url);
	(void)curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, x->q->method);
	(void)curl_easy_setopt(c, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
	(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, collect);
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, &x->answer);
	if (x->body != NULL) {
		(void)curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE,
				       (long)x->body_len);
		(void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, x->body);
	}
}

static int perform(struct exchange *x)
{
	struct curl_slist *head =
		curl_slist_append(NULL, "Content-Type: application/json");
	CURLcode rc;

	set_options(x);
	if (x->body != NULL)
		(void)curl_easy_setopt(x->curl, CURLOPT_HTTPHEADER, head);
	rc = curl_easy_perform(x->curl);
	curl_slist_free_all(head);
	if (rc != CURLE_OK)
		return fail_curl(x, rc);
	(void)curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &x->status);
	if (!json_parse(&x->answer.json,
			(mpp_bytes){(uint8_t *)x->answer.text, x->answer.len}))
		return complain(EX_SOFTWARE,
				"what answers on %s is no mppd (HTTP status "
				"%ld)",
				x->o->socket, x->status);
	return x->status < 300 ? 0 : fail_status(x);
}

static int ask(struct exchange *x)
{
	if (has_empty_name(x->q))
		return complain(EX_DATAERR, "a name is empty");
	if (!make_url(x))
		return complain(EX_DATAERR, "that name is too long");
	if (x->q->body != NULL) {
		x->body = json_make(x->q->body, x->q->arg, &x->body_len);
		if (x->body == NULL)
			return complain(EX_OSERR, "out of memory");
	}
	return perform(x);
}

int http_ask(const struct options *o, const struct question *q,
	     struct answer *out)
{
	struct exchange x = {.o = o, .q = q};
	int code;

	x.curl = curl_easy_init();
	if (x.curl == NULL)
		return complain(EX_SOFTWARE, "libcurl cannot be used");
	code = ask(&x);
	curl_easy_cleanup(x.curl);
	free(x.body);
	if (code == 0)
		*out = x.answer;
	else
		answer_free(&x.answer);
	return code;
}

void answer_free(struct answer *a)
{
	json_free(&a->json);
	free(a->text);
	a->text = NULL;
}

/* mppd ends its answers with a newline itself. */
void answer_print(const struct answer *a)
{
	(void)fwrite(a->text, 1, a->len, stdout);
}
