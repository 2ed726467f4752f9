/* SPDX-License-Identifier: MIT */
/* Every message: any bytes give a verdict, and the lists of a message that
 * was accepted can be walked to their end. */
#include <stdlib.h>
#include <string.h>

#include "presence/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(struct msg *m)
{
	uint8_t room[MPP_STORE_MAX + MPP_DIGEST_MAX];
	mpp_buf scratch = {room, sizeof(room), 0};
	struct msg_list stores = m->store_status, names = m->stores;
	mpp_store_status st;
	mpp_bytes name;
	unsigned n = 0;

	while (msg_next_store(&stores, &scratch, &st)) {
		if (st.store.len < 1 || st.store.len > MPP_STORE_MAX ||
		    st.digest.len > MPP_DIGEST_MAX || st.index > SERIAL_MAX)
			abort();
		(void)msg_store_bit(st.store);
		n++;
	}
	if (n != m->store_status.n)
		abort();
	for (n = 0; msg_next_name(&names, &scratch, &name); n++)
		;
	if (n != m->stores.n)
		abort();
}

/* A binary member is copied whole, or not at all. */
static void copy(const mpp_json_text *member, size_t size)
{
	static uint8_t room[16384];
	mpp_buf all = {room, sizeof(room), 0}, little = {room, 12, 0};
	const mpp_err err = msg_blob(member, &all);

	if (err == MPP_OK && all.len > size)
		abort();
	if (err != MPP_OK && all.len != 0)
		abort();
	if (msg_blob(member, &little) == MPP_OK &&
	    (err != MPP_OK || little.len != all.len))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t text[MSG_TIME_LEN];
	mpp_bytes rest;
	struct msg m;
	uint64_t s;

	if (msg_decode((mpp_bytes){data, size}, &m, &rest) == MPP_OK) {
		if (rest.len > size || m.store_status.n > MSG_STORES_MAX)
			abort();
		walk(&m);
		if (msg_has(&m, FIELD_DNS_REQUEST))
			copy(&m.dns_request, size);
		if (msg_has(&m, FIELD_DNS_RESPONSE))
			copy(&m.dns_response, size);
	}
	if (msg_time_read((mpp_bytes){data, size}, &s) == MPP_OK) {
		msg_time_write(s, text);
		if (memcmp(text, data, MSG_TIME_LEN) != 0)
			abort();
	}
	return 0;
}
