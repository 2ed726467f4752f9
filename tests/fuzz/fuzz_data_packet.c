/* SPDX-License-Identifier: MIT */
/* What stands inside of an authentic data packet of a device, and of the
 * service: u16 length, flags, plaintext, again and again; with flag 2 HTTP
 * carries it. It is sealed here
 * with the connection's own keys, so the fuzzer reaches what lies behind the
 * authentication. Invariants: the binding is never freed but by Close, and an
 * acknowledged serial never passes what was given out. */
#include <stdlib.h>
#include <string.h>

#include <mpp/client.h>
#include <mpp/service.h>

#include "crypto/fixed.h"
#include "role/client.h"
#include "role/service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct pair {
	mpp_crypto crypto;
	mpp_service *s;
	mpp_client *c;
	void *service_mem, *client_mem;
	void *service_made, *client_made; /* as they are when connected */
	size_t service_len;
	mpp_instant now, made;
	mpp_addr addr;
};

static void need(bool ok)
{
	if (!ok)
		abort();
}

static void commit(struct pair *p)
{
	mpp_commit k;

	while (mpp_service_commit(p->s, &k))
		mpp_service_committed(p->s, k.id, MPP_OK, p->now);
}

/* Carry datagrams both ways until both sides are quiet. */
static void settle(struct pair *p)
{
	static mpp_datagram slots[8];
	static uint8_t room[MPP_PACKET_MAX];
	mpp_buf b = {room, sizeof(room), 0};
	mpp_outbox out = {slots, 8, 0};
	mpp_client_event ev;
	unsigned i, n;

	for (n = 0; n < 8; n++) {
		while (mpp_client_next_event(p->c, &ev) == MPP_OK) {
			if (ev.kind == MPP_EV_SAVE)
				mpp_client_saved(p->c);
		}
		out.n = 0;
		while (mpp_client_send(p->c, p->now, &b) == MPP_OK)
			(void)mpp_service_receive(p->s, b, &p->addr, p->now,
						  &out);
		commit(p);
		mpp_service_poll(p->s, p->now, &out);
		for (i = 0; i < out.n; i++)
			(void)mpp_client_receive(p->c,
						 (mpp_buf){out.slots[i].data,
							   MPP_PACKET_MAX,
							   out.slots[i].len},
						 p->now);
		p->now.mono.us += 2000000;
		p->now.wall.us += 2000000;
	}
}

static const mpp_service_config config = {
	.bindings = 4,
	.half_open = 4,
	.devices = 8,
	.accounts = 8,
	.stores = 64,
	.invitations = 8,
	.operations = 8,
	.commit_bytes = 32768,
};

static void connect_pair(struct pair *p)
{
	static const mpp_service_secrets secrets = {
		.x25519 = {1}, .sid_key = {3}, .reset_key = {4}};
	static const char name[] = "alice@example.com";
	mpp_bytes account = {(const uint8_t *)name, sizeof(name) - 1};
	mpp_client_config k = {.mode = MPP_MODE_SUBSCRIBE,
			       .account = account,
			       .suite = MPP_SUITE_25519,
			       .device_secret = {7},
			       .have_invitation = true,
			       .invitation = {5}};
	mpp_wall later = {p->now.wall.us + 1000000000};

	memset(p->service_mem, 0, p->service_len);
	need(mpp_service_init(p->service_mem, p->service_len, &config, &secrets,
			      &p->crypto, &p->s) == MPP_OK);
	need(mpp_service_account_add(p->s, account, 1) == MPP_OK);
	commit(p);
	need(mpp_service_invite(p->s, account, k.invitation,
				MPP_RIGHT_SUBSCRIBE | MPP_RIGHT_PUBLISH, later,
				2, p->now.wall) == MPP_OK);
	commit(p);
	need(mpp_client_init(p->client_mem, mpp_client_size(), &k, &p->crypto,
			     &p->c) == MPP_OK);
	mpp_client_connect(p->c, p->now);
	settle(p);
	need(link_cur(p->c)->on);
}

static void to_service(struct pair *p, uint8_t flags, const uint8_t *plain,
		       size_t len)
{
	static uint8_t d[MPP_PACKET_MAX];
	static mpp_datagram slots[8];
	mpp_outbox out = {slots, 8, 0};
	struct link *l = link_cur(p->c);
	struct rud_header h = {.index = l->tx_next++, .count = 1};

	h.flags =
		(uint8_t)(FLAG_FINAL | (flags & (FLAG_ACK | FLAG_ACK_WANTED)));
	h.ack_bits = 1;
	memcpy(d + PACKET_HEAD, plain, len);
	need(packet_seal(&p->crypto, &l->tx, l->service_id, &h, d, len) ==
	     MPP_OK);
	(void)mpp_service_receive(
		p->s, (mpp_buf){d, sizeof(d), len + PACKET_OVERHEAD}, &p->addr,
		p->now, &out);
	commit(p);
	mpp_service_poll(p->s, p->now, &out);
}

/* The same carried by HTTP; with 16 a Status request may wait. Nothing of it
 * starts a proof of an address. */
static void by_web(struct pair *p, uint8_t flags, const uint8_t *plain,
		   size_t len)
{
	static uint8_t d[MPP_PACKET_MAX], room[MPP_WEB_ANSWER_MAX];
	static const mpp_addr proxy = {{192, 0, 2, 9}, 5000, 4, 0};
	static mpp_datagram slots[8];
	mpp_outbox out = {slots, 8, 0};
	mpp_buf answer = {room, sizeof(room), 0};
	struct link *l = link_cur(p->c);
	struct rud_header h = {
		.index = l->tx_next++, .flags = FLAG_FINAL, .count = 1};
	uint64_t held;

	memcpy(d + PACKET_HEAD, plain, len);
	need(packet_seal(&p->crypto, &l->tx, l->service_id, &h, d, len) ==
	     MPP_OK);
	(void)mpp_service_web(p->s,
			      (mpp_buf){d, sizeof(d), len + PACKET_OVERHEAD},
			      &proxy, h.index, (flags & 16) != 0 ? 30000 : 0,
			      p->now, &answer);
	need(answer.len <= sizeof(room));
	commit(p);
	mpp_service_poll(p->s, p->now, &out);
	while (mpp_service_next_web(p->s, p->now, &held, &answer))
		need(held <= h.index);
	need(binding_at(&p->s->state, 0)->path.ip[3] != proxy.ip[3]);
}

static void to_client(struct pair *p, uint8_t flags, const uint8_t *plain,
		      size_t len)
{
	static uint8_t d[MPP_PACKET_MAX];
	struct binding *b = binding_at(&p->s->state, 0);
	struct rud_header h = {.index = b->tx_next++, .count = 1};
	uint64_t held = p->c->held;

	h.flags =
		(uint8_t)(FLAG_FINAL | (flags & (FLAG_ACK | FLAG_ACK_WANTED)));
	memcpy(d + PACKET_HEAD, plain, len);
	need(packet_seal(&p->crypto, &b->tx, b->client_id, &h, d, len) ==
	     MPP_OK);
	(void)mpp_client_receive(
		p->c, (mpp_buf){d, sizeof(d), len + PACKET_OVERHEAD}, p->now);
	/* Only a Reset or a vector in parts takes a serial back. */
	need(p->c->held >= held || p->c->msg.reset || p->c->msg.more);
}

static void check(const struct pair *p)
{
	const struct binding *b = binding_at(&p->s->state, 0);

	if (b->state == BINDING_FREE || b->state == BINDING_INITIAL)
		return;
	need(b->acked <= account_of(p->s, b)->assigned);
}

/* Both sides are one block of memory each: a connection is made once, and
 * each input begins with a copy of it in the same place. */
static void start(struct pair *p)
{
	p->service_len = mpp_service_size(&config);
	p->service_mem = malloc(p->service_len);
	p->service_made = malloc(p->service_len);
	p->client_mem = malloc(mpp_client_size());
	p->client_made = malloc(mpp_client_size());
	need(p->service_mem != NULL && p->service_made != NULL);
	need(p->client_mem != NULL && p->client_made != NULL);
	need(crypto_fixed_new(1, &p->crypto) == MPP_OK);
	p->now = (mpp_instant){{1000000}, {UINT64_C(1700000000000000)}};
	p->addr = (mpp_addr){{192, 0, 2, 1}, 4000, 4, 0};
	connect_pair(p);
	memcpy(p->service_made, p->service_mem, p->service_len);
	memcpy(p->client_made, p->client_mem, mpp_client_size());
	p->made = p->now;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pair p;
	size_t len;
	uint8_t flags;

	if (p.service_mem == NULL)
		start(&p);
	memcpy(p.service_mem, p.service_made, p.service_len);
	memcpy(p.client_mem, p.client_made, mpp_client_size());
	p.now = p.made;
	while (size > 3 && binding_at(&p.s->state, 0)->state != BINDING_FREE &&
	       link_cur(p.c)->on) {
		len = (size_t)(data[0] << 8 | data[1]) % PACKET_PLAIN_MAX;
		flags = data[2];
		data += 3;
		size -= 3;
		len = len < size ? len : size;
		if ((flags & 1) != 0)
			to_client(&p, flags, data, len);
		else if ((flags & 2) != 0)
			by_web(&p, flags, data, len);
		else
			to_service(&p, flags, data, len);
		check(&p);
		data += len;
		size -= len;
	}
	return 0;
}
