/* SPDX-License-Identifier: MIT */
/* wrongclock.c - put before a program with LD_PRELOAD, it shows it a wall clock
 * that is wrong by MPP_CLOCK_BEHIND seconds (negative: ahead). Other clocks are
 * as they are. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FRONT __attribute__((visibility("default")))

static long long behind(void)
{
	const char *text = getenv("MPP_CLOCK_BEHIND");

	return text == NULL ? 0 : strtoll(text, NULL, 10);
}

FRONT int clock_gettime(clockid_t which, struct timespec *out)
{
	const int result = (int)syscall(SYS_clock_gettime, which, out);

	if (result == 0 && which == CLOCK_REALTIME)
		out->tv_sec -= behind();
	return result;
}

FRONT time_t time(time_t *out)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (out != NULL)
		*out = now.tv_sec;
	return now.tv_sec;
}
