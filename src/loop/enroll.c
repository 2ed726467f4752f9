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
#include "loop/resolve.h"
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
	s->domain[0] = '\0';
	memset(s->found, 0, sizeof(s->found));
	s->n_found = 0;
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

static mpp_err connect_once(mpp_loop *l, const mpp_loop_config *given)
{
	mpp_loop_config config = {
		.mode = MPP_MODE_ENROLL,
		.timeout_ms = given->timeout_ms,
		.key_log = given->key_log,
		.transport = given->transport,
		.web_url = given->web_url,
		.web_ca = given->web_ca,
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

static mpp_err finish(mpp_loop *l, const mpp_loop_config *config, char *id)
{
	mpp_err err = connect_once(l, config);

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
	const mpp_loop_config config = {
		.state_dir = state_dir,
		.timeout_ms = timeout_ms,
	};

	return mpp_loop_enroll_with(&config, uri, id, err);
}

mpp_err mpp_loop_enroll_with(const mpp_loop_config *config, const char *uri,
			     char *id, mpp_loop_error *err)
{
	struct loop_invitation inv;
	mpp_loop *l;
	mpp_err result = loop_uri_parse(uri, &inv, err);

	if (result != MPP_OK)
		return result;
	result = loop_new(config->state_dir, &l, err);
	if (result == MPP_OK) {
		result = prepare(l, &inv);
		if (result == MPP_OK)
			result = finish(l, config, id);
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
	const mpp_loop_config config = {.timeout_ms = timeout_ms};
	struct loop_grant g;
	mpp_loop *l;
	mpp_err result = loop_grant_parse(token, &g, err);

	if (result != MPP_OK)
		return result;
	result = loop_new(state_dir, &l, err);
	if (result == MPP_OK) {
		result = prepare_grant(l, &g);
		if (result == MPP_OK)
			result = finish(l, &config, id);
		result = end(l, result, err);
	}
	mem_wipe(&g, sizeof(g));
	return result;
}

/* ---- by the domain of the account ---- */

/* What lets the device in, and what comes with it. */
struct entry {
	const char *account, *domain;
	bool has_secret, has_invitation, has_grant; /* secret: alone */
	struct loop_invitation inv;
	struct loop_grant grant;
};

static mpp_err read_secret(const char *text, struct loop_invitation *inv,
			   mpp_loop_error *e)
{
	mpp_buf out = {inv->secret, sizeof(inv->secret), 0};

	if (mpp_base32_decode((mpp_bytes){(const uint8_t *)text, strlen(text)},
			      &out) == MPP_OK &&
	    out.len == out.cap)
		return MPP_OK;
	return loop_fail(e, MPP_ERR_INVALID, EX_DATAERR,
			 "neither an invitation's URI (mpp://...) nor the "
			 "secret behind its #");
}

static mpp_err other_entry(const char *what, mpp_loop_error *e)
{
	return loop_fail(e, MPP_ERR_INVALID, EX_DATAERR,
			 "the %s is for another account", what);
}

static mpp_err read_invitation(const mpp_loop_name *n, struct entry *x,
			       mpp_loop_error *e)
{
	mpp_err err;

	if (strchr(n->invitation, '#') == NULL) {
		x->has_secret = true;
		return read_secret(n->invitation, &x->inv, e);
	}
	err = loop_uri_parse(n->invitation, &x->inv, e);
	if (err == MPP_OK && strcmp(x->inv.account, n->account) != 0)
		return other_entry("invitation", e);
	x->has_invitation = true;
	return err;
}

static mpp_err read_grant(const mpp_loop_name *n, struct entry *x,
			  mpp_loop_error *e)
{
	const mpp_err err = loop_grant_parse(n->token, &x->grant, e);

	if (err == MPP_OK && x->grant.account[0] != '\0' &&
	    strcmp(x->grant.account, n->account) != 0)
		return other_entry("token", e);
	x->has_grant = true;
	return err;
}

static const char *name_wrong(const char *account)
{
	const mpp_bytes text = {(const uint8_t *)account, strlen(account)};
	const char *at = strrchr(account, '@');
	const char *wrong = loop_account_wrong(text);

	if (wrong == NULL && (at == NULL || at == account))
		wrong = "an account by whose domain the service can be found "
			"is USER@DOMAIN";
	return wrong != NULL ? wrong : loop_domain_wrong(at + 1);
}

static mpp_err read_entry(const mpp_loop_name *n, struct entry *x,
			  mpp_loop_error *e)
{
	const char *wrong = name_wrong(n->account);

	if (wrong == NULL && n->invitation != NULL && n->token.len > 0)
		wrong = "give an invitation or a token, not both";
	if (wrong != NULL)
		return loop_fail(e, MPP_ERR_INVALID, EX_DATAERR, "%s", wrong);
	x->account = n->account;
	x->domain = strrchr(n->account, '@') + 1;
	if (n->invitation != NULL)
		return read_invitation(n, x, e);
	return n->token.len > 0 ? read_grant(n, x, e) : MPP_OK;
}

/* What an enrolment with another account left that came to nothing. */
static void forget_service(struct loop_state *s)
{
	memset(s->account, 0, sizeof(s->account));
	s->n_endpoints = s->n_pins = s->n_webs = s->n_found = 0;
	s->service_suite = 0;
	s->pending = false;
	s->token_len = 0;
	s->domain[0] = '\0';
}

/* The state as far as it is of this account. */
static mpp_err prepare_name(mpp_loop *l, const struct entry *x, bool *is_new)
{
	mpp_err err = loop_state_load(l->dir, &l->state, &l->error);

	*is_new = err == MPP_ERR_NOTFOUND;
	if (*is_new)
		return make_key(l);
	if (err != MPP_OK || strcmp(l->state.account, x->account) == 0)
		return err;
	if (is_enrolled(l))
		return other_account(l);
	forget_service(&l->state);
	return MPP_OK;
}

/* Enrolled already, or an invitation or a token is there, or one of before. */
static mpp_err check_entry(mpp_loop *l, const struct entry *x)
{
	if (l->state.account[0] != '\0' || x->has_secret || x->has_invitation ||
	    x->has_grant)
		return MPP_OK;
	return loop_fail(
		&l->error, MPP_ERR_REFUSED, EX_NOPERM,
		"the service of %s is there, but lets a device in only "
		"with an invitation (--invitation FILE) or a token "
		"(--token FILE): ask whoever runs it",
		x->domain);
}

static mpp_err ask_domain(mpp_loop *l, const char *domain, int timeout_ms,
			  struct loop_discovery *out)
{
	struct discover_question question;
	const struct loop_wanted w = {.discover = &question};
	struct loop_addresses ignored;
	struct loop_resolve *r;
	mpp_err err =
		discover_prepare(&question, domain, DISCOVER_ALL, &l->crypto);

	if (err == MPP_OK)
		err = loop_resolve_wanted(&w, &r);
	if (err != MPP_OK)
		return loop_fail(&l->error, err, EX_OSERR,
				 "the resolver cannot be started: %s",
				 mpp_err_text(err));
	if (loop_resolve_wait(r, timeout_ms == 0 ? -1 : timeout_ms) &&
	    loop_resolve_take(r, &ignored)) {
		*out = *loop_resolve_discovery(r);
		err = discover_judge(out, &l->error);
	} else {
		err = loop_fail(&l->error, MPP_ERR_TIMEOUT, EX_TEMPFAIL,
				"the resolver did not answer in time");
	}
	loop_resolve_drop(r);
	return err;
}

static void apply_discovery(struct loop_state *s,
			    const struct loop_discovery *d)
{
	char webs[LOOP_WEBS_MAX][LOOP_WEB_TEXT];
	const size_t n_webs = discover_webs(d, webs);
	size_t i;

	memcpy(s->domain, d->domain, sizeof(s->domain));
	memset(s->found, 0, sizeof(s->found));
	for (i = 0; i < d->udp.n; i++)
		s->found[i] = d->udp.targets[i].at;
	s->n_found = d->udp.n;
	if (n_webs > 0) {
		memcpy(s->webs, webs, sizeof(s->webs));
		s->n_webs = n_webs;
	}
	/* The DNS says who the service is only to who does not know it. */
	if (s->n_pins > 0 || s->service_suite != 0)
		return;
	memcpy(s->pins, d->key.text.pins, sizeof(s->pins));
	s->n_pins = d->key.text.n_pins;
}

/* What the invitation or the token brings, then what the domain says. */
static void apply_name(struct loop_state *s, const struct entry *x,
		       const struct loop_discovery *d)
{
	if (x->has_invitation) {
		apply(s, &x->inv);
	} else if (x->has_secret) {
		memcpy(s->invitation, x->inv.secret, sizeof(s->invitation));
		s->pending = true;
	} else if (x->has_grant) {
		apply_grant(s, &x->grant);
	}
	memset(s->account, 0, sizeof(s->account));
	memcpy(s->account, x->account, strlen(x->account));
	apply_discovery(s, d);
}

/* What is new is durable before the service hears of it; what an enrolled
 * device has stays until the service has confirmed. */
static mpp_err apply_durable(mpp_loop *l, const struct entry *x,
			     const struct loop_discovery *d, bool is_new)
{
	const bool enrolled = is_enrolled(l);
	mpp_err err = MPP_OK;

	if (is_new)
		err = loop_state_put(l->dir, &l->state, &l->error);
	apply_name(&l->state, x, d);
	if (err == MPP_OK && !enrolled && l->state.pending)
		err = loop_state_put(l->dir, &l->state, &l->error);
	return err;
}

/* How much of the time is left, at least a second. */
static int rest_of(int timeout_ms, mpp_time begin, mpp_time now)
{
	const uint64_t gone = (now.us - begin.us) / 1000;

	if (timeout_ms == 0)
		return 0;
	return gone + 1000 < (uint64_t)timeout_ms ? timeout_ms - (int)gone
						  : 1000;
}

/* Nothing but this connection says which key is the right one. */
static void tell_trusted(const mpp_loop *l, bool was_known, char *out)
{
	uint8_t udf[MPP_UDF_LEN];

	if (out == NULL)
		return;
	out[0] = '\0';
	if (!was_known && l->state.service_suite != 0 &&
	    mpp_udf_key(&l->crypto, l->state.service_suite,
			l->state.service_key, udf) == MPP_OK)
		(void)mpp_udf_text(udf, MPP_UDF_PIN_BITS, out);
}

static mpp_err enroll_name(mpp_loop *l, const struct entry *x,
			   const mpp_loop_config *given, char *id,
			   char *trusted)
{
	const mpp_time begin = mpp_loop_now(l).mono;
	mpp_loop_config config = *given;
	struct loop_discovery found;
	bool is_new, known;
	mpp_err err = prepare_name(l, x, &is_new);

	if (err == MPP_OK)
		err = ask_domain(l, x->domain, given->timeout_ms, &found);
	if (err == MPP_OK)
		err = check_entry(l, x);
	if (err == MPP_OK)
		err = apply_durable(l, x, &found, is_new);
	if (err != MPP_OK)
		return err;
	known = l->state.n_pins > 0 || l->state.service_suite != 0;
	l->attempt.is_fresh = true;
	config.timeout_ms =
		rest_of(given->timeout_ms, begin, mpp_loop_now(l).mono);
	err = finish(l, &config, id);
	if (err == MPP_OK)
		tell_trusted(l, known, trusted);
	return err;
}

mpp_err mpp_loop_enroll_name(const mpp_loop_config *config,
			     const mpp_loop_name *name, char *id,
			     mpp_loop_error *err)
{
	struct entry x;
	mpp_loop *l;
	mpp_err result;

	memset(&x, 0, sizeof(x));
	result = read_entry(name, &x, err);
	if (result == MPP_OK)
		result = loop_new(config->state_dir, &l, err);
	if (result == MPP_OK) {
		result = enroll_name(l, &x, config, id, name->trusted);
		result = end(l, result, err);
	}
	mem_wipe(&x, sizeof(x));
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
