/* SPDX-License-Identifier: MIT */
/* server.c - libmicrohttpd without a thread of its own. Contract: web.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/mem.h"
#include "web/request.h"

/* A body that is far too long is not even waited for. */
enum { GIVE_UP = 16 * WEB_BODY_MAX };

/* ---- requests ---- */

static struct request *make(struct web *w, struct MHD_Connection *c,
			    const char *path, const char *method)
{
	struct request *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	q->path = strdup(path);
	q->method = strdup(method);
	if (q->path == NULL || q->method == NULL) {
		free(q->path);
		free(q->method);
		free(q);
		return NULL;
	}
	q->web = w;
	q->connection = c;
	q->state = REQUEST_READING;
	q->next = w->requests;
	q->back = &w->requests;
	if (q->next != NULL)
		q->next->back = &q->next;
	w->requests = q;
	return q;
}

static void drop(struct request *q)
{
	*q->back = q->next;
	if (q->next != NULL)
		q->next->back = q->back;
	if (q->invite != NULL)
		mem_wipe(q->invite, sizeof(*q->invite));
	free(q->invite);
	if (q->grant != NULL)
		mem_wipe(q->grant, sizeof(*q->grant));
	free(q->grant);
	free(q->publish);
	free(q->answer);
	free(q->body);
	free(q->path);
	free(q->method);
	free(q);
}

/* Keep what fits; the rest is only counted.
 * @return false: out of memory, or endless */
static bool keep(struct request *q, const char *p, size_t n)
{
	size_t room;

	if (q->body == NULL && (q->body = malloc(WEB_BODY_MAX)) == NULL)
		return false;
	if (q->body_len < WEB_BODY_MAX) {
		room = WEB_BODY_MAX - q->body_len;
		memcpy(q->body + q->body_len, p, n < room ? n : room);
	}
	q->body_len += n;
	return q->body_len <= GIVE_UP;
}

static enum MHD_Result send_answer(struct request *q)
{
	struct MHD_Response *r;
	enum MHD_Result done;

	if (q->answer == NULL)
		return MHD_NO;
	r = MHD_create_response_from_buffer(q->answer_len, q->answer,
					    MHD_RESPMEM_MUST_FREE);
	if (r == NULL)
		return MHD_NO;
	q->answer = NULL;
	(void)MHD_add_response_header(r, "Content-Type", "application/json");
	(void)MHD_add_response_header(r, "Cache-Control", "no-store");
	if (q->allow[0] != '\0')
		(void)MHD_add_response_header(r, "Allow", q->allow);
	done = MHD_queue_response(q->connection, q->status, r);
	MHD_destroy_response(r);
	return done;
}

/* ---- what libmicrohttpd calls ---- */

/* For the first time when the head of a request is there, then for each piece
 * of its body, then once more, and again after sleeping. */
static enum MHD_Result access_handler(void *cls, struct MHD_Connection *c,
				      const char *url, const char *method,
				      const char *version, const char *data,
				      size_t *len, void **slot)
{
	struct request *q = *slot;

	(void)version;
	if (q == NULL) {
		*slot = make(cls, c, url, method);
		return *slot != NULL ? MHD_YES : MHD_NO;
	}
	if (*len != 0) {
		if (!keep(q, data, *len))
			return MHD_NO;
		*len = 0;
		return MHD_YES;
	}
	if (q->state == REQUEST_READING)
		request_dispatch(q);
	if (q->state == REQUEST_WAITING) {
		MHD_suspend_connection(c);
		return MHD_YES;
	}
	return send_answer(q);
}

/* The request is over, however it ended. */
static void completed(void *cls, struct MHD_Connection *c, void **slot,
		      enum MHD_RequestTerminationCode how)
{
	(void)cls;
	(void)c;
	(void)how;
	if (*slot != NULL)
		drop(*slot);
	*slot = NULL;
}

/* Paths are taken apart before %XX is resolved: a '/' in a name is none. */
static size_t unescape_nothing(void *cls, struct MHD_Connection *c, char *s)
{
	(void)cls;
	(void)c;
	return strlen(s);
}

static struct MHD_Daemon *start(struct web *w, int listener)
{
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0,
				NULL, NULL, access_handler, w,
				MHD_OPTION_LISTEN_SOCKET, listener,
				MHD_OPTION_NOTIFY_COMPLETED, completed, w,
				MHD_OPTION_UNESCAPE_CALLBACK, unescape_nothing,
				NULL, MHD_OPTION_CONNECTION_LIMIT,
				(unsigned)WEB_CONNECTIONS_MAX,
				MHD_OPTION_CONNECTION_TIMEOUT,
				(unsigned)WEB_IDLE_S, MHD_OPTION_END);
}

mpp_err web_open(const struct web_config *config, int listener,
		 struct web **out, struct fault *f)
{
	const union MHD_DaemonInfo *info;
	struct web *w = calloc(1, sizeof(*w));

	if (w == NULL) {
		(void)close(listener);
		return fault_set(f, MPP_ERR_NOMEM, EX_OSERR, "out of memory");
	}
	w->config = *config;
	w->daemon = start(w, listener);
	if (w->daemon == NULL) {
		(void)close(listener);
		free(w);
		return fault_set(f, MPP_ERR_IO, EX_OSERR,
				 "cannot serve the control socket: %s",
				 strerror(errno));
	}
	info = MHD_get_daemon_info(w->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	w->epoll = info->epoll_fd;
	*out = w;
	return MPP_OK;
}

int web_fd(const struct web *w)
{
	return w->epoll;
}

int web_wait_ms(const struct web *w)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (MHD_get_timeout(w->daemon, &ms) != MHD_YES)
		return -1;
	return ms < 60000 ? (int)ms : 60000;
}

void web_run(struct web *w, mpp_instant now)
{
	w->now = now;
	(void)MHD_run(w->daemon);
}

static void wake(struct request *q)
{
	q->state = REQUEST_ANSWERED;
	MHD_resume_connection(q->connection);
}

static struct request *find(const struct web *w, uint64_t op)
{
	struct request *q = w->requests;

	while (q != NULL && (q->state != REQUEST_WAITING || q->op != op))
		q = q->next;
	return q;
}

void web_result(struct web *w, const mpp_result *result, const char *why)
{
	struct request *q = find(w, result->op);

	if (q == NULL)
		return;
	if (result->err == MPP_OK)
		q->done(q, result);
	else
		answer_error(q,
			     result->err == MPP_ERR_STORE
				     ? MHD_HTTP_SERVICE_UNAVAILABLE
				     : MHD_HTTP_INTERNAL_SERVER_ERROR,
			     "store_failed", "nothing was changed: %s",
			     why != NULL ? why : mpp_err_text(result->err));
	wake(q);
}

int web_drain(struct web *w)
{
	w->draining = true;
	return MHD_quiesce_daemon(w->daemon);
}

size_t web_busy(const struct web *w)
{
	const struct request *q;
	size_t n = 0;

	for (q = w->requests; q != NULL; q = q->next)
		n += q->state != REQUEST_READING;
	return n;
}

void web_close(struct web *w)
{
	struct request *q;

	if (w == NULL)
		return;
	/* Nobody may sleep when the daemon is stopped. */
	for (q = w->requests; q != NULL; q = q->next) {
		if (q->state == REQUEST_WAITING)
			wake(q);
	}
	MHD_stop_daemon(w->daemon);
	free(w);
}
