/* SPDX-License-Identifier: MIT */
/* invite.c - minting invitations. Contract: request.h.
 *
 *   mpp://HOST:PORT/ACCOUNT?k=FINGERPRINT&k=…&e=HOST2:PORT2&…&w=URL&…#SECRET
 *
 * The secret is in the URI only; the service keeps a hash of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/wr.h"
#include "host/log.h"
#include "web/body.h"
#include "web/request.h"

enum { LIFETIME_MAX_S = 900 };

/* ---- the request ---- */

static bool read_right(struct body *b, const mpp_json_item *item,
		       unsigned *rights)
{
	static const char *const names[] = {"subscribe", "publish", "reset"};
	unsigned i;

	for (i = 0; i < 3 && item->kind == MPP_JSON_STRING; i++) {
		if (mpp_json_text_is(&item->text, names[i])) {
			*rights |= 1u << i; /* MPP_RIGHT_… in this order */
			return true;
		}
	}
	return body_fail(b, "\"rights\" holds \"subscribe\", \"publish\" or "
			    "\"reset\"");
}

bool request_rights(struct body *b, const mpp_json_item *array,
		    unsigned *rights)
{
	mpp_json_item item;

	*rights = 0;
	if (array->kind != MPP_JSON_ARRAY)
		return body_fail(b, "\"rights\" must be an array");
	while (body_item(b, &item)) {
		if (!read_right(b, &item, rights))
			return false;
	}
	return *rights != 0 || body_fail(b, "\"rights\" must not be empty");
}

static bool read_body(struct request *q, struct body *b)
{
	static const char *const names[] = {"lifetime_s", "rights", NULL};
	static const uint64_t range[2] = {1, LIFETIME_MAX_S};
	struct members m = {names, 0};
	uint64_t lifetime = LIFETIME_MAX_S;
	mpp_json_item item;
	int i;

	body_begin(b, (mpp_bytes){q->body, q->body_len});
	while ((i = body_member(b, &m, &item)) >= 0) {
		if (i == 0)
			(void)body_uint(b, &item, names[0], range, &lifetime);
		else
			(void)request_rights(b, &item, &q->invite->rights);
	}
	q->invite->lifetime_s = (uint32_t)lifetime;
	return body_end(b);
}

/* ---- the URI ---- */

static void put_text(struct wr *w, const char *text)
{
	wr_raw(w, text, strlen(text));
}

static bool stays(uint8_t c, const char *also)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') || (c != 0 && strchr(also, c) != NULL);
}

/* Percent-encoding (RFC 3986 section 2.1) of what does not stay. */
static void put_encoded(struct wr *w, mpp_bytes in, const char *also)
{
	char hex[4];
	size_t i;

	for (i = 0; i < in.len; i++) {
		if (stays(in.p[i], also)) {
			wr_u8(w, in.p[i]);
			continue;
		}
		(void)snprintf(hex, sizeof(hex), "%%%02X", in.p[i]);
		put_text(w, hex);
	}
}

static void put_pins(struct wr *w, const mpp_service *s)
{
	const char *before = "?k=";
	uint8_t udf[MPP_UDF_LEN];
	char text[MPP_UDF_TEXT_MAX];
	int suite;

	for (suite = MPP_SUITE_25519; suite <= MPP_SUITE_448; suite++) {
		if (mpp_service_fingerprint(s, suite, udf) != MPP_OK)
			continue;
		(void)mpp_udf_text(udf, MPP_UDF_PIN_BITS, text);
		put_text(w, before);
		put_text(w, text);
		before = "&k=";
	}
}

static void put_endpoints(struct wr *w, const char *const *endpoints)
{
	for (; *endpoints != NULL; endpoints++) {
		put_text(w, "&e=");
		put_encoded(w,
			    (mpp_bytes){(const uint8_t *)*endpoints,
					strlen(*endpoints)},
			    "-._~:");
	}
}

/* Web Services, where the device goes when UDP does not pass. */
static void put_urls(struct wr *w, const char *const *urls)
{
	for (; *urls != NULL; urls++) {
		put_text(w, "&w=");
		put_encoded(w,
			    (mpp_bytes){(const uint8_t *)*urls, strlen(*urls)},
			    "-._~:/");
	}
}

/* 8 endpoints of 272, an account of 3 x 255, 2 pins of 68 and 4 URLs of 160 fit.
 */
static bool write_uri(struct request *q, const mpp_account_info *a,
		      const uint8_t secret[MPP_INVITATION_LEN])
{
	const struct web_config *k = &q->web->config;
	struct wr w =
		wr_init((uint8_t *)q->invite->uri, sizeof(q->invite->uri) - 1);
	char text[32];

	put_text(&w, "mpp://");
	put_text(&w, k->endpoints[0]);
	put_text(&w, "/");
	put_encoded(&w, a->name, "-._~@");
	put_pins(&w, k->service);
	put_endpoints(&w, k->endpoints + 1);
	put_urls(&w, k->urls);
	(void)mpp_base32((mpp_bytes){secret, MPP_INVITATION_LEN}, text,
			 sizeof(text));
	put_text(&w, "#");
	put_text(&w, text);
	mem_wipe(text, sizeof(text));
	q->invite->uri[w.n] = '\0';
	return w.err == MPP_OK;
}

/* ---- minting ---- */

static void write_invite(mpp_json_writer *w, const void *arg)
{
	const struct invite *v = arg;
	const time_t s = (time_t)(v->expires.us / 1000000);
	char expires[32] = "";
	struct tm tm;

	if (gmtime_r(&s, &tm) != NULL)
		(void)strftime(expires, sizeof(expires), "%Y-%m-%dT%H:%M:%SZ",
			       &tm);
	mpp_json_object(w, NULL);
	mpp_json_cstring(w, "uri", v->uri);
	mpp_json_cstring(w, "expires", expires);
	mpp_json_close(w);
}

static void minted(struct request *q, const mpp_result *result)
{
	(void)result;
	log_write_bytes(LOG_LEVEL_INFO, "invitation minted", "account",
			q->args[0]);
	answer_json(q, MHD_HTTP_CREATED, write_invite, q->invite);
}

static mpp_err ask(struct request *q, const uint8_t *secret)
{
	struct invite *v = q->invite;
	const mpp_wall now = q->web->now.wall;

	/* Whole seconds, as the answer says it. */
	v->expires.us = (now.us / 1000000 + v->lifetime_s) * 1000000;
	q->op = ++q->web->op;
	return mpp_service_invite(q->web->config.service, q->args[0], secret,
				  v->rights, v->expires, q->op, now);
}

static mpp_err mint(struct request *q)
{
	const mpp_crypto *crypto = q->web->config.crypto;
	uint8_t secret[MPP_INVITATION_LEN];
	mpp_account_info a;
	mpp_err err;

	if (!mpp_service_account_find(q->web->config.service, q->args[0], &a))
		return MPP_ERR_NOTFOUND;
	err = crypto->ops->random(crypto->ctx, secret, sizeof(secret));
	if (err == MPP_OK && !write_uri(q, &a, secret))
		err = MPP_ERR_NOSPACE;
	if (err == MPP_OK)
		err = ask(q, secret);
	mem_wipe(secret, sizeof(secret));
	return err;
}

static void answer_mint(struct request *q, mpp_err err)
{
	if (err == MPP_OK)
		change_wait(q, minted);
	else if (err == MPP_ERR_NOTFOUND)
		answer_no_account(q);
	else if (err == MPP_ERR_STATE)
		change_being_removed(q);
	else if (err == MPP_ERR_LIMIT)
		change_no_room(q, "invitations");
	else
		answer_error(q, MHD_HTTP_INTERNAL_SERVER_ERROR, "internal",
			     "no invitation was made: %s", mpp_err_text(err));
}

void invite_mint(struct request *q)
{
	struct body b;

	q->invite = calloc(1, sizeof(*q->invite));
	if (q->invite == NULL) {
		answer_mint(q, MPP_ERR_NOMEM);
		return;
	}
	q->invite->rights = MPP_RIGHT_SUBSCRIBE;
	q->invite->lifetime_s = LIFETIME_MAX_S;
	if (q->body_len > 0 && !read_body(q, &b)) {
		answer_error(q, MHD_HTTP_BAD_REQUEST, "bad_body", "%s",
			     b.wrong);
		return;
	}
	answer_mint(q, mint(q));
}
