/* SPDX-License-Identifier: MIT */
/* change.c - changes that the operator asks for. Contract: request.h.
 *
 * Read the body, ask the service, wait for the disk, answer. */
#include <stdlib.h>
#include <string.h>

#include "host/log.h"
#include "web/body.h"
#include "web/request.h"

enum { DEVICE_BITS = 100 }; /* fewest that name a device */

void change_wait(struct request *q, request_done_fn *done)
{
	q->done = done;
	q->state = REQUEST_WAITING;
}

void change_no_room(struct request *q, const char *raise)
{
	answer_error(q, MHD_HTTP_SERVICE_UNAVAILABLE, "no_room",
		     "a limit is reached: raise [limits] %s in the "
		     "configuration, or try again when less is waiting for "
		     "the disk",
		     raise);
}

void change_being_removed(struct request *q)
{
	answer_error(q, MHD_HTTP_SERVICE_UNAVAILABLE, "being_removed",
		     "this account is being removed: look again when that is "
		     "on disk");
}

static void answer_bad_body(struct request *q, const struct body *b)
{
	answer_error(q, MHD_HTTP_BAD_REQUEST, "bad_body", "%s", b->wrong);
}

/* What no request should meet. */
static void answer_internal(struct request *q, mpp_err err)
{
	answer_error(q, MHD_HTTP_INTERNAL_SERVER_ERROR, "internal",
		     "nothing was changed: %s", mpp_err_text(err));
}

/* ---- accounts ---- */

static bool read_account(const struct request *q, struct body *b, mpp_buf *out)
{
	static const char *const names[] = {"account", NULL};
	struct members m = {names, 0};
	mpp_json_item item;

	body_begin(b, (mpp_bytes){q->body, q->body_len});
	while (body_member(b, &m, &item) >= 0)
		(void)body_text(b, &item, names[0], MPP_ACCOUNT_MAX, out);
	if (m.seen == 0)
		(void)body_fail(b, "\"account\" is missing");
	return body_end(b);
}

/* The name goes back as it is kept: it lies in the body's place. */
static void account_added(struct request *q, const mpp_result *result)
{
	mpp_account_info a = {.name = {q->body, q->body_len}};

	(void)result;
	(void)mpp_service_account_find(q->web->config.service, a.name, &a);
	log_write_bytes(LOG_LEVEL_INFO, "account added", "account", a.name);
	answer_text(q, MHD_HTTP_CREATED, "account", a.name);
}

static void add_account(struct request *q, mpp_bytes name)
{
	const mpp_err err =
		mpp_service_account_add(q->web->config.service, name, q->op);

	if (err == MPP_OK)
		change_wait(q, account_added);
	else if (err == MPP_ERR_EXISTS)
		answer_error(q, MHD_HTTP_CONFLICT, "account_exists",
			     "this account is there already");
	else if (err == MPP_ERR_INVALID)
		answer_error(q, MHD_HTTP_BAD_REQUEST, "bad_account",
			     "an account's name has 1 to %d octets of UTF-8 "
			     "without white space, control characters, '/', "
			     "'?', '#' and '%%'",
			     MPP_ACCOUNT_MAX);
	else if (err == MPP_ERR_STATE)
		change_being_removed(q);
	else if (err == MPP_ERR_LIMIT)
		change_no_room(q, "accounts");
	else
		answer_internal(q, err);
}

void change_add_account(struct request *q)
{
	uint8_t room[MPP_ACCOUNT_MAX * 4];
	mpp_buf name = {room, sizeof(room), 0};
	struct body b;

	if (!read_account(q, &b, &name)) {
		answer_bad_body(q, &b);
		return;
	}
	memcpy(q->body, room, name.len);
	q->body_len = name.len;
	q->op = ++q->web->op;
	add_account(q, (mpp_bytes){q->body, q->body_len});
}

static void account_removed(struct request *q, const mpp_result *result)
{
	(void)result;
	log_write_bytes(LOG_LEVEL_INFO, "account removed", "account",
			q->args[0]);
	answer_text(q, MHD_HTTP_OK, "account", q->args[0]);
}

/* The name goes back as it was kept, which has the same length: it lies in
 * the path's place. */
static void keep_name(struct request *q)
{
	const mpp_bytes name = q->args[0];
	mpp_account_info a;

	if (mpp_service_account_find(q->web->config.service, name, &a))
		memcpy(q->path + ((const char *)name.p - q->path), a.name.p,
		       a.name.len);
}

void change_remove_account(struct request *q)
{
	mpp_err err;

	q->op = ++q->web->op;
	err = mpp_service_account_remove(q->web->config.service, q->args[0],
					 q->op, q->web->now.wall);
	if (err == MPP_OK) {
		keep_name(q);
		change_wait(q, account_removed);
	} else if (err == MPP_ERR_NOTFOUND) {
		answer_no_account(q);
	} else if (err == MPP_ERR_STATE) {
		change_being_removed(q);
	} else if (err == MPP_ERR_LIMIT) {
		change_no_room(q, "operations");
	} else {
		answer_internal(q, err);
	}
}

/* ---- publish ---- */

static const uint64_t index_range[2] = {0, (UINT64_C(1) << 53) - 1};

/* Append, and say where it lies. */
static mpp_bytes since(const mpp_buf *text, size_t before)
{
	return (mpp_bytes){text->p + before, text->len - before};
}

static bool read_digest(struct body *b, const mpp_json_item *item,
			struct publish *p, mpp_store_status *st)
{
	const size_t before = p->text.len;

	if (mpp_json_data_copy(item, &p->text) != MPP_OK ||
	    p->text.len - before > MPP_DIGEST_MAX)
		return body_fail(b,
				 "\"digest\" must be base64url of at most %d "
				 "octets",
				 MPP_DIGEST_MAX);
	st->digest = since(&p->text, before);
	return true;
}

static bool read_name(struct body *b, const mpp_json_item *item,
		      struct publish *p, mpp_store_status *st)
{
	const size_t before = p->text.len;

	if (!body_text(b, item, "store", MPP_STORE_MAX, &p->text))
		return false;
	st->store = since(&p->text, before);
	return st->store.len > 0 || body_fail(b, "\"store\" must not be empty");
}

/* One object of "stores", behind its opening. */
static bool read_store(struct body *b, struct publish *p)
{
	static const char *const names[] = {"store", "index", "digest", NULL};
	struct members m = {names, 0};
	mpp_store_status *st = &p->stores[p->n++];
	mpp_json_item item;
	int i;

	memset(st, 0, sizeof(*st));
	while ((i = body_member(b, &m, &item)) >= 0) {
		if (i == 0)
			(void)read_name(b, &item, p, st);
		else if (i == 1)
			(void)body_uint(b, &item, names[1], index_range,
					&st->index);
		else
			(void)read_digest(b, &item, p, st);
	}
	if ((m.seen & 3) != 3)
		return body_fail(b, "a store needs \"store\" and \"index\"");
	return true;
}

static bool read_stores(struct body *b, const mpp_json_item *array,
			struct publish *p)
{
	mpp_json_item item;

	if (array->kind != MPP_JSON_ARRAY)
		return body_fail(b, "\"stores\" must be an array");
	while (body_item(b, &item)) {
		if (item.kind != MPP_JSON_OBJECT)
			return body_fail(b, "\"stores\" holds objects such "
					    "as {\"store\":\"x\",\"index\":1}");
		if (p->n == WEB_PUBLISH_MAX)
			return body_fail(b, "\"stores\" holds at most %d",
					 WEB_PUBLISH_MAX);
		(void)read_store(b, p);
	}
	return p->n > 0 || body_fail(b, "\"stores\" must not be empty");
}

static bool read_reset(struct body *b, const mpp_json_item *item,
		       struct publish *p)
{
	p->reset = item->boolean;
	return item->kind == MPP_JSON_BOOLEAN ||
	       body_fail(b, "\"reset\" must be true or false");
}

static bool read_publish(const struct request *q, struct body *b)
{
	static const char *const names[] = {"stores", "reset", NULL};
	struct members m = {names, 0};
	mpp_json_item item;
	int i;

	body_begin(b, (mpp_bytes){q->body, q->body_len});
	while ((i = body_member(b, &m, &item)) >= 0) {
		if (i == 0)
			(void)read_stores(b, &item, q->publish);
		else
			(void)read_reset(b, &item, q->publish);
	}
	if ((m.seen & 1) == 0)
		(void)body_fail(b, "\"stores\" is missing");
	return body_end(b);
}

static void write_published(mpp_json_writer *w, const void *arg)
{
	const struct publish *p = arg;
	size_t i;

	mpp_json_object(w, NULL);
	mpp_json_uint(w, "serial", p->done.serial);
	mpp_json_array(w, "skipped");
	for (i = 0; i < p->n; i++) {
		if ((p->done.skipped[i / 64] >> (i % 64) & 1) != 0)
			mpp_json_string(w, NULL, p->stores[i].store);
	}
	mpp_json_close(w);
	mpp_json_close(w);
}

static void published(struct request *q, const mpp_result *result)
{
	char serial[LOG_NUMBER];

	q->publish->done.serial = result->serial;
	log_write(LOG_LEVEL_DEBUG, "published", "serial",
		  log_number(serial, result->serial), LOG_END);
	answer_json(q, MHD_HTTP_OK, write_published, q->publish);
}

static void publish(struct request *q)
{
	struct publish *p = q->publish;
	mpp_err err;

	q->op = ++q->web->op;
	err = mpp_service_publish(q->web->config.service, q->args[0], p->stores,
				  p->n, p->reset, q->op, q->web->now.wall,
				  &p->done);
	if (err == MPP_OK && p->done.waiting)
		change_wait(q, published);
	else if (err == MPP_OK)
		answer_json(q, MHD_HTTP_OK, write_published, p);
	else if (err == MPP_ERR_NOTFOUND)
		answer_no_account(q);
	else if (err == MPP_ERR_STATE)
		change_being_removed(q);
	else if (err == MPP_ERR_INVALID)
		answer_error(q, MHD_HTTP_BAD_REQUEST, "bad_stores",
			     "each store may stand there once, with a name of "
			     "1 to %d octets of UTF-8",
			     MPP_STORE_MAX);
	else if (err == MPP_ERR_LIMIT)
		change_no_room(q, "stores or stores-per-account");
	else
		answer_internal(q, err);
}

void change_publish(struct request *q)
{
	struct body b;

	q->publish = malloc(sizeof(*q->publish));
	if (q->publish == NULL) {
		answer_internal(q, MPP_ERR_NOMEM);
		return;
	}
	q->publish->n = 0;
	q->publish->reset = false;
	q->publish->text =
		(mpp_buf){q->publish->room, sizeof(q->publish->room), 0};
	if (read_publish(q, &b))
		publish(q);
	else
		answer_bad_body(q, &b);
}

/* ---- devices ---- */

static void removed(struct request *q, const mpp_result *result)
{
	(void)result;
	log_write_bytes(LOG_LEVEL_INFO, "device removed", "device", q->args[1]);
	answer_text(q, MHD_HTTP_OK, "device", q->args[1]);
}

/* The text is compared with a fingerprint that nobody has. */
bool change_is_device_id(mpp_bytes text)
{
	static const uint8_t nobody[MPP_UDF_LEN];
	const mpp_err err = mpp_udf_match(nobody, text, DEVICE_BITS);

	return err == MPP_OK || err == MPP_ERR_AUTH;
}

void change_answer_device(struct request *q, mpp_err err, request_done_fn *done)
{
	if (err == MPP_OK)
		change_wait(q, done);
	else if (err == MPP_ERR_NOTFOUND)
		answer_error(q, MHD_HTTP_NOT_FOUND, "no_such_device",
			     "there is no such account, or it has no such "
			     "device: see GET /v1/accounts/NAME");
	else if (err == MPP_ERR_SYNTAX)
		answer_error(q, MHD_HTTP_BAD_REQUEST, "bad_device",
			     "a device is named by its fingerprint, at least "
			     "the first 100 bits, such as "
			     "MB5S-R4AJ-3FBT-7NHO-T26Z-2E6Y-WFH4");
	else if (err == MPP_ERR_STATE)
		change_being_removed(q);
	else if (err == MPP_ERR_LIMIT)
		change_no_room(q, "operations");
	else
		answer_internal(q, err);
}

void change_remove_device(struct request *q)
{
	mpp_err err = MPP_ERR_SYNTAX;

	q->op = ++q->web->op;
	if (change_is_device_id(q->args[1]))
		err = mpp_service_device_remove(q->web->config.service,
						q->args[0], q->args[1], q->op,
						q->web->now.wall);
	change_answer_device(q, err, removed);
}
