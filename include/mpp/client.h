/* SPDX-License-Identifier: MIT */
/** @file mpp/client.h  A device's side of the Mesh Presence Protocol.
 *
 * Sans-I/O: bytes and time in, bytes and a deadline out.
 *
 *     mpp_client_connect(c, now);
 *     for (;;) {
 *         while (mpp_client_send(c, now, &buf) == MPP_OK)
 *             send buf over UDP to the service;
 *         while (mpp_client_next_event(c, &ev) == MPP_OK)
 *             use ev (MPP_EV_SAVE: write durably, mpp_client_saved());
 *         wait for a datagram until mpp_client_deadline(c);
 *         mpp_client_receive() or mpp_client_tick();
 *     }
 *
 * Where UDP does not get through, the same connection goes on over the Web
 * Service (docs/protocol.md section 15), for a host that can make HTTP requests
 * and says so (mpp_client_config.web):
 *
 *         while (mpp_client_web_send(c, now, &buf, &post) == MPP_OK)
 *             POST buf; Content-Type: application/rud
 *         when one is answered, or fails: mpp_client_web_answer();
 *         end those for which mpp_client_web_waits() says no.
 *
 * mpp/loop.h is this loop ready made, with sockets and a state file.
 *
 * Threads: one client belongs to one thread. Nothing is called back. After
 * fork() a child must not use it: make a new one. */
#ifndef MPP_CLIENT_H
#define MPP_CLIENT_H

#include <mpp/rud.h>
#include <mpp/token.h>
#include <mpp/udf.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mpp_client mpp_client;

/** What the first message of a connection asks. */
typedef enum mpp_client_mode {
	MPP_MODE_SUBSCRIBE = 1, /**< stay connected and be notified */
	MPP_MODE_STATUS,        /**< ask for the current state, once */
	MPP_MODE_ENDPOINT,      /**< ask for the own external endpoint, once */
	MPP_MODE_ENROLL,        /**< connect, be confirmed, close */
	MPP_MODE_ASK,           /**< connect, be confirmed, and ask: publish */
	MPP_MODE_KEEP,          /**< as ASK, but stay connected to ask again */
} mpp_client_mode;
/* STATUS, ENDPOINT and ASK connect as an instance of their own, and KEEP as
 * another one, so that they displace neither each other's connection nor a
 * subscription of the instance given. SUBSCRIBE and ENROLL do. */

/** How packets travel. */
typedef enum mpp_transport {
	MPP_TRANSPORT_UDP = 1,
	MPP_TRANSPORT_WEB,  /**< HTTP: one POST for each packet */
	MPP_TRANSPORT_AUTO, /**< UDP; HTTP while that does not get through */
} mpp_transport;

enum { MPP_PINS_MAX = 4, MPP_FILTER_MAX = 32 };

enum { MPP_NETWORK_LEN = 8, MPP_NETWORKS_MAX = 8 };

/** What was learnt in a network of how long a path lasts in silence there. */
typedef struct mpp_client_learnt {
	uint8_t network[MPP_NETWORK_LEN]; /**< zeros: nothing here */
	uint32_t low_ms;                  /**< it lasted so long, and */
	uint32_t high_ms;                 /**< not so long; 0: none known */
} mpp_client_learnt;

typedef struct mpp_client_config {
	mpp_client_mode mode;
	mpp_bytes account;                 /**< copied; 1..255 octets */
	int suite;                         /**< of the device key */
	uint8_t device_secret[MPP_DH_MAX]; /**< copied */
	uint8_t instance[MPP_INSTANCE_LEN];
	uint64_t timestamp_ms; /**< last one used, from the state; 0: none */

	/** The service's key, if known: Immediate. */
	bool have_service_key;
	uint8_t service_key[MPP_DH_MAX];
	/** Fingerprints of which any service key must match one (text form,
	 * copied); none and no key: trust on first use. */
	mpp_bytes pins[MPP_PINS_MAX];
	size_t n_pins;

	bool have_invitation;
	uint8_t invitation[MPP_INVITATION_LEN];

	/** A token (copied); empty: none. SUBSCRIBE uses it once: a MPP_EV_SAVE
	 * erases it first. ENROLL takes one of a minter that the service
	 * trusts, in place of an invitation, and uses it until the service has
	 * confirmed; no MPP_EV_SAVE speaks of it. Others use none. */
	mpp_bytes token;
	uint8_t token_secret[MPP_TOKEN_SECRET_LEN];

	/** Names of the stores to hear of (copied); none: all. */
	mpp_bytes stores[MPP_FILTER_MAX];
	size_t n_stores;
	uint64_t acknowledge; /**< publication serial that the app holds */
	uint32_t lease_ms;    /**< lease to ask for; 0: the service's */
	/** Heartbeat after this silence; 0: what the path is found to last, at
	 * least 14 s and at most three quarters of the lease. */
	uint32_t keepalive_ms;
	/** The network where it begins: any octets by which the application
	 * will know it again; zeros: unknown, or said later by
	 * mpp_client_network(). */
	uint8_t network[MPP_NETWORK_LEN];
	/** From the last MPP_EV_SAVE that had it; zeroed: none. It is asked
	 * for, not believed: what cannot be is left out. */
	mpp_client_learnt learnt[MPP_NETWORKS_MAX];
	uint32_t renew_s;       /**< make fresh keys within this time [86400],
				10..604800; after twice as long the old
				ones are not used */
	uint32_t renew_packets; /**< or after so many in a direction [2^23] */
	/** No identifier stands in two packets, so that who sees them cannot
	 * tell by it which belong together (docs/protocol.md section 4). */
	bool unlinkable;
	/** The host can reach the Web Service: MPP_TRANSPORT_AUTO from the
	 * start; false: MPP_TRANSPORT_UDP. */
	bool web;
	mpp_key_log key_log; /**< INSECURE: is told all keys; zeroed: nobody */
} mpp_client_config;

/** Datagrams of several packets (up to 18432 octets) that a client can put
 * together at a time. */
enum { MPP_CLIENT_DATAGRAMS = 8 };

/** Bytes to lend: about 185 kB, of which 147 kB are touched only while large
 * datagrams arrive. */
size_t mpp_client_size(void);

/** Bytes to lend by a device that has little memory: for so many datagrams at
 * a time, 18432 each, 1..MPP_CLIENT_DATAGRAMS (others are taken as the nearest).
 * A message that the application has not taken yet occupies one. When all are
 * occupied the oldest unfinished makes room, and the service sends again what
 * was lost. */
size_t mpp_client_size_for(unsigned datagrams);

/** @param mem lent, stays in place, aligned as max_align_t
 * @param len as many octets as are lent: what goes beyond
 *   mpp_client_size_for(1) is used for more datagrams at a time
 * @param crypto lent (the struct is copied)
 * @retval MPP_ERR_NOSPACE  len < mpp_client_size_for(1)
 * @retval MPP_ERR_INVALID  account, suite, pins or stores are not possible
 * @retval MPP_ERR_CRYPTO */
MPP_MUSTCHECK mpp_err mpp_client_init(void *mem, size_t len,
				      const mpp_client_config *config,
				      const mpp_crypto *crypto,
				      mpp_client **out);
/** Wipe every secret. The memory is the caller's again. */
void mpp_client_wipe(mpp_client *c);

/** Begin to connect (also: begin anew). */
void mpp_client_connect(mpp_client *c, mpp_instant now);

/** The network or the socket has changed: what is sent from now on leaves from
 * another address. Call it before that is sent. A connection is taken along
 * without a new handshake, under identifiers that the old network has not
 * seen, with a packet at once; while it connects, it begins anew. What the
 * service sent to the old address may be given to mpp_client_receive() as
 * long as it comes. (docs/protocol.md section 8) */
void mpp_client_moved(mpp_client *c, mpp_instant now);

/** A datagram for another address of the service than the one that
 * mpp_client_send() is for, while that one does not answer: a Hello of its own,
 * which says nothing of the device and costs no Timestamp and no token. Send it
 * once. What comes back is for mpp_client_receive(), too; when that says MPP_OK
 * this address has answered, before all others: everything that is sent from
 * then on is for it, and nothing counts that comes from another one.
 * (docs/protocol.md section 5.11)
 * @param out lent, at least MPP_PACKET_MAX
 * @retval MPP_ERR_STATE    it is not connecting, or a connection serves
 * @retval MPP_ERR_NOSPACE  out is too small
 * @retval MPP_ERR_CRYPTO   no random octets */
MPP_MUSTCHECK mpp_err mpp_client_probe(mpp_client *c, mpp_buf *out);

/** The device is in this network now, or it has become known which one it is;
 * zeros: unknown. Of another network than before nothing is taken along of how
 * long a path lasts: what was learnt there before is asked for first, and
 * believed when it is proved again. Call it before mpp_client_moved(), when
 * both are due. Useless unless the configuration's keepalive_ms is 0. */
void mpp_client_network(mpp_client *c, const uint8_t network[MPP_NETWORK_LEN],
			mpp_instant now);

/** A datagram from the service. @param in borrowed, changed.
 * @return why it was dropped, or MPP_OK */
mpp_err mpp_client_receive(mpp_client *c, mpp_buf in, mpp_instant now);

/** The next datagram to send. @param out replaced from the start; cap at
 * least MPP_PACKET_MAX  @retval MPP_ERR_AGAIN nothing to send now
 * @retval MPP_ERR_CRYPTO, MPP_ERR_RANDOM  give up */
MPP_MUSTCHECK mpp_err mpp_client_send(mpp_client *c, mpp_instant now,
				      mpp_buf *out);

/* ---- the Web Service ---- */

/** Octets that an answer of the Web Service has at most: room for its body. */
enum { MPP_POST_ANSWER_MAX = 65536 };

/** From now on over UDP alone, over the Web Service alone, or over UDP and,
 * while that does not get through, the Web Service. A connection is taken
 * along: the same keys, no new handshake. The host that allows the Web Service
 * must be able to reach it. */
void mpp_client_transport(mpp_client *c, mpp_transport allowed,
			  mpp_instant now);

/** The host knows that no datagram reaches the service now: there is no
 * address, or no route. With MPP_TRANSPORT_AUTO the Web Service's turn comes at
 * once, else nothing happens. */
void mpp_client_unreachable(mpp_client *c, mpp_instant now);

typedef struct mpp_client_transport_info {
	mpp_transport allowed;
	mpp_transport now; /**< in force: UDP or WEB */
	bool serving;      /**< there is a connection over it */
	uint32_t changes;  /**< of what is in force, so far */
	uint32_t tries;    /**< packets sent to find out if UDP is back */
} mpp_client_transport_info;

void mpp_client_transport_info_get(const mpp_client *c,
				   mpp_client_transport_info *out);

/** A packet to be posted. */
typedef struct mpp_client_post {
	uint32_t tag;    /**< names it; never 0 */
	uint32_t wait_s; /**< `Prefer: wait=N`; 0: no such header */
} mpp_client_post;

/** The next packet for the Web Service: the body of
 * `POST /.well-known/mmmpresence`, whose answer is for
 * mpp_client_web_answer(). At most two are under way. MPP_ERR_AGAIN while UDP
 * is in force; mpp_client_send() then gives what goes over UDP, and while the
 * Web Service is in force what finds out if UDP is back.
 * @param out, @return as mpp_client_send() */
MPP_MUSTCHECK mpp_err mpp_client_web_send(mpp_client *c, mpp_instant now,
					  mpp_buf *out, mpp_client_post *post);

/** A post is answered. One that the client does not wait for any more is
 * ignored.
 * @param http_status 200, 410 and so on; 0: no answer came
 * @param body borrowed, changed
 * @retval MPP_ERR_STATE nobody waits for it
 * @return else why the answer is no good, or MPP_OK: this Web Service answers;
 *   after another one the next post had better go elsewhere, if the host knows
 *   several. The client repeats by itself, later and later. */
mpp_err mpp_client_web_answer(mpp_client *c, uint32_t tag, int http_status,
			      mpp_buf body, mpp_instant now);

/** Does the client still wait for the answer of this post? When not, the host
 * ends it. */
bool mpp_client_web_waits(const mpp_client *c, uint32_t tag);

/** When mpp_client_tick() is due, or MPP_TIME_NEVER. */
mpp_time mpp_client_deadline(const mpp_client *c);
void mpp_client_tick(mpp_client *c, mpp_instant now);

typedef enum mpp_client_event_kind {
	MPP_EV_SAVE = 1,    /**< write timestamp_ms (and the service key, when
				 have_service_key; and the token, when
				 have_token; and learnt, when have_learnt)
				 durably, then call mpp_client_saved(); no attempt to connect is
				 sent before */
	MPP_EV_CONNECTED,   /**< confirmed by the service; endpoint, lease.
				 Again, without MPP_EV_LOST before it, when
				 a new connection has taken the place of the
				 old one: fresh keys, another network */
	MPP_EV_PUBLICATION, /**< stores that changed; serial, more */
	MPP_EV_RESPONSE,    /**< answer to a request: request, status */
	MPP_EV_LOST,        /**< no answer any more; connects by itself, after
				 retry_ms */
	MPP_EV_REFUSED,     /**< status and text; final unless retry_ms */
	MPP_EV_KEY_CHANGED, /**< the service shows another key than pinned:
				 udf is what it showed. Never accepted; the
				 client goes on trying, so close it to end */
	MPP_EV_CLOSED,      /**< the service closed (status), or we did */
	MPP_EV_KEEPALIVE,   /**< keepalive_ms is another than before */
	MPP_EV_TRANSPORT,   /**< the connection goes over `transport` from now
				 on. Before the first of it: UDP */
} mpp_client_event_kind;

typedef struct mpp_client_event {
	mpp_client_event_kind kind;
	uint64_t timestamp_ms;
	bool have_service_key;
	int suite;
	uint8_t service_key[MPP_DH_MAX];
	bool have_token; /**< token replaces the one that is kept; empty:
			      erase that one. A secret, as is: */
	mpp_bytes token;
	uint8_t token_secret[MPP_TOKEN_SECRET_LEN];
	bool have_learnt; /**< learnt replaces all that is kept of networks */
	const mpp_client_learnt *learnt; /**< MPP_NETWORKS_MAX, the one that
					      was used last first */
	uint8_t udf[MPP_UDF_LEN];

	uint32_t request; /**< what mpp_client_…() returned; 0: the first
				    message of the connection */
	int status;       /**< MPP_STATUS_… */
	mpp_bytes text;   /**< StatusDescription, for people */
	uint32_t retry_ms;
	mpp_addr endpoint; /**< own external endpoint; family 0: unsaid */
	uint64_t now_s;    /**< the service's clock, s since 1970; 0 */
	uint32_t lease_ms;
	uint64_t serial;         /**< of the publication or vector; 0: unsaid */
	bool more;               /**< the next part follows */
	bool reset;              /**< serials were taken back: take this one */
	uint32_t rtt_us;         /**< smoothed; 0: no sample yet */
	uint32_t keepalive_ms;   /**< it speaks after so much silence */
	mpp_transport transport; /**< in force: UDP or WEB */
	mpp_bytes message;       /**< for mpp_client_store_next() */
	uint16_t n_stores;
} mpp_client_event;

/** The next event. Slices in it stay valid until the next call of
 * mpp_client_next_event(). @retval MPP_ERR_AGAIN none */
MPP_MUSTCHECK mpp_err mpp_client_next_event(mpp_client *c,
					    mpp_client_event *ev);
void mpp_client_saved(mpp_client *c);

/** Walk the StoreStatus entries of an event: *cursor starts at 0. Names are
 * un-escaped into @p scratch (>= MPP_STORE_MAX + MPP_DIGEST_MAX octets).
 * @return false at the end */
bool mpp_client_store_next(const mpp_client_event *ev, size_t *cursor,
			   mpp_buf *scratch, mpp_store_status *out);

/** Walk the names of the stores that a publish skipped, in the event of its
 * answer: *cursor starts at 0. Names are un-escaped into @p scratch (>=
 * MPP_STORE_MAX octets). @return false at the end */
bool mpp_client_skipped_next(const mpp_client_event *ev, size_t *cursor,
			     mpp_buf *scratch, mpp_bytes *name);

/* Requests on a connection. Each is repeated until answered and ends in one
 * MPP_EV_RESPONSE with the number given here. Errors: MPP_ERR_STATE not
 * connected; MPP_ERR_AGAIN too many requests wait; MPP_ERR_NOSPACE does not
 * fit one packet (413 without sending); MPP_ERR_INVALID. */
MPP_MUSTCHECK mpp_err mpp_client_status(mpp_client *c, mpp_instant now,
					uint32_t *request);
MPP_MUSTCHECK mpp_err mpp_client_endpoint(mpp_client *c, mpp_instant now,
					  uint32_t *request);
MPP_MUSTCHECK mpp_err mpp_client_unsubscribe(mpp_client *c, mpp_instant now,
					     uint32_t *request);
/** Publish to the own account; needs the right. @param stores borrowed */
MPP_MUSTCHECK mpp_err mpp_client_publish(mpp_client *c,
					 const mpp_store_status *stores,
					 size_t n, mpp_instant now,
					 uint32_t *request);
/** Longest DNS query that mpp_client_resolve() takes, and longest answer. */
enum { MPP_DNS_QUERY_MAX = 512, MPP_DNS_ANSWER_MAX = 16384 };

/** Have the service resolve a name (docs/protocol.md section 17): a DNS query
 * message (RFC 1035, one question, recursion desired) goes there over the
 * connection, so that nobody on the way sees what is asked, and comes back as
 * a DNS message with the same id, which mpp_client_dns() gets from the
 * MPP_EV_RESPONSE. Up to 8 are asked at a time, and their answers come in any
 * order. One that nobody answers ends after 15 s with MPP_STATUS_TIMEOUT. Its
 * own errors: MPP_ERR_INVALID, the query has less than 12 octets;
 * MPP_ERR_NOSPACE, more than MPP_DNS_QUERY_MAX. @param query borrowed */
MPP_MUSTCHECK mpp_err mpp_client_resolve(mpp_client *c, mpp_bytes query,
					 mpp_instant now, uint32_t *request);

/** The DNS message of such an answer, appended to @p dns, which has room for
 * MPP_DNS_ANSWER_MAX octets or more.
 * @retval MPP_ERR_NOTFOUND there is none: the event's status says why
 * @retval MPP_ERR_NOSPACE, MPP_ERR_SYNTAX the service does not keep to the
 *   protocol */
MPP_MUSTCHECK mpp_err mpp_client_dns(const mpp_client_event *ev, mpp_buf *dns);

/** Say goodbye: the next mpp_client_send() gives a Close; MPP_EV_CLOSED. */
void mpp_client_close(mpp_client *c, mpp_instant now);

/** For how long the client may be silent on this path, and how that was found
 * (docs/protocol.md section 8). */
typedef struct mpp_client_keepalive_info {
	uint32_t interval_ms; /**< it speaks after so much silence */
	uint32_t low_ms;      /**< what the path is known to last, and */
	uint32_t high_ms;     /**< what it is known not to; 0: nothing */
	bool settled;         /**< nothing more to be found out for now */
	uint32_t proved;      /**< probes whose answer came so late */
	uint32_t missed;      /**< probes whose answer never came */
	uint32_t restarted;   /**< probes that were no silence after all */
} mpp_client_keepalive_info;

void mpp_client_keepalive(const mpp_client *c, mpp_client_keepalive_info *out);

/** UDF of the device key. */
void mpp_client_udf(const mpp_client *c, uint8_t udf[MPP_UDF_LEN]);

#ifdef __cplusplus
}
#endif
#endif
