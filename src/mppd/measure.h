/* SPDX-License-Identifier: MIT */
/* measure.h - what this machine takes for costly work. */
#ifndef MPPD_MEASURE_H
#define MPPD_MEASURE_H

#include <mpp/crypto.h>

/* A Diffie-Hellman of this suite in us, at least 1; 0: it failed. The shortest
 * of a few tries, so that what else runs does not count. */
uint32_t measure_dh(const mpp_crypto *crypto, int suite);

#endif
