/* SPDX-License-Identifier: MIT */
/* connect.h - connection datagrams (docs/protocol.md section 5).
 *
 * initiator: zero[16] | u8 type | int version | int suite | bytes reply_id |
 *            extension list | bytes noise_message | zero padding to 1200
 * responder: reply_id[16] | u8 type | int version | int suite |
 *            extension list | bytes noise_message */
#ifndef RUD_CONNECT_H
#define RUD_CONNECT_H

#include <mpp/rud.h>

#include "rud/ext.h"

enum {
	RUD_VERSION = 1,
	REPLY_ID_LEN = 16,
};

enum rud_initiator_type {
	RUD_INIT_ERROR = 0,
	RUD_INIT_HELLO = 2,
	RUD_INIT_EXCHANGE = 3,
	RUD_INIT_COMPLETE = 4,
	RUD_INIT_TICKET = 5,
};

enum rud_responder_type {
	RUD_RESP_ERROR = 0,
	RUD_RESP_CHALLENGE = 2,
	RUD_RESP_COMPLETE = 3,
};

/* A connection datagram taken apart; slices point into it. */
struct connect {
	uint8_t type;
	uint64_t version;
	uint64_t suite;
	mpp_bytes reply_id; /* 16 */
	struct ext ext;
	mpp_bytes noise;
	mpp_bytes prologue; /* every byte before the length of noise */
	mpp_bytes padding;  /* behind it; initiator only */
};

/* Only the fields that keep their place in all versions. When this works and
 * version is not RUD_VERSION, the rest cannot be read. The error is that of
 * the whole datagram: TRUNCATED, SYNTAX (reply_id is not 16 octets), RANGE
 * (too short or long for an initiator, or not beginning with zeros), or those
 * of ext_read(). version, type and reply_id are set when err is VERSION. */
MPP_MUSTCHECK mpp_err connect_read_initiator(mpp_bytes in, struct connect *out);
/* The same of one that HTTP carried: it need not be long (section 15). */
MPP_MUSTCHECK mpp_err connect_read_carried(mpp_bytes in, struct connect *out);
/* As above for a responder's datagram, whose reply_id leads. */
MPP_MUSTCHECK mpp_err connect_read_responder(mpp_bytes in, struct connect *out);

/* Write up to the extension list; the list's end is the caller's. */
void connect_begin_initiator(struct wr *w, uint8_t type, unsigned suite,
			     const uint8_t reply_id[REPLY_ID_LEN]);
void connect_begin_responder(struct wr *w, uint8_t type, unsigned suite,
			     const uint8_t *reply_id);
/* Pad an initiator's datagram to MPP_PACKET_SIZE when it is shorter. */
void connect_pad(struct wr *w);

/* A Suites value: ints one after the other, best first. */
bool suites_contain(mpp_bytes suites, unsigned suite);

#endif
