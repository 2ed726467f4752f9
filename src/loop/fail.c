/* SPDX-License-Identifier: MIT */
/* fail.c - errors as a line for people. Contract: fail.h. */
#include "loop/fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

mpp_err loop_fail(mpp_loop_error *e, mpp_err err, int exit_code,
		  const char *format, ...)
{
	va_list args;

	if (e == NULL)
		return err;
	va_start(args, format);
	(void)vsnprintf(e->text, sizeof(e->text), format, args);
	va_end(args);
	e->exit_code = exit_code;
	return err;
}

static int fitting_code(int number)
{
	switch (number) {
	case EACCES:
	case EPERM:
		return EX_NOPERM;
	case EROFS:
	case ENOTDIR:
	case ENAMETOOLONG:
		return EX_CANTCREAT;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
	case EIO:
		return EX_IOERR;
	default:
		return EX_OSERR;
	}
}

mpp_err loop_fail_errno(mpp_loop_error *e, int number, const char *what,
			const char *path)
{
	const bool full = number == ENOSPC || number == EDQUOT;

	return loop_fail(e, MPP_ERR_IO, fitting_code(number), "%s %s: %s%s",
			 what, path, strerror(number),
			 full ? " (free some space and try again; nothing "
				"was changed)"
			      : "");
}
