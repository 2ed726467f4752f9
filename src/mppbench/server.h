/* SPDX-License-Identifier: MIT */
/* server.h - the process that is measured: the real service behind the real
 * batch I/O, in a loop like that of mppd, and beside it the floor: the same
 * I/O without a protocol. */
#ifndef MPPBENCH_SERVER_H
#define MPPBENCH_SERVER_H

#include "mppbench/link.h"
#include "mppbench/plan.h"

/* Serve until told to stop, then end the process. */
_Noreturn void server_run(const struct plan *plan, struct link *link);

#endif
