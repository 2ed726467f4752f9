/* SPDX-License-Identifier: MIT */
/* Extension lists and Params: any bytes give a verdict; a list that is
 * accepted and written again from its parts is accepted again. */
#include <stdlib.h>

#include "rud/ext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(const struct ext *e)
{
	uint8_t p[8192];
	struct wr w = wr_init(p, sizeof(p));
	struct ext back;
	struct rd r;
	unsigned n;

	for (n = 0; n < EXT_NUMBERS; n++) {
		if ((e->present >> n & 1) != 0)
			ext_put(&w, (enum ext_number)n, e->v[n].p, e->v[n].len);
	}
	ext_put_end(&w);
	if (w.err != MPP_OK)
		return;
	r = rd_init((mpp_bytes){p, w.n});
	if (ext_read(&r, &back) != MPP_OK || back.present != e->present)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r = rd_init((mpp_bytes){data, size});
	struct params params;
	struct ext e;
	uint64_t v;
	unsigned n;

	if (ext_read(&r, &e) != MPP_OK)
		return 0;
	again(&e);
	for (n = 0; n < EXT_NUMBERS; n++) {
		if ((e.present >> n & 1) == 0)
			continue;
		if (ext_get_int(e.v[n], &v) == MPP_OK && v >= UINT64_C(1) << 62)
			abort();
		if (params_read(e.v[n], &params) == MPP_OK &&
		    params.packet_size != 0 && params.packet_size < 1200)
			abort();
	}
	return 0;
}
