/* SPDX-License-Identifier: MIT */
/* fail.h - errors as a line for people. */
#ifndef LOOP_FAIL_H
#define LOOP_FAIL_H

#include <sysexits.h>

#include <mpp/loop.h>

/* Fill @p e (may be NULL) and hand back @p err, so that a failing function
 * ends in "return loop_fail(…)". */
mpp_err loop_fail(mpp_loop_error *e, mpp_err err, int exit_code,
		  const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The same for a failed system call: "WHAT PATH: reason" with the exit code
 * that fits the errno given. */
mpp_err loop_fail_errno(mpp_loop_error *e, int number, const char *what,
			const char *path);

#endif
