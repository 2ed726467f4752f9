/* SPDX-License-Identifier: MIT */
/* Any octets as a configuration. Invariants: what is refused changes nothing
 * and says where; what is accepted, printed and read again is the same, as
 * long as the printed lines are not too long. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
	if (!ok)
		abort();
}

static bool too_long(const char *text)
{
	for (; *text != '\0'; text += strcspn(text, "\n") + 1) {
		if (strcspn(text, "\n") > CONF_LINE)
			return true;
	}
	return false;
}

static void check_printed(struct conf *c)
{
	struct fault f;
	struct conf again;
	char *text = NULL;
	size_t n = 0;
	FILE *to = open_memstream(&text, &n);

	need(to != NULL);
	conf_print(c, to);
	need(fclose(to) == 0);
	if (!too_long(text)) {
		need(conf_parse((mpp_bytes){(uint8_t *)text, n}, "again",
				&again, &f) == MPP_OK);
		/* Where it stands is another matter. */
		memset(c->line, 0, sizeof(c->line));
		memset(again.line, 0, sizeof(again.line));
		need(memcmp(c, &again, sizeof(again)) == 0);
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fault f = {0, ""};
	struct conf c, before;

	memset(&c, 0xa5, sizeof(c));
	memset(&before, 0xa5, sizeof(before));
	if (conf_parse((mpp_bytes){data, size}, "fuzz", &c, &f) == MPP_OK) {
		check_printed(&c);
		return 0;
	}
	need(memcmp(&c, &before, sizeof(c)) == 0);
	need(strncmp(f.text, "fuzz:", 5) == 0 && f.exit_code == 78);
	return 0;
}
