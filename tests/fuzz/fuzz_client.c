/* SPDX-License-Identifier: MIT */
/* What somebody on the way, who sees every datagram and has no key, may send
 * to a client in each of its states: as it is, behind the reply identifier of
 * its newest attempt, behind the identifier of its connection, or as a reset.
 * Nothing that a client believes changes, and its application hears nothing
 * but of a service that shows another key.
 *
 * An input is the number of the state, then datagrams: kind, u16 length. */
#include "session/steps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SITUATIONS = 8, ON_PATH_KINDS = 4 };

/* Programs that lead there; the first octet is the service's. */
static const struct {
	const char *steps;
	size_t len;
	enum client_state state;
} situations[SITUATIONS] = {
#define STEPS_OF(text) text, sizeof(text) - 1
	/* Hello is on its way */
	{STEPS_OF("\x00\x01\x80"), CLIENT_CONNECTING},
	/* Complete, after a Challenge */
	{STEPS_OF("\x00\x01\x80\x00\x01\x00\x01"), CLIENT_CONNECTING},
	/* the confirming packet */
	{STEPS_OF("\x00\x01\x80\x00\x01\x00\x01\x00\x01\x00\x01"),
	 CLIENT_CONFIRMING},
	{STEPS_OF("\x00\x01\x80\x00\x04"), CLIENT_CONNECTED},
	/* Exchange, to a service whose key is pinned */
	{STEPS_OF("\x08\x01\x80\x00\x04\x07\x18\x01\x40"), CLIENT_CONNECTING},
	/* Ticket */
	{STEPS_OF("\x00\x01\x80\x00\x04\x07\x18\x01\x40"), CLIENT_CONNECTING},
	/* a request is under way */
	{STEPS_OF("\x00\x01\x80\x00\x04\x07\x00"), CLIENT_CONNECTED},
	/* it connects anew, and the old connection is still there */
	{STEPS_OF("\x00\x01\x80\x00\x04\x07\x14"), CLIENT_CONNECTING},
#undef STEPS_OF
};

/* A client is one block of memory: each situation is reached once, and copied
 * to the same place. */
static struct {
	struct session x;
	uint8_t *client;
	uint64_t random, keys;
} made[SITUATIONS];

static void make(unsigned n)
{
	struct program g = {(const uint8_t *)situations[n].steps,
			    situations[n].len};
	struct session *x = &made[n].x;

	session_begin(x, take(&g));
	while (g.left != 0) {
		session_step(x, &g);
		session_settle(x);
	}
	session_need(x->d[0].on && x->d[0].c->state == situations[n].state,
		     "a program leads to its situation");
	made[n].client = malloc(mpp_client_size());
	session_need(made[n].client != NULL, "memory");
	memcpy(made[n].client, x->d[0].c, mpp_client_size());
	made[n].random = quick.random;
	made[n].keys = quick.keys;
	session_end(x);
}

/* It comes now; what the client then sends goes nowhere. */
static void offer(struct session *x, unsigned kind, mpp_bytes b)
{
	static struct packet p;
	struct session_device *d = &x->d[0];
	struct believed before = session_belief(d->c);

	memset(&p, 0, sizeof(p));
	p.forged = true;
	forge(x, &p, kind, b);
	(void)mpp_client_receive(d->c, (mpp_buf){p.data, p.len, p.len},
				 session_now(x));
	session_client_forged(d->c, &before);
	x->n_fly = 0;
	session_client(x, 0);
	session_need(d->c->held == before.held, "what it holds stays");
}

static mpp_bytes next(struct program *g)
{
	size_t n = (size_t)take(g) << 8;
	mpp_bytes b;

	n |= take(g);
	n %= MPP_PACKET_MAX - 16;
	n = n < g->left ? n : g->left;
	b = (mpp_bytes){g->p, n};
	g->p += n;
	g->left -= n;
	return b;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct session x;
	struct program g = {data, size};
	unsigned n, kind;

	for (n = 0; made[0].client == NULL && n < SITUATIONS; n++)
		make(SITUATIONS - 1 - n);
	n = take(&g) % SITUATIONS;
	x = made[n].x;
	memcpy(x.d[0].c, made[n].client, mpp_client_size());
	quick.random = made[n].random;
	quick.keys = made[n].keys;
	while (g.left > 3) {
		kind = take(&g) % ON_PATH_KINDS;
		offer(&x, kind, next(&g));
	}
	return 0;
}
