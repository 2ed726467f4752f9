/* SPDX-License-Identifier: MIT */
/* fuzz_planted.c - a parser with a bug on purpose: fuzzing must find it in
 * seconds, or fuzzing finds nothing. The four conditions are nested so that
 * only a fuzzer that sees coverage gets through them. */
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	volatile uint8_t room[4] = {0};
	volatile size_t at = 0;

	if (size > 0 && data[0] == 'M')
		if (size > 1 && data[1] == 'P')
			if (size > 2 && data[2] == 'P')
				at = size > 3 && data[3] == '!' ? 4 : 3;
	room[at] = 1;
	return 0;
}
