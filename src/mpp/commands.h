/* SPDX-License-Identifier: MIT */
/* commands.h - what mpp can do; each gives the exit code. */
#ifndef MPP_COMMANDS_H
#define MPP_COMMANDS_H

#include "mpp/options.h"

int command_enroll(const struct options *o);
int command_id(const struct options *o);
int command_discover(const struct options *o);
int command_subscribe(const struct options *o);
int command_unsubscribe(const struct options *o);
int command_status(const struct options *o);
int command_endpoint(const struct options *o);
int command_publish(const struct options *o);
int command_dig(const struct options *o);
int command_dns_stub(const struct options *o);
int command_netcheck(const struct options *o);
int command_decode(const struct options *o);

#endif
