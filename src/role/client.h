/* SPDX-License-Identifier: MIT */
/* client.h - the inside of mpp_client, shared by its files:
 *
 *   client.c          memory, events, timers, what the application asks
 *   client_connect.c  connection datagrams
 *   client_ticket.c   the token: kept, used once, erased
 *   client_data.c     data packets from the service
 *   client_send.c     data packets to the service
 *   client_stream.c   identifiers, and another network
 *   client_keepalive.c  how long it may be silent
 *   client_resolve.c  names that the service resolves
 *   client_network.c  what is remembered of that, network by network
 *   client_web.c      the Web Service, where UDP does not get through
 *
 * Contract for the outside: mpp/client.h. */
#ifndef ROLE_CLIENT_H
#define ROLE_CLIENT_H

#include <mpp/client.h>

#include "presence/message.h"
#include "role/client_keepalive.h"
#include "rud/connect.h"
#include "rud/noise.h"
#include "rud/datagram.h"
#include "rud/rtt.h"
#include "rud/streamid.h"

enum {
	ATTEMPTS = 2, /* the last two are waited for */
	PROBES = 16,  /* and so many Hellos to other addresses */
	EVENTS = 8,
	EVENTS_SPARE = 3, /* kept free for what is not a publication */
	REQUESTS = 4,
	RESOLVES = 8,      /* names asked for at a time */
	WINDOW_WORDS = 16, /* 1024 indexes */
	COOKIE_MAX = 128,
	PIN_TEXT_MAX = MPP_UDF_TEXT_MAX,
	ATTEMPT_FIRST_US = 1000000,
	ATTEMPT_MAX_US = 10000000,
	COOKIE_LIFE_US = 25000000,
	CONFIRM_LIFE_US = 10000000,
	RETRY_MIN_MS = 1000, /* RetryAfter, authentic: bounds, */
	RETRY_MAX_MS = 3600000,
	HINT_MAX_MS = 60000, /* and in the clear */
	LOST_AFTER_US = 3000000,
	LOST_TRIES = 5,
	MOVE_PAUSE_US = 30000000, /* between reconnects for a new endpoint */
	MOVE_WAIT_US = 5000000,   /* for the service to challenge it */
	CHALLENGES = 2,           /* of the new path and of the old one */
	PROBE_GRACE_US = 1000000, /* beside four PTO */
	COME_BACK_MAX_MS = 60000, /* the longest wait before that */
	RENEW_S = 86400,          /* fresh keys: after this time, */
	RENEW_PACKETS = 1 << 23,  /* or so many packets in a direction */
	RENEW_MIN_S = 10,
	RENEW_MAX_S = 604800,
	RENEW_SPREAD = 16,        /* up to this part of it earlier */
	RENEW_PAUSE_US = 5000000, /* not because the service asks sooner */
	RENEW_WAIT_US = 60000000, /* most between attempts meanwhile */
	STOCK = 8,                /* identifiers of the service, not used yet */
	CLIENT_IDS = 16,          /* own ones, under which it may still send */
};

/* A connection datagram that waits for its answer. */
struct attempt {
	uint8_t type; /* RUD_INIT_…; 0: none */
	uint8_t reply_id[REPLY_ID_LEN];
	uint8_t client_id[16];
	mpp_time sent;
	struct noise_ik hs; /* not with Hello */
};

/* An established connection. */
struct link {
	bool on;
	uint32_t number; /* counts connections; for assemblies */
	struct rud_keys rx, tx;
	uint8_t service_id[STREAM_ID_LEN]; /* in use */
	uint8_t web_id[STREAM_ID_LEN]; /* unlinkable: inside HTTP; zeros: none */
	uint8_t stock[STOCK][STREAM_ID_LEN];
	unsigned n_stock;
	uint8_t client_ids[CLIENT_IDS][STREAM_ID_LEN]; /* newest first */
	unsigned n_ids;
	unsigned n_here; /* of them, those of this network */
	bool tell;       /* our identifier goes with every packet, until
			    identifiers of the service come under it */
	bool quiet;      /* nothing is to be waited for: unsubscribed, or the
			    service does not let us */
	bool full;       /* packets are full-sized: this network may be new
			    to the service, and nothing came here yet */
	bool announce;   /* a request goes at once: we have moved */
	uint8_t reset_token[RESET_TOKEN_LEN];
	uint64_t tx_next;
	uint64_t rx_top;
	uint64_t rx_bits[WINDOW_WORDS];
	struct rtt rtt;
	mpp_addr endpoint;   /* what the service says, once it is proved */
	mpp_time elsewhere;  /* it said another one, first then; 0 */
	mpp_time challenged; /* newest PathChallenge; 0: none */
	uint8_t challenges[CHALLENGES][8]; /* to be answered */
	unsigned n_challenges;
	mpp_time made;
	mpp_time renew; /* its keys are to be replaced from then on, */
	mpp_time ends;  /* and not used any more */
	mpp_time heard; /* last authentic packet */
	mpp_time spoke; /* last datagram sent */
	bool ack_due;
	bool ack_header; /* ack_index is to be acknowledged, */
	uint32_t ack_index;
	uint16_t ack_bits; /* with these packets of it, */
	mpp_time ack_at;   /* at the latest then; 0: no hurry */
	uint32_t lease_ms;
	uint32_t spread_ms; /* wait for up to so long when this is lost */
	uint32_t serial;    /* last request serial used */
	/* INITIAL only: repetition of the confirming packet. */
	unsigned tries;
	mpp_time sent;
};

struct request_slot {
	enum msg_type type; /* MSG_NONE: free */
	uint32_t number;    /* what the application knows it by */
	uint32_t serial;    /* on the wire; 0: not sent yet */
	uint32_t index;     /* low bits of its newest datagram */
	unsigned tries;
	mpp_time first, sent;
	mpp_time at;       /* serial 0: not before */
	uint32_t probe_ms; /* heartbeat: when to answer it; 0: at once */
	uint16_t len;      /* publish: its members, encoded */
	uint8_t body[PACKET_PLAIN_MAX];
};

/* A name that the service is to resolve. Several are under way at a time. */
struct resolve_slot {
	uint32_t number; /* what the application knows it by; 0: free */
	uint32_t serial; /* on the wire; 0: not sent yet */
	uint32_t index;  /* low bits of its newest datagram */
	unsigned tries;
	mpp_time first, sent;
	mpp_time at;   /* serial 0: not before */
	mpp_time ends; /* it is given up */
	uint16_t len;
	uint8_t query[MPP_DNS_QUERY_MAX];
};

struct event_slot {
	mpp_client_event ev;
	uint8_t buffer; /* of c->assemblies: where a long message stands */
	uint8_t message[PACKET_PLAIN_LARGEST];
	uint8_t text[128];
};

enum web_post {
	POST_ASK = 0, /* attempts, requests */
	POST_POLL,    /* a Status that waits at the service for news */
	POSTS,
};

/* Packets as bodies of HTTP, and when they are. */
struct client_web {
	mpp_transport allowed;
	mpp_transport told;    /* the application */
	bool on;               /* in force */
	bool here;             /* what is read or written now goes over it */
	uint32_t posts[POSTS]; /* tags under way; 0: none */
	mpp_time posts_until[POSTS]; /* then it is not waited for any more */
	uint32_t tags;               /* given so far */
	mpp_time fall_at;            /* UDP is given up; 0: not waited for */
	unsigned failures;           /* in a row */
	mpp_time failed;             /* the first of them */
	mpp_time again;              /* nothing is posted before */
	uint32_t poll_serial;        /* of the Status that waits; 0: none */
	mpp_time polled;             /* posted then, */
	uint32_t wait_s;             /* to wait for so long */
	mpp_time poll_at;            /* the next one, not before */
	uint32_t try_s;              /* between packets that try UDP */
	mpp_time try_at;             /* the next one */
	mpp_time tried;              /* the last one; 0: none yet */
	mpp_time udp_since;          /* UDP came back then; 0: never */
	uint32_t changes, tries;
};

enum client_token {
	CLIENT_TOKEN_NONE = 0,
	CLIENT_TOKEN_STORED, /* the application keeps it as well */
	CLIENT_TOKEN_USED,   /* no more: attempts go out with it */
};

enum client_state {
	CLIENT_IDLE = 1,
	CLIENT_CONNECTING, /* attempts go out */
	CLIENT_CONFIRMING, /* `next` waits for its first answer */
	CLIENT_CONNECTED,
	CLIENT_DONE,
};

struct mpp_client {
	mpp_crypto crypto;
	mpp_key_log key_log;
	mpp_client_mode mode;
	enum client_state state;
	int suite;
	struct noise_static device;
	uint8_t udf[MPP_UDF_LEN];
	uint8_t instance[MPP_INSTANCE_LEN];
	uint8_t account[MPP_ACCOUNT_MAX];
	size_t account_len;
	uint8_t pins[MPP_PINS_MAX][PIN_TEXT_MAX];
	size_t pin_len[MPP_PINS_MAX];
	size_t n_pins;
	uint8_t stores[MPP_FILTER_MAX][MPP_STORE_MAX];
	uint8_t store_len[MPP_FILTER_MAX];
	size_t n_stores;
	bool have_invitation;
	uint8_t invitation[MPP_INVITATION_LEN];
	uint32_t ask_lease_ms;
	struct keepalive keepalive;
	uint8_t network[MPP_NETWORK_LEN];           /* zeros: unknown */
	mpp_client_learnt learnt[MPP_NETWORKS_MAX]; /* used last first */
	mpp_client_learnt learnt_saved[MPP_NETWORKS_MAX];
	bool learnt_changed; /* the application keeps something else */
	uint32_t renew_s, renew_packets;
	bool unlinkable;

	/* The service's key: known, or offered by a Challenge. */
	bool have_key, offered;
	uint8_t service_key[MPP_DH_MAX];
	uint8_t offered_key[MPP_DH_MAX];
	uint8_t suites[16]; /* what a Challenge offered */
	size_t suites_len;  /* 0: none came */
	uint8_t cookie[COOKIE_MAX];
	size_t cookie_len;
	mpp_time cookie_at;

	bool cookie_ticket; /* it answered a Ticket */

	enum client_token token_state;
	unsigned ticket_tries; /* attempts with it */
	bool ticket_challenged;
	uint8_t token[MPP_TOKEN_MAX], token_saved[MPP_TOKEN_MAX];
	size_t token_len;
	uint8_t token_secret[MPP_TOKEN_SECRET_LEN];

	uint64_t timestamp_ms;  /* last given out */
	bool stamp_ready;       /* saved, not used yet */
	bool want_save, saving; /* event to give; waiting for saved() */

	struct attempt attempts[ATTEMPTS];
	unsigned newest; /* of them */
	uint8_t probes[PROBES][REPLY_ID_LEN];
	unsigned n_probes;   /* sent; the last PROBES are waited for */
	unsigned failures;   /* for the back-off */
	mpp_time attempt_at; /* when the next is due */
	mpp_time not_before; /* it is not, after a loss */

	struct link links[2];
	unsigned cur;  /* the established one; other: `next` */
	bool renewing; /* it serves until `next` is confirmed */
	struct client_web web;
	uint32_t made; /* connections */
	struct assemblies assemblies;
	uint8_t reading;                 /* of their buffers; ASSEMBLY_NONE */
	uint8_t first[PACKET_PLAIN_MAX]; /* answer to the first message; told
					    to the application when the
					    connection is confirmed */
	size_t first_len;
	uint64_t first_serial; /* held from then on; 0: no change */

	uint64_t held;                          /* publication serial */
	struct request_slot requests[REQUESTS]; /* [0] is under way */
	struct resolve_slot resolves[RESOLVES];
	uint32_t numbers; /* given to the application */
	mpp_time moved;   /* last reconnect for a new endpoint */
	bool closing;
	bool told_key; /* KEY_CHANGED was given */
	bool lost;     /* LOST was given */
	uint32_t told_keepalive_ms;

	struct event_slot events[EVENTS];
	unsigned event_head, event_n;
	bool event_out; /* the head is with the application */

	struct noise_ik scratch;
	struct msg msg;
	struct connect in;
	uint8_t plain[MPP_PACKET_MAX];
};

static inline struct link *link_cur(struct mpp_client *c)
{
	return &c->links[c->cur];
}
static inline struct link *link_next(struct mpp_client *c)
{
	return &c->links[c->cur ^ 1u];
}
static inline mpp_time time_plus(mpp_time t, uint64_t us)
{
	return (mpp_time){t.us > UINT64_MAX - us ? UINT64_MAX : t.us + us};
}
static inline bool time_due(mpp_time at, mpp_time now)
{
	return at.us <= now.us;
}

/* ---- client.c ---- */
/* A free event, already counted; NULL: no room. `spare`: may use the places
 * that publications leave free. */
struct event_slot *client_event(struct mpp_client *c,
				mpp_client_event_kind kind, bool spare);
/* An event made from c->msg, whose text stands in `message`. */
void client_event_message(struct mpp_client *c, struct event_slot *e,
			  mpp_bytes message);
/* Start over: attempts at once. */
void client_restart(struct mpp_client *c, mpp_time now);
/* `next` came to nothing; what is there may serve on. */
void client_restart_next(struct mpp_client *c, mpp_time now);
/* Fresh keys: the same, while the connection that is there serves. */
void client_renew(struct mpp_client *c, mpp_time now);
/* Does it come back by itself, for as long as the application wants? */
bool client_stays(const struct mpp_client *c);
/* Who asks once has no time for it. */
bool client_renewable(const struct mpp_client *c);
/* Is there a connection over which requests go? */
bool client_serving(const struct mpp_client *c);
void client_done(struct mpp_client *c);
/* No answer any more: connects anew. */
void client_lose(struct mpp_client *c, mpp_time now);
/* A packet of the service, which came over what c->web.here says. */
mpp_err client_receive(struct mpp_client *c, mpp_buf in, mpp_instant now);

/* ---- client_connect.c ---- */
mpp_err client_answer(struct mpp_client *c, struct attempt *a, mpp_bytes in,
		      mpp_instant now);
/* The next connection datagram. AGAIN: nothing now. */
MPP_MUSTCHECK mpp_err client_attempt(struct mpp_client *c, mpp_instant now,
				     mpp_buf *out);
mpp_time client_attempt_deadline(const struct mpp_client *c);
/* Does this answer a probe? */
bool client_probe_find(const struct mpp_client *c, mpp_bytes in);
mpp_err client_probe_answer(struct mpp_client *c, mpp_bytes in,
			    mpp_instant now);

/* RetryAfter of what was read last, in ms; 0: it says nothing. */
uint64_t client_retry_after(const struct mpp_client *c);

/* ---- client_ticket.c ---- */
MPP_MUSTCHECK mpp_err client_ticket_init(struct mpp_client *c,
					 const mpp_client_config *k);
/* Is the next attempt a Ticket? Takes the token into use; what is sent waits
 * until that is saved. */
bool client_ticket(struct mpp_client *c);
/* The token in use, if any, has done what it could. */
void client_ticket_drop(struct mpp_client *c);
MPP_MUSTCHECK mpp_err client_ticket_start(struct mpp_client *c,
					  struct noise *hs);
/* The extensions of a Ticket. */
void client_ticket_put(const struct mpp_client *c, struct wr *w);
/* The device's key, which a token only names: in the payload of a Ticket. */
void client_ticket_credential(const struct mpp_client *c, struct wr *w);
/* A ResponderComplete made a connection. */
void client_ticket_connected(struct mpp_client *c);
/* An Error answered this attempt. */
void client_ticket_error(struct mpp_client *c, const struct attempt *a,
			 mpp_time now);
/* c->msg may bring a token. */
void client_ticket_keep(struct mpp_client *c);
/* Another network must not see the one that this network saw. */
void client_ticket_moved(struct mpp_client *c);
/* The service has revoked what we hold. */
void client_ticket_revoked(struct mpp_client *c);
/* What MPP_EV_SAVE says of it. */
void client_ticket_save(struct mpp_client *c, mpp_client_event *ev);

/* ---- client_data.c ---- */
mpp_err client_data(struct mpp_client *c, struct link *l, mpp_buf in,
		    mpp_instant now);
/* `next` was answered: it is the connection now. */
void client_confirmed(struct mpp_client *c, mpp_instant now);

/* ---- client_stream.c ---- */
/* A new connection: our identifier, and one or two of the service. */
void client_stream_begin(const struct mpp_client *c, struct link *l,
			 const uint8_t client_id[STREAM_ID_LEN], mpp_bytes ids);
/* The place of an identifier of ours, 0 for the newest; CLIENT_IDS: none. */
unsigned client_stream_find(const struct link *l, const uint8_t *id);
/* A packet came under the identifier at this place. ids: its StreamId, or
 * empty. */
void client_stream_heard(struct link *l, unsigned place, mpp_bytes ids);
/* Choose the identifiers of the next packet and put our own before the *len
 * octets of its plaintext, if the service is to know it. */
MPP_MUSTCHECK mpp_err client_stream_put(struct mpp_client *c, struct link *l,
					uint8_t *plain, size_t *len);
/* Nothing may be sent any more: every packet needs an identifier of its own,
 * and none is left. */
bool client_stream_spent(const struct mpp_client *c, const struct link *l);

/* ---- client_network.c ---- */
void client_network_init(struct mpp_client *c, const mpp_client_config *k);
/* Something may have been learnt: if so, it is to be saved. */
void client_network_note(struct mpp_client *c);
/* The path is another one. */
void client_network_moved(struct mpp_client *c);
/* What MPP_EV_SAVE says of it. */
void client_network_save(struct mpp_client *c, mpp_client_event *ev);

/* ---- client_send.c ---- */
MPP_MUSTCHECK mpp_err client_send_data(struct mpp_client *c, mpp_instant now,
				       mpp_buf *out);
mpp_time client_send_deadline(const struct mpp_client *c);
/* Write the message of a request (also as the first of a connection).
 * body: the StoreStatus of a publish, encoded. serial: on the wire. */
void client_put_request(const struct mpp_client *c, mpp_json_writer *w,
			enum msg_type type, mpp_bytes body, uint32_t serial);
/* Queue a request. NULL: no room. */
struct request_slot *client_queue(struct mpp_client *c, enum msg_type type);
/* A heartbeat, which may ask for a probe of the path. */
void client_heartbeat(struct mpp_client *c, mpp_time now);
/* Seal a packet of the n octets at out->p + PACKET_HEAD, which begin with an
 * extension list. Counts as speaking. */
MPP_MUSTCHECK mpp_err client_send_resolve(struct mpp_client *c, mpp_time now,
					  size_t n, mpp_buf *out);
/* The request under way is over; the next one moves up. */
void client_dequeue(struct mpp_client *c);
/* Packets, one each. */
MPP_MUSTCHECK mpp_err client_send_close(struct mpp_client *c, mpp_buf *out);
MPP_MUSTCHECK mpp_err client_send_response(struct mpp_client *c, mpp_time now,
					   mpp_buf *out);
MPP_MUSTCHECK mpp_err client_send_confirm(struct mpp_client *c, mpp_time now,
					  mpp_buf *out);
MPP_MUSTCHECK mpp_err client_send_request(struct mpp_client *c, mpp_time now,
					  mpp_buf *out);
/* What is held; it asks for an answer. */
MPP_MUSTCHECK mpp_err client_send_held(struct mpp_client *c, mpp_buf *out);
/* A Status with the next serial. */
MPP_MUSTCHECK mpp_err client_send_poll(struct mpp_client *c, mpp_buf *out);

/* ---- client_web.c ---- */
void client_web_init(struct mpp_client *c, const mpp_client_config *k);
/* It connects anew. */
void client_web_restarted(struct mpp_client *c, mpp_time now);
/* The application wants it to begin: UDP's turn comes first. */
void client_web_begun(struct mpp_client *c, mpp_time now);
/* It has connected. */
void client_web_connected(struct mpp_client *c);
/* The service answers over UDP, and is not to be asked before `at`. */
void client_web_heard(struct mpp_client *c, mpp_time at);
/* A packet of the connection in use came over UDP. */
void client_web_udp_heard(struct mpp_client *c, mpp_time now);
/* A connection was made by what came over UDP. */
void client_web_udp_made(struct mpp_client *c, mpp_time now);
/* Another network. along: the connection is taken there. */
void client_web_moved(struct mpp_client *c, bool along, mpp_time now);
/* Nothing answers any more. True: the Web Service's turn has come. */
bool client_web_takes(struct mpp_client *c, mpp_time now);
/* Is this the answer to the Status that waited? Then the next one is planned. */
bool client_web_polled(struct mpp_client *c, struct link *l, mpp_time now);
/* It brought something: the next one goes out at once. */
void client_web_news(struct mpp_client *c);
/* Does a Status wait at the service, in place of heartbeats? */
bool client_web_polls(const struct mpp_client *c);
void client_web_tick(struct mpp_client *c, mpp_time now);
mpp_time client_web_deadline(const struct mpp_client *c);
/* What finds out if UDP is back. AGAIN: nothing now. */
MPP_MUSTCHECK mpp_err client_web_try(struct mpp_client *c, mpp_time now,
				     mpp_buf *out);

/* ---- client_resolve.c ---- */
/* When the next question is to be sent on the connection that serves. */
mpp_time client_resolve_at(const struct mpp_client *c);
MPP_MUSTCHECK mpp_err client_resolve_send(struct mpp_client *c, mpp_instant now,
					  mpp_buf *out);
/* c->msg came over the connection that serves: is it the answer to a question?
 */
bool client_resolve_take(struct mpp_client *c, mpp_bytes message, mpp_time now);
/* A packet acknowledges this one: a sample, if it asked something. */
void client_resolve_acked(struct mpp_client *c, uint32_t index, mpp_time now);
/* Another connection: they are asked again there. */
void client_resolve_again(struct mpp_client *c);
/* Give up what took too long; and when that is. */
void client_resolve_tick(struct mpp_client *c, mpp_time now);
mpp_time client_resolve_ends(const struct mpp_client *c);
/* Is nothing heard, though something was asked again and again? */
bool client_resolve_unheard(const struct mpp_client *c, mpp_time now);

#endif
