/* SPDX-License-Identifier: MIT */
/* The leap-seconds file: any text gives a verdict; one that is accepted says
 * something that can be, and only for the future. */
#include <stdlib.h>

#include "host/leap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const mpp_wall now = {UINT64_C(1795536000000000)};
	unsigned tai_utc = 0;
	mpp_wall until = {0};

	if (leap_parse((mpp_bytes){data, size}, now, &tai_utc, &until) !=
	    MPP_OK)
		return 0;
	if (tai_utc < 1 || tai_utc > 10000 || until.us <= now.us)
		abort();
	return 0;
}
