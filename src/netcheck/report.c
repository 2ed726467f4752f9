/* SPDX-License-Identifier: MIT */
/* report.c - the words of a report. Contract: report.h. */
#include "netcheck/report.h"

#define WORD(name, word, text) \
	case name:             \
		return word;
#define TEXT(name, word, text) \
	case name:             \
		return text;

#define NAMES(kind, LIST)                        \
	const char *kind##_word(enum kind value) \
	{                                        \
		switch ((int)value) {            \
			LIST(WORD)               \
		default:                         \
			return "unknown";        \
		}                                \
	}                                        \
	const char *kind##_text(enum kind value) \
	{                                        \
		switch ((int)value) {            \
			LIST(TEXT)               \
		default:                         \
			return "unknown";        \
		}                                \
	}

NAMES(mapping, NETCHECK_MAPPINGS)
NAMES(filtering, NETCHECK_FILTERINGS)
NAMES(yesno, NETCHECK_ANSWERS)
NAMES(method, NETCHECK_METHODS)
