/* SPDX-License-Identifier: MIT */
/* overflow.c - does on purpose what the sanitizers must stop: each mode must
 * abort in a build that has the sanitizer, and "none" must not. */
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static int shared;

static void *write_shared(void *arg)
{
	shared = *(int *)arg;
	return NULL;
}

/* The room is 8 bytes; the caller says how many are written. */
static int write_bytes(volatile size_t n)
{
	volatile char room[8];
	volatile char *to = room;
	size_t i;

	for (i = 0; i < n; i++)
		*to++ = (char)i;
	return room[0];
}

static int add_up(volatile int to)
{
	return INT_MAX - 1 + to;
}

static int race(int racing)
{
	int value = 1;
	pthread_t thread;

	if (pthread_create(&thread, NULL, write_shared, &value) != 0)
		return 2;
	if (racing)
		shared = 2;
	pthread_join(thread, NULL);
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = argc == 2 ? argv[1] : "";

	if (strcmp(mode, "none") == 0)
		return write_bytes(8) + (add_up(1) != INT_MAX) + race(0);
	if (strcmp(mode, "address") == 0)
		return write_bytes(9);
	if (strcmp(mode, "undefined") == 0)
		return add_up(2) == 0;
	if (strcmp(mode, "thread") == 0)
		return race(1);
	fprintf(stderr, "usage: overflow none|address|undefined|thread\n");
	return 2;
}
