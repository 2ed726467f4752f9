/* SPDX-License-Identifier: MIT */
/* peers.h - the servers of others that the scenario dns needs, started here on
 * free ports of the loopback: nsd, which has the zone, and unbound, which is
 * what the DNS proxy is put beside. */
#ifndef MPPBENCH_PEERS_H
#define MPPBENCH_PEERS_H

#include <sys/types.h>

#include "mppbench/plan.h"

enum { PEERS_PATH = 256 };

struct peers {
	pid_t nsd, unbound; /* 0: not running */
	uint16_t nsd_port, unbound_port;
	char folder[PEERS_PATH]; /* empty: removed */
};

/* Start both and wait until they answer; unbound on the server's processor.
 * The plan gets the zone's port and the anchor. peers_stop() also after an
 * error. Errors: NOTFOUND, one is not installed; IO, TIMEOUT. */
MPP_MUSTCHECK mpp_err peers_start(struct peers *p, struct plan *plan,
				  struct fault *f);
/* Everybody has read the files: nothing is left on the disk. */
void peers_forget_files(struct peers *p);
void peers_stop(struct peers *p);

#endif
