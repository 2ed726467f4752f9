/* SPDX-License-Identifier: MIT */
/* uri.c - invitations. Contract: uri.h. Strict: whoever mistyped or cut an
 * invitation learns what is wrong with it before anything is sent. */
#include "loop/uri.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "loop/fail.h"
#include "loop/names.h"

enum {
	URI_MAX = 8192,
	VALUE_MAX = 800, /* an account of 255 octets, each of them %XX */
};

static const char scheme[] = "mpp://";

#define QUOTE_HINT " (quote the whole URI in the shell)"

static mpp_err wrong(mpp_loop_error *e, const char *why)
{
	return loop_fail(e, MPP_ERR_INVALID, EX_DATAERR,
			 "not an invitation: %s", why);
}

/* Take what stands before the first @p mark, or all; the mark is dropped.
 * @return whether there was a mark */
static bool take_until(mpp_bytes *rest, char mark, mpp_bytes *head)
{
	const uint8_t *at = rest->len == 0 ? NULL
					   : memchr(rest->p, mark, rest->len);

	*head = *rest;
	if (at == NULL) {
		*rest = (mpp_bytes){rest->p + rest->len, 0};
		return false;
	}
	head->len = (size_t)(at - rest->p);
	*rest = (mpp_bytes){at + 1, rest->len - head->len - 1};
	return true;
}

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Resolve %XX. @return NULL or what is wrong */
static const char *unescape(mpp_bytes in, mpp_buf *out)
{
	size_t i;
	int high, low;

	out->len = 0;
	for (i = 0; i < in.len; i++) {
		if (out->len == out->cap)
			return "a part of it is too long";
		out->p[out->len] = in.p[i];
		if (in.p[i] == '%') {
			high = in.len - i > 2 ? hex_value(in.p[i + 1]) : -1;
			low = in.len - i > 2 ? hex_value(in.p[i + 2]) : -1;
			if (high < 0 || low < 0)
				return "after % two hexadecimal digits are due";
			out->p[out->len] = (uint8_t)(high * 16 + low);
			i += 2;
		}
		out->len++;
	}
	return NULL;
}

/* What is not to be seen in a URI (RFC 3986): white space, controls, and
 * anything beyond ASCII. */
static const char *characters_wrong(const char *uri)
{
	size_t i;

	for (i = 0; uri[i] != '\0'; i++) {
		if (i == URI_MAX)
			return "it is too long";
		if ((unsigned char)uri[i] <= ' ' || uri[i] == 0x7f)
			return "it holds a space or control character";
		if ((unsigned char)uri[i] > 0x7f)
			return "what is not ASCII must be written as %XX";
	}
	return NULL;
}

static const char *add_endpoint(struct loop_invitation *inv, mpp_bytes text)
{
	const char *why;

	if (inv->n_endpoints == LOOP_ENDPOINTS_MAX)
		return "it names more than 8 endpoints";
	why = loop_endpoint_wrong(text, &inv->endpoints[inv->n_endpoints]);
	if (why == NULL)
		inv->n_endpoints++;
	return why;
}

static const char *add_pin(struct loop_invitation *inv, mpp_bytes text)
{
	const char *why;

	if (inv->n_pins == MPP_PINS_MAX)
		return "it names more than 4 service keys";
	if ((why = loop_pin_wrong(text)) != NULL)
		return why;
	memcpy(inv->pins[inv->n_pins], text.p, text.len);
	inv->n_pins++;
	return NULL;
}

static const char *add_web(struct loop_invitation *inv, mpp_bytes text)
{
	const char *why;

	if (inv->n_webs == LOOP_WEBS_MAX)
		return "it names more than 4 URLs of the Web Service";
	why = loop_weburl_wrong(text, false, inv->webs[inv->n_webs]);
	if (why == NULL)
		inv->n_webs++;
	return why;
}

static const char *read_account(struct loop_invitation *inv, mpp_bytes text)
{
	uint8_t room[VALUE_MAX];
	mpp_buf value = {room, sizeof(room), 0};
	mpp_bytes account;
	const char *why;

	if (text.len > 0 && memchr(text.p, '/', text.len) != NULL)
		return "a slash in the account must be written as %2F";
	if ((why = unescape(text, &value)) != NULL)
		return why;
	account = (mpp_bytes){value.p, value.len};
	if ((why = loop_account_wrong(account)) != NULL)
		return why;
	memcpy(inv->account, account.p, account.len);
	return NULL;
}

static const char *read_parameter(struct loop_invitation *inv, mpp_bytes text)
{
	uint8_t room[VALUE_MAX];
	mpp_buf value = {room, sizeof(room), 0};
	mpp_bytes name;
	const char *why;

	(void)take_until(&text, '=', &name);
	if (name.len != 1 || memchr("kew", name.p[0], 3) == NULL)
		return NULL;
	if ((why = unescape(text, &value)) != NULL)
		return why;
	text = (mpp_bytes){value.p, value.len};
	if (name.p[0] == 'w')
		return add_web(inv, text);
	return name.p[0] == 'k' ? add_pin(inv, text) : add_endpoint(inv, text);
}

static const char *read_query(struct loop_invitation *inv, mpp_bytes query)
{
	const char *why = NULL;
	mpp_bytes parameter;

	while (why == NULL && query.len > 0) {
		(void)take_until(&query, '&', &parameter);
		why = read_parameter(inv, parameter);
	}
	if (why == NULL && inv->n_pins == 0)
		why = "the fingerprint of the service (k=) is "
		      "missing" QUOTE_HINT;
	return why;
}

static const char *read_secret(struct loop_invitation *inv, mpp_bytes text)
{
	mpp_buf out = {inv->secret, sizeof(inv->secret), 0};
	mpp_err err;

	if (text.len == 0)
		return "the secret behind # is missing" QUOTE_HINT;
	err = mpp_base32_decode(text, &out);
	if (err == MPP_ERR_NOSPACE)
		return "the secret behind # is too long";
	if (err != MPP_OK)
		return "the secret behind # is mistyped or cut";
	return out.len == sizeof(inv->secret)
		       ? NULL
		       : "the secret behind # is cut short";
}

static const char *read_all(struct loop_invitation *inv, mpp_bytes text)
{
	mpp_bytes main_part, path, authority;
	const char *why;

	(void)take_until(&text, '#', &main_part);
	(void)take_until(&main_part, '?', &path);
	(void)take_until(&path, '/', &authority);
	if (authority.len > 0 && memchr(authority.p, '@', authority.len))
		return "an account is written behind the host: "
		       "mpp://HOST:PORT/ACCOUNT";
	if ((why = add_endpoint(inv, authority)) != NULL)
		return why;
	if ((why = read_account(inv, path)) != NULL)
		return why;
	if ((why = read_query(inv, main_part)) != NULL)
		return why;
	return read_secret(inv, text);
}

mpp_err loop_uri_parse(const char *uri, struct loop_invitation *out,
		       mpp_loop_error *e)
{
	const size_t skip = sizeof(scheme) - 1;
	struct loop_invitation inv;
	const char *why = characters_wrong(uri);

	if (why != NULL)
		return wrong(e, why);
	if (strncasecmp(uri, scheme, skip) != 0)
		return wrong(e, "it does not begin with mpp://");
	memset(&inv, 0, sizeof(inv));
	why = read_all(&inv, (mpp_bytes){(const uint8_t *)uri + skip,
					 strlen(uri + skip)});
	if (why == NULL)
		*out = inv;
	mem_wipe(&inv, sizeof(inv));
	return why == NULL ? MPP_OK : wrong(e, why);
}
