/* SPDX-License-Identifier: MIT */
/* replay.h - the replay window: which of the newest datagram indexes have
 * been seen (docs/protocol.md section 6). The bits are a ring, index modulo
 * their number, so moving the top clears only what it passes. */
#ifndef RUD_REPLAY_H
#define RUD_REPLAY_H

#include <mpp/base.h>

/* top is the highest index seen plus one; 0: nothing yet. bits has `words`
 * words of 64 indexes, a power of two. */
struct replay {
	uint64_t top;
	uint64_t *bits;
	unsigned words;
};

/* May this index be opened? Not when it was seen or is older than the
 * window. */
bool replay_fresh(const struct replay *w, uint64_t index);
/* Note a fresh index as seen. Only after it was opened. */
void replay_mark(struct replay *w, uint64_t index);
/* Something of this index was opened, but not all: move the top only. */
void replay_raise(struct replay *w, uint64_t index);

#endif
