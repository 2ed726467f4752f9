/* SPDX-License-Identifier: MIT */
/* account.h - accounts and their status vectors (docs/protocol.md 12). */
#ifndef PRESENCE_ACCOUNT_H
#define PRESENCE_ACCOUNT_H

#include "presence/state.h"

/* The canonical form of an account name: lower case (ASCII).
 * Error: INVALID: empty, too long, not UTF-8, or with a control character,
 * white space or one of / ? # %. */
MPP_MUSTCHECK mpp_err account_canonical(mpp_bytes name,
					uint8_t out[MPP_ACCOUNT_MAX]);

/* Index by canonical name, or NONE; also one that is not durable yet. */
uint32_t account_find(const struct presence *p, mpp_bytes name);
/* A new one without anything. NONE: no room. */
uint32_t account_add(struct presence *p, mpp_bytes name);
void account_remove(struct presence *p, uint32_t account);
/* It is removed, though not yet all that is on disk of it. */
void account_gone(struct presence *p, uint32_t account);
/* Forget the oldest store that is on disk. False: there is none. */
bool account_forget_store(struct presence *p, struct account *a);

/* The store's durable entry, or NONE. */
uint32_t account_store(const struct presence *p, const struct account *a,
		       mpp_bytes name);
/* Its newest entry: pending before durable. NONE: never heard of, or only
 * asked for. */
uint32_t account_latest(const struct presence *p, const struct account *a,
			mpp_bytes name);

/* The number of a store for a filter; makes an entry that was never changed
 * when there is none. Error: LIMIT. */
MPP_MUSTCHECK mpp_err account_number(struct presence *p, struct account *a,
				     mpp_bytes name, uint8_t *number);

/* How many more new store names the account may get; entries that were only
 * asked for do not count. */
uint32_t account_room(const struct presence *p, const struct account *a);

/* Add a change that waits for a commit. Returns NONE: no room. */
uint32_t account_pend(struct presence *p, struct account *a,
		      const mpp_store_status *st, uint64_t serial,
		      uint64_t batch);
/* The commit succeeded: its changes become the vector. */
void account_apply(struct presence *p, struct account *a, uint64_t batch);
/* It failed (or a request is undone): they never were. */
void account_drop(struct presence *p, struct account *a, uint64_t batch,
		  uint64_t from_serial);

/* Loading: put an entry in place. Errors: LIMIT. */
MPP_MUSTCHECK mpp_err account_load_store(struct presence *p, struct account *a,
					 const mpp_store_status *st,
					 uint64_t serial);

static inline bool filter_has(const uint64_t filter[2], uint8_t number)
{
	return (filter[number >> 6] >> (number & 63) & 1) != 0;
}
static inline void filter_add(uint64_t filter[2], uint8_t number)
{
	filter[number >> 6] |= UINT64_C(1) << (number & 63);
}
static inline bool filter_is_all(const uint64_t filter[2])
{
	return filter[0] == UINT64_MAX && filter[1] == UINT64_MAX;
}

/* The first entry newer than `serial` that the filter lets through, or NONE:
 * nothing newer. Walk on with entry.next. */
uint32_t account_newer(const struct presence *p, const struct account *a,
		       const uint64_t filter[2], uint64_t serial);

#endif
