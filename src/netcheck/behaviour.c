/* SPDX-License-Identifier: MIT */
/* behaviour.c - what a NAT does. Contract: behaviour.h. */
#include "netcheck/behaviour.h"

#include "netcheck/question.h"

/* What pairs of observations show. */
struct pairs {
	bool other_ip;       /* seen from two addresses, */
	bool other_ip_moved; /* and mapped differently */
	bool other_port;     /* seen from two ports of one address */
	bool other_port_moved;
};

static void compare(const struct observation *a, const struct observation *b,
		    struct pairs *p)
{
	const bool moved = !addr_same(&a->mapped, &b->mapped);

	if (!addr_same_ip(&a->server, &b->server)) {
		p->other_ip = true;
		p->other_ip_moved |= moved;
	} else if (a->server.port != b->server.port) {
		p->other_port = true;
		p->other_port_moved |= moved;
	}
}

enum mapping behaviour_mapping(const mpp_addr *local,
			       const struct observation *seen, size_t n)
{
	struct pairs p = {.other_ip = false};
	bool all_local = n > 0;
	size_t i, j;

	for (i = 0; i < n; i++) {
		all_local &= addr_same(&seen[i].mapped, local);
		for (j = 0; j < i; j++)
			compare(&seen[i], &seen[j], &p);
	}
	if (all_local)
		return MAPPING_NONE;
	if (p.other_port_moved)
		return MAPPING_ADDRESS_PORT;
	if (p.other_ip_moved)
		return p.other_port ? MAPPING_ADDRESS : MAPPING_DEPENDENT;
	if (p.other_ip)
		return MAPPING_INDEPENDENT;
	return p.other_port ? MAPPING_NOT_PORT : MAPPING_UNKNOWN;
}

enum filtering behaviour_filtering(const struct filter_facts *f)
{
	if (f->both)
		return FILTERING_INDEPENDENT;
	/* That nothing came says something only where it could have. */
	if (!f->plain || !f->both_path)
		return FILTERING_UNKNOWN;
	if (f->port)
		return FILTERING_ADDRESS;
	return f->port_path ? FILTERING_ADDRESS_PORT : FILTERING_UNKNOWN;
}
