/* SPDX-License-Identifier: MIT */
/* token.c - minting and revoking tokens. Contract: request.h. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/log.h"
#include "web/body.h"
#include "web/request.h"

enum {
	LIFE_S = 86400, /* when nothing is said */
	LIFE_MAX_S = 31536000,
};

/* ---- revoking ---- */

static void revoked(struct request *q, const mpp_result *result)
{
	const bool all = q->args[1].len == 0;
	const mpp_bytes whose = q->args[all ? 0 : 1];

	(void)result;
	log_write_bytes(LOG_LEVEL_INFO, "tokens revoked",
			all ? "account" : "device", whose);
	answer_text(q, MHD_HTTP_OK, all ? "account" : "device", whose);
}

/* Of a device, or of the whole account. */
void token_revoke(struct request *q)
{
	mpp_err err = MPP_ERR_SYNTAX;

	q->op = ++q->web->op;
	if (q->args[1].len == 0 || change_is_device_id(q->args[1]))
		err = mpp_service_token_revoke(q->web->config.service,
					       q->args[0], q->args[1], q->op,
					       q->web->now.wall);
	change_answer_device(q, err, revoked);
}

static void key_revoked(struct request *q, const mpp_result *result)
{
	(void)result;
	log_write_bytes(LOG_LEVEL_INFO, "tokens revoked", "key", q->args[0]);
	answer_text(q, MHD_HTTP_OK, "key", q->args[0]);
}

static const struct web_token_key *find_key(const struct request *q)
{
	const struct web_token_key *k = q->web->config.token_keys;

	for (; k != NULL && k->name != NULL; k++) {
		if (strlen(k->name) == q->args[0].len &&
		    memcmp(k->name, q->args[0].p, q->args[0].len) == 0)
			return k;
	}
	return NULL;
}

/* All that were minted with a key. */
void token_revoke_key(struct request *q)
{
	const struct web_token_key *k = find_key(q);
	mpp_err err = MPP_ERR_NOTFOUND;

	q->op = ++q->web->op;
	if (k != NULL)
		err = mpp_service_minter_revoke(q->web->config.service, k->id,
						q->op, q->web->now.wall);
	if (err == MPP_OK)
		change_wait(q, key_revoked);
	else if (err == MPP_ERR_LIMIT)
		change_no_room(q, "operations");
	else
		answer_error(q, MHD_HTTP_NOT_FOUND, "no_such_key",
			     "there is no such token key: give the NAME of a "
			     "[token-key NAME] in the configuration, or own");
}

/* ---- minting ---- */

static bool read_body(struct request *q, struct body *b)
{
	static const char *const names[] = {"lifetime_s", "rights", NULL};
	static const uint64_t range[2] = {1, LIFE_MAX_S};
	struct members m = {names, 0};
	uint64_t lifetime = LIFE_S;
	mpp_json_item item;
	int i;

	body_begin(b, (mpp_bytes){q->body, q->body_len});
	while ((i = body_member(b, &m, &item)) >= 0) {
		if (i == 0)
			(void)body_uint(b, &item, names[0], range, &lifetime);
		else
			(void)request_rights(b, &item, &q->grant->rights);
	}
	q->grant->lifetime_s = (uint32_t)lifetime;
	return body_end(b);
}

static void write_pins(mpp_json_writer *w, const mpp_service *s)
{
	uint8_t udf[MPP_UDF_LEN];
	char text[MPP_UDF_TEXT_MAX];
	int suite;

	mpp_json_array(w, "Fingerprints");
	for (suite = MPP_SUITE_25519; suite <= MPP_SUITE_448; suite++) {
		if (mpp_service_fingerprint(s, suite, udf) != MPP_OK)
			continue;
		(void)mpp_udf_text(udf, MPP_UDF_PIN_BITS, text);
		mpp_json_cstring(w, NULL, text);
	}
	mpp_json_close(w);
}

/* The Mesh's ServiceAccessToken, and behind it what a device needs beside. */
static void write_grant(mpp_json_writer *w, const void *arg)
{
	const struct request *q = arg;
	const struct grant *g = q->grant;
	const time_t s = (time_t)(g->expires_ms / 1000);
	const char *const *endpoint;
	char expires[32] = "";
	struct tm tm;

	if (gmtime_r(&s, &tm) != NULL)
		(void)strftime(expires, sizeof(expires), "%Y-%m-%dT%H:%M:%SZ",
			       &tm);
	mpp_json_object(w, NULL);
	mpp_json_cstring(w, "Prefix", "mmm_presence");
	mpp_json_array(w, "Endpoints");
	for (endpoint = q->web->config.endpoints; *endpoint != NULL; endpoint++)
		mpp_json_cstring(w, NULL, *endpoint);
	mpp_json_close(w);
	mpp_json_data(w, "Token", (mpp_bytes){g->token, g->len});
	mpp_json_data(w, "SharedSecret",
		      (mpp_bytes){g->secret, sizeof(g->secret)});
	mpp_json_string(w, "Account", q->args[0]);
	write_pins(w, q->web->config.service);
	mpp_json_cstring(w, "Expires", expires);
	mpp_json_close(w);
}

static mpp_err mint(struct request *q)
{
	struct grant *g = q->grant;
	mpp_buf token = {g->token, sizeof(g->token), 0};
	mpp_token_claims k = {
		.account = q->args[0],
		.device = q->args[1],
		.rights = g->rights,
	};
	mpp_err err;

	/* Whole seconds, as the answer says it. */
	g->expires_ms = (q->web->now.wall.us / 1000000 + g->lifetime_s) * 1000;
	k.expires_ms = g->expires_ms;
	err = mpp_service_token_mint(q->web->config.service, &k,
				     q->web->now.wall, &token, g->secret);
	g->len = token.len;
	return err;
}

static void answer_mint(struct request *q, mpp_err err)
{
	if (err == MPP_OK) {
		log_write_bytes(LOG_LEVEL_INFO, "token minted", "device",
				q->args[1]);
		answer_json(q, MHD_HTTP_CREATED, write_grant, q);
	} else if (err == MPP_ERR_NOTFOUND) {
		answer_no_account(q);
	} else if (err == MPP_ERR_STATE) {
		change_being_removed(q);
	} else if (err == MPP_ERR_INVALID) {
		answer_error(q, MHD_HTTP_BAD_REQUEST, "bad_device",
			     "a token needs the fingerprint of the device's "
			     "key, at least the first %d bits, as mpp id "
			     "prints it",
			     MPP_UDF_BITS);
	} else {
		answer_error(q, MHD_HTTP_INTERNAL_SERVER_ERROR, "internal",
			     "no token was made: %s", mpp_err_text(err));
	}
}

void token_mint(struct request *q)
{
	struct body b;

	q->grant = calloc(1, sizeof(*q->grant));
	if (q->grant == NULL) {
		answer_mint(q, MPP_ERR_NOMEM);
		return;
	}
	q->grant->rights = MPP_RIGHT_SUBSCRIBE;
	q->grant->lifetime_s = LIFE_S;
	if (q->body_len > 0 && !read_body(q, &b)) {
		answer_error(q, MHD_HTTP_BAD_REQUEST, "bad_body", "%s",
			     b.wrong);
		return;
	}
	answer_mint(q, mint(q));
}
