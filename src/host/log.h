/* SPDX-License-Identifier: MIT */
/* log.h - one line an event on stderr, in logfmt:
 *
 *   time=2026-05-01T12:00:00.123+02:00 level=info msg="account added" account=a
 *
 * A value is quoted when it is empty or holds a space, a quote, '=', '\' or
 * anything that is not printable; inside quotes \" \\ \n \r \t \u00xx stand
 * for what they say, and \ufffd for octets that are not UTF-8. So a line is
 * one line whatever a stranger sent. A line has at most LOG_LINE octets; one
 * that would be longer ends early with truncated=yes.
 *
 * Threads: may be called from any; a line is one write(2). */
#ifndef HOST_LOG_H
#define HOST_LOG_H

#include <mpp/base.h>

enum { LOG_LINE = 2048, LOG_NUMBER = 24 };

enum log_level {
	LOG_LEVEL_ERROR = 1,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* Names of the levels, as in the configuration; NULL behind the last. */
extern const char *const log_level_names[];

/* Where to write (2 at start) and what to leave out (above info at start). */
void log_setup(int fd, enum log_level level);

/* Ends the pairs: a bare NULL need not be a pointer. */
#define LOG_END ((const char *)NULL)

/* Pairs of key and value follow the message, then LOG_END. Keys are words. */
void log_write(enum log_level level, const char *msg, ...)
	__attribute__((sentinel));

/* The same with a value that has a length: the last pair. */
void log_write_bytes(enum log_level level, const char *msg, const char *key,
		     mpp_bytes value);

/* A number as text, for a value. @return @p room */
const char *log_number(char room[LOG_NUMBER], uint64_t n);

/* RFC 3339 with milliseconds and the local offset; @return length */
size_t log_time(mpp_wall wall, char *out, size_t cap);

#endif
