/* SPDX-License-Identifier: MIT */
/* minters.h - the token keys of the configuration. */
#ifndef MPPD_MINTERS_H
#define MPPD_MINTERS_H

#include <mpp/service.h>

#include "conf/conf.h"
#include "host/fault.h"

struct minters {
	mpp_token_key keys[MPP_TOKEN_MINTERS_MAX];
	size_t n;
};

/* Read the file of each. Errors: those of keyfile_token_load(), EXISTS (two
 * have one id); f says which. */
MPP_MUSTCHECK mpp_err minters_load(const struct conf *c, struct minters *out,
				   struct fault *f);

/* Give them to the service; *c is lent to it. Errors: EXISTS (one has the id of
 * the service's own), INVALID. */
MPP_MUSTCHECK mpp_err minters_add(const struct minters *m, const struct conf *c,
				  mpp_service *s, struct fault *f);

#endif
