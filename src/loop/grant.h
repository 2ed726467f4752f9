/* SPDX-License-Identifier: MIT */
/* grant.h - a token as a minter hands it out: the Mesh's ServiceAccessToken in
 * JSON, with members of ours that tell a device where to go:
 *
 *   {"Prefix":"mmm_presence", "Endpoints":["host:port",…], "Token":"…",
 *    "SharedSecret":"…", "Account":"…", "Fingerprints":["…",…]}
 *
 * Token and SharedSecret must be there; others are ignored. */
#ifndef LOOP_GRANT_H
#define LOOP_GRANT_H

#include <mpp/loop.h>

#include "loop/endpoint.h"

struct loop_grant {
	char account[MPP_ACCOUNT_MAX + 1]; /* empty: not said */
	struct loop_endpoint endpoints[LOOP_ENDPOINTS_MAX];
	size_t n_endpoints;
	char pins[MPP_PINS_MAX][MPP_UDF_TEXT_MAX];
	size_t n_pins;
	size_t token_len;
	uint8_t token[MPP_TOKEN_MAX];
	uint8_t secret[MPP_TOKEN_SECRET_LEN];
};

/* All or nothing. @retval MPP_ERR_INVALID  e says what is wrong, without the
 * secret */
MPP_MUSTCHECK mpp_err loop_grant_parse(mpp_bytes json, struct loop_grant *out,
				       mpp_loop_error *e);

#endif
