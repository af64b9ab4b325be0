/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_QUOTA_COMMAND_H
#define SERVER_QUOTA_COMMAND_H
/*
 * The command that is run when an account reaches a level of its quota (quota.warn_command).  The
 * helper runs it, once for each resource.  A limited number of threads wait for it, and a queue
 * holds the rest.
 */
#include "auth/helper/helper.h"
#include "server/config/quota.h"

struct quota_command;

/* helper NULL: none is configured. */
struct quota_command *quota_command_new(struct auth_helper *helper, unsigned parallel);
/* Drops what waits, and waits for what runs: hang up the helper first. */
void quota_command_free(struct quota_command **command);
/* Any thread; applies to what is added from now on. */
void quota_command_configure(struct quota_command *command, const struct quota_settings *settings);

/* Returns whether the queue has room for all levels of an account; logs if not.  Call it from one
 * thread only. */
bool quota_command_has_room(struct quota_command *command);
/* Adds each level that was reached.  Does not block.  The queue must have room. */
void quota_command_run(
    struct quota_command *command, struct str user, const struct store_quota_levels *levels);
#endif
