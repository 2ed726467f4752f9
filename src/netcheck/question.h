/* SPDX-License-Identifier: MIT */
/* question.h - the Binding requests of a check, and which answers count.
 *
 * A question is repeated until it is answered, with RFC 8489's intervals
 * (6.2.1), which here stop growing at four times the first one, because a check
 * has to end soon. An answer counts when it brings the random id of its
 * question, on the socket where it is awaited, from the address it should come
 * from: nobody beside the path can forge one.
 *
 * Questions stay in the list when they are done: results are read from it.
 * No heap, no I/O, no clock. */
#ifndef NETCHECK_QUESTION_H
#define NETCHECK_QUESTION_H

#include <mpp/crypto.h>
#include <mpp/rud.h>

#include "stun/stun.h"

enum {
	QUESTIONS_MAX = 112,
	QUESTION_RTO_MS = 500,    /* to the first repetition (RFC 8489 6.2.1) */
	QUESTION_PACE_US = 25000, /* between two datagrams: a service answers
				     50 a second */
	QUESTION_SENDS = 5,
};

enum question_purpose {
	FOR_REACH = 1, /* index: which address of the service */
	FOR_MAPPING,   /* index: enum path_alternate */
	FOR_FILTERING, /* index: enum path_filter */
	FOR_TRIP,      /* index: number of the round trip */
	FOR_UP,        /* index: which size, request only */
	FOR_PADDING,   /* does the server pad its answers? */
	FOR_DOWN,      /* index: which size of the answer */
	FOR_HAIRPIN,   /* index: 0 there, 1 back */
	FOR_LIFE_OPEN, /* index: which span */
	FOR_LIFE_ASK,  /* index: which span */
};

enum question_state {
	QUESTION_WAITING = 1,
	QUESTION_ANSWERED,
	QUESTION_SILENT,  /* given up */
	QUESTION_DROPPED, /* the answer is not needed any more */
};

struct question {
	enum question_purpose purpose;
	unsigned index;
	enum question_state state;
	uint8_t from; /* socket that it leaves from */
	uint8_t at;   /* and the one where the answer is awaited */
	mpp_addr to;
	mpp_addr expect; /* where the answer comes from */
	uint8_t id[STUN_ID_LEN];

	/* The request: STUN_HAS_…, and octets of the whole datagram, which an
	 * attribute that servers skip fills up; 0: as long as it is. */
	unsigned has;
	unsigned change;
	uint16_t response_port;
	size_t padding;
	size_t length;

	unsigned sends;
	unsigned sends_max;
	mpp_time next; /* when it is sent, repeated, or given up */
	mpp_time first;
	mpp_time last;

	/* The answer. */
	mpp_time answered;
	bool misplaced; /* not from where it was asked to come from */
	unsigned error; /* of STUN; 0: success */
	mpp_addr mapped;
	mpp_addr other;
	size_t answer_len; /* octets of the whole datagram */
};

struct questions {
	struct question list[QUESTIONS_MAX];
	size_t n;
	const mpp_crypto *crypto; /* lent */
	mpp_err err;              /* sticky: no randomness, no room */
	uint32_t rto_ms;
	mpp_time quiet_until; /* nothing is sent before */
};

void questions_init(struct questions *qs, const mpp_crypto *crypto);

/* One more, to be sent at once; the caller fills in what differs before the
 * next call. Never NULL: after an error it is one that nobody sees. */
struct question *questions_add(struct questions *qs,
			       enum question_purpose purpose, unsigned index,
			       uint8_t socket, const mpp_addr *to);

/* The next one to send now, counted as sent; those whose time is up are given
 * up. @return NULL: none */
struct question *questions_due(struct questions *qs, mpp_time now);
/* When questions_due() has something to do; NEVER: all are done. */
mpp_time questions_deadline(const struct questions *qs);
/* The datagram. Errors: NOSPACE. */
MPP_MUSTCHECK mpp_err question_write(const struct question *q, mpp_buf *out);

/* A datagram came. @return the question that it answers, else NULL: it is none
 * of ours, or forged, or late */
struct question *questions_receive(struct questions *qs, uint8_t socket,
				   const mpp_addr *from, mpp_bytes in,
				   mpp_time now);

/* NULL: there is none. */
const struct question *questions_find(const struct questions *qs,
				      enum question_purpose purpose,
				      unsigned index);
/* Is any of this purpose waiting? */
bool questions_waiting(const struct questions *qs,
		       enum question_purpose purpose);
/* Was it asked and answered, with success? */
bool question_ok(const struct question *q);

bool addr_same_ip(const mpp_addr *a, const mpp_addr *b);
bool addr_same(const mpp_addr *a, const mpp_addr *b);

#endif
