/* SPDX-License-Identifier: MIT */
/* fault.h - what went wrong, for people: one line that says what to do, and
 * the sysexits(3) code with which a program ends because of it. */
#ifndef HOST_FAULT_H
#define HOST_FAULT_H

#include <mpp/base.h>

struct fault {
	int exit_code;
	char text[768 + 4096]; /* a path may be long, the reason is behind */
};

/* Fill in *f. @return @p err, so that a caller can say it and fail at once */
mpp_err fault_set(struct fault *f, mpp_err err, int exit_code,
		  const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
