/* SPDX-License-Identifier: MIT */
/* datagram.c - datagrams of several packets, going out and coming in.
 * Contract: datagram.h. */
#include "rud/datagram.h"

#include "base/mem.h"

static uint16_t bit(unsigned i)
{
	return (uint16_t)(1u << (i % DATAGRAM_PACKETS));
}

static uint16_t all_of(unsigned count)
{
	return (uint16_t)((1u << count) - 1);
}

static unsigned bits_in(uint16_t v)
{
	unsigned n = 0;

	for (; v != 0; v &= (uint16_t)(v - 1))
		n++;
	return n;
}

/* ---- going out ---- */

size_t datagram_padded(size_t n, unsigned quantum, size_t piece)
{
	size_t unit = quantum != 0 ? quantum : 16;
	size_t padded = (n + unit - 1) / unit * unit;
	size_t end = (n + piece - 1) / piece * piece;

	if (end > DATAGRAM_MAX)
		end = DATAGRAM_MAX;
	return padded < end ? padded : end;
}

void datagram_cut(struct datagram_out *d, uint64_t index, size_t len,
		  size_t piece, bool known)
{
	*d = (struct datagram_out){
		.index = index,
		.len = (uint16_t)len,
		.piece = (uint16_t)piece,
		.count = (uint8_t)((len + piece - 1) / piece),
		.window = known ? WINDOW_FULL : WINDOW_FIRST,
	};
}

static uint16_t missing(const struct datagram_out *d)
{
	return all_of(d->count) & (uint16_t)~d->acked;
}

int datagram_next(const struct datagram_out *d)
{
	const uint16_t here = missing(d) & (uint16_t)~d->flying;
	unsigned i;

	if (bits_in(d->flying) >= d->window)
		return -1;
	for (i = 0; i < d->count; i++) {
		if ((here & bit(i)) != 0 && d->sequence[i] < SEQUENCES)
			return (int)i;
	}
	return -1;
}

bool datagram_stuck(const struct datagram_out *d)
{
	const uint16_t here = missing(d) & (uint16_t)~d->flying;
	unsigned i;

	for (i = 0; i < d->count; i++) {
		if ((here & bit(i)) != 0 && d->sequence[i] == SEQUENCES)
			return true;
	}
	return false;
}

struct rud_header datagram_take(struct datagram_out *d, unsigned i)
{
	d->flying |= bit(i);
	d->order[i] = ++d->sends;
	return (struct rud_header){.index = d->index,
				   .count = d->count,
				   .packet = (uint8_t)i,
				   .sequence = d->sequence[i]++};
}

struct datagram_piece datagram_piece(const struct datagram_out *d, unsigned i)
{
	size_t at = (size_t)i * d->piece;

	return (struct datagram_piece){at, i + 1u == d->count ? d->len - at
							      : d->piece};
}

/* The window after packets were found to be missing. */
static void halve(struct datagram_out *d)
{
	d->window /= 2;
	if (d->window < WINDOW_LEAST)
		d->window = WINDOW_LEAST;
}

/* The newest sending of which we know that it arrived. Which of several
 * sendings of a packet did is not known. */
static uint16_t newest_known(const struct datagram_out *d, uint16_t fresh)
{
	uint16_t newest = 0;
	unsigned i;

	for (i = 0; i < d->count; i++) {
		if ((fresh & bit(i)) != 0 && d->sequence[i] == 1 &&
		    d->order[i] > newest)
			newest = d->order[i];
	}
	return newest;
}

static uint16_t overtaken(const struct datagram_out *d, uint16_t order)
{
	uint16_t late = 0;
	unsigned i;

	for (i = 0; i < d->count; i++) {
		if ((d->flying & bit(i)) != 0 && d->order[i] < order)
			late |= bit(i);
	}
	return late;
}

static void grow(struct datagram_out *d, unsigned n)
{
	d->window = (uint8_t)(d->window + n);
	if (d->window > WINDOW_FULL)
		d->window = WINDOW_FULL;
}

struct datagram_ack datagram_acked(struct datagram_out *d, uint16_t bits)
{
	const uint16_t fresh = bits & missing(d);
	const uint16_t newest = newest_known(d, fresh);
	struct datagram_ack a = {.news = fresh != 0};
	uint16_t late;

	d->acked |= fresh;
	d->flying &= (uint16_t)~fresh;
	a.all = missing(d) == 0;
	a.sample = newest != 0 && newest == d->sends;
	a.prompt = a.all || (fresh & bit(d->count - 1u)) != 0;
	late = overtaken(d, newest);
	d->flying &= (uint16_t)~late;
	if (late != 0)
		halve(d);
	else
		grow(d, bits_in(fresh));
	return a;
}

void datagram_timeout(struct datagram_out *d)
{
	d->flying = 0;
	halve(d);
}

/* ---- coming in ---- */

/* Its record, or -1. */
static int find(const struct assemblies *s, const struct arrival *in)
{
	int i = ASSEMBLY_RECORDS - 1;

	while (i >= 0 &&
	       (s->a[i].stream != in->stream || s->a[i].index != in->h->index))
		i--;
	return i;
}

static bool older(const struct assembly *a, uint32_t stream, uint64_t index)
{
	return a->stream < stream || (a->stream == stream && a->index < index);
}

static bool under_way(const struct assembly *a)
{
	return a->stream != 0 && a->buffer != ASSEMBLY_NONE;
}

/* The oldest that is under way and older than this one, or -1. */
static int oldest_under_way(const struct assemblies *s,
			    const struct arrival *in)
{
	int found = -1, i;

	for (i = 0; i < ASSEMBLY_RECORDS; i++) {
		const struct assembly *a = &s->a[i];

		if (!under_way(a) || !older(a, in->stream, in->h->index))
			continue;
		if (found < 0 ||
		    older(a, s->a[found].stream, s->a[found].index))
			found = i;
	}
	return found;
}

static uint8_t free_buffer(const struct assemblies *s)
{
	uint8_t i;

	for (i = 0; i < s->buffers; i++) {
		if (s->users[i] == 0)
			return i;
	}
	return ASSEMBLY_NONE;
}

/* Lengths that no datagram has, together with what came before. */
static bool fits(const struct assembly *a, const struct rud_header *h, size_t n)
{
	const bool is_last = h->packet + 1u == h->count;
	size_t piece = is_last ? a->piece : n;
	size_t last = is_last ? n : a->last;

	if (a->count != 0 && a->count != h->count)
		return false;
	if (n == 0 || (!is_last && n < PACKET_PLAIN_MAX))
		return false;
	if (!is_last && a->piece != 0 && a->piece != n)
		return false;
	if (is_last && a->last != 0 && a->last != n)
		return false;
	if (piece != 0 && last > piece)
		return false;
	return (h->count - 1u) * piece + (last != 0 ? last : 1) <= DATAGRAM_MAX;
}

mpp_err assembly_check(const struct assemblies *s, const struct arrival *in,
		       size_t n)
{
	static const struct assembly nothing;
	const struct rud_header *h = in->h;
	const bool fresh = replay_fresh(in->window, h->index);
	const int i = h->count == 1 ? -1 : find(s, in);
	const struct assembly *a = i < 0 ? &nothing : &s->a[i];

	if (i < 0 && !fresh)
		return MPP_ERR_REPLAY;
	if (h->count == 1)
		return MPP_OK;
	if (!fits(a, h, n))
		return MPP_ERR_RANGE;
	if (i < 0 && free_buffer(s) == ASSEMBLY_NONE &&
	    oldest_under_way(s, in) < 0)
		return MPP_ERR_LIMIT;
	if (i < 0)
		return MPP_OK;
	/* What is under way and has left the window stays incomplete. */
	if (h->sequence < a->next[h->packet] ||
	    (!fresh && a->buffer != ASSEMBLY_NONE))
		return MPP_ERR_REPLAY;
	return MPP_OK;
}

/* A record: a free one, else that of the oldest complete datagram. There is
 * always one, because there are more records than buffers. */
static struct assembly *take_record(struct assemblies *s)
{
	struct assembly *found = &s->a[0];
	unsigned i;

	for (i = 1; i < ASSEMBLY_RECORDS; i++) {
		struct assembly *a = &s->a[i];

		if (!under_way(a) &&
		    (under_way(found) || older(a, found->stream, found->index)))
			found = a;
	}
	return found;
}

/* The oldest makes room. It will not be put together any more, so nothing of it
 * is opened a second time. */
static uint8_t take_buffer(struct assemblies *s, const struct arrival *in)
{
	uint8_t i = free_buffer(s);
	struct assembly *a;

	if (i == ASSEMBLY_NONE) {
		a = &s->a[oldest_under_way(s, in)];
		i = a->buffer;
		assembly_release(s, i);
		if (a->stream == in->stream &&
		    replay_fresh(in->window, a->index))
			replay_mark(in->window, a->index);
		a->stream = 0;
	}
	s->users[i] = 1;
	return i;
}

static struct assembly *begin(struct assemblies *s, const struct arrival *in)
{
	uint8_t buffer = take_buffer(s, in);
	struct assembly *a = take_record(s);

	*a = (struct assembly){.index = in->h->index,
			       .stream = in->stream,
			       .count = in->h->count,
			       .buffer = buffer};
	return a;
}

/* The last packet may come before the others have told how long they are: it
 * waits at the end of the buffer. */
static void keep(struct assembly *a, uint8_t *room, unsigned packet,
		 mpp_bytes plain)
{
	if (packet + 1u == a->count) {
		a->last = (uint16_t)plain.len;
		memcpy(room + DATAGRAM_MAX - plain.len, plain.p, plain.len);
	} else {
		a->piece = (uint16_t)plain.len;
		memcpy(room + packet * plain.len, plain.p, plain.len);
	}
	a->got |= bit(packet);
}

static mpp_bytes join(const struct assembly *a, uint8_t *room)
{
	size_t at = (a->count - 1u) * (size_t)a->piece;

	memmove(room + at, room + DATAGRAM_MAX - a->last, a->last);
	return (mpp_bytes){room, at + a->last};
}

struct assembled assembly_take(struct assemblies *s, const struct arrival *in,
			       mpp_bytes plain)
{
	const struct rud_header *h = in->h;
	struct assembled out = {plain, 1, ASSEMBLY_NONE, true, true};
	struct assembly *a;
	uint8_t *room;
	int i;

	if (h->count == 1) {
		replay_mark(in->window, h->index);
		return out;
	}
	i = find(s, in);
	a = i < 0 ? begin(s, in) : &s->a[i];
	replay_raise(in->window, h->index);
	a->next[h->packet] = (uint8_t)(h->sequence + 1);
	out.whole = false;
	if ((a->got & bit(h->packet)) != 0) {
		out.got = a->got; /* sent again: our answer was lost */
		return out;
	}
	room = s->room + (size_t)a->buffer * DATAGRAM_MAX;
	keep(a, room, h->packet, plain);
	out.got = a->got;
	out.prompt = h->packet + 1u == h->count;
	if (a->got != all_of(a->count))
		return out;
	replay_mark(in->window, h->index);
	out.plain = join(a, room);
	out.buffer = a->buffer;
	out.whole = out.prompt = true;
	a->buffer = ASSEMBLY_NONE;
	return out;
}

mpp_err assembly_place(struct assemblies *s, const struct rud_header *h,
		       mpp_bytes *plain, uint8_t *buffer)
{
	const uint8_t i = free_buffer(s);

	if (h->count != 1 || plain->len > DATAGRAM_MAX)
		return MPP_ERR_RANGE;
	if (i == ASSEMBLY_NONE)
		return MPP_ERR_LIMIT;
	s->users[i] = 1;
	*buffer = i;
	memcpy(s->room + (size_t)i * DATAGRAM_MAX, plain->p, plain->len);
	plain->p = s->room + (size_t)i * DATAGRAM_MAX;
	return MPP_OK;
}

void assembly_hold(struct assemblies *s, uint8_t buffer)
{
	if (buffer != ASSEMBLY_NONE)
		s->users[buffer]++;
}

void assembly_release(struct assemblies *s, uint8_t buffer)
{
	if (buffer == ASSEMBLY_NONE || --s->users[buffer] != 0)
		return;
	mem_wipe(s->room + (size_t)buffer * DATAGRAM_MAX, DATAGRAM_MAX);
}

void assembly_wipe(struct assemblies *s)
{
	uint8_t i;

	for (i = 0; i < s->buffers; i++) {
		if (s->users[i] != 0)
			mem_wipe(s->room + (size_t)i * DATAGRAM_MAX,
				 DATAGRAM_MAX);
	}
}
