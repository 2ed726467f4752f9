/* SPDX-License-Identifier: MIT */
/* invite.c - mppctl invite ACCOUNT. The invitation alone goes to stdout, so
 * that it can be piped into mpp enroll. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "mppctl/commands.h"
#include "mppctl/complain.h"
#include "mppctl/http.h"
#include "mppctl/qr.h"

static void write_invite(mpp_json_writer *w, const void *arg)
{
	const struct options *o = arg;

	mpp_json_object(w, NULL);
	if (o->lifetime_s != 0)
		mpp_json_uint(w, "lifetime_s", o->lifetime_s);
	mpp_json_array(w, "rights");
	mpp_json_cstring(w, NULL, "subscribe");
	if ((o->given & OPT_PUBLISH) != 0)
		mpp_json_cstring(w, NULL, "publish");
	mpp_json_close(w);
	mpp_json_close(w);
}

/* "2026-05-01T10:00:00Z" as "2026-05-01 12:00:00 +02:00" */
static void local_time(const char *utc, char *out, size_t cap)
{
	struct tm tm;
	time_t at;
	char text[40];
	size_t n;

	memset(&tm, 0, sizeof(tm));
	(void)snprintf(out, cap, "%s", utc);
	if (strptime(utc, "%Y-%m-%dT%H:%M:%SZ", &tm) == NULL)
		return;
	at = timegm(&tm);
	if (localtime_r(&at, &tm) == NULL)
		return;
	n = strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z", &tm);
	if (n > 2)
		(void)snprintf(out, cap, "%.*s:%s", (int)n - 2, text,
			       text + n - 2);
}

/* @return 0, or an exit code having complained */
static int print_invite(const struct options *o, const struct json *j)
{
	int code = 0;
	char uri[8192], utc[64], local[64];

	(void)json_text(j, json_root(j), "expires", utc, sizeof(utc));
	local_time(utc, local, sizeof(local));
	(void)printf("%s\n",
		     json_text(j, json_root(j), "uri", uri, sizeof(uri)));
	if ((o->given & OPT_QR) != 0)
		code = qr_print(uri);
	(void)fflush(stdout);
	(void)fprintf(stderr, "for one device, until %s\n", local);
	return code;
}

int command_invite(const struct options *o)
{
	const struct question q = {
		.method = "POST",
		.path = {"accounts", o->args[0], "invitations"},
		.body = write_invite,
		.arg = o,
	};
	struct answer a;
	int code;

	if (o->json && (o->given & OPT_QR) != 0)
		return complain(EX_USAGE, "--qr is for people, --json is for "
					  "programs: give one of them");
	if ((code = http_ask(o, &q, &a)) != 0)
		return code;
	if (o->json)
		answer_print(&a);
	else
		code = print_invite(o, &a.json);
	answer_free(&a);
	return code != 0 ? code : complain_stdout();
}
