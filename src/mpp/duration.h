/* SPDX-License-Identifier: MIT */
/* duration.h - times as people write them: 250ms, 30s, 5m, 1h. */
#ifndef MPP_DURATION_H
#define MPP_DURATION_H

#include <stdbool.h>
#include <stdint.h>

/* A number with a unit (only 0 may be without), from min_ms to max_ms. */
bool duration_parse(const char *text, uint32_t min_ms, uint32_t max_ms,
		    uint32_t *out_ms);

#endif
