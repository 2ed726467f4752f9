/* SPDX-License-Identifier: MIT */
/* message_token.c - the member Token: {Prefix, Endpoints, Token,
 * SharedSecret}. Contract: message.h. */
#include "presence/message.h"

#include <mpp/token.h>

#include "base/mem.h"

static const char prefix[] = "mmm_presence";

void msg_put_token(mpp_json_writer *w, mpp_bytes token,
		   const uint8_t secret[MPP_TOKEN_SECRET_LEN])
{
	mpp_json_object(w, "Token");
	mpp_json_cstring(w, "Prefix", prefix);
	mpp_json_data(w, "Token", token);
	mpp_json_data(w, "SharedSecret",
		      (mpp_bytes){secret, MPP_TOKEN_SECRET_LEN});
	mpp_json_close(w);
}

/* One of the members that are used: at most once, and binary. */
static mpp_err check_data(const mpp_json_item *it, bool *seen)
{
	if (*seen)
		return MPP_ERR_DUPLICATE;
	*seen = true;
	return it->kind == MPP_JSON_DATA || it->kind == MPP_JSON_STRING
		       ? MPP_OK
		       : MPP_ERR_TYPE;
}

mpp_err msg_token_check(mpp_json_reader *r, struct msg_list *out)
{
	bool token = false, secret = false;
	mpp_json_item it;
	mpp_err err;

	out->at = *r;
	out->n = 0;
	while ((err = mpp_json_next(r, &it)) == MPP_OK &&
	       it.kind != MPP_JSON_CLOSE) {
		if (mpp_json_text_is(&it.name, "Token"))
			err = check_data(&it, &token);
		else if (mpp_json_text_is(&it.name, "SharedSecret"))
			err = check_data(&it, &secret);
		else
			err = mpp_json_skip(r, &it);
		if (err != MPP_OK)
			return err;
	}
	if (err == MPP_OK && !(token && secret))
		return MPP_ERR_MISSING;
	out->n = 1;
	return err;
}

mpp_err msg_token(const struct msg *m, mpp_buf *token,
		  uint8_t secret[MPP_TOKEN_SECRET_LEN])
{
	mpp_json_reader r = m->token.at;
	mpp_buf s = {secret, MPP_TOKEN_SECRET_LEN, 0};
	mpp_json_item it;
	mpp_err err;

	if (!msg_has(m, FIELD_TOKEN))
		return MPP_ERR_MISSING;
	while ((err = mpp_json_next(&r, &it)) == MPP_OK &&
	       it.kind != MPP_JSON_CLOSE) {
		if (mpp_json_text_is(&it.name, "Token"))
			err = mpp_json_data_copy(&it, token);
		else if (mpp_json_text_is(&it.name, "SharedSecret"))
			err = mpp_json_data_copy(&it, &s);
		else
			err = mpp_json_skip(&r, &it);
		if (err != MPP_OK)
			return err;
	}
	if (err == MPP_OK && (token->len == 0 || s.len != s.cap))
		return MPP_ERR_RANGE;
	return err;
}
