/* SPDX-License-Identifier: MIT */
/* state.h - what a device keeps: DIR/device.json, mode 0600.
 *
 * Guarantees: whoever reads sees one whole version, whatever died when; what
 * cannot be read as ours is never written over; what could not be written is
 * an error and the version before it stays. Several processes may share DIR:
 * changes are made under a short lock (DIR/device.lock). */
#ifndef LOOP_STATE_H
#define LOOP_STATE_H

#include <mpp/loop.h>

#include "loop/endpoint.h"
#include "loop/weburl.h"
#include "loop/zone.h"

enum {
	LOOP_STATE_MAX = 16384, /* octets of the file */
	LOOP_NETWORK_KEY_LEN = 32
};

struct loop_state {
	char account[MPP_ACCOUNT_MAX + 1]; /* empty: only the key is made */
	int suite;
	uint8_t device_secret[MPP_DH_MAX];
	uint8_t instance[MPP_INSTANCE_LEN];
	uint64_t timestamp_ms;
	struct loop_endpoint endpoints[LOOP_ENDPOINTS_MAX];
	size_t n_endpoints;
	/* Where the account's service is looked for; empty: only at endpoints.
	 * And where it was said to be when it was last found there. */
	char domain[ZONE_NAME_TEXT];
	struct loop_endpoint found[ZONE_TARGETS_MAX];
	size_t n_found;
	char webs[LOOP_WEBS_MAX][LOOP_WEB_TEXT]; /* URLs, complete */
	size_t n_webs;
	char pins[MPP_PINS_MAX][MPP_UDF_TEXT_MAX];
	size_t n_pins;
	int service_suite; /* 0: the service's key is not known */
	uint8_t service_key[MPP_DH_MAX];
	bool pending; /* not enrolled yet: with this invitation */
	uint8_t invitation[MPP_INVITATION_LEN];
	size_t token_len; /* 0: no token */
	uint8_t token[MPP_TOKEN_MAX];
	uint8_t token_secret[MPP_TOKEN_SECRET_LEN];
	/* What fingerprints of networks are made with, zeros: none yet; and
	 * what was learnt under them, without gaps. */
	uint8_t network_key[LOOP_NETWORK_KEY_LEN];
	mpp_client_learnt learnt[MPP_NETWORKS_MAX];
};

/* The document. decode is all or nothing.
 * Errors: SYNTAX (*wrong says what is wrong), NOSPACE. */
MPP_MUSTCHECK mpp_err loop_state_decode(mpp_bytes in, struct loop_state *out,
					const char **wrong);
MPP_MUSTCHECK mpp_err loop_state_encode(const struct loop_state *s,
					mpp_buf *out);

/* Read. Errors: NOTFOUND (no file), SYNTAX (damaged, not ours, or open to
 * others), IO. */
MPP_MUSTCHECK mpp_err loop_state_load(const char *dir, struct loop_state *out,
				      mpp_loop_error *e);

/* Write all of it, making DIR when there is none. A file of the same instance
 * is replaced, but never its timestamp by an older one, nor its token, nor what
 * was learnt of networks.
 * Errors: EXISTS (the file is another instance's), SYNTAX (as load), IO. */
MPP_MUSTCHECK mpp_err loop_state_put(const char *dir,
				     const struct loop_state *s,
				     mpp_loop_error *e);

/* What changes while a device is connected; all else in the file stays as
 * others may have written it. */
struct loop_raise {
	uint64_t timestamp_ms; /* the higher one is kept */
	int service_suite;     /* 0: keep what is there */
	const uint8_t *service_key;
	const struct loop_endpoint *first; /* to stand first, if it is there
					    still; NULL: as they are */
	/* What the domain says now takes the place of what it said; NULL: as it
	 * is. Without URLs those that are there stay. */
	const struct loop_state *discovered;
	bool has_token; /* the token becomes this one; empty: erased */
	mpp_bytes token;
	const uint8_t *token_secret;
	const mpp_client_learnt *learnt; /* NULL: keep what is there */
	const uint8_t *network_key;
};

/* Bring an endpoint to the front; the others keep their order. One that is not
 * there changes nothing. */
void loop_state_first(struct loop_state *s, const struct loop_endpoint *ep);

/* Errors: NOTFOUND (the file is gone), EXISTS (it is another instance's now),
 * SYNTAX (as load), IO. */
MPP_MUSTCHECK mpp_err loop_state_raise(const char *dir,
				       const uint8_t instance[MPP_INSTANCE_LEN],
				       const struct loop_raise *raise,
				       mpp_loop_error *e);

/* A subscription holds DIR/subscribe.lock for its life, because two of one
 * instance would displace each other again and again. *fd is given: closing it
 * ends the hold. Errors: STATE (another one holds it), NOTFOUND, IO. */
MPP_MUSTCHECK mpp_err loop_state_hold(const char *dir, int *fd,
				      mpp_loop_error *e);

/* The same for a connection that is kept to ask by, with DIR/keep.lock. */
MPP_MUSTCHECK mpp_err loop_state_keep(const char *dir, int *fd,
				      mpp_loop_error *e);

/* Whoever asks once holds DIR/ask.lock for so long: those questions share an
 * instance, so two at a time displace each other, until the service has had
 * enough of it. Does not wait. Errors: as loop_state_hold(). */
MPP_MUSTCHECK mpp_err loop_state_turn(const char *dir, int *fd,
				      mpp_loop_error *e);

#endif
