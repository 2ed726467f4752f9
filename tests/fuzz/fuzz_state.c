/* SPDX-License-Identifier: MIT */
/* fuzz_state.c - any octets as a device's state. What is taken must be
 * written and read back the same; what is refused must change nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what, const char *sentence)
{
	if (what)
		return;
	(void)fprintf(stderr, "broken: %s\n", sentence);
	abort();
}

static bool is_untouched(const struct loop_state *s)
{
	const uint8_t *p = (const uint8_t *)s;
	size_t i;

	for (i = 0; i < sizeof(*s); i++) {
		if (p[i] != 0xa5)
			return false;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t room[LOOP_STATE_MAX];
	mpp_buf buf = {room, sizeof(room), 0};
	struct loop_state s, again;
	const char *wrong = NULL;

	if (size > LOOP_STATE_MAX)
		return 0;
	memset(&s, 0xa5, sizeof(s));
	if (loop_state_decode((mpp_bytes){data, size}, &s, &wrong) != MPP_OK) {
		must(wrong != NULL, "it says why");
		must(is_untouched(&s), "nothing was changed");
		return 0;
	}
	must((s.n_endpoints > 0 || s.domain[0] != '\0') ==
		     (s.account[0] != '\0'),
	     "somebody to talk to, or to ask for, or only a key");
	must(loop_state_encode(&s, &buf) == MPP_OK, "it can be written");
	must(loop_state_decode((mpp_bytes){buf.p, buf.len}, &again, &wrong) ==
		     MPP_OK,
	     "it reads back");
	must(memcmp(&s, &again, sizeof(s)) == 0, "it is the same");
	return 0;
}
