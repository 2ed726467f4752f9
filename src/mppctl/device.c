/* SPDX-License-Identifier: MIT */
/* device.c - mppctl device remove ACCOUNT ID. */
#include <stdio.h>

#include "mppctl/commands.h"
#include "mppctl/complain.h"
#include "mppctl/http.h"

int command_device_remove(const struct options *o)
{
	const struct question q = {
		.method = "DELETE",
		.path = {"accounts", o->args[0], "devices", o->args[1]},
	};
	struct answer a;
	char id[256];
	const int code = http_ask(o, &q, &a);

	if (code != 0)
		return code;
	if (o->json)
		answer_print(&a);
	else
		(void)printf("device %s removed\n",
			     json_text(&a.json, json_root(&a.json), "device",
				       id, sizeof(id)));
	answer_free(&a);
	return complain_stdout();
}
