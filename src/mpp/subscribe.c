/* SPDX-License-Identifier: MIT */
/* subscribe.c - mpp subscribe: each publication as it comes. */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

#include "loop/endpoint.h"
#include "mpp/commands.h"
#include "mpp/complain.h"
#include "mpp/show.h"

enum { GO_ON = -1 }; /* no exit code yet */

struct subscription {
	const struct options *o;
	mpp_loop *loop;
	uint64_t seen;
	int signals; /* SIGINT and SIGTERM as a descriptor */
};

static int json_begin(mpp_json_writer *w, const char *name)
{
	show_json_begin(w);
	mpp_json_cstring(w, "event", name);
	return GO_ON;
}

static void json_publication(const struct subscription *s, mpp_json_writer *w,
			     const mpp_client_event *ev)
{
	char now[SHOW_TIME];

	show_rfc3339(mpp_loop_now(s->loop).wall, now);
	mpp_json_uint(w, "serial", ev->serial);
	mpp_json_array(w, "stores");
	show_json_stores(w, ev);
	mpp_json_close(w);
	mpp_json_bool(w, "more", ev->more);
	if (ev->reset)
		mpp_json_bool(w, "reset", true);
	show_json_endpoint(w, ev);
	mpp_json_uint(w, "rtt_us", ev->rtt_us);
	mpp_json_cstring(w, "time", now);
}

static void json_end_of(mpp_json_writer *w, const mpp_client_event *ev,
			const mpp_loop_error *e)
{
	mpp_json_uint(w, "status", (uint64_t)ev->status);
	if (ev->retry_ms > 0)
		mpp_json_uint(w, "retry_ms", ev->retry_ms);
	mpp_json_cstring(w, "message", e->text);
}

/* NULL: an event that is not for people. */
static const char *name_of(mpp_client_event_kind kind)
{
	switch (kind) {
	case MPP_EV_CONNECTED:
		return "connected";
	case MPP_EV_PUBLICATION:
		return "publication";
	case MPP_EV_LOST:
		return "lost";
	case MPP_EV_CLOSED:
		return "closed";
	case MPP_EV_REFUSED:
		return "refused";
	case MPP_EV_KEY_CHANGED:
		return "key-changed";
	case MPP_EV_KEEPALIVE:
		return "keepalive";
	case MPP_EV_TRANSPORT:
		return "transport";
	case MPP_EV_SAVE:
	case MPP_EV_RESPONSE:
		return NULL;
	}
	return NULL;
}

static int show_json(const struct subscription *s, const mpp_client_event *ev)
{
	mpp_json_writer w;

	(void)json_begin(&w, name_of(ev->kind));
	if (ev->kind == MPP_EV_PUBLICATION) {
		json_publication(s, &w, ev);
	} else if (ev->kind == MPP_EV_CONNECTED) {
		show_json_endpoint(&w, ev);
		mpp_json_uint(&w, "lease_ms", ev->lease_ms);
		mpp_json_uint(&w, "keepalive_ms", ev->keepalive_ms);
	} else if (ev->kind == MPP_EV_KEEPALIVE) {
		mpp_json_uint(&w, "keepalive_ms", ev->keepalive_ms);
	} else if (ev->kind == MPP_EV_TRANSPORT) {
		mpp_json_cstring(&w, "transport", show_transport(ev));
	} else if (ev->kind != MPP_EV_LOST) {
		json_end_of(&w, ev, mpp_loop_last_error(s->loop));
	}
	return show_json_end(&w);
}

static int show_text(const struct subscription *s, const mpp_client_event *ev)
{
	char now[SHOW_TIME], endpoint[LOOP_ENDPOINT_TEXT];

	show_local(mpp_loop_now(s->loop).wall, now);
	loop_addr_text(&ev->endpoint, endpoint);
	(void)printf("%s  ", now);
	if (ev->kind == MPP_EV_PUBLICATION) {
		(void)printf("serial %" PRIu64 " ", ev->serial);
		show_stores(ev);
		(void)fputs(ev->more ? " (more follows)\n" : "\n", stdout);
	} else if (ev->kind == MPP_EV_CONNECTED) {
		(void)printf("connected, seen from %s, lease %g s\n",
			     endpoint[0] == '\0' ? "?" : endpoint,
			     ev->lease_ms / 1000.0);
	} else if (ev->kind == MPP_EV_LOST) {
		(void)fputs("no answer any more; connecting again\n", stdout);
	} else if (ev->kind == MPP_EV_TRANSPORT) {
		(void)fputs(ev->transport == MPP_TRANSPORT_WEB
				    ? "over HTTP now: UDP does not get "
				      "through\n"
				    : "over UDP again\n",
			    stdout);
	} else {
		(void)printf("%s: %s\n", name_of(ev->kind),
			     mpp_loop_last_error(s->loop)->text);
	}
	return complain_stdout();
}

/* @return GO_ON or the exit code */
static int use(struct subscription *s, const mpp_client_event *ev)
{
	int code;

	if (name_of(ev->kind) == NULL ||
	    (ev->kind == MPP_EV_KEEPALIVE && !s->o->json))
		return GO_ON;
	code = s->o->json ? show_json(s, ev) : show_text(s, ev);
	if (code != 0)
		return code;
	if (ev->kind == MPP_EV_PUBLICATION && !ev->more &&
	    ++s->seen == s->o->count)
		return EX_OK;
	if (ev->kind == MPP_EV_KEY_CHANGED)
		return complain_loop(MPP_ERR_KEY_CHANGED,
				     mpp_loop_last_error(s->loop));
	return GO_ON;
}

/* All that is there now. @return GO_ON or the exit code */
static int drain(struct subscription *s)
{
	mpp_client_event ev;
	int code = GO_ON;
	mpp_err err;

	while (code == GO_ON) {
		err = mpp_loop_wait(s->loop, 0, &ev);
		if (err == MPP_ERR_AGAIN)
			return GO_ON;
		if (err != MPP_OK)
			return complain_loop(err, mpp_loop_last_error(s->loop));
		code = use(s, &ev);
	}
	return code;
}

static int watch(struct subscription *s)
{
	struct pollfd fds[] = {
		{.fd = mpp_loop_fd(s->loop), .events = POLLIN},
		{.fd = s->signals, .events = POLLIN},
	};
	int code;

	for (;;) {
		if ((code = drain(s)) != GO_ON)
			return code;
		(void)poll(fds, 2, -1);
		if (fds[1].revents != 0)
			return EX_OK;
	}
}

/* From here on these signals only make the descriptor readable. */
static int catch_signals(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int check_stores(const struct options *o)
{
	size_t n;

	for (n = 0; o->stores[n] != NULL; n++) {
		if (n == MPP_FILTER_MAX)
			return complain(EX_USAGE, "more than %d times --store",
					MPP_FILTER_MAX);
		if (o->stores[n][0] == '\0' ||
		    strlen(o->stores[n]) > MPP_STORE_MAX)
			return complain(EX_USAGE,
					"--store: a name has 1 to %d octets",
					MPP_STORE_MAX);
	}
	return 0;
}

int command_subscribe(const struct options *o)
{
	mpp_loop_config config = options_loop(o, MPP_MODE_SUBSCRIBE);
	struct subscription s = {.o = o, .signals = -1};
	mpp_loop_error e = {.exit_code = 0};
	mpp_err err;
	int code;

	if ((code = check_stores(o)) != 0)
		return code;
	config.stores = o->stores;
	config.lease_ms = o->lease_ms;
	config.keepalive_ms = o->keepalive_ms;
	config.unlinkable = o->unlinkable;
	s.signals = catch_signals();
	if (s.signals < 0)
		return complain(EX_OSERR, "cannot watch for signals");
	err = mpp_loop_open(&config, &s.loop, &e);
	if (err != MPP_OK)
		return complain_loop(err, &e);
	code = watch(&s);
	mpp_loop_close(s.loop);
	(void)close(s.signals);
	return code;
}
