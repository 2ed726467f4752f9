/* SPDX-License-Identifier: MIT */
/* commands.h - the commands of mppctl, one file each. Each gets its arguments
 * in o->args, checked for their number, and returns an exit code. */
#ifndef MPPCTL_COMMANDS_H
#define MPPCTL_COMMANDS_H

#include "mppctl/options.h"

int command_account_add(const struct options *o);
int command_account_list(const struct options *o);
int command_account_remove(const struct options *o);
int command_invite(const struct options *o);
int command_publish(const struct options *o);
int command_status(const struct options *o);
int command_device_list(const struct options *o);
int command_device_remove(const struct options *o);
int command_dns_records(const struct options *o);
int command_token_revoke(const struct options *o);
int command_token_mint(const struct options *o);
int command_token_key(const struct options *o);

#endif
