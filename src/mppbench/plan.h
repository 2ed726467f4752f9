/* SPDX-License-Identifier: MIT */
/* plan.h - what is to be measured. Made before the server is forked, so that
 * both processes hold the same one and agree on accounts, keys, addresses and
 * order without a word. */
#ifndef MPPBENCH_PLAN_H
#define MPPBENCH_PLAN_H

#include <mpp/service.h>

#include "host/fault.h"

enum scenario {
	SCENARIO_FLOOR = 1, /* the floor against itself: how far noise goes */
	SCENARIO_HEARTBEAT,
	SCENARIO_PUBLISH,
	SCENARIO_STUN,
	SCENARIO_DNS,
};

/* Damage for the tests of mppbench: each must make a run fail. */
enum breakage {
	BREAK_NONE = 0,
	BREAK_DEAF,     /* the service never hears what came */
	BREAK_FORGE,    /* now and then a bit is turned: of what came, of a
			 * name's answer */
	BREAK_MISCOUNT, /* the server reports one operation too many */
};

enum { ACCOUNT_TEXT = 24, PLAN_PATH = 320 };

struct plan {
	enum scenario scenario;
	double seconds; /* of each interval */
	uint32_t devices;
	uint32_t fanout; /* devices of an account */
	uint32_t window; /* operations of a burst */
	uint32_t rounds;
	bool json;
	enum breakage broken;

	int server_cpu, load_cpu;
	unsigned cpus;          /* 1: both share one */
	uint16_t zone_port;     /* dns: of the zone's server */
	char anchor[PLAN_PATH]; /* dns: file of the trust anchor */
	mpp_service_secrets secrets;
	uint8_t salt[8]; /* of the invitations of this run */
};

static inline uint32_t plan_accounts(const struct plan *p)
{
	return p->devices / p->fanout;
}

/* Secrets and processors. Errors: RANDOM, IO. */
MPP_MUSTCHECK mpp_err plan_complete(struct plan *p, struct fault *f);

/* The name of account number i, and its length. */
size_t plan_account(uint32_t i, char out[ACCOUNT_TEXT]);
void plan_invitation(const struct plan *p, uint32_t device,
		     uint8_t out[MPP_INVITATION_LEN]);

/* 0 .. n-1, shuffled, so that neither side walks its memory in order. Given,
 * free() it; NULL: no memory. */
uint32_t *plan_order(uint32_t n);

/* Keep this process on one processor; a wish, not a need. */
void plan_pin(int cpu);

#endif
