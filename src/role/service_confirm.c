/* SPDX-License-Identifier: MIT */
/* service_confirm.c - from a half-open connection to a binding and back
 * (docs/protocol.md section 5, Confirmation).
 *
 * What the first message asked waits in a half_open record until the first
 * data packet under the new keys has been opened: before that the sender may
 * be a replay. An enrolment waits for the disk as well. */
#include "role/service.h"

#include "base/mem.h"

/* The list that a half-open record is in. */
static uint32_t *list_of(const struct mpp_service *s, const struct half_open *h)
{
	const struct binding *b = binding_at(&s->state, h->binding);

	if (b->device != NONE)
		return &device_at(&s->state, b->device)->half_open;
	if (h->invitation == NONE)
		return &account_at(&s->state, h->account)->half_open;
	return &invitation_at(&s->state, h->invitation)->half_open;
}

static bool same_instance(const struct half_open *h, const uint8_t *key,
			  const uint8_t *instance)
{
	return memcmp(h->key, key, MPP_DH_MAX) == 0 &&
	       memcmp(h->instance, instance, MPP_INSTANCE_LEN) == 0;
}

/* Make room in a list: at most two of an instance, at most so many in all; the
 * oldest goes, never one that waits for the disk. */
static bool make_room(struct mpp_service *s, const struct admission *ad,
		      uint32_t list)
{
	const unsigned most = ad->enrols ? HALVES_PER_ACCOUNT
					 : HALVES_PER_DEVICE;
	uint32_t i, oldest_same = NONE, oldest = NONE;
	unsigned same = 0, all = 0;

	/* Newest first, so what is met last is the oldest. */
	for (i = list; i != NONE; i = half_at(&s->state, i)->next) {
		const struct half_open *h = half_at(&s->state, i);

		all++;
		if (h->waiting)
			continue;
		oldest = i;
		if (same_instance(h, ad->key.raw, ad->params.instance)) {
			same++;
			oldest_same = i;
		}
	}
	if (same >= HALVES_PER_INSTANCE)
		service_free(s, half_at(&s->state, oldest_same)->binding);
	else if (all >= most && oldest == NONE)
		return false;
	else if (all >= most)
		service_free(s, half_at(&s->state, oldest)->binding);
	return true;
}

/* When all slots are in use a binding whose device is offline makes room. The
 * search goes round, so that over time the one closed longest ago goes. */
static bool evict_closed(struct mpp_service *s)
{
	uint32_t tries, n = s->state.bindings.limit;

	for (tries = 0; tries < 64 && tries < n; tries++) {
		s->evict = (s->evict + 1) % n;
		if (binding_at(&s->state, s->evict)->state == BINDING_CLOSED) {
			service_free(s, s->evict);
			return true;
		}
	}
	return false;
}

static uint32_t take_slot(struct mpp_service *s)
{
	struct pool *pool = &s->state.bindings;
	bool fresh = pool->free == POOL_NONE;
	uint32_t slot, generation;
	struct binding *b;

	if (fresh && pool->fresh == pool->limit) {
		if (!evict_closed(s))
			return NONE;
		fresh = false;
	}
	slot = pool_take(pool);
	if (slot == NONE)
		return NONE;
	b = binding_at(&s->state, slot);
	generation = fresh ? s->generation : b->generation;
	memset(b, 0, sizeof(*b));
	b->generation = generation;
	b->snapshot = NONE;
	return slot;
}

static uint32_t *list_for(const struct mpp_service *s,
			  const struct admission *ad)
{
	if (ad->device != NONE)
		return &device_at(&s->state, ad->device)->half_open;
	if (ad->enrols)
		return &account_at(&s->state, ad->account)->half_open;
	return &invitation_at(&s->state, ad->invitation)->half_open;
}

static void fill_half(struct mpp_service *s, struct half_open *h,
		      const struct admission *ad, mpp_wall now)
{
	uint64_t serial = account_at(&s->state, ad->account)->assigned;

	h->account = ad->account;
	h->invitation = ad->device == NONE ? ad->invitation : NONE;
	h->suite = (uint8_t)ad->key.suite;
	h->waiting = false;
	h->batch = 0;
	memcpy(h->key, ad->key.raw, MPP_DH_MAX);
	memcpy(h->instance, ad->params.instance, MPP_INSTANCE_LEN);
	h->timestamp = ad->timestamp;
	h->subscribe = ad->has_message && s->msg.type == MSG_CONNECT_REQUEST;
	h->acked = h->subscribe ? s->msg.acknowledge : 0;
	/* Too far ahead to be believed: the answer said Reset. */
	if (h->acked > serial && h->acked > now.us + DAY_US)
		h->acked = 0;
	h->filter[0] = ad->filter[0];
	h->filter[1] = ad->filter[1];
}

uint32_t service_half_open(struct mpp_service *s, const struct admission *ad,
			   mpp_instant now)
{
	uint32_t *list = list_for(s, ad), slot, half;
	struct half_open *h;
	struct binding *b;

	if (!make_room(s, ad, *list) ||
	    (half = pool_take(&s->state.halves)) == NONE)
		return NONE;
	slot = take_slot(s);
	if (slot == NONE) {
		pool_give(&s->state.halves, half);
		return NONE;
	}
	h = half_at(&s->state, half);
	fill_half(s, h, ad, now.wall);
	h->binding = slot;
	h->expires_us = now.mono.us + UNCONFIRMED_US;
	h->next = *list;
	*list = half;
	b = binding_at(&s->state, slot);
	b->state = BINDING_INITIAL;
	b->side = half;
	b->probe = NONE;
	b->device = ad->device;
	b->lease_ms = service_lease(s, s->msg.timeout_ms);
	b->request = (uint32_t)s->msg.serial;
	b->seen_ms = ms_of(now.mono);
	if (s->msg.json)
		b->flags |= BIND_JSON;
	service_arm(s, slot, now.mono);
	return slot;
}

static void unlink_half(struct mpp_service *s, uint32_t half)
{
	struct half_open *h = half_at(&s->state, half);
	uint32_t *at = list_of(s, h);

	while (*at != half)
		at = &half_at(&s->state, *at)->next;
	*at = h->next;
	mem_wipe(h->key, sizeof(h->key));
	pool_give(&s->state.halves, half);
}

void service_free(struct mpp_service *s, uint32_t slot)
{
	struct binding *b = binding_at(&s->state, slot);
	uint32_t generation = b->generation + 1;
	struct device *d;

	if (b->state == BINDING_INITIAL) {
		unlink_half(s, b->side);
		b->side = NONE;
	} else if (b->device != NONE) {
		d = device_at(&s->state, b->device);
		if (d->instances[b->instance].binding == slot)
			d->instances[b->instance].binding = NONE;
		service_clone_gone(s, d);
	}
	heap_set(&s->state.due, slot, UINT64_MAX);
	service_path_end(s, b);
	service_large_end(s, b);
	service_probe_end(s, b);
	service_web_forget(s, slot);
	service_resolve_end(s, slot);
	mem_wipe(b, sizeof(*b));
	b->generation = generation;
	pool_give(&s->state.bindings, slot);
}

mpp_err service_say_close(struct mpp_service *s, uint32_t slot, unsigned code,
			  const char *why, mpp_outbox *out)
{
	uint8_t value[96];
	struct wr v = wr_init(value, sizeof(value));
	struct outgoing o;
	size_t n = 0;
	struct wr w;

	while (why[n] != '\0')
		n++;
	wr_int(&v, code);
	wr_bytes(&v, why, n);
	if (!service_begin(s, slot, out, false, &o))
		return MPP_ERR_NOSPACE;
	w = service_list(&o);
	ext_put(&w, EXT_CLOSE, value, v.n);
	service_list_end(&o, &w);
	return service_finish(s, slot, &o, &binding_at(&s->state, slot)->path,
			      0, NULL, out);
}

void service_end(struct mpp_service *s, uint32_t slot, unsigned code,
		 const char *why, mpp_outbox *out)
{
	mpp_err err = MPP_OK;

	if (service_has_path(binding_at(&s->state, slot)))
		err = service_say_close(s, slot, code, why, out);
	if (err != MPP_OK && err != MPP_ERR_NOSPACE)
		s->count.send_errors++;
	service_web_close(s, slot, code, why);
	service_free(s, slot);
}

/* Older handshakes of the same instance give way. */
static void forget_older(struct mpp_service *s, struct device *d,
			 const struct half_open *h)
{
	uint32_t i, next;

	for (i = d->half_open; i != NONE; i = next) {
		const struct half_open *other = half_at(&s->state, i);

		next = other->next;
		if (other != h && same_instance(other, h->key, h->instance) &&
		    other->timestamp < h->timestamp)
			service_free(s, other->binding);
	}
}

/* So does the binding whose place this one has taken; of the same instance, or
 * of one that had to make room. */
static void replace(struct mpp_service *s, const struct binding *b,
		    uint32_t old, bool same, mpp_time now)
{
	const struct binding *o = binding_at(&s->state, old);

	if (service_renew_due(s, o))
		s->count.renewed++;
	if (same)
		service_clone_replaced(s, b, o, now);
	service_free(s, old);
}

static bool persist_device(struct mpp_service *s, const struct device *d)
{
	struct wr *w = service_fill(s), before = *w;

	record_device(w, account_name(account_at(&s->state, d->account)), d);
	if (w->err == MPP_OK)
		return true;
	*w = before;
	return false;
}

/* The serial that the device holds: of its Subscribe or, if higher, of the
 * confirming packet. The account's serials go on above it. */
static uint64_t held_serial(struct mpp_service *s, const struct half_open *h,
			    uint64_t acked)
{
	struct account *a = account_at(&s->state, h->account);

	if (h->acked > a->assigned)
		a->assigned = h->acked;
	return acked > h->acked && acked <= a->assigned ? acked : h->acked;
}

/* The instance of a half-open record, in its place. False, and nothing is
 * changed: the batch is full. */
static bool take_place(struct mpp_service *s, struct device *d,
		       const struct half_open *h, struct instance *in,
		       bool same)
{
	struct instance before = *in;

	if (!same)
		memset(in, 0, sizeof(*in));
	memcpy(in->id, h->instance, MPP_INSTANCE_LEN);
	in->timestamp = h->timestamp;
	if (persist_device(s, d))
		return true;
	*in = before;
	return false;
}

/* The binding of a known device becomes the one of its instance. */
static bool settle(struct mpp_service *s, uint32_t slot, uint64_t acked,
		   mpp_time now)
{
	struct binding *b = binding_at(&s->state, slot);
	struct half_open *h = half_at(&s->state, b->side);
	struct device *d = device_at(&s->state, b->device);
	const bool same = instance_find(d, h->instance) >= 0;
	const int place = instance_place(d, h->instance);
	struct instance *in = &d->instances[place];
	const uint32_t old = in->timestamp != 0 ? in->binding : NONE;

	if (!take_place(s, d, h, in, same))
		return false;
	in->binding = slot;
	in->used = ++s->state.uses;
	b->instance = (unsigned)place % INSTANCES;
	service_handshake_confirmed(s, d, in, now);
	if (old != NONE)
		replace(s, b, old, same, now);
	forget_older(s, d, h);
	b->acked = held_serial(s, h, acked);
	b->filter[0] = h->filter[0];
	b->filter[1] = h->filter[1];
	if (h->subscribe)
		b->flags |= BIND_SUBSCRIBED | BIND_DUE;
	unlink_half(s, b->side);
	b->side = NONE;
	return true;
}

/* What the new device may do. Tokens from before a removal stay dead: they may
 * be those of an earlier enrolment of this key. */
static void fill_device(const struct mpp_service *s, const struct half_open *h,
			struct device *d)
{
	const struct account *a = account_at(&s->state, h->account);

	memset(d, 0, sizeof(*d));
	d->suite = h->suite;
	memcpy(d->key, h->key, MPP_DH_MAX);
	d->rights = h->invitation != NONE
			    ? invitation_at(&s->state, h->invitation)->rights
			    : binding_at(&s->state, h->binding)->rights &
				      MPP_RIGHTS_ALL;
	d->revoked_ms = a->enrol_ms > s->state.floor_ms ? a->enrol_ms
							: s->state.floor_ms;
}

static void use_invitation(const struct mpp_service *s,
			   const struct half_open *h, mpp_bytes name,
			   struct wr *w)
{
	struct invitation *v = invitation_at(&s->state, h->invitation);

	v->used_suite = h->suite;
	memcpy(v->used_key, h->key, MPP_DH_MAX);
	record_invitation(w, name, v);
}

/* It did not happen: the invitation is good for another try. */
static void free_invitation(const struct mpp_service *s,
			    const struct half_open *h)
{
	if (h->invitation != NONE)
		invitation_at(&s->state, h->invitation)->used_suite = 0;
}

/* An enrolment: device and used invitation in one batch. The device exists
 * when that is on disk. */
static void enroll(struct mpp_service *s, uint32_t half)
{
	struct half_open *h = half_at(&s->state, half);
	mpp_bytes name = account_name(account_at(&s->state, h->account));
	struct change c = {.kind = CHANGE_ENROLL, .index = half};
	struct wr *w = service_fill(s), before = *w;
	struct device d;

	fill_device(s, h, &d);
	record_device(w, name, &d);
	if (h->invitation != NONE)
		use_invitation(s, h, name, w);
	if (w->err != MPP_OK || service_wait(s, &c) != MPP_OK) {
		*w = before;
		free_invitation(s, h);
		return;
	}
	h->waiting = true;
	h->enrolled_ms = d.revoked_ms;
	account_at(&s->state, h->account)->enrolling++;
	s->state.enrolling++;
}

/* Is an enrolment of this key with a token on its way to the disk? */
static bool key_enrolls_now(const struct mpp_service *s,
			    const struct half_open *h)
{
	uint32_t i = account_at(&s->state, h->account)->half_open;
	const struct half_open *other;

	for (; i != NONE; i = other->next) {
		other = half_at(&s->state, i);
		if (other->waiting &&
		    memcmp(other->key, h->key, MPP_DH_MAX) == 0)
			return true;
	}
	return false;
}

static bool ticket_is_free(const struct mpp_service *s,
			   const struct half_open *h)
{
	return h->invitation == NONE
		       ? !key_enrolls_now(s, h)
		       : invitation_at(&s->state, h->invitation)->used_suite ==
				 0;
}

/* Not while it waits, nor when another key was quicker; that one's success
 * frees this connection. */
static bool may_enroll(const struct mpp_service *s, uint32_t half)
{
	const struct half_open *h = half_at(&s->state, half);
	const struct account *a = account_at(&s->state, h->account);
	const struct presence *p = &s->state;

	/* What is on disk must find a place in memory again, so those on
	 * their way to it count as if they were there. */
	return !h->waiting && !a->leaving && ticket_is_free(s, h) &&
	       a->n_devices + a->enrolling < p->devices_per_account &&
	       p->devices.used + p->enrolling < p->devices.limit;
}

/* The half-open record moves from what let it in to the new device. */
static void move_to_device(struct mpp_service *s, uint32_t half,
			   uint32_t device)
{
	struct half_open *h = half_at(&s->state, half);
	struct device *d = device_at(&s->state, device);
	uint32_t *at = list_of(s, h);

	while (*at != half)
		at = &half_at(&s->state, *at)->next;
	*at = h->next;
	h->next = d->half_open;
	d->half_open = half;
	h->waiting = false;
	binding_at(&s->state, h->binding)->device = device;
}

/* Others that wanted to enrol with the invitation have lost. */
static void end_invitation(struct mpp_service *s, uint32_t invitation)
{
	uint32_t i;

	while ((i = invitation_at(&s->state, invitation)->half_open) != NONE)
		service_free(s, half_at(&s->state, i)->binding);
}

/* The device is there meanwhile: by another of its connections, or by an
 * invitation. */
static void find_enrolled(struct mpp_service *s, uint32_t half)
{
	const struct half_open *h = half_at(&s->state, half);
	struct device_key key = {h->suite, {0}};
	uint32_t device;

	if (h->invitation != NONE || h->waiting)
		return;
	memcpy(key.raw, h->key, MPP_DH_MAX);
	device = device_find(&s->state, &key, h->account);
	if (device != NONE)
		move_to_device(s, half, device);
}

void service_enrolled(struct mpp_service *s, uint32_t half, mpp_err result,
		      mpp_instant now)
{
	struct half_open *h = half_at(&s->state, half);
	struct device_key key = {h->suite, {0}};
	uint32_t device = NONE, invitation = h->invitation;
	struct device d;

	account_at(&s->state, h->account)->enrolling--;
	s->state.enrolling--;
	memcpy(key.raw, h->key, MPP_DH_MAX);
	fill_device(s, h, &d);
	if (result == MPP_OK)
		device = device_add(&s->state, &key, h->account, d.rights);
	if (device == NONE) {
		free_invitation(s, h);
		service_free(s, h->binding);
		return;
	}
	device_at(&s->state, device)->revoked_ms = h->enrolled_ms;
	move_to_device(s, half, device);
	if (invitation != NONE)
		end_invitation(s, invitation);
	s->count.enrolled++;
	/* The client repeats its confirming packet until it is answered. */
	h->expires_us = now.mono.us + UNCONFIRMED_US;
	service_arm(s, h->binding, now.mono);
}

/* The time from our answer to the first packet. A repetition of that packet
 * has waited for a timeout, so it says nothing. */
static void sample(struct binding *b, uint64_t index, mpp_instant now)
{
	uint32_t took = (uint32_t)now.mono.us - b->sent_us;

	if (index != 0 || b->rtt.smooth[RTT_AWAKE] != 0)
		return;
	rtt_pair_sample(&b->rtt, RTT_AWAKE, took);
}

bool service_confirm(struct mpp_service *s, const struct incoming *in,
		     uint64_t acked)
{
	const uint32_t slot = in->slot;
	const mpp_instant now = in->now;
	struct binding *b = binding_at(&s->state, slot);

	if (!service_by_web(s))
		sample(b, in->index, now);
	if (b->device == NONE)
		find_enrolled(s, b->side);
	if (b->device == NONE) {
		if (may_enroll(s, b->side))
			enroll(s, b->side);
		service_arm(s, slot, now.mono);
		return false;
	}
	if (service_leaving(s, device_at(&s->state, b->device)) ||
	    !settle(s, slot, acked, now.mono))
		return false;
	b->seen_ms = ms_of(now.mono);
	service_token_want(s, b, now.wall);
	s->count.confirmed++;
	service_enter(s, slot, EVENT_CONFIRMED, now, in->out);
	service_clone_confirmed(s, b);
	return true;
}
