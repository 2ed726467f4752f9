/* SPDX-License-Identifier: MIT */
/* enroll.c - the first connection of a device. Contract: mpp/loop.h.
 *
 * The key is durable before the service hears of it, so that an enrolment
 * whose answer was lost is repeated with the same key. What an invitation
 * changes in an enrolled device (endpoints, pins) is written only when the
 * service has confirmed: a refused one leaves everything as it was. */
#include <string.h>

#include "base/mem.h"
#include "loop/fail.h"
#include "loop/grant.h"
#include "loop/loop.h"
#include "loop/names.h"
#include "loop/uri.h"

/* Take over what an invitation says. */
static void apply(struct loop_state *s, const struct loop_invitation *inv)
{
	memcpy(s->account, inv->account, sizeof(s->account));
	memcpy(s->endpoints, inv->endpoints, sizeof(s->endpoints));
	s->n_endpoints = inv->n_endpoints;
	memcpy(s->webs, inv->webs, sizeof(s->webs));
	s->n_webs = inv->n_webs;
	memcpy(s->pins, inv->pins, sizeof(s->pins));
	s->n_pins = inv->n_pins;
	memcpy(s->invitation, inv->secret, sizeof(s->invitation));
	s->pending = true;
}

static mpp_err make_key(mpp_loop *l)
{
	const mpp_crypto *c = &l->crypto;
	struct loop_state *s = &l->state;
	mpp_err err;

	memset(s, 0, sizeof(*s));
	s->suite = MPP_SUITE_25519;
	err = c->ops->random(c->ctx, s->device_secret, mpp_dh_len(s->suite));
	if (err == MPP_OK)
		err = c->ops->random(c->ctx, s->instance, sizeof(s->instance));
	return err == MPP_OK ? err
			     : loop_fail(&l->error, err, EX_OSERR, "%s",
					 mpp_err_text(err));
}

static mpp_err make_state(mpp_loop *l, const struct loop_invitation *inv)
{
	mpp_err err = make_key(l);

	if (err != MPP_OK)
		return err;
	apply(&l->state, inv);
	return loop_state_put(l->dir, &l->state, &l->error);
}

static mpp_err other_account(mpp_loop *l)
{
	const char *account = l->state.account;
	char held[128];

	loop_printable((mpp_bytes){(const uint8_t *)account, strlen(account)},
		       held, sizeof(held));
	return loop_fail(&l->error, MPP_ERR_EXISTS, EX_CANTCREAT,
			 "%s: this device is enrolled with %s already: give "
			 "another --state directory",
			 l->dir, held);
}

static bool is_enrolled(const mpp_loop *l)
{
	return !l->state.pending && l->state.account[0] != '\0';
}

/* The state to enrol with, durable as far as it is new. */
static mpp_err prepare(mpp_loop *l, const struct loop_invitation *inv)
{
	mpp_err err = loop_state_load(l->dir, &l->state, &l->error);

	if (err == MPP_ERR_NOTFOUND)
		return make_state(l, inv);
	if (err != MPP_OK)
		return err;
	if (is_enrolled(l) && strcmp(l->state.account, inv->account) != 0)
		return other_account(l);
	if (is_enrolled(l)) {
		apply(&l->state, inv);
		return MPP_OK;
	}
	apply(&l->state, inv);
	return loop_state_put(l->dir, &l->state, &l->error);
}

/* Confirmed: from now on no invitation is needed. */
static mpp_err keep(mpp_loop *l)
{
	l->state.pending = false;
	mem_wipe(l->state.invitation, sizeof(l->state.invitation));
	return loop_state_put(l->dir, &l->state, &l->error);
}

/* What an event means: OK enrolled, AGAIN wait on, else the end. */
static mpp_err judge(const mpp_client_event *ev)
{
	switch (ev->kind) {
	case MPP_EV_CONNECTED:
		return MPP_OK;
	case MPP_EV_REFUSED:
		return ev->retry_ms > 0 ? MPP_ERR_AGAIN : MPP_ERR_REFUSED;
	case MPP_EV_KEY_CHANGED:
		return MPP_ERR_KEY_CHANGED;
	case MPP_EV_CLOSED:
		return MPP_ERR_REFUSED;
	case MPP_EV_SAVE:
	case MPP_EV_KEEPALIVE:
	case MPP_EV_TRANSPORT:
	case MPP_EV_PUBLICATION:
	case MPP_EV_RESPONSE:
	case MPP_EV_LOST:
		return MPP_ERR_AGAIN;
	}
	return MPP_ERR_AGAIN;
}

static mpp_err connect_once(mpp_loop *l, int timeout_ms)
{
	const mpp_loop_config config = {
		.mode = MPP_MODE_ENROLL,
		.timeout_ms = timeout_ms,
	};
	mpp_client_event ev;
	mpp_err err = loop_start(l, &config);

	if (err != MPP_OK)
		return err;
	do {
		err = mpp_loop_wait(l, -1, &ev);
		if (err == MPP_OK)
			err = judge(&ev);
	} while (err == MPP_ERR_AGAIN);
	return err;
}

static void write_id(const mpp_loop *l, char *id)
{
	uint8_t udf[MPP_UDF_LEN];

	if (id == NULL)
		return;
	mpp_client_udf(l->client, udf);
	(void)mpp_udf_text(udf, MPP_UDF_BITS, id);
}

static mpp_err finish(mpp_loop *l, int timeout_ms, char *id)
{
	mpp_err err = connect_once(l, timeout_ms);

	if (err == MPP_OK)
		err = keep(l);
	if (err == MPP_OK)
		write_id(l, id);
	return err;
}

/* Hand out why, and end. */
static mpp_err end(mpp_loop *l, mpp_err result, mpp_loop_error *err)
{
	if (result != MPP_OK && err != NULL)
		*err = l->error;
	mpp_loop_close(l);
	return result;
}

mpp_err mpp_loop_enroll(const char *state_dir, const char *uri, int timeout_ms,
			char *id, mpp_loop_error *err)
{
	struct loop_invitation inv;
	mpp_loop *l;
	mpp_err result = loop_uri_parse(uri, &inv, err);

	if (result != MPP_OK)
		return result;
	result = loop_new(state_dir, &l, err);
	if (result == MPP_OK) {
		result = prepare(l, &inv);
		if (result == MPP_OK)
			result = finish(l, timeout_ms, id);
		result = end(l, result, err);
	}
	mem_wipe(&inv, sizeof(inv));
	return result;
}

/* ---- with a token ---- */

/* A key that is durable: the token names it. */
static mpp_err have_key(mpp_loop *l)
{
	mpp_err err = loop_state_load(l->dir, &l->state, &l->error);

	if (err != MPP_ERR_NOTFOUND)
		return err;
	err = make_key(l);
	return err == MPP_OK ? loop_state_put(l->dir, &l->state, &l->error)
			     : err;
}

/* What the token brings with it; the rest as it is kept. Nothing of it is
 * written before the service has confirmed. */
static void apply_grant(struct loop_state *s, const struct loop_grant *g)
{
	if (g->account[0] != '\0')
		memcpy(s->account, g->account, sizeof(s->account));
	if (g->n_endpoints != 0) {
		memcpy(s->endpoints, g->endpoints, sizeof(s->endpoints));
		s->n_endpoints = g->n_endpoints;
	}
	if (g->n_pins != 0) {
		memcpy(s->pins, g->pins, sizeof(s->pins));
		s->n_pins = g->n_pins;
	}
	s->pending = false;
	s->token_len = g->token_len;
	memcpy(s->token, g->token, sizeof(s->token));
	memcpy(s->token_secret, g->secret, sizeof(s->token_secret));
}

static mpp_err prepare_grant(mpp_loop *l, const struct loop_grant *g)
{
	mpp_err err = have_key(l);

	if (err != MPP_OK)
		return err;
	if (is_enrolled(l) && g->account[0] != '\0' &&
	    strcmp(l->state.account, g->account) != 0)
		return other_account(l);
	apply_grant(&l->state, g);
	if (l->state.account[0] == '\0' || l->state.n_endpoints == 0)
		return loop_fail(&l->error, MPP_ERR_INVALID, EX_DATAERR,
				 "the token comes without %s, and %s knows "
				 "none: ask its minter to put it in",
				 l->state.account[0] == '\0' ? "Account"
							     : "Endpoints",
				 l->dir);
	return MPP_OK;
}

mpp_err mpp_loop_enroll_token(const char *state_dir, mpp_bytes token,
			      int timeout_ms, char *id, mpp_loop_error *err)
{
	struct loop_grant g;
	mpp_loop *l;
	mpp_err result = loop_grant_parse(token, &g, err);

	if (result != MPP_OK)
		return result;
	result = loop_new(state_dir, &l, err);
	if (result == MPP_OK) {
		result = prepare_grant(l, &g);
		if (result == MPP_OK)
			result = finish(l, timeout_ms, id);
		result = end(l, result, err);
	}
	mem_wipe(&g, sizeof(g));
	return result;
}

/* ---- the key alone ---- */

static mpp_err key_id(mpp_loop *l, char *id)
{
	const mpp_crypto *c = &l->crypto;
	uint8_t pub[MPP_DH_MAX], udf[MPP_UDF_LEN];
	mpp_err err = have_key(l);

	if (err != MPP_OK)
		return err;
	err = c->ops->dh_public(c->ctx, l->state.suite, l->state.device_secret,
				pub);
	if (err == MPP_OK)
		err = mpp_udf_key(c, l->state.suite, pub, udf);
	if (err != MPP_OK)
		return loop_fail(&l->error, err, EX_SOFTWARE, "%s",
				 mpp_err_text(err));
	(void)mpp_udf_text(udf, MPP_UDF_BITS, id);
	return MPP_OK;
}

mpp_err mpp_loop_id(const char *state_dir, char *id, mpp_loop_error *err)
{
	mpp_loop *l;
	const mpp_err result = loop_new(state_dir, &l, err);

	return result == MPP_OK ? end(l, key_id(l, id), err) : result;
}
