/* SPDX-License-Identifier: MIT */
/* question.h - the names of the zone bench.example, the queries for them, and
 * whether an answer is right. */
#ifndef MPPBENCH_QUESTION_H
#define MPPBENCH_QUESTION_H

#include <stdio.h>

#include <mpp/rud.h>

enum { QUESTION_NAMES = 1000, QUESTION_MAX = 64 };

/* The zone as a master file. @return false: it cannot be written */
bool question_zone(FILE *f);

/* A query for the address of name number @p name.
 * @param out  has room for QUESTION_MAX octets */
void question_write(uint16_t id, uint32_t name, mpp_buf *out);

/* Is it the answer to that query, with the address of the zone and nothing
 * else? */
bool question_answered(mpp_bytes answer, uint16_t id, uint32_t name);

#endif
