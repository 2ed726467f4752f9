/* SPDX-License-Identifier: MIT */
/* records.h - durable records and batches of them (the form of a batch is in
 * src/store/store.h). Every value begins with a version octet.
 *
 *   key                                value after the version
 *   'a' account                        -, or 1: removed, and what is left of
 *                                      it goes, or revoked 8, or revoked 8,
 *                                      enrol 8
 *   'd' account 0 suite key            rights, n, n x {instance 8,
 *                                      timestamp 8}, and revoked 8 or nothing
 *   'f'                                highest serial of removed accounts 8,
 *                                      and when the newest was removed 8 or
 *                                      nothing
 *   'i' hash 32                        account, rights, expires 8, suite, key
 *   'k' token key id 4                 revoked 8
 *   's' account 0 store                index 8, serial 8, digest
 *
 * Accounts sort before what belongs to them. Names hold no zero octet. */
#ifndef PRESENCE_RECORDS_H
#define PRESENCE_RECORDS_H

#include "base/wr.h"
#include "presence/device.h"

enum { RECORD_VERSION = 1 };

/* Each appends one operation. */
void record_account(struct wr *w, mpp_bytes account);
/* With the marks of its tokens. */
void record_account_marks(struct wr *w, const struct account *a);
void record_account_gone(struct wr *w, mpp_bytes account);
void record_account_removed(struct wr *w, mpp_bytes account);
void record_floor(struct wr *w, uint64_t serial, uint64_t removed_ms);
void record_token_mark(struct wr *w, const struct token_mark *mark);
void record_store(struct wr *w, mpp_bytes account, const mpp_store_status *st,
		  uint64_t serial);
void record_store_gone(struct wr *w, mpp_bytes account, mpp_bytes store);
void record_device(struct wr *w, mpp_bytes account, const struct device *d);
void record_device_gone(struct wr *w, mpp_bytes account,
			const struct device *d);
void record_invitation(struct wr *w, mpp_bytes account,
		       const struct invitation *v);
void record_invitation_gone(struct wr *w, const struct invitation *v);

/* Put one record into the state. Deletions of invitations that have no place,
 * or no account any more, are appended to `gone` as far as they fit. Errors:
 * TYPE, VERSION, TRUNCATED, TRAILING, RANGE, MISSING (its account is not
 * there), LIMIT, DUPLICATE. */
MPP_MUSTCHECK mpp_err record_load(struct presence *p, mpp_bytes key,
				  mpp_bytes value, struct wr *gone);

#endif
