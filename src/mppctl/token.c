/* SPDX-License-Identifier: MIT */
/* token.c - mppctl token revoke, mint and key. The token that is minted goes
 * to stdout, so that it can be piped into mpp enroll --token -. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include <mpp/token.h>
#include <mpp/udf.h>

#include "base/mem.h"
#include "host/keyfile.h"
#include "loop/endpoint.h"
#include "loop/names.h"
#include "mppctl/commands.h"
#include "mppctl/complain.h"
#include "mppctl/http.h"

enum { LIFE_S = 86400 };

/* ---- revoke ---- */

static int revoke(const struct options *o, const struct question *q,
		  const char *member)
{
	struct answer a;
	char name[1024];
	const int code = http_ask(o, q, &a);

	if (code != 0)
		return code;
	if (o->json)
		answer_print(&a);
	else
		(void)printf("tokens of %s revoked\n",
			     json_text(&a.json, json_root(&a.json), member,
				       name, sizeof(name)));
	answer_free(&a);
	return complain_stdout();
}

int command_token_revoke(const struct options *o)
{
	const bool one = o->n_args > 1;
	struct question q = {.method = "DELETE"};

	if (o->key != NULL && o->n_args > 0)
		return complain(EX_USAGE, "--key NAME revokes all tokens of a "
					  "key: give it, or an account");
	if (o->key == NULL && o->n_args == 0)
		return complain(EX_USAGE, "too few arguments: mppctl token "
					  "revoke ACCOUNT [ID], or --key NAME");
	if (o->key != NULL) {
		q.path[0] = "token-keys";
		q.path[1] = o->key;
		q.path[2] = "tokens";
		return revoke(o, &q, "key");
	}
	q.path[0] = "accounts";
	q.path[1] = o->args[0];
	q.path[2] = one ? "devices" : "tokens";
	q.path[3] = one ? o->args[1] : NULL;
	q.path[4] = one ? "tokens" : NULL;
	return revoke(o, &q, one ? "device" : "account");
}

/* ---- mint: by mppd ---- */

static void write_wish(mpp_json_writer *w, const void *arg)
{
	static const char *const names[] = {"subscribe", "publish", "reset"};
	const struct options *o = arg;
	unsigned i;

	mpp_json_object(w, NULL);
	if (o->expires_s != 0)
		mpp_json_uint(w, "lifetime_s", o->expires_s);
	if (o->rights != 0) {
		mpp_json_array(w, "rights");
		for (i = 0; i < 3; i++) {
			if ((o->rights >> i & 1) != 0)
				mpp_json_cstring(w, NULL, names[i]);
		}
		mpp_json_close(w);
	}
	mpp_json_close(w);
}

static int mint_there(const struct options *o)
{
	const struct question q = {
		.method = "POST",
		.path = {"accounts", o->args[0], "devices", o->args[1],
			 "tokens"},
		.body = write_wish,
		.arg = o,
	};
	struct answer a;
	int code;

	if (o->n_endpoints != 0 || o->n_fingerprints != 0)
		return complain(EX_USAGE,
				"--endpoint and --fingerprint go "
				"with --key FILE; mppd knows its own");
	if ((code = http_ask(o, &q, &a)) != 0)
		return code;
	answer_print(&a);
	answer_free(&a);
	return complain_stdout();
}

/* ---- mint: here ---- */

struct minted {
	const struct options *o;
	mpp_token_claims claims;
	uint8_t secret[MPP_TOKEN_SECRET_LEN];
	uint8_t room[MPP_TOKEN_MAX];
	mpp_buf token;
};

static void write_minted(mpp_json_writer *w, const void *arg)
{
	const struct minted *m = arg;
	const time_t s = (time_t)(m->claims.expires_ms / 1000);
	char expires[32] = "";
	struct tm tm;
	int i;

	if (gmtime_r(&s, &tm) != NULL)
		(void)strftime(expires, sizeof(expires), "%Y-%m-%dT%H:%M:%SZ",
			       &tm);
	mpp_json_object(w, NULL);
	mpp_json_cstring(w, "Prefix", "mmm_presence");
	mpp_json_array(w, "Endpoints");
	for (i = 0; i < m->o->n_endpoints; i++)
		mpp_json_cstring(w, NULL, m->o->endpoints[i]);
	mpp_json_close(w);
	mpp_json_data(w, "Token", (mpp_bytes){m->token.p, m->token.len});
	mpp_json_data(w, "SharedSecret",
		      (mpp_bytes){m->secret, sizeof(m->secret)});
	mpp_json_string(w, "Account", m->claims.account);
	mpp_json_array(w, "Fingerprints");
	for (i = 0; i < m->o->n_fingerprints; i++)
		mpp_json_cstring(w, NULL, m->o->fingerprints[i]);
	mpp_json_close(w);
	mpp_json_cstring(w, "Expires", expires);
	mpp_json_close(w);
}

static mpp_bytes bytes_of(const char *text)
{
	return (mpp_bytes){(const uint8_t *)text, strlen(text)};
}

/* What goes to the device should not fail there. */
static int check_words(const struct options *o)
{
	struct loop_endpoint ep;
	const char *wrong = loop_account_wrong(bytes_of(o->args[0]));
	int i;

	if (wrong != NULL)
		return complain(EX_DATAERR, "the account: %s", wrong);
	for (i = 0; i < o->n_endpoints; i++) {
		wrong = loop_endpoint_wrong(bytes_of(o->endpoints[i]), &ep);
		if (wrong != NULL)
			return complain(EX_USAGE, "--endpoint %s: %s",
					o->endpoints[i], wrong);
	}
	for (i = 0; i < o->n_fingerprints; i++) {
		wrong = loop_pin_wrong(bytes_of(o->fingerprints[i]));
		if (wrong != NULL)
			return complain(EX_USAGE, "--fingerprint %s: %s",
					o->fingerprints[i], wrong);
	}
	return 0;
}

static void fill_claims(const struct options *o, mpp_token_claims *k)
{
	const uint64_t now = (uint64_t)time(NULL);

	k->account = bytes_of(o->args[0]);
	k->device = bytes_of(o->args[1]);
	k->rights = o->rights != 0 ? o->rights : MPP_RIGHT_SUBSCRIBE;
	k->issued_ms = now * 1000;
	k->expires_ms =
		(now + (o->expires_s != 0 ? o->expires_s : LIFE_S)) * 1000;
}

static int print_minted(const struct minted *m)
{
	size_t n = 0;
	char *text = json_make(write_minted, m, &n);

	if (text == NULL)
		return complain(EX_OSERR, "out of memory");
	(void)fwrite(text, 1, n, stdout);
	(void)putchar('\n');
	mem_wipe(text, n);
	free(text);
	return complain_stdout();
}

static int mint_with(const struct options *o, const mpp_crypto *crypto,
		     const mpp_token_key *key)
{
	struct minted m = {.o = o};
	mpp_err err;
	int code;

	m.token = (mpp_buf){m.room, sizeof(m.room), 0};
	fill_claims(o, &m.claims);
	err = mpp_token_mint(crypto, key, &m.claims, &m.token, m.secret);
	if (err == MPP_ERR_INVALID)
		code = complain(EX_DATAERR,
				"%s: give the fingerprint of the device's key, "
				"at least the first %d bits, as mpp id prints "
				"it",
				o->args[1], MPP_UDF_BITS);
	else if (err != MPP_OK)
		code = complain(EX_SOFTWARE, "no token was made: %s",
				mpp_err_text(err));
	else
		code = print_minted(&m);
	mem_wipe(&m, sizeof(m));
	return code;
}

static int mint_here(const struct options *o)
{
	mpp_crypto crypto = {NULL, NULL};
	mpp_token_key key;
	struct fault f;
	int code = check_words(o);

	if (code != 0)
		return code;
	if (keyfile_token_load(o->key, &key, &f) != MPP_OK)
		return complain(f.exit_code, "%s", f.text);
	if (mpp_crypto_new(&crypto) == MPP_OK)
		code = mint_with(o, &crypto, &key);
	else
		code = complain(EX_SOFTWARE,
				"the cryptographic libraries cannot be used");
	mpp_crypto_free(&crypto);
	mem_wipe(&key, sizeof(key));
	return code;
}

int command_token_mint(const struct options *o)
{
	return o->key != NULL ? mint_here(o) : mint_there(o);
}

/* ---- key ---- */

static void hex(const uint8_t *p, size_t n, char *out)
{
	size_t i;

	for (i = 0; i < n; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", p[i]);
}

static int print_key(const struct options *o, const mpp_token_key *key)
{
	char id[2 * MPP_TOKEN_KEY_ID_LEN + 1], path[512];

	hex(key->id, sizeof(key->id), id);
	loop_printable(bytes_of(o->args[0]), path, sizeof(path));
	if (o->json)
		(void)printf("{\"id\":\"%s\"}\n", id);
	else
		(void)printf("token key %s in %s\n", id, path);
	return complain_stdout();
}

int command_token_key(const struct options *o)
{
	mpp_crypto crypto = {NULL, NULL};
	mpp_token_key key;
	struct fault f = {EX_SOFTWARE,
			  "the cryptographic libraries cannot be used"};
	mpp_err err = mpp_crypto_new(&crypto);

	if (err == MPP_OK)
		err = keyfile_token_make(o->args[0], &crypto, &key, &f);
	mpp_crypto_free(&crypto);
	if (err != MPP_OK)
		return complain(f.exit_code, "%s", f.text);
	err = print_key(o, &key) == 0 ? MPP_OK : MPP_ERR_IO;
	mem_wipe(&key, sizeof(key));
	return err == MPP_OK ? 0 : EX_IOERR;
}
