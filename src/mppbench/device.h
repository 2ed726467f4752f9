/* SPDX-License-Identifier: MIT */
/* device.h - one device of the load. */
#ifndef MPPBENCH_DEVICE_H
#define MPPBENCH_DEVICE_H

#include "mppbench/load.h"

mpp_client *device_client(const struct load *l, uint32_t device);

/* The devices' clock: ahead of the real one by l->skew. */
mpp_instant device_now(const struct load *l);

/* Make its client, not connected. */
MPP_MUSTCHECK mpp_err device_init(struct load *l, uint32_t device,
				  struct fault *f);

/* What its client wants to send now, if anything, goes into the wire. */
MPP_MUSTCHECK mpp_err device_send(struct load *l, uint32_t device,
				  struct fault *f);

/* Take its events. What ends a connection sets l->err and l->fault.
 * @param[out] news  a publication, or that it is connected, came; else as it
 *                   was */
void device_events(struct load *l, uint32_t device, bool *news);

#endif
