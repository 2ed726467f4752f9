/* SPDX-License-Identifier: MIT */
/* enroll.c - mpp enroll, mpp id. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "base/mem.h"
#include "mpp/commands.h"
#include "mpp/complain.h"
#include "mpp/show.h"

enum { URI_ROOM = 8192, TOKEN_ROOM = 16384 };

/* The first line of a file, so that the secret is in no list of processes. */
static int read_line(FILE *f, char out[URI_ROOM])
{
	size_t n = 0;
	int c;

	while (n < URI_ROOM && (c = getc(f)) != EOF && c != '\n') {
		if (c == '\0')
			return complain(EX_DATAERR,
					"not an invitation: it holds a NUL");
		out[n++] = (char)c;
	}
	if (n == 0)
		return complain(EX_DATAERR, "no invitation on stdin");
	if (n == URI_ROOM)
		return complain(EX_DATAERR, "not an invitation: too long");
	while (n > 0 && strchr(" \t\r", out[n - 1]) != NULL)
		n--;
	out[n] = '\0';
	return 0;
}

static int show(const struct options *o, const char *event, const char *id)
{
	mpp_json_writer w;

	if (!o->json) {
		(void)printf("%s\n", id);
		return complain_stdout();
	}
	show_json_begin(&w);
	mpp_json_cstring(&w, "event", event);
	mpp_json_cstring(&w, "device", id);
	return show_json_end(&w);
}

static int enroll_uri(const struct options *o)
{
	char room[URI_ROOM], id[MPP_UDF_TEXT_MAX];
	const char *uri = o->args[0];
	mpp_loop_config config;
	mpp_loop_error e = {.exit_code = 0};
	mpp_err err;
	int code;

	if (strcmp(uri, "-") == 0) {
		if ((code = read_line(stdin, room)) != 0)
			return code;
		uri = room;
	}
	config = options_loop(o, MPP_MODE_ENROLL);
	err = mpp_loop_enroll_with(&config, uri, id, &e);
	mem_wipe(room, sizeof(room));
	return err == MPP_OK ? show(o, "enrolled", id) : complain_loop(err, &e);
}

/* @return 0, or an exit code having complained */
static int read_token(const char *path, uint8_t out[TOKEN_ROOM], size_t *n)
{
	const bool here = strcmp(path, "-") == 0;
	FILE *f = here ? stdin : fopen(path, "r");
	int code = 0;

	if (f == NULL)
		return complain(EX_NOINPUT, "cannot open %s: %s", path,
				strerror(errno));
	*n = fread(out, 1, TOKEN_ROOM, f);
	if (ferror(f))
		code = complain(EX_NOINPUT, "cannot read %s: %s", path,
				strerror(errno));
	else if (*n == TOKEN_ROOM)
		code = complain(EX_DATAERR, "not a token: too long");
	if (!here)
		(void)fclose(f);
	return code;
}

static int read_invitation(const char *path, char out[URI_ROOM])
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
	int code;

	if (f == NULL)
		return complain(EX_NOINPUT, "cannot open %s: %s", path,
				strerror(errno));
	code = read_line(f, out);
	if (f != stdin)
		(void)fclose(f);
	return code;
}

/* Read what lets the device in. @return 0, or an exit code having complained */
static int read_entry(const struct options *o, char line[URI_ROOM],
		      uint8_t token[TOKEN_ROOM], mpp_loop_name *out)
{
	int code = 0;

	if (o->invitation != NULL && o->token != NULL)
		return complain(EX_USAGE, "give --invitation or --token, not "
					  "both");
	if (o->invitation != NULL) {
		code = read_invitation(o->invitation, line);
		out->invitation = line;
	} else if (o->token != NULL) {
		code = read_token(o->token, token, &out->token.len);
		out->token.p = token;
	}
	return code;
}

static int show_named(const struct options *o, const char *id,
		      const char *trusted)
{
	mpp_json_writer w;

	if (trusted[0] != '\0')
		(void)complain(0,
			       "nothing said which key the service has; from "
			       "now on it must have this one:\n%s",
			       trusted);
	if (!o->json || trusted[0] == '\0')
		return show(o, "enrolled", id);
	show_json_begin(&w);
	mpp_json_cstring(&w, "event", "enrolled");
	mpp_json_cstring(&w, "device", id);
	mpp_json_cstring(&w, "trusted", trusted);
	return show_json_end(&w);
}

static int enroll_name(const struct options *o)
{
	char line[URI_ROOM], id[MPP_UDF_TEXT_MAX], trusted[MPP_UDF_TEXT_MAX];
	mpp_loop_name name = {.account = o->args[0], .trusted = trusted};
	const mpp_loop_config config = options_loop(o, MPP_MODE_ENROLL);
	mpp_loop_error e = {.exit_code = 0};
	uint8_t token[TOKEN_ROOM];
	mpp_err err;
	int code = read_entry(o, line, token, &name);

	if (code == 0) {
		err = mpp_loop_enroll_name(&config, &name, id, &e);
		code = err == MPP_OK ? show_named(o, id, trusted)
				     : complain_loop(err, &e);
	}
	mem_wipe(line, sizeof(line));
	mem_wipe(token, sizeof(token));
	return code;
}

static int enroll_token(const struct options *o)
{
	uint8_t room[TOKEN_ROOM];
	char id[MPP_UDF_TEXT_MAX];
	mpp_loop_error e = {.exit_code = 0};
	mpp_err err;
	size_t n = 0;
	int code = read_token(o->token, room, &n);

	if (code != 0)
		return code;
	err = mpp_loop_enroll_token(o->state, (mpp_bytes){room, n},
				    o->timeout_ms, id, &e);
	mem_wipe(room, sizeof(room));
	return err == MPP_OK ? show(o, "enrolled", id) : complain_loop(err, &e);
}

/* USER@DOMAIN, which no URI is: a URI has a colon before its @. */
static bool is_name(const char *text)
{
	const char *at = strchr(text, '@');

	return at != NULL && at != text && strncasecmp(text, "mpp:", 4) != 0;
}

int command_enroll(const struct options *o)
{
	const unsigned web = OPT_TRANSPORT | OPT_WEB_URL | OPT_WEB_CA;

	if ((o->given & web) != 0 && o->token != NULL)
		return complain(EX_USAGE,
				"--transport, --web-url and --web-ca do not go "
				"with --token: tokens are for UDP");
	if (o->n_args > 1 && is_name(o->args[0]))
		return enroll_name(o);
	if (o->invitation != NULL)
		return complain(EX_USAGE, "--invitation goes with "
					  "USER@DOMAIN");
	if (o->token != NULL && o->n_args > 1)
		return complain(EX_USAGE, "--token takes the place of the "
					  "invitation");
	return o->token != NULL ? enroll_token(o) : enroll_uri(o);
}

int command_id(const struct options *o)
{
	char id[MPP_UDF_TEXT_MAX];
	mpp_loop_error e = {.exit_code = 0};
	const mpp_err err = mpp_loop_id(o->state, id, &e);

	return err == MPP_OK ? show(o, "id", id) : complain_loop(err, &e);
}
