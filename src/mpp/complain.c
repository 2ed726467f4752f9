/* SPDX-License-Identifier: MIT */
/* complain.c - errors on stderr. Contract: complain.h. */
#include "mpp/complain.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

int complain(int exit_code, const char *format, ...)
{
	va_list args;

	(void)fputs("mpp: ", stderr);
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fputc('\n', stderr);
	return exit_code;
}

static bool may_colour(void)
{
	const char *no = getenv("NO_COLOR");

	return isatty(STDERR_FILENO) && (no == NULL || no[0] == '\0');
}

int complain_loop(mpp_err err, const mpp_loop_error *e)
{
	const bool red = err == MPP_ERR_KEY_CHANGED && may_colour();

	return complain(e->exit_code, "%s%s%s", red ? "\033[1;31m" : "",
			e->text, red ? "\033[0m" : "");
}

int complain_stdout(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	return complain(EX_IOERR, "cannot write the output: %s",
			strerror(errno));
}
