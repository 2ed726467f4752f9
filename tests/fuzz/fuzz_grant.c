/* SPDX-License-Identifier: MIT */
/* fuzz_grant.c - a token as a minter hands it out, read from a file: all of it
 * is taken, or nothing and it is said why, without the secret. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop/grant.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "fuzz_grant: not so: %s\n", what);
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loop_grant g, before;
	mpp_loop_error e = {.text = ""};

	memset(&g, 0xa5, sizeof(g));
	before = g;
	if (loop_grant_parse((mpp_bytes){data, size}, &g, &e) != MPP_OK) {
		must(memcmp(&g, &before, sizeof(g)) == 0, "nothing changed");
		must(e.text[0] != '\0' && e.exit_code != 0, "it says why");
		return 0;
	}
	must(g.token_len > 0 && g.token_len <= MPP_TOKEN_MAX, "a token");
	must(g.n_endpoints <= LOOP_ENDPOINTS_MAX, "up to 8 endpoints");
	must(g.n_pins <= MPP_PINS_MAX, "up to 4 pins");
	must(memchr(g.account, 0, sizeof(g.account)) != NULL, "a text");
	return 0;
}
