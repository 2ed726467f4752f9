/* SPDX-License-Identifier: MIT */
/* netcheck_io.h - the sockets of a check of one address family. */
#ifndef MPP_NETCHECK_IO_H
#define MPP_NETCHECK_IO_H

#include <mpp/loop.h>

#include "netcheck/path.h"

struct netcheck_io {
	bool used; /* the service has such addresses */
	bool open;
	struct path path;
	mpp_addr servers[PATH_SERVERS_MAX];
	size_t n_servers;
	int fd[PATH_SOCKETS];
	size_t n_fd;
};

/* Make the sockets and begin. io->servers are those to ask.
 * @param crypto lent
 * @return false: this machine has no way there, or no descriptors */
bool netcheck_io_open(struct netcheck_io *io, bool lifetime,
		      uint32_t timeout_ms, const mpp_crypto *crypto);
void netcheck_io_close(struct netcheck_io *io);

/* Take what came, send what is due. Errors: RANDOM. */
MPP_MUSTCHECK mpp_err netcheck_io_step(struct netcheck_io *io);
/* When that is to be done, also when nothing comes. */
mpp_time netcheck_io_deadline(const struct netcheck_io *io);
bool netcheck_io_done(const struct netcheck_io *io);
void netcheck_io_report(const struct netcheck_io *io, struct path_report *out);

#endif
