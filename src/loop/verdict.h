/* SPDX-License-Identifier: MIT */
/* verdict.h - what an ending means for the people before the screen. */
#ifndef LOOP_VERDICT_H
#define LOOP_VERDICT_H

#include "loop/loop.h"

/* Fill l->error for REFUSED, KEY_CHANGED and CLOSED. */
void loop_verdict(mpp_loop *l, const mpp_client_event *ev);

/* Fill l->error for an answer that never came. @return MPP_ERR_TIMEOUT */
mpp_err loop_verdict_timeout(mpp_loop *l);

#endif
