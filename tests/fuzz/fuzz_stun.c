/* SPDX-License-Identifier: MIT */
/* STUN messages: any octets give a verdict; what was read points into them,
 * and what is answered to a request is a message that says what was put in. */
#include <stdlib.h>
#include <string.h>

#include "stun/stun.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOM = 1024 };

static void must(bool ok)
{
	if (!ok)
		abort();
}

static bool within(mpp_bytes part, mpp_bytes all)
{
	return part.p == NULL ||
	       (part.p >= all.p && part.p + part.len <= all.p + all.len);
}

static bool same(const mpp_addr *a, const mpp_addr *b)
{
	return a->family == b->family && a->port == b->port &&
	       memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static void answer(const struct stun *m, unsigned error)
{
	uint8_t room[ROOM];
	mpp_buf out = {room, sizeof(room), 0};
	struct stun_answer a = {
		.id = m->id,
		.error = error,
		.request = m,
		.mapped = m->mapped,
		.plain = m->plain,
		.origin = m->origin,
		.other = m->other,
		.padding = m->padding % 64 / 4 * 4,
		.fingerprint = (m->has & STUN_HAS_FINGERPRINT) != 0,
	};
	struct stun back;

	must(stun_answer(&a, &out) == MPP_OK);
	must(stun_decode((mpp_bytes){room, out.len}, &back) == MPP_OK);
	must(back.class == (error == 0 ? STUN_SUCCESS : STUN_ERROR));
	must(back.error == error && memcmp(back.id, m->id, 12) == 0);
	must(same(&back.mapped, &a.mapped) && same(&back.plain, &a.plain));
	must(same(&back.origin, &a.origin) && same(&back.other, &a.other));
	must(back.padding == a.padding && back.n_unknown == 0);
}

static void ask(const struct stun *m)
{
	uint8_t room[ROOM];
	mpp_buf out = {room, sizeof(room), 0};
	const struct stun_ask a = {
		.id = m->id,
		.has = m->has & ~(unsigned)STUN_HAS_INTEGRITY,
		.change = m->change,
		.response_port = m->response_port,
		.padding = m->padding % 64 / 4 * 4,
	};
	struct stun back;

	must(stun_request(&a, &out) == MPP_OK);
	must(stun_decode((mpp_bytes){room, out.len}, &back) == MPP_OK);
	must(back.class == STUN_REQUEST && back.has == a.has);
	must(back.change == a.change && back.padding <= a.padding);
	must(back.response_port == a.response_port);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned errors[] = {0, STUN_BAD_REQUEST,
					  STUN_UNKNOWN_ATTRIBUTE};
	const mpp_bytes in = {data, size};
	struct stun m;
	size_t i;

	if (stun_decode(in, &m) != MPP_OK)
		return 0;
	must(stun_is(in) && size % 4 == 0);
	must(within((mpp_bytes){m.id, STUN_ID_LEN}, in));
	must(within(m.software, in) && within(m.reason, in));
	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		answer(&m, errors[i]);
	ask(&m);
	return 0;
}
