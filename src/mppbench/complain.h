/* SPDX-License-Identifier: MIT */
/* complain.h - how mppbench says on stderr that something went wrong. */
#ifndef MPPBENCH_COMPLAIN_H
#define MPPBENCH_COMPLAIN_H

/* "mppbench: message" and a newline. @return @p exit_code */
int complain(int exit_code, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Write out what stdout holds. @return 0 or EX_IOERR, having complained */
int complain_stdout(void);

#endif
