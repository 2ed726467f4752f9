/* SPDX-License-Identifier: MIT */
/* leap.c - see leap.h. */
#include "host/leap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { FILE_MAX = 65536, OFFSET_MAX = 10000 };

/* Seconds from 1900 to 1970. */
#define NTP_EPOCH UINT64_C(2208988800)

struct leap {
	uint64_t now;     /* seconds since 1900, like all here */
	uint64_t expires; /* 0: not seen */
	uint64_t next;    /* of the first entry after now; 0: none */
	unsigned offset;  /* 0: none */
};

static mpp_bytes next_line(mpp_bytes *text)
{
	const uint8_t *end = text->len > 0 ? memchr(text->p, '\n', text->len)
					   : NULL;
	mpp_bytes line = *text;

	line.len = end != NULL ? (size_t)(end - text->p) : text->len;
	text->p += line.len + (end != NULL);
	text->len -= line.len + (end != NULL);
	return line;
}

static void skip_blanks(mpp_bytes *line)
{
	while (line->len > 0 && (line->p[0] == ' ' || line->p[0] == '\t' ||
				 line->p[0] == '\r')) {
		line->p++;
		line->len--;
	}
}

/* A number of at most 12 digits. */
static bool take_number(mpp_bytes *line, uint64_t *out)
{
	unsigned digits = 0;
	uint64_t v = 0;

	skip_blanks(line);
	while (line->len > 0 && line->p[0] >= '0' && line->p[0] <= '9' &&
	       digits < 13) {
		v = v * 10 + (uint64_t)(line->p[0] - '0');
		line->p++;
		line->len--;
		digits++;
	}
	*out = v;
	return digits > 0 && digits < 13;
}

/* Nothing more, or a comment. */
static bool at_end(mpp_bytes line)
{
	skip_blanks(&line);
	return line.len == 0 || line.p[0] == '#';
}

static mpp_err take_entry(struct leap *l, mpp_bytes line)
{
	uint64_t from, offset;

	if (!take_number(&line, &from) || !take_number(&line, &offset) ||
	    !at_end(line) || offset == 0 || offset > OFFSET_MAX)
		return MPP_ERR_SYNTAX;
	if (from <= l->now)
		l->offset = (unsigned)offset;
	else if (l->next == 0 || from < l->next)
		l->next = from;
	return MPP_OK;
}

static mpp_err take_line(struct leap *l, mpp_bytes line)
{
	if (line.len >= 2 && line.p[0] == '#' && line.p[1] == '@') {
		line.p += 2;
		line.len -= 2;
		return take_number(&line, &l->expires) && at_end(line)
			       ? MPP_OK
			       : MPP_ERR_SYNTAX;
	}
	return at_end(line) ? MPP_OK : take_entry(l, line);
}

mpp_err leap_parse(mpp_bytes text, mpp_wall now, unsigned *tai_utc,
		   mpp_wall *until)
{
	struct leap l = {.now = now.us / 1000000 + NTP_EPOCH};
	uint64_t end;
	mpp_err err = MPP_OK;

	while (text.len > 0 && err == MPP_OK)
		err = take_line(&l, next_line(&text));
	if (err != MPP_OK)
		return err;
	if (l.expires == 0 || l.offset == 0)
		return MPP_ERR_MISSING;
	if (l.expires <= l.now)
		return MPP_ERR_REPLAY;
	end = l.next != 0 && l.next < l.expires ? l.next : l.expires;
	*tai_utc = l.offset;
	until->us = (end - NTP_EPOCH) * 1000000;
	return MPP_OK;
}

mpp_err leap_read(const char *path, mpp_wall now, unsigned *tai_utc,
		  mpp_wall *until)
{
	static uint8_t text[FILE_MAX];
	FILE *f = fopen(path, "re");
	size_t n;
	bool whole;

	if (f == NULL)
		return errno == ENOENT ? MPP_ERR_NOTFOUND : MPP_ERR_IO;
	n = fread(text, 1, sizeof(text), f);
	whole = feof(f) != 0 && ferror(f) == 0;
	(void)fclose(f);
	if (!whole)
		return MPP_ERR_IO;
	return leap_parse((mpp_bytes){text, n}, now, tai_utc, until);
}
