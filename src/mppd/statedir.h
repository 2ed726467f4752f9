/* SPDX-License-Identifier: MIT */
/* statedir.h - the state directory, held by one mppd at a time. */
#ifndef MPPD_STATEDIR_H
#define MPPD_STATEDIR_H

#include "host/fault.h"

/* Make it (0700) where it is missing, see that it can be written and that
 * others cannot, and hold it until the descriptor is closed.
 * Errors: IO, EXISTS (another one holds it), AUTH. */
MPP_MUSTCHECK mpp_err statedir_take(const char *path, int *fd, struct fault *f);

#endif
