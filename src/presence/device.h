/* SPDX-License-Identifier: MIT */
/* device.h - devices, their instances, bindings and invitations. */
#ifndef PRESENCE_DEVICE_H
#define PRESENCE_DEVICE_H

#include "presence/state.h"

/* A device key in an account. */
struct device_key {
	int suite;
	uint8_t raw[MPP_DH_MAX];
};

/* Is the key enrolled anywhere? (Known keys need no Challenge.) */
bool device_known(const struct presence *p, const struct device_key *key);
/* The device with this key in this account, or NONE. */
uint32_t device_find(const struct presence *p, const struct device_key *key,
		     uint32_t account);
/* Enrol. NONE: no room (in all, or in the account). */
uint32_t device_add(struct presence *p, const struct device_key *key,
		    uint32_t account, uint8_t rights);
/* Its bindings and half-open connections must be gone. */
void device_remove(struct presence *p, uint32_t device);

/* The instance's slot, or -1. */
int instance_find(const struct device *d, const uint8_t id[MPP_INSTANCE_LEN]);
/* The instance's slot; when all are taken, the one that was confirmed longest
 * ago, which the caller must have closed (its binding is NONE then). */
int instance_place(const struct device *d, const uint8_t id[MPP_INSTANCE_LEN]);

/* Invitations, by the first 32 octets of SHA-512 over their secret. */
uint32_t invitation_find(const struct presence *p, const uint8_t hash[32]);
uint32_t invitation_add(struct presence *p, const uint8_t hash[32],
			uint32_t account);
void invitation_remove(struct presence *p, uint32_t invitation);

/* ---- the life of a binding (docs/protocol.md section 13) ----
 *
 *              confirmed              lease over
 *   INITIAL ------------> CONNECTED ------------> OVERDUE1 --W--> OVERDUE2
 *      |                    ^  ^                                     | W
 *      | 10 s               |  +--------- packet ---- OVERDUE3 <-----+
 *      v                    |                            | W
 *     FREE <----- idle ----CLOSED <----------------------+
 *
 * A packet brings every live state back to CONNECTED; closing (by either
 * side) frees it from every state. */
enum binding_event {
	EVENT_CONFIRMED = 0,
	EVENT_PACKET,
	EVENT_DEADLINE,
	EVENT_CLOSE,
	BINDING_EVENTS,
};

enum binding_action {
	ACT_NONE = 0,
	ACT_PROBE = 1,   /* ask whether it is still there */
	ACT_OFFLINE = 2, /* tell others that it is gone */
	ACT_ONLINE = 4,
	ACT_FREE = 8,
};

struct binding_rule {
	uint8_t next;
	uint8_t action;
};

/* Total: every pair of a live state and an event has a row. */
const struct binding_rule *binding_rule(enum binding_state state,
					enum binding_event event);
const char *binding_state_name(enum binding_state state);

#endif
