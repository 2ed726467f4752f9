/* SPDX-License-Identifier: MIT */
/** @file mpp/rud.h  Sizes and shapes of RUD datagrams that hosts need
 * (docs/protocol.md sections 5 and 6; draft-hallambaker-mesh-rud). */
#ifndef MPP_RUD_H
#define MPP_RUD_H

#include <mpp/crypto.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	MPP_PACKET_MAX = 1452,   /**< longest packet ever sent or read */
	MPP_DATAGRAM_MAX = 1664, /**< room of a datagram: STUN with padding can
				      be longer than a packet */
	MPP_PACKET_SIZE = 1200,  /**< size unless agreed otherwise */
	MPP_ACCOUNT_MAX = 255,   /**< octets of an account name */
	MPP_STORE_MAX = 64,      /**< octets of a store name */
	MPP_DIGEST_MAX = 64,     /**< octets of a store digest */
	MPP_INVITATION_LEN = 16, /**< octets of an invitation's secret */
	MPP_INSTANCE_LEN = 8,
};

/** Both clocks at one moment; taken once per batch by the host. */
typedef struct mpp_instant {
	mpp_time mono;
	mpp_wall wall;
} mpp_instant;

/** The keys of one direction of a connection. Everything is borrowed. */
typedef struct mpp_key_entry {
	bool to_service;           /**< from the device to the service */
	const uint8_t *connection; /**< 16: the device's first identifier, which
				      both sides know */
	const uint8_t *hdr;        /**< 16: encrypts headers */
	const uint8_t *key;        /**< 32: seals contents */
	const uint8_t *salt;       /**< 4: begins nonces */
} mpp_key_entry;

/** INSECURE, for looking at captured datagrams only: is told the keys of every
 * connection that is made, before anything is sent with them. Zeroed: nobody
 * is told. */
typedef struct mpp_key_log {
	/** @param e borrowed; do not call back into the library */
	void (*tell)(void *arg, const mpp_key_entry *e);
	void *arg;
} mpp_key_log;

/** One datagram to send. */
typedef struct mpp_datagram {
	mpp_addr to;
	uint16_t len;
	uint8_t data[MPP_DATAGRAM_MAX];
} mpp_datagram;

/** A batch of datagrams to send: slots[0 .. n) are filled. */
typedef struct mpp_outbox {
	mpp_datagram *slots;
	size_t cap;
	size_t n;
} mpp_outbox;

/** The status of a store (docs/protocol.md section 11). */
typedef struct mpp_store_status {
	mpp_bytes store; /**< name, UTF-8, 1..MPP_STORE_MAX octets */
	uint64_t index;
	mpp_bytes digest; /**< 0..MPP_DIGEST_MAX octets */
} mpp_store_status;

/** Status codes of responses (docs/protocol.md section 11). */
enum {
	MPP_STATUS_OK = 0,
	MPP_STATUS_MALFORMED = 400,
	MPP_STATUS_UNAUTHENTIC = 401,
	MPP_STATUS_FORBIDDEN = 403,
	MPP_STATUS_TIMEOUT = 408,
	MPP_STATUS_OLDER = 409,
	MPP_STATUS_EXPIRED = 410,
	MPP_STATUS_TOO_LARGE = 413,
	MPP_STATUS_TOO_MANY = 429,
	MPP_STATUS_OVERLOADED = 503,
};

#ifdef __cplusplus
}
#endif
#endif
