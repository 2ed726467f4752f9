/* SPDX-License-Identifier: MIT */
/* dnsmsg.h - DNS messages as the stub passes them on (RFC 1035, 6891): where
 * their question and their OPT record stand. Nothing else in them is looked
 * at, and no name is followed. Pure functions, no heap. */
#ifndef HOST_DNSMSG_H
#define HOST_DNSMSG_H

#include <mpp/base.h>

enum {
	DNSMSG_HEADER = 12,
	DNSMSG_QUERY_MAX = 512, /* that the service takes */
	DNSMSG_OUT_MAX = 16384, /* of what the functions below write */
	DNSMSG_UDP_LEAST = 512, /* what every asker reads */
	DNSMSG_NO_ERROR = -1,   /* no Extended DNS Error */
	DNSMSG_FORMERR = 1,     /* response codes */
	DNSMSG_SERVFAIL = 2,
	DNSMSG_NOTIMP = 4,
	DNSMSG_REFUSED = 5,
	DNSMSG_EDE_OTHER = 0, /* Extended DNS Errors (RFC 8914) */
	DNSMSG_EDE_NOT_READY = 14,
	DNSMSG_EDE_NOT_SUPPORTED = 21,
	DNSMSG_EDE_NETWORK = 23,
};

struct dnsmsg {
	uint16_t id;
	bool response;
	unsigned opcode;
	unsigned rcode;      /* without the part that OPT holds */
	size_t question_end; /* behind the question */
	size_t opt, opt_end; /* the OPT record; 0: none */
	uint16_t before_opt; /* additional records before it */
	uint16_t udp_size;   /* of OPT; 512 without */
	size_t end;          /* behind the last record */
};

/* Read a message of one question. @return false: it is cut short, has another
 * number of questions, or two OPT records; *out then holds what its header
 * says, if it has one */
bool dnsmsg_read(mpp_bytes m, struct dnsmsg *out);

/* The question as it is to be asked: with this id, and an OPT record that
 * takes the longest answers. out: DNSMSG_QUERY_MAX octets.
 * @return its length; 0: it would be longer */
size_t dnsmsg_ask(mpp_bytes query, const struct dnsmsg *q, uint16_t id,
		  uint8_t *out);

/* Does this answer that question, asked with this id? Case does not count. */
bool dnsmsg_answers(mpp_bytes query, const struct dnsmsg *q, uint16_t id,
		    mpp_bytes answer, const struct dnsmsg *a);

/* The answer as the asker is to have it: his id, OPT only if he sent one, and
 * no more than `limit` octets, else cut to the question with TC.
 * out: DNSMSG_OUT_MAX octets. @return its length */
size_t dnsmsg_fit(mpp_bytes answer, const struct dnsmsg *a,
		  const struct dnsmsg *q, size_t limit, uint8_t *out);

/* An answer of our own: a response code, and why (DNSMSG_EDE_…, for who sent
 * an OPT record). The query need not have been read whole.
 * out: DNSMSG_QUERY_MAX octets or more. @return its length */
size_t dnsmsg_error(mpp_bytes query, const struct dnsmsg *q, unsigned rcode,
		    int ede, uint8_t *out);

#endif
