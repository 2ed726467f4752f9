/* SPDX-License-Identifier: MIT */
/* json.c - see json.h. */
#include "mppctl/json.h"

#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

/* No value is shorter than one octet and a separator. */
static struct json_node *reserve(size_t octets)
{
	return calloc(octets / 2 + 1, sizeof(struct json_node));
}

/* Set where the value that this CLOSE ends has its end. */
static void close_last(struct json *j, uint8_t depth)
{
	size_t i = j->n;

	while (i-- > 0) {
		if (j->nodes[i].item.depth == depth && j->nodes[i].end == 0) {
			j->nodes[i].end = j->n;
			return;
		}
	}
}

static void add(struct json *j, const mpp_json_item *item)
{
	struct json_node *node = &j->nodes[j->n++];

	node->item = *item;
	node->end = item->kind == MPP_JSON_OBJECT ||
				    item->kind == MPP_JSON_ARRAY
			    ? 0
			    : j->n;
}

static mpp_err read_all(struct json *j, mpp_bytes text)
{
	mpp_json_reader r;
	mpp_json_item item;
	mpp_err err;

	mpp_json_reader_init(&r, text);
	while ((err = mpp_json_next(&r, &item)) == MPP_OK &&
	       item.kind != MPP_JSON_END) {
		if (item.kind == MPP_JSON_CLOSE)
			close_last(j, item.depth);
		else
			add(j, &item);
	}
	return err;
}

bool json_parse(struct json *j, mpp_bytes text)
{
	j->n = 0;
	j->nodes = reserve(text.len);
	if (j->nodes != NULL && read_all(j, text) == MPP_OK)
		return true;
	json_free(j);
	return false;
}

void json_free(struct json *j)
{
	free(j->nodes);
	j->nodes = NULL;
	j->n = 0;
}

const struct json_node *json_root(const struct json *j)
{
	return j->nodes;
}

static const struct json_node *child(const struct json *j,
				     const struct json_node *of, size_t at)
{
	return of != NULL && at < of->end ? &j->nodes[at] : NULL;
}

const struct json_node *json_first(const struct json *j,
				   const struct json_node *array)
{
	return array == NULL ? NULL
			     : child(j, array, (size_t)(array - j->nodes) + 1);
}

const struct json_node *json_next(const struct json *j,
				  const struct json_node *array,
				  const struct json_node *item)
{
	return child(j, array, item->end);
}

const struct json_node *json_member(const struct json *j,
				    const struct json_node *object,
				    const char *name)
{
	const struct json_node *m = json_first(j, object);

	while (m != NULL && !mpp_json_text_is(&m->item.name, name))
		m = json_next(j, object, m);
	return m;
}

size_t json_count(const struct json *j, const struct json_node *array)
{
	const struct json_node *item;
	size_t n = 0;

	for (item = json_first(j, array); item != NULL;
	     item = json_next(j, array, item))
		n++;
	return n;
}

/* ---- values ---- */

const char *json_item_text(const struct json_node *node, char *room, size_t cap)
{
	uint8_t whole[8192];
	mpp_buf text = {whole, sizeof(whole), 0};
	size_t i;

	if (node != NULL && node->item.kind == MPP_JSON_STRING &&
	    mpp_json_text_copy(&node->item.text, &text) != MPP_OK)
		text.len = 0;
	for (i = 0; i < text.len && i < cap - 1; i++)
		room[i] = (char)(whole[i] < 0x20 || whole[i] == 0x7f
					 ? '?'
					 : whole[i]);
	room[i] = '\0';
	return room;
}

const char *json_text(const struct json *j, const struct json_node *object,
		      const char *name, char *room, size_t cap)
{
	return json_item_text(json_member(j, object, name), room, cap);
}

uint64_t json_uint(const struct json *j, const struct json_node *object,
		   const char *name)
{
	const struct json_node *m = json_member(j, object, name);

	return m != NULL && m->item.kind == MPP_JSON_INTEGER &&
			       !m->item.negative
		       ? m->item.integer
		       : 0;
}

bool json_bool(const struct json *j, const struct json_node *object,
	       const char *name)
{
	const struct json_node *m = json_member(j, object, name);

	return m != NULL && m->item.kind == MPP_JSON_BOOLEAN && m->item.boolean;
}

/* ---- writing ---- */

char *json_make(json_fn *fn, const void *arg, size_t *len)
{
	mpp_json_writer w;
	uint8_t *room;

	mpp_json_writer_init(&w, MPP_JSON_TEXT, NULL, 0);
	fn(&w, arg);
	if (mpp_json_finish(&w) != MPP_OK || (room = malloc(w.n + 1)) == NULL)
		return NULL;
	*len = w.n;
	mpp_json_writer_init(&w, MPP_JSON_TEXT, room, *len);
	fn(&w, arg);
	if (mpp_json_finish(&w) != MPP_OK) {
		free(room);
		return NULL;
	}
	room[*len] = '\0';
	return (char *)room;
}
