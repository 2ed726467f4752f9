/* SPDX-License-Identifier: MIT */
/* pool.h - random bytes fetched in batches, because each request costs the
 * library its generator's whole set-up while a connection asks for 16 bytes
 * at a time.
 *
 * Bytes are wiped as they are handed out, and a forked child never sees the
 * parent's: the batch lives in a page that the kernel clears in the child
 * (MADV_WIPEONFORK), its counter included, so that the child finds an empty
 * pool. Comparing process ids would cost a system call a request and can be
 * fooled by a reused id. Where the kernel cannot do it there is no pool and
 * every request goes to the library. */
#ifndef CRYPTO_POOL_H
#define CRYPTO_POOL_H

#include <mpp/base.h>

enum { POOL_LEN = 512 };

struct pool_page {
	size_t left; /* bytes[0 .. left) were not handed out yet */
	uint8_t bytes[POOL_LEN];
};

struct pool {
	struct pool_page *page; /* NULL: no pool, ask the library */
};

/* Cannot fail: without a page the pool is slower and no less random. */
void pool_open(struct pool *pool);

/* Errors: RANDOM; out is then undefined. */
MPP_MUSTCHECK mpp_err pool_take(struct pool *pool, uint8_t *out, size_t len);

/* Wipe and unmap; harmless on a zeroed struct. */
void pool_close(struct pool *pool);

#endif
