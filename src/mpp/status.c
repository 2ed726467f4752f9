/* SPDX-License-Identifier: MIT */
/* status.c - mpp status: the account's current state, once.
 *
 * What does not fit one packet comes in parts; the stores are written as they
 * come, and what belongs to all of them stands before or behind. */
#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "loop/endpoint.h"
#include "mpp/ask.h"
#include "mpp/commands.h"
#include "mpp/complain.h"
#include "mpp/show.h"

struct report {
	const struct options *o;
	mpp_loop *loop;
	mpp_json_writer w;
	uint64_t serial;
	size_t n_stores;
	bool begun;
};

static void write_id(const struct report *r, char id[MPP_UDF_TEXT_MAX])
{
	uint8_t udf[MPP_UDF_LEN];

	mpp_client_udf(mpp_loop_client(r->loop), udf);
	(void)mpp_udf_text(udf, MPP_UDF_BITS, id);
}

static void begin_json(struct report *r, const mpp_client_event *ev)
{
	const mpp_wall service = {ev->now_s * 1000000};
	char text[MPP_UDF_TEXT_MAX];

	show_json_begin(&r->w);
	write_id(r, text);
	mpp_json_cstring(&r->w, "device", text);
	if (mpp_loop_domain(r->loop)[0] != '\0')
		mpp_json_cstring(&r->w, "domain", mpp_loop_domain(r->loop));
	show_json_endpoint(&r->w, ev);
	if (ev->now_s != 0) {
		show_rfc3339(service, text);
		mpp_json_cstring(&r->w, "time", text);
	}
	mpp_json_cstring(&r->w, "transport", show_transport(ev));
	mpp_json_array(&r->w, "stores");
}

static void begin_text(struct report *r, const mpp_client_event *ev)
{
	const mpp_wall service = {ev->now_s * 1000000};
	char id[MPP_UDF_TEXT_MAX], now[SHOW_TIME] = "unknown";
	char endpoint[LOOP_ENDPOINT_TEXT];

	write_id(r, id);
	loop_addr_text(&ev->endpoint, endpoint);
	if (ev->now_s != 0)
		show_local(service, now);
	(void)printf("device     %s\n", id);
	if (mpp_loop_domain(r->loop)[0] != '\0')
		(void)printf("domain     %s\n", mpp_loop_domain(r->loop));
	(void)printf("seen from  %s\nover       %s\ntime       %s\nstores    ",
		     endpoint[0] == '\0' ? "unknown" : endpoint,
		     ev->transport == MPP_TRANSPORT_WEB ? "HTTP" : "UDP", now);
}

static void begin(struct report *r, const mpp_client_event *ev)
{
	r->begun = true;
	if (r->o->json)
		begin_json(r, ev);
	else
		begin_text(r, ev);
}

static void add(struct report *r, const mpp_client_event *ev)
{
	if (ev->serial > r->serial)
		r->serial = ev->serial;
	r->n_stores += ev->n_stores;
	if (r->o->json)
		show_json_stores(&r->w, ev);
	else
		show_stores(ev);
}

static int end(struct report *r)
{
	if (r->o->json) {
		mpp_json_close(&r->w);
		mpp_json_uint(&r->w, "serial", r->serial);
		return show_json_end(&r->w);
	}
	(void)printf("%s\nserial     %" PRIu64 "\n",
		     r->n_stores == 0 ? " none" : "", r->serial);
	return complain_stdout();
}

/* Is this a part of the answer? */
static bool is_part(const struct report *r, const mpp_client_event *ev)
{
	if (ev->kind == MPP_EV_RESPONSE)
		return ev->request == 0 && ev->status < 300;
	return ev->kind == MPP_EV_PUBLICATION && r->begun;
}

/* The loop gives up when nothing answers; here all parts must come in time.
 * @return ms to wait, -1: for ever, 0: time is up */
static int time_left(const struct report *r, mpp_time started)
{
	const uint64_t gone_ms =
		(mpp_loop_now(r->loop).mono.us - started.us) / 1000;

	if (r->o->timeout_ms == 0 || !r->begun)
		return -1;
	return gone_ms >= (uint64_t)r->o->timeout_ms
		       ? 0
		       : r->o->timeout_ms - (int)gone_ms;
}

/* Wait for the answer, or for what ends it. */
static int ask(struct report *r)
{
	const mpp_time started = mpp_loop_now(r->loop).mono;
	mpp_client_event ev;
	mpp_err err;
	int left;

	while ((left = time_left(r, started)) != 0) {
		err = mpp_loop_wait(r->loop, left, &ev);
		if (err == MPP_ERR_AGAIN)
			continue;
		if (err != MPP_OK)
			return complain_loop(err, mpp_loop_last_error(r->loop));
		if (ev.kind == MPP_EV_KEY_CHANGED)
			return complain_loop(MPP_ERR_KEY_CHANGED,
					     mpp_loop_last_error(r->loop));
		if (!is_part(r, &ev))
			continue;
		if (!r->begun)
			begin(r, &ev);
		add(r, &ev);
		if (!ev.more)
			return end(r);
	}
	return complain(EX_TEMPFAIL, "only a part of the answer came in time");
}

int command_status(const struct options *o)
{
	const mpp_loop_config config = options_loop(o, MPP_MODE_STATUS);
	mpp_loop_error e = {.exit_code = 0};
	struct report r = {.o = o};
	mpp_err err;
	int code, turn;

	if ((code = ask_turn(o, &turn)) != 0)
		return code;
	err = mpp_loop_open(&config, &r.loop, &e);
	code = err == MPP_OK ? ask(&r) : complain_loop(err, &e);
	if (err == MPP_OK)
		mpp_loop_close(r.loop);
	if (turn >= 0)
		(void)close(turn);
	return code;
}
