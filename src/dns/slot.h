/* SPDX-License-Identifier: MIT */
/* slot.h - queries on their way: one slot each, in one of three lists. */
#ifndef DNS_SLOT_H
#define DNS_SLOT_H

#include "dns/query.h"

struct ub_result;

struct dns_slot {
	struct dns_slot *prev, *next;
	struct dns *owner;
	uint32_t id;
	struct dns_query query;
	struct dns_verdict verdict; /* when there is nothing to resolve */
	struct ub_result *result;   /* when there is */
	mpp_time end;               /* of asking this upstream */
	uint32_t handle;            /* of the question at it */
	uint8_t upstream;
	uint8_t left; /* upstreams to ask after it */
};

/* First in, first out. */
struct dns_list {
	struct dns_slot *first, *last;
	size_t n;
};

static inline void dns_list_put(struct dns_list *l, struct dns_slot *s)
{
	s->prev = l->last;
	s->next = NULL;
	if (l->last != NULL)
		l->last->next = s;
	else
		l->first = s;
	l->last = s;
	l->n++;
}

static inline void dns_list_cut(struct dns_list *l, struct dns_slot *s)
{
	if (s->prev != NULL)
		s->prev->next = s->next;
	else
		l->first = s->next;
	if (s->next != NULL)
		s->next->prev = s->prev;
	else
		l->last = s->prev;
	s->prev = NULL;
	s->next = NULL;
	l->n--;
}

static inline struct dns_slot *dns_list_take(struct dns_list *l)
{
	struct dns_slot *s = l->first;

	if (s != NULL)
		dns_list_cut(l, s);
	return s;
}

#endif
