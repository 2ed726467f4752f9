/* SPDX-License-Identifier: MIT */
/* asker.c - see asker.h. */
#include "mppbench/asker.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "host/clock.h"
#include "mppbench/device.h"
#include "mppbench/question.h"

enum {
	PATIENCE_US = 20000000, /* without any answer */
	LOOK_US = 50000,
	AGAIN_US = 1000000, /* plain DNS is repeated */
	POLL_MS = 20,
};

static void note(struct asker *a, uint32_t device, uint64_t now)
{
	struct seen *s = &a->load->seen;
	const uint64_t took = now - a->of[device].at;

	a->of[device].waits = false;
	a->in_flight--;
	a->heard = now;
	s->done++;
	s->latency[took < LATENCY_MAX_US ? took : LATENCY_MAX_US]++;
}

static void fail_answer(struct asker *a, uint32_t device, int status)
{
	struct load *l = a->load;

	if (l->err != MPP_OK)
		return;
	l->err = fault_set(
		&l->fault, MPP_ERR_SYNTAX, EX_SOFTWARE,
		"a wrong answer for n%u.bench.example from %s "
		"(status %d)%s",
		a->of[device].name, a->plain ? "unbound" : "the service",
		status,
		status == MPP_STATUS_TOO_MANY ? ": give more --devices" : "");
}

/* ---- what comes ---- */

static void take_response(struct load *l, uint32_t device,
			  const mpp_client_event *ev)
{
	static uint8_t memory[MPP_DNS_ANSWER_MAX];
	struct asker *a = l->asker;
	const struct asked *q = &a->of[device];
	mpp_buf dns = {memory, sizeof(memory), 0};

	if (!q->waits || ev->request != q->request)
		return;
	if (mpp_client_dns(ev, &dns) == MPP_OK &&
	    question_answered((mpp_bytes){dns.p, dns.len}, q->id, q->name))
		note(a, device, clock_now().mono.us);
	else
		fail_answer(a, device, ev->status);
}

/* Late answers to what was repeated have been counted. */
static void take_plain(struct asker *a, uint32_t device, mpp_buf in)
{
	const struct asked *q = &a->of[device];

	if (!q->waits || in.len < 2 || (in.p[0] << 8 | in.p[1]) != q->id)
		a->load->seen.extra++;
	else if (question_answered((mpp_bytes){in.p, in.len}, q->id, q->name))
		note(a, device, clock_now().mono.us);
	else
		fail_answer(a, device, 0);
}

static void take(void *arg, uint32_t device, mpp_buf in)
{
	struct asker *a = arg;
	struct load *l = a->load;
	bool news = false;

	if (device >= l->plan->devices)
		l->seen.refused++;
	else if (a->plain)
		take_plain(a, device, in);
	else if (mpp_client_receive(device_client(l, device), in,
				    device_now(l)) != MPP_OK)
		l->seen.refused++;
	else
		device_events(l, device, &news);
}

/* ---- what goes ---- */

static mpp_err send_question(struct asker *a, uint32_t device, struct fault *f)
{
	struct load *l = a->load;
	const uint64_t before = l->wire.sent.n;
	mpp_buf room;
	mpp_err err;
	bool news;

	if (a->plain) {
		room = wire_room(&l->wire);
		question_write(a->of[device].id, a->of[device].name, &room);
		return wire_add(&l->wire, device, room.len, f);
	}
	err = device_send(l, device, f);
	if (err != MPP_OK || l->wire.sent.n != before)
		return err;
	/* Something may have to be saved before. */
	device_events(l, device, &news);
	return device_send(l, device, f);
}

static mpp_err ask(struct asker *a, uint32_t device, struct fault *f)
{
	struct asked *q = &a->of[device];
	uint8_t memory[QUESTION_MAX];
	mpp_buf dns = {memory, sizeof(memory), 0};
	mpp_err err;

	*q = (struct asked){
		.at = clock_now().mono.us,
		.name = a->name++ % QUESTION_NAMES,
		.id = a->id++,
		.waits = true,
	};
	a->in_flight++;
	if (a->plain)
		return send_question(a, device, f);
	question_write(q->id, q->name, &dns);
	err = mpp_client_resolve(device_client(a->load, device),
				 (mpp_bytes){dns.p, dns.len},
				 device_now(a->load), &q->request);
	if (err != MPP_OK)
		return fault_set(f, err, EX_SOFTWARE,
				 "device %u cannot ask: %s", device,
				 mpp_err_text(err));
	return send_question(a, device, f);
}

static mpp_err fill_window(struct asker *a, struct fault *f)
{
	const struct plan *p = a->load->plan;
	mpp_err err = MPP_OK;
	uint32_t device;

	while (a->in_flight < p->window && err == MPP_OK) {
		device = a->load->order[a->at++ % p->devices];
		if (!a->of[device].waits)
			err = ask(a, device, f);
	}
	return err == MPP_OK ? wire_flush(&a->load->wire, f) : err;
}

/* Clients know when; they send nothing before. */
static mpp_err repeat(struct asker *a, uint64_t now, struct fault *f)
{
	mpp_err err = MPP_OK;
	uint32_t i;

	if (now - a->looked < LOOK_US)
		return MPP_OK;
	a->looked = now;
	for (i = 0; i < a->load->plan->devices && err == MPP_OK; i++) {
		if (a->of[i].waits &&
		    (!a->plain || now - a->of[i].at > AGAIN_US))
			err = send_question(a, i, f);
	}
	return err == MPP_OK ? wire_flush(&a->load->wire, f) : err;
}

/* ---- all of it ---- */

static void begin(struct asker *a, uint16_t port)
{
	struct load *l = a->load;

	a->plain = port != 0;
	a->looked = a->heard = clock_now().mono.us;
	memset(&l->seen, 0, sizeof(l->seen));
	memset(&l->wire.sent, 0, sizeof(l->wire.sent));
	memset(&l->wire.received, 0, sizeof(l->wire.received));
	l->kind = WORK_DNS;
	wire_to(&l->wire, a->plain ? port : l->port[1]);
	l->seen.began = l->seen.ended = a->heard;
}

static mpp_err wait_for_answers(struct asker *a, struct fault *f)
{
	struct load *l = a->load;
	struct pollfd p = {.fd = l->wire.fd, .events = POLLIN};

	(void)poll(&p, 1, POLL_MS);
	(void)wire_receive(&l->wire, take, a);
	l->seen.ended = clock_now().mono.us;
	if (l->err != MPP_OK) {
		*f = l->fault;
		return l->err;
	}
	if (l->seen.ended > a->heard + PATIENCE_US)
		return fault_set(f, MPP_ERR_TIMEOUT, EX_SOFTWARE,
				 "%u questions were not answered by %s in %d s",
				 a->in_flight,
				 a->plain ? "unbound" : "the service",
				 PATIENCE_US / 1000000);
	return repeat(a, l->seen.ended, f);
}

mpp_err asker_run(struct asker *a, uint16_t port, double seconds,
		  struct fault *f)
{
	const uint64_t span = (uint64_t)(seconds * 1e6);
	const struct seen *s = &a->load->seen;
	mpp_err err;

	begin(a, port);
	do {
		err = fill_window(a, f);
		if (err == MPP_OK)
			err = wait_for_answers(a, f);
	} while (err == MPP_OK &&
		 (s->ended - s->began < span || s->done < QUESTION_NAMES));
	while (err == MPP_OK && a->in_flight > 0)
		err = wait_for_answers(a, f);
	a->load->seen.sent = a->load->wire.sent;
	a->load->seen.received = a->load->wire.received;
	return err;
}

mpp_err asker_open(struct asker *a, struct load *load, struct fault *f)
{
	memset(a, 0, sizeof(*a));
	a->of = calloc(load->plan->devices, sizeof(*a->of));
	if (a->of == NULL)
		return fault_set(f, MPP_ERR_NOMEM, EX_OSERR,
				 "no memory for the questions");
	a->load = load;
	load->asker = a;
	load->responded = take_response;
	return MPP_OK;
}

void asker_close(struct asker *a)
{
	free(a->of);
	a->of = NULL;
}
