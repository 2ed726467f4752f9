/* SPDX-License-Identifier: MIT */
/* memory.h - the service's memory: reserved at start for all that the limits
 * allow, filled by the kernel as it is used, not in core dumps, and locked
 * where that is permitted, because keys are in it. */
#ifndef MPPD_MEMORY_H
#define MPPD_MEMORY_H

#include <stdio.h>

#include <mpp/service.h>

#include "conf/conf.h"
#include "host/fault.h"

struct memory {
	void *p; /* NULL: none */
	size_t len;
};

mpp_service_config memory_config(const struct conf *c);

/* Reserve memory and make a service in it.
 * Errors: NOMEM, INVALID, CRYPTO, RANDOM; f says what to do. */
MPP_MUSTCHECK mpp_err memory_service(const mpp_service_config *config,
				     const mpp_service_secrets *secrets,
				     const mpp_crypto *crypto, struct memory *m,
				     struct fault *f);

/* The service in it. */
mpp_service *memory_get(const struct memory *m);

/* Wipe the service and give the memory back; harmless when there is none. */
void memory_free(struct memory *m);

/* Print what each limit costs. */
void memory_print(const struct memory *m, FILE *to);

#endif
