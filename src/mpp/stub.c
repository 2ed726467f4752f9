/* SPDX-License-Identifier: MIT */
/* stub.c - mpp dns-stub: the command, its loop, and what the service says.
 * Contract: stub.h. */
#include "mpp/stub.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

#include "mpp/commands.h"
#include "mpp/complain.h"
#include "mpp/show.h"

enum { GO_ON = -1, EVENTS = 64, WAIT_MAX_MS = 60000 };

bool stub_watch(const struct stub *s, int fd, enum stub_kind kind, uint32_t i,
		uint32_t events, bool again)
{
	struct epoll_event e = {
		.events = events,
		.data.u64 = (uint64_t)kind << 32 | i,
	};

	return epoll_ctl(s->epoll, again ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd,
			 &e) == 0;
}

/* ---- what it says ---- */

static int say(const struct stub *s, const char *event, const char *address)
{
	mpp_json_writer w;

	if (!s->o->json) {
		(void)printf("%s%s%s\n", event, address != NULL ? " on " : "",
			     address != NULL ? address : "");
		return complain_stdout();
	}
	show_json_begin(&w);
	mpp_json_cstring(&w, "event", event);
	if (address != NULL)
		mpp_json_cstring(&w, "address", address);
	return show_json_end(&w);
}

static int say_listening(const struct stub *s)
{
	unsigned i;
	int code = 0;

	for (i = 0; i < s->n_listeners && code == 0; i++)
		code = say(s, "listening", s->listeners[i].text);
	return code;
}

/* ---- the service ---- */

static int use(struct stub *s, const mpp_client_event *ev)
{
	const bool before = s->here;

	if (ev->kind == MPP_EV_CONNECTED)
		s->here = true;
	else if (ev->kind == MPP_EV_LOST || ev->kind == MPP_EV_CLOSED ||
		 ev->kind == MPP_EV_REFUSED)
		s->here = false;
	else if (ev->kind == MPP_EV_RESPONSE)
		stub_answered(s, ev);
	if (s->here == before)
		return GO_ON;
	if (!s->here)
		stub_away(s);
	return say(s, s->here ? "connected" : "lost", NULL) == 0 ? GO_ON
								 : EX_IOERR;
}

/* Everything that there is, until nothing is. What is asked is sent by the
 * next wait, which may bring answers. */
static int drain(struct stub *s)
{
	mpp_client_event ev;
	int code = GO_ON;
	mpp_err err;

	do {
		while ((err = mpp_loop_wait(s->loop, 0, &ev)) == MPP_OK) {
			if ((code = use(s, &ev)) != GO_ON)
				return code;
		}
		if (err != MPP_ERR_AGAIN)
			return complain_loop(err, mpp_loop_last_error(s->loop));
	} while (stub_ask(s));
	return GO_ON;
}

/* ---- turns ---- */

static void take_event(struct stub *s, const struct epoll_event *e)
{
	const uint32_t i = (uint32_t)e->data.u64;

	switch ((enum stub_kind)(e->data.u64 >> 32)) {
	case STUB_UDP:
		stub_udp(s, i);
		break;
	case STUB_TCP:
		stub_accept(s, i);
		break;
	case STUB_CONNECTION:
		stub_connection(s, i, (e->events & (EPOLLERR | EPOLLHUP)) != 0);
		break;
	case STUB_LOOP:
	case STUB_SIGNALS:
		break;
	}
}

static int wait_ms(const struct stub *s)
{
	uint64_t at = stub_due(s);
	const uint64_t tcp = stub_tcp_due(s);
	uint64_t ms;

	at = tcp < at ? tcp : at;
	if (at <= s->now_us)
		return 0;
	ms = (at - s->now_us + 999) / 1000;
	return ms < WAIT_MAX_MS ? (int)ms : WAIT_MAX_MS;
}

static int turn(struct stub *s)
{
	struct epoll_event e[EVENTS];
	const int n = epoll_wait(s->epoll, e, EVENTS, wait_ms(s));
	int i, code;

	s->now_us = mpp_loop_now(s->loop).mono.us;
	for (i = 0; i < n; i++) {
		if (e[i].data.u64 >> 32 == STUB_SIGNALS)
			return EX_OK;
		take_event(s, &e[i]);
	}
	stub_tcp_run(s);
	if ((code = drain(s)) != GO_ON)
		return code;
	stub_expire(s);
	return GO_ON;
}

/* ---- start ---- */

static int catch_signals(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int open_all(struct stub *s)
{
	const mpp_loop_config config = {
		.state_dir = s->o->state,
		.mode = MPP_MODE_KEEP,
		.timeout_ms =
			(s->o->given & OPT_TIMEOUT) != 0 ? s->o->timeout_ms : 0,
		.key_log = s->o->key_log,
	};
	mpp_loop_error e = {.exit_code = 0};
	mpp_err err;
	int code;

	s->signals = catch_signals();
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->signals < 0 || s->epoll < 0 ||
	    !stub_watch(s, s->signals, STUB_SIGNALS, 0, EPOLLIN, false))
		return complain(EX_OSERR, "cannot watch for signals");
	if ((code = stub_listen(s)) != 0)
		return code;
	err = mpp_loop_open(&config, &s->loop, &e);
	if (err != MPP_OK)
		return complain_loop(err, &e);
	if (!stub_watch(s, mpp_loop_fd(s->loop), STUB_LOOP, 0, EPOLLIN, false))
		return complain(EX_OSERR, "cannot watch descriptors");
	return say_listening(s);
}

static int serve(struct stub *s)
{
	int code = open_all(s);

	if (code != 0)
		return code;
	s->now_us = mpp_loop_now(s->loop).mono.us;
	code = drain(s);
	while (code == GO_ON)
		code = turn(s);
	return code;
}

int command_dns_stub(const struct options *o)
{
	struct stub *s = calloc(1, sizeof(*s));
	int code;

	if (s == NULL)
		return complain(EX_OSERR, "out of memory");
	s->o = o;
	s->signals = s->epoll = -1;
	stub_tcp_init(s);
	code = serve(s);
	stub_tcp_close(s);
	stub_unlisten(s);
	if (s->loop != NULL)
		mpp_loop_close(s->loop);
	if (s->signals >= 0)
		(void)close(s->signals);
	if (s->epoll >= 0)
		(void)close(s->epoll);
	free(s);
	return code;
}
