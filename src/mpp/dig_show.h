/* SPDX-License-Identifier: MIT */
/* dig_show.h - an answer of the DNS, as dig prints it and as JSON. */
#ifndef MPP_DIG_SHOW_H
#define MPP_DIG_SHOW_H

#include <mpp/base.h>

#include "host/dnsmsg.h"

struct dig {
	bool brief, dnssec, cd;
	uint8_t name[255]; /* as in a message */
	size_t name_len;
	unsigned type;
	uint16_t id;
	mpp_bytes answer;
	struct dnsmsg shape; /* of it */
	uint64_t took_us;
};

/* @return 0, or an exit code having complained */
int dig_show(const struct dig *g);
int dig_show_json(const struct dig *g);

#endif
