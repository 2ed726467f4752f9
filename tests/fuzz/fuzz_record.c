/* SPDX-License-Identifier: MIT */
/* Durable records: u8 key length, key, value. A service that has loaded
 * anything at all can still be looked at from end to end. */
#include <stdlib.h>
#include <string.h>

#include <mpp/service.h>

#include "crypto/fixed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static mpp_service *fresh(void)
{
	static const mpp_service_secrets secrets = {.x25519 = {1}};
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
	static mpp_crypto crypto;
	static void *mem;
	static size_t n;
	mpp_service *s;

	if (mem == NULL) {
		n = mpp_service_size(&config);
		mem = malloc(n);
		if (mem == NULL || crypto_fixed_new(1, &crypto) != MPP_OK)
			abort();
	}
	memset(mem, 0, n);
	if (mpp_service_init(mem, n, &config, &secrets, &crypto, &s) != MPP_OK)
		abort();
	return s;
}

static void look(const mpp_service *s)
{
	mpp_account_info a, b;
	mpp_device_info d;
	mpp_store_status st;
	uint32_t i = 0, k;
	uint64_t serial;

	while (mpp_service_account_next(s, &i, &a)) {
		if (!mpp_service_account_find(s, a.name, &b) ||
		    b.index != a.index)
			abort();
		for (k = 0; mpp_service_store_next(s, &a, &k, &st, &serial);) {
			if (serial > a.serial)
				abort();
		}
		for (k = 0; mpp_service_device_next(s, &a, &k, &d);)
			;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	mpp_service *s = fresh();
	size_t n;

	while (size > 2) {
		size_t key = data[0], value = data[1];

		data += 2;
		size -= 2;
		key = key < size ? key : size;
		n = size - key;
		value = value < n ? value : n;
		(void)mpp_service_load(s, (mpp_bytes){data, key},
				       (mpp_bytes){data + key, value});
		data += key + value;
		size -= key + value;
	}
	look(s);
	return 0;
}
