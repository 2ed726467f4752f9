/* SPDX-License-Identifier: MIT */
/* fixture.h - what the tests of the store share: building batches, reading a
 * whole store into one string of octets, directories, seeds. */
#ifndef UNIT_STORE_FIXTURE_H
#define UNIT_STORE_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/store.h"

#define MAP_SIZE ((size_t)64 << 20)

/* ---- octets that grow ---- */

struct octets {
	uint8_t *p;
	size_t len;
	size_t cap;
};

static inline void octets_add(struct octets *o, const void *p, size_t n)
{
	if (o->cap - o->len < n) {
		o->cap = (o->len + n) * 2;
		o->p = realloc(o->p, o->cap);
		assert_non_null(o->p);
	}
	if (n != 0)
		memcpy(o->p + o->len, p, n);
	o->len += n;
}

static inline void octets_be(struct octets *o, uint32_t v, int n)
{
	uint8_t b;

	while (n-- > 0) {
		b = (uint8_t)(v >> 8 * n);
		octets_add(o, &b, 1);
	}
}

static inline void octets_free(struct octets *o)
{
	free(o->p);
	*o = (struct octets){NULL, 0, 0};
}

static inline bool octets_eq(const struct octets *a, const struct octets *b)
{
	return a->len == b->len &&
	       (a->len == 0 || memcmp(a->p, b->p, a->len) == 0);
}

static inline mpp_bytes octets_view(const struct octets *o)
{
	return (mpp_bytes){o->p, o->len};
}

/* ---- batches ---- */

static inline void batch_put(struct octets *b, mpp_bytes key, mpp_bytes value)
{
	octets_be(b, 1, 1);
	octets_be(b, (uint32_t)key.len, 2);
	octets_add(b, key.p, key.len);
	octets_be(b, (uint32_t)value.len, 4);
	octets_add(b, value.p, value.len);
}

static inline void batch_delete(struct octets *b, mpp_bytes key)
{
	octets_be(b, 2, 1);
	octets_be(b, (uint32_t)key.len, 2);
	octets_add(b, key.p, key.len);
	octets_be(b, 0, 4);
}

static inline mpp_bytes text(const char *s)
{
	return (mpp_bytes){(const uint8_t *)s, strlen(s)};
}

static inline mpp_err commit_octets(struct store *s, const struct octets *b,
				    struct store_error *err)
{
	mpp_bytes v = octets_view(b);

	err->text[0] = '\0';
	return s->ops->commit(s, &v, 1, err);
}

/* Must succeed. */
static inline void must_commit(struct store *s, struct octets *b)
{
	struct store_error err;
	mpp_err rc = commit_octets(s, b, &err);

	if (rc != MPP_OK)
		fail_msg("commit: %s", err.text);
	octets_free(b);
}

static inline void must_put(struct store *s, const char *key, const char *value)
{
	struct octets b = {0};

	batch_put(&b, text(key), text(value));
	must_commit(s, &b);
}

/* ---- the whole of a store as octets: u16 key, u32 value, in order ---- */

struct dump {
	struct octets all;
	size_t records;
};

static inline mpp_err dump_one(void *arg, mpp_bytes key, mpp_bytes value)
{
	struct dump *d = arg;

	octets_be(&d->all, (uint32_t)key.len, 2);
	octets_add(&d->all, key.p, key.len);
	octets_be(&d->all, (uint32_t)value.len, 4);
	octets_add(&d->all, value.p, value.len);
	d->records++;
	return MPP_OK;
}

static inline struct dump must_dump(struct store *s)
{
	struct store_error err = {""};
	struct dump d = {0};

	if (s->ops->load(s, dump_one, &d, &err) != MPP_OK)
		fail_msg("load: %s", err.text);
	return d;
}

static inline void dump_free(struct dump *d)
{
	octets_free(&d->all);
	d->records = 0;
}

/* Both stores hold the same. */
static inline void assert_same(struct store *a, struct store *b)
{
	struct dump x = must_dump(a);
	struct dump y = must_dump(b);

	assert_int_equal(x.records, y.records);
	assert_true(octets_eq(&x.all, &y.all));
	dump_free(&x);
	dump_free(&y);
}

/* ---- opening ---- */

static inline struct store *must_open(const char *path, size_t map_size)
{
	struct store_error err = {""};
	struct store *s = NULL;

	if (store_lmdb_open(path, map_size, &s, &err) != MPP_OK)
		fail_msg("open: %s", err.text);
	return s;
}

/* ---- files ---- */

static inline void make_dir(char dir[64])
{
	snprintf(dir, 64, "/tmp/mpp-store-XXXXXX");
	assert_non_null(mkdtemp(dir));
}

/* In memory where there is such a place: for tests that write a file some
 * thousand times and do not care for the disk. */
static inline void make_fast_dir(char dir[64])
{
	snprintf(dir, 64, "/dev/shm/mpp-store-XXXXXX");
	if (mkdtemp(dir) == NULL)
		make_dir(dir);
}

static inline int remove_one(const char *path, const struct stat *st, int kind,
			     struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static inline void remove_dir(const char *dir)
{
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static inline struct octets read_file(const char *path)
{
	struct octets o = {0};
	uint8_t buf[65536];
	int fd = open(path, O_RDONLY);
	ssize_t n;

	assert_true(fd >= 0);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		octets_add(&o, buf, (size_t)n);
	assert_true(n == 0);
	close(fd);
	return o;
}

static inline void write_file(const char *path, const struct octets *o)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, o->p, o->len), o->len);
	close(fd);
}

static inline bool file_is(const char *path, const struct octets *want)
{
	struct octets now = read_file(path);
	bool same = octets_eq(&now, want);

	octets_free(&now);
	return same;
}

/* ---- random numbers: splitmix64, so that a seed is a test ---- */

static inline uint64_t rnd(uint64_t *seed)
{
	uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static inline size_t rnd_below(uint64_t *seed, size_t n)
{
	return (size_t)(rnd(seed) % n);
}

/* MPP_SEED in the environment runs another one. */
static inline uint64_t first_seed(uint64_t fixed)
{
	const char *s = getenv("MPP_SEED");
	uint64_t seed = s != NULL ? strtoull(s, NULL, 0) : fixed;

	print_message("seed %" PRIu64 "\n", seed);
	return seed;
}

/* ---- random batches over few keys, so that they meet again ---- */

enum {
	RANDOM_KEYS = 300,
};

/* Key number i: binary, 1 to 511 octets, some the beginning of others. */
static inline mpp_bytes random_key(size_t i, uint8_t out[511])
{
	size_t len = i % 7 == 0 ? 1 + i * 510 / (RANDOM_KEYS - 1) : 1 + i % 9;
	uint64_t s = i / 3;
	size_t k;

	for (k = 0; k < len; k++)
		out[k] = (uint8_t)rnd(&s);
	out[len - 1] = (uint8_t)i;
	return (mpp_bytes){out, len};
}

static inline size_t random_len(uint64_t *seed)
{
	switch (rnd_below(seed, 12)) {
	case 0:
		return 0;
	case 1:
		return rnd_below(seed, 65536);
	case 2:
		return 1900 + rnd_below(seed, 300); /* around LMDB's limit */
	default:
		return rnd_below(seed, 300);
	}
}

static inline void random_value(uint64_t *seed, uint8_t *out, size_t len)
{
	size_t i;
	uint64_t v = 0;

	for (i = 0; i < len; i++) {
		v = i % 8 == 0 ? rnd(seed) : v >> 8;
		out[i] = (uint8_t)v;
	}
}

static inline void random_batch(uint64_t *seed, struct octets *b)
{
	static uint8_t value[65535];
	uint8_t key[511];
	size_t n = rnd_below(seed, 12);
	size_t len;
	mpp_bytes k;

	while (n-- > 0) {
		k = random_key(rnd_below(seed, RANDOM_KEYS), key);
		if (rnd_below(seed, 3) == 0) {
			batch_delete(b, k);
			continue;
		}
		len = random_len(seed);
		random_value(seed, value, len);
		batch_put(b, k, (mpp_bytes){value, len});
	}
}

#endif
