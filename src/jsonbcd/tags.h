/* SPDX-License-Identifier: MIT */
/* tags.h - what an octet of 80..FF begins; made from tags.def. */
#ifndef JSONBCD_TAGS_H
#define JSONBCD_TAGS_H

#include <stdint.h>

enum json_class {
	JSON_CLASS_UNKNOWN, /* no item begins so */
	JSON_CLASS_STRING,
	JSON_CLASS_STRING_CHUNK,
	JSON_CLASS_DATA,
	JSON_CLASS_DATA_CHUNK,
	JSON_CLASS_BINARY64,
	JSON_CLASS_POSITIVE,
	JSON_CLASS_NEGATIVE,
	JSON_CLASS_TRUE,
	JSON_CLASS_FALSE,
	JSON_CLASS_NULL,
	JSON_CLASS_NAME, /* stands only where a name may */
	JSON_CLASS_WIDE, /* a number that is not supported */
	JSON_CLASS_CODE, /* JSON-C, not supported */
};

enum json_octet {
#define TAG(octet, name, class, octets) JSON_OCTET_##name = (octet),
#include "jsonbcd/tags.def"
#undef TAG
};

struct json_tag {
	uint8_t class;  /* enum json_class */
	uint8_t octets; /* of the length field or the number behind it */
};

/* Octets below 80 are text and begin no binary item. */
static inline struct json_tag json_tag_of(uint8_t octet)
{
	static const struct json_tag tags[128] = {
#define TAG(octet, name, class, octets) \
	[(octet)-0x80] = {JSON_CLASS_##class, (octets)},
#include "jsonbcd/tags.def"
#undef TAG
	};

	if (octet < 0x80)
		return (struct json_tag){JSON_CLASS_UNKNOWN, 0};
	return tags[octet - 0x80];
}

#endif
