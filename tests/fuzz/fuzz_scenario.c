/* SPDX-License-Identifier: MIT */
/* A scenario file of mppsim (--file). What is refused is said in one line;
 * after what is taken every setting is one that is allowed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mppsim/scenario.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
	if (!ok)
		abort();
}

static void check(const struct params *p)
{
#define P(member, name, kind, value, least, most, help) \
	need(p->member + 1 > (least) && p->member <= (most));
#define N(member, name, words, value, last, help) need(p->member <= (last));
#include "mppsim/params.def"
#undef N
#undef P
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char path[64], error[SCENARIO_ERROR];
	static int fd = -1;
	struct params p;
	mpp_err err;

	if (fd < 0) {
		fd = memfd_create("scenario", 0);
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	need(ftruncate(fd, 0) == 0);
	need(pwrite(fd, data, size, 0) == (ssize_t)size);
	memset(error, 'x', sizeof(error));
	err = scenario_read(path, &p, error);
	if (err == MPP_OK) {
		check(&p);
	} else {
		need(memchr(error, '\0', sizeof(error)) != NULL);
		need(error[0] != '\0' && strchr(error, '\n') == NULL);
	}
	return 0;
}
