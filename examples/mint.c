/* SPDX-License-Identifier: MIT */
/* mint.c - mint a token for a device, as a service does that was given a token
 * key ([token-key NAME] in mppd.conf): nobody is asked.
 *
 *     cc -o mint mint.c $(pkg-config --cflags --libs --static mpp)
 *     mint alice@example.com DEVICE-ID host:15099 < mesh.key > token.json
 *
 * `mppctl token key FILE` makes the key, `mpp id` prints the device's id, and
 * `mpp enroll --token token.json` takes what this prints. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include <mpp/jsonbcd.h>
#include <mpp/token.h>

enum { HOUR_S = 3600 };

static mpp_bytes bytes_of(const char *text)
{
	return (mpp_bytes){(const uint8_t *)text, strlen(text)};
}

/* Exactly n octets in hexadecimal. */
static bool read_hex(const char *text, uint8_t *out, size_t n)
{
	size_t i;

	if (strlen(text) != 2 * n || strspn(text, "0123456789abcdef") != 2 * n)
		return false;
	for (i = 0; i < n; i++) {
		unsigned octet;

		if (sscanf(text + 2 * i, "%2x", &octet) != 1)
			return false;
		out[i] = (uint8_t)octet;
	}
	return true;
}

static bool read_key(FILE *in, mpp_token_key *out)
{
	char id[16], key[80];

	return fscanf(in, "mppd token key 1 id %15s key %79s", id, key) == 2 &&
	       read_hex(id, out->id, sizeof(out->id)) &&
	       read_hex(key, out->key, sizeof(out->key));
}

/* What the device needs: the Mesh's ServiceAccessToken, and its account. */
static bool print(const char *endpoint, mpp_bytes account, mpp_bytes token,
		  const uint8_t secret[MPP_TOKEN_SECRET_LEN])
{
	char room[4096];
	mpp_json_writer w;

	mpp_json_writer_init(&w, MPP_JSON_TEXT, (uint8_t *)room, sizeof(room));
	mpp_json_object(&w, NULL);
	mpp_json_cstring(&w, "Prefix", "mmm_presence");
	mpp_json_array(&w, "Endpoints");
	mpp_json_cstring(&w, NULL, endpoint);
	mpp_json_close(&w);
	mpp_json_data(&w, "Token", token);
	mpp_json_data(&w, "SharedSecret",
		      (mpp_bytes){secret, MPP_TOKEN_SECRET_LEN});
	mpp_json_string(&w, "Account", account);
	mpp_json_close(&w);
	return mpp_json_finish(&w) == MPP_OK &&
	       printf("%.*s\n", (int)w.n, room) > 0 && fflush(stdout) == 0;
}

/* One that lets the device be notified, for an hour. */
static mpp_err mint(const mpp_token_key *key, char **words, mpp_buf *token,
		    uint8_t secret[MPP_TOKEN_SECRET_LEN])
{
	const uint64_t now_ms = (uint64_t)time(NULL) * 1000;
	const mpp_token_claims claims = {
		.account = bytes_of(words[0]),
		.device = bytes_of(words[1]),
		.rights = MPP_RIGHT_SUBSCRIBE,
		.issued_ms = now_ms,
		.expires_ms = now_ms + HOUR_S * 1000,
	};
	mpp_crypto crypto;
	mpp_err err = mpp_crypto_new(&crypto);

	if (err != MPP_OK)
		return err;
	err = mpp_token_mint(&crypto, key, &claims, token, secret);
	mpp_crypto_free(&crypto);
	return err;
}

int main(int argc, char **argv)
{
	uint8_t room[MPP_TOKEN_MAX], secret[MPP_TOKEN_SECRET_LEN];
	mpp_buf token = {room, sizeof(room), 0};
	mpp_token_key key;
	mpp_err err;

	if (argc != 4 || argv[1][0] == '-') {
		fprintf(stderr, "usage: mint ACCOUNT DEVICE-ID HOST:PORT < "
				"KEY-FILE\n");
		return EX_USAGE;
	}
	if (!read_key(stdin, &key)) {
		fprintf(stderr, "mint: stdin is not a token key\n");
		return EX_DATAERR;
	}
	err = mint(&key, argv + 1, &token, secret);
	if (err != MPP_OK) {
		fprintf(stderr, "mint: %s\n", mpp_err_text(err));
		return EX_DATAERR;
	}
	return print(argv[3], bytes_of(argv[1]), (mpp_bytes){room, token.len},
		     secret)
		       ? EX_OK
		       : EX_IOERR;
}
