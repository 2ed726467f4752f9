/* SPDX-License-Identifier: MIT */
/* world.h - a NAT and a server of RFC 5780 with two addresses, in virtual
 * time, around the check of one family. */
#ifndef TESTS_NETCHECK_WORLD_H
#define TESTS_NETCHECK_WORLD_H

#include "head.h"

#include "crypto/fixed.h"
#include "netcheck/path.h"
#include "netcheck/sizes.h"
#include "stun/stun.h"

enum {
	PLACES = 4, /* A1:P1 A1:P2 A2:P1 A2:P2: bit 0 the port, bit 1 the
		     address */
	ON_WAY = 64,
	WORLD_PORT = 40000, /* of the first socket, inside */
	NAT_PORT = 10000,
	TRIP_US = 20000,
	START_S = 1000,
};

/* Bits of what the outside depends on. */
enum { ON_NOTHING = 0, ON_PORT = 1, ON_IP = 2 };

struct on_way {
	mpp_time at;
	enum path_socket socket;
	mpp_addr from;
	uint8_t data[PATH_DATAGRAM_MAX];
	size_t len;
};

struct world {
	mpp_crypto crypto;
	struct path p;
	struct path_config c;
	mpp_time now, started;

	bool nat;
	bool keeps_ports;
	unsigned mapping;   /* ON_… */
	unsigned filtering; /* ON_… */
	bool hairpins;
	uint64_t lifetime_ms;    /* 0: for ever */
	size_t up_max, down_max; /* payload; 0: any */
	unsigned lose;           /* one in so many, by number; 0: none */
	bool silent;             /* UDP is dropped */
	bool one_address;
	bool old;     /* knows nothing of RFC 5780: 420 */
	bool ignores; /* answers as if nothing special was asked */
	bool no_response_port;

	unsigned n_sent;
	bool spoke[PATH_SOCKETS][PLACES];
	bool spoke_home[PATH_SOCKETS]; /* to the NAT itself */
	mpp_time last[PATH_SOCKETS];
	unsigned generation[PATH_SOCKETS]; /* of the mapping */
	struct on_way way[ON_WAY];
	size_t n_way;
};

static inline mpp_addr v4(const char *ip, uint16_t port)
{
	mpp_addr a = {.family = 4, .port = port};

	memcpy(a.ip, ip, 4);
	return a;
}

static inline mpp_addr place(unsigned i)
{
	return v4((i & ON_IP) != 0 ? "\xcb\x00\x71\x02" : "\xcb\x00\x71\x01",
		  (i & ON_PORT) != 0 ? 3479 : 3478);
}

static inline mpp_addr inside_of(unsigned socket)
{
	return v4("\xc0\xa8\x01\x02", (uint16_t)(WORLD_PORT + socket));
}

/* The socket's address outside, as that place sees it. */
static inline mpp_addr outside_of(const struct world *w, unsigned socket,
				  unsigned to)
{
	const unsigned base = w->keeps_ports ? WORLD_PORT : NAT_PORT;
	const unsigned port = base + socket + 100 * (to & w->mapping) +
			      1000 * w->generation[socket];

	if (!w->nat)
		return inside_of(socket);
	return v4("\xc6\x33\x64\x01", (uint16_t)port);
}

static inline int place_of(const mpp_addr *a)
{
	int i;

	for (i = 0; i < PLACES; i++) {
		const mpp_addr at = place((unsigned)i);

		if (addr_same(&at, a))
			return i;
	}
	return -1;
}

static inline bool gone(const struct world *w, unsigned socket)
{
	return w->lifetime_ms != 0 && w->last[socket].us != 0 &&
	       w->now.us - w->last[socket].us > w->lifetime_ms * 1000;
}

static inline bool let_in(const struct world *w, unsigned socket, unsigned from)
{
	unsigned i;

	if (gone(w, socket))
		return false;
	for (i = 0; i < PLACES; i++) {
		if (w->spoke[socket][i] && ((i ^ from) & w->filtering) == 0)
			return true;
	}
	return false;
}

static inline void deliver(struct world *w, enum path_socket socket,
			   const mpp_addr *from, mpp_bytes data)
{
	struct on_way *o = &w->way[w->n_way];

	assert_true(w->n_way < ON_WAY);
	w->n_way++;
	o->at.us = w->now.us + TRIP_US;
	o->socket = socket;
	o->from = *from;
	o->len = data.len;
	memcpy(o->data, data.p, data.len);
}

/* What the server says to a request, from which place and to which port. */
static inline size_t server_says(const struct world *w, const struct stun *m,
				 const mpp_addr *seen, unsigned *from,
				 uint8_t out[PATH_DATAGRAM_MAX])
{
	const bool knows = !w->one_address && !w->ignores;
	struct stun copy = *m;
	struct stun_answer a = {.id = m->id, .mapped = *seen, .request = &copy};
	mpp_buf buf = {out, PATH_DATAGRAM_MAX, 0};

	if (w->old && (m->has & (STUN_HAS_CHANGE | STUN_HAS_PADDING |
				 STUN_HAS_RESPONSE_PORT)) != 0) {
		a.error = STUN_UNKNOWN_ATTRIBUTE;
		a.mapped.family = 0;
	}
	if (knows && (m->change & STUN_CHANGE_PORT) != 0)
		*from ^= ON_PORT;
	if (knows && (m->change & STUN_CHANGE_IP) != 0)
		*from ^= ON_IP;
	if (!w->one_address && !w->old) {
		a.other = place(*from ^ (ON_IP | ON_PORT));
		a.padding = w->ignores ? 0 : m->padding;
	}
	assert_int_equal(stun_answer(&a, &buf), MPP_OK);
	return buf.len;
}

/* Whose port outside is that? The one that asked, unless RESPONSE-PORT. */
static inline unsigned target(const struct world *w, unsigned socket,
			      unsigned to, const struct stun *m)
{
	unsigned i;

	if ((m->has & STUN_HAS_RESPONSE_PORT) == 0 || w->no_response_port ||
	    w->old)
		return socket;
	for (i = 0; i < PATH_SOCKETS; i++) {
		if (outside_of(w, i, to).port == m->response_port)
			return i;
	}
	return PATH_SOCKETS;
}

static inline void to_server(struct world *w, const struct path_datagram *d,
			     unsigned to)
{
	uint8_t out[PATH_DATAGRAM_MAX];
	unsigned from = to, socket;
	struct stun m;
	mpp_addr seen, at;
	size_t len;

	if (gone(w, d->socket))
		w->generation[d->socket]++;
	w->last[d->socket] = w->now;
	w->spoke[d->socket][to] = true;
	seen = outside_of(w, d->socket, to);
	assert_int_equal(stun_decode((mpp_bytes){d->data, d->len}, &m), MPP_OK);
	assert_int_equal(m.n_unknown, 0);
	len = server_says(w, &m, &seen, &from, out);
	socket = target(w, d->socket, to, &m);
	if (socket == PATH_SOCKETS || !let_in(w, socket, from) ||
	    (w->down_max != 0 && len > w->down_max))
		return;
	at = place(from);
	deliver(w, (enum path_socket)socket, &at, (mpp_bytes){out, len});
}

static inline void to_home(struct world *w, const struct path_datagram *d)
{
	const mpp_addr from = outside_of(w, d->socket, 0);
	unsigned i;

	w->spoke_home[d->socket] = true;
	for (i = 0; w->hairpins && i < PATH_SOCKETS; i++) {
		const mpp_addr at = outside_of(w, i, 0);

		if (addr_same(&at, &d->to) && w->spoke_home[i])
			deliver(w, (enum path_socket)i, &from,
				(mpp_bytes){d->data, d->len});
	}
}

static inline void world_send(struct world *w, const struct path_datagram *d)
{
	const int to = place_of(&d->to);
	const bool lost = w->lose != 0 && ++w->n_sent % w->lose == 0;

	if (w->silent || lost || (w->up_max != 0 && d->len > w->up_max))
		return;
	if (to >= 0 && !(w->one_address && to != 0))
		to_server(w, d, (unsigned)to);
	else if (to < 0)
		to_home(w, d);
}

static inline void world_arrive(struct world *w)
{
	size_t i = 0;

	while (i < w->n_way) {
		struct on_way o = w->way[i];

		if (o.at.us > w->now.us) {
			i++;
			continue;
		}
		w->way[i] = w->way[--w->n_way];
		w->last[o.socket] = w->now;
		path_receive(&w->p, o.socket, &o.from,
			     (mpp_bytes){o.data, o.len}, w->now);
	}
}

static inline void world_new(struct world *w)
{
	unsigned i;

	memset(w, 0, sizeof(*w));
	assert_int_equal(crypto_fixed_new(5780, &w->crypto), MPP_OK);
	w->c.servers[0] = place(0);
	w->c.n_servers = 1;
	w->c.timeout_ms = 10000;
	for (i = 0; i < PATH_SOCKETS; i++)
		w->c.local[i] = inside_of(i);
	w->now.us = START_S * UINT64_C(1000000);
}

static inline void world_begin(struct world *w)
{
	w->started = w->now;
	path_start(&w->p, &w->c, &w->crypto, w->now);
}

/* One thing more. @return false: it is done */
static inline bool world_step(struct world *w)
{
	struct path_datagram d;
	mpp_time at;
	size_t i;

	world_arrive(w);
	while (path_send(&w->p, w->now, &d) == MPP_OK)
		world_send(w, &d);
	if (path_done(&w->p))
		return false;
	at = path_deadline(&w->p);
	for (i = 0; i < w->n_way; i++) {
		if (w->way[i].at.us < at.us)
			at = w->way[i].at;
	}
	assert_true(at.us > w->now.us);
	assert_true(at.us != MPP_TIME_NEVER.us);
	w->now = at;
	return true;
}

/* All of it. @return how long it took, in ms */
static inline uint64_t world_run(struct world *w, struct path_report *r)
{
	unsigned steps = 0;

	world_begin(w);
	while (world_step(w))
		assert_true(++steps < 100000);
	path_report(&w->p, r);
	mpp_crypto_free(&w->crypto);
	return (w->now.us - w->started.us) / 1000;
}

#endif
