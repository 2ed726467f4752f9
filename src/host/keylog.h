/* SPDX-License-Identifier: MIT */
/* keylog.h - the keys of connections, one line a direction, for whoever looks
 * at datagrams that were captured:
 *
 *   RUD1 to-service|to-device CONNECTION HDR KEY SALT
 *
 * all in hexadecimal (docs/security.md). INSECURE: who reads it reads what the
 * connections say. Only made when it was asked for by name. */
#ifndef HOST_KEYLOG_H
#define HOST_KEYLOG_H

#include <mpp/rud.h>

#include "host/fault.h"

struct keylog {
	int fd;      /* -1: none */
	bool failed; /* a line could not be written */
};

/* Make the file with mode 0600 whatever the umask, or append to one that is
 * ours alone. Errors: AUTH (others may read it, or it is another user's),
 * IO (also: not a regular file); f says what to do. */
MPP_MUSTCHECK mpp_err keylog_open(const char *path, struct keylog *out,
				  struct fault *f);

/* One line, at once. @return false: it could not be written */
bool keylog_write(struct keylog *k, const mpp_key_entry *e);

void keylog_close(struct keylog *k);

#endif
