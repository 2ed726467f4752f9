/* SPDX-License-Identifier: MIT */
/* duration.c - times as people write them. Contract: duration.h. */
#include "mpp/duration.h"

#include <stddef.h>
#include <string.h>

static const struct unit {
	const char *name;
	uint32_t ms;
} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}};

static const struct unit *find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(units[i].name, name) == 0)
			return &units[i];
	}
	return NULL;
}

bool duration_parse(const char *text, uint32_t min_ms, uint32_t max_ms,
		    uint32_t *out_ms)
{
	const size_t digits = strspn(text, "0123456789");
	const struct unit *unit = find(text + digits);
	uint64_t value = 0;
	size_t i;

	if (digits == 0 || digits > 9)
		return false;
	for (i = 0; i < digits; i++)
		value = value * 10 + (uint64_t)(text[i] - '0');
	if (unit == NULL && (value != 0 || text[digits] != '\0'))
		return false;
	value *= unit == NULL ? 1 : unit->ms;
	if (value < min_ms || value > max_ms)
		return false;
	*out_ms = (uint32_t)value;
	return true;
}
