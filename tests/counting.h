/* SPDX-License-Identifier: MIT */
/* counting.h - how often this program and the libraries under it allocate:
 * every malloc, calloc and realloc is counted, under a sanitizer by its hook,
 * otherwise by functions of those names. To be included by one file. */
#ifndef TESTS_COUNTING_H
#define TESTS_COUNTING_H

#include <stddef.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	__has_feature(memory_sanitizer)
#define BY_HOOK 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BY_HOOK 1
#endif

#define VISIBLE __attribute__((visibility("default")))

static volatile size_t allocations;

#ifdef BY_HOOK

/* What is asked to allocate too much says no, as malloc() does, and does not
 * end the program. */
static const char say_no[] = "allocator_may_return_null=1";

VISIBLE const char *__asan_default_options(void)
{
	return say_no;
}

VISIBLE const char *__tsan_default_options(void)
{
	return say_no;
}

VISIBLE const char *__msan_default_options(void)
{
	return say_no;
}

int __sanitizer_install_malloc_and_free_hooks(
	void (*malloc_hook)(const volatile void *, size_t),
	void (*free_hook)(const volatile void *));

static void seen(const volatile void *p, size_t n)
{
	(void)p;
	(void)n;
	allocations++;
}

static void freed(const volatile void *p)
{
	(void)p;
}

static int start_counting(void **state)
{
	(void)state;
	return __sanitizer_install_malloc_and_free_hooks(seen, freed) > 0 ? 0
									  : -1;
}

#else

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

VISIBLE void *malloc(size_t n)
{
	allocations++;
	return __libc_malloc(n);
}

VISIBLE void *calloc(size_t n, size_t size)
{
	allocations++;
	return __libc_calloc(n, size);
}

VISIBLE void *realloc(void *p, size_t n)
{
	allocations++;
	return __libc_realloc(p, n);
}

static int start_counting(void **state)
{
	(void)state;
	return 0;
}

#endif

#endif
