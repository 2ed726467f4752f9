/* SPDX-License-Identifier: MIT */
/* pattern.c - patterns of account names. Contract: pattern.h. */
#include "presence/pattern.h"

#include "presence/account.h"

mpp_bytes pattern_next(mpp_bytes *list)
{
	mpp_bytes word;

	for (; list->len != 0 && list->p[0] == ' '; list->len--)
		list->p++;
	word = (mpp_bytes){list->p, 0};
	while (word.len < list->len && list->p[word.len] != ' ')
		word.len++;
	list->p += word.len;
	list->len -= word.len;
	return word;
}

static bool is_domain(mpp_bytes pattern)
{
	return pattern.len > 2 && pattern.p[0] == '*' && pattern.p[1] == '@';
}

bool pattern_possible(mpp_bytes pattern)
{
	uint8_t canonical[MPP_ACCOUNT_MAX];
	size_t i = is_domain(pattern) ? 2 : 0;

	if (account_canonical(pattern, canonical) != MPP_OK)
		return false;
	for (; i < pattern.len; i++) {
		if (pattern.p[i] == '*' ||
		    (pattern.p[i] == '@' && is_domain(pattern)))
			return false;
	}
	return true;
}

static bool same_in_any_case(mpp_bytes canonical, mpp_bytes text)
{
	size_t i;

	if (canonical.len != text.len)
		return false;
	for (i = 0; i < text.len; i++) {
		const uint8_t c = text.p[i];

		if (canonical.p[i] != (c >= 'A' && c <= 'Z' ? c + 32 : c))
			return false;
	}
	return true;
}

/* What is behind the last '@'; empty for a name without one, or with nothing
 * before it. */
static mpp_bytes domain_of(mpp_bytes name)
{
	size_t at = name.len;

	while (at > 0 && name.p[at - 1] != '@')
		at--;
	if (at < 2)
		return (mpp_bytes){NULL, 0};
	return (mpp_bytes){name.p + at, name.len - at};
}

bool patterns_cover(mpp_bytes list, mpp_bytes canonical)
{
	const mpp_bytes domain = domain_of(canonical);
	mpp_bytes pattern;

	while ((pattern = pattern_next(&list)).len != 0) {
		if (!is_domain(pattern) && same_in_any_case(canonical, pattern))
			return true;
		if (is_domain(pattern) &&
		    same_in_any_case(domain, (mpp_bytes){pattern.p + 2,
							 pattern.len - 2}))
			return true;
	}
	return false;
}
