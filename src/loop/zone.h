/* SPDX-License-Identifier: MIT */
/* zone.h - what answers of the DNS say of a service: SRV records (RFC 2782) and
 * TXT records of key=value (RFC 6763). Pure: octets in, records out; whatever
 * the octets are, every loop is bounded by their number. */
#ifndef LOOP_ZONE_H
#define LOOP_ZONE_H

#include <mpp/client.h>
#include <mpp/udf.h>

#include "loop/endpoint.h"

enum {
	ZONE_RECORDS_MAX = 128, /* SRV records of one answer */
	ZONE_TARGETS_MAX = 16,  /* of them, in use */
	ZONE_PATH_MAX = 127,
	ZONE_NAME_TEXT = LOOP_HOST_MAX + 1,
};

enum zone_result {
	ZONE_FOUND = 1,
	ZONE_NONE,      /* there are no such records, for certain */
	ZONE_FAILED,    /* the answer says that there is no answer (SERVFAIL) */
	ZONE_MALFORMED, /* it is no answer to this question */
	ZONE_TOO_MANY,  /* more than ZONE_RECORDS_MAX */
};

struct zone_srv {
	uint16_t priority, weight;
	struct loop_endpoint at; /* host "": the root, "not offered" */
};

struct zone_services {
	struct zone_srv list[ZONE_RECORDS_MAX];
	size_t n;
	size_t skipped; /* records that name no host, or port 0 */
};

struct zone_text {
	char pins[MPP_PINS_MAX][MPP_UDF_TEXT_MAX];
	size_t n_pins;
	char path[ZONE_PATH_MAX + 1]; /* empty: not said */
	const char *wrong;            /* NULL, or what is wrong with a value */
};

/* @param name  asked for: labels and dots, without one at the end
 * Aliases (CNAME) in the answer are followed; records of other names are not
 * looked at. *out is replaced; it is zeros unless FOUND. */
enum zone_result zone_read_srv(mpp_bytes answer, const char *name,
			       struct zone_services *out);

/* Keys other than udf and path are ignored, as are strings that are none. */
enum zone_result zone_read_txt(mpp_bytes answer, const char *name,
			       struct zone_text *out);

/* The order in which targets are tried (RFC 2782): by priority, and within one
 * drawn by weight. Those of the root are left out.
 * @param draws  32 random bits for each place
 * @return how many, at most ZONE_TARGETS_MAX */
size_t zone_order(struct zone_services *s,
		  const uint32_t draws[ZONE_TARGETS_MAX],
		  struct zone_srv out[ZONE_TARGETS_MAX]);

#endif
