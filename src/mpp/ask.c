/* SPDX-License-Identifier: MIT */
/* ask.c - one question to the service, and its answer. Contract: ask.h. */
#include "mpp/ask.h"

#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "loop/names.h"
#include "loop/state.h"
#include "mpp/complain.h"

enum { TEXT_MAX = 120, TURN_MS = 20 };

int ask_turn(const struct options *o, int *fd)
{
	const struct timespec nap = {0, TURN_MS * 1000000L};
	mpp_loop_error e = {.exit_code = 0};
	int gone_ms = 0;

	*fd = -1;
	while (loop_state_turn(o->state, fd, &e) == MPP_ERR_STATE) {
		if (o->timeout_ms > 0 && gone_ms >= o->timeout_ms)
			return complain(e.exit_code, "%s", e.text);
		(void)nanosleep(&nap, NULL);
		gone_ms += o->timeout_ms > 0 ? TURN_MS : 0;
	}
	return 0;
}

int ask_open(struct ask *a, const struct options *o, mpp_client_mode mode)
{
	const mpp_loop_config config = options_loop(o, mode);
	mpp_loop_error e = {.exit_code = 0};
	mpp_err err;
	int code;

	*a = (struct ask){.o = o, .turn = -1};
	if (mode != MPP_MODE_ENROLL && (code = ask_turn(o, &a->turn)) != 0)
		return code;
	err = mpp_loop_open(&config, &a->loop, &e);
	if (err != MPP_OK && a->turn >= 0)
		(void)close(a->turn);
	if (err == MPP_ERR_STATE)
		return complain(e.exit_code,
				"%s: mpp subscribe is running here: end it "
				"instead, which ends its subscription",
				o->state);
	return err == MPP_OK ? 0 : complain_loop(err, &e);
}

void ask_close(struct ask *a)
{
	mpp_loop_close(a->loop);
	if (a->turn >= 0)
		(void)close(a->turn);
}

/* The loop gives up when nobody is there; from then on the answer has as long
 * again. @return ms to wait, -1: for ever, 0: time is up */
static int time_left(const struct ask *a)
{
	const uint64_t now = mpp_loop_now(a->loop).mono.us;
	const uint64_t gone_ms = (now - a->since.us) / 1000;

	if (a->o->timeout_ms == 0 || !a->connected)
		return -1;
	return gone_ms >= (uint64_t)a->o->timeout_ms
		       ? 0
		       : a->o->timeout_ms - (int)gone_ms;
}

static int over(const struct ask *a, mpp_err err)
{
	const mpp_loop_error *e = mpp_loop_last_error(a->loop);

	if (e->exit_code == 0)
		return complain(EX_TEMPFAIL, "%s before it answered: try again",
				e->text);
	return complain_loop(err, e);
}

/* What an answer that is no success says. */
static int denied(const char *forbidden, const mpp_client_event *ev)
{
	char text[TEXT_MAX];

	loop_printable(ev->text, text, sizeof(text));
	switch (ev->status) {
	case MPP_STATUS_FORBIDDEN:
		return complain(EX_NOPERM, "the service refused (%d %s): %s",
				ev->status, text, forbidden);
	case MPP_STATUS_TIMEOUT:
	case MPP_STATUS_TOO_MANY:
	case MPP_STATUS_OVERLOADED:
		return complain(EX_TEMPFAIL,
				"the service could not do it (%d %s): try "
				"again later",
				ev->status, text);
	default:
		return complain(EX_PROTOCOL, "the service refused (%d %s)",
				ev->status, text);
	}
}

/* The next event, within the time that there is. @return 0 or the exit code */
static int next(const struct ask *a, mpp_client_event *ev)
{
	mpp_err err;
	int left;

	while ((left = time_left(a)) != 0) {
		err = mpp_loop_wait(a->loop, left, ev);
		if (err == MPP_ERR_AGAIN)
			continue;
		if (err == MPP_OK && ev->kind == MPP_EV_KEY_CHANGED)
			err = MPP_ERR_KEY_CHANGED;
		return err == MPP_OK ? 0 : over(a, err);
	}
	return complain(EX_TEMPFAIL, "connected, but no answer came in time");
}

int ask_connect(struct ask *a)
{
	mpp_client_event ev;
	int code;

	do {
		if ((code = next(a, &ev)) != 0)
			return code;
	} while (ev.kind != MPP_EV_CONNECTED);
	a->connected = true;
	a->since = mpp_loop_now(a->loop).mono;
	return 0;
}

int ask_wait(struct ask *a, const char *forbidden, mpp_client_event *ev)
{
	int code;

	do {
		if ((code = next(a, ev)) != 0)
			return code;
	} while (ev->kind != MPP_EV_RESPONSE || ev->request != a->request);
	return ev->status < 300 ? 0 : denied(forbidden, ev);
}
