/* SPDX-License-Identifier: MIT */
/** @file mpp/base.h  Types that every other header uses.
 *
 * Ownership words, used in every contract of these headers and meaning the
 * same everywhere:
 *   borrowed  the callee looks at it during this call only;
 *   lent      the callee keeps using it until further notice;
 *   taken     the callee owns it from now on;
 *   copied    the callee keeps a copy, the caller keeps the original;
 *   given     the caller owns what the callee returns.
 * On failure nothing changes hands and outputs are untouched unless said.
 *
 * Pointers are never NULL unless a parameter says so. Objects that live in
 * lent memory stay in place; value types (mpp_bytes, mpp_time, mpp_addr) may
 * be copied freely. No function of the core keeps global state; an object
 * belongs to one thread at a time. The library is built with
 * -fno-strict-aliasing because lent storage is usually a char array. */
#ifndef MPP_BASE_H
#define MPP_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MPP_MUSTCHECK __attribute__((warn_unused_result))
#else
#define MPP_MUSTCHECK
#endif

/** Every error of this library: name, number (frozen, part of the ABI) and
 * what it means. The band says what to do:
 *   -1..-99     the caller's mistake or a configured limit: fix the call;
 *   -100..-199  drop this datagram or document, count it, go on;
 *   -200..-299  the peer refused or the connection ended: tell the user;
 *   -300..-399  the world outside failed: report, retry later. */
#define MPP_ERRORS(X)                                                         \
	X(MPP_ERR_INVALID, -1, "invalid argument")                            \
	X(MPP_ERR_NOSPACE, -2, "not enough space")                            \
	X(MPP_ERR_LIMIT, -3, "a configured limit is reached")                 \
	X(MPP_ERR_STATE, -4, "not possible in this state")                    \
	X(MPP_ERR_EXISTS, -5, "exists already")                               \
	X(MPP_ERR_NOTFOUND, -6, "not found")                                  \
	X(MPP_ERR_AGAIN, -7, "nothing to do now")                             \
	X(MPP_ERR_TRUNCATED, -100, "input ends too early")                    \
	X(MPP_ERR_TRAILING, -101, "bytes left over after the end")            \
	X(MPP_ERR_SYNTAX, -102, "not well formed")                            \
	X(MPP_ERR_UTF8, -103, "not valid UTF-8")                              \
	X(MPP_ERR_DEPTH, -104, "nested too deeply")                           \
	X(MPP_ERR_RANGE, -105, "value out of range")                          \
	X(MPP_ERR_DUPLICATE, -106, "appears twice")                           \
	X(MPP_ERR_MISSING, -107, "a mandatory part is missing")               \
	X(MPP_ERR_TYPE, -108, "unknown or unexpected type")                   \
	X(MPP_ERR_VERSION, -109, "unknown version")                           \
	X(MPP_ERR_AUTH, -110, "does not authenticate")                        \
	X(MPP_ERR_REPLAY, -111, "seen before or too old")                     \
	X(MPP_ERR_STRANGER, -112, "names no connection that is known here")   \
	X(MPP_ERR_PADDING, -113, "padding is not zero")                       \
	X(MPP_ERR_UNSUPPORTED, -114, "well formed but not supported")         \
	X(MPP_ERR_CHECKSUM, -115, "checksum does not match")                  \
	X(MPP_ERR_REFUSED, -200, "the service refused")                       \
	X(MPP_ERR_KEY_CHANGED, -201, "the service key is not the pinned one") \
	X(MPP_ERR_CLOSED, -202, "the connection was closed")                  \
	X(MPP_ERR_TIMEOUT, -203, "no answer in time")                         \
	X(MPP_ERR_CRYPTO, -300, "a cryptographic operation failed")           \
	X(MPP_ERR_RANDOM, -301, "no randomness available")                    \
	X(MPP_ERR_IO, -302, "input or output failed")                         \
	X(MPP_ERR_STORE, -303, "the store failed")                            \
	X(MPP_ERR_NOMEM, -304, "out of memory")

typedef enum mpp_err {
	MPP_OK = 0,
#define MPP_ERR_ENUM(name, value, text) name = (value),
	MPP_ERRORS(MPP_ERR_ENUM)
#undef MPP_ERR_ENUM
} mpp_err;

typedef enum mpp_err_band {
	MPP_BAND_OK = 0,
	MPP_BAND_CALLER = 1,
	MPP_BAND_DROP = 2,
	MPP_BAND_SESSION = 3,
	MPP_BAND_OUTSIDE = 4,
} mpp_err_band;

/** Which band an error is in; see MPP_ERRORS. */
mpp_err_band mpp_err_band_of(mpp_err err);

/** The name of an error without its prefix, such as "TRUNCATED"; static. */
const char *mpp_err_name(mpp_err err);

/** A sentence fragment for people, such as "input ends too early"; static. */
const char *mpp_err_text(mpp_err err);

/** Bytes to read; never owns. p may be NULL when len is 0. */
typedef struct mpp_bytes {
	const uint8_t *p;
	size_t len;
} mpp_bytes;

/** Room to write: len of cap bytes are used. */
typedef struct mpp_buf {
	uint8_t *p;
	size_t cap;
	size_t len;
} mpp_buf;

/** Monotonic time in microseconds from an arbitrary origin. Never runs
 * backwards; never compared with mpp_wall. */
typedef struct mpp_time {
	uint64_t us;
} mpp_time;

/** Wall clock time: microseconds since 1970-01-01T00:00:00Z. */
typedef struct mpp_wall {
	uint64_t us;
} mpp_wall;

#define MPP_TIME_NEVER ((mpp_time){UINT64_MAX})

/** An IP address and port as used by this library. IPv4 is 4 octets in
 * ip[0..3] with the rest zero, also on a dual-stack socket. */
typedef struct mpp_addr {
	uint8_t ip[16];
	uint16_t port;  /**< host byte order */
	uint8_t family; /**< 4 or 6; 0 is "none" */
	uint8_t socket; /**< which local socket; 0 when there is but one */
} mpp_addr;

#ifdef __cplusplus
}
#endif
#endif
