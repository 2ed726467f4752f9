/* SPDX-License-Identifier: MIT */
/* enroll.c - mpp enroll. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/mem.h"
#include "mpp/commands.h"
#include "mpp/complain.h"
#include "mpp/show.h"

enum { URI_ROOM = 8192 };

/* The first line of stdin, so that the secret is in no list of processes. */
static int read_uri(char out[URI_ROOM])
{
	size_t n = 0;
	int c;

	while (n < URI_ROOM && (c = getchar()) != EOF && c != '\n') {
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

static int show(const struct options *o, const char *id)
{
	mpp_json_writer w;

	if (!o->json) {
		(void)printf("%s\n", id);
		return complain_stdout();
	}
	show_json_begin(&w);
	mpp_json_cstring(&w, "event", "enrolled");
	mpp_json_cstring(&w, "device", id);
	return show_json_end(&w);
}

int command_enroll(const struct options *o)
{
	char room[URI_ROOM], id[MPP_UDF_TEXT_MAX];
	const char *uri = o->args[0];
	mpp_loop_error e = {.exit_code = 0};
	mpp_err err;
	int code;

	if (strcmp(uri, "-") == 0) {
		if ((code = read_uri(room)) != 0)
			return code;
		uri = room;
	}
	err = mpp_loop_enroll(o->state, uri, o->timeout_ms, id, &e);
	mem_wipe(room, sizeof(room));
	return err == MPP_OK ? show(o, id) : complain_loop(err, &e);
}
