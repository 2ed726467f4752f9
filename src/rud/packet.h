/* SPDX-License-Identifier: MIT */
/* packet.h - data packets (docs/protocol.md section 6):
 *
 *   | stream id 16 | header 16, AES-128-ECB(hdr) | ciphertext | tag 16 |
 *
 * Nonce = salt | datagram index | packet index | packet sequence;
 * associated data = stream id | encrypted header. */
#ifndef RUD_PACKET_H
#define RUD_PACKET_H

#include <mpp/rud.h>

enum {
	PACKET_HEAD = 32, /* stream id and header */
	PACKET_OVERHEAD = PACKET_HEAD + MPP_TAG_LEN,
	PACKET_PLAIN_MAX = MPP_PACKET_SIZE - PACKET_OVERHEAD, /* 1152 */
	/* Of the longest packet there is, to who says that he can read it. */
	PACKET_PLAIN_LARGEST = MPP_PACKET_MAX - PACKET_OVERHEAD, /* 1404 */
	RESET_TOKEN_LEN = 16,
	RESET_MIN = 32, /* stateless reset: random octets and the token */
	RESET_MAX = 40,
	FLAG_FINAL = 1,
	FLAG_ACK = 4,
	FLAG_ACK_WANTED = 8,
};

/* Keys of one direction, made from Noise's split key. */
struct rud_keys {
	uint8_t key[32];
	uint8_t salt[4];
	uint8_t hdr[16];
};

struct rud_header {
	uint64_t index; /* of the datagram, 48 bits */
	uint8_t flags;
	uint8_t count;      /* packets in the datagram, 1..16 */
	uint8_t packet;     /* 0..count-1 */
	uint8_t sequence;   /* 0 first sending, at most 15 */
	uint32_t ack_index; /* low 32 bits of what is acknowledged */
	uint16_t ack_bits;  /* bit i: its packet i came */
};

/* Errors: CRYPTO. */
MPP_MUSTCHECK mpp_err rud_keys_derive(const mpp_crypto *crypto,
				      const uint8_t k[32],
				      struct rud_keys *out);

/* Tell them, if somebody is to be told. connection: the device's identifier. */
void rud_keys_tell(const mpp_key_log *log, bool to_service,
		   const uint8_t connection[16], const struct rud_keys *keys);

/* How long a plaintext of n octets becomes (n <= PACKET_PLAIN_MAX): the next
 * multiple of the quantum, or the end of the packet. quantum: what the peer
 * announced; 0: 64 up to 448 octets, else 16. */
size_t packet_padded(size_t n, unsigned quantum);
/* The same with another end of the packet (n <= most). */
size_t packet_padded_to(size_t n, unsigned quantum, size_t most);

/* Seal in place: the padded plaintext of n octets stands at p + PACKET_HEAD;
 * p has room for n + PACKET_OVERHEAD, which is the packet's length.
 * Error: CRYPTO. */
MPP_MUSTCHECK mpp_err packet_seal(const mpp_crypto *crypto,
				  const struct rud_keys *keys,
				  const uint8_t id[16],
				  const struct rud_header *h, uint8_t *p,
				  size_t n);

/* Decrypt the header of a packet (at least PACKET_OVERHEAD octets) and check
 * its shape. Errors: RANGE (flags, count, index or sequence not allowed),
 * CRYPTO. Nothing is authentic yet. */
MPP_MUSTCHECK mpp_err packet_header(const mpp_crypto *crypto,
				    const struct rud_keys *keys,
				    const uint8_t *p, struct rud_header *out);

/* Open in place; the plaintext is at p + PACKET_HEAD.
 * Errors: AUTH, CRYPTO; the packet is spoilt then. */
MPP_MUSTCHECK mpp_err packet_open(const mpp_crypto *crypto,
				  const struct rud_keys *keys,
				  const struct rud_header *h, uint8_t *p,
				  size_t len);

#endif
