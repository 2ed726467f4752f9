/* SPDX-License-Identifier: MIT */
/* bucket.h - leaky buckets of one word each: the moment, in units of time that
 * wrap around, up to which everything is spent. The unit is milliseconds where
 * nothing else is said. */
#ifndef BASE_BUCKET_H
#define BASE_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct bucket {
	uint32_t each;  /* one in this time, */
	uint32_t burst; /* as many at once as make up this time */
};

/* How much of the time ahead is spent. What lies further ahead than anything
 * that was ever taken is a moment long past: the clock has gone round. */
static inline uint32_t bucket_ahead(const struct bucket *b, uint32_t spent,
				    uint32_t now)
{
	const uint32_t ahead = spent - now;

	return ahead <= b->burst ? ahead : 0;
}

/* How long until there is one; 0: now. */
static inline uint32_t bucket_wait(const struct bucket *b, uint32_t spent,
				   uint32_t now)
{
	const uint32_t ahead = bucket_ahead(b, spent, now);

	return ahead + b->each > b->burst ? ahead + b->each - b->burst : 0;
}

/* Take one. False: there is none. */
static inline bool bucket_take(const struct bucket *b, uint32_t *spent,
			       uint32_t now)
{
	if (bucket_wait(b, *spent, now) != 0)
		return false;
	*spent = now + bucket_ahead(b, *spent, now) + b->each;
	return true;
}

/* Give one back that was taken. */
static inline void bucket_give(const struct bucket *b, uint32_t *spent,
			       uint32_t now)
{
	const uint32_t ahead = bucket_ahead(b, *spent, now);

	*spent = now + (ahead > b->each ? ahead - b->each : 0);
}

#endif
