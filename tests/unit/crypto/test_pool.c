/* SPDX-License-Identifier: MIT */
/* test_pool.c - the batch of random bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
/* The only way to make OpenSSL's generator fail on purpose. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/err.h>
#include <openssl/rand.h>

#include "base/mem.h"
#include "crypto/pool.h"

static void bytes_are_wiped_as_they_go(void **state)
{
	struct pool pool;
	uint8_t out[20], ahead[20];

	(void)state;
	pool_open(&pool);
	assert_non_null(pool.page); /* any Linux since 4.14 */
	assert_int_equal(pool.page->left, 0);
	assert_int_equal(pool_take(&pool, out, 1), MPP_OK);
	assert_int_equal(pool.page->left, POOL_LEN - 1);
	memcpy(ahead, pool.page->bytes + POOL_LEN - 21, sizeof(ahead));
	assert_false(mem_is_zero(ahead, sizeof(ahead)));
	assert_int_equal(pool_take(&pool, out, sizeof(out)), MPP_OK);
	assert_memory_equal(out, ahead, sizeof(out));
	assert_true(mem_is_zero(pool.page->bytes + POOL_LEN - 21, 21));
	assert_int_equal(pool.page->left, POOL_LEN - 21);
	pool_close(&pool);
	assert_null(pool.page);
	pool_close(&pool); /* harmless on a zeroed struct */
}

static void batches_follow_each_other(void **state)
{
	struct pool pool;
	uint8_t out[3 * POOL_LEN / 48 + 1][48];
	size_t i, j;

	(void)state;
	pool_open(&pool);
	for (i = 0; i < sizeof(out) / sizeof(*out); i++) {
		assert_int_equal(pool_take(&pool, out[i], 48), MPP_OK);
		assert_false(mem_is_zero(out[i], 48));
		for (j = 0; j < i; j++)
			assert_memory_not_equal(out[i], out[j], 16);
	}
	pool_close(&pool);
}

/* What a forked child finds left in the pool. */
static size_t left_in_child(const struct pool *pool)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit((int)(pool->page->left / 4));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return 4 * (size_t)WEXITSTATUS(status);
}

static void a_child_finds_it_empty(void **state)
{
	struct pool pool, plain;
	struct pool_page page = {0, {0}};
	uint8_t out[112];

	(void)state;
	pool_open(&pool);
	assert_non_null(pool.page); /* any Linux since 4.14 */
	assert_int_equal(pool_take(&pool, out, sizeof(out)), MPP_OK);
	assert_int_equal(pool.page->left, POOL_LEN - sizeof(out));
	assert_int_equal(left_in_child(&pool), 0);
	assert_int_equal(pool.page->left, POOL_LEN - sizeof(out));
	pool_close(&pool);

	/* In memory of the usual kind a child does find it. */
	plain.page = &page;
	assert_int_equal(pool_take(&plain, out, sizeof(out)), MPP_OK);
	assert_int_equal(left_in_child(&plain), POOL_LEN - sizeof(out));
}

static void without_a_page_it_still_draws(void **state)
{
	struct pool none = {NULL};
	uint8_t a[64] = {0}, b[64] = {0};

	(void)state;
	assert_int_equal(pool_take(&none, a, sizeof(a)), MPP_OK);
	assert_int_equal(pool_take(&none, b, sizeof(b)), MPP_OK);
	assert_memory_not_equal(a, b, sizeof(a));
	assert_false(mem_is_zero(a, sizeof(a)));
	pool_close(&none);
}

static int no_bytes(unsigned char *buf, int num)
{
	(void)buf;
	(void)num;
	ERR_raise(ERR_LIB_RAND, RAND_R_GENERATE_ERROR);
	return 0;
}

/* No randomness is said, never replaced by what lies in the buffer; and the
 * rest of a batch still counts. */
static void failure_is_said(void **state)
{
	const RAND_METHOD *good = RAND_get_rand_method();
	RAND_METHOD bad = {.bytes = no_bytes};
	struct pool pool;
	uint8_t out[2 * POOL_LEN];

	(void)state;
	pool_open(&pool);
	assert_int_equal(pool_take(&pool, out, 500), MPP_OK);
	RAND_set_rand_method(&bad);
	assert_int_equal(pool_take(&pool, out, POOL_LEN + 1), MPP_ERR_RANDOM);
	if (pool.page != NULL)
		assert_int_equal(pool_take(&pool, out, 12), MPP_OK);
	assert_int_equal(pool_take(&pool, out, 1), MPP_ERR_RANDOM);
	assert_int_equal(pool_take(&pool, out, 1), MPP_ERR_RANDOM);
	assert_int_equal(ERR_peek_error(), 0);
	assert_int_equal(pool_take(&pool, out, 0), MPP_OK);
	RAND_set_rand_method(good);
	assert_int_equal(pool_take(&pool, out, 1), MPP_OK);
	pool_close(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_wiped_as_they_go),
		cmocka_unit_test(batches_follow_each_other),
		cmocka_unit_test(a_child_finds_it_empty),
		cmocka_unit_test(without_a_page_it_still_draws),
		cmocka_unit_test(failure_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
