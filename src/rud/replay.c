/* SPDX-License-Identifier: MIT */
/* replay.c - the replay window. Contract: replay.h. */
#include "rud/replay.h"

static uint64_t *word_of(const struct replay *w, uint64_t index)
{
	return &w->bits[(index >> 6) & (w->words - 1)];
}

bool replay_fresh(const struct replay *w, uint64_t index)
{
	uint64_t size = (uint64_t)w->words * 64;

	if (index >= w->top)
		return true;
	if (w->top - index > size)
		return false;
	return (*word_of(w, index) >> (index & 63) & 1) == 0;
}

void replay_raise(struct replay *w, uint64_t index)
{
	uint64_t size = (uint64_t)w->words * 64;
	uint64_t i;

	if (index < w->top)
		return;
	i = index - w->top >= size ? index + 1 - size : w->top;
	for (; i <= index; i++)
		*word_of(w, i) &= ~(UINT64_C(1) << (i & 63));
	w->top = index + 1;
}

void replay_mark(struct replay *w, uint64_t index)
{
	replay_raise(w, index);
	*word_of(w, index) |= UINT64_C(1) << (index & 63);
}
