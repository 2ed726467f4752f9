/* SPDX-License-Identifier: MIT */
/* fuzz_jsonbcd.c - any octets into the reader. Whatever it takes must lie
 * inside the input, end, be skipped to the same place, and survive being
 * written in every encoding. */
#include <mpp/jsonbcd.h>

#include "unit/jsonbcd/rewrite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool lies_inside(mpp_bytes part, mpp_bytes in)
{
	if (part.len == 0)
		return true;
	return part.p >= in.p && part.len <= in.len &&
	       (size_t)(part.p - in.p) <= in.len - part.len;
}

/* Copies of what an item holds, of which some must be refused. */
static void copy_item(const mpp_json_item *it, mpp_bytes in, uint8_t *room)
{
	mpp_buf out = {room, in.len, 0};
	mpp_err err;

	must(lies_inside(it->name.raw, in), "the name lies inside");
	must(lies_inside(it->text.raw, in), "the text lies inside");
	must(mpp_json_text_copy(&it->name, &out) == MPP_OK, "a name copies");
	out.len = 0;
	must(mpp_json_text_copy(&it->text, &out) == MPP_OK, "a text copies");
	out.len = 0;
	err = mpp_json_data_copy(it, &out);
	must(err == MPP_OK || err == MPP_ERR_SYNTAX || err == MPP_ERR_TYPE,
	     "data copies, or is none");
	(void)mpp_json_text_is(&it->text, "Serial");
}

/* Item by item; each takes at least one octet. @return what is left */
static mpp_err read_items(mpp_bytes in, size_t *rest)
{
	uint8_t *room = malloc(in.len + 1);
	mpp_json_reader r;
	mpp_json_item it;
	size_t left;
	mpp_err err;

	must(room != NULL, "memory");
	mpp_json_reader_init(&r, in);
	do {
		left = r.left;
		err = mpp_json_next(&r, &it);
		if (err != MPP_OK || it.kind == MPP_JSON_END)
			break;
		must(r.left < left, "an item takes octets");
		copy_item(&it, in, room);
	} while (true);
	free(room);
	*rest = mpp_json_rest(&r).len;
	return err;
}

/* Skipping the outermost value comes to the same end. */
static void skip_whole(mpp_bytes in, mpp_err want, size_t rest)
{
	mpp_json_reader r;
	mpp_json_item it;
	mpp_err err;

	mpp_json_reader_init(&r, in);
	err = mpp_json_next(&r, &it);
	if (err == MPP_OK)
		err = mpp_json_skip(&r, &it);
	must(err == want, "skipping finds the same error");
	must(mpp_json_rest(&r).len == rest, "skipping ends at the same place");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const mpp_bytes in = {data, size};
	size_t rest;
	mpp_err err;

	err = read_items(in, &rest);
	skip_whole(in, err, rest);
	must(check_document(in) == err, "rewriting finds the same error");
	return 0;
}
