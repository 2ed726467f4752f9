/* SPDX-License-Identifier: MIT */
/* show.h - events of the client as lines, for people and for programs. */
#ifndef MPP_SHOW_H
#define MPP_SHOW_H

#include <mpp/jsonbcd.h>
#include <mpp/loop.h>

enum { SHOW_TIME = 48 };

/* "2026-05-01 12:00:00.123 +02:00" */
void show_local(mpp_wall wall, char out[SHOW_TIME]);
/* "2026-05-01T10:00:00.123Z" (RFC 3339) */
void show_rfc3339(mpp_wall wall, char out[SHOW_TIME]);

/* One line of JSON: begin, write the members, end. */
void show_json_begin(mpp_json_writer *w);
/* @return 0, or an exit code having complained */
int show_json_end(mpp_json_writer *w);

/* The stores of an event, into an array that is open. */
void show_json_stores(mpp_json_writer *w, const mpp_client_event *ev);
/* Member "endpoint", when the service said it. */
void show_json_endpoint(mpp_json_writer *w, const mpp_client_event *ev);

/* "udp" or "web". */
const char *show_transport(const mpp_client_event *ev);

/* " name=index" for each store, on one line. */
void show_stores(const mpp_client_event *ev);

#endif
