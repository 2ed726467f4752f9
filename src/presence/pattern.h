/* SPDX-License-Identifier: MIT */
/* pattern.h - which accounts somebody may speak for: a list of patterns with
 * blanks between, each an account's name, or "*@domain" for all names with
 * something before the last '@' and the domain behind it; in any case. An empty
 * list has nobody in it. */
#ifndef PRESENCE_PATTERN_H
#define PRESENCE_PATTERN_H

#include <mpp/base.h>

/* Cut the next pattern off a list. Empty: there is none. */
mpp_bytes pattern_next(mpp_bytes *list);

/* A star anywhere else would let an operator believe that it stands for
 * something, so it is refused, as what is no name of an account. */
bool pattern_possible(mpp_bytes pattern);

/* @param canonical  an account's name in lower case */
bool patterns_cover(mpp_bytes list, mpp_bytes canonical);

#endif
