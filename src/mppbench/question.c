/* SPDX-License-Identifier: MIT */
/* question.c - see question.h. */
#include "mppbench/question.h"

#include <string.h>

enum {
	HEADER = 12,
	RECORD = 16, /* a pointer, type, class, time to live, 4 octets */
	RESPONSE = 0x80,
	TRUNCATED = 0x02,
	RCODE = 0x0f,
};

static void address_of(uint32_t name, uint8_t out[4])
{
	const uint8_t at[] = {198, 51, 100, (uint8_t)(name % 251)};

	memcpy(out, at, sizeof(at));
}

bool question_zone(FILE *f)
{
	uint8_t at[4];
	uint32_t i;

	(void)fputs("$ORIGIN bench.example.\n$TTL 86400\n"
		    "@ SOA ns hostmaster 1 3600 600 86400 60\n"
		    "@ NS ns\nns A 198.51.100.253\n",
		    f);
	for (i = 0; i < QUESTION_NAMES; i++) {
		address_of(i, at);
		(void)fprintf(f, "n%u A %u.%u.%u.%u\n", i, at[0], at[1], at[2],
			      at[3]);
	}
	return ferror(f) == 0;
}

void question_write(uint16_t id, uint32_t name, mpp_buf *out)
{
	static const uint8_t rest[] = "\5bench\7example\0\0\1\0";
	const uint8_t head[HEADER] = {
		(uint8_t)(id >> 8), (uint8_t)id, 1, 0, 0, 1};
	char label[16];
	const int n = snprintf(label, sizeof(label), "n%u", name);

	memcpy(out->p, head, sizeof(head));
	out->p[HEADER] = (uint8_t)n;
	memcpy(out->p + HEADER + 1, label, (size_t)n);
	/* With its NUL: the class has two octets. */
	memcpy(out->p + HEADER + 1 + n, rest, sizeof(rest));
	out->p[HEADER + 1 + (size_t)n + sizeof(rest) - 1] = 1;
	out->len = HEADER + 1 + (size_t)n + sizeof(rest);
}

bool question_answered(mpp_bytes answer, uint16_t id, uint32_t name)
{
	/* A pointer to the question's name, A, IN. */
	static const uint8_t record[] = {0xc0, HEADER, 0, 1, 0, 1};
	static const uint8_t one[] = {0, 1, 0, 1};
	uint8_t asked[QUESTION_MAX], at[4];
	mpp_buf q = {asked, sizeof(asked), 0};
	const uint8_t *r;

	question_write(id, name, &q);
	address_of(name, at);
	if (answer.len < q.len + RECORD)
		return false;
	r = answer.p + q.len;
	return memcmp(answer.p, asked, 2) == 0 &&
	       (answer.p[2] & RESPONSE) != 0 &&
	       (answer.p[2] & TRUNCATED) == 0 && (answer.p[3] & RCODE) == 0 &&
	       memcmp(answer.p + 4, one, sizeof(one)) == 0 &&
	       memcmp(answer.p + HEADER, asked + HEADER, q.len - HEADER) == 0 &&
	       memcmp(r, record, sizeof(record)) == 0 &&
	       memcmp(r + RECORD - 4, at, sizeof(at)) == 0;
}
