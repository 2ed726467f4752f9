/* SPDX-License-Identifier: MIT */
/* request.h - one request of the control API, shared by the files of web/:
 *
 *   server.c   libmicrohttpd: connections, bodies, sleeping and waking
 *   route.c    which path and method means what
 *   answer.c   answers and errors as JSON
 *   body.c     reading JSON bodies
 *   look.c     answers to GET
 *   change.c   changes: asking for them, and answering when they are durable
 *   invite.c   minting invitations
 *   token.c    minting and revoking tokens
 *
 *   READING --all of it is here--> (ANSWERED | WAITING --result--> ANSWERED) */
#ifndef WEB_REQUEST_H
#define WEB_REQUEST_H

#include <microhttpd.h>

#include <mpp/jsonbcd.h>

#include "web/web.h"

enum {
	WEB_ARGS = 2,
	WEB_PUBLISH_MAX = 128, /* stores in one publish (mpp/service.h) */
};

struct web {
	struct web_config config;
	struct MHD_Daemon *daemon;
	int epoll;
	bool draining;
	mpp_instant now;
	uint64_t op;              /* last one given */
	struct request *requests; /* every one that lives */
};

enum request_state {
	REQUEST_READING = 1,
	REQUEST_WAITING,  /* for the store; the connection sleeps */
	REQUEST_ANSWERED, /* status and answer are set */
};

/* A publish keeps its names, of which the answer may speak. */
struct publish {
	mpp_store_status stores[WEB_PUBLISH_MAX];
	size_t n;
	bool reset;
	mpp_published done;
	mpp_buf text; /* names and digests lie in it */
	uint8_t room[WEB_PUBLISH_MAX * (MPP_STORE_MAX + MPP_DIGEST_MAX)];
};

/* An invitation; the URI holds its secret. */
struct invite {
	uint32_t lifetime_s;
	unsigned rights;
	mpp_wall expires;
	char uri[8192];
};

/* A token that was minted, with its secret. */
struct grant {
	uint32_t lifetime_s;
	unsigned rights;
	uint64_t expires_ms;
	uint8_t secret[MPP_TOKEN_SECRET_LEN];
	size_t len;
	uint8_t token[MPP_TOKEN_MAX];
};

struct body;
struct request;

/* Answer a request whose change is durable. */
typedef void request_done_fn(struct request *q, const mpp_result *result);

struct request {
	struct web *web;
	struct MHD_Connection *connection;
	struct request *next;
	struct request **back; /* what points to this one */
	enum request_state state;

	char *method;
	char *path;               /* taken apart in place */
	mpp_bytes args[WEB_ARGS]; /* of the path */
	uint8_t *body;            /* NULL until some of it came */
	size_t body_len;          /* may be more than was kept */

	uint64_t op; /* WAITING for this one */
	request_done_fn *done;
	struct publish *publish;
	struct invite *invite;
	struct grant *grant;

	unsigned status;
	uint8_t *answer; /* NULL: none could be made */
	size_t answer_len;
	char allow[64]; /* with 405 */
};

/* ---- route.c ---- */
/* Answer, or ask for a change and wait. */
void request_dispatch(struct request *q);

/* ---- answer.c ---- */
typedef void answer_fn(mpp_json_writer *w, const void *arg);
/* fn is called twice and must write the same. */
void answer_json(struct request *q, unsigned status, answer_fn *fn,
		 const void *arg);
void answer_error(struct request *q, unsigned status, const char *code,
		  const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* An answer of one member that is text. */
void answer_text(struct request *q, unsigned status, const char *name,
		 mpp_bytes text);
void answer_no_account(struct request *q);

/* ---- look.c ---- */
void look_status(struct request *q);
void look_accounts(struct request *q);
void look_account(struct request *q);

/* ---- change.c ---- */
void change_add_account(struct request *q);
void change_publish(struct request *q);
void change_remove_device(struct request *q);
void change_remove_account(struct request *q);
/* The change was accepted under q->op: wait for it, then call done. */
void change_wait(struct request *q, request_done_fn *done);
/* The change was refused for want of room. */
void change_no_room(struct request *q, const char *raise);
/* The account's removal is on its way to the disk. */
void change_being_removed(struct request *q);
/* Does this name a device? Told apart from one that is not there, whatever
 * devices there are. */
bool change_is_device_id(mpp_bytes text);
/* What was asked about a device, with what is to be done when it is durable. */
void change_answer_device(struct request *q, mpp_err err,
			  request_done_fn *done);

/* ---- invite.c ---- */
void invite_mint(struct request *q);
/* "rights" of a body. */
bool request_rights(struct body *b, const mpp_json_item *array,
		    unsigned *rights);

/* ---- token.c ---- */
void token_mint(struct request *q);
void token_revoke(struct request *q);
void token_revoke_key(struct request *q);

#endif
