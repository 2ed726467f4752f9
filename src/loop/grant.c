/* SPDX-License-Identifier: MIT */
/* grant.c - see grant.h. */
#include "loop/grant.h"

#include <string.h>

#include <mpp/jsonbcd.h>

#include "base/mem.h"
#include "loop/fail.h"
#include "loop/names.h"

struct parse {
	mpp_json_reader r;
	mpp_json_item it;
	struct loop_grant g;
};

/* Each reads the value in p->it. @return NULL, or what is wrong */
typedef const char *read_fn(struct parse *p);

static const char not_json[] = "it is not JSON";

/* A string, NUL-terminated when it fits. */
static bool copy_text(const struct parse *p, char *out, size_t cap)
{
	mpp_buf buf = {(uint8_t *)out, cap - 1, 0};

	if (p->it.kind != MPP_JSON_STRING ||
	    mpp_json_text_copy(&p->it.text, &buf) != MPP_OK)
		return false;
	out[buf.len] = '\0';
	return memchr(out, 0, buf.len) == NULL;
}

static mpp_bytes bytes_of(const char *text)
{
	return (mpp_bytes){(const uint8_t *)text, strlen(text)};
}

static const char *read_prefix(struct parse *p)
{
	return p->it.kind == MPP_JSON_STRING &&
			       mpp_json_text_is(&p->it.text, "mmm_presence")
		       ? NULL
		       : "Prefix is not mmm_presence: it is for another "
			 "service";
}

static const char *read_account(struct parse *p)
{
	return copy_text(p, p->g.account, sizeof(p->g.account)) &&
			       loop_account_wrong(bytes_of(p->g.account)) ==
				       NULL
		       ? NULL
		       : "Account is not an account's name";
}

static const char *read_token(struct parse *p)
{
	mpp_buf buf = {p->g.token, sizeof(p->g.token), 0};

	if ((p->it.kind != MPP_JSON_STRING && p->it.kind != MPP_JSON_DATA) ||
	    mpp_json_data_copy(&p->it, &buf) != MPP_OK || buf.len == 0)
		return "Token is not 1 to 512 octets of base64url";
	p->g.token_len = buf.len;
	return NULL;
}

static const char *read_secret(struct parse *p)
{
	mpp_buf buf = {p->g.secret, sizeof(p->g.secret), 0};

	return (p->it.kind == MPP_JSON_STRING || p->it.kind == MPP_JSON_DATA) &&
			       mpp_json_data_copy(&p->it, &buf) == MPP_OK &&
			       buf.len == buf.cap
		       ? NULL
		       : "SharedSecret is not 32 octets of base64url";
}

static const char *read_endpoint(struct parse *p)
{
	struct loop_grant *g = &p->g;
	char text[LOOP_ENDPOINT_TEXT];

	if (g->n_endpoints == LOOP_ENDPOINTS_MAX ||
	    !copy_text(p, text, sizeof(text)) ||
	    loop_endpoint_wrong(bytes_of(text),
				&g->endpoints[g->n_endpoints]) != NULL)
		return "Endpoints is not a list of up to 8 host:port";
	g->n_endpoints++;
	return NULL;
}

static const char *read_pin(struct parse *p)
{
	struct loop_grant *g = &p->g;

	if (g->n_pins == MPP_PINS_MAX ||
	    !copy_text(p, g->pins[g->n_pins], MPP_UDF_TEXT_MAX) ||
	    loop_pin_wrong(bytes_of(g->pins[g->n_pins])) != NULL)
		return "Fingerprints is not a list of up to 4 fingerprints";
	g->n_pins++;
	return NULL;
}

static const char *read_list(struct parse *p, read_fn *read)
{
	const char *wrong = NULL;

	if (p->it.kind != MPP_JSON_ARRAY)
		return "Endpoints and Fingerprints must be lists";
	while (wrong == NULL) {
		if (mpp_json_next(&p->r, &p->it) != MPP_OK)
			return not_json;
		if (p->it.kind == MPP_JSON_CLOSE)
			break;
		wrong = read(p);
	}
	return wrong;
}

static const char *read_endpoints(struct parse *p)
{
	return read_list(p, read_endpoint);
}

static const char *read_pins(struct parse *p)
{
	return read_list(p, read_pin);
}

static const char *skip(struct parse *p)
{
	return mpp_json_skip(&p->r, &p->it) == MPP_OK ? NULL : not_json;
}

enum { TOKEN, SECRET, MEMBERS = 6 };

static const struct member {
	const char *name;
	read_fn *read;
} members[MEMBERS] = {
	[TOKEN] = {"Token", read_token},
	[SECRET] = {"SharedSecret", read_secret},
	{"Prefix", read_prefix},
	{"Endpoints", read_endpoints},
	{"Account", read_account},
	{"Fingerprints", read_pins},
};

static const char *read_members(struct parse *p)
{
	const unsigned must = 1u << TOKEN | 1u << SECRET;
	const char *wrong = NULL;
	unsigned seen = 0, i;

	while (wrong == NULL) {
		if (mpp_json_next(&p->r, &p->it) != MPP_OK)
			return not_json;
		if (p->it.kind == MPP_JSON_CLOSE)
			break;
		for (i = 0; i < MEMBERS; i++) {
			if (mpp_json_text_is(&p->it.name, members[i].name))
				break;
		}
		if (i < MEMBERS && (seen >> i & 1) != 0)
			return "a member stands there twice";
		seen |= 1u << i;
		wrong = i < MEMBERS ? members[i].read(p) : skip(p);
	}
	if (wrong == NULL && (seen & must) != must)
		return "Token or SharedSecret is missing";
	return wrong;
}

static bool rest_is_blank(const struct parse *p)
{
	const mpp_bytes rest = mpp_json_rest(&p->r);
	size_t i;

	for (i = 0; i < rest.len; i++) {
		if (rest.p[i] == 0 || strchr(" \t\r\n", rest.p[i]) == NULL)
			return false;
	}
	return true;
}

static const char *read_document(struct parse *p)
{
	const char *wrong;

	if (mpp_json_next(&p->r, &p->it) != MPP_OK)
		return not_json;
	if (p->it.kind != MPP_JSON_OBJECT)
		return "it is not an object";
	wrong = read_members(p);
	if (wrong == NULL && !rest_is_blank(p))
		return "something follows behind its end";
	return wrong;
}

mpp_err loop_grant_parse(mpp_bytes json, struct loop_grant *out,
			 mpp_loop_error *e)
{
	const char *wrong;
	struct parse p;
	mpp_err err = MPP_OK;

	memset(&p, 0, sizeof(p));
	mpp_json_reader_init(&p.r, json);
	wrong = read_document(&p);
	if (wrong == NULL)
		*out = p.g;
	else
		err = loop_fail(e, MPP_ERR_INVALID, EX_DATAERR,
				"not a token as mppctl token mint prints it: "
				"%s",
				wrong);
	mem_wipe(&p, sizeof(p));
	return err;
}
