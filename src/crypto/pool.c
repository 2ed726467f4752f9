/* SPDX-License-Identifier: MIT */
/* pool.c - batches of random bytes. Contract: crypto/pool.h. */
#include "crypto/pool.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <sys/mman.h>

#include "base/mem.h"

static mpp_err fetch(uint8_t *out, size_t len)
{
	if (RAND_bytes_ex(NULL, out, len, 0) == 1)
		return MPP_OK;
	ERR_clear_error();
	return MPP_ERR_RANDOM;
}

void pool_open(struct pool *pool)
{
	void *page = mmap(NULL, sizeof(struct pool_page),
			  PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	pool->page = NULL;
	if (page == MAP_FAILED)
		return;
	if (madvise(page, sizeof(struct pool_page), MADV_WIPEONFORK) != 0) {
		(void)munmap(page, sizeof(struct pool_page));
		return;
	}
	/* What was not handed out yet is somebody's future key. */
	(void)madvise(page, sizeof(struct pool_page), MADV_DONTDUMP);
	pool->page = page;
}

/* Counted only when all of it arrived: a failed batch is never handed out. */
static mpp_err refill(struct pool_page *page)
{
	mpp_err err;

	page->left = 0;
	if ((err = fetch(page->bytes, sizeof(page->bytes))) != MPP_OK)
		return err;
	page->left = sizeof(page->bytes);
	return MPP_OK;
}

mpp_err pool_take(struct pool *pool, uint8_t *out, size_t len)
{
	struct pool_page *page = pool->page;
	mpp_err err;

	if (len == 0)
		return MPP_OK;
	if (page == NULL || len > sizeof(page->bytes))
		return fetch(out, len);
	if (page->left < len && (err = refill(page)) != MPP_OK)
		return err;
	page->left -= len;
	memcpy(out, page->bytes + page->left, len);
	mem_wipe(page->bytes + page->left, len);
	return MPP_OK;
}

void pool_close(struct pool *pool)
{
	if (pool->page == NULL)
		return;
	mem_wipe(pool->page, sizeof(*pool->page));
	(void)munmap(pool->page, sizeof(*pool->page));
	pool->page = NULL;
}
