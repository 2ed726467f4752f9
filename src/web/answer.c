/* SPDX-License-Identifier: MIT */
/* answer.c - answers and errors as JSON. Contract: request.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "web/request.h"

struct error {
	const char *code;
	const char *message;
};

struct text {
	const char *name;
	mpp_bytes value;
};

static mpp_err write_with(mpp_json_writer *w, answer_fn *fn, const void *arg,
			  uint8_t *p, size_t cap)
{
	mpp_json_writer_init(w, MPP_JSON_TEXT, p, cap);
	fn(w, arg);
	return mpp_json_finish(w);
}

/* Counted first, then written. Without memory there is no answer: then the
 * connection is closed. */
void answer_json(struct request *q, unsigned status, answer_fn *fn,
		 const void *arg)
{
	mpp_json_writer w;
	uint8_t *room = NULL;

	q->state = REQUEST_ANSWERED;
	q->status = status;
	if (write_with(&w, fn, arg, NULL, 0) == MPP_OK)
		room = malloc(w.n + 1);
	if (room == NULL)
		return;
	if (write_with(&w, fn, arg, room, w.n) != MPP_OK) {
		free(room);
		return;
	}
	room[w.n] = '\n';
	free(q->answer);
	q->answer = room;
	q->answer_len = w.n + 1;
}

static void write_error(mpp_json_writer *w, const void *arg)
{
	const struct error *e = arg;

	mpp_json_object(w, NULL);
	mpp_json_object(w, "error");
	mpp_json_cstring(w, "code", e->code);
	mpp_json_cstring(w, "message", e->message);
	mpp_json_close(w);
	mpp_json_close(w);
}

void answer_error(struct request *q, unsigned status, const char *code,
		  const char *format, ...)
{
	char message[768];
	const struct error e = {code, message};
	va_list args;

	va_start(args, format);
	(void)vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	answer_json(q, status, write_error, &e);
}

static void write_text(mpp_json_writer *w, const void *arg)
{
	const struct text *t = arg;

	mpp_json_object(w, NULL);
	mpp_json_string(w, t->name, t->value);
	mpp_json_close(w);
}

void answer_text(struct request *q, unsigned status, const char *name,
		 mpp_bytes text)
{
	const struct text t = {name, text};

	answer_json(q, status, write_text, &t);
}

void answer_no_account(struct request *q)
{
	answer_error(q, MHD_HTTP_NOT_FOUND, "no_such_account",
		     "there is no such account: list them with GET "
		     "/v1/accounts, add it with POST /v1/accounts");
}
