/* SPDX-License-Identifier: MIT */
/* stun.h - messages of STUN (RFC 8489) and of NAT behaviour discovery with it
 * (RFC 5780), both directions: requests are made by clients and read by the
 * service, answers the other way round. Binding is the only method.
 *
 * Pure functions. What is read points into the datagram and is valid as long
 * as that is. Of an attribute that stands in a message twice the first one
 * counts; what follows MESSAGE-INTEGRITY is skipped, FINGERPRINT excepted.
 * Nothing is authenticated: attributes of credentials are known and skipped.
 * docs/protocol.md section 16 */
#ifndef STUN_STUN_H
#define STUN_STUN_H

#include <mpp/base.h>

enum {
	STUN_HEADER_LEN = 20,
	STUN_ID_LEN = 12, /* of a transaction */
	STUN_BINDING = 1, /* method */
	STUN_UNKNOWN_MAX = 16,
	STUN_BAD_REQUEST = 400, /* error codes */
	STUN_UNKNOWN_ATTRIBUTE = 420,
};

/* As on the wire. */
enum stun_class {
	STUN_REQUEST = 0,
	STUN_INDICATION = 1,
	STUN_SUCCESS = 2,
	STUN_ERROR = 3,
};

/* Bits of CHANGE-REQUEST. */
enum {
	STUN_CHANGE_PORT = 2,
	STUN_CHANGE_IP = 4,
};

/* Which attributes are there whose value may be zero. */
enum {
	STUN_HAS_CHANGE = 1,
	STUN_HAS_RESPONSE_PORT = 2,
	STUN_HAS_PADDING = 4,
	STUN_HAS_INTEGRITY = 8,
	STUN_HAS_FINGERPRINT = 16, /* and it is right */
};

/* A message that was read. Addresses that it does not bring have the family
 * 0. */
struct stun {
	enum stun_class class;
	unsigned method;
	const uint8_t *id; /* STUN_ID_LEN octets */
	unsigned has;      /* STUN_HAS_… */
	mpp_addr mapped;   /* XOR-MAPPED-ADDRESS */
	mpp_addr plain;    /* MAPPED-ADDRESS */
	mpp_addr origin;   /* RESPONSE-ORIGIN */
	mpp_addr other;    /* OTHER-ADDRESS */
	unsigned change;   /* STUN_CHANGE_… */
	uint16_t response_port;
	size_t padding; /* octets of it */
	unsigned error; /* ERROR-CODE; 0: none */
	mpp_bytes reason;
	mpp_bytes software;
	/* Comprehension-required attributes that are not known here, the first
	 * ones of them. */
	uint16_t unknown[STUN_UNKNOWN_MAX];
	unsigned n_unknown;
};

/* Does a datagram look like STUN? No packet of RUD does (rud/streamid.h), so
 * what does and cannot be decoded is nothing else either. */
bool stun_is(mpp_bytes in);

/* Read a message, all or nothing. Errors, each of a message that RFC 8489 6.3
 * wants dropped without a word:
 *   TYPE       stun_is() says no
 *   TRUNCATED  the message, or an attribute, says that it is longer
 *   TRAILING   octets behind the message, or behind FINGERPRINT
 *   SYNTAX     a length that is not a multiple of four
 *   RANGE      a value of a known attribute that is not possible
 *   CHECKSUM   FINGERPRINT does not match */
MPP_MUSTCHECK mpp_err stun_decode(mpp_bytes in, struct stun *out);

/* A Binding request to make. */
struct stun_ask {
	const uint8_t *id; /* STUN_ID_LEN random octets */
	unsigned has;      /* STUN_HAS_… but INTEGRITY */
	unsigned change;   /* with HAS_CHANGE */
	uint16_t response_port;
	size_t padding; /* a multiple of 4 */
};

/* Write it; out->len is its length. Errors: NOSPACE. */
MPP_MUSTCHECK mpp_err stun_request(const struct stun_ask *ask, mpp_buf *out);

/* An answer to a Binding request. An address of the family 0 is left out. */
struct stun_answer {
	const uint8_t *id;          /* of the request */
	unsigned error;             /* STUN_BAD_REQUEST, …; 0: success */
	const struct stun *request; /* 420: its unknown attributes */
	mpp_addr mapped;
	mpp_addr plain;
	mpp_addr origin;
	mpp_addr other;
	size_t padding; /* a multiple of 4; 0: none */
	bool fingerprint;
};

/* Write it; out->len is its length. Errors: NOSPACE. */
MPP_MUSTCHECK mpp_err stun_answer(const struct stun_answer *a, mpp_buf *out);

#endif
