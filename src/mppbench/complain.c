/* SPDX-License-Identifier: MIT */
/* complain.c - see complain.h. */
#include "mppbench/complain.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

int complain(int exit_code, const char *format, ...)
{
	va_list args;

	(void)fputs("mppbench: ", stderr);
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fputc('\n', stderr);
	return exit_code;
}

int complain_stdout(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	return complain(EX_IOERR, "cannot write the output: %s",
			strerror(errno));
}
