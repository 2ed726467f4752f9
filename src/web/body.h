/* SPDX-License-Identifier: MIT */
/* body.h - a JSON body taken apart, strictly: an object with known members,
 * each at most once, and nothing behind it. The first thing that is wrong
 * sticks; ask for it at the end. */
#ifndef WEB_BODY_H
#define WEB_BODY_H

#include <mpp/jsonbcd.h>

enum { BODY_WRONG = 256 };

struct body {
	mpp_json_reader reader;
	bool failed;
	char wrong[BODY_WRONG]; /* what is allowed, when failed */
};

/* Members of one object: names, NULL behind the last; at most 32. */
struct members {
	const char *const *names;
	unsigned seen; /* bit i: names[i] */
};

/* Begin, and read the item that opens the object. */
void body_begin(struct body *b, mpp_bytes in);

/* @return false, for the callers that say so in turn */
bool body_fail(struct body *b, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The next member of the object that was opened last.
 * @return its place among the names, or -1 at the end or when failed */
int body_member(struct body *b, struct members *m, mpp_json_item *item);

/* The next item of an array. @return false at the end or when failed */
bool body_item(struct body *b, mpp_json_item *item);

/* All was well and nothing follows. */
bool body_end(struct body *b);

/* Text of a string, appended; at most max octets. @param name for messages */
bool body_text(struct body *b, const mpp_json_item *item, const char *name,
	       size_t max, mpp_buf *out);

/* An integer from low to high. */
bool body_uint(struct body *b, const mpp_json_item *item, const char *name,
	       const uint64_t range[2], uint64_t *out);

#endif
