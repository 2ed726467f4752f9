/* SPDX-License-Identifier: MIT */
/* service_clone.c - two programs with one device key (docs/protocol.md section
 * 13).
 *
 * Live instances that nobody has allowed have bindings of their own and do not
 * displace each other, but raise an alarm. Copies of one instance do displace
 * each other: the third time within a minute from changing addresses raises
 * the alarm too, and then the instance has to wait, longer each time, so that
 * they cannot keep the service and each other busy. */
#include "role/service.h"

#include "base/mem.h"

enum {
	REPLACED_MS = 60000,
	BLOCK_FIRST_MS = 10000,
	PENALTY_MAX = 16, /* doublings, far beyond any lease */
};

static bool live(const struct mpp_service *s, uint32_t slot)
{
	return slot != NONE &&
	       binding_at(&s->state, slot)->state != BINDING_CLOSED;
}

/* The instances that ask for another one, once or again and again, are no second
 * ones. */
static bool helper_of(const struct instance *a, const struct instance *b)
{
	const unsigned last = MPP_INSTANCE_LEN - 1;

	return memcmp(a->id, b->id, last) == 0 &&
	       (a->id[last] ^ b->id[last]) < 4;
}

/* Whether it is the only one that is live, or the first of it and its helpers.
 */
static bool counts(const struct mpp_service *s, const struct device *d,
		   unsigned k)
{
	unsigned i;

	if (!live(s, d->instances[k].binding))
		return false;
	for (i = 0; i < k; i++) {
		if (live(s, d->instances[i].binding) &&
		    helper_of(&d->instances[i], &d->instances[k]))
			return false;
	}
	return true;
}

static unsigned live_instances(const struct mpp_service *s,
			       const struct device *d)
{
	unsigned n = 0, k;

	for (k = 0; k < INSTANCES; k++)
		n += counts(s, d, k);
	return n;
}

/* Told to the host; when it does not fetch them the oldest go. */
static void raise(struct mpp_service *s, const struct binding *b,
		  enum mpp_alarm_kind kind)
{
	const struct device *d = device_at(&s->state, b->device);
	const struct account *a = account_at(&s->state, d->account);
	mpp_alarm *out = &s->alarms[(s->alarm_first + s->alarm_n) % ALARMS];

	s->count.clone_alarms++;
	if (s->alarm_n == ALARMS)
		s->alarm_first = (s->alarm_first + 1) % ALARMS;
	else
		s->alarm_n++;
	memset(out, 0, sizeof(*out));
	out->kind = kind;
	if (mpp_udf_key(&s->crypto, d->suite, d->key, out->udf) != MPP_OK)
		memset(out->udf, 0, sizeof(out->udf));
	memcpy(out->instance, d->instances[b->instance].id, MPP_INSTANCE_LEN);
	out->endpoint = b->path;
	out->account_len = a->name_len;
	memcpy(out->account, a->name, a->name_len);
}

bool mpp_service_next_alarm(mpp_service *s, mpp_alarm *out)
{
	if (s->alarm_n == 0)
		return false;
	*out = s->alarms[s->alarm_first];
	s->alarm_first = (s->alarm_first + 1) % ALARMS;
	s->alarm_n--;
	return true;
}

void service_clone_confirmed(struct mpp_service *s, const struct binding *b)
{
	struct device *d = device_at(&s->state, b->device);

	if (live_instances(s, d) <= s->config.instances_allowed ||
	    (d->alarms & MPP_ALARM_INSTANCES) != 0)
		return;
	d->alarms |= MPP_ALARM_INSTANCES;
	raise(s, b, MPP_ALARM_INSTANCES);
}

void service_clone_gone(struct mpp_service *s, struct device *d)
{
	if (live_instances(s, d) <= s->config.instances_allowed)
		d->alarms &= (uint8_t)~MPP_ALARM_INSTANCES;
}

/* The third within a minute, or one more soon after. Also notes this one. */
static bool too_often(const struct mpp_service *s, struct instance *in,
		      uint32_t now)
{
	const uint32_t forget = 2 * s->config.lease_ms + REPLACED_MS;
	bool third;

	if (in->replaced == 0 || now - in->replaced_ms[1] > forget)
		in->penalty = in->replaced = 0;
	third = in->replaced == 2 && now - in->replaced_ms[0] < REPLACED_MS;
	in->replaced_ms[0] = in->replaced_ms[1];
	in->replaced_ms[1] = now;
	if (in->replaced < 2)
		in->replaced++;
	return third || in->penalty != 0;
}

/* How long it has to wait after the newest one. */
static uint32_t block_ms(const struct mpp_service *s, const struct instance *in)
{
	uint64_t wait = BLOCK_FIRST_MS;

	if (in->penalty == 0)
		return 0;
	wait <<= in->penalty - 1;
	return wait < s->config.lease_ms ? (uint32_t)wait : s->config.lease_ms;
}

void service_clone_replaced(struct mpp_service *s, const struct binding *b,
			    const struct binding *old, mpp_time now)
{
	struct device *d = device_at(&s->state, b->device);
	struct instance *in = &d->instances[b->instance];

	if (old->state == BINDING_CLOSED ||
	    memcmp(&old->path, &b->path, sizeof(b->path)) == 0 ||
	    !too_often(s, in, ms_of(now)))
		return;
	if (in->penalty < PENALTY_MAX)
		in->penalty++;
	d->alarms |= MPP_ALARM_REPLACED;
	raise(s, b, MPP_ALARM_REPLACED);
}

uint32_t service_clone_wait(const struct mpp_service *s,
			    const struct instance *in, mpp_time now)
{
	const uint32_t since = ms_of(now) - in->replaced_ms[1];
	const uint32_t wait = block_ms(s, in);

	return since < wait ? wait - since : 0;
}
