/* SPDX-License-Identifier: MIT */
/* control.h - the control socket in the file system. */
#ifndef MPPD_CONTROL_H
#define MPPD_CONTROL_H

#include <sys/stat.h>

#include "conf/conf.h"
#include "host/fault.h"

struct control {
	const char *path; /* lent; NULL: none */
	struct stat made; /* what we put there */
};

/* Listen on the socket, mode 0660, for the configured group. The directory is
 * made where it is missing. A socket that a dead mppd left is replaced; one
 * on which somebody answers is not.
 * @param fd  given
 * Errors: IO, EXISTS; f says what to do. */
MPP_MUSTCHECK mpp_err control_open(const struct conf *c, struct control *out,
				   int *fd, struct fault *f);

/* Take the socket away, if it is still ours. */
void control_remove(struct control *c);

#endif
