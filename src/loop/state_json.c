/* SPDX-License-Identifier: MIT */
/* state_json.c - the document of a device's state. Contract: state.h.
 *
 * Strict where other JSON readers are lenient: a member that is not known here
 * was written by somebody who knows more, and rewriting would lose it. */
#include <string.h>

#include <mpp/jsonbcd.h>

#include "base/mem.h"
#include "loop/discover.h"
#include "loop/names.h"
#include "loop/state.h"

enum { STATE_VERSION = 1 };

/* A member's value is item it; arrays and objects are read on from r. Gives
 * NULL or what is wrong. */
struct parse {
	mpp_json_reader r;
	mpp_json_item it;
	struct loop_state s;
	bool has_endpoints, has_pins;
	size_t device_len;  /* of the keys; which suite they are for may */
	size_t service_len; /* stand behind them */
	size_t n_learnt;
};

typedef const char *read_fn(struct parse *p);

static const char *next(struct parse *p)
{
	return mpp_json_next(&p->r, &p->it) == MPP_OK ? NULL : "it is not JSON";
}

/* Copy a string; NUL-terminated when it fits. */
static bool copy_text(const struct parse *p, char *out, size_t cap)
{
	mpp_buf buf = {(uint8_t *)out, cap - 1, 0};

	if (p->it.kind != MPP_JSON_STRING ||
	    mpp_json_text_copy(&p->it.text, &buf) != MPP_OK)
		return false;
	out[buf.len] = '\0';
	return memchr(out, 0, buf.len) == NULL;
}

static bool copy_data(const struct parse *p, uint8_t *out, size_t len)
{
	mpp_buf buf = {out, len, 0};

	return p->it.kind == MPP_JSON_STRING &&
	       mpp_json_data_copy(&p->it, &buf) == MPP_OK && buf.len == len;
}

static bool copy_uint(const struct parse *p, uint64_t *out)
{
	if (p->it.kind != MPP_JSON_INTEGER || p->it.negative)
		return false;
	*out = p->it.integer;
	return true;
}

static bool copy_ms(const struct parse *p, uint32_t *out)
{
	uint64_t ms;

	if (!copy_uint(p, &ms) || ms > UINT32_MAX)
		return false;
	*out = (uint32_t)ms;
	return true;
}

static bool copy_suite(const struct parse *p, int *out)
{
	uint64_t suite;

	if (!copy_uint(p, &suite) ||
	    (suite != MPP_SUITE_25519 && suite != MPP_SUITE_448))
		return false;
	*out = (int)suite;
	return true;
}

static const char *read_version(struct parse *p)
{
	uint64_t version;

	return copy_uint(p, &version) && version == STATE_VERSION
		       ? NULL
		       : "Version is not 1: another program version wrote it";
}

static const char *read_account(struct parse *p)
{
	char *account = p->s.account;

	if (!copy_text(p, account, sizeof(p->s.account)))
		return "Account is not an account name";
	return loop_account_wrong(
		(mpp_bytes){(const uint8_t *)account, strlen(account)});
}

static const char *read_suite(struct parse *p)
{
	return copy_suite(p, &p->s.suite) ? NULL : "Suite is not 1 or 2";
}

/* @return the length of the key, 0 when it is none */
static size_t copy_key(const struct parse *p, uint8_t out[MPP_DH_MAX])
{
	mpp_buf buf = {out, MPP_DH_MAX, 0};

	memset(out, 0, MPP_DH_MAX);
	if (p->it.kind != MPP_JSON_STRING ||
	    mpp_json_data_copy(&p->it, &buf) != MPP_OK)
		return 0;
	return mem_is_zero(out, buf.len) ? 0 : buf.len;
}

static const char *read_device_key(struct parse *p)
{
	p->device_len = copy_key(p, p->s.device_secret);
	return p->device_len > 0 ? NULL : "DeviceKey is not a key";
}

static const char *read_instance(struct parse *p)
{
	return copy_data(p, p->s.instance, sizeof(p->s.instance))
		       ? NULL
		       : "Instance is not 8 octets";
}

static const char *read_timestamp(struct parse *p)
{
	return copy_uint(p, &p->s.timestamp_ms) ? NULL
						: "Timestamp is not a number";
}

static const char *read_endpoint(struct parse *p)
{
	char text[LOOP_ENDPOINT_TEXT];

	if (p->s.n_endpoints == LOOP_ENDPOINTS_MAX ||
	    !copy_text(p, text, sizeof(text)) ||
	    loop_endpoint_wrong((mpp_bytes){(const uint8_t *)text,
					    strlen(text)},
				&p->s.endpoints[p->s.n_endpoints]) != NULL)
		return "Endpoints is not a list of up to 8 host:port";
	p->s.n_endpoints++;
	return NULL;
}

static const char *read_found(struct parse *p)
{
	char text[LOOP_ENDPOINT_TEXT];

	if (p->s.n_found == ZONE_TARGETS_MAX ||
	    !copy_text(p, text, sizeof(text)) ||
	    loop_endpoint_wrong((mpp_bytes){(const uint8_t *)text,
					    strlen(text)},
				&p->s.found[p->s.n_found]) != NULL)
		return "Discovered is not a list of up to 16 host:port";
	p->s.n_found++;
	return NULL;
}

static const char *read_domain(struct parse *p)
{
	return copy_text(p, p->s.domain, sizeof(p->s.domain)) &&
			       loop_domain_wrong(p->s.domain) == NULL
		       ? NULL
		       : "Domain is not a domain's name";
}

static const char *read_web(struct parse *p)
{
	char text[LOOP_WEB_TEXT];

	if (p->s.n_webs == LOOP_WEBS_MAX || !copy_text(p, text, sizeof(text)) ||
	    loop_weburl_wrong((mpp_bytes){(const uint8_t *)text, strlen(text)},
			      false, p->s.webs[p->s.n_webs]) != NULL)
		return "Web is not a list of up to 4 https URLs";
	p->s.n_webs++;
	return NULL;
}

static const char *read_pin(struct parse *p)
{
	char *pin = p->s.pins[p->s.n_pins % MPP_PINS_MAX];

	if (p->s.n_pins == MPP_PINS_MAX ||
	    !copy_text(p, pin, MPP_UDF_TEXT_MAX) ||
	    loop_fingerprint_wrong(
		    (mpp_bytes){(const uint8_t *)pin, strlen(pin)}) != NULL)
		return "Fingerprints is not a list of up to 4 fingerprints";
	p->s.n_pins++;
	return NULL;
}

static const char *read_list(struct parse *p, read_fn *read)
{
	const char *wrong;

	for (;;) {
		if ((wrong = next(p)) != NULL)
			return wrong;
		if (p->it.kind == MPP_JSON_CLOSE)
			return NULL;
		if ((wrong = read(p)) != NULL)
			return wrong;
	}
}

static const char *read_endpoints(struct parse *p)
{
	p->has_endpoints = true;
	return p->it.kind == MPP_JSON_ARRAY ? read_list(p, read_endpoint)
					    : "Endpoints is not a list";
}

static const char *read_founds(struct parse *p)
{
	return p->it.kind == MPP_JSON_ARRAY ? read_list(p, read_found)
					    : "Discovered is not a list";
}

static const char *read_webs(struct parse *p)
{
	return p->it.kind == MPP_JSON_ARRAY ? read_list(p, read_web)
					    : "Web is not a list";
}

static const char *read_pins(struct parse *p)
{
	p->has_pins = true;
	return p->it.kind == MPP_JSON_ARRAY ? read_list(p, read_pin)
					    : "Fingerprints is not a list";
}

static const char *read_service_suite(struct parse *p)
{
	return copy_suite(p, &p->s.service_suite)
		       ? NULL
		       : "ServiceKey.Suite is not 1 or 2";
}

static const char *read_service_bytes(struct parse *p)
{
	p->service_len = copy_key(p, p->s.service_key);
	return p->service_len > 0 ? NULL : "ServiceKey.Key is not a key";
}

static const char *read_invitation(struct parse *p)
{
	p->s.pending = true;
	return copy_data(p, p->s.invitation, sizeof(p->s.invitation))
		       ? NULL
		       : "Invitation is not 16 octets";
}

static const char *read_token_bytes(struct parse *p)
{
	mpp_buf buf = {p->s.token, sizeof(p->s.token), 0};

	if (p->it.kind != MPP_JSON_STRING ||
	    mpp_json_data_copy(&p->it, &buf) != MPP_OK || buf.len == 0)
		return "Token.Token is not 1 to 512 octets";
	p->s.token_len = buf.len;
	return NULL;
}

static const char *read_token_secret(struct parse *p)
{
	return copy_data(p, p->s.token_secret, sizeof(p->s.token_secret))
		       ? NULL
		       : "Token.SharedSecret is not 32 octets";
}

struct member {
	const char *name;
	read_fn *read;
	bool needed;
};

/* Read an object whose opening is p->it by a table of at most 32 members. */
static const char *read_members(struct parse *p, const struct member *table,
				size_t n)
{
	uint32_t seen = 0;
	const char *wrong;
	size_t i;

	for (;;) {
		if ((wrong = next(p)) != NULL)
			return wrong;
		if (p->it.kind == MPP_JSON_CLOSE)
			break;
		for (i = 0; i < n; i++) {
			if (mpp_json_text_is(&p->it.name, table[i].name))
				break;
		}
		if (i == n)
			return "it holds a member that is not known here";
		if (seen >> i & 1)
			return "a member stands there twice";
		seen |= UINT32_C(1) << i;
		if ((wrong = table[i].read(p)) != NULL)
			return wrong;
	}
	for (i = 0; i < n; i++) {
		if (table[i].needed && !(seen >> i & 1))
			return "a member is missing";
	}
	return NULL;
}

static const char *read_service_key(struct parse *p)
{
	static const struct member table[] = {
		{"Suite", read_service_suite, true},
		{"Key", read_service_bytes, true},
	};

	if (p->it.kind != MPP_JSON_OBJECT)
		return "ServiceKey is not an object";
	return read_members(p, table, sizeof(table) / sizeof(table[0]));
}

static const char *read_token(struct parse *p)
{
	static const struct member table[] = {
		{"Token", read_token_bytes, true},
		{"SharedSecret", read_token_secret, true},
	};

	if (p->it.kind != MPP_JSON_OBJECT)
		return "Token is not an object";
	return read_members(p, table, sizeof(table) / sizeof(table[0]));
}

static mpp_client_learnt *learnt_last(struct parse *p)
{
	return &p->s.learnt[p->n_learnt - 1];
}

static const char *read_network(struct parse *p)
{
	uint8_t *network = learnt_last(p)->network;

	return copy_data(p, network, MPP_NETWORK_LEN) &&
			       !mem_is_zero(network, MPP_NETWORK_LEN)
		       ? NULL
		       : "Keepalive.Learnt.Network is not 8 octets";
}

static const char *read_low(struct parse *p)
{
	return copy_ms(p, &learnt_last(p)->low_ms)
		       ? NULL
		       : "Keepalive.Learnt.Low is not a time in ms";
}

static const char *read_high(struct parse *p)
{
	return copy_ms(p, &learnt_last(p)->high_ms)
		       ? NULL
		       : "Keepalive.Learnt.High is not a time in ms";
}

static const char *read_learnt(struct parse *p)
{
	static const struct member table[] = {
		{"Network", read_network, true},
		{"Low", read_low, true},
		{"High", read_high, false},
	};

	if (p->it.kind != MPP_JSON_OBJECT || p->n_learnt == MPP_NETWORKS_MAX)
		return "Keepalive.Learnt is not a list of up to 8 objects";
	p->n_learnt++;
	return read_members(p, table, sizeof(table) / sizeof(table[0]));
}

static const char *read_learnt_list(struct parse *p)
{
	return p->it.kind == MPP_JSON_ARRAY
		       ? read_list(p, read_learnt)
		       : "Keepalive.Learnt is not a list of up to 8 objects";
}

static const char *read_network_key(struct parse *p)
{
	uint8_t *key = p->s.network_key;

	return copy_data(p, key, LOOP_NETWORK_KEY_LEN) &&
			       !mem_is_zero(key, LOOP_NETWORK_KEY_LEN)
		       ? NULL
		       : "Keepalive.Key is not a key of 32 octets";
}

static const char *read_keepalive(struct parse *p)
{
	static const struct member table[] = {
		{"Key", read_network_key, true},
		{"Learnt", read_learnt_list, true},
	};

	if (p->it.kind != MPP_JSON_OBJECT)
		return "Keepalive is not an object";
	return read_members(p, table, sizeof(table) / sizeof(table[0]));
}

static const char *read_document(struct parse *p)
{
	static const struct member table[] = {
		{"Version", read_version, true},
		{"Account", read_account, false},
		{"Suite", read_suite, true},
		{"DeviceKey", read_device_key, true},
		{"Instance", read_instance, true},
		{"Timestamp", read_timestamp, true},
		{"Endpoints", read_endpoints, false},
		{"Fingerprints", read_pins, false},
		{"Web", read_webs, false},
		{"Domain", read_domain, false},
		{"Discovered", read_founds, false},
		{"ServiceKey", read_service_key, false},
		{"Invitation", read_invitation, false},
		{"Token", read_token, false},
		{"Keepalive", read_keepalive, false},
	};
	const char *wrong = next(p);

	if (wrong != NULL)
		return wrong;
	if (p->it.kind != MPP_JSON_OBJECT)
		return "it is not an object";
	return read_members(p, table, sizeof(table) / sizeof(table[0]));
}

/* Beyond the outermost brace there is white space only. */
static bool rest_is_blank(const struct parse *p)
{
	const mpp_bytes rest = mpp_json_rest(&p->r);
	size_t i;

	for (i = 0; i < rest.len; i++) {
		if (strchr(" \t\r\n", rest.p[i]) == NULL || rest.p[i] == 0)
			return false;
	}
	return true;
}

/* Where it is enrolled, and who may be there; or none of it. */
static bool is_whole(const struct parse *p)
{
	const struct loop_state *s = &p->s;

	if (s->account[0] != '\0')
		return p->has_endpoints && p->has_pins;
	return !p->has_endpoints && !p->has_pins && !s->pending &&
	       s->domain[0] == '\0' && s->n_webs == 0 &&
	       s->service_suite == 0 && s->token_len == 0;
}

static const char *document_wrong(const struct parse *p)
{
	if (!rest_is_blank(p))
		return "something follows behind its end";
	if (p->r.binary_seen)
		return "it is not JSON text";
	if (!is_whole(p))
		return "a member is missing";
	if (p->s.n_found > 0 && p->s.domain[0] == '\0')
		return "Discovered stands there without Domain";
	if (p->has_endpoints && p->s.n_endpoints == 0 && p->s.domain[0] == '\0')
		return "it names no endpoint";
	if (p->device_len != mpp_dh_len(p->s.suite))
		return "DeviceKey does not fit Suite";
	if (p->service_len != mpp_dh_len(p->s.service_suite))
		return "ServiceKey.Key does not fit its Suite";
	return NULL;
}

mpp_err loop_state_decode(mpp_bytes in, struct loop_state *out,
			  const char **wrong)
{
	struct parse p;

	memset(&p, 0, sizeof(p));
	mpp_json_reader_init(&p.r, in);
	*wrong = read_document(&p);
	if (*wrong == NULL)
		*wrong = document_wrong(&p);
	if (*wrong == NULL)
		*out = p.s;
	mem_wipe(&p, sizeof(p));
	return *wrong == NULL ? MPP_OK : MPP_ERR_SYNTAX;
}

static void write_data(mpp_json_writer *w, const char *name,
		       const uint8_t *data, size_t len)
{
	mpp_json_data(w, name, (mpp_bytes){data, len});
}

static void write_discovered(mpp_json_writer *w, const struct loop_state *s)
{
	char text[LOOP_ENDPOINT_TEXT];
	size_t i;

	if (s->domain[0] == '\0')
		return;
	mpp_json_cstring(w, "Domain", s->domain);
	mpp_json_array(w, "Discovered");
	for (i = 0; i < s->n_found; i++) {
		loop_endpoint_text(&s->found[i], text);
		mpp_json_cstring(w, NULL, text);
	}
	mpp_json_close(w);
}

static void write_lists(mpp_json_writer *w, const struct loop_state *s)
{
	char text[LOOP_ENDPOINT_TEXT];
	size_t i;

	mpp_json_array(w, "Endpoints");
	for (i = 0; i < s->n_endpoints; i++) {
		loop_endpoint_text(&s->endpoints[i], text);
		mpp_json_cstring(w, NULL, text);
	}
	mpp_json_close(w);
	mpp_json_array(w, "Fingerprints");
	for (i = 0; i < s->n_pins; i++)
		mpp_json_cstring(w, NULL, s->pins[i]);
	mpp_json_close(w);
	write_discovered(w, s);
	if (s->n_webs == 0)
		return;
	mpp_json_array(w, "Web");
	for (i = 0; i < s->n_webs; i++)
		mpp_json_cstring(w, NULL, s->webs[i]);
	mpp_json_close(w);
}

static void write_service_key(mpp_json_writer *w, const struct loop_state *s)
{
	mpp_json_object(w, "ServiceKey");
	mpp_json_uint(w, "Suite", (uint64_t)s->service_suite);
	write_data(w, "Key", s->service_key, mpp_dh_len(s->service_suite));
	mpp_json_close(w);
}

static void write_token(mpp_json_writer *w, const struct loop_state *s)
{
	mpp_json_object(w, "Token");
	write_data(w, "Token", s->token, s->token_len);
	write_data(w, "SharedSecret", s->token_secret, sizeof(s->token_secret));
	mpp_json_close(w);
}

static void write_keepalive(mpp_json_writer *w, const struct loop_state *s)
{
	const mpp_client_learnt *e = s->learnt;
	const mpp_client_learnt *end = e + MPP_NETWORKS_MAX;

	mpp_json_object(w, "Keepalive");
	write_data(w, "Key", s->network_key, sizeof(s->network_key));
	mpp_json_array(w, "Learnt");
	for (; e < end && !mem_is_zero(e->network, MPP_NETWORK_LEN); e++) {
		mpp_json_object(w, NULL);
		write_data(w, "Network", e->network, MPP_NETWORK_LEN);
		mpp_json_uint(w, "Low", e->low_ms);
		if (e->high_ms != 0)
			mpp_json_uint(w, "High", e->high_ms);
		mpp_json_close(w);
	}
	mpp_json_close(w);
	mpp_json_close(w);
}

mpp_err loop_state_encode(const struct loop_state *s, mpp_buf *out)
{
	mpp_json_writer w;
	mpp_err err;

	if (out->cap == 0)
		return MPP_ERR_NOSPACE;
	mpp_json_writer_init(&w, MPP_JSON_PRETTY, out->p, out->cap - 1);
	mpp_json_object(&w, NULL);
	mpp_json_uint(&w, "Version", STATE_VERSION);
	if (s->account[0] != '\0')
		mpp_json_cstring(&w, "Account", s->account);
	mpp_json_uint(&w, "Suite", (uint64_t)s->suite);
	write_data(&w, "DeviceKey", s->device_secret, mpp_dh_len(s->suite));
	write_data(&w, "Instance", s->instance, sizeof(s->instance));
	mpp_json_uint(&w, "Timestamp", s->timestamp_ms);
	if (s->account[0] != '\0')
		write_lists(&w, s);
	if (s->service_suite != 0)
		write_service_key(&w, s);
	if (s->pending)
		write_data(&w, "Invitation", s->invitation,
			   sizeof(s->invitation));
	if (s->token_len != 0)
		write_token(&w, s);
	if (!mem_is_zero(s->network_key, sizeof(s->network_key)))
		write_keepalive(&w, s);
	mpp_json_close(&w);
	if ((err = mpp_json_finish(&w)) != MPP_OK)
		return err;
	out->p[w.n] = '\n';
	out->len = w.n + 1;
	return MPP_OK;
}
