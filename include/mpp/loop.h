/* SPDX-License-Identifier: MIT */
/** @file mpp/loop.h  A client with sockets and a state file, ready made.
 *
 *     mpp_loop_enroll(dir, uri, &err);                 once
 *     mpp_loop_open(&(mpp_loop_config){.state_dir = dir,
 *                                      .mode = MPP_MODE_SUBSCRIBE}, &l, &err);
 *     while (mpp_loop_wait(l, -1, &ev) == MPP_OK)
 *         use ev;
 *     mpp_loop_close(l);
 *
 * The state directory holds one file, device.json, mode 0600, replaced by
 * atomic rename: device key, instance, timestamp, account, endpoints,
 * fingerprints, service key, token, and what was learnt of networks, which it
 * knows again by their default gateway (mpp_client_network()). It writes
 * MPP_EV_SAVE itself. It tries the endpoints (IPv6 and IPv4 of every name) one
 * after the other, asks one more every 250 ms while none answers, and goes on
 * with the first that does; the endpoint that connected stands first in the
 * file from then on. Names are resolved anew when a connection is lost, and a
 * domain by which the device was enrolled is asked anew where its service is.
 * What a domain says is kept once the service has shown its key there. When
 * the address from which the service is reached changes, it takes a fresh
 * socket and calls mpp_client_moved(), if the kernel tells of such changes
 * (rtnetlink).
 *
 * Where UDP does not get through it goes on over the Web Services that the
 * invitation named (libcurl, HTTP/1.1), one after the other, and comes back to
 * UDP by itself: MPP_EV_TRANSPORT.
 *
 * Threads: one loop belongs to one thread. */
#ifndef MPP_LOOP_H
#define MPP_LOOP_H

#include <mpp/client.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mpp_loop mpp_loop;

/** One line for people: what happened and what to do. */
typedef struct mpp_loop_error {
	char text[512];
	int exit_code; /**< a sysexits(3) code that fits */
} mpp_loop_error;

typedef struct mpp_loop_config {
	const char *state_dir;
	mpp_client_mode mode;
	const char *const *stores; /**< names, NULL-terminated; NULL: all */
	uint64_t acknowledge;
	uint32_t lease_ms;
	uint32_t keepalive_ms;
	int timeout_ms;      /**< give up when never connected for this
				        long; 0: never */
	mpp_key_log key_log; /**< INSECURE: is told all keys; zeroed: nobody */
	bool unlinkable;     /**< see mpp_client_config */
	/** 0 or MPP_TRANSPORT_AUTO: UDP, and the Web Service where that does
	 * not get through and one is known; MPP_TRANSPORT_UDP,
	 * MPP_TRANSPORT_WEB: that alone. */
	mpp_transport transport;
	/** Its URL, in place of those in the state; http:// is allowed for any
	 * host, since the packets are encrypted anyway. NULL: those. */
	const char *web_url;
	/** File of certificates that its server's is signed by; NULL: the
	 * system's. Proxies are taken from the environment (curl(1)). */
	const char *web_ca;
} mpp_loop_config;

/** Enrol this device with an invitation URI: makes a key if the state
 * directory has none, connects, waits until the service has confirmed, and
 * keeps the state. The same URI again is harmless.
 * @param id  room for MPP_UDF_TEXT_MAX: the device id as text; may be NULL
 * @retval MPP_ERR_INVALID not an invitation  MPP_ERR_EXISTS enrolled with
 *   another account  MPP_ERR_REFUSED, MPP_ERR_KEY_CHANGED, MPP_ERR_TIMEOUT,
 *   MPP_ERR_IO, MPP_ERR_NOMEM, MPP_ERR_CRYPTO */
MPP_MUSTCHECK mpp_err mpp_loop_enroll(const char *state_dir, const char *uri,
				      int timeout_ms, char *id,
				      mpp_loop_error *err);

/** The same with config's state_dir, timeout_ms, key_log, transport, web_url
 * and web_ca. @param config  borrowed; its mode does not count */
MPP_MUSTCHECK mpp_err mpp_loop_enroll_with(const mpp_loop_config *config,
					   const char *uri, char *id,
					   mpp_loop_error *err);

/** Enrol this device with a token, as a minter that the service trusts hands it
 * out (docs/protocol.md section 10): connects by it, waits until the service
 * has confirmed, and keeps where the service is. From then on the device comes
 * by its key. The token names that key, so mpp_loop_id() comes first. The same
 * token again, until it expires, is harmless.
 * @param token  borrowed: ServiceAccessToken in JSON
 * @param id  as mpp_loop_enroll()
 * @retval MPP_ERR_INVALID not such a token, or it does not say where to go;
 *   others as mpp_loop_enroll() */
MPP_MUSTCHECK mpp_err mpp_loop_enroll_token(const char *state_dir,
					    mpp_bytes token, int timeout_ms,
					    char *id, mpp_loop_error *err);

/** An account by whose domain its service is found, and what lets the device in:
 * an invitation, a token, or that it is enrolled already. */
typedef struct mpp_loop_name {
	const char *account;    /**< USER@DOMAIN */
	const char *invitation; /**< its URI or the secret in it; NULL */
	mpp_bytes token;        /**< as mpp_loop_enroll_token(); empty: none */
	/** Room for MPP_UDF_TEXT_MAX, or NULL: the key that is trusted from now
	 * on because nothing said which is the right one; else empty. */
	char *trusted;
} mpp_loop_name;

/** Enrol this device with the service that the DNS names for the account's
 * domain (docs/protocol.md section 18), and keep the domain, so that the
 * service is found anew when it has moved. Fingerprints of an invitation URI
 * or a token are what counts, then what this device knows, then those of the
 * DNS. Endpoints of an invitation URI or a token stay behind those of the
 * domain.
 * @param config  as mpp_loop_enroll_with()  @param id  as mpp_loop_enroll()
 * @retval MPP_ERR_INVALID not an account with a domain, an invitation or a
 *   token  MPP_ERR_NOTFOUND the domain has no such records
 *   MPP_ERR_REFUSED it says that it does not offer this, or nothing lets this
 *   device in  MPP_ERR_SYNTAX its records cannot be used; others as
 *   mpp_loop_enroll() */
MPP_MUSTCHECK mpp_err mpp_loop_enroll_name(const mpp_loop_config *config,
					   const mpp_loop_name *name, char *id,
					   mpp_loop_error *err);

/** The id of this device; makes its key if the state directory has none.
 * @param id  room for MPP_UDF_TEXT_MAX
 * @retval MPP_ERR_SYNTAX, MPP_ERR_IO, MPP_ERR_NOMEM, MPP_ERR_CRYPTO */
MPP_MUSTCHECK mpp_err mpp_loop_id(const char *state_dir, char *id,
				  mpp_loop_error *err);

/** Open an enrolled device and begin to connect.
 * @retval MPP_ERR_NOTFOUND not enrolled  MPP_ERR_IO  MPP_ERR_NOMEM
 * @retval MPP_ERR_STATE  another subscription of this directory is open: two
 *   would displace each other
 *   MPP_ERR_SYNTAX the state file is damaged: err says what to do */
MPP_MUSTCHECK mpp_err mpp_loop_open(const mpp_loop_config *config,
				    mpp_loop **out, mpp_loop_error *err);

/** Wait for the next event but MPP_EV_SAVE; -1 waits for ever.
 * @retval MPP_ERR_AGAIN  timeout_ms passed, or a signal came
 * @retval MPP_ERR_TIMEOUT  config.timeout_ms passed
 * @retval MPP_ERR_IO  see mpp_loop_last_error()
 * @retval MPP_ERR_CLOSED  all is over: refused, closed, another key, or what
 *   was asked once is answered
 * @retval MPP_ERR_CRYPTO, MPP_ERR_RANDOM  sending fails for good
 * All but MPP_ERR_AGAIN stay so. */
MPP_MUSTCHECK mpp_err mpp_loop_wait(mpp_loop *l, int timeout_ms,
				    mpp_client_event *ev);

/** For requests: mpp_client_status(mpp_loop_client(l), …); then call
 * mpp_loop_wait(l, 0, …), which sends it. */
mpp_client *mpp_loop_client(mpp_loop *l);
mpp_instant mpp_loop_now(const mpp_loop *l);
/** A descriptor to poll for reading beside others; then call
 * mpp_loop_wait(l, 0, …) until it says MPP_ERR_AGAIN. It also becomes readable
 * when a deadline has come. */
int mpp_loop_fd(const mpp_loop *l);
/** The domain by which the service is found; empty: none. */
const char *mpp_loop_domain(const mpp_loop *l);
/** Local UDP port in use, 0 when none. */
uint16_t mpp_loop_port(const mpp_loop *l);
/** Why the last call failed, and what is behind the last event of the kinds
 * REFUSED, KEY_CHANGED and CLOSED, for people. */
const mpp_loop_error *mpp_loop_last_error(const mpp_loop *l);

/** Close the connection (a Close is sent when connected) and free. */
void mpp_loop_close(mpp_loop *l);

#ifdef __cplusplus
}
#endif
#endif
