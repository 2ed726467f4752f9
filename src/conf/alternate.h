/* SPDX-License-Identifier: MIT */
/* alternate.h - the sockets of RFC 5780: what [service] listen and [stun]
 * alternate make together. */
#ifndef CONF_ALTERNATE_H
#define CONF_ALTERNATE_H

#include "conf/conf.h"

/* A1:P1 as listen has it, A1:P2, A2:P1, and A2:P2, the alternate. */
struct conf_four {
	mpp_addr at[4];
	size_t listen; /* which of them at[0] is */
};

/* Those of alternate i.
 * @return NULL, or what is wrong; *out is then undefined */
const char *conf_four_wrong(const struct conf *c, size_t i,
			    struct conf_four *out);

#endif
