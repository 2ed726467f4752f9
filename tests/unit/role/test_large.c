/* SPDX-License-Identifier: MIT */
/* Datagrams of several packets: what does not fit one packet comes as one
 * message, written once; only packets that are missing are sent again; nothing
 * of it goes to two addresses; and without a snapshot it comes in parts. */
#include "world.h"

#include "base/mem.h"
#include "role/service.h"

static const char alice[] = "alice@example.com";
static const mpp_addr elsewhere = {{10, 0, 0, 1}, 41000, 4, 0};

static struct world w;

enum {
	SEEN = 4096,
	STORES = 100,
	APART_US = 10, /* packets of a datagram arrive one after the other */
};

/* Every packet that the service sent to a device, opened. */
struct seen {
	struct rud_header h;
	uint64_t at;
	uint8_t id[16];
	uint16_t port;
	size_t len;
	uint8_t plain[MPP_PACKET_MAX];
};
static struct seen seen[SEEN];
static size_t n_seen;
/* Every packet that a device sent: its header. */
static struct rud_header heads[SEEN];
static uint64_t heads_at[SEEN];
static size_t n_heads;
static int (*lose)(const struct seen *s); /* of several packets only */
static bool lose_all, lose_answers, lose_wide;

static struct binding *binding_of(bool to_service, const uint8_t *packet)
{
	struct presence *p = &w.s->state;
	struct stream st = {0, 0};
	uint32_t i;

	if (to_service &&
	    streamid_open(&w.crypto, w.s->sid_key, packet, &st) != MPP_OK)
		return NULL;
	for (i = 0; i < p->bindings.fresh; i++) {
		struct binding *b = binding_at(p, i);

		if (b->state != BINDING_FREE &&
		    (to_service ? st.slot == i && st.generation == b->generation
				: memcmp(b->client_id, packet, 16) == 0))
			return b;
	}
	return NULL;
}

static int note_head(const struct flying *f)
{
	static const uint8_t zero[16];
	const struct binding *b;

	if (memcmp(f->data, zero, sizeof(zero)) == 0)
		return 0;
	b = binding_of(true, f->data);
	if (b != NULL && n_heads < SEEN &&
	    packet_header(&w.crypto, &b->rx, f->data, &heads[n_heads]) ==
		    MPP_OK)
		heads_at[n_heads++] = w.now;
	return lose_answers;
}

static int watch(struct world *world, const struct flying *f)
{
	struct seen *s = &seen[n_seen];
	const struct binding *b;

	if (f->to_service)
		return note_head(f);
	b = binding_of(false, f->data);
	if (b == NULL || n_seen == SEEN)
		return lose_all;
	memcpy(s->plain, f->data, f->len);
	if (packet_header(&w.crypto, &b->tx, f->data, &s->h) != MPP_OK ||
	    packet_open(&w.crypto, &b->tx, &s->h, s->plain, f->len) != MPP_OK)
		return lose_all;
	s->at = w.now;
	memcpy(s->id, f->data, sizeof(s->id));
	s->port = w.d[f->device].addr.port;
	s->len = f->len - PACKET_OVERHEAD;
	memmove(s->plain, s->plain + PACKET_HEAD, s->len);
	n_seen++;
	world->fly[world->n_fly - 1].at += s->h.packet * APART_US;
	return lose_all || (lose_wide && s->len > PACKET_PLAIN_MAX) ||
	       (s->h.count > 1 && lose != NULL && lose(s));
}

static int setup(void **state)
{
	(void)state;
	world_init(&w, 3);
	w.drop = watch;
	lose = NULL;
	lose_all = lose_answers = lose_wide = false;
	n_seen = n_heads = 0;
	return 0;
}

static void with_snapshots(uint32_t n)
{
	world_stop_service(&w);
	w.config.snapshots = n;
	world_start_service(&w);
}

/* A sending has the next sequence of its packet, and the content of an index
 * is one for ever. */
static void check_seen(void)
{
	size_t i, k;

	for (i = 0; i < n_seen; i++) {
		unsigned next = 0;

		for (k = 0; k < i; k++) {
			if (memcmp(seen[k].id, seen[i].id, 16) != 0 ||
			    seen[k].h.index != seen[i].h.index)
				continue;
			assert_int_equal(seen[k].h.count, seen[i].h.count);
			assert_int_equal(seen[k].port, seen[i].port);
			if (seen[k].h.packet != seen[i].h.packet)
				continue;
			assert_int_equal(seen[k].len, seen[i].len);
			assert_memory_equal(seen[k].plain, seen[i].plain,
					    seen[i].len);
			assert_true(seen[k].h.sequence <= seen[i].h.sequence);
			next++;
		}
		/* A network that loses or copies hides some, or shows more. */
		if (w.loss_pct == 0 && w.dup_pct == 0)
			assert_int_equal(seen[i].h.sequence, next);
	}
}

static int teardown(void **state)
{
	(void)state;
	check_seen();
	world_end(&w);
	return 0;
}

static const mpp_service_counters *count(void)
{
	return mpp_service_count(w.s);
}

static uint32_t snapshots(void)
{
	mpp_pool_info p;
	unsigned i;

	for (i = 0; mpp_service_pool(w.s, i, &p); i++) {
		if (strcmp(p.name, "snapshots") == 0)
			return p.used;
	}
	fail();
	return 0;
}

static const char *name_of(unsigned i)
{
	static char name[MPP_STORE_MAX + 1];

	snprintf(name, sizeof(name), "store-%03u-%s", i % 1000,
		 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzab");
	return name;
}

/* One publication of n stores. */
static uint64_t publish_all(unsigned n, uint64_t index, size_t digest)
{
	static mpp_store_status st[MSG_STORES_MAX];
	static char name[MSG_STORES_MAX][MPP_STORE_MAX + 1];
	static uint8_t octets[MPP_DIGEST_MAX];
	mpp_published done;
	unsigned i;

	memset(octets, (int)index, sizeof(octets));
	for (i = 0; i < n; i++) {
		snprintf(name[i], sizeof(name[i]), "%s", name_of(i));
		st[i] = (mpp_store_status){
			bytes_of(name[i]), index, {octets, digest}};
	}
	assert_int_equal(mpp_service_publish(w.s, bytes_of(alice), st, n, false,
					     9, world_now(&w).wall, &done),
			 MPP_OK);
	assert_int_equal(world_result(&w, 9).err, MPP_OK);
	return done.serial;
}

static size_t stores_told(const struct world_device *d)
{
	size_t i, n = 0;

	for (i = 0; i < d->n_told; i++)
		n += d->told[i].kind == MPP_EV_PUBLICATION ? d->told[i].n_stores
							   : 0;
	return n;
}

static void forget_told(void)
{
	unsigned i;

	for (i = 0; i < WORLD_DEVICES; i++)
		w.d[i].n_told = 0;
	n_seen = n_heads = 0;
}

/* How many packets of several went, and the packets that were sent again. */
static unsigned packets(uint16_t *again)
{
	unsigned n = 0;
	size_t i;

	*again = 0;
	for (i = 0; i < n_seen; i++) {
		if (seen[i].h.count == 1)
			continue;
		n++;
		if (seen[i].h.sequence != 0)
			*again |= (uint16_t)(1u << seen[i].h.packet);
	}
	return n;
}

/* ---- one datagram ---- */

static void test_one_datagram(void **state)
{
	const struct world_device *d = &w.d[0];
	const struct told *t;
	uint64_t serial;
	uint16_t again;
	size_t i;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	forget_told();
	serial = publish_all(STORES, 7, 0);
	assert_int_equal(snapshots(), 1);
	world_run(&w, 1000000);
	assert_int_equal(world_count(d, MPP_EV_PUBLICATION), 1);
	t = world_last(d, MPP_EV_PUBLICATION);
	assert_int_equal(t->n_stores, STORES);
	assert_false(t->more);
	assert_int_equal(t->serial, serial);
	for (i = 0; i < 8; i++) {
		assert_string_equal(t->store[i], name_of((unsigned)i));
		assert_int_equal(t->index[i], 7);
	}
	assert_int_equal(world_acknowledged(&w, alice), serial);
	assert_int_equal(snapshots(), 0);
	assert_int_equal(count()->large, 1);
	assert_int_equal(count()->repeats, 0);
	assert_int_equal(packets(&again), seen[0].h.count);
	assert_true(seen[0].h.count > 4);
	assert_int_equal(again, 0);
	/* Every packet asks for an acknowledgement; all but the last are full. */
	for (i = 0; i < seen[0].h.count; i++) {
		assert_int_equal(seen[i].h.flags, FLAG_FINAL | FLAG_ACK_WANTED);
		assert_int_equal(seen[i].h.packet, i);
		if (i + 1 < seen[0].h.count)
			assert_int_equal(seen[i].len, PACKET_PLAIN_MAX);
	}
}

/* What does not even fit 16 packets goes on when the first are there. */
static void test_two_datagrams(void **state)
{
	const struct world_device *d = &w.d[0];
	uint64_t serial;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	forget_told();
	serial = publish_all(MSG_STORES_MAX, 1, MPP_DIGEST_MAX);
	world_run(&w, 2000000);
	assert_int_equal(world_count(d, MPP_EV_PUBLICATION), 2);
	assert_true(seen[0].h.count == DATAGRAM_PACKETS);
	assert_int_equal(stores_told(d), MSG_STORES_MAX);
	assert_int_equal(world_acknowledged(&w, alice), serial);
}

/* ---- lost packets ---- */

static int lose_third(const struct seen *s)
{
	return s->h.packet == 2 && s->h.sequence < 2;
}

static void test_missing_only(void **state)
{
	uint16_t again;
	uint64_t before;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	forget_told();
	lose = lose_third;
	before = w.now;
	publish_all(STORES, 7, 0);
	world_run(&w, 2000000);
	assert_int_equal(stores_told(&w.d[0]), STORES);
	assert_int_equal(packets(&again), seen[0].h.count + 2u);
	assert_int_equal(again, 4);
	assert_int_equal(count()->packets_again, 2);
	/* A hole is told of as soon as the last packet is there, so the first
	 * repetition needs no timer. */
	assert_int_equal(count()->repeats, 1);
	assert_true(world_last(&w.d[0], MPP_EV_PUBLICATION)->at - before <
		    300000);
	assert_int_equal(count()->large, 1);
}

static int lose_last(const struct seen *s)
{
	return s->h.packet + 1u == s->h.count && s->h.sequence == 0;
}

/* Without the last packet the device waits 25 ms for more. */
static void test_acknowledged_late(void **state)
{
	uint64_t arrived = 0;
	size_t i;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	forget_told();
	lose = lose_last;
	publish_all(STORES, 7, 0);
	world_run(&w, 2000000);
	assert_int_equal(stores_told(&w.d[0]), STORES);
	arrived = seen[0].at + w.delay_us;
	for (i = 0; (heads[i].flags & FLAG_ACK) == 0; i++)
		;
	assert_int_equal(heads_at[i], arrived + ACK_DELAY_US);
	assert_int_equal(heads[i].ack_index, seen[0].h.index);
	assert_int_equal(heads[i].ack_bits, (1u << (seen[0].h.count - 1)) - 1);
	/* When it has come, nothing is waited for. */
	i++;
	while (seen[n_seen - 1].h.count == 1)
		n_seen--; /* the larger packet that goes to see */
	assert_int_equal(heads[i].ack_bits, (1u << seen[0].h.count) - 1);
	assert_int_equal(heads_at[i],
			 seen[n_seen - 1].at + w.delay_us +
				 (seen[0].h.count - 1u) * APART_US);
	assert_int_equal(seen[n_seen - 1].h.packet, seen[0].h.count - 1);
	assert_int_equal(count()->packets_again, 1);
}

static int lose_second(const struct seen *s)
{
	return s->h.packet == 1 && s->h.sequence == 0;
}

/* With a hole it is acknowledged at once when the last packet comes. */
static void test_hole_at_once(void **state)
{
	(void)state;
	world_subscribed(&w, alice, 0, 1);
	forget_told();
	lose = lose_second;
	publish_all(40, 7, 0);
	world_run(&w, 2000000);
	assert_int_equal(stores_told(&w.d[0]), 40);
	assert_true(seen[0].h.count > 2 && seen[0].h.count < 10);
	assert_int_equal(heads_at[0],
			 seen[0].at + w.delay_us +
				 (seen[0].h.count - 1u) * APART_US);
	assert_int_equal(heads[0].ack_bits,
			 ((1u << seen[0].h.count) - 1) & ~2u);
	assert_int_equal(count()->repeats, 0);
}

/* What was acknowledged but is repeated is acknowledged again, told once. */
static void test_acknowledgement_lost(void **state)
{
	uint64_t serial;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	forget_told();
	lose_answers = true;
	serial = publish_all(20, 7, 0);
	world_run(&w, 70000);
	assert_int_equal(stores_told(&w.d[0]), 20);
	assert_true(n_heads > 0);
	lose_answers = false;
	world_run(&w, 1000000);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 1);
	assert_int_equal(count()->large, 1);
	assert_true(count()->packets_again > 0);
	assert_int_equal(world_acknowledged(&w, alice), serial);
	assert_int_equal(snapshots(), 0);
}

/* ---- how much at a time ---- */

static unsigned sent_at_first(void)
{
	unsigned n = 0;

	while (n < n_seen && seen[n].at == seen[0].at)
		n++;
	return n;
}

static void test_window(void **state)
{
	struct binding *b;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	b = binding_at(&w.s->state, 0);
	forget_told();
	publish_all(MSG_STORES_MAX, 1, 32);
	assert_true(seen[0].h.count > WINDOW_FULL);
	assert_int_equal(sent_at_first(), WINDOW_FULL);
	world_run(&w, 2000000);
	assert_int_equal(stores_told(&w.d[0]), MSG_STORES_MAX);
	b->rtt = (struct rtt_pair){{0}, {0}};
	forget_told();
	publish_all(MSG_STORES_MAX, 2, 32);
	assert_int_equal(sent_at_first(), WINDOW_FIRST);
	world_run(&w, 2000000);
	assert_int_equal(stores_told(&w.d[0]), MSG_STORES_MAX);
	assert_true(rtt_of(&b->rtt, RTT_AWAKE).smooth_us >= 2 * w.delay_us);
}

/* The timer doubles at once; after five timeouts a single packet asks. */
static void test_gives_up(void **state)
{
	uint64_t serial, pto;
	size_t i, bursts = 0;
	uint64_t at[16];

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	forget_told();
	lose_all = true;
	pto = service_pto(binding_at(&w.s->state, 0));
	serial = publish_all(20, 7, 0);
	world_run(&w, 8000000);
	for (i = 0; i < n_seen && bursts < 16; i++) {
		if (i == 0 || seen[i].at != seen[i - 1].at)
			at[bursts++] = seen[i].at;
	}
	assert_true(bursts >= 6);
	assert_int_equal(at[1] - at[0], ACK_DELAY_US + pto);
	for (i = 2; i < 5; i++)
		assert_int_equal(at[i] - at[i - 1],
				 ACK_DELAY_US + (pto << (i - 1)));
	assert_int_equal(count()->abandoned, 1);
	assert_int_equal(snapshots(), 0);
	assert_int_equal(seen[n_seen - 1].h.count, 1);
	/* When the device is heard again, it gets everything. */
	lose_all = false;
	world_run(&w, 30000000);
	assert_int_equal(stores_told(&w.d[0]), 20);
	assert_int_equal(world_acknowledged(&w, alice), serial);
	assert_true(count()->large >= 1);
}

/* ---- abandoned ---- */

/* Newer state takes the place of what is under way, once; what comes then
 * waits, so that state that changes all the time arrives, too. */
static void test_moved_on(void **state)
{
	uint64_t serial = 0, first;
	unsigned i, large = 0;
	uint16_t again;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	forget_told();
	publish_all(STORES, 1, 0);
	first = seen[0].h.index;
	for (i = 2; i < 60; i++) {
		serial = publish_all(STORES, i, 0);
		world_run(&w, 8000);
	}
	/* Long before the last of them was published. */
	assert_true(stores_told(&w.d[0]) >= 2 * STORES);
	world_run(&w, 1000000);
	assert_int_equal(world_last(&w.d[0], MPP_EV_PUBLICATION)->serial,
			 serial);
	assert_int_equal(world_last(&w.d[0], MPP_EV_PUBLICATION)->index[0], 59);
	for (i = 0; i < n_seen; i++)
		large += seen[i].h.packet == 0 && seen[i].h.index != first;
	assert_in_range(large, 3, 30);
	assert_true(packets(&again) > 0);
	assert_int_equal(snapshots(), 0);
}

static int lose_rest(const struct seen *s)
{
	return s->h.packet != 0;
}

/* No packet goes to two addresses: what was under way is abandoned. */
static void test_path_moves(void **state)
{
	uint64_t index, serial;
	size_t i, there = 0;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	forget_told();
	lose = lose_rest;
	serial = publish_all(STORES, 7, 0);
	world_run(&w, w.delay_us + 1000);
	assert_int_equal(snapshots(), 1);
	index = seen[0].h.index;
	/* The acknowledgement of the first packet comes from elsewhere. */
	w.d[0].addr = elsewhere;
	while (count()->moved == 0)
		world_run(&w, 1000);
	lose = NULL;
	world_run(&w, 3000000);
	for (i = 0; i < n_seen; i++) {
		if (seen[i].h.index == index)
			assert_int_equal(seen[i].port, 40000);
		there += seen[i].h.count > 1 && seen[i].port == elsewhere.port;
	}
	assert_true(there > 4);
	assert_int_equal(stores_told(&w.d[0]), STORES);
	assert_int_equal(world_acknowledged(&w, alice), serial);
	assert_int_equal(snapshots(), 0);
}

/* The same with an answer, which nothing newer replaces: the device asks
 * again. */
static void test_path_moves_answer(void **state)
{
	uint64_t index;
	uint32_t request;
	size_t i;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	publish_all(STORES, 7, 0);
	world_run(&w, 1000000);
	forget_told();
	lose = lose_rest;
	assert_int_equal(mpp_client_status(w.d[0].c, world_now(&w), &request),
			 MPP_OK);
	world_run(&w, 2 * w.delay_us + 1000);
	assert_int_equal(snapshots(), 1);
	index = seen[0].h.index;
	w.d[0].addr = elsewhere;
	while (count()->moved == 0)
		world_run(&w, 1000);
	lose = NULL;
	world_run(&w, 3000000);
	for (i = 0; i < n_seen; i++) {
		if (seen[i].h.index == index)
			assert_int_equal(seen[i].port, 40000);
	}
	assert_int_equal(world_last(&w.d[0], MPP_EV_RESPONSE)->n_stores,
			 STORES);
}

/* An address that is not proved gets no more than three times what came. */
static void test_unproved(void **state)
{
	static mpp_datagram slots[16];
	mpp_outbox out = {slots, 16, 0};
	uint8_t p[MPP_PACKET_MAX];
	mpp_buf b = {p, sizeof(p), 0};
	uint32_t request;
	size_t i, sent = 0;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	publish_all(STORES, 7, 0);
	world_run(&w, 2000000);
	assert_int_equal(mpp_client_status(w.d[0].c, world_now(&w), &request),
			 MPP_OK);
	assert_int_equal(mpp_client_send(w.d[0].c, world_now(&w), &b), MPP_OK);
	assert_int_equal(mpp_service_receive(w.s, b, &elsewhere, world_now(&w),
					     &out),
			 MPP_OK);
	for (i = 0; i < out.n; i++)
		sent += slots[i].to.port == elsewhere.port ? slots[i].len : 0;
	assert_true(sent > 0 && sent <= UNPROVED_FACTOR * b.len);
	assert_int_equal(snapshots(), 0);
	/* From the path it gets all of it. */
	world_run(&w, 2000000);
	assert_int_equal(world_last(&w.d[0], MPP_EV_RESPONSE)->n_stores,
			 STORES);
}

/* Without a snapshot state comes in parts, as good as ever. */
static void test_no_snapshot(void **state)
{
	uint64_t serial;
	int i;

	(void)state;
	with_snapshots(1);
	world_subscribed(&w, alice, 0, 3);
	forget_told();
	serial = publish_all(STORES, 7, 0);
	assert_int_equal(snapshots(), 1);
	world_run(&w, 5000000);
	for (i = 0; i < 3; i++)
		assert_int_equal(stores_told(&w.d[i]), STORES);
	assert_true(count()->no_snapshot >= 2);
	assert_true(count()->large >= 1);
	assert_int_equal(world_acknowledged(&w, alice), serial);
	assert_int_equal(snapshots(), 0);
}

static void test_none_at_all(void **state)
{
	uint16_t again;

	(void)state;
	with_snapshots(MPP_NO_SNAPSHOTS);
	world_subscribed(&w, alice, 0, 1);
	forget_told();
	publish_all(STORES, 7, 0);
	world_run(&w, 5000000);
	assert_int_equal(stores_told(&w.d[0]), STORES);
	assert_true(world_count(&w.d[0], MPP_EV_PUBLICATION) > 4);
	assert_int_equal(packets(&again), 0);
	assert_int_equal(count()->large, 0);
}

/* A connection that ends gives back what it had, and leaves nothing there. */
static void test_end(void **state)
{
	const struct snapshot *n;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	lose_all = true;
	publish_all(STORES, 7, 0);
	assert_int_equal(snapshots(), 1);
	n = snapshot_at(&w.s->state, binding_at(&w.s->state, 0)->snapshot);
	assert_int_equal(n->plain[0], EXT_END);
	mpp_client_close(w.d[0].c, world_now(&w));
	world_run(&w, 100000);
	assert_int_equal(count()->closed, 1);
	assert_int_equal(snapshots(), 0);
	assert_true(mem_is_zero(n->plain, sizeof(n->plain)));
}

/* ---- larger packets ---- */

enum { WIDE = PACKET_PLAIN_LARGEST };

/* How many empty packets of 1452 octets went, and the piece of the newest
 * datagram of several. */
static unsigned asked(size_t *piece)
{
	unsigned n = 0;
	size_t i;

	*piece = 0;
	for (i = 0; i < n_seen; i++) {
		if (seen[i].h.count == 1 && seen[i].len > PACKET_PLAIN_MAX) {
			assert_int_equal(seen[i].len, WIDE);
			assert_int_equal(seen[i].h.flags,
					 FLAG_FINAL | FLAG_ACK_WANTED);
			assert_int_equal(seen[i].plain[0], EXT_END);
			assert_true(mem_is_zero(seen[i].plain + 1, WIDE - 1));
			n++;
		} else if (seen[i].h.count > 1 && seen[i].h.packet == 0) {
			*piece = seen[i].len;
		}
	}
	return n;
}

static void test_larger_packets(void **state)
{
	size_t piece, told;
	unsigned n;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	forget_told();
	publish_all(STORES, 1, 0);
	world_run(&w, 1000000);
	assert_int_equal(asked(&piece), 1);
	assert_int_equal(piece, PACKET_PLAIN_MAX);
	assert_int_equal(snapshots(), 0);
	publish_all(STORES, 2, 0);
	world_run(&w, 1000000);
	assert_int_equal(asked(&piece), 1);
	assert_int_equal(piece, WIDE);
	/* What fits one packet of the usual size is no larger. */
	n_seen = 0;
	publish_all(4, 3, MPP_DIGEST_MAX);
	world_run(&w, 1000000);
	assert_int_equal(seen[0].h.count, 1);
	assert_true(seen[0].len <= PACKET_PLAIN_MAX);
	/* What would fit one larger packet goes in two of the usual size. */
	n_seen = 0;
	for (n = 5; n < 20; n++) {
		publish_all(n, n, MPP_DIGEST_MAX);
		world_run(&w, 1000000);
	}
	assert_int_equal(asked(&piece), 0);
	assert_int_equal(piece, WIDE);
	told = stores_told(&w.d[0]);
	/* Then the path loses them: after five timeouts they are small again.
	 */
	lose_wide = true;
	n_seen = 0;
	publish_all(STORES, 40, 0);
	world_run(&w, 20000000);
	assert_int_equal(world_last(&w.d[0], MPP_EV_PUBLICATION)->index[0], 40);
	publish_all(STORES, 50, 0);
	world_run(&w, 1000000);
	assert_int_equal(asked(&piece), 0);
	assert_int_equal(piece, PACKET_PLAIN_MAX);
	assert_int_equal(stores_told(&w.d[0]), told + 2 * STORES);
}

/* A probe that is lost costs nothing, and is not sent again on this path. */
static void test_narrow_path(void **state)
{
	uint64_t repeats;
	size_t piece;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	forget_told();
	lose_wide = true;
	publish_all(STORES, 1, 0);
	world_run(&w, 1000000);
	repeats = count()->repeats;
	publish_all(STORES, 2, 0);
	world_run(&w, 1000000);
	assert_int_equal(asked(&piece), 1);
	assert_int_equal(piece, PACKET_PLAIN_MAX);
	assert_int_equal(count()->repeats, repeats);
	assert_int_equal(count()->abandoned, 0);
	assert_int_equal(snapshots(), 0);
	/* Another path is asked anew. */
	lose_wide = false;
	w.d[0].addr = elsewhere;
	while (count()->moved == 0)
		world_run(&w, 1000000);
	publish_all(STORES, 3, 0);
	world_run(&w, 1000000);
	publish_all(STORES, 4, 0);
	world_run(&w, 1000000);
	assert_int_equal(asked(&piece), 2);
	assert_int_equal(piece, WIDE);
	assert_int_equal(stores_told(&w.d[0]), 4 * STORES);
}

/* When something newer is to be said the question waits. */
static void test_asked_later(void **state)
{
	size_t piece;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	forget_told();
	publish_all(STORES, 1, 0);
	publish_all(STORES, 2, 0);
	publish_all(STORES, 3, 0);
	world_run(&w, 60000);
	assert_int_equal(asked(&piece), 0);
	world_run(&w, 1000000);
	assert_int_equal(asked(&piece), 1);
	publish_all(STORES, 4, 0);
	world_run(&w, 1000000);
	assert_int_equal(asked(&piece), 1);
	assert_int_equal(piece, WIDE);
	assert_int_equal(world_last(&w.d[0], MPP_EV_PUBLICATION)->index[0], 4);
}

/* Who does not say that it reads them is not sent any. */
static void test_small_reader(void **state)
{
	size_t piece;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	binding_at(&w.s->state, 0)->packets = PACKETS_SMALL;
	forget_told();
	publish_all(STORES, 1, 0);
	world_run(&w, 1000000);
	publish_all(STORES, 2, 0);
	world_run(&w, 1000000);
	assert_int_equal(asked(&piece), 0);
	assert_int_equal(piece, PACKET_PLAIN_MAX);
}

/* ---- answers ---- */

static void test_status_answer(void **state)
{
	struct world_device *d = &w.d[1];
	const struct told *t;
	uint32_t request;
	unsigned i, flags = 0;

	(void)state;
	world_account(&w, alice);
	publish_all(STORES, 7, 32);
	world_device(&w, 1, alice, MPP_MODE_ASK);
	world_invite(&w, 1, alice, MPP_RIGHT_SUBSCRIBE);
	world_connect(&w, 1);
	world_run(&w, 3000000);
	forget_told();
	lose = lose_third;
	assert_int_equal(mpp_client_status(d->c, world_now(&w), &request),
			 MPP_OK);
	world_run(&w, 3000000);
	t = world_last(d, MPP_EV_RESPONSE);
	assert_non_null(t);
	assert_int_equal(t->request, request);
	assert_int_equal(t->n_stores, STORES);
	assert_false(t->more);
	/* It was asked for more than once, and written once. */
	assert_int_equal(count()->large, 1);
	assert_true(n_heads > 2);
	for (i = 0; i < n_seen; i++)
		flags |= seen[i].h.count > 1 ? seen[i].h.flags : 0u;
	assert_int_equal(flags, FLAG_FINAL | FLAG_ACK | FLAG_ACK_WANTED);
	assert_int_equal(snapshots(), 0);
}

/* A subscriber's whole vector as one answer: no publication follows. */
static void test_status_of_subscriber(void **state)
{
	uint32_t request;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	publish_all(STORES, 7, 32);
	world_run(&w, 1000000);
	forget_told();
	assert_int_equal(mpp_client_status(w.d[0].c, world_now(&w), &request),
			 MPP_OK);
	world_run(&w, 2000000);
	assert_int_equal(world_last(&w.d[0], MPP_EV_RESPONSE)->n_stores,
			 STORES);
	assert_int_equal(world_count(&w.d[0], MPP_EV_PUBLICATION), 0);
	assert_int_equal(count()->large, 2);
}

/* ---- the device ---- */

static void check_stores_of(const mpp_client_event *ev, unsigned n,
			    uint64_t index)
{
	uint8_t p[MPP_STORE_MAX + MPP_DIGEST_MAX], digest[32];
	mpp_buf scratch = {p, sizeof(p), 0};
	mpp_store_status st;
	size_t cursor = 0;
	unsigned i;

	memset(digest, (int)index, sizeof(digest));
	for (i = 0; i < n; i++) {
		assert_true(mpp_client_store_next(ev, &cursor, &scratch, &st));
		assert_int_equal(st.store.len, strlen(name_of(i)));
		assert_memory_equal(st.store.p, name_of(i), st.store.len);
		assert_int_equal(st.index, index);
		assert_int_equal(st.digest.len, sizeof(digest));
		assert_memory_equal(st.digest.p, digest, sizeof(digest));
	}
	assert_false(mpp_client_store_next(ev, &cursor, &scratch, &st));
	assert_false(mpp_client_store_next(ev, &cursor, &scratch, &st));
}

/* A long message is there until the next event is taken, and each message in
 * the queue keeps its own. */
static void test_events(void **state)
{
	struct world_device *d = &w.d[0];
	uint8_t copy[DATAGRAM_MAX];
	mpp_client_event ev;
	size_t len;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	world_events(&w, d);
	d->deaf = true;
	publish_all(STORES, 7, 32);
	world_run(&w, 1000000);
	publish_all(60, 8, 32);
	world_run(&w, 1000000);
	assert_int_equal(mpp_client_next_event(d->c, &ev), MPP_OK);
	assert_int_equal(ev.kind, MPP_EV_PUBLICATION);
	assert_int_equal(ev.n_stores, STORES);
	assert_true(ev.message.len > 4 * PACKET_PLAIN_MAX);
	check_stores_of(&ev, STORES, 7);
	len = ev.message.len;
	memcpy(copy, ev.message.p, len);
	publish_all(STORES, 9, 32);
	world_run(&w, 1000000);
	assert_memory_equal(ev.message.p, copy, len);
	assert_int_equal(mpp_client_next_event(d->c, &ev), MPP_OK);
	assert_int_equal(ev.n_stores, 60);
	assert_int_equal(mpp_client_next_event(d->c, &ev), MPP_OK);
	assert_int_equal(ev.n_stores, STORES);
	assert_int_equal(mpp_client_next_event(d->c, &ev), MPP_ERR_AGAIN);
}

/* A device that lends room for one datagram, whose application takes nothing
 * for a while, misses nothing. */
static void test_little_memory(void **state)
{
	struct world_device *d = &w.d[0];
	mpp_client *c;
	uint64_t serial;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	mpp_client_close(d->c, world_now(&w));
	world_run(&w, 100000);
	free(d->c);
	d->c = NULL;
	assert_true(mpp_client_size_for(1) < mpp_client_size());
	assert_int_equal(mpp_client_size_for(0), mpp_client_size_for(1));
	assert_int_equal(mpp_client_size_for(99), mpp_client_size());
	c = calloc(1, mpp_client_size_for(1));
	d->config.timestamp_ms = d->saved_ms;
	assert_int_equal(mpp_client_init(c, mpp_client_size_for(1) - 1,
					 &d->config, &w.crypto, &d->c),
			 MPP_ERR_NOSPACE);
	assert_int_equal(mpp_client_init(c, mpp_client_size_for(1), &d->config,
					 &w.crypto, &d->c),
			 MPP_OK);
	mpp_client_connect(d->c, world_now(&w));
	world_run(&w, 3000000);
	forget_told();
	publish_all(STORES, 7, 32);
	world_run(&w, 19000);
	d->deaf = true;
	world_run(&w, 100000);
	publish_all(STORES, 8, 32);
	serial = publish_all(60, 9, 32);
	world_run(&w, 5000000);
	d->deaf = false;
	world_run(&w, 5000000);
	assert_int_equal(world_acknowledged(&w, alice), serial);
	assert_int_equal(world_last(d, MPP_EV_PUBLICATION)->serial, serial);
}

/* Fragments that somebody makes who knows the identifier and has seen every
 * packet spoil nothing. */
static void test_forged(void **state)
{
	uint8_t data[MPP_PACKET_MAX];
	struct flying real[16];
	size_t n = 0, i, k;

	(void)state;
	world_subscribed(&w, alice, 0, 1);
	forget_told();
	publish_all(60, 7, 0);
	for (i = 0; i < w.n_fly && n < 16; i++) {
		if (!w.fly[i].to_service && w.fly[i].len > 1000)
			real[n++] = w.fly[i];
	}
	assert_true(n > 2);
	for (i = 0; i < n; i++) {
		for (k = 16; k < real[i].len; k += 37) {
			memcpy(data, real[i].data, real[i].len);
			data[k] ^= 1;
			assert_int_not_equal(
				mpp_client_receive(w.d[0].c,
						   (mpp_buf){data, sizeof(data),
							     real[i].len},
						   world_now(&w)),
				MPP_OK);
		}
		/* The header of one, the rest of another. */
		memcpy(data, real[i].data, PACKET_HEAD);
		memcpy(data + PACKET_HEAD, real[(i + 1) % n].data + PACKET_HEAD,
		       real[(i + 1) % n].len - PACKET_HEAD);
		assert_int_equal(
			mpp_client_receive(w.d[0].c,
					   (mpp_buf){data, sizeof(data),
						     real[(i + 1) % n].len},
					   world_now(&w)),
			MPP_ERR_AUTH);
	}
	world_run(&w, 1000000);
	assert_int_equal(stores_told(&w.d[0]), 60);
	assert_int_equal(count()->packets_again, 0);
	/* And replayed ones do nothing, not even an answer. */
	n_heads = 0;
	for (i = 0; i < n; i++) {
		memcpy(data, real[i].data, real[i].len);
		assert_int_equal(mpp_client_receive(w.d[0].c,
						    (mpp_buf){data,
							      sizeof(data),
							      real[i].len},
						    world_now(&w)),
				 MPP_ERR_REPLAY);
	}
	world_run(&w, 100000);
	assert_int_equal(n_heads, 0);
}

/* ---- a bad network ---- */

static void lossy(uint64_t seed)
{
	uint64_t serial = 0;
	unsigned n, k;

	world_init(&w, seed);
	w.drop = watch;
	w.loss_pct = seed % 2 == 0 ? 30 : 10;
	w.dup_pct = 10;
	w.jitter_us = 30000;
	w.config.snapshots = 1 + (uint32_t)seed % 4;
	with_snapshots(w.config.snapshots);
	world_account(&w, alice);
	for (k = 0; k < 3; k++) {
		world_device(&w, (int)k, alice, MPP_MODE_SUBSCRIBE);
		world_invite(&w, (int)k, alice, MPP_RIGHT_SUBSCRIBE);
		world_connect(&w, (int)k);
	}
	world_run(&w, 60000000);
	n_seen = 0;
	for (n = 1; n <= 8; n++) {
		serial = publish_all(20 + (unsigned)(world_random(&w) % 100), n,
				     (size_t)(world_random(&w) % 65));
		world_run(&w, world_random(&w) % 2000000);
	}
	world_run(&w, 60000000);
	assert_int_equal(world_acknowledged(&w, alice), serial);
	for (k = 0; k < 3; k++)
		assert_int_equal(
			world_last(&w.d[k], MPP_EV_PUBLICATION)->serial,
			serial);
	assert_true(count()->large > 0 && count()->packets_again > 0);
	assert_int_equal(count()->send_errors, 0);
	assert_int_equal(snapshots(), 0);
}

static void test_loss(void **state)
{
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= 12; seed++) {
		teardown(state);
		n_seen = n_heads = 0;
		print_message("seed %u\n", (unsigned)seed);
		lossy(seed);
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_one_datagram),
		CASE(test_two_datagrams),
		CASE(test_missing_only),
		CASE(test_acknowledged_late),
		CASE(test_hole_at_once),
		CASE(test_acknowledgement_lost),
		CASE(test_window),
		CASE(test_gives_up),
		CASE(test_moved_on),
		CASE(test_path_moves),
		CASE(test_path_moves_answer),
		CASE(test_unproved),
		CASE(test_no_snapshot),
		CASE(test_none_at_all),
		CASE(test_end),
		CASE(test_larger_packets),
		CASE(test_narrow_path),
		CASE(test_asked_later),
		CASE(test_small_reader),
		CASE(test_status_answer),
		CASE(test_status_of_subscriber),
		CASE(test_events),
		CASE(test_little_memory),
		CASE(test_forged),
		CASE(test_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
