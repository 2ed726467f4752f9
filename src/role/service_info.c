/* SPDX-License-Identifier: MIT */
/* service_info.c - looking at a service. Contract: mpp/service.h. */
#include "role/service.h"

#include "base/mem.h"

static bool account_info(const mpp_service *s, uint32_t i,
			 mpp_account_info *out)
{
	const struct account *a = account_at(&s->state, i);

	if (a->name_len == 0 || a->batch != 0)
		return false;
	*out = (mpp_account_info){
		.name = account_name(a),
		.serial = a->serial,
		.stores = a->n_stores,
		.devices = a->n_devices,
		.index = i,
	};
	return true;
}

bool mpp_service_account_find(const mpp_service *s, mpp_bytes name,
			      mpp_account_info *out)
{
	uint8_t canonical[MPP_ACCOUNT_MAX];
	uint32_t i;

	if (account_canonical(name, canonical) != MPP_OK)
		return false;
	name.p = canonical;
	i = account_find(&s->state, name);
	return i != NONE && account_info(s, i, out);
}

bool mpp_service_account_next(const mpp_service *s, uint32_t *cursor,
			      mpp_account_info *out)
{
	while (*cursor < s->state.accounts.fresh) {
		if (account_info(s, (*cursor)++, out))
			return true;
	}
	return false;
}

/* Cursors over lists hold the index plus one; 0 is the start and, because a
 * list never returns to it, UINT32_MAX the end. */
static uint32_t list_at(uint32_t cursor, uint32_t head)
{
	return cursor == 0 ? head : cursor - 1;
}

bool mpp_service_store_next(const mpp_service *s, const mpp_account_info *a,
			    uint32_t *cursor, mpp_store_status *out,
			    uint64_t *serial)
{
	uint32_t i =
		*cursor == UINT32_MAX
			? NONE
			: list_at(*cursor,
				  account_at(&s->state, a->index)->stores.head);
	const struct entry *e;

	while (i != NONE && entry_at(&s->state, i)->serial == 0)
		i = entry_at(&s->state, i)->next;
	if (i == NONE)
		return false;
	e = entry_at(&s->state, i);
	*out = (mpp_store_status){entry_name(e), e->index, entry_digest(e)};
	*serial = e->serial;
	*cursor = e->next == NONE ? UINT32_MAX : e->next + 1;
	return true;
}

bool mpp_service_device_next(const mpp_service *s, const mpp_account_info *a,
			     uint32_t *cursor, mpp_device_info *out)
{
	uint32_t i =
		*cursor == UINT32_MAX
			? NONE
			: list_at(*cursor,
				  account_at(&s->state, a->index)->devices);
	const struct device *d;

	if (i == NONE)
		return false;
	d = device_at(&s->state, i);
	out->suite = d->suite;
	out->rights = d->rights & 0x7fu;
	out->alarms = d->alarms;
	out->index = i;
	if (mpp_udf_key(&s->crypto, d->suite, d->key, out->udf) != MPP_OK)
		memset(out->udf, 0, sizeof(out->udf));
	*cursor = d->next == NONE ? UINT32_MAX : d->next + 1;
	return true;
}

bool mpp_service_connection_next(const mpp_service *s, const mpp_device_info *d,
				 uint32_t *cursor, mpp_instant now,
				 mpp_connection_info *out)
{
	const struct device *dev = device_at(&s->state, d->index);
	const struct instance *in;
	const struct binding *b;

	while (*cursor < INSTANCES && dev->instances[*cursor].binding == NONE)
		++*cursor;
	if (*cursor >= INSTANCES)
		return false;
	in = &dev->instances[(*cursor)++];
	b = binding_at(&s->state, in->binding);
	*out = (mpp_connection_info){
		.state = binding_state_name(b->state),
		.subscribed = (b->flags & BIND_SUBSCRIBED) != 0,
		.acknowledged = b->acked,
		.endpoint = b->path,
		.rtt_us = rtt_of(&b->rtt, RTT_AWAKE).smooth_us,
		.silent_ms = ms_of(now.mono) - b->seen_ms,
		.lease_ms = b->lease_ms,
	};
	memcpy(out->instance, in->id, MPP_INSTANCE_LEN);
	return true;
}

mpp_err mpp_service_fingerprint(const mpp_service *s, int suite,
				uint8_t udf[MPP_UDF_LEN])
{
	if (suite < 1 || suite > SUITES || !s->suites[suite - 1].on)
		return MPP_ERR_UNSUPPORTED;
	memcpy(udf, s->suites[suite - 1].udf, MPP_UDF_LEN);
	return MPP_OK;
}

const mpp_service_counters *mpp_service_count(const mpp_service *s)
{
	return &s->count;
}

static mpp_pool_info pool_info(const char *name, const struct pool *p)
{
	return (mpp_pool_info){name, p->used, p->limit, (uint32_t)p->stride};
}

bool mpp_service_pool(const mpp_service *s, unsigned i, mpp_pool_info *out)
{
	const struct presence *p = &s->state;

	switch (i) {
	case 0:
		*out = pool_info("bindings", &p->bindings);
		/* With their places in the heap of deadlines. */
		out->bytes_each +=
			(uint32_t)(sizeof(*p->due.e) + sizeof(*p->due.where));
		return true;
	case 1:
		*out = pool_info("half_open", &p->halves);
		return true;
	case 2:
		*out = pool_info("paths", &p->trials);
		return true;
	case 3:
		*out = pool_info("probes", &p->probes);
		return true;
	case 4:
		*out = pool_info("devices", &p->devices);
		return true;
	case 5:
		*out = pool_info("accounts", &p->accounts);
		return true;
	case 6:
		*out = pool_info("stores", &p->entries);
		return true;
	case 7:
		*out = pool_info("invitations", &p->invitations);
		return true;
	case 8:
		*out = (mpp_pool_info){"operations", s->waiting.n,
				       s->config.operations,
				       3 * sizeof(struct change)};
		return true;
	case 9:
		*out = pool_info("snapshots", &p->snapshots);
		return true;
	case 10:
		*out = pool_info("held", &s->held.pool);
		out->bytes_each += (uint32_t)(sizeof(*s->held.due.e) +
					      sizeof(*s->held.due.where));
		return true;
	case 11:
		*out = pool_info("resolves", &p->resolves);
		return true;
	default:
		return false;
	}
}
