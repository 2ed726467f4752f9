/* SPDX-License-Identifier: MIT */
/* record.c - see record.h. */
#include "store/record.h"

#include <openssl/evp.h>

#include "base/mem.h"
#include "base/rd.h"
#include "base/wr.h"
#include "store/batch.h"

enum {
	RECORD_FORMAT = 1,
	SUMMARY_FORMAT = 1,
	SUMMARY_MAGIC_LEN = 8,
};

static const char summary_magic[] = "mppstore";

mpp_err hasher_init(struct hasher *h)
{
	struct hasher made = {NULL, NULL};

	made.md = EVP_MD_fetch(NULL, "SHA2-512", NULL);
	if (made.md == NULL)
		return MPP_ERR_CRYPTO;
	made.ctx = EVP_MD_CTX_new();
	if (made.ctx == NULL) {
		EVP_MD_free(made.md);
		return MPP_ERR_NOMEM;
	}
	*h = made;
	return MPP_OK;
}

void hasher_free(struct hasher *h)
{
	EVP_MD_CTX_free(h->ctx);
	EVP_MD_free(h->md);
	*h = (struct hasher){NULL, NULL};
}

static mpp_err checksum(struct hasher *h, mpp_bytes in,
			uint8_t out[RECORD_SUM_LEN])
{
	uint8_t full[EVP_MAX_MD_SIZE];

	if (EVP_DigestInit_ex2(h->ctx, h->md, NULL) != 1 ||
	    EVP_DigestUpdate(h->ctx, in.p, in.len) != 1 ||
	    EVP_DigestFinal_ex(h->ctx, full, NULL) != 1)
		return MPP_ERR_CRYPTO;
	memcpy(out, full, RECORD_SUM_LEN);
	return MPP_OK;
}

/* Append the checksum of everything written so far. */
static mpp_err close_with_sum(struct hasher *h, struct wr *w)
{
	uint8_t sum[RECORD_SUM_LEN];
	mpp_err err;

	if (w->err != MPP_OK)
		return w->err;
	if ((err = checksum(h, (mpp_bytes){w->p, w->n}, sum)) != MPP_OK)
		return err;
	wr_raw(w, sum, sizeof(sum));
	return w->err;
}

/* What stands before the checksum, once that is found right. */
static mpp_err open_with_sum(struct hasher *h, mpp_bytes disk, mpp_bytes *body)
{
	uint8_t sum[RECORD_SUM_LEN];
	mpp_bytes in;
	mpp_err err;

	if (disk.len < RECORD_SUM_LEN)
		return MPP_ERR_CHECKSUM;
	in = (mpp_bytes){disk.p, disk.len - RECORD_SUM_LEN};
	if ((err = checksum(h, in, sum)) != MPP_OK)
		return err;
	if (memcmp(sum, disk.p + in.len, RECORD_SUM_LEN) != 0)
		return MPP_ERR_CHECKSUM;
	*body = in;
	return MPP_OK;
}

mpp_err record_seal(struct hasher *h, mpp_bytes key, mpp_bytes value,
		    mpp_buf *out)
{
	struct wr w = wr_init(out->p, out->cap);
	mpp_err err;

	wr_u8(&w, RECORD_FORMAT);
	wr_u16(&w, (uint16_t)key.len);
	wr_raw(&w, key.p, key.len);
	wr_raw(&w, value.p, value.len);
	if ((err = close_with_sum(h, &w)) != MPP_OK)
		return err;
	out->len = w.n;
	return MPP_OK;
}

mpp_err record_open(struct hasher *h, mpp_bytes key, mpp_bytes disk,
		    mpp_bytes *value)
{
	mpp_bytes body;
	mpp_bytes own;
	struct rd r;
	mpp_err err;

	if ((err = open_with_sum(h, disk, &body)) != MPP_OK)
		return err;
	r = rd_init(body);
	if (rd_u8(&r) != RECORD_FORMAT)
		return MPP_ERR_VERSION;
	own = rd_slice(&r, rd_u16(&r));
	if (r.err != MPP_OK || !bytes_eq(own, key) || r.left > BATCH_VALUE_MAX)
		return MPP_ERR_CHECKSUM;
	*value = rd_rest(&r);
	return MPP_OK;
}

/* The two halves of a stored record's checksum, as they stand there. */
static mpp_err halves(mpp_bytes disk, uint64_t half[2])
{
	struct rd r;

	if (disk.len < RECORD_SUM_LEN)
		return MPP_ERR_CHECKSUM;
	r = rd_init((mpp_bytes){disk.p + disk.len - RECORD_SUM_LEN,
				RECORD_SUM_LEN});
	half[0] = rd_u64(&r);
	half[1] = rd_u64(&r);
	return rd_finish(&r);
}

mpp_err tally_add(struct tally *t, mpp_bytes disk)
{
	uint64_t half[2];
	mpp_err err;

	if ((err = halves(disk, half)) != MPP_OK)
		return err;
	t->count++;
	t->sum[0] += half[0];
	t->sum[1] += half[1];
	return MPP_OK;
}

mpp_err tally_sub(struct tally *t, mpp_bytes disk)
{
	uint64_t half[2];
	mpp_err err;

	if ((err = halves(disk, half)) != MPP_OK)
		return err;
	t->count--;
	t->sum[0] -= half[0];
	t->sum[1] -= half[1];
	return MPP_OK;
}

bool tally_eq(const struct tally *a, const struct tally *b)
{
	return a->count == b->count && a->sum[0] == b->sum[0] &&
	       a->sum[1] == b->sum[1];
}

mpp_err summary_seal(struct hasher *h, const struct summary *s,
		     uint8_t out[SUMMARY_LEN])
{
	struct wr w = wr_init(out, SUMMARY_LEN);

	wr_raw(&w, summary_magic, SUMMARY_MAGIC_LEN);
	wr_u8(&w, SUMMARY_FORMAT);
	wr_u64(&w, s->txn);
	wr_u64(&w, s->tally.count);
	wr_u64(&w, s->tally.sum[0]);
	wr_u64(&w, s->tally.sum[1]);
	return close_with_sum(h, &w);
}

mpp_err summary_open(struct hasher *h, mpp_bytes disk, struct summary *out)
{
	struct summary s;
	const uint8_t *magic;
	mpp_bytes body;
	struct rd r;
	mpp_err err;

	if ((err = open_with_sum(h, disk, &body)) != MPP_OK)
		return err;
	r = rd_init(body);
	magic = rd_take(&r, SUMMARY_MAGIC_LEN);
	if (magic == NULL ||
	    memcmp(magic, summary_magic, SUMMARY_MAGIC_LEN) != 0)
		return MPP_ERR_CHECKSUM;
	if (rd_u8(&r) != SUMMARY_FORMAT)
		return MPP_ERR_VERSION;
	s.txn = rd_u64(&r);
	s.tally.count = rd_u64(&r);
	s.tally.sum[0] = rd_u64(&r);
	s.tally.sum[1] = rd_u64(&r);
	if (rd_finish(&r) != MPP_OK)
		return MPP_ERR_CHECKSUM;
	*out = s;
	return MPP_OK;
}
