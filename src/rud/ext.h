/* SPDX-License-Identifier: MIT */
/* ext.h - extension lists (docs/protocol.md section 3):
 *
 *   { tag, int length, value }*  255
 *
 * A tag is one octet, 128 + number; an octet below 128 begins one of the
 * draft's longer tags (up to 16 octets, the last at least 128), which is
 * skipped with its value, as unknown ones are. A tag that stands twice, known
 * or not, rejects the list. */
#ifndef RUD_EXT_H
#define RUD_EXT_H

#include "base/rd.h"
#include "base/wr.h"

enum ext_number {
#define EXT(number, name, text, longest) EXT_##name = (number),
#include "rud/ext.def"
#undef EXT
};

enum {
	EXT_NUMBERS = 21,
	EXT_END = 255,
	EXT_LONG_MAX = 8, /* longer tags in one list; more is refused */
	PARAM_PACKET_SIZE = 1,
	PARAM_IDLE = 3,
	PARAM_QUANTUM = 4,
	PARAM_INSTANCE = 5,
	CREDENTIAL_RAW = 1, /* a Credential that is a raw public key */
};

struct ext {
	uint32_t present;         /* bit n: number n is there */
	mpp_bytes v[EXT_NUMBERS]; /* into the input */
};

static inline bool ext_has(const struct ext *e, enum ext_number n)
{
	return (e->present >> (unsigned)n & 1) != 0;
}

/* Read a list up to and with its end. Errors (also sticky in r): TRUNCATED,
 * DUPLICATE, RANGE (a known value longer than its table says), SYNTAX (a
 * longer tag without end, or more of them than EXT_LONG_MAX). */
MPP_MUSTCHECK mpp_err ext_read(struct rd *r, struct ext *out);

/* Write one extension. */
void ext_put(struct wr *w, enum ext_number n, const void *p, size_t len);
/* One whose value is one int. */
void ext_put_int(struct wr *w, enum ext_number n, uint64_t v);
static inline void ext_put_end(struct wr *w)
{
	wr_u8(w, EXT_END);
}

/* A value that is one int and nothing else. */
MPP_MUSTCHECK mpp_err ext_get_int(mpp_bytes value, uint64_t *out);

/* What a side announces in Params (docs/protocol.md sections 3, 23). */
struct params {
	uint64_t packet_size; /* 0: absent */
	uint64_t idle_ms;     /* 0: absent */
	uint64_t quantum;     /* 0: absent */
	bool has_instance;
	uint8_t instance[8];
};

/* Errors: TRUNCATED, DUPLICATE, SYNTAX as ext_read(); TRUNCATED or TRAILING
 * also when a value is not one int, TRAILING behind the list's end; RANGE: an
 * int of 0, a packet size below 1200, a quantum that is no power of two in
 * 16..1152, an instance that is not 8 octets. out is then untouched. */
MPP_MUSTCHECK mpp_err params_read(mpp_bytes value, struct params *out);
void params_write(struct wr *w, const struct params *p);

/* Known name of an extension for logs; "?" for others. */
const char *ext_name(unsigned number);

#endif
