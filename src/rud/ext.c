/* SPDX-License-Identifier: MIT */
/* ext.c - extension lists. Contract: ext.h. */
#include "rud/ext.h"

#include "base/mem.h"

/* One more than the longest value; 0: any. */
static const uint16_t limits[EXT_NUMBERS] = {
#define EXT(number, name, text, longest) [number] = (longest) + 1,
#include "rud/ext.def"
#undef EXT
};

/* The numbers of parameters are others: each has its check where it is read. */
static const uint16_t no_limits[EXT_NUMBERS] = {0};

/* Tags seen so far, one bit for each one-octet tag, and the long ones. */
struct seen {
	uint64_t one[2];
	mpp_bytes many[EXT_LONG_MAX];
	size_t n_many;
};

/* A tag of the draft's longer kind: octets below 128, then one that is not. */
static mpp_bytes read_long_tag(struct rd *r, uint8_t first)
{
	const uint8_t *start = r->p - 1;
	size_t n = 1;
	uint8_t octet = first;

	while (r->err == MPP_OK && octet < 128) {
		if (n == 16) {
			rd_fail(r, MPP_ERR_SYNTAX);
			break;
		}
		octet = rd_u8(r);
		n++;
	}
	return (mpp_bytes){start, n};
}

static mpp_err note_long(struct seen *s, mpp_bytes tag)
{
	size_t i;

	for (i = 0; i < s->n_many; i++) {
		if (bytes_eq(s->many[i], tag))
			return MPP_ERR_DUPLICATE;
	}
	if (s->n_many == EXT_LONG_MAX)
		return MPP_ERR_SYNTAX;
	s->many[s->n_many++] = tag;
	return MPP_OK;
}

static mpp_err note_one(struct seen *s, unsigned number)
{
	uint64_t bit = UINT64_C(1) << (number & 63);

	if ((s->one[number >> 6] & bit) != 0)
		return MPP_ERR_DUPLICATE;
	s->one[number >> 6] |= bit;
	return MPP_OK;
}

static void read_value(struct rd *r, struct ext *e, unsigned number,
		       const uint16_t *below)
{
	mpp_bytes value = rd_bytes(r);

	if (r->err != MPP_OK || number >= EXT_NUMBERS)
		return;
	if (below[number] != 0 && value.len >= below[number])
		rd_fail(r, MPP_ERR_RANGE);
	e->v[number] = value;
	e->present |= UINT32_C(1) << number;
}

static mpp_err read_list(struct rd *r, const uint16_t *below, struct ext *out)
{
	struct seen seen = {0};
	mpp_bytes long_tag;
	mpp_err err;
	uint8_t tag;

	memset(out, 0, sizeof(*out));
	while ((tag = rd_u8(r)) != EXT_END && r->err == MPP_OK) {
		if (tag < 128) {
			long_tag = read_long_tag(r, tag);
			/* Its octets are all there only now. */
			err = r->err != MPP_OK ? r->err
					       : note_long(&seen, long_tag);
			if (err == MPP_OK)
				(void)rd_bytes(r);
		} else {
			err = note_one(&seen, tag - 128u);
			if (err == MPP_OK)
				read_value(r, out, tag - 128u, below);
		}
		if (err != MPP_OK)
			rd_fail(r, err);
	}
	return r->err;
}

mpp_err ext_read(struct rd *r, struct ext *out)
{
	return read_list(r, limits, out);
}

void ext_put(struct wr *w, enum ext_number n, const void *p, size_t len)
{
	wr_u8(w, (uint8_t)(128 + (unsigned)n));
	wr_bytes(w, p, len);
}

static void put_int(struct wr *w, uint8_t tag, uint64_t v)
{
	struct wr count = wr_init(NULL, 0);

	wr_int(&count, v);
	wr_u8(w, tag);
	wr_int(w, count.n);
	wr_int(w, v);
}

void ext_put_int(struct wr *w, enum ext_number n, uint64_t v)
{
	put_int(w, (uint8_t)(128 + (unsigned)n), v);
}

mpp_err ext_get_int(mpp_bytes value, uint64_t *out)
{
	struct rd r = rd_init(value);
	uint64_t v = rd_int(&r);
	mpp_err err = rd_finish(&r);

	if (err == MPP_OK)
		*out = v;
	return err;
}

static mpp_err params_check(const struct params *p)
{
	if (p->packet_size != 0 && p->packet_size < 1200)
		return MPP_ERR_RANGE;
	if (p->quantum != 0 && (p->quantum < 16 || p->quantum > 1152 ||
				(p->quantum & (p->quantum - 1)) != 0))
		return MPP_ERR_RANGE;
	return MPP_OK;
}

/* One parameter; an int of 0 is out of range for each of them. */
static mpp_err params_get(mpp_bytes value, uint64_t *out)
{
	mpp_err err = ext_get_int(value, out);

	if (err == MPP_OK && *out == 0)
		return MPP_ERR_RANGE;
	return err;
}

mpp_err params_read(mpp_bytes value, struct params *out)
{
	struct rd r = rd_init(value);
	struct params p = {0};
	struct ext e;
	mpp_err err = read_list(&r, no_limits, &e);

	if (err == MPP_OK)
		err = rd_finish(&r);
	if (err == MPP_OK && (e.present >> PARAM_PACKET_SIZE & 1) != 0)
		err = params_get(e.v[PARAM_PACKET_SIZE], &p.packet_size);
	if (err == MPP_OK && (e.present >> PARAM_IDLE & 1) != 0)
		err = params_get(e.v[PARAM_IDLE], &p.idle_ms);
	if (err == MPP_OK && (e.present >> PARAM_QUANTUM & 1) != 0)
		err = params_get(e.v[PARAM_QUANTUM], &p.quantum);
	if (err == MPP_OK && (e.present >> PARAM_INSTANCE & 1) != 0) {
		p.has_instance = e.v[PARAM_INSTANCE].len == 8;
		err = p.has_instance ? MPP_OK : MPP_ERR_RANGE;
		if (p.has_instance)
			memcpy(p.instance, e.v[PARAM_INSTANCE].p, 8);
	}
	if (err == MPP_OK)
		err = params_check(&p);
	if (err == MPP_OK)
		*out = p;
	return err;
}

static void params_body(struct wr *w, const struct params *p)
{
	if (p->packet_size != 0)
		put_int(w, 128 + PARAM_PACKET_SIZE, p->packet_size);
	if (p->idle_ms != 0)
		put_int(w, 128 + PARAM_IDLE, p->idle_ms);
	if (p->quantum != 0)
		put_int(w, 128 + PARAM_QUANTUM, p->quantum);
	if (p->has_instance) {
		wr_u8(w, 128 + PARAM_INSTANCE);
		wr_bytes(w, p->instance, 8);
	}
	ext_put_end(w);
}

void params_write(struct wr *w, const struct params *p)
{
	struct wr count = wr_init(NULL, 0);

	params_body(&count, p);
	wr_u8(w, 128 + EXT_PARAMS);
	wr_int(w, count.n);
	params_body(w, p);
}

const char *ext_name(unsigned number)
{
	switch (number) {
#define EXT(number, name, text, longest) \
	case number:                     \
		return text;
#include "rud/ext.def"
#undef EXT
	default:
		return "?";
	}
}
