/* SPDX-License-Identifier: MIT */
/* complain.c - see complain.h. */
#include "mppctl/complain.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "loop/names.h"

int complain(int exit_code, const char *format, ...)
{
	va_list args;
	char *said = NULL, *line;
	int n;

	va_start(args, format);
	n = vasprintf(&said, format, args);
	va_end(args);
	/* Arguments and answers may hold anything. */
	line = n < 0 ? NULL : malloc((size_t)n + 1);
	if (line != NULL)
		loop_printable((mpp_bytes){(uint8_t *)said, (size_t)n}, line,
			       (size_t)n + 1);
	(void)fprintf(stderr, "mppctl: %s\n",
		      line != NULL ? line : "out of memory");
	free(line);
	if (n >= 0)
		free(said);
	return exit_code;
}

int complain_stdout(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return EX_OK;
	return complain(EX_IOERR, "cannot write the output: %s",
			strerror(errno));
}
