/* SPDX-License-Identifier: MIT */
/* test_datagram.c - datagrams of several packets: what goes out against the
 * rules of docs/protocol.md, and what comes in against a naive twin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rud/datagram.h"
#include "seeded.h"

/* ---- going out ---- */

static void test_padded(void **state)
{
	static const struct {
		size_t n;
		unsigned quantum;
		size_t piece, padded;
	} rows[] = {
		{1153, 0, 1152, 1168},      {1168, 0, 1152, 1168},
		{2303, 0, 1152, 2304},      {2305, 64, 1152, 2368},
		{2300, 512, 1152, 2304},    {18431, 0, 1152, 18432},
		{18432, 1024, 1152, 18432}, {18400, 1024, 1404, 18432},
		{2000, 1024, 1404, 2048},   {2700, 1024, 1404, 2808},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(datagram_padded(rows[i].n, rows[i].quantum,
						 rows[i].piece),
				 rows[i].padded);
}

/* Pieces are all of one length but the last, none is empty, and together they
 * are the plaintext. */
static void test_pieces(void **state)
{
	static const struct {
		size_t len, piece;
		unsigned count;
		size_t last;
	} rows[] = {
		{1153, 1152, 2, 1},     {2304, 1152, 2, 1152},
		{2320, 1152, 3, 16},    {18432, 1152, 16, 1152},
		{18432, 1404, 14, 180}, {1405, 1404, 2, 1},
	};
	struct datagram_piece p;
	struct datagram_out d;
	size_t i, at;
	unsigned k;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		datagram_cut(&d, 7, rows[i].len, rows[i].piece, true);
		assert_int_equal(d.count, rows[i].count);
		at = 0;
		for (k = 0; k < d.count; k++) {
			p = datagram_piece(&d, k);
			assert_int_equal(p.at, at);
			assert_int_equal(p.len, k + 1 < d.count ? rows[i].piece
								: rows[i].last);
			at += p.len;
		}
		assert_int_equal(at, rows[i].len);
	}
}

static struct datagram_out of_packets(unsigned count, bool known)
{
	struct datagram_out d;

	datagram_cut(&d, 100, (size_t)count * PACKET_PLAIN_MAX,
		     PACKET_PLAIN_MAX, known);
	return d;
}

/* Send all that may be sent; the bits of what was. */
static uint16_t burst(struct datagram_out *d)
{
	uint16_t sent = 0;
	int i;

	while ((i = datagram_next(d)) >= 0) {
		(void)datagram_take(d, (unsigned)i);
		sent |= (uint16_t)(1u << i);
	}
	return sent;
}

static void test_window(void **state)
{
	struct datagram_out d = of_packets(16, false);

	(void)state;
	assert_int_equal(burst(&d), 0x000f);
	assert_true(datagram_acked(&d, 0x000f).news);
	assert_int_equal(burst(&d), 0x0ff0);
	d = of_packets(16, true);
	assert_int_equal(burst(&d), 0x03ff);
	/* Each one that came lets one more go. */
	assert_true(datagram_acked(&d, 0x0001).news);
	assert_int_equal(burst(&d), 0x0400);
	assert_false(datagram_acked(&d, 0x0001).news);
	assert_int_equal(burst(&d), 0);
}

/* Only what is missing goes again, with the next sequence. */
static void test_missing_only(void **state)
{
	struct datagram_out d = of_packets(5, true);
	struct rud_header h;
	struct datagram_ack a;

	(void)state;
	assert_int_equal(burst(&d), 0x1f);
	a = datagram_acked(&d, 0x13);
	assert_true(a.news && a.prompt && a.sample && !a.all);
	/* 2 and 3 went before 4, which has come: they are lost. */
	assert_int_equal(d.window, 5);
	assert_int_equal(datagram_next(&d), 2);
	h = datagram_take(&d, 2);
	assert_int_equal(h.index, 100);
	assert_int_equal(h.count, 5);
	assert_int_equal(h.packet, 2);
	assert_int_equal(h.sequence, 1);
	assert_int_equal(datagram_next(&d), 3);
	assert_int_equal(datagram_take(&d, 3).sequence, 1);
	assert_int_equal(datagram_next(&d), -1);
	/* The same acknowledgement once more says nothing of them. */
	a = datagram_acked(&d, 0x13);
	assert_false(a.news || a.sample);
	assert_int_equal(datagram_next(&d), -1);
	a = datagram_acked(&d, 0x1f);
	assert_true(a.news && a.all && a.prompt);
	/* They were sent twice: which sending came is not known. */
	assert_false(a.sample);
	assert_false(datagram_stuck(&d));
	datagram_timeout(&d);
	assert_int_equal(datagram_next(&d), -1);
}

/* What went after the packet that came may still be on its way. */
static void test_reordered(void **state)
{
	struct datagram_out d = of_packets(5, true);

	(void)state;
	assert_int_equal(burst(&d), 0x1f);
	assert_false(datagram_acked(&d, 0x01).sample);
	assert_int_equal(d.window, WINDOW_FULL);
	assert_int_equal(datagram_next(&d), -1);
	(void)datagram_acked(&d, 0x05);
	assert_int_equal(datagram_next(&d), 1);
	assert_int_equal(d.window, 5);
}

/* A packet is sent 16 times at most; the window is halved with each timeout,
 * and two packets are always allowed. */
static void test_gives_up(void **state)
{
	struct datagram_out d = of_packets(3, true);
	unsigned n;

	(void)state;
	for (n = 0; n < SEQUENCES; n++) {
		assert_false(datagram_stuck(&d));
		assert_int_equal(d.sequence[0], n);
		(void)datagram_take(&d, 0);
		datagram_timeout(&d);
		assert_true(d.window >= WINDOW_LEAST);
	}
	assert_int_equal(d.window, WINDOW_LEAST);
	assert_true(datagram_stuck(&d));
	assert_int_equal(datagram_next(&d), 1);
	(void)datagram_acked(&d, 1);
	assert_false(datagram_stuck(&d));
}

/* Bits of packets that there are not are not believed. */
static void test_foreign_bits(void **state)
{
	struct datagram_out d = of_packets(3, true);

	(void)state;
	assert_int_equal(burst(&d), 7);
	assert_false(datagram_acked(&d, 0xfff8).news);
	assert_int_equal(d.acked, 0);
	assert_true(datagram_acked(&d, 0xffff).all);
}

/* ---- coming in ---- */

enum {
	INDEXES = 40,
	COUNT_MAX = 5,
	LEN_MAX = COUNT_MAX * 1404,
	STREAM = 3,
	ROUNDS = 200000,
};

enum fate { ABSENT, UNDER_WAY, COMPLETE, DROPPED };

/* The twin knows everything of every index. */
struct twin {
	enum fate fate;
	unsigned count, got, piece;
	size_t len;
	int highest[COUNT_MAX]; /* sequence; -1: none */
	bool remembered;        /* complete, and its record is there */
	int buffer;             /* held by the test; -1 */
};

static struct assemblies in;
static uint8_t room[ASSEMBLY_BUFFERS * DATAGRAM_MAX];
static uint64_t bits[16];
static struct replay window;
static struct twin twin[INDEXES];

static uint8_t octet(unsigned index, size_t at)
{
	return (uint8_t)(index * 31 + at * 7 + at / 251);
}

static void start(unsigned buffers)
{
	memset(&in, 0, sizeof(in));
	memset(bits, 0, sizeof(bits));
	in.room = room;
	in.buffers = (uint8_t)buffers;
	window = (struct replay){0, bits, 16};
}

static struct rud_header head(unsigned index, unsigned count, unsigned packet,
			      unsigned sequence)
{
	return (struct rud_header){.index = index,
				   .flags = FLAG_FINAL | FLAG_ACK_WANTED,
				   .count = (uint8_t)count,
				   .packet = (uint8_t)packet,
				   .sequence = (uint8_t)sequence};
}

static size_t piece_of(const struct twin *t, unsigned packet)
{
	return packet + 1 < t->count ? t->piece
				     : t->len - (size_t)packet * t->piece;
}

static mpp_err arrive(unsigned index, const struct rud_header *h, size_t at,
		      size_t len, struct assembled *out)
{
	static uint8_t packet[MPP_PACKET_MAX];
	const struct arrival a = {STREAM, &window, h};
	mpp_err err = assembly_check(&in, &a, len);
	size_t i;

	for (i = 0; i < len; i++)
		packet[i] = octet(index, at + i);
	if (err == MPP_OK)
		*out = assembly_take(&in, &a, (mpp_bytes){packet, len});
	return err;
}

static unsigned twin_n(enum fate fate)
{
	unsigned i, n = 0;

	for (i = 0; i < INDEXES; i++)
		n += twin[i].fate == fate;
	return n;
}

static unsigned twin_held(void)
{
	unsigned i, n = 0;

	for (i = 0; i < INDEXES; i++)
		n += twin[i].buffer >= 0;
	return n;
}

static int twin_oldest(bool under_way)
{
	int i;

	for (i = 0; i < INDEXES; i++) {
		if (under_way ? twin[i].fate == UNDER_WAY : twin[i].remembered)
			return i;
	}
	return -1;
}

/* What must come of it. */
static mpp_err twin_arrive(unsigned index, unsigned packet, int sequence)
{
	struct twin *t = &twin[index];
	unsigned i, records = 0;
	int old;

	if (t->fate == DROPPED || (t->fate == COMPLETE && !t->remembered) ||
	    (t->fate != ABSENT && sequence <= t->highest[packet]))
		return MPP_ERR_REPLAY;
	if (t->fate == ABSENT) {
		if (twin_n(UNDER_WAY) + twin_held() == in.buffers) {
			old = twin_oldest(true);
			if (old < 0 || old > (int)index)
				return MPP_ERR_LIMIT;
			twin[old].fate = DROPPED;
		}
		for (i = 0; i < INDEXES; i++)
			records += twin[i].remembered ||
				   twin[i].fate == UNDER_WAY;
		if (records == ASSEMBLY_RECORDS)
			twin[twin_oldest(false)].remembered = false;
		t->fate = UNDER_WAY;
	}
	t->highest[packet] = sequence;
	t->got |= 1u << packet;
	if (t->fate == UNDER_WAY && t->got == (1u << t->count) - 1) {
		t->fate = COMPLETE;
		t->remembered = true;
	}
	return MPP_OK;
}

static void twin_start(struct seeded *r)
{
	unsigned i, k;

	for (i = 0; i < INDEXES; i++) {
		struct twin *t = &twin[i];

		*t = (struct twin){.buffer = -1};
		t->count = 2 + (unsigned)seeded_below(r, COUNT_MAX - 1);
		t->piece = seeded_below(r, 2) != 0
				   ? 1152
				   : 1152 + (unsigned)seeded_below(r, 253);
		t->len = (t->count - 1) * t->piece + 1 +
			 (size_t)seeded_below(r, t->piece);
		for (k = 0; k < COUNT_MAX; k++)
			t->highest[k] = -1;
	}
}

static void check_whole(unsigned index, const struct assembled *got)
{
	struct twin *t = &twin[index];
	size_t i;

	assert_int_equal(got->plain.len, t->len);
	for (i = 0; i < t->len; i++)
		assert_int_equal(got->plain.p[i], octet(index, i));
	t->buffer = got->buffer;
}

static void one(struct seeded *r)
{
	unsigned index = (unsigned)seeded_below(r, INDEXES);
	struct twin *t = &twin[index];
	unsigned packet = (unsigned)seeded_below(r, t->count);
	int sequence = (int)seeded_below(r, SEQUENCES);
	struct rud_header h = head(index, t->count, packet, (unsigned)sequence);
	bool was = t->fate == COMPLETE;
	struct assembled got = {{NULL, 0}, 0, 0, false, false};
	mpp_err want = twin_arrive(index, packet, sequence);

	assert_int_equal(arrive(index, &h, (size_t)packet * t->piece,
				piece_of(t, packet), &got),
			 want);
	if (want != MPP_OK)
		return;
	assert_int_equal(got.got, t->got);
	assert_int_equal(got.whole, !was && t->fate == COMPLETE);
	if (got.whole)
		check_whole(index, &got);
	/* Readers give buffers back, in any order. */
	index = (unsigned)seeded_below(r, INDEXES);
	if (twin[index].buffer >= 0) {
		assembly_release(&in, (uint8_t)twin[index].buffer);
		twin[index].buffer = -1;
	}
}

static void test_twin(void **state)
{
	struct seeded r = seeded_from(1);
	unsigned whole = 0, dropped = 0;
	unsigned n;

	(void)state;
	for (n = 0; n < ROUNDS; n++) {
		if (n % 400 == 0) {
			whole += twin_n(COMPLETE);
			dropped += twin_n(DROPPED);
			start(1 + n / 400 % ASSEMBLY_BUFFERS);
			twin_start(&r);
		}
		one(&r);
	}
	print_message("%u whole, %u dropped\n", whole, dropped);
	assert_true(whole > 500 && dropped > 500);
}

/* The last packet first, the first last. */
static void test_backwards(void **state)
{
	struct assembled got = {{NULL, 0}, 0, 0, false, false};
	struct rud_header h;
	unsigned i, k;

	(void)state;
	start(1);
	for (i = 16; i-- > 0;) {
		h = head(9, 16, i, 0);
		assert_int_equal(arrive(9, &h, i * 1152u, 1152, &got), MPP_OK);
		assert_int_equal(got.whole, i == 0);
		assert_int_equal(got.prompt, i == 0 || i == 15);
	}
	assert_int_equal(got.plain.len, DATAGRAM_MAX);
	for (k = 0; k < DATAGRAM_MAX; k++)
		assert_int_equal(got.plain.p[k], octet(9, k));
	/* Its buffer is wiped when nobody reads it any more. */
	assembly_hold(&in, got.buffer);
	assembly_release(&in, got.buffer);
	assert_int_equal(got.plain.p[1], octet(9, 1));
	assembly_release(&in, got.buffer);
	for (k = 0; k < DATAGRAM_MAX; k++)
		assert_int_equal(room[k], 0);
}

/* Lengths and counts that do not go together are dropped before anything is
 * opened, and leave the datagram as it is. */
static void test_lengths(void **state)
{
	static const struct {
		unsigned count, packet;
		size_t len;
		mpp_err err;
	} rows[] = {
		{3, 1, 1152, MPP_OK},
		{3, 0, 1153, MPP_ERR_RANGE}, /* as long as the other */
		{4, 0, 1152, MPP_ERR_RANGE}, /* another count */
		{3, 2, 1153, MPP_ERR_RANGE}, /* longer than the others */
		{3, 2, 0, MPP_ERR_RANGE},    /* empty */
		{3, 0, 1152, MPP_OK},
		{3, 2, 5, MPP_OK},
	};
	static const struct {
		unsigned count, packet;
		size_t len;
	} bad[] = {
		{2, 0, 1151},  /* not a full packet */
		{16, 0, 1404}, /* 15 of these are too many octets */
		{15, 0, 1404},
		{2, 1, 0},
	};
	struct assembled got = {{NULL, 0}, 0, 0, false, false};
	struct rud_header h;
	size_t i;

	(void)state;
	start(2);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		h = head(1, rows[i].count, rows[i].packet, (unsigned)i);
		assert_int_equal(arrive(1, &h, rows[i].packet * 1152u,
					rows[i].len, &got),
				 rows[i].err);
	}
	assert_true(got.whole);
	assert_int_equal(got.plain.len, 2 * 1152 + 5);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		h = head(2, bad[i].count, bad[i].packet, 0);
		assert_int_equal(arrive(2, &h, 0, bad[i].len, &got),
				 MPP_ERR_RANGE);
	}
	/* The last one came first, so the others must be as long at least. */
	h = head(2, 2, 1, 0);
	assert_int_equal(arrive(2, &h, 1300, 1300, &got), MPP_OK);
	h = head(2, 2, 0, 0);
	assert_int_equal(arrive(2, &h, 0, 1299, &got), MPP_ERR_RANGE);
	assert_int_equal(arrive(2, &h, 0, 1300, &got), MPP_OK);
	assert_true(got.whole);
}

/* A datagram that has left the window before it was complete stays so. */
static void test_left_window(void **state)
{
	struct assembled got = {{NULL, 0}, 0, 0, false, false};
	struct rud_header h = head(1, 2, 0, 0);

	(void)state;
	start(2);
	assert_int_equal(arrive(1, &h, 0, 1152, &got), MPP_OK);
	assert_int_equal(window.top, 2);
	h = head(2000, 1, 0, 0);
	assert_int_equal(arrive(2000, &h, 0, 64, &got), MPP_OK);
	assert_true(got.whole && got.prompt);
	assert_int_equal(got.buffer, ASSEMBLY_NONE);
	h = head(1, 2, 1, 0);
	assert_int_equal(arrive(1, &h, 1152, 10, &got), MPP_ERR_REPLAY);
	/* It makes room when there is none. */
	h = head(2001, 2, 0, 0);
	assert_int_equal(arrive(2001, &h, 0, 1152, &got), MPP_OK);
	h = head(2002, 2, 0, 0);
	assert_int_equal(arrive(2002, &h, 0, 1152, &got), MPP_OK);
	h = head(2001, 2, 1, 0);
	assert_int_equal(arrive(2001, &h, 1152, 1, &got), MPP_OK);
	assert_true(got.whole);
}

/* What a connection that is gone has left makes room first. */
static void test_older_connection(void **state)
{
	static uint64_t later_bits[16];
	struct replay later = {0, later_bits, 16};
	struct rud_header h = head(5, 2, 0, 0);
	const struct arrival a = {STREAM + 1, &later, &h};
	static const uint8_t plain[1152];
	struct assembled got = {{NULL, 0}, 0, 0, false, false};

	(void)state;
	start(1);
	h = head(9, 2, 0, 0);
	assert_int_equal(arrive(9, &h, 0, 1152, &got), MPP_OK);
	h = head(5, 2, 0, 0);
	assert_int_equal(assembly_check(&in, &a, 1152), MPP_OK);
	(void)assembly_take(&in, &a, (mpp_bytes){plain, 1152});
	/* Not the other way round. */
	h = head(10, 2, 0, 0);
	assert_int_equal(arrive(10, &h, 0, 1152, &got), MPP_ERR_LIMIT);
	h = head(5, 2, 1, 0);
	assert_int_equal(assembly_check(&in, &a, 3), MPP_OK);
	got = assembly_take(&in, &a, (mpp_bytes){plain, 3});
	assert_true(got.whole);
	assembly_wipe(&in);
}

/* What HTTP carries as one packet waits in a buffer, too. */
static void test_placed(void **state)
{
	static uint8_t long_one[DATAGRAM_MAX + 1];
	struct rud_header h = head(1, 1, 0, 0);
	mpp_bytes plain = {long_one, DATAGRAM_MAX + 1};
	uint8_t first = ASSEMBLY_NONE, second = ASSEMBLY_NONE;

	(void)state;
	start(1);
	memset(long_one, 7, sizeof(long_one));
	assert_int_equal(assembly_place(&in, &h, &plain, &first),
			 MPP_ERR_RANGE);
	plain.len = DATAGRAM_MAX;
	h = head(1, 2, 0, 0);
	assert_int_equal(assembly_place(&in, &h, &plain, &first),
			 MPP_ERR_RANGE);
	assert_ptr_equal(plain.p, long_one);
	h = head(1, 1, 0, 0);
	assert_int_equal(assembly_place(&in, &h, &plain, &first), MPP_OK);
	assert_int_equal(first, 0);
	assert_ptr_equal(plain.p, room);
	assert_memory_equal(plain.p, long_one, DATAGRAM_MAX);
	plain = (mpp_bytes){long_one, 2000};
	assert_int_equal(assembly_place(&in, &h, &plain, &second),
			 MPP_ERR_LIMIT);
	assembly_release(&in, first);
	assert_int_equal(assembly_place(&in, &h, &plain, &second), MPP_OK);
	assembly_wipe(&in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_padded),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_missing_only),
		cmocka_unit_test(test_reordered),
		cmocka_unit_test(test_gives_up),
		cmocka_unit_test(test_foreign_bits),
		cmocka_unit_test(test_twin),
		cmocka_unit_test(test_backwards),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_left_window),
		cmocka_unit_test(test_older_connection),
		cmocka_unit_test(test_placed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
