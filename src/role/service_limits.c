/* SPDX-License-Identifier: MIT */
/* service_limits.c - how much work for whom (docs/protocol.md section 20).
 *
 * Work for an address that is not proved comes out of buckets: one of all
 * Diffie-Hellman operations, and one of first packets for each prefix. Beyond
 * them the answer is a Challenge, never silence; who answers it is counted as
 * a device and not by his address, so that nobody can lock out the owner of
 * an address that he forges. */
#include "role/service.h"

#include "base/bucket.h"

enum {
	DH_BURST_US = 2000, /* of Diffie-Hellman, in a row */
	PREFIX_V4 = 3,      /* octets */
	PREFIX_V6 = 7,
	PER_CENT = 100,
};

/* FNV-1a over the prefix, from a seed that nobody knows. */
unsigned service_prefix(const struct mpp_service *s, const mpp_addr *a)
{
	const unsigned n = a->family == 4 ? PREFIX_V4 : PREFIX_V6;
	uint32_t h = s->state.hash_seed ^ 2166136261u;
	unsigned i;

	for (i = 0; i < n; i++)
		h = (h ^ a->ip[i]) * 16777619u;
	return (h ^ h >> 16) % PREFIX_BUCKETS;
}

/* What an operation costs the bucket, which refills with the time. */
static uint64_t dh_cost(const struct mpp_service *s, uint64_t suite)
{
	const uint32_t us = suite == MPP_SUITE_448 ? s->config.dh448_us
						   : s->config.dh25519_us;

	return (uint64_t)us * PER_CENT / s->config.dh_percent;
}

void service_dh_charge(struct mpp_service *s, uint64_t suite, unsigned n,
		       mpp_time now)
{
	if (s->dh_spent_us < now.us)
		s->dh_spent_us = now.us;
	s->dh_spent_us += n * dh_cost(s, suite);
}

/* A full bucket is good for one handshake, however long that takes. */
static bool dh_left(const struct mpp_service *s, uint64_t suite, unsigned n,
		    mpp_time now)
{
	const uint64_t burst =
		(uint64_t)DH_BURST_US * PER_CENT / s->config.dh_percent;

	return s->dh_spent_us <= now.us ||
	       s->dh_spent_us - now.us + n * dh_cost(s, suite) <= burst;
}

bool service_defer(struct mpp_service *s, uint64_t suite, unsigned n,
		   const mpp_addr *from, mpp_time now)
{
	/* Of a prefix: ten in a second, twenty at once. */
	static const struct bucket first = {100, 2000};

	if (dh_left(s, suite, n, now) &&
	    bucket_take(&first, &s->first_spent_ms[service_prefix(s, from)],
			ms_of(now)))
		return false;
	s->count.deferred++;
	return true;
}

/* ---- devices ---- */

static struct bucket per_minute(uint32_t n)
{
	return (struct bucket){60000 / n, 60000};
}

/* Unconfirmed ones of all instances, named or invented. */
static struct bucket unconfirmed(const struct mpp_service *s)
{
	return per_minute(INSTANCES * s->config.handshakes);
}

static bool same_host(const mpp_addr *a, const mpp_addr *b)
{
	return a->family == b->family &&
	       memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static uint32_t later(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* Unconfirmed ones may be somebody's who has stolen the service's key, so they
 * do not keep an instance from coming back where it is. */
uint32_t service_handshake_wait(const struct mpp_service *s,
				const struct admission *ad,
				const mpp_addr *from, mpp_time now)
{
	const struct bucket all = unconfirmed(s);
	const struct bucket own = per_minute(s->config.handshakes);
	const struct device *d = device_at(&s->state, ad->device);
	const int k = instance_find(d, ad->params.instance);
	const struct instance *in;
	uint32_t wait;

	if (k < 0)
		return bucket_wait(&all, d->opened_ms, ms_of(now));
	in = &d->instances[k];
	wait = later(service_clone_wait(s, in, now),
		     bucket_wait(&own, in->confirms_ms, ms_of(now)));
	if (in->binding != NONE &&
	    same_host(&binding_at(&s->state, in->binding)->path, from))
		return wait;
	return later(wait, bucket_wait(&all, d->opened_ms, ms_of(now)));
}

void service_handshake_opened(const struct mpp_service *s, struct device *d,
			      mpp_time now)
{
	const struct bucket all = unconfirmed(s);

	(void)bucket_take(&all, &d->opened_ms, ms_of(now));
}

void service_handshake_confirmed(const struct mpp_service *s, struct device *d,
				 struct instance *in, mpp_time now)
{
	const struct bucket all = unconfirmed(s);
	const struct bucket own = per_minute(s->config.handshakes);

	bucket_give(&all, &d->opened_ms, ms_of(now));
	(void)bucket_take(&own, &in->confirms_ms, ms_of(now));
}

uint32_t service_request_wait(const struct mpp_service *s, struct device *d,
			      mpp_time now)
{
	const uint32_t each = 1000 / s->config.requests_per_s;
	const struct bucket b = {each, each * s->config.request_burst};
	const uint32_t wait = bucket_wait(&b, d->requests_ms, ms_of(now));

	if (wait == 0)
		(void)bucket_take(&b, &d->requests_ms, ms_of(now));
	return wait;
}
