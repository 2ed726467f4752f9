/* SPDX-License-Identifier: MIT */
/* lock.h - one process a store. */
#ifndef STORE_LOCK_H
#define STORE_LOCK_H

#include "store/store.h"

/* Lock <path>.lock for this process, or say who has it. The file stays when
 * the lock goes: removing it would let two in. Close *fd to unlock; a process
 * that dies unlocks. Error: STORE. */
MPP_MUSTCHECK mpp_err lock_take(const char *path, int *fd,
				struct store_error *err);

#endif
