/* SPDX-License-Identifier: MIT */
/* form.h - what reading and writing of STUN messages have in common. */
#ifndef STUN_FORM_H
#define STUN_FORM_H

#include <mpp/base.h>

#define STUN_COOKIE UINT32_C(0x2112a442)

enum {
	STUN_TYPE_MAX = 4,        /* the first octet of the methods of the IETF
				     is below this, */
	STUN_REQUIRED = 0x8000,   /* numbers of attributes that have to be
				     known are below this */
	STUN_FINGERPRINT_LEN = 8, /* of the attribute with its head */
	STUN_FAMILY_4 = 1,
	STUN_FAMILY_6 = 2,
};

enum stun_attr {
#define STUN_ATTR(name, number, shortest, longest) STUN_##name = (number),
#include "stun/attributes.def"
#undef STUN_ATTR
};

/* What FINGERPRINT says of the octets before it. */
uint32_t stun_fingerprint(mpp_bytes before);

/* XOR the address of an XOR- attribute, there or back; id: of the
 * transaction. */
void stun_xor(mpp_addr *a, const uint8_t *id);

#endif
