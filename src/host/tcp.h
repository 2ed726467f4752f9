/* SPDX-License-Identifier: MIT */
/* tcp.h - a listening TCP socket. */
#ifndef HOST_TCP_H
#define HOST_TCP_H

#include <mpp/base.h>

#include "host/fault.h"

/* @param out  given: non-blocking, closed on exec; only what IPv6 is speaks to
 *   an IPv6 address
 * Errors: IO; f says why, and what to do. */
MPP_MUSTCHECK mpp_err tcp_listen(const mpp_addr *at, int *out, struct fault *f);

#endif
