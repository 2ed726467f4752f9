/* SPDX-License-Identifier: MIT */
/* publish.c - mpp publish --store NAME=INDEX[:HEXDIGEST] … */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "host/storearg.h"
#include "loop/names.h"
#include "mpp/ask.h"
#include "mpp/commands.h"
#include "mpp/complain.h"
#include "mpp/show.h"

/* An invitation does not change the rights of a device that is enrolled. */
static const char forbidden[] =
	"this device was enrolled without the right to: ask the operator to "
	"remove it and for an invitation made with mppctl invite --publish, "
	"then enrol again";

struct publication {
	struct store_arg args[STORES_MAX];
	mpp_store_status stores[STORES_MAX]; /* these lie in args */
	size_t n;
};

static int read_stores(const struct options *o, struct publication *p)
{
	struct store_arg *arg;

	for (p->n = 0; o->stores[p->n] != NULL; p->n++) {
		arg = &p->args[p->n];
		if (!store_arg_read(o->stores[p->n], arg))
			return complain(EX_USAGE, "--store %s: " STORE_ARG_FORM,
					o->stores[p->n]);
		p->stores[p->n] = (mpp_store_status){
			.store = {(uint8_t *)arg->name, strlen(arg->name)},
			.index = arg->index,
			.digest = {arg->digest, arg->digest_len},
		};
	}
	if (p->n == 0)
		return complain(EX_USAGE, "publish: nothing to publish: give "
					  "--store NAME=INDEX");
	return 0;
}

static int show_json(const mpp_client_event *ev)
{
	uint8_t room[MPP_STORE_MAX];
	mpp_buf scratch = {room, sizeof(room), 0};
	mpp_json_writer w;
	mpp_bytes name;
	size_t cursor = 0;

	show_json_begin(&w);
	mpp_json_cstring(&w, "event", "published");
	mpp_json_uint(&w, "serial", ev->serial);
	mpp_json_array(&w, "skipped");
	while (mpp_client_skipped_next(ev, &cursor, &scratch, &name))
		mpp_json_string(&w, NULL, name);
	mpp_json_close(&w);
	return show_json_end(&w);
}

static int show_text(const mpp_client_event *ev)
{
	uint8_t room[MPP_STORE_MAX];
	mpp_buf scratch = {room, sizeof(room), 0};
	char text[MPP_STORE_MAX + 1];
	mpp_bytes name;
	size_t cursor = 0;

	(void)printf("serial %" PRIu64 "\n", ev->serial);
	while (mpp_client_skipped_next(ev, &cursor, &scratch, &name)) {
		loop_printable(name, text, sizeof(text));
		(void)printf("skipped %s: older than what is stored\n", text);
	}
	return complain_stdout();
}

static int publish(struct ask *a, const struct publication *p)
{
	mpp_client *c = mpp_loop_client(a->loop);
	mpp_client_event ev;
	mpp_err err;
	int code = ask_connect(a);

	if (code != 0)
		return code;
	err = mpp_client_publish(c, p->stores, p->n, mpp_loop_now(a->loop),
				 &a->request);
	if (err == MPP_ERR_NOSPACE)
		return complain(EX_DATAERR, "this does not fit one packet: "
					    "publish fewer stores at once");
	if (err != MPP_OK)
		return complain(EX_SOFTWARE, "cannot publish: %s",
				mpp_err_text(err));
	if ((code = ask_wait(a, forbidden, &ev)) != 0)
		return code;
	return a->o->json ? show_json(&ev) : show_text(&ev);
}

int command_publish(const struct options *o)
{
	struct publication p;
	struct ask a;
	int code = read_stores(o, &p);

	if (code == 0)
		code = ask_open(&a, o, MPP_MODE_ASK);
	if (code != 0)
		return code;
	code = publish(&a, &p);
	ask_close(&a);
	return code;
}
