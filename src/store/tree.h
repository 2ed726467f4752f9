/* SPDX-License-Identifier: MIT */
/* tree.h - what the files of the LMDB store share: names in the main
 * database. */
#ifndef STORE_TREE_H
#define STORE_TREE_H

#define TREE_RECORDS "records"
#define TREE_SUMMARY "summary"

#endif
