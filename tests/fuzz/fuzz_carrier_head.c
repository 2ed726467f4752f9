/* SPDX-License-Identifier: MIT */
/* Any text as a line of an HTTP head. Invariants: a wait is a whole number of
 * seconds of at most a day; an address has a family and no port. */
#include <stdlib.h>
#include <string.h>

#include "web/carrier_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = malloc(size + 1);
	mpp_addr a = {.family = 0};
	uint32_t ms;

	need(line != NULL);
	if (size != 0)
		memcpy(line, data, size);
	line[size] = '\0';
	ms = head_wait_ms(line);
	need(ms % 1000 == 0 && ms <= 86400000);
	(void)head_is_rud(line);
	if (head_forwarded(line, &a))
		need((a.family == 4 || a.family == 6) && a.port == 0);
	else
		need(a.family == 0);
	free(line);
	return 0;
}
