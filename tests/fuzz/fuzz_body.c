/* SPDX-License-Identifier: MIT */
/* A body of the control API, taken apart as a publish is: any bytes give a
 * verdict, a refusal says why, and what is accepted keeps to its limits. */
#include <stdlib.h>
#include <string.h>

#include <mpp/rud.h>

#include "web/body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint64_t range[2] = {0, UINT64_C(1) << 53};

static void need(bool ok)
{
	if (!ok)
		abort();
}

static void take_store(struct body *b)
{
	static const char *const names[] = {"store", "index", NULL};
	struct members m = {names, 0};
	uint8_t name[MPP_STORE_MAX];
	mpp_json_item item;
	uint64_t index;
	int which;

	while ((which = body_member(b, &m, &item)) >= 0) {
		mpp_buf out = {name, sizeof(name), 0};

		if (which == 0 &&
		    body_text(b, &item, "store", MPP_STORE_MAX, &out))
			need(out.len <= MPP_STORE_MAX);
		else if (which == 1 &&
			 body_uint(b, &item, "index", range, &index))
			need(index <= range[1]);
	}
}

static void take_stores(struct body *b, const mpp_json_item *item)
{
	mpp_json_item entry;
	unsigned n = 0;

	if (item->kind != MPP_JSON_ARRAY) {
		(void)body_fail(b, "stores is an array");
		return;
	}
	while (body_item(b, &entry)) {
		if (entry.kind != MPP_JSON_OBJECT || ++n > 128) {
			(void)body_fail(b, "stores holds objects");
			return;
		}
		take_store(b);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"stores", "lifetime_s", NULL};
	struct members m = {names, 0};
	struct body b;
	mpp_json_item item;
	uint64_t v;
	int which;

	body_begin(&b, (mpp_bytes){data, size});
	while ((which = body_member(&b, &m, &item)) >= 0) {
		if (which == 0)
			take_stores(&b, &item);
		else
			(void)body_uint(&b, &item, "lifetime_s", range, &v);
	}
	if (!body_end(&b))
		need(b.failed && b.wrong[0] != '\0' &&
		     memchr(b.wrong, '\0', sizeof(b.wrong)) != NULL);
	else
		need(!b.failed);
	return 0;
}
