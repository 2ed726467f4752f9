/* SPDX-License-Identifier: MIT */
/* fault.c - see fault.h. */
#include "host/fault.h"

#include <stdarg.h>
#include <stdio.h>

mpp_err fault_set(struct fault *f, mpp_err err, int exit_code,
		  const char *format, ...)
{
	va_list args;

	f->exit_code = exit_code;
	va_start(args, format);
	(void)vsnprintf(f->text, sizeof(f->text), format, args);
	va_end(args);
	return err;
}
