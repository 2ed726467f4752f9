/* SPDX-License-Identifier: MIT */
/* client_keepalive.c - how long a device may be silent.
 * Contract and picture: client_keepalive.h.
 *
 * The search doubles what is proved until a probe is missed, and then halves
 * the distance, as a ratio, until no more than a tenth is left. A network that
 * was met before is asked first for what it lasted then. */
#include "role/client.h"

enum {
	SLEPT_US = 5000000 /* so late a tick: the device was asleep */
};
/* A settled search looks once more so often: what ended it may have been an
 * outage, and no NAT. */
#define AGAIN_US UINT64_C(86400000000)

void keepalive_init(struct keepalive *k, uint32_t fixed_ms)
{
	*k = (struct keepalive){
		.state = KEEPALIVE_REST,
		.fixed_ms = fixed_ms,
		.low_ms = KEEPALIVE_START_MS,
	};
}

/* The end of a probe, whatever it told. */
static void rest(struct keepalive *k)
{
	k->state = KEEPALIVE_REST;
	k->probe_ms = 0;
	k->serial = 0;
}

void keepalive_network(struct keepalive *k, uint32_t low_ms, uint32_t high_ms)
{
	rest(k);
	k->rest = (mpp_time){0};
	k->low_ms = KEEPALIVE_START_MS;
	k->remembered_ms = low_ms > KEEPALIVE_START_MS ? low_ms : 0;
	k->high_ms = high_ms;
}

void keepalive_stop(struct keepalive *k)
{
	if (k->state != KEEPALIVE_REST)
		rest(k);
}

void keepalive_connected(struct keepalive *k, uint32_t lease_ms)
{
	keepalive_stop(k);
	/* A quarter is left to repeat a lost heartbeat in. */
	k->limit_ms = lease_ms - lease_ms / 4;
}

uint32_t keepalive_interval_ms(const struct keepalive *k)
{
	if (k->fixed_ms != 0)
		return k->fixed_ms;
	if (k->limit_ms != 0 && k->low_ms > k->limit_ms)
		return k->limit_ms;
	return k->low_ms;
}

/* At least nine tenths of what can be had at most. */
static bool is_near(uint32_t low, uint32_t high)
{
	return (uint64_t)low * 10 >= (uint64_t)high * 9;
}

bool keepalive_settled(const struct keepalive *k)
{
	if (k->fixed_ms != 0 || k->limit_ms == 0 ||
	    is_near(k->low_ms, k->limit_ms))
		return true;
	return k->high_ms != 0 && is_near(k->low_ms, k->high_ms);
}

static uint32_t square_root(uint64_t v)
{
	uint64_t low = 0, high = UINT32_MAX;

	while (low < high) {
		uint64_t mid = (low + high + 1) / 2;

		if (mid <= v / mid)
			low = mid;
		else
			high = mid - 1;
	}
	return (uint32_t)low;
}

/* What the search asks next. */
static uint64_t next_probe(const struct keepalive *k)
{
	if (k->remembered_ms > k->low_ms)
		return k->remembered_ms;
	if (k->high_ms == 0)
		return (uint64_t)k->low_ms * 2;
	if (keepalive_settled(k))
		return k->high_ms;
	return square_root((uint64_t)k->low_ms * k->high_ms);
}

uint32_t keepalive_probe(const struct keepalive *k, mpp_time now)
{
	const uint64_t probe = next_probe(k);

	if (k->fixed_ms != 0 || k->state != KEEPALIVE_REST ||
	    k->limit_ms <= k->low_ms)
		return 0;
	/* Looking once more makes sense only below the limit: after a day, or
	 * at once when what ends the search was not found by a probe here. */
	if (keepalive_settled(k) &&
	    (probe > k->limit_ms || !time_due(k->rest, now)))
		return 0;
	return probe > k->limit_ms ? k->limit_ms : (uint32_t)probe;
}

void keepalive_asked(struct keepalive *k, uint32_t probe_ms, uint32_t serial,
		     mpp_time now)
{
	k->state = KEEPALIVE_ASKED;
	k->probe_ms = probe_ms;
	k->serial = serial;
	k->asked = now;
	k->broken = false;
}

void keepalive_spoke(struct keepalive *k)
{
	if (k->state == KEEPALIVE_ASKED)
		k->broken = true;
	if (k->state != KEEPALIVE_SILENT)
		return;
	k->restarted++;
	rest(k);
}

void keepalive_waits(struct keepalive *k, uint64_t grace_us)
{
	if (k->state != KEEPALIVE_ASKED)
		return;
	k->state = KEEPALIVE_SILENT;
	k->late = time_plus(k->asked, (uint64_t)k->probe_ms * 1000 + grace_us);
	if (k->broken)
		keepalive_spoke(k);
}

/* What ends a search is valid for a day. */
static void found(struct keepalive *k, mpp_time now)
{
	rest(k);
	k->rest.us = 0;
	if (keepalive_settled(k))
		k->rest = time_plus(now, AGAIN_US);
}

static void proved(struct keepalive *k, mpp_time now)
{
	k->answered++;
	k->low_ms = k->probe_ms;
	if (k->low_ms >= k->remembered_ms)
		k->remembered_ms = 0;
	if (k->high_ms <= k->low_ms)
		k->high_ms = 0;
	found(k, now);
}

bool keepalive_answered(struct keepalive *k, uint64_t serial, mpp_time now)
{
	if ((k->state != KEEPALIVE_ASKED && k->state != KEEPALIVE_SILENT) ||
	    serial != k->serial)
		return false;
	/* An answer that comes at once, or to one who was not silent, says
	 * nothing of the path. */
	if (k->state == KEEPALIVE_SILENT &&
	    time_due(time_plus(k->asked, (uint64_t)k->probe_ms * 1000), now))
		proved(k, now);
	else
		rest(k);
	return true;
}

void keepalive_alive(struct keepalive *k, mpp_time now)
{
	if (k->state != KEEPALIVE_MISSED)
		return;
	k->missed++;
	if (k->high_ms == 0 || k->probe_ms < k->high_ms)
		k->high_ms = k->probe_ms;
	k->remembered_ms = 0;
	found(k, now);
}

void keepalive_path_lost(struct keepalive *k, uint64_t ms)
{
	/* So soon no mapping dies: the network was away. */
	if (ms <= KEEPALIVE_START_MS || ms > UINT32_MAX)
		return;
	if (k->high_ms == 0 || ms < k->high_ms)
		k->high_ms = (uint32_t)ms;
	if (ms <= k->remembered_ms)
		k->remembered_ms = 0;
	/* Not the path any more that lasted as long: begin anew. */
	if (ms <= k->low_ms)
		keepalive_network(k, 0, k->high_ms);
}

mpp_time keepalive_deadline(const struct keepalive *k, mpp_time spoke)
{
	if (k->state == KEEPALIVE_SILENT)
		return k->late;
	if (k->state == KEEPALIVE_MISSED)
		return (mpp_time){0};
	return time_plus(spoke, (uint64_t)keepalive_interval_ms(k) * 1000);
}

void keepalive_tick(struct keepalive *k, mpp_time now)
{
	if (k->state != KEEPALIVE_SILENT || !time_due(k->late, now))
		return;
	if (time_due(time_plus(k->late, SLEPT_US), now))
		rest(k);
	else
		k->state = KEEPALIVE_MISSED;
}
