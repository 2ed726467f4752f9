/* SPDX-License-Identifier: MIT */
/* DNS messages that the stub passes on: the first half of the input is a query,
 * the second an answer to it. Whatever is made of them can be read again, and
 * is no longer than it may be. */
#include <stdlib.h>
#include <string.h>

#include "host/dnsmsg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t out[DNSMSG_OUT_MAX];

static void check(size_t n, size_t most, bool has_opt)
{
	struct dnsmsg again;

	if (n > most || n < DNSMSG_HEADER)
		abort();
	if (!dnsmsg_read((mpp_bytes){out, n}, &again) || again.end != n ||
	    (again.opt != 0) != has_opt)
		abort();
}

static void answer(mpp_bytes query, const struct dnsmsg *q, mpp_bytes a)
{
	static const size_t limits[] = {512, 1232, DNSMSG_OUT_MAX};
	struct dnsmsg shape;
	size_t i, n;

	if (a.len > DNSMSG_OUT_MAX || !dnsmsg_read(a, &shape))
		return;
	if (!dnsmsg_answers(query, q, shape.id, a, &shape))
		return;
	for (i = 0; i < 3; i++) {
		n = dnsmsg_fit(a, &shape, q, limits[i], out);
		check(n, limits[i],
		      q->opt != 0 && shape.opt != 0 &&
			      (n == shape.end || (out[2] & 2) == 0 ||
			       n > shape.question_end));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const mpp_bytes query = {data, size / 2};
	const mpp_bytes rest = {data + size / 2, size - size / 2};
	struct dnsmsg q;
	size_t n;

	if (!dnsmsg_read(query, &q)) {
		if (query.len >= DNSMSG_HEADER &&
		    dnsmsg_error(query, &q, DNSMSG_FORMERR, 0, out) >
			    DNSMSG_QUERY_MAX)
			abort();
		return 0;
	}
	n = dnsmsg_ask(query, &q, 7, out);
	if (n != 0)
		check(n, DNSMSG_QUERY_MAX, true);
	if (dnsmsg_error(query, &q, DNSMSG_SERVFAIL, DNSMSG_EDE_NETWORK, out) >
	    DNSMSG_QUERY_MAX)
		abort();
	answer(query, &q, rest);
	return 0;
}
