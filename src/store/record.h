/* SPDX-License-Identifier: MIT */
/* record.h - what stands on disk for one record, and the summary of all.
 *
 * LMDB hands out damaged pages as if nothing had happened, so each record
 * says itself what it is (integers in network order):
 *
 *   u8 format (1) | u16 key length | key | value | first 16 octets of
 *   SHA-512 over everything before
 *
 * A record alone cannot say that another one is missing, so every transaction
 * also renews one summary:
 *
 *   "mppstore" | u8 format (1) | u64 transaction | u64 number of records |
 *   u64 u64 sums of both halves of all checksums | 16 octets checksum
 *
 * Both guard against accidents, not against somebody who may write the
 * file. */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include "store/store.h"

enum {
	RECORD_SUM_LEN = 16,
	RECORD_MAX = 1 + 2 + 511 + 65535 + RECORD_SUM_LEN,
	SUMMARY_LEN = 8 + 1 + 8 + 8 + 16 + RECORD_SUM_LEN,
};

/* SHA-512 with its context kept; belongs to one thread at a time. */
struct hasher {
	void *md;
	void *ctx;
};

/* Errors: NOMEM, CRYPTO. */
MPP_MUSTCHECK mpp_err hasher_init(struct hasher *h);
/* Harmless on a zeroed struct. */
void hasher_free(struct hasher *h);

/* Number of records and the sums over them: order does not matter, so a
 * record can be taken out again. */
struct tally {
	uint64_t count;
	uint64_t sum[2];
};

struct summary {
	uint64_t txn;
	struct tally tally;
};

/* One record; buf has room for RECORD_MAX. Errors: CRYPTO, NOSPACE. */
MPP_MUSTCHECK mpp_err record_seal(struct hasher *h, mpp_bytes key,
				  mpp_bytes value, mpp_buf *out);
/* The value inside disk (borrowed from it). Errors: CHECKSUM (damaged, or
 * not of this key), VERSION (whole, but of a format to come), CRYPTO. */
MPP_MUSTCHECK mpp_err record_open(struct hasher *h, mpp_bytes key,
				  mpp_bytes disk, mpp_bytes *value);

/* Count a stored record in, or out. Error: CHECKSUM (too short for one). */
MPP_MUSTCHECK mpp_err tally_add(struct tally *t, mpp_bytes disk);
MPP_MUSTCHECK mpp_err tally_sub(struct tally *t, mpp_bytes disk);
bool tally_eq(const struct tally *a, const struct tally *b);

/* Errors: CRYPTO. */
MPP_MUSTCHECK mpp_err summary_seal(struct hasher *h, const struct summary *s,
				   uint8_t out[SUMMARY_LEN]);
/* Errors: CHECKSUM, VERSION, CRYPTO. */
MPP_MUSTCHECK mpp_err summary_open(struct hasher *h, mpp_bytes disk,
				   struct summary *out);

#endif
