/* SPDX-License-Identifier: MIT */
/* mem.h - wiping and comparing secrets. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <string.h>

#include <mpp/base.h>

/* Keeps a function's stack its own, where inlining would pile them up. */
#define NOINLINE __attribute__((noinline))

/* Wipe; the barrier keeps the compiler from leaving it out. */
static inline void mem_wipe(void *p, size_t n)
{
	memset(p, 0, n);
	__asm__ volatile("" : : "r"(p) : "memory");
}

/* Equal? In time that depends on n only. */
static inline bool mem_eq_ct(const uint8_t *a, const uint8_t *b, size_t n)
{
	uint8_t diff = 0;

	while (n-- > 0)
		diff |= (uint8_t)(a[n] ^ b[n]);
	return diff == 0;
}

static inline bool mem_is_zero(const uint8_t *p, size_t n)
{
	uint8_t any = 0;

	while (n-- > 0)
		any |= p[n];
	return any == 0;
}

static inline bool bytes_eq(mpp_bytes a, mpp_bytes b)
{
	if (a.len != b.len)
		return false;
	return a.len == 0 ||
	       (a.p != NULL && b.p != NULL && memcmp(a.p, b.p, a.len) == 0);
}

/* All of them to dst, which has room. */
static inline void bytes_copy(void *dst, mpp_bytes from)
{
	if (from.p != NULL && from.len != 0)
		memcpy(dst, from.p, from.len);
}

#endif
