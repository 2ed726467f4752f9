/* SPDX-License-Identifier: MIT */
/* What a stranger may send to a live service: u16 length, datagram, again and
 * again. Nothing is allocated, and no answer is longer than its question.
 * The first octet of each says how it is completed: as it is, behind a valid
 * beginning of a connection datagram, or padded to 1200 octets; or carried by
 * HTTP. */
#include <stdlib.h>
#include <string.h>

#include <mpp/service.h>

#include "crypto/fixed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static mpp_service *service(void)
{
	static const mpp_service_secrets secrets = {
		.x25519 = {1}, .x448 = {2}, .sid_key = {3}, .reset_key = {4}};
	static const mpp_service_config config = {
		.bindings = 4,
		.half_open = 4,
		.devices = 8,
		.accounts = 8,
		.stores = 16,
		.invitations = 8,
		.operations = 8,
		.commit_bytes = 32768,
	};
	static const uint8_t account[] = "aalice@example.com";
	static mpp_crypto crypto;
	static mpp_service *s;
	size_t n = mpp_service_size(&config);
	void *mem;

	if (s != NULL)
		return s;
	mem = calloc(1, n);
	if (mem == NULL || crypto_fixed_new(1, &crypto) != MPP_OK ||
	    mpp_service_init(mem, n, &config, &secrets, &crypto, &s) !=
		    MPP_OK ||
	    mpp_service_load(s, (mpp_bytes){account, sizeof(account) - 1},
			     (mpp_bytes){(const uint8_t *)"\1", 1}) != MPP_OK)
		abort();
	return s;
}

static size_t complete(uint8_t *p, const uint8_t *data, size_t size)
{
	static const uint8_t begin[] = {0, 0, 0, 0, 0, 0, 0, 0,
					0, 0, 0, 0, 0, 0, 0, 0};
	size_t n = 0;

	memset(p, 0, MPP_PACKET_MAX);
	if (size > 1 && (data[0] & 1) != 0) {
		memcpy(p, begin, sizeof(begin));
		n = sizeof(begin);
	}
	if (size > 1) {
		size--;
		if (size > MPP_PACKET_MAX - n)
			size = MPP_PACKET_MAX - n;
		memcpy(p + n, data + 1, size);
		n += size;
	}
	return size > 0 && (data[0] & 2) != 0 && n < MPP_PACKET_SIZE
		       ? MPP_PACKET_SIZE
		       : n;
}

/* By HTTP the answer may be longer: a TCP connection is no amplifier. */
static void offer_by_web(mpp_service *s, uint8_t *p, size_t len)
{
	static uint8_t room[MPP_WEB_ANSWER_MAX];
	mpp_buf answer = {room, sizeof(room), 0};
	mpp_addr from = {{192, 0, 2, 1}, 4000, 4, 0};
	mpp_instant now = {{UINT64_C(1000000)}, {UINT64_C(1700000000000000)}};
	mpp_pool_info pool;
	unsigned i;

	if (mpp_service_web(s, (mpp_buf){p, MPP_PACKET_MAX, len}, &from, 1,
			    30000, now, &answer) == MPP_ERR_AGAIN)
		abort();
	for (i = 0; mpp_service_pool(s, i, &pool); i++) {
		if (pool.used != 0 && i < 2)
			abort();
	}
}

static void offer(mpp_service *s, uint8_t *p, size_t len)
{
	static mpp_datagram slots[4];
	mpp_outbox out = {slots, 4, 0};
	mpp_addr from = {{192, 0, 2, 1}, 4000, 4, 0};
	mpp_instant now = {{UINT64_C(1000000)}, {UINT64_C(1700000000000000)}};
	mpp_pool_info pool;

	(void)mpp_service_receive(s, (mpp_buf){p, MPP_PACKET_MAX, len}, &from,
				  now, &out);
	if (out.n > 1 || (out.n == 1 && out.slots[0].len > len))
		abort();
	if (!mpp_service_pool(s, 0, &pool) || pool.used != 0 ||
	    !mpp_service_pool(s, 1, &pool) || pool.used != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t p[MPP_PACKET_MAX];
	mpp_service *s = service();
	size_t len;

	while (size > 2) {
		len = (size_t)(data[0] << 8 | data[1]);
		data += 2;
		size -= 2;
		len = len < size ? len : size;
		if (len > 0 && (data[0] & 4) != 0)
			offer_by_web(s, p, complete(p, data, len));
		else
			offer(s, p, complete(p, data, len));
		data += len;
		size -= len;
	}
	return 0;
}
