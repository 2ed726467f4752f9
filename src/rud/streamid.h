/* SPDX-License-Identifier: MIT */
/* streamid.h - stream identifiers that the service issues (docs/protocol.md
 * section 4): AES-128-ECB(sid_key, slot[4] | generation[4] | random[8]).
 * Any number of identifiers name one stream; decrypting gives the slot. */
#ifndef RUD_STREAMID_H
#define RUD_STREAMID_H

#include <mpp/crypto.h>

enum { STREAM_ID_LEN = 16 };

struct stream {
	uint32_t slot;
	uint32_t generation;
};

/* A fresh identifier of a stream, never one that looks like STUN or is all
 * zero. Errors: RANDOM, CRYPTO. */
MPP_MUSTCHECK mpp_err streamid_issue(const mpp_crypto *crypto,
				     const uint8_t key[16], struct stream st,
				     uint8_t out[STREAM_ID_LEN]);

/* Which stream an identifier names; any 16 octets give one. Error: CRYPTO. */
MPP_MUSTCHECK mpp_err streamid_open(const mpp_crypto *crypto,
				    const uint8_t key[16],
				    const uint8_t id[STREAM_ID_LEN],
				    struct stream *out);

/* May these 16 octets begin a packet of ours? Not if they are all zero (a
 * connection datagram) or look like STUN (RFC 8489: first octet below 4 and
 * the magic cookie at 4..7). */
bool streamid_usable(const uint8_t id[STREAM_ID_LEN]);

#endif
