/* SPDX-License-Identifier: MIT */
/* datagram.h - datagrams of 2 to 16 packets (docs/protocol.md sections 6, 7):
 * the plaintext is cut into pieces, each packet is sealed by itself, and only
 * packets that are missing are sent again, with the next sequence.
 *
 *   struct datagram_out  one on its way out: what arrived, what flies, and how
 *                        much may
 *   struct assemblies    those that come in, put together in lent memory */
#ifndef RUD_DATAGRAM_H
#define RUD_DATAGRAM_H

#include "rud/packet.h"
#include "rud/replay.h"

enum {
	DATAGRAM_PACKETS = 16,
	DATAGRAM_MAX = DATAGRAM_PACKETS * PACKET_PLAIN_MAX, /* of plaintext */
	SEQUENCES = 16,       /* a packet is sent so often at most */
	ACK_DELAY_US = 25000, /* for more of the same datagram to come */
	WINDOW_FIRST = 4,     /* packets in flight before anything is known */
	WINDOW_FULL = 10,
	WINDOW_LEAST = 2,
};

/* ---- going out ---- */

struct datagram_out {
	uint64_t index;
	uint16_t len;           /* of the padded plaintext */
	uint16_t piece;         /* of it in every packet but the last */
	uint16_t acked, flying; /* bit i: packet i */
	uint16_t sends;         /* all so far */
	uint8_t count;          /* packets */
	uint8_t window;         /* packets that may fly at a time */
	uint8_t sequence[DATAGRAM_PACKETS]; /* of the next sending */
	uint16_t order[DATAGRAM_PACKETS];   /* the newest one was number .. */
};

/* How long n octets of plaintext become (n <= DATAGRAM_MAX): the next multiple
 * of the quantum (0: 16), or the end of the last packet. */
size_t datagram_padded(size_t n, unsigned quantum, size_t piece);

/* Begin: len octets in pieces of `piece`, more than one of them. known: there
 * is a round-trip sample of the path. */
void datagram_cut(struct datagram_out *d, uint64_t index, size_t len,
		  size_t piece, bool known);

/* The packet that may go out now, or -1: the window is full, or all that is
 * missing flies already. */
int datagram_next(const struct datagram_out *d);

/* Is a packet missing that was sent as often as a packet may be? */
bool datagram_stuck(const struct datagram_out *d);

/* Count a sending of packet i (of datagram_next()), before it is sealed:
 * count, packet and sequence of its header. */
struct rud_header datagram_take(struct datagram_out *d, unsigned i);

/* Where its plaintext stands, and how long that is. */
struct datagram_piece {
	size_t at, len;
};
struct datagram_piece datagram_piece(const struct datagram_out *d, unsigned i);

/* The bits of an acknowledgement: what was sent before a packet that arrived
 * is missing, and halves the window. */
struct datagram_ack {
	bool news;   /* at least one packet was not known to have come */
	bool all;    /* every packet has come */
	bool sample; /* it came of the newest sending, and that was the first
			of its packet */
	bool prompt; /* and the receiver had no reason to wait */
};
struct datagram_ack datagram_acked(struct datagram_out *d, uint16_t bits);

/* The timer ran out: what flies is taken as lost. */
void datagram_timeout(struct datagram_out *d);

/* ---- coming in ---- */

enum {
	ASSEMBLY_BUFFERS = 8,  /* at most */
	ASSEMBLY_RECORDS = 16, /* what is under way, and the newest complete */
	ASSEMBLY_NONE = 0xff,
};

struct assembly {
	uint64_t index;
	uint32_t stream; /* 0: free */
	uint16_t got;    /* bit i: packet i */
	uint16_t piece, last;
	uint8_t count;
	uint8_t buffer;                 /* ASSEMBLY_NONE: complete */
	uint8_t next[DATAGRAM_PACKETS]; /* lowest sequence to be opened */
};

struct assemblies {
	struct assembly a[ASSEMBLY_RECORDS];
	uint8_t *room; /* lent: DATAGRAM_MAX for each buffer */
	uint8_t buffers;
	uint8_t users[ASSEMBLY_BUFFERS]; /* 0: free */
};

/* A packet that came: stream is a number above 0, higher for later
 * connections; window is that of its connection. */
struct arrival {
	uint32_t stream;
	struct replay *window;
	const struct rud_header *h;
};

/* May the packet, with n octets of plaintext, be opened? Errors: REPLAY (seen
 * already, or too old), RANGE (does not go with the packets before), LIMIT (no
 * room for it). */
MPP_MUSTCHECK mpp_err assembly_check(const struct assemblies *s,
				     const struct arrival *in, size_t n);

struct assembled {
	mpp_bytes plain; /* whole: of the datagram, in order */
	uint16_t got;    /* the packets that came so far */
	uint8_t buffer;  /* where plain stands; ASSEMBLY_NONE: in the packet */
	bool whole;      /* this packet made the datagram complete */
	bool prompt;     /* nothing is gained by waiting to acknowledge */
};

/* It was checked and opened: note it, and keep its plaintext. When the datagram
 * is whole, the buffer is the caller's until assembly_release(). */
struct assembled assembly_take(struct assemblies *s, const struct arrival *in,
			       mpp_bytes plain);

/* A whole datagram that came in one packet longer than any path carries, as
 * HTTP does: put into a buffer, which is the caller's until assembly_release().
 * Errors: RANGE (it says to be one of several, or is longer than a datagram
 * may be), LIMIT (no buffer is free). */
MPP_MUSTCHECK mpp_err assembly_place(struct assemblies *s,
				     const struct rud_header *h,
				     mpp_bytes *plain, uint8_t *buffer);

/* One more, or one less, reads the buffer; ASSEMBLY_NONE is allowed. */
void assembly_hold(struct assemblies *s, uint8_t buffer);
void assembly_release(struct assemblies *s, uint8_t buffer);
void assembly_wipe(struct assemblies *s);

#endif
