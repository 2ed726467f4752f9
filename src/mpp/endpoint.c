/* SPDX-License-Identifier: MIT */
/* endpoint.c - mpp endpoint: from where the service hears this device, and
 * what time it is there. */
#include "loop/endpoint.h"

#include <stdio.h>

#include "mpp/ask.h"
#include "mpp/commands.h"
#include "mpp/complain.h"
#include "mpp/show.h"

static int show_json(const mpp_client_event *ev)
{
	mpp_json_writer w;
	char now[SHOW_TIME];

	show_json_begin(&w);
	show_json_endpoint(&w, ev);
	mpp_json_cstring(&w, "transport", show_transport(ev));
	if (ev->now_s != 0) {
		show_rfc3339((mpp_wall){ev->now_s * 1000000}, now);
		mpp_json_cstring(&w, "time", now);
	}
	return show_json_end(&w);
}

static int show_text(const mpp_client_event *ev)
{
	char endpoint[LOOP_ENDPOINT_TEXT], now[SHOW_TIME] = "unknown";

	loop_addr_text(&ev->endpoint, endpoint);
	if (ev->now_s != 0)
		show_local((mpp_wall){ev->now_s * 1000000}, now);
	(void)printf("seen from  %s\ntime       %s\n",
		     endpoint[0] != '\0' ? endpoint
		     : ev->transport == MPP_TRANSPORT_WEB
			     ? "unknown (over HTTP)"
			     : "unknown",
		     now);
	return complain_stdout();
}

int command_endpoint(const struct options *o)
{
	mpp_client_event ev;
	struct ask a;
	int code = ask_open(&a, o, MPP_MODE_ENDPOINT);

	if (code != 0)
		return code;
	code = ask_wait(&a, "this device may not ask", &ev);
	if (code == 0)
		code = o->json ? show_json(&ev) : show_text(&ev);
	ask_close(&a);
	return code;
}
