/* SPDX-License-Identifier: MIT */
/* json.h - an answer as a tree to walk, and bodies to send. */
#ifndef MPPCTL_JSON_H
#define MPPCTL_JSON_H

#include <stdio.h>

#include <mpp/jsonbcd.h>

/* One value; a closed list of all of them in document order. */
struct json_node {
	mpp_json_item item;
	size_t end; /* where the next one of the same depth stands */
};

struct json {
	struct json_node *nodes;
	size_t n;
};

/* @param text  lent until json_free()
 * @return false: not JSON, or out of memory */
bool json_parse(struct json *j, mpp_bytes text);
void json_free(struct json *j);

/* The outermost value. */
const struct json_node *json_root(const struct json *j);
/* A member of an object, NULL when it has none (or is none, or NULL). */
const struct json_node *json_member(const struct json *j,
				    const struct json_node *object,
				    const char *name);
/* Items of an array (or of none): the first, and what follows; NULL. */
const struct json_node *json_first(const struct json *j,
				   const struct json_node *array);
const struct json_node *json_next(const struct json *j,
				  const struct json_node *array,
				  const struct json_node *item);
size_t json_count(const struct json *j, const struct json_node *array);

/* Values of members: what is not there is empty, 0, false. Text is cut to
 * fit and always ends in NUL; control characters in it become '?', so that
 * nobody's name writes on somebody's terminal. */
const char *json_text(const struct json *j, const struct json_node *object,
		      const char *name, char *room, size_t cap);
uint64_t json_uint(const struct json *j, const struct json_node *object,
		   const char *name);
bool json_bool(const struct json *j, const struct json_node *object,
	       const char *name);
/* The same for an item of an array. */
const char *json_item_text(const struct json_node *node, char *room,
			   size_t cap);

/* Make a document: fn is called twice and must write the same.
 * @return given, or NULL: out of memory */
typedef void json_fn(mpp_json_writer *w, const void *arg);
char *json_make(json_fn *fn, const void *arg, size_t *len);

#endif
