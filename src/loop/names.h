/* SPDX-License-Identifier: MIT */
/* names.h - what account names and fingerprints may look like, wherever they
 * come from. Each check gives NULL or says what is wrong. */
#ifndef LOOP_NAMES_H
#define LOOP_NAMES_H

#include <mpp/base.h>

/* 1..255 octets of UTF-8 without control characters. */
const char *loop_account_wrong(mpp_bytes account);

/* The text of a UDF content digest, of at least MPP_UDF_PIN_BITS bits. */
const char *loop_pin_wrong(mpp_bytes pin);

/* The same with at least MPP_UDF_BITS bits: what a zone publishes. */
const char *loop_fingerprint_wrong(mpp_bytes pin);

/* Text of the peer's for a terminal: at most cap - 1 octets, with NUL;
 * control characters and what is not UTF-8 become '?'. */
void loop_printable(mpp_bytes text, char *out, size_t cap);

#endif
