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

#include "loop/names.h"

static void say(const char *before, const char *format, va_list args,
		const char *after)
{
	char *said = NULL, *line;
	const int n = vasprintf(&said, format, args);

	/* Arguments and answers may hold anything. */
	line = n < 0 ? NULL : malloc((size_t)n + 1);
	if (line != NULL)
		loop_printable((mpp_bytes){(uint8_t *)said, (size_t)n}, line,
			       (size_t)n + 1);
	(void)fprintf(stderr, "mpp: %s%s%s\n", before,
		      line != NULL ? line : "out of memory", after);
	free(line);
	if (n >= 0)
		free(said);
}

int complain(int exit_code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say("", format, args, "");
	va_end(args);
	return exit_code;
}

static bool may_colour(void)
{
	const char *no = getenv("NO_COLOR");

	return isatty(STDERR_FILENO) && (no == NULL || no[0] == '\0');
}

static int complain_red(int exit_code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say("\033[1;31m", format, args, "\033[0m");
	va_end(args);
	return exit_code;
}

int complain_loop(mpp_err err, const mpp_loop_error *e)
{
	if (err == MPP_ERR_KEY_CHANGED && may_colour())
		return complain_red(e->exit_code, "%s", e->text);
	return complain(e->exit_code, "%s", e->text);
}

int complain_stdout(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	return complain(EX_IOERR, "cannot write the output: %s",
			strerror(errno));
}
