/* SPDX-License-Identifier: MIT */
/* world_web.h - HTTP in the world of world.h: what devices post is carried to
 * the service and back, with delays, losses of either way, and a switch. UDP
 * can be cut. For tests. */
#ifndef TESTS_WORLD_WEB_H
#define TESTS_WORLD_WEB_H

#include "world.h"

enum { HTTP_FLIGHT = 64, HTTP_LOST_US = 700000 };

struct carried {
	uint64_t at;
	int device;
	bool to_service;
	uint32_t tag, wait_s;
	int status;
	size_t len;
	uint8_t data[MPP_WEB_ANSWER_MAX];
};

/* A request that waits at the service. */
struct waiting_post {
	uint64_t number;
	int device;
	uint32_t tag;
};

struct web_world {
	struct carried fly[HTTP_FLIGHT];
	size_t n_fly;
	struct waiting_post held[HTTP_FLIGHT];
	size_t n_held;
	uint64_t numbers;
	bool no_wait;   /* nobody waits, whatever is preferred */
	bool http_down; /* nobody listens */
	bool noise;     /* somebody else answers whatever he likes */
	int portal;     /* somebody else answers, with this status; 0: not */
	bool udp_cut;
	unsigned request_loss_pct, answer_loss_pct, delay_us, jitter_us;
	uint64_t posts, polls, udp_from_device;
	uint64_t statuses[600];
};

static struct web_world web;

static inline int web_drop(struct world *w, const struct flying *f)
{
	(void)w;
	web.udp_from_device += f->to_service;
	return web.udp_cut;
}

static inline struct carried *web_fly(struct world *w)
{
	struct carried *f;

	assert_true(web.n_fly < HTTP_FLIGHT);
	f = &web.fly[web.n_fly++];
	memset(f, 0, offsetof(struct carried, data));
	f->at = w->now + web.delay_us;
	if (web.jitter_us != 0)
		f->at += world_random(w) % web.jitter_us;
	return f;
}

/* An answer for a device; status 0: none comes. */
static inline void web_answer(struct world *w, int device, uint32_t tag,
			      int status, const mpp_buf *body)
{
	struct carried *f = web_fly(w);

	if (status != 0 && world_random(w) % 100 < web.answer_loss_pct)
		status = 0;
	if (status == 0)
		f->at += HTTP_LOST_US;
	f->device = device;
	f->tag = tag;
	f->status = status;
	if (status != 0 && body != NULL) {
		f->len = body->len;
		memcpy(f->data, body->p, body->len);
	}
}

static inline int web_status(mpp_err err, const mpp_buf *out)
{
	if (err == MPP_OK)
		return out->len != 0 ? 200 : 204;
	if (err == MPP_ERR_REPLAY)
		return 409;
	if (err == MPP_ERR_STRANGER)
		return 410;
	return err == MPP_ERR_STATE ? 503 : 400;
}

/* Somebody who sees the request, and has no key. */
static inline void web_noise(struct world *w, const struct carried *f)
{
	static const int statuses[] = {200, 200, 200, 204, 409, 410, 503, 0};
	static uint8_t room[MPP_WEB_ANSWER_MAX];
	mpp_buf out = {room, sizeof(room), 0};
	size_t i;

	out.len = (size_t)(world_random(w) %
			   (world_random(w) % 4 == 0 ? sizeof(room) : 200));
	for (i = 0; i < out.len; i++)
		room[i] = (uint8_t)world_random(w);
	if (out.len >= 17 && world_random(w) % 2 == 0) {
		/* An identifier that stood in the request, perhaps; and a
		 * type of answer that there is. */
		memcpy(room, f->data + world_random(w) % (f->len - 16), 16);
		room[16] = (uint8_t)(world_random(w) % 4);
	}
	web_answer(w, f->device, f->tag, statuses[world_random(w) % 8], &out);
}

static inline void web_arrive(struct world *w, struct carried *f)
{
	static uint8_t room[MPP_WEB_ANSWER_MAX];
	mpp_buf out = {room, sizeof(room), 0};
	const uint64_t number = ++web.numbers;
	mpp_err err;

	if (web.http_down || w->service_down) {
		web_answer(w, f->device, f->tag, 0, NULL);
		return;
	}
	if (web.noise) {
		web_noise(w, f);
		return;
	}
	if (web.portal != 0) {
		memset(room, '<', 100);
		out.len = 100;
		web_answer(w, f->device, f->tag, web.portal, &out);
		return;
	}
	err = mpp_service_web(w->s, (mpp_buf){f->data, f->len, f->len},
			      &w->d[f->device].addr, number,
			      web.no_wait ? 0 : f->wait_s * 1000, world_now(w),
			      &out);
	world_service(w);
	if (err == MPP_ERR_AGAIN) {
		assert_true(web.n_held < HTTP_FLIGHT);
		web.held[web.n_held++] =
			(struct waiting_post){number, f->device, f->tag};
		return;
	}
	web.statuses[web_status(err, &out)]++;
	web_answer(w, f->device, f->tag, web_status(err, &out), &out);
}

static inline void web_held(struct world *w)
{
	static uint8_t room[MPP_WEB_ANSWER_MAX];
	mpp_buf out = {room, sizeof(room), 0};
	uint64_t number;
	size_t i;

	if (w->service_down) {
		while (web.n_held != 0) {
			web.n_held--;
			web_answer(w, web.held[web.n_held].device,
				   web.held[web.n_held].tag, 0, NULL);
		}
		return;
	}
	while (mpp_service_next_web(w->s, world_now(w), &number, &out)) {
		for (i = 0; i < web.n_held && web.held[i].number != number; i++)
			;
		assert_true(i < web.n_held);
		web_answer(w, web.held[i].device, web.held[i].tag,
			   out.len != 0 ? 200 : 410, &out);
		web.held[i] = web.held[--web.n_held];
	}
	/* Whoever does not wait any more has closed the connection. */
	for (i = 0; i < web.n_held;) {
		const struct waiting_post h = web.held[i];

		if (!web.http_down &&
		    mpp_client_web_waits(w->d[h.device].c, h.tag)) {
			i++;
			continue;
		}
		if (web.http_down)
			web_answer(w, h.device, h.tag, 0, NULL);
		mpp_service_web_gone(w->s, h.number);
		web.held[i] = web.held[--web.n_held];
	}
}

static inline void web_init(struct world *w)
{
	memset(&web, 0, sizeof(web));
	web.delay_us = 30000;
	w->drop = web_drop;
	w->answers = web_held;
}

static inline void web_deliver(struct world *w)
{
	static struct carried f;
	size_t i;

	for (i = 0; i < web.n_fly;) {
		if (web.fly[i].at > w->now) {
			i++;
			continue;
		}
		f = web.fly[i];
		web.fly[i] = web.fly[--web.n_fly];
		if (f.to_service) {
			web_arrive(w, &f);
		} else if (w->d[f.device].c != NULL) {
			(void)mpp_client_web_answer(
				w->d[f.device].c, f.tag, f.status,
				(mpp_buf){f.data, sizeof(f.data), f.len},
				world_now(w));
			world_client(w, f.device);
		}
	}
}

/* @return whether there was anything to post */
static inline bool web_post(struct world *w, int i)
{
	struct world_device *d = &w->d[i];
	uint8_t p[MPP_PACKET_MAX];
	mpp_buf out = {p, sizeof(p), 0};
	mpp_client_post what;
	struct carried *f;

	if (d->c == NULL ||
	    mpp_client_web_send(d->c, world_now(w), &out, &what) != MPP_OK)
		return false;
	assert_true(mpp_client_web_waits(d->c, what.tag));
	web.posts++;
	web.polls += what.wait_s != 0;
	if (world_random(w) % 100 < web.request_loss_pct) {
		web_answer(w, i, what.tag, 0, NULL);
		return true;
	}
	f = web_fly(w);
	f->to_service = true;
	f->device = i;
	f->tag = what.tag;
	f->wait_s = what.wait_s;
	f->len = out.len;
	memcpy(f->data, out.p, out.len);
	return true;
}

static inline void web_client(struct world *w, int i)
{
	unsigned n = 0, rounds;

	/* What is saved first is sent in the second round. */
	for (rounds = 0; rounds < 2; rounds++) {
		if (w->d[i].c != NULL)
			world_events(w, &w->d[i]);
		while (web_post(w, i))
			assert_true(n++ < 10);
	}
	if (w->d[i].c != NULL)
		world_events(w, &w->d[i]);
}

static inline void web_settle(struct world *w)
{
	int i;

	world_settle(w);
	web_deliver(w);
	for (i = 0; i < WORLD_DEVICES; i++)
		web_client(w, i);
	web_held(w);
}

static inline void web_run(struct world *w, uint64_t us)
{
	const uint64_t end = w->now + us;
	unsigned idle = 0;
	uint64_t at;
	size_t i;

	web_settle(w);
	for (;;) {
		at = world_next(w);
		for (i = 0; i < web.n_fly; i++)
			at = web.fly[i].at < at ? web.fly[i].at : at;
		if (at > end)
			break;
		if (at <= w->now)
			assert_true(idle++ < 1000);
		else
			idle = 0;
		w->now = at > w->now ? at : w->now;
		web_settle(w);
	}
	w->now = end;
	web_settle(w);
}

/* As world_publish(), while HTTP goes on as well. */
static inline uint64_t web_publish(struct world *w, const char *account,
				   const char *store, uint64_t index)
{
	mpp_store_status st = {bytes_of(store), index, {NULL, 0}};
	mpp_result r = {0, MPP_ERR_AGAIN, 0};
	mpp_published done;
	unsigned i;

	assert_int_equal(mpp_service_publish(w->s, bytes_of(account), &st, 1,
					     false, 9, world_now(w).wall,
					     &done),
			 MPP_OK);
	for (i = 0; done.waiting && !mpp_service_next_result(w->s, &r); i++) {
		assert_true(i < 1000);
		web_run(w, 100);
	}
	assert_true(!done.waiting || (r.op == 9 && r.err == MPP_OK));
	return done.serial;
}

#endif
