/* SPDX-License-Identifier: MIT */
/* base32.h - digits of RFC 4648 section 6. */
#ifndef UDF_BASE32_H
#define UDF_BASE32_H

#include <stdbool.h>
#include <stdint.h>

enum { BASE32_NO_DIGIT = 32 };

/* The digit of a value of five bits. */
static inline char base32_digit(unsigned v)
{
	return "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[v & 31];
}

/* The value of a digit of either case, or BASE32_NO_DIGIT. */
static inline uint8_t base32_value(uint8_t c)
{
	if (c >= '2' && c <= '7')
		return (uint8_t)(c - '2' + 26);
	c = (uint8_t)(c | 0x20);
	return c >= 'a' && c <= 'z' ? (uint8_t)(c - 'a') : BASE32_NO_DIGIT;
}

/* What people put between the groups. */
static inline bool base32_is_gap(uint8_t c)
{
	return c == '-' || c == ' ';
}

#endif
