/* SPDX-License-Identifier: MIT */
/* plan.c - see plan.h. */
#include "mppbench/plan.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>

static mpp_err take_processors(struct plan *p, struct fault *f)
{
	cpu_set_t set;
	int i;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return fault_set(f, MPP_ERR_IO, EX_OSERR,
				 "cannot ask for the processors: %s",
				 strerror(errno));
	p->load_cpu = -1;
	for (i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET((size_t)i, &set))
			continue;
		if (p->load_cpu < 0)
			p->load_cpu = i;
		p->server_cpu = i;
	}
	p->cpus = p->server_cpu == p->load_cpu ? 1 : 2;
	return MPP_OK;
}

static bool fill_random(void *p, size_t len)
{
	return getrandom(p, len, 0) == (ssize_t)len;
}

mpp_err plan_complete(struct plan *p, struct fault *f)
{
	if (!fill_random(p->secrets.x25519, sizeof(p->secrets.x25519)) ||
	    !fill_random(p->secrets.sid_key, sizeof(p->secrets.sid_key)) ||
	    !fill_random(p->secrets.reset_key, sizeof(p->secrets.reset_key)) ||
	    !fill_random(p->salt, sizeof(p->salt)))
		return fault_set(f, MPP_ERR_RANDOM, EX_OSERR,
				 "no random numbers: %s", strerror(errno));
	return take_processors(p, f);
}

size_t plan_account(uint32_t i, char out[ACCOUNT_TEXT])
{
	return (size_t)snprintf(out, ACCOUNT_TEXT, "a%u@bench.example", i);
}

void plan_invitation(const struct plan *p, uint32_t device,
		     uint8_t out[MPP_INVITATION_LEN])
{
	memset(out, 0, MPP_INVITATION_LEN);
	memcpy(out, p->salt, sizeof(p->salt));
	memcpy(out + sizeof(p->salt), &device, sizeof(device));
}

static uint64_t mix(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* Fisher and Yates; the same order in every run. */
uint32_t *plan_order(uint32_t n)
{
	uint32_t *order = malloc(n * sizeof(*order));
	uint64_t state = n;
	uint32_t i, k, held;

	if (order == NULL)
		return NULL;
	for (i = 0; i < n; i++)
		order[i] = i;
	for (i = n; i > 1; i--) {
		k = (uint32_t)(mix(&state) % i);
		held = order[i - 1];
		order[i - 1] = order[k];
		order[k] = held;
	}
	return order;
}

void plan_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}
