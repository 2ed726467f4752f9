/* SPDX-License-Identifier: MIT */
/* What may come to a check of a network: steps of datagrams and of time. It
 * ends in time, sends no faster than it may, and what it says is possible.
 *
 *   step: octet 0 what, octet 1 socket, octet 2 from where, octet 3 question,
 *         octets 4.. length and datagram
 *
 * `what` bit 0: the datagram gets the id of that question, so that it may be
 * an answer; bits 1..7: milliseconds that pass before. */
#include <stdlib.h>

#include "base/rd.h"
#include "netcheck/advice.h"
#include "netcheck/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	ID_AT = 8,
	TIMEOUT_MS = 10000,
	ENDS_MS = 30000,       /* without a lifetime */
	ENDS_LIFE_MS = 340000, /* with */
	STEPS_MAX = 20000,
};

static struct path p;
static mpp_time now, last_sent;

/* Ids that differ, the same in every run. */
static uint32_t ids;

static mpp_err random_of(void *ctx, uint8_t *out, size_t len)
{
	(void)ctx;
	memset(out, 0, len);
	ids++;
	memcpy(out, &ids, sizeof(ids));
	return MPP_OK;
}

static const mpp_crypto_ops ops = {.random = random_of};
static const mpp_crypto crypto = {.ops = &ops};

static mpp_addr from_of(uint8_t which)
{
	mpp_addr a = {.ip = {203, 0, 113, 1}, .family = 4, .port = 3478};

	a.ip[3] = (uint8_t)(1 + (which >> 1 & 1));
	a.port = (uint16_t)(a.port + (which & 1));
	if ((which & 0x80) != 0)
		a.family = 6;
	return a;
}

static void send_all(void)
{
	struct path_datagram d;

	while (path_send(&p, now, &d) == MPP_OK) {
		if (last_sent.us != 0 &&
		    now.us - last_sent.us < QUESTION_PACE_US)
			abort();
		last_sent = now;
		if (d.len > PATH_DATAGRAM_MAX || d.socket >= PATH_SOCKETS)
			abort();
	}
}

static void step(struct rd *r)
{
	const uint8_t what = rd_u8(r);
	const uint8_t socket = rd_u8(r) % PATH_SOCKETS;
	const mpp_addr from = from_of(rd_u8(r));
	const size_t question = rd_u8(r) % QUESTIONS_MAX;
	const mpp_bytes in = rd_bytes(r);
	uint8_t copy[PATH_DATAGRAM_MAX];

	if (r->err != MPP_OK || in.len > sizeof(copy))
		return;
	now.us += (uint64_t)(what >> 1) * 1000;
	send_all();
	if (in.len == 0)
		return;
	memcpy(copy, in.p, in.len);
	if ((what & 1) != 0 && in.len >= ID_AT + STUN_ID_LEN &&
	    question < p.qs.n)
		memcpy(copy + ID_AT, p.qs.list[question].id, STUN_ID_LEN);
	path_receive(&p, (enum path_socket)socket, &from,
		     (mpp_bytes){copy, in.len}, now);
}

/* No datagram more: how long does it go on? */
static void run_out(void)
{
	unsigned n = 0;

	send_all();
	while (!path_done(&p)) {
		const mpp_time at = path_deadline(&p);

		if (at.us == MPP_TIME_NEVER.us || ++n > STEPS_MAX)
			abort();
		if (at.us > now.us)
			now = at;
		send_all();
	}
}

static void look(void)
{
	enum advice advice[ADVICE_MAX];
	struct report r = {.connection = CONNECTION_NOT_TRIED};

	path_report(&p, &r.v4);
	if (r.v4.trips.lost > r.v4.trips.sent ||
	    r.v4.trips.min_us > r.v4.trips.median_us ||
	    r.v4.trips.median_us > r.v4.trips.p95_us ||
	    (r.v4.up.fails != 0 && r.v4.up.passes >= r.v4.up.fails) ||
	    (r.v4.lifetime.less_than_ms != 0 &&
	     r.v4.lifetime.at_least_ms >= r.v4.lifetime.less_than_ms) ||
	    advice_of(&r, advice) >= ADVICE_MAX)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct path_config c = {.timeout_ms = TIMEOUT_MS};
	struct rd r = rd_init((mpp_bytes){data, size});
	const uint8_t flags = rd_u8(&r);
	unsigned i;
	uint64_t most_ms;

	if (r.err != MPP_OK)
		return 0;
	ids = 0;
	c.servers[0] = from_of(0);
	c.servers[1] = from_of(2);
	c.n_servers = 1 + (flags >> 1 & 1);
	c.lifetime = (flags & 1) != 0;
	for (i = 0; i < PATH_SOCKETS; i++) {
		c.local[i] = from_of(0);
		c.local[i].ip[3] = 200;
		c.local[i].port = (uint16_t)(40000 + i);
	}
	now.us = 1000000;
	last_sent.us = 0;
	path_start(&p, &c, &crypto, now);
	while (r.err == MPP_OK && r.left > 0)
		step(&r);
	most_ms = (now.us - 1000000) / 1000 +
		  (c.lifetime ? ENDS_LIFE_MS : ENDS_MS);
	run_out();
	if ((now.us - 1000000) / 1000 > most_ms)
		abort();
	look();
	return 0;
}
