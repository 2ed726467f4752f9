/* SPDX-License-Identifier: MIT */
/* pages.h - is an LMDB file whole, page by page?
 *
 * LMDB trusts its pages. A wrong bit in a page header, a free list or a meta
 * page may stay unseen while records are read, and destroy good ones later,
 * when the page is reused. This looks at the raw file, without LMDB. */
#ifndef STORE_PAGES_H
#define STORE_PAGES_H

#include "store/record.h"

/* Check every page that the newest transaction can reach: it is used for one
 * purpose only, its header and nodes are well formed, keys rise, counts and
 * free list are right; and that no newer transaction is hidden behind a
 * damaged meta page. What records say is not looked at. May die of SIGBUS on a
 * failing disk: call it in a process that can be spared. Errors: CHECKSUM,
 * STORE, NOMEM. */
MPP_MUSTCHECK mpp_err pages_check(const char *path, struct hasher *h,
				  struct store_error *err);

#endif
