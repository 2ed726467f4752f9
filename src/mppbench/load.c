/* SPDX-License-Identifier: MIT */
/* load.c - bursts of operations. Contract: load.h; how the devices come to
 * their connections is in load_connect.c. */
#include "mppbench/load.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "host/clock.h"
#include "mppbench/device.h"
#include "stun/stun.h"

enum {
	BURST_US = 10000000, /* a burst may take */
	PAUSE_US = 200,
	SKEW_US = 1000, /* the keepalive of the devices, see device.c */
};

static mpp_err fail_burst(struct load *l, struct fault *f)
{
	return fault_set(f, MPP_ERR_TIMEOUT, EX_SOFTWARE,
			 "only %u of %u operations of a burst were done in "
			 "%d s: the server does not do its work",
			 l->done, l->plan->window, BURST_US / 1000000);
}

static void note_done(struct load *l, uint32_t device, uint64_t since,
		      uint64_t now)
{
	const uint64_t took = now - since;

	if (l->burst_of[device] == l->burst) {
		l->seen.extra++;
		return;
	}
	l->burst_of[device] = l->burst;
	l->done++;
	l->seen.done++;
	l->seen.latency[took < LATENCY_MAX_US ? took : LATENCY_MAX_US]++;
}

/* ---- what comes ---- */

static void stun_id(const struct load *l, uint32_t device,
		    uint8_t id[STUN_ID_LEN])
{
	memcpy(id, &l->burst, sizeof(l->burst));
	memcpy(id + sizeof(l->burst), &device, sizeof(device));
}

static void take_echo(struct load *l, uint32_t device, mpp_buf in)
{
	uint32_t said = UINT32_MAX;

	if (in.len >= sizeof(said))
		memcpy(&said, in.p, sizeof(said));
	if (said == device)
		note_done(l, device, l->asked, clock_now().mono.us);
	else
		l->seen.refused++;
}

/* An answer to what this device asked in this burst. */
static void take_binding(struct load *l, uint32_t device, mpp_buf in)
{
	const mpp_addr at = wire_addr(device);
	uint8_t id[STUN_ID_LEN];
	struct stun m;

	stun_id(l, device, id);
	if (stun_decode((mpp_bytes){in.p, in.len}, &m) == MPP_OK &&
	    m.class == STUN_SUCCESS && memcmp(m.id, id, sizeof(id)) == 0 &&
	    m.mapped.family == at.family &&
	    memcmp(m.mapped.ip, at.ip, sizeof(at.ip)) == 0)
		note_done(l, device, l->asked, clock_now().mono.us);
	else
		l->seen.refused++;
}

static void take_notify(struct load *l, uint32_t device, bool news,
			uint64_t now)
{
	const uint64_t since = atomic_load(&l->link->shared->published);

	if (news)
		note_done(l, device, since, now);
	else
		l->seen.extra++;
	if (l->n_pending < WIRE_BATCH)
		l->pending[l->n_pending++] = device;
}

static void take(void *arg, uint32_t device, mpp_buf in)
{
	struct load *l = arg;
	const mpp_instant now = device_now(l);
	bool news = false;

	if (device >= l->plan->devices) {
		l->seen.refused++;
	} else if (l->kind == WORK_FLOOR) {
		take_echo(l, device, in);
	} else if (l->kind == WORK_STUN) {
		take_binding(l, device, in);
	} else if (mpp_client_receive(device_client(l, device), in, now) !=
		   MPP_OK) {
		l->seen.refused++;
	} else {
		device_events(l, device, &news);
		if (l->kind == WORK_PUBLISH)
			take_notify(l, device, news, now.mono.us - l->skew);
		else
			note_done(l, device, l->asked, now.mono.us - l->skew);
	}
}

/* ---- what goes ---- */

static mpp_err send_floor(struct load *l, uint32_t device, size_t len,
			  struct fault *f)
{
	const mpp_buf room = wire_room(&l->wire);

	memset(room.p, 0, len);
	memcpy(room.p, &device, sizeof(device));
	return wire_add(&l->wire, device, len, f);
}

static mpp_err send_binding(struct load *l, uint32_t device, struct fault *f)
{
	uint8_t id[STUN_ID_LEN];
	const struct stun_ask ask = {.id = id};
	mpp_buf room = wire_room(&l->wire);

	stun_id(l, device, id);
	if (stun_request(&ask, &room) != MPP_OK)
		return fault_set(f, MPP_ERR_NOSPACE, EX_SOFTWARE,
				 "no room for a Binding request");
	return wire_add(&l->wire, device, room.len, f);
}

static mpp_err send_one(struct load *l, uint32_t device, size_t len,
			struct fault *f)
{
	if (l->kind == WORK_FLOOR)
		return send_floor(l, device, len, f);
	if (l->kind == WORK_STUN)
		return send_binding(l, device, f);
	return device_send(l, device, f);
}

/* Devices whose turn it is. */
static mpp_err send_burst(struct load *l, size_t len, struct fault *f)
{
	mpp_err err = MPP_OK;
	uint32_t i, device;

	for (i = 0; i < l->plan->window && err == MPP_OK; i++) {
		device = l->order[(l->at + i) % l->plan->devices];
		err = send_one(l, device, len, f);
	}
	return err == MPP_OK ? wire_flush(&l->wire, f) : err;
}

/* Acknowledgements of what the last burst brought. */
static mpp_err send_pending(struct load *l, struct fault *f)
{
	mpp_err err = MPP_OK;
	uint32_t i;

	for (i = 0; i < l->n_pending && err == MPP_OK; i++)
		err = device_send(l, l->pending[i], f);
	l->n_pending = 0;
	return err == MPP_OK ? wire_flush(&l->wire, f) : err;
}

/* ---- bursts ---- */

/* Something was late or lost: let the devices repeat when they want to. */
static mpp_err repeat(struct load *l, struct fault *f)
{
	mpp_err err = MPP_OK;
	uint32_t i, device;

	if (l->kind == WORK_PUBLISH)
		return send_pending(l, f);
	if (l->kind == WORK_FLOOR)
		return MPP_OK;
	for (i = 0; i < l->plan->window && err == MPP_OK; i++) {
		device = l->order[(l->at + i) % l->plan->devices];
		if (l->burst_of[device] != l->burst)
			err = send_one(l, device, 0, f);
	}
	return err == MPP_OK ? wire_flush(&l->wire, f) : err;
}

/* The last turn of the server has published already; those that repair a
 * burst shall not add to it. */
static mpp_err repair(struct load *l, struct fault *f)
{
	const uint64_t until = clock_now().mono.us + BURST_US;
	struct shared *s = l->link->shared;
	const bool last = atomic_exchange(&s->last, true);
	mpp_err err = MPP_OK;

	l->seen.again++;
	while (err == MPP_OK && l->err == MPP_OK && l->done < l->plan->window) {
		if (clock_now().mono.us > until)
			return fail_burst(l, f);
		(void)usleep(PAUSE_US);
		err = repeat(l, f);
		if (err == MPP_OK)
			err = link_turn(l->link, f);
		(void)wire_receive(&l->wire, take, l);
	}
	atomic_store(&s->last, last);
	return err;
}

/* A client that is lost has said why. */
static mpp_err verdict(const struct load *l, mpp_err err, struct fault *f)
{
	if (err == MPP_OK && l->err != MPP_OK)
		*f = l->fault;
	return err == MPP_OK ? l->err : err;
}

static mpp_err burst(struct load *l, size_t len, struct fault *f)
{
	mpp_err err;

	l->burst++;
	l->done = 0;
	l->skew += SKEW_US;
	l->asked = clock_now().mono.us;
	err = l->kind == WORK_PUBLISH ? send_pending(l, f)
				      : send_burst(l, len, f);
	if (err == MPP_OK)
		err = link_turn(l->link, f);
	if (err != MPP_OK)
		return err;
	(void)wire_receive(&l->wire, take, l);
	if (l->done < l->plan->window)
		err = repair(l, f);
	l->at = (l->at + l->plan->window) % l->plan->devices;
	return verdict(l, err, f);
}

/* The last notifications are still to be acknowledged. */
static mpp_err settle(struct load *l, uint64_t done, struct fault *f)
{
	const uint64_t until = clock_now().mono.us + BURST_US;
	struct shared *s = l->link->shared;
	mpp_err err = MPP_OK;

	atomic_store(&s->last, true);
	do {
		err = send_pending(l, f);
		if (err == MPP_OK)
			err = link_turn(l->link, f);
		(void)wire_receive(&l->wire, take, l);
	} while (err == MPP_OK && atomic_load(&s->done) < done &&
		 clock_now().mono.us < until);
	atomic_store(&s->last, false);
	return verdict(l, err, f);
}

mpp_err load_run(struct load *l, enum work kind, double seconds,
		 size_t request_len, struct fault *f)
{
	const uint64_t span = (uint64_t)(seconds * 1e6);
	const uint64_t acknowledged = atomic_load(&l->link->shared->done);
	mpp_err err = MPP_OK;

	l->kind = kind;
	memset(&l->seen, 0, sizeof(l->seen));
	memset(&l->wire.sent, 0, sizeof(l->wire.sent));
	memset(&l->wire.received, 0, sizeof(l->wire.received));
	wire_to(&l->wire, l->port[kind != WORK_FLOOR]);
	l->seen.began = l->seen.ended = clock_now().mono.us;
	while (err == MPP_OK && l->seen.ended - l->seen.began < span) {
		err = burst(l, request_len, f);
		l->seen.ended = clock_now().mono.us;
	}
	if (err == MPP_OK && kind == WORK_PUBLISH)
		err = settle(l, acknowledged + l->seen.done, f);
	l->seen.sent = l->wire.sent;
	l->seen.received = l->wire.received;
	return err;
}
