/* SPDX-License-Identifier: MIT */
/* uri.h - invitations as the operator hands them out:
 *
 *     mpp://HOST:PORT/ACCOUNT?k=FINGERPRINT&k=…&e=HOST2:PORT2&…
 *         &w=https://HOST3/&…#SECRET */
#ifndef LOOP_URI_H
#define LOOP_URI_H

#include <mpp/loop.h>

#include "loop/endpoint.h"
#include "loop/weburl.h"

struct loop_invitation {
	char account[MPP_ACCOUNT_MAX + 1];
	struct loop_endpoint endpoints[LOOP_ENDPOINTS_MAX];
	size_t n_endpoints;
	char webs[LOOP_WEBS_MAX][LOOP_WEB_TEXT];
	size_t n_webs;
	char pins[MPP_PINS_MAX][MPP_UDF_TEXT_MAX];
	size_t n_pins;
	uint8_t secret[MPP_INVITATION_LEN];
};

/* All or nothing. @retval MPP_ERR_INVALID  e says what is wrong, without the
 * secret */
MPP_MUSTCHECK mpp_err loop_uri_parse(const char *uri,
				     struct loop_invitation *out,
				     mpp_loop_error *e);

#endif
