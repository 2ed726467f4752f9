/* SPDX-License-Identifier: MIT */
/* unsubscribe.c - mpp unsubscribe.
 *
 * It connects as this device's own instance, which takes the place of any
 * connection that the service still holds for it; asks to be unsubscribed, so
 * that nothing comes to it even where the Close behind is lost; and closes. */
#include <stdio.h>
#include <sysexits.h>

#include "mpp/ask.h"
#include "mpp/commands.h"
#include "mpp/complain.h"
#include "mpp/show.h"

static int show(const struct options *o)
{
	mpp_json_writer w;

	if (!o->json) {
		(void)puts("unsubscribed");
		return complain_stdout();
	}
	show_json_begin(&w);
	mpp_json_cstring(&w, "event", "unsubscribed");
	return show_json_end(&w);
}

static int unsubscribe(struct ask *a)
{
	mpp_client *c = mpp_loop_client(a->loop);
	mpp_client_event ev;
	mpp_err err;
	int code = ask_connect(a);

	if (code != 0)
		return code;
	err = mpp_client_unsubscribe(c, mpp_loop_now(a->loop), &a->request);
	if (err != MPP_OK)
		return complain(EX_SOFTWARE, "cannot ask: %s",
				mpp_err_text(err));
	return ask_wait(a, "this device may not ask", &ev);
}

int command_unsubscribe(const struct options *o)
{
	struct ask a;
	int code = ask_open(&a, o, MPP_MODE_ENROLL);

	if (code != 0)
		return code;
	code = unsubscribe(&a);
	ask_close(&a);
	return code != 0 ? code : show(o);
}
