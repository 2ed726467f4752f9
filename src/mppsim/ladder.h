/* SPDX-License-Identifier: MIT */
/* ladder.h - every loss with every round trip and every kind of NAT: one cell
 * a seed, in turn, so that as many seeds as there are cells cover them all. */
#ifndef MPPSIM_LADDER_H
#define MPPSIM_LADDER_H

#include "mppsim/params.h"

enum { LADDER_LOSSES = 6, LADDER_DELAYS = 4, LADDER_NATS = 5 };
enum { LADDER_CELLS = LADDER_LOSSES * LADDER_DELAYS * LADDER_NATS };

/* The cell of a seed, and its settings. */
unsigned ladder_cell(uint64_t seed, struct params *p);

/* What a cell is, for people and as the members of a JSON object. */
void ladder_print(unsigned cell, FILE *to);
void ladder_json(unsigned cell, FILE *to);

/* Is this "name=value" one that the cell decides? */
bool ladder_decides(const char *setting);

#endif
