/* SPDX-License-Identifier: MIT */
/* loop.c - a client with sockets and a state file. Contract: mpp/loop.h.
 *
 * One turn: take what the client has to say (writing its state where it asks
 * so), send what it has to send, give it one datagram or the time; sleep when
 * there was nothing. Sleeping is one epoll descriptor, which holds the socket,
 * a timer, the resolver and news of the network, so that others may sleep on
 * it too. */
#include "loop/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "loop/fail.h"
#include "loop/socket.h"
#include "loop/verdict.h"

enum {
	TURNS_MAX = 64, /* when the caller's time is up */
	TICK_GAP_US = 1000,
	HOLD_MIN_MS = 60 * 1000,
};

/* BOOTTIME goes on while the machine sleeps, as leases do. */
static mpp_instant clocks(void)
{
	struct timespec mono, wall;

	(void)clock_gettime(CLOCK_BOOTTIME, &mono);
	(void)clock_gettime(CLOCK_REALTIME, &wall);
	return (mpp_instant){
		.mono = {(uint64_t)mono.tv_sec * 1000000 +
			 (uint64_t)mono.tv_nsec / 1000},
		.wall = {(uint64_t)wall.tv_sec * 1000000 +
			 (uint64_t)wall.tv_nsec / 1000},
	};
}

mpp_err loop_watch(mpp_loop *l, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev) == 0 ? MPP_OK
								: MPP_ERR_IO;
}

void loop_unwatch(mpp_loop *l, int fd)
{
	(void)epoll_ctl(l->epoll, EPOLL_CTL_DEL, fd, NULL);
}

void loop_use_socket(mpp_loop *l, int fd)
{
	if (l->socket >= 0)
		(void)close(l->socket);
	l->socket = fd;
	if (fd >= 0 && loop_watch(l, fd) != MPP_OK) {
		(void)close(fd);
		l->socket = -1;
	}
}

static mpp_err fail(mpp_loop *l, mpp_err err, int exit_code)
{
	return loop_fail(&l->error, err, exit_code, "%s", mpp_err_text(err));
}

mpp_err loop_new(const char *dir, mpp_loop **out, mpp_loop_error *e)
{
	mpp_loop *l = calloc(1, sizeof(*l));
	mpp_err err = MPP_OK;

	if (l == NULL)
		return loop_fail(e, MPP_ERR_NOMEM, EX_OSERR, "out of memory");
	l->socket = -1;
	l->hold = -1;
	l->give_up = MPP_TIME_NEVER;
	l->attempt.phase = LOOP_OVER;
	l->attempt.deadline = MPP_TIME_NEVER;
	l->race.at = MPP_TIME_NEVER;
	l->web.epoll = -1;
	l->web.due = MPP_TIME_NEVER;
	l->transport.turn = MPP_TIME_NEVER;
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->timer = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	loop_network_open(l);
	l->dir = strdup(dir);
	l->memory = malloc(mpp_client_size());
	if (l->dir == NULL || l->memory == NULL)
		err = loop_fail(e, MPP_ERR_NOMEM, EX_OSERR, "out of memory");
	else if (l->epoll < 0 || l->timer < 0 ||
		 loop_watch(l, l->timer) != MPP_OK)
		err = loop_fail_errno(e, errno, "cannot make", "descriptors");
	else if ((err = mpp_crypto_new(&l->crypto)) != MPP_OK)
		(void)loop_fail(e, err, EX_SOFTWARE,
				"the cryptographic library cannot be used: %s",
				mpp_err_text(err));
	if (err == MPP_OK)
		*out = l;
	else
		mpp_loop_close(l);
	return err;
}

/* A key that was learnt under other pins is not one to begin with. */
static bool key_is_pinned(const mpp_loop *l)
{
	uint8_t udf[MPP_UDF_LEN];
	size_t i;

	if (l->state.service_suite != l->state.suite ||
	    mpp_udf_key(&l->crypto, l->state.service_suite,
			l->state.service_key, udf) != MPP_OK)
		return false;
	for (i = 0; i < l->state.n_pins; i++) {
		const char *pin = l->state.pins[i];

		if (mpp_udf_match(
			    udf, (mpp_bytes){(const uint8_t *)pin, strlen(pin)},
			    MPP_UDF_BITS) == MPP_OK)
			return true;
	}
	return l->state.n_pins == 0;
}

static mpp_bytes bytes_of(const char *text)
{
	return (mpp_bytes){(const uint8_t *)text, strlen(text)};
}

static void fill_from_state(const mpp_loop *l, mpp_client_config *c)
{
	const struct loop_state *s = &l->state;

	c->account = bytes_of(s->account);
	c->suite = s->suite;
	memcpy(c->device_secret, s->device_secret, sizeof(c->device_secret));
	memcpy(c->instance, s->instance, sizeof(c->instance));
	c->timestamp_ms = s->timestamp_ms;
	c->have_service_key = key_is_pinned(l);
	memcpy(c->service_key, s->service_key, sizeof(c->service_key));
	for (c->n_pins = 0; c->n_pins < s->n_pins; c->n_pins++)
		c->pins[c->n_pins] = bytes_of(s->pins[c->n_pins]);
	c->have_invitation = s->pending;
	memcpy(c->invitation, s->invitation, sizeof(c->invitation));
	c->token = (mpp_bytes){s->token, s->token_len};
	memcpy(c->token_secret, s->token_secret, sizeof(c->token_secret));
	memcpy(c->learnt, s->learnt, sizeof(c->learnt));
}

static mpp_err fill_stores(const mpp_loop_config *config, mpp_client_config *c)
{
	const char *const *name = config->stores;

	for (; name != NULL && *name != NULL; name++) {
		if (c->n_stores == MPP_FILTER_MAX)
			return MPP_ERR_LIMIT;
		c->stores[c->n_stores++] = bytes_of(*name);
	}
	return MPP_OK;
}

static mpp_err make_client(mpp_loop *l, const mpp_loop_config *config)
{
	mpp_client_config c;
	mpp_err err;

	memset(&c, 0, sizeof(c));
	c.mode = config->mode;
	c.acknowledge = config->acknowledge;
	c.lease_ms = config->lease_ms;
	c.keepalive_ms = config->keepalive_ms;
	c.key_log = config->key_log;
	c.unlinkable = config->unlinkable;
	c.web = l->web.n != 0;
	if (fill_stores(config, &c) != MPP_OK)
		return loop_fail(&l->error, MPP_ERR_INVALID, EX_USAGE,
				 "more than %d stores", MPP_FILTER_MAX);
	fill_from_state(l, &c);
	err = mpp_client_init(l->memory, mpp_client_size(), &c, &l->crypto,
			      &l->client);
	mem_wipe(&c, sizeof(c));
	if (err == MPP_ERR_INVALID)
		return loop_fail(&l->error, err, EX_USAGE,
				 "a store's name or a time is not possible");
	return err == MPP_OK ? MPP_OK : fail(l, err, EX_SOFTWARE);
}

mpp_err loop_start(mpp_loop *l, const mpp_loop_config *config)
{
	const mpp_instant now = clocks();
	mpp_err err;

	l->error.text[0] = '\0';
	if ((err = loop_web_choose(l, config)) != MPP_OK ||
	    (err = make_client(l, config)) != MPP_OK)
		return err;
	l->mode = config->mode;
	l->timeout_ms = config->timeout_ms;
	l->keepalive_ms = config->keepalive_ms;
	if (config->timeout_ms > 0)
		l->give_up.us =
			now.mono.us + (uint64_t)config->timeout_ms * 1000;
	if (config->transport == MPP_TRANSPORT_WEB) {
		mpp_client_transport(l->client, MPP_TRANSPORT_WEB, now);
		mpp_client_connect(l->client, now);
		loop_attempt_web(l);
	} else {
		loop_attempt_begin(l, now);
	}
	return MPP_OK;
}

/* Load the state of an enrolled device. */
static mpp_err load(mpp_loop *l)
{
	const mpp_err err = loop_state_load(l->dir, &l->state, &l->error);

	if (err == MPP_OK && l->state.account[0] == '\0')
		return loop_fail(&l->error, MPP_ERR_NOTFOUND, EX_NOINPUT,
				 "%s: this device has a key, but is not "
				 "enrolled yet: run mpp enroll",
				 l->dir);
	if (err != MPP_OK || !l->state.pending)
		return err;
	return loop_fail(&l->error, MPP_ERR_NOTFOUND, EX_NOINPUT,
			 "%s: the enrolment of this device was not finished: "
			 "run mpp enroll URI again",
			 l->dir);
}

bool loop_stays(const mpp_loop *l)
{
	return l->mode == MPP_MODE_SUBSCRIBE || l->mode == MPP_MODE_KEEP;
}

/* Does a connection of this mode end a subscription of this device? */
static bool displaces(mpp_client_mode mode)
{
	return mode == MPP_MODE_SUBSCRIBE || mode == MPP_MODE_ENROLL;
}

mpp_err mpp_loop_open(const mpp_loop_config *config, mpp_loop **out,
		      mpp_loop_error *err)
{
	mpp_loop *l;
	mpp_err result = loop_new(config->state_dir, &l, err);

	if (result != MPP_OK)
		return result;
	l->saves_key = true;
	result = load(l);
	if (result == MPP_OK && displaces(config->mode))
		result = loop_state_hold(l->dir, &l->hold, &l->error);
	else if (result == MPP_OK && config->mode == MPP_MODE_KEEP)
		result = loop_state_keep(l->dir, &l->hold, &l->error);
	if (result == MPP_OK)
		result = loop_start(l, config);
	if (result == MPP_OK) {
		*out = l;
		return MPP_OK;
	}
	if (err != NULL)
		*err = l->error;
	mpp_loop_close(l);
	return result;
}

static void note_refusal(mpp_loop *l, enum loop_socket_result result,
			 mpp_instant now)
{
	if (result == LOOP_SOCKET_REFUSED)
		loop_attempt_refused(l, errno, now);
}

/* Send all that the client has. */
static mpp_err flush(mpp_loop *l, mpp_instant now)
{
	uint8_t room[MPP_PACKET_MAX];
	mpp_buf out = {room, sizeof(room), 0};
	mpp_err err;

	loop_web_flush(l, now);
	while (l->socket >= 0 || loop_web_serves(l)) {
		err = mpp_client_send(l->client, now, &out);
		if (err == MPP_ERR_AGAIN)
			return MPP_OK;
		if (err != MPP_OK)
			return fail(l, err, EX_SOFTWARE);
		if (l->socket < 0)
			continue; /* UDP cannot be tried without a route */
		note_refusal(l,
			     loop_socket_send(l->socket,
					      (mpp_bytes){out.p, out.len}),
			     now);
	}
	return MPP_OK;
}

static void note_token(struct loop_state *s, const mpp_client_event *ev)
{
	mem_wipe(s->token, sizeof(s->token));
	s->token_len = ev->token.len;
	if (ev->token.len != 0)
		memcpy(s->token, ev->token.p, ev->token.len);
	memcpy(s->token_secret, ev->token_secret, sizeof(s->token_secret));
}

static mpp_err save(mpp_loop *l, const mpp_client_event *ev)
{
	struct loop_raise raise = {
		.timestamp_ms = ev->timestamp_ms,
		.has_token = ev->have_token,
		.token = ev->token,
		.token_secret = ev->token_secret,
		.learnt = ev->have_learnt ? ev->learnt : NULL,
		.network_key = l->state.network_key,
	};

	if (ev->have_service_key) {
		l->state.service_suite = ev->suite;
		memcpy(l->state.service_key, ev->service_key,
		       sizeof(l->state.service_key));
	}
	if (ev->have_service_key && l->saves_key) {
		raise.service_suite = ev->suite;
		raise.service_key = ev->service_key;
	}
	if (ev->have_token)
		note_token(&l->state, ev);
	if (ev->timestamp_ms > l->state.timestamp_ms)
		l->state.timestamp_ms = ev->timestamp_ms;
	if (loop_state_raise(l->dir, l->state.instance, &raise, &l->error) !=
	    MPP_OK)
		return MPP_ERR_IO;
	mpp_client_saved(l->client);
	return MPP_OK;
}

/* May a service that closed be asked again? The client itself decides so. */
static bool is_passing(const mpp_loop *l, const mpp_client_event *ev)
{
	return loop_stays(l) && !l->closing &&
	       ev->status != MPP_STATUS_FORBIDDEN;
}

/* For how long a connection may be silent before its address is doubted; an
 * answer comes at least as often as the heartbeats go. */
static void set_hold(mpp_loop *l, const mpp_client_event *ev)
{
	uint32_t ms = HOLD_MIN_MS;

	if (ev->lease_ms > ms)
		ms = ev->lease_ms;
	if (l->keepalive_ms > ms)
		ms = l->keepalive_ms;
	l->attempt.hold_ms = ms;
}

/* The answer to what was asked once; more: the rest comes as publications. */
static void note_first_answer(mpp_loop *l, const mpp_client_event *ev,
			      mpp_instant now)
{
	if (ev->request != 0)
		return;
	set_hold(l, ev);
	loop_transport_connected(l, now);
	if (!ev->more)
		loop_attempt_over(l);
}

/* What an event means for the choice of address. */
static void note_event(mpp_loop *l, const mpp_client_event *ev, mpp_instant now)
{
	switch (ev->kind) {
	case MPP_EV_CONNECTED:
		l->error.text[0] = '\0';
		set_hold(l, ev);
		loop_transport_connected(l, now);
		loop_network_look(l, now);
		return;
	case MPP_EV_RESPONSE:
		note_first_answer(l, ev, now);
		return;
	case MPP_EV_LOST:
		loop_attempt_lost(l, now);
		return;
	case MPP_EV_REFUSED:
		loop_verdict(l, ev);
		if (ev->retry_ms == 0)
			loop_attempt_over(l);
		else if (l->attempt.phase != LOOP_WEB)
			loop_attempt_wait(l, ev->retry_ms, now);
		return;
	case MPP_EV_CLOSED:
		loop_verdict(l, ev);
		if (!is_passing(l, ev))
			loop_attempt_over(l);
		else if (l->attempt.phase != LOOP_WEB)
			loop_attempt_pause(l, now);
		return;
	case MPP_EV_KEY_CHANGED:
		loop_verdict(l, ev);
		loop_attempt_over(l);
		return;
	case MPP_EV_SAVE:
	case MPP_EV_KEEPALIVE:
	case MPP_EV_TRANSPORT:
	case MPP_EV_PUBLICATION:
		return;
	}
}

/* Send and save until there is an event for the caller, or nothing. Saving
 * takes its time, so the clocks are read anew: what is sent is what a round
 * trip is measured from. */
static mpp_err pump(mpp_loop *l, mpp_client_event *ev)
{
	mpp_instant now;
	mpp_err err;

	for (;;) {
		now = clocks();
		if ((err = flush(l, now)) != MPP_OK)
			return err;
		if ((err = mpp_client_next_event(l->client, ev)) != MPP_OK)
			return err;
		note_event(l, ev, now);
		if (ev->kind != MPP_EV_SAVE)
			return MPP_OK;
		if ((err = save(l, ev)) != MPP_OK)
			return err;
	}
}

static bool receive_one(mpp_loop *l, mpp_instant now)
{
	uint8_t room[MPP_PACKET_MAX];
	mpp_buf in = {room, sizeof(room), 0};
	enum loop_socket_result result;

	if (l->socket < 0)
		return false;
	result = loop_socket_receive(l->socket, &in);
	note_refusal(l, result, now);
	if (result != LOOP_SOCKET_OK)
		return result == LOOP_SOCKET_REFUSED;
	if (mpp_client_receive(l->client, in, now) == MPP_OK)
		loop_attempt_heard(l, now);
	return true;
}

/* The earliest moment at which the client is ticked: never twice in a
 * millisecond, so that no mistake of ours makes a processor glow. */
static mpp_time client_due(const mpp_loop *l)
{
	const mpp_time due = mpp_client_deadline(l->client);
	const uint64_t floor = l->ticked.us + TICK_GAP_US;

	if (l->socket < 0 && !loop_web_serves(l))
		return MPP_TIME_NEVER;
	return due.us > floor ? due : (mpp_time){floor};
}

static bool tick(mpp_loop *l, mpp_instant now)
{
	if (now.mono.us < client_due(l).us)
		return false;
	l->ticked = now.mono;
	mpp_client_tick(l->client, now);
	return true;
}

/* One thing at a time, because each may bring events.
 * @return whether anything was done */
static bool turn(mpp_loop *l, mpp_instant now)
{
	return loop_transport_step(l, now) || loop_network_step(l, now) ||
	       receive_one(l, now) || loop_web_step(l, now) ||
	       loop_race_step(l, now) || tick(l, now) ||
	       loop_attempt_step(l, now);
}

static uint64_t earliest(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Set the timer to what comes first; never disarms by a zero. */
static void arm(mpp_loop *l)
{
	struct itimerspec at = {.it_value = {0, 0}};
	uint64_t us = client_due(l).us;

	us = earliest(us, l->attempt.deadline.us);
	us = earliest(us, l->race.at.us);
	us = earliest(us, l->give_up.us);
	us = earliest(us, l->network.at.us);
	us = earliest(us, l->web.due.us);
	us = earliest(us, loop_transport_due(l).us);
	if (us != MPP_TIME_NEVER.us) {
		at.it_value.tv_sec = (time_t)(us / 1000000);
		at.it_value.tv_nsec = (long)(us % 1000000) * 1000 + 1;
	}
	(void)timerfd_settime(l->timer, TFD_TIMER_ABSTIME, &at, NULL);
}

/* @return 0 when the caller's time is up or a signal came, else 1 */
static int sleep_until(const mpp_loop *l, uint64_t until_us, mpp_instant now)
{
	struct epoll_event ev;
	uint64_t left_ms;

	if (until_us == UINT64_MAX)
		return epoll_wait(l->epoll, &ev, 1, -1) > 0;
	left_ms = until_us > now.mono.us ? (until_us - now.mono.us + 999) / 1000
					 : 0;
	return epoll_wait(l->epoll, &ev, 1, (int)left_ms) > 0;
}

/* What ends a wait before it sleeps: an event, a failure, the end. */
static mpp_err look(mpp_loop *l, mpp_client_event *ev)
{
	mpp_err err = pump(l, ev);

	if (err != MPP_ERR_AGAIN)
		return err;
	if (l->attempt.phase == LOOP_OVER)
		return MPP_ERR_CLOSED;
	if (clocks().mono.us >= l->give_up.us)
		return loop_verdict_timeout(l);
	return MPP_ERR_AGAIN;
}

static uint64_t until(int timeout_ms)
{
	return timeout_ms < 0 ? UINT64_MAX
			      : clocks().mono.us + (uint64_t)timeout_ms * 1000;
}

mpp_err mpp_loop_wait(mpp_loop *l, int timeout_ms, mpp_client_event *ev)
{
	const uint64_t until_us = until(timeout_ms);
	bool worked, late;
	mpp_instant now;
	int turns = 0;
	mpp_err err;

	if (l->failed != MPP_OK)
		return l->failed;
	for (;;) {
		err = look(l, ev);
		if (err != MPP_OK && err != MPP_ERR_AGAIN)
			l->failed = err;
		if (err != MPP_ERR_AGAIN)
			return err;
		now = clocks();
		worked = turn(l, now);
		/* However much comes in, the caller's turn comes too. */
		late = now.mono.us >= until_us && ++turns >= TURNS_MAX;
		if (worked && !late)
			continue;
		arm(l);
		if (late || !sleep_until(l, until_us, now))
			return MPP_ERR_AGAIN;
	}
}

mpp_client *mpp_loop_client(mpp_loop *l)
{
	return l->client;
}

mpp_instant mpp_loop_now(const mpp_loop *l)
{
	(void)l;
	return clocks();
}

int mpp_loop_fd(const mpp_loop *l)
{
	return l->epoll;
}

const char *mpp_loop_domain(const mpp_loop *l)
{
	return l->state.domain;
}

uint16_t mpp_loop_port(const mpp_loop *l)
{
	return loop_socket_port(l->socket);
}

const mpp_loop_error *mpp_loop_last_error(const mpp_loop *l)
{
	return &l->error;
}

/* Say goodbye where somebody listens. */
static void say_close(mpp_loop *l)
{
	const mpp_instant now = clocks();

	l->closing = true;
	if (l->attempt.phase == LOOP_HOLD && l->socket >= 0) {
		mpp_client_close(l->client, now);
		(void)flush(l, now);
	} else if (l->attempt.phase == LOOP_WEB) {
		mpp_client_close(l->client, now);
		loop_web_flush(l, now);
		loop_web_finish(l);
	}
	mpp_client_wipe(l->client);
}

void mpp_loop_close(mpp_loop *l)
{
	if (l->client != NULL)
		say_close(l);
	loop_attempt_over(l);
	loop_transport_close(l);
	free(l->web.ca);
	loop_use_socket(l, -1);
	loop_network_close(l);
	if (l->hold >= 0)
		(void)close(l->hold);
	if (l->timer >= 0)
		(void)close(l->timer);
	if (l->epoll >= 0)
		(void)close(l->epoll);
	mpp_crypto_free(&l->crypto);
	free(l->memory);
	free(l->dir);
	mem_wipe(l, sizeof(*l));
	free(l);
}
