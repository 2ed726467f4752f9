/* SPDX-License-Identifier: MIT */
/* device.c - devices, instances, invitations, states of bindings.
 * Contract: device.h. */
#include "presence/device.h"

#include "base/mem.h"

static uint32_t *key_bucket(const struct presence *p,
			    const struct device_key *key)
{
	mpp_bytes raw = {key->raw, mpp_dh_len(key->suite)};

	return &p->by_key.bucket[presence_hash(p, raw) & p->by_key.mask];
}

static bool has_key(const struct device *d, const struct device_key *key)
{
	return d->suite == key->suite &&
	       memcmp(d->key, key->raw, mpp_dh_len(key->suite)) == 0;
}

bool device_known(const struct presence *p, const struct device_key *key)
{
	uint32_t i = *key_bucket(p, key);

	while (i != NONE && !has_key(device_at(p, i), key))
		i = device_at(p, i)->hash_next;
	return i != NONE;
}

uint32_t device_find(const struct presence *p, const struct device_key *key,
		     uint32_t account)
{
	uint32_t i = *key_bucket(p, key);

	while (i != NONE && (device_at(p, i)->account != account ||
			     !has_key(device_at(p, i), key)))
		i = device_at(p, i)->hash_next;
	return i;
}

uint32_t device_add(struct presence *p, const struct device_key *key,
		    uint32_t account, uint8_t rights)
{
	struct account *a = account_at(p, account);
	struct device *d;
	uint32_t i;
	unsigned k;

	if (a->n_devices >= p->devices_per_account ||
	    (i = pool_take(&p->devices)) == NONE)
		return NONE;
	d = device_at(p, i);
	memset(d, 0, sizeof(*d));
	d->suite = (uint8_t)key->suite;
	memcpy(d->key, key->raw, mpp_dh_len(key->suite));
	d->rights = rights;
	d->account = account;
	d->half_open = NONE;
	for (k = 0; k < INSTANCES; k++)
		d->instances[k].binding = NONE;
	d->next = a->devices;
	a->devices = i;
	a->n_devices++;
	d->hash_next = *key_bucket(p, key);
	*key_bucket(p, key) = i;
	return i;
}

void device_remove(struct presence *p, uint32_t device)
{
	struct device *d = device_at(p, device);
	struct account *a = account_at(p, d->account);
	struct device_key key = {d->suite, {0}};
	uint32_t *at = &a->devices;

	memcpy(key.raw, d->key, sizeof(key.raw));
	while (*at != device)
		at = &device_at(p, *at)->next;
	*at = d->next;
	a->n_devices--;
	at = key_bucket(p, &key);
	while (*at != device)
		at = &device_at(p, *at)->hash_next;
	*at = d->hash_next;
	d->suite = 0;
	pool_give(&p->devices, device);
}

int instance_find(const struct device *d, const uint8_t id[MPP_INSTANCE_LEN])
{
	int k;

	for (k = 0; k < INSTANCES; k++) {
		if (d->instances[k].timestamp != 0 &&
		    memcmp(d->instances[k].id, id, MPP_INSTANCE_LEN) == 0)
			return k;
	}
	return -1;
}

int instance_place(const struct device *d, const uint8_t id[MPP_INSTANCE_LEN])
{
	int k, oldest = 0, found = instance_find(d, id);

	if (found >= 0)
		return found;
	for (k = 0; k < INSTANCES; k++) {
		if (d->instances[k].timestamp == 0)
			return k;
		if (d->instances[k].used < d->instances[oldest].used)
			oldest = k;
	}
	return oldest;
}

static uint32_t *secret_bucket(const struct presence *p, const uint8_t hash[32])
{
	mpp_bytes bytes = {hash, 32};

	return &p->by_secret.bucket[presence_hash(p, bytes) & p->by_secret.mask];
}

uint32_t invitation_find(const struct presence *p, const uint8_t hash[32])
{
	uint32_t i = *secret_bucket(p, hash);

	while (i != NONE && memcmp(invitation_at(p, i)->hash, hash, 32) != 0)
		i = invitation_at(p, i)->hash_next;
	return i;
}

uint32_t invitation_add(struct presence *p, const uint8_t hash[32],
			uint32_t account)
{
	uint32_t i = pool_take(&p->invitations);
	struct invitation *v;

	if (i == NONE)
		return NONE;
	v = invitation_at(p, i);
	memset(v, 0, sizeof(*v));
	memcpy(v->hash, hash, 32);
	v->account = account;
	v->half_open = NONE;
	v->hash_next = *secret_bucket(p, hash);
	*secret_bucket(p, hash) = i;
	return i;
}

void invitation_remove(struct presence *p, uint32_t invitation)
{
	struct invitation *v = invitation_at(p, invitation);
	uint32_t *at = secret_bucket(p, v->hash);

	while (*at != invitation)
		at = &invitation_at(p, *at)->hash_next;
	*at = v->hash_next;
	memset(v->hash, 0, sizeof(v->hash));
	v->expires = 0;
	pool_give(&p->invitations, invitation);
}

static const struct binding_rule rules[BINDING_STATES][BINDING_EVENTS] = {
	[BINDING_INITIAL] =
		{
			[EVENT_CONFIRMED] = {BINDING_CONNECTED, ACT_ONLINE},
			[EVENT_PACKET] = {BINDING_INITIAL, ACT_NONE},
			[EVENT_DEADLINE] = {BINDING_FREE, ACT_FREE},
			[EVENT_CLOSE] = {BINDING_FREE, ACT_FREE},
		},
	[BINDING_CONNECTED] =
		{
			[EVENT_CONFIRMED] = {BINDING_CONNECTED, ACT_NONE},
			[EVENT_PACKET] = {BINDING_CONNECTED, ACT_NONE},
			[EVENT_DEADLINE] = {BINDING_OVERDUE1, ACT_PROBE},
			[EVENT_CLOSE] = {BINDING_FREE, ACT_FREE | ACT_OFFLINE},
		},
	[BINDING_OVERDUE1] =
		{
			[EVENT_CONFIRMED] = {BINDING_CONNECTED, ACT_NONE},
			[EVENT_PACKET] = {BINDING_CONNECTED, ACT_NONE},
			[EVENT_DEADLINE] = {BINDING_OVERDUE2, ACT_PROBE},
			[EVENT_CLOSE] = {BINDING_FREE, ACT_FREE | ACT_OFFLINE},
		},
	[BINDING_OVERDUE2] =
		{
			[EVENT_CONFIRMED] = {BINDING_CONNECTED, ACT_NONE},
			[EVENT_PACKET] = {BINDING_CONNECTED, ACT_NONE},
			[EVENT_DEADLINE] = {BINDING_OVERDUE3, ACT_PROBE},
			[EVENT_CLOSE] = {BINDING_FREE, ACT_FREE | ACT_OFFLINE},
		},
	[BINDING_OVERDUE3] =
		{
			[EVENT_CONFIRMED] = {BINDING_CONNECTED, ACT_NONE},
			[EVENT_PACKET] = {BINDING_CONNECTED, ACT_NONE},
			[EVENT_DEADLINE] = {BINDING_CLOSED, ACT_OFFLINE},
			[EVENT_CLOSE] = {BINDING_FREE, ACT_FREE | ACT_OFFLINE},
		},
	[BINDING_CLOSED] =
		{
			[EVENT_CONFIRMED] = {BINDING_CONNECTED, ACT_ONLINE},
			[EVENT_PACKET] = {BINDING_CONNECTED, ACT_ONLINE},
			[EVENT_DEADLINE] = {BINDING_FREE, ACT_FREE},
			[EVENT_CLOSE] = {BINDING_FREE, ACT_FREE},
		},
};

const struct binding_rule *binding_rule(enum binding_state state,
					enum binding_event event)
{
	return &rules[state][event];
}

const char *binding_state_name(enum binding_state state)
{
	switch (state) {
	case BINDING_FREE:
		return "free";
	case BINDING_INITIAL:
		return "initial";
	case BINDING_CONNECTED:
		return "connected";
	case BINDING_OVERDUE1:
	case BINDING_OVERDUE2:
	case BINDING_OVERDUE3:
		return "overdue";
	case BINDING_CLOSED:
		return "closed";
	case BINDING_STATES:
		break;
	}
	return "?";
}
