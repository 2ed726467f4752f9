/* SPDX-License-Identifier: MIT */
/* message.h - MPP messages (docs/protocol.md section 11): JSON or JSON-B
 * objects with one member whose name is the type. Unknown members are
 * ignored; a known one that stands twice, or of the wrong kind, makes the
 * message malformed. Lists are checked while decoding and walked later, so a
 * decoded message is small and points into its input. */
#ifndef PRESENCE_MESSAGE_H
#define PRESENCE_MESSAGE_H

#include <mpp/jsonbcd.h>
#include <mpp/rud.h>
#include <mpp/token.h>

enum msg_type {
	MSG_NONE = 0,
#define MSG(name, text, direction) MSG_##name,
#include "presence/messages.def"
#undef MSG
	MSG_UNKNOWN, /* well formed, but of no type that we know */
	MSG_TYPES,
};

enum msg_field {
#define FIELD(name, text, kind, member) FIELD_##name,
#include "presence/messages.def"
#undef FIELD
	MSG_FIELDS,
};

enum {
	SERIAL_MAX_BITS = 53,
	MSG_STORES_MAX = 128,
};
#define SERIAL_MAX ((UINT64_C(1) << SERIAL_MAX_BITS) - 1)

/* A list: a reader that stands behind its opening bracket. */
struct msg_list {
	mpp_json_reader at;
	uint16_t n;
};

struct msg {
	enum msg_type type;
	bool json;        /* JSON text, not JSON-B: answer in kind */
	uint32_t present; /* bit FIELD_x */
	uint64_t serial, acknowledge, timeout_ms, status, now_s, ticks,
		leap_seconds, connection_timeout_ms, newest, probe_ms;
	bool more, reset;
	uint8_t bitmask[4];
	mpp_addr endpoint;
	mpp_json_text account, description;
	mpp_json_text dns_request, dns_response; /* for msg_blob() */
	struct msg_list stores;                  /* of names */
	struct msg_list store_status; /* of {Store, Index, Digest?} */
	struct msg_list skipped;      /* of names */
	struct msg_list token;        /* for msg_token() */
};

static inline bool msg_has(const struct msg *m, enum msg_field f)
{
	return (m->present >> (unsigned)f & 1) != 0;
}

/* Decode one message; what stands behind it is *rest (padding).
 * Errors: those of mpp_json_next(), DUPLICATE, TYPE (a member or the message
 * is of the wrong kind), RANGE (a number, name, digest or list is too long or
 * too large), MISSING (an entry without Store or Index). */
MPP_MUSTCHECK mpp_err msg_decode(mpp_bytes in, struct msg *out,
				 mpp_bytes *rest);

/* Walk a list of names; scratch takes the name when it must be rewritten.
 * False at the end. */
bool msg_next_name(struct msg_list *list, mpp_buf *scratch, mpp_bytes *name);
/* Walk StoreStatus entries. */
bool msg_next_store(struct msg_list *list, mpp_buf *scratch,
		    mpp_store_status *out);

/* The same in a message that msg_decode() has taken, without decoding all of it:
 * *at is 0 for the first, and moves on. */
bool msg_store_at(mpp_bytes message, size_t *at, mpp_buf *scratch,
		  mpp_store_status *out);

/* The octets of a binary member, appended. Errors: NOSPACE, SYNTAX (not
 * base64url). */
MPP_MUSTCHECK mpp_err msg_blob(const mpp_json_text *member, mpp_buf *out);

/* The member Token; the token is appended. Errors: MISSING (there is none),
 * NOSPACE, SYNTAX (not base64url), RANGE (empty, or a secret of another
 * length). */
MPP_MUSTCHECK mpp_err msg_token(const struct msg *m, mpp_buf *token,
				uint8_t secret[MPP_TOKEN_SECRET_LEN]);
/* For msg_decode(): read it to its end. */
MPP_MUSTCHECK mpp_err msg_token_check(mpp_json_reader *r, struct msg_list *out);

/* Name of a type, such as "PresenceNotify"; "unknown" for others. */
const char *msg_type_name(enum msg_type type);
/* The type of the answer to a request; MSG_ERROR when it has none. */
enum msg_type msg_response_type(enum msg_type request);

/* Seconds since 1970 to and from "yyyy-MM-ddTHH:mm:ssZ" (20 octets). */
enum { MSG_TIME_LEN = 20 };
void msg_time_write(uint64_t s, uint8_t out[MSG_TIME_LEN]);
/* Errors: SYNTAX (not exactly that form), RANGE (no such time). */
MPP_MUSTCHECK mpp_err msg_time_read(mpp_bytes text, uint64_t *s);

/* What every message from the service may say; zero members are left out. */
struct msg_common {
	unsigned status;
	const char *description;
	const mpp_addr *endpoint; /* NULL: left out */
	mpp_wall now;             /* 0: left out */
	uint64_t acknowledge;     /* request serial; 0: left out */
	unsigned leap_seconds;    /* TAI - UTC; 0: unknown, left out */
};

/* Open the message and its object, write the common members; the caller adds
 * its own and calls msg_end(). */
void msg_begin(mpp_json_writer *w, enum msg_type type);
void msg_put_common(mpp_json_writer *w, const struct msg_common *c);
void msg_put_store(mpp_json_writer *w, const mpp_store_status *st);
void msg_put_token(mpp_json_writer *w, mpp_bytes token,
		   const uint8_t secret[MPP_TOKEN_SECRET_LEN]);
static inline void msg_end(mpp_json_writer *w)
{
	mpp_json_close(w);
	mpp_json_close(w);
}

/* The bit of a store's type in Bitmask: by the Mesh's name of it
 * ("mmm_Inbound"); bit 0 (Any) for every other name. */
unsigned msg_store_bit(mpp_bytes store);

#endif
