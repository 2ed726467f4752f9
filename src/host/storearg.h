/* SPDX-License-Identifier: MIT */
/* storearg.h - a store's new state as an argument. */
#ifndef HOST_STOREARG_H
#define HOST_STOREARG_H

#include <mpp/rud.h>

struct store_arg {
	char name[MPP_STORE_MAX + 1];
	uint64_t index;
	uint8_t digest[MPP_DIGEST_MAX];
	size_t digest_len;
};

/* What is allowed, for a message. */
#define STORE_ARG_FORM                                                   \
	"give NAME=INDEX or NAME=INDEX:HEXDIGEST, a name of at most 64 " \
	"octets, an index below 2^53"

/* "NAME=INDEX" or "NAME=INDEX:HEXDIGEST". The last '=' counts, so that a name
 * may hold one. @return false: not so; *out is then of no use */
bool store_arg_read(const char *text, struct store_arg *out);

#endif
