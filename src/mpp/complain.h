/* SPDX-License-Identifier: MIT */
/* complain.h - how mpp says on stderr that something went wrong. */
#ifndef MPP_COMPLAIN_H
#define MPP_COMPLAIN_H

#include <mpp/loop.h>

/* "mpp: message" and a newline. @return @p exit_code */
int complain(int exit_code, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The same for an error of the loop; red where a key has changed.
 * @return its exit code */
int complain_loop(mpp_err err, const mpp_loop_error *e);

/* Write out what stdout holds. @return 0 or EX_IOERR, having complained */
int complain_stdout(void);

#endif
