/* SPDX-License-Identifier: MIT */
/* carrier_head.h - what stands in the head of a request that carries a packet.
 * Pure functions over text of strangers. */
#ifndef WEB_CARRIER_HEAD_H
#define WEB_CARRIER_HEAD_H

#include <mpp/base.h>

/* `wait` of one Prefer line (RFC 7240), in ms; 0: it says none, or nothing that
 * is a number of seconds. What is too large is the largest. */
uint32_t head_wait_ms(const char *prefer);

/* Is this Content-Type application/rud, with or without parameters? */
bool head_is_rud(const char *content_type);

/* The last address of an X-Forwarded-For line: what the proxy itself put
 * there. What stands before it anybody can have said.
 * @return false: it is none; *out is then untouched */
bool head_forwarded(const char *line, mpp_addr *out);

#endif
