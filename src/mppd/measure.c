/* SPDX-License-Identifier: MIT */
/* measure.c - see measure.h. */
#include "mppd/measure.h"

#include "base/mem.h"
#include "host/clock.h"

enum { TRIES = 8, IN_A_ROW = 4 };

static mpp_err one_try(const mpp_crypto *crypto, int suite,
		       const uint8_t *secret, const uint8_t *pub, uint64_t *us)
{
	const mpp_time start = clock_now().mono;
	uint8_t shared[MPP_DH_MAX];
	mpp_err err = MPP_OK;
	unsigned i;

	for (i = 0; i < IN_A_ROW && err == MPP_OK; i++)
		err = crypto->ops->dh(crypto->ctx, suite, secret, pub, shared);
	mem_wipe(shared, sizeof(shared));
	*us = clock_now().mono.us - start.us;
	return err;
}

uint32_t measure_dh(const mpp_crypto *crypto, int suite)
{
	uint8_t secret[MPP_DH_MAX], pub[MPP_DH_MAX];
	uint64_t us, least = UINT64_MAX;
	unsigned i;
	mpp_err err = crypto->ops->random(crypto->ctx, secret, sizeof(secret));

	if (err == MPP_OK)
		err = crypto->ops->dh_public(crypto->ctx, suite, secret, pub);
	for (i = 0; i < TRIES && err == MPP_OK; i++) {
		err = one_try(crypto, suite, secret, pub, &us);
		least = us < least ? us : least;
	}
	mem_wipe(secret, sizeof(secret));
	if (err != MPP_OK || least / IN_A_ROW > UINT32_MAX)
		return 0;
	return least < IN_A_ROW ? 1 : (uint32_t)(least / IN_A_ROW);
}
