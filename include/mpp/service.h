/* SPDX-License-Identifier: MIT */
/** @file mpp/service.h  The presence service without its sockets.
 *
 * Sans-I/O: datagrams, time and results of the store go in; datagrams, a
 * deadline and batches for the store come out. mppd puts sockets, a clock and
 * a store around it; the simulator does the same with other ones.
 *
 * Life of a change: a call (or a device) asks for it, the engine puts records
 * into a batch; the host takes the batch with mpp_service_commit(), makes it
 * durable and says so with mpp_service_committed(). Only then does the change
 * take effect, is the caller answered and are devices notified.
 *
 * Threads: one service belongs to one thread. Not re-entrant; calls nobody. */
#ifndef MPP_SERVICE_H
#define MPP_SERVICE_H

#include <mpp/rud.h>
#include <mpp/token.h>
#include <mpp/udf.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MPP_NO_SNAPSHOTS UINT32_MAX
#define MPP_NO_RESOLVES UINT32_MAX

/** Every limit and its cost in bytes of memory, reserved at start (see
 * mpp_service_size()). Zero members take the default in brackets. */
typedef struct mpp_service_config {
	uint32_t bindings;     /**< connected instances [1024]: 276 each */
	uint32_t half_open;    /**< unconfirmed handshakes [256]: 144 */
	uint32_t paths;        /**< new addresses being proved [256]: 80 */
	uint32_t snapshots;    /**< datagrams of several packets on their way
				       [64]: 18528 each; MPP_NO_SNAPSHOTS:
				       what does not fit a packet goes in
				       several datagrams */
	uint32_t probes;       /**< devices that are silent to measure their
				       path [256]: 32 each */
	uint32_t held;         /**< requests by HTTP that wait for their answer
				       [256]: 356 each */
	uint32_t devices;      /**< enrolled keys [1024]: 272 each */
	uint32_t accounts;     /**< [256]: 344 each */
	uint32_t stores;       /**< store entries of all accounts and
				       changes on their way [4096]: 176 each */
	uint32_t invitations;  /**< [256]: 128 each */
	uint32_t operations;   /**< changes waiting for the store [1024]: 264 */
	uint32_t commit_bytes; /**< a batch for the store [262144], twice */
	uint32_t devices_per_account; /**< [64] */
	uint32_t stores_per_account;  /**< [128], at most 128 */
	uint32_t lease_ms;       /**< lease given when none is asked [60000] */
	uint32_t lease_min_ms;   /**< [10000] */
	uint32_t lease_max_ms;   /**< [3600000] */
	uint32_t idle_ms;        /**< a silent binding is kept [3600000] */
	uint32_t token_life_s;   /**< tokens are good for [2592000] */
	uint32_t reconnect_rate; /**< connections a second that come back when
				      this service was away [2000] */
	uint32_t renew_s;        /**< keys of this age [86400], 10..604800, */
	uint32_t renew_packets;  /**< or with so many packets in a direction
				     [2^23], at most 2^30, are to be replaced;
				     twice as old they are not used */
	uint32_t dh25519_us; /**< what a Diffie-Hellman of suite 1 costs this
				    machine [40], at most 1000000 */
	uint32_t dh448_us;   /**< of suite 2 [200] */
	uint32_t dh_percent; /**< of the time for it, for addresses that are
				    not proved [10], at most 100 */
	uint32_t handshakes; /**< of an instance in a minute [6], at most
				     10000; unconfirmed ones of a device: four
				     times as many */
	uint32_t requests_per_s; /**< of a device [20], at most 1000, */
	uint32_t request_burst;  /**< so many at once [40] */
	uint32_t resolves;   /**< names that are being resolved [256], at most
				   10000: 576 each; MPP_NO_RESOLVES: none are */
	uint32_t resolve_ms; /**< most time for one [6000] */
	uint32_t resolves_per_device; /**< of them at a time [8], at most 64, */
	uint32_t resolves_per_s;    /**< and new ones [10], at most 1000; twice
					   as many at once */
	uint32_t instances_allowed; /**< live at once with one device key
					 without an alarm [1], at most 4 */
	uint32_t stun_address;      /**< STUN requests of an address that are
					 answered in a second [50], at most
					 100000 (160 kB for all of them), */
	uint32_t stun_prefix;       /**< and of its prefix, /24 or /56 [5000],
					 at most 1000000 */
	bool stun_off;              /**< answer none */
	bool always_challenge;      /**< prove every address first */
	mpp_key_log key_log;        /**< INSECURE: is told all keys [nobody] */
} mpp_service_config;

/** Durable secrets of a service. All-zero secret keys: that suite is off. */
typedef struct mpp_service_secrets {
	uint8_t x25519[32];    /**< private key of suite 1 */
	uint8_t x448[56];      /**< private key of suite 2 */
	uint8_t sid_key[16];   /**< makes stream identifiers */
	uint8_t reset_key[32]; /**< makes reset tokens */
	mpp_token_key token;   /**< mints tokens; an all-zero key: none */
} mpp_service_secrets;

typedef struct mpp_service mpp_service;

/** Bytes to lend for a configuration; 0 when it is not possible (a limit is
 * out of range). */
size_t mpp_service_size(const mpp_service_config *config);

/** Make a service without accounts.
 * @param mem  lent until the service is forgotten; stays in place; aligned as
 *             max_align_t; zeroed by the caller (fresh pages are)
 * @param secrets  copied   @param crypto  lent (the struct is copied)
 * @retval MPP_ERR_NOSPACE len is less than mpp_service_size()
 * @retval MPP_ERR_INVALID no suite has a key, or a limit is out of range
 * @retval MPP_ERR_CRYPTO, MPP_ERR_RANDOM */
MPP_MUSTCHECK mpp_err mpp_service_init(void *mem, size_t len,
				       const mpp_service_config *config,
				       const mpp_service_secrets *secrets,
				       const mpp_crypto *crypto,
				       mpp_service **out);

/** Another minter of tokens (docs/protocol.md section 10). A token of its key
 * that says more than this is refused. */
typedef struct mpp_token_minter {
	mpp_token_key key; /**< copied; its id is nobody else's */
	/** Accounts that it may name, with spaces between: exact names, or
	 * `*@domain` for all of a domain, in any case; empty: none. Lent until
	 * the service is forgotten. */
	mpp_bytes accounts;
	unsigned rights; /**< MPP_RIGHT_… that it may give */
	uint32_t life_s; /**< longest time from Issued to Expires */
} mpp_token_minter;

/** Open tokens of another minter, too; before mpp_service_load().
 * @param m  borrowed, but for accounts
 * @retval MPP_ERR_INVALID no key, life 0, unknown rights, or an account that is
 *   not possible  @retval MPP_ERR_EXISTS the id is taken
 * @retval MPP_ERR_LIMIT there are MPP_TOKEN_MINTERS_MAX already
 * @retval MPP_ERR_STATE records were loaded */
MPP_MUSTCHECK mpp_err mpp_service_minter_add(mpp_service *s,
					     const mpp_token_minter *m);

/** Load one record of the store, in key order, before anything else.
 * @retval MPP_ERR_LIMIT a configured limit is too small: raise it
 * @retval MPP_ERR_SYNTAX, MPP_ERR_VERSION, MPP_ERR_TRUNCATED,
 *   MPP_ERR_TRAILING, MPP_ERR_MISSING, MPP_ERR_RANGE  not a record of ours */
MPP_MUSTCHECK mpp_err mpp_service_load(mpp_service *s, mpp_bytes key,
				       mpp_bytes value);

/** What LeapSeconds of answers and publications says (the draft's "ticks and
 * leap seconds"): TAI - UTC in seconds, as the system's leap-seconds file gives
 * it, until that file expires. Never called, or expired: left out. */
void mpp_service_leap_seconds(mpp_service *s, unsigned tai_utc, mpp_wall until);

/** Answer STUN on four sockets so that clients can find out how their NAT
 * behaves (RFC 5780): two addresses, each with the same two ports.
 * @param at  copied: A1:P1, A1:P2, A2:P1, A2:P2 as clients reach them, each
 *   with its `socket`. Once for IPv4 and once for IPv6.
 * @retval MPP_ERR_INVALID not of that shape, or of a family twice */
MPP_MUSTCHECK mpp_err mpp_service_stun_four(mpp_service *s,
					    const mpp_addr at[4]);

/** Wipe all secrets. */
void mpp_service_wipe(mpp_service *s);

/** A datagram came. Answers go to @p out; without room they are left out,
 * which to the peer is a loss.
 * @param in  borrowed, changed (opened in place)
 * @return why it was dropped, for the curious: it is counted already */
mpp_err mpp_service_receive(mpp_service *s, mpp_buf in, const mpp_addr *from,
			    mpp_instant now, mpp_outbox *out);

/* The Web Service transport (docs/protocol.md section 15): the host speaks
 * HTTP, the packets, keys and rules are those of UDP. */
enum {
	MPP_WEB_PACKET_MAX = 65536,   /**< longest packet of a device */
	MPP_WEB_ANSWER_MAX = 18432,   /**< longest of the service */
	MPP_WEB_WAIT_MAX_MS = 300000, /**< no request waits longer */
};

/** A packet came by HTTP.
 * @param in    borrowed, changed (opened in place)
 * @param from  the peer's address, or the one that a trusted proxy names
 * @param held  the host's name for the request, should it wait; not that of
 *   another one that waits  @param wait_ms  how long the peer would like to
 *   wait for news (`Prefer: wait`); 0: not. Only a Status request without
 *   Stores waits; it is answered with what is newer than its Acknowledge
 * @param[out] out  borrowed, MPP_WEB_ANSWER_MAX octets: the answering packet
 * @retval MPP_OK out is the answer (200); empty: there is none (204)
 * @retval MPP_ERR_AGAIN it waits: mpp_service_next_web() will answer
 * @retval MPP_ERR_REPLAY outside the replay window (409)
 * @retval MPP_ERR_STRANGER names nothing here any more; out is the stateless
 *   reset (410)
 * @retval MPP_ERR_STATE an enrolment is on its way to the disk: the peer is to
 *   say it again in a new packet (503)
 * @retval MPP_ERR_NOSPACE out is too small
 * @return anything else: no packet of ours (400) */
MPP_MUSTCHECK mpp_err mpp_service_web(mpp_service *s, mpp_buf in,
				      const mpp_addr *from, uint64_t held,
				      uint32_t wait_ms, mpp_instant now,
				      mpp_buf *out);

/** The next request that has waited enough; after mpp_service_poll() and
 * mpp_service_committed().
 * @param out  as above: the answer (200), a Close among them; empty: the
 *   connection is gone, or the answer could not be made (410)
 * @return false: none  */
bool mpp_service_next_web(mpp_service *s, mpp_instant now, uint64_t *held,
			  mpp_buf *out);

/** The peer of a request that waits went away. Harmless when it does not. */
void mpp_service_web_gone(mpp_service *s, uint64_t held);

/** Do what is due: send publications, repeat, end leases. Call when the
 * deadline has come and after mpp_service_committed(). Stops when @p out is
 * full; the deadline is then in the past: send, and call again. */
void mpp_service_poll(mpp_service *s, mpp_instant now, mpp_outbox *out);

/** When mpp_service_poll() is next due, or MPP_TIME_NEVER. */
mpp_time mpp_service_deadline(const mpp_service *s);

/** A name that the host is to resolve for a device (docs/protocol.md section
 * 17). */
typedef struct mpp_resolve {
	uint32_t id;     /**< names it; not 0 */
	mpp_bytes query; /**< 12 to 512 octets that are to be a DNS query and
			      need not be one; lent until the next call */
} mpp_resolve;

/** The next name to resolve; after mpp_service_receive(). Each is handed out
 * once, and answered by mpp_service_resolved(); later than resolve_ms after it
 * came nobody waits for it any more. @return false when there is none */
bool mpp_service_next_resolve(mpp_service *s, mpp_resolve *out);

/** What came of it. The answer goes to @p out: send it, and call
 * mpp_service_poll(). When nobody waits any more nothing is done.
 * @param answer  borrowed: a DNS message of 12 to 16384 octets; anything else
 *   (such as none): the host could not ask, the device is told to come later */
void mpp_service_resolved(mpp_service *s, uint32_t id, mpp_bytes answer,
			  mpp_instant now, mpp_outbox *out);

/** A batch for the store (src/store/store.h). */
typedef struct mpp_commit {
	uint64_t id;
	mpp_bytes batch; /**< lent to the host until mpp_service_committed() */
} mpp_commit;

/** Take the batch that has gathered; at most one is under way.
 * @return false when there is nothing to take now */
bool mpp_service_commit(mpp_service *s, mpp_commit *out);

/** The batch is durable (MPP_OK), or failed and is not in the store: then
 * what it held does not happen, and its callers are told @p result. */
void mpp_service_committed(mpp_service *s, uint64_t id, mpp_err result,
			   mpp_instant now);

/* Changes asked for by the operator. @p op is the caller's name for it: each
 * call that returns MPP_OK is answered by exactly one mpp_service_next_result()
 * with that op, after the change is durable. */

/** Add an account. The name is kept in its canonical lower case.
 * @param name  borrowed; UTF-8, 1..255 octets, no control characters, no
 *              white space, no '/' '?' '#' '%'
 * @retval MPP_ERR_INVALID not a possible name  @retval MPP_ERR_EXISTS
 * @retval MPP_ERR_STATE one of this name is being removed: try again
 * @retval MPP_ERR_LIMIT no room: raise `accounts`, or try again */
MPP_MUSTCHECK mpp_err mpp_service_account_add(mpp_service *s, mpp_bytes name,
					      uint64_t op);

/** Mint an invitation: whoever shows the secret until @p expires may enrol
 * one device key. Only a hash of the secret is kept.
 * @param secret  borrowed, MPP_INVITATION_LEN random octets
 * @retval MPP_ERR_NOTFOUND no such account  @retval MPP_ERR_LIMIT
 * @retval MPP_ERR_STATE the account is being removed
 * @retval MPP_ERR_INVALID already past, or no right given */
MPP_MUSTCHECK mpp_err mpp_service_invite(mpp_service *s, mpp_bytes account,
					 const uint8_t *secret, unsigned rights,
					 mpp_wall expires, uint64_t op,
					 mpp_wall now);

/** What a publish did at once. */
typedef struct mpp_published {
	uint64_t serial;     /**< of the publication (or of the account, when
				  nothing changed) */
	uint64_t skipped[2]; /**< bit i: stores[i] was older than what is
				  stored (128 at most) */
	bool waiting;        /**< a result will come; else all is said */
} mpp_published;

/** Publish: change the account's status vector. Entries with a lower index
 * than the stored one are skipped unless @p reset.
 * @param stores  borrowed, n of them, 1..128
 * @retval MPP_ERR_NOTFOUND no such account
 * @retval MPP_ERR_STATE the account is being removed
 * @retval MPP_ERR_INVALID a name or digest is too long, n is out of range, a
 *   store appears twice, or an index is 2^53 or more
 * @retval MPP_ERR_LIMIT no room for more stores, or too much is waiting for
 *   the store: try again */
MPP_MUSTCHECK mpp_err mpp_service_publish(mpp_service *s, mpp_bytes account,
					  const mpp_store_status *stores,
					  size_t n, bool reset, uint64_t op,
					  mpp_wall now, mpp_published *out);

/** Remove a device: its connections are closed at once when this is durable,
 * and tokens that were issued until now enrol nobody in its account.
 * @param id  its UDF as text, at least 100 bits  @retval MPP_ERR_NOTFOUND
 * @retval MPP_ERR_STATE the account is being removed
 * @retval MPP_ERR_SYNTAX not a UDF */
MPP_MUSTCHECK mpp_err mpp_service_device_remove(mpp_service *s,
						mpp_bytes account, mpp_bytes id,
						uint64_t op, mpp_wall now);

/** Remove an account with its stores, devices and invitations, all or nothing:
 * when this is durable its connections are closed at once, as those of a
 * removed device; if the store fails, all of it is as before. Meanwhile nothing
 * of it can be changed. What was asked before this is done, and answered,
 * before it. Records that do not fit one batch are deleted in the batches that
 * follow, also after a restart; until then the name cannot be added again. One
 * added again later goes on above the serials of the removed one. Tokens that
 * were issued until now enrol nobody any more, in no account.
 * @param name  borrowed; any spelling
 * @retval MPP_ERR_NOTFOUND no such account
 * @retval MPP_ERR_STATE it is being removed already
 * @retval MPP_ERR_LIMIT too much is waiting for the store: try again */
MPP_MUSTCHECK mpp_err mpp_service_account_remove(mpp_service *s, mpp_bytes name,
						 uint64_t op, mpp_wall now);

/** Revoke the tokens of a device, or of all devices of an account: those that
 * were issued until now are not good any more, at once. When this is durable,
 * connections that were made with one are closed, within one round trip; a
 * device goes on with its key. If the store fails they stay revoked until the
 * service is started again.
 * @param id  of the device, as mpp_service_device_remove(); empty: all
 * @retval MPP_ERR_NOTFOUND  @retval MPP_ERR_SYNTAX not a UDF
 * @retval MPP_ERR_STATE the account is being removed
 * @retval MPP_ERR_LIMIT too much is waiting for the store: try again */
MPP_MUSTCHECK mpp_err mpp_service_token_revoke(mpp_service *s,
					       mpp_bytes account, mpp_bytes id,
					       uint64_t op, mpp_wall now);

/** The same for all tokens of a key, the service's own or a minter's. Tokens
 * of a minter that it issues within the next minute are not good either: its
 * clock may be ahead. Devices that they have enrolled stay.
 * @retval MPP_ERR_NOTFOUND no such key  @retval MPP_ERR_LIMIT too much is
 *   waiting for the store: try again */
MPP_MUSTCHECK mpp_err mpp_service_minter_revoke(
	mpp_service *s, const uint8_t id[MPP_TOKEN_KEY_ID_LEN], uint64_t op,
	mpp_wall now);

/** Mint a token with the service's own key, for a device that need not be here
 * yet: it enrols the device then. Changes nothing.
 * @param wish  account, device, rights, expires_ms; the rest is the service's
 *   to say  @param token  the token is appended
 * @retval MPP_ERR_NOTFOUND no such account  @retval MPP_ERR_STATE it is being
 *   removed  @retval MPP_ERR_UNSUPPORTED the service has no token key
 * @retval MPP_ERR_INVALID not a fingerprint of at least MPP_UDF_BITS, no right,
 *   or expires_ms is past or more than a year ahead
 * @retval MPP_ERR_NOSPACE, MPP_ERR_CRYPTO, MPP_ERR_RANDOM */
MPP_MUSTCHECK mpp_err mpp_service_token_mint(
	mpp_service *s, const mpp_token_claims *wish, mpp_wall now,
	mpp_buf *token, uint8_t secret[MPP_TOKEN_SECRET_LEN]);

typedef struct mpp_result {
	uint64_t op;
	mpp_err err;     /**< MPP_OK, or why the store failed */
	uint64_t serial; /**< of a publish */
} mpp_result;

/** The next finished change. @return false when there is none */
bool mpp_service_next_result(mpp_service *s, mpp_result *out);

/** Signs that a device key is used by more programs than the account wants. */
typedef enum mpp_alarm_kind {
	MPP_ALARM_INSTANCES = 1, /**< more live instances than allowed */
	MPP_ALARM_REPLACED = 2,  /**< one instance replaces itself from changing
				      addresses; it now has to wait */
} mpp_alarm_kind;

typedef struct mpp_alarm {
	mpp_alarm_kind kind;
	uint8_t udf[MPP_UDF_LEN]; /**< the device */
	uint8_t account[MPP_ACCOUNT_MAX];
	size_t account_len;
	uint8_t instance[MPP_INSTANCE_LEN]; /**< that raised it */
	mpp_addr endpoint;                  /**< its address */
} mpp_alarm;

/** The next alarm; when nobody asks, the newest eight are kept.
 * @return false when there is none */
bool mpp_service_next_alarm(mpp_service *s, mpp_alarm *out);

/* Looking. Slices point into the service, valid until the next call. */

typedef struct mpp_account_info {
	mpp_bytes name;
	uint64_t serial; /**< newest durable one */
	uint32_t stores;
	uint32_t devices;
	uint32_t index; /**< cursor for the calls below */
} mpp_account_info;

/** Account by name. @return false: no such account */
bool mpp_service_account_find(const mpp_service *s, mpp_bytes name,
			      mpp_account_info *out);
/** Walk: *cursor starts at 0. @return false at the end */
bool mpp_service_account_next(const mpp_service *s, uint32_t *cursor,
			      mpp_account_info *out);
/** Walk an account's stores, oldest change first. */
bool mpp_service_store_next(const mpp_service *s, const mpp_account_info *a,
			    uint32_t *cursor, mpp_store_status *out,
			    uint64_t *serial);

typedef struct mpp_device_info {
	uint8_t udf[MPP_UDF_LEN];
	int suite;
	unsigned rights;
	unsigned alarms; /**< bits of mpp_alarm_kind that hold now */
	uint32_t index;  /**< cursor for mpp_service_connection_next() */
} mpp_device_info;

bool mpp_service_device_next(const mpp_service *s, const mpp_account_info *a,
			     uint32_t *cursor, mpp_device_info *out);

typedef struct mpp_connection_info {
	uint8_t instance[MPP_INSTANCE_LEN];
	const char *state; /**< such as "connected", "overdue", "closed" */
	bool subscribed;
	uint64_t acknowledged; /**< publication serial */
	mpp_addr endpoint;     /**< family 0: no datagram of it has come */
	uint32_t rtt_us;       /**< smoothed; 0 when there is no sample */
	uint32_t silent_ms;    /**< since its last authentic packet */
	uint32_t lease_ms;
} mpp_connection_info;

/** Walk a device's live connections, one per instance. */
bool mpp_service_connection_next(const mpp_service *s, const mpp_device_info *d,
				 uint32_t *cursor, mpp_instant now,
				 mpp_connection_info *out);

/** UDF of the service key of a suite.
 * @retval MPP_ERR_UNSUPPORTED that suite is off */
MPP_MUSTCHECK mpp_err mpp_service_fingerprint(const mpp_service *s, int suite,
					      uint8_t udf[MPP_UDF_LEN]);

/** What is counted; names are those of the metrics. */
#define MPP_SERVICE_COUNTERS(X)                                     \
	X(received, "datagrams received")                           \
	X(sent, "datagrams handed to the host")                     \
	X(no_room, "answers left out because the outbox was full")  \
	X(send_errors, "answers that could not be made")            \
	X(drop_short, "too short or too long for anything of ours") \
	X(drop_stranger, "named no connection")                     \
	X(drop_malformed, "handshake datagram not well formed")     \
	X(drop_type, "handshake type that is not answered")         \
	X(drop_header, "data packet header not allowed")            \
	X(drop_replay, "replayed data packet")                      \
	X(drop_auth, "did not authenticate")                        \
	X(drop_padding, "padding was not zero")                     \
	X(challenges, "challenges sent")                            \
	X(deferred, "of these, for want of time or too many")       \
	X(resets, "stateless resets sent")                          \
	X(stun, "STUN requests answered")                           \
	X(stun_errors, "of these, with an error")                   \
	X(stun_limited, "STUN requests beyond the rate")            \
	X(drop_stun, "STUN that is no well-formed Binding request") \
	X(errors_clear, "errors sent in the clear")                 \
	X(handshakes, "handshakes opened")                          \
	X(tickets, "of these, with a token")                        \
	X(tokens, "tokens given")                                   \
	X(refused, "handshakes refused after opening")              \
	X(confirmed, "connections confirmed")                       \
	X(enrolled, "devices enrolled")                             \
	X(renewed, "replaced by one with fresh keys")               \
	X(keys_ended, "ended because of old keys")                  \
	X(moved, "paths moved to a new address")                    \
	X(probes, "keepalive probes answered late")                 \
	X(path_lost, "answers that told of a path that was dead")   \
	X(closed, "connections closed by the device")               \
	X(offline, "devices gone offline")                          \
	X(requests, "requests answered")                            \
	X(too_many, "of these, told to come later")                 \
	X(resolves, "names resolved for devices: asked")            \
	X(resolves_answered, "of these, answered")                  \
	X(resolves_late, "of these, given up: no answer in time")   \
	X(resolves_limited, "not asked: too many of this device")   \
	X(resolves_full, "not asked: too many of all devices")      \
	X(clone_alarms, "device keys that seem to be copied")       \
	X(malformed, "requests that could not be read")             \
	X(publications, "publications made durable")                \
	X(notifies, "notifications sent")                           \
	X(repeats, "of these, because no acknowledgement came")     \
	X(large, "datagrams of several packets")                    \
	X(packets_again, "packets of these that were sent again")   \
	X(abandoned, "of these datagrams, because it led nowhere")  \
	X(no_snapshot, "sent in parts: no snapshot was free")       \
	X(acknowledged, "publications acknowledged by devices")     \
	X(web, "packets that came by HTTP")                         \
	X(web_waited, "of these, requests that waited")             \
	X(web_news, "of these, answered because of news")           \
	X(web_gone, "of these, whose peer went away")               \
	X(commits, "batches durable")                               \
	X(commit_errors, "batches that failed")

typedef struct mpp_service_counters {
#define MPP_COUNTER_MEMBER(name, text) uint64_t name;
	MPP_SERVICE_COUNTERS(MPP_COUNTER_MEMBER)
#undef MPP_COUNTER_MEMBER
} mpp_service_counters;

const mpp_service_counters *mpp_service_count(const mpp_service *s);

/** How many of each are in use, and the memory reserved for it: the bill. */
#define MPP_SERVICE_POOLS(X) \
	X(bindings)          \
	X(half_open)         \
	X(paths)             \
	X(probes)            \
	X(devices)           \
	X(accounts)          \
	X(stores)            \
	X(invitations)       \
	X(operations)        \
	X(snapshots)         \
	X(held)              \
	X(resolves)

typedef struct mpp_pool_info {
	const char *name;
	uint32_t used;
	uint32_t limit;
	uint32_t bytes_each;
} mpp_pool_info;

/** @return false when @p i is past the last pool */
bool mpp_service_pool(const mpp_service *s, unsigned i, mpp_pool_info *out);

#ifdef __cplusplus
}
#endif
#endif
