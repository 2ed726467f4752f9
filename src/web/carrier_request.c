/* SPDX-License-Identifier: MIT */
/* carrier_request.c - a request from its head to its response. Contract:
 * carrier.h. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "web/carrier_head.h"
#include "web/carrier_inside.h"

enum {
	/* A body without an end is not read further than that. */
	GIVE_UP = 16 * MPP_WEB_PACKET_MAX,
	BODY_FIRST = 2048,
};

void caller_reset(struct caller *q)
{
	free(q->body);
	free(q->answer);
	q->body = q->answer = NULL;
	q->cap = q->len = q->answer_len = 0;
	q->status = 0;
	if (q->state != CALLER_IDLE)
		q->carrier->busy--;
	q->state = CALLER_IDLE;
}

/* ---- the head ---- */

static const char *header(const struct caller *q, const char *name)
{
	return MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND,
					   name);
}

static bool is_too_long(const struct caller *q)
{
	const char *text = header(q, "Content-Length");

	return text != NULL && strtoull(text, NULL, 10) > MPP_WEB_PACKET_MAX;
}

/* The status that the head alone deserves; 0: read the body. */
static unsigned judge_head(const struct caller *q, const char *url,
			   const char *method)
{
	const char *type = header(q, "Content-Type");
	const char *expect = header(q, "Expect");

	if (strcmp(url, CARRIER_PATH) != 0)
		return MHD_HTTP_NOT_FOUND;
	if (strcmp(method, MHD_HTTP_METHOD_POST) != 0)
		return MHD_HTTP_METHOD_NOT_ALLOWED;
	if (type == NULL || !head_is_rud(type))
		return MHD_HTTP_UNSUPPORTED_MEDIA_TYPE;
	if (expect != NULL && strcasecmp(expect, "100-continue") != 0)
		return MHD_HTTP_EXPECTATION_FAILED;
	if (is_too_long(q))
		return MHD_HTTP_CONTENT_TOO_LARGE;
	return q->carrier->draining ? MHD_HTTP_SERVICE_UNAVAILABLE : 0;
}

static enum MHD_Result add_wait(void *cls, enum MHD_ValueKind kind,
				const char *key, const char *value)
{
	uint32_t *ms = cls;

	(void)kind;
	if (*ms == 0 && strcasecmp(key, "Prefer") == 0 && value != NULL)
		*ms = head_wait_ms(value);
	return MHD_YES;
}

static enum MHD_Result last_forwarded(void *cls, enum MHD_ValueKind kind,
				      const char *key, const char *value)
{
	const char **last = cls;

	(void)kind;
	if (strcasecmp(key, "X-Forwarded-For") == 0 && value != NULL)
		*last = value;
	return MHD_YES;
}

/* Where it came from: what TCP says, or what a trusted proxy says. */
static mpp_addr peer_of(const struct caller *q)
{
	const char *line = NULL;
	mpp_addr a = q->from;

	if (!carrier_trusts(q->carrier, &q->from))
		return a;
	(void)MHD_get_connection_values(q->connection, MHD_HEADER_KIND,
					last_forwarded, &line);
	if (line != NULL)
		(void)head_forwarded(line, &a);
	return a;
}

/* ---- the body ---- */

static bool grow(struct caller *q, size_t need)
{
	size_t cap = q->cap != 0 ? q->cap : BODY_FIRST;
	uint8_t *body;

	while (cap < need)
		cap *= 2;
	if (cap == q->cap)
		return true;
	body = realloc(q->body, cap);
	if (body == NULL)
		return false;
	q->body = body;
	q->cap = cap;
	return true;
}

/* Keep what fits; the rest is only counted.
 * @return false: out of memory, or endless */
static bool keep(struct caller *q, const char *p, size_t n)
{
	if (q->len + n <= MPP_WEB_PACKET_MAX) {
		if (!grow(q, q->len + n))
			return false;
		memcpy(q->body + q->len, p, n);
	}
	q->len += n;
	if (q->len <= GIVE_UP)
		return true;
	q->carrier->count.too_long++;
	return false;
}

/* ---- the answer ---- */

static void set_answer(struct caller *q, unsigned status, mpp_bytes packet)
{
	q->state = CALLER_ANSWERED;
	q->status = status;
	if (packet.len == 0)
		return;
	q->answer = malloc(packet.len);
	if (q->answer == NULL) {
		q->status = MHD_HTTP_SERVICE_UNAVAILABLE;
		return;
	}
	memcpy(q->answer, packet.p, packet.len);
	q->answer_len = packet.len;
}

static unsigned status_of(mpp_err err, size_t len)
{
	switch ((int)err) {
	case MPP_OK:
		return len != 0 ? MHD_HTTP_OK : MHD_HTTP_NO_CONTENT;
	case MPP_ERR_REPLAY:
		return MHD_HTTP_CONFLICT;
	case MPP_ERR_STRANGER:
		return MHD_HTTP_GONE;
	case MPP_ERR_STATE:
	case MPP_ERR_NOSPACE:
	case MPP_ERR_CRYPTO:
	case MPP_ERR_RANDOM:
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	default:
		return MHD_HTTP_BAD_REQUEST;
	}
}

static void count_status(struct carrier *c, unsigned status)
{
	struct carrier_counters *n = &c->count;

	switch (status) {
	case MHD_HTTP_OK:
	case MHD_HTTP_NO_CONTENT:
		n->answered++;
		return;
	case MHD_HTTP_NOT_FOUND:
		n->bad_path++;
		return;
	case MHD_HTTP_METHOD_NOT_ALLOWED:
		n->bad_method++;
		return;
	case MHD_HTTP_UNSUPPORTED_MEDIA_TYPE:
		n->bad_type++;
		return;
	case MHD_HTTP_EXPECTATION_FAILED:
		n->bad_expect++;
		return;
	case MHD_HTTP_CONTENT_TOO_LARGE:
		n->too_long++;
		return;
	case MHD_HTTP_CONFLICT:
		n->replayed++;
		return;
	case MHD_HTTP_GONE:
		n->gone++;
		return;
	case MHD_HTTP_SERVICE_UNAVAILABLE:
		n->busy++;
		return;
	default:
		n->bad_packet++;
		return;
	}
}

static void add_headers(const struct caller *q, struct MHD_Response *r)
{
	(void)MHD_add_response_header(r, "Cache-Control", "no-store");
	if (q->answer_len != 0)
		(void)MHD_add_response_header(r, "Content-Type",
					      "application/rud");
	if (q->status == MHD_HTTP_METHOD_NOT_ALLOWED)
		(void)MHD_add_response_header(r, "Allow", "POST");
	if (q->status == MHD_HTTP_SERVICE_UNAVAILABLE)
		(void)MHD_add_response_header(r, "Retry-After", "1");
}

static enum MHD_Result respond(struct caller *q)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(
		q->answer_len, q->answer, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result done;

	if (r == NULL)
		return MHD_NO;
	count_status(q->carrier, q->status);
	add_headers(q, r);
	done = MHD_queue_response(q->connection, q->status, r);
	MHD_destroy_response(r);
	return done;
}

/* ---- waiting ---- */

void carrier_wake(struct caller *q, mpp_bytes packet)
{
	set_answer(q, packet.len != 0 ? MHD_HTTP_OK : MHD_HTTP_GONE, packet);
	MHD_resume_connection(q->connection);
}

void carrier_wake_status(struct caller *q, unsigned status)
{
	set_answer(q, status, (mpp_bytes){NULL, 0});
	MHD_resume_connection(q->connection);
}

static void let_go(struct caller *q)
{
	q->carrier->count.left++;
	mpp_service_web_gone(q->carrier->config.service,
			     (uint64_t)(q - q->carrier->callers));
}

void carrier_leave(struct caller *q)
{
	let_go(q);
	carrier_wake_status(q, MHD_HTTP_NO_CONTENT);
}

/* ---- the packet ---- */

static void ask_service(struct caller *q)
{
	static const uint8_t zero[16];
	struct carrier *c = q->carrier;
	const mpp_addr from = peer_of(q);
	mpp_buf out = {c->room, sizeof(c->room), 0};
	const bool data = q->len >= sizeof(zero) &&
			  memcmp(q->body, zero, sizeof(zero)) != 0;
	uint32_t wait_ms = 0;
	mpp_err err;

	(void)MHD_get_connection_values(q->connection, MHD_HEADER_KIND,
					add_wait, &wait_ms);
	err = mpp_service_web(c->config.service,
			      (mpp_buf){q->body, q->cap, q->len}, &from,
			      (uint64_t)(q - c->callers), wait_ms, c->now,
			      &out);
	q->known = q->known ||
		   (data && (err == MPP_OK || err == MPP_ERR_AGAIN));
	if (err == MPP_ERR_AGAIN)
		q->state = CALLER_WAITING;
	else
		set_answer(q, status_of(err, out.len),
			   (mpp_bytes){out.p, out.len});
}

static void take_body(struct caller *q)
{
	if (q->len > MPP_WEB_PACKET_MAX)
		set_answer(q, MHD_HTTP_CONTENT_TOO_LARGE, (mpp_bytes){NULL, 0});
	else if (q->len == 0)
		set_answer(q, MHD_HTTP_BAD_REQUEST, (mpp_bytes){NULL, 0});
	else
		ask_service(q);
}

/* ---- what libmicrohttpd calls ---- */

static enum MHD_Result begin(struct caller *q, const char *url,
			     const char *method)
{
	const unsigned status = judge_head(q, url, method);

	q->carrier->count.requests++;
	q->carrier->busy++;
	q->state = CALLER_READING;
	if (status == 0)
		return MHD_YES;
	set_answer(q, status, (mpp_bytes){NULL, 0});
	return respond(q);
}

/* For the first time when the head of a request is there, then for each piece
 * of its body, then once more, and again after sleeping. */
enum MHD_Result carrier_handle(void *cls, struct MHD_Connection *connection,
			       const char *url, const char *method,
			       const char *version, const char *data,
			       size_t *len, void **slot)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct caller *q = info != NULL ? info->socket_context : NULL;

	(void)cls;
	(void)version;
	if (q == NULL)
		return MHD_NO;
	if (*slot == NULL) {
		*slot = q;
		return begin(q, url, method);
	}
	if (*len != 0) {
		if (!keep(q, data, *len))
			return MHD_NO;
		*len = 0;
		return MHD_YES;
	}
	if (q->state == CALLER_READING)
		take_body(q);
	if (q->state == CALLER_WAITING && q->half) {
		let_go(q);
		set_answer(q, MHD_HTTP_NO_CONTENT, (mpp_bytes){NULL, 0});
	}
	if (q->state == CALLER_WAITING) {
		MHD_suspend_connection(connection);
		return MHD_YES;
	}
	return respond(q);
}

/* The request is over, however it ended. */
void carrier_completed(void *cls, struct MHD_Connection *connection,
		       void **slot, enum MHD_RequestTerminationCode how)
{
	struct caller *q = *slot;

	(void)cls;
	(void)connection;
	(void)how;
	*slot = NULL;
	if (q == NULL)
		return;
	if (q->state == CALLER_WAITING)
		mpp_service_web_gone(q->carrier->config.service,
				     (uint64_t)(q - q->carrier->callers));
	q->since = q->carrier->now.mono;
	caller_reset(q);
}
