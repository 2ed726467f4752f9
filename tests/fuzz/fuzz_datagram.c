/* SPDX-License-Identifier: MIT */
/* Packets of datagrams of several packets, as a device puts them together: ten
 * octets each, from which stream, index, count, packet, sequence and length are
 * taken. Invariants: what is whole has every octet where its packet put it; no
 * (index, packet, sequence) is taken twice; buffers are never lost, and are
 * empty when they are given back. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "rud/datagram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEP = 10, INDEXES = 64, STREAMS = 3 };

static struct assemblies in;
static uint8_t room[ASSEMBLY_BUFFERS * DATAGRAM_MAX];
static uint64_t bits[STREAMS][2];
static struct replay windows[STREAMS];
/* The highest sequence plus one that was taken. */
static uint8_t taken[STREAMS][INDEXES][DATAGRAM_PACKETS];

static void need(bool ok)
{
	if (!ok)
		abort();
}

static void start(unsigned buffers)
{
	unsigned i;

	memset(&in, 0, sizeof(in));
	memset(room, 0, sizeof(room));
	memset(bits, 0, sizeof(bits));
	memset(taken, 0, sizeof(taken));
	in.room = room;
	in.buffers = (uint8_t)buffers;
	for (i = 0; i < STREAMS; i++)
		windows[i] = (struct replay){0, bits[i], 2};
}

/* Each piece begins and ends with what says where it belongs. */
static void fill(uint8_t *p, size_t len, const struct rud_header *h)
{
	memset(p, 0x55, len);
	p[0] = (uint8_t)(h->packet + 1);
	p[len - 1] = (uint8_t)(h->packet + 1);
}

static void check_whole(const struct assembled *got, unsigned count,
			size_t last)
{
	const size_t piece = (got->plain.len - last) / (count - 1);
	size_t at = 0, len;
	unsigned i;

	need(got->plain.len <= DATAGRAM_MAX && piece >= last);
	for (i = 0; i < count; i++) {
		len = i + 1 < count ? piece : got->plain.len - at;
		need(got->plain.p[at] == i + 1);
		need(got->plain.p[at + len - 1] == i + 1);
		at += len;
	}
}

static size_t last_of(const struct arrival *a)
{
	unsigned i;

	for (i = 0; i < ASSEMBLY_RECORDS; i++) {
		if (in.a[i].stream == a->stream && in.a[i].index == a->h->index)
			return in.a[i].last;
	}
	abort();
}

static void one(const uint8_t *d)
{
	static uint8_t plain[MPP_PACKET_MAX];
	const unsigned stream = d[0] % STREAMS;
	const struct rud_header h = {.index = d[1] % INDEXES,
				     .count = (uint8_t)(1 + d[2] % 16),
				     .packet =
					     (uint8_t)(d[3] % (1 + d[2] % 16)),
				     .sequence = d[4] % 16};
	const struct arrival a = {stream + 1, &windows[stream], &h};
	const size_t len = (size_t)(d[5] << 8 | d[6]) % 1405;
	struct assembled got;
	uint8_t *mark = &taken[stream][h.index][h.packet];

	if (len == 0 || assembly_check(&in, &a, len) != MPP_OK)
		return;
	/* Only the newest connection never makes room for another one. */
	need(h.count == 1 || stream + 1 < STREAMS || h.sequence >= *mark);
	*mark = (uint8_t)(h.sequence + 1);
	fill(plain, len, &h);
	got = assembly_take(&in, &a, (mpp_bytes){plain, len});
	if (!got.whole || h.count == 1)
		return;
	check_whole(&got, h.count, last_of(&a));
	if (d[7] % 4 == 0)
		return; /* its reader keeps it */
	assembly_release(&in, got.buffer);
	need(mem_is_zero(room + (size_t)got.buffer * DATAGRAM_MAX,
			 DATAGRAM_MAX));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned i, under_way = 0;

	if (size == 0)
		return 0;
	start(1 + data[0] % ASSEMBLY_BUFFERS);
	for (data++, size--; size >= STEP; data += STEP, size -= STEP)
		one(data);
	for (i = 0; i < ASSEMBLY_RECORDS; i++)
		under_way += in.a[i].stream != 0 &&
			     in.a[i].buffer != ASSEMBLY_NONE;
	need(under_way <= in.buffers);
	for (i = 0; i < in.buffers; i++)
		need(in.users[i] <= 1);
	return 0;
}
