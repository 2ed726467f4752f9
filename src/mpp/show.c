/* SPDX-License-Identifier: MIT */
/* show.c - events as lines. Contract: show.h. */
#include "mpp/show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "loop/endpoint.h"
#include "loop/names.h"
#include "mpp/complain.h"

enum {
	/* The longest event is 18 KiB; JSON makes six octets of one at most. */
	LINE_MAX_OCTETS = 160 * 1024,
	SCRATCH = MPP_STORE_MAX + MPP_DIGEST_MAX,
};

static char line[LINE_MAX_OCTETS];

static unsigned milliseconds(mpp_wall wall)
{
	return (unsigned)(wall.us / 1000 % 1000);
}

void show_local(mpp_wall wall, char out[SHOW_TIME])
{
	const time_t seconds = (time_t)(wall.us / 1000000);
	struct tm tm;
	char date[24], offset[8];

	(void)localtime_r(&seconds, &tm);
	(void)strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
	(void)strftime(offset, sizeof(offset), "%z", &tm);
	(void)snprintf(out, SHOW_TIME, "%s.%03u %.3s:%s", date,
		       milliseconds(wall), offset, offset + 3);
}

void show_rfc3339(mpp_wall wall, char out[SHOW_TIME])
{
	const time_t seconds = (time_t)(wall.us / 1000000);
	struct tm tm;
	char date[24];

	(void)gmtime_r(&seconds, &tm);
	(void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(out, SHOW_TIME, "%s.%03uZ", date, milliseconds(wall));
}

void show_json_begin(mpp_json_writer *w)
{
	mpp_json_writer_init(w, MPP_JSON_TEXT, (uint8_t *)line, sizeof(line));
	mpp_json_object(w, NULL);
}

int show_json_end(mpp_json_writer *w)
{
	mpp_err err;

	mpp_json_close(w);
	if ((err = mpp_json_finish(w)) != MPP_OK)
		return complain(EX_SOFTWARE, "cannot write an event: %s",
				mpp_err_text(err));
	(void)fwrite(line, 1, w->n, stdout);
	(void)fputc('\n', stdout);
	return complain_stdout();
}

void show_json_stores(mpp_json_writer *w, const mpp_client_event *ev)
{
	uint8_t room[SCRATCH];
	mpp_buf scratch = {room, sizeof(room), 0};
	mpp_store_status store;
	size_t cursor = 0;

	while (mpp_client_store_next(ev, &cursor, &scratch, &store)) {
		mpp_json_object(w, NULL);
		mpp_json_string(w, "store", store.store);
		mpp_json_uint(w, "index", store.index);
		if (store.digest.len > 0)
			mpp_json_data(w, "digest", store.digest);
		mpp_json_close(w);
		scratch.len = 0;
	}
}

void show_json_endpoint(mpp_json_writer *w, const mpp_client_event *ev)
{
	char text[LOOP_ENDPOINT_TEXT];

	loop_addr_text(&ev->endpoint, text);
	if (text[0] != '\0')
		mpp_json_cstring(w, "endpoint", text);
}

const char *show_transport(const mpp_client_event *ev)
{
	return ev->transport == MPP_TRANSPORT_WEB ? "web" : "udp";
}

void show_stores(const mpp_client_event *ev)
{
	uint8_t room[SCRATCH];
	mpp_buf scratch = {room, sizeof(room), 0};
	char name[MPP_STORE_MAX + 1];
	mpp_store_status store;
	size_t cursor = 0;

	while (mpp_client_store_next(ev, &cursor, &scratch, &store)) {
		loop_printable(store.store, name, sizeof(name));
		(void)printf(" %s=%" PRIu64, name, store.index);
		scratch.len = 0;
	}
}
