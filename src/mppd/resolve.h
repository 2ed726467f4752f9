/* SPDX-License-Identifier: MIT */
/* resolve.h - names that devices ask for: between the service and the
 * resolver. */
#ifndef MPPD_RESOLVE_H
#define MPPD_RESOLVE_H

#include <mpp/jsonbcd.h>

#include "mppd/daemon.h"

/* Open the resolver, where the configuration says so. Errors: those of
 * dns_open(). */
MPP_MUSTCHECK mpp_err resolve_start(struct daemon *d, struct fault *f);
/* Hand over what the service has to ask, and what the resolver has found. */
void resolve_run(struct daemon *d);
/* When that is due at the latest. */
mpp_time resolve_deadline(const struct daemon *d);
/* Member "dns" of the status. arg: the daemon. */
void resolve_status(mpp_json_writer *w, const void *arg);

#endif
