/* SPDX-License-Identifier: MIT */
/* log.c - see log.h. */
#include "host/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host/clock.h"
#include "jsonbcd/utf8.h"

static const char cut_mark[] = " truncated=yes";

enum { ROOM = LOG_LINE - (int)sizeof(cut_mark) };

struct line {
	char text[LOG_LINE];
	size_t n;
	bool cut;
};

static atomic_int log_fd = STDERR_FILENO;
static atomic_int log_limit = LOG_LEVEL_INFO;

const char *const log_level_names[] = {"error", "warn", "info", "debug", NULL};

void log_setup(int fd, enum log_level level)
{
	atomic_store(&log_fd, fd);
	atomic_store(&log_limit, (int)level);
}

/* All of it or nothing, and after the first nothing nothing more. */
static void put(struct line *l, const char *p, size_t n)
{
	if (l->cut || n > ROOM - l->n) {
		l->cut = true;
		return;
	}
	memcpy(l->text + l->n, p, n);
	l->n += n;
}

static void put_text(struct line *l, const char *text)
{
	put(l, text, strlen(text));
}

/* Length of the UTF-8 character at p, 0 when it is none. */
static size_t character(const uint8_t *p, size_t len)
{
	struct utf8 u = {0, 0, 0};
	size_t i;

	for (i = 0; i < len; i++) {
		if (!utf8_feed(&u, p[i]))
			return 0;
		if (u.more == 0)
			return i + 1;
	}
	return 0;
}

/* C1 controls (0080..009F) are two octets of which the first is C2. */
static bool is_control(const uint8_t *p, size_t n)
{
	return p[0] < 0x20 || p[0] == 0x7f ||
	       (n == 2 && p[0] == 0xc2 && p[1] < 0xa0);
}

static bool is_plain(mpp_bytes v)
{
	size_t i, n;

	for (i = 0; i < v.len; i += n) {
		n = character(v.p + i, v.len - i);
		if (n == 0 || is_control(v.p + i, n) ||
		    (n == 1 && strchr(" \"=\\", v.p[i]) != NULL))
			return false;
	}
	return v.len > 0;
}

static void put_escape(struct line *l, const uint8_t *p, size_t n)
{
	char hex[8];

	switch (p[0]) {
	case '"':
	case '\\':
		(void)snprintf(hex, sizeof(hex), "\\%c", p[0]);
		break;
	case '\n':
		(void)snprintf(hex, sizeof(hex), "\\n");
		break;
	case '\r':
		(void)snprintf(hex, sizeof(hex), "\\r");
		break;
	case '\t':
		(void)snprintf(hex, sizeof(hex), "\\t");
		break;
	default:
		(void)snprintf(hex, sizeof(hex), "\\u%04x", p[n - 1]);
		break;
	}
	put_text(l, hex);
}

static void put_quoted(struct line *l, mpp_bytes v)
{
	size_t i, n;

	put_text(l, "\"");
	for (i = 0; i < v.len; i += n) {
		n = character(v.p + i, v.len - i);
		if (n == 0) {
			put_text(l, "\\ufffd");
			n = 1;
		} else if (is_control(v.p + i, n) || v.p[i] == '"' ||
			   v.p[i] == '\\') {
			put_escape(l, v.p + i, n);
		} else {
			put(l, (const char *)v.p + i, n);
		}
	}
	put_text(l, "\"");
}

/* A pair stands there whole or not at all. */
static void put_pair(struct line *l, const char *key, mpp_bytes v)
{
	const size_t before = l->n;

	if (before > 0)
		put_text(l, " ");
	put_text(l, key);
	put_text(l, "=");
	if (is_plain(v))
		put(l, (const char *)v.p, v.len);
	else
		put_quoted(l, v);
	if (l->cut)
		l->n = before;
}

static mpp_bytes bytes_of(const char *text)
{
	return (mpp_bytes){(const uint8_t *)text, strlen(text)};
}

size_t log_time(mpp_wall wall, char *out, size_t cap)
{
	const time_t s = (time_t)(wall.us / 1000000);
	char date[32], zone[8];
	struct tm tm;
	int n;

	if (localtime_r(&s, &tm) == NULL ||
	    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm) == 0 ||
	    strftime(zone, sizeof(zone), "%z", &tm) != 5)
		return 0;
	n = snprintf(out, cap, "%s.%03u%.3s:%s", date,
		     (unsigned)(wall.us / 1000 % 1000), zone, zone + 3);
	return n > 0 && (size_t)n < cap ? (size_t)n : 0;
}

static void begin(struct line *l, enum log_level level, const char *msg)
{
	char now[48];
	const size_t n = log_time(clock_now().wall, now, sizeof(now));

	l->n = 0;
	l->cut = false;
	put_pair(l, "time", (mpp_bytes){(const uint8_t *)now, n});
	put_pair(l, "level", bytes_of(log_level_names[level - 1]));
	put_pair(l, "msg", bytes_of(msg));
}

/* A log that cannot be written is nothing to stop for. */
static void end(struct line *l)
{
	const size_t mark = sizeof(cut_mark) - 1;

	if (l->cut) {
		memcpy(l->text + l->n, cut_mark, mark);
		l->n += mark;
	}
	l->text[l->n++] = '\n';
	while (write(atomic_load(&log_fd), l->text, l->n) < 0 && errno == EINTR)
		continue;
}

void log_write(enum log_level level, const char *msg, ...)
{
	const char *key, *value;
	struct line l;
	va_list args;

	if ((int)level > atomic_load(&log_limit))
		return;
	begin(&l, level, msg);
	va_start(args, msg);
	while ((key = va_arg(args, const char *)) != NULL) {
		value = va_arg(args, const char *);
		put_pair(&l, key, bytes_of(value != NULL ? value : ""));
	}
	va_end(args);
	end(&l);
}

void log_write_bytes(enum log_level level, const char *msg, const char *key,
		     mpp_bytes value)
{
	struct line l;

	if ((int)level > atomic_load(&log_limit))
		return;
	begin(&l, level, msg);
	put_pair(&l, key, value);
	end(&l);
}

const char *log_number(char room[LOG_NUMBER], uint64_t n)
{
	(void)snprintf(room, LOG_NUMBER, "%llu", (unsigned long long)n);
	return room;
}
