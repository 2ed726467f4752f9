/* SPDX-License-Identifier: MIT */
/* service_admit.c - may the sender of an opened first message come in, and
 * with what (docs/protocol.md section 5).
 *
 * Decode -> check -> a verdict in s->admission; nothing is changed here but
 * that stores a device asks for get a number. An unknown key and an unknown
 * account get the same answer at the same cost. */
#include "role/service.h"

#include "base/mem.h"
#include "rud/streamid.h"

static void deny(struct admission *ad, unsigned status, const char *why)
{
	ad->status = status;
	ad->why = why;
}

static const char not_allowed[] = "not allowed for this account";
static const char full_account[] = "the account has its full number of devices";

uint32_t service_lease(const struct mpp_service *s, uint64_t asked_ms)
{
	if (asked_ms == 0)
		return s->config.lease_ms;
	if (asked_ms < s->config.lease_min_ms)
		return s->config.lease_min_ms;
	if (asked_ms > s->config.lease_max_ms)
		return s->config.lease_max_ms;
	return (uint32_t)asked_ms;
}

mpp_err service_filter(struct mpp_service *s, struct account *a,
		       const struct msg *m, uint64_t filter[2])
{
	struct msg_list list = m->stores;
	uint8_t room[MPP_STORE_MAX], number;
	mpp_buf scratch = {room, sizeof(room), 0};
	mpp_bytes name;
	mpp_err err;

	if (!msg_has(m, FIELD_STORES)) {
		filter[0] = filter[1] = UINT64_MAX;
		return MPP_OK;
	}
	filter[0] = filter[1] = 0;
	while (msg_next_name(&list, &scratch, &name)) {
		err = account_number(&s->state, a, name, &number);
		if (err != MPP_OK)
			return err;
		filter_add(filter, number);
	}
	return MPP_OK;
}

/* ---- decode ---- */

static bool is_service(mpp_bytes name)
{
	static const char ours[] = "mmmpresence";

	return name.len == sizeof(ours) - 1 &&
	       memcmp(name.p, ours, name.len) == 0;
}

static mpp_err read_lists(struct admission *ad)
{
	static const uint32_t must = 1u << EXT_STREAM_ID | 1u << EXT_SERVICE |
				     1u << EXT_CLAIM | 1u << EXT_TIMESTAMP |
				     1u << EXT_PARAMS;
	mpp_bytes id = ad->ext.v[EXT_STREAM_ID];
	mpp_err err;

	if ((ad->ext.present & must) != must)
		return MPP_ERR_MISSING;
	if ((id.len != 16 && id.len != 32) || !streamid_usable(id.p))
		return MPP_ERR_RANGE;
	err = ext_get_int(ad->ext.v[EXT_TIMESTAMP], &ad->timestamp);
	if (err == MPP_OK && ad->timestamp == 0)
		return MPP_ERR_RANGE;
	if (err == MPP_OK)
		err = params_read(ad->ext.v[EXT_PARAMS], &ad->params);
	if (err == MPP_OK && !ad->params.has_instance)
		return MPP_ERR_MISSING;
	return err;
}

static bool may_be_first(enum msg_type type)
{
	return type == MSG_CONNECT_REQUEST || type == MSG_STATUS_REQUEST ||
	       type == MSG_ENDPOINT_REQUEST;
}

static mpp_err read_message(struct mpp_service *s, mpp_bytes in)
{
	mpp_bytes rest;
	mpp_err err = msg_decode(in, &s->msg, &rest);

	if (err == MPP_OK && rest.len != 0)
		return MPP_ERR_TRAILING;
	if (err == MPP_OK && !may_be_first(s->msg.type))
		return MPP_ERR_TYPE;
	if (err == MPP_OK && msg_has(&s->msg, FIELD_SERIAL) &&
	    (s->msg.serial == 0 || s->msg.serial > UINT32_MAX))
		return MPP_ERR_RANGE;
	return err;
}

static mpp_err read_payload(struct mpp_service *s, mpp_bytes payload)
{
	struct admission *ad = &s->admission;
	struct rd r = rd_init(payload);
	mpp_err err = ext_read(&r, &ad->ext);

	memset(&s->msg, 0, sizeof(s->msg));
	ad->has_message = r.left != 0;
	if (err == MPP_OK)
		err = read_lists(ad);
	if (err == MPP_OK && ad->has_message)
		err = read_message(s, rd_rest(&r));
	return err;
}

/* ---- check ---- */

static uint32_t find_claim(const struct mpp_service *s, mpp_bytes claim)
{
	uint8_t name[MPP_ACCOUNT_MAX];
	uint32_t i;

	if (account_canonical(claim, name) != MPP_OK)
		return NONE;
	i = account_find(&s->state, (mpp_bytes){name, claim.len});
	return i != NONE && account_at(&s->state, i)->batch == 0 ? i : NONE;
}

static uint32_t find_invitation(struct mpp_service *s, mpp_bytes secret)
{
	uint8_t hash[MPP_HASH_LEN];
	uint32_t i;

	if (s->crypto.ops->sha512(s->crypto.ctx, &secret, 1, hash) != MPP_OK)
		return NONE;
	i = invitation_find(&s->state, hash);
	return i != NONE && invitation_at(&s->state, i)->batch == 0 ? i : NONE;
}

/* Is an enrolment with this invitation on its way to the disk? */
static bool enrolls_now(const struct mpp_service *s, const struct invitation *v)
{
	uint32_t i = v->half_open;

	while (i != NONE && !half_at(&s->state, i)->waiting)
		i = half_at(&s->state, i)->next;
	return i != NONE;
}

/* A key that is not enrolled here: only an invitation lets it in. */
static void check_stranger(struct mpp_service *s, mpp_instant now)
{
	struct admission *ad = &s->admission;
	const struct invitation *v;

	if (!ext_has(&ad->ext, EXT_TOKEN)) {
		deny(ad, MPP_STATUS_FORBIDDEN, not_allowed);
		return;
	}
	ad->invitation = find_invitation(s, ad->ext.v[EXT_TOKEN]);
	if (ad->invitation == NONE || ad->account == NONE) {
		deny(ad, MPP_STATUS_FORBIDDEN, not_allowed);
		return;
	}
	v = invitation_at(&s->state, ad->invitation);
	if (v->account != ad->account)
		deny(ad, MPP_STATUS_FORBIDDEN, not_allowed);
	else if (v->used_suite != 0 && enrolls_now(s, v))
		deny(ad, MPP_STATUS_OVERLOADED, "enrolment is under way");
	else if (v->used_suite != 0)
		deny(ad, MPP_STATUS_EXPIRED, "invitation was used already");
	else if (now.wall.us >= v->expires)
		deny(ad, MPP_STATUS_EXPIRED, "invitation has expired");
	else if (account_at(&s->state, ad->account)->n_devices >=
		 s->config.devices_per_account)
		deny(ad, MPP_STATUS_TOO_MANY, full_account);
}

static uint32_t *half_list(const struct mpp_service *s,
			   const struct admission *ad)
{
	if (ad->device != NONE)
		return &device_at(&s->state, ad->device)->half_open;
	if (ad->enrols)
		return &account_at(&s->state, ad->account)->half_open;
	return &invitation_at(&s->state, ad->invitation)->half_open;
}

/* Is an unconfirmed connection made of this very message? */
static bool repeats(const struct mpp_service *s, const struct admission *ad)
{
	const struct half_open *h;
	uint32_t i;

	for (i = *half_list(s, ad); i != NONE; i = h->next) {
		h = half_at(&s->state, i);
		if (h->timestamp == ad->timestamp &&
		    memcmp(h->instance, ad->params.instance,
			   MPP_INSTANCE_LEN) == 0 &&
		    h->suite == ad->key.suite &&
		    memcmp(h->key, ad->key.raw, MPP_DH_MAX) == 0)
			return true;
	}
	return false;
}

/* The Timestamp must be newer than the newest confirmed of this instance, and
 * none of its unconfirmed connections may have it. Those count for nothing
 * more, and Newest does not tell of them: whoever has stolen the service's key
 * could make them, with any Timestamp, and lock the device out. */
static void check_timestamp(struct mpp_service *s)
{
	struct admission *ad = &s->admission;
	const struct device *d;
	uint64_t newest = 0;
	int k;

	if (ad->device != NONE) {
		d = device_at(&s->state, ad->device);
		k = instance_find(d, ad->params.instance);
		newest = k >= 0 ? d->instances[k].timestamp : 0;
	}
	if (ad->timestamp > newest && !repeats(s, ad))
		return;
	ad->newest = newest != 0 ? newest : 1; /* 0 would not be said */
	deny(ad, MPP_STATUS_UNAUTHENTIC, "Timestamp is not newer than Newest");
}

static void check_rights(struct mpp_service *s)
{
	struct admission *ad = &s->admission;
	unsigned rights = MPP_RIGHTS_ALL;

	if (ad->device != NONE)
		rights = device_at(&s->state, ad->device)->rights;
	else if (!ad->enrols)
		rights = invitation_at(&s->state, ad->invitation)->rights;
	if (s->ticket.on)
		rights &= s->ticket.token.claims.rights;
	if ((rights & MPP_RIGHT_SUBSCRIBE) == 0 && ad->has_message &&
	    s->msg.type != MSG_ENDPOINT_REQUEST)
		deny(ad, MPP_STATUS_FORBIDDEN, not_allowed);
}

/* The raw key in a Credential. Which suite it is for shows by its length. */
static mpp_err read_credential(mpp_bytes value, struct device_key *key)
{
	struct rd r = rd_init(value);
	uint64_t type = rd_int(&r);
	mpp_bytes raw = rd_bytes(&r);
	mpp_err err = rd_finish(&r);

	if (err != MPP_OK)
		return err;
	if (type != CREDENTIAL_RAW)
		return MPP_ERR_UNSUPPORTED;
	memset(key, 0, sizeof(*key));
	key->suite = raw.len == mpp_dh_len(MPP_SUITE_25519) ? MPP_SUITE_25519
							    : MPP_SUITE_448;
	if (raw.len != mpp_dh_len(key->suite))
		return MPP_ERR_RANGE;
	memcpy(key->raw, raw.p, raw.len);
	return MPP_OK;
}

/* The key in the Credential must be the one that the minter has named: then
 * nobody but he has vouched for it, and nobody can slip another one in. */
static bool credential_is_named(struct mpp_service *s)
{
	struct admission *ad = &s->admission;
	struct device_key key;
	uint8_t udf[MPP_UDF_LEN];

	if (!ext_has(&ad->ext, EXT_CREDENTIAL) ||
	    read_credential(ad->ext.v[EXT_CREDENTIAL], &key) != MPP_OK ||
	    mpp_udf_key(&s->crypto, key.suite, key.raw, udf) != MPP_OK ||
	    mpp_udf_match(udf, s->ticket.token.claims.device, MPP_UDF_BITS) !=
		    MPP_OK)
		return false;
	ad->key = key;
	return true;
}

/* A token lets its own device into its own account, and no other. */
static void check_ticket(struct mpp_service *s)
{
	struct admission *ad = &s->admission;

	if (ad->account == NONE || ad->account != s->ticket.account) {
		deny(ad, MPP_STATUS_FORBIDDEN, not_allowed);
		return;
	}
	ad->device = s->ticket.device;
	if (ad->device != NONE)
		return;
	ad->enrols = service_ticket_enrols(s) && credential_is_named(s);
	if (!ad->enrols)
		deny(ad, MPP_STATUS_FORBIDDEN, not_allowed);
	else if (account_at(&s->state, ad->account)->n_devices >=
		 s->config.devices_per_account)
		deny(ad, MPP_STATUS_TOO_MANY, full_account);
}

static void check_pace(struct mpp_service *s, const mpp_addr *from,
		       mpp_time now)
{
	struct admission *ad = &s->admission;

	if (ad->device == NONE) /* an invitation is used once */
		return;
	ad->retry_ms = service_handshake_wait(s, ad, from, now);
	if (ad->retry_ms != 0)
		deny(ad, MPP_STATUS_TOO_MANY,
		     "too many connections of this device");
}

static void take_filter(struct mpp_service *s)
{
	struct admission *ad = &s->admission;
	struct account *a = account_at(&s->state, ad->account);

	if (service_filter(s, a, &s->msg, ad->filter) != MPP_OK)
		deny(ad, MPP_STATUS_TOO_LARGE,
		     "no room for more stores in this account");
}

void service_admit(struct mpp_service *s, mpp_bytes payload,
		   const struct device_key *key, const mpp_addr *from,
		   mpp_instant now)
{
	struct admission *ad = &s->admission;

	memset(ad, 0, sizeof(*ad));
	ad->account = ad->device = ad->invitation = NONE;
	ad->key = *key;
	if (read_payload(s, payload) != MPP_OK ||
	    !is_service(ad->ext.v[EXT_SERVICE])) {
		s->count.malformed++;
		s->msg.type = MSG_CONNECT_REQUEST;
		deny(ad, MPP_STATUS_MALFORMED, "first message not understood");
		return;
	}
	ad->account = find_claim(s, ad->ext.v[EXT_CLAIM]);
	if (ad->account != NONE && !s->ticket.on)
		ad->device = device_find(&s->state, key, ad->account);
	if (s->ticket.on)
		check_ticket(s);
	else if (ad->device == NONE)
		check_stranger(s, now);
	if (ad->status == 0)
		check_timestamp(s);
	if (ad->status == 0)
		check_rights(s);
	if (ad->status == 0)
		check_pace(s, from, now.mono);
	if (ad->status == 0)
		take_filter(s);
}
